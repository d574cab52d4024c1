/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The facts of one VM exit, which L0 reads once (struct vmexit); the numbers of exit reasons and
 * of VM-instruction errors; decoders of qualifications. All are plain values, which the pure
 * folders and hv/vmx share.
 */
#ifndef HV_ARCH_EXIT_H
#define HV_ARCH_EXIT_H

#include "hv/arch/bits.h"

/* Basic exit reasons: EXIT_REASON_* keeps them apart from the EXIT_* control bits. */
enum exit_reason {
#define EXIT(num, name, text) EXIT_REASON_##name = (num),
#include "hv/arch/vmx_exit.def"
    /* Tables have this many rows. The numbers without a name have no meaning yet. */
    EXIT_REASON_COUNT = 128
};
/* clang-format off */
#define EXIT_REASON_BASIC(r)   ((u32)(r) & 0xffffu)
#define EXIT_REASON_ENTRY_FAIL 0x80000000u

/* True when an instruction of the guest causes exits of this basic reason, as opposed to an event,
 * an access to memory or a VM entry. If no level asked for such an exit, the guest's processor does
 * not have the instruction. SDM 3C 26.1 "Instructions That Cause VM Exits" */
bool exit_by_instruction(u32 basic_reason);

enum vmx_insn {
    INSN_VMXON = 1u << 0, INSN_VMXOFF = 1u << 1, INSN_VMCLEAR = 1u << 2, INSN_VMPTRLD = 1u << 3,
    INSN_VMPTRST = 1u << 4, INSN_VMREAD = 1u << 5, INSN_VMWRITE = 1u << 6, INSN_VMLAUNCH = 1u << 7,
    INSN_VMRESUME = 1u << 8, INSN_VMCALL = 1u << 9, INSN_INVEPT = 1u << 10, INSN_INVVPID = 1u << 11,
    INSN_VMFUNC = 1u << 12,
    INSN_ENTRY = INSN_VMLAUNCH | INSN_VMRESUME,
};
/* clang-format on */

enum vmx_error {
#define VMERR(num, name, insns, text) ERR_##name = (num),
#include "hv/arch/vmx_error.def"
};

/* The VM-exit information fields of the VMCS that was current. The exit reason decides which
 * members the processor defines. exit_snapshot (hv/vmx/vmx.h) reads the groups of members that the
 * reason's row names; a member that was not read holds nothing useful. SDM 3C 25.9 "VM-Exit
 * Information Fields" */
struct vmexit {
    u32 reason; /* the whole field; bit 31 tells a failed VM entry */
    u32 intr_info;
    u32 intr_error;
    u32 idt_info; /* IDT-vectoring information */
    u32 idt_error;
    u32 insn_len;
    u32 insn_info;
    u64 qual;
    u64 gla; /* guest linear address */
    u64 gpa; /* guest-physical address: gpa1 for L1's exits, gpa2 for L2's */
    u64 io_rcx, io_rsi, io_rdi, io_rip;
};

/* Qualifications. SDM 3C 28.2.1 "Basic VM-Exit Information" */
enum cr_access_type { CR_MOV_TO = 0, CR_MOV_FROM = 1, CR_CLTS = 2, CR_LMSW = 3 };
/* clang-format off */
static inline unsigned qual_cr_number(u64 q) { return (unsigned)bits(q, 3, 0); }
static inline unsigned qual_cr_type(u64 q) { return (unsigned)bits(q, 5, 4); }
static inline unsigned qual_cr_gpr(u64 q) { return (unsigned)bits(q, 11, 8); }
static inline unsigned qual_cr_lmsw(u64 q) { return (unsigned)bits(q, 31, 16); }

static inline unsigned qual_io_size(u64 q) { return (unsigned)bits(q, 2, 0) + 1; }
static inline bool qual_io_in(u64 q) { return bits(q, 3, 3) != 0; }
static inline unsigned qual_io_port(u64 q) { return (unsigned)bits(q, 31, 16); }
/* clang-format on */

#define QUAL_EPT_READ           BIT(0)
#define QUAL_EPT_WRITE          BIT(1)
#define QUAL_EPT_FETCH          BIT(2)
#define QUAL_EPT_READABLE       BIT(3)
#define QUAL_EPT_WRITABLE       BIT(4)
#define QUAL_EPT_EXECUTABLE     BIT(5)
#define QUAL_EPT_GLA_VALID      BIT(7)
#define QUAL_EPT_GLA_FINAL      BIT(8)
#define QUAL_EPT_USER           BIT(9) /* bits 11:9: what the guest's own paging allows */
#define QUAL_EPT_WRITE_PAGE     BIT(10)
#define QUAL_EPT_NX_PAGE        BIT(11)
#define QUAL_EPT_NMI_UNBLOCKING BIT(12)

#endif
