#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# dist.sh [test]: makes a release in build/dist: nidus-VERSION.img (a disk image whose boot program is nidus.efi, with
# `check` in its nidus.cfg), nidus-VERSION.efi, vmcs12's and nidus.efi's manual pages, completion for bash, and SHA256SUMS. The bytes follow
# from the tree, its commit and the compiler alone: "test" builds twice, the second time in a copy of the tree
# elsewhere, and compares.
set -euo pipefail
cd "$(dirname "$0")/../.."
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)} LC_ALL=C TZ=UTC
export NIDUS_COMMIT=${NIDUS_COMMIT:-$(git describe --always --dirty --exclude='*' 2>/dev/null || echo unknown)}
version=$(cat VERSION)

release() { # fills build/dist of the current folder
    local out=build/dist name=nidus-$version
    make -s --no-print-directory QUIET=1 build/nidus.efi
    rm -rf $out && mkdir -p $out
    cp build/nidus.efi $out/$name.efi
    cp docs/nidus.efi.8 docs/vmcs12.1 tools/vmcs12/completion.bash $out/
    tools/rig/mkesp.sh $out/$name.img ::/EFI/BOOT/BOOTX64.EFI=build/nidus.efi ::/nidus.efi=build/nidus.efi \
        ::/OPTIONS.md=docs/OPTIONS.md ::/LICENSE=LICENSE ::/README.md=README.md \
        '::/EFI/nidus/nidus.cfg:=# OPTIONS.md has them all, one a line. check launches nothing.\ncheck\n'
    (cd $out && sha256sum -- * >SHA256SUMS)
}

case ${1:-} in
"")
    release
    cat build/dist/SHA256SUMS
    echo "build/dist: version $version ($NIDUS_COMMIT). To a stick: sudo dd if=build/dist/nidus-$version.img of=/dev/sdX bs=4M conv=fsync"
    ;;
test)
    copy=$(mktemp -d)
    trap 'rm -rf "$copy"' EXIT
    release
    (cd build/dist && sha256sum --quiet -c SHA256SUMS)
    git ls-files -co --exclude-standard | while read -r f; do [ ! -f "$f" ] || echo "$f"; done | cpio -pdm --quiet "$copy/a longer name"
    (cd "$copy/a longer name" && touch VERSION && release)
    if diff -r build/dist "$copy/a longer name/build/dist" >&2; then
        echo "dist: 1 passed, 0 failed"
    else
        echo "dist: 0 passed, 1 failed"
        exit 1
    fi
    ;;
*)
    echo "usage: dist.sh [test]" >&2
    exit 2
    ;;
esac
