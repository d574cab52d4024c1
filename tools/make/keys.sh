#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# keys.sh DIRECTORY: makes a key of one's own for Secure Boot, once: nidus.key and nidus.crt. Whoever enrols the
# certificate trusts whoever has the key, so it is made here and given to nobody.
set -euo pipefail
mkdir -p "$1"
[ -s "$1/nidus.crt" ] || {
    umask 077
    openssl req -new -x509 -newkey rsa:2048 -sha256 -nodes -days 3650 -subj "/CN=a stick with Nidus on it/" \
        -keyout "$1/nidus.key" -out "$1/nidus.crt" 2>/dev/null
}
