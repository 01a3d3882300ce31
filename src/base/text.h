/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Strings: comparing, strict parsing of numbers, and a buffer that grows. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

static inline bool text_eq(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

static inline bool text_starts(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* The whole of `text` as a decimal number: -EINVAL if it is not one, -ERANGE if it is too large. */
int parse_u64(const char *text, uint64_t *ret_value);
int parse_u32(const char *text, uint32_t *ret_value);

/* "90s", "15m", "4h", "2d" or a bare number of seconds, in nanoseconds: -EINVAL or -ERANGE. */
int parse_duration(const char *text, uint64_t *ret_ns);

/* Nanoseconds as a person writes them: "250 ms", "90 s", "15 min", "4 h". */
#define DURATION_TEXT_MAX 32
const char *duration_text(uint64_t ns, char ret_text[DURATION_TEXT_MAX]);

/* Copies what fits, always ends with NUL; -ENAMETOOLONG if it did not fit. */
int text_copy(char *to, size_t size, const char *from);

/* Case-insensitive match of a pattern with * and ? against the whole of `text`. */
bool text_matches(const char *text, const char *pattern);

/* The edit distance of two short words (at most 63 characters count): for "did you mean". */
unsigned text_distance(const char *a, const char *b);
/* The word of the list that was probably meant, or NULL if none is near. */
const char *text_nearest(const char *word, const char *const *words, size_t n);

/*
 * Makes a text fit to be shown in one line: control characters become spaces, what is not valid
 * UTF-8 becomes '?'. A character that was cut off at the end is removed.
 */
void text_clean(char *text);
/* How many bytes of it, from the start, are valid UTF-8. */
size_t text_utf8_prefix(const char *text, size_t length);

/*
 * A growing string. { 0 } is the empty one; buf->text is NULL until something was added, after that
 * it ends with NUL. Memory that cannot be had ends the process (there is no way on from there).
 */
struct buf {
	char *text;
	size_t length, room;
};

void buf_done(struct buf *buf);
void buf_add(struct buf *buf, const char *text);
void buf_add_n(struct buf *buf, const char *text, size_t n);
void buf_addf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_clear(struct buf *buf);
/* The text, never NULL; owned by the caller (free); the buffer is empty afterwards. */
char *buf_take(struct buf *buf);
/* The text as it is now, never NULL; borrowed. */
static inline const char *buf_text(const struct buf *buf)
{
	return buf->text ?: "";
}
#define AUTO_BUF __attribute__((cleanup(buf_done))) struct buf

/* Allocation that ends the process where it fails: small objects of programs that own their
 * process. */
void *must_alloc(size_t n, size_t size);
void *must_realloc(void *old, size_t n, size_t size);
char *must_strdup(const char *text);
char *must_asprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));
