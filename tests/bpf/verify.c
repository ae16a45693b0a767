/* SPDX-License-Identifier: MIT */
/*
 * Loads every BPF program alone, for each release's layout, and holds the
 * number of instructions that the verifier went through to a budget: 10 %
 * more than the budget's figure fails. `verify FILE --update` writes it anew.
 *
 * The budget is of the programs' complexity, which other kernels see
 * differently; a program that a kernel refuses fails here whatever its figure.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attacher/attacher.h"
#include "attacher/link.h"
#include "beam/layout.h"
#include "probe/catalogue.h"
#include "probe/probe.h"
#include "scope/ring.h"

#define PROGS_MAX 64

struct budget {
	char name[64];
	unsigned insns;
};

/* Of bpf/profile.bpf.c. */
static const char *const profile_progs[] = { "on_clock", "on_left",
					     "on_taken_up" };
#define PROFILE_PROGS (sizeof(profile_progs) / sizeof(*profile_progs))

static char log_text[1 << 20];

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	size_t len = strlen(log_text);

	if (level == LIBBPF_WARN)
		(void)vsnprintf(log_text + len, sizeof(log_text) - len, fmt,
				ap);
	return 0;
}

/* What programs are loaded with; the verifier knows the values, and sees no more
 * than what they leave. */
struct way {
	unsigned filter;
	enum scope_transport transport;
	unsigned samples;
};

static const struct way ways[] = {
	{ 0, SCOPE_TRANSPORT_RING, 0 },
	{ 1, SCOPE_TRANSPORT_RING, 1 },
	{ 0, SCOPE_TRANSPORT_PERF, 1 },
};

static unsigned load_one(const char *name, unsigned otp, const struct way *way)
{
	size_t len, size;
	const void *bytes = scope_attacher_object(&len);
	struct bpf_object *obj = bpf_object__open_mem(bytes, len, NULL);
	struct bpf_map *map;
	struct bpf_program *p, *me = NULL;
	struct bpf_prog_info info = { 0 };
	struct scope_bpf_config *c;
	__u32 n = sizeof(info);

	if (!obj)
		return 0;
	map = bpf_object__find_map_by_name(obj, ".rodata.config");
	c = (struct scope_bpf_config *)bpf_map__initial_value(map, &size);
	c->layout = *scope_layout_of(otp);
	c->kinds = ~0ull;
	c->term_words = SCOPE_TERM_WORDS_MAX;
	c->nrings = 2;
	c->ring_bytes = SCOPE_RING_BYTES_MIN; /* as the map is without more */
	c->jit_descriptor = 4096;
	c->filter = way->filter;
	c->transport = way->transport;
	c->samples = way->samples;
	bpf_object__for_each_program(p, obj) {
		bool it = !strcmp(bpf_program__name(p), name);

		(void)bpf_program__set_autoload(p, it);
		if (bpf_program__type(p) == BPF_PROG_TYPE_KPROBE)
			(void)scope_link_prepare(p, scope_link_has_multi());
		if (it)
			me = p;
	}
	log_text[0] = '\0';
	if (bpf_object__load(obj) == 0)
		(void)bpf_obj_get_info_by_fd(bpf_program__fd(me), &info, &n);
	else
		fputs(log_text, stderr);
	bpf_object__close(obj);
	return info.verified_insns;
}

/* The object of the programs that sample: for a JIT and for an interpreter. */
static unsigned load_profile(const char *name, unsigned otp,
			     const struct way *way)
{
	size_t len, size;
	const void *bytes = scope_attacher_profile_object(&len);
	struct bpf_object *obj = bpf_object__open_mem(bytes, len, NULL);
	struct bpf_prog_info info = { 0 };
	struct scope_sample_config *c;
	struct bpf_program *p;
	__u32 n = sizeof(info);

	if (!obj)
		return 0;
	c = (struct scope_sample_config *)bpf_map__initial_value(
		bpf_object__find_map_by_name(obj, ".rodata.config"), &size);
	c->layout = *scope_layout_of(otp);
	c->main_lo = otp < 24 ? 4096 : 0;
	c->main_hi = 2 * c->main_lo;
	c->reg_p = SCOPE_SREG_R12;
	c->reg_e = SCOPE_SREG_R13;
	c->wants_kernel = c->wants_native = way->filter;
	bpf_object__for_each_program(p, obj) {
		(void)bpf_program__set_autoload(
			p, !strcmp(bpf_program__name(p), name));
		if (strcmp(bpf_program__name(p), "on_clock") != 0)
			(void)scope_link_prepare(p, scope_link_has_multi());
	}
	log_text[0] = '\0';
	p = bpf_object__find_program_by_name(obj, name);
	if (bpf_object__load(obj) == 0)
		(void)bpf_obj_get_info_by_fd(bpf_program__fd(p), &info, &n);
	else
		fputs(log_text, stderr);
	bpf_object__close(obj);
	return info.verified_insns;
}

typedef unsigned loader(const char *name, unsigned otp, const struct way *way);

/* The most that it takes, of all releases; false: one refuses it. */
static bool measure(loader *load, const char *name, unsigned *ret_most)
{
	bool ok = true;

	*ret_most = 0;
	for (const unsigned *otp = scope_layout_releases(); *otp; otp++) {
		/* What the verifier sees differs: it knows the value. */
		for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
			unsigned insns = load(name, *otp, &ways[i]);

			ok = ok && insns;
			if (insns > *ret_most)
				*ret_most = insns;
		}
	}
	return ok;
}

static size_t read_budget(const char *path, struct budget *b)
{
	FILE *f = fopen(path, "r");
	size_t n = 0;

	while (f && n < PROGS_MAX &&
	       fscanf(f, "%63s %u", b[n].name, &b[n].insns) == 2)
		n++;
	if (f)
		(void)fclose(f);
	return n;
}

int main(int argc, char **argv)
{
	bool update = argc > 2 && !strcmp(argv[2], "--update");
	struct budget b[PROGS_MAX];
	size_t n = argc > 1 ? read_budget(argv[1], b) : 0;
	int passed = 0, failed = 0;
	FILE *out = update ? fopen(argv[1], "w") : NULL;

	(void)libbpf_set_print(quiet);
	for (unsigned k = 0; k < SCOPE_PROG_MAX + PROFILE_PROGS; k++) {
		const bool is_profile = k >= SCOPE_PROG_MAX;
		const char *name = is_profile ?
					   profile_progs[k - SCOPE_PROG_MAX] :
					   scope_prog_name(k);
		unsigned most, allowed = 0;
		bool ok = measure(is_profile ? load_profile : load_one, name,
				  &most);

		for (size_t i = 0; i < n; i++)
			if (!strcmp(b[i].name, name))
				allowed = b[i].insns;
		if (update && out)
			fprintf(out, "%s\t%u\n", name, most);
		else
			ok = ok && most <= allowed + allowed / 10;
		printf("%-12s %7u instructions, budget %7u %s\n", name, most,
		       allowed, ok ? "" : "FAIL");
		passed += ok;
		failed += !ok;
	}
	if (out)
		(void)fclose(out);
	printf("%d passed, %d failed\n", passed, failed);
	return failed ? 1 : 0;
}
