#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# usb.sh IMAGE: makes a disk image with Nidus as the boot program. Write it to a stick for a real
# machine. The image has no partition table: one FAT volume fills the disk, and UEFI firmware boots
# that from removable media.
set -euo pipefail
cd "$(dirname "$0")/../.."
shell=/usr/share/efi-shell-x64/shellx64.efi
files=(::/EFI/BOOT/BOOTX64.EFI=build/nidus.efi ::/nidus.efi=build/nidus.efi)
[ ! -f build/l1/vmlinuz ] || files+=(::/vmlinuz=build/l1/vmlinuz ::/initrd.img=build/l1/initrd.img)
[ ! -f $shell ] || files+=(::/shellx64.efi=$shell)
tools/rig/mkesp.sh "$1" "${files[@]}" '::/EFI/nidus/nidus.cfg:=# one option a line; docs/OPTIONS.md\ncpus=bsp\nverbose=1\n'
cat <<END
$1: $(($(stat -c %s "$1") / 1048576)) MiB. Write it to a stick (everything on it is lost):
    sudo dd if=$1 of=/dev/sdX bs=4M conv=fsync
Nidus has not been tried on a real machine yet. It runs on ONE processor until SMP lands: its
nidus.cfg says cpus=bsp, and the other processors stay outside Nidus. Edit \\EFI\\nidus\\nidus.cfg for more.
END
