/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The report: a text file of sections, each appended whole and flushed, so that a machine that dies
 * leaves all that was known before.
 *
 *   nidus-report 1
 *   == begin NUMBER NAME
 *   lines
 *   == end NUMBER NAME CRC           CRC-32 of the lines' bytes, eight hexadecimal digits
 *
 * Numbers count from 1 without a gap. A section "ended early" is the last: the stick could not be
 * written any more. The file stays under REPORT_MAX bytes: what does not fit is cut, and the
 * section's last line says "cut BYTES".
 */
#ifndef BOOT_MENU_REPORT_H
#define BOOT_MENU_REPORT_H

#include <efi.h>
#include <stdbool.h>
#include <stddef.h>

enum { REPORT_MAX = 256 * 1024, SECTION_MAX = 72 * 1024 };

/* Finds the first number that neither a report nor its transcripts have, and writes the head. When
 * no file can be written, all that follows goes nowhere. */
void report_begin(EFI_HANDLE volume);
/* "\nidus\REPORT-3.txt"; or why there is none, or why it ended early. When a write fails, that is
 * said on the screen as well, and the file stays what it was before. */
const char *report_name(void);

/* A section: begin, lines and text, end. */
void report_open(const char *name);
void report_text(const char *text, size_t length); /* CR is left out */
void report_line(const char *format, ...);
void report_close(void);

/* A section of one line: a step begins, or is over. */
void report_mark(const char *name, const char *text);

unsigned report_crc(void); /* of the file so far; for the code on the screen */

/* Appends to another file beside the report, \nidus\TESTS-n.txt, which has no limit. */
void report_aside(const char *text, size_t length);

#endif
