#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Static analysis of every C file of the product: analysis.py ROOT BUILD gcc|clang

With gcc, its -fanalyzer; with clang, clang-tidy as .clang-tidy says. What the build's compilation
data base names is what is looked at.
"""
import concurrent.futures
import json
import os
import shlex
import shutil
import subprocess
import sys

import source

build, compiler = sys.argv[2:4]
# Two checks of gcc 12 lose track of what belongs together: an array and its length, an output and
# the 0 that says it is filled in.
GCC = ["-fanalyzer", "-O1"]
GCC += ["-Wno-analyzer-null-dereference", "-Wno-analyzer-use-of-uninitialized-value"]
GCC += ["-fdiagnostics-color=never", "-fdiagnostics-path-format=none"]
GCC += ["-o", "/dev/null"]


def commands():
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        for entry in json.load(file):
            path = os.path.relpath(os.path.join(entry["directory"], entry["file"]), source.ROOT)
            if path.startswith("src/") and path.endswith(".c"):
                yield path, entry


def gcc_command(entry):
    words = shlex.split(entry["command"])
    kept, drop = [], False
    for word in words:
        if drop or word in ("-MD",):
            drop = False
        elif word in ("-MF", "-MQ", "-o"):
            drop = True
        elif not word.startswith(("-O", "-g", "-fsanitize", "-Werror")):
            kept.append(word)
    return kept + GCC


def analyse(item):
    path, entry = item
    if compiler == "gcc":
        command = gcc_command(entry)
    else:
        command = ["clang-tidy", "--quiet", "-p", build, os.path.join(source.ROOT, path)]
    answer = subprocess.run(command, cwd=entry["directory"], capture_output=True, text=True)
    said = (answer.stdout + answer.stderr).strip()
    # gcc's other warnings are for the ordinary build, which optimises more.
    if answer.returncode == 0 and "[-Wanalyzer-" not in said:
        return []
    return [said or f"{path}: status {answer.returncode}"]


name = "gcc_analyzer_finds_nothing" if compiler == "gcc" else "clang_tidy_finds_nothing"
if compiler == "clang" and not shutil.which("clang-tidy"):
    source.skip(name, "clang-tidy is not installed")
else:
    # A file that is compiled into two things is looked at once.
    todo = list({path: entry for path, entry in commands()}.items())
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        problems = [p for found in pool.map(analyse, todo) for p in found]
    source.claim(name, problems)
source.done()
