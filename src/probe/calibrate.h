/* SPDX-License-Identifier: MIT */
/*
 * calibrate: what probes cost on this host and kernel, measured.
 *
 * Shapes:  a child of our own calls functions that begin with known
 *          instructions; probes of each kind are put on them, with a program
 *          that does nothing, and the child tells its CPU time. Then our own
 *          programs are put on functions that are called as the runtime's are.
 * Units:   nanoseconds of the target's CPU time a hit. 0: not measured, because
 *          it is not to be had here.
 * Bounds:  the child does nothing else, so its caches stay warm: a lower bound.
 *          Two processes of a node that play ping-pong paid 1,050 ns for a
 *          counting hit that is 700 here, and 1,300 to 1,800 for an event that
 *          is 1,000 to 1,200 here.
 * Kept:    one small text file, for this kernel and this boot; with root in
 *          /var/cache/scope-bpf, else in $XDG_CACHE_HOME/scope-bpf or
 *          ~/.cache/scope-bpf; $SCOPE_CACHE names another folder. A file that
 *          is not ours, not whole or of another boot is as none.
 * Needs:   what attaching needs: CAP_BPF, CAP_PERFMON, multi-uprobe links (or,
 *          before 6.10, CAP_SYS_ADMIN). About 0.4 s of CPU time, once a boot.
 * Errors:  -EPERM -ENOTSUP with words; -ECANCELED stopped.
 * Threads: scope_calibration_get and _cost from any; a calibrator has one
 *          owner.
 */
#ifndef SCOPE_PROBE_CALIBRATE_H
#define SCOPE_PROBE_CALIBRATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/err.h"
#include "probe/catalogue.h"
#include "probe/site.h"

enum scope_calibration_from {
	SCOPE_CAL_DEFAULT,  /* another machine's figures: only ratios hold */
	SCOPE_CAL_CACHE,    /* this boot's, measured earlier */
	SCOPE_CAL_MEASURED, /* by this process */
};

/* X(SYMBOL, name, says): the figures beside those by instruction. */
#define SCOPE_CAL_FIGURES(X)                                                   \
	X(PAIR, "pair", "probe at entry and return of one call")               \
	X(USDT, "usdt", "probe at a USDT site, with its semaphore")            \
	X(BREAK, "breakpoint", "hardware execution breakpoint")                \
	X(SAMPLE, "sample", "sample of a clock")                               \
	X(RECORD, "record", "our program, above the trap: no contents")        \
	X(CONTENTS, "contents", "copying a term of 16 words")                  \
	X(CALL, "call", "our programs at entry and return, above the traps")

enum scope_cal_figure {
#define X(sym, name, says) SCOPE_CAL_F_##sym,
	SCOPE_CAL_FIGURES(X)
#undef X
	SCOPE_CAL_F_MAX,
};

struct scope_calibration {
	enum scope_calibration_from from;
	uint32_t trap[SCOPE_INSN_MAX]; /* an empty uprobe on that instruction */
	uint32_t figure[SCOPE_CAL_F_MAX];
	uint32_t emulated; /* set of enum scope_insn */
};

const char *scope_cal_figure_name(enum scope_cal_figure f);
const char *scope_cal_figure_says(enum scope_cal_figure f);
/* "default", "cache", "measured"; static. */
const char *scope_calibration_from_name(enum scope_calibration_from from);

/* The figures to use now: never measures and never waits. The first call reads
 * the cache and teaches site selection what is emulated. Static. */
const struct scope_calibration *scope_calibration_get(void);

/* ns of one hit of a site: the trap, and our program with terms of
 * `term_words` words at most (counted as 16 where that is more). */
uint64_t scope_calibration_cost(const struct scope_calibration *c,
				const struct scope_attach_site *site,
				unsigned term_words);

struct scope_calibrate_opts {
	/* Called between steps, may be NULL: step of steps. Non-zero stops. */
	int (*step)(void *arg, unsigned step, unsigned steps);
	void *arg;
};

/* Measure, keep for the next process, and use from now on. A cache that can't
 * be written is no error. */
int scope_calibrate(const struct scope_calibrate_opts *opts,
		    struct scope_calibration *ret, struct scope_err *err);

/*
 * The same beside the caller's work, where the figures in use are defaults, in
 * a process of its own: who works on a node may have given up the rights that
 * it takes. To be started before that, while there is one thread; NULL where
 * there is nothing to do. It does nothing until it is told to go. Take looks
 * for what it has measured, and uses that from then on. Free ends it, within
 * 0.1 s. All take NULL.
 */
struct scope_calibrator;
struct scope_calibrator *scope_calibrator_start(void);
void scope_calibrator_go(struct scope_calibrator *c);
void scope_calibrator_take(struct scope_calibrator *c);
void scope_calibrator_free(struct scope_calibrator *c);
SCOPE_AUTO(scope_calibrator)

/*
 * The file's parts. id: which kernel and boot, as scope_calibration_id says;
 * without newlines. Load: -ENOENT none; -EACCES not ours alone; -EBADMSG not
 * whole; -ESTALE of another kernel or boot. Parse: the latter two.
 */
#define SCOPE_CAL_ID 512
#define SCOPE_CAL_BYTES 4096
int scope_calibration_id(const char *proc, char id[SCOPE_CAL_ID]);
size_t scope_calibration_format(const struct scope_calibration *c,
				const char *id, char text[SCOPE_CAL_BYTES]);
int scope_calibration_parse(const char *text, size_t len, const char *id,
			    struct scope_calibration *ret);
int scope_calibration_load(const char *dir, const char *id,
			   struct scope_calibration *ret);
int scope_calibration_save(const char *dir, const char *id,
			   const struct scope_calibration *c);
/* The folder for this user; -ENOENT: none can be told. */
int scope_calibration_dir(char *buf, size_t cap);
/* Another machine's figures. */
void scope_calibration_default(struct scope_calibration *ret);

#endif
