/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* systemd units, by systemctl: stopped for a change and started again whatever happens. */

#include <stdint.h>

struct error;

int service_stop(const char *unit, uint64_t deadline_ns, struct error *err);
int service_start(const char *unit, uint64_t deadline_ns, struct error *err);
/* 1 active, 0 not, negative errno. */
int service_is_active(const char *unit);
