/* The number of processors of this machine, as the firmware tells it. */
#ifndef BOOT_EFI_CPUS_H
#define BOOT_EFI_CPUS_H

#include "hv/arch/types.h"

struct cpus {
    u32 count;
    char source[24]; /* where the number comes from, in words */
};

/* @pre boot services are running */
struct cpus cpus_count(void);

#endif
