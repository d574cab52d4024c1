/*
 * The log: one line at a time to port 0xE9 or a serial port, and the end of the road for our own
 * bugs. The port's line control is saved and restored around each line, as it may be L1's console.
 */
#ifndef HV_CORE_LOG_H
#define HV_CORE_LOG_H

#include "hv/arch/bits.h"

/* Lines that a guest can cause, by kind; each kind is told sparsely (hv/arch/rare.h), whatever
 * number of them the guest causes. LOG_EXPLAIN is told in full at verbose=2. */
enum log_kind {
    LOG_EXPLAIN, /* what L1 did wrong, at verbose=1 */
    LOG_BUG,     /* the CPU refused what our rules passed */
    LOG_ABORT,   /* VMX aborts */
    LOG_EPT01,   /* EPT01 does not hold all of memory */
    LOG_MSR,     /* an MSR that is in no list of ours */
    LOG_EXIT,    /* an exit that nobody asked for */
    LOG_KINDS
};

struct log {
    u16 port; /* 0: silent */
    bool serial;
    bool stuck;  /* the port was not ready when it should have been: do not wait again */
    u8 lcr;      /* L1's line control, while a line is being written */
    u32 verbose; /* 0..2 */
    u64 count[LOG_KINDS];
};

/* Where `kind` (enum boot_log) sends lines. */
void log_init(struct log *log, u32 kind, u32 verbose);

/* Prints "nidus: ", the text, and a line end. Knows %s %c %% and %u %d %x with
 * widths, '0' and l. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same for what a guest can cause: counted by kind, and not always told. */
void log_rare(enum log_kind kind, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* log_begin for such a line, which log_end ends. False: this one is not told. */
bool log_rare_begin(enum log_kind kind) MUST_CHECK;

/* One line in parts. */
void log_begin(void);
void log_part(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_end(void);

/* A bug of ours: the text, everything known about this CPU, and a stop of this CPU.
 * Never for what a guest did. */
void panic(const char *format, ...) __attribute__((format(printf, 1, 2))) NORETURN;
void cpu_stop(void) NORETURN;

#define ASSERT(claim)                                                 \
    do {                                                              \
        if (UNLIKELY(!(claim)))                                       \
            panic("bug: %s:%u: %s", __FILE__, (u32)__LINE__, #claim); \
    } while (0)

#endif
