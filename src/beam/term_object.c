/* SPDX-License-Identifier: MIT */
/*
 * Bitstrings, identifiers, funs and native records.
 *
 * Bitstrings, byte offsets in the object:
 *
 *   up to OTP 26   refc binary  size 8, next 16, Binary 24, bytes 32, flags 40
 *                  heap binary  size 8, data 16
 *                  sub binary   size 8, offset 16, bit size 24 (a byte), bit
 *                               offset 25 (a byte), the binary it is part of 32
 *   from OTP 27    heap bits    size in bits 8, data 16
 *                  sub bits     data | flags (2 bits) 8, first bit 16, bit
 *                               after the last 24, the BinRef 32
 */
#include "beam/term_int.h"

#include <errno.h>

#include "beam/vm_int.h"

#define BITS_MAX (1ull << 60)
#define PID_REF_PRINTS_5 26

/* Where a bitstring's first byte is, its bit in it, and its size in bits. */
struct span {
	uint64_t addr;
	unsigned shift;
	uint64_t bits;
};

/* The bytes that a sub binary is part of. */
static int whole(struct scope_put *p, uint64_t term, uint64_t *ret_addr)
{
	struct scope_view v = scope_look(p, term);

	if (v.what == SCOPE_IS_CUT)
		return -ENODATA;
	if (v.what != SCOPE_IS_BITS)
		return -EINVAL;
	if (SCOPE_SUBTAG(v.header) == p->l->sub.heap_bin) {
		*ret_addr = v.addr + 16;
		return 0;
	}
	if (SCOPE_SUBTAG(v.header) != p->l->sub.refc_bin)
		return -EINVAL;
	return scope_word_at(p, v.addr + 32, ret_addr) ? 0 : -ENODATA;
}

static int span_of_bits(struct scope_put *p, const struct scope_view *v,
			struct span *s)
{
	uint64_t base, from, end;

	if (SCOPE_SUBTAG(v->header) == p->l->sub.heap_bits) {
		s->addr = v->addr + 16;
		return scope_word_at(p, v->addr + 8, &s->bits) ? 0 : -ENODATA;
	}
	if (!scope_word_at(p, v->addr + 8, &base) ||
	    !scope_word_at(p, v->addr + 16, &from) ||
	    !scope_word_at(p, v->addr + 24, &end))
		return -ENODATA;
	if (end < from)
		return -EINVAL;
	s->addr = (base & ~3ull) + from / 8;
	s->shift = from & 7;
	s->bits = end - from;
	return 0;
}

static int span_of_binary(struct scope_put *p, const struct scope_view *v,
			  struct span *s)
{
	uint64_t size, offset, bits, orig;
	int r;

	if (!scope_word_at(p, v->addr + 8, &size))
		return -ENODATA;
	if (size > BITS_MAX / 8)
		return -EINVAL;
	s->bits = 8 * size;
	if (SCOPE_SUBTAG(v->header) == p->l->sub.heap_bin) {
		s->addr = v->addr + 16;
		return 0;
	}
	if (SCOPE_SUBTAG(v->header) == p->l->sub.refc_bin)
		return scope_word_at(p, v->addr + 32, &s->addr) ? 0 : -ENODATA;
	if (!scope_word_at(p, v->addr + 16, &offset) ||
	    !scope_word_at(p, v->addr + 24, &bits) ||
	    !scope_word_at(p, v->addr + 32, &orig))
		return -ENODATA;
	if ((bits & 0xff) > 7 || (bits >> 8 & 0xff) > 7)
		return -EINVAL;
	s->bits += bits & 0xff;
	s->shift = bits >> 8 & 0xff;
	r = whole(p, orig, &s->addr);
	s->addr += offset;
	return r;
}

bool scope_bits_of(struct scope_put *p, const struct scope_view *v,
		   struct scope_bits *ret)
{
	struct span s = { .bits = 0 };
	uint8_t raw[SCOPE_BIN_BYTES + 2] = { 0 };
	uint64_t want, need, got;
	int r;

	if (p->l->bin_style == SCOPE_BIN_BITS)
		r = span_of_bits(p, v, &s);
	else
		r = span_of_binary(p, v, &s);
	if (r == -EINVAL || s.bits > BITS_MAX)
		return false;
	*ret = (struct scope_bits){ .bits = s.bits, .cut = r < 0 };
	if (r < 0)
		return true;

	want = s.bits < 8 * SCOPE_BIN_BYTES ? s.bits : 8 * SCOPE_BIN_BYTES;
	need = (s.shift + want + 7) / 8;
	got = scope_bytes_at(p, s.addr, raw, need);
	ret->cut = want < s.bits;
	if (got < need) {
		want = 8 * got > s.shift ? 8 * got - s.shift : 0;
		want &= ~7ull;
		ret->cut = true;
	}
	ret->bytes = want / 8;
	ret->tail = want % 8;
	for (size_t i = 0; i < (want + 7) / 8; i++)
		ret->data[i] = (uint8_t)(raw[i] << s.shift |
					 raw[i + 1] >> (8 - s.shift));
	if (ret->tail)
		ret->data[ret->bytes] >>= 8 - ret->tail;
	return true;
}

/* References print their numbers from the last to the first. */
static int ref_numbers(struct scope_put *p, uint64_t addr, unsigned n,
		       struct scope_ident *id)
{
	uint32_t num[5];

	if (scope_bytes_at(p, addr, num, 4 * n) < 4 * n)
		return -ENODATA;
	for (unsigned i = 0; i < n; i++)
		id->num[1 + i] = num[n - 1 - i];
	id->n = 1 + n;
	return 0;
}

/* Ordinary: marker, three numbers, and, in that of an alias, the word of a pid,
 * which newer releases print as two more numbers. Magic: the address of a magic
 * binary, which has the numbers. */
static int local_ref(struct scope_put *p, const struct scope_view *v,
		     struct scope_ident *id)
{
	const struct scope_layout *l = p->l;
	uint32_t marker;
	uint64_t bin;

	id->type = SCOPE_ID_REF;
	id->num[0] = 0;
	if (SCOPE_ARITY(v->header) < 2 || SCOPE_ARITY(v->header) > 3)
		return -EINVAL;
	if (scope_bytes_at(p, v->addr + l->ref_marker, &marker, 4) < 4)
		return -ENODATA;
	if (marker == 0xffffffff)
		return ref_numbers(p, v->addr + l->ref_num,
				   SCOPE_ARITY(v->header) == 3 &&
						   l->otp >= PID_REF_PRINTS_5 ?
					   5 : 3, id);
	if (!scope_word_at(p, v->addr + l->mref_bin, &bin))
		return -ENODATA;
	return ref_numbers(p, bin + l->magic_refn, 3, id);
}

/* Of another node: its number is the index of the atom that names it. */
static int external(struct scope_put *p, const struct scope_view *v,
		    struct scope_ident *id)
{
	const struct scope_layout *l = p->l;
	uint32_t tag = SCOPE_SUBTAG(v->header), count;
	uint64_t node, name, data;

	if (!scope_word_at(p, v->addr + l->ext_node, &node) ||
	    !scope_word_at(p, node + l->node_sysname, &name) ||
	    !scope_word_at(p, v->addr + l->ext_data, &data))
		return -ENODATA;
	if (!scope_is_atom(name))
		return -EINVAL;
	id->num[0] = name >> 6;
	if (tag == l->sub.ext_port) {
		id->type = SCOPE_ID_PORT;
		id->num[1] = l->otp < 24 ? data & 0x0fffffff : data;
		id->n = 2;
		return 0;
	}
	if (tag == l->sub.ext_pid) {
		id->type = SCOPE_ID_PID;
		id->num[1] = data & (l->otp < 24 ? 0x7fff : 0xffffffff);
		id->num[2] = l->otp < 24 ? data >> 15 & 0x1fff : data >> 32;
		id->n = 3;
		return 0;
	}
	id->type = SCOPE_ID_REF;
	count = (uint32_t)data;
	if (count < 1 || count > 5)
		return -EINVAL;
	return ref_numbers(p, v->addr + l->ext_data + 4, count, id);
}

int scope_ident_of(struct scope_put *p, const struct scope_view *v,
		   struct scope_ident *ret)
{
	*ret = (struct scope_ident){ .n = 0 };
	if (scope_is_pid(v->word)) {
		ret->type = SCOPE_ID_PID;
		ret->num[1] = scope_vm_pid_number(p->vm, v->word, &ret->num[2]);
		ret->n = 3;
		return 0;
	}
	if (scope_is_port(v->word)) {
		ret->type = SCOPE_ID_PORT;
		ret->num[1] = scope_vm_port_number(p->vm, v->word);
		ret->n = 2;
		return 0;
	}
	if (SCOPE_SUBTAG(v->header) == p->l->sub.ref)
		return local_ref(p, v, ret);
	return external(p, v, ret);
}

void scope_ident_put(struct scope_put *p, const struct scope_ident *id)
{
	for (unsigned i = 0; i < id->n; i++) {
		if (i)
			scope_buf_char(p->out, '.');
		scope_buf_u64(p->out, id->num[i]);
	}
}

static int export_of(struct scope_put *p, uint64_t entry,
		     struct scope_fun *ret)
{
	uint64_t mfa = entry + p->l->export_mfa;

	if (!scope_word_at(p, mfa, &ret->module) ||
	    !scope_word_at(p, mfa + 8, &ret->function) ||
	    !scope_word_at(p, mfa + 16, &ret->arity))
		return -ENODATA;
	if (!scope_is_atom(ret->module) || !scope_is_atom(ret->function) ||
	    ret->arity > 255)
		return -EINVAL;
	return 0;
}

int scope_fun_of(struct scope_put *p, const struct scope_view *v,
		 struct scope_fun *ret)
{
	const struct scope_layout *l = p->l;
	uint64_t entry, word = 0;

	if (!scope_word_at(p, v->addr + l->fun_entry, &entry))
		return -ENODATA;
	if (v->what == SCOPE_IS_EXPORT)
		return export_of(p, entry, ret);
	if (l->fun_arity == SCOPE_NO)
		ret->arity = v->header >> 8 & 0xff;
	else if (!scope_word_at(p, v->addr + l->fun_arity, &word))
		return -ENODATA;
	else
		ret->arity = word & 0xff;
	if (!scope_word_at(p, entry + l->fe_module, &ret->module) ||
	    scope_bytes_at(p, entry + l->fe_index, &ret->index, 4) < 4 ||
	    scope_bytes_at(p, entry + l->fe_old_uniq, &ret->old_uniq, 4) < 4 ||
	    scope_bytes_at(p, entry + l->fe_old_index, &ret->old_index, 4) < 4)
		return -ENODATA;
	return scope_is_atom(ret->module) ? 0 : -EINVAL;
}

/* The definition's field_order tuple has, for each field as declared, its
 * position among the stored ones, which are sorted by atom. */
static bool record_order(struct scope_put *p, uint64_t tuple,
			 struct scope_record *ret)
{
	struct scope_view v = scope_look(p, tuple);
	uint64_t word, base = 0;

	if (v.what != SCOPE_IS_TUPLE || SCOPE_ARITY(v.header) != ret->n)
		return false;
	for (unsigned i = 0; i < ret->n; i++) {
		if (!scope_word_at(p, v.addr + 8 + 8 * (uint64_t)i, &word) ||
		    !scope_is_small(word) || word >> 4 > ret->n)
			return false;
		if (word >> 4 == ret->n)
			base = 1;
		ret->order[i] = (uint8_t)(word >> 4);
	}
	for (unsigned i = 0; i < ret->n; i++) {
		if (ret->order[i] < base)
			return false;
		ret->order[i] -= (uint8_t)base;
	}
	return true;
}

/*
 * erl_struct.h: a record is a header of arity 1 + fields, its definition, and
 * the values. The definition looks like a tuple: field order, (hash,) module,
 * name, is_exported, and the keys, in releases without the hash each followed
 * by its default.
 */
int scope_record_of(struct scope_put *p, const struct scope_view *v,
		    struct scope_record *ret)
{
	uint64_t word, order;
	struct scope_view def;
	uint64_t at;

	if (SCOPE_ARITY(v->header) < 1 ||
	    SCOPE_ARITY(v->header) - 1 > SCOPE_RECORD_FIELDS_MAX)
		return -EINVAL;
	ret->n = (unsigned)SCOPE_ARITY(v->header) - 1;
	if (!scope_word_at(p, v->addr + 8, &word))
		return -ENODATA;
	def = scope_look(p, word);
	if (def.what == SCOPE_IS_CUT)
		return -ENODATA;
	if (def.what != SCOPE_IS_TUPLE)
		return -EINVAL;
	at = def.addr + 16;
	if (!scope_word_at(p, def.addr + 8, &order) ||
	    !scope_word_at(p, at, &ret->module))
		return -ENODATA;
	ret->key_step = 16;
	if (!scope_is_atom(ret->module)) {
		at += 8;
		ret->key_step = 8;
		if (!scope_word_at(p, at, &ret->module))
			return -ENODATA;
	}
	if (!scope_word_at(p, at + 8, &ret->name))
		return -ENODATA;
	if (!scope_is_atom(ret->module) || !scope_is_atom(ret->name))
		return -EINVAL;
	ret->keys = at + 24;
	ret->values = v->addr + 16;
	ret->have_order = record_order(p, order, ret);
	return 0;
}

int scope_record_field(struct scope_put *p, const struct scope_record *rec,
		       unsigned i, uint64_t *ret_key, uint64_t *ret_value)
{
	uint64_t at = rec->have_order ? rec->order[i] : i;

	if (!scope_word_at(p, rec->keys + rec->key_step * at, ret_key) ||
	    !scope_word_at(p, rec->values + 8 * at, ret_value))
		return -ENODATA;
	return 0;
}
