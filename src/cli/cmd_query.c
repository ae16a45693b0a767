/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "cli/exit.h"
#include "cli/sandbox.h"
#include "cli/units.h"
#include "export/json.h"
#include "query/search.h"

#define LINE_BYTES (1u << 20)
#define FOLLOW_NS 100000000
#define FILTER_BYTES 65536
#define FIELDS_MAX 64

enum {
	OPT_JSON,
	OPT_COUNT,
	OPT_LIMIT,
	OPT_ORDER,
	OPT_FIELDS,
	OPT_SINCE,
	OPT_UNTIL,
	OPT_FOLLOW,
	OPT_ELIXIR,
	OPT_TERM_JSON,
	OPT_STRICT,
	OPT_NO_SANDBOX,
	OPT_VERBOSE,
	OPT_HELP,
	OPT_VERSION,
};

static const struct scope_opt opts[] = {
	[OPT_JSON] = { 0, "json", NULL, NULL,
		       "JSON lines, on a terminal too" },
	[OPT_COUNT] = { 0, "count", NULL, NULL,
			"Print how many there are, and nothing else" },
	[OPT_LIMIT] = { 'n', "limit", "NUMBER", NULL,
			"Print so many at most" },
	[OPT_ORDER] = { 0, "order", "asc|desc", "asc desc",
			"The oldest first, or the newest" },
	[OPT_FIELDS] = { 0, "fields", "LIST", NULL,
			 "Only these keys: ts,kind,pid,msg" },
	[OPT_SINCE] = { 0, "since", "TIME", NULL,
			"From then on: +10s, -1m, RFC 3339, nanoseconds" },
	[OPT_UNTIL] = { 0, "until", "TIME", NULL, "Until then" },
	[OPT_FOLLOW] = { 0, "follow", NULL, NULL,
			 "Go on while the recording is being written" },
	[OPT_ELIXIR] = { 0, "elixir", NULL, NULL,
			 "Terms in Elixir's syntax" },
	[OPT_TERM_JSON] = { 0, "term-json", NULL, NULL,
			    "Terms as tagged JSON objects" },
	[OPT_STRICT] = { 0, "strict", NULL, NULL,
			 "Exit with 5 when parts of the recording are missing" },
	[OPT_NO_SANDBOX] = { 0, "no-sandbox", NULL, NULL,
			     "Do not restrict system calls (no seccomp)" },
	[OPT_VERBOSE] = { 'v', "verbose", NULL, NULL,
			  "Say what was read" },
	[OPT_HELP] = { 'h', "help", NULL, NULL, "Print this text" },
	[OPT_VERSION] = { 0, "version", NULL, NULL, "Print the version" },
	{ 0 },
};

struct conf {
	const char *since, *until;
	enum scope_syntax syntax;
	uint64_t limit; /* UINT64_MAX: none */
	size_t nfields;
	char *fields_text; /* owned */
	const char *fields[FIELDS_MAX];
	bool wants_json, wants_count, is_descending, follows, is_strict;
	bool has_no_sandbox, is_verbose, wants_help, wants_version;
};

struct query {
	const struct conf *conf;
	struct scope_recording *rec;
	struct scope_expr *expr;
	struct scope_json *json;
	char *line; /* owned */
	bool is_json;
	uint64_t found;
};

static volatile sig_atomic_t is_stopped;

static void on_stop(int sig)
{
	(void)sig;
	is_stopped = 1;
}

static int set_fields(struct conf *c, const char *value, struct scope_err *err)
{
	char *rest, *word;

	free(c->fields_text);
	c->fields_text = rest = strdup(value);
	c->nfields = 0;
	while (rest && (word = strsep(&rest, ",")))
		if (*word && c->nfields < FIELDS_MAX)
			c->fields[c->nfields++] = word;
	return c->nfields ? 0 :
			    scope_fail(err, -EINVAL,
				       "--fields takes keys: ts,kind,pid");
}

static int set(void *arg, const struct scope_opt *opt, const char *value,
	       struct scope_err *err)
{
	struct conf *c = arg;

	switch (opt - opts) {
	case OPT_JSON:
		c->wants_json = true;
		break;
	case OPT_COUNT:
		c->wants_count = true;
		break;
	case OPT_LIMIT:
		if (scope_parse_number(value, &c->limit) < 0)
			return scope_fail(err, -EINVAL,
					  "--limit takes a number, not '%s'",
					  value);
		break;
	case OPT_ORDER:
		if (strcmp(value, "asc") != 0 && strcmp(value, "desc") != 0)
			return scope_fail(err, -EINVAL,
					  "--order is asc or desc, not '%s'",
					  value);
		c->is_descending = !strcmp(value, "desc");
		break;
	case OPT_FIELDS:
		return set_fields(c, value, err);
	case OPT_SINCE:
		c->since = value;
		break;
	case OPT_UNTIL:
		c->until = value;
		break;
	case OPT_FOLLOW:
		c->follows = true;
		break;
	case OPT_ELIXIR:
		c->syntax = SCOPE_SYNTAX_ELIXIR;
		break;
	case OPT_TERM_JSON:
		c->syntax = SCOPE_SYNTAX_JSON;
		break;
	case OPT_STRICT:
		c->is_strict = true;
		break;
	case OPT_NO_SANDBOX:
		c->has_no_sandbox = true;
		break;
	case OPT_VERBOSE:
		c->is_verbose = true;
		break;
	case OPT_HELP:
		c->wants_help = true;
		break;
	case OPT_VERSION:
		c->wants_version = true;
		break;
	}
	return 0;
}

/* -- printing ---------------------------------------------------------------- */

static bool is_wanted(const struct conf *c, const char *key)
{
	for (size_t i = 0; i < c->nfields; i++)
		if (!strcmp(c->fields[i], key))
			return true;
	return c->nfields == 0;
}

/* Values as people read them: no quotes around plain text. */
static void print_value(const json_t *v, FILE *out)
{
	const char *s = json_string_value(v);
	char *text;

	if (s && *s && !strpbrk(s, " \"\n\t\r\033")) {
		(void)fputs(s, out);
		return;
	}
	text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT |
				     JSON_PRESERVE_ORDER | JSON_ENSURE_ASCII);
	(void)fputs(text ? text : "?", out);
	free(text);
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static void print_row(const struct conf *c, json_t *o, FILE *out)
{
	static const char *const heads[] = { "id",   "ts",     "time",
					     "mono", "kind",   "node",
					     "pid",  "os_pid", "name",
					     "scheduler" };
	const char *key, *time = text_of(o, "time");
	json_t *v;

	if (c->nfields) {
		for (size_t i = 0; i < c->nfields; i++) {
			v = json_object_get(o, c->fields[i]);
			if (i)
				(void)fputc('\t', out);
			if (v)
				print_value(v, out);
		}
		(void)fputc('\n', out);
		return;
	}
	(void)fprintf(out, "%9" JSON_INTEGER_FORMAT " %.15s %-16s %-12s",
		      json_integer_value(json_object_get(o, "id")),
		      strlen(time) > 26 ? time + 11 : time, text_of(o, "kind"),
		      text_of(o, "pid"));
	if (json_object_get(o, "name")) {
		(void)fputc(' ', out);
		print_value(json_object_get(o, "name"), out);
	}
	json_object_foreach(o, key, v) {
		bool is_head = false;

		for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++)
			is_head |= !strcmp(heads[i], key);
		if (is_head)
			continue;
		(void)fprintf(out, " %s=", key);
		print_value(v, out);
	}
	(void)fputc('\n', out);
}

static void print_picked(const struct conf *c, json_t *o, FILE *out)
{
	json_t *picked = json_object();
	const char *key;
	json_t *v;

	json_object_foreach(o, key, v)
		if (is_wanted(c, key))
			(void)json_object_set(picked, key, v);
	(void)json_dumpf(picked, out, JSON_COMPACT | JSON_PRESERVE_ORDER);
	(void)fputc('\n', out);
	json_decref(picked);
}

static int print(struct query *q, const struct scope_event *ev, FILE *out)
{
	struct scope_buf line = scope_buf_of(q->line, LINE_BYTES);
	json_error_t error;
	json_t *o;

	if (scope_json_event(q->json, ev, &line) < 0)
		return 0; /* no event is that long */
	if (q->is_json && !q->conf->nfields) {
		(void)fwrite(line.p, 1, line.len, out);
		return ferror(out) ? -EIO : 0;
	}
	o = json_loadb(line.p, line.len, JSON_ALLOW_NUL, &error);
	if (!o)
		return -ENOMEM;
	if (q->is_json)
		print_picked(q->conf, o, out);
	else
		print_row(q->conf, o, out);
	json_decref(o);
	return ferror(out) ? -EIO : 0;
}

/* -- looking ------------------------------------------------------------------- */

/* Count or print what `s` finds. */
static int take_all(struct query *q, struct scope_search *s)
{
	struct scope_event ev;
	int r = 0;

	while (q->found < q->conf->limit && !is_stopped &&
	       (r = scope_search_next(s, &ev)) > 0) {
		q->found++;
		if (!q->conf->wants_count)
			r = print(q, &ev, stdout);
		if (r < 0)
			break;
	}
	return r;
}

/* The lines of one frame, the last one first. */
static int put_reversed(struct query *q, const char *text, size_t len,
			const size_t *ends, size_t n)
{
	(void)len;
	while (n-- && q->found < q->conf->limit) {
		size_t from = n ? ends[n - 1] : 0;

		q->found++;
		(void)fwrite(text + from, 1, ends[n] - from, stdout);
	}
	return ferror(stdout) ? -EIO : 0;
}

static int take_frame_reversed(struct query *q, struct scope_search *s)
{
	scope_autofree size_t *ends = malloc(SCOPE_BLOCK_EVENTS * sizeof(*ends));
	char *text = NULL;
	size_t len = 0, n = 0;
	struct scope_event ev;
	FILE *out = ends ? open_memstream(&text, &len) : NULL;
	int r;

	if (!out)
		return -ENOMEM;
	while ((r = scope_search_next(s, &ev)) > 0) {
		if (!q->conf->wants_count)
			r = print(q, &ev, out);
		if (r < 0)
			break;
		(void)fflush(out);
		ends[n++] = len;
	}
	(void)fclose(out);
	if (r == 0 && q->conf->wants_count)
		q->found += n;
	else if (r == 0)
		r = put_reversed(q, text, len, ends, n);
	free(text);
	return r;
}

static int take_reversed(struct query *q, struct scope_search *s)
{
	int r = 0;

	for (size_t i = scope_recording_frames(q->rec);
	     r == 0 && i-- && q->found < q->conf->limit && !is_stopped;) {
		scope_search_frames(s, i, i + 1);
		r = take_frame_reversed(q, s);
	}
	return r;
}

static int follow(struct query *q, struct scope_search *s)
{
	const struct timespec pause = { .tv_nsec = FOLLOW_NS };
	int r;

	while (!is_stopped && q->found < q->conf->limit) {
		bool was_closed = scope_recording_is_closed(q->rec);

		r = scope_recording_refresh(q->rec);
		if (r < 0)
			return r;
		if (r == 0 && was_closed)
			break;
		r = take_all(q, s);
		if (r < 0 || fflush(stdout))
			return r < 0 ? r : -EIO;
		(void)nanosleep(&pause, NULL);
	}
	return 0;
}

/* What is not there is said, and never silently left out. */
static bool say_gaps(const struct query *q)
{
	size_t n;
	const struct scope_gap *gaps = scope_recording_gaps(q->rec, &n);

	for (size_t i = 0; i < n; i++) {
		fprintf(stderr,
			"scope-bpf: %" PRIu64 " bytes of segment %" PRIu64
			" can't be read (%s, at byte %" PRIu64 ")",
			gaps[i].bytes, gaps[i].segment, gaps[i].why,
			gaps[i].offset);
		if (gaps[i].events)
			fprintf(stderr, ": %" PRIu64 " events", gaps[i].events);
		if (gaps[i].after_id)
			fprintf(stderr, ", after event %" PRIu64,
				gaps[i].after_id);
		fputc('\n', stderr);
	}
	return n > 0;
}

static void say_usage(const struct scope_search *s)
{
	struct scope_search_usage u;

	scope_search_usage(s, &u);
	fprintf(stderr,
		"scope-bpf: %zu blocks read, %zu known to hold nothing; %" PRIu64
		" events looked at\n",
		u.frames, u.skipped, u.events);
}

static int run(struct query *q, struct scope_err *err)
{
	scope_auto(scope_search) s = scope_search_new(q->rec, q->expr);
	int r;

	if (!s)
		return scope_fail(err, -ENOMEM, "out of memory");
	r = q->conf->is_descending ? take_reversed(q, s) : take_all(q, s);
	if (r == 0 && q->conf->follows)
		r = follow(q, s);
	if (q->conf->wants_count)
		printf("%" PRIu64 "\n", q->found);
	if (q->conf->is_verbose)
		say_usage(s);
	return r < 0 ? scope_fail(err, r, "can't go on: %s", strerror(-r)) : 0;
}

/* -- beginning ------------------------------------------------------------------- */

/* The operands make one filter; --since and --until are a part of it. */
static int make_expr(struct query *q, int argc, char **argv, int at,
		     struct scope_err *err)
{
	scope_autofree char *text = malloc(FILTER_BYTES);
	struct scope_buf b = scope_buf_of(text, FILTER_BYTES);
	struct scope_expr_opts times;

	if (!text)
		return scope_fail(err, -ENOMEM, "out of memory");
	scope_search_times(q->rec, &times);
	for (int i = at; i < argc; i++)
		scope_buf_printf(&b, "%s%s", i > at ? " " : "(", argv[i]);
	if (at < argc)
		scope_buf_char(&b, ')');
	if (q->conf->since)
		scope_buf_printf(&b, "%sts>=\"%s\"", b.len ? " and " : "",
				 q->conf->since);
	if (q->conf->until)
		scope_buf_printf(&b, "%sts<=\"%s\"", b.len ? " and " : "",
				 q->conf->until);
	if (b.full || b.len + 1 >= FILTER_BYTES)
		return scope_fail(err, -EINVAL, "the filter is too long");
	return scope_expr_parse(scope_buf_str(&b), &times, &q->expr, err);
}

static int look(const struct conf *c, int argc, char **argv, int at,
		struct scope_err *err)
{
	const struct scope_sandbox_opts sandbox = {
		.has_no_filter = c->has_no_sandbox,
		.keeps_user = true,
	};
	struct query q = { .conf = c };
	scope_auto(scope_recording) rec = NULL;
	scope_auto(scope_expr) expr = NULL;
	scope_auto(scope_json) json = NULL;
	scope_autofree char *line = malloc(LINE_BYTES);
	struct scope_json_opts print_opts = { .syntax = c->syntax };
	const struct sigaction stop = { .sa_handler = on_stop };
	int r = scope_sandbox_enter(&sandbox, err);

	if (r == 0)
		r = scope_recording_open(argv[at], &rec, err);
	if (r < 0)
		return r;
	q.rec = rec;
	r = make_expr(&q, argc, argv, at + 1, err);
	expr = q.expr;
	if (r < 0)
		return r;
	print_opts.node = scope_recording_info(rec)->node;
	print_opts.os_pid = (int)scope_recording_info(rec)->os_pid;
	json = scope_json_new(scope_recording_vm(rec), &print_opts);
	if (!json || !line)
		return scope_fail(err, -ENOMEM, "out of memory");
	q.json = json;
	q.line = line;
	q.is_json = c->wants_json || !isatty(STDOUT_FILENO);
	(void)sigaction(SIGINT, &stop, NULL);
	(void)sigaction(SIGTERM, &stop, NULL);
	r = run(&q, err);
	if (r == 0 && say_gaps(&q) && c->is_strict)
		return 1;
	return r;
}

static int query(const struct scope_cmd *cmd, int argc, char **argv)
{
	struct conf c = { .limit = UINT64_MAX };
	scope_autofree char *fields = NULL;
	struct scope_err err = { 0 };
	int at = scope_cmd_parse(cmd, argc, argv, set, &c, &err);
	int r;

	fields = c.fields_text;
	if (at < 0)
		return scope_cmd_complain(at, &err);
	if (c.wants_help)
		scope_cmd_usage(cmd, stdout);
	else if (c.wants_version)
		scope_cmd_version(stdout);
	if (c.wants_help || c.wants_version)
		return scope_cmd_finish_stdout();
	if (at == argc)
		return scope_cmd_complain(
			scope_fail(&err, -EINVAL,
				   "which recording? name its folder"),
			&err);
	if (c.follows && c.is_descending)
		return scope_cmd_complain(
			scope_fail(&err, -EINVAL,
				   "--follow goes forwards; leave out --order"),
			&err);
	r = look(&c, argc, argv, at, &err);
	if (r < 0)
		return scope_cmd_complain(r, &err);
	if (scope_cmd_finish_stdout())
		return SCOPE_EXIT_FAILED;
	return r ? SCOPE_EXIT_LOST : SCOPE_EXIT_OK;
}

const struct scope_cmd scope_cmd_query = {
	.name = "query",
	.args = "[OPTIONS] DIR [FILTER]",
	.help = "Find events in a recording",
	.opts = opts,
	.run = query,
};
