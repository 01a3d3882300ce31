/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handing a VF to vfio-pci and taking it back:
 *
 *	unbind -> driver_override = vfio-pci -> drivers_probe -> read the driver back
 *
 * drivers_probe says nothing of a probe that failed, so the link "driver" is what counts. A VF that
 * is given back is probed again without an override: where its kernel gives drivers to new VFs
 * (sriov_drivers_autoprobe), it gets the one that it had; VFs that Carve turned on have none.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/spawn.h"
#include "base/text.h"
#include "driver/root.h"
#include "driver/sysfs_write.h"
#include "driver/vf_kind.h"

#include <stdio.h>

static const char vfio_pci[] = "vfio-pci";
#define MODPROBE_DEADLINE_NS 10000000000ull

static void load_driver(void)
{
	const char *argv[] = { "modprobe", vfio_pci, NULL };
	AUTO_FREE char *path = must_asprintf("%s/sys/bus/pci/drivers/%s", root_path(), vfio_pci);

	/* where it cannot be loaded, the probe finds none and says so */
	if (access(path, F_OK) < 0 && text_eq(root_path(), ""))
		spawn_wait(argv, MODPROBE_DEADLINE_NS, NULL, NULL);
}

static int probe(const struct vf_pf *pf, const struct vf *vf, struct error *err)
{
	return sysfs_write(pf->pci, "/sys/bus/pci/drivers_probe", vf->pci, VF_DEADLINE_NS, err);
}

static int unbind(const struct vf_pf *pf, const struct vf *vf, struct error *err)
{
	char now[24];
	int r;

	vf_driver(vf->pci, now, sizeof(now));
	if (!now[0])
		return 0;
	r = vf_write(pf->pci, vf->pci, "driver/unbind", vf->pci, err);
	if (r < 0)
		return vf_say_why(VF_UNBIND, r, vf->pci, NULL, err);
	vf_driver(vf->pci, now, sizeof(now));
	if (!now[0])
		return 0;
	return error_set(err, -EBUSY, "%s stays with its driver %s, though it was taken from it",
		vf->pci, now);
}

/* The override away, and to whatever driver the kernel has for it. */
static int give_back(const struct vf_pf *pf, const struct vf *vf, struct error *err)
{
	int r = vf_write(pf->pci, vf->pci, "driver_override", "\n", err);

	if (r < 0 && r != -ENOENT)
		return vf_say_why(VF_UNBIND, r, vf->pci, NULL, err);
	r = probe(pf, vf, err);
	/* -EINVAL and such: no driver wants it, which is what it is to be */
	return r == -ETIMEDOUT || r == -EALREADY ? vf_say_why(VF_UNBIND, r, vf->pci, NULL, err) : 0;
}

static int explain_none(const struct vf *vf, struct error *err)
{
	char now[24];

	vf_driver(vf->pci, now, sizeof(now));
	if (now[0])
		return error_set(
			err, -EBUSY, "%s went to driver %s, not to vfio-pci", vf->pci, now);
	/* the kernel's own answer is in its log only */
	return vf_say_why(VF_BIND, vf_group(vf->pci) < 0 ? -EINVAL : -ENODEV, vf->pci, NULL, err);
}

int vf_bind_vfio(const struct vf_pf *pf, const struct vf *vf, struct error *err)
{
	char now[24];
	int r;

	vf_driver(vf->pci, now, sizeof(now));
	if (text_eq(now, vfio_pci))
		return 0;
	load_driver();
	r = unbind(pf, vf, err);
	if (r < 0)
		return r;
	r = vf_write(pf->pci, vf->pci, "driver_override", vfio_pci, err);
	if (r == 0)
		r = probe(pf, vf, err);
	vf_driver(vf->pci, now, sizeof(now));
	if (text_eq(now, vfio_pci))
		return 0;
	r = r < 0 ? vf_say_why(VF_BIND, r, vf->pci, NULL, err) : explain_none(vf, err);
	if (r != -ETIMEDOUT && give_back(pf, vf, NULL) < 0)
		return error_prefix(err, -ENOTRECOVERABLE, "it could not be put back");
	return r;
}

int vf_unbind_vfio(const struct vf_pf *pf, const struct vf *vf, struct error *err)
{
	char now[24];
	int r;

	/* a variant of it ("xe-vfio-pci") may have taken it by an override of somebody else's */
	vf_driver(vf->pci, now, sizeof(now));
	if (!strstr(now, "vfio"))
		return 0;
	r = unbind(pf, vf, err);
	return r < 0 ? r : give_back(pf, vf, err);
}
