/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an exit must leave alone: every general register and flag that the instruction does not
 * write, vector and x87 state, segment bases, descriptor-table registers, LDTR, SYSENTER and
 * SYSCALL MSRs, PAT, CR2, CR8 and debug registers. Each kind of exit is taken with random
 * values in all of them.
 *
 * Right: All of it reads back as it was loaded. SDM 3C 28.3 "Saving Guest State", SDM 3C 28.5
 * "Loading Host State"
 */
#include "guest-tests/lib/gt_device.h"
#include "guest-tests/lib/gt_hole.h"
#include "hv/arch/cpu.h"
#include "hv/arch/msr.h"

#define BLOB(NAME, CODE)                                                                     \
    extern const char blob_##NAME[] GT_HIDDEN;                                               \
    __asm__(".pushsection .text\n.hidden blob_" #NAME "\n.globl blob_" #NAME "\nblob_" #NAME \
            ":\n" CODE "\nud2\n.popsection")

BLOB(cpuid, "cpuid");
BLOB(rdmsr, "rdmsr");
BLOB(wrmsr, "wrmsr");
BLOB(rdmsr_gp, "rdmsr");
BLOB(xsetbv, "xsetbv");
BLOB(xsetbv_gp, "xsetbv");
BLOB(wbinvd, "wbinvd");
BLOB(invd, "invd");
BLOB(getsec, "getsec");
BLOB(vmcall, "vmcall");
BLOB(vmread, "vmread %rbx, %rcx");
BLOB(invept, ".byte 0x66, 0x0f, 0x38, 0x80, 0x07"); /* invept (%rdi), %rax */
BLOB(cr0, "mov %rax, %cr0");
BLOB(cr0_r15, "mov %r15, %cr0");
BLOB(cr0_gp, "mov %rbp, %cr0");
BLOB(hole_read, "mov (%rdi), %al");
BLOB(hole_write, "mov %al, (%rdi)");
BLOB(hole_not, "notq (%rdi)");
BLOB(hole_push, "mov %rsp, %r8\nmov %rdi, %rsp\npush %rax\npop %rax\nmov %r8, %rsp");
BLOB(hole_movs, "cld\nmovsb");

struct row {
    const char *name, *code;
    u64 rax, rcx, rdx;
};

static struct gt_hole hole;
static u64 next_page;

/* A page of the hole that was not touched since the mappings were dropped last. */
static u64 fresh(void)
{
    next_page = (next_page + 1) % (hole.size / PAGE_SIZE);
    return hole.base + next_page * PAGE_SIZE + 0x100;
}

static const char *const names[15] = {"r15", "r14", "r13", "r12", "r11", "r10", "r9", "r8",
                                      "rbp", "rdi", "rsi", "rdx", "rcx", "rbx", "rax"};

static void print_changes(const char *name, const struct gt_frame *before)
{
    const volatile u64 *now = (const volatile u64 *)&gt_exc.frame;
    const u64 *was = (const u64 *)before;
    char text[120] = "";
    size_t used = 0;

    for (unsigned i = 0; i < 15; i++)
        if (now[i] != was[i])
            used += gt_format(text + used, sizeof text - used, " %s", names[i]);
    gt_line("%s: %s changed%s flags %lx rsp %+ld", name, gt_exc_text(), text,
            (u64)((gt_exc.frame.rflags ^ before->rflags) & ~RFLAGS_RF),
            (int64_t)(gt_exc.frame.rsp - before->rsp));
}

static void run(const struct row *r)
{
    struct gt_frame f = gt_context(r->code, 0, false);
    u64 cr0 = gt_read_cr0();

    for (unsigned i = 0; i < 15; i++)
        ((u64 *)&f)[i] = gt_rand();
    f.rflags |= gt_rand() & (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF |
                             RFLAGS_DF | RFLAGS_AC | RFLAGS_IOPL);
    f.rax = r->rax;
    f.rcx = r->rcx;
    f.rdx = r->rdx;
    f.rdi = fresh();
    f.rsi = fresh();
    f.r15 = cr0 ^ CR0_NE;
    f.rbp = cr0 & ~CR0_PE;
    gt_enter(&f);
    gt_write_cr0(cr0);
    print_changes(r->name, &f);
}

/* Only what the instruction writes has changed. A fault has changed nothing. SDM 3A 6.15 "Exception
 * and Interrupt Reference" */
static void general_registers(void)
{
    u64 cr0 = gt_read_cr0();
    const struct row rows[] = {
        {"cpuid", blob_cpuid, 0x80000002, 0, 0},
        {"cpuid leaf 1", blob_cpuid, 1, 0, 0},
        {"rdmsr", blob_rdmsr, ~0ul, MSR_IA32_MTRRCAP, ~0ul},
        {"rdmsr feature_control", blob_rdmsr, ~0ul, MSR_IA32_FEATURE_CONTROL, ~0ul},
        {"rdmsr #GP", blob_rdmsr_gp, 1, 0x802, 1},
        {"wrmsr", blob_wrmsr, 0, MSR_IA32_MTRR_PHYSBASE0 + 8, 0},
        {"wrmsr #GP", blob_wrmsr, 0xff, MSR_IA32_MTRR_PHYSBASE0 + 8, 0},
        {"xsetbv", blob_xsetbv, 3, 0, 0},
        {"xsetbv #GP", blob_xsetbv_gp, 2, 0, 0},
        {"wbinvd", blob_wbinvd, 1, 2, 3},
        {"invd", blob_invd, 1, 2, 3},
        {"getsec", blob_getsec, 0, 2, 3},
        {"vmcall", blob_vmcall, 1, 2, 3},
        {"vmread", blob_vmread, 1, 2, 3},
        {"invept", blob_invept, 1, 2, 3},
        {"cr0 ne", blob_cr0, cr0 ^ CR0_NE, 2, 3},
        {"cr0 ne ts", blob_cr0, cr0 ^ CR0_NE ^ CR0_TS ^ CR0_MP, 2, 3},
        {"cr0 r15", blob_cr0_r15, 1, 2, 3},
        {"cr0 #GP", blob_cr0_gp, 1, 2, 3},
        {"hole read", blob_hole_read, 1, 2, 3},
        {"hole write", blob_hole_write, 1, 2, 3},
        {"hole not", blob_hole_not, 1, 2, 3},
        {"hole push", blob_hole_push, 1, 2, 3},
        {"hole movs", blob_hole_movs, 1, 2, 3},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        run(&rows[i]);
}

/* Every kind of exit a few times, from C. */
static void exits(void)
{
    u64 cr0 = gt_read_cr0();

    for (unsigned i = 0; i < 20; i++) {
        gt_cpuid(i, 0);
        gt_rdmsr(MSR_IA32_FEATURE_CONTROL);
        gt_wrmsr(MSR_IA32_MTRR_PHYSBASE0 + 8, 0);
        GT_TRY("vmcall", : : : GT_CLOBBERS);
        gt_write_cr0(cr0 ^ CR0_NE);
        gt_write_cr0(cr0);
        *(volatile u8 *)fresh() = 1;
        __asm__ volatile("wbinvd\n\tinvd" : : : "memory");
    }
}

/* XSAVE's legacy region, its header and the AVX region: 832 bytes, filled at random and
 * compared. */
static void vector_state(void)
{
    enum { XSAVE_SIZE = 832, LEGACY_USED = 416, HEADER_AT = 512, AVX_AT = 576 };
    u8 *before = gt_pages(1), *after = gt_pages(1);
    u64 cr4 = gt_read_cr4(), xcr0;
    unsigned differ = 0;

    gt_write_cr4(cr4 | CR4_OSXSAVE | CR4_OSFXSR);
    xcr0 = gt_xgetbv(0);
    gt_xsetbv(0, 7);
    __asm__ volatile("fninit\n\txsave64 (%0)" : : "r"(before), "a"(7), "d"(0) : "memory");
    for (unsigned i = 0; i < 8; i++) /* eight x87 registers, sixteen XMM, their AVX halves */
        for (unsigned j = 0; j < 10; j++)
            before[32 + 16 * i + j] = (u8)gt_rand();
    for (unsigned i = 160; i < LEGACY_USED; i++)
        before[i] = (u8)gt_rand();
    for (unsigned i = AVX_AT; i < XSAVE_SIZE; i++)
        before[i] = (u8)gt_rand();
    before[4] = 0xff;               /* the abridged tag word: all in use */
    *(u32 *)(before + 24) = 0x7f80; /* MXCSR, rounding towards zero */
    *(u16 *)before = 0x0f7f;
    *(u64 *)(before + HEADER_AT) = 7;
    __asm__ volatile("xrstor64 (%0)" : : "r"(before), "a"(7), "d"(0) : "memory");
    exits();
    __asm__ volatile("xsave64 (%0)" : : "r"(after), "a"(7), "d"(0) : "memory");
    for (unsigned i = 32; i < XSAVE_SIZE; i++)
        differ += before[i] != after[i];
    gt_line("vector state: bytes that differ %u mxcsr %x fcw %x xcr0 %lx", differ,
            *(u32 *)(after + 24), *(u16 *)after, gt_xgetbv(0));
    *(u32 *)(before + 24) = 0x1f80;
    __asm__ volatile("fninit\n\tldmxcsr %0" : : "m"(*(u32 *)(before + 24)));
    gt_xsetbv(0, xcr0);
    gt_write_cr4(cr4);
}

struct kept_msr {
    u32 msr;
    u64 value, old;
};

static void system_registers(void)
{
    struct kept_msr msrs[] = {
        {MSR_IA32_FS_BASE, 0x1234567890, 0},
        {MSR_IA32_GS_BASE, 0xffff812345678900, 0},
        {MSR_IA32_KERNEL_GS_BASE, 0x7fffffff0000, 0},
        {MSR_IA32_SYSENTER_CS, 0x5678, 0},
        {MSR_IA32_SYSENTER_ESP, 0xffff900000000123, 0},
        {MSR_IA32_SYSENTER_EIP, 0x4444444444, 0},
        {MSR_IA32_STAR, 0x1122334455667788, 0},
        {MSR_IA32_LSTAR, 0xffffffff81000000, 0},
        {MSR_IA32_CSTAR, 0x1000, 0},
        {MSR_IA32_FMASK, 0x47700, 0},
        {MSR_IA32_TSC_AUX, 0xabcdef, 0},
        {MSR_IA32_PAT, 0x0007010500070406, 0},
        {MSR_IA32_EFER, 0xd01, 0},
    };
    u64 cr8 = gt_read_cr8(), *ldt = gt_pages(1);
    u16 tr, ldtr = 1;

    for (size_t i = 0; i < ARRAY_LEN(msrs); i++) {
        msrs[i].old = gt_rdmsr(msrs[i].msr);
        gt_wrmsr(msrs[i].msr, msrs[i].value);
    }
    ldt[1] = gt_descriptor(0x1000, 0xabc, 0x93, 0x4);
    gt_gdt[GT_FREE / 8] = gt_descriptor((u32)(u64)ldt, 0x7f, 0x82, 0);
    gt_gdt[GT_FREE / 8 + 1] = 0;
    __asm__ volatile("lldt %w0\n\tmov %w1, %%fs" : : "r"(GT_FREE), "r"(0x0c) : "memory");
    gt_wrmsr(MSR_IA32_FS_BASE, msrs[0].value);
    gt_write_cr8(9);
    gt_write_dr0(0x1111);
    gt_write_dr1(0x2222);
    gt_write_dr2(0x3333);
    gt_write_dr3(0x4444);
    gt_write_dr6(0xffff0ff5);
    gt_write_dr7(0x00000700);
    __asm__ volatile("mov %0, %%cr2" : : "r"(0xdeadbeef000ul));
    exits();
    for (size_t i = 0; i < ARRAY_LEN(msrs); i++)
        gt_line("msr %x: %s %lx", msrs[i].msr,
                gt_rdmsr(msrs[i].msr) == msrs[i].value ? "kept" : "changed", gt_rdmsr(msrs[i].msr));
    __asm__ volatile("sldt %0\n\tstr %1" : "=r"(ldtr), "=r"(tr));
    gt_line("cr2 %lx cr8 %lx dr %lx %lx %lx %lx %lx %lx", gt_read_cr2(), gt_read_cr8(),
            gt_read_dr0(), gt_read_dr1(), gt_read_dr2(), gt_read_dr3(), gt_read_dr6(),
            gt_read_dr7());
    gt_line("selectors: ldtr %x tr %x fs %x gdt limit %x idt limit %x same bases %u", ldtr, tr,
            gt_read_fs(), gt_sgdt().limit, gt_sidt().limit,
            gt_sgdt().base == (u64)gt_gdt && gt_sidt().base == (u64)gt_idt);
    __asm__ volatile("lldt %w0\n\tmov %w0, %%fs" : : "r"(0) : "memory");
    for (size_t i = 0; i < ARRAY_LEN(msrs); i++)
        gt_wrmsr(msrs[i].msr, msrs[i].old);
    gt_write_cr8(cr8);
    gt_write_dr7(0x400);
    gt_write_dr6(0xffff0ff0);
}

TEST_MAIN(state)
{
    gt_device_take();
    gt_map_load();
    gt_load_tr();
    gt_hole_find(&hole);
    gt_write_cr4(gt_read_cr4() | CR4_OSXSAVE);
    general_registers();
    vector_state();
    system_registers();
    gt_device_give();
}
