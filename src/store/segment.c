/* SPDX-License-Identifier: MIT */
#include "store/segment.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#define MAGIC "scopebpf"
#define FRAME_MAGIC "SBLK"
#define PACKED_ZSTD 1

static const struct {
	const char *name;
	uint8_t type;
} type_names[] = {
	{ "uint", SCOPE_T_UINT },   { "int", SCOPE_T_INT },
	{ "bool", SCOPE_T_BOOL },   { "text", SCOPE_T_TEXT },
	{ "atom", SCOPE_T_ATOM },   { "ident", SCOPE_T_IDENT },
	{ "term", SCOPE_T_TERM },   { "terms", SCOPE_T_TERMS },
	{ "mfa", SCOPE_T_MFA },	    { "corr", SCOPE_T_CORR },
	{ "share", SCOPE_T_SHARE }, { "json", SCOPE_T_JSON },
};
#define TYPES (sizeof(type_names) / sizeof(*type_names))

/* Keys may have a name in common; the table's symbols are their own. */
static const char *const key_names[SCOPE_FIELD_MAX] = {
#define X(sym, key, type, says) [SCOPE_FIELD_##sym] = #sym,
	SCOPE_FIELDS(X)
#undef X
};

uint64_t scope_segment_hash(const void *p, size_t n)
{
	return XXH3_64bits(p, n);
}

static void put16(uint8_t *p, uint16_t v)
{
	for (unsigned i = 0; i < 2; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static void put32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static void put64(uint8_t *p, uint64_t v)
{
	for (unsigned i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static uint64_t get_n(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < n; i++)
		v |= (uint64_t)p[i] << 8 * i;
	return v;
}

/* -- heads ----------------------------------------------------------------- */

void scope_segment_head_put(const struct scope_segment_head *h,
			    uint8_t p[SCOPE_SEGMENT_HEAD])
{
	memcpy(p, MAGIC, 8);
	put16(p + 8, SCOPE_SEGMENT_VERSION);
	put16(p + 10, SCOPE_SEGMENT_VERSION);
	put32(p + 12, h->info_bytes);
	put64(p + 16, h->number);
	put64(p + 24, h->started_ns);
	memcpy(p + 32, h->recording, 16);
	put64(p + 48, h->info_hash);
	put64(p + 56, scope_segment_hash(p, 56));
}

int scope_segment_head_get(const uint8_t p[SCOPE_SEGMENT_HEAD],
			   struct scope_segment_head *ret)
{
	if (memcmp(p, MAGIC, 8) != 0 ||
	    get_n(p + 56, 8) != scope_segment_hash(p, 56))
		return -EBADMSG;
	if (get_n(p + 10, 2) > SCOPE_SEGMENT_VERSION)
		return -EPROTONOSUPPORT;
	if (get_n(p + 12, 4) > SCOPE_SEGMENT_INFO)
		return -EBADMSG;
	*ret = (struct scope_segment_head){
		.info_bytes = (uint32_t)get_n(p + 12, 4),
		.number = get_n(p + 16, 8),
		.started_ns = get_n(p + 24, 8),
		.info_hash = get_n(p + 48, 8),
	};
	memcpy(ret->recording, p + 32, 16);
	return 0;
}

void scope_frame_put(const struct scope_frame *f, uint8_t p[SCOPE_FRAME_HEAD])
{
	memcpy(p, FRAME_MAGIC, 4);
	p[4] = f->type;
	p[5] = PACKED_ZSTD;
	put16(p + 6, 0);
	put32(p + 8, f->raw_bytes);
	put32(p + 12, f->packed_bytes);
	put32(p + 16, f->sum.events);
	put32(p + 20, f->filter_bytes);
	put64(p + 24, f->sum.first_id);
	put64(p + 32, f->sum.last_id);
	put64(p + 40, f->sum.min_ts_ns);
	put64(p + 48, f->sum.max_ts_ns);
	put64(p + 56, f->sum.kinds);
	put64(p + 64, f->hash);
	put64(p + 72, scope_segment_hash(p, 72));
}

int scope_frame_get(const uint8_t p[SCOPE_FRAME_HEAD], struct scope_frame *ret)
{
	if (memcmp(p, FRAME_MAGIC, 4) != 0 || p[5] != PACKED_ZSTD ||
	    get_n(p + 72, 8) != scope_segment_hash(p, 72))
		return -EBADMSG;
	*ret = (struct scope_frame){
		.type = p[4],
		.raw_bytes = (uint32_t)get_n(p + 8, 4),
		.packed_bytes = (uint32_t)get_n(p + 12, 4),
		.filter_bytes = (uint32_t)get_n(p + 20, 4),
		.sum = { .events = (uint32_t)get_n(p + 16, 4),
			 .first_id = get_n(p + 24, 8),
			 .last_id = get_n(p + 32, 8),
			 .min_ts_ns = get_n(p + 40, 8),
			 .max_ts_ns = get_n(p + 48, 8),
			 .kinds = get_n(p + 56, 8) },
		.hash = get_n(p + 64, 8),
	};
	return 0;
}

uint64_t scope_frame_bytes(const struct scope_frame *f)
{
	return (SCOPE_FRAME_HEAD + (uint64_t)f->filter_bytes + f->packed_bytes +
		7) & ~7ull;
}

/* -- info ------------------------------------------------------------------ */

static void put_pixdata(struct scope_buf *out, const char *name,
			const struct scope_pixdata *p)
{
	scope_buf_printf(out, "%s %" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIu32
			 " %" PRIu32 "\n",
			 name, p->pix_mask, p->cl_mask, p->cli_mask,
			 p->cl_shift, p->cli_shift);
}

static const char *type_name(enum scope_type type)
{
	for (size_t i = 0; i < TYPES; i++)
		if (type_names[i].type == type)
			return type_names[i].name;
	return "none";
}

void scope_segment_info_put(const struct scope_segment_info *info,
			    struct scope_buf *out)
{
	scope_buf_printf(out, "otp %u\nnode %s\nos_pid %" PRId64 "\n",
			 info->otp, info->node, info->os_pid);
	put_pixdata(out, "procs", &info->procs);
	put_pixdata(out, "ports", &info->ports);
	for (unsigned i = 0; i < SCOPE_FIELD_MAX; i++)
		scope_buf_printf(out, "field %s %s\n", key_names[i],
				 type_name(scope_field_info(i)->type));
}

static int get_field(char *line, struct scope_block_keys *keys)
{
	char *type = strchr(line, ' ');
	size_t n = keys->n;

	if (!type || n == sizeof(keys->of) / sizeof(*keys->of))
		return -EBADMSG;
	*type++ = '\0';
	keys->of[n].key = SCOPE_FIELD_MAX;
	keys->of[n].type = UINT8_MAX;
	for (size_t i = 0; i < TYPES; i++)
		if (!strcmp(type_names[i].name, type))
			keys->of[n].type = type_names[i].type;
	for (unsigned i = 0; i < SCOPE_FIELD_MAX; i++)
		if (!strcmp(key_names[i], line) &&
		    scope_field_info(i)->type == keys->of[n].type)
			keys->of[n].key = (uint16_t)i;
	keys->n++;
	/* Values of a type that we do not know can't be stepped over. */
	return keys->of[n].type == UINT8_MAX ? -EPROTONOSUPPORT : 0;
}

static int get_pixdata(const char *line, struct scope_pixdata *ret)
{
	return sscanf(line, "%" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNu32
			    " %" SCNu32,
		      &ret->pix_mask, &ret->cl_mask, &ret->cli_mask,
		      &ret->cl_shift, &ret->cli_shift) == 5 ?
		       0 :
		       -EBADMSG;
}

static int get_line(char *line, struct scope_segment_info *info)
{
	char *value = strchr(line, ' ');

	if (!value)
		return -EBADMSG;
	*value++ = '\0';
	if (!strcmp(line, "otp"))
		info->otp = (unsigned)strtoul(value, NULL, 10);
	else if (!strcmp(line, "os_pid"))
		info->os_pid = strtoll(value, NULL, 10);
	else if (!strcmp(line, "node"))
		(void)snprintf(info->node, sizeof(info->node), "%s", value);
	else if (!strcmp(line, "procs"))
		return get_pixdata(value, &info->procs);
	else if (!strcmp(line, "ports"))
		return get_pixdata(value, &info->ports);
	else if (!strcmp(line, "field"))
		return get_field(value, &info->keys);
	return 0;
}

int scope_segment_info_get(const char *text, size_t len,
			   struct scope_segment_info *ret)
{
	scope_autofree char *copy = strndup(text, len);
	char *line, *rest = copy;
	int r = 0;

	if (!copy)
		return -ENOMEM;
	memset(ret, 0, sizeof(*ret));
	while (r == 0 && (line = strsep(&rest, "\n")) && *line)
		r = get_line(line, ret);
	return r;
}
