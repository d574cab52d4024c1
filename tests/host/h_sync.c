/* SPDX-License-Identifier: BSD-2-Clause */
/* The way back: vmcs12 after an exit of L2 or a failed entry. Random images with a printed
 * seed, tables typed from the SDM, exhaustive loops where small. h_host.c has the other half. */
#include "hv/vmcs12/sync.h"
#include "hv/arch/cpu.h"
#include "hv/vmcs12/check.h"
#include "hv/vmcs12/merge.h"
#include "tests/lib/image.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define ROUNDS 1000

static struct vmcs_image v12, was, v02;
static struct vmexit x;
static struct sync_env env;
static struct rng rng;

static void fresh(void)
{
    image_random(&rng, &v12);
    image_random(&rng, &v02);
    was = v12;
    for (u32 i = 0; i < sizeof x; i++)
        ((u8 *)&x)[i] = (u8)rng_next(&rng);
    env = (struct sync_env){&v02, &x, &caps_all};
}

static void saved_and_kept_rows(void **state)
{
    (void)state;
    for (u32 n = 0; n < ROUNDS; n++) {
        fresh();
        (void)sync_exit12(&env, &v12);
        for (u32 f = 0; f < F_COUNT; f++) {
            u8 how = vmcs12_desc((enum vmcs_field)f)->to12;
            if (how == TO12_SAVE)
                assert_same_field(&v12, &v02, (enum vmcs_field)f);
            if (how == TO12_KEEP)
                assert_same_field(&v12, &was, (enum vmcs_field)f);
        }
        assert_int_equal(v12.revision, was.revision);
        assert_int_equal(v12.launch_state, was.launch_state);
    }
}

/* What the exit changed is what it says: the rules to judge anew are those that read a field which
 * differs now, the flags of arithmetic apart. Mostly a few fields differ, as between two exits. */
static void changed_rules(void **state)
{
    (void)state;
    for (u32 n = 0; n < 20 * ROUNDS; n++) {
        u32 expected = 0, changed;
        fresh();
        if (n % 4) {
            v02 = v12;
            for (u32 i = 0; i < n % 4; i++) {
                enum vmcs_field f = (enum vmcs_field)rng_below(&rng, F_COUNT);
                vmcs12_set(&v02, f, vmcs12_get(&v02, f) ^ BIT(rng_below(&rng, 64)));
            }
        }
        changed = sync_exit12(&env, &v12);
        for (u32 f = 0; f < F_COUNT; f++) {
            u64 differs =
                vmcs12_get(&v12, (enum vmcs_field)f) ^ vmcs12_get(&was, (enum vmcs_field)f);
            if (f == F_guest_rflags)
                differs &= ~0x8d5ull;
            expected |= differs ? check_groups_of((enum vmcs_field)f) : 0;
        }
        assert_int_equal(changed, expected);
    }
}

/* Every guest register is either saved or named here as one that is not an exit's to save. */
static void guest_rows_kept_on_purpose(void **state)
{
    (void)state;
    /* clang-format off */
    static const enum vmcs_field kept[] = {
        F_vmcs_link_pointer, F_guest_smbase, F_guest_uinv, F_guest_bndcfgs, F_guest_rtit_ctl,
        F_guest_lbr_ctl, F_guest_pkrs, F_guest_fred_config, F_guest_fred_rsp1, F_guest_fred_rsp2,
        F_guest_fred_rsp3, F_guest_fred_stklvls, F_guest_fred_ssp1, F_guest_fred_ssp2,
        F_guest_fred_ssp3, F_guest_spec_ctrl, F_guest_deadline, F_guest_s_cet, F_guest_ssp,
        F_guest_intr_ssp_table,
    };
    /* clang-format on */
    u32 seen = 0;

    for (u32 f = 0; f < F_COUNT; f++) {
        const struct vmcs_field_desc *d = vmcs12_desc((enum vmcs_field)f);
        if (d->area != AREA_GUEST || d->to12 != TO12_KEEP)
            continue;
        bool found = false;
        for (u32 i = 0; i < ARRAY_LEN(kept); i++)
            found |= kept[i] == (enum vmcs_field)f;
        if (!found)
            fail_msg("%s is lost at exit", vmcs12_name((enum vmcs_field)f));
        seen++;
    }
    assert_int_equal(seen, ARRAY_LEN(kept));
}

static void exit_information(void **state)
{
    (void)state;
    for (u32 n = 0; n < ROUNDS; n++) {
        fresh();
        (void)sync_exit12(&env, &v12);
        assert_int_equal(v12.exit_reason, x.reason);
        assert_true(v12.exit_qualification == x.qual);
        assert_int_equal(v12.exit_intr_info, x.intr_info);
        assert_int_equal(v12.exit_intr_error_code, x.intr_error);
        assert_int_equal(v12.idt_vectoring_info, x.idt_info);
        assert_int_equal(v12.idt_vectoring_error_code, x.idt_error);
        assert_int_equal(v12.exit_instruction_len, x.insn_len);
        assert_int_equal(v12.exit_instruction_info, x.insn_info);
        assert_true(v12.guest_linear_address == x.gla);
        assert_true(v12.guest_physical_address == x.gpa);
        assert_true(v12.io_rcx == x.io_rcx && v12.io_rsi == x.io_rsi);
        assert_true(v12.io_rdi == x.io_rdi && v12.io_rip == x.io_rip);
        assert_int_equal(v12.vm_instruction_error, was.vm_instruction_error);
        assert_same_field(&v12, &v02, F_guest_interruptibility);
        assert_same_field(&v12, &v02, F_guest_activity_state);
        assert_same_field(&v12, &v02, F_guest_pending_dbg_exceptions);
        assert_same_field(&v12, &v02, F_guest_cr3);
    }
}

/* "The valid bit of the VM-entry interruption-information field is cleared"; nothing else of it. */
static void valid_bit_is_cleared(void **state)
{
    (void)state;
    for (u32 n = 0; n < ROUNDS; n++) {
        fresh();
        (void)sync_exit12(&env, &v12);
        assert_int_equal(v12.entry_intr_info, was.entry_intr_info & 0x7fffffff);
        assert_same_field(&v12, &was, F_entry_exception_error_code);
        assert_same_field(&v12, &was, F_entry_instruction_len);
    }
}

/* VMX_MISC[5]: "IA-32e mode guest" takes L2's LMA; without the bit it stays. */
static void ia32e_mode_follows_lma(void **state)
{
    (void)state;
    for (u32 i = 0; i < 16; i++) {
        bool lma = i & 1, had = i & 2, cap = i & 4;
        u32 others = i & 8 ? ~(1u << 9) : 0;
        struct vmx_caps caps = {.misc = cap ? 1u << 5 : ~(1ull << 5)};

        fresh();
        env.vcaps = &caps;
        v12.entry_ctl = others | (had ? 1u << 9 : 0);
        v02.guest_efer = lma ? EFER_LMA : ~EFER_LMA;
        (void)sync_exit12(&env, &v12);
        assert_int_equal(v12.entry_ctl, others | ((cap ? lma : had) ? 1u << 9 : 0));
    }
}

/* Saved when vmcs12 says so, and else as before. SDM 3C 28.3.1 "Saving Control Registers, Debug
 * Registers, and MSRs" */
static void save_controls(void **state)
{
    (void)state;
    static const struct {
        u32 control;
        enum vmcs_field field;
    } row[] = {
        {1u << 2, F_guest_dr7},   {1u << 2, F_guest_debugctl},          {1u << 18, F_guest_pat},
        {1u << 20, F_guest_efer}, {1u << 30, F_guest_perf_global_ctrl},
    };
    for (u32 n = 0; n < 100; n++)
        for (u32 i = 0; i < ARRAY_LEN(row); i++) {
            fresh();
            v12.exit_ctl = ~row[i].control;
            (void)sync_exit12(&env, &v12);
            assert_same_field(&v12, &was, row[i].field);
            v12.exit_ctl = row[i].control;
            (void)sync_exit12(&env, &v12);
            assert_same_field(&v12, &v02, row[i].field);
        }
    v12.exit_ctl = ~(1u << 22);
    v12.preemption_timer_value = 5;
    v02.preemption_timer_value = 3;
    (void)sync_exit12(&env, &v12);
    assert_int_equal(v12.preemption_timer_value, 5);
    v12.exit_ctl = 1u << 22;
    (void)sync_exit12(&env, &v12);
    assert_int_equal(v12.preemption_timer_value, 3);
}

/* CR0 and CR4 come back as the CPU saved them: what L1 or L0 owns, L2 cannot have changed. */
static void cr_bits_come_back(void **state)
{
    (void)state;
    for (u32 n = 0; n < ROUNDS; n++) {
        fresh();
        (void)sync_exit12(&env, &v12);
        assert_true(v12.guest_cr0 == v02.guest_cr0 && v12.guest_cr4 == v02.guest_cr4);
    }
}

/* merge, no instruction of L2, exit: vmcs12's guest area is what L1 wrote, left-alone bits and
 * the cleared valid bit apart, whatever L0 needs. */
static void merge_then_sync_is_identity(void **state)
{
    (void)state;
    struct merge_env m;

    for (u32 n = 0; n < ROUNDS; n++) {
        fresh();
        v12.exit_ctl = ~0u;
        v12.entry_ctl = 0xffff | (n & 1 ? 0 : 1u << 9);
        v12.guest_efer =
            v12.entry_ctl & 1u << 9 ? v12.guest_efer | EFER_LMA : v12.guest_efer & ~EFER_LMA;
        was = v12;
        m = (struct merge_env){.v12 = &v12, .base = &v02, .hw = &caps_all};
        m.l1.cr0 = v12.guest_cr0;
        m.l0.cr4_mask = rng_edgy(&rng);
        struct vmcs_image image;
        image_fill(&image, 0x5a);
        merge_vmcs02(&m, &image);
        env.v02 = &image;
        (void)sync_exit12(&env, &v12);
        for (u32 f = 0; f < F_COUNT; f++)
            if (vmcs12_desc((enum vmcs_field)f)->area == AREA_GUEST)
                if (f < F_guest_pdptr0 || f > F_guest_pdptr3)
                    assert_same_field(&v12, &was, (enum vmcs_field)f);
        assert_int_equal(v12.entry_ctl, was.entry_ctl);
    }
}

/* PDPTEs: saved while EPT12 is on and L2 used PAE paging. */
static void pdptes_come_back(void **state)
{
    (void)state;
    for (u32 i = 0; i < 32; i++) {
        bool ept = i & 1, secondary = i & 2, pg = i & 4, pae = i & 8, lma = i & 16;
        bool saved = ept && secondary && pg && pae && !lma;

        fresh();
        v12.cpu1_ctl = secondary ? CPU1_SECONDARY : ~CPU1_SECONDARY;
        v12.cpu2_ctl = ept ? CPU2_ENABLE_EPT : ~(u32)CPU2_ENABLE_EPT;
        v02.guest_cr0 = pg ? CR0_PG : ~CR0_PG;
        v02.guest_cr4 = pae ? CR4_PAE : ~CR4_PAE;
        v02.guest_efer = lma ? EFER_LMA : ~EFER_LMA;
        (void)sync_exit12(&env, &v12);
        for (u32 f = F_guest_pdptr0; f <= F_guest_pdptr3; f++)
            assert_same_field(&v12, saved ? &v02 : &was, (enum vmcs_field)f);
    }
}

/* "All other VM-exit information fields are unmodified", and the guest area too. */
static void failed_entry_changes_two_fields(void **state)
{
    (void)state;
    fresh();
    sync_failed_entry12(&v12, 33, 4);
    assert_int_equal(v12.exit_reason, 0x80000021);
    assert_true(v12.exit_qualification == 4);
    was.exit_reason = v12.exit_reason;
    was.exit_qualification = 4;
    assert_memory_equal(&v12, &was, sizeof v12);
}

/* Counted tick by tick: one down whenever the TSC bits below `shift` wrap. */
static void timer(void **state)
{
    (void)state;
    for (u32 shift = 0; shift < 8; shift++)
        for (u64 then = 0; then < 300; then += 7) {
            u32 value = 20;
            for (u64 t = then; t < then + 3000; t++) {
                if (t > then && (t & (BIT(shift) - 1)) == 0 && value)
                    value--;
                assert_int_equal(preemption_timer_left(20, then, t, shift),
                                 value > 1 ? value : 0); /* ADL020 */
            }
        }
    assert_int_equal(preemption_timer_left(0xffffffff, 0, ~0ull, 5), 0);
    assert_int_equal(preemption_timer_left(0, 5, 5, 0), 0);
}

static int seed(void **state)
{
    (void)state;
    rng = rng_start("h_sync");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(saved_and_kept_rows),
        cmocka_unit_test(changed_rules),
        cmocka_unit_test(guest_rows_kept_on_purpose),
        cmocka_unit_test(exit_information),
        cmocka_unit_test(valid_bit_is_cleared),
        cmocka_unit_test(ia32e_mode_follows_lma),
        cmocka_unit_test(save_controls),
        cmocka_unit_test(cr_bits_come_back),
        cmocka_unit_test(merge_then_sync_is_identity),
        cmocka_unit_test(pdptes_come_back),
        cmocka_unit_test(failed_entry_changes_two_fields),
        cmocka_unit_test(timer),
    };
    return cmocka_run_group_tests(tests, seed, NULL);
}
