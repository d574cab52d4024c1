/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Real mode, where no exception pushes an error code: its interrupt table lies in pages that EPT
 * does not map yet, so that L0 has to deliver each event again. An entry that asked for an error
 * code would be refused. SDM 3C 27.2.1.3 "VM-Entry Control Fields", SDM 3C 28.2.4 "Information for
 * VM Exits During Event Delivery"
 */
#include "guest-tests/lib/gt_hole.h"
#include "guest-tests/lib/gt_task.h"
#include "hv/arch/cpu.h"

enum { IDTR_AT = 0xdc40, IVT_SIZE = 0x400, FRESH_AT = 0x100000 };

static struct gt_hole hole;
static u32 pages;

static u8 *block(void)
{
    return (u8 *)(u64)gt_mode_base();
}

/* The block's own table: sixteen vectors of its segment, as far from each other. */
static u32 *find_ivt(void)
{
    for (u32 at = 0; at < 0xf000; at += 4) {
        u32 *p = (u32 *)(block() + at);
        unsigned n = 0;

        while (n < 16 && p[n] >> 16 == gt_mode_base() >> 4 && p[n + 1] - p[n] == p[1] - p[0] &&
               p[1] != p[0])
            n++;
        if (n == 16)
            return p;
    }
    return NULL;
}

/* In the hole every page shows the one that has been filled. */
static u32 fresh(const u32 *ivt)
{
    u32 at = (u32)hole.base + FRESH_AT + pages++ * 4096;

    if (!hole.real)
        CopyMem((void *)(u64)at, (void *)ivt, IVT_SIZE);
    return at;
}

struct real_case {
    const char *name, *bytes;
    u8 len;
};
/* clang-format off */
#define REAL(NAME, BYTES) {NAME, BYTES, sizeof(BYTES) - 1}
/* clang-format on */
static const struct real_case cases[] = {
    REAL("ud", "\x0f\x0b"),
    REAL("gp", "\xa1\xff\xff"),     /* mov ax, [0xffff]: over the limit */
    REAL("ss", "\x36\xa1\xff\xff"), /* the same through SS */
    REAL("int 6", "\xcd\x06"),
    REAL("int3", "\xcc"),
    REAL("icebp", "\xf1"),
    REAL("de", "\x31\xc9\xf7\xf1"), /* xor cx, cx; div cx */
    REAL("step", "\x9c\x58\x80\xcc\x01\x50\x9d\x90\x90"),
};

static void run(const struct real_case *c, const u32 *ivt)
{
    u32 in[6] = {0, 0, 0, 0, IDTR_AT, 0}, at = fresh(ivt);
    u8 *code = block() + gt_mode_offset(gt_mode_task_jmp16);

    CopyMem(code, (void *)"\x66\x0f\x01\x1c", 4); /* lidt [si] */
    CopyMem(code + 4, (void *)c->bytes, c->len);
    *(u16 *)(block() + IDTR_AT) = IVT_SIZE - 1;
    CopyMem(block() + IDTR_AT + 2, &at, 4);
    const struct gt_mode_block *b =
        gt_mode_run(GT_MODE_REAL, gt_mode_task_jmp32, gt_mode_task_jmp16, in);
    gt_line("%s: vector %u flags %x", c->name, b->vector, b->flags);
}

TEST_MAIN(redeliver_real)
{
    gt_hole_find(&hole);
    gt_map_load();
    gt_load_tr();
    gt_mode_prepare();
    gt_task_prepare();
    const u32 *ivt = find_ivt();
    gt_check(ivt != NULL, "no interrupt table");
    if (!ivt)
        return;
    CopyMem((void *)hole.base, (void *)ivt, IVT_SIZE);
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        run(&cases[i], ivt);
}
