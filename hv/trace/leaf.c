/* SPDX-License-Identifier: BSD-2-Clause */
/* L1 reads the trace by CPUID, 16 bytes at a time. Contract in private.h. */
#include "hv/trace/private.h"
#include "hv/arch/cpuid_bits.h"
#include "hv/core/privileged.h"

static struct cpuid quarter(const void *what, u32 which)
{
    const u32 *words = (const u32 *)what + 4 * (which & 3);
    return (struct cpuid){words[0], words[1], words[2], words[3]};
}

static struct cpuid answer(struct trace *t, u32 sub)
{
    struct trace_head head = *t->head;
    if (any(sub, TRACE_LEAF_RECORD)) /* any place is in the ring, speculation or not */
        return quarter(&t->ring[(sub & ~TRACE_LEAF_RECORD) / 4 & (TRACE_RECORDS - 1)], sub);
    head.form = TRACE_FILE;
    switch (sub) {
    case TRACE_LEAF_STOP:
    case TRACE_LEAF_GO:
        t->stopped = sub == TRACE_LEAF_STOP;
        break;
    case TRACE_LEAF_HEAD + 0:
    case TRACE_LEAF_HEAD + 1:
    case TRACE_LEAF_HEAD + 2:
    case TRACE_LEAF_HEAD + 3:
        return quarter(&head, sub);
    case TRACE_LEAF_FACTS:
        break;
    default:
        return (struct cpuid){0};
    }
    return (struct cpuid){TRACE_VERSION | (u32)head.record_size << 16, TRACE_RECORDS,
                          (u32)head.written, (u32)(head.written >> 32)};
}

void trace_leaf(struct cpu *cpu)
{
    u64 *gpr = cpu->regs.gpr;
    struct cpuid r = answer(cpu->trace, (u32)gpr[REG_RCX]);
    gpr[REG_RAX] = r.eax;
    gpr[REG_RBX] = r.ebx;
    gpr[REG_RCX] = r.ecx;
    gpr[REG_RDX] = r.edx;
    exit_advance(cpu);
}
