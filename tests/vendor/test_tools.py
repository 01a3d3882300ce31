# SPDX-License-Identifier: Apache-2.0
"""Monitoring tools that nobody here wrote, on a simulated node: they load its library as they would NVIDIA's."""
import os
import re
import shutil
import subprocess
import time

import vendor

PYTHON = "/usr/bin/python3"
MACHINE = """\
version: carve-sim/v1
driver: 580.65.06
cuda: "13.0"
gpus:
- product: A100-80
  pci: ["1b:00.0"]
  mig: on
  instances: [3g.40gb@4, 1g.10gb@0]
  processes:
  - {name: python3, memory: 10G, instance: 0, busy: 50, type: compute}
- product: A100-80
  pci: ["43:00.0"]
  processes:
  - {name: trainer, memory: 20G, busy: 75, type: compute}
  - {name: Xorg, memory: 100M, type: graphics}
"""
# Prints what every function says that asks one device for something.
ASK_ALL = """
import inspect, pynvml
pynvml.nvmlInit()
print(pynvml.nvmlSystemGetDriverVersion(), pynvml.nvmlSystemGetCudaDriverVersion())
gpu = pynvml.nvmlDeviceGetHandleByIndex(0)
devices = [gpu, pynvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu, 1), pynvml.nvmlDeviceGetHandleByIndex(1)]
grows = {"nvmlDeviceGetTotalEnergyConsumption"}
for name, ask in sorted(vars(pynvml).items()):
    if not name.startswith("nvmlDeviceGet") or name in grows or not inspect.isfunction(ask):
        continue
    needed = [p for p in inspect.signature(ask).parameters.values() if p.default is p.empty]
    if len(needed) != 1 or needed[0].name not in ("handle", "device"):
        continue
    for number, device in enumerate(devices):
        try:
            value = ask(device)
            value = [str(v) for v in value] if isinstance(value, list) else value
        except pynvml.NVMLError as error:
            value = error
        if "object at" not in str(value):
            print(f"{name} {'GPU 0, MIG device 1, GPU 1'.split(', ')[number]}: {value}")
"""


def python_env(root):
    return {"PYTHONPATH": f"{root}/usr/lib/python3/dist-packages", "PYTHONDONTWRITEBYTECODE": "1"}


def need_module(node, root, name):
    text, status = node.run(PYTHON, "-c", f"import {name}", env=python_env(root))
    if status:
        raise vendor.Skip(f"this machine's Python cannot load it: {text.strip().splitlines()[-1]}")


def claim_pynvml_asks_every_device_for_everything(root):
    with vendor.Node(MACHINE) as node:
        need_module(node, root, "pynvml")
        text, status = node.run(PYTHON, "-c", ASK_ALL, env=python_env(root))
        assert status == 0, text
        vendor.golden("pynvml.txt", vendor.plain(text, node.pids()))


def claim_gpustat_shows_load_and_processes(root):
    with vendor.Node(MACHINE) as node:
        need_module(node, root, "gpustat")
        text, status = node.run(PYTHON, "-m", "gpustat", "--no-color", "--no-header", "-cpF", env=python_env(root))
        assert status == 0, text
        vendor.golden("gpustat.txt", vendor.plain(text, node.pids()))


def claim_hwloc_finds_the_gpus_by_its_plugin(root):
    with vendor.Node(MACHINE) as node:
        libraries = f"{root}/usr/lib/x86_64-linux-gnu"
        plugins = f"{node.work.name}/plugins"
        os.mkdir(plugins)
        shutil.copy(f"{libraries}/hwloc/hwloc_nvml.so", plugins)
        env = {"HWLOC_PLUGINS_PATH": plugins, "LD_LIBRARY_PATH": f"{node.env['LD_LIBRARY_PATH']}:{libraries}"}
        text, status = node.run(f"{root}/usr/bin/lstopo-no-graphics", "-v", "--whole-io", env=env)
        if "error while loading shared libraries" in text:
            raise vendor.Skip(text.strip())
        assert status == 0, text
        found = [re.sub(r" L#\d+", "", line.strip()) for line in text.splitlines() if "nvml" in line.lower()]
        vendor.golden("lstopo.txt", "\n".join(found) + "\n")


def claim_nvtop_draws_each_gpu_and_its_processes(root):
    with vendor.Node(MACHINE) as node:
        tmux = ["tmux", "-S", f"{node.work.name}/tmux", "-f", "/dev/null"]
        env = node.env.copy()
        words = [f"{name}={env[name]}" for name in env if name.startswith(("LD_", "ASAN_", "UBSAN_", "CARVE_", "HOME"))]
        subprocess.run([*tmux, "new-session", "-d", "-x", "120", "-y", "40",
                        "env", *words, f"{root}/usr/bin/nvtop", "-C"], check=True, env=os.environ | {"TERM": "xterm"})
        try:
            end = time.monotonic() + 40
            while True:
                screen = subprocess.run([*tmux, "capture-pane", "-p"], capture_output=True, text=True).stdout
                if all(part in screen for part in ("python3", "trainer", "Xorg", "Device 1")):
                    break
                assert time.monotonic() < end, f"nvtop shows:\n{screen}"
                time.sleep(0.1)
        finally:
            subprocess.run([*tmux, "kill-server"], check=False)
    heads = [line.rstrip() for line in screen.splitlines() if "Device" in line or " MHz" in line or "POW" in line]
    vendor.golden("nvtop.txt", "\n".join(heads) + "\n")


vendor.main(globals())
