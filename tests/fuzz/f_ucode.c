/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzzes a file of microcode updates. The checksums are made to fit, so that mutations come beyond
 * them. What is found lies in the file, and its sum is 0. */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "boot/ucode.h"

static u32 sum(const u8 *at, u32 size)
{
    u32 total = 0;
    for (u32 i = 0; i + 4 <= size; i += 4) {
        u32 v;
        memcpy(&v, at + i, 4);
        total += v;
    }
    return total;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static const u32 one = 1;
    struct ucode_cpu cpu = {0};
    struct ucode u = {0};
    u32 all = (u32)((size + 1023) & ~1023ul);
    u8 *file = calloc(1, all ? all : 1);
    demand(file != NULL);
    memcpy(file, data, size);
    if (size >= UCODE_HEADER_SIZE) {
        memcpy(file, &one, 4);
        memcpy(file + 20, &one, 4);
        memcpy(&cpu.signature, file + 12, 4);
        cpu.platform = data[size - 1];
        if (data[size / 2] & 1)
            memcpy(file + 32, &all, 4);
        memset(file + 16, 0, 4);
        u32 off = 0u - sum(file, all);
        memcpy(file + 16, &off, 4);
    }
    if (!ucode_find(file, all, cpu, &u)) {
        demand(u.at < all && u.size <= all - u.at && u.size >= UCODE_HEADER_SIZE);
        demand(!sum(file + u.at, u.size));
    }
    free(file);
    return 0;
}
