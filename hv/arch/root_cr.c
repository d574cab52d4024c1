/* SPDX-License-Identifier: BSD-2-Clause */
/* CR0 and CR4 of root mode. Contract in root_cr.h. */
#include "hv/arch/root_cr.h"
#include "hv/arch/cpuid_bits.h"

u64 root_cr0(u64 now, u64 fixed0, u64 fixed1)
{
    u64 want = CR0_PE | CR0_ET | CR0_NE | CR0_WP | CR0_PG | (now & (CR0_CD | CR0_NW));
    return (want & fixed1) | fixed0;
}

/* L0 needs OSXSAVE to execute XSETBV in L1's name, and PKE to read L1's PKRU. L0 has no user pages,
 * so SMEP, SMAP and UMIP cost nothing, and PKE restricts no access of L0's. */
u64 root_cr4(u64 now, const struct root_cpuid *c, u64 fixed0, u64 fixed1)
{
    u64 want = (now & CR4_LA57) | CR4_PAE | CR4_VMXE;
    want |= any(c->leaf1_edx, CPUID1_EDX_MCE) ? CR4_MCE : 0;
    want |= any(c->leaf1_ecx, CPUID1_ECX_XSAVE) ? CR4_OSXSAVE : 0;
    want |= any(c->leaf7_ebx, CPUID7_EBX_SMEP) ? CR4_SMEP : 0;
    want |= any(c->leaf7_ebx, CPUID7_EBX_SMAP) ? CR4_SMAP : 0;
    want |= any(c->leaf7_ecx, CPUID7_ECX_UMIP) ? CR4_UMIP : 0;
    want |= any(c->leaf7_ecx, CPUID7_ECX_PKU) ? CR4_PKE : 0;
    return (want & fixed1) | fixed0;
}
