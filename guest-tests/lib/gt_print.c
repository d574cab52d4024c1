/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The transcript: port 0xE9, or the sink of whoever started the program.
 * Port 0xE9 costs one instruction a byte in the emulator and nobody else uses it; COM1 belongs
 * to the firmware's console.
 */
#include <stdarg.h>
#include "guest-tests/lib/gt.h"
#include "guest-tests/lib/gt_private.h"
#include "guest-tests/lib/gt_sink.h"

enum { PORT_E9 = 0xe9, LINE_MAX = 512 };

static struct gt_sink *sink;

bool gt_sink_find(void)
{
    EFI_GUID guid = GT_SINK_GUID;

    sink = NULL;
    return BS->LocateProtocol(&guid, NULL, (void **)&sink) == EFI_SUCCESS;
}

static void into_sink(char c)
{
    if (sink->at < sink->end)
        *sink->at++ = c;
    else
        sink->lost++;
}

void gt_raw(const char *text)
{
    for (; *text; text++) {
        if (sink != NULL)
            into_sink(*text);
        else
            gt_outb(PORT_E9, (u8)*text);
    }
}

static void (*taker)(const char *text);

void gt_lines_to(void (*take)(const char *text))
{
    taker = take;
}

static void line_v(const char *lead, const char *fmt, va_list ap)
{
    char text[LINE_MAX];

    gt_format_v(text, sizeof text, fmt, ap);
    if (taker != NULL && lead[0] == 0) {
        taker(text);
        return;
    }
    gt_raw(lead);
    gt_raw(gt_name);
    gt_raw(".");
    gt_raw(text);
    gt_raw("\n");
    gt_lines++;
}

void gt_line(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    line_v("", fmt, ap);
    va_end(ap);
}

void gt_fail(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    line_v("FAIL ", fmt, ap);
    va_end(ap);
}

void gt_check(bool ok, const char *fmt, ...)
{
    va_list ap;

    if (ok)
        return;
    va_start(ap, fmt);
    line_v("FAIL ", fmt, ap);
    va_end(ap);
}
