# SPDX-License-Identifier: Apache-2.0
"""Carve as it is installed, run by systemd as its unit says, on a simulated node; in the guest of guest.py."""
import errno
import json
import os
import subprocess
import sys
import time

from node import PATIENCE, claim, equal, run_claims, true

NODE = "/srv/node"
CONFIG = "/etc/carve/carved.yaml"
DROP_IN = "/etc/systemd/system/carved.service.d/node.conf"
LAYOUT = "version: carve/v1\nlayouts:\n  day:\n  - gpus: [0]\n    mig: [3g.40gb@4, 1g.10gb@0]\n"
USER = "tester"
env = {}


def run(*command, check=True):
    answer = subprocess.run(command, env=env, check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            timeout=60 * PATIENCE)
    if check and answer.returncode != 0:
        raise AssertionError("%s: status %d: %s%s" % (" ".join(command), answer.returncode, answer.stderr, journal()))
    return answer


def journal():
    return run("journalctl", "-u", "carved", "-n", "30", "--no-pager", check=False).stdout


def wait_for(condition, what):
    until = time.monotonic() + 30 * PATIENCE
    while not condition():
        if time.monotonic() > until:
            raise AssertionError("waited in vain for %s:\n%s" % (what, journal()))
        time.sleep(0.05)


def make_node():
    made = run("carve-sim", "run", "dgx-h100", "--fast", "--dir", NODE, "--", "env", "-0").stdout
    node = dict(pair.split("=", 1) for pair in made.split("\0") if pair)
    return {name: node[name] for name in ("LD_LIBRARY_PATH", "CARVE_SIM_NODE", "CARVE_SYSTEM_ROOT", "CARVE_SIMULATED",
                                          "PATH")}


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def install():
    """What the guest has beside the installed files: a node, its user, and the unit told of the node."""
    env.update(os.environ, PATH="/usr/local/bin:/usr/local/sbin:" + os.environ["PATH"])
    node = make_node()
    env.update(node)  # its PATH begins with the node's own MPS programs
    write(DROP_IN, "[Service]\n" + "".join("Environment=%s=%s\n" % pair for pair in node.items()))
    write("/srv/day.yaml", LAYOUT)
    run("useradd", "--no-create-home", USER)
    run("systemd-sysusers")
    run("systemctl", "daemon-reload")
    run("systemctl", "start", "carved.socket")


def property_of(name):
    return run("systemctl", "show", "-P", name, "carved.service").stdout.strip()


def leases():
    return json.loads(run("carve", "list", "leases", "--json").stdout)["leases"]


def start_job(*request):
    """A job that holds its share until it is killed."""
    job = subprocess.Popen(["carve", "run", *request, "--", "sleep", "1000"], env=env)
    wait_for(lambda: [lease for lease in leases() if lease["state"] == "active"], "the job to run")
    return job


def end_job(job):
    job.terminate()
    job.wait(30 * PATIENCE)
    wait_for(lambda: not leases(), "the lease to end")


def opening(path):
    """A shell command that prints the errno of opening a node of the simulated driver: ENXIO where it may be
    opened (no such device stands behind it), EPERM where the fence is."""
    program = "import os,sys\ntry:\n os.open(sys.argv[1], os.O_RDWR)\nexcept OSError as e:\n print(e.errno)"
    return ["python3", "-c", program, os.path.join(NODE, "root/dev", path)]


def errno_of(answer):
    return errno.errorcode[int(answer.stdout)]


@claim
def the_guest_mounts_cgroups_as_it_was_asked_to():
    kind = run("stat", "-f", "-c", "%T", "/sys/fs/cgroup").stdout.strip()
    equal(kind, {"unified": "cgroup2fs", "hybrid": "tmpfs"}[os.environ["CARVE_HIERARCHY"]])


@claim
def the_first_question_on_its_socket_starts_the_daemon():
    equal(property_of("ActiveState"), "inactive")
    equal(len(json.loads(run("carve", "list", "gpus", "--json").stdout)["gpus"]), 8)
    equal((property_of("ActiveState"), property_of("StatusErrno")), ("active", "0"))


@claim
def the_hardened_daemon_applies_a_layout():
    run("carve", "apply", "/srv/day.yaml")
    shares = [share["id"] for share in json.loads(run("carve", "list", "shares", "--json").stdout)["shares"]]
    true("0:3g.40gb@4" in shares and "0:1g.10gb@0" in shares, shares)
    equal(run("carve", "plan", "/srv/day.yaml").returncode, 0)


@claim
def a_job_of_roots_opens_its_own_node_and_no_other():
    job = ["carve", "run", "--profile", "1g.10gb", "--"]
    equal(errno_of(run(*job, *opening("nvidia0"))), "ENXIO")
    equal(errno_of(run(*job, *opening("nvidia1"))), "EPERM")
    equal(errno_of(run(*opening("nvidia1"))), "ENXIO")


@claim
def a_users_job_opens_its_own_node_and_no_other():
    job = ["runuser", "-u", USER, "--", "carve", "run", "--profile", "1g.10gb", "--"]
    answer = run(*job, *opening("nvidia0"))
    equal((errno_of(answer), answer.stderr), ("ENXIO", ""))
    equal(errno_of(run(*job, *opening("nvidia1"))), "EPERM")


@claim
def a_killed_daemon_is_started_again_and_the_job_keeps_its_share():
    job = start_job("--profile", "3g.40gb")
    before = [(lease["id"], lease["got"]) for lease in leases()]
    former = property_of("MainPID")
    run("systemctl", "kill", "-s", "KILL", "carved")
    equal([(lease["id"], lease["got"]) for lease in leases()], before)
    true(property_of("MainPID") not in (former, "0"), "systemd started another")
    equal(job.poll(), None)
    end_job(job)


@claim
def a_restart_ends_no_job():
    job = start_job("--profile", "3g.40gb")
    before = [(lease["id"], lease["got"]) for lease in leases()]
    run("systemctl", "restart", "carved")
    equal([(lease["id"], lease["got"]) for lease in leases()], before)
    equal(job.poll(), None)
    end_job(job)


@claim
def an_mps_server_of_a_user_outlives_a_restart_of_the_daemon_that_started_it():
    job = subprocess.Popen(["runuser", "-u", USER, "--", "env", *("%s=%s" % pair for pair in env.items()), "carve", "run",
                            "--mechanism", "mps", "--gpu", "7", "--memory", "8Gi", "--", "carve-sim", "hold"])
    wait_for(lambda: [lease for lease in leases() if lease["state"] == "active"], "the job to run")

    def servers():
        gpu = json.loads(run("carve", "show", "7", "--json").stdout)["gpu"]
        return [(s["state"], s["control_pid"], s["server_pid"]) for s in gpu["mps"]["servers"]]

    before = servers()
    wait_for(lambda: os.stat("/proc/%d" % before[0][2]).st_uid != 0, "the server to be the user's")
    run("systemctl", "restart", "carved")
    wait_for(lambda: servers() == before, "the server to be taken up")
    equal(job.poll(), None)
    end_job(job)


@claim
def a_daemon_that_is_stuck_is_replaced_by_the_watchdog():
    run("carve", "list", "gpus")
    former = property_of("MainPID")
    run("kill", "-STOP", former)
    wait_for(lambda: property_of("MainPID") not in (former, "0"), "the watchdog")
    equal(len(json.loads(run("carve", "list", "gpus", "--json").stdout)["gpus"]), 8)


@claim
def without_a_lease_no_managed_gpu_can_be_opened_where_that_is_denied():
    write(CONFIG, "unleased: deny\n")
    run("carve", "reload")
    equal(errno_of(run(*opening("nvidia0"))), "EPERM")
    equal(errno_of(run("carve", "run", "--profile", "1g.10gb", "--", *opening("nvidia0"))), "ENXIO")
    run("systemctl", "kill", "-s", "KILL", "carved")
    equal(errno_of(run(*opening("nvidia0"))), "EPERM")
    write(CONFIG, "unleased: allow\n")
    run("carve", "reload")
    equal(errno_of(run(*opening("nvidia0"))), "ENXIO")


@claim
def after_a_boot_the_last_layout_is_made_again():
    run("systemctl", "stop", "carved.service", "carved.socket")
    run("carve-sim", "destroy", "--dir", NODE)
    run("rm", "-rf", "/run/carve")
    make_node()
    run("systemctl", "start", "carved.socket", "carved.service")
    wait_for(lambda: run("carve", "plan", "/srv/day.yaml", check=False).returncode == 0, "the layout")


if __name__ == "__main__":
    install()
    run_claims(sys.modules[__name__])
