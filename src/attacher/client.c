/* SPDX-License-Identifier: MIT */
#include "attacher/attacher.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "attacher/child.h"
#include "attacher/drop.h"
#include "attacher/link.h"
#include "attacher/server.h"

struct scope_attacher {
	pthread_mutex_t lock;
	int fd;	   /* -1: local */
	pid_t pid; /* of the process; 0: local */
	void *shared;
	struct scope_server *server; /* owned; local only */
	struct scope_reply reply;    /* of the request under way */
};

static struct scope_attacher *new_attacher(struct scope_err *err)
{
	struct scope_attacher *a = calloc(1, sizeof(*a));

	if (!a) {
		(void)scope_fail(err, -ENOMEM, "out of memory");
		return NULL;
	}
	a->fd = -1;
	(void)pthread_mutex_init(&a->lock, NULL);
	a->shared = mmap(NULL, SCOPE_SHARED_BYTES, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (a->shared == MAP_FAILED) {
		(void)scope_fail(err, -ENOMEM, "out of memory");
		free(a);
		return NULL;
	}
	return a;
}

/* The node that is named first is opened with all that we were given, so that
 * its files are, whoever's they are; then the rest goes. */
static void drop_rest(void)
{
	/* The kernel lets nobody else place single uprobes. */
	uint64_t more = scope_link_has_multi() ? 0 : SCOPE_CAP(CAP_SYS_ADMIN);

	if (scope_drop(SCOPE_CAPS_ATTACH | more, 0) < 0)
		_exit(1);
}

/* What perf buffers lock beyond what each user may is counted against this
 * limit, of who maps them: that is us, with no right to exceed it. */
static void lift_memlock(void)
{
	struct rlimit lim = { RLIM_INFINITY, RLIM_INFINITY };

	if (setrlimit(RLIMIT_MEMLOCK, &lim) == 0 ||
	    getrlimit(RLIMIT_MEMLOCK, &lim) < 0)
		return;
	lim.rlim_cur = lim.rlim_max;
	(void)setrlimit(RLIMIT_MEMLOCK, &lim);
}

static void serve(int fd, void *shared)
{
	struct scope_server server = { .ops = &scope_server_real,
				       .shared = shared };

	scope_server_loop(&server, fd, drop_rest);
}

int scope_attacher_start(struct scope_attacher **ret_attacher,
			 struct scope_err *err)
{
	scope_auto(scope_attacher) a = new_attacher(err);
	int r;

	if (!a)
		return -ENOMEM;
	lift_memlock();
	r = scope_child_start("scope-attacher", serve, a->shared, &a->pid,
			      &a->fd);
	if (r < 0)
		return scope_fail(err, r, "can't start a process: %s",
				  strerror(-r));
	*ret_attacher = scope_take(a);
	return 0;
}

int scope_attacher_local(struct scope_attacher **ret_attacher,
			 struct scope_err *err)
{
	scope_auto(scope_attacher) a = new_attacher(err);

	if (!a)
		return -ENOMEM;
	a->server = calloc(1, sizeof(*a->server));
	if (!a->server)
		return scope_fail(err, -ENOMEM, "out of memory");
	a->server->ops = &scope_server_real;
	a->server->shared = a->shared;
	*ret_attacher = scope_take(a);
	return 0;
}

void scope_attacher_free(struct scope_attacher *a)
{
	if (!a)
		return;
	scope_child_end(a->pid, a->fd);
	if (a->server)
		scope_server_done(a->server);
	free(a->server);
	(void)munmap(a->shared, SCOPE_SHARED_BYTES);
	(void)pthread_mutex_destroy(&a->lock);
	free(a);
}

int scope_attacher_fd(const struct scope_attacher *a)
{
	return a->fd;
}

/* -- asking ---------------------------------------------------------------------- */

static int receive(struct scope_attacher *a)
{
	struct scope_reply *reply = &a->reply;
	union {
		char bytes[CMSG_SPACE(sizeof(reply->fds))];
		struct cmsghdr align;
	} control;
	struct iovec iov[2] = {
		{ &reply->head, sizeof(reply->head) },
		{ reply->text, sizeof(reply->text) },
	};
	struct msghdr msg = { .msg_iov = iov,
			      .msg_iovlen = 2,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	size_t nfds = 0;
	ssize_t n;

	do
		n = recvmsg(a->fd, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return -EOWNERDEAD;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c;
	     c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		nfds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(reply->fds, CMSG_DATA(c), nfds * sizeof(int));
	}
	/* Out of descriptors ourselves: the kernel gives what it can. */
	if ((size_t)n != sizeof(reply->head) + reply->head.text_len ||
	    reply->head.nfds != nfds) {
		while (nfds)
			(void)close(reply->fds[--nfds]);
		return -EMFILE;
	}
	return reply->head.r;
}

static int ask_fd(struct scope_attacher *a, const void *m, size_t len)
{
	ssize_t n;

	do
		n = send(a->fd, m, len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -EOWNERDEAD : receive(a);
}

/* Ask, with the lock held; the answer stays in a->reply until it is let go. */
static int ask(struct scope_attacher *a, const void *m, size_t len)
{
	if (a->fd >= 0)
		return ask_fd(a, m, len);
	if (!a->server)
		return -EOWNERDEAD;
	scope_server_answer(a->server, m, len, &a->reply);
	return a->reply.head.r;
}

static int say_why(struct scope_attacher *a, int r, struct scope_err *err)
{
	if (r == -EOWNERDEAD)
		return scope_fail(err, r,
				  "the process that attaches has ended; its "
				  "probes are gone with it");
	return scope_fail(err, r, "%.*s", (int)a->reply.head.text_len,
			  a->reply.head.text_len ? a->reply.text :
						   strerror(-r));
}

/* A request of which the result is all. */
static int ask_plain(struct scope_attacher *a, const void *m, size_t len)
{
	int r;

	(void)pthread_mutex_lock(&a->lock);
	r = ask(a, m, len);
	(void)pthread_mutex_unlock(&a->lock);
	return r;
}

static void take_opened(const struct scope_reply *reply, struct scope_opened *o)
{
	const struct scope_reply_head *h = &reply->head;
	unsigned at = 2;

	o->slot = (unsigned)h->v[0];
	o->pidns_dev = h->v[1];
	o->pidns_ino = h->v[2];
	o->start_code = h->v[3];
	o->pidfd = reply->fds[0];
	o->exe = reply->fds[1];
	o->auxv = h->v[4] & SCOPE_HAS_AUXV ? reply->fds[at++] : -1;
	o->mem = h->v[4] & SCOPE_HAS_MEM ? reply->fds[at++] : -1;
	memcpy(o->path, reply->text, h->text_len);
	o->path[h->text_len] = 0;
}

int scope_attacher_open(struct scope_attacher *a, pid_t pid,
			struct scope_opened *ret_opened, struct scope_err *err)
{
	struct scope_msg_open m = { .head = { .op = SCOPE_OP_OPEN },
				    .pid = pid };
	int r;

	(void)pthread_mutex_lock(&a->lock);
	r = ask(a, &m, sizeof(m));
	if (r < 0)
		r = say_why(a, r, err);
	else
		take_opened(&a->reply, ret_opened);
	(void)pthread_mutex_unlock(&a->lock);
	return r;
}

void scope_attacher_close(struct scope_attacher *a, unsigned slot)
{
	struct scope_msg_head m = { .op = SCOPE_OP_CLOSE, .slot = slot };

	(void)ask_plain(a, &m, sizeof(m));
}

int scope_attacher_file(struct scope_attacher *a, unsigned slot,
			enum scope_file which, bool ours, const char *name)
{
	struct scope_msg_file m = { .head = { .op = SCOPE_OP_FILE,
					      .slot = slot },
				    .which = which,
				    .ours = ours };
	size_t len = strlen(name);
	int r;

	if (len >= sizeof(m.name))
		return -ENOENT;
	memcpy(m.name, name, len);
	(void)pthread_mutex_lock(&a->lock);
	r = ask(a, &m, sizeof(m));
	if (r == 0)
		r = a->reply.fds[0];
	(void)pthread_mutex_unlock(&a->lock);
	return r;
}

int scope_attacher_read(struct scope_attacher *a, unsigned slot,
			const struct scope_read_piece *pieces, size_t n,
			size_t *ret_bytes)
{
	struct scope_msg_read m;
	size_t left;
	int r;

	m.head = (struct scope_msg_head){ .op = SCOPE_OP_READ, .slot = slot };
	m.n = (uint32_t)n;
	m.pad = 0;
	for (size_t i = 0; i < n; i++)
		m.piece[i] = (struct scope_msg_piece){ .addr = pieces[i].addr,
						       .len = pieces[i].len };
	(void)pthread_mutex_lock(&a->lock);
	r = ask(a, &m, offsetof(struct scope_msg_read, piece) +
			       n * sizeof(m.piece[0]));
	if (r == 0) {
		const char *from = a->shared;

		left = a->reply.head.v[0];
		*ret_bytes = left;
		for (size_t i = 0; i < n && left >= pieces[i].len; i++) {
			memcpy(pieces[i].buf, from, pieces[i].len);
			from += pieces[i].len;
			left -= pieces[i].len;
		}
	}
	(void)pthread_mutex_unlock(&a->lock);
	return r;
}

int scope_attacher_load(struct scope_attacher *a, unsigned slot,
			struct scope_msg_load *m,
			struct scope_loaded *ret_loaded, struct scope_err *err)
{
	const struct scope_reply *reply = &a->reply;
	int r;

	m->head = (struct scope_msg_head){ .op = SCOPE_OP_LOAD, .slot = slot };
	(void)pthread_mutex_lock(&a->lock);
	r = ask(a, m, sizeof(*m));
	if (r < 0) {
		r = say_why(a, r, err);
	} else {
		ret_loaded->ncpus = (unsigned)reply->head.v[0];
		ret_loaded->multi = reply->head.v[1];
		ret_loaded->counters = reply->fds[0];
		ret_loaded->control = reply->fds[1];
		ret_loaded->transport = (enum scope_transport)reply->head.v[2];
		ret_loaded->ring_bytes = reply->head.v[3];
		if (ret_loaded->transport == SCOPE_TRANSPORT_RING)
			memcpy(ret_loaded->rings, reply->fds + 2,
			       m->nrings * sizeof(int));
	}
	(void)pthread_mutex_unlock(&a->lock);
	return r;
}

/* As many CPUs as go into one answer. */
static int some_perf(struct scope_attacher *a, const struct scope_msg_perf *m,
		     int *ret_fds, struct scope_err *err)
{
	const struct scope_reply *reply = &a->reply;
	unsigned at = 0;
	int r;

	(void)pthread_mutex_lock(&a->lock);
	r = ask(a, m, sizeof(*m));
	if (r < 0)
		r = say_why(a, r, err);
	for (unsigned i = 0; r == 0 && i < m->n; i++)
		if (reply->head.v[0] >> i & 1 && at < reply->head.nfds)
			ret_fds[i] = reply->fds[at++];
	(void)pthread_mutex_unlock(&a->lock);
	return r;
}

int scope_attacher_perf(struct scope_attacher *a, unsigned slot, unsigned ncpus,
			int *ret_fds, struct scope_err *err)
{
	int r = 0;

	for (unsigned i = 0; i < ncpus; i++)
		ret_fds[i] = -1;
	for (unsigned i = 0; r == 0 && i < ncpus; i += SCOPE_PERF_CPUS_MAX) {
		struct scope_msg_perf m = {
			.head = { .op = SCOPE_OP_PERF, .slot = slot },
			.first = i,
			.n = ncpus - i < SCOPE_PERF_CPUS_MAX ?
				     ncpus - i :
				     SCOPE_PERF_CPUS_MAX,
		};

		r = some_perf(a, &m, ret_fds + i, err);
	}
	for (unsigned i = 0; r < 0 && i < ncpus; i++)
		if (ret_fds[i] >= 0)
			(void)close(ret_fds[i]);
	return r;
}

int scope_attacher_attach(struct scope_attacher *a, unsigned slot,
			  struct scope_msg_attach *m, size_t *ret_site)
{
	int r;

	m->head = (struct scope_msg_head){ .op = SCOPE_OP_ATTACH, .slot = slot };
	(void)pthread_mutex_lock(&a->lock);
	r = ask(a, m, offsetof(struct scope_msg_attach, site) +
			      m->n * sizeof(m->site[0]));
	*ret_site = r < 0 && r != -EOWNERDEAD && a->reply.head.v[0] < m->n ?
			    a->reply.head.v[0] :
			    0;
	(void)pthread_mutex_unlock(&a->lock);
	return r;
}

int scope_attacher_detach(struct scope_attacher *a, unsigned slot,
			  unsigned group)
{
	struct scope_msg_detach m = { .head = { .op = SCOPE_OP_DETACH,
						.slot = slot },
				      .group = group };

	return ask_plain(a, &m, sizeof(m));
}

int scope_attacher_watch(struct scope_attacher *a, unsigned slot, uint64_t pid,
			 bool on)
{
	struct scope_msg_watch m = { .head = { .op = SCOPE_OP_WATCH,
					       .slot = slot },
				     .pid = pid,
				     .on = on };

	return ask_plain(a, &m, sizeof(m));
}

int scope_attacher_socket(struct scope_attacher *a, unsigned slot, int fd,
			  uint64_t *ret_inode)
{
	struct scope_msg_socket m = { .head = { .op = SCOPE_OP_SOCKET,
						.slot = slot },
				      .fd = fd };
	int r;

	(void)pthread_mutex_lock(&a->lock);
	r = ask(a, &m, sizeof(m));
	if (r == 0)
		*ret_inode = a->reply.head.v[0];
	(void)pthread_mutex_unlock(&a->lock);
	return r;
}

/* The words are cut, and are one word: no control character gets through. */
static void take_wchan(const struct scope_reply *reply, char *to, size_t cap)
{
	size_t n = 0;

	while (n + 1 < cap && n < reply->head.text_len &&
	       reply->text[n] > ' ' && reply->text[n] < 0x7f) {
		to[n] = reply->text[n];
		n++;
	}
	to[n] = 0;
}

int scope_attacher_thread(struct scope_attacher *a, unsigned slot, pid_t tid,
			  unsigned ms, uint8_t *stack, size_t cap,
			  struct scope_thread_look *ret_look)
{
	struct scope_msg_thread m = { .head = { .op = SCOPE_OP_THREAD,
						.slot = slot },
				      .tid = tid,
				      .ms = ms };
	int r;

	(void)pthread_mutex_lock(&a->lock);
	r = ask(a, &m, sizeof(m));
	if (r == 0) {
		const struct scope_thread_regs *regs = a->shared;
		uint64_t n = a->reply.head.v[1];

		*ret_look = (struct scope_thread_look){
			.how = (enum scope_thread_how)a->reply.head.v[0],
			.regs = *regs,
			.syscall = (int64_t)a->reply.head.v[2],
			.since_ns = a->reply.head.v[3],
			.stack_bytes = n < cap ? (size_t)n : cap,
		};
		memcpy(stack, regs + 1, ret_look->stack_bytes);
		take_wchan(&a->reply, ret_look->wchan, sizeof(ret_look->wchan));
	}
	(void)pthread_mutex_unlock(&a->lock);
	return r;
}

int scope_attacher_count(struct scope_attacher *a, unsigned slot,
			 struct scope_msg_attach *m, struct scope_err *err)
{
	int r;

	m->head = (struct scope_msg_head){ .op = SCOPE_OP_COUNT, .slot = slot };
	(void)pthread_mutex_lock(&a->lock);
	r = ask(a, m, offsetof(struct scope_msg_attach, site) +
			      m->n * sizeof(m->site[0]));
	if (r < 0)
		r = say_why(a, r, err);
	(void)pthread_mutex_unlock(&a->lock);
	return r;
}

int scope_attacher_hits(struct scope_attacher *a, unsigned slot,
			uint64_t hits[SCOPE_COUNTS_MAX])
{
	struct scope_msg_head m = { .op = SCOPE_OP_HITS, .slot = slot };
	int r;

	(void)pthread_mutex_lock(&a->lock);
	r = ask(a, &m, sizeof(m));
	if (r == 0)
		memcpy(hits, a->shared, SCOPE_COUNTS_MAX * sizeof(*hits));
	(void)pthread_mutex_unlock(&a->lock);
	return r;
}

int scope_attacher_sample(struct scope_attacher *a, unsigned slot,
			  struct scope_msg_sample *m, int *ret_shared,
			  int *ret_ring, struct scope_err *err)
{
	int r;

	m->head = (struct scope_msg_head){ .op = SCOPE_OP_SAMPLE, .slot = slot };
	(void)pthread_mutex_lock(&a->lock);
	r = ask(a, m, sizeof(*m));
	if (r < 0) {
		r = say_why(a, r, err);
	} else {
		*ret_shared = a->reply.fds[0];
		*ret_ring = a->reply.fds[1];
	}
	(void)pthread_mutex_unlock(&a->lock);
	return r;
}

int scope_attacher_clock(struct scope_attacher *a, unsigned slot,
			 struct scope_msg_clock *m, struct scope_err *err)
{
	int r;

	m->head = (struct scope_msg_head){ .op = SCOPE_OP_CLOCK, .slot = slot };
	(void)pthread_mutex_lock(&a->lock);
	r = ask(a, m, offsetof(struct scope_msg_clock, thread) +
			      m->n * sizeof(m->thread[0]));
	r = r < 0 ? say_why(a, r, err) : (int)a->reply.head.v[0];
	(void)pthread_mutex_unlock(&a->lock);
	return r;
}

int scope_attacher_waits(struct scope_attacher *a, unsigned slot,
			 struct scope_msg_waits *m, struct scope_err *err)
{
	int r;

	m->head = (struct scope_msg_head){ .op = SCOPE_OP_WAITS, .slot = slot };
	(void)pthread_mutex_lock(&a->lock);
	r = ask(a, m, sizeof(*m));
	if (r < 0)
		r = say_why(a, r, err);
	(void)pthread_mutex_unlock(&a->lock);
	return r;
}

int scope_attacher_break(struct scope_attacher *a, unsigned slot, unsigned reg,
			 uint64_t addr, struct scope_broken *ret)
{
	struct scope_msg_break m = { .head = { .op = SCOPE_OP_BREAK,
					       .slot = slot },
				     .reg = reg,
				     .addr = addr };
	int r;

	(void)pthread_mutex_lock(&a->lock);
	r = ask(a, &m, sizeof(m));
	/* What was there is off, however it ended. */
	ret->threads = r < 0 ? 0 : (unsigned)a->reply.head.v[0];
	ret->hits = r == -EOWNERDEAD ? 0 : a->reply.head.v[1];
	ret->trap_ns = r < 0 ? 0 : a->reply.head.v[2];
	(void)pthread_mutex_unlock(&a->lock);
	return r;
}

uint64_t scope_attacher_missed(struct scope_attacher *a, unsigned slot)
{
	struct scope_msg_head m = { .op = SCOPE_OP_MISSED, .slot = slot };
	uint64_t missed = 0;

	(void)pthread_mutex_lock(&a->lock);
	if (ask(a, &m, sizeof(m)) == 0)
		missed = a->reply.head.v[0];
	(void)pthread_mutex_unlock(&a->lock);
	return missed;
}
