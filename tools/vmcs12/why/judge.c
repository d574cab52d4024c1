/* SPDX-License-Identifier: BSD-2-Clause */
/* From a dump to its answer. Contract in why.h. */
#include <string.h>

#include "hv/arch/cpu.h"
#include "tools/vmcs12/why/judge.h"

/* The highest address bit that the dump shows in use, where the processor has accepted it. */
static unsigned highest_address(const struct judge *j, const struct outcome *o)
{
    static const enum vmcs_field fields[] = {F_host_cr3,          F_ept_pointer,
                                             F_virtual_apic_addr, F_apic_access_addr,
                                             F_ve_info_addr,      F_msr_bitmap_addr};
    unsigned first = 0, second = 0;
    for (unsigned i = 0; i < ARRAY_LEN(fields); i++) {
        u64 a = j->d->field[fields[i]].number;
        if (!dump_knows(j->d, fields[i]) || a == 0 || a >> 52 != 0)
            continue;
        unsigned top = 64 - (unsigned)__builtin_clzll(a);
        second = top > first ? first : top > second ? top : second;
        first = top > first ? top : first;
    }
    return o->stage_held[STAGE_HOST] ? first : second;
}

/* What the dump itself tells of its processor. Host CR4 is a hint one way: what is set is there. */
static void learn_from_dump(struct judge *j, const struct outcome *o)
{
    struct open_cpu *cpu = &j->cpu;
    u64 named = cpu->likely_cr4, cr4 = j->d->field[F_host_cr4].number;
    unsigned top = highest_address(j, o);
    bool suspect = o->stage_possible[STAGE_HOST]; /* an error 8 may be about CR4 itself */
    if (dump_knows(j->d, F_host_cr4) && !suspect) {
        u64 hint = o->stage_held[STAGE_HOST] ? cr4 : cr4 & named;
        if (any(cr4, CR4_LA57) && cpu->linear.least != cpu->linear.most)
            cpu->linear.least = 57;
        cpu->value.cr4_fixed1 |= hint & ~cpu->known.cr4_fixed1;
        cpu->known.cr4_fixed1 |= hint;
        cpu->likely_cr4 = hint;
    }
    u64 rsp = j->d->field[F_host_rsp].number;
    if (dump_knows(j->d, F_host_rsp) && !is_canonical(rsp, 48) && is_canonical(rsp, 57) &&
        cpu->linear.most == 57)
        cpu->linear.least = 57; /* no rule reads it, and the host runs on it */
    if (top > cpu->likely_phys)
        cpu->likely_phys = (u8)top;
    if (o->stage_held[STAGE_HOST] && top > cpu->phys.least && top <= cpu->phys.most)
        cpu->phys.least = (u8)top;
    cpu->likely_ia32e = (dump_knows(j->d, F_exit_ctl) &&
                         any(j->d->field[F_exit_ctl].number, EXIT_HOST_ADDR_SPACE_SIZE)) ||
                        (dump_knows(j->d, F_host_rip) && j->d->field[F_host_rip].number >> 32 != 0);
}

/* Fields that the dump lacks are healthy in the image by which deciders and mends are found. A
 * guest that needs 'unrestricted guest' has it there. */
static void fill_unknown(struct judge *j)
{
    struct vmcs_image *v = &j->a->v;
    for (enum vmcs_field f = 0; f < F_COUNT; f++)
        if (!dump_knows(j->d, f))
            vmcs12_set(v, f, healthy_value(f));
    bool paged = !dump_knows(j->d, F_guest_cr0) || all(v->guest_cr0, CR0_PG | CR0_PE);
    if (paged || dump_knows(j->d, F_cpu2_ctl))
        return;
    if (!dump_knows(j->d, F_cpu1_ctl))
        v->cpu1_ctl |= CPU1_SECONDARY;
    v->cpu2_ctl = CPU2_ENABLE_EPT | CPU2_UNRESTRICTED_GUEST;
}

/* At an exit the pending debug exceptions need not yet be what the next entry wants. */
static bool is_of_an_exit(const struct answer *a, enum rule_id rule)
{
    return a->entry_failed == TRI_NO && (rule == R_pending_bs_due || rule == R_pending_bs_not_due);
}

/* Rules that lack the same thing are one request. */
static void add_undecided(struct judge *j, enum rule_id rule)
{
    struct answer *a = j->a;
    struct undecided wanted;
    memset(&wanted, 0, sizeof wanted);
    missing_of(j, rule, &wanted);
    unsigned i = 0;
    while (i < a->undecideds && (a->undecided[i].kind != wanted.kind ||
                                 strcmp(a->undecided[i].missing, wanted.missing) != 0))
        i++;
    if (i == ANSWER_UNDECIDED)
        return;
    if (i == a->undecideds) {
        a->undecided[i] = wanted;
        a->undecideds++;
    }
    rule_set_add(&a->undecided[i].rules, rule);
    for (const u8 *f = rule_fields(rule); *f != F_COUNT; f++)
        if (!dump_knows(j->d, (enum vmcs_field) * f))
            a->undecided[i].field[*f] = true;
}

static void add_broken_if(struct judge *j, enum rule_id rule)
{
    char text[FINDING_TEXT];
    if (!condition_text(j, rule, text, sizeof text)) {
        add_undecided(j, rule);
        return;
    }
    struct finding *f = add_finding(j->a->broken_if, &j->a->broken_ifs, rule);
    if (f != NULL)
        memcpy(f->condition, text, sizeof text);
}

/* Sorts the rules into the answer's lists. *broken: those that the text proves. */
static void sort_rules(struct judge *j, const struct outcome *o, const struct verdicts *v,
                       struct rule_set *broken)
{
    struct answer *a = j->a;
    *broken = (struct rule_set){{0}};
    for (enum rule_id r = 0; r < R_COUNT; r++) {
        if (rule_set_has(&v->mild_all, r)) {
            if (!is_of_an_exit(a, r))
                rule_set_add(broken, r);
        } else if (rule_set_has(&a->held, r) || (o->decided && !o->stage_possible[rule_stage(r)])) {
            continue;
        } else if (rule_set_has(&v->mild_any, r)) {
            add_undecided(j, r);
        } else if (rule_set_has(&v->usual_all, r)) {
            add_broken_if(j, r);
        } else if (rule_set_has(&v->strict_any, r) || rule_set_has(&v->memory_any, r)) {
            add_undecided(j, r);
        }
    }
}

static bool any_of_stages(const struct rule_set *set, const bool *stages)
{
    for (enum rule_id r = 0; r < R_COUNT; r++)
        if (rule_set_has(set, r) && stages[rule_stage(r)])
            return true;
    return false;
}

/* Broken rules of stages that the exit code rules out are told beside the others; alone, they say
 * that the dump is not what the processor saw. */
static void take_broken(struct judge *j, const struct outcome *o, const struct rule_set *broken)
{
    struct answer *a = j->a;
    bool named = a->by_codes != 0 || any_of_stages(broken, o->stage_possible);
    for (enum rule_id r = 0; r < R_COUNT; r++) {
        enum rule_stage stage = rule_stage(r);
        if (!rule_set_has(broken, r))
            continue;
        if (o->decided && !o->stage_possible[stage] && (named || !o->stage_held[stage])) {
            answer_note(a, "%s is broken as well, but by the exit code it is not what failed here",
                        rule_name(r));
            continue;
        }
        if (o->decided && o->stage_held[stage]) {
            a->implausible = true;
            answer_note(a,
                        "%s is broken as printed, but by the exit code it held: the dump is not "
                        "what the processor saw",
                        rule_name(r));
        }
        struct finding *f = add_finding(a->broken, &a->brokens, r);
        if (f == NULL)
            return;
        find_deciders(j, f);
        find_mend(j, f);
    }
}

/* All zero or all ones, where a dump never is: it was not read from a current VMCS. */
static bool is_blank(const struct dump *d)
{
    unsigned known = 0, zero = 0, ones = 0;
    for (enum vmcs_field f = 0; f < F_COUNT; f++) {
        if (!dump_knows(d, f) || vmcs12_desc(f)->area == AREA_RO)
            continue;
        known++;
        zero += d->field[f].number == 0;
        ones += d->field[f].number == ~0ull || d->field[f].number == 0xffffffff;
    }
    return known >= 12 && (zero == known || 8 * ones > 7 * known);
}

/* A feature of CR4 that has a name, and that the host does not use, is hardly ever what the
 * processor lacks. Beside a rule that is broken for certain it is no answer. */
static void drop_features(struct judge *j)
{
    struct answer *a = j->a;
    u64 named = CR4_NAMED & ~j->cpu.known.cr4_fixed1;
    unsigned kept = 0;
    for (unsigned i = 0; i < a->broken_ifs; i++) {
        enum rule_id rule = a->broken_if[i].rule;
        u64 cr4 = rule == R_guest_cr4 ? a->v.guest_cr4 : a->v.host_cr4;
        bool feature = (rule == R_guest_cr4 || rule == R_host_cr4) && a->brokens != 0 &&
                       !any(cr4, ~(named | j->cpu.value.cr4_fixed1));
        if (feature)
            add_undecided(j, rule);
        else
            a->broken_if[kept++] = a->broken_if[i];
    }
    a->broken_ifs = kept;
}

/* Errors 7 and 8 name half of the rules. That is told if none of them can be named by the text. */
static void name_half(struct judge *j, const struct outcome *o)
{
    struct answer *a = j->a;
    bool half = a->entry_failed == TRI_YES && j->d->has_error && a->brokens == 0 &&
                (o->stage_possible[STAGE_CONTROLS] || o->stage_possible[STAGE_HOST]);
    struct finding *f = half ? add_finding(a->by_code, &a->by_codes, R_NONE) : NULL;
    if (f == NULL)
        return;
    f->stage = o->stage_possible[STAGE_CONTROLS] ? STAGE_CONTROLS : STAGE_HOST;
    snprintf(f->condition, sizeof f->condition, "%s", a->code);
}

static void judge_plausible(struct judge *j)
{
    struct answer *a = j->a;
    if (is_blank(j->d)) {
        a->implausible = true;
        a->brokens = a->broken_ifs = 0;
        answer_note(a, "nothing but zeros or ones: the VMCS was not current when it was read, or "
                       "was cleared");
    } else if (a->brokens >= 10) {
        a->implausible = true;
        answer_note(a, "%u rules at once: more likely the text is damaged than the VMCS",
                    a->brokens);
    }
    if (a->entry_failed == TRI_NO && a->brokens != 0)
        answer_note(a, "the entry before this exit succeeded; what is broken here would fail the "
                       "next one");
}

void why_judge(const struct dump *d, const struct open_cpu *cpu, struct answer *a)
{
    struct judge j = {.d = d, .a = a, .cpu = *cpu};
    struct outcome o;
    struct verdicts v;
    struct rule_set broken;
    memset(a, 0, sizeof *a);
    a->dump = d;
    dump_image(d, &a->v, &j.env.rights_reserved);
    j.env.current_vmptr = ~1ull;
    fill_unknown(&j);
    judge_code(&j, &o);
    learn_from_dump(&j, &o);
    open_worlds_init(&j.worlds, &j.cpu);
    judge_fields(&j, &v);
    sort_rules(&j, &o, &v, &broken);
    judge_msrs(&j, &o);
    take_broken(&j, &o, &broken);
    drop_features(&j);
    for (unsigned i = 0; i < a->broken_ifs; i++) {
        find_deciders(&j, &a->broken_if[i]);
        find_mend(&j, &a->broken_if[i]);
    }
    judge_plausible(&j);
    name_half(&j, &o);
}

int why_status(const struct answer *a)
{
    if (a->brokens != 0 || (a->by_codes != 0 && a->by_code[0].rule != R_NONE))
        return 1;
    if (a->entry_failed == TRI_YES || a->broken_ifs != 0)
        return 3;
    return a->entry_failed == TRI_NO || a->undecideds == 0 ? 0 : 3;
}
