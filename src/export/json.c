/* SPDX-License-Identifier: MIT */
#include "export/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/utf8.h"

/* Text of one term; a longer one is cut. */
#define SCRATCH_BYTES 65536u
/* A list that is longer than any image can hold goes round in a circle. */
#define LIST_MAX SCOPE_WORDS_MAX
/* A name of 255 characters, each of which may be an escape of six, and more. */
#define WHERE_BYTES (255 * 4 * 6 + 64)
#define NS_PER_S 1000000000ull

struct scope_json {
	struct scope_vm *vm; /* borrowed */
	enum scope_syntax syntax;
	bool has_stamp;
	uint64_t stamp_s;  /* the second that stamp shows */
	char stamp[32];	   /* "2026-11-22T20:31:59." */
	size_t stamp_len;
	char where[WHERE_BYTES]; /* ,"node":"shop@host","os_pid":4242 */
	size_t where_len;
	uint64_t node; /* that it is of; 0: as at first */
	int64_t os_pid;
	char scratch[SCRATCH_BYTES];
	bool is_torn; /* a term of the event in hand had parts that made no sense */
};

struct lit {
	const char *p;
	size_t len;
};
#define LIT(s) { s, sizeof(s) - 1 }

static const struct lit kind_lits[SCOPE_KIND_MAX] = {
#define X(num, sym, name, group, def, says)                                    \
	[SCOPE_KIND_##sym] = LIT(",\"kind\":\"" name "\""),
	SCOPE_KINDS(X)
#undef X
};

static const struct lit key_lits[SCOPE_FIELD_MAX] = {
#define X(sym, key, type, says) [SCOPE_FIELD_##sym] = LIT(",\"" key "\":"),
	SCOPE_FIELDS(X)
#undef X
};

static const uint8_t types[SCOPE_FIELD_MAX] = {
#define X(sym, key, type, says) [SCOPE_FIELD_##sym] = SCOPE_T_##type,
	SCOPE_FIELDS(X)
#undef X
};

static void set_where(struct scope_json *j, const char *node, size_t len)
{
	struct scope_buf b = scope_buf_of(j->where, sizeof(j->where));

	scope_buf_lit(&b, ",\"node\":");
	scope_json_string(&b, node, len);
	scope_buf_lit(&b, ",\"os_pid\":");
	scope_buf_i64(&b, j->os_pid);
	j->where_len = b.len;
}

struct scope_json *scope_json_new(struct scope_vm *vm,
				  const struct scope_json_opts *opts)
{
	const char *node = opts->node ? opts->node : "nonode@nohost";
	struct scope_json *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->vm = vm;
	j->syntax = opts->syntax;
	j->os_pid = opts->os_pid;
	set_where(j, node, strlen(node));
	return j;
}

void scope_json_free(struct scope_json *j)
{
	free(j);
}

/* The node may get its name, or lose it, while it is watched. */
static void put_where(struct scope_json *j, uint64_t node,
		      struct scope_buf *out)
{
	const char *s;
	size_t len;

	if (node && node != j->node) {
		s = scope_vm_atom(j->vm, node, &len);
		if (s && len <= 255 * 4) {
			set_where(j, s, len);
			j->node = node;
		}
	}
	scope_buf_put(out, j->where, j->where_len);
}

/* What a byte of text needs: 0 nothing, 'u' \u00XX, 'x' a look at its UTF-8
 * sequence, other letters the escape \LETTER. */
static const char needs[256] = {
	[0 ... 7] = 'u',   ['\b'] = 'b', ['\t'] = 't',  ['\n'] = 'n',
	[11] = 'u',	   ['\f'] = 'f', ['\r'] = 'r',  [14 ... 31] = 'u',
	['"'] = '"',	   ['\\'] = '\\', [0x80 ... 0xff] = 'x',
};

/* Write what the byte at s needs; the number of bytes dealt with. */
static size_t escape(struct scope_buf *out, const uint8_t *s, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	char need = needs[s[0]];
	uint32_t cp;
	size_t n;

	if (need == 'x') {
		n = scope_utf8_next((const char *)s, len, &cp);
		if (n)
			scope_buf_put(out, s, n);
		else
			scope_buf_lit(out, "\xef\xbf\xbd");
		return n ? n : 1;
	}
	if (need == 'u') {
		char u[6] = { '\\', 'u', '0', '0', hex[s[0] >> 4],
			      hex[s[0] & 15] };

		scope_buf_put(out, u, sizeof(u));
	} else {
		char e[2] = { '\\', need };

		scope_buf_put(out, e, sizeof(e));
	}
	return 1;
}

void scope_json_string(struct scope_buf *out, const char *s, size_t len)
{
	const uint8_t *at = (const uint8_t *)s;
	const uint8_t *end = at + len;

	scope_buf_char(out, '"');
	while (at < end) {
		const uint8_t *run = at;

		while (at < end && !needs[*at])
			at++;
		if (at > run)
			scope_buf_put(out, run, (size_t)(at - run));
		if (at < end)
			at += escape(out, at, (size_t)(end - at));
	}
	scope_buf_char(out, '"');
}

/* As a string, always in the plain form: what scripts join on does not change
 * with the syntax chosen for contents. */
static void put_pid(struct scope_json *j, uint64_t pid, struct scope_buf *out)
{
	scope_buf_char(out, '"');
	scope_vm_put_pid(j->vm, pid, out);
	scope_buf_char(out, '"');
}

static void put_ident(struct scope_json *j, const struct scope_image *image,
		      uint64_t term, struct scope_buf *out)
{
	struct scope_buf text = scope_buf_of(j->scratch, sizeof(j->scratch));

	if (scope_is_pid(term)) {
		put_pid(j, term, out);
		return;
	}
	(void)scope_term_put_ident(j->vm, image, term, SCOPE_SYNTAX_ERLANG,
				   &text);
	scope_json_string(out, text.p, text.len);
}

static void put_atom(struct scope_json *j, uint64_t atom, struct scope_buf *out)
{
	size_t len = 0;
	const char *s = scope_vm_atom(j->vm, atom, &len);

	if (s)
		scope_json_string(out, s, len);
	else
		scope_buf_lit(out, "\"?\"");
}

static void put_mfa(struct scope_json *j, const struct scope_mfa *mfa,
		    struct scope_buf *out)
{
	struct scope_buf text = scope_buf_of(j->scratch, sizeof(j->scratch));

	scope_term_put_atom_raw(j->vm, mfa->module, &text);
	scope_buf_char(&text, ':');
	scope_term_put_atom_raw(j->vm, mfa->function, &text);
	scope_buf_char(&text, '/');
	scope_buf_u64(&text, mfa->arity);
	scope_json_string(out, text.p, text.len);
}

static void put_cut(struct scope_json *j, struct scope_buf *out)
{
	if (j->syntax == SCOPE_SYNTAX_JSON)
		scope_buf_lit(out, "{\"t\":\"cut\"}");
	else
		scope_buf_lit(out, "\"...\"");
}

/* True when parts of the term are missing. */
static bool put_term(struct scope_json *j, const struct scope_image *image,
		     uint64_t term, struct scope_buf *out)
{
	/* Three bytes stay free for the dots. */
	struct scope_buf text = scope_buf_of(j->scratch, SCRATCH_BYTES - 3);
	unsigned met;

	met = scope_term_put(j->vm, image, term, j->syntax, &text);
	j->is_torn |= (met & SCOPE_TERM_TORN) != 0;
	if (text.full && j->syntax == SCOPE_SYNTAX_JSON) {
		put_cut(j, out);
		return true;
	}
	if (j->syntax == SCOPE_SYNTAX_JSON) {
		scope_buf_put(out, text.p, text.len);
		return (met & SCOPE_TERM_CUT) != 0;
	}
	if (text.full) {
		text.len -= scope_utf8_tail(text.p, text.len);
		memcpy(text.p + text.len, "...", 3);
		text.len += 3;
	}
	scope_json_string(out, text.p, text.len);
	return text.full || (met & SCOPE_TERM_CUT);
}

/* The elements of a list. An improper tail is the last element. */
static bool put_terms(struct scope_json *j, const struct scope_image *image,
		      uint64_t list, struct scope_buf *out)
{
	bool is_cut = false;
	const char *sep = "";
	uint64_t head;
	unsigned n = 0;
	int r;

	scope_buf_char(out, '[');
	while ((r = scope_term_list_next(image, &list, &head)) > 0 &&
	       n++ < LIST_MAX && !out->full) {
		scope_buf_puts(out, sep);
		is_cut |= put_term(j, image, head, out);
		sep = ",";
	}
	if (r != 0) {
		scope_buf_puts(out, sep);
		put_cut(j, out);
		is_cut = true;
	} else if (!scope_is_nil(list)) {
		scope_buf_puts(out, sep);
		is_cut |= put_term(j, image, list, out);
	}
	scope_buf_char(out, ']');
	return is_cut;
}

/* True when a term was cut. */
static bool put_value(struct scope_json *j, const struct scope_event *ev,
		      const struct scope_field *f, struct scope_buf *out)
{
	switch ((enum scope_type)types[f->key]) {
	case SCOPE_T_INT:
		scope_buf_i64(out, (int64_t)f->u);
		break;
	case SCOPE_T_UINT:
		scope_buf_u64(out, f->u);
		break;
	case SCOPE_T_SHARE:
		scope_buf_printf(out, "%llu.%06llu",
				 (unsigned long long)(f->u / 1000000),
				 (unsigned long long)(f->u % 1000000));
		break;
	case SCOPE_T_BOOL:
		scope_buf_puts(out, f->u ? "true" : "false");
		break;
	case SCOPE_T_TEXT:
		scope_json_string(out, f->text, f->len);
		break;
	case SCOPE_T_ATOM:
		put_atom(j, f->term, out);
		break;
	case SCOPE_T_IDENT:
		put_ident(j, &ev->image, f->term, out);
		break;
	case SCOPE_T_TERM:
		return put_term(j, &ev->image, f->term, out);
	case SCOPE_T_TERMS:
		return put_terms(j, &ev->image, f->term, out);
	case SCOPE_T_MFA:
		put_mfa(j, &f->mfa, out);
		break;
	case SCOPE_T_CORR:
		scope_buf_lit(out, "\"m-");
		scope_buf_hex(out, f->corr.addr);
		scope_buf_char(out, '-');
		scope_buf_u64(out, f->corr.n);
		scope_buf_char(out, '"');
		break;
	case SCOPE_T_JSON:
		scope_buf_put(out, f->text, f->len);
		break;
	}
	return false;
}

static void put_time(struct scope_json *j, uint64_t ts_ns,
		     struct scope_buf *out)
{
	uint64_t s = ts_ns / NS_PER_S;
	uint64_t ns = ts_ns % NS_PER_S;
	char digits[11];

	if (!j->has_stamp || j->stamp_s != s) {
		time_t t = (time_t)s;
		struct tm tm;

		(void)gmtime_r(&t, &tm);
		j->stamp_len = strftime(j->stamp, sizeof(j->stamp),
					"%Y-%m-%dT%H:%M:%S.", &tm);
		j->stamp_s = s;
		j->has_stamp = true;
	}
	for (int i = 8; i >= 0; i--) {
		digits[i] = (char)('0' + ns % 10);
		ns /= 10;
	}
	digits[9] = 'Z';
	digits[10] = '"';
	scope_buf_lit(out, ",\"time\":\"");
	scope_buf_put(out, j->stamp, j->stamp_len);
	scope_buf_put(out, digits, sizeof(digits));
}

static void put_head(struct scope_json *j, const struct scope_event *ev,
		     struct scope_buf *out)
{
	const struct lit *kind = &kind_lits[ev->kind];

	scope_buf_lit(out, "{\"id\":");
	scope_buf_u64(out, ev->id);
	scope_buf_lit(out, ",\"ts\":");
	scope_buf_u64(out, ev->ts_ns);
	scope_buf_lit(out, ",\"mono\":");
	scope_buf_u64(out, ev->mono_ns);
	put_time(j, ev->ts_ns, out);
	scope_buf_put(out, kind->p, kind->len);
	put_where(j, ev->node, out);
	if (ev->scheduler) {
		scope_buf_lit(out, ",\"scheduler\":");
		scope_buf_u64(out, ev->scheduler);
	}
	if (ev->pid) {
		scope_buf_lit(out, ",\"pid\":");
		put_pid(j, ev->pid, out);
	}
	/* proc.register and its kin have a `name` of their own. */
	if (ev->name && !scope_event_get(ev, SCOPE_FIELD_REGISTERED)) {
		scope_buf_lit(out, ",\"name\":");
		put_atom(j, ev->name, out);
	}
}

static bool is_terms(enum scope_field_key key)
{
	return types[key] == SCOPE_T_TERM || types[key] == SCOPE_T_TERMS;
}

/* What became of the event's terms, before key `next`. */
static void put_state(struct scope_json *j, bool is_cut,
		      enum scope_field_key next, struct scope_buf *out)
{
	const struct lit *lit = &key_lits[SCOPE_FIELD_TRUNCATED];

	scope_buf_put(out, lit->p, lit->len);
	scope_buf_puts(out, is_cut ? "true" : "false");
	if (!j->is_torn || next == SCOPE_FIELD_UNREADABLE)
		return;
	lit = &key_lits[SCOPE_FIELD_UNREADABLE];
	scope_buf_put(out, lit->p, lit->len);
	scope_buf_lit(out, "\"parts of a term\"");
}

static void put_fields(struct scope_json *j, const struct scope_event *ev,
		       struct scope_buf *out)
{
	bool is_cut = false;
	size_t owed = 0; /* term fields to come before `truncated` is known */
	bool is_due = false;

	for (size_t i = 0; i < ev->nfields; i++)
		owed += is_terms(ev->fields[i].key);
	is_due = owed > 0;
	j->is_torn = false;
	for (size_t i = 0; i < ev->nfields; i++) {
		const struct scope_field *f = &ev->fields[i];

		if (f->key == SCOPE_FIELD_TRUNCATED)
			continue;
		if (is_due && !owed && f->key > SCOPE_FIELD_TRUNCATED) {
			put_state(j, is_cut, f->key, out);
			is_due = false;
		}
		scope_buf_put(out, key_lits[f->key].p, key_lits[f->key].len);
		is_cut |= put_value(j, ev, f, out);
		owed -= is_terms(f->key);
	}
	if (is_due)
		put_state(j, is_cut, SCOPE_FIELD_MAX, out);
}

int scope_json_event(struct scope_json *j, const struct scope_event *ev,
		     struct scope_buf *out)
{
	struct scope_buf was = *out;

	out->full = false;
	put_head(j, ev, out);
	put_fields(j, ev, out);
	if (ev->redacted)
		scope_buf_lit(out, ",\"redacted\":true");
	scope_buf_lit(out, "}\n");
	if (out->full) {
		*out = was;
		return -ENOBUFS;
	}
	out->full = was.full;
	return 0;
}
