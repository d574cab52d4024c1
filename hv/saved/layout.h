/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Layouts: where each field of a VMCS stands in memory in four byte formats, and translation
 * between a page in one of these formats and an image. L1's live page is always LAYOUT_BROADWELL.
 * The tool, translation and saved state use the other layouts. Pure.
 */
#ifndef HV_SAVED_LAYOUT_H
#define HV_SAVED_LAYOUT_H

#include "hv/vmcs12/vmcs12.h"

enum vmcs_layout {
    LAYOUT_BROADWELL, /* revision 0x12, 1,024 bytes */
    LAYOUT_EXTENDED,  /* LAYOUT_BROADWELL and the extension area, 4,096 bytes */
    LAYOUT_KVM,       /* KVM's struct vmcs12 */
    LAYOUT_COMPUTED,  /* offset = formula over the encoding */
    LAYOUT_COUNT
};

/* Revision identifiers. Two are Nidus's own: "Ni" in ASCII, then the layout's number, then its
 * version, one byte each. */
#define REVISION_BROADWELL VMCS12_REVISION
#define REVISION_KVM       0x11e57ed0u
#define REVISION_COMPUTED  0x4e690101u
#define REVISION_EXTENDED  0x4e690201u

/*
 * The computed layout. The width in an encoding picks a block: 16-bit fields are at 0x100, 32-bit
 * fields at 0x200, natural-width fields at 0x400, 64-bit fields at 0x800. A block is as long as its
 * offset. The type picks a quarter of the block, and the index picks a slot in the quarter. So
 * there is room for 32 fields of a width and type, and for 64 of the 64-bit width. Bytes 0 to 0xff
 * are the header.
 */
#define COMPUTED_BLOCK(enc) \
    (((enc) >> 13 & 3) == 0 ? 0u : ((enc) >> 13 & 3) == 2 ? 1u : ((enc) >> 13 & 3) == 3 ? 2u : 3u)
#define COMPUTED_SLOT(enc) (COMPUTED_BLOCK(enc) == 3 ? 3u : COMPUTED_BLOCK(enc) + 1u)
#define COMPUTED_OFFSET(enc)                                         \
    (((0x100u + 0x40u * ((enc) >> 10 & 3)) << COMPUTED_BLOCK(enc)) + \
     (((enc) >> 1 & 0x1ffu) << COMPUTED_SLOT(enc)))

struct layout_info {
    char name[12];
    u32 revision;
    u32 size;            /* the number of bytes that belong to the layout */
    u16 launch_state_at; /* offset of the launch state, which no VMREAD reaches. In every layout the
                            revision is at 0 and the abort indicator at 4 */
};

/* The facts about a layout. @pre l < LAYOUT_COUNT */
const struct layout_info *layout_info(enum vmcs_layout l);

/* The layout of this name or of this revision, or LAYOUT_COUNT when there is none. Bit 31 of
 * `revision` is ignored. */
enum vmcs_layout layout_find(const char *name);
enum vmcs_layout layout_of_revision(u32 revision);

/* The field's offset in the page in bytes, or LAYOUT_NONE; and the number of bytes that the field
 * takes there. */
u16 layout_offset(enum vmcs_layout l, enum vmcs_field f);
unsigned layout_width(enum vmcs_layout l, enum vmcs_field f);

/* Read and write one field in a page of layout_info(l)->size bytes.
 * @pre the layout has a place for the field */
u64 layout_get(enum vmcs_layout l, const u8 *page, enum vmcs_field f);
void layout_set(enum vmcs_layout l, u8 *page, enum vmcs_field f, u64 value);

/* Turns a page into an image. The image gets every field that the layout has, the launch state, the
 * abort indicator and the shadow bit. Its revision becomes VMCS12_REVISION, and all other bytes
 * become zero. */
void layout_decode(enum vmcs_layout l, const u8 *page, struct vmcs_image *v);

/* Turns an image into a page. The whole page is written; bytes that no field owns become zero.
 * Returns F_COUNT, or the first field that is not 0 and for which the layout has no place. In this
 * case the caller must not use the page. */
enum vmcs_field layout_encode(enum vmcs_layout l, const struct vmcs_image *v, u8 *page) MUST_CHECK;

/* The first field that a processor with these capabilities cannot hold: a field that is not 0 and
 * that the capabilities do not show, or a control word with a bit that they do not allow. F_COUNT
 * when the processor can hold the whole image. */
enum vmcs_field layout_misfit(const struct vmcs_image *v, const struct vmx_caps *caps) MUST_CHECK;

#endif
