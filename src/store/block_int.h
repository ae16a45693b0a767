/* SPDX-License-Identifier: MIT */
/* block_int: the columns, which the two sides of block.h share. */
#ifndef SCOPE_STORE_BLOCK_INT_H
#define SCOPE_STORE_BLOCK_INT_H

#include "store/block.h"

enum {
	COL_KIND = 0,
	COL_TIME,
	COL_WALL,
	COL_ID,
	COL_SCHED,
	COL_PID,
	COL_NAME,
	COL_NODE,
	COL_SHAPE,
	COL_IMAGE,
	COL_SEGS,
	COL_WORDS,
	COL_RAW,
	COL_SHAPES,
	COL_DICT,
	COL_ATOMS,
	COL_TEXTS,
	COL_FIELD = 20,
	COL_MAX = COL_FIELD + 256,
};
_Static_assert(SCOPE_FIELD_MAX <= 256, "more fields than a block has room for");

/* Of a shape's flags. */
#define SHAPE_CUT 1u
#define SHAPE_REDACTED 2u

#define SHAPES_MAX 4096u
#define SCOPE_BLOCK_PLACE_MASK 0xffff000000000000ull
#define SCOPE_BLOCK_NO_PLACE UINT64_MAX

#endif
