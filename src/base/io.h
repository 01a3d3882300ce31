/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Files and descriptors: whole reads and writes, directories, and the monotonic clock. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

/* Monotonic nanoseconds; and nanoseconds since 1970. */
uint64_t now_ns(void);
uint64_t wall_ns(void);

/*
 * The whole of a (small, maybe virtual) file as a string that the caller frees; `at` is a directory
 * descriptor or AT_FDCWD. More than `max` bytes are -EFBIG.
 */
int read_file_at(int at, const char *path, size_t max, char **ret_text, size_t *ret_length);

/* Replaces a file by way of a temporary one beside it and rename(2); `mode` as in open(2). */
int write_file_atomic(
	const char *path, const char *text, size_t length, unsigned mode, struct error *err);

/* Writes all or fails with a negative errno; interrupted calls go on. */
int write_all(int fd, const void *data, size_t length);

/* Makes a directory and its parents, as mkdir -p; those that exist stay as they are. */
int make_dirs(const char *path, unsigned mode, struct error *err);

/* Closes every descriptor from `first` on. */
void close_from(int first);
