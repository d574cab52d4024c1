#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Host tests of nidus-trace: all forms of input, what it says of garbage, cut and foreign ones, and its outputs.

The format is typed here once more, so that a change of hv/trace/record.h or of the reader shows.
"""
import io, json, os, random, re, struct, subprocess, sys, tempfile

sys.dont_write_bytecode = True
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
TOOL = os.path.join(ROOT, "tools/trace/nidus-trace")
sys.path.insert(0, os.path.dirname(TOOL))
import ladder, lanes, perfetto, records, report, spans, words

ALL_ONES = (1 << 64) - 1
FUZZED = 1500


def head(form=2, cpu=0, cpus=1, capacity=16384, written=0, version=1, size=64):
    capacity = 0 if form == 1 else capacity
    return struct.pack("<8sHHIIIIIQQQQ", b"NidTrace", version, size, form, cpu, cpus, 0, 0x100, capacity, written, 1000, 0)


def record(number, kind, level, tsc, reason=0, extra=0, a=0, b=0, c=0, d=0, code=0, cpu=0, rip=0x1000):
    return struct.pack("<IBBBBQQIIQQQQ", number & 0xffffffff, kind, level, cpu, code, tsc, rip, reason, extra, a, b, c, d)


def story(first=0, cpu=0, turns=1, start=1000):
    """CPUID of L2, given to L1, which reads a field and resumes: ten records a turn."""
    out, n, t = [], first, start
    def add(*args, **more):
        nonlocal n
        out.append(record(n, *args, cpu=cpu, **more))
        n += 1
    for _ in range(turns):
        add(8, 2, t, extra=2, a=0x681e | 0x6820 << 16)                                     # L2 is entered
        add(1, 2, t + 100, reason=10, d=0x4)                                                # CPUID
        add(2, 2, t + 150, reason=10, code=1)
        add(3, 1, t + 160, reason=10, c=0x1000)
        add(8, 1, t + 500, d=100)                                                           # 300 of L0 without the trace's 100
        add(1, 1, t + 600, reason=23)
        add(5, 1, t + 650, reason=23, a=0x4402, b=10, c=ALL_ONES)
        add(8, 1, t + 700)
        add(1, 1, t + 800, reason=24)
        add(5, 1, t + 900, reason=24, code=4, a=0x2000, c=ALL_ONES)
        t += 1000
    return out


def load(data):
    trace = records.Trace()
    records.read_data(data, trace)
    trace.records = records.in_order(trace.records)
    return trace


def complaint(data):
    try:
        load(data)
    except records.TraceError as e:
        return str(e)
    raise AssertionError("nothing was said")


def ring(recs, capacity, written, cpu=0):
    """A head and its ring as in memory."""
    slots = [bytes(64)] * capacity
    for r in recs:
        slots[struct.unpack_from("<I", r)[0] % capacity] = r
    return head(0, cpu, capacity=capacity, written=written).ljust(4096, b"\0") + b"".join(slots)


def test_file():
    t = load(head(written=10) + b"".join(story()))
    assert [r.kind for r in t.records] == [8, 1, 2, 3, 8, 1, 5, 8, 1, 5]
    two = head(cpus=2, written=10) + b"".join(story()) + head(cpu=1, cpus=2, written=10) + b"".join(story(cpu=1))
    assert load(two).cpus == {0, 1} and len(load(two).records) == 20
    recs = story(first=40, turns=1)
    round_ = load(head(capacity=10, written=50) + b"".join(recs))
    assert round_.records[0].number == 40 and round_.notes == ["processor 0: 40 older records have left the ring"], round_.notes


def test_stream():
    recs = story()
    assert len(load(head(1) + b"".join(recs)).records) == 10
    noise = b"BdsDxe: loading\r\n" + head(1) + b"nidus: live\r\n" + recs[0] + recs[1] + b"NidTrac" + b"".join(recs[2:]) + b"bye"
    t = load(noise)
    assert len(t.records) == 10 and "23 bytes" in t.notes[0], t.notes     # the firmware's, before, are none
    lost = load(head(1) + b"".join(recs[:4] + recs[6:]))
    assert len(lost.records) == 8 and "2 records are missing" in lost.notes[0]
    assert len(load(head(1) + b"".join(recs)[:-5]).records) == 9                             # the machine was stopped in a record
    both = head(1, 0, 2) + recs[0] + head(1, 1, 2) + story(cpu=1)[0] + recs[1]
    assert [r.cpu for r in load(both).records] in ([0, 1, 0], [1, 0, 0])


def test_dump():
    recs = story(turns=2)
    memory = bytes(8192) + b"NidTrace is only a word here".ljust(4096, b"\0") + ring(recs[4:], 16, 20) + bytes(4096)
    t = load(memory)
    assert [r.number for r in t.records] == list(range(4, 20)), [r.number for r in t.records]
    torn = bytearray(memory)
    at = memory.index(recs[19])
    torn[at:at + 4] = b"\xff\xff\xff\xff"
    assert len(load(bytes(torn)).records) == 15 and "1 records are missing" in load(bytes(torn)).notes[0]
    assert "4 older records have left" in load(memory).notes[0], load(memory).notes
    torn[at - 64:at - 60] = b"\xff\xff\xff\xff"
    assert "damaged: 2 of 16" in complaint(bytes(torn))


def test_complaints():
    good = head(written=10) + b"".join(story())
    assert complaint(b"") == "empty"
    assert "no trace of Nidus" in complaint(b"\x7fELF" + bytes(5000))
    assert "cut in the head at byte 0" in complaint(good[:40])
    assert "cut: 8 of 10" in complaint(good[:-65])
    assert "version 2" in complaint(head(version=2)) and "80 bytes" in complaint(head(size=80))
    assert "record 3 of processor 0, at byte 256, is damaged" in complaint(good[:256 + 4] + b"\x63" + good[261:])
    assert "no trace begins at byte 704" in complaint(good + b"xx")
    assert "damaged" in complaint(head(form=3)) and "damaged" in complaint(head(cpu=64))
    assert "cut in the ring" in complaint(head(0, capacity=16, written=3).ljust(4096, b"\0"))
    assert "what begins at byte 5" in complaint(b"12345" + good)


def test_time():
    t = load(head(written=30) + b"".join(story(turns=3)))
    of_l0 = [s.end - s.begin for s in spans.spans(t.records) if s.level == 0]
    assert of_l0[0] == 300 and of_l0[1] == 100, of_l0
    cost = spans.costs(t.records)
    assert len(cost) == 2 and cost[0].inner == 2 and cost[0].exit.reason == 10, cost
    assert all(a.tsc <= b.tsc for a, b in zip(t.records, t.records[1:]))


def test_outputs():
    t = load(head(written=30) + b"".join(story(turns=3)))
    out = io.StringIO()
    report.text(t, out)
    assert "VMREAD succeeds: exit_reason = a" in out.getvalue() and "guest_rip" in out.getvalue(), out.getvalue()
    out = io.StringIO()
    report.statistics(t, out)
    assert "2 exits of L2 became 6, 3.00 for one" in out.getvalue(), out.getvalue()
    out = io.StringIO()
    perfetto.write(t, out)
    events = json.loads(out.getvalue())["traceEvents"]
    assert {e["args"]["name"] for e in events if e["name"] == "thread_name"} == {"L0 Nidus", "L1", "L2"}
    assert sum(e["ph"] == "X" and e["tid"] == 2 for e in events) == 3
    out = io.StringIO()
    lanes.write(t, out)
    assert out.getvalue().count("<title>") == sum(e["ph"] == "X" for e in events)


def test_ladder_escapes():
    t, out = load(head(written=10) + b"".join(story())), io.StringIO()
    ladder.write(t, "</script><b>&", out)
    page = out.getvalue()
    assert "<b>" not in page.split("<script")[0] and page.count("</script>") == 2


def test_words():
    """Every reason, kind, outcome and every title of the SDM that is said stands in docs/SDM.md."""
    with open(os.path.join(ROOT, "docs/SDM.md"), encoding="utf-8") as f:
        known = f.read()
    for kind in range(1, 10):
        for reason in [*range(80), 0xffff, 1 << 31 | 33]:
            for code in range(7):
                r = records.Record(0, kind, 2, 0, code, 5, 0, reason, 14, ALL_ONES, 3, 5 if kind == 5 else ALL_ONES, 7)
                assert words.title(r) and isinstance(words.details(r), str)
                assert "* " + words.sdm(r) in known, words.sdm(r)
    assert len(words.REASONS) > 60 and len(words.FIELDS) > 150 and len(words.ERRORS) == 25 and len(words.RULES) > 100


def test_many():
    """100,000 records: a page of a size that a browser takes."""
    recs, out = story(turns=10000), io.StringIO()
    t = load(head(capacity=1 << 20, written=100000) + b"".join(recs))
    ladder.write(t, "many", out)
    assert len(out.getvalue()) < 8 << 20


def test_fuzz():
    """Whatever is damaged: records, or one complaint."""
    dice = random.Random(1)
    recs = b"".join(story(turns=3))
    seeds = [head(written=30) + recs, head(1) + recs, bytes(4096) + ring(story(turns=3), 32, 30), head(1, 0, 2) + recs + head(1, 1, 2)]
    for i in range(FUZZED):
        data = bytearray(dice.choice(seeds))
        for _ in range(dice.randrange(1, 6)):
            at = dice.randrange(len(data))
            how = dice.randrange(4)
            if how == 0:
                data[at] = dice.randrange(256)
            elif how == 1:
                del data[at:at + dice.randrange(1, 100)]
            elif how == 2:
                data[at:at] = dice.randbytes(dice.randrange(1, 80))
            else:
                data[at:at + 8] = struct.pack("<Q", dice.choice([0, 1, ALL_ONES, 1 << 63, 1 << 31]))
            if not data:
                data = bytearray(b"x")
        try:
            t = load(bytes(data))
        except records.TraceError as e:
            assert "\n" not in str(e)
            continue
        if t.records:
            for write in (report.text, report.statistics, perfetto.write):
                write(t, io.StringIO())
            ladder.write(t, "x", io.StringIO())


def run(*args, data=None):
    return subprocess.run([TOOL, *args], capture_output=True, text=True, input=data, timeout=60)


def test_command():
    with tempfile.TemporaryDirectory() as d:
        good, bad = os.path.join(d, "good"), os.path.join(d, "bad")
        with open(good, "wb") as f:
            f.write(head(written=10) + b"".join(story()))
        with open(bad, "wb") as f:
            f.write(b"garbage")
        assert run("text", good).stdout.count("\n") == 10
        assert run("text", good, "--level", "1", "--kind", "insn").stdout.count("\n") == 2
        assert run("text", good, "--last", "3").stdout.count("\n") == 3
        for args, said in ((("text", bad), "no trace of Nidus"), (("text", d), "Is a directory"), (("text", d + "/none"), "No such file"),
                           (("stat", good, "--cpu", "7"), "no record is left"), (("text", good, "--kind", "fish"), "fish"),
                           (("dance", good), "invalid choice"), (("ladder", good, "-o", d + "/no/x"), "No such file"), (("text",), "required"),
                           (("text", good, "--around", "nothing like it"), "no record has the words"),
                           (("lanes", good, "--kind", "insn"), "no exit and entry")):
            done = run(*args)
            assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1 and not done.stdout, (args, done.stderr)
        assert run("ladder", good, "-o", d + "/x.html").returncode == 0 and os.path.getsize(d + "/x.html") > 5000
        full = subprocess.run([TOOL, "text", good], stdout=open("/dev/full", "w"), stderr=subprocess.PIPE, text=True)
        assert full.returncode == 2 and re.search("No space left", full.stderr), full.stderr


def main():
    tests = [(n[5:], f) for n, f in sorted(globals().items()) if n.startswith("test_")]
    failed = []
    for name, f in tests:
        try:
            f()
        except AssertionError as e:
            failed.append(name)
            print(f"FAIL {name}: {e}")
    print(f"nidus-trace: {len(tests) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
