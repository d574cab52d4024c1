/* How many processors this machine has, as the firmware tells. */
#ifndef BOOT_EFI_CPUS_H
#define BOOT_EFI_CPUS_H

#include "hv/arch/types.h"

struct cpus {
    u32 count;
    char source[24]; /* who said so */
};

struct cpus cpus_count(void);

#endif
