// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A GPU with SR-IOV for an unchanged QEMU, which has none: built with the headers of exactly that
 * QEMU, and loaded into it with LD_PRELOAD. It links with QEMU, hence its licence, and is a test's
 * device only: registers that read as their own address, and PCI as a real board has it.
 *
 *	-device fakegpu,bus=rp0,vendor_id=0x10de,device_id=0x2335,total_vfs=16
 *
 * PCI Express endpoint, ARI, SR-IOV and Device Serial Number; BARs of a size by choice. The virtual
 * functions have the class of the physical one.
 */
#include "qemu/osdep.h"

#include "hw/pci/pci.h"
#include "hw/pci/pcie.h"
#include "hw/pci/pcie_sriov.h"
#include "hw/qdev-properties.h"
#include "qapi/error.h"
#include "qemu/module.h"
#include "qemu/units.h"

#if QEMU_VERSION_MAJOR >= 8
#include "hw/pci/pci_device.h"
#endif

/* Where QEMU's own interface has moved. */
#if QEMU_VERSION_MAJOR > 8 || (QEMU_VERSION_MAJOR == 8 && QEMU_VERSION_MINOR >= 1)
#define init_ari(pci) pcie_ari_init(pci, ARI_AT)
#else
#define init_ari(pci) pcie_ari_init(pci, ARI_AT, 1)
#endif
#if QEMU_VERSION_MAJOR >= 10
#define PROPERTIES const Property
#define PROPERTIES_END
#define init_sriov(...) pcie_sriov_pf_init(__VA_ARGS__, errp)
#define reset_sriov	pcie_sriov_pf_reset
#define set_reset	device_class_set_legacy_reset
#else
#define PROPERTIES		   Property
#define PROPERTIES_END		   DEFINE_PROP_END_OF_LIST()
#define init_sriov		   pcie_sriov_pf_init
#define reset_sriov		   pcie_sriov_pf_disable_vfs
#define set_reset(class, function) ((class)->reset = (function))
#endif

enum { EXPRESS_AT = 0x70, ARI_AT = 0x100, SRIOV_AT = 0x120, SERIAL_AT = 0x180 };
#define MEMORY_64	   (PCI_BASE_ADDRESS_SPACE_MEMORY | PCI_BASE_ADDRESS_MEM_TYPE_64)
#define MEMORY_64_PREFETCH (MEMORY_64 | PCI_BASE_ADDRESS_MEM_PREFETCH)

struct fakegpu {
	PCIDevice pci;
	MemoryRegion registers, memory;
	uint32_t vendor_id, device_id, vf_device_id, class;
	uint32_t bar_mib, vf_bar_mib;
	uint16_t total_vfs, vf_offset, vf_stride;
	uint64_t serial;
};

struct fakegpu_vf {
	PCIDevice pci;
	MemoryRegion registers, memory;
};

static uint64_t read_register(void *opaque, hwaddr at, unsigned size)
{
	return at;
}

static void write_register(void *opaque, hwaddr at, uint64_t value, unsigned size)
{
}

static const MemoryRegionOps registers = {
	.read = read_register,
	.write = write_register,
	.endianness = DEVICE_LITTLE_ENDIAN,
};

static void make_vfs(PCIDevice *pci, const struct fakegpu *gpu, Error **errp)
{
	init_sriov(pci, SRIOV_AT, "fakegpu-vf", gpu->vf_device_id, gpu->total_vfs, gpu->total_vfs,
		gpu->vf_offset, gpu->vf_stride);
	pcie_sriov_pf_init_vf_bar(pci, 0, MEMORY_64, 64 * KiB);
	pcie_sriov_pf_init_vf_bar(pci, 2, MEMORY_64_PREFETCH, gpu->vf_bar_mib * MiB);
}

static void realize(PCIDevice *pci, Error **errp)
{
	struct fakegpu *gpu = (struct fakegpu *)pci;

	pci_config_set_vendor_id(pci->config, gpu->vendor_id);
	pci_config_set_device_id(pci->config, gpu->device_id);
	pci_config_set_class(pci->config, gpu->class);
	memory_region_init_io(&gpu->registers, OBJECT(pci), &registers, gpu, "registers", MiB);
	pci_register_bar(pci, 0, MEMORY_64, &gpu->registers);
	memory_region_init_io(
		&gpu->memory, OBJECT(pci), &registers, gpu, "memory", gpu->bar_mib * MiB);
	pci_register_bar(pci, 2, MEMORY_64_PREFETCH, &gpu->memory);
	if (pcie_endpoint_cap_init(pci, EXPRESS_AT) < 0) {
		error_setg(errp, "no PCI Express capability");
		return;
	}
	pcie_cap_flr_init(pci);
	init_ari(pci);
	if (gpu->serial)
		pcie_dev_ser_num_init(pci, SERIAL_AT, gpu->serial);
	if (gpu->total_vfs)
		make_vfs(pci, gpu, errp);
}

static void unrealize(PCIDevice *pci)
{
	if (((struct fakegpu *)pci)->total_vfs)
		pcie_sriov_pf_exit(pci);
	pcie_cap_exit(pci);
}

static void reset(DeviceState *device)
{
	if (((struct fakegpu *)device)->total_vfs)
		reset_sriov(PCI_DEVICE(device));
}

/* The SR-IOV layer looks at what has been written (how many VFs, are they on): it comes last. */
static void write_config(PCIDevice *pci, uint32_t at, uint32_t value, int length)
{
	pci_default_write_config(pci, at, value, length);
	pcie_cap_flr_write_config(pci, at, value, length);
	if (((struct fakegpu *)pci)->total_vfs)
		pcie_sriov_config_write(pci, at, value, length);
}

static void vf_realize(PCIDevice *pci, Error **errp)
{
	struct fakegpu_vf *vf = (struct fakegpu_vf *)pci;
	const struct fakegpu *gpu = (struct fakegpu *)pcie_sriov_get_pf(pci);

	pci_config_set_class(pci->config, gpu->class);
	memory_region_init_io(&vf->registers, OBJECT(pci), &registers, vf, "registers", 64 * KiB);
	pcie_sriov_vf_register_bar(pci, 0, &vf->registers);
	memory_region_init_io(
		&vf->memory, OBJECT(pci), &registers, vf, "memory", gpu->vf_bar_mib * MiB);
	pcie_sriov_vf_register_bar(pci, 2, &vf->memory);
	if (pcie_endpoint_cap_init(pci, EXPRESS_AT) < 0) {
		error_setg(errp, "no PCI Express capability");
		return;
	}
	pcie_cap_flr_init(pci);
	init_ari(pci);
}

static void vf_write_config(PCIDevice *pci, uint32_t at, uint32_t value, int length)
{
	pci_default_write_config(pci, at, value, length);
	pcie_cap_flr_write_config(pci, at, value, length);
}

static PROPERTIES properties[] = { DEFINE_PROP_UINT32(
					   "vendor_id", struct fakegpu, vendor_id, 0x10de),
	DEFINE_PROP_UINT32("device_id", struct fakegpu, device_id, 0x2335),
	DEFINE_PROP_UINT32("vf_device_id", struct fakegpu, vf_device_id, 0x2335),
	DEFINE_PROP_UINT32("class", struct fakegpu, class, PCI_CLASS_DISPLAY_3D),
	DEFINE_PROP_UINT32("bar_mib", struct fakegpu, bar_mib, 256),
	DEFINE_PROP_UINT32("vf_bar_mib", struct fakegpu, vf_bar_mib, 64),
	DEFINE_PROP_UINT16("total_vfs", struct fakegpu, total_vfs, 16),
	DEFINE_PROP_UINT16("vf_offset", struct fakegpu, vf_offset, 4),
	DEFINE_PROP_UINT16("vf_stride", struct fakegpu, vf_stride, 1),
	DEFINE_PROP_UINT64("serial", struct fakegpu, serial, 0), PROPERTIES_END };

static void init_class(ObjectClass *class, void *data)
{
	PCIDeviceClass *pci = PCI_DEVICE_CLASS(class);

	pci->realize = realize;
	pci->exit = unrealize;
	pci->config_write = write_config;
	set_reset(DEVICE_CLASS(class), reset);
	device_class_set_props(DEVICE_CLASS(class), properties);
	DEVICE_CLASS(class)->user_creatable = true;
}

static void init_vf_class(ObjectClass *class, void *data)
{
	PCIDeviceClass *pci = PCI_DEVICE_CLASS(class);

	pci->realize = vf_realize;
	pci->exit = pcie_cap_exit;
	pci->config_write = vf_write_config;
	DEVICE_CLASS(class)->user_creatable = false;
}

static InterfaceInfo interfaces[] = { { INTERFACE_PCIE_DEVICE }, {} };
static const TypeInfo gpu_type = {
	.name = "fakegpu",
	.parent = TYPE_PCI_DEVICE,
	.instance_size = sizeof(struct fakegpu),
	.class_init = init_class,
	.interfaces = interfaces,
};
static const TypeInfo vf_type = {
	.name = "fakegpu-vf",
	.parent = TYPE_PCI_DEVICE,
	.instance_size = sizeof(struct fakegpu_vf),
	.class_init = init_vf_class,
	.interfaces = interfaces,
};

static void register_types(void)
{
	type_register_static(&gpu_type);
	type_register_static(&vf_type);
}

__attribute__((constructor)) static void register_with_qemu(void)
{
	register_module_init(register_types, MODULE_INIT_QOM);
}
