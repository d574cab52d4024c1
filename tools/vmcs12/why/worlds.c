/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rules whose fields are not all known: they are judged with the values that matter put in for
 * those that are not. Rules that lack the same fields are judged together. Contract in judge.h.
 */
#include <string.h>

#include "hv/arch/cpu.h"
#include "tools/vmcs12/why/judge.h"

#define WORLDS_MOST  256u
#define WORLDS_PLAIN 24u /* so many tell what some world breaks */

struct field_set {
    u64 word[4];
};

static bool has(const struct field_set *set, enum vmcs_field f)
{
    return any(set->word[f / 64], BIT(f % 64));
}

static struct field_set unknown_of(const struct dump *d, enum rule_id rule)
{
    struct field_set set = {{0}};
    for (const u8 *f = rule_fields(rule); *f != F_COUNT; f++)
        if (!dump_knows(d, (enum vmcs_field) * f))
            set.word[*f / 64] |= BIT(*f % 64);
    return set;
}

/* The bits of a control that some rule asks for. */
static u64 telling_bits(enum vmcs_field f)
{
    switch (f) {
    case F_pin_ctl:
        return PIN_EXT_INTR_EXITING | PIN_NMI_EXITING | PIN_VIRTUAL_NMIS | PIN_PREEMPTION_TIMER |
               PIN_POSTED_INTERRUPTS;
    case F_cpu1_ctl:
        return CPU1_SECONDARY | CPU1_USE_TPR_SHADOW | CPU1_NMI_WINDOW_EXITING |
               CPU1_USE_IO_BITMAPS | CPU1_USE_MSR_BITMAPS | CPU1_TERTIARY;
    case F_cpu2_ctl:
        return CPU2_VIRTUALIZE_APIC_ACCESSES | CPU2_ENABLE_EPT | CPU2_VIRTUALIZE_X2APIC |
               CPU2_ENABLE_VPID | CPU2_UNRESTRICTED_GUEST | CPU2_APIC_REGISTER_VIRT |
               CPU2_VIRTUAL_INTR_DELIVERY | CPU2_ENABLE_VMFUNC | CPU2_VMCS_SHADOWING |
               CPU2_ENABLE_PML | CPU2_EPT_VIOLATION_VE;
    case F_entry_ctl:
        return ENTRY_IA32E_MODE_GUEST | ENTRY_LOAD_DEBUG_CONTROLS | ENTRY_LOAD_EFER |
               ENTRY_LOAD_PAT | ENTRY_LOAD_PERF_GLOBAL_CTRL | ENTRY_LOAD_CET | ENTRY_LOAD_PKRS;
    case F_exit_ctl:
        return EXIT_HOST_ADDR_SPACE_SIZE | EXIT_LOAD_EFER | EXIT_LOAD_PAT | EXIT_ACK_INTR_ON_EXIT |
               EXIT_LOAD_PERF_GLOBAL_CTRL | EXIT_LOAD_CET | EXIT_LOAD_PKRS | EXIT_SECONDARY;
    case F_guest_rflags:
        return RFLAGS_VM | RFLAGS_IF | RFLAGS_TF;
    case F_guest_cr0:
    case F_host_cr0:
        return CR0_PE | CR0_PG | CR0_WP;
    case F_guest_cr4:
    case F_host_cr4:
        return CR4_PAE | CR4_PCIDE | CR4_CET;
    case F_entry_intr_info:
        return INTR_VALID;
    case F_guest_efer:
    case F_host_efer:
        return EFER_LME | EFER_LMA;
    case F_guest_cs_ar:
    case F_guest_ss_ar:
        return 0x6f | AR_L;
    case F_guest_interruptibility:
        return 0xf;
    case F_guest_activity_state:
        return 1;
    case F_guest_debugctl:
        return DEBUGCTL_BTF;
    case F_vmfunc_ctl:
        return VMFUNC_EPTP_SWITCHING;
    default:
        return 0;
    }
}

/* The values to try of a field: healthy, none, all, each bit that tells alone and away. A selector
 * has the privilege levels. */
#define VALUES_MOST 32
static unsigned values_of(enum vmcs_field f, u64 *list)
{
    u64 bits_left = telling_bits(f);
    unsigned n = 0;
    list[n++] = healthy_value(f);
    list[n++] = ~0ull;
    list[n++] = 0;
    if (vmcs12_desc(f)->width == W16)
        for (u64 rpl = 1; rpl < 4; rpl++)
            list[n++] = 0x10 | rpl;
    for (; bits_left != 0 && n + 2 <= VALUES_MOST; bits_left &= bits_left - 1) {
        u64 bit = bits_left & -bits_left;
        list[n++] = healthy_value(f) | bit;
        list[n++] = ~bit;
    }
    return n;
}

struct unknowns {
    enum vmcs_field field[F_COUNT];
    u64 value[F_COUNT][VALUES_MOST];
    unsigned values[F_COUNT], count;
};

static void list_unknowns(const struct field_set *set, struct unknowns *u)
{
    u->count = 0;
    for (enum vmcs_field f = 0; f < F_COUNT; f++)
        if (has(set, f)) {
            u->field[u->count] = f;
            u->values[u->count] = values_of(f, u->value[u->count]);
            u->count++;
        }
}

static u64 worlds_of(const struct unknowns *u)
{
    u64 product = 1;
    for (unsigned i = 0; i < u->count && product <= WORLDS_MOST; i++)
        product *= u->values[i];
    return product;
}

/* Puts in the values of one world. If there are too many worlds the first ones are plain: every
 * field healthy, all ones, zero; the others are drawn. */
static void fill_world(struct vmcs_image *v, const struct unknowns *u, u64 world, bool all,
                       u64 *random)
{
    for (unsigned i = 0; i < u->count; i++) {
        u64 pick = world;
        if (all) {
            pick = world % u->values[i];
            world /= u->values[i];
        } else if (world >= 3) {
            *random ^= *random << 13;
            *random ^= *random >> 7;
            *random ^= *random << 17;
            pick = *random % u->values[i];
        }
        vmcs12_set(v, u->field[i], u->value[i][pick]);
    }
}

/* The base of a segment in virtual-8086 mode follows from its selector. In every second world what
 * is unknown of the two follows from the other. */
static void match_v86(struct vmcs_image *v, const struct field_set *unknown)
{
    static const enum vmcs_field pairs[][2] = {
        {F_guest_es_selector, F_guest_es_base}, {F_guest_cs_selector, F_guest_cs_base},
        {F_guest_ss_selector, F_guest_ss_base}, {F_guest_ds_selector, F_guest_ds_base},
        {F_guest_fs_selector, F_guest_fs_base}, {F_guest_gs_selector, F_guest_gs_base}};
    for (unsigned i = 0; i < ARRAY_LEN(pairs); i++) {
        if (has(unknown, pairs[i][1]))
            vmcs12_set(v, pairs[i][1], vmcs12_get(v, pairs[i][0]) << 4);
        else if (has(unknown, pairs[i][0]))
            vmcs12_set(v, pairs[i][0], vmcs12_get(v, pairs[i][1]) >> 4);
    }
}

/* The groups that hold a rule: every field of it is read by them. */
static u32 groups_of_rule(enum rule_id rule)
{
    u32 groups = CHECK_ALL;
    for (const u8 *f = rule_fields(rule); *f != F_COUNT; f++)
        groups &= check_groups_of((enum vmcs_field) * f);
    return groups;
}

static void combine(struct rule_set *all, const struct rule_set *one, bool first, bool intersect)
{
    for (unsigned w = 0; w < RULE_WORDS; w++)
        all->word[w] = first       ? one->word[w]
                       : intersect ? all->word[w] & one->word[w]
                                   : all->word[w] | one->word[w];
}

static struct check_env worst_memory(const struct check_env *env)
{
    struct check_env e = *env;
    e.vtpr_valid = e.pdpte_valid = e.link_valid = true;
    e.vtpr = 0;
    e.link_header = 0;
    for (unsigned i = 0; i < 4; i++)
        e.pdpte[i] = ~0ull;
    return e;
}

/* True while some rule is broken in every world so far: only then are more of them worth a look. */
static bool still_accused(const struct verdicts *v, const struct rule_set *rules)
{
    for (unsigned w = 0; w < RULE_WORDS; w++)
        if (any((v->mild_all.word[w] | v->usual_all.word[w]), rules->word[w]))
            return true;
    return false;
}

/* Judges the worlds of the unknown fields, for some rules. */
static void judge_set(struct judge *j, const struct field_set *set, const struct rule_set *rules,
                      u32 groups, struct verdicts *out)
{
    static const struct verdicts none;
    struct unknowns u;
    struct vmcs_image v = j->a->v;
    struct check_env worst = worst_memory(&j->env);
    u64 random = 88172645463325252ull;
    struct rule_set one;

    *out = none;
    list_unknowns(set, &u);
    u64 worlds = worlds_of(&u);
    bool all = worlds <= WORLDS_MOST;
    for (u64 w = 0; w < (all ? worlds : WORLDS_MOST); w++) {
        if (w >= WORLDS_PLAIN && !still_accused(out, rules))
            break;
        fill_world(&v, &u, w, all, &random);
        if (w % 2 == 0)
            match_v86(&v, set);
        check_open(&v, &j->env, &j->worlds, OPEN_LENIENT, groups, &one);
        combine(&out->mild_all, &one, w == 0, true);
        combine(&out->mild_any, &one, w == 0, false);
        check_open(&v, &j->env, &j->worlds, OPEN_USUAL, groups, &one);
        combine(&out->usual_all, &one, w == 0, true);
        check_open(&v, &j->env, &j->worlds, OPEN_STRICT, groups, &one);
        combine(&out->strict_any, &one, w == 0, false);
        check_open(&v, &worst, &j->worlds, OPEN_STRICT, groups, &one);
        combine(&out->memory_any, &one, w == 0, false);
    }
}

static void copy_rule(struct verdicts *to, const struct verdicts *from, enum rule_id rule)
{
    struct rule_set *const places[] = {&to->mild_all, &to->mild_any, &to->usual_all,
                                       &to->strict_any, &to->memory_any};
    const struct rule_set *const sources[] = {&from->mild_all, &from->mild_any, &from->usual_all,
                                              &from->strict_any, &from->memory_any};
    for (unsigned i = 0; i < ARRAY_LEN(places); i++)
        if (rule_set_has(sources[i], rule))
            rule_set_add(places[i], rule);
}

void judge_fields(struct judge *j, struct verdicts *all)
{
    static const struct verdicts none;
    struct field_set unknown[R_COUNT];
    bool done[R_COUNT] = {false};
    struct verdicts some;

    *all = none;
    for (enum rule_id r = 0; r < R_COUNT; r++)
        unknown[r] = unknown_of(j->d, r);
    for (enum rule_id r = 0; r < R_COUNT; r++) {
        u32 groups = 0;
        struct rule_set rules = {{0}};
        bool lacks =
            any(unknown[r].word[0] | unknown[r].word[1] | unknown[r].word[2] | unknown[r].word[3],
                ~0ull);
        if (done[r] || rule_fields(r)[0] == F_COUNT)
            continue;
        if (lacks && rule_set_has(&j->a->held, r))
            continue; /* nothing is known against it */
        for (enum rule_id q = r; q < R_COUNT; q++) {
            if (memcmp(&unknown[q], &unknown[r], sizeof unknown[r]) != 0)
                continue;
            done[q] = true;
            rule_set_add(&rules, q);
            groups |= rule_fields(q)[0] != F_COUNT ? groups_of_rule(q) : 0;
        }
        judge_set(j, &unknown[r], &rules, groups, &some);
        for (enum rule_id q = r; q < R_COUNT; q++)
            if (rule_set_has(&rules, q))
                copy_rule(all, &some, q);
    }
}

void judge_image(struct judge *j, const struct vmcs_image *v, enum open_corner corner,
                 struct rule_set *broken)
{
    check_open(v, &j->env, &j->worlds, corner, CHECK_ALL, broken);
}
