/* SPDX-License-Identifier: BSD-2-Clause */
/* L2's registers in vmcs02: CR0 and CR4 through masks and shadows, PDPTEs, and what a VM entry
 * leaves as L1 had it. The rest of merge is h_merge.c's. */
#include "hv/vmcs12/merge.h"
#include "hv/arch/cpu.h"
#include "tests/lib/image.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define ROUNDS 2000

static struct vmcs_image v12, base, v02;
static struct merge_env env;
static struct rng rng;

static void fresh(const struct vmx_caps *hw)
{
    image_random(&rng, &v12);
    image_random(&rng, &base);
    env = (struct merge_env){.v12 = &v12, .base = &base, .hw = hw};
    env.l0.entry = (u32)rng_next(&rng);
    env.l1 = (struct merge_l1){rng_next(&rng), rng_next(&rng), rng_next(&rng),
                               rng_next(&rng), rng_next(&rng), rng_next(&rng)};
    for (u32 i = 0; i < 4; i++)
        env.pdpte[i] = rng_next(&rng);
}

static u64 value(enum vmcs_field f)
{
    return vmcs12_get(&v02, f);
}

/* Per bit and exhaustively: L1's mask, shadow and guest bit, and whether L0 owns the bit of CR4. */
static void cr_masks_and_shadows(void **state)
{
    (void)state;
    fresh(&caps_all);
    for (u32 b = 0; b < 64; b++)
        for (u32 i = 0; i < 16; i++) {
            u64 bit = BIT(b);
            bool m12 = i & 1, s12 = i & 2, g12 = i & 4, m0 = i & 8;

            v12.cr0_guest_host_mask = v12.cr4_guest_host_mask = m12 ? bit : 0;
            v12.cr0_read_shadow = v12.cr4_read_shadow = s12 ? bit : ~bit;
            v12.guest_cr0 = v12.guest_cr4 = env.l1.cr0 = g12 ? bit : ~bit;
            env.l0.cr4_mask = m0 ? bit : 0;
            merge_vmcs02(&env, &v02);

            assert_int_equal((v02.cr0_guest_host_mask & bit) != 0, m12);
            assert_int_equal((v02.cr4_guest_host_mask & bit) != 0, m12 || m0);
            assert_int_equal((v02.guest_cr0 & bit) != 0, g12);
            assert_int_equal((v02.guest_cr4 & bit) != 0, g12);
            /* what MOV from CR gives: the shadow for masked bits, the register for others */
            u64 reads0 = m12 ? v02.cr0_read_shadow : v02.guest_cr0;
            u64 reads4 = m12 || m0 ? v02.cr4_read_shadow : v02.guest_cr4;
            assert_int_equal((reads0 & bit) != 0, m12 ? s12 : g12);
            assert_int_equal((reads4 & bit) != 0, m12 ? s12 : g12);
        }
}

/* "CR0 is loaded ... with the exception of ET, CD, NW and bits 15:6, 17, 28:19, never modified." */
static void cr0_bits_left_alone(void **state)
{
    (void)state;
    for (u32 b = 0; b < 32; b++) {
        bool left = b == 4 || (b >= 6 && b <= 15) || b == 17 || (b >= 19 && b <= 30);

        fresh(&caps_all);
        v12.guest_cr0 = BIT(b);
        env.l1.cr0 = 0;
        merge_vmcs02(&env, &v02);
        assert_int_equal(v02.guest_cr0 != 0, !left);
        v12.guest_cr0 = 0;
        env.l1.cr0 = BIT(b);
        merge_vmcs02(&env, &v02);
        assert_int_equal(v02.guest_cr0 != 0, left);
    }
}

/* SDM 3C 27.3.2.1 "Loading Guest Control Registers, Debug Registers, and MSRs": a register whose
 * load control is 0 keeps what L1 had. */
static void registers_left_alone(void **state)
{
    (void)state;
    static const struct {
        u32 control;
        enum vmcs_field field;
        size_t kept; /* offset in struct merge_l1 */
    } row[] = {
        {1u << 2, F_guest_dr7, offsetof(struct merge_l1, dr7)},
        {1u << 2, F_guest_debugctl, offsetof(struct merge_l1, debugctl)},
        {1u << 14, F_guest_pat, offsetof(struct merge_l1, pat)},
        {1u << 13, F_guest_perf_global_ctrl, offsetof(struct merge_l1, perf_global_ctrl)},
    };
    for (u32 n = 0; n < ROUNDS; n++)
        for (u32 i = 0; i < ARRAY_LEN(row); i++) {
            u64 kept;

            fresh(&caps_all);
            memcpy(&kept, (u8 *)&env.l1 + row[i].kept, sizeof kept);
            v12.entry_ctl &= ~row[i].control;
            merge_vmcs02(&env, &v02);
            assert_true(value(row[i].field) == kept);
            v12.entry_ctl |= row[i].control;
            merge_vmcs02(&env, &v02);
            assert_same_field(&v02, &v12, row[i].field);
        }
    assert_true(v02.entry_ctl & (1u << 2) && v02.entry_ctl & (1u << 14) &&
                v02.entry_ctl & (1u << 15));
}

/* EFER without "load IA32_EFER": LMA <- IA-32e mode guest; LME <- the same if PG, else kept. */
static void efer_left_alone(void **state)
{
    (void)state;
    for (u32 i = 0; i < 64; i++) {
        bool load = i & 1, ia32e = i & 2, pg = i & 4, lme1 = i & 8, lma1 = i & 16,
             other_bits = i & 32;

        fresh(&caps_all);
        v12.entry_ctl = (load ? 1u << 15 : 0) | (ia32e ? 1u << 9 : 0);
        v12.guest_cr0 = pg ? CR0_PG : ~CR0_PG;
        v12.guest_efer = 0x5501;
        env.l1.efer =
            (lme1 ? EFER_LME : 0) | (lma1 ? EFER_LMA : 0) | (other_bits ? EFER_SCE | EFER_NXE : 0);
        merge_vmcs02(&env, &v02);
        u64 want = (ia32e ? EFER_LMA : 0) | ((pg ? ia32e : lme1) ? EFER_LME : 0) |
                   (other_bits ? EFER_SCE | EFER_NXE : 0);
        assert_true(v02.guest_efer == (load ? 0x5501 : want));
        assert_int_equal(v02.entry_ctl >> 9 & 1, ia32e || (env.l0.entry >> 9 & 1));
    }
}

static void pdptes(void **state)
{
    (void)state;
    for (u32 i = 0; i < 32; i++) {
        bool pg = i & 1, pae = i & 2, ia32e = i & 4, ept = i & 8, secondary = i & 16;
        bool ours = pg && pae && !ia32e && !(ept && secondary);

        fresh(&caps_all);
        v12.guest_cr0 = pg ? CR0_PG : ~CR0_PG;
        v12.guest_cr4 = pae ? CR4_PAE : ~CR4_PAE;
        v12.entry_ctl = ia32e ? ENTRY_IA32E_MODE_GUEST : ~(u32)ENTRY_IA32E_MODE_GUEST;
        v12.cpu1_ctl = secondary ? CPU1_SECONDARY : ~CPU1_SECONDARY;
        v12.cpu2_ctl = ept ? CPU2_ENABLE_EPT : ~(u32)CPU2_ENABLE_EPT;
        assert_int_equal(merge_needs_pdptes(&v12), ours);
        merge_vmcs02(&env, &v02);
        assert_true(v02.guest_pdptr0 == (ours ? env.pdpte[0] : v12.guest_pdptr0));
        assert_true(v02.guest_pdptr1 == (ours ? env.pdpte[1] : v12.guest_pdptr1));
        assert_true(v02.guest_pdptr2 == (ours ? env.pdpte[2] : v12.guest_pdptr2));
        assert_true(v02.guest_pdptr3 == (ours ? env.pdpte[3] : v12.guest_pdptr3));
    }
}

static int seed(void **state)
{
    (void)state;
    rng = rng_start("h_merge_regs");
    return 0;
}

/* With blocking by STI or MOV SS or in HLT, BS is 1 exactly if TF is 1 and BTF is 0: by the BTF
 * that vmcs02 holds, which is L1's own when the entry does not load IA32_DEBUGCTL.
 * CAVEAT(pending-bs-btf-left) */
static void pending_step_follows_btf(void **state)
{
    (void)state;
    fresh(&caps_all);
    for (u32 i = 0; i < 128; i++) {
        bool tf = i & 1, btf1 = i & 2, btf12 = i & 4, bs = i & 8, loads = i & 16;
        u32 held = i >> 5;

        v12.guest_rflags = tf ? RFLAGS_TF : 0;
        v12.guest_debugctl = btf12 ? DEBUGCTL_BTF : 0;
        env.l1.debugctl = btf1 ? DEBUGCTL_BTF : 0;
        v12.guest_pending_dbg_exceptions = 5 | (bs ? PENDING_DBG_BS : 0);
        v12.entry_ctl = loads ? ENTRY_LOAD_DEBUG_CONTROLS : 0;
        v12.guest_interruptibility = held == 3 ? 0 : held;
        v12.guest_activity_state = held == 3 ? ACTIVITY_HLT : ACTIVITY_ACTIVE;
        merge_vmcs02(&env, &v02);
        u64 due = tf && !btf1 ? PENDING_DBG_BS : 0;
        assert_int_equal(value(F_guest_pending_dbg_exceptions),
                         held == 0 || loads ? v12.guest_pending_dbg_exceptions : (5 | due));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cr_masks_and_shadows),
        cmocka_unit_test(cr0_bits_left_alone),
        cmocka_unit_test(registers_left_alone),
        cmocka_unit_test(efer_left_alone),
        cmocka_unit_test(pdptes),
        cmocka_unit_test(pending_step_follows_btf),
    };
    return cmocka_run_group_tests(tests, seed, NULL);
}
