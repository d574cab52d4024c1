/* SPDX-License-Identifier: BSD-2-Clause */
/* Contract in stage.h. The numbers are those of hv/seen.h. */
#include "boot/stage.h"

#define FIRST_STAGE 16u

static const char steps[6][20] = {"prepare", "examine", "settle", "probe", "rehearse", "launch"};
static const char stages[6][40] = {
    "in VMX operation",
    "vmcs01 is made",
    "the first VM entry follows",
    "L1 has exited",
    "all processors are launched",
    "L0 panicked",
};

bool stage_explain(const u8 b[4], struct line *l)
{
    u32 step = b[1] - 1u, stage = b[1] - FIRST_STAGE;
    if (b[0] != BOOT_CMOS_MARK || (b[0] ^ b[1] ^ b[2]) != b[3] ||
        (step >= ARRAY_LEN(steps) && stage >= ARRAY_LEN(stages)))
        return false;
    line_add(l, "the last run with cmos=on came to stage ");
    line_add_decimal(l, b[1]);
    line_add(l, ", ");
    line_add(l, step < ARRAY_LEN(steps) ? steps[step] : stages[stage]);
    line_add(l, "; exit reason ");
    line_add_decimal(l, b[2]);
    return true;
}
