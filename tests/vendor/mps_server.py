#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plays NVIDIA's MPS server to NVIDIA's own control daemon, which starts it under this name and talks to it.

NVIDIA's own needs a GPU. What the control daemon says to its server (R535, R550) and wants to hear is little:
a greeting with credentials, "ready" with a descriptor, the defaults, and then one command at a time.

CARVE_TEST_MPS says how it behaves: "slow" is ready after a while, "stuck" never, "end" ends at once.
CARVE_TEST_MPS_CLIENTS are the pids of its clients. On SIGUSR1 the first of them causes a fatal fault; on SIGUSR2
it has got over it.
"""
import array
import os
import signal
import socket
import struct
import sys
import time

SHUTDOWN, CLIENTS, GET_PERCENT, SET_PERCENT, GET_MEMORY, SET_MEMORY, TERMINATE, STATUS = 5, 6, 8, 9, 11, 12, 13, 17
READY, DEVICES, LOG_OTHER = 1, 32, 0xabcde003
PIPE = os.environ["CUDA_MPS_PIPE_DIRECTORY"]

behaviour = os.environ.get("CARVE_TEST_MPS")
clients = [int(pid) for pid in os.environ.get("CARVE_TEST_MPS_CLIENTS", "").split()]
status = 1
log = os.open(f"{PIPE}/log", os.O_WRONLY | os.O_NONBLOCK)


def say(text):
    now = time.localtime()
    head = (LOG_OTHER, os.getpid(), now.tm_year, now.tm_mon, now.tm_mday, 0, now.tm_hour, now.tm_min, now.tm_sec, 0,
            len(text))
    os.write(log, struct.pack("<10IQ", *head) + text.encode())


def fault(*_):
    global status
    status = 0
    say("Server is handling a fatal GPU error.")
    for pid in clients:
        say(f"Status of client {{{pid}, 1}} is INACTIVE")
    say(f"Client process {clients[0]} encountered a fatal GPU error.")


def recover(*_):
    global status
    status = 1
    say("Creating server context on device 0 (a stand-in)")


def connect():
    control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    control.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    control.connect(f"{PIPE}/control")
    assert control.recv(9) == b"OUTBHELL\0"
    credentials = struct.pack("iii", os.getpid(), os.getuid(), os.getgid())
    control.sendmsg([b"OUTBCRED\0"], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, credentials)])
    return control


def number(control, value):
    control.send(struct.pack("<I", value))


def serve(control):
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    number(control, READY)
    control.sendmsg([struct.pack("<I", 0)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [its.fileno()]))])
    percent = struct.unpack("<d", control.recv(8))[0]
    assert struct.unpack("<Q", control.recv(8))[0] == DEVICES
    limits = [struct.unpack("<Q", control.recv(8))[0] for _ in range(DEVICES)]
    control.recv(4)  # the priority
    say("Server has started")
    while command := control.recv(4):
        command = struct.unpack("<I", command)[0]
        if command == SHUTDOWN:
            number(control, len(clients))
            if not clients:
                break
        elif command == CLIENTS:
            number(control, len(clients))
            for pid in clients:
                number(control, pid)
        elif command == GET_PERCENT:
            control.send(struct.pack("<d", percent))
        elif command == SET_PERCENT:
            percent = struct.unpack("<d", control.recv(8))[0]
        elif command == GET_MEMORY:
            control.send(struct.pack("<Q", limits[struct.unpack("<I", control.recv(4))[0]]))
        elif command == SET_MEMORY:
            device = struct.unpack("<I", control.recv(4))[0]
            limits[device] = struct.unpack("<Q", control.recv(8))[0]
        elif command == TERMINATE:
            clients.remove(struct.unpack("<I", control.recv(4))[0])
            number(control, 0)
        elif command == STATUS:
            number(control, status)
    ours.close()


signal.signal(signal.SIGUSR1, fault)
signal.signal(signal.SIGUSR2, recover)
say("Startup")
if behaviour == "end":
    say("Failed to start : it was told to")
    sys.exit(1)
if behaviour == "slow":
    time.sleep(0.3)
while behaviour == "stuck":
    signal.pause()
serve(connect())
