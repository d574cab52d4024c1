/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MOV to CR0 and CR4 that change a bit which a hypervisor below must own (NE, VMXE), under TF, RF,
 * a breakpoint on the instruction, and behind MOV SS and STI: one that has the instruction executed
 * again must not trap early, nor break twice. SDM 3B 18.3.1.1 "Instruction-Breakpoint Exception
 * Condition", SDM 3B 18.3.1.4 "Single-Step Exception Condition"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_l1.h"

#define FLAG_RF (1ul << 16)

static u64 cr0, cr4;

static void one(const char *name, const char *code, size_t len, u64 rax, u64 flags, u64 dr7)
{
    struct l1_frame f;

    l1_frame_init(&f);
    f.gpr[RAX] = rax;
    f.gpr[RBX] = SEL_DATA;
    f.rflags |= flags;
    gt_write_dr0(L1_CODE_AT + len - 4); /* MOV CR and a NOP are the last four bytes */
    gt_write_dr6(0xffff0ff0);
    gt_write_dr7(dr7);
    l1_run(&f, code, len);
    gt_write_dr7(0x400);
    gt_line("%s flags %lx dr7 %lx: %s dr6 %lx rip+%lx flags %lx cr0 %lx cr4 %lx", name, flags, dr7,
            l1_result(), l1_trap.dr6, l1_trap.rip - L1_CODE_AT, l1_trap.rflags, gt_read_cr0() ^ cr0,
            gt_read_cr4() ^ cr4);
    gt_write_cr0(cr0);
    gt_write_cr4(cr4);
}
#define ONE(NAME, CODE, VALUE) one(NAME, CODE, sizeof(CODE) - 1, VALUE, flags, dr7)

/* A breakpoint on the MOV is #DB before it, unless RF is set when it begins or MOV SS stands before
 * it. With TF the first instruction of the row ends in #DB, or the one behind MOV SS. A MOV that is
 * refused is #GP(0), and no bit changes. SDM 3B 18.3.1.1 "Instruction-Breakpoint Exception
 * Condition", SDM 3B 18.3.1.4 "Single-Step Exception Condition" */
static void all(u64 flags, u64 dr7)
{
    ONE("cr4", "\x0f\x22\xe0\x90", cr4 ^ CR4_VMXE);
    ONE("cr0", "\x0f\x22\xc0\x90", cr0 ^ CR0_NE);
    ONE("cr4 refused", "\x0f\x22\xe0\x90", 1ul << 40);
    ONE("mov ss cr4", "\x8e\xd3\x0f\x22\xe0\x90", cr4 ^ CR4_VMXE);
    ONE("mov ss cr0", "\x8e\xd3\x0f\x22\xc0\x90", cr0 ^ CR0_NE);
    ONE("mov ss refused", "\x8e\xd3\x0f\x22\xe0\x90", 1ul << 40);
    ONE("sti cr4", "\xfb\x0f\x22\xe0\xfa", cr4 ^ CR4_VMXE);
}

TEST_MAIN(sec_again)
{
    vmx_begin();
    cr0 = gt_read_cr0();
    cr4 = gt_read_cr4();
    for (unsigned i = 0; i < 8; i++)
        all((i & 1 ? FLAG_TF : 0) | (i & 2 ? FLAG_RF : 0), i & 4 ? 0x402 : 0x400);
    vmx_end();
}
