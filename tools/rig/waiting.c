/* SPDX-License-Identifier: BSD-2-Clause */
/* The waiting processors of the emulator's firmware, when an operating system takes over. */
#include "tools/rig/waiting.h"

#include <efi.h>
#include <efilib.h>

enum {
    LAPIC = 0xfee00000,
    LAPIC_EOI = 0xb0,
    LAPIC_ICR = 0x300,
    LAPIC_ICR_HIGH = 0x310,
    LAPIC_TIMER = 0x320, /* one shot, not masked: the vector alone */
    LAPIC_TIMER_COUNT = 0x380,
    ICR_SIPI = 0x4600,
    ICR_KIND = 0xc0700, /* shorthand and delivery mode */
    ICR_SIPI_TO_OTHERS = 0xc0600,
    VECTOR = 0xf1,
    CPUS_MAX = 64,
    LOOKS_MAX = 100,
};
#define TIMER_COUNT 250000u /* 10 ms at most: the divider is at least one */

/* PI specification, volume 2, 12.3 "CPU Architectural Protocol" */
struct cpu_arch {
    void *flush, *enable, *disable, *get_state, *init;
    EFI_STATUS(EFIAPI *register_handler)(struct cpu_arch *self, INTN vector, void *handler);
};

static UINT8 others[CPUS_MAX];
static UINTN others_count, looks;

static volatile UINT32 *lapic(UINTN at)
{
    return (volatile UINT32 *)(LAPIC + at);
}

static void look_again(void)
{
    *lapic(LAPIC_TIMER) = VECTOR;
    *lapic(LAPIC_TIMER_COUNT) = TIMER_COUNT;
}

/* CAVEAT(bochs-sipi-broadcast): once the firmware has sent its SIPIs, each processor gets one of
 * its own. Those that run already ignore it. */
static void EFIAPI send_again(INTN vector, void *context)
{
    UINT32 sent = *lapic(LAPIC_ICR);
    (void)vector;
    (void)context;
    if ((sent & ICR_KIND) == ICR_SIPI_TO_OTHERS) {
        for (UINTN n = 0; n < others_count; n++) {
            *lapic(LAPIC_ICR_HIGH) = (UINT32)others[n] << 24;
            *lapic(LAPIC_ICR) = ICR_SIPI | (sent & 0xff);
        }
    } else if (looks++ < LOOKS_MAX)
        look_again();
    *lapic(LAPIC_EOI) = 0;
}

static void EFIAPI on_exit_boot_services(EFI_EVENT event, void *context)
{
    (void)event;
    (void)context;
    look_again();
}

static void watch_for_sipis(void)
{
    EFI_GUID guid = {0x26baccb1, 0x6f42, 0x11d4, {0xbc, 0xe7, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81}};
    struct cpu_arch *cpu;
    EFI_EVENT event;
    if (BS->LocateProtocol(&guid, NULL, (void **)&cpu) != EFI_SUCCESS ||
        cpu->register_handler(cpu, VECTOR, send_again) != EFI_SUCCESS)
        return;
    BS->CreateEvent(EVT_SIGNAL_EXIT_BOOT_SERVICES, TPL_NOTIFY, on_exit_boot_services, NULL, &event);
}

/* CAVEAT(bochs-monitor-wakes): what the firmware leaves the others in at ExitBootServices() is one
 * loop in reserved memory; there MONITOR becomes a NOP, and MWAIT a HLT. */
static void let_halt(void)
{
    static const UINT8 waits[] = {0x0f, 0x01, 0xc8, 0x89, 0xd8, 0xc1, /* MONITOR; MOV EAX, EBX; */
                                  0xe0, 0x04, 0x0f, 0x01, 0xc9};      /* SHL EAX, 4; MWAIT */
    static const UINT8 halts[] = {0x0f, 0x1f, 0x00, 0x89, 0xd8, 0xc1, 0xe0, 0x04, 0xf4, 0x90, 0x90};
    UINTN count, key, size;
    UINT32 version;
    UINT8 *map = (UINT8 *)LibMemoryMap(&count, &key, &size, &version);
    for (UINTN n = 0; map && n < count; n++) {
        EFI_MEMORY_DESCRIPTOR *d = (void *)(map + n * size);
        UINT8 *at = (void *)d->PhysicalStart, *end = at + d->NumberOfPages * 4096 - sizeof waits;
        for (; d->Type == EfiReservedMemoryType && at <= end; at++) {
            if (CompareMem(at, waits, sizeof waits) == 0)
                CopyMem(at, (void *)halts, sizeof halts);
        }
    }
}

void waiting_prepare(const uint8_t *apic_id, uint64_t count)
{
    UINT8 self = (UINT8)(*lapic(0x20) >> 24);
    for (UINTN n = 0; n < count && others_count < CPUS_MAX; n++) {
        if (apic_id[n] != self)
            others[others_count++] = apic_id[n];
    }
    let_halt();
    watch_for_sipis();
}
