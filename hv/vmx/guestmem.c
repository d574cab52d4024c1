/* SPDX-License-Identifier: BSD-2-Clause */
/* Translates L1's physical addresses, and copies within bounds. Today an address of L1's RAM equals
 * the machine's; only this file and EPT01 know that. */
#include "hv/vmx/guestmem.h"
#include "hv/arch/paging.h"
#include "hv/core/privileged.h"
#include "hv/core/lib.h"

static bool in_hole(const struct vm *vm, gpa1_t gpa1)
{
    return gpa1.a - vm->hole.a < vm->hole_size;
}

static bool in_ram(const struct vm *vm, u64 a)
{
    for (u32 i = 0; i < vm->range_count; i++)
        if (a - vm->range[i].base < vm->range[i].size)
            return true;
    return false;
}

/* Returns a, or 0 when a lies in the hole. Under speculation the tests in gpa1_to_hpa may take an
 * address in the hole for RAM. A page walk would then read L0's memory as a table and follow its
 * entries. What is neither RAM nor hole is not mapped for L0, or not cached (VT-d's registers). */
static u64 not_in_hole(const struct vm *vm, u64 a)
{
    return a & ~index_mask(a - vm->hole.a, vm->hole_size);
}

/* CAVEAT(apic-page-operand) */
struct gpa1_place gpa1_to_hpa(const struct cpu *cpu, gpa1_t gpa1)
{
    const struct vm *vm = cpu->vm;
    if (in_hole(vm, gpa1))
        return (struct gpa1_place){GPA1_SINK, HPA(vm->sink.a | (gpa1.a & (PAGE_SIZE - 1)))};
    if ((gpa1.a & ~(PAGE_SIZE - 1)) == cpu->apic_page.a)
        return (struct gpa1_place){GPA1_NOTHING, HPA(0)};
    if (in_ram(vm, gpa1.a))
        return (struct gpa1_place){GPA1_RAM, HPA(not_in_hole(vm, gpa1.a))};
    return (struct gpa1_place){GPA1_NOTHING, HPA(0)};
}

void *gpa1_map(const struct cpu *cpu, gpa1_t gpa1)
{
    struct gpa1_place p = gpa1_to_hpa(cpu, gpa1);
    return p.kind == GPA1_NOTHING ? NULL : mem_va(&cpu->vm->mem, p.hpa);
}

static size_t to_page_end(u64 a, size_t n)
{
    size_t rest = PAGE_SIZE - (a & (PAGE_SIZE - 1));
    return n < rest ? n : rest;
}

bool gpa1_read(const struct cpu *cpu, gpa1_t gpa1, void *to, size_t n)
{
    bool whole = true;
    for (u8 *out = to; n;) {
        size_t part = to_page_end(gpa1.a, n);
        const void *from = gpa1_map(cpu, gpa1);
        if (from)
            memcpy(out, from, part);
        else
            memset(out, 0xff, part);
        whole &= from != NULL;
        out += part;
        n -= part;
        gpa1.a += part;
    }
    return whole;
}

bool gpa1_write(const struct cpu *cpu, gpa1_t gpa1, const void *from, size_t n)
{
    bool whole = true;
    for (const u8 *in = from; n;) {
        size_t part = to_page_end(gpa1.a, n);
        void *to = gpa1_map(cpu, gpa1);
        if (to)
            memcpy(to, in, part);
        whole &= to != NULL;
        in += part;
        n -= part;
        gpa1.a += part;
    }
    return whole;
}

void gpa1_read_open(const struct cpu *cpu, gpa1_t gpa1, void *to, size_t n)
{
    (void)!gpa1_read(cpu, gpa1, to, n);
}

void gpa1_write_open(const struct cpu *cpu, gpa1_t gpa1, const void *from, size_t n)
{
    (void)!gpa1_write(cpu, gpa1, from, n);
}

void gpa1_read_pdptes(const struct cpu *cpu, u64 cr3, u64 pdpte[4])
{
    gpa1_read_open(cpu, GPA1(cr3 & CR3_PDPT), pdpte, 4 * sizeof *pdpte);
}
