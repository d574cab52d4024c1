#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# mkesp.sh IMAGE [::/path=file | ::/path:=text]...   a FAT disk image for the firmware.
# The whole disk is one FAT volume of whole cylinders (16 heads, 63 sectors: what Bochs is told), as big as
# its files ask for. With SOURCE_DATE_EPOCH the same files make the same bytes.
# A line of text may hold \n and \r; directories are made as needed.
set -euo pipefail
export MTOOLS_SKIP_CHECK=1 PATH=$PATH:/usr/sbin:/sbin
img=$1; shift
need=$((6 * 1048576))
for a in "$@"; do case $a in *:=*) ;; *) need=$((need + $(stat -Lc %s "${a#*=}") + 65536)) ;; esac; done
rm -f "$img" "$img.lock"
truncate -s $(((need / 516096 + 1) * 516096)) "$img"
mkfs.vfat ${SOURCE_DATE_EPOCH:+--invariant} -n NIDUS "$img" >/dev/null
made=" "
for a in "$@"; do
    path=${a%%=*}; path=${path%:}
    dir=${path%/*}; sub=::
    IFS=/ read -ra parts <<<"${dir#::}"
    for d in "${parts[@]}"; do
        [ -n "$d" ] || continue
        sub=$sub/$d
        [[ $made == *" $sub "* ]] || mmd -i "$img" "$sub"
        made+="$sub "
    done
    case $a in
    *:=*) printf '%b' "${a#*:=}" | mcopy -i "$img" - "$path" ;;
    *) mcopy -i "$img" "${a#*=}" "$path" ;;
    esac
done
