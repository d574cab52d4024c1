/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The report of a case: one line with everything that the SDM defines after that outcome, and
 * nothing that it leaves undefined. No timer values.
 */
#include <stdarg.h>
#include "guest-tests/lib/gt_private.h"
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_l2.h"

enum { LINE_ROOM = 360, MEM_SHOWN = 8, BASIC_INS_OUTS_INFO = 54 };
enum {
    QUAL_IO_STRING = 1 << 4,
    QUAL_EPT_LINEAR = 1 << 7,
    INFO_REGISTER = 1 << 10,
    INTR_TYPE = 7 << 8
};

/* Instructions that only this file tells apart. They are not in vmx_ctl.h, where each would take a
 * name from the tests. */
enum {
    REASON_VMCLEAR = 19,
    REASON_VMPTRLD = 21,
    REASON_VMPTRST = 22,
    REASON_VMREAD = 23,
    REASON_VMWRITE = 25,
    REASON_VMXON = 27,
    REASON_IO = 30,
    REASON_WRMSR = 32,
    REASON_MWAIT = 36,
    REASON_MONITOR = 39,
    REASON_PAUSE = 40,
    REASON_GDTR_IDTR = 46,
    REASON_LDTR_TR = 47,
    REASON_INVEPT = 50,
    REASON_RDTSCP = 51,
    REASON_INVVPID = 53,
    REASON_WBINVD = 54,
    REASON_XSETBV = 55,
    REASON_RDRAND = 57,
    REASON_INVPCID = 58,
    REASON_VMFUNC = 59,
    REASON_RDSEED = 61,
    REASON_XSAVES = 63,
};

static char line[LINE_ROOM];
static size_t used;

__attribute__((format(printf, 1, 2))) static void say(const char *fmt, ...)
{
    char part[100];
    va_list ap;

    va_start(ap, fmt);
    gt_format_v(part, sizeof part, fmt, ap);
    va_end(ap);
    for (const char *p = part; *p && used < LINE_ROOM - 1; p++)
        line[used++] = *p;
    line[used] = 0;
}

/* SDM 3C 28.2.5 "Information for VM Exits Due to Instruction Execution": who defines the length. */
static bool length_defined(u32 reason, u32 intr_info)
{
    static const u64 by_instruction =
        ((2ul << REASON_WRMSR) -
         (1ul << REASON_CPUID)) /* and all between them: VMX, MOV to CR and DR, INVLPG, RDTSC... */
        | 1ul << REASON_MWAIT | 1ul << REASON_MONITOR | 1ul << REASON_PAUSE |
        1ul << REASON_GDTR_IDTR | 1ul << REASON_LDTR_TR | 1ul << REASON_INVEPT |
        1ul << REASON_RDTSCP | 1ul << REASON_INVVPID | 1ul << REASON_WBINVD | 1ul << REASON_XSETBV |
        1ul << REASON_RDRAND | 1ul << REASON_INVPCID | 1ul << REASON_VMFUNC | 1ul << REASON_RDSEED |
        1ul << REASON_XSAVES;
    u32 type = intr_info & INTR_TYPE;

    if (reason == REASON_EXCEPTION)
        return type == INTR_SOFT_EXC || type == INTR_PRIV_SOFT;
    return reason < 64 && (by_instruction >> reason & 1);
}

static bool info_defined(u32 reason, u64 qualification)
{
    switch (reason) {
    case REASON_VMCLEAR:
    case REASON_VMPTRLD:
    case REASON_VMPTRST:
    case REASON_VMREAD:
    case REASON_VMWRITE:
    case REASON_VMXON:
    case REASON_GDTR_IDTR:
    case REASON_LDTR_TR:
    case REASON_INVEPT:
    case REASON_INVVPID:
    case REASON_INVPCID:
    case REASON_RDRAND:
    case REASON_RDSEED:
        return true;
    case REASON_IO:
        return (qualification & QUAL_IO_STRING) &&
               (gt_rdmsr(MSR_VMX_BASIC) >> BASIC_INS_OUTS_INFO & 1);
    default:
        return false;
    }
}

static void say_events(u32 reason)
{
    u64 info = l2_seen[VI_EXIT_INTR_INFO], vectoring = l2_seen[VI_IDT_VECTORING_INFO];

    if (info & INTR_VALID)
        say(" intr %lx", info);
    if ((info & INTR_VALID) && (info & INTR_ERROR_CODE))
        say(":%lx", l2_seen[VI_EXIT_INTR_ERROR]);
    if (vectoring & INTR_VALID)
        say(" idt %lx", vectoring);
    if ((vectoring & INTR_VALID) && (vectoring & INTR_ERROR_CODE))
        say(":%lx", l2_seen[VI_IDT_VECTORING_ERROR]);
    /* An event that was being delivered defines the length when it is a software one. */
    if (length_defined(reason, (u32)info) ||
        ((vectoring & INTR_VALID) && (vectoring & INTR_TYPE) >= INTR_SOFT_INT &&
         (vectoring & INTR_TYPE) <= INTR_SOFT_EXC))
        say(" len %lx", l2_seen[VI_EXIT_INSN_LEN]);
}

static void say_rip(void)
{
    u64 rip = l2_seen[VI_GUEST_RIP], start = l2.f[VI_GUEST_RIP];

    if (rip - L2_AT(P_HANDLERS) < 0x1000 && rip % 16 <= 1)
        say(" %s handler %lx", rip % 16 ? "in" : "before", (rip - L2_AT(P_HANDLERS)) / 16);
    else if (rip - start < 0x1000)
        say(" rip +%lx", rip - start);
    else
        say(" rip %lx", rip);
}

/* Fields that a report shows when they changed. */
static bool shown(int i)
{
    bool ept = l2.f[VI_PROC_CTL] & PROC_SECONDARY && l2.f[VI_PROC2_CTL] & PROC2_EPT;

    if (!l2_present[i] || VMX_KIND(vmx_field[i].enc) == KIND_READ_ONLY)
        return false;
    return i != VI_GUEST_RIP && i != VI_PREEMPTION_TIMER && (vmx_field[i].gate == '-' || ept);
}

static void say_changed_fields(void)
{
    for (int i = 0; i < VMX_FIELDS; i++) {
        if (shown(i) && l2_seen[i] != l2.f[i])
            say(" %s=%lx", vmx_field[i].name, l2_seen[i]);
    }
}

/* After a VMfail or a failed entry: read-only fields that moved although only few may. */
static void say_touched_info(void)
{
    for (int i = 0; i < VMX_FIELDS; i++) {
        bool info = VMX_KIND(vmx_field[i].enc) == KIND_READ_ONLY && vmx_field[i].gate == '-';

        if (info && l2_present[i] && i != VI_INSN_ERROR && l2_seen[i] != SENTINEL)
            say(" %s=%lx", vmx_field[i].name, l2_seen[i]);
    }
}

static void say_registers(void)
{
    static const char *const names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                          "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

    for (unsigned i = 0; i < 16; i++) {
        if (i != RSP && l2_seen_gpr[i] != l2.gpr[i])
            say(" %s=%lx", names[i], l2_seen_gpr[i]);
    }
}

static void say_memory(void)
{
    const u64 *live = arena(PG_L2), *kept = arena(PG_L2_TEMPLATE);
    unsigned count = 0;

    for (u64 i = 0; i < L2_PAGES * 512; i++) {
        if (live[i] == kept[i])
            continue;
        if (++count <= MEM_SHOWN)
            say(" [%lx]=%lx", L2_BASE + i * 8, live[i]);
    }
    if (count > MEM_SHOWN)
        say(" and %u more", count - MEM_SHOWN);
}

/* VMREAD, VMWRITE and accesses to LDTR or TR with a register operand have no displacement: the
 * qualification is 0 by the SDM, and the emulator's left-over by docs/CAVEATS.md
 * "bochs-register-displacement". SDM 3C 28.2.1 "Basic VM-Exit Information" */
static bool has_no_displacement(u32 reason)
{
    bool may_be_register =
        reason == REASON_VMREAD || reason == REASON_VMWRITE || reason == REASON_LDTR_TR;

    return may_be_register && l2_seen[VI_EXIT_INSN_INFO] & INFO_REGISTER;
}

static void say_exit(void)
{
    u32 reason = (u32)l2_seen[VI_EXIT_REASON];

    say("exit %u", reason & 0xffff);
    if (reason >> 16)
        say("/%x", reason >> 16);
    if (reason & REASON_ENTRY_FAILED) {
        say(" q %lx", l2_seen[VI_EXIT_QUALIFICATION]);
        l2_seen[VI_EXIT_REASON] = l2_seen[VI_EXIT_QUALIFICATION] = SENTINEL;
        if (l2.flags & TOUCHED)
            say_touched_info();
        return;
    }
    if (l2_seen[VI_EXIT_QUALIFICATION] && !has_no_displacement(reason))
        say(" q %lx", l2_seen[VI_EXIT_QUALIFICATION]);
    say_events(reason);
    if (info_defined(reason, l2_seen[VI_EXIT_QUALIFICATION]))
        say(" info %lx", l2_seen[VI_EXIT_INSN_INFO]);
    if (reason == REASON_IO && l2_seen[VI_EXIT_QUALIFICATION] & QUAL_IO_STRING)
        say(" gla %lx", l2_seen[VI_GUEST_LINEAR_ADDR]);
    if (reason == REASON_EPT_VIOLATION && l2_seen[VI_EXIT_QUALIFICATION] & QUAL_EPT_LINEAR)
        say(" gla %lx", l2_seen[VI_GUEST_LINEAR_ADDR]);
    if (reason == REASON_EPT_VIOLATION || reason == REASON_EPT_MISCONFIG)
        say(" gpa %lx", l2_seen[VI_GUEST_PHYSICAL_ADDR]);
    if (!(l2.flags & NO_RIP) && reason != REASON_TIMER)
        say_rip();
}

/* A case's name must be one word: the caveats' globs are. */
const char *l2_one_word(const char *name)
{
    static char word[160];
    size_t n = 0;

    for (; name[n] && n < sizeof word - 1; n++)
        word[n] = name[n] == ' ' ? '_' : name[n];
    word[n] = 0;
    return word;
}

const char *l2_text(void)
{
    u64 flags = l2_seen_rflags & FLAGS_ARITH;

    used = 0;
    line[0] = 0;
    if (flags == FLAG_ZF)
        say("VMfailValid %lu", l2_seen[VI_INSN_ERROR]);
    else if (flags == FLAG_CF)
        say("VMfailInvalid");
    else
        say_exit();
    if (flags)
        say_touched_info();
    if (!(l2.flags & NO_FIELDS))
        say_changed_fields();
    if (!(l2.flags & NO_REGS))
        say_registers();
    if (!(l2.flags & NO_MEM))
        say_memory();
    return line;
}

void l2_report(const char *name)
{
    const char *text = l2_text();

    gt_line("%s.%s: %s", l2_mode_name[l2.mode], l2_one_word(name), text);
}
