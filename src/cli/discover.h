/* SPDX-License-Identifier: MIT */
/*
 * discover: find the nodes of this machine, have each watched by a process of
 * its own, and hand their lines on into one stream.
 *
 * Shapes:  looks for nodes every second, or so seldom that looking takes no more
 *          than a fiftieth of a CPU. Which are tried when: roster.h. Lines are handed
 *          on whole, in the order of each node; when the stream has no room the
 *          pipes are not read, and the observers count what they lose.
 * Errors:  an observer that crashes, or writes what is no event of its node, is
 *          ended and tried again; the others go on. -EOWNERDEAD the spawner has
 *          ended; what ended the stream.
 * Threads: the calling one; it should hold no rights. SIGINT, SIGTERM and SIGHUP
 *          end it cleanly, a second one at once.
 */
#ifndef SCOPE_CLI_DISCOVER_H
#define SCOPE_CLI_DISCOVER_H

#include "cli/health.h"
#include "cli/roster.h"
#include "cli/spawner.h"
#include "export/stream.h"

struct scope_discover_opts {
	struct scope_spawner *spawner; /* all borrowed */
	struct scope_stream *stream;
	struct scope_refusals *refusals; /* borrowed; NULL: nobody is told */
	struct scope_health *health; /* of SCOPE_ROSTER_MAX nodes; or NULL */
	const char *const *names;    /* nodes that match one; NULL-ended; none: all */
	uint64_t duration_ns;	     /* 0: until stopped */
	bool is_quiet;
	bool is_verbose;
	/* scope_find_nodes, but in tests */
	int (*find)(struct scope_found *out, size_t max);
	/* Words for people, a line without its newline. */
	void (*say)(void *arg, const char *text);
	void *say_arg;
};

struct scope_discover_totals {
	uint64_t lines, nodes; /* handed on; watched, each time anew */
	bool has_lost;	       /* an observer said so by its exit status */
	bool was_stopped;      /* by a signal */
};

int scope_discover(const struct scope_discover_opts *opts,
		   struct scope_discover_totals *ret_totals,
		   struct scope_err *err);

#endif
