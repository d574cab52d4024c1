/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * L2 lowers its TPR by a plain store to its virtual-APIC page, which L1 has mapped for it. That is
 * no exit; but an entry refuses a TPR threshold above VTPR, or exits at once: so a hypervisor below
 * that has business of its own with the next instruction (an RDMSR that it sees for the first time)
 * must not enter L2 with that threshold. SDM 3C 27.2.1.1 "VM-Execution Control Fields"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"

#define LOWER   "\xc7\x03\x00\x00\x00\x00\x0f\x32" /* MOV DWORD [RBX], 0; RDMSR */
#define RAISE   "\xc7\x03\x90\x00\x00\x00"         /* MOV DWORD [RBX], 0x90 */
#define MOV_CR8 "\x44\x0f\x22\xc7"                 /* MOV CR8, RDI */

/* A store to the page is no exit. A MOV to CR8 that leaves VTPR below the threshold is exit reason
 * 43. SDM 3C 30.3 "Virtualizing CR8-Based TPR Accesses", SDM 3C 30.1.2 "TPR Virtualization" */
static void run(const char *name, enum l2_mode mode, const char *code, size_t len, u32 msr,
                u32 proc2)
{
    l2_world(mode);
    l2_code(code, len);
    l2.flags = NO_MEM | NO_REGS;
    l2.gpr[RBX] = L2_AT(P_DATA) + 0x80;
    l2.gpr[RCX] = msr;
    l2.gpr[RDI] = 3;
    ((u32 *)arena(PG_L2 + P_DATA))[0x20] = 0x50;
    l2.f[VI_PROC_CTL] |= PROC_MSR_BITMAPS | PROC_TPR_SHADOW | (proc2 ? PROC_SECONDARY : 0);
    l2.f[VI_PROC2_CTL] |= proc2;
    l2.f[VI_VIRTUAL_APIC_ADDR] = ARENA_AT(PG_L2 + P_DATA);
    l2.f[VI_TPR_THRESHOLD] = 5;
    l2_write();
    l2_enter(false);
    gt_line("%s.%s: %s vtpr %x threshold %lx", l2_mode_name[mode], name, l2_text(),
            ((u32 *)arena(PG_L2 + P_DATA))[0x20], l2_seen[VI_TPR_THRESHOLD]);
}
#define RUN(NAME, MODE, CODE, MSR, PROC2) run(NAME, MODE, CODE, sizeof(CODE) - 1, MSR, PROC2)

/* Each access of an MSR whose word no L2 has used before is new to the hypervisor below. */
TEST_MAIN(sec_vtpr)
{
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        SetMem(arena(PG_MSR_BITMAP), 4096, 0);
        RUN("lowered", L2_64, LOWER, MSR_SYSENTER_ESP, 0);
        RUN("again", L2_64, LOWER, MSR_SYSENTER_ESP, 0);
        RUN("lowered", L2_32, LOWER, MSR_PAT, 0);
        if (vmx_has2(PROC2_APIC_ACCESS))
            RUN("access page", L2_64, LOWER, MSR_EFER64, PROC2_APIC_ACCESS);
        RUN("as before", L2_64, MOV_CR8, 0, 0);
        /* RDMSR of GS_BASE between */
        RUN("raised", L2_64, LOWER RAISE "\xb9\x01\x01\x00\xc0\x0f\x32" MOV_CR8, 0x10, 0);
    }
    vmx_end();
}
