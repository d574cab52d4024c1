/* SPDX-License-Identifier: BSD-2-Clause */
/* The pure page walk (hv/arch/pagewalk.h) meets the guest's registers and memory. */
#include "hv/vmx/gla.h"
#include "hv/vmx/insn.h"
#include "hv/core/privileged.h"

u64 gla_table_read(void *cpu, u64 gpa, unsigned size)
{
    u64 v = 0;
    gpa1_read_open(cpu, GPA1(gpa), &v, size);
    return v;
}

/* The exchange cannot fault: L0 maps L1's RAM writable, and the entry is aligned (pagewalk.h). */
bool gla_table_set_flags(void *cpu, u64 gpa, unsigned size, u64 old, u64 new)
{
    void *entry = gpa1_map(cpu, GPA1(gpa));
    if (!entry)
        return true; /* no RAM is there: the write is dropped */
    if (size == 8)
        return __sync_bool_compare_and_swap((u64 *)entry, old, new);
    return __sync_bool_compare_and_swap((u32 *)entry, (u32)old, (u32) new);
}

static struct paging_state paging_of(struct cpu *cpu)
{
    exit_more(cpu, SNAP_MODE | SNAP_STEP);
    const struct exit_state *st = &cpu->st;
    struct paging_state p = {
        .cr0 = st->cr0,
        .cr3 = st->cr3,
        .cr4 = st->cr4,
        .efer = st->efer,
        .ac = any(st->rflags, RFLAGS_AC),
        .page_1g = cpu->vm->facts.page_1g,
        .cpl = (u8)ar_dpl(st->ss_ar),
        .maxphyaddr = (u8)cpu->vm->facts.phys_bits,
        .pkru = any(st->cr4, CR4_PKE) ? read_pkru() : 0,
    };
    if (any(p.cr0, CR0_PG) && any(p.cr4, CR4_PAE) && !any(p.efer, EFER_LMA)) {
        exit_more(cpu, SNAP_PDPTE);
        for (u32 i = 0; i < 4; i++)
            p.pdpte[i] = st->pdpte[i];
    }
    return p;
}

bool gla_translate_in(struct cpu *cpu, const struct gla_memory *m, u64 gla, u32 size, u64 access,
                      struct gla_span *span)
{
    struct paging_state p = paging_of(cpu);
    u32 room = (u32)(PAGE_SIZE - (gla & (PAGE_SIZE - 1)));
    span->size[0] = size < room ? size : room;
    span->size[1] = size - span->size[0];
    for (u32 i = 0; i < 2 && span->size[i]; i++) {
        u64 part = gla + (i ? span->size[0] : 0);
        if (!any(p.efer, EFER_LMA))
            part = (u32)part;
        cpu->fault.address = part;
        struct walk_result r = pagewalk(&p, &m->tables, part, access);
        if (!r.ok) {
            cpu->fault.vector = VEC_PF;
            cpu->fault.error = r.error_code;
            return false;
        }
        if (!m->place(m->tables.ctx, &r, access, &span->at[i]))
            return false;
    }
    return true;
}

static bool place_of_l1(void *cpu, const struct walk_result *r, u64 access, gpa1_t *at)
{
    (void)cpu;
    (void)access;
    *at = GPA1(r->gpa);
    return true;
}

/* The entry of L1's table at `table` for gla, or NULL where no memory is. */
static const volatile u64 *entry_at(const struct cpu *cpu, u64 table, u64 gla, u32 shift)
{
    return gpa1_map(cpu, GPA1(table | (gla >> shift & 0x1ff) * sizeof(u64)));
}

/* True when the leaf maps a page of 1 << shift bytes and has no reserved bit. */
static bool leaf_fits(const struct cpu *cpu, u64 leaf, u32 shift)
{
    u64 below = (1ull << shift) - PAGE_SIZE; /* bit 12 of a large leaf is PAT's */
    return shift == 12 || (!any(leaf, below & ~BIT(12)) &&
                           (shift == 21 || (shift == 30 && cpu->vm->facts.page_1g)));
}

/* Walks for w->page. SDM 3A 4.5 "4-Level Paging and 5-Level Paging" */
static bool walk_plain(const struct cpu *cpu, struct plain_walk *w)
{
    u64 never = (phys_reserved(cpu->vm->facts.phys_bits) & PTE_ADDR) |
                (any(w->key.efer, EFER_NXE) ? 0 : PTE_NX);
    u64 entry = w->key.cr3, rights = PTE_U | PTE_W, gla = w->key.page << PAGE_SHIFT;
    u32 shift = 48;
    for (u32 i = 0; i < 4; i++) {
        if (shift == 48 || (shift != 12 && !any(entry, PTE_PS))) {
            shift -= 9;
            w->at[i] = entry_at(cpu, entry & PTE_ADDR, gla, shift);
            if (!w->at[i])
                return false;
            entry = *w->at[i];
            if (!all(entry, PTE_P | PTE_A) || any(entry, never))
                return false;
            rights &= entry;
        } else {
            w->at[i] = w->at[i - 1];
        }
        w->entry[i] = entry;
    }
    u64 in_leaf = (1ull << shift) - 1;
    w->gpa = (entry & PTE_ADDR & ~in_leaf) | (gla & in_leaf);
    w->va = gpa1_map(cpu, GPA1(w->gpa));
    w->writable = any(rights, PTE_W) && any(entry, PTE_D);
    return leaf_fits(cpu, entry, shift) &&
           !(any(rights, PTE_U) && any(w->key.cr4, CR4_SMAP | CR4_PKE));
}

const struct plain_walk *gla_walk_plain(struct cpu *cpu, const struct walk_key *key)
{
    struct plain_walk *w = &cpu->walk[key->page % LAST_WALKS];
    w->key = *key;
    if (walk_plain(cpu, w))
        return w;
    w->key.efer = 0; /* is not remembered: in IA-32e mode EFER is not 0 */
    return NULL;
}

bool gla_translate(struct cpu *cpu, u64 gla, u32 size, u64 access, struct gla_span *span)
{
    const struct exit_state *st = &cpu->st;
    const struct plain_walk *w = NULL;
    u64 in_page = gla & (PAGE_SIZE - 1);
    exit_more(cpu, SNAP_MODE);
    if (in_page + size <= PAGE_SIZE && !any(access, ~(u64)PF_W) && any(st->efer, EFER_LMA) &&
        !any(st->cr4, CR4_LA57) && ar_dpl(st->ss_ar) == 0)
        w = gla_plain(cpu, gla, st->cr3, st->cr4, st->efer);
    if (w && (w->writable || !any(access, PF_W))) {
        *span = (struct gla_span){.at = {GPA1(w->gpa | in_page)}, .size = {size}};
        return true;
    }
    struct gla_memory m = {{cpu, gla_table_read, gla_table_set_flags}, place_of_l1};
    if (gla_translate_in(cpu, &m, gla, size, access, span))
        return true;
    write_cr2(cpu->fault.address);
    return false;
}

void span_read(const struct cpu *cpu, const struct gla_span *span, void *to)
{
    u32 done = 0;
    for (u32 i = 0; i < 2 && span->size[i]; done += span->size[i++])
        gpa1_read_open(cpu, span->at[i], (u8 *)to + done, span->size[i]);
}

void span_write(const struct cpu *cpu, const struct gla_span *span, const void *from)
{
    u32 done = 0;
    for (u32 i = 0; i < 2 && span->size[i]; done += span->size[i++])
        gpa1_write_open(cpu, span->at[i], (const u8 *)from + done, span->size[i]);
}
