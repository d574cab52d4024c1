/* SPDX-License-Identifier: BSD-2-Clause */
/* Segment registers: their numbers, and what the processor holds of one. */
#ifndef HV_ARCH_SEGMENT_H
#define HV_ARCH_SEGMENT_H

#include "hv/arch/types.h"

/* The order is that of instruction encodings, of the VMCS's fields (SDM 3D B "Field Encoding in
 * VMCS") and of the selectors in a TSS. */
/* clang-format off */
enum seg_number {
    SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS,
    SEG_LDTR, SEG_TR,
    SEG_COUNT,
    SEG_OPERANDS = SEG_LDTR, /* the number of segments that an operand can name */
};
/* clang-format on */

/* A segment register as the VMCS holds it. */
struct segment {
    u64 base;
    u32 limit;
    u32 ar; /* access rights, with the unusable bit */
    u16 selector, reserved[3];
};

#endif
