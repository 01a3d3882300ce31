#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What carve says of virtual functions, and what it asks for."""
import json
import re

import claims
import machines
from claims import contains, lacks, same


def listed(t, *args, width=130):
    r = t.carve("list", *args, env={"COLUMNS": str(width), "LINES": "0"})
    same(r.returncode, 0, r.stderr)
    return r.stdout


def rows_of(text, gpu):
    """The lines of one GPU's box, each as its cells."""
    lines = text.split("\n")
    at = next(i for i, line in enumerate(lines) if line.startswith(f"GPU {gpu} ") and "│" in line)
    return [[cell.strip() for cell in line.split("│")] for line in lines[at:at + 3]]


def claim_vfs_are_drawn_within_the_terminal(t):
    t.serve(machines.vf_node().copy())
    for width in (40, 80, 100, 120, 200):
        drawn = [x for x in listed(t, width=width).split("\n") if "│" in x or "─" in x]
        same(len({len(line) for line in drawn}), 1, width)
        assert len(drawn[0]) <= width


def claim_vfs_are_parts_of_their_gpu_by_memory(t):
    t.serve(machines.vf_node().copy())
    text = listed(t)
    name, who, asked = rows_of(text, 0)
    same([cell.strip(" ▒!") for cell in name[:6]],
         ["GPU 0      VF", "vf3 L40S-12Q", "vf4 L40S-12Q", "vf5 L40S-12Q", "vf6 L40S-12Q", "28 VFs free"])
    same([cell.strip(" ▒!") for cell in who[1:5]], ["L3 alice: web1", "L4 alice: web2", "pinned", "in use root: qemu-…"])
    widths = [len(cell) for cell in text.split("\n")[2].split("│")[1:6]]
    assert widths[0] > widths[3] > widths[4], widths


def claim_vfs_without_sizes_are_equally_wide(t):
    t.serve(machines.vf_node().copy())
    name, who, asked = rows_of(listed(t), 2)
    same([name[1], name[2].strip(" ╱"), name[3]], ["vf1", "vf2", "2 VFs free"])
    same(asked[1], "any → a VF")


def claim_vgpus_in_mig_instances_stand_in_their_cells(t):
    t.serve(machines.vf_node().copy())
    name, who, _ = rows_of(listed(t), 1)
    same((name[0], name[-2], who[-2]), ("GPU 1     MIG", "3g.40gb VF", "L5 alice: train"))


def claim_vfs_are_counted_with_their_types(t):
    t.serve(machines.vf_node().copy())
    text = listed(t)
    for line in ("GPU 0: 4 of 32 VFs: L40S-12Q x4", "GPU 1: 1 of 16 VFs: H100-3-40C", "GPU 2: 2 of 4 VFs: without a type x2",
                 "0:vf6 is left alone: it belongs to libvirt domain db",
                 "2:vf1 cannot be handed over: others of its IOMMU group keep their drivers ('carve doctor' says which)",
                 "2:vf2 cannot be handed over: no IOMMU translates for it ('carve doctor' says how)"):
        contains(text, line + "\n")
    lacks(text, "GPU 3:")
    rows = [re.split(r"\s{2,}", x.strip()) for x in listed(t, "gpus", width=200).split("\n")]
    same([row[-3] for row in rows[1:5]], ["managed, healthy, 4 of 32 VFs", "managed, healthy, 1 of 16 VFs",
                                          "managed, healthy, 2 of 4 VFs", "managed, healthy"])


def claim_a_gpu_that_only_pci_knows_has_no_memory_to_tell(t):
    t.serve(machines.vf_node().copy())
    row = re.split(r"\s{2,}", listed(t, "gpus", width=200).split("\n")[3].strip())
    same(row[:3], ["2", "Red Hat, Inc. 1b36:0010", "after"])
    lacks(t.carve("show", "2").stdout, "\nmemory ")


def claim_many_vfs_are_counted_in_the_last_cell(t):
    node = machines.Node("h200", mig=False)
    node.vfs(0, kind="generic", total=48, on=48)
    for i in range(48):
        node.vm_lease(i + 1, f"vm{i}", node.vf(0, i))
    t.serve(node.copy())
    contains(listed(t, width=100), "42 VFs")
    lacks(listed(t, width=100), "free")


def claim_a_lease_says_whether_its_vf_is_in_use(t):
    t.serve(machines.vf_node().copy())
    text = listed(t, "leases")
    for what in ("web1   for a VM, in use by web1 (process 4711)\n", "web2   for a VM, not in use\n",
                 "train  for a VM, in use by process 4900 of root\n"):
        contains(text, what)
    lacks(text, "not fenced")
    same([path for _, path, _ in t.fake.seen], ["/v1/leases", "/v1/shares"])
    contains(listed(t), "web1   for a VM, in use by web1 (process 4711)\n")
    contains(t.carve("show", "L3").stdout, "in use        yes\n")
    contains(t.carve("show", "L4").stdout, "in use        no\n")
    lacks(t.carve("show", "L3").stdout, "fenced")


def claim_the_other_leases_are_listed_with_one_question(t):
    t.serve(machines.busy_node("dgx-h100").copy())
    listed(t, "leases")
    same([path for _, path, _ in t.fake.seen], ["/v1/leases"])


def claim_shares_tell_type_user_owner_and_address(t):
    t.serve(machines.vf_node().copy())
    rows = {line.split()[0]: line for line in listed(t, "shares", width=240).split("\n") if line}
    for name, parts in {"0:vf3": ("vf", "L40S-12Q", "12Gi", "L3", "web1 (process 4711)", "0000:1b:00.7"),
                        "0:vf6": ("foreign: libvirt domain db", "process 4800 of root"),
                        "2:vf1": ("dynamic", "no", "0000:1d:00.5")}.items():
        for part in parts:
            contains(rows[name], part)
    lacks(rows["2:vf1"], "%")
    contains(listed(t, "shares", "--ids"), "0:vf6\n")


def claim_a_gpu_says_its_types_how_many_fit_and_their_licences(t):
    t.serve(machines.vf_node().copy())
    text = t.carve("show", "0").stdout
    contains(text, "VFs           32 of 32 on (dynamic), 4 set up, 28 free\n")
    assert re.search(r"types +L40S-12Q +12Gi  0 more of 4\n", text)
    contains(text, f"licences      L40S-12Q, L40S-24Q: {machines.Q}\n")
    contains(text, f"              L40S-12C: {machines.C}\n")
    contains(t.carve("show", "1").stdout, "1 more of 1, in a 3g.40gb instance\n")
    contains(t.carve("show", "2").stdout, "4 of 8 on (dynamic), 2 set up, 2 free; the hardware has 16\n")
    contains(t.carve("show", "3").stdout, "VFs           off, 16 can be turned on\n")


def claim_a_vf_says_all_that_is_known_of_it(t):
    t.serve(machines.vf_node().copy())
    text = t.carve("show", "0:vf3").stdout
    for line in ("profile       NVIDIA L40S-12Q", "PCI address   0000:1b:00.7", "driver        nvidia", "IOMMU group   73",
                 "used by       web1 (process 4711)", f"licence       {machines.Q}"):
        contains(text, line + "\n")
    same(t.fake.seen[0][1], "/v1/shares/0:vf3")
    contains(t.carve("show", "2:vf1").stdout, "IOMMU group   71: others in it keep their drivers")
    contains(t.carve("show", "2:vf2").stdout, "IOMMU group   none: no IOMMU translates for it")
    contains(t.carve("show", "0:vf6").stdout, "belongs to    libvirt domain db\n")


def claim_odd_answers_about_vfs_are_drawn_without_harm(t):
    node = machines.vf_node().copy()
    node["gpus"][0]["vf"] = {"on": 3, "free": 99, "types": [None, {"name": 5}], "vfs": [None, 7, {}]}
    node["gpus"][2]["vf"] = {"on": -1, "kind": []}
    node["shares"][0]["vf"] = {"user": {}, "group": "x"}
    node["shares"][1]["vf"] = 5
    node["leases"][0]["got"] = [None]
    t.serve(node)
    for args in ((), ("gpus",), ("shares",), ("leases",)):
        listed(t, *args)
    for what in ("0", "2", node["shares"][0]["id"], node["shares"][1]["id"], "L3"):
        same(t.carve("show", what).returncode, 0, what)


def claim_steps_of_vfs_are_printed(t):
    plan = {"version": 1, "verdict": "changes", "kept": [], "pins": [], "blockers": [], "steps": [
        {"gpu": 0, "kind": "vf-count", "text": "turn on 32 VFs"}, {"gpu": 0, "kind": "vf-set", "text": "set VFs 0 to 1 to L40S-12Q"}]}
    t.fake.answers["POST /v1/plan"] = plan
    with open(t.dir + "/layout", "w", encoding="utf-8") as file:
        file.write("version: carve/v1\n")
    r = t.carve("plan", t.dir + "/layout")
    same(r.returncode, 2)
    contains(r.stdout, "GPU 0\n  * turn on 32 VFs\n  * set VFs 0 to 1 to L40S-12Q\n2 steps.\n")


def claim_a_command_is_not_run_in_a_vf(t):
    r = t.carve("run", "--mechanism", "vf", "--", "true")
    same((r.returncode, r.stderr.count("\n")), (64, 1))


def claim_run_for_a_vm_says_the_way_out(t):
    for option in (["--vm"], ["--mechanism", "vf"]):
        r = t.carve("run", *option, "--", "true")
        same((r.returncode, r.stderr.count("\n")), (64, 1))
        contains(r.stderr, "'carve lease --vm --name NAME' takes one")
    same(t.fake.seen, [])


def claim_a_vms_lease_is_held_by_its_name(t):
    node = machines.vf_node()
    t.serve_lease(next(x for x in node.json["leases"] if x["id"] == "L3"))
    r = t.carve("lease", "--vm", "--name", "web1", "--profile", "L40S-12Q")
    same((r.returncode, r.stderr), (0, ""))
    same(r.stdout.splitlines()[:2], ["CARVE_LEASE=L3", "CARVE_VF=0000:1b:00.7"])
    body = t.posts("/v1/leases")[0]
    same(body["holder"], {"kind": "vm", "name": "web1"})
    same(body["request"]["profile"], "L40S-12Q")
    same(json.loads(t.carve("lease", "--vm", "--name", "web1", "--json").stdout)["lease"]["id"], "L3")


def claim_a_vms_lease_needs_a_name_and_nothing_else(t):
    for args in ([], ["--name", "web1", "--pid", "1"], ["--name", "web1", "--cgroup", "/x"], ["--pid", "1"]):
        r = t.carve("lease", "--vm", *args)
        same((r.returncode, r.stderr.count("\n")), (64, 1))
        contains(r.stderr, "a virtual machine's lease is held by its name alone")


claims.main(globals())
