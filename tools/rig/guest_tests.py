#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs the guest tests bare and under Nidus and compares the transcripts.

Owns: which programs share a boot, the order of boots, what is said at the end. guest-tests/manifest says
what a test needs beyond the defaults; tools/rig/transcript.py says when two runs agree.

  guest_tests.py [--bare] [--long] [TEST...]      all tests, or those named (t_cpuid, 't_ept_*')
  guest_tests.py --depth N [TEST...]              under N + 1 of them, each but the first in the one before it
  CPUS=4 guest_tests.py                           with four processors: also those that the manifest calls cpus=4
  CPUS=2 CPU=1 guest_tests.py [TEST...]           each test's body on processor 1
  guest_tests.py --profile broadwell [TEST...]    those that are alike bare and in this profile (alike= in the manifest)

Transcripts land in build/guest/GROUP.MODE/TEST.txt, the emulator's files beside them.
"""
import argparse, fnmatch, glob, json, os, re, signal, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import emu, emulator
from transcript import Caveats, Transcript, judge, on_another

SIGNATURE = "ALIVE NidusNidus "
BUG = re.compile(r"\bbug\b")   # the word, not guest_debugctl
FIRMWARE_SECONDS = 60       # of the emulator's time, from power-on to the first program
GROUP_KEYS = ("nidus", "mem", "cpu", "pre")
OWN_KEYS = ("alone", "alike", "long", "limit", "args", "depth", "cpus", "on")


class Test:
    def __init__(self, name, defaults):
        self.name, self.options = name, dict(defaults)

    def read(self, words):
        for w in words:
            k, _, v = w.partition("=")
            if k not in (*OWN_KEYS, *GROUP_KEYS, "more"):
                raise ValueError(f"guest-tests/manifest: {self.name}: unknown option {k}")
            v = v.replace(",", " ")
            if k == "more":
                k, v = "nidus", f"{self.options.get('nidus', '')} {v}".strip()
            self.options[k] = v or True

    def group(self):
        own = self.name if "alone" in self.options else ""
        return (own, *(self.options.get(k, "") for k in GROUP_KEYS))

    def limit(self):
        return float(self.options.get("limit", 120))

    def why_not(self, where):
        """Why the test cannot run under a Nidus in Nidus ("depth") or on another processor ("on"), or None."""
        word, _, why = str(self.options.get(where, "")).partition(":")
        if word not in ("", "no") or (word and not why):
            raise ValueError(f"guest-tests/manifest: {self.name}: {where}=no:REASON, commas for spaces")
        return why or None


def read_manifest(path):
    """Every built t_*.efi is a test; the manifest only says what is special. A line whose program does not exist, or a
    default that is nobody's, is an error, so that a renamed test cannot vanish silently."""
    names = sorted(os.path.basename(p)[:-2] for at in ("", "*/") for p in glob.glob(f"{ROOT}/guest-tests/{at}t_*.c"))
    tests, special = {n: Test(n, {}) for n in names}, []
    with open(path) as f:
        for line in f:
            words = line.split("#")[0].split()
            if words[:1] == ["default"]:
                patterns = [w for w in words if w.startswith("t_")] or ["t_*"]
                for p in patterns:
                    if not fnmatch.filter(names, p):
                        raise ValueError(f"guest-tests/manifest: default {p}: no such test")
                for n in names:
                    if any(fnmatch.fnmatchcase(n, p) for p in patterns):
                        tests[n].read([w for w in words[1:] if w not in patterns])
            elif words:
                special.append(words)
    for words in special:
        if words[0] not in tests:
            raise ValueError(f"guest-tests/manifest: no {words[0]}.c")
        tests[words[0]].read(words[1:])
    return list(tests.values())


class Boot:
    """A group of tests in one mode ("bare" or "nidus"): boots until each has had its turn. At depth N nidus.efi is
    started N + 1 times; every one but the last offers VMX, whatever the tests want of the last."""

    def __init__(self, index, tests, mode, out, depth=0):
        self.tests, self.mode, self.depth = tests, mode, depth
        self.dir = os.path.join(out, f"{index}.{mode}")
        self.results, self.notes = {}, []       # name -> Transcript; lines for the report
        self.seconds = 0

    def chain(self, tests):
        """The lines of chain.txt: what is started before the tests, then they."""
        opts = tests[0].options
        own = str(opts.get("nidus", ""))
        outer = own.replace("nested=off", "nested=on profile=host")
        lines = [f"\\{opts['pre']}"] if opts.get("pre") else []
        if self.mode == "nidus":
            lines += [f"\\nidus.efi {words}".strip() for words in [outer] * self.depth + [own]]
        on = [f"cpu={os.environ['CPU']}"] if os.environ.get("CPU") else []
        return lines + [" ".join([f"\\{t.name}.efi", *t.options.get("args", "").split(), *on]) for t in tests]

    def disk(self, tests):
        lines = self.chain(tests)
        files = sorted({l.split()[0][1:] for l in lines})
        img = os.path.join(self.dir, "esp.img")
        with open(os.path.join(self.dir, "chain.txt"), "w") as f:
            f.write("\n".join(lines) + "\n")
        build = os.path.join(ROOT, "build")
        subprocess.run([os.path.join(HERE, "mkesp.sh"), img, f"::/EFI/BOOT/BOOTX64.EFI={build}/chain.efi",
                        f"::/chain.txt={self.dir}/chain.txt", *(f"::/{n}={build}/{n}" for n in files)], check=True)
        return img

    def run(self):
        os.makedirs(self.dir, exist_ok=True)
        started, left = time.monotonic(), self.tests
        while left and not emu.stopping.is_set():
            done = self.boot(left)
            left = left[max(done, 1):]          # the one that hung is not tried again
            if left and len(self.notes) > 8:
                self.notes.append(f"gave up on {len(left)} more tests")
                break
        self.seconds = time.monotonic() - started
        return self

    def boot(self, tests):
        """One boot; returns how many of the tests are now judged."""
        opts = tests[0].options
        m = emu.Machine(self.disk(tests), self.dir, mem=opts.get("mem"), cpu=opts.get("cpu"))
        try:
            m.start()
            reason = self.watch(m, {t.name: t for t in tests})
        finally:
            m.stop()
        self.launched = b"nidus: launched: " in m.output("com1")
        return self.collect(m.output("e9").decode("latin-1"), tests, reason)

    def watch(self, m, by_name):
        """Until the end, or until one program has used up its time. Returns why, or None for a clean end. At depth a
        program that works may take long, so its time begins anew with every line."""
        current, since, limit = None, 0, FIRMWARE_SECONDS
        while m.running():
            if emu.stopping.is_set():
                return "interrupted"
            text = m.output("e9")
            if m.kind == "qemu" and b"CHAIN END" in text:
                return None
            at = text.rfind(b"RUN \\")
            now = text[at:].split(b"\n")[0] if at >= 0 else None
            sign = (now, len(text) if self.depth else 0)
            if now and sign != current:
                current, since = sign, m.spent()
                name = now.decode("latin-1").split()[1].lstrip("\\").removesuffix(".efi")
                limit = by_name[name].limit() if name in by_name else 60
            if m.spent() - since > limit * 3 ** self.depth:
                return f"no answer for {limit * 3 ** self.depth:.0f} s"
            time.sleep(0.2)
        return None if m.shut_down_cleanly() else "the emulator died (bochs.log says why)"

    def answers(self, alive, depth):
        """True if the last of chain.efi's words about CPUID is what this mode must show: bare nobody's, under Nidus
        its signature and the depth, or nobody's with hvbit=off, if a Nidus has said that it was launched."""
        words = alive[-1].split() if alive else []
        hidden = "hvbit=off" in str(self.tests[0].options.get("nidus", ""))
        if self.mode == "bare" or hidden:
            return words == ["ALIVE", "none"] and (self.mode == "bare" or self.launched)
        return words[:2] == SIGNATURE.split() and len(words) == 4 and int(words[3], 0) == depth

    def collect(self, text, tests, reason):
        parts = text.split("RUN \\")
        self.notes += [l for l in text.splitlines() if l.startswith("nidus:") and (BUG.search(l) or "cannot" in l)]
        judged = started = 0
        for part in parts[1:]:
            lines = part.splitlines()
            name = lines[0].split()[0].removesuffix(".efi")
            body = [l for l in lines[1:] if not l.startswith("nidus:")]
            over = any(l.startswith("STATUS ") for l in body)
            alive = [l for l in body if l.startswith("ALIVE ")]
            test = next((t for t in tests if t.name == name), None)
            if test is None:                    # nidus.efi or a pre-loader
                if name == "nidus":
                    if not self.answers(alive, started):
                        self.notes.append(f"nidus.efi did not come to life at depth {started}: " + " / ".join(body)[:200])
                    started += 1
                continue
            tr = Transcript([l for l in body if l.split(" ")[0] not in ("STATUS", "ALIVE", "START", "RUN", "CHAIN")])
            if not over:
                tr.problems.append(f"never returned: {reason}")
            elif alive and not self.answers(alive, self.depth):
                tr.problems.append("after it CPUID says: " + alive[-1])
            elif not alive:
                tr.problems.append(f"no sign of life after it: {reason}")
            self.results[name] = tr
            with open(os.path.join(self.dir, name + ".txt"), "w", encoding="latin-1") as f:
                f.write("\n".join(tr.lines) + "\n")
            judged += 1
        if not judged:
            missing = Transcript([])
            missing.problems = [f"never started: {reason}"]
            self.results[tests[0].name] = missing
        return judged


# A bare run of the same program on the same machine says the same again, so a run with other options for nidus.efi need not
# repeat it: --bare-of.
SAID = "bare.json"


def bare_key(test):
    """What a bare run depends on."""
    o = test.options
    return " ".join([test.name, *(f"{w}={o[w]}" for w in ("mem", "cpu", "pre", "args") if o.get(w))])


def save_bare(boots, out):
    said = {bare_key(t): b.results[t.name].lines for b in boots if b.mode == "bare" and not b.notes for t in b.tests
            if t.name in b.results and not b.results[t.name].problems}
    with open(os.path.join(out, SAID), "w") as f:
        json.dump(said, f)


def reuse_bare(boots, folder):
    """Gives bare boots the results of an earlier run, where it has all of them and none of the programs is newer."""
    path = os.path.join(folder, SAID)
    if not os.path.exists(path):
        return
    with open(path) as f:
        said = json.load(f)
    made = os.path.getmtime(path)
    for b in boots:
        programs = [os.path.join(ROOT, "build", n + ".efi") for n in ["chain", *(t.name for t in b.tests)]]
        if b.mode == "bare" and all(bare_key(t) in said for t in b.tests) and all(os.path.getmtime(p) < made for p in programs):
            b.results = {t.name: Transcript([f"BEGIN {t.name}", *said[bare_key(t)], f"END {t.name} {len(said[bare_key(t)])}"])
                         for t in b.tests}


def boots_of(tests, modes, out, depth):
    groups = {}
    for t in tests:
        groups.setdefault(t.group(), []).append(t)
    boots = [[Boot(i, members, mode, out, depth) for mode in modes] for i, (_, members) in enumerate(sorted(groups.items()))]
    return [b for pair in boots for b in pair]


def report(tests, boots, caveats, bare_only):
    """Prints the verdicts; returns (passed, failed, what each test's differences are permitted by or None)."""
    results = {"bare": {}, "nidus": {}}
    for b in boots:
        results[b.mode].update(b.results)
        for n in b.notes:
            print(f"note  [{os.path.basename(b.dir)}] {n}")
    none = Transcript([])
    none.problems = ["never ran"]
    passed, failed, verdicts = 0, 0, {}
    for t in tests:
        bare = results["bare"].get(t.name, none)
        if bare_only:
            problems, permitted = bare.problems + ["FAIL " + x for x in bare.failures()], []
        else:
            problems, permitted = judge(bare, results["nidus"].get(t.name, none), caveats, t.options.get("cpu"))
        verdicts[t.name] = {"problems": problems, "by": sorted({p.rpartition("[")[2].rstrip("]") for p in permitted})}
        print(f"{'FAIL ' if problems else 'ok   '} {t.name}: {len(bare.lines)} lines"
              + (f", {len(permitted)} permitted" if permitted else ""))
        for p in problems[:20]:
            print(f"      {p}")
        if len(problems) > 20:
            print(f"      ... and {len(problems) - 20} more")
        passed, failed = passed + (not problems), failed + bool(problems)
    for e in caveats.errors:
        print(f"FAIL  {e}")
        failed += 1
    for sign, what in ((BUG, "Nidus reported bugs of its own"), (re.compile("come to life"), "a level is missing")):
        if any(sign.search(n) for b in boots for n in b.notes):
            print("FAIL  " + what)
            failed += 1
    for (entry, g), keys in sorted(caveats.used.items()):
        print(f"permit {entry}: {g} used {len(keys)} times ({keys[0]})")
    if not bare_only:
        for u in caveats.unused([n for r in results["bare"].values() for n in r.names]):
            print(f"unused permit {u}")
    return passed, failed, verdicts


def select(tests, wanted, long):
    """Those named, or those that match a pattern; a long one only when named, or with --long."""
    wanted = [w.removesuffix(".efi") for w in wanted]
    unknown = [w for w in wanted if not fnmatch.filter([t.name for t in tests], w)]
    if unknown:
        raise ValueError("no such test: " + " ".join(sorted(unknown)))
    return [t for t in tests if t.name in wanted or ((long or "long" not in t.options) and
            (not wanted or any(fnmatch.fnmatchcase(t.name, w) for w in wanted)))]


def suitable(tests, depth, profile):
    """Those that can run so; the others are named with their reason, but for those that a profile makes differ."""
    keep, model = [], os.environ.get("MODEL")
    for t in tests:
        if "cpus" in t.options and int(t.options["cpus"]) != emulator.cpus():
            continue                            # a stage of its own, with CPUS=
        why = (t.why_not("depth") if depth else None) or (t.why_not("on") if on_another() else None)
        own = t.options.get("cpu")
        if model and own and emulator.chosen().model(own) != emulator.chosen().model():
            why = f"it is about {own}"
        if why:
            print(f"skip  {t.name}: {why}")
        elif not profile or profile in t.options.get("alike", "").split():
            keep.append(t)
    return keep


def main():
    p = argparse.ArgumentParser(description="run the guest tests bare and under Nidus, compare")
    p.add_argument("tests", nargs="*")
    p.add_argument("--bare", action="store_true", help="bare only; no comparison")
    p.add_argument("--nidus", action="store_true", help="under Nidus only, for the transcripts (tests/planted/planted_guest.sh)")
    p.add_argument("--long", action="store_true", help="also the tests marked long")
    p.add_argument("--depth", type=int, default=0, metavar="N", help="under N + 1 Nidus, one in the other")
    p.add_argument("--with", dest="extra", default="", metavar="OPTIONS",
                   help="more options for nidus.efi, for every test of this run (stress=restore)")
    p.add_argument("--without", default="", metavar="NAMES", help="not these, with commas")
    p.add_argument("--args", default="", metavar="WORDS", help="more arguments for every test of this run (hops=10000)")
    p.add_argument("--profile", help="nidus.efi's profile, and only the tests that are alike in it")
    p.add_argument("--verdicts", metavar="FILE", help="what each test's differences are, as JSON")
    p.add_argument("--bare-of", metavar="FOLDER", help="take bare transcripts that the run with --out FOLDER has, and are still good")
    p.add_argument("--out", default=os.path.join(ROOT, "build/guest"))
    p.add_argument("--limit", metavar="SECONDS", help="when to call a test hung, in place of the manifest's word")
    p.add_argument("-j", type=int, default=emu.JOBS, help="boots at once")
    a = p.parse_args()
    signal.signal(signal.SIGTERM, emu.raise_on_term)
    signal.signal(signal.SIGHUP, emu.raise_on_term)
    tests = read_manifest(os.path.join(ROOT, "guest-tests/manifest"))
    try:
        tests = select(tests, a.tests, a.long)
    except ValueError as e:
        p.error(str(e))
    tests = suitable([t for t in tests if t.name not in a.without.split(",")], a.depth, a.profile)
    for t in tests:
        words = [t.options.get("nidus", ""), a.extra] + [f"profile={a.profile}"] * bool(a.profile)
        t.options["nidus"] = " ".join(w for w in words if w)
        t.options["limit"] = a.limit or t.limit()
        t.options["args"] = f"{t.options.get('args', '')} {a.args}".strip()
    caveats = Caveats(os.path.join(ROOT, "docs/CAVEATS.md"), emulator.chosen().name(), emulator.chosen().short_model())
    boots = boots_of(tests, ["bare"] if a.bare else ["nidus"] if a.nidus else ["bare", "nidus"], a.out, a.depth)
    try:
        if a.bare_of:
            reuse_bare(boots, a.bare_of)
        emu.side_by_side([b.run for b in boots if not b.results], a.j)
    except KeyboardInterrupt:
        print("interrupted")
        return emu.INTERRUPTED
    save_bare(boots, a.out)
    passed, failed, verdicts = report(tests, boots, caveats, a.bare)
    if a.verdicts:
        with open(a.verdicts, "w") as f:
            json.dump(verdicts, f, indent=1)
    print("boots: " + ", ".join(f"{os.path.basename(b.dir)} {f'{b.seconds:.0f} s' if b.seconds else 'as before'}" for b in boots))
    print(f"guest tests: {passed} passed, {failed} failed")
    return 1 if failed or not tests else 0


if __name__ == "__main__":
    sys.exit(main())
