/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The exiting instructions, and some that are not, in every mode of the processor. Registers
 * and flags, or the exception with its place, must be what the CPU gives: operand sizes, IP
 * wrapping, real-mode vectors, the way down from and up to long mode itself.
 *
 * Right: An instruction does in each mode what its operand and address size there say. A fault is
 * delivered through the vector table or the IDT of the mode, with RIP at the instruction. SDM 3A
 * 6.15 "Exception and Interrupt Reference"
 */
#include "guest-tests/lib/gt_device.h"
#include "guest-tests/lib/gt_mode.h"
#include "hv/arch/cpu.h"
#include "hv/arch/msr.h"

/* clang-format off */
#define SNIPPETS(X)                                                                            \
    X(nop)                                                                                     \
    X(cpuid)                                                                                   \
    X(cpuid_ud)                                                                                \
    X(rdmsr) X(wrmsr) X(xgetbv) X(xsetbv) X(wbinvd) X(getsec) X(vmcall) X(vmxoff) X(vmread)    \
        X(rdtscp) X(invpcid) X(smsw) X(readcr) X(cr0) X(cr4) X(cr8) X(in) X(sti_cpuid)         \
            X(movss_cpuid) X(step) X(div) X(ud) X(int3) X(int) X(gp) X(hlt)
/* clang-format on */
#define X(NAME) GT_MODE_SNIPPET(NAME);
SNIPPETS(X)
#undef X
extern const char gt_mode_wrap16[] GT_HIDDEN, gt_mode_unreal16[] GT_HIDDEN;

enum { ECX_OWNED = 0x80000060u }; /* CPUID.1:ECX hypervisor, SMX, VMX: t_cpuid has them */

static u8 *buffer;

/* EDI and ESI point at data; the rest is the row's. */
static void run(enum gt_mode mode, const char *name, const char *s32, const char *s16, u32 eax,
                u32 ebx, u32 ecx, u32 edx)
{
    const u32 in[6] = {eax, ebx, ecx, edx, 0, (u32)(u64)buffer};
    const struct gt_mode_block *b = gt_mode_run(mode, s32, s16, in);
    u32 out_ecx = eax == 1 && b->out[2] != ecx ? b->out[2] & ~ECX_OWNED : b->out[2];

    if (b->vector == GT_NONE)
        gt_line("%s.%s: ok eax %x ebx %x ecx %x edx %x flags %x cr0 %x int %u", gt_mode_name(mode),
                name, b->out[0], b->out[1], out_ecx, b->out[3], b->flags, b->cr0_seen, b->error);
    else
        gt_line("%s.%s: %s(%x) ip+%x cs %x eax %x ebx %x ecx %x edx %x flags %x cr0 %x",
                gt_mode_name(mode), name, gt_vector_name(b->vector), b->error, b->eip,
                mode == GT_MODE_REAL || mode == GT_MODE_V86 ? 0 : b->cs, b->out[0], b->out[1],
                out_ecx, b->out[3], b->flags, b->cr0_seen);
}

#define RUN(MODE, NAME, SNIPPET, EAX, EBX, ECX, EDX) \
    run(MODE, NAME, gt_mode_##SNIPPET##32, gt_mode_##SNIPPET##16, EAX, EBX, ECX, EDX)

/* A privileged instruction does its work, but is #GP(0) in virtual-8086 mode, which is ring 3. VMX
 * instructions and GETSEC are #UD in every mode. SDM 3A 5.9 "Privileged Instructions" */
static void common(enum gt_mode mode)
{
    RUN(mode, "nop", nop, 1, 2, 3, 4);
    RUN(mode, "cpuid 0", cpuid, 0, 2, 0, 4);
    RUN(mode, "cpuid 1", cpuid, 1, 2, 0, 4);
    RUN(mode, "cpuid 7", cpuid, 7, 2, 0, 4);
    RUN(mode, "cpuid d.0", cpuid, 0xd, 2, 0, 4);
    RUN(mode, "cpuid d.1", cpuid, 0xd, 2, 1, 4);
    RUN(mode, "cpuid 80000001", cpuid, 0x80000001, 2, 0, 4);
    RUN(mode, "cpuid then ud", cpuid_ud, 0, 2, 0, 4);
    RUN(mode, "rdmsr efer", rdmsr, 1, 2, MSR_IA32_EFER, 4);
    RUN(mode, "rdmsr pat", rdmsr, 1, 2, MSR_IA32_PAT, 4);
    RUN(mode, "rdmsr mtrrcap", rdmsr, 1, 2, MSR_IA32_MTRRCAP, 4);
    RUN(mode, "wrmsr mtrrcap", wrmsr, 1, 2, MSR_IA32_MTRRCAP, 4);
    RUN(mode, "wrmsr vmx", wrmsr, 1, 2, MSR_IA32_VMX_BASIC, 4);
    RUN(mode, "xgetbv", xgetbv, 1, 2, 0, 4);
    RUN(mode, "xsetbv", xsetbv, 1, 2, 0, 4);
    RUN(mode, "xsetbv bad index", xsetbv, 1, 2, 1, 4);
    RUN(mode, "wbinvd", wbinvd, 1, 2, 3, 4);
    RUN(mode, "getsec", getsec, 0, 0, 3, 4);
    RUN(mode, "vmcall", vmcall, 1, 2, 3, 4);
    RUN(mode, "vmxoff", vmxoff, 1, 2, 3, 4);
    RUN(mode, "vmread", vmread, 1, 2, 3, 4);
    RUN(mode, "rdtscp", rdtscp, 1, 2, 3, 4);
    RUN(mode, "invpcid", invpcid, 2, 2, 3, 4);
    RUN(mode, "in", in, 1, 2, 3, 0xcfc);
    RUN(mode, "sti cpuid", sti_cpuid, 0, 2, 3, 4);
    RUN(mode, "movss cpuid", movss_cpuid, 0, 2, 3, 4);
    RUN(mode, "step cpuid", step, 0, 2, 3, 4);
    RUN(mode, "div", div, 1, 2, 3, 0);
    RUN(mode, "ud", ud, 1, 2, 3, 4);
    RUN(mode, "int3", int3, 1, 2, 3, 4);
    RUN(mode, "int 31", int, 1, 2, 3, 4);
    RUN(mode, "limit", gp, 1, 2, 3, 4);
    if (mode == GT_MODE_V86)
        RUN(mode, "hlt", hlt, 1, 2, 3, 4);
}

/* Each single bit of CR4; CR0 words that are legal or illegal in this mode. An illegal word is
 * #GP(0). In virtual-8086 mode each word is. SDM 3A 2.5 "Control Registers" */
static void control_registers(enum gt_mode mode)
{
    static const u64 cr0[] = {CR0_PE,
                              CR0_PE | CR0_NE,
                              0,
                              CR0_NE,
                              CR0_PG,
                              CR0_PG | CR0_NE,
                              CR0_NW,
                              CR0_PE | CR0_NW | CR0_NE,
                              CR0_PE | CR0_CD | CR0_NE,
                              CR0_PE | CR0_CD | CR0_NW | CR0_NE};
    u32 keep = mode == GT_MODE_PAGED32 || mode == GT_MODE_PAE ? (u32)CR0_PG : 0;
    char name[40];

    RUN(mode, "read", readcr, 1, 2, 3, 4);
    RUN(mode, "smsw", smsw, 1, 2, 3, 4);
    RUN(mode, "lock mov cr0", cr8, 1, 2, 3, 4);
    for (size_t i = 0; i < ARRAY_LEN(cr0); i++) {
        bool legal_pe = (cr0[i] & CR0_PE) != 0;

        if ((mode == GT_MODE_REAL && legal_pe) || (mode != GT_MODE_REAL && mode != GT_MODE_V86 &&
                                                   !legal_pe && !(cr0[i] & (CR0_PG | CR0_NW))))
            continue; /* a change of mode under the snippet's feet: the block itself does those
                       */
        gt_format(name, sizeof name, "cr0=%lx", (u64)(cr0[i] | keep));
        RUN(mode, name, cr0, (u32)cr0[i] | keep, 2, 3, 4);
    }
    for (unsigned bit = 0; bit < 32; bit++) {
        if ((mode == GT_MODE_PAGED32 && (bit == 4 || bit == 5)) ||
            (mode == GT_MODE_PAE && bit == 5) || bit == 13)
            continue;
        gt_format(name, sizeof name, "cr4^bit %u", bit);
        RUN(mode, name, cr4, 1u << bit, 2, 3, 4);
    }
}

/* Paging comes and goes in the same MOV to CR0 that changes NE, which VMX operation fixes: L0 does
 * these moves, and with them all that a change of PG entails: LMA, PDPTEs, the checks. While LME is
 * 1, LMA follows PG. SDM 3A 2.2.1 "Extended Feature Enable Register" */
static void toggling(void)
{
    gt_mode_toggle((u32)CR0_NE);
    for (enum gt_mode mode = 0; mode < GT_MODES; mode++) {
        RUN(mode, "toggled ne cpuid", cpuid, 0, 2, 0, 4);
        RUN(mode, "toggled ne efer", rdmsr, 1, 2, MSR_IA32_EFER, 4);
        RUN(mode, "toggled ne read", readcr, 1, 2, 3, 4);
        RUN(mode, "toggled ne ud", ud, 1, 2, 3, 4);
    }
    gt_mode_toggle((u32)(CR0_NE | CR0_WP | CR0_TS | CR0_AM));
    for (enum gt_mode mode = 0; mode < GT_MODES; mode++)
        RUN(mode, "toggled four read", readcr, 1, 2, 3, 4);
    gt_mode_toggle(0);
}

/* CPUID whose last byte is the segment's last: IP becomes 0, or a fault says that it does not.
 */
static void wrapping(void)
{
    u8 *segment = gt_mode_segment();

    segment[0xfffe] = 0x0f;
    segment[0xffff] = 0xa2;
    segment[0] = 0xcb; /* retf */
    run(GT_MODE_REAL, "cpuid at fffe", NULL, gt_mode_wrap16, (u32)(u64)segment >> 4, 0, 0, 0);
    segment[0xfffe] = 0x90;
    segment[0xffff] = 0x90;
    run(GT_MODE_REAL, "nop at ffff", NULL, gt_mode_wrap16, (u32)(u64)segment >> 4, 0, 0, 0);
    segment[0xfffe] = 0x0f;
    segment[0xffff] = 0x09;
    run(GT_MODE_REAL, "wbinvd at fffe", NULL, gt_mode_wrap16, (u32)(u64)segment >> 4, 0, 0, 0);
    segment[0xffff] = 0x08;
    run(GT_MODE_REAL, "invd at fffe", NULL, gt_mode_wrap16, (u32)(u64)segment >> 4, 0, 0, 0);
    *(u32 *)buffer = 0x600df00d;
    run(GT_MODE_REAL, "unreal", NULL, gt_mode_unreal16, 0, 0, 0, 0);
}

/* In compatibility mode EIP wraps at 4 GiB: the page before it and page 0 are the test's own. In
 * 64-bit mode RIP does not wrap: the fetch behind 4 GiB is #PF. SDM 3A 4.7 "Page-Fault
 * Exceptions" */
static void wrapping_at_4g(void)
{
    u8 *last = gt_pages(1), *first = gt_pages(1);
    u64 *top = gt_map_page(0xfffff000), *bottom = gt_map_page(0), was = *bottom;
    struct gt_frame f;

    *top = (u64)last | 7;
    *bottom = (u64)first | 7;
    gt_write_cr3(gt_read_cr3());
    last[0xffe] = 0x0f;
    last[0xfff] = 0xa2;
    first[0] = 0x90;
    first[1] = 0x0f;
    first[2] = 0x0b;
    f = gt_context((void *)0xfffffffe, 0, true);
    gt_enter(&f);
    gt_line("compat cpuid at fffffffe: %s rip %lx", gt_exc_text(), gt_exc.frame.rip);
    f = gt_context((void *)0xfffffffe, 3, true);
    gt_enter(&f);
    gt_line("compat3 cpuid at fffffffe: %s rip %lx", gt_exc_text(), gt_exc.frame.rip);
    f = gt_context((void *)0xfffffffe, 0, false);
    gt_enter(&f);
    gt_line("long cpuid at fffffffe: %s rip %lx", gt_exc_text(), gt_exc.frame.rip);
    *bottom = was;
    *top = 0xfffff007;
    gt_write_cr3(gt_read_cr3());
}

TEST_MAIN(mode)
{
    gt_device_take(); /* no timer between STI and CLI */
    gt_map_load();
    gt_load_tr();
    gt_write_cr4(gt_read_cr4() | CR4_OSXSAVE);
    gt_outl(0xcf8, 0x80000000);
    buffer = gt_pages(1);
    gt_mode_prepare();
    for (enum gt_mode mode = 0; mode < GT_MODES; mode++) {
        common(mode);
        control_registers(mode);
    }
    toggling();
    wrapping();
    wrapping_at_4g();
    gt_line("back in long mode: efer %lx cr0 %lx", gt_rdmsr(MSR_IA32_EFER), gt_read_cr0());
    gt_device_give();
}
