/* SPDX-License-Identifier: BSD-2-Clause */
/* What the library's own files share; tests do not include this. */
#ifndef GUEST_TESTS_LIB_GT_PRIVATE_H
#define GUEST_TESTS_LIB_GT_PRIVATE_H

#include "guest-tests/lib/gt.h"

extern const char *gt_name; /* of the running test */
extern unsigned gt_lines;   /* printed since BEGIN */

/* Looks for a sink (gt_sink.h); without one the transcript goes to port 0xE9.
 * @pre boot services may be called */
bool gt_sink_find(void);

/* gt_desc.c: make the library's tables and load them; give the firmware's back. */
void gt_desc_build(void);
void gt_desc_enter(void);
void gt_desc_leave(void);
extern u16 gt_firmware_cs, gt_firmware_ds;

/* gt_trap.asm */
extern char gt_stubs[] GT_HIDDEN;
extern char gt_guard_out[] GT_HIDDEN;
extern u64 gt_guard_rsp GT_HIDDEN;
void gt_guard(void (*body)(void)) GT_HIDDEN;
void gt_load_segments(u16 cs, u16 data) GT_HIDDEN;

extern char gt_enter_out[] GT_HIDDEN;
/* Stores RSP to *rsp, loads *f, DS and ES, and IRETQs to it; returns when RSP is that again at
 * gt_enter_out. IRETQ to ring 3 nulls a data segment of ring 0. */
void gt_enter_asm(const struct gt_frame *f, volatile u64 *rsp, u16 data) GT_HIDDEN;

/* gt_trap.c */
void gt_trap(struct gt_frame *f) GT_HIDDEN;
__attribute__((noreturn)) void gt_stop(void); /* ends the body, from anywhere inside it */
void gt_trap_reset(void);

#endif
