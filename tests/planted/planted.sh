#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# planted.sh [NAME...]: plants one bug at a time in a copy of the tree and demands that the named host test fails. A
# test that cannot fail is a defect; this is how we know. HACKING.md tells what each bug would have done. A bug that
# leaves the core's image byte for byte as it is (a bug of boot/: that of nidus.efi) is none of the product's, and its
# test guards nothing: that fails as well. Needs nidus.efi built.
# The last line counts: N passed, M failed.
set -u
cd "$(dirname "$0")/../.."
copy=$PWD/build/planted
passed=0 failed=0
rm -rf "$copy"
mkdir -p "$copy"
cp -r Makefile linker.ld boot hv tests tools "$copy"
mkdir -p "$copy/build"
cp -r build/core build/efi build/core.elf build/core.bin build/offsets.inc build/nidus.efi "$copy/build"
find "$copy/build" -type f -exec touch {} +

check() { # TEST: true when the host test passes on the copy
    make -s -C "$copy" "build/unit/$1" >"$copy/log" 2>&1 || { echo "does not build"; cat "$copy/log"; exit 2; }
    (cd "$copy" && "build/unit/$1") >"$copy/log" 2>&1
}

# The image that the bug belongs to; what the build cannot tell apart no test needs to.
same_image() { # FILE
    local image=core.bin
    case $1 in boot/*) image=nidus.efi ;; esac
    make -s -C "$copy" "build/$image" >"$copy/log.image" 2>&1 || { echo "does not build"; cat "$copy/log.image"; exit 2; }
    cmp -s "$copy/build/$image" "build/$image"
}

fail() {
    echo "FAIL  $*"
    failed=$((failed + 1))
}

plant() { # NAME FILE SED TEST
    cp "$2" "$copy/$2"
    sed -i "$3" "$copy/$2"
    if cmp -s "$2" "$copy/$2"; then
        fail "$1: the change no longer applies to $2"
    elif check "$4"; then
        fail "$1: $4 does not see it"
    elif same_image "$2"; then
        fail "$1: the image is the same: what it breaks is not linked"
    else
        echo "ok    $1: $4: $(grep -m1 -oE '\[  FAILED  \] [a-z_0-9]+|runtime error.*|AddressSanitizer: [a-z-]+' "$copy/log")"
        passed=$((passed + 1))
    fi
    cp "$2" "$copy/$2"
}

while IFS='@' read -r name file change test; do
    case $name in '#'* | '') continue ;; esac
    [ $# = 0 ] || [[ " $* " == *" $name "* ]] || continue
    plant "$name" "$file" "$change" "$test"
done <tests/planted/planted.list
rm -rf "$copy"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
