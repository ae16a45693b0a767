/* SPDX-License-Identifier: MIT */
/*
 * decode: records into events, with all that is known of the parties.
 *
 * Shapes:  one record gives one event, preceded by the proc.info of a process
 *          that the stream has not introduced. Records of kinds that were not
 *          asked for only feed the tables.
 * Memory:  an event is borrowed by `emit` for the call.
 * Threads: one owner.
 */
#ifndef SCOPE_PIPELINE_DECODE_H
#define SCOPE_PIPELINE_DECODE_H

#include "target/target.h"
#include "wire/event.h"

struct scope_decoder;
struct scope_trace;

struct scope_decode_opts {
	scope_kindset kinds;
	unsigned term_words;
	int64_t wall_offset_ns; /* real time minus CLOCK_MONOTONIC */
	uint64_t jit_descriptor; /* 0: none */
	struct scope_trace *trace; /* of breakpoints' records; NULL: none */
	/* An event is ready; its id is not set. */
	void (*emit)(void *arg, struct scope_event *ev);
	/* Called now and then while many processes are introduced, so that
	 * what happens meanwhile can be taken in; may be NULL. */
	void (*meanwhile)(void *arg);
	/* The process that has a watched name changed; may be NULL. */
	void (*renamed)(void *arg, uint64_t pid, uint64_t name, bool on);
	/* Whether a process is in the set; NULL: all are. */
	bool (*in_set)(void *arg, uint64_t pid);
	/* Whether what belongs to a process alone is kept; NULL: all is. */
	bool (*is_kept)(void *arg, uint64_t pid);
	void *arg;
};

int scope_decoder_new(struct scope_target *t,
		      const struct scope_decode_opts *opts,
		      struct scope_decoder **ret_decoder,
		      struct scope_err *err);
void scope_decoder_free(struct scope_decoder *d);
SCOPE_AUTO(scope_decoder)

/* Learn the processes alive now and introduce them, as of `ts_ns`. */
int scope_decoder_introduce(struct scope_decoder *d, uint64_t ts_ns,
			    struct scope_err *err);
/* Learn the modules loaded now, so that their functions, and their unloading,
 * can be named. */
void scope_decoder_learn_code(struct scope_decoder *d);

/* 0: emitted; 1: not asked for, or of no process in the set, and noted;
 * SCOPE_DECODE_SAMPLED: left out by intention, and noted; -EBADMSG: not a
 * record that we know. */
#define SCOPE_DECODE_SAMPLED 2
int scope_decoder_record(struct scope_decoder *d, const struct scope_rec *rec);

/* The name that the node has now, an Eterm atom; 0: not known. */
uint64_t scope_decoder_node(const struct scope_decoder *d);
/* Read it anew: for streams without events of the node's own name. */
void scope_decoder_ask_node(struct scope_decoder *d);

/* The real-time clock was set: what to add to CLOCK_MONOTONIC from now on. */
void scope_decoder_set_wall(struct scope_decoder *d, int64_t wall_offset_ns);

#endif
