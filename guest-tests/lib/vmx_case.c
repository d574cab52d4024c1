/* SPDX-License-Identifier: BSD-2-Clause */
/* The case engine: changes an image, writes it and enters. What comes of it is vmx_report.c's. */
#include "guest-tests/lib/gt_private.h"
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"

u64 l2_seen[VMX_FIELDS];
u64 l2_seen_gpr[16];
u64 l2_seen_rflags;
struct l1_state l2_seen_l1;
bool l2_present[VMX_FIELDS];

int vmx_door(const u64 *gpr, bool resume) GT_HIDDEN;
extern u64 vmx_door_out[18] GT_HIDDEN;

void l2_init(void)
{
    *(u32 *)arena(PG_VMCS_A) = (u32)gt_rdmsr(MSR_VMX_BASIC) & 0x7fffffff;
    vmx_vmclear(ARENA_AT(PG_VMCS_A));
    gt_check(vmx_vmptrld(ARENA_AT(PG_VMCS_A)) == VMX_OK, "init: vmptrld refused");
    for (int i = 0; i < VMX_FIELDS; i++) {
        u64 v = 0;

        l2_present[i] = vmx_vmread(vmx_field[i].enc, &v) == VMX_OK;
    }
}

void l2_code(const char *code, size_t len)
{
    u8 *live = arena(PG_L2 + P_CODE), *kept = arena(PG_L2_TEMPLATE + P_CODE);

    for (size_t i = 0; i < 12; i += 3)
        CopyMem(live + len + i, (void *)"\x0f\x01\xc1", 3);
    CopyMem(live, (void *)code, len);
    CopyMem(kept, live, len + 12);
}

static u64 *target(u32 what)
{
    if (what >= WHAT_ARENA)
        return (u64 *)((u8 *)arena(0) + (what - WHAT_ARENA));
    if (what >= WHAT_L2)
        return (u64 *)((u8 *)arena(PG_L2) + (what - WHAT_L2));
    if (what >= WHAT_GPR)
        return &l2.gpr[what - WHAT_GPR];
    return &l2.f[vmx_find(what)];
}

void l2_apply(const struct vmx_set *set, size_t n)
{
    for (size_t i = 0; i < n && set[i].op; i++) {
        u64 *at = target(set[i].what);

        switch (set[i].op) {
        /* clang-format off */
        case '=': *at = set[i].v; break;
        case '|': *at |= set[i].v; break;
        case '&': *at &= set[i].v; break;
        default: *at ^= set[i].v; break;
            /* clang-format on */
        }
        if (set[i].what >= WHAT_L2 && set[i].what < WHAT_ARENA)
            *(u64 *)((u8 *)at + (PG_L2_TEMPLATE - PG_L2) * 4096) = *at;
    }
}

u64 l2_initial(int i)
{
    bool info = VMX_KIND(vmx_field[i].enc) == KIND_READ_ONLY && i != VI_INSN_ERROR;

    return info ? SENTINEL : l2.f[i];
}

void l2_write(void)
{
    vmx_vmclear(ARENA_AT(PG_VMCS_A));
    vmx_vmptrld(ARENA_AT(PG_VMCS_A));
    l2_write_fields();
}

void l2_write_fields(void)
{
    for (int i = 0; i < VMX_FIELDS; i++) {
        if (l2_present[i])
            vmx_vmwrite(vmx_field[i].enc, l2_initial(i));
    }
}

/* SDM 3C 27.1 "Basic VM-Entry Checks": a VMfail loads nothing; all of L1's state is as it was. */
static void nothing_loaded(const struct l1_state *before)
{
    struct l1_state now;

    l1_state_get(&now);
    gt_check(CompareMem(&now, before, sizeof now) == 0, "refused entry: L1's state changed");
}

enum l2_outcome l2_enter(bool resume)
{
    struct l1_state before;
    bool failed;

    l1_state_get(&before);
    failed = vmx_door(l2.gpr, resume);
    if (failed)
        nothing_loaded(&before);
    if (!failed) {
        l1_state_get(&l2_seen_l1);
        l2_seen_l1.dr7 = vmx_door_out[17];
        l1_state_restore();
    }
    l2_seen_rflags = vmx_door_out[16];
    for (unsigned i = 0; i < 16; i++)
        l2_seen_gpr[i] = vmx_door_out[i];
    for (int i = 0; i < VMX_FIELDS; i++) {
        if (l2_present[i])
            vmx_vmread(vmx_field[i].enc, &l2_seen[i]);
    }
    return failed ? L2_VMFAIL : L2_EXIT;
}

void l2_again(u64 rip)
{
    static const u8 wanted[] = {VI_EXIT_REASON, VI_EXIT_QUALIFICATION, VI_GUEST_PHYSICAL_ADDR,
                                VI_GUEST_LINEAR_ADDR};

    vmx_vmwrite(V_GUEST_RIP, rip);
    vmx_door(l2.gpr, true);
    l2_seen_rflags = vmx_door_out[16];
    for (unsigned i = 0; i < 16; i++)
        l2_seen_gpr[i] = vmx_door_out[i];
    for (unsigned i = 0; i < sizeof wanted; i++)
        vmx_vmread(vmx_field[wanted[i]].enc, &l2_seen[wanted[i]]);
}

void l2_case_run(const struct l2_case *c)
{
    l2_world(c->mode);
    l2.flags = c->flags;
    l2_code(c->code, c->len);
    l2_apply(c->set, L2_SETS);
    l2_write();
    l2_enter(false);
    l2_report(c->name);
}

void l2_cases(const struct l2_case *c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        l2_case_run(&c[i]);
}
