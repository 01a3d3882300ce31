#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who may include whom, read from the #include lines: the sentences of docs/architecture.md."""
import os
import re

import source

# The rooms whose headers a room may include, beside its own.
MAY_USE = {
    "base": set(),
    "abi": {"base"},
    "model": {"base", "abi"},
    "driver": {"base", "abi", "model"},
    "mechanism": {"base", "abi", "model", "driver"},
    "daemon": {"base", "abi", "model", "driver", "mechanism"},
    "client": {"base", "model"},
    "doctor": {"base", "model", "driver", "mechanism"},
    "adapters": {"base", "model", "client"},
    "measure": {"base", "abi", "model", "driver"},
    "cli": {"base", "model", "client", "doctor", "adapters", "measure"},
    "sim": {"base", "abi"},
}
# The rooms that may include the public header, include/carve/carve.h.
MAY_USE_PUBLIC = {"client", "cli"}
# Other people's libraries, and the rooms that may use them.
LIBRARIES = {
    "jansson.h": {"model", "client", "doctor", "adapters", "measure", "daemon", "cli", "sim"},
    "libfyaml.h": {"model", "sim"},
    "sqlite3.h": {"daemon"},
    "microhttpd.h": {"daemon"},
    "systemd/": {"daemon"},
    "bpf/": {"driver"},
    "linux/bpf": {"driver"},
    "dlfcn.h": {"driver", "sim"},
    "fuse3/": {"sim"},
}
# What the pure room has no use for: system calls, clocks, threads.
NOT_IN_MODEL = re.compile(
    r"^(unistd|fcntl|time|signal|poll|pthread|dirent|sched|syslog|spawn)\.h$|^(sys|linux)/"
)
# Identifiers of NVML and CUDA, and the rooms that may say them.
VENDOR_NAME = re.compile(r"\b(?:nvml[A-Z]\w*|NVML_[A-Z]\w*|cu[A-Z][a-z]\w*|CU_[A-Z]\w*)\b")
MAY_SAY_VENDOR_NAMES = {"abi", "driver", "sim"}

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')

rooms = sorted(
    name
    for name in os.listdir(os.path.join(source.ROOT, "src"))
    if os.path.isdir(os.path.join(source.ROOT, "src", name))
)
unknown, upside_down, libraries, impure, vendor = [], [], [], [], []

for room in rooms:
    if room not in MAY_USE:
        unknown.append(f"src/{room}: a room that the table in this file does not know")
for room in MAY_USE:
    if room not in rooms:
        unknown.append(f"src/{room}: the table in this file knows it, the tree does not")


def check_include(room, place, kind, path):
    first = path.split("/")[0]
    if path.startswith("carve/"):
        if room not in MAY_USE_PUBLIC:
            upside_down.append(f"{place}: {room} must not use the public header")
    elif first in rooms:
        if first != room and first not in MAY_USE[room]:
            upside_down.append(f"{place}: {room} must not use {first}")
    elif kind == '"' and "/" in path:
        upside_down.append(f"{place}: {path} is in no room")
    for library, may in LIBRARIES.items():
        if path.startswith(library) and room not in may:
            libraries.append(f"{place}: {room} must not use <{path}>")
    if room == "model" and NOT_IN_MODEL.search(path):
        impure.append(f"{place}: the model is pure and has no use for <{path}>")


for room in rooms:
    if room not in MAY_USE:
        continue
    for path in source.files(".c", ".h", ".def", ".S", below=f"src/{room}"):
        for number, line in source.lines(path):
            place = f"{path}:{number}"
            include = INCLUDE.match(line)
            if include:
                check_include(room, place, *include.groups())
                continue
            if room not in MAY_SAY_VENDOR_NAMES:
                for name in VENDOR_NAME.findall(re.sub(r'"(?:\\.|[^"\\])*"', '""', line)):
                    vendor.append(f"{place}: {name} belongs into {', '.join(sorted(MAY_SAY_VENDOR_NAMES))}")

source.claim("every_room_is_known", unknown)
source.claim("rooms_use_only_the_rooms_below_them", upside_down)
source.claim("each_library_is_used_by_its_rooms_only", libraries)
source.claim("the_model_includes_no_system_header", impure)
source.claim("vendor_names_are_said_only_where_a_driver_is_spoken_to", vendor)
source.done()
