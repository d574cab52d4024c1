# SPDX-License-Identifier: BSD-2-Clause
"""Records in words: names of exits, fields, rules and errors, from the tables of hv/, and the SDM's titles.

Owns: the sentence about each record. The same words are used by all outputs.
"""
import os, re, struct

from records import DROP, ENTRY, EVENT, EXIT, FILL, INSN, KINDS, REFLECT, ROUTE, STALE

HV = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../hv")
ALL_ONES = (1 << 64) - 1
WHO = {0: "L0", 1: "L1", 2: "L2"}


def rows(path, pattern):
    with open(os.path.join(HV, path), encoding="utf-8") as f:
        return re.findall(pattern, f.read(), re.M)


REASONS = {int(n): (name, text) for n, name, text in rows("arch/vmx_exit.def", r'^EXIT\((\d+), *(\w+), *"([^"]*)"\)')}
ERRORS = {int(n): text for n, text in rows("arch/vmx_error.def", r'^VMERR\((\d+), .*"([^"]*)"\)')}
FIELDS = {int(e, 16): name for e, name in rows("vmcs12/fields.def", r"^FIELD\((0x[0-9a-f]+), *\w+, *\w+, *(\w+),")}
SECTIONS = {name: (number, title) for name, number, title in rows("vmcs12/rules.def", r'^SECTION\((\w+), *"([^"]*)", *"([^"]*)"\)')}
RULES = [(name, section, text) for name, section, text in rows("vmcs12/rules.def", r'^RULE\((\w+), *\w+, *(\w+), *"(.*)"\)')]

EVENT_TYPES = ["external interrupt", "type 1", "NMI", "exception", "software interrupt", "privileged software exception",
               "software exception", "other event"]
VECTORS = {0: "#DE", 1: "#DB", 2: "NMI", 3: "#BP", 4: "#OF", 5: "#BR", 6: "#UD", 7: "#NM", 8: "#DF", 10: "#TS", 11: "#NP", 12: "#SS",
           13: "#GP", 14: "#PF", 16: "#MF", 17: "#AC", 18: "#MC", 19: "#XM", 20: "#VE", 21: "#CP"}
OUTCOMES = ["succeeds", "VMfailInvalid", "VMfail", "faults", "enters L2", "is refused"]
CONDITIONAL = {"HLT", "INVLPG", "RDPMC", "RDTSC", "RDTSCP", "CR_ACCESS", "MOV_DR", "IO_INSTRUCTION", "RDMSR", "WRMSR", "MWAIT", "MONITOR",
               "PAUSE", "RDRAND", "RDSEED", "INVPCID", "WBINVD", "GDTR_IDTR_ACCESS", "LDTR_TR_ACCESS", "VMREAD", "VMWRITE", "VMFUNC"}


def reason(number):
    """The name of an exit reason: CPUID."""
    return REASONS.get(number & 0xffff, (f"reason {number & 0xffff}",))[0] + (" (entry failed)" if number >> 31 else "")


def field(encoding):
    return FIELDS.get(encoding & ~1, f"field {encoding:x}") + ("_high" if encoding & 1 and encoding & ~1 in FIELDS else "")


def event(info):
    vector = info & 255
    return f"{VECTORS.get(vector, '') or EVENT_TYPES[info >> 8 & 7]} (vector {vector})" if info >> 31 & 1 else "no event"


def rule(number):
    return RULES[number][0] if number < len(RULES) else f"rule {number}"


def written(r):
    """The fields of vmcs02 that an entry of L1's wrote, as far as the record holds them."""
    encodings = struct.unpack("<12H", struct.pack("<3Q", r.a, r.b, r.c))[:min(r.extra, 12)]
    return [field(e) for e in encodings]


def exit_details(r):
    basic = r.reason & 0xffff
    name, eax, ecx = reason(basic), r.d & 0xffffffff, r.d >> 32
    if name == "CPUID":
        return f"leaf {eax:x}.{ecx:x}"
    if name in ("RDMSR", "WRMSR"):
        return f"MSR {ecx:x}"
    if name == "IO_INSTRUCTION":
        return f"{'IN' if r.a & 8 else 'OUT'} port {r.a >> 16 & 0xffff:x}, {(r.a & 7) + 1} bytes"
    if name in ("EPT_VIOLATION", "EPT_MISCONFIG"):
        access = "+".join(w for bit, w in ((1, "read"), (2, "write"), (4, "fetch")) if r.a & bit)
        return f"{access or 'access'} at guest-physical {r.b:x}"
    if r.c >> 31 & 1:
        return event(r.c & 0xffffffff) + (f" at {r.a:x}" if r.c & 255 == 14 else "")
    if name == "CR_ACCESS":
        return f"{['MOV to', 'MOV from', 'CLTS,', 'LMSW,'][r.a >> 4 & 3]} CR{r.a & 15}"
    if name.startswith("VM") or name.startswith("INV"):
        return ""       # a displacement; the record behind it tells the operand
    return f"qualification {r.a:x}" if r.a else ""


def insn_details(r):
    name = reason(r.reason)
    if name in ("VMREAD", "VMWRITE"):
        what = field(r.a) + (f" = {r.b:x}" if r.code == 0 else f" ({r.a:x})")
    elif name in ("INVEPT", "INVVPID"):
        what = f"type {r.a:x}"
    else:
        what = f"{r.a:x}" if r.a != ALL_ONES else ""
    if r.code == 2:
        what += f": error {r.extra}, {ERRORS.get(r.extra, 'unknown')}"
    elif r.code == 3:
        what += f": {VECTORS.get(r.extra, r.extra)}"
    elif r.code == 5:
        what += f": {reason(r.extra)}"
    return what + (f"; broken: {rule(r.c)}" if r.c != ALL_ONES else "")


def entry_details(r):
    names = written(r)
    if not names:
        return ""
    more = f" and {r.extra - len(names)} more" if r.extra > len(names) else ""
    return f"{r.extra} field{'s' * (r.extra != 1)} of vmcs02 written: {', '.join(names)}{more}"


def drop_details(r):
    return f"EPTP {r.a:x}: of {r.b} leaves {r.c} are left, with those filled at once"


def title(r):
    """What the record is, in a few words."""
    if r.kind == EXIT:
        return f"{WHO[r.level]} exits: {reason(r.reason)}"
    if r.kind == ROUTE:
        return f"{reason(r.reason)} is {'L1' if r.code else 'L0'}'s"
    if r.kind == REFLECT:
        return f"L1 gets {reason(r.reason)}"
    if r.kind == EVENT:
        return f"inject {event(r.a)}"
    if r.kind == INSN:
        return f"{reason(r.reason)} {OUTCOMES[r.code] if r.code < len(OUTCOMES) else r.code}"
    if r.kind == ENTRY:
        return f"enter {WHO[r.level]}" + (" (VMLAUNCH)" if r.reason else "")
    return {FILL: "EPT02 filled", DROP: "INVEPT carried out", STALE: "stale translation used"}[r.kind]


def details(r):
    """What else it tells; may be empty."""
    if r.kind == EXIT:
        return exit_details(r)
    if r.kind == REFLECT:
        return (f"qualification {r.a:x}, " if r.a else "") + f"from L2 at {r.c:x}" + (f", {event(r.b & 0xffffffff)}" if r.b >> 31 & 1 else "")
    if r.kind == EVENT:
        return f"information {r.a:x}" + (f", error code {r.extra:x}" if r.a >> 11 & 1 else "")
    if r.kind == INSN:
        return insn_details(r)
    if r.kind == FILL:
        return f"guest-physical {r.a:x}, level {r.extra}: {r.b:x} of EPT12's {r.c:x}"
    if r.kind == DROP:
        return drop_details(r)
    if r.kind == ENTRY:
        return entry_details(r)
    return f"guest-physical {r.a:x}" if r.kind == STALE else ""


def sdm_of_exit(number):
    name = reason(number & 0xffff)
    if name == "EPT_VIOLATION":
        return '3C 29.3.3.2 "EPT Violations"'
    if name == "EPT_MISCONFIG":
        return '3C 29.3.3.1 "EPT Misconfigurations"'
    if name in CONDITIONAL:
        return '3C 26.1.3 "Instructions That Cause VM Exits Conditionally"'
    if name.startswith("VM") or name in ("CPUID", "GETSEC", "INVD", "XSETBV", "INVEPT", "INVVPID"):
        return '3C 26.1 "Instructions That Cause VM Exits"'
    return '3C 26.2 "Other Causes of VM Exits"'


def sdm(r):
    """Where the SDM speaks of it."""
    if r.kind in (EXIT, ROUTE):
        return sdm_of_exit(r.reason)
    if r.kind == INSN and r.c < len(RULES):
        return '3C %s "%s"' % SECTIONS[RULES[r.c][1]]
    return {REFLECT: '3C 28 "VM Exits"', EVENT: '3C 27 "VM Entries"', INSN: '3C 31.3 "VMX Instructions"',
            FILL: '3C 29.4.2 "Creating and Using Cached Translation Information"',
            DROP: '3C 29.4.3.1 "Operations that Invalidate Cached Mappings"', ENTRY: '3C 27 "VM Entries"',
            STALE: '3C 29.4.3.4 "Guidelines for Use of the INVEPT Instruction"'}[r.kind]


def kind(r):
    return KINDS[r.kind - 1]
