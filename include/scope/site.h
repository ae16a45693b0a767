/* SPDX-License-Identifier: MIT */
/*
 * The probe sites: what a program is told, as its attach cookie, about the
 * function it sits on, and the facts that are fixed when programs are loaded.
 *
 * Arguments are those of OTP 25, 27 and 29; a release that differs gets a
 * site of its own: those of OTP 23 end in _23. Sources: erts/emulator/beam/{erl_message,erl_proc_sig_queue,
 * erl_process,register,erl_gc,io}.c, erl_driver.h, jit/beam_asm.h.
 */
#ifndef SCOPE_SITE_H
#define SCOPE_SITE_H

#include "scope/break.h"
#include "scope/layout.h"
#include "scope/usdt.h"

enum scope_site {
	SCOPE_SITE_NONE = 0,
	/* queue_messages(from, rcvr, locks, first, last, len), static: what the
	 * erts_queue_*message* functions of OTP 25 jump to */
	SCOPE_SITE_QUEUE_TAIL,
	/* erts_queue_message[_token](rcvr, locks, mp, msg, from) */
	SCOPE_SITE_QUEUE_MESSAGE,
	/* erts_queue_proc_message(sender, rcvr, locks, mp, msg) */
	SCOPE_SITE_QUEUE_PROC,
	/* erts_queue_proc_messages(sender, rcvr, locks, first, last, len) */
	SCOPE_SITE_QUEUE_PROCS,
	/* erts_queue_dist_message(rcvr, locks, ext, hfrag, token, from) */
	SCOPE_SITE_QUEUE_DIST,
	/* erts_proc_sig_send_to_alias(c_p, from, to, msg, token); from OTP 29
	 * on erts_proc_sig_send_altact_msg(c_p, from, to, msg, token, prio),
	 * where `to` may be a pid */
	SCOPE_SITE_ALIAS,
	/* beam_jit_remove_message(c_p, ...) */
	SCOPE_SITE_RECEIVE,
	/* erl_create_process(parent, mod, func, args, opts) -> pid */
	SCOPE_SITE_SPAWN,
	/* erts_do_exit_process(p, reason) */
	SCOPE_SITE_EXIT,
	/* erts_proc_sig_send_exit(sender, from, to, reason, token, normal) */
	SCOPE_SITE_EXIT_SIGNAL,
	/* erts_proc_sig_send_link_exit(sender, from, lnk, reason, token) */
	SCOPE_SITE_LINK_EXIT,
	/* erts_proc_sig_send_link(sender, from, to, lnk) */
	SCOPE_SITE_LINK,
	/* erts_proc_sig_send_unlink(sender, from, lnk) */
	SCOPE_SITE_UNLINK,
	/* erts_proc_sig_send_monitor(sender, from, mon, to) */
	SCOPE_SITE_MONITOR,
	/* erts_proc_sig_send_demonitor(sender, from, system, mon) */
	SCOPE_SITE_DEMONITOR,
	/* erts_proc_sig_send_monitor_down(sender, from, mon, reason) */
	SCOPE_SITE_DOWN,
	/* erts_register_name(c_p, name, id) -> 1 when done */
	SCOPE_SITE_REGISTER,
	/* erts_unregister_name(c_p, locks, c_prt, name) -> 1 when done */
	SCOPE_SITE_UNREGISTER,
	/* garbage_collect(p, live_hf_end, need, ...), static */
	SCOPE_SITE_GC,
	/* __jit_debug_register_code() */
	SCOPE_SITE_JIT_CODE,
	/* BIF erts_internal:purge_module/2 (c_p, args, I) -> true when done */
	SCOPE_SITE_PURGE,
	/* erts_schedule(esdp, p, calls) -> process: p is left, that is taken up;
	 * esdp of dirty schedulers alone */
	SCOPE_SITE_SCHEDULE,
	/* erts_schedule_process(p, state, locks): it was not active */
	SCOPE_SITE_RUNNABLE,
	/* BIF erts_internal:suspend_process/2 (c_p, args, I) */
	SCOPE_SITE_SUSPEND,
	/* erl_create_process(...) -> pid, that is queued now */
	SCOPE_SITE_SPAWNED,
	/* queue_messages(rcvr, locks, first, last, len), static; the sender is
	 * what the message says */
	SCOPE_SITE_QUEUE_TAIL_23,
	/* erts_save_message_in_proc(c_p, msg), called once by process_main, of
	 * the interpreter: a receive has just taken the message out */
	SCOPE_SITE_SAVE_MESSAGE,
	/* erts_proc_sig_send_link(c_p, to, lnk), lnk->other.item the sender */
	SCOPE_SITE_LINK_23,
	/* erts_proc_sig_send_unlink(c_p, lnk); c_p is NULL for a port */
	SCOPE_SITE_UNLINK_23,
	/* erts_proc_sig_send_monitor(mon, to), mon the target's half */
	SCOPE_SITE_MONITOR_23,
	/* erts_proc_sig_send_demonitor(mon), mon the origin's half */
	SCOPE_SITE_DEMONITOR_23,
	/* erts_proc_sig_send_monitor_down(mon, reason), mon the target's half */
	SCOPE_SITE_DOWN_23,
	/* erts_update_ranges(code header, bytes), of the interpreter */
	SCOPE_SITE_UPDATE_RANGES,
	/* erts_hibernate(c_p, reg) -> 1 when done */
	SCOPE_SITE_HIBERNATE,
	/* erts_hibernate(c_p, reg, arity), which does it: 3 for hibernate/3, 0
	 * for hibernate/0 */
	SCOPE_SITE_HIBERNATE_29,
	/* beam_jit_call_bif(c_p, reg, I, function, arity); its name is
	 * c_p->current */
	SCOPE_SITE_CALL_BIF,
	/* beam_jit_call_nif(c_p, I, reg, function, library); its name is before
	 * I, an ErtsCodeMFA */
	SCOPE_SITE_CALL_NIF,
	/* erts_call_dirty_bif(esdp, c_p, I, reg) and erts_call_dirty_nif(...) */
	SCOPE_SITE_DIRTY_BIF,
	SCOPE_SITE_DIRTY_NIF,
	/* erl_send(c_p, to, msg): the operator !, and send/2 */
	SCOPE_SITE_SEND,
	/* BIF erlang:send/3 (c_p, args, I) */
	SCOPE_SITE_SEND_3,
	/* erts_send_message(sender, receiver, locks, msg) */
	SCOPE_SITE_HAND_PROCESS,
	/* erts_port_command(c_p, flags, port, command, refp) */
	SCOPE_SITE_HAND_PORT,
	/* the call of erts_encode_ext_dist_header_setup(&ctx->u.ec, …) in
	 * erts_dsig_send(ctx): once for each signal, when it was measured */
	SCOPE_SITE_DIST_SEND,
	/* the call of erts_decode_dist_ext(factory, edep, kill) in
	 * erts_net_message: once for each signal, when all of it is there */
	SCOPE_SITE_DIST_RECEIVE,
	/* erts_proc_sig_send_dist_to_alias(from, alias, edep, hfrag, token); from
	 * OTP 29 on erts_proc_sig_send_dist_altact_msg(from, to, edep, hfrag,
	 * token, prio), where `to` may be a pid */
	SCOPE_SITE_ALIAS_DIST,
	/* erts_set_dist_entry_connected(dep, cid, flags) */
	SCOPE_SITE_CONNECTED,
	/* erts_do_net_exits(dep, reason) */
	SCOPE_SITE_NET_EXITS,
	/* erts_set_this_node(sysname, creation) */
	SCOPE_SITE_THIS_NODE,
	/* erts_open_driver(driver, pid, name, opts, ...) -> Port *, or NULL */
	SCOPE_SITE_PORT_OPEN,
	/* driver_create_port(creator, pid, name, data) -> Port *, or an error */
	SCOPE_SITE_PORT_CREATE,
	/* erts_deliver_port_exit(prt, from, reason, ...) -> 1 when it closed */
	SCOPE_SITE_PORT_CLOSE,
	/* erts_port_output(c_p, flags, prt, from, data, refp) -> result */
	SCOPE_SITE_PORT_COMMAND,
	/* erts_port_control(c_p, prt, op, data, retvalp), erts_port_call too */
	SCOPE_SITE_PORT_CONTROL,
	SCOPE_SITE_PORT_CALL,
	/* driver_output2(port, hbuf, hlen, buf, len) */
	SCOPE_SITE_PORT_OUTPUT2,
	/* driver_output_binary(port, hbuf, hlen, bin, offset, len) */
	SCOPE_SITE_PORT_BINARY,
	/* driver_outputv(port, hbuf, hlen, vec, skip) */
	SCOPE_SITE_PORT_OUTPUTV,
	/* driver_deliver_term(prt, to, data, len), static */
	SCOPE_SITE_PORT_TERM,
	/* driver_report_exit(port, status) */
	SCOPE_SITE_PORT_STATUS,
	/* a driver's output(drv_data, buf, len), outputv(drv_data, vec) */
	SCOPE_SITE_DRIVER_OUTPUT,
	SCOPE_SITE_DRIVER_OUTPUTV,
	/* BIFs erlang:start_timer/3 and so on (c_p, args, I) -> reference */
	SCOPE_SITE_START_TIMER_3,
	SCOPE_SITE_START_TIMER_4,
	SCOPE_SITE_SEND_AFTER_3,
	SCOPE_SITE_SEND_AFTER_4,
	/* BIFs erlang:cancel_timer/1,2 (c_p, args, I) -> time left; behind those
	 * above */
	SCOPE_SITE_CANCEL_TIMER_1,
	SCOPE_SITE_CANCEL_TIMER_2,
	/* erts_set_proc_timer_term(c_p, milliseconds) */
	SCOPE_SITE_RECEIVE_TIMER,
	/* bif_timer_timeout(service, timer, flags), static */
	SCOPE_SITE_TIMER_FIRED,
	/* BIFs of ets (c_p, args, I); the cookie's argument: which one */
	SCOPE_SITE_ETS,
	/* BIF ets:new/2 (c_p, args, I) -> table */
	SCOPE_SITE_ETS_NEW,
	/* BIFs of ets, of the interpreter: the same, and what they return */
	SCOPE_SITE_ETS_23,
	/* erts_set_proc_timer_uword(c_p, milliseconds), of the interpreter */
	SCOPE_SITE_RECEIVE_TIMER_23,
	/* In process_main, of the interpreter: the calls of erts_pre_nif(env,
	 * c_p, …) and erts_post_nif(env), which are before and after a NIF; and
	 * that of a BIF (c_p, args, I), and what is behind it. Their names are
	 * c_p->current */
	SCOPE_SITE_CALL_NIF_23,
	SCOPE_SITE_CALL_BIF_23,
	/* a USDT probe; the cookie's argument: which of scope_bpf_config.usdt */
	SCOPE_SITE_USDT,
	/* a breakpoint on a function of Erlang, or where one returns to */
	SCOPE_SITE_BREAK,
	SCOPE_SITE_MAX,
};

/* A cookie is a site, and above these bits an argument of the site's own. */
#define SCOPE_COOKIE_ARG 16
#define SCOPE_COOKIE_ARGS 64 /* that there may be */

/* What is attached and detached together. Each group costs one link for each of
 * its programs, and a link takes some 40 ms to detach: so they are few. */
enum scope_group {
	SCOPE_GROUP_PROC, /* what is rare, and what names need */
	SCOPE_GROUP_LINK,
	SCOPE_GROUP_SEND,
	SCOPE_GROUP_RECEIVE,
	SCOPE_GROUP_GC,
	SCOPE_GROUP_CODE,
	SCOPE_GROUP_SCHED,
	SCOPE_GROUP_CALL,
	SCOPE_GROUP_ATTEMPT,
	SCOPE_GROUP_DIST,
	SCOPE_GROUP_PORT,
	SCOPE_GROUP_TIMER,
	SCOPE_GROUP_ETS,
	SCOPE_GROUP_BREAK,
	SCOPE_GROUP_MAX,
};

/* How records get from the programs to the collector. */
enum scope_transport {
	SCOPE_TRANSPORT_AUTO, /* rings where the kernel has them */
	SCOPE_TRANSPORT_RING, /* scope/ring.h: Linux 5.5 */
	SCOPE_TRANSPORT_PERF, /* a perf buffer for each CPU */
};

/* Fixed before the programs are loaded; their .rodata. */
struct scope_bpf_config {
	struct scope_layout layout;
	__u64 kinds;	  /* kinds that were asked for: bit = enum scope_kind */
	__u32 term_words; /* budget of one event's terms; 0: no contents */
	__u32 nrings;	  /* rings in use; a CPU writes to ring cpu % nrings */
	__u64 ring_bytes; /* of each; chosen by who loads */
	__u32 filter;	  /* 1: only processes in the set */
	__u32 transport;  /* enum scope_transport; chosen by who loads */
	__u32 samples;	  /* 1: scope_bpf_control.keep says what is kept */
	__u32 overwrites; /* 1: PERF, whose newer records replace older ones */
	__u64 am_complete; /* atom `complete`, for SCOPE_SITE_PURGE */
	__u64 am_true;
	__u64 am_abs, am_async; /* for options of timers */
	__u64 am_noconnect, am_nosuspend; /* options of send/3 */
	__u64 jit_descriptor; /* address of __jit_debug_descriptor */
	/* The pid namespace that scope_rec.tid is of; ino 0: the initial one. */
	__u64 pidns_dev, pidns_ino;
	__u64 procs; /* address of the process table's slots */
	__u64 procs_mask; /* which of them is a pid's */
	__u64 this_dist_entry; /* address of erts_this_dist_entry */
	struct scope_usdt_ids usdt_procs, usdt_ports;
	struct scope_usdt_site usdt[SCOPE_USDT_MAX];
};

/* since_ns and until_ns are written by the collector while the programs run. Only
 * what happened from the one to the other is reported, so that all kinds begin
 * and end at one moment, however long attaching and detaching take.
 *
 * open_ns is written by the programs: since when a thread is in a call whose
 * event bears the time of its entry but is written when it returns; 0: in none.
 * By the thread's id; of threads that share a place, the first one's. */
#define SCOPE_OPEN_MAX 512
#define SCOPE_OPEN_NS 250000000u /* what is open for longer is not waited for */
struct scope_bpf_control {
	__u64 since_ns; /* CLOCK_MONOTONIC */
	__u64 until_ns;
	__u32 keep; /* share of conversations, see scope/sample.h */
	__u32 pad0;
	/* What was noted before that is no more true: the probes of the group
	 * were off in between. */
	__u64 group_since_ns[SCOPE_GROUP_MAX];
	struct scope_break breaks[SCOPE_BREAKS];
	__u64 open_ns[SCOPE_OPEN_MAX];
};

#define SCOPE_RINGS_MAX 64

#endif
