#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Boots a disk image in an emulator, headless, and always cleans up after itself.

Owns: the configuration, the process, the run directory, the end of a run. Which emulator: tools/rig/emulator.py.
Knows nothing of Nidus or of tests. Leaves in the run directory:
  e9.txt     what the guest wrote to port 0xE9, byte for byte
  com1.txt   what the guest wrote to COM1
  com2.bin   what it wrote to COM2, if there is one (com2=, --com2)
  bochs.log  the emulator's own complaints (qemu.log with EMU=qemu)

Environment: EMU=, BOCHS=, MODEL= (tools/rig/emulator.py), MEM=MiB, QEMU_CPU=a model for QEMU,
JOBS=emulators at once where a tool needs several boots (2).
"""
import argparse, concurrent.futures, ctypes, os, re, shutil, signal, socket, subprocess, sys, threading, time

sys.dont_write_bytecode = True
import emulator, ram

# Emulated instructions in a second of device time. Under a Nidus in Nidus one exit of KVM's guest costs more than the
# 100,000 that lie between two ticks of Linux's timer by the first number, and nothing else would run.
IPS, IPS_AT_DEPTH = 25000000, 400000000

OVMF = "/usr/share/ovmf/OVMF.fd"
SECURE_OVMF, SECURE_VARIABLES = "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd", "/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd"
VGABIOS = "/usr/share/vgabios/vgabios.bin"
SECTORS_PER_CYLINDER = 16 * 63
JOBS = int(os.environ.get("JOBS") or 2)

# Exit codes: the README of the rig, in one place.
ENDED = 0        # the marker was seen, or (without --until) the guest shut down
USAGE = 2
TIME_LIMIT = 3   # neither the marker nor an end within --limit (see Machine.spent)
DIED = 4         # the emulator ended by itself: a panic, a triple fault
NO_START = 5     # the emulator or its firmware is missing
NO_MARKER = 6    # a clean shutdown before the marker
INTERRUPTED = 130

BOCHSRC = """\
config_interface: textconfig
display_library: term
romimage: file={ovmf}
cpu: model={cpu}, count={cpus}, ips={ips}, reset_on_triple_fault=0, ignore_bad_msrs=1
memory: guest={mem}, host={mem}
vgaromimage: file={vgabios}
pci: enabled=1, chipset=i440fx, slot1=pcivga
vga: extension=vbe
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, path="{disk}", mode=flat, cylinders={cylinders}, heads=16, spt=63
{second}boot: disk
com1: enabled=1, {com1}
{com2}port_e9_hack: enabled=1
log: bochs.log
panic: {panics}
error: action=report
info: action=ignore
debug: action=ignore
clock: sync=none
magic_break: enabled={magic}
"""


def die_with_parent():
    """In the child: its own process group, and SIGKILL when this program goes away however it goes."""
    os.setsid()
    die_too()


def die_too():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


stopping = threading.Event()        # set: every wait() of this process ends with INTERRUPTED


class E9Filter:
    """Cuts Bochs's own words off its standard output: what stands between is port 0xE9.

    It begins with a banner, a box of two lines of '='. Its debugger prints the first instruction ("(0) [0x0000fffffff0]
    ...") before the guest runs, and a line "(0).[ticks] ..." after a shutdown. While the guest runs it prints nothing."""

    BANNER = re.compile(rb"^={60,}\n.*?^={60,}\n", re.M | re.S)
    FIRST = re.compile(rb"^\(0\) \[0x[0-9a-f]+\] .*\n", re.M)
    TAIL = re.compile(rb"\n?\(0\)\.\[\d+\] \[0x[0-9a-f]+\][^\n]*\n(<bochs:\d+> *\n?)?$")

    def __init__(self, debugger):
        self.head, self.started = b"", False
        self.last = self.FIRST if debugger else self.BANNER

    def feed(self, data):
        if self.started:
            return data
        self.head += data
        match = self.last.search(self.head)
        if not match:
            return b""
        self.started = True
        return self.head[match.end():]

    @classmethod
    def trim(cls, data):
        match = cls.TAIL.search(data)
        if not match:
            return data
        # The tail follows a byte of the guest: a line end before it is the guest's own.
        return data[:match.start()] + (b"\n" if data[match.start():match.start() + 1] == b"\n" else b"")


class Machine:
    """One run of one emulator in one directory."""

    def __init__(self, disk, rundir, com1=None, com2=None, mem=None, cpu=None, ips=None, magic=False, cpus=None, kind=None,
                 machine=None, usb=False, second=None, secure=False, more=()):
        self.disk, self.dir = os.path.abspath(disk), os.path.abspath(rundir)
        self.com1, self.com2 = com1, com2    # a tty's name; or None for com1.txt, and for no COM2; True: COM2 writes com2.bin
        # QEMU: the disk is a USB stick, which keeps what is written, or is "read-only". second: another disk's path; QEMU: or a list.
        self.usb, self.second = usb, second
        self.more = more                     # QEMU: more words for its command line
        self.secure = secure                 # QEMU: Secure Boot is on, and trusts the firmware package's own test key
        self.mem = int(mem or emulator.number("MEM", 512, emulator.LEAST_MEM, emulator.MOST_MEM))
        self.cpu, self.ips, self.magic, self.cpus = cpu, ips or IPS, magic, int(cpus or emulator.cpus())
        self.machine = machine or "pc"       # QEMU's
        self.emulator = emulator.chosen(kind)
        self.kind = self.emulator.kind
        if self.kind == "bochs":
            self.cpu = self.emulator.model(cpu)
        self.proc, self.e9, self.lock = None, bytearray(), threading.Lock()
        self.on_e9 = None
        os.makedirs(self.dir, exist_ok=True)
        for name in ("e9.txt", "com1.txt", "bochs.log", "qemu.log", "stderr.txt", "com2.bin"):
            if os.path.exists(self.path(name)):
                os.unlink(self.path(name))

    def path(self, name):
        return os.path.join(self.dir, name)

    def bochs_com2(self):
        if not self.com2:
            return ""
        return "com2: enabled=1, mode=" + ("file, dev=com2.bin" if self.com2 is True else f"term, dev={self.com2}") + "\n"

    def bochs_command(self):
        com1 = f"mode=term, dev={self.com1}" if self.com1 else "mode=file, dev=com1.txt"
        size = os.path.getsize(self.disk) // 512
        second = f'ata0-slave: type=disk, path="{os.path.abspath(self.second)}", mode=flat, cylinders={os.path.getsize(self.second) // 512 // SECTORS_PER_CYLINDER}, heads=16, spt=63\n' if self.second else ""
        with open(self.path("bochsrc"), "w") as f:
            f.write(BOCHSRC.format(second=second, ovmf=OVMF, vgabios=VGABIOS, cpu=self.cpu, ips=self.ips, cpus=self.cpus,
                                   panics=self.emulator.panics(self.cpu, self.cpus), mem=self.mem, disk=self.disk, cylinders=size // SECTORS_PER_CYLINDER,
                                   com1=com1, com2=self.bochs_com2(), magic=int(self.magic)))
        with open(self.path("dbg"), "w") as f:
            f.write("c\n")
        return [self.emulator.program, *self.emulator.debugger(self.magic), "-q", "-f", "bochsrc", "-rc", "dbg"]

    def qemu_command(self):
        serial = self.com1 or "file:com1.txt"
        accel, cpu = ["-accel", "tcg"], os.environ.get("QEMU_CPU") or self.cpu or "qemu64"
        if not os.environ.get("QEMU_CPU") and nested_kvm():
            accel, cpu = ["-accel", "kvm"], "host"
        drive = ["-drive", f"file={self.disk},format=raw,if=ide,snapshot=on"]
        if self.usb:
            drive = ["-device", "qemu-xhci", "-drive", f"file={self.disk},format=raw,if=none,id=stick" + ",readonly=on" * (self.usb == "read-only"),
                     "-device", "usb-storage,drive=stick,id=plug,removable=on,serial=STICK-SERIAL"]
        for second in [self.second] if isinstance(self.second, str) else self.second or []:
            drive += ["-drive", f"file={os.path.abspath(second)},format=raw,if=ide,snapshot=on"]
        firmware = ["-M", self.machine, "-bios", OVMF]
        if self.secure:
            shutil.copy(SECURE_VARIABLES, self.path("vars.fd"))
            firmware = ["-M", "q35,smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on",
                        "-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={SECURE_OVMF}", "-drive", "if=pflash,format=raw,unit=1,file=vars.fd"]
        return [self.emulator.program, *firmware, *accel, "-cpu", cpu, "-smp", str(self.cpus), "-m", str(self.mem),
                *drive, *self.more, "-net", "none", "-display", "none",
                "-monitor", "unix:monitor.sock,server=on,wait=off" if self.usb else "none", "-no-reboot", "-serial", serial, *(["-serial", "file:com2.bin" if self.com2 is True else self.com2] if self.com2 else []),
                "-debugcon", "file:e9.txt", "-global", "isa-debugcon.iobase=0xe9"]

    def start(self, listening=False):
        """listening: the emulator's debugger has a pipe on its standard input (tools/rig/ram.py)."""
        bochs = self.kind == "bochs"
        command = self.bochs_command() if bochs else self.qemu_command()
        needs = [OVMF] + ([VGABIOS] if bochs else [])
        missing = [n for n in needs if not os.path.exists(n)]
        if missing:
            raise FileNotFoundError("missing: " + " ".join(missing) + " (tools/make/setup.sh installs them)")
        self.unlock()
        self.began = time.monotonic()
        err = open(self.path("stderr.txt" if bochs else "qemu.log"), "wb")
        self.proc = subprocess.Popen(command, cwd=self.dir, stdin=subprocess.PIPE if listening else subprocess.DEVNULL, preexec_fn=die_with_parent,
                                     stdout=subprocess.PIPE if bochs else err, stderr=err)
        if bochs:
            self.reader = threading.Thread(target=self.read_e9, daemon=True)
            self.reader.start()
            threading.Thread(target=self.read_screen, daemon=True).start()

    SCREEN = re.compile(rb'^Bochs connected to screen "(/dev/pts/\d+)"$', re.M)

    def read_screen(self):
        """Bochs draws the guest's screen on a terminal of its own, and when some 20 KB wait there unread it stops for good."""
        found, screen = None, None
        while not found and self.running():
            time.sleep(0.2)
            with open(self.path("stderr.txt"), "rb") as f:
                found = self.SCREEN.search(f.read())
        try:
            screen = os.open(found[1], os.O_RDONLY | os.O_NOCTTY) if found else None
            while screen and self.running() and os.read(screen, 65536):
                pass
        except OSError:
            pass                    # the emulator has ended, and its terminal with it
        finally:
            if screen:
                os.close(screen)

    def debug(self):
        """Runs with this program's standard input, output and error for the emulator's debugger, to its end. Port 0xE9
        appears among its words. Ctrl-C is the debugger's: it stops the guest."""
        command = self.bochs_command()
        self.unlock()
        self.began = time.monotonic()
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            err = open(self.path("stderr.txt"), "wb")
            restore = lambda: (die_too(), signal.signal(signal.SIGINT, signal.SIG_DFL))
            debugger = subprocess.Popen(command, cwd=self.dir, preexec_fn=restore, stderr=err)
            try:
                debugger.wait()
            except KeyboardInterrupt:
                debugger.kill()
                debugger.wait()
                raise
        finally:
            signal.signal(signal.SIGINT, before)
            self.unlock()

    def read_e9(self):
        """Bochs writes port 0xE9 to its standard output; it is kept as it comes, so that a run can be watched."""
        keep = E9Filter(self.emulator.has_debugger(self.magic))
        with open(self.path("e9.txt"), "wb") as f:
            while True:
                data = os.read(self.proc.stdout.fileno(), 65536)
                if not data:
                    break
                data = keep.feed(data)
                f.write(data)
                f.flush()
                with self.lock:
                    self.e9 += data

    def output(self, name):
        """What the guest has written so far: "e9" or "com1"."""
        if name == "e9" and self.kind == "bochs":
            with self.lock:
                return E9Filter.trim(bytes(self.e9))
        try:
            with open(self.path(name + ".txt"), "rb") as f:
                return f.read()
        except FileNotFoundError:
            return b""

    def running(self):
        return self.proc is not None and self.proc.poll() is None

    def spent(self):
        """Seconds of work the emulator has done: its processor time, so that a busy machine ends no run early
        (or a tenth of the time passed, if that is more: an idle guest hangs too)."""
        ticks = 0
        try:
            with open(f"/proc/{self.proc.pid}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            ticks = int(fields[11]) + int(fields[12])
        except (FileNotFoundError, ProcessLookupError):
            pass
        return max(ticks / os.sysconf("SC_CLK_TCK"), (time.monotonic() - self.began) / 10)

    def shut_down_cleanly(self):
        """True if the guest asked for the end through port 0x8900."""
        try:
            with open(self.path("bochs.log"), errors="replace") as f:
                return "shutdown requested" in f.read()
        except FileNotFoundError:
            return self.kind == "qemu" and self.proc.returncode == 0

    def last_panic(self):
        """The emulator's own word on why it gave up, or ""."""
        try:
            with open(self.path("bochs.log"), errors="replace") as f:
                told = [l.split(">>PANIC<<", 1)[1].strip() for l in f if ">>PANIC<<" in l]
        except FileNotFoundError:
            return ""
        return "" if not told or self.shut_down_cleanly() else told[-1]

    def stop(self):
        """Ends what start() started, and nothing else. Safe to call twice."""
        if self.proc:
            if self.proc.poll() is None:
                os.killpg(self.proc.pid, signal.SIGKILL)
            self.proc.wait()
            if self.kind == "bochs":
                self.reader.join(5)
                with open(self.path("e9.txt"), "wb") as f:
                    f.write(self.output("e9"))
        self.unlock()

    def monitor(self, line):
        """Gives QEMU's monitor a command; only where the disk is a USB stick."""
        folder = os.open(self.dir, os.O_RDONLY)         # the path of a socket has at most 107 characters
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5)
            s.connect(f"/proc/self/fd/{folder}/monitor.sock")
            os.close(folder)
            s.sendall(line.encode() + b"\n")
            said = b""
            while said.count(b"(qemu)") < 2:            # its greeting, and the command's end
                said += s.recv(4096)

    def unlock(self):
        for lock in [d + ".lock" for d in (self.disk, self.second) if isinstance(d, str)]:
            if os.path.exists(lock):
                os.unlink(lock)

    def wait(self, until=None, limit=600):
        """Runs to the marker, an end or the limit; returns an exit code of the list above."""
        marker = until.encode() if until else None
        while True:
            alive = self.running()      # asked before the output is looked at: its last bytes count
            if not alive and self.kind == "bochs":
                self.reader.join(5)
            if marker and any(marker in self.output(n) for n in ("e9", "com1")):
                return ENDED
            if not alive:
                if not self.shut_down_cleanly():
                    return DIED
                return NO_MARKER if marker else ENDED
            if stopping.is_set():
                return INTERRUPTED
            if self.spent() > limit:
                return TIME_LIMIT
            time.sleep(0.1)


def nested_kvm():
    """True where this machine's KVM can give a guest VMX."""
    try:
        with open("/sys/module/kvm_intel/parameters/nested") as f:
            return f.read(1) in "Y1" and os.access("/dev/kvm", os.R_OK | os.W_OK)
    except FileNotFoundError:
        return False


def raise_on_term(*_):
    raise KeyboardInterrupt


def tell(what, results, most=None):
    """Prints a line for each (name, problems) of a test, at most so many problems of each, and the sum. Returns the exit status."""
    count = [0, 0]
    for name, problems in results:
        print(f"{'FAIL ' if problems else 'ok   '} {name}", flush=True)
        for problem in problems[:most]:
            print("      " + problem)
        count[bool(problems)] += 1
    print(f"{what}: {count[0]} passed, {count[1]} failed")
    return 1 if count[1] else 0


def side_by_side(calls, at_once=JOBS):
    """Runs the calls in threads; an interrupt ends every emulator before it goes on upwards."""
    pool = concurrent.futures.ThreadPoolExecutor(at_once)
    try:
        for call in [pool.submit(c) for c in calls]:
            call.result()
    except KeyboardInterrupt:
        stopping.set()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"emu: {message}; emu.py --help tells more\n")


def main():
    p = Parser(description="boot a disk image in Bochs (or EMU=qemu), headless")
    p.add_argument("disk")
    p.add_argument("--dir", default=None, help="run directory (default: DISK.run)")
    p.add_argument("--until", help="end when this text appears on port 0xE9 or COM1")
    p.add_argument("--limit", type=float, default=300, help="seconds of the emulator's processor time (default 300)")
    p.add_argument("--cpu", help="the emulator's CPU model, before MODEL=")
    p.add_argument("--ips", type=int, help="emulated instructions per second of device time")
    p.add_argument("--magic", action="store_true",
                   help="stop at XCHG BX,BX, with this terminal (or standard input) for the debugger; no --until and no --limit then")
    p.add_argument("--com2", action="store_true", help="the machine has a COM2, which writes com2.bin")
    p.add_argument("--dump-ram", metavar="FILE", help="write the guest's memory to FILE at --until or at --limit (Bochs)")
    p.add_argument("--show", choices=["e9", "com1"], help="print this output at the end")
    a = p.parse_args()
    if not os.path.isfile(a.disk):
        p.error(f"{a.disk}: no such disk image")
    signal.signal(signal.SIGTERM, raise_on_term)
    signal.signal(signal.SIGHUP, raise_on_term)
    try:
        m = Machine(a.disk, a.dir or a.disk + ".run", cpu=a.cpu, ips=a.ips, magic=a.magic, com2=a.com2)
        if a.dump_ram:
            open(a.dump_ram, "wb").close()
    except emulator.Unusable as e:
        print(e, file=sys.stderr)
        return NO_START
    except OSError as e:
        p.error(f"{e.filename}: {e.strerror}")
    code = NO_START
    if a.magic and (m.kind != "bochs" or a.until or a.show):
        p.error("--magic is Bochs's, and goes with neither --until nor --show")
    if a.dump_ram and (m.kind != "bochs" or not m.emulator.has_debugger(False) or a.magic):
        p.error("--dump-ram wants the debugger of Bochs 2.7, and no --magic")
    try:
        if a.magic:
            m.debug()
            return ENDED
        m.start(listening=bool(a.dump_ram))
        code = m.wait(a.until, a.limit)
        if a.dump_ram and not m.running():
            raise ram.NoDump("the guest has ended; --until a text that comes before")
        if a.dump_ram:
            print("emu: " + ram.dump(m, a.dump_ram), file=sys.stderr)
    except (FileNotFoundError, ram.NoDump) as e:
        print(f"emu: {e}", file=sys.stderr)
        code = NO_START if m.proc is None else NO_MARKER
    except KeyboardInterrupt:
        code = INTERRUPTED
    finally:
        m.stop()
    if a.show:
        sys.stdout.buffer.write(m.output(a.show))
    if code not in (ENDED, INTERRUPTED):
        what = {TIME_LIMIT: "time limit", DIED: "the emulator died", NO_MARKER: "shut down before the marker",
                NO_START: "not started"}[code]
        panic = m.last_panic()
        print(f"emu: {what}" + f": {panic}" * bool(panic) + f"; see {m.dir}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
