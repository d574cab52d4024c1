/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory operands of L1's VMX instructions behind page tables of every kind, at random from a seed:
 * leaves of three sizes, rights, reserved bits and accessed and dirty flags in each entry of the
 * walk, operands that cross into a page with other rights, CR0.WP, CR4.SMAP with EFLAGS.AC,
 * EFER.NXE, PCIDs. A hypervisor walks these tables itself. Recorded are the outcome, the fault,
 * what was written, and every entry as the walk left it. The options first=N count=N trace=1 print
 * the cases themselves. Behind a page fault accessed and dirty flags are not compared: a processor
 * may set them in the entries above the one that faults, or not.
 *
 * Right: An operand is read or written as by any other instruction: with the same faults, setting
 * the same flags. SDM 3A 4.6 "Access Rights", SDM 3A 4.8 "Accessed and Dirty Flags"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_ept.h"
#include "guest-tests/lib/vmx_insn.h"
#include "hv/arch/cpuid_bits.h"

enum {
    CASES = 12000,
    EVERY = 500,
    PG_PDPT = PG_EPT_FREE, /* of the place */
    PG_PD,
    PG_PT,
    PLACE_AT = 1, /* PML4 entry of L1's: 512 GiB */
    LEVELS = 5,   /* PML4E, PDPTE, PDE, PTE, and the PTE of the next page */
    NEXT = 4,
    NORMAL = 0x67, /* present, writable, user, accessed, dirty */
    PS = 0x80,
};
#define PLACE    ((u64)PLACE_AT << 39)
#define NX       (1ul << 63)
#define WP       CR0_WP
#define SMAP     (1ul << 21)
#define PCIDE    (1ul << 17)
#define FLAG_AC  (1ul << 18)
#define VALUE_AT 0x300 /* of a pointer to VMCS B, in each scratch page */

static u64 *entry[LEVELS];
static bool trace;

static u64 below(u64 n)
{
    return gt_rand() % n;
}

static u64 flags_of(unsigned level, bool leaf)
{
    static const u64 bits[] = {1, 2, 2, 4, 4, 0x20, 0x40, 0x18, NX, NX, 0x100, 0xe00, 1ul << 52};
    static const u64 reserved[] = {1ul << 40, 1ul << 51, 1ul << 45};
    u64 f = NORMAL;

    if (below(3) == 0)
        f ^= bits[below(sizeof bits / sizeof *bits)];
    if (below(3) == 0)
        f ^= bits[below(sizeof bits / sizeof *bits)];
    if (below(4) == 0)
        f &= ~0x60ul;
    if (below(24) == 0)
        f |= reserved[below(3)];
    if (below(24) == 0 && leaf && (level == 1 || level == 2))
        f |= 1ul << (13 + below(8)); /* address bits that a large leaf may not have */
    if (below(40) == 0 && level == 0)
        f |= PS;
    return f;
}

/* The operand's linear address: the first scratch page, or its end. */
static u64 place(void)
{
    unsigned leaf = 3 - (unsigned)(below(4) % 3); /* 3 PTE, 2 PDE, 1 PDPTE */
    u64 in_page = below(3) ? VALUE_AT : 0xff8 + below(8);

    *entry[0] = ARENA_AT(PG_PDPT) | flags_of(0, false);
    *entry[1] = (leaf == 1 ? PS : ARENA_AT(PG_PD)) | flags_of(1, leaf == 1);
    *entry[2] = (leaf == 2 ? ARENA | PS : ARENA_AT(PG_PT)) | flags_of(2, leaf == 2);
    *entry[3] = ARENA_AT(PG_SCRATCH) | flags_of(3, true);
    *entry[NEXT] = ARENA_AT(PG_SCRATCH + 1) | flags_of(3, true);
    if (leaf == 1)
        return PLACE + ARENA_AT(PG_SCRATCH) + in_page;
    return PLACE + (leaf == 2 ? PG_SCRATCH * 4096ul : 0) + in_page;
}

static const struct insn {
    const char *name, *code;
    u8 len, at; /* what lies at the operand: 0 nothing, 1 a VMCS's address */
} insns[] = {
    {"vmptrst", "\x0f\xc7\x38", 3, 0},         {"vmptrld", "\x0f\xc7\x30", 3, 1},
    {"vmclear", "\x66\x0f\xc7\x30", 4, 1},     {"vmread", "\x0f\x78\x08", 3, 0},
    {"vmwrite", "\x0f\x79\x08", 3, 1},         {"invept", "\x66\x0f\x38\x80\x10", 5, 0},
    {"invvpid", "\x66\x0f\x38\x81\x10", 5, 0},
};

static u64 mix(u64 hash, u64 v)
{
    hash = (hash ^ v) * 0x100000001b3;
    return hash ^ hash >> 29;
}

static u64 environment(struct l1_frame *f)
{
    u64 dice = gt_rand(), cr4 = gt_read_cr4();

    if (dice & 1)
        gt_write_cr0(gt_read_cr0() & ~(u64)WP);
    if (dice & 2 && gt_cpuid(7, 0).ebx & CPUID7_EBX_SMAP)
        cr4 |= SMAP;
    if (dice & 4)
        f->rflags |= FLAG_AC;
    if ((dice & 0x18) == 0)
        gt_wrmsr(MSR_EFER64, gt_rdmsr(MSR_EFER64) & ~(u64)EFER_NXE);
    if ((dice & 0x60) == 0)
        cr4 |= PCIDE;
    gt_write_cr4(cr4);
    gt_write_cr3(ARENA_AT(PG_L1_TABLES) | (cr4 & PCIDE ? 5 : 0));
    return dice & 0x7f;
}

static void fill_scratch(const struct insn *i, u64 in_page)
{
    SetMem(arena(PG_SCRATCH), 8192, 0);
    if (i->at)
        *(u64 *)(ARENA_AT(PG_SCRATCH) + in_page) = ARENA_AT(PG_VMCS_B);
}

static u64 one(u64 number)
{
    const struct insn *i;
    struct l1_frame f;
    u64 hash = number, at, dice;

    gt_seed((number + 1) * 0xbf58476d1ce4e5b9);
    gt_rand();
    i = &insns[below(sizeof insns / sizeof *insns)];
    at = place();
    fill_scratch(i, at & 0xfff);
    l1_frame_init(&f);
    f.gpr[RAX] = at;
    f.gpr[RCX] = V_GUEST_GDTR_BASE;
    f.gpr[RDX] = 2; /* INVEPT and INVVPID: all contexts */
    dice = environment(&f);
    l1_run(&f, i->code, i->len);
    l1_state_restore();
    hash = mix(mix(hash, l1_trap.vector),
               l1_trap.vector == L1_DONE ? l1_trap.rflags & FLAGS_ARITH : l1_trap.error);
    if (l1_trap.vector == 14)
        hash = mix(hash, l1_trap.cr2);
    for (unsigned k = 0; k < LEVELS; k++)
        hash = mix(hash, *entry[k] & ~(l1_trap.vector == 14 ? 0x60ul : 0));
    for (unsigned k = 0; k < 4; k++)
        hash = mix(hash, *(u64 *)(ARENA_AT(PG_SCRATCH) + (at & 0xff8) + k * 8));
    if (trace)
        gt_line("case%lu: %s at %lx env %lx: %s, entries %lx %lx %lx %lx %lx", number, i->name, at,
                dice, l1_result(), *entry[0], *entry[1], *entry[2], *entry[3], *entry[NEXT]);
    vmx_vmptrld(ARENA_AT(PG_VMCS_A));
    return hash;
}

static void supervisor_code(void)
{
    u64 *pd = arena(PG_L1_TABLES + 2);

    for (unsigned i = 0; i < 2048; i++)
        pd[i] &= ~4ul;
    gt_write_cr3(ARENA_AT(PG_L1_TABLES));
}

TEST_MAIN(vmx_walk)
{
    u64 first = vmx_option("first", 0), count = vmx_option("count", CASES), hash = 0;

    trace = vmx_option("trace", 0) != 0;
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        *(u32 *)arena(PG_VMCS_B) = *(u32 *)arena(PG_VMXON);
        vmx_vmclear(ARENA_AT(PG_VMCS_B));
        supervisor_code();
        entry[0] = (u64 *)arena(PG_L1_TABLES) + PLACE_AT;
        entry[1] = arena(PG_PDPT);
        entry[2] = arena(PG_PD);
        entry[3] = arena(PG_PT);
        entry[NEXT] = entry[3] + 1;
        for (u64 n = first; n < first + count; n++) {
            hash = mix(hash, one(n));
            if ((n + 1) % EVERY)
                continue;
            gt_line("after_%lu: %lx", n + 1, hash);
            hash = 0;
        }
    }
    vmx_end();
}
