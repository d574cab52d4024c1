/* SPDX-License-Identifier: BSD-2-Clause */
/* Cases that run in L1: a few instruction bytes, a mode, some changes to registers or memory. */
#ifndef GUEST_TESTS_LIB_VMX_L1_H
#define GUEST_TESTS_LIB_VMX_L1_H

#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_l2.h"

enum l1_mode { L1_64, L1_64_R3, L1_COMPAT, L1_COMPAT_R3, L1_COMPAT16, L1_MODES };

/* Slots of struct l1_frame behind the 16 registers, for L1F. */
enum {
    FRAME_RIP = 16,
    FRAME_CS,
    FRAME_RFLAGS,
    FRAME_RSP,
    FRAME_SS,
    FRAME_DS,
    FRAME_ES,
    FRAME_FS,
    FRAME_GS
};
/* clang-format off */
#define L1F(SLOT, VALUE) {WHAT_GPR + FRAME_##SLOT, '=', VALUE}
/* clang-format on */

enum { L1_SETS = 5 };
struct l1_case {
    const char *name;
    const char *code;
    u8 len, mode;
    struct vmx_set set[L1_SETS]; /* REG, L1F and PHYS */
};
/* clang-format off */
#define L1C(NAME, MODE, CODE, ...) {NAME, CODE, sizeof(CODE) - 1, MODE, {__VA_ARGS__}}
/* clang-format on */

/* Runs with RAX = the first scratch page; prints "STATE.MODE.NAME: result", changed registers and
 * changed qwords of the two scratch pages. */
void l1_case_run(const char *state, const struct l1_case *c);
void l1_cases(const char *state, const struct l1_case *c, size_t n);

#endif
