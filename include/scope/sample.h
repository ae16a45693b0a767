/* SPDX-License-Identifier: MIT */
/*
 * Which conversations are kept when not all of them are: decided by who takes
 * part, so that all that two processes do with each other is kept or left out
 * together, and everywhere alike. Compiled by both sides.
 */
#ifndef SCOPE_SAMPLE_H
#define SCOPE_SAMPLE_H

#include <linux/types.h>

#define SCOPE_SAMPLE_ALL 0xffffffffu /* the share that keeps everything */

/* Whom an Eterm stands for: a process or port of this node, or nobody. What is
 * of another node, the runtime or a timer belongs to the one process that it is
 * dealt with by. */
static inline __u64 scope_sample_party(__u64 w)
{
	__u32 tag = w & 0xf;

	return tag == 3 || tag == 7 ? w : 0;
}

/*
 * Whether the conversation of these two is kept; in whatever order. One that is
 * nobody: what belongs to the other alone. Both: it is of no process, and is
 * kept. What is kept of a smaller share is kept of a larger one, too.
 *
 * The pairs are mixed by the finalizer of MurmurHash3, as ids differ in few bits.
 */
static inline int scope_sample_keeps(__u64 a, __u64 b, __u32 share)
{
	__u64 h;

	a = scope_sample_party(a);
	b = scope_sample_party(b);
	if (!a)
		a = b;
	if (!b)
		b = a;
	if (!a)
		return 1;
	h = a < b ? a : b;
	h *= 0x9e3779b97f4a7c15ull;
	h ^= h >> 32;
	h ^= a < b ? b : a;
	h *= 0xff51afd7ed558ccdull;
	h ^= h >> 33;
	h *= 0xc4ceb9fe1a85ec53ull;
	return (__u32)(h >> 32) <= share;
}

#endif
