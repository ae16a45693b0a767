/* SPDX-License-Identifier: MIT */
/* auto: release at the end of the scope. */
#ifndef SCOPE_AUTO_H
#define SCOPE_AUTO_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void scope_freep(void *p)
{
	free(*(void **)p);
}

static inline void scope_closep(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static inline void scope_fclosep(FILE **f)
{
	if (*f)
		(void)fclose(*f);
}

#define scope_autofree __attribute__((cleanup(scope_freep)))
#define scope_autoclose __attribute__((cleanup(scope_closep)))
#define scope_autofclose __attribute__((cleanup(scope_fclosep)))

/* For `struct T` with `void T_free(struct T *)`, NULL allowed. */
#define SCOPE_AUTO(T)                                                          \
	static inline void T##_freep(struct T **p)                             \
	{                                                                      \
		T##_free(*p);                                                  \
	}
#define scope_auto(T) __attribute__((cleanup(T##_freep))) struct T *

#define scope_take(p)                                                          \
	__extension__({                                                        \
		__typeof__(p) taken_ = (p);                                    \
		(p) = NULL;                                                    \
		taken_;                                                        \
	})

#endif
