/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Port I/O: every width and form against devices whose answer does not depend on time, ports
 * where nothing is, string I/O with counts, directions and faults in the middle, and the two
 * ways ring 3 gets at ports. L1 owns its devices, so nothing here may change under Nidus.
 */
#include "guest-tests/lib/gt.h"
#include "hv/arch/cpu.h"

enum {
    PORT_PIC1 = 0x21,
    PORT_PIC2 = 0xa1,
    PORT_PIT0 = 0x40,
    PORT_PIT_MODE = 0x43,
    PORT_DELAY = 0x80,
    PORT_CMOS = 0x70,
    PORT_PCI_ADDRESS = 0xcf8,
    PORT_PCI_DATA = 0xcfc,
    PORT_NOTHING = 0x5a0,
};

static u8 *data;

/* A mask reads back as it was written. */
static void pic(void)
{
    u8 one = gt_inb(PORT_PIC1), two = gt_inb(PORT_PIC2);

    for (unsigned v = 0; v < 256; v += 51) {
        gt_outb(PORT_PIC1, (u8)v);
        gt_outb(PORT_PIC2, (u8)~v);
        gt_line("pic %x: %x %x word %x", v, gt_inb(PORT_PIC1), gt_inb(PORT_PIC2),
                gt_inw(PORT_PIC1) & 0xff);
    }
    gt_outb(PORT_PIC1, one);
    gt_outb(PORT_PIC2, two);
}

/* The read-back command latches the mode, which does not move; the count is only known to move.
 */
static void pit(void)
{
    for (unsigned channel = 0; channel < 3; channel++) {
        gt_outb(PORT_PIT_MODE, (u8)(0xe0 | 2u << channel));
        gt_line("pit %u: mode %x", channel, gt_inb((u16)(PORT_PIT0 + channel)) & 0x3f);
    }
}

/* A register reads as the firmware left it. */
static void cmos(void)
{
    static const u8 registers[] = {0x0b, 0x0d, 0x0e, 0x0f, 0x14, 0x15,
                                   0x16, 0x30, 0x31, 0x34, 0x35};

    for (size_t i = 0; i < ARRAY_LEN(registers); i++) {
        gt_outb(PORT_CMOS, registers[i]);
        gt_line("cmos %x: %x", registers[i], gt_inb(PORT_CMOS + 1));
    }
    gt_outb(PORT_CMOS, 0x0f);
    gt_outw(PORT_CMOS, 0xa50f);
    gt_outb(PORT_CMOS, 0x0f);
    gt_line("cmos word write: %x", gt_inb(PORT_CMOS + 1));
    gt_outw(PORT_CMOS, 0x000f);
}

/* Each width shows its part of the register. A device that is absent reads as all ones. SDM 1 19.3
 * "I/O Address Space" */
static void pci(void)
{
    for (u32 offset = 0; offset < 12; offset += 4) {
        u16 words[2];

        gt_outl(PORT_PCI_ADDRESS, 0x80000000 | offset);
        words[0] = gt_inw(PORT_PCI_DATA);
        words[1] = gt_inw(PORT_PCI_DATA + 2);
        gt_line("pci %x: address %x dword %x words %x %x bytes %x %x %x %x", offset,
                gt_inl(PORT_PCI_ADDRESS), gt_inl(PORT_PCI_DATA), words[0], words[1],
                gt_inb(PORT_PCI_DATA), gt_inb(PORT_PCI_DATA + 1), gt_inb(PORT_PCI_DATA + 2),
                gt_inb(PORT_PCI_DATA + 3));
    }
    gt_outl(PORT_PCI_ADDRESS, 0x80000000);
    gt_line("pci unaligned: %x %x", gt_inw(PORT_PCI_DATA + 1), gt_inl(PORT_PCI_DATA + 1));
    gt_outl(PORT_PCI_ADDRESS, 0x8000f800);
    gt_line("pci absent: %x", gt_inl(PORT_PCI_DATA));
}

/* A port without a device reads as all ones in every width, and drops writes. */
static void nothing(void)
{
    gt_outb(PORT_NOTHING, 1);
    gt_outw(PORT_NOTHING, 2);
    gt_outl(PORT_NOTHING, 3);
    gt_line("nothing: %x %x %x", gt_inb(PORT_NOTHING), gt_inw(PORT_NOTHING), gt_inl(PORT_NOTHING));
    gt_line("wrap: %x %x", gt_inw(0xffff), gt_inl(0xfffe));
    gt_line("unaligned: %x %x", gt_inw(PORT_NOTHING + 1), gt_inl(PORT_NOTHING + 3));
}

/* IN changes AL or AX only, and zero-extends from EAX. SDM 1 3.4.1.1 "General-Purpose Registers in
 * 64-Bit Mode" */
static void registers(void)
{
    u64 al = ~0ul, ax = ~0ul, eax = ~0ul;

    gt_outl(PORT_PCI_ADDRESS, 0x80000000);
    __asm__ volatile("inb %%dx, %%al" : "+a"(al) : "d"(PORT_PCI_DATA));
    __asm__ volatile("inw %%dx, %%ax" : "+a"(ax) : "d"(PORT_PCI_DATA));
    __asm__ volatile("inl %%dx, %%eax" : "+a"(eax) : "d"(PORT_PCI_DATA));
    gt_line("registers: %lx %lx %lx", al, ax, eax);
}

struct string_state {
    u64 rcx, rsi, rdi;
};

#define STRING(NAME, INSN)                                                               \
    static struct string_state NAME(u16 port, u64 count, void *at) {                     \
        struct string_state s = {count, (u64)at, (u64)at};                               \
        GT_TRY(INSN, : "+c"(s.rcx), "+S"(s.rsi), "+D"(s.rdi) : "d"(port) : GT_CLOBBERS); \
        return s;                                                                        \
    }
STRING(rep_insb, "rep insb")
STRING(rep_insw, "rep insw")
STRING(rep_insl, "rep insl")
STRING(rep_outsb, "rep outsb")
STRING(rep_outsl, "rep outsl")
STRING(one_insb, "insb")
STRING(one_outsw, "outsw")
STRING(down_insb, "std\n\trep insb\n\tcld")

static void string_line(const char *name, struct string_state s, const void *at)
{
    const u32 *words = (const u32 *)data;

    gt_line("%s: %s rcx %lx rsi %+ld rdi %+ld data %x %x %x", name, gt_exc_text(), s.rcx,
            (int64_t)(s.rsi - (u64)at), (int64_t)(s.rdi - (u64)at), words[0], words[1], words[2]);
    SetMem(data, 64, 0x55);
}

/* Each turn of REP takes one off RCX and moves RSI or RDI by the width, downwards with DF set. A
 * fault leaves the registers as the turn found them that failed. SDM 2B 4.3 "Instructions (M-U)" */
static void strings(void)
{
    u8 *edge = data + 8192 - 4; /* the third page is absent */

    SetMem(data, 64, 0x55);
    gt_outl(PORT_PCI_ADDRESS, 0x80000000);
    string_line("rep insb", rep_insb(PORT_PCI_DATA, 3, data), data);
    string_line("rep insw", rep_insw(PORT_PCI_DATA, 3, data), data);
    string_line("rep insl", rep_insl(PORT_PCI_DATA, 2, data), data);
    string_line("rep insb none", rep_insb(PORT_PCI_DATA, 0, data), data);
    string_line("insb", one_insb(PORT_PCI_DATA, 7, data), data);
    string_line("rep insb down", down_insb(PORT_PCI_DATA, 3, data + 4), data + 4);
    string_line("rep outsb", rep_outsb(PORT_DELAY, 5, data), data);
    string_line("rep outsl", rep_outsl(PORT_DELAY, 5, data), data);
    string_line("outsw", one_outsw(PORT_DELAY, 5, data), data);
    string_line("rep insl into absent page", rep_insl(PORT_PCI_DATA, 3, edge), edge);
    string_line("rep insw across the edge", rep_insw(PORT_PCI_DATA, 4, edge - 1), edge - 1);
    string_line("rep outsb from absent page", rep_outsb(PORT_DELAY, 9, edge), edge);
    *(u32 *)data = 0x80000004;
    string_line("outsl to the address register", rep_outsl(PORT_PCI_ADDRESS, 1, data), data);
    gt_line("pci address: %x", gt_inl(PORT_PCI_ADDRESS));
}

/* Ring 3: IOPL 3 opens all ports, else the TSS's bitmap; SDM 1 19.5.2 "I/O Permission Bit Map".
 */
static void permission(void)
{
    static const u8 code[] = {0xe4, 0x61, 0x0f, 0x0b};       /* in al, 0x61 */
    static const u8 wide[] = {0x66, 0xe5, 0x61, 0x0f, 0x0b}; /* in ax, 0x61 */
    u8 *bitmap = (u8 *)gt_tss + sizeof *gt_tss;

    for (unsigned i = 0; i < 8; i++) {
        struct gt_frame f = gt_context(i & 1 ? wide : code, 3, i & 2);

        f.rflags |= i & 4 ? RFLAGS_IOPL : 0;
        gt_enter(&f);
        gt_line("ring 3 %s compat %u iopl %u: %s", i & 1 ? "word" : "byte", i >> 1 & 1,
                i & 4 ? 3 : 0, gt_exc_text());
    }
    SetMem(bitmap, 32, 0);
    bitmap[0x62 / 8] = 1 << (0x62 % 8);
    gt_load_tr_limit(0xff);
    for (unsigned i = 0; i < 2; i++) {
        struct gt_frame f = gt_context(i & 1 ? wide : code, 3, false);

        gt_enter(&f);
        gt_line("ring 3 %s bitmap: %s", i & 1 ? "word" : "byte", gt_exc_text());
    }
}

TEST_MAIN(io)
{
    data = gt_pages(3);
    gt_map_load();
    gt_load_tr();
    *gt_map_page((u64)data + 8192) = 0;
    gt_invlpg(data + 8192);
    pic();
    pit();
    cmos();
    pci();
    nothing();
    registers();
    strings();
    permission();
}
