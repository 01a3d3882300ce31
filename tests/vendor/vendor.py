# SPDX-License-Identifier: Apache-2.0
"""The frame of the tests with other people's programs: claims, a simulated node, golden files.

Every function that is called claim_* is a claim; it gets the folder in which the packages lie. A golden
file is what a program printed, looked at once by eye; CARVE_GOLDEN=write writes them anew.
"""
import difflib
import inspect
import os
import re
import subprocess
import sys
import tempfile
import traceback

import packages

HERE = os.path.dirname(os.path.abspath(__file__))
SIM = os.environ["CARVE_SIM_PROGRAM"]
LIBRARY = os.environ["CARVE_SIM_LIBRARY"]


class Skip(Exception):
    pass


class Node:
    """A simulated node: `machine` is a machine file's text, or its name."""

    def __init__(self, machine):
        self.work = tempfile.TemporaryDirectory(prefix="carve-vendor-")
        if "\n" in machine:
            path = f"{self.work.name}/node.yaml"
            with open(path, "w", encoding="utf-8") as file:
                file.write(machine)
            machine = path
        self.dir = f"{self.work.name}/node"
        subprocess.run([SIM, "create", machine, "--fast", "--dir", self.dir], check=True)
        self.env = {
            "PATH": os.environ["PATH"], "HOME": self.work.name, "LC_ALL": "C.UTF-8", "TERM": "xterm",
            "LD_LIBRARY_PATH": os.path.dirname(LIBRARY), "CARVE_SIM_NODE": self.dir,
        }
        for name in ("CARVE_TEST_RUN", "UBSAN_OPTIONS"):
            if name in os.environ:
                self.env[name] = os.environ[name]
        # The library is sanitized, they are not.
        runtime = os.environ.get("CARVE_ASAN_RUNTIME")
        if runtime:
            self.env |= {"LD_PRELOAD": runtime, "ASAN_OPTIONS": "detect_leaks=0"}

    def __enter__(self):
        return self

    def __exit__(self, *error):
        subprocess.run([SIM, "destroy", "--dir", self.dir], check=True)
        self.work.cleanup()

    def run(self, *command, env=None):
        """Runs a program on the node: what it printed, and its exit status."""
        done = subprocess.run(command, env=self.env | (env or {}), stdin=subprocess.DEVNULL, text=True, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.work.name)
        return done.stdout, done.returncode

    def pids(self):
        """The processes on its GPUs."""
        state = subprocess.run([SIM, "state", "--json", "--dir", self.dir], check=True, capture_output=True, text=True)
        return re.findall(r'"pid":\s*(\d+)', state.stdout)


# What stands before and behind a pid: in tables, `-q`, CSV, Python, gpustat. Other numbers may be the same.
PID_PLACES = [(r"^\|? +\d+(?: +(?:\d+|N/A) +(?:\d+|N/A))? ", r" +(?:C|G|M\+C) "), (r"Process ID +: ", "$"),
              ("[0-9a-f], ", r", \w+, \d+ MiB"), ("'pid': ", ","), ("/", r"\(")]


def plain(text, pids=()):
    """Without what differs from run to run, nor what stands at the ends of lines."""
    text = re.sub(r"\w{3} \w{3} +\d+ \d\d:\d\d:\d\d \d{4}", "DATE", text)
    for pid in pids:
        for before, after in PID_PLACES:
            text = re.sub(f"({before})( *)({pid})(?={after})",
                          lambda found: found[1] + "PID".rjust(len(found[2] + found[3]), " ") if found[2] else
                          found[1] + "PID", text, flags=re.M)
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def golden(name, text):
    path = f"{HERE}/golden/{name}"
    if os.environ.get("CARVE_GOLDEN") == "write":
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    with open(path, encoding="utf-8") as file:
        wanted = file.read()
    difference = difflib.unified_diff(wanted.splitlines(), text.splitlines(), f"golden/{name}", "now", lineterm="")
    assert text == wanted, "\n".join(difference)


def contains(text, *parts):
    for part in parts:
        assert part in text, f"no {part!r} in:\n{text}"


def main(names):
    wanted, failed = sys.argv[1:], 0
    for name, function in list(names.items()):
        if not name.startswith("claim_") or not inspect.isfunction(function):
            continue
        name = name.removeprefix("claim_")
        if wanted and name not in wanted:
            continue
        try:
            function(packages.unpacked())
            print(f"ok {name}", flush=True)
        except (Skip, packages.Unavailable) as reason:
            print(f"skip {name}: {reason}", flush=True)
        except Exception:
            traceback.print_exc(file=sys.stdout)
            print(f"not ok {name}", flush=True)
            failed += 1
    sys.exit(1 if failed else 0)
