/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which groups of rules must be judged again when a field changes. This header is for code
 * that includes fields.def. Such code names the field at build time, so the look-up costs nothing.
 * Only the comparison of the old value with the new one remains. Other code asks check_groups_of.
 */
#ifndef HV_VMCS12_CHECK_INPUTS_H
#define HV_VMCS12_CHECK_INPUTS_H

#include "hv/arch/cpu.h"
#include "hv/vmcs12/check.h"

static const u32 check_readers[F_COUNT] = {
#define READS(name, groups) [F_##name] = (groups),
#include "hv/vmcs12/check_inputs.def"
};

/* The bits that no rule reads of a field that some rule reads. Only RFLAGS has such bits here: the
 * status flags, which differ at every exit. */
static inline u64 check_unread(enum vmcs_field field)
{
    return field == F_guest_rflags ? RFLAGS_STATUS : 0;
}

/* The groups (a set of enum check_group) to judge anew when the field changes from `from` to `to`.
 * Both are values as an image stores them. */
static inline u32 check_changed(enum vmcs_field field, u64 from, u64 to)
{
    return any(from ^ to, ~check_unread(field)) ? check_readers[field] : 0;
}

#endif
