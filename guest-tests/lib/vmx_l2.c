/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The L2 world: descriptors, page tables, handlers, and the valid VMCS image for each mode.
 * Nothing is launched here (vmx_case.c). The window's pristine contents are kept beside it, so that
 * a report can tell what L2, or the delivery of an event to it, wrote.
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"

enum {
    T_PML4 = PG_L2_TABLES,
    T_PDPT,
    T_PD,
    T_PT,
    T_PAE,
    T_PD32,
    T_PT32,
    AR_UNUSABLE = 0x10000,
    AR_TSS_BUSY = 0x8b,
    TSS32_LIMIT = 0x68 + 0x2000,
    TIMER_START = 1000000, /* far more than any case needs, even with a hypervisor below */
};

struct world {
    u16 cs, cs_ar, ss, ss_ar;
    u32 base, limit; /* of CS, SS, DS, ES, FS, GS */
    u64 rip, rsp, rflags;
    u64 cr3, cr4, efer;
};

#define FLAT    0, 0xffffffff, L2_BASE
#define WIN16   L2_BASE, 0xffff, 0
#define LONG    ARENA_AT(T_PML4), CR4_VMXE | CR4_PAE, EFER_LME | EFER_LMA | EFER_NXE
#define PAGES32 ARENA_AT(T_PD32), CR4_VMXE | CR4_PSE, 0
#define SP16    0x3000
static const struct world world[L2_MODES] = {
    [L2_64] = {SEL_CODE64, 0xa09b, SEL_DATA, 0xc093, FLAT, L2_AT(3), 2, LONG},
    [L2_64_R3] = {SEL_CODE64_R3, 0xa0fb, SEL_DATA_R3, 0xc0f3, FLAT, L2_AT(4), 2, LONG},
    [L2_COMPAT] = {SEL_CODE32, 0xc09b, SEL_DATA, 0xc093, FLAT, L2_AT(3), 2, LONG},
    [L2_COMPAT_R3] = {SEL_CODE32_R3, 0xc0fb, SEL_DATA_R3, 0xc0f3, FLAT, L2_AT(4), 2, LONG},
    [L2_PAE] = {SEL_CODE32, 0xc09b, SEL_DATA, 0xc093, FLAT, L2_AT(3), 2, ARENA_AT(T_PAE),
                CR4_VMXE | CR4_PAE, EFER_NXE},
    [L2_32] = {SEL_CODE32, 0xc09b, SEL_DATA, 0xc093, FLAT, L2_AT(3), 2, PAGES32},
    [L2_32_R3] = {SEL_CODE32_R3, 0xc0fb, SEL_DATA_R3, 0xc0f3, FLAT, L2_AT(4), 2, PAGES32},
    [L2_16] = {SEL_CODE16, 0x009b, SEL_DATA16, 0x0093, WIN16, SP16, 2, PAGES32},
    [L2_V86] = {L2_BASE >> 4, 0x00f3, L2_BASE >> 4, 0x00f3, WIN16, SP16, 2 | FLAG_VM, PAGES32},
};
const char *const l2_mode_name[L2_MODES] = {"64", "64r3", "compat", "compat_r3", "pae",
                                            "32", "32r3", "16",     "v86"};

struct l2_image l2;

static bool is_long(enum l2_mode mode)
{
    return world[mode].efer & EFER_LMA;
}

static u64 page_rights(unsigned page)
{
    switch (page) {
    /* clang-format off */
    case P_READ_ONLY: return 5;
    case P_ABSENT: return 0;
    case P_SUPERVISOR: return 3;
    case P_NX: return 1ul << 63 | 7;
    default: return 7;
        /* clang-format on */
    }
}

/* All three paging modes over the same pages; accessed and dirty bits start clear. */
static void build_tables(void)
{
    u64 *pml4 = arena(T_PML4), *pdpt = arena(T_PDPT), *pd = arena(T_PD), *pt = arena(T_PT),
        *pae = arena(T_PAE);
    u32 *pd32 = arena(T_PD32), *pt32 = arena(T_PT32);

    SetMem(pae, 32, 0);
    pml4[0] = ARENA_AT(T_PDPT) | 7;
    pdpt[0] = ARENA_AT(T_PD) | 7;
    pae[0] = ARENA_AT(T_PD) | 1; /* a PAE page-directory-pointer entry has no rights bits */
    pd[0] = ARENA_AT(T_PT) | 7;
    pd32[0] = (u32)ARENA_AT(T_PT32) | 7;
    for (unsigned i = 0; i < L2_PAGES; i++) {
        u64 rights = page_rights(i),
            at = ARENA_AT(i == P_APIC ? (unsigned)PG_APIC_ACCESS : PG_L2 + i);

        pt[(L2_BASE >> 12) + i] = rights ? at | rights : 0;
        pt32[(L2_BASE >> 12) + i] = rights ? (u32)(at | (rights & 7)) : 0;
    }
}

static void put_system(u64 *gdt, unsigned sel, u64 base, u32 limit, unsigned access, bool wide)
{
    gdt[sel / 8] = gt_descriptor((u32)base, limit, access, 0);
    if (wide)
        gdt[sel / 8 + 1] = base >> 32;
}

static void build_gdt(u64 *gdt, bool wide)
{
    CopyMem(gdt, arena(PG_L1_DESC), L1_GDT_SIZE);
    gdt[SEL_CODE16 / 8] = gt_descriptor(L2_BASE, 0xffff, 0x9b, 0);
    gdt[SEL_DATA16 / 8] = gt_descriptor(L2_BASE, 0xffff, 0x93, 0);
    gdt[SEL_SMALL / 8] = gt_descriptor((u32)L2_AT(P_DATA), 0xff, 0x93, 4);
    put_system(gdt, SEL_TSS, L2_AT(wide ? P_TSS64 : P_TSS32), wide ? 0x67 : TSS32_LIMIT,
               AR_TSS_BUSY, wide);
    put_system(gdt, SEL_TSS_ALT, L2_AT(P_TSS_ALT), 0x67, 0x89, wide);
    put_system(gdt, SEL_LDT, L2_AT(P_LDT), 0xfff, 0x82, wide);
    if (!wide)
        gdt[SEL_GATE / 8] = (u64)SEL_TSS_ALT << 16 | 0xe5ul << 40;
}

static void build_idt(u64 *idt64, u64 *idt32)
{
    for (u64 v = 0; v < 256; v++) {
        u64 at = L2_AT(P_HANDLERS) + v * 16;
        u64 gate = (at & 0xffff) | 0xeeul << 40 | (at >> 16 & 0xffff) << 48;

        idt64[2 * v] = gate | (u64)SEL_CODE64 << 16;
        idt64[2 * v + 1] = 0;
        idt32[v] = gate | (u64)SEL_CODE32 << 16;
    }
}

static void build_tss(void *page64, u32 *tss32, u32 *alt)
{
    struct gt_tss64 *t = page64;

    t->rsp[0] = t->rsp[1] = t->rsp[2] = L2_STACK_TOP;
    for (unsigned i = 0; i < 7; i++)
        t->ist[i] = L2_STACK_TOP - 0x400;
    t->iopb = 0x68;
    tss32[1] = (u32)L2_STACK_TOP;
    tss32[2] = SEL_DATA;
    tss32[25] = 0x68u << 16;
    CopyMem(alt, tss32, 0x68);
    alt[7] = (u32)ARENA_AT(T_PD32);
    alt[8] = (u32)L2_AT(P_HANDLERS) + 0xff0; /* the alternative task starts at the last handler */
    alt[9] = 2;
    alt[14] = (u32)L2_STACK_TOP - 0x200;
    alt[18] = SEL_DATA;
    alt[19] = SEL_CODE32;
    alt[20] = alt[21] = SEL_DATA;
}

static void copy_pages(unsigned to, unsigned from, u64 pages)
{
    void *dst = arena(to), *src = arena(from);

    pages *= 512;
    __asm__ volatile("rep movsq" : "+D"(dst), "+S"(src), "+c"(pages) : : "memory");
}

/* Handlers begin with a NOP: see bochs-nmi-rip in CAVEATS. */
static void build_pristine(bool wide)
{
    u8 *t = arena(PG_L2_PRISTINE);

    gt_zero_pages(t, L2_PAGES);
    for (unsigned v = 0; v < 256; v++)
        CopyMem(t + P_HANDLERS * 4096 + v * 16, (void *)"\x90\x0f\x01\xc1", 4);
    build_gdt((u64 *)(t + P_GDT * 4096), wide);
    build_idt((u64 *)(t + P_IDT64 * 4096), (u64 *)(t + P_IDT32 * 4096));
    build_tss(t + P_TSS64 * 4096, (u32 *)(t + P_TSS32 * 4096), (u32 *)(t + P_TSS_ALT * 4096));
}

static void build_window(bool wide)
{
    static enum { NONE, NARROW, WIDE } built;

    if (built != (wide ? WIDE : NARROW))
        build_pristine(wide);
    built = wide ? WIDE : NARROW;
    copy_pages(PG_L2_TEMPLATE, PG_L2_PRISTINE, L2_PAGES);
    copy_pages(PG_L2, PG_L2_PRISTINE, L2_PAGES);
}

static void put(u32 enc, u64 v)
{
    l2.f[vmx_find(enc)] = v;
}

static u64 required(u32 msr)
{
    return (u32)gt_rdmsr(msr);
}

static void image_controls(bool wide)
{
    l2.f[VI_PIN_CTL] = required(MSR_VMX_TRUE_PIN) | PIN_TIMER | PIN_NMI | PIN_EXT_INT;
    l2.f[VI_PROC_CTL] = required(MSR_VMX_TRUE_PROC) | PROC_HLT | PROC_UNCOND_IO;
    l2.f[VI_EXIT_CTL] = required(MSR_VMX_TRUE_EXIT) | EXIT_SAVE_DEBUG | EXIT_HOST_64 |
                        EXIT_SAVE_EFER | EXIT_LOAD_EFER | EXIT_SAVE_PAT | EXIT_LOAD_PAT;
    l2.f[VI_ENTRY_CTL] = required(MSR_VMX_TRUE_ENTRY) | ENTRY_LOAD_DEBUG | ENTRY_LOAD_EFER |
                         ENTRY_LOAD_PAT | (wide ? ENTRY_IA32E : 0);
    l2.f[VI_EXCEPTION_BITMAP] = 0xffffffff;
    l2.f[VI_IO_BITMAP_A] = ARENA_AT(PG_IO_A);
    l2.f[VI_IO_BITMAP_B] = ARENA_AT(PG_IO_B);
    l2.f[VI_MSR_BITMAP] = ARENA_AT(PG_MSR_BITMAP);
    l2.f[VI_ENTRY_MSR_LOAD_ADDR] = ARENA_AT(PG_ENTRY_LOAD);
    l2.f[VI_EXIT_MSR_STORE_ADDR] = ARENA_AT(PG_EXIT_STORE);
    l2.f[VI_EXIT_MSR_LOAD_ADDR] = ARENA_AT(PG_EXIT_LOAD);
    l2.f[VI_VIRTUAL_APIC_ADDR] = ARENA_AT(PG_VAPIC);
    l2.f[VI_APIC_ACCESS_ADDR] = ARENA_AT(PG_APIC_ACCESS);
    l2.f[VI_VMREAD_BITMAP] = ARENA_AT(PG_VMREAD_BITMAP);
    l2.f[VI_VMWRITE_BITMAP] = ARENA_AT(PG_VMWRITE_BITMAP);
    l2.f[VI_PREEMPTION_TIMER] = TIMER_START;
}

static void image_host(void)
{
    extern u8 vmx_door_exit[] GT_HIDDEN;
    struct l1_state s;

    l1_state_get(&s);
    for (u32 i = 0; i < 6; i++)
        put(V_HOST_ES_SEL + 2 * i, s.sel[i]);
    l2.f[VI_HOST_TR_SEL] = SEL_TSS;
    l2.f[VI_HOST_CR0] = s.cr0;
    l2.f[VI_HOST_CR3] = s.cr3;
    l2.f[VI_HOST_CR4] = s.cr4;
    l2.f[VI_HOST_TR_BASE] = ARENA_AT(PG_L1_DESC + 2);
    l2.f[VI_HOST_GDTR_BASE] = s.gdtr_base;
    l2.f[VI_HOST_IDTR_BASE] = s.idtr_base;
    l2.f[VI_HOST_EFER] = s.efer;
    l2.f[VI_HOST_PAT] = s.pat;
    l2.f[VI_HOST_RSP] = ARENA_AT(PG_L1_STACK + 1);
    l2.f[VI_HOST_RIP] = (u64)vmx_door_exit;
}

/* The six segments in encoding order, then LDTR and TR. */
static void image_segments(const struct world *w, bool wide)
{
    for (u32 i = 0; i < 6; i++) {
        bool cs = i == 1;

        put(V_GUEST_ES_SEL + 2 * i, cs ? w->cs : w->ss);
        put(V_GUEST_ES_AR + 2 * i, cs ? w->cs_ar : w->ss_ar);
        put(V_GUEST_ES_LIMIT + 2 * i, w->limit);
        put(V_GUEST_ES_BASE + 2 * i, w->base);
    }
    l2.f[VI_GUEST_LDTR_AR] = AR_UNUSABLE;
    l2.f[VI_GUEST_TR_SEL] = SEL_TSS;
    l2.f[VI_GUEST_TR_AR] = AR_TSS_BUSY;
    l2.f[VI_GUEST_TR_LIMIT] = wide ? 0x67 : TSS32_LIMIT;
    l2.f[VI_GUEST_TR_BASE] = L2_AT(wide ? P_TSS64 : P_TSS32);
    l2.f[VI_GUEST_GDTR_BASE] = L2_AT(P_GDT);
    l2.f[VI_GUEST_GDTR_LIMIT] = L1_GDT_SIZE - 1;
    l2.f[VI_GUEST_IDTR_BASE] = L2_AT(wide ? P_IDT64 : P_IDT32);
    l2.f[VI_GUEST_IDTR_LIMIT] = wide ? 0xfff : 0x7ff;
}

static void image_guest(const struct world *w)
{
    l2.f[VI_GUEST_CR0] = CR0_PG | CR0_WP | CR0_NE | 0x11;
    l2.f[VI_GUEST_CR3] = w->cr3;
    l2.f[VI_GUEST_CR4] = w->cr4;
    l2.f[VI_GUEST_EFER] = w->efer;
    l2.f[VI_GUEST_PAT] = 0x0007040600070406;
    l2.f[VI_GUEST_DR7] = 0x400;
    l2.f[VI_GUEST_RIP] = w->rip;
    l2.f[VI_GUEST_RSP] = w->rsp;
    l2.f[VI_GUEST_RFLAGS] = w->rflags;
    l2.f[VI_VMCS_LINK_PTR] = ~0ul;
}

void l2_world(enum l2_mode mode)
{
    const struct world *w = &world[mode];
    bool wide = is_long(mode);

    SetMem(&l2, sizeof l2, 0);
    l2.mode = mode;
    for (u64 i = 0; i < 16; i++)
        l2.gpr[i] = 0x10 + i;
    build_tables();
    build_window(wide);
    image_controls(wide);
    image_host();
    image_segments(w, wide);
    image_guest(w);
}
