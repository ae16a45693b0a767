/* SPDX-License-Identifier: MIT */
#include "query/expr_int.h"

#include <inttypes.h>
#include <string.h>

#include "beam/term.h"

/* A field's value: a number, or text; or nothing. */
struct got {
	bool is_there, is_number;
	int64_t number;
	bool is_unsigned; /* above INT64_MAX, number is its bits */
	const char *text;
	size_t len;
};

static bool is_field(const struct expr_node *n, const char *key)
{
	return strlen(key) == n->field_len &&
	       !memcmp(key, n->field, n->field_len);
}

static struct got number(uint64_t v)
{
	return (struct got){ .is_there = true,
			     .is_number = true,
			     .number = (int64_t)v };
}

static struct got text(const char *s, size_t len)
{
	return (struct got){ .is_there = true, .text = s, .len = len };
}

static struct got printed(struct scope_buf *out)
{
	return text(out->p, out->len);
}

/* -- inside terms ------------------------------------------------------------ */

static bool step_list(const struct scope_image *image, uint64_t *term,
		      size_t n)
{
	uint64_t list = *term, head;

	if (n > SCOPE_WORDS_MAX)
		return false;
	while (n--)
		if (scope_term_list_next(image, &list, &head) <= 0)
			return false;
	*term = head;
	return true;
}

static bool step(struct scope_vm *vm, const struct scope_image *image,
		 uint64_t *term, const struct expr_step *s)
{
	if (s->is_number && SCOPE_TAG(*term) == SCOPE_TAG_LIST)
		return step_list(image, term, s->number);
	if (s->is_number)
		return scope_term_element(image, *term, s->number - 1, term) ==
		       0;
	return scope_term_map_get(vm, image, *term, s->text, s->len, term) == 0;
}

static struct got of_term(struct scope_expr *e, const struct expr_node *n,
			  struct scope_vm *vm, const struct scope_image *image,
			  uint64_t term)
{
	struct scope_buf out = scope_buf_of(e->printed, sizeof(e->printed));

	for (size_t i = 0; i < n->npath; i++)
		if (!step(vm, image, &term, &n->path[i]))
			return (struct got){ 0 };
	if (scope_is_small(term))
		return number((uint64_t)SCOPE_SMALL(term));
	(void)scope_term_put(vm, image, term, SCOPE_SYNTAX_ERLANG, &out);
	return printed(&out);
}

/* -- fields ------------------------------------------------------------------ */

static struct got of_atom(struct scope_vm *vm, uint64_t atom)
{
	size_t len;
	const char *s = atom ? scope_vm_atom(vm, atom, &len) : NULL;

	return s ? text(s, len) : (struct got){ 0 };
}

static struct got of_mfa(struct scope_expr *e, struct scope_vm *vm,
			 const struct scope_mfa *mfa)
{
	struct scope_buf out = scope_buf_of(e->printed, sizeof(e->printed));

	scope_term_put_atom_raw(vm, mfa->module, &out);
	scope_buf_char(&out, ':');
	scope_term_put_atom_raw(vm, mfa->function, &out);
	scope_buf_char(&out, '/');
	scope_buf_u64(&out, mfa->arity);
	return printed(&out);
}

static struct got of_field(struct scope_expr *e, const struct expr_node *n,
			   struct scope_vm *vm, const struct scope_event *ev,
			   const struct scope_field *f)
{
	struct scope_buf out = scope_buf_of(e->printed, sizeof(e->printed));

	switch (scope_field_info(f->key)->type) {
	case SCOPE_T_UINT:
	case SCOPE_T_INT:
	case SCOPE_T_BOOL:
	case SCOPE_T_SHARE:
		return number(f->u);
	case SCOPE_T_TEXT:
	case SCOPE_T_JSON:
		return text(f->text, f->len);
	case SCOPE_T_ATOM:
		return of_atom(vm, f->term);
	case SCOPE_T_IDENT:
		if (scope_is_pid(f->term))
			scope_vm_put_pid(vm, f->term, &out);
		else
			(void)scope_term_put_ident(vm, &ev->image, f->term,
						   SCOPE_SYNTAX_ERLANG, &out);
		return printed(&out);
	case SCOPE_T_TERM:
	case SCOPE_T_TERMS:
		return of_term(e, n, vm, &ev->image, f->term);
	case SCOPE_T_MFA:
		return of_mfa(e, vm, &f->mfa);
	case SCOPE_T_CORR:
		scope_buf_printf(&out, "m-%" PRIx64 "-%" PRIu64, f->corr.addr,
				 f->corr.n);
		return printed(&out);
	}
	return (struct got){ 0 };
}

static struct got of_head(struct scope_expr *e, const struct expr_node *n,
			  struct scope_vm *vm, const struct scope_event *ev)
{
	struct scope_buf out = scope_buf_of(e->printed, sizeof(e->printed));
	const char *kind;

	if (is_field(n, "id"))
		return number(ev->id);
	if (is_field(n, "ts"))
		return number(ev->ts_ns);
	if (is_field(n, "mono"))
		return number(ev->mono_ns);
	if (is_field(n, "kind")) {
		kind = scope_kind_info(ev->kind)->name;
		return kind ? text(kind, strlen(kind)) : (struct got){ 0 };
	}
	if (is_field(n, "os_pid") && e->os_pid)
		return number((uint64_t)e->os_pid);
	if (is_field(n, "scheduler"))
		return ev->scheduler ? number(ev->scheduler) :
				       (struct got){ 0 };
	if (is_field(n, "node"))
		return of_atom(vm, ev->node);
	if (is_field(n, "name"))
		return of_atom(vm, ev->name);
	if (is_field(n, "pid") && ev->pid) {
		scope_vm_put_pid(vm, ev->pid, &out);
		return printed(&out);
	}
	return (struct got){ 0 };
}

/* Whether a term is cut shows when it is printed; it is no field. */
static struct got of_cut(struct scope_expr *e, struct scope_vm *vm,
			 const struct scope_event *ev)
{
	struct got g = { 0 };

	for (size_t i = 0; i < ev->nfields; i++) {
		struct scope_buf out =
			scope_buf_of(e->printed, sizeof(e->printed));
		enum scope_type type = scope_field_info(ev->fields[i].key)->type;
		unsigned met;

		if (type != SCOPE_T_TERM && type != SCOPE_T_TERMS)
			continue;
		met = scope_term_put(vm, &ev->image, ev->fields[i].term,
				     SCOPE_SYNTAX_ERLANG, &out);
		if (!g.is_there)
			g = number(0);
		if (out.full || (met & SCOPE_TERM_CUT))
			g.number = 1;
	}
	return g;
}

/* An event's own fields come first: proc.register has a name of its own. */
static struct got get(struct scope_expr *e, const struct expr_node *n,
		      struct scope_vm *vm, const struct scope_event *ev)
{
	if (is_field(n, "truncated"))
		return of_cut(e, vm, ev);
	for (size_t i = 0; i < ev->nfields; i++)
		if (is_field(n, scope_field_info(ev->fields[i].key)->key))
			return of_field(e, n, vm, ev, &ev->fields[i]);
	return of_head(e, n, vm, ev);
}

/* -- comparing ----------------------------------------------------------------- */

static bool glob(const char *pattern, size_t n, const char *s, size_t len)
{
	size_t p = 0, i = 0, star = SIZE_MAX, mark = 0;

	while (i < len) {
		if (p < n && pattern[p] == '*') {
			star = p++;
			mark = i;
		} else if (p < n && pattern[p] == s[i]) {
			p++;
			i++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			i = ++mark;
		} else {
			return false;
		}
	}
	while (p < n && pattern[p] == '*')
		p++;
	return p == n;
}

static bool is_bool(const struct expr_value *v, int64_t *ret)
{
	*ret = v->len == 4 && !memcmp(v->text, "true", 4);
	return *ret || (v->len == 5 && !memcmp(v->text, "false", 5));
}

/* A quoted value is also equal to an atom or a binary that is printed so. */
static bool is_printed(const struct expr_value *v, const struct got *g,
		       const char *open, const char *close)
{
	size_t n = strlen(open), m = strlen(close);

	return v->is_quoted && g->len == n + v->len + m &&
	       !memcmp(g->text, open, n) &&
	       !memcmp(g->text + n, v->text, v->len) &&
	       !memcmp(g->text + n + v->len, close, m);
}

static bool equals(const struct expr_node *n, const struct expr_value *v,
		   const struct got *g, const struct scope_event *ev)
{
	const char *group = scope_kind_info(ev->kind)->group;
	int64_t truth;

	if (!g->is_there)
		return false;
	if (g->is_number && v->is_number)
		return g->number == v->number;
	if (g->is_number)
		return is_bool(v, &truth) && g->number == truth;
	if (is_field(n, "kind") && group && strlen(group) == v->len &&
	    !memcmp(group, v->text, v->len))
		return true;
	if (v->is_glob)
		return glob(v->text, v->len, g->text, g->len);
	return (g->len == v->len && !memcmp(g->text, v->text, v->len)) ||
	       is_printed(v, g, "'", "'") || is_printed(v, g, "\"", "\"") ||
	       is_printed(v, g, "<<\"", "\">>") ||
	       is_printed(v, g, "<<\"", "\"/utf8>>");
}

/* -1, 0, 1; false: there is no order between them. */
static bool order(const struct expr_value *v, const struct got *g, int *ret)
{
	size_t n;
	int c;

	if (!g->is_there || g->is_number != v->is_number)
		return false;
	if (g->is_number) {
		*ret = g->number < v->number ? -1 : g->number > v->number;
		return true;
	}
	n = g->len < v->len ? g->len : v->len;
	c = memcmp(g->text, v->text, n);
	*ret = c ? c : g->len < v->len ? -1 : g->len > v->len;
	return true;
}

static bool matches(struct scope_expr *e, const struct expr_node *n,
		    const struct got *g)
{
	char digits[24];
	struct scope_buf out = scope_buf_of(digits, sizeof(digits));
	const char *s = g->text;
	size_t len = g->len;

	if (!g->is_there)
		return false;
	if (g->is_number) {
		scope_buf_i64(&out, g->number);
		s = out.p;
		len = out.len;
	}
	return pcre2_match(n->regex, (PCRE2_SPTR)s, len, 0, 0, e->match,
			   NULL) >= 0;
}

static bool test(struct scope_expr *e, const struct expr_node *n,
		 struct scope_vm *vm, const struct scope_event *ev)
{
	const struct expr_value *v = &e->values[n->first];
	struct got g = get(e, n, vm, ev);
	int c, d;

	switch (n->op) {
	case EXPR_HAS:
		return g.is_there && !(g.is_number && g.number == 0);
	case EXPR_EQ:
		return equals(n, v, &g, ev);
	case EXPR_NE:
		return !equals(n, v, &g, ev);
	case EXPR_LT:
		return order(v, &g, &c) && c < 0;
	case EXPR_LE:
		return order(v, &g, &c) && c <= 0;
	case EXPR_GT:
		return order(v, &g, &c) && c > 0;
	case EXPR_GE:
		return order(v, &g, &c) && c >= 0;
	case EXPR_MATCH:
		return matches(e, n, &g);
	case EXPR_NO_MATCH:
		return !matches(e, n, &g);
	case EXPR_IN:
		for (size_t i = 0; i < n->nvalues; i++)
			if (equals(n, v + i, &g, ev))
				return true;
		return false;
	case EXPR_RANGE:
		return order(v, &g, &c) && order(v + 1, &g, &d) && c >= 0 &&
		       d <= 0;
	default:
		return false;
	}
}

/* As deep as the parser lets it be. */
static bool eval(struct scope_expr *e, int index, struct scope_vm *vm,
		 const struct scope_event *ev)
{
	const struct expr_node *n = &e->nodes[index];

	switch (n->op) {
	case EXPR_AND:
		return eval(e, n->left, vm, ev) && eval(e, n->right, vm, ev);
	case EXPR_OR:
		return eval(e, n->left, vm, ev) || eval(e, n->right, vm, ev);
	case EXPR_NOT:
		return !eval(e, n->left, vm, ev);
	default:
		return test(e, n, vm, ev);
	}
}

bool scope_expr_is(struct scope_expr *e, struct scope_vm *vm,
		   const struct scope_event *ev)
{
	return e->root < 0 || eval(e, e->root, vm, ev);
}

/* -- planning -------------------------------------------------------------------- */

static void raise_to(uint64_t *min, uint64_t v)
{
	if (v > *min)
		*min = v;
}

static void lower_to(uint64_t *max, uint64_t v)
{
	if (v < *max)
		*max = v;
}

static void plan_range(const struct scope_expr *e, const struct expr_node *n,
		       uint64_t *min, uint64_t *max)
{
	const struct expr_value *v = &e->values[n->first];

	if (!v->is_number || v->number < 0)
		return;
	if (n->op == EXPR_EQ || n->op == EXPR_GT || n->op == EXPR_GE)
		raise_to(min, (uint64_t)v->number);
	if (n->op == EXPR_EQ || n->op == EXPR_LT || n->op == EXPR_LE)
		lower_to(max, (uint64_t)v->number);
	if (n->op == EXPR_RANGE && v[1].is_number && v[1].number >= 0) {
		raise_to(min, (uint64_t)v->number);
		lower_to(max, (uint64_t)v[1].number);
	}
}

static void plan_kind(const struct scope_expr *e, const struct expr_node *n,
		      uint64_t *kinds)
{
	const struct expr_value *v = &e->values[n->first];
	uint64_t set = 0;

	if (n->op != EXPR_EQ && n->op != EXPR_IN)
		return;
	for (unsigned k = 1; k < SCOPE_KIND_MAX; k++) {
		const char *name = scope_kind_info(k)->name;
		const struct scope_event ev = { .kind = k };
		struct got g;

		if (!name)
			continue;
		g = text(name, strlen(name));
		for (size_t i = 0; i < n->nvalues; i++)
			if (equals(n, v + i, &g, &ev))
				set |= SCOPE_KIND_BIT(k);
	}
	*kinds &= set;
}

static void plan_key(const struct scope_expr *e, const struct expr_node *n,
		     struct scope_expr_plan *plan)
{
	static const char *const pids[] = { "pid", "to", "from", "child",
					    "parent" };
	/* Not peer: of a socket it is an address, which is no atom. */
	static const char *const atoms[] = { "name", "to_name", "from_name" };
	const struct expr_value *v = &e->values[n->first];
	bool is_pid = false, is_atom = false;

	if (n->op != EXPR_EQ || n->npath || v->is_glob ||
	    plan->nkeys == SCOPE_EXPR_KEYS)
		return;
	for (size_t i = 0; i < sizeof(pids) / sizeof(*pids); i++)
		is_pid |= is_field(n, pids[i]) && *v->text == '<';
	for (size_t i = 0; i < sizeof(atoms) / sizeof(*atoms); i++)
		is_atom |= is_field(n, atoms[i]);
	if (!is_pid && !is_atom)
		return;
	plan->keys[plan->nkeys].text = v->text;
	plan->keys[plan->nkeys].len = v->len;
	plan->keys[plan->nkeys++].is_pid = is_pid;
}

/* Only what all must be: the tests that are joined by "and". */
static void plan_node(const struct scope_expr *e, int index,
		      struct scope_expr_plan *plan)
{
	const struct expr_node *n = &e->nodes[index];

	if (n->op == EXPR_AND) {
		plan_node(e, n->left, plan);
		plan_node(e, n->right, plan);
	}
	if (n->op <= EXPR_HAS || n->op == EXPR_MATCH || n->op == EXPR_NO_MATCH)
		return;
	if (is_field(n, "ts"))
		plan_range(e, n, &plan->min_ts_ns, &plan->max_ts_ns);
	else if (is_field(n, "id"))
		plan_range(e, n, &plan->min_id, &plan->max_id);
	else if (is_field(n, "kind"))
		plan_kind(e, n, &plan->kinds);
	else
		plan_key(e, n, plan);
}

void scope_expr_plan(const struct scope_expr *e, struct scope_expr_plan *plan)
{
	*plan = (struct scope_expr_plan){ .max_ts_ns = UINT64_MAX,
					  .max_id = UINT64_MAX,
					  .kinds = UINT64_MAX };
	if (e->root >= 0)
		plan_node(e, e->root, plan);
}
