/* SPDX-License-Identifier: MIT */
/*
 * layout: the tables of struct layouts, one per OTP release.
 *
 * Threads: constants.
 */
#ifndef SCOPE_BEAM_LAYOUT_H
#define SCOPE_BEAM_LAYOUT_H

#include "scope/layout.h"

/* The table of release `otp` (25), or NULL when there is none. Static. */
const struct scope_layout *scope_layout_of(unsigned otp);
/* Make it that of a build with VM probes (--with-dynamic-trace): a process has
 * two words more, dt_utag and dt_utag_flags, before its first call
 * (erl_process.h, the same in OTP 23 to 29). */
void scope_layout_add_probes(struct scope_layout *l);

/* The releases that have a table, ascending, ended by 0. Static. */
const unsigned *scope_layout_releases(void);

#endif
