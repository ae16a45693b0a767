/* SPDX-License-Identifier: MIT */
/*
 * trace: which functions are called, by breakpoints on their code.
 *
 * Shapes:  a scope_trace finds functions by name, sets breakpoints on them, and
 *          follows: code that is loaded anew is at another address, and what is
 *          left of the old is traced along while a register is free. With more
 *          functions than registers they take turns. With `returns` the
 *          addresses that calls return to are learned from the calls, and get
 *          breakpoints of their own, the most frequent first.
 * Told:    what is not traced for a while shows as budget events (group break),
 *          each with the function, and since and until when.
 * Pairs:   a return belongs to the youngest call of its process that has the
 *          same place on the stack and returns to that address. Others of that
 *          kind have ended, by tail call or exception; they are counted.
 * Limits:  SCOPE_TRACE_FUNCTIONS; SCOPE_TRACE_RETURNS of them with returns;
 *          SCOPE_TRACE_SITES addresses that are returned to; calls under way
 *          beyond SCOPE_TRACE_PENDING are forgotten, the oldest first.
 * Errors:  with words in err: -ENOTSUP no JIT, or no debug registers; -EINVAL
 *          there is no such function, or too many; those of points.h.
 * Threads: one owner.
 */
#ifndef SCOPE_PIPELINE_TRACE_H
#define SCOPE_PIPELINE_TRACE_H

#include "pipeline/where.h"
#include "probe/points.h"
#include "target/target.h"
#include "wire/event.h"

#define SCOPE_TRACE_FUNCTIONS 256
#define SCOPE_TRACE_RETURNS 16
#define SCOPE_TRACE_SITES 512
#define SCOPE_TRACE_PENDING 65536
#define SCOPE_TRACE_TURN_NS 1000000000u

struct scope_trace_opts {
	const char *const *functions; /* scope_trace_name; NULL-ended */
	const struct scope_where *where; /* borrowed; NULL: all */
	bool returns;
	bool counts;	/* counts only, no events */
	bool turns;	/* also what wildcards find takes turns */
	uint64_t turn_ns; /* 0: SCOPE_TRACE_TURN_NS */
	uint64_t calls; /* stop after so many; 0: none */
};

struct scope_trace;

/*
 * What people call functions, as scope_naming_each takes it, into buf:
 * lists:map/2 and 'Elixir.Shop':pay/1 as they are, Shop.Cart.pay/1 and
 * Elixir.Shop.Cart.pay/1 as 'Elixir.Shop.Cart':pay/1, :lists.map/2 as
 * lists:map/2. -EINVAL: it is none of these; -ENAMETOOLONG.
 */
int scope_trace_name(const char *text, char *buf, size_t cap);

/* Find the functions; nothing is set yet. opts is borrowed. */
int scope_trace_new(struct scope_target *t, const struct scope_trace_opts *opts,
		    struct scope_trace **ret_trace, struct scope_err *err);
void scope_trace_free(struct scope_trace *tr);
SCOPE_AUTO(scope_trace)

/* Set the first breakpoints (points is borrowed). *ret_note: what to tell
 * people of it, static or the trace's; NULL: nothing. */
int scope_trace_begin(struct scope_trace *tr, struct scope_points *points,
		      const char **ret_note, struct scope_err *err);
/* From now on what is hit counts; that was at begun_ns. */
void scope_trace_begun(struct scope_trace *tr, uint64_t begun_ns);

/* Follow what has changed, and take turns. `emit` gets budget events, that bear
 * the time stamp_ns and the wall clock's offset from it. */
struct scope_trace_emit {
	void (*emit)(void *arg, struct scope_event *ev);
	void *arg;
	uint64_t stamp_ns;
	int64_t wall_offset_ns;
};
void scope_trace_step(struct scope_trace *tr, uint64_t now_ns,
		      const struct scope_trace_emit *to);
/* It is over: settle the figures. */
void scope_trace_end(struct scope_trace *tr, uint64_t now_ns);

/* What a record of a breakpoint is. */
struct scope_traced {
	const char *mfa; /* borrowed, len bytes */
	size_t len;
	unsigned arity;
	bool is_return;
	bool is_old; /* of code that was loaded anew since */
	/* of a return: */
	uint64_t duration_ns;
	uint64_t call;	/* id of the call's event; 0: it was not put out */
	uint64_t calls; /* that ended with it; 1: that call alone */
};
/* im: the record's words; args: the n first of them. False: it is not to be
 * told: its condition fails, enough were told, or no call returned. */
bool scope_trace_take(struct scope_trace *tr, struct scope_vm *vm,
		      const struct scope_rec *rec, const struct scope_image *im,
		      struct scope_traced *ret);
/* What was taken last has become the event of that id (0: none). */
void scope_trace_emitted(struct scope_trace *tr, uint64_t id);
/* As many calls as were asked for have been taken. */
bool scope_trace_is_done(const struct scope_trace *tr);

/* Where calls come from, for node.attach: "breakpoint a:b/1, c:d/2". */
void scope_trace_put_source(const struct scope_trace *tr,
			    struct scope_buf *out);
/* What that does not tell; NULL: nothing. Static. */
const char *scope_trace_limits(const struct scope_trace *tr);

/* Figures of a function. */
struct scope_trace_figures {
	const char *mfa;
	size_t len;
	uint64_t calls;	   /* that passed the tests of the kernel side */
	uint64_t told;	   /* calls that became events */
	uint64_t returned; /* of them, calls of which the end was seen */
	double armed;	   /* share of the time */
};
size_t scope_trace_functions(const struct scope_trace *tr);
void scope_trace_figures(const struct scope_trace *tr, size_t i,
			 struct scope_trace_figures *ret);
/* The same of all, as a JSON object by function. */
void scope_trace_put_json(const struct scope_trace *tr, struct scope_buf *out);

#endif
