/* SPDX-License-Identifier: MIT */
#include "target/stack.h"

#include <string.h>

#include "beam/vm.h"
#include "target/target_int.h"

#define TRIES 8
#define FRAMES_FIRST 32
/* Bits of Process.state (erl_process.h, ERTS_PSFLG_*): RUNNING, RUNNING_SYS,
 * DIRTY_RUNNING, DIRTY_RUNNING_SYS. */
#define STATE_RUNS (1u << 15 | 1u << 21 | 1u << 29 | 1u << 30)

void scope_stack_done(struct scope_stack *s)
{
	free(s->words);
	free(s->frames);
	*s = (struct scope_stack){ 0 };
}

/* -- from words to frames -------------------------------------------------- */

static int add_frame(struct scope_stack *s, size_t *cap, uint64_t addr,
		     bool is_return, bool is_own, size_t y)
{
	if (s->nframes == *cap) {
		size_t more = *cap ? 2 * *cap : FRAMES_FIRST;
		struct scope_stack_frame *f =
			realloc(s->frames, more * sizeof(*f));

		if (!f)
			return -ENOMEM;
		s->frames = f;
		*cap = more;
	}
	s->frames[s->nframes++] = (struct scope_stack_frame){
		.addr = addr,
		.is_return = is_return,
		.is_own = is_own,
		.y = (uint32_t)y,
	};
	return 0;
}

/* A frame pointer is 0 or leads further up the same stack. */
static bool is_frame_pointer(const struct scope_stack *s, uint64_t w)
{
	return w == 0 || (w > s->at && w < s->hend && (w & 7) == 0);
}

int scope_stack_walk(struct scope_stack *s, bool has_frame_pointers,
		     uint64_t pc, size_t max_frames,
		     int (*is_code)(void *arg, uint64_t word), void *arg)
{
	struct scope_stack_frame *last;
	size_t cap = 0;
	int r;

	s->nframes = 0;
	s->odd = 0;
	s->is_whole = false;
	r = add_frame(s, &cap, pc, false, false, 0);
	for (size_t i = 0; r == 0 && i < s->nwords; i++) {
		const uint64_t w = s->words[i];
		/* Erlang's calls return to aligned code; the JIT's calls of its
		 * own fragments (fragment_call) anywhere. */
		bool may_be = (SCOPE_TAG(w) == SCOPE_TAG_HEADER && w) ||
			      (i == 0 && s->in_fragment);
		int code = may_be ? is_code(arg, w) : 0;

		s->is_whole = code == 2 && i + 1 == s->words_all;
		last = &s->frames[s->nframes - 1];
		if (!code) {
			s->odd += SCOPE_TAG(w) == SCOPE_TAG_HEADER;
			last->ny++;
			continue;
		}
		if (has_frame_pointers && last->ny &&
		    is_frame_pointer(s, s->words[i - 1])) {
			last->ny--;
			s->odd--;
		}
		if (max_frames && s->nframes >= max_frames) {
			s->is_cut = true;
			break;
		}
		r = add_frame(s, &cap, w, true, code == 2, i + 1);
	}
	return r;
}

/* -- of a process ---------------------------------------------------------- */

static uint64_t u64_at(const uint8_t *p, uint32_t off)
{
	uint64_t v;

	memcpy(&v, p + off, sizeof(v));
	return v;
}

/* What changes when a process runs, or is collected. */
static void take_mark(const struct scope_layout *l, const uint8_t *p,
		      uint8_t mark[48])
{
	uint32_t state;

	memcpy(&state, p + l->p_state, sizeof(state));
	state &= STATE_RUNS;
	memset(mark, 0, 48);
	memcpy(mark, p, 8);
	memcpy(mark + 8, p + l->p_htop, 16); /* and stop */
	memcpy(mark + 24, p + l->p_hend, 8);
	memcpy(mark + 32, p + l->p_reds, 8);
	memcpy(mark + 40, &state, 4);
}

static int read_struct(struct scope_target *t, struct scope_stack *s,
		       uint8_t *buf)
{
	const struct scope_layout *l = &t->layout;
	int r = scope_target_read(t, s->proc, buf, l->p_size);

	if (r < 0)
		return r;
	if (u64_at(buf, 0) != s->pid)
		return -ESRCH;
	s->i = u64_at(buf, l->p_i);
	s->current = u64_at(buf, l->p_current);
	memcpy(&s->state, buf + l->p_state, sizeof(s->state));
	s->at = u64_at(buf, l->p_stop);
	s->heap = u64_at(buf, l->p_heap);
	s->hend = u64_at(buf, l->p_hend);
	take_mark(l, buf, s->mark);
	return 0;
}

bool scope_stack_same(struct scope_target *t, const struct scope_stack *s)
{
	scope_autofree uint8_t *buf = malloc(t->layout.p_size);
	uint8_t mark[48];

	if (!buf || (s->state & STATE_RUNS) ||
	    scope_target_read(t, s->proc, buf, t->layout.p_size) < 0)
		return false;
	take_mark(&t->layout, buf, mark);
	return memcmp(mark, s->mark, sizeof(mark)) == 0;
}

static int read_words(struct scope_target *t, struct scope_stack *s,
		      const struct scope_stack_opts *opts)
{
	size_t most = opts->words ? opts->words : SCOPE_STACK_WORDS;
	size_t have = opts->e ? opts->copied : 0;

	if (opts->e)
		s->at = opts->e;
	if ((s->at & 7) || (s->hend & 7) || s->at > s->hend ||
	    s->hend - s->at > 8ull * SCOPE_STACK_WORDS)
		return -EBADMSG;
	s->words_all = (size_t)(s->hend - s->at) / 8;
	s->nwords = s->words_all < most ? s->words_all : most;
	s->is_cut = s->nwords < s->words_all;
	free(s->words);
	s->words = malloc(8 * s->nwords + 8);
	if (!s->words)
		return -ENOMEM;
	if (have > s->nwords)
		have = s->nwords;
	if (have)
		memcpy(s->words, opts->copy, 8 * have);
	return s->nwords > have ?
		       scope_target_read(t, s->at + 8 * have, s->words + have,
					 8 * (s->nwords - have)) :
		       0;
}

static int is_code(void *arg, uint64_t word)
{
	struct scope_named f;

	if (scope_naming_return(arg, word, &f) < 0 ||
	    f.kind == SCOPE_NAMED_NATIVE)
		return 0;
	return f.kind == SCOPE_NAMED_OWN ? 2 : 1;
}

static int read_once(struct scope_target *t,
		     const struct scope_stack_opts *opts, struct scope_stack *s,
		     uint8_t *buf)
{
	int r = read_struct(t, s, buf);

	return r < 0 ? r : read_words(t, s, opts);
}

int scope_stack_read(struct scope_target *t, struct scope_naming *n,
		     const struct scope_proc *p,
		     const struct scope_stack_opts *opts,
		     struct scope_stack *ret_stack)
{
	scope_autofree uint8_t *buf = malloc(t->layout.p_size);
	struct scope_stack s = { .pid = p->pid, .proc = p->addr };
	int r = buf ? -EAGAIN : -ENOMEM;

	for (int i = 0; i < TRIES && r != -ENOMEM && r != -ESRCH; i++) {
		r = read_once(t, opts, &s, buf);
		s.is_torn = r < 0 || !scope_stack_same(t, &s);
		/* One that runs is never the same. */
		if (r == 0 && (!s.is_torn || (s.state & STATE_RUNS)))
			break;
	}
	if (r == 0) {
		uint64_t pc = opts->pc ? opts->pc : s.i;
		struct scope_named f;

		s.in_fragment = opts->e && scope_naming_find(n, pc, &f) == 0 &&
				f.kind == SCOPE_NAMED_FRAGMENT;
		r = scope_stack_walk(&s, scope_naming_has_frame_pointers(n), pc,
				     opts->frames, is_code, n);
	}
	if (r < 0) {
		scope_stack_done(&s);
		return r;
	}
	s.frames[0].is_return = opts->pc && opts->pc_is_return;
	*ret_stack = s;
	return 0;
}
