/* SPDX-License-Identifier: BSD-2-Clause */
/* The state that L1 resumes with after its guest: "Loading Host State", row by row, what an exit
 * leaves alone included. Expectations are typed from the SDM; images are random. */
#include "hv/vmcs12/sync.h"
#include "hv/arch/cpu.h"
#include "tests/lib/image.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define ROUNDS 1000

static struct vmcs_image v12, v02, v01, before;
static struct host_env host;
static struct rng rng;

static void fresh_host(void)
{
    image_random(&rng, &v12);
    image_random(&rng, &v02);
    image_random(&rng, &v01);
    v12.exit_ctl |= EXIT_HOST_ADDR_SPACE_SIZE;
    before = v01;
    host = (struct host_env){.v12 = &v12, .left = &v02, .reason = 10, .maxphyaddr = 40};
}

static enum vmx_abort resume_l1(void)
{
    return sync_host12(&host, &v01);
}

/* SDM 3C 28.5.1 "Loading Host Control Registers, Debug Registers, MSRs" and
 * SDM 3C 28.5.3 "Loading Host RIP, RSP, RFLAGS, and SSP", for both host sizes. */
static void host_registers(void **state)
{
    (void)state;
    for (u32 n = 0; n < ROUNDS; n++) {
        bool wide = n & 1;

        fresh_host();
        v12.exit_ctl ^= wide ? 0 : 1u << 9;
        v12.host_cr0 &= wide ? ~0ull : ~CR0_PG; /* no PDPTEs here */
        v02.guest_efer &= wide ? ~0ull : ~EFER_LMA;
        assert_int_equal(resume_l1(), ABORT_NONE);
        assert_true(v01.guest_cr3 == v12.host_cr3);
        assert_true(v01.guest_cr4 ==
                    (wide ? v12.host_cr4 | 1u << 5 : v12.host_cr4 & ~(1ull << 17)));
        assert_true(v01.cr0_read_shadow == v01.guest_cr0);
        assert_true(v01.cr4_read_shadow == v01.guest_cr4);
        assert_true(v01.guest_dr7 == 0x400);
        assert_true(v01.guest_debugctl == 0);
        assert_true(v01.guest_sysenter_cs == v12.host_sysenter_cs);
        assert_true(v01.guest_sysenter_esp == v12.host_sysenter_esp);
        assert_true(v01.guest_sysenter_eip == v12.host_sysenter_eip);
        assert_true(v01.guest_rip == v12.host_rip && v01.guest_rsp == v12.host_rsp);
        assert_true(v01.guest_rflags == 2);
        assert_int_equal(v01.guest_activity_state, 0);
        assert_true(v01.guest_pending_dbg_exceptions == 0);
        assert_int_equal(v01.entry_ctl,
                         wide ? before.entry_ctl | 1u << 9 : before.entry_ctl & ~(1u << 9));
    }
}

/* CR0: ET, CD, NW and bits 15:6, 17, 28:19 "are not modified": those of L2 stay. */
static void host_cr0_bits(void **state)
{
    (void)state;
    for (u32 b = 0; b < 32; b++) {
        bool left = b == 4 || (b >= 6 && b <= 15) || b == 17 || (b >= 19 && b <= 30);

        fresh_host();
        v12.host_cr0 = BIT(b);
        v02.guest_cr0 = ~BIT(b);
        assert_int_equal(resume_l1(), ABORT_NONE);
        assert_int_equal((v01.guest_cr0 & BIT(b)) != 0, !left);
        v12.host_cr0 = 0;
        v02.guest_cr0 = BIT(b);
        assert_int_equal(resume_l1(), ABORT_NONE);
        assert_true(v01.guest_cr0 == (left ? BIT(b) : 0));
    }
}

/* MSRs: loaded by their controls, else left alone; EFER's LMA and LME follow the host's size. */
static void host_msrs(void **state)
{
    (void)state;
    for (u32 i = 0; i < 16; i++) {
        bool pat = i & 1, efer = i & 2, perf = i & 4, wide = i & 8;

        fresh_host();
        v12.exit_ctl = (wide ? 1u << 9 : 0) | (pat ? 1u << 19 : 0) | (efer ? 1u << 21 : 0) |
                       (perf ? 1u << 12 : 0);
        v12.host_cr0 = 0;
        v02.guest_efer = wide ? EFER_SCE : EFER_LME | EFER_NXE;
        v12.host_efer = 0xd01;
        assert_int_equal(resume_l1(), ABORT_NONE);
        assert_true(v01.guest_pat == (pat ? v12.host_pat : v02.guest_pat));
        assert_true(v01.guest_perf_global_ctrl ==
                    (perf ? v12.host_perf_global_ctrl : v02.guest_perf_global_ctrl));
        assert_true(v01.guest_efer == (efer ? 0xd01 : wide ? 0x501 : 0x800));
    }
}

static void one_segment(u32 seg, u16 selector, u64 base)
{
    /* es cs ss ds fs gs: encodings 2 apart in each group */
    u64 got = vmcs12_get(&v01, vmcs12_find(0x4814 + 2 * seg));

    assert_int_equal(vmcs12_get(&v01, vmcs12_find(0x800 + 2 * seg)), selector);
    assert_true(vmcs12_get(&v01, vmcs12_find(0x6806 + 2 * seg)) == base);
    if (seg != 1 && selector == 0) {
        assert_true(got & 0x10000);      /* unusable */
        assert_int_equal(got & 0x60, 0); /* DPL 0 */
        return;
    }
    assert_int_equal(vmcs12_get(&v01, vmcs12_find(0x4800 + 2 * seg)), 0xffffffff);
    if (seg != 1)
        assert_int_equal(got, 0xc093); /* type 3, S, DPL 0, P, D/B, G */
}

/* SDM 3C 28.5.2 "Loading Host Segment and Descriptor-Table Registers" */
static void host_segments(void **state)
{
    (void)state;
    for (u32 n = 0; n < ROUNDS; n++) {
        bool wide = n & 1;

        fresh_host();
        v12.exit_ctl ^= wide ? 0 : 1u << 9;
        v12.host_cr0 &= ~CR0_PG;
        v02.guest_efer = 0;
        if (n & 2)
            v12.host_es_selector = v12.host_gs_selector = v12.host_ss_selector = 0;
        assert_int_equal(resume_l1(), ABORT_NONE);
        one_segment(0, v12.host_es_selector, 0);
        one_segment(1, v12.host_cs_selector, 0);
        one_segment(2, v12.host_ss_selector, 0);
        one_segment(3, v12.host_ds_selector, 0);
        one_segment(4, v12.host_fs_selector, v12.host_fs_base);
        one_segment(5, v12.host_gs_selector, v12.host_gs_base);
        /* CS: type 11, S, P, G; L for a 64-bit host, D for a 32-bit one */
        assert_int_equal(vmcs12_get(&v01, F_guest_cs_ar), wide ? 0xa09b : 0xc09b);
        assert_int_equal(v01.guest_tr_selector, v12.host_tr_selector);
        assert_true(v01.guest_tr_base == v12.host_tr_base);
        assert_int_equal(v01.guest_tr_limit, 0x67);
        assert_int_equal(vmcs12_get(&v01, F_guest_tr_ar), 0x8b);
        assert_int_equal(v01.guest_ldtr_selector, 0);
        assert_int_equal(vmcs12_get(&v01, F_guest_ldtr_ar), 0x10000);
        assert_true(v01.guest_ldtr_base == 0);
        assert_true(v01.guest_gdtr_base == v12.host_gdtr_base && v01.guest_gdtr_limit == 0xffff);
        assert_true(v01.guest_idtr_base == v12.host_idtr_base && v01.guest_idtr_limit == 0xffff);
    }
}

/* Everything of vmcs01 that is not L1's register state stays, and all that is gets written. */
static void host_touches_guest_state_only(void **state)
{
    (void)state;
    static const enum vmcs_field also[] = {F_entry_ctl, F_cr0_read_shadow, F_cr4_read_shadow};
    /* clang-format off */
    static const enum vmcs_field not_state[] = {
        F_guest_intr_status, F_guest_pml_index, F_preemption_timer_value,
        F_guest_pdptr0, F_guest_pdptr1, F_guest_pdptr2, F_guest_pdptr3, F_guest_ldtr_limit};
    /* clang-format on */

    fresh_host();
    struct vmcs_image zero, ones;
    image_fill(&zero, 0);
    image_fill(&ones, 0xff);
    assert_int_equal(sync_host12(&host, &zero), ABORT_NONE);
    assert_int_equal(sync_host12(&host, &ones), ABORT_NONE);
    for (u32 f = 0; f < F_COUNT; f++) {
        const struct vmcs_field_desc *d = vmcs12_desc((enum vmcs_field)f);
        u64 a = vmcs12_get(&zero, (enum vmcs_field)f), b = vmcs12_get(&ones, (enum vmcs_field)f);
        bool written = a == b, wanted = d->area == AREA_GUEST && d->to12 != TO12_KEEP;

        for (u32 i = 0; i < ARRAY_LEN(not_state); i++)
            wanted &= not_state[i] != (enum vmcs_field)f || f == F_guest_ldtr_limit;
        for (u32 i = 0; i < ARRAY_LEN(also); i++)
            wanted |= also[i] == (enum vmcs_field)f;
        if (f == F_entry_ctl) /* one bit of it */
            written = a == 1u << 9 && b == ~0u;
        if (written != wanted)
            fail_msg("%s: written %d", vmcs12_name((enum vmcs_field)f), written);
    }
}

/* A failed entry with vmcs01 as both sides: the same as with a copy of it. */
static void failed_entry_may_alias(void **state)
{
    (void)state;
    for (u32 n = 0; n < ROUNDS; n++) {
        fresh_host();
        host.left = &before;
        host.failed_entry = true;
        assert_int_equal(resume_l1(), ABORT_NONE);
        struct vmcs_image alias = before;
        host.left = &alias;
        assert_int_equal(sync_host12(&host, &alias), ABORT_NONE);
        assert_memory_equal(&alias, &v01, sizeof v01);
    }
}

/* SDM 3C 28.5.5 "Updating Non-Register State", and for failed entries item 3 of 27.8. */
static void nmi_blocking_after(void **state)
{
    (void)state;
    for (u32 i = 0; i < 32; i++) {
        bool nmi = i & 1, virt = i & 2, blocked = i & 4, failed = i & 8, other = i & 16;

        fresh_host();
        v12.pin_ctl = virt ? ~0u : ~(u32)PIN_VIRTUAL_NMIS;
        v02.guest_interruptibility = blocked != failed ? ~0u : ~(u32)BLOCKING_BY_NMI;
        host.before = blocked ? ~0u : ~(u32)BLOCKING_BY_NMI; /* L1's, which a failed entry leaves */
        host.reason = other ? 10 : 0;
        host.intr_info = INTR_VALID | (nmi ? INTR_NMI << 8 | 2 : INTR_HW_EXCEPTION << 8 | 14);
        host.failed_entry = failed;
        assert_int_equal(resume_l1(), ABORT_NONE);
        bool want = failed ? blocked : (nmi && !other) || (blocked && !virt);
        assert_int_equal(v01.guest_interruptibility, want ? BLOCKING_BY_NMI : 0);
    }
}

/* SDM 3C 28.5.4 "Checking and Loading Host Page-Directory-Pointer-Table Entries" */
static void host_pdptes(void **state)
{
    (void)state;
    for (u32 i = 0; i < 8; i++) {
        bool pg = i & 1, pae = i & 2, wide = i & 4;

        fresh_host();
        v12.exit_ctl = wide ? 1u << 9 : 0;
        v12.host_cr0 = pg ? CR0_PG : 0;
        v12.host_cr4 = pae ? CR4_PAE : 0;
        v02.guest_efer = 0;
        assert_int_equal(host_needs_pdptes(&v12), pg && pae && !wide);
        for (u32 k = 0; k < 4; k++)
            for (u32 b = 1; b < 64; b++) {
                bool reserved = b == 1 || b == 2 || (b >= 5 && b <= 8) || b >= 40;
                bool bad = pg && pae && !wide && reserved;

                memset(host.pdpte, 0, sizeof host.pdpte);
                host.pdpte[k] = 1 | BIT(b);
                v01 = before;
                assert_int_equal(resume_l1(), bad ? ABORT_HOST_PDPTE : ABORT_NONE);
                if (bad)
                    assert_memory_equal(&v01, &before, sizeof v01);
                else if (pg && pae && !wide)
                    assert_true(vmcs12_get(&v01, (enum vmcs_field)(F_guest_pdptr0 + k)) ==
                                host.pdpte[k]);
                else
                    assert_same_field(&v01, &before, (enum vmcs_field)(F_guest_pdptr0 + k));
                host.pdpte[k] = BIT(b); /* not present: anything goes */
                assert_int_equal(resume_l1(), ABORT_NONE);
            }
    }
}

static void host_must_be_64bit_after_ia32e(void **state)
{
    (void)state;
    for (u32 i = 0; i < 4; i++) {
        bool wide = i & 1, lma = i & 2;

        fresh_host();
        v12.exit_ctl = wide ? 1u << 9 : 0;
        v12.host_cr0 = 0;
        v02.guest_efer = lma ? EFER_LMA : ~EFER_LMA;
        assert_int_equal(resume_l1(), lma && !wide ? ABORT_HOST_NOT_64BIT : ABORT_NONE);
    }
}

static int seed(void **state)
{
    (void)state;
    rng = rng_start("h_host");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_registers),
        cmocka_unit_test(host_cr0_bits),
        cmocka_unit_test(host_msrs),
        cmocka_unit_test(host_segments),
        cmocka_unit_test(host_touches_guest_state_only),
        cmocka_unit_test(failed_entry_may_alias),
        cmocka_unit_test(nmi_blocking_after),
        cmocka_unit_test(host_pdptes),
        cmocka_unit_test(host_must_be_64bit_after_ia32e),
    };
    return cmocka_run_group_tests(tests, seed, NULL);
}
