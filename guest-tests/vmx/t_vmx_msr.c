/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RDMSR and WRMSR in L2: without bitmaps, and with the four bitmaps at the edges of their ranges,
 * one bit at a time. MSRs that are let through are ones that every CPU of the profiles has, or
 * unknown numbers whose answer the CPU itself gives.
 *
 * Right: An access exits without bitmaps, outside the two ranges, or when its bit is set (reasons
 * 31 and 32); else it does what the MSR does. SDM 3C 25.6.9 "MSR-Bitmap Address"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"

int vmx_door(const u64 *gpr, bool resume) GT_HIDDEN;

#define RDMSR   "\x0f\x32"
#define WRMSR   "\x0f\x30"
#define BITMAPS OR(PROC_CTL, PROC_MSR_BITMAPS)
/* Quarter 0 read low, 1 read high, 2 write low, 3 write high. */
/* clang-format off */
#define BIT(QUARTER, N) \
    PHYS(PG_MSR_BITMAP, (QUARTER) * 1024 + ((N) & 0x1fff) / 64 * 8, 1ul << ((N) % 64))
/* clang-format on */
#define MSR(N)  REG(RCX, N)
#define HIGH(N) (0xc0000000u + (N))
enum { REASON_RDMSR = 31 };

static const struct l2_case cases[] = {
    CASE("rdmsr no bitmaps", L2_64, RDMSR, MSR(MSR_SYSENTER_CS)),
    CASE("wrmsr no bitmaps", L2_64, WRMSR, MSR(MSR_SYSENTER_CS)),
    CASE("rdmsr unknown no bitmaps", L2_64, RDMSR, MSR(0x12345)),
    CASE("rdmsr ring 3", L2_64_R3, RDMSR, MSR(MSR_SYSENTER_CS)),
    CASE("wrmsr ring 3 bitmaps", L2_64_R3, WRMSR, BITMAPS, MSR(MSR_SYSENTER_CS)),
    CASE("rdmsr", L2_V86, RDMSR, MSR(MSR_SYSENTER_CS)),
    CASE("rdmsr", L2_32, RDMSR, MSR(MSR_SYSENTER_CS)),
    CASE("rdmsr upper rcx ignored", L2_64, RDMSR, BITMAPS,
         MSR(0x5500000000000000 | MSR_SYSENTER_CS)),
    CASE("rdmsr clear", L2_64, RDMSR, BITMAPS, MSR(MSR_SYSENTER_CS), SET(GUEST_SYSENTER_CS, 0x77)),
    CASE("rdmsr set", L2_64, RDMSR, BITMAPS, MSR(MSR_SYSENTER_CS), BIT(0, MSR_SYSENTER_CS)),
    CASE("rdmsr below set", L2_64, RDMSR, BITMAPS, MSR(MSR_SYSENTER_CS),
         BIT(0, MSR_SYSENTER_CS - 1)),
    CASE("rdmsr above set", L2_64, RDMSR, BITMAPS, MSR(MSR_SYSENTER_CS),
         BIT(0, MSR_SYSENTER_CS + 1)),
    CASE("rdmsr write bit set", L2_64, RDMSR, BITMAPS, MSR(MSR_SYSENTER_CS),
         BIT(2, MSR_SYSENTER_CS)),
    CASE("rdmsr high bit set", L2_64, RDMSR, BITMAPS, MSR(MSR_SYSENTER_CS),
         BIT(1, MSR_SYSENTER_CS)),
    CASE("wrmsr clear", L2_64, WRMSR, BITMAPS, MSR(MSR_SYSENTER_CS), REG(RDX, 0)),
    CASE("wrmsr set", L2_64, WRMSR, BITMAPS, MSR(MSR_SYSENTER_CS), BIT(2, MSR_SYSENTER_CS)),
    CASE("wrmsr read bit set", L2_64, WRMSR, BITMAPS, MSR(MSR_SYSENTER_CS), REG(RDX, 0),
         BIT(0, MSR_SYSENTER_CS)),
    CASE("rdmsr high clear", L2_64, RDMSR, BITMAPS, MSR(MSR_EFER64)),
    CASE("rdmsr high set", L2_64, RDMSR, BITMAPS, MSR(MSR_EFER64), BIT(1, MSR_EFER64)),
    CASE("rdmsr high low bit set", L2_64, RDMSR, BITMAPS, MSR(MSR_EFER64), BIT(0, MSR_EFER64)),
    CASE("wrmsr high set", L2_64, WRMSR, BITMAPS, MSR(MSR_EFER64), BIT(3, MSR_EFER64)),
    CASE("rdmsr 0 set", L2_64, RDMSR, BITMAPS, MSR(0), BIT(0, 0)),
    CASE("rdmsr 1fff set", L2_64, RDMSR, BITMAPS, MSR(0x1fff), BIT(0, 0x1fff)),
    CASE("rdmsr 2000", L2_64, RDMSR, BITMAPS, MSR(0x2000)),
    CASE("rdmsr 20000000", L2_64, RDMSR, BITMAPS, MSR(0x20000000)),
    CASE("rdmsr bfffffff", L2_64, RDMSR, BITMAPS, MSR(0xbfffffff)),
    CASE("rdmsr c0000000 set", L2_64, RDMSR, BITMAPS, MSR(HIGH(0)), BIT(1, 0)),
    CASE("rdmsr c0001fff set", L2_64, RDMSR, BITMAPS, MSR(HIGH(0x1fff)), BIT(1, 0x1fff)),
    CASE("rdmsr c0002000", L2_64, RDMSR, BITMAPS, MSR(HIGH(0x2000))),
    CASE("rdmsr ffffffff", L2_64, RDMSR, BITMAPS, MSR(0xffffffff)),
    CASE("wrmsr 2000", L2_64, WRMSR, BITMAPS, MSR(0x2000)),
    CASE("wrmsr c0001fff set", L2_64, WRMSR, BITMAPS, MSR(HIGH(0x1fff)), BIT(3, 0x1fff)),
    CASE("wrmsr c0002000", L2_64, WRMSR, BITMAPS, MSR(HIGH(0x2000))),
    CASE("wrmsr ffffffff", L2_64, WRMSR, BITMAPS, MSR(0xffffffff)),
    CASE("sysenter esp passes", L2_64, WRMSR RDMSR, BITMAPS, MSR(MSR_SYSENTER_ESP),
         REG(RAX, 0x1234), REG(RDX, 0x5678)),
    CASE("sysenter esp noncanonical", L2_64, WRMSR, BITMAPS, MSR(MSR_SYSENTER_ESP),
         REG(RDX, 0x800000)),
    CASE("fs base passes", L2_64, WRMSR RDMSR, BITMAPS, MSR(MSR_FS_BASE), REG(RAX, 0x1234),
         REG(RDX, 0x5678)),
    CASE("gs base noncanonical", L2_64, WRMSR, BITMAPS, MSR(MSR_GS_BASE), REG(RDX, 0x800000)),
    CASE("lstar noncanonical", L2_64, WRMSR, BITMAPS, MSR(MSR_LSTAR), REG(RDX, 0x800000)),
    CASE("efer sce passes", L2_64, WRMSR, BITMAPS, MSR(MSR_EFER64), REG(RAX, 0xd01), REG(RDX, 0)),
    CASE("efer reserved", L2_64, WRMSR, BITMAPS, MSR(MSR_EFER64), REG(RAX, 0xd02), REG(RDX, 0)),
    CASE("efer lme off", L2_64, WRMSR, BITMAPS, MSR(MSR_EFER64), REG(RAX, 0xc00), REG(RDX, 0)),
    CASE("efer lme on", L2_32, WRMSR, BITMAPS, MSR(MSR_EFER64), REG(RAX, 0x100), REG(RDX, 0)),
    CASE("pat passes", L2_64, WRMSR, BITMAPS, MSR(MSR_PAT), REG(RAX, 0x07040600),
         REG(RDX, 0x00010406)),
    CASE("pat illegal", L2_64, WRMSR, BITMAPS, MSR(MSR_PAT), REG(RAX, 0x07040602),
         REG(RDX, 0x00070406)),
    CASE("vmx capability", L2_64, RDMSR, BITMAPS, MSR(MSR_VMX_MISC)),
    /* CAVEAT(bochs-fault-exit-rf) */
    CASE("vmx capability written", L2_64, WRMSR, BITMAPS, MSR(MSR_VMX_MISC)),
    CASE("feature control written", L2_64, WRMSR, BITMAPS, MSR(MSR_FEATURE_CONTROL)),
    CASE("bitmap unaligned", L2_64, RDMSR, BITMAPS, OR(MSR_BITMAP, 0x10)),
    CASE("bitmap width", L2_64, RDMSR, BITMAPS, OR(MSR_BITMAP, 1ul << 40)),
    CASE("bitmap unaligned unused", L2_64, RDMSR, OR(MSR_BITMAP, 0x10)),
};

/* ---- the first access of an MSR for a while, in special moments ---------------------------- */

#define FIRST(NAME, MODE, CODE, ...) CASE("first " NAME, MODE, CODE, BITMAPS, __VA_ARGS__)
/* clang-format off */
#define STOP_AT(OFFSET) \
    SET(GUEST_DR7, 0x402), SET(CR3_TARGET0, L2_AT(P_CODE) + (OFFSET))
/* clang-format on */
#define RF (1ul << 16)
/* The bit in the map is 0, so the access does its work in L2 and does not exit. A trap or fault
 * comes where it does for any instruction. SDM 3C 25.6.9 "MSR-Bitmap Address" */
static const struct l2_case first[] = {
    FIRST("rdmsr", L2_64, RDMSR, MSR(MSR_SYSENTER_CS), SET(GUEST_SYSENTER_CS, 0x77)),
    FIRST("wrmsr", L2_64, WRMSR, MSR(MSR_FS_BASE)),
    FIRST("wrmsr noncanonical", L2_64, WRMSR, MSR(MSR_FS_BASE), REG(RDX, 0x800000)),
    FIRST("rdmsr ring 3", L2_64_R3, RDMSR, MSR(MSR_SYSENTER_CS)),
    FIRST("rdmsr", L2_32, RDMSR, MSR(MSR_SYSENTER_CS)),
    FIRST("rdmsr", L2_16, RDMSR, MSR(MSR_SYSENTER_CS)),
    FIRST("rdmsr tf", L2_64, RDMSR "\x90", MSR(MSR_SYSENTER_CS), OR(GUEST_RFLAGS, FLAG_TF)),
    FIRST("wrmsr tf", L2_64, WRMSR "\x90", MSR(MSR_FS_BASE), OR(GUEST_RFLAGS, FLAG_TF)),
    FIRST("rdmsr under sti", L2_64, RDMSR, MSR(MSR_SYSENTER_CS), OR(GUEST_RFLAGS, 0x200),
          SET(GUEST_INTERRUPTIBILITY, 1)),
    FIRST("rdmsr under mov ss", L2_64, RDMSR, MSR(MSR_SYSENTER_CS), SET(GUEST_INTERRUPTIBILITY, 2)),
    FIRST("rdmsr behind mov ss", L2_64, "\x8e\xd0" RDMSR, MSR(MSR_SYSENTER_CS), REG(RAX, SEL_DATA)),
    FIRST("rdmsr breakpoint", L2_64, RDMSR, MSR(MSR_SYSENTER_CS), STOP_AT(0)),
    FIRST("rdmsr breakpoint rf", L2_64, RDMSR, MSR(MSR_SYSENTER_CS), STOP_AT(0),
          OR(GUEST_RFLAGS, RF)),
    FIRST("rdmsr breakpoint behind rf", L2_64, RDMSR, MSR(MSR_SYSENTER_CS), STOP_AT(2),
          OR(GUEST_RFLAGS, RF)),
};

/* So many other MSRs are read that nobody can know the next one: each in 64 numbers of its own, and
 * none that Nidus keeps from guests. */
static void forget(void)
{
    /* clang-format off */
    static const u32 others[] = {
        0x10,  0x48,  0x8b,  0xc1,  0x200, 0x186, 0x1d9, 0x277, 0x280, 0x309, 0x38d, 0x3f8,
        0x400, 0x440, 0x4c1, 0x601, 0x640, 0x680, 0x6c0, 0x770, 0xc81, 0xcc0, 0xd00, MSR_STAR,
    };
    /* clang-format on */

    l2_world(L2_64);
    l2_code(RDMSR, 2);
    l2.f[VI_PROC_CTL] |= PROC_MSR_BITMAPS;
    l2_write();
    for (unsigned i = 0; i < sizeof others / sizeof *others; i++) {
        l2.gpr[RCX] = others[i];
        vmx_vmwrite(V_GUEST_RIP, L2_AT(P_CODE));
        gt_check(!vmx_door(l2.gpr, i > 0) && (u32)vmx_get(V_EXIT_REASON) == REASON_VMCALL,
                 "first: the access before it");
        l1_state_restore();
    }
}

/* CR3 target 0 is of no use to L2 here: it says where the breakpoint is. */
static void first_access(const struct l2_case *c)
{
    forget();
    for (unsigned i = 0; i < L2_SETS; i++) {
        if (c->set[i].what == V_CR3_TARGET0)
            gt_write_dr0(c->set[i].v);
    }
    l2_case_run(c);
    gt_write_dr0(0);
}

TEST_MAIN(vmx_msr)
{
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            SetMem(arena(PG_MSR_BITMAP), 4096, 0);
            l2_case_run(&cases[i]);
        }
        SetMem(arena(PG_MSR_BITMAP), 4096, 0);
        for (size_t i = 0; i < sizeof first / sizeof *first; i++)
            first_access(&first[i]);
    }
    vmx_end();
}
