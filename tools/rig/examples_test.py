#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The programs of examples/ as a stranger runs them: `make run EFI=...` under Nidus, all in one boot, and once more bare.

The head of each broken_*.c says what Nidus answers, in a line " * Nidus: TEXT" with '*' for any text; first_exit.c must
run to its end without a word from Nidus.
"""
import fnmatch, glob, os, re, signal, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import emu, run_efi
from linux_test import ROOT, Verdicts


def sources():
    """first_exit.c, then the broken ones."""
    return [f"{ROOT}/examples/first_exit.c", *sorted(glob.glob(f"{ROOT}/examples/broken_*.c"))]


def promised(source):
    with open(source) as f:
        return re.findall(r"^ \* Nidus: (.*)$", f.read(), re.M)


class Run:
    """One `make run` of the programs."""

    def __init__(self, files, **environment):
        self.files = [f"build/{os.path.basename(f)[:-2]}.efi" for f in files]
        self.environment = {**os.environ, **environment, "EFI": " ".join(self.files)}
        for name in ("ARGS", "NIDUS", "DEPTH"):
            self.environment.pop(name, None)

    def run(self):
        p = subprocess.Popen([f"{HERE}/run.py"], cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
        self.text = p.communicate()[0]
        self.code = p.returncode
        return self

    def of(self, source):
        """What was said between the program's start and its end, its status last."""
        name = re.escape(os.path.basename(source)[:-2] + ".efi")
        found = re.search(rf"^run   \| {name} starts\n(.*?)^run   \| {name} returned (\S+)$", self.text, re.M | re.S)
        return (found[1].splitlines(), found[2]) if found else ([], "nothing")


def main():
    signal.signal(signal.SIGTERM, emu.raise_on_term)
    v, files = Verdicts(), sources()
    nidus, bare = Run(files), Run(files[:1], RUN_BARE="1")
    try:
        emu.side_by_side([nidus.run, bare.run])
    except KeyboardInterrupt:
        return emu.INTERRUPTED
    for r, name in ((nidus, "under Nidus"), (bare, "bare")):
        said, status = r.of(files[0])
        ok = status == "EFI_SUCCESS" and len(said) == 1 and said[0].startswith("L1    | L2 ran, and exited: reason 10")
        if not v.check(ok, f"first_exit.efi {name}"):
            print("      " + "\n      ".join(r.text.splitlines()[-20:]))
    for f in files[1:]:
        said, status = nidus.of(f)
        words = [l.removeprefix("nidus | ") for l in said if l.startswith("nidus | ")]
        told = [p for p in promised(f) if fnmatch.filter(words, p.replace("[", "[[]"))]
        if not v.check(len(told) == 1 and status == "EFI_ABORTED", f"{os.path.basename(f)}: {promised(f)}"):
            print("      " + "\n      ".join(said) + f"\n      returned {status}")
    v.check(nidus.code == run_efi.exit_status(0x8000000000000015) == 21, "make run ends with the first program's error")
    v.check(bare.code == 0 and len(files) == 6, "and with 0 without one")
    print(f"examples: {v.passed} passed, {v.failed} failed")
    return 1 if v.failed else 0


if __name__ == "__main__":
    sys.exit(main())
