/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Protection keys on memory operands of L1's VMX instructions: L0 walks L1's tables itself, so the
 * key of the page and L1's PKRU are L0's to obey. Needs PKU (newer processors); else one line.
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l1.h"
#include "hv/arch/cpuid_bits.h"

#define KEY          5u
#define ACCESS       1u /* PKRU: bits of a key */
#define WRITE        2u
#define CR4_PKE      (1ul << 22)
#define PAGE         SPECIAL_AT(SP_ABSENT2)
#define PTE(KEY, US) (ARENA_AT(PG_SCRATCH) | 0x63 | (US) << 2 | (u64)(KEY) << 59)
#define OPERAND      REG(RAX, PAGE)

/* A user page whose key has access disabled is #PF with PK set (bit 5) for a read and for a write.
 * With only writes disabled a read passes, and a supervisor write is #PF while CR0.WP is 1. A
 * supervisor page has no key. CAVEAT(bochs-keys). SDM 3A 4.6.2 "Protection Keys" */
static const struct l1_case cases[] = {
    /* clang-format off */
    L1C("mov read", L1_64, "\x8b\x00", OPERAND), L1C("mov write", L1_64, "\x89\x00", OPERAND),
    L1C("vmptrst", L1_64, "\x0f\xc7\x38", OPERAND), L1C("vmptrld", L1_64, "\x0f\xc7\x30", OPERAND),
    L1C("vmclear", L1_64, "\x66\x0f\xc7\x30", OPERAND), L1C("vmxon", L1_64, "\xf3\x0f\xc7\x30",
      OPERAND),
    L1C("invept", L1_64, "\x66\x0f\x38\x80\x08", OPERAND, REG(RCX, 1)),
    /* clang-format on */
};

static void write_pkru(u32 v)
{
    __asm__ volatile("wrpkru" : : "a"(v), "c"(0), "d"(0));
}

static void run(const char *what, u32 denied, u64 pte)
{
    u64 *pt = arena(PG_L1_TABLES + 6), kept = pt[SP_ABSENT2];

    pt[SP_ABSENT2] = pte;
    gt_write_cr3(gt_read_cr3());
    write_pkru(denied << (2 * KEY));
    SetMem(arena(PG_SCRATCH), 16, 0);
    l1_cases(what, cases, sizeof cases / sizeof *cases);
    write_pkru(0);
    pt[SP_ABSENT2] = kept;
    gt_write_cr3(gt_read_cr3());
}

TEST_MAIN(vmx_keys)
{
    bool has;

    vmx_begin();
    has = gt_cpuid(7, 0).ecx & CPUID7_ECX_PKU;
    gt_line("protection keys: %u", has);
    if (has && vmx_on()) {
        gt_write_cr4(gt_read_cr4() | CR4_PKE);
        run("allowed", 0, PTE(KEY, 1ul));
        run("no_access", ACCESS, PTE(KEY, 1ul));
        run("no_write", WRITE, PTE(KEY, 1ul));
        run("neither", ACCESS | WRITE, PTE(KEY, 1ul));
        run("other_key", ACCESS, PTE(KEY + 1, 1ul));
        run("supervisor", ACCESS | WRITE, PTE(KEY, 0ul));
        gt_write_cr4(gt_read_cr4() & ~CR4_PKE);
    }
    vmx_end();
}
