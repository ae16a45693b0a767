/* SPDX-License-Identifier: MIT */
/*
 * ports: the ports of a node, read from memory.
 *
 * Shapes:  from the table of ports, which is of the same type as that of
 *          processes; what is said is what erlang:port_info/1 says.
 * Torn:    a port counts only when its own id leads back to its slot; else it is
 *          read again, a few times, and then left out.
 * Limits:  SCOPE_PORTS_MAX ports, of which `is_cut` says that there are more;
 *          names are cut at SCOPE_PORT_NAME bytes; SCOPE_PORT_LINKS links of one
 *          port are listed, and all are counted.
 * Errors:  -ENOENT the table is not found; -EBADMSG it is none; -EFAULT -ESRCH
 *          from reading; -ENOMEM.
 * Memory:  the result is the caller's.
 * Threads: as the vm's.
 * Source:  erl_port.h, struct _erl_drv_port, ERTS_PORT_SFLG_*; io.c,
 *          erts_bld_port_info; erl_io_queue.h, ErtsIOQueue.size; erl_ptab.h;
 *          erl_monitor_link.h; layout's port_* (OTP 23.2.6, 25.2.3, 27.3.4.1,
 *          29.1.1).
 */
#ifndef SCOPE_TARGET_PORTS_H
#define SCOPE_TARGET_PORTS_H

#include "target/target.h"

#define SCOPE_PORTS_MAX (1u << 20)
#define SCOPE_PORT_NAME 256
#define SCOPE_PORT_LINKS 16

struct scope_port {
	uint64_t id;	    /* Eterm */
	uint64_t addr;	    /* of the Port */
	uint64_t name;	    /* Eterm atom: registered; 0: none */
	uint64_t connected; /* Eterm: its owner */
	uint64_t bytes_in, bytes_out;
	uint64_t queued; /* bytes in its driver's queue */
	uint32_t state;	 /* ERTS_PORT_SFLG_* */
	int64_t os_pid;	 /* of the program that it runs; -1: none */
	const char *driver;  /* borrowed from the result; "": not known */
	const char *command; /* what it was opened with; the same; a name of
				the driver, or a command line */
	size_t nlinks;
	uint64_t links[SCOPE_PORT_LINKS]; /* Eterms; the first of them */
};

struct scope_ports {
	size_t n;
	struct scope_port *all; /* owned */
	bool is_cut;
	void *text; /* owned: what the names are in */
};

/* table: address of the ErtsPTab. */
int scope_ports_read(struct scope_vm *vm, uint64_t table,
		     struct scope_ports **ret_ports);
void scope_ports_free(struct scope_ports *p);
SCOPE_AUTO(scope_ports)

int scope_target_ports(struct scope_target *t, struct scope_ports **ret_ports);

#endif
