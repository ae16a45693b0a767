/* SPDX-License-Identifier: MIT */
#include "query/expr_int.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS_PER_S 1000000000ull

enum token {
	TOKEN_END,
	TOKEN_WORD,
	TOKEN_QUOTED,
	TOKEN_OP,     /* = != < <= > >= ~ !~ */
	TOKEN_RANGE,  /* .. */
	TOKEN_OTHER,  /* ( ) , [ ] */
};

struct parser {
	struct scope_expr *e;
	const struct scope_expr_opts *opts;
	struct scope_err *err;
	char *at; /* behind the token in hand */
	enum token token;
	char *text; /* of the token */
	size_t len;
	char *begin; /* where it is in the expression */
	int depth;
	int r; /* the first error */
};

static int wrong(struct parser *p, const char *what)
{
	size_t column = (size_t)(p->begin - p->e->text) + 1;

	if (p->r == 0)
		p->r = scope_fail(p->err, -EINVAL,
				  "the filter is wrong at column %zu: %s",
				  column, what);
	return p->r;
}

/* -- tokens ------------------------------------------------------------------- */

/* Where a word's characters end. Pids, dots, "m:f/a" and times are words; two
 * dots are none. */
static bool is_word(const char *s)
{
	if (s[0] == '.' && s[1] == '.')
		return false;
	return *s && (isalnum((unsigned char)*s) || strchr("_.:/@$*+-#%?", *s) ||
		      (unsigned char)*s >= 0x80);
}

/* "<0.1.0>" begins like an operator. */
static size_t pid_len(const char *s)
{
	size_t n = 1;

	if (*s != '<' || !isdigit((unsigned char)s[1]))
		return 0;
	while (isdigit((unsigned char)s[n]) || s[n] == '.')
		n++;
	return s[n] == '>' && memchr(s, '.', n) ? n + 1 : 0;
}

static void take_quoted(struct parser *p)
{
	char quote = *p->at++, *out = p->at;

	p->token = TOKEN_QUOTED;
	p->text = out;
	while (*p->at && *p->at != quote) {
		if (*p->at == '\\' && (p->at[1] == quote || p->at[1] == '\\'))
			p->at++;
		*out++ = *p->at++;
	}
	p->len = (size_t)(out - p->text);
	if (*p->at)
		p->at++;
	else
		(void)wrong(p, "a quote that does not end");
}

static void take(struct parser *p, enum token token, size_t len)
{
	p->token = token;
	p->text = p->at;
	p->len = len;
	p->at += len;
}

static void next(struct parser *p)
{
	size_t n;

	while (isspace((unsigned char)*p->at))
		p->at++;
	p->begin = p->at;
	n = pid_len(p->at);
	if (!*p->at)
		take(p, TOKEN_END, 0);
	else if (n)
		take(p, TOKEN_WORD, n);
	else if (*p->at == '"' || *p->at == '\'')
		take_quoted(p);
	else if (p->at[0] == '.' && p->at[1] == '.')
		take(p, TOKEN_RANGE, 2);
	else if (strchr("<>!", *p->at) && strchr("=~", p->at[1]) && p->at[1])
		take(p, TOKEN_OP, 2);
	else if (strchr("=<>~", *p->at))
		take(p, TOKEN_OP, 1);
	else if (strchr("(),[]", *p->at))
		take(p, TOKEN_OTHER, 1);
	else {
		while (is_word(p->at + n))
			n++;
		if (n)
			take(p, TOKEN_WORD, n);
		else
			(void)wrong(p, "a character that belongs to nothing");
	}
}

static bool is(const struct parser *p, const char *word)
{
	return (p->token == TOKEN_WORD || p->token == TOKEN_OTHER ||
		p->token == TOKEN_OP) &&
	       p->len == strlen(word) && !strncasecmp(p->text, word, p->len);
}

static bool accept(struct parser *p, const char *word)
{
	if (!is(p, word))
		return false;
	next(p);
	return true;
}

/* -- values -------------------------------------------------------------------- */

static const struct {
	const char *unit;
	double factor;
} units[] = {
	{ "ns", 1 },	 { "us", 1e3 },	      { "µs", 1e3 },
	{ "ms", 1e6 },	 { "s", 1e9 },	      { "m", 60e9 },
	{ "min", 60e9 }, { "h", 3600e9 },     { "K", 1024 },
	{ "M", 1 << 20 }, { "G", 1 << 30 },
};

static bool number_of(const char *text, size_t len, int64_t *ret)
{
	char copy[64], *end, *unit;
	double d;
	long long i;

	if (!len || len >= sizeof(copy))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (!isdigit((unsigned char)copy[copy[0] == '-' || copy[0] == '+']))
		return false;
	errno = 0;
	i = strtoll(copy, &end, 10);
	if (!*end && errno == 0) {
		*ret = i;
		return true;
	}
	d = strtod(copy, &unit);
	if (unit == copy)
		return false;
	for (size_t u = 0; u < sizeof(units) / sizeof(*units); u++)
		if (!strcmp(unit, units[u].unit))
			d *= units[u].factor, unit += strlen(unit);
	if (*unit || d > 9e18 || d < -9e18)
		return false;
	*ret = (int64_t)d;
	return true;
}

static bool rfc3339(const char *text, size_t len, uint64_t *ret)
{
	char copy[64], *rest;
	struct tm tm = { 0 };
	uint64_t ns = 0, scale = NS_PER_S;
	time_t t;

	if (len >= sizeof(copy))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	rest = strptime(copy, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!rest)
		return false;
	if (*rest == '.')
		for (rest++; isdigit((unsigned char)*rest); rest++) {
			scale /= 10;
			ns += scale * (uint64_t)(*rest - '0');
		}
	t = timegm(&tm);
	if (t < 0)
		return false;
	*ret = (uint64_t)t * NS_PER_S + ns;
	if (!strcmp(rest, "Z") || !strcmp(rest, "z"))
		return true;
	if ((*rest == '+' || *rest == '-') && strlen(rest) == 6 &&
	    rest[3] == ':') {
		int64_t minutes = strtol(rest + 1, NULL, 10) * 60 +
				  strtol(rest + 4, NULL, 10);

		*ret -= (uint64_t)((*rest == '+' ? minutes : -minutes) * 60) *
			NS_PER_S;
		return true;
	}
	return false;
}

int scope_expr_time(const char *text, size_t len,
		    const struct scope_expr_opts *opts, uint64_t *ret_ns)
{
	bool is_offset = len && (*text == '+' || *text == '-');
	int64_t n;

	if (rfc3339(text, len, ret_ns))
		return 0;
	if (!number_of(text, len, &n))
		return -EINVAL;
	if (is_offset && !opts->last_ts_ns)
		return -EINVAL;
	if (is_offset)
		*ret_ns = (*text == '+' ? opts->first_ts_ns :
					  opts->last_ts_ns) +
			  (uint64_t)n;
	else
		*ret_ns = (uint64_t)n;
	return 0;
}

static bool is_time(const struct expr_node *n)
{
	return n->field_len == 2 && !memcmp(n->field, "ts", 2);
}

static int take_value(struct parser *p, const struct expr_node *n)
{
	struct scope_expr *e = p->e;
	struct expr_value *v = &e->values[e->nvalues];
	uint64_t ns;

	if (p->token != TOKEN_WORD && p->token != TOKEN_QUOTED)
		return wrong(p, "a value is missing");
	if (e->nvalues == EXPR_VALUES)
		return wrong(p, "too many values");
	*v = (struct expr_value){ .text = p->text,
				  .len = p->len,
				  .is_quoted = p->token == TOKEN_QUOTED };
	v->is_glob = !v->is_quoted && memchr(v->text, '*', v->len);
	if (is_time(n)) {
		if (scope_expr_time(v->text, v->len, p->opts, &ns) < 0)
			return wrong(p, "no time: ts takes nanoseconds, "
					"2026-11-23T03:00:00Z, or of a "
					"recording +1.5s and -10s");
		v->is_number = true;
		v->number = (int64_t)ns;
	} else if (!v->is_quoted) {
		v->is_number = number_of(v->text, v->len, &v->number);
	}
	e->nvalues++;
	next(p);
	return p->r;
}

/* -- tests ---------------------------------------------------------------------- */

static int new_node(struct parser *p, enum expr_op op, int left, int right)
{
	struct scope_expr *e = p->e;

	if (e->nnodes == SCOPE_EXPR_NODES) {
		(void)wrong(p, "too long");
		return -1;
	}
	e->nodes[e->nnodes] = (struct expr_node){ .op = op,
						  .left = left,
						  .right = right };
	return e->nnodes++;
}

static bool is_key(const char *s, size_t len)
{
	static const char *const heads[] = { "id",   "ts",     "mono",
					     "kind", "node",   "os_pid",
					     "pid",  "name",   "scheduler" };

	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++)
		if (strlen(heads[i]) == len && !memcmp(heads[i], s, len))
			return true;
	for (unsigned i = 0; i < SCOPE_FIELD_MAX; i++) {
		const char *key = scope_field_info(i)->key;

		if (strlen(key) == len && !memcmp(key, s, len))
			return true;
	}
	return false;
}

static int take_path(struct parser *p, struct expr_node *n)
{
	while (p->r == 0 && accept(p, "[")) {
		struct expr_step *s = &n->path[n->npath];
		int64_t number;

		if (n->npath == EXPR_PATH)
			return wrong(p, "too many [ ]");
		if (p->token != TOKEN_WORD && p->token != TOKEN_QUOTED)
			return wrong(p, "[ ] takes a number or a key");
		*s = (struct expr_step){ .text = p->text, .len = p->len };
		s->is_number = p->token == TOKEN_WORD &&
			       number_of(p->text, p->len, &number) &&
			       number > 0;
		s->number = s->is_number ? (size_t)number : 0;
		n->npath++;
		next(p);
		if (!accept(p, "]"))
			return wrong(p, "a ] is missing");
	}
	return p->r;
}

static int take_regex(struct parser *p, struct expr_node *n)
{
	char *begin = p->begin;
	PCRE2_UCHAR text[120];
	PCRE2_SIZE at;
	int code;

	if (p->token != TOKEN_WORD && p->token != TOKEN_QUOTED)
		return wrong(p, "~ takes a regular expression");
	n->regex = pcre2_compile((PCRE2_SPTR)p->text, p->len,
				 PCRE2_UTF | PCRE2_MATCH_INVALID_UTF, &code,
				 &at, NULL);
	if (!n->regex) {
		(void)pcre2_get_error_message(code, text, sizeof(text));
		p->begin = begin;
		return wrong(p, (const char *)text);
	}
	next(p);
	return p->r;
}

static int take_list(struct parser *p, struct expr_node *n)
{
	if (accept(p, "(")) {
		n->op = EXPR_IN;
		do {
			if (take_value(p, n) < 0)
				return p->r;
			n->nvalues++;
		} while (accept(p, ","));
		return accept(p, ")") ? p->r : wrong(p, "a ) is missing");
	}
	n->op = EXPR_RANGE;
	if (take_value(p, n) < 0)
		return p->r;
	if (p->token != TOKEN_RANGE)
		return wrong(p, "in takes ( … ) or a range a..b");
	next(p);
	n->nvalues = 2;
	return take_value(p, n);
}

static enum expr_op op_of(const struct parser *p)
{
	static const struct {
		const char *text;
		enum expr_op op;
	} ops[] = { { "=", EXPR_EQ },	 { "!=", EXPR_NE },
		    { "<", EXPR_LT },	 { "<=", EXPR_LE },
		    { ">", EXPR_GT },	 { ">=", EXPR_GE },
		    { "~", EXPR_MATCH }, { "!~", EXPR_NO_MATCH } };

	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++)
		if (is(p, ops[i].text))
			return ops[i].op;
	return EXPR_HAS;
}

static int take_test(struct parser *p)
{
	int index = new_node(p, EXPR_HAS, -1, -1);
	struct expr_node *n = &p->e->nodes[index < 0 ? 0 : index];
	bool is_negated;

	if (index < 0)
		return -1;
	if (p->token != TOKEN_WORD)
		return wrong(p, "a field is missing"), -1;
	if (!is_key(p->text, p->len))
		return wrong(p, "no field is called so; scope-bpf-events(7) "
				"lists them"),
		       -1;
	n->field = p->text;
	n->field_len = p->len;
	next(p);
	if (take_path(p, n) < 0)
		return -1;
	n->first = p->e->nvalues;
	if (p->token == TOKEN_OP) {
		n->op = op_of(p);
		if (n->op == EXPR_HAS)
			return wrong(p, "no such operator"), -1;
		next(p);
		if (n->op == EXPR_MATCH || n->op == EXPR_NO_MATCH)
			return take_regex(p, n) < 0 ? -1 : index;
		n->nvalues = 1;
		return take_value(p, n) < 0 ? -1 : index;
	}
	is_negated = accept(p, "not");
	if (accept(p, "in")) {
		if (take_list(p, n) < 0)
			return -1;
		return is_negated ? new_node(p, EXPR_NOT, index, -1) : index;
	}
	return is_negated ? (wrong(p, "in is missing behind not"), -1) : index;
}

/* -- operators -------------------------------------------------------------------- */

static int take_or(struct parser *p);

static int take_not(struct parser *p)
{
	int index;

	if (p->r < 0 || ++p->depth > SCOPE_EXPR_DEPTH)
		return wrong(p, "too deep"), -1;
	if (accept(p, "not")) {
		index = take_not(p);
		index = index < 0 ? -1 : new_node(p, EXPR_NOT, index, -1);
	} else if (accept(p, "(")) {
		index = take_or(p);
		if (index >= 0 && !accept(p, ")"))
			index = (wrong(p, "a ) is missing"), -1);
	} else {
		index = take_test(p);
	}
	p->depth--;
	return index;
}

static int take_and(struct parser *p)
{
	int left = take_not(p);

	while (left >= 0 && accept(p, "and")) {
		int right = take_not(p);

		left = right < 0 ? -1 : new_node(p, EXPR_AND, left, right);
	}
	return left;
}

static int take_or(struct parser *p)
{
	int left = take_and(p);

	while (left >= 0 && accept(p, "or")) {
		int right = take_and(p);

		left = right < 0 ? -1 : new_node(p, EXPR_OR, left, right);
	}
	return left;
}

int scope_expr_parse(const char *text, const struct scope_expr_opts *opts,
		     struct scope_expr **ret_expr, struct scope_err *err)
{
	scope_auto(scope_expr) e = calloc(1, sizeof(*e));
	struct parser p = { .e = e, .opts = opts, .err = err };

	if (!e || !(e->text = strdup(text)) ||
	    !(e->match = pcre2_match_data_create(1, NULL)))
		return scope_fail(err, -ENOMEM, "out of memory");
	e->os_pid = opts->os_pid;
	p.at = p.begin = e->text;
	next(&p);
	e->root = p.token == TOKEN_END ? -1 : take_or(&p);
	if (p.r == 0 && p.token != TOKEN_END)
		(void)wrong(&p, "and, or or the end was expected");
	if (p.r < 0)
		return p.r;
	*ret_expr = scope_take(e);
	return 0;
}

void scope_expr_free(struct scope_expr *e)
{
	if (!e)
		return;
	for (int i = 0; i < e->nnodes; i++)
		pcre2_code_free(e->nodes[i].regex);
	pcre2_match_data_free(e->match);
	free(e->text);
	free(e);
}
