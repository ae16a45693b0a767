/* SPDX-License-Identifier: MIT */
/*
 * ets: the ETS tables of a node, read from memory.
 *
 * Shapes:  each normal scheduler keeps the tables that were made on it in a
 *          ring; those whose magic reference leads to nothing any more are being
 *          deleted, and ets:all() does not list them either. Size and memory are
 *          what ets:info/2 says: two counters, which a table with decentralized
 *          counters has spread over slots. How many slots there are is seen from
 *          the block that they are in.
 * Torn:    the rings are walked side by side; a table counts only when it points
 *          back at the one it was reached from. A ring that changed meanwhile is
 *          walked again, a few times; then what was found is marked as torn.
 * Limits:  SCOPE_ETS_MAX tables; `is_cut` says that there are more.
 * Errors:  -ENOENT the schedulers are not found; -EFAULT -ESRCH from reading;
 *          -ENOMEM.
 * Memory:  the result is the caller's.
 * Threads: as the vm's.
 * Source:  erl_db.c, save_sched_table, is_table_alive, table_info; erl_db_util.h,
 *          DbTableCommon, DB_*; erl_flxctr.[ch]; erl_alloc_util.h, Block_t; layout's
 *          ets_*, fx_*, magic_* (OTP 23.2.6, 25.2.3, 27.3.4.1, 29.1.1).
 */
#ifndef SCOPE_TARGET_ETS_H
#define SCOPE_TARGET_ETS_H

#include "target/schedulers.h"

#define SCOPE_ETS_MAX (1u << 20)

struct scope_ets {
	uint64_t addr;	/* of the DbTable */
	uint64_t name;	/* Eterm atom */
	uint64_t owner; /* Eterm pid */
	uint32_t ref[3]; /* of its identifier: #Ref<0.ref[2].ref[1].ref[0]> */
	uint32_t status; /* DB_* */
	uint64_t objects; /* SCOPE_GAUGE_UNKNOWN */
	uint64_t words;	  /* the same */
	uint32_t keypos;
	bool is_named, is_compressed;
	bool is_spread; /* decentralized counters */
};

struct scope_ets_tables {
	size_t n;
	struct scope_ets *all; /* owned */
	bool is_torn; /* some may be missing, or twice */
	bool is_cut;
};

int scope_ets_read(struct scope_vm *vm, const struct scope_sched_place *place,
		   struct scope_ets_tables **ret_tables);
void scope_ets_tables_free(struct scope_ets_tables *t);
SCOPE_AUTO(scope_ets_tables)

int scope_target_ets(struct scope_target *t,
		     struct scope_ets_tables **ret_tables);
/* How many there are, from the schedulers' counts: with those that are being
 * deleted. SCOPE_GAUGE_UNKNOWN. */
uint64_t scope_target_ets_count(struct scope_target *t);

/* "set", "bag", "duplicate_bag", "ordered_set"; "public", "protected",
 * "private". Static; NULL: none of them. */
const char *scope_ets_type(const struct scope_ets *e);
const char *scope_ets_protection(const struct scope_ets *e);
/* write_concurrency: "true", "false", "auto"; read_concurrency. */
const char *scope_ets_write_concurrency(const struct scope_ets *e);
bool scope_ets_reads_concurrently(const struct scope_ets *e);

#endif
