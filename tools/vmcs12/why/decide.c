/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which fields decide about a broken rule: those of which another value would keep it. Contract in
 * judge.h.
 */
#include <string.h>

#include "hv/arch/cpu.h"
#include "tools/vmcs12/why/judge.h"

static bool is_broken(struct judge *j, const struct vmcs_image *v, enum rule_id rule)
{
    struct rule_set set;
    judge_image(j, v, OPEN_USUAL, &set);
    return rule_set_has(&set, rule);
}

/* True when another value of the field keeps the rule, all else being as it is. */
static u64 v86_base_of(const struct vmcs_image *v, enum vmcs_field base)
{
    if (base < F_guest_es_base || base > F_guest_gs_base)
        return 0;
    return vmcs12_get(v, (enum vmcs_field)((unsigned)F_guest_es_selector + base - F_guest_es_base))
           << 4;
}

static bool decides(struct judge *j, const struct vmcs_image *v, enum rule_id rule,
                    enum vmcs_field f)
{
    struct vmcs_image trial = *v;
    u64 value = vmcs12_get(v, f);
    const u64 tries[] = {
        healthy_value(f),  0,   ~0ull, value & 0xffffffff, value | 0xfff, value & 0xfffff,
        v86_base_of(v, f), 0xf3};
    for (unsigned i = 0; i < ARRAY_LEN(tries); i++) {
        vmcs12_set(&trial, f, tries[i]);
        if (!is_broken(j, &trial, rule))
            return true;
    }
    for (unsigned bit = 0; bit < 64; bit++) {
        vmcs12_set(&trial, f, value ^ BIT(bit));
        if (!is_broken(j, &trial, rule))
            return true;
    }
    return false;
}

/* The register that a field belongs to, for rules about several of the same kind: "guest_ds". */
static size_t register_length(enum vmcs_field f)
{
    const char *name = vmcs12_name(f), *last = strrchr(name, '_');
    static const char *const kinds[] = {"selector", "limit", "base", "ar"};
    for (unsigned i = 0; last != NULL && i < ARRAY_LEN(kinds); i++)
        if (strcmp(last + 1, kinds[i]) == 0)
            return (size_t)(last - name);
    return strlen(name);
}

static bool same_register(enum vmcs_field a, enum vmcs_field b)
{
    size_t n = register_length(a);
    return n == register_length(b) && memcmp(vmcs12_name(a), vmcs12_name(b), n) == 0;
}

/* The image in which only the register of field `f`, and what switches rules on, has its value. */
static struct vmcs_image alone(struct judge *j, enum rule_id rule, enum vmcs_field f)
{
    struct vmcs_image v = j->a->v;
    bool v86 = any(v.guest_rflags, RFLAGS_VM);
    for (const u8 *q = rule_fields(rule); *q != F_COUNT; q++) {
        enum vmcs_field other = (enum vmcs_field) * q;
        if (is_gate(other) || same_register(f, other))
            continue;
        u64 healthy = healthy_value(other);
        if (v86 && vmcs12_desc(other)->width == WAR)
            healthy = 0xf3;
        if (v86 && vmcs12_desc(other)->width == W32)
            healthy = 0xffff;
        vmcs12_set(&v, other, healthy);
    }
    return v;
}

static void add_field(struct judge *j, struct finding *f, enum vmcs_field field)
{
    for (unsigned i = 0; i < f->fields; i++)
        if (f->field[i] == field)
            return;
    if (f->fields < FINDING_FIELDS && dump_knows(j->d, field))
        f->field[f->fields++] = (u8)field;
}

/* RFLAGS.VM switches every rule of segments; that is no news. */
static bool worth_telling(enum rule_id rule, enum vmcs_field field)
{
    return field != F_guest_rflags || rule_stage(rule) != STAGE_GUEST ||
           strcmp(rule_section_number(rule), "27.3.1.2") != 0 ||
           strncmp(rule_name(rule), "v86", 3) == 0;
}

static bool has_reserved_rights(const struct judge *j, enum vmcs_field f)
{
    return vmcs12_desc(f)->width == WAR && dump_knows(j->d, f) &&
           any(j->d->field[f].number, AR_RESERVED);
}

void find_deciders(struct judge *j, struct finding *f)
{
    const u8 *fields = rule_fields(f->rule);
    bool rights =
        f->rule == R_segment_reserved || f->rule == R_tr_reserved || f->rule == R_ldtr_reserved;
    for (const u8 *q = fields; *q != F_COUNT; q++) {
        enum vmcs_field field = (enum vmcs_field) * q;
        if (rights ? has_reserved_rights(j, field)
                   : worth_telling(f->rule, field) && decides(j, &j->a->v, f->rule, field))
            add_field(j, f, field);
    }
    bool subject = false;
    for (unsigned i = 0; i < f->fields; i++)
        subject |= !is_gate((enum vmcs_field)f->field[i]);
    if (subject || rights)
        return;
    /* Several registers break it, so that no one field keeps it: each for itself. */
    struct finding gates = *f;
    f->fields = 0;
    for (const u8 *q = fields; *q != F_COUNT; q++) {
        enum vmcs_field field = (enum vmcs_field) * q;
        if (is_gate(field) || !dump_knows(j->d, field))
            continue;
        struct vmcs_image v = alone(j, f->rule, field);
        if (is_broken(j, &v, f->rule) && decides(j, &v, f->rule, field))
            add_field(j, f, field);
    }
    for (unsigned i = 0; i < gates.fields; i++)
        add_field(j, f, (enum vmcs_field)gates.field[i]);
    for (const u8 *q = fields; f->fields == 0 && *q != F_COUNT; q++)
        if (dump_knows(j->d, (enum vmcs_field) * q))
            add_field(j, f, (enum vmcs_field) * q);
}
