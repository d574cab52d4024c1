/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * machine.efi's parts: what a report tells of the machine, without anything that tells one machine
 * from another of its kind. machine.c has the order.
 */
#ifndef GUEST_TESTS_STICK_MACHINE_H
#define GUEST_TESTS_STICK_MACHINE_H

#include "guest-tests/lib/gt.h"

enum { CPUID_ROWS = 256, MSR_ROWS = 128 };

/* What one processor says of itself; compared with the first processor's. */
struct machine_cpu {
    unsigned rows, msrs;
    u32 microcode; /* 0: it cannot be read */
    struct {
        u32 leaf, sub;
        struct gt_cpuid r;
    } row[CPUID_ROWS];
    struct {
        u32 number;
        u64 v;
    } msr[MSR_ROWS];
};

/* Finds out whether the microcode's revision can be read, on the library's tables. */
void machine_begin(void);

/* Reads the executing processor: CPUID, and the MSRs that its own CPUID and capability MSRs say it
 * has. May run on any processor, on the firmware's tables: nothing in it can fault. */
void machine_read(struct machine_cpu *c);

/* Prints the first processor's CPUID and VMX MSRs; the other MSRs are in the long list. */
void machine_say_cpu(const struct machine_cpu *c);
/* Prints what differs from the first processor's. */
void machine_say_other(unsigned number, const struct machine_cpu *c,
                       const struct machine_cpu *first);
void machine_say_msrs(void);     /* the long list, each tried */
void machine_say_firmware(void); /* @pre between gt_firmware_enter() and gt_firmware_leave() */
void machine_say_smbios(void);   /* on the library's tables, which catch a fault */
void machine_say_acpi(void);     /* the same */

#endif
