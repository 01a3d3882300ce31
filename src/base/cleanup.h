/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Scope-bound release of memory, descriptors and streams. */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(function) __attribute__((cleanup(function)))

/* Defines NAME_cleanup(TYPE *), which releases with FUNCTION what is not the empty value. */
#define DEFINE_CLEANUP(type, function)                                                             \
	static inline void function##_cleanup(type *what)                                          \
	{                                                                                          \
		if (*what)                                                                         \
			function(*what);                                                           \
	}

static inline void free_cleanup(void *what)
{
	free(*(void **)what);
}

static inline void close_cleanup(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void fclose_cleanup(FILE **stream)
{
	if (*stream)
		fclose(*stream);
}

#define AUTO_FREE   CLEANUP(free_cleanup)
#define AUTO_CLOSE  CLEANUP(close_cleanup)
#define AUTO_FCLOSE CLEANUP(fclose_cleanup)

/* Moves a pointer or descriptor out of its scope: the variable gets its "nothing yet" value. */
#define TAKE_PTR(pointer)                                                                          \
	({                                                                                         \
		__typeof__(pointer) *take_from_ = &(pointer);                                      \
		__typeof__(pointer) taken_ = *take_from_;                                          \
		*take_from_ = NULL;                                                                \
		taken_;                                                                            \
	})
#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int *take_from_ = &(fd);                                                           \
		int taken_ = *take_from_;                                                          \
		*take_from_ = -1;                                                                  \
		taken_;                                                                            \
	})
