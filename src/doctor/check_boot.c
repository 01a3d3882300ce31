/* SPDX-License-Identifier: Apache-2.0 */
/* Boot: whether VFs are there before who starts virtual machines, and who else makes them. */
#include "base/cleanup.h"
#include "base/spawn.h"
#include "base/text.h"
#include "doctor/check.h"
#include "doctor/vm.h"
#include "driver/root.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#define ASK_DEADLINE_NS 5000000000ull
enum { SYSTEMCTL_DONE = 0 };

/* ---- order ---- */

static bool ask_systemctl(const char *const *argv, struct buf *ret_answer)
{
	return spawn_wait(argv, ASK_DEADLINE_NS, ret_answer, NULL) == SYSTEMCTL_DONE;
}

static bool is_enabled(const char *unit)
{
	const char *argv[] = { "systemctl", "is-enabled", "--quiet", "--", unit, NULL };
	AUTO_BUF answer = { 0 };

	return ask_systemctl(argv, &answer);
}

static bool has_word(const char *text, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = text; (at = strstr(at, word)); at += length) {
		if ((at == text || strchr(" \n=", at[-1])) && strchr(" \n", at[length]))
			return true;
	}
	return false;
}

static void check_order(struct doctor *doctor)
{
	static const char *const starters[] = { "libvirtd.service", "virtqemud.service",
		"libvirt-guests.service", "kubelet.service", "pve-guests.service" };
	const char *argv[] = { "systemctl", "show", "--property=Before", "carved.service", NULL };
	AUTO_BUF before = { 0 };

	if (*root_path() || access("/run/systemd/system", F_OK) < 0 ||
		!is_enabled("carved.service") || !ask_systemctl(argv, &before))
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(starters); i++) {
		struct doctor_finding *found;

		if (!is_enabled(starters[i]) || has_word(buf_text(&before), starters[i]))
			continue;
		found = finding(doctor, DOCTOR_WARN,
			"%s may start virtual machines before carved has made their VFs again",
			starters[i]);
		finding_wanted(found, "carved.service ordered before it");
		finding_how(found,
			"'systemctl edit carved.service': [Unit] Before=%s; the unit that comes "
			"with Carve has it",
			starters[i]);
	}
}

/* ---- other tools ---- */

typedef void look_at(struct doctor *doctor, const char *dir, const char *name);

/* Calls `look` for each entry of a directory whose name ends so. */
static void for_entries(struct doctor *doctor, const char *dir, const char *ending, look_at *look)
{
	AUTO_FREE char *path = must_asprintf("%s%s", root_path(), dir);
	DIR *stream = opendir(path);

	for (struct dirent *entry; stream && (entry = readdir(stream));) {
		size_t length = strlen(entry->d_name), least = strlen(ending);

		if (entry->d_name[0] != '.' && length >= least &&
			text_eq(entry->d_name + length - least, ending))
			look(doctor, dir, entry->d_name);
	}
	if (stream)
		closedir(stream);
}

static void tell_other(struct doctor *doctor, const char *tool, const char *dir, const char *name,
	const char *what, const char *way)
{
	struct doctor_finding *found =
		finding(doctor, DOCTOR_WARN, "%s (%s/%s) %s", tool, dir, name, what);

	finding_wanted(found, "one tool that says what VFs are there and who has them");
	finding_how(found, "%s", way);
}

/* "pci-0000:41:00.4" */
static void look_driverctl(struct doctor *doctor, const char *dir, const char *name)
{
	if (vm_gpu_at(doctor->vm, text_starts(name, "pci-") ? name + 4 : name))
		tell_other(doctor, "driverctl", dir, name, "binds a GPU or VF at boot",
			"'driverctl unset-override' with its address, once Carve has it in a "
			"layout or lease");
}

/* A directory for each parent, "0000:41:00.4". */
static void look_mdevctl(struct doctor *doctor, const char *dir, const char *name)
{
	if (vm_gpu_at(doctor->vm, name))
		tell_other(doctor, "mdevctl", dir, name, "makes vGPUs on a VF at boot",
			"'mdevctl undefine' for those that Carve is to make");
}

static void look_unit(struct doctor *doctor, const char *dir, const char *name)
{
	AUTO_FREE char *path = must_asprintf("%s/%s", dir, name);
	AUTO_FREE char *text = NULL;

	if (root_read(path, &text) < 0 ||
		!(strstr(text, "sriov-manage") || strstr(text, "sriov_numvfs")))
		return;
	tell_other(doctor, "a unit or rule", dir, name, "turns VFs on at boot by itself",
		"disable it: carved makes its VFs again at boot, in the right order");
}

/* An attribute's number within one XML element: slot='0x00'. */
static bool attribute(const char *element, const char *end, const char *name, unsigned *ret_value)
{
	size_t length = strlen(name);
	const char *at = strstr(element, name);

	if (!at || at >= end || (at[length + 1] != '\'' && at[length + 1] != '"'))
		return false;
	*ret_value = (unsigned)strtoul(at + length + 2, NULL, 0);
	return true;
}

static const struct vm_gpu *hostdev_gpu(
	const struct vm_look *vm, const char *element, const char *end, char ret_pci[64])
{
	unsigned domain = 0, bus, slot, function;

	attribute(element, end, " domain", &domain);
	if (!attribute(element, end, " bus", &bus) || !attribute(element, end, " slot", &slot) ||
		!attribute(element, end, " function", &function))
		return NULL;
	snprintf(ret_pci, 64, "%04x:%02x:%02x.%x", domain, bus, slot, function);
	return vm_gpu_at(vm, ret_pci);
}

/* <hostdev ...><source><address domain='0x0000' bus='0x41' slot='0x00' function='0x4'/></source> */
static void look_libvirt(struct doctor *doctor, const char *dir, const char *name)
{
	AUTO_FREE char *path = must_asprintf("%s/%s", dir, name);
	AUTO_FREE char *text = NULL;
	const char *at;

	if (root_read(path, &text) < 0)
		return;
	for (at = text; (at = strstr(at, "<hostdev"));) {
		const char *source = strstr(at, "<source"), *end = strstr(at, "</source>");
		AUTO_FREE char *what = NULL;
		char pci[64];

		at += strlen("<hostdev");
		if (!source || !end || source > end || !hostdev_gpu(doctor->vm, source, end, pci))
			continue;
		what = must_asprintf("has %s for itself, without a lease", pci);
		tell_other(doctor, "a libvirt domain", dir, name, what,
			"take a lease for it: 'carve lease --vm', then 'carve show LEASE --as "
			"libvirt' prints what belongs into the domain");
	}
}

void check_boot(struct doctor *doctor)
{
	check_order(doctor);
	for_entries(doctor, "/etc/driverctl.d", "", look_driverctl);
	for_entries(doctor, "/etc/mdevctl.d", "", look_mdevctl);
	for_entries(doctor, "/etc/systemd/system", ".service", look_unit);
	for_entries(doctor, "/etc/udev/rules.d", ".rules", look_unit);
	for_entries(doctor, "/etc/libvirt/qemu", ".xml", look_libvirt);
	/* a domain that runs may not be defined */
	for_entries(doctor, "/run/libvirt/qemu", ".xml", look_libvirt);
}
