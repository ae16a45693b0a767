/* SPDX-License-Identifier: MIT */
/*
 * profile_conf: what `scope-bpf profile` was asked to do.
 *
 * Errors:  -EINVAL with words in err.
 * Memory:  text is borrowed from argv.
 */
#ifndef SCOPE_CLI_PROFILE_CONF_H
#define SCOPE_CLI_PROFILE_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/cmd.h"
#include "target/pattern.h"

#define SCOPE_PROFILE_WHO_MAX 64
#define SCOPE_PROFILE_HZ 99
#define SCOPE_PROFILE_FORMATS "folded svg speedscope pprof json"

enum scope_profile_format {
	SCOPE_FORMAT_AUTO, /* by the file's name; else folded */
	SCOPE_FORMAT_FOLDED,
	SCOPE_FORMAT_SVG,
	SCOPE_FORMAT_SPEEDSCOPE,
	SCOPE_FORMAT_PPROF,
	SCOPE_FORMAT_JSON,
};

struct scope_profile_conf {
	bool wants_help, wants_version;
	const char *target; /* PID or name; NULL: the only node */
	unsigned hz;
	uint64_t duration_ns; /* 0: until stopped */
	enum scope_profile_format format;
	const char *output; /* NULL: the standard output */
	bool has_hz, is_off_cpu;
	bool by_process, is_top, wants_native, wants_kernel;
	bool is_quiet, has_no_sandbox;
	size_t nprocesses;
	const char *processes[SCOPE_PROFILE_WHO_MAX];
	size_t nfunctions;
	struct scope_pattern functions[SCOPE_PROFILE_WHO_MAX];
};

int scope_profile_conf_parse(const struct scope_cmd *cmd, int argc,
			     char **argv, struct scope_profile_conf *ret_conf,
			     struct scope_err *err);

/* The options, for the command's table. Static. */
extern const struct scope_opt scope_profile_opts[];

#endif
