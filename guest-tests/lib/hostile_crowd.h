/* SPDX-License-Identifier: BSD-2-Clause */
/* What the two files about the hostile L1 with many VMCSs share. */
#ifndef GUEST_TESTS_LIB_HOSTILE_CROWD_H
#define GUEST_TESTS_LIB_HOSTILE_CROWD_H

#include "guest-tests/lib/hostile.h"

enum {
    CROWD_CODE = 128,             /* bytes of each L2 in the code page */
    CROWD_SHADOW = H_REGIONS - 2, /* a shadow VMCS */
};

/* One VMCS and its L2. */
struct crowd_member {
    bool made;
    enum l2_mode mode;
    u64 base[VMX_FIELDS]; /* what can be entered */
    u64 base_gpr[16], gpr[16];
    u8 code[CROWD_CODE];
};
extern struct crowd_member crowd[H_REGIONS];
extern bool crowd_shadow_filled;

void crowd_load(int k); /* VMPTRLD, unless it is current */
void crowd_clear(int k);
void crowd_lay_code(void);
int crowd_any(void); /* not the shadow VMCS, nor a VMXON region */

#endif
