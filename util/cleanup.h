/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Ownership of local variables: owned(x) frees at the end of the scope, take() hands over.
 *
 *	owned(session) s = calloc(1, sizeof(*s));
 *	...
 *	*ret = take(s);
 */

#include <stdlib.h>
#include <unistd.h>

/** owned() - declare a pointer to struct @name that @name##_free() frees at the end of the scope */
#define owned(name) __attribute__((cleanup(name##_freep))) struct name *

/** DEFINE_OWNED() - make owned(@name) possible; @name##_free() must accept NULL */
#define DEFINE_OWNED(name) \
	static inline void name##_freep(struct name **p) \
	{ \
		name##_free(*p); \
	} \
	struct name

/** take() - the value of an owned pointer; the variable is NULL afterwards */
#define take(p) \
	({ \
		__typeof__(p) *take_p_ = &(p); \
		__typeof__(p) take_v_ = *take_p_; \
		*take_p_ = NULL; \
		take_v_; \
	})

/** take_fd() - the descriptor in an owned_fd variable; the variable is -1 afterwards */
#define take_fd(fd) \
	({ \
		int take_fd_ = (fd); \
		(fd) = -1; \
		take_fd_; \
	})

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/** owned_memory - for plain malloc()ed memory: owned_memory char *text = strdup(…); */
#define owned_memory __attribute__((cleanup(cleanup_free)))

/** owned_fd - for file descriptors, -1 when empty: owned_fd int fd = -1; */
#define owned_fd __attribute__((cleanup(cleanup_close)))

#define container_of(pointer, type, member) \
	((type *)((char *)(pointer) - __builtin_offsetof(type, member)))

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* A number of its own for each use, so that MIN() may stand inside MIN() without shadowing. */
#define PASTE_(a, b) a##b
#define PASTE(a, b)  PASTE_(a, b)

#define CHOOSE_(a, b, operator, unique) \
	({ \
		__auto_type PASTE(a_, unique) = (a); \
		__auto_type PASTE(b_, unique) = (b); \
		PASTE(a_, unique) \
		operator PASTE(b_, unique) ? PASTE(a_, unique) : PASTE(b_, unique); \
	})

/** MIN(), MAX() - of two values of one type; each is evaluated once */
#define MIN(a, b) CHOOSE_(a, b, <, __COUNTER__)
#define MAX(a, b) CHOOSE_(a, b, >, __COUNTER__)
