#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Reads a report of the stick (\\nidus\\REPORT-n.txt) and says what it proves.

  report.py REPORT [--tests TESTS-n.txt] [--costs TABLE] [--code CODE] [--csv FILE]

It prints the machine, how each step went, which entries of docs/CAVEATS.md the report ends, where the VMCS layout of that
processor differs from revision 0x12, and its cycles beside those of a table (tools/stick/costs.txt says how one looks).
--tests takes the whole transcripts and judges them exactly; --code compares a photographed code with the report's.
A report that is cut or was changed is one line that says where, and status 1; so is a file of transcripts that is not the report's. boot/menu/report.h is the format.
"""
import argparse, csv, os, re, sys, zlib

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tools/rig"))
from transcript import Caveats, Transcript, judge
sys.path.insert(0, os.path.join(ROOT, "tools"))
import report_memory

HEAD = "nidus-report 1"
REPORT_MAX = 256 * 1024
COLUMNS = ["encoding_hex", "field_name", "width", "byte_offset_hex", "confidence", "source", "note"]
LAYOUT = os.path.join(ROOT, "tests/data/broadwell_vmcs_layout.csv")
COSTS = os.path.join(ROOT, "tools/stick/costs.txt")
# How Nidus packs access rights into two bytes of revision 0x12 (hv/vmcs12/vmcs12.h, ar_pack).
OURS = ["0-7>0.0", "12-15>1.4", "16-16>1.0"]


class Bad(Exception):
    """What is wrong with a report, in one line."""


class Section:
    def __init__(self, number, name, line):
        self.number, self.name, self.at, self.lines = number, name, line, []

    def __repr__(self):
        return f"section {self.number} ({self.name})"


def split_lines(data):
    if len(data) > REPORT_MAX:
        raise Bad(f"it is too long: a report has at most {REPORT_MAX} bytes")
    data = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")      # mail and editors
    if not data.strip():
        raise Bad("it is empty")
    if data.endswith(b"\n\n"):
        data = data.rstrip(b"\n") + b"\n"
    for number, line in enumerate(data.split(b"\n"), 1):
        if any(c < 0x20 or c > 0x7e for c in line):
            raise Bad(f"line {number}: bytes that no report has; was it copied as text?")
    text = data.decode("ascii")
    if re.fullmatch(r"nidus-report \d{1,9}", text.split("\n")[0]) and text.split("\n")[0] != HEAD:
        raise Bad(f'it is of another version, "{text.split(chr(10))[0]}"; this tool reads "{HEAD}"')
    if text.split("\n")[0] != HEAD:
        raise Bad(f'line 1: not "{HEAD}" but "{text[:40].splitlines()[0]}"')
    if not text.endswith("\n"):
        raise Bad(f"cut in line {text.count(chr(10)) + 1}")
    return text.split("\n")[:-1]


def end_of(section, line, number):
    """Checks an end line; returns the section's own bytes as they were written."""
    words = re.fullmatch(r"== end (\d+) (.*) ([0-9a-f]{8})", line)
    if not words or (int(words[1]), words[2]) != (section.number, section.name):
        raise Bad(f'line {number}: "{line[:60]}" does not end {section}')
    body = "".join(l + "\n" for l in section.lines)
    if zlib.crc32(body.encode()) != int(words[3], 16):
        raise Bad(f"line {section.at}: {section} is not what was written: its CRC is {zlib.crc32(body.encode()):08x}, not {words[3]}")
    return f"== begin {section.number} {section.name}\n{body}{line}\n".encode()


def check_code(section, running):
    code = next((l.split()[1] for l in section.lines if l.startswith("code ") and len(l.split()) == 2), "")
    if not code.endswith(f"-{running:08x}"):
        raise Bad(f"line {section.at}: {section}: code {code or 'none'} does not fit what stands before it ({running:08x})")


def parse(data):
    """The sections of a report, every one whole."""
    sections, open_, running = [], None, 0
    for number, line in enumerate(split_lines(data)[1:], 2):
        begin = re.fullmatch(r"== begin (\d{1,6}) (.+)", line)
        if open_ is None:
            if line.startswith("nidus-report "):
                raise Bad(f"line {number}: another report begins here; give them one by one")
            if not begin:
                raise Bad(f'line {number}: "{line[:60]}" stands in no section')
            if int(begin[1]) != len(sections) + 1:
                raise Bad(f"line {number}: section {begin[1]} where {len(sections) + 1} is due: something is missing")
            open_ = Section(int(begin[1]), begin[2], number)
        elif line.startswith("== end "):
            raw = end_of(open_, line, number)
            if open_.name == "verdict":
                check_code(open_, running)
            running = zlib.crc32(raw) ^ ((running << 1 | running >> 31) & 0xffffffff)
            sections.append(open_)
            open_ = None
        elif begin:
            raise Bad(f"line {number}: {open_} has no end")
        else:
            open_.lines.append(line)
    if open_ is not None:
        raise Bad(f"cut in {open_} after {len(open_.lines)} lines")
    if not sections:
        raise Bad("it has no section")
    return sections


# ---- the machine ----

def facts(sections):
    """machine.efi's lines, "key: value" -> [values], of the bare machine where there are some."""
    found, all_ = {}, [s for s in sections if s.name == "machine"]
    for s in ([s for s in all_ if "machine.under: bare" in s.lines] or all_)[:1]:
        for line in s.lines:
            key, sep, value = line.removeprefix("machine.").partition(": ")
            if line.startswith("machine.") and sep:
                found.setdefault(key, []).append(value)
    return found


def cpuid(found):
    rows = {}
    for value in found.get("cpuid", []):
        m = re.fullmatch(r"([0-9a-f]+\.[0-9a-f]+)((?: [0-9a-f]{8}){4})", value)
        if m:
            rows[m[1]] = [int(w, 16) for w in m[2].split()]
    return rows


def brand(rows):
    raw = b"".join(v.to_bytes(4, "little") for n in (2, 3, 4) for v in rows.get(f"8000000{n}.0", []))
    return " ".join(raw.split(b"\0")[0].decode("latin-1").split()) or "no brand"


def signature(rows):
    eax = rows.get("1.0", [0])[0]
    family, model = eax >> 8 & 15, eax >> 4 & 15
    if family in (6, 15):
        model |= eax >> 12 & 0xf0
    return f"family {family + (eax >> 20 & 0xff) * (family == 15)} model {model:#x} stepping {eax & 15}"


def say_machine(sections):
    found = facts(sections)
    if not found:
        print("machine: the report has no facts (step 1 was not done)")
        return
    rows = cpuid(found)
    vmx = rows.get("1.0", [0] * 4)[2] >> 5 & 1
    print(f"machine: {brand(rows)}; {signature(rows)}, microcode {(found.get('microcode') or ['?'])[0]}, VMX {'there' if vmx else 'absent'}")
    for key in ("firmware", "smbios", "cpus"):
        for value in found.get(key, []):
            print(f"  {key}: {value}")
    differing = [v for v in found.get("cpu", []) if re.fullmatch(r"\d+ differs [1-9]\d*", v)]
    print("  processors that differ from the first: " + (", ".join(v.split()[0] for v in differing) or "none"))
    print("  VT-d units: " + ("; ".join(found.get("vtd", [])) or "none found"))


# ---- the steps ----

STEPS = {"1": "check", "2": "dry run", "3": "blink", "4": "self-tests", "5": "cycles", "6": "Linux", "7": "installed system", "L": "launch"}


def say_steps(sections):
    print("steps:")
    for s in sections:
        if s.name == "verdict" and s.lines:
            words = s.lines[0].split()
            step = STEPS.get(words[1], words[1]) if len(words) > 1 else "?"
            print(f"  {step}: {words[2] if len(words) > 2 else '?'}: {s.lines[-1]}")
    last = sections[-1]
    if last.name == "ended early":
        print(f"  THE REPORT ENDED EARLY: {last.lines[0] if last.lines else ''}; what came behind it was on the screen only")
    if last.name.endswith("begins"):
        what = last.lines[0] if last.lines else ""
        if last.name.split()[0] in ("linux", "installed"):
            print(f"  {last.name.split()[0]} was started ({what}); whether it lived this file cannot tell")
        else:
            print(f"  THE MACHINE DID NOT COME BACK from this, or the stick was gone, which the screen said: {last.name.removesuffix(' begins')}: {what}")


def say_tests(sections, tests):
    for s in sections:
        m = re.fullmatch(r"test (\S+) (bare|nidus)", s.name)
        if not m:
            continue
        text = " ".join(s.lines[:1] + [l for l in s.lines if re.match(r"failed [1-9]|differs |not started", l)])
        if re.search(r"failed [1-9]|differs [1-9]|not started", text) or not text.startswith("status 0 "):
            print(f"  {s.name}: {text}")
            for l in [l for l in s.lines if l[:2] in ("- ", "+ ", "! ")][:8]:
                print("      " + l)
    if tests is None:
        return 0
    kept, problem = of_this_report(sections, tests.replace("\r\n", "\n"))
    failed = judge_whole(kept)
    if problem:
        print(f"  --tests: {problem}; nothing behind it is judged")
    return failed + bool(problem)


def of_this_report(sections, text):
    """The transcripts up to the first that is not what the report tells of it by a CRC, and what is wrong with that one."""
    found, kept = re.findall(r"^## (.*)\n((?:(?!## ).*(?:\n|\Z))*)", text, re.M), ""
    if not found:
        return "", "the file has no transcripts"
    wanted = [(s.name[5:], re.match(r"status \w+ lines (\d+) crc ([0-9a-f]{1,8}) ", l)) for s in sections
              if s.name.startswith("test ") for l in s.lines if l.startswith("status ")]
    for (name, told), (head, body) in zip(wanted, found + [("", "")] * (len(wanted) - len(found))):
        if not head:
            return kept, f"{name}: its transcript is missing: the file is cut, or is another report's"
        if head != name:
            return kept, f"{head} stands where {name} is due: the file is another report's"
        if told and zlib.crc32(body.encode("latin-1")) != int(told[2], 16):
            return kept, f"{name}: its transcript is not what was written ({body.count(chr(10))} lines, {told[1]} then): cut, changed, or another report's"
        kept += f"## {head}\n{body}"
    return kept, None


def judge_whole(text, caveats=None):
    """The transcripts of TESTS-n.txt, by the rig's own judge and what is permitted (on any processor); how many fail."""
    caveats, runs, failed = caveats or Caveats(os.path.join(ROOT, "docs/CAVEATS.md"), "silicon"), {}, 0
    for part in re.split(r"^## ", text, flags=re.M)[1:]:
        lines = part.splitlines()
        name, _, mode = lines[0].partition(" ")
        runs.setdefault(name, {})[mode] = Transcript([l for l in lines[1:] if not l.startswith("ALIVE ")])   # who answers CPUID must differ
    for name, modes in sorted(runs.items()):
        if set(modes) != {"bare", "nidus"}:
            print(f"  {name}: only {' '.join(modes)}")
            continue
        problems, permitted = judge(modes["bare"], modes["nidus"], caveats)
        print(f"  {name}: {'as bare' if not problems else str(len(problems)) + ' problems'}, {len(permitted)} permitted")
        for p in problems[:8]:
            print("      " + p)
        failed += bool(problems)
    return failed


# ---- the layout ----

def probe(sections, where):
    """The rows of the layout probe, and its other lines."""
    for s in [s for s in sections if s.name == f"probe {where}"][-1:]:
        lines = [l.removeprefix("vmcs_probe.") for l in s.lines]
        table = [l.removeprefix("csv: ") for l in lines if l.startswith("csv: ")]
        if table and table[0].split(",") != COLUMNS:
            raise Bad(f"line {s.at}: {s}: the table's columns are not {','.join(COLUMNS)}")
        rows = [r for r in csv.DictReader(table) if None not in r.values() and None not in r]
        return rows, [l for l in lines if not l.startswith("csv: ")]
    return [], []


def revision(rest):
    found = [re.search(r"vmcs: revision ([0-9a-f]+) bytes", l) for l in rest]
    return next((int(m[1], 16) for m in found if m), None)


def packing(row):
    """"0-7>0x022.0 12-15>0x023.4" with places counted from the field's first byte."""
    m = re.search(r"packed((?: \d+-\d+>0x[0-9a-f]+\.\d)+)", row["note"])
    if not m or not re.fullmatch(r"0x[0-9a-f]+", row["byte_offset_hex"]):
        return []
    base = int(row["byte_offset_hex"], 16)
    return [f"{bits}>{int(at, 16) - base}.{bit}" for bits, at, bit in re.findall(r"(\d+-\d+)>(0x[0-9a-f]+)\.(\d)", m[1])]


def say_layout(sections, out):
    rows, rest = probe(sections, "bare")
    if not rows:
        print("layout: the report has no probe of the bare machine (step 4, 2 or 3)")
        return
    with open(LAYOUT, newline="") as f:
        known = {r["encoding_hex"]: r for r in csv.DictReader(f)}
    print(f"layout: revision {revision(rest) or 0:#x}, {sum(bool(r['byte_offset_hex']) for r in rows)} fields placed, "
          f"{sum(r['confidence'] == 'high' for r in rows)} by every pass")
    same = differ = 0
    for r in rows:
        before = known.get(r["encoding_hex"], {}).get("byte_offset_hex", "")
        if before and r["byte_offset_hex"] == before:
            same += 1
        elif r["byte_offset_hex"] and revision(rest) == 0x12:
            differ += 1
            print(f"  {r['encoding_hex']} {r['field_name']}: here {r['byte_offset_hex']}, known {before or 'no place'} "
                  f"({known.get(r['encoding_hex'], {}).get('confidence', 'unknown field')})")
    print(f"  as revision 0x12: {same}" + (f"; differ {differ}" if revision(rest) == 0x12 else "; another revision's places are its own"))
    for l in rest:
        if l.startswith(("odd: ", "hidden: ")) and not l.endswith(" 0"):
            print("  " + l)
    if out:
        with open(out, "w", newline="") as f:
            w = csv.DictWriter(f, list(rows[0]))
            w.writeheader()
            w.writerows(rows)


# ---- caveats ----

MADE_UP = re.compile(r"QEMU|Bochs|BOCHS|VirtualBox|VMware|KVM|Xen|Hyper-V|Virtual Machine")
LEAST_CYCLES = 10           # between two time stamps with fences around them, on any silicon


def is_emulated(sections):
    """No silicon: a hypervisor's bit, an emulator's name or none at all, or a clock that counts instructions."""
    found = facts(sections)
    rows, clock = cpuid(found), cycles(sections, "bare").get("nothing")
    names = " ".join(found.get("smbios", []) + found.get("firmware", []) + [brand(rows)])
    return (not rows or "smbios" not in found or bool(MADE_UP.search(names)) or bool(rows.get("1.0", [0] * 4)[2] >> 31 & 1)
            or clock is not None and clock[0] < LEAST_CYCLES)


def say_caveats(sections):
    """Entries of docs/CAVEATS.md that wait for silicon."""
    rows, rest = probe(sections, "bare")
    rights = [packing(r) for r in rows if r["field_name"].endswith("_AR_BYTES")]
    print("caveats:")
    if is_emulated(sections):
        print("  none ends: this is an emulator, a virtual machine, or a report without the machine's facts")
        return
    if revision(rest) != 0x12:
        print("  ar-packing stays: no probe of revision 0x12")
    elif len(rights) == 8 and all(r == rights[0] and r for r in rights):
        print("  ar-packing ends: " + ("Nidus packs as this processor does" if rights[0] == OURS
                                       else f"this processor packs {' '.join(rights[0])}, Nidus {' '.join(OURS)}"))
    else:
        print("  ar-packing stays: the eight fields do not agree")
    launched = any(s.name == "verdict" and s.lines[:1] == ["step L well"] for s in sections)
    print("  never-on-silicon " + ("ends: Nidus went live on this machine" if launched else "stays: Nidus has not gone live here"))


# ---- cycles ----

def cycles(sections, where):
    found = {}
    for s in [s for s in sections if s.name == f"cycles {where}"][-1:]:
        for line in s.lines:
            m = re.fullmatch(r"cycles\.(\w+): (\d+) (\d+) (\d+) (\d+)", line)
            if m:
                found[m[1]] = [int(v) for v in m.groups()[1:]]
    return found


def read_costs(path):
    """({row: cycles}, {row: [(count, row)]}); a line that is neither raises Bad."""
    plain, sums = {}, {}
    with open(path, encoding="utf-8", errors="replace") as f:
        for number, line in enumerate(f, 1):
            line = line.split("#")[0].strip()
            m = re.fullmatch(r"(\w+) +(\d{1,12})", line)
            s = re.fullmatch(r"(\w+) *= *(\d{1,6} +\w+(?: *\+ *\d{1,6} +\w+)*)", line)
            if m:
                plain[m[1]] = int(m[2])
            elif s:
                sums[s[1]] = [(int(c), r) for c, r in re.findall(r"(\d+) +(\w+)", s[2])]
            elif line:
                raise Bad(f'{path}:{number}: neither "NAME NUMBER" nor "NAME = COUNT ROW + ...": {ascii(line[:60])}')
    return plain, sums


def say_frequency(sections):
    for s in [s for s in sections if s.name == "cycles bare"][-1:]:
        for line in s.lines:
            m = re.fullmatch(r"cycles\.frequency: tsc (\d{1,20}) mperf (\d{1,20}) aperf (\d{1,20})", line)
            if m and int(m[2]):
                print(f"  the processor ran at {int(m[3]) / int(m[2]):.2f} of its nominal frequency (APERF by MPERF): "
                      "so many cycles of its own are one tick")


READS = 4000        # of a row reads_*: guest-tests/stick/cycles.c


def say_misses(rows):
    if "reads_1g" not in rows:
        return
    for size in ("4k", "2m"):
        if f"reads_{size}" in rows:
            print(f"  a read with EPT leaves of {size}: {(rows[f'reads_{size}'][0] - rows['reads_1g'][0]) / READS:.1f} ticks more than with 1 GiB")


def say_cycles(sections, path):
    plain, sums = read_costs(path)
    bare, nidus, emulated = cycles(sections, "bare"), cycles(sections, "nidus"), is_emulated(sections)
    if not bare and not nidus:
        print("cycles: the report has none (step 5)")
        return
    print(f"cycles:{'':22} {'bare':>9} {'p5':>8} {'p95':>8} {'Nidus':>9} {'estimate':>9}")
    for row in [*bare, *(r for r in nidus if r not in bare)]:
        b, n = bare.get(row), nidus.get(row)
        expected = plain.get(row)
        off = "  <- more than twice off" if b and expected and not emulated and not expected / 2 <= b[0] <= expected * 2 else ""
        cells = [str(b[i]) if b else "-" for i in range(3)] + [str(n[0]) if n else "-", str(expected or "-")]
        print("  " + f"{row:27} {cells[0]:>9} {cells[1]:>8} {cells[2]:>8} {cells[3]:>9} {cells[4]:>9}{off}")
    say_frequency(sections)
    say_misses(bare)
    for row, parts in sums.items():
        missing = [r for _, r in parts if r not in bare]
        if missing or row not in nidus:
            print(f"  {row} by the model: not all measured ({', '.join(missing or [row + ' under Nidus'])})")
        else:
            total = sum(c * bare[r][0] for c, r in parts)
            print(f"  {row} by the model: {total}, measured under Nidus {nidus[row][0]} ({nidus[row][0] / max(total, 1):.2f} of it)")


def main():
    p = argparse.ArgumentParser(description="say what a report of the stick proves")
    p.add_argument("report")
    p.add_argument("--tests", metavar="FILE", help="the whole transcripts, TESTS-n.txt")
    p.add_argument("--costs", metavar="TABLE", default=COSTS, help="cycles to compare with")
    p.add_argument("--code", help="a code that somebody photographed")
    p.add_argument("--csv", metavar="FILE", help="write the layout that the probe found")
    a = p.parse_args()
    try:
        with open(a.report, "rb") as f:
            sections = parse(f.read(REPORT_MAX + 1))
        tests = None
        if a.tests:
            with open(a.tests, encoding="latin-1", newline="") as f:
                tests = f.read()
        if a.code and not any(l == f"code {a.code}" for s in sections for l in s.lines):
            raise Bad(f"code {a.code} is not of this report")
        say_machine(sections)
        report_memory.say(facts(sections), cpuid(facts(sections)), sections)
        say_steps(sections)
        failed = say_tests(sections, tests)
        say_caveats(sections)
        say_layout(sections, a.csv)
        say_cycles(sections, a.costs)
    except Bad as e:
        print(f"report: {a.report}: {e}", file=sys.stderr)
        return 1
    except OSError as e:
        print(f"report: {e.filename or 'output'}: {e.strerror}", file=sys.stderr)
        return 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
