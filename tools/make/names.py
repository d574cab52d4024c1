#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""names.py: every file that the tree's text names must be there. Prints a line for each that is
not.

A name is a word that ends as a source of this tree does, or that begins with one of the tree's
folders. A name is good if it is a file or folder of the tree, or the end of the path of one
("check.h", "lib/hostile.h"). '*', NAME and ROOM stand for anything. The script reads whole
files, not only comments: a string or a rule of the Makefile that names a missing file is wrong
too.
"""
import fnmatch, os, re, subprocess, sys

ENDINGS = "c|h|def|asm|inc|py|sh|md|csv|svg|list|ld"
FOLDERS = "hv|boot|docs|tests|tools|guest-tests"
# Names that need not be in the tree: files that a build or a script makes outside build/.
ELSEWHERE = {"offsets.inc", "map.svg", "docs/SDM.md.new"}
OTHERS = "tests/data/"      # names files of other people's trees, where its numbers come from
# At least two letters stand before an ending, because s.c is a member of a struct.
WORD = re.compile(rf"(?<![\w/.$%{{}}\\*<])(?<!\w-)((?:[\w*][\w*-]*/)*[\w*][\w*-]+\.(?:{ENDINGS})|(?:{FOLDERS})/[\w*./-]*[\w*])(?![\w(%=\\]|\.\w|/[\w%])")


def tree():
    """Returns all files, and all paths including folders."""
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True).stdout.split()
    files = [f for f in files if os.path.exists(f)]     # a deletion may not be committed yet
    folders = {f[:i] for f in files for i, c in enumerate(f) if c == "/"}
    return files, [*files, *folders]


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
    return wrong != 0


if __name__ == "__main__":
    sys.exit(main())
