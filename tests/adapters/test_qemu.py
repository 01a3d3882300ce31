# SPDX-License-Identifier: Apache-2.0
"""QEMU's monitor as QEMU itself plays it. The guest has no system: with hot-plug by ACPI (QEMU's own choice) nobody in it
ever answers; with PCIe's own, a port without power lets its device go at once."""
import os
import shutil
import socket
import subprocess
import time

import claims
import leases
from claims import contains, same

TOOL = os.environ["ADAPTERS_TOOL"]
PORTS = ["-device", "pcie-root-port,id=rp0,chassis=1,slot=1", "-device", "pcie-root-port,id=rp1,chassis=1,slot=2,hotplug=off",
         "-device", "pcie-root-port,id=rp2,chassis=1,slot=3,pref64-reserve=64M", "-device", "virtio-rng-pci,bus=rp0"]
BY_PCIE = ["-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"]


class Machine:
    def __init__(self, t, *more):
        qemu = shutil.which("qemu-system-x86_64")
        if not qemu:
            raise claims.Skip("qemu-system-x86_64 is not installed")
        self.path = os.path.join(t.dir, "qmp")
        self.process = subprocess.Popen([qemu, "-M", "q35", "-accel", "tcg", "-m", "64", "-nodefaults", "-display", "none",
                                         "-qmp", f"unix:{self.path},server=on,wait=off", *PORTS, *more])
        t.children.append(self.process)
        deadline = time.monotonic() + 60
        while not self.answers():
            assert self.process.poll() is None and time.monotonic() < deadline, "QEMU does not start"
            time.sleep(0.02)

    def answers(self):
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(self.path)
                return bool(connection.recv(1))
            except OSError:
                return False

    def tool(self, *args, status=0):
        result = subprocess.run([TOOL, args[0], self.path, "20000", *args[1:]], capture_output=True, text=True, timeout=60)
        same(result.returncode, status, result.stdout + result.stderr)
        return result.stdout

    def add(self, id, driver="virtio-rng-pci", bus="-", *properties, status=0):
        return self.tool("add", id, driver, bus, "0", *properties, status=status)


def claim_a_device_goes_in_and_out(t):
    for more in ((*BY_PCIE, "-S"), BY_PCIE):
        machine = Machine(t, *more)
        same(machine.add("carve-L1"), "rp2\n")
        machine.add("carve-L1", status=1)
        contains(machine.add("carve-L2", status=2), "ENOSPC: the virtual machine has no free PCIe root port")
        machine.tool("remove", "carve-L1")
        machine.tool("remove", "carve-L1", status=1)
        same(machine.add("carve-L2"), "rp2\n")
        machine.process.kill()
        machine.process.wait()


def claim_a_free_port_is_found_before_the_guest_numbers_its_buses(t):
    same(Machine(t, "-S").tool("port", "0"), "rp2 67108864\n")


def claim_a_device_of_that_name_with_other_properties_is_told(t):
    machine = Machine(t, "-S")
    machine.add("carve-L1", "virtio-rng-pci", "-", "romfile=")
    machine.add("carve-L1", "virtio-rng-pci", "-", "romfile=", status=1)
    contains(machine.add("carve-L1", "virtio-rng-pci", "-", "romfile=x", status=2), "EEXIST: the virtual machine has another")


def claim_qemus_own_words_are_passed_on(t):
    machine = Machine(t, "-S")
    t.serve_lease(leases.lease())
    for args, said in (((), "QEMU refuses the device: vfio 0000:41:00.7: no such host device"),
                       (("--bus", "rp1"), "Bus 'rp1' does not support hotplugging"),
                       (("--bus", "rp9"), "QEMU refuses the device: Bus 'rp9' not found")):
        result = t.carve("attach", "L3", "--qmp", machine.path, *args)
        same((result.returncode, result.stderr.count("\n")), (1, 1))
        contains(result.stderr.replace("/sys/bus/pci/devices/", ""), said)
    contains(machine.add("carve-L1", "no-such-driver", status=2), "EREMOTEIO: QEMU refuses the device: 'no-such-driver' is not")


def claim_a_stopped_guest_does_not_let_go_and_it_is_said(t):
    machine = Machine(t, "-S")
    t.serve_lease(leases.lease())
    machine.add("carve-L3")
    for _ in range(2):  # the second time it is in the process of it
        result = t.carve("detach", "L3", "--qmp", machine.path, "--timeout", "300ms")
        same((result.returncode, result.stderr.count("\n")), (124, 1))
        contains(result.stderr, "the guest has not let go of carve-L3: its virtual machine is stopped (prelaunch)")


def claim_a_guest_that_does_not_know_of_it_is_told(t):
    machine = Machine(t)
    t.serve_lease(leases.lease())
    machine.add("carve-L3")
    result = t.carve("detach", "L3", "--qmp", machine.path, "--timeout", "300ms")
    same(result.returncode, 124)
    contains(result.stderr, "the guest has not let go of carve-L3 yet: it is still starting")


def claim_a_monitor_that_somebody_has_is_told(t):
    machine = Machine(t, "-S")
    t.serve_lease(leases.lease())
    with socket.socket(socket.AF_UNIX) as other:
        other.connect(machine.path)
        same(other.recv(1), b"{")
        result = t.carve("attach", "L3", "--qmp", machine.path, "--timeout", "500ms")
    same(result.returncode, 124)
    contains(result.stderr, "does not greet: its virtual machine hangs, or another program (libvirt?) has this monitor")


def claim_a_machine_that_ends_in_the_middle_is_told(t):
    machine = Machine(t)
    t.serve_lease(leases.lease())
    machine.add("carve-L3")
    child = t.start("detach", "L3", "--qmp", machine.path, stderr=subprocess.PIPE)
    time.sleep(0.3)
    machine.process.kill()
    contains(child.communicate(timeout=30)[1], "QEMU closed its monitor")
    same(child.returncode, 1)


claims.main(globals())
