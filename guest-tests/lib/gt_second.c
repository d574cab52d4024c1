/* The firmware's MP services, by their first members. Contract in gt_second.h. */
#include "guest-tests/lib/gt_second.h"

enum { ICR_LOW = 0xfee00300, ICR_HIGH = 0xfee00310, DELIVER_NMI = 4 << 8, PORT_POWER_OFF = 0x8900 };

typedef struct mp_services mp_services;
struct mp_services {
    void *count, *info, *startup_all;
    EFI_STATUS(EFIAPI *startup_this)
    (mp_services *, void(EFIAPI *)(void *), UINTN, EFI_EVENT, UINTN, void *, BOOLEAN *);
};

static void EFIAPI ignore(EFI_EVENT event, void *context)
{
    (void)event;
    (void)context;
}

bool gt_second_start(void(EFIAPI *run)(void *), void *arg)
{
    EFI_GUID guid = {0x3fdda605, 0xa76e, 0x4f46, {0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08}};
    static BOOLEAN finished;
    mp_services *mp = NULL;
    EFI_EVENT event;

    gt_firmware_enter();
    bool started =
        BS->LocateProtocol(&guid, NULL, (void **)&mp) == EFI_SUCCESS &&
        BS->CreateEvent(EVT_NOTIFY_SIGNAL, TPL_CALLBACK, ignore, NULL, &event) == EFI_SUCCESS &&
        mp->startup_this(mp, run, 1, event, 0, arg, &finished) == EFI_SUCCESS;
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
