/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* From argv to an invocation, by the table of verbs and the table of request options. */

struct error;
struct invocation;
struct verb;

/*
 * Understands the words after the verb. 0, or -EINVAL with a sentence that says what may be meant.
 * `--help` ends the search: the invocation then says it and nothing else is checked. The words are
 * borrowed; argv is put into another order.
 */
int options_parse(const struct verb *verb, int argc, char **argv, struct invocation *ret_invocation,
	struct error *err);
