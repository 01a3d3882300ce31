# SPDX-License-Identifier: Apache-2.0
"""A lease's VF in the words of virtual machine managers: compared with golden/LEASE.FORMAT, and read by programs that
know the format where they are there. With the environment variable GOLDEN=write it writes them anew."""
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import xml.dom.minidom

import claims
import leases
from claims import contains, lacks, same

HERE = os.path.dirname(os.path.abspath(__file__))
TOOL = os.environ["ADAPTERS_TOOL"]
FORMATS = ("env", "qemu", "libvirt", "proxmox", "kubevirt", "cloud-hypervisor")


def show(lease, format, status=0):
    result = subprocess.run([TOOL, "show", format], input=json.dumps(lease), capture_output=True, text=True)
    same(result.returncode, status, result.stdout + result.stderr)
    return result.stdout


def each(format):
    for name, lease in leases.ALL.items():
        yield name, show(lease, format)


def options(text):
    """Of command lines: what is left without the comments, as words."""
    return [word for line in text.splitlines() if not line.startswith("#") for word in shlex.split(line)]


def claim_each_format_is_as_it_is_written_down(t):
    for format in FORMATS:
        for name, text in each(format):
            path = os.path.join(HERE, "golden", f"{name}.{format}")
            if os.environ.get("GOLDEN") == "write":
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
            with open(path, encoding="utf-8") as file:
                same(text, file.read(), path)


def claim_every_format_is_offered(t):
    text = " ".join(t.carve("help", "show").stdout.split())
    for format in FORMATS:
        contains(text, format)
    offered = re.search(r"show:--as\) [^\n']*'([^']*)'", t.carve("completion", "bash").stdout).group(1)
    same(set(offered.split()), {*FORMATS, "json"})


def claim_carve_shows_what_the_adapters_say(t):
    for name, lease in leases.ALL.items():
        t.serve_lease(lease)
        for format in FORMATS:
            result = t.carve("show", lease["id"], "--as", format)
            same((result.returncode, result.stdout), (0, show(lease, format)), f"{name} {format}")


def claim_every_line_is_plain(t):
    for format in FORMATS:
        for name, text in each(format):
            assert text.isascii() and text.endswith("\n"), (format, name)
            assert all(len(line) <= 132 for line in text.splitlines()), (format, name)


def claim_values_of_the_environment_have_no_spaces(t):
    for name, text in each("env"):
        assert all(re.fullmatch(r"[A-Z_]+=\S*", line) for line in text.splitlines()), text


def claim_libvirts_is_one_element(t):
    for name, text in each("libvirt"):
        root = xml.dom.minidom.parseString(text).documentElement
        same(root.tagName, "hostdev")
        managed = "" if name == "mdev" else "yes" if name in ("generic", "cdev") else "no"
        same(root.getAttribute("managed"), managed, name)


def claim_kubevirts_is_yaml(t):
    try:
        import yaml
    except ImportError:
        raise claims.Skip("python3-yaml is not installed")
    for name, text in each("kubevirt"):
        host, machine = yaml.safe_load_all(text)
        device = machine["spec"]["template"]["spec"]["domain"]["devices"]["hostDevices"][0]
        assert re.fullmatch(r"[a-z0-9-]+", device["name"]), device
        permitted = host["spec"]["configuration"]["permittedHostDevices"]
        same([row["resourceName"] for rows in permitted.values() for row in rows], [device["deviceName"]])


def claim_proxmoxs_is_a_shell_script(t):
    for name, text in each("proxmox"):
        same(subprocess.run(["sh", "-n"], input=text, text=True).returncode, 0, name)
        if shutil.which("shellcheck"):
            check = subprocess.run(["shellcheck", "-s", "sh", "-"], input=text, capture_output=True, text=True)
            same(check.returncode, 0, check.stdout)


def hook(t, lease, *args):
    path = os.path.join(t.dir, "hook")
    with open(path, "w", encoding="utf-8") as file:
        file.write(show(lease, "proxmox"))
    env = t.env | {"PATH": os.path.dirname(t.program) + ":" + t.env["PATH"]}
    return subprocess.run(["sh", path, *args], env=env, capture_output=True, text=True)


def claim_proxmoxs_hook_stops_a_vm_whose_lease_is_not_there(t):
    lease = leases.ALL["vgpu"]
    result = hook(t, lease, "100", "pre-start")
    same(result.returncode, 1)
    contains(result.stderr, "carve: VM 100 does not start: lease L3 is not there")
    t.serve_lease(leases.lease(pci="0000:41:01.1"))
    result = hook(t, lease, "100", "pre-start")
    same(result.returncode, 1)
    contains(result.stderr, "has not the VF 0000:41:00.7")
    t.serve_lease(lease)
    result = hook(t, lease, "100", "pre-start")  # there is no such device on this machine
    same(result.returncode, 1)
    contains(result.stderr, "there is no /sys/bus/pci/devices/0000:41:00.7")
    for phase in ("post-start", "pre-stop", "post-stop"):
        same(hook(t, lease, "100", phase).returncode, 0)


def claim_qemu_takes_all_but_the_device_that_is_not_here(t):
    qemu = shutil.which("qemu-system-x86_64")
    if not qemu:
        raise claims.Skip("qemu-system-x86_64 is not installed")
    base = [qemu, "-M", "q35", "-accel", "tcg", "-nodefaults", "-display", "none", "-S", "-m", "64"]
    for name in ("vgpu", "generic"):
        text = show(leases.ALL[name], "qemu")
        result = subprocess.run(base + options(text), capture_output=True, text=True, timeout=60)
        contains(result.stderr, f"-device vfio-pci,host={leases.ALL[name]['binding']['vf']['pci']}")
        contains(result.stderr, "no such host device")
        same(len(result.stderr.splitlines()), 1, result.stderr)


def claim_a_big_vf_gets_a_big_window(t):
    contains(show(leases.ALL["vgpu"], "qemu"), "pref64-reserve=64G")
    contains(show(leases.ALL["cdev"], "qemu"), "pref64-reserve=16G")
    contains(show(leases.ALL["vgpu"], "qemu"), "X-PciMmio64Mb,string=262144")
    lacks(show(leases.ALL["generic"], "qemu"), "X-PciMmio64Mb")


def claim_what_is_no_vf_is_refused_with_the_way_out(t):
    lease = leases.lease()
    lease["binding"].pop("vf")
    lease["got"][0]["mechanism"] = "mig"
    contains(show(lease, "qemu", 2), "lease L3 has no VF: it is a mig share, for processes on this machine; use --as env")
    contains(show(lease, "env"), "CARVE_LEASE=L3\n")
    lease["binding"] = None
    contains(show(lease, "qemu", 2), "EPERM: lease L3 is another user's")
    lost = leases.lease() | {"binding": None, "reason": "its virtual function 0:vf3 is not there, and will be made again"}
    contains(show(lost, "qemu", 2), "ENODEV: lease L3 has no VF now: its virtual function 0:vf3 is not there, and")
    contains(show(leases.lease(state="queued"), "libvirt", 2), "lease L3 is queued: only an active lease has a VF")
    for bad in ({"pci": "0000:41:00.7,x=y"}, {"pci": "41:00.7"}, {"driver": "a b"}, {"mdev": "$(x)"}, {"cdev": "../x"},
                {"gpu_pci": None}, {"pci": 7}):
        contains(show(leases.lease(**bad), "qemu", 2), "EBADMSG: carved says of the VF of lease L3 what")
    for odd in ({"id": "3"}, {"id": "L99999999999999"}, {"id": "L3;x"}, {"id": None}):
        contains(show(leases.lease() | odd, "qemu", 2), "EBADMSG: carved gives the lease no id")


def claim_the_environment_of_a_vms_lease_needs_the_vf(t):
    t.serve_lease(leases.lease() | {"binding": None, "reason": "its virtual function is not there"})
    result = t.carve("show", "L3", "--as", "env")
    same((result.returncode, result.stdout), (1, ""))
    contains(result.stderr, "lease L3 has no VF now: its virtual function is not there")


def claim_carve_refuses_in_one_sentence(t):
    t.serve_lease(leases.lease(state="queued"))
    result = t.carve("show", "L3", "--as", "qemu")
    same((result.returncode, result.stderr.count("\n")), (1, 1))
    contains(result.stderr, "lease L3 is queued: only an active lease has a VF to hand over; 'carve show L3' says")
    result = t.carve("show", "L3", "--as", "vmware")
    same(result.returncode, 64)
    contains(result.stderr, "'vmware' is no format: --as takes env, qemu, libvirt, proxmox, kubevirt, cloud-hypervisor, json")


claims.main(globals())
