# SPDX-License-Identifier: Apache-2.0
"""A simulated host of virtual machines, as tests of virtual functions see it."""
import contextlib
import glob
import os
import shutil
import signal
import subprocess

from node import SIM, Node, equal

CONFIG = "health-interval: 100ms\ngrace: 1s\n"


class Host(Node):
    """A node whose GPUs have VFs; what is in its files is the truth."""

    def __init__(self, machine="vgpu", config=CONFIG, start=True):
        super().__init__(machine, config=config)
        self.root = self.env["CARVE_SYSTEM_ROOT"]
        if start:
            self.start()

    def vm(self, name, **request):
        return self.post("/v1/leases", {"request": {"vm": True, "wait": 0, **request},
                                        "holder": {"kind": "vm", "name": name}, "wait_reply": 60})

    def lease_named(self, name):
        return self.get("/v1/leases/" + name)["lease"]

    def release(self, name):
        return self.post("/v1/leases/%s/release" % name)

    def vf_file(self, pci, name):
        try:
            with open("%s/sys/bus/pci/devices/%s/%s" % (self.root, pci, name), encoding="ascii") as file:
                return file.read().strip()
        except FileNotFoundError:
            return None

    def count(self, index=0):
        return int(self.vf_file(self.pf(index), "sriov_numvfs"))

    def counts(self):
        return [self.count(i) for i in range(3)]

    @staticmethod
    def pf(index):
        return ("0000:41:00.0", "0000:61:00.0", "0000:c1:00.0")[index]

    def types(self):
        """Every vGPU: {address: id of its type}."""
        found = {}
        for path in glob.glob("%s/sys/bus/pci/devices/*/nvidia/current_vgpu_type" % self.root):
            try:
                with open(path, encoding="ascii") as file:
                    value = int(file.read())
            except OSError:  # it is just going
                continue
            if value:
                found[path.split("/")[-3]] = value
        return found

    def set_type(self, pci, value):
        with open("%s/sys/bus/pci/devices/%s/nvidia/current_vgpu_type" % (self.root, pci), "w",
                  encoding="ascii") as file:
            file.write("%d" % value)

    def type_id(self, name, index=0):
        return next(t["id"] for t in self.gpu(index)["vf"]["types"] if t["name"] == name)

    def gpu(self, index=0):
        return self.get("/v1/gpus/%d" % index)["gpu"]

    def shares(self):
        return {s["id"]: s for s in self.get("/v1/shares")["shares"] if s["mechanism"] == "vf"}

    def hold(self, pci):
        """A virtual machine that has the VF open."""
        child = subprocess.Popen([SIM, "hold", "--vf", pci], env=self.env)
        self.children.append(child)
        group = os.path.basename(os.readlink("%s/sys/bus/pci/devices/%s/iommu_group" % (self.root, pci)))

        def has_it_open():
            if child.poll() is not None:
                raise AssertionError("it could not be held: %d" % child.returncode)
            return any(link_of(path).endswith("/dev/vfio/" + group)
                       for path in glob.glob("/proc/%d/fd/*" % child.pid))

        self.wait_for(has_it_open, "a virtual machine to have %s" % pci)
        return child

    def define(self, domain, pci):
        """A libvirt domain that has the VF in its definition."""
        directory = self.root + "/etc/libvirt/qemu"
        os.makedirs(directory, exist_ok=True)
        bus, slot, function = pci.replace(".", ":").split(":")[1:]
        with open("%s/%s.xml" % (directory, domain), "w", encoding="ascii") as file:
            file.write("<domain><devices><hostdev mode='subsystem' type='pci'><source><address domain='0x0000' "
                       "bus='0x%s' slot='0x%s' function='0x%s'/></source></hostdev></devices></domain>"
                       % (bus, slot, function))

    def manage(self, *arguments):
        return self.sim("sriov-manage", *arguments)

    def turn_all_off(self):
        # The workers of a killed carved end in a moment: till then they are clients of the driver.
        return self.sim("sriov-manage", "-d", "ALL", check=False).returncode == 0

    def reboot(self, start=True):
        """All that is not durable is gone: virtual machines, VFs and their types, instances, the ledger."""
        self.kill()
        for child in self.children:
            if child.poll() is None:
                child.kill()
                child.wait()
        self.wait_for(self.turn_all_off, "the VFs to go")
        run_dir = self.env["CARVE_RUN_DIR"]
        for name in os.listdir(run_dir):
            path = os.path.join(run_dir, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        equal(self.counts(), [0, 0, 0])
        if start:
            self.start()

    def events(self, kind):
        return [e["text"] for e in self.get("/v1/events?since=0")["events"] if e["kind"] == kind]

    def fail(self, text):
        self.sim("inject", text)

    def check_clean(self):
        """Nothing is left: no lease, no vGPU, no VF that Carve turned on, nothing written down."""
        self.wait_for(lambda: not self.leases() and self.types() == {} and self.counts() == [0, 0, 0],
                      "the VFs to be gone")
        equal(self.shares(), {})
        self.wait_for(lambda: not any(g["busy"] for g in self.get("/v1/gpus")["gpus"]), "the GPUs to rest")
        self.stop()
        equal(durable(self), [])


def link_of(path):
    try:
        return os.readlink(path)
    except OSError:
        return ""


def durable(node):
    import sqlite3
    with contextlib.closing(sqlite3.connect(node.env["CARVE_STATE_DIR"] + "/state.db")) as db:
        return [row[0] for row in db.execute("SELECT key FROM value WHERE key LIKE 'vf/%' OR key LIKE 'vm-lease/%'")]


def end(child):
    child.send_signal(signal.SIGTERM)
    child.wait(20)
