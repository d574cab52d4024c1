/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page tables with address bits at and above MAXPHYADDR, as CPUID tells it: a page fault with the
 * reserved bit, for every kind of access, in a leaf and in an entry above. Bits are counted from
 * MAXPHYADDR, as that is what a hypervisor may show smaller than the CPU's.
 *
 * Right: Each access is #PF with the RSVD bit in its error code. SDM 3A 4.7 "Page-Fault
 * Exceptions"
 */
#include "guest-tests/lib/gt.h"

static u64 at; /* the page that is mapped anew, alone in its 2 MiB */
static unsigned width;

static void line(const char *where, const char *what, int bit)
{
    gt_line("%s %s bit +%d: %s(%lx) cr2 %s", where, what, bit, gt_vector_name(gt_exc.vector),
            gt_exc.error, gt_exc.cr2 == at + 8 ? "there" : "elsewhere");
}

static void in_ring_3(const char *where, int bit, bool write)
{
    static const u8 load[] = {0x48, 0x8b, 0x07, 0x0f, 0x0b},
                    store[] = {0x48, 0x89, 0x07, 0x0f, 0x0b};
    struct gt_frame f = gt_context(write ? store : load, 3, false);

    f.rdi = at + 8;
    gt_enter(&f);
    line(where, write ? "user write" : "user read", bit);
}

static void accesses(const char *where, volatile u64 *entry, int bit)
{
    u64 old = *entry, v = 0, target = at + 8;

    *entry = old | 1ul << (width + (unsigned)bit);
    gt_write_cr3(gt_read_cr3());
    GT_TRY("mov (%1), %0", : "=r"(v) : "r"(target) : GT_CLOBBERS);
    line(where, "read", bit);
    /* above a leaf the error code's other bits are nobody's: CAVEAT(wide-address) */
    if (*where == 'p') {
        GT_TRY("mov %0, (%1)", : : "r"(v), "r"(target) : GT_CLOBBERS);
        line(where, "write", bit);
        GT_TRY("call *%0", : : "r"(target) : GT_CLOBBERS);
        line(where, "fetch", bit);
        in_ring_3(where, bit, true);
    }
    in_ring_3(where, bit, false);
    *entry = old;
    gt_write_cr3(gt_read_cr3());
}

TEST_MAIN(wide)
{
    at = (u64)gt_pages_aligned(512, 1ul << 21);
    width = gt_cpuid(0x80000008, 0).eax & 0xff;
    gt_map_load();
    gt_load_tr();
    for (int bit = 0; bit < 4; bit++) {
        accesses("page", gt_map_page(at), bit);
        accesses("directory", gt_map_directory(at), bit);
    }
}
