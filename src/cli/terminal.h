/* SPDX-License-Identifier: MIT */
/*
 * terminal: the one that the program has taken over, by ncurses.
 *
 * Errors:  -ENOTTY the terminal can't be used (err says why).
 * Threads: one owner; one at a time. scope_terminal_rescue from any signal
 *          handler.
 */
#ifndef SCOPE_CLI_TERMINAL_H
#define SCOPE_CLI_TERMINAL_H

#include <ncurses.h>

#include "base/err.h"
#include "cli/screen.h"

/* what: as in "the live view has no terminal"; static. */
int scope_terminal_take(const char *what, bool has_color, struct scope_err *err);
void scope_terminal_give_back(void);
/* Give it back from a signal handler, without ncurses. Does nothing when it is
 * not taken. */
void scope_terminal_rescue(void);
/* From here on a crash gives it back first. */
void scope_terminal_guard(void);
/* A handler for a second signal to stop: gives it back, and ends as the signal
 * does. */
void scope_terminal_fatal(int sig);

/* Attributes of SCOPE_LOOK_ bits. */
attr_t scope_terminal_look(unsigned look);
/* UTF-8 text into `width` columns at most; the columns it took. */
int scope_terminal_put(int y, int x, int width, const char *s, size_t len);
/* Show a grid of the terminal's size. */
void scope_terminal_show(const struct scope_grid *g);

#endif
