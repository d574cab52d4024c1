/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MSR-load and MSR-store lists of entry and exit: order, effect, and every entry that the SDM
 * refuses on entry (exit 34 with the entry's number, nothing before it undone). Refused entries of
 * the exit lists end in a VMX abort and have a program of their own.
 *
 * Right: Elements are loaded and stored in order. One that is refused on entry is exit reason 34
 * with its number, counted from 1. SDM 3C 27.4 "Loading MSRs", SDM 3C 28.4 "Saving MSRs"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"

/* Entry i of the list in a page: MSR number (and reserved bits 63:32), then the value. */
/* clang-format off */
#define ENTRY(PAGE, I, MSR_, VALUE) PHYS(PAGE, (I) * 16, MSR_), PHYS(PAGE, (I) * 16 + 8, VALUE)
/* clang-format on */
#define LOAD(I, MSR_, VALUE) ENTRY(PG_ENTRY_LOAD, I, MSR_, VALUE)
#define COUNT(N)             SET(ENTRY_MSR_LOAD_COUNT, N)
#define ONE(MSR_, VALUE)     COUNT(1), LOAD(0, MSR_, VALUE)
#define NONCANONICAL         0x800000000000

/* The qualification of exit reason 34 is the number of the first element that is refused. An
 * element behind the count is not read. A bad guest state is reason 33 and comes first. SDM 3C
 * 27.4 "Loading MSRs" */
static const struct l2_case refused[] = {
    CASE("fs base", L2_64, "", ONE(MSR_FS_BASE, 0)),
    CASE("gs base", L2_64, "", ONE(MSR_GS_BASE, 0)),
    CASE("x2apic", L2_64, "", ONE(0x808, 0)),
    CASE("x2apic first", L2_64, "", ONE(0x800, 0)),
    CASE("x2apic last", L2_64, "", ONE(0x8ff, 0)),
    CASE("reserved bit 32", L2_64, "", ONE(1ul << 32 | MSR_KERNEL_GS_BASE, 0)),
    CASE("reserved bit 63", L2_64, "", ONE(1ul << 63 | MSR_KERNEL_GS_BASE, 0)),
    CASE("lstar noncanonical", L2_64, "", ONE(MSR_LSTAR, NONCANONICAL)),
    CASE("kernel gs base noncanonical", L2_64, "", ONE(MSR_KERNEL_GS_BASE, NONCANONICAL)),
    CASE("sysenter esp noncanonical", L2_64, "", ONE(MSR_SYSENTER_ESP, NONCANONICAL)),
    CASE("pat illegal", L2_64, "", ONE(MSR_PAT, 2)),
    CASE("efer reserved", L2_64, "", ONE(MSR_EFER64, 0xd02)),
    CASE("efer lme off", L2_64, "", ONE(MSR_EFER64, 0x800)),
    CASE("vmx basic", L2_64, "", ONE(MSR_VMX_BASIC, 0)),
    CASE("feature control locked", L2_64, "", ONE(MSR_FEATURE_CONTROL, 0)),
    CASE("second refused", L2_64, "", COUNT(2), LOAD(0, MSR_KERNEL_GS_BASE, 0x1111),
         LOAD(1, MSR_FS_BASE, 0)),
    CASE("third refused", L2_64, "", COUNT(4), LOAD(0, MSR_KERNEL_GS_BASE, 0x2222),
         LOAD(1, MSR_STAR, 3), LOAD(2, MSR_GS_BASE, 0), LOAD(3, MSR_KERNEL_GS_BASE, 0x3333)),
    CASE("behind the count", L2_64, "", COUNT(1), LOAD(0, MSR_KERNEL_GS_BASE, 0x4444),
         LOAD(1, MSR_FS_BASE, 0)),
    CASE_F("refused", L2_32, TOUCHED, "", ONE(MSR_GS_BASE, 0)),
    CASE("guest state comes first", L2_64, "", ONE(MSR_FS_BASE, 0), SET(GUEST_RFLAGS, 0)),
};

/* The last element of an MSR decides, also against a field of the VMCS. SDM 3C 27.4 "Loading
 * MSRs" */
static const struct l2_case accepted[] = {
    CASE("kernel gs base", L2_64, "", ONE(MSR_KERNEL_GS_BASE, 0x123456789)),
    CASE("sysenter esp beats the field", L2_64, "", ONE(MSR_SYSENTER_ESP, 0x555),
         SET(GUEST_SYSENTER_ESP, 0x777)),
    CASE("twice, the last wins", L2_64, "", COUNT(2), LOAD(0, MSR_KERNEL_GS_BASE, 1),
         LOAD(1, MSR_KERNEL_GS_BASE, 2)),
    CASE("star lstar cstar", L2_64, "", COUNT(3), LOAD(0, MSR_STAR, 0x1000800000000),
         LOAD(1, MSR_LSTAR, 0x1000), LOAD(2, MSR_CSTAR, 0x2000)),
    CASE("pat", L2_64, "", ONE(MSR_PAT, 0x0001040600070406)),
    CASE("efer sce", L2_64, "", ONE(MSR_EFER64, 0xd01)),
    CASE("zero entries at a bad place", L2_64, "", COUNT(0), LOAD(0, MSR_FS_BASE, 0)),
};

/* A list that is not 16-byte aligned, or ends beyond the physical width, is VMfail 7. The
 * address of an empty list is not checked. SDM 3C 27.2.1.2 "VM-Exit Control Fields", SDM 3C
 * 27.2.1.3 "VM-Entry Control Fields" */
static const struct l2_case addresses[] = {
    CASE("entry list unaligned", L2_64, "", ONE(MSR_STAR, 0), OR(ENTRY_MSR_LOAD_ADDR, 8)),
    CASE("entry list width", L2_64, "", ONE(MSR_STAR, 0), OR(ENTRY_MSR_LOAD_ADDR, 1ul << 40)),
    CASE("entry list end width", L2_64, "", COUNT(2), SET(ENTRY_MSR_LOAD_ADDR, 0xfffffffff0)),
    CASE("entry list unaligned, empty", L2_64, "", COUNT(0), OR(ENTRY_MSR_LOAD_ADDR, 8)),
    CASE("store list unaligned", L2_64, "", SET(EXIT_MSR_STORE_COUNT, 1),
         OR(EXIT_MSR_STORE_ADDR, 4)),
    CASE("store list width", L2_64, "", SET(EXIT_MSR_STORE_COUNT, 1),
         OR(EXIT_MSR_STORE_ADDR, 1ul << 63)),
    CASE("store list end width", L2_64, "", SET(EXIT_MSR_STORE_COUNT, 2),
         SET(EXIT_MSR_STORE_ADDR, 0xfffffffff0)),
    CASE("load list unaligned", L2_64, "", SET(EXIT_MSR_LOAD_COUNT, 1), OR(EXIT_MSR_LOAD_ADDR, 15)),
    CASE("load list width", L2_64, "", SET(EXIT_MSR_LOAD_COUNT, 1),
         OR(EXIT_MSR_LOAD_ADDR, 1ul << 40)),
    CASE("load list unaligned, empty", L2_64, "", OR(EXIT_MSR_LOAD_ADDR, 15)),
};

#define STORE(I, MSR_)       ENTRY(PG_EXIT_STORE, I, MSR_, 0xdddddddddddddddd)
#define BACK(I, MSR_, VALUE) ENTRY(PG_EXIT_LOAD, I, MSR_, VALUE)
#define STORES(N)            SET(EXIT_MSR_STORE_COUNT, N)
#define BACKS(N)             SET(EXIT_MSR_LOAD_COUNT, N)
/* The exit stores L2's values, then loads L1's. A refused entry loads and does not store. SDM 3C
 * 28.4 "Saving MSRs", SDM 3C 28.6 "Loading MSRs", SDM 3C 27.8 "VM-Entry Failures During or After
 * Loading Guest State" */
static const struct l2_case on_exit[] = {
    CASE("store kernel gs base", L2_64, "", ONE(MSR_KERNEL_GS_BASE, 0xabc), STORES(1),
         STORE(0, MSR_KERNEL_GS_BASE)),
    CASE("store fs base", L2_64, "", SET(GUEST_FS_BASE, 0x1234000), STORES(1),
         STORE(0, MSR_FS_BASE)),
    CASE("store efer of l2", L2_64, "", STORES(2), STORE(0, MSR_EFER64), STORE(1, MSR_PAT),
         SET(GUEST_PAT, 0x0006)),
    CASE("store efer of 32-bit l2", L2_32, "", STORES(1), STORE(0, MSR_EFER64)),
    CASE("store sysenter of l2", L2_64, "", STORES(1), STORE(0, MSR_SYSENTER_EIP),
         SET(GUEST_SYSENTER_EIP, 0x987)),
    CASE("load kernel gs base", L2_64, "", BACKS(1), BACK(0, MSR_KERNEL_GS_BASE, 0x5151)),
    CASE("load sysenter beats the host field", L2_64, "", BACKS(1),
         BACK(0, MSR_SYSENTER_ESP, 0x222), SET(HOST_SYSENTER_ESP, 0x111)),
    CASE("store, then load", L2_64, "", ONE(MSR_LSTAR, 0x777), STORES(1), STORE(0, MSR_LSTAR),
         BACKS(1), BACK(0, MSR_LSTAR, 0x888)),
    CASE("store not on a refused entry", L2_64, "", STORES(1), STORE(0, MSR_LSTAR),
         SET(GUEST_RFLAGS, 0)),
    CASE("load on a refused entry", L2_64, "", BACKS(1), BACK(0, MSR_KERNEL_GS_BASE, 0x6161),
         SET(GUEST_RFLAGS, 0)),
    CASE("load on a refused list", L2_64, "", ONE(MSR_FS_BASE, 0), BACKS(1),
         BACK(0, MSR_KERNEL_GS_BASE, 0x7171)),
};

/* What the lists did, as L1 finds it. SYSENTER_ESP is from the moment of the exit. */
static void effects(const char *name)
{
    const u64 *stored = arena(PG_EXIT_STORE);

    gt_line("effect.%s: kernel_gs %lx star %lx lstar %lx cstar %lx sysenter_esp %lx stored %lx %lx",
            l2_one_word(name), gt_rdmsr(MSR_KERNEL_GS_BASE), gt_rdmsr(MSR_STAR),
            gt_rdmsr(MSR_LSTAR), gt_rdmsr(MSR_CSTAR), l2_seen_l1.sysenter_esp, stored[1],
            stored[3]);
}

static void run(const struct l2_case *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        gt_wrmsr(MSR_KERNEL_GS_BASE, 0xf0);
        gt_wrmsr(MSR_STAR, 0);
        gt_wrmsr(MSR_LSTAR, 0);
        gt_wrmsr(MSR_CSTAR, 0);
        l2_seen_l1.sysenter_esp = 0;
        SetMem(arena(PG_ENTRY_LOAD), 3 * 4096, 0);
        l2_case_run(&c[i]);
        effects(c[i].name);
    }
}

#define RUN(TABLE) run(TABLE, sizeof TABLE / sizeof *TABLE)

/* As many entries as the CPU recommends to accept at most, all legal, the last one decides. */
static void full_list(void)
{
    u64 *list = arena(PG_FREE), count = 512 * ((gt_rdmsr(MSR_VMX_MISC) >> 25 & 7) + 1);

    for (u64 i = 0; i < count; i++) {
        list[2 * i] = MSR_KERNEL_GS_BASE;
        list[2 * i + 1] = i;
    }
    l2_world(L2_64);
    l2_code("", 0);
    l2.f[VI_ENTRY_MSR_LOAD_ADDR] = (u64)list;
    l2.f[VI_ENTRY_MSR_LOAD_COUNT] = count;
    l2_write();
    l2_enter(false);
    l2_report("full list");
    effects("full list");
}

TEST_MAIN(vmx_msrlist)
{
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        RUN(refused);
        RUN(accepted);
        RUN(addresses);
        RUN(on_exit);
        full_list();
    }
    vmx_end();
}
