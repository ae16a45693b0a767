/* SPDX-License-Identifier: MIT */
#include "probe/count.h"

#include <poll.h>
#include <string.h>

#include "attacher/attacher.h"
#include "base/time.h"

_Static_assert((int)SCOPE_SITES_MAX <= SCOPE_COUNTS_MAX &&
		       (int)SCOPE_SITES_MAX <= SCOPE_WIRE_SITES_MAX,
	       "the attacher counts less than the catalogue has");

/* Does an entry probe of the same call stand beside this return probe? */
static bool has_entry(const struct scope_sites *s,
		      const struct scope_attach_site *ret)
{
	for (size_t i = 0; i < s->n; i++)
		if (!s->site[i].is_return && s->site[i].offset == ret->offset)
			return true;
	return false;
}

/* Until the time is over, or the node is. */
static void wait_for(const struct scope_target *t, uint64_t until_ns)
{
	struct pollfd p = { .fd = scope_target_pidfd(t), .events = POLLIN };
	uint64_t now;

	while ((now = scope_now_ns()) < until_ns)
		if (poll(&p, 1, (int)((until_ns - now) / 1000000 + 1)) > 0)
			return;
}

/* One request for those at entries, one for those at returns. How many. */
static int place(struct scope_target *t, const struct scope_sites *sites,
		 scope_kindset kinds, bool returns, struct scope_err *err)
{
	struct scope_msg_attach m = { .is_return = returns };
	int r;

	for (size_t i = 0; i < sites->n; i++) {
		const struct scope_attach_site *s = &sites->site[i];

		if (!(s->kinds & kinds) || s->is_return != returns ||
		    (s->is_return && has_entry(sites, s)))
			continue;
		m.site[m.n].offset = s->offset;
		m.site[m.n].ref_ctr = s->ref_ctr;
		m.site[m.n++].cookie = i; /* which */
	}
	r = m.n ? scope_attacher_count(scope_target_attacher(t),
				       scope_target_slot(t), &m, err) :
		  0;
	return r < 0 ? r : (int)m.n;
}

int scope_count_hits(struct scope_target *t, const struct scope_sites *sites,
		     scope_kindset kinds, uint64_t for_ns, uint64_t *hits,
		     uint64_t *ret_ns, struct scope_err *err)
{
	uint64_t all[SCOPE_COUNTS_MAX] = { 0 };
	uint64_t start;
	int r, n = 0;

	for (int k = 0; k < 2; k++) {
		r = place(t, sites, kinds, k, err);
		if (r < 0)
			return r;
		n += r;
	}
	start = scope_now_ns();
	wait_for(t, start + for_ns);
	*ret_ns = scope_now_ns() - start;
	r = n ? scope_attacher_hits(scope_target_attacher(t),
				    scope_target_slot(t), all) :
		0;
	if (r < 0)
		return scope_fail(err, r, "cannot read what was counted: %s",
				  strerror(-r));
	memcpy(hits, all, sites->n * sizeof(*hits));
	return 0;
}
