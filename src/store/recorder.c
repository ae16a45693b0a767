/* SPDX-License-Identifier: MIT */
#include "store/recorder.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"
#include "store/segment_file.h"

#define BLOCKS 4
#define FLUSH_NS 100000000ull
#define SYNC_NS 1000000000ull
#define SEGMENT_BYTES (64ull << 20)
#define SEGMENTS_KEPT 8 /* what is kept is in as many at least */
#define SEGMENTS_MAX 65536
#define SPARE "spare"
#define SPARE_BYTES (1u << 20)
#define LOCK "lock"

/* A block on its way: the owner fills it, the thread writes it. */
struct slot {
	struct scope_block *block; /* owned */
	uint64_t counts[SCOPE_KIND_MAX];
};

struct scope_recorder {
	struct scope_sink sink; /* first: the sink is the object */
	struct scope_recorder_opts opts;
	int dir, lock;
	struct scope_vm *vm; /* borrowed */
	char info[SCOPE_SEGMENT_INFO];
	size_t info_len;
	uint8_t id[16];
	struct slot slots[BLOCKS];
	struct slot *hand;   /* the one that is filled */
	uint64_t begun_ns; /* when the block in hand got its first event */

	/* The owner's and the thread's. */
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	unsigned first, waiting; /* slots that wait to be written; the one
				    behind them is in hand */
	bool is_ended;
	uint64_t lost[SCOPE_KIND_MAX], told[SCOPE_KIND_MAX];
	struct scope_recorder_usage usage;
	int error; /* of the last block, 0: it was written */

	/* The thread's alone. */
	struct scope_segment_file *file; /* owned */
	bool is_open;
	uint64_t number; /* of the segment */
	uint64_t synced_ns;
	struct past {
		uint64_t number, bytes, last_ts_ns;
	} *past; /* owned: segments that are closed, oldest first */
	size_t npast;
	uint64_t last_ts_ns;
};

void scope_segment_name(uint64_t number, char name[SCOPE_SEGMENT_NAME])
{
	(void)snprintf(name, SCOPE_SEGMENT_NAME, "%08" PRIu64 ".scope", number);
}

/* -- the thread ------------------------------------------------------------- */

static void note(struct scope_recorder *r, int error)
{
	char text[160];

	if (!r->opts.note)
		return;
	if (error < 0)
		(void)snprintf(text, sizeof(text),
			       "can't write the recording (%s); events are "
			       "lost until it can be written again",
			       strerror(-error));
	else
		(void)snprintf(text, sizeof(text),
			       "the recording is written again");
	r->opts.note(text);
}

static uint64_t wall_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static void close_segment(struct scope_recorder *r)
{
	struct past past = { .number = r->number,
			     .last_ts_ns = r->last_ts_ns };

	if (!r->is_open)
		return;
	/* Without its index it is read more slowly, and no less. */
	(void)scope_segment_file_close(r->file);
	past.bytes = scope_segment_file_bytes(r->file);
	r->is_open = false;
	if (r->npast < SEGMENTS_MAX)
		r->past[r->npast++] = past;
}

/* Whole segments go, the oldest first. */
static void retain(struct scope_recorder *r)
{
	uint64_t bytes = r->is_open ? scope_segment_file_bytes(r->file) : 0;
	char name[SCOPE_SEGMENT_NAME];
	size_t gone = 0;

	for (size_t i = 0; i < r->npast; i++)
		bytes += r->past[i].bytes;
	for (; gone < r->npast; gone++) {
		const struct past *p = &r->past[gone];
		bool is_old = r->opts.keep_ns &&
			      p->last_ts_ns + r->opts.keep_ns < r->last_ts_ns;
		bool is_much = r->opts.keep_bytes && bytes > r->opts.keep_bytes;

		if (!is_old && !is_much && r->npast - gone < SEGMENTS_MAX)
			break;
		scope_segment_name(p->number, name);
		(void)unlinkat(r->dir, name, 0);
		bytes -= p->bytes;
	}
	if (!gone)
		return;
	memmove(r->past, r->past + gone, (r->npast - gone) * sizeof(*r->past));
	r->npast -= gone;
	(void)pthread_mutex_lock(&r->mutex);
	r->usage.removed += gone;
	(void)pthread_mutex_unlock(&r->mutex);
}

static int open_segment(struct scope_recorder *r)
{
	int e;

	if (r->is_open &&
	    scope_segment_file_bytes(r->file) >= r->opts.segment_bytes) {
		close_segment(r);
		retain(r);
	}
	if (r->is_open)
		return 0;
	e = scope_segment_file_open(r->file, r->dir, r->number + 1, r->id,
				    wall_ns(), r->info, r->info_len);
	if (e < 0)
		return e;
	r->number++;
	r->is_open = true;
	(void)pthread_mutex_lock(&r->mutex);
	r->usage.segments++;
	(void)pthread_mutex_unlock(&r->mutex);
	return 0;
}

static int write_slot(struct scope_recorder *r, struct slot *slot)
{
	struct scope_block_sum sum;
	uint64_t before, now;
	int e = open_segment(r);

	if (e < 0)
		return e;
	before = scope_segment_file_bytes(r->file);
	e = scope_segment_file_put(r->file, slot->block);
	if (e < 0)
		return e;
	scope_block_sum(slot->block, &sum);
	r->last_ts_ns = sum.max_ts_ns;
	(void)pthread_mutex_lock(&r->mutex);
	r->usage.events += sum.events;
	r->usage.bytes += scope_segment_file_bytes(r->file) - before;
	(void)pthread_mutex_unlock(&r->mutex);
	now = scope_now_ns();
	if (now - r->synced_ns >= SYNC_NS) {
		(void)scope_segment_file_sync(r->file);
		r->synced_ns = now;
	}
	return 0;
}

/* With the mutex. */
static void settle(struct scope_recorder *r, const struct slot *slot, int e)
{
	if (e < 0)
		for (unsigned k = 0; k < SCOPE_KIND_MAX; k++) {
			r->lost[k] += slot->counts[k];
			r->usage.lost += slot->counts[k];
		}
	if ((e < 0) != (r->error < 0))
		note(r, e);
	r->error = e;
}

static void *write_blocks(void *arg)
{
	struct scope_recorder *r = arg;

	(void)pthread_mutex_lock(&r->mutex);
	for (;;) {
		struct slot *slot = &r->slots[r->first];
		bool is_last;
		int e;

		while (!r->waiting && !r->is_ended)
			(void)pthread_cond_wait(&r->changed, &r->mutex);
		if (!r->waiting)
			break;
		is_last = r->is_ended && r->waiting == 1;
		(void)pthread_mutex_unlock(&r->mutex);
		/* The totals shall be told. */
		if (is_last)
			(void)unlinkat(r->dir, SPARE, 0);
		e = write_slot(r, slot);
		(void)pthread_mutex_lock(&r->mutex);
		settle(r, slot, e);
		scope_block_clear(slot->block);
		memset(slot->counts, 0, sizeof(slot->counts));
		r->first = (r->first + 1) % BLOCKS;
		r->waiting--;
		(void)pthread_cond_broadcast(&r->changed);
	}
	(void)pthread_mutex_unlock(&r->mutex);
	close_segment(r);
	retain(r);
	return NULL;
}

/* -- the owner ----------------------------------------------------------------- */

/* Hand over the block in hand: the next one is empty. -ENOBUFS: none is. */
static int hand_over(struct scope_recorder *r, bool may_wait)
{
	int e = 0;

	(void)pthread_mutex_lock(&r->mutex);
	while (may_wait && r->waiting == BLOCKS - 1)
		(void)pthread_cond_wait(&r->changed, &r->mutex);
	if (r->waiting == BLOCKS - 1)
		e = -ENOBUFS;
	else if (scope_block_events(r->hand->block))
		r->waiting++;
	r->hand = &r->slots[(r->first + r->waiting) % BLOCKS];
	(void)pthread_cond_broadcast(&r->changed);
	(void)pthread_mutex_unlock(&r->mutex);
	return e;
}

static int take_event(struct scope_sink *sink, const struct scope_event *ev)
{
	struct scope_recorder *r = (struct scope_recorder *)sink;
	bool is_last = ev->kind == SCOPE_KIND_SUMMARY;
	int e;

	e = scope_block_add(r->hand->block, r->vm, ev);
	if (e == -ENOSPC) {
		e = hand_over(r, is_last);
		if (e < 0)
			return e;
		e = scope_block_add(r->hand->block, r->vm, ev);
	}
	if (e < 0)
		return -ENOBUFS;
	r->hand->counts[ev->kind]++;
	if (scope_block_events(r->hand->block) == 1)
		r->begun_ns = scope_now_ns();
	return 0;
}

static void tick(struct scope_sink *sink, uint64_t mono_ns)
{
	struct scope_recorder *r = (struct scope_recorder *)sink;

	if (scope_block_events(r->hand->block) &&
	    mono_ns - r->begun_ns >= r->opts.flush_ns)
		(void)hand_over(r, false);
}

static void lost(struct scope_sink *sink,
		 uint64_t counts[SCOPE_LOSS_MAX][SCOPE_KIND_MAX])
{
	struct scope_recorder *r = (struct scope_recorder *)sink;

	(void)pthread_mutex_lock(&r->mutex);
	for (unsigned k = 0; k < SCOPE_KIND_MAX; k++) {
		counts[SCOPE_LOSS_REFUSED][k] += r->lost[k] - r->told[k];
		r->told[k] = r->lost[k];
	}
	(void)pthread_mutex_unlock(&r->mutex);
}

/* -- beginning and end ----------------------------------------------------------- */

/* A folder that has a recording, or anything else that is not ours. */
static int is_empty(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *e;
	int r = 1;
	DIR *d;

	if (fd < 0)
		return -errno;
	d = fdopendir(fd);
	if (!d) {
		(void)close(fd);
		return -errno;
	}
	while (r && (e = readdir(d)))
		if (e->d_name[0] != '.' && strcmp(e->d_name, LOCK) != 0 &&
		    strcmp(e->d_name, SPARE) != 0)
			r = 0;
	(void)closedir(d);
	return r;
}

static int open_folder(struct scope_recorder *r, const char *dir,
		       struct scope_err *err)
{
	int e;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return scope_fail(err, -errno, "can't make %s: %s", dir,
				  strerror(errno));
	r->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->dir < 0)
		return scope_fail(err, -errno, "can't open %s: %s", dir,
				  strerror(errno));
	r->lock = openat(r->dir, LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			 0600);
	if (r->lock < 0)
		return scope_fail(err, -errno, "can't write to %s: %s", dir,
				  strerror(errno));
	if (flock(r->lock, LOCK_EX | LOCK_NB) < 0)
		return scope_fail(err, -EBUSY,
				  "another scope-bpf records to %s", dir);
	e = is_empty(r->dir);
	if (e < 0)
		return scope_fail(err, e, "can't read %s: %s", dir,
				  strerror(-e));
	return e ? 0 :
		   scope_fail(err, -EEXIST,
			      "%s has a recording or other files; name a "
			      "folder that is new or empty",
			      dir);
}

int scope_recorder_new(const char *dir, const struct scope_recorder_opts *opts,
		       struct scope_recorder **ret_recorder,
		       struct scope_err *err)
{
	scope_auto(scope_recorder) r = calloc(1, sizeof(*r));
	uint64_t part;
	int e;

	if (!r)
		return scope_fail(err, -ENOMEM, "out of memory");
	r->dir = r->lock = -1;
	r->hand = &r->slots[0];
	r->opts = *opts;
	(void)pthread_mutex_init(&r->mutex, NULL);
	(void)pthread_cond_init(&r->changed, NULL);
	if (!r->opts.flush_ns)
		r->opts.flush_ns = FLUSH_NS;
	if (!r->opts.level)
		r->opts.level = 1;
	if (!r->opts.segment_bytes)
		r->opts.segment_bytes = SEGMENT_BYTES;
	part = r->opts.keep_bytes / SEGMENTS_KEPT;
	if (part && part < r->opts.segment_bytes)
		r->opts.segment_bytes = part;
	r->file = scope_segment_file_new(r->opts.level);
	r->past = calloc(SEGMENTS_MAX, sizeof(*r->past));
	for (unsigned i = 0; i < BLOCKS; i++) {
		r->slots[i].block = scope_block_new();
		if (!r->slots[i].block)
			return scope_fail(err, -ENOMEM, "out of memory");
	}
	if (!r->file || !r->past)
		return scope_fail(err, -ENOMEM, "out of memory");
	e = open_folder(r, dir, err);
	if (e < 0)
		return e;
	*ret_recorder = scope_take(r);
	return 0;
}

static void make_spare(const struct scope_recorder *r)
{
	int fd = openat(r->dir, SPARE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			0600);

	/* Without it a full disk costs the totals, too. */
	if (fd >= 0) {
		(void)fallocate(fd, 0, 0, SPARE_BYTES);
		(void)close(fd);
	}
}

int scope_recorder_start(struct scope_recorder *r,
			 const struct scope_segment_info *info,
			 struct scope_vm *vm, struct scope_err *err)
{
	struct scope_buf out = scope_buf_of(r->info, sizeof(r->info));
	int e;

	scope_segment_info_put(info, &out);
	assert(!out.full);
	r->info_len = out.len;
	r->vm = vm;
	if (getrandom(r->id, sizeof(r->id), 0) != (ssize_t)sizeof(r->id))
		return scope_fail(err, -EIO, "no random numbers");
	make_spare(r);
	r->sink = (struct scope_sink){ .event = take_event,
				       .tick = tick,
				       .lost = lost };
	/* An empty recording is one, too: what is wrong shows now. */
	e = open_segment(r);
	if (e < 0)
		return scope_fail(err, e, "can't write the recording: %s",
				  strerror(-e));
	e = pthread_create(&r->thread, NULL, write_blocks, r);
	if (e)
		return scope_fail(err, -e, "can't start a thread: %s",
				  strerror(e));
	r->has_thread = true;
	return 0;
}

struct scope_sink *scope_recorder_sink(struct scope_recorder *r)
{
	return &r->sink;
}

static void end_thread(struct scope_recorder *r)
{
	if (!r->has_thread)
		return;
	(void)hand_over(r, true);
	(void)pthread_mutex_lock(&r->mutex);
	r->is_ended = true;
	(void)pthread_cond_broadcast(&r->changed);
	(void)pthread_mutex_unlock(&r->mutex);
	(void)pthread_join(r->thread, NULL);
	r->has_thread = false;
	(void)unlinkat(r->dir, SPARE, 0);
	(void)unlinkat(r->dir, LOCK, 0);
}

int scope_recorder_finish(struct scope_recorder *r, struct scope_err *err)
{
	end_thread(r);
	if (r->error < 0)
		return scope_fail(err, r->error,
				  "the end of the recording is missing: %s",
				  strerror(-r->error));
	return 0;
}

void scope_recorder_free(struct scope_recorder *r)
{
	if (!r)
		return;
	end_thread(r);
	for (unsigned i = 0; i < BLOCKS; i++)
		scope_block_free(r->slots[i].block);
	scope_segment_file_free(r->file);
	free(r->past);
	if (r->lock >= 0)
		(void)close(r->lock);
	if (r->dir >= 0)
		(void)close(r->dir);
	(void)pthread_cond_destroy(&r->changed);
	(void)pthread_mutex_destroy(&r->mutex);
	free(r);
}

void scope_recorder_usage(struct scope_recorder *r,
			  struct scope_recorder_usage *ret)
{
	(void)pthread_mutex_lock(&r->mutex);
	*ret = r->usage;
	(void)pthread_mutex_unlock(&r->mutex);
}
