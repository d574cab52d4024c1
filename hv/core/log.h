/*
 * The log: one line at a time to port 0xE9 or a serial port, and the end of the road for our own
 * bugs. The port's line control is saved and restored around each line, as it may be L1's console.
 */
#ifndef HV_CORE_LOG_H
#define HV_CORE_LOG_H

#include "hv/arch/types.h"

struct log {
    u16 port; /* 0: silent */
    bool serial;
    u8 lcr;      /* L1's line control, while a line is being written */
    u32 verbose; /* 0..2 */
};

/* Where `kind` (enum boot_log) sends lines. */
void log_init(struct log *log, u32 kind, u32 verbose);

/* Prints "nidus: ", the text, and a line end. Knows %s %c %% and %u %d %x with widths, '0' and l. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One line in parts. */
void log_begin(void);
void log_part(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_end(void);

/* A bug of ours: the text, everything known about this CPU, and a stop of this CPU.
 * Never for what a guest did. */
void panic(const char *format, ...) __attribute__((format(printf, 1, 2))) NORETURN;
void cpu_stop(void) NORETURN;

#define ASSERT(claim)                                                                     \
    do {                                                                                  \
        if (__builtin_expect(!(claim), 0))                                                \
            panic("bug: %s:%u: %s", __FILE__, (u32)__LINE__, #claim);                      \
    } while (0)

#endif
