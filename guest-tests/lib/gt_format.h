/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text with values in it: %s %c %d %u %x %%, with width, 0, + and l. Always terminated; returns the
 * length. size: room in buf, with the terminator.
 */
#ifndef GUEST_TESTS_LIB_GT_FORMAT_H
#define GUEST_TESTS_LIB_GT_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

size_t gt_format(char *buf, size_t size, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
size_t gt_format_v(char *buf, size_t size, const char *fmt, va_list ap);

#endif
