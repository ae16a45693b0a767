/* SPDX-License-Identifier: MIT */
/*
 * stapsdt: the USDT probes that a program carries, from the notes that
 * sys/sdt.h leaves in .note.stapsdt.
 *
 * Errors:  -EBADMSG the notes contradict themselves; nothing of them is used.
 * Memory:  texts are borrowed from the notes.
 * Source:  systemtap, sys/sdt.h 4.8: a note of name "stapsdt" and type 3 is
 *          three addresses (probe, .stapsdt.base as it was when the file was
 *          linked, semaphore or 0) and three texts.
 */
#ifndef SCOPE_TARGET_STAPSDT_H
#define SCOPE_TARGET_STAPSDT_H

#include <stddef.h>
#include <stdint.h>

#include "scope/usdt.h"

struct scope_stapsdt {
	const char *provider, *name, *args;
	uint64_t pc;	    /* ELF address of the probe's nop */
	uint64_t semaphore; /* ELF address; 0: none */
};

/* Call fn for each note; stops when it returns non-zero, and returns that. base
 * is the address of section .stapsdt.base; 0: there is none, and addresses are
 * as they are. Nothing is called for unless all of the notes are sound. */
int scope_stapsdt_each(const uint8_t *notes, size_t len, uint64_t base,
		       int (*fn)(void *arg, const struct scope_stapsdt *p),
		       void *arg);

/*
 * Where arguments are, as the compiler wrote it: "8@%rax -4@$5 8@-16(%rbp)".
 * Sets all but role and slot of the first `max`; the others are read past.
 * Returns how many there are in all. -EBADMSG: one can't be understood; its
 * place from 0 on is *ret_bad. `resolve` gives the address that a variable has
 * in the process; 0: there is no such variable.
 */
struct scope_usdt_resolver {
	uint64_t (*address)(void *arg, const char *name);
	void *arg;
};
int scope_usdt_args_x86(const char *text, const struct scope_usdt_resolver *r,
			struct scope_usdt_arg *ret_args, size_t max,
			size_t *ret_bad);
int scope_usdt_args_arm64(const char *text, const struct scope_usdt_resolver *r,
			  struct scope_usdt_arg *ret_args, size_t max,
			  size_t *ret_bad);
#if defined(__aarch64__)
#define scope_usdt_args scope_usdt_args_arm64
#else
#define scope_usdt_args scope_usdt_args_x86
#endif

#endif
