/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/pci_space.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "driver/root.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

enum {
	RANGE_WINDOW_MEMORY = PCI_RANGE_WINDOWS + 1,
	RANGE_WINDOW_PREFETCHABLE = PCI_RANGE_WINDOWS + 2,
};
#define FLAG_UNSET UINT64_C(0x20000000) /* IORESOURCE_UNSET: has a size, but no place */

unsigned pci_ranges(const char *address, struct pci_range ret_ranges[PCI_RANGES_MAX])
{
	AUTO_FREE char *path = must_asprintf("/sys/bus/pci/devices/%s/resource", address);
	AUTO_FREE char *text = NULL;
	unsigned n = 0;
	char *rest, *line;

	memset(ret_ranges, 0, PCI_RANGES_MAX * sizeof(*ret_ranges));
	if (root_read(path, &text) < 0)
		return 0;
	rest = text;
	while (n < PCI_RANGES_MAX && (line = strsep(&rest, "\n"))) {
		struct pci_range *range = &ret_ranges[n];

		if (sscanf(line, "%" SCNx64 " %" SCNx64 " %" SCNx64, &range->start, &range->end,
			    &range->flags) == 3)
			n++;
	}
	return n;
}

bool pci_range_is_placed(const struct pci_range *range)
{
	return range->start && range->end > range->start && !(range->flags & FLAG_UNSET);
}

uint64_t pci_range_size(const struct pci_range *range)
{
	return pci_range_is_placed(range) ? range->end - range->start + 1 : 0;
}

static bool is_address(const char *name)
{
	unsigned domain, bus, device, function;
	int length = 0;

	return sscanf(name, "%x:%x:%x.%x%n", &domain, &bus, &device, &function, &length) == 4 &&
	       (size_t)length == strlen(name) && strlen(name) < PCI_ADDRESS_MAX;
}

int pci_parent(const char *address, char ret_parent[PCI_ADDRESS_MAX])
{
	AUTO_FREE char *path = must_asprintf("%s/sys/bus/pci/devices/%s", root_path(), address);
	AUTO_FREE char *place = realpath(path, NULL);
	char *slash;

	if (!place)
		return -errno;
	/* ".../pci0000:00/0000:00:01.0/0000:01:00.0" */
	slash = strrchr(place, '/');
	if (!slash)
		return -ENOENT;
	*slash = '\0';
	slash = strrchr(place, '/');
	if (!slash || !is_address(slash + 1))
		return -ENOENT;
	return text_copy(ret_parent, PCI_ADDRESS_MAX, slash + 1);
}

static uint64_t overlap(const struct pci_range *window, const struct pci_range *range)
{
	uint64_t start = range->start > window->start ? range->start : window->start;
	uint64_t end = range->end < window->end ? range->end : window->end;

	return pci_range_is_placed(range) && start <= end ? end - start + 1 : 0;
}

/* What a device has of a window; the BARs of virtual functions lie within their GPU's. */
static uint64_t taken_by(const char *address, const struct pci_range *window)
{
	struct pci_range range[PCI_RANGES_MAX];
	unsigned n = pci_ranges(address, range);
	uint64_t taken = 0;

	for (unsigned i = 0; i < n; i++)
		taken += overlap(window, &range[i]);
	return taken;
}

uint64_t pci_window_free(const char *bridge, bool is_prefetchable)
{
	AUTO_FREE char *path = must_asprintf("%s/sys/bus/pci/devices", root_path());
	struct pci_range range[PCI_RANGES_MAX];
	const struct pci_range *window =
		&range[is_prefetchable ? RANGE_WINDOW_PREFETCHABLE : RANGE_WINDOW_MEMORY];
	unsigned n = pci_ranges(bridge, range);
	uint64_t taken = 0, size = pci_range_size(window);
	DIR *dir = n > RANGE_WINDOW_PREFETCHABLE && size ? opendir(path) : NULL;

	for (struct dirent *entry; dir && (entry = readdir(dir));) {
		char parent[PCI_ADDRESS_MAX];

		if (is_address(entry->d_name) && pci_parent(entry->d_name, parent) == 0 &&
			text_eq(parent, bridge) && !pci_is_virtual(entry->d_name))
			taken += taken_by(entry->d_name, window);
	}
	if (dir)
		closedir(dir);
	return taken < size ? size - taken : 0;
}

int pci_last_bus(const char *bridge)
{
	int64_t bus;
	int r = pci_number(bridge, "subordinate_bus_number", &bus);

	return r < 0 ? r : (int)bus;
}
