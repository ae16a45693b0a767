/* SPDX-License-Identifier: MIT */
/* vm_int: what the files of this folder share. */
#ifndef SCOPE_BEAM_VM_INT_H
#define SCOPE_BEAM_VM_INT_H

#include "beam/vm.h"

/* NULL when memory is short. */
struct scope_atoms *scope_atoms_new(void);
void scope_atoms_free(struct scope_atoms *a);

/* The numbers of a pid or port word, as they are printed. */
uint64_t scope_vm_pid_number(const struct scope_vm *vm, uint64_t pid,
			     uint64_t *ret_serial);
uint64_t scope_vm_port_number(const struct scope_vm *vm, uint64_t port);

#endif
