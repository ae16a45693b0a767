/* SPDX-License-Identifier: MIT */
/*
 * The doctor's report for programs; scope-bpf-doctor(1) describes it. Keys are
 * added, never renamed.
 */
#include <errno.h>
#include <jansson.h>

#include "cli/cmd.h"
#include "cli/doctor.h"
#include "pipeline/budget.h"

static json_t *checks(const struct scope_checks *c)
{
	json_t *a = json_array();

	for (size_t i = 0; i < c->n; i++) {
		const struct scope_check *k = &c->list[i];
		json_t *o = json_pack("{s:s,s:s,s:s,s:b,s:s}", "id", k->id,
				      "title", k->title, "state",
				      scope_state_name(k->state), "needed",
				      k->is_needed, "value", k->value);

		if (*k->fix)
			(void)json_object_set_new(o, "fix",
						  json_string(k->fix));
		(void)json_array_append_new(a, o);
	}
	return a;
}

static json_t *figure(uint32_t ns)
{
	return ns ? json_integer(ns) : json_null();
}

static json_t *costs(const struct scope_calibration *c)
{
	json_t *traps = json_object(), *figures = json_object();

	for (unsigned i = 0; i < SCOPE_INSN_MAX; i++)
		(void)json_object_set_new(
			traps, scope_insn_name(i),
			json_pack("{s:o,s:b}", "ns", figure(c->trap[i]),
				  "emulated",
				  c->emulated & SCOPE_INSN_BIT(i) ? 1 : 0));
	for (unsigned i = 0; i < SCOPE_CAL_F_MAX; i++)
		(void)json_object_set_new(figures, scope_cal_figure_name(i),
					  figure(c->figure[i]));
	return json_pack("{s:s,s:o,s:o}", "from",
			 scope_calibration_from_name(c->from), "uprobe_ns",
			 traps, "ns", figures);
}

static json_t *sites(const struct scope_doctor_node *n, enum scope_kind kind,
		     const struct scope_calibration *cal)
{
	json_t *a = json_array();

	for (size_t i = 0; i < n->sites.n; i++) {
		const struct scope_attach_site *s = &n->sites.site[i];

		if (!(s->kinds & SCOPE_KIND_BIT(kind)))
			continue;
		(void)json_array_append_new(
			a,
			json_pack("{s:s,s:s,s:b,s:I}", "at", s->what, "insn",
				  scope_insn_name(s->insn), "emulated",
				  s->emulated, "ns",
				  (json_int_t)scope_calibration_cost(
					  cal, s, SCOPE_TERM_WORDS_DEFAULT)));
	}
	return a;
}

static json_t *event(const struct scope_doctor *d,
		     const struct scope_doctor_kind *k)
{
	const struct scope_doctor_node *n = &d->node;
	json_t *o = json_pack("{s:s,s:b,s:b}", "kind",
			      scope_kind_info(k->kind)->name, "needed",
			      k->is_wanted, "available", k->is_there);

	if (!k->is_there) {
		(void)json_object_set_new(o, "why", json_string(k->missing));
		(void)json_object_set_new(o, "fix", json_string(k->fix));
		return o;
	}
	(void)json_object_set_new(o, "source", json_string(k->source));
	(void)json_object_set_new(o, "sites", sites(n, k->kind, &d->cal));
	(void)json_object_set_new(o, "ns", json_integer((json_int_t)k->ns));
	if (!k->has_rate)
		return o;
	(void)json_object_set_new(o, "hits_per_second",
				  json_real(k->per_second));
	(void)json_object_set_new(o, "ns_per_second",
				  json_real(k->ns_per_second));
	if (n->cpu > 0)
		(void)json_object_set_new(
			o, "share", json_real(k->ns_per_second / 1e9 / n->cpu));
	return o;
}

static json_t *budget(const struct scope_doctor_node *n)
{
	json_t *a = json_array();

	for (unsigned g = 0; g < SCOPE_GROUP_MAX; g++) {
		const double part = n->budget.part_on[g];

		if (n->budget.group[g] < 0)
			continue;
		(void)json_array_append_new(
			a, json_pack("{s:s,s:f,s:s,s:f}", "group",
				     scope_budget_group_name(g), "cost",
				     n->budget.group[g], "state",
				     part >= 1 ? "on" :
				     part > 0  ? "duty" :
						 "off",
				     "share", part));
	}
	return json_pack("{s:f,s:f,s:f,s:o}", "share", n->budget.share, "cost",
			 n->budget.cost, "cost_without", n->budget.all,
			 "groups", a);
}

static json_t *node(const struct scope_doctor *d)
{
	const struct scope_doctor_node *n = &d->node;
	const struct scope_target_info *i;
	json_t *o = json_pack("{s:b,s:i,s:s,s:s,s:s,s:o}", "ok",
			      d->host_ok && n->is_ok, "pid", (int)n->pid,
			      "node", n->node, "command_line", n->cmdline,
			      "cgroup", n->place.cgroup, "checks",
			      checks(&n->checks));
	json_t *events;

	if (n->place.pid_inside)
		(void)json_object_set_new(o, "pid_inside",
					  json_integer(n->place.pid_inside));
	if (*n->place.container)
		(void)json_object_set_new(o, "container",
					  json_string(n->place.container));
	if (!n->target)
		return o;
	i = scope_target_info(n->target);
	events = json_array();
	for (size_t k = 0; k < n->nkinds; k++)
		(void)json_array_append_new(events, event(d, &n->kinds[k]));
	(void)json_object_update_missing(
		o, json_pack("{s:s,s:s,s:s,s:s,s:s,s:i,s:i,s:i,s:I}", "otp",
			     i->otp, "erts", i->erts, "flavor",
			     i->jit ? "jit" : "emu", "symbols", i->symbols,
			     "build_id", i->build_id, "schedulers",
			     (int)i->schedulers, "dirty_cpu", (int)i->dirty_cpu,
			     "dirty_io", (int)i->dirty_io, "processes",
			     (json_int_t)n->processes));
	if (n->cpu >= 0)
		(void)json_object_set_new(o, "cpu", json_real(n->cpu));
	if (n->measured_ns)
		(void)json_object_set_new(
			o, "measured_ns",
			json_integer((json_int_t)n->measured_ns));
	(void)json_object_set_new(o, "events", events);
	if (n->budget.share > 0)
		(void)json_object_set_new(o, "budget", budget(n));
	return o;
}

static json_t *found(const struct scope_doctor *d)
{
	json_t *a = json_array();

	for (size_t i = 0; i < d->nfound; i++)
		(void)json_array_append_new(
			a, json_pack("{s:i,s:s,s:s}", "pid",
				     (int)d->found[i].pid, "node",
				     d->found[i].node, "command_line",
				     d->found[i].cmdline));
	return a;
}

int scope_doctor_print_json(const struct scope_doctor *d, FILE *out)
{
	json_t *o = json_pack(
		"{s:s,s:b,s:{s:b,s:s,s:s,s:o,s:o,s:o}}", "version",
		SCOPE_VERSION, "ok",
		d->host_ok && (!d->has_node || d->node.is_ok), "host", "ok",
		d->host_ok, "kernel", d->host.kernel, "arch", d->host.arch,
		"checks", checks(&d->host.kernel_checks), "capabilities",
		checks(&d->host.caps), "costs", costs(&d->cal));
	int r = 0;

	if (!o)
		return -ENOMEM;
	(void)json_object_set_new(o, d->has_node ? "node" : "nodes",
				  d->has_node ? node(d) : found(d));
	if (json_dumpf(o, out, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) < 0 ||
	    fputc('\n', out) == EOF)
		r = -EIO;
	json_decref(o);
	return r;
}
