/* SPDX-License-Identifier: BSD-2-Clause */
/* Contract in vtd.h. boot/tables.c maps the units' registers for L0, uncached. */
#include "hv/vtd/vtd.h"
#include "hv/vtd/fault.h"
#include "hv/core/lock.h"

static void tell(const struct vm *vm, const struct vtd_fault *f)
{
    bool ours = f->address - vm->hole.a < vm->hole_size;
    log_rare(LOG_VTD, "VT-d refused device %02x:%02x.%u a %s at %lx%s, reason %u",
             (u32)f->source >> 8, (u32)f->source >> 3 & 31, (u32)f->source & 7,
             f->read ? "read" : "write", f->address, ours ? " in L0's memory" : "", (u32)f->reason);
}

/* Two processors that ask at once would tell one fault twice. */
u32 vtd_faults(struct vm *vm)
{
    struct vtd_fault f;
    lock_take(&vm->unit_lock);
    for (u32 i = 0; i < vm->unit_count; i++)
        for (u32 n = 0; n < VTD_FAULTS_MAX; n++) {
            if (!vtd_take_fault((u64)mem_va(&vm->mem, HPA(vm->unit[i].base)), &f))
                break;
            vm->unit_faults++;
            tell(vm, &f);
        }
    u32 all = vm->unit_faults;
    lock_give(&vm->unit_lock);
    return all;
}
