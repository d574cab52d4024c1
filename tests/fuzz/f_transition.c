/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzzes whole transitions: L0 on a processor made of memory, with an L1 and L2s that the bytes
 * lead. Nothing that they do may have the processor refuse vmcs01 or vmcs02, or break an invariant
 * of L0 (tests/machine). */
#include "tests/machine/play.h"
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (size < 8)
        return 0;
    const char *bug = play(data, size);
    if (bug[0]) {
        fprintf(stderr, "%s\n", bug);
        abort();
    }
    return 0;
}
