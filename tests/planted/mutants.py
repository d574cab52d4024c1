#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""mutants.py [NAME...]: makes each bug of tests/planted/mutants.list in a copy of the tree, one at a time, and demands that the core's
image changes and that the named test notices. A host test notices by failing; a guest test by a line of its transcript that
is not that of the same test on the core as it is (which `make guest` compares with the bare machine). Needs `make images`.

A mutant with the test "none" has only to change the image; docs/mutants.md says why nothing notices. The last line counts:
N passed, M failed.
"""
import filecmp, os, re, shutil, subprocess, sys, time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
COPY = os.path.join(ROOT, "build/mutants")
NONE_MAX = 5
HUNG_SECONDS = 60       # of the emulator's time: a mutant that hangs need not be waited for as long as a test that may be slow


def read_list():
    with open(os.path.join(ROOT, "tests/planted/mutants.list")) as f:
        return [line.rstrip("\n").split("@") for line in f if line.strip() and not line.startswith("#")]


def make_copy():
    shutil.rmtree(COPY, ignore_errors=True)
    os.makedirs(os.path.join(COPY, "build"))
    for name in ("Makefile", "linker.ld", "boot", "hv", "guest-tests", "docs", "tests", "tools"):
        source = os.path.join(ROOT, name)
        (shutil.copytree if os.path.isdir(source) else shutil.copy2)(source, os.path.join(COPY, name))
    subprocess.run(f"cp -r build/core build/efi build/*.efi build/*.inc build/core.* {COPY}/build && "
                   f"{{ [ ! -d build/host ] || cp -r build/host {COPY}/build; }} && "
                   f"find {COPY}/build -type f -exec touch {{}} +", shell=True, cwd=ROOT, check=True)


def make(*targets):
    """None, or the first line of what went wrong."""
    r = subprocess.run(["make", "-s", "-j2", *targets], cwd=COPY, capture_output=True, text=True)
    if r.returncode == 0:
        return None
    return next((l for l in r.stderr.splitlines() if "error" in l), r.stderr[-200:])


def is_guest(test):
    return test.startswith("t_")


def run_guest(tests, out, *options):
    out = os.path.join(COPY, "build", out)
    shutil.rmtree(out, ignore_errors=True)
    subprocess.run(["tools/rig/guest_tests.py", "--nidus", "-j", "1", "--out", out, *options, *tests], cwd=COPY, capture_output=True)
    found = {}
    for folder, _, files in os.walk(out):
        for f in files:
            if re.fullmatch(r"t_\w+\.txt", f):
                with open(os.path.join(folder, f), encoding="latin-1") as t:
                    found[f[:-4]] = t.read().splitlines()
    return found


def guest_notices(test, base):
    err = make("build/nidus.efi")
    if err:
        return None, err
    lines = run_guest([test], "mutant", "--limit", str(HUNG_SECONDS)).get(test)
    if lines is None:
        return "the test does not end", None
    for now, was in zip(lines, base[test]):
        if now != was:
            return now.split(":")[0], None
    return (None if len(lines) == len(base[test]) else "the test does not end"), None


def host_notices(test):
    err = make(f"build/unit/{test}")
    if err:
        return None, err
    try:
        r = subprocess.run([f"build/unit/{test}"], cwd=COPY, capture_output=True, text=True, timeout=600)
    except subprocess.TimeoutExpired:
        return "the test does not end", None
    if r.returncode == 0:
        return None, None
    m = re.search(r"\[  FAILED  \] (\w+)|(runtime error.*)|(AddressSanitizer: \S+)", r.stdout + r.stderr)
    return (m.group(0).replace("[  FAILED  ] ", "") if m else "fails"), None


def judge(mutant, base):
    """(True, who notices) or (False, what is wrong)"""
    name, file, change, test = mutant
    path, kept = os.path.join(COPY, file), os.path.join(ROOT, file)
    subprocess.run(["sed", "-i", change, path], check=True)
    try:
        if filecmp.cmp(path, kept, shallow=False):
            return False, f"the change no longer applies to {file}"
        err = make("build/core.bin")
        if err:
            return False, "does not build: " + err
        if filecmp.cmp(os.path.join(COPY, "build/core.bin"), os.path.join(ROOT, "build/core.bin"), shallow=False):
            return False, "the core's image is the same"
        if test == "none":
            return True, "nothing notices (docs/mutants.md)"
        who, err = guest_notices(test, base) if is_guest(test) else host_notices(test)
        if err:
            return False, "does not build: " + err
        return (True, f"{test}: {who}") if who else (False, f"NOT CAUGHT by {test}")
    finally:
        shutil.copy(kept, path)


def main():
    mutants = [m for m in read_list() if len(sys.argv) < 2 or m[0] in sys.argv[1:]]
    make_copy()
    make("build/core.bin")
    guest = sorted({m[3] for m in mutants if is_guest(m[3])})
    base = run_guest(guest, "base") if guest else {}
    passed = failed = 0
    for missing in [t for t in guest if t not in base]:
        print(f"FAIL  {missing}: does not run on the core as it is")
        failed += 1
    mutants = [m for m in mutants if m[3] not in guest or m[3] in base]
    for m in mutants:
        began = time.monotonic()
        good, what = judge(m, base)
        passed, failed = passed + good, failed + (not good)
        print(f"{'ok   ' if good else 'FAIL '} {m[0]}: {what} ({time.monotonic() - began:.0f} s)", flush=True)
    quiet = sum(m[3] == "none" for m in mutants)
    if quiet > NONE_MAX:
        print(f"FAIL  {quiet} mutants that nothing notices, {NONE_MAX} at most")
        failed += 1
    shutil.rmtree(COPY, ignore_errors=True)
    print(f"mutants: {passed} passed, {failed} failed")
    return 1 if failed or not mutants else 0


if __name__ == "__main__":
    sys.exit(main())
