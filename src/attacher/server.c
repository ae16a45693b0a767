/* SPDX-License-Identifier: MIT */
#include "attacher/server.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "scope/event.h"

void scope_reply_fd(struct scope_reply *reply, int fd)
{
	if (reply->head.nfds < SCOPE_FDS_MAX)
		reply->fds[reply->head.nfds++] = fd;
	else
		(void)close(fd);
}

/* A request that ends with a list has as many bytes as the list's length says. */
static bool has_size(size_t len, size_t fixed, size_t n, size_t max, size_t each)
{
	return n >= 1 && n <= max && len == fixed + n * each;
}

static bool is_ended(const char *text, size_t cap)
{
	return memchr(text, 0, cap) != NULL;
}

static int do_open(struct scope_server *s, const void *msg, size_t len,
		   struct scope_reply *reply, struct scope_err *err)
{
	const struct scope_msg_open *m = msg;
	unsigned slot = 0;
	int r;

	if (len != sizeof(*m) || m->pid <= 0)
		return -EBADMSG;
	while (slot < SCOPE_SLOTS_MAX && s->slots[slot])
		slot++;
	if (slot == SCOPE_SLOTS_MAX)
		return scope_fail(err, -EMFILE, "at most %d nodes at once",
				  SCOPE_SLOTS_MAX);
	r = s->ops->open(m->pid, &s->slots[slot], reply, err);
	reply->head.v[0] = slot;
	return r;
}

static int do_file(struct scope_server *s, struct scope_node *n,
		   const void *msg, size_t len, struct scope_reply *reply)
{
	const struct scope_msg_file *m = msg;

	if (len != sizeof(*m) || m->which >= SCOPE_FILE_MAX || m->ours > 1 ||
	    !is_ended(m->name, sizeof(m->name)))
		return -EBADMSG;
	return s->ops->file(n, m->which, m->ours, m->name, reply);
}

static int do_read(struct scope_server *s, struct scope_node *n,
		   const void *msg, size_t len, struct scope_reply *reply)
{
	const struct scope_msg_read *m = msg;
	uint64_t total = 0;

	if (len < offsetof(struct scope_msg_read, piece) ||
	    !has_size(len, offsetof(struct scope_msg_read, piece), m->n,
		      SCOPE_PIECES_MAX, sizeof(m->piece[0])))
		return -EBADMSG;
	for (uint32_t i = 0; i < m->n; i++)
		total += m->piece[i].len;
	if (total > SCOPE_SHARED_BYTES)
		return -EBADMSG;
	return s->ops->read(n, m->piece, m->n, s->shared, reply);
}

static int do_load(struct scope_server *s, struct scope_node *n,
		   const void *msg, size_t len, struct scope_reply *reply,
		   struct scope_err *err)
{
	const struct scope_msg_load *m = msg;

	if (len != sizeof(*m) || m->nprogs > SCOPE_WIRE_PROGS_MAX ||
	    m->nrings < 1 || m->nrings > SCOPE_RINGS_MAX ||
	    m->config.nrings != m->nrings ||
	    m->ring_bytes < SCOPE_RING_BYTES_MIN ||
	    m->ring_bytes > SCOPE_RING_BYTES_MAX ||
	    (m->ring_bytes & (m->ring_bytes - 1)) ||
	    m->transport > SCOPE_TRANSPORT_PERF || m->config.overwrites > 1 ||
	    (m->config.overwrites && m->transport != SCOPE_TRANSPORT_PERF))
		return -EBADMSG;
	for (uint32_t i = 0; i < m->nprogs; i++)
		if (!is_ended(m->prog[i], sizeof(m->prog[i])))
			return -EBADMSG;
	return s->ops->load(n, m, reply, err);
}

static bool is_attach(const struct scope_msg_attach *m, size_t len)
{
	return len >= offsetof(struct scope_msg_attach, site) &&
	       has_size(len, offsetof(struct scope_msg_attach, site), m->n,
			SCOPE_WIRE_SITES_MAX, sizeof(m->site[0])) &&
	       m->group < SCOPE_WIRE_GROUPS_MAX && m->is_return <= 1 &&
	       is_ended(m->prog, sizeof(m->prog));
}

static int do_perf(struct scope_server *s, struct scope_node *n,
		   const void *msg, size_t len, struct scope_reply *reply,
		   struct scope_err *err)
{
	const struct scope_msg_perf *m = msg;

	if (len != sizeof(*m) || m->n < 1 || m->n > SCOPE_PERF_CPUS_MAX ||
	    m->first >= SCOPE_CPUS_MAX)
		return -EBADMSG;
	return s->ops->perf(n, m, reply, err);
}

static int do_attach(struct scope_server *s, struct scope_node *n,
		     const void *msg, size_t len, struct scope_reply *reply)
{
	const struct scope_msg_attach *m = msg;

	if (!is_attach(m, len))
		return -EBADMSG;
	for (uint32_t i = 0; i < m->n; i++)
		if ((m->site[i].cookie & ((1u << SCOPE_COOKIE_ARG) - 1)) >=
			    SCOPE_SITE_MAX ||
		    m->site[i].cookie >> SCOPE_COOKIE_ARG >= SCOPE_COOKIE_ARGS)
			return -EBADMSG;
	return s->ops->attach(n, m, reply);
}

static int do_count(struct scope_server *s, struct scope_node *n,
		    const void *msg, size_t len, struct scope_reply *reply,
		    struct scope_err *err)
{
	const struct scope_msg_attach *m = msg;

	if (!is_attach(m, len))
		return -EBADMSG;
	for (uint32_t i = 0; i < m->n; i++)
		if (m->site[i].cookie >= SCOPE_COUNTS_MAX)
			return -EBADMSG;
	return s->ops->count(n, m, reply, err);
}

static int do_hits(struct scope_server *s, struct scope_node *n, size_t len,
		   struct scope_reply *reply)
{
	if (len != sizeof(struct scope_msg_head))
		return -EBADMSG;
	reply->head.v[0] = SCOPE_COUNTS_MAX;
	return s->ops->hits(n, s->shared);
}

static int do_detach(struct scope_server *s, struct scope_node *n,
		     const void *msg, size_t len)
{
	const struct scope_msg_detach *m = msg;

	if (len != sizeof(*m) || (m->group >= SCOPE_WIRE_GROUPS_MAX &&
				  m->group != SCOPE_GROUP_ALL))
		return -EBADMSG;
	return s->ops->detach(n, m->group);
}

static int do_watch(struct scope_server *s, struct scope_node *n,
		    const void *msg, size_t len)
{
	const struct scope_msg_watch *m = msg;

	if (len != sizeof(*m) || m->on > 1)
		return -EBADMSG;
	return s->ops->watch(n, m->pid, m->on);
}

static int do_socket(struct scope_server *s, struct scope_node *n,
		     const void *msg, size_t len, struct scope_reply *reply)
{
	const struct scope_msg_socket *m = msg;

	if (len != sizeof(*m) || m->fd < 0)
		return -EBADMSG;
	return s->ops->socket(n, m->fd, &reply->head.v[0]);
}

static int do_thread(struct scope_server *s, struct scope_node *n,
		     const void *msg, size_t len, struct scope_reply *reply)
{
	const struct scope_msg_thread *m = msg;

	if (len != sizeof(*m) || m->tid <= 0)
		return -EBADMSG;
	return s->ops->thread(n, m->tid, m->ms, s->shared, reply);
}

static int do_sample(struct scope_server *s, struct scope_node *n,
		     const void *msg, size_t len, struct scope_reply *reply,
		     struct scope_err *err)
{
	const struct scope_msg_sample *m = msg;

	if (len != sizeof(*m) || m->ring_bytes < SCOPE_RING_BYTES_MIN ||
	    m->ring_bytes > SCOPE_RING_BYTES_MAX ||
	    (m->ring_bytes & (m->ring_bytes - 1)) ||
	    m->config.main_lo > m->config.main_hi ||
	    m->config.wants_kernel > 1 ||
	    m->config.wants_native > 1 || m->config.wants_waits > 1 ||
	    m->config.reg_p >= SCOPE_SAMPLE_REGS ||
	    m->config.reg_e >= SCOPE_SAMPLE_REGS)
		return -EBADMSG;
	return s->ops->sample(n, m, reply, err);
}

static int do_clock(struct scope_server *s, struct scope_node *n,
		    const void *msg, size_t len, struct scope_reply *reply,
		    struct scope_err *err)
{
	const struct scope_msg_clock *m = msg;

	if (len < offsetof(struct scope_msg_clock, thread) ||
	    !has_size(len, offsetof(struct scope_msg_clock, thread), m->n,
		      SCOPE_WIRE_THREADS_MAX, sizeof(m->thread[0])) ||
	    m->hz < 1 || m->hz > SCOPE_HZ_MAX)
		return -EBADMSG;
	for (uint32_t i = 0; i < m->n; i++)
		if (m->thread[i].tid <= 0)
			return -EBADMSG;
	return s->ops->clock(n, m, reply, err);
}

static int do_break(struct scope_server *s, struct scope_node *n,
		    const void *msg, size_t len, struct scope_reply *reply)
{
	const struct scope_msg_break *m = msg;

	(void)s;
	/* User addresses have 47 bits. */
	if (len != sizeof(*m) || m->reg >= SCOPE_BREAKS || m->addr >> 47)
		return -EBADMSG;
	return s->ops->set_break(n, m->reg, m->addr, reply);
}

static int do_close(struct scope_server *s, unsigned slot)
{
	s->ops->close(s->slots[slot]);
	s->slots[slot] = NULL;
	return 0;
}

/* What is asked of a node that is open. */
static int on_node(struct scope_server *s, const void *msg, size_t len,
		   struct scope_reply *reply, struct scope_err *err)
{
	const struct scope_msg_head *h = msg;
	struct scope_node *n;

	if (h->slot >= SCOPE_SLOTS_MAX || !s->slots[h->slot])
		return -EBADSLT;
	n = s->slots[h->slot];
	switch (h->op) {
	case SCOPE_OP_FILE:
		return do_file(s, n, msg, len, reply);
	case SCOPE_OP_READ:
		return do_read(s, n, msg, len, reply);
	case SCOPE_OP_LOAD:
		return do_load(s, n, msg, len, reply, err);
	case SCOPE_OP_PERF:
		return do_perf(s, n, msg, len, reply, err);
	case SCOPE_OP_ATTACH:
		return do_attach(s, n, msg, len, reply);
	case SCOPE_OP_DETACH:
		return do_detach(s, n, msg, len);
	case SCOPE_OP_WATCH:
		return do_watch(s, n, msg, len);
	case SCOPE_OP_MISSED:
		return len == sizeof(*h) ?
			       s->ops->missed(n, &reply->head.v[0]) :
			       -EBADMSG;
	case SCOPE_OP_SOCKET:
		return do_socket(s, n, msg, len, reply);
	case SCOPE_OP_COUNT:
		return do_count(s, n, msg, len, reply, err);
	case SCOPE_OP_HITS:
		return do_hits(s, n, len, reply);
	case SCOPE_OP_THREAD:
		return do_thread(s, n, msg, len, reply);
	case SCOPE_OP_SAMPLE:
		return do_sample(s, n, msg, len, reply, err);
	case SCOPE_OP_CLOCK:
		return do_clock(s, n, msg, len, reply, err);
	case SCOPE_OP_WAITS:
		return len == sizeof(struct scope_msg_waits) ?
			       s->ops->waits(n, msg, err) :
			       -EBADMSG;
	case SCOPE_OP_BREAK:
		return do_break(s, n, msg, len, reply);
	case SCOPE_OP_CLOSE:
		return len == sizeof(*h) ? do_close(s, h->slot) : -EBADMSG;
	default:
		return -EBADMSG;
	}
}

void scope_server_answer(struct scope_server *s, const void *msg, size_t len,
			 struct scope_reply *reply)
{
	const struct scope_msg_head *h = msg;
	struct scope_err err = { 0 };

	memset(&reply->head, 0, sizeof(reply->head));
	if (len < sizeof(*h))
		reply->head.r = -EBADMSG;
	else if (h->op == SCOPE_OP_OPEN)
		reply->head.r = do_open(s, msg, len, reply, &err);
	else
		reply->head.r = on_node(s, msg, len, reply, &err);
	if (reply->head.r >= 0)
		return;
	/* A failure leaves nothing but its words. */
	while (reply->head.nfds)
		(void)close(reply->fds[--reply->head.nfds]);
	reply->head.text_len = (uint32_t)strlen(err.text);
	memcpy(reply->text, err.text, reply->head.text_len);
}

void scope_server_done(struct scope_server *s)
{
	for (unsigned i = 0; i < SCOPE_SLOTS_MAX; i++)
		if (s->slots[i])
			(void)do_close(s, i);
}

static int send_reply(int fd, const struct scope_reply *reply)
{
	union {
		char bytes[CMSG_SPACE(sizeof(reply->fds))];
		struct cmsghdr align;
	} control;
	struct iovec iov[2] = {
		{ (void *)(uintptr_t)&reply->head, sizeof(reply->head) },
		{ (void *)(uintptr_t)reply->text, reply->head.text_len },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	size_t n = reply->head.nfds * sizeof(int);
	ssize_t sent;

	if (n) {
		struct cmsghdr *c = &control.align;

		memset(&control, 0, sizeof(control));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n);
		memcpy(CMSG_DATA(c), reply->fds, n);
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(n);
	}
	do
		sent = sendmsg(fd, &msg, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

void scope_server_loop(struct scope_server *s, int fd, void (*after_open)(void))
{
	static struct scope_reply reply;
	static union {
		char bytes[SCOPE_MSG_MAX];
		uint64_t align;
	} msg;

	for (;;) {
		ssize_t n = recv(fd, msg.bytes, sizeof(msg.bytes), MSG_TRUNC);
		bool is_open = false;
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		/* An empty packet is none: the other end is gone. */
		if (n <= 0)
			break;
		if ((size_t)n > sizeof(msg.bytes))
			n = 0; /* cut: answered as no request */
		is_open = (size_t)n >= sizeof(struct scope_msg_head) &&
			  ((struct scope_msg_head *)&msg)->op == SCOPE_OP_OPEN;
		scope_server_answer(s, msg.bytes, (size_t)n, &reply);
		if (is_open && after_open) {
			after_open();
			after_open = NULL;
		}
		r = send_reply(fd, &reply);
		while (reply.head.nfds)
			(void)close(reply.fds[--reply.head.nfds]);
		if (r < 0)
			break;
	}
	scope_server_done(s);
}
