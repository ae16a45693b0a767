/* SPDX-License-Identifier: MIT */
/*
 * reader: the thread that empties the kernel's buffers on a clock of its own,
 * so that no event ever wakes anybody.
 *
 * Shapes:  records are copied, as they are, into batches; a batch is handed
 *          over when a drain is done, with the time before which nothing more
 *          will come (but for programs that were preempted). Losses that the
 *          kernel side counted come as records of kind SCOPE_KIND_LOSS:
 *          a[0] kind, a[1] cause, a[2] count, a[3] until (ns); ts_ns is since
 *          when; cpu.
 * Clock:   1 ms while the buffers fill quickly, up to 10 ms when little comes.
 * Limits:  SCOPE_BATCHES batches; when all are full the kernel's buffers keep
 *          what they can, and count what they can't.
 * Threads: one inside; get and put from one thread.
 */
#ifndef SCOPE_PIPELINE_READER_H
#define SCOPE_PIPELINE_READER_H

#include "pipeline/budget.h"
#include "probe/probe.h"

#define SCOPE_BATCHES 64
#define SCOPE_BATCH_BYTES (256u << 10)

struct scope_batch {
	uint64_t safe_ns; /* all that happened before has been read */
	uint64_t cpu_ns;  /* of the reader thread so far */
	uint32_t used;
	uint32_t live;	  /* records not yet let go: the owner's count */
	bool last;	  /* the reader is done: nothing follows */
	bool node_ended;
	bool cut_off; /* the process that held the probes has ended */
	uint8_t data[SCOPE_BATCH_BYTES] __attribute__((aligned(8)));
};

struct scope_reader;

/* Start draining `probe` (borrowed), and tell what `budget` (borrowed; NULL:
 * none) does, which is stopped with it. stop_fd: readable when it should end;
 * pidfd: readable when the node is gone. The reader detaches the probe itself,
 * then empties the buffers. */
int scope_reader_new(struct scope_probe *probe, struct scope_budget *budget,
		     int stop_fd, int pidfd, struct scope_reader **ret_reader,
		     struct scope_err *err);
/* Ends the thread, wherever it is. */
void scope_reader_free(struct scope_reader *r);
SCOPE_AUTO(scope_reader)

/* The next batch, waiting at most timeout_ms; NULL: none came. */
struct scope_batch *scope_reader_get(struct scope_reader *r,
				     unsigned timeout_ms);
/* Give a batch back. */
void scope_reader_put(struct scope_reader *r, struct scope_batch *b);

#endif
