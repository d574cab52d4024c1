/* The option stress=: L0 does on purpose, and at every turn, what is rare or only looks at itself. For tests. */
#ifndef HV_VMX_STRESS_H
#define HV_VMX_STRESS_H

#include "hv/vmx/vmx.h"

/* STRESS_* of hv/core/boot_info.h. Off the fast path when the option is not given. */
static inline bool stressed(const struct cpu *cpu, u32 what)
{
    return UNLIKELY(any(cpu->vm->stress, what));
}

#endif
