# SPDX-License-Identifier: Apache-2.0
"""NVIDIA's own MPS control daemon, of both versions: runs the claims of test_mps_orders.c with each."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

import packages

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.environ["CARVE_TEST_MPS_PROGRAM"]


def run(root, version):
    """The claims with the version's programs; True if they hold."""
    with tempfile.TemporaryDirectory(prefix="carve-mps-", dir="/tmp") as folder:
        os.chmod(folder, 0o755)  # the server runs as somebody else
        shutil.copy(f"{HERE}/mps_server.py", f"{folder}/nvidia-cuda-mps-server")
        os.chmod(f"{folder}/nvidia-cuda-mps-server", 0o755)
        for name, where in (("bin", "bin"), ("sbin", "sbin"), ("lib", "lib/x86_64-linux-gnu/nvidia/current")):
            shutil.copytree(f"{root}/usr/{where}", f"{folder}/{name}",
                            ignore=lambda _, names: [name for name in names if not re.match("nvidia-cuda-mps|libcuda", name)])
        path = os.environ["PATH"]
        env = os.environ | {"PATH": f"{folder}:{folder}/bin:{path}", "LD_LIBRARY_PATH": f"{folder}/lib",
                            "CARVE_TEST_MPS_REAL": f"{folder}/sbin:{folder}/bin:{path}"}
        done = subprocess.run([PROGRAM, *sys.argv[1:]], env=env, text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    print(re.sub(r"^(ok|not ok|skip) ", rf"\1 {version}_", done.stdout, flags=re.M), end="", flush=True)
    return done.returncode == 0


try:
    unpacked = packages.unpacked()
except packages.Unavailable as reason:
    print(f"skip nvidias_mps_is_managed: {reason}")
    sys.exit(0)
held = [run(root, version) for root, version in ((unpacked, "r535"), (f"{unpacked}/newer", "r550"))]
sys.exit(0 if all(held) else 1)
