/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's pieces: GPUs on the bus, kernel modules, library, helper program. */
#include "base/cleanup.h"
#include "base/text.h"
#include "doctor/check.h"
#include "driver/root.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { DRIVER_OLDEST = 470 };

void check_bus(struct doctor *doctor)
{
	for (unsigned i = 0; i < doctor->n_pci; i++) {
		const char *pci = doctor->pci[i];
		struct doctor_finding *found;
		char driver[64];

		pci_driver(pci, driver, sizeof(driver));
		if (text_eq(driver, "nvidia")) {
			finding(doctor, DOCTOR_OK, "GPU %s, driver nvidia", pci);
		} else if (text_eq(driver, "nouveau") || text_eq(driver, "nova_core")) {
			found = finding(
				doctor, DOCTOR_BAD, "GPU %s has the driver %s", pci, driver);
			finding_wanted(found, "NVIDIA's own driver");
			finding_how(found,
				"'blacklist %s' in /etc/modprobe.d, 'update-initramfs -u' or "
				"'dracut "
				"-f', reboot",
				driver);
		} else if (text_eq(driver, "vfio-pci")) {
			found = finding(doctor, DOCTOR_WARN,
				"GPU %s is kept for virtual machines (vfio-pci)", pci);
			finding_wanted(found, "driver nvidia, if Carve is to share it");
		} else if (!*driver) {
			found = finding(doctor, DOCTOR_BAD, "GPU %s has no driver", pci);
			finding_how(found,
				"install NVIDIA's driver; 'modprobe nvidia'; 'dmesg' tells "
				"what it says");
		} else {
			finding(doctor, DOCTOR_WARN, "GPU %s has the driver %s", pci, driver);
		}
	}
	if (doctor->n_pci == 0) {
		struct doctor_finding *found =
			finding(doctor, DOCTOR_BAD, "there is no NVIDIA GPU on the PCI bus");

		finding_how(found, "without a GPU, try a simulated node: carve-sim run dgx-h100 -- "
				   "sh -c 'carved 2>/dev/null & bash; kill $!'");
	}
}

static int module_version(char ret_version[32])
{
	AUTO_FREE char *text = NULL;
	int r = root_read("/proc/driver/nvidia/version", &text);
	const char *at;

	if (r < 0)
		return r;
	/* "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct 19 ..." */
	at = strpbrk(strstr(text, "Module") ?: text, "0123456789");
	while (at && sscanf(at, "%31[0-9.]", ret_version) == 1) {
		if (strchr(ret_version, '.'))
			return 0;
		at = strpbrk(at + strlen(ret_version), "0123456789");
	}
	return -EINVAL;
}

void check_module(struct doctor *doctor)
{
	char version[32];
	int r = module_version(version);
	int nouveau = root_openat("/sys/module/nouveau", O_PATH | O_DIRECTORY);
	struct doctor_finding *found;

	if (nouveau >= 0) {
		close(nouveau);
		found = finding(doctor, DOCTOR_WARN, "the module nouveau is loaded");
		finding_wanted(found, "not loaded: it takes GPUs from NVIDIA's driver at boot");
		finding_how(found, "'blacklist nouveau' in /etc/modprobe.d, and reboot");
	}
	if (r == 0) {
		finding(doctor, DOCTOR_OK, "nvidia kernel module %s", version);
	} else if (r == -ENOENT && doctor->n_pci == 0) {
		finding(doctor, DOCTOR_WARN, "the nvidia kernel module is not loaded");
	} else if (r == -ENOENT) {
		found = finding(doctor, DOCTOR_BAD, "the nvidia kernel module is not loaded");
		finding_how(found, "'modprobe nvidia'; where that fails, 'dmesg' and 'dkms status' "
				   "tell why (kernel headers, Secure Boot)");
	} else {
		finding(doctor, DOCTOR_WARN, "/proc/driver/nvidia/version tells no version");
	}
}

void check_library(struct doctor *doctor)
{
	const struct driver_look *look = doctor->driver;
	struct doctor_finding *found;

	if (look->end == LOOK_HUNG) {
		found = finding(
			doctor, DOCTOR_BAD, "the driver does not answer: hung %s", look->doing);
		finding_how(found,
			"'dmesg' tells XIDs and stuck tasks; a GPU reset or a reboot ends "
			"it");
	} else if (look->end == LOOK_CRASHED) {
		finding(doctor, DOCTOR_BAD, "the driver's library crashed %s", look->doing);
	} else if (look->library_result == 0) {
		finding(doctor, DOCTOR_OK, "libnvidia-ml.so.1 answers%s%s",
			look->has_versions ? ", version " : "", look->library);
	} else {
		finding(doctor, doctor->n_pci ? DOCTOR_BAD : DOCTOR_WARN, "%s", look->library_text);
	}
}

void check_version(struct doctor *doctor)
{
	const struct driver_look *look = doctor->driver;
	struct doctor_finding *found;
	char module[32];

	if (!look->has_versions)
		return;
	if (module_version(module) == 0 && !text_eq(module, look->driver)) {
		found = finding(doctor, DOCTOR_BAD,
			"the kernel module is %s, but the library speaks of %s", module,
			look->driver);
		finding_wanted(found, "one version: the driver was upgraded under a loaded module");
		finding_how(found, "end all GPU users and reload the nvidia modules, or reboot");
		return;
	}
	if (atoi(look->driver) < DRIVER_OLDEST) {
		found = finding(doctor, DOCTOR_BAD, "driver %s", look->driver);
		finding_wanted(found, "R%d or later", DRIVER_OLDEST);
		return;
	}
	finding(doctor, DOCTOR_OK, "driver %s, module and library agree", look->driver);
}

bool find_program(const char *name, char *ret_path, size_t size, struct stat *ret_stat)
{
	AUTO_FREE char *path = must_asprintf("%s%s", getenv("PATH") ?: "/usr/local/bin",
		*root_path() ? "" : ":/usr/bin:/usr/sbin:/sbin:/bin:/usr/libexec");
	char *rest = path, *directory;

	while ((directory = strsep(&rest, ":"))) {
		snprintf(ret_path, size, "%s/%s", directory, name);
		if (*directory && stat(ret_path, ret_stat) == 0 && S_ISREG(ret_stat->st_mode))
			return true;
	}
	return false;
}

void check_modprobe(struct doctor *doctor)
{
	struct doctor_finding *found;
	char path[512];
	struct stat st;

	if (doctor->n_pci == 0 || *root_path())
		return;
	if (!find_program("nvidia-modprobe", path, sizeof(path), &st)) {
		found = finding(doctor, DOCTOR_WARN, "nvidia-modprobe is not installed");
		finding_wanted(found, "installed: it makes the device nodes of new MIG instances");
		finding_how(found, "install the package nvidia-modprobe");
	} else if (!(st.st_mode & S_ISUID)) {
		found = finding(doctor, DOCTOR_WARN, "%s is not setuid root", path);
		finding_wanted(
			found, "setuid: else only root's first use makes missing device nodes");
		finding_how(found, "chmod u+s %s", path);
	} else {
		finding(doctor, DOCTOR_OK, "%s", path);
	}
}
