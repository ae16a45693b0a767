/* SPDX-License-Identifier: MIT */
/*
 * json: events as JSON lines, and the schema of that stream.
 *
 * Shapes:  one object a line, UTF-8, keys in the order of the field table;
 *          keys that do not apply are left out. Invalid UTF-8 from the target
 *          becomes U+FFFD.
 * Errors:  scope_json_event: 0, or -ENOBUFS: `out` was too small, and is as it
 *          was before.
 * Memory:  a scope_json owns its scratch space; nothing is allocated per event.
 * Threads: one owner.
 */
#ifndef SCOPE_EXPORT_JSON_H
#define SCOPE_EXPORT_JSON_H

#include "beam/term.h"
#include "wire/event.h"

struct scope_json;

struct scope_json_opts {
	enum scope_syntax syntax; /* of TERM and TERMS fields */
	const char *node;	  /* borrowed */
	int os_pid;
};

struct scope_json *scope_json_new(struct scope_vm *vm,
				  const struct scope_json_opts *opts);
void scope_json_free(struct scope_json *j);
SCOPE_AUTO(scope_json)

/* Append one line, with its newline. */
int scope_json_event(struct scope_json *j, const struct scope_event *ev,
		     struct scope_buf *out);

/* Append s as a JSON string with its quotes. */
void scope_json_string(struct scope_buf *out, const char *s, size_t len);

/* The fields that events of a kind may have, in order of printing. Static.
 * Their number; 0: no such kind. */
size_t scope_json_fields(enum scope_kind kind,
			 const enum scope_field_key **ret_fields);

/* The JSON Schema of the stream, made from the tables of kinds and fields. */
void scope_json_schema(struct scope_buf *out);

#endif
