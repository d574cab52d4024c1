/* SPDX-License-Identifier: BSD-2-Clause */
/* Contract in level.h. */
#include "hv/level/level.h"
#include "hv/arch/pagewalk.h"
#include "hv/ept/ept.h"
#include "hv/vmx/guestmem.h"
#include "hv/vmx/insn.h"

static void tell(const struct level_walk *w, const char *what, u64 at, u64 entry)
{
    if (w->tell)
        w->tell(w->ctx, what, at, entry);
}

static u64 fetch12(void *ctx, gpa1_t at)
{
    const struct level_walk *w = ctx;
    u64 entry = ~0ull;
    if (gpa1_read(w->cpu, at, &entry, sizeof entry))
        tell(w, "  EPT12 entry at L1's ", at.a, entry);
    return entry;
}

/* From L2's physical address, or L1's own, to L1's. */
static bool to_l1(const struct level_walk *w, u64 gpa, gpa1_t *at)
{
    const struct nested *n = w->cpu->nested;
    struct ept_walk walk;
    *at = GPA1(gpa);
    if (!w->l2 || !any(vmcs12_cpu2(&n->now->vmcs12), CPU2_ENABLE_EPT))
        return true;
    struct ept_env env = {.eptp = n->now->vmcs12.ept_pointer,
                          .ept_vpid_cap = n->caps.ept_vpid,
                          .maxphyaddr = w->cpu->vm->facts.phys_bits,
                          .fetch = fetch12,
                          .ctx = (void *)w};
    struct ept_from root = ept_from_root(env.eptp);
    ept_walk_from(&env, &root, GPA2(gpa), QUAL_EPT_READ, &walk);
    if (walk.result != EPT_OK)
        return false;
    *at = GPA1(walk.leaf.base.a + (gpa & (walk.leaf.size - 1)));
    return true;
}

static u64 table_read(void *ctx, u64 gpa, unsigned size)
{
    const struct level_walk *w = ctx;
    gpa1_t at;
    u64 entry = 0;
    if (!to_l1(w, gpa, &at) || !gpa1_read(w->cpu, at, &entry, size))
        return 0;
    tell(w, w->l2 ? "entry at L2's " : "entry at L1's ", gpa, entry);
    return entry;
}

static bool table_keep(void *ctx, u64 gpa, unsigned size, u64 old, u64 new)
{
    (void)ctx, (void)gpa, (void)size, (void)old, (void)new;
    return true; /* as if it were stored */
}

struct paging_state level_paging(const struct cpu *cpu)
{
    struct paging_state p = {.cr0 = vmcs_read(ENC_guest_cr0),
                             .cr3 = vmcs_read(ENC_guest_cr3),
                             .cr4 = vmcs_read(ENC_guest_cr4) & ~(CR4_SMAP | CR4_PKE),
                             .efer = vmcs_read(ENC_guest_efer),
                             .page_1g = cpu->vm->facts.page_1g,
                             .maxphyaddr = (u8)cpu->vm->facts.phys_bits};
    for (u32 i = 0; i < 4; i++)
        p.pdpte[i] = vmcs_read(vmcs_pdpte(i));
    return p;
}

bool level_place(const struct level_walk *w, u64 address, gpa1_t *at)
{
    struct walk_memory m = {(void *)w, table_read, table_keep};
    struct cpu *cpu = w->cpu;
    struct vmcs *runs = cpu->current;
    if (!w->l2)
        vmcs_load(cpu, &cpu->vmcs01);
    struct paging_state p = level_paging(cpu);
    vmcs_load(cpu, runs);
    if (any(p.efer, EFER_LMA) ? (u64)((long long)(address << 16) >> 16) != address
                              : address >> 32 != 0)
        return false;
    struct walk_result r = pagewalk(&p, &m, address, 0);
    return r.ok && to_l1(w, r.gpa, at);
}

u32 level_read(const struct level_walk *w, u64 address, u8 *to, u32 n)
{
    u32 done = 0;
    while (done < n) {
        u32 room = (u32)(PAGE_SIZE - ((address + done) & (PAGE_SIZE - 1)));
        u32 part = n - done < room ? n - done : room;
        gpa1_t at;
        if (!level_place(w, address + done, &at) || !gpa1_read(w->cpu, at, to + done, part))
            break;
        done += part;
    }
    return done;
}
