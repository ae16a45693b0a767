/* SPDX-License-Identifier: MIT */
/* The text for Prometheus. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "export/metrics.h"

static char text[1 << 16];

static const char *put(const struct scope_metrics *const *nodes, size_t n)
{
	struct scope_buf b = scope_buf_of(text, sizeof(text) - 1);

	scope_metrics_put(nodes, n, &b);
	assert_false(b.full);
	return scope_buf_str(&b);
}

static bool has(const char *line)
{
	char with[512];

	(void)snprintf(with, sizeof(with), "\n%s\n", line);
	return strstr(text, with);
}

static void numbers_are_told(void **state)
{
	static struct scope_metrics m = {
		.attached_ns = 1,
		.os_pid = 42,
		.node = "shop@host",
		.otp = "27",
		.pod = "abc-1",
		.processes = 7,
		.atoms = SCOPE_METRICS_UNKNOWN,
		.node_cpu_ns = 61500000000,
		.run_queue = { 3, SCOPE_METRICS_UNKNOWN, 1 },
		.ets_tables = 21,
		.memory_ets = 4096,
		.memory_total = SCOPE_METRICS_UNKNOWN,
	};
	const struct scope_metrics *nodes[] = { &m };

	(void)state;
	m.delivered[SCOPE_KIND_MSG_SEND] = 5;
	m.lost[SCOPE_LOSS_RING][SCOPE_KIND_MSG_SEND] = 3;
	m.lost[SCOPE_LOSS_KERNEL][SCOPE_KIND_NONE] = 2;
	m.sampled[SCOPE_KIND_MSG_RECEIVE] = 9;
	(void)put(nodes, 1);
#define L "{node=\"shop@host\",os_pid=\"42\",pod_uid=\"abc-1\""
	assert_true(has("scope_bpf_up" L ",otp=\"27\"} 1"));
	assert_true(has("scope_bpf_events_delivered_total" L
			",kind=\"msg.send\"} 5"));
	assert_true(has("scope_bpf_events_sampled_total" L
			",kind=\"msg.receive\"} 9"));
	assert_true(has("scope_bpf_events_lost_total" L
			",kind=\"msg.send\",cause=\"ring_full\"} 3"));
	assert_true(has("scope_bpf_events_lost_total" L
			",kind=\"unknown\",cause=\"kernel_missed\"} 2"));
	assert_true(has("beam_processes" L "} 7"));
	assert_true(has("beam_cpu_seconds_total" L "} 61.500000000"));
	assert_true(has("beam_run_queue_length" L ",schedulers=\"normal\"} 3"));
	assert_true(has("beam_run_queue_length" L ",schedulers=\"dirty_io\"} 1"));
	assert_true(has("beam_ets_tables" L "} 21"));
	assert_true(has("beam_memory_bytes" L ",type=\"ets\"} 4096"));
	/* What can't be read is not there. */
	assert_null(strstr(text, "beam_atoms{"));
	assert_null(strstr(text, "schedulers=\"dirty_cpu\""));
	assert_null(strstr(text, "type=\"total\""));
}

static void a_budget_is_told(void **state)
{
	static struct scope_metrics m = {
		.attached_ns = 1,
		.os_pid = 42,
		.node = "n@h",
		.budget = 20000,
		.cost = 19500,
		.cost_factor = 1250,
	};
	const struct scope_metrics *nodes[] = { &m };

	(void)state;
	for (unsigned g = 0; g < SCOPE_GROUP_MAX; g++)
		m.group[g].on = SCOPE_METRICS_UNKNOWN;
	strcpy(m.group[SCOPE_GROUP_SEND].name, "send");
	m.group[SCOPE_GROUP_SEND].on = 0;
	m.group[SCOPE_GROUP_SEND].part_on = 12500;
	strcpy(m.group[SCOPE_GROUP_PROC].name, "proc");
	m.group[SCOPE_GROUP_PROC].on = 1;
	m.group[SCOPE_GROUP_PROC].part_on = 1000000;
	m.missed[SCOPE_KIND_MSG_SEND] = 77;
	(void)put(nodes, 1);
#define N "{node=\"n@h\",os_pid=\"42\""
	assert_true(has("scope_bpf_budget_ratio" N "} 0.020000"));
	assert_true(has("scope_bpf_cost_ratio" N "} 0.019500"));
	assert_true(has("scope_bpf_cost_factor" N "} 1.250000"));
	assert_true(has("scope_bpf_group_on" N ",group=\"send\"} 0"));
	assert_true(has("scope_bpf_group_on" N ",group=\"proc\"} 1"));
	assert_true(has("scope_bpf_group_on_ratio" N
			",group=\"send\"} 0.012500"));
	assert_true(has("scope_bpf_events_missed_total" N
			",kind=\"msg.send\"} 77"));
	assert_null(strstr(text, "group=\"ets\""));
	/* Without a limit there is nothing to tell. */
	m.budget = SCOPE_METRICS_UNKNOWN;
	(void)put(nodes, 1);
	assert_null(strstr(text, "scope_bpf_budget_ratio{"));
	assert_null(strstr(text, "scope_bpf_group_on{"));
}

static void names_are_escaped(void **state)
{
	static struct scope_metrics m = { .os_pid = 1, .node = "a\"b\\c\nd@h" };
	const struct scope_metrics *nodes[] = { &m };

	(void)state;
	(void)put(nodes, 1);
	assert_true(has("scope_bpf_up{node=\"a\\\"b\\\\c\\nd@h\",os_pid=\"1\"} 0"));
	/* One that is not watched has no numbers. */
	assert_null(strstr(text, "beam_processes{"));
}

/* Each line is a comment or a sample, and no family comes twice. */
static void the_text_is_well_formed(void **state)
{
	static struct scope_metrics a = { .attached_ns = 1, .node = "a@h" };
	static struct scope_metrics b = { .attached_ns = 1, .node = "b@h" };
	const struct scope_metrics *nodes[] = { &a, &b };
	unsigned families = 0, types = 0;

	(void)state;
	a.emitted[SCOPE_KIND_GC_END] = b.emitted[SCOPE_KIND_GC_END] = 1;
	(void)put(nodes, 2);
	for (char *line = text; *line;) {
		char *end = strchr(line, '\n'), name[128];
		int n = 0;

		assert_non_null(end);
		*end = '\0';
		if (sscanf(line, "# HELP %127s %n", name, &n) == 1) {
			assert_true(line[n] != '\0');
			families++;
		} else if (sscanf(line, "# TYPE %127s", name) == 1) {
			types++;
		} else {
			unsigned long long v;
			char *brace = strstr(line, "} ");

			assert_non_null(brace);
			assert_int_equal(sscanf(brace + 2, "%llu", &v), 1);
		}
		line = end + 1;
	}
	assert_int_equal(families, types);
	assert_in_range(families, 10, 100);
}

static void too_small_a_buffer_says_so(void **state)
{
	static struct scope_metrics m = { .attached_ns = 1 };
	const struct scope_metrics *nodes[] = { &m };
	struct scope_buf b = scope_buf_of(text, 100);

	(void)state;
	scope_metrics_put(nodes, 1, &b);
	assert_true(b.full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_told),
		cmocka_unit_test(a_budget_is_told),
		cmocka_unit_test(names_are_escaped),
		cmocka_unit_test(the_text_is_well_formed),
		cmocka_unit_test(too_small_a_buffer_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
