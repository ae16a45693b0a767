/* SPDX-License-Identifier: MIT */
/* What was recorded is read again; of what is damaged, the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/time.h"
#include "beam/copy.h"
#include "export/json.h"
#include "fake_events.h"
#include "fault.h"
#include "store/filter.h"
#include "store/recorder.h"
#include "store/recording.h"

#define LINE_BYTES (1u << 18)

static char before[LINE_BYTES], after[LINE_BYTES];
static char folder[] = "/tmp/scope-recording.XXXXXX";
static char dir[sizeof(folder) + 8];
static struct scope_segment_info info = {
	.otp = 25,
	.node = "shop@host",
	.os_pid = 4242,
	.procs = { 0x7ff, 0x3f, 0x1f, 5, 6 },
};

static int make(void **state)
{
	(void)state;
	if (!mkdtemp(folder) || make_events() < 0)
		return -1;
	(void)snprintf(dir, sizeof(dir), "%s/r", folder);
	copy_images();
	return 0;
}

static int remove_recording(void **state)
{
	struct dirent *e;
	char path[400];
	DIR *d = opendir(dir);

	(void)state;
	while (d && (e = readdir(d))) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		(void)unlink(path);
	}
	if (d)
		(void)closedir(d);
	(void)rmdir(dir);
	return 0;
}

static int unmake(void **state)
{
	(void)remove_recording(state);
	(void)rmdir(folder);
	scope_vm_done(&fake.vm);
	return 0;
}

static size_t print(struct scope_vm *vm, const struct scope_event *ev,
		    char *text)
{
	struct scope_json_opts opts = { .syntax = SCOPE_SYNTAX_ERLANG };
	scope_auto(scope_json) j = scope_json_new(vm, &opts);
	struct scope_buf out = scope_buf_of(text, LINE_BYTES);

	assert_non_null(j);
	assert_int_equal(scope_json_event(j, ev, &out), 0);
	return out.len;
}

/* Event number n of a recording. */
static struct scope_event nth(size_t n)
{
	struct scope_event ev = events[n % nevents];

	ev.id = n + 1;
	ev.mono_ns = 5000000000ull + 1000 * n;
	ev.ts_ns = 1795372800000000000ull + 1000 * n;
	return ev;
}

static struct scope_recorder *begin(const struct scope_recorder_opts *opts)
{
	struct scope_recorder *r = NULL;
	struct scope_err err = { 0 };

	assert_int_equal(scope_recorder_new(dir, opts, &r, &err), 0);
	assert_int_equal(scope_recorder_start(r, &info, &fake.vm, &err), 0);
	return r;
}

static void put(struct scope_recorder *r, size_t from, size_t to)
{
	struct scope_sink *sink = scope_recorder_sink(r);
	struct scope_recorder_usage usage;

	for (size_t i = from; i < to; i++) {
		struct scope_event ev = nth(i);

		assert_int_equal(sink->event(sink, &ev), 0);
	}
	/* As if the time had passed; and a frame each time. */
	do {
		sink->tick(sink, scope_now_ns() + 1000000000ull);
		scope_recorder_usage(r, &usage);
	} while (usage.events + usage.lost < to);
}

static void record(size_t n, size_t flush_every,
		   const struct scope_recorder_opts *opts)
{
	scope_auto(scope_recorder) r = begin(opts);
	struct scope_err err = { 0 };

	for (size_t i = 0; i < n; i += flush_every)
		put(r, i, i + flush_every < n ? i + flush_every : n);
	assert_int_equal(scope_recorder_finish(r, &err), 0);
}

/* Read all: each event must be one that was recorded, in order. How many. */
static size_t read_all(struct scope_recording *rec)
{
	struct scope_event ev;
	size_t n = 0;
	uint64_t last = 0;

	for (size_t i = 0; i < scope_recording_frames(rec); i++) {
		struct scope_page *page;
		int r = scope_recording_load(rec, i, &page);

		if (r < 0)
			continue;
		while ((r = scope_page_next(page, &ev)) > 0) {
			struct scope_event was = nth(ev.id - 1);
			size_t len = print(&fake.vm, &was, before);

			assert_true(ev.id > last);
			assert_int_equal(print(scope_recording_vm(rec), &ev,
					       after),
					 len);
			assert_memory_equal(before, after, len);
			last = ev.id;
			n++;
		}
		assert_int_equal(r, 0);
	}
	return n;
}

static void all_is_read_again(void **state)
{
	const struct scope_recorder_opts opts = { .segment_bytes = 20000 };
	scope_auto(scope_recording) rec = NULL;
	struct scope_err err = { 0 };
	struct stat st;
	size_t gaps;

	(void)state;
	record(3000, 50, &opts);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(scope_recording_open(dir, &rec, &err), 0);
	assert_string_equal(scope_recording_info(rec)->node, "shop@host");
	assert_int_equal(scope_recording_info(rec)->os_pid, 4242);
	assert_int_equal(scope_recording_info(rec)->procs.cli_shift, 6);
	assert_true(scope_recording_segments(rec) > 2);
	assert_true(scope_recording_is_closed(rec));
	assert_int_equal(read_all(rec), 3000);
	(void)scope_recording_gaps(rec, &gaps);
	assert_int_equal(gaps, 0);
}

/* What a frame can't hold is not looked for in it. */
static void filters_know_what_is_there(void **state)
{
	const struct scope_recorder_opts opts = { 0 };
	scope_auto(scope_recording) rec = NULL;
	struct scope_err err = { 0 };
	const uint8_t *filter;
	unsigned believed = 0;
	size_t n;

	(void)state;
	record(200, 200, &opts);
	assert_int_equal(scope_recording_open(dir, &rec, &err), 0);
	filter = scope_recording_filter(rec, 0, &n);
	assert_true(n > 0);
	assert_true(scope_filter_has(filter, n,
				     scope_filter_key_of_word(pid(10))));
	assert_true(scope_filter_has(
		filter, n, scope_filter_key_of_atom("Elixir.Shop.Cart", 16)));
	for (unsigned i = 0; i < 1000; i++)
		believed += scope_filter_has(
			filter, n, scope_filter_key_of_word(1000000 + i));
	assert_true(believed < 50);
}

static void a_recording_can_be_followed(void **state)
{
	const struct scope_recorder_opts opts = { .segment_bytes = 4000 };
	scope_auto(scope_recorder) r = begin(&opts);
	scope_auto(scope_recording) rec = NULL;
	struct scope_err err = { 0 };

	(void)state;
	assert_int_equal(scope_recording_open(dir, &rec, &err), 0);
	assert_int_equal(scope_recording_frames(rec), 0);
	for (size_t i = 0; i < 1000; i += 100) {
		put(r, i, i + 100);
		assert_true(scope_recording_refresh(rec) >= 0);
		assert_int_equal(read_all(rec), i + 100);
		assert_false(scope_recording_is_closed(rec));
	}
	assert_int_equal(scope_recorder_finish(r, &err), 0);
	assert_int_equal(scope_recording_refresh(rec), 0);
	assert_int_equal(read_all(rec), 1000);
}

static void two_do_not_share_a_folder(void **state)
{
	const struct scope_recorder_opts opts = { 0 };
	scope_auto(scope_recorder) r = begin(&opts);
	scope_auto(scope_recorder) other = NULL;
	struct scope_err err = { 0 };

	(void)state;
	assert_int_equal(scope_recorder_new(dir, &opts, &other, &err), -EBUSY);
	put(r, 0, 10);
	err.code = 0;
	assert_int_equal(scope_recorder_finish(r, &err), 0);
	scope_recorder_free(scope_take(r));
	assert_int_equal(scope_recorder_new(dir, &opts, &other, &err), -EEXIST);
}

static void what_is_too_much_goes(void **state)
{
	const struct scope_recorder_opts opts = { .keep_bytes = 40000 };
	scope_auto(scope_recording) rec = NULL;
	struct scope_err err = { 0 };
	size_t n;

	(void)state;
	record(20000, 50, &opts);
	assert_int_equal(scope_recording_open(dir, &rec, &err), 0);
	assert_true(scope_recording_bytes(rec) < 48000);
	n = read_all(rec);
	assert_true(n > 100 && n < 20000);
}

static void what_is_too_old_goes(void **state)
{
	/* 20,000 events are 20 ms. */
	const struct scope_recorder_opts opts = { .keep_ns = 5000000,
						  .segment_bytes = 10000 };
	scope_auto(scope_recording) rec = NULL;
	struct scope_err err = { 0 };
	size_t n;

	(void)state;
	record(20000, 50, &opts);
	assert_int_equal(scope_recording_open(dir, &rec, &err), 0);
	n = read_all(rec);
	assert_true(n >= 5000 && n < 15000);
}

/* -- damage -------------------------------------------------------------------- */

static void segment_path(char *path, size_t n)
{
	(void)snprintf(path, n, "%s/00000001.scope", dir);
}

static uint8_t *load(size_t *ret_n)
{
	char path[400];
	struct stat st;
	uint8_t *p;
	int fd;

	segment_path(path, sizeof(path));
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	*ret_n = (size_t)st.st_size;
	p = malloc(*ret_n);
	assert_int_equal(read(fd, p, *ret_n), *ret_n);
	(void)close(fd);
	return p;
}

static void store(const uint8_t *p, size_t n)
{
	char path[400];
	int fd;

	segment_path(path, sizeof(path));
	fd = open(path, O_WRONLY | O_TRUNC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), n);
	(void)close(fd);
}

/* Wherever it is cut off, what was written whole before is there. */
static void a_cut_segment_has_its_beginning(void **state)
{
	const struct scope_recorder_opts opts = { 0 };
	scope_autofree uint8_t *p = NULL;
	size_t n, last = 0;

	(void)state;
	record(400, 20, &opts);
	p = load(&n);
	for (size_t cut = 0; cut <= n; cut += cut < n && n - cut < 97 ? 1 : 97) {
		scope_auto(scope_recording) rec = NULL;
		struct scope_err err = { 0 };
		size_t read;

		store(p, cut);
		if (scope_recording_open(dir, &rec, &err) < 0) {
			assert_int_equal(err.code, -EBADMSG);
			assert_int_equal(last, 0);
			continue;
		}
		read = read_all(rec);
		assert_true(read >= last && read % 20 == 0);
		last = read;
	}
	assert_int_equal(last, 400);
}

/* One bit is wrong: at most its frame is missing, and that is said. */
static void a_flipped_bit_is_never_shown(void **state)
{
	const struct scope_recorder_opts opts = { 0 };
	scope_autofree uint8_t *p = NULL;
	unsigned seed = 1;
	size_t n;

	(void)state;
	record(400, 20, &opts);
	p = load(&n);
	for (unsigned i = 0; i < 400; i++) {
		scope_auto(scope_recording) rec = NULL;
		struct scope_err err = { 0 };
		size_t at = (size_t)rand_r(&seed) % n, read, gaps;
		uint8_t bit = (uint8_t)(1u << i % 8);

		p[at] ^= bit;
		store(p, n);
		p[at] ^= bit;
		if (scope_recording_open(dir, &rec, &err) < 0) {
			assert_int_equal(err.code, -EBADMSG);
			continue;
		}
		read = read_all(rec);
		assert_true(read >= 380);
		(void)scope_recording_gaps(rec, &gaps);
		assert_true(read == 400 || gaps > 0);
	}
}

static void an_earlier_end_is_no_recording(void **state)
{
	struct scope_recording *rec = NULL;
	struct scope_err err = { 0 };

	(void)state;
	assert_int_equal(scope_recording_open(dir, &rec, &err), -ENOENT);
	assert_int_equal(mkdir(dir, 0700), 0);
	err.code = 0;
	assert_int_equal(scope_recording_open(dir, &rec, &err), -ENOENT);
}

/* The disk is full: what is lost is counted, what comes later is there. */
static void a_full_disk_is_counted(void **state)
{
	const struct scope_recorder_opts opts = { 0 };
	struct rlimit was, is = { 0 };
	scope_auto(scope_recorder) r = NULL;
	scope_auto(scope_recording) rec = NULL;
	uint64_t lost[SCOPE_LOSS_MAX][SCOPE_KIND_MAX] = { 0 }, sum = 0;
	struct scope_err err = { 0 };
	char path[400];
	struct stat st;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	r = begin(&opts);
	put(r, 0, 100);
	segment_path(path, sizeof(path));
	assert_int_equal(stat(path, &st), 0);
	is = was;
	is.rlim_cur = (rlim_t)st.st_size + 100;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &is), 0);
	put(r, 100, 3000);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	put(r, 3000, 3100);
	scope_recorder_sink(r)->lost(scope_recorder_sink(r), lost);
	assert_int_equal(scope_recorder_finish(r, &err), 0);
	for (unsigned k = 0; k < SCOPE_KIND_MAX; k++)
		sum += lost[SCOPE_LOSS_REFUSED][k];
	assert_int_equal(sum, 2900);
	assert_int_equal(scope_recording_open(dir, &rec, &err), 0);
	assert_int_equal(read_all(rec), 200);
}

int main(void)
{
#define test(f) cmocka_unit_test_teardown(f, remove_recording)
	const struct CMUnitTest tests[] = {
		test(all_is_read_again),
		test(filters_know_what_is_there),
		test(a_recording_can_be_followed),
		test(two_do_not_share_a_folder),
		test(what_is_too_much_goes),
		test(what_is_too_old_goes),
		test(a_cut_segment_has_its_beginning),
		test(a_flipped_bit_is_never_shown),
		test(an_earlier_end_is_no_recording),
		test(a_full_disk_is_counted),
	};

	return cmocka_run_group_tests(tests, make, unmake);
}
