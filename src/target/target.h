/* SPDX-License-Identifier: MIT */
/*
 * target: one node seen from outside, described from its PID alone.
 *
 * Shapes:  a scope_target holds, by an attacher, its memory, the ELF file of its emulator
 *          (through /proc/PID/exe, so containers work), its symbols, the
 *          verified layout and a scope_vm over its memory.
 * Errors:  with words in err: -ESRCH no such process; -ENOEXEC not a BEAM;
 *          -EPERM/-EACCES no right to look (the capability is named);
 *          -ENOTSUP an OTP release, flavour or layout that is not known, a
 *          debug, lock-check or lock-counter build, or one of another kind of
 *          machine (what is missing is named);
 *          -EAGAIN it does not come up, after 2 s.
 * Memory:  all returned pointers are borrowed from the target.
 * Threads: one owner; scope_target_read is safe from any thread.
 */
#ifndef SCOPE_TARGET_H
#define SCOPE_TARGET_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/auto.h"
#include "base/err.h"
#include "beam/vm.h"
#include "target/place.h"
#include "wire/event.h"

struct scope_attacher;
struct scope_target;

struct scope_target_info {
	pid_t pid;
	const char *exe;   /* "/proc/PID/exe": what probes attach to */
	const char *path;  /* what that link says, for people */
	const char *otp;   /* "25" */
	const char *erts;  /* "13.1.5" */
	const char *node;  /* "shop@host" as it was when opened;
			      "nonode@nohost" when not alive */
	const char *build_id; /* hex, or "" */
	const char *symbols;  /* where names are from, for people; static */
	bool jit;
	bool musl; /* its C library */
	/* Why its structures can't be read, while it has USDT probes, which need
	 * none: there are no processes, atoms or gauges of it then. NULL: they
	 * can. */
	const char *no_layout;
	bool hides_symbols; /* names are recovered: OTP 29 on, stripped */
	bool has_build;	    /* there is a table of its build-id */
	const struct scope_place *place; /* its container and so on */
	/* The pid namespace that ids of its threads are of, in records and in
	 * scope_target_scheduler; ino 0: the initial one, and so is ours. */
	struct scope_pidns pidns;
	unsigned schedulers, dirty_cpu, dirty_io; /* threads of each kind */
	uint64_t bias;     /* what to add to an ELF address */
	uint64_t procs;    /* address of the process table's slots */
};

/* By an attacher, which is borrowed. */
int scope_target_open_by(struct scope_attacher *a, pid_t pid,
			 struct scope_target **ret_target,
			 struct scope_err *err);
/* The same, with the rights of this process. */
int scope_target_open(pid_t pid, struct scope_target **ret_target,
		      struct scope_err *err);
/* The same, and where its structures can't be read while it has USDT probes it
 * is opened for those alone: see no_layout. */
int scope_target_open_probes(struct scope_attacher *a, pid_t pid,
			     struct scope_target **ret_target,
			     struct scope_err *err);
/* -ENOTSUP with words where that is so. */
int scope_target_needs_layout(const struct scope_target *t,
			      struct scope_err *err);
void scope_target_free(struct scope_target *t);
SCOPE_AUTO(scope_target)

const struct scope_target_info *scope_target_info(const struct scope_target *t);
struct scope_vm *scope_target_vm(struct scope_target *t);

/* The name that the node has now, an Eterm atom, and its creation, which tells
 * its lives apart; 0: can't be read. */
uint64_t scope_target_node(struct scope_target *t, uint32_t *ret_creation);

/* Who has it open, and as what; borrowed. */
struct scope_attacher *scope_target_attacher(const struct scope_target *t);
unsigned scope_target_slot(const struct scope_target *t);

/* The number of the socket that a descriptor of the node's is; 0: none. */
uint64_t scope_target_socket(const struct scope_target *t, int fd);

/* Numbers about the node, without any probe. Cheap: some reads. */
#define SCOPE_GAUGE_UNKNOWN UINT64_MAX /* can't be read */
struct scope_gauges {
	uint64_t processes, process_limit; /* Erlang's */
	uint64_t ports, port_limit;
	uint64_t atoms, atom_limit;
	uint64_t ets_tables;	 /* with those that are being deleted */
	uint64_t run_queue[3];	 /* processes and ports that wait: for normal,
				    dirty CPU, dirty I/O schedulers */
	uint64_t cpu_ns;	 /* of all threads, so far */
	uint64_t resident_bytes;
	uint64_t started_ns;	 /* since boot */
};
void scope_target_gauges(struct scope_target *t, struct scope_gauges *ret);

/* A pidfd: readable once the node is gone. Borrowed. */
int scope_target_pidfd(const struct scope_target *t);

/* scope_read_fn over its memory; arg is the target. */
int scope_target_read(void *target, uint64_t addr, void *buf, size_t len);

/* The real-time clock minus CLOCK_MONOTONIC now, ns. */
int64_t scope_wall_offset_ns(void);

/*
 * Symbols: .symtab, else .dynsym, of the emulator (a separate debug file by
 * build-id or debuglink under /usr/lib/debug, when there is one). Names are
 * exact, or for mangled C++ ones match when the name is "~part": the only
 * symbol that contains `part`. Where the emulator hides its symbols (OTP 29 on),
 * they are recovered: see enum scope_how.
 */
enum scope_how {
	SCOPE_HOW_SYMBOL = 0, /* a symbol of the emulator or its debug file */
	SCOPE_HOW_BUILD,      /* a table of its build-id */
	SCOPE_HOW_SIGNATURE,  /* a variable, by what it holds */
	SCOPE_HOW_JIT,	      /* a function, by the JIT's calls of it */
	SCOPE_HOW_SHAPE,      /* by what it is in another build: shapes.h */
};
struct scope_symbol {
	const char *name;
	uint64_t vaddr;  /* ELF address */
	uint64_t size;   /* bytes; from .eh_frame where the symbol has none */
	uint64_t offset; /* in the file: what a uprobe takes */
	enum scope_how how;
};
int scope_target_symbol(const struct scope_target *t, const char *name,
			struct scope_symbol *ret_sym);
/* The function that starts at, or contains, an ELF address, from .eh_frame:
 * static functions too. -ENOENT. The name is that of a symbol there or NULL. */
int scope_target_function(const struct scope_target *t, uint64_t vaddr,
			  struct scope_symbol *ret_fn);
/* Bytes of the ELF's text at an ELF address, borrowed; NULL: outside. */
const uint8_t *scope_target_text(const struct scope_target *t, uint64_t vaddr,
				 size_t len);
/* Address in the running process of BIF m:f/a's C function (`impl`, not a
 * dirty wrapper), from the emulator's own tables, as a symbol; -ENOENT. */
int scope_target_bif(const struct scope_target *t, const char *module,
		     const char *function, unsigned arity,
		     struct scope_symbol *ret_sym);

/* The other way: the BIF whose C function begins at an address in the running
 * process; texts are borrowed. -ENOENT. */
int scope_target_bif_at(const struct scope_target *t, uint64_t addr,
			const char **ret_module, const char **ret_function,
			unsigned *ret_arity);

/* Call fn for each USDT probe of the emulator, as scope_stapsdt_each does.
 * -ENOENT: it was built without. */
struct scope_stapsdt;
int scope_target_usdt(const struct scope_target *t,
		      int (*fn)(void *arg, const struct scope_stapsdt *p),
		      void *arg);
/* Where in the file what is at an ELF address is; -ENOENT. */
int scope_target_offset(const struct scope_target *t, uint64_t vaddr,
			uint64_t *ret_offset);

/* Processes, from the process table. */
struct scope_proc {
	uint64_t pid;	 /* Eterm */
	uint64_t addr;	 /* of the Process */
	uint64_t name;	 /* Eterm atom; 0: none */
	uint64_t parent; /* Eterm; 0: none */
	uint32_t state;
	uint64_t i;	 /* address of the code where it goes on; 0: it runs */
	uint64_t current; /* address of the three words of an MFA; 0: none */
	struct scope_mfa spawned; /* what it was spawned with */
	struct scope_mfa initial; /* '$initial_call' where proc_lib keeps one,
				     translated as proc_lib does; else spawned */
	bool has_dictionary;
	bool queue_empty; /* neither message nor signal was queued then */
	uint64_t read_ns; /* when, CLOCK_MONOTONIC; 0: of no scope_target_procs */
};
/* Call fn for each process alive; stops when fn returns non-zero, and returns
 * that. Entries that change under the reader are read again, or left out. */
int scope_target_procs(struct scope_target *t,
		       int (*fn)(void *arg, const struct scope_proc *p),
		       void *arg, struct scope_err *err);
/* One process; -ESRCH: none with that id now. */
int scope_target_proc(struct scope_target *t, uint64_t pid,
		      struct scope_proc *ret_proc);
/* Value of a key (an atom's text) in a process's dictionary: 0 when absent or
 * unreadable. The word is good only while the process does not run: copy what
 * it points to at once. */
uint64_t scope_target_dict(struct scope_target *t, const struct scope_proc *p,
			   const char *key);

/* Where an interpreter's code is. *ret_ranges is the caller's. -ENOENT: it was
 * not found, or code is the JIT's. */
struct scope_ranges;
int scope_target_ranges(const struct scope_target *t,
			struct scope_ranges **ret_ranges);

/* Scheduler number of a thread (by its id in info.pidns): 1..N normal, then
 * dirty CPU, then dirty I/O, as erlang:system_info(scheduler_id) counts; 0:
 * not a scheduler. *ret_dirty may be NULL. Unknown threads are looked up once. */
unsigned scope_target_scheduler(struct scope_target *t, uint32_t tid,
				bool *ret_dirty);

/* The number of a thread by its name, as emulators name them: kind 0 normal, 1
 * dirty CPU, 2 dirty I/O; *ret_no from 1. false: not a scheduler. */
bool scope_thread_parse(const char *comm, unsigned *ret_kind,
			unsigned *ret_no);
/* Address of the data of that scheduler; 0: not known. */
uint64_t scope_target_scheduler_data(const struct scope_target *t,
				     unsigned kind, unsigned no);

#endif
