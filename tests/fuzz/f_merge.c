/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzzes check-then-merge: the bytes choose profile, processor and valid image, mutate fields
 * of vmcs12 and choose L0's needs. What L1's rules accept must pass the processor's as vmcs02. */
#include "tests/lib/crossing.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static struct crossing c;
    enum rule_id rule;
    u64 random;

    if (size < 11)
        return 0;
    if (!crossing_start(&c, data[0] % BASE_COUNT, data[1] % CPU_COUNT, data[2] % CPU_COUNT))
        return 0;
    memcpy(&random, data + 3, sizeof random);
    /* each mutation: a field, what to do, 8 bytes */
    for (data += 11, size -= 11; size >= 10; data += 10, size -= 10) {
        enum vmcs_field f = (enum vmcs_field)(data[0] % F_COUNT);
        u64 value;

        memcpy(&value, data + 2, sizeof value);
        vmcs12_set(&c.l1.v, f, data[1] & 1 ? value : vmcs12_get(&c.l1.v, f) ^ BIT(value & 63));
    }
    crossing_l0_needs(&c, random);
    if (crossing_try(&c, &rule) == CROSSING_BROKEN)
        abort();
    return 0;
}
