# SPDX-License-Identifier: Apache-2.0
"""Virtual functions on a simulated host of virtual machines: carved as it is, the simulated kernel's files and
NVIDIA's manager, virtual machines that hold what they were given, and reboots.
"""
import json
import os
import random
import signal
import subprocess
import sys

from daemon import apply
from node import NOBODY, SIM, Node, Skip, acting_as, claim, equal, is_root, run_claims, true
from vf_host import CONFIG, Host, end

NEVER = CONFIG + "vf: {enable: never}\n"
GIB = 1 << 30


@claim
def a_virtual_machine_gets_a_vf_of_the_type_it_asked_for():
    with Host() as node:
        answer = node.vm("web1", profile="NVIDIA L40S-12Q")
        equal((answer.status, answer["lease"]["state"]), (201, "active"))
        got = answer["lease"]["got"][0]
        equal((got["mechanism"], got["profile"], got["share"], got["memory"]),
              ("vf", "NVIDIA L40S-12Q", "0:vf0", 12 * GIB))
        equal(node.types(), {got["pci"]: node.type_id("NVIDIA L40S-12Q")})
        bound = answer["lease"]["binding"]["vf"]
        equal((bound["pci"], bound["gpu_pci"], bound["driver"], bound["vendor_vfio"], bound["type"]),
              (got["pci"], "0000:41:00.0", "nvidia", True, "NVIDIA L40S-12Q"))
        equal((bound["vendor"], answer["lease"]["holder"]["kind"]), (0x10de, "vm"))
        true(bound["group"] is not None, bound)
        share = node.get("/v1/shares/0:vf0")["share"]
        equal((share["lease"], share["origin"], share["profile"], share["compute"], share["has_users"]),
              (answer["lease"]["id"], "dynamic", "NVIDIA L40S-12Q", None, False))
        equal(share["enforced_by"], {"memory": "hardware", "compute": "nobody", "faults": "nobody"})
        seen = node.gpu()["vf"]
        equal((seen["kind"], seen["on"], seen["total"], seen["free"], seen["origin"]),
              ("nvidia", 32, 32, 31, "dynamic"))
        equal(node.counts(), [32, 0, 0])
        # A GPU with VFs on is shared in no other way.
        equal([s["mechanism"] for s in node.get("/v1/shares")["shares"] if s["gpu"] == 0], ["vf"])
        equal(node.release("web1").status, 200)
        node.check_clean()


@claim
def memory_alone_finds_a_type_and_vms_of_one_size_share_a_gpu():
    with Host() as node:
        first = node.vm("a", memory="12Gi")["lease"]["got"][0]
        second = node.vm("b", profile=first["profile"])["lease"]["got"][0]
        equal((first["gpu"], second["gpu"]), (0, 0))
        true(first["memory"] >= 12 * GIB and first["pci"] != second["pci"], (first, second))
        node.release("a")
        # The other's goes on, and so do the VFs.
        equal(node.types(), {second["pci"]: node.type_id(second["profile"])})
        equal(node.count(), 32)
        node.release("b")
        node.check_clean()


@claim
def a_vf_that_is_open_is_not_released_and_who_has_it_is_named():
    with Host() as node:
        lease = node.vm("web1", profile="L40S-12Q")["lease"]
        vm = node.hold(lease["got"][0]["pci"])
        answer = node.release("web1")
        equal((answer.status, answer["error"]["code"]), (409, "conflict"))
        true(str(vm.pid) in answer["error"]["message"] and "0:vf0" in answer["error"]["message"], answer)
        equal(node.lease_named("web1")["state"], "active")
        node.wait_for(lambda: node.shares()["0:vf0"]["has_users"], "its use to be seen")
        equal(node.shares()["0:vf0"]["vf"]["user"]["pid"], vm.pid)
        equal(node.types(), {lease["got"][0]["pci"]: node.type_id("NVIDIA L40S-12Q")})
        end(vm)
        equal(node.release("web1").status, 200)
        node.check_clean()


@claim
def a_lease_whose_time_is_up_stays_until_its_vf_is_closed():
    with Host() as node:
        lease = node.vm("web1", profile="L40S-12Q", time=1)["lease"]
        vm = node.hold(lease["got"][0]["pci"])
        node.wait_for(lambda: node.lease_named("web1")["state"] == "releasing", "its time to be up")
        true(node.types(), "it is still there")
        equal(node.release("web1").status, 409)
        end(vm)
        node.check_clean()


@claim
def a_lease_outlives_carved_and_the_one_who_asked():
    with Host() as node:
        before = node.vm("web1", profile="L40S-12Q")["lease"]
        types = node.types()
        vm = node.hold(before["got"][0]["pci"])
        node.kill()
        node.start()
        after = node.lease_named("web1")
        equal([after[k] for k in ("id", "state", "got", "binding")], [before[k] for k in ("id", "state", "got", "binding")])
        equal(node.types(), types)
        equal(node.release("web1").status, 409)
        end(vm)
        equal(node.release("web1").status, 200)
        node.check_clean()


@claim
def a_reboot_makes_again_just_what_was():
    with Host() as node:
        names = {"NVIDIA L40S-12Q": ("a", "b"), "NVIDIA L40S-24Q": ("c",)}
        for profile, machines in names.items():
            for name in machines:
                equal(node.vm(name, profile=profile).status, 201)
        equal(node.release("a").status, 200)
        leases = {k: v["got"] for k, v in node.leases().items()}
        types, counts = node.types(), node.counts()
        for _ in range(2):
            node.reboot()
            # Told that it is ready, it has them.
            equal((node.types(), node.counts()), (types, counts))
            equal({k: v["got"] for k, v in node.leases().items()}, leases)
            equal([(v["state"], v["reason"]) for v in node.leases().values()], [("active", None)] * 2)
            true(all(v["binding"]["vf"]["group"] is not None for v in node.leases().values()), node.leases())
        # No number is given twice.
        true(node.vm("d", profile="L40S-12Q")["lease"]["id"] not in ("L1", "L2", "L3"), node.leases())
        for name in "bcd":
            equal(node.release(name).status, 200)
        node.check_clean()


@claim
def what_cannot_be_made_again_is_said_and_tried_again():
    with Host() as node:
        lease = node.vm("web1", profile="L40S-12Q")["lease"]
        types = node.types()
        node.reboot(start=False)
        node.fail("write:file=current_vgpu_type,error=EIO,times=all")
        node.start()
        now = node.lease_named("web1")
        equal((now["state"], now["binding"]), ("active", None))
        true(now["reason"], now)
        true(node.events("vf-restore-failed"), "it is told")
        equal(node.gpu()["health"], "healthy")
        # Nobody else gets its place.
        node.sim("inject", "--clear")
        node.wait_for(lambda: node.lease_named("web1")["reason"] is None, "it to be made again")
        equal(node.types(), types)
        equal(node.lease_named("web1")["binding"]["vf"]["pci"], lease["got"][0]["pci"])
        node.release("web1")
        node.check_clean()


@claim
def who_has_the_driver_open_at_the_start_is_waited_for():
    with Host() as node:
        node.vm("web1", profile="L40S-12Q")
        types = node.types()
        node.reboot(start=False)
        client = subprocess.Popen([SIM, "hold", "--device", "0"], env=node.env)
        node.children.append(client)
        node.wait_for(lambda: str(client.pid) in json.dumps(node.state()), "it to have the GPU")
        node.start(wait=False)
        node.wait_for(lambda: "vf-restore-failed" in node.log(), "carved to meet it", 20)
        end(client)
        node.wait_for(node.answers, "carved to be ready", 20)
        equal(node.types(), types)
        node.release("web1")
        node.check_clean()


@claim
def vfs_that_vanish_under_carved_are_made_again():
    with Host() as node:
        node.vm("web1", profile="L40S-12Q")
        types = node.types()
        # The driver was loaded anew; carved had let it go.
        equal(node.post("/v1/driver/drain").status, 200)
        node.wait_for(node.turn_all_off, "the VFs to go")
        equal(node.types(), {})
        node.post("/v1/driver/undrain")
        node.wait_for(lambda: node.types() == types and node.lease_named("web1")["binding"], "them to come again")
        true(node.events("vf-lost"), "it is told that they went")
        true(node.events("vf-restored") and node.events("vf-back"), "it is told that they came")
        node.release("web1")
        node.check_clean()


LAYOUT = """version: carve/v1
layouts:
  mixed:
  - gpus: ["0"]
    vf: [{type: NVIDIA L40S-12Q, count: 2}, {type: NVIDIA L40S-12Q, vf: 5}]
  - gpus: ["1"]
    mps: [{memory: 10Gi, compute: 30%, count: 2}]
  - gpus: ["2"]
    mig: ["1g.10gb@0", 3g.40gb]
"""
OFF = """version: carve/v1
layouts:
  off:
  - gpus: ["0"]
    vf: []
"""


@claim
def a_layout_mixes_mig_mps_and_vfs_and_comes_back_after_a_reboot():
    with Host() as node:
        apply(node, LAYOUT)
        shares = node.get("/v1/shares")["shares"]
        equal(sorted((s["gpu"], s["mechanism"]) for s in shares),
              [(0, "vf")] * 3 + [(1, "mps")] * 2 + [(2, "mig")] * 2)
        equal({s["origin"] for s in shares}, {"pinned"})
        true("0:vf5" in node.shares(), node.shares())
        types, ids = node.types(), sorted(s["id"] for s in shares)
        # A machine's lease takes what is there; released, it stays.
        lease = node.vm("web1", profile="L40S-12Q", gpu="0")["lease"]
        true(lease["got"][0]["share"] in ids, lease)
        equal(node.types(), types)
        node.reboot()
        equal(node.types(), types)
        node.wait_for(lambda: sorted(s["id"] for s in node.get("/v1/shares")["shares"]) == ids, "the layout")
        equal(node.lease_named("web1")["got"][0]["share"], lease["got"][0]["share"])
        # To go, its VF has to be given back.
        plan = node.post("/v1/plan", {"text": OFF})
        equal(plan["verdict"], "cannot")
        true("web1" in plan["blockers"][0]["text"] or lease["id"] == plan["blockers"][0]["lease"], plan)
        equal(node.release("web1").status, 200)
        equal(node.types(), types)
        apply(node, OFF)
        node.wait_for(lambda: node.count() == 0, "the VFs to be off")
        equal(node.types(), {})


@claim
def a_change_of_their_count_names_the_machines_in_the_way_and_refuses():
    with Host() as node:
        lease = node.vm("web1", profile="L40S-12Q")["lease"]
        vm = node.hold(lease["got"][0]["pci"])
        node.wait_for(lambda: node.shares()["0:vf0"]["has_users"], "its use to be seen")
        plan = node.post("/v1/plan", {"text": OFF})
        equal(plan["verdict"], "cannot")
        true(any(str(vm.pid) in b["text"] or vm.pid in [p["pid"] for p in b["processes"]]
                 for b in plan["blockers"]), plan)
        equal(node.post("/v1/apply", {"text": OFF}).status, 409)
        equal(node.count(), 32)
        end(vm)
        node.release("web1")
        node.check_clean()


@claim
def vgpus_in_instances_of_mig_come_in_the_right_order_and_go():
    with Host() as node:
        types = [t["name"] for t in node.gpu(2)["vf"]["types"] if t["mig"]]
        if not types:
            apply(node, "version: carve/v1\nlayouts:\n  m:\n  - gpus: ['2']\n    mig: []\n")
            types = [t["name"] for t in node.gpu(2)["vf"]["types"] if t["mig"]]
        true(types, node.gpu(2)["vf"]["types"])
        apply(node, "version: carve/v1\nlayouts:\n  m:\n  - gpus: ['2']\n    vf: [{type: %s, count: 2}]\n" % types[0])
        shares = node.shares()
        equal([s["profile"] for s in shares.values()], [types[0]] * 2)
        equal({s["enforced_by"]["compute"] for s in shares.values()}, {"hardware"})
        true(all(s["vf"]["gi"] is not None for s in shares.values()), shares)
        before = (node.types(), [i["profile"] for i in node.gpu(2)["instances"]])
        lease = node.vm("web1", profile=types[0])["lease"]
        equal(lease["state"], "active")
        node.reboot()
        equal((node.types(), [i["profile"] for i in node.gpu(2)["instances"]]), before)
        equal(node.release("web1").status, 200)
        apply(node, "version: carve/v1\nlayouts:\n  m:\n  - gpus: ['2']\n    vf: []\n    mig: []\n")
        node.wait_for(lambda: node.counts() == [0, 0, 0], "the VFs to be off")


@claim
def vgpus_of_several_sizes_are_together_where_a_layout_says_so():
    with Host() as node:
        apply(node, "version: carve/v1\nlayouts:\n  m:\n  - gpus: ['0']\n"
                    "    vf: [{type: NVIDIA L40S-24Q, count: 1}, {type: NVIDIA L40S-12Q, count: 2}]\n")
        equal(sorted(s["profile"] for s in node.shares().values()),
              ["NVIDIA L40S-12Q", "NVIDIA L40S-12Q", "NVIDIA L40S-24Q"])
        true(node.gpu()["vf"]["mixed"], node.gpu()["vf"])
        types = node.types()
        node.reboot()
        equal(node.types(), types)
        apply(node, OFF)
        node.wait_for(lambda: node.count() == 0, "the VFs to be off")


@claim
def vfs_of_others_are_left_alone_until_they_are_adopted():
    with Host(start=False) as node:
        node.manage("-e", "0")
        first = "0000:41:00.4"
        node.start()
        kind = node.type_id("NVIDIA L40S-12Q")
        node.set_type(first, kind)
        node.wait_for(lambda: "0:vf0" in node.shares(), "it to be seen")
        equal((node.shares()["0:vf0"]["origin"], node.gpu()["vf"]["origin"]), ("foreign", "foreign"))
        # Free ones among them are used, theirs is not; nor are they turned off at the end.
        lease = node.vm("web1", profile="L40S-12Q", gpu="0")["lease"]
        true(lease["got"][0]["share"] != "0:vf0", lease)
        node.release("web1")
        node.wait_for(lambda: node.types() == {first: kind}, "its own to go")
        equal(node.count(), 32)
        equal(node.post("/v1/shares/0:vf1/adopt").status, 409)
        equal(node.post("/v1/shares/0:vf0/adopt").status, 200)
        equal(node.shares()["0:vf0"]["origin"], "pinned")
        equal(node.vm("web2", profile="L40S-12Q", gpu="0")["lease"]["got"][0]["share"], "0:vf0")
        node.release("web2")
        node.reboot()
        equal(node.types(), {first: kind})
        # Let go of, they stay as they are and are nobody's.
        equal(node.post("/v1/gpus/0/unmanage", {"keep": True}).status, 200)
        equal(node.types(), {first: kind})
        equal(node.shares()["0:vf0"]["origin"], "foreign")


@claim
def what_fails_half_way_leaves_everything_as_it_was():
    with Host() as node:
        node.vm("web1", profile="L40S-12Q")
        before = node.types(), node.counts()
        node.fail("write:file=current_vgpu_type,error=EIO,times=all")
        answer = node.vm("web2", profile="L40S-12Q", gpu="0")
        true(answer.status in (502, 503), answer)
        node.sim("inject", "--clear")
        equal((node.types(), node.counts()), before)
        equal(list(node.leases()), ["L1"])
        # A layout of three, the third of which fails.
        node.fail("write:file=current_vgpu_type,error=EIO,call=3")
        text = ("version: carve/v1\nlayouts:\n  m:\n  - gpus: ['1']\n    vf: [{type: NVIDIA L40S-12Q, count: 3}]\n")
        operation = node.post("/v1/apply", {"text": text, "remember": False})["operation"]
        node.wait_for(lambda: node.get("/v1/operations/" + operation["id"])["operation"]["state"] != "running", "its end", 60)
        equal(node.get("/v1/operations/" + operation["id"])["operation"]["state"], "failed")
        node.sim("inject", "--clear")
        equal((node.types(), node.counts()), before)
        equal({g["health"] for g in node.get("/v1/gpus")["gpus"]}, {"healthy"})
        node.release("web1")
        node.check_clean()


@claim
def bad_requests_are_refused_with_one_sentence_and_change_nothing():
    with Host() as node:
        tree = snapshot(node)
        for request, status in (({"profile": "NVIDIA L40S-13Q"}, 422), ({"memory": "4Ti"}, 422),
                                ({"profile": "L40S-12Q", "gpus": 2}, 400), ({"mechanism": "mps"}, 400),
                                ({"profile": "L40S-12Q", "gpu": "9"}, 422)):
            answer = node.vm("x", **request)
            equal((request, answer.status), (request, status))
            true("\n" not in answer["error"]["message"] and len(answer["error"]["message"]) > 10, answer)
        for body in ({"request": {"vm": True}, "holder": {"kind": "name", "name": "x"}},
                     {"request": {"memory": "1G"}, "holder": {"kind": "vm", "name": "x"}},
                     {"request": {"vm": True}, "holder": {"kind": "vm"}},
                     {"request": {"vm": True}, "holder": {"kind": "vm", "name": "L7"}}):
            equal((body, node.post("/v1/leases", body).status), (body, 400))
        equal(node.post("/v1/shares/0:vf3/adopt").status, 404)
        equal(snapshot(node), tree)
        node.vm("web1", profile="L40S-12Q")
        answer = node.vm("web1", profile="L40S-12Q")
        equal(answer.status, 409)
        true("web1" in answer["error"]["message"], answer)
        # Beside it on that GPU, only its size fits.
        answer = node.vm("web2", profile="L40S-24Q", gpu="0")
        equal(answer.status, 503)
        node.release("web1")
        node.check_clean()


def snapshot(node):
    """What the kernel shows of VFs."""
    return node.counts(), node.types(), [node.vf_file(node.pf(i), "sriov_drivers_autoprobe") for i in range(3)]


@claim
def vfs_are_turned_on_for_leases_only_where_that_is_allowed_and_on_managed_gpus():
    with Host(config=NEVER) as node:
        answer = node.vm("web1", profile="L40S-12Q")
        true(answer.status in (422, 503), answer)
        equal(node.counts(), [0, 0, 0])
    with Host() as node:
        for gpu in (0, 1):
            equal(node.post("/v1/gpus/%d/unmanage" % gpu, {"keep": True}).status, 200)
        answer = node.vm("web1", profile="L40S-12Q")
        equal(answer.status, 422)
        equal(node.counts(), [0, 0, 0])
        node.post("/v1/gpus/1/manage")
        equal(node.vm("web1", profile="L40S-12Q")["lease"]["got"][0]["gpu"], 1)
        equal(node.counts(), [0, 32, 0])
        node.release("web1")
        node.check_clean()


@claim
def a_client_of_the_driver_that_keeps_the_vfs_from_being_made_is_in_nobodys_books():
    with Host() as node:
        holder = node.spawn("run", "--mechanism", "whole", "--gpu", "0", "--", SIM, "hold")
        node.wait_for(lambda: any(l["state"] == "active" for l in node.leases().values()), "a job on GPU 0")
        lease = node.vm("web1", profile="L40S-12Q")["lease"]
        equal((lease["state"], lease["got"][0]["gpu"]), ("active", 1))
        holder.send_signal(signal.SIGINT)
        holder.wait(20)
        node.release("web1")
        node.check_clean()


@claim
def an_idle_server_of_mps_makes_room_for_a_virtual_machine_at_once():
    with Host(config=CONFIG + "mps: {idle: 1h}\n") as node:
        done = node.carve("run", "--mechanism", "mps", "--memory", "2G", "--gpu", "0", "--", "true")
        equal(done.returncode, 0)
        lease = node.vm("web1", profile="L40S-12Q", gpu="0", wait=60)["lease"]
        equal((lease["state"], lease["got"][0]["share"]), ("active", "0:vf0"))
        node.release("web1")
        node.check_clean()


@claim
def others_wait_for_a_gpu_whose_vfs_are_on_for_leases_and_get_it_when_they_end():
    with Host() as node:
        node.vm("web1", profile="L40S-12Q", gpu="0")
        # Elsewhere there is room at once, and the GPU is no share as a whole meanwhile.
        equal(node.carve("run", "--mechanism", "whole", "--no-wait", "--", "true").returncode, 0)
        equal(node.get("/v1/shares/0").status, 404)
        waits = [node.spawn("run", "--mechanism", how, "--gpu", "0", *more, "--", "true")
                 for how, more in (("whole", ()), ("mps", ("--memory", "2G")))]
        node.wait_for(lambda: [l["state"] for l in node.leases().values()].count("queued") == 2, "both to wait")
        node.release("web1")
        equal([child.wait(60) for child in waits], [0, 0])
        node.check_clean()


@claim
def a_virtual_machine_that_waits_gets_its_turn():
    with Host() as node:
        node.vm("web1", profile="L40S-48Q", gpu="0")
        node.post("/v1/leases", {"request": {"vm": True, "gpu": "0", "profile": "L40S-24Q", "wait": 60},
                                 "holder": {"kind": "vm", "name": "web2"}, "wait_reply": 0})
        equal(node.lease_named("web2")["state"], "queued")
        node.release("web1")
        node.wait_for(lambda: node.lease_named("web2")["state"] == "active", "its turn")
        node.release("web2")
        node.check_clean()


@claim
def a_free_vf_and_one_that_a_lease_made_have_nothing_to_adopt():
    with Host() as node:
        node.vm("web1", profile="L40S-12Q", gpu="0")
        equal(node.get("/v1/shares/0:vf5")["share"]["origin"], None)
        true("none: it is free" in node.carve("show", "0:vf5").stdout, "a free VF is shown as one")
        pci = node.get("/v1/shares/0:vf5")["share"]["vf"]["pci"]
        equal(node.carve("show", pci).stdout, node.carve("show", "0:vf5").stdout)
        equal(node.carve("show", "0000:41:1f.7").returncode, node.carve("show", "0:vf99").returncode)
        for share, why in (("0:vf5", "is free"), ("0:vf0", "is Carve's already")):
            answer = node.post("/v1/shares/%s/adopt" % share)
            equal((answer.status, why in str(answer["error"])), (409, True))
        node.release("web1")
        node.check_clean()


@claim
def a_vf_that_a_libvirt_domain_was_given_is_still_carves_and_comes_again():
    with Host() as node:
        got = node.vm("web1", profile="L40S-12Q", gpu="0")["lease"]["got"][0]
        node.define("web1", got["pci"])
        node.wait_for(lambda: node.shares()["0:vf0"]["vf"]["owner"] == "libvirt domain web1", "libvirt's to be seen")
        true("left alone" not in node.carve("list").stdout, "it is Carve's")
        layout = "version: carve/v1\nlayouts:\n  a:\n  - gpus: [0]\n    vf: [{type: L40S-12Q, count: 2}]\n"
        equal(apply(node, layout)["operation"]["state"], "done")
        equal(len(node.types()), 2)
        node.reboot()
        equal((node.lease_named("web1")["state"], node.lease_named("web1")["reason"]), ("active", None))
        equal(node.types()[got["pci"]], node.type_id("NVIDIA L40S-12Q"))


@claim
def a_vf_that_a_libvirt_domain_names_goes_to_nobody_else_also_while_vfs_are_off():
    with Host(start=False) as node:
        node.define("db", "0000:41:00.4")
        node.start()
        equal(node.vm("web1", profile="L40S-12Q", gpu="0")["lease"]["got"][0]["share"], "0:vf1")
        node.release("web1")


@claim
def a_tenant_releases_his_own_and_no_other():
    if not is_root():
        raise Skip("becoming another user takes root")
    with Host() as node:
        node.vm("web1", profile="L40S-12Q")
        with acting_as(NOBODY):
            equal(node.vm("web2", profile="L40S-12Q").status, 201)
            equal(node.release("web1").status, 403)
            equal(node.lease_named("web1")["binding"], None)
        node.reboot()
        with acting_as(NOBODY):
            equal(node.release("web2").status, 200)
        node.release("web1")
        node.check_clean()


class Walk:
    """Machines come, run, end and go, carved is killed wherever it is, and the host reboots."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.names = ["vm%d" % i for i in range(5)]
        self.running = {}

    def __enter__(self):
        self.node = Host()
        self.node.fail("write:file=current_vgpu_type,delay=30ms,times=all")
        self.node.fail("write:file=sriov_numvfs,delay=60ms,times=all")
        return self

    def __exit__(self, *details):
        self.node.__exit__(*details)

    def ask(self, method, *arguments):
        """An answer, or None where carved was killed meanwhile."""
        try:
            return getattr(self.node, method)(*arguments)
        except OSError:
            return None

    def post_and_kill(self, path, body=None):
        """Sends it, and kills carved somewhere on the way."""
        script = ("import sys, json\nsys.path.insert(0, %r)\nfrom node import UnixConnection\n"
                  "c = UnixConnection(%r, 60)\nc.request('POST', %r, %r)\ntry:\n    c.getresponse().read()\n"
                  "except Exception:\n    pass\n" % (os.path.dirname(__file__), self.node.socket, path,
                                                  None if body is None else body))
        child = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
        try:
            child.wait(self.random.random() * 0.6)
        except subprocess.TimeoutExpired:
            pass
        self.node.kill()
        child.wait(20)
        self.node.start()

    def wish(self, name):
        profile = self.random.choice(["NVIDIA L40S-12Q", "NVIDIA L40S-24Q"])
        return json.dumps({"request": {"vm": True, "profile": profile, "wait": 0}, "wait_reply": 60,
                           "holder": {"kind": "vm", "name": name}})

    def step(self):
        node, name = self.node, self.random.choice(self.names)
        lease = next((v for v in node.leases().values() if v["name"] == name), None)
        kind = self.random.random()
        if name in self.running and kind < 0.5:
            end(self.running.pop(name))
        elif lease is None:
            self.post_and_kill("/v1/leases", self.wish(name))
        elif kind < 0.25 and lease["binding"]:
            if name not in self.running:
                self.running[name] = node.hold(lease["got"][0]["pci"])
        elif kind < 0.35:
            self.running.clear()
            before = {v["name"]: v["got"] for v in node.leases().values() if v["state"] == "active"}
            node.reboot()
            equal({v["name"]: v["got"] for v in node.leases().values()}, before)
        else:
            self.post_and_kill("/v1/leases/%s/release" % name)
        self.check()

    def is_at_rest(self):
        return all(not g["busy"] for g in self.node.get("/v1/gpus")["gpus"]) and all(
            v["state"] == "active" and v["binding"] for v in self.node.leases().values()) and self.is_as_leased()

    def is_as_leased(self):
        ids = {t["name"]: t["id"] for t in self.node.gpu()["vf"]["types"]}
        wanted = {v["got"][0]["pci"]: ids[v["got"][0]["profile"]] for v in self.node.leases().values()}
        return self.node.types() == wanted

    def check(self):
        """Leases and VFs are the same thing, and who has one open still has it."""
        self.node.wait_for(self.is_at_rest, Unlike(self))
        equal({g["health"] for g in self.node.get("/v1/gpus")["gpus"]}, {"healthy"})
        leases = {v["name"]: v for v in self.node.leases().values()}
        for name, vm in self.running.items():
            true(name in leases and vm.poll() is None, "%s lost its VF" % name)

    def finish(self):
        for vm in self.running.values():
            end(vm)
        for lease in self.node.leases():
            equal(self.node.release(lease).status, 200)
        self.node.check_clean()


class Unlike:
    def __init__(self, walk):
        self.walk = walk

    def __str__(self):
        node = self.walk.node
        return "leases and VFs to be alike: %s, %s" % (
            [(v["id"], v["name"], v["state"], v["got"], v["reason"]) for v in node.leases().values()], node.types())


@claim
def killed_at_any_moment_carved_loses_no_vf_and_leaves_none():
    seeds = [int(os.environ["CARVE_SEED"])] if "CARVE_SEED" in os.environ else (1, 2)
    for seed in seeds:
        with Walk(seed) as walk:
            try:
                for _ in range(int(os.environ.get("CARVE_STEPS", "12"))):
                    walk.step()
                walk.finish()
            except Exception:
                print("seed", seed, flush=True)
                raise


run_claims(sys.modules[__name__])
