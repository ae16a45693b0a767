/* SPDX-License-Identifier: MIT */
/* What top knows about processes (cli/top_model.h), how it is drawn, and keys
 * (cli/top.h); the grid (cli/screen.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <locale.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/top.h"
#include "fault.h"

#define S UINT64_C(1000000000)
#define GOLDEN "tests/golden/"

static struct scope_top_model *m;

static uint64_t pid(unsigned n)
{
	return (uint64_t)n << 4 | 0x3;
}

static struct scope_top_sample sample(unsigned n, uint64_t reductions,
				      uint64_t memory, uint64_t mailbox,
				      uint64_t at_s)
{
	return (struct scope_top_sample){
		.pid = pid(n),
		.order = n,
		.reductions = reductions,
		.memory = memory,
		.mailbox = mailbox,
		.read_ns = at_s * S,
		.at = n,
	};
}

static int set_up(void **state)
{
	(void)state;
	m = scope_top_model_new();
	return m ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	scope_top_model_free(m);
	return 0;
}

static const struct scope_top_row *const *rows;
static size_t nrows;

static void view(enum scope_top_sort sort, bool is_reversed)
{
	const struct scope_top_view v = { .sort = sort,
					  .is_reversed = is_reversed };

	assert_int_equal(scope_top_model_view(m, &v, &rows, &nrows), 0);
}

static void take(const struct scope_top_sample *samples, size_t n)
{
	assert_int_equal(scope_top_model_take(m, samples, n), 0);
}

/* -- the model ------------------------------------------------------------------ */

static void rates_are_of_the_time_between_looks(void **state)
{
	struct scope_top_sample a[] = { sample(1, 1000, 100, 3, 10),
					sample(2, 50, 800, 0, 10) };
	struct scope_top_sample b[] = { sample(1, 3000, 60, 9, 12),
					sample(2, 50, 900, 0, 14),
					sample(3, 7, 1, 0, 12) };

	(void)state;
	take(a, 2);
	view(SCOPE_TOP_PID, false);
	assert_false(rows[0]->has_rate);
	take(b, 3);
	view(SCOPE_TOP_PID, false);
	assert_int_equal(nrows, 3);
	assert_true(rows[0]->has_rate);
	assert_true(rows[0]->reductions_per_s == 1000);
	assert_true(rows[0]->memory_per_s == -20);
	assert_true(rows[0]->mailbox_per_s == 3);
	assert_true(rows[1]->reductions_per_s == 0);
	assert_true(rows[1]->memory_per_s == 25);
	/* One that is new has none. */
	assert_false(rows[2]->has_rate);
	assert_int_equal(rows[2]->n, 1);
}

/* Two samples of one moment say nothing of a rate. */
static void no_time_is_no_rate(void **state)
{
	struct scope_top_sample a = sample(1, 1000, 100, 3, 10);

	(void)state;
	take(&a, 1);
	a.reductions = 2000;
	take(&a, 1);
	view(SCOPE_TOP_PID, false);
	assert_false(rows[0]->has_rate);
}

static void trends_keep_the_newest(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SCOPE_TOP_TREND + 3; i++) {
		struct scope_top_sample a = sample(1, 0, 100 + i, i, i);

		take(&a, 1);
	}
	view(SCOPE_TOP_PID, false);
	assert_int_equal(rows[0]->n, SCOPE_TOP_TREND);
	assert_int_equal(rows[0]->memory[0], 103);
	assert_int_equal(rows[0]->memory[SCOPE_TOP_TREND - 1],
			 100 + SCOPE_TOP_TREND + 2);
	assert_int_equal(rows[0]->mailbox[SCOPE_TOP_TREND - 1],
			 SCOPE_TOP_TREND + 2);
}

static void what_ends_is_forgotten(void **state)
{
	struct scope_top_sample a = sample(1, 1000, 100, 3, 10);

	(void)state;
	take(&a, 1);
	take(NULL, 0);
	assert_int_equal(scope_top_model_len(m), 0);
	a.read_ns += S;
	take(&a, 1);
	view(SCOPE_TOP_PID, false);
	assert_false(rows[0]->has_rate);
}

static const char *text_of(void *arg, const struct scope_top_row *r,
			   enum scope_top_sort sort)
{
	static const char *const names[] = { "", "zebra", "", "ant", "ant" };

	(void)arg;
	(void)sort;
	return names[r->now.at];
}

static bool is_odd(void *arg, const struct scope_top_row *r)
{
	(void)arg;
	return r->now.at % 2;
}

static void is_order(const unsigned *order, size_t n)
{
	assert_int_equal(nrows, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(rows[i]->now.pid, pid(order[i]));
}

static void rows_are_in_order(void **state)
{
	struct scope_top_sample a[] = { sample(4, 10, 5, 0, 1),
					sample(2, 10, 9, 7, 1),
					sample(3, 90, 5, 0, 1),
					sample(1, 10, 5, 9, 1) };
	struct scope_top_view v = { .sort = SCOPE_TOP_NAME, .text = text_of };

	(void)state;
	take(a, 4);
	view(SCOPE_TOP_MEMORY, false);
	is_order((const unsigned[]){ 2, 1, 3, 4 }, 4);
	view(SCOPE_TOP_MEMORY, true);
	is_order((const unsigned[]){ 4, 3, 1, 2 }, 4);
	view(SCOPE_TOP_MAILBOX, false);
	is_order((const unsigned[]){ 1, 2, 3, 4 }, 4);
	view(SCOPE_TOP_REDUCTIONS, false);
	is_order((const unsigned[]){ 3, 1, 2, 4 }, 4);
	view(SCOPE_TOP_PID, false);
	is_order((const unsigned[]){ 1, 2, 3, 4 }, 4);
	/* Text from A on; what has none comes last. */
	assert_int_equal(scope_top_model_view(m, &v, &rows, &nrows), 0);
	is_order((const unsigned[]){ 3, 4, 1, 2 }, 4);
	v.match = is_odd;
	assert_int_equal(scope_top_model_view(m, &v, &rows, &nrows), 0);
	is_order((const unsigned[]){ 3, 1 }, 2);
}

static void growth_is_an_order(void **state)
{
	struct scope_top_sample a[] = { sample(1, 0, 100, 50, 1),
					sample(2, 0, 100, 0, 1) };
	struct scope_top_sample b[] = { sample(1, 0, 500, 10, 2),
					sample(2, 0, 120, 3, 2) };

	(void)state;
	take(a, 2);
	take(b, 2);
	view(SCOPE_TOP_MEMORY_GROWTH, false);
	is_order((const unsigned[]){ 1, 2 }, 2);
	view(SCOPE_TOP_MAILBOX_GROWTH, false);
	is_order((const unsigned[]){ 2, 1 }, 2);
}

static void want_of_memory_changes_nothing(void **state)
{
	struct scope_top_sample a = sample(1, 1000, 100, 3, 10);
	struct scope_top_sample b = sample(2, 1000, 100, 3, 12);
	long i;

	(void)state;
	take(&a, 1);
	for (i = 0;; i++) {
		int r;

		fault_in = i;
		r = scope_top_model_take(m, &b, 1);
		if (fault_in >= 0)
			break;
		assert_int_equal(r, -ENOMEM);
		view(SCOPE_TOP_PID, false);
		assert_int_equal(rows[0]->now.pid, pid(1));
	}
	fault_in = -1;
	assert_true(i > 2);
	view(SCOPE_TOP_PID, false);
	assert_int_equal(rows[0]->now.pid, pid(2));
}

/* -- drawing ---------------------------------------------------------------------- */

static void put_text(void *arg, const struct scope_top_row *r,
		     enum scope_top_text what, struct scope_buf *out)
{
	static const char *const names[] = {
		"init", "a_registered_name_that_is_long", "Elixir.Shop.Cart:\x1b[2J/1",
		"größe", "日本語の名前", "gen_server:loop/7",
	};
	static const char *const states[] = { "waiting", "running", "runnable",
					      "garbage_collecting", "suspended",
					      "exiting" };
	const size_t i = (r->now.at - 1) % 6;

	(void)arg;
	if (what == SCOPE_TOP_TEXT_PID)
		scope_buf_printf(out, "<0.%zu.0>", r->now.at);
	else if (what == SCOPE_TOP_TEXT_WHAT)
		scope_buf_puts(out, names[i]);
	else if (what == SCOPE_TOP_TEXT_STATE)
		scope_buf_puts(out, states[i]);
	else
		scope_buf_puts(out, "some_module:some_function/3");
}

static struct scope_top top;
static struct scope_grid grid;

static void make_top(void)
{
	memset(&top, 0, sizeof(top));
	for (unsigned look = 0; look < 4; look++) {
		struct scope_top_sample a[30];

		for (unsigned i = 0; i < 30; i++)
			a[i] = sample(i + 1, 100 * i * look,
				      1000 * (i + 1) + i % 3 * 500 * look,
				      i % 5 ? 0 : look * i * 10, 10 + look);
		take(a, 30);
	}
	top.model = m;
	top.text = put_text;
	top.is_utf8 = true;
	top.delay_ns = 2 * S;
	top.head = (struct scope_top_head){
		.node = "shop@host",
		.otp = "27",
		.os_pid = 4711,
		.up_ns = 3723 * S,
		.processes = 30,
		.ports = 5,
		.tables = 25,
		.atoms = 10797,
		.memory_total = 29600000,
		.memory_processes = 13400000,
		.memory_binary = 33800,
		.memory_ets = SCOPE_GAUGE_UNKNOWN,
		.schedulers = { 2, 2, 10 },
		.running = { 1, 0, 0 },
		.busy = { 0.37, 0, -1 },
		.run_queue = { 3, 0, SCOPE_GAUGE_UNKNOWN },
		.reductions_per_s = 123456,
	};
	assert_int_equal(scope_top_arrange(&top), 0);
}

static void draw(int lines, int cols)
{
	assert_int_equal(scope_grid_resize(&grid, lines, cols), 0);
	scope_top_draw(&top, &grid);
}

/* The grid as text against the golden file, which UPDATE_GOLDEN writes anew. */
static void is_golden(const char *name, int lines, int cols)
{
	char path[128], *got = NULL, want[65536];
	size_t len = 0, n;
	FILE *f;

	draw(lines, cols);
	f = open_memstream(&got, &len);
	assert_non_null(f);
	scope_grid_print(&grid, grid.lines, f);
	fclose(f);
	(void)snprintf(path, sizeof(path), GOLDEN "%s.txt", name);
	if (getenv("UPDATE_GOLDEN")) {
		f = fopen(path, "w");
		assert_non_null(f);
		fwrite(got, 1, len, f);
		fclose(f);
	}
	f = fopen(path, "r");
	assert_non_null(f);
	n = fread(want, 1, sizeof(want) - 1, f);
	fclose(f);
	want[n] = '\0';
	assert_string_equal(got, want);
	free(got);
}

static void screens_of_all_sizes(void **state)
{
	(void)state;
	make_top();
	is_golden("top_80x24", 24, 80);
	is_golden("top_132x12", 12, 132);
	is_golden("top_40x10", 10, 40);
	top.is_utf8 = false;
	top.sort = SCOPE_TOP_MAILBOX;
	top.is_reversed = true;
	assert_int_equal(scope_top_arrange(&top), 0);
	is_golden("top_letters", 12, 100);
	for (int lines = 0; lines < 12; lines++)
		for (int cols = 0; cols < 90; cols += 7)
			draw(lines, cols);
}

static void help_and_filter(void **state)
{
	(void)state;
	make_top();
	assert_int_equal(scope_top_key(&top, 'h', false), SCOPE_TOP_DO_DRAW);
	is_golden("top_help", 24, 80);
	assert_int_equal(scope_top_key(&top, 'q', false), SCOPE_TOP_DO_DRAW);
	(void)scope_top_key(&top, '/', false);
	for (const char *s = "GRÖSSE"; *s; s++)
		(void)scope_top_key(&top, *s == 'S' ? 's' : (unsigned char)*s,
				    false);
	assert_int_equal(top.nrows, 0);
	/* A text without rows has its head nevertheless. */
	top.has_no_mark = true;
	draw(SCOPE_TOP_HEAD_LINES + 2, 80);
	assert_int_equal(grid.cells[0].c, 's');
	top.has_no_mark = false;
	draw(SCOPE_TOP_HEAD_LINES + 2, 80);
	assert_int_equal(grid.cells[0].c, 't');
	draw(24, 80);
	assert_int_equal(grid.cursor_y, 23);
	assert_int_equal(scope_top_key(&top, 27, false), SCOPE_TOP_DO_DRAW);
	assert_int_equal(top.nrows, 30);
	(void)scope_top_key(&top, '/', false);
	for (const char *s = "iNiT"; *s; s++)
		(void)scope_top_key(&top, (unsigned char)*s, false);
	(void)scope_top_key(&top, '\n', false);
	assert_false(top.is_typing);
	assert_int_equal(top.nrows, 5);
	is_golden("top_filter", 12, 80);
}

static void a_process_from_inside(void **state)
{
	(void)state;
	make_top();
	(void)scope_top_key(&top, KEY_DOWN, true);
	(void)scope_top_key(&top, KEY_DOWN, true);
	assert_int_equal(scope_top_key(&top, '\r', false), SCOPE_TOP_DO_ENTER);
	assert_int_equal(top.inside, top.rows[2]->now.pid);
	top.lines = "process <0.28.0>\n  state waiting\nmailbox: 2\n"
		    "  {a,1}\n  {b,2}\ndictionary: 0\nstack\n  frame 1\n"
		    "  frame 2\n  frame 3\n";
	is_golden("top_inside", 9, 60);
	(void)scope_top_key(&top, KEY_END, true);
	draw(9, 60);
	assert_int_equal(top.scroll, 6);
	/* Not further than to the last page, and not before the first line. */
	(void)scope_top_key(&top, KEY_NPAGE, true);
	draw(9, 60);
	assert_int_equal(top.scroll, 6);
	(void)scope_top_key(&top, KEY_HOME, true);
	assert_int_equal(top.scroll, 0);
	assert_int_equal(scope_top_key(&top, 'm', false), SCOPE_TOP_DO_NOTHING);
	assert_int_equal(scope_top_key(&top, 27, false), SCOPE_TOP_DO_LOOK);
	assert_int_equal(top.inside, 0);
}

/* -- keys --------------------------------------------------------------------------- */

static void keys_sort(void **state)
{
	static const struct {
		char key;
		enum scope_top_sort sort;
	} all[] = {
		{ 'y', SCOPE_TOP_MEMORY },	 { 'Y', SCOPE_TOP_MEMORY_GROWTH },
		{ 'm', SCOPE_TOP_MAILBOX },	 { 'M', SCOPE_TOP_MAILBOX_GROWTH },
		{ 'c', SCOPE_TOP_RATE },	 { 'C', SCOPE_TOP_REDUCTIONS },
		{ 'd', SCOPE_TOP_PID },		 { 'n', SCOPE_TOP_NAME },
		{ 't', SCOPE_TOP_STATE },	 { 'f', SCOPE_TOP_FUNCTION },
	};

	(void)state;
	make_top();
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		assert_int_equal(scope_top_key(&top, (wint_t)all[i].key, false),
				 SCOPE_TOP_DO_DRAW);
		assert_int_equal(top.sort, all[i].sort);
	}
	(void)scope_top_key(&top, 's', false);
	assert_int_equal(top.sort, 0);
	(void)scope_top_key(&top, 'r', false);
	assert_true(top.is_reversed);
	assert_int_equal(scope_top_key(&top, 'p', false), SCOPE_TOP_DO_DRAW);
	assert_true(top.is_paused);
	assert_int_equal(scope_top_key(&top, ' ', false), SCOPE_TOP_DO_LOOK);
	assert_int_equal(scope_top_key(&top, 'q', false), SCOPE_TOP_DO_QUIT);
}

static void the_mark_stays_with_its_process(void **state)
{
	struct scope_top_sample gone[1];
	uint64_t marked;

	(void)state;
	make_top();
	(void)scope_top_key(&top, 'd', false);
	draw(24, 80);
	for (int i = 0; i < 4; i++)
		(void)scope_top_key(&top, KEY_DOWN, true);
	marked = top.rows[top.sel]->now.pid;
	assert_int_equal(marked, pid(5));
	top.is_reversed = true;
	assert_int_equal(scope_top_arrange(&top), 0);
	assert_int_equal(top.rows[top.sel]->now.pid, marked);
	(void)scope_top_key(&top, KEY_NPAGE, true);
	assert_int_equal(top.sel, top.nrows - 1);
	(void)scope_top_key(&top, KEY_HOME, true);
	assert_int_equal(top.sel, 0);
	/* All are gone but one. */
	gone[0] = sample(9, 0, 0, 0, 50);
	take(gone, 1);
	assert_int_equal(scope_top_arrange(&top), 0);
	draw(24, 80);
	assert_int_equal(top.sel, 0);
	take(NULL, 0);
	assert_int_equal(scope_top_arrange(&top), 0);
	draw(24, 80);
	assert_int_equal(scope_top_key(&top, '\n', false),
			 SCOPE_TOP_DO_NOTHING);
}

static void the_delay_has_bounds(void **state)
{
	(void)state;
	make_top();
	for (int i = 0; i < 40; i++)
		(void)scope_top_key(&top, '-', false);
	assert_true(top.delay_ns >= SCOPE_TOP_DELAY_MIN_NS);
	for (int i = 0; i < 40; i++)
		(void)scope_top_key(&top, '+', false);
	assert_true(top.delay_ns <= SCOPE_TOP_DELAY_MAX_NS);
}

static void sorts_have_names(void **state)
{
	(void)state;
	assert_int_equal(scope_top_sort_of("rate"), SCOPE_TOP_RATE);
	assert_int_equal(scope_top_sort_of("mailbox"), SCOPE_TOP_MAILBOX);
	assert_int_equal(scope_top_sort_of("mailbox_growth"),
			 SCOPE_TOP_MAILBOX_GROWTH);
	assert_int_equal(scope_top_sort_of("function"), SCOPE_TOP_FUNCTION);
	assert_int_equal(scope_top_sort_of("mail"), -1);
	assert_int_equal(scope_top_sort_of(""), -1);
}

static void trends_show_their_way(void **state)
{
	static const struct {
		uint64_t v[4];
		unsigned n;
		const char *want;
	} all[] = {
		{ { 1, 2, 3, 8 }, 4, "_.-#" }, { { 5, 5, 5 }, 3, "___" },
		{ { 9, 1 }, 2, "#_" },	       { { 7 }, 1, "" },
		{ { 0, UINT64_MAX }, 2, "_#" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		char text[64];
		struct scope_buf b = scope_buf_of(text, sizeof(text));

		scope_top_trend(all[i].v, all[i].n, false, &b);
		assert_string_equal(scope_buf_str(&b), all[i].want);
	}
}

static void wide_characters_take_two_cells(void **state)
{
	(void)state;
	assert_int_equal(scope_grid_resize(&grid, 1, 6), 0);
	assert_int_equal(scope_grid_put(&grid, 0, 0, 6, 0, "日本語語", 12), 6);
	assert_int_equal(grid.cells[1].c, 0);
	assert_int_equal(grid.cells[4].c, L'語');
	/* Half of one does not fit. */
	assert_int_equal(scope_grid_put(&grid, 0, 0, 3, 0, "日本", 6), 2);
	assert_int_equal(scope_grid_put(&grid, 5, 0, 3, 0, "a", 1), 0);
	assert_int_equal(scope_grid_put(&grid, 0, 6, 3, 0, "a", 1), 0);
}

static int grid_done(void **state)
{
	scope_grid_done(&grid);
	return tear_down(state);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, grid_done)
	const struct CMUnitTest tests[] = {
		T(rates_are_of_the_time_between_looks),
		T(no_time_is_no_rate),
		T(trends_keep_the_newest),
		T(what_ends_is_forgotten),
		T(rows_are_in_order),
		T(growth_is_an_order),
		T(want_of_memory_changes_nothing),
		T(screens_of_all_sizes),
		T(help_and_filter),
		T(a_process_from_inside),
		T(keys_sort),
		T(the_mark_stays_with_its_process),
		T(the_delay_has_bounds),
		T(sorts_have_names),
		T(trends_show_their_way),
		T(wide_characters_take_two_cells),
	};

	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		return 1;
	return cmocka_run_group_tests_name("top", tests, NULL, NULL);
}
