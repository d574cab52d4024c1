/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stands in a VMCS some exits after its launch, and what L2 reaches then. The exits before the
 * question are handled without it, because L0 leaves L2's state where it is as long as nobody asks.
 */
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_shadow.h"

u64 vmx_bench(u64 exits, u64 reason, u8 *edit, u64 loops) GT_HIDDEN;

enum { EXITS = 4, LONG = 0x7fffffff };

#define BEGIN_TRIP "\x31\xc0\x0f\xa2" /* XOR EAX, EAX; CPUID, L1's exit */

static void trips(const char *name, bool judged)
{
    u64 t = vmx_bench(EXITS, REASON_CPUID, arena(PG_SCRATCH), 0);

    gt_check(!judged || t != 0, "%s: exit %lx", name, vmx_get(V_EXIT_REASON));
}

/* An exit saves DR7, DEBUGCTL, EFER and PAT or not by the controls of that moment; that L1 changes
 * the controls afterwards changes nothing.
 * SDM 3C 28.3.1 "Saving Control Registers, Debug Registers, and MSRs" */
static void controls(u32 off, u32 later, const char *name)
{
    l2_world(L2_64);
    l2.f[VI_PREEMPTION_TIMER] = LONG;
    l2.f[VI_PIN_CTL] &= ~(u64)PIN_TIMER;
    l2.f[VI_EXIT_CTL] &= ~(u64)off;
    /* MOV EAX, 0x455; MOV DR7, RAX; back */
    l2_code(BEGIN_TRIP "\xb8\x55\x04\x00\x00\x0f\x23\xf8\xeb\xf2", 14);
    l2_write();
    trips(name, true);
    vmx_vmwrite(V_EXIT_CTL, vmx_get(V_EXIT_CTL) ^ later);
    gt_line("%s: dr7 %lx debugctl %lx efer %lx pat %lx", name, vmx_get(V_GUEST_DR7),
            vmx_get(V_GUEST_DEBUGCTL), vmx_get(V_GUEST_EFER), vmx_get(V_GUEST_PAT));
    vmx_vmwrite(V_GUEST_DR7, 0x400);
    vmx_vmwrite(V_EXIT_CTL, vmx_get(V_EXIT_CTL) ^ later);
    gt_line("%s.written: dr7 %lx", name, vmx_get(V_GUEST_DR7));
    l1_state_restore();
}

/* L2's VMREAD and VMWRITE with registers that a C function keeps and with others, in rounds behind
 * a VMRESUME: each round adds 4 to a field of the shadow VMCS. A bit of a bitmap ends that. */
static void shadowed(bool read_bit, bool write_bit, const char *name)
{
    u64 v = 0;

    shadow_world(L2_64);
    shadow_fill();
    l2.f[VI_PREEMPTION_TIMER] = LONG;
    ((u8 *)arena(PG_VMREAD_BITMAP))[V_GUEST_TR_BASE / 8] |= read_bit ? 1 << V_GUEST_TR_BASE % 8 : 0;
    ((u8 *)arena(PG_VMWRITE_BITMAP))[V_GUEST_TR_BASE / 8] |=
        write_bit ? 1 << V_GUEST_TR_BASE % 8 : 0;
    l2_code("\xbd\x14\x68\x00\x00\x89\xe9" /* MOV EBP, GUEST_TR_BASE; MOV ECX, EBP */
            "\x0f\x78\xca\x48\x8d\x5a\x03" /* VMREAD RDX, RCX; LEA RBX, [RDX + 3] */
            "\x0f\x79\xeb\x0f\x78\xeb"     /* VMWRITE RBP, RBX; VMREAD RBX, RBP */
            "\x48\xff\xc3\x0f\x79\xcb"     /* INC RBX; VMWRITE RCX, RBX */
            BEGIN_TRIP "\xeb\xe0",
            32);
    l2_write();
    trips(name, !read_bit && !write_bit);
    gt_line("%s: reason %lx rip %lx", name, vmx_get(V_EXIT_REASON),
            vmx_get(V_GUEST_RIP) - L2_AT(P_CODE));
    l1_state_restore();
    vmx_vmptrld(ARENA_AT(PG_VMCS_C));
    vmx_vmread(V_GUEST_TR_BASE, &v);
    vmx_vmptrld(ARENA_AT(PG_VMCS_A));
    gt_line("%s: left %lx", name, v);
}

TEST_MAIN(vmx_behind)
{
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        controls(0, EXIT_SAVE_DEBUG, "saved");
        controls(EXIT_SAVE_DEBUG, EXIT_SAVE_DEBUG, "not saved");
        controls(0, EXIT_SAVE_EFER | EXIT_SAVE_PAT, "msrs");
        if (vmx_has2(PROC2_SHADOW)) {
            shadowed(false, false, "shadow");
            shadowed(true, false, "read bit");
            shadowed(false, true, "write bit");
        }
    }
    vmx_end();
}
