# SPDX-License-Identifier: Apache-2.0
"""What `carve attach` and `carve detach` take beside QEMU's own time: make bench.

A QEMU without a system in its guest, whose PCIe ports let their devices go at once, and a stand-in for carved that has
one lease. In each run, in turn: QEMU's own time for the command, asked on a connection that is there already, and carve
from its start to its end. There is no VF here: QEMU refuses to attach it, after looking for it; the whole path of a
device that goes in is measured with another one.
"""
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import fake
import leases

CARVE, TOOL = sys.argv[1], sys.argv[2]
RUNS = 30
BOUND_MS = 50


class Monitor:
    """QMP as plainly as it can be asked."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.stream = self.socket.makefile("rb")
        self.stream.readline()
        self.ask("qmp_capabilities")

    def line(self):
        return json.loads(self.stream.readline())

    def ask(self, command, **arguments):
        self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while "event" in (answer := self.line()):
            pass
        return answer

    def deleted(self, device):
        while self.line().get("data", {}).get("device") != device:
            pass

    def close(self):
        self.stream.close()
        self.socket.close()


def start(path):
    qemu = shutil.which("qemu-system-x86_64")
    if not qemu:
        print("skip attach: qemu-system-x86_64 is not installed")
        sys.exit(0)
    process = subprocess.Popen([
        qemu, "-M", "q35", "-accel", "tcg", "-m", "64", "-nodefaults", "-display", "none", "-S",
        "-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off", "-device", "pcie-root-port,id=rp0,chassis=1,slot=1",
        "-qmp", f"unix:{path},server=on,wait=off"])
    while True:
        try:
            Monitor(path).close()
            return process
        except OSError:
            time.sleep(0.02)


def timed(function, *arguments, **more):
    begin = time.monotonic()
    function(*arguments, **more)
    return (time.monotonic() - begin) * 1e3


def own(path, function):
    """QEMU's own time for what is done on a connection of its own."""
    monitor = Monitor(path)
    took = timed(function, monitor)
    monitor.close()
    return took


def command(*words, wanted, env=None):
    result = subprocess.run(words, env=env, capture_output=True, text=True)
    assert result.returncode == wanted, result
    return result


def plug(monitor):
    assert "return" in monitor.ask("device_add", driver="virtio-rng-pci", id="carve-L3", bus="rp0")


def unplug(monitor):
    monitor.ask("device_del", id="carve-L3")
    monitor.deleted("carve-L3")


def refuse(monitor):
    assert "error" in monitor.ask("device_add", driver="vfio-pci", id="carve-L3", bus="rp0", host="0000:41:00.7")


def measure(path, env):
    took = {name: ([], []) for name in ("attach", "add", "detach", "nothing")}
    verb = lambda name, wanted: timed(command, CARVE, name, "L3", "--qmp", path, wanted=wanted, env=env)
    for _ in range(RUNS):
        took["attach"][0].append(own(path, refuse))
        took["attach"][1].append(verb("attach", 1))
        took["add"][0].append(own(path, plug))
        took["detach"][0].append(own(path, unplug))
        took["add"][1].append(timed(command, TOOL, "add", path, "5000", "carve-L3", "virtio-rng-pci", "-", "0", wanted=0))
        took["detach"][1].append(verb("detach", 0))
        took["nothing"][1].append(timed(command, "true", wanted=0))
    return {name: [statistics.median(values) if values else 0 for values in pair] for name, pair in took.items()}


def show(took):
    rows = [("what", "all of it", "QEMU's own", "ours", "bound", "")]
    for name, what in (("attach", "carve attach (of a VF that is not there)"), ("add", "a device into a free port"),
                       ("detach", "carve detach, until the guest has let go")):
        theirs, whole = took[name]
        ours = whole - theirs
        rows.append((what, f"{whole:.1f} ms", f"{theirs:.1f} ms", f"{ours:.1f} ms", f"{BOUND_MS} ms",
                     "holds" if ours <= BOUND_MS else "OVER"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip())
    print(f"\nMedians of {RUNS} runs, in turn; to start and end a program that does nothing: {took['nothing'][1]:.1f} ms. "
          f"Load: {os.getloadavg()[0]:.1f}.")


with tempfile.TemporaryDirectory(prefix="carve-bench-") as folder:
    api, qmp = os.path.join(folder, "api.sock"), os.path.join(folder, "qmp")
    fake.Fake(api, {"GET /v1/leases/L3": {"version": 1, "lease": leases.lease(mmio=0)}})
    machine = start(qmp)
    try:
        show(measure(qmp, os.environ | {"CARVE_SOCKET": api}))
    finally:
        machine.kill()
        machine.wait()
