/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Filling in the mode-switching block and running it. What happens inside is gt_mode.asm.
 */
#include "guest-tests/lib/gt_mode.h"
#include "guest-tests/lib/gt_private.h"
#include "hv/arch/cpu.h"
#include "hv/arch/msr.h"

extern const char gt_mode_start[] GT_HIDDEN, gt_mode_end[] GT_HIDDEN;
extern const char gt_mode_block_end[] GT_HIDDEN, gt_mode_compat[] GT_HIDDEN;
extern const char gt_mode_flat[] GT_HIDDEN, gt_mode_long[] GT_HIDDEN;
extern const char gt_mode_p16[] GT_HIDDEN, gt_mode_real[] GT_HIDDEN;
extern const char gt_mode_stubs32[] GT_HIDDEN, gt_mode_stubs16[] GT_HIDDEN;
extern const char gt_mode_iret16[] GT_HIDDEN, gt_mode_v86_return[] GT_HIDDEN;
void gt_mode_enter(struct gt_mode_block *b) GT_HIDDEN;

enum {
    KIND_PROTECTED32 = 0,
    KIND_PROTECTED16 = 1,
    KIND_REAL = 2,
    KIND_V86 = 3,
    SEGMENT = 0x10000,
    STUB = 16,
    STACK_V86 = 0xe000,
    STACK_TOP = 0xf000,
    IDT_AT = 0xd000, /* in the block's segment */
    IVT_AT = 0xd400,
    TSS_AT = 0xd800,
    SEL_TSS32 = GT_FREE + 0x90,
    SEL_TSS_BACK = GT_FREE + 0x98,
    TSS32_SIZE = 104,
    PDE_SUPERVISOR_LARGE = 0x83, /* not user: SMEP and SMAP can be set */
};

static struct gt_mode_block *block;
static u32 paged32, pae, long_mode, toggle;

const char *gt_mode_name(enum gt_mode mode)
{
    static const char *const names[GT_MODES] = {"protected",   "paged32", "pae",
                                                "protected16", "real",    "v86"};
    return names[mode];
}

static u32 offset(const char *label)
{
    return (u32)(label - gt_mode_start);
}

static u32 linear(const char *label)
{
    return block->base + offset(label);
}

void *gt_mode_segment(void)
{
    return gt_low_pages(SEGMENT / 4096);
}

static void build_paging(void)
{
    u32 *directory = gt_pages(1);
    u64 *pdpt = gt_pages(1), *directories = gt_pages(4);

    for (u32 i = 0; i < 1024; i++)
        directory[i] = i << 22 | PDE_SUPERVISOR_LARGE;
    for (u64 i = 0; i < 4 * 512; i++)
        directories[i] = i << 21 | PDE_SUPERVISOR_LARGE;
    for (u64 i = 0; i < 4; i++)
        pdpt[i] = (u64)(directories + i * 512) | 1;
    paged32 = (u32)(u64)directory;
    pae = (u32)(u64)pdpt;
    long_mode = (u32)gt_read_cr3();
}

u32 gt_mode_base(void)
{
    return block->base;
}

u32 gt_mode_offset(const char *label)
{
    return offset(label);
}

u32 gt_mode_cr3(enum gt_mode mode)
{
    return mode == GT_MODE_PAE ? pae : paged32;
}

u64 *gt_mode_idt(void)
{
    return (u64 *)(u64)(block->base + IDT_AT);
}

const void *gt_mode_ivt(void)
{
    return (const void *)(u64)(block->base + IVT_AT);
}

void gt_mode_use_ivt(u32 at)
{
    block->ivt[0] = (0x100 * 4 - 1) | at << 16;
    block->ivt[1] = at >> 16;
}

void gt_mode_default_gates(void)
{
    u64 *idt = gt_mode_idt();

    for (u32 v = 0; v < 32; v++) {
        u32 at = linear(gt_mode_stubs32) + v * STUB;

        idt[v] = (u64)(at & 0xffff) | (u64)GT_CODE32 << 16 | 0x8eull << 40 | (u64)(at >> 16) << 48;
    }
}

static void build_descriptors(void)
{
    u32 base = block->base;
    u32 *ivt = (u32 *)(u64)(base + IVT_AT);

    gt_gdt[GT_MODE_CODE16 / 8] = gt_descriptor(base, SEGMENT - 1, 0x9b, 0);
    gt_gdt[GT_MODE_DATA16 / 8] = gt_descriptor(base, SEGMENT - 1, 0x93, 0);
    gt_mode_default_gates();
    for (u32 v = 0; v < 32; v++)
        ivt[v] = (offset(gt_mode_stubs16) + v * STUB) | base >> 4 << 16;
    ivt[0x31] = offset(gt_mode_iret16) | base >> 4 << 16;
    ((u32 *)(u64)(base + TSS_AT))[1] = base + STACK_TOP; /* ESP0, SS0 */
    ((u32 *)(u64)(base + TSS_AT))[2] = GT_DATA;
    ((u16 *)(u64)(base + TSS_AT))[51] = TSS32_SIZE;
}

static void set_far(u32 far[2], u32 at, u32 selector)
{
    far[0] = at;
    far[1] = selector;
}

static void build_block(void)
{
    struct gt_mode_block *b = block;

    b->efer_msr = MSR_IA32_EFER;
    b->stack = b->base + STACK_TOP;
    b->stack16 = STACK_TOP;
    b->data_sel = GT_DATA;
    b->data16_sel = GT_MODE_DATA16;
    b->tss_sel = SEL_TSS32;
    b->tss_back = SEL_TSS_BACK;
    set_far(b->far_compat, linear(gt_mode_compat), GT_CODE32);
    set_far(b->far_64, linear(gt_mode_long), GT_CODE64);
    set_far(b->far_p16, offset(gt_mode_p16), GT_MODE_CODE16);
    set_far(b->far_flat, linear(gt_mode_flat), GT_CODE32);
    b->far_real[0] = offset(gt_mode_real) | b->base >> 4 << 16;
    b->idt32[0] = (GT_MODE_GATES * 8 - 1) | (b->base + IDT_AT) << 16; /* limit, base: six bytes */
    b->idt32[1] = (b->base + IDT_AT) >> 16;
    gt_mode_use_ivt(b->base + IVT_AT);
}

void gt_mode_prepare(void)
{
    char *segment = gt_mode_segment();

    gt_check(gt_mode_block_end - gt_mode_start == sizeof *block, "mode: struct and struc differ");
    gt_check(gt_mode_end - gt_mode_start < IDT_AT, "mode: the block is too long");
    CopyMem(segment, (void *)gt_mode_start, (UINTN)(gt_mode_end - gt_mode_start));
    block = (struct gt_mode_block *)segment;
    block->base = (u32)(u64)segment;
    build_paging();
    build_descriptors();
    build_block();
}

void gt_mode_toggle(u32 cr0_bits)
{
    toggle = cr0_bits;
}

static void choose_mode(struct gt_mode_block *b, enum gt_mode mode)
{
    b->cr0_back = (u32)gt_read_cr0();
    b->cr3_back = long_mode;
    b->cr4_back = (u32)gt_read_cr4();
    b->efer_back = (u32)gt_rdmsr(MSR_IA32_EFER) & ~(u32)EFER_LMA;
    b->efer_mode = b->efer_back & ~(u32)EFER_LME;
    b->cr0_flat = (b->cr0_back & ~(u32)CR0_PG) ^ toggle;
    b->cr0_mode = b->cr0_flat;
    if (mode == GT_MODE_PAGED32 || mode == GT_MODE_PAE)
        b->cr0_mode ^= toggle;
    b->cr4_mode = b->cr4_back & ~(u32)(CR4_PAE | CR4_PSE);
    b->cr3_mode = 0;
    if (mode == GT_MODE_PAGED32 || mode == GT_MODE_PAE)
        b->cr0_mode |= (u32)CR0_PG;
    if (mode == GT_MODE_PAGED32) {
        b->cr4_mode |= (u32)CR4_PSE;
        b->cr3_mode = paged32;
    }
    if (mode == GT_MODE_PAE) {
        b->cr4_mode |= (u32)CR4_PAE;
        b->cr3_mode = pae;
    }
    b->kind = mode == GT_MODE_V86           ? KIND_V86
              : mode == GT_MODE_REAL        ? KIND_REAL
              : mode == GT_MODE_PROTECTED16 ? KIND_PROTECTED16
                                            : KIND_PROTECTED32;
}

static void build_v86_frame(struct gt_mode_block *b)
{
    u32 segment = b->base >> 4;
    const u32 frame[9] = {b->snippet, segment, (u32)(RFLAGS_VM | RFLAGS_FIXED),
                          STACK_V86,  segment, segment,
                          segment,    segment, segment};

    CopyMem(b->v86_frame, (void *)frame, sizeof frame);
    *(u16 *)(u64)(b->base + STACK_V86) = (u16)offset(gt_mode_v86_return);
    gt_gdt[SEL_TSS32 / 8] = gt_descriptor(b->base + TSS_AT, TSS32_SIZE - 1, 0x89, 0);
    gt_gdt[SEL_TSS_BACK / 8] = gt_gdt[SEL_TSS32 / 8];
}

const struct gt_mode_block *gt_mode_run(enum gt_mode mode, const char *snippet32,
                                        const char *snippet16, const u32 in[6])
{
    struct gt_mode_block *b = block;
    bool wide = mode <= GT_MODE_PAE;
    u32 start;

    choose_mode(b, mode);
    start = offset(wide ? snippet32 : snippet16) + (wide ? b->base : 0);
    b->snippet = start;
    CopyMem(b->in, (void *)in, sizeof b->in);
    SetMem(b->out, sizeof b->out, 0);
    b->vector = GT_NONE;
    b->error = b->eip = b->cs = b->flags = b->cr0_seen = b->tr = 0;
    build_v86_frame(b);
    gt_mode_enter(b);
    gt_desc_enter();
    gt_load_tr();
    if (mode == GT_MODE_V86 && b->vector == VEC_UD && b->eip == offset(gt_mode_v86_return))
        b->vector = GT_NONE;
    if (b->vector != GT_NONE)
        b->eip -= start;
    return b;
}
