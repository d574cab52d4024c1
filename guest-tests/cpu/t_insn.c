/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instructions whose presence, privilege or effect a hypervisor may get wrong: in each mode, ok
 * or which exception. A blob ends in UD2, so "#UD" at its full length means that it ran. VMX
 * instructions are tried outside VMX operation only; CR4.VMXE and VMXON stand on lines of their
 * own.
 *
 * Right: An instruction that CPUID does not show is #UD; a privileged one is #GP(0) outside ring
 * 0; any other does its work. SDM 2A 3.3 "Instructions (A-L)", SDM 3A 6.15 "Exception and
 * Interrupt Reference"
 */
#include "guest-tests/lib/gt.h"
#include "hv/arch/cpu.h"
#include "hv/arch/msr.h"

#define BLOB(NAME, CODE)                                                                           \
    extern const char blob_##NAME[] GT_HIDDEN;                                                     \
    extern const char end_##NAME[] GT_HIDDEN;                                                      \
    __asm__(".pushsection .text\n.hidden blob_" #NAME "\n.globl blob_" #NAME                       \
            "\n.hidden end_" #NAME "\n.globl end_" #NAME "\nblob_" #NAME ":\n" CODE "\nend_" #NAME \
            ":\nud2\n.popsection")

BLOB(invd, "invd");
BLOB(wbinvd, "wbinvd");
BLOB(wbnoinvd, ".byte 0xf3, 0x0f, 0x09");
BLOB(getsec, "getsec");
BLOB(vmcall, "vmcall");
BLOB(vmlaunch, "vmlaunch");
BLOB(vmresume, "vmresume");
BLOB(vmxoff, "vmxoff");
BLOB(vmxon, ".byte 0xf3, 0x0f, 0xc7, 0x37"); /* vmxon [di] */
BLOB(vmptrld, ".byte 0x0f, 0xc7, 0x37");
BLOB(vmptrst, ".byte 0x0f, 0xc7, 0x3f");
BLOB(vmclear, ".byte 0x66, 0x0f, 0xc7, 0x37");
BLOB(vmread, ".byte 0x0f, 0x78, 0xc8");
BLOB(vmwrite, ".byte 0x0f, 0x79, 0xc8");
BLOB(invept, ".byte 0x66, 0x0f, 0x38, 0x80, 0x07");
BLOB(invvpid, ".byte 0x66, 0x0f, 0x38, 0x81, 0x07");
BLOB(vmfunc, ".byte 0x0f, 0x01, 0xd4");
BLOB(vmptrld_reg, ".byte 0x0f, 0xc7, 0xf8"); /* the register form is RDSEED */
BLOB(rdrand, ".byte 0x0f, 0xc7, 0xf0");
BLOB(rdtsc, "rdtsc");
BLOB(rdtscp, "rdtscp");
BLOB(rdpmc, "xor %ecx, %ecx\nrdpmc");
BLOB(rdpid, ".byte 0xf3, 0x0f, 0xc7, 0xf8");
BLOB(invpcid, "mov $2, %eax\n.byte 0x66, 0x0f, 0x38, 0x82, 0x07");
BLOB(invpcid_type4, "mov $4, %eax\n.byte 0x66, 0x0f, 0x38, 0x82, 0x07");
BLOB(xsave, "mov $1, %eax\nxor %edx, %edx\n.byte 0x0f, 0xae, 0x27");
BLOB(xsaveopt, "mov $1, %eax\nxor %edx, %edx\n.byte 0x0f, 0xae, 0x37");
BLOB(xsavec, "mov $1, %eax\nxor %edx, %edx\n.byte 0x0f, 0xc7, 0x27");
BLOB(xsaves, "mov $1, %eax\nxor %edx, %edx\n.byte 0x0f, 0xc7, 0x2f");
BLOB(xrstors, "mov $1, %eax\nxor %edx, %edx\n.byte 0x0f, 0xc7, 0x1f");
BLOB(xgetbv, "xor %ecx, %ecx\nxgetbv");
BLOB(monitor, "lea (%rdi), %eax\nxor %ecx, %ecx\nxor %edx, %edx\nmonitor");
BLOB(monitor_ecx, "mov %edi, %eax\nmov $1, %ecx\nxor %edx, %edx\nmonitor");
BLOB(mwait_ecx, "mov $2, %ecx\nxor %eax, %eax\nmwait");
BLOB(pause, "pause");
BLOB(hlt_lock, ".byte 0xf0\nhlt");
BLOB(invlpg, "invlpg (%rdi)");
BLOB(invlpg_reg, ".byte 0x0f, 0x01, 0xf8"); /* SWAPGS in 64-bit mode */
BLOB(clflush, "clflush (%rdi)");
BLOB(clflushopt, ".byte 0x66, 0x0f, 0xae, 0x3f");
BLOB(clwb, ".byte 0x66, 0x0f, 0xae, 0x37");
BLOB(rdfsbase, ".byte 0xf3, 0x48, 0x0f, 0xae, 0xc0");
BLOB(encls, ".byte 0x0f, 0x01, 0xcf");
BLOB(enclu, ".byte 0x0f, 0x01, 0xd7");
BLOB(enclv, ".byte 0x0f, 0x01, 0xc0");
BLOB(pconfig, ".byte 0x0f, 0x01, 0xc5");
BLOB(rsm, "rsm");
BLOB(getsec_capabilities,
     "xor %ecx, %ecx\nxor %ebx, %ebx\n.byte 0x0f, 0x37"); /* GETSEC[CAPABILITIES] */
BLOB(sysexit, ".byte 0x0f, 0x35");
BLOB(sysenter, ".byte 0x0f, 0x34");
BLOB(vmmcall, ".byte 0x0f, 0x01, 0xd9");
BLOB(vmrun, ".byte 0x0f, 0x01, 0xd8");
BLOB(skinit, ".byte 0x0f, 0x01, 0xde");
BLOB(tpause, ".byte 0x66, 0x0f, 0xae, 0xf0");
BLOB(umonitor, ".byte 0xf3, 0x0f, 0xae, 0xf0");
BLOB(serialize, ".byte 0x0f, 0x01, 0xe8");
BLOB(rdpkru, "xor %ecx, %ecx\n.byte 0x0f, 0x01, 0xee");
BLOB(sgdt, "sgdt (%rdi)");
BLOB(sidt, "sidt (%rdi)");
BLOB(sldt, "sldt (%rdi)");
BLOB(str, "str (%rdi)");
BLOB(lldt_null, "xor %eax, %eax\nlldt %ax");
BLOB(lldt_bad, "mov $0x88, %eax\nlldt %ax");
BLOB(ltr_null, "xor %eax, %eax\nltr %ax");
BLOB(ltr_busy, "mov $0xc0, %eax\nltr %ax");
BLOB(in_dx, "mov $0x80, %edx\nin %dx, %al");
BLOB(cpuid_lock, ".byte 0xf0, 0x0f, 0xa2");
BLOB(wbinvd_lock, ".byte 0xf0, 0x0f, 0x09");
BLOB(wbinvd_66, ".byte 0x66, 0x0f, 0x09");
BLOB(wbinvd_f2, ".byte 0xf2, 0x0f, 0x09");
BLOB(vmcall_66, ".byte 0x66, 0x0f, 0x01, 0xc1");
BLOB(vmcall_lock, ".byte 0xf0, 0x0f, 0x01, 0xc1");

struct row {
    const char *name;
    const char *code;
    const char *end;
};
#define ROW(NAME)                      \
    {                                  \
#NAME, blob_##NAME, end_##NAME \
    }

static u8 *data;

static void run_rows(const struct row *rows, size_t count, const char *what)
{
    for (unsigned mode = 0; mode < 4; mode++) {
        for (size_t i = 0; i < count; i++) {
            struct gt_frame f = gt_context(rows[i].code, mode & 1 ? 3 : 0, mode & 2);
            bool ran;

            f.rdi = (u64)data;
            SetMem(data, 64, 0);
            gt_enter(&f);
            ran = gt_exc.vector == VEC_UD && gt_exc.delta == (u64)(rows[i].end - rows[i].code);
            gt_line("%s%s.%s%s: %s flags %lx", mode & 2 ? "compat" : "ring", mode & 1 ? "3" : "0",
                    rows[i].name, what, ran ? "ok" : gt_exc_text(), gt_exc.frame.rflags & 0x10cd5);
        }
    }
}

/* Outside VMX operation each is #UD in every ring. GETSEC is #UD while CR4.SMXE is 0. SDM 3C 31.3
 * "VMX Instructions" */
static void vmx_instructions(void)
{
    const struct row rows[] = {
        ROW(vmcall),
        ROW(vmlaunch),
        ROW(vmresume),
        ROW(vmxoff),
        ROW(vmxon),
        ROW(vmptrld),
        ROW(vmptrst),
        ROW(vmclear),
        ROW(vmread),
        ROW(vmwrite),
        ROW(invept),
        ROW(invvpid),
        ROW(vmfunc),
        ROW(vmcall_66),
        ROW(vmcall_lock),
        ROW(getsec),
        ROW(getsec_capabilities),
    };

    run_rows(rows, ARRAY_LEN(rows), "");
}

/* INVD, WBINVD and INVLPG are #GP(0) above ring 0. CLFLUSH works in every ring. LOCK is #UD. Memory
 * holds what was written. SDM 3A 5.9 "Privileged Instructions" */
static void caches(void)
{
    const struct row rows[] = {
        ROW(invd),      ROW(wbinvd),    ROW(wbnoinvd),   ROW(wbinvd_lock),
        ROW(wbinvd_66), ROW(wbinvd_f2), ROW(clflush),    ROW(clflushopt),
        ROW(clwb),      ROW(invlpg),    ROW(invlpg_reg), ROW(cpuid_lock),
    };
    u64 *words = gt_pages(16), sum = 0;

    run_rows(rows, ARRAY_LEN(rows), "");
    for (unsigned i = 0; i < 16 * 512; i++)
        words[i] = gt_rand();
    __asm__ volatile("wbinvd" : : : "memory");
    for (unsigned i = 0; i < 16 * 512; i++)
        sum = (sum << 1 | sum >> 63) ^ words[i];
    gt_line("memory behind wbinvd: %lx", sum);
    for (unsigned i = 0; i < 16 * 512; i++)
        words[i] = gt_rand();
    __asm__ volatile("wbinvd\n\tinvd" : : : "memory");
    for (unsigned i = 0; i < 16 * 512; i++)
        sum = (sum << 1 | sum >> 63) ^ words[i];
    gt_line("memory behind invd: %lx", sum);
}

/* An instruction that CPUID or CR4 does not enable is #UD. Above ring 0 RDTSC and RDTSCP are #GP(0)
 * under TSD, and RDPMC without PCE. SDM 3A 2.5 "Control Registers" */
static void optional(void)
{
    const struct row rows[] = {
        ROW(vmptrld_reg), ROW(rdrand),    ROW(rdtsc),         ROW(rdtscp),   ROW(rdpmc),
        ROW(rdpid),       ROW(invpcid),   ROW(invpcid_type4), ROW(xsave),    ROW(xsaveopt),
        ROW(xsavec),      ROW(xsaves),    ROW(xrstors),       ROW(xgetbv),   ROW(monitor),
        ROW(monitor_ecx), ROW(mwait_ecx), ROW(pause),         ROW(hlt_lock), ROW(rdfsbase),
        ROW(encls),       ROW(enclu),     ROW(enclv),         ROW(pconfig),  ROW(rsm),
        ROW(sysexit),     ROW(sysenter),  ROW(vmmcall),       ROW(vmrun),    ROW(skinit),
        ROW(tpause),      ROW(umonitor),  ROW(serialize),     ROW(rdpkru),
    };
    u64 cr4 = gt_read_cr4();

    gt_write_cr4((cr4 | CR4_OSXSAVE | CR4_FSGSBASE) & ~(CR4_TSD | CR4_PCE));
    run_rows(rows, ARRAY_LEN(rows), "");
    gt_write_cr4((cr4 & ~(CR4_OSXSAVE | CR4_FSGSBASE)) | CR4_TSD | CR4_PCE);
    run_rows(rows, ARRAY_LEN(rows), " cr4 changed");
    gt_write_cr4(cr4);
}

/* Above ring 0 LLDT and LTR are #GP(0). The stores work there, as UMIP is 0. In ring 0 LLDT takes a
 * null selector and LTR does not. A descriptor of the wrong type is #GP with the selector. SDM 3A
 * 5.9 "Privileged Instructions" */
static void tables(void)
{
    const struct row rows[] = {ROW(sgdt),     ROW(sidt),      ROW(sldt),
                               ROW(str),      ROW(lldt_null), ROW(lldt_bad),
                               ROW(ltr_null), ROW(ltr_busy),  ROW(in_dx)};

    run_rows(rows, ARRAY_LEN(rows), "");
}

/* RDTSCP's ECX is TSC_AUX; the counter runs forward and zero-extends. A WRMSR sets the counter. SDM
 * 2B 4.3 "Instructions (M-U)" */
static void time_stamps(void)
{
    u32 aux = 0, lo, hi;
    u64 first = gt_rdtsc(), second, rax = ~0ul, rdx = ~0ul;

    gt_wrmsr(MSR_IA32_TSC_AUX, 0x1234);
    __asm__ volatile("rdtscp" : "=a"(lo), "=d"(hi), "=c"(aux));
    second = (u64)hi << 32 | lo;
    gt_wrmsr(MSR_IA32_TSC_AUX, 0);
    gt_check(second > first, "rdtscp: the counter went backwards");
    __asm__ volatile("rdtsc" : "+a"(rax), "+d"(rdx));
    gt_line("rdtscp: aux %x upper halves %lx %lx", aux, rax >> 32, rdx >> 32);
    first = gt_rdmsr(MSR_IA32_TSC);
    gt_wrmsr(MSR_IA32_TSC, first + 0x100000000ul);
    second = gt_rdtsc();
    gt_wrmsr(MSR_IA32_TSC, second - 0x100000000ul);
    gt_line("tsc: written by WRMSR %s", second - first >= 0x100000000ul ? "ok" : "ignored");
}

/* MWAIT wakes at the firmware's own timer interrupt. So does HLT. SDM 2B 4.3 "Instructions (M-U)",
 * SDM 2A 3.3 "Instructions (A-L)" */
static void waiting(void)
{
    __asm__ volatile("monitor" : : "a"(data), "c"(0), "d"(0));
    __asm__ volatile("sti\n\tmwait\n\tcli" : : "a"(0), "c"(0) : "memory");
    gt_line("mwait: woke");
    gt_sti_hlt_cli();
    gt_line("hlt: woke");
}

/* What L1 may do about VMX depends on what it is shown. FEATURE_CONTROL is 0 on the bare machine.
 * VMXON is #GP(0) unless FEATURE_CONTROL is locked with VMX on. SDM 3C 24.7 "Enabling and Entering
 * VMX Operation" */
static void owned(void)
{
    u64 cr4 = gt_read_cr4();
    u64 *region = gt_pages(1), pointer = (u64)region;

    GT_TRY("mov %0, %%cr4", : : "r"(cr4 | CR4_VMXE) : GT_CLOBBERS);
    gt_line("owned.vmxe: %s", gt_exc_text());
    if (gt_exc.vector == GT_NONE) {
        *(u32 *)region = (u32)gt_rdmsr(MSR_IA32_VMX_BASIC) & 0x7fffffff;
        GT_TRY("vmxon %0", : : "m"(pointer) : GT_CLOBBERS);
        gt_line("owned.vmxon: %s", gt_exc_text());
        if (gt_exc.vector == GT_NONE)
            __asm__ volatile("vmxoff" : : : "memory", "cc");
    }
    gt_write_cr4(cr4);
}

TEST_MAIN(insn)
{
    data = gt_pages(2);
    gt_map_load();
    gt_load_tr();
    vmx_instructions();
    caches();
    optional();
    tables();
    time_stamps();
    waiting();
    owned();
}
