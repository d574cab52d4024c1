/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A shadow VMCS in L1's hands: what L1 writes, each field and each high half, is what it reads
 * there, at once, behind another VMPTRLD, and behind VMCLEAR. L2 reads it, and L1 what L2 writes.
 * Fields that L0 shows without an exit (hv/nested/images/shadow01.def) and others are alike.
 */
#include "guest-tests/lib/vmx_ept.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_shadow.h"

#define READ  "\x0f\x78\xca" /* VMREAD RDX, RCX */
#define WRITE "\x0f\x79\xcb" /* VMWRITE RCX, RBX */

static u64 mixed(u64 hash, u64 v)
{
    return (hash ^ v) * 0x100000001b3;
}

/* Not fields that a model may lack, which other tests are about, and not L1's own failures. */
static bool is_asked(u32 i)
{
    return vmx_field[i].gate != 'P' && vmx_field[i].enc != V_INSN_ERROR;
}

/* All fields of the VMCS that is current, with high halves: flags and values. */
static u64 all_read(void)
{
    u64 hash = 0xcbf29ce484222325;

    for (u32 i = 0; i < VMX_FIELDS; i++) {
        u32 halves = (vmx_field[i].enc >> 13 & 3) == 1 ? 2 : 1; /* 64 bits wide */
        for (u32 half = 0; half < halves && is_asked(i); half++) {
            u64 v = 0;
            hash = mixed(hash, (u64)vmx_vmread(vmx_field[i].enc + half, &v));
            hash = mixed(hash, v);
        }
    }
    return hash;
}

/* SDM 3C 31.3 "VMX Instructions", VMWRITE, and SDM 3C 25.10 "VMCS Types: Ordinary and Shadow" */
static void in_hands(void)
{
    shadow_world(L2_64);
    shadow_fill();
    l2_code(READ WRITE, 6);
    l2.gpr[RBX] = 0x5555;
    l2_write();
    for (u32 turn = 1; turn < 4; turn++) {
        u64 flags = 0, v = 0;
        vmx_vmptrld(ARENA_AT(PG_VMCS_C));
        for (u32 i = 0; i < VMX_FIELDS; i++) { /* rights have reserved bits */
            u32 enc = vmx_field[i].enc;
            bool rights = enc >= V_GUEST_ES_AR && enc <= V_GUEST_TR_AR;
            u64 value = rights ? 0xc093 : 0x0123456789abcdef * turn + i;
            if (is_asked(i))
                flags = mixed(flags, (u64)vmx_vmwrite(enc, value));
        }
        gt_line("%u.full: flags %lx read %lx", turn, flags, all_read());
        vmx_vmwrite(V_GUEST_PHYSICAL_ADDR | 1, 0x89abcdef);
        vmx_vmwrite(V_TSC_OFFSET | 1, 0x76543210);
        vmx_vmread(V_GUEST_PHYSICAL_ADDR, &v);
        gt_line("%u.high: %lx read %lx", turn, v, all_read());
        vmx_vmptrld(ARENA_AT(PG_VMCS_A));
        vmx_vmptrld(ARENA_AT(PG_VMCS_C));
        gt_line("%u.loaded: read %lx", turn, all_read());
        vmx_vmclear(ARENA_AT(PG_VMCS_C));
        vmx_vmptrld(ARENA_AT(PG_VMCS_C));
        gt_line("%u.cleared: read %lx", turn, all_read());
        vmx_vmwrite(V_EXIT_QUALIFICATION, 0x7700 + turn);
        if (turn == 2)
            vmx_vmclear(ARENA_AT(PG_VMCS_C));
        vmx_vmptrld(ARENA_AT(PG_VMCS_A));
        vmx_vmwrite(V_GUEST_RIP, L2_AT(P_CODE));
        l2.gpr[RCX] = turn == 3 ? V_HOST_FS_BASE : V_EXIT_QUALIFICATION;
        l2_enter(turn != 1);
        vmx_vmptrld(ARENA_AT(PG_VMCS_C));
        vmx_vmread(l2.gpr[RCX], &v);
        gt_line("%u.l2: %s read %lx, then L1 %lx, all %lx", turn, ept_result(), l2_seen_gpr[RDX], v,
                all_read());
        vmx_vmptrld(ARENA_AT(PG_VMCS_A));
    }
    vmx_vmclear(ARENA_AT(PG_VMCS_C));
}

u64 vmx_trips(bool (*at_exit)(u64 number)) GT_HIDDEN;

static bool step(u64 number)
{
    gt_line("stepped.%lu: exit %x rip +%lx", number, (u32)vmx_get(V_EXIT_REASON),
            vmx_get(V_GUEST_RIP) - L2_AT(P_CODE));
    return number < 6;
}

/* L1 steps an L2 that accesses the shadow VMCS: an exit behind each instruction, also behind one
 * that L0 did. Needs the control, which Bochs 2.7's Broadwell lacks.
 * SDM 3C 26.5.2 "Monitor Trap Flag" */
static void stepped(void)
{
    shadow_world(L2_64);
    shadow_fill();
    /* MOV EBX, GUEST_TR_BASE; VMREAD RBP, RBX; VMWRITE RBX, RBP; NOPs */
    l2_code("\x90\xbb\x14\x68\x00\x00\x0f\x78\xdd\x0f\x79\xdd\x90\x90", 14);
    l2.f[VI_PROC_CTL] |= PROC_MTF;
    l2_write();
    gt_line("stepped: VMfail %lu", vmx_trips(step));
    l1_state_restore();
}

TEST_MAIN(vmx_hands)
{
    vmx_begin();
    if (vmx_has2(PROC2_SHADOW) && vmx_on()) {
        l2_init();
        in_hands();
        if (gt_rdmsr(MSR_VMX_TRUE_PROC) >> 32 & PROC_MTF)
            stepped();
    }
    vmx_end();
}
