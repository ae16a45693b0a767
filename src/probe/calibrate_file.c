/* SPDX-License-Identifier: MIT */
/*
 * The file that keeps a calibration:
 *
 *   scope-bpf calibration 1
 *   id <kernel's release and version, processor, id of the boot, links>
 *   trap <instruction> <ns>        for each instruction
 *   figure <name> <ns>             for each figure
 *   emulated <hexadecimal set>
 *   crc <8 hexadecimal digits>     of all that stands before it
 *
 * in that order, each line once. It is written under another name and renamed,
 * so that a reader sees one whole file or another.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <zlib.h>

#include "base/buf.h"
#include "probe/calibrate.h"
#include "attacher/link.h"

#define HEAD "scope-bpf calibration 1"
#define NAME "calibration"
/* More a hit than any machine takes, and room for what one may. */
#define NS_MAX 100000000u

/* -- what it holds for ------------------------------------------------------------ */

/* One line of a small file, printable characters only. */
static int read_line(const char *path, char *buf, size_t cap)
{
	scope_autofclose FILE *f = fopen(path, "re");

	if (!f || !fgets(buf, (int)cap, f))
		return -ENOENT;
	buf[strcspn(buf, "\n")] = '\0';
	for (char *p = buf; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	return 0;
}

int scope_calibration_id(const char *proc, char id[SCOPE_CAL_ID])
{
	char path[256], release[128], version[192], boot[64];
	struct utsname u;
	int r;

	(void)snprintf(path, sizeof(path), "%s/sys/kernel/osrelease", proc);
	r = read_line(path, release, sizeof(release));
	(void)snprintf(path, sizeof(path), "%s/sys/kernel/version", proc);
	if (r == 0)
		r = read_line(path, version, sizeof(version));
	(void)snprintf(path, sizeof(path), "%s/sys/kernel/random/boot_id",
		       proc);
	if (r == 0)
		r = read_line(path, boot, sizeof(boot));
	if (r < 0 || uname(&u) < 0)
		return -ENOENT;
	/* Multi links and perf uprobes need not cost the same. */
	(void)snprintf(id, SCOPE_CAL_ID, "%s %s %.32s %s %s", release, version,
		       u.machine, boot,
		       scope_link_has_multi() ? "multi" : "perf");
	return 0;
}

/* -- text ---------------------------------------------------------------------------- */

static uint32_t crc_of(const char *text, size_t len)
{
	return (uint32_t)crc32(crc32(0, NULL, 0), (const Bytef *)text,
			       (uInt)len);
}

size_t scope_calibration_format(const struct scope_calibration *c,
				const char *id, char text[SCOPE_CAL_BYTES])
{
	struct scope_buf b = scope_buf_of(text, SCOPE_CAL_BYTES);

	scope_buf_printf(&b, HEAD "\nid %s\n", id);
	for (unsigned i = 0; i < SCOPE_INSN_MAX; i++)
		scope_buf_printf(&b, "trap %s %u\n", scope_insn_name(i),
				 c->trap[i]);
	for (unsigned i = 0; i < SCOPE_CAL_F_MAX; i++)
		scope_buf_printf(&b, "figure %s %u\n", scope_cal_figure_name(i),
				 c->figure[i]);
	scope_buf_printf(&b, "emulated %x\n", c->emulated);
	scope_buf_printf(&b, "crc %08x\n", crc_of(b.p, b.len));
	return b.full ? 0 : b.len;
}

/* What is left of a text that is read. */
struct text {
	const char *p;
	size_t len;
};

static bool take(struct text *t, const char *word)
{
	size_t n = strlen(word);

	if (t->len < n || memcmp(t->p, word, n))
		return false;
	t->p += n;
	t->len -= n;
	return true;
}

static bool take_number(struct text *t, unsigned base, uint64_t max,
			uint32_t *ret)
{
	uint64_t v = 0;
	size_t n = 0;

	for (; n < t->len && n < 10; n++) {
		char c = t->p[n];
		unsigned d = c >= '0' && c <= '9' ? (unsigned)(c - '0') :
			     c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 :
						    16;

		if (d >= base)
			break;
		v = v * base + d;
	}
	if (n == 0 || v > max)
		return false;
	t->p += n;
	t->len -= n;
	*ret = (uint32_t)v;
	return true;
}

static bool take_row(struct text *t, const char *what, const char *name,
		     uint32_t *ret)
{
	return take(t, what) && take(t, " ") && take(t, name) && take(t, " ") &&
	       take_number(t, 10, NS_MAX, ret) && take(t, "\n");
}

int scope_calibration_parse(const char *text, size_t len, const char *id,
			    struct scope_calibration *ret)
{
	struct scope_calibration c = { .from = SCOPE_CAL_CACHE };
	struct text t = { text, len };
	const char *end;
	uint32_t crc;
	bool is_mine;

	if (!take(&t, HEAD "\nid "))
		return -EBADMSG;
	end = memchr(t.p, '\n', t.len);
	if (!end)
		return -EBADMSG;
	is_mine = (size_t)(end - t.p) == strlen(id) &&
		  !memcmp(t.p, id, strlen(id));
	t.len -= (size_t)(end - t.p);
	t.p = end;
	if (!take(&t, "\n"))
		return -EBADMSG;
	for (unsigned i = 0; i < SCOPE_INSN_MAX; i++)
		if (!take_row(&t, "trap", scope_insn_name(i), &c.trap[i]))
			return -EBADMSG;
	for (unsigned i = 0; i < SCOPE_CAL_F_MAX; i++)
		if (!take_row(&t, "figure", scope_cal_figure_name(i),
			      &c.figure[i]))
			return -EBADMSG;
	if (!take(&t, "emulated ") ||
	    !take_number(&t, 16, SCOPE_INSN_BIT(SCOPE_INSN_OTHER) - 1,
			 &c.emulated) ||
	    !take(&t, "\n"))
		return -EBADMSG;
	len = (size_t)(t.p - text);
	if (!take(&t, "crc ") || !take_number(&t, 16, UINT32_MAX, &crc) ||
	    !take(&t, "\n") || t.len || crc != crc_of(text, len))
		return -EBADMSG;
	if (!is_mine)
		return -ESTALE;
	*ret = c;
	return 0;
}

/* -- the file ------------------------------------------------------------------------- */

int scope_calibration_dir(char *buf, size_t cap)
{
	const char *own = getenv("SCOPE_CACHE"), *xdg, *home;
	int n;

	xdg = getenv("XDG_CACHE_HOME");
	home = getenv("HOME");
	if (own && *own)
		n = snprintf(buf, cap, "%s", own);
	else if (geteuid() == 0)
		n = snprintf(buf, cap, "/var/cache/scope-bpf");
	else if (xdg && *xdg == '/')
		n = snprintf(buf, cap, "%s/scope-bpf", xdg);
	else if (home && *home == '/')
		n = snprintf(buf, cap, "%s/.cache/scope-bpf", home);
	else
		return -ENOENT;
	return n < 0 || (size_t)n >= cap ? -ENOENT : 0;
}

/* Neither the folder nor the file may be another's to write. */
static bool is_ours(int fd, mode_t type)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type &&
	       st.st_uid == geteuid() && !(st.st_mode & 022);
}

static int open_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? -ENOENT : -EACCES;
	if (is_ours(fd, S_IFDIR))
		return fd;
	(void)close(fd);
	return -EACCES;
}

int scope_calibration_load(const char *dir, const char *id,
			   struct scope_calibration *ret)
{
	char text[SCOPE_CAL_BYTES];
	scope_autoclose int d = open_dir(dir), fd = -1;
	ssize_t n;

	if (d < 0)
		return d;
	fd = openat(d, NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ENOENT : -EACCES;
	if (!is_ours(fd, S_IFREG))
		return -EACCES;
	n = read(fd, text, sizeof(text));
	if (n < 0)
		return -EBADMSG;
	return scope_calibration_parse(text, (size_t)n, id, ret);
}

int scope_calibration_save(const char *dir, const char *id,
			   const struct scope_calibration *c)
{
	char text[SCOPE_CAL_BYTES], temp[64];
	size_t len = scope_calibration_format(c, id, text);
	scope_autoclose int d = -1, fd = -1;
	int r = 0;

	/* The folder above it, where a user has none yet. */
	if (mkdir(dir, 0700) < 0 && errno == ENOENT) {
		char above[512];
		const char *slash = strrchr(dir, '/');

		if (slash && (size_t)(slash - dir) < sizeof(above)) {
			memcpy(above, dir, (size_t)(slash - dir));
			above[slash - dir] = '\0';
			(void)mkdir(above, 0700);
			(void)mkdir(dir, 0700);
		}
	}
	d = open_dir(dir);
	if (d < 0)
		return d;
	(void)snprintf(temp, sizeof(temp), "." NAME ".%d.%lx", (int)getpid(),
		       (unsigned long)pthread_self());
	(void)unlinkat(d, temp, 0);
	fd = openat(d, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (!len || write(fd, text, len) != (ssize_t)len)
		r = -EIO;
	else if (renameat(d, temp, d, NAME) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(d, temp, 0);
	return r;
}
