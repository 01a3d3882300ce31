/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The configuration in force: read whole or not at all, and put into effect. */

struct daemon;
struct error;

/*
 * Reads the configuration file (a missing one at the default path means the defaults) and puts it
 * into effect. On error the one in force stays.
 */
int settings_load(struct daemon *daemon, struct error *err);
