/* SPDX-License-Identifier: Apache-2.0 */
/* The SR-IOV capability read from recorded configuration spaces. */
#include "test.h"

#include "driver/pci_sriov.h"
#include "tree.h"

#include <errno.h>

#define GPU  "0000:41:00.0"
#define HERE "/sys/bus/pci/devices/" GPU

static uint8_t config[4096];

static void put16(unsigned at, uint16_t value)
{
	config[at] = (uint8_t)value;
	config[at + 1] = (uint8_t)(value >> 8);
}

static void put32(unsigned at, uint32_t value)
{
	put16(at, (uint16_t)value);
	put16(at + 2, (uint16_t)(value >> 16));
}

/* A serial number at 0x100, SR-IOV at 0x200: 48 VFs with 256 KiB, 4 GiB and 32 MiB each. */
static void make(void)
{
	tree_new();
	memset(config, 0, sizeof(config));
	put32(0x100, 0x0003 | 1 << 16 | 0x200u << 20);
	put32(0x104, 0x89abcdef);
	put32(0x108, 0x01234567);
	put32(0x200, 0x0010 | 1 << 16);
	put16(0x208, 0x11);
	put16(0x20c, 48);
	put16(0x20e, 48);
	put16(0x210, 16);
	put16(0x214, 4);
	put16(0x216, 1);
	put16(0x21a, 0x2bb5);
	put32(0x224, 0);
	put32(0x228, 0xc);
	put32(0x230, 0xc);
}

static void save(void)
{
	tree_put_n(HERE "/config", config, sizeof(config));
}

TEST(capability_is_read_as_it_stands)
{
	struct pci_sriov sriov;

	make();
	save();
	CHECK_EQ(pci_sriov_read(GPU, &sriov), 0);
	CHECK_EQ(sriov.total, 48);
	CHECK_EQ(sriov.initial, 48);
	CHECK_EQ(sriov.enabled, 16);
	CHECK_EQ(sriov.offset, 4);
	CHECK_EQ(sriov.stride, 1);
	CHECK_EQ(sriov.vf_device, 0x2bb5);
	CHECK(sriov.is_on && sriov.has_ari);
	CHECK(!sriov.bar_is_64[0] && sriov.bar_is_64[1] && !sriov.bar_is_64[2] &&
		sriov.bar_is_64[3]);
}

TEST(bars_are_those_of_one_function)
{
	AUTO_BUF lines = { 0 };
	struct pci_sriov sriov;

	make();
	save();
	for (unsigned i = 0; i < 7; i++)
		buf_add(&lines, "0x0000000000000000 0x0000000000000000 0x0000000000000000\n");
	buf_addf(&lines, "0x00000000a0000000 0x%016llx 0x0000000000040200\n",
		0xa0000000 + 48 * (256ull << 10) - 1);
	buf_addf(&lines, "0x0000004000000000 0x%016llx 0x000000000014220c\n",
		0x4000000000 + 48 * (4ull << 30) - 1);
	buf_add(&lines, "0x0000000000000000 0x0000000000000000 0x0000000000000000\n");
	buf_addf(&lines, "0x0000000000000000 0x%016llx 0x000000000014220c\n",
		48 * (32ull << 20) - 1);
	tree_put(HERE "/resource", buf_text(&lines));
	CHECK_EQ(pci_sriov_read(GPU, &sriov), 0);
	CHECK_EQ(sriov.bar_size[0], 256 << 10);
	CHECK_EQ(sriov.bar_size[1], 4ll << 30);
	CHECK_EQ(sriov.bar_size[2], 0);
	CHECK_EQ(sriov.bar_size[3], 32 << 20);
	CHECK(sriov.bar_is_placed[0] && sriov.bar_is_placed[1] && !sriov.bar_is_placed[3]);
}

TEST(serial_number_is_read)
{
	uint64_t serial;

	make();
	save();
	CHECK_EQ(pci_serial(GPU, &serial), 0);
	CHECK(serial == 0x0123456789abcdefull);
}

TEST(what_is_not_there_is_said_so)
{
	struct pci_sriov sriov;
	uint64_t serial;

	make();
	CHECK_EQ(pci_sriov_read(GPU, &sriov), -ENODEV);
	put32(0x100, 0x0001 | 1 << 16);
	save();
	CHECK_EQ(pci_sriov_read(GPU, &sriov), -ENOENT);
	CHECK_EQ(pci_serial(GPU, &serial), -ENOENT);
}

TEST(a_list_that_never_ends_is_left)
{
	struct pci_sriov sriov;

	make();
	put32(0x100, 0x0001 | 1 << 16 | 0x140u << 20);
	put32(0x140, 0x0002 | 1 << 16 | 0x100u << 20);
	save();
	CHECK_EQ(pci_sriov_read(GPU, &sriov), -ENOENT);
	/* one that would reach beyond the end */
	put32(0x100, 0x0001 | 1 << 16 | 0xff8u << 20);
	put32(0xff8, 0x0010 | 1 << 16);
	save();
	CHECK_EQ(pci_sriov_read(GPU, &sriov), -ENOENT);
}

TEST_MAIN()
