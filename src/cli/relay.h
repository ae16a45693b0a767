/* SPDX-License-Identifier: MIT */
/*
 * relay: what one observer writes into its pipe, as whole lines.
 *
 * Shapes:  scope_relay_read takes from the descriptor what there is room for;
 *          scope_relay_next gives the lines that are whole, one after the other;
 *          a line that was given stays until scope_relay_drop: who has no place
 *          for it asks again later, and reads no more until then.
 * Trust:   the observer has parsed what a hostile node wrote. Lines are checked
 *          before they are believed to be of its node.
 * Limits:  a line of SCOPE_RELAY_LINE bytes, its newline included.
 * Threads: one owner.
 */
#ifndef SCOPE_CLI_RELAY_H
#define SCOPE_CLI_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/auto.h"
#include "base/buf.h"

#define SCOPE_RELAY_LINE (1u << 20)

struct scope_relay;

/* Reads fd, which must not block, and owns it, also when this fails. -ENOMEM. */
int scope_relay_new(int fd, size_t line_max, struct scope_relay **ret_relay);
void scope_relay_free(struct scope_relay *r);
SCOPE_AUTO(scope_relay)

/* The descriptor, to wait for; -1 once it has ended. */
int scope_relay_fd(const struct scope_relay *r);

/* Read once. The number of bytes; 0 at the end; -EAGAIN there is nothing, or no
 * room; -EMSGSIZE a line is too long, and nothing is read any more. */
ssize_t scope_relay_read(struct scope_relay *r);

/* The oldest whole line, with its newline; NULL: none. Borrowed until the relay
 * is read or dropped from. */
const char *scope_relay_next(const struct scope_relay *r, size_t *ret_len);
void scope_relay_drop(struct scope_relay *r, size_t len);
/* Bytes of a line whose end never came. */
size_t scope_relay_rest(const struct scope_relay *r);

/*
 * Whether the line, without its newline, is an object as export/json.h writes
 * it, of the node with this process id: brackets and strings that end, nothing
 * behind it, no control characters, the key os_pid once, with that number, and
 * no key with an escape that could stand for it.
 */
bool scope_relay_is_of(const char *line, size_t len, pid_t os_pid);
/* Whether it is the last one of its stream. */
bool scope_relay_is_summary(const char *line, size_t len);

/* What an observer says, as text that a terminal can be given: without its
 * "scope-bpf: ", cut at the end of the buffer. */
void scope_relay_words(const char *line, size_t len, struct scope_buf *out);

#endif
