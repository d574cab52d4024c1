/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The entries of the VM-entry MSR-load area that a dump prints. KVM prints them all, Xen the one
 * that failed. SDM 3C 27.4 "Loading MSRs"
 */
#include "hv/arch/msr.h"
#include "tools/vmcs12/why/judge.h"

/* Documented as holding a linear address: a value that is not canonical causes #GP. */
static bool holds_address(u32 index)
{
    switch (index) {
    case 0x175: /* SYSENTER_ESP */
    case 0x176: /* SYSENTER_EIP */
    case 0x1dd: /* LER_FROM_LIP, LER_TO_LIP */
    case 0x1de:
    case 0x600:      /* DS_AREA */
    case 0xc0000082: /* LSTAR, CSTAR */
    case 0xc0000083:
    case 0xc0000102: /* KERNEL_GS_BASE */
        return true;
    default:
        return false;
    }
}

static bool canonical(u64 address, unsigned width)
{
    return is_canonical(address, width);
}

/* What is wrong with the entry under every processor, in words, or NULL. */
static const char *fault_of(const struct printed_msr *m, enum rule_id *rule)
{
    struct msr_entry entry = {m->index, m->reserved, m->value};
    *rule = check_msr_entry(&entry, MSR_AREA_ENTRY_LOAD);
    if (*rule == R_msr_model_specific)
        *rule = R_NONE; /* that is about one model */
    if (*rule != R_NONE)
        return rule_text(*rule);
    *rule = R_msr_access;
    if (holds_address(m->index) && !canonical(m->value, 57))
        return "the value is no canonical address";
    return NULL;
}

static void add_broken(struct judge *j, const struct printed_msr *m, enum rule_id rule,
                       const char *why)
{
    struct finding *f = add_finding(j->a->broken, &j->a->brokens, rule);
    if (f == NULL)
        return;
    f->msr = m;
    snprintf(f->condition, sizeof f->condition, "%s", why);
}

static const struct printed_msr *entry_number(const struct dump *d, u64 number)
{
    for (unsigned i = 0; i < d->msrs; i++)
        if (d->msr[i].area == MSR_AREA_ENTRY_LOAD && d->msr[i].number == number)
            return &d->msr[i];
    return NULL;
}

/* Exit reason 34 names the entry. If the dump prints it, the rules that its form keeps leave only
 * one: the processor did not take the value. */
static void failed_entry(struct judge *j)
{
    u64 number = j->d->has_qualification ? j->d->qualification : 0;
    const struct printed_msr *m = entry_number(j->d, number);
    enum rule_id rule;
    char code[64];
    if (m == NULL) {
        snprintf(code, sizeof code, "exit reason 34, entry %llu of the VM-entry MSR-load area",
                 (unsigned long long)number);
        for (enum rule_id r = 0; r < R_COUNT; r++) {
            struct finding *f = rule_stage(r) == STAGE_MSR_LIST
                                    ? add_finding(j->a->by_code, &j->a->by_codes, r)
                                    : NULL;
            if (f != NULL)
                snprintf(f->condition, sizeof f->condition, "%s", code);
        }
        return;
    }
    const char *why = fault_of(m, &rule);
    add_broken(j, m, rule,
               why != NULL ? why : "the processor refused this entry, and its form is right");
}

void judge_msrs(struct judge *j, const struct outcome *o)
{
    enum rule_id rule;
    if (o->stage_possible[STAGE_MSR_LIST]) {
        failed_entry(j);
        return;
    }
    if (o->stage_held[STAGE_MSR_LIST])
        return;
    for (unsigned i = 0; i < j->d->msrs; i++) {
        const struct printed_msr *m = &j->d->msr[i];
        const char *why = m->area == MSR_AREA_ENTRY_LOAD ? fault_of(m, &rule) : NULL;
        if (why != NULL && !o->decided)
            add_broken(j, m, rule, why);
    }
}
