#!/usr/bin/env bash
# planted.sh: plants one bug at a time in a copy of the tree and demands that the named host test fails. A
# test that cannot fail is a defect; this is how we know. HACKING.md tells what each bug would have done. A bug that
# leaves the core's image as it is would be none of the core's: that is said. Needs the core built.
# The last line counts: N passed, M failed.
set -u
cd "$(dirname "$0")/../.."
copy=$PWD/build/planted
passed=0 failed=0
rm -rf "$copy"
mkdir -p "$copy"
cp -r Makefile linker.ld boot hv tests tools "$copy"
mkdir -p "$copy/build"
cp -r build/core build/offsets.inc "$copy/build"
find "$copy/build" -type f -exec touch {} +

check() { # TEST: true when the host test passes on the copy
    make -s -C "$copy" "build/unit/$1" >"$copy/log" 2>&1 || { echo "does not build"; cat "$copy/log"; exit 2; }
    (cd "$copy" && "build/unit/$1") >"$copy/log" 2>&1
}

same_core() {
    make -s -C "$copy" build/core.bin >"$copy/log.core" 2>&1 || { echo "does not build"; cat "$copy/log.core"; exit 2; }
    cmp -s "$copy/build/core.bin" build/core.bin
}

plant() { # NAME FILE SED TEST
    cp "$2" "$copy/$2"
    sed -i "$3" "$copy/$2"
    if cmp -s "$2" "$copy/$2"; then
        echo "FAIL  $1: the change no longer applies to $2"
        failed=$((failed + 1))
    elif check "$4"; then
        echo "FAIL  $1: $4 does not see it"
        failed=$((failed + 1))
    else
        same_core && echo "note  $1: the core's image is the same: what it breaks is not linked"
        echo "ok    $1: $4: $(grep -m1 -oE '\[  FAILED  \] [a-z_0-9]+|runtime error.*|AddressSanitizer: [a-z-]+' "$copy/log")"
        passed=$((passed + 1))
    fi
    cp "$2" "$copy/$2"
}

while IFS='@' read -r name file change test; do
    case $name in '#'* | '') continue ;; esac
    plant "$name" "$file" "$change" "$test"
done <tests/planted/planted.list
rm -rf "$copy"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
