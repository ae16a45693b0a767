/* SPDX-License-Identifier: MIT */
/*
 * site: where in a function a probe costs least.
 *
 * A uprobe on an instruction that the kernel emulates costs one trap; on any
 * other it is single-stepped, 2 to 18 times dearer. So a probe goes on the
 * first emulated instruction before which nothing writes an argument register
 * or branches; else on the entry.
 */
#ifndef SCOPE_PROBE_SITE_H
#define SCOPE_PROBE_SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scope_site_pick {
	uint32_t offset;   /* from the function's start, bytes */
	bool emulated;	   /* false: single-stepped */
	char insn[48];	   /* the instruction there, for doctor and -v */
};

/* Choose in `len` bytes of code that run at `vaddr`; nargs: how many argument
 * registers must still hold the arguments (SysV order). -EINVAL: not one
 * instruction could be decoded. */
int scope_site_pick(const uint8_t *code, size_t len, uint64_t vaddr,
		    unsigned nargs, struct scope_site_pick *ret_pick);

/* The one address outside of the function to which it jumps when it is done,
 * when it has no other way out (no ret): its tail. 0: there is none, or more
 * than one. */
uint64_t scope_site_tail(const uint8_t *code, size_t len, uint64_t vaddr);

/* Target of the first direct call in the function; 0: none. */
uint64_t scope_site_first_call(const uint8_t *code, size_t len, uint64_t vaddr);

#endif
