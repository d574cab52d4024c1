/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * s3=refuse: the ACPI registers by which L1 asks for S3, at every width. What does not ask for S3
 * works as bare. What does is tried under Nidus alone, as the bare machine would go: the program
 * lives on, and the machine has woken up until L1 clears that.
 *
 * Right: WAK_STS is set by a wake-up and cleared by writing 1; SLP_TYP reads back, SLP_EN reads 0.
 * A write of no S3 is L1's own. SDM 3C 28.2.1 "Basic VM-Exit Information"
 */
#include "guest-tests/lib/gt.h"

enum {
    STATUS = 0xb000, /* as in tools/rig/tables.c, which also says that S3 is type 1 */
    CONTROL = 0xb004,
    S3 = 1 << 10,
    OTHER = 5 << 10,
    ENABLE = 1 << 13,
    WAKE = 1 << 15,
};

static u32 in(u16 port, u32 size)
{
    u32 v = 0;

    if (size == 1)
        v = gt_inb(port);
    else if (size == 2)
        __asm__ volatile("inw %w1, %w0" : "+a"(v) : "Nd"(port));
    else
        __asm__ volatile("inl %w1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

static void out(u16 port, u32 size, u32 v)
{
    if (size == 1)
        gt_outb(port, (u8)v);
    else if (size == 2)
        __asm__ volatile("outw %w0, %w1" : : "a"(v), "Nd"(port));
    else
        __asm__ volatile("outl %0, %w1" : : "a"(v), "Nd"(port));
}

static bool awake(void)
{
    return (in(STATUS, 2) & WAKE) != 0;
}

/* RAX beyond the width stays as it was. */
static void widths(void)
{
    u64 rax = ~0ul;

    __asm__ volatile("inb %w1, %b0" : "+a"(rax) : "d"(CONTROL + 1));
    gt_line("in.byte: %lx", rax & ~0xfful);
    rax = ~0ul;
    __asm__ volatile("inw %w1, %w0" : "+a"(rax) : "d"(CONTROL));
    gt_line("in.word: %lx", rax & ~0xfffful);
    rax = ~0ul;
    __asm__ volatile("inl %w1, %k0" : "+a"(rax) : "d"(CONTROL));
    gt_line("in.dword: %lx", rax >> 32);
}

static void passes(void)
{
    u32 old = in(CONTROL, 2);

    out(CONTROL, 2, (old & 1) | OTHER);
    gt_line("passes.other type: %x", in(CONTROL, 2) & 0x3c00);
    out(CONTROL, 2, (old & 1) | OTHER | ENABLE);
    gt_line("passes.other type enabled: %x", in(CONTROL, 2) & 0x3c00);
    out(CONTROL, 2, (old & 1) | S3);
    gt_line("passes.type alone: %x", in(CONTROL, 2) & 0x3c00);
    out(CONTROL, 4, (old & 1) | OTHER);
    gt_line("passes.dword: %x", in(CONTROL, 2) & 0x3c00);
    out(CONTROL, 2, old);
    gt_line("passes.awake: %u", awake());
}

static void refused(const char *how, u16 port, u32 size, u32 v)
{
    if (gt_under_nidus()) {
        gt_check(!awake(), "%s: asleep before", how);
        out(port, size, v);
        gt_check(awake(), "%s: woken", how);
        out(STATUS, 2, 0);
        gt_check(awake(), "%s: still", how);
        out(STATUS, 2, WAKE);
        gt_check(!awake(), "%s: cleared", how);
    }
    gt_line("refused.%s: lives", how);
}

static void strings(void)
{
    static u16 words[2] = {S3 | ENABLE, S3 | ENABLE};
    u64 count = 2;
    const u16 *from = words;

    if (gt_under_nidus()) {
        __asm__ volatile("rep outsw" : "+c"(count), "+S"(from) : "d"(CONTROL) : "memory");
        gt_check(count == 0, "rep outsw: over at once");
    }
    gt_line("refused.rep outsw: lives");
}

TEST_MAIN(sleep)
{
    widths();
    passes();
    refused("word", CONTROL, 2, S3 | ENABLE);
    refused("dword", CONTROL, 4, S3 | ENABLE);
    refused("byte", CONTROL + 1, 1, (S3 | ENABLE) >> 8);
    refused("across", CONTROL - 2, 4, (u32)(S3 | ENABLE) << 16);
    refused("all but S3", CONTROL, 2, S3 | ENABLE | 1 << 9);
    strings();
}
