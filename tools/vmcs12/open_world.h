/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One processor of those that fit, for the files open*.c alone. Contract of the whole in open.h.
 */
#ifndef TOOLS_VMCS12_OPEN_WORLD_H
#define TOOLS_VMCS12_OPEN_WORLD_H

#include "tools/vmcs12/open.h"

#define OPEN_WORDS (sizeof(struct vmx_caps) / sizeof(u64))

struct open_world {
    struct vmx_caps caps; /* the plain control words hold, whatever IA32_VMX_BASIC says */
    struct check_cpuid cpuid;
    bool ia32e;
};

/* Both want a settled cpu: open_settled puts what is known of the control words into the plain
 * ones. */
struct open_cpu open_settled(const struct open_cpu *cpu);
void open_world_init(struct open_world *w, const struct open_cpu *settled, enum open_corner corner,
                     u32 variant);
bool open_variant_fits(const struct open_cpu *settled, u32 variant);

/* The bits of a word of struct vmx_caps with which a processor permits more. */
u64 open_lenient_bits(unsigned word);

/* What the USUAL corner fills into a word. */
u64 open_usual_word(const struct open_cpu *settled, unsigned word);

/* The MSR that holds what the plain word of a settled cpu says. */
u16 open_msr_of(const struct open_cpu *settled, unsigned word);

static inline u64 *open_words(struct vmx_caps *caps)
{
    return &caps->basic;
}

static inline u64 open_word(const struct vmx_caps *caps, unsigned i)
{
    return (&caps->basic)[i];
}

#endif
