/* SPDX-License-Identifier: MIT */
/* Code: which module a JIT entry is of, and which function an address is in. */
#include "pipeline/decode_int.h"

void scope_decoder_learn_code(struct scope_decoder *d)
{
	/* What can't be read now is tried again with the next one. */
	if (d->jit)
		(void)scope_jit_sync(d->jit);
	if (d->ranges)
		(void)scope_ranges_sync(d->ranges);
}

void scope_decode_sync_code(struct scope_decoder *d)
{
	if (!scope_decode_asked(d, SCOPE_KIND_CODE_LOAD))
		scope_decoder_learn_code(d);
}

void scope_decode_learn_load(struct scope_decoder *d,
			     const struct scope_rec *rec)
{
	if (d->jit && rec->code.entry)
		(void)scope_jit_added(d->jit, rec->code.entry);
}

void scope_decode_learn_unload(struct scope_decoder *d,
			       const struct scope_rec *rec)
{
	if (d->jit && rec->code.entry)
		scope_jit_removed(d->jit, rec->code.entry);
}

/* The JIT entry is gone: what the probe copied of it has the name (a
 * module's description is u32 kind, u32 pad, u64 base, u32 ranges, u32 bytes,
 * u16 length of the name with its NUL, name; jit/beam_jit_metadata.cpp). */
static void add_head(struct scope_event *ev, const struct scope_rec *rec)
{
	const struct scope_image *im = &ev->image;
	const char *p = (const char *)im->words;
	uint32_t kind = 0, bytes = 0;
	uint16_t len = 0;

	if (im->nsegs == 1 && im->nwords >= 4 && rec->code.file &&
	    SCOPE_SEG_ADDR(im->segs[0]) == rec->code.file) {
		memcpy(&kind, p, sizeof(kind));
		memcpy(&bytes, p + 20, sizeof(bytes));
		memcpy(&len, p + 24, sizeof(len));
	}
	if (kind != 1 || len < 2 || 26u + len > 8 * im->nwords) {
		add_text(ev, SCOPE_FIELD_UNREADABLE,
			 "module: its JIT entry was gone");
		return;
	}
	add_text(ev, SCOPE_FIELD_UNREADABLE,
		 "functions: the JIT entry was gone");
	scope_event_add_text(ev, SCOPE_FIELD_MODULE, p + 26, len - 1u);
	scope_event_add_u(ev, SCOPE_FIELD_CODE_BYTES, bytes);
}

void scope_decode_code(struct scope_decoder *d, const struct scope_rec *rec,
		       struct scope_event *ev)
{
	const struct scope_jit_module *m = NULL;

	if (rec->code.module) {
		size_t len;
		const char *s = scope_vm_atom(d->vm, rec->code.module, &len);

		if (s)
			scope_event_add_text(ev, SCOPE_FIELD_MODULE, s, len);
		if (rec->code.functions) {
			scope_event_add_u(ev, SCOPE_FIELD_FUNCTIONS,
					  rec->code.functions);
			scope_event_add_u(ev, SCOPE_FIELD_CODE_BYTES,
					  rec->code.bytes);
		}
		return;
	}
	if (d->jit)
		m = scope_jit_module(d->jit, rec->code.entry);
	if (!m) {
		add_head(ev, rec);
		return;
	}
	scope_event_add_text(ev, SCOPE_FIELD_MODULE, m->name, m->name_len);
	scope_event_add_u(ev, SCOPE_FIELD_FUNCTIONS, m->functions);
	scope_event_add_u(ev, SCOPE_FIELD_CODE_BYTES, m->bytes);
}

/* The emulator's own few instructions are in a module that does not exist:
 * where processes begin, end, and come out of hibernation. */
static bool is_own(const struct scope_jit_place *at)
{
	static const char own[] = "erts_beamasm";

	return at->is_fragment ||
	       (at->module->name_len == sizeof(own) - 1 &&
		!memcmp(at->module->name, own, sizeof(own) - 1));
}

static bool find_place(struct scope_decoder *d, uint64_t addr,
		       struct scope_jit_place *ret_place)
{
	if (scope_jit_find(d->jit, addr, ret_place) == 0)
		return true;
	/* Code that no event has told of yet? */
	scope_decoder_learn_code(d);
	return scope_jit_find(d->jit, addr, ret_place) == 0;
}

static bool put_place(struct scope_decoder *d, uint64_t addr,
		      struct scope_buf *out)
{
	struct scope_jit_place at;

	if (!d->jit || !find_place(d, addr, &at) || is_own(&at))
		return false;
	scope_buf_put(out, at.module->name, at.module->name_len);
	scope_buf_char(out, ':');
	scope_buf_put(out, at.function, at.function_len);
	scope_buf_char(out, '/');
	scope_buf_u64(out, at.arity);
	return true;
}

static void put_mfa(struct scope_decoder *d, const struct scope_mfa *m,
		    struct scope_buf *out)
{
	scope_term_put_atom_raw(d->vm, m->module, out);
	scope_buf_char(out, ':');
	scope_term_put_atom_raw(d->vm, m->function, out);
	scope_buf_char(out, '/');
	scope_buf_u64(out, m->arity);
}

/* The same of an interpreter's code. What a process begins with, and what it
 * does in a BIF that waits, is in no module's. */
static bool put_range(struct scope_decoder *d, uint64_t addr,
		      struct scope_buf *out)
{
	struct scope_mfa m;

	if (!d->ranges)
		return false;
	if (scope_ranges_find(d->ranges, addr, &m) < 0) {
		scope_decoder_learn_code(d);
		if (scope_ranges_find(d->ranges, addr, &m) < 0)
			return false;
	}
	put_mfa(d, &m, out);
	return true;
}

/* Process.current (erl_process.h): the function that a process is about to
 * begin, or that trapped. */
static bool put_current(struct scope_decoder *d, uint64_t addr,
			struct scope_buf *out)
{
	struct scope_mfa m;
	uint64_t w[3];

	if (!addr || scope_target_read(d->t, addr, w, sizeof(w)) < 0 ||
	    !scope_is_atom(w[0]) || !scope_is_atom(w[1]) || w[2] > 255)
		return false;
	m = (struct scope_mfa){ w[0], w[1], w[2] };
	put_mfa(d, &m, out);
	return true;
}

bool scope_decode_place(struct scope_decoder *d, uint64_t addr,
			struct scope_buf *ret_text)
{
	struct scope_buf out = scope_buf_of(d->current, sizeof(d->current));

	if (!addr || (!put_place(d, addr, &out) && !put_range(d, addr, &out)))
		return false;
	*ret_text = out;
	return !out.full;
}

void scope_decode_current(struct scope_decoder *d, const struct scope_proc *p,
			  struct scope_event *ev)
{
	struct scope_buf out = scope_buf_of(d->current, sizeof(d->current));

	if (!p->i)
		return;
	if (!scope_decode_place(d, p->i, &out)) {
		out = scope_buf_of(d->current, sizeof(d->current));
		if (!put_current(d, p->current, &out) || out.full)
			return;
	}
	scope_event_add_text(ev, SCOPE_FIELD_CURRENT, out.p, out.len);
}
