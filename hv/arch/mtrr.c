/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory types by the MTRRs. Contract in mtrr.h. Read next: hv/vmx/ept_l1.c, which builds EPT01 by
 * these types. */
#include "hv/arch/mtrr.h"
#include "hv/arch/msr.h"
#include "hv/arch/paging.h"

#define FIXED_END  0x100000ull /* the fixed ranges describe the first MiB */
#define STEP_LIMIT 512         /* blocks that mtrr_uniform looks at before it gives up */

u32 mtrr_variable_count(const struct mtrr_state *s)
{
    u32 n = (u32)(s->cap & MTRRCAP_VCNT);
    return n < MTRR_VARIABLE_MAX ? n : MTRR_VARIABLE_MAX;
}

static bool same_words(const u64 *a, const u64 *b, u32 count)
{
    u64 differ = 0;
    for (u32 i = 0; i < count; i++)
        differ |= a[i] ^ b[i];
    return differ == 0;
}

bool mtrr_alike(const struct mtrr_state *a, const struct mtrr_state *b)
{
    if (!any(a->def_type | b->def_type, MTRR_DEF_TYPE_EN))
        return true;
    if (a->def_type != b->def_type || a->cap != b->cap)
        return false;
    if (any(a->def_type, MTRR_DEF_TYPE_FIX_EN) && !same_words(a->fixed, b->fixed, MTRR_FIXED_COUNT))
        return false;
    for (u32 i = 0; i < mtrr_variable_count(a); i++)
        if (a->mask[i] != b->mask[i] ||
            (any(a->mask[i], MTRR_PHYSMASK_VALID) && a->base[i] != b->base[i]))
            return false;
    return true;
}

static u64 phys_mask(const struct mtrr_state *s)
{
    return BIT(s->maxphyaddr) - PAGE_SIZE;
}

/* Encodings 2, 3 and 7 and up are reserved. SDM 3A 11.11 "Memory Type Range Registers (MTRRs)" */
static bool is_type(const struct mtrr_state *s, u64 t)
{
    if (t == MT_WC)
        return any(s->cap, MTRRCAP_WC);
    return t == MT_UC || t == MT_WT || t == MT_WP || t == MT_WB;
}

static bool fixed_applies(const struct mtrr_state *s, u64 hpa)
{
    return hpa < FIXED_END && any(s->cap, MTRRCAP_FIX) && any(s->def_type, MTRR_DEF_TYPE_FIX_EN);
}

/* Each register holds eight ranges, a byte each. SDM 3A 11.11.2.2 "Fixed Range MTRRs" */
static u8 fixed_type(const struct mtrr_state *s, u64 hpa)
{
    u64 reg, slot;

    if (hpa < 0x80000) {
        reg = 0;
        slot = hpa >> 16;
    } else if (hpa < 0xc0000) {
        reg = 1 + bits(hpa - 0x80000, 17, 17);
        slot = bits(hpa, 16, 14);
    } else {
        reg = 3 + bits(hpa - 0xc0000, 17, 15);
        slot = bits(hpa, 14, 12);
    }
    return (u8)(s->fixed[reg] >> (8 * slot));
}

static u64 fixed_size(u64 hpa)
{
    if (hpa < 0x80000)
        return 0x10000;
    return hpa < 0xc0000 ? 0x4000 : PAGE_SIZE;
}

/* The type of memory that two ranges match. UC wins over every type, and WT wins over WB. The
 * architecture leaves every other pair undefined; L0 chooses UC, which never breaks a device.
 * SDM 3A 11.11.4.1 "MTRR Precedences" */
static u8 overlap(u8 a, u8 b)
{
    if (a == b)
        return a;
    if ((a == MT_WT && b == MT_WB) || (a == MT_WB && b == MT_WT))
        return MT_WT;
    return MT_UC;
}

static bool matches(const struct mtrr_state *s, u32 i, u64 hpa)
{
    u64 mask = s->mask[i] & phys_mask(s);
    return any(s->mask[i], MTRR_PHYSMASK_VALID) && (hpa & mask) == (s->base[i] & mask);
}

static u8 variable_type(const struct mtrr_state *s, u64 hpa)
{
    bool found = false;
    u8 type = (u8)(s->def_type & MTRR_DEF_TYPE_TYPE);

    for (u32 i = 0; i < mtrr_variable_count(s); i++) {
        if (!matches(s, i, hpa))
            continue;
        u8 t = (u8)(s->base[i] & 0xff);
        type = found ? overlap(type, t) : t;
        found = true;
    }
    return type;
}

u8 mtrr_type(const struct mtrr_state *s, u64 hpa)
{
    if (!any(s->def_type, MTRR_DEF_TYPE_EN))
        return MT_UC;

    u8 type = fixed_applies(s, hpa) ? fixed_type(s, hpa) : variable_type(s, hpa);
    return is_type(s, type) ? type : MT_UC;
}

/* The size of the largest block at hpa, up to size, that no range's edge cuts. size is a power of
 * two to which hpa is aligned. A range with a mask bit below the block's size can match a part of
 * the block. */
static u64 uncut_block(const struct mtrr_state *s, u64 hpa, u64 size)
{
    if (!any(s->def_type, MTRR_DEF_TYPE_EN))
        return size;
    if (fixed_applies(s, hpa))
        return size < fixed_size(hpa) ? size : fixed_size(hpa);

    for (u32 i = 0; i < mtrr_variable_count(s); i++) {
        u64 mask = s->mask[i] & phys_mask(s);
        u64 differ = (hpa ^ s->base[i]) & mask;

        if (!any(s->mask[i], MTRR_PHYSMASK_VALID))
            continue;
        while (size > PAGE_SIZE && any(mask, size - 1) && !any(differ, ~(size - 1)))
            size >>= 1;
    }
    return size;
}

bool mtrr_uniform(const struct mtrr_state *s, u64 hpa, u64 size, u8 *type)
{
    u64 end = hpa + size;

    *type = mtrr_type(s, hpa);
    for (u32 step = 0; step < STEP_LIMIT; step++) {
        u64 left = end - hpa;

        hpa += uncut_block(s, hpa, left & -left);
        if (hpa >= end)
            return true;
        if (mtrr_type(s, hpa) != *type)
            return false;
    }
    return false;
}

static bool in_variable(const struct mtrr_state *s, u32 msr)
{
    return msr - MSR_IA32_MTRR_PHYSBASE0 < 2 * mtrr_variable_count(s);
}

/* The index of a fixed-range register, or MTRR_FIXED_COUNT when msr is none. The MSR numbers have
 * gaps. */
static u32 fixed_index(u32 msr)
{
    if (msr == MSR_IA32_MTRR_FIX64K_00000)
        return 0;
    if (msr - MSR_IA32_MTRR_FIX16K_80000 < 2)
        return 1 + msr - MSR_IA32_MTRR_FIX16K_80000;
    if (msr - MSR_IA32_MTRR_FIX4K_C0000 < 8)
        return 3 + msr - MSR_IA32_MTRR_FIX4K_C0000;
    return MTRR_FIXED_COUNT;
}

u64 *mtrr_reg(struct mtrr_state *s, u32 msr)
{
    u32 fixed = fixed_index(msr);

    if (msr == MSR_IA32_MTRRCAP)
        return &s->cap;
    if (msr == MSR_IA32_MTRR_DEF_TYPE)
        return &s->def_type;
    if (in_variable(s, msr))
        return (msr & 1) ? &s->mask[(msr - MSR_IA32_MTRR_PHYSBASE0) / 2]
                         : &s->base[(msr - MSR_IA32_MTRR_PHYSBASE0) / 2];
    if (fixed < MTRR_FIXED_COUNT && any(s->cap, MTRRCAP_FIX))
        return &s->fixed[fixed];
    return NULL;
}

static bool fixed_legal(const struct mtrr_state *s, u64 value)
{
    for (u32 shift = 0; shift < 64; shift += 8)
        if (!is_type(s, (value >> shift) & 0xff))
            return false;
    return true;
}

/* PHYSBASE reserves bits 11:8, PHYSMASK reserves bits 10:0, and both reserve all address bits at
 * and above MAXPHYADDR.
 * SDM 3A 11.11.2.3 "Variable Range MTRRs" */
static bool variable_legal(const struct mtrr_state *s, u32 msr, u64 value)
{
    if (msr & 1)
        return !any(value, ~(phys_mask(s) | MTRR_PHYSMASK_VALID));
    return !any(value, ~(phys_mask(s) | 0xff)) && is_type(s, value & 0xff);
}

bool mtrr_write_legal(const struct mtrr_state *s, u32 msr, u64 value)
{
    u64 def_bits = MTRR_DEF_TYPE_TYPE | MTRR_DEF_TYPE_FIX_EN | MTRR_DEF_TYPE_EN;

    /* SDM 3A 11.11.2.1 "IA32_MTRR_DEF_TYPE MSR" */
    if (msr == MSR_IA32_MTRR_DEF_TYPE)
        return !any(value, ~def_bits) && is_type(s, value & MTRR_DEF_TYPE_TYPE);
    if (in_variable(s, msr))
        return variable_legal(s, msr, value);
    if (fixed_index(msr) < MTRR_FIXED_COUNT && any(s->cap, MTRRCAP_FIX))
        return fixed_legal(s, value);
    return false;
}
