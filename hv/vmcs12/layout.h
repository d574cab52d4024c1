/*
 * Layouts: where each field of a VMCS stands in memory, for four byte formats, and images
 * turned from one into another. The live page of L1 is always LAYOUT_BROADWELL; the others
 * are for the tool, for translation and for saved state. Pure.
 */
#ifndef HV_VMCS12_LAYOUT_H
#define HV_VMCS12_LAYOUT_H

#include "hv/vmcs12/vmcs12.h"

enum vmcs_layout {
    LAYOUT_BROADWELL, /* revision 0x12, 1,024 bytes */
    LAYOUT_EXTENDED,  /* the same plus the extension area, 4,096 bytes */
    LAYOUT_KVM,       /* KVM's struct vmcs12 */
    LAYOUT_COMPUTED,  /* offset = formula over the encoding */
    LAYOUT_COUNT
};

/* Revision identifiers. The two of Nidus's own are "Ni", the layout's number, its version. */
#define REVISION_BROADWELL VMCS12_REVISION
#define REVISION_KVM       0x11e57ed0u
#define REVISION_COMPUTED  0x4e690101u
#define REVISION_EXTENDED  0x4e690201u

/*
 * The computed layout. An encoding's width picks a block: 16-bit fields at 0x100, 32-bit ones
 * at 0x200, natural-width ones at 0x400, 64-bit ones at 0x800; a block is as long as its
 * offset. The type picks a quarter of the block, the index a slot in the quarter, so there is
 * room for 32 fields of a kind (64 of a 64-bit kind). Bytes 0-0xff are the header.
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
    u32 size;            /* bytes that belong to the layout */
    u16 launch_state_at; /* hidden state; revision and abort indicator are at 0 and 4 everywhere */
};

const struct layout_info *layout_info(enum vmcs_layout l);

/* By name or by revision (bit 31 ignored); LAYOUT_COUNT when there is none. */
enum vmcs_layout layout_find(const char *name);
enum vmcs_layout layout_of_revision(u32 revision);

/* The field's place, or LAYOUT_NONE; and the bytes that it takes there. */
u16 layout_offset(enum vmcs_layout l, enum vmcs_field f);
unsigned layout_width(enum vmcs_layout l, enum vmcs_field f);

/* One field of a page of layout_info(l)->size bytes. @pre the layout has a place for it */
u64 layout_get(enum vmcs_layout l, const u8 *page, enum vmcs_field f);
void layout_set(enum vmcs_layout l, u8 *page, enum vmcs_field f, u64 value);

/* Page to image: every field that the layout has, launch state, abort indicator and the shadow
 * bit; the rest of the image is zero and its revision VMCS12_REVISION. */
void layout_decode(enum vmcs_layout l, const u8 *page, struct vmcs_image *v);

/* Image to page: writes the whole page, unowned bytes zero. Returns F_COUNT, or the
 * first field with a value in use (not 0) for which the layout has no place; the page is
 * then not to be used. */
enum vmcs_field layout_encode(enum vmcs_layout l, const struct vmcs_image *v, u8 *page) MUST_CHECK;

/* The first field in use that these capabilities do not show, or control word with a bit that
 * they do not allow; F_COUNT when such a processor can hold the image. */
enum vmcs_field layout_misfit(const struct vmcs_image *v, const struct vmx_caps *caps) MUST_CHECK;

#endif
