/* SPDX-License-Identifier: MIT */
/* A node that the attacher has open: shared by node.c, load.c and count.c. */
#ifndef SCOPE_ATTACHER_NODE_INT_H
#define SCOPE_ATTACHER_NODE_INT_H

#include "attacher/link.h"
#include "attacher/server.h"

#define SCOPE_TEXTS_MAX 16 /* executable parts of a file */
#define SCOPE_LINKS_MAX 128

struct bpf_object;

#define SCOPE_BREAK_THREADS 1024 /* ERTS_MAX_NO_OF_SCHEDULERS */

/* One debug register: an event for each thread. */
struct scope_breaks {
	int fd[SCOPE_BREAK_THREADS]; /* owned, n of them */
	size_t n;
};

struct scope_node {
	pid_t pid;
	int pidfd, exe;
	char path[4096]; /* of its program */
	struct {
		uint64_t from, to;
	} text[SCOPE_TEXTS_MAX]; /* what of the file is executable */
	unsigned ntexts;
	struct bpf_object *obj; /* owned; NULL: nothing is loaded */
	bool multi;
	enum scope_transport transport; /* of obj */
	uint32_t ring_bytes; /* of each, as it was made */
	int rings[SCOPE_RINGS_MAX]; /* owned, while they are loaded */
	uint32_t nrings;
	bool overwrites; /* its perf buffers */
	unsigned nperf; /* CPUs whose perf events were asked for */
	struct {
		struct scope_link *link; /* owned */
		unsigned group;
	} links[SCOPE_LINKS_MAX];
	size_t nlinks;
	struct bpf_object *threads; /* owned; NULL: none was looked at */
	struct bpf_object *counting; /* owned; NULL: nothing is counted */
	struct scope_link *counts[2]; /* owned; of entries, of returns */
	/* sampling */
	struct bpf_object *sampler; /* owned; NULL: nothing is sampled */
	struct bpf_link **clocks;   /* owned */
	size_t nclocks;
	struct scope_link *waits[2]; /* owned; of the entry, of the return */
	struct scope_breaks breaks[SCOPE_BREAKS];
};

/* node.c */
bool scope_node_is_gone(const struct scope_node *n);

/* load.c */
int scope_node_load(struct scope_node *n, const struct scope_msg_load *m,
		    struct scope_reply *reply, struct scope_err *err);
int scope_node_perf(struct scope_node *n, const struct scope_msg_perf *m,
		    struct scope_reply *reply, struct scope_err *err);
int scope_node_attach(struct scope_node *n, const struct scope_msg_attach *m,
		      struct scope_reply *reply);
int scope_node_detach(struct scope_node *n, unsigned group);
int scope_node_watch(struct scope_node *n, uint64_t pid, bool on);
int scope_node_missed(struct scope_node *n, uint64_t *ret_missed);
void scope_node_unload(struct scope_node *n);
/* Where the request wants probes; -EBADMSG: not all of it is code. */
int scope_node_sites(const struct scope_node *n,
		     const struct scope_msg_attach *m,
		     struct scope_link_sites *ret_sites);

/* thread.c */
int scope_node_thread(struct scope_node *n, pid_t tid, unsigned ms,
		      void *shared, struct scope_reply *reply);
void scope_node_threads_end(struct scope_node *n);

/* break.c */
int scope_node_break(struct scope_node *n, unsigned reg, uint64_t addr,
		     struct scope_reply *reply);
void scope_node_breaks_off(struct scope_node *n);

/* count.c */
int scope_node_count(struct scope_node *n, const struct scope_msg_attach *m,
		     struct scope_reply *reply, struct scope_err *err);
int scope_node_hits(struct scope_node *n, uint64_t hits[SCOPE_COUNTS_MAX]);
void scope_node_count_end(struct scope_node *n);

/* sample.c */
int scope_node_sample(struct scope_node *n, const struct scope_msg_sample *m,
		      struct scope_reply *reply, struct scope_err *err);
int scope_node_clock(struct scope_node *n, const struct scope_msg_clock *m,
		     struct scope_reply *reply, struct scope_err *err);
int scope_node_waits(struct scope_node *n, const struct scope_msg_waits *m,
		     struct scope_err *err);
void scope_node_stop_samples(struct scope_node *n);

/* load.c: whether an offset in the file is of an instruction; and say why the
 * kernel does not take programs. */
bool scope_node_is_text(const struct scope_node *n, uint64_t offset);
int scope_node_fail_load(int r, struct scope_err *err);

#endif
