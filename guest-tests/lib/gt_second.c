/* SPDX-License-Identifier: BSD-2-Clause */
/* A second processor by the firmware's MP services. Contract in gt_second.h. */
#include "guest-tests/lib/gt_second.h"
#include "guest-tests/lib/gt_mp.h"

enum { ICR_LOW = 0xfee00300, ICR_HIGH = 0xfee00310, DELIVER_NMI = 4 << 8, PORT_POWER_OFF = 0x8900 };

static void EFIAPI ignore(EFI_EVENT event, void *context)
{
    (void)event;
    (void)context;
}

bool gt_second_start(void(EFIAPI *run)(void *), void *arg)
{
    static BOOLEAN finished;
    EFI_EVENT event;

    gt_firmware_enter();
    struct gt_mp *mp = gt_mp();
    bool started =
        mp != NULL &&
        BS->CreateEvent(EVT_NOTIFY_SIGNAL, TPL_CALLBACK, ignore, NULL, &event) == EFI_SUCCESS &&
        mp->start_one(mp, run, 1, event, 0, arg, &finished) == EFI_SUCCESS;
    gt_firmware_leave();
    return started;
}

void gt_second_send_nmi(u32 apic_id)
{
    *(volatile u32 *)(u64)ICR_HIGH = apic_id << 24;
    *(volatile u32 *)(u64)ICR_LOW = DELIVER_NMI;
}

void gt_power_off(void)
{
    for (const char *s = "Shutdown"; *s; s++)
        __asm__ volatile("outb %0, %1" : : "a"(*s), "Nd"((u16)PORT_POWER_OFF));
}
