/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * L1's memory. gpa1_to_hpa takes every address that L1 hands over; the functions below are the only
 * way to touch what lies there. RAM is RAM; L0's region is the sink page; anything else (a device,
 * the local APIC wherever it is now, nothing at all) reads as all ones and drops writes, because L0
 * never touches MMIO for L1. Nothing else may assume that gpa1 equals hpa.
 */
#ifndef HV_VMX_GUESTMEM_H
#define HV_VMX_GUESTMEM_H

#include "hv/vmx/vmx.h"

enum gpa1_kind { GPA1_RAM, GPA1_SINK, GPA1_NOTHING };

struct gpa1_place {
    enum gpa1_kind kind;
    hpa_t hpa; /* in RAM, or at the same offset in the sink page; invalid for NOTHING */
};

/* Where the byte at gpa1 is. The answer is also good for the rest of its 4 KiB page. */
struct gpa1_place gpa1_to_hpa(const struct cpu *cpu, gpa1_t gpa1);

/* Returns L0's pointer to the byte at gpa1, or NULL for NOTHING. The pointer is good up to the
 * end of the 4 KiB page. L1 may change the bytes at any time, and the caller must allow for
 * that. */
void *gpa1_map(const struct cpu *cpu, gpa1_t gpa1);

/* Copy n bytes, any number, from or to L1's memory at gpa1, at any alignment. False when a part of
 * the range is NOTHING: that part is read as all ones, or its write is dropped. */
bool gpa1_read(const struct cpu *cpu, gpa1_t gpa1, void *to, size_t n) MUST_CHECK;
bool gpa1_write(const struct cpu *cpu, gpa1_t gpa1, const void *from, size_t n) MUST_CHECK;
/* gpa1_read and gpa1_write for callers that need not know whether memory was there. */
void gpa1_read_open(const struct cpu *cpu, gpa1_t gpa1, void *to, size_t n);
void gpa1_write_open(const struct cpu *cpu, gpa1_t gpa1, const void *from, size_t n);
/* Reads the four PDPTEs that the CR3 of a guest in PAE paging names; the guest's physical
 * addresses are L1's. Where no memory is, a PDPTE reads as all ones, which no processor accepts.
 * SDM 3A 4.4.1 "PDPTE Registers" */
void gpa1_read_pdptes(const struct cpu *cpu, u64 cr3, u64 pdpte[4]);

#endif
