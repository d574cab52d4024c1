/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The L1 environment of the VMX tests: arena, page tables, descriptors, begin and end.
 * Everything lies at fixed addresses and holds fixed values, so that what a VM exit reports can be
 * printed as it is. Interrupt sources are masked for the whole test. Read vmx.h first.
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"

enum {
    PIC1_MASK = 0x21,
    PIC2_MASK = 0xa1,
    LAPIC_LVT_TIMER = 0xfee00320,
    LAPIC_EOI = 0xfee000b0,
    LVT_MASKED = 1 << 16,
    PIC1 = 0x20,
    PIC2 = 0xa0,
    PIC_EOI = 0x20,
    FEATURE_LOCK_VMX = 5, /* locked, VMX outside SMX */
    FEATURE_LOCK = 1,
    TSS_IOPB = 0x66,
};
#define ARENA_MAGIC 0x787673747365746eull
#define ENV_CR0     (CR0_PG | CR0_WP | CR0_NE | 0x13)
#define ENV_CR4     (CR4_VMXE | CR4_PAE | 0x600)
#define ENV_EFER    (EFER_LME | EFER_LMA | EFER_NXE | 1)

const struct vmx_field vmx_field[VMX_FIELDS] = {
#define V(ENC, NAME, GATE) {#NAME, ENC, GATE},
#include "guest-tests/lib/vmx_fields.def"
#undef V
};

static struct {
    struct gt_table_register gdtr, idtr;
    u64 cr0, cr3, cr4, efer, pat;
    u32 lvt_timer;
    u8 pic1, pic2;
    bool active, in_vmx;
} env;

int vmx_find(u32 enc)
{
    for (int i = 0; i < VMX_FIELDS; i++) {
        if (vmx_field[i].enc == enc)
            return i;
    }
    return -1;
}

u64 vmx_option(const char *key, u64 dflt)
{
    const char *at = gt_args();
    size_t n = strlena((const CHAR8 *)key);
    u64 v = 0;

    for (; *at; at++) {
        if (strncmpa((const CHAR8 *)at, (const CHAR8 *)key, n) == 0 && at[n] == '=')
            break;
    }
    if (*at == 0)
        return dflt;
    for (at += n + 1; *at >= '0' && *at <= '9'; at++)
        v = v * 10 + (u64)(*at - '0');
    return v;
}

static volatile u32 *lapic_timer(void)
{
    return (volatile u32 *)(u64)LAPIC_LVT_TIMER;
}

/* A second test program in one boot finds its predecessor's arena, which was never freed. */
static bool arena_claim(void)
{
    EFI_PHYSICAL_ADDRESS at = ARENA;
    u64 *magic = arena(ARENA_PAGES - 1);
    EFI_STATUS got;

    gt_firmware_enter();
    got = BS->AllocatePages(AllocateAddress, EfiBootServicesData, ARENA_PAGES, &at);
    gt_firmware_leave();
    if (got != EFI_SUCCESS && *magic != ARENA_MAGIC)
        return false;
    gt_zero_pages(arena(0), ARENA_PAGES);
    *magic = ARENA_MAGIC;
    return true;
}

/* Identity for 4 GiB in 2 MiB pages, open to ring 3, and one table of 4 KiB pages
 * with odd rights. */
static void build_tables(void)
{
    enum { RWU = 7, PAGE_PS = 0x80 };
    u64 *pml4 = arena(PG_L1_TABLES), *pdpt = arena(PG_L1_TABLES + 1), *pt = arena(PG_L1_TABLES + 6);
    u64 *pd = arena(PG_L1_TABLES + 2);

    pml4[0] = (u64)pdpt | RWU;
    for (u64 i = 0; i < 4; i++)
        pdpt[i] = ARENA_AT(PG_L1_TABLES + 2 + i) | RWU;
    for (u64 i = 0; i < 2048; i++)
        pd[i] = i << 21 | RWU | PAGE_PS;
    pd[L1_SPECIAL >> 21] = (u64)pt | RWU;
    pt[SP_RW] = ARENA_AT(PG_SCRATCH) | RWU;
    pt[SP_READ_ONLY] = ARENA_AT(PG_SCRATCH) | 5;
    pt[SP_SUPERVISOR] = ARENA_AT(PG_SCRATCH) | 3;
    pt[SP_RESERVED] = ARENA_AT(PG_SCRATCH) | 1ul << 51 | RWU;
    pt[SP_NX] = ARENA_AT(PG_SCRATCH) | 1ul << 63 | RWU;
    pt[SP_RW2] = ARENA_AT(PG_SCRATCH + 1) | RWU;
}

static void put_tss(u64 *gdt, unsigned sel, u64 base)
{
    gdt[sel / 8] = gt_descriptor((u32)base, 0x67, 0x89, 0);
    gdt[sel / 8 + 1] = base >> 32;
}

static void build_descriptors(void)
{
    u64 *gdt = arena(PG_L1_DESC), *idt = arena(PG_L1_DESC + 1), tss = ARENA_AT(PG_L1_DESC + 2);
    struct gt_tss64 *t = (void *)tss;

    gdt[SEL_CODE64 / 8] = gt_descriptor(0, 0xfffff, 0x9b, 0xa);
    gdt[SEL_DATA / 8] = gt_descriptor(0, 0xfffff, 0x93, 0xc);
    gdt[SEL_CODE32 / 8] = gt_descriptor(0, 0xfffff, 0x9b, 0xc);
    gdt[SEL_CODE64_R3 / 8] = gt_descriptor(0, 0xfffff, 0xfb, 0xa);
    gdt[SEL_DATA_R3 / 8] = gt_descriptor(0, 0xfffff, 0xf3, 0xc);
    gdt[SEL_CODE32_R3 / 8] = gt_descriptor(0, 0xfffff, 0xfb, 0xc);
    gdt[SEL_SMALL / 8] = gt_descriptor((u32)ARENA_AT(PG_SCRATCH), 0xff, 0x93, 0x4);
    gdt[SEL_CODE16 / 8] = gt_descriptor((u32)L1_CODE_AT, 0xffff, 0x9b, 0);
    gdt[SEL_RO / 8] = gt_descriptor(0, 0xfffff, 0x91, 0xc);
    gdt[SEL_XO / 8] = gt_descriptor(0, 0xfffff, 0x99, 0xc);
    gdt[SEL_ABSENT / 8] = gt_descriptor(0, 0xfffff, 0x13, 0xc);
    gdt[SEL_DOWN / 8] = gt_descriptor(0, 0xfff, 0x97, 0x4);
    gdt[SEL_DATA16 / 8] = gt_descriptor(0, 0xffff, 0x93, 0);
    put_tss(gdt, SEL_TSS, tss);
    put_tss(gdt, SEL_TSS_ALT, tss + 0x800);
    t->rsp[0] = ARENA_AT(PG_L1_IST + 4);
    t->ist[0] = ARENA_AT(PG_L1_IST + 2);
    t->iopb = 0x68;
    for (u64 v = 0; v < 256; v++) {
        u64 at = (u64)l1_stubs + v * 16;

        idt[2 * v] = (at & 0xffff) | (u64)SEL_CODE64 << 16 | 1ul << 32 | 0xeeul << 40 |
                     (at >> 16 & 0xffff) << 48;
        idt[2 * v + 1] = at >> 32;
    }
}

/* CS and SS by an IRET, which also ends the NMI blocking that an exit may have left;
 * the rest by MOV. */
static void load_segments(u16 cs, u16 data)
{
    __asm__ volatile("mov %%rsp, %%rax\n\tpushq %1\n\tpush %%rax\n\tpushfq\n\tpushq %0\n\t"
                     "lea 1f(%%rip), %%rax\n\tpush %%rax\n\tiretq\n1:\n\t"
                     "mov %w1, %%ds\n\tmov %w1, %%es\n\tmov %w1, %%fs\n\tmov %w1, %%gs"
                     :
                     : "r"((u64)cs), "r"((u64)data)
                     : "rax", "memory");
}

void l1_state_restore(void)
{
    u64 *gdt = arena(PG_L1_DESC);

    gt_write_dr7(0x400);
    gt_write_cr0(ENV_CR0);
    gt_write_cr4(ENV_CR4);
    if (gt_read_cr3() != ARENA_AT(PG_L1_TABLES))
        gt_write_cr3(ARENA_AT(PG_L1_TABLES));
    gt_wrmsr(MSR_EFER64, ENV_EFER);
    gt_wrmsr(MSR_PAT, env.pat);
    gt_lgdt((struct gt_table_register){L1_GDT_SIZE - 1, (u64)gdt});
    gt_lidt((struct gt_table_register){0xfff, ARENA_AT(PG_L1_DESC + 1)});
    gdt[SEL_TSS / 8] &= ~(2ul << 40);
    __asm__ volatile("lldt %w0\n\tltr %w1" : : "r"(0), "r"(SEL_TSS) : "memory");
    load_segments(SEL_CODE64, SEL_DATA);
    gt_wrmsr(MSR_FS_BASE, 0);
    gt_wrmsr(MSR_GS_BASE, 0);
    gt_wrmsr(MSR_SYSENTER_CS, 0);
    gt_wrmsr(MSR_SYSENTER_ESP, 0);
    gt_wrmsr(MSR_SYSENTER_EIP, 0);
}

void l1_state_get(struct l1_state *s)
{
    struct gt_table_register gdtr = gt_sgdt(), idtr = gt_sidt();
    u16 ldt, tr;

    __asm__ volatile("sldt %0\n\tstr %1" : "=r"(ldt), "=r"(tr));
    *s = (struct l1_state){
        .cr0 = gt_read_cr0(),
        .cr3 = gt_read_cr3(),
        .cr4 = gt_read_cr4(),
        .dr7 = gt_read_dr7(),
        .sel = {gt_read_es(), gt_read_cs(), gt_read_ss(), gt_read_ds(), gt_read_fs(), gt_read_gs(),
                ldt, tr},
        .fs_base = gt_rdmsr(MSR_FS_BASE),
        .gs_base = gt_rdmsr(MSR_GS_BASE),
        .gdtr_base = gdtr.base,
        .gdtr_limit = gdtr.limit,
        .idtr_base = idtr.base,
        .idtr_limit = idtr.limit,
        .efer = gt_rdmsr(MSR_EFER64),
        .pat = gt_rdmsr(MSR_PAT),
        .sysenter_cs = gt_rdmsr(MSR_SYSENTER_CS),
        .sysenter_esp = gt_rdmsr(MSR_SYSENTER_ESP),
        .sysenter_eip = gt_rdmsr(MSR_SYSENTER_EIP),
    };
}

/* An interrupt that was on its way when its source was masked must not surprise a test. */
static void drain_interrupts(void)
{
    struct l1_frame f;

    for (unsigned tries = 0; tries < 16; tries++) {
        l1_frame_init(&f);
        l1_run(&f, "\xfb\x90\x90\xfa", 4);
        if (l1_trap.vector == L1_DONE)
            return;
        *(volatile u32 *)(u64)LAPIC_EOI = 0;
        gt_outb(PIC2, PIC_EOI);
        gt_outb(PIC1, PIC_EOI);
    }
}

static void save_firmware(void)
{
    env.gdtr = gt_sgdt();
    env.idtr = gt_sidt();
    env.cr0 = gt_read_cr0();
    env.cr3 = gt_read_cr3();
    env.cr4 = gt_read_cr4();
    env.efer = gt_rdmsr(MSR_EFER64);
    env.pat = gt_rdmsr(MSR_PAT);
    env.pic1 = gt_inb(PIC1_MASK);
    env.pic2 = gt_inb(PIC2_MASK);
    env.lvt_timer = *lapic_timer();
}

void vmx_begin(void)
{
    if (!(gt_cpuid(1, 0).ecx & 1u << 5) || !arena_claim()) {
        gt_fail("environment: no VMX, or the arena is taken");
        __asm__ volatile("ud2"); /* the common library stops the program */
    }
    if (!(gt_rdmsr(MSR_FEATURE_CONTROL) & FEATURE_LOCK))
        gt_wrmsr(MSR_FEATURE_CONTROL, FEATURE_LOCK_VMX);
    save_firmware();
    gt_outb(PIC1_MASK, 0xff);
    gt_outb(PIC2_MASK, 0xff);
    *lapic_timer() = env.lvt_timer | LVT_MASKED;
    build_tables();
    build_descriptors();
    l1_state_restore();
    env.active = true;
    drain_interrupts();
}

void vmx_leave(void)
{
    gt_lgdt(env.gdtr);
    gt_lidt(env.idtr);
    load_segments(GT_CODE64, GT_DATA);
    gt_wrmsr(MSR_EFER64, env.efer);
    gt_write_cr4(env.cr4);
    gt_write_cr0(env.cr0);
    gt_write_cr3(env.cr3);
    gt_load_tr();
}

void vmx_end(void)
{
    vmx_off();
    env.active = false;
    vmx_leave();
    *lapic_timer() = env.lvt_timer;
    gt_outb(PIC1_MASK, env.pic1);
    gt_outb(PIC2_MASK, env.pic2);
}

bool vmx_on(void)
{
    enum vmx_status got;

    *(u32 *)arena(PG_VMXON) = (u32)gt_rdmsr(MSR_VMX_BASIC) & 0x7fffffff;
    got = vmx_vmxon(ARENA_AT(PG_VMXON));
    gt_check(got == VMX_OK, "vmxon: refused %d", got);
    env.in_vmx = got == VMX_OK;
    return env.in_vmx;
}

void vmx_off(void)
{
    if (!env.in_vmx)
        return;
    env.in_vmx = false;
    vmx_vmxoff();
}

void vmx_is_on(bool on)
{
    env.in_vmx = on;
}

bool vmx_has2(u32 proc2_bits)
{
    if (!(gt_rdmsr(MSR_VMX_TRUE_PROC) >> 32 & PROC_SECONDARY))
        return false;
    return (gt_rdmsr(MSR_VMX_PROC2) >> 32 & proc2_bits) == proc2_bits;
}

void l1_unexpected(const struct l1_trap *t)
{
    gt_fail("unexpected %s(%lx) cs %lx rip l1_go+%lx cr2 %lx", gt_vector_name(t->vector), t->error,
            t->cs, t->rip - (u64)l1_go, t->cr2);
    if (env.active)
        vmx_end();
    __asm__ volatile("ud2"); /* the common library stops the program */
    __builtin_unreachable();
}
