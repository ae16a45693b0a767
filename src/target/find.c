/* SPDX-License-Identifier: MIT */
#include "target/find.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "attacher/attacher.h"
#include "base/auto.h"
#include "base/buf.h"
#include "target/procfs.h"
#include "target/target.h"

#define NODES_MAX 256
#define CMDLINE_MAX 65536

/* "beam.smp", and what builds of several flavours are called:
 * "beam.debug.smp", "beam.emu.smp"… */
bool scope_find_is_beam_name(const char *name)
{
	size_t n = strlen(name);
	static const char deleted[] = " (deleted)";

	/* The file was replaced while the node runs, by an upgrade. */
	if (n > sizeof(deleted) - 1 &&
	    strcmp(name + n - (sizeof(deleted) - 1), deleted) == 0)
		n -= sizeof(deleted) - 1;
	return n >= 8 && strncmp(name, "beam", 4) == 0 &&
	       strncmp(name + n - 4, ".smp", 4) == 0;
}

static bool is_beam(const char *proc, pid_t pid)
{
	char path[PATH_MAX], exe[PATH_MAX];
	const char *base;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/%d/exe", proc, (int)pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	if (n >= 0) {
		exe[n] = 0;
		base = strrchr(exe, '/');
		return scope_find_is_beam_name(base ? base + 1 : exe);
	}
	/* Another user's: the name of the process must do. Any other reason
	 * means that there is no program. */
	if (errno != EACCES && errno != EPERM)
		return false;
	(void)snprintf(path, sizeof(path), "%s/%d/comm", proc, (int)pid);
	n = scope_procfs_read(path, exe, sizeof(exe));
	if (n > 0 && exe[n - 1] == '\n')
		exe[n - 1] = 0;
	return n > 0 && scope_find_is_beam_name(exe);
}

/* The command line may hold anything; what it says goes to terminals. */
static char printable(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f ? '?' : c;
}

static void note_node(struct scope_found *f, const char *value)
{
	size_t n = strnlen(value, sizeof(f->node) - 1);

	for (size_t i = 0; i < n; i++)
		f->node[i] = printable(value[i]);
	f->node[n] = 0;
}

static void read_cmdline(const char *proc, struct scope_found *f)
{
	scope_autofree char *text = malloc(CMDLINE_MAX);
	struct scope_buf out = scope_buf_of(f->cmdline, sizeof(f->cmdline));
	char path[PATH_MAX];
	bool is_ours = true;
	ssize_t n;

	if (!text)
		return;
	(void)snprintf(path, sizeof(path), "%s/%d/cmdline", proc, (int)f->pid);
	n = scope_procfs_read(path, text, CMDLINE_MAX);
	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(text + at) + 1) {
		const char *arg = text + at;
		const char *next = arg + strlen(arg) + 1;

		if (at)
			scope_buf_char(&out, ' ');
		for (const char *c = arg; *c; c++)
			scope_buf_char(&out, printable(*c));
		/* What follows -extra is the program's, not the emulator's. */
		if (strcmp(arg, "-extra") == 0)
			is_ours = false;
		if (is_ours && next < text + n &&
		    (strcmp(arg, "-sname") == 0 || strcmp(arg, "-name") == 0))
			note_node(f, next);
	}
	(void)scope_buf_str(&out);
}

/* When it started. False: it has ended. */
static bool read_stat(const char *proc, struct scope_found *f)
{
	char path[PATH_MAX], text[1024];
	const char *at;
	char state;

	(void)snprintf(path, sizeof(path), "%s/%d/stat", proc, (int)f->pid);
	if (scope_procfs_read(path, text, sizeof(text)) < 0)
		return true;
	/* The second field is a name in parentheses, which may hold any. */
	at = strrchr(text, ')');
	if (!at || strlen(at) < 3)
		return true;
	state = at[2];
	for (int i = 2; at && i < 22; i++)
		at = strchr(at + 1, ' ');
	if (at)
		f->started = strtoull(at + 1, NULL, 10);
	return state != 'Z' && state != 'X';
}

int scope_find_nodes_in(const char *proc, struct scope_found *out, size_t max)
{
	struct dirent *de;
	size_t n = 0;
	DIR *dir = opendir(proc);

	if (!dir)
		return -errno;
	while (n < max && (de = readdir(dir))) {
		char *end;
		long pid = strtol(de->d_name, &end, 10);

		if (*end || pid <= 0 || pid > INT_MAX ||
		    !is_beam(proc, (pid_t)pid))
			continue;
		out[n] = (struct scope_found){ .pid = (pid_t)pid };
		if (!read_stat(proc, &out[n]))
			continue;
		read_cmdline(proc, &out[n]);
		n++;
	}
	(void)closedir(dir);
	return (int)n;
}

int scope_find_nodes(struct scope_found *out, size_t max)
{
	return scope_find_nodes_in("/proc", out, max);
}

static size_t short_len(const char *node)
{
	const char *at = strchr(node, '@');

	return at ? (size_t)(at - node) : strlen(node);
}

/* How well a node answers to a name: 3 by its full name, 2 by the part before
 * the @ where one of the two has no host, 1 by its command line, 0 not. */
static int match(const struct scope_found *f, const char *name)
{
	size_t n = short_len(f->node), m = short_len(name);

	if (*f->node && strcmp(f->node, name) == 0)
		return 3;
	if (*f->node && n == m && strncmp(f->node, name, n) == 0 &&
	    (!f->node[n] || !name[m]))
		return 2;
	return strstr(f->cmdline, name) ? 1 : 0;
}

bool scope_find_matches(const struct scope_found *node, const char *name)
{
	return *name && match(node, name) > 0;
}

/* "12 (shop), 13 (no name)": those that match a name that well, or with NULL
 * all; cut where the text is full. */
static const char *list(const struct scope_found *nodes, size_t n,
			const char *name, int how, char *text, size_t cap)
{
	struct scope_buf b = scope_buf_of(text, cap);

	for (size_t i = 0; i < n; i++) {
		const char *node = *nodes[i].node ? nodes[i].node : "no name";

		if (name && match(&nodes[i], name) != how)
			continue;
		scope_buf_printf(&b, "%s%d (%.60s)", b.len ? ", " : "",
				 (int)nodes[i].pid, node);
	}
	return scope_buf_str(&b);
}

int scope_find_among(const struct scope_found *nodes, size_t n,
		     const char *name, pid_t *ret_pid, struct scope_err *err)
{
	size_t count = 0, at = 0;
	char text[360];
	int best = 0;

	for (size_t i = 0; i < n; i++) {
		/* The empty text is part of any command line. */
		int how = !name ? 1 : *name ? match(&nodes[i], name) : 0;

		if (how > best) {
			best = how;
			count = 0;
		}
		if (how && how == best) {
			count++;
			at = i;
		}
	}
	if (n == 0)
		return scope_fail(err, -ESRCH,
				  "no BEAM runs on this machine%s",
				  scope_procfs_hint());
	if (count > 1 && name)
		return scope_fail(err, -ESRCH,
				  "several nodes match %.40s; give the PID of "
				  "one: %s",
				  name,
				  list(nodes, n, name, best, text,
				       sizeof(text)));
	if (count > 1)
		return scope_fail(err, -ESRCH,
				  "several nodes run; give the PID of one: %s",
				  list(nodes, n, NULL, 0, text, sizeof(text)));
	if (count == 0)
		return scope_fail(err, -ESRCH,
				  "no node is called %.40s, or has it on its "
				  "command line; give the PID of one: %s",
				  name,
				  list(nodes, n, NULL, 0, text, sizeof(text)));
	*ret_pid = nodes[at].pid;
	return 0;
}

/* 1: the name is the number of a process; 0: it is another; -ESRCH. */
static int parse_pid(const char *name, pid_t *ret_pid, struct scope_err *err)
{
	char *end;
	long pid;

	if (!name || !isdigit((unsigned char)*name))
		return 0;
	errno = 0;
	pid = strtol(name, &end, 10);
	if (*end)
		return 0;
	if (errno || pid <= 0 || pid > INT_MAX)
		return scope_fail(err, -ESRCH, "%.20s is no PID", name);
	*ret_pid = (pid_t)pid;
	return 1;
}

/* How many there are. */
static int list_all(struct scope_found **ret_nodes, struct scope_err *err)
{
	scope_autofree struct scope_found *nodes =
		calloc(NODES_MAX, sizeof(*nodes));
	int n;

	if (!nodes)
		return scope_fail(err, -ENOMEM, "out of memory");
	n = scope_find_nodes(nodes, NODES_MAX);
	if (n < 0)
		return scope_fail(err, n, "can't read /proc: %s",
				  strerror(-n));
	*ret_nodes = scope_take(nodes);
	return n;
}

int scope_find_pid(const char *name, pid_t *ret_pid, struct scope_err *err)
{
	scope_autofree struct scope_found *nodes = NULL;
	int r = parse_pid(name, ret_pid, err);

	if (r != 0)
		return r < 0 ? r : 0;
	r = list_all(&nodes, err);
	return r < 0 ? r :
		       scope_find_among(nodes, (size_t)r, name, ret_pid, err);
}

/* Do command lines leave open which one is meant? */
static bool is_doubtful(const struct scope_found *nodes, size_t n,
			const char *name)
{
	int best = 0;

	for (size_t i = 0; i < n; i++) {
		int how = match(&nodes[i], name);

		best = how > best ? how : best;
	}
	return n && best < 2 && !(best == 1 && n == 1);
}

/*
 * Put the name that each has now in the place of that on its command line. The
 * one that is called so, if there is one alone, stays open: it was read with
 * more rights if it was the first.
 */
static void ask_names(struct scope_attacher *a, struct scope_found *nodes,
		      size_t n, const char *name,
		      struct scope_target **ret_target)
{
	scope_auto(scope_target) found = NULL;

	for (size_t i = 0; i < n; i++) {
		scope_auto(scope_target) t = NULL;

		if (scope_target_open_probes(a, nodes[i].pid, &t, NULL) < 0)
			continue;
		note_node(&nodes[i], scope_target_info(t)->node);
		if (match(&nodes[i], name) < 2)
			continue;
		scope_target_free(found);
		found = scope_take(t);
	}
	*ret_target = scope_take(found);
}

int scope_find_by(struct scope_attacher *a, const char *name, pid_t *ret_pid,
		  struct scope_target **ret_target, struct scope_err *err)
{
	scope_autofree struct scope_found *nodes = NULL;
	scope_auto(scope_target) t = NULL;
	int n, r = parse_pid(name, ret_pid, err);

	if (r != 0)
		return r < 0 ? r : 0;
	n = list_all(&nodes, err);
	if (n < 0)
		return n;
	if (name && is_doubtful(nodes, (size_t)n, name))
		ask_names(a, nodes, (size_t)n, name, &t);
	r = scope_find_among(nodes, (size_t)n, name, ret_pid, err);
	if (r == 0 && t && scope_target_info(t)->pid == *ret_pid)
		*ret_target = scope_take(t);
	return r;
}

int scope_find_open(struct scope_attacher *a, const char *name,
		    struct scope_target **ret_target, struct scope_err *err)
{
	scope_auto(scope_target) t = NULL;
	int r = scope_find_probes(a, name, &t, err);

	if (r == 0)
		r = scope_target_needs_layout(t, err);
	if (r == 0)
		*ret_target = scope_take(t);
	return r;
}

int scope_find_probes(struct scope_attacher *a, const char *name,
		      struct scope_target **ret_target, struct scope_err *err)
{
	struct scope_target *t = NULL;
	pid_t pid = 0;
	int r = scope_find_by(a, name, &pid, &t, err);

	if (r == 0 && !t)
		r = scope_target_open_probes(a, pid, &t, err);
	if (r == 0)
		*ret_target = t;
	return r;
}
