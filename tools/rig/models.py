#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What the tests say on other processors and on the second emulator: docs/models.md.

Owns: the list of models and of what runs on each, and the table. The other tools of the rig judge; a program of theirs is
started for each run with BOCHS= and MODEL= set.

  models.py [--models "NAME ..."] [--tests "TEST ..."]      TEST: a guest test or a pattern, linux, kvm
What was not run keeps its cell. Environment: BOCHS=3.0 unless it says otherwise (the table of another version goes to
build/). Logs and transcripts: build/models/MODEL/.
"""
import argparse, json, os, re, signal, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import emu, emulator
from guest_tests import read_manifest, select

MODELS = ["broadwell_ult", "skylake_x", "icelake_u", "tigerlake", "sapphire_rapids"]
PAYLOADS = ["linux", "kvm"]
HEAD = """\
# Models and tests

Made by `make models` (tools/rig/models.py): the guest tests, Linux and KVM on the second emulator, Debian 13's Bochs 3.0, as
these processors; bare and under Nidus, and compared. A test stands here twice if it is alike bare and in the default
profile: "(broadwell)" is that profile, else L1 is shown what the processor has (`profile=host`) or has no VMX.

* **equal**: the two runs printed the same, and nothing failed.
* **an entry's id**: the differences are permitted by it (docs/CAVEATS.md).
* **differs**: a difference that nothing permits, or a failure; the lines are in build/models/MODEL after a run.
* **-**: not run: it is about another model, or nobody has yet.

"""


def read_table(path):
    """{test: {model: cell}} of the table as it stands."""
    rows, columns = {}, []
    try:
        with open(path) as f:
            lines = [[c.strip() for c in l.strip("|\n").split("|")] for l in f if l.startswith("|") and not l.startswith("|--")]
    except FileNotFoundError:
        return rows
    for name, *cells in lines:
        if not columns:
            columns = cells
        elif not name.startswith("**"):
            rows[name] = {c: cell for c, cell in zip(columns, cells) if cell != "-"}
    return rows


def table(rows, columns):
    lines = [HEAD + "| test | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    cell = lambda t, c: rows[t].get(c, "-")
    lines += [f"| {t} | " + " | ".join(cell(t, c) for c in columns) + " |" for t in sorted(rows)]
    count = lambda c, what: sum(what(cell(t, c)) for t in rows)
    for name, what in (("equal", lambda x: x == "equal"), ("permitted", lambda x: x not in ("equal", "differs", "-")),
                       ("differs", lambda x: x == "differs")):
        lines.append(f"| **sum: {name}** | " + " | ".join(str(count(c, what)) for c in columns) + " |")
    return "\n".join(lines) + "\n"


def cell_of(verdict):
    return "differs" if verdict["problems"] else ", ".join(verdict["by"]) or "equal"


class Run:
    """One model: which cells it filled, how many checks passed and failed."""

    def __init__(self, model):
        self.model, self.cells, self.passed, self.failed = model, {}, 0, 0
        self.dir = os.path.join(ROOT, "build/models", model)
        os.makedirs(self.dir, exist_ok=True)

    def tool(self, what, name, *words):
        """Runs a tool of the rig, its output into WHAT.log; counts its last "N passed, M failed", or a failure.
        Tells failures; returns whether all is well, and the entries that permitted something."""
        print(f"== {self.model}: {what}", flush=True)
        done = subprocess.Popen([os.path.join(HERE, name), *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                errors="replace", env={**os.environ, "MODEL": self.model})
        try:
            said = done.communicate()[0]
        except BaseException:
            done.terminate()
            done.wait()
            raise
        with open(os.path.join(self.dir, what + ".log"), "w") as f:
            f.write(said)
        print("".join(f"{l}\n" for l in said.splitlines() if not l.startswith(("ok ", "permit ", "unused ", "boots:", " " * 6))), end="", flush=True)
        found = re.findall(r"(\d+) passed, (\d+) failed", said)
        good, bad = map(int, found[-1]) if found else (0, 1)
        self.passed, self.failed = self.passed + good, self.failed + (bad or int(done.returncode != 0))
        return done.returncode == 0, sorted(set(re.findall(r"^permit (\S+):", said, re.M)))

    def guest(self, names, profile):
        out = os.path.join(self.dir, profile or "host")
        verdicts = out + ".json"
        if os.path.exists(verdicts):
            os.unlink(verdicts)
        words = ["--profile", profile] if profile else []
        self.tool(profile or "host", "guest_tests.py", *words, "--out", out, "--verdicts", verdicts, *names)
        told = {n: {"problems": ["no verdict"]} for n in names}
        if os.path.exists(verdicts):
            with open(verdicts) as f:
                told = json.load(f)
        self.cells.update({name + (f" ({profile})" if profile else ""): cell_of(v) for name, v in told.items()})

    def payload(self, name):
        good, by = self.tool(name, f"{name}_test.py")
        self.cells[name] = cell_of({"problems": not good, "by": by})


def ordered(seen):
    """The list's models first, in its order; then whatever else was asked for."""
    return [m for m in MODELS if m in seen] + sorted(set(seen) - set(MODELS))


def keep(path, run, known):
    """Puts a run's cells into the table; a test that is no more goes. A cut run leaves the old table or the new one."""
    rows = read_table(path)
    for name, cell in run.cells.items():
        rows.setdefault(name, {})[run.model] = cell
    rows = {name: cells for name, cells in rows.items() if name.split(" ")[0] in known}
    with open(path + ".new", "w") as f:
        f.write(table(rows, ordered({m for cells in rows.values() for m in cells})))
    os.replace(path + ".new", path)


def chosen_tests(words):
    """(guest tests, payloads) of the words; without any, all that is not long."""
    every = read_manifest(os.path.join(ROOT, "guest-tests/manifest"))
    guest = [w for w in words if w not in PAYLOADS]
    return every, select(every, guest, False) if guest or not words else [], [w for w in PAYLOADS if not words or w in words]


def stages(run, tests, payloads):
    """Runs all that was chosen, and yields whenever there are new cells, so that a cut run loses none."""
    if tests:
        yield run.guest([t.name for t in tests], "")
    alike = [t.name for t in tests if "broadwell" in t.options.get("alike", "").split()]
    if alike:
        yield run.guest(alike, "broadwell")
    for name in payloads:
        yield run.payload(name)


def run_all(runs, path, known, tests, payloads):
    for run in runs:
        for _ in stages(run, tests, payloads):
            keep(path, run, known)


def main():
    p = argparse.ArgumentParser(description="the tests on other processors, by the second emulator")
    p.add_argument("--models", default="", metavar="NAMES")
    p.add_argument("--tests", default="", metavar="NAMES")
    a = p.parse_args()
    signal.signal(signal.SIGTERM, emu.raise_on_term)
    os.environ.setdefault("BOCHS", "3.0")
    if os.environ["BOCHS"] == "3.0" and subprocess.run([os.path.join(ROOT, "tools/make/setup.sh"), "bochs3"]).returncode:
        print("models: 0 passed, 1 failed")
        return 1
    try:
        every, tests, payloads = chosen_tests(a.tests.split())
    except ValueError as e:
        p.error(str(e))
    models = a.models.split() or MODELS
    for m in models:
        emulator.chosen().model(m)          # all of them, before the first takes its time
    version = emulator.chosen().version
    path = os.path.join(ROOT, "docs/models.md" if version == "3.0" else f"build/models-{version}.md")
    runs = [Run(m) for m in models]
    try:
        run_all(runs, path, {t.name for t in every} | set(PAYLOADS), tests, payloads)
    except KeyboardInterrupt:
        return emu.INTERRUPTED
    failed = sum(r.failed for r in runs)
    print(f"models: {sum(r.passed for r in runs)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
