/* SPDX-License-Identifier: BSD-2-Clause */
/* The option stress=, for tests: at every exit L0 does on purpose what is rare otherwise, or
 * checks its own state. */
#ifndef HV_VMX_STRESS_H
#define HV_VMX_STRESS_H

#include "hv/vmx/vmx.h"

/* True when one of `what` (STRESS_*, hv/core/boot_info.h) is on. The compiler expects false. */
static inline bool stressed(const struct cpu *cpu, u32 what)
{
    return UNLIKELY(any(cpu->vm->stress, what));
}

#endif
