/* SPDX-License-Identifier: BSD-2-Clause */
/* A VT-d unit made of memory, for the host tests of boot/vtd_unit.c: its registers, its queue, and
 * what a device reaches by them. It notes the first rule of the specification that its programmer
 * breaks. Addresses of tables are pointers. */
#ifndef TESTS_LIB_VTD_FAKE_H
#define TESTS_LIB_VTD_FAKE_H

#include "boot/vtd_unit.h"

#define VTD_FAKE_UNIT  0xfed90000u
#define VTD_FAKE_PAGES 1400u
#define VTD_FAKE_ECAP  (0x50ull << 8) /* where the IOTLB's registers are */

struct vtd_fake {
    u64 cap, ecap, rtaddr, iqa, iqt, iqh;
    u64 phm[2];
    u32 gsts, pmen, plm[2], fectl, wide; /* wide: low bits of PLMBASE that are not there */
    u64 latched;                         /* the root that SRTP took */
    u32 stuck;                           /* a bit of GSTS, or 1: of PMEN, that does not answer */
    bool locked;                         /* its ranges are what they are */
    bool deaf;                           /* invalidations never end */
    bool clean;                          /* all is invalidated since the last root */
    u32 queued, by_register;
    const char *bug;            /* the first rule that was broken */
    u8 *memory;                 /* the pages of the region that VT-d gets */
    u8 flushed[VTD_FAKE_PAGES]; /* whether each was written back */
};

extern struct vtd_fake fake;
extern const struct vtd_io vtd_fake_io;

/* A unit as after a reset, with empty memory: the one pointer stays. */
void vtd_fake_start(void);

/* True when the device `source` can read and write at this address. */
bool vtd_fake_reaches(u16 source, u64 at);

#endif
