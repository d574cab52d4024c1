/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VMCS as a value: field ids and encodings, the 4 KiB image in Broadwell's layout, and
 * access to it by field and by encoding. Pure: the caller owns the bytes.
 *
 * struct vmcs_image is used for vmcs12 (the working copy of L1's page) and for vmcs02.
 * Bytes 0x000-0x3ff are VMCS revision 0x12 as silicon stores them; 0x400 on is the extension
 * area for fields that Broadwell lacks (ARCHITECTURE.md "The vmcs12 layout").
 * Members have the fields' names, so code reads v->guest_rip; access rights are packed in
 * 16 bits and read with ar_unpack(v->guest_cs_ar).
 */
#ifndef HV_VMCS12_VMCS12_H
#define HV_VMCS12_VMCS12_H

#include "hv/arch/exit.h"
#include "hv/arch/types.h"
#include "hv/vmcs12/vcaps.h"

#define VMCS12_REVISION 0x12u
#define VMCS12_SIZE     1024u /* the size that IA32_VMX_BASIC tells L1; L0 touches no more */

enum field_width { W16, W32, W64, WNW, WAR };
enum field_area { AREA_CTL, AREA_RO, AREA_GUEST, AREA_HOST };
enum field_to02 { TO02_COPY, TO02_MERGE, TO02_TRANSLATE, TO02_HOSTOWN, TO02_NEVER };
enum field_to12 { TO12_SAVE, TO12_SYNTH, TO12_KEEP };

/* Dense field ids, in fields.def order. */
enum vmcs_field {
#define FIELD(enc, width, area, name, gate, to02, to12) F_##name,
#include "hv/vmcs12/fields.def"
    F_COUNT
};

/* Encodings for VMREAD and VMWRITE. SDM 3D B "Field Encoding in VMCS" */
enum vmcs_encoding {
#define FIELD(enc, width, area, name, gate, to02, to12) ENC_##name = (enc),
#include "hv/vmcs12/fields.def"
};

/* Storage type of each field in the image. */
typedef u16 vmcs_store_W16;
typedef u32 vmcs_store_W32;
typedef u64 vmcs_store_W64;
typedef u64 vmcs_store_WNW;
typedef u16 vmcs_store_WAR;
#define FIELD(enc, width, area, name, gate, to02, to12) \
    typedef vmcs_store_##width vmcs_type_##name;        \
    enum { WIDTH_##name = (int)(width) };
#include "hv/vmcs12/fields.def"

#define LAYOUT_NONE        0xffff
#define NONE               LAYOUT_NONE
#define IMAGE_OFFSET(b, x) ((b) != LAYOUT_NONE ? (b) : (x))

struct vmcs_image {
    union {
        u8 bytes[4096];
        struct {
            u32 revision; /* bit 31: shadow-VMCS indicator */
            u32 abort;    /* VMX-abort indicator */
        };
        struct PACKED {
            u8 pad_launch_state[0xd8];
            u32 launch_state; /* enum launch_state; hidden state that no VMREAD reaches */
        };
#define LAYOUT(name, broadwell, ext, kvm)            \
    struct PACKED {                                  \
        u8 pad_##name[IMAGE_OFFSET(broadwell, ext)]; \
        vmcs_type_##name name;                       \
    };
#include "hv/vmcs12/layouts.def"
    };
} __attribute__((aligned(8)));

/* The end of the last field: no byte behind it belongs to anybody. */
union vmcs12_extent {
#define LAYOUT(name, broadwell, ext, kvm)            \
    struct PACKED {                                  \
        u8 pad_##name[IMAGE_OFFSET(broadwell, ext)]; \
        vmcs_type_##name name;                       \
    } of_##name;
#include "hv/vmcs12/layouts.def"
};
#define VMCS12_END sizeof(union vmcs12_extent)

enum launch_state { LAUNCH_CLEAR = 0, LAUNCH_LAUNCHED = 1 };

#define VMCS_SHADOW_INDICATOR 0x80000000u

/* Broadwell packs bits 16:0 of a segment's access rights in 16 bits. Bits 11:8 are reserved and
 * zero, so bit 8 can hold the unusable bit, which is bit 16. CAVEAT(ar-packing) */
static inline u16 ar_pack(u32 ar)
{
    return (u16)((ar & 0xf0ffu) | ((ar >> 8) & 0x100u));
}

static inline u32 ar_unpack(u16 packed)
{
    return (packed & 0xf0ffu) | ((packed & 0x100u) << 8);
}

/* The two halves of ar_unpack, for code that looks at access rights thousands of times a second. */
static inline u32 ar_rights(u16 packed)
{
    return packed & 0xf0ffu;
}

static inline bool ar_usable(u16 packed)
{
    return (packed & 0x100u) == 0;
}

/* The secondary controls of the image. They count as 0 unless they are activated.
 * SDM 3C 25.6.2 "Processor-Based VM-Execution Controls" */
static inline u32 vmcs12_cpu2(const struct vmcs_image *v)
{
    return any(v->cpu1_ctl, CPU1_SECONDARY) ? v->cpu2_ctl : 0;
}

struct vmcs_field_desc {
    u16 encoding;
    u16 offset; /* in struct vmcs_image */
    u8 width;   /* enum field_width */
    u8 area;    /* enum field_area */
    u8 gate;    /* enum vmcs_gate */
    u8 to02;    /* enum field_to02 */
    u8 to12;    /* enum field_to12 */
};

/* The rows of fields.def. */
extern const struct vmcs_field_desc vmcs12_descs[F_COUNT];

/* @pre f < F_COUNT */
static inline const struct vmcs_field_desc *vmcs12_desc(enum vmcs_field f)
{
    return &vmcs12_descs[f];
}

/* Lookup of an encoding at run time. 11 bits tell all encodings apart, and they index a table of
 * bytes. A slot that no field owns holds field 0. The comparison with the encoding of the field in
 * the slot rejects such a slot, and every encoding with a bit outside the 11. Whatever encoding L1
 * names, its slot lies in the table and holds a field. So speculation before the comparison reads
 * nothing else. */
#define VMCS12_SLOTS     0x800u
#define VMCS12_SLOT(enc) (((enc) >> 4 & 0x7c0) | ((enc) >> 1 & 0x3f))
extern const u8 vmcs12_slots[VMCS12_SLOTS];

/* The field that an encoding names. The encoding may name the high half of a 64-bit field. F_COUNT
 * when the encoding names no field, as with any of bits 63:16 set.
 * SDM 3C 25.11.2 "VMREAD, VMWRITE, and Encodings of VMCS Fields" */
static inline enum vmcs_field vmcs12_find(u64 encoding)
{
    enum vmcs_field f = (enum vmcs_field)vmcs12_slots[VMCS12_SLOT(encoding)];
    u64 difference = encoding ^ vmcs12_descs[f].encoding;
    if (difference == 0)
        return f;
    return difference == 1 && vmcs12_descs[f].width == W64 ? f : F_COUNT; /* the high half */
}

/* The bits of a field, by enum field_width. Access rights are 16 bits in an image. */
static const u64 vmcs12_width_mask[] = {
    [W16] = 0xffff, [W32] = 0xffffffff, [W64] = ~0ull, [WNW] = ~0ull, [WAR] = 0xffff};

/* The field's name as in fields.def, or "" when f is no field. */
const char *vmcs12_name(enum vmcs_field f);

/* The field's value, with access rights unpacked. The capabilities do not matter.
 * @pre f < F_COUNT, here and below */
u64 vmcs12_get(const struct vmcs_image *v, enum vmcs_field f);

/* Stores a value. The value is cut to the field's width, and access rights are packed. Returns
 * whether the field had another value. */
bool vmcs12_set(struct vmcs_image *v, enum vmcs_field f, u64 value);

/* VMREAD and VMWRITE by encoding, on a processor with these capabilities (those shown to L1).
 * Return 0, or VM-instruction error 12 or 13; on an error nothing changes. Outside 64-bit mode the
 * caller cuts operands to 32 bits. An L1 in such a mode reaches the upper half of a 64-bit field by
 * the high encoding only, and its VMWRITE of a field wider than 32 bits clears bits 63:32.
 * SDM 3C 31.3 "VMX Instructions" (VMREAD, VMWRITE) */
u32 vmcs12_read(const struct vmcs_image *v, const struct vmx_caps *caps, u64 encoding,
                u64 *value) MUST_CHECK;
u32 vmcs12_write(struct vmcs_image *v, const struct vmx_caps *caps, u64 encoding,
                 u64 value) MUST_CHECK;

/* Copy the bytes of L1's page that a VMPTRLD reads, or that a VMCLEAR writes: exactly VMCS12_SIZE
 * bytes, and among them those that no field owns. The extension area of a loaded image is zero as
 * far as fields go. */
void vmcs12_load_page(struct vmcs_image *v, const u8 *page);
void vmcs12_store_page(const struct vmcs_image *v, u8 *page);

#endif
