# SPDX-License-Identifier: Apache-2.0
"""Boots small guests with SR-IOV devices on a real kernel, and runs claims there: vf.py CASE BUILD

A guest is a kernel and an initramfs with Carve's programs and busybox, and is up after seconds, though
its processor is emulated. CASE is which devices it has, and says which claims are run: see CASES.
"""
import concurrent.futures
import os
import shutil
import subprocess
import sys
import tempfile
import time

import parts
from host import Share, find_virtiofsd
from kernel import Skip, find_kernel, image_of

HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS = 240  # in which a guest has to come to its end
SECONDS_INNER = 2400  # where one boots in it, emulated by what is emulated
MODULES = ["vfio-pci", "vfio_iommu_type1", "pci-pf-stub", "virtio_pci", "virtio_blk"]
NVME = ["-device", "nvme-subsys,id=ss0", "-device",
        "nvme,bus=rp0,serial=s0,subsys=ss0,sriov_max_vfs=8,sriov_vq_flexible=16,sriov_vi_flexible=8,max_ioqpairs=34,"
        "msix_qsize=32"]
NVIDIA = "fakegpu,vendor_id=0x10de,device_id=0x2335,vf_device_id=0x2335,class=0x0302,total_vfs=16,serial=0x48af3c01"
XE = "fakegpu,vendor_id=0x8086,device_id=0xe20b,vf_device_id=0xe20b,class=0x0300,total_vfs=7,vf_offset=1,serial=0xb580"
IOMMU = ["-device", "intel-iommu,intremap=on,caching-mode=on"]
PORT = ["-device", "pcie-root-port,id=rp0,chassis=1,slot=1"]
# On a machine that is busy, an emulated one finds its timer broken, or takes its clock for many times as fast.
CLOCKS = ["no_timer_check", "tsc=unstable", "clocksource=hpet"]
SMALL = "fakegpu,bus=rp0,total_vfs=4"


def gpu(device, *more):
    return ["-device", ",".join([device, "bus=rp0", *more])]


class Boot:
    """One boot of a guest; `part` tells its claims which of several it is."""

    def __init__(self, claims, part="", devices=(), iommu=IOMMU, port=PORT, words=(), keeps=False):
        self.claims, self.part, self.devices = claims, part, list(devices)
        self.iommu, self.port, self.words, self.keeps = list(iommu), list(port), list(words), keeps
        self.memory, self.seconds = ["-m", "512"], SECONDS

    def name(self):
        return "_".join(word for word in (self.claims, self.part) if word)


# Two sockets' worth of memory, and a bridge of each socket's own.
TWO_NODES = ["-smp", "2", "-object", "memory-backend-ram,id=m0,size=256M", "-object", "memory-backend-ram,id=m1,size=256M",
             "-numa", "node,nodeid=0,memdev=m0,cpus=0", "-numa", "node,nodeid=1,memdev=m1,cpus=1",
             "-device", "pxb-pcie,id=far,bus_nr=64,numa_node=1,bus=pcie.0",
             "-device", "pxb-pcie,id=near,bus_nr=32,numa_node=0,bus=pcie.0",
             "-device", "pcie-root-port,id=rp1,bus=far,chassis=2,slot=2,pref64-reserve=1G,mem-reserve=16M",
             "-device", "pcie-root-port,id=rp0,bus=near,chassis=1,slot=1,pref64-reserve=1G,mem-reserve=16M"]

INNER = "inner"  # has a virtual machine in it

# What boots one after the other, by case; the faults have nothing to do with each other.
CASES = {
    "nvme": [Boot("nvme", "first", NVME, keeps=True), Boot("nvme", "again", NVME, keeps=True)],
    "gpu": [Boot("gpu", "first", gpu(NVIDIA), keeps=True), Boot("gpu", "again", gpu(NVIDIA), keeps=True)],
    "xe": [Boot("xe", "first", gpu(XE), keeps=True), Boot("xe", "again", gpu(XE), keeps=True)],
    "faults": [
        Boot("faults", "table", ["-device", SMALL]),
        Boot("faults", "no_iommu", ["-device", SMALL], iommu=[], words=["intel_iommu=off"]),
        Boot("faults", "no_acs", ["-device", SMALL], port=[PORT[0], PORT[1] + ",disable-acs=on"]),
        Boot("faults", "no_room", ["-device", SMALL + ",vf_bar_mib=1024"], words=["pci=realloc=off"]),
        Boot("faults", "no_buses", ["-device", SMALL + ",vf_offset=256"]),
        Boot("faults", "held", ["-device", SMALL]),
        Boot("faults", "unbound", ["-device", SMALL]),
        Boot("faults", "two_nodes", ["-device", SMALL, "-device", SMALL.replace("rp0", "rp1")], port=TWO_NODES),
    ],
    "speed": [Boot("speed", "", ["-device", "fakegpu,bus=rp0,total_vfs=16"])],
    INNER: [Boot("inner", devices=gpu(NVIDIA))],
}
APART = {"faults"}


def find_programs(case):
    if os.uname().machine != "x86_64":
        raise Skip("the guest is an x86_64 one")
    for name in ("qemu-system-x86_64", "busybox", "depmod", "cpio", "strip", "jq"):
        if not shutil.which(name):
            raise Skip("%s is not installed" % name)
    if case == INNER:
        find_virtiofsd()


def command_of(boot, kernel, initramfs, disk):
    return ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg", "-cpu", "max", "-smp", "1", *boot.memory,
            "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio", "-monitor", "none",
            *boot.iommu, *boot.port, *boot.devices,
            *(["-drive", "if=none,id=keep,format=raw,file=" + disk, "-device", "virtio-blk-pci,drive=keep"]
              if boot.keeps else []),
            "-kernel", image_of(kernel), "-initrd", initramfs,
            "-append", " ".join(["console=ttyS0", "quiet", "loglevel=1", "panic=-1", "intel_iommu=on", *CLOCKS,
                                 "carve.claims=" + boot.claims, "carve.part=" + boot.part, *boot.words])]


def run_guest(boot, kernel, initramfs, disk, library):
    """Whether the guest came to its end; its claims are printed when it did, as one piece."""
    # The library is for QEMU alone: nothing else could load it.
    command = ["timeout", "-k", "5", str(boot.seconds), "env", "LD_PRELOAD=" + library,
               *command_of(boot, kernel, initramfs, disk)]
    began = time.monotonic()
    answer = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, errors="replace", check=False)
    lines = [line.rstrip() for line in answer.stdout.splitlines()]
    lines.append("# %s: %.1f s" % (boot.name(), time.monotonic() - began))
    ended = any(line.startswith("# the guest ends") for line in lines)
    lines.append("%s the_guest_%s_came_to_its_end" % ("ok" if ended else "not ok", boot.name()))
    print("\n".join(lines), flush=True)
    return ended and not any(line.startswith("not ok") for line in lines)


def run_outer(boot, kernel, initramfs, disk, library, directory):
    """A guest that has what is installed here, and the kernel and initramfs for a virtual machine of its own."""
    inner = parts.make_inner_initramfs(os.path.join(directory, "inner"))
    with Share(find_virtiofsd(), directory) as share:
        boot.memory, boot.seconds = share.options(1536), SECONDS_INNER
        boot.words += ["carve.kernel=" + image_of(kernel), "carve.inner=" + inner]
        return run_guest(boot, kernel, initramfs, disk, library)


def programs_of(build, case):
    more = [(os.path.join(build, "tests/guest/vf/kernel_time.so"), "kernel_time.so")] if case == "speed" else []
    return more + [(os.path.join(build, "src/cli/carve"), "carve"), (os.path.join(build, "src/daemon/carved"), "carved"),
            (os.path.join(build, "tests/guest/vf/hold"), "qemu-system-x86_64"), (shutil.which("jq"), "jq"),
            (os.path.join(build, "tests/driver/test_vf_kernel"), "test_vf_kernel"),
            (os.path.join(HERE, "sriov-manage"), "sriov-manage")]


def main(case, build):
    find_programs(case)
    cache = os.path.join(build, "guest")
    kernel = find_kernel(os.path.join(cache, "kernel"))
    library = parts.find_fakegpu(cache)
    stand_ins = [parts.find_stand_in(kernel, cache, name) for name in ("fake_nvidia", "fake_xe")]
    directory = tempfile.mkdtemp(prefix="carve-vf-", dir=os.environ.get("TMPDIR", "/tmp"))
    try:
        disk = os.path.join(directory, "disk")
        with open(disk, "wb") as file:
            file.truncate(16 << 20)
        scripts = [os.path.join(HERE, name) for name in os.listdir(HERE) if name.endswith(".sh")]
        modules = MODULES + (["virtiofs"] if case == INNER else [])
        initramfs = parts.make_initramfs(kernel, os.path.join(directory, "initramfs"), modules, stand_ins,
                                         programs_of(build, case), scripts)
        if case == INNER:
            sys.exit(0 if run_outer(CASES[case][0], kernel, initramfs, disk, library, directory) else 1)
        only = os.environ.get("CARVE_PART")
        boots = [boot for boot in CASES[case] if only in (None, boot.part)]
        with concurrent.futures.ThreadPoolExecutor(2 if case in APART else 1) as pool:
            results = list(pool.map(lambda boot: run_guest(boot, kernel, initramfs, disk, library), boots))
        sys.exit(0 if all(results) else 1)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


try:
    main(sys.argv[1], os.path.abspath(sys.argv[2]))
except Skip as reason:
    print("skip virtual_functions_on_a_real_kernel_%s: %s" % (sys.argv[1], reason))
