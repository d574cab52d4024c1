#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# usb_say.sh IMAGE: how to write the image to a stick, for whoever has made it.
set -euo pipefail
cat <<END
$1: $(($(stat -c %s "$1") / 1048576)) MiB, SHA-256 $(sha256sum "$1" | cut -c1-64)

Read docs/first-boot.md first. To write the image to a stick (everything on the stick is lost):
    lsblk -o NAME,SIZE,MODEL,TRAN          find the stick: TRAN is usb, and the size is the stick's
    sudo dd if=$1 of=/dev/THE-STICK bs=4M conv=fsync status=progress
The stick boots into a menu and launches nothing unless it is asked to. Nidus has not run on a real machine yet.
END
