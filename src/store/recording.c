/* SPDX-License-Identifier: MIT */
#include "store/recording.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zstd.h>

#include "beam/layout.h"
#include "store/filter.h"
#include "store/recorder.h"

#define GAPS_MAX 1024
#define SCAN_BYTES (1u << 20)

struct segment {
	uint64_t number;
	int fd;
	uint64_t size;	/* when it was last looked at */
	uint64_t at;	/* frames before this are known */
	bool is_closed; /* it has an index */
	struct scope_block_keys keys;
};

struct frame {
	struct scope_frame f;
	uint32_t segment; /* which of rec->segments */
	uint64_t offset;
	uint8_t *filter; /* owned; NULL: none */
};

struct scope_recording {
	int dir;
	uint8_t id[16];
	struct scope_segment_info info;
	struct scope_vm vm;
	bool has_vm;
	struct segment *segments; /* owned */
	size_t nsegments;
	struct frame *frames; /* owned */
	size_t nframes, cap;
	struct scope_page *page; /* owned */
	uint8_t *packed, *raw;	 /* owned */
	size_t packed_cap, raw_cap;
	struct scope_gap gaps[GAPS_MAX];
	size_t ngaps;
};

static int no_node(void *arg, uint64_t addr, void *buf, size_t len)
{
	(void)arg, (void)addr, (void)buf, (void)len;
	return -EFAULT;
}

static int read_at(int fd, uint64_t at, void *p, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = pread(fd, (uint8_t *)p + done, n - done,
				  (off_t)(at + done));

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r < 0 ? -errno : -ENODATA;
		done += (size_t)r;
	}
	return 0;
}

static int room(uint8_t **p, size_t *cap, size_t n)
{
	uint8_t *q;

	if (*cap >= n)
		return 0;
	q = realloc(*p, n);
	if (!q)
		return -ENOMEM;
	*p = q;
	*cap = n;
	return 0;
}

/* -- damage ------------------------------------------------------------------ */

/* Each place once; there may be more than are kept. */
static void add_gap(struct scope_recording *rec, const struct segment *s,
		    const struct scope_gap *gap)
{
	for (size_t i = 0; i < rec->ngaps; i++)
		if (rec->gaps[i].segment == s->number &&
		    rec->gaps[i].offset == gap->offset)
			return;
	if (rec->ngaps == GAPS_MAX)
		return;
	rec->gaps[rec->ngaps] = *gap;
	rec->gaps[rec->ngaps++].segment = s->number;
}

/* The event before frame i. */
static uint64_t id_before(const struct scope_recording *rec, size_t i)
{
	return i ? rec->frames[i - 1].f.sum.last_id : 0;
}

/* -- frames ------------------------------------------------------------------ */

static int add_frame(struct scope_recording *rec, uint32_t segment,
		     uint64_t offset, const struct scope_frame *f,
		     const uint8_t *filter)
{
	struct frame *frame;

	if (rec->nframes == rec->cap) {
		size_t cap = rec->cap ? 2 * rec->cap : 64;
		struct frame *p = realloc(rec->frames, cap * sizeof(*p));

		if (!p)
			return -ENOMEM;
		rec->frames = p;
		rec->cap = cap;
	}
	frame = &rec->frames[rec->nframes];
	*frame = (struct frame){ .f = *f,
				 .segment = segment,
				 .offset = offset };
	if (f->filter_bytes) {
		frame->filter = malloc(f->filter_bytes);
		if (!frame->filter)
			return -ENOMEM;
		memcpy(frame->filter, filter, f->filter_bytes);
	}
	rec->nframes++;
	return 0;
}

static bool is_sane(const struct scope_frame *f)
{
	return f->raw_bytes <= SCOPE_BLOCK_BYTES + 4096 &&
	       f->packed_bytes <= ZSTD_compressBound(SCOPE_BLOCK_BYTES + 4096) &&
	       f->filter_bytes <= SCOPE_FILTER_BYTES_MAX &&
	       f->filter_bytes % 32 == 0 &&
	       f->sum.events <= SCOPE_BLOCK_EVENTS;
}

/* Unpack what a frame holds into rec->raw, after its hash was checked. */
static int unpack(struct scope_recording *rec, int fd, uint64_t offset,
		  const struct scope_frame *f, size_t raw_bytes)
{
	size_t n = (size_t)f->filter_bytes + f->packed_bytes;
	int r = room(&rec->packed, &rec->packed_cap, n);

	if (r == 0)
		r = room(&rec->raw, &rec->raw_cap, raw_bytes + 1);
	if (r == 0)
		r = read_at(fd, offset + SCOPE_FRAME_HEAD, rec->packed, n);
	if (r < 0)
		return r;
	if (scope_segment_hash(rec->packed, n) != f->hash)
		return -EBADMSG;
	n = ZSTD_decompress(rec->raw, raw_bytes,
			    rec->packed + f->filter_bytes, f->packed_bytes);
	return ZSTD_isError(n) || n != raw_bytes ? -EBADMSG : 0;
}

/* -- a segment with its index ---------------------------------------------------- */

static int take_index(struct scope_recording *rec, uint32_t segment,
		      const uint8_t *p, size_t len)
{
	struct scope_frame f;
	uint64_t offset;
	size_t at = 0;
	int r = 0;

	while (r == 0 && at < len) {
		if (len - at < 8 + SCOPE_FRAME_HEAD)
			return -EBADMSG;
		memcpy(&offset, p + at, 8);
		r = scope_frame_get(p + at + 8, &f);
		at += 8 + SCOPE_FRAME_HEAD;
		if (r == 0 && (!is_sane(&f) || len - at < f.filter_bytes))
			r = -EBADMSG;
		if (r == 0)
			r = add_frame(rec, segment, offset, &f, p + at);
		if (r == 0)
			at += f.filter_bytes;
	}
	return r;
}

static void drop_frames(struct scope_recording *rec, size_t to)
{
	while (rec->nframes > to)
		free(rec->frames[--rec->nframes].filter);
}

/* 0; -EBADMSG: there is no good index. */
static int read_index(struct scope_recording *rec, uint32_t segment)
{
	struct segment *s = &rec->segments[segment];
	uint8_t head[SCOPE_FRAME_HEAD];
	size_t had = rec->nframes;
	struct scope_frame f = { 0 };
	uint64_t trailer[2];
	int r;

	if (s->size < SCOPE_SEGMENT_HEAD + SCOPE_FRAME_HEAD + sizeof(trailer))
		return -EBADMSG;
	r = read_at(s->fd, s->size - sizeof(trailer), trailer, sizeof(trailer));
	if (r < 0 || scope_segment_hash(&trailer[0], 8) != trailer[1] ||
	    trailer[0] > s->size)
		return -EBADMSG;
	r = read_at(s->fd, trailer[0], head, sizeof(head));
	if (r == 0)
		r = scope_frame_get(head, &f);
	if (r < 0 || f.type != SCOPE_FRAME_INDEX || f.filter_bytes ||
	    f.raw_bytes > s->size || f.packed_bytes > s->size)
		return -EBADMSG;
	r = unpack(rec, s->fd, trailer[0], &f, f.raw_bytes);
	if (r == 0)
		r = take_index(rec, segment, rec->raw, f.raw_bytes);
	if (r < 0) {
		drop_frames(rec, had);
		return r == -ENOMEM ? r : -EBADMSG;
	}
	s->at = s->size;
	s->is_closed = true;
	return 0;
}

/* -- a segment without --------------------------------------------------------- */

/* The next place from `at` on where a frame may begin; s->size: none. */
static uint64_t next_magic(struct scope_recording *rec, const struct segment *s,
			   uint64_t at)
{
	struct scope_frame f;

	while (at + SCOPE_FRAME_HEAD <= s->size) {
		size_t n = s->size - at < SCAN_BYTES ? (size_t)(s->size - at) :
						       SCAN_BYTES;

		if (room(&rec->packed, &rec->packed_cap, n) < 0 ||
		    read_at(s->fd, at, rec->packed, n) < 0)
			break;
		for (size_t i = 0; i + SCOPE_FRAME_HEAD <= n; i += 8)
			if (scope_frame_get(rec->packed + i, &f) == 0 &&
			    is_sane(&f))
				return at + i;
		at += (n - SCOPE_FRAME_HEAD + 8) & ~7ull;
	}
	return s->size;
}

/* The frame at s->at. 1; 0: there is not more of it yet; -EBADMSG: it is none. */
static int scan_one(struct scope_recording *rec, uint32_t segment)
{
	struct segment *s = &rec->segments[segment];
	uint8_t head[SCOPE_FRAME_HEAD];
	struct scope_frame f;
	int r;

	if (s->at + SCOPE_FRAME_HEAD > s->size)
		return 0;
	r = read_at(s->fd, s->at, head, sizeof(head));
	if (r == 0)
		r = scope_frame_get(head, &f);
	if (r < 0)
		return r;
	if (f.type == SCOPE_FRAME_INDEX) {
		s->at = s->size;
		return 0;
	}
	if (f.type != SCOPE_FRAME_EVENTS || !is_sane(&f))
		return -EBADMSG;
	if (s->at + scope_frame_bytes(&f) > s->size)
		return 0;
	r = room(&rec->packed, &rec->packed_cap, f.filter_bytes + 1u);
	if (r == 0)
		r = read_at(s->fd, s->at + SCOPE_FRAME_HEAD, rec->packed,
			    f.filter_bytes);
	if (r == 0)
		r = add_frame(rec, segment, s->at, &f, rec->packed);
	if (r < 0)
		return r;
	s->at += scope_frame_bytes(&f);
	return 1;
}

static int scan(struct scope_recording *rec, uint32_t segment)
{
	struct segment *s = &rec->segments[segment];
	int r;

	while ((r = scan_one(rec, segment)) != 0) {
		uint64_t next;

		if (r == -ENOMEM)
			return r;
		if (r > 0)
			continue;
		next = next_magic(rec, s, s->at + 8);
		add_gap(rec, s,
			&(struct scope_gap){ .offset = s->at,
					     .bytes = next - s->at,
					     .why = "no frame begins here",
					     .after_id = id_before(
						     rec, rec->nframes) });
		s->at = next;
	}
	return 0;
}

/* -- segments -------------------------------------------------------------------- */

/* Its head, and what it tells; the first one decides what the node was. */
static int read_head(struct scope_recording *rec, struct segment *s)
{
	uint8_t head[SCOPE_SEGMENT_HEAD];
	scope_autofree struct scope_segment_info *info = NULL;
	scope_autofree char *text = NULL;
	struct scope_segment_head h;
	int r = read_at(s->fd, 0, head, sizeof(head));

	if (r == 0)
		r = scope_segment_head_get(head, &h);
	if (r < 0)
		return r;
	text = malloc(h.info_bytes + 1u);
	info = malloc(sizeof(*info));
	if (!text || !info)
		return -ENOMEM;
	r = read_at(s->fd, SCOPE_SEGMENT_HEAD, text, h.info_bytes);
	if (r == 0 && scope_segment_hash(text, h.info_bytes) != h.info_hash)
		r = -EBADMSG;
	if (r == 0)
		r = scope_segment_info_get(text, h.info_bytes, info);
	if (r < 0)
		return r;
	if (rec->has_vm && memcmp(rec->id, h.recording, 16) != 0)
		return -EXDEV;
	s->at = (SCOPE_SEGMENT_HEAD + h.info_bytes + 7) & ~7ull;
	s->keys = info->keys;
	if (rec->has_vm)
		return 0;
	memcpy(rec->id, h.recording, 16);
	rec->info = *info;
	if (!scope_layout_of(info->otp))
		return -EPROTONOSUPPORT;
	r = scope_vm_init(&rec->vm, scope_layout_of(info->otp), no_node, NULL);
	rec->vm.procs = info->procs;
	rec->vm.ports = info->ports;
	rec->has_vm = r == 0;
	return r;
}

static int measure(struct segment *s)
{
	struct stat st;

	if (fstat(s->fd, &st) < 0)
		return -errno;
	s->size = (uint64_t)st.st_size;
	return 0;
}

static int open_segment(struct scope_recording *rec, uint64_t number)
{
	char name[SCOPE_SEGMENT_NAME];
	struct segment s = { .number = number }, *all;
	int r;

	scope_segment_name(number, name);
	s.fd = openat(rec->dir, name, O_RDONLY | O_CLOEXEC);
	if (s.fd < 0)
		return errno == ENOENT ? 0 : -errno; /* removed since */
	r = measure(&s);
	if (r == 0)
		r = read_head(rec, &s);
	if (r < 0) {
		(void)close(s.fd);
		if (r == -EPROTONOSUPPORT || r == -ENOMEM)
			return r;
		add_gap(rec, &s,
			&(struct scope_gap){
				.bytes = s.size,
				.why = r == -EXDEV ?
					       "it is of another recording" :
					       "it has no good head",
				.after_id = id_before(rec, rec->nframes) });
		return 0;
	}
	all = realloc(rec->segments, (rec->nsegments + 1) * sizeof(*all));
	if (!all) {
		(void)close(s.fd);
		return -ENOMEM;
	}
	rec->segments = all;
	all[rec->nsegments++] = s;
	r = read_index(rec, (uint32_t)rec->nsegments - 1);
	return r == -EBADMSG ? scan(rec, (uint32_t)rec->nsegments - 1) : r;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Open the segments behind the last that is known. */
static int open_segments(struct scope_recording *rec)
{
	uint64_t last = rec->nsegments ?
				rec->segments[rec->nsegments - 1].number :
				0;
	scope_autofree uint64_t *numbers = NULL;
	int fd = openat(rec->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *e;
	size_t n = 0;
	int r = 0;
	DIR *d;

	numbers = malloc(SCOPE_SEGMENTS_MAX * sizeof(*numbers));
	d = fd >= 0 && numbers ? fdopendir(fd) : NULL;
	if (!d) {
		r = numbers ? -errno : -ENOMEM;
		if (fd >= 0)
			(void)close(fd);
		return r;
	}
	while ((e = readdir(d)) && n < SCOPE_SEGMENTS_MAX) {
		char name[SCOPE_SEGMENT_NAME];
		uint64_t number = strtoull(e->d_name, NULL, 10);

		scope_segment_name(number, name);
		if (number > last && !strcmp(name, e->d_name))
			numbers[n++] = number;
	}
	(void)closedir(d);
	qsort(numbers, n, sizeof(*numbers), compare);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = open_segment(rec, numbers[i]);
	return r;
}

int scope_recording_refresh(struct scope_recording *rec)
{
	size_t had = rec->nframes;
	int r = 0;

	if (rec->nsegments) {
		struct segment *s = &rec->segments[rec->nsegments - 1];

		r = s->is_closed ? 0 : measure(s);
		if (r == 0 && !s->is_closed)
			r = scan(rec, (uint32_t)rec->nsegments - 1);
	}
	if (r == 0)
		r = open_segments(rec);
	return r < 0 ? r : (int)(rec->nframes - had);
}

int scope_recording_open(const char *dir, struct scope_recording **ret_rec,
			 struct scope_err *err)
{
	scope_auto(scope_recording) rec = calloc(1, sizeof(*rec));
	int r;

	if (!rec)
		return scope_fail(err, -ENOMEM, "out of memory");
	rec->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rec->dir < 0)
		return scope_fail(err, -errno, "can't open %s: %s", dir,
				  strerror(errno));
	rec->page = scope_page_new();
	if (!rec->page)
		return scope_fail(err, -ENOMEM, "out of memory");
	r = open_segments(rec);
	if (r == -EPROTONOSUPPORT)
		return scope_fail(err, r,
				  "%s was recorded by a later version, or of "
				  "OTP %u, which this version can't read",
				  dir, rec->info.otp);
	if (r < 0)
		return scope_fail(err, r, "can't read %s: %s", dir,
				  strerror(-r));
	if (!rec->nsegments && !rec->ngaps)
		return scope_fail(err, -ENOENT, "%s holds no recording", dir);
	if (!rec->nsegments)
		return scope_fail(err, -EBADMSG,
				  "nothing of the recording in %s can be read: "
				  "its segments have no good head",
				  dir);
	*ret_rec = scope_take(rec);
	return 0;
}

void scope_recording_free(struct scope_recording *rec)
{
	if (!rec)
		return;
	for (size_t i = 0; i < rec->nsegments; i++)
		(void)close(rec->segments[i].fd);
	drop_frames(rec, 0);
	free(rec->frames);
	free(rec->segments);
	free(rec->packed);
	free(rec->raw);
	scope_page_free(rec->page);
	if (rec->has_vm)
		scope_vm_done(&rec->vm);
	if (rec->dir >= 0)
		(void)close(rec->dir);
	free(rec);
}

/* -- what it holds -------------------------------------------------------------- */

const struct scope_segment_info *
scope_recording_info(const struct scope_recording *rec)
{
	return &rec->info;
}

struct scope_vm *scope_recording_vm(struct scope_recording *rec)
{
	return &rec->vm;
}

size_t scope_recording_frames(const struct scope_recording *rec)
{
	return rec->nframes;
}

const struct scope_block_sum *
scope_recording_sum(const struct scope_recording *rec, size_t i)
{
	return &rec->frames[i].f.sum;
}

const uint8_t *scope_recording_filter(const struct scope_recording *rec,
				      size_t i, size_t *ret_bytes)
{
	*ret_bytes = rec->frames[i].f.filter_bytes;
	return rec->frames[i].filter;
}

int scope_recording_load(struct scope_recording *rec, size_t i,
			 struct scope_page **ret_page)
{
	const struct frame *frame = &rec->frames[i];
	const struct segment *s = &rec->segments[frame->segment];
	int r = unpack(rec, s->fd, frame->offset, &frame->f,
		       frame->f.raw_bytes);

	if (r == 0)
		r = scope_page_load(rec->page, rec->raw, frame->f.raw_bytes,
				    &s->keys, &rec->vm);
	if (r == 0 && scope_page_events(rec->page) != frame->f.sum.events)
		r = -EBADMSG;
	if (r == -ENODATA || r == -EIO)
		r = -EBADMSG;
	if (r == -EBADMSG)
		add_gap(rec, s,
			&(struct scope_gap){
				.offset = frame->offset,
				.bytes = scope_frame_bytes(&frame->f),
				.why = "a frame is damaged",
				.after_id = id_before(rec, i),
				.events = frame->f.sum.events });
	if (r == 0)
		*ret_page = rec->page;
	return r;
}

const struct scope_gap *scope_recording_gaps(const struct scope_recording *rec,
					     size_t *ret_n)
{
	*ret_n = rec->ngaps;
	return rec->gaps;
}

bool scope_recording_is_closed(const struct scope_recording *rec)
{
	return rec->nsegments && rec->segments[rec->nsegments - 1].is_closed;
}

uint64_t scope_recording_bytes(const struct scope_recording *rec)
{
	uint64_t n = 0;

	for (size_t i = 0; i < rec->nsegments; i++)
		n += rec->segments[i].size;
	return n;
}

size_t scope_recording_segments(const struct scope_recording *rec)
{
	return rec->nsegments;
}
