/* Reading the processor: the facts that require.c decides on, and the one MSR that boot/
 * writes. */
#ifndef BOOT_EFI_FACTS_H
#define BOOT_EFI_FACTS_H

#include "boot/require.h"

void facts_read(struct facts *f);

/* What the hypervisor around us says of itself: true when it is Nidus. */
struct nidus_cpuid {
    u32 version, depth;
};
bool facts_inside_nidus(struct nidus_cpuid *n);

/* Allows VMX outside SMX operation and locks FEATURE_CONTROL, unless it is locked.
 * @pre every other check has passed: this cannot be taken back before the next reset */
void facts_allow_vmx(const struct facts *f);

#endif
