/* SPDX-License-Identifier: MIT */
/*
 * socket: which addresses the socket of a port has.
 *
 * Shapes:  a port of an inet driver keeps its file descriptor; that of the node
 *          leads to a socket (/proc/PID/fd), and the socket's number to its
 *          addresses (/proc/PID/net/tcp and the like: the network namespace of
 *          the node). Only reading; the node's descriptors are not touched.
 * Truth:   the port is read before and after its descriptor was looked up: what
 *          is said was so while the port held it. What was gone by then, or has
 *          no address yet, is not said.
 * Peer:    only where the release's inet_remote is not known: else the events
 *          have it from the driver, as it was at their time; or where it is
 *          asked for (scope_sockets_tell_peers).
 * Cached:  by the port's id, which names one port. Connected and listening
 *          sockets keep their addresses; the others are looked at again after
 *          SCOPE_SOCKET_AGE_NS, or after scope_sockets_changed. The tables of
 *          the kernel are read again for a socket that they lack, at most a
 *          fifth of the time.
 * Limits:  SCOPE_SOCKETS_MAX ports, after which the cache starts anew.
 * Threads: one owner.
 * Source:  inet_drv.c and erl_port.h (layout's port_* and inet_*); proc_net(5),
 *          the kernel's net/ipv4/tcp_ipv4.c (tcp4_seq_show).
 */
#ifndef SCOPE_TARGET_SOCKET_H
#define SCOPE_TARGET_SOCKET_H

#include "target/target.h"

#define SCOPE_SOCKET_AGE_NS 50000000u
#define SCOPE_SOCKETS_MAX 65536
#define SCOPE_ADDR_TEXT 64 /* "[IPv6]:port", NUL included */

struct scope_sockets;

struct scope_socket {
	char driver[16]; /* name of the port's driver, cut; "": not known */
	char local[SCOPE_ADDR_TEXT]; /* "10.0.0.1:443", "[::1]:443"; "": none */
	char peer[SCOPE_ADDR_TEXT];
};

/* Borrows the target. -ENOMEM. */
int scope_sockets_new(struct scope_target *t,
		      struct scope_sockets **ret_sockets);
void scope_sockets_free(struct scope_sockets *s);
/* There are no events: the peers are said from the kernel's tables always. */
void scope_sockets_tell_peers(struct scope_sockets *s);
SCOPE_AUTO(scope_sockets)

/* What is known of the port with that id, whose Port is at addr (0: only what
 * is cached). NULL: nothing. Borrowed until the next call. */
const struct scope_socket *scope_sockets_get(struct scope_sockets *s,
					     uint64_t id, uint64_t addr);
/* It was opened with that driver. */
void scope_sockets_opened(struct scope_sockets *s, uint64_t id,
			  const char *driver);
/* Its other end, known from elsewhere, if it is cached. */
void scope_sockets_peer(struct scope_sockets *s, uint64_t id, const char *peer);
/* It may have been bound or connected; it is closed. */
void scope_sockets_changed(struct scope_sockets *s, uint64_t id);
void scope_sockets_closed(struct scope_sockets *s, uint64_t id);

/* One line of a table of sockets, but its first. False: it is none. */
struct scope_net_line {
	uint8_t local[16], peer[16]; /* network order; 4 bytes for IPv4 */
	uint16_t local_port, peer_port;
	unsigned state; /* as TCP's: 1 established, 10 listening */
	uint64_t inode;
};
bool scope_net_line(const char *line, size_t len, bool is_v6,
		    struct scope_net_line *ret_line);
/* "10.0.0.1:443", "[::1]:443"; "" for no address and no port. */
void scope_net_text(const uint8_t *addr, bool is_v6, uint16_t port,
		    char *text, size_t cap);

#endif
