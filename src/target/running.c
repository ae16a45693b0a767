/* SPDX-License-Identifier: MIT */
#include "target/running.h"

#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "target/callsite.h"
#include "target/procfs.h"
#include "target/target_int.h"

#define TRIES 6
#define WAIT_MS 400u /* for a thread that runs, or should */
#define COPY_BYTES 65536u
#define THREADS_MAX 4096u /* ERTS_MAX_NO_OF_SCHEDULERS of three kinds */
#define CODE_BYTES (1u << 20) /* of a function, for what is before a call */

/* Registers, by DWARF's numbers: in which the JIT keeps E where it does not store
 * it; in which the loop of the stock interpreter of OTP 23.2.6 has its. */
#if defined(__x86_64__)
#define REG_JIT_KEPT 6 /* rbp */
#define REG_EMU_I 3    /* rbx */
#define REG_EMU_PROCESS 12
#define REG_EMU_E 13
#else
#define REG_JIT_KEPT 20
#endif

struct scope_runner {
	struct scope_target *t;	   /* borrowed */
	struct scope_naming *n;	   /* borrowed */
	struct scope_unwind *u;	   /* owned */
	struct scope_scheduler_thread *threads; /* owned */
	size_t nthreads;
	uint64_t loop; /* the interpreter's: its function; 0: a JIT */
	uint64_t copy_at; /* where the copy of the stack is from */
	size_t copied;
	union {
		uint8_t bytes[COPY_BYTES];
		uint64_t words[COPY_BYTES / 8];
	} copy;
};

/* -- threads --------------------------------------------------------------- */

static int note(void *arg, pid_t tid, const char *comm)
{
	struct scope_runner *r = arg;
	const struct scope_target_info *info = &r->t->info;
	const unsigned count[] = { info->schedulers, info->dirty_cpu,
				   info->dirty_io };
	const unsigned first[] = { 0, info->schedulers,
				   info->schedulers + info->dirty_cpu };
	unsigned kind, no;

	if (!scope_thread_parse(comm, &kind, &no) || no > count[kind] ||
	    r->nthreads == THREADS_MAX)
		return 0;
	r->threads[r->nthreads++] = (struct scope_scheduler_thread){
		.tid = tid,
		.kind = kind,
		.no = no,
		.number = first[kind] + no,
	};
	return 0;
}

static int cmp_thread(const void *a, const void *b)
{
	const struct scope_scheduler_thread *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

size_t scope_runner_threads(struct scope_runner *r,
			    const struct scope_scheduler_thread **ret_threads)
{
	r->nthreads = 0;
	(void)scope_procfs_threads(r->t->info.pid, note, r);
	qsort(r->threads, r->nthreads, sizeof(*r->threads), cmp_thread);
	*ret_threads = r->threads;
	return r->nthreads;
}

int scope_runner_new(struct scope_target *t, struct scope_naming *n,
		     struct scope_runner **ret_runner)
{
	scope_auto(scope_runner) r = calloc(1, sizeof(*r));
	const struct scope_scheduler_thread *threads;
	int rc;

	if (!r)
		return -ENOMEM;
	r->t = t;
	r->n = n;
	r->threads = calloc(THREADS_MAX, sizeof(*r->threads));
	if (!r->threads)
		return -ENOMEM;
	rc = scope_unwind_new(t, &r->u);
	if (rc < 0)
		return rc;
	if (!t->info.jit)
		r->loop = scope_target_address(t, "process_main");
	(void)scope_runner_threads(r, &threads);
	*ret_runner = scope_take(r);
	return 0;
}

void scope_runner_free(struct scope_runner *r)
{
	if (!r)
		return;
	scope_unwind_free(r->u);
	free(r->threads);
	free(r);
}

/* -- schedulers ------------------------------------------------------------ */

struct scheduler {
	uint64_t data;	    /* ErtsSchedulerData; 0: not known */
	uint64_t registers; /* where its stack of C functions begins */
	uint64_t process;   /* current_process */
	uint64_t pid;
	uint64_t stop, heap, hend, i;
	uint32_t state;
};

static bool read_u64(struct scope_runner *r, uint64_t addr, uint64_t *ret)
{
	return scope_target_read(r->t, addr, ret, 8) == 0;
}

/* What it says of itself, which must be what its thread is called. */
static bool is_scheduler(struct scope_runner *r, uint64_t data,
			 struct scope_scheduler_thread *th)
{
	const struct scope_layout *l = &r->t->layout;
	uint32_t type;
	uint64_t no;

	if (!data || (data & 7) ||
	    scope_target_read(r->t, data + l->s_type, &type, 4) < 0 ||
	    type > 2 ||
	    !read_u64(r, data + (type ? l->s_dirty_no : l->s_no), &no))
		return false;
	th->kind = type;
	th->no = (unsigned)no;
	return true;
}

/* Its place in the array of its kind. An emulator that hides its symbols, and of
 * whose build there is no table, has those of dirty ones nowhere to be found. */
static uint64_t find_data(struct scope_runner *r,
			  const struct scope_scheduler_thread *th)
{
	static const char *const arrays[] = {
		"erts_aligned_scheduler_data",
		"erts_aligned_dirty_cpu_scheduler_data",
		"erts_aligned_dirty_io_scheduler_data",
	};
	struct scope_scheduler_thread is;
	uint64_t at = scope_target_address(r->t, arrays[th->kind]), data;

	if (!at || !read_u64(r, at, &data) || !data)
		return 0;
	data += (uint64_t)(th->no - 1) * r->t->layout.s_stride;
	return is_scheduler(r, data, &is) && is.kind == th->kind &&
			       is.no == th->no ?
		       data :
		       0;
}

static void read_scheduler(struct scope_runner *r, uint64_t data,
			   struct scheduler *s)
{
	const struct scope_layout *l = &r->t->layout;

	*s = (struct scheduler){ .data = data };
	if (!data || !read_u64(r, data, &s->registers) ||
	    !read_u64(r, data + l->s_current_process, &s->process) ||
	    !s->process)
		return;
	if (!read_u64(r, s->process, &s->pid) || !scope_is_pid(s->pid) ||
	    !read_u64(r, s->process + l->p_stop, &s->stop) ||
	    !read_u64(r, s->process + l->p_heap, &s->heap) ||
	    !read_u64(r, s->process + l->p_hend, &s->hend) ||
	    !read_u64(r, s->process + l->p_i, &s->i) ||
	    scope_target_read(r->t, s->process + l->p_state, &s->state, 4) < 0)
		s->process = s->pid = 0;
}

/* A process knows its normal scheduler; what dirty ones run they alone know. */
int scope_runner_of(struct scope_runner *r, uint64_t process,
		    struct scope_scheduler_thread *ret_thread)
{
	const struct scope_layout *l = &r->t->layout;
	struct scope_scheduler_thread is = { .kind = 0 };
	uint64_t data = 0, current;

	(void)read_u64(r, process + l->p_scheduler_data, &data);
	if (data && !is_scheduler(r, data, &is))
		return -ENOENT;
	for (size_t i = 0; i < r->nthreads; i++) {
		const struct scope_scheduler_thread *th = &r->threads[i];

		if (data ? th->kind != is.kind || th->no != is.no :
			   th->kind == 0)
			continue;
		if (!read_u64(r, find_data(r, th) + l->s_current_process,
			      &current) ||
		    current != process)
			continue;
		*ret_thread = *th;
		return 0;
	}
	return -ENOENT;
}

/* -- C functions ----------------------------------------------------------- */

/* Of the copy of the stack where that has it, else of memory as it is. */
static int read_copied(void *arg, uint64_t addr, void *buf, size_t len)
{
	struct scope_runner *r = arg;

	if (addr >= r->copy_at && addr - r->copy_at <= r->copied &&
	    len <= r->copied - (addr - r->copy_at)) {
		memcpy(buf, r->copy.bytes + (addr - r->copy_at), len);
		return 0;
	}
	return scope_target_read(r->t, addr, buf, len);
}

static bool is_native(const struct scope_runner *r, uint64_t pc)
{
	struct scope_named f;

	/* What the JIT or an interpreter runs is no module's. */
	return scope_naming_find(r->n, pc, &f) < 0 ||
	       f.kind == SCOPE_NAMED_NATIVE;
}

static bool is_loop(const struct scope_runner *r, uint64_t pc)
{
	struct scope_symbol s;

	if (!r->loop || pc < r->t->info.bias ||
	    scope_target_function(r->t, pc - r->t->info.bias, &s) < 0)
		return false;
	return s.vaddr + r->t->info.bias == r->loop;
}

/* Up to the JIT's code, or to the thread's start. */
static void unwind(struct scope_runner *r, struct scope_thread_regs *regs,
		   struct scope_running *o)
{
	bool is_return = false;

	while (o->nnative < SCOPE_NATIVES) {
		uint64_t pc = regs->r[SCOPE_REG_PC];

		if (!is_native(r, pc - is_return)) {
			o->native_is_whole = true;
			o->pc = pc;
			o->pc_is_return = is_return;
			return;
		}
		o->native[o->nnative++] =
			(struct scope_native){ pc, is_return };
		if (scope_unwind_step(r->u, regs, is_return, read_copied, r) < 0)
			break;
		is_return = true;
	}
	/* The first function of a thread has no caller: its tables say so. */
	o->native_is_whole = o->nnative > 2 && o->nnative < SCOPE_NATIVES;
}

/* -- where its Erlang stack begins ----------------------------------------- */

static bool is_in_stack(const struct scheduler *s, uint64_t e)
{
	return e && (e & 7) == 0 && e > s->heap && e < s->hend;
}

static void set_e(struct scope_running *o, uint64_t e, enum scope_e_from from)
{
	o->e = e;
	o->from = from;
}

static enum scope_callsite site_of(struct scope_runner *r, uint64_t pc)
{
	scope_autofree uint8_t *code = NULL;
	struct scope_named f;
	size_t len;

	if (scope_naming_return(r->n, pc, &f) < 0 || pc <= f.entry ||
	    pc - f.entry > CODE_BYTES)
		return SCOPE_CALLSITE_UNKNOWN;
	len = (size_t)(pc - f.entry);
	code = malloc(len);
	if (!code || scope_target_read(r->t, f.entry, code, len) < 0)
		return SCOPE_CALLSITE_UNKNOWN;
	return scope_callsite_of(&r->t->layout, code, len, f.entry);
}

/* The JIT's code, and what it called. */
static void find_jit(struct scope_runner *r, const struct scheduler *s,
		     const struct scope_thread_regs *regs,
		     struct scope_running *o)
{
	uint64_t kept = scope_reg_is_known(regs, REG_JIT_KEPT) ?
				regs->r[REG_JIT_KEPT] :
				0;
	enum scope_callsite site;

	if (!o->pc) {
		/* Where tables lead nowhere: the first word below the registers
		 * is what the first C function returns to. */
		uint64_t ra = 0;

		kept = 0;
		if (!s->registers || !read_u64(r, s->registers - 8, &ra) ||
		    is_native(r, ra - 1))
			return;
		o->pc = ra;
		o->pc_is_return = true;
	}
#if defined(__x86_64__)
	/* On its own stack, and not on that of C functions. */
	if (!o->pc_is_return && is_in_stack(s, regs->r[SCOPE_REG_SP])) {
		set_e(o, regs->r[SCOPE_REG_SP], SCOPE_E_REGISTER);
		return;
	}
	site = o->pc_is_return ? site_of(r, o->pc) : SCOPE_CALLSITE_UNKNOWN;
	if (scope_naming_has_frame_pointers(r->n) && o->pc_is_return)
		site = SCOPE_CALLSITE_PUBLISHES;
#else
	site = SCOPE_CALLSITE_KEEPS;
#endif
	if (site == SCOPE_CALLSITE_PUBLISHES && is_in_stack(s, s->stop))
		set_e(o, s->stop, SCOPE_E_PUBLISHED);
	else if (site == SCOPE_CALLSITE_KEEPS && is_in_stack(s, kept))
		set_e(o, kept, SCOPE_E_REGISTER);
}

/* While the interpreter's loop itself is run, as stock builds keep things: not
 * in what it calls, where these registers may hold anything. What does not look
 * like a stack there is not taken for one later. */
static void find_emu(struct scope_runner *r, const struct scheduler *s,
		     const struct scope_thread_regs *regs,
		     struct scope_running *o)
{
#if defined(__x86_64__)
	const uint64_t e = regs->r[REG_EMU_E], i = regs->r[REG_EMU_I];
	struct scope_named f;

	if (o->nnative == 0 || !is_loop(r, o->native[0].pc) ||
	    regs->r[REG_EMU_PROCESS] != s->process || !is_in_stack(s, e) ||
	    scope_naming_find(r->n, i, &f) < 0 ||
	    f.kind != SCOPE_NAMED_FUNCTION)
		return;
	set_e(o, e, SCOPE_E_REGISTER);
	o->pc = i;
	o->pc_is_return = false;
#else
	(void)r;
	(void)s;
	(void)regs;
	(void)o;
#endif
}

static void find_top(struct scope_runner *r, const struct scheduler *s,
		     const struct scope_thread_regs *first,
		     const struct scope_thread_regs *regs,
		     struct scope_running *o)
{
	o->process = s->process;
	o->pid = s->pid;
	if (o->thread.kind) {
		/* It was put aside to get here. */
		set_e(o, s->stop, SCOPE_E_PUBLISHED);
		o->pc = 0;
		return;
	}
	if (r->t->info.jit)
		find_jit(r, s, regs, o);
	else
		find_emu(r, s, first, o);
	if (o->from == SCOPE_E_NONE) {
		set_e(o, s->stop, SCOPE_E_OLD);
		o->pc = 0;
	}
}

static void take_copy(struct scope_runner *r, struct scope_running *o)
{
	uint64_t end = r->copy_at + r->copied;

	if (o->e < r->copy_at || o->e >= end || ((o->e - r->copy_at) & 7))
		return;
	o->copy = r->copy.words + (o->e - r->copy_at) / 8;
	o->copied = (size_t)(end - o->e) / 8;
}

/* OS monotonic time, in ns on Linux (erl_time_sup.c, check_os_monotonic_time). */
static uint64_t time_since(struct scope_runner *r, uint64_t data)
{
	const struct scope_layout *l = &r->t->layout;
	uint64_t then, now = scope_now_ns();

	return data && l->s_last_os_time != SCOPE_NO &&
			       read_u64(r, data + l->s_last_os_time, &then) &&
			       then && then < now ?
		       now - then :
		       0;
}

static int look_once(struct scope_runner *r, struct scope_running *o)
{
	struct scope_thread_look look;
	struct scope_thread_regs regs;
	struct scheduler before, after;
	uint64_t data = find_data(r, &o->thread);
	int rc;

	read_scheduler(r, data, &before);
	rc = scope_attacher_thread(r->t->attacher, r->t->slot, o->thread.tid,
				   WAIT_MS, r->copy.bytes,
				   sizeof(r->copy.bytes), &look);
	if (rc < 0)
		return rc;
	read_scheduler(r, data, &after);
	o->how = look.how;
	o->syscall = look.syscall;
	o->since_ns = look.since_ns;
	o->time_ns = time_since(r, data);
	memcpy(o->wchan, look.wchan, sizeof(o->wchan));
	regs = look.regs;
	r->copy_at = regs.r[SCOPE_REG_SP];
	r->copied = look.stack_bytes;
	o->torn = before.process != after.process || before.pid != after.pid;
	if (look.how != SCOPE_THREAD_UNSEEN)
		unwind(r, &regs, o);
	if (after.process)
		find_top(r, &after, &look.regs, &regs, o);
	else
		o->pc = 0;
	take_copy(r, o);
	return 0;
}

int scope_runner_look(struct scope_runner *r,
		      const struct scope_scheduler_thread *thread,
		      struct scope_running *ret_running)
{
	int rc = 0;

	for (int i = 0; i < TRIES; i++) {
		*ret_running = (struct scope_running){ .thread = *thread };
		rc = look_once(r, ret_running);
		if (rc < 0 || !ret_running->torn)
			break;
	}
	return rc;
}

/* schedstat: CPU time, time that it waited for a CPU, how often; ns. stat: the
 * state is behind the name, which ends with the last ')'. */
void scope_runner_glance(struct scope_runner *r,
			 const struct scope_scheduler_thread *thread,
			 struct scope_glance *ret_glance)
{
	struct scope_glance g = { .process = 0 };
	struct scheduler s;
	char path[80], text[512], *end;
	const char *at;

	read_scheduler(r, find_data(r, thread), &s);
	g.process = s.process;
	g.pid = s.pid;
	if (s.process)
		(void)read_u64(r, s.process + r->t->layout.p_reds, &g.reds);
	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat",
		       (int)r->t->info.pid, (int)thread->tid);
	if (scope_procfs_read(path, text, sizeof(text)) > 0) {
		g.cpu_ns = strtoull(text, &end, 10);
		g.wait_ns = strtoull(end, NULL, 10);
	}
	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/stat",
		       (int)r->t->info.pid, (int)thread->tid);
	if (scope_procfs_read(path, text, sizeof(text)) > 0) {
		at = strrchr(text, ')');
		if (at && at[1] == ' ')
			g.state = at[2];
	}
	*ret_glance = g;
}

int scope_runner_name(struct scope_runner *r, const struct scope_native *f,
		      struct scope_buf *out)
{
	return scope_unwind_name(r->u, f->pc - f->is_return, out);
}
