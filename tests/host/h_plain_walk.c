/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Walks of L1's tables that L0 remembers (hv/vmx/gla.c), against walks that it makes anew.
 */
#include "tests/machine/machine.h"
#include "hv/vmcs12/profile.h"
#include "hv/vmx/gla.h"
#include "tests/lib/rng.h"
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#define TABLES 0x100000ull /* one page for each level */

static bool plain_place(void *ctx, const struct walk_result *w, u64 access, gpa1_t *at)
{
    (void)ctx, (void)access;
    *at = GPA1(w->gpa);
    return true;
}

/* A remembered walk ends where a new one ends, whatever L1 has changed since: an entry, CR3, CR4,
 * EFER, or nothing. A refusal is the same as well. */
static enum vmx_enter walk_rows(struct machine *m)
{
    struct vmcs_image *v = &m->current->v;
    struct rng r = rng_start("h_plain_walk");
    struct gla_memory direct = {{m->cpu, gla_table_read, gla_table_set_flags}, plain_place};
    u64 *at[5], good[5], translated = 0;

    for (u64 level = 0; level < 5; level++) { /* the last is another root */
        at[level] = (u64 *)(m->ram + TABLES + (level % 4) * PAGE_SIZE + (level == 4 ? 0x5000 : 0));
        good[level] = (TABLES + (level % 4 + 1) * PAGE_SIZE) | 0x63;
        *at[level] = good[level];
    }
    v->guest_cr0 = CR0_PG | CR0_PE | CR0_WP;
    v->guest_ss_ar = ar_pack(0xc093);
    for (u32 i = 0; i < 20000; i++) {
        u64 dice = rng_next(&r) >> 32, gla = dice & 0xff8;
        u64 *entry = at[dice >> 12 & 3];
        struct gla_span a, b;
        if (dice >> 16 & 1)
            *entry = dice >> 17 & 1 ? good[dice >> 12 & 3] : *entry ^ BIT(dice >> 18 & 63);
        v->guest_cr3 = TABLES + (dice >> 24 & 15 ? 0 : 0x5000);
        v->guest_cr4 = CR4_PAE | CR4_VMXE | (dice >> 28 & 7 ? 0 : CR4_SMAP);
        v->guest_efer = EFER_LMA | EFER_LME | (dice >> 31 & 1 ? EFER_NXE : 0);
        u64 access = dice >> 30 & 1 ? PF_W : 0;
        exit_snapshot(m->cpu, 0);
        u64 held[4] = {*at[0], *at[1], *at[2], *at[3]};
        bool ok = gla_translate(m->cpu, gla, 8, access, &a);
        u64 after[4] = {*at[0], *at[1], *at[2], *at[3]};
        for (u32 k = 0; k < 4; k++)
            *at[k] = held[k];
        assert_int_equal(gla_translate_in(m->cpu, &direct, gla, 8, access, &b), ok);
        for (u32 k = 0; k < 4; k++)
            assert_int_equal(*at[k], after[k]);
        if (ok)
            assert_int_equal(a.at[0].a, b.at[0].a);
        translated += ok;
    }
    assert_true(translated > 2000);
    machine_end();
}

static void walks_are_remembered(void **state)
{
    (void)state;
    assert_true(machine_reset_to(MODEL_E5));
    machine.play = walk_rows;
    assert_true(machine_run(PROFILE_HOST, 0, 0));
    assert_string_equal(machine.bug, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(walks_are_remembered)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
