/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hostile L1: VMX structures at addresses where no memory is, and inside L0's own memory. Bare,
 * nothing answers reads beyond RAM with all ones and drops writes, and so must Nidus; the bytes of
 * L0's region are the sink's, ordinary memory that never was L0's. After each case L1's VMX must
 * work as before.
 *
 * Right: The outcome is the one for all ones at that address. SDM 3C 31.3 "VMX Instructions"
 */
#include "guest-tests/lib/gt_hole.h"
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"

#define NOWHERE 0x8000000000ul /* inside 40 physical bits, beyond any RAM of the test machine */
#define TOP     0xfffffff000ul /* the last page of 40 bits */

static struct gt_hole hole;

static u32 revision(void)
{
    return (u32)gt_rdmsr(MSR_VMX_BASIC) & 0x7fffffff;
}

static const char *status(enum vmx_status s)
{
    static char text[24];
    if (s == VMX_OK)
        return "ok";
    if (s == VMX_FAIL_INVALID)
        return "VMfailInvalid";
    gt_format(text, sizeof text, "VMfailValid %lu", vmx_get(V_INSN_ERROR));
    return text;
}

/* VMCLEAR and VMPTRLD of one address, then a normal VMCS must still load, enter and exit. */
static void pointers(const char *where, u64 at)
{
    gt_line("%s.vmclear: %s", where, status(vmx_vmclear(at)));
    gt_line("%s.vmptrld: %s", where, status(vmx_vmptrld(at)));
    l2_world(L2_64);
    l2_code("", 0);
    l2_write();
    gt_line("%s.after: %s", where, l2_enter(false) == L2_EXIT ? "exit" : "refused");
}

static void vmxon_at(const char *where, u64 at)
{
    vmx_vmxoff();
    enum vmx_status s = vmx_vmxon(at);
    gt_line("%s.vmxon: %s", where, status(s));
    if (s == VMX_OK)
        vmx_vmxoff();
    if (vmx_vmxon(ARENA_AT(PG_VMXON)) != VMX_OK)
        gt_line("FAIL %s: VMXON after it", where);
}

/* ---- addresses inside a VMCS ------------------------------------------------------------ */

#define IO_MAPS  CLEAR(PROC_CTL, PROC_UNCOND_IO), OR(PROC_CTL, PROC_IO_BITMAPS)
#define OUT_80   "\xe6\x80"
#define READ_MSR "\x0f\x32"

/* All ones in a bitmap make the access exit that it covers. All ones in the MSR list fail the entry
 * with reason 34. Under the link pointer they are no revision: reason 33, qualification 4. SDM 3C
 * 25.6.4 "I/O-Bitmap Addresses", SDM 3C 25.6.9 "MSR-Bitmap Address", SDM 3C 27.4 "Loading MSRs",
 * SDM 3C 27.3.1.5 "Checks on Guest Non-Register State" */
static const struct l2_case nowhere[] = {
    CASE("io a nowhere", L2_64, OUT_80, IO_MAPS, SET(IO_BITMAP_A, NOWHERE)),
    CASE("io b nowhere", L2_64, OUT_80, IO_MAPS, SET(IO_BITMAP_B, NOWHERE)),
    CASE("io top", L2_64, OUT_80, IO_MAPS, SET(IO_BITMAP_A, TOP)),
    CASE("msr bitmap nowhere", L2_64, READ_MSR, OR(PROC_CTL, PROC_MSR_BITMAPS),
         SET(MSR_BITMAP, NOWHERE), REG(RCX, 0x10)),
    CASE("entry msr list nowhere", L2_64, "", SET(ENTRY_MSR_LOAD_COUNT, 1),
         SET(ENTRY_MSR_LOAD_ADDR, NOWHERE)),
    CASE("link nowhere", L2_64, "", SET(VMCS_LINK_PTR, NOWHERE)),
    CASE("link top", L2_64, "", SET(VMCS_LINK_PTR, TOP)),
    CASE("afterwards", L2_64, ""),
};

/* The same with L0's region: its sink holds what the case puts there. */
static void in_the_hole(void)
{
    volatile u64 *page = (volatile u64 *)hole.base;
    u64 at = hole.base;
    for (unsigned i = 0; i < 512; i++)
        page[i] = 0;
    gt_line("hole.zero.vmptrld: %s", status(vmx_vmptrld(at)));
    *(volatile u32 *)page = revision();
    pointers("hole.revision", at);
    gt_line("hole.vmclear: %s", status(vmx_vmclear(at)));
    gt_line("hole.again: %s", status(vmx_vmptrld(at)));
    gt_line("hole.write: %s", status(vmx_vmwrite(V_GUEST_RIP, 0x1234)));
    gt_line("hole.read: %lx", vmx_get(V_GUEST_RIP));
    gt_line("hole.launch: %s", l2_enter(false) == L2_EXIT ? "exit" : status(VMX_FAIL_VALID));
    gt_line("hole.vmclear: %s", status(vmx_vmclear(at)));
    *(volatile u32 *)page = revision();
    vmxon_at("hole", at);
}

TEST_MAIN(vmx_hostile)
{
    gt_hole_find(&hole);
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        pointers("nowhere", NOWHERE);
        pointers("top", TOP);
        vmxon_at("nowhere", NOWHERE);
        l2_cases(nowhere, sizeof nowhere / sizeof *nowhere);
        in_the_hole();
    }
    vmx_end();
}
