/* SPDX-License-Identifier: MIT */
/*
 * memory: what a node's allocators have given out, read from memory.
 *
 * Shapes:  of each type of allocator, summed over its instances (one for each
 *          scheduler, and one for the other threads): carriers, which are had
 *          from the operating system, and blocks in them, which are in use; as
 *          erlang:system_info({allocator, T}) and recon_alloc count. From them
 *          what erlang:memory/0 says, where it can be had.
 * Truth:   as of the allocators' own counters: each is read at once, one after
 *          the other, as the node itself asks its schedulers one by one. A
 *          scheduler that allocates meanwhile is not held up.
 * Limits:  SCOPE_INSTANCES_MAX of one type.
 * Errors:  -ENOENT the allocators are not found (an emulator that hides its
 *          symbols, of which no table is known); -EBADMSG what is there is
 *          none; -EFAULT -ESRCH from reading; -ENOMEM.
 * Threads: as the vm's.
 * Source:  erl_alloc.h, ErtsAllocatorInfo_t, ErtsAllocatorThrSpec_t;
 *          erl_alloc_util.h, Allctr_t, CarriersStats_t, ErtsAlcFixList_t;
 *          erl_alloc_util.c, info_carriers, info_cpool, sz_info_fix; erl_alloc.c,
 *          erts_memory; preloaded/src/erlang.erl, au_mem_data/1, aa_mem_data/1;
 *          erl_alloc.types: the numbers of types, the same in OTP 23 to 29;
 *          layout's ts_*, ai_*, al_*, cs_*, fl_* (OTP 23.2.6, 25.2.3, 27.3.4.1,
 *          29.1.1).
 */
#ifndef SCOPE_TARGET_MEMORY_H
#define SCOPE_TARGET_MEMORY_H

#include "target/target.h"

#define SCOPE_ALLOCATORS 12 /* types, numbered from 1 in the node */
#define SCOPE_INSTANCES_MAX 2048u

struct scope_allocator {
	char name[24]; /* "eheap_alloc", as the node calls it; "": none such */
	unsigned instances;
	uint64_t carriers, carrier_bytes; /* with those in pools */
	uint64_t blocks, block_bytes;	  /* in its carriers */
	uint64_t pooled_bytes; /* of carrier_bytes: in the pool, for anyone */
};

/* As erlang:memory/0; SCOPE_GAUGE_UNKNOWN: can't be read, see `why`. */
struct scope_memory {
	uint64_t total, processes, processes_used, system;
	uint64_t atom, atom_used, binary, code, ets;
	struct scope_allocator allocators[SCOPE_ALLOCATORS];
	const char *why; /* what of it can't be read, and the reason; NULL */
};

/* Where things are: addresses, 0 where not known. */
struct scope_memory_place {
	uint64_t info, by_thread; /* erts_allctrs_info, erts_allctr_thr_spec */
	uint64_t procs;		  /* erts_proc */
	uint64_t ets_misc;	  /* erts_ets_misc_mem_size */
	uint64_t code;		  /* erts_total_code_size */
	bool is_jit; /* code is beside the allocators, and in the total */
};

int scope_memory_read(struct scope_vm *vm,
		      const struct scope_memory_place *place,
		      struct scope_memory *ret_memory);
int scope_target_memory(struct scope_target *t,
			struct scope_memory *ret_memory);

#endif
