/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* HTTP/1.1 as much as a client of carved needs: a question's head written, an answer's head read.
 */

#include <stdbool.h>
#include <stddef.h>

struct error;

enum {
	HTTP_HEAD_MAX = 16 * 1024, /* longer heads are no answer of carved's */
	HTTP_BODY_MAX = 64 * 1024 * 1024,
};

/* What an answer's head says. */
struct http_head {
	int status;	       /* 100..599 */
	bool is_last;	       /* the connection ends after this answer */
	size_t head_length;    /* up to and with the empty line */
	size_t content_length; /* of the body that follows */
};

/*
 * Reads the head at the start of `data`. 0; HTTP_E_MORE if it is not whole yet; -EBADMSG with the
 * sentence if it is no head that this client understands (chunked bodies are not).
 */
enum { HTTP_E_MORE = 1 };
int http_head_read(const char *data, size_t length, struct http_head *ret_head, struct error *err);

/*
 * Writes the head of a question into `to`; its length, or -ENAMETOOLONG if it does not fit, or
 * -EINVAL if method or path would break out of their line.
 */
int http_question_write(
	char *to, size_t room, const char *method, const char *path, size_t body_length);

/*
 * Percent-encodes one segment of a path ("a/b" is "a%2Fb"). -ENAMETOOLONG if it does not fit.
 */
int http_segment_encode(char *to, size_t room, const char *segment);
