/* SPDX-License-Identifier: BSD-2-Clause */
/* A file of microcode updates: whole or not, and which update in it is a processor's. Pure: the
 * file's bytes in. SDM 3A 9.11 "Microcode Update Facilities" */
#ifndef BOOT_UCODE_H
#define BOOT_UCODE_H

#include "boot/line.h"

/* What a processor is to an update: CPUID.1:EAX, and bits 52:50 of IA32_PLATFORM_ID. */
struct ucode_cpu {
    u32 signature, platform;
};

struct ucode {
    u32 at, size; /* in the file, header included */
    u32 revision;
    u32 date; /* 0xMMDDYYYY in decimal digits */
};

/* NULL, and in *u the newest of the file's updates that is for this processor; else what is wrong
 * with the file, or that no update in it is for this processor. Nothing beyond size is read. */
const char *ucode_find(const u8 *file, u32 size, struct ucode_cpu cpu, struct ucode *u);

/* True when update revision a is newer than b: revisions are signed. */
bool ucode_is_newer(u32 a, u32 b);

/* Where the update's data begins behind its header: the address that the processor gets. */
#define UCODE_HEADER_SIZE 48u

#endif
