/* SPDX-License-Identifier: MIT */
/*
 * A ring of bytes between one that puts and the writer thread. `head` and
 * `tail` count bytes since the start and only ever rise; the byte n is at
 * ring[n % cap]. Only the one that puts moves head, only the writer tail.
 *
 * The writer looks for lines every IDLE_MS while they keep coming; after
 * IDLE_ROUNDS in vain it says so in `is_waiting` and sleeps until an eventfd
 * wakes it. Putting a line thus costs a system call only after a pause.
 *
 * Nobody may be kept waiting by a reader that does not read, and a descriptor
 * that others share must not be made non-blocking. So the writer opens pipes
 * and terminals anew, non-blocking, through /proc/self/fd; where that fails it
 * polls and writes no more than what a pipe that polls as writable takes.
 */
#include "export/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "base/nice.h"
#include "base/time.h"

#define IDLE_MS 2
#define IDLE_ROUNDS 50
#define FLUSH_MAX_MS 5000 /* of a flush, however slowly it goes on */
#define FLUSH_STEP_NS 1000000
#define LINGER_STEP_MS 20
#define NS_PER_MS UINT64_C(1000000)
#define CHUNK_BYTES (256u << 10)
#define RESERVE_BYTES (64u << 10)
#define LINE_BYTES 64 /* apart: what two threads write */

/*
 * Loads and stores shared by the two threads. ck's are inline assembly, which
 * ThreadSanitizer does not see: it gets the same in C11.
 */
#ifdef SCOPE_RING_C11
#include <stdatomic.h>

typedef _Atomic uint64_t shared;

static uint64_t load(const shared *p)
{
	return atomic_load_explicit(p, memory_order_acquire);
}

static void store(shared *p, uint64_t v)
{
	atomic_store_explicit(p, v, memory_order_release);
}

/* Store, then load: neither passes the other. */
static uint64_t store_load(shared *p, uint64_t v, const shared *q)
{
	atomic_store_explicit(p, v, memory_order_seq_cst);
	return atomic_load_explicit(q, memory_order_seq_cst);
}

static uint64_t swap(shared *p, uint64_t v)
{
	return atomic_exchange(p, v);
}
#else
#include <ck_pr.h>

typedef uint64_t shared;

static uint64_t load(const shared *p)
{
	uint64_t v = ck_pr_load_64(p);

	ck_pr_fence_acquire();
	return v;
}

static void store(shared *p, uint64_t v)
{
	ck_pr_fence_release();
	ck_pr_store_64(p, v);
}

static uint64_t store_load(shared *p, uint64_t v, const shared *q)
{
	store(p, v);
	ck_pr_fence_store_load();
	return load(q);
}

static uint64_t swap(shared *p, uint64_t v)
{
	uint64_t was;

	ck_pr_fence_release();
	was = ck_pr_fas_64(p, v);
	ck_pr_fence_acquire();
	return was;
}
#endif

struct scope_stream {
	char *ring; /* owned */
	size_t cap;
	size_t reserve; /* of cap: for lines to keep */
	int fd;		/* borrowed */
	int own;	/* owned: fd opened anew, or -1 */
	int wake;	/* owned: eventfd */
	int stop;	/* owned: eventfd, readable once it is to stop */
	bool is_socket;
	size_t chunk; /* most bytes of one write */
	struct scope_writer *to; /* owned; NULL: fd */
	char *batch;		 /* owned: whole lines for `to` */
	size_t batch_cap;
	pthread_t thread;

	/* Of the one that puts. */
	_Alignas(LINE_BYTES) shared head;
	uint64_t seen_tail;
	/* Of the writer. */
	_Alignas(LINE_BYTES) shared tail;
	shared is_waiting;
	shared error; /* an errno, above 0; 0: none */
	shared refused;
	/* Of both. */
	_Alignas(LINE_BYTES) shared is_stopping;
	shared is_flushing;
};

/* Make an eventfd readable. */
static void tell(int fd)
{
	uint64_t one = 1;

	/* Fails only when it is readable already. */
	if (write(fd, &one, sizeof(one)) < 0)
		return;
}

static ssize_t write_some(struct scope_stream *s, const char *p, size_t n)
{
	if (n > s->chunk)
		n = s->chunk;
	if (s->is_socket)
		return send(s->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	return write(s->own >= 0 ? s->own : s->fd, p, n);
}

/*
 * Wait for something to do: for the descriptor to take more (events is
 * POLLOUT), or for lines (events is 0; a reader that goes away shows even
 * then). 0, or an errno.
 */
static int await(struct scope_stream *s, short events, int timeout_ms)
{
	struct pollfd p[2] = {
		{ .fd = s->wake, .events = POLLIN },
		{ .fd = s->fd, .events = events },
	};
	uint64_t n;

	if (poll(p, s->to ? 1 : 2, timeout_ms) < 0)
		return errno == EINTR ? 0 : errno;
	if (p[0].revents && read(s->wake, &n, sizeof(n)) < 0 &&
	    errno != EAGAIN)
		return errno;
	/* A descriptor that can be written to says itself what is wrong. */
	if (events == 0 && p[1].revents)
		return p[1].revents & POLLNVAL ? EBADF : EPIPE;
	return 0;
}

/* Write what is there from tail on: 0, or an errno. */
static int drain(struct scope_stream *s, uint64_t tail, uint64_t head)
{
	size_t at = (size_t)(tail % s->cap);
	size_t n = (size_t)(head - tail);
	bool must_poll = s->chunk == PIPE_BUF;
	ssize_t r;
	int e;

	if (n > s->cap - at)
		n = s->cap - at;
	if (must_poll) {
		e = await(s, POLLOUT, -1);
		if (e || load(&s->is_stopping))
			return e;
	}
	r = write_some(s, s->ring + at, n);
	if (r >= 0) {
		store(&s->tail, tail + (uint64_t)r);
		return 0;
	}
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return await(s, POLLOUT, -1);
	return errno == EINTR ? 0 : errno;
}

/* -- to a writer, in batches of whole lines ------------------------------------- */

static int grow_batch(struct scope_stream *s, size_t cap)
{
	char *p = realloc(s->batch, cap);

	if (!p)
		return -ENOMEM;
	s->batch = p;
	s->batch_cap = cap;
	return 0;
}

/* Copy whole lines from tail on into the batch: as many as fit into it, or one
 * that is longer. The bytes; 0: no memory. */
static size_t fill_batch(struct scope_stream *s, uint64_t tail, uint64_t head)
{
	size_t all = (size_t)(head - tail);
	size_t max = all < s->to->batch_bytes ? all : s->to->batch_bytes;

	for (;;) {
		size_t at = (size_t)(tail % s->cap);
		size_t run = max < s->cap - at ? max : s->cap - at;
		size_t n;

		if (max > s->batch_cap && grow_batch(s, max) < 0)
			return 0;
		memcpy(s->batch, s->ring + at, run);
		memcpy(s->batch + run, s->ring, max - run);
		for (n = max; n && s->batch[n - 1] != '\n'; n--)
			;
		/* Lines are put whole, so that there is an end. */
		if (n || max == all)
			return n;
		max = max * 2 < all ? max * 2 : all;
	}
}

/* Wait for `ms`, or until the stream is to stop or to be flushed. */
static int rest(struct scope_stream *s, unsigned ms)
{
	uint64_t until = scope_now_ns() + ms * NS_PER_MS;
	uint64_t now;
	int e = 0;

	while (!e && !load(&s->is_stopping) && (now = scope_now_ns()) < until)
		e = await(s, 0, (int)((until - now) / NS_PER_MS) + 1);
	return e;
}

static int linger(struct scope_stream *s, uint64_t tail, uint64_t *head)
{
	uint64_t until = scope_now_ns() + s->to->linger_ms * NS_PER_MS;
	int e = 0;

	while (!e && *head - tail < s->to->batch_bytes &&
	       !load(&s->is_stopping) && !load(&s->is_flushing) &&
	       scope_now_ns() < until) {
		e = await(s, 0, LINGER_STEP_MS);
		*head = load(&s->head);
	}
	return e;
}

static int drain_to(struct scope_stream *s, uint64_t tail, uint64_t head)
{
	size_t n, at = 0;
	int e = linger(s, tail, &head);

	if (e || load(&s->is_stopping))
		return e;
	n = fill_batch(s, tail, head);
	if (!n)
		return ENOMEM;
	while (at < n && !e && !load(&s->is_stopping)) {
		unsigned wait_ms = 0;
		size_t done = 0;
		int r = s->to->put(s->to, s->batch + at, n - at, s->stop, &done,
				   &wait_ms);

		at += done;
		store(&s->refused, s->to->refused);
		store(&s->tail, tail + at);
		if (r < 0 && r != -EAGAIN)
			return -r;
		if (r == -EAGAIN)
			e = rest(s, wait_ms);
	}
	return e;
}

/* Sleep until lines come. */
static int idle(struct scope_stream *s, uint64_t tail, unsigned *rounds)
{
	int e = 0;

	if ((*rounds)++ < IDLE_ROUNDS)
		return await(s, 0, IDLE_MS);
	if (store_load(&s->is_waiting, 1, &s->head) == tail)
		e = await(s, 0, -1);
	store(&s->is_waiting, 0);
	*rounds = 0;
	return e;
}

static void *writer(void *arg)
{
	struct scope_stream *s = arg;
	unsigned rounds = 0;
	sigset_t all;

	/* Signals are for the threads that know what to do about them. */
	(void)sigfillset(&all);
	(void)sigdelset(&all, SIGSYS);
	(void)pthread_sigmask(SIG_BLOCK, &all, NULL);
	scope_nice_give_back();
	while (!load(&s->is_stopping)) {
		uint64_t tail = load(&s->tail);
		uint64_t head = load(&s->head);
		int e;

		if (head == tail) {
			e = idle(s, tail, &rounds);
		} else {
			rounds = 0;
			e = s->to ? drain_to(s, tail, head) :
				    drain(s, tail, head);
		}
		if (e) {
			store(&s->error, (uint64_t)e);
			break;
		}
	}
	return NULL;
}

/* Pipes and terminals can keep a writer waiting. */
static bool can_block(const struct stat *st)
{
	return S_ISFIFO(st->st_mode) || S_ISCHR(st->st_mode);
}

int scope_stream_reopen(int fd)
{
	char path[32];
	struct stat st;

	if (fstat(fd, &st) < 0 || !can_block(&st))
		return -1;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

static void choose_way(struct scope_stream *s)
{
	struct stat st;

	s->chunk = CHUNK_BYTES;
	if (fstat(s->fd, &st) < 0)
		return; /* the first write says why */
	s->is_socket = S_ISSOCK(st.st_mode);
	if (can_block(&st) && s->own < 0)
		s->chunk = PIPE_BUF;
}

static void destroy(struct scope_stream *s)
{
	if (s->own >= 0)
		(void)close(s->own);
	if (s->wake >= 0)
		(void)close(s->wake);
	if (s->stop >= 0)
		(void)close(s->stop);
	scope_writer_free(s->to);
	free(s->batch);
	free(s->ring);
	free(s);
}

static int make(int fd, int own, struct scope_writer *to, size_t cap,
		struct scope_stream **ret_stream)
{
	struct scope_stream *s;
	int r = -ENOMEM;

	s = aligned_alloc(LINE_BYTES, sizeof(*s));
	if (!s) {
		scope_writer_free(to);
		if (own >= 0)
			(void)close(own);
		return -ENOMEM;
	}
	memset(s, 0, sizeof(*s));
	s->fd = fd;
	s->to = to;
	s->own = own;
	s->cap = cap;
	s->reserve = cap / 4 < RESERVE_BYTES ? cap / 4 : RESERVE_BYTES;
	if (!to)
		choose_way(s);
	s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->wake < 0 || s->stop < 0) {
		r = -errno;
		goto fail;
	}
	s->ring = malloc(cap);
	if (!s->ring)
		goto fail;
	r = -pthread_create(&s->thread, NULL, writer, s);
	if (r < 0)
		goto fail;
	*ret_stream = s;
	return 0;
fail:
	destroy(s);
	return r;
}

int scope_stream_new(int fd, int own, size_t cap,
		     struct scope_stream **ret_stream)
{
	return make(fd, own, NULL, cap, ret_stream);
}

int scope_stream_new_writer(struct scope_writer *w, size_t cap,
			    struct scope_stream **ret_stream)
{
	return make(-1, -1, w, cap, ret_stream);
}

void scope_stream_free(struct scope_stream *s)
{
	if (!s)
		return;
	store(&s->is_stopping, 1);
	tell(s->stop);
	tell(s->wake);
	(void)pthread_join(s->thread, NULL);
	destroy(s);
}

int scope_stream_put(struct scope_stream *s, const char *line, size_t len,
		     int keep)
{
	uint64_t head = load(&s->head);
	size_t cap = keep ? s->cap : s->cap - s->reserve;
	size_t at = (size_t)(head % s->cap);
	size_t run;

	if (load(&s->error))
		return -EPIPE;
	if (head - s->seen_tail + len > cap) {
		s->seen_tail = load(&s->tail);
		if (head - s->seen_tail + len > cap)
			return -ENOBUFS;
	}
	run = len < s->cap - at ? len : s->cap - at;
	memcpy(s->ring + at, line, run);
	memcpy(s->ring, line + run, len - run);
	if (store_load(&s->head, head + len, &s->is_waiting) &&
	    swap(&s->is_waiting, 0))
		tell(s->wake);
	return 0;
}

double scope_stream_fill(const struct scope_stream *s)
{
	return (double)(load(&s->head) - load(&s->tail)) / (double)s->cap;
}

int scope_stream_flush(struct scope_stream *s, unsigned timeout_ms)
{
	struct timespec step = { .tv_nsec = FLUSH_STEP_NS };
	uint64_t begun = scope_now_ns(), moved = begun, tail = load(&s->tail);

	store(&s->is_flushing, 1);
	tell(s->wake);
	while (load(&s->tail) != load(&s->head)) {
		uint64_t now = scope_now_ns();

		if (load(&s->error))
			return -EPIPE;
		if (load(&s->tail) != tail) {
			tail = load(&s->tail);
			moved = now;
		}
		if (now - moved >= timeout_ms * NS_PER_MS ||
		    now - begun >= FLUSH_MAX_MS * NS_PER_MS)
			return -ETIMEDOUT;
		(void)nanosleep(&step, NULL);
	}
	return load(&s->error) ? -EPIPE : 0;
}

int scope_stream_error(const struct scope_stream *s)
{
	return -(int)load(&s->error);
}

uint64_t scope_stream_refused(const struct scope_stream *s)
{
	return load(&s->refused);
}

/* A line that was written in part counts: its newline is still there. */
uint64_t scope_stream_unwritten(const struct scope_stream *s)
{
	uint64_t head = load(&s->head);
	uint64_t lines = 0;

	for (uint64_t at = load(&s->tail); at < head; at++)
		lines += s->ring[at % s->cap] == '\n';
	return lines;
}
