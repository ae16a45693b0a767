/* SPDX-License-Identifier: MIT */
#include "cli/ps_node.h"

#include <inttypes.h>
#include <string.h>

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

void scope_ps_node_json(struct scope_target *t, const struct scope_snapshot *s,
			FILE *out)
{
	const struct scope_target_info *info = scope_target_info(t);
	struct scope_snapshot_totals totals;
	struct scope_gauges g;

	scope_target_gauges(t, &g);
	scope_snapshot_totals(s, &totals);
	fputs("{\"kind\":\"node\"", out);
	put_string("node", info->node, out);
	fprintf(out, ",\"os_pid\":%d", (int)info->pid);
	put_string("otp", info->otp, out);
	put_string("erts", info->erts, out);
	fprintf(out, ",\"jit\":%s", info->jit ? "true" : "false");
	put_number("processes", scope_snapshot_count(s), out);
	put_number("process_limit", g.process_limit, out);
	put_number("read_ns", totals.to_ns - totals.from_ns, out);
	put_number("torn", totals.torn, out);
	put_number("partial", totals.lacking, out);
	put_number("vanished", totals.vanished, out);
	fputs("}\n", out);
}
