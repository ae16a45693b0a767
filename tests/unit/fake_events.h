/* SPDX-License-Identifier: MIT */
/* fake_events: one event of each kind, of a fake_vm's terms. */
#ifndef SCOPE_TESTS_FAKE_EVENTS_H
#define SCOPE_TESTS_FAKE_EVENTS_H

#include "beam/copy.h"
#include "fake_vm.h"

#define EVENTS_MAX 64

static struct fake fake;
static struct scope_event events[EVENTS_MAX];
static size_t nevents;

static uint64_t pid(unsigned n)
{
	return (uint64_t)n << 4 | 0x3;
}

static uint64_t port(unsigned n)
{
	return (uint64_t)n << 4 | 0x7;
}

static struct scope_event *event(enum scope_kind kind, unsigned of)
{
	struct scope_event *ev = &events[nevents++];

	*ev = (struct scope_event){
		.id = nevents,
		.ts_ns = 1795372800000000000ull + 999999999ull * nevents,
		.mono_ns = 512345678901ull + nevents,
		.kind = kind,
		.scheduler = of ? 1 : 0,
		.pid = of ? pid(of) : 0,
	};
	return ev;
}

static void add(struct scope_event *ev, enum scope_field_key key, uint64_t term)
{
	scope_event_add(ev, key)->term = term;
}

static void add_text(struct scope_event *ev, enum scope_field_key key,
		     const char *s)
{
	scope_event_add_text(ev, key, s, strlen(s));
}

static void add_mfa(struct scope_event *ev, enum scope_field_key key,
		    const char *module, const char *function, unsigned arity)
{
	scope_event_add(ev, key)->mfa = (struct scope_mfa){
		fake_atom(&fake, module), fake_atom(&fake, function), arity
	};
}

/* A word that points to nothing that was copied. */
static uint64_t missing(void)
{
	return 0x10000 | SCOPE_TAG_BOXED;
}

#define ADD(ev, sym, term) add(ev, SCOPE_FIELD_##sym, term)
#define ADD_U(ev, sym, v) scope_event_add_u(ev, SCOPE_FIELD_##sym, v)
#define ADD_TEXT(ev, sym, s) add_text(ev, SCOPE_FIELD_##sym, s)
#define ADD_MFA(ev, sym, m, f, a) add_mfa(ev, SCOPE_FIELD_##sym, m, f, a)

static void make_processes(void)
{
	uint64_t two[2] = { fake_int(1), fake_atom(&fake, "hello world") };
	uint64_t cut[2] = { fake_atom(&fake, "badarg"), missing() };
	struct scope_event *ev;

	ev = event(SCOPE_KIND_PROC_INFO, 10);
	ev->name = fake_atom(&fake, "Elixir.Shop.Cart");
	ev->scheduler = 0;
	ADD_MFA(ev, MFA, "proc_lib", "init_p", 5);
	ADD_MFA(ev, INITIAL_CALL, "Elixir.Shop.Cart", "init", 1);
	ADD(ev, PARENT, pid(9));
	ADD(ev, ANCESTORS, fake_list(&fake, two, 2, FAKE_NIL));
	ADD(ev, LABEL, fake_bin(&fake, "cart 7", 6));
	ev = event(SCOPE_KIND_PROC_SPAWN, 10);
	ADD(ev, CHILD, pid(11));
	ADD_MFA(ev, MFA, "a \"quoted\"\n", "fun", 2);
	ADD(ev, ARGS, fake_list(&fake, two, 2, FAKE_NIL));
	ADD_U(ev, LINK, 1);
	ADD_U(ev, MONITOR, 0);
	ev = event(SCOPE_KIND_PROC_EXIT, 11);
	ADD(ev, REASON, fake_tuple(&fake, cut, 2));
	ADD_U(ev, LIFETIME_NS, 12345);
	ADD_U(ev, REDUCTIONS, INT64_MAX);
	ev = event(SCOPE_KIND_PROC_EXIT_SIGNAL, 11);
	ADD(ev, TO, pid(10));
	ADD(ev, TO_NAME, fake_atom(&fake, "Elixir.Shop.Cart"));
	ADD(ev, REASON, fake_atom(&fake, "normal"));
	ADD_TEXT(ev, VIA, "link");
	for (enum scope_kind k = SCOPE_KIND_PROC_LINK;
	     k <= SCOPE_KIND_PROC_DEMONITOR; k++) {
		ev = event(k, 10);
		ADD(ev, TO, pid(12));
		if (k >= SCOPE_KIND_PROC_MONITOR)
			ADD(ev, REF, fake_ref(&fake, 1, 2, 3));
	}
	ev = event(SCOPE_KIND_PROC_DOWN, 10);
	ADD(ev, FROM, pid(12));
	ADD(ev, REASON, fake_atom(&fake, "noproc"));
	ADD(ev, REF, fake_ref(&fake, 1, 2, 3));
	ev = event(SCOPE_KIND_PROC_REGISTER, 10);
	ev->name = fake_atom(&fake, "cart");
	ADD(ev, REGISTERED, fake_atom(&fake, "cart"));
	ev = event(SCOPE_KIND_PROC_UNREGISTER, 0);
	ADD(ev, REGISTERED, fake_atom(&fake, "gone"));
	ADD(ev, PORT, port(5));
}

static void make_messages(void)
{
	uint64_t three[3] = { fake_atom(&fake, "$gen_call"), pid(10),
			      fake_bin(&fake, "na\xc3\xafve\0\x1b\"", 9) };
	struct scope_event *ev;
	struct scope_field *f;

	ev = event(SCOPE_KIND_MSG_SEND, 10);
	ev->name = fake_atom(&fake, "Elixir.Shop.Cart");
	ADD(ev, TO, pid(12));
	ADD(ev, TO_NAME, fake_atom(&fake, "db_pool"));
	ADD(ev, MSG, fake_tuple(&fake, three, 3));
	ADD_U(ev, MSG_WORDS, 14);
	f = scope_event_add(ev, SCOPE_FIELD_CORR);
	f->corr.addr = 0x7f3b95772788;
	f->corr.n = 1;
	ev = event(SCOPE_KIND_MSG_SEND, 0);
	ADD_TEXT(ev, FROM_KIND, "port");
	ADD(ev, PORT, port(5));
	ADD(ev, TO, pid(12));
	ADD_U(ev, DIST, 1);
	ADD_U(ev, ALIAS, 1);
	ADD(ev, ALIAS_REF, fake_ref(&fake, 4, 5, 6));
	ev = event(SCOPE_KIND_MSG_RECEIVE, 12);
	ADD(ev, FROM, pid(10));
	ADD(ev, MSG, fake_cons(&fake, fake_int(7), missing()));
	ADD_U(ev, WAIT_NS, 1500);
	ADD_U(ev, MAILBOX, 3);
	f = scope_event_add(ev, SCOPE_FIELD_CORR);
	f->corr.addr = 0;
	f->corr.n = 2;
	ADD_TEXT(ev, SURE, "order");
}

static void make_dist(void)
{
	uint64_t two[2] = { fake_int(1), fake_atom(&fake, "hello world") };
	struct scope_event *ev;

	ev = event(SCOPE_KIND_DIST_SEND, 10);
	ADD(ev, PEER, fake_atom(&fake, "db@host"));
	ADD_TEXT(ev, OP, "REG_SEND");
	ADD(ev, TO_WORD, fake_atom(&fake, "db_pool"));
	ADD(ev, MSG, fake_tuple(&fake, two, 2));
	ADD_U(ev, FRAGMENTS, 1);
	/* From then on the node has another name. */
	ev = event(SCOPE_KIND_DIST_NODE_UP, 0);
	ev->node = fake_atom(&fake, "a \"node\"@host");
	ADD(ev, PEER, ev->node);
	ADD_TEXT(ev, VISIBILITY, "visible");
	ADD_U(ev, SELF, 1);
	ev = event(SCOPE_KIND_DIST_RECEIVE, 12);
	ADD(ev, PEER, fake_atom(&fake, "db@host"));
	ADD_TEXT(ev, OP, "PAYLOAD_MONITOR_P_EXIT");
	ADD(ev, FROM, pid(13));
	ADD(ev, REASON, fake_atom(&fake, "normal"));
	ADD(ev, REF, fake_ref(&fake, 1, 2, 3));
	ADD_U(ev, BYTES, 57);
	ADD_U(ev, FRAGMENTS, 1);
	ev = event(SCOPE_KIND_DIST_NODE_DOWN, 0);
	ADD(ev, PEER, fake_atom(&fake, "db@host"));
	ADD_TEXT(ev, VISIBILITY, "hidden");
	ADD(ev, REASON, fake_atom(&fake, "connection_closed"));
}

static void make_others(void)
{
	struct scope_event *ev;

	ev = event(SCOPE_KIND_GC_START, 12);
	ADD_U(ev, HEAP_BEFORE, 233);
	ev = event(SCOPE_KIND_GC_END, 12);
	ADD_U(ev, MAJOR, 1);
	ADD_U(ev, HEAP_BEFORE, 233);
	ADD_U(ev, HEAP_AFTER, 34);
	ADD_U(ev, PAUSE_NS, 2100);
	ev = event(SCOPE_KIND_CODE_LOAD, 0);
	ADD_TEXT(ev, MODULE, "bad \xff\xc3 utf8");
	ADD_U(ev, FUNCTIONS, 8);
	ev = event(SCOPE_KIND_CODE_UNLOAD, 0);
	ADD_TEXT(ev, MODULE, "lists");
	ev = event(SCOPE_KIND_NODE_ATTACH, 0);
	ADD_TEXT(ev, OTP, "25");
	ADD_TEXT(ev, EVENTS, "{\"msg.send\":\"uprobe x\"}");
	(void)event(SCOPE_KIND_NODE_EXIT, 0);
	ev = event(SCOPE_KIND_LOSS, 0);
	ADD_TEXT(ev, CAUSE, "ring_full");
	ADD_TEXT(ev, OF, "msg.send");
	ADD_U(ev, CPU, 0);
	ADD_U(ev, COUNT, 120);
	ADD_U(ev, FROM_NS, 1795372800000000000ull);
	ADD_U(ev, TO_NS, 1795372801000000000ull);
	ev = event(SCOPE_KIND_BUDGET, 0);
	ADD_TEXT(ev, GROUP, "gc");
	ADD_TEXT(ev, KINDS, "gc.start,gc.end");
	ADD_TEXT(ev, BUDGET_STATE, "on");
	ADD_U(ev, SHARE, 1000000);
	ADD_U(ev, COST, 20049);
	ADD_U(ev, OFF_NS, 1795372800000000000ull);
	ADD_U(ev, BACK_NS, 1795372801000000000ull);
	ADD_TEXT(ev, MISSED, "{\"gc.end\":120}");
	ev = event(SCOPE_KIND_OVERFLOW, 0);
	ADD_TEXT(ev, CAUSE, "output_full");
	ADD_U(ev, OFF_NS, 1795372800000000000ull);
	ADD_U(ev, BACK_NS, 1795372801000000000ull);
	ADD_U(ev, KEPT, 250000);
	ADD_TEXT(ev, SAMPLED, "{\"msg.send\":120}");
	ev = event(SCOPE_KIND_SUMMARY, 0);
	ADD_TEXT(ev, LOST, "{\"msg.send\":{\"ring_full\":120}}");
}

static void make_scheduling(void)
{
	struct scope_event *ev;

	ev = event(SCOPE_KIND_SCHED_IN, 12);
	ADD_MFA(ev, MFA, "shop", "buy it", 2);
	ADD_U(ev, WAIT_NS, 900);
	ev = event(SCOPE_KIND_SCHED_OUT, 12);
	ADD_TEXT(ev, WHERE, "shop:buy it/2");
	ADD_U(ev, RUN_NS, 4100);
	ADD_TEXT(ev, STATE, "runnable");
	ADD_U(ev, REDUCTIONS, 4000);
	ADD_U(ev, DIRTY, 1);
	ev = event(SCOPE_KIND_PROC_HIBERNATE, 12);
	ADD_MFA(ev, MFA, "shop", "wake", 2);
	ADD(ev, ARGS, fake_list(&fake, (uint64_t[2]){ fake_int(1), pid(9) }, 2,
				FAKE_NIL));
	ADD_TEXT(ev, STATE, "hibernating");
	ADD_U(ev, HEAP_AFTER, 12);
	ADD_U(ev, SIZE_BEFORE, 233);
	ADD_U(ev, SIZE_AFTER, 12);
	ev = event(SCOPE_KIND_HEAP_GROW, 12);
	ADD_TEXT(ev, GC_REASON, "heap");
	ADD_U(ev, GREW, 0);
	ADD_U(ev, BLOCK_BEFORE, 610);
	ADD_U(ev, BLOCK_AFTER, 233);
	ADD_U(ev, NEED, 3);
	ev = event(SCOPE_KIND_CALL, 12);
	ADD_MFA(ev, MFA, "zlib", "deflate_nif", 4);
	ADD_U(ev, DURATION_NS, 12345);
	ADD_TEXT(ev, CALL_TYPE, "dirty_nif");
	ADD_U(ev, DIRTY, 1);
	ev = event(SCOPE_KIND_MSG_ATTEMPT, 12);
	ADD(ev, DEST, fake_atom(&fake, "db pool"));
	ADD(ev, MSG, fake_atom(&fake, "hello"));
	ADD_TEXT(ev, DROPPED, "noproc");
	ev = event(SCOPE_KIND_MSG_ATTEMPT, 12);
	ADD(ev, TO, pid(9));
	ADD(ev, DEST, fake_ref(&fake, 1, 2, 3));
	ADD(ev, MSG, missing());
	ADD_U(ev, ALIAS, 1);
}

static void make_timers(void)
{
	struct scope_event *ev;

	ev = event(SCOPE_KIND_TIMER_START, 10);
	ADD(ev, TO, pid(12));
	ADD(ev, MSG, fake_atom(&fake, "tick"));
	ADD(ev, REF, fake_ref(&fake, 1, 2, 3));
	ADD_U(ev, AFTER_NS, 1000000);
	ev = event(SCOPE_KIND_TIMER_CANCEL, 10);
	ADD(ev, REF, fake_ref(&fake, 1, 2, 3));
	ADD_U(ev, LEFT_NS, 1000000);
	ev = event(SCOPE_KIND_TIMER_TIMEOUT, 0);
	ADD(ev, TO, pid(12));
	ADD(ev, MSG, fake_atom(&fake, "tick"));
	ADD(ev, REF, fake_ref(&fake, 1, 2, 3));
}

static void make_tables(void)
{
	struct scope_event *ev;

	ev = event(SCOPE_KIND_ETS_NEW, 10);
	ADD(ev, TABLE, fake_ref(&fake, 1, 2, 3));
	ADD(ev, TABLE_NAME, fake_atom(&fake, "cart"));
	ADD_TEXT(ev, ETS_OP, "new/2");
	for (unsigned k = SCOPE_KIND_ETS_DELETE_TABLE; k <= SCOPE_KIND_ETS_DELETE;
	     k++) {
		ev = event(k, 10);
		ADD(ev, TABLE_ATOM, fake_atom(&fake, "cart"));
		if (k == SCOPE_KIND_ETS_INSERT)
			ADD(ev, OBJECT, fake_int(1));
		else if (k != SCOPE_KIND_ETS_DELETE_TABLE)
			ADD(ev, KEY, fake_int(1));
		ADD_TEXT(ev, ETS_OP, "f/2");
	}
	ev = event(SCOPE_KIND_ETS_UPDATE, 10);
	ADD(ev, TABLE_ATOM, fake_atom(&fake, "cart"));
	ADD(ev, KEY, fake_int(1));
	ADD_TEXT(ev, ETS_OP, "update_counter/3");
	ev = event(SCOPE_KIND_ETS_SELECT, 10);
	ADD_TEXT(ev, ETS_OP, "select/1");
}

static void make_ports(void)
{
	struct scope_event *ev;

	ev = event(SCOPE_KIND_PORT_OPEN, 10);
	ADD(ev, PORT, port(5));
	ADD_TEXT(ev, DRIVER, "spawn");
	ADD_TEXT(ev, COMMAND, "cat \"a file\"");
	ev = event(SCOPE_KIND_PORT_CLOSE, 10);
	ADD(ev, PORT, port(5));
	ADD(ev, REASON, fake_atom(&fake, "normal"));
	ev = event(SCOPE_KIND_PORT_COMMAND, 10);
	ADD(ev, PORT, port(6));
	ADD_TEXT(ev, DRIVER, "tcp_inet");
	ADD_U(ev, DATA_BYTES, 5);
	ADD(ev, DATA, fake_bin(&fake, "hello", 5));
	ADD_TEXT(ev, LOCAL, "10.0.0.2:40123");
	ADD_TEXT(ev, PEER_ADDR, "10.0.0.1:443");
	ev = event(SCOPE_KIND_PORT_CONTROL, 10);
	ADD(ev, PORT, port(6));
	ADD_U(ev, OP_NUMBER, 17);
	ADD_U(ev, CALL, 1);
	ev = event(SCOPE_KIND_PORT_INPUT, 10);
	ADD(ev, PORT, port(5));
	ADD_U(ev, EXIT_STATUS, 1);
	ev = event(SCOPE_KIND_PORT_OUTPUT, 10);
	ADD(ev, PORT, port(6));
	ADD_U(ev, DATA_BYTES, 5);
	ADD_TEXT(ev, PEER_ADDR, "[::1]:443");
}

/* All of them; -1: no memory. */
static int make_events(void)
{
	if (fake_init(&fake, 25) < 0)
		return -1;
	make_processes();
	make_messages();
	make_others();
	make_scheduling();
	make_dist();
	make_ports();
	make_timers();
	make_tables();
	for (size_t i = 0; i < nevents; i++)
		events[i].image = *fake_image(&fake);
	return 0;
}

/* Each with an image of its own, as a probe makes it. */
static inline void copy_images(void)
{
	static struct scope_copy copies[EVENTS_MAX];

	for (size_t i = 0; i < nevents; i++) {
		struct scope_event *ev = &events[i];

		(void)scope_copy_term(&fake.vm, FAKE_NIL, 256, &copies[i]);
		for (size_t f = 0; f < ev->nfields; f++) {
			enum scope_type type =
				scope_field_info(ev->fields[f].key)->type;

			if (type == SCOPE_T_IDENT || type == SCOPE_T_TERM ||
			    type == SCOPE_T_TERMS)
				(void)scope_copy_more(&fake.vm,
						      ev->fields[f].term, 256,
						      &copies[i]);
		}
		ev->image = copies[i].image;
	}
}

#endif
