/* SPDX-License-Identifier: BSD-2-Clause */
/* kvm-l2 compares what its guests say with what a bare CPU's say: tests/linux/kvm/expected. */
#ifndef TESTS_LINUX_KVM_VERDICT_H
#define TESTS_LINUX_KVM_VERDICT_H

/* From here on standard output goes through this comparison. Whoever calls it returns in a child
 * process; the process itself passes each line on, and ends with the verdict and the child's
 * status. Without the file nothing is compared. */
void verdict_begin(void);

#endif
