#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs nidus.efi with bad input in the EFI shell and compares what it says and returns.

Owns: the reading of tools/rig/refusals.list, one shell script per boot, the verdict on each row. Knows
nothing of the emulators (emu.py) nor of what Nidus does after launch (guest_tests.py).

  refusals.py [BOOT...]      all boots of the list, or those named

The console of a boot lands in build/refusals/BOOT/com1.txt.
"""
import argparse, os, re, signal, struct, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import emu, emulator

LIST = os.path.join(ROOT, "tools/rig/refusals.list")
CFG = "\\EFI\\nidus\\nidus.cfg"
LIMIT = 600                 # seconds of a boot, on a very busy machine; idle it takes 12 to 30
END = "REFUSALS END"
SPEAKERS = ("nidus: ", "args: ", "same: ")     # pre_args.efi and pre_same.efi


class Row:
    def __init__(self, number, prep, options, status, line):
        self.number, self.prep, self.options = number, prep, options
        self.status, self.expected = None if status == "-" else int(status, 16), [line]

    def name(self):
        return f"{self.prep} | {self.options}"

    def problem(self, status, lines):
        """What is wrong with the lines that Nidus printed and the status it returned, or None."""
        if status is None and self.status is not None:
            return "never returned"
        if status != self.status:
            return f"status {status:#x}, expected {self.status:#x}; it said: " + " / ".join(lines[-3:])
        if not matches(self.expected, lines):
            return "said: " + (" / ".join(["..."] * (len(lines) > 6) + lines[-6:]) or "nothing")
        return None


def matches(expected, lines):
    """Every line in turn; "..." takes any number of lines, '*' any text."""
    if not expected:
        return not lines
    if expected[0] == "...":
        return any(matches(expected[1:], lines[i:]) for i in range(len(lines) + 1))
    pattern = re.escape(expected[0]).replace(r"\*", ".*")
    return bool(lines) and re.fullmatch(pattern, lines[0]) is not None and matches(expected[1:], lines[1:])


def text_bytes(text):
    """'\\0 *1048576' -> bytes."""
    body, _, times = text.rpartition(" *")
    if not (body and times.isdigit()):
        body, times = text, "1"
    return body.encode("latin-1").decode("unicode_escape").encode("latin-1") * int(times)


def ucode_bytes(signature, revision, how=""):
    """A microcode update of 2,048 bytes for one signature on every platform, whole, cut or with a wrong checksum."""
    header = [1, int(revision, 16), 0x11282026, int(signature, 16), 0, 1, 0xff, 0, 0]
    words = header + [0] * (512 - len(header))
    words[4] = -sum(words) & 0xffffffff
    words[100] += how == "bad"
    return struct.pack("<512I", *words)[:1000 if how == "cut" else None]


def updates_bytes(size, signature, revision):
    """Microcode updates of 2,048 bytes for a processor that nobody has, the last of them for `signature`; zeros behind them, up to `size`."""
    count = int(size) // 2048
    return (ucode_bytes("1", "1") * (count - 1) + ucode_bytes(signature, revision) * (count > 0)).ljust(int(size), b"\0")


class Boot:
    def __init__(self, words):
        self.name, self.kind, self.rows = words[0], words[1], []
        self.options = dict(w.partition("=")[::2] for w in words[2:])
        self.dir = os.path.join(ROOT, "build/refusals", self.name)
        self.seconds = 0

    def file(self, row, kind, text, files):
        name = f"{row.number}.{kind}"
        path = os.path.join(self.dir, name)
        with open(path, "wb") as f:
            make = {"ucode": ucode_bytes, "updates": updates_bytes}.get(kind)
            f.write(make(*text.split()) if make else text_bytes(text))
        files[f"::/in/{name}"] = path
        return f"\\in\\{name}"

    def script(self, row, files):
        """The shell lines of one row."""
        before, after, start = [], [], f"nidus.efi {row.options}".strip()
        for prep in row.prep.split(" && "):
            kind, _, text = prep.partition(" ")
            if kind == "cfg":
                before.append(f"cp -q {self.file(row, kind, text, files)} {CFG}")
                after.append(f"rm -q {CFG}")
            elif kind == "cfg-dir":
                before.append(f"mkdir {CFG}")
                after.append(f"rm -q {CFG}")
            elif kind == "raw":
                start = f"pre_raw.efi {self.file(row, kind, text, files)}"
            elif kind == "ucode":
                before.append(f"cp -q {self.file(row, kind, text, files)} \\ucode.bin")
            elif kind == "updates":
                self.file(row, kind, text, files)
                files[f"::/updates-{text.split()[0]}.bin"] = files.pop(f"::/in/{row.number}.{kind}")
            elif kind == "run":
                before.append(text)
            elif kind == "entry":
                files["::/EFI/BOOT/BOOTX64.EFI"] = os.path.join(ROOT, "build/nidus.efi")
                self.file(row, kind, text, files)
                files["::/EFI/nidus/nidus.cfg"] = files.pop(f"::/in/{row.number}.entry")
                return [f"rm -q {CFG}"]
            elif kind == "same":
                start = f"pre_same.efi {row.options}".strip()
            elif kind == "mp":
                start = f"pre_mp.efi {text} {row.options}"
            elif kind == "shell":
                start = text.replace("\\\\", "\\")
            elif kind != "-":
                raise ValueError(f"{LIST}:{row.number}: no such preparation: {kind}")
        return [*before, f"echo ROW {row.number}", start, f"echo STATUS {row.number} %lasterror%", *after]

    def disk(self):
        build = os.path.join(ROOT, "build")
        files = {"::/nidus.efi": f"{build}/nidus.efi", "::/my dir/n s.efi": f"{build}/nidus.efi",
                 "::/my dir/args.efi": f"{build}/pre_args.efi"}
        for name in ("pre_raw", "pre_args", "pre_same", "pre_hog", "pre_ranges", "pre_lock", "pre_mp", "pre_vtd_unit"):
            files[f"::/{name}.efi"] = f"{build}/{name}.efi"
        lines = ["@echo -off", "fs0:", "mkdir \\EFI", "mkdir \\EFI\\nidus"]
        for row in self.rows:
            lines += self.script(row, files)
        with open(os.path.join(self.dir, "startup.nsh"), "w", newline="\r\n") as f:
            f.write("\n".join([*lines, f"echo {END}", ""]))
        files["::/startup.nsh"] = os.path.join(self.dir, "startup.nsh")
        img = os.path.join(self.dir, "esp.img")
        subprocess.run([os.path.join(HERE, "mkesp.sh"), img, *(f"{k}={v}" for k, v in files.items())], check=True)
        return img

    def run(self):
        os.makedirs(self.dir, exist_ok=True)
        started = time.monotonic()
        m = emu.Machine(self.disk(), self.dir, mem=self.options.get("mem"), cpu=self.options.get("cpu"),
                        cpus=int(self.options.get("cpus", 1)), kind=self.kind, machine=self.options.get("machine"))
        try:
            m.start()
            m.wait(END, LIMIT)
        finally:
            m.stop()
        self.seconds = time.monotonic() - started
        self.problems = self.judge(m.output("com1").decode("latin-1"))

    def judge(self, text):
        text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text).replace("\r", "")
        problems = []
        for row in self.rows:
            said = re.search(rf"^ROW {row.number}\n(.*?)(?:^STATUS {row.number} 0x([0-9A-F]+)$|\Z)", text, re.S | re.M)
            if row.status is None:          # a boot entry: what stands before the shell
                said = re.match(r"(.*?)(?=^ROW )()", text, re.S | re.M)
            spoken = [l.rstrip() for l in said[1].splitlines() if l.startswith(SPEAKERS)] if said else []
            lines = [l.removeprefix("nidus: ") for l in spoken]
            status = int(said[2], 16) if said and said[2] else None
            problem = row.problem(status, lines)
            if problem:
                problems.append(f"refusals.list:{row.number}: {row.name()}: {problem}")
        return problems


def read_list():
    boots = []
    with open(LIST) as f:
        for number, line in enumerate(f, 1):
            line = line.rstrip("\n")
            if not line or line.startswith("#"):
                continue
            if line.startswith("boot "):
                boots.append(Boot(line.split()[1:]))
            elif line.startswith("+ "):
                boots[-1].rows[-1].expected.append(line[2:])
            else:
                boots[-1].rows.append(Row(number, *(c.strip() for c in line.split("|", 3))))
    return boots


def main():
    p = argparse.ArgumentParser(description="run nidus.efi with bad input, compare its words and status")
    p.add_argument("boots", nargs="*")
    p.add_argument("--long", action="store_true", help="also the boots that the list calls long")
    p.add_argument("-j", type=int, default=emu.JOBS, help="boots at once")
    a = p.parse_args()
    signal.signal(signal.SIGTERM, emu.raise_on_term)
    boots = read_list()
    unknown = set(a.boots) - {b.name for b in boots}
    if unknown:
        p.error("no such boot: " + " ".join(sorted(unknown)))
    boots = [b for b in boots if b.name in a.boots or not a.boots and (a.long or "long" not in b.options)]
    if not os.path.exists(emulator.UNPACKED):
        skipped = [b for b in boots if b.kind == "bochs3"]
        boots = [b for b in boots if b not in skipped]
        for b in skipped:
            print(f"skip  {b.name}: no Bochs 3.0 (tools/make/setup.sh bochs3)")
    failed = 0
    try:
        emu.side_by_side([b.run for b in boots], a.j)
    except KeyboardInterrupt:
        return emu.INTERRUPTED
    for b in boots:
        print(f"{'FAIL ' if b.problems else 'ok   '} {b.name}: {len(b.rows)} rows, {b.seconds:.0f} s")
        for problem in b.problems:
            print("      " + problem)
        failed += len(b.problems)
    print(f"refusals: {sum(len(b.rows) for b in boots) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
