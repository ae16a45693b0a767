/* SPDX-License-Identifier: MIT */
/*
 * term_int: what the three printers share: looking words up in the image, and
 * reading what a word stands for.
 *
 * An image is whatever a probe copied while the target was running, so nothing
 * in it is believed: every address is looked up, every count is bounded by what
 * is there, and every walk has an end of its own.
 */
#ifndef SCOPE_BEAM_TERM_INT_H
#define SCOPE_BEAM_TERM_INT_H

#include "beam/term.h"

/* Lookups and segments looked at in one print; past it, nothing is in the
 * image any more. A thousand times what a real term of the greatest size takes;
 * hostile ones, where everything points to everything, end here. */
#define SCOPE_TERM_WORK (4u << 20)

struct scope_syntax_ops;

struct scope_put {
	const struct scope_syntax_ops *ops;
	struct scope_vm *vm;
	const struct scope_layout *l;
	const struct scope_image *image;
	struct scope_buf *out;
	unsigned met;	/* SCOPE_TERM_* */
	unsigned depth;
	unsigned work; /* done, up to SCOPE_TERM_WORK */
	/* where the last lookup hit: most follow each other */
	uint64_t hit_addr;
	uint64_t hit_bytes;
	const uint64_t *hit;
};

enum scope_what {
	SCOPE_IS_TORN, /* makes no sense */
	SCOPE_IS_CUT,  /* not in the image */
	SCOPE_IS_SMALL,
	SCOPE_IS_BIG,
	SCOPE_IS_FLOAT,
	SCOPE_IS_ATOM,
	SCOPE_IS_NIL,
	SCOPE_IS_LIST,
	SCOPE_IS_TUPLE,
	SCOPE_IS_MAP,
	SCOPE_IS_BITS,
	SCOPE_IS_IDENT, /* pid, port, reference, of here or elsewhere */
	SCOPE_IS_FUN,
	SCOPE_IS_EXPORT,
	SCOPE_IS_RECORD,
};

struct scope_view {
	enum scope_what what;
	uint64_t word;	 /* the term */
	uint64_t addr;	 /* of the cons or boxed object */
	uint64_t header; /* boxed objects only */
};

/* A syntax: how each sort of term is written. Containers write what they hold
 * with scope_put_term, which chooses by sort and keeps the depth. */
struct scope_syntax_ops {
	void (*cut)(struct scope_put *p);
	void (*torn)(struct scope_put *p);
	void (*nil)(struct scope_put *p);
	void (*atom)(struct scope_put *p, uint64_t atom);
	void (*list)(struct scope_put *p, uint64_t list);
	/* small, big, float */
	void (*number)(struct scope_put *p, const struct scope_view *v);
	void (*bits)(struct scope_put *p, const struct scope_view *v);
	void (*ident)(struct scope_put *p, const struct scope_view *v);
	/* local and external */
	void (*fun)(struct scope_put *p, const struct scope_view *v);
	void (*tuple)(struct scope_put *p, const struct scope_view *v);
	void (*map)(struct scope_put *p, const struct scope_view *v);
	void (*record)(struct scope_put *p, const struct scope_view *v);
};

void scope_put_term(struct scope_put *p, uint64_t term);

struct scope_view scope_look(struct scope_put *p, uint64_t word);

/* The word at an aligned address; false: not in the image. */
bool scope_word_at(struct scope_put *p, uint64_t addr, uint64_t *ret);
/* As many of the n bytes at any address as the image has, from the start. */
size_t scope_bytes_at(struct scope_put *p, uint64_t addr, void *buf, size_t n);

/* One step down or up; false at SCOPE_TERM_DEPTH. */
bool scope_down(struct scope_put *p);
void scope_up(struct scope_put *p);

/* scope_term_list_next with the cached lookup. */
int scope_cons_next(struct scope_put *p, uint64_t *list, uint64_t *ret_head);
/* No list in the image is longer, unless it is a ring. */
size_t scope_cons_max(const struct scope_put *p);

/* A list of characters that `printable` takes: how many, 0 when it is none.
 * *ret_cut: the image ends before the list does. */
size_t scope_charlist_len(struct scope_put *p, uint64_t list,
			  bool (*printable)(uint32_t cp), bool *ret_cut);

/* A bitstring: its first bytes, shifted into place. */
struct scope_bits {
	uint64_t bits; /* its size */
	size_t bytes;  /* how many whole bytes of it are in data */
	unsigned tail; /* bits in the byte after those, if it got that far */
	bool cut;      /* there is more than what is in data */
	uint8_t data[SCOPE_BIN_BYTES + 8];
};

/* False: torn. */
bool scope_bits_of(struct scope_put *p, const struct scope_view *v,
		   struct scope_bits *ret);

/* Pids, ports and references as numbers. */
enum scope_ident_type { SCOPE_ID_PID, SCOPE_ID_PORT, SCOPE_ID_REF };
struct scope_ident {
	enum scope_ident_type type;
	unsigned n;
	uint64_t num[6]; /* as they are printed: the node's first */
};
/* 0, -ENODATA, -EINVAL. */
int scope_ident_of(struct scope_put *p, const struct scope_view *v,
		   struct scope_ident *ret);
/* The numbers with dots between them. */
void scope_ident_put(struct scope_put *p, const struct scope_ident *id);

/* Funs. 0, -ENODATA, -EINVAL. */
struct scope_fun {
	uint64_t module;   /* atom */
	uint64_t function; /* atom; exports only */
	uint64_t arity;
	int32_t index, old_uniq, old_index;
};
int scope_fun_of(struct scope_put *p, const struct scope_view *v,
		 struct scope_fun *ret);

/* Native records: module, name, and fields in the order of declaration. */
#define SCOPE_RECORD_FIELDS_MAX 255
struct scope_record {
	uint64_t module, name; /* atoms */
	uint64_t keys, values; /* addresses */
	unsigned n;
	unsigned key_step;	/* bytes from one key to the next */
	unsigned have_order;	/* whether order[] is known */
	uint8_t order[SCOPE_RECORD_FIELDS_MAX]; /* positions in keys, values */
};
int scope_record_of(struct scope_put *p, const struct scope_view *v,
		    struct scope_record *ret);
/* Field i, in order of declaration. 0, -ENODATA. */
int scope_record_field(struct scope_put *p, const struct scope_record *rec,
		       unsigned i, uint64_t *ret_key, uint64_t *ret_value);

/* Integers above 60 bits, in decimal. False: not all of it is in the image. */
bool scope_big_put(struct scope_put *p, const struct scope_view *v);
/* Floats: shortest text that reads back as the same. */
bool scope_float_of(struct scope_put *p, const struct scope_view *v,
		    double *ret);
void scope_float_put(struct scope_buf *out, double d);

/*
 * Maps. A flat map's pairs come in stored order, a hash map's in that of the
 * tree, as maps:iterator/1 gives them, or from its end (`reverse`), as
 * maps:to_list/1 gives them.
 */
#define SCOPE_MAP_LEVELS 40 /* of a hash map's tree; 16 with 60-bit hashes */
struct scope_map_walk {
	uint64_t size;
	bool flat, reverse;
	bool missing; /* parts of it are not in the image */
	uint64_t keys, values; /* flat: addresses */
	uint64_t key_addr, value_addr; /* of the pair found last */
	uint64_t i;
	unsigned level;
	struct {
		uint64_t kids; /* address */
		uint32_t n, i;
	} stack[SCOPE_MAP_LEVELS];
};
/* False: torn. */
bool scope_map_begin(struct scope_put *p, const struct scope_view *v,
		     bool reverse, struct scope_map_walk *w);
/* 1: a pair; 0: the end; -ENODATA: the end of what is in the image; -EINVAL. */
int scope_map_pair(struct scope_put *p, struct scope_map_walk *w,
		   uint64_t *ret_key, uint64_t *ret_value);

/* The syntaxes. */
extern const struct scope_syntax_ops scope_erlang_ops;
extern const struct scope_syntax_ops scope_elixir_ops;
extern const struct scope_syntax_ops scope_json_ops;
void scope_erlang_ident(struct scope_put *p, const struct scope_ident *id);
void scope_elixir_ident(struct scope_put *p, const struct scope_ident *id);

/* What +pc latin1, the default, takes for text. */
bool scope_latin1_printable(uint32_t cp);
/* A code point as UTF-8. */
void scope_cp_put(struct scope_buf *out, uint32_t cp);

#endif
