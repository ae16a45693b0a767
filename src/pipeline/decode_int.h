/* SPDX-License-Identifier: MIT */
/* decode_int: what the parts of the decoder share. */
#ifndef SCOPE_PIPELINE_DECODE_INT_H
#define SCOPE_PIPELINE_DECODE_INT_H

#include <string.h>

#include "base/map.h"
#include "beam/copy.h"
#include "beam/etf.h"
#include "beam/term.h"
#include "causal/mailbox.h"
#include "pipeline/budget.h"
#include "pipeline/decode.h"
#include "pipeline/procs.h"
#include "pipeline/shed.h"
#include "pipeline/trace.h"
#include "target/jit.h"
#include "target/ranges.h"
#include "target/socket.h"

/* "module:function/arity", of two atoms of 255 characters. */
#define SCOPE_MFA_TEXT 2048

struct scope_decoder {
	struct scope_target *t; /* borrowed */
	struct scope_vm *vm;	/* borrowed */
	struct scope_decode_opts opts;
	struct scope_procs *procs;
	struct scope_mailbox *mailbox; /* NULL: not both ends */
	struct scope_jit *jit;	       /* NULL: there is no JIT */
	struct scope_ranges *ranges;   /* NULL: no interpreter, or not found */
	size_t introduced;
	struct scope_map *freed; /* names freed while introducing; else NULL */
	struct scope_sockets *sockets; /* NULL: no events of ports */
	char peer[SCOPE_ADDR_TEXT], from[SCOPE_ADDR_TEXT]; /* of an event */
	struct scope_map *callers; /* return address -> enum gc_reason */
	uint64_t am_clock_service, am_exit, am_init;
	uint64_t am_normal, am_shutdown, am_connection_closed;
	uint64_t node, was; /* this node's name; before it went down */
	uint64_t own; /* the same, as USDT told it last */
	uint32_t creation;  /* of this node */
	struct scope_etf *etf;
	struct scope_copy copy;
	struct scope_event ev;
	struct scope_traced traced; /* of the record in hand */
	/* Arguments as a list: the record's words, and cells behind them. */
	uint64_t args[SCOPE_WORDS_MAX + 2 * SCOPE_BREAK_ARGS];
	uint64_t arg_segs[SCOPE_SEGS_MAX + 1];
	char current[SCOPE_MFA_TEXT];
	scope_kindset off; /* kinds whose probes are off for their cost */
	char text[2048], json[4096]; /* of an event */
	uint64_t am_erlang, am_hibernate;
};

static inline bool scope_decode_asked(const struct scope_decoder *d,
				      enum scope_kind kind)
{
	return (d->opts.kinds >> kind) & 1;
}

static inline void add_term(struct scope_event *ev, enum scope_field_key key,
			    uint64_t term)
{
	scope_event_add(ev, key)->term = term;
}

static inline void add_mfa(struct scope_event *ev, enum scope_field_key key,
			   const struct scope_mfa *mfa)
{
	scope_event_add(ev, key)->mfa = *mfa;
}

static inline void add_corr(struct scope_event *ev, uint64_t addr, uint64_t n)
{
	struct scope_field *f = scope_event_add(ev, SCOPE_FIELD_CORR);

	f->corr.addr = addr;
	f->corr.n = n;
}

/* Static text. */
#define add_text(ev, key, s) scope_event_add_text(ev, key, s, strlen(s))

/* The registered name of a process, if it has one. */
void scope_decode_name(struct scope_decoder *d, struct scope_event *ev,
		       enum scope_field_key key, uint64_t pid);
/* That name; 0: none. */
uint64_t scope_decode_name_of(const struct scope_decoder *d, uint64_t pid);
/* A digest of a reference's numbers, the same for every copy of it; 0: it
 * can't be read. */
uint64_t scope_decode_ref_digest(struct scope_decoder *d,
				 const struct scope_image *im, uint64_t ref);

/* Take in what was loaded, where no events tell. */
void scope_decode_sync_code(struct scope_decoder *d);
/* What code records say: a load before its event is built, an unload after. */
void scope_decode_learn_load(struct scope_decoder *d,
			     const struct scope_rec *rec);
void scope_decode_learn_unload(struct scope_decoder *d,
			       const struct scope_rec *rec);
/* The function where a process goes on, unless that is not known. */
void scope_decode_current(struct scope_decoder *d, const struct scope_proc *p,
			  struct scope_event *ev);

/* The function that an address is in, as text of d->current; false: it is in
 * none, or in one of the emulator's own. */
bool scope_decode_place(struct scope_decoder *d, uint64_t addr,
			struct scope_buf *ret_text);

/* Note what was sent, and say its correlation. */
void scope_decode_sent(struct scope_decoder *d, struct scope_event *ev,
		       uint64_t to, uint64_t addr, enum scope_queued what,
		       const struct scope_shape *shape, uint64_t ts_ns);
/* Fill in the fields of an event. */
void scope_decode_send(struct scope_decoder *d, const struct scope_rec *rec,
		       struct scope_event *ev);
void scope_decode_receive(struct scope_decoder *d, const struct scope_rec *rec,
			  struct scope_event *ev);
void scope_decode_spawn(struct scope_decoder *d, const struct scope_rec *rec,
			struct scope_event *ev);
void scope_decode_exit(struct scope_decoder *d, const struct scope_rec *rec,
		       struct scope_event *ev);
void scope_decode_exit_signal(struct scope_decoder *d,
			      const struct scope_rec *rec,
			      struct scope_event *ev);
void scope_decode_link(struct scope_decoder *d, const struct scope_rec *rec,
		       struct scope_event *ev);
void scope_decode_gc(struct scope_decoder *d, const struct scope_rec *rec,
		     struct scope_event *ev);
void scope_decode_code(struct scope_decoder *d, const struct scope_rec *rec,
		       struct scope_event *ev);
void scope_decode_heap(struct scope_decoder *d, const struct scope_rec *rec,
		       struct scope_event *ev);
void scope_decode_hibernate(struct scope_decoder *d,
			    const struct scope_rec *rec,
			    struct scope_event *ev);
void scope_decode_attempt(struct scope_decoder *d, const struct scope_rec *rec,
			  struct scope_event *ev);
void scope_decode_call(const struct scope_rec *rec, struct scope_event *ev);
/* Whether a breakpoint's record is to be told; then d->traced says what it is. */
bool scope_decode_is_traced(struct scope_decoder *d,
			    const struct scope_rec *rec);
void scope_decode_traced(struct scope_decoder *d, const struct scope_rec *rec,
			 struct scope_event *ev);
void scope_decode_sched(struct scope_decoder *d, const struct scope_rec *rec,
			struct scope_event *ev);
void scope_decode_dist_send(struct scope_decoder *d,
			    const struct scope_rec *rec,
			    struct scope_event *ev);
void scope_decode_dist_receive(struct scope_decoder *d,
			       const struct scope_rec *rec,
			       struct scope_event *ev);
void scope_decode_node(struct scope_decoder *d, const struct scope_rec *rec,
		       struct scope_event *ev);
/* That this node has got a name, or lost it. */
void scope_decode_learn_node(struct scope_decoder *d,
			     const struct scope_rec *rec);
/* A message in external format: gives the event the image that it and its
 * parties are in, and how many segments of that are the message's. False: it
 * was not copied. */
bool scope_decode_dist_message(struct scope_decoder *d,
			       const struct scope_rec *rec,
			       struct scope_event *ev, uint64_t *ret_msg,
			       size_t *ret_segs);
/* A digest of what a term prints as: the same for every copy of it, wherever
 * its words come from. */
uint64_t scope_decode_text_digest(struct scope_decoder *d,
				  const struct scope_image *im, uint64_t term);
void scope_decode_timer(struct scope_decoder *d, const struct scope_rec *rec,
			struct scope_event *ev);
void scope_decode_ets(struct scope_decoder *d, const struct scope_rec *rec,
		      struct scope_event *ev);
/* One of SCOPE_F_USDT, of whatever kind. */
void scope_decode_usdt(struct scope_decoder *d, const struct scope_rec *rec,
		       struct scope_event *ev);
void scope_decode_port(struct scope_decoder *d, const struct scope_rec *rec,
		       struct scope_event *ev);
/* After the event of a port's closing was built. */
void scope_decode_learn_port_closed(struct scope_decoder *d,
				    const struct scope_rec *rec);

#endif
