/*
 * L1's memory. gpa1_to_hpa takes every address that L1 hands over; the copies below are the
 * only way to touch what lies there. RAM is RAM; L0's region is the sink page; anything else
 * (a device, the local APIC wherever it is now, nothing at all) reads as all ones and drops writes, because L0 never touches
 * MMIO for L1. Nothing else may assume that gpa1 equals hpa.
 */
#ifndef HV_VMX_GUESTMEM_H
#define HV_VMX_GUESTMEM_H

#include "hv/vmx/vmx.h"

enum gpa1_kind { GPA1_RAM, GPA1_SINK, GPA1_NOTHING };

struct gpa1_place {
    enum gpa1_kind kind;
    hpa_t hpa; /* RAM, or the sink page at the same offset; invalid for NOTHING */
};

/* Where one byte of L1's physical memory is. Good for the rest of its 4 KiB page. */
struct gpa1_place gpa1_to_hpa(const struct vm *vm, gpa1_t gpa1);

/* The page around gpa1 as L0 sees it (with gpa1's offset), or NULL for NOTHING. The pointer is
 * good up to the page's end; what L1 may change meanwhile is the caller's care. */
void *gpa1_map(const struct vm *vm, gpa1_t gpa1);

/* Bounded copies; any length, any alignment. False when a part was NOTHING: that part read as
 * all ones, or was dropped. */
bool gpa1_read(const struct vm *vm, gpa1_t gpa1, void *to, size_t n) MUST_CHECK;
bool gpa1_write(const struct vm *vm, gpa1_t gpa1, const void *from, size_t n) MUST_CHECK;
/* The same, for callers to whom all ones and a dropped write are as good as memory. */
void gpa1_read_open(const struct vm *vm, gpa1_t gpa1, void *to, size_t n);
void gpa1_write_open(const struct vm *vm, gpa1_t gpa1, const void *from, size_t n);
/* The four PDPTEs at CR3 of a guest in PAE paging. Each is all ones, which no processor takes, where no memory is.
 * SDM 3A 4.4.1 "PDPTE Registers" */
void gpa1_read_pdptes(const struct vm *vm, u64 cr3, u64 pdpte[4]);

#endif
