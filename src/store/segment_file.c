/* SPDX-License-Identifier: MIT */
#include "store/segment_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zstd.h>

#include "store/filter.h"
#include "store/recorder.h"

struct bytes {
	uint8_t *p; /* owned */
	size_t len, cap;
};

struct scope_segment_file {
	int fd; /* -1: none is open */
	int level;
	uint64_t at;	      /* what was written whole */
	ZSTD_CCtx *zstd;      /* owned */
	struct bytes payload; /* not packed */
	struct bytes frame;   /* as it is written */
	struct bytes index;   /* offsets, heads and filters */
};

static int room(struct bytes *b, size_t n)
{
	size_t cap = b->cap ? b->cap : 65536;
	uint8_t *p;

	if (b->cap - b->len >= n)
		return 0;
	while (cap - b->len < n)
		cap *= 2;
	p = realloc(b->p, cap);
	if (!p)
		return -ENOMEM;
	b->p = p;
	b->cap = cap;
	return 0;
}

struct scope_segment_file *scope_segment_file_new(int level)
{
	struct scope_segment_file *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->fd = -1;
	f->level = level;
	f->zstd = ZSTD_createCCtx();
	if (!f->zstd) {
		free(f);
		return NULL;
	}
	return f;
}

void scope_segment_file_free(struct scope_segment_file *f)
{
	if (!f)
		return;
	if (f->fd >= 0)
		(void)close(f->fd);
	(void)ZSTD_freeCCtx(f->zstd);
	free(f->payload.p);
	free(f->frame.p);
	free(f->index.p);
	free(f);
}

/* All or nothing. */
static int append(struct scope_segment_file *f, const uint8_t *p, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t w = pwrite(f->fd, p + done, n - done,
				   (off_t)(f->at + done));

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0) {
			int r = w < 0 ? -errno : -EIO;

			/* What stays is written over next time. */
			(void)!ftruncate(f->fd, (off_t)f->at);
			return r;
		}
		done += (size_t)w;
	}
	f->at += n;
	return 0;
}

int scope_segment_file_open(struct scope_segment_file *f, int dir,
			    uint64_t number, const uint8_t recording[16],
			    uint64_t now_ns, const char *info, size_t info_len)
{
	struct scope_segment_head head = {
		.info_bytes = (uint32_t)info_len,
		.number = number,
		.started_ns = now_ns,
		.info_hash = scope_segment_hash(info, info_len),
	};
	size_t n = (SCOPE_SEGMENT_HEAD + info_len + 7) & ~(size_t)7;
	char name[SCOPE_SEGMENT_NAME];
	int r;

	memcpy(head.recording, recording, 16);
	f->frame.len = f->index.len = 0;
	r = room(&f->frame, n);
	if (r < 0)
		return r;
	memset(f->frame.p, 0, n);
	scope_segment_head_put(&head, f->frame.p);
	memcpy(f->frame.p + SCOPE_SEGMENT_HEAD, info, info_len);
	scope_segment_name(number, name);
	f->fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (f->fd < 0)
		return -errno;
	f->at = 0;
	r = append(f, f->frame.p, n);
	if (r < 0) {
		(void)close(f->fd);
		(void)unlinkat(dir, name, 0);
		f->fd = -1;
	}
	return r;
}

struct filling {
	uint8_t *filter;
	size_t bytes, n;
};

static void count(void *arg, uint64_t word, const char *text, size_t len)
{
	(void)word, (void)text, (void)len;
	((struct filling *)arg)->n++;
}

static void fill(void *arg, uint64_t word, const char *text, size_t len)
{
	struct filling *f = arg;

	scope_filter_add(f->filter, f->bytes,
			 text ? scope_filter_key_of_atom(text, len) :
				scope_filter_key_of_word(word));
}

/* Pack `raw` bytes of the payload behind head and filter, and write the frame. */
static int put_frame(struct scope_segment_file *f, struct scope_frame *frame)
{
	size_t before = SCOPE_FRAME_HEAD + frame->filter_bytes, n;
	size_t bound = ZSTD_compressBound(frame->raw_bytes);
	uint64_t bytes;
	int r;

	f->frame.len = before; /* the filter is in place */
	r = room(&f->frame, bound + 8);
	if (r < 0)
		return r;
	n = ZSTD_compressCCtx(f->zstd, f->frame.p + before, bound,
			      f->payload.p, frame->raw_bytes, f->level);
	if (ZSTD_isError(n))
		return -EIO;
	frame->packed_bytes = (uint32_t)n;
	frame->hash = scope_segment_hash(f->frame.p + SCOPE_FRAME_HEAD,
					 frame->filter_bytes + n);
	scope_frame_put(frame, f->frame.p);
	bytes = scope_frame_bytes(frame);
	memset(f->frame.p + before + n, 0, (size_t)bytes - before - n);
	return append(f, f->frame.p, (size_t)bytes);
}

int scope_segment_file_put(struct scope_segment_file *f, struct scope_block *b)
{
	struct scope_frame frame = { .type = SCOPE_FRAME_EVENTS };
	struct filling filling = { 0 };
	uint64_t offset = f->at;
	size_t head;
	int r;

	frame.raw_bytes = (uint32_t)scope_block_end(b);
	scope_block_sum(b, &frame.sum);
	scope_block_each_word(b, count, &filling);
	filling.bytes = scope_filter_bytes(filling.n);
	frame.filter_bytes = (uint32_t)filling.bytes;
	head = SCOPE_FRAME_HEAD + filling.bytes;
	f->payload.len = f->frame.len = 0;
	r = room(&f->payload, frame.raw_bytes);
	if (r == 0)
		r = room(&f->frame, head);
	if (r == 0)
		r = room(&f->index, 8 + head);
	if (r < 0)
		return r;
	scope_block_put(b, f->payload.p);
	memset(f->frame.p, 0, head);
	filling.filter = f->frame.p + SCOPE_FRAME_HEAD;
	scope_block_each_word(b, fill, &filling);
	r = put_frame(f, &frame);
	if (r < 0)
		return r;
	memcpy(f->index.p + f->index.len, &offset, 8);
	memcpy(f->index.p + f->index.len + 8, f->frame.p, head);
	f->index.len += 8 + head;
	return 0;
}

int scope_segment_file_sync(struct scope_segment_file *f)
{
	return f->fd >= 0 && fdatasync(f->fd) < 0 ? -errno : 0;
}

int scope_segment_file_close(struct scope_segment_file *f)
{
	struct scope_frame frame = { .type = SCOPE_FRAME_INDEX };
	uint64_t trailer[2] = { f->at, 0 };
	int r;

	if (f->fd < 0)
		return 0;
	trailer[1] = scope_segment_hash(&trailer[0], 8);
	frame.raw_bytes = (uint32_t)f->index.len;
	f->payload.len = f->frame.len = 0;
	r = f->index.len > UINT32_MAX ? -EFBIG :
					room(&f->payload, f->index.len + 1);
	if (r == 0)
		r = room(&f->frame, SCOPE_FRAME_HEAD);
	if (r == 0) {
		if (f->index.len)
			memcpy(f->payload.p, f->index.p, f->index.len);
		r = put_frame(f, &frame);
	}
	if (r == 0)
		r = append(f, (const uint8_t *)trailer, sizeof(trailer));
	if (r == 0)
		r = scope_segment_file_sync(f);
	if (close(f->fd) < 0 && r == 0)
		r = -errno;
	f->fd = -1;
	return r;
}

uint64_t scope_segment_file_bytes(const struct scope_segment_file *f)
{
	return f->at;
}
