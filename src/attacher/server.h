/* SPDX-License-Identifier: MIT */
/*
 * server: the attacher's side of the protocol: checks each request, and has it
 * done. What is done stands behind a table of functions, so that the checking
 * can be tested, and fuzzed, without doing anything.
 *
 * Errors:  the reply has them: -EBADMSG a request that is none (nothing was
 *          done), -EBADSLT no such slot, else those of the operation.
 * Threads: one.
 */
#ifndef SCOPE_ATTACHER_SERVER_H
#define SCOPE_ATTACHER_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "attacher/proto.h"
#include "base/err.h"

struct scope_node; /* one that is open */

struct scope_server_ops {
	int (*open)(pid_t pid, struct scope_node **ret_node,
		    struct scope_reply *reply, struct scope_err *err);
	int (*file)(struct scope_node *n, enum scope_file which, bool ours,
		    const char *name, struct scope_reply *reply);
	int (*read)(struct scope_node *n, const struct scope_msg_piece *pieces,
		    size_t npieces, void *shared, struct scope_reply *reply);
	int (*load)(struct scope_node *n, const struct scope_msg_load *m,
		    struct scope_reply *reply, struct scope_err *err);
	int (*perf)(struct scope_node *n, const struct scope_msg_perf *m,
		    struct scope_reply *reply, struct scope_err *err);
	int (*attach)(struct scope_node *n, const struct scope_msg_attach *m,
		      struct scope_reply *reply);
	int (*detach)(struct scope_node *n, unsigned group);
	int (*watch)(struct scope_node *n, uint64_t pid, bool on);
	int (*missed)(struct scope_node *n, uint64_t *ret_missed);
	int (*socket)(struct scope_node *n, int fd, uint64_t *ret_inode);
	int (*count)(struct scope_node *n, const struct scope_msg_attach *m,
		     struct scope_reply *reply, struct scope_err *err);
	int (*hits)(struct scope_node *n, uint64_t hits[SCOPE_COUNTS_MAX]);
	int (*thread)(struct scope_node *n, pid_t tid, unsigned ms,
		      void *shared, struct scope_reply *reply);
	int (*sample)(struct scope_node *n, const struct scope_msg_sample *m,
		      struct scope_reply *reply, struct scope_err *err);
	int (*clock)(struct scope_node *n, const struct scope_msg_clock *m,
		     struct scope_reply *reply, struct scope_err *err);
	int (*waits)(struct scope_node *n, const struct scope_msg_waits *m,
		     struct scope_err *err);
	int (*set_break)(struct scope_node *n, unsigned reg, uint64_t addr,
			 struct scope_reply *reply);
	void (*close)(struct scope_node *n);
};

extern const struct scope_server_ops scope_server_real;

struct scope_server {
	const struct scope_server_ops *ops;
	void *shared; /* borrowed, SCOPE_SHARED_BYTES */
	struct scope_node *slots[SCOPE_SLOTS_MAX]; /* owned */
};

/* Answer one request. The reply's descriptors are the caller's to close. */
void scope_server_answer(struct scope_server *s, const void *msg, size_t len,
			 struct scope_reply *reply);
/* Close all that is open: takes all probes off. */
void scope_server_done(struct scope_server *s);

/* Serve a socket until its other end is gone. */
void scope_server_loop(struct scope_server *s, int fd,
		       void (*after_open)(void));

/* For the operations: hand a descriptor over; takes it. */
void scope_reply_fd(struct scope_reply *reply, int fd);

#endif
