/* SPDX-License-Identifier: BSD-2-Clause */
/* What L0 reads when a guest exits: the groups of facts that an exit can tell, and the guest
 * state that belongs to them. struct cpu (vmx.h) holds both, in cpu->exit and cpu->st; exit.c
 * fills them. */
#ifndef HV_VMX_SNAP_H
#define HV_VMX_SNAP_H

#include "hv/arch/types.h"

/* Guest state that handlers need, from the current VMCS (vmcs01 or vmcs02). A member is valid
 * when its group is in cpu->have. */
struct exit_state {
    u64 rip, rflags; /* SNAP_STEP */
    u32 interruptibility;
    u32 cs_ar, ss_ar; /* SNAP_MODE */
    u64 cr0, cr3, cr4, efer;
    u64 rsp;      /* SNAP_RSP */
    u64 pdpte[4]; /* SNAP_PDPTE; meaningful when the guest uses PAE paging */
};

/* Groups of facts. A row of the dispatch table names the groups that its handler needs. */
/* clang-format off */
enum snap {
    /* insn_len, rip, rflags, interruptibility: to complete an instruction */
    SNAP_STEP      = 1u << 0,
    SNAP_QUAL      = 1u << 1, /* qual */
    SNAP_INSN_INFO = 1u << 2, /* insn_info */
    SNAP_GLA       = 1u << 3, /* gla */
    SNAP_GPA       = 1u << 4, /* gpa */
    SNAP_INTR      = 1u << 5, /* intr_info, intr_error */
    SNAP_IDT       = 1u << 6, /* idt_info, idt_error: the exit came during event delivery */
    SNAP_IO        = 1u << 7, /* io_rcx, io_rsi, io_rdi, io_rip */
    SNAP_MODE      = 1u << 8, /* cs_ar, ss_ar, cr0, cr3, cr4, efer */
    SNAP_RSP       = 1u << 9, /* rsp */
    SNAP_PDPTE     = 1u << 10, /* pdpte */
    SNAP_TOLD      = 0xff,    /* all that an exit tells */
};
/* clang-format on */

/* The bits of a guest's registers that its linear translations depend on. */
struct paging_seen {
    u64 cr0, cr3, cr4, efer;
};
/* What hv/paranoid/flush_audit.c remembers from the last exit. */
struct flush_audit {
    struct paging_seen seen;
    u64 vpid_flushes, ept_flushes;
    u64 exit_tsc; /* before any audit */
    u64 generation;
    u32 crossings;
};

#endif
