#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# usb.sh IMAGE [FILE=TEXT...]: makes a disk image for a stick: a GPT with one EFI system partition (FAT32), which boots
# into the menu (boot/menu) and holds everything that the menu starts. Made twice of the same tree, it is the same.
# FILE=TEXT replaces one of the small files of \nidus, for the rig: linux.txt, tests.txt, nidus.txt.
# NOLINUX=1 leaves Linux out.
# SIGN_KEY=, SIGN_CERT=  PEM files: every program is signed with them, for Secure Boot; the certificate is put beside them.
set -euo pipefail
cd "$(dirname "$0")/../.."
export MTOOLS_SKIP_CHECK=1 PATH=$PATH:/usr/sbin:/sbin LC_ALL=C TZ=UTC
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 1577836800)
export SOURCE_DATE_EPOCH
img=$1 esp=$1.esp b=build; shift

# Numbers of nobody's disk: whoever has two sticks has two with these.
disk_id=4E494455-0053-4E49-8055-000000000001 part_id=4E494455-0053-4E49-8055-000000000002 volume_id=4e494455
first=2048 mib=$((1024 * 1024)) cylinder=516096

declare -A text
text[version.txt]=$(git describe --always --dirty 2>/dev/null || echo unknown)
text[tests.txt]=$(cat tools/stick/tests.txt)
text[nidus.txt]="# more options for each start of nidus.efi, one line; docs/OPTIONS.md. For one processor alone: cpus=bsp"
text[linux.txt]=$(cat tools/stick/linux.txt)
# What may differ under Nidus on any processor, by docs/CAVEATS.md.
text[permits.txt]=$(python3 -B -c 'import sys; sys.path.insert(0, "tools/rig"); import transcript
print("\n".join(glob for _, glob in transcript.Caveats("docs/CAVEATS.md", "silicon").permits))')
for pair in "$@"; do text[${pair%%=*}]=${pair#*=}; done

tests=$(sed -nE 's/^(on|off) +//p' <<<"${text[tests.txt]}" | sort -u)
files=($b/nidus.efi $b/machine.efi $b/cycles.efi $b/vmcs-probe.efi)
for t in $tests; do files+=("$b/$t.efi"); done
[ -n "${NOLINUX:-}" ] || [ ! -f $b/l1/stick/vmlinuz ] || files+=($b/l1/stick/vmlinuz $b/l1/stick/initrd.img)

menu=$b/menu.efi signed=$img.signed
if [ -n "${SIGN_KEY:-}" ]; then
    command -v sbsign >/dev/null || { echo "usb.sh: no sbsign (tools/make/setup.sh sign installs it)" >&2; exit 1; }
    rm -rf "$signed"
    mkdir "$signed"
    for f in "$menu" "${files[@]}"; do
        case $f in *.efi | */vmlinuz) sbsign --key "$SIGN_KEY" --cert "$SIGN_CERT" --output "$signed/${f##*/}" "$f" 2>/dev/null ;; *) cp "$f" "$signed/" ;; esac
    done
    openssl x509 -in "$SIGN_CERT" -outform DER -out "$signed/nidus.cer"
    menu=$signed.menu
    mv "$signed/menu.efi" "$menu"
    files=("$signed"/*)
fi

# FAT32 wants 65,525 clusters of at least a sector; 24 MiB are for reports.
need=$((24 * mib))
for f in "${files[@]}"; do need=$((need + $(stat -Lc %s "$f") + 65536)); done
[ $need -gt $((40 * mib)) ] || need=$((40 * mib))
blocks=$((need / 1024))
rm -f "$img" "$esp" "$img.lock"
truncate -s $((blocks * 1024)) "$esp"
mkfs.vfat -F 32 -s 1 --invariant -i $volume_id -n NIDUS "$esp" >/dev/null
mmd -i "$esp" ::/EFI ::/EFI/BOOT ::/nidus
mcopy -i "$esp" "$menu" ::/EFI/BOOT/BOOTX64.EFI
mcopy -i "$esp" "${files[@]}" ::/nidus
for name in linux.txt nidus.txt permits.txt tests.txt version.txt; do printf '%s\n' "${text[$name]}" | mcopy -i "$esp" - "::/nidus/$name"; done

# The emulator wants whole cylinders; 1 MiB behind the partition holds the second table.
bytes=$((first * 512 + blocks * 1024 + mib))
truncate -s $(((bytes / cylinder + 1) * cylinder)) "$img"
sfdisk -q "$img" <<END
label: gpt
label-id: $disk_id
start=$first, size=$((blocks * 2)), type=U, uuid=$part_id, name=NIDUS
END
dd if="$esp" of="$img" bs=512 seek=$first conv=notrunc,sparse status=none
rm -rf "$esp" "$signed" "$signed.menu"
