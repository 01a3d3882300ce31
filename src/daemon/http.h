/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* libmicrohttpd on the daemon's loop, over a unix socket. */

#include <stddef.h>

struct daemon;
struct error;
struct http;
struct http_call;

/* Serves on a listening socket (taken over). */
int http_start(struct daemon *daemon, int listen_fd, struct http **ret_http, struct error *err);
struct http *http_stop(struct http *http);

/* Answers; `text` (JSON, malloc'ed) is taken over. The call is gone afterwards. */
void http_reply(struct http_call *call, int status, char *text, size_t length);
/* A query parameter; NULL if absent. */
const char *http_query(struct http_call *call, const char *name);
