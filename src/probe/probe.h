/* SPDX-License-Identifier: MIT */
/*
 * probe: the kernel side of one watched node: loading the programs, attaching
 * them where they cost least, and the buffers that they fill.
 *
 * Shapes:  scope_probe_open finds the sites of the wanted kinds in the target
 *          (catalogue.c) and loads; scope_probe_attach attaches, as the last
 *          step, so that the set of processes is in place when the first event
 *          comes; scope_probe_drain hands over
 *          whole records; scope_probe_detach takes the probes off the target,
 *          after which a last drain empties the buffers.
 * Errors:  with words in err: -EPERM a capability is missing (named);
 *          -ENOTSUP the kernel lacks something (named); -ESRCH the node ended.
 *          A kind whose site can't be found is no error: scope_probe_missing
 *          says why.
 * Memory:  a record is borrowed until the callback returns.
 * Threads: open, detach and free from one thread; drain from one thread; the
 *          counters may be read from any.
 */
#ifndef SCOPE_PROBE_H
#define SCOPE_PROBE_H

#include "base/err.h"
#include "probe/catalogue.h"
#include "probe/points.h"
#include "scope/site.h"
#include "target/target.h"
#include "wire/event.h"

struct scope_calibrator;
struct scope_probe;

struct scope_probe_opts {
	scope_kindset kinds;
	unsigned term_words;
	size_t buffer_bytes; /* all rings, or perf buffers, together */
	enum scope_transport transport;
	bool overwrites; /* of what is not read in time keep the newest: PERF */
	bool filter;	     /* only the processes of scope_probe_watch */
	bool samples;	     /* scope_probe_keep says what is kept */
	enum scope_from from;
	bool breaks; /* calls are taken from breakpoints: scope_probe_points */
	/* To be set going once all is attached; borrowed; NULL: none. */
	struct scope_calibrator *calibrator;
};

int scope_probe_open(struct scope_target *t,
		     const struct scope_probe_opts *opts,
		     struct scope_probe **ret_probe, struct scope_err *err);
void scope_probe_free(struct scope_probe *p);
SCOPE_AUTO(scope_probe)

int scope_probe_attach(struct scope_probe *p, struct scope_target *t,
		       struct scope_err *err);
/* Begin to report: what happens from now on. Returns that moment, ns. */
uint64_t scope_probe_begin(struct scope_probe *p);
/* End it: what happens from now on is not reported. */
void scope_probe_end(struct scope_probe *p);
/* Hung up once the process that holds the probes has ended, and they with it;
 * -1: this one does. */
int scope_probe_fd(const struct scope_probe *p);
/* Take the probes off; nothing is written to the rings afterwards. */
void scope_probe_detach(struct scope_probe *p);

/* Take the probes of a group off, or put them back, while others stay. What
 * they report in between, and while this lasts, is not whole. */
int scope_probe_switch(struct scope_probe *p, enum scope_group group, bool on,
		       struct scope_err *err);
/* The wanted kinds that a group's probes are for; 0: it has none. */
scope_kindset scope_probe_group_kinds(const struct scope_probe *p,
				      enum scope_group group);
/* What the probes of a group have cost so far, as calibrated: ns. */
uint64_t scope_probe_cost(const struct scope_probe *p, enum scope_group group);

/* Where opts.samples: of all conversations keep this share from now on, as
 * scope/sample.h says; all until then. */
void scope_probe_keep(struct scope_probe *p, double share);
/* How full the fullest buffer is, from 0 to 1; 0 where newer records replace
 * older ones. By the thread that drains. */
double scope_probe_fill(const struct scope_probe *p);
/* Whether what belongs to a process alone is kept now. Any thread. */
bool scope_probe_keeps(const struct scope_probe *p, uint64_t pid);

/* Add a process to the set that is reported (where opts.filter), or take it
 * out. -ENOSPC: the set is full. */
int scope_probe_watch(struct scope_probe *p, uint64_t pid, bool on);

/* Hand over what is in the rings, ring by ring, oldest first in each. Stops
 * after the record for which fn returns a negative number. 0, or that number,
 * or another -errno. */
int scope_probe_drain(struct scope_probe *p,
		      int (*fn)(void *arg, const void *data, size_t len),
		      void *arg);

/* Before which all events are in the rings or were read, once a drain that
 * begins at `now` is done: `now`, or when the oldest call began that the kernel
 * side knows to be under way. */
uint64_t scope_probe_safe(const struct scope_probe *p, uint64_t now);

/* Counters of one CPU, mapped: read them with relaxed loads. */
unsigned scope_probe_cpus(const struct scope_probe *p);
const struct scope_counters *scope_probe_counters(const struct scope_probe *p,
						  unsigned cpu);
/* Hits that the kernel did not run a program for. */
uint64_t scope_probe_missed(const struct scope_probe *p);

/* Which source a kind comes from: "uprobe erts_do_exit_process+0"; NULL when
 * it is not attached, and then scope_probe_missing says why (NULL: it was not
 * asked for). Borrowed. */
const char *scope_probe_source(const struct scope_probe *p,
			       enum scope_kind kind);
const char *scope_probe_missing(const struct scope_probe *p,
				enum scope_kind kind);
/* What the source of a kind does not tell; NULL: nothing. Static. */
const char *scope_probe_limits(const struct scope_probe *p,
			       enum scope_kind kind);
/* "uprobe_multi" or "perf_uprobe"; static. */
const char *scope_probe_link_kind(const struct scope_probe *p);

/* Which kind of buffers there are, how many, their bytes in all (fewer than
 * were asked for, where no more memory may be locked), and why that kind;
 * static. */
enum scope_transport scope_probe_transport(const struct scope_probe *p,
					   unsigned *ret_buffers,
					   uint64_t *ret_bytes,
					   const char **ret_why);

/* Where the costs of probes are known from: "cache", "measured" or "default";
 * "measuring": defaults, until a process of ours has measured. Static. */
const char *scope_probe_calibration(const struct scope_probe *p);

/* opts.breaks: the breakpoints, none of which is set. Borrowed. */
struct scope_points *scope_probe_points(struct scope_probe *p);
/* What the events of a kind are said to come from, and what that does not tell
 * (static; NULL: nothing). */
void scope_probe_set_source(struct scope_probe *p, enum scope_kind kind,
			    const char *text, const char *limits);

/* Address of the JIT descriptor in the target; 0: not known. */
uint64_t scope_probe_jit_descriptor(const struct scope_probe *p);

#endif
