/*
 * The case engine: changes an image, writes it, enters, and prints one line with everything that
 * the SDM defines after that outcome and nothing that it leaves undefined. No timer values.
 */
#include <stdarg.h>
#include "guest-tests/lib/gt_private.h"
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"

enum { SENTINEL = 0x5a5a5a5a, LINE_ROOM = 360, MEM_SHOWN = 8, BASIC_INS_OUTS_INFO = 54 };
enum { QUAL_IO_STRING = 1 << 4, QUAL_EPT_LINEAR = 1 << 7, INFO_REGISTER = 1 << 10, INTR_TYPE = 7 << 8 };

/* Instructions that only this file tells apart. They are not in vmx_ctl.h, where each would take a name from the tests. */
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

u64 l2_seen[VMX_FIELDS];
u64 l2_seen_gpr[16];
u64 l2_seen_rflags;
struct l1_state l2_seen_l1;
bool l2_present[VMX_FIELDS];

int vmx_door(const u64 *gpr, bool resume) GT_HIDDEN;
extern u64 vmx_door_out[18] GT_HIDDEN;

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

void l2_init(void)
{
    *(u32 *)arena(PG_VMCS_A) = (u32)gt_rdmsr(MSR_VMX_BASIC) & 0x7fffffff;
    vmx_vmclear(ARENA_AT(PG_VMCS_A));
    gt_check(vmx_vmptrld(ARENA_AT(PG_VMCS_A)) == VMX_OK, "init: vmptrld refused");
    for (int i = 0; i < VMX_FIELDS; i++) {
        u64 v = 0;

        l2_present[i] = vmx_vmread(vmx_field[i].enc, &v) == VMX_OK;
    }
}

void l2_code(const char *code, size_t len)
{
    u8 *live = arena(PG_L2 + P_CODE), *kept = arena(PG_L2_TEMPLATE + P_CODE);

    for (size_t i = 0; i < 12; i += 3)
        CopyMem(live + len + i, (void *)"\x0f\x01\xc1", 3);
    CopyMem(live, (void *)code, len);
    CopyMem(kept, live, len + 12);
}

static u64 *target(u32 what)
{
    if (what >= WHAT_ARENA)
        return (u64 *)((u8 *)arena(0) + (what - WHAT_ARENA));
    if (what >= WHAT_L2)
        return (u64 *)((u8 *)arena(PG_L2) + (what - WHAT_L2));
    if (what >= WHAT_GPR)
        return &l2.gpr[what - WHAT_GPR];
    return &l2.f[vmx_find(what)];
}

void l2_apply(const struct vmx_set *set, size_t n)
{
    for (size_t i = 0; i < n && set[i].op; i++) {
        u64 *at = target(set[i].what);

        switch (set[i].op) {
        case '=': *at = set[i].v; break;
        case '|': *at |= set[i].v; break;
        case '&': *at &= set[i].v; break;
        default: *at ^= set[i].v; break;
        }
        if (set[i].what >= WHAT_L2 && set[i].what < WHAT_ARENA)
            *(u64 *)((u8 *)at + (PG_L2_TEMPLATE - PG_L2) * 4096) = *at;
    }
}

u64 l2_initial(int i)
{
    bool info = VMX_KIND(vmx_field[i].enc) == KIND_READ_ONLY && i != VI_INSN_ERROR;

    return info ? SENTINEL : l2.f[i];
}

void l2_write(void)
{
    vmx_vmclear(ARENA_AT(PG_VMCS_A));
    vmx_vmptrld(ARENA_AT(PG_VMCS_A));
    l2_write_fields();
}

void l2_write_fields(void)
{
    for (int i = 0; i < VMX_FIELDS; i++) {
        if (l2_present[i])
            vmx_vmwrite(vmx_field[i].enc, l2_initial(i));
    }
}

/* SDM 3C 27.1 "Basic VM-Entry Checks": a VMfail loads nothing; all of L1's state is as it was. */
static void nothing_loaded(const struct l1_state *before)
{
    struct l1_state now;

    l1_state_get(&now);
    gt_check(CompareMem(&now, before, sizeof now) == 0, "refused entry: L1's state changed");
}

enum l2_outcome l2_enter(bool resume)
{
    struct l1_state before;
    bool failed;

    l1_state_get(&before);
    failed = vmx_door(l2.gpr, resume);
    if (failed)
        nothing_loaded(&before);
    if (!failed) {
        l1_state_get(&l2_seen_l1);
        l2_seen_l1.dr7 = vmx_door_out[17];
        l1_state_restore();
    }
    l2_seen_rflags = vmx_door_out[16];
    for (unsigned i = 0; i < 16; i++)
        l2_seen_gpr[i] = vmx_door_out[i];
    for (int i = 0; i < VMX_FIELDS; i++) {
        if (l2_present[i])
            vmx_vmread(vmx_field[i].enc, &l2_seen[i]);
    }
    return failed ? L2_VMFAIL : L2_EXIT;
}

void l2_again(u64 rip)
{
    static const u8 wanted[] = {VI_EXIT_REASON, VI_EXIT_QUALIFICATION, VI_GUEST_PHYSICAL_ADDR, VI_GUEST_LINEAR_ADDR};

    vmx_vmwrite(V_GUEST_RIP, rip);
    vmx_door(l2.gpr, true);
    l2_seen_rflags = vmx_door_out[16];
    for (unsigned i = 0; i < 16; i++)
        l2_seen_gpr[i] = vmx_door_out[i];
    for (unsigned i = 0; i < sizeof wanted; i++)
        vmx_vmread(vmx_field[wanted[i]].enc, &l2_seen[wanted[i]]);
}

/* SDM 3C 28.2.5 "Information for VM Exits Due to Instruction Execution": who defines the length. */
static bool length_defined(u32 reason, u32 intr_info)
{
    static const u64 by_instruction =
        ((2ul << REASON_WRMSR) - (1ul << REASON_CPUID)) /* and all between them: VMX, MOV to CR and DR, INVLPG, RDTSC... */ |
        1ul << REASON_MWAIT | 1ul << REASON_MONITOR | 1ul << REASON_PAUSE | 1ul << REASON_GDTR_IDTR | 1ul << REASON_LDTR_TR |
        1ul << REASON_INVEPT | 1ul << REASON_RDTSCP | 1ul << REASON_INVVPID | 1ul << REASON_WBINVD | 1ul << REASON_XSETBV |
        1ul << REASON_RDRAND | 1ul << REASON_INVPCID | 1ul << REASON_VMFUNC | 1ul << REASON_RDSEED | 1ul << REASON_XSAVES;
    u32 type = intr_info & INTR_TYPE;

    if (reason == REASON_EXCEPTION)
        return type == INTR_SOFT_EXC || type == INTR_PRIV_SOFT;
    return reason < 64 && (by_instruction >> reason & 1);
}

static bool info_defined(u32 reason, u64 qualification)
{
    switch (reason) {
    case REASON_VMCLEAR: case REASON_VMPTRLD: case REASON_VMPTRST: case REASON_VMREAD: case REASON_VMWRITE: case REASON_VMXON:
    case REASON_GDTR_IDTR: case REASON_LDTR_TR:
    case REASON_INVEPT: case REASON_INVVPID: case REASON_INVPCID:
    case REASON_RDRAND: case REASON_RDSEED:
        return true;
    case REASON_IO:
        return (qualification & QUAL_IO_STRING) && (gt_rdmsr(MSR_VMX_BASIC) >> BASIC_INS_OUTS_INFO & 1);
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
        ((vectoring & INTR_VALID) && (vectoring & INTR_TYPE) >= INTR_SOFT_INT && (vectoring & INTR_TYPE) <= INTR_SOFT_EXC))
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
                                          "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"};

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
    bool may_be_register = reason == REASON_VMREAD || reason == REASON_VMWRITE || reason == REASON_LDTR_TR;

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

void l2_case_run(const struct l2_case *c)
{
    l2_world(c->mode);
    l2.flags = c->flags;
    l2_code(c->code, c->len);
    l2_apply(c->set, L2_SETS);
    l2_write();
    l2_enter(false);
    l2_report(c->name);
}

void l2_cases(const struct l2_case *c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        l2_case_run(&c[i]);
}
