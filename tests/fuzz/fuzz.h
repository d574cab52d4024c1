/* SPDX-License-Identifier: BSD-2-Clause */
/* What fuzzers share. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the fuzzer, which then keeps the input, when the claim is false. */
static inline void demand(bool claim)
{
    if (!claim)
        abort();
}

/* For output that nobody reads. */
static inline FILE *null_stream(void)
{
    static FILE *null;
    if (null == NULL)
        null = fopen("/dev/null", "w");
    demand(null != NULL);
    return null;
}

#endif
