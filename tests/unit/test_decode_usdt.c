/* SPDX-License-Identifier: MIT */
/* Records into events: what USDT probes say. */
#include "fake_target.h"
#include "scope/site.h"

/* A record with these texts, as the programs copy them. */
static int give_texts(const char *const *texts, size_t n)
{
	uint64_t segs[4];
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		size_t words = strlen(texts[i]) / 8 + 1;

		memset(r.words + at, 0xee, 8 * words); /* what was there before */
		memcpy(r.words + at, texts[i], strlen(texts[i]) + 1);
		segs[i] = SCOPE_SEG(0, words);
		at += words;
	}
	memcpy(r.words + at, segs, 8 * n);
	r.rec.nwords = (__u16)at;
	r.rec.nsegs = (__u16)n;
	r.rec.len = SCOPE_REC_BYTES + 8u * (r.rec.nwords + r.rec.nsegs);
	return scope_decoder_record(d, &r.rec);
}

static struct scope_rec *usdt(enum scope_kind kind, unsigned pid)
{
	struct scope_rec *rec = rec_of(kind, 1000, pid ? pid_of(pid) : 0);

	rec->flags = SCOPE_F_USDT;
	rec->site = SCOPE_SITE_USDT;
	forget();
	return rec;
}

static void lives(void **state)
{
	static const char *const mfa = "shop:main/2", *const why = "{bad,[1]}";
	struct scope_rec *rec = usdt(SCOPE_KIND_PROC_SPAWN, 0);

	(void)state;
	rec->spawn.child = pid_of(5);
	assert_int_equal(give_texts(&mfa, 1), 0);
	is(0, "kind", "\"proc.spawn\"");
	is(0, "pid", NULL);
	is(0, "child", "\"<0.5.0>\"");
	is(0, "mfa", "\"shop:main/2\"");
	is(0, "link", NULL);
	rec = usdt(SCOPE_KIND_PROC_EXIT, 5);
	rec->ts_ns = 1500;
	assert_int_equal(give_texts(&why, 1), 0);
	is(0, "pid", "\"<0.5.0>\"");
	is(0, "reason", "\"{bad,[1]}\"");
	is(0, "lifetime_ns", "500");
	is(0, "reductions", NULL);
	rec = usdt(SCOPE_KIND_PROC_EXIT_SIGNAL, 0);
	rec->exit_signal.to = alive(2, "local");
	assert_int_equal(give_texts(&why, 1), 0);
	is(1, "pid", NULL); /* behind what introduces the receiver */
	is(1, "to", "\"<0.2.0>\"");
	is(1, "to_name", "\"local\"");
	is(1, "reason", "\"{bad,[1]}\"");
	is(1, "via", NULL);
}

static void without_contents_there_is_no_reason(void **state)
{
	static const char *const why = "{bad,[1]}";

	(void)state;
	open_decoder(ALL, 0);
	(void)usdt(SCOPE_KIND_PROC_EXIT, 1);
	assert_int_equal(give_texts(&why, 1), 0);
	is(0, "reason", NULL);
}

static void messages(void **state)
{
	struct scope_rec *rec = usdt(SCOPE_KIND_MSG_SEND, 1);

	(void)state;
	rec->msg.to = pid_of(3);
	rec->msg.addr = 12;
	assert_int_equal(give_texts(NULL, 0), 0);
	is(0, "pid", "\"<0.1.0>\"");
	is(0, "to", "\"<0.3.0>\"");
	is(0, "size_words", "12");
	is(0, "msg", NULL);
	is(0, "corr", NULL);
	rec = usdt(SCOPE_KIND_MSG_RECEIVE, 3);
	rec->msg.addr = 12;
	assert_int_equal(give_texts(NULL, 0), 0);
	is(0, "size_words", "12");
	is(0, "from", NULL);
	is(0, "wait_ns", NULL);
}

static void collections(void **state)
{
	struct scope_rec *rec = usdt(SCOPE_KIND_GC_END, 1);

	(void)state;
	rec->flags |= SCOPE_F_MAJOR;
	rec->gc.heap_before = 300;
	rec->gc.pause_ns = 4000;
	assert_int_equal(give_texts(NULL, 0), 0);
	is(0, "major", "true");
	is(0, "reclaimed_words", "300");
	is(0, "pause_ns", "4000");
	is(0, "heap_before_words", NULL);
	/* Its start was not seen. */
	rec = usdt(SCOPE_KIND_GC_END, 1);
	assert_int_equal(give_texts(NULL, 0), 0);
	is(0, "major", "false");
	is(0, "pause_ns", NULL);
	rec = usdt(SCOPE_KIND_HEAP_GROW, 1);
	rec->gc.size_before = 600;
	rec->gc.size_after = 233;
	assert_int_equal(give_texts(NULL, 0), 0);
	is(0, "grew", "false");
	is(0, "heap_block_before_words", "600");
	is(0, "heap_block_after_words", "233");
}

static void nodes(void **state)
{
	static const char *const up[] = { "'other@b'", "hidden", "'a@b'" };
	static const char *const down[] = { "'oth\\'er-x@b'", "visible", "a@b",
					    "connection_closed" };
	static const char *const named[] = { "'me-1@b'", "visible", "'me-1@b'" };
	static const char *const gone[] = { "'me-1@b'", "visible",
					    "'nonode@nohost'", "normal" };
	static const char *const late[] = { "other@b", "visible",
					    "'nonode@nohost'", "normal" };
	struct scope_rec *rec = usdt(SCOPE_KIND_DIST_SEND, 0);

	(void)state;
	rec->port.port = 5 << 4 | 7;
	assert_int_equal(give_texts(down, 1), 0);
	is(0, "peer", "\"oth'er-x@b\"");
	is(0, "pid", NULL);
	(void)usdt(SCOPE_KIND_DIST_NODE_UP, 0);
	assert_int_equal(give_texts(up, 3), 0);
	is(0, "peer", "\"other@b\"");
	is(0, "visibility", "\"hidden\"");
	is(0, "self", NULL);
	(void)usdt(SCOPE_KIND_DIST_NODE_DOWN, 0);
	assert_int_equal(give_texts(down, 4), 0);
	is(0, "peer", "\"oth'er-x@b\"");
	is(0, "reason", "\"connection_closed\"");
	is(0, "self", NULL);
	/* Its own name, until it gives that up; others may go later. */
	(void)usdt(SCOPE_KIND_DIST_NODE_UP, 0);
	assert_int_equal(give_texts(named, 3), 0);
	is(0, "peer", "\"me-1@b\"");
	is(0, "self", "true");
	(void)usdt(SCOPE_KIND_DIST_NODE_DOWN, 0);
	assert_int_equal(give_texts(late, 4), 0);
	is(0, "self", NULL);
	(void)usdt(SCOPE_KIND_DIST_NODE_DOWN, 0);
	assert_int_equal(give_texts(gone, 4), 0);
	is(0, "self", "true");
	is(0, "reason", NULL);
	/* Without texts there is little to say. */
	(void)usdt(SCOPE_KIND_DIST_NODE_DOWN, 0);
	assert_int_equal(give_texts(NULL, 0), 0);
	is(0, "peer", NULL);
	is(0, "self", NULL);
}

/* A record that says what it does not have. */
static void broken_texts_are_left_out(void **state)
{
	static const char *const mfa = "shop:main/2";

	(void)state;
	(void)usdt(SCOPE_KIND_PROC_HIBERNATE, 1);
	assert_int_equal(give_texts(&mfa, 1), 0);
	is(0, "mfa", "\"shop:main/2\"");
	(void)usdt(SCOPE_KIND_PROC_HIBERNATE, 1);
	assert_int_equal(give_texts(NULL, 0), 0);
	is(0, "mfa", NULL);
	/* Longer than the words that came. */
	(void)usdt(SCOPE_KIND_PROC_HIBERNATE, 1);
	r.words[0] = SCOPE_SEG(0, 9);
	r.rec.nwords = 0;
	r.rec.nsegs = 1;
	r.rec.len = SCOPE_REC_BYTES + 8;
	assert_int_equal(scope_decoder_record(d, &r.rec), 0);
	is(0, "mfa", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(lives, 25),
		T(without_contents_there_is_no_reason, 25),
		T(messages, 27),
		T(collections, 25),
		T(nodes, 25),
		T(broken_texts_are_left_out, 25),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
