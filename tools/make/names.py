#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""names.py: every file that the tree's text names must be there, and what its documents say to be
in a file must be in it. Prints a line for each that is not.

A name is a word that ends as a source of this tree does, or that begins with one of the tree's
folders. A name is good if it is a file or folder of the tree, or the end of the path of one
("check.h", "lib/hostile.h"). '*', NAME and ROOM stand for anything. The script reads whole
files, not only comments: a string or a rule of the Makefile that names a missing file is wrong
too.

A document that says `name` in FILE or `name` (FILE) means that FILE defines it: a line that is not
indented has the name, or, where the name has a dot or the file is none of C or assembly, any line.
A row of a table "| FILE | N |" means that FILE has N lines, or at most a quarter more or less.
"""
import fnmatch, os, re, subprocess, sys

ENDINGS = "c|h|def|asm|inc|py|sh|md|csv|svg|list|ld"
FOLDERS = "hv|boot|docs|tests|tools|guest-tests"
# Names that need not be in the tree: files that a build or a script makes outside build/.
ELSEWHERE = {"offsets.inc", "map.svg", "docs/SDM.md.new", "examples/mine.c"}
OTHERS = "tests/data/"      # names files of other people's trees, where its numbers come from
# At least two letters stand before an ending, because s.c is a member of a struct.
WORD = re.compile(rf"(?<![\w/.$%{{}}\\*<])(?<!\w-)((?:[\w*][\w*-]*/)*[\w*][\w*-]+\.(?:{ENDINGS})|(?:{FOLDERS})/[\w*./-]*[\w*])(?![\w(%=\\]|\.\w|/[\w%])")

DEFINED = re.compile(rf"`([A-Za-z_][\w.]*)(?:\(\))?`\*{{0,2}}\s+(?:in\s+|\()((?:[\w-]+/)*[\w-]+\.(?:{ENDINGS}))\b")


def tree():
    """Returns all files, and all paths including folders."""
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True).stdout.split()
    files = [f for f in files if os.path.exists(f)]     # a deletion may not be committed yet
    folders = {f[:i] for f in files for i, c in enumerate(f) if c == "/"}
    return files, [*files, *folders]


def defines(file, name):
    """True when FILE has the name where a definition begins."""
    with open(file, encoding="utf-8") as f:
        lines = f.read().splitlines()
    code = file.endswith((".c", ".h", ".asm")) and "." not in name
    word = re.compile(rf"\b{re.escape(name.split('.')[-1])}\b")
    return any(word.search(l) and not (code and l[:1] in " \t/#*;") for l in lines)


def undefined(file, files):
    """What FILE, a document, says to be in a file that does not define it."""
    with open(file, encoding="utf-8") as f:
        text = f.read()
    for m in DEFINED.finditer(text):
        name, place = m.groups()
        found = [p for p in files if p == place or p.endswith("/" + place)]
        if found and not any(defines(p, name) for p in found):
            yield f"{file}:{text.count(chr(10), 0, m.start()) + 1}: {place} defines no {name}"


def lengths(file):
    """Rows of FILE, a document, that tell a wrong number of lines."""
    with open(file, encoding="utf-8") as f:
        rows = re.findall(r"^\| ([\w/.-]+\.(?:c|h|asm)) \| (\d+) \|", f.read(), re.M)
    for path, told in rows:
        if os.path.exists(path):
            with open(path, encoding="utf-8") as f:
                lines = len(f.readlines())
            if abs(lines - int(told)) > lines / 4:
                yield f"{file}: {path} has {lines} lines, not {told}"


def main():
    files, paths = tree()
    ends = {p[i:] for p in paths for i in [0] + [j + 1 for j, c in enumerate(p) if c == "/"]}
    wrong = 0
    for file in [f for f in files if not f.startswith(OTHERS) and not f.endswith(".png")]:
        with open(file, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                for word in WORD.findall(line):
                    glob = re.sub(r"NAME|ROOM", "*", word)
                    if word.startswith("build/") or word in ELSEWHERE or glob in ends or ("*" in glob and fnmatch.filter(ends, glob)):
                        continue
                    print(f"{file}:{number}: {word} is not there")
                    wrong += 1
    lines = [l for file in files if file.endswith(".md") for l in undefined(file, files)]
    for line in [*lines, *lengths("docs/reading.md")]:
        print(line)
        wrong += 1
    return wrong != 0


if __name__ == "__main__":
    sys.exit(main())
