#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""`make run`: boots Nidus in the emulator, Linux as L1 under it, and gives the terminal to L1's serial console.

Owns the terminal: it is put back on every way out. Without a terminal on standard input L1 shows what it is
(tests/linux/rc, "auto"), and the program ends with it.

Environment: MEM=MiB, KERNEL=, INITRD=, ARGS= (more words for the kernel), NIDUS= (options for nidus.efi; nested=on),
RUN_BARE=1 (no Nidus), DEPTH=N (N + 1 of them, each in the one before, then Linux), QEMU=1 (L1 has qemu-linux:
build/l1/qemu.img), LIMIT=seconds, CPUS=N (processors; ACPI tables from tools/rig/tables.c), BOCHS=, EMU= (tools/rig/emu.py).
EFI=FILES runs EFI programs instead of Linux: tools/rig/run_efi.py.
"""
import fcntl, os, pty, select, signal, subprocess, sys, termios, time, tty

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import emu, emulator, run_efi

# The kernel's self-tests of its ciphers are half of its boot in an emulator; there are no ACPI tables.
KERNEL_ARGS = "console=ttyS0 acpi=off quiet cryptomgr.notests=1 tsc=reliable"
QEMU_IPS = 200000000        # at the usual 25 M a timer tick is 100,000 instructions, and most of an L2's are the tick's own
LEAVE = 0x1d                # Ctrl-]
READY = b"L1 SHELL\r\n"     # tests/linux/rc prints it when the terminal is L1's

def kernel_args():
    """Several processors take ACPI tables: tables.efi (tools/rig/tables.c) installs them."""
    return KERNEL_ARGS if emulator.cpus() == 1 else KERNEL_ARGS.replace("acpi=off ", "")


# What each text on the console means for the person who waits, in the order of their coming.
STAGES = [(b"BdsDxe: starting", "the firmware starts what is to boot"), (b"EFI stub:", "Linux boots as L1"), (READY, "L1 is up")]
LAUNCHED, REFUSED = b"nidus: launched", b"nidus: cannot run"
MOST_DEPTH = 4


def environ(name, default=""):
    return os.environ.get(name) or default


class Progress:
    """One line that says the stage and the time: rewritten on a terminal, one line a stage elsewhere."""

    def __init__(self):
        self.start, self.live, self.shown = time.monotonic(), sys.stderr.isatty(), None

    def show(self, stage):
        seconds = int(time.monotonic() - self.start)
        if self.live:
            sys.stderr.write(f"\r\x1b[K[{seconds:3} s] {stage} ")
        elif stage != self.shown:
            sys.stderr.write(f"[{seconds:3} s] {stage}\n")
        self.shown = stage
        sys.stderr.flush()

    def clear(self):
        if self.live and self.shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def depth_asked():
    return 0 if environ("RUN_BARE") else emulator.number("DEPTH", 0, 0, MOST_DEPTH)


def payload():
    """The kernel and the initramfs, as KERNEL= and INITRD= have them."""
    files = {"KERNEL": environ("KERNEL", f"{ROOT}/build/l1/vmlinuz"), "INITRD": environ("INITRD", f"{ROOT}/build/l1/initrd.img")}
    for name, f in files.items():
        if not os.path.isfile(f):
            raise ValueError(f"{name}={f}: no such file")
    with open(files["KERNEL"], "rb") as f:
        if f.read(2) != b"MZ":
            raise ValueError(f"KERNEL={files['KERNEL']}: not an EFI program, as a Linux kernel with its EFI stub is")
    return files["KERNEL"], files["INITRD"]


def kernel_version(path=f"{ROOT}/build/l1/vmlinuz"):
    """What a Linux kernel says of itself in its header ("6.1.0-56-cloud-amd64"); "of unknown version" if it is none."""
    try:
        with open(path, "rb") as f:
            head = f.read(0x10000)
    except OSError:
        return "of unknown version"
    at = int.from_bytes(head[0x20e:0x210], "little") + 0x200
    words = head[at:].split(b"\0", 1)[0].decode("latin-1").split() if head[0x202:0x206] == b"HdrS" else []
    return words[0] if words else "of unknown version"


def estimate():
    """What a person is told before the wait; measured on a machine that makes 60 M instructions a second."""
    depth = depth_asked()
    if environ("QEMU"):
        return "three minutes" if not depth else "many minutes"
    return "a minute" if not depth else "two minutes" if depth == 1 else f"{2 ** depth} minutes"


def make_disk(rundir, mode, bare):
    kernel, initrd = payload()
    args = " ".join(f"{kernel_args()} {environ('ARGS')}".split())
    qemu = [f"::/qemu.img={ROOT}/build/l1/qemu.img"] if environ("QEMU") else []
    second = r"initrd=\qemu.img " if qemu else ""
    line = f"\\vmlinuz initrd=\\initrd.img {second}{args}{emulator.chosen().kernel_words()} -- {mode}"
    options, depth = environ("NIDUS", "nested=on").split(), depth_asked()
    with open(f"{rundir}/nidus.cfg", "w") as f:
        f.write("".join(w + "\n" for w in options) + f"chain={line}\n")
    with open(f"{rundir}/chain.txt", "w") as f:
        tables = emulator.lacks_tables()
        f.write("\\tables.efi\n" * tables
                + ("" if bare else (" ".join(["\\nidus.efi", *options]) + "\n") * (depth + 1)) + line + "\n")
    b = f"{ROOT}/build"
    if bare or depth or tables:
        files = [f"::/tables.efi={b}/tables.efi"] * tables + [f"::/EFI/BOOT/BOOTX64.EFI={b}/chain.efi", f"::/chain.txt={rundir}/chain.txt", f"::/nidus.efi={b}/nidus.efi"]
    else:
        files = [f"::/EFI/BOOT/BOOTX64.EFI={b}/nidus.efi", f"::/EFI/nidus/nidus.cfg={rundir}/nidus.cfg"]
    files += [f"::/vmlinuz={kernel}", f"::/initrd.img={initrd}", *qemu]
    subprocess.run([f"{HERE}/mkesp.sh", f"{rundir}/esp.img", *files], check=True)
    return f"{rundir}/esp.img"


def stage_of(console):
    told = [text for mark, text in STAGES if mark in console]
    live, levels = console.count(LAUNCHED), depth_asked() + 1
    if len(told) == 1 and live:
        return f"Nidus {live - 1} is live; " + ("the kernel is loaded as L1" if live == levels else f"Nidus {live} starts in it")
    return told[-1] if told else "the firmware starts"


def refused(console):
    """True when nidus.efi has said that it cannot run, in a whole line."""
    at = console.find(REFUSED)
    return at >= 0 and b"\n" in console[at:]


def last_words(console, m):
    """Nidus's own lines, then the end of the console; of a refusal that line alone."""
    lines = run_efi.Lines().feed(console, True)
    spoken = [l for l in lines if l.startswith("nidus: ")]
    if refused(console):
        print("\n" + next(l for l in spoken if "cannot run" in l), file=sys.stderr)
        return
    if m.last_panic():
        print(f"\nthe emulator gave up: {m.last_panic()}", file=sys.stderr)
    tail = [l for l in lines[-12:] if l not in spoken]
    print("\nL1's console ended with:\n" + "\n".join("  " + l for l in [*spoken, *tail]), file=sys.stderr)


class Console:
    """COM1 as a pseudo-terminal: the emulator has the one end, this program the other."""

    def __init__(self):
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.name = os.ttyname(self.slave)
        self.text = b""

    def read(self, wait):
        """What came within `wait` seconds; kept in .text as well."""
        if not select.select([self.master], [], [], wait)[0]:
            return b""
        data = os.read(self.master, 65536)
        self.text += data
        return data


def wait_for_shell(m, console, limit, progress):
    """True when L1's shell is there (or the payload is not ours and the firmware is done)."""
    mark = b"BdsDxe: starting" if environ("INITRD") or environ("KERNEL") else READY
    while time.monotonic() - progress.start < limit:
        console.read(0.2)
        progress.show(stage_of(console.text))
        if mark in console.text:
            return True
        if not m.running() or refused(console.text):
            return False
    return False


def converse(m, console):
    """Copies bytes both ways until the machine ends or the person leaves."""
    stdin = sys.stdin.fileno()
    while m.running():
        ready = select.select([stdin, console.master], [], [], 0.3)[0]
        if console.master in ready:
            sys.stdout.buffer.write(console.read(0))
            sys.stdout.buffer.flush()
        if stdin in ready:
            data = os.read(stdin, 256)
            if not data or LEAVE in data:
                return
            os.write(console.master, data)


def interactive(m, console, progress):
    stdin = sys.stdin.fileno()
    saved = termios.tcgetattr(stdin)
    who = "Bare, no Nidus" if environ("RUN_BARE") else "Nidus" if not depth_asked() else f"{depth_asked() + 1} Niduses, one in the other"
    print(f"{who}: the emulator works for about {estimate()}. Ctrl-C ends it now; in L1's shell, Ctrl-] does.", file=sys.stderr)
    try:
        up = wait_for_shell(m, console, emulator.number("LIMIT", 900 * (1 + depth_asked()), 1, 10**6), progress)
        progress.clear()
        if not up:
            last_words(console.text, m)
            return 1
        seconds = int(time.monotonic() - progress.start)
        print(f"[{seconds} s] This terminal is L1's serial console now. Ctrl-] leaves.", file=sys.stderr)
        termios.tcflush(stdin, termios.TCIFLUSH)
        tty.setraw(stdin)
        shown = console.text.split(READY, 1)[-1] if READY in console.text else b""
        sys.stdout.buffer.write(shown)
        sys.stdout.buffer.flush()
        converse(m, console)
        return 0
    finally:
        try:
            termios.tcsetattr(stdin, termios.TCSADRAIN, saved)
        except termios.error:       # the terminal is gone
            pass
        else:
            print("\r")


def unattended(m, console, progress):
    """No terminal: L1 tells what it is and ends the machine."""
    deadline = progress.start + emulator.number("LIMIT", 600 * (1 + depth_asked()), 1, 10**6)
    while m.running() and not refused(console.text) and time.monotonic() < deadline:
        console.read(0.5)
        progress.show(stage_of(console.text))
    while console.read(0.2):
        pass
    if READY not in console.text or m.running():
        last_words(console.text, m)
        return 1
    print(console.text.split(READY, 1)[1].decode("utf-8", "replace").replace("\r\n", "\n"), end="")
    return 0


def run_directory():
    """A directory that no other run uses, and the file whose lock says so: build/run, or build/run.N beside a run in it."""
    for n in range(1, 10):
        path = os.path.join(ROOT, "build/run" + f".{n}" * (n > 1))
        os.makedirs(path, exist_ok=True)
        lock = open(os.path.join(path, "lock"), "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return path, lock
        except BlockingIOError:
            lock.close()
    raise ValueError("nine runs in this tree already")


def terminal_size():
    """For L1's terminal driver, which cannot ask: "size=ROWSxCOLUMNS ", or nothing."""
    try:
        size = os.get_terminal_size(sys.stdin.fileno())
    except OSError:
        return ""
    return f"size={size.lines}x{size.columns} " if size.lines and size.columns else ""


def run_linux(rundir, bare, console):
    person, progress = sys.stdin.isatty(), Progress()
    disk = make_disk(rundir, f"{terminal_size()}shell" if person else "auto", bare)
    ips = emu.IPS_AT_DEPTH if depth_asked() else QEMU_IPS if environ("QEMU") else None
    m = emu.Machine(disk, rundir, com1=console.name, ips=ips, mem=1024 if environ("QEMU") and not environ("MEM") else None)
    try:
        m.start()
        return (interactive if person else unattended)(m, console, progress)
    except KeyboardInterrupt:
        progress.clear()
        raise
    finally:
        m.stop()


def main():
    if sys.argv[1:]:
        print(f"run: {sys.argv[1]}: there are no options, but variables: make run NAME=value (README.md)", file=sys.stderr)
        return 2
    for s in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, emu.raise_on_term)
    bare = bool(environ("RUN_BARE"))
    try:
        run_efi.judge_words()
        emulator.number("MEM", 512, emulator.LEAST_MEM, emulator.MOST_MEM)
        rundir, lock = run_directory()
        with lock:
            if environ("EFI"):
                return run_efi.main(rundir, ROOT, Console(), Progress, bare)
            return run_linux(rundir, bare, Console())
    except (FileNotFoundError, ValueError, subprocess.CalledProcessError) as e:
        print(f"run: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("run: ended", file=sys.stderr)
        return emu.INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
