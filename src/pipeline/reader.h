/* SPDX-License-Identifier: MIT */
/*
 * reader: the thread that empties the kernel's buffers on a clock of its own,
 * so that no event ever wakes anybody.
 *
 * Shapes:  records are copied, as they are, into batches; a batch is handed
 *          over when a drain is done, with the time before which nothing more
 *          will come (but for programs that were preempted). Losses that the
 *          kernel side counted come as records of kind SCOPE_KIND_LOSS:
 *          a[0] kind, a[1] cause, a[2] count, a[3] until (ns), a[4] since when
 *          (0: ts_ns); cpu. So do those that were lost here, which no counter of the
 *          kernel side has: SCOPE_LOSS_OVERWRITTEN and SCOPE_LOSS_QUEUE.
 *          Changes of the share of conversations that is kept come as records
 *          of kind SCOPE_KIND_OVERFLOW: a[0] the share in millionths, a[1] enum
 *          scope_shed_why, a[2] since when the share before was kept (ns), and
 *          by pairs of words a kind and how many of it were left out then.
 * Clock:   1 ms while the buffers fill quickly, up to 10 ms when little comes.
 * Limits:  SCOPE_BATCHES batches; when all are full the kernel's buffers keep
 *          what they can, and count what they can't; or, with
 *          SCOPE_DROP_OLDEST, the batch that waits for longest is emptied.
 * Threads: one inside; get and put from one thread.
 */
#ifndef SCOPE_PIPELINE_READER_H
#define SCOPE_PIPELINE_READER_H

#include "pipeline/budget.h"
#include "pipeline/shed.h"
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

/* What becomes of events that there is no room for, at every stage. */
enum scope_overflow {
	SCOPE_DROP_NEWEST,
	SCOPE_DROP_OLDEST, /* of a probe that overwrites */
	SCOPE_SHED, /* as SCOPE_DROP_NEWEST; but see shed.h: of one that samples
		     */
};

struct scope_reader_opts {
	struct scope_budget *budget; /* borrowed; NULL: none; stopped with it */
	int stop_fd; /* readable when it should end */
	int pidfd;   /* readable when the node is gone */
	enum scope_overflow overflow;
	double share; /* SCOPE_SHED: of conversations, at most */
};

struct scope_reader;

/* Start draining `probe` (borrowed). The reader detaches the probe itself, then
 * empties the buffers. */
int scope_reader_new(struct scope_probe *probe,
		     const struct scope_reader_opts *opts,
		     struct scope_reader **ret_reader, struct scope_err *err);
/* Ends the thread, wherever it is. */
void scope_reader_free(struct scope_reader *r);
SCOPE_AUTO(scope_reader)

/* The next batch, waiting at most timeout_ms; NULL: none came. */
struct scope_batch *scope_reader_get(struct scope_reader *r,
				     unsigned timeout_ms);
/* How full the output is, from 0 to 1: for SCOPE_SHED. */
void scope_reader_set_output(struct scope_reader *r, double fill);
/* Give a batch back. */
void scope_reader_put(struct scope_reader *r, struct scope_batch *b);

#endif
