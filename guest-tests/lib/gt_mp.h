/* SPDX-License-Identifier: BSD-2-Clause */
/* The firmware's MP services protocol, by the members that the library calls.
 * PI specification, volume 2, 13.4 "MP Services Protocol" */
#ifndef GUEST_TESTS_LIB_GT_MP_H
#define GUEST_TESTS_LIB_GT_MP_H

#include "guest-tests/lib/gt.h"

struct gt_mp {
    EFI_STATUS(EFIAPI *count)(struct gt_mp *self, UINTN *all, UINTN *enabled);
    /* writes up to 96 bytes, the APIC id first */
    EFI_STATUS(EFIAPI *info)(struct gt_mp *self, UINTN n, u64 *info);
    void *start_all;
    EFI_STATUS(EFIAPI *start_one)
    (struct gt_mp *self, void(EFIAPI *f)(void *arg), UINTN n, EFI_EVENT event, UINTN microseconds,
     void *arg, BOOLEAN *done);
};

/* NULL when the firmware has none. @pre between gt_firmware_enter() and gt_firmware_leave() */
struct gt_mp *gt_mp(void);

#endif
