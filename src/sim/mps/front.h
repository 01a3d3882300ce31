/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The front end: commands from standard input to the control daemon, its answers to standard
 * output. */

/* Exit status: 0 when the daemon could be talked to, that of the daemon after `quit`. */
int front_run(const char *pipe_dir);

/* One command line of v3: 0, or 1 if it failed. */
int front_run_line(const char *pipe_dir, int n, char **words);
