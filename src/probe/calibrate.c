/* SPDX-License-Identifier: MIT */
#include "probe/calibrate.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "attacher/child.h"
#include "attacher/drop.h"
#include "attacher/link.h"
#include "probe/calibrate_int.h"

const char *scope_cal_figure_name(enum scope_cal_figure f)
{
	static const char *const names[] = {
#define X(sym, name, says) [SCOPE_CAL_F_##sym] = name,
		SCOPE_CAL_FIGURES(X)
#undef X
	};

	return names[f];
}

const char *scope_cal_figure_says(enum scope_cal_figure f)
{
	static const char *const texts[] = {
#define X(sym, name, says) [SCOPE_CAL_F_##sym] = says,
		SCOPE_CAL_FIGURES(X)
#undef X
	};

	return texts[f];
}

const char *scope_calibration_from_name(enum scope_calibration_from from)
{
	return from == SCOPE_CAL_DEFAULT ? "default" :
	       from == SCOPE_CAL_CACHE	 ? "cache" :
					   "measured";
}

/* Of a two-core virtual machine with kernel 6.18; on bare metal a trap takes a
 * third of it, but too high is the safe side for a budget. */
void scope_calibration_default(struct scope_calibration *ret)
{
	*ret = (struct scope_calibration){
		.from = SCOPE_CAL_DEFAULT,
		.emulated = scope_site_emulated_default(),
		.figure = {
			[SCOPE_CAL_F_PAIR] = 1300,
			[SCOPE_CAL_F_USDT] = 900,
			[SCOPE_CAL_F_BREAK] = 13000,
			[SCOPE_CAL_F_SAMPLE] = 8000,
			[SCOPE_CAL_F_RECORD] = 400,
			[SCOPE_CAL_F_CONTENTS] = 400,
			[SCOPE_CAL_F_CALL] = 1200,
		},
	};
	for (unsigned i = 0; i < SCOPE_INSN_MAX; i++)
		ret->trap[i] = ret->emulated & SCOPE_INSN_BIT(i) ? 900 : 15000;
}

/* -- what is in use ------------------------------------------------------------------ */

/* Never freed or changed once it can be seen, so readers need no lock: a new
 * calibration takes another place. One process measures a few times at most;
 * the last place is then used for all further ones, and they are not seen. */
#define PLACES 8
static struct scope_calibration places[PLACES];
static unsigned nplaces;
static const struct scope_calibration *in_use;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void use(const struct scope_calibration *c)
{
	(void)pthread_mutex_lock(&lock);
	if (nplaces < PLACES) {
		places[nplaces] = *c;
		__atomic_store_n(&in_use, &places[nplaces], __ATOMIC_RELEASE);
		nplaces++;
		scope_site_learn_emulated(c->emulated);
	}
	(void)pthread_mutex_unlock(&lock);
}

static void first_use(void)
{
	char dir[512], id[SCOPE_CAL_ID];
	struct scope_calibration c;

	if (scope_calibration_dir(dir, sizeof(dir)) < 0 ||
	    scope_calibration_id("/proc", id) < 0 ||
	    scope_calibration_load(dir, id, &c) < 0)
		scope_calibration_default(&c);
	use(&c);
}

const struct scope_calibration *scope_calibration_get(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, first_use);
	return __atomic_load_n(&in_use, __ATOMIC_ACQUIRE);
}

uint64_t scope_calibration_cost(const struct scope_calibration *c,
				const struct scope_attach_site *site,
				unsigned term_words)
{
	uint64_t ns = c->trap[site->insn];
	bool has_terms = site->group != SCOPE_GROUP_GC &&
			 site->group != SCOPE_GROUP_CODE &&
			 site->group != SCOPE_GROUP_SCHED;

	if (term_words > SCOPE_CAL_TERM_WORDS)
		term_words = SCOPE_CAL_TERM_WORDS;
	if (site->prog == SCOPE_PROG_CALL)
		return ns; /* the rest stands at the return */
	if (site->is_return) {
		const uint32_t entry = c->trap[scope_cal_usual()];
		const uint32_t pair = c->figure[SCOPE_CAL_F_PAIR];

		ns = (pair > entry ? pair - entry : 0) +
		     c->figure[SCOPE_CAL_F_CALL];
	} else {
		ns += c->figure[SCOPE_CAL_F_RECORD];
	}
	if (has_terms)
		ns += (uint64_t)c->figure[SCOPE_CAL_F_CONTENTS] * term_words /
		      SCOPE_CAL_TERM_WORDS;
	return ns;
}

/* -- measuring ----------------------------------------------------------------------- */

int scope_calibrate(const struct scope_calibrate_opts *opts,
		    struct scope_calibration *ret, struct scope_err *err)
{
	char dir[512], id[SCOPE_CAL_ID];
	struct scope_calibration c;
	int r;

	(void)scope_calibration_get();
	r = scope_cal_run(opts, &c, err);
	if (r < 0)
		return r;
	use(&c);
	if (scope_calibration_dir(dir, sizeof(dir)) == 0 &&
	    scope_calibration_id("/proc", id) == 0)
		(void)scope_calibration_save(dir, id, &c);
	*ret = c;
	return 0;
}

struct scope_calibrator {
	pid_t pid;
	int fd;
};

/* The other end is gone: nobody wants the figures. */
static int is_unwanted(void *arg, unsigned step, unsigned steps)
{
	struct pollfd fd = { .fd = *(int *)arg };

	(void)step;
	(void)steps;
	return poll(&fd, 1, 0) > 0;
}

static void calibrate(int fd, void *arg)
{
	struct scope_calibrate_opts opts = { .step = is_unwanted, .arg = &fd };
	struct scope_calibration c;
	char go;

	(void)arg;
	if (scope_drop(SCOPE_CAPS_ATTACH, 1) < 0 || recv(fd, &go, 1, 0) != 1)
		return;
	/* Where it is not allowed or does not work defaults stay in use. */
	if (scope_calibrate(&opts, &c, NULL) == 0)
		(void)send(fd, &c, sizeof(c), MSG_NOSIGNAL);
}

struct scope_calibrator *scope_calibrator_start(void)
{
	struct scope_calibrator *k;

	/* Perf uprobes take 0.1 s each to detach. */
	if (scope_calibration_get()->from != SCOPE_CAL_DEFAULT ||
	    !scope_link_has_multi())
		return NULL;
	k = calloc(1, sizeof(*k));
	if (k && scope_child_start("scope-calibrate", calibrate, NULL, &k->pid,
				   &k->fd) < 0) {
		free(k);
		k = NULL;
	}
	return k;
}

void scope_calibrator_go(struct scope_calibrator *k)
{
	if (k)
		(void)send(k->fd, "", 1, MSG_NOSIGNAL);
}

void scope_calibrator_take(struct scope_calibrator *k)
{
	struct scope_calibration c;

	if (k && recv(k->fd, &c, sizeof(c), MSG_DONTWAIT) == sizeof(c))
		use(&c);
}

void scope_calibrator_free(struct scope_calibrator *k)
{
	if (!k)
		return;
	scope_child_end(k->pid, k->fd);
	free(k);
}
