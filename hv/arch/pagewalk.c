/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The walks of 32-bit, PAE and 4-level paging are one loop over levels. Only entry size and index
 * width differ. The loop gathers rights on the way and judges them once, at the leaf.
 * 5-level paging is not here: CPUID hides LA57 from L1, so no guest can set CR4.LA57.
 */
#include "hv/arch/pagewalk.h"

/* The accesses that all levels walked so far allow. */
struct rights {
    bool user, write, fetch;
};

struct walker {
    const struct paging_state *p;
    const struct walk_memory *m;
    u64 gla, access;
    unsigned entry_size; /* 4 or 8 */
    unsigned index_bits; /* 10 or 9 */
    bool nx_enabled;
};

static bool is_user_access(const struct walker *w)
{
    return w->p->cpl == 3 && !any(w->access, WALK_SYSTEM);
}

/* A #PF. why: P, RSVD and PK of the error code. W/R and U/S follow from the access. I/D is set only
 * while NX or SMEP is in use. SDM 3A 4.7 "Page-Fault Exceptions" */
static struct walk_result fault(const struct walker *w, u32 why)
{
    u32 code = why | (u32)(w->access & PF_W);
    if (is_user_access(w))
        code |= (u32)PF_U;
    if (any(w->access, PF_I) && (w->nx_enabled || any(w->p->cr4, CR4_SMEP)))
        code |= (u32)PF_I;
    return (struct walk_result){.ok = false, .error_code = code};
}

/* The reserved bits of a present entry at a level. Level 1 is the page table. */
static u64 reserved_bits(const struct walker *w, unsigned level, bool leaf)
{
    bool large = leaf && level > 1;
    if (w->entry_size == 4) {
        /* PSE-36 holds address bits 39:32 in 20:13; bit 21 is reserved. */
        unsigned held = w->p->maxphyaddr < 40 ? w->p->maxphyaddr - 32u : 8;
        return large ? BIT(21) | ((0xffull >> held) << (held + 13)) : 0;
    }
    u64 rsvd = (BIT(52) - 1) & (~0ull << w->p->maxphyaddr);
    if (!any(w->p->efer, EFER_LMA))
        rsvd |= bits(~0ull, 62, 52) << 52;
    if (!w->nx_enabled)
        rsvd |= PTE_NX;
    if (level == 4 || (level == 3 && !w->p->page_1g))
        rsvd |= PTE_PS;
    if (large && level == 3)
        rsvd |= bits(~0ull, 29, 13) << 13;
    if (large && level == 2)
        rsvd |= bits(~0ull, 20, 13) << 13;
    return rsvd;
}

static bool is_leaf(const struct walker *w, unsigned level, u64 entry)
{
    if (level == 1)
        return true;
    if (w->entry_size == 4)
        return any(w->p->cr4, CR4_PSE) && any(entry, PTE_PS);
    return any(entry, PTE_PS);
}

/* Protection keys guard user-mode pages of 4-level paging. SDM 3A 4.6.2 "Protection Keys" */
static bool key_forbids(const struct walker *w, u64 leaf)
{
    if (!any(w->p->cr4, CR4_PKE) || !any(w->p->efer, EFER_LMA) || any(w->access, PF_I))
        return false;
    unsigned key = (unsigned)bits(leaf, 62, 59);
    bool access_disable = any(w->p->pkru, BIT(2 * key));
    bool write_disable = any(w->p->pkru, BIT(2 * key + 1));
    if (access_disable)
        return true;
    return any(w->access, PF_W) && write_disable && (is_user_access(w) || any(w->p->cr0, CR0_WP));
}

/* SDM 3A 4.6.1 "Determination of Access Rights": 0, or the error-code bits of the refusal. */
static u32 forbidden(const struct walker *w, struct rights r, u64 leaf)
{
    bool user = is_user_access(w), write = any(w->access, PF_W), fetch = any(w->access, PF_I);
    if (user && !r.user)
        return PF_P;
    if (fetch && !r.fetch)
        return PF_P;
    if (write && !r.write && (user || any(w->p->cr0, CR0_WP)))
        return PF_P;
    if (r.user && !user && fetch && any(w->p->cr4, CR4_SMEP))
        return PF_P;
    if (r.user && !user && !fetch && any(w->p->cr4, CR4_SMAP) &&
        (any(w->access, WALK_SYSTEM) || !w->p->ac))
        return PF_P;
    if (r.user && key_forbids(w, leaf))
        return PF_P | PF_PK;
    return 0;
}

static u64 leaf_base(const struct walker *w, unsigned level, u64 entry)
{
    if (w->entry_size == 8)
        return entry & PTE_ADDR;
    if (level == 1)
        return entry & 0xfffff000u;
    return (entry & 0xffc00000u) | (bits(entry, 20, 13) << 32);
}

/* Judges the access at the leaf and sets the leaf's flags. Returns false when the entry changed
 * since the walk read it; *out is then not set. */
static bool at_leaf(const struct walker *w, unsigned level, struct rights r, u64 at, u64 entry,
                    struct walk_result *out)
{
    u32 why = forbidden(w, r, entry);
    if (why != 0) {
        *out = fault(w, why);
        return true;
    }
    u64 want = entry | PTE_A | (any(w->access, PF_W) ? PTE_D : 0);
    if (want != entry && !w->m->set_flags(w->m->ctx, at, w->entry_size, entry, want))
        return false;
    u64 mask = (1ull << (PAGE_SHIFT + w->index_bits * (level - 1))) - 1;
    u64 gpa = (leaf_base(w, level, entry) & ~mask) | (w->gla & mask);
    *out = (struct walk_result){
        .ok = true, .gpa = gpa, .user = r.user, .write = r.write, .fetch = r.fetch};
    return true;
}

/* Walks from `table` of `level` down to the leaf. Returns false when an entry changed during the
 * walk; *out is then not set. */
static bool walk_once(const struct walker *w, u64 table, unsigned level, struct walk_result *out)
{
    struct rights r = {.user = true, .write = true, .fetch = true};
    for (;; level--) {
        unsigned shift = PAGE_SHIFT + w->index_bits * (level - 1);
        u64 index = (w->gla >> shift) & ((1u << w->index_bits) - 1);
        u64 at = table + index * w->entry_size;
        u64 entry = w->m->read(w->m->ctx, at, w->entry_size);
        bool leaf = is_leaf(w, level, entry);
        if (!any(entry, PTE_P) || any(entry, reserved_bits(w, level, leaf))) {
            *out = fault(w, any(entry, PTE_P) ? PF_P | PF_RSVD : 0);
            return true;
        }
        r.user = r.user && any(entry, PTE_U);
        r.write = r.write && any(entry, PTE_W);
        r.fetch = r.fetch && !(w->nx_enabled && any(entry, PTE_NX));
        if (leaf)
            return at_leaf(w, level, r, at, entry, out);
        if (!any(entry, PTE_A) &&
            !w->m->set_flags(w->m->ctx, at, w->entry_size, entry, entry | PTE_A))
            return false;
        table = w->entry_size == 8 ? entry & PTE_ADDR : entry & 0xfffff000u;
    }
}

/* Another processor or a device may change an entry between every read and the store of its flags.
 * Such changes must not keep L0 in this loop for ever. After WALK_TRIES walks the guest gets a
 * spurious page fault, on which software executes the instruction again. CAVEAT(walk-tries) */
static struct walk_result descend(const struct walker *w, u64 table, unsigned level)
{
    struct walk_result out;
    for (u32 i = 0; i < WALK_TRIES; i++)
        if (walk_once(w, table, level, &out))
            return out;
    return fault(w, 0);
}

struct walk_result pagewalk(const struct paging_state *p, const struct walk_memory *m, u64 gla,
                            u64 access)
{
    struct walker w = {.p = p, .m = m, .gla = gla, .access = access};
    if (!any(p->cr0, CR0_PG))
        return (struct walk_result){
            .ok = true, .gpa = gla & 0xffffffffu, .user = true, .write = true, .fetch = true};
    if (!any(p->cr4, CR4_PAE)) {
        w.entry_size = 4;
        w.index_bits = 10;
        w.gla &= 0xffffffffu;
        return descend(&w, p->cr3 & 0xfffff000u, 2);
    }
    w.entry_size = 8;
    w.index_bits = 9;
    w.nx_enabled = any(p->efer, EFER_NXE);
    if (any(p->efer, EFER_LMA))
        return descend(&w, p->cr3 & PTE_ADDR, 4);
    w.gla &= 0xffffffffu;
    u64 pdpte = p->pdpte[w.gla >> 30];
    if (!any(pdpte, PTE_P))
        return fault(&w, 0);
    return descend(&w, pdpte & PTE_ADDR, 2);
}
