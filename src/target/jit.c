/* SPDX-License-Identifier: MIT */
/*
 * The descriptor is u32 version, u32 action, relevant entry, first entry; the
 * first entry is the newest. What an entry leads to is in code.c.
 *
 * Ranges are named as erts_snprintf("%T:%T/%d") prints functions: each atom is
 * quoted where it must be, with \\ \' \n \f \t \r \b \v and, for other control
 * characters, three octal digits of the code point. Beside functions there are
 *
 *   M:F/A-CodeInfoPrologue  its ErtsCodeInfo and the place for a breakpoint,
 *                           just before it. A process that was preempted at the
 *                           function's entry goes on in there, so it counts as
 *                           the function, as in erts_find_function_from_pc
 *   global::FRAGMENT        the JIT's own code, taken as a function
 *   MODULE::codeHeader, MODULE::codeFooter
 *
 * A module is kept as one block: functions, lines, files and text, with offsets
 * of 32 bits from the module's base and into the text.
 */
#include "target/jit.h"

#include <errno.h>
#include <string.h>

#include "base/map.h"
#include "target/code.h"

#define FIRST_AT 16 /* the first entry, in the descriptor */
#define PROLOGUE "-CodeInfoPrologue"
#define FRAGMENT "global::"
#define NAME_MAX_LEN 0x7fffu
#define ARITY_MAX 255
/* A location is file << 24 | line (beam_code.h, LOC_FILE): the same here, with
 * this file for those that are not known. */
#define LINE_BITS 24
#define NO_FILE 255u
#define FILES_MAX 255u
#define FILE_SLOTS 512u /* a power of 2 */
#define SYNC_TRIES 3

struct function {
	uint32_t start, end; /* from the module's base */
	uint32_t text;	     /* where its name is */
	uint32_t line;	     /* its first; the last is before the next one's */
	uint16_t len : 15;   /* of its name */
	uint16_t is_fragment : 1;
	uint8_t arity;
	uint8_t prologue; /* bytes, at its start */
};

struct line {
	uint32_t start;
	uint32_t loc;
};

struct file {
	uint32_t text;
	uint32_t len;
};

struct module {
	struct scope_jit_module info;
	uint64_t entry;
	struct scope_code_entry from;
	uint64_t walk; /* the walk, or the event, that saw it last */
	size_t size;   /* of this block */
	uint32_t nlines;
	struct function *functions; /* by address; these point into the block */
	struct line *lines;
	struct file *files;
	char *text;
};

struct scope_jit {
	scope_read_fn *read;
	void *arg; /* borrowed, for read */
	uint64_t descriptor;
	struct module **modules; /* owned; by base, disjoint */
	size_t n, cap;
	struct scope_map *entries; /* owned: entry -> module */
	uint64_t walk;
	uint64_t head; /* the first entry at the last sync */
	struct scope_code_entry head_was;
	bool is_whole; /* nothing more to find behind what is known */
	unsigned tries;
	uint64_t learned; /* modules in this walk, newest first */
	uint64_t changes;
	struct scope_jit_usage usage;
};

/* -- names ----------------------------------------------------------------- */

static char *put(char *out, size_t *n, uint8_t c)
{
	if (out)
		out[*n] = (char)c;
	++*n;
	return out;
}

/* The character behind a backslash; false: there is none. */
static bool take_escape(const char **at, const char *end, char *out, size_t *n)
{
	static const char from[] = "nftrbv\\'", to[] = "\n\f\t\r\b\v\\'";
	const char *p = *at, *known;
	unsigned c = 0;

	if (p == end || !*p)
		return false;
	known = strchr(from, *p);
	if (known) {
		put(out, n, (uint8_t)to[known - from]);
		*at = p + 1;
		return true;
	}
	for (int i = 0; i < 3; i++, p++) {
		if (p == end || *p < '0' || *p > '7')
			return false;
		c = c * 8 + (unsigned)(*p - '0');
	}
	*at = p;
	if (c >= 0x80) {
		/* A code point below 256, of two bytes. */
		put(out, n, (uint8_t)(0xc0 | (c >> 6 & 3)));
		c = 0x80 | (c & 0x3f);
	}
	put(out, n, (uint8_t)c);
	return true;
}

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '_' || (c & 0x80);
}

/*
 * Take a printed atom; its text goes to `out`, if not NULL, and *ret is its
 * length. false: there is none (and something may have been put out).
 */
static bool take_atom(const char **at, const char *end, char *out, size_t *ret)
{
	const char *p = *at;
	size_t n = 0;

	if (p < end && *p == '\'') {
		for (p++; p < end && *p != '\'';) {
			char c = *p++;

			if (c != '\\')
				put(out, &n, (uint8_t)c);
			else if (!take_escape(&p, end, out, &n))
				return false;
		}
		if (p == end)
			return false;
		p++;
	} else {
		while (p < end && is_plain(*p))
			put(out, &n, (uint8_t)*p++);
		if (n == 0)
			return false;
	}
	*at = p;
	*ret = n;
	return true;
}

/* "module:function/arity": the function's text goes to `out`, if not NULL. */
static bool take_mfa(const char *name, size_t len, char *out, size_t *ret_len,
		     unsigned *ret_arity)
{
	const char *p = name, *end = name + len;
	unsigned arity = 0;
	size_t n;

	if (!take_atom(&p, end, NULL, &n) || p == end || *p++ != ':' ||
	    !take_atom(&p, end, out, &n) || end - p < 2 || *p++ != '/')
		return false;
	for (; p < end && arity <= ARITY_MAX; p++) {
		if (*p < '0' || *p > '9')
			return false;
		arity = arity * 10 + (unsigned)(*p - '0');
	}
	if (arity > ARITY_MAX || n > NAME_MAX_LEN)
		return false;
	*ret_len = n;
	*ret_arity = arity;
	return true;
}

static bool is_fragment(const char *name, size_t len)
{
	const size_t n = sizeof(FRAGMENT) - 1;

	return len > n && len - n <= NAME_MAX_LEN && !memcmp(name, FRAGMENT, n);
}

/* The same of a fragment of the JIT, whose name is no atom. */
static bool take_name(const struct scope_code_range *r, char *out,
		      size_t *ret_len, unsigned *ret_arity)
{
	const size_t n = sizeof(FRAGMENT) - 1;

	if (!is_fragment(r->name, r->len))
		return take_mfa(r->name, r->len, out, ret_len, ret_arity);
	if (out)
		memcpy(out, r->name + n, r->len - n);
	*ret_len = r->len - n;
	*ret_arity = 0;
	return true;
}

static bool is_prologue(const struct scope_code_range *r)
{
	const size_t n = sizeof(PROLOGUE) - 1;

	return r->len >= n && !memcmp(r->name + r->len - n, PROLOGUE, n);
}

/* -- one module ------------------------------------------------------------ */

struct files {
	const char *name[FILES_MAX];
	size_t len[FILES_MAX];
	uint16_t slot[FILE_SLOTS]; /* hash to number + 1 */
	unsigned n, last;
	size_t text;
};

static bool is_file(const struct files *f, unsigned i, const char *s, size_t n)
{
	return i < f->n && f->len[i] == n && !memcmp(f->name[i], s, n);
}

/* The number of a file, among those of this module; NO_FILE: none, or one too
 * many. */
static unsigned file_number(struct files *f, const char *s, size_t n)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	if (n == 0)
		return NO_FILE;
	if (is_file(f, f->last, s, n))
		return f->last;
	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)s[i]) * 16777619u;
	h %= FILE_SLOTS;
	while (f->slot[h] && !is_file(f, f->slot[h] - 1u, s, n))
		h = (h + 1) % FILE_SLOTS;
	if (!f->slot[h]) {
		if (f->n == FILES_MAX)
			return NO_FILE;
		f->name[f->n] = s;
		f->len[f->n] = n;
		f->text += n;
		f->slot[h] = (uint16_t)++f->n;
	}
	f->last = f->slot[h] - 1u;
	return f->last;
}

struct sizes {
	size_t functions, lines, text;
};

/* Go through the functions of a symbol file: count them, and with `m` also fill
 * it in. Both times the same is seen. */
static int scan(struct scope_code c, struct files *files, struct sizes *ret,
		struct module *m)
{
	struct scope_code_range r, pro = { 0 };
	struct scope_code_line l;
	struct sizes n = { 0 };
	uint32_t end = 0;
	int rc;

	while ((rc = scope_code_next(&c, &r)) > 0) {
		uint32_t entry = r.start;
		unsigned arity;
		size_t len;

		if (is_prologue(&r)) {
			pro = r;
			continue;
		}
		/* Written only once it is known to be whole. */
		if (!take_name(&r, NULL, &len, &arity))
			continue;
		if (pro.name && pro.end == r.start &&
		    pro.end - pro.start <= UINT8_MAX)
			r.start = pro.start;
		if (r.start < end || r.end > c.bytes)
			return -EBADMSG;
		end = r.end;
		if (m) {
			(void)take_name(&r, m->text + n.text, &len, &arity);
			m->functions[n.functions] = (struct function){
				.start = r.start,
				.end = r.end,
				.text = (uint32_t)n.text,
				.len = (uint16_t)len & NAME_MAX_LEN,
				.is_fragment = is_fragment(r.name, r.len),
				.prologue = (uint8_t)(entry - r.start),
				.line = (uint32_t)n.lines,
				.arity = (uint8_t)arity,
			};
		}
		n.functions++;
		n.text += len;
		while ((rc = scope_code_next_line(&c, &l)) > 0) {
			unsigned file = file_number(files, l.file, l.len);

			if (l.line >> LINE_BITS)
				l.line = 0;
			if (m)
				m->lines[n.lines] = (struct line){
					.start = l.start,
					.loc = file << LINE_BITS | l.line,
				};
			n.lines++;
		}
		if (rc < 0)
			return rc;
	}
	*ret = n;
	return rc;
}

/* Bytes of the block; -ENOSPC: more than there may be. */
static int64_t block_size(const struct scope_code *c, const struct sizes *n,
			  const struct files *f)
{
	size_t size = sizeof(struct module) +
		      n->functions * sizeof(struct function) +
		      n->lines * sizeof(struct line) +
		      f->n * sizeof(struct file) + n->text + f->text +
		      c->module_len;

	/* No sum overflows: all of it is in a file of at most 2^26 bytes. */
	return size > SCOPE_JIT_BYTES ? -ENOSPC : (int64_t)size;
}

static struct module *make_block(const struct scope_code *c,
				 const struct sizes *n, const struct files *f,
				 size_t size)
{
	struct module *m = calloc(1, size);
	size_t text = n->text;

	if (!m)
		return NULL;
	m->size = size;
	m->functions = (struct function *)(m + 1);
	m->lines = (struct line *)(m->functions + n->functions);
	m->files = (struct file *)(m->lines + n->lines);
	m->text = (char *)(m->files + f->n);
	m->nlines = (uint32_t)n->lines;
	for (unsigned i = 0; i < f->n; i++) {
		m->files[i] = (struct file){ (uint32_t)text,
					     (uint32_t)f->len[i] };
		memcpy(m->text + text, f->name[i], f->len[i]);
		text += f->len[i];
	}
	if (c->module_len)
		memcpy(m->text + text, c->module, c->module_len);
	m->info = (struct scope_jit_module){
		.name = m->text + text,
		.name_len = (uint32_t)c->module_len,
		.functions = (uint32_t)n->functions,
		.bytes = c->bytes,
		.base = c->base,
	};
	return m;
}

/* A module from its symbol file; `room` bytes are left for it. */
static int parse(const uint8_t *sym, size_t len, size_t room,
		 struct module **ret_module)
{
	scope_autofree struct files *files = calloc(1, sizeof(*files));
	scope_autofree struct module *m = NULL;
	struct sizes n = { 0 };
	struct scope_code c;
	int64_t size;
	int r;

	if (!files)
		return -ENOMEM;
	r = scope_code_open(sym, len, &c);
	if (r < 0)
		return r;
	r = scan(c, files, &n, NULL);
	if (r < 0)
		return r;
	size = block_size(&c, &n, files);
	if (size < 0 || (size_t)size > room)
		return -ENOSPC;
	m = make_block(&c, &n, files, (size_t)size);
	if (!m)
		return -ENOMEM;
	r = scan(c, files, &n, m);
	if (r == 0)
		*ret_module = scope_take(m);
	return r;
}

/* -- all modules ----------------------------------------------------------- */

struct scope_jit *scope_jit_new(scope_read_fn *read, void *arg,
				uint64_t descriptor)
{
	struct scope_jit *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->read = read;
	j->arg = arg;
	j->descriptor = descriptor;
	j->entries = scope_map_new(SCOPE_JIT_MODULES);
	if (!j->entries) {
		free(j);
		return NULL;
	}
	return j;
}

void scope_jit_free(struct scope_jit *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < j->n; i++)
		free(j->modules[i]);
	free(j->modules);
	scope_map_free(j->entries);
	free(j);
}

static struct module *known(const struct scope_jit *j, uint64_t entry)
{
	uint64_t at;

	/* There is no entry 0. */
	if (!entry || !scope_map_get(j->entries, entry, &at))
		return NULL;
	return (struct module *)(uintptr_t)at;
}

/* The first module that ends behind an address. */
static size_t place_of(const struct scope_jit *j, uint64_t addr)
{
	size_t lo = 0, hi = j->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct scope_jit_module *m = &j->modules[mid]->info;

		if (m->base + m->bytes <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The first module from `at` on that begins at or behind an address. */
static size_t overlap_end(const struct scope_jit *j, size_t at, uint64_t end)
{
	while (at < j->n && j->modules[at]->info.base < end)
		at++;
	return at;
}

static void forget(struct scope_jit *j, size_t from, size_t to)
{
	j->changes += to - from;
	for (size_t i = from; i < to; i++) {
		struct module *m = j->modules[i];

		(void)scope_map_take(j->entries, m->entry, NULL);
		j->usage.functions -= m->info.functions;
		j->usage.lines -= m->nlines;
		j->usage.bytes -= m->size;
		free(m);
	}
	if (from < to)
		memmove(j->modules + from, j->modules + to,
			(j->n - to) * sizeof(*j->modules));
	j->n -= to - from;
	j->usage.modules = j->n;
}

void scope_jit_removed(struct scope_jit *j, uint64_t entry)
{
	const struct module *m = known(j, entry);
	size_t at;

	if (!m)
		return;
	at = place_of(j, m->info.base);
	forget(j, at, at + 1);
}

static int insert(struct scope_jit *j, struct module *m)
{
	size_t at, to;
	int r;

	if (j->n == j->cap) {
		size_t cap = j->cap ? 2 * j->cap : 256;
		struct module **more = realloc(j->modules,
					       cap * sizeof(*more));

		if (!more)
			return -ENOMEM;
		j->modules = more;
		j->cap = cap;
	}
	at = place_of(j, m->info.base);
	to = overlap_end(j, at, m->info.base + m->info.bytes);
	forget(j, at, to);
	r = scope_map_put(j->entries, m->entry, (uintptr_t)m);
	if (r < 0)
		return r;
	memmove(j->modules + at + 1, j->modules + at,
		(j->n - at) * sizeof(*j->modules));
	j->modules[at] = m;
	j->n++;
	j->changes++;
	j->usage.modules = j->n;
	j->usage.functions += m->info.functions;
	j->usage.lines += m->nlines;
	j->usage.bytes += m->size;
	return 0;
}

/* Is the memory of an entry a newer module's? */
static bool is_taken(const struct scope_jit *j,
		     const struct scope_code_entry *e)
{
	size_t at = place_of(j, e->base);
	size_t to = overlap_end(j, at, e->base + e->bytes);

	for (; at < to; at++)
		if (j->modules[at]->walk == j->walk)
			return true;
	return false;
}

/* Do they describe the same module? */
static bool same_code(const struct scope_code_entry *a,
		      const struct scope_code_entry *b)
{
	return a->sym == b->sym && a->len == b->len && a->base == b->base &&
	       a->bytes == b->bytes;
}

/* One whose neighbour went away is not the same: it is read again. */
static bool same(const struct scope_code_entry *a,
		 const struct scope_code_entry *b)
{
	return a->next == b->next && same_code(a, b);
}

/* *e is brought up to date. */
static int read_module(struct scope_jit *j, uint64_t entry,
		       struct scope_code_entry *e, struct module **ret_module)
{
	scope_autofree uint8_t *sym = malloc(e->len);
	scope_autofree struct module *m = NULL;
	struct scope_code_entry now;
	int r;

	if (!sym)
		return -ENOMEM;
	r = j->read(j->arg, e->sym, sym, e->len);
	if (r == 0)
		r = parse(sym, e->len, SCOPE_JIT_BYTES - j->usage.bytes, &m);
	if (r < 0)
		return r;
	/* Was it freed meanwhile, and are these bytes of something else? */
	r = scope_code_entry(j->read, j->arg, entry, &now);
	if (r < 0)
		return r;
	if (!same_code(e, &now) || m->info.base != e->base ||
	    m->info.bytes != e->bytes)
		return -EBADMSG;
	e->next = now.next;
	m->entry = entry;
	m->from = *e;
	m->walk = j->walk;
	*ret_module = scope_take(m);
	return 0;
}

static int learn(struct scope_jit *j, uint64_t entry,
		 struct scope_code_entry *e)
{
	scope_autofree struct module *m = NULL;
	const struct module *was = known(j, entry);
	/* A walk goes from the newest to the oldest. */
	uint64_t age = j->walk * SCOPE_JIT_ENTRIES +
		       (SCOPE_JIT_ENTRIES - ++j->learned % SCOPE_JIT_ENTRIES);
	int r;

	if (was && same_code(&was->from, e))
		age = was->info.age;
	scope_jit_removed(j, entry);
	/* User addresses have 47 bits. */
	if (e->bytes == 0 || e->base >> 47)
		return -EBADMSG;
	if (is_taken(j, e))
		return -EEXIST;
	if (j->n >= SCOPE_JIT_MODULES)
		return -ENOSPC;
	r = read_module(j, entry, e, &m);
	if (r == 0) {
		m->info.age = age;
		r = insert(j, m);
	}
	if (r == 0)
		(void)scope_take(m);
	return r;
}

int scope_jit_added(struct scope_jit *j, uint64_t entry)
{
	struct scope_code_entry e;
	int r = scope_code_entry(j->read, j->arg, entry, &e);

	j->walk++;
	j->learned = 0;
	if (r == 0)
		r = e.is_module ? learn(j, entry, &e) : -EBADMSG;
	if (r < 0) {
		scope_jit_removed(j, entry);
		j->usage.refused++;
	}
	return r;
}

/* -- the list -------------------------------------------------------------- */

/* From the newest entry to the first that is known, or to the end of the list:
 * 0. -EFAULT: it does not come to either. */
static int walk(struct scope_jit *j, uint64_t entry)
{
	uint64_t bytes = 0, mark = 0;
	int whole = 0;

	j->walk++;
	j->learned = 0;
	for (unsigned i = 0; entry && i < SCOPE_JIT_ENTRIES; i++) {
		struct module *m = known(j, entry);
		struct scope_code_entry e;
		int r = scope_code_entry(j->read, j->arg, entry, &e);

		if (r < 0)
			return r == -ESRCH ? r : -EFAULT;
		/* In a circle it comes back to a mark (Brent's algorithm). */
		if (entry == mark)
			return -EFAULT;
		if ((i & (i + 1)) == 0)
			mark = entry;
		if (m && same(&m->from, &e)) {
			if (j->is_whole)
				break;
			m->walk = j->walk; /* newer than what follows */
		} else if (e.is_module) {
			bytes += e.len;
			r = bytes > SCOPE_JIT_READ ? -ENOSPC :
						     learn(j, entry, &e);
			if (r == -ESRCH)
				return r;
			j->usage.refused += r < 0 && r != -EEXIST;
			if (r == -EFAULT || r == -EBADMSG || r == -ENOMEM)
				whole = -EFAULT;
		} else {
			scope_jit_removed(j, entry);
		}
		entry = e.next;
	}
	return whole;
}

int scope_jit_sync(struct scope_jit *j)
{
	struct scope_code_entry e;
	uint64_t head;
	int r = j->read(j->arg, j->descriptor + FIRST_AT, &head, sizeof(head));

	if (r < 0 || head == 0)
		return r;
	r = scope_code_entry(j->read, j->arg, head, &e);
	if (r < 0)
		return r;
	if (j->is_whole && j->head == head && same(&j->head_was, &e))
		return 0;
	r = walk(j, head);
	if (r == -ESRCH)
		return r;
	j->tries = r < 0 ? j->tries + 1 : 0;
	j->is_whole = r == 0 || j->tries >= SYNC_TRIES;
	j->head = head;
	j->head_was = e;
	return r;
}

/* -- what is asked --------------------------------------------------------- */

const struct scope_jit_module *scope_jit_module(const struct scope_jit *j,
						uint64_t entry)
{
	const struct module *m = known(j, entry);

	return m ? &m->info : NULL;
}

/* The line at an offset: the last that begins at or before it. */
static void find_line(const struct module *m, const struct function *f,
		      uint32_t off, struct scope_jit_place *p)
{
	uint32_t next = f + 1 < m->functions + m->info.functions ? f[1].line :
								   m->nlines;
	uint32_t lo = f->line, hi = next;
	unsigned file;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (m->lines[mid].start <= off)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == f->line)
		return;
	p->line = m->lines[lo - 1].loc & ((1u << LINE_BITS) - 1);
	file = m->lines[lo - 1].loc >> LINE_BITS;
	if (file == NO_FILE)
		return;
	p->file = m->text + m->files[file].text;
	p->file_len = m->files[file].len;
}

static struct scope_jit_place place(const struct module *m,
				    const struct function *f)
{
	return (struct scope_jit_place){
		.module = &m->info,
		.function = m->text + f->text,
		.function_len = f->len,
		.arity = f->arity,
		.start = m->info.base + f->start,
		.end = m->info.base + f->end,
		.entry = m->info.base + f->start + f->prologue,
		.is_fragment = f->is_fragment,
	};
}

int scope_jit_find(const struct scope_jit *j, uint64_t addr,
		   struct scope_jit_place *ret_place)
{
	size_t at = place_of(j, addr);
	const struct function *f;
	const struct module *m;
	uint32_t off, lo = 0, hi;

	if (at == j->n || addr < j->modules[at]->info.base)
		return -ENOENT;
	m = j->modules[at];
	off = (uint32_t)(addr - m->info.base);
	/* The first function that ends behind it. */
	hi = m->info.functions;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (m->functions[mid].end <= off)
			lo = mid + 1;
		else
			hi = mid;
	}
	f = m->functions + lo;
	if (lo == m->info.functions || off < f->start)
		return -ENOENT;
	*ret_place = place(m, f);
	find_line(m, f, off, ret_place);
	return 0;
}

int scope_jit_each(const struct scope_jit *j,
		   int (*fn)(void *arg, const struct scope_jit_place *p),
		   void *arg)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < j->n; i++) {
		const struct module *m = j->modules[i];

		for (uint32_t k = 0; r == 0 && k < m->info.functions; k++) {
			struct scope_jit_place p = place(m, m->functions + k);

			if (!p.is_fragment)
				r = fn(arg, &p);
		}
	}
	return r;
}

uint64_t scope_jit_changes(const struct scope_jit *j)
{
	return j->changes;
}

void scope_jit_usage(const struct scope_jit *j, struct scope_jit_usage *ret)
{
	*ret = j->usage;
}
