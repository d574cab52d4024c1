#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""spdx.py [--add]: every source says its license in its first three lines. A line a file that does not, and status 1;
--add puts it there."""
import os, re, subprocess, sys

TEXT = "SPDX-License-Identifier: BSD-2-Clause"
SOURCES = ["*.c", "*.h", "*.def", "*.asm", "*.inc", "*.py", "*.sh", "linker.ld", "Makefile", "tests/linux/rc",
           "tests/linux/qemu-linux", "tools/web/*.html"]
# Data that is generated, or whose every line counts.
LEFT_OUT = re.compile(r"^tests/data/")


def sources():
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "--", *SOURCES], capture_output=True, text=True, check=True)
    return sorted({f for f in out.stdout.split("\n") if f and os.path.isfile(f) and not LEFT_OUT.match(f)})


def comment(path, text):
    """The line, as a comment of this kind of file."""
    if path.endswith((".c", ".h", ".def", ".ld")):
        return f"/* {TEXT} */\n"
    if path.endswith(".html"):
        return f"<!-- {TEXT} -->\n"
    if path.endswith((".asm", ".inc")):
        return f"; {TEXT}\n"
    return f"# {TEXT}\n"


def with_line(path, text):
    lines = text.splitlines(keepends=True)
    at = 1 if lines and lines[0].startswith(("#!", "<!")) else 0
    return "".join([*lines[:at], comment(path, text), *lines[at:]])


def main():
    os.chdir(os.path.dirname(os.path.abspath(__file__)) + "/../..")
    missing = []
    for path in sources():
        with open(path, encoding="utf-8") as f:
            text = f.read()
        if any(TEXT in line for line in text.split("\n")[:3]):
            continue
        missing.append(path)
        if "--add" in sys.argv:
            with open(path, "w", encoding="utf-8") as f:
                f.write(with_line(path, text))
    if "--add" in sys.argv:
        return 0
    print("".join(f"{p}: no line {TEXT} (make spdx adds it)\n" for p in missing), end="")
    return bool(missing)


if __name__ == "__main__":
    sys.exit(main())
