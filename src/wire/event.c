/* SPDX-License-Identifier: MIT */
#include "wire/event.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#define GROUP_PROC "proc"
#define GROUP_MSG "msg"
#define GROUP_GC "gc"
#define GROUP_CODE "code"
#define GROUP_SCHED "sched"
#define GROUP_CALL "call"
#define GROUP_ATTEMPT "attempt"
#define GROUP_DIST "dist"
#define GROUP_PORT "port"
#define GROUP_TIMER "timer"
#define GROUP_ETS "ets"
#define GROUP_NODE "node"
#define GROUP_STREAM "stream"

static const struct scope_kind_info kinds[SCOPE_KIND_MAX] = {
#define X(num, sym, kind_name, grp, def, what)                                 \
	[num] = { .name = kind_name,                                           \
		  .group = GROUP_##grp,                                        \
		  .says = what,                                                \
		  .by_default = def },
	SCOPE_KINDS(X)
#undef X
};

static const struct scope_field_info fields[SCOPE_FIELD_MAX] = {
#define X(sym, json_key, val, what)                                            \
	[SCOPE_FIELD_##sym] = { .key = json_key,                               \
				.says = what,                                  \
				.type = SCOPE_T_##val },
	SCOPE_FIELDS(X)
#undef X
};

const struct scope_kind_info *scope_kind_info(unsigned kind)
{
	static const struct scope_kind_info none;

	return kind < SCOPE_KIND_MAX ? &kinds[kind] : &none;
}

const struct scope_field_info *scope_field_info(enum scope_field_key key)
{
	assert(key < SCOPE_FIELD_MAX);
	return &fields[key];
}

const char *scope_loss_name(enum scope_loss cause)
{
	static const char *const names[] = {
#define X(num, sym, name, says) [num] = name,
		SCOPE_LOSSES(X)
#undef X
	};

	return cause < sizeof(names) / sizeof(*names) ? names[cause] : NULL;
}

scope_kindset scope_kinds_default(void)
{
	scope_kindset set = 0;

	for (unsigned k = 0; k < SCOPE_KIND_MAX; k++)
		if (kinds[k].name && kinds[k].by_default)
			set |= SCOPE_KIND_BIT(k);
	return set;
}

/* Kinds that every stream has: what it is of, and what it lacks. */
static scope_kindset always(void)
{
	scope_kindset set = 0;

	for (unsigned k = 0; k < SCOPE_KIND_MAX; k++)
		if (kinds[k].name && (!strcmp(kinds[k].group, GROUP_NODE) ||
				      !strcmp(kinds[k].group, GROUP_STREAM)))
			set |= SCOPE_KIND_BIT(k);
	return set;
}

static bool is_word(const char *s, const char *word, size_t len)
{
	return strlen(s) == len && !memcmp(s, word, len);
}

static scope_kindset word_kinds(const char *word, size_t len)
{
	scope_kindset set = 0;

	if (is_word("all", word, len))
		return ~(scope_kindset)0;
	if (is_word("default", word, len))
		return scope_kinds_default();
	for (unsigned k = 0; k < SCOPE_KIND_MAX; k++)
		if (kinds[k].name && (is_word(kinds[k].name, word, len) ||
				      is_word(kinds[k].group, word, len)))
			set |= SCOPE_KIND_BIT(k);
	return set;
}

int scope_kinds_parse(const char *list, scope_kindset *ret_set,
		      const char **ret_bad, size_t *ret_len)
{
	scope_kindset set = 0, known = 0;
	bool first = true;

	for (unsigned k = 0; k < SCOPE_KIND_MAX; k++)
		if (kinds[k].name)
			known |= SCOPE_KIND_BIT(k);
	for (;;) {
		size_t len = strcspn(list, ",");
		bool minus = len > 0 && *list == '-';
		scope_kindset w = word_kinds(list + minus, len - minus);

		if (!w) {
			*ret_bad = list;
			*ret_len = len;
			return -EINVAL;
		}
		/* "-gc" alone means all but that of the default set. */
		if (minus && first)
			set = scope_kinds_default();
		set = minus ? set & ~w : set | w;
		first = false;
		if (!list[len])
			break;
		list += len + 1;
	}
	*ret_set = (set & known) | always();
	return 0;
}

struct scope_field *scope_event_add(struct scope_event *ev,
				    enum scope_field_key key)
{
	struct scope_field *f;

	assert(ev->nfields < SCOPE_EVENT_FIELDS);
	f = &ev->fields[ev->nfields];
	if (ev->nfields < SCOPE_EVENT_FIELDS - 1)
		ev->nfields++;
	f->key = key;
	f->len = 0;
	return f;
}

void scope_event_add_u(struct scope_event *ev, enum scope_field_key key,
		       uint64_t v)
{
	scope_event_add(ev, key)->u = v;
}

void scope_event_add_text(struct scope_event *ev, enum scope_field_key key,
			  const char *text, size_t len)
{
	struct scope_field *f = scope_event_add(ev, key);

	f->text = text;
	f->len = (uint32_t)len;
}

const struct scope_field *scope_event_get(const struct scope_event *ev,
					  enum scope_field_key key)
{
	for (size_t i = 0; i < ev->nfields; i++)
		if (ev->fields[i].key == key)
			return &ev->fields[i];
	return NULL;
}
