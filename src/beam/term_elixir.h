/* SPDX-License-Identifier: MIT */
/* term_elixir: what the files of Elixir's syntax share. */
#ifndef SCOPE_BEAM_TERM_ELIXIR_H
#define SCOPE_BEAM_TERM_ELIXIR_H

#include "beam/term_int.h"

/* One character of quoted text; `next` is the one after it (0: none). */
void scope_elixir_char(struct scope_buf *out, uint32_t cp, uint32_t next,
		       char quote);

/* An atom as a term (:a, Mod, nil), as a key (a:, without the colon), and as
 * the function of a remote call. False: unreadable, nothing was written. */
bool scope_elixir_atom(struct scope_put *p, uint64_t atom);
bool scope_elixir_key(struct scope_put *p, uint64_t atom);
bool scope_elixir_call(struct scope_put *p, uint64_t atom);

/* Whether the atom may be a key without =>: any that is not a module. */
bool scope_elixir_is_key(struct scope_put *p, uint64_t term);
/* Whether it is an atom of this text; whether one that is a module's alias. */
bool scope_elixir_is(struct scope_put *p, uint64_t term, const char *text);
bool scope_elixir_is_alias(struct scope_put *p, uint64_t term);

/* The three dots; the question mark. */
void scope_elixir_cut(struct scope_put *p);
void scope_elixir_missing(struct scope_put *p, int r);

/* A map, or the struct that it may be. */
void scope_elixir_map(struct scope_put *p, const struct scope_view *v);

#endif
