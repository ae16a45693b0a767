/* SPDX-License-Identifier: MIT */
/*
 * child: a process of ours that serves a socket, and ends with it.
 *
 * Threads: to be started while there is only one.
 */
#ifndef SCOPE_ATTACHER_CHILD_H
#define SCOPE_ATTACHER_CHILD_H

#include <sys/types.h>

/* Fork one that calls serve(fd, arg), and exits when that returns. Nothing of
 * ours is left open in it but the socket, and neither a key of the terminal nor
 * a signal that asks to end reaches it: it ends when the socket does. */
int scope_child_start(const char *name, void (*serve)(int fd, void *arg),
		      void *arg, pid_t *ret_pid, int *ret_fd);
/* Close the socket, and wait until it has ended. fd < 0, pid <= 0: nothing. */
void scope_child_end(pid_t pid, int fd);

#endif
