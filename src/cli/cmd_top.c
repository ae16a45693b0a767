/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <langinfo.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "attacher/attacher.h"
#include "base/auto.h"
#include "base/time.h"
#include "cli/cmd.h"
#include "cli/exit.h"
#include "cli/node.h"
#include "cli/sandbox.h"
#include "cli/terminal.h"
#include "cli/top.h"
#include "cli/top_inside.h"
#include "cli/units.h"
#include "export/json.h"
#include "target/find.h"
#include "target/procfs.h"

#define REDACTS_MAX 64
#define DELAY_NS 2000000000u
/* The second look, which rates take, comes sooner than the others. */
#define FIRST_NS 500000000u
#define ROWS 20
#define TERM_WORDS 64
#define FRAMES 200

enum {
	OPT_PID,
	OPT_DELAY,
	OPT_COUNT,
	OPT_ONCE,
	OPT_SORT,
	OPT_REVERSE,
	OPT_LIMIT,
	OPT_FILTER,
	OPT_JSON,
	OPT_ELIXIR,
	OPT_REDACT,
	OPT_COLOR,
	OPT_NO_SANDBOX,
	OPT_HELP,
	OPT_VERSION,
};

static const struct scope_opt opts[] = {
	[OPT_PID] = { 'p', "pid", "PID|NAME", SCOPE_WORDS_NODES,
		      "The node; without: the only one there is" },
	[OPT_DELAY] = { 'd', "delay", "TIME", NULL,
			"From one look to the next; 2s" },
	[OPT_COUNT] = { 'n', "count", "COUNT", NULL, "So many looks, then end" },
	[OPT_ONCE] = { 0, "once", NULL, NULL, "One: as --count 1" },
	[OPT_SORT] = { 's', "sort", "FIELD",
		       "rate reductions memory memory_growth mailbox "
		       "mailbox_growth pid name state function",
		       "By this, numbers from the largest; rate" },
	[OPT_REVERSE] = { 'r', "reverse", NULL, NULL, "The other way round" },
	[OPT_LIMIT] = { 0, "limit", "ROWS", NULL,
			"Without a terminal: so many processes a look; 20" },
	[OPT_FILTER] = { 0, "filter", "TEXT", NULL,
			 "Those whose pid, name, call or function has this" },
	[OPT_JSON] = { 0, "json", NULL, NULL, "A JSON object for each look" },
	[OPT_ELIXIR] = { 0, "elixir", NULL, NULL,
			 "Names and terms in Elixir's syntax" },
	[OPT_REDACT] = { 0, "redact", "RULE",
			 "default key: atom: field: match:",
			 "Hide values: default, key:NAME, match:REGEX, @FILE" },
	[OPT_COLOR] = { 0, "color", "WHEN", "auto always never",
			"auto, always or never" },
	[OPT_NO_SANDBOX] = { 0, "no-sandbox", NULL, NULL,
			     "Do not restrict system calls (no seccomp)" },
	[OPT_HELP] = { 'h', "help", NULL, NULL, "Print this text" },
	[OPT_VERSION] = { 0, "version", NULL, NULL, "Print the version" },
	{ 0 },
};

struct conf {
	const char *node, *filter, *color;
	uint64_t delay_ns, count, limit; /* count 0: until stopped */
	enum scope_top_sort sort;
	const char *redacts[REDACTS_MAX];
	size_t nredacts;
	enum scope_syntax syntax;
	bool is_reversed, wants_json, has_no_sandbox, wants_help, wants_version;
};

/* One run of the command. */
struct look {
	const struct conf *c;
	struct scope_target *t;
	struct scope_inside in;	 /* with what names take */
	struct scope_snapshot *s; /* owned: of the last look */
	struct scope_top top;
	struct scope_top_model *model;	  /* owned */
	struct scope_schedulers *before; /* owned: of the last look */
	uint64_t before_ns;
	unsigned looks;
};

/* -- the command line ------------------------------------------------------------- */

static int set_number(const char *name, const char *value, uint64_t *ret,
		      struct scope_err *err)
{
	if (scope_parse_number(value, ret) == 0 && *ret)
		return 0;
	return scope_fail(err, -EINVAL,
			  "--%s takes a number from 1 on, not '%s'", name,
			  value);
}

static int set_sort(struct conf *c, const char *value, struct scope_err *err)
{
	int sort = scope_top_sort_of(value);

	if (sort < 0)
		return scope_fail(err, -EINVAL,
				  "--sort takes one of %s, not '%s'",
				  scope_top_sorts, value);
	c->sort = (enum scope_top_sort)sort;
	return 0;
}

static int set_delay(struct conf *c, const char *value, struct scope_err *err)
{
	if (scope_parse_duration(value, &c->delay_ns) == 0 &&
	    c->delay_ns >= SCOPE_TOP_DELAY_MIN_NS &&
	    c->delay_ns <= SCOPE_TOP_DELAY_MAX_NS)
		return 0;
	return scope_fail(err, -EINVAL,
			  "--delay takes a time such as 2s, from 0.1s to an "
			  "hour, not '%s'",
			  value);
}

static int set_text(struct conf *c, unsigned opt, const char *value,
		    struct scope_err *err)
{
	if (opt == OPT_PID && (c->node || !*value))
		return scope_fail(err, -EINVAL, "--pid takes one node");
	if (opt == OPT_FILTER && strlen(value) >= SCOPE_TOP_FILTER)
		return scope_fail(err, -EINVAL,
				  "--filter takes a text of %u bytes at most",
				  SCOPE_TOP_FILTER - 1);
	if (opt == OPT_COLOR && strcmp(value, "auto") &&
	    strcmp(value, "always") && strcmp(value, "never"))
		return scope_fail(err, -EINVAL,
				  "--color takes auto, always or never, not "
				  "'%s'",
				  value);
	if (opt == OPT_REDACT && c->nredacts == REDACTS_MAX)
		return scope_fail(err, -EINVAL, "more than %d --redact rules",
				  REDACTS_MAX);
	if (opt == OPT_PID)
		c->node = value;
	else if (opt == OPT_FILTER)
		c->filter = value;
	else if (opt == OPT_COLOR)
		c->color = value;
	else
		c->redacts[c->nredacts++] = value;
	return 0;
}

static int set(void *arg, const struct scope_opt *opt, const char *value,
	       struct scope_err *err)
{
	struct conf *c = arg;

	switch (opt - opts) {
	case OPT_DELAY:
		return set_delay(c, value, err);
	case OPT_COUNT:
		return set_number("count", value, &c->count, err);
	case OPT_LIMIT:
		return set_number("limit", value, &c->limit, err);
	case OPT_SORT:
		return set_sort(c, value, err);
	case OPT_ONCE:
		c->count = 1;
		return 0;
	case OPT_REVERSE:
		c->is_reversed = true;
		return 0;
	case OPT_JSON:
		c->wants_json = true;
		return 0;
	case OPT_ELIXIR:
		c->syntax = SCOPE_SYNTAX_ELIXIR;
		return 0;
	case OPT_NO_SANDBOX:
		c->has_no_sandbox = true;
		return 0;
	case OPT_HELP:
		c->wants_help = true;
		return 0;
	case OPT_VERSION:
		c->wants_version = true;
		return 0;
	default:
		return set_text(c, (unsigned)(opt - opts), value, err);
	}
}

static int parse(const struct scope_cmd *cmd, int argc, char **argv,
		 struct conf *c, struct scope_err *err)
{
	int at = scope_cmd_parse(cmd, argc, argv, set, c, err);

	if (at < 0 || c->wants_help || c->wants_version || at == argc)
		return at;
	if (c->node || argc - at > 1 || !*argv[at])
		return scope_fail(err, -EINVAL, "top takes one node, not '%s'",
				  argv[argc - 1]);
	c->node = argv[at];
	return 0;
}

/* -- a look ---------------------------------------------------------------------------- */

static const struct scope_snap_proc *proc_of(const struct look *l,
					     const struct scope_top_row *r)
{
	return scope_snapshot_at(l->s, r->now.at);
}

static void put_text(void *arg, const struct scope_top_row *r,
		     enum scope_top_text what, struct scope_buf *out)
{
	static const enum scope_ps_key keys[] = {
		[SCOPE_TOP_TEXT_PID] = SCOPE_PS_PID,
		[SCOPE_TOP_TEXT_WHAT] = SCOPE_PS_WHAT,
		[SCOPE_TOP_TEXT_STATE] = SCOPE_PS_STATE,
		[SCOPE_TOP_TEXT_FUNCTION] = SCOPE_PS_CURRENT_FUNCTION,
	};
	struct look *l = arg;

	l->in.ps.s = l->s;
	/* Where it was when it was last taken up. */
	if (what == SCOPE_TOP_TEXT_FUNCTION &&
	    proc_of(l, r)->status == SCOPE_SNAP_RUNNING)
		scope_buf_char(out, '~');
	scope_ps_put(&l->in.ps, proc_of(l, r), keys[what], out);
}

static bool is_stopped_node(const struct look *l)
{
	struct scope_procfs_status st;

	return scope_procfs_status(scope_target_info(l->t)->pid, &st) == 0 &&
	       (st.state == 'T' || st.state == 't');
}

static uint64_t up_ns(uint64_t started_ns)
{
	struct timespec now;

	if (started_ns == SCOPE_GAUGE_UNKNOWN)
		return SCOPE_GAUGE_UNKNOWN;
	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec -
	       started_ns;
}

/* What schedulers have used since the last look. */
static void add_up(struct look *l, const struct scope_schedulers *s,
		   uint64_t now_ns)
{
	struct scope_top_head *h = &l->top.head;
	const struct scope_schedulers *b = l->before;
	double used[SCOPE_SCHED_TYPES] = { 0 };
	uint64_t reductions = 0, ns = now_ns - l->before_ns;
	bool is_known = b && b->n == s->n && ns > 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct scope_scheduler *d = &s->all[i];

		h->running[d->type] += d->state == SCOPE_SCHED_RUNNING;
		if (!is_known || d->cpu_ns == SCOPE_GAUGE_UNKNOWN ||
		    b->all[i].cpu_ns == SCOPE_GAUGE_UNKNOWN) {
			is_known = false;
			continue;
		}
		used[d->type] += (double)(d->cpu_ns - b->all[i].cpu_ns);
		if (d->type == SCOPE_SCHED_NORMAL)
			reductions += d->reductions - b->all[i].reductions;
	}
	for (unsigned i = 0; i < SCOPE_SCHED_TYPES; i++)
		h->busy[i] = !is_known || !h->schedulers[i] ?
				     -1 :
				     used[i] / (double)ns / h->schedulers[i];
	h->reductions_per_s = !is_known ? SCOPE_GAUGE_UNKNOWN :
					  (uint64_t)((double)reductions * 1e9 /
						     (double)ns);
	for (size_t i = 0; i < s->nqueues; i++)
		if (s->queues[i].is_readable)
			h->run_queue[s->queues[i].type] += s->queues[i].len;
}

static int look_at_schedulers(struct look *l)
{
	struct scope_schedulers *s;
	uint64_t now = scope_now_ns();
	int r = scope_target_schedulers(l->t, &s);

	if (r < 0)
		return r == -ESRCH || r == -ENOMEM ? r : 0;
	add_up(l, s, now);
	scope_schedulers_free(l->before);
	l->before = s;
	l->before_ns = now;
	return 0;
}

static int look_at_node(struct look *l)
{
	const uint64_t no = SCOPE_GAUGE_UNKNOWN;
	const struct scope_target_info *info = scope_target_info(l->t);
	struct scope_memory m = { no, no, no, no, no, no, no, no, no,
				  .why = NULL };
	struct scope_top_head *h = &l->top.head;
	struct scope_snapshot_totals totals;
	struct scope_gauges g;
	int r = scope_target_memory(l->t, &m);

	if (r == -ESRCH)
		return r;
	scope_target_gauges(l->t, &g);
	scope_snapshot_totals(l->s, &totals);
	*h = (struct scope_top_head){
		.node = info->node,
		.otp = info->otp,
		.os_pid = (int)info->pid,
		.is_stopped = is_stopped_node(l),
		.up_ns = up_ns(g.started_ns),
		.processes = scope_snapshot_count(l->s),
		.process_limit = g.process_limit,
		.torn = totals.torn,
		.ports = g.ports,
		.tables = g.ets_tables,
		.atoms = g.atoms,
		.atom_limit = g.atom_limit,
		.memory_total = m.total,
		.memory_processes = m.processes,
		.memory_binary = m.binary,
		.memory_ets = m.ets,
		.schedulers = { info->schedulers, info->dirty_cpu,
				info->dirty_io },
		.busy = { -1, -1, -1 },
		.reductions_per_s = no,
	};
	return look_at_schedulers(l);
}

static int take(struct look *l, const struct scope_snapshot *s)
{
	const size_t n = scope_snapshot_count(s);
	scope_autofree struct scope_top_sample *all =
		calloc(n + 1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct scope_snap_proc *p = scope_snapshot_at(s, i);

		all[i] = (struct scope_top_sample){
			.pid = p->pid,
			.order = scope_vm_pid_order(l->in.ps.vm, p->pid),
			.reductions = p->reductions,
			.memory = p->memory,
			.mailbox = p->mailbox,
			.read_ns = p->read_ns,
			.at = i,
		};
	}
	return scope_top_model_take(l->model, all, n);
}

static int look_once(struct look *l, struct scope_err *err)
{
	const struct scope_snapshot_opts how = {
		.wants = SCOPE_SNAP_INITIAL | SCOPE_SNAP_LABEL |
			 SCOPE_SNAP_MEMORY,
	};
	struct scope_snapshot *s;
	int r = scope_snapshot_take(l->t, &how, &s, err);

	if (r < 0)
		return r;
	r = take(l, s);
	if (r < 0) {
		scope_snapshot_free(s);
		return r;
	}
	scope_snapshot_free(l->s);
	l->s = s;
	l->looks++;
	r = look_at_node(l);
	return r < 0 ? r : scope_top_arrange(&l->top);
}

/* -- without a terminal -------------------------------------------------------------- */

static void put_string(const char *key, const struct scope_buf *b, FILE *out)
{
	static char text[6 * 4096 + 2];
	struct scope_buf to = scope_buf_of(text, sizeof(text));

	scope_json_string(&to, b->p, b->len);
	fprintf(out, ",\"%s\":%.*s", key, (int)to.len, to.p);
}

static void put_field(struct look *l, const struct scope_top_row *r,
		      enum scope_ps_key key)
{
	char text[4096];
	struct scope_buf b = scope_buf_of(text, sizeof(text));

	scope_ps_put(&l->in.ps, proc_of(l, r), key, &b);
	if (b.len)
		put_string(key == SCOPE_PS_CURRENT_FUNCTION &&
					   proc_of(l, r)->status ==
						   SCOPE_SNAP_RUNNING ?
				   "last_function" :
				   scope_ps_fields[key].name,
			   &b, stdout);
}

static void put_u64(const char *key, uint64_t v)
{
	if (v != SCOPE_GAUGE_UNKNOWN)
		printf(",\"%s\":%" PRIu64, key, v);
}

static void put_values(const char *key, const uint64_t *v, unsigned n)
{
	printf(",\"%s\":[", key);
	for (unsigned i = 0; i < n; i++)
		printf("%s%" PRIu64, i ? "," : "", v[i]);
	putchar(']');
}

static void put_row(struct look *l, const struct scope_top_row *r)
{
	static const enum scope_ps_key keys[] = {
		SCOPE_PS_NAME, SCOPE_PS_LABEL, SCOPE_PS_INITIAL_CALL,
		SCOPE_PS_CURRENT_FUNCTION, SCOPE_PS_STATE,
	};
	char pid[64];
	struct scope_buf b = scope_buf_of(pid, sizeof(pid));

	l->in.ps.s = l->s;
	scope_vm_put_pid(l->in.ps.vm, r->now.pid, &b);
	printf("{\"pid\":\"%.*s\"", (int)b.len, b.p);
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		put_field(l, r, keys[i]);
	put_u64("reductions", r->now.reductions);
	put_u64("memory", r->now.memory);
	put_u64("mailbox", r->now.mailbox);
	if (r->has_rate)
		printf(",\"reductions_per_s\":%.1f,\"memory_per_s\":%.1f,"
		       "\"mailbox_per_s\":%.1f",
		       r->reductions_per_s, r->memory_per_s, r->mailbox_per_s);
	put_values("memory_trend", r->memory, r->n);
	put_values("mailbox_trend", r->mailbox, r->n);
	if (proc_of(l, r)->torn)
		fputs(",\"torn\":true", stdout);
	putchar('}');
}

static void put_schedulers(const struct scope_top_head *h)
{
	fputs(",\"schedulers\":[", stdout);
	for (unsigned i = 0; i < SCOPE_SCHED_TYPES; i++) {
		printf("%s{\"type\":\"%s\",\"count\":%u,\"running\":%u",
		       i ? "," : "", scope_sched_type_name(i), h->schedulers[i],
		       h->running[i]);
		if (h->busy[i] >= 0)
			printf(",\"busy\":%.4f", h->busy[i]);
		printf(",\"run_queue\":%" PRIu64 "}", h->run_queue[i]);
	}
	putchar(']');
}

static void print_json(struct look *l)
{
	const struct scope_top_head *h = &l->top.head;
	struct scope_buf node = scope_buf_of((void *)(uintptr_t)h->node,
					     strlen(h->node));
	const uint64_t mono = scope_now_ns();

	node.len = node.cap;
	printf("{\"kind\":\"top\",\"ts\":%" PRIu64 ",\"mono\":%" PRIu64,
	       mono + (uint64_t)scope_wall_offset_ns(), mono);
	put_string("node", &node, stdout);
	printf(",\"os_pid\":%d,\"stopped\":%s", h->os_pid,
	       h->is_stopped ? "true" : "false");
	put_u64("up_ns", h->up_ns);
	put_u64("processes", h->processes);
	put_u64("ports", h->ports);
	put_u64("tables", h->tables);
	put_u64("atoms", h->atoms);
	put_u64("torn", h->torn);
	put_u64("reductions_per_s", h->reductions_per_s);
	put_schedulers(h);
	fputs(",\"memory\":{\"processes\":", stdout);
	if (h->memory_processes == SCOPE_GAUGE_UNKNOWN)
		fputs("null", stdout);
	else
		printf("%" PRIu64, h->memory_processes);
	put_u64("total", h->memory_total);
	put_u64("binary", h->memory_binary);
	put_u64("ets", h->memory_ets);
	fputs("},\"top\":[", stdout);
	for (size_t i = 0; i < l->top.nrows && i < l->c->limit; i++) {
		if (i)
			putchar(',');
		put_row(l, l->top.rows[i]);
	}
	fputs("]}\n", stdout);
}

/* A screen that is as high as it must be, as text. */
static int print_text(struct look *l)
{
	const size_t rows = l->top.nrows < l->c->limit ? l->top.nrows :
							 l->c->limit;
	struct scope_grid g = { 0 };
	const char *columns = getenv("COLUMNS");
	uint64_t cols = 132;
	int r;

	if (columns && (scope_parse_number(columns, &cols) < 0 || cols < 40 ||
			cols > SCOPE_GRID_SIDE))
		cols = 132;
	l->top.is_utf8 = false;
	l->top.has_no_mark = true;
	r = scope_grid_resize(&g, SCOPE_TOP_HEAD_LINES + 1 + (int)rows + 1,
			      (int)cols);
	if (r < 0)
		return r;
	scope_top_draw(&l->top, &g);
	scope_grid_print(&g, g.lines - 1, stdout);
	scope_grid_done(&g);
	putchar('\n');
	return 0;
}

static volatile sig_atomic_t is_stopped;

static void on_stop(int sig)
{
	is_stopped = 1;
	(void)signal(sig, scope_terminal_fatal);
}

static void handle_signals(void)
{
	static const int stops[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa = { .sa_handler = on_stop };

	(void)sigemptyset(&sa.sa_mask);
	for (size_t i = 0; i < sizeof(stops) / sizeof(*stops); i++)
		(void)sigaction(stops[i], &sa, NULL);
}

/* Until then, or a signal, or the node's end. */
static void wait_until(const struct look *l, uint64_t then_ns)
{
	struct pollfd p = { .fd = scope_target_pidfd(l->t), .events = POLLIN };
	uint64_t now = scope_now_ns();

	if (!is_stopped && now < then_ns)
		(void)poll(&p, 1, (int)((then_ns - now + 999999) / 1000000));
}

static uint64_t soon(const struct look *l)
{
	return l->top.delay_ns < FIRST_NS ? l->top.delay_ns : FIRST_NS;
}

static int run_lines(struct look *l, struct scope_err *err)
{
	const uint64_t count = l->c->count ? l->c->count : UINT64_MAX;
	uint64_t next = scope_now_ns() + soon(l);
	int r = look_once(l, err);

	for (uint64_t i = 0; r == 0 && i < count && !is_stopped; i++) {
		wait_until(l, next);
		if (is_stopped)
			break;
		next += l->top.delay_ns;
		r = look_once(l, err);
		if (r < 0)
			break;
		if (l->c->wants_json)
			print_json(l);
		else
			r = print_text(l);
		if (fflush(stdout) != 0 || ferror(stdout))
			break;
	}
	return r;
}

/* -- on a terminal ------------------------------------------------------------------------ */

static int draw(struct look *l, struct scope_grid *g)
{
	int r = scope_grid_resize(g, LINES, COLS);

	if (r < 0)
		return r;
	scope_top_draw(&l->top, g);
	scope_terminal_show(g);
	return 0;
}

static int look_inside(struct look *l, struct scope_err *err)
{
	int r = scope_inside_look(&l->in, l->top.inside, err);

	l->top.lines = r < 0 ? NULL : l->in.text;
	return r;
}

static int look_again(struct look *l, uint64_t *ret_next, struct scope_err *err)
{
	const bool is_first = l->looks == 0;
	int r = look_once(l, err);

	if (r == 0 && l->top.inside)
		r = look_inside(l, err);
	*ret_next = scope_now_ns() + (is_first ? soon(l) : l->top.delay_ns);
	return r;
}

/* One key, or none until then. 1: leave. */
static int take_key(struct look *l, uint64_t *next, struct scope_err *err)
{
	uint64_t now = scope_now_ns();
	wint_t key;
	int got;

	wtimeout(stdscr, l->top.is_paused || *next > now + 200000000u ?
				 200 :
			 *next > now ? (int)((*next - now) / 1000000) :
				       0);
	got = get_wch(&key);
	if (got == ERR)
		return 0;
	if (got == KEY_CODE_YES && key == KEY_RESIZE) {
		(void)clear();
		return 0;
	}
	switch (scope_top_key(&l->top, key, got == KEY_CODE_YES)) {
	case SCOPE_TOP_DO_QUIT:
		return 1;
	case SCOPE_TOP_DO_ENTER:
		return look_inside(l, err);
	case SCOPE_TOP_DO_LOOK:
		*next = 0;
		return 0;
	default:
		return 0;
	}
}

static int run_screen(struct look *l, struct scope_err *err)
{
	const char *no = getenv("NO_COLOR");
	const bool has_color =
		!l->c->color || !strcmp(l->c->color, "auto") ?
			!(no && *no) :
			!strcmp(l->c->color, "always");
	struct scope_grid g = { 0 };
	uint64_t next = 0;
	int r;

	scope_terminal_guard();
	r = scope_terminal_take("top", has_color, err);
	if (r < 0) {
		scope_terminal_give_back();
		return r;
	}
	l->top.is_utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
	while (r == 0 && !is_stopped) {
		if (!l->top.is_paused && scope_now_ns() >= next) {
			if (l->c->count && l->looks > l->c->count)
				break;
			r = look_again(l, &next, err);
		}
		if (r == 0)
			r = draw(l, &g);
		if (r == 0)
			r = take_key(l, &next, err);
	}
	scope_terminal_give_back();
	scope_grid_done(&g);
	return r < 0 ? r : 0;
}

/* -- the command ---------------------------------------------------------------------------- */

/* What needs rights goes to a process of its own; this one gives them up. */
static int part(const struct conf *c, struct scope_attacher **ret,
		struct scope_err *err)
{
	const struct scope_sandbox_opts how = {
		.has_no_filter = c->has_no_sandbox,
		.on_violation = scope_terminal_rescue,
	};
	int r = scope_attacher_start(ret, err);

	return r < 0 ? r : scope_sandbox_enter(&how, err);
}

static void set_up(struct look *l, struct scope_naming *naming,
		   struct scope_runner *runner, struct scope_redact *redact)
{
	l->in.t = l->t;
	l->in.ps.vm = scope_target_vm(l->t);
	l->in.ps.naming = naming;
	l->in.ps.redact = redact;
	l->in.ps.syntax = l->c->syntax;
	l->in.conf = (struct scope_stack_conf){
		.term_words = TERM_WORDS,
		.depth = FRAMES,
		.syntax = l->c->syntax,
	};
	l->in.printer = (struct scope_stack_printer){
		.conf = &l->in.conf,
		.t = l->t,
		.naming = naming,
		.runner = runner,
		.redact = redact,
	};
	l->top = (struct scope_top){
		.model = l->model,
		.text = put_text,
		.arg = l,
		.sort = l->c->sort,
		.is_reversed = l->c->is_reversed,
		.delay_ns = l->c->delay_ns,
	};
	if (l->c->filter)
		(void)snprintf(l->top.filter, sizeof(l->top.filter), "%s",
			       l->c->filter);
}

static int watch(struct look *l, struct scope_err *err)
{
	scope_auto(scope_redact) redact = NULL;
	scope_auto(scope_attacher) a = NULL;
	scope_auto(scope_target) t = NULL;
	scope_auto(scope_naming) naming = NULL;
	scope_auto(scope_runner) runner = NULL;
	pid_t pid;
	int r = scope_redact_make(l->c->redacts, l->c->nredacts, &redact,
				  err);

	if (r == 0)
		r = part(l->c, &a, err);
	if (r == 0)
		r = scope_find_pid(l->c->node, &pid, err);
	if (r == 0)
		r = scope_target_open_by(a, pid, &t, err);
	if (r < 0)
		return r;
	l->t = t;
	/* Where no code can be found, functions have no names. */
	if (scope_naming_new(t, &naming) == -ENOMEM)
		return -ENOMEM;
	if (naming && scope_runner_new(t, naming, &runner) == -ENOMEM)
		return -ENOMEM;
	l->model = scope_top_model_new();
	if (!l->model)
		return -ENOMEM;
	set_up(l, naming, runner, redact);
	handle_signals();
	r = !l->c->wants_json && isatty(STDOUT_FILENO) ? run_screen(l, err) :
							 run_lines(l, err);
	/* Watched to its end. */
	if (r == -ESRCH && l->looks) {
		fprintf(stderr, "scope-bpf: the node ended\n");
		r = 0;
	}
	return r;
}

static void look_done(struct look *l)
{
	scope_snapshot_free(l->s);
	scope_schedulers_free(l->before);
	scope_top_model_free(l->model);
	scope_inside_done(&l->in);
	free(l);
}

static int top(const struct scope_cmd *cmd, int argc, char **argv)
{
	struct conf c = { .delay_ns = DELAY_NS, .limit = ROWS };
	struct scope_err err = { 0 };
	struct look *l;
	int r = parse(cmd, argc, argv, &c, &err);

	if (r < 0)
		return scope_cmd_complain(r, &err);
	if (c.wants_help || c.wants_version) {
		if (c.wants_help)
			scope_cmd_usage(cmd, stdout);
		else
			scope_cmd_version(stdout);
		return scope_cmd_finish_stdout();
	}
	l = calloc(1, sizeof(*l));
	r = -ENOMEM;
	if (l) {
		l->c = &c;
		r = watch(l, &err);
		look_done(l);
	}
	if (r < 0) {
		(void)fflush(stdout);
		return scope_cmd_complain(r, &err);
	}
	return scope_cmd_finish_stdout();
}

const struct scope_cmd scope_cmd_top = {
	.name = "top",
	.args = "[OPTIONS] [PID|NAME]",
	.help = "Show what the processes of a node do, again and again, from "
		"its memory alone",
	.words = SCOPE_WORDS_NODES,
	.opts = opts,
	.run = top,
};
