/* SPDX-License-Identifier: MIT */
/*
 * catalogue: which event comes from which function of the runtime, and where
 * in it a probe goes.
 *
 * Shapes:  scope_catalogue_find resolves the wanted kinds in a target into a
 *          list of sites, and says why a kind has none.
 */
#ifndef SCOPE_PROBE_CATALOGUE_H
#define SCOPE_PROBE_CATALOGUE_H

#include "probe/site.h"
#include "scope/site.h"
#include "target/target.h"
#include "wire/event.h"

/* The programs of the BPF object. */
#define SCOPE_PROGS(X)                                                         \
	X(SEND_TAIL, "on_send_tail")                                           \
	X(SEND_MESSAGE, "on_send_message")                                     \
	X(SEND_PROC, "on_send_proc")                                           \
	X(SEND, "on_send")                                                     \
	X(RECEIVE, "on_receive")                                               \
	X(RECEIVE_SAVED, "on_receive_saved")                                   \
	X(PROC, "on_proc")                                                     \
	X(LINK, "on_link")                                                     \
	X(CALL, "on_call")                                                     \
	X(RETURN, "on_return")                                                 \
	X(CODE, "on_code")                                                     \
	X(SCHED, "on_sched")                                                   \
	X(SCHED_RETURN, "on_sched_return")                                     \
	X(NATIVE, "on_native")                                                 \
	X(NATIVE_RETURN, "on_native_return")                                   \
	X(NATIVE_DONE, "on_native_done")                                       \
	X(ATTEMPT, "on_attempt")                                               \
	X(ATTEMPT_RETURN, "on_attempt_return")                                 \
	X(DIST, "on_dist")                                                     \
	X(NODE, "on_node")                                                     \
	X(PORT, "on_port")                                                     \
	X(PORT_CALL, "on_port_call")                                           \
	X(PORT_RETURN, "on_port_return")                                       \
	X(TIMER, "on_timer")                                                   \
	X(TIMER_CALL, "on_timer_call")                                         \
	X(TIMER_RETURN, "on_timer_return")                                     \
	X(ETS, "on_ets")                                                       \
	X(ETS_NEW, "on_ets_new")                                               \
	X(ETS_NEW_RETURN, "on_ets_new_return")                                 \
	X(ETS_23, "on_ets_23")                                                 \
	X(ETS_23_RETURN, "on_ets_23_return")                                   \
	X(USDT, "on_usdt")                                                     \
	X(BREAK, "on_break")

enum scope_prog {
#define X(sym, name) SCOPE_PROG_##sym,
	SCOPE_PROGS(X)
#undef X
	SCOPE_PROG_MAX,
};

struct scope_attach_site {
	enum scope_site site;
	unsigned arg;		/* of the cookie */
	scope_kindset kinds;	/* that need it */
	enum scope_prog prog;
	enum scope_group group;
	bool is_return;		/* at the function's return */
	bool emulated;		/* costs one trap; else it is single-stepped */
	enum scope_insn insn;	/* what it sits on */
	uint64_t offset;	/* in the file */
	uint64_t ref_ctr;	/* in the file: a USDT semaphore; 0: none */
	char what[64];		/* "erts_do_exit_process+0" */
};

#define SCOPE_SITES_MAX 256

static inline uint64_t scope_site_cookie(const struct scope_attach_site *s)
{
	return (uint64_t)s->site | (uint64_t)s->arg << SCOPE_COOKIE_ARG;
}

struct scope_sites {
	struct scope_attach_site site[SCOPE_SITES_MAX];
	size_t n;
	scope_kindset found; /* kinds that have all their sites */
	struct scope_usdt_site usdt[SCOPE_USDT_MAX];
	size_t nusdt;
	char source[SCOPE_KIND_MAX][256];
	const char *limits[SCOPE_KIND_MAX]; /* what the source does not tell;
					       NULL: nothing. Static */
	char missing[SCOPE_KIND_MAX][224];
};

/* Where events are taken from. */
enum scope_from {
	SCOPE_FROM_AUTO,   /* a uprobe, or where there is none USDT */
	SCOPE_FROM_UPROBE,
	SCOPE_FROM_USDT,
};

/* Kinds that are probed beyond the wanted ones: names need to know who has
 * them, the table of processes who is gone, and each event the node's name. */
scope_kindset scope_catalogue_needs(scope_kindset wanted);

void scope_catalogue_find(struct scope_target *t, scope_kindset wanted,
			  enum scope_from from, struct scope_sites *ret_sites);

/* usdt.c: sources of those of `wanted` that have none, from the probes that
 * the emulator was built with. -ENOENT: it was built without; -EBADMSG: its
 * notes are broken. */
int scope_catalogue_add_usdt(struct scope_target *t, scope_kindset wanted,
			     struct scope_sites *sites);

const char *scope_prog_name(enum scope_prog prog);
/* Whether it runs where functions return. */
bool scope_prog_is_return(enum scope_prog prog);

#endif
