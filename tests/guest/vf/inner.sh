# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# A VF of the GPU is handed to a virtual machine in the guest, by a real QEMU: the one that this guest
# itself is run by, from the root that it is given to see. Both are emulated, so all takes its time.
. /claims/claims.sh
insmod /stand-ins/fake_nvidia.ko
devices=$pci/devices
pf=$(pf_of)
mkdir -p /host /usr /keep/state
mount -t virtiofs -o ro host /host
mount --bind /host/usr /usr
socket=/tmp/web1.qmp

# A monitor of its own for what is not Carve's to say, through two pipes.
start_machine() {
	mkfifo /tmp/monitor.in /tmp/monitor.out
	port=$(carve show web1 --as qemu | grep -o '^-device pcie-root-port.*')
	# shellcheck disable=SC2086
	/usr/bin/qemu-system-x86_64 -name web1 -M q35 -accel tcg -cpu qemu64 -m 192 -nodefaults -display none -S \
		-qmp unix:$socket,server=on,wait=off $port \
		-chardev pipe,id=monitor,path=/tmp/monitor -mon chardev=monitor,mode=readline \
		-serial file:/tmp/inner.log -kernel "/host$KERNEL" -initrd "/host$INNER" \
		-append "console=ttyS0 quiet loglevel=1 panic=-1 mitigations=off rodata=off nokaslr no_timer_check nowatchdog" >/tmp/web1.log 2>&1 &
	echo $! >/tmp/web1.pid
	wait_for test -S $socket
}

tell_machine() {
	echo "$1" >/tmp/monitor.in
}

user() {
	json '.share.vf | "\(.user.pid) \(.vm)"' show 0:vf0
}

user_is() {
	[ "$(user)" = "$1" ]
}

# sees WORDS: what the virtual machine said last.
sees() {
	[ "$(grep -ao 'inner: .*' /tmp/inner.log | tail -n 1 | tr -d '\r')" = "inner: sees $1" ]
}

a_vf_is_put_into_a_real_virtual_machine_and_is_in_use_by_its_name() {
	sriov-manage -e ALL
	start
	carve manage 0
	carve lease --vm --name web1 --profile H200X-35C
	start_machine
	carve attach web1 --qmp $socket --timeout 2m
	carve attach web1 --qmp $socket --timeout 2m | grep -q already
	wait_for user_is "$(cat /tmp/web1.pid) web1"
	equal "$(driver_of "$(vf_of "$pf" 0)")" nvidia
	says "virtual machine web1 (process $(cat /tmp/web1.pid) of root) has 0:vf0 open" carve release web1
	says "busy" sh -c "echo 0 >$devices/$pf/virtfn0/nvidia/current_vgpu_type"
}

the_virtual_machine_sees_the_gpu() {
	tell_machine cont
	minutes=30 wait_for sees "10de:2335 class 0x030200"
	user_is "$(cat /tmp/web1.pid) web1"
}

the_virtual_machine_lets_go_of_the_vf_while_it_runs() {
	carve detach web1 --qmp $socket --timeout 5m
	minutes=5 wait_for sees "no GPU"
	wait_for user_is "null null"
	carve detach web1 --qmp $socket | grep -q "is not in"
}

a_vf_is_put_into_a_virtual_machine_that_runs_and_taken_out_again() {
	carve attach web1 --qmp $socket --timeout 2m
	minutes=5 wait_for sees "10de:2335 class 0x030200"
	says "virtual machine web1" carve release web1
	carve detach web1 --qmp $socket --timeout 5m
	minutes=5 wait_for sees "no GPU"
}

a_lease_that_no_virtual_machine_uses_is_released() {
	[ -d "/proc/$(cat /tmp/web1.pid)" ]
	carve release web1
	equal "$(cat "$devices/$pf/virtfn0/nvidia/current_vgpu_type")" 0
	equal "$(json '.leases | length' list leases)" 0
}

for name in a_vf_is_put_into_a_real_virtual_machine_and_is_in_use_by_its_name the_virtual_machine_sees_the_gpu \
	the_virtual_machine_lets_go_of_the_vf_while_it_runs \
	a_vf_is_put_into_a_virtual_machine_that_runs_and_taken_out_again a_lease_that_no_virtual_machine_uses_is_released; do
	claim $name
	read -r up _ </proc/uptime
	echo "# after $up s of the guest's time"
done
kill "$(cat /tmp/web1.pid)"
sed 's/^/# carved: /' /tmp/carved.log
sed 's/^/# QEMU: /' /tmp/web1.log
