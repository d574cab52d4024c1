/*
 * The options of nidus.efi: key=value words, from the command line (the shell's or a boot
 * entry's) and from nidus.cfg, one per line. No firmware here: bytes in, a struct out, and for
 * what cannot be understood one sentence that names it. docs/OPTIONS.md is the user's view.
 */
#ifndef BOOT_OPTIONS_H
#define BOOT_OPTIONS_H

#include "hv/core/boot_info.h"
#include "boot/line.h"
#include "boot/text.h"

/* The longest line, command line or path, in characters, the terminating zero included. */
#define OPTIONS_LINE_MAX 4096

/* The values that a key may take are numbered in boot_info.h's order. */
struct options {
    u32 log;     /* enum boot_log */
    u32 verbose; /* 0..2 */
    u32 nested, shadow;
    u32 profile; /* enum boot_profile */
    u32 stress;  /* STRESS_* */
    u32 tlb;     /* enum boot_tlb */
    u32 spec;    /* SPEC_OPTION_*, boot/spec.h */
    u32 bsp_only;
    u32 check, help;
    u16 chain[OPTIONS_LINE_MAX]; /* PATH and arguments as written; empty: none */
};

/* Whether the program's own name leads the command line. The shell puts it there; a boot entry
 * does not; other loaders may, so there a first word that ends in ".efi" and is no option is
 * it. */
enum options_name { OPTIONS_NAME_LEADS, OPTIONS_NAME_MAY_LEAD };

void options_default(struct options *o);

/*
 * Changes what the source names and leaves the rest alone; a later word wins. False: *why says
 * what is wrong (with the line's number for a configuration), and *o is partly changed.
 * @pre t is not TEXT_BINARY
 */
MUST_CHECK bool options_read_command(struct options *o, struct text t, enum options_name name,
                                     struct line *why);
MUST_CHECK bool options_read_config(struct options *o, struct text t, struct line *why);

/* Adds "log=none verbose=0 ..." : every option with its value, chain=, check and help left out.
 */
void options_describe(const struct options *o, struct line *l);

#endif
