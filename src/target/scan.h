/* SPDX-License-Identifier: MIT */
/*
 * scan: an emulator's variables, by what they hold.
 *
 * Shapes:  where symbols are hidden, the tables that everything hangs off are
 *          looked for in the writable segments of the running emulator: each
 *          word that could be one is checked against all that it must lead to.
 *          Only one that alone passes is taken.
 * Limits:  SCOPE_SCAN_BYTES of segments; SCOPE_SCAN_READS of what they lead
 *          to, a page at most each; of a table, as many entries as make one
 *          sure.
 * Errors:  -ENOENT none (yet: a node that starts up has not made them);
 *          -ENOTUNIQ several, which is none; -ESRCH the target is gone;
 *          -EFBIG a limit; -ENOMEM.
 * Memory:  a scope_scan owns a copy of the segments, as of when it was opened.
 * Threads: one owner.
 * Source:  index.h, hash.h (IndexTable), erl_ptab.h (ErtsPTab), erl_process.h
 *          (ErtsSchedulerData), erl_node_tables.h (ErlNode, DistEntry),
 *          beam_jit_metadata.cpp (struct jit_descriptor), OTP 25 to 29.
 */
#ifndef SCOPE_TARGET_SCAN_H
#define SCOPE_TARGET_SCAN_H

#include "beam/vm.h"
#include "target/elf.h"

#define SCOPE_SCAN_BYTES (64u << 20)
#define SCOPE_SCAN_READS (4u << 20)

struct scope_scan;

/* All is borrowed; `bias` is what to add to the ELF's addresses. */
int scope_scan_open(const struct scope_elf *e, const struct scope_layout *l,
		    scope_read_fn *read, void *arg, uint64_t bias,
		    struct scope_scan **ret_scan);
void scope_scan_free(struct scope_scan *s);
SCOPE_AUTO(scope_scan)

/* ELF addresses of erts_atom_table; of erts_proc and erts_port: ErtsPTabs
 * whose entries have ids with that tag (0x3 pid, 0x7 port). */
int scope_scan_atoms(struct scope_scan *s, uint64_t *ret_vaddr);
int scope_scan_table(struct scope_scan *s, unsigned tag,
		     uint64_t *ret_vaddr);
/* Of erts_aligned_scheduler_data, with `schedulers` of them. */
int scope_scan_schedulers(struct scope_scan *s, unsigned schedulers,
			  uint64_t *ret_vaddr);
/* Of __jit_debug_descriptor. */
int scope_scan_descriptor(struct scope_scan *s, uint64_t *ret_vaddr);
/* Of erts_this_node. */
int scope_scan_this_node(struct scope_scan *s, uint64_t *ret_vaddr);

#endif
