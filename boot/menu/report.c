/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes the report. Contract and format in report.h. */
#include "boot/menu/report.h"

#include <efilib.h>
#include <stdarg.h>

#include "guest-tests/lib/gt_format.h"

enum { NUMBERS = 1000, LINE = 512, ROOM_FOR_END = 160 };

static EFI_FILE_HANDLE root;
static unsigned number, sections, total, running_crc;
static bool works;
static char name_[40], section[SECTION_MAX + ROOM_FOR_END], section_name[40];
static size_t length;
static unsigned long cut;

/* The file of this number: kind is "REPORT" or "TESTS". */
static void path_of(CHAR16 *wide, const char *kind, unsigned n)
{
    char text[40];
    size_t i = 0;

    gt_format(text, sizeof text, "\\nidus\\%s-%u.txt", kind, n);
    for (; text[i]; i++)
        wide[i] = (CHAR16)text[i];
    wide[i] = 0;
}

/* Opened, written and closed each time: a firmware that keeps blocks back does so until then. */
static bool append(const char *kind, const char *text, size_t n)
{
    CHAR16 path[40];
    EFI_FILE_HANDLE file;
    UINTN size = n;
    EFI_STATUS s;

    path_of(path, kind, number);
    s = root->Open(root, &file, path,
                   EFI_FILE_MODE_READ | EFI_FILE_MODE_WRITE | EFI_FILE_MODE_CREATE, 0);
    if (EFI_ERROR(s))
        return false;
    s = file->SetPosition(file, ~0ull);
    if (!EFI_ERROR(s))
        s = file->Write(file, &size, (void *)text);
    if (!EFI_ERROR(s))
        s = file->Flush(file);
    file->Close(file);
    return !EFI_ERROR(s) && size == n;
}

static bool is_there(unsigned n)
{
    CHAR16 path[40];
    EFI_FILE_HANDLE file;

    path_of(path, "REPORT", n);
    if (EFI_ERROR(root->Open(root, &file, path, EFI_FILE_MODE_READ, 0)))
        return false;
    file->Close(file);
    return true;
}

static unsigned crc(const char *text, size_t n)
{
    UINT32 v = 0;

    if (n)
        BS->CalculateCrc32((void *)text, n, &v);
    return v;
}

bool report_begin(EFI_HANDLE volume)
{
    static const char head[] = "nidus-report 1\n";

    root = LibOpenRoot(volume);
    if (!root)
        return false;
    while (number < NUMBERS && is_there(number))
        number++;
    gt_format(name_, sizeof name_, "\\nidus\\REPORT-%u.txt", number);
    works = number < NUMBERS && append("REPORT", head, sizeof head - 1);
    total = sizeof head - 1;
    return works;
}

const char *report_name(void)
{
    return works ? name_ : "none: the stick cannot be written";
}

void report_open(const char *name)
{
    gt_format(section_name, sizeof section_name, "%s", name);
    length = 0;
    cut = 0;
}

/* What is left of the section's room, and of the whole report's. */
static size_t room(void)
{
    size_t whole = REPORT_MAX - 2 * ROOM_FOR_END;
    size_t left = total + length < whole ? whole - total - length : 0;

    return left < SECTION_MAX - length ? left : SECTION_MAX - length;
}

void report_text(const char *text, size_t n)
{
    for (size_t i = 0; i < n && text[i]; i++) {
        if (text[i] == '\r')
            continue;
        if (cut || room() == 0)
            cut++;
        else
            section[length++] =
                text[i] == '\n' || (text[i] >= ' ' && text[i] < 0x7f) ? text[i] : '?';
    }
}

void report_line(const char *fmt, ...)
{
    char line[LINE];
    va_list ap;

    va_start(ap, fmt);
    gt_format_v(line, sizeof line - 1, fmt, ap);
    va_end(ap);
    report_text(line, LINE);
    report_text("\n", 1);
}

void report_close(void)
{
    static char whole[SECTION_MAX + 3 * ROOM_FOR_END];
    size_t n;

    if (length && section[length - 1] != '\n')
        section[length++] = '\n';
    if (cut)
        length += gt_format(section + length, ROOM_FOR_END / 2, "cut %u\n", (unsigned)cut);
    sections++;
    n = gt_format(whole, ROOM_FOR_END, "== begin %u %s\n", sections, section_name);
    CopyMem(whole + n, section, length);
    n += length;
    n += gt_format(whole + n, ROOM_FOR_END, "== end %u %s %08x\n", sections, section_name,
                   crc(section, length));
    running_crc = crc(whole, n) ^ (running_crc << 1 | running_crc >> 31);
    if (works && total + n <= REPORT_MAX)
        works = append("REPORT", whole, n);
    total += (unsigned)n;
}

void report_mark(const char *name, const char *text)
{
    report_open(name);
    report_line("%s", text);
    report_close();
}

unsigned report_crc(void)
{
    return running_crc;
}

void report_aside(const char *text, size_t n)
{
    if (works && n)
        append("TESTS", text, n);
}
