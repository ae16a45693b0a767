/* SPDX-License-Identifier: MIT */
/*
 * Native code that does not come back: it sleeps, or spins. What erl_nif.h
 * would say is said here, in the form of NIF 2.15, which all emulators from OTP
 * 23 on load; so no headers of any release are needed.
 */
#include <stdint.h>
#include <time.h>

typedef uint64_t term;

struct nif_func {
	const char *name;
	unsigned arity;
	term (*fn)(void *env, int argc, const term argv[]);
	unsigned flags; /* 1: dirty CPU, 2: dirty I/O */
};

struct nif_entry {
	int major, minor;
	const char *name;
	int n;
	struct nif_func *funcs;
	int (*load)(void *env, void **priv, term info);
	int (*reload)(void *env, void **priv, term info);
	int (*upgrade)(void *env, void **priv, void **old, term info);
	void (*unload)(void *env, void *priv);
	const char *variant;
	unsigned options;
	size_t resource_init;
	const char *min_erts;
};

term enif_make_int(void *env, int i);

/* Functions of their own, to be seen on the stack. */
__attribute__((noinline)) int stuck_asleep(int s)
{
	struct timespec t = { .tv_sec = s };

	return nanosleep(&t, NULL);
}

__attribute__((noinline)) int stuck_busy(int s)
{
	time_t end = time(NULL) + s;
	volatile unsigned n = 0;

	while (n++ % 1000000 || time(NULL) < end)
		;
	return (int)n;
}

static term asleep(void *env, int argc, const term argv[])
{
	(void)argc;
	(void)argv;
	return enif_make_int(env, stuck_asleep(600));
}

static term busy(void *env, int argc, const term argv[])
{
	(void)argc;
	(void)argv;
	return enif_make_int(env, stuck_busy(600));
}

static struct nif_func funcs[] = {
	{ "asleep", 1, asleep, 0 },	  { "busy", 1, busy, 0 },
	{ "asleep_dirty", 1, asleep, 2 }, { "busy_dirty", 1, busy, 1 },
};

static struct nif_entry entry = {
	.major = 2,
	.minor = 15,
	.name = "stuck",
	.n = 4,
	.funcs = funcs,
	.variant = "beam.vanilla",
	.options = 1, /* the functions have flags */
	.min_erts = "erts-11.0",
};

struct nif_entry *nif_init(void);
struct nif_entry *nif_init(void)
{
	return &entry;
}
