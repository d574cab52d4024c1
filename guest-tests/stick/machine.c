/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * machine.efi: what a report tells of the machine that it comes from. CPUID and VMX MSRs of every
 * processor (of others only what differs), the MSRs that Nidus depends on, the firmware and its
 * memory map, ACPI tables, VT-d units. No serial number, no UUID, no MAC: CPUID leaf 3, the
 * inventory number's MSRs, SMBIOS beyond names and versions, and network devices are not read.
 */
#include "guest-tests/lib/gt_mp.h"
#include "guest-tests/stick/machine.h"

enum { PATIENCE = 2000000 /* microseconds */, CPUS_MAX = 512 };

static struct machine_cpu first, other;

static void EFIAPI read_there(void *c)
{
    machine_read(c);
}

static void say_others(void)
{
    struct gt_mp *mp = gt_mp();
    UINTN all = 1, enabled = 1;

    if (mp == NULL) {
        gt_line("cpus: no MP services");
        return;
    }
    mp->count(mp, &all, &enabled);
    gt_line("cpus: %u enabled %u", (unsigned)all, (unsigned)enabled);
    for (UINTN n = 0; n < all && n < CPUS_MAX; n++) {
        u64 info[12] = {0};

        mp->info(mp, n, info);
        gt_line("cpu: %u flags %x", (unsigned)n, (u32)info[1]);
        if (info[1] & 1 || !(info[1] & 2)) /* the bootstrap processor; disabled */
            continue;
        if (mp->start_one(mp, read_there, n, NULL, PATIENCE, &other, NULL) == EFI_SUCCESS)
            machine_say_other((unsigned)n, &other, &first);
        else
            gt_line("cpu: %u does not answer", (unsigned)n);
    }
}

/* What reads memory or registers that somebody else has described runs on the library's tables: a
 * fault there ends this program with a line, and not the firmware. */
TEST_MAIN(machine)
{
    gt_line("under: %s", gt_under_nidus() ? "nidus" : "bare");
    gt_firmware_enter();
    machine_say_firmware();
    gt_firmware_leave();
    machine_begin();
    machine_read(&first);
    machine_say_cpu(&first);
    machine_say_msrs();
    gt_firmware_enter();
    say_others();
    gt_firmware_leave();
    machine_say_smbios();
    machine_say_acpi();
}
