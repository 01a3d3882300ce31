/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* systemd units, asked of systemctl. */

/* 1 active, 0 not, negative errno. */
int service_is_active(const char *unit);
