/*
 * Memory by linear address, as the paging of the current VMCS maps it: for what L0 does in the
 * name of L1, or of L2 when the caller knows how L2's tables are reached. A translation that
 * fails leaves the #PF in cpu->fault.
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

/* How a guest's tables are reached, and its physical addresses. place: where a translated piece
 * lies; false: something else than paging forbids the access, and the caller knows what. */
struct gla_memory {
    struct walk_memory tables;
    bool (*place)(void *ctx, const struct walk_result *r, u64 access, gpa1_t *at);
};

/* Translates [gla, gla + size) for an access (PF_W, WALK_SYSTEM; hv/arch/pagewalk.h) before any
 * byte moves, so that a fault leaves memory as it was but for accessed and dirty flags. CR2 is not
 * written: cpu->fault.address is what it would get. @pre size is at most a page */
bool gla_translate_in(struct cpu *cpu, const struct gla_memory *m, u64 gla, u32 size, u64 access,
                      struct gla_span *span) MUST_CHECK;

/* walk_memory's functions for tables in L1's memory; the context is struct vm. */
u64 gla_table_read(void *vm, u64 gpa, unsigned size);
bool gla_table_set_flags(void *vm, u64 gpa, unsigned size, u64 old, u64 new);

/* The same for L1, and CR2 as the CPU would leave it. @pre vmcs01 is current */
bool gla_translate(struct cpu *cpu, u64 gla, u32 size, u64 access, struct gla_span *span) MUST_CHECK;

/* Copies; what is not RAM reads as all ones and drops writes. */
void span_read(const struct vm *vm, const struct gla_span *span, void *to);
void span_write(const struct vm *vm, const struct gla_span *span, const void *from);

#endif
