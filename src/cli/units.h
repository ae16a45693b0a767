/* SPDX-License-Identifier: MIT */
/*
 * units: numbers with units, as people write them on a command line.
 *
 * Errors:  -EINVAL not of that form; -ERANGE too large. *ret is untouched.
 * Threads: pure functions.
 */
#ifndef SCOPE_CLI_UNITS_H
#define SCOPE_CLI_UNITS_H

#include <stdint.h>

/* "10s", "1.5m", "250ms", "2h"; seconds without a unit. */
int scope_parse_duration(const char *s, uint64_t *ret_ns);
/* "65536", "64K", "8M", "1G": powers of 1024. */
int scope_parse_size(const char *s, uint64_t *ret_bytes);
/* Decimal digits alone. */
int scope_parse_number(const char *s, uint64_t *ret_n);

/* "2%", "0.5", three decimals at most, up to 100: as a part of one. */
int scope_parse_percent(const char *s, double *ret_share);
/* "0.8", "80%": a part of one, six decimals at most. */
int scope_parse_share(const char *s, double *ret_share);

#endif
