/* SPDX-License-Identifier: BSD-2-Clause */
/* What a guest's life cost in exits, as L0 counts them by CPUID. */
#ifndef TESTS_LINUX_KVM_COST_H
#define TESTS_LINUX_KVM_COST_H

#include "tests/linux/leaves.h"

/* What L0 has counted on this processor. */
struct cost {
    uint64_t l1[EXIT_REASONS], l2[EXIT_REASONS];
};

/* @pre this runs under Nidus, and stays on one processor */
void cost_count(struct cost *c);
/* Prints how many exits there were since cost_count(before). */
void cost_print(const struct cost *before);

#endif
