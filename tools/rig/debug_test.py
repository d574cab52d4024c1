#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The debuggers: the emulator's own by emu.py --magic, and gdb on the stub in L0 (hv/gdb).

One boot each. In the second, noise comes first and must be refused; then stock gdb stops L1 and L2, steps, breaks, looks
and leaves; then noise comes again for as long as programs run, and stops nothing. In the third there are two processors,
which are two threads; in `init` one of them sends itself an INIT where gdb steps. In `levels` there is a breakpoint in L2
and one in L1. In `ports` an L2 is let at COM2. In `threshold` one is stopped under its TPR threshold. In the last L0 panics on purpose, and gdb looks at L0.
"""
import os, random, re, signal, subprocess, sys, threading, time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import emu, gdb_line, run, run_efi
from linux_test import ROOT, Verdicts

OUT = f"{ROOT}/build/debug"
PROGRAMS = ["first_exit", "broken_pin", "t_alive", "t_cpuid"]
LIMIT = 300

# What every script begins and ends with.
HEAD = """set pagination off
set confirm off
set remotetimeout 120
target remote {socket}
"""
TAIL = """
echo @end\\n
detach
quit
"""

SCRIPT = """
echo @wait\\n
info registers cs
monitor nonsense
monitor until l2
continue
echo @l2\\n
info registers rip eflags
x/2i $rip
monitor vmcs02
monitor vmcs12
monitor vmcs01
monitor level 1
maintenance flush register-cache
echo @l1below\\n
info registers rip rax
monitor level 0
maintenance flush register-cache
echo @step\\n
stepi
info registers rip
stepi
x/i $rip
echo @walk\\n
python gdb.execute("monitor walk %x" % gdb.parse_and_eval("(unsigned long)$rip"))
echo @exit\\n
monitor until l1
continue
info registers rip
echo @sti\\n
python
for i in range(12):
    at = gdb.execute("x/i $rip", to_string=True)
    gdb.execute("stepi", to_string=True)
    if "sti" in at.split():
        break
end
stepi
stepi
info registers eflags
x/i $rip
echo @break\\n
hbreak *$rip
delete
python gdb.execute("hbreak *%d" % (int(gdb.parse_and_eval("(unsigned long)$rip")) + int(gdb.selected_inferior().architecture().disassemble(int(gdb.parse_and_eval("(unsigned long)$rip")))[0]["length"])))
continue
delete
echo @refused\\n
monitor until refused
continue
monitor why
monitor exits
echo @write\\n
python
for words in ("set $rax=1", "set *(char*)$rsp=1"):
    try:
        gdb.execute(words)
        print("written")
    except gdb.error as e:
        print("refused:", e)
end
"""


SEVERAL = """
echo @first\\n
info threads
monitor until l2
continue
echo @one\\n
info threads
maintenance flush register-cache
info registers rip
monitor vmcs12
echo @two\\n
thread 2
info registers rip
monitor until l2
continue
info threads
maintenance flush register-cache
info registers rip
monitor vmcs12
stepi
info threads
echo @stack\\n
monitor until l1
continue
info threads
python gdb.execute("awatch *(long*)%d" % int(gdb.parse_and_eval("(unsigned long)$rsp")))
continue
info threads
delete
echo @none\\n
python
try:
    gdb.execute("thread 3")
except gdb.error as e:
    print("refused:", e)
end
"""

# A breakpoint in L2 and one in L1, which take turns: each entry of t_trace's, each exit.
LEVELS = """
monitor until l2
continue
hbreak *$rip
monitor until l1
continue
hbreak *$rip
python
for i in range(6):
    gdb.write("@turn%d" % i + chr(10))
    gdb.execute("continue")
    gdb.execute("info threads")
end
delete
"""

# A processor that sends itself an INIT (guest-tests/smp/t_smp_step.c) is stepped over that, in L1 and in L2.
INIT = """
python
def show(words):
    print(gdb.execute(words, to_string=True))
def aimed():
    gdb.execute("awatch *(int*)0xfee00310")
    for i in range(12):
        gdb.execute("continue")
        if gdb.selected_thread().num == 2:
            break
    gdb.execute("delete")
def over_the_store():
    for i in range(40):
        gdb.execute("maintenance flush register-cache")
        if "0xc500," in gdb.execute("x/i $rip", to_string=True):
            break
        gdb.execute("stepi")
    gdb.write("@" + place + chr(10))
    show("info threads")
    for i in range(2):
        gdb.execute("stepi")
        show("info threads")
    show("monitor exits")
place = "inl1"
aimed()
over_the_store()
place = "inl2"
aimed()
gdb.execute("monitor until l2")
gdb.execute("continue")
over_the_store()
end
"""

PANIC = """
set architecture i386:x86-64
continue
echo @panic\\n
symbol-file {root}/build/core.elf
info threads
bt
x/i $rip
echo @memory\\n
x/2gx run_dump
python
for where in ("0", "0x123456789abc", "0x800000000000", "0xfffffffffffffff8"):
    try:
        gdb.execute("x/gx " + where)
        print("there")
    except gdb.error as e:
        print("nothing:", e)
end
echo @rsp\\n
info registers rsp
"""


def noise(seed, size):
    """Anything that a line may bring but a whole packet: no '#', so none ends; then some with wrong sums."""
    r = random.Random(seed)
    alphabet = [b for b in range(256) if b != ord("#")] + [ord("$"), 3, ord("+"), ord("-")] * 8
    return bytes(r.choice(alphabet) for _ in range(size)) + b"$g#00$c#00$" + b"A" * 1500 + b"$qRcmd,#zz"


def packet(text, wrong=0):
    return b"$" + text + b"#%02x" % ((sum(text) + wrong) & 255)


ASKS = [b"QStartNoAckMode", b"?", b"g", b"m0,ffffffffffffffff", b"mffffffffffffff00,200", b"m800000000000,200", b"Z0,ffffffffffffffff,1",
        b"Z2,1,8", b"Hg7fffffff", b"Hc-1", b"Hgffffffffffffffff", b"Tffffffff", b"qThreadExtraInfo,9", b"qfThreadInfo",
        b"qRcmd,77616c6b20ffff", b"qRcmd," + b"6d" * 400, b"qXfer:features:read:target.xml:ffffffffffffffff,ffffffffffffffff", b"vCont?",
        b"X0,0:", b"G", b"z9,1,1"]


def storm():
    """A debugger that has lost its mind, piece by piece: it asks for what is not there, with wrong sums and cut packets besides,
    sends a packet of 20 KB, stops and goes on without end, and leaves."""
    for ask in ASKS:
        yield packet(ask)
        yield packet(ask, 1) + packet(ask)[:-2]
    yield b"$m" + b"1" * 20000 + b"#00"
    yield b"".join(packet(b"c") + b"\x03" * 7 for _ in range(30))
    yield packet(b"c") + packet(b"D") + b"\x03" * 50
    yield packet(b"D")


class Session:
    """gdb in a thread of its own beside the machine; noise before it and behind it."""

    def __init__(self, line, script=SCRIPT, noisy=True):
        self.line, self.text, self.over, self.commands, self.noisy = line, "", threading.Event(), script, noisy
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        self.line.open.wait(LIMIT)
        if self.noisy:
            self.line.write(noise(1, 3000))
            time.sleep(2)
        script = f"{OUT}/script.gdb"
        with open(script, "w") as f:
            f.write((HEAD + self.commands + TAIL).format(socket=self.line.path, root=ROOT))
        self.gdb = subprocess.Popen(["gdb", "-nx", "-batch", "-x", script], stdin=subprocess.DEVNULL, text=True,
                                    errors="replace", stdout=open(f"{OUT}/gdb.txt", "w"), stderr=subprocess.STDOUT,
                                    preexec_fn=emu.die_too)
        self.gdb.wait()
        with open(f"{OUT}/gdb.txt", errors="replace") as f:
            self.text = f.read()
        seed = 2
        for piece in storm() if self.noisy else ():
            before, until = len(self.line.unheard), time.monotonic() + 3
            self.line.write(piece)
            while len(self.line.unheard) == before and time.monotonic() < until:
                time.sleep(0.05)        # the line has no flow control
        while self.noisy and not self.over.is_set():
            self.line.write(noise(seed, 200))
            seed += 1
            time.sleep(0.05)

    def part(self, name):
        """What gdb said between @name and the next mark."""
        found = re.search(rf"^@{name}\n(.*?)(?=^@|\Z)", self.text, re.M | re.S)
        return found[1] if found else ""


def gdb_boot(programs=PROGRAMS, cpus=1, options="", script=SCRIPT, until_gdb_ends=False):
    """(the session, the talk, what was said, why it ended)"""
    os.environ.update(EFI=" ".join(f"build/{p}.efi" for p in programs), GDB="1", NIDUS=options, ARGS="", CPUS=str(cpus))
    said, own = [], run_efi.programs()
    talk = run_efi.Talk([n for _, n in own], said.append)
    console, line = run.Console(), gdb_line.Line(f"{OUT}/gdb.sock")
    session = Session(line, script, cpus == 1 and not options)
    m = emu.Machine(run_efi.make_disk(OUT, ROOT, own, False, 0), OUT, com1=console.name, com2=line.tty)
    progress = run.Progress()
    progress.show = lambda _: None
    try:
        m.start()
        session.thread.start()
        if until_gdb_ends:
            watcher = threading.Thread(target=run_efi.watch, args=(m, console, talk, progress, LIMIT, line), daemon=True)
            watcher.start()
            session.thread.join(LIMIT)
            why = None
        else:
            why = run_efi.watch(m, console, talk, progress, LIMIT, line)
    finally:
        session.over.set()
        m.stop()
        session.thread.join(5)
        line.close()
    return session, talk, said, why


def asker(v, session):
    """says(part, patterns...): each is in what gdb said there."""
    def says(part, *patterns):
        text = session.part(part)
        missing = [p for p in patterns if not re.search(p, text, re.M)]
        if not v.check(not missing, f"gdb {part}"):
            print(f"      no {missing} in:\n      " + "\n      ".join(text.splitlines()[-12:]))
        return text
    return says


def judge_several(v, session, talk, said, why):
    says = asker(v, session)
    says("first", r"^\* 1 +Thread 1 ", r"^  2 +Thread 2 ")
    text = says("one", r"^\* 1 +Thread 1 \(in L2\)", r"^VMCS at L1's 0x[0-9a-f]+, L2 runs")
    mine = re.search(r"^VMCS at L1's (0x[0-9a-f]+)", text, re.M)
    text = says("two", r"^rip +0x", r"^\* 2 +Thread 2 \(in L2\)", r"^VMCS at L1's 0x[0-9a-f]+, L2 runs")
    other = re.search(r"^VMCS at L1's (0x[0-9a-f]+)", text, re.M)
    v.check(bool(mine and other and mine[1] != other[1]), "each thread has a VMCS of its own")
    says("stack", r"^\* 2 +Thread 2 \(in L1\)", r"(?s)Thread 2 hit Hardware access.*\* 2 +Thread 2 \(in L1\)")
    says("none", r"^refused: ")
    ended = why is None and talk.ended == [0]
    if not v.check(ended, "behind gdb, two processors go on to the end"):
        print(f"      {why}; " + "\n      ".join(said[-8:]) + "\n" + session.text[-1500:])


def judge_levels(v, session, talk, said, why):
    says = asker(v, session)
    for i in range(6):
        n, level = (2, 1) if i % 2 else (1, 2)
        says(f"turn{i}", rf"^Breakpoint {n}, ", rf"^\* 1 +Thread 1 \(in L{level}\) ")
    ended = why is None and talk.ended == [0]
    if not v.check(ended and sum("trace.again: exit 18" in l for l in said) == 3, "behind the breakpoints the program ends"):
        print(f"      {why}; " + "\n      ".join(said[-8:]) + "\n" + session.text[-1500:])


def judge_init(v, session, talk, said, why):
    says = asker(v, session)
    says("inl1", r"(?s)Thread 2 \(in L1\).*^\* 2 +Thread 2 \(in L1\) +0x0*fff0 .*^\* 2 +Thread 2 \(in L1\) +0x0*fff0 ", r"^last INIT at 0x")
    says("inl2", r"(?s)Thread 2 \(in L2\).*^\* 2 +Thread 2 \(in L1\)", r"^exits L2 INIT 1$", r"^last INIT at 0x")
    own = [l.partition("smp_step.")[2] for l in said if l.startswith("e9    | smp_step.")]
    ended = why is None and talk.ended == [0]
    if not v.check(ended and own == ["l1: up again", "l2: goes on, exit 3, flags 2, pending 0"], "an INIT where gdb steps does what it does bare"):
        print(f"      {why}; " + "\n      ".join(said[-8:]) + "\n" + session.text[-1500:])


# What guest-tests/self/t_ports.c is to say while the line is gdb's: no receiver where L1 lets L2 through, and L1's own exits.
PORTS = """
    bitmaps, written: exit 18 len 3 rip +3 rax=40
    bitmaps, kept: exit 18 len 3 rip +6 rax=0
    bitmaps, word across the edge: exit 18 len 3 rip +2 rax=ff
    bitmaps, dword across the end: exit 18 len 3 rip +1 rax=ffff00b0
    bitmaps, string: exit 18 len 3 rip +2 rcx=0
    bitmaps, stepped: exit 0 q 4000 intr 80000301 rip +1 rax=0
    bitmaps, L1's port: exit 30 q 2fd0008 len 1 rip +0
    bitmaps, beside L1's port: exit 18 len 3 rip +6 rax=0
    bitmaps, another port: exit 18 len 3 rip +2
    bitmaps, L1's other port: exit 30 q 800040 len 2 rip +0
    nothing, written: exit 18 len 3 rip +3 rax=40
    nothing, kept: exit 18 len 3 rip +6 rax=0
    nothing, upper port: exit 18 len 3 rip +1 rax=ff
    all, written: exit 30 q 2f80000 len 1 rip +2 rax=40
    bitmaps, trap flag: exit 37 rip +1 rax=0
"""


def judge_ports(v, session, talk, said, why):
    own = [l.partition("ports.64.")[2].replace("_", " ") for l in said if "ports.64." in l]
    wanted = [l.strip() for l in PORTS.strip().splitlines()]
    if not any("trap flag" in l for l in own):      # docs/CAVEATS.md, bochs-mtf
        wanted.pop()
    if not v.check(own == wanted, "an L2 finds no receiver behind COM2's ports"):
        print("\n".join(f"      {l}" for l in own if l not in wanted))
    v.check(b"@" not in session.line.unheard, "what L2 writes there does not reach gdb's line")
    ended = why is None and talk.ended == [0]
    if not v.check(ended, "the program that does it ends"):
        print(f"      {why}; " + "\n      ".join(said[-8:]) + "\n" + session.text[-1500:])


# L2's first instruction lowers its TPR under the threshold; the stop behind it is gdb's alone.
THRESHOLD = """
monitor until l2
continue
hbreak *0x10006
continue
echo @stepped\\n
info registers rip
"""


def judge_threshold(v, session, talk, said, why):
    asker(v, session)("stepped", r"^rip +0x")
    own = [l.partition("sec_vtpr.")[2] for l in said if l.startswith("e9    | sec_vtpr.")]
    ended = why is None and talk.ended == [0]
    if not v.check(ended and own[:1] == ["64.lowered: exit 18 len 3 rip +8 vtpr 0 threshold 5"], "an L2 under its TPR threshold goes on behind gdb's stop"):
        print(f"      {why}; " + "\n      ".join(own[:2] + said[-8:]) + "\n" + session.text[-1500:])


def judge_panic(v, session, talk, said, why):
    says = asker(v, session)
    says("panic", r"^#0 .*autopsy", r"run_dump", r"panic \(format=", r"plant_panic", r"run_debugged|run \(cpu=", r"^=> 0xffffffff[0-9a-f]+ <autopsy")
    text = says("memory", r"^0x[0-9a-f]+ <run_dump>:\s+0x")
    v.check(text.count("nothing:") == 4 and "there" not in text.split("nothing:")[0], "what L0 has not mapped, gdb does not reach")
    says("rsp", r"^rsp +0xffff")
    v.check(any("planted" in l or "bug" in l or "panic" in l for l in said), "Nidus says that it panicked")


def judge_gdb(v, session, talk, said, why):
    says = asker(v, session)
    says("wait", r"^cs +0x38 ", r"^monitor vmcs01\|vmcs12\|")
    text = says("l2", r"^eflags +0x2 ", r"push +%rbx", r"^guest_rip = 0x", r"^vmcs_link_pointer = 0xffffffffffffffff",
                r"^VMCS at L1's 0x[0-9a-f]+, L2 runs", r"^host_rip = 0x", r"^ept_pointer = 0x")
    rips = re.findall(r"^host_rip = (0x[0-9a-f]+)$", text, re.M)
    says("l1below", r"^rip +0x", r"^rax +<unavailable>")
    says("step", r"cpuid")
    says("walk", r"^entry at L2's 0x[0-9a-f]+ = 0x", r"^L1's physical 0x")
    host = [r for r in rips if not r.startswith("0xffff")]
    v.check(len(host) == 1 and host[0] in session.part("exit"), f"L1 goes on at HOST_RIP {host}")
    says("sti", r"^eflags +0x[0-9a-f]*[2367abef][0-9a-f]{2} ")
    says("break", r"Hardware assisted breakpoint", r"(?s)Continuing|Breakpoint 2|SIGTRAP")
    says("refused", r"^pin_ctl: section 27\.2\.1\.1: ", r"^exits L1 VMLAUNCH 2$", r"^exits L2 CPUID 1$", r"^packets that were none: [1-9]")
    text = says("write", r"^refused: ")
    v.check("written" not in text and text.count("refused: ") == 2, "gdb writes no register and no memory")
    heard = bytes(session.line.unheard)
    stops, gone, none = heard.count(b"$T02thread:01"), heard.count(b"$E14#"), heard.count(b"$E01#")
    if not v.check(stops > 10 and gone >= 2 and none > 5, f"a storm on the line: {stops} stops, {gone} times no memory, {none} refusals"):
        print(f"      {heard[:400]}")
    ended = len(talk.ended) == len(PROGRAMS) and why is None
    if not v.check(ended and talk.ended[:2] == [0, 21], f"behind gdb, and under noise, {len(talk.ended)} of {len(PROGRAMS)} programs ended"):
        print(f"      {why}; " + "\n      ".join(said[-8:]) + "\n" + session.text[-600:])


def magic(v):
    """XCHG BX, BX stops in the emulator's debugger, which has our standard input; `c` goes on to the end."""
    disk = f"{OUT}/magic.img"
    subprocess.run([f"{HERE}/mkesp.sh", disk, f"::/EFI/BOOT/BOOTX64.EFI={ROOT}/build/chain.efi", "::/chain.txt:=\\\\pre_magic.efi\\n",
                    f"::/pre_magic.efi={ROOT}/build/pre_magic.efi"], check=True)
    p = subprocess.run([f"{HERE}/emu.py", "--magic", disk, "--dir", f"{OUT}/magic"], input="r\nc\n", text=True, errors="replace",
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT)
    ok = p.returncode == 0 and "Magic breakpoint" in p.stdout and "r15: 00000000_01234567" in p.stdout and "CHAIN END 0x0000000000000001" in p.stdout
    if not v.check(ok, "emu.py --magic hands the debugger the terminal"):
        print("      " + "\n      ".join(p.stdout.splitlines()[-12:]))


def memory(v):
    """A script of the shell's stands in the dump of memory that is taken when it has spoken."""
    anchor = "".join(f"{n * n:x}." for n in range(300, 340))
    disk, out = f"{OUT}/ram.img", f"{OUT}/ram.bin"
    subprocess.run([f"{HERE}/mkesp.sh", disk, f"::/startup.nsh:=@echo -off\necho RAM MARK\n#{anchor}\n"], check=True)
    p = subprocess.run([f"{HERE}/emu.py", disk, "--dir", f"{OUT}/ram", "--until", "RAM MARK", "--dump-ram", out], text=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT)
    data = b""
    if os.path.exists(out):
        with open(out, "rb") as f:
            data = f.read()
        os.unlink(out)
    ok = p.returncode == 0 and len(data) == 512 << 20 and (anchor.encode() in data or anchor.encode("utf-16-le") in data)
    if not v.check(ok, "emu.py --dump-ram writes the guest's memory"):
        print(f"      status {p.returncode}, {len(data)} bytes; " + p.stdout[-300:])


TESTS = {"magic": magic, "memory": memory, "gdb": lambda v: judge_gdb(v, *gdb_boot()),
         "several": lambda v: judge_several(v, *gdb_boot(["t_smp_trace"], 2, "nested=on profile=host", SEVERAL)),
         "levels": lambda v: judge_levels(v, *gdb_boot(["t_trace"], 1, "nested=on profile=host", LEVELS)),
         "init": lambda v: judge_init(v, *gdb_boot(["t_smp_step"], 2, "nested=on profile=host", INIT)),
         "ports": lambda v: judge_ports(v, *gdb_boot(["t_ports"], 1, "nested=on profile=host", "")),
         "threshold": lambda v: judge_threshold(v, *gdb_boot(["t_sec_vtpr"], 1, "nested=on profile=host", THRESHOLD)),
         "panic": lambda v: judge_panic(v, *gdb_boot(["first_exit"], 1, "plant=408", PANIC, True))}


def main():
    signal.signal(signal.SIGTERM, emu.raise_on_term)
    os.makedirs(OUT, exist_ok=True)
    v = Verdicts()
    try:
        for name in sys.argv[1:] or TESTS:
            TESTS[name](v)
    except KeyboardInterrupt:
        return emu.INTERRUPTED
    print(f"debug: {v.passed} passed, {v.failed} failed")
    return 1 if v.failed else 0


if __name__ == "__main__":
    sys.exit(main())
