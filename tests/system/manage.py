# SPDX-License-Identifier: Apache-2.0
"""What carved does to GPUs, services and processes besides leasing: management and its limits, drains, resets,
services in the way, boots, the guard, the ends of leases, health, quotas.
"""
import glob
import os
import signal
import subprocess
import sys
import time

from daemon import MIG_ON, apply, started
from kills import check_empty, holders
from node import SIM, Node, cgroup_mount, claim, equal, needs_fence, own_cgroup, run_claims, true
from steps import active, hang, layout, reaches, restart, shape, struck

TWO_USED = """version: carve-sim/v1
driver: 580.65.06
gpus:
- product: H100-80
  pci: ["1b:00.0"]
  mig: on
  instances: [3g.40gb@4, 1g.10gb@0]
- product: H100-80
  pci: ["43:00.0"]
"""


def hardware(machine="dgx-h100", text=None, config="health-interval: 200ms\n", **options):
    """A node whose GPUs are only observed at first, as hardware's are."""
    if text:
        machine = "/tmp/carve-machine-%d.yaml" % os.getpid()
        with open(machine, "w", encoding="utf-8") as file:
            file.write(text)
    node = Node(machine, config=config, **options)
    if text:
        os.unlink(machine)
    del node.env["CARVE_SIMULATED"]
    node.start()
    return node


def follow(node, answer):
    equal(answer.status, 202)
    path = "/v1/operations/%s?wait=10" % answer["operation"]["id"]
    return node.wait_for(lambda: over(node.get(path)["operation"]), "the operation to end", 60)


def over(operation):
    return operation if operation["state"] != "running" else None


def refused(answer, *words):
    true(answer.status >= 400, answer)
    for word in words:
        true(word in answer["error"]["message"], answer)


def origins(node, gpu):
    return {(i["profile"], i["start"]): i["origin"] for i in node.get("/v1/gpus/%d" % gpu)["gpu"]["instances"]}


def releases(node, name):
    node.post("/v1/leases/%s/release" % name)
    node.wait_for(lambda: name not in [l["name"] for l in node.leases().values()], "%s to end" % name)


@claim
def an_unmanaged_gpu_is_never_changed_whatever_is_asked():
    with hardware(text=TWO_USED) as node:
        before = node.state()["gpus"]
        node.post("/v1/gpus/1/manage")
        for text in (layout(_0="[7g.80gb]"), layout(_0="off"), layout(_0="[dynamic]"),
                     layout(_0="[]", _1="[1g.10gb]"), MIG_ON,
                     "version: v1\nmig-configs:\n  a:\n  - devices: all\n    mig-enabled: false\n",
                     "version: v1\nmig-configs:\n  a:\n  - devices: [0]\n    mig-enabled: true\n"
                     "    mig-devices:\n      1g.10gb: 7\n"):
            node.post("/v1/plan", {"text": text})
            answer = apply(node, text, reset=True)
            true(answer.status >= 400 or answer["operation"]["state"] == "done", answer)
            equal(node.state()["gpus"][0], before[0])
        for request in ({"gpu": "0"}, {"gpu": "0", "profile": "1g.10gb"}, {"gpu": "0", "memory": "1G"},
                        {"gpu": "0", "mechanism": "whole"}, {"gpus": 2}):
            refused(node.lease("a", wait=0, **request))
        for path in ("/v1/shares/0:3g.40gb@4/adopt", "/v1/gpus/0/drain", "/v1/gpus/0/undrain",
                     "/v1/gpus/0/unmanage"):
            node.post(path)
        apply(node, layout(_1="[]"))
        restart(node)
        equal(node.state()["gpus"][0], before[0])
        refused(node.post("/v1/plan", {"text": layout(_0="[7g.80gb]")}), "carve manage 0")


@claim
def unmanage_puts_a_gpu_back_exactly_as_manage_found_it():
    with hardware(text=TWO_USED) as node:
        before = shape(node)
        for gpu in (0, 1):
            node.post("/v1/gpus/%d/manage" % gpu)
        equal(node.post("/v1/shares/0:1g.10gb@0/adopt").status, 200)
        equal(apply(node, layout(_0="[2g.20gb@0, 3g.40gb@4]", _1="[7g.80gb]"))["operation"]["state"], "done")
        node.lease("cache", gpu="0", profile="1g.10gb")
        refused(node.post("/v1/gpus/0/unmanage"), "leased", "carve drain 0")
        releases(node, "cache")
        restart(node)
        for gpu in (0, 1):
            equal(follow(node, node.post("/v1/gpus/%d/unmanage" % gpu))["state"], "done")
        equal(shape(node), before)
        equal([g["managed"] for g in node.get("/v1/gpus")["gpus"]], [False, False])
        equal(set(origins(node, 0).values()), {"foreign"})


@claim
def unmanage_with_keep_leaves_all_and_what_stays_is_foreign_when_managed_again():
    with hardware(text=TWO_USED) as node:
        node.post("/v1/gpus/1/manage")
        apply(node, layout(_1="[3g.40gb@4]"))
        before = shape(node)
        equal(node.post("/v1/gpus/1/unmanage", {"keep": True}).status, 200)
        equal(shape(node), before)
        node.post("/v1/gpus/1/manage")
        equal(origins(node, 1), {("3g.40gb", 4): "foreign"})
        # what was known of the GPU is now what it was at the second manage
        node.lease("a", gpu="1", profile="1g.10gb")
        releases(node, "a")
        equal(follow(node, node.post("/v1/gpus/1/unmanage"))["state"], "done")
        equal(shape(node), before)


@claim
def a_foreign_share_is_never_leased_removed_or_cached_before_it_is_adopted():
    with hardware(text=TWO_USED) as node:
        node.post("/v1/gpus/0/manage")
        before = shape(node)
        equal(set(origins(node, 0).values()), {"foreign"})
        lease = node.lease("a", profile="1g.10gb")["lease"]
        true(lease["got"][0]["share"] != "0:1g.10gb@0", lease)
        releases(node, "a")
        refused(node.lease("b", wait=0, profile="3g.40gb"))
        refused(node.lease("b", wait=0, profile="7g.80gb"))
        refused(apply(node, layout(_0="[7g.80gb]")), "adopt")
        blockers = node.post("/v1/plan", {"text": layout(_0="off")})["blockers"]
        equal({blocker["foreign"] for blocker in blockers}, {True})
        equal(apply(node, layout(_0="[]"))["operation"]["state"], "done")  # they stand in nobody's way
        equal(shape(node), before)
        equal(node.post("/v1/shares/0:3g.40gb@4/adopt").status, 200)
        equal(origins(node, 0)[("3g.40gb", 4)], "pinned")
        equal(node.lease("b", profile="3g.40gb")["lease"]["got"][0]["share"], "0:3g.40gb@4")


@claim
def what_somebody_else_makes_in_a_place_of_ours_is_his():
    with started(config="health-interval: 200ms\n") as node:
        apply(node, layout(_0="[3g.40gb@4]"))
        node.sim("reset", "0")
        node.wait_for(lambda: not node.get("/v1/gpus/0")["gpu"]["instances"], "the loss to be seen")
        equal(origins(node, 0), {})
        if node.state()["gpus"][0]["mig"]:
            node.lease("mine", gpu="0", profile="3g.40gb")
            equal(set(origins(node, 0).values()), {"dynamic"})


@claim
def pinned_shares_stay_and_idle_dynamic_ones_are_a_cache_until_their_room_is_needed():
    with started("h200") as node:
        apply(node, layout(_0="[1g.18gb@0]"))
        node.lease("a", profile="2g.35gb")
        releases(node, "a")
        equal(sorted(origins(node, 0).values()), ["dynamic", "pinned"])
        equal(node.lease("b", profile="3g.71gb")["lease"]["state"], "active")
        releases(node, "b")
        for name in "cd":
            equal(node.lease(name, profile="2g.35gb")["lease"]["state"], "active")
        true(("3g.71gb", 4) not in origins(node, 0), "its room was needed")
        equal(origins(node, 0)[("1g.18gb", 0)], "pinned")
        refused(node.lease("e", wait=0, profile="7g.141gb"), "pinned")


@claim
def nobody_leases_what_an_apply_that_has_not_ended_may_take_back():
    with started("h200") as node:
        apply(node, MIG_ON)
        hang(node, "nvmlDeviceCreateGpuInstanceWithPlacement", 3)
        true(reaches(node, lambda: apply(node, layout(_0="[1g.18gb*4, dynamic]"), wait=False)), "the apply")
        lease = node.lease("a", wait_reply=0, profile="1g.18gb")["lease"]
        equal(lease["state"], "queued")
        node.sim("inject", "--clear")
        node.wait_for(lambda: active(node, "a"), "the lease, once the apply is done")


@claim
def nobody_gets_a_gpu_whole_whose_mode_is_being_changed():
    with started("h200") as node:
        hang(node, "nvmlDeviceSetMigMode", 1)
        true(reaches(node, lambda: apply(node, layout(_0="[]"), wait=False)), "the apply")
        refused(node.lease("a", wait=0, mechanism="whole"))
        equal(node.leases(), {})
        node.sim("inject", "--clear")


@claim
def a_drained_gpu_waits_for_its_leases_takes_no_new_ones_and_stays_drained():
    with started() as node:
        apply(node, MIG_ON)
        lease = node.lease("a", gpu="0", profile="1g.10gb")["lease"]
        answer = node.post("/v1/gpus/0/drain")
        equal(answer.status, 202)
        true(lease["id"] in answer["waits_for"], answer)
        refused(node.lease("b", wait=0, gpu="0", profile="1g.10gb"))
        restart(node)
        refused(node.lease("b", wait=0, gpu="0", profile="1g.10gb"))
        releases(node, "a")
        equal(node.post("/v1/gpus/0/drain").status, 200)
        waiting = node.lease("b", wait_reply=0, gpu="0", profile="1g.10gb")
        node.post("/v1/gpus/0/undrain")
        if waiting.status == 202:
            node.wait_for(lambda: active(node, "b"), "the lease that waited")
        else:
            equal(node.lease("b", gpu="0", profile="1g.10gb").status, 201)


def library_users(node):
    """The processes of this carved that have the driver's library mapped."""
    users = []
    for path in glob.glob("/proc/[0-9]*/maps"):
        pid = int(path.split("/")[2])
        try:
            with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
            if node.carved.pid not in (pid, parent):
                continue
            with open(path, encoding="ascii", errors="replace") as file:
                if "libnvidia-ml" in file.read():
                    users.append(pid)
        except (FileNotFoundError, ProcessLookupError):
            pass
    return users


@claim
def a_drained_driver_is_held_by_no_process_of_carved():
    with started(config="health-interval: 100ms\n") as node:
        apply(node, MIG_ON)
        node.lease("a", profile="1g.10gb")
        true(library_users(node), "workers hold it")
        equal(node.post("/v1/driver/drain").status, 202)
        refused(node.lease("b", wait=0, profile="1g.10gb"), "undrain --driver")
        releases(node, "a")
        node.wait_for(lambda: not library_users(node), "the workers to end")
        equal(node.post("/v1/driver/drain").status, 200)
        equal(node.get("/v1/node")["driver_drained"], True)
        refused(apply(node, layout(_0="[7g.80gb]")), "undrain --driver")
        for path in ("/v1/gpus/0/manage", "/v1/gpus/1/drain", "/v1/gpus/1/undrain", "/v1/reload"):
            node.post(path)
        equal(library_users(node), [])
        equal(node.post("/v1/driver/undrain").status, 200)
        equal(node.lease("b", profile="1g.10gb")["lease"]["state"], "active")
        true(library_users(node), "they are back")


@claim
def an_ampere_reset_happens_only_when_told_and_names_who_is_in_its_way():
    with started("dgx-a100-40") as node:
        before = shape(node)
        text = layout(_1="[1g.5gb]")
        equal(node.post("/v1/plan", {"text": text})["needs_reset"], True)
        refused(apply(node, text), "--reset")
        equal(shape(node), before)
        user = subprocess.Popen([SIM, "hold", "--device", "1"], env=node.env)
        try:
            node.wait_for(lambda: user.pid in holders(node), "a process to use it")
            node.wait_for(lambda: node.get("/v1/gpus/1")["gpu"]["processes"], "carved to see it")
            blocker = node.post("/v1/plan", {"text": text})["blockers"][0]
            process = blocker["processes"][0]
            equal((process["pid"], process["user"]), (user.pid, "root"))
            true("hold" in process["command"], process)
            path = os.path.join(node.dir, "layout.yaml")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            out = node.carve("apply", path, "--reset")
            true(out.returncode != 0 and str(user.pid) in out.stderr + out.stdout and "root" in out.stderr + out.stdout,
                 out)
            equal(shape(node), before)
        finally:
            user.kill()
            user.wait()
        node.wait_for(lambda: not node.get("/v1/gpus/1")["gpu"]["processes"], "carved to see it gone")
        equal(apply(node, text, reset=True)["operation"]["state"], "done")
        equal(shape(node)[1][0], True)


@claim
def a_request_never_changes_a_mode():
    with started() as node:
        before = shape(node)
        refused(node.lease("a", wait=0, profile="1g.10gb"), "carve apply")
        refused(node.lease("a", wait=0, memory="10G", mechanism="mig"))
        equal(node.lease("a", mechanism="whole")["lease"]["state"], "active")
        equal(shape(node), before)


@claim
def a_request_changes_the_mode_of_one_idle_gpu_where_the_configuration_allows_it():
    with started(config="mode-changes: on-demand\n") as node:
        equal(node.lease("whole", gpu="0", mechanism="whole").status, 201)
        refused(node.lease("never", profile="9g.1gb"))
        refused(node.lease("never", memory="900G"))
        equal([gpu[0] for gpu in shape(node)], [False] * 8)
        lease = node.lease("a", profile="1g.10gb")["lease"]
        equal(lease["state"], "active")
        true(lease["got"][0]["gpu"] != 0, "not the one that is used")
        equal(node.lease("b", wait=0, memory="10G").status, 201)
        equal(sum(gpu[0] for gpu in shape(node)), 1)
        refused(node.lease("c", gpu="0", wait=0, profile="1g.10gb"))
        # a mode that does not change is tried once, and what waits is told
        node.sim("inject", "nvmlDeviceSetMigMode:code=UNKNOWN,times=all")
        refused(node.lease("d", gpu="5", profile="1g.10gb"))
        equal(sum(gpu[0] for gpu in shape(node)), 1)
    with started("dgx-a100-40", config="mode-changes: on-demand\n") as node:
        refused(node.lease("a", profile="1g.5gb"))  # never by a reset
        equal([gpu[:2] for gpu in shape(node)], [(False, False)] * 8)


class Services:
    """A stand-in for systemctl: notes what it is asked for, and refuses what it is told to."""

    def __init__(self, node):
        self.path = os.path.join(node.dir, "services")
        bin_dir = os.path.join(node.dir, "bin")
        os.mkdir(bin_dir)
        script = os.path.join(bin_dir, "systemctl")
        with open(script, "w", encoding="utf-8") as file:
            file.write('#!/bin/sh\necho "$@" >>%s\ntest ! -e "%s-$2"\n' % (self.path, self.path))
        os.chmod(script, 0o755)
        node.env["PATH"] = bin_dir + ":" + node.env["PATH"]

    def refuse(self, unit):
        with open("%s-%s" % (self.path, unit), "w", encoding="utf-8"):
            pass

    def asked(self):
        if not os.path.exists(self.path):
            return []
        with open(self.path, encoding="utf-8") as file:
            return file.read().splitlines()

    def forget(self):
        if os.path.exists(self.path):
            os.unlink(self.path)


@claim
def services_in_the_way_are_stopped_for_an_apply_and_started_again_whatever_happens():
    with Node(config="driver-timeout: 60s\n") as node:
        services = Services(node)
        node.start()
        apply(node, MIG_ON)
        units = ["dcgm.service", "exporter.service"]
        stops = ["stop dcgm.service", "stop exporter.service"]
        starts = ["start exporter.service", "start dcgm.service"]
        text = [layout(_0="[3g.40gb@4]"), layout(_0="[4g.40gb@0]")]

        equal(apply(node, text[0], stop_services=units)["operation"]["state"], "done")
        equal(services.asked(), stops + starts)

        services.forget()
        node.sim("inject", "nvmlDeviceCreateGpuInstanceWithPlacement:code=UNKNOWN")
        equal(apply(node, text[1], stop_services=units)["operation"]["state"], "failed")
        equal(services.asked(), stops + starts)

        services.forget()
        hang(node, "nvmlDeviceCreateGpuInstanceWithPlacement", 1)
        apply(node, text[1], wait=False, stop_services=units)
        node.wait_for(lambda: struck(node), "the apply to hang")
        equal(services.asked(), stops)
        restart(node)
        node.wait_for(lambda: sum("runs again" in e["text"] for e in node.get("/v1/events")["events"]) == 2,
                      "both to be started")
        equal(sorted(services.asked()[2:]), sorted(starts))

        services.forget()
        restart(node)
        equal(node.get("/v1/health")["restored"], True)
        equal(services.asked(), [])  # they were started once

        services.refuse("exporter.service")
        before = shape(node)
        operation = apply(node, text[1], stop_services=units)["operation"]
        equal(operation["state"], "failed")
        true("exporter.service" in operation["error"], operation)
        equal(services.asked(), stops + starts)
        equal(shape(node), before)


def reboot(node):
    """A boot: nothing of the runtime directory is left, and the GPUs have lost their instances."""
    node.stop()
    for path in glob.glob(os.path.join(node.env["CARVE_RUN_DIR"], "ledger.db*")):
        os.unlink(path)
    for gpu in node.state()["gpus"]:
        node.sim("reset", str(gpu["index"]))


@claim
def after_a_boot_the_last_applied_layout_is_made_again_also_if_that_is_cut_off():
    with Node(config="driver-timeout: 60s\n") as node:
        node.start()
        apply(node, layout(_0="[3g.40gb@4, 1g.10gb@0]"))
        # this one fails, and this one is not to be remembered
        node.sim("inject", "nvmlDeviceCreateGpuInstanceWithPlacement:code=UNKNOWN")
        equal(apply(node, layout(_0="[7g.80gb]"))["operation"]["state"], "failed")
        node.sim("inject", "--clear")
        wanted = shape(node)
        apply(node, layout(_1="[2g.20gb]"), remember=False)
        reboot(node)
        hang(node, "nvmlDeviceCreateGpuInstanceWithPlacement", 2, gpu=0)
        node.start()
        node.wait_for(lambda: struck(node), "the layout to be made")
        restart(node)
        node.wait_for(lambda: shape(node)[0] == wanted[0], "the layout to be made again")
        node.wait_for(lambda: node.get("/v1/gpus/0")["gpu"]["busy"] is None, "it to be done")
        equal(origins(node, 0)[("3g.40gb", 4)], "pinned")
        equal(shape(node)[1][2], [])
        # made once: what is changed later by hand is not made again by a restart
        apply(node, layout(_0="[]"), remember=False)
        restart(node)
        node.wait_for(lambda: node.get("/v1/health")["restored"], "carved to be back")
        equal(origins(node, 0), {})


@claim
def with_require_fence_nothing_runs_unfenced():
    needs_fence()
    with started(config="require-fence: true\n") as node:
        apply(node, MIG_ON)
        answer = node.post("/v1/leases", {"request": {"profile": "1g.10gb"},
                                          "holder": {"kind": "pid", "pid": os.getpid()}})
        equal(answer.status, 403)
        true("require-fence" in answer["error"]["message"], answer)
        equal(node.leases(), {})
        equal(node.carve("run", "--profile", "1g.10gb", "--", SIM, "hold", "--time", "10ms").returncode, 0)
        os.mkdir(next_cgroup(node))  # now none can be made for the next lease
        out = node.carve("run", "--profile", "1g.10gb", "--", "true")
        true(out.returncode != 0 and "require-fence" in out.stderr, out)
        os.rmdir(last_cgroup[0])


last_cgroup = []


def next_cgroup(node):
    """The path of the cgroup that the next lease of this node will get."""
    lease = node.post("/v1/leases", {"request": {"profile": "1g.10gb"}, "holder": {"kind": "run"}})["lease"]
    path, _, number = lease["holder"]["cgroup_dir"].rpartition("-L")
    node.post("/v1/leases/%s/leave" % lease["id"])
    node.wait_for(lambda: lease["id"] not in node.leases(), "the lease to end")
    last_cgroup[:] = ["%s-L%d" % (path, int(number) + 1)]
    return last_cgroup[0]


@claim
def a_job_whose_lease_has_no_cgroup_ends_as_it_would_alone():
    needs_fence()
    with started() as node:
        apply(node, MIG_ON)
        os.mkdir(next_cgroup(node))
        out = node.carve("run", "--profile", "1g.10gb", "--", "sh", "-c", "exit 7")
        os.rmdir(last_cgroup[0])
        equal(out.returncode, 7)
        true("not fenced" in out.stderr, out)
        node.wait_for(lambda: not node.leases(), "the lease to end")


class Outsider:
    """A cgroup of its own, beside that of these tests and of carved."""

    def __init__(self):
        self.dir = os.path.join(own_cgroup(), "outsiders")

    def __enter__(self):
        os.mkdir(self.dir)
        return self

    def __exit__(self, *_):
        os.rmdir(self.dir)

    def enter(self):
        with open(os.path.join(self.dir, "cgroup.procs"), "w", encoding="ascii") as file:
            file.write("0")

    def hold(self, node, device):
        """Uses a GPU from there, for a moment: the exit status."""
        return subprocess.run([SIM, "hold", "--device", str(device), "--time", "10ms"], env=node.env, check=False,
                              preexec_fn=self.enter, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).returncode

    def make(self, node, name):
        """Makes one of the node's device nodes from there."""
        device = os.stat(os.path.join(node.env["CARVE_SYSTEM_ROOT"], "dev", name)).st_rdev
        subprocess.run(["mknod", os.path.join(node.dir, name), "c", str(os.major(device)), str(os.minor(device))],
                       check=True, preexec_fn=self.enter)


def configure(node, text):
    with open(node.config_path, "w", encoding="utf-8") as file:
        file.write(text)
    equal(node.post("/v1/reload").status, 200)


@claim
def use_without_a_lease_is_refused_by_the_kernel_where_the_configuration_says_so():
    needs_fence()
    with Outsider() as outsider, hardware(config="") as node:
        node.post("/v1/gpus/0/manage")
        equal((outsider.hold(node, 0), outsider.hold(node, 1)), (0, 0))
        try:
            configure(node, "unleased: deny\n")
            equal((outsider.hold(node, 0), outsider.hold(node, 1)), (1, 0))
            outsider.make(node, "nvidia0")  # who may make nodes may; it opens nothing
            equal(node.carve("run", "--gpu", "0", "--mechanism", "whole", "--", SIM, "hold", "--time", "10ms")
                  .returncode, 0)
            lease = node.post("/v1/leases", {"request": {"gpu": "0", "mechanism": "whole"}, "holder": {
                "kind": "cgroup", "cgroup": outsider.dir[len(cgroup_mount()):]}})["lease"]
            equal(outsider.hold(node, 0), 0)
            node.wait_for(lambda: lease["id"] not in node.leases(), "the lease to end with its process")
            equal(outsider.hold(node, 0), 1)
            node.kill()
            equal((outsider.hold(node, 0), outsider.hold(node, 1)), (1, 0))  # it stands without carved
            node.start()
            equal((outsider.hold(node, 0), outsider.hold(node, 1)), (1, 0))
            node.post("/v1/gpus/0/unmanage", {"keep": True})
            equal(outsider.hold(node, 0), 0)
            node.post("/v1/gpus/0/manage")
            equal(outsider.hold(node, 0), 1)
        finally:
            if node.carved.poll() is not None:
                node.start()
            configure(node, "unleased: allow\n")
        equal((outsider.hold(node, 0), outsider.hold(node, 1)), (0, 0))


@claim
def a_carved_that_the_kernel_would_shut_out_as_well_does_not_refuse_use_without_a_lease():
    needs_fence()
    with Outsider() as outsider, started("h200", config="health-interval: 100ms\n") as node:
        with open(os.path.join(cgroup_mount(), "cgroup.procs"), "w", encoding="ascii") as file:
            file.write(str(node.carved.pid))
        try:
            configure(node, "health-interval: 100ms\nunleased: deny\n")
            true("cannot be held" in node.log() and "root cgroup" in node.log(), node.log())
            equal(outsider.hold(node, 0), 0)
            equal(node.lease("a", mechanism="whole").status, 201)
        finally:
            configure(node, "unleased: allow\n")


@claim
def use_without_a_lease_is_told_where_the_configuration_says_so():
    needs_fence()
    with Outsider() as outsider, started(config="health-interval: 100ms\nunleased: report\n") as node:
        def told():
            return [e["text"] for e in node.get("/v1/events")["events"] if e["kind"] == "unleased-use"]

        node.carve("run", "--mechanism", "whole", "--", SIM, "hold", "--time", "500ms")
        equal(told(), [])
        user = subprocess.Popen([SIM, "hold", "--device", "2"], env=node.env, preexec_fn=outsider.enter)
        text = node.wait_for(told, "it to be told")
        true(len(text) == 1 and "GPU 2" in text[0] and str(user.pid) in text[0], text)
        configure(node, "health-interval: 100ms\nunleased: allow\n")
        user.kill()
        user.wait()
        equal(len(told()), 1)


@claim
def a_lease_whose_time_is_up_ends_by_sigterm_then_grace_then_kill():
    needs_fence()
    with started(config="grace: 500ms\n") as node:
        apply(node, MIG_ON)
        mark = os.path.join(node.dir, "mark")
        deaf = "trap 'echo term >%s' TERM; while :; do sleep 0.1; done" % mark
        out = node.carve("run", "--profile", "1g.10gb", "--time", "1500ms", "--", "sh", "-c", deaf)
        equal(out.returncode, -signal.SIGKILL)
        true(os.path.exists(mark), "it was told first")
        out = node.carve("run", "--profile", "1g.10gb", "--time", "300ms", "--", "sleep", "100")
        equal(out.returncode, -signal.SIGTERM)
        node.wait_for(lambda: not node.leases(), "the leases to end")
        child = node.spawn("run", "--profile", "1g.10gb", "--time", "2s", "--", "sleep", "100")
        node.wait_for(lambda: [l for l in node.leases().values() if l["state"] == "active"], "the job to run")
        restart(node)  # the time runs on
        equal(child.wait(), -signal.SIGTERM)


@claim
def children_that_outlive_the_command_keep_its_lease():
    needs_fence()
    with started() as node:
        apply(node, MIG_ON)
        out = node.carve("run", "--profile", "1g.10gb", "--", "sh", "-c", "sleep 100 >&- 2>&- & echo $!")
        equal(out.returncode, 0)
        pid = int(out.stdout)
        for _ in range(2):
            equal([l["state"] for l in node.leases().values()], ["active"])
            restart(node)
        os.kill(pid, 9)
        node.wait_for(lambda: not node.leases(), "the lease to end")
        check_empty(node)


@claim
def a_gpu_with_hardware_errors_gets_no_leases_until_it_is_quiet_and_its_leases_are_told():
    with started("h200", config="health-interval: 200ms\n") as node:
        def health():
            return node.get("/v1/gpus/0")["gpu"]["health"]

        apply(node, MIG_ON)
        node.lease("a", profile="1g.18gb")
        def told():
            node.sim("xid", "0", "13")  # a program's own fault; none is told that came before somebody listened
            return [e for e in node.get("/v1/events")["events"] if e["kind"] == "gpu-xid"]

        node.wait_for(told, "it to be told")
        equal(health(), "healthy")
        for trouble, word in ((("xid", "0", "79"), "XID 79"), (("ecc", "0", "uncorrected"), "ECC")):
            node.sim(*trouble)
            node.wait_for(lambda: health() == "sick", "the GPU to be sick")
            true(word in node.get("/v1/gpus/0")["gpu"]["health_text"], node.get("/v1/gpus/0"))
            lease = node.get("/v1/leases/a")["lease"]
            equal(lease["state"], "active")
            true(word in lease["reason"], lease)
            true(node.lease("b", wait=0, profile="1g.18gb").status in (422, 503), "no placement")
            node.wait_for(lambda: health() == "healthy", "it to be quiet")
        equal(node.lease("b", profile="1g.18gb").status, 201)


@claim
def two_shares_in_one_lease_are_had_together_or_not_at_all():
    with started() as node:
        lease = node.lease("two", gpus=2, mechanism="whole")["lease"]
        equal(len({got["gpu"] for got in lease["got"]}), 2)
        refused(node.lease("seven", wait=0, gpus=7, mechanism="whole"))
        equal(len(node.leases()), 1)
        equal(node.lease("six", gpus=6, mechanism="whole").status, 201)
        releases(node, "two")
        releases(node, "six")
        apply(node, MIG_ON)
        before = shape(node)
        node.sim("inject", "nvmlDeviceCreateGpuInstanceWithPlacement:code=UNKNOWN,call=2")
        lease = node.lease("two", gpus=2, profile="7g.80gb")["lease"]  # the second failed, and was had elsewhere
        equal((lease["state"], len(lease["got"]), lease["reason"]), ("active", 2, None))
        releases(node, "two")
        apply(node, layout(**{"_%d" % gpu: "[]" for gpu in range(8)}))
        equal(shape(node), before)
        for call in (2, 4, 6):
            node.sim("inject", "nvmlDeviceCreateGpuInstanceWithPlacement:code=UNKNOWN,call=%d" % (call // 2 + 1))
        equal(node.lease("two", gpus=2, profile="7g.80gb").status, 502)
        node.sim("inject", "--clear")
        equal(node.leases(), {})
        equal(shape(node), before)


@claim
def quotas_of_every_kind_hold_and_say_what_is_left():
    for quota, first, second, left in (
            ("leases: 1", {"profile": "1g.10gb"}, {"profile": "1g.10gb"}, "0 leases left"),
            ("gpus: 1.5", {"profile": "7g.80gb"}, {"profile": "7g.80gb"}, "left"),
            ("memory: 60G", {"profile": "3g.40gb"}, {"profile": "3g.40gb"}, "left"),
            ("compute: 50%", {"profile": "3g.40gb"}, {"profile": "2g.20gb"}, "left")):
        with started(config="quotas:\n- default: true\n  %s\n" % quota) as node:
            apply(node, MIG_ON)
            equal(node.lease("a", **first).status, 201)
            answer = node.lease("b", wait=0, **second)
            equal((quota, answer.status), (quota, 429))
            true("left" in answer["error"]["message"], answer)
            restart(node)
            equal(node.lease("b", wait=0, **second).status, 429)
            releases(node, "a")
            equal(node.lease("b", **second).status, 201)


@claim
def a_lease_held_for_a_process_or_a_cgroup_ends_with_it():
    needs_fence()
    with Outsider() as outsider, started() as node:
        apply(node, MIG_ON)
        sleeper = subprocess.Popen(["sleep", "100"])
        out = node.carve("lease", "--profile", "1g.10gb", "--pid", str(sleeper.pid))
        equal(out.returncode, 0)
        restart(node)
        equal([l["holder"]["pid"] for l in node.leases().values()], [sleeper.pid])
        sleeper.kill()
        sleeper.wait()
        node.wait_for(lambda: not node.leases(), "the lease to end with the process")

        cgroup = outsider.dir[len(cgroup_mount()):]
        for end in ("empty", "release"):
            equal(node.carve("lease", "--profile", "1g.10gb", "--cgroup", cgroup).returncode, 0)
            restart(node)  # it is empty: its first process is still to come
            lease = list(node.leases().values())[0]
            equal((lease["state"], lease["fenced"]), ("active", True))
            env = dict(node.env, CUDA_VISIBLE_DEVICES=lease["binding"]["env"]["CUDA_VISIBLE_DEVICES"])
            user = subprocess.Popen([SIM, "hold"], env=env, preexec_fn=outsider.enter)
            other = subprocess.Popen(["sleep", "100"], preexec_fn=outsider.enter)
            node.wait_for(lambda: user.pid in holders(node), "it to be used")
            true(outsider.hold(node, 3) != 0, "it is fenced")
            if end == "release":
                subprocess.Popen(["curl", "-s", "-o", os.devnull, "--unix-socket", node.socket, "-X", "POST",
                                  "http://carve/v1/leases/%s/release" % lease["id"]])
                node.wait_for(lambda: node.leases()[lease["id"]]["state"] == "releasing", "it to release")
                true(user.poll() is None, "whose cgroup it is ends its processes")
                user.kill()
                node.wait_for(lambda: not node.leases(), "the lease to end when its share is not used")
                true(other.poll() is None, "the others live")
            user.kill()
            other.kill()
            user.wait()
            other.wait()
            node.wait_for(lambda: not node.leases(), "the lease to end")


@claim
def a_waiting_lease_keeps_its_turn_and_its_time_over_a_failure_and_a_restart():
    with started("h200") as node:
        apply(node, MIG_ON)
        # the only GPU there is fails once: it is tried again
        node.sim("inject", "nvmlDeviceCreateGpuInstanceWithPlacement:code=UNKNOWN")
        equal(node.lease("a", profile="7g.141gb").status, 201)
        # long enough for a restart on this machine, as it is now
        begun = time.monotonic()
        restart(node)
        wait = 3 + 4 * (time.monotonic() - begun)
        waiting = node.lease("b", wait_reply=0, wait=wait, profile="1g.18gb")
        equal(waiting["lease"]["state"], "queued")
        later = node.lease("c", wait_reply=0, profile="1g.18gb")
        equal(later["lease"]["queue_position"], 2)
        restart(node)
        now = node.leases()
        equal([now[w["lease"]["id"]]["queue_position"] or 0 for w in (waiting, later)], [1, 2])
        node.wait_for(lambda: waiting["lease"]["id"] not in node.leases(), "its time to be over", 2 * wait)
        releases(node, "a")
        node.wait_for(lambda: active(node, "c"), "the other's turn")


if __name__ == "__main__":
    run_claims(sys.modules[__name__])
