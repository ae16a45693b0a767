/* SPDX-License-Identifier: MIT */
/*
 * Struct layouts of OTP 23, 25, 27 and 29 on x86-64 and other 64-bit
 * little-endian machines, as the plain "opt" emulator is built (no debug, no
 * lock checking, no lock counting, no HiPE).
 *
 * Sources, per group of fields; "dump" is the debug type information of
 * erl_process.c, compiled in each release's own configured tree:
 *
 *   sub                  erl_term.h, the *_SUBTAG macros
 *   p_*                  dump of Process (erl_process.h); p_reg and
 *                        p_started_interval are common.u.alive (erl_ptab.h)
 *   reg_*                register.h, RegProc after its 16-byte HashBucket
 *   sq_*, si_*, nm_*     dump of ErtsSignalPrivQueues, ErtsSignalInQueue,
 *                        ErtsNonMsgSignal
 *   p_trace_flags        common.trace_flags, from 27 on
 *                        common.tracee.all_trace_flags; F_SENSITIVE
 *   psd_*, sc_*          erl_process.h, ErtsPSD, struct saved_calls
 *   m_*                  dump of struct erl_mesg; m_term, m_token and m_from
 *                        are its m[0], m[1] and m[2]; m_marker is
 *                        ERTS_RECV_MARKER_TAG
 *   hf_*, oh_next        erl_message.h, struct erl_heap_fragment;
 *                        erl_term.h, struct erl_off_heap_header
 *   dx_heap_size         external.h, ErtsDistExternal
 *   sb_*                 erl_message.h, ErtsSignalInQueueBufferArray
 *   ml_*                 erl_monitor_link.h, ErtsMonLnkNode: the node, other,
 *                        then four 16-bit fields (offset, key_offset, flags,
 *                        type); in 29 the last two are one of 32 bits, with
 *                        the type in the lowest five. A monitor's data is its
 *                        two halves, which are such nodes, followed by ref.
 *                        ml_link_type is ERTS_LNK_TYPE_PROC
 *   md_*, mx_*, mld_*,   erl_monitor_link.h, ErtsMonitorData with what contains
 *   lnk_*, lx_*          it, ErtsMonLnkDist; ErtsLinkData and
 *                        ErtsLinkDataExtended in 23, else ErtsILink and
 *                        ErtsELink
 *   s_*                  dump of ErtsSchedulerData; the stride is the size of
 *                        ErtsAlignedSchedulerData
 *   pt_*, t_*            erl_ptab.h, ErtsPTab (vola.tile.count, r.o) and
 *                        ErtsPTabReadOnlyData: 32-bit masks up to 25, 64-bit
 *                        ones, the masks before the shifts, from 26 on
 *   at_*, atom_*         dump of IndexTable, Atom
 *   ref_*, mref_bin      erl_term.h, ErtsORefThing, ErtsPRefThing (from 24 on),
 *                        ErtsMRefThing
 *   magic_refn           erl_binary.h, ErtsMagicBinary: after intern (16 bytes;
 *                        24 from 27 on), orig_size and the destructor
 *   fun_*                erl_fun.h, ErlFunThing; arity and num_free are words
 *                        in 23, bytes in 25, parts of the header from 27 on
 *   fe_*                 erl_fun.h, ErlFunEntry
 *   export_mfa           export.h, Export: info.mfa
 *   ch_functions         BeamCodeHeader: beam_load.h in 23, else beam_code.h
 *   ci_mfa               ErtsCodeInfo: export.h in 23, else code_ix.h
 *   ext_*, node_*        erl_term.h, ExternalThing; erl_node_tables.h, ErlNode
 *   de_*                 dump of DistEntry
 *   ds_*                 dist.h, struct erts_dsig_send_context: three ints and,
 *                        in 27, a fourth in what was padding; then words
 *   dx_*, dd_*           external.h, ErtsDistExternal, ErtsDistExternalData
 *   bin_*, ref_bin       dump of Binary; erl_binary.h, ProcBin.val (up to 26),
 *                        erl_bits.h, BinRef.val (from 27 on)
 *   pd_*                 dump of ProcDict
 *   p_freason, trap      dump of Process; error.h, TRAP
 *   port_*               dump of Port (erl_port.h)
 *   drv_*                global.h, struct erts_driver_t_: next, prev, name_atom,
 *                        name, version, flags, handle, lock, entry, start, stop,
 *                        finish, flush, output, outputv
 *   inet_*, sys_port     inet_drv.c, inet_descriptor: s, event, event_mask, port,
 *                        dport; remote as found on live nodes of 25 and 27, not
 *                        known of the others; sys/unix/sys_drivers.c, ErtsSysDriverData
 *   inet_tagged          inet_drv.c, init_caller
 *   iov_*                erl_driver.h, ErlIOVec: vsize, size, iov; the size of a
 *                        SysIOVec (its base is first)
 *   ssi_*, rq_*          erl_process.h, ErtsSchedulerSleepInfo, ErtsRunQueue: its
 *                        fields are in another order from 29 on
 *   ets_*, magic_word    erl_db_util.h, DbTableCommon; erl_binary.h
 *   fx_*                 erl_flxctr.h, ErtsFlxCtr and, where it is spread over the
 *                        schedulers, ErtsFlxCtrDecentralizedCtrArray
 *   ts_*, ai_*           erl_alloc.h, ErtsAllocatorThrSpec_t, ErtsAllocatorInfo_t
 *   al_*, cs_*, fl_*     erl_alloc_util.h, Allctr_t, CarriersStats_t, StatValues_t,
 *                        BlockStats_t, ErtsAlcFixList_t; which fixed sizes there are,
 *                        erl_alloc.types; which are processes', preloaded/src/
 *                        erlang.erl, get_fix_proc/2
 *
 * scripts/layout-table makes such a table from a source tree, and compares a
 * tree with what is here: these agree with 23.2.6, 25.2.3, 27.3.4.1 and 29.1.1,
 * built for glibc and for musl. What is the same in all four is in SAME below.
 */
#include "beam/layout.h"

#include <stddef.h>

#define SAME                                                                   \
	.reg_process = 16, .reg_port = 24, .reg_name = 32,                     \
	.sq_first = 0, .sq_save = 16, .si_first = 0, .si_nmsigs = 24,          \
	.nm_next = 8,                                                          \
	.m_next = 0, .m_data = 8, .m_term = 16, .m_token = 24, .m_from = 32,   \
	.m_hfrag = 40, .m_bytes = 88,                                          \
	.hf_next = 0, .hf_off_heap = 8, .hf_used = 32, .oh_next = 16,          \
	.trace_sensitive = 8, .psd_data = 0, .psd_saved_calls = 1,             \
	.sc_len = 0, .sc_bytes = 24,                                           \
	.ml_right = 8, .ml_left = 16, .ml_next = 0, .mld_node = 0,             \
	.pt_count = 136, .pt_ro = 192, .t_tab = 0, .t_max = 16,                \
	.at_entries = 116, .at_seg_table = 120,                                \
	.atom_len = 24, .atom_name = 32,                                       \
	.ref_marker = 8, .ref_num = 12, .mref_bin = 8,                         \
	.fun_entry = 8,                                                        \
	.ci_mfa = 16, .ext_node = 8, .ext_data = 24,                           \
	.node_sysname = 24, .node_creation = 32,                               \
	.de_sysname = 112, .de_cid = 136, .de_dflags = 168,                    \
	.pd_used = 4, .pd_slots = 8, .pd_elements = 16, .pd_data = 24,         \
	.pd_bytes = 32,                                                        \
	.port_connected = 232, .port_caller = 240, .port_name = 472,           \
	.port_driver = 480, .port_data = 488, .port_state = 520,               \
	.drv_next = 0, .drv_name = 24, .drv_output = 104, .drv_outputv = 112,  \
	.inet_fd = 0, .inet_port = 24, .inet_id = 32, .sys_port = 0,           \
	.iov_size = 8, .iov_iov = 16, .iov_bytes = 16,                         \
	.ssi_flags = 24, .rq_prio_bytes = 12, .t_free_ids = 8,			\
	.port_bytes = 560, .port_in = 256, .port_out = 264,			\
	.port_queue = 280, .port_os_pid = 496, .ets_next = 16,			\
	.ets_prev = 24, .ets_type = 172, .ets_owner = 176,			\
	.ets_name = 208, .ets_id = 216, .ets_counters = 232,			\
	.ets_status = 280, .ets_keypos = 284, .ets_compress = 288,		\
	.fx_spread = 4, .fx_counters = 8,			\
	.fx_slots = 16, .fx_slot_bytes = 64, .fx_block = 0,			\
	.fx_room = 64, .ts_bytes = 24, .ts_size = 12,				\
	.ts_instances = 16, .ai_bytes = 24, .ai_is_util = 0,			\
	.ai_enabled = 4, .ai_by_thread = 8, .ai_extra = 16,			\
	.ai_types = 12, .al_prefix = 120, .al_no = 128, .al_ix = 136,		\
	.al_pool = 456, .al_fix = 936, .al_sbcs = 1088,			\
	.al_mbcs = 1744, .al_bytes = 2400, .cs_bytes = 656,			\
	.cs_kinds = 3, .cs_blocks = 80, .cs_block_bytes = 48,			\
	.cs_size = 8, .cs_value_bytes = 16, .cs_number = 0, .fl_bytes = 64, .fl_size = 0,		\
	.fl_allocated = 32, .fl_used = 40, .fl_own_allocated = 40,		\
	.fl_own_used = 48

#define SUBTAGS_SAME                                                           \
	.tuple = 0, .pos_big = 2, .neg_big = 3, .ref = 4, .fun = 5,            \
	.flonum = 6, .ext_pid = 12, .ext_port = 13, .ext_ref = 14

/* Binaries and maps up to OTP 26, and from OTP 27 on. */
#define SUBTAGS_PROC                                                           \
	.refc_bin = 8, .heap_bin = 9, .sub_bin = 10, .map = 15,                \
	.heap_bits = SCOPE_NO, .sub_bits = SCOPE_NO, .bin_ref = SCOPE_NO
#define SUBTAGS_BITS                                                           \
	.heap_bits = 8, .sub_bits = 9, .bin_ref = 10, .map = 11,               \
	.refc_bin = SCOPE_NO, .heap_bin = SCOPE_NO, .sub_bin = SCOPE_NO

/* ErtsPTabReadOnlyData up to OTP 25, and from OTP 26 on. */
#define PTAB_32                                                                \
	.t_pix_mask = 20, .t_pix_cl_mask = 24, .t_pix_cl_shift = 28,           \
	.t_pix_cli_mask = 32, .t_pix_cli_shift = 36, .t_invalid = 56
#define PTAB_64                                                                \
	.t_pix_mask = 24, .t_pix_cl_mask = 32, .t_pix_cli_mask = 40,           \
	.t_pix_cl_shift = 48, .t_pix_cli_shift = 52, .t_invalid = 80

/* Bits of ErtsMonLnkNode.flags: of their own up to OTP 27, above the type in 29. */
#define ML_FLAGS_16                                                            \
	.ml_flags_bytes = 2, .ml_target = 1 << 0, .ml_named = 1 << 3,          \
	.ml_extended = 1 << 4, .ml_pending = 1 << 5
#define ML_FLAGS_32                                                            \
	.ml_flags_bytes = 4, .ml_target = 1 << 7, .ml_named = 1 << 10,         \
	.ml_extended = 1 << 11, .ml_pending = 1 << 12

/* ErtsMonLnkNode: a union of 24 bytes up to OTP 26 (ErtsSignalCommon), of 32
 * from OTP 27 on (ErtsNonMsgSignal, with mlenoffs), and what follows it. */
#define NODE_24                                                                \
	.ml_other = 24, .ml_offset = 32, .ml_flags = 36,                       \
	.ml_type = 38, .ml_type_mask = 0xffff, .ml_data_ref = 80,              \
	.ml_bytes = 40, .md_target = 40, .md_refc = 88, .md_bytes = 96,        \
	.md_suspend_bytes = 112, .mx_name = 96, .mx_dist = 112,                \
	.mx_bytes = 128, .lx_refc = 80, ML_FLAGS_16
#define NODE_32                                                                \
	.ml_other = 32, .ml_offset = 40, .ml_flags = 44, .ml_data_ref = 96,    \
	.ml_bytes = 48, .md_target = 48, .md_refc = 104, .md_bytes = 112,      \
	.md_heap_bytes = 144, .md_suspend_bytes = 128, .mx_name = 112,         \
	.mx_dist = 128, .mx_bytes = 144, .lnk_bytes = 48,                      \
	.lnk_refc = SCOPE_NO, .lnk_unlinking = 48, .lx_refc = 96,              \
	.lx_unlinking = 120, .lx_heap = 128, .lx_bytes = 136

/* What sends to other nodes and takes in from them; 29 has ErtsDistExternal in
 * another order. */
#define DIST                                                                   \
	.ds_ctl = 16, .ds_msg = 24, .ds_dep = 112, .ds_fragments = 216,        \
	.ds_c_p = 240, .ds_u = 248, .dx_attab = 40, .dx_atoms = 48,            \
	.dd_seq = 0, .dd_frag = 8, .dd_ext = 16, .dd_end = 24, .dd_bytes = 40
#define DIST_27                                                                \
	DIST, .dx_dep = 8, .dx_flags = 16, .dx_data = 24
#define DIST_29                                                                \
	DIST, .dx_dep = 24, .dx_flags = 8, .dx_data = 0

/* What came between OTP 23 and 25: aliases, receive markers in the queue, and
 * outer queues that many can send to at once. */
#define SINCE_25                                                               \
	.mon_resource = 5, .mon_suspend = 8, .mon_alias = 9,                   \
	.m_marker_bytes = 56,                                                  \
	.sb_slots = 0, .sb_count = 64, .sb_stride = 128, .sb_queue = 56,       \
	.sb_alive = 40

/* What did not move between OTP 27 and 29. */
#define SAME_27_29                                                             \
	NODE_32,                                                               \
	SINCE_25,                                                              \
	.p_arity = 133, .p_arity_bytes = 1, .p_catches = 256,                  \
	.p_off_heap = 520, .p_wrt_bins = 536, .p_sig_inq_buffers = 680,        \
	.p_trace_flags = 64, .bin_refc = 16, .ref_bin = 8,                     \
	.p_reg = 32, .p_started_interval = 24,                                 \
	.p_htop = 80, .p_stop = 88, .p_heap = 192, .p_hend = 200,              \
	.p_abandoned_heap = 208, .p_heap_sz = 216,                             \
	.p_arg_reg = 136, .p_def_arg_reg = 144, .p_i = 248,                    \
	.trap = 1 << 10, .p_freason = 104,                                     \
	.p_fcalls = 120, .p_fcalls_bytes = 4, .p_reds = 272,                   \
	.p_flags = 124, .p_group_leader = 280, .p_sig_qs = 312,                \
	.p_dictionary = 408, .p_initial = 440, .p_current = 464,               \
	.p_parent = 472, .p_high_water = 488, .p_old_hend = 496,               \
	.p_old_htop = 504, .p_old_heap = 512, .p_gen_gcs = 484,                \
	.p_mbuf = 544, .p_mbuf_sz = 568, .p_psd = 576, .p_state = 624,         \
	.p_sig_inq = 640, .p_scheduler_data = 744, .p_run_queue = 752,         \
	.p_links = 40, .p_lt_monitors = 48, .p_monitors = 56,                  \
	.sq_len = 24, .sq_cont = 32, .sq_flags = 80, .si_len = SCOPE_NO,       \
	.sq_nmsigs = 48, .sq_behind = 64, .si_behind = 16, .nm_before = 24,    \
	.s_current_process = 168, .s_type = 176, .s_no = 184,                  \
	.s_dirty_no = 192, .s_current_port = 224, .s_run_queue = 232,          \
	.s_virtual_reds = 240, .s_stride = 41792,                              \
	.s_last_os_time = 41616,                                               \
	PTAB_64,                                                               \
	.ref_pid = 24, .magic_refn = 40,                                       \
	.fun_arity = SCOPE_NO, .fun_num_free = SCOPE_NO,                       \
	.fun_creator = SCOPE_NO, .fun_env = 16,                                \
	.ml_link_type = 10, .export_mfa = 64,                                  \
	.bin_orig_size = 24, .bin_bytes = 32

static const struct scope_layout otp23 = {
	SAME,
	NODE_24,
	DIST_27,
	.otp = 23,
	.bin_style = SCOPE_BIN_PROC,
	.fun_style = SCOPE_FUN_23,
	.pixdata = 0,
	.atom_is_term = 0,
	.sub = {
		SUBTAGS_SAME,
		SUBTAGS_PROC,
		.export_fun = 7, .record = SCOPE_NO, .fun_ref = SCOPE_NO,
	},

	.p_size = 736, .p_reg = 48, .p_started_interval = 40,
	.p_htop = 80, .p_stop = 88, .p_heap = 96, .p_hend = 104,
	.p_abandoned_heap = 112, .p_heap_sz = 120,
	.p_arg_reg = 160, .p_def_arg_reg = 176, .p_i = 224,
	.trap = 1 << 9, .p_freason = 288,
	.p_fcalls = 240, .p_fcalls_bytes = 8, .p_reds = 256,
	.p_flags = 264, .p_group_leader = 272, .p_sig_qs = 312,
	.p_dictionary = 400, .p_initial = 432, .p_current = 456,
	.p_parent = 464, .p_high_water = 480, .p_old_hend = 488,
	.p_old_htop = 496, .p_old_heap = 504, .p_gen_gcs = 512,
	.p_mbuf = 536, .p_mbuf_sz = 560, .p_psd = 568, .p_state = 616,
	.p_sig_inq = 624, .p_scheduler_data = 720, .p_run_queue = 728,
	.p_links = 56, .p_lt_monitors = 64, .p_monitors = 72,
	.p_arity = 152, .p_arity_bytes = 8, .p_catches = 232,
	.p_off_heap = 520, .p_wrt_bins = SCOPE_NO,
	.p_sig_inq_buffers = SCOPE_NO, .p_trace_flags = 24, .psd_bytes = 80,

	.sq_cont = 24, .sq_len = 64, .sq_flags = 72, .si_len = 16,
	.sq_nmsigs = 40, .sq_behind = SCOPE_NO, .si_behind = SCOPE_NO,
	.nm_before = SCOPE_NO,
	.m_marker = SCOPE_NO, .m_marker_bytes = SCOPE_NO, .dx_heap_size = 0,
	.sb_slots = SCOPE_NO, .sb_count = SCOPE_NO, .sb_stride = SCOPE_NO,
	.sb_queue = SCOPE_NO, .sb_alive = SCOPE_NO,

	.s_current_process = 216, .s_type = 224, .s_no = 232,
	.s_dirty_no = 240, .s_current_port = 272, .s_run_queue = 280,
	.s_virtual_reds = 288, .s_stride = 41920, .s_last_os_time = SCOPE_NO,

	PTAB_32,

	.ref_pid = SCOPE_NO, .magic_refn = 32, .inet_remote = SCOPE_NO,

	.fun_arity = 24, .fun_num_free = 32, .fun_creator = 40, .fun_env = 48,

	/* HashBucket 0, uniq 16, index 32, old_uniq 36, old_index 40,
	 * address 48, arity 56, module 64 */
	.fe_start = 32, .fe_module = 64, .fe_arity = 56, .fe_index = 32,
	.fe_old_uniq = 36, .fe_old_index = 40, .fe_bytes = 40,

	.ml_link_type = 8, .mon_resource = 4, .mon_suspend = 7,
	.mon_alias = SCOPE_NO, .md_heap_bytes = 120,
	.lnk_bytes = 88, .lnk_refc = 80, .lnk_unlinking = SCOPE_NO,
	.lx_heap = 104, .lx_bytes = 112, .lx_unlinking = SCOPE_NO,
	.export_mfa = 48, .ch_functions = 88,
	.bin_orig_size = 16, .bin_bytes = 24, .bin_refc = 8, .ref_bin = 24,

	.s_ssi = 208, .s_flxctr_slot = 248, .s_reductions = 41784,
	.s_ets_count = 41848, .s_ets = 41856, .rq_prio = 240,
	.rq_len = 208, .rq_ix = 0, .rq_ports = 360, .rq_stride = 448,
	.ets_bytes = 320, .al_pools = 424, .fl_count = 12,
	.magic_word = 48, .fl_processes = 799,
};

static const struct scope_layout otp25 = {
	SAME,
	NODE_24,
	.otp = 25,
	.bin_style = SCOPE_BIN_PROC,
	.fun_style = SCOPE_FUN_25,
	.pixdata = 0,
	.atom_is_term = 0,
	.sub = {
		SUBTAGS_SAME,
		SUBTAGS_PROC,
		.export_fun = SCOPE_NO, .record = SCOPE_NO,
		.fun_ref = SCOPE_NO,
	},

	.p_size = 776, .p_reg = 48, .p_started_interval = 40,
	.p_htop = 80, .p_stop = 88, .p_heap = 128, .p_hend = 136,
	.p_abandoned_heap = 144, .p_heap_sz = 152,
	.p_arg_reg = 192, .p_def_arg_reg = 208, .p_i = 256,
	.trap = 1 << 10, .p_freason = 112,
	.p_fcalls = 104, .p_fcalls_bytes = 8, .p_reds = 280,
	.p_flags = 288, .p_group_leader = 296, .p_sig_qs = 328,
	.p_dictionary = 416, .p_initial = 448, .p_current = 472,
	.p_parent = 480, .p_high_water = 496, .p_old_hend = 504,
	.p_old_htop = 512, .p_old_heap = 520, .p_gen_gcs = 528,
	.p_mbuf = 560, .p_mbuf_sz = 584, .p_psd = 592, .p_state = 640,
	.p_sig_inq = 656, .p_scheduler_data = 760, .p_run_queue = 768,
	.p_links = 56, .p_lt_monitors = 64, .p_monitors = 72,
	.p_arity = 184, .p_arity_bytes = 8, .p_catches = 264,
	.p_off_heap = 536, .p_wrt_bins = 552, .p_sig_inq_buffers = 696,
	.p_trace_flags = 24, .psd_bytes = 80,

	.sq_cont = 24, .sq_len = 64, .sq_flags = 72, .si_len = 16,
	.sq_nmsigs = 40, .sq_behind = SCOPE_NO, .si_behind = SCOPE_NO,
	.nm_before = SCOPE_NO,
	.m_marker = 214064, .dx_heap_size = 0, SINCE_25,

	.s_current_process = 168, .s_type = 176, .s_no = 184,
	.s_dirty_no = 192, .s_current_port = 224, .s_run_queue = 232,
	.s_virtual_reds = 240, .s_stride = 41728, .s_last_os_time = SCOPE_NO,

	PTAB_32,
	DIST_27,

	.ref_pid = 24, .magic_refn = 32, .inet_remote = 192,

	.fun_arity = 24, .fun_num_free = 25, .fun_creator = 32, .fun_env = 40,

	/* dispatch 0, module 32, arity 40, index 48, uniq 52, old_uniq 68,
	 * old_index 72 */
	.fe_start = 32, .fe_module = 32, .fe_arity = 40, .fe_index = 48,
	.fe_old_uniq = 68, .fe_old_index = 72, .fe_bytes = 48,

	.ml_link_type = 10, .md_heap_bytes = 128,
	.lnk_bytes = 40, .lnk_refc = SCOPE_NO, .lnk_unlinking = 40,
	.lx_heap = 112, .lx_bytes = 120, .lx_unlinking = 104,
	.export_mfa = 56, .ch_functions = 96,
	.bin_orig_size = 16, .bin_bytes = 24, .bin_refc = 8, .ref_bin = 24,

	.s_ssi = 160, .s_flxctr_slot = 200, .s_reductions = 41640,
	.s_ets_count = 41712, .s_ets = 41720, .rq_prio = 240,
	.rq_len = 208, .rq_ix = 0, .rq_ports = 360, .rq_stride = 448,
	.ets_bytes = 304, .al_pools = 416, .fl_count = 15,
	.magic_word = 48, .fl_processes = 6205,
};

static const struct scope_layout otp27 = {
	SAME,
	SAME_27_29,
	.ml_type = 46, .ml_type_mask = 0xffff, ML_FLAGS_16,
	.m_marker = 214064, .dx_heap_size = 0, .psd_bytes = 96,
	.otp = 27,
	.bin_style = SCOPE_BIN_BITS,
	.fun_style = SCOPE_FUN_27,
	.pixdata = 1,
	.atom_is_term = 0,
	.sub = {
		SUBTAGS_SAME,
		SUBTAGS_BITS,
		.export_fun = SCOPE_NO, .record = SCOPE_NO, .fun_ref = 1,
	},

	.p_size = 760, .ch_functions = 136, .inet_remote = 200,
	.inet_tagged = 1,
	DIST_27,

	/* as 25 */
	.fe_start = 32, .fe_module = 32, .fe_arity = 40, .fe_index = 48,
	.fe_old_uniq = 68, .fe_old_index = 72, .fe_bytes = 48,

	.s_ssi = 160, .s_flxctr_slot = 200, .s_reductions = 41680,
	.s_ets_count = 41752, .s_ets = 41760, .rq_prio = 240,
	.rq_len = 208, .rq_ix = 0, .rq_ports = 360, .rq_stride = 448,
	.ets_bytes = 304, .al_pools = 416, .fl_count = 15,
	.magic_word = 56, .fl_processes = 6205,
};

static const struct scope_layout otp29 = {
	SAME,
	SAME_27_29,
	DIST_29,
	.ml_type = 44, .ml_type_mask = 0x1f, ML_FLAGS_32,
	.m_marker = 230448, .dx_heap_size = 16, .psd_bytes = 112,
	.otp = 29,
	.bin_style = SCOPE_BIN_BITS,
	.fun_style = SCOPE_FUN_29,
	.pixdata = 1,
	.atom_is_term = 1,
	.sub = {
		SUBTAGS_SAME,
		SUBTAGS_BITS,
		.export_fun = SCOPE_NO, .record = 7, .fun_ref = SCOPE_NO,
	},

	.p_size = 768, .ch_functions = 152, .inet_remote = 200,
	.inet_tagged = 1,

	/* dispatch 0, pend_purge_address 32, module 40, uniq 48, arity 64,
	 * index 68, old_uniq 72, old_index 76 */
	.fe_start = 40, .fe_module = 40, .fe_arity = 64, .fe_index = 68,
	.fe_old_uniq = 72, .fe_old_index = 76, .fe_bytes = 40,

	.s_ssi = 160, .s_flxctr_slot = 200, .s_reductions = 41704,
	.s_ets_count = 41776, .s_ets = 41784, .rq_prio = 48, .rq_len = 164,
	.rq_ix = 168, .rq_ports = 312, .rq_stride = 384, .ets_bytes = 304,
	.al_pools = 416, .fl_count = 15, .magic_word = 56, .fl_processes = 6205,
};

static const struct scope_layout *const tables[] = {
	&otp23, &otp25, &otp27, &otp29,
};

const struct scope_layout *scope_layout_of(unsigned otp)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		if (tables[i]->otp == otp)
			return tables[i];
	return NULL;
}

void scope_layout_add_probes(struct scope_layout *l)
{
	__u32 *const moved[] = {
		&l->p_size,	   &l->p_initial,  &l->p_current,
		&l->p_parent,	   &l->p_high_water, &l->p_old_hend,
		&l->p_old_htop,	   &l->p_old_heap, &l->p_gen_gcs,
		&l->p_mbuf,	   &l->p_mbuf_sz,  &l->p_psd,
		&l->p_state,	   &l->p_sig_inq,  &l->p_scheduler_data,
		&l->p_run_queue,   &l->p_off_heap, &l->p_wrt_bins,
		&l->p_sig_inq_buffers,
	};

	for (size_t i = 0; i < sizeof(moved) / sizeof(*moved); i++)
		if (*moved[i] != SCOPE_NO)
			*moved[i] += 16;
}

const unsigned *scope_layout_releases(void)
{
	static const unsigned releases[] = { 23, 25, 27, 29, 0 };

	return releases;
}
