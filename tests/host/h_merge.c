/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmcs02 = merge(vmcs12, L0, L1): the properties of a merge, each stated once and tried on
 * random vmcs12 images (printed seed), or exhaustively where it is small.
 */
#include "hv/vmcs12/merge.h"
#include "hv/arch/cpu.h"
#include "tests/lib/image.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define ROUNDS 2000
#define MARK   0x00abc00000000000ull /* no address that the tests bring looks like this */

static struct vmcs_image v12, base, v02, other;
static struct merge_env env;
static struct rng rng;

static void random_l0(struct merge_l0 *l0)
{
    l0->cpu1 = (u32)(rng_next(&rng) & rng_next(&rng));
    l0->cpu2 = (u32)(rng_next(&rng) & rng_next(&rng));
    l0->exit = (u32)rng_next(&rng) & ~(u32)EXIT_ACK_INTR_ON_EXIT;
    l0->entry = (u32)(rng_next(&rng) & rng_next(&rng));
    l0->cr4_mask = rng_edgy(&rng);
    l0->vpid02 = (u16)(rng_below(&rng, 2) ? rng_next(&rng) : 0);
}

static hpa_t page(u64 n)
{
    return HPA(0x100000000ull + n * PAGE_SIZE);
}

/* A whole random case: vmcs12 arbitrary, every L1 address marked. */
static void fresh(const struct vmx_caps *hw)
{
    image_random(&rng, &v12);
    image_random(&rng, &base);
    for (u32 f = 0; f < F_COUNT; f++)
        if (vmcs12_desc((enum vmcs_field)f)->to02 == TO02_TRANSLATE)
            vmcs12_set(&v12, (enum vmcs_field)f, MARK | (u64)f << PAGE_SHIFT);
    env = (struct merge_env){.v12 = &v12, .base = &base, .hw = hw};
    random_l0(&env.l0);
    env.l1 = (struct merge_l1){rng_next(&rng), rng_next(&rng), rng_next(&rng),
                               rng_next(&rng), rng_next(&rng), rng_next(&rng)};
    env.addr = (struct merge_addr){
        page(1), page(2), page(3), page(4), page(5), page(6), rng_next(&rng) & 1, 0x90001e};
    for (u32 i = 0; i < 4; i++)
        env.pdpte[i] = rng_next(&rng);
}

static const struct vmx_caps *some_caps(u32 n)
{
    return n & 1 ? &caps_emulator : &caps_all;
}

static u32 cpu2_12(void)
{
    return v12.cpu1_ctl & CPU1_SECONDARY ? v12.cpu2_ctl : 0;
}

static u64 value(enum vmcs_field f)
{
    return vmcs12_get(&v02, f);
}

/* Every field of vmcs02 is written, whatever was there; exit information and header are not. */
static void every_field_is_decided(void **state)
{
    (void)state;
    for (u32 n = 0; n < 50; n++) {
        fresh(some_caps(n));
        image_fill(&v02, 0x00);
        image_fill(&other, 0xff);
        merge_vmcs02(&env, &v02);
        merge_vmcs02(&env, &other);
        for (u32 f = 0; f < F_COUNT; f++)
            if (vmcs12_desc((enum vmcs_field)f)->area != AREA_RO)
                assert_same_field(&v02, &other, (enum vmcs_field)f);
            else
                assert_int_equal(vmcs12_get(&v02, (enum vmcs_field)f), 0);
        assert_int_equal(v02.revision, 0);
        assert_int_equal(other.revision, 0xffffffff);
        assert_int_equal(other.launch_state, 0xffffffff);
    }
}

/* HOUSE rule 2 of merge: host state is L0's own; NEVER rows too; COPY rows are vmcs12's. */
static void copied_rows(void **state)
{
    (void)state;
    for (u32 n = 0; n < ROUNDS; n++) {
        fresh(some_caps(n));
        merge_vmcs02(&env, &v02);
        for (u32 f = 0; f < F_COUNT; f++) {
            const struct vmcs_field_desc *d = vmcs12_desc((enum vmcs_field)f);

            if (d->area == AREA_RO)
                continue;
            if (d->area == AREA_HOST)
                assert_int_equal(d->to02, TO02_HOSTOWN);
            if (d->to02 == TO02_HOSTOWN || d->to02 == TO02_NEVER)
                assert_same_field(&v02, &base, (enum vmcs_field)f);
            if (d->to02 == TO02_COPY)
                assert_same_field(&v02, &v12, (enum vmcs_field)f);
        }
    }
}

/* Every control word lies within what the processor allows. */
static void words_fit_the_processor(void **state)
{
    (void)state;
    for (u32 n = 0; n < ROUNDS; n++) {
        fresh(&caps_emulator);
        merge_vmcs02(&env, &v02);
        const u64 range[5] = {caps_emulator.true_pin, caps_emulator.true_cpu1, caps_emulator.cpu2,
                              caps_emulator.true_exit, caps_emulator.true_entry};
        const u32 word[5] = {v02.pin_ctl, v02.cpu1_ctl, v02.cpu2_ctl, v02.exit_ctl, v02.entry_ctl};
        for (u32 i = 0; i < 5; i++) {
            assert_int_equal((u32)range[i] & ~word[i], 0);
            assert_int_equal(word[i] & ~(u32)(range[i] >> 32), 0);
        }
    }
}

/* What L0 needs is there. Bitmaps may give way to "everything exits", never to less. */
static void l0_keeps_its_needs(void **state)
{
    (void)state;
    for (u32 n = 0; n < ROUNDS; n++) {
        fresh(&caps_all);
        merge_vmcs02(&env, &v02);
        u32 bitmaps = CPU1_USE_MSR_BITMAPS | CPU1_USE_IO_BITMAPS;

        assert_int_equal(env.l0.cpu1 & ~v02.cpu1_ctl & ~bitmaps, 0);
        assert_int_equal(env.l0.cpu2 & ~v02.cpu2_ctl, 0);
        assert_int_equal(env.l0.exit & ~v02.exit_ctl, 0);
        assert_int_equal(env.l0.entry & ~v02.entry_ctl, 0);
        assert_true((env.l0.cr4_mask & ~v02.cr4_guest_host_mask) == 0);
        assert_true(v02.cpu1_ctl & CPU1_SECONDARY);
        /* merge's own: debug controls, PAT, EFER both ways, a 64-bit host */
        assert_int_equal(v02.exit_ctl & 0x003c0204, 0x003c0204);
        assert_int_equal(v02.entry_ctl & 0x0000c004, 0x0000c004);
        if ((env.l0.cpu1 & CPU1_USE_IO_BITMAPS) && !(v02.cpu1_ctl & CPU1_USE_IO_BITMAPS))
            assert_true(v02.cpu1_ctl & CPU1_UNCOND_IO_EXITING);
        assert_int_equal(v02.vpid, env.l0.vpid02);
        if (env.l0.vpid02)
            assert_true(v02.cpu2_ctl & CPU2_ENABLE_VPID);
        assert_true(v02.ept_pointer == 0x90001e);
    }
}

/* What L1 asked to intercept is intercepted; a bitmap that L1 does not use hides nothing. */
static void l1_keeps_its_intercepts(void **state)
{
    (void)state;
    const u32 pin =
        PIN_EXT_INTR_EXITING | PIN_NMI_EXITING | PIN_VIRTUAL_NMIS | PIN_PREEMPTION_TIMER;
    const u32 cpu1 = ~(u32)(CPU1_USE_MSR_BITMAPS | CPU1_USE_IO_BITMAPS);
    const u32 cpu2 =
        ~(u32)(CPU2_VMCS_SHADOWING | CPU2_ENABLE_PML | CPU2_ENABLE_VPID | CPU2_EPT_VIOLATION_VE);

    for (u32 n = 0; n < ROUNDS; n++) {
        fresh(&caps_all);
        merge_vmcs02(&env, &v02);
        assert_int_equal(v12.pin_ctl & pin & ~v02.pin_ctl, 0);
        assert_int_equal(v12.cpu1_ctl & cpu1 & ~v02.cpu1_ctl, 0);
        assert_int_equal(cpu2_12() & cpu2 & ~v02.cpu2_ctl, 0);
        assert_int_equal(v12.exception_bitmap & ~v02.exception_bitmap, 0);
        assert_true((v12.cr0_guest_host_mask & ~v02.cr0_guest_host_mask) == 0);
        assert_true((v12.cr4_guest_host_mask & ~v02.cr4_guest_host_mask) == 0);
        assert_int_equal(v12.exit_ctl & EXIT_ACK_INTR_ON_EXIT,
                         v02.exit_ctl & EXIT_ACK_INTR_ON_EXIT);
        /* no MSR bitmap means every MSR access exits */
        assert_int_equal(v12.cpu1_ctl & CPU1_USE_MSR_BITMAPS, v02.cpu1_ctl & CPU1_USE_MSR_BITMAPS);
        if ((v12.cpu1_ctl & CPU1_UNCOND_IO_EXITING) && !(v12.cpu1_ctl & CPU1_USE_IO_BITMAPS))
            assert_false(v02.cpu1_ctl & CPU1_USE_IO_BITMAPS);
        /* L0 delivers L1's #VE: the CPU would raise it for EPT02's own gaps. */
        assert_false(v02.cpu2_ctl & ~env.l0.cpu2 &
                     (CPU2_VMCS_SHADOWING | CPU2_ENABLE_PML | CPU2_EPT_VIOLATION_VE));
    }
}

/* What L2 may do without an exit stays so when L0 has no need of its own: nothing is added. */
static void nothing_is_added(void **state)
{
    (void)state;
    for (u32 n = 0; n < ROUNDS; n++) {
        fresh(&caps_all);
        env.l0 = (struct merge_l0){.cpu2 = CPU2_ENABLE_EPT};
        merge_vmcs02(&env, &v02);
        assert_int_equal(v02.pin_ctl, v12.pin_ctl);
        assert_int_equal(v02.cpu1_ctl, v12.cpu1_ctl | CPU1_SECONDARY);
        assert_int_equal(v02.cpu2_ctl & ~cpu2_12(), CPU2_ENABLE_EPT & ~cpu2_12());
        assert_int_equal(v02.exception_bitmap, v12.exception_bitmap);
        assert_true(v02.cr0_guest_host_mask == v12.cr0_guest_host_mask);
        assert_true(v02.cr4_guest_host_mask == v12.cr4_guest_host_mask);
        assert_true(v02.guest_cr4 == v12.guest_cr4);
    }
}

/* No address of L1's reaches vmcs02: each is the caller's hpa, or 0 while unused. */
static void addresses_are_translated(void **state)
{
    (void)state;
    for (u32 n = 0; n < ROUNDS; n++) {
        fresh(some_caps(n));
        merge_vmcs02(&env, &v02);
        for (u32 f = 0; f < F_COUNT; f++)
            if (vmcs12_desc((enum vmcs_field)f)->to02 == TO02_TRANSLATE)
                assert_true((value((enum vmcs_field)f) & MARK) != MARK);

        const struct {
            u64 got, on, want;
        } row[] = {
            {v02.io_bitmap_a_addr, v02.cpu1_ctl & 1u << 25, page(1).a},
            {v02.io_bitmap_b_addr, v02.cpu1_ctl & 1u << 25, page(2).a},
            {v02.msr_bitmap_addr, v02.cpu1_ctl & 1u << 28, page(3).a},
            {v02.virtual_apic_addr, v02.cpu1_ctl & 1u << 21, page(4).a},
            {v02.apic_access_addr, v02.cpu2_ctl & 1u << 0, page(5).a},
            {v02.posted_intr_desc_addr, v02.pin_ctl & 1u << 7, page(6).a},
            {v02.ve_info_addr, 0, 0},
            {v02.pml_addr, 0, 0},
            {v02.eptp_list_addr, 0, 0},
            {v02.vmread_bitmap_addr, 0, 0},
            {v02.vmwrite_bitmap_addr, 0, 0},
            {v02.spp_table_pointer, 0, 0},
            {v02.pid_pointer_table, 0, 0},
        };
        for (u32 i = 0; i < ARRAY_LEN(row); i++)
            assert_true(row[i].got == (row[i].on ? row[i].want : 0));
    }
}

/* Which page faults and values of CR3 exit, and what TSC L2 reads, are L1's to say. */
static void l1s_alone(void **state)
{
    static const enum vmcs_field fields[] = {F_exception_bitmap,    F_pf_error_code_mask,
                                             F_pf_error_code_match, F_tsc_offset,
                                             F_tsc_multiplier,      F_cr3_target_count};
    (void)state;
    for (u32 n = 0; n < ROUNDS; n++) {
        fresh(&caps_all);
        merge_vmcs02(&env, &v02);
        for (u32 i = 0; i < ARRAY_LEN(fields); i++)
            assert_same_field(&v02, &v12, fields[i]);
    }
}

static void timer_and_threshold(void **state)
{
    (void)state;
    for (u32 n = 0; n < ROUNDS; n++) {
        fresh(&caps_all);
        merge_vmcs02(&env, &v02);
        if (v02.pin_ctl & 1u << 6)
            assert_true(v02.exit_ctl & 1u << 22);
        /* every lower TPR exits */
        assert_int_equal(v02.tpr_threshold, !(v02.cpu1_ctl & 1u << 21)      ? 0
                                            : env.addr.virtual_apic_nowhere ? 15
                                                                            : v12.tpr_threshold);
        assert_same_field(&v02, &v12, F_preemption_timer_value);
        assert_same_field(&v02, &v12, F_entry_intr_info);
        assert_same_field(&v02, &v12, F_entry_exception_error_code);
        assert_same_field(&v02, &v12, F_entry_instruction_len);
        assert_same_field(&v02, &v12, F_guest_interruptibility);
        assert_same_field(&v02, &v12, F_guest_activity_state);
        if (v12.entry_ctl & 1u << 2) /* else BS may have to follow L1's BTF: h_merge_regs.c */
            assert_same_field(&v02, &v12, F_guest_pending_dbg_exceptions);
        assert_same_field(&v02, &v12, F_guest_rflags);
        assert_same_field(&v02, &v12, F_guest_cr3);
    }
}

static int seed(void **state)
{
    (void)state;
    rng = rng_start("h_merge");
    return 0;
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_is_decided),
        cmocka_unit_test(copied_rows),
        cmocka_unit_test(words_fit_the_processor),
        cmocka_unit_test(l0_keeps_its_needs),
        cmocka_unit_test(l1_keeps_its_intercepts),
        cmocka_unit_test(nothing_is_added),
        cmocka_unit_test(addresses_are_translated),
        cmocka_unit_test(l1s_alone),

        cmocka_unit_test(timer_and_threshold),
    };
    /* clang-format on */
    return cmocka_run_group_tests(tests, seed, NULL);
}
