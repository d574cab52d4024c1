/* SPDX-License-Identifier: BSD-2-Clause */
/* The fault records of a VT-d unit: what it has kept a device from. Pure: the registers are memory
 * of the caller's. nidus.efi and the core use the same reader. */
#ifndef HV_VTD_FAULT_H
#define HV_VTD_FAULT_H

#include "hv/vtd/regs.h"

struct vtd_fault {
    u64 address; /* of the page that the device wanted, as the device names it */
    u16 source;  /* bus << 8 | device << 3 | function */
    u8 reason;
    bool read; /* the device wanted to read, else to write */
};

/* Takes the oldest fault from the unit, whose registers are at `base`. False when there is none.
 * So a caller that wants all asks VTD_FAULTS_MAX times at most: a device can make faults faster
 * than anybody reads them. */
bool vtd_take_fault(u64 base, struct vtd_fault *f) MUST_CHECK;
#define VTD_FAULTS_MAX 8u

#endif
