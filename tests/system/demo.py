# SPDX-License-Identifier: Apache-2.0
"""The demo, and the README's walk, as a stranger types them."""
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

from node import BUILD, CARVE, Node, PATIENCE, SIM, claim, equal, run_claims, true

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Demo:
    """scripts/demo.sh on the programs of this build, with a temporary directory of its own."""

    def __enter__(self):
        self.dir = tempfile.TemporaryDirectory(prefix="carve-demo-", dir="/tmp")
        self.build = os.path.join(self.dir.name, "bin")
        self.tmp = os.path.join(self.dir.name, "tmp")
        os.mkdir(self.build)
        os.mkdir(self.tmp)
        subprocess.run([os.path.join(ROOT, "scripts/link-programs.sh"), BUILD, self.build], check=True)
        self.env = dict(os.environ, BUILD=self.build, TMPDIR=self.tmp, LC_ALL="C.UTF-8", COLUMNS="100")
        return self

    def __exit__(self, *_):
        self.dir.cleanup()

    def start(self, **options):
        return subprocess.Popen([os.path.join(ROOT, "scripts/demo.sh"), "--built"], env=self.env,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, **options)

    def processes(self):
        """Of the demo: those whose environment or command has its folder."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/environ" % pid, "rb") as file:
                    if b"BUILD=" + self.build.encode() in file.read().split(b"\0"):
                        found.append(pid)
            except OSError:
                pass
        return found

    def leaves_nothing(self):
        deadline = time.monotonic() + 10 * PATIENCE
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        equal(self.processes(), [])
        equal(os.listdir(self.tmp), [])


def parts(text):
    """The story's parts, by the beginning of their titles."""
    return {part.split("\n", 1)[0]: part.split("\n", 1)[1] for part in text.split("\n== ")[1:]}


@claim
def the_demo_tells_its_story():
    with Demo() as demo:
        story = demo.start()
        text = story.communicate(timeout=120 * PATIENCE)[0]
        equal((story.returncode, text if story.returncode else ""), (0, ""))
        part = {title.split()[0]: rest for title, rest in parts(text).items()}
        for mechanism in ("mig", "mps", "vf", "time", "whole"):
            true(re.search("^%s +(yes|no|after)[: ]" % mechanism, part["What"], re.M), mechanism)
        true("\nDone.\n" in text)
        three = part["Three"]
        equal(len(re.findall("^L[0-9]+ +active ", three, re.M)), 3)
        for words in ("1g.10gb", "3g.40gb pinned", "asked 30G 40%, got 40Gi 43%", "asked 2 GPUs, got 159Gi 200%",
                      "3 leases, 0 waiting"):
            true(words in three, words)
        true("fenced" in three)
        after = part["The"]
        true("0 leases, 0 waiting; 0 of " in after and "free again" in after, after)
        true("used without a lease" not in after, after)
        true("sudo carve manage 0" in part["Next"])
        true("\033" not in text)
        demo.leaves_nothing()


@claim
def the_demo_leaves_nothing_when_it_is_cut_off():
    for title in ("A layout", "Three jobs"):
        with Demo() as demo:
            story = demo.start(start_new_session=True)
            for line in story.stdout:
                if line.startswith("== " + title):
                    break
            os.killpg(story.pid, signal.SIGINT)
            story.stdout.read()
            equal(story.wait(60 * PATIENCE), 130)
            demo.leaves_nothing()


@claim
def two_demos_do_not_know_of_each_other():
    with Demo() as demo:
        both = [demo.start(), demo.start()]
        for story in both:
            text = story.communicate(timeout=180 * PATIENCE)[0]
            equal((story.returncode, text if story.returncode else ""), (0, ""))
        demo.leaves_nothing()


def walk():
    """The README's commands, step by step: {"3": ["sudo carve manage 0", ...]}"""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        text = file.read().split("## Ten minutes")[1].split("\n## ")[0]
    steps = {}
    for step in re.split(r"\n\*\*(?=[0-9])", text)[1:]:
        steps[step[0]] = "".join(line[4:] + "\n" for line in step.split("\n") if line.startswith("    "))
    return steps


@claim
def the_walk_in_the_readme_does_what_it_says():
    """Steps 3 to 6 on a simulated node: no sudo there, a job that holds its share for Python, a shell for systemd."""
    steps = walk()
    equal(sorted(steps), ["1", "2", "3", "4", "5", "6"])
    script = "\n".join(steps[n] for n in "3456")
    for written, here in (("sudo systemctl kill -s KILL carved\n", "kill_carved\n"), ("sudo ", ""),
                          ("python train.py", "carve-sim hold"),
                          ("carve plan mine.yaml", "carve plan mine.yaml || [ $? -eq 2 ]")):
        true(written in script, written)
        script = script.replace(written, here)
    with Node("dgx-h100") as node:
        node.start()
        steps_dir = os.path.join(node.dir, "walk")
        os.mkdir(steps_dir)
        bin_dir = os.path.join(node.dir, "bin")
        os.mkdir(bin_dir)
        subprocess.run([os.path.join(ROOT, "scripts/link-programs.sh"), BUILD, bin_dir], check=True)
        if CARVE != os.path.join(BUILD, "src/cli/carve"):
            os.remove(os.path.join(bin_dir, "carve"))
            os.symlink(CARVE, os.path.join(bin_dir, "carve"))
        env = dict(node.env, PATH=bin_dir + ":" + node.env["PATH"])
        before = """
            set -m
            kill_carved() {
                kill -9 %d
                while carve list >/dev/null 2>&1; do sleep 0.02; done
                carved --config "$CONFIG" >/dev/null 2>&1 &
                echo $! >"$CONFIG.pid"
                disown
                until carve list >/dev/null 2>&1; do sleep 0.02; done
            }
        """ % node.carved.pid
        # Each command waits until the jobs that were started before it hold their shares.
        after_jobs = "until [ $(carve list leases --json | grep -c '\"state\": *\"active\"') -ge 2 ]; do sleep 0.02; done\n"
        script = script.replace("carve-sim hold &\ncarve list\n", "carve-sim hold &\n" + after_jobs + "carve list\n", 1)
        ends = "\nkill %2; wait 2>/dev/null; until [ -z \"$(carve list leases --ids)\" ]; do sleep 0.02; done\n"
        undo = steps["6"].replace("sudo ", "")
        true(script.endswith(undo), "step 6 is the last")
        script = script[:-len(undo)] + ends + undo
        try:
            shell = subprocess.run(["bash", "-e", "-x", "-c", before + script], cwd=steps_dir,
                                   env=dict(env, CONFIG=node.config_path), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True,
                                   timeout=120 * PATIENCE)
        finally:
            if os.path.exists(node.config_path + ".pid"):
                with open(node.config_path + ".pid", encoding="ascii") as file:
                    os.kill(int(file.read()), signal.SIGTERM)
        equal((shell.returncode, shell.stdout if shell.returncode else ""), (0, ""))


if __name__ == "__main__":
    run_claims(sys.modules[__name__])
