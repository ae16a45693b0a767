/* SPDX-License-Identifier: MIT */
/*
 * A counting probe at each site that scope-bpf has for the given kinds, as the
 * bare cost to compare with:
 *
 *   count OBJECT PID KINDS       until its standard input ends, then prints hits
 *   count OBJECT PID KINDS where the sites: WHAT ADDRESS, in the ELF file
 */
#include <bpf/bpf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attacher/link.h"
#include "probe/catalogue.h"

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, fmt, ap) : 0;
}

static void pick(const struct scope_sites *all, struct scope_link_sites *ret)
{
	for (size_t i = 0; i < all->n; i++) {
		if (all->site[i].is_return != ret->is_return)
			continue;
		ret->offset[ret->n] = all->site[i].offset;
		ret->ref_ctr[ret->n] = all->site[i].ref_ctr;
		ret->cookie[ret->n++] = all->site[i].site;
	}
}

static int count(const char *object, struct scope_target *t,
		 const struct scope_sites *all, struct scope_err *err)
{
	const struct scope_target_info *info = scope_target_info(t);
	struct bpf_object *obj = bpf_object__open(object);
	struct scope_link *link[2] = { NULL, NULL };
	bool multi = scope_link_has_multi();
	struct bpf_program *prog;
	uint32_t zero = 0;
	uint64_t hits = 0;
	char c;
	int r;

	prog = obj ? bpf_object__next_program(obj, NULL) : NULL;
	if (!prog)
		return scope_fail(err, -ENOENT, "cannot open %s", object);
	(void)scope_link_prepare(prog, multi);
	r = bpf_object__load(obj);
	for (int ret = 1; r == 0 && ret >= 0; ret--) {
		struct scope_link_sites sites = { .is_return = ret };

		pick(all, &sites);
		if (sites.n)
			r = scope_link_attach(prog, multi, info->exe, info->pid,
					      &sites, &link[ret]);
	}
	if (r < 0)
		return scope_fail(err, r, "cannot place probes: %s",
				  strerror(-r));
	puts("attached");
	(void)fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	scope_link_free(link[0]);
	scope_link_free(link[1]);
	r = bpf_map_lookup_elem(bpf_object__find_map_fd_by_name(obj, ".bss"),
				&zero, &hits);
	printf("%" PRIu64 "\n", hits);
	bpf_object__close(obj);
	return r;
}

int main(int argc, char **argv)
{
	scope_auto(scope_target) t = NULL;
	struct scope_err err = { 0 };
	struct scope_sites sites;
	const char *bad;
	scope_kindset kinds;
	size_t len;
	int r;

	if (argc < 4 || scope_kinds_parse(argv[3], &kinds, &bad, &len) < 0) {
		fprintf(stderr, "usage: count OBJECT PID KINDS [where]\n");
		return 2;
	}
	(void)libbpf_set_print(quiet);
	r = scope_target_open(atoi(argv[2]), &t, &err);
	if (r == 0) {
		scope_catalogue_find(t, kinds, SCOPE_FROM_AUTO, &sites);
		if (argc < 5)
			r = count(argv[1], t, &sites, &err);
		for (size_t i = 0; argc > 4 && i < sites.n; i++)
			printf("%s %#" PRIx64 "\n", sites.site[i].what,
			       sites.site[i].offset);
	}
	if (r < 0)
		fprintf(stderr, "count: %s\n", err.text);
	return r < 0;
}
