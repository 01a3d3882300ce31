#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""carve list and carve show."""
import json
import os
import re

import claims
import machines
from claims import contains, lacks, same


def lines_of(t, width, height, *args, **env):
    env = {"COLUMNS": str(width), "LINES": str(height)} | env
    r = t.carve("list", *args, env=env)
    same(r.returncode, 0, r.stderr)
    return r.stdout.split("\n")


def claim_every_machine_is_drawn_within_the_terminal(t):
    for machine in machines.MACHINES:
        for node in (machines.Node(machine), machines.Node(machine, mig=False), machines.busy_node(machine),
                     machines.mps_node()):
            t.serve(node.copy())
            for width in (40, 80, 100, 120, 200):
                drawn = [x for x in lines_of(t, width, 0) if "│" in x or "─" in x]
                assert drawn
                for line in drawn:
                    assert len(line) <= width, (machine, width, line)
                # Boxes are closed: all right borders stand in one column.
                same(len({len(line) for line in drawn}), 1, machine)


def drawn_lines(t, height):
    return len([x for x in lines_of(t, 80, height) if "│" in x or "─" in x])


def claim_a_gpu_is_as_tall_as_what_is_to_be_said_of_it(t):
    node = machines.Node("dgx-h100")
    t.serve(node.copy())
    same(drawn_lines(t, 0), 17)  # eight idle ones: a line and a border each
    node.lease(1, shares=[node.instance(0, "3g.40gb", 4)])
    node.instance(1, "1g.10gb", 0)  # idle, and too narrow for "1g.10gb cache"
    t.serve(node.copy())
    same(drawn_lines(t, 0), 20)


def claim_the_drawing_fits_the_height(t):
    node = machines.Node("dgx-h100")
    for gpu in range(8):
        node.lease(gpu + 1, shares=[node.instance(gpu, "3g.40gb", 4)])
    t.serve(node.copy())
    for height, wanted in ((24, 17), (37, 25), (45, 33), (0, 33)):
        same(drawn_lines(t, height), wanted, height)


def claim_slots_are_to_scale(t):
    node = machines.Node("dgx-h100")
    node.instance(0, "1g.10gb", 0)
    node.instance(0, "2g.20gb", 2)
    node.instance(0, "3g.40gb", 4)
    t.serve(node.copy())
    top = next(x for x in lines_of(t, 80, 0) if "┌" in x)
    same([len(p) + 1 for p in re.split("[┬┐]", top.split("┌")[1])[:4]], [8, 8, 16, 32])


def claim_kinds_are_told_apart_without_colour(t):
    t.serve(machines.busy_node("dgx-h100").copy())
    text = "\n".join(lines_of(t, 120, 0))
    for word in ("cache ░", "pinned ▒", "foreign ╱", "in use mallory", "no fit", "free", "drained", "sick", "observed",
                 "L3 carol: ./simulate", "asked 3g.40gb, got 40Gi 43%", "XID 48"):
        contains(text, word)
    lacks(text, "\033")


def claim_plain_terminals_get_plain_characters(t):
    t.serve(machines.busy_node("dgx-h100").copy())
    text = "\n".join(lines_of(t, 80, 0, LC_ALL="C"))
    text.encode("ascii")
    contains(text, "+-------+")
    contains(text, "cache :")
    contains(text, "foreign //")


def claim_names_cannot_draw_or_control(t):
    node = machines.Node("dgx-h100")
    node.lease(1, "al\033[31mice", "rm \n\t\x9b -rf", [node.instance(0, "3g.40gb", 0)], name="a\u202eb")
    t.serve(node.copy())
    for args in ((), ("leases",)):
        text = "\n".join(lines_of(t, 120, 0, *args))
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text), text
    r = t.carve("show", "L1")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", r.stdout)


def rows_of(text, gpu):
    """The lines of one GPU's box, each as its cells."""
    lines = text.split("\n")
    at = next(i for i, line in enumerate(lines) if line.startswith(f"GPU {gpu} ") and "│" in line)
    return [[cell.strip() for cell in line.split("│")] for line in lines[at:at + 3]]


def claim_mps_shares_are_parts_of_their_gpu_by_memory(t):
    t.serve(machines.mps_node().copy())
    text = "\n".join(lines_of(t, 114, 0))
    name, who, asked = rows_of(text, 0)
    same(name[:5], ["GPU 0     MPS", "mps1 20Gi 40%", "mps2 20%", "mps3 20Gi 30% ▒▒▒▒▒▒▒▒▒", "free 32Gi 10%"])
    same(who[:2], ["of alice", "L1 alice: python train…"])
    same(asked[1], "20Gi 40% → 20Gi 40%")
    contains(who[3], "pinned")
    widths = [len(cell) for cell in text.split("\n")[2].split("│")[1:5]]
    assert widths[0] == widths[2] < widths[3], widths


def claim_an_mps_server_that_is_not_ready_catches_the_eye(t):
    t.serve(machines.mps_node().copy())
    text = "\n".join(lines_of(t, 100, 0))
    name, who, _ = rows_of(text, 1)
    contains(name[1], "mps1 40Gi 50% faulty !!!!")
    same(who[0], "MPS faulty")
    same([row[0] for row in rows_of(text, 2)], ["GPU 2     MPS", "MPS starting", "time-sliced"])
    contains(text, "GPU 1: the MPS server of bob is faulty: process 4711 broke it;")
    contains(text, "GPU 2: the MPS server of dave is starting\n")
    contains(text, "GPU 2: MPS servers take turns (time-sliced): nobody holds the limits of shares")


def claim_mps_shares_without_room_of_their_own_are_counted(t):
    t.serve(machines.mps_node().copy())
    name, who, _ = rows_of("\n".join(lines_of(t, 100, 0)), 3)
    same(len(name), 1 + 8 + 1)
    same(name[7], "6 shares")
    contains(who[7], "L16 L17")
    node = machines.Node("h200", mig=False)
    for i in range(48):
        node.mps(0, i + 1, 2.5, 2)
    t.serve(node.copy())
    contains("\n".join(lines_of(t, 80, 0)), "42 shares")


def claim_an_idle_mps_server_is_shown_with_its_tenant(t):
    node = machines.Node("h200", mig=False)
    node.server(0, "alice", leases=0, clients=0)
    t.serve(node.copy())
    text = "\n".join(lines_of(t, 100, 0))
    contains(text, "GPU 0     MPS │free 140Gi 100%")
    contains(text, "of alice")
    contains(t.carve("show", "0").stdout, "alice: ready, 0 leases, 0 clients of 48; v2, control daemon 700, server 701")


def claim_carves_own_mps_servers_use_no_gpu_without_a_lease(t):
    node = machines.mps_node()
    process = {"user": "root", "command": "nvidia-cuda-mps-server", "service": "", "share": None, "lease": None, "memory": 1}
    node.json["gpus"][0]["processes"] = [process | {"pid": 701}, process | {"pid": 702}]
    node.json["gpus"][4]["processes"] = [process | {"pid": 701, "share": "4:2g.20gb@0"}]
    t.serve(node.copy())
    text = "\n".join(lines_of(t, 100, 0))
    same(re.findall("used without a lease: process ([0-9]+)", text), ["702"])
    contains(rows_of(text, 4)[1][1], "cache")
    contains(t.carve("show", "0").stdout, "701  root  MPS server")
    contains(t.carve("show", "0").stdout, "702  root  no lease")


def claim_mps_in_an_instance_stands_in_its_cell(t):
    t.serve(machines.mps_node().copy())
    name, who, server = rows_of("\n".join(lines_of(t, 100, 0)), 4)
    same((name[3], who[3], server[3]), ("3g.40gb MPS pinned", "L30 L31", "MPS of frank"))
    contains(t.carve("show", "4").stdout, "frank in 4:3g.40gb@4: ready, 2 leases, 2 clients; v2")


def claim_a_foreign_control_daemon_is_told_once_with_its_gpus(t):
    t.serve(machines.mps_node().copy())
    text = "\n".join(lines_of(t, 200, 0))
    same(text.count("did not start"), 1)
    contains(text, "GPU 4, 5: an MPS control daemon that Carve did not start (process 4321, uid 0, in /tmp/nvidia-mps)")
    node = machines.Node("a30x2")
    for gpu in node.json["gpus"]:
        gpu["mps"]["foreign"] = [{"pid": 4321, "uid": 0, "pipe_directory": None}]
    t.serve(node.copy())
    contains("\n".join(lines_of(t, 200, 0)), "All GPUs: an MPS control daemon that Carve did not start (process 4321, uid 0) is")
    t.serve(machines.mps_node().copy())
    contains(t.carve("show", "5").stdout, "process 4321 of uid 0, in /tmp/nvidia-mps")


def claim_who_holds_an_mps_shares_limits_is_said_and_why_nobody_does(t):
    t.serve(machines.mps_node().copy())
    for what, memory in (("0:mps1", "mps\n"), ("L1", "mps\n"), ("0:mps3", "mps\n"),
                         ("0:mps2", "nobody: the server's one limit is that of a larger share"),
                         ("L2", "nobody: the server's one limit is that of a larger share"),
                         ("2:mps1", "nobody: servers may take turns (time-sliced)"),
                         ("4:3g.40gb@4:mps1", "nobody: in MIG mode there is no exclusive mode"),
                         ("L31", "nobody: in MIG mode there is no exclusive mode")):
        text = t.carve("show", what).stdout
        contains(text, f"memory by     {memory}")
        contains(text, f"compute by    {memory}")
        contains(text, "faults by     nobody: a fatal fault ends all clients of the same server")
    rows = [line.split() for line in t.carve("list", "shares").stdout.split("\n")]
    same([row[5:9] for row in rows if row[:1] == ["0:mps2"]], [["L2", "yes", "ready", "nobody"]])
    same([row[-4:-1] for row in rows if row[:1] == ["1:mps1"]], [["yes", "faulty", "mps"]])
    contains(t.carve("list", "gpus").stdout, "healthy, MPS of bob (faulty)")


def claim_lists_are_json_when_asked(t):
    node = machines.busy_node("dgx-h100").copy()
    t.serve(node)
    same(json.loads(t.carve("list", "--json").stdout), node)
    for which in ("gpus", "shares", "leases"):
        same(json.loads(t.carve("list", which, "--json").stdout), {"version": 1, which: node[which]})


def claim_ids_are_one_per_line(t):
    t.serve(machines.busy_node("h100-l40s").copy())
    same(t.carve("list", "gpus", "--ids").stdout, "0\n1\n")
    same(t.carve("list", "leases", "--ids").stdout, "L1\nL2\n")
    same(t.carve("list", "shares", "--ids").stdout.split(), ["0:2g.20gb@0", "1"][::-1])
    same(t.carve("list", "--ids").returncode, 64)


def claim_each_gpu_says_what_it_can_do_and_why(t):
    t.serve(machines.Node("h100-l40s").copy())
    text = t.carve("list", "gpus").stdout
    rows = [re.split(r"\s{2,}", x.strip()) for x in text.split("\n")]
    same(rows[0][3:8], ["mig", "mps", "vf", "time", "whole"])
    same(rows[1][3:8], ["yes", "yes", "no", "no", "after"])
    same(rows[2][3:8], ["no", "yes", "no", "no", "yes"])
    contains(text, "mig   GPU 0: yes: up to 7 instances")
    contains(text, "mig   GPU 1: no: this product has no MIG")
    contains(text, "vf    no: comes with a later version")


def claim_an_empty_list_says_so(t):
    t.serve(machines.Node("h200").copy())
    same(t.carve("list", "leases").stdout, "No leases.\n")


def claim_an_unknown_list_is_a_usage_error(t):
    r = t.carve("list", "gpu")
    same(r.returncode, 64)
    contains(r.stderr, "did you mean gpus")


def claim_things_are_shown_by_any_name(t):
    node = machines.busy_node("dgx-h100").copy()
    t.serve(node)
    share = node["shares"][0]
    t.fake.answers[f"GET /v1/shares/{share['uuid']}"] = {"version": 1, "share": share}
    t.fake.answers["GET /v1/gpus/0000:1b:00.0"] = {"version": 1, "gpu": node["gpus"][0]}
    contains(t.carve("show", "0").stdout, "NVIDIA H100")
    contains(t.carve("show", "0000:1b:00.0").stdout, "1g.10gb")
    contains(t.carve("show", share["id"]).stdout, "memory by     hardware")
    contains(t.carve("show", share["uuid"]).stdout, share["id"])
    contains(t.carve("show", "L1").stdout, "alice")
    r = t.carve("show", "nothing")
    same(r.returncode, 1)
    contains(r.stderr, "there is no GPU, share or lease 'nothing'")


def claim_a_binding_is_shown_as_environment(t):
    node = machines.busy_node("dgx-h100").copy()
    t.serve(node)
    same(t.carve("show", "L1", "--as", "env").stdout,
         f"CARVE_LEASE=L1\nCUDA_VISIBLE_DEVICES={node['leases'][0]['got'][0]['uuid']}\n")
    same(t.carve("show", "L131", "--as", "env").returncode, 1)
    same(t.carve("show", "0", "--as", "env").returncode, 1)
    same(t.carve("show", "L1", "--as", "xml").returncode, 64)
    same(json.loads(t.carve("show", "L1", "--json").stdout)["lease"], node["leases"][0])


def claim_odd_answers_are_drawn_without_harm(t):
    node = machines.busy_node("dgx-h100").copy()
    gpu = node["gpus"][0]
    gpu["instances"] += [{"profile": "9g", "start": 7, "size": 9, "shares": [None, 5]}, {"start": -1, "size": 1}, {}]
    gpu["mig"]["profiles"].append({"size": 99, "starts": [77, "x"], "slices": 0})
    node["gpus"][1]["mig"]["slots"] = 4000000000
    node["gpus"][2]["mig"] = None
    node["gpus"][3] = {}
    node["gpus"][4]["mps"] = {"servers": [{}, None, {"tenant": 5}], "foreign": [{}, 7]}
    node["gpus"][5]["mps"] = 3
    node["shares"] += [{"mechanism": "mps", "gpu": 7, "memory": 1 << 60}, {"mechanism": "mps", "gpu": 7, "memory": -5}]
    node["leases"][0]["got"] = [{}]
    node["leases"][1]["tenant"] = None
    t.serve(machines.Node("dgx-h100").copy())
    t.fake.answers["GET /v1/node"] = node
    same(t.carve("list").returncode, 0)
    t.fake.answers["GET /v1/node"] = {"version": 1}
    same(t.carve("list").returncode, 0)


claims.main(globals())
