/* SPDX-License-Identifier: MIT */
/*
 * redact: values that must not leave the program, hidden in the events
 * themselves, before any view, writer or recording sees them.
 *
 * Shapes:  a redactor holds rules, in the order in which they were given:
 *
 *            kind:LIST      contents of events of these kinds and groups
 *            key:GLOB       what stands under that key: of the event itself,
 *                           in maps, property lists and pairs; atoms, binaries
 *                           and strings alike, case and '-' or '_' aside
 *            atom:GLOB      all else in a tuple that begins with that atom, and
 *                           what stands under that atom in maps
 *            field:MODULE.FIELD   that field of an Elixir struct (globs, too)
 *            match:REGEX    text (binaries, strings, atoms, names) with a match
 *            default        the list in redact.c
 *
 *          scope_redact_event gives a copy of an event in which a hidden value
 *          is the word SCOPE_WORD_REDACTED, which prints as an atom
 *          '[redacted]', and hidden text is "[redacted]".
 * Doubt:   what may be secret is hidden: a value whose key was cut, text that
 *          was cut where a match could have gone on, a match that took too
 *          much work.
 * Errors:  -EINVAL a rule makes no sense, or a file of them can't be read, with
 *          words; -ENOMEM.
 * Memory:  a redactor owns the copy: it is good until the next call.
 * Threads: one owner.
 */
#ifndef SCOPE_BEAM_REDACT_H
#define SCOPE_BEAM_REDACT_H

#include "base/err.h"
#include "beam/vm.h"
#include "wire/event.h"

struct scope_redact;

int scope_redact_new(struct scope_redact **ret_redact);
void scope_redact_free(struct scope_redact *r);
SCOPE_AUTO(scope_redact)

/* One rule; "@PATH" reads a file of them, a line each, '#' begins a comment. */
int scope_redact_add(struct scope_redact *r, const char *rule,
		     struct scope_err *err);

/* New rules from their texts, as scope_redact_add takes them; none of them:
 * *ret_redact stays NULL. On failure it may be set, and is the caller's. */
int scope_redact_make(const char *const *rules, size_t n,
		      struct scope_redact **ret_redact, struct scope_err *err);


/* Borrowed; `ev` itself where nothing is hidden. */
const struct scope_event *scope_redact_event(struct scope_redact *r,
					     struct scope_vm *vm,
					     const struct scope_event *ev);

/* The rules that `default` stands for, for the help. Ends with NULL; static. */
extern const char *const scope_redact_default[];

#endif
