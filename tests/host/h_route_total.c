/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Routing is total: every basic exit reason, named or not, with any control words of L1's and any
 * need of L0's has an answer, and it is the same answer each time; what L1's controls cannot ask
 * for never becomes an exit to it. Row by row the answers are h_route.c's.
 */
#include "hv/vmcs12/route.h"
#include "hv/arch/cpu.h"
#include "tests/lib/rng.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#define REASONS 128
#define ROUNDS  4000

static const bool named[REASONS] = {
#define EXIT(number, name, text) [number] = true,
#include "hv/arch/vmx_exit.def"
};

static struct vmcs_image v12;
static struct vmexit x;

static void control_words(struct rng *r)
{
    v12.pin_ctl = (u32)rng_edgy(r);
    v12.cpu1_ctl = (u32)rng_edgy(r);
    v12.cpu2_ctl = (u32)rng_edgy(r);
    v12.exception_bitmap = (u32)rng_edgy(r);
    v12.cr0_guest_host_mask = rng_edgy(r);
    v12.cr4_guest_host_mask = rng_edgy(r);
    v12.cr3_target_count = (u32)rng_below(r, 6);
    v12.vmfunc_ctl = rng_edgy(r);
}

/* L1's bitmap asks for it or not: each has a defined answer. */
static void with_and_without(struct route_env *e)
{
    for (u32 wants = 0; wants < 2; wants++) {
        e->bitmap_hit = wants;
        enum route first = route_exit(e);
        assert_true(first == ROUTE_L0 || first == ROUTE_L1 || first == ROUTE_L0_FIRST ||
                    first == ROUTE_UNEXPECTED);
        assert_int_equal(route_exit(e), first);
        if (!named[EXIT_REASON_BASIC(x.reason)])
            assert_int_equal(first, ROUTE_UNEXPECTED);
        if (route_needs_bitmap(e))
            assert_int_equal(first, e->bitmap_hit ? ROUTE_L1 : ROUTE_L0);
    }
}

static void every_reason_has_an_answer(void **state)
{
    (void)state;
    struct rng r = rng_start("h_route_total");
    struct route_env e = {.v12 = &v12, .x = &x};

    for (u32 n = 0; n < ROUNDS; n++) {
        control_words(&r);
        x.qual = rng_edgy(&r);
        x.intr_info = INTR_VALID | (u32)rng_below(&r, 0x800);
        e.operand = rng_edgy(&r);
        for (x.reason = 0; x.reason < REASONS; x.reason++)
            with_and_without(&e);
    }
}

/* Bit 31 is no reason: the entry failed, and L0 looks first whatever the number. */
static void failed_entries_are_l0s(void **state)
{
    (void)state;
    struct route_env e = {.v12 = &v12, .x = &x};
    for (u32 reason = 0; reason < REASONS; reason++) {
        x.reason = reason | EXIT_REASON_ENTRY_FAIL;
        assert_int_equal(route_exit(&e), ROUTE_L0_FIRST);
    }
}

/* Every control on and every bitmap hit: what a control can ask for at all, L1 gets. */
static void all_controls_reach_l1(void **state)
{
    (void)state;
    struct route_env e = {.v12 = &v12, .x = &x, .bitmap_hit = true};
    u32 l1 = 0;
    v12.pin_ctl = v12.cpu1_ctl = v12.cpu2_ctl = v12.exception_bitmap = ~0u;
    v12.vmfunc_ctl = v12.cr0_guest_host_mask = v12.cr0_read_shadow = 0;
    for (x.reason = 0; x.reason < REASONS; x.reason++)
        l1 += route_exit(&e) == ROUTE_L1;
    x.reason = EXIT_REASON_CPUID;
    assert_int_equal(route_exit(&e), ROUTE_L1);
    assert_true(l1 >= 56);
    v12 = (struct vmcs_image){0};
    e.bitmap_hit = false;
    x.reason = EXIT_REASON_HLT;
    assert_int_equal(route_exit(&e), ROUTE_L0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason_has_an_answer),
        cmocka_unit_test(failed_entries_are_l0s),
        cmocka_unit_test(all_controls_reach_l1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
