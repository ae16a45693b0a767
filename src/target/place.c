/* SPDX-License-Identifier: MIT */
#include "target/place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "target/procfs.h"

#define ID_LEN 64
#define DEPTH_MAX 64
#define PROC_PID_INIT_INO 0xeffffffcu /* include/linux/proc_ns.h */

/* A part of a path between separators. */
struct part {
	const char *p;
	size_t n;
};

static bool is_text(struct part a, const char *text)
{
	return a.n == strlen(text) && memcmp(a.p, text, a.n) == 0;
}

/* What follows a prefix, without a suffix of units. */
static bool cut_prefix(struct part a, const char *prefix, struct part *ret)
{
	static const char *const units[] = { ".scope", ".service", ".slice" };
	size_t n = strlen(prefix);

	if (a.n < n || memcmp(a.p, prefix, n) != 0)
		return false;
	a.p += n;
	a.n -= n;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		size_t u = strlen(units[i]);

		if (a.n < u || memcmp(a.p + a.n - u, units[i], u) != 0)
			continue;
		a.n -= u;
		break;
	}
	*ret = a;
	return a.n > 0;
}

static bool is_hex(struct part a)
{
	for (size_t i = 0; i < a.n; i++)
		if (!memchr("0123456789abcdef", a.p[i], 16))
			return false;
	return a.n > 0;
}

/* Texts of paths go to terminals: nothing in them is for those. */
static void copy(char *to, size_t cap, struct part a)
{
	size_t n = a.n < cap - 1 ? a.n : cap - 1;

	for (size_t i = 0; i < n; i++)
		to[i] = (unsigned char)a.p[i] < 0x20 ||
					(unsigned char)a.p[i] >= 0x7f ?
				'?' :
				a.p[i];
	to[n] = 0;
}

static bool note_id(struct scope_place *p, const char *runtime, struct part id)
{
	if (id.n != ID_LEN || !is_hex(id))
		return false;
	copy(p->container, sizeof(p->container), id);
	copy(p->runtime, sizeof(p->runtime),
	     (struct part){ runtime, strlen(runtime) });
	p->name[0] = 0;
	return true;
}

/* "docker-ID.scope" and the like. */
static bool note_prefixed(struct scope_place *p, struct part a)
{
	static const struct {
		const char *prefix, *runtime;
	} known[] = {
		{ "docker-", "docker" },
		{ "cri-containerd-", "containerd" },
		{ "nerdctl-", "containerd" },
		{ "crio-", "cri-o" },
		{ "libpod-", "podman" },
	};
	struct part id;

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (cut_prefix(a, known[i].prefix, &id) &&
		    note_id(p, known[i].runtime, id))
			return true;
	return false;
}

/* "podUID", "kubepods-burstable-podUID.slice", of which systemd's form has _
 * for each -; a static pod's UID is 32 digits. */
static bool note_pod(struct scope_place *p, struct part a)
{
	const char *at = memmem(a.p, a.n, "-pod", 4);
	struct part uid;
	char text[sizeof(p->pod)];

	if (at && a.n > 8 && memcmp(a.p, "kubepods", 8) == 0) {
		a.n -= (size_t)(at + 1 - a.p);
		a.p = at + 1;
	}
	if (!cut_prefix(a, "pod", &uid) || (uid.n != 36 && uid.n != 32))
		return false;
	for (size_t i = 0; i < uid.n; i++) {
		bool is_dash = uid.n == 36 &&
			       (i == 8 || i == 13 || i == 18 || i == 23);

		text[i] = is_dash && uid.p[i] == '_' ? '-' : uid.p[i];
		if (is_dash ? text[i] != '-' :
			      !is_hex((struct part){ text + i, 1 }))
			return false;
	}
	copy(p->pod, sizeof(p->pod), (struct part){ text, uid.n });
	return true;
}

static unsigned digit(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10);
}

/* A name, with systemd's \xNN undone. */
static void note_name(struct scope_place *p, const char *runtime,
		      struct part name)
{
	char text[sizeof(p->name)];
	size_t n = 0;

	for (size_t i = 0; i < name.n && n < sizeof(text) - 1; i++) {
		if (name.n - i >= 4 && name.p[i] == '\\' &&
		    name.p[i + 1] == 'x' &&
		    is_hex((struct part){ name.p + i + 2, 2 })) {
			text[n++] = (char)(digit(name.p[i + 2]) << 4 |
					   digit(name.p[i + 3]));
			i += 3;
		} else {
			text[n++] = name.p[i];
		}
	}
	p->container[0] = 0;
	copy(p->name, sizeof(p->name), (struct part){ text, n });
	copy(p->runtime, sizeof(p->runtime),
	     (struct part){ runtime, strlen(runtime) });
}

static void note_part(struct scope_place *p, struct part parent, struct part a)
{
	struct scope_place was = { 0 };
	struct part name;

	if (note_prefixed(p, a) || note_pod(p, a))
		return;
	if (is_text(parent, "docker"))
		(void)note_id(p, "docker", a);
	else if (is_text(parent, "cri-containerd"))
		(void)note_id(p, "containerd", a);
	else if (note_pod(&was, parent))
		(void)note_id(p, "", a);
	else if (is_text(parent, "lxc"))
		note_name(p, "lxc", a);
	else if (cut_prefix(a, "lxc.payload.", &name))
		note_name(p, "lxc", name);
	else if (is_text(parent, "machine.slice") &&
		 cut_prefix(a, "machine-", &name))
		note_name(p, "machined", name);
	else if (cut_prefix(a, "systemd-nspawn@", &name))
		note_name(p, "machined", name);
}

/* The innermost container of a path is the process's. */
static void read_path(struct part path, struct scope_place *p)
{
	struct part parent = { "", 0 };
	size_t at = 0;

	for (unsigned depth = 0; at < path.n && depth < DEPTH_MAX; depth++) {
		struct part a = { path.p + at, 0 };

		while (at < path.n && path.p[at] != '/' && path.p[at] != ':')
			at++;
		a.n = (size_t)(path.p + at - a.p);
		at++;
		if (a.n)
			note_part(p, parent, a);
		if (a.n)
			parent = a;
	}
	copy(p->cgroup, sizeof(p->cgroup), path);
}

/*
 * "ID:CONTROLLERS:PATH" lines; version 2 has the one "0::PATH". Where both are
 * in use, a runtime's path may stand in one of them alone: the first that names
 * a container is taken, else version 2's, else the first.
 */
void scope_place_cgroup(const char *text, struct scope_place *p)
{
	struct part first = { NULL, 0 }, second = { NULL, 0 };

	for (const char *line = text; *line;) {
		size_t n = strcspn(line, "\n");
		const char *a = memchr(line, ':', n);
		const char *b = a ? memchr(a + 1, ':',
					   n - (size_t)(a + 1 - line)) :
				    NULL;
		struct part path;

		if (b) {
			path = (struct part){ b + 1,
					      n - (size_t)(b + 1 - line) };
			read_path(path, p);
			if (*p->container || *p->name)
				return;
			if (!first.p)
				first = path;
			if (line[0] == '0' && a == line + 1 && b == a + 1)
				second = path;
		}
		line += n;
		line += *line == '\n';
	}
	if (first.p)
		read_path(second.p ? second : first, p);
}

/* The last number of "NSpid:\t4242\t17\t1", and how many there are. */
static pid_t innermost(const char *status, unsigned *ret_count)
{
	const char *p = strstr(status, "\nNSpid:");
	pid_t last = 0;

	*ret_count = 0;
	if (!p)
		return 0;
	p += 7;
	while (*p == '\t') {
		char *end;

		last = (pid_t)strtol(p, &end, 10);
		if (end == p)
			break;
		(*ret_count)++;
		p = end;
	}
	return last;
}

static int read_nspid(const char *path, pid_t *ret_pid, unsigned *ret_count)
{
	char text[4096];
	ssize_t n = scope_procfs_read(path, text, sizeof(text));

	if (n < 0)
		return (int)n;
	*ret_pid = innermost(text, ret_count);
	return 0;
}

pid_t scope_place_tid(pid_t pid, pid_t tid)
{
	char path[64];
	unsigned count;
	pid_t inside;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/status", (int)pid,
		       (int)tid);
	return read_nspid(path, &inside, &count) < 0 ? 0 : inside;
}

int scope_place_of(pid_t pid, struct scope_place *ret_place)
{
	struct scope_place p = { 0 };
	char path[64], text[8192];
	unsigned count;
	pid_t inside;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	r = read_nspid(path, &inside, &count);
	if (r < 0)
		return r;
	p.pid_inside = count > 1 ? inside : 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	/* Not there on a kernel without control groups. */
	if (scope_procfs_read(path, text, sizeof(text)) > 0)
		scope_place_cgroup(text, &p);
	*ret_place = p;
	return 0;
}

bool scope_pidns_is_initial(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) == 0 &&
	       st.st_ino == PROC_PID_INIT_INO;
}

bool scope_pidns_is_of_proc(void)
{
	unsigned count;
	pid_t pid;

	return read_nspid("/proc/self/status", &pid, &count) == 0 &&
	       count == 1 && pid == getpid();
}
