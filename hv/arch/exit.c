/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether an instruction causes an exit. Contract in exit.h. */
#include "hv/arch/exit.h"

/* All others are events, memory, VM entries, and numbers that have no meaning yet.
 * SDM 3C 26.1 "Instructions That Cause VM Exits" */
/* clang-format off */
#define I(name) [EXIT_REASON_##name] = true,
static const bool by_instruction[EXIT_REASON_COUNT] = {
    I(CPUID) I(GETSEC) I(HLT) I(INVD) I(INVLPG) I(RDPMC) I(RDTSC) I(RSM) I(VMCALL) I(VMCLEAR)
    I(VMLAUNCH) I(VMPTRLD) I(VMPTRST) I(VMREAD) I(VMRESUME) I(VMWRITE) I(VMXOFF) I(VMXON)
    I(CR_ACCESS) I(MOV_DR) I(IO_INSTRUCTION) I(RDMSR) I(WRMSR) I(MWAIT) I(MONITOR) I(PAUSE)
    I(GDTR_IDTR_ACCESS) I(LDTR_TR_ACCESS) I(INVEPT) I(RDTSCP) I(INVVPID) I(WBINVD) I(XSETBV)
    I(RDRAND) I(INVPCID) I(VMFUNC) I(ENCLS) I(RDSEED) I(XSAVES) I(XRSTORS) I(PCONFIG) I(UMWAIT)
    I(TPAUSE) I(LOADIWKEY) I(ENCLV) I(ENQCMD_PASID) I(ENQCMDS_PASID) I(SEAMCALL) I(TDCALL)
};
/* clang-format on */

bool exit_by_instruction(u32 basic_reason)
{
    return basic_reason < EXIT_REASON_COUNT && by_instruction[basic_reason];
}
