/* SPDX-License-Identifier: BSD-2-Clause */
/* The valid vmcs12 images that tests of entry rules start from: one per mode of L2, complete
 * with the processor and the environment that an entry is judged by. */
#ifndef TESTS_VALID_H
#define TESTS_VALID_H

#include "hv/arch/cpu.h"
#include "hv/arch/paging.h"
#include "hv/vmcs12/check.h"
#include "hv/vmcs12/vmcs12.h"

enum valid_base {
    BASE_LONG,      /* 64-bit mode, EPT, VPID, unrestricted guest */
    BASE_PLAIN,     /* 64-bit mode, no secondary controls */
    BASE_COMPAT,    /* compatibility mode, no secondary controls */
    BASE_PAE,       /* PAE paging, EPT */
    BASE_PAE_PLAIN, /* PAE paging, no secondary controls */
    BASE_P32,       /* 32-bit paging under a 32-bit L1, no secondary controls */
    BASE_UNPAGED,   /* protected mode without paging, unrestricted guest */
    BASE_REAL,      /* real-address mode, unrestricted guest */
    BASE_V86,       /* virtual-8086 mode, no secondary controls */
    BASE_COUNT
};

/* Whose capabilities: the profiles that Nidus has, then those that only profile=host can show: the
 * emulator's broadwell_ult, and the two parts of tests/data/newer_vmx_msrs.csv. */
enum valid_cpu {
    CPU_I7_5600U,
    CPU_E5_2683_V4,
    CPU_D_1540,
    CPU_BOCHS,
    CPU_I7_6700K,
    CPU_COFFEE_LAKE,
    CPU_COUNT
};
#define CPU_FIRST_NEWER    CPU_I7_6700K
#define valid_is_host(cpu) ((cpu) >= CPU_BOCHS) /* no profile but profile=host shows it */

struct valid {
    struct vmcs_image v;
    struct vmx_caps caps;
    struct check_cpuid cpuid;
    struct check_cpu cpu;
    struct check_env env;
};

/* A whole valid entry. Tests change any part of it, then judge. */
void valid_build(struct valid *t, enum valid_base base, enum valid_cpu cpu);

/* check_entry over all groups, after working out the processor's facts again. */
struct verdict valid_judge(struct valid *t, struct rule_set *broken);

/* True when the control words are ones that the processor's capabilities allow. */
bool valid_controls(struct valid *t);

const char *valid_base_name(enum valid_base base);
const char *valid_cpu_name(enum valid_cpu cpu);

/* The capability MSRs that the processor reports. */
const struct vmx_caps *valid_caps(enum valid_cpu cpu);

/* Turn secondary controls on, and the control that activates them. */
static inline void valid_cpu2(struct vmcs_image *v, u32 bits)
{
    v->cpu1_ctl |= CPU1_SECONDARY;
    v->cpu2_ctl |= bits;
}

#endif
