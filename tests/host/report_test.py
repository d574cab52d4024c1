#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Host tests of tools/report.py: what a report proves, and one clear line for each that is cut, changed or none at all.

The fuzz at the end changes reports at random and seals some of them again, so that the readers behind the checksums meet
nonsense too: each must be read, or refused with Bad; nothing else may be raised. REPORT_FUZZ=N rounds (400), SEED=.
"""
import contextlib, io, os, random, re, sys, tempfile, zlib

sys.dont_write_bytecode = True
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
sys.path.insert(0, os.path.join(ROOT, "tools"))
import report
from report import Bad

# The i7-5600U's brand in leaves 80000002 to 80000004.
BRAND = "Intel(R) Core(TM) i7-5600U CPU @ 2.60GHz".ljust(48, "\0")
MACHINE = ["status 0", "BEGIN machine", "machine.under: bare", 'machine.firmware: "Somebody" revision 1 uefi 2.40',
           'machine.smbios: 1 "A vendor" "A laptop" "3"', "machine.cpuid: 1.0 000306d4 00100800 7ffafbff bfebfbff",
           *(f"machine.cpuid: 8000000{n + 2}.0 " + " ".join(f"{int.from_bytes(BRAND[16 * n + 4 * k:16 * n + 4 * k + 4].encode(), 'little'):08x}" for k in range(4)) for n in range(3)),
           "machine.microcode: 2f", "machine.cpus: 4 enabled 4", "machine.cpu: 1 differs 0", "machine.cpu: 2 differs 3",
           "machine.vtd: fed90000 ver 10 cap 1 ecap 2 gsts 0 pmen 0",
           # RAM up to 3 GiB and the rest UC, 36 bits wide; the first MiB by the fixed ranges: VGA's 128 KiB are UC.
           "machine.cpuid: 80000008.0 00003024 00000000 00000000 00000000", "machine.msr: 2ff 0000000000000c06",
           "machine.msr: 200 00000000c0000000", "machine.msr: 201 0000000fc0000800", "machine.msr: 250 0606060606060606",
           "machine.msr: 258 0606060606060606", "machine.msr: 259 0000000000000000",
           *(f"machine.msr: {m:x} 0606060606060606" for m in range(0x268, 0x270)),
           "machine.map: 7 0 a0 f", "machine.map: 7 100000 bff00 f", "machine.map: 0 c0000000 100 1", "machine.map: entries 3", "END machine 33"]
DRY = ["status 0", "nidus: RAM: 0x0-0xa0000 0x100000-0xc0000000", "nidus: EPT01 of processor 0: UC 1G 1 2M 0 4K 32",
       "nidus: EPT01 of processor 0: WB 1G 2 2M 503 4K 480", "nidus: EPT01 of processor 0: 4 tables, 0 leaves lead elsewhere"]
CHECK = ["status 0", "nidus: check: found   needed memory: 16 MiB in one piece"]
CYCLES = ["status 0", "cycles.nothing: 24 22 30 10000", "cycles.cpuid: 96 90 110 10000", "cycles.vmread_hot: 30 28 33 10000",
          "cycles.vmwrite_hot: 31 28 33 10000", "cycles.vmclear_dirty: 150 1 2 10000", "cycles.vmptrld_of_2: 160 1 2 10000",
          "cycles.trip_ept_vpid: 1100 1 2 10000", "cycles.reads_4k: 140000 1 2 278", "cycles.reads_2m: 60000 1 2 278",
          "cycles.reads_1g: 20000 1 2 278", "cycles.frequency: tsc 1000 mperf 800 aperf 1000"]
CSV = "vmcs_probe." + "csv: "
RIGHTS = [f"{CSV}{enc:#06x},GUEST_{n}_AR_BYTES,32,{at:#05x},high,probe BC,as revision 0x12; packed 0-7>{at:#05x}.0 12-16>{at + 1:#05x}.0"
          for enc, n, at in zip(range(0x4814, 0x4824, 2), "ES CS SS DS FS GS LDTR TR".split(), (0x22, 0x32, 0x42, 0x52, 0x82, 0x92, 0x62, 0x72))]
PROBE = ["BEGIN vmcs_probe", "vmcs_probe.vmcs: revision 12 bytes 1024 memory type 6 misc 300481e5",
         CSV + "encoding_hex,field_name,width,byte_offset_hex,confidence,source,note",
         CSV + "0x0000,VIRTUAL_PROCESSOR_ID,16,0x0ce,high,probe ABC,as revision 0x12",
         CSV + "0x202a,VE_INFORMATION_ADDRESS,64,0x3d0,high,probe ABC,revision 0x12 has 0x3c8", *RIGHTS,
         "vmcs_probe.odd: fields that read and lie nowhere 2", "vmcs_probe.hidden: launch 0x0d8 1 0 1", "END vmcs_probe 9"]


def seal(sections):
    """A whole report of (name, lines); a verdict gets its code."""
    text, running = report.HEAD + "\n", 0
    for number, (name, lines) in enumerate(sections, 1):
        lines = [l.replace("CODE", f"N1K-306d4-{running:08x}") for l in lines]
        body = "".join(l + "\n" for l in lines)
        part = f"== begin {number} {name}\n{body}== end {number} {name} {zlib.crc32(body.encode()):08x}\n"
        running = zlib.crc32(part.encode()) ^ ((running << 1 | running >> 31) & 0xffffffff)
        text += part
    return text.encode()


def verdict(step, how, text):
    return ("verdict", [f"step {step} {how}", "code CODE", text])


WHOLE = [("menu", ["v1"]), ("machine", MACHINE), ("check", CHECK), ("dry", DRY), verdict("1", "well", "Nidus can run here"), ("cycles bare", CYCLES),
         ("probe bare", PROBE), ("launch begins", ["nested=on"]), verdict("L", "well", "launched: version 1"),
         ("test t_a bare", ["status 0 lines 3 crc 0 lost 0", "failed 0"]),
         ("test t_a nidus", ["status 0 lines 3 crc 0 lost 0", "failed 0", "- a.x: 1", "+ a.x: 2", "differs 1 permitted 0"]),
         ("cycles nidus", ["cycles.trip_ept_vpid: 4000 1 2 100"])]


def read(data, *words):
    """(status, what it printed, the errors) of the program."""
    out, err = io.StringIO(), io.StringIO()
    with tempfile.NamedTemporaryFile(suffix=".txt") as f, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        f.write(data)
        f.flush()
        argv, sys.argv = sys.argv, ["report.py", f.name, *words]
        try:
            status = report.main()
        finally:
            sys.argv = argv
    return status, out.getvalue(), err.getvalue()


def refusal(data):
    try:
        report.parse(data)
    except Bad as e:
        return str(e)
    raise AssertionError("it was taken")


def test_whole():
    status, out, err = read(seal(WHOLE))
    assert (status, err) == (0, ""), err
    for text in ("i7-5600U", "family 6 model 0x3d stepping 4, microcode 2f, VMX there", "differ from the first: 2\n", "fed90000",
                 "check: well: Nidus can run here", "launch: well", "test t_a nidus: status 0", "+ a.x: 2",
                 "ar-packing ends: this processor packs 0-7>0.0 12-16>1.0, Nidus 0-7>0.0 12-15>1.4 16-16>1.0",
                 "never-on-silicon ends", "0x202a VE_INFORMATION_ADDRESS: here 0x3d0, known 0x3c8 (low)", "as revision 0x12: 9; differ 1",
                 "hidden: launch 0x0d8"):
        assert text in out, (text, out)
    assert "test t_a bare" not in out           # nothing is wrong with it


def test_cycles_and_model():
    out = read(seal(WHOLE))[1]
    assert "<- more than twice off" not in out
    total = 22 * 30 + 51 * 31 + 2 * 150 + 2 * 160 + 2 * 1100
    assert f"by the model: {total}, measured under Nidus 4000 ({4000 / total:.2f} of it)" in out, out
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as f:
        f.write("cpuid 20\n# nothing\nx = 2 vmread_hot + 1 gone\n")
        f.flush()
        out = read(seal(WHOLE), "--costs", f.name)[1]
    assert "20  <- more than twice off" in out and "x by the model: not all measured (gone)" in out


def test_misses_and_frequency():
    out = read(seal(WHOLE))[1]
    for text in ("leaves of 4k: 30.0 ticks more", "leaves of 2m: 10.0 ticks more", "ran at 1.25 of its nominal"):
        assert text in out, (text, out)


def said_of(dry=DRY, **changes):
    """What is said of memory when lines of the dry run, or of the machine, are replaced."""
    machine = MACHINE
    for old, new in changes.get("machine", []):
        machine = [l.replace(old, new) for l in machine]
    return read(seal([(n, dry if n == "dry" else machine if n == "machine" else l) for n, l in WHOLE]))[1].split("steps:")[0]


def test_memory():
    out = said_of()
    for text in ("RAM 3071 MiB in 2 ranges", "UC 1 of 1 GiB, 0 of 2 MiB, 32 of 4 KiB", "below 4 GiB: 0 KiB", "are those of the MTRRs"):
        assert text in out, (text, out)


def test_memory_that_differs():
    assert "NOT the MTRRs': UC, WB" in said_of([l.replace("4K 32", "4K 31").replace("4K 480", "4K 481") for l in DRY])
    assert "NOT the MTRRs': UC" in said_of([l.replace("1G 1 2M 0", "1G 0 2M 0") for l in DRY])
    assert "3 leaves lead to another address" in said_of([l.replace(" 0 leaves", " 3 leaves") for l in DRY])
    assert "2 trees" in said_of(DRY + ["nidus: EPT01 of processor 2: UC 1G 4 2M 0 4K 0"])
    assert "no EPT01" in said_of(["status 0"])
    # The map says that RAM goes on above 3 GiB, where the MTRRs have UC.
    assert "below 4 GiB: 1024 KiB" in said_of(machine=[("map: 0 c0000000", "map: 7 c0000000")])
    assert "masks with gaps" in said_of(machine=[("201 0000000fc0000800", "201 0000000fa0000800")])
    assert "no MTRRs" in said_of(machine=[("msr: 2ff", "msr: 2fe")])
    # RAM above 4 GiB: its leaves may reach beyond it, so more is no difference.
    assert "are those" in said_of([l.replace("-0xc0000000", "-0xc0000000 0x100000000-0x180000000").replace("WB 1G 2", "WB 1G 5") for l in DRY])


def test_bad_costs():
    for text in (b"cpuid many\n", b"\xff\xfe\0\x80\n"):
        with tempfile.NamedTemporaryFile(suffix=".txt") as f:
            f.write(text)
            f.flush()
            status, _, err = read(seal(WHOLE), "--costs", f.name)
        assert status == 1 and ':1: neither "NAME NUMBER"' in err and err.isascii(), err


def test_packing_as_ours():
    ours = [l.replace("12-16>", "12-15>").replace(".0 12-15", ".0 12-15") for l in PROBE]
    ours = [l if "_AR_" not in l else l[:-1] + "4 16-16>" + l.rsplit(">", 1)[1] for l in ours]
    assert "ar-packing ends: Nidus packs as this processor does" in read(seal([(n, ours if n == "probe bare" else l) for n, l in WHOLE]))[1]


def test_an_emulator_ends_nothing():
    for old, new in (("A laptop", "QEMU"), ("nothing: 24", "nothing: 5"), ("7ffafbff", "fffafbff"), ("machine.smbios", "machine.other")):
        changed = [(n, [l.replace(old, new) for l in lines]) for n, lines in WHOLE]
        out = read(seal(changed))[1]
        assert "none ends" in out and "ar-packing ends" not in out, (old, out)


def test_a_machine_that_died():
    out = read(seal(WHOLE + [("test begins", ["t_msr nidus"])]))[1]
    assert re.search("THE MACHINE DID NOT COME BACK from this, .*: test: t_msr nidus", out)
    out = read(seal(WHOLE + [("test begins", ["t_msr nidus"]), ("ended early", ["the stick is full"])]))[1]
    assert "THE REPORT ENDED EARLY: the stick is full;" in out and "COME BACK" not in out


def test_code():
    code = next(l.split()[1] for l in seal(WHOLE).decode().splitlines() if l.startswith("code "))
    assert read(seal(WHOLE), "--code", code)[0] == 0
    status, _, err = read(seal(WHOLE), "--code", "N1K-306d4-00000000")
    assert status == 1 and "is not of this report" in err


def test_a_wrong_code_is_seen():
    sections = [(n, [l.replace("CODE", "N1K-306d4-12345678") for l in lines]) for n, lines in WHOLE]
    assert "does not fit what stands before it" in refusal(seal(sections))


def test_line_ends_of_mail():
    assert len(report.parse(seal(WHOLE).replace(b"\n", b"\r\n"))) == len(WHOLE)


def test_refusals():
    good = seal(WHOLE)
    for data, text in ((b"", "it is empty"), (b"\n\n", "it is empty"), (b"hello\n", 'line 1: not "nidus-report 1"'),
                       (b"nidus-report 1\n", "it has no section"), (b"nidus-report 2\n" + good[15:], 'of another version, "nidus-report 2"'), (good + good, "another report begins here"),
                       (good + b"x\n", "stands in no section"), (b"\0" * 50, "bytes that no report has"),
                       (good.replace(b"i", b"\xe9", 1), "bytes that no report has"), (b"x" * (report.REPORT_MAX + 1), "at most"),
                       (good.replace(b"ecap 2", b"ecap 3"), "section 2 (machine) is not what was written"),
                       (good.replace(b"== begin 3 ", b"== begin 4 "), "section 4 where 3 is due"),
                       (good.replace(b"== end 2 machine", b"== end 2 engine"), "does not end section 2"),
                       (good.replace(b"== end 2 machine", b"== bgn 2 machine"), "has no end")):
        assert text in refusal(data), (text, refusal(data))


def test_every_cut_is_seen():
    good = seal(WHOLE)
    whole = {i + 1 for i in range(len(good)) if good[:i + 1].endswith(b"\n") and good[:i].rsplit(b"\n", 1)[-1].startswith(b"== end ")}
    for n in range(len(good)):
        if n not in whole:                      # between sections: a report that was not continued
            assert refusal(good[:n])


def test_whole_transcripts():
    bodies = {"t_a bare": "BEGIN a\nALIVE none\na.x: 1\nEND a 1\n", "t_b bare": "BEGIN b\nEND b 0\n", "t_a nidus": "BEGIN a\nALIVE 1\na.x: 2\nEND a 1\n",
              "t_c bare": ""}
    sections = [s for s in WHOLE if not s[0].startswith("test ")]
    sections += [(f"test {n}", [f"status 0 lines {b.count(chr(10))} crc {zlib.crc32(b.encode()):08x} lost 0"]) for n, b in bodies.items()]
    good = "".join(f"## {n}\n{b}" for n, b in bodies.items())

    def judged(text):
        with tempfile.NamedTemporaryFile("w", suffix=".txt", newline="") as f:
            f.write(text)
            f.flush()
            status, out, err = read(seal(sections), "--tests", f.name)
        assert status == 1 and not err, err
        return out
    for text in (good, good.replace("\n", "\r\n"), good + "## t_d bare\nBEGIN d\n"):
        out = judged(text)
        assert "t_a: 1 problems" in out and "t_b: only bare" in out and "--tests" not in out, out
    for text, words in (("", "the file has no transcripts"), (seal(WHOLE).decode(), "the file has no transcripts"),
                        (good.replace("a.x: 2", "a.x: 1"), "t_a nidus: its transcript is not what was written (4 lines, 4 then)"),
                        (good[:good.index("a.x: 2")], "t_a nidus: its transcript is not what was written (2 lines, 4 then)"),
                        (good[:good.index("## t_a nidus")], "t_a nidus: its transcript is missing"),
                        (good[good.index("## t_b"):], "t_b bare stands where t_a bare is due")):
        out = judged(text)
        assert f"--tests: {words}" in out and "t_a: 1 problems" not in out and "t_a: as bare" not in out, (words, out)


def test_what_editors_add():
    good = seal(WHOLE)
    for data in (good.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + good, good + b"\n\n"):
        assert read(data)[0] == 0
    assert "stands in no section" in refusal(good + b"\n \n")


def test_no_file():
    for name, text in (("/nonexistent/report", "No such file or directory"), ("/", "Is a directory"), ("/dev/zero", "it is too long: a report has at most 262144 bytes")):
        err = io.StringIO()
        argv, sys.argv = sys.argv, ["report.py", name]
        with contextlib.redirect_stderr(err):
            try:
                assert report.main() == 1
            finally:
                sys.argv = argv
        assert err.getvalue() == f"report: {name}: {text}\n", err.getvalue()


def changed(rng, lines):
    """Lines with a few random changes."""
    lines = list(lines)
    for _ in range(rng.randint(1, 6)):
        if not lines:
            return lines
        i = rng.randrange(len(lines))
        what, l = rng.randrange(6), lines[i]
        if what == 0:
            lines[i] = l[:rng.randint(0, len(l))]
        elif what == 1:
            del lines[i]
        elif what == 2:
            lines.insert(i, rng.choice(lines))
        elif what == 3:
            lines[i] = "".join(rng.choice(" ,:.x-09afF;>/+!~") if rng.random() < 0.2 else c for c in l)
        elif what == 4:
            lines[i] = l * rng.randint(2, 20)
        else:
            lines[i] = l.replace(rng.choice("0123456789,: ") , rng.choice(["", "99999999999999999999", ",", " "]))
    return lines


def test_fuzz():
    rng, good, taken = random.Random(int(os.environ.get("SEED") or 13)), seal(WHOLE), 0
    for _ in range(int(os.environ.get("REPORT_FUZZ") or 400)):
        if rng.random() < 0.3:                  # bytes
            data = bytearray(good)
            for _ in range(rng.randint(1, 8)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            data = bytes(data)
        else:                                   # whole, but nonsense
            data = seal([(n, changed(rng, l)) for n, l in rng.sample(WHOLE, rng.randint(1, len(WHOLE)))])
        taken += read(data)[0] == 0
    assert taken > 20, taken                    # else the fuzz met the checksums alone


def main():
    passed = failed = 0
    for name, test in sorted(globals().items()):
        if not name.startswith("test_"):
            continue
        try:
            test()
            passed += 1
        except Exception as e:                  # the others are still told
            failed += 1
            print(f"FAIL  {name}: {type(e).__name__}: {str(e)[:300]}")
    print(f"report_test: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
