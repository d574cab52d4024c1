/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MTRRs as an operating system may set them: each setting is written, read back and printed, and
 * XCHG BX,BX marks the moment. To a plain run that is no operation; tools/rig/ept01_test.py stops
 * there, dumps memory and compares EPT01's memory types with the printed registers.
 *
 * Right: A setting reads back as written; a reserved type or bit is #GP(0). The memory type of an
 * address is that of the range that covers it, by the rules of precedence. SDM 3A 11.11.4.1 "MTRR
 * Precedences"
 */
#include "guest-tests/lib/gt.h"
#include "hv/arch/cpu.h"
#include "hv/arch/msr.h"

enum { UC = 0, WC = 1, WT = 4, WP = 5, WB = 6 };

#define ENABLED(type) (MTRR_DEF_TYPE_EN | (type))
#define FIXED_TOO     MTRR_DEF_TYPE_FIX_EN
/* clang-format off */
#define MASK(size)    ((phys_mask & ~((size) - 1)) | MTRR_PHYSMASK_VALID)
#define FIXED         11u
#define VARIABLE_MAX  16u

static const u32 fixed_msr[FIXED] = {
    MSR_IA32_MTRR_FIX64K_00000, MSR_IA32_MTRR_FIX16K_80000, MSR_IA32_MTRR_FIX16K_A0000,
    MSR_IA32_MTRR_FIX4K_C0000, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f,
};
/* clang-format on */

struct state {
    u64 def, fixed[FIXED], base[VARIABLE_MAX], mask[VARIABLE_MAX];
};

static unsigned variable;
static u64 phys_mask;

static void read_all(struct state *s)
{
    s->def = gt_rdmsr(MSR_IA32_MTRR_DEF_TYPE);
    for (unsigned i = 0; i < FIXED; i++)
        s->fixed[i] = gt_rdmsr(fixed_msr[i]);
    for (unsigned i = 0; i < variable; i++) {
        s->base[i] = gt_rdmsr(MSR_IA32_MTRR_PHYSBASE0 + 2 * i);
        s->mask[i] = gt_rdmsr(MSR_IA32_MTRR_PHYSMASK0 + 2 * i);
    }
}

/* SDM 3A 11.11 "Memory Type Range Registers (MTRRs)": MTRRs are to change while they are off. */
static void write_all(const struct state *s)
{
    gt_wrmsr(MSR_IA32_MTRR_DEF_TYPE, 0);
    for (unsigned i = 0; i < FIXED; i++)
        gt_wrmsr(fixed_msr[i], s->fixed[i]);
    for (unsigned i = 0; i < variable; i++) {
        gt_wrmsr(MSR_IA32_MTRR_PHYSBASE0 + 2 * i, s->base[i]);
        gt_wrmsr(MSR_IA32_MTRR_PHYSMASK0 + 2 * i, s->mask[i]);
    }
    gt_wrmsr(MSR_IA32_MTRR_DEF_TYPE, s->def);
}

/* Under Nidus, memory is mapped when it is touched first after the MTRRs changed. The rig wants to
 * see every leaf up to FINE, and one in each 2 MiB from there to 4 GiB. */
#define FINE  0x6000000ull
#define TWO_M 0x200000ull

static void touch(void)
{
    for (u64 at = 0; at < 0x100000000ull; at += at < FINE ? 0x1000 : TWO_M)
        (void)*(const volatile u8 *)at;
}

static void show(const char *name)
{
    struct state s;

    read_all(&s);
    gt_line("%s: def %lx", name, s.def);
    for (unsigned i = 0; i < FIXED; i++)
        gt_line("%s: fixed %x %lx", name, fixed_msr[i], s.fixed[i]);
    for (unsigned i = 0; i < variable; i++)
        gt_line("%s: variable %u %lx %lx", name, i, s.base[i], s.mask[i]);
    touch();
    gt_line("%s: all", name);
    __asm__ volatile("xchg %bx, %bx");
}

static void set(struct state *s, unsigned i, u64 base, u64 size, u64 type)
{
    s->base[i] = base | type;
    s->mask[i] = MASK(size);
}

/* UC wins, WT wins over WB, the rest is the default's. */
static void overlaps(struct state *s)
{
    s->def = ENABLED(WB) | FIXED_TOO;
    set(s, 0, 0x4000000, 0x400000, WT);
    set(s, 1, 0x4200000, 0x200000, UC);
    set(s, 2, 0x4000000, 0x1000000, WB);
    set(s, 3, 0xc0000000, 0x10000000, WC);
    set(s, 4, 0x5001000, 0x1000, WP);
}

/* While FE is 1 the fixed ranges decide below 1 MiB. While E is 0 all memory is UC. SDM 3A
 * 11.11.2.1 "IA32_MTRR_DEF_TYPE MSR" */
static void fixed_types(struct state *s)
{
    static const u8 types[] = {WB, UC, WT, WP, WC};

    s->def = ENABLED(UC) | FIXED_TOO;
    set(s, 0, 0, 0x8000000, WB);
    for (unsigned i = 0; i < FIXED; i++)
        for (unsigned b = 0; b < 8; b++)
            s->fixed[i] = (s->fixed[i] & ~(0xffull << 8 * b)) | (u64)types[(i + b) % sizeof types]
                                                                    << 8 * b;
}

TEST_MAIN(mtrr)
{
    struct state was, s;

    variable = (unsigned)(gt_rdmsr(MSR_IA32_MTRRCAP) & MTRRCAP_VCNT);
    phys_mask = (1ull << (gt_cpuid(0x80000008, 0).eax & 0xff)) - 1;
    read_all(&was);
    show("firmware");
    s = (struct state){0};
    overlaps(&s);
    write_all(&s);
    show("overlaps");
    fixed_types(&s);
    write_all(&s);
    show("fixed");
    gt_wrmsr(MSR_IA32_MTRR_DEF_TYPE, ENABLED(WT));
    show("fixed off");
    gt_wrmsr(MSR_IA32_MTRR_DEF_TYPE, WB);
    show("disabled");
    write_all(&was);
    show("back");
}
