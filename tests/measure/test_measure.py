#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""carve measure against a stand-in for carved and one for CUDA's driver library: what is run, refused and kept."""
import json
import os
import signal
import subprocess
import time

import claims
import fake
import machines
import standin
from claims import contains, lacks, same

RATE = {"items_per_s": 500.0, "p50_ns": 2000000, "p99_ns": 2100000}


def figure(way="whole", kind="compute", beside="nobody", count=1, **more):
    return {"way": way, "kind": kind, "beside": beside, "count": count, "percent": 0, "profile": "",
            "item": {"blocks": 320, "rounds": 3, "bytes": 8388608 if kind == "bandwidth" else 0}, "alone": RATE,
            "copies": [RATE] * (count if beside == "alike" else 1)} | more


class Node:
    """A node with real GPUs, as far as anybody can tell."""

    def __init__(self, t, mig=False, **cuda):
        standin.install(t)
        t.env |= {"STANDIN_ROUND": "200000"} | cuda
        self.t, self.leases, self.kept, self.posted = t, {}, [], []
        self.node = machines.Node("dgx-h100", mig=mig)
        self.node.json["simulated"] = False
        t.serve(self.node.copy())
        t.fake.answers |= {
            "GET /v1/node": lambda _: self.node.copy(), "POST /v1/leases": self.lease,
            "GET /v1/measurements": lambda _: {"version": 1, "measurements": self.kept},
            "POST /v1/measurements": self.keep,
        }

    def lease(self, request):
        number = len(self.leases) + 1
        asked = request.body["request"]
        gpu = next(gpu for gpu in self.node.json["gpus"] if gpu["uuid"] == asked["gpu"])
        lease = machines.Node("dgx-h100", mig=False).lease(number, shares=["0"], name=request.body["holder"]["name"], asked=asked)
        lease["binding"]["env"] = {"CUDA_VISIBLE_DEVICES": gpu["uuid"]}
        if asked["mechanism"] == "mps":
            lease["binding"]["env"]["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"] = str(asked["compute"])
        self.leases[lease["id"]] = {"asked": asked, "name": lease["name"], "left": False}

        def leave(_):
            self.leases[lease["id"]]["left"] = True
            return {"version": 1, "lease": lease | {"state": "ended"}}

        path = f"/v1/leases/{lease['id']}"
        self.t.fake.answers |= {f"GET {path}": {"version": 1, "lease": lease}, f"POST {path}/enter": {"version": 1},
                                f"POST {path}/leave": leave, f"POST {path}/release": leave}
        return 201, {"version": 1, "lease": lease}

    def keep(self, request):
        if request.body["figures"]:
            self.posted.append(request.body)
        own = {"gpu": request.body["gpu"], "product": "NVIDIA H100 80GB HBM3", "driver": "535.129.03", "time": 1764000000}
        self.kept = [own | one for one in request.body["figures"]] or self.kept
        return {"version": 1, "measurements": self.kept}

    def measure(self, *words, status=0, **more):
        r = self.t.carve("measure", "--seconds", "0.1", *words, timeout=120, **more)
        same(r.returncode, status, r.stdout + r.stderr)
        return r

    def is_untouched(self):
        same((self.leases, self.posted), ({}, []))


def claim_every_way_is_measured_and_kept_as_one(t):
    node = Node(t)
    uuid = node.node.json["gpus"][2]["uuid"]
    r = node.measure("--gpu", "2", "--copies", "2")
    same(len(node.posted), 1)
    same(node.posted[0]["gpu"], uuid)
    figures = node.posted[0]["figures"]
    keys = [tuple(one[key] for key in ("way", "kind", "beside", "count", "percent")) for one in figures]
    same(len(set(keys)), len(keys))
    kinds = ("compute", "bandwidth", "launch")
    wanted = {("whole", kind, "nobody", 1, 0) for kind in kinds}
    for way, percent in (("time", 0), ("mps", 50)):
        wanted |= {(way, kind, beside, 2, percent) for kind in kinds for beside in ("alike", *kinds) if beside != kind}
    wanted |= {("mps", kind, "nobody", 2, 50) for kind in kinds}
    same(set(keys), wanted)
    by_key = dict(zip(keys, figures))
    for key, one in by_key.items():
        base = by_key["whole", key[1], "nobody", 1, 0]
        same((one["alone"], one["item"]), (base["copies"][0], base["item"]), key)
        same(len(one["copies"]), 2 if key[2] == "alike" else 1)
    # The stand-in takes its time by the percentage that MPS leaves it.
    half = by_key["mps", "compute", "nobody", 2, 50]
    assert half["copies"][0]["p50_ns"] > half["alone"]["p50_ns"], half
    # By turns: one lease of the whole GPU for all; by MPS one for each.
    asked = [lease["asked"] for lease in node.leases.values()]
    same({one["gpu"] for one in asked}, {uuid})
    same([one["mechanism"] for one in asked], ["whole"] * (3 + 6) + ["mps"] * (2 * 6 + 3))
    same({one.get("compute") for one in asked if one["mechanism"] == "mps"}, {50})
    assert all(lease["left"] for lease in node.leases.values()), node.leases
    contains(r.stdout, "on the whole GPU")
    contains(r.stdout, "Not measured: mig: MIG mode is off")


def claim_a_gpu_without_mig_is_not_told_to_turn_it_on(t):
    node = Node(t)
    for gpu in node.node.json["gpus"]:
        for row in gpu["capabilities"]:
            if row["mechanism"] == "mig":
                row.update(answer="no", text="this product has no MIG")
    r = node.measure("--gpu", "0", "--dry-run")
    contains(r.stdout, "mig: this product has no MIG")
    assert "turn MIG mode on" not in r.stdout, r.stdout
    r = node.measure("--gpu", "0", "--only", "mig", status=1)
    contains(r.stderr, "mig: this product has no MIG; measure a GPU that has MIG")


def claim_instances_are_compared_with_the_whole_gpu_of_before(t):
    node = Node(t, mig=True)
    r = node.measure("--gpu", "0", "--only", "mig", status=1)
    contains(r.stderr, "the whole GPU was not measured with this driver")
    node.is_untouched()
    uuid = node.node.json["gpus"][0]["uuid"]
    own = {"gpu": uuid, "product": "NVIDIA H100 80GB HBM3", "driver": "535.104.05", "time": 1763000000}
    node.kept = [own | figure(kind=kind) for kind in ("compute", "bandwidth", "launch")]
    contains(node.measure("--gpu", "0", "--only", "mig", status=1).stderr, "not measured with this driver")
    node.is_untouched()
    node.kept = [one | {"driver": node.node.json["driver"]} for one in node.kept]
    for gpu in node.node.json["gpus"]:
        gpu["mig"]["profiles"] = [row for row in gpu["mig"]["profiles"] if row["name"] in ("1g.10gb", "7g.80gb")]
        gpu["mig"]["profiles"][0]["max"] = 2
    r = node.measure("--gpu", "0", "--only", "mig,time")
    contains(r.stdout, "Not measured: time: MIG mode is on")
    figures = node.posted[0]["figures"]
    same({(one["way"], one["profile"], one["percent"]) for one in figures}, {("mig", "1g.10gb", 14), ("mig", "7g.80gb", 100)})
    same({(one["item"]["rounds"], one["alone"]["p50_ns"]) for one in figures}, {(3, 2000000)})
    same({(lease["asked"]["mechanism"], lease["asked"]["profile"]) for lease in node.leases.values()},
         {("mig", "1g.10gb"), ("mig", "7g.80gb")})


def claim_whoever_is_on_the_gpu_is_named_and_not_disturbed(t):
    node = Node(t)
    node.node.lease(7, user="bob", command="python train.py", shares=["0"])
    node.node.json["gpus"][1]["processes"] = [{"pid": 4711, "user": "eve", "command": "./mine", "service": "", "share": None,
                                               "lease": None, "memory": 1, "mps": None}]
    r = node.measure("--gpu", "0", status=75)
    contains(r.stderr, "GPU 0 is in use by lease L7 of bob (python train.py): a measurement would disturb them")
    r = node.measure("--gpu", "1", status=75)
    contains(r.stderr, "process 4711 of eve (./mine)")
    r = node.measure("--gpu", "1", "--dry-run", status=75)
    # Without a name, one that nobody uses
    contains(node.measure("--dry-run").stdout, "GPU 2: ")
    for gpu in range(2, 8):
        node.node.lease(10 + gpu, shares=[str(gpu)])
    contains(node.measure(status=75).stderr, "GPU 0 is in use by lease L7 of bob")
    node.is_untouched()


def claim_an_idle_mps_server_is_nobody(t):
    node = Node(t)
    node.node.json["gpus"][0]["processes"] = [{"pid": 4711, "user": "root", "command": "nvidia-cuda-mps-server", "service": "",
                                               "share": None, "lease": None, "memory": 1, "mps": "server"}]
    contains(node.measure("--gpu", "0", "--dry-run").stdout, "GPU 0: ")


def claim_what_cannot_be_measured_is_refused_with_the_way_out(t):
    node = Node(t)
    gpus = node.node.json["gpus"]
    for key, value, said in (("managed", False, "carve manage 0"), ("drained", True, "carve undrain 0"),
                             ("health", "broken", "not healthy")):
        before, gpus[0][key] = gpus[0][key], value
        contains(node.measure("--gpu", "0", status=1).stderr, said)
        gpus[0][key] = before
    contains(node.measure("--gpu", "99", status=1).stderr, "no GPU '99'")
    gpus[0]["capabilities"][1] |= {"answer": "no", "text": "nvidia-cuda-mps-control is not installed"}
    contains(node.measure("--gpu", "0", "--dry-run").stdout, "Not measured: mps: nvidia-cuda-mps-control is not installed")
    gpus[0]["mps"]["compute_mode"] = "exclusive-process"
    contains(node.measure("--gpu", "0", "--dry-run").stdout, "Not measured: time: its compute mode lets one program in")
    contains(node.measure("--gpu", "0", "--only", "mig", status=1).stderr, "have a layout turn MIG mode on")
    node.node.json["simulated"] = True
    contains(node.measure(status=1).stderr, "a simulated GPU is no evidence")
    node.node.json |= {"gpus": [], "simulated": False, "driver_error": "the driver is not loaded"}
    contains(node.measure(status=1).stderr, "no GPU that could be measured: the driver is not loaded")
    node.is_untouched()


def claim_what_is_typed_wrongly_is_said(t):
    node = Node(t)
    for words, said in ((["--copies", "0"], "--copies: '0' is no number from 1 to 16"),
                        (["--copies", "17"], "from 1 to 16"), (["--seconds", "1h"], "--seconds: '1h' is no number from 0.1"),
                        (["--seconds", "0"], "from 0.1 to 600"), (["--seconds", "nan"], "from 0.1"),
                        (["--only", "mps,vf"], "'vf' is none of whole, time, mps and mig"),
                        (["--only", "mps,mps"], "twice"), (["--only", ""], "'' is none"),
                        (["--show", "--copies", "3"], "--show measures nothing"), (["--forget", "--json"], "--json does not go"),
                        (["more"], "does not take 'more'")):
        r = t.carve("measure", *words)
        same(r.returncode, 64, words)
        contains(r.stderr, said)
    node.is_untouched()
    same(t.fake.seen, [])


def claim_without_cuda_it_says_what_to_install_and_takes_nothing(t):
    node = Node(t)
    os.unlink(os.path.join(t.dir, "lib/libcuda.so.1"))
    with open(os.path.join(t.dir, "lib/libcuda.so.1"), "w", encoding="ascii"):
        pass
    contains(node.measure(status=1).stderr, "Debian: libcuda1")
    node.is_untouched()


def claim_who_may_not_keep_it_does_not_measure(t):
    node = Node(t)
    t.fake.answers["POST /v1/measurements"] = fake.refuse(403, "only root and members of the group carve may")
    contains(node.measure(status=1).stderr, "only root and members of the group carve may")
    node.is_untouched()


def claim_a_dry_run_runs_nothing(t):
    node = Node(t)
    text = node.measure("--gpu", "0", "--copies", "3", "--dry-run", "--only", "mps").stdout
    contains(text, "GPU 0: 15 runs of 0.1 s, about 2 min in all.\n  whole: 1 x compute\n")
    contains(text, "  mps: compute beside launch, 50 % each\n")
    lacks(text, "time:")
    node.is_untouched()


def claim_a_copy_that_fails_keeps_nothing(t):
    node = Node(t, STANDIN_FAIL="cuMemAlloc_v2:2")
    r = node.measure("--gpu", "0", status=1)
    contains(r.stderr, "whole: 1 x compute: no ")
    contains(r.stderr, "(2): a larger share has more; nothing is stored")
    same(node.posted, [])
    # A GPU that is lost while it is measured.
    node = Node(t, STANDIN_FAIL="cuCtxSynchronize:719:2500")
    contains(node.measure("--gpu", "0", "--seconds", "600", status=1).stderr, "the kernel failed")
    same(node.posted, [])
    assert all(lease["left"] for lease in node.leases.values()), node.leases


def claim_a_lease_that_is_refused_is_said_in_its_words(t):
    node = Node(t)
    t.fake.answers["POST /v1/leases"] = fake.refuse(503, "no room for it")
    contains(node.measure("--gpu", "0", status=1).stderr, "whole: 1 x compute: no room for it; nothing is stored")
    same(node.posted, [])


def claim_copies_on_another_gpu_are_no_figures(t):
    node = Node(t, STANDIN_UUID="GPU-99999999-1111-5222-8333-444455556666")
    contains(node.measure("--gpu", "0", status=1).stderr, "a copy computes on GPU-99999999-1111-5222-8333-444455556666 instead")
    same(node.posted, [])


def claim_who_comes_meanwhile_ends_it(t):
    node = Node(t)
    before = node.lease

    def lease(request):
        if not node.leases:
            node.node.lease(99, user="bob", shares=["0"])
        return before(request)

    t.fake.answers["POST /v1/leases"] = lease
    r = node.measure("--gpu", "0", status=75)
    contains(r.stderr, "nothing is stored: by now GPU 0 is in use by lease L99 of bob")
    same((len(node.leases), node.posted), (1, []))


def pids_of(t):
    return {int(line[0]) for line in standin.log(t)} if os.path.exists(t.env["STANDIN_LOG"]) else set()


def wait_until(is_so, what):
    until = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < until, what
        time.sleep(0.01)


def claim_a_signal_ends_all_copies_and_keeps_nothing(t):
    node = Node(t)
    for number in (signal.SIGINT, signal.SIGTERM):
        seen = pids_of(t)
        child = t.start("measure", "--gpu", "0", "--only", "mps", "--seconds", "600", stderr=subprocess.PIPE,
                        stdout=subprocess.DEVNULL)
        wait_until(lambda: pids_of(t) - seen, "a copy to begin")
        child.send_signal(number)
        text = child.communicate(timeout=60)[1]
        same(child.returncode, -number, text)
        contains(text, "it was interrupted; nothing is stored")
        assert not any(standin.is_there(pid) for pid in pids_of(t))
    same(node.posted, [])


def claim_copies_do_not_outlive_it(t):
    Node(t)
    child = t.start("measure", "--gpu", "0", "--seconds", "600", stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wait_until(lambda: pids_of(t), "a copy to begin")
    child.kill()
    child.wait()
    wait_until(lambda: not any(standin.is_there(pid) for pid in pids_of(t)), "the copies to end")


def claim_what_is_kept_is_shown(t):
    node = Node(t)
    same(node.t.carve("measure", "--show").stdout, "Nothing was measured on this node: 'carve measure' does it.\n")
    half = {"items_per_s": 240.0, "p50_ns": 4100000, "p99_ns": 8400000}
    own = {"gpu": "GPU-1", "product": "NVIDIA H100", "driver": "530.1", "time": 1764000000}
    node.kept = [own | figure(), own | figure("mps", "bandwidth", "alike", 2, percent=50, copies=[half, RATE])]
    text = t.carve("measure", "--show").stdout
    contains(text, "GPU-1 (NVIDIA H100), 2025-11-24, driver 530.1; now it is 535.129.03\n")
    row = next(line for line in text.splitlines() if line.startswith("mps"))
    same(row.split(), ["mps", "2", "50", "%", "bandwidth", "alike", "48-100", "%", "148", "%", "x2.05", "x4.00", "2.00", "ms"])
    same(json.loads(t.carve("measure", "--show", "--json").stdout)["measurements"], node.kept)


def claim_what_is_kept_can_be_forgotten(t):
    Node(t)
    t.fake.answers["POST /v1/measurements/forget"] = {"version": 1, "forgotten": 24}
    same(t.carve("measure", "--forget", "--gpu", "GPU-1").stdout, "24 figures forgotten.\n")
    same(t.carve("measure", "--forget").returncode, 0)
    same(t.posts("/forget"), [{"gpu": "GPU-1"}, {}])


claims.main(globals())
