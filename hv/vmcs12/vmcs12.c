/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Access to a VMCS image by field and by encoding: what VMREAD and VMWRITE do to the bytes. Every
 * table here includes fields.def or layouts.def. vcaps.c says which capability makes a field exist.
 * layout.c has the other layouts. Contract in vmcs12.h.
 */
#include "hv/vmcs12/vmcs12.h"

/* An encoding has the index in bits 9:1, the area in bits 11:10 and the width in bits 14:13. Bit 0
 * asks for the high half of a 64-bit field. A row that contradicts its encoding does not compile.
 * SDM 3C 25.11.2 "VMREAD, VMWRITE, and Encodings of VMCS Fields" */
enum { CODE_W16 = 0, CODE_W64 = 1, CODE_W32 = 2, CODE_WAR = 2, CODE_WNW = 3 };
enum { TYPE_CTL = 0, TYPE_RO = 1, TYPE_GUEST = 2, TYPE_HOST = 3 };
/* clang-format off */
#define FIELD(enc, width, area, name, gate, to02, to12)                                          \
    _Static_assert((enc) < 0x8000 && ((enc) & 0x1001) == 0 && ((enc) >> 13 & 3) == CODE_##width  \
                   && ((enc) >> 10 & 3) == TYPE_##area, #name ": encoding against its columns");
#include "hv/vmcs12/fields.def"

const struct vmcs_field_desc vmcs12_descs[F_COUNT] = {
#define FIELD(enc, w, ar, name, gt, t02, t12)                                                    \
    [F_##name] = {.encoding = (enc), .offset = offsetof(struct vmcs_image, name), .width = (w),  \
                  .area = AREA_##ar, .gate = GATE_##gt, .to02 = TO02_##t02, .to12 = TO12_##t12},
#include "hv/vmcs12/fields.def"
};
/* clang-format on */

/* If two fields had one slot, the second initializer would override the first, which does not
 * compile. */
const u8 vmcs12_slots[VMCS12_SLOTS] = {
#define FIELD(enc, width, area, name, gate, to02, to12) [VMCS12_SLOT(enc)] = F_##name,
#include "hv/vmcs12/fields.def"
};
_Static_assert(F_COUNT <= 0xff, "field ids no longer fit vmcs12_slots");

/* All names in one struct of character arrays, found by offset. Pointers would need relocations. */
static const struct {
#define FIELD(enc, width, area, name, gate, to02, to12) char s_##name[sizeof(#name)];
#include "hv/vmcs12/fields.def"
    char none[1];
} names = {
#define FIELD(enc, width, area, name, gate, to02, to12) .s_##name = #name,
#include "hv/vmcs12/fields.def"
    .none = "",
};
static const u16 name_at[F_COUNT] = {
#define FIELD(enc, width, area, name, gate, to02, to12) \
    [F_##name] = offsetof(__typeof__(names), s_##name),
#include "hv/vmcs12/fields.def"
};

const char *vmcs12_name(enum vmcs_field f)
{
    return f < F_COUNT ? (const char *)&names + name_at[f] : names.none;
}

/* Eight bytes at a field's offset are always inside the image, because the last field ends well
 * before the image does. */
static u64 load(const struct vmcs_image *v, u16 offset)
{
    u64 raw;
    __builtin_memcpy(&raw, &v->bytes[offset], sizeof raw);
    return raw;
}

u64 vmcs12_get(const struct vmcs_image *v, enum vmcs_field f)
{
    const struct vmcs_field_desc *d = &vmcs12_descs[f];
    u64 raw = load(v, d->offset) & vmcs12_width_mask[d->width];
    return d->width == WAR ? ar_unpack((u16)raw) : raw;
}

bool vmcs12_set(struct vmcs_image *v, enum vmcs_field f, u64 value)
{
    const struct vmcs_field_desc *d = &vmcs12_descs[f];
    u64 mask = vmcs12_width_mask[d->width], old = load(v, d->offset);
    u64 stored = d->width == WAR ? ar_pack((u32)value) : value & mask;
    u64 raw = (old & ~mask) | stored;
    __builtin_memcpy(&v->bytes[d->offset], &raw, sizeof raw);
    return raw != old;
}

/* The field that L1 may name with this encoding, or F_COUNT when there is none. */
static enum vmcs_field find_shown(const struct vmx_caps *caps, u64 encoding)
{
    enum vmcs_field f = vmcs12_find(encoding);
    if (f == F_COUNT || !vcaps_gate(caps, (enum vmcs_gate)vmcs12_descs[f].gate))
        return F_COUNT;
    return f;
}

u32 vmcs12_read(const struct vmcs_image *v, const struct vmx_caps *caps, u64 encoding, u64 *value)
{
    enum vmcs_field f = find_shown(caps, encoding);
    if (f == F_COUNT)
        return ERR_UNSUPPORTED_FIELD;
    u64 whole = vmcs12_get(v, f);
    *value = (encoding & 1) != 0 ? whole >> 32 : whole;
    return 0;
}

u32 vmcs12_write(struct vmcs_image *v, const struct vmx_caps *caps, u64 encoding, u64 value)
{
    enum vmcs_field f = find_shown(caps, encoding);
    if (f == F_COUNT)
        return ERR_UNSUPPORTED_FIELD;
    if (vmcs12_descs[f].area == AREA_RO && !any(caps->misc, VMX_MISC_WRITE_ANY_FIELD))
        return ERR_VMWRITE_READ_ONLY;
    if ((encoding & 1) != 0) /* the low half keeps its value */
        value = (value << 32) | (u32)vmcs12_get(v, f);
    vmcs12_set(v, f, value);
    return 0;
}

void vmcs12_load_page(struct vmcs_image *v, const u8 *page)
{
    __builtin_memcpy(v->bytes, page, VMCS12_SIZE);
    __builtin_memset(v->bytes + VMCS12_SIZE, 0, VMCS12_END - VMCS12_SIZE);
}

void vmcs12_store_page(const struct vmcs_image *v, u8 *page)
{
    __builtin_memcpy(page, v->bytes, VMCS12_SIZE);
}
