#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs the hostile L1 (guest-tests/hostile/t_hostile.c, or with --crowd t_hostile_crowd.c) for seeds of one's choice, and cuts a failing one down to few steps.

Owns: the comparison of a bare run with one under Nidus step by step, and the cutting. Boots by tools/rig/emu.py.

  hostile.py [SEED] [--seeds N] [--steps M]     compare; the first seed that fails is cut down (--no-cut: not)
  hostile.py SEED --only 3-9+12                 these steps only, traced, both runs' lines where they differ
  hostile.py SEED --trace --only 12             every line of both runs
Exit code 0: all agree. The output of the last boots is in build/hostile/.
"""
import argparse, os, re, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import emu
from transcript import EMULATOR_LINE

NIDUS = "nested=on profile=host log=none"
BATCH = 8                   # trials of one boot
QUIET_SECONDS = 20          # of the emulator's time without a word: it hangs
ARGUMENT_ROOM = 400         # what the program keeps of its load options


class Boots:
    def __init__(self, out, options, limit, at_once=1, program="t_hostile"):
        self.out, self.options, self.limit, self.at_once, self.count = out, options, limit, at_once, 0
        self.program = program
        os.makedirs(out, exist_ok=True)

    def boot(self, mode, arguments):
        """One boot with a program run per element of arguments; the outputs of those that began, as lists of lines."""
        d = os.path.join(self.out, mode)
        os.makedirs(d, exist_ok=True)
        lines = ([f"\\nidus.efi {self.options}"] if mode == "nidus" else []) + [f"\\{self.program}.efi {a}" for a in arguments]
        with open(os.path.join(d, "chain.txt"), "w") as f:
            f.write("\n".join(lines) + "\n")
        build = os.path.join(ROOT, "build")
        img = os.path.join(d, "esp.img")
        subprocess.run([os.path.join(HERE, "mkesp.sh"), img, f"::/EFI/BOOT/BOOTX64.EFI={build}/chain.efi", f"::/chain.txt={d}/chain.txt",
                        f"::/nidus.efi={build}/nidus.efi", f"::/{self.program}.efi={build}/{self.program}.efi"], check=True)
        m = emu.Machine(img, d)
        self.count += 1
        try:
            m.start()
            self.watch(m)
        finally:
            m.stop()
        parts = m.output("e9").decode("latin-1").split(f"RUN \\{self.program}.efi")[1:]
        return [[l for l in p.splitlines()[1:] if not l.startswith(("START", "STATUS", "ALIVE", "CHAIN", "nidus:")) and not EMULATOR_LINE.match(l)] for p in parts]

    def watch(self, m):
        """To the end of the chain, of the machine, or of its patience: a program that works says something."""
        said, since = 0, 0
        while m.running():
            text = m.output("e9")
            if b"CHAIN END" in text or b"nidus: this CPU is stopped" in text:
                return
            if len(text) != said:
                said, since = len(text), m.spent()
            if m.spent() - since > QUIET_SECONDS or m.spent() > self.limit:
                return
            time.sleep(0.1)

    def run(self, mode, arguments):
        """All of them, in as many boots as it takes: what ends the machine is not tried again."""
        outputs = []
        while len(outputs) < len(arguments):
            got = self.boot(mode, arguments[len(outputs):])
            outputs += got or [["never started"]]
        return outputs

    def both(self, arguments):
        got = {}
        emu.side_by_side([lambda m=m: got.update({m: self.run(m, arguments)}) for m in ("bare", "nidus")], self.at_once)
        return list(zip(got["bare"], got["nidus"]))


def ended(lines):
    return any(l.startswith("END ") for l in lines)


def differences(bare, nidus):
    """Pairs of lines that should be equal; a FAIL line or a missing end is one too."""
    out = [(a, b) for a, b in zip(bare, nidus) if a != b]
    if len(bare) != len(nidus):
        k = min(len(bare), len(nidus))
        out.append((bare[k] if k < len(bare) else "(nothing)", nidus[k] if k < len(nidus) else "(nothing)"))
    out += [(a, "") for a in bare if a.startswith("FAIL ")] + [("", b) for b in nidus if b.startswith("FAIL ")]
    out += [(f"{name} does not end", "") for name, lines in (("bare", bare), ("nidus", nidus)) if not ended(lines)]
    return out


def step_of(line):
    m = re.search(r"\.step(\d+)", line)
    return int(m[1]) if m else None


def ranges(steps):
    """3-9+12 for a sorted list of numbers."""
    out, steps = [], sorted(steps)
    while steps:
        n = 1
        while n < len(steps) and steps[n] == steps[0] + n:
            n += 1
        out.append(str(steps[0]) if n == 1 else f"{steps[0]}-{steps[n - 1]}")
        steps = steps[n:]
    return "+".join(out)


def parse(text):
    out = []
    for part in text.split("+"):
        first, _, last = part.partition("-")
        out += range(int(first), int(last or first) + 1)
    return out


def arguments(seed, steps, trace=0):
    return f"seed={seed} seeds=1 steps={max(steps) + 1} trace={trace} only={ranges(steps)}"


def seed_of(line):
    m = re.search(r"hostile(?:_crowd)?\.s(\d+)\.", line)
    return int(m[1]) if m else None


def compare(boots, first, count, steps):
    """The seeds that fail; one that ends the machine hides those behind it in its boot, so they get boots of their own."""
    bad, last = set(), first + count
    while first < last:
        (bare, nidus), = boots.both([f"seed={first} seeds={last - first} steps={steps}"])
        pairs = differences(bare, nidus)
        for a, b in pairs[:8]:
            print(f"      bare : {a}\n      nidus: {b}", flush=True)
        reached = min(max([s for s in map(seed_of, lines) if s is not None] or [first]) if not ended(lines) else last
                      for lines in (bare, nidus))
        if reached < last:      # the checkpoint before may have been the last of the seed before
            done = sum(f".s{reached}.after_" in l for l in min(bare, nidus, key=len))
            reached += done >= steps // 100
            bad.add(reached)
        bad |= {s for pair in pairs for s in map(seed_of, pair) if s is not None and s < reached}
        first = reached + 1
    return bad


def first_bad_step(boots, seed, steps):
    (bare, nidus), = boots.both([arguments(seed, steps, 1)])
    bad = [s for pair in differences(bare, nidus) for s in map(step_of, pair) if s is not None]
    for lines in (bare, nidus):
        if not ended(lines):
            bad += [s for s in map(step_of, lines[-1:]) if s is not None]
    return min(bad) if bad else None


def cut(boots, seed, steps, last):
    """Delta debugging: the fewest steps before `last` with which it still goes wrong."""
    keep, parts = [s for s in steps if s < last], 2

    def wrong(trials):
        return [bool(differences(a, b)) for a, b in boots.both([arguments(seed, t + [last], 1) for t in trials])]

    if wrong([[]])[0]:
        return [last]
    while keep:
        parts = min(parts, len(keep))
        size = -(-len(keep) // parts)
        pieces = [keep[i:i + size] for i in range(0, len(keep), size)]
        trials = [p for p in pieces if parts > 1] + [[s for s in keep if s not in set(p)] for p in pieces]
        trials = [t for t in trials if len(t) < len(keep) and len(arguments(seed, t + [last], 1)) < ARGUMENT_ROOM]
        for i in range(0, len(trials), BATCH):
            hit = next((t for t, bad in zip(trials[i:i + BATCH], wrong(trials[i:i + BATCH])) if bad), None)
            if hit is not None:
                break
        else:
            if size == 1:
                break
            parts *= 2
            continue
        keep, parts = hit, 2 if len(hit) < len(keep) / 2 else max(parts - 1, 2)
        print(f"      {len(keep) + 1} steps: {ranges(keep + [last])}", flush=True)
    return keep + [last]


def show(boots, seed, steps, everything):
    (bare, nidus), = boots.both([arguments(seed, steps, 1)])
    if everything:
        for name, lines in (("bare ", bare), ("nidus", nidus)):
            for l in lines:
                print(f"{name}: {l}")
    pairs = differences(bare, nidus)
    for a, b in pairs[:20]:
        print(f"      bare : {a}\n      nidus: {b}")
    return bool(pairs)


def main():
    p = argparse.ArgumentParser(description="the hostile L1, for seeds of one's choice")
    p.add_argument("seed", nargs="?", type=int, default=1)
    p.add_argument("--seeds", type=int, default=1)
    p.add_argument("--steps", type=int, default=2000)
    p.add_argument("--only", default="", help="steps, as 3-9+12")
    p.add_argument("--crowd", action="store_true", help="with many VMCSs")
    p.add_argument("--trace", action="store_true")
    p.add_argument("--no-cut", action="store_true")
    p.add_argument("--with", dest="extra", default="", help="more options for nidus.efi")
    p.add_argument("--limit", type=int, default=600, help="seconds of the emulator's time per boot")
    p.add_argument("--per-boot", type=int, default=25, metavar="N", help="seeds of one boot")
    p.add_argument("-j", type=int, default=emu.JOBS, help="boots at once")
    p.add_argument("--out", default=os.path.join(ROOT, "build/hostile"))
    a = p.parse_args()
    boots = Boots(a.out, f"{NIDUS} {a.extra}".strip(), a.limit, a.j, "t_hostile_crowd" if a.crowd else "t_hostile")
    if a.only:
        return int(show(boots, a.seed, parse(a.only), a.trace))
    began, bad = time.monotonic(), set()
    seeds = range(a.seed, a.seed + a.seeds)
    for first in seeds[::a.per_boot]:
        count = min(a.per_boot, seeds.stop - first)
        bad |= compare(boots, first, count, a.steps)
    print(f"{len(seeds)} seeds of {a.steps} steps, {time.monotonic() - began:.0f} s: {len(bad)} fail: {sorted(bad)}")
    if bad and not a.no_cut:
        seed = min(bad)         # the others may have the same cause
        steps = list(range(a.steps))
        last = first_bad_step(boots, seed, steps)
        print(f"seed {seed}: first wrong step {last}")
        if last is not None:
            few = cut(boots, seed, steps, last)
            print(f"seed {seed}: {len(few)} steps are enough: hostile.py {seed} --only {ranges(few)}")
            show(boots, seed, few, True)
    print(f"hostile: {len(seeds) - len(bad)} passed, {len(bad)} failed")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
