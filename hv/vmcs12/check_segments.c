/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rules of the guest's segment registers. The image does not hold the reserved bits of access
 * rights, so the environment tells of them. CAVEAT(ar-packing)
 * SDM 3C 27.3.1.2 "Checks on Guest Segment Registers"
 */
#include "hv/arch/segment.h"
#include "hv/vmcs12/check_break.h"

#define TYPE_ACCESSED 1u /* these three are bits of a code or data type */
#define TYPE_WRITABLE 2u /* in a code type: readable */
#define TYPE_CODE     8u
#define CS_TYPE_DATA  3u

static unsigned rpl(u16 selector)
{
    return selector & 3u;
}

/* If G is 1, the low 12 bits of the limit must be ones. If G is 0, the high 12 bits must be 0. */
static void granularity(u32 ar, u32 limit, struct rule_set *set, enum rule_id small,
                        enum rule_id large)
{
    if (any(ar, AR_G))
        breaks(set, (~limit & 0xfff) != 0, small);
    else
        breaks(set, limit >> 20, large);
}

/* The rules that CS and every usable SS, DS, ES, FS and GS share. */
static inline void code_or_data(u32 ar, u32 limit, struct rule_set *set)
{
    if (UNLIKELY(!all(ar, AR_S | AR_P))) {
        breaks(set, !any(ar, AR_S), R_segment_s);
        breaks(set, !any(ar, AR_P), R_segment_p);
    }
    granularity(ar, limit, set, R_segment_g_small, R_segment_g_large);
}

static void cs(const struct vmcs_image *v, bool unrestricted, struct rule_set *set)
{
    u32 ar = ar_rights(v->guest_cs_ar), type = ar & AR_TYPE;
    unsigned dpl = ar_dpl(ar), ss_dpl = ar_dpl(ar_rights(v->guest_ss_ar));

    breaks(set, !all(type, TYPE_CODE | TYPE_ACCESSED) && !(unrestricted && type == CS_TYPE_DATA),
           R_cs_type);
    breaks(set, type == CS_TYPE_DATA && dpl != 0, R_cs_dpl_data);
    if (UNLIKELY(dpl != ss_dpl)) {
        breaks(set, type == 9 || type == 11, R_cs_dpl_nonconforming);
        breaks(set, (type == 13 || type == 15) && dpl > ss_dpl, R_cs_dpl_conforming);
    }
    breaks(set, all(ar, AR_L | AR_DB) && any(v->entry_ctl, ENTRY_IA32E_MODE_GUEST), R_cs_db);
    code_or_data(ar, v->guest_cs_limit, set);
}

/* The DPL of SS is the CPL, so this DPL is judged even if SS is unusable. */
static void ss(const struct vmcs_image *v, bool unrestricted, struct rule_set *set)
{
    u32 ar = ar_rights(v->guest_ss_ar), cs_type = ar_rights(v->guest_cs_ar) & AR_TYPE;

    if (!unrestricted) {
        breaks(set, rpl(v->guest_ss_selector) != rpl(v->guest_cs_selector), R_ss_rpl);
        breaks(set, ar_dpl(ar) != rpl(v->guest_ss_selector), R_ss_dpl_rpl);
    }
    breaks(set, ar_dpl(ar) != 0 && (cs_type == CS_TYPE_DATA || !any(v->guest_cr0, CR0_PE)),
           R_ss_dpl_zero);
    if (!ar_usable(v->guest_ss_ar))
        return;
    breaks(set, (ar & AR_TYPE) != 3 && (ar & AR_TYPE) != 7, R_ss_type);
    code_or_data(ar, v->guest_ss_limit, set);
}

/* The rules of DS, ES, FS and GS. */
static inline void data(u16 packed_ar, u16 selector, u32 limit, bool unrestricted,
                        struct rule_set *set)
{
    u32 ar = ar_rights(packed_ar), type = ar & AR_TYPE;

    if (!ar_usable(packed_ar))
        return;
    breaks(set, !any(type, TYPE_ACCESSED), R_data_accessed);
    breaks(set, any(type, TYPE_CODE) && !any(type, TYPE_WRITABLE), R_data_readable);
    breaks(set, !unrestricted && type <= 11 && ar_dpl(ar) < rpl(selector), R_data_dpl);
    code_or_data(ar, limit, set);
}

static void protected_segments(const struct vmcs_image *v, bool unrestricted, struct rule_set *set)
{
    cs(v, unrestricted, set);
    ss(v, unrestricted, set);
    data(v->guest_ds_ar, v->guest_ds_selector, v->guest_ds_limit, unrestricted, set);
    data(v->guest_es_ar, v->guest_es_selector, v->guest_es_limit, unrestricted, set);
    data(v->guest_fs_ar, v->guest_fs_selector, v->guest_fs_limit, unrestricted, set);
    data(v->guest_gs_ar, v->guest_gs_selector, v->guest_gs_limit, unrestricted, set);
}

static void v86_segment(u16 packed_ar, u16 selector, u64 base, u32 limit, struct rule_set *set)
{
    breaks(set, base != (u64)selector << 4, R_v86_base);
    breaks(set, limit != 0xffff, R_v86_limit);
    breaks(set, ar_unpack(packed_ar) != 0xf3, R_v86_access_rights);
}

static void v86_segments(const struct vmcs_image *v, struct rule_set *set)
{
    v86_segment(v->guest_cs_ar, v->guest_cs_selector, v->guest_cs_base, v->guest_cs_limit, set);
    v86_segment(v->guest_ss_ar, v->guest_ss_selector, v->guest_ss_base, v->guest_ss_limit, set);
    v86_segment(v->guest_ds_ar, v->guest_ds_selector, v->guest_ds_base, v->guest_ds_limit, set);
    v86_segment(v->guest_es_ar, v->guest_es_selector, v->guest_es_base, v->guest_es_limit, set);
    v86_segment(v->guest_fs_ar, v->guest_fs_selector, v->guest_fs_base, v->guest_fs_limit, set);
    v86_segment(v->guest_gs_ar, v->guest_gs_selector, v->guest_gs_base, v->guest_gs_limit, set);
}

static void bases(const struct vmcs_image *v, const struct check_cpu *cpu, struct rule_set *set)
{
    u64 bad = noncanonical(cpu, v->guest_tr_base) | noncanonical(cpu, v->guest_fs_base) |
              noncanonical(cpu, v->guest_gs_base);
    u64 high = v->guest_cs_base;

    if (ar_usable(v->guest_ldtr_ar))
        bad |= noncanonical(cpu, v->guest_ldtr_base);
    if (ar_usable(v->guest_ss_ar))
        high |= v->guest_ss_base;
    if (ar_usable(v->guest_ds_ar))
        high |= v->guest_ds_base;
    if (ar_usable(v->guest_es_ar))
        high |= v->guest_es_base;
    breaks(set, bad, R_segment_base_canonical);
    breaks(set, high >> 32, R_segment_base_high);
}

static void tr(const struct vmcs_image *v, struct rule_set *set)
{
    u32 ar = ar_rights(v->guest_tr_ar), type = ar & AR_TYPE;
    bool ia32e = any(v->entry_ctl, ENTRY_IA32E_MODE_GUEST);

    breaks(set, any(v->guest_tr_selector, 4), R_tr_ti);
    breaks(set, type != AR_TYPE_BUSY_TSS && (ia32e || type != AR_TYPE_BUSY_TSS16), R_tr_type);
    breaks(set, any(ar, AR_S), R_tr_s);
    breaks(set, !any(ar, AR_P), R_tr_p);
    breaks(set, !ar_usable(v->guest_tr_ar), R_tr_unusable);
    granularity(ar, v->guest_tr_limit, set, R_tr_g_small, R_tr_g_large);
}

static void ldtr(const struct vmcs_image *v, struct rule_set *set)
{
    u32 ar = ar_rights(v->guest_ldtr_ar);

    if (!ar_usable(v->guest_ldtr_ar))
        return;
    breaks(set, any(v->guest_ldtr_selector, 4), R_ldtr_ti);
    breaks(set, (ar & AR_TYPE) != AR_TYPE_LDT, R_ldtr_type);
    breaks(set, any(ar, AR_S), R_ldtr_s);
    breaks(set, !any(ar, AR_P), R_ldtr_p);
    granularity(ar, v->guest_ldtr_limit, set, R_ldtr_g_small, R_ldtr_g_large);
}

/* bits: one per segment register, as in struct check_env. */
static void reserved_rights(const struct vmcs_image *v, u32 bits, struct rule_set *set)
{
    u32 usable = BIT(SEG_CS);

    usable |= ar_usable(v->guest_ss_ar) ? BIT(SEG_SS) : 0;
    usable |= ar_usable(v->guest_ds_ar) ? BIT(SEG_DS) : 0;
    usable |= ar_usable(v->guest_es_ar) ? BIT(SEG_ES) : 0;
    usable |= ar_usable(v->guest_fs_ar) ? BIT(SEG_FS) : 0;
    usable |= ar_usable(v->guest_gs_ar) ? BIT(SEG_GS) : 0;
    if (any(v->guest_rflags, RFLAGS_VM))
        breaks(set, any(bits, BIT(SEG_OPERANDS) - 1), R_v86_access_rights);
    else
        breaks(set, any(bits, usable), R_segment_reserved);
    breaks(set, any(bits, BIT(SEG_TR)), R_tr_reserved);
    breaks(set, any(bits, BIT(SEG_LDTR)) && ar_usable(v->guest_ldtr_ar), R_ldtr_reserved);
}

void check_segments(const struct vmcs_image *v, const struct check_env *env,
                    struct rule_set *broken)
{
    bases(v, env->cpu, broken);
    if (UNLIKELY(env->rights_reserved != 0))
        reserved_rights(v, env->rights_reserved, broken);
    if (any(v->guest_rflags, RFLAGS_VM))
        v86_segments(v, broken);
    else
        protected_segments(v, any(vmcs12_cpu2(v), CPU2_UNRESTRICTED_GUEST), broken);
    tr(v, broken);
    ldtr(v, broken);
}
