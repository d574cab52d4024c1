# SPDX-License-Identifier: BSD-2-Clause
"""The guest's memory as a file, by Bochs's debugger: emu.py --dump-ram.

The debugger writes memory by linear address alone, so the dump needs a mapping of all of RAM in force where the guest
stops: L0's, the firmware's (identity), or Linux's (with nokaslr). Which one it is, is found by reading the same memory by
its physical address. A guest of a hypervisor sees another page in place of each of the hypervisor's own, so where there is
VMX operation the guest first runs to its next VM exit: behind that the hypervisor's mapping is in force.
"""
import os, re, signal, time

BASES = {"as the firmware maps it": 0, "as L0 maps it": 0xffff800000000000, "as Linux maps it": 0xffff888000000000}
PROBES = (0x1000, 0x100000, 0x800000)
MIB = 1 << 20
PROMPT = re.compile(rb"<bochs:\d+> $")
PATIENCE = 60
EXIT_SECONDS = 20       # for the next VM exit to come, of the emulator's processor time
PAGE = 4096
MOST_GAPS = 512         # pages of a piece that are looked at one by one


class NoDump(Exception):
    """One line for the person."""


class Debugger:
    """The debugger of a machine that was started with it listening (Machine.start(listening=True))."""

    def __init__(self, machine):
        self.m, self.from_here = machine, len(machine.e9)
        os.kill(machine.proc.pid, signal.SIGINT)
        self.answer(self.from_here)

    def answer(self, mark, seconds=PATIENCE, clock=time.monotonic):
        deadline = clock() + seconds
        while not PROMPT.search(bytes(self.m.e9[mark:])):
            if not self.m.running() or clock() > deadline:
                raise NoDump("the emulator's debugger does not answer")
            time.sleep(0.02)
        return bytes(self.m.e9[mark:]).decode("latin-1")

    def ask(self, command):
        mark = len(self.m.e9)
        self.m.proc.stdin.write(command.encode() + b"\n")
        self.m.proc.stdin.flush()
        return self.answer(mark)

    def words(self, command):
        """What x and xp show, without the addresses before it."""
        return re.findall(r":\t(.*)", self.ask(command))

    def in_vmx(self):
        """The debugger writes the names of bits that are set in capitals."""
        return " VMXE " in self.ask("creg").replace("\n", " ")

    def to_vm_exit(self):
        """True when the guest stands behind a VM exit. It goes on for some seconds to find one."""
        self.ask("vmexitbp")
        try:
            self.m.proc.stdin.write(b"c\n")
            self.m.proc.stdin.flush()
            mark = len(self.m.e9)
            try:
                return "VMEXIT" in self.answer(mark, EXIT_SECONDS, self.m.spent).upper()
            except NoDump:
                os.kill(self.m.proc.pid, signal.SIGINT)
                self.answer(mark)
                return False
        finally:
            self.ask("vmexitbp")

    def close(self):
        """What the debugger said was not the guest's."""
        del self.m.e9[self.from_here:]


def mapping(d):
    for name, base in BASES.items():
        shown = [(d.words(f"xp /8gx {p:#x}"), d.words(f"x /8gx {base + p:#x}")) for p in PROBES]
        if all(physical and physical == linear for physical, linear in shown):
            return name, base
    raise NoDump("all of memory is mapped neither as the firmware, nor as L0, nor as Linux maps it: stop elsewhere")


def pieces(size):
    """(address, length): not the hole of the screen and the ROMs."""
    yield 0, 0xa0000
    yield from ((at, MIB) for at in range(MIB, size, MIB))


def write_piece(d, part, f, at, length, base):
    """Writes what is mapped of a piece; returns how many pages are not."""
    end, gaps = at + length, 0
    while at < end and gaps <= MOST_GAPS:
        if os.path.exists(part):
            os.unlink(part)
        d.ask(f'writemem "ram.part" {base + at:#x} {end - at:#x}')
        data = b""
        if os.path.exists(part):
            with open(part, "rb") as p:
                data = p.read()
        f.seek(at)
        f.write(data)
        at += len(data) - len(data) % PAGE
        if at < end:
            gaps, at = gaps + 1, at + PAGE
    return gaps + (end - at) // PAGE


def dump(machine, path):
    """Writes RAM to the file, sparse where nothing is mapped. Returns the line that says so. @pre the machine runs"""
    part = machine.path("ram.part")
    d = Debugger(machine)
    try:
        hidden = d.in_vmx() and not d.to_vm_exit()
        name, base = mapping(d)
        missing = 0
        with open(path, "wb") as f:
            f.truncate(machine.mem * MIB)
            for at, length in pieces(machine.mem * MIB):
                missing += write_piece(d, part, f, at, length, base)
    finally:
        d.close()
        if os.path.exists(part):
            os.unlink(part)
    return f"{path}: {machine.mem} MiB, {name}" + f"; {missing} pages are not mapped" * bool(missing) \
        + "; no VM exit came, so the hypervisor's own memory is not in it" * hidden
