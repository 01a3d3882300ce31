/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the kernel said since it booted, from /dev/kmsg below the system root. */

struct buf;

/* Adds all of it that is still there, a line for each message, with its head ("6,339,514,-;") and
 * its properties in lines that begin with a space. -EPERM or -EACCES: only root is told. */
int kernel_log_read(struct buf *text);
