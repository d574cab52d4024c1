/* SPDX-License-Identifier: BSD-2-Clause */
/* Check, then merge, then check again: vmcs12 by the rules of what L1 is shown, vmcs02 by those
 * of the processor. Shared by the unit test and the fuzzer. */
#ifndef TESTS_CROSSING_H
#define TESTS_CROSSING_H

#include "hv/vmcs12/merge.h"
#include "tests/lib/valid.h"

struct crossing {
    struct valid l1; /* vmcs12 (l1.v) and the processor that L1 is shown */
    struct valid hw; /* the processor; hw.v is L0's own image */
    struct merge_env m;
    struct vmcs_image v02;
};

/* False when this hardware cannot show that profile. */
bool crossing_start(struct crossing *c, enum valid_base base, enum valid_cpu shown,
                    enum valid_cpu hw) MUST_CHECK;

/* A random need of L0's that goes with vmcs12's controls. */
void crossing_l0_needs(struct crossing *c, u64 random);

enum crossing_result { CROSSING_REFUSED, CROSSING_PASSED, CROSSING_BROKEN };

/* Judge c->l1.v; when it passes, merge and judge c->v02. *rule: of the last judgement. */
enum crossing_result crossing_try(struct crossing *c, enum rule_id *rule);

#endif
