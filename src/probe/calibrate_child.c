/* SPDX-License-Identifier: MIT */
/*
 * The process that is measured: it calls a function when told to, and says how
 * long that took it. It is a copy of this program, so that the functions lie in
 * /proc/self/exe; the kernel puts breakpoints into the copy alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "probe/calibrate_int.h"

/* -- the functions --------------------------------------------------------------- */

/* Aligned, so that no two of them share a line of the cache. A function whose
 * first instruction needs one to undo it has that behind it. */
#define FUNCTION(name, code)                                                   \
	__asm__(".pushsection .text\n"                                         \
		".balign 64\n"                                                 \
		".type scope_cal_" name ", %function\n"                        \
		"scope_cal_" name ":\n" code ".size scope_cal_" name           \
		", .-scope_cal_" name "\n"                                     \
		".popsection\n");

#if defined(__aarch64__)
FUNCTION("nop", "nop\n ret\n")
FUNCTION("jmp", "b 1f\n1: ret\n")
FUNCTION("jcc", "cbz xzr, 1f\n1: ret\n")
FUNCTION("adr", "adr x9, .\n ret\n")
FUNCTION("ret", "ret\n")
FUNCTION("pac", "hint #25\n hint #29\n ret\n")
FUNCTION("push", "stp x29, x30, [sp, #-16]!\n ldp x29, x30, [sp], #16\n ret\n")
FUNCTION("mov", "mov x9, x0\n ret\n")
FUNCTION("sub", "sub sp, sp, #16\n add sp, sp, #16\n ret\n")
FUNCTION("other", "eor x9, x9, x9\n ret\n")
FUNCTION("bare", "ret\n")
FUNCTION("pair", "nop\n ret\n")
FUNCTION("usdt", "nop\n ret\n")
FUNCTION("break", "nop\n ret\n")
FUNCTION("send", "nop\n ret\n")
/* A collection moves the top of the heap; p_htop of the layout. */
FUNCTION("gc", "nop\n ldr x9, [x0, #8]\n eor x9, x9, #8\n str x9, [x0, #8]\n"
	       " ret\n")
#else
FUNCTION("nop", "nop\n ret\n")
FUNCTION("nop5", ".byte 0x0f,0x1f,0x44,0,0\n ret\n")
FUNCTION("nopl", ".byte 0x0f,0x1f,0x40,0\n ret\n")
FUNCTION("push", "push %rbp\n pop %rbp\n ret\n")
FUNCTION("jmp", "jmp 1f\n1: ret\n")
FUNCTION("jcc", "je 1f\n1: ret\n")
FUNCTION("call", "call 1f\n ret\n1: ret\n")
FUNCTION("ret", "ret\n")
FUNCTION("endbr", ".byte 0xf3,0x0f,0x1e,0xfa\n ret\n")
FUNCTION("lea", "lea 8(%rsp), %r10\n ret\n")
FUNCTION("mov", "mov %rdi, %rax\n ret\n")
FUNCTION("sub", "sub $8, %rsp\n add $8, %rsp\n ret\n")
FUNCTION("test", "test %rdi, %rdi\n ret\n")
FUNCTION("other", "xor %eax, %eax\n ret\n")
FUNCTION("bare", "ret\n")
FUNCTION("pair", "push %rbp\n pop %rbp\n ret\n")
FUNCTION("usdt", "nop\n ret\n")
FUNCTION("break", "nop\n ret\n")
FUNCTION("send", "push %rbp\n pop %rbp\n ret\n")
/* A collection moves the top of the heap; p_htop of the layout. */
FUNCTION("gc", "push %rbp\n pop %rbp\n xorq $8, 8(%rdi)\n ret\n")
#endif

typedef void call_fn(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
		     uint64_t f);

#if defined(__aarch64__)
/* Not bl: what it returns to would be lost. */
#define EACH(X)                                                                \
	X(NOP, nop) X(JMP, jmp) X(JCC, jcc) X(ADR, adr) X(RET, ret)             \
	X(PAC, pac) X(PUSH, push) X(MOV, mov) X(SUB, sub) X(OTHER, other)
#else
#define EACH(X)                                                                \
	X(NOP, nop) X(NOP5, nop5) X(NOPL, nopl) X(PUSH, push) X(JMP, jmp)       \
	X(JCC, jcc) X(CALL, call) X(RET, ret) X(ENDBR, endbr) X(LEA, lea)       \
	X(MOV, mov) X(SUB, sub) X(TEST, test) X(OTHER, other)
#endif
#define DECLARE(sym, name) extern call_fn scope_cal_##name;
EACH(DECLARE)
DECLARE(BARE, bare)
DECLARE(PAIR, pair)
DECLARE(USDT, usdt)
DECLARE(BREAK, break)
DECLARE(SEND, send)
DECLARE(GC, gc)

/* NULL: there is none on this architecture. */
static call_fn *const functions[SCOPE_CAL_FNS] = {
#define X(sym, name) [SCOPE_INSN_##sym] = scope_cal_##name,
	EACH(X)
#undef X
	[SCOPE_CAL_BARE] = scope_cal_bare,
	[SCOPE_CAL_PAIR] = scope_cal_pair,
	[SCOPE_CAL_USDT] = scope_cal_usdt,
	[SCOPE_CAL_BREAK] = scope_cal_break,
	[SCOPE_CAL_SEND] = scope_cal_send,
	[SCOPE_CAL_GC] = scope_cal_gc,
};

/* Counted up by the kernel while a probe that names it is attached; in .data,
 * because it must be in the file. */
static volatile uint16_t semaphore __attribute__((section(".data"))) = 0;

/* -- where they are --------------------------------------------------------------- */

struct place {
	uint64_t addr, offset;
	bool is_found;
};

static int look(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct place *p = arg;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &info->dlpi_phdr[i];
		uint64_t start = info->dlpi_addr + h->p_vaddr;

		if (h->p_type != PT_LOAD || p->addr < start ||
		    p->addr - start >= h->p_filesz)
			continue;
		p->offset = p->addr - start + h->p_offset;
		p->is_found = true;
	}
	return 1; /* the first object is the program; others don't matter */
}

static int offset_of(uint64_t addr, uint64_t *ret_offset)
{
	struct place p = { .addr = addr };

	(void)dl_iterate_phdr(look, &p);
	if (!p.is_found)
		return -ENOENT;
	*ret_offset = p.offset;
	return 0;
}

uint64_t scope_cal_address(unsigned fn)
{
	return (uint64_t)(uintptr_t)functions[fn];
}

int scope_cal_offset(unsigned fn, uint64_t *ret_offset)
{
	return functions[fn] ? offset_of(scope_cal_address(fn), ret_offset) :
			       -ENOENT;
}

int scope_cal_semaphore_offset(uint64_t *ret_offset)
{
	return offset_of((uint64_t)(uintptr_t)&semaphore, ret_offset);
}

/* -- what it is called with -------------------------------------------------------- */

#define GAPS_MAX 4096
#define GAP_NS 1000u /* shorter ones are the loop's own */
#define TUPLE (SCOPE_CAL_TERM_WORDS - 1)
#define WORDS 64

/* Offsets of the made-up process; only what the programs read. */
static struct scope_layout made_layout;

static void make_layout(void)
{
	struct scope_layout *l = &made_layout;

	*l = *scope_layout_of(25);
	l->p_heap = 0x100;
	l->p_htop = 8;
	l->p_stop = 0x110;
	l->p_hend = 0x118;
	l->p_heap_sz = 0x120;
	l->p_high_water = 0x128;
	l->p_abandoned_heap = 0x130;
	l->p_old_heap = 0x138;
	l->p_old_htop = 0x140;
	l->p_old_hend = 0x148;
	l->p_mbuf_sz = 0x150;
	l->p_gen_gcs = 0x158;
	l->p_scheduler_data = 0x160;
	l->p_flags = 0x168;
	l->p_state = 0x170;
	l->p_sig_qs = 0x178;
}

const struct scope_layout *scope_cal_layout(void)
{
	return &made_layout;
}

/* Shared with the child. */
struct shared {
	/* the question */
	uint64_t fn, for_ns, max;
	/* the answer */
	uint64_t calls, ns;
	uint64_t semaphore;
	uint64_t ngaps;
	uint32_t gaps[GAPS_MAX];
	/* the runtime's structures */
	uint64_t process[WORDS], message[8], heap[WORDS];
};

struct scope_cal_child {
	pid_t pid;
	int to, from; /* pipes: one byte asks, one byte answers */
	struct shared *s;
};

static void make_world(struct shared *s)
{
	uint64_t heap = (uint64_t)(uintptr_t)s->heap;
	const struct scope_layout *l = &made_layout;

	s->process[0] = 0x123; /* a pid: number 18, tag 3 */
	s->process[l->p_heap / 8] = heap;
	s->process[l->p_htop / 8] = heap + 16 * 8;
	s->process[l->p_stop / 8] = heap + 40 * 8;
	s->process[l->p_hend / 8] = heap + WORDS * 8;
	s->process[l->p_heap_sz / 8] = WORDS;
	s->process[l->p_high_water / 8] = heap;
	/* {0, 1, …}: header of a tuple, then small integers. */
	s->heap[0] = TUPLE << 6;
	for (uint64_t i = 0; i < TUPLE; i++)
		s->heap[1 + i] = i << 4 | 0xf;
	s->message[l->m_term / 8] = heap | 2;
	s->message[l->m_from / 8] = 0x133;
}

/* -- the child --------------------------------------------------------------------- */

static uint64_t cpu_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t clock_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void watch_gaps(struct shared *s)
{
	uint64_t start = clock_now(), last = start, now;

	s->ngaps = 0;
	do {
		now = clock_now();
		if (now - last >= GAP_NS && s->ngaps < GAPS_MAX)
			s->gaps[s->ngaps++] = (uint32_t)(now - last);
		last = now;
	} while (now - start < s->for_ns);
	s->ns = now - start;
}

static void answer(struct shared *s)
{
	uint64_t process = (uint64_t)(uintptr_t)s->process;
	uint64_t message = (uint64_t)(uintptr_t)s->message;
	uint64_t start, n = 0, chunk;
	call_fn *fn;

	s->semaphore = semaphore;
	if (s->fn >= SCOPE_CAL_FNS) {
		watch_gaps(s);
		return;
	}
	fn = functions[s->fn];
	chunk = s->max < 16 ? s->max : 16;
	start = cpu_now();
	do {
		/* garbage_collect(p, end, need, …) sees the process first,
		 * queue_messages(from, rcvr, locks, first, last, len) second. */
		for (uint64_t i = 0; i < chunk; i++)
			fn(s->fn == SCOPE_CAL_GC ? process : 0x133, process, 0,
			   message, message + made_layout.m_next, 1);
		n += chunk;
		s->ns = cpu_now() - start;
	} while (s->ns < s->for_ns && n + chunk <= s->max);
	s->calls = n;
}

static void child_main(struct shared *s, int in, int out, pid_t parent)
{
	char c;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Signals for the terminal's group are the parent's. */
	(void)setsid();
	if (getppid() != parent)
		return;
	/* Programs can't read what is not present in this process. */
	make_world(s);
	while (read(in, &c, 1) == 1) {
		answer(s);
		if (write(out, &c, 1) != 1)
			break;
	}
}

/* -- the parent's side ---------------------------------------------------------- */

/* The child's pid, or -errno. */
static pid_t run_child(struct shared *s, const int *to, const int *from)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return -errno;
	if (pid > 0)
		return pid;
	(void)close(to[1]);
	(void)close(from[0]);
	child_main(s, to[0], from[1], parent);
	_exit(0);
}

int scope_cal_child_start(struct scope_cal_child **ret_child)
{
	scope_auto(scope_cal_child) c = calloc(1, sizeof(*c));
	int to[2], from[2];
	void *m;

	if (!c)
		return -ENOMEM;
	c->to = c->from = -1;
	make_layout();
	m = mmap(NULL, sizeof(*c->s), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (m == MAP_FAILED)
		return -errno;
	c->s = m;
	if (pipe2(to, O_CLOEXEC) < 0)
		return -errno;
	c->to = to[1];
	if (pipe2(from, O_CLOEXEC) < 0) {
		(void)close(to[0]);
		return -errno;
	}
	c->from = from[0];
	c->pid = run_child(c->s, to, from);
	(void)close(to[0]);
	(void)close(from[1]);
	if (c->pid < 0)
		return c->pid;
	*ret_child = scope_take(c);
	return 0;
}

void scope_cal_child_free(struct scope_cal_child *c)
{
	if (!c)
		return;
	if (c->to >= 0)
		(void)close(c->to);
	if (c->from >= 0)
		(void)close(c->from);
	if (c->pid > 0) {
		(void)kill(c->pid, SIGKILL);
		while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (c->s)
		(void)munmap(c->s, sizeof(*c->s));
	free(c);
}

pid_t scope_cal_child_pid(const struct scope_cal_child *c)
{
	return c->pid;
}

int scope_cal_child_run(struct scope_cal_child *c, unsigned fn, uint64_t for_ns,
			uint64_t max, uint64_t *ret_calls, uint64_t *ret_ns)
{
	ssize_t n;
	char x = 0;

	c->s->fn = fn;
	c->s->for_ns = for_ns;
	c->s->max = max;
	while ((n = write(c->to, &x, 1)) < 0 && errno == EINTR)
		;
	while (n == 1 && (n = read(c->from, &x, 1)) < 0 && errno == EINTR)
		n = 1;
	if (n != 1)
		return -ECHILD;
	*ret_calls = c->s->calls;
	*ret_ns = c->s->ns;
	return 0;
}

const uint32_t *scope_cal_child_gaps(const struct scope_cal_child *c,
				     size_t *ret_n)
{
	*ret_n = c->s->ngaps < GAPS_MAX ? c->s->ngaps : GAPS_MAX;
	return c->s->gaps;
}

unsigned scope_cal_child_semaphore(const struct scope_cal_child *c)
{
	return (unsigned)c->s->semaphore;
}
