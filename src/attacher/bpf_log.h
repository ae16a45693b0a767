/* SPDX-License-Identifier: MIT */
/*
 * bpf_log: what libbpf says, kept for the error that it belongs to.
 *
 * Threads: each thread has what libbpf said in it.
 */
#ifndef SCOPE_ATTACHER_BPF_LOG_H
#define SCOPE_ATTACHER_BPF_LOG_H

/* Keep warnings instead of printing them; forget earlier ones. */
void scope_bpf_log_start(void);
/* The last warning, one line, or "". Borrowed until the next one. */
const char *scope_bpf_log_last(void);

#endif
