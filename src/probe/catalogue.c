/* SPDX-License-Identifier: MIT */
#include "probe/catalogue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/site.h"
#include "scope/ets.h"

/* Code looked at to pick a site in a function whose size is not known. */
#define CODE_BYTES 96
#define CALLS_MAX 8 /* of one function in another */

struct source {
	enum scope_site site;
	enum scope_prog prog;
	enum scope_group group;
	enum scope_kind kind;
	unsigned nargs;	    /* argument registers that the program reads */
	bool returns;	    /* the program pairs entry and return */
	unsigned min, max;  /* OTP releases; 0: any */
	const char *symbol; /* "~part": a mangled name; NULL: see site */
};

#define K(k) SCOPE_KIND_##k
/* Where a kind has several lines that hold for a release, it needs them all. */
static const struct source sources[] = {
	{ SCOPE_SITE_REGISTER, SCOPE_PROG_CALL, SCOPE_GROUP_PROC,
	  K(PROC_REGISTER), 3, true, 0, 0, "erts_register_name" },
	{ SCOPE_SITE_UNREGISTER, SCOPE_PROG_CALL, SCOPE_GROUP_PROC,
	  K(PROC_UNREGISTER), 4, true, 0, 0, "erts_unregister_name" },
	{ SCOPE_SITE_SPAWN, SCOPE_PROG_CALL, SCOPE_GROUP_PROC, K(PROC_SPAWN), 5,
	  true, 0, 0, "erl_create_process" },
	{ SCOPE_SITE_EXIT, SCOPE_PROG_PROC, SCOPE_GROUP_PROC, K(PROC_EXIT), 2,
	  false, 0, 0, "erts_do_exit_process" },
	{ SCOPE_SITE_EXIT_SIGNAL, SCOPE_PROG_PROC, SCOPE_GROUP_PROC,
	  K(PROC_EXIT_SIGNAL), 4, false, 0, 0, "erts_proc_sig_send_exit" },
	{ SCOPE_SITE_LINK_EXIT, SCOPE_PROG_PROC, SCOPE_GROUP_PROC,
	  K(PROC_EXIT_SIGNAL), 4, false, 0, 0,
	  "erts_proc_sig_send_link_exit" },
	{ SCOPE_SITE_LINK, SCOPE_PROG_LINK, SCOPE_GROUP_LINK, K(PROC_LINK), 4,
	  false, 24, 0, "erts_proc_sig_send_link" },
	{ SCOPE_SITE_UNLINK, SCOPE_PROG_LINK, SCOPE_GROUP_LINK, K(PROC_UNLINK),
	  3, false, 24, 0, "erts_proc_sig_send_unlink" },
	{ SCOPE_SITE_MONITOR, SCOPE_PROG_LINK, SCOPE_GROUP_LINK,
	  K(PROC_MONITOR), 4, false, 24, 0, "erts_proc_sig_send_monitor" },
	{ SCOPE_SITE_DEMONITOR, SCOPE_PROG_LINK, SCOPE_GROUP_LINK,
	  K(PROC_DEMONITOR), 4, false, 24, 0, "erts_proc_sig_send_demonitor" },
	{ SCOPE_SITE_DOWN, SCOPE_PROG_LINK, SCOPE_GROUP_LINK, K(PROC_DOWN), 4,
	  false, 24, 0, "erts_proc_sig_send_monitor_down" },
	{ SCOPE_SITE_LINK_23, SCOPE_PROG_LINK, SCOPE_GROUP_LINK, K(PROC_LINK),
	  3, false, 0, 23, "erts_proc_sig_send_link" },
	{ SCOPE_SITE_UNLINK_23, SCOPE_PROG_LINK, SCOPE_GROUP_LINK,
	  K(PROC_UNLINK), 2, false, 0, 23, "erts_proc_sig_send_unlink" },
	{ SCOPE_SITE_MONITOR_23, SCOPE_PROG_LINK, SCOPE_GROUP_LINK,
	  K(PROC_MONITOR), 2, false, 0, 23, "erts_proc_sig_send_monitor" },
	{ SCOPE_SITE_DEMONITOR_23, SCOPE_PROG_LINK, SCOPE_GROUP_LINK,
	  K(PROC_DEMONITOR), 1, false, 0, 23, "erts_proc_sig_send_demonitor" },
	{ SCOPE_SITE_DOWN_23, SCOPE_PROG_LINK, SCOPE_GROUP_LINK, K(PROC_DOWN),
	  2, false, 0, 23, "erts_proc_sig_send_monitor_down" },
	{ SCOPE_SITE_QUEUE_TAIL_23, SCOPE_PROG_SEND, SCOPE_GROUP_SEND,
	  K(MSG_SEND), 5, false, 0, 23, NULL },
	{ SCOPE_SITE_QUEUE_TAIL, SCOPE_PROG_SEND_TAIL, SCOPE_GROUP_SEND,
	  K(MSG_SEND), 6, false, 24, 0, NULL },
	{ SCOPE_SITE_QUEUE_DIST, SCOPE_PROG_SEND, SCOPE_GROUP_SEND, K(MSG_SEND),
	  6, false, 0, 0, "erts_queue_dist_message" },
	{ SCOPE_SITE_ALIAS, SCOPE_PROG_SEND, SCOPE_GROUP_SEND, K(MSG_SEND), 4,
	  false, 24, 28, "erts_proc_sig_send_to_alias" },
	{ SCOPE_SITE_ALIAS, SCOPE_PROG_SEND, SCOPE_GROUP_SEND, K(MSG_SEND), 4,
	  false, 29, 0, "erts_proc_sig_send_altact_msg" },
	{ SCOPE_SITE_ALIAS_DIST, SCOPE_PROG_SEND, SCOPE_GROUP_SEND, K(MSG_SEND),
	  4, false, 24, 28, "erts_proc_sig_send_dist_to_alias" },
	{ SCOPE_SITE_ALIAS_DIST, SCOPE_PROG_SEND, SCOPE_GROUP_SEND, K(MSG_SEND),
	  4, false, 29, 0, "erts_proc_sig_send_dist_altact_msg" },
	{ SCOPE_SITE_RECEIVE, SCOPE_PROG_RECEIVE, SCOPE_GROUP_RECEIVE,
	  K(MSG_RECEIVE), 1, false, 24, 0, "~beam_jit_remove_message" },
	{ SCOPE_SITE_SAVE_MESSAGE, SCOPE_PROG_RECEIVE_SAVED,
	  SCOPE_GROUP_RECEIVE, K(MSG_RECEIVE), 2, false, 0, 0,
	  "erts_save_message_in_proc" },
	{ SCOPE_SITE_GC, SCOPE_PROG_CALL, SCOPE_GROUP_GC, K(GC_END), 3, true, 0,
	  0, NULL },
	{ SCOPE_SITE_GC, SCOPE_PROG_CALL, SCOPE_GROUP_GC, K(GC_START), 3, true,
	  0, 0, NULL },
	{ SCOPE_SITE_GC, SCOPE_PROG_CALL, SCOPE_GROUP_GC, K(HEAP_GROW), 3, true,
	  0, 0, NULL },
	{ SCOPE_SITE_HIBERNATE, SCOPE_PROG_CALL, SCOPE_GROUP_PROC,
	  K(PROC_HIBERNATE), 2, true, 0, 28, "erts_hibernate" },
	{ SCOPE_SITE_HIBERNATE_29, SCOPE_PROG_CALL, SCOPE_GROUP_PROC,
	  K(PROC_HIBERNATE), 3, true, 29, 0, "erts_hibernate" },
	{ SCOPE_SITE_JIT_CODE, SCOPE_PROG_CODE, SCOPE_GROUP_CODE, K(CODE_LOAD),
	  0, false, 24, 0, "__jit_debug_register_code" },
	{ SCOPE_SITE_UPDATE_RANGES, SCOPE_PROG_CODE, SCOPE_GROUP_CODE,
	  K(CODE_LOAD), 2, false, 0, 0, "erts_update_ranges" },
	{ SCOPE_SITE_JIT_CODE, SCOPE_PROG_CODE, SCOPE_GROUP_CODE,
	  K(CODE_UNLOAD), 0, false, 26, 0, "__jit_debug_register_code" },
	{ SCOPE_SITE_DIST_SEND, SCOPE_PROG_DIST, SCOPE_GROUP_DIST, K(DIST_SEND),
	  1, false, 0, 0, "erts_encode_ext_dist_header_setup" },
	{ SCOPE_SITE_DIST_RECEIVE, SCOPE_PROG_DIST, SCOPE_GROUP_DIST,
	  K(DIST_RECEIVE), 2, false, 0, 0, "erts_decode_dist_ext" },
	{ SCOPE_SITE_CONNECTED, SCOPE_PROG_NODE, SCOPE_GROUP_PROC,
	  K(DIST_NODE_UP), 3, false, 0, 0, "erts_set_dist_entry_connected" },
	{ SCOPE_SITE_THIS_NODE, SCOPE_PROG_NODE, SCOPE_GROUP_PROC,
	  K(DIST_NODE_UP), 2, false, 0, 0, "erts_set_this_node" },
	{ SCOPE_SITE_NET_EXITS, SCOPE_PROG_NODE, SCOPE_GROUP_PROC,
	  K(DIST_NODE_DOWN), 2, false, 0, 0, "erts_do_net_exits" },
	{ SCOPE_SITE_THIS_NODE, SCOPE_PROG_NODE, SCOPE_GROUP_PROC,
	  K(DIST_NODE_DOWN), 2, false, 0, 0, "erts_set_this_node" },
	{ SCOPE_SITE_PURGE, SCOPE_PROG_CALL, SCOPE_GROUP_PROC, K(CODE_UNLOAD),
	  2, true, 0, 0, NULL },
	{ SCOPE_SITE_SCHEDULE, SCOPE_PROG_SCHED, SCOPE_GROUP_SCHED, K(SCHED_IN),
	  3, true, 0, 0, "erts_schedule" },
	{ SCOPE_SITE_SCHEDULE, SCOPE_PROG_SCHED, SCOPE_GROUP_SCHED,
	  K(SCHED_OUT), 3, true, 0, 0, "erts_schedule" },
	{ SCOPE_SITE_RUNNABLE, SCOPE_PROG_SCHED, SCOPE_GROUP_SCHED, K(SCHED_IN),
	  1, false, 0, 0, "erts_schedule_process" },
	{ SCOPE_SITE_SPAWNED, SCOPE_PROG_SCHED, SCOPE_GROUP_SCHED, K(SCHED_IN),
	  0, true, 0, 0, "erl_create_process" },
	{ SCOPE_SITE_SUSPEND, SCOPE_PROG_SCHED, SCOPE_GROUP_SCHED, K(SCHED_IN),
	  2, false, 0, 0, NULL },
	{ SCOPE_SITE_DIRTY_NIF, SCOPE_PROG_NATIVE, SCOPE_GROUP_CALL, K(CALL), 3,
	  true, 0, 0, "erts_call_dirty_nif" },
	{ SCOPE_SITE_DIRTY_BIF, SCOPE_PROG_NATIVE, SCOPE_GROUP_CALL, K(CALL), 3,
	  true, 0, 0, "erts_call_dirty_bif" },
	{ SCOPE_SITE_CALL_NIF, SCOPE_PROG_NATIVE, SCOPE_GROUP_CALL, K(CALL), 2,
	  true, 24, 0, "~beam_jit_call_nif" },
	{ SCOPE_SITE_CALL_BIF, SCOPE_PROG_NATIVE, SCOPE_GROUP_CALL, K(CALL), 1,
	  true, 24, 0, "~beam_jit_call_bif" },
	{ SCOPE_SITE_CALL_NIF_23, SCOPE_PROG_NATIVE, SCOPE_GROUP_CALL, K(CALL),
	  2, false, 0, 0, "erts_pre_nif" },
	{ SCOPE_SITE_CALL_NIF_23, SCOPE_PROG_NATIVE_DONE, SCOPE_GROUP_CALL,
	  K(CALL), 0, false, 0, 0, "erts_post_nif" },
	{ SCOPE_SITE_CALL_BIF_23, SCOPE_PROG_NATIVE, SCOPE_GROUP_CALL, K(CALL),
	  1, false, 0, 0, "process_main" },
	{ SCOPE_SITE_SEND, SCOPE_PROG_ATTEMPT, SCOPE_GROUP_ATTEMPT,
	  K(MSG_ATTEMPT), 3, true, 0, 0, "erl_send" },
	{ SCOPE_SITE_SEND_3, SCOPE_PROG_ATTEMPT, SCOPE_GROUP_ATTEMPT,
	  K(MSG_ATTEMPT), 2, true, 0, 0, NULL },
	{ SCOPE_SITE_HAND_PROCESS, SCOPE_PROG_ATTEMPT, SCOPE_GROUP_ATTEMPT,
	  K(MSG_ATTEMPT), 4, false, 0, 0, "erts_send_message" },
	{ SCOPE_SITE_HAND_PORT, SCOPE_PROG_ATTEMPT, SCOPE_GROUP_ATTEMPT,
	  K(MSG_ATTEMPT), 3, false, 0, 0, "erts_port_command" },
	{ SCOPE_SITE_PORT_OPEN, SCOPE_PROG_PORT_CALL, SCOPE_GROUP_PORT,
	  K(PORT_OPEN), 3, true, 0, 0, "erts_open_driver" },
	{ SCOPE_SITE_PORT_CREATE, SCOPE_PROG_PORT_CALL, SCOPE_GROUP_PORT,
	  K(PORT_OPEN), 3, true, 0, 0, "driver_create_port" },
	{ SCOPE_SITE_PORT_CLOSE, SCOPE_PROG_PORT_CALL, SCOPE_GROUP_PORT,
	  K(PORT_CLOSE), 3, true, 0, 0, "erts_deliver_port_exit" },
	{ SCOPE_SITE_PORT_COMMAND, SCOPE_PROG_PORT_CALL, SCOPE_GROUP_PORT,
	  K(PORT_COMMAND), 5, true, 0, 0, "erts_port_output" },
	{ SCOPE_SITE_PORT_CONTROL, SCOPE_PROG_PORT, SCOPE_GROUP_PORT,
	  K(PORT_CONTROL), 4, false, 0, 0, "erts_port_control" },
	{ SCOPE_SITE_PORT_CALL, SCOPE_PROG_PORT, SCOPE_GROUP_PORT,
	  K(PORT_CONTROL), 4, false, 0, 0, "erts_port_call" },
	{ SCOPE_SITE_PORT_OUTPUT2, SCOPE_PROG_PORT, SCOPE_GROUP_PORT,
	  K(PORT_INPUT), 5, false, 0, 0, "driver_output2" },
	{ SCOPE_SITE_PORT_BINARY, SCOPE_PROG_PORT, SCOPE_GROUP_PORT,
	  K(PORT_INPUT), 6, false, 0, 0, "driver_output_binary" },
	{ SCOPE_SITE_PORT_OUTPUTV, SCOPE_PROG_PORT, SCOPE_GROUP_PORT,
	  K(PORT_INPUT), 5, false, 0, 0, "driver_outputv" },
	{ SCOPE_SITE_PORT_TERM, SCOPE_PROG_PORT, SCOPE_GROUP_PORT,
	  K(PORT_INPUT), 4, false, 0, 0, NULL },
	{ SCOPE_SITE_PORT_STATUS, SCOPE_PROG_PORT, SCOPE_GROUP_PORT,
	  K(PORT_INPUT), 2, false, 0, 0, "driver_report_exit" },
	{ SCOPE_SITE_DRIVER_OUTPUT, SCOPE_PROG_PORT, SCOPE_GROUP_PORT,
	  K(PORT_OUTPUT), 3, false, 0, 0, NULL },
	{ SCOPE_SITE_START_TIMER_3, SCOPE_PROG_TIMER_CALL, SCOPE_GROUP_TIMER,
	  K(TIMER_START), 2, true, 0, 0, "erlang:start_timer/3" },
	{ SCOPE_SITE_START_TIMER_4, SCOPE_PROG_TIMER_CALL, SCOPE_GROUP_TIMER,
	  K(TIMER_START), 2, true, 0, 0, "erlang:start_timer/4" },
	{ SCOPE_SITE_SEND_AFTER_3, SCOPE_PROG_TIMER_CALL, SCOPE_GROUP_TIMER,
	  K(TIMER_START), 2, true, 0, 0, "erlang:send_after/3" },
	{ SCOPE_SITE_SEND_AFTER_4, SCOPE_PROG_TIMER_CALL, SCOPE_GROUP_TIMER,
	  K(TIMER_START), 2, true, 0, 0, "erlang:send_after/4" },
	{ SCOPE_SITE_RECEIVE_TIMER, SCOPE_PROG_TIMER, SCOPE_GROUP_TIMER,
	  K(TIMER_START), 2, false, 0, 0, "erts_set_proc_timer_term" },
	{ SCOPE_SITE_RECEIVE_TIMER_23, SCOPE_PROG_TIMER, SCOPE_GROUP_TIMER,
	  K(TIMER_START), 2, false, 0, 0, "erts_set_proc_timer_uword" },
	{ SCOPE_SITE_CANCEL_TIMER_1, SCOPE_PROG_TIMER_CALL, SCOPE_GROUP_TIMER,
	  K(TIMER_CANCEL), 2, true, 0, 0, "erlang:cancel_timer/1" },
	{ SCOPE_SITE_CANCEL_TIMER_2, SCOPE_PROG_TIMER_CALL, SCOPE_GROUP_TIMER,
	  K(TIMER_CANCEL), 2, true, 0, 0, "erlang:cancel_timer/2" },
	{ SCOPE_SITE_TIMER_FIRED, SCOPE_PROG_TIMER, SCOPE_GROUP_TIMER,
	  K(TIMER_TIMEOUT), 3, false, 0, 0, "bif_timer_timeout" },
	{ SCOPE_SITE_ETS_NEW, SCOPE_PROG_ETS_NEW, SCOPE_GROUP_ETS, K(ETS_NEW),
	  2, true, 0, 0, "ets:new/2" },
	{ SCOPE_SITE_ETS, SCOPE_PROG_ETS, SCOPE_GROUP_ETS, K(ETS_DELETE_TABLE), 3,
	  false, 0, 0, NULL },
	{ SCOPE_SITE_ETS_23, SCOPE_PROG_ETS_23, SCOPE_GROUP_ETS, K(ETS_DELETE_TABLE), 3,
	  true, 0, 0, NULL },
	{ SCOPE_SITE_ETS, SCOPE_PROG_ETS, SCOPE_GROUP_ETS, K(ETS_LOOKUP), 3,
	  false, 0, 0, NULL },
	{ SCOPE_SITE_ETS_23, SCOPE_PROG_ETS_23, SCOPE_GROUP_ETS, K(ETS_LOOKUP), 3,
	  true, 0, 0, NULL },
	{ SCOPE_SITE_ETS, SCOPE_PROG_ETS, SCOPE_GROUP_ETS, K(ETS_INSERT), 3,
	  false, 0, 0, NULL },
	{ SCOPE_SITE_ETS_23, SCOPE_PROG_ETS_23, SCOPE_GROUP_ETS, K(ETS_INSERT), 3,
	  true, 0, 0, NULL },
	{ SCOPE_SITE_ETS, SCOPE_PROG_ETS, SCOPE_GROUP_ETS, K(ETS_DELETE), 3,
	  false, 0, 0, NULL },
	{ SCOPE_SITE_ETS_23, SCOPE_PROG_ETS_23, SCOPE_GROUP_ETS, K(ETS_DELETE), 3,
	  true, 0, 0, NULL },
	{ SCOPE_SITE_ETS, SCOPE_PROG_ETS, SCOPE_GROUP_ETS, K(ETS_UPDATE), 3,
	  false, 0, 0, NULL },
	{ SCOPE_SITE_ETS_23, SCOPE_PROG_ETS_23, SCOPE_GROUP_ETS, K(ETS_UPDATE), 3,
	  true, 0, 0, NULL },
	{ SCOPE_SITE_ETS, SCOPE_PROG_ETS, SCOPE_GROUP_ETS, K(ETS_SELECT), 3,
	  false, 0, 0, NULL },
	{ SCOPE_SITE_ETS_23, SCOPE_PROG_ETS_23, SCOPE_GROUP_ETS, K(ETS_SELECT), 3,
	  true, 0, 0, NULL },
};

/* The functions that put messages into a queue, where they have no common
 * tail: nargs as the site's comment in scope/site.h. */
static const struct {
	enum scope_site site;
	enum scope_prog prog;
	unsigned nargs;
	const char *symbol;
} queues[] = {
	{ SCOPE_SITE_QUEUE_MESSAGE, SCOPE_PROG_SEND_MESSAGE, 5,
	  "erts_queue_message" },
	{ SCOPE_SITE_QUEUE_MESSAGE, SCOPE_PROG_SEND_MESSAGE, 5,
	  "erts_queue_message_token" },
	{ SCOPE_SITE_QUEUE_PROC, SCOPE_PROG_SEND_PROC, 5,
	  "erts_queue_proc_message" },
	{ SCOPE_SITE_QUEUE_PROCS, SCOPE_PROG_SEND, 6,
	  "erts_queue_proc_messages" },
};

const char *scope_prog_name(enum scope_prog prog)
{
	static const char *const names[] = {
#define X(sym, name) [SCOPE_PROG_##sym] = name,
		SCOPE_PROGS(X)
#undef X
	};

	return names[prog];
}

bool scope_prog_is_return(enum scope_prog prog)
{
	return prog == SCOPE_PROG_RETURN || prog == SCOPE_PROG_SCHED_RETURN ||
	       prog == SCOPE_PROG_NATIVE_RETURN ||
	       prog == SCOPE_PROG_ATTEMPT_RETURN ||
	       prog == SCOPE_PROG_PORT_RETURN ||
	       prog == SCOPE_PROG_TIMER_RETURN ||
	       prog == SCOPE_PROG_ETS_NEW_RETURN ||
	       prog == SCOPE_PROG_ETS_23_RETURN;
}

/* The program for the returns from what this one is entered at. */
static enum scope_prog return_of(enum scope_prog prog)
{
	switch (prog) {
	case SCOPE_PROG_SCHED:
		return SCOPE_PROG_SCHED_RETURN;
	case SCOPE_PROG_NATIVE:
		return SCOPE_PROG_NATIVE_RETURN;
	case SCOPE_PROG_ATTEMPT:
		return SCOPE_PROG_ATTEMPT_RETURN;
	case SCOPE_PROG_PORT_CALL:
		return SCOPE_PROG_PORT_RETURN;
	case SCOPE_PROG_TIMER_CALL:
		return SCOPE_PROG_TIMER_RETURN;
	case SCOPE_PROG_ETS_NEW:
		return SCOPE_PROG_ETS_NEW_RETURN;
	case SCOPE_PROG_ETS_23:
		return SCOPE_PROG_ETS_23_RETURN;
	default:
		return SCOPE_PROG_RETURN;
	}
}

scope_kindset scope_catalogue_needs(scope_kindset wanted)
{
	if (wanted & SCOPE_KINDS_PORT)
		wanted |= SCOPE_KIND_BIT(SCOPE_KIND_PORT_CLOSE);
	return wanted | SCOPE_KIND_BIT(SCOPE_KIND_PROC_REGISTER) |
	       SCOPE_KIND_BIT(SCOPE_KIND_PROC_UNREGISTER) |
	       SCOPE_KIND_BIT(SCOPE_KIND_DIST_NODE_UP) |
	       SCOPE_KIND_BIT(SCOPE_KIND_DIST_NODE_DOWN) |
	       SCOPE_KIND_BIT(SCOPE_KIND_PROC_EXIT);
}

/* Add a site (two where it pairs entry and return), once. */
static int add(const struct scope_target *t, const struct source *src,
	       const struct scope_symbol *sym, struct scope_sites *out)
{
	/* All of it: a jump from its end may lead back to the site. */
	size_t len = sym->size ? sym->size : CODE_BYTES;
	const uint8_t *code = scope_target_text(t, sym->vaddr, len);
	struct scope_site_pick pick = { 0 };
	bool known = false;

	if (!code || out->n + 2 > SCOPE_SITES_MAX)
		return -ENOENT;
	/* Entry and return are at one place, so that they share the trap. */
	if ((src->returns ?
		     scope_site_pick_return(code, len, sym->vaddr, &pick) :
		     scope_site_pick(code, len, sym->vaddr, src->nargs,
				     &pick)) < 0)
		return -ENOENT;
	for (size_t i = 0; i < out->n; i++)
		if (out->site[i].site == src->site &&
		    out->site[i].offset == sym->offset + pick.offset) {
			/* The return, where there is one, stands behind it. */
			out->site[i].kinds |= SCOPE_KIND_BIT(src->kind);
			known = true;
		}
	if (known)
		return 0;
	/* Of a spawn, scheduling takes the end alone. */
	for (int ret = src->site == SCOPE_SITE_SPAWNED;
	     ret <= (int)src->returns; ret++) {
		struct scope_attach_site *s = &out->site[out->n++];

		s->site = src->site;
		s->kinds = SCOPE_KIND_BIT(src->kind);
		s->prog = ret ? return_of(src->prog) : src->prog;
		s->group = src->group;
		s->is_return = ret;
		s->emulated = pick.emulated;
		s->insn = pick.what;
		s->offset = sym->offset + pick.offset;
		(void)snprintf(s->what, sizeof(s->what), "%.40s+%u%s",
			       sym->name ? sym->name : "static", pick.offset,
			       ret ? " return" : "");
	}
	return 0;
}

/* A static function, found from one that is found in the way `how`. */
static int function_at(const struct scope_target *t, uint64_t vaddr,
		       const char *name, enum scope_how how,
		       struct scope_symbol *ret_fn)
{
	int r = scope_target_function(t, vaddr, ret_fn);

	if (r < 0)
		return r;
	if (ret_fn->vaddr != vaddr)
		return -ENOENT;
	ret_fn->name = name;
	ret_fn->how = how;
	return 0;
}

/* The one function that all of erts_queue_*message* end in, if there is. */
static int common_tail(const struct scope_target *t,
		       struct scope_symbol *ret_fn)
{
	enum scope_how how = SCOPE_HOW_SYMBOL;
	uint64_t tail = 0;

	for (size_t i = 0; i < sizeof(queues) / sizeof(*queues); i++) {
		struct scope_symbol sym;
		const uint8_t *code;
		uint64_t to;

		if (scope_target_symbol(t, queues[i].symbol, &sym) < 0)
			continue;
		code = scope_target_text(t, sym.vaddr, sym.size);
		to = code ? scope_site_tail(code, sym.size, sym.vaddr) : 0;
		if (!to || (tail && to != tail))
			return -ENOENT;
		tail = to;
		how = sym.how;
	}
	return tail ? function_at(t, tail, "queue_messages", how, ret_fn) :
		      -ENOENT;
}

static int add_queues(const struct scope_target *t, struct source src,
		      struct scope_sites *out, const char **ret_what,
		      enum scope_how *ret_how)
{
	struct scope_symbol sym;

	if (common_tail(t, &sym) == 0) {
		*ret_what = "queue_messages";
		*ret_how = sym.how;
		return add(t, &src, &sym, out);
	}
	for (size_t i = 0; i < sizeof(queues) / sizeof(*queues); i++) {
		*ret_what = queues[i].symbol;
		if (scope_target_symbol(t, queues[i].symbol, &sym) < 0)
			return -ENOENT;
		*ret_how = sym.how;
		src.site = queues[i].site;
		src.prog = queues[i].prog;
		src.nargs = queues[i].nargs;
		if (add(t, &src, &sym, out) < 0)
			return -ENOENT;
	}
	*ret_what = "erts_queue_*message*";
	return 0;
}

/*
 * The one call of a function in process_main(), the interpreter; the call itself
 * is what is probed, the kernel emulates it. Of erts_save_message_in_proc it is
 * the instruction that takes a message out (msg_instrs.tab, remove_message),
 * while an exit signal that ends a process calls it elsewhere
 * (erl_proc_sig_queue.c, handle_exit_signal); of erts_pre_nif and erts_post_nif
 * what is around a NIF (bif_instrs.tab, call_nif).
 */
static int call_in_main(const struct scope_target *t, const char *callee,
			struct scope_symbol *ret_call)
{
	struct scope_symbol main, to;
	const uint8_t *code;
	int64_t at;

	if (scope_target_symbol(t, "process_main", &main) < 0 ||
	    scope_target_symbol(t, callee, &to) < 0)
		return -ENOENT;
	code = scope_target_text(t, main.vaddr, main.size);
	at = code ? scope_site_only_call(code, main.size, main.vaddr,
					 to.vaddr) :
		    -1;
	if (at < 0)
		return -ENOENT;
	*ret_call = (struct scope_symbol){
		.name = callee,
		.vaddr = main.vaddr + (uint64_t)at,
		.size = main.size - (uint64_t)at,
		.offset = main.offset + (uint64_t)at,
	};
	return 0;
}

/*
 * The interpreter's call of a BIF that has its own instructions, and where it
 * comes back to (bif_instrs.tab, call_bif): of all its indirect calls the one
 * of what is a word behind the instruction, as the others have the function in
 * a register already.
 */
static int add_bif_call(const struct scope_target *t, struct source src,
			struct scope_sites *out)
{
	struct scope_symbol main;
	struct scope_call call;
	const uint8_t *code;

	if (scope_target_symbol(t, src.symbol, &main) < 0)
		return -ENOENT;
	code = scope_target_text(t, main.vaddr, main.size);
	if (!code || !scope_site_only_call_through(code, main.size, main.vaddr,
						   8, &call) ||
	    out->n + 2 > SCOPE_SITES_MAX)
		return -ENOENT;
	for (int ret = 0; ret < 2; ret++) {
		struct scope_attach_site *s = &out->site[out->n++];

		*s = (struct scope_attach_site){
			.site = src.site,
			.kinds = SCOPE_KIND_BIT(src.kind),
			.prog = ret ? SCOPE_PROG_NATIVE_DONE : src.prog,
			.group = src.group,
			.insn = SCOPE_INSN_OTHER,
			.offset = main.offset + (ret ? call.next : call.at),
		};
		(void)snprintf(s->what, sizeof(s->what), "%s+%u", src.symbol,
			       ret ? call.next : call.at);
	}
	return 0;
}

/* What a function that leads to one other only is a beginning of: compilers part
 * what is rarely gone through from the rest. */
static int rest_of(const struct scope_target *t, struct scope_symbol *fn)
{
	const uint8_t *code = scope_target_text(t, fn->vaddr, fn->size);
	uint64_t to = code ? scope_site_leads_to(code, fn->size, fn->vaddr) : 0;

	return to ? function_at(t, to, fn->name, fn->how, fn) : -ENOENT;
}

static size_t calls_in(const struct scope_target *t,
		       const struct scope_symbol *fn, uint64_t to,
		       uint64_t calls[CALLS_MAX])
{
	const uint8_t *code = scope_target_text(t, fn->vaddr, fn->size);

	return code ? scope_site_calls(code, fn->size, fn->vaddr, to, calls,
				       CALLS_MAX) :
		      0;
}

/* The calls of `callee` in `caller`, each of which is a site: a call is
 * emulated, and its arguments are in place. */
static int add_calls(const struct scope_target *t, const struct source *src,
		     const char *caller, const char *callee,
		     struct scope_sites *out, const char **ret_what,
		     enum scope_how *ret_how)
{
	struct scope_symbol sym, to;
	uint64_t calls[CALLS_MAX];
	size_t n;

	*ret_what = callee;
	if (scope_target_symbol(t, callee, &to) < 0)
		return -ENOENT;
	*ret_what = caller;
	if (scope_target_symbol(t, caller, &sym) < 0)
		return -ENOENT;
	sym.name = caller;
	n = calls_in(t, &sym, to.vaddr, calls);
	if (!n && rest_of(t, &sym) == 0)
		n = calls_in(t, &sym, to.vaddr, calls);
	if (!n || n > CALLS_MAX || out->n + n > SCOPE_SITES_MAX)
		return -ENOENT;
	*ret_how = sym.how > to.how ? sym.how : to.how;
	for (size_t i = 0; i < n; i++) {
		struct scope_attach_site *s = &out->site[out->n++];

		*s = (struct scope_attach_site){
			.site = src->site,
			.kinds = SCOPE_KIND_BIT(src->kind),
			.prog = src->prog,
			.group = src->group,
			.emulated = true,
			.offset = sym.offset + (calls[i] - sym.vaddr),
		};
		(void)snprintf(s->what, sizeof(s->what), "%.40s+%u", caller,
			       (unsigned)(calls[i] - sym.vaddr));
	}
	return 0;
}

/* The BIF that the source names: "module:function/arity". */
static int add_bif(const struct scope_target *t, const struct source *src,
		   struct scope_sites *out)
{
	char module[16] = "", function[32] = "";
	unsigned arity = 0;
	struct scope_symbol sym;

	if (sscanf(src->symbol, "%15[^:]:%31[^/]/%u", module, function,
		   &arity) != 3 ||
	    scope_target_bif(t, module, function, arity, &sym) < 0)
		return -ENOENT;
	sym.name = src->symbol;
	return add(t, src, &sym, out);
}

/* All BIFs of ets that make events of the source's kind. */
static int add_ets(const struct scope_target *t, const struct source *src,
		   struct scope_sites *out, const char **ret_what)
{
	static const struct {
		const char *name, *function;
		unsigned arity;
		enum scope_kind kind;
		unsigned since;
	} bifs[] = {
#define X(fn, arity, kind, takes, since) \
	{ "ets:" #fn "/" #arity, #fn, arity, SCOPE_KIND_##kind, since },
		SCOPE_ETS_BIFS(X)
#undef X
	};
	unsigned otp = (unsigned)atoi(scope_target_info(t)->otp);
	struct scope_symbol sym;

	for (unsigned i = 0; i < sizeof(bifs) / sizeof(*bifs); i++) {
		size_t n = out->n;

		if (bifs[i].kind != src->kind || otp < bifs[i].since)
			continue;
		*ret_what = bifs[i].name;
		if (scope_target_bif(t, "ets", bifs[i].function, bifs[i].arity,
				     &sym) < 0)
			return -ENOENT;
		sym.name = bifs[i].name;
		if (add(t, src, &sym, out) < 0)
			return -ENOENT;
		if (out->n > n)
			out->site[n].arg = i;
	}
	*ret_what = "BIFs of ets";
	return 0;
}

#define AROUND 0x8000u /* bytes of code to each side of a BIF */

/*
 * bif_timer_timeout() is static, near the BIFs of timers: where no table names
 * it, the one function that begins with a change of the timer's state, its
 * second argument's, from active to timed out, 2 (erl_hl_timer.c, the same in
 * OTP 23 to 29): mov $2,REG … lock cmpxchg REG,72(%rsi).
 */
static int add_timeout(const struct scope_target *t, const struct source *src,
		       struct scope_sites *out, const char **ret_what,
		       enum scope_how *ret_how)
{
	static const uint8_t change[] = { 0xf0, 0x0f, 0xb1 };
	struct scope_symbol bif, fn, found = { 0 };
	const uint8_t *code = NULL;
	unsigned around = AROUND;

	*ret_what = src->symbol;
	if (scope_target_symbol(t, src->symbol, &found) == 0) {
		*ret_how = found.how;
		return add(t, src, &found, out);
	}
	*ret_what = "erlang:send_after/3";
	if (scope_target_bif(t, "erlang", "send_after", 3, &bif) < 0)
		return -ENOENT;
	*ret_what = src->symbol;
	/* Less where the text ends before. */
	while (around && !(code = scope_target_text(t, bif.vaddr - around,
						    2 * around)))
		around /= 2;
	for (unsigned at = 0; code && at + 5 <= 2 * around; at++) {
		uint64_t vaddr = bif.vaddr - around + at;
		/* mov $2 to the same register: any of the first eight */
		uint8_t two[] = { 0xb8, 2, 0, 0, 0 };

		if (memcmp(code + at, change, sizeof(change)) != 0 ||
		    (code[at + 3] & 0xc7) != 0x46 || code[at + 4] != 72 ||
		    scope_target_function(t, vaddr, &fn) < 0 ||
		    vaddr - fn.vaddr > 32 || vaddr - fn.vaddr > at)
			continue;
		two[0] |= code[at + 3] >> 3 & 7;
		if (!memmem(code + at - (vaddr - fn.vaddr), vaddr - fn.vaddr,
			    two, sizeof(two)))
			continue;
		if (found.vaddr)
			return -ENOENT;
		found = fn;
	}
	if (!found.vaddr)
		return -ENOENT;
	found.name = src->symbol;
	return add(t, src, &found, out);
}

/* driver_deliver_term() is static: what driver_output_term() ends in. */
static int add_term(const struct scope_target *t, const struct source *src,
		    struct scope_sites *out, const char **ret_what,
		    enum scope_how *ret_how)
{
	struct scope_symbol sym;
	const uint8_t *code;
	uint64_t to;

	*ret_what = "driver_output_term";
	if (scope_target_symbol(t, *ret_what, &sym) < 0)
		return -ENOENT;
	code = scope_target_text(t, sym.vaddr, sym.size);
	to = code ? scope_site_leads_to(code, sym.size, sym.vaddr) : 0;
	*ret_what = "driver_deliver_term";
	if (!to || function_at(t, to, *ret_what, sym.how, &sym) < 0)
		return -ENOENT;
	*ret_how = sym.how;
	return add(t, src, &sym, out);
}

/* The drivers whose data leads back to their port, with the functions that
 * write; they are called through the driver, so it is asked. Those of programs
 * and descriptors have symbols, the others are in a list. */
static const char *const writers[] = { "spawn", "fd", "vanilla", "tcp_inet",
				       "udp_inet", "sctp_inet" };
static const char *const own_writers[] = { "spawn_driver", "fd_driver",
					   "vanilla_driver" };
#define DRIVERS_MAX 256

static bool is_writer(struct scope_target *t, uint64_t driver)
{
	const struct scope_layout *l = scope_target_vm(t)->layout;
	char name[10] = "";
	uint64_t at = 0;

	if (scope_target_read(t, driver + l->drv_name, &at, 8) < 0)
		return false;
	for (size_t i = 0; i < sizeof(writers) / sizeof(*writers); i++) {
		size_t len = strlen(writers[i]) + 1;

		if (scope_target_read(t, at, name, len) == 0 &&
		    !memcmp(name, writers[i], len))
			return true;
	}
	return false;
}

/* The functions of one driver; how many it has, or -ENOENT. */
static int add_writer(struct scope_target *t, struct source src,
		      uint64_t driver, struct scope_sites *out)
{
	const struct scope_layout *l = scope_target_vm(t)->layout;
	const uint64_t bias = scope_target_info(t)->bias;
	struct scope_symbol sym;
	uint64_t fn[2];
	int n = 0;

	if (!is_writer(t, driver))
		return 0;
	if (scope_target_read(t, driver + l->drv_output, fn, sizeof(fn)) < 0)
		return -ENOENT;
	for (unsigned k = 0; k < 2; k++) {
		src.site = k ? SCOPE_SITE_DRIVER_OUTPUTV :
			       SCOPE_SITE_DRIVER_OUTPUT;
		src.nargs = k ? 2 : 3;
		if (!fn[k])
			continue;
		if (function_at(t, fn[k] - bias, "driver's output",
				SCOPE_HOW_SYMBOL, &sym) < 0 ||
		    add(t, &src, &sym, out) < 0)
			return -ENOENT;
		n++;
	}
	return n;
}

static int add_writers(struct scope_target *t, const struct source *src,
		       struct scope_sites *out, const char **ret_what)
{
	const struct scope_layout *l = scope_target_vm(t)->layout;
	const uint64_t bias = scope_target_info(t)->bias;
	uint64_t driver = 0;
	struct scope_symbol sym;
	int n = 0, r;

	for (size_t i = 0; i < sizeof(own_writers) / sizeof(*own_writers); i++) {
		if (scope_target_symbol(t, own_writers[i], &sym) < 0)
			continue; /* vanilla is gone in 26 */
		*ret_what = own_writers[i];
		r = add_writer(t, *src, sym.vaddr + bias, out);
		if (r <= 0)
			return -ENOENT;
		n += r;
	}
	*ret_what = "driver_list";
	if (!n || scope_target_symbol(t, *ret_what, &sym) < 0 ||
	    scope_target_read(t, sym.vaddr + bias, &driver, 8) < 0)
		return -ENOENT;
	for (unsigned i = 0; driver && i < DRIVERS_MAX; i++) {
		if (add_writer(t, *src, driver, out) < 0 ||
		    scope_target_read(t, driver + l->drv_next, &driver, 8) < 0)
			return -ENOENT;
	}
	*ret_what = "output and outputv of inet's drivers, spawn and fd";
	return 0;
}

static int add_source(struct scope_target *t, const struct source *src,
		      struct scope_sites *out, const char **ret_what,
		      enum scope_how *ret_how)
{
	struct scope_symbol sym;
	const uint8_t *code;
	uint64_t to;

	*ret_what = src->symbol;
	switch (src->site) {
	case SCOPE_SITE_QUEUE_TAIL:
	case SCOPE_SITE_QUEUE_TAIL_23:
		return add_queues(t, *src, out, ret_what, ret_how);
	case SCOPE_SITE_GC:
		/* garbage_collect() is static: the first call in this one. */
		*ret_what = "erts_garbage_collect_nobump";
		if (scope_target_symbol(t, *ret_what, &sym) < 0)
			return -ENOENT;
		code = scope_target_text(t, sym.vaddr, sym.size);
		to = code ? scope_site_first_call(code, sym.size, sym.vaddr) :
			    0;
		*ret_what = "garbage_collect";
		if (!to || function_at(t, to, *ret_what, sym.how, &sym) < 0)
			return -ENOENT;
		*ret_how = sym.how;
		return add(t, src, &sym, out);
	case SCOPE_SITE_SAVE_MESSAGE:
		*ret_what = "erts_save_message_in_proc (called by process_main)";
		if (call_in_main(t, src->symbol, &sym) < 0)
			return -ENOENT;
		return add(t, src, &sym, out);
	case SCOPE_SITE_CALL_NIF_23:
		*ret_what = src->symbol;
		if (call_in_main(t, src->symbol, &sym) < 0)
			return -ENOENT;
		return add(t, src, &sym, out);
	case SCOPE_SITE_CALL_BIF_23:
		*ret_what = "process_main";
		return add_bif_call(t, *src, out);
	case SCOPE_SITE_DIST_SEND:
		return add_calls(t, src, "erts_dsig_send", src->symbol, out,
				 ret_what, ret_how);
	case SCOPE_SITE_DIST_RECEIVE:
		return add_calls(t, src, "erts_net_message", src->symbol, out,
				 ret_what, ret_how);
	case SCOPE_SITE_START_TIMER_3:
	case SCOPE_SITE_START_TIMER_4:
	case SCOPE_SITE_SEND_AFTER_3:
	case SCOPE_SITE_SEND_AFTER_4:
	case SCOPE_SITE_CANCEL_TIMER_1:
	case SCOPE_SITE_CANCEL_TIMER_2:
	case SCOPE_SITE_ETS_NEW:
		return add_bif(t, src, out);
	case SCOPE_SITE_TIMER_FIRED:
		return add_timeout(t, src, out, ret_what, ret_how);
	case SCOPE_SITE_ETS:
	case SCOPE_SITE_ETS_23:
		return add_ets(t, src, out, ret_what);
	case SCOPE_SITE_PORT_TERM:
		return add_term(t, src, out, ret_what, ret_how);
	case SCOPE_SITE_DRIVER_OUTPUT:
		return add_writers(t, src, out, ret_what);
	case SCOPE_SITE_PURGE:
		*ret_what = "erts_internal:purge_module/2";
		if (scope_target_bif(t, "erts_internal", "purge_module", 2,
				     &sym) < 0)
			return -ENOENT;
		sym.name = *ret_what;
		return add(t, src, &sym, out);
	case SCOPE_SITE_SEND_3:
		*ret_what = "erlang:send/3";
		if (scope_target_bif(t, "erlang", "send", 3, &sym) < 0)
			return -ENOENT;
		sym.name = *ret_what;
		return add(t, src, &sym, out);
	case SCOPE_SITE_SUSPEND:
		*ret_what = "erts_internal:suspend_process/2";
		if (scope_target_bif(t, "erts_internal", "suspend_process", 2,
				     &sym) < 0)
			return -ENOENT;
		sym.name = *ret_what;
		return add(t, src, &sym, out);
	default:
		if (scope_target_symbol(t, src->symbol, &sym) < 0)
			return -ENOENT;
		if (src->symbol[0] == '~')
			sym.name = src->symbol + 1;
		*ret_what = sym.name;
		*ret_how = sym.how;
		return add(t, src, &sym, out);
	}
}

/* Whether a source is one of the JIT's emulator, or of the interpreter's. */
static bool is_of_flavor(const struct source *s, unsigned otp, bool is_jit)
{
	switch (s->site) {
	case SCOPE_SITE_RECEIVE:
	case SCOPE_SITE_JIT_CODE:
	case SCOPE_SITE_CALL_NIF:
	case SCOPE_SITE_CALL_BIF:
	case SCOPE_SITE_ETS:
		return is_jit;
	case SCOPE_SITE_SAVE_MESSAGE:
	case SCOPE_SITE_UPDATE_RANGES:
	case SCOPE_SITE_RECEIVE_TIMER_23:
	case SCOPE_SITE_CALL_NIF_23:
	case SCOPE_SITE_CALL_BIF_23:
	case SCOPE_SITE_ETS_23:
		return !is_jit;
	case SCOPE_SITE_PURGE:
		/* From 26 on the JIT unregisters code. */
		return !is_jit || otp < 26;
	default:
		return true;
	}
}

/* A kind that lacks one of its sites is not there: the others are not probed
 * for it. */
static void drop_useless(struct scope_sites *out)
{
	size_t n = 0;

	for (size_t i = 0; i < out->n; i++) {
		out->site[i].kinds &= out->found;
		if (out->site[i].kinds)
			out->site[n++] = out->site[i];
	}
	out->n = n;
	for (unsigned k = 1; k < SCOPE_KIND_MAX; k++)
		if (!(out->found & SCOPE_KIND_BIT(k)))
			out->source[k][0] = 0;
}

/* What is said of a source whose functions were found in that way. */
static const char *how_text(enum scope_how how)
{
	switch (how) {
	case SCOPE_HOW_BUILD:
		return " (build-id table)";
	case SCOPE_HOW_SIGNATURE:
		return " (signature)";
	case SCOPE_HOW_JIT:
		return " (JIT code)";
	case SCOPE_HOW_SHAPE:
		return " (known from another build)";
	default:
		return "";
	}
}

/* Why there is no source of a kind: `what` was not found. */
static void say_missing(const struct scope_target *t, const char *what,
			char *out, size_t cap)
{
	const struct scope_target_info *info = scope_target_info(t);

	if (*what == '~')
		what++;
	if (!info->hides_symbols)
		(void)snprintf(out, cap,
			       "function %s is not found in this build", what);
	else if (info->has_build)
		(void)snprintf(out, cap,
			       "function %s is not in the table of build-id %s",
			       what, info->build_id);
	else
		(void)snprintf(out, cap,
			       "this build hides its symbols (%s is not known "
			       "again in it), and there is no table of build-id "
			       "%s; make one with scripts/symbol-table",
			       what, info->build_id);
}

static void find_uprobes(struct scope_target *t, scope_kindset wanted,
			 struct scope_sites *out)
{
	unsigned otp = (unsigned)atoi(scope_target_info(t)->otp);
	const bool is_jit = scope_target_info(t)->jit;
	enum scope_how how[SCOPE_KIND_MAX] = { 0 };
	scope_kindset failed = 0;

	for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
		const struct source *s = &sources[i];
		enum scope_how found = SCOPE_HOW_SYMBOL;
		const char *what = "";
		size_t len;

		if (!(wanted & SCOPE_KIND_BIT(s->kind)) || otp < s->min ||
		    (s->max && otp > s->max) || !is_of_flavor(s, otp, is_jit))
			continue;
		if (add_source(t, s, out, &what, &found) < 0) {
			failed |= SCOPE_KIND_BIT(s->kind);
			say_missing(t, what, out->missing[s->kind],
				    sizeof(out->missing[s->kind]));
			continue;
		}
		if (found > how[s->kind])
			how[s->kind] = found;
		out->found |= SCOPE_KIND_BIT(s->kind);
		len = strlen(out->source[s->kind]);
		(void)snprintf(out->source[s->kind] + len,
			       sizeof(out->source[s->kind]) - len, "%s%s",
			       len ? ", " : "uprobe ", what);
	}
	out->found &= ~failed;
	drop_useless(out);
	for (unsigned k = 1; k < SCOPE_KIND_MAX; k++)
		if (out->source[k][0])
			(void)strncat(out->source[k], how_text(how[k]),
				      sizeof(out->source[k]) -
					      strlen(out->source[k]) - 1);
}

/* What no source of these kinds tells. */
static void note_limits(struct scope_sites *out)
{
	static const enum scope_kind kinds[] = {
		SCOPE_KIND_PORT_OPEN, SCOPE_KIND_PORT_CLOSE,
		SCOPE_KIND_PORT_INPUT, SCOPE_KIND_PORT_OUTPUT
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if ((out->found & SCOPE_KIND_BIT(kinds[i])) &&
		    !out->limits[kinds[i]])
			out->limits[kinds[i]] =
				"sockets of the module socket (inet_backend "
				"socket) are no ports and are not watched; "
				"kind call shows the calls of its NIFs";
}

void scope_catalogue_find(struct scope_target *t, scope_kindset wanted,
			  enum scope_from from, struct scope_sites *out)
{
	const char *no_layout = scope_target_info(t)->no_layout;
	const char *otp = scope_target_info(t)->otp;
	int r = 0;

	memset(out, 0, sizeof(*out));
	if (from != SCOPE_FROM_USDT && !no_layout)
		find_uprobes(t, wanted, out);
	if (from != SCOPE_FROM_UPROBE && (wanted & ~out->found))
		r = scope_catalogue_add_usdt(t, wanted & ~out->found, out);
	note_limits(out);
	for (unsigned k = 1; k < SCOPE_KIND_MAX; k++) {
		if (!SCOPE_KIND_IS_WIRE(k) || !(wanted & SCOPE_KIND_BIT(k)) ||
		    !scope_kind_info(k)->name ||
		    (out->found & SCOPE_KIND_BIT(k)) || out->missing[k][0])
			continue;
		if (no_layout)
			(void)snprintf(out->missing[k], sizeof(out->missing[k]),
				       "no USDT probe tells it, and %s",
				       no_layout);
		else if (from != SCOPE_FROM_USDT)
			(void)snprintf(out->missing[k], sizeof(out->missing[k]),
				       "no source is known for OTP %s", otp);
		else if (r < 0)
			(void)snprintf(out->missing[k], sizeof(out->missing[k]),
				       r == -ENOENT ?
					       "this build has no USDT probes" :
					       "its USDT notes are broken");
		else
			(void)snprintf(out->missing[k], sizeof(out->missing[k]),
				       "USDT has no probe that tells it");
	}
}
