#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Says what is left to do after `make install` on this machine; does nothing itself.
cat <<'END'

Installed. To run Carve on this machine:
  systemd-sysusers                         makes the group carve, whose members may manage GPUs
  systemctl daemon-reload
  systemctl enable --now carved.socket carved.service
  carve doctor                             is everything here that Carve needs?
  carve list                               what there is; nothing is changed until you say
  carve manage GPU                         hands a GPU to Carve
The configuration is /etc/carve/carved.yaml, if you want other than the defaults; carved.yaml among
the examples in share/doc/carve has all of them.
END
