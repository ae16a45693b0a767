/* SPDX-License-Identifier: MIT */
#include "pipeline/where.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "beam/term.h"

#define DEPTH_MAX 32
#define NIL 0x3b /* of releases that have a JIT */
#define SMALL_MAX ((INT64_C(1) << 59) - 1)
#define SMALL(v) ((uint64_t)(v) << 4 | 0xf)
#define PRINT_BYTES 65536

enum node_type { AND, OR, NOT, COMPARE };

enum value_type {
	V_INT,	/* that fits into a small */
	V_FLOAT,
	V_ATOM,
	V_STRING, /* text without its quotes, escapes as they are */
	V_TERM,	  /* text */
};

struct node {
	enum node_type type;
	unsigned left, right; /* of joints */
	unsigned arg;	      /* from 0 */
	enum scope_break_op op;
	bool contains; /* instead of op */
	enum value_type value;
	int64_t i;
	double f;
	size_t at, len; /* in text */
};

struct scope_where {
	struct node node[SCOPE_WHERE_NODES];
	unsigned n, root, args;
	char text[SCOPE_WHERE_BYTES];
	size_t used;
	char *print; /* owned, PRINT_BYTES */
};

struct parser {
	struct scope_where *w;
	const char *start, *p;
	struct scope_err *err;
	unsigned depth;
};

/* -- parsing ------------------------------------------------------------------ */

static int fail(struct parser *s, const char *what)
{
	return scope_fail(s->err, -EINVAL, "--where: %s at '%.40s'", what,
			  *s->p ? s->p : "the end");
}

static void skip(struct parser *s)
{
	s->p += strspn(s->p, " \t\n");
}

static bool is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '_' || c == '@' || (c & 0x80);
}

static bool take(struct parser *s, const char *token)
{
	size_t n = strlen(token);

	skip(s);
	if (strncmp(s->p, token, n) != 0 ||
	    (is_word_char(token[n - 1]) && is_word_char(s->p[n])))
		return false;
	s->p += n;
	return true;
}

static int new_node(struct parser *s, enum node_type type, unsigned *ret)
{
	struct scope_where *w = s->w;

	if (w->n == SCOPE_WHERE_NODES)
		return fail(s, "too long");
	*ret = w->n++;
	w->node[*ret] = (struct node){ .type = type };
	return 0;
}

static int put_text(struct parser *s, struct node *n, const char *p, size_t len)
{
	struct scope_where *w = s->w;

	if (len > sizeof(w->text) - w->used)
		return fail(s, "too long");
	if (!n->len)
		n->at = w->used;
	memcpy(w->text + w->used, p, len);
	w->used += len;
	n->len += len;
	return 0;
}

/* What a quote at p encloses, p behind it then; its text without quotes. */
static int take_quoted(struct parser *s, const char **ret, size_t *ret_len)
{
	char quote = *s->p++;
	const char *from = s->p;

	while (*s->p && *s->p != quote)
		s->p += s->p[0] == '\\' && s->p[1] ? 2 : 1;
	if (!*s->p)
		return fail(s, "a quote is not closed");
	*ret = from;
	*ret_len = (size_t)(s->p - from);
	s->p++;
	return 0;
}

static int take_number(struct parser *s, struct node *n)
{
	char *end;
	size_t len = strspn(s->p, "+-0123456789");
	const char *from = s->p;

	if (from[len] == '.' || from[len] == 'e' || from[len] == 'E') {
		n->value = V_FLOAT;
		n->f = strtod(from, &end);
	} else {
		n->value = V_INT;
		errno = 0;
		n->i = strtoll(from, &end, 10);
		n->f = (double)n->i;
		if (errno || n->i > SMALL_MAX || n->i < -SMALL_MAX - 1) {
			n->value = V_TERM;
			n->f = strtod(from, NULL);
		}
	}
	if (end == from || is_word_char(*end))
		return fail(s, "no number");
	s->p = end;
	return put_text(s, n, from + (*from == '+'),
			(size_t)(end - from) - (*from == '+'));
}

/* A word: an atom; with a capital, an Elixir alias. */
static int take_atom(struct parser *s, struct node *n)
{
	const char *from = s->p;
	bool is_alias = *from >= 'A' && *from <= 'Z';
	int r = 0;

	n->value = V_ATOM;
	while (is_word_char(*s->p) || (is_alias && *s->p == '.'))
		s->p++;
	if (*s->p == '?' || *s->p == '!')
		s->p += !is_alias && s->p[1] != '='; /* Elixir's names */
	if (s->p == from)
		return fail(s, "no value");
	if (is_alias && strncmp(from, "Elixir.", 7) != 0)
		r = put_text(s, n, "Elixir.", 7);
	return r < 0 ? r : put_text(s, n, from, (size_t)(s->p - from));
}

static int take_quoted_atom(struct parser *s, struct node *n)
{
	size_t len = 0;
	const char *p = NULL;
	int r = take_quoted(s, &p, &len);

	n->value = V_ATOM;
	while (r == 0 && len) {
		size_t skipped = *p == '\\' && len > 1;

		r = put_text(s, n, p + skipped, 1);
		p += 1 + skipped;
		len -= 1 + skipped;
	}
	return r;
}

/* Any other term, up to the bracket that closes it, as it would be printed. */
static int take_term(struct parser *s, struct node *n)
{
	unsigned open = 0;
	int r = 0;

	n->value = V_TERM;
	do {
		const char *from = s->p;
		size_t len = 1;

		if (!*from)
			return fail(s, "a bracket is not closed");
		if (*from == '"' || *from == '\'') {
			r = take_quoted(s, &from, &len);
			from--;
			len += 2;
		} else {
			if (!strncmp(from, "<<", 2) || !strncmp(from, ">>", 2))
				len = 2;
			if (strchr("{[(<", *from))
				open++;
			else if (strchr("}])>", *from) && open &&
				 (*from != '>' || from == s->start ||
				  (from[-1] != '=' && from[-1] != '-')))
				open--;
			s->p += len;
		}
		if (r == 0 && !strchr(" \t\n", *from))
			r = put_text(s, n, from, len);
	} while (r == 0 && open);
	return r;
}

static int take_value(struct parser *s, struct node *n)
{
	size_t len;
	const char *p;
	int r;

	skip(s);
	switch (*s->p) {
	case '"':
		n->value = V_STRING;
		r = take_quoted(s, &p, &len);
		return r < 0 ? r : put_text(s, n, p, len);
	case '\'':
		return take_quoted_atom(s, n);
	case ':':
		s->p++;
		if (*s->p == '"')
			return take_quoted_atom(s, n);
		return take_atom(s, n);
	case '#':
	case '{':
	case '[':
	case '<':
		if (*s->p == '#' && s->p[1] == '{') {
			s->p++;
			r = put_text(s, n, "#", 1);
			if (r < 0)
				return r;
		} else if (*s->p == '#') {
			return fail(s, "no value");
		}
		return take_term(s, n);
	case '+':
	case '-':
	case '0' ... '9':
		return take_number(s, n);
	default:
		return take_atom(s, n);
	}
}

static int take_compare(struct parser *s, unsigned *ret)
{
	static const struct {
		const char *token;
		enum scope_break_op op;
	} ops[] = {
		{ "==", SCOPE_BREAK_EQ },  { "=:=", SCOPE_BREAK_EQ },
		{ "!=", SCOPE_BREAK_NE },  { "=/=", SCOPE_BREAK_NE },
		{ "/=", SCOPE_BREAK_NE },  { "<=", SCOPE_BREAK_LE },
		{ "=<", SCOPE_BREAK_LE },  { ">=", SCOPE_BREAK_GE },
		{ "<", SCOPE_BREAK_LT },   { ">", SCOPE_BREAK_GT },
		{ "~", SCOPE_BREAK_OPS },
	};
	struct node *n;
	unsigned long arg;
	char *end;
	size_t i = 0;
	int r;

	skip(s);
	if (strncmp(s->p, "arg", 3) != 0 || s->p[3] < '1' || s->p[3] > '9')
		return fail(s, "want arg1, arg2 …");
	arg = strtoul(s->p + 3, &end, 10);
	if (arg > SCOPE_BREAK_ARGS || is_word_char(*end))
		return fail(s, "no argument");
	s->p = end;
	while (i < sizeof(ops) / sizeof(*ops) && !take(s, ops[i].token))
		i++;
	if (i == sizeof(ops) / sizeof(*ops))
		return fail(s, "want == != < <= > >= or ~");
	r = new_node(s, COMPARE, ret);
	if (r < 0)
		return r;
	n = &s->w->node[*ret];
	n->arg = (unsigned)arg - 1;
	n->op = ops[i].op;
	n->contains = n->op == SCOPE_BREAK_OPS;
	if (arg > s->w->args)
		s->w->args = (unsigned)arg;
	r = take_value(s, n);
	if (r < 0)
		return r;
	if (n->contains && n->value != V_STRING)
		return fail(s, "~ wants text in quotes before this,");
	if (!n->contains && n->op >= SCOPE_BREAK_LT && n->value != V_INT &&
	    n->value != V_FLOAT &&
	    !(n->value == V_TERM && strspn(s->w->text + n->at, "-0123456789")))
		return fail(s, "an order wants a number before this,");
	return 0;
}

static int take_or(struct parser *s, unsigned *ret);

static int take_not(struct parser *s, unsigned *ret)
{
	unsigned inner;
	int r;

	if (s->depth == DEPTH_MAX)
		return fail(s, "too deep");
	s->depth++;
	skip(s);
	if (take(s, "not") || (s->p[0] == '!' && take(s, "!"))) {
		r = take_not(s, &inner);
		if (r == 0)
			r = new_node(s, NOT, ret);
		if (r == 0)
			s->w->node[*ret].left = inner;
	} else if (take(s, "(")) {
		r = take_or(s, ret);
		if (r == 0 && !take(s, ")"))
			r = fail(s, "want )");
	} else {
		r = take_compare(s, ret);
	}
	s->depth--;
	return r;
}

static int take_joined(struct parser *s, unsigned *ret, enum node_type type)
{
	const char *word = type == AND ? "and" : "or";
	const char *sign = type == AND ? "&&" : "||";
	unsigned right, left;
	int r = type == AND ? take_not(s, ret) : take_joined(s, ret, AND);

	while (r == 0 && (take(s, word) || take(s, sign))) {
		left = *ret;
		r = type == AND ? take_not(s, &right) :
				  take_joined(s, &right, AND);
		if (r == 0)
			r = new_node(s, type, ret);
		if (r == 0) {
			s->w->node[*ret].left = left;
			s->w->node[*ret].right = right;
		}
	}
	return r;
}

static int take_or(struct parser *s, unsigned *ret)
{
	return take_joined(s, ret, OR);
}

int scope_where_parse(const char *text, struct scope_where **ret_where,
		      struct scope_err *err)
{
	scope_auto(scope_where) w = calloc(1, sizeof(*w));
	struct parser s = { .w = w, .start = text, .p = text, .err = err };
	int r;

	if (w)
		w->print = malloc(PRINT_BYTES);
	if (!w || !w->print)
		return scope_fail(err, -ENOMEM, "out of memory");
	r = take_or(&s, &w->root);
	if (r < 0)
		return r;
	skip(&s);
	if (*s.p)
		return fail(&s, "want `and` or `or`");
	*ret_where = scope_take(w);
	return 0;
}

void scope_where_free(struct scope_where *w)
{
	if (!w)
		return;
	free(w->print);
	free(w);
}

unsigned scope_where_args(const struct scope_where *w)
{
	return w->args;
}

/* -- tests of words ------------------------------------------------------------ */

/* The immediate that a value is; 0: it is none, or not known to be. */
static uint64_t word_of(const struct scope_where *w, const struct node *n,
			struct scope_vm *vm)
{
	char text[SCOPE_WHERE_BYTES + 1];

	memcpy(text, w->text + n->at, n->len);
	text[n->len] = 0;
	switch (n->value) {
	case V_INT:
		return SMALL(n->i);
	case V_ATOM:
		/* One that is made later has a number that is not known. */
		return strlen(text) == n->len ?
			       scope_vm_find_atom(vm, text, UINT32_MAX) :
			       0;
	case V_TERM:
		if (!strcmp(text, "[]"))
			return NIL;
		if (*text == '<' && text[1] != '<')
			return scope_vm_parse_pid(vm, text);
		return 0;
	default:
		return 0;
	}
}

static unsigned add_tests(const struct scope_where *w, struct scope_vm *vm,
			  unsigned at, struct scope_break_test *tests,
			  unsigned n, bool *whole)
{
	const struct node *node = &w->node[at];
	uint64_t word;

	if (node->type == AND) {
		n = add_tests(w, vm, node->left, tests, n, whole);
		return add_tests(w, vm, node->right, tests, n, whole);
	}
	word = node->type == COMPARE && !node->contains ?
		       word_of(w, node, vm) :
		       0;
	/* A float is let through by an order. */
	if (!word || n == SCOPE_BREAK_TESTS ||
	    (node->op >= SCOPE_BREAK_LT && node->value != V_INT)) {
		*whole = false;
		return n;
	}
	tests[n] = (struct scope_break_test){
		.word = word,
		.arg = (uint8_t)node->arg,
		.op = (uint8_t)node->op,
	};
	return n + 1;
}

unsigned scope_where_tests(const struct scope_where *w, struct scope_vm *vm,
			   struct scope_break_test *tests, bool *ret_whole)
{
	*ret_whole = true;
	return add_tests(w, vm, w->root, tests, 0, ret_whole);
}

/* -- the rest ----------------------------------------------------------------- */

enum verdict { NO, YES, DOUBT };

static enum verdict of_bool(bool b)
{
	return b ? YES : NO;
}

static bool is_text(const struct scope_buf *b, const char *before,
		    const char *text, size_t len, const char *behind)
{
	size_t n = strlen(before), m = strlen(behind);

	return b->len == n + len + m && !memcmp(b->p, before, n) &&
	       !memcmp(b->p + n, text, len) &&
	       !memcmp(b->p + n + len, behind, m);
}

static bool is_equal(const struct scope_where *w, const struct node *n,
		     const struct scope_buf *b)
{
	const char *text = w->text + n->at;

	if (n->value == V_STRING)
		return is_text(b, "\"", text, n->len, "\"") ||
		       is_text(b, "<<\"", text, n->len, "\">>") ||
		       is_text(b, "<<\"", text, n->len, "\"/utf8>>");
	return is_text(b, "", text, n->len, "");
}

static enum verdict order(double v, const struct node *n)
{
	switch (n->op) {
	case SCOPE_BREAK_LT:
		return of_bool(v < n->f);
	case SCOPE_BREAK_LE:
		return of_bool(v <= n->f);
	case SCOPE_BREAK_GT:
		return of_bool(v > n->f);
	default:
		return of_bool(v >= n->f);
	}
}

static enum verdict order_small(int64_t v, const struct node *n)
{
	if (n->value != V_INT)
		return order((double)v, n);
	switch (n->op) {
	case SCOPE_BREAK_LT:
		return of_bool(v < n->i);
	case SCOPE_BREAK_LE:
		return of_bool(v <= n->i);
	case SCOPE_BREAK_GT:
		return of_bool(v > n->i);
	default:
		return of_bool(v >= n->i);
	}
}

static bool is_number(const struct scope_buf *b)
{
	const char *p = b->p;

	return b->len && strchr("-0123456789", *p);
}

static enum verdict compare(const struct scope_where *w, const struct node *n,
			    struct scope_vm *vm, const struct scope_image *im,
			    uint64_t term)
{
	struct scope_buf b = scope_buf_of(w->print, PRINT_BYTES - 1);
	const char *text = w->text + n->at;
	bool is_cut, is_same;
	size_t len;

	if (!n->contains && n->op >= SCOPE_BREAK_LT && scope_is_small(term))
		return order_small(SCOPE_SMALL(term), n);
	if (n->value == V_ATOM) {
		const char *s = scope_is_atom(term) ?
					scope_vm_atom(vm, term, &len) :
					NULL;

		if (scope_is_atom(term) && !s)
			return DOUBT;
		is_same = s && len == n->len && !memcmp(s, text, len);
		return of_bool(is_same == (n->op == SCOPE_BREAK_EQ));
	}
	is_cut = scope_term_put(vm, im, term, SCOPE_SYNTAX_ERLANG, &b) ||
		 b.full;
	if (n->contains) {
		if (memmem(b.p, b.len, text, n->len))
			return YES;
		return is_cut ? DOUBT : NO;
	}
	if (n->op >= SCOPE_BREAK_LT) {
		b.p[b.len] = 0;
		if (is_cut && (term & 3) == 2)
			return DOUBT;
		return is_number(&b) ? order(strtod(b.p, NULL), n) : NO;
	}
	if (is_cut)
		return DOUBT;
	return of_bool(is_equal(w, n, &b) == (n->op == SCOPE_BREAK_EQ));
}

struct call {
	struct scope_vm *vm;
	const struct scope_image *im;
	const uint64_t *args;
	unsigned n;
};

static enum verdict eval(const struct scope_where *w, unsigned at,
			 const struct call *c)
{
	const struct node *n = &w->node[at];
	enum verdict a, b;

	switch (n->type) {
	case COMPARE:
		if (n->arg >= c->n)
			return NO;
		return compare(w, n, c->vm, c->im, c->args[n->arg]);
	case NOT:
		a = eval(w, n->left, c);
		return a == DOUBT ? DOUBT : of_bool(a == NO);
	default:
		a = eval(w, n->left, c);
		if (a == (n->type == AND ? NO : YES))
			return a;
		b = eval(w, n->right, c);
		if (b == (n->type == AND ? NO : YES))
			return b;
		return a == DOUBT ? a : b;
	}
}

bool scope_where_holds(const struct scope_where *w, struct scope_vm *vm,
		       const struct scope_image *im, const uint64_t *args,
		       unsigned n)
{
	const struct call c = { .vm = vm, .im = im, .args = args, .n = n };

	return eval(w, w->root, &c) != NO;
}
