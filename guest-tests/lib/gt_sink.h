/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a transcript goes on a machine that has no port 0xE9: memory of whoever starts the test
 * programs (the stick's menu), found by a protocol. Below 4 GiB, because tests map no more.
 */
#ifndef GUEST_TESTS_LIB_GT_SINK_H
#define GUEST_TESTS_LIB_GT_SINK_H

#include <efi.h>

struct gt_sink {
    char *at, *end; /* where the next byte goes; the first that is not the sink's */
    UINT64 lost;    /* bytes that found no room */
};

#define GT_SINK_GUID                                       \
    {                                                      \
        0x6e696475, 0x7373, 0x4a4b,                        \
        {                                                  \
            0x9d, 0x21, 0x74, 0x72, 0x61, 0x6e, 0x73, 0x63 \
        }                                                  \
    }

#endif
