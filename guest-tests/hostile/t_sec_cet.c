/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CR4.CET in the host and guest state of a VM entry, with CR0.WP and without: a host state that no
 * entry takes would be L1's own after the exit. On a CPU without CET, or where a hypervisor hides
 * it, the fixed bits refuse all of it; with CET (a model such as tigerlake, bare) WP decides. SDM
 * 3C 27.2.2 "Checks on Host Control Registers, MSRs, and SSP"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"
#include "hv/arch/msr.h"

#define CR4_CET (1ul << 23)

static bool has_cet;

/* A host state that is not legal is VMfailValid 8, a guest state exit reason 33. SDM 3C 27.2.2
 * "Checks on Host Control Registers, MSRs, and SSP", SDM 3C 27.3.1.1 "Checks on Guest Control
 * Registers, Debug Registers, and MSRs" */
static void entry(const char *what, unsigned cr4_field, unsigned cr0_field, bool wp, bool host)
{
    bool legal = has_cet && wp;
    enum l2_outcome out;

    /* CAVEAT(bochs-cet-wp) */
    if (has_cet && !wp) {
        gt_line("%s: not tried", what);
        return;
    }
    l2_world(L2_64);
    l2_code("", 0);
    l2.f[cr4_field] |= CR4_CET;
    l2.f[cr0_field] = wp ? l2.f[cr0_field] | CR0_WP : l2.f[cr0_field] & ~CR0_WP;
    l2_write();
    out = l2_enter(false);
    gt_write_cr4(gt_read_cr4() & ~CR4_CET);
    gt_line("%s: %s error %lu reason %lx", what, out == L2_EXIT ? "exit" : "vmfail",
            out == L2_EXIT ? 0 : l2_seen[VI_INSN_ERROR],
            out == L2_EXIT ? l2_seen[VI_EXIT_REASON] : 0);
    if (legal)
        gt_check(out == L2_EXIT && l2_seen[VI_EXIT_REASON] == 18, "%s: taken", what);
    else if (host)
        gt_check(out != L2_EXIT && l2_seen[VI_INSN_ERROR] == 8, "%s: VMfail 8", what);
    else
        gt_check(out == L2_EXIT && l2_seen[VI_EXIT_REASON] == 0x80000021, "%s: exit 33", what);
}

TEST_MAIN(sec_cet)
{
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        has_cet = gt_rdmsr(MSR_IA32_VMX_CR4_FIXED1) & CR4_CET;
        gt_check(!has_cet || !gt_under_nidus(), "CET is hidden");
        entry("host cet without wp", VI_HOST_CR4, VI_HOST_CR0, false, true);
        entry("host cet with wp", VI_HOST_CR4, VI_HOST_CR0, true, true);
        entry("guest cet without wp", VI_GUEST_CR4, VI_GUEST_CR0, false, false);
        entry("guest cet with wp", VI_GUEST_CR4, VI_GUEST_CR0, true, false);
    }
    vmx_end();
}
