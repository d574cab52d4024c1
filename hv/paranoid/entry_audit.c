/* SPDX-License-Identifier: BSD-2-Clause */
/* stress=paranoid: the VMCS that L0 is about to enter must break no entry rule of this CPU. */
#include "hv/paranoid/paranoid.h"
#include "hv/explain/explain.h"

void judge_before_entry(struct cpu *cpu)
{
    if (judge_current(cpu) == R_NONE)
        return;
    log_begin();
    log_part("bug: the CPU would refuse %s: ", cpu->in_l2 ? "vmcs02" : "vmcs01");
    judge_tell(cpu);
    log_end();
    panic("bug: an entry rule is broken");
}
