/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The four layouts: their tables, the assertions that freeze them, and translation. Offsets come
 * from layouts.def; no other file of the tree may contain one. Contract in layout.h.
 */
#include "hv/saved/layout.h"

#include "hv/arch/names.h"

/* ---- the frozen hash ------------------------------------------------------------------
 * Each layout has one number: a sum of a mix of encoding and offset over all fields, and of
 * revision, size and the place of the launch state. An assertion compares the number with a
 * constant. So a field that moves, or goes, without a new revision does not compile. Places with
 * ADDED() do not count, so a field may be added. When one of these assertions fails, do not correct
 * the number: the change needs a new revision. */
#define MIX(what, where)                                                                \
    (((u64)(what)*0x9e3779b97f4a7c15ull ^ ((u64)(where) + 1) * 0xc2b2ae3d27d4eb4full) * \
         0x165667b19e3779f9ull >>                                                       \
     5)
#define MIX_PLACE(name, at) ((at) == LAYOUT_NONE ? 0 : MIX(ENC_##name, at))
#define MIX_COMPUTED(enc)   MIX(enc, COMPUTED_OFFSET(enc))
#define MIX_HEADER(revision, size, launch) \
    (MIX(0x10000, revision) + MIX(0x10001, size) + MIX(0x10002, launch))

#define LAUNCH_BROADWELL offsetof(struct vmcs_image, launch_state)
#define LAUNCH_KVM       0x008
#define LAUNCH_COMPUTED  0x008
#define SIZE_KVM         0x1000
#define SIZE_COMPUTED    0x1000
#define SIZE_EXTENDED    0x1000

enum frozen {
    BROADWELL_IS_FROZEN = MIX_HEADER(REVISION_BROADWELL, VMCS12_SIZE, LAUNCH_BROADWELL)
#define ADDED(offset)                     LAYOUT_NONE
#define LAYOUT(name, broadwell, ext, kvm) +MIX_PLACE(name, broadwell)
#include "hv/vmcs12/layouts.def"
                          == 0x8139f0603b9da520,
    EXTENDED_IS_FROZEN = MIX_HEADER(REVISION_EXTENDED, SIZE_EXTENDED, LAUNCH_BROADWELL)
#define ADDED(offset)                     LAYOUT_NONE
#define LAYOUT(name, broadwell, ext, kvm) +MIX_PLACE(name, IMAGE_OFFSET(broadwell, ext))
#include "hv/vmcs12/layouts.def"
                         == 0x4b4a3cec7b7d5570,
    KVM_IS_FROZEN = MIX_HEADER(REVISION_KVM, SIZE_KVM, LAUNCH_KVM)
#define ADDED(offset)                     LAYOUT_NONE
#define LAYOUT(name, broadwell, ext, kvm) +MIX_PLACE(name, kvm)
#include "hv/vmcs12/layouts.def"
                    == 0x3f68d2fc553072fe,
    /* One slot in each quarter of each block is enough to fix all terms of the formula. */
    COMPUTED_IS_FROZEN = MIX_HEADER(REVISION_COMPUTED, SIZE_COMPUTED, LAUNCH_COMPUTED) +
                             MIX_COMPUTED(0x0000) + MIX_COMPUTED(0x0402) + MIX_COMPUTED(0x0804) +
                             MIX_COMPUTED(0x0c3e) + MIX_COMPUTED(0x4000) + MIX_COMPUTED(0x4402) +
                             MIX_COMPUTED(0x4804) + MIX_COMPUTED(0x4c3e) + MIX_COMPUTED(0x6000) +
                             MIX_COMPUTED(0x6402) + MIX_COMPUTED(0x6804) + MIX_COMPUTED(0x6c3e) +
                             MIX_COMPUTED(0x2000) + MIX_COMPUTED(0x2402) + MIX_COMPUTED(0x2804) +
                             MIX_COMPUTED(0x2c7e) ==
                         0x4132c6903256f6f2,
};
_Static_assert(BROADWELL_IS_FROZEN, "revision 0x12: a field moved or went without a new revision");
_Static_assert(EXTENDED_IS_FROZEN, "extended: a field moved or went without a new revision");
_Static_assert(KVM_IS_FROZEN, "kvm: a field moved or went without a new revision");
_Static_assert(COMPUTED_IS_FROZEN, "computed: the formula changed without a new revision");

/* ---- no overlap, inside the size ------------------------------------------------------
 * Each byte that a field owns is a case label of one switch, so a byte with two owners does not
 * compile. Nothing calls the functions, and they leave no code. A field without a place gets bytes
 * of its own beyond the page. */
#define BYTES_W16 2
#define BYTES_W32 4
#define BYTES_W64 8
#define BYTES_WNW 8
#define BYTES_WAR 2
/* clang-format off */
#define OWN_2(at) case (at): case (at) + 1:
/* clang-format on */
#define OWN_4(at)          OWN_2(at) OWN_2((at) + 2)
#define OWN_8(at)          OWN_4(at) OWN_4((at) + 4)
#define OWN_W16(at)        OWN_2(at)
#define OWN_W32(at)        OWN_4(at)
#define OWN_W64(at)        OWN_8(at)
#define OWN_WNW(at)        OWN_8(at)
#define OWN_HEADER(launch) OWN_8(0) OWN_4((u32)(launch))
/* The bytes where silicon keeps state that no VMREAD reaches: caching pointer, dirty bits, core,
 * pending debug exceptions, RFLAGS, parent pointer. No field may be added in these bytes. */
#define OWN_HIDDEN OWN_8(0x008) OWN_4(0x010) OWN_2(0x014) OWN_8(0x0e0) OWN_8(0x0e8) OWN_8(0x188)

enum field_bytes {
#define FIELD(enc, width, area, name, gate, to02, to12) BYTES_##name = BYTES_##width,
#include "hv/vmcs12/fields.def"
#undef BYTES_WAR
/* KVM and the computed layout keep the 32 bits of access rights that VMREAD gives. */
#define BYTES_WAR                                       4
#define FIELD(enc, width, area, name, gate, to02, to12) KVM_BYTES_##name = BYTES_##width,
#include "hv/vmcs12/fields.def"
};
/* clang-format off */
enum place_or_beyond {
#define LAYOUT(name, broadwell, ext, kvm)                                                        \
    AT_BROADWELL_##name = (broadwell) == LAYOUT_NONE ? 0x10000 + ENC_##name * 8 : (broadwell),   \
    AT_EXTENDED_##name  = IMAGE_OFFSET(broadwell, ext),                                          \
    AT_KVM_##name       = (kvm) == LAYOUT_NONE ? 0x10000 + ENC_##name * 8 : (kvm),
#include "hv/vmcs12/layouts.def"
};
/* clang-format on */

#define OWN_WAR(at) OWN_2(at)
__attribute__((unused)) static bool overlap_extended(u32 byte)
{
    switch (byte) {
        OWN_HEADER(LAUNCH_BROADWELL)
        OWN_HIDDEN
#define FIELD(enc, width, area, name, gate, to02, to12) OWN_##width(AT_EXTENDED_##name)
#include "hv/vmcs12/fields.def"
        return true;
    }
    return false;
}
#undef OWN_WAR

#define OWN_WAR(at) OWN_4(at)
__attribute__((unused)) static bool overlap_kvm(u32 byte)
{
    switch (byte) {
        OWN_HEADER(LAUNCH_KVM)
#define FIELD(enc, width, area, name, gate, to02, to12) OWN_##width(AT_KVM_##name)
#include "hv/vmcs12/fields.def"
        return true;
    }
    return false;
}

__attribute__((unused)) static bool overlap_computed(u32 byte)
{
    switch (byte) {
        OWN_HEADER(LAUNCH_COMPUTED)
#define FIELD(enc, width, area, name, gate, to02, to12) OWN_##width(COMPUTED_OFFSET(enc))
#include "hv/vmcs12/fields.def"
        return true;
    }
    return false;
}
#undef OWN_WAR

/* Revision 0x12 ends at 0x400, where the extension area begins. A field is in exactly one of the
 * two. */
#define LAYOUT(name, broadwell, ext, kvm)                                                        \
    _Static_assert(((broadwell) == LAYOUT_NONE) != ((ext) == LAYOUT_NONE), #name ": one place"); \
    _Static_assert((broadwell) == LAYOUT_NONE || (broadwell) + BYTES_##name <= VMCS12_SIZE,      \
                   #name ": beyond 0x400");                                                      \
    _Static_assert((ext) == LAYOUT_NONE ||                                                       \
                       ((ext) >= VMCS12_SIZE && (ext) + BYTES_##name <= SIZE_EXTENDED),          \
                   #name ": outside the extension area");                                        \
    _Static_assert((kvm) == LAYOUT_NONE || (kvm) + KVM_BYTES_##name <= 998,                      \
                   #name ": beyond KVM's struct");
#include "hv/vmcs12/layouts.def"
#define FIELD(enc, width, area, name, gate, to02, to12)                       \
    _Static_assert(((enc) >> 1 & 0x1ff) < (((enc) >> 13 & 3) == 1 ? 64 : 32), \
                   #name ": no slot in the computed layout");
#include "hv/vmcs12/fields.def"

/* ---- the tables --------------------------------------------------------------------------*/
/* clang-format off */
static const u16 offsets[LAYOUT_COUNT][F_COUNT] = {
    [LAYOUT_BROADWELL] = {
#define LAYOUT(name, broadwell, ext, kvm) [F_##name] = (broadwell),
#include "hv/vmcs12/layouts.def"
    },
    [LAYOUT_EXTENDED] = {
#define LAYOUT(name, broadwell, ext, kvm) [F_##name] = IMAGE_OFFSET(broadwell, ext),
#include "hv/vmcs12/layouts.def"
    },
    [LAYOUT_KVM] = {
#define LAYOUT(name, broadwell, ext, kvm) [F_##name] = (kvm),
#include "hv/vmcs12/layouts.def"
    },
    [LAYOUT_COMPUTED] = {
#define FIELD(enc, width, area, name, gate, to02, to12) [F_##name] = COMPUTED_OFFSET(enc),
#include "hv/vmcs12/fields.def"
    },
};

/* In every layout the launch state is 0 for clear and 1 for launched. KVM's offset comes from the
 * header of its struct. Broadwell's offset is known from later processors only, with medium
 * confidence. */
static const struct layout_info infos[LAYOUT_COUNT] = {
    [LAYOUT_BROADWELL] = {"broadwell", REVISION_BROADWELL, VMCS12_SIZE, LAUNCH_BROADWELL},
    [LAYOUT_EXTENDED]  = {"extended", REVISION_EXTENDED, SIZE_EXTENDED, LAUNCH_BROADWELL},
    [LAYOUT_KVM]       = {"kvm", REVISION_KVM, SIZE_KVM, LAUNCH_KVM},
    [LAYOUT_COMPUTED]  = {"computed", REVISION_COMPUTED, SIZE_COMPUTED, LAUNCH_COMPUTED},
};
/* clang-format on */

const struct layout_info *layout_info(enum vmcs_layout l)
{
    return &infos[l];
}

enum vmcs_layout layout_find(const char *name)
{
    unsigned l = 0;
    while (l < LAYOUT_COUNT && !name_equal(name, infos[l].name))
        l++;
    return (enum vmcs_layout)l;
}

enum vmcs_layout layout_of_revision(u32 revision)
{
    unsigned l = 0;
    while (l < LAYOUT_COUNT && infos[l].revision != (revision & ~VMCS_SHADOW_INDICATOR))
        l++;
    return (enum vmcs_layout)l;
}

u16 layout_offset(enum vmcs_layout l, enum vmcs_field f)
{
    return offsets[l][f];
}

/* True when the layout packs access rights in two bytes, as silicon of revision 0x12 does. KVM and
 * the computed layout keep the 32 bits that VMREAD gives. */
static bool packs_rights(enum vmcs_layout l)
{
    return l == LAYOUT_BROADWELL || l == LAYOUT_EXTENDED;
}

unsigned layout_width(enum vmcs_layout l, enum vmcs_field f)
{
    static const u8 bytes[] = {[W16] = 2, [W32] = 4, [W64] = 8, [WNW] = 8, [WAR] = 4};
    u8 width = vmcs12_desc(f)->width;
    return width == WAR && packs_rights(l) ? 2 : bytes[width];
}

/* The bytes of a page are little-endian, as is the machine that runs this. */
u64 layout_get(enum vmcs_layout l, const u8 *page, enum vmcs_field f)
{
    u64 value = 0;
    __builtin_memcpy(&value, page + offsets[l][f], layout_width(l, f));
    if (vmcs12_desc(f)->width != WAR)
        return value;
    /* A foreign page may hold reserved bits, which a VMWRITE would have dropped. */
    return packs_rights(l) ? ar_unpack((u16)value) : value & 0x1f0ff;
}

void layout_set(enum vmcs_layout l, u8 *page, enum vmcs_field f, u64 value)
{
    if (vmcs12_desc(f)->width == WAR)
        value = packs_rights(l) ? ar_pack((u32)value) : value & 0x1f0ff;
    __builtin_memcpy(page + offsets[l][f], &value, layout_width(l, f));
}

/* Only fields with a name are translated. Bytes that no field owns mean nothing in another layout.
 * L1's live page is not read this way: vmcs12_load_page reads all its bytes. */
void layout_decode(enum vmcs_layout l, const u8 *page, struct vmcs_image *v)
{
    __builtin_memset(v, 0, sizeof *v);
    __builtin_memcpy(&v->revision, page, sizeof v->revision);
    __builtin_memcpy(&v->abort, page + 4, sizeof v->abort);
    __builtin_memcpy(&v->launch_state, page + infos[l].launch_state_at, sizeof v->launch_state);
    v->revision = (v->revision & VMCS_SHADOW_INDICATOR) | VMCS12_REVISION;
    for (enum vmcs_field f = 0; f < F_COUNT; f++)
        if (offsets[l][f] != LAYOUT_NONE)
            vmcs12_set(v, f, layout_get(l, page, f));
}

/* A field that is zero is not in use and needs no place: layout_decode gives zero for a field that
 * the layout does not have. */
enum vmcs_field layout_encode(enum vmcs_layout l, const struct vmcs_image *v, u8 *page)
{
    u32 revision = (v->revision & VMCS_SHADOW_INDICATOR) | infos[l].revision;
    __builtin_memset(page, 0, infos[l].size);
    __builtin_memcpy(page, &revision, sizeof revision);
    __builtin_memcpy(page + 4, &v->abort, sizeof v->abort);
    __builtin_memcpy(page + infos[l].launch_state_at, &v->launch_state, sizeof v->launch_state);
    for (enum vmcs_field f = 0; f < F_COUNT; f++) {
        u64 value = vmcs12_get(v, f);
        if (offsets[l][f] != LAYOUT_NONE)
            layout_set(l, page, f, value);
        else if (value != 0)
            return f;
    }
    return F_COUNT;
}

/* The bits that the capabilities allow in this control word; all ones for any other field. While
 * the secondary controls are not activated, their word may have any value. */
static u64 allowed(const struct vmcs_image *v, const struct vmx_caps *caps, enum vmcs_field f)
{
    switch (f) {
    case F_pin_ctl:
        return vcaps_pin(caps).may_be_1;
    case F_cpu1_ctl:
        return vcaps_cpu1(caps).may_be_1;
    case F_cpu2_ctl:
        return any(v->cpu1_ctl, CPU1_SECONDARY) ? vcaps_cpu2(caps).may_be_1 : ~0ull;
    case F_exit_ctl:
        return vcaps_exit(caps).may_be_1;
    case F_entry_ctl:
        return vcaps_entry(caps).may_be_1;
    case F_vmfunc_ctl:
        return caps->vmfunc;
    default:
        return ~0ull;
    }
}

/* A field that L1 cannot read on the new processor must not be in use. If the VMCS moved on to a
 * third processor that has the field, the old value would reappear. */
enum vmcs_field layout_misfit(const struct vmcs_image *v, const struct vmx_caps *caps)
{
    for (enum vmcs_field f = 0; f < F_COUNT; f++) {
        u64 value = vmcs12_get(v, f);
        bool shown = vcaps_gate(caps, (enum vmcs_gate)vmcs12_desc(f)->gate);
        if (value != 0 && (!shown || any(value, ~allowed(v, caps, f))))
            return f;
    }
    return F_COUNT;
}
