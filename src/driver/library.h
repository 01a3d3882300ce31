/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The entry points of a vendor's library, which is opened at run time and never linked. */

/* Puts the address of `name` into the pointer to a function at `slot`; NULL where there is none. */
void library_resolve(void *library, const char *name, void *slot);
