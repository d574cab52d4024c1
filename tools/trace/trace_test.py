#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Boots guests under Nidus with trace=, reads the traces and judges them; makes the pictures of docs/ on request.

  trace_test.py [NAME...]        one, filters, first, smp2, smp4, cpu, slow, stuck, dump, depth, kvm, kvm2, page
  trace_test.py --pictures       first, depth and kvm, and their ladders and lanes in docs/ anew

  one       t_trace.efi: every record of it is known; L1 reads the ring by CPUID as well
  filters   nothing but what trace= names
  smp2      t_smp_trace.efi on two processors: they stream to one port, and each reads its own ring; all outputs tell them apart
  smp4      the same with four
  cpu       of two processors one, as trace=cpu1 says
  slow      L1 makes COM2 slow: nothing is lost; stuck: L1 stops it: it waits for nothing, and the reader says what is missing
  dump      the same program holds, and the machine's memory is written to a file: nidus-trace, vmcs12 scan and ring.py find theirs in it
  first     examples/first_exit.c, and what docs/walk.md says of it
  depth     t_trace.efi in a Nidus in a Nidus: what one VMCALL of its guest becomes
  kvm       Debian's KVM starts an L2; the trace comes out of the ring by nidus-info
  kvm2      the same with two processors: nidus-info reads the rings of both
  page      100,000 records as a ladder diagram in headless Chromium
"""
import base64, gzip, io, os, re, signal, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
RIG, OUT = os.path.join(ROOT, "tools/rig"), os.path.join(ROOT, "build/trace")
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, RIG, os.path.join(ROOT, "tools/web"), os.path.join(ROOT, "tests/host")]
import emu, ram
import ladder, lanes, perfetto, records, report, spans, words
from page_test import browser

NIDUS = "\\nidus.efi nested=on profile=host"
PICTURES = {"first": ("L2 exits: CPUID", "The first exit of an L1 of one page"),
            "depth": ("L2 exits: VMCALL", "A Nidus in Nidus: one VMCALL"), "kvm": ("VMLAUNCH enters L2", "KVM in L1 starts an L2")}


class Failed(Exception):
    pass


def check(ok, what):
    if not ok:
        raise Failed(what)


def boot(name, lines, until, files=(), dump=None, **more):
    """Runs the lines of a chain.txt; returns the directory and the text of port 0xE9. dump: a file for the memory at the end."""
    run, build = os.path.join(OUT, name), os.path.join(ROOT, "build")
    os.makedirs(run, exist_ok=True)
    disk, chain = os.path.join(run, "esp.img"), os.path.join(run, "chain.txt")
    with open(chain, "w") as f:
        f.write("".join(l + "\n" for l in lines))
    programs = sorted({l.split()[0][1:] for l in lines if l.split()[0].endswith(".efi")})
    subprocess.run([os.path.join(RIG, "mkesp.sh"), disk, f"::/EFI/BOOT/BOOTX64.EFI={build}/chain.efi", f"::/chain.txt={chain}",
                    *(f"::/{p}={build}/{p}" for p in programs), *(f"::/{f}={build}/l1/{f}" for f in files)], check=True)
    m = emu.Machine(disk, run, com2=True, **more)
    try:
        m.start(listening=bool(dump))
        code = m.wait(until, 1500)
        if dump:
            check("as L0 maps it" in ram.dump(m, dump), "the dump is not L0's view")
    except ram.NoDump as e:
        raise Failed(str(e)) from None
    finally:
        m.stop()
    text = m.output("e9").decode("latin-1").replace("\r", "")
    check(code == emu.ENDED, f"the emulator ended with {code}; see {run}")
    check("FAIL " not in text and "nidus: bug" not in text, "FAIL or a bug in " + run)
    return run, text


def stream(run):
    return records.read([os.path.join(run, "com2.bin")])


def is_exit(r, level, name):
    return r.kind == records.EXIT and r.level == level and words.reason(r.reason) == name


def one():
    run, text = boot("one", [NIDUS + " trace=all,com2", "\\t_trace.efi"], "END trace ")
    check("END trace 4" in text, "t_trace did not end")
    t = stream(run)
    check(not any("missing" in n for n in t.notes), f"{t.notes}")
    calls = [i for i, r in enumerate(t.records) if is_exit(r, 2, "VMCALL")]
    check(len(calls) == 4, f"{len(calls)} VMCALLs")
    for i in calls:
        said = [words.title(r) for r in t.records[i + 1:i + 4]]
        check(said == ["VMCALL is L1's", "L1 gets VMCALL", "enter L1"], f"after a VMCALL: {said}")
    entered = [(words.title(t.records[i - 1]), r.extra, words.written(r)) for i, r in enumerate(t.records) if r.kind == records.ENTRY and r.level == 2]
    check([e[0] for e in entered] == ["VMLAUNCH enters L2"] + ["VMRESUME enters L2"] * 3, f"entries: {entered}")
    check(entered[0][1] > 40 and entered[2][1] < 10, f"fields written: {[e[1] for e in entered]}")
    costs = spans.costs(t.records)
    check(len(costs) == 3 and all(c.inner == 1 and 500 < c.l0 < 20000 for c in costs[1:]), f"costs: {costs}")
    writes = [words.details(r) for r in t.records if r.kind == records.INSN and words.reason(r.reason) == "VMWRITE"]
    check(any(w.startswith("host_rip = ") for w in writes), "no VMWRITE of host_rip")
    ordered = [r.tsc for r in t.records]
    check(ordered == sorted(ordered), "time runs backwards")
    return f"{len(t.records)} records, a VMCALL and back in {costs[-1].ticks} ticks"


def filters():
    run, _ = boot("filters", [NIDUS + " trace=exits,insns,l2,com2", "\\t_trace.efi"], "END trace ")
    t = stream(run)
    check({(r.kind, r.level) for r in t.records} == {(records.EXIT, 2)}, "kinds " + str({(r.kind, r.level) for r in t.records}))
    return f"{len(t.records)} records"


def of_each(t, level, name):
    """How many such exits each processor had."""
    return [sum(is_exit(r, level, name) for r in t.records if r.cpu == cpu) for cpu in sorted(t.cpus)]


def told_apart(t, cpus):
    """Every output has a place for each processor; what `--cpu` leaves is one's alone."""
    text, sums, drawn, picture = (io.StringIO() for _ in range(4))
    report.text(t, text)
    check({l.split()[3] for l in text.getvalue().splitlines()} == {str(n) for n in range(cpus)}, "text: processors")
    report.statistics(t, sums)
    check(f"of {cpus} processors" in sums.getvalue(), "statistics: " + sums.getvalue().splitlines()[0])
    runs = {(e["pid"], e["tid"]) for e in perfetto.events(t) if e["ph"] == "X"}
    check(runs == {(cpu, level) for cpu in range(cpus) for level in range(3)}, f"perfetto: lanes {sorted(runs)}")
    lanes.write(t, picture)
    check(all(f"L2, cpu {n}" in picture.getvalue() for n in range(cpus)), "lanes: labels")
    ladder.write(t, "several", drawn)
    check('"cpus":' + str(list(range(cpus))).replace(" ", "") in drawn.getvalue(), "ladder: processors")
    for s in spans.spans(t.records):
        check(s.begin <= s.end, f"a span of processor {s.cpu} ends before it begins")


def smp(cpus):
    run, text = boot(f"smp{cpus}", [NIDUS + " trace=all,com2", "\\t_smp_trace.efi"], "END smp_trace ", kind="bochs3", cpus=cpus)
    check(f"END smp_trace {1 + cpus}" in text, "t_smp_trace did not end")
    t = stream(run)
    check(not any("missing" in n for n in t.notes), f"{t.notes}")
    check(t.cpus == set(range(cpus)), f"processors {t.cpus}")
    check(of_each(t, 2, "VMCALL") == [20] * cpus, f"VMCALLs {of_each(t, 2, 'VMCALL')}")
    told_apart(t, cpus)
    cut = records.Trace()
    with open(os.path.join(run, "com2.bin"), "rb") as f:
        data = f.read()
    records.read_data(data[:len(data) // 2] + data[len(data) // 2 + 64 * 50:], cut)
    lost = sum(int(n.split()[2]) for n in cut.notes if "are missing" in n)
    check(lost in (50, 51) and len(cut.records) == len(t.records) - lost, f"50 records left out: {cut.notes}")
    return f"{len(t.records)} records of {cpus} processors, none lost"


def smp2():
    return smp(2)


def smp4():
    return smp(4)


def cpu():
    run, _ = boot("cpu", [NIDUS + " trace=exits,l2,cpu1,com2", "\\t_smp_trace.efi"], "END smp_trace ", kind="bochs3", cpus=2)
    t = stream(run)
    check({(r.cpu, r.kind, r.level) for r in t.records} == {(1, records.EXIT, 2)}, "other records")
    check(of_each(t, 2, "VMCALL") == [0, 20], f"VMCALLs {of_each(t, 2, 'VMCALL')}")
    return f"{len(t.records)} records of processor 1"


def slow():
    """L1 has set COM2 to 19,200 baud: whoever waits for the port must wait longer, and loses nothing."""
    run, text = boot("slow", [NIDUS + " trace=exits,l2,com2", "\\t_smp_trace.efi divisor=6"], "END smp_trace ", kind="bochs3", cpus=4)
    check("END smp_trace 5" in text, "t_smp_trace did not end")
    t = stream(run)
    check(not any("missing" in n for n in t.notes) and of_each(t, 2, "VMCALL") == [20] * 4, f"{t.notes}")
    return f"{len(t.records)} records"


def stuck():
    """L1 has all but stopped COM2: it comes to its end soon, and the reader says how much is missing."""
    run, text = boot("stuck", [NIDUS + " trace=exits,com2", "\\t_smp_trace.efi divisor=65535"], "END smp_trace ", kind="bochs3", cpus=2)
    check("END smp_trace 3" in text, "t_smp_trace did not end")
    t = stream(run)
    check(any("missing" in n for n in t.notes), f"{t.notes}")
    return "; ".join(t.notes)


def said_of(program, *words_):
    done = subprocess.run([os.path.join(ROOT, program), *words_], capture_output=True, text=True)
    check(done.returncode == 0, f"{program} {' '.join(words_)}: {done.returncode}: {done.stdout[:200]}{done.stderr[:200]}")
    return done.stdout


def dump():
    path = os.path.join(OUT, "dump.bin")
    try:
        boot("dump", [NIDUS + " trace=all log=e9", "\\t_trace.efi hold=1"], "trace.holds", dump=path)
        t = records.read([path])
        calls = [r for r in t.records if is_exit(r, 2, "VMCALL")]
        check(len(calls) == 4 and t.cpus == {0}, f"{len(calls)} VMCALLs in the dump")
        check(not any("missing" in n for n in t.notes), f"{t.notes}")
        text = said_of("tools/trace/nidus-trace", "text", path)
        check(text.count("\n") == len(t.records) and "L2 exits: VMCALL" in text, "nidus-trace text")
        check("exits of L2 and back: 3" in said_of("tools/trace/nidus-trace", "stat", path), "nidus-trace stat")
        pages = said_of("build/vmcs12", "scan", path)
        mine = re.search(r"^0x002001000 .*guest_rip 0x([0-9a-f]+) +exit_reason 18$", pages, re.M)
        check(mine and int(mine[1], 16) == calls[-1].rip, f"vmcs12 scan, with L2 at {calls[-1].rip:x}: {pages}")
        check("L1 runs" in said_of("tools/ring.py", path), "ring.py")
        return f"{len(t.records)} records, {pages.count(chr(10))} VMCS pages"
    finally:
        if os.path.exists(path):
            os.unlink(path)
def plain(line):
    """A line of the trace's text without its times and addresses: (level, kind, words)."""
    level, kind, _, rest = re.match(r" *\d+ \+\d+ +(L\d) (\w+) +([0-9a-f]+)  (.*)$", line).groups()
    return level, kind, re.sub(r"\b[0-9a-f]*\d[0-9a-f]*\b", "N", rest)


def first():
    run, _ = boot("first", [NIDUS + " trace=all,com2", "\\first_exit.efi"], "CHAIN END")
    t = stream(run)
    check(any(re.search("host_rsp = [1-9a-f]", report.line(r)) for r in t.records), "the value of host_rsp")
    with open(os.path.join(ROOT, "docs/walk.md"), encoding="utf-8") as f:
        told = [plain(l) for l in f if re.match(r" +\d{6,} \+\d+ ", l)]
    check(told, "no trace in docs/walk.md")
    out = io.StringIO()
    report.text(t, out)
    seen = [plain(l) for l in out.getvalue().splitlines()]
    at = next((i for i, s in enumerate(seen) if s == told[0]), 0)
    for want, got in zip(told, seen[at:]):
        same = got[2].startswith(want[2][:-3]) if want[2].endswith("...") else got[2] == want[2]
        check(want[:2] == got[:2] and same, f"docs/walk.md has {want}, the trace {got}")
    return f"{len(t.records)} records, {len(told)} of them in docs/walk.md"


def depth():
    run, text = boot("depth", [NIDUS + " trace=all,com2", NIDUS, "\\t_trace.efi"], "END trace ")
    t = stream(run)
    calls = [c for c in spans.costs(t.records) if words.reason(c.exit.reason) == "VMCALL"]
    check(len(calls) >= 4, f"{len(calls)} VMCALLs")
    check(any(c.inner > 5 for c in calls), "the Nidus inside does not exit")
    out = io.StringIO()
    report.statistics(t, out)
    multiplied = re.search(r"VMCALL +\d+ for \d+, (\d+\.\d+) for one", out.getvalue())
    check(multiplied, "no depth multiplication in the statistics")
    return f"a VMCALL becomes {multiplied[1]} exits"


def linux(name, first, arguments, **more):
    line = rf"\vmlinuz initrd=\initrd.img console=ttyS0 {arguments} quiet cryptomgr.notests=1 tsc=reliable nokaslr -- trace"
    run, text = boot(name, [*first, NIDUS + " trace=all", line], "L1 END", ("vmlinuz", "initrd.img"), **more)
    packed = re.search(r"TRACE BEGIN\n(.*?)TRACE END", text, re.S)
    check(packed, "no trace of nidus-info")
    path = os.path.join(run, "ring")
    with open(path, "wb") as f:
        f.write(gzip.decompress(base64.b64decode(packed[1])))
    t = records.read([path])
    started = [r for r in t.records if r.kind == records.INSN and r.code == 4]
    check(started and any(is_exit(r, 2, "CPUID") for r in t.records), "KVM started no L2 in it")
    check(any(r.kind == records.FILL for r in t.records), "EPT02 was never filled")
    return t, started


def kvm():
    t, started = linux("kvm", [], "acpi=off")
    return f"{len(t.records)} records, {len(started)} entries of L2"


def kvm2():
    t, started = linux("kvm2", ["\\tables.efi"], "", kind="bochs3", cpus=2)
    check(t.cpus == {0, 1} and {r.cpu for r in t.records} == {0, 1}, f"processors {t.cpus}")
    return f"{len(t.records)} records of two processors, {len(started)} entries of L2"


def page():
    from nidus_trace_test import head, load, story
    t = load(head(capacity=1 << 20, written=100000) + b"".join(story(turns=10000)))
    path = os.path.join(OUT, "page.html")
    os.makedirs(OUT, exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        ladder.write(t, "many", f)
    dom = browser("--dump-dom", f"file://{path}#succeeds%20exit_reason")
    found = re.search(r'id="found">([^<]*)', dom)
    check(found and found[1] == "1 of 10000 found", f"the search says {found and found[1]}")
    drawn = dom.split('id="data"')[0].count('class="row')
    check(10 < drawn < 120, f"{drawn} rows are in the page")
    check("SDM 3C 31.3" in dom.split('id="one"')[1].split("<script")[0], "the record has no title of the SDM")
    browser("--window-size=1200,800", f"--screenshot={OUT}/page.png", f"file://{path}#succeeds")
    check(os.path.getsize(f"{OUT}/page.png") > 20000, "the picture is empty")
    return f"{drawn} of 100000 rows drawn"


def pictures(name):
    """The ladder as a picture, and the lanes."""
    words_, heading = PICTURES[name]
    t = records.read([os.path.join(OUT, name, "ring" if name == "kvm" else "com2.bin")])
    at = [i for i, r in enumerate(t.records) if words_ in words.title(r)][1 if name == "depth" else 0]
    end = next((i for i, r in enumerate(t.records) if i > at + 20 and r.kind == records.ENTRY and r.level == 2), at + 60)
    before, behind = {"depth": (4, 40), "kvm": (60, 40), "first": (9, -50)}[name]
    t.records = t.records[max(0, at - before):end + behind]
    html = os.path.join(OUT, f"{name}.html")
    with open(html, "w", encoding="utf-8") as f:
        ladder.write(t, heading, f)
    there = os.path.join(ROOT, "docs", "trace-" + name)
    browser(f"--window-size=1300,{620 if name == 'first' else 900}", f"--screenshot={there}.png", f"file://{html}#{words_.replace(' ', '%20')}")
    with open(there + ".svg", "w", encoding="utf-8") as f:
        lanes.write(t, f)
    return f"{len(t.records)} records drawn"


TESTS = {f.__name__: f for f in (one, filters, first, smp2, smp4, cpu, slow, stuck, dump, depth, kvm, kvm2, page)}


def main():
    signal.signal(signal.SIGTERM, emu.raise_on_term)
    wanted = sys.argv[1:]
    draws = "--pictures" in wanted
    wanted = list(PICTURES) if draws else wanted or list(TESTS)
    if unknown := [w for w in wanted if w not in TESTS]:
        sys.exit("trace_test: no such test: " + " ".join(unknown))
    failed = 0
    for name in wanted:
        try:
            told = TESTS[name]()
            if draws:
                told += "; " + pictures(name)
            print(f"ok    {name}: {told}", flush=True)
        except (Failed, records.TraceError, subprocess.SubprocessError) as e:
            failed += 1
            print(f"FAIL  {name}: {e}", flush=True)
    print(f"trace: {len(wanted) - failed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
