# SPDX-License-Identifier: Apache-2.0
"""Boots a real kernel with systemd in QEMU, with Carve installed, and runs claims there: guest.py HIERARCHY BUILD

The guest's root is this machine's own, read only, through virtiofs; writes go to memory. So what is
installed here is there too, and nothing has to be made but an initramfs of some modules and busybox.
HIERARCHY is how its systemd mounts cgroups: unified (v2 alone) or hybrid. Without KVM the processor
is emulated, which takes a minute or two.
"""
import os
import shutil
import subprocess
import sys
import tempfile

from host import Share, find_virtiofsd
from kernel import Skip, find_kernel, find_modules, image_of, pack

HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = ["virtio_pci", "virtiofs", "overlay"]
APPLETS = ["sh", "mount", "mkdir", "cp", "insmod", "switch_root", "sed", "tr", "rm"]
END = "The claims have ended."
SERVICE = """[Unit]
After=basic.target dbus.service systemd-logind.service
Wants=dbus.service systemd-logind.service
SuccessAction=poweroff-force
FailureAction=poweroff-force
[Service]
Type=oneshot
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
TimeoutStartSec=infinity
Environment=CARVE_BUILD={build} CARVE_PATIENCE=20 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH={tests}/system
Environment=CARVE_HIERARCHY={hierarchy} CARVE_KILLS=3 TERM=dumb HOME=/root
WorkingDirectory={build}
ExecStart=/bin/sh {tests}/guest/claims.sh
"""


def find_programs():
    if os.uname().machine != "x86_64":
        raise Skip("the guest is an x86_64 one")
    for name in ("qemu-system-x86_64", "busybox", "depmod"):
        if not shutil.which(name):
            raise Skip("%s is not installed" % name)
    return find_virtiofsd()


def make_initramfs(kernel, root, service):
    for name in ("bin", "proc", "sys", "dev", "modules", "host", "writes", "root"):
        os.makedirs(os.path.join(root, name))
    shutil.copy(shutil.which("busybox"), os.path.join(root, "bin/busybox"))
    for applet in APPLETS:
        os.symlink("busybox", os.path.join(root, "bin", applet))
    for number, path in enumerate(find_modules(kernel, MODULES)):
        shutil.copy(path, os.path.join(root, "modules/%02d-%s" % (number, os.path.basename(path))))
    shutil.copy(os.path.join(HERE, "init"), os.path.join(root, "init"))
    with open(os.path.join(root, "carve-test.service"), "w", encoding="ascii") as file:
        file.write(service)
    return pack(root)


def boot(kernel, initramfs, share, words):
    command = ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2",
               *share.options(2048),
               "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio", "-monitor", "none",
               "-kernel", image_of(kernel), "-initrd", initramfs,
               "-append", " ".join(["console=ttyS0", "quiet", "panic=-1", "systemd.unit=carve-test.service",
                                    "systemd.show_status=0", "systemd.mask=timers.target", *words])]
    guest = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace")
    seen_end = False
    for line in guest.stdout:
        print(line.rstrip(), flush=True)
        seen_end |= line.startswith(END)
    guest.wait()
    print("ok" if seen_end else "not ok", "the_guest_came_to_the_end_of_its_claims")
    return 0 if seen_end else 1


def main(hierarchy, build):
    virtiofsd = find_programs()
    kernel = find_kernel(os.path.join(build, "guest", "kernel"))
    directory = tempfile.mkdtemp(prefix="carve-guest-", dir=os.environ.get("TMPDIR", "/tmp"))
    installed = os.path.join(build, "guest", "installed-" + hierarchy)
    try:
        shutil.rmtree(installed, ignore_errors=True)
        subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", installed], check=True)
        service = SERVICE.format(build=build, tests=os.path.dirname(HERE), hierarchy=hierarchy)
        initramfs = make_initramfs(kernel, os.path.join(directory, "initramfs"), service)
        words = ["carve.installed=" + installed]
        if hierarchy == "hybrid":
            words += ["systemd.unified_cgroup_hierarchy=0", "systemd.legacy_systemd_cgroup_controller=0"]
        with Share(virtiofsd, directory) as share:
            sys.exit(boot(kernel, initramfs, share, words))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


try:
    main(sys.argv[1], os.path.abspath(sys.argv[2]))
except Skip as reason:
    print("skip carve_works_on_a_%s_guest: %s" % (sys.argv[1], reason))
