/* SPDX-License-Identifier: Apache-2.0 */
#include "client/http.h"

#include "base/error.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* One header line, without its line end. */
struct field {
	const char *name, *value;
	size_t name_length, value_length;
};

static bool field_is(const struct field *field, const char *name)
{
	return field->name_length == strlen(name) &&
	       strncasecmp(field->name, name, field->name_length) == 0;
}

static bool value_is(const struct field *field, const char *value)
{
	return field->value_length == strlen(value) &&
	       strncasecmp(field->value, value, field->value_length) == 0;
}

static int field_split(const char *line, size_t length, struct field *ret_field)
{
	const char *colon = memchr(line, ':', length), *end = line + length, *value;

	if (!colon || colon == line)
		return -EBADMSG;
	for (const char *p = line; p < colon; p++)
		if (!isgraph((unsigned char)*p))
			return -EBADMSG;
	value = colon + 1;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*ret_field = (struct field){
		.name = line,
		.name_length = (size_t)(colon - line),
		.value = value,
		.value_length = (size_t)(end - value),
	};
	return 0;
}

/* Digits and nothing else, at most HTTP_BODY_MAX. */
static int length_read(const char *text, size_t n, size_t *ret_length)
{
	size_t v = 0;

	if (n == 0)
		return -EBADMSG;
	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EBADMSG;
		v = v * 10 + (size_t)(text[i] - '0');
		if (v > HTTP_BODY_MAX)
			return -EFBIG;
	}
	*ret_length = v;
	return 0;
}

/* "HTTP/1.1 200 OK" */
static int status_read(const char *line, size_t length, struct http_head *head)
{
	if (length < 12 || memcmp(line, "HTTP/1.", 7) != 0 || (line[7] != '0' && line[7] != '1') ||
		line[8] != ' ' || (length > 12 && line[12] != ' '))
		return -EBADMSG;
	for (int i = 9; i < 12; i++)
		if (line[i] < '0' || line[i] > '9')
			return -EBADMSG;
	head->status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
	head->is_last = line[7] == '0';
	return head->status >= 100 && head->status < 600 ? 0 : -EBADMSG;
}

static int field_take(
	const struct field *field, struct http_head *head, bool *has_length, struct error *err)
{
	if (field_is(field, "transfer-encoding"))
		return error_set(err, -EBADMSG, "the answer has a transfer encoding");
	if (field_is(field, "connection")) {
		if (value_is(field, "close"))
			head->is_last = true;
		return 0;
	}
	if (field_is(field, "content-length")) {
		size_t length;
		int r = length_read(field->value, field->value_length, &length);

		if (r < 0)
			return error_set(err, -EBADMSG, "the answer's length is %s",
				r == -EFBIG ? "beyond all measure" : "no number");
		if (*has_length && length != head->content_length)
			return error_set(err, -EBADMSG, "the answer has two lengths");
		head->content_length = length;
		*has_length = true;
	}
	return 0;
}

int http_head_read(const char *data, size_t length, struct http_head *ret_head, struct error *err)
{
	size_t seen = length < HTTP_HEAD_MAX ? length : HTTP_HEAD_MAX;
	const char *line = data, *end = data + seen;
	struct http_head head = { 0 };
	bool has_length = false;

	for (bool is_first = true;; is_first = false) {
		const char *stop = line < end ? memchr(line, '\n', (size_t)(end - line)) : NULL;
		struct field field;
		size_t n;
		int r;

		if (!stop && seen < HTTP_HEAD_MAX)
			return HTTP_E_MORE;
		if (!stop)
			return error_set(err, -EBADMSG, "the answer's head does not end");
		n = (size_t)(stop - line);
		if (n == 0 || line[n - 1] != '\r')
			return error_set(err, -EBADMSG, "the answer is not HTTP");
		n--;
		if (n == 0 && !is_first)
			break;
		r = is_first ? status_read(line, n, &head) : field_split(line, n, &field);
		if (r < 0)
			return error_set(err, r, "the answer is not HTTP");
		if (!is_first) {
			r = field_take(&field, &head, &has_length, err);
			if (r < 0)
				return r;
		}
		line = stop + 1;
	}
	head.head_length = (size_t)(line + 2 - data);
	if (!has_length && head.status >= 200 && head.status != 204 && head.status != 304)
		return error_set(err, -EBADMSG, "the answer has no length");
	*ret_head = head;
	return 0;
}

int http_question_write(
	char *to, size_t room, const char *method, const char *path, size_t body_length)
{
	int n;

	for (const char *p = method; *p; p++)
		if (!isupper((unsigned char)*p))
			return -EINVAL;
	for (const char *p = path; *p; p++)
		if (!isgraph((unsigned char)*p))
			return -EINVAL;
	if (path[0] != '/')
		return -EINVAL;
	n = snprintf(to, room,
		"%s %s HTTP/1.1\r\nHost: carve\r\nContent-Type: application/json\r\n"
		"Content-Length: %zu\r\n\r\n",
		method, path, body_length);
	return n >= 0 && (size_t)n < room ? n : -ENAMETOOLONG;
}

int http_segment_encode(char *to, size_t room, const char *segment)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t n = 0;

	for (const unsigned char *p = (const unsigned char *)segment; *p; p++) {
		if (n + 4 > room)
			return -ENAMETOOLONG;
		if (isalnum(*p) || strchr("-._~:@", *p)) {
			to[n++] = (char)*p;
			continue;
		}
		to[n++] = '%';
		to[n++] = hex[*p >> 4];
		to[n++] = hex[*p & 15];
	}
	if (n + 1 > room)
		return -ENAMETOOLONG;
	to[n] = '\0';
	return 0;
}
