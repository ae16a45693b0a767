/* SPDX-License-Identifier: MIT */
#include "target/verify.h"

#include <string.h>

#include "target/target_int.h"

/* Enough to be sure; a node may have a million. */
#define SAMPLE 4096

/* Process.state, ERTS_PSFLG_*: entries that are not whole, or may be moving
 * their heap at this moment. */
#define STATE_FREE (1u << 10)
#define STATE_EXITING (1u << 11)
#define STATE_RUNNING (1u << 15)
#define STATE_GC (1u << 17)
#define STATE_RUNNING_SYS (1u << 21)
#define STATE_DIRTY_RUNNING (3u << 29)

/* Up to this share of processes that run may look wrong, as they change while
 * they are read. */
#define TORN_PERCENT 5

static int misfit(struct scope_target *t, struct scope_err *err,
		  const char *what)
{
	return scope_fail(err, -ENOTSUP,
			  "the layout of OTP %s does not fit PID %d: %s; is it "
			  "a patched or an unusual build?",
			  t->info.otp, (int)t->info.pid, what);
}

static bool is_atom_text(struct scope_target *t, uint64_t atom,
			 const char *text)
{
	size_t len;
	const char *p = scope_vm_atom(&t->vm, atom, &len);

	return p && len == strlen(text) && memcmp(p, text, len) == 0;
}

static int check_atoms(struct scope_target *t, struct scope_err *err)
{
	/* atom.names starts with them, in this order, in every release. */
	static const char *const first[] = { "false", "true", "_",
					     "nonode@nohost" };
	uint32_t n = 0;
	int r = scope_target_read(t, t->vm.atom_table + t->vm.layout->at_entries,
				  &n, sizeof(n));

	if (r < 0)
		return r;
	if (n == 0)
		return -EAGAIN;
	for (unsigned i = 0; i < 4; i++)
		if (!is_atom_text(t, (uint64_t)i << 6 | 0x0b, first[i]))
			return misfit(t, err, "the atom table is not as known");
	return 0;
}

struct sample {
	struct scope_target *t;
	unsigned stable, stable_bad;
	unsigned moving, moving_bad;
	unsigned no_state; /* of both, with a state of 0 */
	unsigned links_bad; /* of the stable ones */
	bool has_init;
};

static uint64_t at(const uint8_t *p, uint32_t off)
{
	uint64_t v;

	memcpy(&v, p + off, sizeof(v));
	return v;
}

static bool is_heap_sound(const struct scope_layout *l, const uint8_t *p)
{
	uint64_t heap = at(p, l->p_heap), htop = at(p, l->p_htop);
	uint64_t stop = at(p, l->p_stop), hend = at(p, l->p_hend);

	return heap && heap <= htop && htop <= stop && stop <= hend &&
	       ((heap | htop | stop | hend) & 7) == 0 &&
	       (hend - heap) / 8 == at(p, l->p_heap_sz);
}

static bool is_sound(const struct scope_layout *l, const uint8_t *p)
{
	uint64_t parent = at(p, l->p_parent);

	/* The parent: a pid, of this node or (boxed) another, or undefined. */
	return is_heap_sound(l, p) && scope_is_atom(at(p, l->p_initial)) &&
	       scope_is_atom(at(p, l->p_initial + 8)) &&
	       at(p, l->p_initial + 16) <= 255 &&
	       SCOPE_TAG(parent) != SCOPE_TAG_HEADER &&
	       SCOPE_TAG(parent) != SCOPE_TAG_LIST;
}

static bool is_init(struct scope_target *t, const uint8_t *p)
{
	const struct scope_layout *l = t->vm.layout;
	uint64_t reg = at(p, l->p_reg), name;

	return reg &&
	       scope_target_read(t, reg + l->reg_name, &name, 8) == 0 &&
	       is_atom_text(t, name, "init") &&
	       is_atom_text(t, at(p, l->p_initial), "erl_init") &&
	       is_atom_text(t, at(p, l->p_initial + 8), "start") &&
	       at(p, l->p_initial + 16) == 2;
}

/* A process that did not run before nor after is stable: the same bytes twice.
 * What differs is moving. */
static bool is_stable(struct scope_target *t, uint64_t addr, const uint8_t *p,
		      uint32_t state)
{
	uint8_t again[2048];
	const uint32_t n = t->vm.layout->p_size;

	if (state & (STATE_RUNNING | STATE_RUNNING_SYS | STATE_GC |
		     STATE_DIRTY_RUNNING))
		return false;
	return n <= sizeof(again) &&
	       scope_target_read(t, addr, again, n) == 0 &&
	       memcmp(p, again, n) == 0;
}

/* The root of its links, if it has any: erl_monitor_link.h, of the three types
 * of links, four from OTP 29 on. What monitors and links are told by lies
 * alike. */
static bool are_links_sound(struct scope_target *t, const uint8_t *p)
{
	const struct scope_layout *l = t->vm.layout;
	uint64_t root = at(p, l->p_links), other;
	uint8_t node[64];
	uint16_t type;

	if (!root)
		return true;
	if (scope_target_read(t, root, node, sizeof(node)) < 0)
		return false;
	other = at(node, l->ml_other);
	memcpy(&type, node + l->ml_type, sizeof(type));
	type &= (uint16_t)l->ml_type_mask;
	return type >= l->ml_link_type &&
	       type <= l->ml_link_type + (l->otp < 29 ? 2 : 3) &&
	       (scope_is_pid(other) || scope_is_port(other) ||
		SCOPE_TAG(other) == SCOPE_TAG_BOXED);
}

static int look(void *arg, uint64_t addr, const uint8_t *p)
{
	struct sample *s = arg;
	const struct scope_layout *l = s->t->vm.layout;
	uint32_t state;
	bool ok;

	if (!p) {
		s->moving++;
		s->moving_bad++;
		return 0;
	}
	memcpy(&state, p + l->p_state, sizeof(state));
	if (state & (STATE_FREE | STATE_EXITING))
		return 0;
	ok = is_sound(l, p);
	s->no_state += state == 0;
	if (!s->has_init)
		s->has_init = is_init(s->t, p);
	if (is_stable(s->t, addr, p, state)) {
		s->stable++;
		s->stable_bad += !ok;
		/* Still the same process afterwards, or it says nothing. */
		if (!are_links_sound(s->t, p) && is_stable(s->t, addr, p, state))
			s->links_bad++;
	} else {
		s->moving++;
		s->moving_bad += !ok;
	}
	return s->has_init && s->stable + s->moving >= SAMPLE;
}

static int check_processes(struct scope_target *t, struct scope_err *err)
{
	struct sample s = { .t = t };
	int r = scope_table_raw(&t->table, look, &s);

	if (r < 0)
		return r;
	if (s.stable + s.moving == 0)
		return -EAGAIN;
	/* The state holds priorities, which are 0 for the highest alone: a word
	 * that is 0 in most processes is another one. */
	if (s.stable_bad || s.no_state * 2 > s.stable + s.moving ||
	    s.moving_bad > 2 + (s.stable + s.moving) * TORN_PERCENT / 100)
		return misfit(t, err, "its processes are not as known");
	if (s.links_bad)
		return misfit(t, err, "its links are not as known");
	/* init is the first process, but gets its name later. */
	return s.has_init ? 0 : -EAGAIN;
}

static int check_schedulers(struct scope_target *t, struct scope_err *err)
{
	const struct scope_layout *l = t->vm.layout;
	uint64_t var = scope_target_address(t, "erts_aligned_scheduler_data");
	uint64_t base, no;
	int r;

	if (!var)
		return misfit(t, err, "it has no scheduler data");
	r = scope_target_read(t, var, &base, sizeof(base));
	if (r < 0)
		return r;
	if (base == 0)
		return -EAGAIN;
	for (unsigned i = 0; i < t->info.schedulers; i++) {
		r = scope_target_read(t, base + (uint64_t)i * l->s_stride +
						 l->s_no,
				      &no, sizeof(no));
		if (r == -ESRCH)
			return r;
		if (r < 0 || no != i + 1)
			return misfit(t, err, "its schedulers are not as known");
	}
	return 0;
}

int scope_target_verify(struct scope_target *t, struct scope_err *err)
{
	int r = check_atoms(t, err);

	if (r == 0)
		r = check_schedulers(t, err);
	if (r == 0)
		r = check_processes(t, err);
	if (r == 0 && scope_target_verify_jit(t) == -ENOTSUP)
		r = misfit(t, err, "its JIT uses other offsets");
	return r;
}
