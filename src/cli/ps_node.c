/* SPDX-License-Identifier: MIT */
#include "cli/ps_node.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/auto.h"
#include "cli/node.h"
#include "export/json.h"

static void put_string(const char *key, const char *text, FILE *out)
{
	char quoted[2048];
	struct scope_buf b = scope_buf_of(quoted, sizeof(quoted));

	scope_json_string(&b, text, strlen(text));
	fprintf(out, ",\"%s\":%.*s", key, (int)b.len, b.p);
}

static void put_number(const char *key, uint64_t n, FILE *out)
{
	if (n != SCOPE_GAUGE_UNKNOWN)
		fprintf(out, ",\"%s\":%" PRIu64, key, n);
}

/* Of what runs: where it was when it was last taken up. */
static void put_function(void *arg, uint64_t pid, struct scope_buf *out)
{
	struct scope_ps *ps = arg;
	const struct scope_snap_proc *p =
		ps->s ? scope_snapshot_find(ps->s, pid) : NULL;

	if (p)
		scope_ps_put(ps, p, SCOPE_PS_CURRENT_FUNCTION, out);
}

static int read_parts(struct scope_ps *ps, struct scope_target *t,
		      unsigned parts, struct scope_node *ret)
{
	int r = scope_node_read(t, parts, ret);

	if (r < 0)
		return r;
	ret->redact = ps->redact;
	ret->put_function = put_function;
	ret->arg = ps;
	return 0;
}

int scope_ps_node_json(struct scope_ps *ps, struct scope_target *t, FILE *out)
{
	const struct scope_target_info *info = scope_target_info(t);
	struct scope_snapshot_totals totals;
	struct scope_node n;
	struct scope_gauges g;
	int r = read_parts(ps, t, SCOPE_NODE_ALL, &n);

	if (r < 0)
		return r;
	scope_target_gauges(t, &g);
	scope_snapshot_totals(ps->s, &totals);
	fputs("{\"kind\":\"node\"", out);
	put_string("node", info->node, out);
	fprintf(out, ",\"os_pid\":%d", (int)info->pid);
	put_string("otp", info->otp, out);
	put_string("erts", info->erts, out);
	fprintf(out, ",\"jit\":%s", info->jit ? "true" : "false");
	put_number("processes", scope_snapshot_count(ps->s), out);
	put_number("process_limit", g.process_limit, out);
	put_number("read_ns", totals.to_ns - totals.from_ns, out);
	put_number("torn", totals.torn, out);
	put_number("partial", totals.lacking, out);
	put_number("vanished", totals.vanished, out);
	put_number("atoms", g.atoms, out);
	put_number("atom_limit", g.atom_limit, out);
	scope_node_put_json(&n, out);
	fputs("}\n", out);
	scope_node_done(&n);
	return 0;
}

/* The processes that schedulers run, for the functions that they are in. */
static int look_at_running(struct scope_ps *ps, struct scope_target *t,
			   const struct scope_node *n,
			   struct scope_snapshot **ret_snapshot,
			   struct scope_err *err)
{
	scope_autofree uint64_t *pids = calloc(n->schedulers->n, sizeof(*pids));
	struct scope_snapshot_opts how = { .pids = pids };
	int r = 0;

	if (!pids)
		return -ENOMEM;
	for (size_t i = 0; i < n->schedulers->n; i++)
		if (n->schedulers->all[i].pid)
			pids[how.npids++] = n->schedulers->all[i].pid;
	if (how.npids)
		r = scope_snapshot_take(t, &how, ret_snapshot, err);
	ps->s = *ret_snapshot;
	return r;
}

int scope_ps_node_parts(struct scope_ps *ps, struct scope_target *t,
			unsigned parts, bool is_json, size_t width, FILE *out,
			struct scope_err *err)
{
	scope_auto(scope_snapshot) s = NULL;
	struct scope_node n;
	bool is_first = true;
	int r = read_parts(ps, t, parts, &n);

	if (r < 0)
		return r == -ESRCH ? scope_fail(err, r, "the node has ended") :
				     r;
	if (n.schedulers)
		r = look_at_running(ps, t, &n, &s, err);
	for (unsigned i = 0; r == 0 && i < SCOPE_NODE_PARTS; i++) {
		if (!(parts & SCOPE_NODE_BIT(i)))
			continue;
		if (is_json && n.why[i]) {
			r = scope_fail(err, -ENOTSUP, "%s", n.why[i]);
		} else if (is_json) {
			scope_node_print_json(&n, i, out);
		} else {
			if (!is_first)
				fputc('\n', out);
			scope_node_print_table(&n, i, width, out);
		}
		is_first = false;
	}
	ps->s = NULL;
	scope_node_done(&n);
	return r;
}
