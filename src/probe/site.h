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

/* Instructions that kernels treat alike, by the name that users see. OTHER is
 * never taken for emulated. */
#if defined(__aarch64__)
#define SCOPE_INSNS(X)                                                         \
	X(NOP, "nop")                                                          \
	X(JMP, "b")                                                            \
	X(JCC, "cbz")                                                          \
	X(CALL, "bl")                                                          \
	X(ADR, "adr")                                                          \
	X(RET, "ret")                                                          \
	X(PAC, "paciasp")                                                      \
	X(PUSH, "stp")                                                         \
	X(MOV, "mov")                                                          \
	X(SUB, "sub")                                                          \
	X(OTHER, "other")
#else
#define SCOPE_INSNS(X)                                                         \
	X(NOP, "nop")                                                          \
	X(NOP5, "nop5")                                                        \
	X(NOPL, "nopl")                                                        \
	X(PUSH, "push")                                                        \
	X(JMP, "jmp")                                                          \
	X(JCC, "jcc")                                                          \
	X(CALL, "call")                                                        \
	X(RET, "ret")                                                          \
	X(ENDBR, "endbr64")                                                    \
	X(LEA, "lea")                                                          \
	X(MOV, "mov")                                                          \
	X(SUB, "sub")                                                          \
	X(TEST, "test")                                                        \
	X(OTHER, "other")
#endif

enum scope_insn {
#define X(sym, name) SCOPE_INSN_##sym,
	SCOPE_INSNS(X)
#undef X
	SCOPE_INSN_MAX,
};

/* A set of them: bit `insn`. */
#define SCOPE_INSN_BIT(insn) (1u << (insn))

const char *scope_insn_name(enum scope_insn insn);

/* What kernels that this was written for emulate. */
uint32_t scope_site_emulated_default(void);
/* What this one does, once it was measured: used by scope_site_pick from then
 * on, in the whole process, because there is one kernel. Any thread. */
void scope_site_learn_emulated(uint32_t insns);

struct scope_site_pick {
	uint32_t offset;   /* from the function's start, bytes */
	enum scope_insn what; /* the instruction there */
	bool emulated;	   /* false: single-stepped */
	char insn[48];	   /* the instruction there, for doctor and -v */
};

/* Choose in `len` bytes of code that run at `vaddr`; nargs: how many argument
 * registers must still hold the arguments (SysV order). -EINVAL: not one
 * instruction could be decoded. */
int scope_site_pick(const uint8_t *code, size_t len, uint64_t vaddr,
		    unsigned nargs, struct scope_site_pick *ret_pick);

/* The same for a probe that also follows the return: it changes the return
 * address, so it goes where that is on top of the stack: on the entry, or
 * behind an endbr64 there (builds with CET), which changes nothing. */
int scope_site_pick_return(const uint8_t *code, size_t len, uint64_t vaddr,
			   struct scope_site_pick *ret_pick);

/* The one address outside of the function to which it jumps when it is done,
 * when it has no other way out (no ret): its tail. 0: there is none, or more
 * than one. */
uint64_t scope_site_tail(const uint8_t *code, size_t len, uint64_t vaddr);

/* Where in the function `to` is called directly: the addresses of the first
 * `max` calls. Returns how many there are; those beyond max are not noted. */
size_t scope_site_calls(const uint8_t *code, size_t len, uint64_t vaddr,
			uint64_t to, uint64_t *ret_calls, size_t max);

/* The one address outside of the function that it calls or jumps to, whether or
 * not it also returns. 0: there is none, or more than one. */
uint64_t scope_site_leads_to(const uint8_t *code, size_t len, uint64_t vaddr);

/* A call, and what follows it: bytes from the function's start. */
struct scope_call {
	uint32_t at, next;
};

/* The function's only call of what a register points to, `offset` bytes behind.
 * false: there is none, or more than one, or not all of the function could be
 * decoded. */
bool scope_site_only_call_through(const uint8_t *code, size_t len,
				  uint64_t vaddr, int offset,
				  struct scope_call *ret_call);

/* Target of the first direct call in the function; 0: none. */
uint64_t scope_site_first_call(const uint8_t *code, size_t len, uint64_t vaddr);

/* Where the function's only direct call of `to` is, bytes from its start. -1:
 * there is none, or more than one, or not all of the function could be
 * decoded. */
int64_t scope_site_only_call(const uint8_t *code, size_t len, uint64_t vaddr,
			     uint64_t to);

#endif
