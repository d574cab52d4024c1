/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a firmware left on in CR4 (pre_cr4.efi) is L1's and stays so, and L0's CR4 is its own: exits
 * are taken while L1 runs on a shadow stack, where every CALL of an L0 with CR4.CET would push upon
 * L1's. This is also the test on a CPU that has all that spec= can do, and does it.
 *
 * Right: CR4 reads as the firmware left it, and a CALL of L1 pushes upon its shadow stack once.
 * SDM 3A 2.5 "Control Registers"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_l1.h"

#define SSP_PAGE      SPECIAL_AT(SP_ABSENT2)
#define CR4_CET       (1ul << 23)
#define MSR_S_CET     0x6a2
#define PL0_SSP       0x6a4
#define MSR_SPEC_CTRL 0x48

/* S_CET = SH_STK_EN, SETSSBSY; then CALL of a CPUID and its RET on the shadow stack;
 * RDSSP; S_CET = 0. */
static const char shadow[] = "\xb9\xa2\x06\x00\x00\xb8\x01\x00\x00\x00\x31\xd2\x0f\x30"
                             "\xf3\x0f\x01\xe8"
                             "\xe8\x02\x00\x00\x00\xeb\x04"
                             "\x0f\xa2\xc3\x90"
                             "\xf3\x48\x0f\x1e\xc8\x48\x89\xc6"
                             "\xb9\xa2\x06\x00\x00\x31\xc0\x31\xd2\x0f\x30";

static void on_shadow_stack(void)
{
    u64 *pt = arena(PG_L1_TABLES + 6), *page = arena(PG_FREE + 8), cr4 = gt_read_cr4();
    struct l1_frame f;
    /* present, dirty, read-only: a shadow-stack page */
    pt[SP_ABSENT2] = ARENA_AT(PG_FREE + 8) | 0x61;
    page[511] = SSP_PAGE + 0xff8; /* the token that SETSSBSY takes */
    gt_write_cr3(gt_read_cr3());
    gt_write_cr4(cr4 | CR4_CET);
    gt_wrmsr(PL0_SSP, SSP_PAGE + 0xff8);
    l1_frame_init(&f);
    l1_run(&f, shadow, sizeof shadow - 1);
    gt_line("shadow stack: %s ssp %lx token %lx below %s", l1_result(), l1_trap.gpr[RSI], page[511],
            page[510] ? "written" : "untouched");
    gt_write_cr4(cr4 & ~CR4_CET); /* what comes may clear CR0.WP */
}

/* IA32_SPEC_CTRL is L1's between its exits, and L0's own (stress=paranoid looks) while L0 runs.
 * RDMSR gives what WRMSR wrote. SDM 4 2.1 "Architectural MSRs" */
static void speculation_control(void)
{
    static const u32 values[] = {0, 1, 2, 4, 5};
    for (u32 i = 0; i < ARRAY_LEN(values); i++) {
        gt_wrmsr(MSR_SPEC_CTRL, values[i]);
        /* the short way of L0's, and the long one */
        u32 ebx = gt_cpuid(0, 0).ebx, edx = gt_cpuid(7, 0).edx;
        gt_line("spec_ctrl %x: %lx, %s", values[i], gt_rdmsr(MSR_SPEC_CTRL),
                ebx && edx ? "answered" : "silent");
    }
    gt_wrmsr(MSR_SPEC_CTRL, 0);
}

TEST_MAIN(cr_left)
{
    gt_line("cr4: %lx", gt_read_cr4());
    gt_line("cpuid: %x", gt_cpuid(0, 0).ebx);
    if (gt_cpuid(7, 0).edx >> 26 & 1)
        speculation_control();
    vmx_begin();
    gt_line("cet: %d", (int)(gt_cpuid(7, 0).ecx >> 7 & 1));
    if (gt_cpuid(7, 0).ecx >> 7 & 1)
        on_shadow_stack();
    vmx_end();
}
