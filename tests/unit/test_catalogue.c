/* SPDX-License-Identifier: MIT */
/* Which functions of an emulator are probed: over one that is made here, of
 * functions a few instructions long. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "beam/layout.h"
#include "probe/catalogue.h"
#include "target/stapsdt.h"

#if defined(__x86_64__)

#define TEXT 0x1000ull /* address of the first function; each takes STEP */
#define STEP 0x40
#define FILE_OFFSET 0x800ull
#define WIRE (~(0xffull << 40) & ~1ull)

/* A static function's name is known here only. */
static const char *const functions[] = {
	"erts_register_name",
	"erts_unregister_name",
	"erl_create_process",
	"erts_do_exit_process",
	"erts_proc_sig_send_exit",
	"erts_proc_sig_send_link_exit",
	"erts_proc_sig_send_link",
	"erts_proc_sig_send_unlink",
	"erts_proc_sig_send_monitor",
	"erts_proc_sig_send_demonitor",
	"erts_proc_sig_send_monitor_down",
	"erts_queue_message",
	"erts_queue_message_token",
	"erts_queue_proc_message",
	"erts_queue_proc_messages",
	"erts_queue_dist_message",
	"erts_proc_sig_send_to_alias",
	"erts_proc_sig_send_altact_msg",
	"erts_proc_sig_send_dist_to_alias",
	"erts_proc_sig_send_dist_altact_msg",
	"erts_dsig_send",
	"erts_encode_ext_dist_header_setup",
	"erts_net_message",
	"erts_decode_dist_ext",
	"erts_set_dist_entry_connected",
	"erts_set_this_node",
	"erts_do_net_exits",
	"~beam_jit_remove_message",
	"erts_garbage_collect_nobump",
	"__jit_debug_register_code",
	"static garbage_collect",
	"static queue_messages",
	"bif erts_internal:purge_module/2",
	"erts_schedule",
	"erts_schedule_process",
	"bif erts_internal:suspend_process/2",
	"erts_hibernate",
	"erts_call_dirty_nif",
	"erts_call_dirty_bif",
	"~beam_jit_call_nif",
	"~beam_jit_call_bif",
	"erl_send",
	"bif erlang:send/3",
	"erts_send_message",
	"erts_port_command",
	"erts_open_driver",
	"driver_create_port",
	"erts_deliver_port_exit",
	"erts_port_output",
	"erts_port_control",
	"erts_port_call",
	"driver_output2",
	"driver_output_binary",
	"driver_outputv",
	"driver_output_term",
	"driver_report_exit",
	"static driver_deliver_term",
	"static rest of erts_net_message",
	/* what those drivers write with */
	"static output of spawn_driver",
	"static output of fd_driver",
	"static output in driver_list",
	"bif erlang:start_timer/3",
	"bif erlang:start_timer/4",
	"bif erlang:cancel_timer/1",
	"bif erlang:cancel_timer/2",
	"static bif_timer_timeout",
	"bif erlang:send_after/3",
	"bif erlang:send_after/4",
	"erts_set_proc_timer_term",
	"bif_timer_timeout",
	"bif ets:new/2",
	"bif ets:delete/1",
	"bif ets:lookup/2",
	"bif ets:lookup_element/3",
	"bif ets:lookup_element/4",
	"bif ets:member/2",
	"bif ets:first/1",
	"bif ets:last/1",
	"bif ets:next/2",
	"bif ets:prev/2",
	"bif ets:first_lookup/1",
	"bif ets:last_lookup/1",
	"bif ets:next_lookup/2",
	"bif ets:prev_lookup/2",
	"bif ets:slot/2",
	"bif ets:info/1",
	"bif ets:info/2",
	"bif ets:whereis/1",
	"bif ets:insert/2",
	"bif ets:insert_new/2",
	"bif ets:delete/2",
	"bif ets:delete_object/2",
	"bif ets:take/2",
	"bif ets:internal_delete_all/2",
	"bif ets:internal_select_delete/2",
	"bif ets:update_counter/3",
	"bif ets:update_counter/4",
	"bif ets:update_element/3",
	"bif ets:update_element/4",
	"bif ets:rename/2",
	"bif ets:give_away/3",
	"bif ets:setopts/2",
	"bif ets:safe_fixtable/2",
	"bif ets:select/1",
	"bif ets:select/2",
	"bif ets:select/3",
	"bif ets:select_count/2",
	"bif ets:select_replace/2",
	"bif ets:select_reverse/1",
	"bif ets:select_reverse/2",
	"bif ets:select_reverse/3",
	"bif ets:match/1",
	"bif ets:match/2",
	"bif ets:match/3",
	"bif ets:match_object/1",
	"bif ets:match_object/2",
	"bif ets:match_object/3",
	/* of the interpreter alone */
	"process_main",
	"erts_save_message_in_proc",
	"erts_update_ranges",
	"erts_set_proc_timer_uword",
	"erts_pre_nif",
	"erts_post_nif",
};
#define NINTERPRETER 6
#define NFUNCTIONS (sizeof(functions) / sizeof(*functions))

/* Data: the drivers, in the target's memory. */
#define DATA 0x800000ull
#define WORDS 24 /* of each */
static const char *const data[] = { "spawn_driver", "fd_driver", "driver_list",
				    "vanilla_driver" };
static const char *const driver_names[] = { "spawn", "fd", "udp_inet",
					    "ram_file_drv" };
#define NDRIVERS 4

struct scope_target {
	struct scope_target_info info;
	struct scope_vm vm;
	uint64_t memory[NDRIVERS + 1][WORDS];
	bool is_writerless;
	uint8_t text[NFUNCTIONS * STEP];
	bool is_gone[NFUNCTIONS];
	enum scope_how how[NFUNCTIONS];
};

static struct scope_target t;

static size_t place_of(const char *name)
{
	for (size_t i = 0; i < NFUNCTIONS; i++)
		if (!strcmp(functions[i], name))
			return i;
	fail_msg("%s is no function here", name);
	return 0;
}

static uint64_t address_of(const char *name)
{
	return TEXT + STEP * place_of(name);
}

static int symbol_at(size_t i, struct scope_symbol *ret_sym)
{
	if (t.is_gone[i])
		return -ENOENT;
	*ret_sym = (struct scope_symbol){
		.name = functions[i],
		.vaddr = TEXT + STEP * i,
		.size = STEP,
		.offset = FILE_OFFSET + STEP * i,
		.how = t.how[i],
	};
	return 0;
}

const struct scope_target_info *
scope_target_info(const struct scope_target *target)
{
	return &target->info;
}

struct scope_vm *scope_target_vm(struct scope_target *target)
{
	return &target->vm;
}

int scope_target_read(void *target, uint64_t addr, void *buf, size_t len)
{
	struct scope_target *of = target;

	if (addr < DATA || addr - DATA > sizeof(of->memory) ||
	    len > sizeof(of->memory) - (addr - DATA))
		return -EFAULT;
	memcpy(buf, (const char *)of->memory + (addr - DATA), len);
	return 0;
}

int scope_target_symbol(const struct scope_target *target, const char *name,
			struct scope_symbol *ret_sym)
{
	(void)target;
	for (size_t i = 0; i < 4; i++) {
		if (strcmp(name, data[i]) != 0)
			continue;
		if (i == 3 || t.is_writerless)
			return -ENOENT;
		/* The list's head is behind the drivers. */
		*ret_sym = (struct scope_symbol){
			.name = name,
			.vaddr = DATA + 8 * WORDS * (i == 2 ? NDRIVERS : i),
		};
		return 0;
	}
	return symbol_at(place_of(name), ret_sym);
}

int scope_target_function(const struct scope_target *target, uint64_t vaddr,
			  struct scope_symbol *ret_fn)
{
	int r;

	(void)target;
	if (vaddr < TEXT || vaddr - TEXT >= sizeof(t.text))
		return -ENOENT;
	r = symbol_at((vaddr - TEXT) / STEP, ret_fn);
	if (r == 0)
		ret_fn->name = NULL;
	return r;
}

const uint8_t *scope_target_text(const struct scope_target *target,
				 uint64_t vaddr, size_t len)
{
	(void)target;
	if (vaddr < TEXT || vaddr - TEXT > sizeof(t.text) ||
	    len > sizeof(t.text) - (vaddr - TEXT))
		return NULL;
	return t.text + (vaddr - TEXT);
}

int scope_target_bif(const struct scope_target *target, const char *module,
		     const char *function, unsigned arity,
		     struct scope_symbol *ret_sym)
{
	char name[128];

	(void)target;
	(void)snprintf(name, sizeof(name), "bif %s:%s/%u", module, function,
		       arity);
	return symbol_at(place_of(name), ret_sym);
}

/* What its notes say; NULL: it has none. */
static const struct scope_stapsdt *notes;
static size_t nnotes;
static enum scope_from asked;

int scope_target_usdt(const struct scope_target *target,
		      int (*fn)(void *arg, const struct scope_stapsdt *p),
		      void *arg)
{
	int r = notes ? 0 : -ENOENT;

	(void)target;
	for (size_t i = 0; r == 0 && i < nnotes; i++)
		r = fn(arg, &notes[i]);
	return r;
}

int scope_target_offset(const struct scope_target *target, uint64_t vaddr,
			uint64_t *ret_offset)
{
	(void)target;
	if (vaddr < TEXT)
		return -ENOENT;
	*ret_offset = vaddr - TEXT + FILE_OFFSET;
	return 0;
}

/* An instruction of five bytes that goes to a function: a call or a jump. */
static void put_branch(const char *in, size_t at, uint8_t op, const char *to)
{
	uint8_t *code = t.text + STEP * place_of(in) + at;
	int32_t rel = (int32_t)(address_of(to) - address_of(in) - at - 5);

	code[0] = op;
	memcpy(code + 1, &rel, 4);
	code[5] = 0xc3;
}

/* What calls BIFs of the interpreter: call *8(%rax), then ret. */
static void put_call_through(size_t at)
{
	memcpy(t.text + STEP * place_of("process_main") + at,
	       "\xff\x50\x08\xc3", 4);
}

/* A driver: the next one, its name (in its own last words), and what writes. */
static void put_driver(size_t i, uint64_t next, const char *output,
		       const char *outputv)
{
	const struct scope_layout *l = t.vm.layout;
	uint64_t *w = t.memory[i];

	w[l->drv_next / 8] = next;
	w[l->drv_name / 8] = DATA + 8 * (WORDS * i + WORDS - 2);
	memcpy(w + WORDS - 2, driver_names[i], strlen(driver_names[i]) + 1);
	w[l->drv_output / 8] = output ? address_of(output) : 0;
	w[l->drv_outputv / 8] = outputv ? address_of(outputv) : 0;
}

static void make_drivers(void)
{
	t.vm.layout = scope_layout_of(25);
	put_driver(0, 0, "static output of spawn_driver", NULL);
	put_driver(1, 0, NULL, "static output of fd_driver");
	put_driver(2, DATA + 8 * WORDS * 3, "static output in driver_list",
		   NULL);
	/* Not one that is probed: its function is nowhere. */
	put_driver(3, 0, NULL, NULL);
	t.memory[3][t.vm.layout->drv_output / 8] = 1;
	t.memory[NDRIVERS][0] = DATA + 8 * WORDS * 2;
}

static void make(const char *otp)
{
	memset(&t, 0, sizeof(t));
	t.info.otp = otp;
	t.info.jit = strcmp(otp, "23") != 0;
	for (size_t i = 0; i < NFUNCTIONS; i++) {
		uint8_t *code = t.text + STEP * i;

		memset(code, 0xcc, STEP);
		code[0] = 0x55; /* push rbp */
		code[1] = 0x5d; /* pop rbp */
		code[2] = 0xc3; /* ret */
	}
	put_branch("erts_garbage_collect_nobump", 2, 0xe8,
		   "static garbage_collect");
	put_branch("process_main", 2, 0xe8, "erts_save_message_in_proc");
	/* One sends in one place, and takes in in two. */
	put_branch("erts_dsig_send", 2, 0xe8,
		   "erts_encode_ext_dist_header_setup");
	put_branch("erts_net_message", 2, 0xe8, "erts_decode_dist_ext");
	put_branch("erts_net_message", 7, 0xe8, "erts_set_this_node");
	put_branch("erts_net_message", 12, 0xe8, "erts_decode_dist_ext");
	put_branch("driver_output_term", 2, 0xe9,
		   "static driver_deliver_term");
	make_drivers();
	memcpy(t.text + STEP * place_of("static bif_timer_timeout"),
	       "\x55\xb9\2\0\0\0\xf0\x0f\xb1\x4e\x48\x5d\xc3", 13);
	/* It has a name in tables of builds alone. */
	t.is_gone[place_of("bif_timer_timeout")] = true;
	put_branch("process_main", 7, 0xe8, "erts_pre_nif");
	put_branch("process_main", 12, 0xe8, "erts_post_nif");
	put_call_through(17);
}

/* The erts_queue_*message* functions end in one. */
static void make_tail(void)
{
	static const char *const from[] = {
		"erts_queue_message", "erts_queue_message_token",
		"erts_queue_proc_message", "erts_queue_proc_messages",
	};

	for (size_t i = 0; i < 4; i++) {
		put_branch(from[i], 2, 0xe9, "static queue_messages");
		t.text[STEP * place_of(from[i]) + 7] = 0xcc;
	}
}

static int set_up(void **state)
{
	(void)state;
	notes = NULL;
	asked = SCOPE_FROM_AUTO;
	make("25");
	make_tail();
	return 0;
}

static struct scope_sites found;

static void find(scope_kindset wanted)
{
	memset(&found, 0xee, sizeof(found));
	scope_catalogue_find(&t, wanted, asked, &found);
	assert_in_range(found.n, 0, SCOPE_SITES_MAX);
}

static bool has(unsigned kind)
{
	return (found.found >> kind) & 1;
}

static unsigned count(enum scope_site site, bool is_return)
{
	unsigned n = 0;

	for (size_t i = 0; i < found.n; i++)
		n += found.site[i].site == site &&
		     found.site[i].is_return == is_return;
	return n;
}

static void every_kind_has_its_source(void **state)
{
	static const char *const releases[] = { "24", "25", "26", "27", "28" };

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		bool purge = i < 2;

		t.info.otp = releases[i];
		find(WIRE);
		for (unsigned k = 1; k < SCOPE_KIND_MAX; k++) {
			bool is_kind = SCOPE_KIND_IS_WIRE(k) &&
				       scope_kind_info(k)->name;

			assert_int_equal(has(k), is_kind);
			assert_string_equal(found.missing[k], "");
			if (is_kind)
				assert_memory_equal(found.source[k], "uprobe ",
						    7);
		}
		assert_string_equal(found.source[SCOPE_KIND_PROC_SPAWN],
				    "uprobe erl_create_process");
		assert_string_equal(found.source[SCOPE_KIND_PROC_EXIT_SIGNAL],
				    "uprobe erts_proc_sig_send_exit, "
				    "erts_proc_sig_send_link_exit");
		assert_string_equal(found.source[SCOPE_KIND_MSG_SEND],
				    "uprobe queue_messages, "
				    "erts_queue_dist_message, "
				    "erts_proc_sig_send_to_alias, "
				    "erts_proc_sig_send_dist_to_alias");
		assert_string_equal(found.source[SCOPE_KIND_DIST_SEND],
				    "uprobe erts_dsig_send");
		assert_string_equal(found.source[SCOPE_KIND_DIST_RECEIVE],
				    "uprobe erts_net_message");
		assert_string_equal(found.source[SCOPE_KIND_MSG_RECEIVE],
				    "uprobe beam_jit_remove_message");
		assert_string_equal(found.source[SCOPE_KIND_GC_END],
				    "uprobe garbage_collect");
		assert_string_equal(
			found.source[SCOPE_KIND_CODE_UNLOAD],
			purge ? "uprobe erts_internal:purge_module/2" :
				"uprobe __jit_debug_register_code");
		assert_int_equal(count(SCOPE_SITE_PURGE, false), purge);
		assert_int_equal(count(SCOPE_SITE_PURGE, true), purge);
		assert_int_equal(count(SCOPE_SITE_JIT_CODE, false), 1);
		assert_string_equal(found.source[SCOPE_KIND_SCHED_OUT],
				    "uprobe erts_schedule");
		assert_int_equal(count(SCOPE_SITE_SCHEDULE, false), 1);
		assert_int_equal(count(SCOPE_SITE_SCHEDULE, true), 1);
		/* Of a spawn, its end alone. */
		assert_int_equal(count(SCOPE_SITE_SPAWNED, false), 0);
		assert_int_equal(count(SCOPE_SITE_SPAWNED, true), 1);
	}
	t.info.otp = "29";
	find(WIRE);
	assert_string_equal(found.source[SCOPE_KIND_MSG_SEND],
			    "uprobe queue_messages, erts_queue_dist_message, "
			    "erts_proc_sig_send_altact_msg, "
			    "erts_proc_sig_send_dist_altact_msg");
	assert_int_equal(count(SCOPE_SITE_ALIAS, false), 1);
	assert_int_equal(count(SCOPE_SITE_ALIAS_DIST, false), 1);
	for (unsigned k = 1; k < SCOPE_KIND_MAX; k++)
		assert_string_equal(found.missing[k], "");
	assert_int_equal(count(SCOPE_SITE_JIT_CODE, false), 1);
}

/* How a function was found is said with it, once, and the least sure way of
 * all that a kind needs. */
static void how_it_was_found_is_told(void **state)
{
	(void)state;
	make("29");
	t.info.hides_symbols = true;
	t.info.has_build = true;
	t.info.build_id = "12ab";
	for (size_t i = 0; i < NFUNCTIONS; i++)
		t.how[i] = SCOPE_HOW_BUILD;
	t.how[place_of("erts_queue_dist_message")] = SCOPE_HOW_SYMBOL;
	t.how[place_of("erts_proc_sig_send_link_exit")] = SCOPE_HOW_JIT;
	t.how[place_of("erts_proc_sig_send_link")] = SCOPE_HOW_SYMBOL;
	find(WIRE);
	assert_string_equal(found.source[SCOPE_KIND_PROC_SPAWN],
			    "uprobe erl_create_process (build-id table)");
	assert_string_equal(found.source[SCOPE_KIND_MSG_SEND],
			    "uprobe erts_queue_*message*, "
			    "erts_queue_dist_message, "
			    "erts_proc_sig_send_altact_msg, "
			    "erts_proc_sig_send_dist_altact_msg "
			    "(build-id table)");
	/* A call is as sure as the less sure of the two that it joins. */
	t.how[place_of("erts_dsig_send")] = SCOPE_HOW_SYMBOL;
	t.how[place_of("erts_net_message")] = SCOPE_HOW_SYMBOL;
	t.how[place_of("erts_decode_dist_ext")] = SCOPE_HOW_SYMBOL;
	find(WIRE);
	assert_string_equal(found.source[SCOPE_KIND_DIST_SEND],
			    "uprobe erts_dsig_send (build-id table)");
	assert_string_equal(found.source[SCOPE_KIND_DIST_RECEIVE],
			    "uprobe erts_net_message");
	assert_string_equal(found.source[SCOPE_KIND_PROC_EXIT_SIGNAL],
			    "uprobe erts_proc_sig_send_exit, "
			    "erts_proc_sig_send_link_exit (JIT code)");
	assert_string_equal(found.source[SCOPE_KIND_PROC_LINK],
			    "uprobe erts_proc_sig_send_link");
	/* A static one is as sure as the one that it was found from. */
	assert_string_equal(found.source[SCOPE_KIND_GC_END],
			    "uprobe garbage_collect (build-id table)");
	make_tail();
	find(WIRE);
	assert_memory_equal(found.source[SCOPE_KIND_MSG_SEND],
			    "uprobe queue_messages, ", 23);
	assert_non_null(strstr(found.source[SCOPE_KIND_MSG_SEND],
			       " (build-id table)"));
	/* And where it can't be, what would help. */
	t.is_gone[place_of("erl_create_process")] = true;
	find(WIRE);
	assert_string_equal(found.missing[SCOPE_KIND_PROC_SPAWN],
			    "function erl_create_process is not in the table "
			    "of build-id 12ab");
	assert_string_equal(found.source[SCOPE_KIND_PROC_SPAWN], "");
	t.info.has_build = false;
	t.info.build_id = "a1a858f879ccf28e7871c290914b693182006115";
	find(WIRE);
	assert_string_equal(found.missing[SCOPE_KIND_PROC_SPAWN],
			    "this build hides its symbols "
			    "(erl_create_process is not known again in it), "
			    "and there is no table of build-id "
			    "a1a858f879ccf28e7871c290914b693182006115; make "
			    "one with scripts/symbol-table");
}

/* With CET each function begins with endbr64, which is not emulated and leaves
 * the stack alone: both sides of a pair go behind it. */
static void landing_pads_are_stepped_over(void **state)
{
	(void)state;
	make("29");
	for (size_t i = 0; i < NFUNCTIONS; i++) {
		uint8_t *code = t.text + STEP * i;

		memcpy(code, "\xf3\x0f\x1e\xfa\x55\x5d\xc3", 7);
	}
	put_branch("erts_garbage_collect_nobump", 6, 0xe8,
		   "static garbage_collect");
	find(WIRE);
	assert_true(found.n > 10);
	for (size_t i = 0; i < found.n; i++) {
		assert_true(found.site[i].emulated);
		/* Calls are where they are. */
		if (found.site[i].group != SCOPE_GROUP_DIST)
			assert_int_equal(found.site[i].offset % STEP, 4);
	}
	assert_int_equal(count(SCOPE_SITE_SPAWN, true), 1);
	/* Nothing to gain: still not on it, but stepped through. */
	memcpy(t.text + STEP * place_of("erl_create_process") + 4,
	       "\x48\x83\xec\x08\x55\x5d\xc3", 7);
	/* A jump back to behind it is no call. */
	memcpy(t.text + STEP * place_of("erts_register_name") + 4,
	       "\x55\x5d\xeb\xfc\xc3", 5);
	find(WIRE);
	for (size_t i = 0; i < found.n; i++) {
		const struct scope_attach_site *s = &found.site[i];

		if (s->site == SCOPE_SITE_SPAWN) {
			assert_int_equal(s->offset % STEP, 4);
			assert_false(s->emulated);
		} else if (s->site == SCOPE_SITE_REGISTER) {
			assert_int_equal(s->offset % STEP, 0);
			assert_false(s->emulated);
		}
	}
}

/* A site in process_main is at that byte of it. */
static void in_main_is(enum scope_site site, enum scope_prog prog, unsigned at,
		       bool emulated)
{
	unsigned n = 0;

	for (size_t i = 0; i < found.n; i++) {
		const struct scope_attach_site *s = &found.site[i];

		if (s->site != site || s->prog != prog)
			continue;
		assert_int_equal(s->offset,
				 FILE_OFFSET + at +
					 STEP * place_of("process_main"));
		assert_int_equal(s->emulated, emulated);
		assert_false(s->is_return);
		n++;
	}
	assert_int_equal(n, 1);
}

/* The same kinds come from an interpreter, some from other functions. */
static void an_interpreter_has_its_sources(void **state)
{
	(void)state;
	make("23");
	make_tail();
	find(WIRE);
	for (unsigned k = 1; k < SCOPE_KIND_MAX; k++)
		assert_string_equal(found.missing[k], "");
	assert_string_equal(found.source[SCOPE_KIND_MSG_SEND],
			    "uprobe queue_messages, erts_queue_dist_message");
	assert_string_equal(
		found.source[SCOPE_KIND_MSG_RECEIVE],
		"uprobe erts_save_message_in_proc (called by process_main)");
	assert_string_equal(found.source[SCOPE_KIND_CODE_LOAD],
			    "uprobe erts_update_ranges");
	assert_string_equal(found.source[SCOPE_KIND_CODE_UNLOAD],
			    "uprobe erts_internal:purge_module/2");
	assert_int_equal(count(SCOPE_SITE_QUEUE_TAIL_23, false), 1);
	assert_int_equal(count(SCOPE_SITE_QUEUE_TAIL, false), 0);
	assert_int_equal(count(SCOPE_SITE_RECEIVE, false), 0);
	assert_int_equal(count(SCOPE_SITE_JIT_CODE, false), 0);
	assert_int_equal(count(SCOPE_SITE_LINK_23, false), 1);
	assert_int_equal(count(SCOPE_SITE_LINK, false), 0);
	assert_string_equal(found.source[SCOPE_KIND_CALL],
			    "uprobe erts_call_dirty_nif, erts_call_dirty_bif, "
			    "erts_pre_nif, erts_post_nif, process_main");
	assert_int_equal(count(SCOPE_SITE_ETS, false), 0);
	assert_int_equal(count(SCOPE_SITE_ETS_23, false),
			 count(SCOPE_SITE_ETS_23, true));
	assert_int_equal(count(SCOPE_SITE_RECEIVE_TIMER_23, false), 1);
	/* Calls are probed where they are, in the caller: a NIF's beginning
	 * and end, a BIF's, and where that comes back to. */
	in_main_is(SCOPE_SITE_SAVE_MESSAGE, SCOPE_PROG_RECEIVE_SAVED, 2, true);
	in_main_is(SCOPE_SITE_CALL_NIF_23, SCOPE_PROG_NATIVE, 7, true);
	in_main_is(SCOPE_SITE_CALL_NIF_23, SCOPE_PROG_NATIVE_DONE, 12, true);
	in_main_is(SCOPE_SITE_CALL_BIF_23, SCOPE_PROG_NATIVE, 17, false);
	in_main_is(SCOPE_SITE_CALL_BIF_23, SCOPE_PROG_NATIVE_DONE, 20, false);
	/* Another such call, and none: which one it is can't be told. */
	put_call_through(20);
	find(WIRE);
	assert_string_equal(found.missing[SCOPE_KIND_CALL],
			    "function process_main is not found in this build");
	make("23");
	t.text[STEP * place_of("process_main") + 19] = 0x10;
	find(WIRE);
	assert_false(has(SCOPE_KIND_CALL));
	assert_int_equal(count(SCOPE_SITE_CALL_NIF_23, false), 0);
	make("23");
	/* An interpreter of a later release: that release's arguments. */
	t.info.otp = "25";
	find(WIRE);
	assert_int_equal(count(SCOPE_SITE_SAVE_MESSAGE, false), 1);
	assert_int_equal(count(SCOPE_SITE_LINK, false), 1);
	t.info.otp = "27";
	find(WIRE);
	assert_int_equal(count(SCOPE_SITE_PURGE, false), 1);
}

/* That it is the call of the receive is sure where there is no other. */
static void a_receive_is_one_call(void **state)
{
	const scope_kindset receive = SCOPE_KIND_BIT(SCOPE_KIND_MSG_RECEIVE);
	uint8_t *code;

	(void)state;
	make("23");
	code = t.text + STEP * place_of("process_main");
	memcpy(code + 7, code + 2, 5);
	code[12] = 0xc3;
	put_branch("process_main", 7, 0xe8, "erts_save_message_in_proc");
	find(receive);
	assert_int_equal(found.found, 0);
	assert_non_null(strstr(found.missing[SCOPE_KIND_MSG_RECEIVE],
			       "erts_save_message_in_proc"));
	/* Twice the same call, and three times. */
	put_branch("process_main", 12, 0xe8, "erts_save_message_in_proc");
	find(receive);
	assert_int_equal(found.found, 0);
	/* None. */
	make("23");
	put_branch("process_main", 2, 0xe8, "erts_update_ranges");
	find(receive);
	assert_int_equal(found.found, 0);
	/* What follows it is no code. */
	make("23");
	t.text[STEP * place_of("process_main") + 21] = 0x06;
	find(receive);
	assert_int_equal(found.found, 0);
}

/* Without a common tail each of the functions is probed. */
static void queues_without_a_tail(void **state)
{
	(void)state;
	make("25");
	find(SCOPE_KIND_BIT(SCOPE_KIND_MSG_SEND));
	assert_true(has(SCOPE_KIND_MSG_SEND));
	assert_memory_equal(found.source[SCOPE_KIND_MSG_SEND],
			    "uprobe erts_queue_*message*,", 28);
	assert_int_equal(count(SCOPE_SITE_QUEUE_TAIL, false), 0);
	assert_int_equal(count(SCOPE_SITE_QUEUE_MESSAGE, false), 2);
	assert_int_equal(count(SCOPE_SITE_QUEUE_PROC, false), 1);
	assert_int_equal(count(SCOPE_SITE_QUEUE_PROCS, false), 1);
	/* Two of them end elsewhere than the others: the same. */
	make_tail();
	put_branch("erts_queue_message", 2, 0xe9, "static garbage_collect");
	t.text[STEP * place_of("erts_queue_message") + 7] = 0xcc;
	find(SCOPE_KIND_BIT(SCOPE_KIND_MSG_SEND));
	assert_int_equal(count(SCOPE_SITE_QUEUE_TAIL, false), 0);
	assert_int_equal(count(SCOPE_SITE_QUEUE_MESSAGE, false), 2);
	/* Part of them is not enough. */
	t.is_gone[place_of("erts_queue_proc_message")] = true;
	find(SCOPE_KIND_BIT(SCOPE_KIND_MSG_SEND));
	assert_false(has(SCOPE_KIND_MSG_SEND));
	assert_string_equal(found.missing[SCOPE_KIND_MSG_SEND],
			    "function erts_queue_proc_message is not found in "
			    "this build");
}

/* How many kinds need a function. */
static unsigned needed_by(const char *name)
{
	static const struct {
		const char *name;
		unsigned n;
	} other[] = {
		/* A tail that is not there: its callers are used. */
		{ "queue_messages", 0 },
		{ "erts_queue_message", 0 },
		{ "erts_queue_message_token", 0 },
		{ "erts_queue_proc_message", 0 },
		{ "erts_queue_proc_messages", 0 },
		{ "garbage_collect", 3 },
		{ "erts_garbage_collect_nobump", 3 },
		{ "erts_schedule", 2 },
		{ "erl_create_process", 2 },
		{ "erts_set_this_node", 2 },
		{ "erlang:send_after/3", 2 },
		/* Of later releases. */
		{ "ets:lookup_element/4", 0 },
		{ "ets:first_lookup/1", 0 },
		{ "ets:last_lookup/1", 0 },
		{ "ets:next_lookup/2", 0 },
		{ "ets:prev_lookup/2", 0 },
		{ "ets:update_element/4", 0 },
	};

	for (size_t i = 0; i < sizeof(other) / sizeof(*other); i++)
		if (!strcmp(other[i].name, name))
			return other[i].n;
	return 1;
}

/* Take each function away: exactly the kinds that need it are missing, and
 * they say what they lack. */
static void what_is_missing_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < NFUNCTIONS; i++) {
		bool is_other = i >= NFUNCTIONS - NINTERPRETER;
		const char *name = strrchr(functions[i], ' ');
		scope_kindset all;
		unsigned lost = 0;

		(void)set_up(NULL);
		find(WIRE);
		all = found.found;
		is_other = is_other || t.is_gone[i];
		t.is_gone[i] = true;
		find(WIRE);
		name = name ? name + 1 : functions[i];
		name += *name == '~';
		assert_int_equal(found.found & ~all, 0);
		for (unsigned k = 1; k < SCOPE_KIND_MAX; k++) {
			if (has(k) == ((all >> k) & 1)) {
				assert_string_equal(found.missing[k], "");
				continue;
			}
			lost++;
			assert_non_null(strstr(found.missing[k], "function "));
			assert_non_null(strstr(found.missing[k], name));
		}
		assert_int_equal(lost, is_other || strstr(name, "altact") ||
						       strstr(functions[i], " rest ") ?
					       0 :
					       needed_by(name));
	}
}

/* A function whose beginning alone is under its name. */
static void a_parted_function_is_gone_after(void **state)
{
	const scope_kindset wanted = SCOPE_KIND_BIT(SCOPE_KIND_DIST_RECEIVE);
	const size_t rest = place_of("static rest of erts_net_message");

	(void)state;
	make("29");
	put_branch("erts_net_message", 2, 0xe9,
		   "static rest of erts_net_message");
	memset(t.text + STEP * place_of("erts_net_message") + 7, 0xc3, 10);
	put_branch("static rest of erts_net_message", 4, 0xe8,
		   "erts_decode_dist_ext");
	memcpy(t.text + STEP * rest, "\x55\x5d\x55\x5d", 4);
	find(wanted);
	assert_true(has(SCOPE_KIND_DIST_RECEIVE));
	assert_int_equal(count(SCOPE_SITE_DIST_RECEIVE, false), 1);
	for (size_t i = 0; i < found.n; i++)
		if (found.site[i].site == SCOPE_SITE_DIST_RECEIVE)
			assert_int_equal(found.site[i].offset,
					 FILE_OFFSET + STEP * rest + 4);
	/* It does not make the call either, or is no function. */
	put_branch("static rest of erts_net_message", 4, 0xe8,
		   "erts_do_net_exits");
	find(wanted);
	assert_string_equal(found.missing[SCOPE_KIND_DIST_RECEIVE],
			    "function erts_net_message is not found in this "
			    "build");
	t.is_gone[rest] = true;
	find(wanted);
	assert_false(has(SCOPE_KIND_DIST_RECEIVE));
}

/* Where a table names it; else by what it begins with, in any register. */
static void a_timers_end_is_found(void **state)
{
	const scope_kindset wanted = SCOPE_KIND_BIT(SCOPE_KIND_TIMER_TIMEOUT);
	uint8_t *code = t.text + STEP * place_of("static bif_timer_timeout");

	(void)state;
	make("29");
	t.is_gone[place_of("bif_timer_timeout")] = false;
	t.how[place_of("bif_timer_timeout")] = SCOPE_HOW_BUILD;
	find(wanted);
	assert_string_equal(found.source[SCOPE_KIND_TIMER_TIMEOUT],
			    "uprobe bif_timer_timeout (build-id table)");
	make("29");
	code[1] = 0xba; /* not what is exchanged */
	find(wanted);
	assert_false(has(SCOPE_KIND_TIMER_TIMEOUT));
	code[9] = 0x56;
	find(wanted);
	assert_true(has(SCOPE_KIND_TIMER_TIMEOUT));
	code[10] = 0x40; /* something else of the timer */
	find(wanted);
	assert_false(has(SCOPE_KIND_TIMER_TIMEOUT));
	/* Two of them. */
	make("29");
	memcpy(t.text + STEP * place_of("erts_set_proc_timer_term"), code, 13);
	find(wanted);
	assert_false(has(SCOPE_KIND_TIMER_TIMEOUT));
}

/* What is there of a kind that lacks a function is of no use. */
static void half_a_kind_is_not_probed(void **state)
{
	(void)state;
	t.is_gone[place_of("erts_proc_sig_send_to_alias")] = true;
	find(WIRE);
	assert_false(has(SCOPE_KIND_MSG_SEND));
	assert_int_equal(count(SCOPE_SITE_QUEUE_TAIL, false), 0);
	assert_int_equal(count(SCOPE_SITE_QUEUE_DIST, false), 0);
	assert_true(has(SCOPE_KIND_MSG_RECEIVE));
	/* A site that another kind needs stays. */
	assert_int_equal(count(SCOPE_SITE_RECEIVE, false), 1);
}

static void only_what_is_wanted_is_probed(void **state)
{
	(void)state;
	find(0);
	assert_int_equal(found.n, 0);
	assert_int_equal(found.found, 0);
	for (unsigned k = 1; k < SCOPE_KIND_MAX; k++) {
		find(SCOPE_KIND_BIT(k));
		assert_int_equal(found.found, SCOPE_KIND_IS_WIRE(k) &&
						      scope_kind_info(k)->name ?
						      SCOPE_KIND_BIT(k) :
						      0);
		for (unsigned i = 1; i < SCOPE_KIND_MAX; i++)
			assert_string_equal(found.missing[i], "");
	}
	assert_int_equal(scope_catalogue_needs(0),
			 SCOPE_KIND_BIT(SCOPE_KIND_PROC_REGISTER) |
				 SCOPE_KIND_BIT(SCOPE_KIND_PROC_UNREGISTER) |
				 SCOPE_KIND_BIT(SCOPE_KIND_PROC_EXIT) |
				 SCOPE_KIND_BIT(SCOPE_KIND_DIST_NODE_UP) |
				 SCOPE_KIND_BIT(SCOPE_KIND_DIST_NODE_DOWN));
	assert_int_equal(scope_catalogue_needs(WIRE), WIRE);
	/* What is known of a port goes when it closes. */
	assert_true(scope_catalogue_needs(
			    SCOPE_KIND_BIT(SCOPE_KIND_PORT_INPUT)) &
		    SCOPE_KIND_BIT(SCOPE_KIND_PORT_CLOSE));
}

/* The functions that write are found through the drivers. */
static void writers_are_what_drivers_have(void **state)
{
	const scope_kindset wanted = SCOPE_KIND_BIT(SCOPE_KIND_PORT_OUTPUT);

	(void)state;
	find(wanted);
	assert_true(has(SCOPE_KIND_PORT_OUTPUT));
	assert_int_equal(count(SCOPE_SITE_DRIVER_OUTPUT, false), 2);
	assert_int_equal(count(SCOPE_SITE_DRIVER_OUTPUTV, false), 1);
	/* A list that goes round ends. */
	t.memory[3][t.vm.layout->drv_next / 8] = DATA + 8 * WORDS * 2;
	find(wanted);
	assert_true(has(SCOPE_KIND_PORT_OUTPUT));
	/* One that leads nowhere, and what is no function, are none. */
	t.memory[3][t.vm.layout->drv_next / 8] = 8;
	find(wanted);
	assert_false(has(SCOPE_KIND_PORT_OUTPUT));
	make_drivers();
	t.memory[2][t.vm.layout->drv_output / 8] += 4;
	find(wanted);
	assert_false(has(SCOPE_KIND_PORT_OUTPUT));
	make_drivers();
	t.memory[0][t.vm.layout->drv_name / 8] = 0;
	find(wanted);
	assert_string_equal(found.missing[SCOPE_KIND_PORT_OUTPUT],
			    "function spawn_driver is not found in this build");
	make_drivers();
	t.is_writerless = true;
	find(wanted);
	assert_string_equal(found.missing[SCOPE_KIND_PORT_OUTPUT],
			    "function driver_list is not found in this build");
}

/* Where entry and return are paired, both sit on the entry; kinds that share a
 * function share its sites. */
static void sites_are_what_programs_expect(void **state)
{
	(void)state;
	/* The first instruction is single-stepped, the next one emulated. */
	memcpy(t.text + STEP * place_of("erl_create_process"),
	       "\x48\x83\xec\x08\x55\x5d\xc3", 7);
	memcpy(t.text + STEP * place_of("erts_do_exit_process"),
	       "\x48\x83\xec\x08\x55\x5d\xc3", 7);
	find(WIRE);
	assert_int_equal(count(SCOPE_SITE_DIST_SEND, false), 1);
	assert_int_equal(count(SCOPE_SITE_DIST_RECEIVE, false), 2);
	assert_int_equal(count(SCOPE_SITE_GC, false), 1);
	assert_int_equal(count(SCOPE_SITE_GC, true), 1);
	for (size_t i = 0; i < found.n; i++) {
		const struct scope_attach_site *s = &found.site[i];

		assert_in_range(s->site, 1, SCOPE_SITE_MAX - 1);
		assert_in_range(s->group, 0, SCOPE_GROUP_MAX - 1);
		assert_non_null(scope_prog_name(s->prog));
		assert_int_equal(s->is_return, scope_prog_is_return(s->prog));
		assert_in_range(s->offset, FILE_OFFSET,
				FILE_OFFSET + sizeof(t.text) - 1);
		assert_int_equal(s->is_return,
				 strstr(s->what, " return") != NULL);
		/* Each once. */
		for (size_t k = 0; k < i; k++)
			assert_false(found.site[k].site == s->site &&
				     found.site[k].offset == s->offset &&
				     found.site[k].is_return == s->is_return);
		if (s->site == SCOPE_SITE_SPAWN ||
		    s->site == SCOPE_SITE_SPAWNED) {
			assert_int_equal(s->offset % STEP, 0);
			assert_false(s->emulated);
		} else if (s->site == SCOPE_SITE_EXIT) {
			assert_string_equal(s->what, "erts_do_exit_process+4");
			assert_int_equal(s->offset % STEP, 4);
			assert_true(s->emulated);
		} else {
			assert_true(s->emulated);
		}
	}
}

/* Bytes that are no code: the kind is missing, nothing else happens. */
static void what_is_no_code_is_no_source(void **state)
{
	(void)state;
	memset(t.text + STEP * place_of("erts_do_exit_process"), 0x06, STEP);
	memset(t.text + STEP * place_of("erts_garbage_collect_nobump"), 0x06,
	       STEP);
	find(WIRE);
	assert_false(has(SCOPE_KIND_PROC_EXIT));
	assert_string_equal(found.missing[SCOPE_KIND_PROC_EXIT],
			    "function erts_do_exit_process is not found in "
			    "this build");
	assert_false(has(SCOPE_KIND_GC_START) || has(SCOPE_KIND_GC_END));
	assert_true(has(SCOPE_KIND_PROC_SPAWN));
	/* A call that leads into the middle of a function. */
	(void)set_up(NULL);
	t.text[STEP * place_of("erts_garbage_collect_nobump") + 3] += 1;
	find(WIRE);
	assert_false(has(SCOPE_KIND_GC_END));
}

/* A site each at the start of the functions. */
#define NOTE(n, name, args)                                                    \
	{ "erlang", name, args, TEXT + STEP * (n), TEXT + STEP * (n) + 16 }
static const struct scope_stapsdt some_notes[] = {
	NOTE(0, "message__send", "8@%rax 8@%rdx 8@%r13 -8@$0 -8@$0 -8@$0"),
	NOTE(1, "message__send", "8@%rsi 8@-8(%rbp) 4@%r13d -8@%rcx"),
	NOTE(2, "gc_minor__start", "8@-608(%rbp) -4@-572(%rbp)"),
	NOTE(3, "gc_minor__end", "8@-608(%rbp) 8@-568(%rbp)"),
	NOTE(4, "gc_major__start", "8@-608(%rbp) -4@-572(%rbp)"),
	NOTE(5, "gc_major__end", "8@-608(%rbp) 8@-568(%rbp)"),
	NOTE(6, "process__exit", "8@%xmm0 8@%r14"),
	NOTE(7, "process__hibernate", "8@%r15"),
	NOTE(8, "port__command", "8@%rbx 8@%r12 8@472(%rdx) 8@%rax"),
	NOTE(9, "dist__monitor", "8@%rbx 8@%r12 8@%rdx 8@%rax 8@%rcx"),
	{ "other", "message__receive", "8@%rax 8@%rdx", TEXT, 0 },
};

static void usdt_is_taken_where_asked_for(void **state)
{
	const struct scope_usdt_site *u;
	unsigned n = 0;

	(void)state;
	notes = some_notes;
	nnotes = sizeof(some_notes) / sizeof(*some_notes);
	asked = SCOPE_FROM_USDT;
	find(WIRE);
	assert_string_equal(found.source[SCOPE_KIND_MSG_SEND],
			    "usdt message__send");
	assert_string_equal(found.source[SCOPE_KIND_GC_END],
			    "usdt gc_minor__start, gc_minor__end, "
			    "gc_major__start, gc_major__end");
	assert_non_null(found.limits[SCOPE_KIND_MSG_SEND]);
	assert_null(found.limits[SCOPE_KIND_PROC_LINK]);
	assert_string_equal(found.missing[SCOPE_KIND_PROC_LINK],
			    "USDT has no probe that tells it");
	assert_string_equal(found.missing[SCOPE_KIND_PROC_EXIT],
			    "argument 1 of USDT probe process__exit can't be "
			    "understood: 8@%xmm0 8@%r14");
	assert_string_equal(found.missing[SCOPE_KIND_PROC_HIBERNATE],
			    "USDT probe process__hibernate has 1 arguments "
			    "only");
	/* That of another program is not the emulator's. */
	assert_string_equal(found.missing[SCOPE_KIND_MSG_RECEIVE],
			    "USDT probe message__receive is not in this build");
	assert_string_equal(found.missing[SCOPE_KIND_DIST_SEND],
			    "USDT probe dist__output is not in this build");
	/* Two sends, four of collections (two kinds), a command, and one of
	 * nodes that tells two kinds by a text. */
	assert_int_equal(count(SCOPE_SITE_USDT, false), 9);
	for (size_t i = 0; i < found.n; i++) {
		const struct scope_attach_site *s = &found.site[i];

		assert_int_equal(s->site, SCOPE_SITE_USDT);
		assert_int_equal(s->ref_ctr, s->offset + 16);
		assert_in_range(s->arg, 0, SCOPE_USDT_MAX - 1);
		u = &found.usdt[s->arg];
		assert_true(s->kinds & SCOPE_KIND_BIT(u->kind));
		if (s->offset == FILE_OFFSET) {
			n++;
			assert_int_equal(u->kind, SCOPE_KIND_MSG_SEND);
			assert_int_equal(u->arg[0].role, SCOPE_USDT_LOCAL);
			assert_int_equal(u->arg[0].reg, SCOPE_USDT_DX);
			assert_int_equal(u->arg[1].role, SCOPE_USDT_PID);
			assert_int_equal(u->arg[1].reg, SCOPE_USDT_AX);
		}
		/* It tells a start, and opens for the end. */
		if (s->offset == FILE_OFFSET + 2 * STEP)
			assert_int_equal(u->flags, SCOPE_USDT_OPENS);
	}
	assert_int_equal(n, 1);
	/* Where only the end is wanted, the start tells nothing. */
	find(SCOPE_KIND_BIT(SCOPE_KIND_GC_END));
	assert_int_equal(count(SCOPE_SITE_USDT, false), 4);
	assert_int_equal(found.usdt[0].flags,
			 SCOPE_USDT_OPENS | SCOPE_USDT_QUIET);
}

static void usdt_stands_in_for_symbols(void **state)
{
	(void)state;
	notes = some_notes;
	nnotes = sizeof(some_notes) / sizeof(*some_notes);
	asked = SCOPE_FROM_AUTO;
	t.is_gone[place_of("erts_proc_sig_send_to_alias")] = true;
	find(WIRE);
	assert_string_equal(found.source[SCOPE_KIND_MSG_SEND],
			    "usdt message__send");
	assert_string_equal(found.missing[SCOPE_KIND_MSG_SEND], "");
	/* Of the uprobes none is left. */
	assert_int_equal(count(SCOPE_SITE_QUEUE_TAIL, false), 0);
	assert_int_equal(count(SCOPE_SITE_USDT, false), 2);
	assert_string_equal(found.source[SCOPE_KIND_PROC_EXIT],
			    "uprobe erts_do_exit_process");
	assert_null(found.limits[SCOPE_KIND_PROC_EXIT]);
	assert_null(found.limits[SCOPE_KIND_PORT_COMMAND]);
	if (has(SCOPE_KIND_PORT_INPUT))
		assert_non_null(strstr(found.limits[SCOPE_KIND_PORT_INPUT],
				       "inet_backend"));
	asked = SCOPE_FROM_UPROBE;
	find(WIRE);
	assert_false(has(SCOPE_KIND_MSG_SEND));
	assert_string_equal(found.missing[SCOPE_KIND_MSG_SEND],
			    "function erts_proc_sig_send_to_alias is not "
			    "found in this build");
	/* No notes. */
	notes = NULL;
	asked = SCOPE_FROM_USDT;
	find(WIRE);
	assert_int_equal(found.n, 0);
	assert_string_equal(found.missing[SCOPE_KIND_MSG_SEND],
			    "this build has no USDT probes");
}

static void programs_have_names(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SCOPE_PROG_MAX; i++)
		assert_memory_equal(scope_prog_name(i), "on_", 3);
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
#if defined(__x86_64__)
		cmocka_unit_test_setup(every_kind_has_its_source, set_up),
		cmocka_unit_test_setup(an_interpreter_has_its_sources, set_up),
		cmocka_unit_test_setup(a_receive_is_one_call, set_up),
		cmocka_unit_test_setup(how_it_was_found_is_told, set_up),
		cmocka_unit_test_setup(landing_pads_are_stepped_over, set_up),
		cmocka_unit_test_setup(queues_without_a_tail, set_up),
		cmocka_unit_test_setup(what_is_missing_is_named, set_up),
		cmocka_unit_test(a_parted_function_is_gone_after),
		cmocka_unit_test(a_timers_end_is_found),
		cmocka_unit_test_setup(half_a_kind_is_not_probed, set_up),
		cmocka_unit_test_setup(only_what_is_wanted_is_probed, set_up),
		cmocka_unit_test_setup(writers_are_what_drivers_have, set_up),
		cmocka_unit_test_setup(sites_are_what_programs_expect, set_up),
		cmocka_unit_test_setup(what_is_no_code_is_no_source, set_up),
		cmocka_unit_test_setup(usdt_is_taken_where_asked_for, set_up),
		cmocka_unit_test_setup(usdt_stands_in_for_symbols, set_up),
		cmocka_unit_test_setup(programs_have_names, set_up),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
