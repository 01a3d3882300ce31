# SPDX-License-Identifier: Apache-2.0
"""Puts the stand-in for CUDA's driver library onto a test's library path."""
import os


def install(t, which="STANDIN"):
    folder = os.path.join(t.dir, "lib")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "libcuda.so.1")
    if os.path.lexists(path):
        os.unlink(path)
    os.symlink(os.environ[which], path)
    t.env |= {"LD_LIBRARY_PATH": folder, "STANDIN_LOG": os.path.join(t.dir, "cuda.log")}


def log(t):
    """Its calls, as lists of words behind the pid."""
    with open(os.path.join(t.dir, "cuda.log"), encoding="ascii") as file:
        return [line.split() for line in file]


def is_there(pid):
    """Whether the process runs; one that has ended and was not waited for does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
