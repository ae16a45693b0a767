/* SPDX-License-Identifier: MIT */
/* The rules, and what they mean for an event's own fields. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "beam/redact_int.h"

#include <ctype.h>
#include <fnmatch.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RULES_MAX 1024
#define NAME_BYTES 512	    /* of a name that a glob is held against */
#define MATCH_WORK 100000u  /* steps of one match */
#define HIDDEN SCOPE_TEXT_REDACTED

const char *const scope_redact_default[] = {
	"key:*password*",
	"key:passwd",
	"key:*passphrase*",
	"key:*secret*",
	"key:*token*",
	"key:*credential*",
	"key:*api_key*",
	"key:apikey",
	"key:*private_key*",
	"key:*authorization*",
	"key:*cookie*",
	"key:*session_key*",
	"match:(?i)\\b(?:bearer|basic) +[a-z0-9._~+/-]{6,}=*",
	"match:-----BEGIN [A-Z ]*PRIVATE KEY-----",
	"match:\\beyJ[A-Za-z0-9_-]{6,}\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]*",
	"match:\\b(?:AKIA|ASIA)[0-9A-Z]{16}\\b",
	"match:(?i)[a-z][a-z0-9+.-]*://[^/\\s:@]*:[^/\\s@]+@",
	/* password=x, "password":"x", Cookie: x; --password x */
	"match:(?i)(?:passw(?:or)?d|passphrase|secret|token|credentials?|"
	"api[_-]?key|private[_-]?key|cookie)[\\\\\"']*\\s*(?:=>|[:=])\\s*\\S",
	"match:(?i)--[a-z-]*(?:passw(?:or)?d|passphrase|secret|token)\\s+\\S",
	NULL,
};

enum rule_type { RULE_KEY, RULE_ATOM, RULE_FIELD };

struct rule {
	enum rule_type type;
	char *glob;   /* owned */
	char *module; /* RULE_FIELD: owned */
};

struct pattern {
	pcre2_code *code;
	pcre2_match_data *data;
};

struct scope_redact {
	scope_kindset kinds;
	struct rule rules[RULES_MAX];
	size_t nrules;
	struct pattern patterns[RULES_MAX];
	size_t npatterns;
	pcre2_match_context *context;
	/* the copy */
	struct scope_event ev;
	uint64_t words[SCOPE_WORDS_MAX];
};

int scope_redact_new(struct scope_redact **ret_redact)
{
	scope_auto(scope_redact) r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->context = pcre2_match_context_create(NULL);
	if (!r->context)
		return -ENOMEM;
	(void)pcre2_set_match_limit(r->context, MATCH_WORK);
	(void)pcre2_set_depth_limit(r->context, MATCH_WORK);
	*ret_redact = scope_take(r);
	return 0;
}

void scope_redact_free(struct scope_redact *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->nrules; i++) {
		free(r->rules[i].glob);
		free(r->rules[i].module);
	}
	for (size_t i = 0; i < r->npatterns; i++) {
		pcre2_match_data_free(r->patterns[i].data);
		pcre2_code_free(r->patterns[i].code);
	}
	pcre2_match_context_free(r->context);
	free(r);
}

/* -- adding rules ---------------------------------------------------------------- */

/* Names are compared without regard to case, and with '-' for '_'. */
static void fold(char *s)
{
	for (; *s; s++)
		*s = *s == '-' ? '_' : (char)tolower((unsigned char)*s);
}

static int add_glob(struct scope_redact *r, enum rule_type type,
		    const char *module, size_t module_len, const char *glob,
		    struct scope_err *err)
{
	struct rule *rule = &r->rules[r->nrules];

	if (r->nrules == RULES_MAX)
		return scope_fail(err, -EINVAL, "more than %d --redact rules",
				  RULES_MAX);
	if (!*glob || strlen(glob) >= NAME_BYTES)
		return scope_fail(err, -EINVAL,
				  "--redact: a rule without a name; it is "
				  "written as key:password or atom:user");
	rule->type = type;
	rule->glob = strdup(glob);
	rule->module = module ? strndup(module, module_len) : NULL;
	r->nrules++; /* free takes care of half a rule */
	if (!rule->glob || (module && !rule->module))
		return scope_fail(err, -ENOMEM, "out of memory");
	if (type == RULE_KEY)
		fold(rule->glob);
	return 0;
}

static int add_field(struct scope_redact *r, const char *text,
		     struct scope_err *err)
{
	const char *dot = strrchr(text, '.');

	if (!dot || dot == text)
		return scope_fail(err, -EINVAL,
				  "--redact: field:%s names no field; it is "
				  "written as field:Shop.User.password",
				  text);
	return add_glob(r, RULE_FIELD, text, (size_t)(dot - text), dot + 1,
			err);
}

static int add_pattern(struct scope_redact *r, const char *text,
		       struct scope_err *err)
{
	struct pattern *p = &r->patterns[r->npatterns];
	PCRE2_SIZE at = 0;
	int code = 0;

	if (r->npatterns == RULES_MAX)
		return scope_fail(err, -EINVAL, "more than %d --redact rules",
				  RULES_MAX);
	if (!*text)
		return scope_fail(err, -EINVAL,
				  "--redact: match: without a pattern");
	p->code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, 0,
				&code, &at, NULL);
	if (!p->code) {
		PCRE2_UCHAR why[128] = "";

		(void)pcre2_get_error_message(code, why, sizeof(why));
		return scope_fail(err, -EINVAL,
				  "--redact: match:%.100s: %s, at byte %zu",
				  text, (const char *)why, (size_t)at);
	}
	r->npatterns++;
	p->data = pcre2_match_data_create_from_pattern(p->code, NULL);
	if (!p->data)
		return scope_fail(err, -ENOMEM, "out of memory");
	/* Where there is no compiler for this machine it is interpreted. */
	(void)pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE |
						 PCRE2_JIT_PARTIAL_HARD);
	return 0;
}

static int add_kinds(struct scope_redact *r, const char *text,
		     struct scope_err *err)
{
	scope_kindset set = 0;
	const char *bad = "";
	size_t len = 0;

	if (scope_kinds_parse(text, &set, &bad, &len) < 0)
		return scope_fail(err, -EINVAL,
				  "--redact: kind:%s: '%.*s' is no kind or "
				  "group of events",
				  text, (int)(len < 100 ? len : 100), bad);
	r->kinds |= set;
	return 0;
}

static int add_file(struct scope_redact *r, const char *path,
		    struct scope_err *err)
{
	scope_autofclose FILE *f = fopen(path, "re");
	scope_autofree char *line = NULL;
	size_t cap = 0;
	unsigned at = 0;
	ssize_t n;

	if (!f)
		return scope_fail(err, -EINVAL,
				  "can't read the rules in %s: %s", path,
				  strerror(errno));
	while ((n = getline(&line, &cap, f)) >= 0) {
		struct scope_err why = { 0 };
		char *s = line;
		int e;

		at++;
		while (n && isspace((unsigned char)s[n - 1]))
			s[--n] = '\0';
		while (isspace((unsigned char)*s))
			s++;
		if (!*s || *s == '#')
			continue;
		/* No files in files: they could go round in a circle. */
		e = *s == '@' ? scope_fail(&why, -EINVAL,
					   "--redact: a file of rules names "
					   "another") :
				scope_redact_add(r, s, &why);
		if (e < 0)
			return scope_fail(err, e, "%s:%u: %s", path, at,
					  why.text);
	}
	if (ferror(f))
		return scope_fail(err, -EINVAL, "can't read the rules in %s",
				  path);
	return 0;
}

static bool takes(const char **rule, const char *prefix)
{
	size_t n = strlen(prefix);

	if (strncmp(*rule, prefix, n) != 0)
		return false;
	*rule += n;
	return true;
}

int scope_redact_add(struct scope_redact *r, const char *rule,
		     struct scope_err *err)
{
	const char *text = rule;

	if (*text == '@')
		return add_file(r, text + 1, err);
	if (takes(&text, "kind:"))
		return add_kinds(r, text, err);
	if (takes(&text, "key:"))
		return add_glob(r, RULE_KEY, NULL, 0, text, err);
	if (takes(&text, "atom:"))
		return add_glob(r, RULE_ATOM, NULL, 0, text, err);
	if (takes(&text, "field:"))
		return add_field(r, text, err);
	if (takes(&text, "match:"))
		return add_pattern(r, text, err);
	if (!strcmp(rule, "default")) {
		for (size_t i = 0; scope_redact_default[i]; i++) {
			int e = scope_redact_add(r, scope_redact_default[i],
						 err);

			if (e < 0)
				return e;
		}
		return 0;
	}
	return scope_fail(err, -EINVAL,
			  "--redact: '%.100s' is no rule; rules are default, "
			  "kind:, key:, atom:, field:, match: and @FILE",
			  rule);
}

/* -- asking them ------------------------------------------------------------------ */

static bool glob_takes(const char *glob, const struct scope_text *text,
		       bool is_folded)
{
	char name[NAME_BYTES];

	if (text->len >= sizeof(name) || memchr(text->p, 0, text->len))
		return false;
	memcpy(name, text->p, text->len);
	name[text->len] = '\0';
	if (is_folded)
		fold(name);
	return fnmatch(glob, name, 0) == 0;
}

static bool any(const struct scope_redact *r, enum rule_type type,
		const struct scope_text *text)
{
	for (size_t i = 0; i < r->nrules; i++)
		if (r->rules[i].type == type &&
		    (text->cut || glob_takes(r->rules[i].glob, text,
					     type == RULE_KEY)))
			return true;
	return false;
}

bool scope_redact_is_key(const struct scope_redact *r,
			 const struct scope_text *key)
{
	return any(r, RULE_KEY, key);
}

bool scope_redact_is_tag(const struct scope_redact *r,
			 const struct scope_text *atom)
{
	return any(r, RULE_ATOM, atom);
}

static bool module_takes(const char *glob, const struct scope_text *module)
{
	static const char elixir[] = "Elixir.";
	struct scope_text rest = *module;

	if (module->cut || glob_takes(glob, module, false))
		return true;
	if (rest.len <= sizeof(elixir) - 1 ||
	    memcmp(rest.p, elixir, sizeof(elixir) - 1) != 0)
		return false;
	rest.p += sizeof(elixir) - 1;
	rest.len -= sizeof(elixir) - 1;
	return glob_takes(glob, &rest, false);
}

bool scope_redact_is_field(const struct scope_redact *r,
			   const struct scope_text *module,
			   const struct scope_text *field)
{
	for (size_t i = 0; i < r->nrules; i++)
		if (r->rules[i].type == RULE_FIELD &&
		    module_takes(r->rules[i].module, module) &&
		    (field->cut ||
		     glob_takes(r->rules[i].glob, field, false)))
			return true;
	return false;
}

bool scope_redact_has_patterns(const struct scope_redact *r)
{
	return r->npatterns > 0;
}

bool scope_redact_is_match(struct scope_redact *r,
			   const struct scope_text *text)
{
	for (size_t i = 0; i < r->npatterns; i++) {
		int n = pcre2_match(r->patterns[i].code, (PCRE2_SPTR)text->p,
				    text->len, 0,
				    text->cut ? PCRE2_PARTIAL_HARD : 0,
				    r->patterns[i].data, r->context);

		/* A partial match, and one that could not be carried out. */
		if (n != PCRE2_ERROR_NOMATCH)
			return true;
	}
	return false;
}

/* -- an event ---------------------------------------------------------------------- */

/* Fields that tell what the terms hold; the others are facts of the stream. */
static bool is_contents(enum scope_field_key key)
{
	enum scope_type type = scope_field_info(key)->type;

	/* A port's command is a command line, passwords and all. */
	return type == SCOPE_T_TERM || type == SCOPE_T_TERMS ||
	       key == SCOPE_FIELD_COMMAND || key == SCOPE_FIELD_REASON_TEXT;
}

static bool is_stream(enum scope_kind kind)
{
	return kind == SCOPE_KIND_NODE_ATTACH || kind == SCOPE_KIND_NODE_EXIT ||
	       kind == SCOPE_KIND_LOSS || kind == SCOPE_KIND_SUMMARY;
}

static bool is_secret_atom(struct scope_redact *r, struct scope_vm *vm,
			   uint64_t atom)
{
	struct scope_text text = { 0 };

	if (!atom || !r->npatterns)
		return false;
	text.p = scope_vm_atom(vm, atom, &text.len);
	return text.p && scope_redact_is_match(r, &text);
}

/* A term that is there as text: what is in it can't be told, unless it is one
 * atom that needs no quotes. */
static bool is_word(const struct scope_text *t)
{
	for (size_t i = 0; i < t->len; i++) {
		char c = t->p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= '0' && c <= '9') && c != '_' && c != '@')
			return false;
	}
	return t->len && t->p[0] >= 'a' && t->p[0] <= 'z';
}

/* Hide all of a field. False: it has to go. */
static bool hide_field(struct scope_field *f)
{
	switch (scope_field_info(f->key)->type) {
	case SCOPE_T_ATOM:
	case SCOPE_T_TERM:
	case SCOPE_T_TERMS:
		f->term = SCOPE_WORD_REDACTED;
		return true;
	case SCOPE_T_TEXT:
		f->text = HIDDEN;
		f->len = sizeof(HIDDEN) - 1;
		return true;
	case SCOPE_T_MFA:
		f->mfa.module = SCOPE_WORD_REDACTED;
		f->mfa.function = SCOPE_WORD_REDACTED;
		f->mfa.arity = 0;
		return true;
	default:
		return false;
	}
}

static bool hide_in_field(struct scope_redact *r, struct scope_vm *vm,
			  struct scope_event *ev, struct scope_field *f)
{
	struct scope_text text = { .p = f->text, .len = f->len };

	switch (scope_field_info(f->key)->type) {
	case SCOPE_T_TERM:
	case SCOPE_T_TERMS:
		return scope_redact_term(r, vm, &ev->image, r->words, &f->term);
	case SCOPE_T_ATOM:
		return is_secret_atom(r, vm, f->term) && hide_field(f);
	case SCOPE_T_MFA:
		return (is_secret_atom(r, vm, f->mfa.module) ||
			is_secret_atom(r, vm, f->mfa.function)) &&
		       hide_field(f);
	case SCOPE_T_TEXT:
		return ((f->key == SCOPE_FIELD_REASON_TEXT && !is_word(&text)) ||
			scope_redact_is_match(r, &text)) &&
		       hide_field(f);
	default:
		return false;
	}
}

/* 0: it stays as it is; 1: it was changed; -1: it has to go. */
static int redact_field(struct scope_redact *r, struct scope_vm *vm,
			struct scope_event *ev, struct scope_field *f)
{
	const char *name = scope_field_info(f->key)->key;
	struct scope_text key = { .p = name, .len = strlen(name) };

	if (scope_redact_is_key(r, &key) ||
	    ((r->kinds & SCOPE_KIND_BIT(ev->kind)) && is_contents(f->key)))
		return hide_field(f) ? 1 : -1;
	return hide_in_field(r, vm, ev, f);
}

const struct scope_event *scope_redact_event(struct scope_redact *r,
					     struct scope_vm *vm,
					     const struct scope_event *ev)
{
	struct scope_event *e = &r->ev;
	static const struct scope_text name = { "name", 4, false };
	bool changed = false;
	size_t n = 0;

	if (is_stream(ev->kind))
		return ev;
	*e = *ev;
	if (e->image.nwords > SCOPE_WORDS_MAX)
		e->image.nwords = SCOPE_WORDS_MAX;
	if (e->image.nwords)
		memcpy(r->words, e->image.words, 8 * e->image.nwords);
	e->image.words = r->words;
	if (e->name && (scope_redact_is_key(r, &name) ||
			is_secret_atom(r, vm, e->name))) {
		e->name = SCOPE_WORD_REDACTED;
		changed = true;
	}
	for (size_t i = 0; i < e->nfields; i++) {
		struct scope_field f = e->fields[i];
		int did = redact_field(r, vm, e, &f);

		changed |= did != 0;
		if (did >= 0)
			e->fields[n++] = f;
	}
	e->nfields = n;
	e->redacted = changed;
	return changed ? e : ev;
}

int scope_redact_make(const char *const *rules, size_t n,
		      struct scope_redact **ret_redact, struct scope_err *err)
{
	int r = n ? scope_redact_new(ret_redact) : 0;

	if (r < 0)
		return scope_fail(err, r, "out of memory");
	for (size_t i = 0; r == 0 && i < n; i++)
		r = scope_redact_add(*ret_redact, rules[i], err);
	return r;
}
