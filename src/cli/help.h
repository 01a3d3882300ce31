/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Help on standard output, from the table of verbs. */

struct verb;

void help_overview(void);
void help_verb(const struct verb *verb);
