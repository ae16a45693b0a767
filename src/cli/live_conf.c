/* SPDX-License-Identifier: MIT */
#include "cli/live_conf.h"

#include <string.h>

#include "beam/redact.h"
#include "cli/units.h"

#define BUFFER_MIN (64u << 10)
#define BUFFER_MAX (1u << 30)
/* As much as is surely taken in by one look at it. */
#define OLDEST_BUFFER_MAX (SCOPE_BATCHES / 2 * SCOPE_BATCH_BYTES)
#define ROTATE_KEEP 5
#define BUDGET_MIN 0.001
#define BUDGET_MINIMAL 0.01
#define ROTATE_KEEP_MAX 1000
#define KEEP_BYTES_MIN (1u << 20)

/* What an option does; in the order of the table. */
enum {
	OPT_PID,
	OPT_DISCOVER,
	OPT_MATCH,
	OPT_EVENTS,
	OPT_PROCESS,
	OPT_DURATION,
	OPT_JSON,
	OPT_TERMS,
	OPT_ELIXIR,
	OPT_TERM_JSON,
	OPT_LISTEN,
	OPT_TOKEN_FILE,
	OPT_TO,
	OPT_ROTATE,
	OPT_ROTATE_KEEP,
	OPT_HEADER_FILE,
	OPT_CACERT,
	OPT_OUTPUT,
	OPT_KEEP,
	OPT_FLUSH,
	OPT_REDACT,
	OPT_SAMPLE,
	OPT_SOURCE,
	OPT_STRATEGY,
	OPT_BUDGET,
	OPT_BUFFER,
	OPT_TRANSPORT,
	OPT_OVERFLOW,
	OPT_STRICT,
	OPT_NO_SANDBOX,
	OPT_QUIET,
	OPT_VERBOSE,
	OPT_COLOR,
	OPT_HELP,
	OPT_VERSION,
};

const struct scope_opt scope_live_opts[] = {
	[OPT_PID] = { 'p', "pid", "PID", SCOPE_WORDS_NODES,
		      "Watch the node with this process id" },
	[OPT_DISCOVER] = { 0, "discover", NULL, NULL,
			   "Watch all nodes there are, and those to come" },
	[OPT_MATCH] = { 0, "match", "TEXT", NULL,
			"With --discover: nodes of that name or command line" },
	[OPT_EVENTS] = { 'e', "events", "LIST", SCOPE_WORDS_KINDS,
			 "Kinds and groups to watch; -NAME takes away" },
	[OPT_PROCESS] = { 0, "process", "PROCESS", NULL,
			  "Only events of <0.1.0> or of a registered name" },
	[OPT_DURATION] = { 'd', "duration", "TIME", NULL,
			   "Stop after 10s, 500ms, 5m, 1h" },
	[OPT_JSON] = { 0, "json", NULL, NULL,
		       "JSON lines, on a terminal too" },
	[OPT_TERMS] = { 0, "terms", "WORDS", NULL,
			"Words of a term to copy, 0..512; 0: no contents" },
	[OPT_ELIXIR] = { 0, "elixir", NULL, NULL,
			 "Terms in Elixir's syntax" },
	[OPT_TERM_JSON] = { 0, "term-json", NULL, NULL,
			    "Terms as tagged JSON objects" },
	[OPT_LISTEN] = { 0, "listen", "[ADDR:]PORT", NULL,
			 "Serve /metrics, /healthz and /readyz by HTTP" },
	[OPT_TOKEN_FILE] = { 0, "token-file", "FILE", NULL,
			     "The token that /metrics asks for" },
	[OPT_TO] = { 0, "to", "DEST", "file: unix: tcp: http:// https://",
		     "Write to a file, unix:, tcp:HOST:PORT or https:// URL" },
	[OPT_ROTATE] = { 0, "rotate", "SIZE", NULL,
			 "Begin a new file when it gets larger than this" },
	[OPT_ROTATE_KEEP] = { 0, "rotate-keep", "NUMBER", NULL,
			      "Files kept when a new one begins; 5" },
	[OPT_HEADER_FILE] = { 0, "header-file", "FILE", NULL,
			      "HTTP headers to send, one a line" },
	[OPT_CACERT] = { 0, "cacert", "FILE", NULL,
			 "Certificates to believe instead of the system's" },
	[OPT_OUTPUT] = { 'o', "output", "DIR", NULL,
			 "Record to a folder that is new or empty" },
	[OPT_KEEP] = { 0, "keep", "TIME|SIZE", NULL,
		       "Of the recording: the last 10m, or the last 2G" },
	[OPT_FLUSH] = { 0, "flush", "TIME", NULL,
			"What a crash may cost of the recording; 100ms" },
	[OPT_REDACT] = { 0, "redact", "RULE",
			 "default key: atom: field: match: kind:",
			 "Hide values: default, key:NAME, match:REGEX, @FILE" },
	[OPT_SAMPLE] = { 0, "sample", "SHARE", NULL,
			 "Keep 0.8 of all conversations, and those whole" },
	[OPT_SOURCE] = { 0, "source", "NAME", "auto uprobe usdt",
			 "Where events are taken from: auto, uprobe or usdt" },
	[OPT_STRATEGY] = { 0, "strategy", "NAME",
			   "minimal balanced full",
			   "minimal: 1%, balanced: 5%, full: no --budget" },
	[OPT_BUDGET] = { 0, "budget", "PERCENT", NULL,
			 "Of the node's CPU time that tracing may cost: 2%" },
	[OPT_BUFFER] = { 0, "buffer", "SIZE", NULL,
			 "Kernel buffers in all, 64K..1G; 8M" },
	[OPT_TRANSPORT] = { 0, "transport", "NAME", "ring perf",
			    "Kind of kernel buffers: ring or perf" },
	[OPT_OVERFLOW] = { 0, "overflow", "POLICY",
			   "drop-newest drop-oldest sample",
			   "Without room: drop-newest, drop-oldest or sample" },
	[OPT_STRICT] = { 0, "strict", NULL, NULL,
			 "Exit with 5 when events were lost" },
	[OPT_NO_SANDBOX] = { 0, "no-sandbox", NULL, NULL,
			     "Do not restrict system calls (no seccomp)" },
	[OPT_QUIET] = { 'q', "quiet", NULL, NULL,
			"Errors only on the standard error" },
	[OPT_VERBOSE] = { 'v', "verbose", NULL, NULL,
			  "Say what is done and attached" },
	[OPT_COLOR] = { 0, "color", "WHEN", "auto always never",
			"auto, always or never" },
	[OPT_HELP] = { 'h', "help", NULL, NULL, "Print this text" },
	[OPT_VERSION] = { 0, "version", NULL, NULL, "Print the version" },
	{ 0 },
};

static int set_target(struct scope_live_conf *c, const char *value, bool is_pid,
		      struct scope_err *err)
{
	uint64_t pid;

	if (is_pid && (scope_parse_number(value, &pid) < 0 || pid == 0 ||
		       pid > INT32_MAX))
		return scope_fail(err, -EINVAL,
				  "--pid takes a process id, not '%s'; a name "
				  "goes without an option",
				  value);
	if (c->target)
		return scope_fail(err, -EINVAL,
				  "one node at a time: '%s' or '%s'", c->target,
				  value);
	c->target = value;
	c->is_pid = is_pid;
	return 0;
}

/* --events may be given again: the lists are put together. */
static int add_events(struct scope_live_conf *c, const char *value,
		      struct scope_err *err)
{
	size_t at = strlen(c->events);
	size_t len = strlen(value);

	if (!len)
		return scope_fail(err, -EINVAL, "--events names no kind");
	if (at + len + 2 > sizeof(c->events))
		return scope_fail(err, -EINVAL,
				  "--events has more than %zu bytes",
				  sizeof(c->events) - 2);
	if (at)
		c->events[at++] = ',';
	memcpy(c->events + at, value, len + 1);
	return 0;
}

static int add_process(struct scope_live_conf *c, const char *value,
		       struct scope_err *err)
{
	if (!*value)
		return scope_fail(err, -EINVAL,
				  "--process takes a pid or a name");
	if (c->nprocesses == SCOPE_PROCESSES_MAX)
		return scope_fail(err, -EINVAL, "more than %d --process",
				  SCOPE_PROCESSES_MAX);
	c->processes[c->nprocesses++] = value;
	return 0;
}

static int set_dest(struct scope_live_conf *c, long which, const char *value,
		    struct scope_err *err)
{
	const char **to = which == OPT_TO	   ? &c->dest.to :
			  which == OPT_HEADER_FILE ? &c->dest.header_file :
			  which == OPT_LISTEN	   ? &c->listen :
			  which == OPT_TOKEN_FILE  ? &c->token_file :
						     &c->dest.ca_file;

	if (!*value)
		return scope_fail(err, -EINVAL, "--%s needs a value",
				  scope_live_opts[which].name);
	if (*to)
		return scope_fail(err, -EINVAL, "one --%s only",
				  scope_live_opts[which].name);
	*to = value;
	return 0;
}

/* Options that mean nothing without another are not ignored. */
static int finish_dest(struct scope_live_conf *c, struct scope_err *err)
{
	struct scope_dest *d = &c->dest;

	if (d->to && !strcmp(d->to, "-"))
		d->to = NULL;
	if (!d->to && (d->header_file || d->ca_file || d->rotate_bytes))
		return scope_fail(err, -EINVAL,
				  "--rotate, --header-file and --cacert go with "
				  "--to");
	if (c->token_file && !c->listen)
		return scope_fail(err, -EINVAL,
				  "--token-file goes with --listen");
	if (c->has_rotate_keep && !d->rotate_bytes)
		return scope_fail(err, -EINVAL,
				  "--rotate-keep goes with --rotate SIZE");
	if (!c->has_rotate_keep)
		d->rotate_keep = ROTATE_KEEP;
	return 0;
}

static int add_redact(struct scope_live_conf *c, const char *value,
		      struct scope_err *err)
{
	scope_auto(scope_redact) r = NULL;

	if (c->nredacts == SCOPE_REDACTS_MAX)
		return scope_fail(err, -EINVAL,
				  "more than %d --redact; put the rules into a "
				  "file and give it as --redact @FILE",
				  SCOPE_REDACTS_MAX);
	c->redacts[c->nredacts++] = value;
	if (scope_redact_new(&r) < 0)
		return scope_fail(err, -ENOMEM, "out of memory");
	return scope_redact_add(r, value, err);
}

static int add_match(struct scope_live_conf *c, const char *value,
		     struct scope_err *err)
{
	if (!*value)
		return scope_fail(err, -EINVAL, "--match '' matches no node");
	if (c->nmatches == SCOPE_MATCHES_MAX)
		return scope_fail(err, -EINVAL, "more than %d --match",
				  SCOPE_MATCHES_MAX);
	c->matches[c->nmatches++] = value;
	return 0;
}

/* With --discover what would be the node is one more text to match. */
static int finish_discover(struct scope_live_conf *c, struct scope_err *err)
{
	const char *name = c->target;

	if (!c->discovers)
		return c->nmatches ? scope_fail(err, -EINVAL,
						"--match goes with --discover") :
				     0;
	if (c->is_pid)
		return scope_fail(err, -EINVAL,
				  "--discover finds nodes by itself; it takes a "
				  "name or --match, but no --pid");
	c->target = NULL;
	return name ? add_match(c, name, err) : 0;
}

static int set_strategy(struct scope_live_conf *c, const char *value,
			struct scope_err *err)
{
	static const char *const words[] = { "balanced", "minimal", "full" };

	for (unsigned i = 0; i < 3; i++) {
		if (strcmp(value, words[i]) == 0) {
			c->strategy = (enum scope_strategy)i;
			return 0;
		}
	}
	return scope_fail(err, -EINVAL,
			  "--strategy takes minimal, balanced or full, not "
			  "'%s'",
			  value);
}

int scope_parse_budget(const char *value, double *ret_share,
		       struct scope_err *err)
{
	double share;

	if (scope_parse_percent(value, &share) < 0 || share < BUDGET_MIN)
		return scope_fail(err, -EINVAL,
				  "--budget takes a share of the node's CPU "
				  "time from 0.1%% to 100%%, such as 2%%, not "
				  "'%s'",
				  value);
	*ret_share = share;
	return 0;
}

static int set_budget(struct scope_live_conf *c, const char *value,
		      struct scope_err *err)
{
	return scope_parse_budget(value, &c->budget, err);
}

/* What the strategy leaves open. */
static int finish_budget(struct scope_live_conf *c, struct scope_err *err)
{
	if (c->strategy == SCOPE_STRATEGY_FULL && c->budget > 0)
		return scope_fail(err, -EINVAL,
				  "--strategy full has no --budget; leave one "
				  "of them out");
	if (c->strategy == SCOPE_STRATEGY_FULL || c->budget > 0)
		return 0;
	c->budget = c->strategy == SCOPE_STRATEGY_MINIMAL ? BUDGET_MINIMAL :
							    SCOPE_BUDGET_BALANCED;
	return 0;
}

static int set_source(struct scope_live_conf *c, const char *value,
		      struct scope_err *err)
{
	static const char *const words[] = { "auto", "uprobe", "usdt" };

	for (unsigned i = 0; i < 3; i++) {
		if (strcmp(value, words[i]) == 0) {
			c->from = (enum scope_from)i;
			return 0;
		}
	}
	return scope_fail(err, -EINVAL,
			  "--source takes auto, uprobe or usdt, not '%s'",
			  value);
}

static int set_sample(struct scope_live_conf *c, const char *value,
		      struct scope_err *err)
{
	double share;

	if (scope_parse_share(value, &share) < 0 || share <= 0)
		return scope_fail(err, -EINVAL,
				  "--sample takes a share from above 0 to 1, "
				  "such as 0.8 or 80%%, not '%s'",
				  value);
	c->sample = share < 1 ? share : 0;
	return 0;
}

static int set_transport(struct scope_live_conf *c, const char *value,
			 struct scope_err *err)
{
	if (strcmp(value, "ring") == 0)
		c->transport = SCOPE_TRANSPORT_RING;
	else if (strcmp(value, "perf") == 0)
		c->transport = SCOPE_TRANSPORT_PERF;
	else
		return scope_fail(err, -EINVAL,
				  "--transport takes ring or perf, not '%s'",
				  value);
	return 0;
}

static int set_overflow(struct scope_live_conf *c, const char *value,
			struct scope_err *err)
{
	static const char *const words[] = { "drop-newest", "drop-oldest",
					     "sample" };

	for (unsigned i = 0; i < 3; i++) {
		if (strcmp(value, words[i]) == 0) {
			c->overflow = (enum scope_overflow)i;
			return 0;
		}
	}
	if (strcmp(value, "block") == 0)
		return scope_fail(err, -EINVAL,
				  "--overflow block is for replays of "
				  "recordings: a node is never kept waiting");
	return scope_fail(err, -EINVAL,
			  "--overflow takes drop-newest, drop-oldest or "
			  "sample, not '%s'",
			  value);
}

static int set_color(struct scope_live_conf *c, const char *value,
		     struct scope_err *err)
{
	static const char *const words[] = { "auto", "always", "never" };

	for (unsigned i = 0; i < 3; i++) {
		if (strcmp(value, words[i]) == 0) {
			c->color = (enum scope_color)i;
			return 0;
		}
	}
	return scope_fail(err, -EINVAL,
			  "--color takes auto, always or never, not '%s'",
			  value);
}

static int set_syntax(struct scope_live_conf *c, enum scope_syntax syntax,
		      struct scope_err *err)
{
	if (c->has_syntax && c->syntax != syntax)
		return scope_fail(err, -EINVAL,
				  "--elixir and --term-json exclude each other");
	c->syntax = syntax;
	c->has_syntax = true;
	return 0;
}

static int set_number(struct scope_live_conf *c, long which, const char *value,
		      struct scope_err *err)
{
	uint64_t n = 0;

	switch (which) {
	case OPT_DURATION:
		if (scope_parse_duration(value, &n) < 0 || n == 0)
			return scope_fail(err, -EINVAL,
					  "--duration takes a time such as 10s "
					  "or 500ms, not '%s'",
					  value);
		c->duration_ns = n;
		return 0;
	case OPT_ROTATE:
		if (scope_parse_size(value, &n) < 0 || n < BUFFER_MIN)
			return scope_fail(err, -EINVAL,
					  "--rotate takes a size from 64K on, "
					  "not '%s'",
					  value);
		c->dest.rotate_bytes = n;
		return 0;
	case OPT_ROTATE_KEEP:
		if (scope_parse_number(value, &n) < 0 || n > ROTATE_KEEP_MAX)
			return scope_fail(err, -EINVAL,
					  "--rotate-keep takes a number from 0 "
					  "to %d, not '%s'",
					  ROTATE_KEEP_MAX, value);
		c->dest.rotate_keep = (unsigned)n;
		c->has_rotate_keep = true;
		return 0;
	case OPT_BUFFER:
		if (scope_parse_size(value, &n) < 0 || n < BUFFER_MIN ||
		    n > BUFFER_MAX)
			return scope_fail(err, -EINVAL,
					  "--buffer takes a size from 64K to "
					  "1G, not '%s'",
					  value);
		c->buffer_bytes = n;
		return 0;
	default:
		if (scope_parse_number(value, &n) < 0 ||
		    n > SCOPE_TERM_WORDS_MAX)
			return scope_fail(err, -EINVAL,
					  "--terms takes a number of words "
					  "from 0 to %d, not '%s'",
					  SCOPE_TERM_WORDS_MAX, value);
		c->term_words = (unsigned)n;
		return 0;
	}
}

/* "10m" is minutes, "10M" megabytes. */
static int set_recording(struct scope_live_conf *c, long which,
			 const char *value, struct scope_err *err)
{
	size_t len = strlen(value);
	char unit = len ? value[len - 1] : '\0';
	uint64_t n = 0;

	if (which == OPT_OUTPUT) {
		c->output = value;
		return *value ? 0 :
				scope_fail(err, -EINVAL,
					   "--output takes a folder");
	}
	if (which == OPT_KEEP && (unit == 'K' || unit == 'M' || unit == 'G')) {
		if (scope_parse_size(value, &n) == 0 && n >= KEEP_BYTES_MIN) {
			c->keep_bytes = n;
			return 0;
		}
	} else if (scope_parse_duration(value, &n) == 0 && n > 0) {
		*(which == OPT_KEEP ? &c->keep_ns : &c->flush_ns) = n;
		return 0;
	}
	return scope_fail(err, -EINVAL,
			  which == OPT_KEEP ?
				  "--keep takes a time or a size from 1M on, "
				  "not '%s'" :
				  "--flush takes a time, not '%s'",
			  value);
}

static int set_flag(struct scope_live_conf *c, long which)
{
	switch (which) {
	case OPT_JSON:
		c->wants_json = true;
		break;
	case OPT_DISCOVER:
		c->discovers = true;
		break;
	case OPT_STRICT:
		c->is_strict = true;
		break;
	case OPT_NO_SANDBOX:
		c->has_no_sandbox = true;
		break;
	case OPT_QUIET:
		c->is_quiet = true;
		break;
	case OPT_VERBOSE:
		c->verbose++;
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

static int set(void *arg, const struct scope_opt *opt, const char *value,
	       struct scope_err *err)
{
	struct scope_live_conf *c = arg;
	long which = opt - scope_live_opts;

	switch (which) {
	case OPT_PID:
		return set_target(c, value, true, err);
	case OPT_MATCH:
		return add_match(c, value, err);
	case OPT_EVENTS:
		return add_events(c, value, err);
	case OPT_PROCESS:
		return add_process(c, value, err);
	case OPT_LISTEN:
	case OPT_TOKEN_FILE:
	case OPT_TO:
	case OPT_HEADER_FILE:
	case OPT_CACERT:
		return set_dest(c, which, value, err);
	case OPT_OUTPUT:
	case OPT_KEEP:
	case OPT_FLUSH:
		return set_recording(c, which, value, err);
	case OPT_REDACT:
		return add_redact(c, value, err);
	case OPT_SOURCE:
		return set_source(c, value, err);
	case OPT_STRATEGY:
		return set_strategy(c, value, err);
	case OPT_BUDGET:
		return set_budget(c, value, err);
	case OPT_SAMPLE:
		return set_sample(c, value, err);
	case OPT_TRANSPORT:
		return set_transport(c, value, err);
	case OPT_OVERFLOW:
		return set_overflow(c, value, err);
	case OPT_COLOR:
		return set_color(c, value, err);
	case OPT_ELIXIR:
		return set_syntax(c, SCOPE_SYNTAX_ELIXIR, err);
	case OPT_TERM_JSON:
		return set_syntax(c, SCOPE_SYNTAX_JSON, err);
	case OPT_DURATION:
	case OPT_ROTATE:
	case OPT_ROTATE_KEEP:
	case OPT_BUFFER:
	case OPT_TERMS:
		return set_number(c, which, value, err);
	default:
		return set_flag(c, which);
	}
}

static int finish_kinds(struct scope_live_conf *c, struct scope_err *err)
{
	const char *bad = "";
	size_t len = 0;

	if (!*c->events) {
		c->kinds = scope_kinds_default();
		/* There are more of them than of all others. */
		if (c->strategy == SCOPE_STRATEGY_MINIMAL)
			c->kinds &= ~SCOPE_KIND_BIT(SCOPE_KIND_MSG_SEND);
		return 0;
	}
	if (scope_kinds_parse(c->events, &c->kinds, &bad, &len) < 0)
		return scope_fail(err, -EINVAL,
				  "--events: '%.*s' is no kind or group of "
				  "this version; scope-bpf-events(7) lists them",
				  (int)(len < 100 ? len : 100), bad);
	return 0;
}

static int finish_output(const struct scope_live_conf *c,
			 struct scope_err *err)
{
	if (!c->output && (c->keep_ns || c->keep_bytes || c->flush_ns))
		return scope_fail(err, -EINVAL,
				  "--keep and --flush go with --output DIR");
	if (c->output && c->discovers)
		return scope_fail(err, -EINVAL,
				  "a recording is of one node; leave out "
				  "--discover");
	return 0;
}

void scope_live_conf_init(struct scope_live_conf *c)
{
	memset(c, 0, sizeof(*c));
	c->buffer_bytes = SCOPE_BUFFER_DEFAULT;
	c->term_words = SCOPE_TERM_WORDS_DEFAULT;
}

int scope_live_conf_set(struct scope_live_conf *c, const char *name,
			const char *value, struct scope_err *err)
{
	const struct scope_opt *o = scope_live_opts;

	while (o->name && strcmp(o->name, name) != 0)
		o++;
	return o->name ? set(c, o, value, err) :
			 scope_fail(err, -EINVAL, "there is no --%s", name);
}

int scope_live_conf_finish(struct scope_live_conf *c, struct scope_err *err)
{
	int r = finish_discover(c, err);

	if (r == 0)
		r = finish_dest(c, err);
	if (r == 0)
		r = finish_output(c, err);
	if (r == 0)
		r = finish_budget(c, err);
	c->is_hasty = !c->dest.to;
	return r < 0 ? r : finish_kinds(c, err);
}

int scope_live_conf_parse(const struct scope_cmd *cmd, int argc, char **argv,
			  struct scope_live_conf *ret_conf,
			  struct scope_err *err)
{
	struct scope_live_conf *c = ret_conf;
	int at, r;

	scope_live_conf_init(c);
	at = scope_cmd_parse(cmd, argc, argv, set, c, err);
	if (at < 0)
		return at;
	if (c->wants_help || c->wants_version)
		return 0;
	for (; at < argc; at++) {
		if (!*argv[at])
			return scope_fail(err, -EINVAL,
					  "an empty name means no node");
		r = set_target(c, argv[at], false, err);
		if (r < 0)
			return r;
	}
	if (c->overflow == SCOPE_DROP_OLDEST &&
	    c->transport == SCOPE_TRANSPORT_RING)
		return scope_fail(err, -EINVAL,
				  "--overflow drop-oldest takes perf buffers; "
				  "leave --transport ring out");
	if (c->overflow == SCOPE_DROP_OLDEST &&
	    c->buffer_bytes > OLDEST_BUFFER_MAX)
		return scope_fail(err, -EINVAL,
				  "--overflow drop-oldest takes a --buffer of "
				  "8M at most");
	return scope_live_conf_finish(c, err);
}
