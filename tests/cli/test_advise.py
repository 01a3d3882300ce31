#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""carve advise: what it says of a node, of a product, of a file, and of what is typed wrongly."""
import fcntl
import json
import os
import pty
import re
import shlex
import struct
import subprocess
import termios
import time

import claims
import machines
from claims import contains, lacks, same


def advise(t, *args, **more):
    """The answer as JSON: one workload."""
    r = t.carve("advise", *args, "--json", **more)
    same(r.returncode, 0, r.stderr)
    return json.loads(r.stdout)["workloads"][0]


def ways(answer):
    return {way["way"]: way for way in answer["ways"]}


def claim_each_of_several_counts_all_its_gpus(t):
    text = t.carve("advise", "--gpu", "h100-80gb", "--memory", "30G", "--gpus", "2", "--count", "3").stdout
    for line in ("3 times 2 shares of 30G", "3 of them take 3 GPUs\n", "3 of them take 6 GPUs\n"):
        contains(text, line)


def claim_a_product_needs_no_daemon(t):
    t.fake.stop()
    answer = advise(t, "--gpu", "h100-80gb", "--memory", "10G")
    same(answer["ways"][0]["way"], "mig")
    same(answer["ways"][0]["share"]["profile"], "1g.10gb")
    same(answer["ways"][0]["share"]["product"], "h100-80gb")
    same(len(answer["ways"]), 7)
    same(t.fake.seen, [])


def claim_a_node_is_asked_once_and_only_read(t):
    t.serve(machines.busy_node("dgx-h100").copy())
    answer = advise(t, "--memory", "10G")
    same([x[:2] for x in t.fake.seen], [("GET", "/v1/node"), ("GET", "/v1/measurements")])
    first = answer["ways"][0]
    same((first["way"], first["verdict"], first["share"]["profile"]), ("mig", "now", "1g.10gb"))
    contains(first["share"]["text"], "GPU ")


def claim_what_must_go_first_names_whom_it_disturbs(t):
    node = machines.Node("dgx-h100")
    for gpu in range(8):
        node.lease(gpu + 1, shares=[node.instance(gpu, "1g.10gb", 0)])
    t.serve(node.copy())
    whole = ways(advise(t))["whole"]
    same(whole["verdict"], "after")
    contains(" ".join(whole["first"]), "MIG mode off")
    assert re.match(r"L\d of alice \(python ", whole["disturbs"]), whole["disturbs"]


def claim_types_of_vgpu_that_the_daemon_tells_are_used(t):
    node = machines.Node("h100-l40s").copy()
    l40s = node["gpus"][1]
    l40s["capabilities"][2] = {"mechanism": "vf", "answer": "yes", "text": "32 VFs"}
    types = [{"id": 1000 + size, "name": f"NVIDIA L40S-{size}Q", "memory": size << 30, "room": 48 // size, "max": 48 // size,
              "mig": None, "licence": ""} for size in (4, 8, 12, 24)]
    vfs = [{"number": n, "pci": f"0000:43:00.{n}", "driver": "nvidia", "free": n > 0, "share": "1:vf0" if n == 0 else None}
           for n in range(8)]
    l40s["vf"] = {"kind": "nvidia", "total": 32, "hardware_total": 32, "on": 8, "free": 7, "mixed": False, "may_mix": True,
                  "origin": "dynamic", "types": types, "vfs": vfs}
    node["shares"].append({"id": "1:vf0", "gpu": 1, "mechanism": "vf", "profile": "NVIDIA L40S-12Q", "start": None, "size": None,
                           "memory": 12 << 30, "compute": None, "slices": None, "uuid": "", "origin": "dynamic", "lease": "L9",
                           "has_users": True})
    t.serve(node)
    vf = ways(advise(t, "--vm", "--memory", "12G", "--workload", "rendering"))["vf"]
    same((vf["verdict"], vf["share"]["profile"], vf["share"]["gpu"]), ("now", "NVIDIA L40S-12Q", 1))
    same((vf["share"]["fit"], vf["share"]["fit_empty"]), (3, 4))
    # All on a GPU have the size of the first, which cannot become smaller or larger.
    other = ways(advise(t, "--vm", "--memory", "8G", "--workload", "rendering"))["vf"]
    assert other["verdict"] != "now", other


def claim_several_shares_at_once_are_all_or_nothing(t):
    t.serve(machines.Node("a30x2").copy())
    for gpus, verdict in ((2, "now"), (8, "now"), (9, "no")):
        mig = ways(advise(t, "--memory", "5G", "--gpus", str(gpus)))["mig"]
        same(mig["verdict"], verdict, gpus)
    contains(mig["why_not"], "room for 8 such shares together, and 9 were asked for")
    same(ways(advise(t, "--gpus", "3"))["whole"]["verdict"], "no")


def claim_every_way_is_answered_in_full(t):
    for args in (("--gpu", "a100", "--memory", "8G", "--tenants", "same", "--count", "4"), ("--gpu", "h200", "--vm"),
                 ("--gpu", "l40s", "--workload", "vdi", "--memory", "8G"), ("--gpu", "arc-pro-b60", "--vm")):
        for way in advise(t, *args)["ways"]:
            same(sorted(way["about"]), sorted(("granularity", "count", "shared", "security", "failure", "install", "pairing",
                                               "upgrade", "loses", "migration", "resize", "licence", "hardware", "shines")))
            if way["verdict"] == "no":
                assert way["why_not"] and way["way_out"], way
                same(way["share"], None)
            else:
                assert way["expected"]["source"] in ("published", "rule of thumb"), way
                assert way["share"]["fit_empty"] >= 1, way


def claim_time_is_marked_as_not_built(t):
    time_way = ways(advise(t, "--gpu", "t4", "--memory", "1G"))["time"]
    same(time_way["verdict"], "no")
    contains(time_way["why_not"], "not built yet")


def claim_explain_prints_each_rule_with_its_source(t):
    plain = t.carve("advise", "--gpu", "h100", "--memory", "10G").stdout
    lacks(plain, "Rules for")
    explained = t.carve("advise", "--gpu", "h100", "--memory", "10G", "--explain").stdout
    assert explained.startswith(plain)
    for part in ("Rules for mig", "strangers_apart", "[https://docs.nvidia.com/", "strangers_no_mps"):
        contains(explained, part)


def claim_the_table_fits_the_terminal(t):
    for columns in (80, 120):
        main, child = pty.openpty()
        env = t.env | {"TERM": "xterm", "COLUMNS": str(columns)}
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        run = subprocess.Popen([t.program, "advise", "--gpu", "a100", "--memory", "8G", "--tenants", "same", "--count", "4"],
                               stdin=subprocess.DEVNULL, stdout=child, env=env)
        os.close(child)
        text = b""
        while True:
            try:
                part = os.read(main, 65536)
            except OSError:
                break
            if not part:
                break
            text += part
        same(run.wait(), 0)
        os.close(main)
        plain = re.sub(r"\x1b\[[0-9;]*m", "", text.decode()).replace("\r", "")
        contains(plain, "HELD BY")
        same([x for x in plain.split("\n") if len(x) > columns], [], columns)


def claim_bare_on_a_terminal_it_asks(t):
    main, child = pty.openpty()
    t.serve(machines.Node("dgx-h100").copy())
    run = subprocess.Popen([t.program, "advise"], stdin=child, stdout=child, stderr=child, env=t.env | {"TERM": "dumb"})
    os.close(child)
    text = b""
    for answer in ("container", "4", "lots", "10G", "", "same", "no"):
        deadline = time.monotonic() + 20
        while not text.endswith(b"] ") and time.monotonic() < deadline:
            text += os.read(main, 4096)
        text += b" "
        os.write(main, answer.encode() + b"\n")
    while True:
        try:
            part = os.read(main, 65536)
        except OSError:
            break
        if not part:
            break
        text += part
    same(run.wait(), 0, text)
    os.close(main)
    contains(text.decode(), "'lots' is not a size")
    contains(text.decode(), "4 times 10G in a container, tenants: same")


def claim_a_file_has_several_workloads(t):
    path = os.path.join(t.dir, "work.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write("version: carve/v1\nworkloads:\n- name: chat\n  memory: 8G\n  tenants: same\n  count: 4\n"
                   "  workload: inference\n- {name: desk, workload: vdi, memory: 8G, no-reset: true}\n")
    r = t.carve("advise", path, "--gpu", "l40s", "--json")
    same(r.returncode, 0, r.stderr)
    answer = json.loads(r.stdout)["workloads"]
    same([(x["name"], x["ways"][0]["way"]) for x in answer], [("chat", "mps"), ("desk", "vf")])
    contains(t.carve("advise", path, "--gpu", "l40s").stdout, "desk: ")
    for text, meant in (("", "empty"), ("workloads: []\n", "0 items"), ("a: 1\n", "a"),
                        ("workloads:\n- {memry: 1G}\n", "did you mean memory?"),
                        ("workloads:\n- {vm: true, process: true}\n", "contradict"),
                        ("workloads:\n- {memory: lots}\n", ":2:"), ("workloads:\n- {count: 0}\n", "1 to 1024")):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        r = t.carve("advise", path, "--gpu", "l40s")
        same(r.returncode, 64, f"{text!r} {r.stderr}")
        contains(r.stderr, meant)


def claim_bad_questions_are_one_sentence_with_the_way_out(t):
    node = machines.Node("dgx-h100").copy()
    t.serve(node)
    for args, status, meant in (
            (("--vm", "--process"), 64, ("--vm", "--process")),
            (("--process", "--container"), 64, ("--process", "--container")),
            (("--vm", "--mechanism", "mps", "--memory", "1G"), 64, ("virtual machine", "mps")),
            (("--driver-per-tenant", "--container"), 64, ("--driver-per-tenant", "--container")),
            (("--workload", "vdi", "--process"), 64, ("--workload vdi", "--process")),
            (("--mechanism", "mps", "--memory", "1G", "--tenants", "strangers"), 64, ("--mechanism mps", "--tenants strangers")),
            (("--mechanism", "mps", "--memory", "1G", "--isolation", "fault"), 64, ("mps", "isolation fault")),
            (("--isolation", "security", "--tenants", "same"), 64, ("--isolation security", "--tenants same")),
            (("--workload", "dancing"), 64, ("dancing", "inference")),
            (("--latency", "soon"), 64, ("soon", "20@p99")),
            (("--latency", "20@p100"), 64, ("20@p99",)),
            (("--count", "0"), 64, ("1 to 1024",)),
            (("--memory", "500G"), 1, ("500G", "H100 80GB")),
            (("--gpu", "h1000"), 1, ("h1000", "h100-80gb", "h100-nvl")),
            (("--gpu", "9"), 1, ("no GPU '9'", "0 to 7")),
            (("nosuch.yaml",), 64, ("nosuch.yaml",)),
            (("x.yaml", "--memory", "1G"), 64, ("--memory",))):
        r = t.carve("advise", *args)
        same(r.returncode, status, f"{args}: {r.stderr}")
        same(r.stderr.count("\n"), 1, args)
        for part in meant:
            contains(r.stderr, part)
    node["gpus"], node["shares"], node["leases"] = [], [], []
    t.serve(node)
    r = t.carve("advise", "--memory", "1G")
    same(r.returncode, 1)
    contains(r.stderr, "no GPU: name a product")
    t.fake.stop()
    r = t.carve("advise", "--memory", "1G")
    same(r.returncode, 1)
    contains(r.stderr, "systemctl start carved")
    contains(r.stderr, "--gpu h100-80gb")


def claim_the_products_are_listed(t):
    text = t.carve("advise", "--gpu", "list").stdout
    for key in ("h100-80gb", "rtx-pro-6000", "mi300x", "arc-pro-b60"):
        contains(text, key)


def claim_the_examples_of_the_page_are_what_it_prints(t):
    docs = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "docs")
    with open(os.path.join(docs, "choosing.md"), encoding="utf-8") as file:
        examples = re.findall(r"```\n\$ carve (advise .*)\n((?:.*\n)*?)```", file.read())
    assert len(examples) >= 6, examples
    for command, shown in examples:
        said = t.carve(*shlex.split(command)).stdout
        if shown.endswith("...\n"):
            said = said[:len(shown) - 4] + "...\n"
        same(said, shown, command)


claims.main(globals())
