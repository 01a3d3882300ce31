/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Completions for a shell on standard output, from the table of verbs: one file per shell. */

#include "cli/verb.h"

void completion_bash(void);
void completion_zsh(void);
void completion_fish(void);

/* The command that lists what an argument stands for, one per line; NULL where none does. */
const char *completion_lister(enum argument_kind kind);
/* What an option's value is: GPUs and files by the word for it in the table, saved
 * profiles by the option's name. */
enum argument_kind completion_value_kind(const struct request_option_row *row);
/* Text within single quotes: these characters get a backslash, and a quote becomes `quote`. */
void completion_print_escaped(const char *text, const char *escaped, const char *quote);
