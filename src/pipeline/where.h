/* SPDX-License-Identifier: MIT */
/*
 * where: conditions on the arguments of a call.
 *
 *   arg1 == foo and (arg2 > 10 or not arg3 ~ "error")
 *
 * Shapes:  argN is the Nth argument. == and != (=:= =/= too) hold it against a
 *          term, exactly (1 is not 1.0); < <= > >= (=< too) against a number,
 *          and hold for no other; ~ for a text that the term, as Erlang prints
 *          it, contains. `and`, `or`, `not` (&& || !) and parentheses join.
 *          A term is written in Erlang's syntax, or an atom in Elixir's (:foo,
 *          Foo.Bar); text in quotes is a string or a binary.
 *          Comparisons with immediates that all must hold become tests that the
 *          breakpoint's program makes; the others are looked at here.
 * Doubt:   where a term was cut, what can't be told is taken to hold.
 * Errors:  -EINVAL with words in err.
 * Limits:  SCOPE_WHERE_NODES comparisons and joints, SCOPE_WHERE_BYTES of text.
 * Memory:  owned.
 * Threads: one owner.
 */
#ifndef SCOPE_PIPELINE_WHERE_H
#define SCOPE_PIPELINE_WHERE_H

#include "base/err.h"
#include "beam/vm.h"
#include "scope/break.h"
#include "wire/event.h"

#define SCOPE_WHERE_NODES 64
#define SCOPE_WHERE_BYTES 1024

struct scope_where;

int scope_where_parse(const char *text, struct scope_where **ret_where,
		      struct scope_err *err);
void scope_where_free(struct scope_where *w);
SCOPE_AUTO(scope_where)

/* The highest argument that is named: 1 is the first. */
unsigned scope_where_args(const struct scope_where *w);

/* What the program of a breakpoint can test: how many there are, up to
 * SCOPE_BREAK_TESTS. *ret_whole: they say all that the condition does, but for
 * numbers that are no small integers. */
unsigned scope_where_tests(const struct scope_where *w, struct scope_vm *vm,
			   struct scope_break_test *tests, bool *ret_whole);

/* Whether n arguments satisfy it, as far as can be told. */
bool scope_where_holds(const struct scope_where *w, struct scope_vm *vm,
		       const struct scope_image *im, const uint64_t *args,
		       unsigned n);

#endif
