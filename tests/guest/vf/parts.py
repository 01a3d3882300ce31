# SPDX-License-Identifier: Apache-2.0
"""What a guest with SR-IOV devices is made of, kept in the build folder: fakegpu.so, built with the
headers of exactly the QEMU that is installed, the stand-ins for vendors' drivers, built with those of
exactly the guest's kernel, and the initramfs."""
import glob
import hashlib
import os
import re
import shutil
import subprocess

from kernel import APT_GET, Locked, Skip, depends_of, download, find_modules, pack, release_of

HERE = os.path.dirname(os.path.abspath(__file__))
CFLAGS = ["-shared", "-fPIC", "-O1", "-std=gnu11", "-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64", "-fno-strict-aliasing",
          "-fno-common", "-fwrapv"]
# As little as there can be; what is configured away does not lie in a device's structures.
CONFIGURE = ["../configure", "--target-list=x86_64-softmmu", "--without-default-features", "--disable-docs",
             "--disable-tools", "--disable-guest-agent", "--audio-drv-list=", "--enable-tcg", "--enable-kvm"]


def run(command, why, **options):
    """Runs a program that may fail for want of something; what it said is in the reason for the skip."""
    answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                            check=False, **options)
    if answer.returncode != 0:
        lines = answer.stdout.strip().splitlines() or ["?"]
        raise Skip("%s: %s" % (why, next((line for line in lines if re.search(r"(?i)error", line)), lines[-1])))
    return answer.stdout


def digest(*paths):
    total = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            total.update(file.read())
    return total.hexdigest()[:12]


def version_of_qemu():
    if not shutil.which("dpkg-query"):
        raise Skip("this is not a Debian machine, which has its QEMU's source")
    return run(["dpkg-query", "-W", "-f", "${source:Version}", "qemu-system-x86"], "QEMU is not installed from a package")


def find_source(version, directory):
    """Downloads QEMU's source from where its package is from; apt checks the signatures. Its own lists
    are used, as this machine's sources need not name those of source packages."""
    shown = run(["apt-cache", "madison", "qemu-system-x86"], "apt knows no QEMU")
    places = {line.split("|")[2].split()[:2] and tuple(line.split("|")[2].split()[:2]) for line in shown.splitlines()}
    os.makedirs(os.path.join(directory, "lists/partial"))
    with open(os.path.join(directory, "sources.list"), "w", encoding="ascii") as file:
        for uri, suite in sorted(places):
            file.write("deb-src %s %s\n" % (uri, suite.replace("/", " ")))
    private = ["-o", "Dir::Etc::SourceList=%s/sources.list" % directory, "-o", "Dir::Etc::SourceParts=/dev/null",
               "-o", "Dir::State::Lists=%s/lists" % directory, "-o", "Dir::Cache=%s/cache" % directory]
    run(APT_GET + private + ["update"], "no lists of source packages", cwd=directory)
    run(APT_GET + private + ["source", "--download-only", "qemu=" + version], "no source of QEMU " + version, cwd=directory)


def unpack_source(directory):
    tree = os.path.join(directory, "qemu")
    os.makedirs(os.path.join(tree, "build"))
    for archive, options in (("*.orig.tar.*", ["--strip-components=1"]), ("*.debian.tar.*", [])):
        path = glob.glob(os.path.join(directory, archive))
        if not path:
            raise Skip("QEMU's source package has no %s" % archive)
        run(["tar", "-xf", path[0], "-C", tree, *options], "QEMU's source")
    with open(os.path.join(tree, "debian/patches/series"), encoding="utf-8") as series:
        patches = [line.split()[0] for line in series if line.strip() and not line.startswith("#")]
    for name in patches:
        run(["patch", "-p1", "-s", "-f", "-i", "debian/patches/" + name], "QEMU's patch " + name, cwd=tree)
    return tree


def make_headers(version, directory):
    """QEMU's tree with its generated headers, and nothing but headers."""
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    find_source(version, directory)
    tree = unpack_source(directory)
    build = os.path.join(tree, "build")
    path = dict(os.environ, PATH="/usr/sbin:/usr/bin:/sbin:/bin")
    run(CONFIGURE, "QEMU's source cannot be configured here", cwd=build, env=path)
    targets = subprocess.run(["ninja", "-t", "targets", "all"], cwd=build, check=True, stdout=subprocess.PIPE, text=True)
    headers = [t.split(":")[0] for t in targets.stdout.splitlines() if re.match(r"(qapi/[^:]*|config-poison)\.h:", t)]
    run(["ninja", *headers], "QEMU's headers cannot be made here", cwd=build, env=path)
    run(["find", tree, "(", "-type", "f", "-o", "-type", "l", ")", "-not", "-name", "*.h", "-not", "-name", "*.inc",
         "-delete"], "QEMU's source")
    for name in os.listdir(directory):
        if name != "qemu":
            path = os.path.join(directory, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
    with open(os.path.join(directory, "version"), "w", encoding="ascii") as file:
        file.write(version)


def find_fakegpu(cache):
    """The library that gives QEMU its GPU."""
    version = version_of_qemu()
    source = os.path.join(HERE, "fakegpu.c")
    directory = os.path.join(cache, "qemu")
    result = os.path.join(cache, "fakegpu-%s-%s.so" % (re.sub(r"[^\w.]", "-", version), digest(source)))
    with Locked(directory):
        if os.path.exists(result):
            return result
        try:
            with open(os.path.join(directory, "version"), encoding="ascii") as file:
                have = file.read()
        except OSError:
            have = ""
        if have != version:
            make_headers(version, directory)
        tree = os.path.join(directory, "qemu")
        glib = run(["pkg-config", "--cflags", "glib-2.0"], "libglib2.0-dev is not installed").split()
        run(["cc", *CFLAGS, "-I.", "-Iqapi", "-Itrace", "-I" + tree, "-iquote", ".", "-iquote", tree, "-iquote",
             tree + "/include", "-isystem", tree + "/linux-headers", "-isystem", "linux-headers", *glib, "-o",
             result + ".new", source], "fakegpu.c does not fit QEMU " + version, cwd=os.path.join(tree, "build"))
        os.rename(result + ".new", result)
    return result


def find_headers(kernel, cache):
    """The folder in which modules for the guest's kernel are built."""
    package = "linux-headers-" + release_of(kernel)
    directory = os.path.join(cache, "headers", release_of(kernel))
    tree = os.path.join(directory, "usr/src", package)
    if not os.path.exists(os.path.join(directory, "complete")):
        shutil.rmtree(os.path.dirname(directory), ignore_errors=True)
        needed = [name for name in depends_of(package) if name.startswith("linux-")]
        if not needed:
            raise Skip("%s cannot be had; remove build/guest/kernel, and a newer kernel is got" % package)
        download([package, *needed], directory)
        makefile = os.path.join(tree, "Makefile")
        with open(makefile, encoding="ascii") as file:
            text = file.read()
        with open(makefile, "w", encoding="ascii") as file:
            file.write(re.sub(r"(?m)^include /", "include %s/" % directory, text))
        # What the headers' own links lead to is unpacked beside them.
        for link in ("scripts", "tools"):
            path = os.path.join(tree, link)
            if os.path.islink(path) and os.readlink(path).startswith("/"):
                target = directory + os.readlink(path)
                os.unlink(path)
                os.symlink(target, path)
        open(os.path.join(directory, "complete"), "w", encoding="ascii").close()
    return tree


def find_stand_in(kernel, cache, name):
    """A module that stands in for a vendor's driver, for the guest's kernel."""
    source = os.path.join(HERE, name + ".c")
    directory = os.path.join(cache, "modules-%s-%s-%s" % (name, release_of(kernel), digest(source)))
    module = os.path.join(directory, name + ".ko")
    with Locked(os.path.join(cache, "headers")):
        if not os.path.exists(module):
            tree = find_headers(kernel, cache)
            os.makedirs(directory, exist_ok=True)
            shutil.copy(source, directory)
            with open(os.path.join(directory, "Makefile"), "w", encoding="ascii") as file:
                file.write("obj-m := %s.o\n" % name)
            run(["make", "-s", "-C", tree, "M=" + directory, "modules"], "%s.c cannot be built" % name)
            run(["strip", "-g", module], "strip")
    return module


def libraries_of(program):
    """The libraries that the dynamic linker loads for a program, and itself."""
    shown = subprocess.run(["ldd", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return re.findall(r"(/\S+) \(0x", shown.stdout)


def add_program(root, path, name=None):
    target = os.path.join(root, "bin", name or os.path.basename(path))
    shutil.copy(path, target)
    subprocess.run(["strip", "-g", target], stderr=subprocess.DEVNULL, check=False)
    for library in libraries_of(path):
        copy = root + library
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        if not os.path.exists(copy):
            shutil.copy(library, copy)


def make_initramfs(kernel, root, modules, stand_ins, programs, scripts):
    """`modules` by name, loaded in that order by init; `stand_ins` lie beside them, for the claims to
    load; `programs` are pairs of a file and its name in the guest."""
    for name in ("bin", "proc", "sys", "dev", "modules", "stand-ins", "tmp", "run", "var/lib", "etc/carve", "claims"):
        os.makedirs(os.path.join(root, name))
    os.symlink("bin", os.path.join(root, "sbin"))
    add_program(root, shutil.which("busybox"))
    for applet in run(["busybox", "--list"], "busybox").split():
        if applet != "busybox":
            os.symlink("busybox", os.path.join(root, "bin", applet))
    for number, path in enumerate(find_modules(kernel, modules)):
        shutil.copy(path, os.path.join(root, "modules/%02d-%s" % (number, os.path.basename(path))))
    for path in stand_ins:
        shutil.copy(path, os.path.join(root, "stand-ins"))
    for path, name in programs:
        target = os.path.join(root, "bin", name)
        if os.path.islink(target):
            os.unlink(target)
        add_program(root, path, name)
    for path in scripts:
        shutil.copy(path, os.path.join(root, "claims"))
    shutil.copy(os.path.join(HERE, "init"), os.path.join(root, "init"))
    for name, text in (("passwd", "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"),
                       ("group", "root:x:0:\nnogroup:x:65534:\n")):
        with open(os.path.join(root, "etc", name), "w", encoding="ascii") as file:
            file.write(text)
    return pack(root)


def make_inner_initramfs(root):
    """Of a virtual machine in the guest, which has nothing but busybox."""
    for name in ("bin", "sys", "dev"):
        os.makedirs(os.path.join(root, name))
    add_program(root, shutil.which("busybox"))
    shutil.copy(os.path.join(HERE, "inner-init"), os.path.join(root, "init"))
    return pack(root)
