/* SPDX-License-Identifier: BSD-2-Clause */
/* Where Nidus lies in L1's physical memory, as L1 can learn it: a reserved block in the memory
 * map. */
#ifndef GUEST_TESTS_LIB_GT_HOLE_H
#define GUEST_TESTS_LIB_GT_HOLE_H

#include "guest-tests/lib/gt.h"

struct gt_hole {
    u64 base, size;
    bool real; /* else a 2 MiB block of the test's own, so that bare runs do the same accesses */
};

/* The largest 2 MiB aligned EfiReservedMemoryType block under Nidus; memory of the pool
 * elsewhere. */
void gt_hole_find(struct gt_hole *hole);

/* Each page of the hole is untouched again on this processor. L0 keeps its mappings for the latest
 * few states of the MTRRs, so a range that nothing lies in goes through more states than those. */
void gt_hole_untouch(void);

/* Puts that range back. @pre gt_hole_untouch() was called */
void gt_hole_untouched(void);

#endif
