#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The simulated products' MIG profiles against the table of what was captured on real GPUs, and their
types of vGPU against what holds of every type."""
import csv
import os
import re
import sys

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "mig_gi_profiles.csv")
DEF = sys.argv[1]
# As the table calls them.
TABLE = {
    "A100-40": "A100-SXM4/PCIe-40GB", "A100-80": "A100-SXM4/PCIe-80GB", "A30": "A30-24GB", "H100-80": "H100-SXM5-80GB",
    "H100-NVL": "H100-NVL-94GB", "GH200-96": "GH200-96GB (H100 on GH200 480GB)", "H200": "H200-SXM5-141GB / H200 NVL",
    "B200": "B200-180GB", "RTX-PRO-6000": "RTX PRO 6000 Blackwell (Server/WS/Max-Q) 96GB",
}
COLUMNS = ["smi_profile_id", "compute_slices", "placement_slots", "starts", "max_instances", "mem_mib", "sm",
           "copy_engines", "nvdec", "nvenc", "jpeg", "ofa"]


def starts(text):
    return str(sum(1 << int(n) for n in re.findall(r"\d+", text.split(":")[0])))


with open(DEF, encoding="utf-8") as file:
    text = file.read()
keys = dict(re.findall(r'^PRODUCT\((\w+), "([^"]+)"', text, re.M))
simulated, unknown = {}, set()
for row in re.findall(r"^PROFILE\((.*)\)$", text, re.M):
    cells = [cell.strip().strip('"') for cell in row.split(",")]
    numbers = [str(int(cell, 0)) for cell in cells[3:15]]
    simulated[keys[cells[0]], cells[1]] = dict(zip(COLUMNS, numbers), nvml_enum=cells[2])
for symbol, label in re.findall(r'^UNKNOWN\((\w+), "([^"]+)"\)$', text, re.M):
    unknown.add((keys[symbol], label))

faults, seen, blank = [], set(), set()
with open(DATA, encoding="utf-8", newline="") as file:
    table = {(row["product"], row["profile"]): row for row in csv.DictReader(file)}
for product, name in TABLE.items():
    for (in_table, label), row in table.items():
        if in_table != name:
            continue
        seen.add((product, label))
        if not row["mem_mib"] or not row["sm"]:
            blank.add((product, label))
            continue
        wanted = {c: row[c] for c in COLUMNS if c != "starts"} | {"starts": starts(row["possible_placements"])}
        wanted |= {"nvml_enum": row["nvml_enum"].removeprefix("NVML_GPU_INSTANCE_PROFILE_")}
        got = simulated.get((product, label), {})
        faults += [f"{product} {label}: {c} is {got.get(c)}, captured {v}" for c, v in wanted.items() if got.get(c) != v]
types, ids = [], set()
with open(os.path.join(os.path.dirname(DEF), "vgpu.def"), encoding="utf-8") as file:
    rows = re.findall(r'^VGPU\((\w+), (\d+), "([^"]+)", (\d+), (\d+), (\d+), "([^"]*)", (\d+)\)$', file.read(), re.M)
memory = {symbol: int(mib) for symbol, mib in re.findall(
    r'^PRODUCT\((\w+), "[^"]+", "[^"]+", \w+, \d+, \d+, \w+, \w+, (\d+)', text, re.M)}
for symbol, number, name, mib, most, mixed, profile, per in rows:
    mib, most, mixed, label = int(mib), int(most), int(mixed), int(re.search(r"-(\d+)[QC](ME)?$", name).group(1))
    wrong = {
        "another type has its id": number in ids,
        "its name tells another size": mib // 1024 != label,
        "the product has no such profile": bool(profile) and (keys[symbol], profile) not in simulated,
        # Sizes are those of labels, which are rounded up.
        "so many are more than there is": mib * most > memory[symbol] * 1.07,
        "a part that is no power of two": not profile and (mixed & (mixed - 1) != 0 or not 0 < mixed <= most),
        "so many in an instance are more than on the GPU": not 0 < int(per) <= most,
    }
    types += [f"{name}: {what}" for what, is_so in wrong.items() if is_so]
    ids.add(number)
types += ["no types"] * (not rows)

for claim, problems in (
    ("profiles_are_as_captured", faults),
    ("every_simulated_profile_was_captured", sorted(set(simulated) - seen)),
    ("what_was_not_captured_is_marked_unknown", sorted(blank ^ unknown)),
    ("types_of_vgpu_fit_their_gpus", types),
):
    for problem in problems:
        print(problem)
    print(f"{'not ok' if problems else 'ok'} {claim}")
sys.exit(0)
