/* SPDX-License-Identifier: MIT */
/*
 * pattern: "Module:function/arity" as people write it, with wildcards.
 *
 * Shapes:  '*' is any characters, '?' any one byte; neither where the part is
 *          quoted ('Mod':'fun'), as an atom with such characters in it must be.
 *          An arity of '*', or none, is any.
 * Errors:  -EINVAL it is no such text.
 * Memory:  a pattern borrows the text it was made of.
 * Threads: pure functions.
 */
#ifndef SCOPE_TARGET_PATTERN_H
#define SCOPE_TARGET_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scope_pattern_part {
	const char *p;
	size_t len;
	bool is_exact; /* quoted, or without wildcards */
};

struct scope_pattern {
	struct scope_pattern_part module, function;
	int arity; /* -1: any */
	bool is_exact; /* it means one function at most */
};

int scope_pattern_parse(const char *text, struct scope_pattern *ret_pattern);

/* Does a part match a name, which need not be NUL-terminated? Linear in the
 * product of both lengths at worst. */
bool scope_pattern_part_matches(const struct scope_pattern_part *part,
				const char *name, size_t len);
bool scope_pattern_matches(const struct scope_pattern *p, const char *module,
			   size_t module_len, const char *function,
			   size_t function_len, unsigned arity);

#endif
