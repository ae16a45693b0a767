/* SPDX-License-Identifier: MIT */
/* Ports: their events, and the addresses of their sockets. */
#include "fake_target.h"
#include "scope/site.h"
#include "target/socket.h"

/* Bytes copied beside, as the kernel side does: segments of no address. */
static size_t nwords, nsegs;

static void begin(void)
{
	nwords = nsegs = 0;
}

static void put_seg(uint64_t addr, const void *bytes, size_t len, size_t n)
{
	memset(r.words + nwords, 0, 8 * n);
	memcpy(r.words + nwords, bytes, len);
	nwords += n;
	t->f.mem[FAKE_WORDS - 1 - nsegs++] = SCOPE_SEG(addr, n);
}

static void put_beside(const void *bytes, size_t len, size_t n)
{
	put_seg(0, bytes, len, n);
}

static void give_beside(void)
{
	for (size_t i = 0; i < nsegs; i++)
		r.words[nwords + i] = t->f.mem[FAKE_WORDS - 1 - i];
	r.rec.nwords = (__u16)nwords;
	r.rec.nsegs = (__u16)nsegs;
	r.rec.len = SCOPE_REC_BYTES + 8u * (r.rec.nwords + r.rec.nsegs);
	assert_int_equal(scope_decoder_record(d, &r.rec), 0);
}

static struct scope_rec *port_rec(enum scope_kind kind, unsigned of)
{
	struct scope_rec *rec = rec_of(kind, 7, pid_of(1));

	begin();
	forget();
	rec->port.port = port_of(of);
	rec->port.bytes = SCOPE_PORT_NO_BYTES;
	return rec;
}

/* Port `of` is one of that driver. */
static void opened(unsigned of, const char *driver)
{
	(void)port_rec(SCOPE_KIND_PORT_OPEN, of);
	put_beside(driver, strlen(driver) + 1, SCOPE_PORT_DRIVER_WORDS);
	put_beside("a name", 7, SCOPE_PORT_NAME_WORDS);
	give_beside();
}

static void ports_come_and_go(void **state)
{
	struct scope_rec *rec;

	(void)state;
	(void)alive(1, "shop");
	opened(4, "spawn");
	is(ngot - 1, "kind", "\"port.open\"");
	is(ngot - 1, "port", "\"#Port<0.4>\"");
	is(ngot - 1, "driver", "\"spawn\"");
	is(ngot - 1, "command", "\"a name\"");
	is(ngot - 1, "peer", NULL);
	rec = port_rec(SCOPE_KIND_PORT_COMMAND, 4);
	rec->port.data = fake_int(5);
	rec->port.bytes = 3;
	give_beside();
	is(0, "name", "\"shop\"");
	is(0, "driver", "\"spawn\"");
	is(0, "bytes", "3");
	is(0, "data", "\"5\"");
	rec = port_rec(SCOPE_KIND_PORT_CLOSE, 4);
	rec->port.data = atom("normal");
	rec->port.to = pid_of(2);
	give_beside();
	is(0, "driver", "\"spawn\"");
	is(0, "reason", "\"normal\"");
	is(0, "from", "\"<0.2.0>\"");
	/* What was known of it is gone with it. */
	(void)port_rec(SCOPE_KIND_PORT_CLOSE, 4);
	give_beside();
	is(0, "driver", NULL);
	/* A command line is contents, which were not asked for. */
	open_decoder(SCOPE_KINDS_PORT, 0);
	opened(5, "spawn");
	is(ngot - 1, "driver", "\"spawn\"");
	is(ngot - 1, "command", NULL);
}

static void operations_are_told(void **state)
{
	struct scope_rec *rec = port_rec(SCOPE_KIND_PORT_CONTROL, 4);

	(void)state;
	rec->port.op = 17;
	rec->port.bytes = 0;
	rec->port.data = FAKE_NIL;
	give_beside();
	is(0, "op", "17");
	is(0, "bytes", "0");
	is(0, "call", NULL);
	is(0, "data", "\"[]\"");
	rec = port_rec(SCOPE_KIND_PORT_CONTROL, 4);
	rec->flags = SCOPE_F_PORT_CALL;
	give_beside();
	is(0, "call", "true");
	is(0, "bytes", NULL);
}

#define NIL 1
#define ATOM 2
#define INT 3
#define PORT 4
#define BINARY 5
#define STRING 6
#define TUPLE 7
#define EXT 12

static void give_spec(const uint64_t *spec, size_t n)
{
	struct scope_rec *rec = port_rec(SCOPE_KIND_PORT_INPUT, 4);

	rec->port.spec = 0x7000;
	put_seg(0x7000, spec, 8 * n, n);
	give_beside();
}

/* {udp, S, {127,0,0,1}, 80, <<5 bytes>>}, and so with eight numbers. */
static void described_terms_are_measured(void **state)
{
	const uint64_t v4[] = { ATOM, 0x4b, PORT, 0x47, INT, 127, INT, 0,
				INT, 0, INT, 1, TUPLE, 4, INT, 80,
				BINARY, 0x1000, 5, 0, TUPLE, 5 };
	const uint64_t v6[] = { ATOM, 0x4b, PORT, 0x47, INT, 0, INT, 0, INT, 0,
				INT, 0, INT, 0, INT, 0, INT, 0, INT, 0x101,
				TUPLE, 8, INT, 443, STRING, 0x1000, 9, TUPLE,
				5 };
	const uint64_t answer[] = { ATOM, 0x4b, PORT, 0x47, INT, 7, ATOM, 0x8b,
				    EXT, 0x1000, 26, TUPLE, 4 };
	uint64_t junk[SCOPE_PORT_SPEC_WORDS + 1] = { 0 };

	(void)state;
	opened(4, "udp_inet");
	give_spec(v4, sizeof(v4) / 8);
	is(0, "bytes", "5");
	is(0, "peer", "\"127.0.0.1:80\"");
	give_spec(v6, sizeof(v6) / 8);
	is(0, "bytes", "9");
	is(0, "peer", "\"[::101]:443\"");
	give_spec(answer, sizeof(answer) / 8);
	is(0, "bytes", "0");
	is(0, "peer", NULL);
	/* Cut anywhere, and what is no description at all: nothing is said. */
	for (size_t n = 0; n < sizeof(v4) / 8; n++) {
		give_spec(v4, n);
		if (n % 2)
			is(0, "bytes", NULL);
		if (n < 16)
			is(0, "peer", NULL);
	}
	give_spec(junk, 5);
	is(0, "bytes", NULL);
	for (size_t i = 0; i < SCOPE_PORT_SPEC_WORDS; i++)
		junk[i] = NIL;
	give_spec(junk, SCOPE_PORT_SPEC_WORDS);
	is(0, "bytes", NULL);
	give_spec(junk, SCOPE_PORT_SPEC_WORDS - 1);
	is(0, "bytes", "0");
	junk[3] = UINT64_MAX;
	give_spec(junk, 8);
	is(0, "bytes", NULL);
	/* Of another driver the same says nothing of a peer. */
	opened(4, "tcp_inet");
	give_spec(v4, sizeof(v4) / 8);
	is(0, "bytes", "5");
	is(0, "peer", NULL);
	(void)port_rec(SCOPE_KIND_PORT_INPUT, 4)->port.bytes;
	r.rec.flags = SCOPE_F_PORT_STATUS;
	r.rec.port.bytes = 3;
	give_beside();
	is(0, "exit_status", "3");
	is(0, "bytes", NULL);
}

static void give_head(const char *head, size_t len, uint64_t bytes)
{
	struct scope_rec *rec = port_rec(SCOPE_KIND_PORT_OUTPUT, 4);

	rec->site = SCOPE_SITE_DRIVER_OUTPUT;
	rec->port.bytes = bytes;
	put_beside(head, len, SCOPE_PORT_HEAD_WORDS);
	give_beside();
}

static void datagrams_say_where_they_go(void **state)
{
	(void)state;
	opened(4, "udp_inet");
	give_head("\1\0\x50\x7f\0\0\1\0\0\0\0data", 15, 15);
	is(0, "bytes", "4");
	is(0, "peer", "\"127.0.0.1:80\"");
	give_head("\1\0\x50\x7f\0\0\1\0\0\0\2xxdata", 17, 17);
	is(0, "bytes", "4");
	give_head("\2\0\x50\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0", 23, 23);
	is(0, "bytes", "0");
	is(0, "peer", "\"[::1]:80\"");
	/* To whom it is connected. */
	give_head("\3\0\0\0\0\0\0data", 11, 11);
	is(0, "bytes", "4");
	is(0, "peer", NULL);
	/* No head, or more than there is. */
	give_head("\7", 1, 20);
	is(0, "bytes", "20");
	give_head("\1\0\x50\x7f\0\0\1\0\0\0\0", 11, 10);
	is(0, "bytes", "10");
	give_head("\1\0\x50\x7f\0\0\1\0\0\0\5", 11, 15);
	is(0, "bytes", "15");
	/* A program's data is only that; that of an unknown port, who knows. */
	opened(4, "spawn");
	give_head("\1\0\x50\x7f\0\0\1\0\0\0\0data", 15, 15);
	is(0, "bytes", "15");
	is(0, "peer", NULL);
	(void)port_rec(SCOPE_KIND_PORT_CLOSE, 4);
	give_beside();
	give_head("\1\0\x50\x7f\0\0\1\0\0\0\0data", 15, 15);
	is(0, "bytes", NULL);
}

static void give_remote(const char *addr, size_t len)
{
	struct scope_rec *rec = port_rec(SCOPE_KIND_PORT_OUTPUT, 4);

	rec->port.bytes = 1;
	put_beside(addr, len, SCOPE_PORT_REMOTE_WORDS);
	give_beside();
}

static void the_other_end_is_told(void **state)
{
	(void)state;
	opened(4, "tcp_inet");
	give_remote("\2\0\1\xbb\x0a\0\0\1", 8);
	is(0, "peer", "\"10.0.0.1:443\"");
	/* And at its end, when the driver's own note is gone. */
	(void)port_rec(SCOPE_KIND_PORT_CLOSE, 4);
	give_beside();
	is(0, "peer", "\"10.0.0.1:443\"");
	give_remote("\x0a\0\0\x50\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 24);
	is(0, "peer", "\"[::1]:80\"");
	give_remote("\1\0/tmp/x", 8);
	is(0, "peer", NULL);
}

/* A record of a port may hold anything. */
static void nothing_is_trusted(void **state)
{
	(void)state;
	opened(4, "udp_inet");
	for (unsigned kind = SCOPE_KIND_PORT_OPEN; kind <= SCOPE_KIND_PORT_OUTPUT;
	     kind++)
		for (size_t n = 0; n < 24; n++) {
			struct scope_rec *rec = port_rec(kind, 4);

			rec->site = SCOPE_SITE_DRIVER_OUTPUT;
			rec->port.spec = 0x7000;
			put_seg(0x7000, "\2", 1, n);
			/* Segments that say more than there is. */
			t->f.mem[FAKE_WORDS - 1 - nsegs++] =
				SCOPE_SEG(0, SCOPE_PORT_HEAD_WORDS + n % 3 * 17);
			give_beside();
		}
}

/* -- the kernel's tables ---------------------------------------------------- */

static void lines_of_tables_are_read(void **state)
{
	static const char v4[] =
		"   1: 0100007F:1F90 0200000A:01BB 01 00000000:00000000 "
		"00:00000000 00000000     0        0 1227002 1 0000 20 4 28";
	static const char v6[] =
		"   0: 00000000000000000000000001000000:9697 "
		"00000000000000000000000000000000:0000 0A 00000000:00000000 "
		"00:00000000 00000000     0        0 12 1 0000 100 0 0 10 0";
	struct scope_net_line l;
	char text[SCOPE_ADDR_TEXT];

	(void)state;
	assert_true(scope_net_line(v4, strlen(v4), false, &l));
	assert_int_equal(l.inode, 1227002);
	assert_int_equal(l.state, 1);
	scope_net_text(l.local, false, l.local_port, text, sizeof(text));
	assert_string_equal(text, "127.0.0.1:8080");
	scope_net_text(l.peer, false, l.peer_port, text, sizeof(text));
	assert_string_equal(text, "10.0.0.2:443");
	assert_true(scope_net_line(v6, strlen(v6), true, &l));
	assert_int_equal(l.inode, 12);
	assert_int_equal(l.state, 10);
	scope_net_text(l.local, true, l.local_port, text, sizeof(text));
	assert_string_equal(text, "[::1]:38551");
	scope_net_text(l.peer, true, l.peer_port, text, sizeof(text));
	assert_string_equal(text, "");
	/* The longest of all fits. */
	memset(l.peer, 0xff, 16);
	scope_net_text(l.peer, true, 65535, text, sizeof(text));
	assert_string_equal(text,
			    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
	/* Cut before its number, a line is none. */
	for (size_t n = 0; n < strlen(v4) - 24; n++) {
		char *cut = malloc(n + 1);

		assert_non_null(cut);
		memcpy(cut, v4, n);
		if (scope_net_line(cut, n, false, &l) && n < 90)
			fail_msg("a line of %zu bytes", n);
		free(cut);
	}
	assert_false(scope_net_line(v4, strlen(v4), true, &l));
	assert_false(scope_net_line("  sl  local_address", 19, false, &l));
}

#define TESTS(otp) \
	T(ports_come_and_go, otp), T(operations_are_told, otp), \
	T(described_terms_are_measured, otp), \
	T(datagrams_say_where_they_go, otp), T(the_other_end_is_told, otp), \
	T(nothing_is_trusted, otp)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TESTS(25),
		TESTS(27),
		cmocka_unit_test(lines_of_tables_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
