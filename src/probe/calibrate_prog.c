/* SPDX-License-Identifier: MIT */
/*
 * The real programs on the child's functions, which are called as the
 * runtime's are, with a process, a message and a heap that are made up. That
 * they reported each call is checked, so that no early way out is taken for
 * what an event costs.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <string.h>
#include <unistd.h>

#include "attacher/bpf_log.h"
#include "probe/calibrate_int.h"
#include "attacher/link.h"
#include "attacher/attacher.h"
#include "probe/rings.h"

#define RING_BYTES (1u << 20) /* all records of a measurement fit */
#define CALLS 192	      /* of one round */
#define ROUNDS 7
#define ROUND_NS 1000000u

struct trial {
	struct bpf_object *obj;
	int ring; /* owned; -1 */
	struct scope_rings *reader; /* owned */
	uint64_t records; /* as they should be */
	scope_kindset kinds;
	unsigned nwords;
	bool is_multi;
};

static int on_record(void *arg, const void *data, size_t len)
{
	const struct scope_rec *rec = data;
	struct trial *t = arg;

	if (len >= sizeof(*rec) && rec->pid && rec->nwords == t->nwords &&
	    (t->kinds >> (rec->kind & (SCOPE_KIND_MAX - 1)) & 1))
		t->records++;
	return 0;
}

static int configure(struct trial *t, scope_kindset kinds, unsigned words)
{
	struct bpf_map *map =
		bpf_object__find_map_by_name(t->obj, ".rodata.config");
	size_t size = 0;
	struct scope_bpf_config *c =
		map ? (struct scope_bpf_config *)bpf_map__initial_value(
			      map, &size) :
		      NULL;

	if (!c || size < sizeof(*c))
		return -EINVAL;
	memset(c, 0, sizeof(*c));
	c->layout = *scope_cal_layout();
	c->kinds = kinds;
	c->term_words = words;
	c->nrings = 1;
	c->ring_bytes = RING_BYTES;
	return 0;
}

/* Before the programs are loaded. */
static int make_ring(struct trial *t)
{
	struct bpf_map *outer = bpf_object__find_map_by_name(t->obj, "rings");

	t->ring = scope_ring_make(RING_BYTES);
	if (t->ring < 0)
		return t->ring;
	return outer ? bpf_map__set_inner_map_fd(outer, t->ring) : -EINVAL;
}

static int open_ring(struct trial *t)
{
	int outer = bpf_object__find_map_fd_by_name(t->obj, "rings");
	int control = bpf_object__find_map_fd_by_name(t->obj, "control");
	const struct scope_bpf_control always = { .until_ns = UINT64_MAX };
	__u32 zero = 0;

	if (bpf_map_update_elem(outer, &zero, &t->ring, BPF_ANY) < 0 ||
	    bpf_map_update_elem(control, &zero, &always, BPF_ANY) < 0)
		return -errno;
	return scope_rings_new(&t->ring, 1, RING_BYTES, &t->reader, NULL);
}

/* The object with those programs alone. */
static int load(struct trial *t, scope_kindset kinds, unsigned words,
		const enum scope_prog *progs, size_t n)
{
	struct bpf_program *prog;
	struct bpf_map *map;
	size_t len;
	const void *bytes = scope_attacher_object(&len);
	int r;

	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "scope_trial");
	t->kinds = kinds;
	t->nwords = words ? SCOPE_CAL_TERM_WORDS : 0;
	t->is_multi = scope_link_has_multi();
	t->obj = bpf_object__open_mem(bytes, len, &opts);
	if (!t->obj)
		return -errno;
	r = configure(t, kinds, words);
	if (r == 0)
		r = make_ring(t);
	if (r < 0)
		return r;
	bpf_object__for_each_program(prog, t->obj) {
		bool used = false;

		for (size_t i = 0; i < n; i++)
			used |= !strcmp(bpf_program__name(prog),
					scope_prog_name(progs[i]));
		(void)bpf_program__set_autoload(prog, used);
		(void)scope_link_prepare(prog, t->is_multi);
	}
	map = bpf_object__find_map_by_name(t->obj, "counters");
	if (map)
		(void)bpf_map__set_max_entries(
			map, (__u32)libbpf_num_possible_cpus());
	r = bpf_object__load(t->obj);
	return r < 0 ? r : open_ring(t);
}

static int attach(struct trial *t, struct scope_cal_child *child, unsigned fn,
		  enum scope_site site, enum scope_prog prog, bool is_return,
		  struct scope_link **ret_link, struct scope_err *err)
{
	struct scope_attach_site s = { .site = site,
				       .is_return = is_return,
				       .what = "calibration" };
	const struct scope_attach_site *list[] = { &s };
	int r = scope_cal_offset(fn, &s.offset);

	if (r < 0)
		return r;
	return scope_cal_link(
		bpf_object__find_program_by_name(t->obj, scope_prog_name(prog)),
		t->is_multi, child, list, 1, ret_link, err);
}

static int measure(struct trial *t, struct scope_cal_child *child, unsigned fn,
		   uint32_t *ret_ns)
{
	uint32_t ns = scope_cal_measure(child, fn, ROUND_NS, ROUNDS, CALLS);

	(void)scope_rings_drain(t->reader, on_record, t);
	/* 16 to warm up, and at least as many in each round. */
	if (!ns || t->records < 16 + ROUNDS * 16)
		return -ENOTSUP;
	*ret_ns = ns;
	return 0;
}

static void done(struct trial *t)
{
	scope_rings_free(t->reader);
	if (t->ring >= 0)
		(void)close(t->ring);
	bpf_object__close(t->obj);
}

int scope_cal_send_ns(struct scope_cal_child *child, unsigned words,
		      uint32_t *ret_ns, struct scope_err *err)
{
	static const enum scope_prog progs[] = { SCOPE_PROG_SEND_TAIL };
	struct scope_link *link = NULL;
	struct trial t = { .ring = -1 };
	int r = load(&t, SCOPE_KIND_BIT(SCOPE_KIND_MSG_SEND), words, progs, 1);

	if (r == 0)
		r = attach(&t, child, SCOPE_CAL_SEND, SCOPE_SITE_QUEUE_TAIL,
			   SCOPE_PROG_SEND_TAIL, false, &link, err);
	if (r == 0)
		r = measure(&t, child, SCOPE_CAL_SEND, ret_ns);
	scope_link_free(link);
	done(&t);
	return r;
}

int scope_cal_gc_ns(struct scope_cal_child *child, uint32_t *ret_ns,
		    struct scope_err *err)
{
	static const enum scope_prog progs[] = { SCOPE_PROG_CALL,
						 SCOPE_PROG_RETURN };
	struct scope_link *in = NULL, *out = NULL;
	struct trial t = { .ring = -1 };
	int r = load(&t, SCOPE_KIND_BIT(SCOPE_KIND_GC_END), 0, progs, 2);

	if (r == 0)
		r = attach(&t, child, SCOPE_CAL_GC, SCOPE_SITE_GC,
			   SCOPE_PROG_RETURN, true, &out, err);
	if (r == 0)
		r = attach(&t, child, SCOPE_CAL_GC, SCOPE_SITE_GC,
			   SCOPE_PROG_CALL, false, &in, err);
	if (r == 0)
		r = measure(&t, child, SCOPE_CAL_GC, ret_ns);
	scope_link_free(in);
	scope_link_free(out);
	done(&t);
	return r;
}
