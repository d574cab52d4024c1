/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Access to a guest's memory by linear address, in the name of the guest whose VMCS is current. The
 * guest is L1, or L2 when the caller knows how to reach L2's tables. A translation that paging
 * forbids leaves the #PF in cpu->fault.
 */
#ifndef HV_VMX_GLA_H
#define HV_VMX_GLA_H

#include "hv/arch/pagewalk.h"
#include "hv/vmx/guestmem.h"

/* Where up to one page of linear addresses lies in L1's physical memory: at most two pieces. */
struct gla_span {
    gpa1_t at[2];
    u32 size[2];
};

/* How a guest's memory is reached. `tables` gives access to paging-structure entries by the
 * guest's physical address. `place` turns the guest-physical address of a translated piece
 * (r->gpa) into an L1-physical one. `place` returns false when something other than paging
 * forbids the access; it then keeps the reason for the caller of gla_translate_in. */
struct gla_memory {
    struct walk_memory tables;
    bool (*place)(void *ctx, const struct walk_result *r, u64 access, gpa1_t *at);
};

/* Translates the `size` bytes at the linear address gla for an access (PF_W, WALK_SYSTEM;
 * hv/arch/pagewalk.h). The caller moves no byte before, so a fault changes nothing in memory but
 * accessed and dirty flags. False: there is a #PF in cpu->fault, or m->place refused. CR2 is not
 * written; cpu->fault.address holds what a #PF would write there.
 * @pre the guest's VMCS is current; size is at most a page; gla is canonical */
bool gla_translate_in(struct cpu *cpu, const struct gla_memory *m, u64 gla, u32 size, u64 access,
                      struct gla_span *span) MUST_CHECK;

/* The functions of a struct walk_memory (hv/arch/pagewalk.h) for tables in L1's memory. The
 * context is struct cpu, and gpa is an L1-physical address. */
u64 gla_table_read(void *cpu, u64 gpa, unsigned size);
bool gla_table_set_flags(void *cpu, u64 gpa, unsigned size, u64 old, u64 new);

/* Translates a linear address of L1 as gla_translate_in does. False: the #PF is in cpu->fault,
 * and CR2 is written as the CPU would. @pre as gla_translate_in; vmcs01 is current */
bool gla_translate(struct cpu *cpu, u64 gla, u32 size, u64 access,
                   struct gla_span *span) MUST_CHECK;

/* The walk of L1's tables for a canonical linear address, when it is plain (hv/arch/pagewalk.h).
 * NULL: gla_translate must decide. L1 may change an entry and flush its TLB without an exit, so no
 * walk can be remembered as such. But the walk that finds the same values in the same entries ends
 * where it ended. @pre L1 is in IA-32e mode at CPL 0, with these registers */
const struct plain_walk *gla_walk_plain(struct cpu *cpu, const struct walk_key *key);

static inline const struct plain_walk *gla_plain(struct cpu *cpu, u64 gla, u64 cr3, u64 cr4,
                                                 u64 efer)
{
    const struct walk_key key = {cr3, cr4, efer, gla >> PAGE_SHIFT};
    const struct plain_walk *w = &cpu->walk[key.page % LAST_WALKS];
    if (LIKELY(((w->key.cr3 ^ cr3) | (w->key.cr4 ^ cr4) | (w->key.efer ^ efer) |
                (w->key.page ^ key.page)) == 0 &&
               ((*w->at[0] ^ w->entry[0]) | (*w->at[1] ^ w->entry[1]) | (*w->at[2] ^ w->entry[2]) |
                (*w->at[3] ^ w->entry[3])) == 0))
        return w;
    return gla_walk_plain(cpu, &key);
}

/* Copy all bytes of a translated span. What is not RAM reads as all ones and drops writes. */
void span_read(const struct cpu *cpu, const struct gla_span *span, void *to);
void span_write(const struct cpu *cpu, const struct gla_span *span, const void *from);

#endif
