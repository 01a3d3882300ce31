/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The log of a program of MPS: a line with time, who and pid. */

#include <stdbool.h>

/* Opens DIR/NAME to append to; says on standard output if it cannot. With NULL for DIR lines go to
 * standard output. */
void journal_open(const char *dir, const char *name);
/* Gives the log a descriptor that is open already. */
void journal_take(int fd);
/* `who` is "Control", "Server" or "Other". */
void journal(const char *who, const char *format, ...) __attribute__((format(printf, 2, 3)));
