/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pass D: what changes in a VMCS's memory that no field reaches, over VMPTRLD, VMLAUNCH with a VM
 * exit, and VMCLEAR. It launches an ordinary L2 that does nothing but VMCALL.
 */
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"
#include "guest-tests/probe/probe.h"

static u8 owned[PROBE_PAGE];

/* Bytes of fields, by the best that the passes know. */
static void find_owned(void)
{
    for (unsigned i = 0; i < probe_fields; i++) {
        const struct probe_field *f = &probe_field[i];

        for (unsigned bit = 0; bit < 8u * f->size; bit++)
            if (f->stored >> bit & 1 && f->where[bit] != NO_BIT)
                owned[f->where[bit] / 8] = 1;
        for (unsigned n = 0; !f->stored && f->fill != NO_PLACE && n < f->size; n++)
            owned[(unsigned)f->fill + n] = 1;
    }
}

/* Prints each run of changed bytes, eight at most in a line. */
static void say_changes(const char *when, const u8 *before, const u8 *after, bool fields_too)
{
    unsigned said = 0;

    for (unsigned at = 0; at < PROBE_PAGE && said < 24; at++) {
        unsigned n = 0;
        u64 was = 0, is = 0;

        while (n < 8 && at + n < PROBE_PAGE && before[at + n] != after[at + n] &&
               (fields_too || !owned[at + n])) {
            was |= (u64)before[at + n] << 8 * n;
            is |= (u64)after[at + n] << 8 * n;
            n++;
        }
        if (n == 0)
            continue;
        probe_line("hidden: %s 0x%03x %u %lx %lx", when, at, n, was, is);
        at += n - 1;
        said++;
    }
    probe_line("hidden: %s runs %u", when, said);
}

void probe_hidden(void)
{
    u8 *live = arena(PG_VMCS_A), *kept = arena(PG_PROBE_KEPT);
    unsigned bytes = 0;

    find_owned();
    for (unsigned at = 0; at < PROBE_PAGE; at++)
        bytes += owned[at];
    probe_line("hidden: bytes of fields %u", bytes);
    l2_init();
    l2_world(L2_64);
    l2_code("", 0);
    l2_write();
    vmx_vmclear(ARENA_AT(PG_VMCS_A));
    probe_copy(PG_PROBE_KEPT, PG_VMCS_A);
    vmx_vmptrld(ARENA_AT(PG_VMCS_A));
    say_changes("vmptrld", kept, live, false);
    probe_copy(PG_PROBE_KEPT, PG_VMCS_A);
    l2_enter(false);
    probe_line("hidden: exit reason %lx", l2_seen[VI_EXIT_REASON]);
    say_changes("launch", kept, live, false);
    probe_copy(PG_PROBE_KEPT, PG_VMCS_A);
    vmx_vmclear(ARENA_AT(PG_VMCS_A));
    say_changes("vmclear", kept, live, false);
}
