/* SPDX-License-Identifier: MIT */
#include "pipeline/report.h"

#include <string.h>
#include <sys/resource.h>

#include "base/buf.h"
#include "pipeline/trace.h"

void scope_report_plain(struct scope_event *ev, enum scope_kind kind,
			uint64_t now_ns, int64_t wall_offset_ns)
{
	memset(ev, 0, sizeof(*ev));
	ev->kind = kind;
	ev->mono_ns = now_ns;
	ev->ts_ns = now_ns + (uint64_t)wall_offset_ns;
}

#define add_text(ev, key, s) scope_event_add_text(ev, key, s, strlen(s))

void scope_report_output_loss(struct scope_event *ev, enum scope_loss cause,
			      unsigned of,
			      uint64_t count, uint64_t since_ns,
			      uint64_t now_ns, int64_t wall_offset_ns)
{
	scope_report_plain(ev, SCOPE_KIND_LOSS, now_ns, wall_offset_ns);
	add_text(ev, SCOPE_FIELD_CAUSE, scope_loss_name(cause));
	add_text(ev, SCOPE_FIELD_OF, scope_kind_info(of)->name);
	add_text(ev, SCOPE_FIELD_STAGE, "output");
	scope_event_add_u(ev, SCOPE_FIELD_COUNT, count);
	scope_event_add_u(ev, SCOPE_FIELD_FROM_NS,
			  since_ns + (uint64_t)wall_offset_ns);
	scope_event_add_u(ev, SCOPE_FIELD_TO_NS,
			  now_ns + (uint64_t)wall_offset_ns);
}

/* Append "key": to an object that is open. Keys and texts are our own: plain
 * ASCII, nothing to escape. */
static void put_key(struct scope_buf *b, const char *key)
{
	if (b->len && b->p[b->len - 1] != '{')
		scope_buf_char(b, ',');
	scope_buf_printf(b, "\"%s\":", key);
}

static void add_json(struct scope_event *ev, enum scope_field_key key,
		     const struct scope_buf *b)
{
	scope_event_add_text(ev, key, b->p, b->len);
}

static void add_place(struct scope_event *ev, const struct scope_place *p)
{
	const struct {
		enum scope_field_key key;
		const char *text;
	} texts[] = {
		{ SCOPE_FIELD_CONTAINER_ID, p->container },
		{ SCOPE_FIELD_CONTAINER_NAME, p->name },
		{ SCOPE_FIELD_RUNTIME, p->runtime },
		{ SCOPE_FIELD_POD_UID, p->pod },
		{ SCOPE_FIELD_CGROUP, p->cgroup },
	};

	if (p->pid_inside)
		scope_event_add_u(ev, SCOPE_FIELD_OS_PID_NS,
				  (uint64_t)p->pid_inside);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (*texts[i].text)
			add_text(ev, texts[i].key, texts[i].text);
}

void scope_report_attach(struct scope_report *r, struct scope_event *ev,
			 struct scope_target *t, struct scope_probe *p,
			 scope_kindset wanted, uint64_t now_ns,
			 int64_t wall_offset_ns)
{
	const struct scope_target_info *info = scope_target_info(t);
	struct scope_buf on = scope_buf_of(r->a, sizeof(r->a));
	struct scope_buf off = scope_buf_of(r->b, sizeof(r->b));
	struct scope_buf limits = scope_buf_of(r->c, sizeof(r->c));
	struct scope_buf stats = scope_buf_of(r->d, sizeof(r->d));
	enum scope_transport transport;
	const char *buffers_why;
	uint64_t bytes;
	unsigned buffers;

	scope_report_plain(ev, SCOPE_KIND_NODE_ATTACH, now_ns, wall_offset_ns);
	add_text(ev, SCOPE_FIELD_OTP, info->otp);
	add_text(ev, SCOPE_FIELD_ERTS, info->erts);
	add_text(ev, SCOPE_FIELD_FLAVOR, info->jit ? "jit" : "emu");
	add_place(ev, info->place);
	scope_buf_char(&on, '{');
	scope_buf_char(&off, '{');
	scope_buf_char(&limits, '{');
	for (unsigned k = 1; k < SCOPE_KIND_MAX; k++) {
		const char *src = scope_probe_source(p, k);
		const char *why = scope_probe_missing(p, k);
		const char *not_told = scope_probe_limits(p, k);

		if (!SCOPE_KIND_IS_WIRE(k) || !((wanted >> k) & 1) ||
		    !scope_kind_info(k)->name)
			continue;
		if (src) {
			put_key(&on, scope_kind_info(k)->name);
			scope_buf_printf(&on, "\"%s\"", src);
		} else {
			put_key(&off, scope_kind_info(k)->name);
			scope_buf_printf(&off, "\"%s\"", why ? why : "no source");
		}
		if (not_told) {
			put_key(&limits, scope_kind_info(k)->name);
			scope_buf_printf(&limits, "\"%s\"", not_told);
		}
	}
	if (wanted & SCOPE_KIND_BIT(SCOPE_KIND_PROC_INFO)) {
		put_key(info->no_layout ? &off : &on, "proc.info");
		if (info->no_layout)
			scope_buf_printf(&off, "\"no USDT probe tells it, and "
					       "%s\"",
					 info->no_layout);
		else
			scope_buf_lit(&on, "\"memory\"");
	}
	scope_buf_char(&on, '}');
	scope_buf_char(&off, '}');
	add_json(ev, SCOPE_FIELD_EVENTS, &on);
	if (off.len > 2)
		add_json(ev, SCOPE_FIELD_UNAVAILABLE, &off);
	scope_buf_char(&limits, '}');
	if (limits.len > 2)
		add_json(ev, SCOPE_FIELD_LIMITS, &limits);
	transport = scope_probe_transport(p, &buffers, &bytes, &buffers_why);
	scope_buf_printf(&stats,
			 "{\"transport\":\"%s\",\"buffers\":%u,"
			 "\"buffer_bytes\":%llu,"
			 "\"transport_why\":\"%s\","
			 "\"links\":\"%s\",\"calibration\":\"%s\","
			 "\"build_id\":\"%s\","
			 "\"schedulers\":%u,\"dirty_cpu\":%u,\"dirty_io\":%u}",
			 transport == SCOPE_TRANSPORT_PERF ? "perf" : "ring",
			 buffers, (unsigned long long)bytes, buffers_why,
			 scope_probe_link_kind(p),
			 scope_probe_calibration(p),
			 info->build_id,
			 info->schedulers, info->dirty_cpu, info->dirty_io);
	add_json(ev, SCOPE_FIELD_STATS, &stats);
}

static void put_kinds(struct scope_buf *b, const uint64_t *counts)
{
	scope_buf_char(b, '{');
	for (unsigned k = 0; k < SCOPE_KIND_MAX; k++) {
		if (!counts[k] || k == SCOPE_KIND_LOSS ||
		    k == SCOPE_KIND_SUMMARY)
			continue;
		put_key(b, k ? scope_kind_info(k)->name : "any");
		scope_buf_u64(b, counts[k]);
	}
	scope_buf_char(b, '}');
}

void scope_report_summary(struct scope_report *r, struct scope_event *ev,
			  const struct scope_run_totals *totals,
			  const struct scope_trace *trace, uint64_t late,
			  uint64_t cpu_ns, uint64_t now_ns,
			  int64_t wall_offset_ns)
{
	struct scope_buf em = scope_buf_of(r->a, sizeof(r->a));
	struct scope_buf de = scope_buf_of(r->b, sizeof(r->b));
	struct scope_buf lo = scope_buf_of(r->c, sizeof(r->c));
	struct scope_buf st = scope_buf_of(r->d, sizeof(r->d));
	struct scope_buf mi = scope_buf_of(r->e, sizeof(r->e));
	struct scope_buf sa = scope_buf_of(r->f, sizeof(r->f));
	struct scope_buf tr = scope_buf_of(r->g, sizeof(r->g));
	struct rusage ru = { 0 };

	scope_report_plain(ev, SCOPE_KIND_SUMMARY, now_ns, wall_offset_ns);
	put_kinds(&em, totals->emitted);
	put_kinds(&de, totals->delivered);
	scope_buf_char(&lo, '{');
	for (unsigned i = 0; i < SCOPE_LOSS_MAX; i++) {
		bool any = false;

		for (unsigned k = 0; k < SCOPE_KIND_MAX; k++)
			any |= totals->lost[i][k] != 0;
		if (!any)
			continue;
		put_key(&lo, scope_loss_name(i));
		put_kinds(&lo, totals->lost[i]);
	}
	scope_buf_char(&lo, '}');
	(void)getrusage(RUSAGE_SELF, &ru);
	scope_buf_char(&st, '{');
	if (totals->factor > 0)
		scope_buf_printf(&st, "\"cost\":%.6f,\"cost_factor\":%.3f,",
				 totals->cost, totals->factor);
	scope_buf_printf(&st,
			 "\"lost_all\":%llu,\"late\":%llu,\"reader_cpu_ns\":"
			 "%llu,\"cpu_ns\":%llu,\"max_rss_bytes\":%llu}",
			 (unsigned long long)totals->lost_all,
			 (unsigned long long)late, (unsigned long long)cpu_ns,
			 (unsigned long long)(ru.ru_utime.tv_sec +
					      ru.ru_stime.tv_sec) *
					 1000000000u +
				 (unsigned long long)(ru.ru_utime.tv_usec +
						      ru.ru_stime.tv_usec) *
					 1000u,
			 (unsigned long long)ru.ru_maxrss * 1024u);
	add_json(ev, SCOPE_FIELD_EMITTED, &em);
	add_json(ev, SCOPE_FIELD_DELIVERED, &de);
	add_json(ev, SCOPE_FIELD_LOST, &lo);
	put_kinds(&sa, totals->sampled);
	if (sa.len > 2)
		add_json(ev, SCOPE_FIELD_SAMPLED, &sa);
	put_kinds(&mi, totals->missed);
	if (mi.len > 2)
		add_json(ev, SCOPE_FIELD_MISSED, &mi);
	if (trace) {
		scope_trace_put_json(trace, &tr);
		add_json(ev, SCOPE_FIELD_TRACED, &tr);
	}
	add_json(ev, SCOPE_FIELD_STATS, &st);
}
