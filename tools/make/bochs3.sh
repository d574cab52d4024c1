#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# bochs3.sh: unpacks Debian 13's Bochs 3.0 and the libraries it needs into .bochs3/, beside the system: an apt of its own
# (state, cache, sources; the archive's signatures are checked as ever), no package installed, no root needed.
# .bochs3/bochs starts it with the libraries it came with. Done once: `make clean` leaves it; to be rid of it, remove .bochs3.
set -euo pipefail
cd "$(dirname "$0")/../.."
home=$PWD/.bochs3
packages="bochs bochs-term bochsbios vgabios libc6 libstdc++6 libgcc-s1 libltdl7 libncurses6 libtinfo6
    libreadline8t64 libasound2t64 libpulse0 libsamplerate0"
keys=/usr/share/keyrings/debian-archive-keyring.gpg

works() { [ -x "$home/bochs" ] && "$home/bochs" --help cpu 2>&1 | grep -q 'Bochs x86 Emulator 3\.0'; }
fail() { echo "setup: Bochs 3.0 needs deb.debian.org: $1" >&2; exit 1; }

configure() { # the system's apt is asked for its proxies, and for nothing else
    mkdir -p "$home"/apt/{lists/partial,archives/partial}
    echo "deb [signed-by=$keys] http://deb.debian.org/debian trixie main" >"$home/apt/sources.list"
    apt-config dump Acquire >"$home/apt/apt.conf"
    cat >>"$home/apt/apt.conf" <<END
Dir::State "$home/apt";
Dir::State::status "/dev/null";
Dir::Cache "$home/apt";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::sourcelist "$home/apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "2";
END
}

private_apt() { APT_CONFIG=$home/apt/apt.conf apt-get -q "$@" >>"$home/apt/log" 2>&1 </dev/null; }

unpack() {
    local deb root=$home/root.new
    rm -rf "$root" "$home/root"
    for deb in "$home"/apt/debs/*.deb; do dpkg-deb -x "$deb" "$root"; done
    mv "$root" "$home/root"
    rm -rf "$home/apt"
}

wrapper() { # it must exec: the rig sees the time and the end of what it starts
    cat >"$home/bochs" <<'END'
#!/bin/sh
at=$(dirname "$(readlink -f "$0")")/root
lib=usr/lib/x86_64-linux-gnu
LTDL_LIBRARY_PATH=$at/$lib/bochs/plugins BXSHARE=$at/usr/share/bochs \
    exec "$at/$lib/ld-linux-x86-64.so.2" --library-path "$at/$lib:$at/$lib/pulseaudio" "$at/usr/bin/bochs-bin" "$@"
END
    chmod +x "$home/bochs"
}

! works || exit 0
[ -r "$keys" ] || fail "no $keys to check the archive by (package debian-archive-keyring)"
echo "  unpacking Debian 13's Bochs 3.0 into .bochs3"
configure
: >"$home/apt/log"
reason() { sed -nE 's/^(E: |Err:[0-9]+ )//p' "$home/apt/log" | tail -n 2 | head -n 1 | cut -c 1-180; }
private_apt update || fail "$(reason)"
mkdir -p "$home/apt/debs"
(cd "$home/apt/debs" && private_apt download $packages) || fail "$(reason)"
unpack
wrapper
works || { echo "setup: .bochs3/bochs does not run: $("$home/bochs" --help cpu 2>&1 | head -n 1)" >&2; exit 1; }
