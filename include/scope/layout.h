/* SPDX-License-Identifier: MIT */
/*
 * The layout of one OTP release's structures, as facts passed to BPF and used
 * by every reader of the target's memory. The values, one table per release,
 * are in src/beam/layout.c with their sources; a table is used only after it
 * was checked against the live node (src/target/verify.h).
 *
 * Offsets are bytes, on 64-bit little-endian machines. SCOPE_NO marks a field
 * that the release does not have.
 */
#ifndef SCOPE_LAYOUT_H
#define SCOPE_LAYOUT_H

#include <linux/types.h>

#define SCOPE_NO 0xffffffffu

/* How binaries are laid out. */
enum scope_bin_style {
	SCOPE_BIN_PROC = 0, /* -26: ProcBin, heap binary, sub binary */
	SCOPE_BIN_BITS = 1, /* 27-: heap bits, sub bits, BinRef */
};

/* How funs are laid out. */
enum scope_fun_style {
	SCOPE_FUN_23 = 0, /* fe, next, arity, num_free, creator, env */
	SCOPE_FUN_25 = 1, /* entry, next, arity/num_free bytes, creator, env */
	SCOPE_FUN_27 = 2, /* entry, env; arity and sizes in the header */
	SCOPE_FUN_29 = 3, /* as 27, without the FunRef after the environment */
};

/* Process.state: erl_process.h, ERTS_PSFLG_*, the same in OTP 23 to 29. */
#define SCOPE_PSFLG_EXITING (1u << 11)
#define SCOPE_PSFLG_ACTIVE (1u << 13)
#define SCOPE_PSFLG_SUSPENDED (1u << 16)
#define SCOPE_PSFLG_ACTIVE_SYS (1u << 20)
#define SCOPE_PSFLG_DIRTY_CPU_PROC (1u << 26)
#define SCOPE_PSFLG_DIRTY_IO_PROC (1u << 27)
#define SCOPE_PSFLG_DIRTY_ACTIVE_SYS (1u << 28)

/* Subtag values: bits 2-5 of a header word; SCOPE_NO where not used. */
struct scope_subtags {
	__u32 tuple, pos_big, neg_big, ref, fun, export_fun, flonum, record;
	__u32 refc_bin, heap_bin, sub_bin; /* SCOPE_BIN_PROC */
	__u32 heap_bits, sub_bits, bin_ref; /* SCOPE_BIN_BITS */
	__u32 map, ext_pid, ext_port, ext_ref;
	__u32 fun_ref;
};

struct scope_layout {
	__u32 otp; /* release number: 25 */
	__u32 bin_style; /* enum scope_bin_style */
	__u32 fun_style; /* enum scope_fun_style */
	__u32 pixdata; /* 1: pid words hold pixdata, not the number (26-) */
	__u32 atom_is_term; /* 1: Atom.name is a binary term (29-) */
	struct scope_subtags sub;

	/* Process */
	__u32 p_size, p_reg, p_started_interval;
	__u32 p_htop, p_stop, p_heap, p_hend, p_abandoned_heap, p_heap_sz;
	__u32 p_arg_reg, p_def_arg_reg, p_i, p_fcalls, p_fcalls_bytes, p_reds;
	__u32 p_flags, p_group_leader, p_sig_qs, p_dictionary;
	__u32 p_initial, p_current, p_parent;
	__u32 p_high_water, p_old_hend, p_old_htop, p_old_heap;
	__u32 p_gen_gcs, p_mbuf, p_mbuf_sz, p_psd, p_state, p_sig_inq;
	__u32 p_scheduler_data, p_run_queue, p_links, p_lt_monitors, p_monitors;
	__u32 p_arity, p_arity_bytes, p_catches, p_off_heap, p_wrt_bins;
	__u32 p_sig_inq_buffers, p_trace_flags;
	__u32 trace_sensitive; /* a bit of p_trace_flags; a value */

	/* ErtsPSD; its slot of saved calls is a value; struct saved_calls */
	__u32 psd_data, psd_bytes, psd_saved_calls, sc_len, sc_bytes;

	/* RegProc */
	__u32 reg_process, reg_port, reg_name;

	/* ErtsSignalPrivQueues (in Process.sig_qs), ErtsSignalInQueue */
	__u32 sq_first, sq_save, sq_cont, sq_len, sq_flags;
	__u32 si_first, si_len;
	/* From 27 on, how many messages are between signals that are none: those
	 * before each, and behind the last; in both */
	__u32 sq_nmsigs, sq_behind, si_nmsigs, si_behind, nm_next, nm_before;

	/* ErtsMessage */
	__u32 m_next, m_data, m_term, m_token, m_from, m_hfrag, m_bytes;
	__u32 m_marker; /* the header of a receive marker; a value */
	__u32 m_marker_bytes;

	/* ErlHeapFragment, erl_off_heap_header; ErtsDistExternal */
	__u32 hf_next, hf_off_heap, hf_used, oh_next, dx_heap_size;

	/* ErtsSignalInQueueBufferArray, its slots */
	__u32 sb_slots, sb_count, sb_stride, sb_queue, sb_alive;

	/* ErtsMonitor, ErtsLink (ErtsMonLnkNode), ErtsMonitorData; the type is
	 * the 16 bits at ml_type, of which the mask counts */
	__u32 ml_other, ml_offset, ml_type, ml_type_mask, ml_data_ref;
	__u32 ml_link_type; /* ERTS_LNK_TYPE_PROC, the first of three (from 29 on
			     * four); a value */
	__u32 ml_right, ml_left, ml_next, ml_flags, ml_flags_bytes;
	__u32 ml_target, ml_named, ml_extended, ml_pending; /* bits of it */
	__u32 ml_bytes;
	__u32 mon_resource, mon_suspend, mon_alias; /* types; values */

	/* ErtsMonitorData, ErtsMonitorDataExtended, ErtsMonLnkDist */
	__u32 md_target, md_refc, md_bytes, md_heap_bytes, md_suspend_bytes;
	__u32 mx_name, mx_dist, mx_bytes, mld_node;

	/* ErtsLinkData (23) or ErtsILink, ErtsLinkDataExtended or ErtsELink */
	__u32 lnk_bytes, lnk_refc, lx_refc, lx_heap, lx_bytes;
	__u32 lnk_unlinking, lx_unlinking;

	/* ErtsSchedulerData */
	__u32 s_current_process, s_type, s_no, s_dirty_no, s_current_port;
	__u32 s_virtual_reds, s_run_queue, s_stride;
	__u32 s_last_os_time; /* last_os_monotonic_time (27-) */
	__u32 s_ssi, s_flxctr_slot, s_reductions, s_ets_count, s_ets;
	__u32 ssi_flags; /* ErtsSchedulerSleepInfo */

	/* ErtsRunQueue; rq_prio is an array of four, its lengths first */
	__u32 rq_prio, rq_prio_bytes, rq_len, rq_ix, rq_ports, rq_stride;

	/* ErtsPTab, from the table's symbol; t_* within its r.o */
	__u32 pt_count, pt_ro;
	__u32 t_tab, t_max, t_pix_mask, t_pix_cl_mask, t_pix_cli_mask;
	__u32 t_pix_cl_shift, t_pix_cli_shift, t_invalid, t_free_ids;

	/* IndexTable of atoms, Atom */
	__u32 at_entries, at_seg_table, atom_len, atom_name;

	/* ErtsORefThing / ErtsPRefThing / ErtsMRefThing, ErtsMagicBinary */
	__u32 ref_marker, ref_num, ref_pid, mref_bin, magic_refn;

	/* ErlFunThing, ErlFunEntry, Export */
	__u32 fun_entry, fun_arity, fun_num_free, fun_creator, fun_env;
	__u32 fe_module, fe_arity, fe_index, fe_old_uniq, fe_old_index;
	__u32 fe_start; /* the first of the fe_ fields: fe_module but in 23 */
	__u32 fe_bytes; /* from fe_start to the last field in use, whole words */
	__u32 export_mfa;

	/* BeamCodeHeader, ErtsCodeInfo */
	__u32 ch_functions, ci_mfa;

	/* ExternalThing, ErlNode */
	__u32 ext_node, ext_data, node_sysname, node_creation;

	/* DistEntry */
	__u32 de_sysname, de_cid, de_dflags;

	/* ErtsDSigSendContext; all 0 where not known, and so those below */
	__u32 ds_ctl, ds_msg, ds_dep, ds_fragments, ds_c_p, ds_u;

	/* ErtsDistExternal, ErtsDistExternalData (an array of dd_bytes each) */
	__u32 dx_dep, dx_flags, dx_data, dx_attab, dx_atoms;
	__u32 dd_seq, dd_frag, dd_ext, dd_end, dd_bytes;

	/* Binary */
	__u32 bin_orig_size, bin_bytes, bin_refc;
	__u32 ref_bin; /* ProcBin or BinRef: its Binary */

	/* ProcDict */
	__u32 pd_used, pd_data, pd_slots, pd_elements, pd_bytes;

	/* Process; freason of one that a BIF has sent on */
	__u32 p_freason, trap;

	/* Port, erts_driver_t */
	__u32 port_connected, port_caller, port_name, port_driver, port_data;
	__u32 port_state, port_bytes, port_in, port_out, port_queue, port_os_pid;
	__u32 drv_next, drv_name, drv_output, drv_outputv;

	/* inet_descriptor, and the driver data of spawn, fd and vanilla */
	__u32 inet_fd, inet_port, inet_id, inet_remote, sys_port;

	/* 1: what a process gives to inet's drivers begins with a u16 length
	 * and its reference (27-) */
	__u32 inet_tagged;

	/* ErlIOVec, SysIOVec */
	__u32 iov_size, iov_iov, iov_bytes;

	/* DbTableCommon; ErtsMagicBinary's indirection; ErtsFlxCtr and its
	 * ErtsFlxCtrDecentralizedCtrArray, with the room left to align it */
	__u32 ets_next, ets_prev, ets_type, ets_owner, ets_name, ets_id;
	__u32 ets_counters, ets_status, ets_keypos, ets_compress, ets_bytes;
	__u32 magic_word, fx_spread, fx_counters, fx_slots, fx_slot_bytes;
	__u32 fx_block, fx_room;

	/* ErtsAllocatorThrSpec_t, ErtsAllocatorInfo_t (ai_types of each, from
	 * 1), Allctr_t, CarriersStats_t, StatValues_t, ErtsAlcFixList_t (with
	 * carriers in pools, and without; fl_processes is a set of them) */
	__u32 ts_bytes, ts_size, ts_instances;
	__u32 ai_bytes, ai_is_util, ai_enabled, ai_by_thread, ai_extra;
	__u32 ai_types;
	__u32 al_prefix, al_no, al_ix, al_pools, al_pool, al_fix;
	__u32 al_sbcs, al_mbcs, al_bytes;
	__u32 cs_bytes, cs_kinds, cs_blocks, cs_block_bytes, cs_value_bytes;
	__u32 cs_size, cs_number;
	__u32 fl_bytes, fl_count, fl_size, fl_allocated, fl_used;
	__u32 fl_own_allocated, fl_own_used, fl_processes;
};

#endif
