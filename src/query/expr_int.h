/* SPDX-License-Identifier: MIT */
/* expr_int: the tree that expr_parse.c makes and expr_eval.c walks. */
#ifndef SCOPE_QUERY_EXPR_INT_H
#define SCOPE_QUERY_EXPR_INT_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "query/expr.h"

#define EXPR_PATH 8 /* [1][2]… */

enum expr_op {
	EXPR_AND,
	EXPR_OR,
	EXPR_NOT,
	EXPR_HAS,
	EXPR_EQ,
	EXPR_NE,
	EXPR_LT,
	EXPR_LE,
	EXPR_GT,
	EXPR_GE,
	EXPR_MATCH,
	EXPR_NO_MATCH,
	EXPR_IN,
	EXPR_RANGE,
};

struct expr_value {
	const char *text; /* in expr.text, unquoted */
	size_t len;
	bool is_quoted;
	bool is_glob;
	bool is_number;
	int64_t number; /* with its unit: ns, bytes */
};

struct expr_step {
	const char *text;
	size_t len;
	bool is_number;
	size_t number; /* from 1 */
};

struct expr_node {
	enum expr_op op;
	int left, right; /* of AND, OR, NOT; -1: none */
	const char *field;
	size_t field_len;
	size_t npath;
	struct expr_step path[EXPR_PATH];
	size_t first, nvalues; /* of expr.values */
	pcre2_code *regex;     /* owned */
};

#define EXPR_VALUES (4 * SCOPE_EXPR_NODES)
#define EXPR_PRINTED 65536u

struct scope_expr {
	char *text; /* owned: quoted values are unquoted in place */
	int64_t os_pid;
	struct expr_node nodes[SCOPE_EXPR_NODES];
	int nnodes, root;
	struct expr_value values[EXPR_VALUES];
	size_t nvalues;
	pcre2_match_data *match; /* owned */
	char printed[EXPR_PRINTED];
};

#endif
