/* SPDX-License-Identifier: MIT */
/*
 * What a PID is: a process, with an emulator in it, of a release and flavour
 * that are known. All of it is read from /proc and from the emulator's file;
 * none of the process's memory is needed.
 */
#include <elf.h>
#include <string.h>

#include "beam/layout.h"
#include "target/builds.h"
#include "target/find.h"
#include "target/procfs.h"
#include "target/target_int.h"

static int gone(struct scope_target *t, struct scope_err *err)
{
	return scope_fail(err, -ESRCH, "PID %d has ended", (int)t->info.pid);
}

/* Is the PID one of a process that can have an emulator in it? */
static int check_pid(struct scope_target *t, struct scope_err *err)
{
	const pid_t pid = t->info.pid;
	struct scope_procfs_status st;
	int r;

	/* What PID means to the kernel's calls must be what it means in /proc. */
	if (!scope_pidns_is_of_proc())
		return scope_fail(err, -ENOTSUP,
				  "/proc does not show the pid namespace that "
				  "this program runs in; mount one that does "
				  "(mount -t proc proc /proc), or enter the "
				  "other namespace (nsenter --pid)");
	r = scope_procfs_status(pid, &st);
	if (r == -ESRCH)
		return scope_fail(err, r, "there is no process with PID %d%s",
				  (int)pid, scope_procfs_hint());
	if (r < 0)
		return scope_fail(err, r, "can't look at PID %d: %s", (int)pid,
				  strerror(-r));
	if (st.tgid != pid)
		return scope_fail(err, -ESRCH,
				  "%d is a thread of PID %d; give that",
				  (int)pid, (int)st.tgid);
	if (st.state == 'Z' || st.state == 'X')
		return scope_fail(err, -ESRCH,
				  "PID %d has ended, and waits for its parent "
				  "to notice (a zombie)",
				  (int)pid);
	if (st.is_kernel)
		return scope_fail(err, -ENOEXEC,
				  "PID %d is a kernel thread, not a BEAM",
				  (int)pid);
	return 0;
}

static int not_a_beam(struct scope_target *t, struct scope_err *err)
{
	return scope_fail(err, -ENOEXEC, "PID %d (%s) is not a BEAM",
			  (int)t->info.pid, t->path);
}

/* A program of another kind of machine, that a kernel can run beside its own.
 * What it is is seen from its name alone. */
static int other_machine(struct scope_target *t, int fd, struct scope_err *err)
{
	const char *base = strrchr(t->path, '/');
	uint8_t id[EI_NIDENT] = { 0 };

	if (!base || !scope_find_is_beam_name(base + 1))
		return not_a_beam(t, err);
	(void)!pread(fd, id, sizeof(id), 0);
	return scope_fail(err, -ENOTSUP,
			  "PID %d (%s) is %s emulator, whose structures are "
			  "laid out differently; run it as a 64-bit program of "
			  "this machine",
			  (int)t->info.pid, t->path,
			  id[EI_CLASS] == ELFCLASS32 ? "a 32-bit" :
						       "another machine's");
}

/* What is not ours to look into may be no node at all: the name of its process
 * is told to everybody. */
static int closed_to_us(struct scope_target *t, const struct scope_err *why,
			struct scope_err *err)
{
	char comm[32];

	if (scope_procfs_comm(t->info.pid, t->info.pid, comm, sizeof(comm)) <
		    0 ||
	    scope_find_is_beam_name(comm))
		return scope_fail(err, -EPERM, "%s", why->text);
	for (char *c = comm; *c; c++)
		if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e)
			*c = '?';
	return scope_fail(err, -ENOEXEC,
			  "PID %d is called %s, not beam.smp, and so is no "
			  "BEAM; it is not ours to look into",
			  (int)t->info.pid, comm);
}

/* All that takes a right to open. */
static int open_it(struct scope_target *t, struct scope_err *err)
{
	struct scope_err why = { 0 };
	struct scope_opened o;
	int r = scope_attacher_open(t->attacher, t->info.pid, &o, &why);

	if (r == -EPERM)
		return closed_to_us(t, &why, err);
	if (r < 0)
		return scope_fail(err, r, "%s", why.text);
	t->is_open = true;
	t->slot = o.slot;
	t->pidfd = o.pidfd;
	t->memfd = o.mem;
	t->exefd = o.exe;
	t->auxvfd = o.auxv;
	t->start_code = o.start_code;
	/* From another than the initial namespace the kernel's own ids of
	 * threads can't be known; those of the target's namespace can. */
	if (!scope_pidns_is_initial())
		t->info.pidns = (struct scope_pidns){ o.pidns_dev, o.pidns_ino };
	(void)snprintf(t->exe, sizeof(t->exe), "/proc/%d/exe",
		       (int)t->info.pid);
	memcpy(t->path, o.path, sizeof(t->path));
	return 0;
}

/* By the loader that the file names. */
static bool uses_musl(const struct scope_target *t)
{
	static const char loader[] = "/ld-musl-";
	uint64_t at;
	size_t len;
	const uint8_t *p = scope_elf_section(t->elf, ".interp", &len, &at);

	return p && memmem(p, len, loader, sizeof(loader) - 1);
}

static int read_exe(struct scope_target *t, struct scope_err *err)
{
	int r = scope_elf_open(t->exefd, &t->elf);

	if (r == -ENOTSUP)
		return other_machine(t, t->exefd, err);
	if (r == -ENOEXEC)
		return not_a_beam(t, err);
	if (r < 0)
		return scope_fail(err, r, "can't read %s: %s", t->path,
				  strerror(-r));
	t->info.build_id = scope_elf_build_id(t->elf);
	t->info.musl = uses_musl(t);
	return 0;
}

/* The value of a constant of the emulator, from its file. */
static bool constant(const struct scope_target *t, const char *name,
		     uint32_t *ret)
{
	struct scope_symbol s;

	return scope_elf_symbol(t->elf, name, &s) == 0 &&
	       scope_elf_u32(t->elf, s.vaddr, ret);
}

static void copy_text(char *to, size_t cap, const char *from)
{
	size_t n = strnlen(from, cap - 1);

	memcpy(to, from, n);
	to[n] = 0;
}

/* Read the two texts after an "x86_64-pc-linux-gnu" that ends at p. */
static bool texts_at(struct scope_target *t, const char *p, size_t left)
{
	size_t n;

	if (left < 8 || p[0] < '1' || p[0] > '9' || p[1] < '0' || p[1] > '9' ||
	    p[2])
		return false;
	n = strnlen(p + 3, left - 3);
	if (n == left - 3 || n >= sizeof(t->erts) ||
	    strspn(p + 3, "0123456789.") != n || !memchr(p + 3, '.', n))
		return false;
	copy_text(t->otp, sizeof(t->otp), p);
	copy_text(t->erts, sizeof(t->erts), p + 3);
	return true;
}

/*
 * Where symbols are hidden, the release and the version still follow the name
 * of the architecture (erl_etp.c: etp_arch, etp_otp_release, etp_erts_version).
 */
static bool search_release(struct scope_target *t)
{
	static const char *const ends[] = { "linux-gnu", "linux-musl" };
	size_t n;
	const struct scope_elf_segment *s = scope_elf_segments(t->elf, &n);

	for (size_t i = 0; i < 2 * n; i++) {
		const size_t len = strlen(ends[i % 2]) + 1;
		const uint8_t *p = s[i / 2].bytes, *stop = p + s[i / 2].filesz;

		while ((p = memmem(p, (size_t)(stop - p), ends[i % 2], len))) {
			p += len;
			if (texts_at(t, (const char *)p, (size_t)(stop - p)))
				return true;
		}
	}
	return false;
}

static bool find_release(struct scope_target *t)
{
	struct scope_symbol otp, erts;
	const char *a, *b;

	if (scope_elf_symbol(t->elf, "etp_otp_release", &otp) < 0 ||
	    scope_elf_symbol(t->elf, "etp_erts_version", &erts) < 0)
		return search_release(t);
	a = scope_elf_text(t->elf, otp.vaddr, sizeof(t->otp));
	b = scope_elf_text(t->elf, erts.vaddr, sizeof(t->erts));
	if (!a || !b)
		return false;
	copy_text(t->otp, sizeof(t->otp), a);
	copy_text(t->erts, sizeof(t->erts), b);
	return true;
}

/*
 * What erlang:system_info(system_version) is made from (erl_bif_info.c,
 * erts_system_version): "Erlang/OTP 29%s [erts-17.1] [source] [64-bit] …
 * [async-threads:%d] [jit:ns%s]", with a mark for each unusual build. It is
 * there whether symbols are hidden or not. NULL: not found.
 */
static const char *find_banner(const struct scope_target *t)
{
	char start[32];
	size_t n, len = (size_t)snprintf(start, sizeof(start),
					 "Erlang/OTP %s%%s [erts-%.8s", t->otp,
					 t->erts);
	const struct scope_elf_segment *s = scope_elf_segments(t->elf, &n);

	if (len >= sizeof(start))
		len = sizeof(start) - 1;
	for (size_t i = 0; i < n; i++) {
		const uint8_t *p = memmem(s[i].bytes, s[i].filesz, start, len);

		if (p)
			return scope_elf_text(t->elf,
					      s[i].vaddr +
						      (uint64_t)(p - s[i].bytes),
					      512);
	}
	return NULL;
}

/* Builds whose structs have other fields: erl_etp.c has a flag for each, and
 * the banner a mark. */
static int check_build(struct scope_target *t, struct scope_err *err)
{
	static const struct {
		const char *symbol, *mark, *name, *instead;
	} other[] = {
		{ "etp_debug_compiled", "[debug-compiled]", "a debug",
		  "the ordinary emulator" },
		{ "etp_lock_check", "[lock-checking]", "a lock-checking",
		  "the ordinary emulator" },
		{ "etp_lock_count", "[lock-counting]", "a lock-counting",
		  "the ordinary emulator" },
		/* up to OTP 23 */
		{ "etp_hipe", "[hipe]", "a HiPE",
		  "one configured with --disable-hipe, as Debian's is" },
	};
	const char *banner = t->info.hides_symbols ? find_banner(t) : NULL;
	uint32_t v;

	for (unsigned i = 0; i < sizeof(other) / sizeof(*other); i++)
		if ((constant(t, other[i].symbol, &v) && v != 0) ||
		    (banner && strstr(banner, other[i].mark)))
			return scope_fail(err, -ENOTSUP,
					  "PID %d is %s build of OTP %s, whose "
					  "structures are laid out differently; "
					  "run %s",
					  (int)t->info.pid, other[i].name,
					  t->otp, other[i].instead);
	/* Before OTP 24 there was no JIT, nor a word about it. */
	t->info.jit = t->info.hides_symbols ?
			      banner && strstr(banner, "[jit") :
			      constant(t, "etp_beamasm", &v) && v != 0;
	if (t->info.hides_symbols && !banner)
		return scope_fail(err, -ENOTSUP,
				  "%s hides its symbols, and does not say how "
				  "it was built",
				  t->path);
	if (!t->info.jit && strcmp(t->otp, "23") != 0)
		return scope_fail(err, -ENOTSUP,
				  "PID %d runs OTP %s without the JIT, whose "
				  "structures are laid out differently; run it "
				  "with the JIT (the emulator flavour jit)",
				  (int)t->info.pid, t->otp);
	return 0;
}

/* What is tested against real nodes. Tables alone do not make a release
 * supported. */
static int check_release(struct scope_target *t, struct scope_err *err)
{
	unsigned otp = (unsigned)strtoul(t->otp, NULL, 10);
	const int pid = (int)t->info.pid;
	struct scope_symbol s;
	int r;

	if ((otp != 23 && otp != 25 && otp != 27 && otp != 29) ||
	    !scope_layout_of(otp))
		return scope_fail(err, -ENOTSUP,
				  "PID %d runs OTP %s, of which there is no "
				  "table of structures in this build of "
				  "scope-bpf (scripts/layout-table makes one); "
				  "OTP 23, 25, 27 and 29 are supported",
				  pid, t->otp);
	t->info.hides_symbols = scope_elf_symbol(t->elf, "erts_proc", &s) < 0;
	if (!t->info.hides_symbols)
		return 0;
	/* Up to OTP 28 it is not the build that hides them. */
	if (otp < 29)
		return scope_fail(err, -ENOTSUP,
				  "%s was stripped of the symbols that probes "
				  "need (erts_proc…); use a build that keeps "
				  "its dynamic symbols, or install the debug "
				  "symbols",
				  t->path);
	r = scope_build_open(t->elf, &t->build);
	t->info.has_build = r == 0;
	if (r == -EBADMSG)
		return scope_fail(err, -ENOTSUP,
				  "the table of build-id %s does not fit %s; "
				  "make it anew with scripts/symbol-table",
				  t->info.build_id, t->path);
	return r == -ENOMEM ? scope_fail(err, r, "out of memory") : 0;
}

/* Add the names of a debug file, where one is installed. Not having one is no
 * error: the dynamic symbols do. */
static bool use_debug(struct scope_target *t, int fd, bool check_crc,
		      uint32_t crc)
{
	struct scope_elf *d;

	if (scope_elf_open(fd, &d) < 0)
		return false;
	if (check_crc && scope_elf_crc(d) != crc) {
		scope_elf_free(d);
		return false;
	}
	return scope_elf_use_symbols(t->elf, d) == 0;
}

/* As the target sees the file, else as we do. */
static bool try_debug(struct scope_target *t, enum scope_file which,
		      const char *name, bool check_crc, uint32_t crc)
{
	for (int ours = 0; ours < 2; ours++) {
		int file = scope_attacher_file(t->attacher, t->slot, which,
					       ours, name);
		scope_autoclose int fd = file;

		if (fd >= 0 && use_debug(t, fd, check_crc, crc))
			return true;
	}
	return false;
}

static void find_debug(struct scope_target *t)
{
	const char *id = scope_elf_build_id(t->elf), *link;
	uint32_t crc;

	if (scope_elf_has_symtab(t->elf))
		return;
	if (*id && try_debug(t, SCOPE_FILE_BY_ID, id, false, 0))
		return;
	link = scope_elf_debuglink(t->elf, &crc);
	if (link)
		(void)try_debug(t, SCOPE_FILE_BY_LINK, link, true, crc);
}

static int find_place(struct scope_target *t, struct scope_err *err)
{
	int r = scope_place_of(t->info.pid, &t->place);

	if (r == -ESRCH)
		return gone(t, err);
	return r < 0 ? scope_fail(err, r, "can't see where PID %d runs: %s",
				  (int)t->info.pid, strerror(-r)) :
		       0;
}

int scope_target_identify(struct scope_target *t, struct scope_err *err)
{
	struct scope_err why = { 0 };
	int r = check_pid(t, err);
	uint32_t jit;

	if (r == 0)
		r = open_it(t, err);
	if (r == 0)
		r = read_exe(t, err);
	if (r == 0)
		r = find_place(t, err);
	if (r < 0)
		return r;
	if (!find_release(t))
		return not_a_beam(t, err);
	find_debug(t);
	r = check_release(t, &why);
	if (r == 0)
		r = check_build(t, &why);
	if (r != -ENOTSUP || !scope_target_has_probes(t))
		return r < 0 ? scope_fail(err, r, "%s", why.text) : 0;
	scope_target_give_up_layout(t, &why);
	t->info.jit = constant(t, "etp_beamasm", &jit) && jit;
	return 0;
}
