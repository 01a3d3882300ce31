# SPDX-License-Identifier: Apache-2.0
"""Other people's programs, from Debian's archive, unpacked below the build folder: nothing is installed.

    root = packages.unpacked()     # raises packages.Unavailable with the reason
    root + "/newer"                # what a later release of Debian has

They come from the mirror that the machine's own packages come from; beside that, apt runs with a configuration of
its own, and the machine's is not changed.
"""
import fcntl
import glob
import os
import shutil
import subprocess

SUITE, NEWER_SUITE = "bookworm", "trixie"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
NAMES = [
    "gpustat", "hwloc-nox", "libcuda1", "libdbus-1-3", "libhwloc-contrib-plugins", "libhwloc15", "libjson-c5",
    "liblua5.1-0", "liblz4-1", "libmunge2", "libnuma1", "libnvidia-ml-dev", "libnvidia-ml1", "libyaml-0-2",
    "nvidia-cuda-mps", "nvidia-smi", "nvtop", "python3-blessed", "python3-psutil", "python3-pynvml", "python3-six",
    "python3-wcwidth", "slurm-wlm-basic-plugins", "slurm-wlm-nvml-plugin", "slurmd",
]
NEWER_NAMES = ["libcuda1", "nvidia-cuda-mps", "nvidia-smi"]
CONFIGURATION = """\
APT::Architecture "amd64";
APT::Architectures {{ "amd64"; }};
APT::Sandbox::User "";
Acquire::Retries "2";
Acquire::http::Timeout "20";
Dir::State "{here}/state";
Dir::State::status "{here}/status";
Dir::Cache "{here}/cache";
Dir::Etc::sourcelist "{here}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::trustedparts "/dev/null";
"""


class Unavailable(Exception):
    pass


def run(here, folder, *command):
    env = os.environ | {"APT_CONFIG": f"{here}/apt.conf", "LC_ALL": "C"}
    try:
        done = subprocess.run(command, cwd=f"{here}/{folder}", env=env, capture_output=True, text=True, timeout=240,
                              stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"the packages cannot be had: {error}") from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise Unavailable(f"the packages cannot be had: {command[0]}: {said}")
    return done.stdout


def mirror():
    """The address of the archive that this machine has its Debian from."""
    done = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages",
                           "Component: main", f"Release: {SUITE}"], capture_output=True, text=True, check=False)
    if not done.stdout.strip():
        raise Unavailable(f"the packages cannot be had: this machine has no mirror of Debian's {SUITE}")
    return done.stdout.split()[0]


def prepare(here):
    source = f"deb [signed-by={KEYRING}] {mirror()}"
    for folder in ("debs/newer", "state/lists/partial", "cache/archives/partial"):
        os.makedirs(f"{here}/{folder}", exist_ok=True)
    files = {
        "apt.conf": CONFIGURATION.format(here=here),
        "sources.list": f"{source} {SUITE} main contrib non-free\n{source} {NEWER_SUITE} non-free\n",
        "status": "",
    }
    for name, text in files.items():
        with open(f"{here}/{name}", "w", encoding="utf-8") as file:
            file.write(text)


def fetch(here, folder, names, root):
    run(here, folder, "apt-get", "download", "-q", *names)
    os.makedirs(root, exist_ok=True)
    for deb in glob.glob(f"{here}/{folder}/*.deb"):
        run(here, folder, "dpkg-deb", "-x", deb, root)


def ptxas():
    """NVIDIA's assembler of PTX, out of a large package; the first call fetches it."""
    root = unpacked()
    here = os.path.dirname(root)
    path = f"{here}/toolkit/usr/bin/ptxas"
    with open(f"{here}/lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(path):
            os.makedirs(f"{here}/debs/toolkit", exist_ok=True)
            os.makedirs(f"{here}/toolkit", exist_ok=True)
            run(here, "debs/toolkit", "apt-get", "download", "-q", f"nvidia-cuda-toolkit/{SUITE}")
            deb = glob.glob(f"{here}/debs/toolkit/*.deb")[0]
            run(here, "toolkit", "sh", "-c", 'dpkg-deb --fsys-tarfile "$1" | tar -x ./usr/bin/ptxas', "sh", deb)
            os.unlink(deb)
    return path


def unpacked():
    """The folder in which they lie; the first call fetches them."""
    here = os.environ["CARVE_TEST_VENDOR"]
    if os.uname().machine != "x86_64":
        raise Unavailable("NVIDIA's programs are fetched for x86-64 only")
    if not shutil.which("apt-get"):
        raise Unavailable("the packages cannot be had: this is not a Debian machine")
    if not os.path.exists(KEYRING):
        raise Unavailable(f"the packages cannot be had: there is no {KEYRING}")
    os.makedirs(here, exist_ok=True)
    with open(f"{here}/lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = " ".join([SUITE, *NAMES, NEWER_SUITE, *NEWER_NAMES])
        stamp = f"{here}/unpacked"
        if os.path.exists(stamp):
            with open(stamp, encoding="utf-8") as file:
                if file.read() == wanted:
                    return f"{here}/root"
        prepare(here)
        run(here, "debs", "apt-get", "update", "-q", "-o", "APT::Update::Error-Mode=any")
        fetch(here, "debs", [f"{name}/{SUITE}" for name in NAMES], f"{here}/root")
        fetch(here, "debs/newer", [f"{name}/{NEWER_SUITE}" for name in NEWER_NAMES], f"{here}/root/newer")
        with open(stamp, "w", encoding="utf-8") as file:
            file.write(wanted)
    return f"{here}/root"
