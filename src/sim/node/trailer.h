/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What stands behind a node's programs of MPS: the version of the driver that they belong to. */

#define TRAILER_MARK "\0mps of driver\0" /* and the NUL that ends it: 16 bytes */

struct trailer {
	char mark[16];
	char version[48]; /* ends with NUL */
};
