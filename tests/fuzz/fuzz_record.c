/* SPDX-License-Identifier: MIT */
/*
 * Records of somebody else's making, over memory of somebody else's: batches
 * through order and decoder into JSON, which must be JSON.
 *
 * Input:  0  release (index into releases[])
 *         1  flags (F_*)
 *         2  u16 words of memory, which begin at MEMORY
 *         4  u32 not used
 *         8  the memory, then the records of two batches, half of what is left
 *            each
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "beam/layout.h"
#include "export/json.h"
#include "pipeline/decode.h"
#include "pipeline/order.h"

#define MEMORY 0x7f0000000000ull
#define TABLE 0x10000ull /* where the atoms are */
#define TABLE_WORDS 2048

#define F_SYNTAX 0x03	/* enum scope_syntax */
#define F_CONTENTS 0x04 /* term_words is not 0 */
#define F_FEW 0x08	/* only some kinds are asked for */
#define F_REPAIR 0x10	/* lengths, kinds and pointers are made to fit */
#define F_BOTH 0x20	/* receives too; matching is slow to set up */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	struct scope_vm vm;
	struct scope_json *json[3];
	uint64_t table[TABLE_WORDS];
};

struct scope_target {
	struct world *w;
	const uint8_t *memory;
	size_t memory_bytes;
};

static const unsigned releases[] = { 23, 25, 27, 29 };
static struct world *worlds[4];
static struct scope_target now;
static unsigned batches_out;

/* -- the target ------------------------------------------------------------ */

static int read_memory(void *arg, uint64_t addr, void *buf, size_t len)
{
	struct world *w = arg;

	if (addr >= TABLE && addr - TABLE < sizeof(w->table) &&
	    len <= sizeof(w->table) - (addr - TABLE)) {
		memcpy(buf, (char *)w->table + (addr - TABLE), len);
		return 0;
	}
	if (addr < MEMORY || addr - MEMORY > now.memory_bytes ||
	    len > now.memory_bytes - (addr - MEMORY))
		return -EFAULT;
	memcpy(buf, now.memory + (addr - MEMORY), len);
	return 0;
}

static uint64_t memory_word(uint64_t i)
{
	uint64_t w = 0;

	if (now.memory_bytes)
		memcpy(&w, now.memory + i % (now.memory_bytes / 8) * 8, 8);
	return w;
}

struct scope_vm *scope_target_vm(struct scope_target *t)
{
	return &t->w->vm;
}

const struct scope_target_info *scope_target_info(const struct scope_target *t)
{
	static const struct scope_target_info info = { .bias = 0x1000 };

	(void)t;
	return &info;
}

int scope_target_read(void *t, uint64_t addr, void *buf, size_t len)
{
	return read_memory(((struct scope_target *)t)->w, addr, buf, len);
}

int scope_target_function(const struct scope_target *t, uint64_t vaddr,
			  struct scope_symbol *ret_fn)
{
	static const char *const names[] = { NULL, "erts_garbage_collect",
					     "erts_gc_after_bif_call_lhf" };

	(void)t;
	*ret_fn = (struct scope_symbol){ .name = names[vaddr % 3] };
	return 0;
}

int scope_target_proc(struct scope_target *t, uint64_t pid,
		      struct scope_proc *ret_proc)
{
	uint64_t i = pid >> 4;

	(void)t;
	if (!now.memory_bytes || i % 3 == 0)
		return -ESRCH;
	*ret_proc = (struct scope_proc){
		.pid = pid,
		.name = memory_word(i),
		.parent = memory_word(i + 1),
		.spawned = { memory_word(i + 2), memory_word(i + 3), i },
		.initial = { memory_word(i + 4), memory_word(i + 5), i },
		.i = memory_word(i + 6),
		.current = memory_word(i + 7),
		.has_dictionary = i & 1,
	};
	return 0;
}

int scope_target_procs(struct scope_target *t,
		       int (*fn)(void *arg, const struct scope_proc *p),
		       void *arg, struct scope_err *err)
{
	struct scope_proc p;
	int r = 0;

	(void)err;
	for (uint64_t pid = 3; r == 0 && pid < 64; pid += 16)
		if (scope_target_proc(t, pid, &p) == 0)
			r = fn(arg, &p);
	return r;
}

uint64_t scope_target_dict(struct scope_target *t, const struct scope_proc *p,
			   const char *key)
{
	(void)t;
	return memory_word(p->pid / 16 + (uint64_t)key[1]);
}

int scope_target_ranges(const struct scope_target *t,
			struct scope_ranges **ret_ranges)
{
	(void)t;
	(void)ret_ranges;
	return -ENOENT;
}

uint64_t scope_target_node(struct scope_target *t, uint32_t *ret_creation)
{
	(void)t;
	*ret_creation = 1;
	return 16 << 6 | 0x0b;
}

uint64_t scope_target_socket(const struct scope_target *target, int fd)
{
	(void)target;
	(void)fd;
	return 0;
}

unsigned scope_target_scheduler(struct scope_target *t, uint32_t tid,
				bool *ret_dirty)
{
	(void)t;
	(void)ret_dirty;
	return tid;
}

/* -- a world: a release's atoms and writers -------------------------------- */

static const char *const atoms[] = {
	"false", "true", "proc_lib", "init_p", "gen", "init_it", "gen_server",
	"gen_event", "supervisor", "supervisor_bridge", "init", "EXIT",
	"clock_service", "Elixir.Shop", "__struct__", "an atom", "\"\\\n",
	"\xc3\xa4", "",
};

static void put(struct world *w, uint64_t addr, const void *s, size_t n)
{
	memcpy((char *)w->table + (addr - TABLE), s, n);
}

static void put_word(struct world *w, uint64_t addr, uint64_t word)
{
	put(w, addr, &word, 8);
}

/* index.h, atom.h; the name is a term from OTP 29 on. */
static void put_atoms(struct world *w, const struct scope_layout *l)
{
	uint32_t n = sizeof(atoms) / sizeof(*atoms);
	uint64_t segs = TABLE + 512, seg = segs + 64, at = seg + 1024;

	put(w, TABLE + l->at_entries, &n, 4);
	put_word(w, TABLE + l->at_seg_table, segs);
	put_word(w, segs, seg);
	for (uint32_t i = 0; i < n; i++, at += 512) {
		uint16_t len = (uint16_t)strlen(atoms[i]);
		uint64_t name = at + 128;

		put_word(w, seg + 8 * i, at);
		put(w, at + l->atom_len, &len, 2);
		if (l->atom_is_term) {
			put_word(w, name,
				 (uint64_t)(1 + (len + 7) / 8) << 6 |
					 l->sub.heap_bits << 2);
			put_word(w, name + 8, 8u * len);
			put(w, name + 16, atoms[i], len);
			name |= SCOPE_TAG_BOXED;
		} else {
			put(w, name, atoms[i], len);
		}
		put_word(w, at + l->atom_name, name);
	}
}

static struct world *make_world(unsigned otp)
{
	const struct scope_layout *l = scope_layout_of(otp);
	struct world *w = calloc(1, sizeof(*w));

	if (!w || scope_vm_init(&w->vm, l, read_memory, w) < 0)
		abort();
	w->vm.atom_table = TABLE;
	w->vm.procs = w->vm.ports =
		(struct scope_pixdata){ 0x3ffff, 0xf, 0x3fff, 14, 4 };
	put_atoms(w, l);
	for (int i = 0; i < 3; i++) {
		struct scope_json_opts o = {
			.syntax = (enum scope_syntax)i,
			.node = "a@b",
		};

		w->json[i] = scope_json_new(&w->vm, &o);
		if (!w->json[i])
			abort();
	}
	return w;
}

/* -- batches --------------------------------------------------------------- */

/* Keep what a pointer's last bits say, and make it lead into the memory. */
static uint64_t repaired(uint64_t w)
{
	int tag = SCOPE_TAG(w);

	if (tag != SCOPE_TAG_LIST && tag != SCOPE_TAG_BOXED)
		return w;
	return MEMORY | (w & 0xff8) | (unsigned)tag;
}

static void repair(struct scope_batch *b)
{
	uint32_t at = 0, n;

	while (b->used - at >= SCOPE_REC_BYTES) {
		struct scope_rec *rec = (struct scope_rec *)(b->data + at);
		uint64_t *words = (uint64_t *)(rec + 1);

		n = (b->used - at - SCOPE_REC_BYTES) / 8;
		rec->kind %= SCOPE_KIND_MAX;
		rec->nwords %= 128;
		rec->nsegs %= 8;
		if (rec->nwords + rec->nsegs > n)
			rec->nwords = rec->nsegs = 0;
		for (unsigned i = 0; i < rec->nwords; i++)
			words[i] = repaired(words[i]);
		for (unsigned i = 0; i < rec->nsegs; i++) {
			uint64_t *seg = &words[rec->nwords + i];
			uint64_t addr = *seg & 1 ? 0 : MEMORY | (*seg & 0xff8);

			*seg = SCOPE_SEG(addr, SCOPE_SEG_WORDS(*seg) & 63);
		}
		for (unsigned i = 0; i < 7 && rec->kind != SCOPE_KIND_LOSS; i++)
			rec->a[i] = repaired(rec->a[i]);
		rec->len = SCOPE_REC_BYTES + 8u * (rec->nwords + rec->nsegs);
		at += rec->len;
	}
	b->used = at;
}

/* Of the exact size, so that what is read behind its end is found. */
static struct scope_batch *make_batch(const uint8_t *data, size_t size,
				      bool is_repaired)
{
	struct scope_batch *b;

	if (size > SCOPE_BATCH_BYTES)
		size = SCOPE_BATCH_BYTES;
	b = malloc(offsetof(struct scope_batch, data) + size);
	if (!b)
		abort();
	memset(b, 0, offsetof(struct scope_batch, data));
	memcpy(b->data, data, size);
	b->used = (uint32_t)size;
	if (is_repaired)
		repair(b);
	return b;
}

static void on_done(void *arg, struct scope_batch *b)
{
	(void)arg;
	batches_out++;
	free(b);
}

static void on_event(void *arg, struct scope_event *ev)
{
	static char line[1u << 22];
	struct scope_buf out = scope_buf_of(line, sizeof(line));
	json_error_t why;
	json_t *j;

	/* Names of invalid UTF-8 and terms without end come out too. */
	if (scope_json_event(arg, ev, &out) < 0)
		return;
	/* Integers beyond 63 bits are none to jansson. */
	j = json_loadb(out.p, out.len,
		       JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &why);
	if (!j) {
		(void)fprintf(stderr, "%s at %d\n%.*s", why.text,
			      why.position, (int)out.len, out.p);
		abort();
	}
	json_decref(j);
}

static void run(const uint8_t *data, size_t size, unsigned flags)
{
	scope_auto(scope_decoder) d = NULL;
	scope_auto(scope_order) o = scope_order_new(on_done, NULL);
	unsigned syntax = flags & F_SYNTAX;
	struct scope_decode_opts opts = {
		.kinds = flags & F_FEW ? 0x0000080000100cull : ~0ull,
		.term_words = flags & F_CONTENTS ? 64 : 0,
		.jit_descriptor = MEMORY,
		.emit = on_event,
		.arg = now.w->json[syntax < 3 ? syntax : 0],
	};
	size_t half = size / 2 & ~(size_t)7;

	if (!(flags & F_BOTH))
		opts.kinds &= ~SCOPE_KIND_BIT(SCOPE_KIND_MSG_RECEIVE);
	if (!o || scope_decoder_new(&now, &opts, &d, NULL) < 0)
		abort();
	batches_out = 0;
	scope_decoder_learn_code(d);
	(void)scope_decoder_introduce(d, 1, NULL);
	for (int i = 0; i < 2; i++) {
		struct scope_batch *b =
			make_batch(data + (i ? half : 0),
				   i ? size - half : half, flags & F_REPAIR);
		const struct scope_rec *rec;

		b->safe_ns = i ? UINT64_MAX : memory_word(0);
		(void)scope_order_add(o, b);
		while ((rec = scope_order_next(o)))
			(void)scope_decoder_record(d, rec);
	}
	if (batches_out != 2)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned release;
	size_t words;

	if (size < 8)
		return 0;
	release = data[0] % 4;
	if (!worlds[release])
		worlds[release] = make_world(releases[release]);
	words = data[2] | (size_t)data[3] << 8;
	if (words > (size - 8) / 8)
		words = (size - 8) / 8;
	now = (struct scope_target){
		.w = worlds[release],
		.memory = data + 8,
		.memory_bytes = 8 * words,
	};
	run(data + 8 + 8 * words, size - 8 - 8 * words, data[1]);
	return 0;
}
