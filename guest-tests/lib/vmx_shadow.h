/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMCS shadowing by L1 for the nested guest tests: the L2 world with PG_VMCS_C as its shadow VMCS,
 * whose fields hold values of their own.
 */
#ifndef GUEST_TESTS_LIB_VMX_SHADOW_H
#define GUEST_TESTS_LIB_VMX_SHADOW_H

#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_l2.h"

enum { REASON_VMREAD = 23, REASON_VMWRITE = 25 };

void shadow_control(void); /* the control on, the link set, both bitmaps permit everything */
void shadow_world(enum l2_mode mode); /* l2_world() with them */
void shadow_fill(void); /* the shadow VMCS anew, every field with its value. @pre l2_init() */
/* "MODE.NAME.left: error N FIELD=V ... cr2 V": what the last entry left in the shadow VMCS, in the
 * current one's error field and in CR2. @pre shadow_fill(), shadow_enter() */
void shadow_left(const char *name);
/* checks RF where the exit defines it, and takes it away */
void shadow_resume_flag(const char *name);
void shadow_enter(void); /* l2_enter(false) with a CR2 of our own before it */
/* Cases in shadow_world() (load option every=N: each Nth, for slow machines); each prints
 * l2_report()'s line and shadow_left()'s. */
void shadow_cases(const struct l2_case *c, size_t n);

#endif
