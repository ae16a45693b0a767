/* SPDX-License-Identifier: MIT */
/*
 * trace_text: calls as lines for people.
 *
 *   20:31:59.123456 <0.97.0> shop_till  'Elixir.Shop.Cart':add(1, apple)  <- shop:buy/2
 *
 * Text of the node's can't harm a terminal: control characters show as dots.
 */
#ifndef SCOPE_CLI_TRACE_TEXT_H
#define SCOPE_CLI_TRACE_TEXT_H

#include "beam/term.h"
#include "wire/event.h"

struct scope_trace;

struct scope_trace_text {
	struct scope_vm *vm; /* borrowed */
	enum scope_syntax syntax; /* Erlang or Elixir */
};

/* A line, or nothing for events that people need no line of. As scope_jsonl's
 * formats: arg is a scope_trace_text. -ENOBUFS: it does not fit. */
int scope_trace_text(void *arg, const struct scope_event *ev,
		     struct scope_buf *out);

/* "module:function/arity" in that syntax. */
void scope_trace_text_mfa(enum scope_syntax syntax, const char *mfa, size_t len,
			  struct scope_buf *out);

/* The table of functions at the end: calls, share of the time, returns. */
void scope_trace_text_table(const struct scope_trace *trace,
			    enum scope_syntax syntax, bool has_returns,
			    struct scope_buf *out);

#endif
