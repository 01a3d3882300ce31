# SPDX-License-Identifier: Apache-2.0
"""carved is killed (SIGKILL) at each write by which virtual functions are made, typed, freed and removed: while the
write is in the kernel. Started again it finds what was there before or what was to be, and nothing is left over: no
process that still writes, no virtual function without an owner.
"""
import os
import signal
import sys
import time

from daemon import done
from node import claim, equal, run_claims, true
from vf_host import Host

# What else is killed, and whether the write comes to its end before the next carved starts, or keeps that one waiting.
WAYS = [(False, False), (True, False), (False, True), (True, True)]
N = 16
LAYOUT = "version: carve/v1\nlayouts:\n  x:\n  - gpus: ['0']\n    vf: [%s]\n"
ON, OFF = LAYOUT % ("{type: NVIDIA L40S-3Q, count: %d}" % N), LAYOUT % ""
TYPES, COUNT = "current_vgpu_type", "sriov_numvfs"
# The write that carved is killed at: the file's name, and which of its writes.
COMING = [(COUNT, 1)] + [(TYPES, k) for k in range(1, N + 1)]
GOING = [(TYPES, k) for k in range(1, N + 1)] + [(COUNT, 1)]


def apply(node, text):
    path = "/v1/operations/%s?wait=10" % begin(node, text)
    equal(node.wait_for(lambda: done(node.get(path)), "the apply to end", 60)["operation"]["state"], "done")


def begin(node, text):
    answer = node.post("/v1/apply", {"text": text, "remember": False})
    equal(answer.status, 202)
    return answer["operation"]["id"]


def what_is(node):
    return node.counts(), node.types()


def processes(node):
    """Those of carved and what it started, with their parents."""
    mark, found = ("CARVE_RUN_DIR=" + node.env["CARVE_RUN_DIR"]).encode(), {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/environ" % pid, "rb") as file:
                is_ours = mark in file.read().split(b"\0")
            with open("/proc/%s/stat" % pid, encoding="ascii", errors="replace") as file:
                name, _, fields = file.read().partition("(")[2].rpartition(")")
        except OSError:  # it has just ended
            continue
        if is_ours and name.startswith("carved") and fields.split()[0] not in "ZX":
            found[int(pid)] = int(fields.split()[1])
    return found


def is_struck(node):
    return any(rule["struck"] for rule in node.state()["inject"])


def kill_at(node, text, file, call, with_workers, is_late):
    """Applies, and kills carved while that write is under way."""
    node.fail("write:file=%s,hang,call=%d" % (file, call))
    begin(node, text)
    node.wait_for(lambda: is_struck(node), "the write")
    workers = [pid for pid, parent in processes(node).items() if parent == node.carved.pid]
    node.kill()
    for pid in workers if with_workers else ():
        os.kill(pid, signal.SIGKILL)
    if is_late:
        node.start(wait=False)
        time.sleep(0.5)
    node.sim("inject", "--clear")
    if not is_late:
        node.start(wait=False)
    node.wait_for(node.answers, "carved to be back", 60)


def check(node, states, at):
    """It is one of the states, Carve knows it, and nobody is at it any more."""
    def is_quiet():
        parents = processes(node)
        return all(parent == node.carved.pid or pid == node.carved.pid for pid, parent in parents.items()) and \
            not any(gpu["busy"] for gpu in node.get("/v1/gpus")["gpus"])

    node.wait_for(is_quiet, "all that was started to end, killed at %s" % (at,))
    now = what_is(node)
    true(now in states, "killed at %s: %s" % (at, now))
    equal({gpu["health"] for gpu in node.get("/v1/gpus")["gpus"]}, {"healthy"})
    node.wait_for(lambda: {s["vf"]["pci"]: s["origin"] for s in node.shares().values() if s["profile"]} ==
                  {pci: "pinned" for pci in now[1]}, "carved to know them as its own, killed at %s" % (at,))
    return now


def walk(writes, before, after):
    with Host() as node:
        apply(node, before)
        was = what_is(node)
        apply(node, after)
        meant = what_is(node)
        apply(node, before)
        for number, (file, call) in enumerate(writes):
            at = (file, call, *WAYS[number % len(WAYS)])
            kill_at(node, after, *at)
            if check(node, (was, meant), at) == meant:
                apply(node, before)
        equal(what_is(node), was)
        apply(node, OFF)
        node.check_clean()


@claim
def killed_at_any_write_that_makes_vfs_carved_finds_what_was_or_what_was_meant():
    walk(COMING, OFF, ON)


@claim
def killed_at_any_write_that_removes_vfs_carved_finds_what_was_or_what_was_meant():
    walk(GOING, ON, OFF)


run_claims(sys.modules[__name__])
