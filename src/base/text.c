/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int parse_u64(const char *text, uint64_t *ret_value)
{
	uint64_t v = 0;

	if (!text || !*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(v, 10, &v) ||
			__builtin_add_overflow(v, (uint64_t)(*text - '0'), &v))
			return -ERANGE;
	}
	*ret_value = v;
	return 0;
}

int parse_u32(const char *text, uint32_t *ret_value)
{
	uint64_t v;
	int r = parse_u64(text, &v);

	if (r < 0)
		return r;
	if (v > UINT32_MAX)
		return -ERANGE;
	*ret_value = (uint32_t)v;
	return 0;
}

int parse_duration(const char *text, uint64_t *ret_ns)
{
	static const struct {
		const char *unit;
		uint64_t ns;
	} units[] = {
		{ "ms", 1000000 },
		{ "s", 1000000000 },
		{ "min", 60 * 1000000000ULL },
		{ "m", 60 * 1000000000ULL },
		{ "h", 3600 * 1000000000ULL },
		{ "d", 86400 * 1000000000ULL },
		{ "", 1000000000 },
	};
	char digits[24];
	size_t n = strspn(text, "0123456789");
	uint64_t v;
	int r;

	if (n == 0 || n >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, text, n);
	digits[n] = '\0';
	r = parse_u64(digits, &v);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (!text_eq(text + n, units[i].unit))
			continue;
		if (__builtin_mul_overflow(v, units[i].ns, &v))
			return -ERANGE;
		*ret_ns = v;
		return 0;
	}
	return -EINVAL;
}

const char *duration_text(uint64_t ns, char ret_text[DURATION_TEXT_MAX])
{
	uint64_t s = ns / 1000000000;

	if (ns < 10 * 1000000000ULL)
		snprintf(ret_text, DURATION_TEXT_MAX, "%" PRIu64 " ms", ns / 1000000);
	else if (s < 120)
		snprintf(ret_text, DURATION_TEXT_MAX, "%" PRIu64 " s", s);
	else if (s < 7200)
		snprintf(ret_text, DURATION_TEXT_MAX, "%" PRIu64 " min", s / 60);
	else if (s < 48 * 3600)
		snprintf(ret_text, DURATION_TEXT_MAX, "%" PRIu64 " h", s / 3600);
	else
		snprintf(ret_text, DURATION_TEXT_MAX, "%" PRIu64 " d", s / 86400);
	return ret_text;
}

int text_copy(char *to, size_t size, const char *from)
{
	size_t n = strlen(from);
	size_t m = n < size ? n : size - 1;

	memcpy(to, from, m);
	to[m] = '\0';
	return n < size ? 0 : -ENAMETOOLONG;
}

bool text_matches(const char *text, const char *pattern)
{
	const char *star = NULL, *mark = NULL;

	while (*text) {
		if (*pattern == '*') {
			star = pattern++;
			mark = text;
		} else if (*pattern == '?' ||
			   tolower((unsigned char)*pattern) == tolower((unsigned char)*text)) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star + 1;
			text = ++mark;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

unsigned text_distance(const char *a, const char *b)
{
	unsigned row[64];
	size_t na = strnlen(a, 63), nb = strnlen(b, 63);

	for (size_t j = 0; j <= nb; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= na; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= nb; j++) {
			unsigned above = row[j];
			unsigned best = diagonal + (a[i - 1] != b[j - 1]);

			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = above;
			row[j] = best;
		}
	}
	return row[nb];
}

const char *text_nearest(const char *word, const char *const *words, size_t n)
{
	unsigned best = UINT_MAX;
	const char *nearest = NULL;

	for (size_t i = 0; i < n; i++) {
		unsigned distance = text_distance(word, words[i]);

		if (distance < best) {
			best = distance;
			nearest = words[i];
		}
	}
	/* A third of the letters wrong is another word. */
	return nearest && best <= 1 + strlen(nearest) / 4 && best < strlen(nearest) ? nearest
										    : NULL;
}

/* How many bytes the UTF-8 character at `p` has; 0: it is none; -1: it is cut off by the end. */
static int utf8_length(const unsigned char *p, size_t left)
{
	uint32_t code;
	int n;

	if (*p < 0x80)
		return 1;
	if (*p < 0xc2 || *p > 0xf4)
		return 0;
	n = *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
	code = *p & (0x7f >> n);
	for (int i = 1; i < n; i++) {
		if ((size_t)i == left)
			return -1;
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	if (code < (n == 2	    ? 0x80u
			   : n == 3 ? 0x800u
				    : 0x10000u) ||
		code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	return n;
}

size_t text_utf8_prefix(const char *text, size_t length)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t i = 0;

	while (i < length) {
		int n = utf8_length(p + i, length - i);

		if (n <= 0)
			break;
		i += (size_t)n;
	}
	return i;
}

void text_clean(char *text)
{
	unsigned char *p = (unsigned char *)text;
	size_t left = strlen(text);

	while (left) {
		int n = utf8_length(p, left);

		if (n < 0) {
			*p = '\0';
			return;
		}
		if (n == 0)
			*p = '?';
		else if (n == 1 && (*p < ' ' || *p == 0x7f))
			*p = ' ';
		else if (n == 2 && p[0] == 0xc2 && p[1] < 0xa0)
			p[0] = p[1] = ' '; /* a control character of the second kind */
		n = n ?: 1;
		p += n;
		left -= (size_t)n;
	}
}

static void out_of_memory(void)
{
	fputs("carve: out of memory\n", stderr);
	abort();
}

void *must_alloc(size_t n, size_t size)
{
	void *p = calloc(n ?: 1, size ?: 1);

	if (!p)
		out_of_memory();
	return p;
}

void *must_realloc(void *old, size_t n, size_t size)
{
	void *p = reallocarray(old, n ?: 1, size ?: 1);

	if (!p)
		out_of_memory();
	return p;
}

char *must_strdup(const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		out_of_memory();
	return copy;
}

char *must_asprintf(const char *format, ...)
{
	char *text;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		out_of_memory();
	va_end(args);
	return text;
}

void buf_done(struct buf *buf)
{
	free(buf->text);
	*buf = (struct buf){ 0 };
}

static void buf_reserve(struct buf *buf, size_t more)
{
	size_t want = buf->length + more + 1;

	if (want <= buf->room)
		return;
	buf->room = want < 2 * buf->room ? 2 * buf->room : want < 64 ? 64 : want;
	buf->text = must_realloc(buf->text, buf->room, 1);
}

void buf_add_n(struct buf *buf, const char *text, size_t n)
{
	buf_reserve(buf, n);
	memcpy(buf->text + buf->length, text, n);
	buf->length += n;
	buf->text[buf->length] = '\0';
}

void buf_add(struct buf *buf, const char *text)
{
	buf_add_n(buf, text, strlen(text));
}

void buf_addf(struct buf *buf, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n <= 0)
		return;
	buf_reserve(buf, (size_t)n);
	va_start(args, format);
	vsnprintf(buf->text + buf->length, (size_t)n + 1, format, args);
	va_end(args);
	buf->length += (size_t)n;
}

void buf_clear(struct buf *buf)
{
	buf->length = 0;
	if (buf->text)
		buf->text[0] = '\0';
}

char *buf_take(struct buf *buf)
{
	char *text = buf->text ?: must_strdup("");

	*buf = (struct buf){ 0 };
	return text;
}
