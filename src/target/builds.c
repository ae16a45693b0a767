/* SPDX-License-Identifier: MIT */
#include "target/builds.h"

#include <ctype.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "target/tsv.h"

extern const char scope_builds_text[], scope_builds_text_end[];

struct entry {
	const char *name;
	uint64_t vaddr, size;
	bool is_function;
};

struct scope_build {
	const struct scope_elf *elf; /* borrowed */
	char *text;		     /* owned; the names are in it */
	struct entry *entries;	     /* owned */
	size_t n;
};

void scope_build_free(struct scope_build *b)
{
	if (!b)
		return;
	free(b->entries);
	free(b->text);
	free(b);
}

static bool hex(const char *s, uint64_t *ret)
{
	uint64_t v = 0;
	size_t n = 0;

	for (; s && isxdigit((unsigned char)s[n]) && n < 16; n++)
		v = v << 4 | (uint64_t)(s[n] <= '9' ? s[n] - '0' :
						      (s[n] | 32) - 'a' + 10);
	*ret = v;
	return n > 0 && !s[n];
}

/* Does the entry stand where the emulator has such a thing? */
static bool fits(const struct scope_elf *e, const struct entry *entry)
{
	const struct scope_elf_segment *s;
	struct scope_symbol fn;
	size_t n;

	if (entry->is_function)
		return scope_elf_function(e, entry->vaddr, &fn) == 0 &&
		       fn.vaddr == entry->vaddr && fn.size == entry->size;
	s = scope_elf_segments(e, &n);
	for (size_t i = 0; i < n; i++)
		if ((s[i].flags & PF_W) && entry->vaddr >= s[i].vaddr &&
		    entry->vaddr - s[i].vaddr < s[i].memsz &&
		    entry->size <=
			    s[i].memsz - (entry->vaddr - s[i].vaddr))
			return true;
	return false;
}

/* A line of the table that is wanted. */
static int take_line(struct scope_build *b, const char *kind, char *rest)
{
	struct entry *e = &b->entries[b->n];

	if (!strcmp(kind, "otp") || !strcmp(kind, "package"))
		return 0;
	if (strcmp(kind, "f") && strcmp(kind, "d"))
		return -EBADMSG;
	if (b->n == SCOPE_BUILDS_NAMES || !hex(scope_tsv_field(&rest), &e->vaddr) ||
	    !hex(scope_tsv_field(&rest), &e->size))
		return -EBADMSG;
	e->is_function = *kind == 'f';
	e->name = scope_tsv_field(&rest);
	if (!e->name || rest || !fits(b->elf, e))
		return -EBADMSG;
	b->n++;
	return 0;
}

static int cmp(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int read_lines(struct scope_build *b, bool *ret_found)
{
	const char *id = scope_elf_build_id(b->elf);
	bool is_ours = false;
	char *line, *next = b->text;
	int r;

	while ((line = next) && *line) {
		char *kind, *rest = line;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (*line == '#' || !*line)
			continue;
		kind = scope_tsv_field(&rest);
		if (!kind || !rest)
			return -EBADMSG;
		if (!strcmp(kind, "build-id")) {
			is_ours = *id && !strcmp(rest, id);
			*ret_found |= is_ours;
			continue;
		}
		r = is_ours ? take_line(b, kind, rest) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

int scope_build_parse(const char *text, size_t len, const struct scope_elf *e,
		      struct scope_build **ret_build)
{
	scope_auto(scope_build) b = calloc(1, sizeof(*b));
	bool found = false;
	int r;

	if (len > SCOPE_BUILDS_BYTES)
		return -EBADMSG;
	if (!b)
		return -ENOMEM;
	b->elf = e;
	b->text = malloc(len + 1);
	b->entries = calloc(SCOPE_BUILDS_NAMES, sizeof(*b->entries));
	if (!b->text || !b->entries)
		return -ENOMEM;
	memcpy(b->text, text, len);
	b->text[len] = '\0';
	r = read_lines(b, &found);
	if (r == 0 && !found)
		r = -ENOENT;
	if (r < 0)
		return r;
	qsort(b->entries, b->n, sizeof(*b->entries), cmp);
	*ret_build = scope_take(b);
	return 0;
}

static int parse_file(const char *dir, const struct scope_elf *e,
		      struct scope_build **ret_build)
{
	scope_autofree char *text = NULL;
	scope_autoclose int fd = -1;
	char path[4200];
	struct stat st;
	size_t at = 0;

	(void)snprintf(path, sizeof(path), "%.4096s/%.64s.tsv", dir,
		       scope_elf_build_id(e));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -ENOENT;
	text = malloc(SCOPE_BUILDS_BYTES + 1);
	if (!text)
		return -ENOMEM;
	while (at <= SCOPE_BUILDS_BYTES) {
		ssize_t n = read(fd, text + at, SCOPE_BUILDS_BYTES + 1 - at);

		if (n < 0)
			return -EBADMSG;
		if (n == 0)
			break;
		at += (size_t)n;
	}
	return scope_build_parse(text, at, e, ret_build);
}

int scope_build_open(const struct scope_elf *e, struct scope_build **ret_build)
{
	const char *dir = getenv("SCOPE_BPF_BUILDS");
	int r;

	if (!*scope_elf_build_id(e))
		return -ENOENT;
	/* What was made here comes before what came with the program. */
	r = parse_file(dir && *dir ? dir : SCOPE_BUILDS_DIR, e, ret_build);
	if (r != -ENOENT)
		return r;
	return scope_build_parse(scope_builds_text,
				 (uintptr_t)scope_builds_text_end -
					 (uintptr_t)scope_builds_text,
				 e, ret_build);
}

const char *scope_build_at(const struct scope_build *b, size_t i)
{
	return b->entries[i].name;
}

size_t scope_build_count(const struct scope_build *b)
{
	return b->n;
}

static const struct entry *find(const struct scope_build *b, const char *name)
{
	const struct entry key = { .name = name };

	return bsearch(&key, b->entries, b->n, sizeof(key), cmp);
}

int scope_build_find(const struct scope_build *b, const char *name,
		     struct scope_symbol *ret_sym)
{
	const struct entry *found = NULL;

	if (*name != '~')
		found = find(b, name);
	for (size_t i = 0; *name == '~' && i < b->n; i++) {
		if (!strstr(b->entries[i].name, name + 1))
			continue;
		if (found && found->vaddr != b->entries[i].vaddr)
			return -ENOTUNIQ;
		found = &b->entries[i];
	}
	if (!found)
		return -ENOENT;
	*ret_sym = (struct scope_symbol){
		.name = found->name,
		.vaddr = found->vaddr,
		.size = found->size,
		.how = SCOPE_HOW_BUILD,
	};
	/* What is in .bss has no place in the file. */
	(void)scope_elf_offset(b->elf, found->vaddr, &ret_sym->offset);
	return 0;
}

const char *scope_build_name(const struct scope_build *b, uint64_t vaddr)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->entries[i].vaddr == vaddr)
			return b->entries[i].name;
	return NULL;
}
