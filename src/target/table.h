/* SPDX-License-Identifier: MIT */
/*
 * table: the process table of a VM, walked from outside while it changes.
 *
 * Shapes:  everything is read through a scope_vm: a walk reads the table in
 *          large chunks, the processes in batches, and then what hangs off
 *          them.
 * Torn:    an entry counts only when its process's own id leads back to the
 *          same slot; else it is read again, a few times, and then left out.
 * Limits:  SCOPE_TABLE_MAX slots, SCOPE_DICT_MAX slots of a dictionary, and
 *          SCOPE_DICT_CHAIN entries of one of them.
 * Errors:  -EAGAIN the table is not set up yet; -EBADMSG it is none;
 *          -EFAULT -ESRCH from reading.
 * Threads: as the vm's.
 * Source:  erl_ptab.h, erl_process.h, erl_process_dict.c (OTP 25.2.3,
 *          27.3.4.1).
 */
#ifndef SCOPE_TARGET_TABLE_H
#define SCOPE_TARGET_TABLE_H

#include "beam/vm.h"
#include "target/target.h"

/* ERTS_MAX_PROCESSES of erl_process.h is 2^27 - 1, rounded up to 2^27. */
#define SCOPE_TABLE_MAX (1u << 27)
#define SCOPE_DICT_MAX (1u << 20)
#define SCOPE_DICT_CHAIN 4096

struct scope_table {
	struct scope_vm *vm; /* borrowed */
	uint64_t addr; /* of the ErtsPTab */
	/* Its constants: scope_table_load. */
	uint64_t tab;
	uint64_t invalid;
	uint32_t max;
	uint32_t pix_mask;
	/* '$initial_call', or 0 while the target has no such atom. */
	uint64_t initial_call;
};

/* Read the table's constants, and those of its ids. */
int scope_table_load(struct scope_table *t, struct scope_pixdata *ret_pix);

/* The slot of a pid's process. */
uint32_t scope_table_slot(const struct scope_table *t, uint64_t pid);

/* scope_target_procs and scope_target_proc. */
int scope_table_walk(struct scope_table *t,
		     int (*fn)(void *arg, const struct scope_proc *p),
		     void *arg);
int scope_table_get(struct scope_table *t, uint64_t pid,
		    struct scope_proc *ret_proc);

/* The same with the bytes of each Process, p_size of them, in any state, and
 * NULL for one that is not whole; for the check of the layout. */
int scope_table_raw(struct scope_table *t,
		    int (*fn)(void *arg, uint64_t addr, const uint8_t *proc),
		    void *arg);

/* Value of an atom key in the dictionary (address of a ProcDict); 0: none. */
uint64_t scope_dict_get(struct scope_vm *vm, uint64_t dict, uint64_t key);

/* The MFA that a '$initial_call' entry holds: {M, F, Arity or arguments}. */
bool scope_initial_call(struct scope_vm *vm, uint64_t term,
			struct scope_mfa *ret_mfa);

#endif
