#!/usr/bin/env bash
# order.sh [--add]: compares docs/READING-ORDER with the tree. The list must name every source once.
# Without --add the script prints a line for each difference and ends with status 1 if there is one.
# --add puts a missing file behind the last one of its folder (move the line by hand if the file
# should be read elsewhere), drops lines whose file is gone, and drops titles that docs/SDM.md has
# twice.
set -eu
cd "$(dirname "$0")/../.."
list=docs/READING-ORDER

sources() {
    git ls-files -co --exclude-standard -- '*.c' '*.h' '*.asm' '*.def' '*.py' '*.sh' linker.ld Makefile tests/linux/rc tests/linux/qemu-linux |
        while read -r f; do [ ! -f "$f" ] || echo "$f"; done | sort -u
}
listed() { sed -nE 's/^([^#[:space:]][^[:space:]]*).*/\1/p' $list; }

missing=$(comm -23 <(sources) <(listed | sort -u))
gone=$(comm -13 <(sources) <(listed | sort -u))
twice=$(listed | sort | uniq -d)
if [ "${1:-}" != --add ]; then
    for f in $missing; do echo "docs/READING-ORDER lacks $f (make order adds it)"; done
    for f in $gone; do echo "docs/READING-ORDER names $f, which is not there"; done
    for f in $twice; do echo "docs/READING-ORDER names $f twice"; done
    [ -z "$missing$gone$twice" ]
    exit
fi
awk -v gone="$gone" -v missing="$missing" '
    function dir(p) { return match(p, /^.*\//) ? substr(p, 1, RLENGTH - 1) : "." }
    BEGIN { n = split(gone, g); for (i = 1; i <= n; i++) drop[g[i]] = 1; m = split(missing, add) }
    /^[^#[:space:]]/ && ($1 in drop || seen[$1]++) { next }
    { line[++c] = $0 }
    /^[^#[:space:]]/ { last[dir($1)] = c }
    END {
        for (i = 1; i <= m; i++) {
            d = dir(add[i])
            if (d in last) after[last[d]] = after[last[d]] add[i] "\n"
            else rest = rest add[i] "\n"
        }
        for (i = 1; i <= c; i++) printf "%s\n%s", line[i], after[i]
        printf "%s", rest
    }' $list >$list.new
mv $list.new $list
awk '!/^\* / || !seen[$0]++' docs/SDM.md >docs/SDM.md.new
mv docs/SDM.md.new docs/SDM.md
