/* SPDX-License-Identifier: MIT */
/* snapshot, its insides: a batch of processes under way. */
#ifndef SCOPE_TARGET_SNAP_INT_H
#define SCOPE_TARGET_SNAP_INT_H

#include <string.h>

#include "base/map.h"
#include "target/snapshot.h"
#include "target/table.h"

#define SCOPE_SNAP_BATCH 256u
/* Slots of a dictionary that are read with its head. */
#define SCOPE_SNAP_SLOTS 16u
/* Steps that any process may take. */
#define SCOPE_SNAP_STEPS_ANY 256u
/* Bytes of the longest thing that is read at once. */
#define SCOPE_SNAP_PIECE 192u

/* Keys of a dictionary that are looked up. */
enum scope_snap_key {
	SCOPE_SNAP_KEY_INITIAL,
	SCOPE_SNAP_KEY_LABEL,
	SCOPE_SNAP_KEY_ANCESTORS,
	SCOPE_SNAP_KEY_CALLERS,
	SCOPE_SNAP_KEYS,
};

/* What is read on the way; each has its handler in snap_walk.c. */
enum scope_snap_step {
	SCOPE_SNAP_AT_REG,
	SCOPE_SNAP_AT_CURRENT,
	SCOPE_SNAP_AT_SCHEDULER,
	SCOPE_SNAP_AT_DICT,
	SCOPE_SNAP_AT_DICT_HEAD,
	SCOPE_SNAP_AT_SLOT,
	SCOPE_SNAP_AT_PAIR,
	SCOPE_SNAP_AT_CELL,
	SCOPE_SNAP_AT_INITIAL,
	SCOPE_SNAP_AT_LINK,
	SCOPE_SNAP_AT_LINK_DATA,
	SCOPE_SNAP_AT_MONITOR,
	SCOPE_SNAP_AT_LT_MONITOR,
	SCOPE_SNAP_AT_MONITOR_DATA,
	SCOPE_SNAP_AT_NODE,
	SCOPE_SNAP_AT_MESSAGE,
	SCOPE_SNAP_AT_MESSAGE_REF,
	SCOPE_SNAP_AT_FRAGMENT,
	SCOPE_SNAP_AT_MBUF,
	SCOPE_SNAP_AT_EXTERNAL,
	SCOPE_SNAP_AT_EXTERNAL_SIZE,
	SCOPE_SNAP_AT_OFF_HEAP,
	SCOPE_SNAP_AT_OFF_HEAP_HEAD,
	SCOPE_SNAP_AT_BINARY,
	SCOPE_SNAP_AT_PSD,
	SCOPE_SNAP_AT_SAVED_CALLS,
	SCOPE_SNAP_AT_BUFFER,
	SCOPE_SNAP_AT_SIGNAL_PTR,
	SCOPE_SNAP_AT_SIGNAL,
	SCOPE_SNAP_STEPS,
};

struct scope_snap_item {
	uint64_t addr;
	uint64_t x, y; /* the step's own */
	uint32_t lacks; /* what is missing when it can't be read */
	uint16_t proc;	/* of the batch */
	uint8_t step;
	uint8_t key;
};

enum scope_snap_list {
	SCOPE_SNAP_LIST_LINKS,
	SCOPE_SNAP_LIST_MONITORS,
	SCOPE_SNAP_LIST_MONITORED_BY,
	SCOPE_SNAP_LISTS_N,
};

/* A peer or binary that was found, before it is put with its like. */
struct scope_snap_found {
	uint64_t to, node;
	uint16_t proc;
	uint8_t list, what;
};
struct scope_snap_bin {
	uint64_t addr, bytes;
	uint16_t proc;
};

struct scope_snap_work {
	uint64_t terms[SCOPE_SNAP_KEYS]; /* values, 0: none */
	uint64_t dict;
	uint64_t attached; /* words of queued messages */
	uint64_t queued;   /* bytes of messages and markers */
	uint64_t other;	   /* bytes of links, monitors, and the rest */
	uint32_t pushed;   /* steps so far */
	uint32_t most;	   /* of them: what it has can't take more */
	uint32_t messages; /* looked at */
	bool on_heap;	   /* messages are part of the heap */
};

struct scope_snap_batch {
	struct scope_snapshot *s; /* borrowed */
	struct scope_vm *vm;	  /* borrowed */
	const struct scope_layout *l;
	uint64_t keys[SCOPE_SNAP_KEYS]; /* atoms; 0: not looked up */
	uint64_t node;			/* the node's name, an atom */
	uint32_t schedulers, dirty_cpu;
	uint32_t wants, max_messages;
	struct scope_map *mfas;	      /* owned: address to place in mfa[] */
	struct scope_mfa *mfa;	      /* owned */
	size_t nmfa, mfa_cap;
	struct scope_map *numbers;    /* owned: ErtsSchedulerData to number */

	size_t n;
	uint64_t addr[SCOPE_SNAP_BATCH];
	uint8_t *bytes, *again; /* owned: the Process structs */
	struct scope_snap_proc p[SCOPE_SNAP_BATCH];
	struct scope_snap_work w[SCOPE_SNAP_BATCH];
	bool todo[SCOPE_SNAP_BATCH]; /* to be read in this try */

	struct scope_snap_item *items; /* owned: a stack */
	size_t nitems, items_cap;
	uint64_t steps; /* so far, of all */
	struct scope_snap_found *found; /* owned */
	size_t nfound, found_cap;
	struct scope_snap_bin *bins; /* owned */
	size_t nbins, bins_cap;
	uint8_t buf[SCOPE_SNAP_BATCH][SCOPE_SNAP_PIECE];
	int r; /* the first error: memory */
};

struct scope_snapshot {
	struct scope_snap_proc *procs; /* owned */
	size_t n, cap;
	struct scope_snap_peer *peers; /* owned */
	size_t npeers, peers_cap;
	uint64_t *words, *segs; /* owned: of images */
	size_t nwords, words_cap, nsegs, segs_cap;
	struct scope_map *by_pid; /* owned */
	struct scope_snapshot_totals totals;
};

/* A batch that reads by a vm. NULL when memory is short. */
struct scope_snap_batch *scope_snap_batch_new(struct scope_vm *vm);
void scope_snap_batch_free(struct scope_snap_batch *b);
/* scope_snapshot_take with what is known of the target in the batch. */
int scope_snapshot_read(struct scope_snap_batch *b, struct scope_table *t,
			const struct scope_snapshot_opts *opts,
			struct scope_snapshot *s);

/* Room for n more in an array that grows; false: no memory. */
bool scope_snap_grow(void **array, size_t *cap, size_t used, size_t n,
		     size_t size);

/* snap_batch.c: read the batch's processes, whose structs are in `bytes`, with
 * all that hangs off them, and put them into the snapshot. */
int scope_snap_batch_run(struct scope_snap_batch *b);

/* snap_walk.c: put a step on the stack, and go all of them. */
void scope_snap_push(struct scope_snap_batch *b, struct scope_snap_item item);
int scope_snap_walk(struct scope_snap_batch *b);

/* snap_dict.c, snap_list.c, snap_queue.c: handlers of what was read. */
typedef void scope_snap_handler(struct scope_snap_batch *b,
				const struct scope_snap_item *it,
				const uint8_t *bytes);
scope_snap_handler scope_snap_dict, scope_snap_slot, scope_snap_pair;
scope_snap_handler scope_snap_cell, scope_snap_initial;
scope_snap_handler scope_snap_link, scope_snap_link_data, scope_snap_monitor;
scope_snap_handler scope_snap_monitor_data, scope_snap_node;
scope_snap_handler scope_snap_message, scope_snap_fragment, scope_snap_mbuf;
scope_snap_handler scope_snap_external, scope_snap_external_size;
scope_snap_handler scope_snap_message_ref;
scope_snap_handler scope_snap_off_heap, scope_snap_binary;
scope_snap_handler scope_snap_buffer, scope_snap_signal_ptr, scope_snap_signal;

/* So many more steps, as what was found may take. */
static inline void scope_snap_allow(struct scope_snap_batch *b, size_t i,
				    uint32_t n)
{
	if (b->w[i].most < 8 * SCOPE_SNAP_ENTRIES && n < SCOPE_SNAP_ENTRIES)
		b->w[i].most += n;
}

/* What to begin with of one process; bytes: its struct. */
void scope_snap_start_dict(struct scope_snap_batch *b, size_t i);
void scope_snap_start_lists(struct scope_snap_batch *b, size_t i);
void scope_snap_start_queue(struct scope_snap_batch *b, size_t i);

static inline uint64_t scope_snap_u64(const uint8_t *p, uint32_t off)
{
	uint64_t v;

	memcpy(&v, p + off, sizeof(v));
	return v;
}

static inline uint32_t scope_snap_u32(const uint8_t *p, uint32_t off)
{
	uint32_t v;

	memcpy(&v, p + off, sizeof(v));
	return v;
}

#endif
