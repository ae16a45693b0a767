/* SPDX-License-Identifier: MIT */
/*
 * doctor: what was found about the host and about one node, and the two ways
 * to print it.
 *
 * Memory:  a report owns its target; free it with scope_doctor_done.
 */
#ifndef SCOPE_CLI_DOCTOR_H
#define SCOPE_CLI_DOCTOR_H

#include <stdio.h>

#include "attacher/attacher.h"
#include "probe/calibrate.h"
#include "probe/host.h"
#include "target/find.h"
#include "target/place.h"
#include "target/target.h"
#include "wire/event.h"

#define SCOPE_DOCTOR_IDLE 0.0005 /* a node that uses less CPUs is idle */

/* What would be seen of one kind, and for how much. */
struct scope_doctor_kind {
	enum scope_kind kind;
	bool is_wanted;	     /* by --events, or on by default */
	bool is_there;
	const char *source;  /* as node.attach says it; borrowed */
	const char *missing; /* why not; borrowed */
	const char *fix;     /* what would help; static */
	bool is_stepped;     /* a site of it is single-stepped */
	uint64_t ns;	     /* an event, in the dearest of its ways */
	bool has_rate;
	double per_second;    /* hits of its probes; a pair is one */
	double ns_per_second; /* what watching them would cost */
};

struct scope_doctor_node {
	pid_t pid;
	char node[256], cmdline[512];
	struct scope_place place;
	struct scope_checks checks;
	int r;			     /* of opening it; 0: target is there */
	struct scope_target *target; /* owned; NULL */
	struct scope_sites sites;
	struct scope_doctor_kind kinds[SCOPE_KIND_MAX];
	size_t nkinds;
	size_t processes;
	double cpu;	      /* CPUs that it uses now; < 0: not told */
	uint64_t measured_ns; /* 0: no rates */
	bool is_ok;	      /* every wanted kind is there */
	/* What a budget would come to at these rates; share 0: not told. */
	struct {
		double share;		       /* asked for */
		double cost;		       /* that it would come to */
		double all;		       /* without it */
		double group[SCOPE_GROUP_MAX]; /* while on; < 0: no probes */
		double part_on[SCOPE_GROUP_MAX];
	} budget; /* costs: shares of the CPU time that the node takes then */
};

struct scope_doctor {
	struct scope_host host;
	struct scope_calibration cal;
	bool host_ok;
	bool has_node;
	struct scope_doctor_node node;
	/* Why there is none: nodes to choose from. */
	struct scope_found found[16];
	size_t nfound;
};

struct scope_doctor_opts {
	const char *target; /* NULL: the only node there is */
	scope_kindset kinds; /* that must work */
	uint64_t measure_ns; /* 0: no counting */
	double budget;	     /* share of the node's CPU time */
};

/* Look at a node through the attacher; target: it, if it is open already,
 * owned by the report from then on. Always 0 but for memory, or when its rates
 * could not be measured: err says why. */
int scope_doctor_look(struct scope_doctor_node *n, struct scope_attacher *a,
		      pid_t pid, struct scope_target *target,
		      const struct scope_doctor_opts *opts,
		      const struct scope_calibration *cal,
		      struct scope_err *err);
void scope_doctor_done(struct scope_doctor *d);

void scope_doctor_print(const struct scope_doctor *d, bool has_color,
			FILE *out);
/* 0, or -ENOMEM or -EIO. */
int scope_doctor_print_json(const struct scope_doctor *d, FILE *out);

/* Text as people may see it: no control characters, whole UTF-8. In place. */
void scope_doctor_clean(char *text);

#endif
