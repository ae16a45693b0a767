/* SPDX-License-Identifier: MIT */
/* Records into events: messages, and what belongs together. */
#include "fake_target.h"

static int send(uint64_t ts, uint64_t from, uint64_t to, uint64_t msg,
		uint64_t addr)
{
	struct scope_rec *rec =
		rec_of(SCOPE_KIND_MSG_SEND, ts, scope_is_pid(from) ? from : 0);

	rec->msg.to = to;
	rec->msg.msg = msg;
	rec->msg.from = from;
	rec->msg.addr = addr;
	return give();
}

static uint32_t receive_flags;

static int receive(uint64_t ts, uint64_t from, uint64_t to, uint64_t msg,
		   uint64_t addr)
{
	struct scope_rec *rec = rec_of(SCOPE_KIND_MSG_RECEIVE, ts, to);

	rec->msg.to = to;
	rec->msg.msg = msg;
	rec->msg.from = from;
	rec->msg.addr = addr;
	rec->msg.mailbox = 3;
	rec->flags = receive_flags;
	return give();
}

static uint64_t a_message(void)
{
	uint64_t w[2] = { fake_int(5), fake_int(6) };

	return fake_tuple(&t->f, w, 2);
}

static void a_message_is_told_at_both_ends(void **state)
{
	uint64_t a = alive(1, "shop"), b = alive(2, "main");

	(void)state;
	assert_int_equal(send(10, a, b, a_message(), 0xab0), 0);
	assert_int_equal(ngot, 3);
	is(2, "kind", "\"msg.send\"");
	is(2, "pid", "\"<0.1.0>\"");
	is(2, "name", "\"shop\"");
	is(2, "from", NULL);
	is(2, "to", "\"<0.2.0>\"");
	is(2, "to_name", "\"main\"");
	is(2, "msg", "\"{5,6}\"");
	is(2, "msg_words", "3");
	is(2, "truncated", "false");
	is(2, "alias", NULL);
	is(2, "dist", NULL);
	is(2, "corr", "\"m-ab0-1\"");
	assert_int_equal(receive(25, a, b, a_message(), 0xab0), 0);
	is(3, "kind", "\"msg.receive\"");
	is(3, "pid", "\"<0.2.0>\"");
	is(3, "from", "\"<0.1.0>\"");
	is(3, "from_name", "\"shop\"");
	is(3, "msg", "\"{5,6}\"");
	is(3, "wait_ns", "15");
	is(3, "mailbox", "3");
	is(3, "corr", "\"m-ab0-1\"");
	is(3, "sure", NULL);
	/* It was taken; and the queue is empty now. */
	receive_flags = SCOPE_F_LAST;
	assert_int_equal(receive(30, a, b, a_message(), 0xab0), 0);
	receive_flags = 0;
	is(4, "corr", NULL);
	is(4, "wait_ns", NULL);
	/* Moved meanwhile: order decides. */
	assert_int_equal(send(40, a, b, a_message(), 0x100), 0);
	assert_int_equal(receive(50, a, b, a_message(), 0x200), 0);
	is(6, "corr", "\"m-100-2\"");
	is(6, "sure", "\"order\"");
	is(6, "wait_ns", "10");
	/* Times that go backwards tell no wait. */
	assert_int_equal(send(90, a, b, fake_int(1), 0x300), 0);
	assert_int_equal(receive(80, a, b, fake_int(1), 0x300), 0);
	is(8, "corr", "\"m-300-3\"");
	is(8, "wait_ns", NULL);
}

static void who_ends_takes_its_mailbox_along(void **state)
{
	uint64_t a = alive(1, NULL), b = alive(2, NULL);

	(void)state;
	assert_int_equal(send(10, a, b, fake_int(1), 0xab0), 0);
	(void)rec_of(SCOPE_KIND_PROC_EXIT, 20, b);
	assert_int_equal(give(), 0);
	assert_int_equal(receive(30, a, b, fake_int(1), 0xab0), 0);
	is(ngot - 1, "corr", NULL);
}

static void where_a_message_comes_from(void **state)
{
	uint64_t to = alive(2, NULL), ext[1] = { pid_of(3) >> 4 }, addr = 0x100;
	uint64_t cases[3] = { port_of(4), atom("clock_service"), 0 };
	static const char *const says[] = { "\"port\"", "\"timer\"",
					    "\"system\"" };
	uint64_t remote;

	(void)state;
	(void)rec_of(SCOPE_KIND_GC_START, 1, to);
	assert_int_equal(give(), 0);
	for (unsigned i = 0; i < 3; i++, addr += 64) {
		forget();
		assert_int_equal(send(1, cases[i], to, fake_int(1), addr), 0);
		assert_int_equal(receive(2, cases[i], to, fake_int(1), addr),
				 0);
		for (unsigned k = 0; k < 2; k++) {
			is(k, "from", says[i]);
			is(k, "port", i ? NULL : "\"#Port<0.4>\"");
		}
		is(0, "pid", NULL);
	}
	/* A process of another node; in external format, so no contents. */
	forget();
	atom("n@h");
	remote = fake_external(&t->f, t->f.l->sub.ext_pid, ext, 1);
	(void)rec_of(SCOPE_KIND_MSG_SEND, 1, 0);
	r.rec.msg.from = remote;
	r.rec.msg.to = to;
	r.rec.flags = SCOPE_F_DIST;
	assert_int_equal(give(), 0);
	is(0, "dist", "true");
	is(0, "msg", NULL);
	is(0, "msg_words", NULL);
	assert_non_null(json_object_get(got[0], "from"));
	(void)rec_of(SCOPE_KIND_MSG_SEND, 1, 0);
	r.rec.msg.to = to;
	r.rec.flags = SCOPE_F_DIST;
	assert_int_equal(give(), 0);
	is(1, "from", "\"dist\"");
}

static void an_alias_is_told(void **state)
{
	uint64_t a = alive(1, NULL);
	struct scope_rec *rec = rec_of(SCOPE_KIND_MSG_SEND, 1, a);

	(void)state;
	rec->msg.from = a;
	rec->msg.alias = fake_ref(&t->f, 1, 2, 3);
	rec->msg.msg = atom("ok");
	rec->flags = SCOPE_F_ALIAS;
	assert_int_equal(give(), 0);
	is(1, "to", NULL);
	is(1, "alias", "true");
	is(1, "alias_ref", "\"#Ref<0.3.2.1>\"");
	is(1, "msg", "\"ok\"");
	is(1, "corr", "\"m-0-1\"");
}

/* DOWN and EXIT messages are what the signals became. */
static int answer(uint64_t ts, uint64_t from, uint64_t to, int64_t n, bool sent)
{
	uint64_t w[2] = { atom("ok"), fake_int(n) };
	struct scope_rec *rec = rec_of(sent ? SCOPE_KIND_MSG_SEND :
					      SCOPE_KIND_MSG_RECEIVE,
				       ts, sent ? from : to);

	rec->msg.msg = fake_tuple(&t->f, w, 2);
	rec->msg.from = from;
	rec->msg.to = to;
	rec->flags = sent ? SCOPE_F_ALIAS : SCOPE_F_LAST;
	if (sent)
		rec->msg.alias = fake_ref(&t->f, 7, 8, (uint32_t)n);
	else
		rec->msg.addr = 0x500 + (uint64_t)n;
	return give();
}

/* A reply to a call that was given up never comes: the next one is not taken
 * for it. */
static void a_reply_nobody_waits_for_shifts_nothing(void **state)
{
	uint64_t a = alive(1, "shop"), b = alive(2, "main");

	(void)state;
	receive_flags = SCOPE_F_LAST;
	assert_int_equal(receive(5, a, b, fake_int(0), 0x10), 0);
	receive_flags = 0;
	assert_int_equal(answer(100, a, b, 1, true), 0);
	assert_int_equal(answer(200, a, b, 2, true), 0);
	assert_int_equal(answer(230, a, b, 2, false), 0);
	is(ngot - 1, "sure", "\"order\"");
	is(ngot - 1, "wait_ns", "30");
	assert_int_equal(answer(300, a, b, 3, true), 0);
	assert_int_equal(answer(340, a, b, 3, false), 0);
	is(ngot - 1, "wait_ns", "40");
}

/* Once it is decoded, a message from elsewhere bears its node's name. */
static void a_message_from_another_node_says_so(void **state)
{
	uint64_t b = alive(2, "main");

	(void)state;
	assert_int_equal(receive(5, atom("b@host"), b, fake_int(1), 0x10), 0);
	is(ngot - 1, "from", "\"dist\"");
	assert_int_equal(receive(6, atom("shop"), b, fake_int(1), 0x20), 0);
	is(ngot - 1, "from", "\"system\"");
}

static void signals_become_messages(void **state)
{
	uint64_t a = alive(1, NULL), b = alive(2, NULL), w[5];
	struct scope_rec *rec;

	(void)state;
	rec = rec_of(SCOPE_KIND_PROC_EXIT_SIGNAL, 10, a);
	rec->exit_signal.from = a;
	rec->exit_signal.to = b;
	assert_int_equal(give(), 0);
	rec = rec_of(SCOPE_KIND_PROC_DOWN, 20, b);
	rec->link.to = a;
	rec->link.ref = fake_ref(&t->f, 1, 2, 3);
	assert_int_equal(give(), 0);
	is(3, "corr", "\"m-0-2\"");
	forget();

	w[0] = atom("DOWN");
	w[1] = fake_ref(&t->f, 1, 2, 4);
	w[2] = atom("process");
	w[3] = a;
	w[4] = atom("normal");
	assert_int_equal(receive(30, 0, b, fake_tuple(&t->f, w, 5), 0xab0), 0);
	is(0, "corr", NULL);
	is(0, "from", "\"system\"");
	w[1] = fake_ref(&t->f, 1, 2, 3);
	assert_int_equal(receive(31, 0, b, fake_tuple(&t->f, w, 5), 0xab0), 0);
	is(1, "corr", "\"m-0-2\"");
	is(1, "from", "\"signal\"");
	is(1, "wait_ns", "11");
	is(1, "sure", NULL);
	w[0] = atom("EXIT");
	w[1] = a;
	w[2] = atom("normal");
	assert_int_equal(receive(32, a, b, fake_tuple(&t->f, w, 3), 0xab0), 0);
	is(2, "corr", "\"m-0-1\"");
	is(2, "from", "\"signal\"");
	w[0] = atom("ok");
	assert_int_equal(receive(33, 0, b, fake_tuple(&t->f, w, 3), 0xab0), 0);
	is(3, "corr", NULL);
}

/* Without receives there is nothing to match. */
static void one_end_alone_has_no_number(void **state)
{
	uint64_t a = alive(1, NULL), b = alive(2, NULL);

	(void)state;
	open_decoder(ALL & ~SCOPE_KIND_BIT(SCOPE_KIND_MSG_RECEIVE), 64);
	assert_int_equal(send(10, a, b, a_message(), 0xab0), 0);
	is(2, "corr", NULL);
	assert_int_equal(receive(20, a, b, a_message(), 0xab0), 1);
	assert_int_equal(ngot, 3);
}

#define TESTS(otp) \
	T(a_message_is_told_at_both_ends, otp), \
	T(who_ends_takes_its_mailbox_along, otp), \
	T(where_a_message_comes_from, otp), \
	T(an_alias_is_told, otp), \
	T(a_reply_nobody_waits_for_shifts_nothing, otp), \
	T(a_message_from_another_node_says_so, otp), \
	T(signals_become_messages, otp), \
	T(one_end_alone_has_no_number, otp)

static void attempt(uint64_t dest, uint64_t to)
{
	struct scope_rec *rec = rec_of(SCOPE_KIND_MSG_ATTEMPT, 1000, pid_of(1));

	rec->msg.alias = dest;
	rec->msg.to = to;
	rec->msg.msg = fake_int(7);
	forget();
	assert_int_equal(give(), 0);
	is(0, "kind", "\"msg.attempt\"");
	is(0, "msg", "\"7\"");
}

static uint64_t named_at(const char *node)
{
	uint64_t two[2] = { atom("shop"), atom(node) };

	return fake_tuple(&t->f, two, 2);
}

static void attempts_that_nobody_took(void **state)
{
	uint64_t three[3] = { atom("a"), atom("b"), atom("c") };
	uint64_t odd[2] = { fake_int(1), atom("shop@here") };

	(void)state;
	t->info.node = "shop@here";
	attempt(pid_of(2), 0);
	is(0, "to", "\"<0.2.0>\"");
	is(0, "dest", NULL);
	is(0, "dropped", "\"noproc\"");
	attempt(port_of(2), 0);
	is(0, "dropped", "\"noport\"");
	attempt(atom("shop"), 0);
	is(0, "to", NULL);
	is(0, "dest", "\"shop\"");
	is(0, "dropped", "\"noproc\"");
	attempt(named_at("shop@here"), 0);
	is(0, "dest", "\"{shop,shop@here}\"");
	is(0, "dropped", "\"noproc\"");
	/* Of other nodes nothing is known, nor of aliases. */
	attempt(named_at("shop@there"), 0);
	is(0, "dropped", NULL);
	attempt(fake_ref(&t->f, 1, 2, 3), 0);
	is(0, "dropped", NULL);
	is(0, "alias", "true");
	/* What was not copied may be anything. */
	attempt(0x10000 | SCOPE_TAG_BOXED, 0);
	is(0, "dropped", NULL);
	attempt(fake_int(17), 0);
	is(0, "dropped", "\"badarg\"");
	attempt(fake_tuple(&t->f, three, 3), 0);
	is(0, "dropped", "\"badarg\"");
	attempt(fake_tuple(&t->f, odd, 2), 0);
	is(0, "dropped", "\"badarg\"");
}

static void attempts_that_arrived(void **state)
{
	uint64_t shop = alive(2, "shop");

	(void)state;
	t->info.node = "shop@here";
	(void)rec_of(SCOPE_KIND_GC_START, 1, shop);
	assert_int_equal(give(), 0);
	attempt(shop, shop);
	is(0, "to", "\"<0.2.0>\"");
	is(0, "to_name", "\"shop\"");
	is(0, "dest", NULL);
	is(0, "dropped", NULL);
	attempt(atom("shop"), shop);
	is(0, "to", "\"<0.2.0>\"");
	is(0, "dest", "\"shop\"");
	is(0, "dropped", NULL);
	attempt(named_at("shop@here"), port_of(3));
	is(0, "to", "\"#Port<0.3>\"");
	is(0, "dropped", NULL);
	open_decoder(ALL, 0);
	forget();
	(void)rec_of(SCOPE_KIND_MSG_ATTEMPT, 1000, pid_of(1));
	r.rec.msg.alias = r.rec.msg.to = shop;
	assert_int_equal(give(), 0);
	is(ngot - 1, "msg", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TESTS(25),
		TESTS(27),
		T(attempts_that_nobody_took, 25),
		T(attempts_that_nobody_took, 27),
		T(attempts_that_arrived, 25),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
