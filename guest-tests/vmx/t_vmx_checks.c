/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VM-entry checks, one broken rule per case and its legal neighbour: controls (VMfail
 * 7), host state (VMfail 8), guest state (exit 33 and its qualification). In the order
 * of the SDM's sections.
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_l2.h"

#define C64(NAME, ...) CASE(NAME, L2_64, "", __VA_ARGS__)
#define C32(NAME, ...) CASE(NAME, L2_32, "", __VA_ARGS__)
#define NONCANONICAL   0x800000000000 /* canonical for 57 bits: 4-level paging has 48 */
#define WIDE           (1ul << 40)

/* SDM 3C 27.2.1 "Checks on VMX Controls": what other files do not have already. A broken rule is
 * VMfail 7, and a field whose control is off is not checked. */
static const struct l2_case controls[] = {
    C64("nmi off virtual nmi on", CLEAR(PIN_CTL, PIN_NMI), OR(PIN_CTL, PIN_VIRTUAL_NMI)),
    C64("virtual nmi", OR(PIN_CTL, PIN_VIRTUAL_NMI)),
    C64("nmi window without virtual nmi", OR(PROC_CTL, PROC_NMI_WINDOW)),
    C64("pin all", SET(PIN_CTL, 0xffffffff)),
    C64("pin none", SET(PIN_CTL, 0)),
    C64("proc all", SET(PROC_CTL, 0xffffffff)),
    C64("proc none", SET(PROC_CTL, 0)),
    C64("exit all", SET(EXIT_CTL, 0xffffffff)),
    C64("exit none", SET(EXIT_CTL, 0)),
    C64("entry all", SET(ENTRY_CTL, 0xffffffff)),
    C64("entry none", SET(ENTRY_CTL, 0)),
    C64("secondary ignored while off", SET(PROC2_CTL, 0xffffffff)),
    C64("secondary bit 31", PROC2(1u << 31)),
    C64("mtf", OR(PROC_CTL, PROC_MTF)),
    /* CAVEAT(bochs-entry-smm) */
    C64("entry smm", OR(ENTRY_CTL, ENTRY_SMM)),
    C64("entry dual monitor", OR(ENTRY_CTL, ENTRY_DUAL_MONITOR)),
    C64("save timer without timer", OR(EXIT_CTL, EXIT_SAVE_TIMER), CLEAR(PIN_CTL, PIN_TIMER)),
    C64("tpr shadow unaligned", OR(PROC_CTL, PROC_TPR_SHADOW), OR(VIRTUAL_APIC_ADDR, 4)),
    C64("tpr shadow width", OR(PROC_CTL, PROC_TPR_SHADOW), OR(VIRTUAL_APIC_ADDR, WIDE)),
    C64("tpr threshold reserved", OR(PROC_CTL, PROC_TPR_SHADOW), SET(TPR_THRESHOLD, 0x10)),
    C64("tpr threshold above vtpr", OR(PROC_CTL, PROC_TPR_SHADOW), SET(TPR_THRESHOLD, 1)),
    C64("tpr threshold unused", SET(TPR_THRESHOLD, 0xffffffff)),
    C64("x2apic without tpr shadow", PROC2(PROC2_X2APIC)),
    C64("apic registers without tpr shadow", PROC2(PROC2_APIC_REGISTERS)),
    C64("virtual interrupts without tpr shadow", PROC2(PROC2_VIRTUAL_INTR)),
    C64("x2apic and apic access", PROC2(PROC2_X2APIC | PROC2_APIC_ACCESS),
        OR(PROC_CTL, PROC_TPR_SHADOW)),
    C64("virtual interrupts without external", PROC2(PROC2_VIRTUAL_INTR),
        OR(PROC_CTL, PROC_TPR_SHADOW), CLEAR(PIN_CTL, PIN_EXT_INT)),
    C64("apic access unaligned", PROC2(PROC2_APIC_ACCESS), OR(APIC_ACCESS_ADDR, 0x800)),
    C64("apic access width", PROC2(PROC2_APIC_ACCESS), OR(APIC_ACCESS_ADDR, WIDE)),
    C64("shadow bitmap unaligned", PROC2(PROC2_SHADOW), OR(VMREAD_BITMAP, 8)),
    C64("shadow bitmap width", PROC2(PROC2_SHADOW), OR(VMWRITE_BITMAP, WIDE)),
    C64("acknowledge without external", OR(EXIT_CTL, EXIT_ACK_INTR), CLEAR(PIN_CTL, PIN_EXT_INT)),
    C64("controls before host", SET(PIN_CTL, 0), SET(HOST_CR0, 0)),
    C64("host before guest", SET(HOST_CR0, 0), SET(GUEST_RFLAGS, 0)),
};

/* SDM 3C 27.2.2 "Checks on Host Control Registers, MSRs, and SSP" and the two sections behind
 * it. A broken rule is VMfail 8, and a field whose control is off is not checked. */
/* clang-format off */
static const struct l2_case host[] = {
    C64("cr0 pe", CLEAR(HOST_CR0, CR0_PE)), C64("cr0 pg", CLEAR(HOST_CR0, CR0_PG)),
    C64("cr0 ne", CLEAR(HOST_CR0, CR0_NE)),
    C64("cr0 bit 32", OR(HOST_CR0, 1ul << 32)), C64("cr0 reserved 6", OR(HOST_CR0, 1 << 6)),
    C64("cr4 vmxe", CLEAR(HOST_CR4, CR4_VMXE)), C64("cr4 pae", CLEAR(HOST_CR4, CR4_PAE)),
    C64("cr4 bit 31", OR(HOST_CR4, 1ul << 31)),
    C64("cr4 bit 63", OR(HOST_CR4, 1ul << 63)), C64("cr4 pcide", OR(HOST_CR4, 1 << 17)),
    C64("cr3 width", OR(HOST_CR3, WIDE)), C64("cr3 bit 63", OR(HOST_CR3, 1ul << 63)),
    C64("sysenter esp", SET(HOST_SYSENTER_ESP, NONCANONICAL)),
    C64("sysenter eip", SET(HOST_SYSENTER_EIP, NONCANONICAL)),
    C64("pat type 2", SET(HOST_PAT, 2)), C64("pat type 3", SET(HOST_PAT, 3ul << 56)),
    C64("pat type 8", SET(HOST_PAT, 8)),
    C64("pat type 7", SET(HOST_PAT, 0x0706050401000707)),
    C64("pat unused", SET(HOST_PAT, 2), CLEAR(EXIT_CTL, EXIT_LOAD_PAT)),
    C64("efer lma", CLEAR(HOST_EFER, EFER_LMA)), C64("efer lme", CLEAR(HOST_EFER, EFER_LME)),
    C64("efer reserved", OR(HOST_EFER, 2)),
    C64("efer bit 63", OR(HOST_EFER, 1ul << 63)),
    C64("efer unused", SET(HOST_EFER, 2), CLEAR(EXIT_CTL, EXIT_LOAD_EFER)),
    C64("es rpl", OR(HOST_ES_SEL, 3)), C64("es ti", OR(HOST_ES_SEL, 4)),
    C64("cs rpl", OR(HOST_CS_SEL, 1)), C64("ss ti", OR(HOST_SS_SEL, 4)),
    C64("ds rpl", OR(HOST_DS_SEL, 2)), C64("fs ti", OR(HOST_FS_SEL, 4)),
    C64("gs rpl", OR(HOST_GS_SEL, 1)), C64("tr rpl", OR(HOST_TR_SEL, 1)),
    C64("cs null", SET(HOST_CS_SEL, 0)), C64("tr null", SET(HOST_TR_SEL, 0)),
    C64("ss null", SET(HOST_SS_SEL, 0)), C64("ds null", SET(HOST_DS_SEL, 0)),
    C64("fs base", SET(HOST_FS_BASE, NONCANONICAL)),
    C64("gs base", SET(HOST_GS_BASE, NONCANONICAL)),
    C64("tr base", SET(HOST_TR_BASE, NONCANONICAL)),
    C64("gdtr base", SET(HOST_GDTR_BASE, NONCANONICAL)),
    C64("idtr base", SET(HOST_IDTR_BASE, NONCANONICAL)),
    C64("host 32-bit", CLEAR(EXIT_CTL, EXIT_HOST_64)),
    C32("host 32-bit", CLEAR(EXIT_CTL, EXIT_HOST_64)),
    C64("rip noncanonical", SET(HOST_RIP, NONCANONICAL)),
    C64("rsp noncanonical", SET(HOST_RSP, NONCANONICAL)),
};

/* SDM 3C 27.3.1.1 "Checks on Guest Control Registers, Debug Registers, and MSRs". A broken rule
 * is exit reason 33 with qualification 0. */
static const struct l2_case registers[] = {
    C64("cr0 pe", CLEAR(GUEST_CR0, CR0_PE)), C64("cr0 pg", CLEAR(GUEST_CR0, CR0_PG)),
    C32("cr0 pg", CLEAR(GUEST_CR0, CR0_PG)),
    C64("cr0 ne", CLEAR(GUEST_CR0, CR0_NE)), C64("cr0 nw alone", OR(GUEST_CR0, 1 << 29)),
    C64("cr0 cd nw", OR(GUEST_CR0, 3 << 29)),
    C64("cr0 reserved 6", OR(GUEST_CR0, 1 << 6)), C64("cr0 bit 32", OR(GUEST_CR0, 1ul << 32)),
    C64("cr0 et", CLEAR(GUEST_CR0, 0x10)),
    C64("cr4 vmxe", CLEAR(GUEST_CR4, CR4_VMXE)), C64("cr4 pae", CLEAR(GUEST_CR4, CR4_PAE)),
    C64("cr4 bit 31", OR(GUEST_CR4, 1ul << 31)),
    C64("cr4 pcide", OR(GUEST_CR4, 1 << 17)), C32("cr4 pcide", OR(GUEST_CR4, 1 << 17)),
    C64("cr4 high", OR(GUEST_CR4, 1ul << 40)),
    C64("cr3 width", OR(GUEST_CR3, WIDE)), C64("cr3 bit 63", OR(GUEST_CR3, 1ul << 63)),
    C32("cr3 width", OR(GUEST_CR3, WIDE)),
    C64("debugctl 2", SET(GUEST_DEBUGCTL, 4)), C64("debugctl 63", SET(GUEST_DEBUGCTL, 1ul << 63)),
    C64("debugctl btf", SET(GUEST_DEBUGCTL, 2)),
    C64("debugctl unused", SET(GUEST_DEBUGCTL, ~0ul), CLEAR(ENTRY_CTL, ENTRY_LOAD_DEBUG)),
    C64("dr7 bit 32", OR(GUEST_DR7, 1ul << 32)), C64("dr7 bit 63", OR(GUEST_DR7, 1ul << 63)),
    C64("dr7 low", SET(GUEST_DR7, 0)),
    C64("ia32e without pae", CLEAR(GUEST_CR4, CR4_PAE)),
    C64("not ia32e with lma", CLEAR(ENTRY_CTL, ENTRY_IA32E)),
    C32("ia32e without lma", OR(ENTRY_CTL, ENTRY_IA32E)),
    C32("ia32e without pae", OR(ENTRY_CTL, ENTRY_IA32E), SET(GUEST_EFER, 0x500)),
    C64("sysenter esp", SET(GUEST_SYSENTER_ESP, NONCANONICAL)),
    C64("sysenter eip", SET(GUEST_SYSENTER_EIP, NONCANONICAL)),
    C64("sysenter cs", SET(GUEST_SYSENTER_CS, 0xffffffff)),
    C64("pat 2", SET(GUEST_PAT, 2)), C64("pat 3", SET(GUEST_PAT, 3ul << 32)),
    C64("pat unused", SET(GUEST_PAT, 2), CLEAR(ENTRY_CTL, ENTRY_LOAD_PAT)),
    C64("efer reserved", OR(GUEST_EFER, 2)), C64("efer lma off", CLEAR(GUEST_EFER, EFER_LMA)),
    C64("efer lme off", CLEAR(GUEST_EFER, EFER_LME)),
    C32("efer lma on", SET(GUEST_EFER, EFER_LMA)), C32("efer lme on", SET(GUEST_EFER, EFER_LME)),
    C32("efer both on", SET(GUEST_EFER, 0x500)),
    C64("efer unused", SET(GUEST_EFER, 2), CLEAR(ENTRY_CTL, ENTRY_LOAD_EFER)),
    C32("efer unused", SET(GUEST_EFER, 2), CLEAR(ENTRY_CTL, ENTRY_LOAD_EFER)),
};

/* SDM 3C 27.3.1.4 "Checks on Guest RIP, RFLAGS, and SSP" to 27.3.1.6 "Checks on Guest
 * Page-Directory-Pointer-Table Entries". A broken rule is exit reason 33. The qualification is 2
 * for a PDPTE, 4 for the link pointer, and else 0. SDM 3C 27.8 "VM-Entry Failures During or
 * After Loading Guest State" */
static const struct l2_case rest[] = {
    /* CAVEAT(bochs-rip-canonical), CAVEAT(bochs-debugctl) above, CAVEAT(bochs-pending-bs),
     * CAVEAT(bochs-failed-entry-info) below */
    C64("rip noncanonical", SET(GUEST_RIP, NONCANONICAL)),
    C64("rip high", SET(GUEST_RIP, 1ul << 63)), C32("rip high", OR(GUEST_RIP, 1ul << 32)),
    CASE("rip high", L2_COMPAT, "", OR(GUEST_RIP, 1ul << 32)),
    C64("rflags bit 1", CLEAR(GUEST_RFLAGS, 2)), C64("rflags 3", OR(GUEST_RFLAGS, 8)),
    C64("rflags 5", OR(GUEST_RFLAGS, 0x20)), C64("rflags 15", OR(GUEST_RFLAGS, 0x8000)),
    C64("rflags 22", OR(GUEST_RFLAGS, 1 << 22)), C64("rflags 63", OR(GUEST_RFLAGS, 1ul << 63)),
    C64("rflags vm", OR(GUEST_RFLAGS, FLAG_VM)), C32("rflags vm", OR(GUEST_RFLAGS, FLAG_VM)),
    CASE("rflags vm off", L2_V86, "", CLEAR(GUEST_RFLAGS, FLAG_VM)),
    C64("rflags all legal", SET(GUEST_RFLAGS, 0x257ed7 & ~FLAG_TF)),
    C64("gdtr base", SET(GUEST_GDTR_BASE, NONCANONICAL)),
    C64("idtr base", SET(GUEST_IDTR_BASE, NONCANONICAL)),
    C64("gdtr limit", SET(GUEST_GDTR_LIMIT, 0x10000)),
    C64("idtr limit", SET(GUEST_IDTR_LIMIT, 0x80000000)),
    C32("gdtr base high", SET(GUEST_GDTR_BASE, 1ul << 32)),
    C64("activity 4", SET(GUEST_ACTIVITY, 4)), C64("activity all", SET(GUEST_ACTIVITY, 0xffffffff)),
    CASE("hlt ring 3", L2_64_R3, "", SET(GUEST_ACTIVITY, 1)),
    C64("hlt sti", SET(GUEST_ACTIVITY, 1), SET(GUEST_INTERRUPTIBILITY, 1),
        OR(GUEST_RFLAGS, FLAG_IF)),
    C64("hlt mov ss", SET(GUEST_ACTIVITY, 1), SET(GUEST_INTERRUPTIBILITY, 2)),
    C64("hlt nmi blocked", SET(GUEST_ACTIVITY, 1), SET(GUEST_INTERRUPTIBILITY, 8)),
    C64("sti and mov ss", SET(GUEST_INTERRUPTIBILITY, 3), OR(GUEST_RFLAGS, FLAG_IF)),
    C64("sti without if", SET(GUEST_INTERRUPTIBILITY, 1)),
    C64("sti", SET(GUEST_INTERRUPTIBILITY, 1), OR(GUEST_RFLAGS, FLAG_IF)),
    C64("mov ss", SET(GUEST_INTERRUPTIBILITY, 2)), C64("smi", SET(GUEST_INTERRUPTIBILITY, 4)),
    C64("nmi", SET(GUEST_INTERRUPTIBILITY, 8)), C64("enclave", SET(GUEST_INTERRUPTIBILITY, 16)),
    C64("reserved 31", SET(GUEST_INTERRUPTIBILITY, 1u << 31)),
    C64("pending debug reserved 4", SET(GUEST_PENDING_DEBUG, 0x10)),
    C64("pending debug reserved 11", SET(GUEST_PENDING_DEBUG, 0x800)),
    C64("pending debug reserved 13", SET(GUEST_PENDING_DEBUG, 0x2000)),
    C64("pending debug rtm", SET(GUEST_PENDING_DEBUG, 0x10000)),
    C64("pending bs without tf blocked", SET(GUEST_PENDING_DEBUG, 0x4000),
        SET(GUEST_INTERRUPTIBILITY, 2)),
        C64("no bs with tf blocked", OR(GUEST_RFLAGS, FLAG_TF), SET(GUEST_INTERRUPTIBILITY, 2)),
        C64("bs with tf blocked", OR(GUEST_RFLAGS, FLAG_TF), SET(GUEST_INTERRUPTIBILITY, 2),
            SET(GUEST_PENDING_DEBUG, 0x4000)),
    C64("bs with tf btf blocked", OR(GUEST_RFLAGS, FLAG_TF), SET(GUEST_INTERRUPTIBILITY, 2),
        SET(GUEST_PENDING_DEBUG, 0x4000), SET(GUEST_DEBUGCTL, 2)),
    C64("link unaligned", SET(VMCS_LINK_PTR, ARENA_AT(PG_FREE) + 8)),
    C64("link width", SET(VMCS_LINK_PTR, WIDE)),
    C64("link revision", SET(VMCS_LINK_PTR, ARENA_AT(PG_FREE))),
    C64("link current", SET(VMCS_LINK_PTR, ARENA_AT(PG_VMCS_A))),
    C64("link ordinary", SET(VMCS_LINK_PTR, ARENA_AT(PG_VMCS_B))),
    C64("link shadow unwanted", SET(VMCS_LINK_PTR, ARENA_AT(PG_VMCS_C))),
    CASE("pdpte reserved 1", L2_PAE, "", PHYS(PG_L2_TABLES + 4, 0, ARENA_AT(PG_L2_TABLES + 2) | 3)),
    CASE("pdpte reserved 8", L2_PAE, "", PHYS(PG_L2_TABLES + 4, 24, 0x101)),
    CASE("pdpte width", L2_PAE, "", PHYS(PG_L2_TABLES + 4, 16, WIDE | 1)),
    CASE("pdpte absent any", L2_PAE, "", PHYS(PG_L2_TABLES + 4, 8, ~1ul)),
    CASE("pdpte nx", L2_PAE, "", PHYS(PG_L2_TABLES + 4, 8, 1ul << 63 | 1)),
    CASE_F("touched", L2_64, TOUCHED, "", SET(GUEST_RFLAGS, 0)),
};
/* clang-format on */

/* Where the CPU has VMCS shadowing. The link pointer must name a shadow VMCS: an ordinary one is
 * exit reason 33 with qualification 4. SDM 3C 27.3.1.5 "Checks on Guest Non-Register State" */
static const struct l2_case shadowing[] = {
    C64("link shadow wanted", SET(VMCS_LINK_PTR, ARENA_AT(PG_VMCS_B)), PROC2(PROC2_SHADOW)),
    C64("link shadow", SET(VMCS_LINK_PTR, ARENA_AT(PG_VMCS_C)), PROC2(PROC2_SHADOW)),
};

#define RUN(TABLE) l2_cases(TABLE, sizeof TABLE / sizeof *TABLE)

TEST_MAIN(vmx_checks)
{
    vmx_begin();
    if (vmx_on()) {
        l2_init();
        *(u32 *)arena(PG_VMCS_B) = *(u32 *)arena(PG_VMXON);
        *(u32 *)arena(PG_VMCS_C) = *(u32 *)arena(PG_VMXON) | 1u << 31;
        RUN(controls);
        RUN(host);
        RUN(registers);
        RUN(rest);
        if (vmx_has2(PROC2_SHADOW))
            RUN(shadowing);
    }
    vmx_end();
}
