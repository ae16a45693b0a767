/* SPDX-License-Identifier: MIT */
#include "target/elf.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "target/elf_int.h"

#if defined(__aarch64__)
#define MACHINE EM_AARCH64
#define R_RELATIVE R_AARCH64_RELATIVE
#define R_ABS64 R_AARCH64_ABS64
#define R_GLOB_DAT R_AARCH64_GLOB_DAT
#else
#define MACHINE EM_X86_64
#define R_RELATIVE R_X86_64_RELATIVE
#define R_ABS64 R_X86_64_64
#define R_GLOB_DAT R_X86_64_GLOB_DAT
#endif

void scope_elf_free(struct scope_elf *e)
{
	if (!e)
		return;
	scope_elf_free(e->debug);
	if (e->elf)
		(void)elf_end(e->elf);
	for (size_t i = 0; i < e->nsegs; i++)
		free(e->copies[i]);
	free(e->syms);
	free(e->by_addr);
	free(e->funcs);
	free(e->file);
	free(e);
}

static int read_header(struct scope_elf *e)
{
	GElf_Ehdr eh;

	if (elf_version(EV_CURRENT) == EV_NONE)
		return -ENOTSUP;
	if (e->len < EI_NIDENT || memcmp(e->file, ELFMAG, SELFMAG) != 0)
		return -ENOEXEC;
	e->elf = elf_memory((char *)e->file, e->len);
	if (!e->elf || elf_kind(e->elf) != ELF_K_ELF ||
	    !gelf_getehdr(e->elf, &eh))
		return -ENOEXEC;
	if (gelf_getclass(e->elf) != ELFCLASS64 ||
	    eh.e_ident[EI_DATA] != ELFDATA2LSB || eh.e_machine != MACHINE)
		return -ENOTSUP;
	e->entry = eh.e_entry;
	return 0;
}

static int add_segment(struct scope_elf *e, const GElf_Phdr *ph)
{
	struct scope_elf_segment *s = &e->segs[e->nsegs];

	if (ph->p_offset > e->len || ph->p_filesz > e->len - ph->p_offset ||
	    ph->p_memsz < ph->p_filesz ||
	    ph->p_vaddr + ph->p_memsz < ph->p_vaddr)
		return -EBADMSG;
	if (e->nsegs == SCOPE_ELF_SEGMENTS_MAX)
		return -EBADMSG;
	*s = (struct scope_elf_segment){
		.vaddr = ph->p_vaddr,
		.offset = ph->p_offset,
		.filesz = ph->p_filesz,
		.memsz = ph->p_memsz,
		.flags = ph->p_flags,
		.bytes = e->file + ph->p_offset,
	};
	e->nsegs++;
	if (!(s->flags & PF_W) || s->filesz == 0)
		return 0;
	/* Relocations are applied to a copy: the names of symbols are
	 * borrowed from the file's bytes, which must not change. */
	e->copies[e->nsegs - 1] = malloc(s->filesz);
	if (!e->copies[e->nsegs - 1])
		return -ENOMEM;
	memcpy(e->copies[e->nsegs - 1], s->bytes, s->filesz);
	s->bytes = e->copies[e->nsegs - 1];
	return 0;
}

static int read_segments(struct scope_elf *e)
{
	uint64_t copied = 0;
	size_t n = 0;

	if (elf_getphdrnum(e->elf, &n) != 0)
		return -EBADMSG;
	for (size_t i = 0; i < n && i < 128; i++) {
		GElf_Phdr ph;
		int r;

		if (!gelf_getphdr(e->elf, (int)i, &ph))
			return -EBADMSG;
		if (ph.p_type == PT_GNU_EH_FRAME)
			e->frame_hdr = ph.p_vaddr;
		if (ph.p_type != PT_LOAD)
			continue;
		if (ph.p_flags & PF_W)
			copied += ph.p_filesz;
		/* No real file maps its bytes writable more than once. */
		if (copied > e->len)
			return -EBADMSG;
		r = add_segment(e, &ph);
		if (r < 0)
			return r;
	}
	return 0;
}

static void put_word(struct scope_elf *e, uint64_t vaddr, uint64_t word)
{
	for (size_t i = 0; i < e->nsegs; i++) {
		const struct scope_elf_segment *s = &e->segs[i];

		if (!e->copies[i] || vaddr < s->vaddr || s->filesz < 8 ||
		    vaddr - s->vaddr > s->filesz - 8)
			continue;
		memcpy(e->copies[i] + (vaddr - s->vaddr), &word, sizeof(word));
		return;
	}
}

/* What the dynamic linker would do at bias 0, to pointers into this file. */
static void relocate(struct scope_elf *e, Elf_Scn *scn, const GElf_Shdr *sh)
{
	Elf_Data *d = elf_getdata(scn, NULL);
	Elf_Scn *symscn = elf_getscn(e->elf, sh->sh_link);
	Elf_Data *sd = symscn ? elf_getdata(symscn, NULL) : NULL;
	size_t n = d && sh->sh_entsize ? d->d_size / sh->sh_entsize : 0;

	for (size_t i = 0; i < n && i < INT32_MAX; i++) {
		GElf_Rela ra;
		GElf_Sym sym;
		uint64_t type;

		if (!gelf_getrela(d, (int)i, &ra))
			return;
		type = GELF_R_TYPE(ra.r_info);
		if (type == R_RELATIVE) {
			put_word(e, ra.r_offset, (uint64_t)ra.r_addend);
			continue;
		}
		if (type != R_ABS64 && type != R_GLOB_DAT)
			continue;
		if (sd && gelf_getsym(sd, (int)GELF_R_SYM(ra.r_info), &sym) &&
		    sym.st_shndx != SHN_UNDEF)
			put_word(e, ra.r_offset,
				 sym.st_value + (uint64_t)ra.r_addend);
	}
}

static void read_relocations(struct scope_elf *e)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;

	while ((scn = elf_nextscn(e->elf, scn)))
		if (gelf_getshdr(scn, &sh) && sh.sh_type == SHT_RELA &&
		    (sh.sh_flags & SHF_ALLOC))
			relocate(e, scn, &sh);
}

static void note_build_id(struct scope_elf *e, const uint8_t *id, size_t len)
{
	static const char hex[] = "0123456789abcdef";

	if (len > (sizeof(e->build_id) - 1) / 2)
		len = (sizeof(e->build_id) - 1) / 2;
	for (size_t i = 0; i < len; i++) {
		e->build_id[2 * i] = hex[id[i] >> 4];
		e->build_id[2 * i + 1] = hex[id[i] & 15];
	}
	e->build_id[2 * len] = 0;
}

static void read_notes(struct scope_elf *e)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;

	while ((scn = elf_nextscn(e->elf, scn))) {
		size_t at = 0, name = 0, desc = 0;
		Elf_Data *d;
		GElf_Nhdr nh;

		if (!gelf_getshdr(scn, &sh) || sh.sh_type != SHT_NOTE)
			continue;
		d = elf_getdata(scn, NULL);
		while (d && (at = gelf_getnote(d, at, &nh, &name, &desc)) > 0) {
			const uint8_t *p = d->d_buf;

			if (nh.n_type == NT_GNU_BUILD_ID && nh.n_namesz == 4 &&
			    memcmp(p + name, "GNU", 4) == 0)
				note_build_id(e, p + desc, nh.n_descsz);
		}
	}
}

static int read_all(struct scope_elf *e)
{
	int r = read_header(e);

	if (r < 0)
		return r;
	r = read_segments(e);
	if (r < 0)
		return r;
	read_relocations(e);
	read_notes(e);
	r = scope_elf_read_symbols(e);
	if (r < 0)
		return r;
	return scope_elf_read_frames(e);
}

/* Takes `file` over. */
static int parse(uint8_t *file, size_t len, struct scope_elf **ret_elf)
{
	scope_auto(scope_elf) e = calloc(1, sizeof(*e));
	int r;

	if (!e) {
		free(file);
		return -ENOMEM;
	}
	e->file = file;
	e->len = len;
	r = read_all(e);
	if (r < 0)
		return r;
	*ret_elf = scope_take(e);
	return 0;
}

int scope_elf_parse(const void *data, size_t len, struct scope_elf **ret_elf)
{
	uint8_t *copy;

	if (len > SCOPE_ELF_BYTES_MAX)
		return -EFBIG;
	copy = malloc(len ? len : 1);
	if (!copy)
		return -ENOMEM;
	if (len)
		memcpy(copy, data, len);
	return parse(copy, len, ret_elf);
}

int scope_elf_open(int fd, struct scope_elf **ret_elf)
{
	scope_autofree uint8_t *file = NULL;
	struct stat st;
	size_t len, at = 0;

	if (fstat(fd, &st) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOEXEC;
	if (st.st_size < 0 || st.st_size > SCOPE_ELF_BYTES_MAX)
		return -EFBIG;
	len = (size_t)st.st_size;
	file = malloc(len ? len : 1);
	if (!file)
		return -ENOMEM;
	while (at < len) {
		ssize_t n = pread(fd, file + at, len - at, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break; /* it shrank: what is there must do */
		at += (size_t)n;
	}
	return parse(scope_take(file), at, ret_elf);
}

const char *scope_elf_build_id(const struct scope_elf *e)
{
	return e->build_id;
}

uint64_t scope_elf_entry(const struct scope_elf *e)
{
	return e->entry;
}

bool scope_elf_has_symtab(const struct scope_elf *e)
{
	return e->has_symtab;
}

uint32_t scope_elf_crc(const struct scope_elf *e)
{
	return (uint32_t)crc32(0, e->file, (uInt)e->len);
}

static Elf_Scn *section(const struct scope_elf *e, const char *name,
			GElf_Shdr *ret_sh)
{
	Elf_Scn *scn = NULL;
	size_t names;

	if (elf_getshdrstrndx(e->elf, &names) != 0)
		return NULL;
	while ((scn = elf_nextscn(e->elf, scn))) {
		const char *is;

		if (!gelf_getshdr(scn, ret_sh))
			continue;
		is = elf_strptr(e->elf, names, ret_sh->sh_name);
		if (is && !strcmp(is, name))
			return scn;
	}
	return NULL;
}

const char *scope_elf_debuglink(const struct scope_elf *e, uint32_t *ret_crc)
{
	GElf_Shdr sh;
	Elf_Scn *scn = section(e, ".gnu_debuglink", &sh);
	Elf_Data *d = scn && sh.sh_type == SHT_PROGBITS ?
			      elf_getdata(scn, NULL) :
			      NULL;
	size_t len, at;

	if (!d || !d->d_buf || d->d_size < 8)
		return NULL;
	len = strnlen(d->d_buf, d->d_size);
	at = (len + 4) & ~(size_t)3; /* the CRC is 4-byte aligned */
	if (len == 0 || at > d->d_size - 4)
		return NULL;
	memcpy(ret_crc, (uint8_t *)d->d_buf + at, sizeof(*ret_crc));
	return d->d_buf;
}

const uint8_t *scope_elf_section(const struct scope_elf *e, const char *name,
				 size_t *ret_len, uint64_t *ret_vaddr)
{
	GElf_Shdr sh;

	if (!section(e, name, &sh) || sh.sh_type == SHT_NOBITS ||
	    (sh.sh_flags & SHF_COMPRESSED) || sh.sh_offset > e->len ||
	    sh.sh_size > e->len - sh.sh_offset)
		return NULL;
	*ret_len = sh.sh_size;
	*ret_vaddr = sh.sh_addr;
	return e->file + sh.sh_offset;
}

const struct scope_elf_segment *scope_elf_segments(const struct scope_elf *e,
						   size_t *ret_n)
{
	*ret_n = e->nsegs;
	return e->segs;
}

static const struct scope_elf_segment *segment_at(const struct scope_elf *e,
						  uint64_t vaddr)
{
	for (size_t i = 0; i < e->nsegs; i++) {
		const struct scope_elf_segment *s = &e->segs[i];

		if (vaddr >= s->vaddr && vaddr - s->vaddr < s->filesz)
			return s;
	}
	return NULL;
}

const uint8_t *scope_elf_at(const struct scope_elf *e, uint64_t vaddr,
			    size_t len)
{
	const struct scope_elf_segment *s = segment_at(e, vaddr);

	if (!s || len > s->filesz - (vaddr - s->vaddr))
		return NULL;
	return s->bytes + (vaddr - s->vaddr);
}

const char *scope_elf_text(const struct scope_elf *e, uint64_t vaddr,
			   size_t max)
{
	const struct scope_elf_segment *s = segment_at(e, vaddr);
	const char *p;
	size_t left;

	if (!s)
		return NULL;
	left = s->filesz - (vaddr - s->vaddr);
	if (left > max)
		left = max;
	p = (const char *)s->bytes + (vaddr - s->vaddr);
	return memchr(p, 0, left) ? p : NULL;
}

bool scope_elf_u64(const struct scope_elf *e, uint64_t vaddr, uint64_t *ret)
{
	const uint8_t *p = scope_elf_at(e, vaddr, sizeof(*ret));

	if (p)
		memcpy(ret, p, sizeof(*ret));
	return p != NULL;
}

bool scope_elf_u32(const struct scope_elf *e, uint64_t vaddr, uint32_t *ret)
{
	const uint8_t *p = scope_elf_at(e, vaddr, sizeof(*ret));

	if (p)
		memcpy(ret, p, sizeof(*ret));
	return p != NULL;
}

bool scope_elf_is_code(const struct scope_elf *e, uint64_t vaddr)
{
	const struct scope_elf_segment *s = segment_at(e, vaddr);

	return s && (s->flags & PF_X);
}

int scope_elf_offset(const struct scope_elf *e, uint64_t vaddr,
		     uint64_t *ret_offset)
{
	const struct scope_elf_segment *s = segment_at(e, vaddr);

	if (!s)
		return -ENOENT;
	*ret_offset = s->offset + (vaddr - s->vaddr);
	return 0;
}
