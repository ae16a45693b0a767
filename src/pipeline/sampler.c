/* SPDX-License-Identifier: MIT */
#include "pipeline/sampler.h"

#include <string.h>
#include <sys/mman.h>

#include "attacher/attacher.h"
#include "base/map.h"
#include "base/time.h"
#include "pipeline/sampler_int.h"
#include "probe/ringbuf.h"
#include "probe/site.h"
#include "target/wayback.h"
#include "target/procfs.h"

#define RING_BYTES (8u << 20)
#define CACHE_MAX (1u << 20)
#define FORGET_NS 1000000000u /* code can be replaced */
#define THREADS_MAX 4096

const char *scope_incomplete_name(enum scope_incomplete why)
{
	static const char *const names[SCOPE_STACK_REASONS] = {
		[SCOPE_STACK_COMPLETE] = "complete",
		[SCOPE_STACK_GC] = "collection",
		[SCOPE_STACK_MOVED] = "heap being replaced",
		[SCOPE_STACK_UNREAD] = "stack not readable",
		[SCOPE_STACK_TOP] = "top of the stack not known",
		[SCOPE_STACK_BOTTOM] = "bottom of the stack not found",
		[SCOPE_STACK_EXITING] = "process exiting",
	};

	return why < SCOPE_STACK_REASONS ? names[why] : "?";
}

void scope_sampler_free(struct scope_sampler *s)
{
	if (!s)
		return;
	if (s->shared)
		(void)munmap(s->shared, sizeof(*s->shared));
	scope_ringbuf_free(s->rings);
	scope_naming_free(s->naming);
	scope_unwind_free(s->unwind);
	scope_map_free(s->frames);
	scope_map_free(s->procs);
	scope_map_free(s->sites);
	scope_map_free(s->natives);
	scope_kallsyms_free(s->kallsyms);
	free(s->threads);
	free(s);
}

/* -- starting ------------------------------------------------------------------ */

static int note_thread(void *arg, pid_t tid, const char *comm)
{
	struct scope_sampler *s = arg;
	unsigned kind, no;
	uint64_t addr;

	if (s->nthreads == THREADS_MAX ||
	    !scope_thread_parse(comm, &kind, &no))
		return 0;
	addr = scope_target_scheduler_data(s->t, kind, no);
	if (!addr) {
		s->unfound++;
		return 0;
	}
	s->threads[s->nthreads++] = (struct sampled_thread){
		.tid = tid,
		.no = no + (kind > 0 ? s->info->schedulers : 0) +
		      (kind > 1 ? s->info->dirty_cpu : 0),
		.is_dirty = kind != 0,
		.addr = addr,
	};
	return 0;
}

static int find_threads(struct scope_sampler *s, struct scope_err *err)
{
	int r;

	s->threads = calloc(THREADS_MAX, sizeof(*s->threads));
	if (!s->threads)
		return scope_fail(err, -ENOMEM, "out of memory");
	r = scope_procfs_threads(s->info->pid, note_thread, s);
	if (r < 0)
		return scope_fail(err, r, "can't list the threads of PID %d: %s",
				  (int)s->info->pid, strerror(-r));
	if (!s->nthreads)
		return scope_fail(err, -ENOTSUP,
				  "the schedulers of PID %d are not found by "
				  "what they hold",
				  (int)s->info->pid);
	return 0;
}

/* Which registers an interpreter was compiled to use is in its code. */
static int find_registers(struct scope_sampler *s,
			  struct scope_sample_config *c, struct scope_err *err)
{
	const struct scope_layout *l = scope_target_vm(s->t)->layout;
	struct scope_symbol main_loop;
	const uint8_t *code = NULL;
	int r = scope_target_symbol(s->t, "process_main", &main_loop);

	if (r == 0)
		code = scope_target_text(s->t, main_loop.vaddr, main_loop.size);
	r = code ? scope_wayback_interpreter(code, main_loop.size,
					      main_loop.vaddr, l->p_stop,
					      l->p_i, &s->regs) :
		   -ENOENT;
	if (r < 0)
		return scope_fail(err, -ENOTSUP,
				  "which registers this interpreter uses is not "
				  "to be seen in its code: %s",
				  strerror(-r));
	s->main_lo = s->info->bias + main_loop.vaddr;
	s->main_hi = s->main_lo + main_loop.size;
	c->main_lo = s->main_lo;
	c->main_hi = s->main_hi;
	c->reg_p = s->regs.process;
	c->reg_e = s->regs.stack;
	return 0;
}

static int load(struct scope_sampler *s, const struct scope_sampler_opts *opts,
		struct scope_err *err)
{
	scope_autofree struct scope_msg_sample *m = calloc(1, sizeof(*m));
	int shared = -1, ring = -1, r;
	void *map;

	if (!m)
		return scope_fail(err, -ENOMEM, "out of memory");
	m->ring_bytes = RING_BYTES;
	m->config.layout = *scope_target_vm(s->t)->layout;
	m->config.wants_kernel = opts->wants_kernel;
	m->config.wants_native = 1;
	m->config.wants_waits = opts->waits;
	if (!s->info->jit) {
		r = find_registers(s, &m->config, err);
		if (r < 0)
			return r;
	}
	r = scope_attacher_sample(s->a, s->slot, m, &shared, &ring, err);
	if (r < 0)
		return r;
	r = scope_ringbuf_new(&ring, 1, RING_BYTES, &s->rings, err);
	map = mmap(NULL, sizeof(*s->shared), PROT_READ | PROT_WRITE, MAP_SHARED,
		   shared, 0);
	if (map == MAP_FAILED && r == 0)
		r = scope_fail(err, -errno, "can't map what the sampler shares: %s",
			       strerror(errno));
	if (map != MAP_FAILED)
		s->shared = map;
	(void)close(shared);
	(void)close(ring);
	return r;
}

static int start_clocks(struct scope_sampler *s, unsigned hz,
			struct scope_err *err)
{
	scope_autofree struct scope_msg_clock *m = calloc(1, sizeof(*m));
	int r = 0;

	if (!m)
		return scope_fail(err, -ENOMEM, "out of memory");
	m->hz = hz;
	for (size_t i = 0; r >= 0 && i < s->nthreads;) {
		for (m->n = 0; m->n < SCOPE_WIRE_THREADS_MAX && i < s->nthreads;
		     i++)
			m->thread[m->n++] = (struct scope_msg_clocked){
				.tid = s->threads[i].tid,
				.scheduler = s->threads[i].addr,
			};
		r = scope_attacher_clock(s->a, s->slot, m, err);
		if (r > 0)
			s->counts.threads += (unsigned)r;
	}
	return r < 0 ? r : 0;
}

/* erts_schedule is entered with the process that is left, and returns the one
 * that is taken up. */
static int follow_waits(struct scope_sampler *s, struct scope_err *err)
{
	struct scope_symbol f;
	struct scope_site_pick entry = { 0 }, ret = { 0 };
	struct scope_msg_waits m = { .entry = 0 };
	const uint8_t *code = NULL;
	int r = scope_target_symbol(s->t, "erts_schedule", &f);

	if (r == 0)
		code = scope_target_text(s->t, f.vaddr, f.size);
	r = code ? scope_site_pick(code, f.size, f.vaddr, 3, &entry) : -ENOENT;
	if (r == 0)
		r = scope_site_pick_return(code, f.size, f.vaddr, &ret);
	if (r < 0)
		return scope_fail(err, -ENOTSUP,
				  "where this emulator schedules processes is "
				  "not known; debug symbols of its package may "
				  "help");
	m.entry = f.offset + entry.offset;
	m.ret = f.offset + ret.offset;
	s->counts.threads = (unsigned)s->nthreads;
	return scope_attacher_waits(s->a, s->slot, &m, err);
}

int scope_sampler_start(struct scope_target *t, struct scope_profile *p,
			const struct scope_sampler_opts *opts,
			struct scope_sampler **ret_sampler,
			struct scope_err *err)
{
	scope_auto(scope_sampler) s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return scope_fail(err, -ENOMEM, "out of memory");
	s->t = t;
	s->info = scope_target_info(t);
	s->profile = p;
	s->a = scope_target_attacher(t);
	s->slot = scope_target_slot(t);
	s->opts = *opts;
	s->frames = scope_map_new(CACHE_MAX);
	s->procs = scope_map_new(CACHE_MAX);
	s->sites = scope_map_new(CACHE_MAX);
	s->natives = scope_map_new(CACHE_MAX);
	if (!s->frames || !s->procs || !s->sites || !s->natives)
		return scope_fail(err, -ENOMEM, "out of memory");
	r = scope_naming_new(t, &s->naming);
	if (r < 0)
		return scope_fail(err, r == -ENOENT ? -ENOTSUP : r,
				  "can't tell the code of PID %d: %s",
				  (int)s->info->pid, strerror(-r));
	if (opts->wants_kernel && opts->kallsyms >= 0)
		(void)scope_kallsyms_read(opts->kallsyms, &s->kallsyms);
	if (scope_unwind_new(t, &s->unwind) < 0)
		return scope_fail(err, -ENOMEM, "out of memory");
	r = find_threads(s, err);
	if (r == 0)
		r = load(s, opts, err);
	if (r == 0)
		r = opts->waits ? follow_waits(s, err) :
				  start_clocks(s, opts->hz, err);
	if (r < 0)
		return r;
	*ret_sampler = scope_take(s);
	return 0;
}

/* -- reading ------------------------------------------------------------------- */

static bool is_sound(const struct scope_sample *raw, size_t len)
{
	return len >= sizeof(*raw) &&
	       raw->nframes <= SCOPE_SAMPLE_FRAMES + SCOPE_SAMPLE_TAIL &&
	       raw->ntail <= raw->nframes &&
	       raw->nkernel <= SCOPE_SAMPLE_KERNEL &&
	       raw->nnative <= SCOPE_SAMPLE_NATIVE &&
	       len >= sizeof(*raw) + 8ul * (raw->nframes + raw->nkernel +
					    raw->nnative);
}

static void count(struct scope_sampler *s, const struct scope_sampled *stack)
{
	struct scope_sampler_counts *c = &s->counts;

	c->delivered++;
	if (!stack->pid)
		return;
	c->of_processes++;
	c->attributed += stack->has_leaf;
	c->deep += stack->is_deep;
	c->incomplete[stack->incomplete]++;
	if (stack->is_gc) {
		c->in_gc++;
		return;
	}
	c->outside_gc++;
	c->complete_outside_gc += stack->incomplete == SCOPE_STACK_COMPLETE;
}

struct polling {
	struct scope_sampler *s;
	int (*fn)(void *arg, const struct scope_sampled *stack);
	void *arg;
};

static int take(void *arg, const void *data, size_t len)
{
	struct polling *p = arg;
	const struct scope_sample *raw = data;
	struct scope_sampled stack = { 0 };

	if (len == sizeof(struct scope_sample_in)) {
		const struct scope_sample_in *in = data;

		stack.ts_ns = in->ts_ns;
		stack.pid = in->pid;
		stack.is_in = true;
		return p->fn(p->arg, &stack);
	}
	if (!is_sound(raw, len))
		return 0;
	scope_sampler_resolve(p->s, raw, (const uint64_t *)(raw + 1), &stack);
	count(p->s, &stack);
	return p->fn(p->arg, &stack);
}

int scope_sampler_poll(struct scope_sampler *s,
		       int (*fn)(void *arg, const struct scope_sampled *stack),
		       void *arg)
{
	struct polling p = { .s = s, .fn = fn, .arg = arg };
	uint64_t now = scope_now_ns();

	if (now - s->forgot_ns > FORGET_NS) {
		s->forgot_ns = now;
		scope_sampler_forget(s);
	}
	return scope_ringbuf_drain(s->rings, take, &p);
}

void scope_sampler_stop(struct scope_sampler *s)
{
	__atomic_store_n(&s->shared->until_ns, scope_now_ns(),
			 __ATOMIC_RELAXED);
}

void scope_sampler_counts(const struct scope_sampler *s,
			  struct scope_sampler_counts *ret)
{
	const struct scope_sample_shared *sh = s->shared;

	*ret = s->counts;
	ret->taken = __atomic_load_n(&sh->taken, __ATOMIC_RELAXED);
	ret->lost = __atomic_load_n(&sh->lost, __ATOMIC_RELAXED);
	ret->run_ns = __atomic_load_n(&sh->run_ns, __ATOMIC_RELAXED);
	ret->runs = __atomic_load_n(&sh->runs, __ATOMIC_RELAXED);
}
