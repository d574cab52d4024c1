/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every MSR of the two ranges of the MSR bitmap, read and written by L1, and by L2 while L1
 * intercepts none: what RDMSR gives, and what WRMSR of 0, of all ones and of each single bit
 * flipped leaves. What a hypervisor below intercepts all the same must not show. Neighbours with
 * the same answers share a line. MSRs that Nidus lets nobody reach (hv/arch/msr_policy.def) are
 * #GP under it, which is checked, and not recorded.
 *
 * Right: L2's accesses do what L1's would; a reserved bit is #GP(0). SDM 4 2.1 "Architectural MSRs"
 */
#include "guest-tests/lib/gt_msr.h"
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"
#include "hv/arch/msr.h"

/* Counters; what locks or stops the machine; and where the emulator or the option differ. */
static bool left_out(u32 msr)
{
    switch (msr) {
    case MSR_IA32_TSC:
    case MSR_IA32_APIC_BASE:       /* CAVEAT(emulator-apic-base) */
    case MSR_IA32_FEATURE_CONTROL: /* t_vmx_feature */
    case 0x39:
    case 0x3b:                     /* TSC_ADJUST */
    case MSR_IA32_SMM_MONITOR_CTL: /* CAVEAT(emulator-msr-9b) */
    case 0xe7:
    case 0xe8:
    case 0x123: /* MCU_OPT_CTRL: CAVEAT(cpuid-known) */
    case 0x19c:
    case MSR_IA32_MISC_ENABLE:      /* CAVEAT(pebs) */
    case MSR_IA32_DEBUGCTL:         /* CAVEAT(bochs-debugctl) */
    case MSR_IA32_PERF_GLOBAL_CTRL: /* CAVEAT(bochs-perf-global) */
    case MSR_IA32_TSC_DEADLINE:
    case MSR_IA32_XSS: /* CAVEAT(bochs-xss) */
        return true;
    default:
        return (msr >= 0xc1 && msr <= 0xc8) || (msr >= 0x309 && msr <= 0x30b) ||
               (msr >= MSR_IA32_VMX_BASIC && msr <= MSR_IA32_VMX_EXIT_CTLS2);
    }
}

/* Each write of one has EPT01 built anew: too slow to try every bit. */
static bool is_mtrr(u32 msr)
{
    return msr >= MSR_IA32_MTRR_PHYSBASE0 && msr <= MSR_IA32_MTRR_DEF_TYPE && msr != MSR_IA32_PAT;
}

#define RDMSR_AT L2_AT(P_CODE)
#define WRMSR_AT (L2_AT(P_CODE) + 16)

/* RDMSR, or WRMSR with an RDMSR behind it. True unless it ended in an exception; *v is what
 * was read. */
typedef bool (*access_fn)(bool write, u32 msr, u64 *v);

static bool by_l2(bool write, u32 msr, u64 *v)
{
    l2.gpr[RCX] = msr;
    l2.gpr[RAX] = (u32)*v;
    l2.gpr[RDX] = *v >> 32;
    l2_again(write ? WRMSR_AT : RDMSR_AT);
    *v = l2_seen_gpr[RDX] << 32 | (u32)l2_seen_gpr[RAX];
    return l2_seen[VI_EXIT_REASON] == REASON_VMCALL;
}

static bool by_l1(bool write, u32 msr, u64 *v)
{
    u32 lo = (u32)*v, hi = *v >> 32;

    if (write) {
        GT_TRY("wrmsr", : : "c"(msr), "a"(lo), "d"(hi) : GT_CLOBBERS);
        if (gt_exc.vector != GT_NONE)
            return false;
    }
    GT_TRY("rdmsr", : "+a"(lo), "+d"(hi) : "c"(msr) : GT_CLOBBERS);
    *v = (u64)hi << 32 | lo;
    return gt_exc.vector == GT_NONE;
}

struct answer {
    bool read, wrote[2];
    u64 value, then[2], faults, kept;
};

static void restore(access_fn access, u32 msr, u64 v)
{
    (void)access(true, msr, &v);
}

static struct answer ask(access_fn access, u32 msr)
{
    struct answer a = {0};

    a.read = access(false, msr, &a.value);
    if (!a.read || gt_msr_unlisted(msr, true))
        return a;
    for (unsigned i = 0; i < 2; i++) {
        u64 v = i ? ~0ul : 0;

        a.wrote[i] = access(true, msr, &v);
        a.then[i] = a.wrote[i] ? v : 0;
        restore(access, msr, a.value);
    }
    if (is_mtrr(msr) || (a.value == 0 && a.wrote[1] && a.then[1] == 0))
        return a;
    for (unsigned bit = 0; bit < 64; bit++) {
        u64 flipped = a.value ^ 1ul << bit, v = flipped;

        if (!access(true, msr, &v))
            a.faults |= 1ul << bit;
        else if (v == flipped)
            a.kept |= 1ul << bit;
        restore(access, msr, a.value);
    }
    return a;
}

static void tell(const char *who, u32 first, u32 last, const struct answer *a)
{
    static const char *const word[2] = {"#GP", "ok"};

    gt_line("%s.%x-%x: read %s %lx, 0 %s %lx, ones %s %lx, bits kept %lx #GP %lx", who, first, last,
            word[a->read], a->value, word[a->wrote[0]], a->then[0], word[a->wrote[1]], a->then[1],
            a->kept, a->faults);
}

static bool same(const struct answer *a, const struct answer *b)
{
    return a->read == b->read && a->value == b->value && a->wrote[0] == b->wrote[0] &&
           a->wrote[1] == b->wrote[1] && a->then[0] == b->then[0] && a->then[1] == b->then[1] &&
           a->faults == b->faults && a->kept == b->kept;
}

static void sweep(const char *who, access_fn access, u32 from, u32 to)
{
    bool nidus = gt_under_nidus(), open = false;
    struct answer run = {0};
    u32 first = from;

    for (u32 msr = from; msr <= to; msr++) {
        bool out = left_out(msr) || gt_msr_unlisted(msr, false);
        struct answer a = {0};

        if (out && !left_out(msr) && nidus)
            gt_check(!access(false, msr, &(u64){0}) && !access(true, msr, &(u64){0}),
                     "%s: hidden %x: #GP", who, msr);
        if (!out)
            a = ask(access, msr);
        if (open && (out || !same(&a, &run))) {
            tell(who, first, msr - 1, &run);
            open = false;
        }
        if (!open && !out) {
            open = true;
            first = msr;
            run = a;
        }
    }
    if (open)
        tell(who, first, to, &run);
}

/* What no firmware uses, and programs before this one may have left. */
static void begin_with_zero(void)
{
    static const u32 msr[] = {0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000102};

    for (unsigned i = 0; i < sizeof msr / sizeof *msr; i++)
        gt_wrmsr(msr[i], 0);
}

TEST_MAIN(vmx_msr_sweep)
{
    begin_with_zero();
    sweep("l1", by_l1, 0, 0x1fff);
    sweep("l1", by_l1, 0xc0000000, 0xc0001fff);
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        l2_world(L2_64);
        l2.f[VI_PROC_CTL] |= PROC_MSR_BITMAPS;
        SetMem(arena(PG_MSR_BITMAP), 4096, 0);
        l2_code("\x0f\x32\x0f\x01\xc1\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x0f\x30\x0f\x32",
                20);
        l2_write();
        l2_enter(false);
        sweep("l2", by_l2, 0, 0x1fff);
        sweep("l2", by_l2, 0xc0000000, 0xc0001fff);
        l1_state_restore();
    }
    vmx_end();
}
