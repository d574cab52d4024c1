/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EPT under L2: every permission against every access, misconfigurations, leaves of all sizes,
 * faults on the guest's own page tables, A/D bits, EPTP checks, and unrestricted guests. L2's
 * physical memory is the arena at its own addresses, and, for guests without paging, the
 * window at 64 KiB.
 *
 * Right: An access that is not permitted is exit reason 48, a reserved value is 49, and an EPTP
 * that is not legal is VMfail 7. SDM 3C 29.3.2 "EPT Translation Mechanism", SDM 3C 27.2.1.1 "VM-
 * Execution Control Fields"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"

enum {
    PG_EPML4 = PG_FREE + 16,
    PG_EPDPT,
    PG_EPD,
    PG_EPT_ARENA, /* leaves of the arena's 2 MiB */
    PG_EPT_LOW,   /* leaves of the first 2 MiB */
    EPTE_RWX = 7,
    EPTE_WB = 6 << 3,
    EPTE_LARGE = 1 << 7,
    EPTP_WB_4 = 6 | 3 << 3,
    EPTP_AD = 1 << 6,
    INVEPT_ALL = 2,
};
#define EPTP (ARENA_AT(PG_EPML4) | EPTP_WB_4)
/* clang-format off */
#define SET_LEAF(PAGE, VALUE) PHYS(PG_EPT_ARENA, (PAGE) * 8u, VALUE)
/* clang-format on */
#define DATA_PAGE (PG_L2 + P_DATA)

static void build(void)
{
    u64 *pd = arena(PG_EPD), *leaf = arena(PG_EPT_ARENA), *low = arena(PG_EPT_LOW);

    SetMem(arena(PG_EPML4), 5 * 4096, 0);
    *(u64 *)arena(PG_EPML4) = ARENA_AT(PG_EPDPT) | EPTE_RWX;
    *(u64 *)arena(PG_EPDPT) = ARENA_AT(PG_EPD) | EPTE_RWX;
    pd[ARENA >> 21] = ARENA_AT(PG_EPT_ARENA) | EPTE_RWX;
    pd[0] = ARENA_AT(PG_EPT_LOW) | EPTE_RWX;
    for (u64 i = 0; i < 512; i++)
        leaf[i] = ARENA_AT(i) | EPTE_WB | EPTE_RWX;
    for (u64 i = 0; i < L2_PAGES; i++)
        low[(L2_BASE >> 12) + i] = ARENA_AT(PG_L2 + i) | EPTE_WB | EPTE_RWX;
}

/* INVEPT of all contexts: the tables were changed in memory. */
static void invept(void)
{
    struct {
        u64 eptp, zero;
    } d = {0, 0};

    __asm__ volatile("invept %0, %1" : : "m"(d), "r"((u64)INVEPT_ALL) : "memory", "cc");
}

static void ept_on(void)
{
    build();
    l2.f[VI_PROC_CTL] |= PROC_SECONDARY;
    l2.f[VI_PROC2_CTL] |= PROC2_EPT;
    l2.f[VI_EPT_POINTER] = EPTP;
}

static void finish(const char *name)
{
    invept();
    l2_write();
    l2_enter(false);
    l2_report(name);
}

static void run(const struct l2_case *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        l2_world(c[i].mode);
        ept_on();
        l2_code(c[i].code, c[i].len);
        l2_apply(c[i].set, L2_SETS);
        finish(c[i].name);
    }
}

/* Read, write, read-modify-write and fetch of the data page under each permission. What the entry
 * does not permit is exit reason 48, and write without read is 49. SDM 3C 29.3.3.1 "EPT
 * Misconfigurations", SDM 3C 29.3.3.2 "EPT Violations" */
static void matrix(enum l2_mode mode, u64 eptp_flags)
{
    static const struct {
        const char *name, *code;
        u8 len;
    } access[] = {
        {"read", "\x8b\x00", 2},  {"write", "\x89\x00", 2},    {"modify", "\x01\x00", 2},
        {"fetch", "\xff\xe0", 2}, {"push", "\x8b\xe0\x50", 3},
    };
    char name[48];

    for (u64 rights = 0; rights < 8; rights++) {
        for (unsigned a = 0; a < 5; a++) {
            l2_world(mode);
            ept_on();
            l2_code(access[a].code, access[a].len);
            l2.f[VI_EPT_POINTER] |= eptp_flags;
            l2.gpr[RAX] = L2_AT(P_DATA) + 0x40;
            ((u64 *)arena(PG_EPT_ARENA))[DATA_PAGE] = ARENA_AT(DATA_PAGE) | EPTE_WB | rights;
            gt_format(name, sizeof name, "%s_%c%c%c%s", access[a].name, rights & 1 ? 'r' : '-',
                      rights & 2 ? 'w' : '-', rights & 4 ? 'x' : '-', eptp_flags ? "_ad" : "");
            finish(name);
        }
    }
}

/* The same permissions one level up each time: the first access to suffer is L2's
 * page walk or fetch. */
static void upper_levels(void)
{
    /* clang-format off */
    static const struct { const char *name; u32 page, index; } level[] = {
        {"pml4e", PG_EPML4, 0}, {"pdpte", PG_EPDPT, 0}, {"pde", PG_EPD, ARENA >> 21},
    };
    /* clang-format on */
    char name[48];

    for (unsigned l = 0; l < 3; l++) {
        for (u64 rights = 0; rights < 8; rights++) {
            u64 *entry = (u64 *)arena(level[l].page) + level[l].index;

            l2_world(L2_64);
            ept_on();
            l2_code("\x8b\x00", 2);
            l2.gpr[RAX] = L2_AT(P_DATA);
            *entry = (*entry & ~7ul) | rights;
            gt_format(name, sizeof name, "%s_rights_%lx", level[l].name, rights);
            finish(name);
        }
    }
}

#define READ             "\x8b\x00"
#define DATA             REG(RAX, L2_AT(P_DATA))
#define DATA_LEAF(FLAGS) SET_LEAF(DATA_PAGE, ARENA_AT(DATA_PAGE) | (FLAGS))
#define TABLE_LEAF(N, FLAGS) \
    SET_LEAF(PG_L2_TABLES + (N), ARENA_AT(PG_L2_TABLES + (N)) | EPTE_WB | (FLAGS))
/* Types 2, 3 and 7 and each reserved bit are exit reason 49, but 48 where the entry is absent. The
 * other types, bit 6 and ignored bits give no exit. SDM 3C 29.3.3.1 "EPT Misconfigurations" */
static const struct l2_case misconfigured[] = {
    CASE("type 2", L2_64, READ, DATA, DATA_LEAF(2 << 3 | 7)),
    CASE("type 3", L2_64, READ, DATA, DATA_LEAF(3 << 3 | 7)),
    CASE("type 7", L2_64, READ, DATA, DATA_LEAF(7 << 3 | 7)),
    CASE("type 0", L2_64, READ, DATA, DATA_LEAF(7)),
    CASE("type 1", L2_64, READ, DATA, DATA_LEAF(1 << 3 | 7)),
    CASE("type 4", L2_64, READ, DATA, DATA_LEAF(4 << 3 | 7)),
    CASE("type 5", L2_64, READ, DATA, DATA_LEAF(5 << 3 | 7)),
    CASE("ignore pat", L2_64, READ, DATA, DATA_LEAF(EPTE_WB | 0x40 | 7)),
    CASE("ignored bits", L2_64, READ, DATA, DATA_LEAF(EPTE_WB | 0x7ff0000000000c80 | 7)),
    CASE("reserved 40", L2_64, READ, DATA, DATA_LEAF(1ul << 40 | EPTE_WB | 7)),
    CASE("reserved 51", L2_64, READ, DATA, DATA_LEAF(1ul << 51 | EPTE_WB | 7)),
    CASE("reserved but absent", L2_64, READ, DATA, DATA_LEAF(1ul << 51 | EPTE_WB)),
    CASE("pde reserved 3", L2_64, READ, DATA,
         PHYS(PG_EPD, (ARENA >> 21) * 8, ARENA_AT(PG_EPT_ARENA) | 8 | 7)),
    CASE("pde reserved 6", L2_64, READ, DATA,
         PHYS(PG_EPD, (ARENA >> 21) * 8, ARENA_AT(PG_EPT_ARENA) | 0x40 | 7)),
    CASE("pdpte reserved 5", L2_64, READ, DATA, PHYS(PG_EPDPT, 0, ARENA_AT(PG_EPD) | 0x20 | 7)),
    CASE("pml4e large", L2_64, READ, DATA, PHYS(PG_EPML4, 0, ARENA_AT(PG_EPDPT) | 0x80 | 7)),
    CASE("pml4e width", L2_64, READ, DATA, PHYS(PG_EPML4, 0, 1ul << 45 | ARENA_AT(PG_EPDPT) | 7)),
};
/* A refused access to L2's paging structures is exit reason 48, with bit 8 of the qualification 0.
 * A fault of L2's own tables comes before EPT's of the page. An event in delivery is told. PDPTEs
 * come from the VMCS. SDM 3C 29.3.3.2 "EPT Violations", SDM 3C 28.2.4 "Information for VM Exits
 * During Event Delivery", SDM 3A 4.4.1 "PDPTE Registers" */
static const struct l2_case walks[] = {
    CASE("large 2m", L2_64, READ, DATA,
         PHYS(PG_EPD, (ARENA >> 21) * 8, ARENA | EPTE_WB | EPTE_LARGE | 7)),
    CASE("large 2m no write", L2_64, "\x89\x00", DATA,
         PHYS(PG_EPD, (ARENA >> 21) * 8, ARENA | EPTE_WB | EPTE_LARGE | 5)),
    CASE("large 1g", L2_64, READ, DATA, PHYS(PG_EPDPT, 0, EPTE_WB | EPTE_LARGE | 7)),
    CASE("large 1g", L2_32, READ, DATA, PHYS(PG_EPDPT, 0, EPTE_WB | EPTE_LARGE | 7)),
    CASE("pml4 table unreadable", L2_64, READ, DATA, TABLE_LEAF(0, 0)),
    CASE("pdpt table execute-only", L2_64, READ, DATA, TABLE_LEAF(1, 4)),
    CASE("pd table absent", L2_64, READ, DATA, TABLE_LEAF(2, 0)),
    CASE("pt table read-only", L2_64, READ, DATA, TABLE_LEAF(3, 1)),
    CASE("pt table read-only, write", L2_64, "\x89\x00", DATA, TABLE_LEAF(3, 1)),
    CASE("pml4 table misconfigured", L2_64, READ, DATA, TABLE_LEAF(0, 2)),
    CASE("pdpt absent", L2_PAE, READ, DATA, TABLE_LEAF(4, 0),
         SET(GUEST_PDPTE0, ARENA_AT(PG_L2_TABLES + 2) | 1)),
    CASE("pdptes in the vmcs", L2_PAE, READ, DATA,
         SET(GUEST_PDPTE0, ARENA_AT(PG_L2_TABLES + 2) | 1)),
    CASE("pdptes in the vmcs absent", L2_PAE, READ, DATA, SET(GUEST_PDPTE0, 0)),
    CASE("pdptes in the vmcs reserved", L2_PAE, READ, DATA,
         SET(GUEST_PDPTE0, ARENA_AT(PG_L2_TABLES + 2) | 7)),
    CASE("pd absent", L2_32, READ, DATA, TABLE_LEAF(5, 0)),
    CASE("code absent", L2_64, READ, DATA, SET_LEAF(PG_L2 + P_CODE, 0)),
    CASE("guest fault first", L2_64, READ, REG(RAX, L2_AT(P_ABSENT)), DATA_LEAF(0)),
    CASE("guest write protection first", L2_64, "\x89\x00", REG(RAX, L2_AT(P_READ_ONLY)),
         SET_LEAF(PG_L2 + P_READ_ONLY, 0)),
    CASE("idt absent", L2_64, "\x0f\x0b", SET(EXCEPTION_BITMAP, 0), SET_LEAF(PG_L2 + P_IDT64, 0)),
    CASE("stack absent in delivery", L2_64, "\xcd\x80", SET_LEAF(PG_L2 + P_STACK, 0)),
    CASE("stack absent injected", L2_64, "", INJECT(INTR_HARD_EXC | INTR_ERROR_CODE | 13),
         SET(ENTRY_INTR_ERROR, 8), SET_LEAF(PG_L2 + P_STACK, 0)),
    CASE("nmi injected stack absent", L2_64, "", INJECT(INTR_NMI | 2),
         SET_LEAF(PG_L2 + P_STACK, 0)),
    CASE("iret unblocks", L2_32, "\xcf", SET(GUEST_INTERRUPTIBILITY, 8),
         SET(GUEST_RSP, L2_AT(P_DATA)), DATA_LEAF(0)),
    CASE("far away", L2_64, READ, DATA,
         PHYS(PG_L2_TABLES + 3, (16 + P_DATA) * 8, 0xff00000000 | 7)),
    CASE("beyond the width", L2_64, READ, DATA,
         PHYS(PG_L2_TABLES + 3, (16 + P_DATA) * 8, 1ul << 51 | 7)),
    CASE("mov cr3 absent", L2_64, "\x0f\x22\xd8\x90", REG(RAX, 0x3000000)),
    CASE("invlpg never faults", L2_64, "\x0f\x01\x38", REG(RAX, 0x3000000)),
};
/* An EPTP whose type is neither 0 nor 6, or with another walk length or a reserved bit, VPID 0, and
 * an unrestricted guest without EPT are VMfailValid 7. An EPTP that is not used may hold anything.
 * SDM 3C 27.2.1.1 "VM-Execution Control Fields" */
static const struct l2_case pointers[] = {
    CASE("type 0", L2_64, "", SET(EPT_POINTER, EPTP & ~7ul)),
    CASE("type 1", L2_64, "", SET(EPT_POINTER, (EPTP & ~7ul) | 1)),
    CASE("type 7", L2_64, "", OR(EPT_POINTER, 7)),
    CASE("walk 3", L2_64, "", SET(EPT_POINTER, ARENA_AT(PG_EPML4) | 6 | 2 << 3)),
    CASE("walk 5", L2_64, "", SET(EPT_POINTER, ARENA_AT(PG_EPML4) | 6 | 4 << 3)),
    CASE("bit 7", L2_64, "", OR(EPT_POINTER, 0x80)),
    CASE("bit 11", L2_64, "", OR(EPT_POINTER, 0x800)),
    CASE("bit 40", L2_64, "", OR(EPT_POINTER, 1ul << 40)),
    CASE("bit 63", L2_64, "", OR(EPT_POINTER, 1ul << 63)),
    CASE("unrestricted without ept", L2_64, "", SET(PROC2_CTL, PROC2_UNRESTRICTED)),
    CASE("vpid 0", L2_64, "", OR(PROC2_CTL, PROC2_VPID)),
    CASE("vpid 1", L2_64, "", OR(PROC2_CTL, PROC2_VPID), SET(VPID, 1)),
    CASE("eptp unused", L2_64, "", SET(PROC2_CTL, 0), SET(EPT_POINTER, ~0ul)),
};

/* Accessed and dirty bits of the data page's leaf, its parents and the page tables' leaf. A walk of
 * L2's tables counts as a write. Without the EPTP's flag no bit is set. SDM 3C 29.3.5 "Accessed and
 * Dirty Flags for EPT" */
static void accessed_dirty(const char *name, const char *code, size_t len, u64 flags)
{
    const u64 *leaf = arena(PG_EPT_ARENA);

    l2_world(L2_64);
    ept_on();
    l2_code(code, len);
    l2.f[VI_EPT_POINTER] |= flags;
    l2.gpr[RAX] = L2_AT(P_DATA);
    finish(name);
    gt_line("ad.%s: data %lx table %lx code %lx spare %lx pde %lx pml4e %lx", name,
            leaf[DATA_PAGE] >> 8 & 3, leaf[PG_L2_TABLES + 3] >> 8 & 3,
            leaf[PG_L2 + P_CODE] >> 8 & 3, leaf[PG_L2 + P_SPARE] >> 8 & 3,
            ((u64 *)arena(PG_EPD))[ARENA >> 21] >> 8 & 3, *(u64 *)arena(PG_EPML4) >> 8 & 3);
}

/* Without paging: real mode and flat protected mode; linear is physical, and EPT maps
 * the window there. */
static void unpaged(const char *name, u64 cr0, enum l2_mode like, u64 proc2, const char *code,
                    size_t len)
{
    l2_world(like);
    ept_on();
    l2_code(code, len);
    l2.f[VI_PROC2_CTL] |= proc2;
    l2.f[VI_GUEST_CR0] = CR0_NE | 0x10 | cr0;
    l2.f[VI_GUEST_RFLAGS] &= ~FLAG_VM;
    if (!(cr0 & CR0_PE))
        l2.f[VI_GUEST_CS_AR] = 0x9b;
    if (!(cr0 & CR0_PE)) /* the segments of virtual-8086 mode have the right bases */
        l2.f[VI_GUEST_SS_AR] = l2.f[VI_GUEST_DS_AR] = l2.f[VI_GUEST_ES_AR] = l2.f[VI_GUEST_FS_AR] =
            l2.f[VI_GUEST_GS_AR] = 0x93;
    finish(name);
}

/* An unrestricted guest may have PE and PG 0. Any other fails the entry (exit reason 33), and so do
 * PG without PE and IA-32e mode without PG. SDM 3C 27.3.1.1 "Checks on Guest Control Registers,
 * Debug Registers, and MSRs" */
static void unrestricted(void)
{
    unpaged("real vmcall", 0, L2_V86, PROC2_UNRESTRICTED, "", 0);
    unpaged("real cpuid", 0, L2_V86, PROC2_UNRESTRICTED, "\x0f\xa2", 2);
    unpaged("real not allowed", 0, L2_V86, 0, "", 0);
    unpaged("real memory", 0, L2_V86, PROC2_UNRESTRICTED, "\xc7\x06\x00\x10\x34\x12", 6);
    unpaged("real push", 0, L2_V86, PROC2_UNRESTRICTED, "\x68\x77\x77", 3);
    unpaged("real to protected", 0, L2_V86, PROC2_UNRESTRICTED, "\x0f\x20\xc0\x0c\x01\x0f\x22\xc0",
            8);
    unpaged("flat", CR0_PE, L2_32, PROC2_UNRESTRICTED, "\xa1\x00\x10\x01\x00", 5);
    unpaged("flat absent", CR0_PE, L2_32, PROC2_UNRESTRICTED, "\xa1\x00\x00\x50\x00", 5);
    unpaged("flat to paged", CR0_PE, L2_32, PROC2_UNRESTRICTED,
            "\x0f\x20\xc0\x0d\x00\x00\x00\x80\x0f\x22\xc0", 11);
    unpaged("pg without pe", CR0_PG, L2_V86, PROC2_UNRESTRICTED, "", 0);
    /* CAVEAT(bochs-ia32e-unpaged) */
    unpaged("long mode unpaged", CR0_PE, L2_64, PROC2_UNRESTRICTED, "", 0);
}

#define RUN(TABLE) run(TABLE, sizeof TABLE / sizeof *TABLE)

TEST_MAIN(vmx_ept)
{
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        matrix(L2_64, 0);
        matrix(L2_64_R3, 0);
        matrix(L2_32, 0);
        matrix(L2_64, EPTP_AD);
        upper_levels();
        RUN(misconfigured);
        RUN(walks);
        RUN(pointers);
        accessed_dirty("read", "\x8b\x00", 2, EPTP_AD);
        accessed_dirty("write", "\x89\x00", 2, EPTP_AD);
        accessed_dirty("off", "\x89\x00", 2, 0);
        unrestricted();
    }
    vmx_end();
}
