/* SPDX-License-Identifier: MIT */
#include "cli/discover.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/time.h"
#include "cli/exit.h"
#include "cli/refusals.h"
#include "cli/relay.h"
#include "target/procfs.h"

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)
#define FOUND_MAX 256
#define SCAN_SHARE 50	   /* of the time */
#define ROOM_MS 5	   /* until the stream may have room again */
#define REST_NS 2000000	   /* between two rounds of reading */
#define STOP_NS (8 * NS_PER_S) /* observers end within that, or are left */
#define WORDS_LINE 4096
#define WORDS_MAX 200 /* lines that one observer may say */
#define STARTING_MAX 4 /* observers at once: it takes a good part of a second */
#define STARTING_NS (10 * NS_PER_S) /* one that takes longer holds up nobody */

/* One place of the roster, while it has an observer. */
struct seat {
	bool is_busy;	  /* from asked for to ended, with all read */
	bool has_ended;	  /* the process */
	bool is_asked;	  /* to end */
	bool is_liar;	  /* what it writes is thrown away */
	bool has_lines;
	int status;
	struct scope_relay *out, *err; /* owned; NULL: none */
	unsigned words;
	char last[400]; /* what was said of this node last */
	pid_t last_pid;
};

struct discover {
	const struct scope_discover_opts *o;
	struct scope_discover_totals *totals;
	struct scope_roster roster;
	struct seat seat[SCOPE_ROSTER_MAX];
	struct scope_found *found; /* owned: FOUND_MAX of them */
	uint64_t scan_ns;	   /* when to look next */
	size_t unplaced;	   /* as said last */
	bool has_looked, is_stopping, has_no_room;
	bool has_waiting; /* nodes, for others to have started */
	unsigned first; /* whose turn it is to be read first */
	int failed;
};

static volatile sig_atomic_t is_asked_to_stop;

static void on_stop(int sig)
{
	(void)sig;
	is_asked_to_stop = 1;
}

/* -- words -------------------------------------------------------------------------- */

static void say(const struct discover *d, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void say(const struct discover *d, const char *fmt, ...)
{
	char text[800];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	d->o->say(d->o->say_arg, text);
}

/* Of a node; the same again is not said. */
static void say_of(struct discover *d, unsigned at, const char *text)
{
	const struct scope_roster_node *n = &d->roster.node[at];
	struct seat *s = &d->seat[at];

	if (s->last_pid == n->pid && !strcmp(s->last, text))
		return;
	(void)snprintf(s->last, sizeof(s->last), "%s", text);
	s->last_pid = n->pid;
	say(d, "%d%s%s%s: %s", (int)n->pid, *n->name ? " (" : "", n->name,
	    *n->name ? ")" : "", text);
}

/* What it says before its first line may be why it can't watch the node. It is
 * heard when that is known. */
static bool is_heard(const struct discover *d, const struct seat *s)
{
	return s->err && (s->has_lines || s->has_ended || d->o->is_verbose);
}

/* A node that is just starting, or a process that was about to become another
 * program, looks unlike a node: that is said when it stays so. */
static bool is_first_failure(const struct discover *d, unsigned at)
{
	const struct seat *s = &d->seat[at];

	return !d->o->is_verbose && !s->has_lines && s->has_ended &&
	       d->roster.node[at].tries == 0 && WIFEXITED(s->status) &&
	       (WEXITSTATUS(s->status) == SCOPE_EXIT_NO_NODE ||
		WEXITSTATUS(s->status) == SCOPE_EXIT_DENIED);
}

static void hear(struct discover *d, unsigned at)
{
	struct seat *s = &d->seat[at];
	const char *line;
	size_t len;

	while (s->err && (line = scope_relay_next(s->err, &len))) {
		char text[sizeof(s->last)];
		struct scope_buf b = scope_buf_of(text, sizeof(text));

		scope_relay_words(line, len - 1, &b);
		scope_relay_drop(s->err, len);
		if (s->words++ < WORDS_MAX && !is_first_failure(d, at))
			say_of(d, at, scope_buf_str(&b));
	}
}

/* -- lines -------------------------------------------------------------------------- */

static void end_seat(struct discover *d, unsigned at)
{
	struct seat *s = &d->seat[at];

	if (!s->is_busy || s->has_ended || s->is_asked)
		return;
	s->is_asked = true;
	if (scope_spawner_end(d->o->spawner, at) < 0)
		d->failed = -EOWNERDEAD;
}

static void distrust(struct discover *d, unsigned at, const char *why)
{
	d->seat[at].is_liar = true;
	say_of(d, at, why);
	end_seat(d, at);
}

/* Hand on what there is. False: there is no room for it. */
static bool hand_on(struct discover *d, unsigned at)
{
	const pid_t pid = d->roster.node[at].pid;
	struct seat *s = &d->seat[at];
	const char *line;
	size_t len;

	while (s->out && (line = scope_relay_next(s->out, &len))) {
		int r;

		if (!s->is_liar && !scope_relay_is_of(line, len - 1, pid))
			distrust(d, at,
				 "its observer wrote what is no event of it, "
				 "and is ended");
		if (s->is_liar) {
			scope_relay_drop(s->out, len);
			continue;
		}
		r = scope_stream_put(d->o->stream, line, len,
				     scope_relay_is_summary(line, len - 1));
		if (r == -ENOBUFS)
			return false;
		if (r < 0) {
			d->failed = r;
			return true;
		}
		scope_relay_drop(s->out, len);
		s->has_lines = true;
		d->totals->lines++;
	}
	return true;
}

static void read_words(struct discover *d, unsigned at)
{
	struct seat *s = &d->seat[at];

	if (scope_relay_read(s->err) == -EMSGSIZE)
		distrust(d, at, "its observer said a line without an end");
	hear(d, at);
}

static void read_lines(struct discover *d, unsigned at)
{
	struct seat *s = &d->seat[at];

	if (scope_relay_read(s->out) == -EMSGSIZE)
		distrust(d, at, "its observer wrote a line without an end, "
				"and is ended");
	if (!hand_on(d, at))
		d->has_no_room = true;
}

/* -- observers ---------------------------------------------------------------------- */

static void begin(struct discover *d, unsigned at, uint64_t now)
{
	struct seat *s = &d->seat[at];
	pid_t pid = d->roster.node[at].pid;

	s->is_busy = true;
	s->has_ended = s->is_asked = s->is_liar = s->has_lines = false;
	s->status = 0;
	s->words = 0;
	if (d->o->health)
		memset(scope_health_node(d->o->health, at), 0,
		       sizeof(struct scope_metrics));
	scope_roster_begun(&d->roster, at, now);
	if (d->o->refusals)
		scope_refusals_seat(d->o->refusals, at, pid);
	if (scope_spawner_begin(d->o->spawner, at, pid) < 0)
		d->failed = -EOWNERDEAD;
}

static void begun(struct discover *d, const struct scope_spawn_news *news)
{
	struct seat *s = &d->seat[news->slot];
	int r = -EMFILE, fds[2] = { news->out, news->err };

	if (fds[0] >= 0) {
		r = scope_relay_new(fds[0], SCOPE_RELAY_LINE, &s->out);
		if (r == 0) {
			r = scope_relay_new(fds[1], WORDS_LINE, &s->err);
			fds[1] = -1;
		}
	}
	if (fds[1] >= 0)
		(void)close(fds[1]);
	d->totals->nodes++;
	if (r < 0)
		distrust(d, news->slot, strerror(-r));
	if (d->is_stopping)
		end_seat(d, news->slot);
}

static enum scope_roster_end how_ended(const struct seat *s, char *why,
				       size_t cap)
{
	*why = 0;
	if (s->is_liar)
		return SCOPE_ROSTER_FAILED;
	/* Before it knew what to do about it. */
	if (s->is_asked && WIFSIGNALED(s->status))
		return SCOPE_ROSTER_DONE;
	if (WIFSIGNALED(s->status)) {
		(void)snprintf(why, cap, "its observer was ended by %s",
			       strsignal(WTERMSIG(s->status)));
		return SCOPE_ROSTER_FAILED;
	}
	switch (WEXITSTATUS(s->status)) {
	case SCOPE_EXIT_OK:
	case SCOPE_EXIT_LOST:
		return SCOPE_ROSTER_DONE;
	case SCOPE_EXIT_NO_NODE:
	case SCOPE_EXIT_DENIED:
		return s->has_lines ? SCOPE_ROSTER_FAILED :
				      SCOPE_ROSTER_UNABLE;
	default:
		return SCOPE_ROSTER_FAILED;
	}
}

/* It has ended, and all that it wrote was handed on. */
static void leave(struct discover *d, unsigned at, uint64_t now)
{
	struct seat *s = &d->seat[at];
	enum scope_roster_end how;
	char why[200];
	unsigned wait_s;

	if (s->out && scope_relay_rest(s->out) && !s->is_liar)
		say_of(d, at, "its observer's last line has no end, and is left "
			      "out");
	scope_relay_free(scope_take(s->out));
	scope_relay_free(scope_take(s->err));
	s->is_busy = false;
	if (d->o->refusals)
		scope_refusals_seat(d->o->refusals, at, 0);
	if (d->o->health)
		scope_metrics_set(
			scope_health_node(d->o->health, at)->attached_ns, 0);
	how = how_ended(s, why, sizeof(why));
	d->totals->has_lost |= WIFEXITED(s->status) &&
			       WEXITSTATUS(s->status) == SCOPE_EXIT_LOST;
	if (*why)
		say_of(d, at, why);
	wait_s = scope_roster_ended(&d->roster, at, how, now);
	if (d->roster.node[at].is_left)
		say_of(d, at, "is left alone from now on");
	else if (wait_s && d->o->is_verbose && !d->is_stopping)
		say(d, "%d: tried again in %u s", (int)d->roster.node[at].pid,
		    wait_s);
}

static bool is_read(const struct scope_relay *r)
{
	return !r || scope_relay_fd(r) < 0;
}

static void take_leave(struct discover *d, uint64_t now)
{
	for (unsigned i = 0; i < SCOPE_ROSTER_MAX; i++) {
		struct seat *s = &d->seat[i];
		size_t len;

		if (!s->is_busy || !s->has_ended || !is_read(s->out) ||
		    !is_read(s->err))
			continue;
		if (!s->out || !scope_relay_next(s->out, &len))
			leave(d, i, now);
	}
}

static void hear_news(struct discover *d)
{
	struct scope_spawn_news news;
	int r;

	while ((r = scope_spawner_receive(d->o->spawner, &news)) > 0) {
		if (news.slot >= SCOPE_ROSTER_MAX)
			continue;
		if (news.what == SCOPE_SPAWNED_BEGUN) {
			begun(d, &news);
			continue;
		}
		d->seat[news.slot].has_ended = true;
		d->seat[news.slot].status = news.status;
		if (news.what == SCOPE_SPAWNED_FAILED) {
			d->seat[news.slot].status = SCOPE_EXIT_FAILED << 8;
			say_of(d, news.slot, strerror(-news.status));
		}
	}
	if (r < 0)
		d->failed = r;
}

/* -- nodes --------------------------------------------------------------------------- */

static bool is_wanted(const struct discover *d, const struct scope_found *f)
{
	const char *const *name = d->o->names;

	if (!name || !*name)
		return true;
	for (; *name; name++)
		if (scope_find_matches(f, *name))
			return true;
	return false;
}

static void say_scan(struct discover *d, size_t n)
{
	if (!d->has_looked && n == 0 && !d->o->is_quiet)
		say(d, "no such node runs yet; waiting for one%s",
		    scope_procfs_hint());
	if (d->roster.unplaced > d->unplaced)
		say(d, "%zu more nodes run than can be watched at once, which "
		       "are %d; --match chooses",
		    d->roster.unplaced, SCOPE_ROSTER_MAX);
	d->unplaced = d->roster.unplaced;
	d->has_looked = true;
}

static void look(struct discover *d, uint64_t now)
{
	int n = d->o->find(d->found, FOUND_MAX);
	size_t kept = 0;
	uint64_t took = scope_now_ns() - now;

	d->scan_ns = now + (took * SCAN_SHARE > NS_PER_S ? took * SCAN_SHARE :
							   NS_PER_S);
	if (n < 0) {
		say(d, "can't read /proc: %s", strerror(-n));
		return;
	}
	for (int i = 0; i < n; i++)
		if (is_wanted(d, &d->found[i]))
			d->found[kept++] = d->found[i];
	scope_roster_scan(&d->roster, d->found, kept, now);
	say_scan(d, kept);
}

/* All that can be watched is: who asks whether we are ready is told so. */
static void say_ready(struct discover *d)
{
	bool is_ready = d->has_looked;

	for (size_t i = 0; i < SCOPE_ROSTER_MAX; i++) {
		const struct scope_roster_node *n = &d->roster.node[i];

		if (n->pid && n->is_seen && !n->is_left &&
		    !d->seat[i].has_lines)
			is_ready = false;
	}
	scope_health_beat(d->o->health);
	scope_health_all_is_watched(d->o->health, is_ready);
}

static unsigned starting(const struct discover *d, uint64_t now)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SCOPE_ROSTER_MAX; i++)
		n += d->seat[i].is_busy && !d->seat[i].has_lines &&
		     now - d->roster.node[i].begun_ns < STARTING_NS;
	return n;
}

static void look_after(struct discover *d, uint64_t now)
{
	unsigned n = starting(d, now);
	int at = -1;

	if (now < d->scan_ns && !(d->has_waiting && n < STARTING_MAX))
		return;
	look(d, now);
	/* Those that are there still: just seen. */
	while (!d->failed && (at = scope_roster_due(&d->roster, now)) >= 0 &&
	       n++ < STARTING_MAX)
		begin(d, (unsigned)at, now);
	d->has_waiting = at >= 0;
	if (d->o->health)
		say_ready(d);
}

/* -- the loop ------------------------------------------------------------------------ */

#define FDS (1 + 2 * SCOPE_ROSTER_MAX)

static void set_fds(const struct discover *d, struct pollfd p[FDS])
{
	p[0] = (struct pollfd){ .fd = scope_spawner_fd(d->o->spawner),
				.events = POLLIN };
	for (unsigned i = 0; i < SCOPE_ROSTER_MAX; i++) {
		const struct seat *s = &d->seat[i];
		bool has_place = s->out && !d->has_no_room;

		p[1 + 2 * i] = (struct pollfd){
			.fd = has_place ? scope_relay_fd(s->out) : -1,
			.events = POLLIN,
		};
		p[2 + 2 * i] = (struct pollfd){
			.fd = is_heard(d, s) ? scope_relay_fd(s->err) : -1,
			.events = POLLIN,
		};
	}
}

/* Whoever could not hand its lines on comes first. */
static void retry(struct discover *d)
{
	d->has_no_room = false;
	for (unsigned i = 0; i < SCOPE_ROSTER_MAX && !d->has_no_room; i++) {
		unsigned at = (d->first + i) % SCOPE_ROSTER_MAX;

		if (!hand_on(d, at)) {
			d->has_no_room = true;
			d->first = at;
		}
	}
}

static bool read_all(struct discover *d, const struct pollfd p[FDS])
{
	bool has_read = false;

	for (unsigned i = 0; i < SCOPE_ROSTER_MAX; i++) {
		unsigned at = (d->first + i) % SCOPE_ROSTER_MAX;

		if (p[2 + 2 * at].revents && d->seat[at].err)
			read_words(d, at);
		if (!p[1 + 2 * at].revents || !d->seat[at].out ||
		    d->has_no_room)
			continue;
		read_lines(d, at);
		has_read = true;
		if (d->has_no_room)
			d->first = at;
	}
	if (!d->has_no_room)
		d->first = (d->first + 1) % SCOPE_ROSTER_MAX;
	return has_read;
}

/* Wait for something to do, at most until then, and do it. */
static void turn(struct discover *d, uint64_t until, const sigset_t *mask)
{
	const struct timespec rest = { .tv_nsec = REST_NS };
	struct pollfd p[FDS];
	struct timespec ts;
	uint64_t now = scope_now_ns();
	uint64_t wait = until > now ? until - now : 0;

	if (d->has_no_room)
		retry(d);
	if (d->has_no_room && wait > ROOM_MS * NS_PER_MS)
		wait = ROOM_MS * NS_PER_MS;
	ts.tv_sec = (time_t)(wait / NS_PER_S);
	ts.tv_nsec = (long)(wait % NS_PER_S);
	set_fds(d, p);
	if (ppoll(p, FDS, &ts, mask) <= 0)
		return;
	if (p[0].revents)
		hear_news(d);
	/* Many lines at once are cheaper than each as it comes. */
	if (read_all(d, p))
		(void)nanosleep(&rest, NULL);
}

static bool is_anyone_here(const struct discover *d)
{
	for (unsigned i = 0; i < SCOPE_ROSTER_MAX; i++)
		if (d->seat[i].is_busy)
			return true;
	return false;
}

static void watch(struct discover *d, const sigset_t *mask)
{
	const uint64_t begun = scope_now_ns();
	const uint64_t end = d->o->duration_ns ? begun + d->o->duration_ns :
						 UINT64_MAX;

	while (!d->failed && !is_asked_to_stop) {
		uint64_t now = scope_now_ns();

		if (now >= end)
			return;
		take_leave(d, now);
		look_after(d, now);
		if (scope_stream_error(d->o->stream))
			d->failed = -EPIPE;
		turn(d, d->scan_ns < end ? d->scan_ns : end, mask);
	}
}

/* All end, and all that they wrote is handed on. */
static void stop(struct discover *d, const sigset_t *mask)
{
	const uint64_t until = scope_now_ns() + STOP_NS;
	uint64_t now;

	d->is_stopping = true;
	for (unsigned i = 0; i < SCOPE_ROSTER_MAX; i++)
		end_seat(d, i);
	while (d->failed != -EPIPE && is_anyone_here(d) &&
	       (now = scope_now_ns()) < until) {
		/* Nobody tells any more who has ended; the pipes do. */
		for (unsigned i = 0; d->failed && i < SCOPE_ROSTER_MAX; i++)
			d->seat[i].has_ended |= is_read(d->seat[i].out);
		take_leave(d, now);
		turn(d, now + 100 * NS_PER_MS, mask);
	}
}

static void handle_signals(sigset_t *ret_was)
{
	static const int stops[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa = { .sa_handler = on_stop,
				.sa_flags = (int)SA_RESETHAND };
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigemptyset(&sa.sa_mask);
	for (size_t i = 0; i < sizeof(stops) / sizeof(*stops); i++) {
		(void)sigaddset(&set, stops[i]);
		(void)sigaction(stops[i], &sa, NULL);
	}
	/* They come while we wait, and at no other time. */
	(void)pthread_sigmask(SIG_BLOCK, &set, ret_was);
}

int scope_discover(const struct scope_discover_opts *opts,
		   struct scope_discover_totals *ret_totals,
		   struct scope_err *err)
{
	scope_autofree struct scope_found *found =
		calloc(FOUND_MAX, sizeof(*found));
	scope_autofree struct discover *d = calloc(1, sizeof(*d));
	sigset_t was;
	int r;

	memset(ret_totals, 0, sizeof(*ret_totals));
	if (!d || !found)
		return scope_fail(err, -ENOMEM, "out of memory");
	d->o = opts;
	d->totals = ret_totals;
	d->found = found;
	is_asked_to_stop = 0;
	handle_signals(&was);
	watch(d, &was);
	stop(d, &was);
	(void)pthread_sigmask(SIG_SETMASK, &was, NULL);
	for (unsigned i = 0; i < SCOPE_ROSTER_MAX; i++) {
		if (d->seat[i].is_busy && d->failed != -EPIPE)
			say_of(d, i, "its observer did not end");
		scope_relay_free(d->seat[i].out);
		scope_relay_free(d->seat[i].err);
	}
	ret_totals->was_stopped = is_asked_to_stop;
	r = d->failed;
	if (r == -EOWNERDEAD)
		return scope_fail(err, r,
				  "the process that starts observers has ended, "
				  "and they with it");
	return r;
}
