/*
 * Whole transitions on a processor made of memory (tests/machine): random runs of an L1 with four VMCSs and their
 * L2s, entries, refusals, exits, NMIs, on every model, profile and stress option. The processor refuses no entry,
 * and vmcs02 is at each entry of L1's what a whole merge makes, whatever happened before.
 */
#include "tests/machine/play.h"
#include "tests/rng.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define RUNS  1500
#define STEPS 600 /* bytes */

static void random_runs(void **state)
{
    (void)state;
    struct rng r = rng_start("t_transition");
    u64 entries[2] = {0};
    u8 bytes[STEPS];

    for (u32 n = 0; n < RUNS; n++) {
        for (u32 i = 0; i < STEPS; i++)
            bytes[i] = (u8)(rng_next(&r) >> 32);
        bytes[0] = (u8)n;
        bytes[1] = (u8)(n / MODEL_COUNT);
        const char *bug = play(bytes, sizeof bytes);
        if (bug[0])
            fail_msg("run %u on %s: %s", n, machine_model_name(n % MODEL_COUNT), bug);
        entries[0] += machine.entries[0];
        entries[1] += machine.entries[1];
    }
    printf("t_transition: %llu entries of L1, %llu of L2\n", (unsigned long long)entries[0],
           (unsigned long long)entries[1]);
    assert_true(entries[0] > 10 * RUNS && entries[1] > RUNS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_runs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
