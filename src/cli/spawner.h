/* SPDX-License-Identifier: MIT */
/*
 * spawner: a process that keeps the rights, and does nothing with them but to
 * start processes of ours, each for one node. It is asked by one that holds no
 * rights, and looks at nothing that a node has written.
 *
 * Shapes:  a request is 8 bytes: begin this pid in this slot, or end the slot.
 *          A process begun has its standard output and error on pipes, whose
 *          other ends are handed over; it is told when it ends, and how.
 *          Requests of another size, and numbers out of range, are not obeyed.
 * Ends:    a slot's process is asked to end by SIGTERM; when the asking process
 *          ends, for whatever reason, all are, and the spawner with them. When the
 *          spawner ends they are as well. What has not ended 6 s later is killed.
 * Errors:  -EOWNERDEAD the spawner has ended.
 * Threads: to be started while there is one thread; then one owner.
 */
#ifndef SCOPE_CLI_SPAWNER_H
#define SCOPE_CLI_SPAWNER_H

#include <sys/types.h>

#include "base/auto.h"
#include "base/err.h"

#define SCOPE_SPAWN_MAX 64

struct scope_spawner;

/* run is called in each process begun; what it returns is the exit status. */
int scope_spawner_start(int (*run)(void *arg, unsigned slot, pid_t pid),
			void *arg, struct scope_spawner **ret_spawner,
			struct scope_err *err);
/* Ends all, and waits for that. */
void scope_spawner_free(struct scope_spawner *s);
SCOPE_AUTO(scope_spawner)

/* Readable when there is something to receive; hung up when it has ended. */
int scope_spawner_fd(const struct scope_spawner *s);

/* The slot must be free. Whether it worked is received. */
int scope_spawner_begin(struct scope_spawner *s, unsigned slot, pid_t pid);
int scope_spawner_end(struct scope_spawner *s, unsigned slot);

enum scope_spawned {
	SCOPE_SPAWNED_BEGUN = 1, /* out and err are the caller's to close */
	SCOPE_SPAWNED_FAILED,	 /* status: -errno; the slot is free */
	SCOPE_SPAWNED_ENDED,	 /* status: as of waitpid; the slot is free */
};

struct scope_spawn_news {
	enum scope_spawned what;
	unsigned slot;
	int status;
	int out, err; /* non-blocking */
};

/* The next piece of news: 1; 0 there is none; -EOWNERDEAD. */
int scope_spawner_receive(struct scope_spawner *s,
			  struct scope_spawn_news *ret_news);

#endif
