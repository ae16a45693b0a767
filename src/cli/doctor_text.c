/* SPDX-License-Identifier: MIT */
/* The doctor's report for people: a line a finding, and what to do below. */
#include <inttypes.h>
#include <string.h>

#include "cli/doctor.h"
#include "pipeline/budget.h"

struct out {
	FILE *f;
	bool has_color;
};

static const char *color_of(enum scope_state s)
{
	switch (s) {
	case SCOPE_STATE_YES:
		return "\033[32m";
	case SCOPE_STATE_NO:
		return "\033[1;31m";
	case SCOPE_STATE_LIMITED:
	case SCOPE_STATE_UNKNOWN:
		return "\033[33m";
	default:
		return "";
	}
}

static const char *mark_of(enum scope_state s)
{
	switch (s) {
	case SCOPE_STATE_YES:
		return "yes";
	case SCOPE_STATE_NO:
		return "NO";
	case SCOPE_STATE_LIMITED:
		return "part";
	case SCOPE_STATE_UNKNOWN:
		return "?";
	default:
		return "-";
	}
}

static void put_mark(const struct out *o, enum scope_state s)
{
	const char *color = o->has_color ? color_of(s) : "";

	fprintf(o->f, "  %s%-4s%s ", color, mark_of(s), *color ? "\033[0m" : "");
}

static void put_fix(const struct out *o, const char *fix)
{
	if (*fix)
		fprintf(o->f, "       %-22s -> %s\n", "", fix);
}

static void put_checks(const struct out *o, const struct scope_checks *c)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct scope_check *k = &c->list[i];

		put_mark(o, k->state);
		fprintf(o->f, "%-22s %s\n", k->title, k->value);
		put_fix(o, k->fix);
	}
}

static void put_head(const struct out *o, const char *text)
{
	fprintf(o->f, "%s%s%s\n", o->has_color ? "\033[1m" : "", text,
		o->has_color ? "\033[0m" : "");
}

static void put_costs(const struct out *o, const struct scope_calibration *c)
{
	fprintf(o->f, "\n");
	put_head(o, c->from == SCOPE_CAL_MEASURED ?
			    "Costs here (ns of the node's CPU time a hit, "
			    "measured now)" :
		    c->from == SCOPE_CAL_CACHE ?
			    "Costs here (ns of the node's CPU time a hit, "
			    "measured earlier)" :
			    "Costs (ns of the node's CPU time a hit, of another "
			    "machine: not measured here)");
	for (unsigned i = 0; i < SCOPE_INSN_MAX; i++) {
		if (!c->trap[i])
			continue;
		fprintf(o->f, "  %7" PRIu32 "  uprobe on %-8s %s\n", c->trap[i],
			scope_insn_name(i),
			c->emulated & SCOPE_INSN_BIT(i) ? "emulated" :
							  "single-stepped");
	}
	for (unsigned i = 0; i < SCOPE_CAL_F_MAX; i++) {
		if (c->figure[i])
			fprintf(o->f, "  %7" PRIu32, c->figure[i]);
		else
			fprintf(o->f, "  %7s", "?");
		fprintf(o->f, "  %s\n", scope_cal_figure_says(i));
	}
}

/* One number of at most seven columns. */
static void put_rate(const struct out *o, const struct scope_doctor_kind *k,
		     double cpu)
{
	if (!k->has_rate) {
		fprintf(o->f, " %9s %8s", "", "");
		return;
	}
	fprintf(o->f, " %9.0f", k->per_second);
	if (cpu > SCOPE_DOCTOR_IDLE)
		fprintf(o->f, " %7.2f%%", k->ns_per_second / 1e7 / cpu);
	else
		fprintf(o->f, " %8s", "idle");
}

static void put_kinds(const struct out *o, const struct scope_doctor_node *n)
{
	double sum = 0;

	fprintf(o->f, "\n");
	put_head(o, "Events");
	fprintf(o->f, "  %-5s%-18s %7s%s  %s\n", "", "KIND", "NS",
		n->measured_ns ? "    HITS/s     COST" : "", "SOURCE");
	for (size_t i = 0; i < n->nkinds; i++) {
		const struct scope_doctor_kind *k = &n->kinds[i];
		const char *name = scope_kind_info(k->kind)->name;

		put_mark(o, k->is_there ? SCOPE_STATE_YES : SCOPE_STATE_NO);
		fprintf(o->f, "%-18s%s", name, k->is_wanted ? "*" : " ");
		if (!k->is_there) {
			fprintf(o->f, " %7s%*s  %s\n", "",
				n->measured_ns ? 19 : 0, "", k->missing);
			put_fix(o, k->fix);
			continue;
		}
		fprintf(o->f, " %7" PRIu64, k->ns);
		if (n->measured_ns)
			put_rate(o, k, n->cpu);
		fprintf(o->f, "  %s%s\n", k->source,
			k->is_stepped ? " (single-stepped)" : "");
		if (k->has_rate)
			sum += k->ns_per_second;
	}
	fprintf(o->f, "\n  * is what must work: --events, or what is on by "
		      "default. NS: CPU time of the node an event,\n"
		      "  with terms of 16 words, at least; a busy node pays "
		      "up to a half more.\n ");
	if (!n->measured_ns)
		fprintf(o->f, " How often they happen is not told by the "
			      "node's memory:\n  --measure 1s counts, with "
			      "probes that do nothing else.\n");
	else if (n->cpu > SCOPE_DOCTOR_IDLE)
		fprintf(o->f, " COST: of the CPU time that it uses now.\n"
			      "  Sites that kinds share are counted for each. "
			      "All: %.2f%% of it, %.2f%% of one CPU.\n",
			sum / 1e7 / n->cpu, sum / 1e7);
	else
		fprintf(o->f, "\n");
}

static void put_budget(const struct out *o, const struct scope_doctor_node *n)
{
	if (!n->budget.share)
		return;
	fprintf(o->f, "\n");
	put_head(o, "Budget");
	fprintf(o->f,
		"  %7.2f%%  of the node's CPU time is what tracing may take "
		"(--budget)\n"
		"  %7.2f%%  is what it would, of %.2f%% without a budget; as "
		"a busy node pays\n\n"
		"  %-10s %8s  STATE\n",
		100 * n->budget.share, 100 * n->budget.cost,
		100 * n->budget.all, "GROUP", "COST");
	for (unsigned g = 0; g < SCOPE_GROUP_MAX; g++) {
		const double part = n->budget.part_on[g];

		if (n->budget.group[g] < 0)
			continue;
		fprintf(o->f, "  %-10s %7.2f%%  ", scope_budget_group_name(g),
			100 * n->budget.group[g]);
		if (part > 0 && part < 1)
			fprintf(o->f, "on in turns, %.1f%% of the time\n",
				100 * part);
		else
			fprintf(o->f, "%s\n", part > 0 ? "on" : "off");
	}
}

static void put_node(const struct out *o, const struct scope_doctor_node *n)
{
	char text[400];

	(void)snprintf(text, sizeof(text), "Node %.255s, PID %d",
		       *n->node ? n->node : "without a name", (int)n->pid);
	fprintf(o->f, "\n");
	put_head(o, text);
	if (*n->cmdline)
		fprintf(o->f, "  %-4s %-22s %.100s%s\n", "-", "command line",
			n->cmdline, strlen(n->cmdline) > 100 ? "..." : "");
	put_checks(o, &n->checks);
	if (!n->target)
		return;
	fprintf(o->f, "  %-4s %-22s %u normal, %u dirty CPU, %u dirty I/O\n",
		"-", "schedulers", scope_target_info(n->target)->schedulers,
		scope_target_info(n->target)->dirty_cpu,
		scope_target_info(n->target)->dirty_io);
	fprintf(o->f, "  %-4s %-22s %zu\n", "-", "processes", n->processes);
	if (n->cpu >= 0)
		fprintf(o->f, "  %-4s %-22s %.1f%% of one CPU\n", "-",
			"uses now", n->cpu * 100);
	put_kinds(o, n);
	put_budget(o, n);
}

void scope_doctor_print(const struct scope_doctor *d, bool has_color, FILE *out)
{
	const struct out o = { out, has_color };
	char text[200];

	(void)snprintf(text, sizeof(text), "Host: Linux %s, %s", d->host.kernel,
		       d->host.arch);
	put_head(&o, text);
	put_checks(&o, &d->host.kernel_checks);
	fprintf(out, "\n");
	put_head(&o, "Capabilities");
	put_checks(&o, &d->host.caps);
	put_costs(&o, &d->cal);
	if (d->has_node) {
		put_node(&o, &d->node);
	} else if (d->nfound) {
		fprintf(out, "\n");
		put_head(&o, "Nodes: there are several; name one");
		for (size_t i = 0; i < d->nfound; i++)
			fprintf(out, "  %-8d%s %.80s\n", (int)d->found[i].pid,
				d->found[i].node, d->found[i].cmdline);
	} else {
		fprintf(out, "\nNo node runs here.\n");
	}
	fprintf(out, "\n");
	put_mark(&o, d->host_ok ? SCOPE_STATE_YES : SCOPE_STATE_NO);
	fprintf(out, "this host can watch nodes\n");
	if (!d->has_node)
		return;
	put_mark(&o, d->host_ok && d->node.is_ok ? SCOPE_STATE_YES :
						   SCOPE_STATE_NO);
	fprintf(out, "this node can be watched\n");
}
