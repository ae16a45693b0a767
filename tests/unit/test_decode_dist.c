/* SPDX-License-Identifier: MIT */
/* Records into events: signals of other nodes, and which nodes there are. */
#include "fake_target.h"

static uint64_t node, peer;

static void name_them(void)
{
	node = atom("a@b");
	peer = atom("c@d");
	(void)atom("connection_closed");
	(void)atom("shutdown");
	t->node = node;
	open_decoder(ALL, 64);
	forget();
}

/* Bytes of external format into the record, with the atoms 0: this node, 1: the
 * other, 2: `word`. */
static void ext(const char *hex, const char *word)
{
	uint64_t table[3] = { node, peer, atom(word) };
	uint8_t bytes[512];
	size_t len = 0;
	unsigned v;
	int n;

	while (sscanf(hex, " %2x%n", &v, &n) == 1) {
		bytes[len++] = (uint8_t)v;
		hex += n;
	}
	r.rec.dist_in.atoms = SCOPE_SEG(fake_words(&t->f, table, 3), 3);
	r.rec.dist_in.ext = fake_bytes(&t->f, bytes, len, 3);
	r.rec.dist_in.left = len;
}

/* <0.85.0> here, and one there. */
#define HERE "58 52 00 00 00 00 55 00 00 00 00 00 00 00 07"
#define THERE "58 52 01 00 00 00 09 00 00 00 00 00 00 00 03"

static int receive(const char *hex)
{
	(void)rec_of(SCOPE_KIND_DIST_RECEIVE, 10, 0);
	r.rec.dist_in.peer = peer;
	r.rec.dist_in.bytes = 100;
	r.rec.dist_in.fragments = 1;
	ext(hex, "shop");
	return give();
}

static const char *there(void)
{
	static char text[64];

	(void)snprintf(text, sizeof(text), "\"<%u.9.0>\"",
		       (unsigned)(peer >> 6));
	return text;
}

static void what_comes_in_is_decoded(void **state)
{
	(void)state;
	name_them();
	/* {22, From, To}, {shop, 5} */
	assert_int_equal(receive("68 03 61 16 " THERE HERE "68 02 52 02 61 05"),
			 0);
	is(0, "kind", "\"dist.receive\"");
	is(0, "pid", "\"<0.85.0>\"");
	is(0, "peer", "\"c@d\"");
	is(0, "op", "\"SEND_SENDER\"");
	is(0, "from", there());
	is(0, "to", NULL);
	is(0, "msg", "\"{shop,5}\"");
	is(0, "truncated", "false");
	is(0, "bytes", "100");
	is(0, "fragments", "1");
	/* {6, From, '', Name}, 5 */
	forget();
	(void)alive(85, "shop");
	assert_int_equal(receive("68 04 61 06 " THERE "77 00 52 02 61 05"), 0);
	is(0, "op", "\"REG_SEND\"");
	is(0, "to", "\"shop\"");
	is(0, "msg", "\"5\"");
	/* {28, FromProc, ToPid, Ref}, Reason */
	forget();
	assert_int_equal(receive("68 04 61 1c " THERE HERE
				 "5a 00 03 52 00 00 00 00 07 00 00 00 01 00 00 "
				 "00 02 00 00 00 03 52 02"), 0);
	is(0, "op", "\"PAYLOAD_MONITOR_P_EXIT\"");
	is(0, "reason", "\"shop\"");
	is(0, "ref", "\"#Ref<0.3.2.1>\"");
	is(0, "msg", NULL);
	/* {3, From, To, Reason} */
	forget();
	assert_int_equal(receive("68 04 61 03 " THERE HERE "52 02"), 0);
	is(0, "op", "\"EXIT\"");
	is(0, "reason", "\"shop\"");
	/* {37, Flags, From, To}, and what the flags say; with a token, too. */
	forget();
	assert_int_equal(receive("68 04 61 25 61 01 " THERE HERE "61 05"), 0);
	is(0, "op", "\"ALTACT_SIG_SEND\"");
	is(0, "pid", "\"<0.85.0>\"");
	is(0, "from", there());
	is(0, "msg", "\"5\"");
	is(0, "reason", NULL);
	forget();
	assert_int_equal(receive("68 05 61 25 61 13 " THERE HERE "6a 52 02"),
			 0);
	is(0, "op", "\"ALTACT_SIG_SEND\"");
	is(0, "reason", "\"shop\"");
	is(0, "msg", NULL);
	/* {29, ReqId, From, GroupLeader, {M,F,A}, Opts}, Args */
	forget();
	assert_int_equal(receive("68 06 61 1d "
				 "5a 00 03 52 01 00 00 00 03 00 00 00 01 00 00 "
				 "00 02 00 00 00 03 " THERE THERE
				 "68 03 52 02 52 02 61 01 6a "
				 "6c 00 00 00 01 61 05 6a"), 0);
	is(0, "op", "\"SPAWN_REQUEST\"");
	is(0, "pid", NULL);
	is(0, "mfa", "\"shop:shop/1\"");
	is(0, "args", "[\"5\"]");
	is(0, "from", there());
	/* {31, ReqId, To, Flags, Result} */
	forget();
	assert_int_equal(receive("68 05 61 1f "
				 "5a 00 03 52 00 00 00 00 07 00 00 00 01 00 00 "
				 "00 02 00 00 00 03 " HERE "61 00 " THERE), 0);
	is(0, "op", "\"SPAWN_REPLY\"");
	is(0, "child", there());
	forget();
	assert_int_equal(receive("68 05 61 1f "
				 "5a 00 03 52 00 00 00 00 07 00 00 00 01 00 00 "
				 "00 02 00 00 00 03 " HERE "61 00 52 02"), 0);
	is(0, "child", NULL);
	is(0, "reason", "\"shop\"");
}

static void what_makes_no_sense_is_said(void **state)
{
	static const char *const bad[] = {
		"", "61 05", "68 00", "68 02 61 01 61 01", "68 01 61 ff",
		 "ff ff", "68 03 61 0a 61 01 61 01", "6a",
	};

	(void)state;
	name_them();
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		forget();
		assert_int_equal(receive(bad[i]), 0);
		is(0, "peer", "\"c@d\"");
		is(0, "op", NULL);
		is(0, "unreadable",
		   "\"op: the control part is none that is known\"");
	}
	/* A message that is damaged. */
	forget();
	assert_int_equal(receive("68 03 61 16 " THERE HERE "68 02 ff"), 0);
	is(0, "op", "\"SEND_SENDER\"");
	is(0, "unreadable", "\"parts of a term\"");
	/* Nothing of it was copied. */
	forget();
	(void)rec_of(SCOPE_KIND_DIST_RECEIVE, 10, 0);
	r.rec.dist_in.ext = 0x12345;
	r.rec.dist_in.left = 77;
	r.rec.dist_in.atoms = SCOPE_SEG(0x1000, 200);
	assert_int_equal(give(), 0);
	is(0, "peer", NULL);
	is(0, "op", NULL);
}

static void what_goes_out_is_told(void **state)
{
	uint64_t a, w[4];

	(void)state;
	name_them();
	a = alive(3, "main");
	(void)rec_of(SCOPE_KIND_DIST_SEND, 10, a);
	w[0] = fake_int(6);
	w[1] = a;
	w[2] = atom("");
	w[3] = atom("shop");
	r.rec.dist_out.peer = peer;
	r.rec.dist_out.ctl = fake_tuple(&t->f, w, 4);
	r.rec.dist_out.msg = fake_tuple(&t->f, w, 2);
	r.rec.dist_out.fragments = 2;
	assert_int_equal(give(), 0);
	is(1, "kind", "\"dist.send\"");
	is(1, "pid", "\"<0.3.0>\"");
	is(1, "name", "\"main\"");
	is(1, "peer", "\"c@d\"");
	is(1, "op", "\"REG_SEND\"");
	is(1, "to", "\"shop\"");
	is(1, "msg", "\"{6,<0.3.0>}\"");
	is(1, "fragments", "2");
	/* Of the runtime, for a process that is linked. */
	(void)rec_of(SCOPE_KIND_DIST_SEND, 11, 0);
	w[0] = fake_int(24);
	w[2] = a;
	r.rec.dist_out.ctl = fake_tuple(&t->f, w, 3);
	r.rec.dist_out.msg = atom("normal");
	r.rec.dist_out.fragments = 1;
	assert_int_equal(give(), 0);
	is(2, "pid", "\"<0.3.0>\"");
	is(2, "op", "\"PAYLOAD_EXIT\"");
	is(2, "reason", "\"normal\"");
	is(2, "msg", NULL);
}

static int queued(uint64_t ts, uint64_t to, const char *hex)
{
	(void)rec_of(SCOPE_KIND_MSG_SEND, ts, 0);
	r.rec.flags = SCOPE_F_DIST;
	r.rec.msg_dist.to = to;
	r.rec.msg_dist.peer = peer;
	ext(hex, "shop");
	return give();
}

static int taken(uint64_t ts, uint64_t from, uint64_t to, uint64_t msg)
{
	(void)rec_of(SCOPE_KIND_MSG_RECEIVE, ts, to);
	r.rec.msg.msg = msg;
	r.rec.msg.from = from;
	r.rec.msg.addr = 0x100 + ts;
	r.rec.flags = SCOPE_F_LAST;
	return give();
}

static void a_message_from_there_is_decoded_and_followed(void **state)
{
	uint64_t b, w[2];

	(void)state;
	name_them();
	b = alive(2, "main");
	w[0] = atom("shop");
	w[1] = fake_int(5);
	assert_int_equal(taken(5, peer, b, fake_int(0)), 0);
	forget();
	assert_int_equal(queued(10, b, "68 02 52 02 61 05"), 0);
	is(0, "kind", "\"msg.send\"");
	is(0, "from", "\"dist\"");
	is(0, "dist", "true");
	is(0, "to", "\"<0.2.0>\"");
	is(0, "msg", "\"{shop,5}\"");
	is(0, "msg_words", "3");
	is(0, "corr", "\"m-0-1\"");
	/* Another one of there comes first to the receive. */
	assert_int_equal(queued(11, b, "52 02"), 0);
	assert_int_equal(taken(20, peer, b, w[0]), 0);
	is(2, "from", "\"dist\"");
	is(2, "corr", "\"m-0-2\"");
	is(2, "wait_ns", "9");
	is(2, "sure", "\"order\"");
	assert_int_equal(taken(30, peer, b, fake_tuple(&t->f, w, 2)), 0);
	is(3, "corr", "\"m-0-1\"");
	is(3, "wait_ns", "20");
	/* The same from yet another node is another one. */
	assert_int_equal(queued(40, b, "52 02"), 0);
	assert_int_equal(taken(50, node, b, w[0]), 0);
	is(5, "corr", NULL);
}

static void large_ones_are_cut(void **state)
{
	char hex[1500] = "69 00 00 00 c8 ";
	uint64_t b;

	(void)state;
	name_them();
	b = alive(2, "main");
	for (int i = 0; i < 200; i++)
		(void)strcat(hex, "61 05 ");
	assert_int_equal(queued(10, b, hex), 0);
	is(1, "truncated", "true");
	is(1, "msg_words", "64");
	/* And where the bytes end before they do. */
	(void)rec_of(SCOPE_KIND_MSG_SEND, 11, 0);
	r.rec.flags = SCOPE_F_DIST;
	r.rec.msg_dist.to = b;
	ext("6b 00 05 61 62", "shop");
	r.rec.msg_dist.left = 70000;
	assert_int_equal(give(), 0);
	is(2, "truncated", "true");
	is(2, "unreadable", NULL);
}

static int node_is(enum scope_kind kind, uint64_t name, unsigned flags)
{
	(void)rec_of(kind, 10, 0);
	r.rec.flags = flags;
	r.rec.node.peer = name;
	r.rec.node.creation = 9;
	return give();
}

static void nodes_come_and_go(void **state)
{
	uint64_t w[2];

	(void)state;
	name_them();
	assert_int_equal(node_is(SCOPE_KIND_DIST_NODE_UP, peer,
				 SCOPE_F_HIDDEN), 0);
	is(0, "kind", "\"dist.node_up\"");
	is(0, "peer", "\"c@d\"");
	is(0, "visibility", "\"hidden\"");
	is(0, "self", NULL);
	/* Why: normal is told as net_kernel does. */
	(void)rec_of(SCOPE_KIND_DIST_NODE_DOWN, 10, 0);
	r.rec.node.peer = peer;
	r.rec.node.cid = port_of(3);
	r.rec.node.reason = atom("normal");
	assert_int_equal(give(), 0);
	is(1, "reason", "\"connection_closed\"");
	is(1, "visibility", "\"visible\"");
	/* A process may have been shut down for it. */
	w[0] = atom("shutdown");
	w[1] = atom("disconnect");
	(void)rec_of(SCOPE_KIND_DIST_NODE_DOWN, 10, 0);
	r.rec.node.peer = peer;
	r.rec.node.cid = pid_of(3);
	r.rec.node.reason = fake_tuple(&t->f, w, 2);
	assert_int_equal(give(), 0);
	is(ngot - 1, "reason", "\"disconnect\"");
}

static void the_nodes_own_name_changes(void **state)
{
	(void)state;
	name_them();
	assert_int_equal(scope_decoder_node(d), node);
	assert_int_equal(node_is(SCOPE_KIND_DIST_NODE_UP, peer, SCOPE_F_SELF),
			 0);
	is(0, "self", "true");
	is(0, "peer", "\"c@d\"");
	assert_int_equal(scope_decoder_node(d), peer);
	assert_int_equal(node_is(SCOPE_KIND_DIST_NODE_DOWN, atom("shop"),
				 SCOPE_F_SELF), 0);
	is(1, "peer", "\"c@d\"");
	is(1, "reason", NULL);
	assert_int_equal(scope_decoder_node(d), atom("shop"));
	/* Also where nobody asked for it. */
	open_decoder(SCOPE_KIND_BIT(SCOPE_KIND_MSG_SEND), 64);
	assert_int_equal(node_is(SCOPE_KIND_DIST_NODE_UP, peer, SCOPE_F_SELF),
			 1);
	assert_int_equal(scope_decoder_node(d), peer);
}

/* With --process, whose a signal is, is known only now. */
static void signals_of_others_are_left_out(void **state)
{
	(void)state;
	name_them();
	the_set = pid_of(85);
	assert_int_equal(receive("68 03 61 16 " THERE HERE "52 02"), 0);
	assert_int_equal(ngot, 1);
	the_set = pid_of(86);
	assert_int_equal(receive("68 03 61 16 " THERE HERE "52 02"), 1);
	assert_int_equal(ngot, 1);
}

#define TESTS(otp)                                                             \
	T(what_comes_in_is_decoded, otp),                                      \
		T(what_makes_no_sense_is_said, otp),                           \
		T(what_goes_out_is_told, otp),                                 \
		T(a_message_from_there_is_decoded_and_followed, otp),          \
		T(large_ones_are_cut, otp), T(nodes_come_and_go, otp),         \
		T(the_nodes_own_name_changes, otp),                            \
		T(signals_of_others_are_left_out, otp)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TESTS(25),
		TESTS(27),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
