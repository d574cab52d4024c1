/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The options of nidus.efi. They are key=value words from the command line, which is the shell's
 * or a boot entry's, and from nidus.cfg, with one option per line. Pure: bytes go in and a struct
 * comes out. When an option cannot be understood, one sentence names it. docs/OPTIONS.md is for
 * users.
 */
#ifndef BOOT_OPTIONS_H
#define BOOT_OPTIONS_H

#include "hv/core/boot_info.h"
#include "boot/line.h"
#include "boot/text.h"

/* The longest line, command line or path, in characters, with the terminating zero. */
#define OPTIONS_LINE_MAX 4096
/* The longest path of an option that takes one, likewise. */
#define OPTIONS_PATH_MAX 128

/* When nidus.efi waits before it returns, so that its words can be read: never, always, or when no
 * shell started it. */
enum options_wait { WAIT_OFF, WAIT_ON, WAIT_AUTO };

/* What L0 draws on the framebuffer: nothing, bugs of its own, or also its last line. */
enum options_screen { SCREEN_OFF, SCREEN_ON, SCREEN_CORNER };

/* The numbers of values are those of hv/core/boot_info.h. A switch is 1 for on. */
struct options {
    u32 log;     /* enum boot_log; with BOOT_LOG_PORT, the port in bits 23:8 */
    u32 verbose; /* 0..2 */
    u32 nested, shadow, fast, gdb;
    u32 profile; /* enum boot_profile */
    u32 stress;  /* STRESS_* */
    u32 tlb;     /* enum boot_tlb */
    u32 trace;   /* TRACE_* of hv/trace/record.h, bit by bit */
    u32 spec;    /* SPEC_OPTION_*, boot/spec.h */
    u32 plant;   /* hv/plant.h */
    u32 wait;    /* enum options_wait */
    u32 screen;  /* enum options_screen */
    u32 cmos, hvbit;
    u32 s3; /* enum options_s3 */
    u32 bsp_only, own_sipi;
    u32 vtd; /* enum options_vtd */
    u32 check, dry, blink, ring, help, version;
    u16 ucode[OPTIONS_PATH_MAX]; /* a file of microcode updates, as written; empty: none */
    u16 chain[OPTIONS_LINE_MAX]; /* PATH and arguments as written; empty without chain= */
};

/* What keeps devices out of L0's memory: nothing; VT-d, if it can; VT-d, or there is no launch. */
enum options_vtd { OPTIONS_VTD_OFF, OPTIONS_VTD_ON, OPTIONS_VTD_REQUIRE };

/* What becomes of L1's wish to sleep in S3. */
enum options_s3 { OPTIONS_S3_ALLOW, OPTIONS_S3_REFUSE };

/* Whether the program's own name is the first word of the command line. The shell puts the name
 * there. A boot entry does not, and other loaders may: if the name may lead, then a first word that
 * ends in ".efi" and is no option is the name. */
enum options_name { OPTIONS_NAME_LEADS, OPTIONS_NAME_MAY_LEAD };

/* Gives every option its default. */
void options_default(struct options *o);

/*
 * Read a source and change the options that it names. Of two words for one option the later wins.
 * Return false when a word cannot be understood. *why then says what is wrong, for a configuration
 * with the number of the line, and *o is partly changed.
 * @pre t is not TEXT_BINARY
 */
MUST_CHECK bool options_read_command(struct options *o, struct text t, enum options_name name,
                                     struct line *why);
MUST_CHECK bool options_read_config(struct options *o, struct text t, struct line *why);

/* Adds "log=none verbose=0 ..." to the line: every option with its value, but not
 * ucode=, chain=, check and help. */
void options_describe(const struct options *o, struct line *l);

#endif
