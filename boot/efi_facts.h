/* SPDX-License-Identifier: BSD-2-Clause */
/* The processor: reading the facts that require.c judges, and writing FEATURE_CONTROL, the one MSR
 * that boot/ sets for good. */
#ifndef BOOT_EFI_FACTS_H
#define BOOT_EFI_FACTS_H

#include "boot/require.h"

/* Reads all facts about this processor into *f. */
void facts_read(struct facts *f);

/* The revision of the microcode that this processor runs; 0: none was loaded, or an emulator's.
 * @pre an Intel processor */
u64 facts_microcode(void);

/* facts_inside_nidus returns true when this code runs under Nidus. It then fills in *n: the version
 * of that Nidus, and the number of Nidus instances below that one. */
struct nidus_cpuid {
    u32 version, depth;
};
bool facts_inside_nidus(struct nidus_cpuid *n);

/* The bits of FEATURE_CONTROL that this processor lets WRMSR set while the MSR is unlocked. */
u64 facts_feature_control_legal(void);

/* Allows VMX outside SMX operation and locks FEATURE_CONTROL, unless the MSR is locked already. The
 * lock cannot be undone before the next reset. @pre every other check has passed */
void facts_allow_vmx(void);

#endif
