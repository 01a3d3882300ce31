/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The lines of the report for people. */

#include "cli/profile.h"

#include <stdio.h>

struct page {
	const struct terminal *terminal;
	FILE *out;
};

void page_head(const struct page *page, const char *text);
/* A word, and what is said of it; with "" it goes on with what the line before says. */
void page_line(const struct page *page, const char *word, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void page_proposal(const struct page *page, const struct report *report);
