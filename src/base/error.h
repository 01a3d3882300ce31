/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One error: a negative errno and the sentence that a person will read.
 *
 * The sentence is set where the fact is known (error_set), prefixed once per layer going up
 * (error_prefix) and printed only in main(). Both return `code`, so that a function can fail in one
 * expression. A NULL `err` means that the caller does not want the sentence. Whatever was quoted in
 * it, the sentence is one line of valid UTF-8 without control characters.
 */

struct error {
	int code; /* 0: nothing went wrong; else a negative errno */
	char text[600];
};

#define ERROR_NONE ((struct error){ 0 })

int error_set(struct error *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int error_prefix(struct error *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
