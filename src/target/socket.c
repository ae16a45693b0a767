/* SPDX-License-Identifier: MIT */
#include "target/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/map.h"
#include "base/time.h"

#define TABLES 4
#define LINES_MAX (1u << 20)
#define TABLE_BYTES_MAX (512u << 20)
#define READ_BYTES (64u << 10)
#define SHARE 5 /* reading tables takes at most one part of this many of the time */
/* The kernel's TCP_ESTABLISHED, TCP_LISTEN. */
#define ESTABLISHED 1
#define LISTENING 10

static const struct table {
	const char *name;
	bool is_v6, is_udp;
} tables[TABLES] = {
	{ "tcp", false, false },
	{ "tcp6", true, false },
	{ "udp", false, true },
	{ "udp6", true, true },
};

struct row {
	struct scope_net_line line;
	unsigned table;
};

struct entry {
	uint64_t id;
	struct scope_socket socket;
	uint64_t look_ns; /* not to be looked at again before; UINT64_MAX */
};

struct scope_sockets {
	struct scope_target *t; /* borrowed */
	int fds[TABLES];	/* -1: there is none */
	struct scope_map *ports;  /* id to entry's index + 1 */
	struct entry *entries;
	size_t nentries, entries_cap;
	struct scope_map *inodes; /* socket's number to row's index + 1 */
	struct row *rows;
	size_t nrows, rows_cap;
	char *text; /* of a table, READ_BYTES and more */
	size_t text_cap;
	uint64_t read_ns, read_took_ns; /* when the tables were, and how long */
	bool tells_peers;
};

/* ---- the kernel's tables ------------------------------------------------------ */

static bool hex(const char **p, const char *end, unsigned digits, uint64_t *ret)
{
	uint64_t v = 0;
	unsigned n = 0;

	for (; *p < end && n < digits; (*p)++, n++) {
		char c = **p;

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint64_t)(c - '0');
		else if (c >= 'A' && c <= 'F')
			v = v << 4 | (uint64_t)(c - 'A' + 10);
		else
			break;
	}
	*ret = v;
	return n == digits;
}

static bool skip_to(const char **p, const char *end, char c)
{
	while (*p < end && **p != c)
		(*p)++;
	return *p < end;
}

static void skip_spaces(const char **p, const char *end)
{
	while (*p < end && **p == ' ')
		(*p)++;
}

/* Words in the machine's order, as the kernel prints them. */
static bool address(const char **p, const char *end, bool is_v6,
		    uint8_t *ret_addr, uint16_t *ret_port)
{
	uint64_t v;

	for (unsigned i = 0; i < (is_v6 ? 4u : 1u); i++) {
		uint32_t word;

		if (!hex(p, end, 8, &v))
			return false;
		word = (uint32_t)v;
		memcpy(ret_addr + 4 * i, &word, 4);
	}
	if (*p == end || *(*p)++ != ':' || !hex(p, end, 4, &v))
		return false;
	*ret_port = (uint16_t)v;
	skip_spaces(p, end);
	return true;
}

bool scope_net_line(const char *line, size_t len, bool is_v6,
		    struct scope_net_line *ret_line)
{
	const char *p = line, *end = line + len;
	uint64_t v;

	memset(ret_line, 0, sizeof(*ret_line));
	if (!skip_to(&p, end, ':'))
		return false;
	p++;
	skip_spaces(&p, end);
	if (!address(&p, end, is_v6, ret_line->local, &ret_line->local_port) ||
	    !address(&p, end, is_v6, ret_line->peer, &ret_line->peer_port) ||
	    !hex(&p, end, 2, &v))
		return false;
	ret_line->state = (unsigned)v;
	/* queues, timer, retransmits, uid, timeout, then the number */
	for (unsigned i = 0; i < 5; i++) {
		skip_spaces(&p, end);
		if (!skip_to(&p, end, ' '))
			return false;
	}
	skip_spaces(&p, end);
	for (v = 0; p < end && *p >= '0' && *p <= '9'; p++)
		v = v * 10 + (uint64_t)(*p - '0');
	ret_line->inode = v;
	return v != 0;
}

void scope_net_text(const uint8_t *addr, bool is_v6, uint16_t port, char *text,
		    size_t cap)
{
	char s[INET6_ADDRSTRLEN] = "";
	static const uint8_t none[16];

	text[0] = '\0';
	if (!port && !memcmp(addr, none, is_v6 ? 16 : 4))
		return;
	if (inet_ntop(is_v6 ? AF_INET6 : AF_INET, addr, s, sizeof(s)))
		(void)snprintf(text, cap, is_v6 ? "[%s]:%u" : "%s:%u", s, port);
}

/* The whole of a table, NUL-terminated; its length, 0 when it can't be read. */
static size_t read_table(struct scope_sockets *s, int fd)
{
	size_t at = 0;

	for (;;) {
		ssize_t n;

		if (s->text_cap - at < READ_BYTES) {
			size_t cap = s->text_cap * 2 + READ_BYTES;
			char *more = cap > TABLE_BYTES_MAX ?
					     NULL :
					     realloc(s->text, cap);

			if (!more)
				return at;
			s->text = more;
			s->text_cap = cap;
		}
		n = pread(fd, s->text + at, s->text_cap - at, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return at;
		at += (size_t)n;
	}
}

static void add_row(struct scope_sockets *s, unsigned table,
		    const struct scope_net_line *line)
{
	if (s->nrows == s->rows_cap) {
		size_t cap = s->rows_cap * 2 + 64;
		struct row *more = cap > LINES_MAX ?
					   NULL :
					   realloc(s->rows, cap * sizeof(*more));

		if (!more)
			return;
		s->rows = more;
		s->rows_cap = cap;
	}
	s->rows[s->nrows] = (struct row){ .line = *line, .table = table };
	if (scope_map_put(s->inodes, line->inode, s->nrows + 1) == 0)
		s->nrows++;
}

static void read_tables(struct scope_sockets *s)
{
	uint64_t began = scope_now_ns();

	scope_map_clear(s->inodes);
	s->nrows = 0;
	for (unsigned i = 0; i < TABLES; i++) {
		size_t len = s->fds[i] < 0 ? 0 : read_table(s, s->fds[i]);
		const char *p = s->text, *end = p + len;

		while (p < end) {
			const char *nl = memchr(p, '\n', (size_t)(end - p));
			size_t n = nl ? (size_t)(nl - p) : (size_t)(end - p);
			struct scope_net_line line;

			if (scope_net_line(p, n, tables[i].is_v6, &line))
				add_row(s, i, &line);
			p += n + 1;
		}
	}
	s->read_ns = scope_now_ns();
	s->read_took_ns = s->read_ns - began;
}

static const struct row *row_of(struct scope_sockets *s, uint64_t inode)
{
	uint64_t at;

	if (!scope_map_get(s->inodes, inode, &at)) {
		if (s->read_ns &&
		    scope_now_ns() < s->read_ns + SHARE * s->read_took_ns)
			return NULL;
		read_tables(s);
		if (!scope_map_get(s->inodes, inode, &at))
			return NULL;
	}
	return &s->rows[at - 1];
}

/* ---- ports --------------------------------------------------------------------- */

static bool word_at(struct scope_sockets *s, uint64_t addr, uint64_t *ret)
{
	return scope_target_read(s->t, addr, ret, 8) == 0;
}

/* The file descriptor that the port holds now; -1: none. */
static int port_fd(struct scope_sockets *s, uint64_t id, uint64_t addr)
{
	const struct scope_layout *l = scope_target_vm(s->t)->layout;
	uint64_t w, desc, back, dport;
	int fd = -1;

	if (!word_at(s, addr, &w) || w != id ||
	    !word_at(s, addr + l->port_data, &desc) ||
	    !word_at(s, desc + l->inet_port, &back) || back != addr ||
	    !word_at(s, desc + l->inet_id, &dport) || dport != id ||
	    scope_target_read(s->t, desc + l->inet_fd, &fd, sizeof(fd)) < 0)
		return -1;
	return fd;
}

static void look_at_socket(struct scope_sockets *s, uint64_t id, uint64_t addr,
			   struct entry *e)
{
	int fd = port_fd(s, id, addr);
	uint64_t inode = fd < 0 ? 0 : scope_target_socket(s->t, fd);
	const struct row *r;

	/* It is of this port only if that has it still. */
	if (!inode || port_fd(s, id, addr) != fd)
		return;
	r = row_of(s, inode);
	if (!r)
		return;
	scope_net_text(r->line.local, tables[r->table].is_v6,
		       r->line.local_port, e->socket.local,
		       sizeof(e->socket.local));
	/* Where the driver's own note of it goes with each event, that is what
	 * was so at its time. */
	if (s->tells_peers ||
	    scope_target_vm(s->t)->layout->inet_remote == SCOPE_NO)
		scope_net_text(r->line.peer, tables[r->table].is_v6,
			       r->line.peer_port, e->socket.peer,
			       sizeof(e->socket.peer));
	if (!tables[r->table].is_udp && (r->line.state == ESTABLISHED ||
				  r->line.state == LISTENING))
		e->look_ns = UINT64_MAX;
}

static void look(struct scope_sockets *s, uint64_t id, uint64_t addr,
		 struct entry *e, uint64_t now)
{
	const struct scope_layout *l = scope_target_vm(s->t)->layout;
	uint64_t w, driver, name;
	char text[sizeof(e->socket.driver)] = "";

	/* With no address yet, the next event may know more. */
	e->look_ns = e->socket.local[0] ? now + SCOPE_SOCKET_AGE_NS : now;
	if (!e->socket.driver[0]) {
		if (!word_at(s, addr + l->port_driver, &driver) ||
		    !word_at(s, driver + l->drv_name, &name) ||
		    scope_target_read(s->t, name, text, sizeof(text) - 1) < 0 ||
		    !word_at(s, addr, &w) || w != id)
			return;
		memcpy(e->socket.driver, text, sizeof(text));
	}
	if (strcmp(e->socket.driver, "tcp_inet") != 0 &&
	    strcmp(e->socket.driver, "udp_inet") != 0)
		e->look_ns = UINT64_MAX;
	else
		look_at_socket(s, id, addr, e);
	if (e->look_ns != UINT64_MAX && e->socket.local[0])
		e->look_ns = now + SCOPE_SOCKET_AGE_NS;
}

static struct entry *entry_of(struct scope_sockets *s, uint64_t id, bool make)
{
	uint64_t at;

	if (scope_map_get(s->ports, id, &at))
		return &s->entries[at - 1];
	if (!make)
		return NULL;
	if (s->nentries == SCOPE_SOCKETS_MAX) {
		scope_map_clear(s->ports);
		s->nentries = 0;
	}
	if (s->nentries == s->entries_cap) {
		size_t cap = s->entries_cap * 2 + 64;
		struct entry *more = realloc(s->entries, cap * sizeof(*more));

		if (!more)
			return NULL;
		s->entries = more;
		s->entries_cap = cap;
	}
	if (scope_map_put(s->ports, id, s->nentries + 1) < 0)
		return NULL;
	memset(&s->entries[s->nentries], 0, sizeof(*s->entries));
	s->entries[s->nentries].id = id;
	return &s->entries[s->nentries++];
}

const struct scope_socket *scope_sockets_get(struct scope_sockets *s,
					     uint64_t id, uint64_t addr)
{
	struct entry *e = id ? entry_of(s, id, addr != 0) : NULL;

	if (!e)
		return NULL;
	if (addr && e->look_ns != UINT64_MAX) {
		uint64_t now = scope_now_ns();

		if (now >= e->look_ns)
			look(s, id, addr, e, now);
	}
	return &e->socket;
}

void scope_sockets_opened(struct scope_sockets *s, uint64_t id,
			  const char *driver)
{
	struct entry *e = id ? entry_of(s, id, true) : NULL;

	if (e)
		(void)snprintf(e->socket.driver, sizeof(e->socket.driver),
			       "%.*s", (int)sizeof(e->socket.driver) - 1,
			       driver);
}

void scope_sockets_peer(struct scope_sockets *s, uint64_t id, const char *peer)
{
	struct entry *e = id ? entry_of(s, id, false) : NULL;

	if (e)
		(void)snprintf(e->socket.peer, sizeof(e->socket.peer), "%.*s",
			       (int)sizeof(e->socket.peer) - 1, peer);
}

void scope_sockets_changed(struct scope_sockets *s, uint64_t id)
{
	struct entry *e = id ? entry_of(s, id, false) : NULL;

	if (e)
		e->look_ns = 0;
}

/* The last one takes its place. */
void scope_sockets_closed(struct scope_sockets *s, uint64_t id)
{
	uint64_t at;

	if (!id || !scope_map_take(s->ports, id, &at))
		return;
	s->nentries--;
	if (at - 1 == s->nentries)
		return;
	s->entries[at - 1] = s->entries[s->nentries];
	(void)scope_map_put(s->ports, s->entries[at - 1].id, at);
}

int scope_sockets_new(struct scope_target *t,
		      struct scope_sockets **ret_sockets)
{
	scope_auto(scope_sockets) s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->t = t;
	/* Opened now, while there is a right to. */
	for (unsigned i = 0; i < TABLES; i++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "/proc/%d/net/%s",
			       scope_target_info(t)->pid, tables[i].name);
		s->fds[i] = open(path, O_RDONLY | O_CLOEXEC);
	}
	s->ports = scope_map_new(SCOPE_SOCKETS_MAX);
	s->inodes = scope_map_new(LINES_MAX);
	if (!s->ports || !s->inodes)
		return -ENOMEM;
	*ret_sockets = scope_take(s);
	return 0;
}

void scope_sockets_tell_peers(struct scope_sockets *s)
{
	s->tells_peers = true;
}

void scope_sockets_free(struct scope_sockets *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < TABLES; i++)
		if (s->fds[i] >= 0)
			(void)close(s->fds[i]);
	scope_map_free(s->ports);
	scope_map_free(s->inodes);
	free(s->entries);
	free(s->rows);
	free(s->text);
	free(s);
}
