/* SPDX-License-Identifier: MIT */
/* Events that went into a block come out of it as they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "beam/copy.h"
#include "export/json.h"
#include "fake_events.h"
#include "fault.h"
#include "store/block.h"
#include "store/varint.h"

#define LINE_BYTES (1u << 18)

static char before[LINE_BYTES], after[LINE_BYTES];
static struct scope_block_keys keys;
static struct scope_block *block;
static struct scope_page *page;
static struct scope_vm reader; /* knows what blocks told it */

static int no_memory_of_a_node(void *arg, uint64_t addr, void *buf, size_t len)
{
	(void)arg, (void)addr, (void)buf, (void)len;
	return -EFAULT;
}

static int make(void **state)
{
	(void)state;
	if (make_events() < 0)
		return -1;
	copy_images();
	scope_block_keys_own(&keys);
	block = scope_block_new();
	page = scope_page_new();
	return block && page ? 0 : -1;
}

static int unmake(void **state)
{
	(void)state;
	scope_block_free(block);
	scope_page_free(page);
	scope_vm_done(&fake.vm);
	return 0;
}

static int new_reader(void **state)
{
	(void)state;
	scope_block_clear(block);
	return scope_vm_init(&reader, fake.l, no_memory_of_a_node, NULL);
}

static int end_reader(void **state)
{
	(void)state;
	scope_vm_done(&reader);
	return 0;
}

/* The line that an event is, by what a vm knows. */
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

static uint8_t *payload(size_t *ret_len)
{
	uint8_t *p;

	*ret_len = scope_block_end(block);
	p = malloc(*ret_len);
	assert_non_null(p);
	scope_block_put(block, p);
	return p;
}

static void check_same(const struct scope_event *was,
		       const struct scope_event *is)
{
	size_t n = print(&fake.vm, was, before);

	assert_int_equal(print(&reader, is, after), n);
	assert_memory_equal(before, after, n);
	assert_int_equal(was->cut, is->cut);
	assert_int_equal(was->redacted, is->redacted);
	assert_int_equal(was->image.nwords, is->image.nwords);
	assert_int_equal(was->image.nsegs, is->image.nsegs);
	if (was->image.nwords)
		assert_memory_equal(was->image.words, is->image.words,
				    8 * was->image.nwords);
	if (was->image.nsegs)
		assert_memory_equal(was->image.segs, is->image.segs,
				    8 * was->image.nsegs);
}

static void what_went_in_comes_out(void **state)
{
	scope_autofree uint8_t *p = NULL;
	struct scope_event ev;
	size_t len;

	(void)state;
	for (size_t i = 0; i < nevents; i++) {
		events[i].cut = i % 3 == 0;
		events[i].redacted = i % 5 == 0;
		assert_int_equal(scope_block_add(block, &fake.vm, &events[i]),
				 0);
	}
	p = payload(&len);
	/* It is ended. */
	assert_int_equal(scope_block_add(block, &fake.vm, &events[0]), -ENOSPC);
	assert_int_equal(scope_page_load(page, p, len, &keys, &reader), 0);
	assert_int_equal(scope_page_events(page), nevents);
	for (size_t i = 0; i < nevents; i++) {
		assert_int_equal(scope_page_next(page, &ev), 1);
		check_same(&events[i], &ev);
	}
	assert_int_equal(scope_page_next(page, &ev), 0);
}

/* A receive brings nothing of its send's message again. */
static void the_same_image_is_stored_once(void **state)
{
	struct scope_event send, other, ev;
	scope_autofree uint8_t *p = NULL;
	struct scope_copy copy;
	uint64_t words[40];
	size_t len, once;

	(void)state;
	for (unsigned i = 0; i < 40; i++)
		words[i] = fake_int(i);
	send = events[0];
	send.nfields = 0;
	scope_event_add(&send, SCOPE_FIELD_MSG)->term =
		fake_tuple(&fake, words, 40);
	(void)scope_copy_term(&fake.vm, send.fields[0].term, 256, &copy);
	send.image = copy.image;
	assert_int_equal(scope_block_add(block, &fake.vm, &send), 0);
	other = events[1];
	assert_int_equal(scope_block_add(block, &fake.vm, &other), 0);
	once = scope_block_end(block);
	scope_block_clear(block);
	assert_int_equal(scope_block_add(block, &fake.vm, &send), 0);
	assert_int_equal(scope_block_add(block, &fake.vm, &other), 0);
	assert_int_equal(scope_block_add(block, &fake.vm, &send), 0);
	p = payload(&len);
	assert_true(len < once + 40);
	assert_int_equal(scope_page_load(page, p, len, &keys, &reader), 0);
	assert_int_equal(scope_page_next(page, &ev), 1);
	check_same(&send, &ev);
	assert_int_equal(scope_page_next(page, &ev), 1);
	check_same(&other, &ev);
	assert_int_equal(scope_page_next(page, &ev), 1);
	check_same(&send, &ev);
}

/* Bytes of a binary may look like anything. */
static void words_that_look_like_places_stay(void **state)
{
	uint64_t words[] = { 0x7a5c000000000005ull, 0x7a5c00000000000aull, 7,
			     0x7a5cffffffffffffull, 0 };
	uint64_t segs[] = { 2ull << 48 | 0x7f0000001000ull,
			    3ull << 48 | 0x7f0000000000ull };
	struct scope_event was = { .kind = SCOPE_KIND_MSG_SEND,
				   .image = { words, segs, 5, 2 } };
	scope_autofree uint8_t *p = NULL;
	struct scope_event ev;
	size_t len;

	(void)state;
	words[2] = 0x7f0000001008ull | SCOPE_TAG_LIST;
	words[4] = 0x7f0000001010ull | SCOPE_TAG_BOXED; /* behind its end */
	assert_int_equal(scope_block_add(block, &fake.vm, &was), 0);
	p = payload(&len);
	assert_int_equal(scope_page_load(page, p, len, &keys, &reader), 0);
	assert_int_equal(scope_page_next(page, &ev), 1);
	check_same(&was, &ev);
}

static void a_full_block_says_so(void **state)
{
	scope_autofree uint8_t *p = NULL;
	struct scope_event ev;
	size_t n = 0, len;
	int r;

	(void)state;
	do {
		ev = events[n % nevents];
		ev.id = n + 7;
		ev.mono_ns = 1000000000ull + 1000 * n;
		ev.ts_ns = ev.mono_ns + (n > 100 ? 500 : 300);
		r = scope_block_add(block, &fake.vm, &ev);
		n += r == 0;
	} while (r == 0);
	assert_int_equal(r, -ENOSPC);
	assert_int_equal(n, scope_block_events(block));
	assert_true(n > 1000);
	p = payload(&len);
	assert_true(len <= SCOPE_BLOCK_BYTES);
	assert_int_equal(scope_page_load(page, p, len, &keys, &reader), 0);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(scope_page_next(page, &ev), 1);
		assert_int_equal(ev.id, i + 7);
		assert_int_equal(ev.ts_ns - ev.mono_ns, i > 100 ? 500 : 300);
	}
}

/* Whatever is done to a payload, reading it ends. */
static void read_all(const uint8_t *p, size_t len)
{
	struct scope_vm vm;
	struct scope_event ev;

	assert_int_equal(scope_vm_init(&vm, fake.l, no_memory_of_a_node, NULL),
			 0);
	if (scope_page_load(page, p, len, &keys, &vm) == 0)
		while (scope_page_next(page, &ev) > 0)
			(void)print(&vm, &ev, after);
	scope_vm_done(&vm);
}

static void broken_payloads_do_no_harm(void **state)
{
	scope_autofree uint8_t *p = NULL, *q = NULL;
	size_t len;

	(void)state;
	for (size_t i = 0; i < nevents; i++)
		assert_int_equal(scope_block_add(block, &fake.vm, &events[i]),
				 0);
	p = payload(&len);
	for (size_t i = 0; i < len; i += 7) {
		q = malloc(i);
		memcpy(q, p, i);
		read_all(q, i);
		free(scope_take(q));
	}
	for (size_t i = 0; i < len; i++) {
		uint8_t was = p[i];

		p[i] ^= (uint8_t)(1u << i % 8);
		read_all(p, len);
		p[i] = was;
	}
}

static void a_failed_allocation_changes_nothing(void **state)
{
	scope_auto(scope_block) b = NULL;

	(void)state;
	for (long n = 0;; n++) {
		size_t added = 0;
		bool failed;

		fault_in = n;
		b = scope_block_new();
		for (size_t i = 0; b && i < nevents; i++)
			if (scope_block_add(b, &fake.vm, &events[i]) == 0)
				added++;
		failed = fault_in < 0;
		fault_in = -1;
		if (b) {
			assert_int_equal(scope_block_events(b), added);
			(void)scope_block_end(b);
		}
		scope_block_free(scope_take(b));
		if (!failed)
			break;
	}
}

static void varints_are_as_long_as_they_must(void **state)
{
	static const uint64_t values[] = { 0, 1, 127, 128, 16383, 16384,
					   1ull << 63, UINT64_MAX };
	uint8_t p[SCOPE_VARINT_MAX + 1];
	uint64_t v;

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		size_t n = scope_varint_put(p, values[i]);

		assert_int_equal(scope_varint_get(p, n, &v), n);
		assert_true(v == values[i]);
		assert_int_equal(scope_varint_get(p, n - 1, &v), 0);
		assert_true(scope_unzigzag(scope_zigzag((int64_t)values[i])) ==
			    (int64_t)values[i]);
	}
	memset(p, 0xff, sizeof(p));
	assert_int_equal(scope_varint_get(p, sizeof(p), &v), 0);
}

int main(void)
{
#define test(f) cmocka_unit_test_setup_teardown(f, new_reader, end_reader)
	const struct CMUnitTest tests[] = {
		test(what_went_in_comes_out),
		test(the_same_image_is_stored_once),
		test(words_that_look_like_places_stay),
		test(a_full_block_says_so),
		test(broken_payloads_do_no_harm),
		test(a_failed_allocation_changes_nothing),
		test(varints_are_as_long_as_they_must),
	};

	return cmocka_run_group_tests(tests, make, unmake);
}
