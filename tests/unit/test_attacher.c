/* SPDX-License-Identifier: MIT */
/* The attacher's protocol, from both sides; what is asked is noted, not done. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "attacher/attacher.h"
#include "attacher/server.h"
#include "scope/event.h"

struct scope_node {
	pid_t pid;
};

static struct scope_node nodes[SCOPE_SLOTS_MAX + 1];
static unsigned nopen, done; /* operations that were reached */
static int next = 0;	     /* what the next one answers */
static uint8_t shared[SCOPE_SHARED_BYTES];

static int fake_open(pid_t pid, struct scope_node **ret_node,
		     struct scope_reply *reply, struct scope_err *err)
{
	done++;
	scope_reply_fd(reply, open("/dev/null", O_RDONLY));
	if (next < 0)
		return scope_fail(err, next, "no %d", (int)pid);
	nodes[nopen].pid = pid;
	*ret_node = &nodes[nopen++];
	return 0;
}

static int fake_file(struct scope_node *n, enum scope_file which, bool ours,
		     const char *name, struct scope_reply *reply)
{
	(void)n;
	(void)which;
	(void)ours;
	(void)name;
	(void)reply;
	done++;
	return next;
}

static int fake_read(struct scope_node *n, const struct scope_msg_piece *pieces,
		     size_t npieces, void *to, struct scope_reply *reply)
{
	uint64_t sum = 0;

	(void)n;
	for (size_t i = 0; i < npieces; i++)
		sum += pieces[i].len;
	memset(to, 0x5a, sum);
	reply->head.v[0] = sum;
	done++;
	return next;
}

static int fake_load(struct scope_node *n, const struct scope_msg_load *m,
		     struct scope_reply *reply, struct scope_err *err)
{
	(void)n;
	(void)m;
	(void)reply;
	(void)err;
	done++;
	return next;
}

static int fake_perf(struct scope_node *n, const struct scope_msg_perf *m,
		     struct scope_reply *reply, struct scope_err *err)
{
	(void)n;
	(void)err;
	done++;
	/* Every second CPU is there. */
	for (uint32_t i = 0; next == 0 && i < m->n; i++) {
		if (i & 1)
			continue;
		scope_reply_fd(reply, open("/dev/null", O_RDONLY));
		reply->head.v[0] |= 1ull << i;
	}
	return next;
}

static int fake_attach(struct scope_node *n, const struct scope_msg_attach *m,
		       struct scope_reply *reply)
{
	(void)n;
	(void)m;
	(void)reply;
	done++;
	return next;
}

static int fake_detach(struct scope_node *n, unsigned group)
{
	(void)n;
	(void)group;
	done++;
	return next;
}

static int fake_watch(struct scope_node *n, uint64_t pid, bool on)
{
	(void)n;
	(void)pid;
	(void)on;
	done++;
	return next;
}

static int fake_missed(struct scope_node *n, uint64_t *ret_missed)
{
	(void)n;
	done++;
	*ret_missed = 77;
	return next;
}

static int fake_socket(struct scope_node *n, int fd, uint64_t *ret_inode)
{
	(void)n;
	(void)fd;
	done++;
	*ret_inode = 5;
	return next;
}

static int fake_thread(struct scope_node *n, pid_t tid, unsigned ms, void *to,
		       struct scope_reply *r)
{
	(void)n;
	(void)to;
	done++;
	assert_int_equal(tid, 4);
	r->head.v[0] = ms;
	return next;
}

static int fake_count(struct scope_node *n, const struct scope_msg_attach *m,
		      struct scope_reply *r, struct scope_err *err)
{
	(void)n;
	(void)m;
	(void)r;
	(void)err;
	done++;
	return next;
}

static int fake_hits(struct scope_node *n, uint64_t hits[SCOPE_COUNTS_MAX])
{
	(void)n;
	memset(hits, 7, SCOPE_COUNTS_MAX * sizeof(*hits));
	done++;
	return next;
}

static int fake_sample(struct scope_node *n, const struct scope_msg_sample *m,
		       struct scope_reply *r, struct scope_err *err)
{
	(void)n;
	(void)m;
	(void)r;
	(void)err;
	done++;
	return next;
}

static int fake_clock(struct scope_node *n, const struct scope_msg_clock *m,
		      struct scope_reply *r, struct scope_err *err)
{
	(void)n;
	(void)err;
	r->head.v[0] = m->n;
	done++;
	return next;
}

static int fake_waits(struct scope_node *n, const struct scope_msg_waits *m,
		      struct scope_err *err)
{
	(void)n;
	(void)m;
	(void)err;
	done++;
	return next;
}

static int fake_break(struct scope_node *n, unsigned reg, uint64_t addr,
		      struct scope_reply *r)
{
	(void)n;
	done++;
	assert_true(reg < SCOPE_BREAKS && addr < 1ull << 47);
	r->head.v[0] = 2;
	r->head.v[1] = 9;
	return next;
}

static void fake_close(struct scope_node *n)
{
	assert_true(n->pid > 0);
	n->pid = 0;
	nopen--;
}

static const struct scope_server_ops fake = {
	.open = fake_open,
	.file = fake_file,
	.read = fake_read,
	.load = fake_load,
	.perf = fake_perf,
	.attach = fake_attach,
	.detach = fake_detach,
	.watch = fake_watch,
	.missed = fake_missed,
	.socket = fake_socket,
	.thread = fake_thread,
	.set_break = fake_break,
	.count = fake_count,
	.hits = fake_hits,
	.sample = fake_sample,
	.clock = fake_clock,
	.waits = fake_waits,
	.close = fake_close,
};

static struct scope_server server = { .ops = &fake, .shared = shared };
static struct scope_reply reply;

static int answer(const void *m, size_t len)
{
	scope_server_answer(&server, m, len, &reply);
	return reply.head.r;
}

static int setup(void **state)
{
	const struct scope_msg_open m = { .head = { .op = SCOPE_OP_OPEN },
					  .pid = 4242 };

	(void)state;
	next = 0;
	if (answer(&m, sizeof(m)) != 0 || reply.head.nfds != 1 ||
	    reply.head.v[0] != 0)
		return -1;
	(void)close(reply.fds[0]);
	done = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scope_server_done(&server);
	return nopen == 0 ? 0 : -1;
}

/* Refused as no request, and nothing was done. */
#define refuses(m, len)                                                        \
	do {                                                                   \
		assert_int_equal(answer(m, len), -EBADMSG);                    \
		assert_int_equal(done, 0);                                     \
	} while (0)

/* Taken at its size, refused at any other. */
#define takes_only(m, len)                                                     \
	do {                                                                   \
		for (size_t l_ = 0; l_ <= sizeof(m); l_++)                     \
			if (l_ != (len))                                       \
				refuses(&(m), l_);                             \
		assert_int_equal(answer(&(m), len), 0);                        \
		assert_int_equal(done, 1);                                     \
		done = 0;                                                      \
	} while (0)

static void requests_have_their_size(void **state)
{
	struct scope_msg_file file = { .head = { .op = SCOPE_OP_FILE },
				       .name = "ab" };
	struct scope_msg_detach detach = { .head = { .op = SCOPE_OP_DETACH } };
	struct scope_msg_watch watch = { .head = { .op = SCOPE_OP_WATCH } };
	struct scope_msg_head missed = { .op = SCOPE_OP_MISSED };
	struct scope_msg_perf perf = { .head = { .op = SCOPE_OP_PERF },
				       .n = 1 };
	struct scope_msg_socket sock = { .head = { .op = SCOPE_OP_SOCKET },
					 .fd = 3 };
	struct scope_msg_break brk = { .head = { .op = SCOPE_OP_BREAK },
				       .reg = SCOPE_BREAKS - 1,
				       .addr = (1ull << 47) - 1 };
	static struct scope_msg_load load = {
		.head = { .op = SCOPE_OP_LOAD },
		.nrings = 1,
		.ring_bytes = SCOPE_RING_BYTES_MIN,
		.config = { .nrings = 1 },
	};
	static struct scope_msg_read read = { .head = { .op = SCOPE_OP_READ },
					      .n = 3 };
	static struct scope_msg_attach attach = {
		.head = { .op = SCOPE_OP_ATTACH },
		.n = 2,
	};
	struct scope_msg_head hits = { .op = SCOPE_OP_HITS };
	struct scope_msg_thread thread = { .head = { .op = SCOPE_OP_THREAD },
					   .tid = 4,
					   .ms = 17 };
	static struct scope_msg_sample sample = {
		.head = { .op = SCOPE_OP_SAMPLE },
		.ring_bytes = SCOPE_RING_BYTES_MIN,
	};
	static struct scope_msg_clock clock = {
		.head = { .op = SCOPE_OP_CLOCK },
		.hz = 99,
		.n = 2,
		.thread = { { .tid = 1 }, { .tid = 2 } },
	};

	struct scope_msg_waits waits = { .head = { .op = SCOPE_OP_WAITS } };

	(void)state;
	takes_only(waits, sizeof(waits));
	takes_only(sample, sizeof(sample));
	takes_only(clock, offsetof(struct scope_msg_clock, thread) +
				  2 * sizeof(clock.thread[0]));
	assert_int_equal(reply.head.v[0], 2);
	takes_only(file, sizeof(file));
	takes_only(detach, sizeof(detach));
	takes_only(watch, sizeof(watch));
	takes_only(sock, sizeof(sock));
	sock.fd = -1;
	refuses(&sock, sizeof(sock));
	takes_only(thread, sizeof(thread));
	assert_int_equal(reply.head.v[0], 17);
	thread.tid = 0;
	refuses(&thread, sizeof(thread));
	takes_only(brk, sizeof(brk));
	assert_int_equal(reply.head.v[0], 2);
	assert_int_equal(reply.head.v[1], 9);
	brk.reg = SCOPE_BREAKS;
	refuses(&brk, sizeof(brk));
	brk.reg = 0;
	brk.addr = 1ull << 47;
	refuses(&brk, sizeof(brk));
	brk.addr = UINT64_MAX;
	refuses(&brk, sizeof(brk));
	takes_only(missed, sizeof(missed));
	assert_int_equal(reply.head.v[0], 77);
	takes_only(load, sizeof(load));
	takes_only(perf, sizeof(perf));
	assert_int_equal(reply.head.nfds, 1);
	(void)close(reply.fds[0]);
	takes_only(read, offsetof(struct scope_msg_read, piece) +
				 3 * sizeof(read.piece[0]));
	takes_only(attach, offsetof(struct scope_msg_attach, site) +
				   2 * sizeof(attach.site[0]));
	attach.head.op = SCOPE_OP_COUNT;
	takes_only(attach, offsetof(struct scope_msg_attach, site) +
				   2 * sizeof(attach.site[0]));
	takes_only(hits, sizeof(hits));
	assert_int_equal(reply.head.v[0], SCOPE_COUNTS_MAX);
}

static void samples_are_within_bounds(void **state)
{
	static struct scope_msg_sample sample = {
		.head = { .op = SCOPE_OP_SAMPLE },
		.ring_bytes = SCOPE_RING_BYTES_MIN + 1,
	};
	static struct scope_msg_clock clock = { .head = { .op = SCOPE_OP_CLOCK },
						.hz = 99,
						.n = 1 };
	const size_t one = offsetof(struct scope_msg_clock, thread) +
			   sizeof(clock.thread[0]);

	(void)state;
	refuses(&sample, sizeof(sample));
	sample.ring_bytes = SCOPE_RING_BYTES_MAX * 2ull;
	refuses(&sample, sizeof(sample));
	sample.ring_bytes = SCOPE_RING_BYTES_MIN / 2;
	refuses(&sample, sizeof(sample));
	sample.ring_bytes = SCOPE_RING_BYTES_MIN;
	sample.config.reg_e = SCOPE_SAMPLE_REGS;
	refuses(&sample, sizeof(sample));
	sample.config.reg_e = 0;
	sample.config.reg_p = UINT32_MAX;
	refuses(&sample, sizeof(sample));
	sample.config.reg_p = 0;
	sample.config.main_lo = 1;
	refuses(&sample, sizeof(sample));
	sample.config.main_lo = 0;
	sample.config.wants_kernel = 2;
	refuses(&sample, sizeof(sample));
	sample.config.wants_kernel = 0;
	sample.config.wants_native = 2;
	refuses(&sample, sizeof(sample));
	sample.config.wants_native = 0;
	sample.config.wants_waits = 2;
	refuses(&sample, sizeof(sample));

	/* Neither all threads of the machine, nor one that is none. */
	refuses(&clock, one);
	clock.thread[0].tid = -1;
	refuses(&clock, one);
	clock.thread[0].tid = 1;
	clock.hz = 0;
	refuses(&clock, one);
	clock.hz = SCOPE_HZ_MAX + 1;
	refuses(&clock, one);
	clock.hz = 99;
	clock.n = SCOPE_WIRE_THREADS_MAX + 1;
	refuses(&clock, sizeof(clock));
	clock.n = 0;
	refuses(&clock, offsetof(struct scope_msg_clock, thread));
}

static void slots_are_those_that_are_open(void **state)
{
	struct scope_msg_head m = { .op = SCOPE_OP_MISSED, .slot = 1 };
	struct scope_msg_open o = { .head = { .op = SCOPE_OP_OPEN } };

	(void)state;
	assert_int_equal(answer(&m, sizeof(m)), -EBADSLT);
	m.slot = SCOPE_SLOTS_MAX;
	assert_int_equal(answer(&m, sizeof(m)), -EBADSLT);
	m.slot = UINT32_MAX;
	assert_int_equal(answer(&m, sizeof(m)), -EBADSLT);
	m.slot = 0;
	m.op = 0;
	refuses(&m, sizeof(m));
	m.op = SCOPE_OP_MAX;
	refuses(&m, sizeof(m));
	refuses(&o, sizeof(o)); /* PID 0 */
	o.pid = -1;
	refuses(&o, sizeof(o));
	o.pid = 5;
	for (unsigned i = 1; i < SCOPE_SLOTS_MAX; i++) {
		assert_int_equal(answer(&o, sizeof(o)), 0);
		assert_int_equal(reply.head.v[0], i);
		(void)close(reply.fds[0]);
	}
	assert_int_equal(answer(&o, sizeof(o)), -EMFILE);
	m.op = SCOPE_OP_CLOSE;
	m.slot = 3;
	assert_int_equal(answer(&m, sizeof(m)), 0);
	assert_int_equal(answer(&m, sizeof(m)), -EBADSLT);
	nopen = 3; /* where the fake puts the next one */
	assert_int_equal(answer(&o, sizeof(o)), 0);
	assert_int_equal(reply.head.v[0], 3);
	(void)close(reply.fds[0]);
	nopen = SCOPE_SLOTS_MAX;
}

static void numbers_are_in_their_range(void **state)
{
	struct scope_msg_file file = { .head = { .op = SCOPE_OP_FILE } };
	struct scope_msg_detach detach = { .head = { .op = SCOPE_OP_DETACH } };
	struct scope_msg_watch watch = { .head = { .op = SCOPE_OP_WATCH },
					 .on = 2 };
	static struct scope_msg_read read = { .head = { .op = SCOPE_OP_READ } };
	static struct scope_msg_attach attach = {
		.head = { .op = SCOPE_OP_ATTACH }
	};
	const size_t one_site = offsetof(struct scope_msg_attach, site) +
				sizeof(attach.site[0]);

	(void)state;
	file.which = SCOPE_FILE_MAX;
	refuses(&file, sizeof(file));
	file.which = 0;
	file.ours = 2;
	refuses(&file, sizeof(file));
	file.ours = 0;
	memset(file.name, 'a', sizeof(file.name));
	refuses(&file, sizeof(file));
	detach.group = SCOPE_WIRE_GROUPS_MAX;
	refuses(&detach, sizeof(detach));
	detach.group = SCOPE_GROUP_ALL;
	assert_int_equal(answer(&detach, sizeof(detach)), 0);
	done = 0;
	refuses(&watch, sizeof(watch));
	/* No piece, too many, too much of it. */
	refuses(&read, offsetof(struct scope_msg_read, piece));
	read.n = SCOPE_PIECES_MAX + 1;
	refuses(&read, sizeof(read));
	read.n = 2;
	read.piece[0].len = SCOPE_SHARED_BYTES;
	read.piece[1].len = 1;
	refuses(&read, offsetof(struct scope_msg_read, piece) +
			       2 * sizeof(read.piece[0]));
	read.piece[0].len = read.piece[1].len = UINT32_MAX;
	refuses(&read, offsetof(struct scope_msg_read, piece) +
			       2 * sizeof(read.piece[0]));
	refuses(&attach, offsetof(struct scope_msg_attach, site));
	attach.n = 1;
	attach.site[0].cookie = SCOPE_SITE_MAX;
	refuses(&attach, one_site);
	attach.head.op = SCOPE_OP_COUNT;
	attach.site[0].cookie = SCOPE_COUNTS_MAX;
	refuses(&attach, one_site);
	attach.head.op = SCOPE_OP_ATTACH;
	attach.site[0].cookie = SCOPE_SITE_EXIT;
	attach.group = SCOPE_WIRE_GROUPS_MAX;
	refuses(&attach, one_site);
	attach.group = 0;
	attach.is_return = 2;
	refuses(&attach, one_site);
	attach.is_return = 1;
	memset(attach.prog, 'a', sizeof(attach.prog));
	refuses(&attach, one_site);
}

static void a_load_is_within_bounds(void **state)
{
	static const struct scope_msg_load good = {
		.head = { .op = SCOPE_OP_LOAD },
		.nprogs = 1,
		.nrings = 2,
		.ring_bytes = 1 << 20,
		.config = { .nrings = 2 },
	};
	static struct scope_msg_load m;

	(void)state;
#define with(change)                                                           \
	do {                                                                   \
		m = good;                                                      \
		change;                                                        \
		refuses(&m, sizeof(m));                                        \
	} while (0)
	with(m.nprogs = SCOPE_WIRE_PROGS_MAX + 1);
	with(m.nrings = 0);
	with(m.nrings = m.config.nrings = SCOPE_RINGS_MAX + 1);
	with(m.config.nrings = 1);
	with(m.ring_bytes = 0);
	with(m.ring_bytes = SCOPE_RING_BYTES_MIN / 2);
	with(m.ring_bytes = 3 * SCOPE_RING_BYTES_MIN);
	with(m.ring_bytes = 2ull * SCOPE_RING_BYTES_MAX);
	with(m.ring_bytes = 1ull << 63);
	with(memset(m.prog[0], 'a', sizeof(m.prog[0])));
	with(m.transport = SCOPE_TRANSPORT_PERF + 1);
	with(m.config.overwrites = 1);
	with(m.transport = SCOPE_TRANSPORT_PERF; m.config.overwrites = 2);
	assert_int_equal(answer(&good, sizeof(good)), 0);
}

static void perf_events_are_of_some_cpus(void **state)
{
	struct scope_msg_perf m = { .head = { .op = SCOPE_OP_PERF },
				    .n = SCOPE_PERF_CPUS_MAX };

	(void)state;
	assert_int_equal(answer(&m, sizeof(m)), 0);
	assert_int_equal(reply.head.nfds, SCOPE_PERF_CPUS_MAX / 2);
	while (reply.head.nfds)
		(void)close(reply.fds[--reply.head.nfds]);
	done = 0;
	m.n = 0;
	refuses(&m, sizeof(m));
	m.n = SCOPE_PERF_CPUS_MAX + 1;
	refuses(&m, sizeof(m));
	m.n = UINT32_MAX;
	refuses(&m, sizeof(m));
	m.n = 1;
	m.first = SCOPE_CPUS_MAX;
	refuses(&m, sizeof(m));
	m.first = UINT32_MAX;
	refuses(&m, sizeof(m));
}

static void a_failure_leaves_its_words_alone(void **state)
{
	const struct scope_msg_open m = { .head = { .op = SCOPE_OP_OPEN },
					  .pid = 7 };
	int before = dup(0), after;

	(void)state;
	(void)close(before);
	next = -ESRCH;
	assert_int_equal(answer(&m, sizeof(m)), -ESRCH);
	assert_int_equal(reply.head.nfds, 0);
	assert_int_equal(reply.head.text_len, 4);
	assert_memory_equal(reply.text, "no 7", 4);
	after = dup(0);
	assert_int_equal(after, before); /* the descriptor was closed */
	(void)close(after);
}

/* A server whose other end says things and goes away. */
static void it_ends_with_its_socket(void **state)
{
	const struct scope_msg_open m = { .head = { .op = SCOPE_OP_OPEN },
					  .pid = 7 };
	static char large[SCOPE_MSG_MAX + 100];
	int fds[2], status;
	pid_t pid;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)close(fds[0]);
		scope_server_loop(&server, fds[1], NULL);
		_exit(nopen == 0 ? 0 : 1);
	}
	(void)close(fds[1]);
	assert_int_equal(send(fds[0], &m, sizeof(m), 0), sizeof(m));
	assert_true(recv(fds[0], &reply.head, sizeof(reply.head), 0) > 0);
	assert_int_equal(reply.head.r, 0);
	assert_int_equal(send(fds[0], large, sizeof(large), 0), sizeof(large));
	assert_true(recv(fds[0], &reply.head, sizeof(reply.head), 0) > 0);
	assert_int_equal(reply.head.r, -EBADMSG);
	(void)close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int spins = 1;

static void *spin(void *tid)
{
	__atomic_store_n((pid_t *)tid, gettid(), __ATOMIC_RELEASE);
	while (__atomic_load_n(&spins, __ATOMIC_RELAXED))
		;
	return NULL;
}

/* Threads of this process: one that waits for the answer, and one that runs. */
static void threads_are_seen(void **state)
{
	static uint8_t stack[4096];
	scope_auto(scope_attacher) a = NULL;
	struct scope_thread_look look;
	struct scope_err err = { 0 };
	struct scope_opened o;
	pid_t tid = 0;
	pthread_t thread;
	uint64_t sp;

	(void)state;
	assert_int_equal(scope_attacher_start(&a, &err), 0);
	if (scope_attacher_open(a, getpid(), &o, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(scope_attacher_thread(a, o.slot, getpid(), 10, stack,
					       sizeof(stack), &look),
			 0);
	assert_int_equal(look.how, SCOPE_THREAD_ASLEEP);
	assert_true(look.syscall >= 0);
	assert_true(scope_reg_is_known(&look.regs, SCOPE_REG_PC));
	sp = look.regs.r[SCOPE_REG_SP];
	assert_true(sp < (uintptr_t)&look && sp + 65536 > (uintptr_t)&look);
	assert_int_equal(pthread_create(&thread, NULL, spin, &tid), 0);
	while (!__atomic_load_n(&tid, __ATOMIC_ACQUIRE))
		(void)sched_yield();
	/* It may have to wait for a CPU, and then is as good as asleep. */
	do
		assert_int_equal(scope_attacher_thread(a, o.slot, tid, 2000,
						       stack, sizeof(stack),
						       &look),
				 0);
	while (look.how != SCOPE_THREAD_SAMPLED);
	assert_int_equal(look.regs.known, (1ull << SCOPE_REGS) - 1);
	assert_true(look.stack_bytes > 0);
	/* What is on the stack is what was copied. */
	assert_memory_equal((void *)(uintptr_t)look.regs.r[SCOPE_REG_SP], stack,
			    64);
	__atomic_store_n(&spins, 0, __ATOMIC_RELAXED);
	(void)pthread_join(thread, NULL);
	/* A thread of another process. */
	assert_int_equal(scope_attacher_thread(a, o.slot, 1, 0, stack,
					       sizeof(stack), &look),
			 -ESRCH);
	(void)close(o.pidfd);
	(void)close(o.exe);
	if (o.auxv >= 0)
		(void)close(o.auxv);
	if (o.mem >= 0)
		(void)close(o.mem);
}

/* Both halves, over a socket, on this process itself. */
static void what_is_opened_can_be_read(void **state)
{
	static const char text[] = "a text in the memory of this process";
	scope_auto(scope_attacher) a = NULL;
	struct scope_err err = { 0 };
	struct scope_opened o;
	char buf[2][sizeof(text)] = { "" };
	struct scope_read_piece pieces[] = {
		{ (uintptr_t)text, buf[0], sizeof(text) },
		{ 8, buf[1], 8 }, /* nothing is there */
		{ (uintptr_t)text, buf[1], 1 },
	};
	static struct scope_msg_attach nowhere = { .n = 1 };
	uint64_t hits[SCOPE_COUNTS_MAX];
	struct stat st;
	uint64_t inode = 0;
	size_t got = 0;
	int fds[2];

	(void)state;
	assert_int_equal(scope_attacher_start(&a, &err), 0);
	assert_int_equal(scope_attacher_open(a, 0x3fffffff, &o, &err), -ESRCH);
	assert_string_equal(err.text, "PID 1073741823 has ended");
	err = (struct scope_err){ 0 };
	if (scope_attacher_open(a, getpid(), &o, &err) < 0)
		fail_msg("%s", err.text);
	assert_true(o.pidfd >= 0 && o.exe >= 0 && o.pidns_ino);
	assert_non_null(strstr(o.path, "test_attacher"));
	assert_int_equal(scope_attacher_read(a, o.slot, pieces, 3, &got), 0);
	assert_int_equal(got, sizeof(text));
	assert_string_equal(buf[0], text);
	assert_string_equal(buf[1], "");
	assert_true(scope_attacher_file(a, o.slot, SCOPE_FILE_BY_ID, true,
					"../x") < 0);
	assert_true(scope_attacher_file(a, o.slot, SCOPE_FILE_BY_LINK, true,
					"a/b") < 0);
	/* The head of the file is not code; so nothing is counted. */
	assert_int_equal(scope_attacher_count(a, o.slot, &nowhere, &err),
			 -EBADMSG);
	assert_int_equal(scope_attacher_hits(a, o.slot, hits), -EBADMSG);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(fstat(fds[0], &st), 0);
	assert_int_equal(scope_attacher_socket(a, o.slot, fds[0], &inode), 0);
	assert_int_equal(inode, st.st_ino);
	assert_int_equal(scope_attacher_socket(a, o.slot, o.pidfd, &inode),
			 -ENOTSOCK);
	assert_int_equal(scope_attacher_socket(a, o.slot, 1 << 20, &inode),
			 -EBADF);
	(void)close(fds[0]);
	(void)close(fds[1]);
	scope_attacher_close(a, o.slot);
	assert_int_equal(scope_attacher_read(a, o.slot, pieces, 1, &got),
			 -EBADSLT);
	(void)close(o.pidfd);
	(void)close(o.exe);
	if (o.auxv >= 0)
		(void)close(o.auxv);
	if (o.mem >= 0)
		(void)close(o.mem);
}

static void without_another_half_it_does_the_same(void **state)
{
	static const char text[] = "the end";
	scope_auto(scope_attacher) a = NULL;
	struct scope_opened o;
	char buf[8] = "";
	struct scope_read_piece piece = { (uintptr_t)text, buf, sizeof(text) };
	size_t got = 0;

	(void)state;
	assert_int_equal(scope_attacher_local(&a, NULL), 0);
	assert_int_equal(scope_attacher_fd(a), -1);
	assert_int_equal(scope_attacher_open(a, getpid(), &o, NULL), 0);
	assert_int_equal(scope_attacher_read(a, o.slot, &piece, 1, &got), 0);
	assert_string_equal(buf, text);
	(void)close(o.pidfd);
	(void)close(o.exe);
	if (o.auxv >= 0)
		(void)close(o.auxv);
	if (o.mem >= 0)
		(void)close(o.mem);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(requests_have_their_size),
		T(samples_are_within_bounds),
		T(slots_are_those_that_are_open),
		T(numbers_are_in_their_range),
		T(a_load_is_within_bounds),
		T(perf_events_are_of_some_cpus),
		T(a_failure_leaves_its_words_alone),
		T(it_ends_with_its_socket),
		T(threads_are_seen),
		cmocka_unit_test(what_is_opened_can_be_read),
		cmocka_unit_test(without_another_half_it_does_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
