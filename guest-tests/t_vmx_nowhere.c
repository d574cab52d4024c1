/*
 * Addresses that L1 hands over and that lie where no memory is: below 4 GiB between the devices, far above
 * all memory, and (to be read only) in the local APIC's page. Reads give all ones, writes go nowhere, and
 * nothing hangs.
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l1.h"

#define HOLE 0xd0000000ul
#define HIGH 0x8000000000ul
#define LAPIC 0xfee00000ul
#define OPERAND(V) PHYS(PG_SCRATCH, 0, V)

static const struct l1_case vmxon[] = {
    L1C("vmxon hole", L1_64, "\xf3\x0f\xc7\x30", OPERAND(HOLE)),
    L1C("vmxon high", L1_64, "\xf3\x0f\xc7\x30", OPERAND(HIGH)),
    L1C("vmxon lapic", L1_64, "\xf3\x0f\xc7\x30", OPERAND(LAPIC)),
};

/* With a VMCS current, so that refusals have numbers. */
static const struct l1_case pointers[] = {
    L1C("vmptrld hole", L1_64, "\x0f\xc7\x30", OPERAND(HOLE)),
    L1C("vmptrld high", L1_64, "\x0f\xc7\x30", OPERAND(HIGH)),
    L1C("vmptrld lapic", L1_64, "\x0f\xc7\x30", OPERAND(LAPIC)),
    L1C("vmclear hole", L1_64, "\x66\x0f\xc7\x30", OPERAND(HOLE)),
    L1C("vmclear high", L1_64, "\x66\x0f\xc7\x30", OPERAND(HIGH)),
    L1C("vmptrst", L1_64, "\x0f\xc7\x38"),
    L1C("vmptrst into the hole", L1_64, "\x0f\xc7\x38", REG(RAX, HOLE)),
    L1C("vmptrld operand in the hole", L1_64, "\x0f\xc7\x30", REG(RAX, HOLE)),
    L1C("vmwrite operand in the hole", L1_64, "\x0f\x79\x08\x0f\x78\xcb", REG(RAX, HOLE), REG(RCX, V_GUEST_CR3)),
    L1C("vmread into the hole", L1_64, "\x0f\x78\x08", REG(RAX, HOLE), REG(RCX, V_GUEST_CR3)),
};

#define BOTH(NAME, CODE, FIELD, ...)                                                                \
    CASE(NAME " hole", L2_64, CODE, SET(FIELD, HOLE), __VA_ARGS__),                                 \
    CASE(NAME " high", L2_64, CODE, SET(FIELD, HIGH), __VA_ARGS__)
static const struct l2_case fields[] = {
    BOTH("io bitmap a", "\xe6\x80", IO_BITMAP_A, CLEAR(PROC_CTL, PROC_UNCOND_IO), OR(PROC_CTL, PROC_IO_BITMAPS)),
    BOTH("io bitmap b unused", "\xe6\x80", IO_BITMAP_B, CLEAR(PROC_CTL, PROC_UNCOND_IO), OR(PROC_CTL, PROC_IO_BITMAPS)),
    BOTH("msr bitmap", "\x0f\x32", MSR_BITMAP, OR(PROC_CTL, PROC_MSR_BITMAPS), REG(RCX, MSR_SYSENTER_CS)),
    BOTH("entry list", "", ENTRY_MSR_LOAD_ADDR, SET(ENTRY_MSR_LOAD_COUNT, 1)),
    BOTH("entry list empty", "", ENTRY_MSR_LOAD_ADDR, SET(ENTRY_MSR_LOAD_COUNT, 0)),
    BOTH("link", "", VMCS_LINK_PTR, SET(CR3_TARGET0, 0)),
    BOTH("apic access", "", APIC_ACCESS_ADDR, PROC2(PROC2_APIC_ACCESS)),
    BOTH("cr3", "", GUEST_CR3, SET(CR3_TARGET0, 0)),
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
    }
    vmx_end();
}
