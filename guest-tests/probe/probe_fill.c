/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pass B: fills the page with bytes that tell their place, and reads every field, those too that
 * cannot be written. Two fills rule a coincidence out. A filled VMCS is never launched.
 */
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/probe/probe.h"

enum { FILLS = 2 };

static u64 value[FILLS][PROBE_MAX];

/* The first fill tells the place modulo 256, the second the 256 bytes that it is in. */
static u8 byte_of(unsigned fill, unsigned at)
{
    return (u8)(fill == 0 ? at : at >> 8 | (~at & 15) << 4);
}

/* Below the first place that pass A or C found there is nothing for a fill to find. */
static unsigned first_byte(void)
{
    unsigned first = PROBE_FIRST_BYTE;

    for (unsigned i = 0; i < probe_fields; i++)
        if (probe_field[i].walk != NO_PLACE && probe_field[i].walk < (int)first)
            first = (unsigned)probe_field[i].walk;
    return first;
}

/* The VMCS under test leaves the CPU: others are loaded, more than a core is known to keep. */
static void evict(void)
{
    for (unsigned i = 0; i < PROBE_OTHERS; i++) {
        *(u32 *)arena(PG_PROBE_OTHER + i) = (u32)gt_rdmsr(MSR_VMX_BASIC) & 0x7fffffff;
        vmx_vmclear(ARENA_AT(PG_PROBE_OTHER + i));
        vmx_vmptrld(ARENA_AT(PG_PROBE_OTHER + i));
    }
    for (unsigned i = 0; i < PROBE_OTHERS; i++)
        vmx_vmclear(ARENA_AT(PG_PROBE_OTHER + i));
}

static void read_filled(unsigned fill)
{
    probe_store();
    evict();
    probe_copy(PG_PROBE, PG_PROBE_BASE);
    for (unsigned at = first_byte(); at < PROBE_PAGE; at++)
        probe_page(PG_PROBE)[at] = byte_of(fill, at);
    vmx_vmptrld(ARENA_AT(PG_PROBE));
    for (unsigned i = 0; i < probe_fields; i++) {
        value[fill][i] = 0;
        vmx_vmread(probe_field[i].enc, &value[fill][i]);
    }
    probe_store();
    probe_copy(PG_PROBE, PG_PROBE_BASE);
    probe_store();
}

static bool fits(unsigned i, unsigned fill, int at, u64 mask)
{
    const struct probe_field *f = &probe_field[i];
    u64 expected = 0;

    for (unsigned n = 0; n < f->size; n++)
        expected |= (u64)byte_of(fill, (unsigned)at + n) << 8 * n;
    return ((value[fill][i] ^ expected) & mask) == 0;
}

/* A packed field: each bit must come from where the walk saw it go. */
static bool gathered(unsigned i)
{
    const struct probe_field *f = &probe_field[i];

    for (unsigned fill = 0; fill < FILLS; fill++) {
        for (unsigned bit = 0; bit < 8u * f->size; bit++) {
            unsigned from = f->where[bit];

            if (!(f->stored >> bit & 1))
                continue;
            if (from == NO_BIT ||
                (byte_of(fill, from / 8) >> from % 8 & 1) != (value[fill][i] >> bit & 1))
                return false;
        }
    }
    return f->stored != 0;
}

/* The one place that explains both values. */
static int search(unsigned i, unsigned from)
{
    const struct probe_field *f = &probe_field[i];
    u64 all = f->size == 8 ? ~0ull : (1ull << 8 * f->size) - 1;
    u64 mask = f->stored ? f->stored : all;
    int found = NO_PLACE;

    for (int at = (int)from; at + f->size <= PROBE_PAGE; at++) {
        if (!fits(i, 0, at, mask) || !fits(i, 1, at, mask))
            continue;
        if (found != NO_PLACE) /* too few bits are stored for one answer */
            return f->straight && fits(i, 0, f->walk, mask) && fits(i, 1, f->walk, mask) ? f->walk
                                                                                         : NO_PLACE;
        found = at;
    }
    return found;
}

void probe_filled(void)
{
    unsigned from = first_byte();

    for (unsigned fill = 0; fill < FILLS; fill++)
        read_filled(fill);
    for (unsigned i = 0; i < probe_fields; i++) {
        struct probe_field *f = &probe_field[i];

        if (f->stored && !f->straight)
            f->fill = gathered(i) ? f->walk : NO_PLACE;
        else
            f->fill = search(i, from);
    }
}
