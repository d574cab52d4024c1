/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Control registers: each bit of CR0, CR3, CR4, CR8, EFER and XCR0 changed by itself, the
 * illegal combinations, and what reads back. Everything is restored after each case. CR4.VMXE
 * and SMXE stand on lines of their own: whether they may be set depends on what CPUID shows.
 */
#include "guest-tests/lib/gt.h"
#include "hv/arch/cpu.h"

enum { XCR0_X87 = 1, XCR0_SSE = 2, XCR0_AVX = 4 };

static const char *write_cr0(u64 v)
{
    GT_TRY("mov %0, %%cr0", : : "r"(v) : GT_CLOBBERS);
    return gt_exc_text();
}

static const char *write_cr3(u64 v)
{
    GT_TRY("mov %0, %%cr3", : : "r"(v) : GT_CLOBBERS);
    return gt_exc_text();
}

static const char *write_cr4(u64 v)
{
    GT_TRY("mov %0, %%cr4", : : "r"(v) : GT_CLOBBERS);
    return gt_exc_text();
}

static const char *write_cr8(u64 v)
{
    GT_TRY("mov %0, %%cr8", : : "r"(v) : GT_CLOBBERS);
    return gt_exc_text();
}

/* SDM 3A 2.5 "Control Registers": with NW=1 and CD=0, PG=1 and PE=0, or L=1 and PG=0: #GP. */
static void cr0_bits(void)
{
    u64 old = gt_read_cr0();

    gt_line("cr0: %lx", old);
    for (unsigned bit = 0; bit < 64; bit++) {
        const char *what = write_cr0(old ^ 1ul << bit);
        u64 now = gt_read_cr0();

        gt_write_cr0(old);
        gt_line("cr0 bit %u: %s reads %lx then %lx", bit, what, now, gt_read_cr0());
    }
}

/* The same rules over several bits at once. A bit above 31 is #GP(0). SMSW stores what MOV reads.
 * SDM 3A 2.5 "Control Registers" */
static void cr0_combinations(void)
{
    u64 old = gt_read_cr0();
    static const u64 values[] = {
        0,
        CR0_PE,
        CR0_PG,
        CR0_PE | CR0_PG,
        CR0_PE | CR0_PG | CR0_NE,
        CR0_PE | CR0_PG | CR0_NW,
        CR0_PE | CR0_PG | CR0_NW | CR0_CD,
        CR0_PE | CR0_PG | CR0_CD,
        CR0_PE | CR0_PG | CR0_NE | CR0_ET | CR0_WP | CR0_AM | CR0_TS | CR0_EM | CR0_MP,
        0xffffffff,
        0x1ffffffff,
    };

    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        const char *what = write_cr0(values[i]);
        u64 now = gt_read_cr0(), smsw;

        __asm__ volatile("smsw %0" : "=r"(smsw));
        gt_write_cr0(old);
        gt_line("cr0=%lx: %s reads %lx smsw %lx", values[i], what, now, smsw);
    }
    for (unsigned i = 0; i < 48; i++) {
        u64 v = (old ^ (gt_rand() & 0xe005003f)) & 0xffffffff;
        const char *what = write_cr0(v);
        u64 now = gt_read_cr0();

        gt_write_cr0(old);
        gt_line("cr0 random %lx: %s reads %lx", v, what, now);
    }
}

/* LMSW reaches PE, MP, EM and TS, and cannot clear PE. CLTS clears TS alone. SDM 2A 3.3
 * "Instructions (A-L)" */
static void lmsw_and_clts(void)
{
    u64 old = gt_read_cr0(), value = 0;

    for (u32 v = 0; v < 16; v++) {
        GT_TRY("lmsw %w0", : : "r"(v) : GT_CLOBBERS);
        u64 now = gt_read_cr0();

        __asm__ volatile("clts");
        gt_line("lmsw %x: %s reads %lx clts %lx", v, gt_exc_text(), now, gt_read_cr0());
        gt_write_cr0(old);
    }
    GT_TRY("lmsw %0", : : "m"(value) : GT_CLOBBERS);
    gt_line("lmsw memory: %s reads %lx", gt_exc_text(), gt_read_cr0());
    gt_write_cr0(old);
    value = ~0ul;
    __asm__ volatile("smsw %0" : "+m"(*(u16 *)&value));
    gt_line("smsw memory: %lx", value);
}

/* Linear-address-space separation: where a processor has it, the instruction behind the MOV could
 * not be fetched any more, nor a handler, as this program lies in the lower half. SDM 3A 2.5
 * "Control Registers" */
static bool ends_us(unsigned bit)
{
    return bit == 27;
}

static bool stands_alone(unsigned bit)
{
    return (1ul << bit & (CR4_VMXE | CR4_SMXE)) != 0;
}

/* A reserved bit, a bit whose feature CPUID does not show, and PAE cleared in IA-32e mode are
 * #GP(0), and CR4 stays as it was. SDM 3A 2.5 "Control Registers" */
static void cr4_bits(void)
{
    u64 old = gt_read_cr4();

    gt_line("cr4: %lx", old);
    for (unsigned bit = 0; bit < 64; bit++) {
        if (ends_us(bit))
            continue;
        const char *what = write_cr4(old ^ 1ul << bit);
        u64 now = gt_read_cr4();

        gt_write_cr4(old);
        gt_line("cr4%s bit %u: %s reads %lx then %lx", stands_alone(bit) ? ".owned" : "", bit, what,
                now, gt_read_cr4());
    }
    for (unsigned i = 0; i < 64; i++) {
        u64 v = (old ^ (gt_rand() & 0x3717ff)) & ~CR4_VMXE;
        const char *what = write_cr4(v);
        u64 now = gt_read_cr4();

        gt_write_cr4(old);
        gt_line("cr4 random %lx: %s reads %lx", v, what, now);
    }
}

/* SDM 3A 4.10.1 "Process-Context Identifiers (PCIDs)": CR4.PCIDE needs CR3[11:0] = 0 when it is
 * set. While PCIDE is 1, clearing PG is #GP(0), and bit 63 of CR3 is no part of what is stored. SDM
 * 2B 4.3 "Instructions (M-U)" */
static void cr3_and_pcid(void)
{
    u64 cr3 = gt_read_cr3(), cr4 = gt_read_cr4();

    for (unsigned bit = 0; bit < 12; bit++) {
        const char *what = write_cr3(cr3 ^ 1ul << bit);
        u64 now = gt_read_cr3();

        gt_line("cr3 bit %u: %s changed %lx", bit, what, now ^ cr3);
        gt_line("cr3 bit %u, pcide: %s", bit, write_cr4(cr4 | CR4_PCIDE));
        gt_write_cr4(cr4);
        gt_write_cr3(cr3);
    }
    for (unsigned bit = 40; bit < 64; bit++) { /* below, L1 would go on in other tables */
        const char *what = write_cr3(cr3 | 1ul << bit);

        gt_line("cr3 bit %u: %s changed %lx", bit, what, gt_read_cr3() ^ cr3);
        gt_write_cr3(cr3);
    }
    write_cr4(cr4 | CR4_PCIDE);
    gt_line("pcide: cr4 %lx", gt_read_cr4() ^ cr4);
    gt_line("pcide, cr3 pcid 5: %s", write_cr3(cr3 | 5));
    gt_line("pcide, cr3 pcid: %lx", gt_read_cr3() ^ cr3);
    gt_line("pcide, cr3 bit 63: %s", write_cr3(cr3 | 1ul << 63 | 7));
    gt_line("pcide, cr3 bit 63: reads %lx", gt_read_cr3() ^ cr3);
    gt_line("pcide, cr3 bit 62: %s", write_cr3(cr3 | 1ul << 62));
    gt_write_cr3(cr3);
    gt_line("pcide, pg clear: %s", write_cr0(gt_read_cr0() & ~CR0_PG));
    gt_write_cr4(cr4);
}

/* CR8 has four bits. A write that sets another one is #GP(0). SDM 3A 2.5 "Control Registers" */
static void cr8_values(void)
{
    u64 old = gt_read_cr8();

    for (u64 v = 0; v < 18; v++) {
        const char *what = write_cr8(v);
        gt_line("cr8=%lx: %s reads %lx", v, what, gt_read_cr8());
    }
    for (unsigned bit = 4; bit < 64; bit += 4)
        gt_line("cr8 bit %u: %s", bit, write_cr8(1ul << bit));
    gt_write_cr8(old);
}

/* MOV to and from the control registers that do not exist is #UD, and so is a MOV with LOCK. The
 * moves are 0f 20 /r and 0f 22 /r. SDM 2B 4.3 "Instructions (M-U)" */
static void absent_registers(void)
{
    GT_TRY(".byte 0x0f, 0x20, 0xc8", : : : "rax", GT_CLOBBERS);
    gt_line("read cr1: %s", gt_exc_text());
    GT_TRY(".byte 0x0f, 0x20, 0xe8", : : : "rax", GT_CLOBBERS);
    gt_line("read cr5: %s", gt_exc_text());
    GT_TRY(".byte 0x0f, 0x20, 0xf8", : : : "rax", GT_CLOBBERS);
    gt_line("read cr7: %s", gt_exc_text());
    GT_TRY(".byte 0x44, 0x0f, 0x20, 0xc8", : : : "rax", GT_CLOBBERS);
    gt_line("read cr9: %s", gt_exc_text());
    GT_TRY(".byte 0x0f, 0x22, 0xc8", : : : GT_CLOBBERS);
    gt_line("write cr1: %s", gt_exc_text());
    GT_TRY(".byte 0x44, 0x0f, 0x22, 0xf8", : : : GT_CLOBBERS);
    gt_line("write cr15: %s", gt_exc_text());
    GT_TRY(".byte 0xf0, 0x0f, 0x20, 0xc0", : : : "rax", GT_CLOBBERS);
    gt_line("lock read cr0: %s", gt_exc_text());
}

static const char *try_xsetbv(u32 index, u64 v)
{
    GT_TRY("xsetbv", : : "c"(index), "a"((u32)v), "d"((u32)(v >> 32)) : GT_CLOBBERS);
    return gt_exc_text();
}

/* Without OSXSAVE, or with a prefix, XSETBV is #UD. XCR0 always has x87, has AVX only with SSE, and
 * has no bit that the processor lacks: else XSETBV is #GP(0). XSETBV of another register is #GP(0)
 * too. SDM 1 13.3 "Enabling the XSAVE Feature Set and XSAVE-Enabled Features" */
static void xcr0_values(void)
{
    u64 cr4 = gt_read_cr4(), old;
    u32 lo = 0, hi = 0;

    gt_write_cr4(cr4 & ~CR4_OSXSAVE);
    gt_line("xsetbv without osxsave: %s", try_xsetbv(0, 1));
    gt_line("xsetbv(1) without osxsave: %s", try_xsetbv(1, 1));
    GT_TRY("xgetbv", : "=a"(lo), "=d"(hi) : "c"(0) : GT_CLOBBERS);
    gt_line("xgetbv without osxsave: %s", gt_exc_text());
    gt_write_cr4(cr4 | CR4_OSXSAVE);
    old = gt_xgetbv(0);
    gt_line("xcr0: %lx", old);
    for (u64 v = 0; v < 32; v++) {
        const char *what = try_xsetbv(0, v);
        gt_line("xcr0=%lx: %s reads %lx", v, what, gt_xgetbv(0));
        gt_xsetbv(0, old);
    }
    for (unsigned bit = 5; bit < 64; bit++)
        gt_line("xcr0 bit %u: %s", bit, try_xsetbv(0, 1ul << bit | XCR0_X87 | XCR0_SSE));
    for (u32 index = 1; index < 4; index++) {
        gt_line("xsetbv(%x): %s", index, try_xsetbv(index, 1));
        GT_TRY("xgetbv", : "=a"(lo), "=d"(hi) : "c"(index) : GT_CLOBBERS);
        gt_line("xgetbv(%x): %s", index, gt_exc_text());
    }
    gt_line("xsetbv(80000000): %s", try_xsetbv(0x80000000, 1));
    gt_line("xsetbv(ffffffff): %s", try_xsetbv(0xffffffff, 7));
    GT_TRY(".byte 0xf0\n\txsetbv", : : "c"(0), "a"(1), "d"(0) : GT_CLOBBERS);
    gt_line("lock xsetbv: %s", gt_exc_text());
    GT_TRY(".byte 0x66\n\txsetbv", : : "c"(0), "a"(1), "d"(0) : GT_CLOBBERS);
    gt_line("66 xsetbv: %s", gt_exc_text());
    gt_xsetbv(0, old);
    gt_write_cr4(cr4);
}

/* XSETBV in the upper halves of RAX, RCX and RDX: ignored. SDM 2D 6.1 "Instructions (W-Z)" */
static void xsetbv_registers(void)
{
    u64 cr4 = gt_read_cr4(), old;

    gt_write_cr4(cr4 | CR4_OSXSAVE);
    old = gt_xgetbv(0);
    GT_TRY("xsetbv",
           :
           : "c"(0xffffffff00000000ul), "a"(0xffffffff00000007ul), "d"(0xffffffff00000000ul)
           : GT_CLOBBERS);
    gt_line("xsetbv upper halves: %s reads %lx", gt_exc_text(), gt_xgetbv(0));
    gt_xsetbv(0, old);
    gt_write_cr4(cr4);
}

/* Above ring 0 each is #GP(0), but for SMSW without UMIP and for XGETBV. Without OSXSAVE XSETBV and
 * XGETBV are #UD. SDM 3A 5.9 "Privileged Instructions" */
static void user_mode(void)
{
    static const struct {
        const char *name;
        u8 code[8];
    } rows[] = {
        {"mov cr0, rax", {0x0f, 0x22, 0xc0, 0x0f, 0x0b}},
        {"mov rax, cr0", {0x0f, 0x20, 0xc0, 0x0f, 0x0b}},
        {"mov cr4, rax", {0x0f, 0x22, 0xe0, 0x0f, 0x0b}},
        {"mov rax, cr8", {0x44, 0x0f, 0x20, 0xc0, 0x0f, 0x0b}},
        {"clts", {0x0f, 0x06, 0x0f, 0x0b}},
        {"lmsw ax", {0x0f, 0x01, 0xf0, 0x0f, 0x0b}},
        {"smsw eax", {0x0f, 0x01, 0xe0, 0x0f, 0x0b}},
        {"xsetbv", {0x0f, 0x01, 0xd1, 0x0f, 0x0b}},
        {"xgetbv", {0x0f, 0x01, 0xd0, 0x0f, 0x0b}},
    };
    u64 cr0 = gt_read_cr0(), cr4 = gt_read_cr4();
    struct gt_frame f;

    gt_map_load();
    gt_load_tr();
    for (unsigned osxsave = 0; osxsave < 2; osxsave++) {
        gt_write_cr4(osxsave ? cr4 | CR4_OSXSAVE : cr4 & ~CR4_OSXSAVE);
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
            f = gt_context(rows[i].code, 3, false);
            f.rax = rows[i].code[2] == 0xd1 ? 1 : cr0; /* XSETBV of a legal value */
            gt_enter(&f);
            gt_line("cpl 3 osxsave %u %s: %s", osxsave, rows[i].name, gt_exc_text());
        }
    }
    gt_write_cr4(cr4);
}

TEST_MAIN(cr)
{
    cr0_bits();
    cr0_combinations();
    lmsw_and_clts();
    cr4_bits();
    cr3_and_pcid();
    cr8_values();
    absent_registers();
    xcr0_values();
    xsetbv_registers();
    user_mode();
}
