/* SPDX-License-Identifier: MIT */
/* Arguments of USDT probes: operands of the assembler, behind "SIZE@". */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "target/stapsdt.h"

#define SYMBOL_MAX 128

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_symbol_char(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '_' || c == '.' || c == '$' || c == '@';
}

static bool skip(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

static int hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A number, in decimal or as 0x..., with a sign. */
static bool number(const char **s, __u64 *ret)
{
	const char *p = *s;
	bool negative = *p == '-';
	__u64 v = 0, base = 10;

	if (*p == '-' || *p == '+')
		p++;
	if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X') &&
	    hex_digit(p[2]) >= 0) {
		base = 16;
		p += 2;
	}
	if (hex_digit(*p) < 0 || hex_digit(*p) >= (int)base)
		return false;
	for (; hex_digit(*p) >= 0 && hex_digit(*p) < (int)base; p++)
		if (__builtin_mul_overflow(v, base, &v) ||
		    __builtin_add_overflow(v, (__u64)hex_digit(*p), &v))
			return false;
	*ret = negative ? -v : v;
	*s = p;
	return true;
}

/* "8@", "-4@" */
static bool size(const char **s, struct scope_usdt_arg *a)
{
	if (skip(s, '-'))
		a->flags |= SCOPE_USDT_SIGNED;
	switch (**s) {
	case '1':
	case '2':
	case '4':
	case '8':
		a->size = (uint8_t)(**s - '0');
		break;
	default:
		return false;
	}
	(*s)++;
	return skip(s, '@');
}

/* ---- x86-64 ------------------------------------------------------------------ */

/* Where the name of a register leads: "ax", "cx", ... have al, ah, ax, eax and
 * rax; "si", ... sil, si, esi, rsi; r8 ... r15 with b, w and d. */
static bool x86_by_name(const char *p, size_t n, uint8_t *ret, uint8_t *shift)
{
	static const struct {
		const char *name;
		uint8_t reg;
	} old[] = {
		{ "ax", SCOPE_USDT_AX }, { "bx", SCOPE_USDT_BX },
		{ "cx", SCOPE_USDT_CX }, { "dx", SCOPE_USDT_DX },
		{ "si", SCOPE_USDT_SI }, { "di", SCOPE_USDT_DI },
		{ "bp", SCOPE_USDT_BP }, { "sp", SCOPE_USDT_SP },
	};
	char name[2] = { 0 };

	*shift = 0;
	if (n == 3 && (p[0] == 'r' || p[0] == 'e'))
		memcpy(name, p + 1, 2);
	else if (n == 3 && p[2] == 'l' && (p[1] == 'i' || p[1] == 'p'))
		memcpy(name, p, 2);
	else if (n == 2 && (p[1] == 'l' || p[1] == 'h'))
		name[0] = p[0], name[1] = 'x';
	else if (n == 2)
		memcpy(name, p, 2);
	else
		return false;
	for (size_t i = 0; i < sizeof(old) / sizeof(*old); i++) {
		if (memcmp(old[i].name, name, 2) != 0)
			continue;
		*ret = old[i].reg;
		if (n == 2 && p[1] == 'h')
			*shift = 8;
		return true;
	}
	return false;
}

static bool x86_register(const char **s, uint8_t *ret, uint8_t *shift)
{
	static const uint8_t numbered[] = {
		SCOPE_USDT_R8,	SCOPE_USDT_R9,	SCOPE_USDT_R10, SCOPE_USDT_R11,
		SCOPE_USDT_R12, SCOPE_USDT_R13, SCOPE_USDT_R14, SCOPE_USDT_R15,
	};
	const char *p;
	size_t n = 0;
	unsigned k = 0;

	if (!skip(s, '%'))
		return false;
	p = *s;
	while ((p[n] >= 'a' && p[n] <= 'z') || is_digit(p[n]))
		n++;
	*s += n;
	if (n < 2 || n > 4)
		return false;
	if (p[0] != 'r' || !is_digit(p[1]))
		return x86_by_name(p, n, ret, shift);
	for (size_t i = 1; i < n && is_digit(p[i]); i++)
		k = k * 10 + (unsigned)(p[i] - '0');
	if (k < 8 || k > 15 || p[1] == '0')
		return false;
	/* What is left of it is the size. */
	n -= k > 9 ? 3 : 2;
	if (n > 1 || (n && !strchr("bwd", p[k > 9 ? 3 : 2])))
		return false;
	*ret = numbered[k - 8];
	*shift = 0;
	return true;
}

/* A register that an address is made of. */
static bool x86_address_part(const char **s, uint8_t *ret)
{
	uint8_t shift;

	return (*s)[0] == '%' && (*s)[1] == 'r' &&
	       x86_register(s, ret, &shift) && !shift;
}

/* "NAME(%rip)", "NAME+8(%rip)": an address. */
static bool x86_variable(const char **s, const struct scope_usdt_resolver *r,
			 __u64 *ret)
{
	char name[SYMBOL_MAX];
	__u64 offset = 0;
	size_t n = 0;

	while (is_symbol_char((*s)[n]) && n + 1 < sizeof(name)) {
		name[n] = (*s)[n];
		n++;
	}
	name[n] = 0;
	*s += n;
	if (!n || is_digit(name[0]))
		return false;
	if ((**s == '+' || **s == '-') && !number(s, &offset))
		return false;
	if (strncmp(*s, "(%rip)", 6) != 0)
		return false;
	*s += 6;
	*ret = r && r->address ? r->address(r->arg, name) : 0;
	if (!*ret)
		return false;
	*ret += offset;
	return true;
}

/* "(%rax)", "-8(%rbp)", "8(%rax,%rbx,4)", "(,%rax,8)" */
static bool x86_memory(const char **s, struct scope_usdt_arg *a)
{
	__u64 scale;

	if (**s != '(' && !number(s, &a->value))
		return false;
	if (!skip(s, '('))
		return false;
	if (**s == '%') {
		if (!x86_address_part(s, &a->reg))
			return false;
		a->flags |= SCOPE_USDT_BASE;
	}
	if (skip(s, ',')) {
		if (!x86_address_part(s, &a->index) ||
		    a->index == SCOPE_USDT_SP)
			return false;
		a->flags |= SCOPE_USDT_INDEX;
		if (skip(s, ',')) {
			if (!number(s, &scale) || !scale || scale > 8 ||
			    (scale & (scale - 1)))
				return false;
			a->scale = (uint8_t)__builtin_ctzll(scale);
		}
	}
	return (a->flags & (SCOPE_USDT_BASE | SCOPE_USDT_INDEX)) &&
	       skip(s, ')');
}

static bool x86_operand(const char **s, const struct scope_usdt_resolver *r,
			struct scope_usdt_arg *a)
{
	if (skip(s, '$'))
		return number(s, &a->value);
	if (**s == '%') {
		a->flags |= SCOPE_USDT_BASE;
		/* The second byte is that, whatever the size. */
		return x86_register(s, &a->reg, &a->shift) &&
		       (!a->shift || a->size == 1);
	}
	a->flags |= SCOPE_USDT_DEREF;
	if (**s == '(' || **s == '-' || **s == '+' || is_digit(**s))
		return x86_memory(s, a);
	return x86_variable(s, r, &a->value);
}

/* ---- arm64 ------------------------------------------------------------------- */

#define ARM_ZERO 32

static bool arm_register(const char **s, bool is_address, uint8_t *ret)
{
	const char *p = *s;
	unsigned k = 0, n = 1;

	if (p[0] == 's' && p[1] == 'p') {
		*ret = SCOPE_USDT_ARM_SP;
		*s += 2;
		return !is_symbol_char(**s);
	}
	if (p[0] != 'x' && (p[0] != 'w' || is_address))
		return false;
	if (p[1] == 'z' && p[2] == 'r') {
		*ret = ARM_ZERO;
		*s += 3;
		return !is_address && !is_symbol_char(**s);
	}
	while (n < 3 && is_digit(p[n]))
		k = k * 10 + (unsigned)(p[n++] - '0');
	*s += n;
	*ret = (uint8_t)k;
	return n > 1 && k <= 30 && !(p[1] == '0' && n > 2) &&
	       !is_symbol_char(**s);
}

/* "[sp]", "[x1, 16]", "[x1, x2]", "[x1, x2, lsl 3]" */
static bool arm_memory(const char **s, struct scope_usdt_arg *a)
{
	__u64 scale;

	a->flags |= SCOPE_USDT_DEREF | SCOPE_USDT_BASE;
	if (!skip(s, '[') || !arm_register(s, true, &a->reg))
		return false;
	if (skip(s, ']'))
		return true;
	if (!skip(s, ','))
		return false;
	(void)skip(s, ' ');
	if (**s != 'x')
		return (skip(s, '#'), number(s, &a->value)) && skip(s, ']');
	if (!arm_register(s, true, &a->index))
		return false;
	a->flags |= SCOPE_USDT_INDEX;
	if (skip(s, ',')) {
		(void)skip(s, ' ');
		if (strncmp(*s, "lsl ", 4) != 0)
			return false;
		*s += 4;
		(void)skip(s, '#');
		if (!number(s, &scale) || scale > 3)
			return false;
		a->scale = (uint8_t)scale;
	}
	return skip(s, ']');
}

static bool arm_operand(const char **s, const struct scope_usdt_resolver *r,
			struct scope_usdt_arg *a)
{
	(void)r;
	if (**s == '[')
		return arm_memory(s, a);
	if (**s == '-' || is_digit(**s))
		return number(s, &a->value);
	a->flags |= SCOPE_USDT_BASE;
	if (!arm_register(s, false, &a->reg))
		return false;
	if (a->reg == ARM_ZERO) {
		a->reg = 0;
		a->flags &= (uint8_t)~SCOPE_USDT_BASE;
	}
	return true;
}

/* ---- all of them --------------------------------------------------------------- */

static int parse(const char *s, const struct scope_usdt_resolver *r,
		 bool (*operand)(const char **s,
				 const struct scope_usdt_resolver *r,
				 struct scope_usdt_arg *a),
		 struct scope_usdt_arg *out, size_t max, size_t *ret_bad)
{
	size_t n = 0;

	while (skip(&s, ' '))
		;
	while (*s) {
		struct scope_usdt_arg a = { 0 };

		*ret_bad = n;
		if (!size(&s, &a) || !operand(&s, r, &a) || (*s && *s != ' ') ||
		    n >= INT16_MAX)
			return -EBADMSG;
		if (n < max)
			out[n] = a;
		n++;
		while (skip(&s, ' '))
			;
	}
	return (int)n;
}

int scope_usdt_args_x86(const char *text, const struct scope_usdt_resolver *r,
			struct scope_usdt_arg *ret_args, size_t max,
			size_t *ret_bad)
{
	return parse(text, r, x86_operand, ret_args, max, ret_bad);
}

int scope_usdt_args_arm64(const char *text, const struct scope_usdt_resolver *r,
			  struct scope_usdt_arg *ret_args, size_t max,
			  size_t *ret_bad)
{
	return parse(text, r, arm_operand, ret_args, max, ret_bad);
}
