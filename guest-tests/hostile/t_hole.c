/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hole: every page of Nidus's memory read, written and otherwise used by L1, while L0 goes
 * on answering. Behind it stands one page, the sink: what is written to one of its pages shows
 * in all, and nothing that was there before shows anywhere. The lines of a bare run, whose
 * block is ordinary memory, are what a contained run must say.
 */
#include "guest-tests/lib/gt_hole.h"
#include "hv/arch/cpu.h"
#include "hv/arch/cpuid_bits.h"

static struct gt_hole hole;

static volatile u64 *word(u64 page, u64 at)
{
    return (volatile u64 *)(hole.base + page * PAGE_SIZE + at);
}

/* CPUID answers as before: no use of the hole may change L0 or stop it. SDM 2A 3.3 "Instructions
 * (A-L)" */
static void l0_answers(const char *after)
{
    struct gt_cpuid before = gt_cpuid(1, 0), now;
    unsigned bad = 0;

    for (unsigned i = 0; i < 50; i++) {
        now = gt_cpuid(1, 0);
        bad += now.eax != before.eax || now.ecx != before.ecx;
    }
    gt_line("%s: cpuid %s", after, bad ? "wrong" : "ok");
}

/* How many pages of its memory Nidus has counted as touched on this processor; when no Nidus
 * counts, or one inside another and L1 may have found the outer one's memory, `expected`. */
static u64 counted(u64 expected)
{
    if (!hole.real || gt_cpuid(LEAF_NIDUS_VERSION, 0).ebx != 0)
        return expected;
    return gt_cpuid(LEAF_NIDUS_EXITS, 0).ebx;
}

/* Memory beside the hole, and the upper half of all addresses, where newer machines have devices
 * (with 40 bits, 512 GiB and above): L0 maps that at its first use, too. */
static void read_others(void)
{
    u64 *pde = gt_map_directory(0xc0000000), was = *pde;
    u64 half = 1ul << ((gt_cpuid(0x80000008, 0).eax & 0xff) - 1);

    (void)*(volatile u64 *)(hole.base - 8);
    (void)*(volatile u64 *)(hole.base + hole.size);
    *pde = half | 0x87;
    gt_write_cr3(gt_read_cr3());
    gt_line("count: above memory %lx", *(volatile u64 *)0xc0000000ul);
    *pde = was;
    gt_write_cr3(gt_read_cr3());
}

/* A page counts when L1 touches it first, whatever the access; L0's memory alone counts. The count
 * is what a stranger is told of an operating system that looks there. */
static void count(void)
{
    u64 pages = hole.size / PAGE_SIZE, at;

    gt_hole_untouch();
    at = counted(0);
    read_others();
    gt_line("count: others %lu", counted(at) - at);
    (void)*word(9, 0x100);
    gt_line("count: read %lu", counted(at + 1) - at);
    *word(9, 0x200) = 1;
    gt_line("count: the same page %lu", counted(at + 1) - at);
    *word(10, 0) = 2;
    gt_line("count: written %lu", counted(at + 2) - at);
    for (u64 page = 0; page < pages; page++)
        (void)*word(page, 0);
    gt_line("count: missing of all %lu", at + pages - counted(at + pages));
    gt_hole_untouched();
}

/* Nothing of L0 shows: before the first write every page reads the same. */
static void read_all(void)
{
    u64 pages = hole.size / PAGE_SIZE;
    unsigned differ = 0;

    for (u64 page = 0; page < pages; page++)
        for (u64 at = 0; at < PAGE_SIZE; at += 64)
            differ += hole.real && *word(page, at) != *word(0, at);
    gt_line("read: words that differ between pages %u", differ);
    l0_answers("read");
}

/* A write to one page shows in all of them. It must not reach the memory of L0. */
static void write_all(void)
{
    u64 pages = hole.size / PAGE_SIZE;
    unsigned wrong = 0;

    for (u64 page = 0; page < pages; page++) {
        u64 at = page * 8 % PAGE_SIZE;

        *word(page, at) = ~page;
        wrong += *word(page, at) != ~page;
        if (hole.real)
            wrong += *word(pages - 1 - page, at) != ~page;
    }
    gt_line("write: words that did not reach the sink %u", wrong);
    l0_answers("write");
    for (u64 page = 0; page < pages; page++)
        for (u64 at = 0; at < PAGE_SIZE; at += 8)
            *word(page, at) = 0xccccccccccccccccul;
    gt_line("fill: %lx", *word(pages / 2, 0x800));
    l0_answers("fill");
}

/* Other kinds of access: locked, string, across the edges. Each does what it does in ordinary
 * memory. None may reach L0. */
static void accesses(void)
{
    u64 pages = hole.size / PAGE_SIZE, sum = 0;
    void *from = (void *)hole.base, *to = (void *)word(pages - 1, 0);
    u64 count = PAGE_SIZE / 8;

    *word(0, 0x10) = 5;
    __asm__ volatile("lock incq (%0)" : : "r"(word(0, 0x10)) : "memory", "cc");
    gt_line("lock inc: %lx", *word(0, 0x10));
    *word(0, 0x18) = 0;
    __asm__ volatile("lock cmpxchg16b (%4)"
                     : "=a"(sum), "=d"(count)
                     : "a"(1ul), "d"(2ul), "r"(word(0, 0x20)), "b"(3ul), "c"(4ul)
                     : "memory", "cc");
    gt_line("cmpxchg16b: %lx %lx", sum, count);
    count = PAGE_SIZE / 8;
    __asm__ volatile("rep movsq" : "+S"(from), "+D"(to), "+c"(count) : : "memory");
    gt_line("rep movs: left %lx first %lx", count, *word(pages - 1, 0x10));
    *word(0, 0xffc) = 0x1122334455667788ul; /* into the next page */
    gt_line("across pages: %lx", *word(0, 0xffc) & 0xffffffff);
    l0_answers("accesses");
}

/* The CPU's own accesses: descriptor tables and page tables that lie in the hole. The
 * load and the walk succeed, and the walk sets the accessed flag. Neither may reach L0. SDM 3A 4.8
 * "Accessed and Dirty Flags" */
static void structures(void)
{
    struct gt_table_register gdtr = gt_sgdt();
    volatile u64 *table = word(3, 0);
    u8 *target = gt_pages(1), seen;
    u64 *pde;
    u16 ds;

    CopyMem((void *)word(1, 0), gt_gdt, GT_GDT_SIZE);
    gt_lgdt((struct gt_table_register){GT_GDT_SIZE - 1, (u64)word(1, 0)});
    __asm__ volatile("mov %w1, %%ds\n\tmov %%ds, %w0" : "=r"(ds) : "r"(GT_DATA) : "memory");
    gt_lgdt(gdtr);
    gt_line("gdt in the hole: ds %x", ds);

    target[5] = 0xa7;
    pde = gt_map_directory(0xc0000000);
    for (unsigned i = 0; i < 512; i++)
        table[i] = (u64)target | 7;
    *pde = (u64)table | 7;
    gt_write_cr3(gt_read_cr3());
    seen = *(volatile u8 *)0xc0007005ul;
    gt_line("page table in the hole: %x accessed %lx", seen, table[7] >> 5 & 1);
    *pde = 0xc0000087;
    gt_write_cr3(gt_read_cr3());
    l0_answers("structures");
}

/* Fetching from it: RET returns or the fetch is refused; either way nobody hangs. */
static void execute(void)
{
    for (u64 page = 0; page < hole.size / PAGE_SIZE; page += 37) {
        *(volatile u8 *)word(page, 0x40) = 0xc3;
        GT_TRY("call *%0", : : "r"(word(page, 0x40)) : GT_CLOBBERS);
    }
    gt_line("fetch: %s", gt_exc_text());
    l0_answers("fetch");
}

/* The page before and the page behind are L1's own. */
static void neighbours(void)
{
    volatile u64 *before = (volatile u64 *)(hole.base - 8);
    volatile u64 *behind = (volatile u64 *)(hole.base + hole.size);
    u64 was[2] = {*before, *behind};

    *word(0, 0) = 0x5555;
    gt_line("neighbours: %s", *before == was[0] && *behind == was[1] ? "untouched" : "changed");
}

TEST_MAIN(hole)
{
    gt_map_load();
    gt_hole_find(&hole);
    read_all();
    count();
    write_all();
    accesses();
    structures();
    execute();
    neighbours();
}
