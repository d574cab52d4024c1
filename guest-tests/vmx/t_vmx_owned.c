/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes of CR0 and CR4 that touch a bit which VMX fixes (NE, VMXE) together with something else:
 * the instruction is judged whole, in and outside VMX operation; and XSETBV in ring 3, which exits
 * from wherever it is executed. SDM 3C 24.8 "Restrictions on VMX Operation"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_l1.h"

#define XSETBV  "\x0f\x01\xd1"
#define TSD     (1ul << 2)
#define PCIDE   (1ul << 17)
#define OSXSAVE (1ul << 18)
#define NW      (1ul << 29)

static u64 read_cr(unsigned number)
{
    return number == 0 ? gt_read_cr0() : gt_read_cr4();
}

/* MOV to CR with some bits turned on and some off; what was is put back by the same way. */
static void change(const char *state, const char *name, unsigned number, u64 on, u64 off)
{
    u64 old = read_cr(number);
    struct l1_frame f;
    l1_frame_init(&f);
    f.gpr[RAX] = (old | on) & ~off;
    l1_run(&f, number == 0 ? "\x0f\x22\xc0" : "\x0f\x22\xe0", 3);
    u64 now = read_cr(number);
    if (number == 0)
        gt_write_cr0(old);
    else
        gt_write_cr4(old);
    gt_line("%s.%s: %s changes %lx", state, name, l1_result(), now ^ old);
}

/* In VMX operation clearing VMXE is #GP(0) and no bit changes. Outside, the other bits decide.
 * SDM 3C 24.8 "Restrictions on VMX Operation" */
static void cr4_writes(const char *state)
{
    u64 cr3 = gt_read_cr3();
    change(state, "vmxe off", 4, 0, CR4_VMXE);
    change(state, "vmxe off, pae off", 4, 0, CR4_VMXE | CR4_PAE);
    change(state, "vmxe off, bit 31", 4, 1ul << 31, CR4_VMXE);
    change(state, "vmxe off, bit 63", 4, 1ul << 63, CR4_VMXE);
    change(state, "vmxe off, tsd", 4, TSD, CR4_VMXE);
    change(state, "vmxe off, pcide", 4, PCIDE, CR4_VMXE);
    gt_write_cr3(cr3 | 0x18);
    change(state, "vmxe off, pcide, pcd in cr3", 4, PCIDE, CR4_VMXE);
    change(state, "pcide, pcd in cr3", 4, PCIDE, 0);
    gt_write_cr3(cr3);
}

/* In VMX operation clearing NE is #GP(0) and no bit changes. Outside, the other bits decide. SDM
 * 3C 24.8 "Restrictions on VMX Operation" */
static void cr0_writes(const char *state)
{
    change(state, "ne off, pg off", 0, 0, CR0_NE | CR0_PG);
    change(state, "ne off, pe off", 0, 0, CR0_NE | CR0_PE);
    change(state, "ne off, nw", 0, NW, CR0_NE);
    change(state, "ne off, bit 32", 0, 1ul << 32, CR0_NE);
}

/* XSETBV is #GP(0) above ring 0. In ring 0 it does its work. SDM 1 13.3 "Enabling the XSAVE
 * Feature Set and XSAVE-Enabled Features" */
static const struct l1_case ring3[] = {
    L1C("xsetbv", L1_64_R3, XSETBV, REG(RCX, 0), REG(RAX, 3), REG(RDX, 0)),
    L1C("xsetbv", L1_COMPAT_R3, XSETBV, REG(RCX, 0), REG(RAX, 3), REG(RDX, 0)),
    L1C("xsetbv bad", L1_64_R3, XSETBV, REG(RCX, 0), REG(RAX, 0), REG(RDX, 0)),
    L1C("xsetbv", L1_64, XSETBV, REG(RCX, 0), REG(RAX, 3), REG(RDX, 0)),
};

TEST_MAIN(vmx_owned)
{
    vmx_begin();
    u64 cr4 = gt_read_cr4();
    gt_write_cr4(cr4 | OSXSAVE);
    l1_cases("outside", ring3, ARRAY_LEN(ring3));
    gt_write_cr4(cr4);
    cr4_writes("outside");
    cr0_writes("outside");
    if (vmx_on()) {
        gt_write_cr4(cr4 | OSXSAVE);
        l1_cases("inside", ring3, ARRAY_LEN(ring3));
        gt_write_cr4(cr4);
        cr4_writes("inside");
        cr0_writes("inside");
        change("inside", "ne off", 0, 0, CR0_NE);
        vmx_off();
    }
    vmx_end();
}
