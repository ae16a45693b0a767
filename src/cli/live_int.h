/* SPDX-License-Identifier: MIT */
/* live_int: what the parts of the live view share: state, keys, drawing. */
#ifndef SCOPE_CLI_LIVE_INT_H
#define SCOPE_CLI_LIVE_INT_H

#include "cli/live.h"
#include "cli/live_model.h"

#define SCOPE_LINES 256u      /* newest events kept */
#define SCOPE_LINE_BYTES 512u /* of one of them; cut */
#define SCOPE_FILTER_BYTES 64u
#define SCOPE_NOTE_BYTES 256u

struct scope_line {
	enum scope_kind kind;
	uint16_t len;
	char text[SCOPE_LINE_BYTES];
};

struct scope_live {
	struct scope_sink sink; /* first: the sink is the object */
	struct scope_live_opts opts;
	struct scope_model *model;  /* owned */
	struct scope_model *frozen; /* owned: shown while paused */

	struct scope_line *recent; /* owned: a ring of SCOPE_LINES */
	uint64_t nrecent;	  /* ever put in */
	unsigned budget;	  /* lines still put in before the next frame */
	uint64_t unshown;	  /* events without one since the last frame */
	uint64_t unshown_last;	  /* the same of the frame before */

	uint64_t start_ns; /* first tick; 0: none yet */
	uint64_t frame_ns; /* last frame; 0: one is due */
	uint64_t frozen_ns; /* when the view was paused */
	uint64_t keys_ns;  /* last look at the keyboard */
	bool is_attached;  /* node.attach was seen */
	uint64_t node;	   /* its name, an Eterm atom; 0: opts.node */

	enum scope_sort sort;
	bool is_reversed, hides_events, shows_help, is_typing;
	char filter[SCOPE_FILTER_BYTES];
	char note[SCOPE_NOTE_BYTES]; /* progress, until attached */
	const uint64_t *pids;	     /* of the model: the view */
	size_t npids, sel, top;
	size_t page; /* rows that the table shows */
};

/* What the screen shows. */
static inline struct scope_model *scope_live_shown(struct scope_live *l)
{
	return l->frozen ? l->frozen : l->model;
}

/* A column of the table; its key sorts by it. */
struct scope_column {
	const char *title;
	const char *says;
	int width;
	enum scope_sort sort;
	char key;
};
#define SCOPE_COLUMNS 7
extern const struct scope_column scope_columns[SCOPE_COLUMNS];

/* live_text.c: text of events, processes and numbers. */
void scope_live_event_text(struct scope_live *l, const struct scope_event *ev,
			   struct scope_buf *out);
/* Its name, else its initial call, else nothing. */
void scope_live_row_label(struct scope_live *l, const struct scope_row *r,
			  struct scope_buf *out);
void scope_live_row_text(struct scope_live *l, const struct scope_row *r,
			 struct scope_buf *out);
bool scope_live_match(void *live, const struct scope_row *r);
/* Why the screen shows nothing, or nothing new; "" when it does. */
void scope_live_why(struct scope_live *l, uint64_t now_ns,
		    struct scope_buf *out);

/* live_draw.c */
void scope_live_draw(struct scope_live *l, uint64_t now_ns);

/* live_keys.c: true when something changed. */
bool scope_live_keys(struct scope_live *l);

#endif
