/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Wild steps: what ends the bare emulator or is judged wrongly by it. They run under Nidus only,
 * are checked and not recorded, and leave the model as if they had not been: every VMCS that they
 * use is given up.
 */
#include "guest-tests/lib/hostile.h"

enum { ERR_VMCALL_IN_ROOT = 1 };

/* CAVEAT(bochs-vmcall-root) */
static void vmcall_in_root(void)
{
    struct h_code c;

    if (!h.in_vmx)
        return;
    l1_frame_init(&c.frame);
    c.len = 0;
    h_append(&c, "\x0f\x01\xc1", 3);
    h_run(&c, "vmcall", h_fails(ERR_VMCALL_IN_ROOT));
}

/* CAVEAT(bochs-launch-shadow) */
static void launch_shadow(void)
{
    struct h_vmcs *v;
    struct h_code c;

    h_ordinary();
    v = h_current();
    h_check(vmx_vmclear(v->at) == VMX_OK, "wild: vmclear");
    *(u32 *)v->at = h.revision | 1u << 31;
    h_check(vmx_vmptrld(v->at) == VMX_OK, "wild: vmptrld of a shadow");
    l1_frame_init(&c.frame);
    c.len = 0;
    h_append(&c, h_chance(50) ? "\x0f\x01\xc2" : "\x0f\x01\xc3", 3);
    h_run(&c, "launch of a shadow", h_invalid());
    vmx_vmclear(v->at);
    *(u32 *)v->at = h.revision;
    h.current = H_NONE;
    v->tainted = true;
    v->launch = H_UNKNOWN;
}

/* Random MSRs. Not: MTRRs and what else L1 lives on; what it reads is put back. */
static void any_msr(void)
{
    u32 msr = h_chance(40)   ? (u32)h_below(0x2000)
              : h_chance(50) ? 0xc0000000 + (u32)h_below(0x200)
                             : (u32)gt_rand();
    u64 was = 0;

    if ((msr >= 0x200 && msr < 0x300) || msr == 0x1b || msr == 0x10 || msr == 0x3b ||
        (msr >= 0xc0000080 && msr <= 0xc0000103) || (msr >= 0xc1 && msr < 0xd0) || msr == 0x9b ||
        msr == 0x6e0)
        return;
    h_note(" msr %x", msr);
    if (!h_msr_read(msr, &was))
        return;
    h_msr_write(msr, (u32)vmx_random_edge() | h_below(2) << 32);
    h_msr_write(msr, was);
}

/* A VMCS with random bytes, then only what brings L1 back is written: whatever else, the entry
 * must be answered. */
static void random_bytes(void)
{
    struct h_vmcs *v;
    u64 *word;
    enum l2_outcome how;

    h_ordinary();
    v = h_current();
    word = (u64 *)v->at;
    l2_world(L2_64);
    l2_code("", 0);
    h_check(vmx_vmclear(v->at) == VMX_OK, "wild: vmclear");
    for (unsigned i = 2; i < 128; i++)
        word[i] = h_chance(50) ? vmx_random_edge() : gt_rand();
    h_check(vmx_vmclear(v->at) == VMX_OK && vmx_vmptrld(v->at) == VMX_OK, "wild: vmptrld");
    for (int i = 0; i < VMX_FIELDS; i++) {
        bool vital =
            VMX_KIND(vmx_field[i].enc) == KIND_HOST || VMX_KIND(vmx_field[i].enc) == KIND_CONTROL;

        if (l2_present[i] && (vital || i == VI_GUEST_CR0 || i == VI_GUEST_CR3 ||
                              i == VI_GUEST_CR4 || i == VI_GUEST_EFER || h_chance(80)))
            vmx_vmwrite(vmx_field[i].enc, l2.f[i]);
    }
    vmx_vmwrite(V_GUEST_ACTIVITY, h_below(2));
    how = l2_enter(false);
    h_note(" random bytes: %s", how == L2_EXIT ? "exit" : "refused");
    vmx_vmclear(v->at);
    h.current = H_NONE;
    v->tainted = true;
    v->launch = H_UNKNOWN;
}

/* What the emulator's entry accepts: each must be refused. */
static void must_refuse(void)
{
    static const struct {
        u8 field;
        bool guest;
        u64 v;
    } bad[] = {
        {VI_GUEST_PENDING_DEBUG, true, 1ul << 40}, /* CAVEAT(bochs-pending-debug-high) */
        {VI_GUEST_RIP, true, 1ul << 48},           /* CAVEAT(bochs-rip-canonical) */
        {VI_GUEST_DEBUGCTL, true, 1ul << 63},      /* CAVEAT(bochs-debugctl) */
        {VI_ENTRY_INTR_INFO, false, INTR_VALID | INTR_OTHER | 5},
        {VI_ENTRY_CTL, false, ENTRY_SMM}, /* CAVEAT(bochs-entry-smm) */
    };
    unsigned k = (unsigned)h_below(sizeof bad / sizeof *bad);
    struct h_vmcs *v;
    enum l2_outcome how;

    h_ordinary();
    v = h_current();
    h_check(vmx_vmclear(v->at) == VMX_OK && vmx_vmptrld(v->at) == VMX_OK, "wild: vmptrld");
    l2_world(L2_64);
    l2_code("", 0);
    l2.f[bad[k].field] |= bad[k].v;
    l2_write_fields();
    how = l2_enter(false);
    h_check(how == (bad[k].guest ? L2_EXIT : L2_VMFAIL), "wild: %s=%lx: not refused",
            vmx_field[bad[k].field].name, bad[k].v);
    h_check(bad[k].guest ? l2_seen[VI_EXIT_REASON] == (REASON_ENTRY_FAILED | 33)
                         : l2_seen[VI_INSN_ERROR] == 7,
            "wild: %s=%lx: reason %lx error %lu", vmx_field[bad[k].field].name, bad[k].v,
            l2_seen[VI_EXIT_REASON], l2_seen[VI_INSN_ERROR]);
    vmx_vmclear(v->at);
    h.current = H_NONE;
    v->tainted = true;
    v->launch = H_UNKNOWN;
}

void h_step_wild(void)
{
    u64 kept = h.hash, kind = h_below(5);
    bool trace = h.trace;

    /* Equal dice and an equal end in both runs: out of VMX operation. */
    h.trace = false; /* its notes would differ */
    if (h.nidus) {
        if (kind == 0)
            vmcall_in_root();
        else if (kind == 1)
            launch_shadow();
        else if (kind == 2)
            any_msr();
        else if (kind == 3)
            random_bytes();
        else
            must_refuse();
    }
    l1_state_restore();
    h_leave_vmx();
    h.vmxon_at = ARENA_AT(PG_VMXON);
    for (int i = 0; i < h.regions; i++) {
        h.vmcs[i].revision = H_GOOD;
        h_taint(i);
    }
    h.trace = trace;
    h.hash = kept;
    h_words("survived");
}
