/* SPDX-License-Identifier: MIT */
/* The part of the doctor that looks at a node. */
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/time.h"
#include "base/utf8.h"
#include "cli/doctor.h"
#include "pipeline/budget.h"
#include "probe/count.h"
#include "probe/governor.h"
#include "target/procfs.h"

#define LOOK_NS 200000000u /* at its use of CPU, without a probe */
#define NODES_MAX 256
#define STATUS_MAX 4096

void scope_doctor_clean(char *text)
{
	size_t left = strlen(text);

	while (left) {
		uint32_t cp = 0;
		size_t n = scope_utf8_next(text, left, &cp);

		if (n == 0 || cp < ' ' || (cp >= 0x7f && cp < 0xa0)) {
			memset(text, '?', n ? n : 1);
			n = n ? n : 1;
		}
		text += n;
		left -= n;
	}
}

/* -- its use of CPU ----------------------------------------------------------------- */

static int add_thread(void *arg, pid_t tid, const char *comm)
{
	char path[64], text[128];
	uint64_t *sum = ((uint64_t **)arg)[1];
	pid_t pid = *((pid_t **)arg)[0];

	(void)comm;
	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat",
		       (int)pid, (int)tid);
	if (scope_procfs_read(path, text, sizeof(text)) > 0)
		*sum += strtoull(text, NULL, 10);
	return 0;
}

/* ns of CPU time of all its threads; 0: can't be told. */
static uint64_t cpu_of(pid_t pid)
{
	uint64_t sum = 0;
	void *arg[] = { &pid, &sum };

	return scope_procfs_threads(pid, add_thread, arg) < 0 ? 0 : sum;
}

static double cpus_used(pid_t pid)
{
	const struct timespec wait = { .tv_nsec = LOOK_NS };
	uint64_t cpu = cpu_of(pid), start = scope_now_ns(), end;

	if (!cpu)
		return -1;
	(void)nanosleep(&wait, NULL);
	end = cpu_of(pid);
	return end < cpu ? -1 :
			   (double)(end - cpu) /
				   (double)(scope_now_ns() - start);
}

/* -- who it is ----------------------------------------------------------------------- */

static struct scope_check *add(struct scope_doctor_node *n, const char *id,
			       const char *title, enum scope_state state)
{
	return scope_check_add(&n->checks, id, title, true, state);
}

/* " (rabbitmq)", from the file alone: what else names users takes libraries
 * and sockets, which are out of reach by now. "": it does not say. */
static void name_user(uid_t uid, char *text, size_t cap)
{
	scope_autofclose FILE *f = fopen("/etc/passwd", "re");
	const struct passwd *pw = NULL;

	*text = 0;
	while (f && (pw = fgetpwent(f)) && pw->pw_uid != uid)
		;
	if (pw)
		(void)snprintf(text, cap, " (%.40s)", pw->pw_name);
}

/* What can be told of a process whatever it is and whosever. */
static void look_from_afar(struct scope_doctor_node *n)
{
	struct scope_found *all = calloc(NODES_MAX, sizeof(*all));
	int found = all ? scope_find_nodes(all, NODES_MAX) : 0;
	struct scope_check *c;
	struct stat st;
	char path[32], user[64];

	for (int i = 0; i < found; i++) {
		if (all[i].pid != n->pid)
			continue;
		memcpy(n->node, all[i].node, sizeof(n->node));
		memcpy(n->cmdline, all[i].cmdline, sizeof(n->cmdline));
	}
	free(all);
	scope_doctor_clean(n->node);
	scope_doctor_clean(n->cmdline);
	(void)snprintf(path, sizeof(path), "/proc/%d", (int)n->pid);
	if (stat(path, &st) == 0) {
		c = scope_check_add(&n->checks, "user", "user", false,
				    SCOPE_STATE_INFO);
		name_user(st.st_uid, user, sizeof(user));
		scope_check_say(c, "%u%s", (unsigned)st.st_uid, user);
	}
	if (scope_place_of(n->pid, &n->place) < 0)
		return;
	scope_doctor_clean(n->place.cgroup);
	scope_doctor_clean(n->place.container);
	scope_doctor_clean(n->place.name);
	c = scope_check_add(&n->checks, "place", "place", false,
			    SCOPE_STATE_INFO);
	if (n->place.pid_inside)
		scope_check_say(c, "%s %.60s, PID %d inside",
				n->place.runtime[0] ? n->place.runtime :
						      "a pid namespace",
				n->place.name[0] ? n->place.name :
						   n->place.container,
				(int)n->place.pid_inside);
	else
		scope_check_say(c, "our pid namespace");
	c = scope_check_add(&n->checks, "cgroup", "control group", false,
			    SCOPE_STATE_INFO);
	scope_check_say(c, "%.150s", n->place.cgroup);
}

/* The runtime's version, by the path that it was started from. */
static void guess_release(struct scope_doctor_node *n)
{
	const char *p = strstr(n->cmdline, "/erts-");
	struct scope_check *c;

	if (!p)
		return;
	p += strlen("/erts-");
	c = scope_check_add(&n->checks, "release", "release", true,
			    SCOPE_STATE_UNKNOWN);
	scope_check_say(c, "ERTS %.*s by its command line; not checked",
			(int)strspn(p, "0123456789."), p);
	scope_check_fix(c, "looking into it, below");
}

/* An error's text says what is wrong and then, behind a semicolon, what to do. */
static void refused(struct scope_doctor_node *n, int r,
		    const struct scope_err *err)
{
	const char *todo = strstr(err->text, "; ");
	struct scope_check *c;

	if (r == -EPERM || r == -EACCES)
		guess_release(n);
	c = add(n, "open", "looking into it", SCOPE_STATE_NO);
	scope_check_say(c, "%.*s",
			(int)(todo ? (size_t)(todo - err->text) :
				     strlen(err->text)),
			err->text);
	scope_doctor_clean(c->value);
	if (todo)
		scope_check_fix(c, "%s", todo + 2);
	else if (r == -ESRCH || r == -ENOEXEC)
		scope_check_fix(c, "the PID of a node that runs; scope-bpf "
				   "completion nodes lists them");
	else
		scope_check_fix(c, "a release and build that is supported; see "
				   "scope-bpf(1)");
	scope_doctor_clean(c->fix);
}

static int count_one(void *arg, const struct scope_proc *p)
{
	(void)p;
	++*(size_t *)arg;
	return 0;
}

static const char *fix_of(const char *missing)
{
	if (strstr(missing, "build-id"))
		return "a table of this build: scripts/symbol-table of the "
		       "source makes one; or its debug symbols under "
		       "/usr/lib/debug";
	if (strstr(missing, "is not found"))
		return "a build that keeps its symbols, or the debug symbols of "
		       "this one under /usr/lib/debug";
	return "another release of OTP; nothing else brings it on this one";
}

static void look_inside(struct scope_doctor_node *n)
{
	const struct scope_target_info *i = scope_target_info(n->target);
	struct scope_check *c;

	(void)snprintf(n->node, sizeof(n->node), "%s", i->node);
	scope_doctor_clean(n->node);
	c = add(n, "release", "release", SCOPE_STATE_YES);
	scope_check_say(c, "OTP %s, ERTS %s", i->otp, i->erts);
	c = add(n, "flavor", "flavour", SCOPE_STATE_YES);
	scope_check_say(c, "%s, %s; no debug, lock-checking, lock-counting "
			   "or HiPE build",
			i->jit ? "JIT" : "interpreter",
			i->musl ? "musl" : "not musl");
	c = add(n, "symbols", "symbols", SCOPE_STATE_YES);
	scope_check_say(c, "%s", i->symbols);
	if (i->hides_symbols) {
		c->state = i->has_build ? SCOPE_STATE_YES : SCOPE_STATE_LIMITED;
		scope_check_say(c, "hidden; recovered from the code, and %s",
				i->has_build ? "from a table of its build-id" :
					       "there is no table of its "
					       "build-id");
		if (!i->has_build)
			scope_check_fix(c, "%s", fix_of("build-id"));
	}
	c = scope_check_add(&n->checks, "build_id", "build-id", false,
			    SCOPE_STATE_INFO);
	scope_check_say(c, "%s", *i->build_id ? i->build_id : "none");
	c = add(n, "layout", "layout",
		i->no_layout ? SCOPE_STATE_LIMITED : SCOPE_STATE_YES);
	if (i->no_layout) {
		scope_check_say(c, "%s", i->no_layout);
		scope_check_fix(c, "until then its USDT probes serve, without "
				   "names, memory or terms");
	} else {
		scope_check_say(c, "that of OTP %s fits its memory", i->otp);
	}
	if (scope_target_procs(n->target, count_one, &n->processes, NULL) < 0)
		n->processes = 0;
}

/* -- its events ---------------------------------------------------------------------- */

/* The dearest way that an event of this kind can take: one of the entries,
 * and a return where it has one. */
static void add_cost(const struct scope_doctor_node *n,
		     struct scope_doctor_kind *k,
		     const struct scope_calibration *cal)
{
	uint64_t entry = 0, ret = 0;

	for (size_t i = 0; i < n->sites.n; i++) {
		const struct scope_attach_site *s = &n->sites.site[i];
		uint64_t *most = s->is_return ? &ret : &entry;
		uint64_t ns;

		if (!(s->kinds & SCOPE_KIND_BIT(k->kind)))
			continue;
		ns = scope_calibration_cost(cal, s, SCOPE_TERM_WORDS_DEFAULT);
		if (ns > *most)
			*most = ns;
		k->is_stepped |= !s->emulated;
	}
	k->ns = entry + ret;
}

static void look_at_kinds(struct scope_doctor_node *n, scope_kindset wanted,
			  const struct scope_calibration *cal)
{
	scope_kindset all = 0;

	for (unsigned k = 1; k < SCOPE_KIND_MAX; k++)
		if (SCOPE_KIND_IS_WIRE(k) && scope_kind_info(k)->name)
			all |= SCOPE_KIND_BIT(k);
	scope_catalogue_find(n->target, all, SCOPE_FROM_AUTO, &n->sites);
	n->is_ok = true;
	for (unsigned k = 1; k < SCOPE_KIND_MAX; k++) {
		struct scope_doctor_kind *d;

		if (!(all >> k & 1))
			continue;
		d = &n->kinds[n->nkinds++];
		d->kind = k;
		d->is_wanted = wanted >> k & 1;
		d->is_there = n->sites.found >> k & 1;
		if (d->is_there) {
			d->source = n->sites.source[k];
			add_cost(n, d, cal);
		} else {
			d->missing = n->sites.missing[k];
			d->fix = fix_of(d->missing);
			n->is_ok = n->is_ok && !d->is_wanted;
		}
	}
}

/* -- its rates ------------------------------------------------------------------------ */

/* Of the probe at the return of the same call; 0: there is none. */
static uint64_t cost_of_return(const struct scope_doctor_node *n,
			       const struct scope_attach_site *entry,
			       const struct scope_calibration *cal)
{
	for (size_t i = 0; !entry->is_return && i < n->sites.n; i++) {
		const struct scope_attach_site *s = &n->sites.site[i];

		if (s->is_return && s->offset == entry->offset &&
		    s->site == entry->site)
			return scope_calibration_cost(cal, s,
						      SCOPE_TERM_WORDS_DEFAULT);
	}
	return 0;
}

/* What of it the budget would keep. Sites of kinds that nobody wants are not
 * attached. */
static void plan(struct scope_doctor_node *n,
		 const struct scope_doctor_opts *opts,
		 const struct scope_calibration *cal, const uint64_t *hits)
{
	double cost[SCOPE_GROUP_MAX] = { 0 }, all = 0;

	for (unsigned g = 0; g < SCOPE_GROUP_MAX; g++)
		n->budget.group[g] = -1;
	for (size_t i = 0; i < n->sites.n; i++) {
		const struct scope_attach_site *s = &n->sites.site[i];
		uint64_t ns = scope_calibration_cost(
				      cal, s, SCOPE_TERM_WORDS_DEFAULT) +
			      cost_of_return(n, s, cal);

		if (!(s->kinds & opts->kinds))
			continue;
		n->budget.group[s->group] = 0;
		cost[s->group] += SCOPE_GOVERNOR_FACTOR * (double)hits[i] *
				  (double)ns / (double)n->measured_ns;
	}
	n->budget.share = opts->budget;
	n->budget.cost = scope_budget_plan(opts->budget, n->cpu, cost,
					   n->budget.part_on);
	for (unsigned g = 0; g < SCOPE_GROUP_MAX; g++)
		all += cost[g];
	n->budget.all = all / (n->cpu + all);
	for (unsigned g = 0; g < SCOPE_GROUP_MAX; g++)
		if (n->budget.group[g] >= 0)
			n->budget.group[g] = cost[g] / (n->cpu + cost[g]);
}

static int measure(struct scope_doctor_node *n,
		   const struct scope_doctor_opts *opts,
		   const struct scope_calibration *cal, struct scope_err *err)
{
	uint64_t hits[SCOPE_SITES_MAX], ns = 0, trap_ns = 0;
	uint64_t cpu = cpu_of(n->pid), after;
	int r = scope_count_hits(n->target, &n->sites, opts->kinds,
				 opts->measure_ns, hits, &ns, err);

	if (r < 0)
		return r;
	after = cpu_of(n->pid);
	n->measured_ns = ns ? ns : 1;
	for (size_t i = 0; i < n->sites.n; i++)
		trap_ns += hits[i] * cal->trap[n->sites.site[i].insn];
	if (cpu && after > cpu + trap_ns)
		n->cpu = (double)(after - cpu - trap_ns) /
			 (double)n->measured_ns;
	for (size_t k = 0; k < n->nkinds; k++) {
		struct scope_doctor_kind *d = &n->kinds[k];
		uint64_t sum = 0;
		double cost = 0;

		if (!d->is_there ||
		    !(opts->kinds & SCOPE_KIND_BIT(d->kind)))
			continue;
		for (size_t i = 0; i < n->sites.n; i++) {
			const struct scope_attach_site *s = &n->sites.site[i];

			if (!(s->kinds & SCOPE_KIND_BIT(d->kind)))
				continue;
			sum += hits[i];
			cost += (double)hits[i] *
				(double)(scope_calibration_cost(
						 cal, s,
						 SCOPE_TERM_WORDS_DEFAULT) +
					 cost_of_return(n, s, cal));
		}
		d->has_rate = true;
		d->per_second = (double)sum * 1e9 / (double)n->measured_ns;
		d->ns_per_second = cost * 1e9 / (double)n->measured_ns;
	}
	if (n->cpu > SCOPE_DOCTOR_IDLE)
		plan(n, opts, cal, hits);
	return 0;
}

int scope_doctor_look(struct scope_doctor_node *n, struct scope_attacher *a,
		      pid_t pid, struct scope_target *target,
		      const struct scope_doctor_opts *opts,
		      const struct scope_calibration *cal,
		      struct scope_err *err)
{
	struct scope_err why = { 0 };

	memset(n, 0, sizeof(*n));
	n->pid = pid;
	n->cpu = -1;
	n->target = target;
	look_from_afar(n);
	if (!target)
		n->r = scope_target_open_probes(a, pid, &n->target, &why);
	if (n->r < 0) {
		refused(n, n->r, &why);
		return 0;
	}
	look_inside(n);
	look_at_kinds(n, opts->kinds, cal);
	if (!opts->measure_ns) {
		n->cpu = cpus_used(n->pid);
		return 0;
	}
	return measure(n, opts, cal, err);
}

void scope_doctor_done(struct scope_doctor *d)
{
	scope_target_free(d->node.target);
	d->node.target = NULL;
}
