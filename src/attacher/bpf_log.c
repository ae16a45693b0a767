/* SPDX-License-Identifier: MIT */
#include "attacher/bpf_log.h"

#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>

/* libbpf's callback has no argument, so what it says last is kept here until
 * the load that it speaks of has failed or not. */
static __thread char last_warning[256];

static int note_warning(enum libbpf_print_level level, const char *fmt,
			va_list ap)
{
	if (level == LIBBPF_WARN) {
		(void)vsnprintf(last_warning, sizeof(last_warning), fmt, ap);
		last_warning[strcspn(last_warning, "\n")] = '\0';
	}
	return 0;
}

void scope_bpf_log_start(void)
{
	last_warning[0] = '\0';
	(void)libbpf_set_print(note_warning);
}

const char *scope_bpf_log_last(void)
{
	return last_warning;
}
