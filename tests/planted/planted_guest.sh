#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# planted_guest.sh [NAME...]: plants one bug at a time in a copy of the tree, boots one guest test on it, and demands
# that the named line of the transcript is not the bare machine's (or, for the word "dead", that the test does not
# end, and for "any", that one line or another is not what it is without the bug); a bug that leaves the core's image as it is fails too. A row
# may name another emulator, a model of it, and how many processors it has (BOCHS=, MODEL=, CPUS=). In place of a guest
# test a row may name a part of another test of the rig, as refusals:blink or seen_test:ring, and words of what it then says.
# tests/planted/planted_guest.list has the bugs; HACKING.md tells what each would have done. Needs `make images build/vmcs12`.
# The last line counts: N passed, M failed.
set -u
cd "$(dirname "$0")/../.."
copy=$PWD/build/planted_guest
passed=0 failed=0
rm -rf "$copy"
mkdir -p "$copy/build"
cp -r Makefile linker.ld boot hv guest-tests docs tests tools "$copy"
cp -r build/core build/efi build/*.efi build/*.inc build/vmcs12 "$copy/build"
find "$copy/build" -type f -exec touch {} +
ln -s "$PWD/.bochs3" "$copy/.bochs3"

emulator= # the row's "BOCHS MODEL" or "BOCHS MODEL CPUS"
fast=     # short-*, behind-*, rights-*: bugs of the short path; the others are planted in the plain one

transcript() { # MODE TEST
    echo "$copy/build/$1/${emulator// /-}/0.$1/$2.txt"
}

run() { # MODE TEST
    local words=() limit=()
    # shellcheck disable=SC2086
    set -- "$1" "$2" $emulator
    [ -z "$emulator" ] || words=("BOCHS=$3" "MODEL=$4" "CPUS=${5:-1}")
    [ "${5:-1}" = 1 ] || limit=(--limit 60) # a processor that is lost hangs the test: seconds are enough for one that works
    rm -f "$(transcript "$1" "$2")"
    env "${words[@]}" "$copy/tools/rig/guest_tests.py" "--$1" "${limit[@]}" -j 1 --with "fast=$fast" --out "$copy/build/$1/${emulator// /-}" "$2" >"$copy/log" 2>&1
}

line() { # MODE TEST NAME: the lines of that name
    grep -aF "${2#t_}.$3:" "$(transcript "$1" "$2")" 2>/dev/null
}

judge() { # TEST LINE
    if [ "$2" = dead ]; then
        grep -qE "never (returned|started)" "$copy/log"
    elif [ "$2" = any ]; then
        ! cmp -s "$(transcript nidus "$1").right" "$(transcript nidus "$1")"
    else
        [ "$(line bare "$1" "$2")" != "$(line nidus "$1" "$2")" ]
    fi
}

rig() { # PROGRAM:PART WORDS: true when it fails with these words
    ! "$copy/tools/rig/${1%%:*}.py" "${1#*:}" >"$copy/log" 2>&1 && grep -qF -- "$2" "$copy/log"
}

is_seen() { # TEST LINE
    if [[ $1 = *:* ]]; then
        rig "$1" "$2"
    else
        run nidus "$1"
        judge "$1" "$2"
    fi
}

plant() { # NAME FILE SED TEST LINE
    [[ $4 = *:* ]] || [ -f "$(transcript bare "$4")" ] || run bare "$4"
    [ "$5" != any ] || [[ $4 = *:* ]] || [ -f "$(transcript nidus "$4").right" ] || { run nidus "$4"; mv "$(transcript nidus "$4")" "$(transcript nidus "$4").right"; }
    cp "$copy/$2" "$copy/kept"
    sed -i "$3" "$copy/$2"
    if cmp -s "$copy/kept" "$copy/$2"; then
        echo "FAIL  $1: the change no longer applies to $2"
        failed=$((failed + 1))
    elif ! make -s -C "$copy" images >"$copy/log" 2>&1; then
        echo "FAIL  $1: does not build: $(grep -m1 error "$copy/log")"
        failed=$((failed + 1))
    elif cmp -s "$copy/build/nidus.efi" build/nidus.efi; then
        echo "FAIL  $1: nidus.efi is the same"
        failed=$((failed + 1))
    elif is_seen "$4" "$5"; then
        echo "ok    $1: $4: $5"
        passed=$((passed + 1))
    else
        echo "FAIL  $1: $4 does not see it at $5"
        failed=$((failed + 1))
    fi
    cp "$copy/kept" "$copy/$2"
}

while IFS='@' read -r name file change test at emulator; do
    case $name in '#'* | '') continue ;; esac
    [ $# = 0 ] || [[ " $* " == *" $name "* ]] || continue
    case $name in short-* | behind-* | rights-*) fast=on ;; *) fast=off ;; esac
    [ "${emulator%% *}" != 3.0 ] || tools/make/setup.sh bochs3 || { failed=$((failed + 1)); continue; }
    plant "$name" "$file" "$change" "$test" "$at"
done <tests/planted/planted_guest.list
rm -rf "$copy"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
