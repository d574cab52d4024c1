#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# setup.sh run|test|web|sign: installs the Debian packages that `make run`, `make test`, `make web` or
# `make usb SIGN=1` needs and this machine lacks. Prints what it installs. Without root and without a sudo that asks for no password,
# it prints the commands to install them by hand and fails.
# setup.sh bochs3: unpacks a second emulator, Debian 13's Bochs 3.0, into .bochs3/. Installs nothing.
set -euo pipefail

build="gcc libc6-dev make binutils nasm gnu-efi libcmocka-dev python3"
emulator="bochs bochs-term vgabios ovmf mtools dosfstools fdisk cpio"
checks="gdb clang clang-format libclang-rt-dev llvm qemu-system-x86 universal-ctags git"

case ${1:-} in
run) want="$build $emulator" ;;
test) want="$build $emulator $checks" ;;
sign) want="sbsigntool openssl" ;;
web) want="make gcc libc6-dev clang lld python3" ;;
bochs3) exec "$(dirname "$0")/bochs3.sh" ;;
*) echo "usage: setup.sh run|test|web|sign|bochs3" >&2; exit 2 ;;
esac
[ -r /etc/debian_version ] || { echo "setup: not Debian; these packages' contents are wanted: $want" >&2; exit 1; }

missing=$(comm -23 <(tr ' ' '\n' <<<"$want" | sort) \
    <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p' | sort -u))
[ -n "$missing" ] || exit 0

set -- $missing
if [ "$(id -u)" = 0 ]; then
    as_root=
elif sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    printf 'setup: missing: %s\nsetup: as root: apt-get update && apt-get install -y --no-install-recommends %s\n' "$*" "$*" >&2
    exit 1
fi
echo "  installing $*"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { $as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -q "$@" >>"$log" 2>&1 </dev/null; }
{ apt install --no-install-recommends "$@" || { apt update && apt install --no-install-recommends "$@"; }; } || {
    tail -n 20 "$log" >&2
    echo "setup: could not install: $*" >&2
    exit 1
}
