/* SPDX-License-Identifier: MIT */
/*
 * running: what a thread of a scheduler does: the C functions that it is in, and
 * the Erlang process that it runs, with the top of that process's stack.
 *
 * Shapes:  the registers come from the kernel (attacher.h, scope_thread_look);
 *          the stack of C functions from unwind tables, to where the JIT's code
 *          called the first of them, or through the interpreter's loop.
 * E:       where an Erlang stack begins while its process runs:
 *          in the JIT's code it is the stack pointer;
 *          in C functions that it called, Process.stop where the call stores it
 *          there (all that take long do), else the register in which the call
 *          keeps it, as it was restored by unwinding;
 *          in the interpreter's loop, but in nothing that it calls, a register,
 *          which is taken only when two others hold the process and a place in
 *          code;
 *          on a dirty scheduler always Process.stop.
 *          Where none of that holds it is Process.stop, which the process stored
 *          there last, in the call that it is in or before: it is said to be
 *          old. Nothing is guessed.
 * Torn:    a thread goes on while it is looked at. What was read of its
 *          scheduler before and after must agree, else it is looked at again, a
 *          few times; then it is said to be torn.
 * Errors:  -ESRCH no such thread; -EPERM no right to look; -ENOENT it is no
 *          scheduler's; -EFAULT from reading; -ENOMEM.
 * Memory:  what is returned is the caller's; it holds no pointers but `copy`,
 *          which is borrowed until the next look.
 * Threads: one owner, who is the target's.
 * Source:  jit/x86/beam_asm.hpp (emit_enter_runtime, emit_leave_runtime),
 *          process_main.cpp, beam_emu.c, erl_process.h (OTP 23, 25, 27, 29).
 */
#ifndef SCOPE_TARGET_RUNNING_H
#define SCOPE_TARGET_RUNNING_H

#include "attacher/attacher.h"
#include "target/naming.h"
#include "target/unwind.h"

#define SCOPE_NATIVES 128

enum scope_e_from {
	SCOPE_E_NONE,	   /* no process runs */
	SCOPE_E_REGISTER,  /* exact */
	SCOPE_E_PUBLISHED, /* exact */
	SCOPE_E_OLD,	   /* as it was stored last */
};

struct scope_native {
	uint64_t pc;
	bool is_return; /* pc is where the function's callee returns to */
};

struct scope_scheduler_thread {
	pid_t tid;
	unsigned kind;	 /* 0 normal, 1 dirty CPU, 2 dirty I/O */
	unsigned no;	 /* from 1, of its kind */
	unsigned number; /* as erlang:system_info(scheduler_id) counts */
};

struct scope_running {
	struct scope_scheduler_thread thread;
	enum scope_thread_how how;
	bool torn;
	int64_t syscall; /* -1: in none */
	uint64_t since_ns; /* since the thread got on a CPU last, if it is
			      asleep; 0: not known */
	uint64_t time_ns; /* since the scheduler asked for the time last, which
			     it does every 40,000 reductions and before it
			     sleeps; 0: not known (before OTP 27) */
	char wchan[64];
	struct scope_native native[SCOPE_NATIVES]; /* the innermost first */
	unsigned nnative;
	bool native_is_whole; /* to the JIT's code, or to the thread's start */
	uint64_t process, pid; /* address, Eterm; 0: none */
	enum scope_e_from from;
	uint64_t e;
	uint64_t pc; /* in Erlang's code, or the JIT's: 0: Process.i */
	bool pc_is_return;
	const uint64_t *copy; /* what was at e */
	size_t copied;	      /* words of it */
};

struct scope_runner;

int scope_runner_new(struct scope_target *t, struct scope_naming *n,
		     struct scope_runner **ret_runner);
void scope_runner_free(struct scope_runner *r);
SCOPE_AUTO(scope_runner)

/* Schedulers, by number. Borrowed until the next call. */
size_t scope_runner_threads(struct scope_runner *r,
			    const struct scope_scheduler_thread **ret_threads);

/* What can be told of a scheduler by a short look, to be held against another. */
struct scope_glance {
	uint64_t process, pid; /* 0: none */
	uint64_t reds;	 /* of the process, when it was put aside last */
	uint64_t cpu_ns;  /* of the thread, so far */
	uint64_t wait_ns; /* the same, for a CPU */
	char state;	 /* of the thread, as ps(1) shows it; 0: it is gone */
};
void scope_runner_glance(struct scope_runner *r,
			 const struct scope_scheduler_thread *thread,
			 struct scope_glance *ret_glance);

/* What a scheduler does. */
int scope_runner_look(struct scope_runner *r,
		      const struct scope_scheduler_thread *thread,
		      struct scope_running *ret_running);
/* The scheduler that runs a process: -ENOENT none does (any more). */
int scope_runner_of(struct scope_runner *r, uint64_t process,
		    struct scope_scheduler_thread *ret_thread);

/* The name of a C function, as scope_unwind_name. */
int scope_runner_name(struct scope_runner *r, const struct scope_native *f,
		      struct scope_buf *out);

#endif
