/* SPDX-License-Identifier: BSD-2-Clause */
/* Which rule reads which field (hv/vmcs12/rule_fields.def), held against the checks both
 * ways: no field outside a rule's row changes its verdict, and every field of a row does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "hv/arch/segment.h"
#include "tests/lib/rng.h"
#include "tests/lib/valid.h"
#include "tools/vmcs12/why/judge.h"

#define TRIALS 6000000
#define FLIPS  6

static bool seen[R_COUNT][F_COUNT];

/* The upper half of a number: the low bits of several follow from one another. */
static u64 below(struct rng *rng, u64 n)
{
    return (rng_next(rng) >> 32) % n;
}

static bool once_in(struct rng *rng, u64 n)
{
    return below(rng, n) == 0;
}

static u64 likely_value(struct rng *rng, u64 old)
{
    switch (below(rng, 5)) {
    case 0:
        return 0;
    case 1:
        return ~0ull;
    case 2:
        return BIT(below(rng, 64));
    default:
        return old ^ BIT(below(rng, 64));
    }
}

static enum vmcs_field read_field(struct rng *rng)
{
    enum vmcs_field f;
    do
        f = (enum vmcs_field)below(rng, F_COUNT);
    while (check_groups_of(f) == 0);
    return f;
}

static u32 some(struct rng *rng, u32 bits)
{
    return (u32)(rng_next(rng) >> 32) & (u32)(rng_next(rng) >> 16) & bits;
}

static void flip_controls(struct rng *rng, struct vmcs_image *v)
{
    if (once_in(rng, 2))
        v->cpu1_ctl ^=
            some(rng, CPU1_SECONDARY | CPU1_USE_TPR_SHADOW | CPU1_USE_IO_BITMAPS |
                          CPU1_USE_MSR_BITMAPS | CPU1_TERTIARY | CPU1_NMI_WINDOW_EXITING);
    if (once_in(rng, 2))
        v->cpu2_ctl ^= some(rng, 0x67fff);
    if (once_in(rng, 4))
        v->cpu1_ctl |= CPU1_SECONDARY;
    if (once_in(rng, 2))
        v->entry_ctl ^= some(rng, 0x7fee04);
    if (once_in(rng, 2))
        v->exit_ctl ^= some(rng, 0xfff89200u);
    if (once_in(rng, 2))
        v->pin_ctl ^= some(rng, 0xe9);
}

static void flip_event(struct rng *rng, struct vmcs_image *v)
{
    if (once_in(rng, 3))
        v->entry_intr_info = INTR_VALID | (u32)below(rng, 0x1000);
    if (once_in(rng, 4))
        v->entry_intr_info = INTR_VALID | (once_in(rng, 2) ? INTR_ERROR_VALID : 0) | 0x30d;
    if (once_in(rng, 4))
        v->entry_intr_info = INTR_VALID | 0x202;
    if (once_in(rng, 3))
        v->guest_interruptibility = (u32)below(rng, 32);
    if (once_in(rng, 4))
        v->guest_activity_state = (u32)below(rng, 5);
    if (once_in(rng, 4))
        v->guest_debugctl = below(rng, 4);
    if (once_in(rng, 4))
        v->guest_pending_dbg_exceptions = once_in(rng, 2) ? 0x4000 : 0x11000;
    if (once_in(rng, 4))
        v->tpr_threshold = (u32)below(rng, 32);
    if (once_in(rng, 4))
        v->exit_msr_store_count = v->exit_msr_load_count = v->entry_msr_load_count =
            (u32)below(rng, 3);
    if (once_in(rng, 4))
        v->vmfunc_ctl = 1;
    if (once_in(rng, 4))
        v->vmcs_link_pointer = once_in(rng, 2) ? 0x1000 : rng_next(rng);
}

static void flip_registers(struct rng *rng, struct vmcs_image *v)
{
    if (once_in(rng, 2))
        v->guest_efer ^= EFER_LME;
    if (once_in(rng, 3))
        v->guest_cr0 ^= CR0_PG;
    if (once_in(rng, 4))
        v->guest_cr0 ^= CR0_PE;
    if (once_in(rng, 4))
        v->guest_cr0 ^= CR0_WP;
    if (once_in(rng, 4))
        v->host_cr0 ^= CR0_WP;
    if (once_in(rng, 4))
        v->guest_cr4 ^= CR4_PCIDE;
    if (once_in(rng, 4))
        v->host_cr4 ^= CR4_PCIDE;
    if (once_in(rng, 4))
        v->guest_cr4 |= CR4_CET;
    if (once_in(rng, 4))
        v->host_cr4 |= CR4_CET;
    if (once_in(rng, 2))
        v->guest_rflags ^= BIT(below(rng, 18));
    if (once_in(rng, 4))
        v->guest_rip = BIT(below(rng, 64));
    if (once_in(rng, 4))
        v->host_rip = BIT(below(rng, 64));
    if (once_in(rng, 4))
        v->guest_ssp = BIT(below(rng, 64));
    if (once_in(rng, 4))
        v->host_ssp = BIT(below(rng, 64));
    if (once_in(rng, 4))
        v->host_s_cet = BIT(below(rng, 64));
}

static void flip_segments(struct rng *rng, struct vmcs_image *v)
{
    if (once_in(rng, 4))
        v->guest_tr_ar = v->guest_cs_ar = 0x83;
    if (once_in(rng, 4))
        v->guest_cs_ar = ar_pack(0x90u + (u32)below(rng, 16) + (once_in(rng, 2) ? 0x60 : 0) +
                                 (once_in(rng, 2) ? 0xe000 : 0));
    if (once_in(rng, 4))
        v->guest_ss_ar |= 0x60;
    for (enum vmcs_field f = 0; f < F_COUNT; f++) {
        if (vmcs12_desc(f)->width == WAR && once_in(rng, 12))
            vmcs12_set(v, f, vmcs12_get(v, f) ^ BIT(below(rng, 17)));
        if (vmcs12_desc(f)->width == W16 && once_in(rng, 32))
            vmcs12_set(v, f, below(rng, 64));
    }
}

static void random_entry(struct rng *rng, struct valid *t)
{
    valid_build(t, (enum valid_base)below(rng, BASE_COUNT), (enum valid_cpu)below(rng, CPU_COUNT));
    t->caps.true_cpu1 |= 0xffffffff00000000ull;
    t->caps.cpu3 = rng_next(rng);
    t->caps.exit2 = rng_next(rng);
    if (once_in(rng, 3))
        t->caps.ept_vpid &= ~(u64)EPT_CAP_AD;
    flip_controls(rng, &t->v);
    flip_event(rng, &t->v);
    flip_registers(rng, &t->v);
    flip_segments(rng, &t->v);
    for (u64 n = below(rng, 4); n > 0; n--) {
        enum vmcs_field f = read_field(rng);
        vmcs12_set(&t->v, f, likely_value(rng, vmcs12_get(&t->v, f)));
    }
    t->cpuid.rtm = once_in(rng, 2);
    t->cpuid.sgx = once_in(rng, 2);
    t->cpuid.rtit_reserved = rng_next(rng);
    t->cpuid.lbr_reserved = rng_next(rng);
    t->env.vtpr = (u8)rng_next(rng);
    t->env.link_header ^= once_in(rng, 3) ? VMCS_SHADOW_INDICATOR : 0;
    if (once_in(rng, 3))
        t->env.link_header = 1;
    t->env.current_vmptr = 0x1000;
    t->env.pdpte[1] = once_in(rng, 2) ? rng_next(rng) : 0;
    t->env.in_ia32e_mode = !once_in(rng, 4);
    t->env.rights_reserved = once_in(rng, 2) ? (u8)rng_next(rng) : 0;
    check_cpu_init(&t->cpu, &t->caps, &t->cpuid);
    t->env.cpu = &t->cpu;
}

static bool in_row(enum rule_id rule, enum vmcs_field field)
{
    for (const u8 *f = rule_fields(rule); *f != F_COUNT; f++)
        if (*f == field)
            return true;
    return false;
}

static void compare(const struct rule_set *a, const struct rule_set *b, enum vmcs_field f)
{
    for (unsigned w = 0; w < RULE_WORDS; w++)
        for (u64 changed = a->word[w] ^ b->word[w]; changed != 0; changed &= changed - 1) {
            enum rule_id rule = (enum rule_id)(64 * w + (unsigned)__builtin_ctzll(changed));
            if (!in_row(rule, f))
                fail_msg("%s changes with %s", rule_name(rule), vmcs12_name(f));
            seen[rule][f] = true;
        }
}

/* How many fields of rows have not changed their rule yet. Access rights of TR and LDTR have
 * reserved bits that are in no image. */
static unsigned unseen(bool tell)
{
    unsigned n = 0;
    for (enum rule_id r = 0; r < R_COUNT; r++)
        for (const u8 *f = rule_fields(r); *f != F_COUNT; f++) {
            if (seen[r][*f] || r == R_tr_reserved ||
                (r == R_segment_reserved && *f == F_guest_cs_ar))
                continue;
            n++;
            if (tell)
                print_error("%s never changed with %s\n", rule_name(r),
                            vmcs12_name((enum vmcs_field) * f));
        }
    return n;
}

static void test_rows(void **state)
{
    struct rng rng = rng_start("h_why_fields.rows");
    unsigned i = 0;

    (void)state;
    for (; i < TRIALS && (i % 10000 != 0 || i == 0 || i < 100000 || unseen(false) != 0); i++) {
        struct valid t;
        struct rule_set before, after;
        random_entry(&rng, &t);
        (void)!check_entry(&t.v, &t.env, CHECK_ALL, &before).outcome;
        for (unsigned k = 0; k < FLIPS; k++) {
            enum vmcs_field f = read_field(&rng);
            u64 old = vmcs12_get(&t.v, f);
            vmcs12_set(&t.v, f, likely_value(&rng, old));
            (void)!check_entry(&t.v, &t.env, CHECK_ALL, &after).outcome;
            vmcs12_set(&t.v, f, old);
            compare(&before, &after, f);
        }
    }
    print_message("%u entries\n", i);
    assert_int_equal(unseen(true), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
