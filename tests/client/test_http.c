/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/text.h"
#include "client/http.h"
#include "test.h"

#include <errno.h>

static int read_head(const char *text, struct http_head *head, struct error *err)
{
	return http_head_read(text, strlen(text), head, err);
}

TEST(a_head_says_status_lengths_and_whether_it_is_the_last)
{
	static const char text[] = "HTTP/1.1 201 Created\r\ncontent-LENGTH:  17 \r\nX: y\r\n\r\n{";
	struct error err = ERROR_NONE;
	struct http_head head;

	CHECK_EQ(read_head(text, &head, &err), 0);
	CHECK_EQ(head.status, 201);
	CHECK_EQ(head.content_length, 17);
	CHECK_EQ(head.head_length, strlen(text) - 1);
	CHECK(!head.is_last);
	CHECK_EQ(read_head("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
			 &head, &err),
		0);
	CHECK(head.is_last);
	CHECK_EQ(read_head("HTTP/1.1 204 None\r\n\r\n", &head, &err), 0);
}

TEST(every_beginning_of_a_head_asks_for_more)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nA: b\r\n\r\n";
	struct http_head head;

	for (size_t n = 0; n < strlen(text); n++)
		CHECK_SAY(http_head_read(text, n, &head, NULL) == HTTP_E_MORE, "%zu", n);
}

TEST(what_is_no_head_is_refused_with_a_sentence)
{
	static const char *const bad[] = {
		"\r\n\r\n",
		"hello\n",
		"HTTP/2.0 200 OK\r\n\r\n",
		"HTTP/1.1 20 OK\r\n\r\n",
		"HTTP/1.1 2000 OK\r\n\r\n",
		"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\n\n",
		"HTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
		"HTTP/1.1 200 OK\r\n: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\na b: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct http_head head = { .status = 77 };
		struct error err = ERROR_NONE;

		CHECK_SAY(read_head(bad[i], &head, &err) < 0, "%s", bad[i]);
		CHECK(err.text[0]);
		CHECK_EQ(head.status, 77);
	}
}

TEST(a_head_without_end_is_refused_and_not_kept)
{
	static char text[HTTP_HEAD_MAX + 1000];
	struct error err = ERROR_NONE;
	struct http_head head;

	memset(text, 'a', sizeof(text));
	memcpy(text, "HTTP/1.1 200 OK\r\nX: ", 20);
	CHECK_EQ(http_head_read(text, HTTP_HEAD_MAX - 1, &head, &err), HTTP_E_MORE);
	CHECK(http_head_read(text, sizeof(text), &head, &err) < 0);
}

TEST(nothing_breaks_out_of_a_questions_first_line)
{
	char to[256];

	CHECK(http_question_write(to, sizeof(to), "GET", "/v1/node", 0) > 0);
	CHECK(text_starts(to, "GET /v1/node HTTP/1.1\r\n"));
	CHECK_EQ(http_question_write(to, sizeof(to), "GET", "/v1/x y", 0), -EINVAL);
	CHECK_EQ(http_question_write(to, sizeof(to), "GET", "/v1/x\r\nA: b", 0), -EINVAL);
	CHECK_EQ(http_question_write(to, sizeof(to), "GET /", "/v1", 0), -EINVAL);
	CHECK_EQ(http_question_write(to, sizeof(to), "GET", "v1", 0), -EINVAL);
	CHECK_EQ(http_question_write(to, 20, "GET", "/v1/node", 0), -ENAMETOOLONG);
}

TEST(names_become_one_segment_of_a_path)
{
	char to[32];

	CHECK_EQ(http_segment_encode(to, sizeof(to), "0:1g.10gb+me@4"), 0);
	CHECK_TEXT(to, "0:1g.10gb%2Bme@4");
	CHECK_EQ(http_segment_encode(to, sizeof(to), "../a?b#c%"), 0);
	CHECK_TEXT(to, "..%2Fa%3Fb%23c%25");
	CHECK_EQ(http_segment_encode(to, sizeof(to), "\xc3\xa9"), 0);
	CHECK_TEXT(to, "%C3%A9");
	CHECK_EQ(http_segment_encode(to, 8, "abc/d"), -ENAMETOOLONG);
}

TEST_MAIN()
