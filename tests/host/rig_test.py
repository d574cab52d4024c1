#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Host tests of the rig's own judgement: transcripts, permits, port 0xE9 among the emulator's words.

A comparer that cannot see a difference would make every guest test worthless.
"""
import contextlib, os, re, shutil, struct, subprocess, sys, tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/rig"))
import emu, emulator
import linux_test, models, run, run_efi, sym
from guest_tests import BUG, Boot, Test, read_manifest, select, suitable
from transcript import Caveats, Transcript, compare, judge

ENTRY = '## one\npermits: t.a* t.gone\nsdm: "CPUID"\nemulator: Bochs 2.7 shows it\n'


def transcript(*body, end=None, begin="BEGIN t"):
    return Transcript([begin, *body, f"END t {len(body) if end is None else end}"])


def caveats(text=ENTRY, running=None, model=None):
    with tempfile.NamedTemporaryFile("w", suffix=".md") as f:
        f.write(text)
        f.flush()
        return Caveats(f.name, running, model)


def problems(bare, nidus, text=ENTRY):
    return judge(bare, nidus, caveats(text))[0]


def test_equal_is_fine():
    assert problems(transcript("t.b: 1"), transcript("t.b: 1")) == []


def test_difference_is_a_problem():
    assert len(problems(transcript("t.b: 1", "t.c: 1"), transcript("t.b: 1", "t.c: 2"))) == 1


def test_permitted_difference():
    assert problems(transcript("t.a1: 1"), transcript("t.a1: 2")) == []


def test_permit_of_another_case_does_not_help():
    assert len(problems(transcript("t.b: 1"), transcript("t.b: 2"))) == 1


def test_missing_and_extra_lines():
    assert len(problems(transcript("t.b: 1", "t.c: 1"), transcript("t.c: 1"))) == 1
    assert len(problems(transcript("t.c: 1"), transcript("t.b: 1", "t.c: 1"))) == 1
    assert problems(transcript("t.gone: 1", "t.c: 1"), transcript("t.c: 1")) == []


def test_lines_of_the_same_case_in_another_order():
    assert compare(transcript("t.b: 1", "t.b: 2"), transcript("t.b: 2", "t.b: 1"))


def test_end_is_checked():
    assert transcript("t.b: 1", end=2).problems
    assert Transcript(["BEGIN t", "t.b: 1"]).problems
    assert Transcript([]).problems
    assert Transcript(["BEGIN t", "END u 0"]).problems
    assert transcript("t.b: 1").problems == []


def test_a_fail_line_fails_in_either_run():
    good, bad = transcript("t.b: 1"), transcript("FAIL t.b: 1")
    assert problems(bad, good) and problems(good, bad) and problems(bad, bad)


def test_a_fail_line_is_permitted_bare_only():
    good, bad = transcript("t.c: 1"), transcript("t.c: 1", "FAIL t.a: 1")
    assert problems(bad, good) == []
    assert problems(good, bad) and problems(bad, bad)


def test_permits_need_their_lines():
    assert not caveats().errors
    for lost in ("sdm:", "emulator:"):
        assert caveats("\n".join(l for l in ENTRY.splitlines() if not l.startswith(lost))).errors
    assert caveats(ENTRY.replace('"CPUID"', "CPUID")).errors
    assert caveats(ENTRY.replace("Bochs 2.7", "it")).errors


def test_a_permit_is_for_the_versions_that_it_names():
    permits = lambda of, running: len(caveats(ENTRY.replace("Bochs 2.7", of), running).permits)
    for of, yes, no in (("Bochs 2.7", ["Bochs 2.7"], ["Bochs 3.0", "QEMU 2.7", "Bochs 2.71"]),
                        ("Bochs 2.7, 3.0", ["Bochs 2.7", "Bochs 3.0"], ["Bochs 2", "QEMU 3.0", "Bochs 3.1"]),
                        ("every one", ["Bochs 2.7", "Bochs 3.0", "QEMU 7.2"], [])):
        assert all(permits(of, r) == 2 for r in yes) and not any(permits(of, r) for r in no), of
        assert permits(of, None) == 2
    two = 'emulator: Bochs 2.7 one way\nemulator: QEMU 7.2 another'
    assert len(caveats(ENTRY.replace("emulator: Bochs 2.7 shows it", two), "QEMU 7.2").permits) == 2
    for wrong in ("Bochs 2.7,3.0", "Bochs 2.7, 3", "Bochs", "3.0", "everyone", "Bochs 2.7's"):
        assert caveats(ENTRY.replace("Bochs 2.7", wrong)).errors, wrong


def test_a_permit_of_another_version_is_nobodys():
    c = caveats(ENTRY, "Bochs 3.0")
    assert judge(transcript("t.a1: 1"), transcript("t.a1: 2"), c)[0] and not c.used and c.unused(["t"]) == []


def test_a_permit_is_for_the_models_that_it_names():
    text = ENTRY + "models: new newer\n"
    good = lambda c, own=None: judge(transcript("t.a: 1"), transcript("t.a: 2"), c, own)[0] == []
    assert all(good(caveats(text, "Bochs 2.7", m)) for m in ("new", "newer", None)) and good(caveats(ENTRY, "Bochs 2.7", "old"))
    assert not any(good(caveats(text, r, m)) for r, m in (("Bochs 2.7", "old"), ("Bochs 2.7", "ne"), ("Bochs 3.0", "new")))
    assert good(caveats(text, "Bochs 2.7", "old"), "new") and not good(caveats(text, "Bochs 2.7", "new"), "old")
    assert caveats(text, "Bochs 2.7", "old").unused(["t"]) == [] and len(caveats(text, "Bochs 2.7", "new").unused(["t"])) == 2


def test_a_permit_may_be_for_another_processor_only():
    text = ENTRY + "processors: another\n"
    for cpu, permits in (("", 0), ("0", 0), ("1", 2)):
        with environment(CPU=cpu):
            assert len(caveats(text).permits) == permits and len(caveats(ENTRY).permits) == 2
    assert caveats(ENTRY + "processors: all\n").errors


def test_a_permit_may_be_for_some_bits_only():
    text = ENTRY.replace("t.a*", "t.a*~10600")
    ok = lambda bare, nidus: problems(transcript(*bare), transcript(*nidus), text) == []
    assert ok(["t.a: q 781 [a0]=10202"], ["t.a: q 181 [a0]=2"]) and ok(["t.a: 1"], ["t.a: 1"])
    for other in ("t.a: q 182", "t.a: q 181 x", "t.a: r 181", "FAIL t.a: q 181"):
        assert not ok(["t.a: q 781"], [other]), other
    assert not ok(["t.a: 1"], []) and not ok([], ["t.a: 1"]) and not ok(["t.b: 600"], ["t.b: 0"]) and not ok(["FAIL t.a: 1"], [])
    c = caveats(text)
    judge(transcript("t.a: 600"), transcript("t.a: 0"), c)
    assert c.used == {("one", "t.a*~10600"): ["t.a"]}


def test_example_in_a_fence_permits_nothing():
    assert caveats("```\n" + ENTRY + "```\n").permits == []


def test_unused_permits_are_named():
    c = caveats()
    judge(transcript("t.a1: 1"), transcript("t.a1: 2"), c)
    assert c.unused(["t"]) == ["one: permits t.gone"] and c.unused(["other"]) == []


def test_e9_filter_keeps_every_byte():
    guest = b"BEGIN x\n" + bytes(range(256)) + b"\n====\nEND\n"
    out = b"=" * 72 + b"\nbanner\n" + b"=" * 72 + b"\nNext at t=0\n(0) [0x0000fffffff0] f000:fff0 (unk. ctxt): mov eax, cr0   ; 0f20c0\n" + guest
    tail = b"(0).[679015948] [0x00001e1ea0bc] 0038:000000001e1ea0bc (unk. ctxt): out dx, al                ; ee\n"
    for step in (1, 7, 4096):
        keep, got = emu.E9Filter(True), b""
        for i in range(0, len(out + tail), step):
            got += keep.feed((out + tail)[i:i + step])
        assert emu.E9Filter.trim(got) == guest, step
    assert emu.E9Filter.trim(guest) == guest


def test_e9_filter_without_a_debugger():
    box = b"=" * 72 + b"\n" + b" Bochs x86 Emulator 3.0\n" + b"=" * 72 + b"\n"
    for guest in (b"BEGIN x\nEND x 0\n", b"Next\n(0) [0x1] y\n", b"N", b"\0", b"=" * 72 + b"\n"):
        for step in (1, 7, 4096):
            keep, got = emu.E9Filter(False), b""
            for i in range(0, len(box + guest), step):
                got += keep.feed((box + guest)[i:i + step])
            assert got == guest, (guest, step)


@contextlib.contextmanager
def environment(**words):
    """A Bochs of our own, a script that says what a real one does, and these words for the rig."""
    with tempfile.TemporaryDirectory() as d:
        for version in ("2.7", "3.0"):
            with open(f"{d}/bochs-{version}", "w") as f:
                f.write("#!/bin/sh\n" f"printf 'Supported CPU models:\\n\\npentium\\nbroadwell_ult\\ncorei7_skylake_x\\ntigerlake\\n"
                        f"a_twin\\nb_twin\\n\\n0000i[SIM] quit\\n  Bochs x86 Emulator {version}\\n'\n")
            os.chmod(f"{d}/bochs-{version}", 0o755)
        saved = dict(os.environ)
        for name in ("EMU", "BOCHS", "MODEL", "DEPTH", "QEMU", "KERNEL", "INITRD", "RUN_BARE", "CPUS", "MEM", "EFI", "GDB", "TRACE"):
            os.environ.pop(name, None)
        os.environ.update({k: v.replace("HERE", d) for k, v in words.items()})
        try:
            yield d
        finally:
            os.environ.clear()
            os.environ.update(saved)


def refusal(f):
    """What a request that cannot be met says: one line."""
    try:
        f()
    except emulator.Unusable as e:
        assert "\n" not in str(e) and e.code != 0
        return str(e)
    assert False, "not refused"


def test_models_and_versions():
    with environment(BOCHS="HERE/bochs-2.7"):
        e = emulator.chosen()
        assert e.name() == "Bochs 2.7" and e.model() == "broadwell_ult" and e.model("skylake_x") == "corei7_skylake_x"
        assert e.kernel_words() == "" and e.panics("tigerlake", 2) == "action=fatal" and e.has_debugger(False) and e.debugger(True) == []
        for wrong in ("lake_x", "twin", "sapphire_rapids", "skylake"):
            said = refusal(lambda: e.model(wrong))
            assert wrong in said and "Bochs 2.7" in said and "corei7_skylake_x tigerlake" in said
    with environment(BOCHS="HERE/bochs-3.0", MODEL="tigerlake"):
        e = emulator.chosen()
        assert e.name() == "Bochs 3.0" and e.model() == "tigerlake" and e.model("pentium") == "pentium"
        assert [(e.has_debugger(w), e.debugger(w)) for w in (False, True)] == [(False, []), (True, ["-debugger"])]
        assert e.panics("tigerlake", 2) == "action=fatal, cpu0=report, cpu1=report" and e.panics("broadwell_ult", 1) == "action=fatal"
        assert e.kernel_words() == " clearcpuid=fsrm"
        assert "tsc=reliable nokaslr clearcpuid=fsrm -- test" in linux_test.Boot("bare", []).line
        for cpus, words in (("1", "fsrm"), ("2", "fsrm"), ("3", "fsrm,monitor")):
            os.environ["CPUS"] = cpus
            assert e.kernel_words() == " clearcpuid=" + words
            assert emulator.lacks_tables() == (linux_test.Boot("bare", []).first != []) == (cpus != "1")
        with contextlib.redirect_stdout(None):
            kept = suitable([Test("t_a", {"cpu": "skylake_x"}), Test("t_b", {"cpu": "tigerlake"}), Test("t_c", {})], 0, "")
        assert [t.name for t in kept] == ["t_b", "t_c"]


def test_a_machine_has_the_model_that_is_asked_for():
    with environment(BOCHS="HERE/bochs-3.0", MODEL="tigerlake") as d:
        with open(f"{d}/disk", "wb") as f:
            f.write(bytes(516096))
        for cpu, line in ((None, "model=tigerlake, count=1"), ("skylake_x", "model=corei7_skylake_x, count=1")):
            m = emu.Machine(f"{d}/disk", f"{d}/run", cpu=cpu)
            assert m.bochs_command()[0] == f"{d}/bochs-3.0"
            with open(f"{d}/run/bochsrc") as f:
                said = f.read()
            assert line in said and ("cpu0=report" in said) == (cpu is None)


def test_what_is_not_there_is_named():
    with environment(BOCHS="HERE/none") as d:
        assert f"{d}/none" in refusal(emulator.chosen)
    with environment(BOCHS="/bin/true"):
        assert "/bin/true" in refusal(emulator.chosen)
    with environment(EMU="vmware"):
        assert "vmware" in refusal(emulator.chosen)
    with environment(BOCHS="3.0"):
        saved, emulator.UNPACKED = emulator.UNPACKED, "/nowhere/bochs"
        try:
            assert "setup.sh bochs3" in refusal(emulator.chosen)
        finally:
            emulator.UNPACKED = saved


def test_tests_of_a_profile():
    tests = [Test("t_a", {"alike": "broadwell"}), Test("t_b", {}), Test("t_c", {"alike": "x broadwell"})]
    names = lambda profile: [t.name for t in suitable(tests, 0, profile)]
    assert names("broadwell") == ["t_a", "t_c"] and names("") == ["t_a", "t_b", "t_c"] and names("x") == ["t_c"]


class Ran:
    def __init__(self, model, **cells):
        self.model, self.cells = model, cells


def test_the_table_of_models_keeps_what_was_not_run():
    with tempfile.TemporaryDirectory() as d:
        path, known = f"{d}/table.md", {"t_a", "t_b", "kvm"}
        models.keep(path, Ran("tigerlake", t_a="equal", t_b="one, two", t_old="equal"), known | {"t_old"})
        models.keep(path, Ran("skylake_x", t_a="differs", kvm="equal"), known)
        rows = models.read_table(path)
        assert rows == {"t_a": {"tigerlake": "equal", "skylake_x": "differs"}, "t_b": {"tigerlake": "one, two"}, "kvm": {"skylake_x": "equal"}}
        models.keep(path, Ran("skylake_x", t_a="equal"), known)
        assert models.read_table(path)["t_a"]["skylake_x"] == "equal"
        with open(path) as f:
            text = f.read()
        assert "| test | skylake_x | tigerlake |" in text and "| kvm | equal | - |" in text
        assert "| **sum: equal** | 2 | 1 |\n| **sum: permitted** | 0 | 1 |\n| **sum: differs** | 0 | 0 |\n" in text


def test_a_cut_run_keeps_its_stages():
    class Cut(Ran):
        def guest(self, names, profile):
            self.cells.update({name: "equal" for name in names})

        def payload(self, name):
            raise KeyboardInterrupt

    with tempfile.TemporaryDirectory() as d:
        run, path = Cut("tigerlake"), f"{d}/table.md"
        with contextlib.suppress(KeyboardInterrupt):
            models.run_all([run], path, {"t_a", "kvm"}, [Test("t_a", {})], ["kvm"])
        assert models.read_table(path) == {"t_a": {"tigerlake": "equal"}}


def test_a_cell_is_what_the_verdict_says():
    assert [models.cell_of(v) for v in ({"problems": ["x"], "by": ["a"]}, {"problems": [], "by": ["a", "b"]}, {"problems": [], "by": []})] \
        == ["differs", "a, b", "equal"]


def boot(mode, depth, nidus="nested=off"):
    t = Test("t_x", {"nidus": nidus})
    return Boot(0, [t], mode, "", depth), [t]


def test_chain_at_depth():
    lines = lambda mode, depth, *more: (lambda b, t: b.chain(t))(*boot(mode, depth, *more))
    assert lines("bare", 2) == ["\\t_x.efi"]
    assert lines("nidus", 0) == ["\\nidus.efi nested=off", "\\t_x.efi"]
    assert lines("nidus", 2, "nested=on tlb=strict") == ["\\nidus.efi nested=on tlb=strict"] * 3 + ["\\t_x.efi"]
    assert lines("nidus", 1) == ["\\nidus.efi nested=on profile=host", "\\nidus.efi nested=off", "\\t_x.efi"]


def test_alive_must_tell_the_depth():
    says = lambda depth: [f"ALIVE NidusNidus 0x0000000000000001 0x{depth:016x}"]
    at_2, bare = boot("nidus", 2)[0], boot("bare", 2)[0]
    assert at_2.answers(says(2), 2) and not at_2.answers(says(1), 2) and not at_2.answers(["ALIVE none"], 2)
    assert bare.answers(["ALIVE none"], 0) and not bare.answers(says(0), 0) and not at_2.answers([], 2)


def output(*depths):
    told = "".join(f"RUN \\nidus.efi\nSTATUS 0x0\nALIVE NidusNidus 0x1 0x{d:x}\n" for d in depths)
    return told + f"RUN \\t_x.efi\nBEGIN x\nEND x 0\nSTATUS 0x0\nALIVE NidusNidus 0x1 0x{depths[-1]:x}\n"


def collected(text, depth):
    with tempfile.TemporaryDirectory() as d:
        b, tests = boot("nidus", depth)
        b.dir = d
        b.collect(text, tests, None)
        return b.results["t_x"].problems + b.notes


def test_a_level_that_is_missing_is_seen():
    assert collected(output(0, 1, 2), 2) == []
    assert collected(output(0, 1), 2) and collected(output(0, 0, 2), 2) and collected(output(0, 1, 2), 1)


def test_a_test_left_out_at_depth_needs_a_reason():
    for words, why in (("depth=no:a,reason", "a reason"), ("limit=3", None)):
        t = Test("t_x", {})
        t.read([words])
        assert t.why_not("depth") == why
    for words in ("depth=no", "depth=2", "depth=no:"):
        t = Test("t_x", {})
        t.read([words])
        try:
            t.why_not("depth")
            assert False, words
        except ValueError:
            pass


def test_a_test_left_out_on_another_processor():
    t = Test("t_x", {})
    t.read(["on=no:its,timer"])
    for cpu, kept in (("", [t]), ("0", [t]), ("1", [])):
        with environment(BOCHS="HERE/bochs-3.0", CPUS="2", CPU=cpu), contextlib.redirect_stdout(None):
            assert suitable([t], 0, "") == kept


def manifest(text):
    with tempfile.NamedTemporaryFile("w") as f:
        f.write(text)
        f.flush()
        return {t.name: t.options for t in read_manifest(f.name)}


def test_manifest_defaults_by_pattern():
    m = manifest("t_io limit=3 more=tlb=strict,stress=flush\n\ndefault nidus=a,b\ndefault t_vmx_* t_msr nidus=c long # why\nt_vmx_io nidus=d\n")
    assert m["t_cr"] == {"nidus": "a b"} and m["t_io"] == {"nidus": "a b tlb=strict stress=flush", "limit": "3"}
    assert m["t_vmx_msr"] == m["t_msr"] == {"nidus": "c", "long": True} and m["t_vmx_io"] == {"nidus": "d", "long": True}
    for wrong in ("t_none long", "default t_none* long", "t_io longer"):
        try:
            manifest(wrong)
            assert False, wrong
        except ValueError:
            pass


def test_tests_are_named_or_matched():
    short, slow = Test("t_ept_a", {}), Test("t_ept_b", {"long": True})
    names = lambda *wanted, long=False: [t.name[-1] for t in select([short, slow, Test("t_io", {})], wanted, long)]
    assert names() == ["a", "o"] and names(long=True) == ["a", "b", "o"]
    assert names("t_ept_*") == ["a"] and names("t_ept_*", "t_io.efi", long=True) == ["a", "b", "o"]
    assert names("t_ept_b") == ["b"]
    try:
        names("t_ept_*", "t_x*")
        assert False
    except ValueError:
        pass


def test_lines_are_cut_and_cleaned():
    l = run_efi.Lines()
    assert l.feed(b"one\r\ntw") == ["one"] and l.feed(b"o\x1b[2J\n\n") == ["two", ""]
    assert l.feed(b"half nidus: VMfail 7\r\nnidus: x") == ["half", "nidus: VMfail 7"]
    assert l.feed(b"\xff\0y\r\r\n") == ["nidus: x\ufffdy"] and l.feed(b"rest", True) == ["rest"]


def test_statuses_of_programs():
    error = 1 << 63
    assert [run_efi.status_name(s) for s in (0, error | 21, error | 14, 5, error | 99)] == [
        "EFI_SUCCESS", "EFI_ABORTED", "EFI_NOT_FOUND", "status 0x5", "status 0x8000000000000063"]
    assert [run_efi.exit_status(s) for s in (0, error | 21, 5, error, error | 4000, error | 1 << 40)] == [0, 21, 5, 1, 120, 120]


def test_who_spoke():
    said = []
    t = run_efi.Talk(["x.efi"], said.append)
    for line in ("BdsDxe: starting", "RUN \\nidus.efi log=com1", "nidus: launched", "STATUS 0x0", "RUN \\own\\x.efi a b",
                 "STATUS of things", "hello", "nidus: VMfail 7", "", "STATUS 0x8000000000000015"):
        t.console(line)
    for line in ("RUN \\own\\x.efi", "START 0x1", "words", "nidus: more", ""):
        t.e9(line)
    assert said == ["nidus | launched", "run   | x.efi starts", "L1    | STATUS of things", "L1    | hello", "nidus | VMfail 7",
                    "run   | x.efi returned EFI_ABORTED", "e9    | words", "nidus | more"]
    assert t.ended == [21] and t.refusal is None
    said.clear()
    for line in ("RUN \\nidus.efi", "nidus: VMfail 12: VMREAD: field 2", "nidus: VMfail 12: VMREAD: field 6", "nidus: launched",
                 "RUN \\own\\x.efi", "nidus: VMfail 12: VMREAD: field 2"):
        t.console(line)
    assert said == ["nidus | 2 fields that the Nidus above probed do not exist here", "nidus | launched", "run   | x.efi starts",
                    "nidus | VMfail 12: VMREAD: field 2"]
    t.console("nidus: cannot run: no")
    assert t.refusal == "nidus: cannot run: no"


def test_a_nidus_that_fails_is_a_refusal():
    t = run_efi.Talk(["x.efi"], lambda _: None)
    t.console("RUN \\nidus.efi")
    t.console("STATUS 0x8000000000000003")
    assert t.refusal == "nidus.efi returned EFI_UNSUPPORTED" and t.ended == []


def test_numbers_of_the_environment():
    for value in ("abc", "-1", "0", "9", "1.5", "\u0663", "99999999999999999999"):
        with environment(CPUS=value):
            assert f"CPUS={value}: 1 to 8" in refusal(emulator.cpus)
    with environment(CPUS="8"):
        assert emulator.cpus() == 8
    with environment():
        assert emulator.number("NUMBER_OF_NOBODY", 3, 1, 8) == 3


def test_words_while_a_person_waits():
    up = b"BdsDxe: starting Boot0001\r\n"
    live = b"nidus: launched: version 1\r\n"
    with environment(DEPTH="1"):
        assert [run.stage_of(up + live * n) for n in range(3)] == [
            "the firmware starts what is to boot", "Nidus 0 is live; Nidus 1 starts in it", "Nidus 1 is live; the kernel is loaded as L1"]
        assert run.stage_of(up + live * 2 + b"EFI stub: x") == "Linux boots as L1" and run.estimate() == "two minutes"
    with environment(RUN_BARE="1", DEPTH="x"):
        assert run.depth_asked() == 0 and run.estimate() == "a minute"
    assert run.refused(up + b"nidus: cannot run: log=usb\r\n") and not run.refused(b"nidus: cannot run: lo") and not run.refused(up)


def pe(machine=0x8664, subsystem=10):
    """The headers of a program, with nothing behind them."""
    head = b"MZ".ljust(0x3c, b"\0") + struct.pack("<I", 0x80)
    return head.ljust(0x80, b"\0") + b"PE\0\0" + struct.pack("<H", machine) + bytes(0x56) + struct.pack("<H", subsystem)


def test_wrong_files_are_named():
    with tempfile.TemporaryDirectory() as d:
        files = {"text.efi": b"text", "cut.efi": b"MZ", "a.efi": pe(), "old.efi": pe(machine=0x14c), "x.exe": pe(subsystem=3),
                 "it's (1).efi": pe(), "end.efi": pe()[:-40]}
        for name, data in files.items():
            with open(f"{d}/{name}", "wb") as f:
                f.write(data)
        for efi, said in ((f"{d}/none.efi", "no such file"), (f"{d}", "is a directory"), (f"{d}/text.efi", "not an EFI program"),
                          (f"{d}/cut.efi", "not an EFI program"), (f"{d}/old.efi", "not for x86-64"), (f"{d}/x.exe", "not for EFI"),
                          (f"{d}/end.efi", "not for EFI"), (f"{d}/a.efi '", "no closing quotation"),
                          (f"{d}/a.efi {d}/./a.efi", "two files of one name")):
            with environment(EFI=efi):
                try:
                    run_efi.programs()
                    assert False
                except ValueError as e:
                    assert said in str(e)
        with environment(EFI=f"{d}/a.efi"):
            assert run_efi.programs() == [(f"{d}/a.efi", "a.efi")]
        odd = [(f"{d}/it's (1).efi", "it_s__1_.efi")]
        with environment(EFI=odd[0][0]):
            assert run_efi.programs() == odd
        with environment(EFI=f'"{d}/it\'s (1).efi" {d}/a.efi'):
            assert run_efi.programs() == [*odd, (f"{d}/a.efi", "a.efi")]
        for name, value, said in (("KERNEL", f"{d}/no", "no such file"), ("KERNEL", f"{d}/text.efi", "not an EFI program")):
            with environment(**{"INITRD": f"{d}/a.efi", name: value}):
                try:
                    run.payload()
                    assert False
                except ValueError as e:
                    assert f"{name}={value}: {said}" in str(e)


def test_the_kernel_says_its_version():
    with tempfile.TemporaryDirectory() as d:
        head = bytearray(0x1000)
        head[0x202:0x206], head[0x20e:0x210], head[0x500:0x50d] = b"HdrS", (0x300).to_bytes(2, "little"), b"6.1.0-9 (me)\0"
        for name, data, said in (("k", head, "6.1.0-9"), ("short", head[:0x20f], "of unknown version"), ("none", b"text", "of unknown version"),
                                 ("far", head[:0x20e] + b"\xff\xff" + head[0x210:], "of unknown version")):
            with open(f"{d}/{name}", "wb") as f:
                f.write(data)
            assert run.kernel_version(f"{d}/{name}") == said, name
        assert run.kernel_version(f"{d}/nothing") == "of unknown version"


def test_a_payload_without_network():
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
    with tempfile.TemporaryDirectory() as d:
        os.makedirs(f"{d}/tools/make")
        shutil.copy(f"{root}/tools/make/payload.sh", f"{d}/tools/make")
        with open(f"{d}/apt-get", "w") as f:
            f.write("#!/bin/sh\necho W: what apt says >&2\nexit 100\n")
        os.chmod(f"{d}/apt-get", 0o755)
        p = subprocess.run([f"{d}/tools/make/payload.sh"], env={**os.environ, "PATH": f"{d}:{os.environ['PATH']}"}, capture_output=True, text=True)
        assert p.returncode == 1 and p.stderr == ("payload: apt-get download linux-image-cloud-amd64 failed: no network? "
                                                  "(or, as root: apt-get update)\n"), p


def test_gdb_and_trace_want_a_program_of_ones_own():
    for words, said in (({"TRACE": "1"}, "TRACE=1 goes with EFI="), ({"GDB": "1", "EFI": "x", "RUN_BARE": "1"}, "GDB=1 goes with EFI="),
                        ({"GDB": "1", "TRACE": "1", "EFI": "x"}, "both want COM2")):
        with environment(**words):
            try:
                run_efi.judge_words()
                assert False, words
            except ValueError as e:
                assert said in str(e)
    with environment(TRACE="1", EFI="x"):
        run_efi.judge_words()
    with environment():
        run_efi.judge_words()


def test_a_bug_is_told_from_a_field_with_bug_in_its_name():
    for line, is_bug in (("nidus: bug: planted", True), ("nidus: cpu 1: bug: no", True), ("nidus:   guest_debugctl = 0x0", False)):
        assert bool(BUG.search(line)) == is_bug


def test_every_option_is_documented():
    with open(f"{sym.ROOT}/boot/option_keys.c") as f:
        table = f.read().split("keys[] = {")[1].split("};")[0]
    keys = re.findall(r'^ *\{"([^"]+)"', table, re.M)
    assert len(keys) > 10
    for name in ("docs/nidus.efi.8", "docs/OPTIONS.md"):
        with open(f"{sym.ROOT}/{name}") as f:
            text = f.read()
        for k in keys:
            assert re.search(rf"[ `]{k}\b", text), (name, k)


def test_symbols_are_put_behind_addresses():
    root = os.path.dirname(os.path.dirname(sym.ROOT + "/tests/x"))
    elf = f"{root}/build/core.elf"
    if not os.path.exists(elf):         # the host tests alone do not build it
        return
    s = sym.Symbols(elf)
    at = next(a for a, n in s.text if n == "hv_entry")
    line = s.annotate(f"nidus: exit 1 at rip {at:016x}, {at:#x}, {at + 2 ** 40:016x}, x{at:x} 0000000000001234\n")
    named = f" <hv_entry+0x0 hv/bringup.c:"
    assert line.count(named) == 2 and line.endswith("0000000000001234\n") and f"{at:016x}{named}" in line and f"{at:#x}{named}" in line
    for wrong in (f"{root}/README.md", "/nowhere"):
        try:
            sym.Symbols(wrong)
            assert False
        except sym.Unusable as e:
            assert "\n" not in str(e)


def main():
    tests = [(n, f) for n, f in globals().items() if n.startswith("test_")]
    failed = []
    for name, f in tests:
        try:
            f()
        except AssertionError:
            failed.append(name)
            print("FAIL " + name)
    print(f"rig: {len(tests) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
