#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The simulated node's nvidia-cuda-mps-control beside NVIDIA's own, which runs without a GPU as far as to its
server: the same commands get the same answers and leave the same lines in the log."""
import os
import re
import subprocess
import tempfile
import time

from vendor import Node, Skip, main

MACHINE = """version: carve-sim/v1
driver: {}
cuda: "12.4"
gpus:
- product: H100-80
  pci: ["1b:00.0"]
"""
COMMANDS = """
get_server_list
get_server_status
get_server_status 1
get_server_status x
get_default_active_thread_percentage
set_default_active_thread_percentage 30
set_default_active_thread_percentage 130
set_default_active_thread_percentage 0
set_default_active_thread_percentage x
set_default_active_thread_percentage
set_default_active_thread_percentage 50%
set_default_active_thread_percentage 33.37
set_default_active_thread_percentage 0.01
set_default_active_thread_percentage 1e1
get_default_device_pinned_mem_limit
get_default_device_pinned_mem_limit 0
get_default_device_pinned_mem_limit 99
set_default_device_pinned_mem_limit 0 2G
get_default_device_pinned_mem_limit x
set_default_device_pinned_mem_limit 0 500M
get_default_device_pinned_mem_limit 0
set_default_device_pinned_mem_limit 0 500MB
get_default_device_pinned_mem_limit 0
set_default_device_pinned_mem_limit 0 1023M
get_default_device_pinned_mem_limit 0
set_default_device_pinned_mem_limit 0 1024M
get_default_device_pinned_mem_limit 0
set_default_device_pinned_mem_limit 0 3500M
get_default_device_pinned_mem_limit 0
set_default_device_pinned_mem_limit 0 9999X
get_default_device_pinned_mem_limit 0
set_default_device_pinned_mem_limit 0 1.5G
get_default_device_pinned_mem_limit 0
set_default_device_pinned_mem_limit 0 -1G
get_default_device_pinned_mem_limit 0
set_default_device_pinned_mem_limit 0 2g
get_default_device_pinned_mem_limit 0
set_default_device_pinned_mem_limit 0 7 G
get_default_device_pinned_mem_limit 0
set_default_device_pinned_mem_limit 0 0G
get_default_device_pinned_mem_limit 0
set_default_device_pinned_mem_limit 0 4G
set_default_device_pinned_mem_limit 0
get_default_device_pinned_mem_limit 0
set_default_device_pinned_mem_limit 0 4G
set_default_device_pinned_mem_limit -1 1G
set_default_device_pinned_mem_limit 32 1G
get_default_device_pinned_mem_limit 0
set_default_device_pinned_mem_limit 31 2G
get_default_device_pinned_mem_limit 31
set_default_client_priority 1
get_default_client_priority
set_default_client_priority 2
set_default_client_priority -1
get_default_client_priority
set_default_client_priority
get_default_client_priority
get_active_thread_percentage
get_active_thread_percentage 1
set_active_thread_percentage 1 20
get_device_pinned_mem_limit 1 0
set_device_pinned_mem_limit 1 0 1G
get_client_list
get_client_list x
get_device_client_list
get_device_client_list 1
get_device_client_list x
ps
ps x
ps -p
ps -p 1
terminate_client
terminate_client 1 2
shutdown_server
shutdown_server 1
shutdown_server 1 -f
start_server
start_server -uid
start_server -uid x
start_server 0
sm_partition add GPU-x 4
lspart
server list
help
 get_server_list
get_server_list 1 2
GET_SERVER_LIST
""".splitlines()


class Daemon:
    """A control daemon: `run` runs a program on the node, `control` is the daemon's."""

    def __init__(self, run, control):
        self.run, self.control = run, control
        self.work = tempfile.TemporaryDirectory(prefix="m")
        self.env = {"CUDA_MPS_PIPE_DIRECTORY": f"{self.work.name}/p", "CUDA_MPS_LOG_DIRECTORY": f"{self.work.name}/l"}
        os.mkdir(f"{self.work.name}/l")

    def call(self, *options, text=""):
        return self.run(self.control, *options, text=text, env=self.env)

    def files(self):
        return {name: oct(os.lstat(f"{self.work.name}/p/{name}").st_mode) for name in os.listdir(f"{self.work.name}/p")}

    def log(self):
        with open(f"{self.work.name}/l/control.log", encoding="utf-8") as file:
            text = file.read().replace(self.work.name, "DIR")
        return re.sub(r"^\[[-0-9]+ [:.0-9]+ (\w+) +\d+\]", r"\1", text, flags=re.M)


def all_of(daemon):
    """What it does from start to end."""
    seen = {"start": daemon.call("-d"), "files": daemon.files(), "second": daemon.call("-d")}
    seen["each"] = [(line, daemon.call(text=line + "\n")) for line in COMMANDS]
    seen["together"] = daemon.call(text="\n".join(COMMANDS))
    seen["quit"] = daemon.call(text="quit -t 3\n")
    end = time.monotonic() + 10  # NVIDIA's tidies up after its answer
    while "log" in daemon.files() and time.monotonic() < end:
        time.sleep(0.01)
    seen["left"] = daemon.files()
    seen["none"] = daemon.call(text="get_server_list\n")
    seen["log"] = daemon.log().splitlines()
    return seen


def compare(control):
    if not os.path.exists(control):
        raise Skip(f"there is no {control}")
    with open(control, "rb") as file:
        version = re.search(rb"\0(\d{3}\.\d+\.\d+)\0", file.read())[1].decode()
    with Node(MACHINE.format(version)) as node:
        def run(*command, text, env):
            done = subprocess.run(command, env=node.env | env, input=text, text=True, timeout=60,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            return done.stdout, done.returncode

        def own(*command, text, env):
            # NVIDIA's knows nothing of the sanitizer's runtime that the node's programs bring themselves.
            return run(*command, text=text, env=env | {"LD_PRELOAD": ""})

        theirs, ours = (all_of(Daemon(own, program)) for program in
                        (control, f"{node.dir}/bin/nvidia-cuda-mps-control"))
    for what, wanted in theirs.items():
        if isinstance(wanted, list):
            for there, here in zip(wanted, ours[what]):
                assert there == here, f"{what}: NVIDIA's: {there!r}, the node's: {here!r}"
        assert wanted == ours[what], f"{what}: NVIDIA's: {wanted!r}, the node's: {ours[what]!r}"


def claim_the_nodes_mps_answers_as_that_of_r535(root):
    compare(f"{root}/usr/bin/nvidia-cuda-mps-control")


def claim_the_nodes_mps_answers_as_that_of_r550(root):
    compare(f"{root}/newer/usr/bin/nvidia-cuda-mps-control")


main(globals())
