#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prints carve(1) for scdoc: carve.1.sh CARVE
#
# What is said of each verb is what the program says of itself, from its table of verbs.
set -eu
carve=$1
verbs=$("$carve" help | sed -n 's/^  \([a-z]*\)  *[^ ].*/\1/p')

cat <<'END'
carve(1)

# NAME

carve - shares this machine's GPUs

# SYNOPSIS

*carve* _VERB_ [_OPTIONS_] [_ARGUMENTS_]

# DESCRIPTION

Carve cuts each GPU into shares by what the hardware offers, hands them out as leases that end with
their holder, enforces what it promised, and says what it cannot. *carve* asks the daemon, *carved*(8),
over its socket; only *carve doctor* looks for itself, and *carve advise* of a product that is not here
needs nobody.

Anyone may list, request, and release what is his own. root and the group _carve_ may manage GPUs, adopt
shares, apply layouts, drain, reload, measure, and release others' leases. Carve changes a GPU only if it was told
to manage it.

Sizes: _10G_ is 10\^9 bytes, _10Gi_ 2\^30. A size equal to the number in a MIG profile's name means that
profile. Compute is percent of one GPU. A share is a MIG instance (_0:3g.40gb@4_), an MPS share (_0:mps1_,
_0:3g.40gb@4:mps1_), a virtual function (_0:vf3_, or its PCI address) or a whole GPU (_0_). Times: _500ms_, _10s_, _5m_, _4h_.

# VERBS

END
for verb in $verbs; do
	printf '## carve %s\n\n```\n' "$verb"
	"$carve" help "$verb" | sed -e '1s/^carve [a-z]*: //'
	printf '```\n\n'
done
cat <<'END'
# EXIT STATUS

*0*
	Done. *plan*: there is nothing to do.

*1*
	It could not be done; a sentence on standard error says why, and the way out. *plan*: the layout
	cannot be applied. *doctor*: something stands in Carve's way.

*2*
	*plan*: there are changes to make.

*64*
	What was typed cannot be understood.

*75*
	*measure*: others are on the GPU, who are named; it may go later.

*124*
	*run*, *lease*: waited too long. *attach*: QEMU took too long. *detach*: the guest has not let go in
	time, and may still.

*125*
	*run*, *profile*: Carve failed, not the command. *profile*: the command was done, but there is no profile.

*126*, *127*
	*run*, *profile*: the command cannot be run; there is no such command.

*run* and *profile* otherwise exit as their command does: with its status, or by the signal that ended it, which a shell
shows as 128 and the signal's number.

# ENVIRONMENT

_CARVE_SOCKET_
	The daemon's socket; else _$CARVE_RUN_DIR/api.sock_, or _/run/carve/api.sock_.

_XDG_DATA_HOME_
	Saved profiles are in its _carve/profiles_; else in _~/.local/share/carve/profiles_.

_NO_COLOR_
	No colours, if it is set and not empty. There are none either where output is no terminal.

_COLUMNS_, _LINES_
	The size of the picture where output is no terminal.

The command of *run* finds in its environment _CARVE_LEASE_ and what names its share to the driver, such as
_CUDA_VISIBLE_DEVICES_; in an MPS share also _CUDA_MPS_PIPE_DIRECTORY_ and the share's limits.

# VIRTUAL MACHINES

*carve lease --vm --name* _NAME_ reserves a virtual function, which stays its holder's until it is released.
What to give to the virtual machine's manager, *carve show* _LEASE_ *--as* _FORMAT_ prints:

*qemu*, *cloud-hypervisor*
	Options, one a line; lines with # are for people.

*libvirt*
	One hostdev element, for *virsh attach-device*.

*proxmox*
	A hook script; what to type stands at its top. With the argument _mapping_ it prints the section of
	_/etc/pve/mapping/pci.cfg_.

*kubevirt*
	The permitted device and the VirtualMachine's, as YAML.

*env*
	_CARVE_VF_, the PCI address; _CARVE_VF_GPU_, its GPU's; _CARVE_VF_DRIVER_, the driver that it stays with;
	_CARVE_VF_GROUP_, its IOMMU group in this boot; _CARVE_VF_NUMA_ and _CARVE_VF_MDEV_ where it has them.

Into a QEMU that runs *carve attach* puts it, as the device carve-_LEASE_; *carve detach* takes it out, and
returns when the guest has let go. Both do nothing where it is done already, and exit 0.

# SEE ALSO

*carved*(8), *carved.yaml*(5), *carve-layout*(5), *carve-sim*(1)
END
