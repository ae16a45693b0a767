/* SPDX-License-Identifier: MIT */
/*
 * The BIFs of ets that are watched: which kind of event each is, and what its
 * arguments are. Compiled by both sides; the place in the list is what the
 * kernel side tells of an event (scope_rec.ets.op).
 *
 * X(function, arity, KIND, takes, since): since: the first OTP release that has
 * it, 0: all that are known. Those that touch no table are left out
 * (match_spec_compile, match_spec_run_r, is_compiled_ms, internal_request_all).
 * Source: erts/emulator/beam/bif.tab, erl_db.c (OTP 23 to 29).
 */
#ifndef SCOPE_ETS_H
#define SCOPE_ETS_H

enum scope_ets_takes {
	SCOPE_ETS_TABLE, /* a table */
	SCOPE_ETS_KEY,	 /* a table and a key */
	SCOPE_ETS_OBJECT, /* a table and an object, or a list of them */
	SCOPE_ETS_REST, /* what a limited search left to do */
	SCOPE_ETS_NAME, /* the name of a new table */
};

#define SCOPE_ETS_BIFS(X)                              \
	X(new, 2, ETS_NEW, NAME, 0)                    \
	X(delete, 1, ETS_DELETE_TABLE, TABLE, 0)       \
	X(lookup, 2, ETS_LOOKUP, KEY, 0)               \
	X(lookup_element, 3, ETS_LOOKUP, KEY, 0)       \
	X(lookup_element, 4, ETS_LOOKUP, KEY, 26)      \
	X(member, 2, ETS_LOOKUP, KEY, 0)               \
	X(first, 1, ETS_LOOKUP, TABLE, 0)              \
	X(last, 1, ETS_LOOKUP, TABLE, 0)               \
	X(next, 2, ETS_LOOKUP, KEY, 0)                 \
	X(prev, 2, ETS_LOOKUP, KEY, 0)                 \
	X(first_lookup, 1, ETS_LOOKUP, TABLE, 27)      \
	X(last_lookup, 1, ETS_LOOKUP, TABLE, 27)       \
	X(next_lookup, 2, ETS_LOOKUP, KEY, 27)         \
	X(prev_lookup, 2, ETS_LOOKUP, KEY, 27)         \
	X(slot, 2, ETS_LOOKUP, TABLE, 0)               \
	X(info, 1, ETS_LOOKUP, TABLE, 0)               \
	X(info, 2, ETS_LOOKUP, TABLE, 0)               \
	X(whereis, 1, ETS_LOOKUP, TABLE, 0)            \
	X(insert, 2, ETS_INSERT, OBJECT, 0)            \
	X(insert_new, 2, ETS_INSERT, OBJECT, 0)        \
	X(delete, 2, ETS_DELETE, KEY, 0)               \
	X(delete_object, 2, ETS_DELETE, OBJECT, 0)     \
	X(take, 2, ETS_DELETE, KEY, 0)                 \
	X(internal_delete_all, 2, ETS_DELETE, TABLE, 0) \
	X(internal_select_delete, 2, ETS_DELETE, TABLE, 0) \
	X(update_counter, 3, ETS_UPDATE, KEY, 0)       \
	X(update_counter, 4, ETS_UPDATE, KEY, 0)       \
	X(update_element, 3, ETS_UPDATE, KEY, 0)       \
	X(update_element, 4, ETS_UPDATE, KEY, 27)      \
	X(rename, 2, ETS_UPDATE, TABLE, 0)             \
	X(give_away, 3, ETS_UPDATE, TABLE, 0)          \
	X(setopts, 2, ETS_UPDATE, TABLE, 0)            \
	X(safe_fixtable, 2, ETS_UPDATE, TABLE, 0)      \
	X(select, 1, ETS_SELECT, REST, 0)              \
	X(select, 2, ETS_SELECT, TABLE, 0)             \
	X(select, 3, ETS_SELECT, TABLE, 0)             \
	X(select_count, 2, ETS_SELECT, TABLE, 0)       \
	X(select_replace, 2, ETS_SELECT, TABLE, 0)     \
	X(select_reverse, 1, ETS_SELECT, REST, 0)      \
	X(select_reverse, 2, ETS_SELECT, TABLE, 0)     \
	X(select_reverse, 3, ETS_SELECT, TABLE, 0)     \
	X(match, 1, ETS_SELECT, REST, 0)               \
	X(match, 2, ETS_SELECT, TABLE, 0)              \
	X(match, 3, ETS_SELECT, TABLE, 0)              \
	X(match_object, 1, ETS_SELECT, REST, 0)        \
	X(match_object, 2, ETS_SELECT, TABLE, 0)       \
	X(match_object, 3, ETS_SELECT, TABLE, 0)

#endif
