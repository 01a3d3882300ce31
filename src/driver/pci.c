/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/pci.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "driver/root.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>

enum { PCI_CLASS_DISPLAY = 0x03 };

static const char devices[] = "/sys/bus/pci/devices";

int pci_number(const char *address, const char *file, int64_t *ret_value)
{
	AUTO_FREE char *path = must_asprintf("%s/%s/%s", devices, address, file);
	AUTO_FREE char *text = NULL;
	char *end;
	long long value;
	int r = root_read(path, &text);

	if (r < 0)
		return r;
	errno = 0;
	value = strtoll(text, &end, 0);
	if (end == text || errno)
		return -EINVAL;
	*ret_value = value;
	return 0;
}

static int compare_addresses(const void *a, const void *b)
{
	return strcmp(a, b);
}

unsigned pci_find_gpus(char (*ret_address)[PCI_ADDRESS_MAX], unsigned max)
{
	AUTO_FREE char *path = must_asprintf("%s%s", root_path(), devices);
	DIR *dir = opendir(path);
	unsigned n = 0;

	for (struct dirent *entry; dir && n < max && (entry = readdir(dir));) {
		int64_t vendor, class;

		if (entry->d_name[0] == '.' || pci_number(entry->d_name, "vendor", &vendor) < 0 ||
			pci_number(entry->d_name, "class", &class) < 0)
			continue;
		if (vendor == PCI_VENDOR_NVIDIA && class >> 16 == PCI_CLASS_DISPLAY &&
			!pci_is_virtual(entry->d_name) &&
			text_copy(ret_address[n], PCI_ADDRESS_MAX, entry->d_name) == 0)
			n++;
	}
	if (dir)
		closedir(dir);
	qsort(ret_address, n, PCI_ADDRESS_MAX, compare_addresses);
	return n;
}

static int read_link(const char *address, const char *name, char *ret_target, size_t size)
{
	AUTO_FREE char *path = must_asprintf("%s%s/%s/%s", root_path(), devices, address, name);
	ssize_t n = readlink(path, ret_target, size - 1);

	if (n < 0)
		return -errno;
	ret_target[n] = '\0';
	return 0;
}

void pci_driver(const char *address, char *ret_name, unsigned size)
{
	char target[PATH_MAX];
	const char *last;

	ret_name[0] = '\0';
	if (read_link(address, "driver", target, sizeof(target)) < 0)
		return;
	last = strrchr(target, '/');
	text_copy(ret_name, size, last ? last + 1 : target);
}

bool pci_is_virtual(const char *address)
{
	char target[PATH_MAX];

	return read_link(address, "physfn", target, sizeof(target)) == 0;
}
