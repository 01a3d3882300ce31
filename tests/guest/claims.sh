#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What is run in the guest, on its real kernel and systemd.
tests=$(dirname "$0")/..
python3 "$tests/guest/unit.py"
for program in cgroup fence process; do
	"tests/driver/test_$program"
done
python3 "$tests/system/daemon.py"
python3 "$tests/system/kills.py"
echo "The claims have ended."
