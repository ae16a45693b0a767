/* SPDX-License-Identifier: MIT */
/* Ports: what was opened, sent, received and closed, and to where. */
#include "pipeline/decode_int.h"
#include "scope/site.h"

#include <sys/socket.h>

/* erl_driver.h: what a description of a term is made of, ERL_DRV_NIL and on;
 * the words that follow each, and which of these is a number of bytes of data
 * (of a term in external format it is none). */
static const struct part {
	unsigned words, bytes; /* bytes: 1 and on; 0: none */
} parts[] = {
	[1] = { 0, 0 },	 [2] = { 1, 0 },  [3] = { 1, 0 },  [4] = { 1, 0 },
	[5] = { 3, 2 },	 [6] = { 2, 2 },  [7] = { 1, 0 },  [8] = { 1, 0 },
	[9] = { 2, 2 },	 [10] = { 1, 0 }, [11] = { 1, 0 }, [12] = { 2, 0 },
	[13] = { 1, 0 }, [14] = { 2, 2 }, [15] = { 1, 0 }, [16] = { 1, 0 },
	[17] = { 1, 0 },
};
#define PARTS (sizeof(parts) / sizeof(*parts))
#define DRV_INT 3
#define DRV_TUPLE 7

/* inet_drv.c */
#define INET_AF_INET 1
#define INET_AF_INET6 2
#define INET_AF_ANY 3
#define INET_AF_LOOPBACK 4

/* The bytes that were copied beside as `n` words; NULL: none were. */
static const uint8_t *beside(const struct scope_image *im, size_t n)
{
	size_t at = 0;

	for (size_t i = 0; i < im->nsegs; i++) {
		size_t len = SCOPE_SEG_WORDS(im->segs[i]);

		if (len > im->nwords - at)
			break;
		if (!SCOPE_SEG_ADDR(im->segs[i]) && len == n)
			return (const uint8_t *)(im->words + at);
		at += len;
	}
	return NULL;
}

/* What was copied of a description; 0 words: nothing. */
static size_t spec_of(const struct scope_image *im, const struct scope_rec *rec)
{
	if (!im->nsegs || !rec->port.spec ||
	    SCOPE_SEG_ADDR(im->segs[0]) != rec->port.spec ||
	    SCOPE_SEG_WORDS(im->segs[0]) > im->nwords)
		return 0;
	return SCOPE_SEG_WORDS(im->segs[0]);
}

/* Bytes of data in a described term; false: it is longer than what was copied,
 * or no description. */
static bool spec_bytes(const uint64_t *words, size_t n, uint64_t *ret_bytes)
{
	size_t at = 0;

	*ret_bytes = 0;
	while (at < n) {
		uint64_t tag = words[at++];

		if (tag == 0 || tag >= PARTS || parts[tag].words > n - at)
			return false;
		if (parts[tag].bytes)
			*ret_bytes += words[at + parts[tag].bytes - 1];
		at += parts[tag].words;
	}
	return n > 0 && n < SCOPE_PORT_SPEC_WORDS;
}

/* Where a datagram came from, as the driver says it in the message for its
 * owner: four or eight INT, TUPLE of as many, INT port (inet_drv.c,
 * load_address), after the atom and the port. */
static bool spec_peer(const uint64_t *words, size_t len, char *text, size_t cap)
{
	const uint64_t *w = words + 4;
	uint8_t addr[16];

	for (unsigned n = 4; n <= 8; n += 4) {
		bool is_ip = len >= 4 + 2 * (n + 2) && w[2 * n] == DRV_TUPLE &&
			     w[2 * n + 1] == n && w[2 * n + 2] == DRV_INT;

		for (unsigned i = 0; is_ip && i < n; i++) {
			uint64_t v = w[2 * i + 1];

			is_ip = w[2 * i] == DRV_INT;
			if (n == 4) {
				addr[i] = (uint8_t)v;
			} else {
				addr[2 * i] = (uint8_t)(v >> 8);
				addr[2 * i + 1] = (uint8_t)v;
			}
		}
		if (is_ip) {
			scope_net_text(addr, n == 8, (uint16_t)w[2 * n + 3],
				       text, cap);
			return true;
		}
	}
	return false;
}

/* A sockaddr of Linux; "" where it is neither of IPv4 nor of IPv6. */
static void sockaddr_text(const uint8_t *b, char *text, size_t cap)
{
	uint16_t family, port = (uint16_t)(b[2] << 8 | b[3]);

	memcpy(&family, b, sizeof(family));
	text[0] = '\0';
	if (family == AF_INET)
		scope_net_text(b + 4, false, port, text, cap);
	else if (family == AF_INET6)
		scope_net_text(b + 8, true, port, text, cap);
}

/* The head of a datagram's command: family, port, address, u32 length of
 * ancillary data, that data (inet_drv.c, packet_inet_command,
 * inet_set_faddress). Its length, or 0: it is none. "": no such address. */
static uint64_t datagram_head(const uint8_t *b, uint64_t bytes, char *text,
			      size_t cap)
{
	size_t at = 3;
	uint64_t anc;

	text[0] = '\0';
	if (!b)
		return 0;
	if (b[0] == INET_AF_INET)
		at += 4;
	else if (b[0] == INET_AF_INET6)
		at += 16;
	else if (b[0] != INET_AF_ANY && b[0] != INET_AF_LOOPBACK)
		return 0;
	if (bytes < at + 4)
		return 0;
	if (at > 3)
		scope_net_text(b + 3, at > 7, (uint16_t)(b[1] << 8 | b[2]),
			       text, cap);
	anc = (uint64_t)b[at] << 24 | (uint64_t)b[at + 1] << 16 |
	      (uint64_t)b[at + 2] << 8 | b[at + 3];
	return anc <= bytes - at - 4 ? at + 4 + anc : 0;
}

static const struct scope_socket *socket_of(struct scope_decoder *d,
					    const struct scope_rec *rec)
{
	return scope_sockets_get(d->sockets, rec->port.port, rec->port.addr);
}

static void add_cut(struct scope_event *ev, enum scope_field_key key,
		    const char *text, size_t cap)
{
	size_t n = strnlen(text, cap);

	if (n)
		scope_event_add_text(ev, key, text, n);
}

/* `peer`: of a datagram that is not sent to whom its socket is connected. */
static void add_addresses(struct scope_decoder *d, const struct scope_rec *rec,
			  struct scope_event *ev, const struct scope_socket *s,
			  const char *peer)
{
	const uint8_t *remote = beside(&ev->image, SCOPE_PORT_REMOTE_WORDS);

	if (s)
		add_cut(ev, SCOPE_FIELD_LOCAL, s->local, sizeof(s->local));
	if (remote) {
		sockaddr_text(remote, d->peer, sizeof(d->peer));
		peer = d->peer;
	} else if (s && s->peer[0] && ev->kind != SCOPE_KIND_PORT_OPEN) {
		/* (One that is just opened was not connected yet.) */
		peer = s->peer;
	}
	if (peer && *peer)
		add_cut(ev, SCOPE_FIELD_PEER_ADDR, peer, SCOPE_ADDR_TEXT);
	/* Its end is told with what was known last. */
	if (remote)
		scope_sockets_peer(d->sockets, rec->port.port, d->peer);
}

static bool is_driver(const struct scope_socket *s, const char *name)
{
	return s && !strcmp(s->driver, name);
}

static void add_driver(struct scope_event *ev, const struct scope_socket *s)
{
	if (s)
		add_cut(ev, SCOPE_FIELD_DRIVER, s->driver, sizeof(s->driver));
}

static void opened(struct scope_decoder *d, const struct scope_rec *rec,
		   struct scope_event *ev)
{
	const char *driver =
		(const char *)beside(&ev->image, SCOPE_PORT_DRIVER_WORDS);
	const char *name =
		(const char *)beside(&ev->image, SCOPE_PORT_NAME_WORDS);

	if (driver) {
		add_cut(ev, SCOPE_FIELD_DRIVER, driver,
			8 * SCOPE_PORT_DRIVER_WORDS);
		scope_sockets_opened(d->sockets, rec->port.port, driver);
	}
	if (name && d->opts.term_words)
		add_cut(ev, SCOPE_FIELD_COMMAND, name,
			8 * SCOPE_PORT_NAME_WORDS);
	add_addresses(d, rec, ev, socket_of(d, rec), NULL);
}

static void closed(struct scope_decoder *d, const struct scope_rec *rec,
		   struct scope_event *ev)
{
	const struct scope_socket *s = socket_of(d, rec);

	if (d->opts.term_words)
		add_term(ev, SCOPE_FIELD_REASON, rec->port.data);
	add_driver(ev, s);
	add_addresses(d, rec, ev, s, NULL);
}

static void commanded(struct scope_decoder *d, const struct scope_rec *rec,
		      struct scope_event *ev)
{
	bool control = rec->kind == SCOPE_KIND_PORT_CONTROL;
	const struct scope_socket *s = socket_of(d, rec);

	add_driver(ev, s);
	if (control)
		scope_event_add_u(ev, SCOPE_FIELD_OP_NUMBER, rec->port.op);
	if (rec->flags & SCOPE_F_PORT_CALL)
		scope_event_add_u(ev, SCOPE_FIELD_CALL, 1);
	if (rec->port.bytes != SCOPE_PORT_NO_BYTES)
		scope_event_add_u(ev, SCOPE_FIELD_DATA_BYTES, rec->port.bytes);
	if (d->opts.term_words)
		add_term(ev, SCOPE_FIELD_DATA, rec->port.data);
	add_addresses(d, rec, ev, s, NULL);
	/* It may have bound or connected it. */
	if (control)
		scope_sockets_changed(d->sockets, rec->port.port);
}

static void put_in(struct scope_decoder *d, const struct scope_rec *rec,
		   struct scope_event *ev)
{
	const struct scope_socket *s = socket_of(d, rec);
	size_t n = spec_of(&ev->image, rec);
	uint64_t bytes = rec->port.bytes;

	add_driver(ev, s);
	if (rec->flags & SCOPE_F_PORT_STATUS) {
		scope_event_add_u(ev, SCOPE_FIELD_EXIT_STATUS, bytes);
		return;
	}
	if (rec->port.spec && !spec_bytes(ev->image.words, n, &bytes))
		bytes = SCOPE_PORT_NO_BYTES;
	if (bytes != SCOPE_PORT_NO_BYTES)
		scope_event_add_u(ev, SCOPE_FIELD_DATA_BYTES, bytes);
	if (n && is_driver(s, "udp_inet") &&
	    spec_peer(ev->image.words, n, d->from, sizeof(d->from)))
		add_addresses(d, rec, ev, s, d->from);
	else
		add_addresses(d, rec, ev, s, NULL);
}

static void put_out(struct scope_decoder *d, const struct scope_rec *rec,
		    struct scope_event *ev)
{
	const struct scope_socket *s = socket_of(d, rec);
	uint64_t bytes = rec->port.bytes, head = 0;

	add_driver(ev, s);
	if (is_driver(s, "udp_inet"))
		head = datagram_head(beside(&ev->image, SCOPE_PORT_HEAD_WORDS),
				     bytes, d->from, sizeof(d->from));
	/* Whether it has such a head is not known of a port that is gone. */
	if (rec->site != SCOPE_SITE_DRIVER_OUTPUT || (s && s->driver[0]))
		scope_event_add_u(ev, SCOPE_FIELD_DATA_BYTES, bytes - head);
	add_addresses(d, rec, ev, s, head ? d->from : NULL);
}

void scope_decode_port(struct scope_decoder *d, const struct scope_rec *rec,
		       struct scope_event *ev)
{
	if (rec->kind == SCOPE_KIND_PORT_CLOSE && scope_is_port(rec->port.to) &&
	    rec->port.to != rec->port.port)
		add_term(ev, SCOPE_FIELD_FROM, rec->port.to);
	if (rec->kind == SCOPE_KIND_PORT_CLOSE && scope_is_pid(rec->port.to) &&
	    rec->port.to != rec->pid) {
		add_term(ev, SCOPE_FIELD_FROM, rec->port.to);
		scope_decode_name(d, ev, SCOPE_FIELD_FROM_NAME, rec->port.to);
	}
	if (scope_is_port(rec->port.port))
		add_term(ev, SCOPE_FIELD_PORT, rec->port.port);
	switch (rec->kind) {
	case SCOPE_KIND_PORT_OPEN:
		opened(d, rec, ev);
		break;
	case SCOPE_KIND_PORT_CLOSE:
		closed(d, rec, ev);
		break;
	case SCOPE_KIND_PORT_INPUT:
		put_in(d, rec, ev);
		break;
	case SCOPE_KIND_PORT_OUTPUT:
		put_out(d, rec, ev);
		break;
	default:
		commanded(d, rec, ev);
		break;
	}
}

void scope_decode_learn_port_closed(struct scope_decoder *d,
				    const struct scope_rec *rec)
{
	if (d->sockets)
		scope_sockets_closed(d->sockets, rec->port.port);
}
