#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the distribution's packages that are missing, and prints them first.
#
#	install-packages.sh [--look] build|check
#
# build: what building and running need; check: that and what the tests and analysers need. With
# --look nothing is installed: it prints what is missing and how to install it, and exits 1. Where
# nothing is missing it says nothing and takes no time.
set -eu

look=
if [ "${1-}" = --look ]; then
	look=yes
	shift
fi
set_name=${1-}
case $set_name in
build | check) ;;
*)
	echo "usage: $0 [--look] build|check" >&2
	exit 64
	;;
esac

# Debian 12 and Ubuntu 24.04; one name per thing unless said otherwise below.
debian_build="gcc libc6-dev make meson ninja-build pkgconf scdoc
	libsystemd-dev libmicrohttpd-dev libjansson-dev libfyaml-dev libsqlite3-dev libbpf-dev
	libfuse3-dev fuse3"
debian_check="clang libclang-rt-dev clang-tidy clang-format-14 llvm codespell shellcheck systemd
	python3 python3-yaml python3-jsonschema curl jq tmux strace valgrind procps util-linux git
	bash-completion zsh fish groff-base qemu-system-x86 busybox-static cpio kmod binutils patch
	xz-utils libglib2.0-dev libpixman-1-dev libfdt-dev"

# Enterprise Linux 9 (with EPEL and CRB) and Fedora.
redhat_build="gcc make meson ninja-build pkgconf-pkg-config python3 scdoc
	systemd-devel libmicrohttpd-devel jansson-devel libfyaml-devel sqlite-devel libbpf-devel
	fuse3-devel fuse3"
redhat_check="clang compiler-rt clang-tools-extra llvm codespell ShellCheck systemd
	python3-pyyaml python3-jsonschema curl jq tmux strace valgrind procps-ng util-linux git-core
	bash-completion zsh fish groff-base qemu-kvm-core cpio kmod"

as_root=
if [ "$(id -u)" -ne 0 ]; then
	as_root=sudo
fi

# Sets $missing to the words of $* that the package manager's data base does not hold.
find_missing() {
	missing=
	for package in "$@"; do
		case $here in
		*" $package "*) ;;
		*) missing="$missing $package" ;;
		esac
	done
	missing=${missing# }
}

# shellcheck disable=SC2086 # the lists are split into words on purpose
if command -v dpkg-query >/dev/null && command -v apt-get >/dev/null; then
	wanted=$debian_build
	[ "$set_name" = build ] || wanted="$wanted $debian_check"
	here=" $(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null |
		sed -n 's/^installed //p' | tr '\n' ' ') "
	find_missing $wanted
	install="apt-get install -y --no-install-recommends"
elif command -v rpm >/dev/null && command -v dnf >/dev/null; then
	wanted=$redhat_build
	[ "$set_name" = build ] || wanted="$wanted $redhat_check"
	here=" $(rpm -q --qf '%{NAME}\n' $wanted 2>/dev/null | tr '\n' ' ') "
	find_missing $wanted
	install="dnf install -y"
	if [ -n "$missing" ] && grep -q 'platform:el' /etc/os-release; then
		echo "Some of these come from EPEL and CRB: dnf install -y epel-release dnf-plugins-core &&" \
			"dnf config-manager --set-enabled crb"
	fi
else
	echo "This is neither Debian, Ubuntu nor a Red Hat system: nothing is installed for you." \
		"docs/architecture.md lists the libraries that are needed." >&2
	exit 0
fi

[ -n "$missing" ] || exit 0

echo "Packages that are missing (to $set_name Carve):"
echo "  $missing" | fold -s -w 96 | sed '2,$s/^/  /'
if [ -n "$look" ]; then
	echo "Install them with \`make packages\`, or by hand:"
	echo "  ${as_root:+$as_root }$install $missing"
	exit 1
fi
if [ -n "$as_root" ] && ! command -v sudo >/dev/null; then
	echo "You are not root and there is no sudo. As root:" >&2
	echo "  $install $missing" >&2
	exit 1
fi

echo "Installing them${as_root:+ with sudo} ..."
# shellcheck disable=SC2086
if command -v apt-get >/dev/null; then
	# A broken foreign repository must not keep the others from being used.
	$as_root apt-get update -qq || echo "(apt-get update had trouble; going on)" >&2
	$as_root env DEBIAN_FRONTEND=noninteractive $install -qq -o Dpkg::Use-Pty=0 $missing >/dev/null
else
	$as_root $install $missing
fi
echo "Installed."
