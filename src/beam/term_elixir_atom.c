/* SPDX-License-Identifier: MIT */
/*
 * Atoms in Elixir's syntax: which need quotes (Macro.inspect_atom/2).
 *
 * Elixir follows UAX 31 with script mixing restricted (UTS 39). Here, an
 * identifier beyond ASCII is one that is Latin as a whole, or else of letters
 * of one of the scripts below and no other; what is left is quoted, which reads
 * back as the same atom.
 */
#include "beam/term_elixir.h"

#include "base/utf8.h"

enum script { NO_LETTER, LATIN, GREEK, CYRILLIC, CJK, DIGIT };

static const struct {
	uint32_t from, to;
	enum script script;
} scripts[] = {
	{ '0', '9', DIGIT },	   { '_', '_', DIGIT },
	{ '@', '@', DIGIT },	   { 'A', 'Z', LATIN },
	{ 'a', 'z', LATIN },	   { 0xb7, 0xb7, DIGIT },
	{ 0xc0, 0xd6, LATIN },	   { 0xd8, 0xf6, LATIN },
	{ 0xf8, 0x131, LATIN },	   { 0x134, 0x13e, LATIN },
	{ 0x141, 0x148, LATIN },   { 0x14a, 0x17e, LATIN },
	{ 0x1e00, 0x1e99, LATIN }, { 0x1ea0, 0x1eff, LATIN },
	{ 0x386, 0x386, GREEK },   { 0x388, 0x3ce, GREEK },
	{ 0x400, 0x481, CYRILLIC }, { 0x48a, 0x52f, CYRILLIC },
	{ 0x3041, 0x3096, CJK },   { 0x30a1, 0x30fa, CJK },
	{ 0x3400, 0x4dbf, CJK },   { 0x4e00, 0x9fff, CJK },
	{ 0xac00, 0xd7a3, CJK },
};

static enum script script_of(uint32_t cp)
{
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
		if (cp >= scripts[i].from && cp <= scripts[i].to)
			return scripts[i].script;
	return NO_LETTER;
}

/* A letter or '_', letters, digits, '_', '@', and one '?' or '!' at the end. */
static bool is_identifier(const char *s, size_t n)
{
	enum script all = DIGIT;
	uint32_t cp;

	if (!n || (s[0] >= '0' && s[0] <= '9') || s[0] == '@')
		return false;
	if (s[n - 1] == '?' || s[n - 1] == '!')
		n--;
	if (!n)
		return false;
	for (size_t i = 0; i < n;) {
		size_t len = scope_utf8_next(s + i, n - i, &cp);
		enum script script;

		if (!len || (i == 0 && cp == 0xb7))
			return false;
		script = script_of(cp);
		if (script == NO_LETTER)
			return false;
		if (script != DIGIT && all != DIGIT && script != all)
			return false;
		if (script != DIGIT)
			all = script;
		i += len;
	}
	return true;
}

static bool is_any_of(const char *const *list, const char *s, size_t n)
{
	for (; *list; list++)
		if (strlen(*list) == n && memcmp(*list, s, n) == 0)
			return true;
	return false;
}

/* Operators that are atoms without quotes: both as terms and after a dot; as
 * terms only; after a dot only. */
static const char *const operators[] = {
	"!", "&", "*", "+", "-", "/", "<", "=", ">", "@", "^", "|", "!=", "&&",
	"**", "++", "--", "<-", "<=", "<>", "<~", "==", "=~", ">=", "\\\\",
	"|>", "||", "~>", "!==", "&&&", "+++", "---", "<<<", "<<~", "<~>",
	"===", ">>>", "|||", "~>>", NULL,
};
static const char *const atoms_only[] = {
	"%", ".", "->", "..", "{}", "%{}", "...", "..//", "<<>>", NULL,
};
static const char *const calls_only[] = { "^^^", "~~~", NULL };

static bool is_bare(const char *s, size_t n)
{
	return is_identifier(s, n) || is_any_of(operators, s, n) ||
	       is_any_of(atoms_only, s, n);
}

/* "Elixir." and parts that begin with a capital, of ASCII letters and digits:
 * the bytes after "Elixir."; 0: no such. */
static size_t alias_of(const char *s, size_t n)
{
	bool first = true;

	if (n < 8 || memcmp(s, "Elixir.", 7) != 0)
		return 0;
	for (size_t i = 7; i < n; i++) {
		char c = s[i];
		bool upper = c >= 'A' && c <= 'Z';

		if (first && !upper)
			return 0;
		first = c == '.';
		if (!upper && !(c >= 'a' && c <= 'z') &&
		    !(c >= '0' && c <= '9') && c != '_' && c != '.')
			return 0;
	}
	return first ? 0 : n - 7;
}

void scope_elixir_char(struct scope_buf *out, uint32_t cp, uint32_t next,
		       char quote)
{
	static const char hex[] = "0123456789ABCDEF";
	static const char letters[] = "abtnvfr"; /* from 7 on */

	if (cp == (uint32_t)quote || cp == '\\' ||
	    (cp == '#' && next == '{')) {
		scope_buf_char(out, '\\');
		scope_buf_char(out, (char)cp);
	} else if (cp >= 7 && cp <= 13) {
		scope_buf_char(out, '\\');
		scope_buf_char(out, letters[cp - 7]);
	} else if (cp == 0) {
		scope_buf_lit(out, "\\0");
	} else if (cp == 0x1b) {
		scope_buf_lit(out, "\\e");
	} else if (cp == 0x7f) {
		scope_buf_lit(out, "\\d");
	} else if (cp < 0x20 || (cp >= 0x80 && cp < 0xa0)) {
		scope_buf_lit(out, "\\x");
		scope_buf_char(out, hex[cp >> 4]);
		scope_buf_char(out, hex[cp & 15]);
	} else if (cp == 0xfeff || cp == 0xfffe || cp == 0xffff) {
		scope_buf_lit(out, "\\u");
		for (int shift = 12; shift >= 0; shift -= 4)
			scope_buf_char(out, hex[cp >> shift & 15]);
	} else {
		scope_cp_put(out, cp);
	}
}

static void put_quoted(struct scope_buf *out, const char *s, size_t n)
{
	uint32_t cp = 0;

	scope_buf_char(out, '"');
	for (size_t i = 0; i < n;) {
		i += scope_utf8_next(s + i, n - i, &cp);
		scope_elixir_char(out, cp, i < n ? (uint32_t)s[i] : 0, '"');
	}
	scope_buf_char(out, '"');
}

static bool is_literal(const char *s, size_t n)
{
	static const char *const words[] = { "nil", "true", "false", "Elixir",
					     NULL };

	return is_any_of(words, s, n);
}

bool scope_elixir_atom(struct scope_put *p, uint64_t atom)
{
	size_t n, alias;
	const char *s = scope_vm_atom(p->vm, atom, &n);

	if (!s)
		return false;
	alias = alias_of(s, n);
	if (alias) {
		scope_buf_put(p->out, s + n - alias, alias);
		return true;
	}
	if (is_literal(s, n)) {
		scope_buf_put(p->out, s, n);
		return true;
	}
	scope_buf_char(p->out, ':');
	if (is_bare(s, n))
		scope_buf_put(p->out, s, n);
	else
		put_quoted(p->out, s, n);
	return true;
}

bool scope_elixir_key(struct scope_put *p, uint64_t atom)
{
	size_t n;
	const char *s = scope_vm_atom(p->vm, atom, &n);

	if (!s)
		return false;
	if (is_bare(s, n) && !(n == 6 && memcmp(s, "Elixir", 6) == 0))
		scope_buf_put(p->out, s, n);
	else
		put_quoted(p->out, s, n);
	return true;
}

bool scope_elixir_call(struct scope_put *p, uint64_t atom)
{
	size_t n;
	const char *s = scope_vm_atom(p->vm, atom, &n);
	bool bare;

	if (!s)
		return false;
	bare = is_any_of(operators, s, n) || is_any_of(calls_only, s, n);
	/* a name that is no alias: of small letters first, and without '@' */
	if (is_identifier(s, n) && !memchr(s, '@', n)) {
		uint32_t cp = 0;

		(void)scope_utf8_next(s, n, &cp);
		bare = bare || !((cp >= 'A' && cp <= 'Z') ||
				 (cp >= 0xc0 && cp <= 0xde) ||
				 (cp >= 0x391 && cp <= 0x3ab) ||
				 (cp >= 0x400 && cp <= 0x42f));
	}
	if (bare)
		scope_buf_put(p->out, s, n);
	else
		put_quoted(p->out, s, n);
	return true;
}

bool scope_elixir_is_key(struct scope_put *p, uint64_t term)
{
	size_t n;
	const char *s = scope_vm_atom(p->vm, term, &n);

	return s && !(n >= 7 && memcmp(s, "Elixir.", 7) == 0);
}

bool scope_elixir_is(struct scope_put *p, uint64_t term, const char *text)
{
	size_t n;
	const char *s = scope_vm_atom(p->vm, term, &n);

	return s && n == strlen(text) && memcmp(s, text, n) == 0;
}

bool scope_elixir_is_alias(struct scope_put *p, uint64_t term)
{
	size_t n;
	const char *s = scope_vm_atom(p->vm, term, &n);

	return s && alias_of(s, n) != 0;
}
