#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The copies of the benchmark, spoken to as carve measure does, on a stand-in for CUDA's driver library."""
import json
import os
import signal
import subprocess
import time

import claims
import standin
from claims import contains, same

UUID = "GPU-00112233-4455-6677-8899-aabbccddeeff"
FIND = "0x0x0"


class Copies:
    def __init__(self, t, kinds, items, seconds="50ms", which="STANDIN", **env):
        standin.install(t, which)
        self.process = t.start("--measure-copy", kinds, items, seconds, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               env={"STANDIN_UUID": UUID, "STANDIN_ROUND": "200000"} | env)

    def line(self):
        text = self.process.stdout.readline()
        return json.loads(text) if text else None

    def ready(self, n=1):
        lines = [self.line() for _ in range(n)]
        same({(line["event"], line["copy"]) for line in lines}, {("ready", i) for i in range(n)}, lines)
        return lines

    def go(self, n=1):
        self.process.stdin.write("g" * n)
        self.process.stdin.flush()

    def end(self):
        """Lets go: what it still said, and its exit status."""
        self.process.stdin.close()
        rest = [json.loads(line) for line in self.process.stdout]
        return rest, self.process.wait(30)


def claim_a_copy_is_ready_works_and_ends_when_its_input_is_closed(t):
    copies = Copies(t, "compute", FIND)
    ready = copies.ready()[0]
    same((ready["gpu"], ready["pid"]), (UUID, copies.process.pid))
    copies.go()
    done = copies.line()
    same((done["event"], done["copy"]), ("done", 0))
    assert done["items_per_s"] > 0 and 0 < done["p50_ns"] <= done["p99_ns"], done
    # It goes on: the others still need their neighbour.
    assert standin.is_there(copies.process.pid)
    same(copies.end(), ([], 0))


def claim_an_item_is_sized_for_the_gpu_at_hand(t):
    item = {}
    for kind in ("compute", "bandwidth", "launch"):
        copies = Copies(t, kind, "0x0x%d" % (1 << 40))
        item[kind] = copies.ready()[0]["item"]
        copies.end()
    # Ten multiprocessors, 4 MiB of second cache: several waves, and a buffer that the cache does not hold.
    same((item["compute"]["blocks"], item["compute"]["bytes"]), (320, 0))
    same((item["bandwidth"]["blocks"], item["bandwidth"]["bytes"]), (320, 256 << 20))
    same((item["launch"]["blocks"], item["launch"]["bytes"]), (1, 0))
    # 2 ms, of rounds that take 0.2 ms and a bit
    for kind in item:
        assert 1 <= item[kind]["rounds"] <= 10, item
    copies = Copies(t, "bandwidth", "0x0x%d" % (64 << 20))
    same(copies.ready()[0]["item"]["bytes"], 64 << 20)
    copies.end()


def claim_a_given_item_is_done_as_it_is(t):
    copies = Copies(t, "bandwidth", "77x3x8388608")
    same(copies.ready()[0]["item"], {"blocks": 77, "rounds": 3, "bytes": 8388608})
    copies.end()
    words = standin.log(t)
    same([line[2] for line in words if line[1] == "bytes"], ["4194304", "4194304"])
    same([line[2::2] for line in words if line[1] == "blocks"], [["77", "256", "1"]])


def claim_a_round_of_bandwidth_is_a_launch_one_of_compute_is_not(t):
    # Within one launch blocks go by waves, and a wave would find its part of the buffer in the second cache from round 2 on.
    for kind, launches, rounds in (("compute", "1", "3"), ("bandwidth", "3", "1"), ("launch", "1", "1")):
        copies = Copies(t, kind, "9x3x8192")
        copies.ready()
        copies.end()
        words = [line for line in standin.log(t) if line[0] == str(copies.process.pid)]
        same([line[3] for line in words if line[1] == "waited"], [launches], kind)
        same([line[6] for line in words if line[1] == "blocks"], [rounds], kind)


def claim_copies_are_processes_and_each_goes_by_a_byte(t):
    copies = Copies(t, "compute,bandwidth,compute", "9x1x0,9x1x4096,9x1x0")
    ready = copies.ready(3)
    same(len({line["pid"] for line in ready} | {copies.process.pid}), 4)
    copies.go()
    first = copies.line()
    copies.go(2)
    rest = [copies.line(), copies.line()]
    same(sorted(line["copy"] for line in [first, *rest]), [0, 1, 2])
    same({line["event"] for line in [first, *rest]}, {"done"})
    same(copies.end(), ([], 0))


def claim_nobody_works_on_once_the_input_is_closed(t):
    copies = Copies(t, "compute,launch", "9x1x0,1x1x0", "600")
    pids = [line["pid"] for line in copies.ready(2)]
    rest, status = copies.end()
    same((rest, status), ([], 1))
    copies = Copies(t, "compute,launch", "9x1x0,1x1x0", "600")
    pids += [line["pid"] for line in copies.ready(2)]
    copies.go(2)
    rest, status = copies.end()
    same((rest, status), ([], 1))
    assert not any(standin.is_there(pid) for pid in pids)


def claim_what_fails_is_said_in_a_sentence(t):
    cases = [
        ("cuInit:100", "CUDA cannot be used: CUDA says \"stand-in's words\" (100): no GPU is there for this process"),
        ("cuInit:803", "reload the nvidia modules, or reboot"),
        ("cuDeviceGetCount:3", "CUDA has no device"),
        ("cuDevicePrimaryCtxRetain:46", "another process has it"),
        ("cuDevicePrimaryCtxRetain:2", "a larger share has more"),
        ("cuCtxSetCurrent:201", "the context cannot be used"),
        ("cuModuleLoadData:222", "this driver is too old for it"),
        ("cuModuleLoadData:221", "libnvidia-ptxjitcompiler.so.1"),
        ("cuMemAlloc_v2:2", "MiB of the GPU's memory"),
        ("cuLaunchKernel:701", "the kernel cannot be started"),
        ("cuCtxSynchronize:719", "the kernel failed"),
    ]
    for order, said in cases:
        copies = Copies(t, "bandwidth", FIND, STANDIN_FAIL=order)
        line = copies.line()
        same((line["event"], line["copy"]), ("failed", 0), line)
        contains(line["text"], said)
        same(copies.end(), ([], 1))
    copies = Copies(t, "compute", FIND, STANDIN_EMPTY="1")
    contains(copies.line()["text"], "no GPU is there for this process")
    same(copies.end()[1], 1)


def claim_a_gpu_that_is_lost_in_the_middle_is_said(t):
    copies = Copies(t, "compute", "9x1x0", "600", STANDIN_FAIL="cuCtxSynchronize:999:2000")
    copies.ready()
    copies.go()
    line = copies.line()
    same(line["event"], "failed")
    contains(line["text"], "(999)")
    same(copies.end(), ([], 1))


def claim_a_gpu_that_does_no_work_is_not_measured(t):
    copies = Copies(t, "compute", FIND, STANDIN_ROUND="0")
    contains(copies.line()["text"], "it does none")
    same(copies.end()[1], 1)


def claim_a_copy_that_is_killed_is_told_of_and_the_others_end(t):
    copies = Copies(t, "compute,compute", "9x1x0,9x1x0", "600")
    ready = {line["copy"]: line["pid"] for line in copies.ready(2)}
    copies.go(2)
    os.kill(ready[0], signal.SIGKILL)
    line = copies.line()
    same((line["copy"], line["event"]), (0, "failed"))
    contains(line["text"], "signal 9")
    same(copies.end(), ([], 1))


def claim_copies_end_with_their_parent(t):
    copies = Copies(t, "compute,compute", "9x1x0,9x1x0", "600")
    pids = [line["pid"] for line in copies.ready(2)]
    copies.go(2)
    copies.process.kill()
    # The output is theirs too: it is closed as they end.
    same(copies.process.stdout.read(), "")
    copies.process.wait(30)
    until = time.monotonic() + 30
    while any(standin.is_there(pid) for pid in pids):
        assert time.monotonic() < until, "the copies have ended"
        time.sleep(0.01)


def claim_an_older_driver_is_used_by_its_older_names(t):
    copies = Copies(t, "compute", "9x1x0", which="STANDIN_OLDER")
    same(copies.ready()[0]["gpu"], UUID)
    copies.go()
    same(copies.line()["event"], "done")
    same(copies.end(), ([], 0))
    calls = {line[1] for line in standin.log(t)}
    assert {"cuDeviceGetUuid", "cuDevicePrimaryCtxRelease"} <= calls, calls


def claim_without_the_library_it_says_what_to_install(t):
    standin.install(t)
    with open(os.path.join(t.dir, "empty"), "w", encoding="ascii"):
        pass
    os.unlink(os.path.join(t.dir, "lib/libcuda.so.1"))
    os.symlink(os.path.join(t.dir, "empty"), os.path.join(t.dir, "lib/libcuda.so.1"))
    r = t.carve("--measure-copy", "compute", FIND, "1")
    same(r.returncode, 1)
    contains(json.loads(r.stdout)["text"], "install the driver's user space for computing (Debian: libcuda1")


def claim_it_is_no_verb_for_people(t):
    for words in ([], ["compute"], ["compute", FIND], ["heat", FIND, "1"], ["compute,launch", FIND, "1"],
                  ["compute", "0x0", "1"], ["compute", FIND + "," + FIND, "1"], ["compute", FIND, "0"],
                  ["compute", FIND, "1", "1"], [",".join(["compute"] * 17), ",".join([FIND] * 17), "1"]):
        r = t.carve("--measure-copy", *words)
        same(r.returncode, 64, words)
        contains(r.stderr, "how 'carve measure' starts its copies")


claims.main(globals())
