/* SPDX-License-Identifier: (MIT OR GPL-2.0) */
/*
 * emit: configuration, counters, scratch space and the way out of the kernel.
 *
 * A record is built in scratch space and leaves through one copy into the ring
 * (scope/ring.h) or perf buffer of its CPU, never waking the reader (a wake-up
 * costs the target ten times the trap). Uprobe programs can be preempted on some kernels,
 * so the scratch of a CPU is several slots, each taken with a
 * compare-and-exchange.
 */
#ifndef SCOPE_BPF_EMIT_H
#define SCOPE_BPF_EMIT_H

#include "lib/kernel.bpf.h"
#include "scope/event.h"
#include "scope/ring.h"
#include "scope/sample.h"
#include "scope/site.h"

/* Room to read an object of the largest budget behind the last word. */
#define WORDS_ROOM (SCOPE_WORDS_MAX + SCOPE_TERM_WORDS_MAX)
#define QUEUE_MAX SCOPE_TERM_WORDS_MAX
#define PROCESS_WORDS 128

/* An ErtsMessage up to m[2]. */
struct message {
	u64 next, data, term, token, from;
};

struct scratch {
	u32 busy;	/* 1: taken */
	u32 n;		/* words in use */
	u32 nsegs;
	u32 budget;	/* heap words left */
	u32 flags;
	u32 head, tail; /* of the queue */
	u32 scan, scan_end; /* words to look at */
	u32 object_raw;	    /* words of an object that are no terms */
	u32 win_from;	/* where in words[] the window was read to */
	u32 win_at;	/* where its word 0 is */
	u32 win_words;	/* words of it that are there */
	u64 win_addr;	/* address of its word 0 */
	/* bits of the words in the window: */
	u64 here;	/* part of the term */
	u64 todo;	/* terms not yet looked at */
	u64 aside;	/* headers of what has a part outside of the heap */
	u64 left;	/* of `here`, not yet kept */
	u64 object_words;
	u64 last_end;	/* address after the last segment */
	u64 queue[QUEUE_MAX]; /* pointers to what is not in the window */
	u64 process[PROCESS_WORDS];
	struct message message;
	u64 segs[SCOPE_SEGS_MAX];
	struct scope_rec rec;
	u64 words[WORDS_ROOM + SCOPE_SEGS_MAX];
};

#define SLOTS 4

const volatile struct scope_bpf_config config SEC(".rodata.config");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, u32);
	__type(value, struct scratch);
} scratch SEC(".maps");

/* One element a CPU; mapped by the collector. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* set before loading */
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, struct scope_counters);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, struct scope_bpf_control);
} control SEC(".maps");

/* The size is set before loading, and is config.ring_bytes's. */
struct ring {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(key_size, sizeof(u32));
	__uint(value_size, SCOPE_RING_VALUE(SCOPE_RING_BYTES_MIN));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, SCOPE_RINGS_MAX);
	__type(key, u32);
	__array(values, struct ring);
} rings SEC(".maps");

/* In place of the rings: one perf buffer a CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(u32));
	__uint(value_size, sizeof(u32));
} perf_buffers SEC(".maps");

/* The processes to report, by their pid's Eterm, where config.filter is set. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, u32);
} processes SEC(".maps");

static __always_inline struct scope_counters *my_counters(void)
{
	u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&counters, &cpu);
}

static __always_inline void count_lost(u32 kind, u32 cause)
{
	struct scope_counters *c = my_counters();

	if (c)
		__sync_fetch_and_add(&c->lost[cause & (SCOPE_LOSS_MAX - 1)]
					     [kind & (SCOPE_KIND_MAX - 1)],
				     1);
}

static __always_inline void count_emitted(u32 kind)
{
	struct scope_counters *c = my_counters();

	if (c)
		__sync_fetch_and_add(
			&c->emitted[kind & (SCOPE_KIND_MAX - 1)], 1);
}

static __always_inline void count_written(u32 kind)
{
	struct scope_counters *c = my_counters();

	if (c)
		__sync_fetch_and_add(
			&c->written[kind & (SCOPE_KIND_MAX - 1)], 1);
}

/* A program ran: what it costs is watched. */
static __always_inline void count_hit(u32 group)
{
	struct scope_counters *c = my_counters();

	if (c)
		__sync_fetch_and_add(&c->hits[group & (SCOPE_HIT_GROUPS - 1)],
				     1);
}

static __always_inline int wanted(u32 kind)
{
	return (config.kinds >> kind) & 1;
}

static __always_inline int in_time(u64 ts)
{
	struct scope_bpf_control *c;
	u32 zero = 0;

	c = bpf_map_lookup_elem(&control, &zero);
	return c && ts >= c->since_ns && ts <= c->until_ns;
}

/* Whether the probes of a group are there, without a gap, since then. */
static __always_inline int is_since(u32 group, u64 ts)
{
	struct scope_bpf_control *c;
	u32 zero = 0;

	c = bpf_map_lookup_elem(&control, &zero);
	return c && ts >= c->group_since_ns[group];
}

/* Whether an event between these two is to be reported. */
static __always_inline int in_set(u64 a, u64 b)
{
	if (!config.filter)
		return 1;
	return bpf_map_lookup_elem(&processes, &a) ||
	       bpf_map_lookup_elem(&processes, &b);
}

/* Whether the conversation of these two is left out. Global, so that it is
 * verified once. */
__noinline int is_out(u64 a, u64 b)
{
	struct scope_bpf_control *c;
	u32 zero = 0;

	c = bpf_map_lookup_elem(&control, &zero);
	return c && !scope_sample_keeps(a, b, *(volatile u32 *)&c->keep);
}

/* The same of an event, which is counted then. */
__noinline int leave_out(u64 a, u64 b, u64 ts, u32 kind)
{
	struct scope_counters *c;

	if (!in_time(ts) || !is_out(a, b))
		return 0;
	c = my_counters();
	if (c)
		__sync_fetch_and_add(&c->sampled[kind & (SCOPE_KIND_MAX - 1)],
				     1);
	/* Of these the runs are counted that give no event. */
	if (kind == SCOPE_KIND_MSG_SEND)
		count_hit(SCOPE_GROUP_SEND);
	else if (kind == SCOPE_KIND_MSG_RECEIVE)
		count_hit(SCOPE_GROUP_RECEIVE);
	return 1;
}

/* Whether an event between these two is kept: where all are, which is known
 * when the program is loaded, that costs nothing. One that belongs to a process
 * alone has nobody else (0) for its other side. */
static __always_inline int is_kept(u32 kind, u64 ts, u64 a, u64 b)
{
	return !config.samples || !leave_out(a, b, ts, kind);
}

/* Scratch for this program to work in, until it is given back; NULL: none. */
static __always_inline struct scratch *take(void)
{
	for (u32 i = 0; i < SLOTS; i++) {
		u32 key = i;
		struct scratch *s = bpf_map_lookup_elem(&scratch, &key);

		if (!s)
			return NULL;
		if (__sync_val_compare_and_swap(&s->busy, 0, 1) == 0)
			return s;
	}
	return NULL;
}

/* Fill in the head of a record. */
static __always_inline void blank(struct scratch *s, u32 kind, u32 site, u64 ts)
{
	s->n = 0;
	s->nsegs = 0;
	s->budget = config.term_words;
	s->flags = 0;
	s->last_end = 0;
	for (u32 i = 0; i < 4; i++)
		s->segs[i] = 0;
	s->rec.ts_ns = ts;
	s->rec.kind = kind;
	s->rec.site = site;
	s->rec.flags = 0;
	s->rec.pid = 0;
	for (u32 i = 0; i < 7; i++)
		s->rec.a[i] = 0;
}

/* Count an event, and fill in the head of its record. */
static __always_inline void start(struct scratch *s, u32 kind, u32 site, u64 ts)
{
	count_emitted(kind);
	blank(s, kind, site, ts);
}

/*
 * Start an event: counts it as emitted, and gives the scratch with the head of
 * its record filled in. NULL: it is not in time, or no slot was free, and the
 * loss is counted.
 */
static __always_inline struct scratch *begin(u32 kind, u32 site, u64 ts)
{
	struct scratch *s;

	if (!in_time(ts))
		return NULL;
	s = take();
	if (s) {
		start(s, kind, site, ts);
	} else {
		count_emitted(kind);
		count_lost(kind, SCOPE_LOSS_SCRATCH);
	}
	return s;
}

/* Only programs on this CPU look at it, so that a plain store will do; a locked
 * one would wait for all stores before it. */
static __always_inline void give_back(struct scratch *s)
{
	barrier();
	*(volatile u32 *)&s->busy = 0;
}

/* Who looks on from another pid namespace than the initial one can't know the
 * thread's id there. It gets the one that the thread has in its own. */
static __always_inline u32 thread_id(void)
{
	struct bpf_pidns_info ns = { 0 };

	if (!config.pidns_ino)
		return (u32)bpf_get_current_pid_tgid();
	if (bpf_get_ns_current_pid_tgid(config.pidns_dev, config.pidns_ino, &ns,
					sizeof(ns)))
		return 0;
	return ns.pid;
}

#define ROOM_TRIES 32 /* as often others may come first */
#define REC_WORDS (SCOPE_REC_BYTES / 8)
#define FEW_WORDS 28 /* are copied without a call */

/* Room for a record in a ring; NULL: there is none. *ret_mark is to be written
 * to its first word in the end. */
static __always_inline u64 *room_in_ring(u32 cpu, u32 len, u64 *ret_mark)
{
	const u64 bytes = config.ring_bytes;
	u32 zero = 0, at = cpu;
	void *ring;
	u8 *r;

	if (at >= config.nrings)
		at %= config.nrings ? config.nrings : 1;
	ring = bpf_map_lookup_elem(&rings, &at);
	r = ring ? bpf_map_lookup_elem(ring, &zero) : NULL;
	if (!r)
		return NULL;
	for (u32 i = 0; i < ROOM_TRIES; i++) {
		struct scope_ring_reader *reader = (void *)r;
		struct scope_ring_writer *writer = (void *)(r + SCOPE_RING_PAGE);
		u64 from = *(volatile u64 *)&writer->produced;
		u64 used = from - *(volatile u64 *)&reader->consumed;

		if (used > bytes || used + SCOPE_RING_ROOM(len) > bytes)
			return NULL;
		if (__sync_val_compare_and_swap(&writer->produced, from,
						from + SCOPE_RING_ROOM(len)) !=
		    from)
			continue;
		*ret_mark = SCOPE_RING_MARK(len, from, reader->key);
		return (u64 *)(r + SCOPE_RING_DATA + (from & (bytes - 8)));
	}
	return NULL;
}

/* The record is whole. x86 lets nobody see stores in another order; a locked
 * one would wait until all are done. */
static __always_inline void commit(u64 *to, u64 mark)
{
#if defined(__TARGET_ARCH_x86)
	barrier();
	*(volatile u64 *)to = mark;
#else
	(void)__sync_lock_test_and_set(to, mark);
#endif
}

static __always_inline void put_head(u64 *to, struct scratch *s)
{
	const u64 *from = (const u64 *)&s->rec;

	for (u32 i = 0; i < REC_WORDS; i++)
		to[1 + i] = from[i];
}

/* A record with words. Global, so that it is verified once. */
__noinline int put_words(struct scratch *s)
{
	u32 cpu = bpf_get_smp_processor_id(), n;
	u64 mark, *to, *words;

	if (!s)
		return 1;
	n = (s->rec.len - SCOPE_REC_BYTES) / 8;
	if (n > SCOPE_WORDS_MAX + SCOPE_SEGS_MAX)
		return 1;
	to = room_in_ring(cpu, SCOPE_REC_BYTES + 8 * n, &mark);
	if (!to)
		return 1;
	put_head(to, s);
	words = to + 1 + REC_WORDS;
	if (n > FEW_WORDS) {
		bpf_probe_read_kernel(words, 8 * n, s->words);
	} else {
		u32 rest = n & ~3u;

		for (u32 i = 0; i + 4 <= FEW_WORDS && i + 4 <= n; i += 4) {
			words[i] = s->words[i];
			words[i + 1] = s->words[i + 1];
			words[i + 2] = s->words[i + 2];
			words[i + 3] = s->words[i + 3];
		}
		if (rest < n)
			words[rest] = s->words[rest];
		if (rest + 1 < n)
			words[rest + 1] = s->words[rest + 1];
		if (rest + 2 < n)
			words[rest + 2] = s->words[rest + 2];
	}
	commit(to, mark);
	return 0;
}

/* Into the ring of this CPU, or its perf buffer: which is known when the
 * program is loaded, so that no time is spent on it. Not 0: there was no room.
 */
static __always_inline long put(struct scope_regs *ctx, struct scratch *s,
				u32 cpu, u32 len)
{
	u64 mark, *to;

	if (config.transport == SCOPE_TRANSPORT_PERF)
		return bpf_perf_event_output(ctx, &perf_buffers,
					     BPF_F_CURRENT_CPU, &s->rec, len);
	if (len > SCOPE_REC_BYTES)
		return put_words(s);
	to = room_in_ring(cpu, SCOPE_REC_BYTES, &mark);
	if (!to)
		return 1;
	put_head(to, s);
	commit(to, mark);
	return 0;
}

static __always_inline void finish(struct scope_regs *ctx, struct scratch *s)
{
	u32 cpu = bpf_get_smp_processor_id();
	u32 n = s->n, nsegs = s->nsegs, len;

	if (n > SCOPE_WORDS_MAX)
		n = SCOPE_WORDS_MAX;
	if (nsegs > SCOPE_SEGS_MAX)
		nsegs = SCOPE_SEGS_MAX;
	barrier_var(n);
	barrier_var(nsegs);
	/* Most messages are one segment: no call for that. */
	if (nsegs == 1 && n <= SCOPE_WORDS_MAX)
		s->words[n] = s->segs[0];
	else if (nsegs && n <= SCOPE_WORDS_MAX && nsegs <= SCOPE_SEGS_MAX)
		bpf_probe_read_kernel(&s->words[n], nsegs * 8, s->segs);
	len = SCOPE_REC_BYTES + 8 * (n + nsegs);
	s->rec.len = len;
	s->rec.tid = thread_id();
	s->rec.cpu = cpu;
	s->rec.nwords = n;
	s->rec.nsegs = nsegs;
	s->rec.flags |= s->flags;
	barrier_var(len);
	if (len > SCOPE_REC_MAX)
		len = SCOPE_REC_MAX;
	if (put(ctx, s, cpu, len))
		count_lost(s->rec.kind, SCOPE_LOSS_RING);
	else if (config.overwrites)
		count_written(s->rec.kind);
	give_back(s);
}

/* An event whose record could not be read. */
static __always_inline void count_unread(u32 kind, u64 ts)
{
	if (!in_time(ts))
		return;
	count_emitted(kind);
	count_lost(kind, SCOPE_LOSS_READ);
}

/* Read one word of the target; 0 when it can't be read. */
static __always_inline u64 word(u64 addr)
{
	u64 w = 0;

	if (bpf_probe_read_user(&w, 8, (void *)addr))
		return 0;
	return w;
}

static __always_inline u32 half(u64 addr)
{
	u32 w = 0;

	if (bpf_probe_read_user(&w, 4, (void *)addr))
		return 0;
	return w;
}

#define is_pid(w) (((w)&0xf) == 3)

#endif
