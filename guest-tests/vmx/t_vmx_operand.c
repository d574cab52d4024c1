/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory operands of VMX instructions in L1: every addressing form, segment and fault. What is read
 * or written lies in the scratch page, whose changes every line shows.
 *
 * Right: The effective address is that of any instruction in the mode; a limit, a canonical form
 * or a right that is broken is #GP(0), #SS(0) or #PF, and nothing is read or written. SDM 3C 31.3
 * "VMX Instructions"
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l1.h"

#define SCRATCH ARENA_AT(PG_SCRATCH)
#define VMCS_B  PHYS(PG_SCRATCH, 0x100, ARENA_AT(PG_VMCS_B))

/* VMPTRST is 0F C7 /7: the pointer shows where it went. */
static const struct l1_case forms[] = {
    L1C("rax", L1_64, "\x0f\xc7\x38"),
    L1C("rcx", L1_64, "\x0f\xc7\x39", REG(RCX, SCRATCH + 8)),
    L1C("rdi", L1_64, "\x0f\xc7\x3f", REG(RDI, SCRATCH + 0x10)),
    L1C("r8", L1_64, "\x41\x0f\xc7\x38", REG(R8, SCRATCH + 0x18)),
    L1C("r12 needs sib", L1_64, "\x41\x0f\xc7\x3c\x24", REG(R12, SCRATCH + 0x20)),
    L1C("r13 needs disp", L1_64, "\x41\x0f\xc7\x7d\x00", REG(R13, SCRATCH + 0x28)),
    L1C("r15", L1_64, "\x41\x0f\xc7\x3f", REG(R15, SCRATCH + 0x30)),
    L1C("rsp", L1_64, "\x0f\xc7\x3c\x24", L1F(RSP, SCRATCH + 0x38)),
    L1C("rbp disp8", L1_64, "\x0f\xc7\x7d\xf8", REG(RBP, SCRATCH + 0x48)),
    L1C("disp32 negative", L1_64, "\x0f\xc7\xb8\x00\xff\xff\xff", REG(RAX, SCRATCH + 0x148)),
    L1C("sib base index", L1_64, "\x0f\xc7\x3c\x08", REG(RAX, SCRATCH), REG(RCX, 0x50)),
    L1C("sib scale 2", L1_64, "\x0f\xc7\x3c\x48", REG(RCX, 0x2c)),
    L1C("sib scale 4", L1_64, "\x0f\xc7\x3c\x88", REG(RCX, 0x18)),
    L1C("sib scale 8 disp8", L1_64, "\x0f\xc7\x7c\xc8\x08", REG(RCX, 0xc)),
    L1C("sib high index", L1_64, "\x43\x0f\xc7\x3c\xc8", REG(R8, SCRATCH), REG(R9, 0xe)),
    L1C("sib index r12", L1_64, "\x42\x0f\xc7\x3c\x20", REG(R12, 0x78)),
    L1C("sib no base", L1_64, "\x0f\xc7\x3c\x0d\x80\x00\x00\x02", REG(RCX, SCRATCH - ARENA)),
    L1C("absolute", L1_64, "\x0f\xc7\x3c\x25\x88\xe0\x00\x02"),
    L1C("rip", L1_64, "\x0f\xc7\x3d\x89\x60\xff\xff"),
    L1C("a32", L1_64, "\x67\x0f\xc7\x38", REG(RAX, 0xdead000000000000 | (SCRATCH + 0x98))),
    L1C("a32 wraps", L1_64, "\x67\x0f\xc7\x7c\x08\x10",
        REG(RAX, 0xffffffff00000000 | (SCRATCH + 0x90)), REG(RCX, 0)),
    L1C("a32 sum wraps", L1_64, "\x67\x0f\xc7\x3c\x08", REG(RAX, 0xf0000000),
        REG(RCX, 0x10000000 + SCRATCH + 0xa8)),
    L1C("a32 rip", L1_64, "\x67\x0f\xc7\x3d\xa8\x60\xff\xff"),
    L1C("rex.w", L1_64, "\x48\x0f\xc7\x38"),
    L1C("fs", L1_64, "\x64\x0f\xc7\x3c\x25\xb8\x00\x00\x00", L1F(FS, SEL_SMALL)),
    L1C("gs", L1_64, "\x65\x0f\xc7\x38", L1F(GS, SEL_SMALL), REG(RAX, 0xc0)),
    L1C("gs past its limit", L1_64, "\x65\x0f\xc7\x38", L1F(GS, SEL_SMALL), REG(RAX, 0x1c0)),
    L1C("ds base ignored", L1_64, "\x3e\x0f\xc7\x38", L1F(DS, SEL_SMALL), REG(RAX, SCRATCH + 0xc8)),
    L1C("es override ignored", L1_64, "\x26\x0f\xc7\x38", L1F(ES, SEL_SMALL),
        REG(RAX, SCRATCH + 0xd0)),
    L1C("ds null", L1_64, "\x0f\xc7\x38", L1F(DS, 0)),
    L1C("fs null", L1_64, "\x64\x0f\xc7\x38", L1F(FS, 0)),
    L1C("ds read-only", L1_64, "\x0f\xc7\x38", L1F(DS, SEL_RO)),
    L1C("across two pages", L1_64, "\x0f\xc7\x38", REG(RAX, SCRATCH + 0xffc)),
    L1C("unaligned", L1_64, "\x0f\xc7\x38", REG(RAX, SCRATCH + 3)),
};

/* Each instruction with one operand that is written (VMPTRST), read (VMPTRLD) or both in turn. */
#define FAULTS(NAME, CODE, ...)                                                                   \
                                                                                                  \
    L1C(NAME " read-only", L1_64, CODE, REG(RAX, SPECIAL_AT(SP_READ_ONLY) + 0x100), __VA_ARGS__), \
        L1C(NAME " supervisor", L1_64, CODE, REG(RAX, SPECIAL_AT(SP_SUPERVISOR) + 0x100),         \
            __VA_ARGS__),                                                                         \
        L1C(NAME " absent", L1_64, CODE, REG(RAX, SPECIAL_AT(SP_ABSENT) + 0x100), __VA_ARGS__),   \
        L1C(NAME " reserved", L1_64, CODE, REG(RAX, SPECIAL_AT(SP_RESERVED) + 0x100),             \
            __VA_ARGS__),                                                                         \
        L1C(NAME " no-execute", L1_64, CODE, REG(RAX, SPECIAL_AT(SP_NX) + 0x100), __VA_ARGS__),   \
        L1C(NAME " into absent", L1_64, CODE, REG(RAX, SPECIAL_AT(SP_RW2) + 0xffc), __VA_ARGS__), \
        L1C(NAME " into absent by 1", L1_64, CODE, REG(RAX, SPECIAL_AT(SP_RW2) + 0xff9),          \
            __VA_ARGS__),                                                                         \
        L1C(NAME " from absent", L1_64, CODE, REG(RAX, SPECIAL_AT(SP_ABSENT) + 0xffd),            \
            __VA_ARGS__),                                                                         \
        L1C(NAME " pml4 absent", L1_64, CODE, REG(RAX, 0x8000000000), __VA_ARGS__),               \
        L1C(NAME " last canonical", L1_64, CODE, REG(RAX, 0x7ffffffffff8), __VA_ARGS__),          \
        L1C(NAME " into the gap", L1_64, CODE, REG(RAX, 0x7ffffffffffc), __VA_ARGS__),            \
        L1C(NAME " first noncanonical", L1_64, CODE, REG(RAX, 0x800000000000), __VA_ARGS__),      \
        L1C(NAME " last noncanonical", L1_64, CODE, REG(RAX, 0xffff7fffffffffff), __VA_ARGS__),   \
        L1C(NAME " high half", L1_64, CODE, REG(RAX, 0xffff800000000000), __VA_ARGS__)

/* A page that forbids the access is #PF. A non-canonical address is #GP(0), through SS #SS(0).
 * SDM 3A 6.15 "Exception and Interrupt Reference" */
static const struct l1_case faults[] = {
    FAULTS("vmptrst", "\x0f\xc7\x38", VMCS_B),
    FAULTS("vmptrld", "\x0f\xc7\x30", VMCS_B),
    FAULTS("vmclear", "\x66\x0f\xc7\x30", VMCS_B),
    L1C("stack noncanonical rsp", L1_64, "\x0f\xc7\x3c\x24", L1F(RSP, 0x800000000000)),
    L1C("stack noncanonical rbp", L1_64, "\x0f\xc7\x7d\x00", REG(RBP, 0x800000000000)),
    L1C("stack noncanonical ss", L1_64, "\x36\x0f\xc7\x38", REG(RAX, 0x800000000000)),
    L1C("rbp with ds", L1_64, "\x3e\x0f\xc7\x7d\x00", REG(RBP, 0x800000000000)),
    L1C("rsp disp crosses", L1_64, "\x0f\xc7\xbc\x24\x00\x00\x00\x40", L1F(RSP, 0x7fffd0000000)),
    L1C("index with rbp base", L1_64, "\x0f\xc7\x7c\x05\x00", REG(RBP, 0x800000000000),
        REG(RAX, 0)),
    L1C("r12 base noncanonical", L1_64, "\x41\x0f\xc7\x3c\x24", REG(R12, 0x800000000000)),
    L1C("r13 base noncanonical", L1_64, "\x41\x0f\xc7\x7d\x00", REG(R13, 0x800000000000)),
};

static const struct l1_case field_faults[] = {
    FAULTS("vmread", "\x0f\x78\x08", REG(RCX, V_VMCS_LINK_PTR)),
    FAULTS("vmwrite", "\x0f\x79\x08", REG(RCX, V_VMCS_LINK_PTR)),
};

/* Register operands of VMREAD and VMWRITE: each register, and that 32-bit operands do not exist
 * here. VMREAD extends a narrow field with zeros, and VMWRITE ignores the bits above it. SDM 3C
 * 25.11.2 "VMREAD, VMWRITE, and Encodings of VMCS Fields" */
static const struct l1_case registers[] = {
    L1C("vmwrite rbx then vmread rdx", L1_64, "\x0f\x79\xcb\x0f\x78\xca",
        REG(RCX, V_GUEST_GDTR_BASE)),
    L1C("vmwrite r15 then vmread r14", L1_64, "\x45\x0f\x79\xcf\x45\x0f\x78\xce",
        REG(R9, V_GUEST_GDTR_BASE)),
    L1C("vmwrite rsp", L1_64, "\x0f\x79\xcc\x0f\x78\xca", REG(RCX, V_GUEST_GDTR_BASE)),
    L1C("vmread into its own index", L1_64, "\x0f\x78\xc9", REG(RCX, V_GUEST_GDTR_BASE)),
    L1C("field 32 zero extends", L1_64, "\x0f\x79\xcb\x0f\x78\xca", REG(RCX, V_GUEST_ES_LIMIT),
        REG(RBX, ~0ul)),
    L1C("field 16 zero extends", L1_64, "\x0f\x79\xcb\x0f\x78\xca", REG(RCX, V_GUEST_ES_SEL),
        REG(RBX, ~0ul)),
    L1C("high half zero extends", L1_64, "\x0f\x79\xcb\x0f\x78\xca", REG(RCX, V_TSC_OFFSET | 1),
        REG(RBX, ~0ul)),
    L1C("full shows both halves", L1_64, "\x0f\x78\xca", REG(RCX, V_TSC_OFFSET)),
    L1C("66 prefix", L1_64, "\x66\x0f\x78\xcb", REG(RCX, V_TSC_OFFSET)),
    L1C("f3 prefix", L1_64, "\xf3\x0f\x78\xcb", REG(RCX, V_TSC_OFFSET)),
    L1C("f2 prefix on vmwrite", L1_64, "\xf2\x0f\x79\xcb", REG(RCX, V_TSC_OFFSET)),
    L1C("lock vmread", L1_64, "\xf0\x0f\x78\xcb", REG(RCX, V_TSC_OFFSET)),
    L1C("vmread to memory writes 8", L1_64, "\x0f\x78\x08", REG(RCX, V_GUEST_ES_SEL),
        PHYS(PG_SCRATCH, 0, ~0ul)),
};

#define RUN(STATE, TABLE) l1_cases(STATE, TABLE, sizeof TABLE / sizeof *TABLE)

TEST_MAIN(vmx_operand)
{
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        *(u32 *)arena(PG_VMCS_B) = *(u32 *)arena(PG_VMXON);
        vmx_vmclear(ARENA_AT(PG_VMCS_B));
        RUN("form", forms);
        RUN("fault", faults);
        vmx_vmptrld(ARENA_AT(PG_VMCS_A));
        RUN("fault", field_faults);
        RUN("register", registers);
    }
    vmx_end();
}
