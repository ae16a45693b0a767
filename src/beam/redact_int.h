/* SPDX-License-Identifier: MIT */
/* redact_int: the rules, as the walk through a term asks for them. */
#ifndef SCOPE_BEAM_REDACT_INT_H
#define SCOPE_BEAM_REDACT_INT_H

#include "beam/redact.h"

/* Text that rules are held against: the start of it, when it is `cut`. */
struct scope_text {
	const char *p;
	size_t len;
	bool cut;
};

bool scope_redact_is_key(const struct scope_redact *r,
			 const struct scope_text *key);
bool scope_redact_is_tag(const struct scope_redact *r,
			 const struct scope_text *atom);
bool scope_redact_is_field(const struct scope_redact *r,
			   const struct scope_text *module,
			   const struct scope_text *field);
/* Whether text holds what a pattern looks for, or may hold it. */
bool scope_redact_is_match(struct scope_redact *r,
			   const struct scope_text *text);
/* Whether any rule looks at text. */
bool scope_redact_has_patterns(const struct scope_redact *r);

/* Hide in the image what the rules say of the term in *slot, which is outside
 * of it; the words are changed. True when something was hidden. */
bool scope_redact_term(struct scope_redact *r, struct scope_vm *vm,
		       const struct scope_image *image, uint64_t *words,
		       uint64_t *slot);

#endif
