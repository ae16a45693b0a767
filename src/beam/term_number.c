/* SPDX-License-Identifier: MIT */
/* Big integers and floats. */
#include "beam/term_int.h"

#include <inttypes.h>
#include <math.h>

__extension__ typedef unsigned __int128 u128;

/* 19 decimal digits fit in a word, 20 do not. */
#define CHUNK 10000000000000000000ull
#define CHUNK_DIGITS 19
#define BIG_WORDS SCOPE_WORDS_MAX

static void put_chunk(struct scope_buf *out, uint64_t v)
{
	char s[CHUNK_DIGITS];

	for (size_t i = sizeof(s); i--; v /= 10)
		s[i] = (char)('0' + v % 10);
	scope_buf_put(out, s, sizeof(s));
}

/* A bignum is a header whose arity is the number of 64-bit digits, least
 * significant first (big.h). */
bool scope_big_put(struct scope_put *p, const struct scope_view *v)
{
	uint64_t digits[BIG_WORDS], chunks[BIG_WORDS * 64 / 63 + 2];
	size_t n = SCOPE_ARITY(v->header), at = 0;

	if (SCOPE_ARITY(v->header) > BIG_WORDS)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!scope_word_at(p, v->addr + 8 + 8 * i, &digits[i]))
			return false;
	do {
		u128 rest = 0;

		while (n && !digits[n - 1])
			n--;
		for (size_t i = n; i--;) {
			rest = rest << 64 | digits[i];
			digits[i] = (uint64_t)(rest / CHUNK);
			rest %= CHUNK;
		}
		chunks[at++] = (uint64_t)rest;
	} while (n > 1 || (n == 1 && digits[0]));
	if (SCOPE_SUBTAG(v->header) == p->l->sub.neg_big)
		scope_buf_char(p->out, '-');
	scope_buf_u64(p->out, chunks[--at]);
	while (at)
		put_chunk(p->out, chunks[--at]);
	return true;
}

bool scope_float_of(struct scope_put *p, const struct scope_view *v,
		    double *ret)
{
	uint64_t word;

	if (!scope_word_at(p, v->addr + 8, &word))
		return false;
	memcpy(ret, &word, sizeof(*ret));
	return true;
}

/* A number as %e prints it: its digits, and the power of ten of the last. */
static void digits_of(const char *s, uint64_t *ret_digits, int *ret_exp)
{
	uint64_t v = 0;
	int n = 0;

	for (; *s != 'e'; s++) {
		if (*s == '.')
			continue;
		v = v * 10 + (uint64_t)(*s - '0');
		n++;
	}
	*ret_exp = atoi(s + 1) - (n - 1);
	*ret_digits = v;
}

static bool reads_back(uint64_t digits, int exp, double d)
{
	char s[40];

	(void)snprintf(s, sizeof(s), "%" PRIu64 "e%d", digits, exp);
	return strtod(s, NULL) == d;
}

/* The fewest digits that read back as d, and the power of ten of the last of
 * them. d is positive and finite. */
static int shortest(double d, char text[24], int *ret_exp)
{
	int unused, first = d < 2.3e-308 ? 1 : 15;
	bool is_power = frexp(d, &unused) == 0.5;
	uint64_t digits = 0;
	char s[32];

	/* A normal number has one text of 15 digits that may read back as it;
	 * one of fewer digits is that with its zeros taken off. Below a power
	 * of two, floats are closer than above it: there, the nearest text may
	 * be another number's while the next one up is still its own. */
	for (int prec = first; prec <= 17; prec++) {
		(void)snprintf(s, sizeof(s), "%.*e", prec - 1, d);
		digits_of(s, &digits, ret_exp);
		if (prec == 17 || reads_back(digits, *ret_exp, d))
			break;
		if (is_power && reads_back(digits + 1, *ret_exp, d)) {
			digits++;
			break;
		}
	}
	while (digits % 10 == 0) {
		digits /= 10;
		++*ret_exp;
	}
	return snprintf(text, 24, "%" PRIu64, digits);
}

/* Whether the integer `digits` * 10^exp is at least 2^53, where not all
 * integers are floats any more. */
static bool is_coarse(const char *digits, int exp)
{
	double d = strtod(digits, NULL);

	while (exp-- > 0)
		d *= 10;
	return d >= 9007199254740992.0;
}

/*
 * The format: plain with at least one digit on either side of the point when
 * that takes no more characters than the exponent form (d.d…e[-]x) does, and
 * always the exponent form from 2^53 on.
 */
void scope_float_put(struct scope_buf *out, double d)
{
	char digits[24];
	int exp, n, point;

	if (signbit(d))
		scope_buf_char(out, '-');
	d = fabs(d);
	if (d == 0.0) {
		scope_buf_lit(out, "0.0");
		return;
	}
	n = shortest(d, digits, &exp);
	point = n + exp; /* digits before the point */
	if (exp > (n == 1 || point > 10 ? 2 : 1) ||
	    exp < (n == 1 ? -4 : -(n + 2)) ||
	    (exp >= 0 && is_coarse(digits, exp))) {
		scope_buf_char(out, digits[0]);
		scope_buf_char(out, '.');
		scope_buf_puts(out, n > 1 ? digits + 1 : "0");
		scope_buf_char(out, 'e');
		scope_buf_i64(out, point - 1);
		return;
	}
	if (exp >= 0) {
		scope_buf_puts(out, digits);
		while (exp-- > 0)
			scope_buf_char(out, '0');
		scope_buf_lit(out, ".0");
	} else if (point > 0) {
		scope_buf_put(out, digits, (size_t)point);
		scope_buf_char(out, '.');
		scope_buf_puts(out, digits + point);
	} else {
		scope_buf_lit(out, "0.");
		while (point++ < 0)
			scope_buf_char(out, '0');
		scope_buf_puts(out, digits);
	}
}
