/* SPDX-License-Identifier: MIT */
/* A filter. Input: its text. It is one, or it is said what is wrong. */
#include <string.h>

#include "query/expr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct scope_expr_opts times = { .first_ts_ns = 1,
					       .last_ts_ns = 2 };
	scope_autofree char *text = strndup((const char *)data, size);
	scope_auto(scope_expr) expr = NULL;
	struct scope_err err = { 0 };
	struct scope_expr_plan plan;

	if (!text)
		abort();
	if (scope_expr_parse(text, &times, &expr, &err) == 0)
		scope_expr_plan(expr, &plan);
	else if (!err.text[0])
		abort();
	return 0;
}
