/* SPDX-License-Identifier: (MIT OR GPL-2.0) */
/*
 * port.*: what processes and drivers do to each other through ports.
 *
 *   open_port/2              erts_open_driver -> Port
 *   an accepted connection   driver_create_port -> Port
 *   port_command, Port ! ..  erts_port_output ─ now or later ─ driver's output
 *   port_control, port_call  erts_port_control, erts_port_call
 *   driver to process        driver_output2, _binary, outputv, deliver_term,
 *                            report_exit
 *   any end of a port        erts_deliver_port_exit
 *
 * A command to a busy port is refused, and tried again: what the call returned
 * decides whether it is one. The same for what was opened and closed. These are
 * told when the call returns, with that time, as a driver may take its own.
 */
#ifndef SCOPE_BPF_PORT_H
#define SCOPE_BPF_PORT_H

#include "lib/term.bpf.h"

/* erl_port.h; the same in OTP 25 and 27. */
#define PORT_CLOSING (1u << 5)
#define PORT_FREE (1u << 8)
#define PORT_INITIALIZING (1u << 9)
#define PORT_INVALID (1u << 11)
#define PORT_OP_BUSY_SCHEDULED 2
#define PORT_OP_SCHEDULED 3
#define PORT_OP_DONE 5

/* Linux. */
#define AF_INET 2
#define AF_INET6 10

#define is_port(w) (((w)&0xf) == 7)
#define is_nil(w) (((w)&0x3f) == 0x3b)

struct port_call {
	u64 a[4];
};

/* Calls under way, by thread and site. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, u64);
	__type(value, struct port_call);
} port_calls SEC(".maps");

#define PORT_KEY(site) \
	((u64)(u32)bpf_get_current_pid_tgid() << 8 | (u64)(site))

/* ---- how many bytes some iodata is ------------------------------------------ */

#define IODATA_DEPTH 8
#define IODATA_STEPS 1024

struct iodata {
	u64 at; /* what to look at next */
	u64 bytes;
	u32 depth;
	u32 bad; /* no iodata, not readable, or too deep */
	u64 after[IODATA_DEPTH]; /* what follows the lists that `at` is in */
};

struct cell {
	u64 head, tail;
};

/* Bytes of a binary; ~0: it is none. */
static __always_inline u64 binary_bytes(u64 w)
{
	const volatile struct scope_layout *l = &config.layout;
	u64 b[4] = {}, addr = w & ~7ull;
	u32 sub;

	if ((w & 3) != 2 ||
	    bpf_probe_read_user(b, sizeof(b), (void *)addr)) {
		/* The end of a mapping: an empty one has two words. */
		b[0] = word(addr);
		b[1] = word(addr + 8);
	}
	sub = SUBTAG(b[0]);
	if ((w & 3) != 2 || (b[0] & 3))
		return ~0ull;
	if (sub == l->sub.refc_bin || sub == l->sub.heap_bin ||
	    sub == l->sub.sub_bin)
		return b[1];
	if (sub == l->sub.heap_bits)
		return b[1] >> 3;
	if (sub == l->sub.sub_bits)
		return (b[3] - b[2]) >> 3;
	return ~0ull;
}

static long iodata_step(u32 i, void *ctx)
{
	struct iodata *d = ctx;
	struct cell c = {};
	u64 w = d->at, n;

	(void)i;
	if ((w & 3) == 1) {
		if (bpf_probe_read_user(&c, sizeof(c), (void *)(w & ~7ull))) {
			d->bad = 1;
			return 1;
		}
		d->at = c.tail;
		if ((c.head & 0xf) == 0xf) {
			d->bytes++;
			return 0;
		}
		if ((c.head & 3) == 1) {
			/* A list that ends its list needs no place. */
			if (!is_nil(c.tail)) {
				if (d->depth >= IODATA_DEPTH) {
					d->bad = 1;
					return 1;
				}
				d->after[d->depth & (IODATA_DEPTH - 1)] =
					c.tail;
				d->depth++;
			}
			d->at = c.head;
			return 0;
		}
		if (is_nil(c.head))
			return 0;
		w = c.head;
	} else {
		if (d->depth) {
			d->depth--;
			d->at = d->after[d->depth & (IODATA_DEPTH - 1)];
		} else {
			d->at = 0;
		}
		if (is_nil(w))
			return d->at == 0;
	}
	n = binary_bytes(w);
	if (n == ~0ull) {
		d->bad = 1;
		return 1;
	}
	d->bytes += n;
	return d->at == 0;
}

/* Global, so that it is verified once. */
__noinline u64 iodata_bytes(u64 term)
{
	struct iodata d = { .at = term };

	if ((term & 3) == 2)
		return binary_bytes(term);
	bpf_loop(IODATA_STEPS, iodata_step, &d, 0);
	return d.bad || d.at ? SCOPE_PORT_NO_BYTES : d.bytes;
}

/* ---- from processes ----------------------------------------------------------- */

/* Room for n words of bytes behind what is copied, as a segment of no address;
 * NULL: there is none. */
static __always_inline u64 *beside_words(struct scratch *s, u32 n)
{
	u32 at = s->n;

	if (!room(s, n))
		return NULL;
	append(s, 0, n);
	barrier_var(at);
	return &s->words[at & MASK];
}

/* A text of the target, cut. */
static __always_inline void text_words(struct scratch *s, u64 addr, u32 n)
{
	u64 *to = beside_words(s, n);

	if (to && bpf_probe_read_user_str(to, n * 8, (void *)addr) <= 0)
		*to = 0;
}

/* The other end of a port of inet's, as the driver keeps it: what it was
 * connected to, or accepted from. */
static __always_inline void remote_words(struct scratch *s, u64 id, u64 prt)
{
	const volatile struct scope_layout *l = &config.layout;
	u64 desc, *to;
	u16 family;

	if (l->inet_remote == SCOPE_NO || !prt)
		return;
	desc = word(prt + l->port_data);
	if (!desc || word(desc + l->inet_id) != id)
		return;
	family = (u16)half(desc + l->inet_remote);
	if (family != AF_INET && family != AF_INET6)
		return;
	to = beside_words(s, SCOPE_PORT_REMOTE_WORDS);
	if (to && bpf_probe_read_user(to, 8 * SCOPE_PORT_REMOTE_WORDS,
				      (void *)(desc + l->inet_remote)))
		*to = 0;
}

static __always_inline void port_opened(struct scope_regs *ctx, u64 site,
					struct port_call *c, u64 prt)
{
	const volatile struct scope_layout *l = &config.layout;
	u64 id = word(prt), pid = c->a[0], ts = bpf_ktime_get_ns();
	struct scratch *s;

	/* An error is NULL, or the port number that none has. */
	if (!prt || !is_port(id) || !in_set(pid, 0) ||
	    !is_kept(SCOPE_KIND_PORT_OPEN, ts, pid, id))
		return;
	s = begin(SCOPE_KIND_PORT_OPEN, site, ts);
	if (!s)
		return;
	s->rec.pid = is_pid(pid) ? pid : 0;
	s->rec.port.port = id;
	s->rec.port.addr = prt;
	text_words(s, word(word(prt + l->port_driver) + l->drv_name),
		   SCOPE_PORT_DRIVER_WORDS);
	/* A command line is contents. */
	if (config.term_words)
		text_words(s, word(prt + l->port_name), SCOPE_PORT_NAME_WORDS);
	remote_words(s, id, prt);
	finish(ctx, s);
}

static __always_inline void port_closed(struct scope_regs *ctx,
					struct port_call *c)
{
	u64 from = c->a[1], ts = bpf_ktime_get_ns();
	struct scratch *s;

	if (!in_set(c->a[3], from) ||
	    !is_kept(SCOPE_KIND_PORT_CLOSE, ts, c->a[3], c->a[0]))
		return;
	s = begin(SCOPE_KIND_PORT_CLOSE, SCOPE_SITE_PORT_CLOSE, ts);
	if (!s)
		return;
	s->rec.pid = is_pid(c->a[3]) ? c->a[3] : 0;
	s->rec.port.port = c->a[0];
	s->rec.port.to = from;
	s->rec.port.data = c->a[2];
	copy_term(s, c->a[2]);
	finish(ctx, s);
}

static __always_inline void port_commanded(struct scope_regs *ctx,
					   struct port_call *c, u32 result)
{
	u64 pid = c->a[0], prt = c->a[1], data = c->a[2];
	u64 ts = bpf_ktime_get_ns();
	struct scratch *s;

	if (result != PORT_OP_DONE && result != PORT_OP_SCHEDULED &&
	    result != PORT_OP_BUSY_SCHEDULED)
		return;
	if (!in_set(pid, 0) ||
	    !is_kept(SCOPE_KIND_PORT_COMMAND, ts, pid, c->a[3]))
		return;
	s = begin(SCOPE_KIND_PORT_COMMAND, SCOPE_SITE_PORT_COMMAND, ts);
	if (!s)
		return;
	s->rec.pid = is_pid(pid) ? pid : 0;
	s->rec.port.port = c->a[3];
	s->rec.port.addr = prt;
	s->rec.port.bytes = iodata_bytes(data);
	s->rec.port.data = data;
	copy_term(s, data);
	remote_words(s, s->rec.port.port, prt);
	finish(ctx, s);
}

SEC("uprobe")
int on_port_call(struct scope_regs *ctx)
{
	u64 site = bpf_get_attach_cookie(ctx), key = PORT_KEY(site), prt;
	struct port_call c = {};
	u32 kind = SCOPE_KIND_NONE;

	count_hit(SCOPE_GROUP_PORT);
	switch (site) {
	case SCOPE_SITE_PORT_OPEN:
	case SCOPE_SITE_PORT_CREATE:
		kind = SCOPE_KIND_PORT_OPEN;
		c.a[0] = SCOPE_ARG2(ctx);
		break;
	case SCOPE_SITE_PORT_CLOSE:
		kind = SCOPE_KIND_PORT_CLOSE;
		prt = SCOPE_ARG1(ctx);
		c.a[0] = word(prt); /* it may be gone at the return */
		c.a[1] = SCOPE_ARG2(ctx);
		c.a[2] = SCOPE_ARG3(ctx);
		c.a[3] = word(prt + config.layout.port_connected);
		break;
	case SCOPE_SITE_PORT_COMMAND:
		kind = SCOPE_KIND_PORT_COMMAND;
		prt = SCOPE_ARG3(ctx);
		c.a[0] = SCOPE_ARG1(ctx) ? word(SCOPE_ARG1(ctx)) : 0;
		c.a[1] = prt;
		c.a[2] = SCOPE_ARG5(ctx);
		c.a[3] = word(prt);
		break;
	}
	if (bpf_map_update_elem(&port_calls, &key, &c, BPF_ANY) &&
	    in_time(bpf_ktime_get_ns())) {
		count_emitted(kind);
		count_lost(kind, SCOPE_LOSS_STATE);
	}
	return 0;
}

SEC("uprobe")
int on_port_return(struct scope_regs *ctx)
{
	u64 site = bpf_get_attach_cookie(ctx), key = PORT_KEY(site);
	struct port_call *found = bpf_map_lookup_elem(&port_calls, &key), c;
	u64 ret = SCOPE_RET(ctx);

	count_hit(SCOPE_GROUP_PORT);
	if (!found)
		return 0; /* entered before we attached */
	c = *found;
	bpf_map_delete_elem(&port_calls, &key);
	switch (site) {
	case SCOPE_SITE_PORT_OPEN:
	case SCOPE_SITE_PORT_CREATE:
		port_opened(ctx, site, &c, ret);
		break;
	case SCOPE_SITE_PORT_CLOSE:
		if ((u32)ret)
			port_closed(ctx, &c);
		break;
	case SCOPE_SITE_PORT_COMMAND:
		port_commanded(ctx, &c, (u32)ret);
		break;
	}
	return 0;
}

static __always_inline void controlled(struct scope_regs *ctx, u64 site)
{
	u64 pid = word(SCOPE_ARG1(ctx)), prt = SCOPE_ARG2(ctx);
	u64 data = SCOPE_ARG4(ctx), ts = bpf_ktime_get_ns();
	struct scratch *s;

	if (!in_set(pid, 0) ||
	    (config.samples &&
	     !is_kept(SCOPE_KIND_PORT_CONTROL, ts, pid, word(prt))))
		return;
	s = begin(SCOPE_KIND_PORT_CONTROL, site, ts);
	if (!s)
		return;
	s->rec.pid = is_pid(pid) ? pid : 0;
	if (site == SCOPE_SITE_PORT_CALL)
		s->rec.flags |= SCOPE_F_PORT_CALL;
	s->rec.port.port = word(prt);
	s->rec.port.addr = prt;
	s->rec.port.op = (u32)SCOPE_ARG3(ctx);
	/* port_call/3 hands over a term, in external format. */
	s->rec.port.bytes = site == SCOPE_SITE_PORT_CALL ?
				    SCOPE_PORT_NO_BYTES :
				    iodata_bytes(data);
	s->rec.port.data = data;
	copy_term(s, data);
	remote_words(s, s->rec.port.port, prt);
	finish(ctx, s);
}

/* ---- from drivers ------------------------------------------------------------- */

/* The words that describe a term, as far as they can be read. */
static __always_inline void spec_words(struct scratch *s, u64 addr, u32 n)
{
	if (n > SCOPE_PORT_SPEC_WORDS)
		n = SCOPE_PORT_SPEC_WORDS;
	barrier_var(n);
	if (!n || n > SCOPE_PORT_SPEC_WORDS ||
	    bpf_probe_read_user(s->words, n * 8, (void *)addr))
		return;
	s->segs[0] = SCOPE_SEG(addr, n);
	s->nsegs = 1;
	s->n = n;
}

static __always_inline void put_in(struct scope_regs *ctx, u64 site)
{
	const volatile struct scope_layout *l = &config.layout;
	u64 prt = SCOPE_ARG1(ctx), ts = bpf_ktime_get_ns(), to, bytes;
	u64 id = prt ? word(prt) : 0;
	struct scratch *s;

	/* Without a port: from a thread that is none of a scheduler's. */
	if (id ? !is_port(id) : site != SCOPE_SITE_PORT_TERM)
		return;
	/* The driver is told that it came too late. */
	if (id && half(prt + l->port_state) &
			  (PORT_CLOSING | PORT_FREE | PORT_INITIALIZING |
			   PORT_INVALID))
		return;
	to = id ? word(prt + l->port_connected) : 0;
	bytes = SCOPE_PORT_NO_BYTES;
	switch (site) {
	case SCOPE_SITE_PORT_OUTPUT2:
		bytes = SCOPE_ARG3(ctx) + SCOPE_ARG5(ctx);
		break;
	case SCOPE_SITE_PORT_BINARY:
		bytes = SCOPE_ARG3(ctx) + SCOPE_ARG6(ctx);
		break;
	case SCOPE_SITE_PORT_OUTPUTV:
		/* With nothing left of the vector, driver_output2 does it. */
		bytes = word(SCOPE_ARG4(ctx) + l->iov_size);
		if (bytes <= SCOPE_ARG5(ctx))
			return;
		bytes += SCOPE_ARG3(ctx) - SCOPE_ARG5(ctx);
		break;
	case SCOPE_SITE_PORT_TERM:
		to = SCOPE_ARG2(ctx);
		break;
	case SCOPE_SITE_PORT_STATUS:
		bytes = (u32)SCOPE_ARG2(ctx);
		break;
	}
	if (!in_set(to, 0) || !is_kept(SCOPE_KIND_PORT_INPUT, ts, to, id))
		return;
	s = begin(SCOPE_KIND_PORT_INPUT, site, ts);
	if (!s)
		return;
	s->rec.pid = is_pid(to) ? to : 0;
	if (site == SCOPE_SITE_PORT_STATUS)
		s->rec.flags |= SCOPE_F_PORT_STATUS;
	s->rec.port.port = id;
	s->rec.port.addr = prt;
	s->rec.port.to = to;
	s->rec.port.bytes = bytes;
	if (site == SCOPE_SITE_PORT_TERM) {
		s->rec.port.spec = SCOPE_ARG3(ctx);
		spec_words(s, SCOPE_ARG3(ctx), (u32)SCOPE_ARG4(ctx));
	}
	remote_words(s, id, prt);
	finish(ctx, s);
}

static __always_inline u16 be16(u64 addr)
{
	u8 b[2] = {};

	bpf_probe_read_user(b, sizeof(b), (void *)addr);
	return (u16)(b[0] << 8 | b[1]);
}

/* What a driver is given to write. Its own data leads back to its port, for
 * the drivers that are probed: inet's, spawn and fd. */
static __always_inline void put_out(struct scope_regs *ctx, u64 site)
{
	const volatile struct scope_layout *l = &config.layout;
	u64 data = SCOPE_ARG1(ctx), ts = bpf_ktime_get_ns();
	u64 id = word(data + l->inet_id), prt = word(data + l->inet_port);
	u64 pid, buf, bytes;
	int is_inet = 1;
	struct scratch *s;

	if (!is_port(id) || word(prt) != id) {
		prt = word(data + l->sys_port);
		id = word(prt);
		is_inet = 0;
	}
	if (!is_port(id) || word(prt + l->port_data) != data) {
		count_unread(SCOPE_KIND_PORT_OUTPUT, ts);
		return;
	}
	pid = word(prt + l->port_connected);
	if (!in_set(pid, 0) || !is_kept(SCOPE_KIND_PORT_OUTPUT, ts, pid, id))
		return;
	s = begin(SCOPE_KIND_PORT_OUTPUT, site, ts);
	if (!s)
		return;
	s->rec.pid = is_pid(pid) ? pid : 0;
	s->rec.port.port = id;
	s->rec.port.addr = prt;
	if (site == SCOPE_SITE_DRIVER_OUTPUT) {
		bytes = SCOPE_ARG3(ctx);
		buf = SCOPE_ARG2(ctx);
	} else {
		/* The first element is the driver's own. */
		bytes = word(SCOPE_ARG2(ctx) + l->iov_size);
		buf = word(word(SCOPE_ARG2(ctx) + l->iov_iov) + l->iov_bytes);
	}
	if (l->inet_tagged && is_inet && bytes > 2 && buf &&
	    is_pid(word(prt + l->port_caller))) {
		u64 skip = 2 + (u64)be16(buf);

		if (skip <= bytes) {
			bytes -= skip;
			buf += skip;
		}
	}
	s->rec.port.bytes = bytes;
	/* A datagram's first bytes say where it goes to. */
	if (site == SCOPE_SITE_DRIVER_OUTPUT && is_inet) {
		u64 *to = beside_words(s, SCOPE_PORT_HEAD_WORDS);

		if (to && bpf_probe_read_user(to, 8 * SCOPE_PORT_HEAD_WORDS,
					      (void *)buf))
			*to = 0;
	}
	remote_words(s, id, prt);
	finish(ctx, s);
}

SEC("uprobe")
int on_port(struct scope_regs *ctx)
{
	u64 site = bpf_get_attach_cookie(ctx);

	count_hit(SCOPE_GROUP_PORT);
	switch (site) {
	case SCOPE_SITE_PORT_CONTROL:
	case SCOPE_SITE_PORT_CALL:
		controlled(ctx, site);
		break;
	case SCOPE_SITE_DRIVER_OUTPUT:
	case SCOPE_SITE_DRIVER_OUTPUTV:
		put_out(ctx, site);
		break;
	default:
		put_in(ctx, site);
		break;
	}
	return 0;
}

#endif
