/* SPDX-License-Identifier: MIT */
/* tsv: lines of fields that are parted by one tab, cut up in place. */
#ifndef SCOPE_TARGET_TSV_H
#define SCOPE_TARGET_TSV_H

#include <string.h>

/* The next field of a line, which is cut off there; NULL: there is none, or it
 * is empty. *at: the rest; NULL: nothing is left. */
static inline char *scope_tsv_field(char **at)
{
	char *p = *at, *tab;

	if (!p || !*p)
		return NULL;
	tab = strchr(p, '\t');
	if (tab)
		*tab++ = '\0';
	*at = tab;
	return *p ? p : NULL;
}

#endif
