/* SPDX-License-Identifier: MIT */
#include "pipeline/reader.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/nice.h"
#include "base/time.h"
#include "pipeline/ring.h"

#define CLOCK_MIN_NS 1000000u  /* 1 ms */
#define CLOCK_MAX_NS 10000000u /* 10 ms */
/* Bytes of one drain above which the clock goes faster, below slower. */
#define BUSY_BYTES (64u << 10)
#define QUIET_BYTES (16u << 10)

struct scope_reader {
	struct scope_probe *probe; /* borrowed */
	struct scope_reader_opts opts;
	int probe_fd; /* borrowed */
	int full_fd, empty_fd;	   /* eventfds: something was put there */
	struct scope_ring full, empty;
	pthread_mutex_t lock; /* of getting from full, where both sides do */
	struct scope_batch *batches; /* owned, SCOPE_BATCHES of them */
	struct scope_batch *now;     /* being filled; NULL: none was free */
	pthread_t thread;
	bool started;
	atomic_bool end;
	uint64_t drained; /* bytes of this drain */
	uint64_t clock_ns;
	uint64_t losses_at; /* when losses were last looked at */
	struct scope_counters *seen; /* one for each CPU */
	/* SCOPE_DROP_OLDEST: what came from each CPU, by kind; what was written
	 * there before a drain began; what was dropped here and is to be told
	 */
	uint64_t (*received)[SCOPE_KIND_MAX]; /* owned */
	uint64_t (*written)[SCOPE_KIND_MAX];  /* owned */
	uint64_t dropped[SCOPE_KIND_MAX];
	bool is_ending;
	/* SCOPE_SHED */
	struct scope_shed shed;
	uint64_t shed_since;
	uint64_t sampled[SCOPE_KIND_MAX]; /* when that was told */
	bool has_lost; /* since the share was looked at */
	atomic_uint held;   /* batches that the other side has */
	atomic_uint output; /* how full, in thousandths */
};

static void tell(int fd)
{
	uint64_t one = 1;

	(void)!write(fd, &one, sizeof(one));
}

/* The other side gets batches too, so that there are two who do. */
static struct scope_batch *get_full(struct scope_reader *r)
{
	struct scope_batch *b;

	if (r->opts.overflow != SCOPE_DROP_OLDEST)
		return scope_ring_get(&r->full);
	(void)pthread_mutex_lock(&r->lock);
	b = scope_ring_get(&r->full);
	(void)pthread_mutex_unlock(&r->lock);
	return b;
}

/* Empty the batch that has waited for longest, but for what is told: losses and
 * what the budget does. NULL: they are all being looked at. */
static struct scope_batch *drop_oldest(struct scope_reader *r)
{
	struct scope_batch *b = get_full(r);
	const uint64_t now = scope_now_ns();
	uint32_t kept = 0, len;

	for (uint32_t at = 0; b && at < b->used; at += len) {
		struct scope_rec rec;

		memcpy(&rec, b->data + at, sizeof(rec));
		len = (rec.len + 7) & ~7u;
		if (SCOPE_KIND_IS_WIRE(rec.kind)) {
			r->dropped[rec.kind]++;
			continue;
		}
		memmove(b->data + kept, b->data + at, len);
		/* It comes behind what is younger: as of now. */
		if (rec.kind == SCOPE_KIND_LOSS && !rec.a[4])
			rec.a[4] = rec.ts_ns;
		rec.ts_ns = now;
		memcpy(b->data + kept, &rec, sizeof(rec));
		kept += len;
	}
	if (b) {
		b->used = kept;
		(void)atomic_fetch_sub(&r->held, 1);
	}
	return b;
}

static struct scope_batch *take_empty(struct scope_reader *r)
{
	struct scope_batch *b = scope_ring_get(&r->empty);

	if (b)
		b->used = 0;
	else if (r->opts.overflow == SCOPE_DROP_OLDEST && !r->is_ending)
		b = drop_oldest(r);
	if (b) {
		b->live = 0;
		b->last = false;
		b->node_ended = false;
		b->cut_off = false;
	}
	return b;
}

static void hand_over(struct scope_reader *r, uint64_t safe_ns)
{
	struct timespec t;

	if (!r->now)
		return;
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	r->now->safe_ns = safe_ns;
	r->now->cpu_ns =
		(uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
	/* As many slots as batches: never full. */
	(void)atomic_fetch_add(&r->held, 1);
	(void)scope_ring_put(&r->full, r->now);
	r->now = take_empty(r);
	tell(r->full_fd);
}

static int on_record(void *arg, const void *data, size_t len)
{
	struct scope_reader *r = arg;
	struct scope_batch *b = r->now;

	/* There was room for the largest record: see the end. */
	memcpy(b->data + b->used, data, len);
	b->used += (uint32_t)((len + 7) & ~7ul);
	r->drained += len;
	if (r->received) {
		const struct scope_rec *rec =
			(const struct scope_rec *)(b->data + b->used -
						   ((len + 7) & ~7ul));

		if (SCOPE_KIND_IS_WIRE(rec->kind) &&
		    rec->cpu < scope_probe_cpus(r->probe))
			r->received[rec->cpu][rec->kind]++;
	}
	if (SCOPE_BATCH_BYTES - b->used >= SCOPE_REC_MAX)
		return 0;
	/* What is in it may still be followed by something older. */
	hand_over(r, 0);
	return r->now ? 0 : -EAGAIN;
}

static void put_loss(struct scope_reader *r, unsigned cpu, unsigned kind,
		     unsigned cause, uint64_t count, uint64_t until)
{
	struct scope_rec rec = {
		.ts_ns = r->losses_at,
		.len = sizeof(rec),
		.kind = SCOPE_KIND_LOSS,
		.cpu = (__u16)cpu,
		.a = { kind, cause, count, until },
	};

	(void)on_record(r, &rec, sizeof(rec));
}

/* What was lost on the way to here, and here. */
static void put_own_losses(struct scope_reader *r, uint64_t until)
{
	for (unsigned cpu = 0; cpu < scope_probe_cpus(r->probe); cpu++)
		for (unsigned k = 0; k < SCOPE_KIND_MAX && r->now; k++) {
			uint64_t missing = r->written[cpu][k] -
					   r->received[cpu][k];

			/* More may have come than was written before. */
			if ((int64_t)missing <= 0)
				continue;
			put_loss(r, cpu, k, SCOPE_LOSS_OVERWRITTEN, missing,
				 until);
			r->received[cpu][k] += missing;
		}
	for (unsigned k = 0; k < SCOPE_KIND_MAX && r->now; k++) {
		if (!r->dropped[k])
			continue;
		put_loss(r, 0, k, SCOPE_LOSS_QUEUE, r->dropped[k], until);
		r->dropped[k] = 0;
	}
}

/* Put what was lost since the last look into the batch. It bears the time of
 * that look, so that it comes before what it casts doubt on. */
static void put_losses(struct scope_reader *r)
{
	uint64_t until = scope_now_ns();

	for (unsigned cpu = 0; cpu < scope_probe_cpus(r->probe); cpu++) {
		const struct scope_counters *c =
			scope_probe_counters(r->probe, cpu);
		__u64 *seen = &r->seen[cpu].lost[0][0];
		const __u64 *lost = &c->lost[0][0];

		for (unsigned i = 0; i < SCOPE_LOSS_MAX * SCOPE_KIND_MAX;
		     i++) {
			uint64_t v = __atomic_load_n(&lost[i],
						     __ATOMIC_RELAXED);

			if (v == seen[i])
				continue;
			if (!r->now)
				return; /* the rest next time */
			/* What is counted while we look is in this interval
			 * too. */
			until = scope_now_ns();
			put_loss(r, cpu, i % SCOPE_KIND_MAX,
				 i / SCOPE_KIND_MAX, v - seen[i], until);
			seen[i] = v;
			r->has_lost = true;
		}
	}
	if (r->received)
		put_own_losses(r, until);
	r->losses_at = until;
}

/* What is written before a drain begins has come when it is done, or never
 * will. */
static void note_written(struct scope_reader *r)
{
	for (unsigned cpu = 0; cpu < scope_probe_cpus(r->probe); cpu++) {
		const struct scope_counters *c =
			scope_probe_counters(r->probe, cpu);

		for (unsigned k = 0; k < SCOPE_KIND_MAX; k++)
			r->written[cpu][k] = __atomic_load_n(&c->written[k],
							     __ATOMIC_RELAXED);
	}
}

/* -- the share that is kept
 * ------------------------------------------------------- */

static void put_share(struct scope_reader *r, uint64_t now)
{
	struct {
		struct scope_rec rec;
		uint64_t words[2 * SCOPE_KIND_MAX + 1];
	} note = { .rec = { .ts_ns = now, .kind = SCOPE_KIND_OVERFLOW } };
	unsigned n = 0;

	note.rec.a[0] = (uint64_t)(r->shed.share * SCOPE_MILLION + 0.5);
	note.rec.a[1] = r->shed.why;
	note.rec.a[2] = r->shed_since;
	for (unsigned k = 0; k < SCOPE_KIND_MAX; k++) {
		uint64_t sum = 0;

		for (unsigned cpu = 0; cpu < scope_probe_cpus(r->probe); cpu++)
			sum += __atomic_load_n(&scope_probe_counters(r->probe,
								     cpu)
							->sampled[k],
					       __ATOMIC_RELAXED);
		if (sum == r->sampled[k])
			continue;
		note.words[n++] = k;
		note.words[n++] = sum - r->sampled[k];
		r->sampled[k] = sum;
	}
	note.rec.nwords = (uint16_t)n;
	if (n)
		note.words[n] = SCOPE_SEG(0, n);
	note.rec.nsegs = n != 0;
	note.rec.len = SCOPE_REC_BYTES + 8u * (n + (n != 0));
	(void)on_record(r, &note, note.rec.len);
	r->shed_since = now;
}

static void shed(struct scope_reader *r, double kernel_fill)
{
	const double fill[SCOPE_SHED_ROOM] = {
		[SCOPE_SHED_KERNEL] = kernel_fill,
		[SCOPE_SHED_QUEUE] = (double)atomic_load(&r->held) /
				     SCOPE_BATCHES,
		[SCOPE_SHED_OUTPUT] = atomic_load(&r->output) / 1000.0,
	};
	uint64_t now = scope_now_ns();

	if (!r->now || !scope_shed_update(&r->shed, fill, r->has_lost, now))
		return;
	r->has_lost = false;
	scope_probe_keep(r->probe, r->shed.share);
	put_share(r, now);
}

/* What probes were taken off or put back. */
static void put_budget(struct scope_reader *r)
{
	uint64_t buf[SCOPE_BUDGET_BYTES / 8];
	size_t len;

	while (r->opts.budget && r->now &&
	       (len = scope_budget_take(r->opts.budget, (uint8_t *)buf)) > 0)
		(void)on_record(r, buf, len);
}

/* One round: read what is there, say what was lost, hand over. False: there
 * was no batch to put it in. */
static bool drain(struct scope_reader *r)
{
	/* Before anything is read: what is written later is not waited for. */
	uint64_t safe = scope_probe_safe(r->probe, scope_now_ns());
	double fill = r->opts.overflow == SCOPE_SHED ?
			      scope_probe_fill(r->probe) :
			      0;

	if (r->written)
		note_written(r);
	r->drained = 0;
	if (!r->now)
		r->now = take_empty(r);
	if (!r->now)
		return false;
	if (scope_probe_drain(r->probe, on_record, r) < 0 && !r->now)
		return false;
	put_losses(r);
	put_budget(r);
	if (r->opts.overflow == SCOPE_SHED)
		shed(r, fill);
	hand_over(r, safe);
	return true;
}

static void set_clock(struct scope_reader *r)
{
	if (r->drained > BUSY_BYTES)
		r->clock_ns = r->clock_ns / 2;
	else if (r->drained < QUIET_BYTES)
		r->clock_ns = r->clock_ns + r->clock_ns / 4;
	if (r->clock_ns < CLOCK_MIN_NS)
		r->clock_ns = CLOCK_MIN_NS;
	if (r->clock_ns > CLOCK_MAX_NS)
		r->clock_ns = CLOCK_MAX_NS;
}

enum why { GO_ON, STOPPED, NODE_ENDED, CUT_OFF };

/* Sleep until the next tick, or until it is over. */
static enum why wait_tick(struct scope_reader *r)
{
	struct pollfd fds[] = { { .fd = r->opts.stop_fd, .events = POLLIN },
				{ .fd = r->opts.pidfd, .events = POLLIN },
				{ .fd = r->probe_fd } }; /* hung up */
	struct timespec t = { .tv_nsec = (long)r->clock_ns };

	if (ppoll(fds, 3, &t, NULL) <= 0)
		return GO_ON;
	return fds[0].revents ? STOPPED :
	       fds[1].revents ? NODE_ENDED :
	       fds[2].revents ? CUT_OFF :
				GO_ON;
}

/* One look at it, without waiting: the last batch says what is true then. */
static bool is_cut_off(const struct scope_reader *r)
{
	struct pollfd fd = { .fd = r->probe_fd }; /* hung up */

	return poll(&fd, 1, 0) > 0;
}

/* Wait for a batch to come back. */
static void wait_empty(struct scope_reader *r)
{
	struct pollfd fd = { .fd = r->empty_fd, .events = POLLIN };
	uint64_t n;

	if (poll(&fd, 1, 100) > 0)
		(void)!read(r->empty_fd, &n, sizeof(n));
}

static void *run(void *arg)
{
	struct scope_reader *r = arg;
	enum why why = GO_ON;

	(void)prctl(PR_SET_NAME, "scope-reader");
	/* It needs little, but soon: a busy node must not keep it from emptying
	 * the buffers. So it keeps what its parent gives back (base/nice.h);
	 * where there is nothing, losses are more likely. */
	while (!why && !atomic_load(&r->end)) {
		why = wait_tick(r);
		if (!why) {
			(void)drain(r);
			set_clock(r);
		}
	}
	if (r->opts.budget)
		scope_budget_stop(r->opts.budget);
	scope_probe_end(r->probe);
	scope_probe_detach(r->probe);
	/* What is left now has all the time that it takes. */
	r->is_ending = true;
	while (!atomic_load(&r->end) && !drain(r))
		wait_empty(r);
	/* The probes are off, so what an empty drain leaves is nothing. */
	while (!atomic_load(&r->end) && (!drain(r) || r->drained))
		if (!r->now)
			wait_empty(r);
	while (!atomic_load(&r->end) && !r->now) {
		wait_empty(r);
		r->now = take_empty(r);
	}
	if (r->now) {
		r->now->last = true;
		r->now->node_ended = why == NODE_ENDED;
		r->now->cut_off = is_cut_off(r);
		hand_over(r, UINT64_MAX);
	}
	return NULL;
}

int scope_reader_new(struct scope_probe *probe,
		     const struct scope_reader_opts *opts,
		     struct scope_reader **ret_reader, struct scope_err *err)
{
	const unsigned ncpus = scope_probe_cpus(probe);
	scope_auto(scope_reader) r = calloc(1, sizeof(*r));
	sigset_t all, old;
	int rc;

	if (!r)
		return scope_fail(err, -ENOMEM, "out of memory");
	r->full_fd = r->empty_fd = -1;
	r->probe = probe;
	r->opts = *opts;
	(void)pthread_mutex_init(&r->lock, NULL);
	scope_shed_init(&r->shed, opts->share);
	r->shed_since = scope_now_ns();
	r->probe_fd = scope_probe_fd(probe);
	r->clock_ns = CLOCK_MIN_NS;
	r->losses_at = scope_now_ns();
	r->full_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->empty_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->batches = calloc(SCOPE_BATCHES, sizeof(*r->batches));
	r->seen = calloc(ncpus, sizeof(*r->seen));
	if (opts->overflow == SCOPE_DROP_OLDEST) {
		r->received = calloc(ncpus, sizeof(*r->received));
		r->written = calloc(ncpus, sizeof(*r->written));
	}
	if (r->full_fd < 0 || r->empty_fd < 0 || !r->batches || !r->seen ||
	    (opts->overflow == SCOPE_DROP_OLDEST &&
	     (!r->received || !r->written)))
		return scope_fail(err, -ENOMEM, "out of memory");
	scope_ring_init(&r->full);
	scope_ring_init(&r->empty);
	for (size_t i = 0; i < SCOPE_BATCHES; i++)
		(void)scope_ring_put(&r->empty, &r->batches[i]);
	/* Signals are for the main thread. */
	(void)sigfillset(&all);
	(void)sigdelset(&all, SIGSYS);
	(void)pthread_sigmask(SIG_BLOCK, &all, &old);
	rc = pthread_create(&r->thread, NULL, run, r);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc)
		return scope_fail(err, -rc, "cannot start a thread: %s",
				  strerror(rc));
	r->started = true;
	scope_nice_give_back();
	*ret_reader = scope_take(r);
	return 0;
}

void scope_reader_free(struct scope_reader *r)
{
	if (!r)
		return;
	if (r->started) {
		atomic_store(&r->end, true);
		tell(r->empty_fd);
		(void)pthread_join(r->thread, NULL);
	}
	if (r->full_fd >= 0)
		(void)close(r->full_fd);
	if (r->empty_fd >= 0)
		(void)close(r->empty_fd);
	free(r->batches);
	free(r->seen);
	free(r->received);
	free(r->written);
	(void)pthread_mutex_destroy(&r->lock);
	free(r);
}

struct scope_batch *scope_reader_get(struct scope_reader *r,
				     unsigned timeout_ms)
{
	struct pollfd fd = { .fd = r->full_fd, .events = POLLIN };
	struct scope_batch *b;
	uint64_t n;

	/* What was told may be a batch that was taken before it was looked at. */
	while (!(b = get_full(r)) &&
	       poll(&fd, 1, (int)timeout_ms) > 0)
		(void)!read(r->full_fd, &n, sizeof(n));
	return b;
}

void scope_reader_put(struct scope_reader *r, struct scope_batch *b)
{
	(void)atomic_fetch_sub(&r->held, 1);
	(void)scope_ring_put(&r->empty, b);
	tell(r->empty_fd);
}

void scope_reader_set_output(struct scope_reader *r, double fill)
{
	atomic_store(&r->output, (unsigned)(fill * 1000));
}
