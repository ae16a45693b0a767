/* SPDX-License-Identifier: MIT */
/*
 * Pids and ports (erl_ptab.h). Both count up in `data`, whose lower bits are
 * the number and whose upper bits the serial that a node prints:
 *
 *   up to OTP 25   28 bits; word = slot << 32 | data << 4 | tag
 *   from OTP 26    60 bits; word = pixdata << 4 | tag
 *
 * pixdata is data with those low bits that choose the table's slot permuted, so
 * that neighbouring ids lie in different cache lines:
 *
 *   slot    = (data & cl_mask) << cl_shift | (data >> cli_shift) & cli_mask
 *   pixdata = data & ~pix_mask | slot
 */
#include "beam/vm_int.h"

#include <errno.h>

#define TAG_PID 0x3
#define TAG_PORT 0x7
#define OLD_DATA_MASK 0x0fffffffull
#define OLD_NUMBER_BITS 15
#define NUMBER_BITS 28

int scope_vm_init(struct scope_vm *vm, const struct scope_layout *layout,
		  scope_read_fn *read, void *arg)
{
	struct scope_atoms *atoms = scope_atoms_new();

	if (!atoms)
		return -ENOMEM;
	*vm = (struct scope_vm){
		.layout = layout,
		.read = read,
		.arg = arg,
		.atoms = atoms,
	};
	return 0;
}

void scope_vm_done(struct scope_vm *vm)
{
	scope_atoms_free(vm->atoms);
	vm->atoms = NULL;
}

int scope_vm_read_all(struct scope_vm *vm, struct scope_piece *pieces,
		      size_t n)
{
	if (vm->batch)
		return vm->batch(vm->arg, pieces, n);
	for (size_t i = 0; i < n; i++) {
		struct scope_piece *p = &pieces[i];
		int r = p->addr ? vm->read(vm->arg, p->addr, p->buf, p->len) :
				  -EFAULT;

		if (r == -ESRCH)
			return r;
		p->is_read = r == 0;
	}
	return 0;
}

/* The shifts come from the target's memory: keep them defined. */
static uint64_t data_of(const struct scope_vm *vm,
			const struct scope_pixdata *t, uint64_t word)
{
	uint64_t pixdata = word >> 4;

	if (!vm->layout->pixdata)
		return pixdata & OLD_DATA_MASK;
	return (pixdata & ~t->pix_mask) |
	       ((pixdata >> (t->cl_shift & 63)) & t->cl_mask) |
	       ((pixdata & t->cli_mask) << (t->cli_shift & 63));
}

static unsigned number_bits(const struct scope_vm *vm)
{
	return vm->layout->pixdata ? NUMBER_BITS : OLD_NUMBER_BITS;
}

uint64_t scope_vm_pid_number(const struct scope_vm *vm, uint64_t pid,
			     uint64_t *ret_serial)
{
	uint64_t data = data_of(vm, &vm->procs, pid);
	unsigned bits = number_bits(vm);

	*ret_serial = data >> bits;
	return data & ((1ull << bits) - 1);
}

uint64_t scope_vm_pid_order(const struct scope_vm *vm, uint64_t pid)
{
	return data_of(vm, &vm->procs, pid);
}

uint64_t scope_vm_port_number(const struct scope_vm *vm, uint64_t port)
{
	return data_of(vm, &vm->ports, port);
}

void scope_vm_put_pid(const struct scope_vm *vm, uint64_t pid,
		      struct scope_buf *out)
{
	uint64_t serial, num = scope_vm_pid_number(vm, pid, &serial);

	scope_buf_lit(out, "<0.");
	scope_buf_u64(out, num);
	scope_buf_char(out, '.');
	scope_buf_u64(out, serial);
	scope_buf_char(out, '>');
}

void scope_vm_put_port(const struct scope_vm *vm, uint64_t port,
		       struct scope_buf *out)
{
	scope_buf_lit(out, "#Port<0.");
	scope_buf_u64(out, scope_vm_port_number(vm, port));
	scope_buf_char(out, '>');
}

/* A decimal number of at most `bits` bits at *s, which it moves on. */
static bool number(const char **s, unsigned bits, uint64_t *ret)
{
	uint64_t v = 0;
	const char *p = *s;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		v = v * 10 + (uint64_t)(*p - '0');
		if (v >> bits)
			return false;
	}
	*s = p;
	*ret = v;
	return true;
}

/* The word of a table's element, from its data; the inverse of data_of. */
static uint64_t word_of(const struct scope_vm *vm,
			const struct scope_pixdata *t, uint64_t data,
			uint64_t tag)
{
	uint64_t slot = ((data & t->cl_mask) << (t->cl_shift & 63)) |
			((data >> (t->cli_shift & 63)) & t->cli_mask);

	if (!vm->layout->pixdata)
		return (slot & 0xffffffff) << 32 | data << 4 | tag;
	return ((data & ~t->pix_mask) | slot) << 4 | tag;
}

uint64_t scope_vm_make_pid(const struct scope_vm *vm, uint64_t num,
			   uint64_t serial)
{
	unsigned bits = number_bits(vm);
	unsigned serial_bits = vm->layout->pixdata ? 32 : 28 - bits;

	if (num >> bits || serial >> serial_bits)
		return 0;
	return word_of(vm, &vm->procs, serial << bits | num, TAG_PID);
}

uint64_t scope_vm_make_port(const struct scope_vm *vm, uint64_t num)
{
	if (num >> (vm->layout->pixdata ? 60 : 28))
		return 0;
	return word_of(vm, &vm->ports, num, TAG_PORT);
}

uint64_t scope_vm_parse_pid(const struct scope_vm *vm, const char *text)
{
	unsigned bits = number_bits(vm);
	unsigned serial_bits = vm->layout->pixdata ? 32 : 28 - bits;
	uint64_t node, num, serial;
	bool angle = *text == '<';
	const char *s = text + angle;

	if (!number(&s, 1, &node) || node != 0 || *s++ != '.' ||
	    !number(&s, bits, &num) || *s++ != '.' ||
	    !number(&s, serial_bits, &serial))
		return 0;
	if (angle && *s++ != '>')
		return 0;
	if (*s)
		return 0;
	return scope_vm_make_pid(vm, num, serial);
}
