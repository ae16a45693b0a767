/* SPDX-License-Identifier: MIT */
/*
 * block: up to SCOPE_BLOCK_EVENTS events as columns of bytes.
 *
 * Shapes:  a scope_block takes events and gives one payload; a scope_page is a
 *          payload read back. A payload stands for itself: it brings the texts
 *          of the atoms that its events name. Words keep the values that they
 *          had in the node, so that one scope_vm serves all blocks of a node.
 *
 *   payload  varint: the number of columns; for each varint id, varint bytes;
 *            then the columns' bytes, in that order
 *
 *   id  column  holds
 *    0  KIND    a byte an event
 *    1  TIME    signed: mono_ns less the event before's
 *    2  WALL    runs: events, then signed: ts_ns - mono_ns less the run before's
 *    3  ID      runs: events, then signed: what ids are above a count by one
 *    4  SCHED   the scheduler's number
 *    5  PID     number of a word in the words' dictionary, from 1; 0: the word 0
 *    6  NAME    the same
 *    7  NODE    runs: events, then the same
 *    8  SHAPE   number of a shape, from 0
 *    9  IMAGE   0: none; 1: the next one; n + 2: the one n before the last
 *   10  SEGS    of each image: segments; of each of them words, then signed:
 *               where it was, in words, from the end of the one before
 *   11  WORDS   of each image: its words, eight bytes each
 *   12  RAW     of each image: how many of its words are no pointers though
 *               they look like it; signed distances between them
 *   13  SHAPES  the dictionary: fields, flags, then each field's key
 *   14  DICT    the words' dictionary: eight bytes each
 *   15  ATOMS   texts: number of the word, bytes, the text
 *   16  TEXTS   texts of fields: bytes, the text
 *   20+ FIELD   of each key: its values, as its type says
 *
 *   UINT, INT, BOOL, SHARE   signed: the value less the one before
 *   TEXT, JSON               number of the text, from 0
 *   ATOM                     number of the word
 *   IDENT, TERM, TERMS       a word: its number * 2; or one that points into
 *                            the image: its place there * 2 + 1
 *   MFA                      numbers of two words, arity
 *   CORR                     signed: addr, then n, each less the one before
 *
 * Numbers are varints, "signed" ones folded (varint.h). A place in an image is
 * word * 4 + the pointer's tag. In WORDS such a pointer is the place beneath
 * SCOPE_BLOCK_PLACE: the same message elsewhere has the same bytes.
 * Keys are the writer's numbers; the segment tells their names (segment.h).
 *
 * Errors:  -ENOMEM; -EBADMSG a payload contradicts itself: nothing of it is
 *          used.
 * Memory:  owned by the block and the page; events of a page borrow from it.
 * Threads: one owner.
 */
#ifndef SCOPE_STORE_BLOCK_H
#define SCOPE_STORE_BLOCK_H

#include "base/auto.h"
#include "beam/vm.h"
#include "wire/event.h"

#define SCOPE_BLOCK_EVENTS 65536u
#define SCOPE_BLOCK_BYTES (16u << 20) /* a payload has fewer */
#define SCOPE_BLOCK_PLACE 0x7a5c000000000000ull

struct scope_block;

struct scope_block *scope_block_new(void);
void scope_block_free(struct scope_block *b);
SCOPE_AUTO(scope_block)

/* Take an event; texts of atoms are asked of the vm. 0; -ENOSPC: it is full,
 * and was not changed; -ENOMEM: the same. */
int scope_block_add(struct scope_block *b, struct scope_vm *vm,
		    const struct scope_event *ev);
size_t scope_block_events(const struct scope_block *b);

/* What an index wants to know of it. */
struct scope_block_sum {
	uint32_t events;
	uint64_t first_id, last_id;
	uint64_t min_ts_ns, max_ts_ns;
	uint64_t kinds; /* bit: kind */
};
void scope_block_sum(const struct scope_block *b, struct scope_block_sum *ret);
/* Call fn for each word of its dictionary: parties, names, functions, the atoms
 * of terms. text: that of an atom, borrowed; NULL: it is none, or not known. */
void scope_block_each_word(const struct scope_block *b,
			   void (*fn)(void *arg, uint64_t word,
				      const char *text, size_t len),
			   void *arg);
/* Nothing more is added until it is cleared: the payload's size. */
size_t scope_block_end(struct scope_block *b);
/* Then write it into p[size]. */
void scope_block_put(const struct scope_block *b, uint8_t *p);
/* As new. */
void scope_block_clear(struct scope_block *b);

struct scope_page;

/* What a writer's keys are to us. */
struct scope_block_keys {
	size_t n;
	struct {
		uint16_t key; /* enum scope_field_key; SCOPE_FIELD_MAX: none */
		uint8_t type; /* enum scope_type: how its values are stored */
	} of[256];
};
/* Our own. */
void scope_block_keys_own(struct scope_block_keys *ret);

struct scope_page *scope_page_new(void);
void scope_page_free(struct scope_page *p);
SCOPE_AUTO(scope_page)

/* Read a payload, which is borrowed until the next load. Atoms' texts are taken
 * into the vm. */
int scope_page_load(struct scope_page *p, const uint8_t *payload, size_t len,
		    const struct scope_block_keys *keys, struct scope_vm *vm);
size_t scope_page_events(const struct scope_page *p);
/* The next event, or the first after a load; it is borrowed until the next
 * call. 1; 0: there is none; -EBADMSG. */
int scope_page_next(struct scope_page *p, struct scope_event *ret_ev);

#endif
