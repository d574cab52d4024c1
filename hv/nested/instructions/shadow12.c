/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMCS shadowing as L1 uses it for its guests: which VMREADs and VMWRITEs of L2 exit to L1, and
 * which VMCS the others access. vmcs_access.c and short_access.c carry those out.
 * (hv/nested/images/shadow01.c is the hardware's shadowing for L1.)
 *
 * The bytes of L1's page are the shadow VMCS, and L2 accesses them in place. The shadow VMCS is
 * active from the VM entry on, and the SDM lets a processor keep the data of an active VMCS to
 * itself until VMCLEAR. But VMREAD after VMPTRLD must show the data. It does here: a shadow VMCS
 * has a working copy only while it is current, no link pointer may name the current VMCS (rule
 * link_current), and VMPTRLD of another VMCS writes the copy back.
 * SDM 3C 25.10 "VMCS Types: Ordinary and Shadow"
 */
#include "hv/nested/instructions/instructions.h"
#include "hv/vmcs12/bitmap.h"
#include "hv/vmx/guestmem.h"

const void *shadow12_bitmap(const struct cpu *cpu, bool write)
{
    const struct nested *n = cpu->nested;
    const void *page = gpa1_map(
        cpu, GPA1(write ? n->now->vmcs12.vmwrite_bitmap_addr : n->now->vmcs12.vmread_bitmap_addr));
    return page ? page : n->page_of_ones;
}

/* The page was memory when the VM entry checked its revision, and L1's memory does not go away. */
struct vmcs_image *shadow12(const struct cpu *cpu)
{
    const struct nested *n = cpu->nested;
    if (n->now->vmcs12.vmcs_link_pointer == NO_VMCS)
        return NULL;
    void *page = gpa1_map(cpu, GPA1(n->now->vmcs12.vmcs_link_pointer));
    return page ? page : (void *)n->page_of_nowhere;
}
