/* SPDX-License-Identifier: MIT */
/*
 * Any packets from the process without rights: what the attacher then does is
 * within bounds, and after all of it nothing is left open. What is done is
 * recorded, not done.
 *
 * Input: packets, each after its length in two bytes.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attacher/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct scope_node {
	unsigned fds; /* handed over */
};

static uint8_t shared[SCOPE_SHARED_BYTES];
static unsigned nopen;

static void check(bool ok)
{
	if (!ok)
		abort();
}

static int do_open(pid_t pid, struct scope_node **ret_node,
		   struct scope_reply *reply, struct scope_err *err)
{
	check(pid > 0);
	scope_reply_fd(reply, dup(0));
	if (pid % 7 == 0)
		return scope_fail(err, -ESRCH, "PID %d has ended", (int)pid);
	*ret_node = calloc(1, sizeof(struct scope_node));
	check(*ret_node);
	nopen++;
	return 0;
}

static int do_file(struct scope_node *n, enum scope_file which, bool ours,
		   const char *name, struct scope_reply *reply)
{
	(void)ours;
	check(which < SCOPE_FILE_MAX && strlen(name) < 256);
	scope_reply_fd(reply, dup(0));
	n->fds++;
	return n->fds % 3 ? 0 : -ENOENT;
}

static int do_read(struct scope_node *n, const struct scope_msg_piece *pieces,
		   size_t npieces, void *to, struct scope_reply *reply)
{
	uint8_t *at = to;

	(void)n;
	check(to == shared && npieces >= 1 && npieces <= SCOPE_PIECES_MAX);
	for (size_t i = 0; i < npieces; i++) {
		memset(at, 1, pieces[i].len);
		at += pieces[i].len;
	}
	reply->head.v[0] = (uint64_t)(at - shared);
	return 0;
}

static int do_load(struct scope_node *n, const struct scope_msg_load *m,
		   struct scope_reply *reply, struct scope_err *err)
{
	(void)n;
	(void)err;
	check(m->transport <= SCOPE_TRANSPORT_PERF);
	check(m->nprogs <= SCOPE_WIRE_PROGS_MAX && m->nrings >= 1 &&
	      m->nrings <= SCOPE_RINGS_MAX);
	for (unsigned i = 0; i < m->nprogs; i++)
		check(strlen(m->prog[i]) < SCOPE_PROG_NAME_MAX);
	for (unsigned i = 0; i < m->nrings + 2; i++)
		scope_reply_fd(reply, dup(0));
	return 0;
}

static int do_perf(struct scope_node *n, const struct scope_msg_perf *m,
		   struct scope_reply *reply, struct scope_err *err)
{
	(void)n;
	(void)err;
	check(m->n >= 1 && m->n <= SCOPE_PERF_CPUS_MAX);
	for (unsigned i = 0; i < m->n; i++)
		scope_reply_fd(reply, dup(0));
	return 0;
}

static int do_attach(struct scope_node *n, const struct scope_msg_attach *m,
		     struct scope_reply *reply)
{
	(void)n;
	(void)reply;
	check(m->n >= 1 && m->n <= SCOPE_WIRE_SITES_MAX &&
	      m->group < SCOPE_WIRE_GROUPS_MAX &&
	      strlen(m->prog) < SCOPE_PROG_NAME_MAX);
	for (unsigned i = 0; i < m->n; i++) {
		uint64_t c = m->site[i].cookie;

		check((c & ((1u << SCOPE_COOKIE_ARG) - 1)) < SCOPE_SITE_MAX &&
		      c >> SCOPE_COOKIE_ARG < SCOPE_COOKIE_ARGS);
	}
	return 0;
}

static int do_detach(struct scope_node *n, unsigned group)
{
	(void)n;
	check(group == SCOPE_GROUP_ALL || group < SCOPE_WIRE_GROUPS_MAX);
	return 0;
}

static int do_watch(struct scope_node *n, uint64_t pid, bool on)
{
	(void)n;
	return pid && on ? 0 : -ENOSPC;
}

static int do_missed(struct scope_node *n, uint64_t *ret_missed)
{
	*ret_missed = n->fds;
	return 0;
}

static int do_socket(struct scope_node *n, int fd, uint64_t *ret_inode)
{
	(void)n;
	check(fd >= 0);
	*ret_inode = 1;
	return 0;
}

static int do_count(struct scope_node *n, const struct scope_msg_attach *m,
		    struct scope_reply *reply, struct scope_err *err)
{
	(void)err;
	for (unsigned i = 0; i < m->n && i < SCOPE_WIRE_SITES_MAX; i++)
		check(m->site[i].cookie < SCOPE_COUNTS_MAX);
	(void)n;
	(void)reply;
	check(m->n >= 1 && m->n <= SCOPE_WIRE_SITES_MAX && m->is_return <= 1);
	return 0;
}

static int do_hits(struct scope_node *n, uint64_t hits[SCOPE_COUNTS_MAX])
{
	(void)n;
	check((void *)hits == shared);
	memset(hits, 0, SCOPE_COUNTS_MAX * sizeof(*hits));
	return 0;
}

static int do_thread(struct scope_node *n, pid_t tid, unsigned ms, void *to,
		     struct scope_reply *reply)
{
	(void)n;
	(void)ms;
	(void)reply;
	check(tid > 0 && to == shared);
	return 0;
}

static int do_sample(struct scope_node *n, const struct scope_msg_sample *m,
		     struct scope_reply *reply, struct scope_err *err)
{
	(void)n;
	(void)err;
	check(m->ring_bytes >= SCOPE_RING_BYTES_MIN &&
	      m->ring_bytes <= SCOPE_RING_BYTES_MAX &&
	      m->config.reg_p < SCOPE_SAMPLE_REGS &&
	      m->config.reg_e < SCOPE_SAMPLE_REGS);
	scope_reply_fd(reply, dup(0));
	scope_reply_fd(reply, dup(0));
	return 0;
}

static int do_clock(struct scope_node *n, const struct scope_msg_clock *m,
		    struct scope_reply *reply, struct scope_err *err)
{
	(void)n;
	(void)err;
	check(m->hz >= 1 && m->hz <= SCOPE_HZ_MAX && m->n >= 1 &&
	      m->n <= SCOPE_WIRE_THREADS_MAX);
	for (unsigned i = 0; i < m->n; i++)
		check(m->thread[i].tid > 0);
	reply->head.v[0] = m->n;
	return 0;
}

static int do_waits(struct scope_node *n, const struct scope_msg_waits *m,
		    struct scope_err *err)
{
	(void)n;
	(void)m;
	(void)err;
	return 0;
}

static int do_break(struct scope_node *n, unsigned reg, uint64_t addr,
		    struct scope_reply *reply)
{
	(void)n;
	check(reg < SCOPE_BREAKS && addr < 1ull << 47);
	reply->head.v[1] = reg;
	return addr ? 0 : -ENOSPC;
}

static void do_close(struct scope_node *n)
{
	check(nopen > 0);
	nopen--;
	free(n);
}

static const struct scope_server_ops ops = {
	.open = do_open,
	.file = do_file,
	.read = do_read,
	.load = do_load,
	.perf = do_perf,
	.attach = do_attach,
	.detach = do_detach,
	.watch = do_watch,
	.missed = do_missed,
	.socket = do_socket,
	.thread = do_thread,
	.set_break = do_break,
	.count = do_count,
	.hits = do_hits,
	.sample = do_sample,
	.clock = do_clock,
	.waits = do_waits,
	.close = do_close,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scope_server server = { .ops = &ops, .shared = shared };
	static struct scope_reply reply;

	while (size >= 2) {
		size_t len = (size_t)data[0] | (size_t)data[1] << 8;
		uint8_t *packet;

		data += 2;
		size -= 2;
		if (len > size)
			len = size;
		/* Of its own, so that what reads beyond it is seen. */
		packet = malloc(len ? len : 1);
		check(packet);
		memcpy(packet, data, len);
		scope_server_answer(&server, packet, len, &reply);
		free(packet);
		check(reply.head.r >= 0 || !reply.head.nfds);
		check(reply.head.text_len <= SCOPE_REPLY_TEXT_MAX);
		check(reply.head.nfds <= SCOPE_FDS_MAX);
		while (reply.head.nfds)
			(void)close(reply.fds[--reply.head.nfds]);
		data += len;
		size -= len;
	}
	scope_server_done(&server);
	check(nopen == 0);
	return 0;
}
