/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hostile L1's own processor: control registers, debug registers, MSRs, descriptor and page
 * tables in strange places, NMIs. Each step puts right what it broke before it ends.
 */
#include "guest-tests/lib/hostile.h"

enum {
    VEC_NMI = 2,
    VEC_UD = 6,
    VEC_GP = 13,
    ICR_LOW = 0x300,
    APIC_ID = 0x20,
    SVR = 0xf0,
    SVR_ENABLE = 0x100,
    ICR_HIGH = 0x310,
    /* to a named processor: the shorthand "self" is for fixed interrupts only */
    NMI_ASSERT = 1 << 14 | 4 << 8,
    LAPIC = 0xfee00000,
    KEPT_WORDS = 512,
    MSR_VMX_VMCS_ENUM = 0x48a, /* the emulator tells more than there is */
};
#define CR4_SMEP    (1ul << 20)
#define CR4_SMAP    (1ul << 21)
#define CR4_OSXSAVE (1ul << 18)
#define CR4_PCIDE   (1ul << 17)

static const struct h_expect unknown;

/* DR7 enables nothing: a breakpoint in L1's own code would be the end of the test. */
static u64 register_value(unsigned kind)
{
    switch (kind) {
    case 0:
        return gt_read_cr0() ^ 1ul << h_below(h_chance(80) ? 32 : 64);
    case 1:
        return ARENA_AT(PG_L1_TABLES) | h_below(4) << 3 |
               (h_chance(20) ? 1ul << (40 + h_below(23)) : 0);
    case 2:
        return (gt_read_cr4() ^ 1ul << h_below(h_chance(80) ? 24 : 64)) &
               ~(CR4_SMEP | CR4_SMAP | CR4_PCIDE | H_CR4_UNSEEN);
    case 3:
        return h_chance(70) ? h_below(16) : vmx_random_edge();
    case 4:
        return gt_rand() & (h_chance(80) ? 0xffff0300 : ~0x2cfful);
    default:
        return vmx_random_edge();
    }
}

/* MOV to a control or debug register and back again; the rest of L1's state is put right by
 * l1_state_restore(). */
void h_step_register(void)
{
    static const struct {
        const char *name, *code;
        u8 len;
    } moves[] = {
        {"cr0", "\x0f\x22\xc2\x0f\x20\xc1", 6}, {"cr3", "\x0f\x22\xda\x0f\x20\xd9", 6},
        {"cr4", "\x0f\x22\xe2\x0f\x20\xe1", 6}, {"cr8", "\x44\x0f\x22\xc2\x44\x0f\x20\xc1", 8},
        {"dr7", "\x0f\x23\xfa\x0f\x21\xf9", 6}, {"dr0", "\x0f\x23\xc2\x0f\x21\xc1", 6},
        {"dr6", "\x0f\x23\xf2\x0f\x21\xf1", 6}, {"lmsw", "\x0f\x01\xf2\x0f\x01\xe1", 6},
        {"clts", "\x0f\x06\x0f\x20\xc1", 5},    {"cr2", "\x0f\x22\xd2\x0f\x20\xd1", 6},
    };
    unsigned kind = (unsigned)h_below(sizeof moves / sizeof *moves);
    struct h_code c;

    h_begin(&c);
    c.frame.gpr[RDX] = register_value(kind);
    if (kind == 3 && !h_plain_mode(&c)) {
        c.frame.cs = SEL_CODE64_R3; /* without a REX prefix it is a MOV to CR0 */
        c.frame.ss = c.frame.ds = c.frame.es = c.frame.fs = c.frame.gs = SEL_DATA_R3;
        c.frame.rip = L1_CODE_AT;
    }
    if (kind == 0 && !h_plain_mode(&c))
        c.frame.gpr[RDX] |= CR0_PG; /* from compatibility mode, leaving long mode is legal */
    h_append(&c, moves[kind].code, moves[kind].len);
    h_note(" = %lx", c.frame.gpr[RDX]);
    h_run(&c, moves[kind].name, unknown);
    gt_write_cr8(0);
    gt_write_dr6(0xffff0ff0);
    l1_state_restore();
    if (h_chance(10)) {
        gt_write_cr4(gt_read_cr4() | CR4_OSXSAVE);
        h_begin(&c);
        c.frame.gpr[RAX] = h_chance(50) ? h_below(8) : vmx_random_edge();
        c.frame.gpr[RCX] = h_below(3);
        c.frame.gpr[RDX] = h_chance(80) ? 0 : vmx_random_edge();
        h_append(&c, "\x0f\x01\xd1\x31\xc9\x0f\x01\xd0", 8);
        h_run(&c, "xsetbv", unknown);
        gt_xsetbv(0, 1);
        l1_state_restore();
    }
}

/* MSRs with an equal answer in both runs and values that L1 survives. The fault of the revision in
 * VMX_BASIC and of the APIC base over the hole are the caveats vmcs-revision and apic-base-hole;
 * APIC_BASE's enable bits: CAVEAT(emulator-apic-base). */
static u32 msr_number(void)
{
    /* clang-format off */
    static const u32 numbers[] = {
        MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP, MSR_STAR, MSR_LSTAR, MSR_CSTAR,
        MSR_FMASK, MSR_KERNEL_GS_BASE,
        MSR_FS_BASE, MSR_GS_BASE, MSR_PAT, MSR_EFER64, MSR_FEATURE_CONTROL, 0x802, 0x830, 0x8ff,
        0x17a, 0x179, 0xfe, 0x277, 0x200, 0x201,
    };
    /* clang-format on */

    u32 capability = 0x481 + (u32)h_below(15);

    return h_chance(75) || capability == MSR_VMX_VMCS_ENUM
               ? numbers[h_below(sizeof numbers / sizeof *numbers)]
               : capability;
}

/* The bits of a capability word that L1 may be shown, behind an RDMSR: CAVEAT(newer-controls),
 * CAVEAT(no-nested-pml), CAVEAT(cpuid-known). */
static void keep_shown(struct h_code *c, u32 msr)
{
    static const struct {
        u32 msr, eax, edx;
    } words[] = {
        {0x481, ~0u, 0xff},
        {0x48d, ~0u, 0xff},
        {0x482, ~0u, 0xfffdffff},
        {0x48e, ~0u, 0xfffdffff},
        {0x483, ~0u, 0x007fffff},
        {0x48f, ~0u, 0x007fffff},
        {0x484, ~0u, 0xffff},
        {0x490, ~0u, 0xffff},
        {0x48b, ~0u, 0x00057fff},
        {0x485, 0xffffbfff, ~0u},
        {0x489, 0x00772fff, 0},
        {0x48c, 0x06734141, 0xf01},
        {0x491, 1, 0},
    };
    char code[11] = {0x25, 0, 0, 0, 0, (char)0x81, (char)0xe2}; /* AND EAX, EDX */

    for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
        if (words[i].msr != msr)
            continue;
        CopyMem(code + 1, (void *)&words[i].eax, 4);
        CopyMem(code + 7, (void *)&words[i].edx, 4);
        h_append(c, code, sizeof code);
    }
}

static u64 msr_value(u32 msr)
{
    switch (msr) {
    case MSR_PAT:
        return 0x0007040600070406 ^
               (h_chance(50) ? 1ul << h_below(64) : h_below(8) << 8 * h_below(8));
    case MSR_EFER64:
        return gt_rdmsr(msr) ^ 1ul << h_below(h_chance(80) ? 16 : 64);
    /* an MTRR that is not in use */
    case 0x200:
        return h_chance(50) ? 0x40000000 + h_below(8) : vmx_random_edge();
    case 0x201:
        return h_chance(90) ? 0xfffff00000 & ~(1ul << 11) : vmx_random_edge() & ~(1ul << 11);
    default:
        return h_chance(50) ? vmx_random_edge() : gt_rand() >> h_below(64);
    }
}

static bool msr_run(u32 msr, u64 value, const char *code)
{
    struct l1_frame f;

    l1_frame_init(&f);
    f.gpr[RCX] = msr;
    f.gpr[RAX] = (u32)value;
    f.gpr[RDX] = value >> 32;
    l1_run(&f, code, 2);
    return l1_trap.vector == L1_DONE;
}

bool h_msr_read(u32 msr, u64 *value)
{
    bool done = msr_run(msr, 0, "\x0f\x32");

    *value = l1_trap.gpr[RDX] << 32 | (u32)l1_trap.gpr[RAX];
    return done;
}

bool h_msr_write(u32 msr, u64 value)
{
    return msr_run(msr, value, "\x0f\x30");
}

void h_step_msr(void)
{
    u32 msr = msr_number();
    u64 was = 0, value = msr_value(msr);
    bool write = h_chance(60);
    struct h_code c;

    h_msr_read(msr, &was);
    h_begin(&c);
    if (!h_plain_mode(&c) && msr - MSR_VMX_BASIC < 0x12) { /* keep_shown() has 64-bit code */
        msr = MSR_STAR;
        h_msr_read(msr, &was);
    }
    c.frame.gpr[RCX] = msr | (h_chance(20) ? 0xabcd00000000 : 0);
    c.frame.gpr[RAX] = (u32)value;
    c.frame.gpr[RDX] = value >> 32;
    h_append(&c, write ? "\x0f\x30\x0f\x32" : "\x0f\x32", write ? 4 : 2);
    if (h_plain_mode(&c))
        keep_shown(&c, msr);
    h_note(" %x = %lx", msr, value);
    h_run(&c, write ? "wrmsr" : "rdmsr", unknown);
    if (write && l1_trap.vector == L1_DONE)
        gt_wrmsr(msr, was);
    l1_state_restore();
}

void h_copy_page(void *to, const void *from)
{
    u64 words = KEPT_WORDS;

    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
}

/* An event that comes back by its gate, wherever the tables are. */
static void event(const char *name, bool whole)
{
    static const struct {
        const char *code;
        u8 len, vector;
    } events[] = {{"\x0f\x0b", 2, VEC_UD},
                  {"\xcc", 1, 3},
                  {"\xf1", 1, 1},
                  {"\xcd\x40", 2, 0x40},
                  {"\x31\xc9\xf7\xf1", 4, 0},
                  {"\x48\xb8\x11\x22\x33\x44\x55\x66\x77\x88\x8b\x00", 12, VEC_GP}};
    unsigned k = (unsigned)h_below(6);
    struct h_code c;
    struct h_expect e = h_fault(events[k].vector, 0);

    h_begin(&c);
    e.known = h_plain_mode(&c) && (whole || k != 3);
    h_append(&c, events[k].code, events[k].len);
    h_run(&c, name, e);
}

/* The GDT, the IDT, the TSS or a page table moves into Nidus's memory, whose content is kept and
 * given back: a VMCS may be there, and all its pages are the same one. */
void h_step_tables(void)
{
    /* a page that nobody touched, perhaps */
    u64 seen_at = h.hole.base + (8 + h_below(h.hole.size / 4096 - 8)) * 4096;
    u64 page = h.hole.real ? h.hole.base + 2 * 4096 : seen_at;
    u64 *gdt = arena(PG_L1_DESC);
    unsigned kind = (unsigned)h_below(5);

    h_copy_page(arena(PG_H_KEPT), (void *)page);
    if (kind == 0) {
        h_copy_page((void *)page, arena(PG_L1_DESC + 1));
        gt_lidt((struct gt_table_register){0xfff, seen_at});
        event("idt in the hole", true);
    } else if (kind == 1) {
        h_copy_page((void *)page, gdt);
        gt_lgdt((struct gt_table_register){L1_GDT_SIZE - 1, seen_at});
        event("gdt in the hole", true);
    } else if (kind == 2) {
        h_copy_page((void *)page, arena(PG_L1_TABLES));
        gt_write_cr3(seen_at);
        event("pml4 in the hole", true);
        gt_write_cr3(ARENA_AT(PG_L1_TABLES));
    } else if (kind == 3) {
        gt_lidt((struct gt_table_register){(u16)(0xf0 + h_below(0xf10)), ARENA_AT(PG_L1_DESC + 1)});
        event("short idt", false);
    } else {
        /* L1's own page table shows no memory, Nidus's, a device's: read and written there. */
        volatile u64 *at = (volatile u64 *)SPECIAL_AT(SP_RW2);
        u64 *pte = (u64 *)arena(PG_L1_TABLES + 6) + SP_RW2, was = *pte;

        *pte = (h_chance(50) ? H_NOWHERE : h_chance(50) ? H_TOP : seen_at) | 7;
        gt_invlpg((void *)at);
        at[3] = 0x1234;
        h_see("mapped", at[3]);
        *pte = was;
        gt_invlpg((void *)at);
    }
    l1_state_restore();
    h_copy_page((void *)page, arena(PG_H_KEPT));
}

/* NMIs to itself: each is taken at once, by L1's handler, whatever VMX is doing. */
void h_step_nmi(void)
{
    volatile u32 *icr = (volatile u32 *)(u64)(LAPIC + ICR_LOW),
                 *svr = (volatile u32 *)(u64)(LAPIC + SVR);
    u32 was = *svr;
    u64 before = l1_nmis, count = 1 + h_below(4);

    *svr = was | SVR_ENABLE;
    *(volatile u32 *)(u64)(LAPIC + ICR_HIGH) = *(volatile u32 *)(u64)(LAPIC + APIC_ID) & 0xff000000;
    for (u64 i = 0; i < count; i++) {
        *icr = NMI_ASSERT;
        __asm__ volatile("nop\n\tnop" : : : "memory");
    }
    h_see("nmis", l1_nmis - before);
    h_check(l1_nmis - before == count, "nmi: %lu of %lu came", l1_nmis - before, count);
    if (h_chance(50)) {
        struct h_code c;

        h_begin(&c);
        c.frame.cs = SEL_CODE64;
        c.frame.rip = L1_CODE_AT;
        c.frame.ss = c.frame.ds = c.frame.es = c.frame.fs = c.frame.gs = SEL_DATA;
        c.frame.gpr[RBX] = LAPIC + ICR_LOW;
        c.frame.gpr[RAX] = NMI_ASSERT;
        h_append(&c, "\x89\x03\x90\x0f\xa2\x90", 6); /* and CPUID behind it, which exits */
        l1_run(&c.frame, (const char *)c.byte, c.len);
        h_see("vector", l1_trap.vector);
        h_check(l1_trap.vector == VEC_NMI, "nmi: vector %lx", l1_trap.vector);
    }
    *svr = was;
}

/* Behind Nidus's memory stands one page: what is written shows in every page of it, and nothing of
 * L0's shows anywhere. */
void h_step_hole(void)
{
    u64 pages = h.hole.size / 4096, a = h_below(pages - 3) + 3, b = h_below(pages - 3) + 3,
        off = 0x800 + h_below(0xf0) * 8, v = gt_rand();
    volatile u64 *one = (volatile u64 *)(h.hole.base + a * 4096 + off),
                 *other = (volatile u64 *)(h.hole.base + b * 4096 + off);
    u64 was = *one;

    h_check(!h.hole.real || *other == was, "hole: pages %lu and %lu differ at %lx", a, b, off);
    *one = v;
    h_check(*one == v && (!h.hole.real || *other == v),
            "hole: %lx written at %lx, there is %lx, elsewhere %lx", v, off, *one, *other);
    *one = was;
}
