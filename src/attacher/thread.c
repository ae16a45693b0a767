/* SPDX-License-Identifier: MIT */
/*
 * Where a thread is. Of one that is asleep, or stopped, or waits for a CPU, the
 * kernel has kept the registers that it entered it with: an iterator over tasks
 * reads them. One that runs is sampled once, by a clock of its own: all of its
 * registers and what is on its stack. Neither stops it, nor writes to it.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "attacher/bpf_log.h"
#include "attacher/node_int.h"
#include "attacher/regs.h"
#include "base/auto.h"
#include "scope/thread.h"

#define PERIOD_NS 100000u
#define PAGES 32u	     /* of the buffer: a power of two */
#define STACK_BYTES 49152u   /* a record has 64 kB at most */
#define LOOK_MS 20	     /* at a thread that may fall asleep meanwhile */
#define WAIT_MAX_MS 2000u

#if defined(__x86_64__)
#include <asm/perf_regs.h>
/* In the order of the kernel's bits, and DWARF's numbers for them. */
static const struct {
	uint8_t perf, dwarf;
} regs_map[] = {
	{ PERF_REG_X86_AX, 0 },	  { PERF_REG_X86_BX, 3 },
	{ PERF_REG_X86_CX, 2 },	  { PERF_REG_X86_DX, 1 },
	{ PERF_REG_X86_SI, 4 },	  { PERF_REG_X86_DI, 5 },
	{ PERF_REG_X86_BP, 6 },	  { PERF_REG_X86_SP, 7 },
	{ PERF_REG_X86_IP, 16 },  { PERF_REG_X86_R8, 8 },
	{ PERF_REG_X86_R9, 9 },	  { PERF_REG_X86_R10, 10 },
	{ PERF_REG_X86_R11, 11 }, { PERF_REG_X86_R12, 12 },
	{ PERF_REG_X86_R13, 13 }, { PERF_REG_X86_R14, 14 },
	{ PERF_REG_X86_R15, 15 },
};
#define NREGS (sizeof(regs_map) / sizeof(*regs_map))
#define PERF_REG(i) regs_map[i].perf
#define DWARF_REG(i) regs_map[i].dwarf
#else
/* asm/perf_regs.h of arm64: x0 to x30, sp, pc, as here. */
#define NREGS ((size_t)SCOPE_REGS)
#define PERF_REG(i) (i)
#define DWARF_REG(i) (i)
#endif

static uint64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static ssize_t read_file(const struct scope_node *n, pid_t tid,
			 const char *name, char *buf, size_t cap)
{
	char path[64];
	scope_autoclose int fd = -1;
	ssize_t len;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", (int)n->pid,
		       (int)tid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	len = read(fd, buf, cap - 1);
	if (len < 0)
		return -errno;
	buf[len] = 0;
	return len;
}

/* -- kept by the kernel ---------------------------------------------------- */

extern const uint8_t scope_bpf_thread[], scope_bpf_thread_end[];

#if defined(__x86_64__)
/* struct pt_regs, by DWARF's numbers; -1: none. */
static const int8_t kept_map[] = { 15, 14, 13, 12, 6, 3, 11, 10, 9, 8, 0,
				   2,  1,  4,  5,  -1, 16, -1, -1, 7, -1 };
#define KEPT_SYSCALL(r) ((int64_t)(r)[15]) /* orig_ax */
#else
static const int8_t kept_map[] = { 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10,
				   11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
				   22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32 };
/* Which one it is in is kept outside of these. */
#define KEPT_SYSCALL(r) ((int64_t)-1)
#endif
#define KEPT (sizeof(kept_map) / sizeof(*kept_map))

static int load_iterator(struct scope_node *n)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "scope_thread");
	int r;

	if (n->threads)
		return 0;
	scope_bpf_log_start();
	n->threads = bpf_object__open_mem(
		scope_bpf_thread,
		(size_t)(scope_bpf_thread_end - scope_bpf_thread), &opts);
	if (!n->threads)
		return -errno;
	r = bpf_object__load(n->threads);
	if (r < 0)
		scope_node_threads_end(n);
	return r;
}

void scope_node_threads_end(struct scope_node *n)
{
	bpf_object__close(n->threads);
	n->threads = NULL;
}

/* An iterator over that one thread: since Linux 6.1. */
static int open_iterator(struct scope_node *n, pid_t tid)
{
	union bpf_iter_link_info info = { .task.tid = (uint32_t)tid };
	LIBBPF_OPTS(bpf_link_create_opts, opts, .iter_info = &info,
		    .iter_info_len = sizeof(info));
	const struct bpf_program *prog;
	scope_autoclose int link = -1;
	int fd;

	prog = bpf_object__find_program_by_name(n->threads, "on_thread");
	link = bpf_link_create(bpf_program__fd(prog), 0, BPF_TRACE_ITER, &opts);
	if (link < 0)
		return -errno;
	fd = bpf_iter_create(link);
	return fd < 0 ? -errno : fd;
}

/* 1: here they are; 0: it runs. */
static int read_kept(struct scope_node *n, pid_t tid,
		     struct scope_thread_regs *regs, struct scope_reply *reply)
{
	struct scope_thread_rec rec;
	scope_autoclose int fd = -1;
	ssize_t len;
	int r = load_iterator(n);

	if (r < 0)
		return r;
	fd = open_iterator(n, tid);
	if (fd < 0)
		return fd;
	len = read(fd, &rec, sizeof(rec));
	if (len < 0)
		return -errno;
	if (len != sizeof(rec))
		return -ESRCH;
	if (rec.on_cpu || rec.bytes < 8 * KEPT)
		return 0;
	for (size_t i = 0; i < KEPT; i++)
		if (kept_map[i] >= 0)
			scope_reg_set(regs, (unsigned)kept_map[i], rec.regs[i]);
	reply->head.v[2] = (uint64_t)KEPT_SYSCALL(rec.regs);
	reply->head.v[3] = rec.since_ns;
	return 1;
}

/* Is it a thread of the node's, and what does it wait for? */
static int read_wchan(const struct scope_node *n, pid_t tid,
		      struct scope_reply *reply)
{
	ssize_t len = read_file(n, tid, "wchan", reply->text, 128);

	if (len == -ESRCH)
		return -ESRCH;
	/* "0": not known, or nothing. */
	reply->head.text_len =
		len > 0 && strcmp(reply->text, "0") != 0 ? (uint32_t)len : 0;
	return 0;
}

/* -- one sample ------------------------------------------------------------ */

static int open_clock(pid_t tid)
{
	struct perf_event_attr a = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(a),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = PERIOD_NS,
		.sample_type = PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER,
		.sample_stack_user = STACK_BYTES,
		.exclude_callchain_user = 1,
		.wakeup_events = 1,
	};

	for (size_t i = 0; i < NREGS; i++)
		a.sample_regs_user |= 1ull << PERF_REG(i);
	return (int)syscall(SYS_perf_event_open, &a, tid, -1, -1,
			    PERF_FLAG_FD_CLOEXEC);
}

/* Copy from the buffer at a position that only grows. */
static void take(const uint8_t *data, size_t size, uint64_t at, void *to,
		 size_t len)
{
	size_t off = at & (size - 1), first = size - off;

	if (first > len)
		first = len;
	memcpy(to, data + off, first);
	memcpy((uint8_t *)to + first, data, len - first);
}

/*
 * PERF_RECORD_SAMPLE with what was asked for: u64 abi; if it is not 0 the
 * registers, by rising bits; u64 size; so many bytes of the stack; u64 how many
 * of them were there.
 */
static int take_sample(const uint8_t *data, size_t size, uint64_t at,
		       size_t len, struct scope_thread_regs *regs, uint8_t *stack,
		       uint64_t *ret_bytes)
{
	uint64_t abi, v[NREGS], room, bytes = 0;
	uint64_t bit = 0;
	size_t order = 0;

	if (len < 16 + 8 * NREGS)
		return -EBADMSG;
	take(data, size, at, &abi, 8);
	if (abi != PERF_SAMPLE_REGS_ABI_64)
		return -EAGAIN; /* a moment without user space */
	take(data, size, at + 8, v, sizeof(v));
	for (bit = 0; bit < 64; bit++)
		for (size_t i = 0; i < NREGS; i++)
			if (PERF_REG(i) == bit)
				scope_reg_set(regs, (unsigned)DWARF_REG(i),
					      v[order++]);
	at += 8 + sizeof(v);
	len -= 16 + sizeof(v);
	take(data, size, at, &room, 8);
	if (room >= 8 && room <= STACK_BYTES && len >= room + 8) {
		take(data, size, at + 8 + room, &bytes, 8);
		if (bytes > room)
			bytes = 0;
		take(data, size, at + 8, stack, bytes);
	}
	*ret_bytes = bytes;
	return 0;
}

static int find_sample(struct perf_event_mmap_page *page, size_t size,
		       struct scope_thread_regs *regs, uint8_t *stack,
		       uint64_t *ret_bytes)
{
	const uint8_t *data = (const uint8_t *)page + page->data_offset;
	uint64_t head = __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE);
	uint64_t at = page->data_tail;
	int r = -EAGAIN;

	while (r == -EAGAIN && head - at >= sizeof(struct perf_event_header)) {
		struct perf_event_header h;

		take(data, size, at, &h, sizeof(h));
		if (h.size < sizeof(h) || h.size > head - at)
			return -EBADMSG;
		if (h.type == PERF_RECORD_SAMPLE)
			r = take_sample(data, size, at + sizeof(h),
					h.size - sizeof(h), regs, stack,
					ret_bytes);
		at += h.size;
	}
	__atomic_store_n(&page->data_tail, at, __ATOMIC_RELEASE);
	return r;
}

/* 1: here are its registers; 0: it did not run for so long. */
static int sample(pid_t tid, unsigned ms, struct scope_thread_regs *regs,
		  uint8_t *stack, uint64_t *ret_bytes)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE), size = PAGES * page;
	const uint64_t until = now_ms() + ms;
	scope_autoclose int fd = open_clock(tid);
	struct perf_event_mmap_page *p;
	int r = 0;

	if (fd < 0)
		return -errno;
	p = mmap(NULL, page + size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	while (r == 0) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		uint64_t now = now_ms();

		if (now >= until)
			break;
		(void)poll(&pfd, 1, (int)(until - now));
		r = find_sample(p, size, regs, stack, ret_bytes);
		r = r == -EAGAIN ? 0 : r == 0 ? 1 : r;
		if (r == 0 && (pfd.revents & POLLHUP))
			r = -ESRCH; /* it has ended */
	}
	(void)munmap(p, page + size);
	return r;
}

int scope_node_thread(struct scope_node *n, pid_t tid, unsigned ms,
		      void *shared, struct scope_reply *reply)
{
	const uint64_t until = now_ms() + (ms < WAIT_MAX_MS ? ms : WAIT_MAX_MS);
	struct scope_thread_regs *regs = shared;
	int r;

	reply->head.v[2] = (uint64_t)-1;
	do {
		memset(regs, 0, sizeof(*regs));
		r = read_wchan(n, tid, reply);
		if (r == 0)
			r = read_kept(n, tid, regs, reply);
		reply->head.v[0] = SCOPE_THREAD_ASLEEP;
		/* Where there is no such iterator one that runs can be seen. */
		if (r > 0 || r == -ESRCH)
			break;
		r = sample(tid, LOOK_MS, regs, (uint8_t *)(regs + 1),
			   &reply->head.v[1]);
		reply->head.v[0] = SCOPE_THREAD_SAMPLED;
	} while (r == 0 && now_ms() < until);
	if (r == 0)
		reply->head.v[0] = SCOPE_THREAD_UNSEEN;
	return r < 0 ? r : 0;
}
