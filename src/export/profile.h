/* SPDX-License-Identifier: MIT */
/*
 * profile: stacks with weights, and the forms that they are written in.
 *
 * Shapes:  a scope_profile keeps frames, processes and stacks once each. A frame
 *          is a place in code: a function, and a line of it where one is known.
 *          A stack is a list of frames, outermost first, of a process, with a
 *          number of samples and nanoseconds. What is written does not depend
 *          on the order in which stacks were added.
 * Text:    as a node has it: any bytes. Whatever is written is valid UTF-8,
 *          and escaped as its form wants it.
 * Limits:  SCOPE_PROFILE_STACKS stacks, SCOPE_PROFILE_FRAMES frames,
 *          SCOPE_PROFILE_PROCS processes, SCOPE_PROFILE_BYTES of their text and
 *          lists: what is beyond is refused.
 * Errors:  -ENOSPC a limit; -ENOMEM; writers: what the stream says, by ferror.
 * Memory:  texts that are given are copied; what is returned is borrowed until
 *          the profile is next changed.
 * Threads: one owner.
 * Source:  folded: the form of stackcollapse-perf.pl; speedscope: its
 *          file-format-schema.json; pprof: google/pprof, proto/profile.proto.
 */
#ifndef SCOPE_EXPORT_PROFILE_H
#define SCOPE_EXPORT_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/auto.h"

#define SCOPE_PROFILE_STACKS (1u << 20)
#define SCOPE_PROFILE_FRAMES (1u << 20)
#define SCOPE_PROFILE_PROCS (1u << 20)
#define SCOPE_PROFILE_BYTES (512u << 20)
#define SCOPE_PROFILE_NONE UINT32_MAX

enum scope_frame_kind {
	SCOPE_FRAME_ERLANG, /* a function, a BIF, a NIF */
	SCOPE_FRAME_SYSTEM, /* what the emulator does by itself: gc, [scheduler],
			       what a process waits for */
	SCOPE_FRAME_NATIVE, /* a C function */
	SCOPE_FRAME_KERNEL,
	SCOPE_FRAME_NOTE,   /* why frames are missing here */
	SCOPE_FRAME_KINDS,
};

struct scope_profile;

struct scope_profile *scope_profile_new(void);
void scope_profile_free(struct scope_profile *p);
SCOPE_AUTO(scope_profile)

/* Text, not NUL-terminated; p NULL: there is none. */
struct scope_text {
	const char *p;
	size_t len;
};

struct scope_frame {
	enum scope_frame_kind kind;
	struct scope_text name, file;
	uint32_t line; /* 0: not known */
	uint32_t function; /* the same for all lines; set by the profile */
};

struct scope_profile_proc {
	struct scope_text pid, name, initial; /* name, initial: may be none */
};

/* The number of a frame, of a process; SCOPE_PROFILE_NONE: a limit, no memory. */
uint32_t scope_profile_frame(struct scope_profile *p,
			     const struct scope_frame *f);
uint32_t scope_profile_proc(struct scope_profile *p,
			    const struct scope_profile_proc *proc);
/* frames: outermost first. proc SCOPE_PROFILE_NONE: none is running. */
int scope_profile_add(struct scope_profile *p, uint32_t proc,
		      const uint32_t *frames, size_t n, uint64_t count,
		      uint64_t ns);
/* Forget the stacks; frames and processes keep their numbers. */
void scope_profile_clear(struct scope_profile *p);

size_t scope_profile_stacks(const struct scope_profile *p);
struct scope_frame scope_profile_get_frame(const struct scope_profile *p,
					   uint32_t frame);
struct scope_profile_proc
scope_profile_get_proc(const struct scope_profile *p, uint32_t proc);

/* -- what can be asked ------------------------------------------------------- */

/* A row of the table of functions: in how much a function was on top, and in
 * how much it took part. */
struct scope_profile_row {
	uint32_t frame;	 /* one of the function */
	uint64_t self, total; /* samples, or ns */
};
/* The functions, of most self first, then of most total; to be freed. */
int scope_profile_rows(const struct scope_profile *p, bool by_ns,
		       struct scope_profile_row **ret_rows, size_t *ret_n);
/* The same of processes: frame is a process, or SCOPE_PROFILE_NONE. */
int scope_profile_proc_rows(const struct scope_profile *p, bool by_ns,
			    struct scope_profile_row **ret_rows,
			    size_t *ret_n);
/* All samples; all ns. */
uint64_t scope_profile_count(const struct scope_profile *p);
uint64_t scope_profile_ns(const struct scope_profile *p);

/* A table for people, of functions, or of processes: `lines` rows at most, of
 * `columns` characters at most; 0: all. */
struct scope_profile_opts;
int scope_profile_table(const struct scope_profile *p,
			const struct scope_profile_opts *opts, unsigned lines,
			unsigned columns, FILE *out);

/* -- writing ------------------------------------------------------------------- */

struct scope_profile_opts {
	bool by_process; /* the process is the first frame */
	bool by_ns;	 /* weights are ns: time that was waited, not samples */
	const char *title; /* what it is of, for people */
	uint64_t period_ns; /* between samples; 0: no clock's */
	uint64_t start_ns;  /* when it began, since the epoch */
	uint64_t duration_ns;
};

int scope_profile_folded(const struct scope_profile *p,
			 const struct scope_profile_opts *opts, FILE *out);
int scope_profile_svg(const struct scope_profile *p,
		      const struct scope_profile_opts *opts, FILE *out);
int scope_profile_speedscope(const struct scope_profile *p,
			     const struct scope_profile_opts *opts, FILE *out);
int scope_profile_pprof(const struct scope_profile *p,
			const struct scope_profile_opts *opts, FILE *out);
/* A JSON object a line for each stack of each process. */
int scope_profile_json(const struct scope_profile *p,
		       const struct scope_profile_opts *opts, FILE *out);

#endif
