#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""layers.py: every include against ARCHITECTURE.md, "Layers". Prints what the tables there do not allow.

A row is about the folders and files in its first column, and its last column says what those may include,
each in backquotes: a folder `hv/vmx/`, a folder with all below it `hv/...`, a file, or `as FOLDER`, which is
whatever FOLDER's row says. A folder may include its own files without being told. Where rows overlap, the one
with the longest name counts.
"""
import os, re, subprocess, sys

INCLUDE = re.compile(r'^ *# *include "([^"]*)"')
NAME = re.compile(r"`([^`]+)`")


def matches(name, path):
    if name.endswith("..."):
        return path.startswith(name[:-3])
    return path == name or name == os.path.dirname(path) + "/"


def table():
    """{name of the first column: [names of the last]}"""
    with open("ARCHITECTURE.md", encoding="utf-8") as f:
        layers = f.read().split("\n## Layers\n")[1].split("\n## ")[0]
    cells = [line.strip().strip("|").split("|") for line in layers.splitlines() if line.startswith("| `")]
    return {name: NAME.findall(row[-1]) for row in cells for name in NAME.findall(row[0])}


def allowed(rows, name):
    """What the row of `name` allows, with each `as` replaced by what it stands for."""
    for n in rows[name]:
        yield from allowed(rows, n[3:]) if n.startswith("as ") else [n]


def main():
    os.chdir(os.path.dirname(os.path.abspath(__file__)) + "/../..")
    rows = table()
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"],
                           capture_output=True, text=True, check=True).stdout.split()
    files = [f for f in files if os.path.exists(f)]
    for name in {*rows, *(n for row in rows.values() for n in row if not n.startswith("as "))}:
        if not any(matches(name, f) for f in files):
            print(f"ARCHITECTURE.md, Layers: {name} is not there")
    for file in [f for f in files if f.endswith((".c", ".h", ".def"))]:
        row = max((name for name in rows if matches(name, file)), key=len, default=None)
        if row is None:
            print(f"{file}: ARCHITECTURE.md, Layers, has no row for it")
            continue
        may = [row, *allowed(rows, row)] if row.endswith("/") else list(allowed(rows, row))
        with open(file, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                for path in INCLUDE.findall(line):
                    if not os.path.exists(path):
                        print(f'{file}:{number}: "{path}" is no path from the tree\'s root')
                    elif not any(matches(name, path) for name in may):
                        print(f"{file}:{number}: must not include {path}")


if __name__ == "__main__":
    sys.exit(main())
