# SPDX-License-Identifier: Apache-2.0
"""Carve on a real NVIDIA GPU, looking and leasing whole GPUs only: no mode, clock or instance is changed, and the
last claim checks that. Needs the driver; root for the fence. It brings a carved of its own."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

from node import CARVE, CARVED, PATIENCE, Skip, claim, equal, is_root, needs_fence, own_cgroup, run_claims, true

ROOT = os.environ.get("CARVE_SYSTEM_ROOT", "")
LAYOUT = "version: carve/v1\nlayouts:\n  all:\n  - gpus: all\n    mig: [dynamic]\n"
# What a CUDA program sees of the first device it may use: its uuid and memory, by the driver's own interface.
PROGRAM = """
import ctypes, uuid
cuda = ctypes.CDLL("libcuda.so.1")
number, device, size, raw = ctypes.c_int(), ctypes.c_int(), ctypes.c_size_t(), (ctypes.c_char * 16)()
assert cuda.cuInit(0) == 0
assert cuda.cuDeviceGetCount(ctypes.byref(number)) == 0
assert cuda.cuDeviceGet(ctypes.byref(device), 0) == 0
assert cuda.cuDeviceGetUuid_v2(raw, device) == 0
assert cuda.cuDeviceTotalMem_v2(ctypes.byref(size), device) == 0
print(number.value, "GPU-%s" % uuid.UUID(bytes=raw.raw), size.value)
"""


class Observed:
    """A carved with nothing configured, in directories of its own."""

    def __enter__(self):
        if not os.path.exists(ROOT + "/proc/driver/nvidia/version"):
            raise Skip("no NVIDIA driver is loaded")
        if os.path.exists("/run/carve/api.sock") and not ROOT:
            raise Skip("a carved runs on this machine already")
        own_cgroup()
        self.dir = tempfile.mkdtemp(prefix="carve-gpu-", dir="/tmp")
        self.env = dict(os.environ, CARVE_RUN_DIR=self.dir + "/run", CARVE_STATE_DIR=self.dir + "/state")
        with open(self.dir + "/carved.yaml", "w", encoding="ascii"):
            pass
        with open(self.dir + "/log", "wb") as log:
            self.carved = subprocess.Popen([CARVED, "--config", self.dir + "/carved.yaml"], env=self.env, stdout=log,
                                           stderr=log)
        until = time.monotonic() + 60 * PATIENCE
        while not os.path.exists(self.dir + "/run/api.sock"):
            true(self.carved.poll() is None and time.monotonic() < until, "carved started: %s" % self.log())
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self.carved.terminate()
        self.carved.wait(30 * PATIENCE)
        shutil.rmtree(self.dir)

    def log(self):
        with open(self.dir + "/log", encoding="utf-8", errors="replace") as file:
            return file.read()[-2000:]

    def carve(self, *arguments):
        return subprocess.run([CARVE, *arguments], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=120 * PATIENCE, check=False)

    def gpus(self):
        return json.loads(self.carve("list", "gpus", "--json").stdout)["gpus"]

    def users_of_the_driver(self):
        """Processes of this carved that have a device node of a GPU open."""
        found = []
        for pid in [entry for entry in os.listdir("/proc") if entry.isdigit()]:
            try:
                with open("/proc/%s/environ" % pid, "rb") as file:
                    if self.dir.encode() not in file.read():
                        continue
                links = [os.readlink("/proc/%s/fd/%s" % (pid, fd)) for fd in os.listdir("/proc/%s/fd" % pid)]
            except OSError:
                continue
            if any(link.startswith(ROOT + "/dev/nvidia") for link in links):
                found.append(int(pid))
        return found


def smi(*arguments):
    if not shutil.which("nvidia-smi"):
        raise Skip("nvidia-smi is not installed")
    return subprocess.run(["nvidia-smi", *arguments], stdout=subprocess.PIPE, text=True, check=True).stdout


def settings():
    """What must be the same at the end: modes, clocks, instances."""
    fields = "uuid,mig.mode.current,mig.mode.pending,persistence_mode,compute_mode,power.limit,clocks.max.sm"
    return smi("--query-gpu=" + fields, "--format=csv,noheader") + smi("-L")


before = settings() if shutil.which("nvidia-smi") else None


@claim
def carve_sees_the_gpus_that_nvidia_smi_sees():
    with Observed() as node:
        rows = [row.split(", ") for row in smi("--query-gpu=uuid,name,pci.bus_id", "--format=csv,noheader").splitlines()]
        seen = [(gpu["uuid"], gpu["product"], gpu["pci"].lower()) for gpu in node.gpus()]
        equal(seen, [(uuid, name, pci.lower()[4:]) for uuid, name, pci in rows])


@claim
def nothing_is_managed_and_a_request_says_how_to():
    with Observed() as node:
        true(not any(gpu["managed"] for gpu in node.gpus()), "no GPU is managed")
        answer = node.carve("run", "--no-wait", "--", "true")
        equal(answer.returncode, 125)
        true("carve manage" in answer.stderr, answer.stderr)


@claim
def a_plan_for_an_observed_gpu_is_refused():
    with Observed() as node:
        path = node.dir + "/layout.yaml"
        with open(path, "w", encoding="ascii") as file:
            file.write(LAYOUT)
        answer = node.carve("plan", path)
        equal(answer.returncode, 1)
        true("carve manage" in answer.stdout + answer.stderr, answer)


@claim
def the_doctor_looks_without_a_daemon():
    answer = subprocess.run([CARVE, "doctor"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if not os.path.exists(ROOT + "/proc/driver/nvidia/version"):
        raise Skip("no NVIDIA driver is loaded")
    true(answer.returncode in (0, 1) and "GPU" in answer.stdout and not answer.stderr, answer)


@claim
def mig_profiles_are_those_that_the_driver_lists():
    with Observed() as node:
        for gpu in node.gpus():
            if not gpu["mig"]["on"]:
                raise Skip("the driver lists profiles in MIG mode only, and it is off")
            listed = smi("mig", "-i", gpu["uuid"], "-lgip")
            for profile in gpu["mig"]["profiles"]:
                true("MIG %s " % profile["name"] in listed, "%s is in:\n%s" % (profile["name"], listed))


@claim
def a_job_sees_the_whole_gpu_that_it_leased_and_gives_it_back():
    needs_fence()
    with Observed() as node:
        gpu = node.gpus()[0]
        if gpu["mig"]["on"]:
            raise Skip("GPU 0 is in MIG mode")
        if gpu["processes"]:
            raise Skip("GPU 0 is in use")
        equal(node.carve("manage", "0").returncode, 0)
        answer = node.carve("run", "--mechanism", "whole", "--", sys.executable, "-c", PROGRAM)
        equal((answer.returncode, answer.stderr), (0, ""))
        number, uuid, size = answer.stdout.split()
        equal((number, uuid), ("1", gpu["uuid"]))
        true(0.9 < int(size) / gpu["memory"] <= 1, "%s bytes of %d" % (size, gpu["memory"]))
        equal(json.loads(node.carve("list", "leases", "--json").stdout)["leases"], [])
        equal(node.carve("unmanage", "0", "--keep").returncode, 0)


@claim
def a_drained_driver_is_not_held_open():
    if not is_root():
        raise Skip("draining takes root")
    with Observed() as node:
        true(node.users_of_the_driver(), "the workers have the driver open")
        equal(node.carve("drain", "--driver").returncode, 0)
        until = time.monotonic() + 20 * PATIENCE
        while node.users_of_the_driver():
            true(time.monotonic() < until, "the driver is let go")
            time.sleep(0.05)
        equal(node.carve("undrain", "--driver").returncode, 0)
        equal(len(node.gpus()) > 0, True)


@claim
def nothing_was_changed():
    if before is None:
        raise Skip("nvidia-smi is not installed")
    equal(settings(), before)


if __name__ == "__main__":
    run_claims(sys.modules[__name__])
