/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a processor writes that another one's VMX instructions, entries and exits read meanwhile: by
 * dice, a good value or a bent one, and nothing that leads an L2 to memory that is not its own.
 */
#ifndef GUEST_TESTS_LIB_GT_ATTACK_H
#define GUEST_TESTS_LIB_GT_ATTACK_H

#include "guest-tests/lib/gt.h"

enum { ATTACK_LIST = 4, ATTACK_OPERANDS = 8 };
enum { ATTACK_RWX = 7, ATTACK_WB = 6 << 3, ATTACK_LARGE = 1 << 7, ATTACK_EPTP = 0x1e };

/* What is attacked of a runner. */
struct victim {
    u64 *pml4[2], *pdpt, *pd, *pt;
    u8 *frame[2], *msr_bitmap, *io_bitmap, *vmread_bitmap, *vmwrite_bitmap, *vapic, *ve_area;
    u64 *entry_load, *exit_store, *exit_load, *eptp_list;
    u8 *shadow, *vmcs, *other_vmcs;
    u64 *operand; /* of L1: pointers and descriptors */
    u64 *probe_pte, *page_pte, page_good;
    volatile u64 *probe, *page; /* L2's linear addresses */
    u64 seen[64], refused[2], failed, lost, bad, anew;
    volatile bool page_is_idle; /* the VMCS is active, and its page nobody's */
};

u64 attack_leaf(const struct victim *v, u64 r); /* a good last entry of EPT12 */
/* One write into what *v has. *dice is the attacker's own. */
void attack_once(struct victim *v, u64 *dice);

#endif
