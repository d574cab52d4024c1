#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""order.py [--add | --count]: docs/READING-ORDER against the tree. A line a fault, and status 1:

  - every source stands in the list once, and nothing else does;
  - X.h and X.def stand before X.c and X.asm of their folder, and the header that is named after
    its folder stands before the folder's sources;
  - fewer than LIMIT includes point forward: a file that includes one further down, counted once
    for the two.

--add puts a missing file where it should be read (`place` tells where that is), drops lines whose
file is gone or that stand twice, and drops titles that docs/SDM.md has twice. --count prints how
many includes point forward.
"""
import os, re, subprocess, sys

LIST = "docs/READING-ORDER"
LIMIT = 30
SOURCES = ["*.c", "*.h", "*.asm", "*.def", "*.py", "*.sh", "linker.ld", "Makefile",
           "tests/linux/rc", "tests/linux/qemu-linux"]
INCLUDE = re.compile(r'^ *# *include "([^"]+)"', re.M)


def sources():
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "--", *SOURCES],
                         capture_output=True, text=True, check=True)
    return sorted({f for f in out.stdout.split() if os.path.exists(f)})


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def file_of(line):
    """The file that a line of the list names, or None."""
    return line.split()[0] if line.strip() and line[0] not in "# " else None


def includes(files):
    return {f: set(INCLUDE.findall(read(f))) for f in files if f.endswith((".c", ".h", ".def"))}


def forward(listed):
    """The pairs (file, include) that point forward, and the number of all pairs."""
    at = {f: i for i, f in enumerate(listed)}
    pairs = [(f, h) for f, hs in includes(at).items() for h in sorted(hs) if h in at]
    return [(f, h) for f, h in pairs if at[h] > at[f]], len(pairs)


def faults(tree, listed):
    yield from (f"{LIST} lacks {f} (make order adds it)" for f in tree if f not in listed)
    yield from (f"{LIST} names {f}, which is not there" for f in listed if f not in tree)
    yield from (f"{LIST} names {f} twice" for f in sorted(set(listed)) if listed.count(f) > 1)
    at = {f: i for i, f in enumerate(listed)}
    for f in [f for f in listed if f.endswith((".c", ".asm"))]:
        stem, folder = os.path.splitext(f)[0], os.path.dirname(f)
        for h in [f"{stem}.h", f"{stem}.def", f"{folder}/{os.path.basename(folder)}.h"]:
            if at.get(h, -1) > at[f]:
                yield f"{LIST}: {h} stands behind {f}"
    pairs, _ = forward([f for f in listed if f in tree])
    if len(pairs) >= LIMIT:
        yield f"{LIST}: {len(pairs)} includes point forward; the limit is {LIMIT - 1}"
        yield from (f"  {f} -> {h}" for f, h in pairs)


def place(lines, new):
    """The index in `lines` before which `new` belongs. A header: before the source of its name
    and the first file that includes it. A source: behind its header; or in the chapter of what
    it includes last, behind its folder's last file there; or behind its folder's last file
    anywhere. Of a new folder: the folder above it."""
    at = {file_of(line): i for i, line in enumerate(lines) if file_of(line)}
    chapter, now = {}, 0
    for i, line in enumerate(lines):
        now += line.startswith("#") and not lines[i - 1].startswith("#")
        chapter[i] = now
    stem, folder = os.path.splitext(new)[0], os.path.dirname(new)
    kin = [i for f, i in at.items() if os.path.splitext(f)[0] == stem]
    included = includes([new, *[f for f in at if os.path.exists(f)]])
    if new.endswith((".h", ".def")):
        users = [at[f] for f in at if new in included.get(f, ())]
        if kin or users:
            return min(kin + users)
    elif kin:
        return max(kin) + 1
    while folder and not any(f.startswith(folder + "/") for f in at):
        folder = os.path.dirname(folder)
    beside = [i for f, i in at.items() if f.startswith(folder + "/" if folder else "")]
    last = max((at[h] for h in included.get(new, ()) if h in at), default=None)
    there = [i for i in beside if last is not None and chapter[i] == chapter[last] and i > last]
    return max(there or beside or [len(lines) - 1]) + 1


def drop_titles_twice():
    kept = []
    for line in read("docs/SDM.md").splitlines():
        if not line.startswith("* ") or line not in kept:
            kept.append(line)
    with open("docs/SDM.md", "w", encoding="utf-8") as f:
        f.write("\n".join(kept) + "\n")


def add(tree):
    lines, seen = [], set()
    for line in read(LIST).splitlines():
        f = file_of(line)
        if f is None or (f in tree and f not in seen):
            lines.append(line)
        seen.add(f)
    missing = [f for f in tree if f not in seen]
    # What includes a new header is placed before the header is.
    for f in sorted(missing, key=lambda f: f.endswith((".h", ".def"))):
        lines.insert(place(lines, f), f)
    with open(LIST, "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")
    drop_titles_twice()


def main():
    os.chdir(os.path.dirname(os.path.abspath(__file__)) + "/../..")
    tree = sources()
    if "--add" in sys.argv:
        add(tree)
        return 0
    listed = [f for f in map(file_of, read(LIST).splitlines()) if f]
    if "--count" in sys.argv:
        pairs, count = forward([f for f in listed if f in tree])
        print(f"reading order: {len(pairs)} of {count} includes point forward")
        return 0
    found = list(faults(tree, listed))
    print("\n".join(found), end="\n" if found else "")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
