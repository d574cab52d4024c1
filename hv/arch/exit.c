/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether an instruction causes an exit. Contract in exit.h. */
#include "hv/arch/exit.h"

bool exit_by_instruction(u32 basic_reason)
{
    switch (basic_reason) {
    case EXIT_REASON_CPUID:
    case EXIT_REASON_GETSEC:
    case EXIT_REASON_HLT:
    case EXIT_REASON_INVD:
    case EXIT_REASON_INVLPG:
    case EXIT_REASON_RDPMC:
    case EXIT_REASON_RDTSC:
    case EXIT_REASON_RSM:
    case EXIT_REASON_VMCALL:
    case EXIT_REASON_VMCLEAR:
    case EXIT_REASON_VMLAUNCH:
    case EXIT_REASON_VMPTRLD:
    case EXIT_REASON_VMPTRST:
    case EXIT_REASON_VMREAD:
    case EXIT_REASON_VMRESUME:
    case EXIT_REASON_VMWRITE:
    case EXIT_REASON_VMXOFF:
    case EXIT_REASON_VMXON:
    case EXIT_REASON_CR_ACCESS:
    case EXIT_REASON_MOV_DR:
    case EXIT_REASON_IO_INSTRUCTION:
    case EXIT_REASON_RDMSR:
    case EXIT_REASON_WRMSR:
    case EXIT_REASON_MWAIT:
    case EXIT_REASON_MONITOR:
    case EXIT_REASON_PAUSE:
    case EXIT_REASON_GDTR_IDTR_ACCESS:
    case EXIT_REASON_LDTR_TR_ACCESS:
    case EXIT_REASON_INVEPT:
    case EXIT_REASON_RDTSCP:
    case EXIT_REASON_INVVPID:
    case EXIT_REASON_WBINVD:
    case EXIT_REASON_XSETBV:
    case EXIT_REASON_RDRAND:
    case EXIT_REASON_INVPCID:
    case EXIT_REASON_VMFUNC:
    case EXIT_REASON_ENCLS:
    case EXIT_REASON_RDSEED:
    case EXIT_REASON_XSAVES:
    case EXIT_REASON_XRSTORS:
    case EXIT_REASON_PCONFIG:
    case EXIT_REASON_UMWAIT:
    case EXIT_REASON_TPAUSE:
    case EXIT_REASON_LOADIWKEY:
    case EXIT_REASON_ENCLV:
    case EXIT_REASON_ENQCMD_PASID:
    case EXIT_REASON_ENQCMDS_PASID:
    case EXIT_REASON_SEAMCALL:
    case EXIT_REASON_TDCALL:
        return true;
    default: /* events, memory, VM entries, and numbers that have no meaning yet */
        return false;
    }
}
