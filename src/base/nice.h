/* SPDX-License-Identifier: MIT */
/*
 * nice: precedence on the processor for the thread that empties the kernel's
 * buffers. Taking it needs a right (CAP_SYS_NICE) that is given up before that
 * thread is started: so the first thread takes it, its threads inherit it, and
 * all but the one give it back, which needs no right.
 *
 * Threads: raise before there is a second one; give_back by any, of itself.
 */
#ifndef SCOPE_NICE_H
#define SCOPE_NICE_H

/* Where it is not allowed nothing changes. */
void scope_nice_raise(void);
void scope_nice_give_back(void);

#endif
