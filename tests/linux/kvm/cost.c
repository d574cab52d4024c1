/* SPDX-License-Identifier: BSD-2-Clause */
/* Contract in cost.h. */
#include "tests/linux/kvm/cost.h"

#include <stdio.h>

void cost_count(struct cost *c)
{
    for (size_t i = 0; i < EXIT_REASONS; i++) {
        c->l1[i] = exits_of(i, FROM_L1);
        c->l2[i] = exits_of(i, FROM_L2);
    }
}

static void print_more(const char *head, const uint64_t *before, const uint64_t *after)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < EXIT_REASONS; i++)
        sum += after[i] - before[i];
    printf(head, (unsigned long long)sum);
    for (size_t i = 0; i < EXIT_REASONS; i++)
        if (after[i] != before[i])
            printf(" %llu %s", (unsigned long long)(after[i] - before[i]), exit_reasons[i].name);
    printf("\n");
}

void cost_print(const struct cost *before)
{
    struct cost now;
    cost_count(&now);
    printf("What that cost, as L0 counted it:\n");
    print_more("  L2 left to L0 %llu times:", before->l2, now.l2);
    print_more("  L1 left to L0 %llu times:", before->l1, now.l1);
    printf(
        "An exit of L2 goes L2 -> L0 -> L1 (KVM) -> L0 -> L2, the last step by L1's VMRESUME; L0\n"
        "answers a first touch of memory (EPT_VIOLATION) itself where L1's tables allow it.\n"
        "KVM's VMREADs and VMWRITEs are no exits where the processor shadows the VMCS.\n");
}
