/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The smallest change that keeps a broken rule and breaks no other. Contract in judge.h, the
 * changes in mends.def.
 */
#include <string.h>

#include "hv/arch/cpu.h"
#include "tools/vmcs12/why/judge.h"

#define EACH F_COUNT
struct mend_row {
    u8 rule, field; /* EACH: every deciding field but the gates */
    u64 set, clear;
    const char *why;
};
static const struct mend_row rows[] = {
#define MEND(rule, field, set, clear, why) {R_##rule, field, set, clear, why},
#include "tools/vmcs12/why/mends.def"
};

/* True when the image keeps the rule and breaks none that it did not break before. */
static bool mends(struct judge *j, const struct vmcs_image *v, enum rule_id rule)
{
    static const enum open_corner corners[] = {OPEN_LENIENT, OPEN_USUAL};
    struct rule_set before, after;
    for (unsigned c = 0; c < ARRAY_LEN(corners); c++) {
        judge_image(j, &j->a->v, corners[c], &before);
        judge_image(j, v, corners[c], &after);
        if (rule_set_has(&after, rule))
            return false;
        for (unsigned w = 0; w < RULE_WORDS; w++)
            if (any(after.word[w], ~before.word[w]))
                return false;
    }
    return true;
}

/* A selector of 0 with rights that break a rule: the register was meant to be unusable. */
static bool null_selector(const struct judge *j, enum vmcs_field rights)
{
    static const enum vmcs_field pairs[][2] = {
        {F_guest_ds_ar, F_guest_ds_selector},     {F_guest_es_ar, F_guest_es_selector},
        {F_guest_fs_ar, F_guest_fs_selector},     {F_guest_gs_ar, F_guest_gs_selector},
        {F_guest_ldtr_ar, F_guest_ldtr_selector}, {F_guest_ss_ar, F_guest_ss_selector}};
    for (unsigned i = 0; i < ARRAY_LEN(pairs); i++)
        if (pairs[i][0] == rights)
            return dump_knows(j->d, pairs[i][1]) && j->d->field[pairs[i][1]].number == 0;
    return false;
}

static bool applies(const struct mend_row *row, const struct finding *f, enum vmcs_field field)
{
    if (row->field != EACH)
        return row->field == field;
    /* A change of rights is none of limits, and the other way round. */
    bool rights = row->set < 0x10000 && (row->set | row->clear) != 0xfff &&
                  (f->rule == R_segment_g_large || f->rule == R_segment_g_small);
    bool limits = f->rule == R_segment_g_small && row->set == 0xfff;
    if (rights)
        return vmcs12_desc(field)->width == WAR;
    if (limits)
        return vmcs12_desc(field)->width == W32;
    return !is_gate(field);
}

/* An address or a limit of which nothing would be left is no mend. */
static bool wipes_out(enum vmcs_field f, u64 to)
{
    const char *name = vmcs12_name(f), *last = strrchr(name, '_');
    return to == 0 && last != NULL &&
           (strcmp(last, "_base") == 0 || strcmp(last, "_limit") == 0 || strcmp(last, "_cr3") == 0);
}

/* Changes the fields of the row. Returns how many it changed. */
static unsigned change(struct judge *j, const struct mend_row *row, const struct finding *f,
                       bool unusable, struct vmcs_image *v)
{
    unsigned changed = 0;
    bool one = row->field != EACH;
    for (unsigned i = 0; i < (one ? 1 : f->fields); i++) {
        enum vmcs_field field = (enum vmcs_field)(one ? row->field : f->field[i]);
        if (!dump_knows(j->d, field) || !applies(row, f, field))
            continue;
        u64 from = vmcs12_get(v, field), to = (from | row->set) & ~row->clear;
        if (unusable && vmcs12_desc(field)->width == WAR && null_selector(j, field))
            to = from | AR_UNUSABLE;
        if (wipes_out(field, to))
            continue;
        vmcs12_set(v, field, to);
        changed += vmcs12_get(v, field) != from;
    }
    return changed;
}

static void describe(struct judge *j, const struct vmcs_image *v, const char *why,
                     struct finding *f)
{
    size_t used = 0;
    for (enum vmcs_field q = 0; q < F_COUNT; q++) {
        u64 from = vmcs12_get(&j->a->v, q), to = vmcs12_get(v, q);
        if (from == to)
            continue;
        int n = snprintf(f->mend + used, sizeof f->mend - used, "%s%s from 0x%llx to 0x%llx",
                         used != 0 ? ", " : "", vmcs12_name(q), (unsigned long long)from,
                         (unsigned long long)to);
        if (n < 0 || used + (size_t)n >= sizeof f->mend - 100) {
            f->mend[0] = '\0';
            return;
        }
        used += (size_t)n;
    }
    snprintf(f->mend + used, sizeof f->mend - used, ": %s", why);
}

/* The event was on its way when an exit broke it off: the IDT-vectoring field tells its whole
 * form. */
static const char *event_witness(const struct judge *j, const struct finding *f)
{
    u64 info = j->d->field[F_idt_vectoring_info].number;
    u64 entry = j->d->field[F_entry_intr_info].number;
    if (f->rule != R_event_error_due || !dump_knows(j->d, F_idt_vectoring_info))
        return NULL;
    return any(info, INTR_VALID) && any(info, INTR_ERROR_VALID) && ((info ^ entry) & 0x7ff) == 0
               ? "the IDT-vectoring field has the same event with its error code"
               : NULL;
}

static bool try_row(struct judge *j, const struct mend_row *row, bool unusable, struct finding *f)
{
    struct vmcs_image v = j->a->v;
    if (change(j, row, f, unusable, &v) == 0 || !mends(j, &v, f->rule))
        return false;
    const char *witness = event_witness(j, f);
    describe(j, &v,
             witness != NULL ? witness
             : unusable      ? "a null selector is unusable"
                             : row->why,
             f);
    return true;
}

/* VMX operation in virtual-8086 mode fixes bases by selectors. */
static bool mend_v86_base(struct judge *j, struct finding *f)
{
    struct vmcs_image v = j->a->v;
    for (unsigned i = 0; i < f->fields; i++) {
        enum vmcs_field base = (enum vmcs_field)f->field[i];
        if (vmcs12_desc(base)->width != WNW || base < F_guest_es_base || base > F_guest_gs_base)
            continue;
        enum vmcs_field selector =
            (enum vmcs_field)((int)F_guest_es_selector + (int)base - (int)F_guest_es_base);
        if (dump_knows(j->d, selector))
            vmcs12_set(&v, base, vmcs12_get(&v, selector) << 4);
    }
    if (!mends(j, &v, f->rule))
        return false;
    describe(j, &v, "the selector times 16", f);
    return true;
}

void find_mend(struct judge *j, struct finding *f)
{
    f->mend[0] = '\0';
    if (f->rule == R_segment_reserved || f->rule == R_tr_reserved || f->rule == R_ldtr_reserved) {
        snprintf(f->mend, sizeof f->mend, "clear bits 31:17 and 11:8 of the access rights");
        return;
    }
    if (f->rule == R_v86_base && mend_v86_base(j, f))
        return;
    bool null = false;
    for (unsigned i = 0; i < f->fields; i++)
        null |= null_selector(j, (enum vmcs_field)f->field[i]);
    for (unsigned pass = null ? 0 : 1; pass < 2; pass++)
        for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
            if (rows[i].rule == f->rule && try_row(j, &rows[i], pass == 0, f))
                return;
}
