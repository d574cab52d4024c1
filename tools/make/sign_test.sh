#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# sign_test.sh: `make usb SIGN=1` in short. A key of one's own, a stick signed with it; every program on the stick must
# carry its signature, and a program of which one bit was changed must not, nor any by another key.
set -euo pipefail
cd "$(dirname "$0")/../.."
export MTOOLS_SKIP_CHECK=1
work=$(mktemp -d) passed=0 failed=0
trap 'rm -rf "$work"' EXIT

check() { # NAME COMMAND...
    if "${@:2}" >"$work/said" 2>&1; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAIL  $1"; sed 's/^/      /' "$work/said" | tail -n 4; fi
}
refused() { ! "$@"; }

for name in own other; do tools/make/keys.sh "$work/$name"; done
before=$(sha256sum "$work/own/nidus.key")
tools/make/keys.sh "$work/own"
check "a key that is there is kept" [ "$before" = "$(sha256sum "$work/own/nidus.key")" ]
check "nobody else reads the key" [ "$(stat -c %a "$work/own/nidus.key")" = 600 ]
NOLINUX=1 SIGN_KEY=$work/own/nidus.key SIGN_CERT=$work/own/nidus.crt tools/make/usb.sh "$work/usb.img"
mkdir "$work/esp"
mcopy -n -s -i "$work/usb.img@@1M" ::/EFI ::/nidus "$work/esp/"
mapfile -t programs < <(find "$work/esp" -iname '*.efi' | sort)
check "the stick has programs" [ ${#programs[@]} -gt 4 ]
for p in "${programs[@]}"; do check "${p##*/} is signed" sbverify --cert "$work/own/nidus.crt" "$p"; done
check "another key is none" refused sbverify --cert "$work/other/nidus.crt" "$work/esp/nidus/nidus.efi"
cp "$work/esp/nidus/nidus.efi" "$work/changed.efi"
at=$(($(stat -c %s "$work/changed.efi") / 2))
byte=$(od -An -tu1 -j $at -N 1 "$work/changed.efi")
printf "\\x$(printf %x $((byte ^ 1)))" | dd of="$work/changed.efi" bs=1 seek=$at conv=notrunc status=none
check "a changed program is refused" refused sbverify --cert "$work/own/nidus.crt" "$work/changed.efi"
check "the certificate is the key's" cmp <(openssl x509 -in "$work/own/nidus.crt" -outform DER) "$work/esp/nidus/nidus.cer"
echo "sign: $passed passed, $failed failed"
[ $failed = 0 ]
