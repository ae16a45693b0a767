/* SPDX-License-Identifier: MIT */
/*
 * varint: integers of seven bits a byte, least significant first (LEB128), and
 * signed ones folded so that small ones of either sign are short.
 *
 * Errors:  scope_varint_get: 0 bytes when the input ends before the number does,
 *          or when it has more than 64 bits.
 * Threads: pure functions.
 */
#ifndef SCOPE_STORE_VARINT_H
#define SCOPE_STORE_VARINT_H

#include <stddef.h>
#include <stdint.h>

#define SCOPE_VARINT_MAX 10 /* bytes */

static inline size_t scope_varint_put(uint8_t *p, uint64_t v)
{
	size_t n = 0;

	while (v >= 0x80) {
		p[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	p[n++] = (uint8_t)v;
	return n;
}

/* Bytes taken. */
static inline size_t scope_varint_get(const uint8_t *p, size_t len,
				      uint64_t *ret)
{
	uint64_t v = 0;

	for (size_t n = 0; n < len && n < SCOPE_VARINT_MAX; n++) {
		uint64_t bits = p[n] & 0x7f;

		if (n == SCOPE_VARINT_MAX - 1 && bits > 1)
			return 0;
		v |= bits << (7 * n);
		if (!(p[n] & 0x80)) {
			*ret = v;
			return n + 1;
		}
	}
	return 0;
}

static inline uint64_t scope_zigzag(int64_t v)
{
	return ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0);
}

static inline int64_t scope_unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

#endif
