/* SPDX-License-Identifier: MIT */
/*
 * term: printing terms from an image of the target's memory.
 *
 * Shapes:  a term is a word; what it points to is looked up in the image
 *          (wire/event.h). Nothing but atoms is read from the target.
 * Cut:     what is not in the image shows as `...`; an object whose header
 *          makes no sense as `?`. Both are counted in the result. No input,
 *          however hostile, makes it loop, overflow or recurse deeper than
 *          SCOPE_TERM_DEPTH; cycles end at the output's cap.
 * Syntax:  Erlang: as io_lib:format("~0tp", [T]) prints it on one line with
 *          the default +pc latin1. Elixir: as inspect(T, limit: :infinity,
 *          printable_limit: :infinity, width: :infinity) does.
 *          JSON: tagged objects, see scope-bpf-events(7).
 * Memory:  nothing is allocated.
 * Threads: as the vm's.
 * Source:  erl_term.h, erl_bits.h/erl_binary.h, erl_map.h, erl_fun.h,
 *          erl_printf_term.c; lib/stdlib/src/io_lib*.erl of OTP 25 and 27.
 */
#ifndef SCOPE_BEAM_TERM_H
#define SCOPE_BEAM_TERM_H

#include "beam/vm.h"
#include "wire/event.h"

#define SCOPE_TERM_DEPTH 128

enum scope_syntax {
	SCOPE_SYNTAX_ERLANG,
	SCOPE_SYNTAX_ELIXIR,
	SCOPE_SYNTAX_JSON, /* a JSON value; always valid JSON when not full */
};

/* What printing met, as bits. */
#define SCOPE_TERM_CUT (1u << 0)  /* parts were not in the image */
#define SCOPE_TERM_TORN (1u << 1) /* parts made no sense */

unsigned scope_term_put(struct scope_vm *vm, const struct scope_image *image,
			uint64_t term, enum scope_syntax syntax,
			struct scope_buf *out);

/* An identifier: pid, port, reference, in plain Erlang or Elixir syntax. */
unsigned scope_term_put_ident(struct scope_vm *vm,
			      const struct scope_image *image, uint64_t term,
			      enum scope_syntax syntax, struct scope_buf *out);

/* Raw text of an atom, "?" when unreadable. */
void scope_term_put_atom_raw(struct scope_vm *vm, uint64_t atom,
			     struct scope_buf *out);

/* Walk a list: the head in *ret_head and the tail in *list. 1: an element;
 * 0: the end, *list is what it ended in (NIL, or an improper tail);
 * -ENODATA: the cell is not in the image. */
int scope_term_list_next(const struct scope_image *image, uint64_t *list,
			 uint64_t *ret_head);

/* Element i (0-based) of a tuple: 0, or -EINVAL: no tuple or too short,
 * -ENODATA: not in the image. scope_term_tuple_arity: -EINVAL, -ENODATA. */
int scope_term_element(const struct scope_image *image, uint64_t tuple,
		       size_t i, uint64_t *ret_word);
int scope_term_tuple_arity(const struct scope_image *image, uint64_t tuple);

/* The value of a map's key that is the atom with this text: 0, or -EINVAL: no
 * map, or it has none such, -ENODATA: it may be in what was not copied. */
int scope_term_map_get(struct scope_vm *vm, const struct scope_image *image,
		       uint64_t map, const char *key, size_t len,
		       uint64_t *ret_value);

#endif
