/*
 * L1's memory by linear address, as L1's own paging maps it: for what L0 does in L1's name. A
 * translation that fails leaves the #PF in cpu->fault and CR2 as the CPU would.
 */
#ifndef HV_VMX_GLA_H
#define HV_VMX_GLA_H

#include "hv/arch/pagewalk.h"
#include "hv/vmx/guestmem.h"

/* Where up to one page of linear addresses lies: at most two pieces. */
struct gla_span {
    gpa1_t at[2];
    u32 size[2];
};

/* Translates [gla, gla + size) for an access (PF_W, WALK_SYSTEM; hv/arch/pagewalk.h) before any
 * byte moves, so that a fault leaves memory as it was but for accessed and dirty flags.
 * @pre vmcs01 is current; size is at most a page */
bool gla_translate(struct cpu *cpu, u64 gla, u32 size, u64 access, struct gla_span *span) MUST_CHECK;

/* Copies; what is not RAM reads as all ones and drops writes. */
void span_read(const struct vm *vm, const struct gla_span *span, void *to);
void span_write(const struct vm *vm, const struct gla_span *span, const void *from);

#endif
