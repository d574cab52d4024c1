/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which open capability decides about a rule: found by giving each one its strict value, alone.
 * Contract in open.h.
 */
#include "tools/vmcs12/open_world.h"

/* What the search for facts hands around. `base` breaks the rule in no word of its own. */
struct search {
    const struct vmcs_image *v;
    const struct check_env *env;
    enum rule_id rule;
    struct open_fact *facts;
    unsigned count, room;
};

static bool breaks_in(const struct search *s, const struct open_world *w)
{
    struct check_env e = *s->env;
    struct check_cpu cpu;
    struct rule_set broken;

    check_cpu_init(&cpu, &w->caps, &w->cpuid);
    e.cpu = &cpu;
    e.in_ia32e_mode = w->ia32e;
    (void)!check_entry(s->v, &e, CHECK_ALL, &broken).outcome;
    return rule_set_has(&broken, s->rule);
}

static void add_fact(struct search *s, struct open_fact fact)
{
    if (s->count < s->room)
        s->facts[s->count++] = fact;
}

/* Tries the strict value of each bit of the mask, alone. */
static void search_bits(struct search *s, const struct open_cpu *cpu, const struct open_world *base,
                        unsigned i, u64 mask)
{
    u64 strict = ~open_lenient_bits(i);
    struct open_world w = *base;

    for (unsigned bit = 0; bit < 64; bit++) {
        u64 other = open_word(&base->caps, i) ^ BIT(bit);
        if (!any(mask, BIT(bit)) || any(other ^ strict, BIT(bit)))
            continue;
        open_words(&w.caps)[i] = other;
        if (breaks_in(s, &w))
            add_fact(s, (struct open_fact){FACT_BIT, (u8)bit, any(other, BIT(bit)),
                                           open_msr_of(cpu, i)});
    }
}

static void search_word(struct search *s, const struct open_cpu *cpu, const struct open_world *base,
                        unsigned i)
{
    u64 open = ~open_word(&cpu->known, i), strict = ~open_lenient_bits(i);
    struct open_world w = *base;

    open_words(&w.caps)[i] = (open_word(&base->caps, i) & ~open) | (strict & open);
    if (open == 0 || !breaks_in(s, &w))
        return;
    if (s->rule == R_cr3_target_count) {
        add_fact(s, (struct open_fact){FACT_CR3_COUNT, 0, 0, MSR_IA32_VMX_MISC});
        return;
    }
    u64 remarkable = ~(strict ^ open_usual_word(cpu, i));
    unsigned before = s->count;
    search_bits(s, cpu, base, i, open & remarkable);
    if (s->count == before)
        search_bits(s, cpu, base, i, open & ~remarkable);
}

static void search_widths(struct search *s, const struct open_cpu *cpu,
                          const struct open_world *base)
{
    struct open_world w = *base;
    for (u8 width = cpu->phys.most; width >= cpu->phys.least; width--) {
        w.cpuid.maxphyaddr = width;
        if (!breaks_in(s, &w))
            continue;
        add_fact(s, (struct open_fact){FACT_PHYS, 0, width, 0});
        break;
    }
    w = *base;
    w.cpuid.linear_width = cpu->linear.least;
    if (breaks_in(s, &w))
        add_fact(s, (struct open_fact){FACT_LINEAR, 0, w.cpuid.linear_width, 0});
}

static void search_flags(struct search *s, const struct open_cpu *cpu,
                         const struct open_world *base)
{
    struct open_world w = *base;
    bool *const places[OPEN_FLAGS] = {
        [OPEN_RTM] = &w.cpuid.rtm, [OPEN_SGX] = &w.cpuid.sgx,
        [OPEN_LAM] = &w.cpuid.lam, [OPEN_NMI_STI] = &w.cpuid.nmi_needs_no_sti,
        [OPEN_IA32E] = &w.ia32e,
    };
    for (u8 i = 0; i < OPEN_FLAGS; i++) {
        if (cpu->flag[i] != TRI_OPEN)
            continue;
        *places[i] = !*places[i];
        if (breaks_in(s, &w))
            add_fact(s, (struct open_fact){FACT_FLAG, i, *places[i], 0});
        *places[i] = !*places[i];
    }
}

static void search_reserved(struct search *s, const struct open_cpu *cpu,
                            const struct open_world *base)
{
    struct open_world w = *base;
    u64 *const places[OPEN_MSRS] = {&w.cpuid.debugctl_reserved, &w.cpuid.perf_global_reserved,
                                    &w.cpuid.rtit_reserved, &w.cpuid.lbr_reserved};
    for (u8 i = 0; i < OPEN_MSRS; i++)
        for (u8 bit = 0; bit < 64; bit++) {
            if (!any(cpu->may_be_reserved[i], BIT(bit)))
                continue;
            *places[i] ^= BIT(bit);
            if (breaks_in(s, &w))
                add_fact(s, (struct open_fact){FACT_RESERVED, bit, i, 0});
            *places[i] ^= BIT(bit);
        }
}

unsigned open_facts(const struct vmcs_image *v, const struct check_env *env,
                    const struct open_cpu *cpu, enum rule_id rule, struct open_fact *facts,
                    unsigned room)
{
    struct open_cpu known = open_settled(cpu);
    struct search s = {v, env, rule, facts, 0, room};
    struct open_world base;

    for (u32 variant = 0; variant < OPEN_VARIANTS; variant++) {
        if (!open_variant_fits(&known, variant))
            continue;
        open_world_init(&base, &known, OPEN_LENIENT, variant);
        if (breaks_in(&s, &base))
            continue;
        for (unsigned i = 0; i < OPEN_WORDS; i++)
            search_word(&s, &known, &base, i);
        search_widths(&s, &known, &base);
        search_flags(&s, &known, &base);
        search_reserved(&s, &known, &base);
        if (s.count != 0)
            break;
    }
    return s.count;
}
