/* SPDX-License-Identifier: MIT */
/*
 * struct ranges r[3], each
 *
 *    0  Range *modules: {start, end}, sorted by start; end is start once the
 *       module was purged
 *    8  Sint n: how many
 *   16  Sint allocated
 *   24  Range *mid: where the last search ended
 *
 * start is the module's BeamCodeHeader: UWord num_functions first, and at
 * ch_functions that many pointers to ErtsCodeInfo, and one more to the end.
 * An ErtsCodeInfo, with the MFA, stands before each function's code. At
 * LINE_TABLE there is, or is not, a BeamCodeLineTab:
 *
 *    0  Eterm *fname_ptr: atoms
 *    8  int loc_size: 2 or 4, bytes of a location
 *   16  the locations, one of each line: file << 24 | line; file 0 is the
 *       module's own, others are counted from 1; all 0: not known
 *   24  num_functions + 1 pointers into an array of code addresses, in which
 *       each function has its lines, and which has one more at its end
 */
#include "target/ranges.h"

#include <errno.h>
#include <string.h>

#define INDICES 3
#define TABLE_BYTES 32
/* The preloaded modules and what a node needs to start are more. */
#define MODULES_MIN 16
#define TRIES 3
#define CHUNK (64u << 10)
#define CACHED 256 /* a power of 2 */
#define ARITY_MAX 255
#define LINE_TABLE 72 /* in the head: beam_load.h (23), beam_code.h (25-29) */
#define LINE_TABLE_FUNCTIONS 24
#define LINE_BITS 24
/* Memory that is searched, and what in it is looked at closely. */
#define SEARCH_MAX (256ull << 20)
#define CANDIDATES_MAX 64

struct table {
	uint64_t modules, n, allocated, mid;
};

struct range {
	uint64_t start, end;
};

struct lines {
	uint64_t files;	   /* address of their names */
	uint64_t *at;	   /* owned; n + 1 code addresses */
	uint32_t *loc;	   /* owned; n */
	uint32_t *first;   /* owned; of each function, and n */
	uint32_t n;
};

struct module {
	struct range at;
	uint64_t *functions; /* owned; n + 1 of them, or NULL: not read */
	uint32_t n;
	bool is_refused; /* they are none */
	bool has_looked; /* for lines, which were read if there are any */
	struct lines lines;
};

struct cached {
	uint64_t addr; /* 0: none */
	struct scope_mfa mfa;
};

struct scope_ranges {
	const struct scope_vm *vm; /* borrowed */
	uint64_t tables, active;
	uint32_t index; /* that the modules were read from */
	struct module *modules; /* owned */
	size_t n;
	size_t functions; /* of all modules that were read */
	size_t lines;	  /* the same */
	struct cached cache[CACHED];
};

static int read_at(const struct scope_vm *vm, uint64_t addr, void *buf,
		   size_t len)
{
	return vm->read(vm->arg, addr, buf, len);
}

/* Could this be the table of an index that is in use? */
static bool is_table(const struct table *t)
{
	return t->n >= MODULES_MIN && t->n <= SCOPE_RANGES_MODULES &&
	       t->n <= t->allocated && t->allocated <= 2 * SCOPE_RANGES_MODULES &&
	       t->modules && (t->modules & 7) == 0 && t->modules >> 47 == 0 &&
	       t->mid >= t->modules && t->mid <= t->modules + 16 * t->n;
}

/* Or of one that is not, yet: a node that has loaded nothing since it started
 * uses two of three. */
static bool is_other(const struct table *t)
{
	return (!t->modules && !t->n && !t->allocated && !t->mid) ||
	       (t->n <= t->allocated &&
		t->allocated <= 2 * SCOPE_RANGES_MODULES && t->modules &&
		(t->modules & 7) == 0 && t->modules >> 47 == 0);
}

static bool is_sorted(const struct range *r, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (r[i].start == 0 || (r[i].start & 7) != 0 ||
		    r[i].end < r[i].start ||
		    (i + 1 < n && r[i].end > r[i + 1].start))
			return false;
	return true;
}

/* The functions of a module: pointers into its code, in order. */
static int read_functions(const struct scope_vm *vm, const struct range *m,
			  size_t most, uint64_t **ret, uint32_t *ret_n)
{
	scope_autofree uint64_t *f = NULL;
	uint64_t n, at = m->start + vm->layout->ch_functions;
	int r = read_at(vm, m->start, &n, sizeof(n));

	if (r < 0)
		return r;
	if (n == 0 || n > most || at + 8 * (n + 1) > m->end)
		return -EBADMSG;
	f = malloc(8 * (n + 1));
	if (!f)
		return -ENOMEM;
	r = read_at(vm, at, f, 8 * (n + 1));
	if (r < 0)
		return r;
	for (uint64_t i = 0; i < n; i++)
		if (f[i] <= m->start || f[i] >= f[i + 1] ||
		    f[i + 1] > m->end)
			return -EBADMSG;
	*ret = scope_take(f);
	*ret_n = (uint32_t)n;
	return 0;
}

static int read_mfa(const struct scope_vm *vm, uint64_t info,
		    struct scope_mfa *ret)
{
	uint64_t w[3];
	int r = read_at(vm, info + vm->layout->ci_mfa, w, sizeof(w));

	if (r < 0)
		return r;
	if (!scope_is_atom(w[0]) || !scope_is_atom(w[1]) || w[2] > ARITY_MAX)
		return -EBADMSG;
	*ret = (struct scope_mfa){ w[0], w[1], w[2] };
	return 0;
}

static int read_ranges(const struct scope_vm *vm, const struct table *t,
		       struct range **ret)
{
	scope_autofree struct range *r = malloc(t->n * sizeof(*r));
	int rc;

	if (!r)
		return -ENOMEM;
	rc = read_at(vm, t->modules, r, t->n * sizeof(*r));
	if (rc < 0)
		return rc;
	if (!is_sorted(r, t->n))
		return -EBADMSG;
	*ret = scope_take(r);
	return 0;
}

/* Do the first modules of a table have functions, and those names? */
static bool has_modules(const struct scope_vm *vm, const struct table *t)
{
	scope_autofree struct range *r = NULL;

	if (!is_table(t) || read_ranges(vm, t, &r) < 0)
		return false;
	for (size_t i = 0; i < MODULES_MIN; i++) {
		scope_autofree uint64_t *f = NULL;
		struct scope_mfa mfa;
		uint32_t n;

		if (r[i].start == r[i].end)
			continue; /* purged */
		if (read_functions(vm, &r[i], SCOPE_RANGES_FUNCTIONS, &f, &n) <
			    0 ||
		    read_mfa(vm, f[0], &mfa) < 0)
			return false;
	}
	return true;
}

static bool are_tables(const uint8_t *p, uint32_t active, struct table *ret)
{
	struct table t[INDICES];

	memcpy(t, p, sizeof(t));
	if (!is_table(&t[active]))
		return false;
	for (unsigned i = 0; i < INDICES; i++)
		if (!is_other(&t[i]))
			return false;
	*ret = t[active];
	return true;
}

int scope_ranges_locate(const struct scope_vm *vm, uint64_t lo, uint64_t hi,
			uint32_t active, uint64_t *ret_tables)
{
	const size_t need = INDICES * TABLE_BYTES;
	scope_autofree uint8_t *buf = malloc(CHUNK + need);
	unsigned candidates = 0;
	uint64_t found = 0;
	struct table t;

	_Static_assert(sizeof(struct table) == TABLE_BYTES, "struct ranges");
	if (!buf)
		return -ENOMEM;
	if (active >= INDICES)
		return -EBADMSG;
	if (hi > lo && hi - lo > SEARCH_MAX)
		hi = lo + SEARCH_MAX;
	for (lo = (lo + 7) & ~7ull; lo < hi && hi - lo >= need; lo += CHUNK) {
		size_t n = hi - lo < CHUNK + need ? (size_t)(hi - lo) :
						    CHUNK + need;

		if (read_at(vm, lo, buf, n) < 0)
			continue;
		for (size_t at = 0; at + need <= n && at < CHUNK; at += 8) {
			if (!are_tables(buf + at, active, &t))
				continue;
			if (++candidates > CANDIDATES_MAX)
				return -ENOENT;
			if (!has_modules(vm, &t))
				continue;
			if (found)
				return -ENOENT;
			found = lo + at;
		}
	}
	if (!found)
		return -ENOENT;
	*ret_tables = found;
	return 0;
}

struct scope_ranges *scope_ranges_new(const struct scope_vm *vm,
				      uint64_t tables, uint64_t active)
{
	struct scope_ranges *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->vm = vm;
	r->tables = tables;
	r->active = active;
	return r;
}

static void free_lines(struct lines *l)
{
	free(l->at);
	free(l->loc);
	free(l->first);
	*l = (struct lines){ 0 };
}

static void forget(struct scope_ranges *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->modules[i].functions);
		free_lines(&r->modules[i].lines);
	}
	free(r->modules);
	r->modules = NULL;
	r->n = r->functions = r->lines = 0;
	memset(r->cache, 0, sizeof(r->cache));
}

void scope_ranges_free(struct scope_ranges *r)
{
	if (!r)
		return;
	forget(r);
	free(r);
}

/* The table in use, and which it is. */
static int read_table(const struct scope_ranges *r, struct table *ret,
		      uint32_t *ret_active)
{
	int rc = read_at(r->vm, r->active, ret_active, sizeof(*ret_active));

	if (rc < 0)
		return rc;
	if (*ret_active >= INDICES)
		return -EBADMSG;
	rc = read_at(r->vm, r->tables + (uint64_t)*ret_active * TABLE_BYTES,
		     ret, sizeof(*ret));
	if (rc < 0)
		return rc;
	return is_table(ret) ? 0 : -EBADMSG;
}

/* A load makes another index the one in use, and a purge changes a range. */
static bool is_known(const struct scope_ranges *r, uint32_t index,
		     const struct range *at, size_t n)
{
	if (index != r->index || n != r->n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (memcmp(&at[i], &r->modules[i].at, sizeof(*at)) != 0)
			return false;
	return true;
}

/* -EAGAIN: it changed meanwhile. */
static int learn(struct scope_ranges *r)
{
	scope_autofree struct range *at = NULL;
	struct module *modules;
	struct table t, now;
	uint32_t index, index_now;
	int rc = read_table(r, &t, &index);

	if (rc == 0)
		rc = read_ranges(r->vm, &t, &at);
	if (rc == 0)
		rc = read_table(r, &now, &index_now);
	if (rc < 0)
		return rc;
	if (index != index_now || t.modules != now.modules || t.n != now.n)
		return -EAGAIN;
	if (is_known(r, index, at, t.n))
		return 0;
	modules = calloc(t.n, sizeof(*modules));
	if (!modules)
		return -ENOMEM;
	forget(r);
	for (size_t i = 0; i < t.n; i++)
		modules[i].at = at[i];
	r->modules = modules;
	r->n = t.n;
	r->index = index;
	return 0;
}

int scope_ranges_sync(struct scope_ranges *r)
{
	int rc = -EAGAIN;

	for (int i = 0; i < TRIES && (rc == -EAGAIN || rc == -EBADMSG ||
				      rc == -EFAULT);
	     i++)
		rc = learn(r);
	return rc;
}

/* The last of n sorted numbers that is not above v, of which the first is
 * not. */
static size_t last_below(const uint64_t *at, size_t n, size_t stride,
			 uint64_t v)
{
	size_t lo = 0, hi = n;

	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		if (at[mid * stride] <= v)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

static struct module *module_of(struct scope_ranges *r, uint64_t addr)
{
	struct module *m;
	size_t i;

	if (!r->n || addr < r->modules[0].at.start)
		return NULL;
	i = last_below(&r->modules[0].at.start, r->n,
		       sizeof(*m) / sizeof(uint64_t), addr);
	m = &r->modules[i];
	return addr < m->at.end ? m : NULL;
}

/* The functions of a module, read when first asked for. */
static int open_module(struct scope_ranges *r, struct module *m)
{
	int rc;

	if (m->is_refused)
		return -ENOENT;
	if (m->functions)
		return 0;
	rc = read_functions(r->vm, &m->at,
			    SCOPE_RANGES_FUNCTIONS - r->functions,
			    &m->functions, &m->n);
	m->is_refused = rc == -EBADMSG;
	if (rc == 0)
		r->functions += m->n;
	return rc;
}

/* Which function of which module. */
static int locate(struct scope_ranges *r, uint64_t addr,
		  struct module **ret_module, size_t *ret_index)
{
	struct module *m = module_of(r, addr);
	int rc = m ? open_module(r, m) : -ENOENT;

	if (rc < 0)
		return rc;
	if (addr < m->functions[0] || addr >= m->functions[m->n])
		return -ENOENT;
	*ret_module = m;
	*ret_index = last_below(m->functions, m->n, 1, addr);
	return 0;
}

int scope_ranges_find(struct scope_ranges *r, uint64_t addr,
		      struct scope_mfa *ret_mfa)
{
	struct cached *c = &r->cache[(addr >> 3) % CACHED];
	struct module *m;
	size_t i;
	int rc;

	if (addr && c->addr == addr) {
		*ret_mfa = c->mfa;
		return 0;
	}
	rc = locate(r, addr, &m, &i);
	if (rc == 0)
		rc = read_mfa(r->vm, m->functions[i], ret_mfa);
	if (rc == 0)
		*c = (struct cached){ addr, *ret_mfa };
	return rc;
}

/* -- lines ----------------------------------------------------------------- */

/* Where the lines of each function are: indices from pointers. */
static int read_first(const struct scope_vm *vm, uint64_t table, uint32_t n,
		      size_t most, struct lines *l, uint64_t *ret_at)
{
	scope_autofree uint64_t *p = malloc(8 * ((size_t)n + 1));
	int rc;

	l->first = malloc(sizeof(*l->first) * ((size_t)n + 1));
	if (!p || !l->first)
		return -ENOMEM;
	rc = read_at(vm, table + LINE_TABLE_FUNCTIONS, p, 8 * ((size_t)n + 1));
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i <= n; i++) {
		uint64_t to = p[i] - p[0];

		if ((to & 7) != 0 || to / 8 > most ||
		    (i && p[i] < p[i - 1]))
			return -EBADMSG;
		l->first[i] = (uint32_t)(to / 8);
	}
	l->n = l->first[n];
	*ret_at = p[0];
	return 0;
}

static int read_locations(const struct scope_vm *vm, uint64_t addr,
			  uint32_t size, struct lines *l)
{
	int rc;

	if (size != 2 && size != 4)
		return -EBADMSG;
	l->loc = malloc(4 * (size_t)l->n + 4);
	if (!l->loc)
		return -ENOMEM;
	rc = l->n ? read_at(vm, addr, l->loc, (size_t)size * l->n) : 0;
	/* From the last on, as they grow in place. */
	for (uint32_t i = l->n; rc == 0 && size == 2 && i--;) {
		uint16_t v;

		memcpy(&v, (uint8_t *)l->loc + 2 * (size_t)i, 2);
		l->loc[i] = v;
	}
	return rc;
}

static int read_lines(const struct scope_vm *vm, const struct module *m,
		      size_t most, struct lines *l)
{
	uint64_t table, head[3], at = 0;
	int rc = read_at(vm, m->at.start + LINE_TABLE, &table, 8);

	if (rc < 0 || !table)
		return rc;
	rc = read_at(vm, table, head, sizeof(head));
	if (rc == 0)
		rc = read_first(vm, table, m->n, most, l, &at);
	if (rc == 0)
		rc = read_locations(vm, head[2], (uint32_t)head[1], l);
	if (rc < 0)
		return rc;
	l->files = head[0];
	l->at = malloc(8 * ((size_t)l->n + 1));
	if (!l->at)
		return -ENOMEM;
	return read_at(vm, at, l->at, 8 * ((size_t)l->n + 1));
}

static void open_lines(struct scope_ranges *r, struct module *m)
{
	struct lines l = { 0 };

	if (m->has_looked)
		return;
	m->has_looked = true;
	if (read_lines(r->vm, m, SCOPE_RANGES_LINES - r->lines, &l) < 0) {
		free_lines(&l);
		return;
	}
	m->lines = l;
	r->lines += l.n;
}

/* As lookup_loc in beam_ranges.c does. */
static void find_line(struct scope_ranges *r, struct module *m, size_t i,
		      uint64_t addr, struct scope_range_place *p)
{
	const struct lines *l = &m->lines;
	uint32_t from, to, loc, file;
	uint64_t name;
	size_t k;

	open_lines(r, m);
	if (!l->n)
		return;
	from = l->first[i];
	to = l->first[i + 1];
	if (from == to || addr < l->at[from])
		return;
	k = from + last_below(l->at + from, to - from, 1, addr);
	if (addr >= l->at[k + 1])
		return;
	loc = l->loc[k];
	file = loc >> LINE_BITS;
	p->line = loc & ((1u << LINE_BITS) - 1);
	if (file && read_at(r->vm, l->files + 8 * (file - 1ull), &name, 8) == 0 &&
	    scope_is_atom(name))
		p->file = name;
	else if (file)
		p->line = 0; /* of a file that is not known */
}

static int place_of(struct scope_ranges *r, const struct module *m, size_t i,
		    struct scope_range_place *p)
{
	*p = (struct scope_range_place){
		.start = m->functions[i],
		.end = m->functions[i + 1],
		.entry = m->functions[i] + r->vm->layout->ci_mfa +
			 sizeof(struct scope_mfa),
	};
	return read_mfa(r->vm, m->functions[i], &p->mfa);
}

int scope_ranges_place(struct scope_ranges *r, uint64_t addr,
		       struct scope_range_place *ret_place)
{
	struct module *m;
	size_t i;
	int rc = locate(r, addr, &m, &i);

	if (rc == 0)
		rc = place_of(r, m, i, ret_place);
	if (rc == 0)
		find_line(r, m, i, addr, ret_place);
	return rc;
}

int scope_ranges_each(struct scope_ranges *r,
		      int (*fn)(void *arg, const struct scope_range_place *p),
		      void *arg)
{
	int rc = 0;

	for (size_t k = 0; rc == 0 && k < r->n; k++) {
		struct module *m = &r->modules[k];
		struct scope_range_place p;

		if (m->at.start == m->at.end || open_module(r, m) < 0)
			continue;
		for (size_t i = 0; rc == 0 && i < m->n; i++)
			if (place_of(r, m, i, &p) == 0)
				rc = fn(arg, &p);
	}
	return rc;
}

size_t scope_ranges_modules(const struct scope_ranges *r)
{
	return r->n;
}
