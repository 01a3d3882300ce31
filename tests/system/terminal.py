# SPDX-License-Identifier: Apache-2.0
"""carve run in a real terminal, against carved itself: signals, job control, and how leases end."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

from node import CARVE, Node, PATIENCE, SIM, claim, equal, needs_fence, run_claims, true


def started(machine="dgx-h100", **options):
    node = Node(machine, **options)
    node.start()
    return node


class Terminal:
    """A shell with job control on a terminal of its own, as a person has it."""

    def __init__(self, node, command=("bash", "--norc", "--noprofile", "-i"), size=(24, 80)):
        self.text = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(node.dir)
            env = dict(node.env, PS1="ready> ", TERM="xterm", LC_ALL="C.UTF-8", HISTFILE="", HOME=node.dir,
                       PATH=os.path.dirname(CARVE) + ":" + os.path.dirname(SIM) + ":" + node.env["PATH"])
            os.execvpe(command[0], command, env)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)  # a hang-up
        deadline = time.monotonic() + 10 * PATIENCE
        while os.waitpid(self.pid, os.WNOHANG) == (0, 0):
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                break
            time.sleep(0.02)

    def type(self, text):
        os.write(self.fd, text.encode())

    def command(self, line):
        """Types a line when the shell asks for one: what is typed while a signal is on its way may go with it."""
        self.sees("ready> ")
        self.type(line + "\n")

    def sees(self, pattern):
        """Waits until the terminal shows it; what stood before is forgotten."""
        deadline = time.monotonic() + 20 * PATIENCE
        while True:
            found = re.search(pattern, self.text)
            if found:
                self.text = self.text[found.end():]
                return found
            if time.monotonic() > deadline or not select.select([self.fd], [], [], deadline - time.monotonic())[0]:
                raise AssertionError("the terminal never showed %r but: %r" % (pattern, self.text))
            try:
                self.text += os.read(self.fd, 4096).decode(errors="replace").replace("\r", "")
            except OSError:
                raise AssertionError("the terminal closed without %r: %r" % (pattern, self.text)) from None


def is_free(node):
    return not node.leases()


@claim
def ctrl_c_ends_the_command_and_its_lease():
    with started() as node, Terminal(node) as terminal:
        # Not "sleep" after the echo: a signal that comes while the shell starts it is the shell's, which waits for it.
        terminal.command("carve run --gpus 1 sh -c 'echo run\"\"ning; read x'")
        terminal.sees("running\n")
        equal(len(node.leases()), 1)
        terminal.type("\003")
        terminal.command("echo status $?")
        terminal.sees("status 130\n")
        node.wait_for(lambda: is_free(node), "the lease to end")


@claim
def a_command_is_stopped_put_behind_and_brought_back():
    with started() as node, Terminal(node) as terminal:
        terminal.command("carve run --gpus 1 sh -c 'echo run\"\"ning; read x; echo got $x'")
        terminal.sees("running\n")
        terminal.type("\032")
        terminal.sees("Stopped")
        equal([lease["state"] for lease in node.leases().values()], ["active"])
        terminal.command("bg; until [ -n \"$(jobs -s)\" ]; do sleep 0.05; done; echo again sto\"\"pped")
        terminal.sees("again stopped\n")  # it reads from the terminal
        terminal.command("fg")
        terminal.sees("carve run")
        terminal.type("hello\n")
        terminal.sees("got hello\n")
        node.wait_for(lambda: is_free(node), "the lease to end")


@claim
def a_shell_in_a_share_has_job_control_of_its_own():
    with started() as node, Terminal(node) as terminal:
        terminal.command("carve run --gpus 1 -- bash --norc --noprofile -i")
        terminal.command("echo in $CARVE_LEASE")
        terminal.sees("in L1\n")
        terminal.command("sh -c 'echo slee\"\"ping; exec sleep 1000'")
        terminal.sees("sleeping\n")
        terminal.type("\032")
        terminal.sees("Stopped")
        terminal.command("kill -9 %1; until [ -z \"$(jobs -s)\" ]; do sleep 0.05; done; exit 7")
        terminal.command("echo status $?")
        terminal.sees("status 7\n")
        node.wait_for(lambda: is_free(node), "the lease to end")


@claim
def the_window_and_the_terminal_are_the_commands():
    with started() as node, Terminal(node, size=(31, 97)) as terminal:
        terminal.command("carve run --gpus 1 -- sh -c 'stty size; tty -s && echo a-tty'")
        terminal.sees("31 97\na-tty\n")
        terminal.command("carve run --gpus 1 -- bash -c 'trap \"stty size; exit\" WINCH; echo wait\"\"ing; while :; do sleep 0.05; done'")
        terminal.sees("waiting\n")
        fcntl.ioctl(terminal.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        terminal.sees("40 120\n")


@claim
def a_closed_terminal_ends_the_command_and_its_lease():
    with started() as node:
        with Terminal(node) as terminal:
            terminal.command("carve run --gpus 1 sh -c 'echo run\"\"ning; sleep 1000'")
            terminal.sees("running\n")
        node.wait_for(lambda: is_free(node), "the lease to end")


@claim
def ctrl_c_while_waiting_gives_the_request_up():
    with started() as node, Terminal(node) as terminal:
        equal(node.carve("lease", "--gpus", "8", "--name", "all").returncode, 0)
        terminal.command("carve run --gpus 1 true")
        terminal.sees("carve: waiting [0-9]+ s for a whole GPU, number 1 in the queue: all 8 ")
        terminal.type("\003")
        terminal.command("echo status $?")
        terminal.sees("status 130\n")
        node.wait_for(lambda: node.get("/v1/node")["queue"] == 0, "the queue to be empty")
        equal(list(node.leases()), ["L1"])


@claim
def colours_are_for_terminals_only_and_for_who_wants_them():
    with started() as node, Terminal(node) as terminal:
        terminal.command("carve list; echo end''ed")
        seen = terminal.sees("(?s)simulated.*ended\n").group()
        true("\033[" in re.sub("\033\\[\\?2004[hl]", "", seen), seen)
        terminal.command("NO_COLOR=1 carve list >/dev/tty; echo end''ed")
        seen = terminal.sees("(?s)simulated.*ended\n").group()
        true("\033[" not in re.sub("\033\\[\\?2004[hl]", "", seen) and "┌" in seen, seen)
        terminal.command("LC_ALL=C NO_COLOR=1 carve list; echo end''ed")
        seen = terminal.sees("(?s)simulated.*ended\n").group()
        true("+---" in seen and seen.isascii(), seen)


@claim
def input_output_and_status_are_the_commands():
    with started() as node:
        result = node.carve("run", "--gpus", "1", "--", "sh", "-c", "cat; echo err >&2; exit 42", input="in")
        equal((result.returncode, result.stdout), (42, "in"))
        true(result.stderr.endswith("err\n"))
        equal(node.carve("run", "--gpus", "1", "/dev/null").returncode, 126)
        equal(node.carve("run", "--gpus", "1", "/no/such/thing").returncode, 127)
        equal(node.carve("run", "--gpus", "1", "no-such-thing").returncode, 127)
        equal(node.carve("run", "--gpus", "1", "sh", "-c", "kill -9 $$").returncode, -9)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
            child = node.spawn("run", "--gpus", "1", "sh", "-c", "echo up; exec sleep 1000", stdout=subprocess.PIPE)
            child.stdout.readline()
            child.send_signal(number)
            equal(child.wait(20 * PATIENCE), -number)
        node.wait_for(lambda: is_free(node), "the leases to end")


@claim
def however_a_job_is_killed_its_share_is_held_until_the_last_process_is_gone():
    needs_fence()
    with started() as node:
        # carve itself: the command goes on, and holds
        child = node.spawn("run", "--gpus", "1", "sh", "-c", "echo $$; exec sleep 1000", stdout=subprocess.PIPE)
        command = int(child.stdout.readline())
        child.kill()
        child.wait()
        equal([lease["state"] for lease in node.leases().values()], ["active"])
        os.kill(command, signal.SIGKILL)
        node.wait_for(lambda: is_free(node), "the lease to end with the command")
        # the command: an orphan of it holds
        child = node.spawn("run", "--gpus", "1", "sh", "-c", "setsid sleep 1000 >/dev/null & echo $!; exec sleep 1000",
                           stdout=subprocess.PIPE)
        orphan = int(child.stdout.readline())
        child.send_signal(signal.SIGTERM)
        equal(child.wait(20 * PATIENCE), -signal.SIGTERM)
        equal([lease["state"] for lease in node.leases().values()], ["active"])
        os.kill(orphan, signal.SIGKILL)
        node.wait_for(lambda: is_free(node), "the lease to end with the orphan")


@claim
def without_a_cgroup_a_command_ends_as_it_would_alone():
    with started() as node:
        # Where no cgroup may be made: a daemon that may not.
        node.stop()
        user = 65534 if os.geteuid() == 0 else None
        if user:
            # all but what the kernel would own
            subprocess.run(["find", node.dir, "-name", "kernel", "-prune", "-o", "-exec", "chown", "-h", str(user), "{}",
                            "+"], check=True)
        with open(node.log_path, "ab") as log:
            node.carved = subprocess.Popen([CARVE.replace("cli/carve", "daemon/carved"), "--config", node.config_path],
                                           env=node.env, stdout=log, stderr=log, user=user)
        node.wait_for(node.answers, "carved to answer")
        for status in (0, 3):
            result = node.carve("run", "--gpus", "1", "--", "sh", "-c", "exit %d" % status, user=user)
            equal(result.returncode, status)
            true(result.stderr == "" or "not fenced" in result.stderr, result.stderr)
        node.wait_for(lambda: is_free(node), "the leases to end")


@claim
def container_clients_are_warned_of_however_they_are_called():
    with started() as node:
        # None of them is installed: what counts is what they are called.
        for name in ("docker", "podman", "nerdctl", "ctr", "crictl", "kubectl", "sudo"):
            os.symlink("/bin/true", os.path.join(node.dir, name))
        node.env["PATH"] = node.dir + ":" + node.env["PATH"]
        for words in (("docker", "run"), ("podman",), ("nerdctl",), ("ctr",), ("crictl",), ("kubectl",),
                      (os.path.join(node.dir, "docker"), "ps"), ("sudo", "docker", "run"), ("sudo", "-u", "alice", "docker", "run"),
                      ("env", "A=b", "podman"), ("nice", "-n", "5", "docker"), ("timeout", "5", "docker", "run")):
            result = node.carve("run", "--no-wait", "--memory", "900G", *words)
            true("carve: warning: " in result.stderr and "outside this lease" in result.stderr,
                 (words, result.stderr))
        for words in (("python3", "docker"), ("sh", "-c", "docker run"), ("env", "true")):
            true("warning" not in node.carve("run", "--no-wait", "--memory", "900G", *words).stderr, words)


if __name__ == "__main__":
    run_claims(sys.modules[__name__])
