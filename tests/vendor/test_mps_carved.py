# SPDX-License-Identifier: Apache-2.0
"""carved with NVIDIA's own MPS control daemon, of both versions, on a simulated node. NVIDIA's server needs a GPU:
mps_server.py stands in for it where one has to run.
"""
import os
import shutil
import signal
import subprocess
import sys
import tempfile

import packages
from mps import CONFIG, TWO, check_gone, events, mode, mps_processes, servers, shares
from node import Node, claim, equal, run_claims, true

HERE = os.path.dirname(os.path.abspath(__file__))
VERSIONS = (("535.261.03", ""), ("550.163.01", "/newer"))


class RealNode(Node):
    """A node whose MPS programs are NVIDIA's; `server`: with the stand-in for its server."""

    def __init__(self, version, folder, server=True):
        self.bin = tempfile.mkdtemp(prefix="carve-mps-bin-", dir="/tmp")
        os.chmod(self.bin, 0o755)
        root = packages.unpacked() + folder
        shutil.copy(root + "/usr/bin/nvidia-cuda-mps-control", self.bin)
        shutil.copy(HERE + "/mps_server.py" if server else root + "/usr/sbin/nvidia-cuda-mps-server",
                    self.bin + "/nvidia-cuda-mps-server")
        os.chmod(self.bin + "/nvidia-cuda-mps-server", 0o755)
        machine = self.bin + "/node.yaml"
        with open(machine, "w", encoding="utf-8") as file:
            file.write(TWO % version)
        super().__init__(machine, config=CONFIG)
        self.env["PATH"] = self.bin + ":" + self.env["PATH"]
        self.start()

    def __exit__(self, *_):
        for pid in mps_processes(self) if _[0] else ():
            os.kill(pid, signal.SIGKILL)
        super().__exit__(*_)
        shutil.rmtree(self.bin)


def each(test, **options):
    for version, folder in VERSIONS:
        with RealNode(version, folder, **options) as node:
            test(node)


@claim
def a_lease_has_nvidias_control_daemon_started_limited_and_ended():
    def test(node):
        one = node.lease("one", mechanism="mps", gpu="0", memory="8Gi", compute=30)["lease"]
        equal(one["state"], "active")
        pipe = one["binding"]["env"]["CUDA_MPS_PIPE_DIRECTORY"]

        def ask(words):
            # NVIDIA's front end breaks off now and then while carved asks too
            for _ in range(20):
                done = subprocess.run(["nvidia-cuda-mps-control"], env=dict(node.env, CUDA_MPS_PIPE_DIRECTORY=pipe),
                                      input=words + "\n", stdout=subprocess.PIPE, universal_newlines=True, check=False)
                if done.returncode == 0:
                    return done.stdout.strip()
            raise AssertionError("no answer to " + words)

        server = ask("get_server_list")
        equal(server, str(servers(node)[0]["server_pid"]))
        equal((ask("get_active_thread_percentage " + server), ask("get_device_pinned_mem_limit %s 0" % server)),
              ("30.0", "8G"))
        equal(mode(node), "exclusive-process")
        node.lease("two", mechanism="mps", gpu="0", memory="16Gi", compute=50)
        equal((ask("get_active_thread_percentage " + server), ask("get_device_pinned_mem_limit %s 0" % server)),
              ("50.0", "16G"))
        for name in ("one", "two"):
            node.post("/v1/leases/%s/release" % name, {})
        check_gone(node)

    each(test)


@claim
def a_killed_carved_takes_nvidias_control_daemon_up_again():
    def test(node):
        node.lease("one", mechanism="mps", gpu="0", memory="8Gi")
        before = [(s["control_pid"], s["server_pid"]) for s in servers(node)]
        node.kill()
        node.start()
        node.wait_for(lambda: servers(node) and servers(node)[0]["state"] == "ready", "it to be taken up")
        equal([(s["control_pid"], s["server_pid"]) for s in servers(node)], before)
        equal(len(shares(node)), 1)
        node.post("/v1/leases/one/release", {})
        check_gone(node)

    each(test)


@claim
def the_death_of_nvidias_programs_is_seen_and_mended():
    def test(node):
        node.lease("one", mechanism="mps", gpu="0", memory="8Gi")
        os.kill(servers(node)[0]["control_pid"], signal.SIGKILL)
        node.wait_for(lambda: events(node, "mps-fault"), "it to be seen")
        node.post("/v1/leases/one/release", {})
        node.wait_for(lambda: events(node, "mps-back"), "it to come back")
        node.lease("two", mechanism="mps", gpu="0", memory="8Gi")
        os.kill(servers(node)[0]["server_pid"], signal.SIGKILL)
        node.wait_for(lambda: len(events(node, "lease-failed")) == 1, "the lease to fail")
        node.lease("three", mechanism="mps", gpu="0", memory="8Gi")
        os.kill(servers(node)[0]["control_pid"], signal.SIGSTOP)
        node.wait_for(lambda: any("does not answer" in text for text in events(node, "mps-fault")), "the hang", 40)
        node.post("/v1/leases/three/release", {})
        check_gone(node)

    each(test)


@claim
def nvidias_own_server_that_finds_no_gpu_is_told_of_in_a_sentence():
    def test(node):
        answer = node.lease("one", mechanism="mps", gpu="0", memory="8Gi", wait=0)
        true(answer.status >= 400 and "status 1" in answer["error"]["message"], answer)
        equal(mps_processes(node), [])
        check_gone(node)

    each(test, server=False)


if __name__ == "__main__":
    try:
        packages.unpacked()
    except packages.Unavailable as reason:
        print("skip carved_with_nvidias_mps: %s" % reason)
        sys.exit(0)
    run_claims(sys.modules[__name__])
