/* SPDX-License-Identifier: MIT */
/*
 * kallsyms: names of the kernel's functions, from what it tells in
 * /proc/kallsyms. Who may not know addresses is told zeros there.
 *
 * Limits:  SCOPE_KALLSYMS_BYTES of the file.
 * Errors:  -EPERM addresses are hidden (kernel.kptr_restrict, or CAP_SYSLOG is
 *          missing where it was opened); -EFBIG; -ENOMEM; those of reading.
 * Memory:  names are borrowed.
 * Threads: constant after reading.
 */
#ifndef SCOPE_TARGET_KALLSYMS_H
#define SCOPE_TARGET_KALLSYMS_H

#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"

#define SCOPE_KALLSYMS_BYTES (128u << 20)

struct scope_kallsyms;

/* From a descriptor of it, which stays open. */
int scope_kallsyms_read(int fd, struct scope_kallsyms **ret_syms);
void scope_kallsyms_free(struct scope_kallsyms *k);
SCOPE_AUTO(scope_kallsyms)

/* The function that holds an address; NULL: none. */
const char *scope_kallsyms_find(const struct scope_kallsyms *k, uint64_t addr);

#endif
