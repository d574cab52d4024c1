/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The VM-entry MSR-load area changes IA32_DEBUGCTL.BTF, while STI, MOV SS or HLT hold back L2's
 * single-step trap. The rule that BS agrees with TF and BTF is about the field, and was kept; a
 * hypervisor below that has the area's value in the field of its own VMCS must not have it refused.
 * What then becomes of the trap is CAVEAT(pending-bs-btf-left). SDM 3C 27.3.1.5 "Checks on Guest
 * Non-Register State", SDM 3C 27.4 "Loading MSRs"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"

enum { STI = 1, MOV_SS = 2, BTF = 2, STEP = 1 << 14, HALTED = 1 };

/* Every entry succeeds. SDM 3C 27.3.1.5 "Checks on Guest Non-Register State" */
static void run(const char *name, u32 blocking, u32 activity, u64 debugctl, u64 loaded)
{
    u64 *list = arena(PG_ENTRY_LOAD);

    l2_world(L2_64);
    l2_code("\x90\x90", 2);
    l2.f[VI_GUEST_RFLAGS] |= FLAG_TF | FLAG_IF;
    l2.f[VI_GUEST_INTERRUPTIBILITY] = blocking;
    l2.f[VI_GUEST_ACTIVITY] = activity;
    l2.f[VI_GUEST_DEBUGCTL] = debugctl;
    l2.f[VI_GUEST_PENDING_DEBUG] = debugctl & BTF ? 0 : STEP;
    l2.f[VI_EXCEPTION_BITMAP] = ~0u;
    l2.f[VI_PIN_CTL] |= PIN_TIMER;
    list[0] = MSR_DEBUGCTL;
    list[1] = loaded;
    l2.f[VI_ENTRY_MSR_LOAD_COUNT] = 1;
    l2_write();
    bool ran = l2_enter(false) == L2_EXIT && !(l2_seen[VI_EXIT_REASON] & REASON_ENTRY_FAILED);
    gt_line("%s: ran %d", name, ran);
    gt_check(ran, "%s: %s", name, l2_text());
}

TEST_MAIN(sec_step)
{
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        run("sti", STI, 0, 0, BTF);
        run("mov ss", MOV_SS, 0, 0, BTF);
        run("hlt", 0, HALTED, 0, BTF);
        run("sti cleared", STI, 0, BTF, 0);
        run("mov ss cleared", MOV_SS, 0, BTF, 0);
        run("not held", 0, 0, 0, BTF);
    }
    vmx_end();
}
