/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log, which writes one line at a time to port 0xE9 or to a serial port, and the panic that
 * ends a processor after a bug of ours. The serial port may be L1's console, so L0 saves the port's
 * line control before each line and restores it after. Several processors write whole lines, one
 * after the other; each line is also kept in memory and given to the sink, where there is one (the
 * ring, the screen). A processor that waits too long takes the log by force, and one that panics
 * keeps the log for its dump.
 */
#ifndef HV_CORE_LOG_H
#define HV_CORE_LOG_H

#include "hv/arch/bits.h"

/* The kinds of lines that a guest can cause. However often a guest causes one, L0 writes only a few
 * lines of each kind (hv/arch/rare.h). At verbose=2 every line of LOG_EXPLAIN is written. */
enum log_kind {
    LOG_EXPLAIN, /* what L1 did wrong, at verbose=1 */
    LOG_DUMP,    /* VMCS12 by field, at verbose=2 */
    LOG_BUG,     /* the CPU refused a VM entry that our rules passed */
    LOG_ABORT,   /* VMX aborts */
    LOG_EPT01,   /* EPT01 does not hold all of memory */
    LOG_MSR,     /* an MSR that has no row in hv/arch/msr_policy.def */
    LOG_EXIT,    /* an exit that nobody asked for */
    LOG_VTD,     /* DMA that was kept from L0's memory */
    LOG_SLEEP,   /* S3 that was refused */
    LOG_KINDS
};

struct log {
    u16 port; /* 0: none */
    bool serial;
    bool stuck;  /* the port was not ready when it should have been: do not wait again */
    u8 lcr;      /* L1's line control, while a line is being written */
    u32 verbose; /* 0..2 */
    u32 cpus;    /* with more than one, each line names its processor */
    u32 owner;   /* the lock: the number of the processor that writes a line, plus 1; 0: nobody */
    u32 depth;   /* lines of the owner within its line */
    u64 count[LOG_KINDS]; /* atomic */
    u32 length, words;    /* of the text, and of what stands before its words */
    char text[400];       /* the line that is being written, cut; zero-terminated at its end */
    /* Gets each line, before its line end is written; NULL: nobody */
    void (*sink)(const struct log *log);
};

/* Fills in *log for the port that `kind` (boot_info.log) names. verbose: 0 to 2. cpus: how many
 * processors use it. */
void log_init(struct log *log, u32 kind, u32 verbose, u32 cpus);

/* Prints "nidus: ", the text and a line end. The format may have %s, %c, %%, and %u, %d and %x with
 * '0', a width and l. %d prints its argument as unsigned. The log is the one that GS leads to. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Like log_line, for a line that a guest can cause. L0 counts the lines of each kind and leaves
 * most of them out. */
void log_rare(enum log_kind kind, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Like log_begin, for a line that a guest can cause. Returns false when this line is left out; the
 * caller then calls neither log_part nor log_end. */
bool log_rare_begin(enum log_kind kind) MUST_CHECK;

/* One line in parts: log_begin, any number of log_part, log_end. */
void log_begin(void);
void log_part(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_end(void);

/* Ends this CPU after a bug of ours: prints the text and everything known about the CPU, then stops
 * it. Where percpu.escape is set, L0 leaves the CPU instead. No act of a guest may lead here. */
void panic(const char *format, ...) __attribute__((format(printf, 1, 2))) NORETURN;
void cpu_stop(void) NORETURN;

#define ASSERT(claim)                                                 \
    do {                                                              \
        if (UNLIKELY(!(claim)))                                       \
            panic("bug: %s:%u: %s", __FILE__, (u32)__LINE__, #claim); \
    } while (0)

#endif
