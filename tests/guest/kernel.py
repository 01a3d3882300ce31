# SPDX-License-Identifier: Apache-2.0
"""A Debian kernel for guests, got once and kept in the build folder."""
import fcntl
import glob
import os
import shutil
import subprocess

KERNEL = "linux-image-cloud-amd64"
APT_GET = ["apt-get", "-q", "-o", "APT::Sandbox::User=root"]


class Skip(Exception):
    pass


class Locked:
    """Holds a folder's lock, as guests that start side by side want the same things in it."""

    def __init__(self, directory):
        os.makedirs(os.path.dirname(directory), exist_ok=True)
        self.file = open(directory + ".lock", "w", encoding="utf-8")

    def __enter__(self):
        fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *_):
        self.file.close()


def depends_of(package):
    """The names of the packages that one depends on."""
    shown = subprocess.run(["apt-cache", "depends", package], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return [line.split()[1] for line in shown.stdout.splitlines() if line.strip().startswith("Depends:")]


def download(packages, directory):
    """Unpacks packages below a folder."""
    if not shutil.which("apt-get"):
        raise Skip("this is not a Debian machine, where %s could be had" % packages[0])
    os.makedirs(directory, exist_ok=True)
    got = subprocess.run(APT_GET + ["download", *packages], cwd=directory, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True)
    files = glob.glob(os.path.join(directory, "*.deb"))
    if got.returncode != 0 or len(files) != len(packages):
        raise Skip("%s cannot be had: %s" % (packages[0], (got.stdout.strip().splitlines() or ["?"])[-1]))
    for file in files:
        subprocess.run(["dpkg", "-x", file, directory], check=True)
        os.unlink(file)


def find_kernel(directory):
    """The folder of an unpacked kernel package."""
    with Locked(directory):
        if not glob.glob(os.path.join(directory, "boot/vmlinuz-*")):
            shutil.rmtree(directory, ignore_errors=True)
            download([next((name for name in depends_of(KERNEL) if name.startswith("linux-image-6")), KERNEL)], directory)
            subprocess.run(["depmod", "-b", directory, release_of(directory)], check=True)
    return directory


def release_of(kernel):
    return os.listdir(os.path.join(kernel, "lib/modules"))[0]


def image_of(kernel):
    return os.path.join(kernel, "boot/vmlinuz-" + release_of(kernel))


def find_modules(kernel, names):
    """The files of modules and of what they need, in the order in which they are to be loaded."""
    files = []
    for name in names:
        shown = subprocess.run(["modprobe", "-d", kernel, "-S", release_of(kernel), "--show-depends", name],
                               check=True, stdout=subprocess.PIPE, text=True).stdout
        files += [line.split()[1] for line in shown.splitlines() if line.startswith("insmod")]
    return list(dict.fromkeys(files))


def pack(root):
    """The files below a folder as an initramfs, whose path is returned."""
    archive = root + ".cpio"
    with open(archive, "wb") as file:
        names = subprocess.run(["find", "."], cwd=root, check=True, stdout=subprocess.PIPE).stdout
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=root, check=True, input=names, stdout=file)
    return archive
