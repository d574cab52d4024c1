/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions: every vector that an instruction can raise, its error code, and every word of the
 * frame, from ring 0, ring 3 and compatibility mode; where the stack pointer goes (RSP0, IST);
 * what RF, TF and IF are in the frame and in the handler; double fault by two routes.
 */
#include "guest-tests/lib/gt_device.h"
#include "hv/arch/cpu.h"
#include "hv/arch/cpuid_bits.h"

#define BLOB(NAME, CODE)                                                                     \
    extern const char blob_##NAME[] GT_HIDDEN;                                               \
    __asm__(".pushsection .text\n.hidden blob_" #NAME "\n.globl blob_" #NAME "\nblob_" #NAME \
            ":\n" CODE "\nud2\n.popsection")

BLOB(de, "nop\nxor %ecx, %ecx\ndiv %ecx");
BLOB(de_overflow, "mov $1, %ecx\nmov $5, %edx\ndiv %ecx");
BLOB(db, ".byte 0xf1");
BLOB(bp, "nop\nint3");
BLOB(bp2, ".byte 0xcd, 0x03");
BLOB(of, ".byte 0x31, 0xc0, 0xce"); /* into: #OF needs OF=1; in 64-bit mode #UD */
BLOB(of_set, ".byte 0xb8, 0xff, 0xff, 0xff, 0x7f, 0x83, 0xc0, 0x01, 0xce");
BLOB(br, ".byte 0x62, 0x07"); /* bound eax, [edi]: #BR; in 64-bit mode #UD */
BLOB(ud, "nop\n.byte 0x0f, 0xff");
BLOB(nm, "nop\nfnop");
BLOB(mf, "fninit\nmovw $0x0300, (%rdi)\nfldcw (%rdi)\nfld1\nfldz\nfdivrp\nfwait\nnop");
BLOB(ac, "mov 1(%rdi), %eax");
BLOB(ac_fxsave, "fxsave 8(%rdi)");
BLOB(gp_privileged, "hlt");
BLOB(gp_cli, "cli");
BLOB(gp_in, "in $0x60, %al");
BLOB(gp_int, "int $0x77");
BLOB(gp_int_gate, "int $0x0d");
BLOB(gp_selector, "mov $0x1f8, %eax\nmov %eax, %ds");
BLOB(gp_null_ss, "xor %eax, %eax\nmov %eax, %ss");
BLOB(gp_code_as_ss, "mov $0x90, %eax\nmov %eax, %ss");
BLOB(gp_beyond, "mov $0x200, %eax\nmov %eax, %es");
BLOB(gp_ldt, "mov $0x0c, %eax\nmov %eax, %es");
BLOB(np_data, "mov $0xd0, %eax\nmov %eax, %es");
BLOB(gp_dpl_ss, "mov $0xd0, %eax\nmov %eax, %ss");
BLOB(ss_np, "mov $0xd8, %eax\nmov %eax, %ss");  /* ring 0; above it #GP */
BLOB(ss_np3, "mov $0xd3, %eax\nmov %eax, %ss"); /* ring 3; in ring 0 #GP */
BLOB(gp_rpl, "mov $0x8b, %eax\nmov %eax, %es");
BLOB(ss_noncanonical, "movabs $0x8000000000000000, %rbp\nmov (%rbp), %rax");
BLOB(gp_noncanonical, "movabs $0x8000000000000000, %rbx\nmov (%rbx), %rax");
BLOB(ss_limit, "mov $0xfffffffd, %ebp\nmov (%rbp), %eax");
BLOB(pf_read, "mov (%rsi), %eax");
BLOB(pf_write, "nop\nmov %eax, (%rsi)");
BLOB(pf_rmw, "incl (%rsi)");
BLOB(pf_fetch, "add $0x40, %esi\ncall *%rsi");
BLOB(pf_push, "mov %esi, %esp\nadd $4, %esp\npush %rax");
BLOB(xm, "movw $0, (%rdi)\nldmxcsr 16(%rdi)\nxorps %xmm0, %xmm0\nmovaps %xmm0, %xmm1\ndivss "
         "%xmm1, %xmm0");
BLOB(lar, "mov $0x88, %eax\nlar %eax, %ecx\nverr %ax\nverw %ax");
BLOB(lock, ".byte 0xf0, 0x90");
BLOB(long, ".byte 0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66\nnop");
BLOB(popf, "pushf\norl $0x4200, (%rsp)\npopf\npushf\npop %rax\npushf\nandl $~0x4200, (%rsp)\npopf");

struct row {
    const char *name;
    const char *code;
};
#define ROW(NAME)          \
    {                      \
#NAME, blob_##NAME \
    }

static u8 *data, *guarded;

static struct gt_frame prepared(const char *code, unsigned cpl, bool compat)
{
    struct gt_frame f = gt_context(code, cpl, compat);

    f.rdi = (u64)data;
    f.rsi = (u64)guarded;
    f.rflags |= RFLAGS_AC | RFLAGS_CF | RFLAGS_OF;
    return f;
}

/* The whole frame, with addresses made relative. */
static void print_frame(const char *name, const struct gt_frame *f)
{
    const volatile struct gt_frame *g = &gt_exc.frame;

    if (g->rip - (u64)guarded < PAGE_SIZE)
        gt_exc.delta = g->rip - (u64)guarded; /* a fetch from there */
    gt_line("%s: %s cs %lx ss %lx rflags %lx rsp %+ld", name, gt_exc_text(), g->cs, g->ss,
            g->rflags, (int64_t)(g->rsp - f->rsp));
    if (gt_exc.vector == VEC_PF && gt_exc.cr2 - (u64)guarded < PAGE_SIZE)
        gt_line("%s cr2: guarded%+ld", name, (int64_t)(gt_exc.cr2 - (u64)guarded));
}

static const char *mode_name(unsigned cpl, bool compat)
{
    return compat ? (cpl ? "compat3" : "compat0") : (cpl ? "ring3" : "ring0");
}

static void run_rows(const struct row *rows, size_t count, unsigned cpl, bool compat,
                     const char *what)
{
    char name[80];

    for (size_t i = 0; i < count; i++) {
        struct gt_frame f = prepared(rows[i].code, cpl, compat);

        gt_format(name, sizeof name, "%s.%s%s", mode_name(cpl, compat), rows[i].name, what);
        gt_enter(&f);
        print_frame(name, &f);
    }
}

static void every_mode(const struct row *rows, size_t count, const char *what)
{
    for (unsigned mode = 0; mode < 4; mode++)
        run_rows(rows, count, mode & 1 ? 3 : 0, mode & 2, what);
}

/* A fault leaves RIP at its instruction and has RF set in the frame. A trap leaves RIP behind it.
 * The error code is the selector, the gate of the vector, or 0. SDM 3A 6.13 "Error Code", SDM 3A
 * 6.15 "Exception and Interrupt Reference" */
static void simple(void)
{
    const struct row rows[] = {
        ROW(de),
        ROW(de_overflow),
        ROW(db),
        ROW(bp),
        ROW(bp2),
        ROW(of),
        ROW(of_set),
        ROW(br),
        ROW(ud),
        ROW(gp_cli),
        ROW(gp_in),
        ROW(gp_int),
        ROW(gp_selector),
        ROW(gp_null_ss),
        ROW(gp_code_as_ss),
        ROW(gp_beyond),
        ROW(gp_ldt),
        ROW(np_data),
        ROW(gp_dpl_ss),
        ROW(ss_np),
        ROW(ss_np3),
        ROW(gp_rpl),
        ROW(ss_noncanonical),
        ROW(gp_noncanonical),
        ROW(ss_limit),
        ROW(lar),
        ROW(lock),
        ROW(long),
        ROW(popf),
    };

    *(u32 *)(data + 0) = 5; /* BOUND's limits: RAX = 0 lies below */
    *(u32 *)(data + 4) = 6;
    gt_gdt[GT_FREE / 8] = gt_descriptor(0, 0xfffff, 0x13 | 0x60, 0xc); /* P = 0, DPL 3 */
    gt_gdt[GT_FREE / 8 + 1] = gt_descriptor(0, 0xfffff, 0x13, 0xc);    /* P = 0, DPL 0 */
    gt_gate(0x77, NULL, GT_CODE64, 0x0e, 0); /* INT 0x77 finds no present gate */
    every_mode(rows, ARRAY_LEN(rows), "");
    run_rows((struct row[]){ROW(gp_privileged), ROW(gp_int_gate)}, 2, 3, false, "");
    run_rows((struct row[]){ROW(gp_privileged), ROW(gp_int_gate)}, 2, 3, true, "");
    gt_gate(VEC_BP, NULL, GT_CODE64, 0x0e, 0); /* a gate that is not present */
    every_mode((struct row[]){ROW(bp)}, 1, " gate absent");
    gt_gate_default(VEC_BP);
    gt_idt[VEC_BP * 2] |= 0x60ul << 40; /* DPL 3 */
    every_mode((struct row[]){ROW(bp), ROW(bp2)}, 2, " gate dpl 3");
    gt_gate_default(VEC_BP);
}

/* An x87 instruction is #NM while TS or EM is set. An unmasked x87 error is #MF at the next
 * instruction that waits. An unmasked SIMD error is #XM, or #UD without OSXMMEXCPT. SDM 3A 6.15
 * "Exception and Interrupt Reference" */
static void floating_point(void)
{
    const struct row rows[] = {ROW(nm), ROW(mf)};
    const struct row sse[] = {ROW(xm)};
    u64 cr0 = gt_read_cr0(), cr4 = gt_read_cr4();

    gt_write_cr0((cr0 | CR0_TS) & ~CR0_EM);
    every_mode(rows, 1, " ts");
    gt_write_cr0(cr0 | CR0_EM);
    every_mode(rows, 1, " em");
    gt_write_cr0((cr0 | CR0_NE) & ~(CR0_TS | CR0_EM));
    every_mode(rows + 1, 1, " ne");
    *(u32 *)(data + 16) = 0x1d00; /* divide and invalid unmasked */
    gt_write_cr4(cr4 | CR4_OSFXSR | CR4_OSXMMEXCPT);
    every_mode(sse, 1, "");
    gt_write_cr4((cr4 | CR4_OSFXSR) & ~CR4_OSXMMEXCPT);
    every_mode(sse, 1, " no osxmmexcpt");
    gt_write_cr4(cr4);
    gt_write_cr0(cr0);
    __asm__ volatile("fninit");
    *(u32 *)(data + 16) = 0x1f80;
    __asm__ volatile("ldmxcsr %0" : : "m"(*(u32 *)(data + 16)));
}

/* Only ring 3 with AM and AC set has #AC(0). FXSAVE off its 16 bytes is #GP(0), or #AC(0) where
 * alignment is checked. SDM 3A 6.15 "Exception and Interrupt Reference" */
static void alignment(void)
{
    const struct row rows[] = {ROW(ac), ROW(ac_fxsave)};
    u64 cr0 = gt_read_cr0();

    gt_write_cr0(cr0 | CR0_AM);
    every_mode(rows, 2, " am");
    gt_write_cr0(cr0 & ~CR0_AM);
    every_mode(rows, 1, " no am");
    gt_write_cr0(cr0);
}

/* SDM 3A 4.7 "Page-Fault Exceptions": each error code bit by itself. */
static void page_faults(void)
{
    static const struct {
        const char *name;
        u64 flags;
    } ptes[] = {
        {" absent", 0},
        {" read-only", 5},
        {" supervisor", 3},
        {" supervisor read-only", 1},
        {" no-execute", 7 | 1ul << 63},
        {" reserved", 7 | 1ul << 45},
    };
    const struct row rows[] = {ROW(pf_read), ROW(pf_write), ROW(pf_rmw), ROW(pf_fetch),
                               ROW(pf_push)};
    u64 *pte = gt_map_page((u64)guarded), cr0 = gt_read_cr0(), was = *pte;

    guarded[0x40] = 0x0f; /* UD2, for the fetches that are allowed */
    guarded[0x41] = 0x0b;
    for (unsigned wp = 0; wp < 2; wp++) {
        gt_write_cr0(wp ? cr0 | CR0_WP : cr0 & ~CR0_WP);
        for (size_t i = 0; i < ARRAY_LEN(ptes); i++) {
            char what[48];

            *pte = (was & ~0xffful) | ptes[i].flags;
            gt_invlpg(guarded);
            gt_format(what, sizeof what, "%s wp %u", ptes[i].name, wp);
            every_mode(rows, ARRAY_LEN(rows), what);
        }
    }
    *pte = was;
    gt_invlpg(guarded);
    gt_write_cr0(cr0);
}

/* SMEP and SMAP: supervisor access to user pages. The test's own code must not be a user page then.
 * Under SMEP the fetch is #PF. Under SMAP the read is #PF unless AC is set. SDM 3A 4.6.1
 * "Determination of Access Rights" */
static void supervisor_protection(void)
{
    u64 cr4 = gt_read_cr4();
    bool smap = gt_cpuid(7, 0).ebx & CPUID7_EBX_SMAP;
    u32 v = 0;

    for (u64 at = 0; at < 4ul << 30; at += SIZE_2M)
        *(volatile u64 *)(gt_map_directory(at)) &= ~4ul;
    *gt_map_page((u64)guarded) |= 4;
    *gt_map_directory((u64)guarded) |= 4;
    gt_write_cr3(gt_read_cr3());
    guarded[0] = 0xc3;
    for (unsigned bits = 0; bits < (smap ? 4 : 2); bits++) {
        gt_write_cr4((cr4 & ~(CR4_SMEP | CR4_SMAP)) | (bits & 1 ? CR4_SMEP : 0) |
                     (bits & 2 ? CR4_SMAP : 0));
        gt_exc.error = 0;
        GT_TRY("call *%0", : : "r"(guarded) : GT_CLOBBERS);
        gt_line("smep %u smap %u fetch: %s(%lx)", bits & 1, bits >> 1,
                gt_exc.vector == GT_NONE ? "ok" : gt_vector_name(gt_exc.vector), gt_exc.error);
        GT_TRY("mov (%1), %0", : "=r"(v) : "r"(guarded) : GT_CLOBBERS);
        gt_line("smep %u smap %u read: %s", bits & 1, bits >> 1, gt_exc_text());
        GT_TRY(".byte 0x0f, 0x01, 0xcb\n\tmov (%1), %0\n\t.byte 0x0f, 0x01, 0xca",
               : "=r"(v)
               : "r"(guarded)
               : GT_CLOBBERS);
        gt_line("smep %u smap %u stac read: %s", bits & 1, bits >> 1, gt_exc_text());
    }
    gt_write_cr4(cr4);
}

/* A handler's own state: flags cleared on the way in, the IST stack, alignment. */
static u64 seen_flags, seen_rsp;

static bool look(struct gt_frame *f)
{
    seen_flags = gt_read_rflags();
    seen_rsp = (u64)f;
    return false;
}

/* The frame lies on the stack of the IST, else from ring 3 on RSP0, else below RSP, which is first
 * aligned to 16 bytes. TF, IF, NT and RF are clear in the handler. SDM 3A 6.14.2 "64-Bit Mode Stack
 * Frame", SDM 3A 6.14.5 "Interrupt Stack Table" */
static void stacks(void)
{
    for (unsigned ist = 0; ist < 3; ist++) {
        for (unsigned cpl = 0; cpl < 4; cpl += 3) {
            struct gt_frame f = prepared(blob_ud, cpl, false);
            u64 top = ist ? gt_tss->ist[ist - 1] : cpl ? gt_tss->rsp[0] : f.rsp & ~15ul;

            gt_hook(VEC_UD, look);
            gt_idt[VEC_UD * 2] = (gt_idt[VEC_UD * 2] & ~(7ul << 32)) | (u64)ist << 32;
            f.rsp -= 5;
            gt_enter(&f);
            gt_line("stack ist %u cpl %u: %s below top %lu handler flags %lx", ist, cpl,
                    gt_exc_text(), top - seen_rsp,
                    (u64)(seen_flags & (RFLAGS_TF | RFLAGS_IF | RFLAGS_NT | RFLAGS_RF)));
            gt_hook(VEC_UD, NULL);
        }
    }
    gt_gate_default(VEC_UD);
}

/* #UD is benign: a fault in its delivery is delivered in its place. A fault in the delivery of that
 * one is #DF(0), here on an IST, with the stack that could not be used in the frame. SDM 3A 6.15
 * "Exception and Interrupt Reference" */
static void double_faults(void)
{
    struct gt_frame f = prepared(blob_ud, 0, false);

    gt_idt[VEC_DF * 2] |= 1ul << 32;
    gt_gate(VEC_UD, NULL, GT_CODE64, 0x0e, 0);
    gt_enter(&f);
    gt_line("df, #UD gate absent: %s", gt_exc_text());
    gt_gate(VEC_NP, NULL, GT_CODE64, 0x0e, 0);
    gt_enter(&f);
    gt_line("df, #UD and #NP gates absent: %s rsp %s", gt_exc_text(),
            gt_exc.frame.rsp == f.rsp ? "kept" : "moved");
    gt_gate_default(VEC_NP);
    gt_gate_default(VEC_UD);
    f.rsp = 0x8000000000000000;
    gt_enter(&f);
    gt_line("df, non-canonical stack: %s", gt_exc_text());
    f.rsp = (u64)guarded + 16;
    *gt_map_page((u64)guarded) &= ~1ul;
    gt_invlpg(guarded);
    gt_enter(&f);
    gt_line("df, absent stack: %s cr2 guarded%+ld", gt_exc_text(),
            (int64_t)(gt_read_cr2() - (u64)guarded));
    *gt_map_page((u64)guarded) |= 1;
    gt_invlpg(guarded);
    gt_gate_default(VEC_DF);
}

TEST_MAIN(exc)
{
    data = gt_pages(2);
    guarded = gt_pages(2);
    gt_wrmsr(0xc0000080, gt_rdmsr(0xc0000080) | EFER_NXE);
    gt_device_take(); /* no timer between STI and CLI */
    gt_map_load();
    gt_load_tr();
    simple();
    floating_point();
    alignment();
    page_faults();
    stacks();
    double_faults();
    supervisor_protection();
    gt_device_give();
}
