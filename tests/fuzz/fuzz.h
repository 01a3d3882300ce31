/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A fuzz target: what it does with one input. clang's libFuzzer calls it with inputs of its own
 * making; corpus.c calls it with the files of tests/fuzz/corpus, as a plain test.
 */

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold whatever the input is. */
#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* A refusal has a code and one line of text, which begins with the file's name if it is about one.
 */
static inline void must_be_told(const struct error *err, int r, const char *file)
{
	MUST(r < 0 && err->code == r);
	MUST(err->text[0]);
	MUST(!file || strncmp(err->text, file, strlen(file)) == 0);
	for (const char *p = err->text; *p; p++)
		MUST((unsigned char)*p >= ' ');
}
