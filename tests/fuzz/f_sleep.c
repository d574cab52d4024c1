/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzzes what boot/sleep.c reads: any bytes as a FADT and as AML. What is to be refused is a type
 * of S2 or S3 and of nothing else, at a port that exists. */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "boot/sleep.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct sleep_found s = {0};
    bool needless;
    u32 fadt = size > 256 ? 256 : (u32)size;
    u8 *table = malloc(size + 1);
    demand(table != NULL);
    memcpy(table, data, size);
    if (size >= 4)
        memcpy(table, "FACP", 4);
    (void)sleep_ports(table, fadt, &s);
    sleep_types(data, (u32)size, &s);
    bool refuses = !sleep_settle(&s, &needless);
    demand(!refuses || (s.at.status && s.at.control[0] && s.at.types[0] && s.fadt));
    for (u32 i = 0; i < 2; i++)
        demand(!(s.at.types[i] & s.kept[i]) && !(s.at.types[i] & ~s.lost[i]));
    demand(s.at.control[1] || !s.at.types[1]);
    free(table);
    return 0;
}
