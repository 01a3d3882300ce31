/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The front end: commands from standard input to the control daemon, its answers to standard
 * output. */

/* Exit status: 0 when the daemon could be talked to, that of the daemon after `quit`. */
int front_run(const char *pipe_dir);
