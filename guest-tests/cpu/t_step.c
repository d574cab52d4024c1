/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Single-stepping: where each #DB stops and what DR6 says, over instructions that exit to a
 * hypervisor and over those that do not, in ring 0, ring 3 and compatibility mode; debug
 * registers; breakpoints on and after such instructions; MOV SS and STI before them. SDM
 * 3B 18.3.1.4 "Single-Step Exception Condition": a completed instruction must end in #DB if TF
 * was set when it began. A hypervisor that advances RIP by hand must do the same.
 */
#include "guest-tests/lib/gt_device.h"
#include "hv/arch/cpu.h"
#include "hv/arch/msr.h"

enum { MAX_STEPS = 24, DR7_LEN1 = 0, DR7_EXEC = 0, DR7_WRITE = 1, DR7_IO = 2, DR7_ACCESS = 3 };

static char text[400];
static size_t used;
static unsigned steps;
static u64 origin, step_flags;

/* A hook: notes the place relative to the blob and the DR6 bits, and goes on. */
static bool note_step(struct gt_frame *f)
{
    u64 dr6 = gt_read_dr6();

    used += gt_format(text + used, sizeof text - used, " +%lx/%lx%s", f->rip - origin, dr6 & 0xe00f,
                      f->rflags & RFLAGS_RF ? "R" : "");
    gt_write_dr6(0xffff0ff0);
    if (!(dr6 & DR6_BS))
        f->rflags |= RFLAGS_RF; /* go past an execution breakpoint */
    if (++steps >= MAX_STEPS)
        f->rflags &= ~RFLAGS_TF;
    step_flags = f->rflags;
    return true;
}

/* A code blob that ends in UD2, legal in 64-bit and 32-bit mode unless its name says otherwise.
 */
#define BLOB(NAME, CODE)                                                                     \
    extern const char blob_##NAME[] GT_HIDDEN;                                               \
    __asm__(".pushsection .text\n.hidden blob_" #NAME "\n.globl blob_" #NAME "\nblob_" #NAME \
            ":\n" CODE "\nud2\n.popsection")

BLOB(nop, "nop\nnop\nnop");
BLOB(cpuid, "nop\ncpuid\nnop");
BLOB(cpuid_twice, "cpuid\ncpuid\nnop");
/* a leaf that a hypervisor may answer on a short way */
BLOB(cpuid_plain, "xor %eax, %eax\ncpuid\nnop");
BLOB(rdmsr, "rdmsr\nnop\nwrmsr\nnop");
BLOB(wrmsr, "wrmsr\nwrmsr\nnop");
BLOB(xsetbv, "mov %ebx, %ecx\nxgetbv\nxsetbv\nnop");
BLOB(wbinvd, "wbinvd\nnop\nwbinvd\nnop");
BLOB(invd, "nop\ninvd\nnop");
BLOB(getsec, "nop\n.byte 0x0f, 0x37");
BLOB(vmcall, "nop\nvmcall");
BLOB(fault, "nop\n.byte 0x0f, 0x20, 0xc8"); /* mov from cr1 */
BLOB(movss_cpuid, "mov %ss, %eax\nmov %eax, %ss\ncpuid\nnop");
BLOB(movss_nop, "mov %ss, %eax\nmov %eax, %ss\nnop\nnop");
BLOB(movss_rdmsr, "mov %ss, %eax\nmov %eax, %ss\nrdmsr\nnop");
BLOB(movss_movss, "mov %ss, %eax\nmov %eax, %ss\nmov %eax, %ss\ncpuid\nnop");
BLOB(movss_int3, "mov %ss, %eax\nmov %eax, %ss\nint3\nnop");
BLOB(movss_icebp, "mov %ss, %eax\nmov %eax, %ss\n.byte 0xf1\nnop");
BLOB(movss_ud, "mov %ss, %eax\nmov %eax, %ss");
BLOB(sti_cpuid, "sti\ncpuid\ncli\nnop");
BLOB(sti_wbinvd, "sti\nwbinvd\ncli\nnop");
BLOB(sti_sti, "sti\nsti\ncpuid\ncli");
BLOB(int3, "nop\nint3\nnop");
BLOB(icebp, "nop\n.byte 0xf1\nnop");
BLOB(cr, "mov %cr0, %rax\nmov %rax, %cr0\nmov %cr4, %rax\nmov %rax, %cr4\nmov %cr3, %rax\n"
         "mov %rax, %cr3\nclts\nsmsw %eax\nlmsw %ax");
BLOB(dr, "mov %dr7, %rax\nmov %dr3, %rax\nmov %rax, %dr3\nnop");
BLOB(io, "in $0x61, %al\nout %al, $0x80\nin $0x71, %al\nnop");
BLOB(rep_stos, "mov $3, %ecx\nrep stosb\nnop");
BLOB(rep_zero, "xor %ecx, %ecx\nrep stosb\nnop");
BLOB(rep_insb, "mov $2, %ecx\nmov $0x61, %edx\nrep insb\nnop");
BLOB(popf_set, "pushf\norl $0x100, (%rsp)\npopf\ncpuid\nnop"); /* starts with TF clear */
BLOB(popf_clear, "pushf\nandl $~0x100, (%rsp)\nnop\npopf\ncpuid\nnop");
BLOB(popf_keep, "pushf\npopf\ncpuid\nnop");
BLOB(branch, "jmp 1f\nnop\n1: call 2f\njmp 3f\n2: cpuid\nret\n3: nop");
BLOB(cpuid_branch, "cpuid\njmp 1f\nnop\n1: cpuid\nnop");
BLOB(invlpg, "invlpg (%rsp)\nnop\nrdtsc\npause\nnop");
BLOB(lgdt, "sgdt 16(%rdi)\nlgdt 16(%rdi)\nsidt 16(%rdi)\nlidt 16(%rdi)\nnop");
BLOB(syscall_iret, "mov %ss, %rax\npush %rax\nlea 8(%rsp), %rbx\npush %rbx\npushf\nmov %cs, %rax\n"
                   "push %rax\nlea 1f(%rip), %rax\npush %rax\niretq\nnop\n1: cpuid\nnop");
BLOB(write, "movb $1, (%rdi)\nnop\nnop");
BLOB(write_cpuid, "movb $1, (%rdi)\ncpuid\nnop");
BLOB(movss_watched, "mov (%rdi), %ss\ncpuid\nnop\nnop");
BLOB(movss_watched_nop, "mov (%rdi), %ss\nnop\nnop");
BLOB(movss_watched_rdmsr, "mov (%rdi), %ss\nrdmsr\nnop");
BLOB(io_watched, "in $0x61, %al\nnop\nout %al, $0x80\nnop\ncpuid\nnop");
BLOB(stos_watched, "mov $4, %ecx\nrep stosb\nnop");
BLOB(gd, "mov $0x2400, %eax\nmov %rax, %dr7\nnop\nmov %dr3, %rax\nmov %rax, %dr3\nnop");

static void run_blob(const char *name, const char *code, struct gt_frame f)
{
    used = 0;
    steps = 0;
    text[0] = 0;
    origin = (u64)code;
    gt_write_dr6(0xffff0ff0);
    gt_enter(&f);
    gt_line("%s:%s end %s dr6 %lx if %lu tf %lu", name, text, gt_exc_text(), gt_read_dr6() & 0xe00f,
            gt_exc.frame.rflags >> 9 & 1, gt_exc.frame.rflags >> 8 & 1);
}

static struct gt_frame prepared(const char *code, unsigned cpl, bool compat)
{
    static u8 *buffer;
    struct gt_frame f = gt_context(code, cpl, compat);

    if (buffer == NULL)
        buffer = gt_pages(1);
    f.rcx = MSR_IA32_PAT;
    f.rbx = 0;
    f.rdx = 0x00070406;
    f.rax = 0x00070406;
    f.rdi = (u64)buffer;
    *(u16 *)buffer = GT_DATA;
    return f;
}

struct row {
    const char *name;
    const char *code;
};
#define ROW(NAME)          \
    {                      \
#NAME, blob_##NAME \
    }

/* Without what throws away dirty lines of real caches, such as those that a #DB's frame is in. */
static size_t safe_rows(size_t rows)
{
    return gt_on_stick() ? rows - 1 : rows;
}

static const char *mode_name(unsigned cpl, bool compat)
{
    return compat ? (cpl ? "compat3" : "compat0") : (cpl ? "ring3" : "ring0");
}

static void step_rows(const struct row *rows, size_t count, unsigned cpl, bool compat)
{
    char name[64];

    for (size_t i = 0; i < count; i++) {
        struct gt_frame f = prepared(rows[i].code, cpl, compat);

        f.rflags |= RFLAGS_TF;
        gt_format(name, sizeof name, "step.%s.%s", mode_name(cpl, compat), rows[i].name);
        run_blob(name, rows[i].code, f);
    }
}

/* #DB with BS comes behind each instruction that began with TF set, but not behind the first of
 * those that load SS. A fault comes in its place. SDM 3B 18.3.1.4 "Single-Step Exception
 * Condition", SDM 3A 6.8.3 "Masking Exceptions and Interrupts When Switching Stacks" */
static void single_step(void)
{
    /* clang-format off */
    const struct row any[] = {
        ROW(nop),         ROW(cpuid),       ROW(cpuid_twice),  ROW(cpuid_plain), ROW(rdmsr),
        ROW(wrmsr),       ROW(xsetbv),      ROW(wbinvd),       ROW(getsec),
        ROW(vmcall),      ROW(fault),       ROW(movss_cpuid),  ROW(movss_nop),
        ROW(movss_rdmsr), ROW(movss_movss), ROW(movss_int3),   ROW(movss_icebp),
        ROW(movss_ud),    ROW(sti_cpuid),   ROW(sti_wbinvd),   ROW(sti_sti),
        ROW(int3),        ROW(icebp),       ROW(io),           ROW(rep_stos),
        ROW(rep_zero),    ROW(rep_insb),    ROW(cpuid_branch), ROW(invd),
    };
    /* clang-format on */
    const struct row only64[] = {
        ROW(cr),     ROW(dr),     ROW(popf_clear), ROW(popf_keep),
        ROW(branch), ROW(invlpg), ROW(lgdt),       ROW(syscall_iret),
    };

    step_rows(any, safe_rows(ARRAY_LEN(any)), 0, false);
    step_rows(only64, ARRAY_LEN(only64), 0, false);
    step_rows(any, safe_rows(ARRAY_LEN(any)), 0, true);
    step_rows(any, safe_rows(ARRAY_LEN(any)), 3, false);
    step_rows(any, safe_rows(ARRAY_LEN(any)), 3, true);
    run_blob("step.popf_set", blob_popf_set, prepared(blob_popf_set, 0, false));
}

static void set_breakpoint(unsigned index, u64 at, unsigned kind, unsigned length)
{
    u64 dr7 = gt_read_dr7() & ~(0xful << (16 + 4 * index));

    if (index == 0)
        gt_write_dr0(at);
    else
        gt_write_dr1(at);
    gt_write_dr7(dr7 | 2ul << (2 * index) | (u64)(kind | length << 2) << (16 + 4 * index));
}

static void clear_breakpoints(void)
{
    gt_write_dr7(0x400);
    gt_write_dr6(0xffff0ff0);
}

/* Execution breakpoints at every byte from the blob's start: RF must be clear behind an exit. #DB
 * comes before the instruction. Behind MOV SS it does not come. SDM 3B 18.3.1.1
 * "Instruction-Breakpoint Exception Condition", SDM 3A 6.8.3 "Masking Exceptions and Interrupts
 * When Switching Stacks" */
static void execution_breakpoints(void)
{
    /* clang-format off */
    const struct row rows[] = {ROW(nop),         ROW(cpuid),     ROW(cpuid_twice),
                               ROW(rdmsr),       ROW(xsetbv),    ROW(wbinvd),
                               ROW(movss_cpuid), ROW(movss_nop), ROW(sti_cpuid),
                               ROW(int3),        ROW(rep_stos),  ROW(cpuid_branch),
                               ROW(invd)};
    /* clang-format on */
    char name[64];

    for (size_t i = 0; i < safe_rows(ARRAY_LEN(rows)); i++) {
        for (unsigned at = 0; at < 6; at++) {
            for (unsigned tf = 0; tf < 2; tf++) {
                struct gt_frame f = prepared(rows[i].code, 0, false);

                f.rflags |= tf ? RFLAGS_TF : 0;
                set_breakpoint(0, (u64)rows[i].code + at, DR7_EXEC, 0);
                set_breakpoint(1, (u64)rows[i].code + at + 2, DR7_EXEC, 0);
                gt_format(name, sizeof name, "exec.%s+%x tf %u", rows[i].name, at, tf);
                run_blob(name, rows[i].code, f);
                clear_breakpoints();
            }
        }
    }
}

/* A context that starts with RF set skips the breakpoint on its first instruction only. SDM 3A 2.3
 * "System Flags and Fields in the EFLAGS Register" */
static void resume_flag(void)
{
    struct gt_frame f = prepared(blob_cpuid_twice, 0, false);

    f.rflags |= RFLAGS_RF;
    set_breakpoint(0, (u64)blob_cpuid_twice, DR7_EXEC, 0);
    set_breakpoint(1, (u64)blob_cpuid_twice + 2, DR7_EXEC, 0);
    run_blob("rf.cpuid", blob_cpuid_twice, f);
    clear_breakpoints();
}

/* #DB comes behind the access. One that MOV SS meets is held until the next instruction is over,
 * even when that instruction exits: the VMCS carries it in its pending debug exceptions. SDM 3B
 * 18.3.1.2 "Data Breakpoint Exception Condition" */
static void data_breakpoints(void)
{
    const struct row rows[] = {
        ROW(write),
        ROW(write_cpuid),
        ROW(movss_watched),
        ROW(movss_watched_nop),
        ROW(movss_watched_rdmsr),
        ROW(stos_watched),
    };
    char name[64];

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (unsigned tf = 0; tf < 2; tf++) {
            struct gt_frame f = prepared(rows[i].code, 0, false);

            f.rflags |= tf ? RFLAGS_TF : 0;
            set_breakpoint(0, f.rdi, DR7_ACCESS, 1);
            set_breakpoint(1, f.rdi, DR7_WRITE, 0);
            gt_format(name, sizeof name, "data.%s tf %u", rows[i].name, tf);
            run_blob(name, rows[i].code, f);
            clear_breakpoints();
        }
    }
}

/* With DE set #DB comes behind the IN or OUT. Without DE the kind is undefined. SDM 3B 18.2.4
 * "Debug Control Register (DR7)" */
static void io_breakpoints(void)
{
    u64 cr4 = gt_read_cr4();

    for (unsigned de = 0; de < 2; de++) {
        struct gt_frame f = prepared(blob_io_watched, 0, false);

        gt_write_cr4(de ? cr4 | CR4_DE : cr4 & ~CR4_DE);
        set_breakpoint(0, 0x61, DR7_IO, 0);
        set_breakpoint(1, 0x80, DR7_IO, 0);
        run_blob(de ? "io.de" : "io.no de", blob_io_watched, f);
        clear_breakpoints();
    }
    gt_write_cr4(cr4);
}

/* Each bit of the debug registers: what it reads back, or #GP. DR0 takes all 64. A bit above 31 of
 * DR6 or DR7 is #GP(0). SDM 3B 18.2.6 "Debug Registers and Intel 64 Processors" */
static void debug_register_bits(void)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        u64 v = 1ul << bit, dr0, dr6, dr7;
        bool six, seven;

        gt_write_dr0(v);
        dr0 = gt_read_dr0();
        GT_TRY("mov %0, %%dr6", : : "r"(v) : GT_CLOBBERS);
        six = gt_exc.vector == GT_NONE;
        dr6 = gt_read_dr6();
        gt_write_dr6(0xffff0ff0);
        if (bit == 13) /* GD: the next MOV DR faults; its own case is below */
            v = 0;
        GT_TRY("mov %0, %%dr7", : : "r"(v) : GT_CLOBBERS);
        seven = gt_exc.vector == GT_NONE;
        dr7 = gt_read_dr7();
        gt_write_dr7(0x400);
        gt_line("dr bit %u: dr0 %lx dr6 %s %lx dr7 %s %lx", bit, dr0, six ? "ok" : "#GP", dr6,
                seven ? "ok" : "#GP", dr7);
    }
    gt_write_dr0(0);
}

/* DR4 and DR5 are DR6 and DR7 unless CR4.DE: then #UD. SDM 3B 18.2.2 "Debug Registers DR4 and
 * DR5" */
static void debug_aliases(void)
{
    u64 cr4 = gt_read_cr4(), v = 0;

    for (unsigned de = 0; de < 2; de++) {
        gt_write_cr4(de ? cr4 | CR4_DE : cr4 & ~CR4_DE);
        GT_TRY(".byte 0x0f, 0x21, 0xe0", : "=a"(v) : : GT_CLOBBERS);
        gt_line("dr4 de %u: %s %lx", de, gt_exc_text(), v);
        GT_TRY(".byte 0x0f, 0x23, 0xe8", : : "a"(0x400) : GT_CLOBBERS);
        gt_line("dr5 de %u: %s %lx", de, gt_exc_text(), gt_read_dr7());
    }
    gt_write_cr4(cr4);
    GT_TRY(".byte 0x44, 0x0f, 0x21, 0xc0", : "=a"(v) : : GT_CLOBBERS);
    gt_line("dr8: %s", gt_exc_text());
}

/* With GD set a MOV of a debug register is #DB before it, with BD in DR6, and GD is clear then. SDM
 * 3B 18.3.1.3 "General-Detect Exception Condition" */
static void general_detect(void)
{
    u64 v;

    gt_write_dr6(0xffff0ff0);
    gt_write_dr7(0x400 | DR7_GD);
    GT_TRY("mov %%dr3, %0", : "=r"(v) : : GT_CLOBBERS);
    gt_line("gd: %s dr6 %lx dr7 %lx", gt_exc_text(), gt_read_dr6(), gt_read_dr7());
    clear_breakpoints();
}

/* The same under the hook, which lets the MOV run again, and GD is clear then. With TF the MOV that
 * sets GD ends in #DB, which clears GD. */
static void general_detect_stepped(void)
{
    for (unsigned tf = 0; tf < 2; tf++) {
        struct gt_frame f = prepared(blob_gd, 0, false);

        f.rflags |= tf ? RFLAGS_TF : 0;
        run_blob(tf ? "gd.blob tf" : "gd.blob", blob_gd, f);
        clear_breakpoints();
    }
}

/* Above ring 0 the MOV is #GP(0). SDM 3A 5.9 "Privileged Instructions" */
static void user_debug_registers(void)
{
    static const u8 code[] = {0x0f, 0x21, 0xf8, 0x0f, 0x0b};
    struct gt_frame f = gt_context(code, 3, false);

    gt_enter(&f);
    gt_line("dr cpl 3: %s", gt_exc_text());
}

TEST_MAIN(step)
{
    gt_device_take(); /* no timer between STI and CLI */
    gt_map_load();
    gt_load_tr();
    gt_write_cr4(gt_read_cr4() | CR4_OSXSAVE);
    debug_register_bits();
    debug_aliases();
    general_detect();
    user_debug_registers();
    gt_hook(VEC_DB, note_step);
    single_step();
    resume_flag();
    execution_breakpoints();
    data_breakpoints();
    io_breakpoints();
    general_detect_stepped();
    gt_device_give();
}
