/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes the report. Contract and format in report.h. */
#include "boot/menu/report.h"

#include <efilib.h>
#include <stdarg.h>

#include "guest-tests/lib/gt_format.h"
#include "boot/menu/menu.h"

enum { NUMBERS = 1000, LINE = 512, ROOM_FOR_END = 160 };

static EFI_FILE_HANDLE root;
static unsigned number, sections, total, running_crc;
static bool works, aside_works;
static char name_[100], section[SECTION_MAX + ROOM_FOR_END], section_name[40];
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

static EFI_STATUS open_file(const char *kind, unsigned n, UINT64 mode, EFI_FILE_HANDLE *file)
{
    CHAR16 path[40];

    path_of(path, kind, n);
    return root->Open(root, file, path, mode, 0);
}

/* Takes a half-written end off again; a file that has nothing else goes. Closes the file. */
static void take_off(EFI_FILE_HANDLE file, UINT64 size)
{
    EFI_FILE_INFO *info = LibFileInfo(file);

    if (size == 0) {
        file->Delete(file);
    } else if (info) {
        info->FileSize = size;
        file->SetInfo(file, &GenericFileInfo, (UINTN)info->Size, info);
        file->Close(file);
    }
    if (info)
        FreePool(info);
}

/* Opened, written and closed each time: a firmware that keeps blocks back does so until then. */
static EFI_STATUS append(const char *kind, const char *text, size_t n)
{
    EFI_FILE_HANDLE file;
    UINTN size = n;
    UINT64 before = 0;
    EFI_STATUS s = open_file(
        kind, number, EFI_FILE_MODE_READ | EFI_FILE_MODE_WRITE | EFI_FILE_MODE_CREATE, &file);

    if (EFI_ERROR(s))
        return s;
    s = file->SetPosition(file, ~0ull);
    if (!EFI_ERROR(s))
        s = file->GetPosition(file, &before);
    if (!EFI_ERROR(s))
        s = file->Write(file, &size, (void *)text);
    if (!EFI_ERROR(s))
        s = size == n ? file->Flush(file) : EFI_VOLUME_FULL;
    if (EFI_ERROR(s))
        take_off(file, before);
    else
        file->Close(file);
    return s;
}

static bool is_there(const char *kind, unsigned n)
{
    EFI_FILE_HANDLE file;

    if (EFI_ERROR(open_file(kind, n, EFI_FILE_MODE_READ, &file)))
        return false;
    file->Close(file);
    return true;
}

static const char *reason(EFI_STATUS s)
{
    static char other[60];

    switch (s) {
    case EFI_VOLUME_FULL:
        return "the stick is full";
    case EFI_WRITE_PROTECTED:
    case EFI_ACCESS_DENIED:
        return "the stick is write-protected";
    case EFI_BUFFER_TOO_SMALL:
        return "it has as many bytes as it may";
    case EFI_VOLUME_CORRUPTED:
        return "the stick's file system is damaged";
    case EFI_NO_MEDIA:
    case EFI_MEDIA_CHANGED:
    case EFI_DEVICE_ERROR:
        return "the stick does not answer (was it taken out?)";
    default:
        gt_format(other, sizeof other, "the stick cannot be written, status %lx", (uint64_t)s);
        return other;
    }
}

static unsigned crc(const char *text, size_t n)
{
    UINT32 v = 0;

    if (n)
        BS->CalculateCrc32((void *)text, n, &v);
    return v;
}

static void begin_file(void)
{
    static const char head[] = "nidus-report 1\n";
    EFI_STATUS s;

    while (number < NUMBERS && (is_there("REPORT", number) || is_there("TESTS", number)))
        number++;
    if (number == NUMBERS) {
        gt_format(name_, sizeof name_, "none: there are %u on the stick already", NUMBERS);
        return;
    }
    s = append("REPORT", head, sizeof head - 1);
    total = sizeof head - 1;
    works = aside_works = !EFI_ERROR(s);
    if (works)
        gt_format(name_, sizeof name_, "\\nidus\\REPORT-%u.txt", number);
    else
        gt_format(name_, sizeof name_, "none: %s", reason(s));
}

void report_begin(EFI_HANDLE volume)
{
    root = LibOpenRoot(volume);
    if (root)
        begin_file();
    else
        gt_format(name_, sizeof name_, "none: the stick has no file system here");
}

const char *report_name(void)
{
    return name_;
}

/* The file keeps what it has. Numbers behind a section that is missing would mean damage, so
 * nothing more is written to it, but for one short section that says why, if that fits. */
static void end_early(EFI_STATUS s)
{
    char text[160], last[400];
    size_t n = gt_format(text, sizeof text, "%s\n", reason(s));

    n = gt_format(last, sizeof last, "== begin %u ended early\n%s== end %u ended early %08x\n",
                  sections, text, sections, crc(text, n));
    append("REPORT", last, n);
    works = aside_works = false;
    gt_format(text, sizeof text, "The report ends here: %s. Photograph the codes from now on.",
              reason(s));
    say(text);
    gt_format(name_, sizeof name_, "\\nidus\\REPORT-%u.txt, but it ended early: %s", number,
              reason(s));
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
    if (works) {
        bool fits = total + n + ROOM_FOR_END <= REPORT_MAX;
        EFI_STATUS s = fits ? append("REPORT", whole, n) : EFI_BUFFER_TOO_SMALL;

        if (EFI_ERROR(s))
            end_early(s);
    }
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
    char line[160];
    EFI_STATUS s = aside_works && n ? append("TESTS", text, n) : EFI_SUCCESS;

    if (!EFI_ERROR(s))
        return;
    aside_works = false;
    gt_format(line, sizeof line, "\\nidus\\TESTS-%u.txt ends here: %s", number, reason(s));
    say(line);
    report_mark("tests end", line);
}
