#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Walks the stick's menu with keys, as a person would, and judges the reports that it leaves on the stick.

In QEMU the image is a USB stick, the firmware has ACPI tables and two processors, and nothing has VMX: every step goes as far
as its refusal. In Bochs every step goes through.

Owns: the walks, what each report must say. Booting is emu.py's, reading a report tools/report.py's.

  stick_test.py [NAME...]      all short walks, or those named; "long" is all of them

A walk's console and report land in build/stick/NAME.
"""
import argparse, contextlib, io, os, re, signal, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "tools")]
sys.dont_write_bytecode = True
import emu, report
from run import Console
from transcript import Caveats

MENU, FIRST, LAUNCH = "Which?", "In 30 seconds", "Press L"
FIRMWARE = "starting Boot0000"           # what the firmware does when the menu has quit
# Nothing of this shape may leave the machine: a MAC, a UUID.
PRIVATE = re.compile(r"\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b|\b[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.I)
# What this machine, QEMU's, has to hide; none of it may stand in a report.
IDENTITY = ["-smbios", "type=1,serial=SYSTEM-SERIAL,uuid=5ec4e75e-c4e7-4c4e-8c4e-75ec4e75ec4e,sku=SYSTEM-SKU", "-smbios", "type=2,serial=BOARD-SERIAL,asset=BOARD-ASSET",
            "-smbios", "type=3,serial=CASE-SERIAL,asset=CASE-ASSET", "-device", "e1000,mac=52:54:00:c0:ff:ee,romfile="]
HIDDEN = re.compile(rb"(?:STICK|SYSTEM|BOARD|CASE)-SERIAL|-ASSET|SYSTEM-SKU|5ec4e75e|5ee7c45e|75ec4e75ec4e|52:?54:?00:?c0:?ff:?ee", re.I)
NO_VMX = "bad: cannot run: no VMX"
LIVE = "well: launched: version"
LINUX = r"\nidus\vmlinuz initrd=\nidus\initrd.img console=ttyS0 acpi=off cryptomgr.notests=1 tsc=reliable -- stick"


class Walk:
    """keys: [(what the console must show, the keys then sent)]; steps: what the report's verdicts begin with."""

    def __init__(self, name, kind, keys, steps, last=FIRMWARE, files=(), long=False, second=0, limit=400, also=(), secure=None, says="", harm=None, shows=(), report="REPORT-0.txt", cpus=None):
        self.name, self.kind, self.keys, self.steps, self.last = name, kind, keys, steps, last
        self.files, self.long, self.second, self.limit, self.also = files, long, second, limit, also
        self.says = says            # text of the report
        self.secure = secure        # Secure Boot is on, and the stick is "signed" or "unsigned"
        self.harm = harm            # what is wrong with the stick: "read-only", "full", "many"
        self.shows = shows          # patterns that the screen must have shown
        self.report = report        # the file that it writes; None: none
        self.cpus = cpus or (2 if kind == "qemu" else 1)


def refused_walk():
    """All of the menu where there is no VMX; every launch is asked for, and asked for again. Linux may be left out of the stick."""
    linux = os.path.exists(os.path.join(ROOT, "build/l1/stick/vmlinuz"))
    six = [(MENU, "6"), (LAUNCH, "x"), (MENU, "6"), (LAUNCH, "L")] if linux else [(MENU, "6"), ("There is no Linux", "")]
    return Walk("qemu-usb", "qemu",
                [(FIRST, "1"), (MENU, "2"), (MENU, "3"), ("Press y", "y"), (MENU, "4"), ("How much", "1"), (LAUNCH, "L"), (MENU, "4"), ("How much", "3"), (MENU, "5"),
                 *six, (MENU, "7"), ("Any other key", "a"), (LAUNCH, "L"), (MENU, "?"), (MENU, "8")],
                ["1 " + NO_VMX, "2 well: dry: 2 processors went to L0's tables", "3 bad", "4 well: bare: 2 of 2", "L " + NO_VMX, "4 bad: no VMX here, or it is switched off", "5 well: cycles bare",
                 *["L " + NO_VMX] * (2 if linux else 1)], files=["tests.txt=off t_alive\noff t_mtrr"])


WALKS = [
    refused_walk(),
    Walk("bochs", "bochs", [(FIRST, "1"), (MENU, "2"), (MENU, "4"), ("How much", "1"), (LAUNCH, "L"), (MENU, "2"), (MENU, "8")],
         ["1 well: check: Nidus can run here", "2 well: dry: 1 processor went as far as VMLAUNCH", "4 well: bare: 2 of 2", "L " + LIVE,
          "4 well: under Nidus: 2 of 2"], files=["tests.txt=off t_alive\noff t_irq"]),
    Walk("nobody", "qemu", [(FIRST, ""), (MENU, "8")], ["1 " + NO_VMX], long=True),
    Walk("read-only", "qemu", [(FIRST, "1"), (MENU, "8")], [], long=True, harm="read-only", report=None,
         shows=[r"Report: none: the stick is write-protected", r"CODE N1X-"]),
    Walk("full", "qemu", [(FIRST, "1"), (MENU, "2"), (MENU, "8")], [], long=True, harm="full", says="ended early\nthe stick is full\n",
         shows=[r"The report ends here: the stick is full\. Photograph", r"Report: \\nidus\\REPORT-0\.txt, but it ended early: the stick is full", "CODE N1X-", "CODE N2K-"]),
    Walk("many", "qemu", [(FIRST, "1"), (MENU, "8")], ["1 " + NO_VMX], long=True, harm="many", report="REPORT-101.txt", shows=[r"Report: \\nidus\\REPORT-101\.txt"]),
    # Taken out while step 1 is at work: what was written before stays, and the menu goes on.
    Walk("removed", "qemu", [(FIRST, "1"), ("Reading the machine", "UNPLUG"), (MENU, "7"), ("Any other key", "x"), (MENU, "6"), (MENU, "8")], [], long=True, second=0,
         shows=[r"The report ends here: the stick (?:does not answer \(was it taken out\?\)|cannot be written, status 80)", r"There is no Linux on this stick", r"No other system was found|Boot entries left out"]),
    Walk("others", "qemu", [(FIRST, "7"), ("Any other key", "x"), (MENU, "8")], [], long=True, second=2,
         shows=[r"Boot entries left out, as they start no system here: [1-9]", *[rf"file: \\EFI\\BOOT\\BOOTX64\.EFI on volume {n}, [1-9]\d* MiB NIDUS" for n in (0, 1)]]),
    Walk("signed", "qemu", [(FIRST, "1"), (MENU, "8")], ["1 " + NO_VMX], long=True, secure="signed", says="machine.firmware: SecureBoot 1 SetupMode 0"),
    Walk("unsigned", "qemu", [], [], last="No bootable option", long=True, secure="unsigned"),
    Walk("plain", "bochs", [(FIRST, "1"), (MENU, "2"), (MENU, "3"), ("Press y", "y"), (MENU, "5"), (MENU, "4"), ("How much", "1"), (LAUNCH, "L"), (MENU, "5"), (MENU, "8")],
         ["1 well", "2 well", "3 well: blink: 1 processor entered L1", "5 well: cycles bare", "4 well: bare: 5 of 5", "L " + LIVE, "4 (?:well|bad): under Nidus: . of 5", "5 well: cycles nidus"],
         long=True),
    Walk("nested", "bochs", [(FIRST, "5"), (MENU, "4"), ("How much", "3"), (LAUNCH, "L"), (MENU, "5"), (MENU, "7"), ("Any other key", "PICK"), (MENU, "8")],
         ["5 well", "4 well: bare: 11 of 11", "L " + LIVE, "4 (?:well|bad): under Nidus: [0-9]+ of 11", "5 well: cycles nidus", "7 bad: file came back: status"],
         long=True, second=1, limit=900, also=["probe bare", "probe nidus", "cycles bare", "cycles nidus"]),
    # VMX is switched off, as in many a BIOS setup: pre_lock.efi locks IA32_FEATURE_CONTROL without it. And a test that an exception ends.
    Walk("switched-off", "bochs", [(FIRST, "4"), ("How much", "1"), (LAUNCH, "L"), (MENU, "4"), ("How much", "2"), (MENU, "8")],
         ["4 bad: bare: 1 of 2 ran", "L bad: cannot run: locked without VMX in FEATURE_CONTROL.*BIOS setup$", "4 bad: no VMX here, or it is switched off"],
         files=["tests.txt=off pre_lock\noff t_vmx_exits"], long=True, shows=[r"turn on Intel Virtualization Technology \(VT-x\) in the BIOS setup\n  CODE NLX"]),
    # Four processors, as a laptop has.
    Walk("several", "bochs3", [(FIRST, "1"), (MENU, "2"), (MENU, "3"), ("Press y", "y"), (MENU, "4"), ("How much", "1"), (LAUNCH, "L"), (MENU, "5"), (MENU, "8")],
         ["1 well", "2 well: dry: 4 processors went as far as VMLAUNCH", "3 well: blink: 4 processors entered L1", "4 well: bare: 4 of 4", "L well: launched: version 1, depth 0, 4 processors",
          "4 well: under Nidus: 4 of 4", "5 well: cycles nidus"], files=["tests.txt=off t_alive\noff t_cpuid\noff t_cr\noff t_mode"], long=True, cpus=4),
    # A live Nidus that CPUID does not tell of.
    Walk("hidden", "bochs", [(FIRST, "4"), ("How much", "1"), (LAUNCH, "L"), (MENU, "2"), (MENU, "4"), ("How much", "3"), (MENU, "8")],
         ["4 well: bare: 1 of 1", "L well: launched: 1 processor", "4 well: under Nidus: 1 of 1", "4 bad: the Nidus that is live shows no VMX"], files=["nidus.txt=hvbit=off", "tests.txt=off t_cr\non t_vmx_launch"], long=True,
         shows=["Nidus is LIVE under this menu", "The dry run is for the bare machine, and Nidus is live"]),
    Walk("linux", "bochs", [(FIRST, "6"), (LAUNCH, "L")], ["L " + LIVE], last="switches the machine off", files=["linux.txt=" + LINUX], long=True, limit=900),
]


def make_others(directory, count):
    """Other disks, on which a system could be installed: their boot program says what it was given."""
    paths = [os.path.join(directory, f"other-{n}.img") for n in range(count)]
    for path in paths:
        subprocess.run([os.path.join(HERE, "mkesp.sh"), path, f"::/EFI/BOOT/BOOTX64.EFI={ROOT}/build/pre_args.efi"], check=True)
    return paths


def harm(how, img):
    """Does to the stick what the walk is about."""
    at = f"{img}@@1M"
    if how == "full":               # a few KiB are left: the machine's facts do not fit
        said = subprocess.run(["mdir", "-i", at, "::/"], capture_output=True, text=True, check=True).stdout
        free = int(re.sub(r"\D", "", re.search(r"([\d ]+) bytes free", said)[1]))
        with open(img + ".fill", "wb") as f:
            f.truncate(free - 4096)
        subprocess.run(["mcopy", "-i", at, img + ".fill", "::/nidus/fill.bin"], check=True)
        os.unlink(img + ".fill")
    if how == "many":               # and one of which only the transcripts are left
        for name in [f"REPORT-{n}.txt" for n in range(100)] + ["TESTS-100.txt"]:
            subprocess.run(["mcopy", "-i", at, "-", f"::/nidus/{name}"], input=b"nidus-report 1\n", check=True)


class Run:
    def __init__(self, walk):
        self.walk, self.dir, self.problems, self.seconds = walk, os.path.join(ROOT, "build/stick", walk.name), [], 0
        self.console = None

    def wait_for(self, m, text, since):
        """True when the console has shown the text behind `since`."""
        while text.encode() not in self.console.text[since:]:
            if not m.running() or m.spent() > self.walk.limit or emu.stopping.is_set():
                self.problems.append(f'the console never showed "{text}"; last: {self.shown()[-1:]}')
                return False
            self.console.read(0.2)
        return True

    def shown(self):
        text = re.sub(r"\x1b\[[0-9;=]*[A-Za-z]", "", self.console.text.decode("latin-1")).replace("\r", "")
        return [l for l in text.splitlines() if l.strip()]

    def pick(self):
        """The letter of the other disk's boot program."""
        return next((l.split()[0] for l in reversed(self.shown()) if re.match(r"  \w  file: ", l)), "?")

    def press_all(self, m):
        since = 0
        for text, keys in [*self.walk.keys, (self.walk.last, "")]:
            if not self.wait_for(m, text, since):
                return
            since = len(self.console.text)
            time.sleep(0.3)         # the menu throws away what was typed before its question
            if keys == "UNPLUG":
                m.monitor("device_del plug")
                continue
            os.write(self.console.master, (self.pick() if keys == "PICK" else keys).encode())

    def go(self):
        os.makedirs(self.dir, exist_ok=True)
        started, self.console = time.monotonic(), Console()
        img = os.path.join(self.dir, "usb.img")
        made = subprocess.run([os.path.join(ROOT, "tools/make/usb.sh"), img, *self.walk.files], stderr=subprocess.PIPE, text=True,
                              env={**os.environ, **(self.test_key() if self.walk.secure == "signed" else {})})
        if made.returncode:
            self.problems.append("the stick cannot be made: " + (made.stderr.strip() or f"usb.sh ended with {made.returncode}"))
            return
        harm(self.walk.harm, img)
        qemu, others = self.walk.kind == "qemu", make_others(self.dir, self.walk.second)
        m = emu.Machine(img, self.dir, secure=bool(self.walk.secure), com1=self.console.name, kind=self.walk.kind,
                        usb="read-only" if self.walk.harm == "read-only" else qemu, cpus=self.walk.cpus, mem=1024 if qemu else 512,
                        cpu="Broadwell,-vmx" if qemu else None, second=others if qemu else next(iter(others), None), more=IDENTITY)
        try:
            m.start()
            self.press_all(m)
        finally:
            m.stop()
            with open(os.path.join(self.dir, "console.txt"), "w") as f:
                f.write("\n".join(self.shown()) + "\n")
        self.judge(img)
        self.seconds = time.monotonic() - started

    def test_key(self):
        """The key that the firmware package's variables trust, without its password."""
        key = os.path.join(self.dir, "test.key")
        subprocess.run(["openssl", "pkey", "-in", "/usr/share/ovmf/PkKek-1-snakeoil.key", "-passin", "pass:snakeoil", "-out", key], check=True)
        return {"SIGN_KEY": key, "SIGN_CERT": "/usr/share/ovmf/PkKek-1-snakeoil.pem"}

    def fetch(self, img, name):
        got = subprocess.run(["mcopy", "-n", "-i", f"{img}@@1M", f"::/nidus/{name}", "-"], capture_output=True)
        with open(os.path.join(self.dir, name), "wb") as f:
            f.write(got.stdout)
        return got.stdout

    def judge_tests(self, img, ran):
        """The whole transcripts, exactly, with what is permitted on this emulator; the menu knows less."""
        if not ran:
            return
        this, said, text = emu.emulator.chosen(self.walk.kind), io.StringIO(), self.fetch(img, "TESTS-0.txt").decode("latin-1")
        if re.search(r"^step\..*\binvd\b", text, re.M):
            self.problems.append("a self-test executes INVD, which on a real machine throws away what caches hold")
        caveats = Caveats(os.path.join(ROOT, "docs/CAVEATS.md"), this.name(), this.short_model())
        with contextlib.redirect_stdout(said):
            failed = report.judge_whole(text, caveats)
        if failed or " as bare, " not in said.getvalue():
            self.problems.append("the self-tests: " + said.getvalue()[-400:])

    def judge(self, img):
        shown = "\n".join(self.shown())
        self.problems += [f"the screen never showed {p}" for p in self.walk.shows if not re.search(p, shown)]
        data = self.fetch(img, self.walk.report or "REPORT-0.txt")
        if self.walk.secure == "unsigned" or not self.walk.report:
            self.problems += ["it left a report"] * bool(data)
            return
        if self.walk.says.encode() not in data:
            self.problems.append(f"the report does not say {self.walk.says}")
        try:
            sections = report.parse(data)
        except report.Bad as e:
            self.problems.append(f"the report: {e}")
            return
        said = [f"{s.lines[0].split()[1]} {s.lines[0].split()[2]}: {s.lines[-1]}" for s in sections if s.name == "verdict"]
        for i, wanted in enumerate(self.walk.steps):
            if i >= len(said) or not re.match(wanted, said[i]):
                self.problems.append(f"verdict {i + 1}: {said[i] if i < len(said) else 'none'}; expected {wanted}")
        if len(said) > len(self.walk.steps):
            self.problems.append("more verdicts: " + "; ".join(said[len(self.walk.steps):]))
        codes = [l.split()[1] for s in sections for l in s.lines if l.startswith("code ")]
        on_screen = re.findall(r"CODE (N\S+)", "\n".join(self.shown()))
        if codes != on_screen[:len(codes)] or not self.walk.shows and codes != on_screen:
            self.problems.append(f"codes on the screen {on_screen}, in the report {codes}")
        names = {s.name for s in sections}
        self.problems += [f"no section {n}" for n in self.walk.also if n not in names]
        self.judge_tests(img, any(s.name.endswith(" nidus") and s.name.startswith("test ") for s in sections))
        if PRIVATE.search(data.decode()):
            self.problems.append("the report names a device: " + PRIVATE.search(data.decode())[0])
        told = self.walk.kind == "qemu" and HIDDEN.search(data + self.fetch(img, "TESTS-0.txt"))
        if told:
            self.problems.append(f"the report tells {told[0].decode()}")
        tool = subprocess.run([os.path.join(ROOT, "tools/report.py"), os.path.join(self.dir, self.walk.report)], capture_output=True, text=True)
        if tool.returncode:
            self.problems.append("tools/report.py: " + (tool.stderr or tool.stdout).strip()[-200:])
        if self.walk.name == "linux" and b"Linux version" not in self.fetch(img, "DMESG.txt"):
            self.problems.append("Linux saved no log on the stick")


def main():
    p = argparse.ArgumentParser(description="walk the stick's menu and judge its reports")
    p.add_argument("walks", nargs="*")
    p.add_argument("-j", type=int, default=emu.JOBS, help="boots at once")
    a = p.parse_args()
    unknown = set(a.walks) - {w.name for w in WALKS} - {"long"}
    if unknown:
        p.error("no such walk: " + " ".join(sorted(unknown)))
    signal.signal(signal.SIGTERM, emu.raise_on_term)
    runs = [Run(w) for w in WALKS if w.name in a.walks or "long" in a.walks or not (a.walks or w.long)]
    try:
        emu.side_by_side([r.go for r in runs], a.j)
    except KeyboardInterrupt:
        return emu.INTERRUPTED
    return emu.tell("stick", [(f"{r.walk.name}: {len(r.walk.keys)} keys, {r.seconds:.0f} s", r.problems) for r in runs], 12)


if __name__ == "__main__":
    sys.exit(main())
