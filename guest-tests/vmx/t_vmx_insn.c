/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every VMX instruction in every state of VMX operation, with every operand the SDM refuses: which
 * check comes first, which flags, which VM-instruction error. Entries that reach the checks on the
 * VMCS's contents are t_vmx_checks.c's and its neighbours'.
 *
 * Right: #UD outside VMX operation, then #GP(0) above ring 0, then the operand's fault, then
 * VMfail with the number of the first rule that is broken. SDM 3C 31.3 "VMX Instructions", SDM 3C
 * 31.4 "VM Instruction Error Numbers"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l1.h"

#define VMXON        "\xf3\x0f\xc7\x30" /* all memory operands are [RAX] */
#define VMCLEAR      "\x66\x0f\xc7\x30"
#define VMPTRLD      "\x0f\xc7\x30"
#define VMPTRST      "\x0f\xc7\x38"
#define VMREAD_REG   "\x0f\x78\xcb" /* RBX = field RCX */
#define VMREAD_MEM   "\x0f\x78\x08"
#define VMWRITE_REG  "\x0f\x79\xcb" /* field RCX = RBX */
#define VMWRITE_MEM  "\x0f\x79\x08"
#define VMLAUNCH     "\x0f\x01\xc2"
#define VMRESUME     "\x0f\x01\xc3"
#define VMXOFF       "\x0f\x01\xc4"
#define VMCALL       "\x0f\x01\xc1"
#define INVEPT       "\x66\x0f\x38\x80\x08"
#define INVVPID      "\x66\x0f\x38\x81\x08"
#define VMFUNC       "\x0f\x01\xd4"
#define ABSENT       REG(RAX, 0x500000000000)
#define NONCANONICAL REG(RAX, 0x8000000000000000)
#define BOTH(NAME, CODE) \
    L1C(NAME, L1_64, CODE), L1C(NAME, L1_64_R3, CODE), L1C(NAME, L1_COMPAT, CODE)

/* Outside VMX operation all of them are #UD, whatever the operand, the mode or the privilege. */
static const struct l1_case everything[] = {
    BOTH("vmclear", VMCLEAR),
    BOTH("vmptrld", VMPTRLD),
    BOTH("vmptrst", VMPTRST),
    BOTH("vmread", VMREAD_REG),
    BOTH("vmread mem", VMREAD_MEM),
    BOTH("vmwrite", VMWRITE_REG),
    BOTH("vmwrite mem", VMWRITE_MEM),
    BOTH("vmlaunch", VMLAUNCH),
    BOTH("vmresume", VMRESUME),
    BOTH("vmxoff", VMXOFF),
    BOTH("vmcall", VMCALL),
    L1C("vmclear absent", L1_64, VMCLEAR, ABSENT),
    L1C("vmptrst absent", L1_64, VMPTRST, ABSENT),
    L1C("vmread noncanonical", L1_64, VMREAD_MEM, NONCANONICAL),
};

/* The same in VMX operation but where #GP, #UD or an operand fault comes first. */
/* clang-format off */
static const struct l1_case privileged[] = {
    L1C("vmxon", L1_64_R3, VMXON), L1C("vmxon", L1_COMPAT, VMXON),
    L1C("vmxon", L1_COMPAT_R3, VMXON),
    L1C("vmclear", L1_64_R3, VMCLEAR), L1C("vmclear", L1_COMPAT, VMCLEAR),
    L1C("vmclear", L1_COMPAT16, "\x66\x0f\xc7\x37"),
    L1C("vmptrld", L1_64_R3, VMPTRLD), L1C("vmptrld", L1_COMPAT, VMPTRLD),
    L1C("vmptrst", L1_64_R3, VMPTRST), L1C("vmptrst", L1_COMPAT_R3, VMPTRST),
    L1C("vmread", L1_64_R3, VMREAD_REG), L1C("vmread", L1_COMPAT, VMREAD_REG),
    L1C("vmwrite", L1_64_R3, VMWRITE_REG), L1C("vmwrite", L1_COMPAT, VMWRITE_REG),
    L1C("vmlaunch", L1_64_R3, VMLAUNCH), L1C("vmlaunch", L1_COMPAT, VMLAUNCH),
    L1C("vmresume", L1_64_R3, VMRESUME), L1C("vmresume", L1_COMPAT_R3, VMRESUME),
    L1C("vmxoff", L1_64_R3, VMXOFF), L1C("vmxoff", L1_COMPAT, VMXOFF),
    L1C("vmcall", L1_64_R3, VMCALL), L1C("vmcall", L1_COMPAT, VMCALL),
    L1C("vmcall", L1_COMPAT_R3, VMCALL),
    L1C("lock vmclear", L1_64, "\xf0\x66\x0f\xc7\x30"),
    L1C("vmclear absent ring 3", L1_64_R3, VMCLEAR, ABSENT),
    L1C("vmxon absent", L1_64, VMXON, ABSENT),
    L1C("vmxon noncanonical", L1_64, VMXON, NONCANONICAL),
    L1C("vmclear absent", L1_64, VMCLEAR, ABSENT),
    L1C("vmclear noncanonical", L1_64, VMCLEAR, NONCANONICAL),
    L1C("vmptrld absent", L1_64, VMPTRLD, ABSENT),
    L1C("vmptrld noncanonical", L1_64, VMPTRLD, NONCANONICAL),
    L1C("vmptrst absent", L1_64, VMPTRST, ABSENT),
    L1C("vmptrst noncanonical", L1_64, VMPTRST, NONCANONICAL),
};
/* clang-format on */

#define OPERAND(V)          PHYS(PG_SCRATCH, 0, V)
#define REVISION_AT_FREE(V) PHYS(PG_FREE, 0, V)
/* A region that is misaligned, too wide or of another revision is VMfailInvalid. SDM 3C 31.3
 * "VMX Instructions" */
static const struct l1_case vmxon_operands[] = {
    L1C("misaligned 1", L1_64, VMXON, OPERAND(ARENA_AT(PG_VMXON) + 1)),
    L1C("misaligned 800", L1_64, VMXON, OPERAND(ARENA_AT(PG_VMXON) + 0x800)),
    L1C("bit 40", L1_64, VMXON, OPERAND(ARENA_AT(PG_VMXON) | 1ul << 40)),
    L1C("bit 52", L1_64, VMXON, OPERAND(ARENA_AT(PG_VMXON) | 1ul << 52)),
    L1C("bit 63", L1_64, VMXON, OPERAND(ARENA_AT(PG_VMXON) | 1ul << 63)),
    L1C("revision 0", L1_64, VMXON, OPERAND(ARENA_AT(PG_FREE)), REVISION_AT_FREE(0)),
    L1C("revision with bit 31", L1_64, VMXON, OPERAND(ARENA_AT(PG_FREE)),
        REVISION_AT_FREE(0x8000002b)),
    L1C("revision off by one", L1_64, VMXON, OPERAND(ARENA_AT(PG_FREE)), REVISION_AT_FREE(0x2c)),
};

#define VMCS_OPERANDS(NAME, CODE)                                                       \
                                                                                        \
    L1C(NAME " misaligned 1", L1_64, CODE, OPERAND(ARENA_AT(PG_VMCS_B) + 1)),           \
        L1C(NAME " misaligned 10", L1_64, CODE, OPERAND(ARENA_AT(PG_VMCS_B) + 0x10)),   \
        L1C(NAME " misaligned 800", L1_64, CODE, OPERAND(ARENA_AT(PG_VMCS_B) + 0x800)), \
        L1C(NAME " bit 40", L1_64, CODE, OPERAND(ARENA_AT(PG_VMCS_B) | 1ul << 40)),     \
        L1C(NAME " bit 51", L1_64, CODE, OPERAND(ARENA_AT(PG_VMCS_B) | 1ul << 51)),     \
        L1C(NAME " bit 63", L1_64, CODE, OPERAND(ARENA_AT(PG_VMCS_B) | 1ul << 63)),     \
        L1C(NAME " all ones", L1_64, CODE, OPERAND(~0ul)),                              \
        L1C(NAME " misaligned vmxon", L1_64, CODE, OPERAND(ARENA_AT(PG_VMXON) + 8)),    \
        L1C(NAME " vmxon region", L1_64, CODE, OPERAND(ARENA_AT(PG_VMXON)))

/* A bad address is error 2 of VMCLEAR and 9 of VMPTRLD, the VMXON region 3 and 10, another
 * revision 11, no such field 12, and VMXON again 15. Without a current VMCS each of these
 * failures is VMfailInvalid. SDM 3C 31.4 "VM Instruction Error Numbers" */
static const struct l1_case operands[] = {
    L1C("vmxon again", L1_64, VMXON, OPERAND(ARENA_AT(PG_VMXON))),
    L1C("vmxon again misaligned", L1_64, VMXON, OPERAND(ARENA_AT(PG_VMXON) + 1)),
    VMCS_OPERANDS("vmclear", VMCLEAR),
    VMCS_OPERANDS("vmptrld", VMPTRLD),
    L1C("vmptrld revision 0", L1_64, VMPTRLD, OPERAND(ARENA_AT(PG_FREE)), REVISION_AT_FREE(0)),
    L1C("vmptrld revision off by one", L1_64, VMPTRLD, OPERAND(ARENA_AT(PG_FREE)),
        REVISION_AT_FREE(0x2a)),
    L1C("vmptrst", L1_64, VMPTRST),
    L1C("vmread reg", L1_64, VMREAD_REG, REG(RCX, V_GUEST_RIP)),
    L1C("vmread mem", L1_64, VMREAD_MEM, REG(RCX, V_GUEST_RIP)),
    L1C("vmread absent", L1_64, VMREAD_MEM, REG(RCX, V_GUEST_RIP), ABSENT),
    L1C("vmread absent bad field", L1_64, VMREAD_MEM, REG(RCX, 0x6fff), ABSENT),
    L1C("vmread noncanonical", L1_64, VMREAD_MEM, REG(RCX, V_GUEST_RIP), NONCANONICAL),
    L1C("vmread bad field", L1_64, VMREAD_REG, REG(RCX, 0x0800 + 0x3e)),
    L1C("vmread field bit 32", L1_64, VMREAD_REG, REG(RCX, 1ul << 32 | V_GUEST_RIP)),
    L1C("vmread field bit 15", L1_64, VMREAD_REG, REG(RCX, 0x8000 | V_GUEST_RIP)),
    L1C("vmread high of 32", L1_64, VMREAD_REG, REG(RCX, V_PIN_CTL | 1)),
    L1C("vmread high of 64", L1_64, VMREAD_REG, REG(RCX, V_VMCS_LINK_PTR | 1)),
    L1C("vmwrite reg", L1_64, VMWRITE_REG, REG(RCX, V_GUEST_RIP)),
    L1C("vmwrite mem", L1_64, VMWRITE_MEM, REG(RCX, V_GUEST_RIP)),
    L1C("vmwrite absent", L1_64, VMWRITE_MEM, REG(RCX, V_GUEST_RIP), ABSENT),
    L1C("vmwrite absent bad field", L1_64, VMWRITE_MEM, REG(RCX, 0x6fff), ABSENT),
    L1C("vmwrite noncanonical", L1_64, VMWRITE_MEM, REG(RCX, V_GUEST_RIP), NONCANONICAL),
    L1C("vmwrite bad field", L1_64, VMWRITE_REG, REG(RCX, 0x0800 + 0x3e)),
    L1C("vmwrite field bit 63", L1_64, VMWRITE_REG, REG(RCX, 1ul << 63 | V_GUEST_RIP)),
    L1C("vmwrite read-only", L1_64, VMWRITE_REG, REG(RCX, V_EXIT_REASON)),
    L1C("vmwrite then vmread", L1_64, VMWRITE_REG "\x31\xdb" VMREAD_REG, REG(RCX, V_GUEST_CR3)),
    L1C("vmwrite 16 truncates", L1_64, VMWRITE_REG "\x31\xdb" VMREAD_REG, REG(RCX, V_GUEST_ES_SEL),
        REG(RBX, 0x123456789)),
};

/* Only where no VMLAUNCH can succeed: the current VMCS's pin-based controls are zero. Without a
 * current VMCS it is VMfailInvalid. Behind MOV SS it is error 26, else 7 for VMLAUNCH and 5 for
 * VMRESUME. SDM 3C 27.1 "Basic VM-Entry Checks", SDM 3C 31.4 "VM Instruction Error Numbers" */
static const struct l1_case entries[] = {
    L1C("vmlaunch", L1_64, VMLAUNCH),
    L1C("vmresume", L1_64, VMRESUME),
    L1C("vmlaunch behind mov ss", L1_64, "\x8c\xd2\x8e\xd2" VMLAUNCH),
    L1C("vmresume behind mov ss", L1_64, "\x8c\xd2\x8e\xd2" VMRESUME),
    L1C("vmlaunch behind sti", L1_64, "\xfb" VMLAUNCH),
    L1C("mov ss one before", L1_64, "\x8c\xd2\x8e\xd2\x90" VMLAUNCH),
};

static const struct l2_case launched = CASE("vmcall", L2_64, "");
/* VMLAUNCH of a launched VMCS is error 4, and 26 behind MOV SS. SDM 3C 31.4 "VM Instruction
 * Error Numbers" */
static const struct l1_case launch_state[] = {
    L1C("vmlaunch", L1_64, VMLAUNCH),
    L1C("vmlaunch behind mov ss", L1_64, "\x8c\xd2\x8e\xd2" VMLAUNCH),
};

/* CAVEAT(bochs-invept-type). A type that the processor lacks, or a bad descriptor, is error 28.
 * VMFUNC is #UD in root operation. SDM 3C 31.4 "VM Instruction Error Numbers" */
static const struct l1_case nested_paging[] = {
    BOTH("invept", INVEPT),
    BOTH("invvpid", INVVPID),
    L1C("invept type 0", L1_64, INVEPT, REG(RCX, 0)),
    L1C("invept type 1 bad eptp", L1_64, INVEPT, REG(RCX, 1)),
    L1C("invept type 2", L1_64, INVEPT, REG(RCX, 2)),
    L1C("invept type 3", L1_64, INVEPT, REG(RCX, 3)),
    L1C("invept type bit 32", L1_64, INVEPT, REG(RCX, 1ul << 32 | 2)),
    L1C("invept absent", L1_64, INVEPT, ABSENT),
    L1C("invvpid type 0 vpid 0", L1_64, INVVPID, REG(RCX, 0)),
    L1C("invvpid type 0", L1_64, INVVPID, REG(RCX, 0), OPERAND(1)),
    L1C("invvpid type 0 noncanonical", L1_64, INVVPID, REG(RCX, 0), OPERAND(1),
        PHYS(PG_SCRATCH, 8, 1ul << 63)),
    L1C("invvpid reserved bits", L1_64, INVVPID, REG(RCX, 1), OPERAND(0x10001)),
    L1C("invvpid type 1 vpid 0", L1_64, INVVPID, REG(RCX, 1)),
    L1C("invvpid type 2", L1_64, INVVPID, REG(RCX, 2)),
    L1C("invvpid type 3 vpid 0", L1_64, INVVPID, REG(RCX, 3)),
    L1C("invvpid type 4", L1_64, INVVPID, REG(RCX, 4)),
    L1C("invvpid absent", L1_64, INVVPID, ABSENT),
    L1C("vmfunc", L1_64, VMFUNC, REG(RAX, 0)),
};

#define RUN(STATE, TABLE) l1_cases(STATE, TABLE, sizeof TABLE / sizeof *TABLE)

static void outside(void)
{
    static const struct l1_case vmxon = L1C("vmxon", L1_64, VMXON, OPERAND(ARENA_AT(PG_VMXON) + 1));

    gt_write_cr4(gt_read_cr4() & ~CR4_VMXE);
    RUN("vmxe_off", everything);
    l1_case_run("vmxe_off", &vmxon);
    gt_write_cr4(gt_read_cr4() | CR4_VMXE);
    RUN("outside", everything);
    RUN("outside", privileged);
    RUN("vmxon", vmxon_operands);
    gt_write_cr0(gt_read_cr0() & ~CR0_NE);
    l1_case_run("cr0_ne_clear", &vmxon);
    gt_write_cr0(gt_read_cr0() | CR0_NE);
}

static void make_vmcs(unsigned page)
{
    SetMem(arena(page), 4096, 0);
    *(u32 *)arena(page) = (u32)gt_rdmsr(MSR_VMX_BASIC) & 0x7fffffff;
    vmx_vmclear(ARENA_AT(page));
}

static void inside(const char *state)
{
    RUN(state, privileged);
    RUN(state, operands);
    RUN(state, entries);
}

/* CAVEAT(bochs-vmcall-root): with a clear VMCS current the emulator itself would end. VMCALL is
 * error 1, or VMfailInvalid without a current VMCS. SDM 3C 31.3 "VMCALL—Call to VM Monitor" */
static void vmcall_in_root(const char *state)
{
    static const struct l1_case vmcall = L1C("vmcall", L1_64, VMCALL);

    l1_case_run(state, &vmcall);
}

TEST_MAIN(vmx_insn)
{
    vmx_begin();
    outside();
    if (vmx_on()) {
        inside("no_current");
        vmcall_in_root("no_current");
        make_vmcs(PG_VMCS_A);
        vmx_vmptrld(ARENA_AT(PG_VMCS_A));
        l2_init();
        inside("current");
        if (vmx_has2(PROC2_EPT | PROC2_VPID))
            RUN("current", nested_paging);
        l2_case_run(&launched); /* from here on its launch state is launched */
        vmcall_in_root("launched");
        RUN("launched", launch_state);
        make_vmcs(PG_VMCS_A); /* clearing the current VMCS leaves none */
        RUN("cleared", entries);
        RUN("cleared", operands);
        vmx_off();
        RUN("after_vmxoff", everything);
    }
    vmx_end();
}
