#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""MPS on a simulated node, through its own nvidia-cuda-mps-control and clients."""
import os
import random
import signal
import subprocess
import time

from mps_node import CUDA, NOBODY, Client, Node, Skip, end, equal, main, until

EXCLUSIVE_PROCESS = 3
SERVER_BYTES = 30 << 20


def gone(pid):
    """Dead, or a zombie that nobody waits for."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def claim_the_daemon_makes_its_files_and_is_alone_in_its_directory():
    for driver, has_pid in (("535.261.03", False), ("550.163.01", True)):
        with Node(driver) as node:
            pid = node.start()
            files = {"control", "control_privileged", "control_lock", "log"}
            equal(set(os.listdir(node.pipe)), files | ({"nvidia-cuda-mps-control.pid"} if has_pid else set()))
            equal(node.run("nvidia-cuda-mps-control", "-d"), ("An instance of this daemon is already running\n", 1))
            end(pid)
            until(lambda: gone(pid), "it is dead")
            node.start()
            out, status = node.run("nvidia-cuda-mps-control", text="quit\n")
            equal((out, status), ("", 0))
            equal(node.run("nvidia-cuda-mps-control"), ("Cannot find MPS control daemon process\n", 1))


def claim_the_driver_version_is_in_the_programs():
    with Node("550.163.01") as node:
        with open(f"{node.node}/bin/nvidia-cuda-mps-control", "rb") as file:
            assert b"\000550.163.01\0" in file.read()[-64:]
        node.start()
        node.sim("inject", "mps-version=535.261.03")
        with open(f"{node.node}/bin/nvidia-cuda-mps-control", "rb") as file:
            assert b"\000535.261.03\0" in file.read()[-64:]
        equal(Client(node).status(), CUDA["no connection"])
        assert node.log_has("exited with status 1", "control.log")
        node.sim("inject", "mps-version")
        equal(Client(node, "--time", "1s").status(), 0)


def claim_the_first_client_starts_the_server_and_all_are_on_the_gpu():
    with Node(start_ms=150) as node:
        node.start()
        clients = [Client(node, "--memory", size) for size in ("1Gi", "2Gi")]
        server = {int(client.ready()["server"]) for client in clients}.pop()
        equal(node.processes("Compute"), [server])
        equal(node.processes("MPSCompute"), sorted(client.pid for client in clients))
        equal(node.used(), (3 << 30) + SERVER_BYTES)
        equal(sorted(node.ask(f"get_client_list {server}").split()), sorted(str(client.pid) for client in clients))
        table = node.ask("ps").splitlines()
        equal(table[0].split(), ["PID", "ID", "SERVER", "STATUS", "DEVICE", "NAMESPACE", "COMMAND", "ATTRIBUTES"])
        equal([line.split()[2:4] for line in table[1:]], [[str(server), "ACTIVE"]] * 2)
        equal(node.ask(f"get_server_status {server}"), "ACTIVE\n")
        clients[0].process.kill()
        until(lambda: node.ask(f"get_client_list {server}").split() == [str(clients[1].pid)], "one client less")
        equal(node.used(), (2 << 30) + SERVER_BYTES)


def claim_a_client_can_only_tighten_what_the_server_gives():
    with Node() as node:
        node.start()
        node.ask("set_default_active_thread_percentage 50", "set_default_device_pinned_mem_limit 0 4G")
        for percentage, memory, got in (("", "", ("50.0", 4 << 30)), ("20", "0=1G", ("20.0", 1 << 30)),
                                        ("90", "0=9G", ("50.0", 4 << 30))):
            env = {"CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": percentage, "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT": memory}
            client = Client(node, env={name: value for name, value in env.items() if value})
            said = client.ready()
            equal((said["percentage"], int(said["memory"])), got)
            equal(client.end(), -signal.SIGTERM)
        server = said["server"]
        node.ask(f"set_device_pinned_mem_limit {server} 0 2G", f"set_active_thread_percentage {server} 30")
        equal(node.ask(f"get_device_pinned_mem_limit {server} 0", f"get_active_thread_percentage {server}"),
              "2G\n30.0\n")
        said = Client(node).ready()
        equal((said["percentage"], int(said["memory"]), said["sm"]), ("30.0", 2 << 30, "40"))
        late = Client(node, "--memory", "3Gi")
        equal(late.status(), CUDA["out of memory"])
        assert "3Gi are more than this MPS client's limit of 2Gi" in late.said, late.said


def claim_exclusive_mode_lets_in_one_server_and_its_clients():
    with Node() as node:
        equal(node.set_mode(EXCLUSIVE_PROCESS), 0)
        node.start()
        client = Client(node)
        server = client.ready()["server"]
        aside = {"CUDA_MPS_PIPE_DIRECTORY": f"{node.dir}/none"}
        outsider = Client(node, env=aside)
        equal(outsider.status(), 1)
        assert "busy or unavailable" in outsider.said, outsider.said
        other = {"CUDA_MPS_PIPE_DIRECTORY": f"{node.dir}/other", "CUDA_MPS_LOG_DIRECTORY": f"{node.dir}/other"}
        equal(node.run("nvidia-cuda-mps-control", "-d", env=other)[1], 0)
        equal(Client(node, env=other).status(), CUDA["no connection"])
        node.run("nvidia-cuda-mps-control", text="quit\n", env=other)
        end(server)
        equal(client.status(), CUDA["server gone"])
        equal(node.used(), 0)
        equal(Client(node, "--time", "1s", env=aside).status(), 0)
    with Node(more="  mig: on\n  instances: [3g.40gb]\n") as node:
        equal(node.set_mode(EXCLUSIVE_PROCESS), 3)


def claim_so_many_clients_as_the_hardware_has_room_for():
    with Node(more="  mig: on\n  instances: [{profile: 3g.40gb, compute: [1c, 2c]}]\n") as node:
        mig = node.state()["gpus"][0]["gpu_instances"][0]["compute_instances"][0]["uuid"]
        node.start(env={"CUDA_VISIBLE_DEVICES": mig})
        most = 48 // 7
        clients = [Client(node, "--memory", "1Mi") for _ in range(most)]
        equal({client.ready()["device"] for client in clients}, {mig})
        equal(Client(node).status(), CUDA["too many"])
        assert node.log_has(f"Maximum number of clients ({most}) reached.")
        clients[0].end()
        until(lambda: len(node.ask(f"get_client_list {node.server()}").split()) == most - 1, "one less")
        Client(node, "--memory", "1Mi").ready()
    with Node() as node:
        node.start()
        clients = [Client(node, "--memory", "1Mi") for _ in range(48)]
        for client in clients:
            client.ready()
        equal(Client(node).status(), CUDA["too many"])


def claim_the_daemons_devices_are_its_clients_devices():
    with Node(gpus=3) as node:
        uuids = [gpu["uuid"] for gpu in node.state()["gpus"]]
        node.start(env={"CUDA_VISIBLE_DEVICES": f"{uuids[2]},{uuids[0]}"})
        equal(Client(node).ready()["device"], uuids[2])
        equal(Client(node, env={"CUDA_VISIBLE_DEVICES": "1"}).ready()["device"], uuids[0])
        equal(Client(node, env={"CUDA_VISIBLE_DEVICES": uuids[0]}).ready()["device"], uuids[0])
        equal(Client(node, env={"CUDA_VISIBLE_DEVICES": uuids[1]}).status(), 100)
        equal(node.processes("Compute", gpu=1), [])


def claim_one_user_at_a_time_has_a_server():
    if os.geteuid() != 0:
        raise Skip("only root can become another user")
    with Node() as node:
        node.start()
        mine = Client(node)
        server = mine.ready()["server"]
        theirs = Client(node, user=NOBODY)
        until(lambda: node.log_has("push client to pending list", "control.log") and
              node.log_has(f"Server {server} has 1 active worker threads", "control.log"), "the other user waits")
        equal(node.ask("get_server_list").split(), [server])
        mine.end()
        other = theirs.ready()["server"]
        assert other != server and os.stat(f"/proc/{other}").st_uid == NOBODY
        equal(node.ask("start_server -uid 0", user=NOBODY),
              f"Insufficient privileges for UID {NOBODY}. Only the root user may start server for another user.\n")
        assert "Insufficient privileges" in node.ask("set_default_active_thread_percentage 10", user=NOBODY)
        equal(node.ask("quit", user=NOBODY), "Not enough privilege to execute quit command\n")


def claim_a_fatal_fault_fails_all_and_is_over_when_they_have_left():
    for spec, is_named in (("client", True), ("client,unnamed", False)):
        with Node() as node:
            node.start()
            stays, dies, culprit = Client(node, "--stay"), Client(node), Client(node)
            server = [client.ready()["server"] for client in (stays, dies, culprit)][0]
            node.sim("inject", "mps-fault:" + spec.replace("client", f"client={culprit.pid}"))
            equal(culprit.status(), CUDA["launch failed"])
            equal(dies.status(), CUDA["launch failed"])
            equal(node.ask(f"get_server_status {server}"), "FAULT\n")
            assert node.log_has("Server is handling a fatal GPU error.")
            assert node.log_has("Server encountered a fatal exception", "control.log")
            equal(node.log_has(f"Client process {culprit.pid} encountered a fatal GPU error."), is_named)
            equal(Client(node).status(), CUDA["not ready"])
            stays.process.kill()
            until(lambda: node.ask(f"get_server_status {server}") == "ACTIVE\n", "recovery")
            equal(Client(node).ready()["server"], server)


def claim_a_fault_on_one_gpu_leaves_the_other_alone():
    with Node(gpus=2) as node:
        node.start()
        here, there = Client(node), Client(node, env={"CUDA_VISIBLE_DEVICES": "1"})
        here.ready(), there.ready()
        node.sim("inject", "mps-fault:gpu=0")
        equal(here.status(), CUDA["launch failed"])
        equal(there.end(), -signal.SIGTERM)


def claim_a_client_may_be_terminated_alone():
    with Node() as node:
        node.start()
        one, other = Client(node, "--stay", "--memory", "1Gi"), Client(node, "--memory", "2Gi")
        server = one.ready()["server"]
        other.ready()
        equal(node.ask(f"terminate_client {server} {one.pid}"), "0\n")
        until(lambda: node.used() == (2 << 30) + SERVER_BYTES, "its memory is free")
        equal(one.process.poll(), None)
        equal(node.ask(f"terminate_client {server} 1"), "Invalid process 1!\n1\n")
        equal(node.ask(f"terminate_client {server} {other.pid}"), "0\n")
        equal(other.status(), CUDA["terminated"])


def claim_a_hung_server_wants_force():
    with Node() as node:
        node.start()
        client = Client(node)
        server = client.ready()["server"]
        rule = node.hang(f"server={server}")
        asks = subprocess.Popen(["nvidia-cuda-mps-control"], env=node.env, stdin=subprocess.PIPE, text=True,
                                stdout=subprocess.PIPE)
        asks.stdin.write(f"get_server_status {server}\n")
        asks.stdin.flush()
        late = Client(node)
        time.sleep(0.2)
        equal((asks.poll(), late.process.poll()), (None, None))
        node.ask(f"shutdown_server {server} -f")
        equal(asks.communicate(timeout=20)[0], f"Server {server} not found\n")
        equal(client.status(), CUDA["server gone"])
        equal(late.status(), CUDA["no connection"])
        equal(node.used(), 0)
        assert Client(node).ready()["server"] != server
        node.sim("inject", "--clear", rule)


def claim_a_hang_may_be_for_a_gpu_and_ends():
    with Node() as node:
        node.start()
        client = Client(node)
        server = client.ready()["server"]
        rule = node.hang("gpu=0")
        node.sim("inject", "--clear", rule)
        equal(node.ask(f"get_server_status {server}"), "ACTIVE\n")


def claim_quit_waits_or_forces():
    with Node() as node:
        node.start()
        client = Client(node)
        client.ready()
        begun = time.monotonic()
        equal(node.run("nvidia-cuda-mps-control", text="quit -t 1\n")[1], 1)
        assert time.monotonic() - begun >= 1
        equal(client.status(), CUDA["server gone"])
        node.start()
        client = Client(node)
        client.ready()
        quits = subprocess.Popen(["nvidia-cuda-mps-control"], env=node.env, stdin=subprocess.PIPE, text=True)
        quits.stdin.write("quit\n")
        quits.stdin.flush()
        until(lambda: node.log_of("control.log").count("Cmd:quit") == 2, "quit is heard")
        equal((Client(node).status(), quits.poll()), (CUDA["no connection"], None))
        client.end()
        equal(quits.wait(20), 0)


def claim_a_hung_daemon_answers_nobody():
    with Node() as node:
        pid = node.start()
        rule = node.hang(f"control={pid}")
        asks = subprocess.Popen(["nvidia-cuda-mps-control"], env=node.env, stdin=subprocess.PIPE, text=True,
                                stdout=subprocess.PIPE)
        asks.stdin.write("get_default_active_thread_percentage\n")
        asks.stdin.close()
        time.sleep(0.2)
        equal(asks.poll(), None)
        node.sim("inject", "--clear", rule)
        equal(asks.stdout.read(), "100.0\n")
        equal(asks.wait(20), 0)


def claim_a_start_may_be_late_or_fail():
    with Node() as node:
        node.start()
        node.sim("inject", "mps-start")
        equal(Client(node).status(), CUDA["no connection"])
        assert node.log_has("exited with status 1", "control.log")
        node.sim("inject", "mps-start:delay=60s,gpu=0")
        node.ask("start_server -uid " + str(os.geteuid()))
        server = node.ask("get_server_list").strip()
        equal(node.ask(f"get_server_status {server}"), "INITIALIZING\n")
        end(server)
        node.sim("inject", "mps-start:delay=300ms,gpu=0")
        begun = time.monotonic()
        server = Client(node).ready()["server"]
        assert time.monotonic() - begun >= 0.3
        node.sim("inject", "mps-start:times=all")
        end(server)
        for _ in range(2):
            equal(Client(node).status(), CUDA["no connection"])
        node.sim("inject", "--clear")
        Client(node).ready()


def claim_who_is_killed_leaves_nothing():
    with Node() as node:
        control = node.start()
        clients = [Client(node, "--memory", "1Gi") for _ in range(3)]
        server = [client.ready()["server"] for client in clients][0]
        end(control)
        time.sleep(0.1)
        equal(clients[0].process.poll(), None)
        for client in clients:
            client.process.kill()
        until(lambda: gone(server), "the orphaned server ends with its last client")
        equal(node.used(), 0)
        node.start()
        client = Client(node, "--stay", "--memory", "1Gi")
        end(client.ready()["server"])
        until(lambda: node.used() == 0, "a client without its server has nothing")
        equal(client.process.poll(), None)


def claim_the_node_is_whole_whoever_is_killed_whenever():
    chance = random.Random(7)
    with Node() as node:
        equal(node.set_mode(EXCLUSIVE_PROCESS), 0)
        for _ in range(25):
            control = node.start()
            clients = [Client(node, "--memory", "1Gi") for _ in range(chance.randrange(1, 5))]
            time.sleep(chance.random() / 50)
            servers = node.ask("get_server_list").split()
            victims = [control, *servers, *(client.pid for client in clients)]
            for pid in chance.sample(victims, chance.randrange(1, len(victims) + 1)):
                end(pid)
            for client in clients:
                client.process.kill()
                client.status()
            node.clients.clear()
            if not gone(control):
                node.run("nvidia-cuda-mps-control", text="quit -t 5\n")
            until(lambda: gone(control) and all(gone(pid) for pid in servers) and node.used() == 0, "all is free")


def claim_all_ends_with_the_node():
    with Node() as node:
        control = node.start()
        client = Client(node)
        server = client.ready()["server"]
        node.hang(f"server={server}")
        node.clients.clear()
    until(lambda: gone(control) and gone(server), "daemon and server end")
    equal(client.status(), 0)
    with Node(start_ms=600000) as node:
        control = node.start()
        node.ask(f"start_server -uid {os.geteuid()}")
        server = node.ask("get_server_list").strip()
    until(lambda: gone(control) and gone(server), "a server that starts ends too")


def claim_static_partitions_part_the_sms():
    with Node("595.45.04") as node:
        node.start("-S")
        uuid = node.state()["gpus"][0]["uuid"]
        equal(node.ask("lspart"), "Server not found\n")
        node.ask(f"start_server -uid {os.geteuid()}")
        node.server()
        name = node.ask(f"sm_partition add {uuid} 4").split()[1]
        assert name.startswith(uuid + "/"), name
        assert "INVALID_RESOURCE_CONFIGURATION" in node.ask(f"sm_partition add {uuid} 13")
        equal(Client(node).status(), CUDA["no partition"])
        client = Client(node, env={"CUDA_MPS_SM_PARTITION": name, "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": "5"})
        equal(client.ready()["sm"], "32")
        rows = [line.split() for line in node.ask("lspart").splitlines()[2:]]
        equal([row[1:] for row in rows], [["-", "12", "4", "100", "32", "-"],
                                          [name.split("/")[1], "-", "4", "-", "32", "Yes"]])
        assert "in use" in node.ask(f"sm_partition rm {uuid} {name}")
        client.end()
        until(lambda: "removed" in node.ask(f"sm_partition rm {uuid} {name}"), "it can be removed")
    with Node("580.65.06") as node:
        equal(node.run("nvidia-cuda-mps-control", "-d", "-S")[1], 1)


def claim_v3_has_servers_with_namespaces():
    with Node("615.10.01", gpus=2) as node:
        uuid, uid = node.state()["gpus"][1]["uuid"], os.geteuid()
        with open(f"{node.dir}/mps.toml", "w", encoding="utf-8") as file:
            file.write(f'schema_version = "1.0"\n[servers.filed]\nuid = {uid} # whose\nallowed_devices = "{uuid}"\n'
                       '[servers.filed.namespaces.small]\nactive_thread_percentage = "25"\n'
                       'pinned_memory_limit = "1G"\n[features.memacct]\nenabled = true\n')
        node.start("-p", "3", "-a", f"{node.dir}/mps.toml")
        until(lambda: node.v3("server", "get", "filed", "status") == "Ready", "the server of the file")
        small = node.v3("namespace", "get", "small", "filed", "pipe-directory")
        equal(small, f"{node.pipe}/filed/small")
        client = Client(node, env={"CUDA_MPS_PIPE_DIRECTORY": small, "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": "80"})
        said = client.ready()
        equal((said["device"], said["percentage"], int(said["memory"])), (uuid, "25.0", 1 << 30))
        equal(node.v3("client", "list", "--server=filed", "--format=csv,noheader").split(",")[:4],
              [str(client.pid), "filed", "0", "small"])
        node.v3("namespace", "set", "small", "--server=filed", "--pinned-memory-limit=512M")
        equal(Client(node, env={"CUDA_MPS_PIPE_DIRECTORY": small}).status(), CUDA["out of memory"])
        node.v3("server", "create", "second", f"--uid={uid}")
        until(lambda: node.v3("server", "get", "second", "status") == "Ready", "the second server")
        equal([row.split(",")[0] for row in node.v3("server", "list", "--format=csv,noheader").splitlines()],
              ["filed", "second"])
        for words in (["server", "create", "second"], ["server", "create", "No Name"], ["server", "delete", "filed"],
                      ["namespace", "delete", "small", "--server=filed"], ["namespace", "get", "x", "filed", "name"],
                      ["namespace", "set", "small", "--server=filed", "--active-thread-percentage=130"], ["x", "y"]):
            equal(node.run("nvidia-cuda-mps-control", *words)[1], 1)
        node.sim("inject", f"mps-fault:client={client.pid}")
        equal(client.status(), CUDA["launch failed"])
        until(lambda: node.v3("server", "get", "filed", "status") == "Ready", "recovery")
        equal(Client(node, env={"CUDA_MPS_PIPE_DIRECTORY": f"{node.pipe}/second"}).ready()["percentage"], "100.0")
        node.v3("server", "create", "third", f"--uid={uid}")
        until(lambda: node.v3("server", "get", "third", "status") == "Ready", "the third server")
        hung = node.v3("server", "get", "third", "pid")
        rule = node.hang(f"server={hung}")
        lists = subprocess.Popen(["nvidia-cuda-mps-control", "client", "list"], env=node.env, stdout=subprocess.DEVNULL)
        time.sleep(0.1)
        equal(lists.poll(), None)
        node.v3("server", "delete", "third", "--force")
        equal((lists.wait(20), gone(hung)), (0, True))
        node.sim("inject", "--clear", rule)
        node.v3("server", "delete", "second", "--force")
        assert not os.path.exists(f"{node.pipe}/second")
        equal(node.run("nvidia-cuda-mps-control", "-q")[1], 1)
        equal(node.used(1), 0)
    with Node("615.10.01") as node:
        with open(f"{node.dir}/bad.toml", "w", encoding="utf-8") as file:
            file.write("[servers.a]\ncolour = 1\n")
        out, status = node.run("nvidia-cuda-mps-control", "-d", "-p", "3", "-a", f"{node.dir}/bad.toml")
        equal(status, 1)
        assert "bad.toml:2: Unknown option 'colour'" in out, out


def claim_a_cgroup_has_so_much_memory_as_it_is_given():
    with open("/proc/self/cgroup", encoding="utf-8") as file:
        own = [line[3:].rstrip("/\n") for line in file if line.startswith("0::")]
    mounts = [mount for mount in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup") if os.path.exists(mount + "/cgroup.procs")]
    if not own or not mounts or ".." in own[0] or not os.path.isdir(mounts[0] + own[0]):
        raise Skip("no cgroup v2 with this process in it")
    path, none = mounts[0] + own[0], (1 << 64) - 1
    with Node("615.10.01") as node:
        client = Client(node, "--memory", "1Gi")
        client.ready()
        equal(node.limit(path), (0, 0, none, 1 << 30))
        equal(node.limit(path, 1 << 30, 3 << 30), (0, 1 << 30, 3 << 30, 1 << 30))
        equal(Client(node, "--memory", "2Gi", "--time", "1s").status(), 0)
        late = Client(node, "--memory", "2049Mi")
        equal(late.status(), 1)
        assert "out of memory" in late.said, late.said
        equal(node.limit(path, 2, 1)[0], 2)
        equal(node.limit("/sys", 0, 1)[0], 2)
        equal(node.limit(path, 0, none), (0, 0, none, 1 << 30))
        equal(Client(node, "--memory", "9Gi", "--time", "1s").status(), 0)
    with Node("615.10.01", more="  mig: on\n") as node:
        equal(node.limit(path)[0], 3)
    with Node("580.65.06") as node:
        equal(node.limit(path)[0], 13)


main(globals())
