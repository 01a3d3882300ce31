# SPDX-License-Identifier: Apache-2.0
"""This machine's root in a guest, read only, through virtiofs: what is installed here is there too."""
import os
import subprocess
import time

from kernel import Skip

VIRTIOFSD = ["/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd"]


def find_virtiofsd():
    if os.geteuid() != 0:
        raise Skip("sharing this machine's root with the guest takes root")
    for path in VIRTIOFSD:
        if os.path.exists(path):
            return path
    raise Skip("virtiofsd is not installed")


class Share:
    """A server for one guest, whose socket and log lie in a folder of the caller's."""

    def __init__(self, virtiofsd, directory):
        self.path = os.path.join(directory, "fs.sock")
        with open(os.path.join(directory, "virtiofsd.log"), "wb") as log:
            self.server = subprocess.Popen([virtiofsd, "--socket-path=" + self.path, "-o", "source=/", "-o",
                                            "sandbox=chroot", "-o", "cache=always"], stdout=log, stderr=log)
        while not os.path.exists(self.path):
            if self.server.poll() is not None:
                with open(log.name, encoding="utf-8", errors="replace") as file:
                    raise Skip("virtiofsd does not start here: %s" % (file.read().strip().splitlines() or ["?"])[-1])
            time.sleep(0.02)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.terminate()
        self.server.wait()

    def options(self, mebibytes):
        """QEMU's, which has the guest's memory in common with the server; the guest mounts "host"."""
        return ["-m", str(mebibytes), "-object", "memory-backend-memfd,id=mem,size=%dM,share=on" % mebibytes,
                "-numa", "node,memdev=mem", "-chardev", "socket,id=fs,path=" + self.path,
                "-device", "vhost-user-fs-pci,chardev=fs,tag=host"]
