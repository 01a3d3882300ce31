# SPDX-License-Identifier: Apache-2.0
"""A simulated node with MPS on it, for mps.py: control daemons, clients, and what NVML shows of them."""
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

SIM = os.environ["CARVE_SIM_PROGRAM"]
LIBRARY = os.environ["CARVE_SIM_LIBRARY"]
NOBODY = 65534
CUDA = {"out of memory": 102, "launch failed": 119, "no connection": 105, "server gone": 106, "not ready": 107,
        "too many": 108, "terminated": 110, "no partition": 115}  # the exit statuses of carve-sim hold

# Calls NVML in a process of its own, which may be given the sanitizer's runtime.
NVML = """
import ctypes, sys
nvml = ctypes.CDLL(sys.argv[1])
device, count = ctypes.c_void_p(), ctypes.c_uint(64)
infos = (ctypes.c_uint64 * 256)()
nvml.nvmlInit_v2()
nvml.nvmlDeviceGetHandleByIndex_v2(int(sys.argv[2]), ctypes.byref(device))
if sys.argv[3] == "mode":
    print(nvml.nvmlDeviceSetComputeMode(device, int(sys.argv[4])))
elif sys.argv[3] == "limit":
    class Limits(ctypes.Structure):
        _fields_ = [("path", ctypes.c_char_p), *((name, ctypes.c_uint64) for name in ("soft", "hard", "used"))]
    limits = Limits(sys.argv[4].encode(), *map(int, sys.argv[5:7]))
    code = nvml.nvmlDeviceSetMemoryLimits_v1(device, ctypes.byref(limits)) if sys.argv[5:] else 0
    code = code or nvml.nvmlDeviceGetMemoryLimits_v1(device, ctypes.byref(limits))
    print(code, limits.soft, limits.hard, limits.used)
else:
    call = getattr(nvml, f"nvmlDeviceGet{sys.argv[4]}RunningProcesses_v3")
    assert call(device, ctypes.byref(count), ctypes.byref(infos)) == 0
    print(*sorted(infos[3 * i] & 0xffffffff for i in range(count.value)))
"""


class Skip(Exception):
    pass


def until(condition, what, seconds=20):
    end = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"it does not come about: {what}")
        time.sleep(0.01)
    return result


class Client:
    """carve-sim hold, until it is told to end."""

    def __init__(self, node, *options, env=None, user=None):
        self.process = subprocess.Popen(["carve-sim", "hold", "--print", *options], env=node.env | (env or {}),
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, user=user)
        self.pid = self.process.pid
        self.said = ""
        node.clients.append(self)

    def ready(self):
        """What it got of MPS, as a dictionary; empty where it is no client."""
        while "mps" not in (self.said.splitlines() or [""])[-1]:
            line = self.process.stdout.readline()
            if not line:
                raise AssertionError(f"the client ended with {self.process.wait()}: {self.said}")
            self.said += line
        return dict(re.findall(r"(\w+)=(\S+)", self.said.splitlines()[-1]))

    def end(self):
        self.process.terminate()
        return self.status()

    def status(self):
        self.said += self.process.communicate(timeout=30)[0]
        return self.process.returncode


class Node:
    def __init__(self, driver="580.65.06", product="H100-80", start_ms=0, gpus=1, more=""):
        self.dir = tempfile.mkdtemp(prefix="carve-mps-", dir="/tmp")
        os.chmod(self.dir, 0o755)
        addresses = ", ".join(f'"{16 + i:02x}:00.0"' for i in range(gpus))
        with open(f"{self.dir}/machine.yaml", "w", encoding="utf-8") as file:
            file.write(f"version: carve-sim/v1\ndriver: {driver}\ncuda: \"13.0\"\ngpus:\n- product: {product}\n"
                       f"  pci: [{addresses}]\n{more}")
        self.node = f"{self.dir}/node"
        out = subprocess.run([SIM, "run", f"{self.dir}/machine.yaml", "--fast", "--mps-start", str(start_ms), "--dir",
                              self.node, "--", "env", "-0"], check=True, stdout=subprocess.PIPE).stdout
        self.env = dict(pair.split("=", 1) for pair in out.decode().split("\0") if pair)
        self.pipe, self.log = f"{self.dir}/pipe", f"{self.dir}/log"
        self.env |= {"CUDA_MPS_PIPE_DIRECTORY": self.pipe, "CUDA_MPS_LOG_DIRECTORY": self.log}
        self.clients = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for client in self.clients:
            if client.process.poll() is None:
                client.process.kill()
            client.process.communicate()
        subprocess.run([SIM, "destroy", "--dir", self.node], check=True)
        shutil.rmtree(self.dir, ignore_errors=True)

    def run(self, *command, text="", env=None, user=None):
        """What it printed, and its exit status."""
        done = subprocess.run(command, env=self.env | (env or {}), input=text, text=True, timeout=60, user=user,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.stdout, done.returncode

    def sim(self, *words):
        out, status = self.run("carve-sim", *words)
        assert status == 0, out
        return out.strip()

    def hang(self, whom):
        """Has a server or control daemon hang, and returns the rule's number when it does."""
        rule = self.sim("inject", f"mps-hang:{whom}")
        until(lambda: any(one["id"] == int(rule) and one["struck"] for one in self.state()["inject"]), "it hangs")
        return rule

    def start(self, *options, env=None):
        out, status = self.run("nvidia-cuda-mps-control", "-d", *options, env=env)
        assert status == 0, out
        return int(self.control_pid())

    def control_pid(self):
        for entry in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                with open(f"/proc/{entry}/cmdline", encoding="utf-8") as cmdline, \
                        open(f"/proc/{entry}/environ", encoding="utf-8", errors="replace") as environ:
                    if cmdline.read().startswith("nvidia-cuda-mps-control\0-d") and self.pipe in environ.read():
                        return entry
        return 0

    def ask(self, *lines, user=None):
        out, status = self.run("nvidia-cuda-mps-control", text="\n".join(lines) + "\n", user=user)
        assert status == 0, (status, out)
        return out

    def v3(self, *words):
        out, status = self.run("nvidia-cuda-mps-control", *words)
        assert status == 0, out
        return out.strip()

    def server(self):
        """The pid of the server, when it is ready."""
        return until(lambda: self.ask("get_server_list").strip() and self.log_has("Server has started") and
                     self.ask("get_server_list").strip(), "a server")

    def log_of(self, name="server.log"):
        with open(f"{self.log}/{name}", encoding="utf-8") as file:
            return file.read()

    def log_has(self, text, name="server.log"):
        return text in self.log_of(name)

    def nvml(self, *words, gpu=0):
        runtime = os.environ.get("CARVE_ASAN_RUNTIME")
        env = {"LD_PRELOAD": runtime, "ASAN_OPTIONS": "detect_leaks=0"} if runtime else None
        out, status = self.run(sys.executable, "-c", NVML, LIBRARY, str(gpu), *words, env=env)
        assert status == 0, out
        return out.strip()

    def set_mode(self, mode, gpu=0):
        return int(self.nvml("mode", str(mode), gpu=gpu))

    def limit(self, path, *soft_hard):
        """Sets a cgroup's limits, if any are given: the code, and what is set and used."""
        return tuple(map(int, self.nvml("limit", path, *map(str, soft_hard)).split()))

    def processes(self, kind, gpu=0):
        return [int(pid) for pid in self.nvml("list", kind, gpu=gpu).split()]

    def state(self):
        return json.loads(self.sim("state", "--json"))

    def used(self, gpu=0):
        return self.state()["gpus"][gpu]["memory_used"]


def equal(found, wanted):
    assert found == wanted, f"{found!r}, not {wanted!r}"


def end(pid, how=signal.SIGKILL):
    os.kill(int(pid), how)


def main(names):
    wanted, failed = sys.argv[1:], 0
    for name, function in list(names.items()):
        if not name.startswith("claim_") or (wanted and name.removeprefix("claim_") not in wanted):
            continue
        name = name.removeprefix("claim_")
        try:
            function()
            print(f"ok {name}", flush=True)
        except Skip as reason:
            print(f"skip {name}: {reason}", flush=True)
        except Exception:
            traceback.print_exc(file=sys.stdout)
            print(f"not ok {name}", flush=True)
            failed += 1
    sys.exit(1 if failed else 0)
