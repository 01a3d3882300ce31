// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A kernel module that stands in for what NVIDIA's vGPU host driver shows in sysfs: a driver named
 * "nvidia" for the physical function and its VFs. Modelled on what people report of the real one,
 * not on its code; a module of the kernel's, hence its licence.
 *
 *   - The count of VFs is lowered to 0 only while "unbind_lock" (of the driver) is held, as the
 * real one is only through its sriov-manage; the lock is not given while anybody has /dev/nvidia0
 *     open, as NVML's clients do.
 *   - Each VF is a VFIO device by itself, and has nvidia/{creatable_vgpu_types,current_vgpu_type,
 *     placement_id,gpu_instance_id,vgpu_params}. It can be opened once it has a type.
 *   - All vGPUs of a board are of one size. What the driver would not make is EIO; a type on top of
 *     another is EEXIST; taking the type from a VF that is open is EBUSY.
 *   - With "is_later" it is another driver, whose types have other ids.
 *   - The type after "refuse_after" more is refused (a module parameter, -1: none is).
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/vfio.h>
#include <linux/vfio_pci_core.h>

struct vgpu_type {
	u32 id;
	const char *name;
	u32 max;
};
#define LATER 100 /* on top of ids */
static const struct vgpu_type types[] = {
	{ 1420, "NVIDIA H200X-8C", 16 },
	{ 1422, "NVIDIA H200X-17C", 8 },
	{ 1425, "NVIDIA H200X-35C", 4 },
	{ 1427, "NVIDIA H200X-70C", 2 },
	{ 1428, "NVIDIA H200X-141C", 1 },
};
#define N_PLACES 16

struct vf {
	struct vfio_pci_core_device core;
	const struct vgpu_type *type;
	u32 place;
	u8 params[64];
};

static DEFINE_MUTEX(lock);
static unsigned int n_clients;
static bool unbind_lock;
static int refuse_after = -1;
module_param(refuse_after, int, 0644);
static bool is_later;
module_param(is_later, bool, 0444);

static u32 id_of(const struct vgpu_type *type)
{
	return type->id + (is_later ? LATER : 0);
}

static struct vf *vf_of(struct device *device)
{
	struct vfio_pci_core_device *core = dev_get_drvdata(device);

	return core ? container_of(core, struct vf, core) : NULL;
}

/* The next VF of the same board after `after` (which is given back to the kernel), or NULL. */
static struct pci_dev *next_vf(struct pci_dev *pf, struct pci_dev *after)
{
	struct pci_dev *next = after;

	while ((next = pci_get_device(PCI_ANY_ID, PCI_ANY_ID, next)))
		if (next->is_virtfn && next->physfn == pf && next->driver &&
			strcmp(next->driver->name, "nvidia") == 0 && vf_of(&next->dev))
			return next;
	return NULL;
}

/* Whether the board has room for one more of that type, and where; with the lock held. */
static bool find_place(struct pci_dev *pf, const struct vgpu_type *type, u32 *ret_place)
{
	u32 taken = 0, size = N_PLACES / type->max;
	struct pci_dev *at = NULL;

	while ((at = next_vf(pf, at))) {
		const struct vf *vf = vf_of(&at->dev);

		if (!vf->type)
			continue;
		if (vf->type != type) {
			pci_dev_put(at);
			return false;
		}
		taken |= 1U << vf->place;
	}
	for (*ret_place = 0; *ret_place < N_PLACES; *ret_place += size)
		if (!(taken >> *ret_place & 1))
			return true;
	return false;
}

static ssize_t creatable_vgpu_types_show(
	struct device *device, struct device_attribute *attribute, char *text)
{
	ssize_t n = sysfs_emit(text, "ID    : vGPU Name\n");
	u32 place;

	mutex_lock(&lock);
	for (int i = 0; i < ARRAY_SIZE(types) && !vf_of(device)->type; i++)
		if (find_place(to_pci_dev(device)->physfn, &types[i], &place))
			n += sysfs_emit_at(text, n, "%-6u: %s\n", id_of(&types[i]), types[i].name);
	mutex_unlock(&lock);
	return n;
}
static DEVICE_ATTR_RO(creatable_vgpu_types);

static ssize_t current_vgpu_type_show(
	struct device *device, struct device_attribute *attribute, char *text)
{
	const struct vgpu_type *type = READ_ONCE(vf_of(device)->type);

	return sysfs_emit(text, "%u\n", type ? id_of(type) : 0);
}

static int set_type(struct pci_dev *pci, struct vf *vf, u32 id)
{
	if (!id) {
		if (vf->core.vdev.open_count)
			return -EBUSY;
		vf->type = NULL;
		return 0;
	}
	if (vf->type)
		return -EEXIST;
	if (refuse_after == 0) {
		refuse_after = -1;
		return -EIO;
	}
	for (int i = 0; i < ARRAY_SIZE(types); i++) {
		if (id_of(&types[i]) != id || !find_place(pci->physfn, &types[i], &vf->place))
			continue;
		vf->type = &types[i];
		if (refuse_after > 0)
			refuse_after--;
		return 0;
	}
	return -EIO;
}

static ssize_t current_vgpu_type_store(
	struct device *device, struct device_attribute *attribute, const char *text, size_t n)
{
	u32 id;
	int rc = kstrtou32(text, 10, &id);

	if (rc)
		return rc;
	mutex_lock(&lock);
	rc = set_type(to_pci_dev(device), vf_of(device), id);
	mutex_unlock(&lock);
	return rc ?: n;
}
static DEVICE_ATTR_RW(current_vgpu_type);

static ssize_t placement_id_show(
	struct device *device, struct device_attribute *attribute, char *text)
{
	const struct vf *vf = vf_of(device);

	return vf->type ? sysfs_emit(text, "%u\n", vf->place) : -ENXIO;
}
static DEVICE_ATTR_RO(placement_id);

static ssize_t gpu_instance_id_show(
	struct device *device, struct device_attribute *attribute, char *text)
{
	return vf_of(device)->type ? sysfs_emit(text, "%u\n", U32_MAX) : -ENXIO;
}
static DEVICE_ATTR_RO(gpu_instance_id);

static ssize_t vgpu_params_show(
	struct device *device, struct device_attribute *attribute, char *text)
{
	return sysfs_emit(text, "%s\n", vf_of(device)->params);
}

static ssize_t vgpu_params_store(
	struct device *device, struct device_attribute *attribute, const char *text, size_t n)
{
	struct vf *vf = vf_of(device);

	if (n >= sizeof(vf->params))
		return -EINVAL;
	strscpy(vf->params, text, sizeof(vf->params));
	return n;
}
static DEVICE_ATTR_RW(vgpu_params);

static struct attribute *vf_attributes[] = {
	&dev_attr_creatable_vgpu_types.attr,
	&dev_attr_current_vgpu_type.attr,
	&dev_attr_placement_id.attr,
	&dev_attr_gpu_instance_id.attr,
	&dev_attr_vgpu_params.attr,
	NULL,
};
static const struct attribute_group vf_group = { .name = "nvidia", .attrs = vf_attributes };

static int open_vf(struct vfio_device *device)
{
	struct vfio_pci_core_device *core = container_of(device, struct vfio_pci_core_device, vdev);
	int rc;

	if (!container_of(core, struct vf, core)->type)
		return -ENODEV;
	rc = vfio_pci_core_enable(core);
	if (!rc)
		vfio_pci_core_finish_enable(core);
	return rc;
}

static const struct vfio_device_ops vf_operations = {
	.name = "fake-nvidia-vgpu",
	.init = vfio_pci_core_init_dev,
	.release = vfio_pci_core_release_dev,
	.open_device = open_vf,
	.close_device = vfio_pci_core_close_device,
	.ioctl = vfio_pci_core_ioctl,
	.device_feature = vfio_pci_core_ioctl_feature,
	.read = vfio_pci_core_read,
	.write = vfio_pci_core_write,
	.mmap = vfio_pci_core_mmap,
	.request = vfio_pci_core_request,
	.match = vfio_pci_core_match,
};

static int probe(struct pci_dev *pci, const struct pci_device_id *id)
{
	struct vf *vf;
	int rc;

	if (!pci->is_virtfn)
		return pci_enable_device(pci);
	vf = vfio_alloc_device(vf, core.vdev, &pci->dev, &vf_operations);
	if (IS_ERR(vf))
		return PTR_ERR(vf);
	dev_set_drvdata(&pci->dev, &vf->core);
	rc = vfio_pci_core_register_device(&vf->core);
	if (rc)
		goto put;
	rc = sysfs_create_group(&pci->dev.kobj, &vf_group);
	if (!rc)
		return 0;
	vfio_pci_core_unregister_device(&vf->core);
put:
	dev_set_drvdata(&pci->dev, NULL);
	vfio_put_device(&vf->core.vdev);
	return rc;
}

static void remove(struct pci_dev *pci)
{
	struct vf *vf;

	if (!pci->is_virtfn) {
		pci_disable_sriov(pci);
		pci_disable_device(pci);
		return;
	}
	vf = vf_of(&pci->dev);
	sysfs_remove_group(&pci->dev.kobj, &vf_group);
	vfio_pci_core_unregister_device(&vf->core);
	dev_set_drvdata(&pci->dev, NULL);
	vfio_put_device(&vf->core.vdev);
}

static int configure_sriov(struct pci_dev *pci, int n_vfs)
{
	if (n_vfs)
		return pci_enable_sriov(pci, n_vfs) ?: n_vfs;
	if (!unbind_lock)
		return -EPERM;
	pci_disable_sriov(pci);
	return 0;
}

static ssize_t unbind_lock_store(struct device_driver *driver, const char *text, size_t n)
{
	bool wanted;
	int rc = kstrtobool(text, &wanted);

	if (rc)
		return rc;
	mutex_lock(&lock);
	if (wanted && n_clients)
		rc = -EBUSY;
	else
		unbind_lock = wanted;
	mutex_unlock(&lock);
	return rc ?: n;
}
static DRIVER_ATTR_WO(unbind_lock);

static struct attribute *driver_attrs[] = { &driver_attr_unbind_lock.attr, NULL };
ATTRIBUTE_GROUPS(driver);

static const struct pci_device_id ids[] = { { PCI_DEVICE(0x10de, 0x2335) }, {} };
MODULE_DEVICE_TABLE(pci, ids);
static struct pci_driver nvidia = {
	.name = "nvidia",
	.id_table = ids,
	.probe = probe,
	.remove = remove,
	.sriov_configure = configure_sriov,
	.groups = driver_groups,
	.driver_managed_dma = true,
};

static int open_client(struct inode *inode, struct file *file)
{
	int rc = 0;

	mutex_lock(&lock);
	if (unbind_lock)
		rc = -EBUSY;
	else
		n_clients++;
	mutex_unlock(&lock);
	return rc;
}

static int close_client(struct inode *inode, struct file *file)
{
	mutex_lock(&lock);
	n_clients--;
	mutex_unlock(&lock);
	return 0;
}

static const struct file_operations client_operations = {
	.owner = THIS_MODULE,
	.open = open_client,
	.release = close_client,
};
static struct miscdevice client_node = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "nvidia0",
	.fops = &client_operations,
};

static int __init fake_nvidia_init(void)
{
	int rc = misc_register(&client_node);

	if (rc)
		return rc;
	rc = pci_register_driver(&nvidia);
	if (rc)
		misc_deregister(&client_node);
	return rc;
}
module_init(fake_nvidia_init);

static void __exit fake_nvidia_exit(void)
{
	pci_unregister_driver(&nvidia);
	misc_deregister(&client_node);
}
module_exit(fake_nvidia_exit);

MODULE_LICENSE("GPL");
MODULE_VERSION("580.65.06");
MODULE_DESCRIPTION("Stand-in for the sysfs files of NVIDIA's vGPU host driver, for tests");
