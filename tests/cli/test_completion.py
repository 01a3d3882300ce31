#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The completions for bash, zsh and fish, each asked in its own shell: test_completion.py CARVE FOLDER"""
import os
import shutil
import subprocess
import sys

import claims
import machines
from claims import contains, same

FOLDER = sys.argv.pop(2)


def shell(t, name, *args, text=None):
    if not shutil.which(name):
        raise claims.Skip(f"{name} is not installed")
    env = t.env | {"PATH": os.path.dirname(t.program) + ":" + t.env["PATH"]}
    return subprocess.run([name, *args], input=text, env=env, capture_output=True, text=True, timeout=30)


def bash(t, *words):
    """What bash would offer for the last word."""
    line = " ".join(("carve",) + words)
    # As readline splits words: at = and : too.
    script = f"source {FOLDER}/carve\n" + r"""
    COMP_LINE=$1; COMP_POINT=${#COMP_LINE}; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
    _carve
    printf '%s\n' "${COMPREPLY[@]}"
    """
    split = []
    for word in ("carve",) + words:
        for separator in "=:":
            word = word.replace(separator, f"\0{separator}\0")
        split += [part for part in word.split("\0") if part] or [""]
    r = shell(t, "bash", "-c", script, "bash", line, *split)
    same(r.stderr, "")
    return r.stdout.split()


def options(t, verb):
    text = t.carve(verb, "--help").stdout
    return {"--" + line.split("--")[1].split()[0].split("[")[0] for line in text.split("\n") if line.startswith("  --")}


def verbs(t):
    return {line.split()[0] for line in t.carve("help").stdout.split("\n\n")[2].split("\n")}


def claim_bash_offers_every_verb_and_option(t):
    same(set(bash(t, "")), verbs(t) | {"--help", "--version"})
    same(bash(t, "rel"), ["release", "reload"])
    for verb in verbs(t):
        same(set(bash(t, verb, "--")), options(t, verb), verb)


def claim_bash_offers_values_and_names(t):
    t.serve(machines.busy_node("h100-l40s").copy())
    same(bash(t, "run", "--mechanism", ""), ["auto", "mig", "mps", "vf", "whole"])
    same(bash(t, "run", "--mechanism=w"), ["whole"])
    same(bash(t, "run", "--memory", ""), [])
    same(bash(t, "show", "L"), ["L1", "L2"])
    same(bash(t, "show", "0:"), ["2g.20gb@0"])
    same(bash(t, "show", "0:2g"), ["2g.20gb@0"])
    same(bash(t, "manage", ""), ["0", "1"])
    t.serve(machines.mps_node().copy())
    same(bash(t, "show", "4:3g.40gb@4:"), ["mps1", "mps2"])
    t.serve(machines.busy_node("h100-l40s").copy())
    same(bash(t, "run", "--gpu", ""), ["0", "1"])
    same(bash(t, "completion", ""), ["bash", "zsh", "fish"])
    same(bash(t, "list", "g"), ["gpus"])
    path = os.path.join(t.dir, "day.yaml")
    open(path, "w").close()
    same(bash(t, "plan", t.dir + "/d"), [path])
    same(bash(t, "apply", "--stop-services", t.dir + "/d"), [path])


def claim_bash_offers_profiles_that_were_saved(t):
    folder = os.path.join(t.dir, ".local/share/carve/profiles")
    os.makedirs(folder)
    for name in ("train", "tray", "other"):
        with open(os.path.join(folder, name + ".json"), "w", encoding="utf-8"):
            pass
    same(bash(t, "run", "--like", "tra"), ["train", "tray"])
    same(bash(t, "lease", "--like=o"), ["other"])
    same(bash(t, "profile", "--remove", ""), ["other", "train", "tray"])
    same(bash(t, "profile", "--workload", "t"), ["training"])
    same(bash(t, "profile", "--", "ech")[:1], ["echo"])


def claim_bash_offers_formats_leases_and_monitors(t):
    t.serve(machines.vf_node().copy())
    same(bash(t, "show", "L3", "--as", ""), ["env", "json", "qemu", "libvirt", "proxmox", "kubevirt", "cloud-hypervisor"])
    same(bash(t, "show", "--as=k"), ["kubevirt"])
    same(bash(t, "show", "0:vf"), ["vf3", "vf4", "vf5", "vf6"])
    same(bash(t, "adopt", "0:vf6"), ["vf6"])
    for verb in ("attach", "detach"):
        same(bash(t, verb, ""), ["L3", "L4", "L5", "L6"])
        same(bash(t, verb, "L3", "--qmp", t.dir + "/api"), [t.socket])


def claim_bash_leaves_the_command_of_a_run_alone(t):
    path = os.path.join(t.dir, "train.py")
    open(path, "w").close()
    contains(bash(t, "run", "--memory", "1G", "bas"), "bash")
    same(bash(t, "run", "--memory", "1G", "cat", t.dir + "/t"), [path])
    same(bash(t, "run", "--memory=1G", "cat", "--"), [])
    same(bash(t, "run", "--", "cat", t.dir + "/t"), [path])
    same(set(bash(t, "run", "--memory", "1G", "--")), options(t, "run"))


def claim_zsh_reads_its_completions(t):
    same(shell(t, "zsh", "-n", f"{FOLDER}/_carve").stderr, "")
    # Loaded as compinit does, with what it calls replaced by printing.
    script = f"""
    _arguments() {{ print -rl -- "$@"; }}
    _describe() {{ print -rl -- ${{(P)2}}; }}
    compdef() {{ :; }}
    source {FOLDER}/_carve
    words=(carve ''); CURRENT=2; _carve
    for verb in {' '.join(sorted(verbs(t)))}; do print "=== $verb"; words=(carve $verb ''); CURRENT=3; _carve; done
    """
    r = shell(t, "zsh", "-f", "-c", script)
    same(r.stderr, "")
    first, *rest = r.stdout.split("=== ")
    same({line.split(":")[0] for line in first.strip().split("\n")}, verbs(t))
    for part in rest:
        verb, *lines = part.split("\n")
        same({line.split("[")[0].rstrip("-").rstrip("=") for line in lines if line.startswith("--")}, options(t, verb), verb)


def claim_fish_reads_its_completions(t):
    same(shell(t, "fish", "-n", f"{FOLDER}/carve.fish").stderr, "")
    t.serve(machines.busy_node("h100-l40s").copy())

    def offered(line):
        r = shell(t, "fish", "--no-config", "-c", f"source {FOLDER}/carve.fish; complete -C '{line}'")
        same(r.stderr, "")
        return {x.split("\t")[0] for x in r.stdout.split("\n") if x}

    same(offered("carve "), verbs(t))
    for verb in sorted(verbs(t)):
        same(offered(f"carve {verb} --"), options(t, verb), verb)
    same(offered("carve show L"), {"L1", "L2"})
    same(offered("carve run --mechanism "), {"auto", "mig", "mps", "vf", "whole"})
    same(offered("carve run --memory 1G ech") >= {"echo"}, True)


claims.main(globals())
