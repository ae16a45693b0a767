/* SPDX-License-Identifier: MIT */
/*
 * utf8: checked decoding and encoding (RFC 3629: no surrogates, nothing above
 * U+10FFFF, no overlong forms).
 *
 * Threads: pure functions.
 */
#ifndef SCOPE_UTF8_H
#define SCOPE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The code point at the start of s[n]: the bytes it takes (1..4). 0: no valid
 * one starts here; *ret_cp is untouched. */
size_t scope_utf8_next(const char *s, size_t n, uint32_t *ret_cp);

/* Code point cp into s: the bytes written (1..4), 0 when cp is none. */
size_t scope_utf8_put(char s[4], uint32_t cp);

bool scope_utf8_valid(const char *s, size_t n);

/* How many bytes at the end of s[n] are the start of a longer sequence whose
 * rest would follow: 0..3. For text that was cut. */
size_t scope_utf8_tail(const char *s, size_t n);

#endif
