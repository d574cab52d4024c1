/* SPDX-License-Identifier: BSD-2-Clause */
/* From the options and the machine to the struct boot_info. Contract in efi_prepare.h. */
#include "boot/efi_prepare.h"

#include "boot/efi_machine.h"
#include "boot/efi_screen.h"
#include "boot/efi_sleep.h"
#include "boot/efi_vtd.h"
#include "boot/errata.h"
#include "boot/spec.h"

/* The debugger has I/O bitmaps of its own. */
bool prepare_sleep(const struct options *o, struct boot_sleep *at, struct line *l)
{
    bool unhindered = sleep_look(at, l);
    if (o->s3 == OPTIONS_S3_REFUSE && !o->gdb)
        return unhindered;
    bool exists = unhindered || at->types[0];
    *at = (struct boot_sleep){0};
    line_clear(l);
    line_add(l, "S3 is not refused: ");
    line_add(l, o->gdb ? "gdb= is on" : "s3=allow");
    return exists;
}

static struct boot_info info_of(const struct machine *m, const struct options *o)
{
    struct boot_info info = {
        .log = o->log,
        .verbose = o->verbose,
        .nested = o->nested,
        .profile = o->profile,
        .shadow = o->shadow,
        .fast = o->fast && !o->gdb,
        .gdb = o->gdb,
        .stress = o->stress,
        .tlb = o->tlb,
        .trace = o->trace,
        .spec = SPEC_ALL,
        .plant = o->plant,
        .cmos = o->cmos,
        .hvbit = o->hvbit,
        .cpu_count = machine_wanted(m, o),
        .can_vmx = require_first_missing(m->facts) == require_count(),
    };
    struct line l;
    (void)prepare_sleep(o, &info.sleep, &l);
    if (o->screen != SCREEN_OFF)
        screen_find(&info.screen);
    info.screen.status = o->screen == SCREEN_CORNER;
    vtd_list(m->vtd, &info);
    for (u32 i = 0; i < info.cpu_count; i++) {
        info.spec &= spec_plan(&m->facts[i], o->spec).done; /* what every processor has */
        info.no_deadline |= errata_tsc_deadline(&m->facts[i]);
        info.no_timer |= errata_preemption_timer(&m->facts[i]);
    }
    return info;
}

const char *prepare_region(struct region *r, const struct machine *m, const struct options *o)
{
    struct boot_info info = info_of(m, o);
    return memory_prepare(r, &info, m->vtd->pages);
}

const char *prepare_try(const struct machine *m, const struct options *o)
{
    struct region region;
    const char *why = prepare_region(&region, m, o);
    if (!why)
        memory_release(&region);
    return why;
}
