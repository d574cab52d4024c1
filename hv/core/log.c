/* SPDX-License-Identifier: BSD-2-Clause */
/* The log's formatter, and where its lines go: a port, and what bring-up made the sink. This file
 * has no state of its own: GS leads to the struct log. Contract in log.h. */
#include "hv/core/log.h"
#include "hv/core/privileged.h"
#include "hv/core/uart.h"
#include "hv/core/percpu.h"
#include "hv/arch/rare.h"
#include "hv/core/boot_info.h"

#include <stdarg.h>

#define PORT_E9         0xe9
#define UART_PATIENCE   100000u    /* reads of the status before the port counts as missing */
#define LOCK_PATIENCE   100000000u /* tries; a dump over a serial line takes seconds */
#define FIRST_TOLD      8u
#define FIRST_EXPLAINED 256u /* more than FIRST_TOLD: while L1 is developed, entries fail often */

void log_init(struct log *log, u32 kind, u32 verbose, u32 cpus)
{
    /* clang-format off */
    static const u16 port[] = {
        [BOOT_LOG_E9] = PORT_E9, [BOOT_LOG_COM1] = UART_COM1, [BOOT_LOG_COM2] = UART_COM2,
    };
    /* clang-format on */
    log->port = kind < ARRAY_LEN(port) ? port[kind] : (u16)(kind >> 8);
    log->serial = kind >= BOOT_LOG_COM1;
    log->verbose = verbose;
    log->cpus = cpus;
}

/* L1 may switch the UART off or stop it. L0 waits for such a UART once, not for every character. */
static bool is_ready(struct log *log)
{
    u32 patience = log->stuck ? 1 : UART_PATIENCE;
    log->stuck = true;
    for (u32 i = 0; i < patience && log->stuck; i++)
        log->stuck = !uart_has_room(log->port);
    return !log->stuck;
}

static void put_on_port(struct log *log, char c)
{
    if (log->port && (!log->serial || is_ready(log)))
        outb(log->port, (u8)c);
}

static void put(struct log *log, char c)
{
    if (log->length < sizeof log->text - 1)
        log->text[log->length++] = c;
    put_on_port(log, c);
}

static void put_string(struct log *log, const char *s)
{
    for (; *s; s++)
        put(log, *s);
}

static void put_number(struct log *log, u64 v, u32 base, u32 width, char pad)
{
    char digits[20];
    u32 n = 0;
    do {
        digits[n++] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v);
    for (; width > n; width--)
        put(log, pad);
    while (n)
        put(log, digits[--n]);
}

/* Prints one conversion. f: the format behind the '%'. Returns the format behind the conversion. */
static const char *put_conversion(struct log *log, const char *f, va_list *args)
{
    char pad = *f == '0' ? '0' : ' ';
    u32 width = 0;
    for (; *f >= '0' && *f <= '9'; f++)
        width = width * 10 + (u32)(*f - '0');
    bool wide = *f == 'l';
    if (wide)
        f++;
    if (*f == 's')
        put_string(log, va_arg(*args, const char *));
    else if (*f == 'c')
        put(log, (char)va_arg(*args, int));
    else if (*f == '%')
        put(log, '%');
    else
        put_number(log, wide ? va_arg(*args, u64) : va_arg(*args, u32), *f == 'x' ? 16 : 10, width,
                   pad);
    return f + 1;
}

static void put_format(struct log *log, const char *f, va_list *args)
{
    while (*f)
        if (*f == '%')
            f = put_conversion(log, f + 1, args);
        else
            put(log, *f++);
}

/* The owner may be dead in the middle of its line, so patience has an end. */
static void take(struct log *log)
{
    u32 me = percpu()->id + 1, nobody = 0;
    if (__atomic_load_n(&log->owner, __ATOMIC_RELAXED) == me) {
        log->depth++;
        return;
    }
    for (u32 i = 0; i < LOCK_PATIENCE; i++, nobody = 0) {
        if (__atomic_compare_exchange_n(&log->owner, &nobody, me, false, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            return;
        __builtin_ia32_pause();
    }
    __atomic_store_n(&log->owner, me, __ATOMIC_RELEASE);
}

static void give(struct log *log)
{
    u32 me = percpu()->id + 1;
    if (log->depth) {
        log->depth--;
        return;
    }
    __atomic_compare_exchange_n(&log->owner, &me, 0, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

static void begin(struct log *log)
{
    take(log);
    log->length = 0;
    if (log->serial)
        log->lcr = uart_borrow(log->port);
    put_string(log, "nidus: ");
    if (log->cpus > 1) {
        put_string(log, "cpu ");
        put_number(log, percpu()->id, 10, 0, ' ');
        put_string(log, ": ");
    }
    log->words = log->length;
}

static void end(struct log *log)
{
    log->text[log->length] = 0;
    if (log->sink)
        log->sink(log);
    if (log->serial)
        put_on_port(log, '\r');
    put_on_port(log, '\n');
    if (log->serial)
        outb(log->port + UART_LCR, log->lcr);
    give(log);
}

static void put_line(const char *format, va_list *args)
{
    struct log *log = percpu()->log;
    begin(log);
    put_format(log, format, args);
    end(log);
}

void log_line(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_line(format, &args);
    va_end(args);
}

bool log_rare_begin(enum log_kind kind)
{
    struct log *log = percpu()->log;
    u64 nth = __atomic_add_fetch(&log->count[kind], 1, __ATOMIC_RELAXED),
        first = kind == LOG_EXPLAIN ? FIRST_EXPLAINED : FIRST_TOLD;
    bool all = kind == LOG_EXPLAIN && log->verbose >= 2;
    if (!all && !rare_is_told(nth, first))
        return false;
    log_begin();
    if (nth >= first && !all)
        log_part("[line %lu of its kind, most are left out] ", nth);
    return true;
}

void log_rare(enum log_kind kind, const char *format, ...)
{
    va_list args;
    if (!log_rare_begin(kind))
        return;
    va_start(args, format);
    put_format(percpu()->log, format, &args);
    va_end(args);
    log_end();
}

void log_begin(void)
{
    begin(percpu()->log);
}

void log_part(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_format(percpu()->log, format, &args);
    va_end(args);
}

void log_end(void)
{
    end(percpu()->log);
}

void cpu_stop(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}

void panic(const char *format, ...)
{
    struct percpu *cpu = percpu();
    va_list args;
    take(cpu->log); /* the whole dump is one piece of the log */
    va_start(args, format);
    put_line(format, &args);
    va_end(args);
    if (cpu->escape) {
        give(cpu->log);
        cpu->escape(cpu);
    }
    /* A panic inside the dump must not start another. */
    if (!cpu->panicking && cpu->dump) {
        cpu->panicking = 1;
        cpu->dump(cpu);
    }
    log_line("this CPU is stopped");
    give(cpu->log);
    cpu_stop();
}
