/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "attacher/attacher.h"
#include "base/auto.h"
#include "cli/cmd.h"
#include "cli/exit.h"
#include "cli/node.h"
#include "cli/ps.h"
#include "cli/ps_node.h"
#include "cli/sandbox.h"
#include "cli/units.h"
#include "target/find.h"

#define REDACTS_MAX 64
#define PROCESSES_MAX 256
#define FIELDS "pid name label initial_call current_function state scheduler " \
	       "mailbox reductions heap_words total_heap_words stack_words "   \
	       "memory binaries binary_bytes links monitors monitored_by "     \
	       "parent group_leader ancestors callers dictionary what"

enum {
	OPT_PID,
	OPT_FIELDS,
	OPT_SORT,
	OPT_REVERSE,
	OPT_LIMIT,
	OPT_TREE,
	OPT_SCHEDULERS,
	OPT_MEMORY,
	OPT_PORTS,
	OPT_ETS,
	OPT_JSON,
	OPT_ELIXIR,
	OPT_REDACT,
	OPT_WIDE,
	OPT_NO_SANDBOX,
	OPT_HELP,
	OPT_VERSION,
};

static const struct scope_opt opts[] = {
	[OPT_PID] = { 'p', "pid", "PID|NAME", SCOPE_WORDS_NODES,
		      "The node; without: the only one there is" },
	[OPT_FIELDS] = { 0, "fields", "LIST", FIELDS,
			 "What to show of each: pid,name,mailbox,…" },
	[OPT_SORT] = { 's', "sort", "FIELD", FIELDS,
		       "By this, numbers from the largest; else by age" },
	[OPT_REVERSE] = { 'r', "reverse", NULL, NULL, "The other way round" },
	[OPT_LIMIT] = { 'n', "limit", "COUNT", NULL,
			"Show so many at most" },
	[OPT_TREE] = { 0, "tree", NULL, NULL,
		       "Show who started whom: the supervision tree" },
	[OPT_SCHEDULERS] = { 0, "schedulers", NULL, NULL,
			     "Instead: what each scheduler runs; run queues" },
	[OPT_MEMORY] = { 0, "memory", NULL, NULL,
			 "Instead: memory, by type and by allocator" },
	[OPT_PORTS] = { 0, "ports", NULL, NULL,
			"Instead: the ports, and who owns them" },
	[OPT_ETS] = { 0, "ets", NULL, NULL,
		      "Instead: the ETS tables, and who owns them" },
	[OPT_JSON] = { 0, "json", NULL, NULL,
		       "A JSON object for each process, then one of the node" },
	[OPT_ELIXIR] = { 0, "elixir", NULL, NULL,
			 "Names and terms in Elixir's syntax" },
	[OPT_REDACT] = { 0, "redact", "RULE",
			 "default key: atom: field: match:",
			 "Hide values: default, key:NAME, match:REGEX, @FILE" },
	[OPT_WIDE] = { 'w', "wide", NULL, NULL,
		       "Do not cut rows at the terminal's width" },
	[OPT_NO_SANDBOX] = { 0, "no-sandbox", NULL, NULL,
			     "Do not restrict system calls (no seccomp)" },
	[OPT_HELP] = { 'h', "help", NULL, NULL, "Print this text" },
	[OPT_VERSION] = { 0, "version", NULL, NULL, "Print the version" },
	{ 0 },
};

struct conf {
	const char *node;
	enum scope_ps_key fields[SCOPE_PS_KEYS];
	size_t nfields; /* 0: not chosen */
	enum scope_ps_key sort;
	uint64_t limit; /* 0: none */
	const char *redacts[REDACTS_MAX];
	size_t nredacts;
	const char *processes[PROCESSES_MAX];
	size_t nprocesses;
	unsigned parts; /* SCOPE_NODE_BITs; 0: the processes */
	enum scope_syntax syntax;
	bool is_reversed, wants_tree, wants_json, is_wide, has_no_sandbox;
	bool wants_help, wants_version;
};

static const enum scope_ps_key usual[] = {
	SCOPE_PS_PID,	  SCOPE_PS_WHAT,    SCOPE_PS_STATE,
	SCOPE_PS_MAILBOX, SCOPE_PS_MEMORY,  SCOPE_PS_REDUCTIONS,
	SCOPE_PS_CURRENT_FUNCTION,
};

/* -- the command line ---------------------------------------------------------------- */

static int set_key(const char *opt, const char *name, size_t len,
		   enum scope_ps_key *ret, struct scope_err *err)
{
	int k = scope_ps_key_of(name, len);

	if (k < 0)
		return scope_fail(err, -EINVAL,
				  "--%s: '%.*s' is no field; scope-bpf-ps(1) "
				  "lists them",
				  opt, (int)(len < 100 ? len : 100), name);
	*ret = (enum scope_ps_key)k;
	return 0;
}

static int set_fields(struct conf *c, const char *value, struct scope_err *err)
{
	int r = 0;

	c->nfields = 0;
	for (const char *at = value; r == 0; at++) {
		size_t len = strcspn(at, ",");

		if (c->nfields == SCOPE_PS_KEYS)
			return scope_fail(err, -EINVAL,
					  "--fields: more than there are");
		r = set_key("fields", at, len, &c->fields[c->nfields++], err);
		at += len;
		if (!*at)
			break;
	}
	return r;
}

static int set_redact(struct conf *c, const char *value, struct scope_err *err)
{
	if (c->nredacts == REDACTS_MAX)
		return scope_fail(err, -EINVAL, "more than %d --redact rules",
				  REDACTS_MAX);
	c->redacts[c->nredacts++] = value;
	return 0;
}

static int set(void *arg, const struct scope_opt *opt, const char *value,
	       struct scope_err *err)
{
	struct conf *c = arg;

	switch (opt - opts) {
	case OPT_PID:
		if (c->node || !*value)
			return scope_fail(err, -EINVAL,
					  "--pid takes one node");
		c->node = value;
		return 0;
	case OPT_FIELDS:
		return set_fields(c, value, err);
	case OPT_SORT:
		return set_key("sort", value, strlen(value), &c->sort, err);
	case OPT_LIMIT:
		if (scope_parse_number(value, &c->limit) == 0 && c->limit)
			return 0;
		return scope_fail(err, -EINVAL,
				  "--limit takes a number from 1 on, not '%s'",
				  value);
	case OPT_REDACT:
		return set_redact(c, value, err);
	case OPT_REVERSE:
		c->is_reversed = true;
		return 0;
	case OPT_TREE:
		c->wants_tree = true;
		return 0;
	case OPT_SCHEDULERS:
	case OPT_MEMORY:
	case OPT_PORTS:
	case OPT_ETS:
		c->parts |= SCOPE_NODE_BIT(opt - opts - OPT_SCHEDULERS);
		return 0;
	case OPT_JSON:
		c->wants_json = true;
		return 0;
	case OPT_ELIXIR:
		c->syntax = SCOPE_SYNTAX_ELIXIR;
		return 0;
	case OPT_WIDE:
		c->is_wide = true;
		return 0;
	case OPT_NO_SANDBOX:
		c->has_no_sandbox = true;
		return 0;
	case OPT_HELP:
		c->wants_help = true;
		return 0;
	default:
		c->wants_version = true;
		return 0;
	}
}

static int parse(const struct scope_cmd *cmd, int argc, char **argv,
		 struct conf *c, struct scope_err *err)
{
	int at = scope_cmd_parse(cmd, argc, argv, set, c, err);

	if (at < 0 || c->wants_help || c->wants_version)
		return at;
	for (; at < argc; at++) {
		if (!*argv[at] || c->nprocesses == PROCESSES_MAX)
			return scope_fail(err, -EINVAL,
					  *argv[at] ? "too many processes" :
						      "an empty name means no "
						      "process");
		c->processes[c->nprocesses++] = argv[at];
	}
	if (c->parts && (c->wants_tree || c->nfields || c->limit ||
			 c->nprocesses || c->is_reversed ||
			 c->sort != SCOPE_PS_PID))
		return scope_fail(err, -EINVAL,
				  "--schedulers, --memory, --ports and --ets "
				  "show no processes: they go without what "
				  "chooses or orders these");
	if (c->wants_tree && (c->nfields || c->limit || c->is_reversed ||
			      c->sort != SCOPE_PS_PID))
		return scope_fail(err, -EINVAL,
				  "--tree has an order and fields of its own");
	return 0;
}

/* -- which processes ------------------------------------------------------------------ */

struct look {
	const struct conf *c;
	struct scope_target *t;
	struct scope_ps ps;
	uint64_t pids[PROCESSES_MAX]; /* of those that are named so; else 0 */
	bool are_all_pids;
};

static void find_pids(struct look *l)
{
	l->are_all_pids = l->c->nprocesses > 0;
	for (size_t i = 0; i < l->c->nprocesses; i++) {
		l->pids[i] = scope_vm_parse_pid(l->ps.vm, l->c->processes[i]);
		l->are_all_pids &= l->pids[i] != 0;
	}
}

static uint32_t wants(const struct look *l, const enum scope_ps_key *keys,
		      size_t n)
{
	const struct conf *c = l->c;
	uint32_t w = scope_ps_fields[c->sort].wants;

	if (c->nprocesses && !l->are_all_pids)
		w |= scope_ps_fields[SCOPE_PS_WHAT].wants;
	if (c->wants_json && (c->wants_tree || !c->nfields))
		return SCOPE_SNAP_ALL;
	if (c->wants_tree)
		return w | SCOPE_SNAP_INITIAL | SCOPE_SNAP_LABEL |
		       SCOPE_SNAP_LINKS | SCOPE_SNAP_ANCESTORS;
	for (size_t i = 0; i < n; i++)
		w |= scope_ps_fields[keys[i]].wants;
	return w;
}

static bool text_matches(struct look *l, const struct scope_snap_proc *p,
			 enum scope_ps_key key, const char *pattern)
{
	struct scope_buf b = scope_buf_of(l->ps.text, sizeof(l->ps.text));

	scope_ps_put(&l->ps, p, key, &b);
	return b.len && fnmatch(pattern, scope_buf_str(&b), 0) == 0;
}

static bool any_matches(struct look *l, const struct scope_snap_proc *p,
			const char *pattern)
{
	return text_matches(l, p, SCOPE_PS_NAME, pattern) ||
	       text_matches(l, p, SCOPE_PS_LABEL, pattern) ||
	       text_matches(l, p, SCOPE_PS_INITIAL_CALL, pattern);
}

/* Its pid, or its name, label or initial call by a pattern, as they are shown
 * and as they are in Erlang. */
static bool matches(struct look *l, const struct scope_snap_proc *p, size_t i)
{
	const char *pattern = l->c->processes[i];
	bool does;

	if (l->pids[i])
		return l->pids[i] == p->pid;
	does = any_matches(l, p, pattern);
	if (does || l->c->syntax == SCOPE_SYNTAX_ERLANG)
		return does;
	l->ps.syntax = SCOPE_SYNTAX_ERLANG;
	does = any_matches(l, p, pattern);
	l->ps.syntax = l->c->syntax;
	return does;
}

static bool is_wanted(struct look *l, const struct scope_snap_proc *p,
		      bool *found)
{
	bool any = l->c->nprocesses == 0;

	for (size_t i = 0; i < l->c->nprocesses; i++)
		if (matches(l, p, i))
			any = found[i] = true;
	return any;
}

static int check_found(const struct look *l, const bool *found,
		       struct scope_err *err)
{
	for (size_t i = 0; i < l->c->nprocesses; i++)
		if (!found[i])
			return scope_fail(err, -ENOENT,
					  "no process %s is alive in the node "
					  "(--pid says which node)",
					  l->c->processes[i]);
	return 0;
}

/* -- in which order ------------------------------------------------------------------- */

struct row {
	const struct scope_snap_proc *p;
	uint64_t n;    /* to sort by, from the smallest */
	char *text;    /* owned; NULL: by n alone */
	uint64_t age;  /* what is equal stays in this order */
};

static int by_key(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int r;

	if (x->text && y->text) {
		/* What has none comes last. */
		r = !*x->text - !*y->text;
		r = r ? r : strcmp(x->text, y->text);
		if (r)
			return r;
	} else if (x->n != y->n) {
		return x->n < y->n ? -1 : 1;
	}
	return (x->age > y->age) - (x->age < y->age);
}

static int make_row(struct look *l, const struct scope_snap_proc *p,
		    struct row *row)
{
	const enum scope_ps_key key = l->c->sort;
	struct scope_buf b = scope_buf_of(l->ps.text, sizeof(l->ps.text));

	*row = (struct row){ .p = p,
			     .age = scope_vm_pid_order(l->ps.vm, p->pid) };
	if (key == SCOPE_PS_PID)
		return 0;
	if (scope_ps_fields[key].is_number) {
		row->n = UINT64_MAX - scope_ps_number(p, key);
		return 0;
	}
	scope_ps_put(&l->ps, p, key, &b);
	row->text = strdup(scope_buf_str(&b));
	return row->text ? 0 : -ENOMEM;
}

static void reverse(struct row *rows, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		struct row x = rows[i];

		rows[i] = rows[n - 1 - i];
		rows[n - 1 - i] = x;
	}
}

/* The wanted ones, in order; *ret_rows is the caller's. */
static int choose(struct look *l, const struct scope_snap_proc ***ret_rows,
		  size_t *ret_n, struct scope_err *err)
{
	const size_t all = scope_snapshot_count(l->ps.s);
	scope_autofree struct row *rows = calloc(all + 1, sizeof(*rows));
	const struct scope_snap_proc **out = calloc(all + 1, sizeof(*out));
	bool found[PROCESSES_MAX] = { false };
	size_t n = 0;
	int r = rows && out ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < all; i++) {
		const struct scope_snap_proc *p = scope_snapshot_at(l->ps.s, i);

		if (is_wanted(l, p, found))
			r = make_row(l, p, &rows[n++]);
	}
	if (r == 0)
		r = check_found(l, found, err);
	if (r == 0) {
		qsort(rows, n, sizeof(*rows), by_key);
		if (l->c->is_reversed)
			reverse(rows, n);
	}
	for (size_t i = 0; rows && i < n; i++) {
		if (out)
			out[i] = rows[i].p;
		free(rows[i].text);
	}
	if (r < 0) {
		free(out);
		return r;
	}
	*ret_rows = out;
	*ret_n = l->c->limit && l->c->limit < n ? l->c->limit : n;
	return 0;
}

/* -- showing -------------------------------------------------------------------------- */

static size_t terminal_width(const struct conf *c)
{
	const char *columns = getenv("COLUMNS");
	struct winsize ws;
	uint64_t n;

	if (c->is_wide || !isatty(STDOUT_FILENO))
		return 0;
	if (columns && scope_parse_number(columns, &n) == 0 && n >= 20 &&
	    n < 10000)
		return n;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 ? ws.ws_col : 0;
}

static int show_tree(struct look *l, struct scope_err *err)
{
	size_t n = 0;
	scope_autofree struct scope_ps_node *nodes =
		scope_ps_tree(&l->ps, &n);
	scope_autofree bool *wanted = calloc(n + 1, sizeof(*wanted));
	bool found[PROCESSES_MAX] = { false };
	int r;

	if (!nodes || !wanted)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		wanted[i] = is_wanted(l, nodes[i].p, found);
	r = check_found(l, found, err);
	if (r < 0)
		return r;
	r = scope_ps_print_tree(&l->ps, nodes, n,
				l->c->nprocesses ? wanted : NULL,
				l->c->wants_json, stdout);
	if (r == 0 && l->c->wants_json)
		r = scope_ps_node_json(&l->ps, l->t, stdout);
	return r == -EIO ? 0 : r; /* told with the rest of stdout */
}

static int show_rows(struct look *l, const enum scope_ps_key *keys,
		     size_t nkeys, struct scope_err *err)
{
	scope_autofree const struct scope_snap_proc **rows = NULL;
	const struct conf *c = l->c;
	size_t n;
	int r = choose(l, &rows, &n, err);

	if (r < 0)
		return r;
	if (!c->wants_json) {
		scope_ps_print_table(&l->ps, rows, n, keys, nkeys,
				     terminal_width(c), stdout);
		return 0;
	}
	for (size_t i = 0; i < n && !ferror(stdout); i++) {
		scope_ps_print_json(&l->ps, rows[i], c->nfields ? keys : NULL,
				    nkeys, stdout);
		fputc('\n', stdout);
	}
	r = scope_ps_node_json(&l->ps, l->t, stdout);
	return r == -ESRCH ? scope_fail(err, r, "the node has ended") : r;
}

static bool needs_code(const struct conf *c, const enum scope_ps_key *keys,
		       size_t n)
{
	if (c->parts)
		return c->parts & SCOPE_NODE_BIT(SCOPE_NODE_SCHEDULERS);
	if (c->wants_tree)
		return c->wants_json;
	if (c->sort == SCOPE_PS_CURRENT_FUNCTION ||
	    (c->wants_json && !c->nfields))
		return true;
	for (size_t i = 0; i < n; i++)
		if (keys[i] == SCOPE_PS_CURRENT_FUNCTION)
			return true;
	return false;
}

static int show(struct look *l, struct scope_err *err)
{
	const struct conf *c = l->c;
	const enum scope_ps_key *keys = c->nfields ? c->fields : usual;
	const size_t nkeys = c->nfields ? c->nfields :
					  sizeof(usual) / sizeof(*usual);
	scope_auto(scope_snapshot) s = NULL;
	scope_auto(scope_naming) naming = NULL;
	struct scope_snapshot_opts how = { 0 };
	int r = 0;

	l->ps.vm = scope_target_vm(l->t);
	find_pids(l);
	how.wants = wants(l, keys, nkeys);
	if (l->are_all_pids && !c->wants_tree) {
		how.pids = l->pids;
		how.npids = c->nprocesses;
	}
	/* Where no code can be found, functions have no names. */
	if (needs_code(c, keys, nkeys))
		r = scope_naming_new(l->t, &naming);
	if (r == -ENOMEM)
		return r;
	l->ps.naming = naming;
	if (c->parts)
		return scope_ps_node_parts(&l->ps, l->t, c->parts,
					   c->wants_json, terminal_width(c),
					   stdout, err);
	r = scope_snapshot_take(l->t, &how, &s, err);
	if (r < 0)
		return r;
	l->ps.s = s;
	return c->wants_tree ? show_tree(l, err) :
			       show_rows(l, keys, nkeys, err);
}

/* What needs rights goes to a process of its own; this one gives them up. */
static int part(const struct conf *c, struct scope_attacher **ret,
		struct scope_err *err)
{
	const struct scope_sandbox_opts how = {
		.has_no_filter = c->has_no_sandbox,
	};
	int r = scope_attacher_start(ret, err);

	return r < 0 ? r : scope_sandbox_enter(&how, err);
}

static int look(const struct conf *c, struct scope_err *err)
{
	scope_auto(scope_redact) redact = NULL;
	scope_auto(scope_attacher) a = NULL;
	scope_auto(scope_target) t = NULL;
	scope_autofree struct look *l = calloc(1, sizeof(*l));
	pid_t pid;
	int r = l ? scope_redact_make(c->redacts, c->nredacts, &redact,
				  err) : -ENOMEM;

	if (r == 0)
		r = part(c, &a, err);
	if (r == 0)
		r = scope_find_pid(c->node, &pid, err);
	if (r == 0)
		r = scope_target_open_by(a, pid, &t, err);
	if (r < 0)
		return r;
	l->c = c;
	l->t = t;
	l->ps.redact = redact;
	l->ps.syntax = c->syntax;
	return show(l, err);
}

static int ps(const struct scope_cmd *cmd, int argc, char **argv)
{
	struct conf c = { .sort = SCOPE_PS_PID };
	struct scope_err err = { 0 };
	int r = parse(cmd, argc, argv, &c, &err);

	if (r < 0)
		return scope_cmd_complain(r, &err);
	if (c.wants_help)
		scope_cmd_usage(cmd, stdout);
	else if (c.wants_version)
		scope_cmd_version(stdout);
	else
		r = look(&c, &err);
	if (r < 0) {
		(void)fflush(stdout);
		return scope_cmd_complain(r, &err);
	}
	return scope_cmd_finish_stdout();
}

const struct scope_cmd scope_cmd_ps = {
	.name = "ps",
	.args = "[OPTIONS] [PROCESS…]",
	.help = "List the processes of a node, from its memory alone",
	.opts = opts,
	.run = ps,
};
