/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MSR_BITMAP02, the union of L0's intercepts and L1's. A VM entry makes anew only the words that L2
 * uses (hv/vmcs12/bitmap.h), so those are exact whoever changed L1's page. All other words stop
 * every access. When neither level intercepts such an access, its word is opened and L2 tries
 * again. L1's I/O bitmaps need nothing of this: the CPU uses them in place.
 * SDM 3C 25.6.9 "MSR-Bitmap Address"
 */
#include "hv/nested/crossing/private.h"
#include "hv/vmcs12/bitmap.h"
#include "hv/vmx/guestmem.h"
#include "hv/vmx/insn.h"
#include "hv/vmx/stress.h"

static const u64 *map01(const struct cpu *cpu)
{
    return (const u64 *)cpu->vm->msr_bitmap;
}

const u64 *bitmap02_of_l1(const struct cpu *cpu)
{
    const u64 *page = gpa1_map(cpu, GPA1(cpu->nested->now->vmcs12.msr_bitmap_addr));
    return page ? page : cpu->nested->page_of_ones;
}

/* vmcs02 uses MSR bitmaps only when vmcs12 does. A map without open words stops every access and
 * needs no merge. */
void bitmap02_merge(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    if (!n->msr_open02.count || !any(n->now->vmcs12.cpu1_ctl, CPU1_USE_MSR_BITMAPS))
        return;
    const u64 *l1 = bitmap02_of_l1(cpu);
    msr_bitmap_merge(&n->msr_open02, n->msr_bitmap02, map01(cpu), l1);
    if (stressed(cpu, STRESS_PARANOID) && !msr_bitmap_covers(n->msr_bitmap02, map01(cpu), l1))
        panic("bug: MSR_BITMAP02 lets pass what L0 or L1 intercepts");
}

bool bitmap02_l1_wants(const struct cpu *cpu, bool write)
{
    return msr_bitmap_hit((const u8 *)bitmap02_of_l1(cpu), (u32)cpu->regs.gpr[REG_RCX], write);
}

bool bitmap02_passes(struct cpu *cpu, bool write)
{
    struct nested *n = cpu->nested;
    u32 msr = (u32)cpu->regs.gpr[REG_RCX];
    if (msr_bitmap_hit(cpu->vm->msr_bitmap, msr, write))
        return false;
    msr_bitmap_open(&n->msr_open02, n->msr_bitmap02, map01(cpu), bitmap02_of_l1(cpu), msr, write);
    exit_execute_again(cpu);
    return true;
}
