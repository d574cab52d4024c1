/*
 * nidus.efi: reads the options, refuses an unsuitable machine with one clear line, hands over to
 * the core, and goes on as L1. Nothing changes before the last check has passed. efi_memory.c
 * prepares memory and page tables; handoff.asm makes the switch. Read next: handoff.asm.
 */
#include <efi.h>
#include <efilib.h>

#include "boot/efi_chain.h"
#include "boot/efi_console.h"
#include "boot/efi_cpus.h"
#include "boot/efi_facts.h"
#include "boot/efi_launch.h"
#include "boot/efi_options.h"
#include "boot/spec.h"
/* This is one text, because a table of pointers would need relocations. */
static const char help[] =
    "nidus.efi [key=value ...]; \\EFI\\nidus\\nidus.cfg takes the same, one a line\r\n"
    "  check                              say what Nidus needs and wants, and launch "
    "nothing\r\n"
    "  chain=PATH [args]                  start this program as L1 afterwards; last on the "
    "line\r\n"
    "  nested=on|off                      let L1 see VMX\r\n"
    "  profile=broadwell|e5-2683v4|d-1540|host   the VMX that L1 sees\r\n"
    "  log=none|e9|com1|com2 verbose=0..2 where L0 writes after launch, and how much\r\n"
    "  cpus=all|bsp                       bsp: leave the other processors outside\r\n"
    "  shadow=on|off fast=on|off tlb=default|strict|eager    how L0 works\r\n"
    "  spec=auto|full|off|l1d|verw|ibpb|rsb|specctrl[,...]   against attacks by speculation\r\n"
    "  stress=remerge|restore|paranoid|flush|evict[,...]   for tests";

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

/* A processor that is not under Nidus could write to L0's memory, so more than one processor is too
 * many, unless cpus=bsp accepts the risk. */
static bool too_many(const struct cpus *cpus, const struct options *o)
{
    return cpus->count > 1 && !o->bsp_only;
}

static void explain_cpus(const struct cpus *cpus, struct line *why)
{
    line_add_decimal(why, cpus->count);
    line_add(why, " processors (");
    line_add(why, cpus->source);
    line_add(why, "), one is supported; cpus=bsp runs on this one alone");
}

/* True when Nidus can run; else *why gets the first reason. The processor's features come first,
 * because without VMX the number of processors does not matter. */
static bool can_run(const struct facts *f, const struct cpus *cpus, const struct options *o,
                    struct line *why)
{
    u32 n = require_first_missing(f);
    line_clear(why);
    if (n < require_count())
        require_explain(f, n, why);
    else if (too_many(cpus, o))
        explain_cpus(cpus, why);
    return why->len == 0;
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

/* Reserves the memory that a launch would take, and gives it back. Returns NULL, or why there is
 * not enough. */
static const char *check_memory(void)
{
    static struct boot_info info;
    struct region region;
    const char *why = memory_prepare(&region, &info);
    if (!why)
        memory_release(&region);
    return why;
}

/* The option check: prints a line about each requirement, found or missing, and then the verdict
 * that a launch would meet. */
static EFI_STATUS report(const struct facts *f, const struct cpus *cpus, const struct options *o)
{
    struct line l;
    line_clear(&l);
    for (u32 n = 0; n < require_count(); n++) {
        require_report(f, n, &l);
        say_check("", &l);
    }
    line_add_decimal(&l, cpus->count);
    line_add(&l, " (");
    line_add(&l, cpus->source);
    line_add(&l, ")");
    say_check(too_many(cpus, o) ? "missing needed one processor: "
                                : "found   needed one processor: ",
              &l);
    add_speculation(f, o, &l);
    say_check("", &l);
    const char *no_memory = check_memory();
    line_add_decimal(&l, REGION_SIZE >> 20);
    line_add(&l, " MiB in one piece");
    say_check(no_memory ? "missing needed memory: " : "found   needed memory: ", &l);
    if (!can_run(f, cpus, o, &l))
        return refuse(l.text, EFI_UNSUPPORTED);
    if (no_memory)
        return refuse(no_memory, EFI_UNSUPPORTED);
    say_check("Nidus can run here; launched nothing", &l);
    return EFI_SUCCESS;
}

/* Tells the user before the switch which options are in force and who can reach L0's memory. */
static void say_terms(const struct facts *f, const struct options *o, const struct cpus *cpus)
{
    struct line l;
    line_clear(&l);
    line_add(&l, "options: ");
    options_describe(o, &l);
    console_say_line(&l);
    line_clear(&l);
    add_speculation(f, o, &l);
    console_say_line(&l);
    console_say("warning: no VT-d protection: devices that do DMA can reach L0's memory");
    if (cpus->count == 1)
        return;
    line_clear(&l);
    line_add(&l, "warning: other processors stay outside (");
    line_add_decimal(&l, cpus->count - 1);
    line_add(&l, "), and L0 is not protected from them");
    console_say_line(&l);
}

/* Version and depth come from CPUID, so the line also proves that L0 answers. */
static void say_launched(const struct region *r)
{
    struct nidus_cpuid n = {0};
    struct line l;
    line_clear(&l);
    line_add(&l, facts_inside_nidus(&n) ? "launched: version "
                                        : "bug: launched but not seen: version ");
    line_add_decimal(&l, n.version);
    line_add(&l, ", depth ");
    line_add_decimal(&l, n.depth);
    line_add(&l, ", L0 at ");
    line_add_hex(&l, r->base);
    line_add(&l, ", ");
    line_add_decimal(&l, r->size >> 20);
    line_add(&l, " MiB; what runs from here on is L1");
    console_say_line(&l);
}

static struct boot_info info_of(const struct facts *f, const struct options *o)
{
    return (struct boot_info){
        .log = o->log,
        .verbose = o->verbose,
        .nested = o->nested,
        .profile = o->profile,
        .shadow = o->shadow,
        .fast = o->fast,
        .stress = o->stress,
        .tlb = o->tlb,
        .spec = spec_plan(f, o->spec).done,
        .cpu_count = 1,
    };
}

/* Prepares memory and launches. Returns NULL when this code runs as L1, or why it does not. */
static const char *start(const struct facts *f, const struct cpus *cpus, const struct options *o)
{
    static struct boot_info info;
    struct region region;
    info = info_of(f, o);
    const char *why = memory_prepare(&region, &info);
    if (why)
        return why;
    say_terms(f, o, cpus);
    why = nidus_launch(&region, f);
    if (!why)
        say_launched(&region);
    return why;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st)
{
    static struct options o;
    struct facts facts;
    struct line why;
    InitializeLib(image, st);
    if (!options_gather(image, &o, &why))
        return refuse(why.text, EFI_INVALID_PARAMETER);
    if (o.help) {
        console_say(help);
        return EFI_SUCCESS;
    }
    facts_read(&facts);
    struct cpus cpus = cpus_count();
    if (o.check)
        return report(&facts, &cpus, &o);
    if (!can_run(&facts, &cpus, &o, &why))
        return refuse(why.text, EFI_UNSUPPORTED);
    const char *reason = start(&facts, &cpus, &o);
    if (reason)
        return refuse(reason, EFI_UNSUPPORTED);
    return o.chain[0] ? chain_run(image, o.chain) : EFI_SUCCESS;
}
