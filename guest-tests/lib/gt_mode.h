/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Code in modes that IRETQ does not reach: protected mode without and with paging, 16-bit
 * protected mode, real mode and virtual-8086 mode. A snippet of gt_mode.asm runs there once,
 * with given registers, until its RET or its first exception; then the CPU is back in long
 * mode.
 */
#ifndef GUEST_TESTS_LIB_GT_MODE_H
#define GUEST_TESTS_LIB_GT_MODE_H

#include "guest-tests/lib/gt.h"

enum {
    GT_MODE_GATES = 34,
    GT_MODE_CODE16 = GT_FREE + 0x80, /* base = the block's, 64 KiB */
    GT_MODE_DATA16 = GT_FREE + 0x88,
};

enum gt_mode {
    GT_MODE_PROTECTED,   /* 32-bit, no paging */
    GT_MODE_PAGED32,     /* 32-bit paging, 4 MiB pages */
    GT_MODE_PAE,         /* PAE paging, 2 MiB pages */
    GT_MODE_PROTECTED16, /* 16-bit code and stack segments, no paging */
    GT_MODE_REAL,
    GT_MODE_V86, /* IOPL 0, no VME, no paging */
    GT_MODES,
};

/* The order is that of gt_mode.asm's struc. */
struct gt_mode_block {
    u32 in[6], out[6]; /* EAX EBX ECX EDX ESI EDI */
    u32 flags;
    u32 vector; /* GT_NONE after RET */
    u32 error;  /* in real mode: how many INT 0x31 came */
    u32 eip, cs;
    u32 cr0_seen;
    u32 kind, snippet;
    u32 cr0_flat, cr0_mode, cr0_back, cr3_mode, cr3_back, cr4_mode, cr4_back;
    u32 efer_mode, efer_back, efer_msr;
    u32 base, stack, stack16;
    u32 far_compat[2], far_64[2], far_p16[2], far_real[2], far_flat[2];
    u32 idt32[2], ivt[2];
    u32 data_sel, data16_sel, tss_sel;
    u32 v86_frame[9], tr, tss_back, pad;
    u64 rsp64, ret64;
};

#define GT_MODE_SNIPPET(NAME) \
    extern const char gt_mode_##NAME##32 [] GT_HIDDEN, gt_mode_##NAME##16 [] GT_HIDDEN

/* Once: low memory, tables. @pre gt_map_load() and gt_load_tr() were called. */
void gt_mode_prepare(void);
/* EIP of the result counts from the snippet's first byte. TR is GT_TSS again afterwards. */
const struct gt_mode_block *gt_mode_run(enum gt_mode mode, const char *snippet32,
                                        const char *snippet16, const u32 in[6]);
const char *gt_mode_name(enum gt_mode mode);
/* CR0 bits that change together with PG on every way down and up (NE makes those writes exit).
 */
void gt_mode_toggle(u32 cr0_bits);
/* For tests that add to the block's tables: where it lies, and its 32-bit IDT of GT_MODE_GATES.
 */
u32 gt_mode_base(void);
u32 gt_mode_offset(const char *label);
u64 *gt_mode_idt(void);
void gt_mode_default_gates(void);
const void *gt_mode_ivt(void);      /* real mode's table, 1 KiB */
void gt_mode_use_ivt(u32 at);       /* another place for it, with what it holds */
u32 gt_mode_cr3(enum gt_mode mode); /* of the two paged modes */
void *gt_mode_segment(void);        /* a further 64 KiB segment below 1 MiB */

#endif
