/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Where carved listens. */

#include <stddef.h>

enum { ADDRESS_MAX = 108 }; /* of a unix socket's path, with its NUL */

/*
 * $CARVE_SOCKET, else $CARVE_RUN_DIR/api.sock, else /run/carve/api.sock, else
 * $XDG_RUNTIME_DIR/carve/api.sock where the former is not there. -ENAMETOOLONG if it is no path for
 * a socket.
 */
int address_find(char ret_path[ADDRESS_MAX]);
