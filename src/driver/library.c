/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/library.h"

#include <dlfcn.h>
#include <string.h>

/* ISO C knows no cast from data to functions; POSIX promises that it holds. */
void library_resolve(void *library, const char *name, void *slot)
{
	void *symbol = dlsym(library, name);

	memcpy(slot, &symbol, sizeof(symbol));
}
