/* SPDX-License-Identifier: MIT */
/* Code: which module a JIT entry is of. */
#include "pipeline/decode_int.h"

static struct module *note_module(struct scope_decoder *d, uint64_t entry,
				  const struct scope_code *code)
{
	struct module *m;
	uint64_t at;

	if (!scope_map_get(d->code, entry, &at)) {
		at = d->nmodules;
		if (at == d->modules_cap) {
			size_t cap = at ? at * 2 : 256;

			m = realloc(d->modules, cap * sizeof(*m));
			if (!m)
				return NULL;
			d->modules = m;
			d->modules_cap = cap;
		}
		if (scope_map_put(d->code, entry, at) < 0)
			return NULL;
		d->nmodules++;
	}
	m = &d->modules[at];
	memcpy(m->name, code->module, sizeof(m->name));
	m->functions = code->functions;
	m->bytes = code->bytes;
	return m;
}

void scope_decoder_learn_code(struct scope_decoder *d)
{
	uint64_t entry = 0;

	if (!d->opts.jit_descriptor ||
	    scope_target_read(d->t, d->opts.jit_descriptor + 16, &entry, 8) < 0)
		return;
	for (unsigned i = 0; entry && i < SCOPE_CODE_MAX; i++) {
		if (scope_target_code(d->t, entry, &d->loaded) == 0)
			(void)note_module(d, entry, &d->loaded);
		if (scope_target_read(d->t, entry, &entry, 8) < 0)
			break;
	}
}

void scope_decode_code(struct scope_decoder *d, const struct scope_rec *rec,
		       struct scope_event *ev)
{
	const struct module *m = NULL;
	uint64_t at;

	if (rec->code.module) {
		size_t len;
		const char *s = scope_vm_atom(d->vm, rec->code.module, &len);

		if (s)
			scope_event_add_text(ev, SCOPE_FIELD_MODULE, s, len);
		return;
	}
	if (rec->kind == SCOPE_KIND_CODE_LOAD) {
		if (scope_target_code(d->t, rec->code.entry, &d->loaded) == 0)
			m = note_module(d, rec->code.entry, &d->loaded);
	} else if (scope_map_get(d->code, rec->code.entry, &at)) {
		m = &d->modules[at];
	}
	if (!m) {
		add_text(ev, SCOPE_FIELD_UNREADABLE,
			 "module: its JIT entry was gone");
		return;
	}
	add_text(ev, SCOPE_FIELD_MODULE, m->name);
	scope_event_add_u(ev, SCOPE_FIELD_FUNCTIONS, m->functions);
	scope_event_add_u(ev, SCOPE_FIELD_CODE_BYTES, m->bytes);
}
