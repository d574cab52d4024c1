/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nidus.efi: reads the options, refuses an unsuitable machine with one clear line, hands over to
 * the core, and goes on as L1. Nothing changes before the last check has passed. efi_memory.c
 * prepares memory and page tables; handoff.asm makes the switch. Read next: handoff.asm.
 */
#include <efi.h>
#include <efilib.h>

#include "boot/efi_chain.h"
#include "boot/efi_console.h"
#include "boot/efi_machine.h"
#include "boot/efi_options.h"
#include "boot/efi_prepare.h"
#include "boot/efi_ring.h"
#include "boot/efi_ucode.h"
#include "boot/efi_vtd.h"
#include "boot/spec.h"
/* This is one text, because a table of pointers would need relocations. */
static const char help[] =
    "nidus.efi [key=value ...]; \\EFI\\nidus\\nidus.cfg takes the same, one a line\r\n"
    "The first of several words is what holds without the option; trace= and stress= have none.\r\n"
    "  help, version                      this; the version and the commit\r\n"
    "  check                              say what Nidus needs and wants, and launch "
    "nothing\r\n"
    "  dry                                do all but the launch, on every processor\r\n"
    "  blink                              launch each processor, and take it back after an exit\r\n"
    "  chain=PATH [args]                  start this program as L1 afterwards; last on the "
    "line\r\n"
    "  nested=on|off                      let L1 see VMX\r\n"
    "  profile=broadwell|e5-2683v4|d-1540|host   the VMX that L1 sees\r\n"
    "  log=none|e9|com1|com2|port:0xNNNN verbose=0..2   where L0 writes after launch, and how "
    "much\r\n"
    "  ring                               print what L0 logged last, before a warm reset too\r\n"
    "  hvbit=on|off                       off: CPUID shows L1 no hypervisor\r\n"
    "  ucode=PATH                         load this microcode update on every processor\r\n"
    "  s3=refuse|allow                    allow: let S3, which ends Nidus, happen\r\n"
    "  screen=on|off|corner cmos=off|on   where L0's own bugs, its last line and its stage show\r\n"
    "  wait=auto|on|off                   wait for a key or ten seconds behind a report\r\n"
    "  cpus=all|bsp                       bsp: leave the other processors outside\r\n"
    "  mp=auto|sipi                       sipi: wake processors without the firmware's MP "
    "services\r\n"
    "  vtd=on|off|require                 VT-d keeps devices out of L0's memory\r\n"
    "  shadow=on|off fast=on|off tlb=default|strict|eager    how L0 works\r\n"
    "  spec=auto|full|off|l1d|verw|ibpb|rsb|specctrl[,...]   against attacks by speculation\r\n"
    "  gdb=none|com2|wait                 a debugger on COM2; wait: before L1 goes on\r\n"
    "  trace=exits|routes|events|insns|fills|entries|l1|l2|all|com2|cpu0..3[,...]   a record of "
    "each exit\r\n"
    "  stress=remerge|restore|paranoid|flush|evict|odd-cpu|last-cpu|guard[,...] plant=N   for "
    "tests";

/* Prints the one line of a refusal, and returns the status for the caller to return. */
static EFI_STATUS refuse(const char *why, EFI_STATUS status)
{
    struct line l;
    line_clear(&l);
    line_add(&l, "cannot run: ");
    line_add(&l, why);
    console_say_line(&l);
    return status;
}

/* Prints "check: ", the text `what` and the line, and clears the line for the next use. */
static void say_check(const char *what, struct line *l)
{
    struct line out;
    line_clear(&out);
    line_add(&out, "check: ");
    line_add(&out, what);
    line_add(&out, l->text);
    console_say_line(&out);
    line_clear(l);
}

static void add_speculation(const struct facts *f, const struct options *o, struct line *l)
{
    struct spec_plan p = spec_plan(f, o->spec);
    line_add(l, "speculation: ");
    spec_describe(&p, l);
}

/* True when VT-d guards, or is not required to. */
static bool is_guarded(const struct machine *m, const struct options *o, struct line *why)
{
    line_clear(why);
    if (o->vtd != OPTIONS_VTD_REQUIRE || m->vtd->count)
        return true;
    line_add(why, "vtd=require: ");
    vtd_describe(m->vtd, why);
    return false;
}

/* Has VT-d guard the region, as far as it can. False: as it cannot, there is to be no launch. */
static bool guard(struct machine *m, const struct options *o, struct region *r, struct line *why)
{
    line_clear(why);
    if (!m->vtd->count || vtd_guard(m->vtd, r) || !r->stays)
        return is_guarded(m, o, why);
    line_add(why, m->vtd->why.text);
    line_add(why, "; reset this machine, as devices may go by L0's tables");
    return false;
}

/* A line about each requirement that a processor meets or misses. The first processor's are told in
 * full; of another only what it misses. */
static void report_processor(const struct machine *m, u32 i)
{
    struct line l;
    u32 missing = 0;
    for (u32 n = 0; n < require_count(); n++) {
        bool met = require_is_met(&m->facts[i], n);
        missing += !met && require_is_needed(n);
        if (i && met == require_is_met(m->facts, n))
            continue;
        line_clear(&l);
        if (i)
            cpus_name(&m->cpus, i, &l);
        require_report(&m->facts[i], n, &l);
        say_check("", &l);
    }
    line_clear(&l);
    cpus_name(&m->cpus, i, &l);
    line_add(&l, missing ? "cannot run Nidus" : "can run Nidus");
    say_check("", &l);
}

/* The option check: prints what each processor has, and then the verdict that a launch would
 * meet. */
static EFI_STATUS report(EFI_HANDLE image, const struct machine *m, const struct options *o)
{
    struct line l, ucode;
    bool well = ucode_apply(image, o->ucode, m, machine_wanted(m, o), false, &ucode);
    for (u32 i = 0; i < machine_wanted(m, o); i++)
        report_processor(m, i);
    line_clear(&l);
    line_add_decimal(&l, machine_wanted(m, o));
    line_add(&l, " of ");
    line_add_decimal(&l, m->cpus.count);
    line_add(&l, " (");
    line_add(&l, m->cpus.source);
    line_add(&l, ")");
    say_check("found   needed processors: ", &l);
    add_speculation(m->facts, o, &l);
    say_check("", &l);
    struct boot_sleep at;
    (void)prepare_sleep(o, &at, &l);
    say_check("", &l);
    vtd_describe(m->vtd, &l);
    say_check(m->vtd->count ? "found   wanted VT-d: " : "missing wanted VT-d: ", &l);
    if (well && ucode.len)
        say_check("", &ucode);
    const char *no_memory = prepare_try(m, o);
    line_add_decimal(&l, region_size(machine_wanted(m, o), o->trace, m->vtd->pages) >> 20);
    line_add(&l, " MiB in one piece");
    say_check(no_memory ? "missing needed memory: " : "found   needed memory: ", &l);
    if (!machine_can_run(m, o, &l))
        return refuse(l.text, EFI_UNSUPPORTED);
    if (no_memory)
        return refuse(no_memory, EFI_UNSUPPORTED);
    if (!is_guarded(m, o, &l))
        return refuse(l.text, EFI_UNSUPPORTED);
    if (!well)
        return refuse(ucode.text, EFI_UNSUPPORTED);
    say_check("Nidus can run here; launched nothing", &l);
    return EFI_SUCCESS;
}

/* The option dry: takes every processor as far as a launch can go and come back. */
static EFI_STATUS rehearse(struct machine *m, const struct options *o)
{
    struct region region;
    struct line why, l;
    u32 count = machine_wanted(m, o);
    const char *no_memory = prepare_region(&region, m, o);
    if (no_memory)
        return refuse(no_memory, EFI_UNSUPPORTED);
    if (!guard(m, o, &region, &why)) {
        memory_release(&region);
        return refuse(why.text, EFI_UNSUPPORTED);
    }
    if (m->vtd->count || m->vtd->why.len)
        vtd_say(m->vtd);
    region.stays |= (o->stress & STRESS_GUARD) != 0;
    if (!nidus_rehearse(&region, m, &why))
        return refuse(why.text, EFI_UNSUPPORTED);
    line_clear(&l);
    line_add(&l, "dry: ");
    line_add_decimal(&l, count);
    line_add(&l, count == 1 ? " processor" : " processors");
    line_add(&l, machine_can_run_first(m, &why)
                     ? " went as far as VMLAUNCH and back; launched nothing"
                     : " went to L0's tables and back; without VMX nothing more");
    console_say_line(&l);
    return EFI_SUCCESS;
}

static void add_cycles(struct line *l, const char *what, u64 cycles)
{
    line_add(l, what);
    line_add_decimal(l, cycles);
}

/* The option blink: launches every processor in turn and takes it back after an exit. */
static EFI_STATUS blink(const struct machine *m, const struct options *o)
{
    struct region region;
    struct blink took;
    struct line why, l;
    const char *no_memory = prepare_region(&region, m, o);
    if (no_memory)
        return refuse(no_memory, EFI_UNSUPPORTED);
    if (!nidus_blink(&region, m, &why, &took))
        return refuse(why.text, EFI_UNSUPPORTED);
    line_clear(&l);
    add_cycles(&l, "blink: ", machine_wanted(m, o));
    line_add(&l, machine_wanted(m, o) == 1 ? " processor" : " processors");
    add_cycles(&l, " entered L1, exited and left; cycles: in ", took.in);
    add_cycles(&l, ", exit ", took.exit);
    add_cycles(&l, ", out ", took.out);
    console_say_line(&l);
    return EFI_SUCCESS;
}

/* Tells the user before the switch which options are in force and who can reach L0's memory. */
static void say_terms(const struct machine *m, const struct options *o)
{
    struct line l;
    line_clear(&l);
    line_add(&l, "options: ");
    options_describe(o, &l);
    console_say_line(&l);
    line_clear(&l);
    add_speculation(m->facts, o, &l);
    console_say_line(&l);
    vtd_say(m->vtd);
    struct boot_sleep at;
    struct line sleep;
    if (prepare_sleep(o, &at, &sleep)) {
        line_clear(&l);
        line_add(&l, "warning: ");
        line_add(&l, sleep.text);
        console_say_line(&l);
    }
    if (m->cpus.count == machine_wanted(m, o))
        return;
    line_clear(&l);
    line_add(&l, "warning: other processors stay outside (");
    line_add_decimal(&l, m->cpus.count - 1);
    line_add(&l, "), and L0 is not protected from them");
    console_say_line(&l);
}

/* Version and depth come from CPUID, so the line also proves that L0 answers. */
static void say_launched(const struct region *r, u32 cpus, bool shown)
{
    struct nidus_cpuid n = {0};
    struct line l;
    line_clear(&l);
    line_add(&l,
             facts_inside_nidus(&n) == shown ? "launched: " : "bug: launched but not as asked: ");
    if (shown) {
        line_add(&l, "version ");
        line_add_decimal(&l, n.version);
        line_add(&l, ", depth ");
        line_add_decimal(&l, n.depth);
        line_add(&l, ", ");
    }
    line_add_decimal(&l, cpus);
    line_add(&l, cpus == 1 ? " processor, L0 at " : " processors, L0 at ");
    line_add_hex(&l, r->base);
    line_add(&l, ", ");
    line_add_decimal(&l, r->size >> 20);
    line_add(&l, " MiB; what runs from here on is L1");
    console_say_line(&l);
}

/* Prepares memory and launches. True when this code runs as L1; else *why says why not. */
static bool start(struct machine *m, const struct options *o, struct line *why)
{
    struct region region;
    const char *no = prepare_region(&region, m, o);
    line_clear(why);
    if (no) {
        line_add(why, no);
        return false;
    }
    if (!guard(m, o, &region, why)) {
        memory_release(&region);
        return false;
    }
    say_terms(m, o);
    if (!nidus_launch(&region, m, why))
        return false;
    say_launched(&region, machine_wanted(m, o), o->hvbit);
    return true;
}

/* As rehearse; with stress=guard, VT-d stays in force, and chain= runs under it. */
static EFI_STATUS rehearse_and_stay(EFI_HANDLE image, struct machine *m, const struct options *o)
{
    EFI_STATUS status = rehearse(m, o);
    if (EFI_ERROR(status) || !(o->stress & STRESS_GUARD) || !o->chain[0])
        return status;
    status = chain_run(image, o->chain);
    vtd_say_faults(m->vtd);
    return status;
}

/* The option ucode=. What a processor is may change with its microcode. */
static bool update(EFI_HANDLE image, struct machine *m, const struct options *o, struct line *why)
{
    struct line l;
    bool load = !o->dry;
    if (!ucode_apply(image, o->ucode, m, machine_wanted(m, o), load, &l)) {
        *why = l;
        return false;
    }
    if (l.len)
        console_say_line(&l);
    return !l.len || !load || machine_read(m, o, why);
}

/* Does what the options ask for. *spoke becomes true when the words on the screen are what the user
 * wanted, or an error. */
static EFI_STATUS run(EFI_HANDLE image, struct options *o, struct machine *m, bool *spoke)
{
    struct line why;
    *spoke = true;
    if (!options_gather(image, o, &why))
        return refuse(why.text, EFI_INVALID_PARAMETER);
    if (o->help || o->version) {
        console_say(o->version ? NIDUS_VERSION : help);
        return EFI_SUCCESS;
    }
    if (o->ring)
        return ring_report();
    cpus_find(&m->cpus, !o->own_sipi);
    facts_read(m->facts);
    if (!o->check && !o->dry && !machine_can_run_first(m, &why))
        return refuse(why.text, EFI_UNSUPPORTED);
    if (!machine_read(m, o, &why))
        return refuse(why.text, EFI_UNSUPPORTED);
    if (o->vtd != OPTIONS_VTD_OFF)
        vtd_find(m->vtd);
    if (o->check)
        return report(image, m, o);
    if (!is_guarded(m, o, &why))
        return refuse(why.text, EFI_UNSUPPORTED);
    if (!o->dry && !machine_can_run(m, o, &why))
        return refuse(why.text, EFI_UNSUPPORTED);
    if (!update(image, m, o, &why))
        return refuse(why.text, EFI_UNSUPPORTED);
    if (o->dry)
        return rehearse_and_stay(image, m, o);
    if (o->blink)
        return blink(m, o);
    if (!start(m, o, &why))
        return refuse(why.text, EFI_UNSUPPORTED);
    EFI_STATUS s = o->chain[0] ? chain_run(image, o->chain) : EFI_SUCCESS;
    *spoke = EFI_ERROR(s);
    return s;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st)
{
    static struct options o;
    static struct vtd vtd;
    static struct machine m;
    bool spoke;
    InitializeLib(image, st);
    m.vtd = &vtd;
    BS->SetWatchdogTimer(0, 0, 0, NULL); /* the boot manager's would reset the machine */
    EFI_STATUS s = run(image, &o, &m, &spoke);
    if (spoke)
        console_wait(image, o.wait);
    return s;
}
