#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The benchmark of `carve measure` and NVIDIA's own programs: its assembler takes the kernels, and its driver library
without a GPU is understood."""
import glob
import json
import os
import re
import subprocess
import sys

import packages
import vendor

CARVE, KERNELS = sys.argv.pop(1), sys.argv.pop(1)
# From the oldest that the assembler and the drivers of today take to the newest that it knows.
TARGETS = ["sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_89", "sm_90"]


def assemble(*words):
    done = subprocess.run([packages.ptxas(), *words], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def libraries(root):
    found = sorted(glob.glob(f"{root}/**/libcuda.so.1", recursive=True))
    assert len(found) == 2, f"{found}: one of each release of Debian was fetched"
    return found


def claim_nvidias_assembler_takes_the_kernels_for_every_gpu(_):
    kernels = glob.glob(f"{KERNELS}/*.ptx")
    assert len(kernels) == 3, kernels
    for kernel in kernels:
        for target in TARGETS:
            status, said = assemble("-v", f"-arch={target}", "-o", "/dev/null", kernel)
            assert status == 0, f"{kernel} for {target}: {said}"
            # All registers fit: what is spilt to memory would be bound by it.
            vendor.contains(said, "0 bytes spill stores, 0 bytes spill loads")
            assert int(re.search(r"Used (\d+) registers", said)[1]) <= 32, said


def claim_the_multiply_adds_are_all_there_and_not_folded(_):
    path = f"{os.environ['CARVE_TEST_VENDOR']}/compute.cubin"
    status, said = assemble("-arch=sm_80", "-o", path, f"{KERNELS}/compute.ptx")
    assert status == 0, said
    with open(path, "rb") as file:
        code = file.read()
    os.unlink(path)
    # FFMA with an immediate or registers, as the 12 low bits of a word of 128
    words = sum((int.from_bytes(code[at:at + 2], "little") & 0xfff) in (0x223, 0x423, 0x823)
                for at in range(0, len(code) - 16, 16))
    assert words >= 32, f"{words} multiply-adds in a round of 32"


def claim_a_damaged_kernel_is_not_taken(_):
    path = f"{os.environ['CARVE_TEST_VENDOR']}/damaged.ptx"
    with open(f"{KERNELS}/launch.ptx", encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace("st.global.u32", "st.global.u99"))
    assert assemble("-arch=sm_80", "-o", "/dev/null", path)[0] != 0
    os.unlink(path)


def claim_every_entry_point_that_is_called_is_in_nvidias_library(root):
    with open(os.path.join(KERNELS, "../../src/abi/cuda.def"), encoding="utf-8") as file:
        wanted = set(re.findall(r"^CUDA_FN\((\w+),", file.read(), re.M))
    assert len(wanted) > 15, wanted
    found = libraries(root)
    for path in found:
        said = subprocess.run(["nm", "-D", "--defined-only", path], capture_output=True, text=True, check=True).stdout
        assert not wanted - {line.split()[-1].split("@")[0] for line in said.splitlines()}, path


def claim_without_a_gpu_nvidias_library_is_understood(root):
    found = libraries(root)
    if os.path.exists("/proc/driver/nvidia/version"):
        raise vendor.Skip("a driver is loaded here")
    for path in found:
        done = subprocess.run([CARVE, "--measure-copy", "compute", "0x0x0", "1"], capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, check=False,
                              env=os.environ | {"LD_LIBRARY_PATH": os.path.dirname(path)})
        line = json.loads(done.stdout)
        assert (done.returncode, line["event"]) == (1, "failed"), done
        vendor.contains(line["text"], "CUDA cannot be used: CUDA says \"", "no GPU is there for this process, or the driver is "
                        "not loaded ('carve doctor')")


vendor.main(globals())
