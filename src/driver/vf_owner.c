/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Other tools that say a VF is theirs: libvirt's domains (defined, or running), driverctl's and
 * mdevctl's entries. They are read, never asked: their daemons may not run.
 */
#include "base/cleanup.h"
#include "base/text.h"
#include "driver/root.h"
#include "driver/vf_kind.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static void claim(struct vf *vf, const char *tool, const char *name)
{
	snprintf(vf->owner, sizeof(vf->owner), "%s%s%s", tool, name ? " " : "", name ?: "");
	text_clean(vf->owner);
}

static struct vf *find(struct vfs_seen *vfs, const char *pci)
{
	for (uint32_t i = 0; i < vfs->n; i++)
		if (text_eq(vfs->vf[i].pci, pci))
			return &vfs->vf[i];
	return NULL;
}

/* ---- libvirt ---- */

/* A number of an element's attribute: bus='0x41' or bus="65"; false if it has none. */
static bool attribute(const char *element, const char *name, unsigned *ret_value)
{
	size_t length = strcspn(element, ">");
	AUTO_FREE char *whole = must_asprintf("%.*s", (int)length, element);
	AUTO_FREE char *wanted = must_asprintf(" %s=", name);
	const char *at = strstr(whole, wanted);

	if (!at)
		return false;
	at += strlen(wanted);
	*ret_value = (unsigned)strtoul(at + 1, NULL, 0);
	return *at == '\'' || *at == '"';
}

/* The host's address of each <hostdev>: the <address> within its <source>. */
static void look_domain(struct vfs_seen *vfs, const char *xml, const char *name)
{
	for (const char *at = xml; (at = strstr(at, "<hostdev"));) {
		const char *end = strstr(at, "</hostdev>");
		const char *source = strstr(at, "<source");
		const char *address = source ? strstr(source, "<address") : NULL;
		unsigned domain, bus, slot, function;
		char pci[PCI_ADDRESS_MAX];
		struct vf *vf;

		at += strlen("<hostdev");
		if (!end || !address || address > end)
			continue;
		if (!attribute(address, "domain", &domain) || !attribute(address, "bus", &bus) ||
			!attribute(address, "slot", &slot) ||
			!attribute(address, "function", &function))
			continue;
		snprintf(pci, sizeof(pci), "%04x:%02x:%02x.%x", domain & 0xffff, bus & 0xff,
			slot & 0x1f, function & 7);
		vf = find(vfs, pci);
		if (vf)
			claim(vf, "libvirt domain", name);
	}
}

static void look_libvirt(struct vfs_seen *vfs, const char *directory)
{
	AUTO_FREE char *whole = must_asprintf("%s%s", root_path(), directory);
	DIR *dir = opendir(whole);

	for (struct dirent *entry; dir && (entry = readdir(dir));) {
		AUTO_FREE char *path = must_asprintf("%s/%s", directory, entry->d_name);
		AUTO_FREE char *name = must_strdup(entry->d_name);
		AUTO_FREE char *xml = NULL;
		char *ending = strrchr(name, '.');

		if (!text_eq(ending, ".xml") || root_read(path, &xml) < 0)
			continue;
		*ending = '\0';
		look_domain(vfs, xml, name);
	}
	if (dir)
		closedir(dir);
}

/* ---- driverctl and mdevctl ---- */

static bool exists(const char *path)
{
	AUTO_FREE char *whole = must_asprintf("%s%s", root_path(), path);

	return access(whole, F_OK) == 0;
}

static void look_entries(struct vf *vf)
{
	AUTO_FREE char *driverctl = must_asprintf("/etc/driverctl.d/pci-%s", vf->pci);
	AUTO_FREE char *mdevctl = must_asprintf("/etc/mdevctl.d/%s", vf->pci);

	if (exists(driverctl))
		claim(vf, "driverctl", NULL);
	else if (exists(mdevctl))
		claim(vf, "mdevctl", NULL);
}

void vf_find_owners(struct vfs_seen *vfs)
{
	for (uint32_t i = 0; i < vfs->n; i++)
		look_entries(&vfs->vf[i]);
	look_libvirt(vfs, "/etc/libvirt/qemu");
	/* a domain that runs may not be defined */
	look_libvirt(vfs, "/run/libvirt/qemu");
}
