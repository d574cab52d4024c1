/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses that L1 hands over and that lie where no memory is: below 4 GiB between the devices,
 * far above all memory, and (to be read only) in the local APIC's page. Reads give all ones, writes
 * go nowhere, and nothing hangs.
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l1.h"

#define HOLE       0xd0000000ul
#define HIGH       0x8000000000ul
#define LAPIC      0xfee00000ul
#define OPERAND(V) PHYS(PG_SCRATCH, 0, V)

/* What is read there is not the revision, so VMXON is VMfailInvalid. SDM 3C 31.3 "VMX
 * Instructions" */
static const struct l1_case vmxon[] = {
    L1C("vmxon hole", L1_64, "\xf3\x0f\xc7\x30", OPERAND(HOLE)),
    L1C("vmxon high", L1_64, "\xf3\x0f\xc7\x30", OPERAND(HIGH)),
    L1C("vmxon lapic", L1_64, "\xf3\x0f\xc7\x30", OPERAND(LAPIC)),
};

/* With a VMCS current, so that refusals have numbers. VMPTRLD of such a region is error 11.
 * VMCLEAR succeeds, as the address is legal. SDM 3C 31.4 "VM Instruction Error Numbers" */
static const struct l1_case pointers[] = {
    L1C("vmptrld hole", L1_64, "\x0f\xc7\x30", OPERAND(HOLE)),
    L1C("vmptrld high", L1_64, "\x0f\xc7\x30", OPERAND(HIGH)),
    L1C("vmptrld lapic", L1_64, "\x0f\xc7\x30", OPERAND(LAPIC)),
    L1C("vmclear hole", L1_64, "\x66\x0f\xc7\x30", OPERAND(HOLE)),
    L1C("vmclear high", L1_64, "\x66\x0f\xc7\x30", OPERAND(HIGH)),
    L1C("vmptrst", L1_64, "\x0f\xc7\x38"),
    L1C("vmptrst into the hole", L1_64, "\x0f\xc7\x38", REG(RAX, HOLE)),
    L1C("vmptrld operand in the hole", L1_64, "\x0f\xc7\x30", REG(RAX, HOLE)),
    L1C("vmwrite operand in the hole", L1_64, "\x0f\x79\x08\x0f\x78\xcb", REG(RAX, HOLE),
        REG(RCX, V_GUEST_CR3)),
    L1C("vmread into the hole", L1_64, "\x0f\x78\x08", REG(RAX, HOLE), REG(RCX, V_GUEST_CR3)),
};

#define BOTH(NAME, CODE, FIELD, ...)                                \
                                                                    \
    CASE(NAME " hole", L2_64, CODE, SET(FIELD, HOLE), __VA_ARGS__), \
        CASE(NAME " high", L2_64, CODE, SET(FIELD, HIGH), __VA_ARGS__)
/* A bitmap that reads as ones makes its access exit. An MSR-load element of ones is exit reason
 * 34, a link to nowhere is exit reason 33 with qualification 4. SDM 3C 27.4 "Loading MSRs", SDM
 * 3C 27.3.1.5 "Checks on Guest Non-Register State" */
static const struct l2_case fields[] = {
    BOTH("io bitmap a", "\xe6\x80", IO_BITMAP_A, CLEAR(PROC_CTL, PROC_UNCOND_IO),
         OR(PROC_CTL, PROC_IO_BITMAPS)),
    BOTH("io bitmap b unused", "\xe6\x80", IO_BITMAP_B, CLEAR(PROC_CTL, PROC_UNCOND_IO),
         OR(PROC_CTL, PROC_IO_BITMAPS)),
    BOTH("msr bitmap", "\x0f\x32", MSR_BITMAP, OR(PROC_CTL, PROC_MSR_BITMAPS),
         REG(RCX, MSR_SYSENTER_CS)),
    BOTH("entry list", "", ENTRY_MSR_LOAD_ADDR, SET(ENTRY_MSR_LOAD_COUNT, 1)),
    BOTH("entry list empty", "", ENTRY_MSR_LOAD_ADDR, SET(ENTRY_MSR_LOAD_COUNT, 0)),
    BOTH("link", "", VMCS_LINK_PTR, SET(CR3_TARGET0, 0)),
    BOTH("apic access", "", APIC_ACCESS_ADDR, PROC2(PROC2_APIC_ACCESS)),
    BOTH("cr3", "", GUEST_CR3, SET(CR3_TARGET0, 0)),
};

/* Whatever L2 writes to a virtual-APIC page that is nowhere, CR8 reads 15.
 * SDM 3C 30.3 "Virtualizing CR8-Based TPR Accesses" */
#define VAPIC(PA) OR(PROC_CTL, PROC_TPR_SHADOW), SET(VIRTUAL_APIC_ADDR, PA)
#define WRITE_CR8 "\x44\x0f\x22\xc0" /* from RAX */
#define READ_CR8  "\x44\x0f\x20\xc3" /* into RBX */
#define APIC_PAGE PROC2(PROC2_APIC_ACCESS), REG(RDX, L2_AT(P_APIC) + 0x80)
static const struct l2_case vapic[] = {
    CASE("cr8 read", L2_64, READ_CR8, VAPIC(HIGH)),
    CASE("cr8 written 3", L2_64, WRITE_CR8 READ_CR8, VAPIC(HIGH), REG(RAX, 3)),
    CASE("cr8 written 0 threshold 5", L2_64, WRITE_CR8 READ_CR8, VAPIC(HIGH), SET(TPR_THRESHOLD, 5),
         REG(RAX, 0)),
    CASE("cr8 written 15", L2_64, WRITE_CR8 READ_CR8, VAPIC(HIGH), REG(RAX, 15)),
    CASE("cr8 elsewhere", L2_64, READ_CR8, VAPIC(HOLE)),
    /* mov [rdx], eax */
    CASE("tpr written 0", L2_64, "\x89\x02" READ_CR8, VAPIC(HOLE), APIC_PAGE, REG(RAX, 0)),
};

TEST_MAIN(vmx_nowhere)
{
    vmx_begin();
    l1_cases("outside", vmxon, sizeof vmxon / sizeof *vmxon);
    if (vmx_on()) {
        l2_init();
        l1_cases("current", pointers, sizeof pointers / sizeof *pointers);
        for (unsigned i = 0; i < sizeof fields / sizeof *fields; i++) {
            SetMem(arena(PG_IO_A), 3 * 4096, 0);
            l2_case_run(&fields[i]);
        }
        for (unsigned i = 0; i < sizeof vapic / sizeof *vapic; i++) {
            l2_case_run(&vapic[i]);
            gt_check(l2_seen_gpr[RBX] == 15, "%s: CR8 reads %lx", vapic[i].name, l2_seen_gpr[RBX]);
        }
    }
    vmx_end();
}
