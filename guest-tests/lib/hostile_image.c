/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the hostile L1 enters with: a valid image, bent or not, its lists, the pages that it names,
 * the event that it injects. Taken out is what the emulator is known to judge wrongly, and what
 * would be the end of L1.
 */
#include "guest-tests/lib/hostile.h"

#define AR_DPL 0x60ul

static u32 list_msr(bool legal)
{
    static const u32 good[] = {MSR_KERNEL_GS_BASE, MSR_STAR,         MSR_LSTAR,
                               MSR_CSTAR,          MSR_FMASK,        MSR_SYSENTER_CS,
                               MSR_SYSENTER_ESP,   MSR_SYSENTER_EIP, MSR_PAT};
    static const u32 bad[] = {MSR_FS_BASE,  MSR_GS_BASE,         0x802,
                              MSR_VMX_MISC, MSR_FEATURE_CONTROL, 0x8ff};

    return legal ? good[h_below(sizeof good / sizeof *good)]
                 : bad[h_below(sizeof bad / sizeof *bad)];
}

/* An element that cannot be loaded is a refused entry in the entry's list, and the end of L1
 * in the exit's two. */
void h_lists(void)
{
    for (unsigned page = PG_ENTRY_LOAD; page <= PG_EXIT_LOAD; page++) {
        u64 *list = arena(page);

        for (unsigned i = 0; i < 3; i++) {
            list[2 * i] = list_msr(page != PG_ENTRY_LOAD || h_chance(80));
            list[2 * i + 1] = list[2 * i] == MSR_PAT ? 0x0007040600070406 ^ h_below(2) << 24
                                                     : 0x1000 + h_below(0x7000);
        }
        if (page == PG_ENTRY_LOAD && h_chance(10))
            list[2 * h_below(3)] |= 1ul << (32 + h_below(32));
        if (page == PG_ENTRY_LOAD && h_chance(10))
            list[1] = 0x8000000000000000;
    }
    if (h_chance(60))
        return;
    l2.f[VI_ENTRY_MSR_LOAD_COUNT] = h_below(4);
    l2.f[VI_EXIT_MSR_STORE_COUNT] = h_below(4);
    l2.f[VI_EXIT_MSR_LOAD_COUNT] = h_below(4);
    if (h_chance(10))
        l2.f[VI_ENTRY_MSR_LOAD_ADDR] = h_chance(50) ? H_NOWHERE : H_GAP;
}

/* Pages that a VMCS names, where no memory is or where Nidus lies. */
static void pages_anywhere(void)
{
    static const struct {
        u8 field;
        u32 proc, proc2; /* what makes the processor use it */
    } fields[] = {
        {VI_MSR_BITMAP, PROC_MSR_BITMAPS, 0},        {VI_VIRTUAL_APIC_ADDR, PROC_TPR_SHADOW, 0},
        {VI_APIC_ACCESS_ADDR, 0, PROC2_APIC_ACCESS}, {VI_VIRT_EXCEPTION_INFO, 0, PROC2_EPT_VE},
        {VI_EPTP_LIST_ADDR, 0, PROC2_VMFUNC},        {VI_VMREAD_BITMAP, 0, PROC2_SHADOW},
        {VI_VMWRITE_BITMAP, 0, PROC2_SHADOW},        {VI_VMCS_LINK_PTR, 0, 0},
        {VI_IO_BITMAP_A, PROC_IO_BITMAPS, 0},        {VI_EPT_POINTER, 0, PROC2_EPT},
    };
    static const u64 places[] = {H_NOWHERE, H_TOP, H_GAP, 0x10000000000, ~0ul};
    unsigned k = (unsigned)h_below(sizeof fields / sizeof *fields);
    u8 i = fields[k].field;
    u64 at = places[h_below(sizeof places / sizeof *places)];

    l2.f[i] = h_chance(25) ? h.hole.base + 4096 : at;
    if (i == VI_EPT_POINTER)
        l2.f[i] |= EPTP_WALK4_WB;
    if (h_chance(70)) {
        l2.f[VI_PROC_CTL] |= fields[k].proc;
        l2.f[VI_PROC2_CTL] |= fields[k].proc2;
        l2.f[VI_VM_FUNCTION_CTL] = i == VI_EPTP_LIST_ADDR;
        if (i == VI_VIRTUAL_APIC_ADDR)
            l2.f[VI_PROC_CTL] &= ~(u64)(PROC_CR8_LOAD | PROC_CR8_STORE);
        if (i == VI_VIRTUAL_APIC_ADDR && l2.mode == L2_64) { /* CR8 written and read there */
            l2_code("\x44\x0f\x22\xc3\x44\x0f\x20\xc1", 8);
            l2.gpr[RBX] = h_below(16);
        }
        if (i == VI_IO_BITMAP_A)
            l2.f[VI_PROC_CTL] &= ~(u64)PROC_UNCOND_IO;
    }
    h_note(" %s=%lx", vmx_field[i].name, h_plain(l2.f[i]));
}

static void inject(void)
{
    static const u32 types[] = {INTR_EXTERNAL, INTR_NMI,       INTR_HARD_EXC, INTR_HARD_EXC,
                                INTR_SOFT_INT, INTR_PRIV_SOFT, INTR_SOFT_EXC, INTR_RESERVED};
    u32 type = types[h_below(8)], vector = (u32)(type == INTR_NMI && h_chance(80) ? 2
                                                 : type == INTR_HARD_EXC          ? h_below(32)
                                                                                  : h_below(256));

    if (h_chance(70))
        return;
    if (type == INTR_SOFT_EXC && h_chance(80))
        vector = 3 + (u32)h_below(2);
    l2.f[VI_ENTRY_INTR_INFO] = INTR_VALID | type | vector;
    if (type == INTR_HARD_EXC && (0x227d00 >> vector & 1) != h_chance(10))
        l2.f[VI_ENTRY_INTR_INFO] |= INTR_ERROR_CODE;
    l2.f[VI_ENTRY_INTR_ERROR] = h_chance(80) ? h_below(0x8000) : vmx_random_edge() & 0xffffffff;
    l2.f[VI_ENTRY_INSN_LEN] = h_chance(90) ? 1 + h_below(15) : h_below(20);
    h_note(" inject %lx", l2.f[VI_ENTRY_INTR_INFO]);
}

/* The random-VMCS generator's changes, and controls that make L2's own instructions
 * take another way. */
static void bend(void)
{
    static const u32 proc[] = {PROC_TPR_SHADOW, PROC_MSR_BITMAPS, PROC_CR3_LOAD,   PROC_CR3_STORE,
                               PROC_CR8_LOAD,   PROC_CR8_STORE,   PROC_MOV_DR,     PROC_INVLPG,
                               PROC_RDTSC,      PROC_RDPMC,       PROC_PAUSE,      PROC_HLT,
                               PROC_TSC_OFFSET, PROC_NMI_WINDOW,  PROC_INTR_WINDOW};
    static const u32 proc2[] = {
        PROC2_APIC_ACCESS, PROC2_DESC_TABLE, PROC2_VPID,         PROC2_WBINVD, PROC2_INVPCID,
        PROC2_RDRAND,      PROC2_SHADOW,     PROC2_UNRESTRICTED, PROC2_EPT_VE, PROC2_VMFUNC};

    for (u64 k = h_below(3); k > 0; k--)
        l2.f[VI_PROC_CTL] ^= proc[h_below(sizeof proc / sizeof *proc)];
    for (u64 k = h_below(3); k > 0; k--)
        l2.f[VI_PROC2_CTL] ^= proc2[h_below(sizeof proc2 / sizeof *proc2)];
    if (h_chance(25))
        l2.f[VI_EXCEPTION_BITMAP] ^= 1ul << h_below(32);
    if (h_chance(10))
        l2.f[VI_CR0_MASK] = vmx_random_edge();
    if (h_chance(10))
        l2.f[VI_CR4_MASK] = vmx_random_edge() & ~(CR4_PAE | CR4_PSE);
    if (h_chance(20))
        l2.f[VI_EXIT_CTL] ^= h_chance(50) ? EXIT_LOAD_PAT : EXIT_LOAD_EFER;
    if (h_chance(20))
        l2.f[VI_EXIT_CTL] ^= h_chance(50) ? EXIT_SAVE_PAT : EXIT_SAVE_TIMER;
    for (u64 k = h_chance(45) ? 1 + h_below(2) : 0; k > 0; k--) {
        int i = vmx_random_field();

        l2.f[i] = vmx_random_value(i, l2.f[i]);
        h_note(" %s=%lx", vmx_field[i].name, l2.f[i]);
    }
}

/* Pages that a VMCS may name: not one whose bytes only the processor understands, nor the tables
 * that it would write in. */
static void addresses(void)
{
    static const u8 fields[] = {VI_MSR_BITMAP,          VI_VIRTUAL_APIC_ADDR, VI_APIC_ACCESS_ADDR,
                                VI_VIRT_EXCEPTION_INFO, VI_EPTP_LIST_ADDR,    VI_VMREAD_BITMAP,
                                VI_VMWRITE_BITMAP,      VI_IO_BITMAP_A,       VI_IO_BITMAP_B};
    const int link = h_region(l2.f[VI_VMCS_LINK_PTR]);
    u64 eptp = l2.f[VI_EPT_POINTER], *list = &l2.f[VI_ENTRY_MSR_LOAD_ADDR];

    for (unsigned k = 0; k < sizeof fields; k++) {
        u64 *at = &l2.f[fields[k]], page = (*at - ARENA) >> 12;

        if (page < ARENA_PAGES && (page < PG_IO_A || (page > PG_SCRATCH && page != PG_H_EMPTY)))
            *at = ARENA_AT(PG_SCRATCH) | (*at & 0xfff);
    }
    /* not any bytes for MSR numbers: CAVEAT msr-unlisted */
    if ((*list - ARENA) >> 12 < ARENA_PAGES)
        *list = ARENA_AT(PG_ENTRY_LOAD) | (*list & 0xfff);
    if ((eptp & E_ADDR) - ARENA < ARENA_PAGES * 4096 && (eptp & E_ADDR) != ARENA_AT(PG_E_PML4))
        l2.f[VI_EPT_POINTER] = ARENA_AT(PG_H_EMPTY) | (eptp & 0xfff);
    if ((eptp & E_ADDR) != ARENA_AT(PG_E_PML4))
        l2.f[VI_EPT_POINTER] &= ~(u64)EPTP_AD_ON; /* CAVEAT(bochs-ept-walk-read) */
    if (l2.f[VI_PROC2_CTL] & PROC2_SHADOW && link != H_NONE &&
        (h.vmcs[link].tainted || h.vmcs[link].unsure))
        l2.f[VI_VMCS_LINK_PTR] = ~0ul;
}

/* Bits that newer processors allow and L1 is not shown: CAVEAT(newer-controls),
 * CAVEAT(no-nested-pml), CAVEAT(cpuid-known). A reserved bit is left in each word. */
static void unseen(void)
{
    static const struct {
        u8 field;
        u64 bits;
    } words[] = {
        {VI_PROC_CTL, 1u << 17},      {VI_PROC2_CTL, 0xdffa8000},      {VI_EXIT_CTL, 0xff800000},
        {VI_ENTRY_CTL, 0x00ff0000},   {VI_EPT_POINTER, H_EPTP_UNSEEN}, {VI_HOST_CR4, H_CR4_UNSEEN},
        {VI_GUEST_CR4, H_CR4_UNSEEN},
    };

    for (unsigned i = 0; i < sizeof words / sizeof *words; i++)
        l2.f[words[i].field] &= ~words[i].bits;
}

/* What would end the emulator, or L1: see vmx_random.c, which leaves the same out. */
void h_agree(void)
{
    bool ept = l2.f[VI_PROC2_CTL] & PROC2_EPT;

    vmx_random_agree();
    unseen();
    l2.f[VI_EXIT_MSR_STORE_ADDR] =
        l2.f[VI_EXIT_MSR_STORE_COUNT] ? ARENA_AT(PG_EXIT_STORE) : l2.f[VI_EXIT_MSR_STORE_ADDR];
    l2.f[VI_EXIT_MSR_LOAD_ADDR] =
        l2.f[VI_EXIT_MSR_LOAD_COUNT] ? ARENA_AT(PG_EXIT_LOAD) : l2.f[VI_EXIT_MSR_LOAD_ADDR];
    l2.f[VI_PIN_CTL] |= PIN_TIMER;
    if (l2.f[VI_ENTRY_INTR_INFO] >> 8 == (INTR_VALID | INTR_OTHER) >> 8)
        l2.f[VI_ENTRY_INTR_INFO] ^= 0x100; /* CAVEAT(bochs-inject-other) */
    if ((l2.f[VI_ENTRY_INTR_INFO] & INTR_OTHER) != INTR_HARD_EXC &&
        (l2.f[VI_ENTRY_INTR_INFO] & 0xff) < 32)
        l2.f[VI_ENTRY_INTR_INFO] &= ~(u64)INTR_ERROR_CODE; /* CAVEAT(bochs-error-code-types) */
    if (!ept)
        l2.f[VI_PROC2_CTL] &= ~(u64)(PROC2_UNRESTRICTED | PROC2_EPT_VE);
    if (l2.f[VI_PROC2_CTL] & PROC2_UNRESTRICTED && l2.f[VI_ENTRY_CTL] & ENTRY_IA32E)
        l2.f[VI_GUEST_CR0] |= CR0_PG;            /* CAVEAT(bochs-ia32e-unpaged) */
    if (l2.f[VI_PROC2_CTL] & PROC2_UNRESTRICTED) /* CAVEAT(bochs-cs-ss-dpl) */
        l2.f[VI_GUEST_SS_AR] = (l2.f[VI_GUEST_SS_AR] & ~AR_DPL) | (l2.f[VI_GUEST_CS_AR] & AR_DPL);
    addresses();
    l2.f[VI_PREEMPTION_TIMER] = H_TIMER; /* a shorter one runs out in a hypervisor's work */
}

void h_change(void)
{
    bend();
    inject();
    if (h_chance(3))
        pages_anywhere();
}

void h_image(void)
{
    static const u8 wide[] = {L2_64, L2_64, L2_64_R3, L2_COMPAT, L2_COMPAT_R3};
    static const u8 narrow[] = {L2_PAE, L2_32, L2_32_R3, L2_16, L2_V86};
    /* The window is built anew when the width changes, which takes long: not at every entry. */
    enum l2_mode mode = h_group(h.group) & 1 ? narrow[h_below(5)] : wide[h_below(5)];

    if (h_chance(35)) {
        h_ept_image(mode);
    } else {
        l2_world(mode);
        /* what EPT's test places left */
        ((u64 *)arena(PG_L2_TABLES + 1))[1] = ((u64 *)arena(PG_L2_TABLES + 1))[2] = 0;
        l2.f[VI_PROC_CTL] |= PROC_SECONDARY;
        l2.f[VI_EPT_POINTER] = ARENA_AT(PG_H_EMPTY) | EPTP_WALK4_WB;
    }
    l2.f[VI_PREEMPTION_TIMER] = H_TIMER;
    l2.f[VI_VPID] = h_below(3);
    l2.f[VI_EPTP_LIST_ADDR] = ARENA_AT(PG_H_EMPTY);
    l2.f[VI_VIRT_EXCEPTION_INFO] = ARENA_AT(PG_SCRATCH);
    h_note(" %s", l2_mode_name[mode]);
    if (!h.crowd || h_chance(20))
        bend();
    h_l2_program();
    h_lists();
    inject();
    if (h_chance(h.crowd ? 2 : 12))
        pages_anywhere();
    h_agree();
}
