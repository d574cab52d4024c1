/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tables.efi: gives the emulator's firmware the ACPI tables that it lacks, so that an operating
 * system finds all processors: RSDP, XSDT, FADT, FACS, a DSDT that says how to sleep in S3, and a
 * MADT with the processors of the MP services protocol, the I/O APIC, and IRQ 0 at its pin 2. With
 * three processors and more, waiting.c is at work as well, so the program stays loaded. For the
 * rig alone: Nidus installs no table. ACPI 6.4, chapters 5.2.5 to 5.2.12
 */
#include "tools/rig/waiting.h"

#include <efi.h>
#include <efilib.h>
#include <stdint.h>

enum {
    IOAPIC = 0xfec00000,
    LAPIC = 0xfee00000,
    PM_BASE = 0xb000, /* where OVMF puts the PIIX4's power management */
    SCI = 9,
    CPUS_MAX = 64,
};

struct header {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum;
    char oem[6], oem_table[8];
    uint32_t oem_revision, creator, creator_revision;
} __attribute__((packed));

struct fadt {
    struct header h;
    uint32_t facs, dsdt;
    uint8_t model, profile;
    uint16_t sci;
    uint32_t smi_cmd;
    uint8_t enable, disable, s4bios, pstate;
    uint32_t pm1a_evt, pm1b_evt, pm1a_cnt, pm1b_cnt, pm2_cnt, pm_tmr, gpe0, gpe1;
    uint8_t pm1_evt_len, pm1_cnt_len, pm2_cnt_len, pm_tmr_len, gpe0_len, gpe1_len, gpe1_base, cst;
    uint16_t c2_latency, c3_latency, flush_size, flush_stride;
    uint8_t duty_offset, duty_width, day, month, century;
    uint16_t boot_flags;
    uint8_t reserved;
    uint32_t flags;
    uint8_t reset[12], reset_value;
    uint16_t arm_flags;
    uint8_t minor;
    uint64_t x_facs, x_dsdt;
    uint8_t x_blocks[8 * 12], sleep[2 * 12];
    uint64_t hypervisor;
} __attribute__((packed));

struct madt {
    struct header h;
    uint32_t lapic, flags;
    uint8_t entries[CPUS_MAX * 8 + 64];
} __attribute__((packed));

struct rsdp {
    char signature[8];
    uint8_t checksum;
    char oem[6];
    uint8_t revision;
    uint32_t rsdt, length;
    uint64_t xsdt;
    uint8_t extended_checksum, reserved[3];
} __attribute__((packed));

/* All of it in one piece of ACPI reclaim memory. */
struct tables {
    struct rsdp rsdp;
    struct {
        struct header head;
        uint64_t table[2];
    } __attribute__((packed)) xsdt;
    struct fadt fadt;
    struct madt madt;
    struct {
        struct header head;
        uint8_t aml[12];
    } dsdt;
    uint8_t facs[64] __attribute__((aligned(64)));
};

struct mp_services {
    EFI_STATUS(EFIAPI *count)(struct mp_services *self, UINTN *all, UINTN *enabled);
    EFI_STATUS(EFIAPI *info)(struct mp_services *self, UINTN n, uint64_t *info);
};

static uint8_t checksum(const void *at, uint32_t size)
{
    const uint8_t *byte = at;
    uint8_t sum = 0;
    while (size--)
        sum = (uint8_t)(sum + *byte++);
    return (uint8_t)-sum;
}

static void finish(struct header *h, const char *signature, uint32_t length, uint8_t revision)
{
    CopyMem(h->signature, (void *)signature, 4);
    CopyMem(h->oem, (void *)"NIDUS ", 6);
    CopyMem(h->oem_table, (void *)"RIG     ", 8);
    h->length = length;
    h->revision = revision;
    h->checksum = 0;
    h->checksum = checksum(h, length);
}

static uint8_t *put(uint8_t *at, const uint8_t *entry)
{
    CopyMem(at, (void *)entry, entry[1]);
    return at + entry[1];
}

static void fill_madt(struct madt *m)
{
    EFI_GUID guid = {0x3fdda605, 0xa76e, 0x4f46, {0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08}};
    struct mp_services *mp = NULL;
    UINTN all = 1, enabled = 1;
    uint8_t *at = m->entries, apic_id[CPUS_MAX];
    BS->LocateProtocol(&guid, NULL, (void **)&mp);
    if (mp)
        mp->count(mp, &all, &enabled);
    for (UINTN n = 0; n < all && n < CPUS_MAX; n++) {
        uint64_t info[12] = {0};
        if (mp)
            mp->info(mp, n, info);
        apic_id[n] = (uint8_t)info[0];
        at = put(at, (uint8_t[]){0, 8, (uint8_t)n, apic_id[n], 1, 0, 0, 0});
    }
    if (all > 2)
        waiting_prepare(apic_id, all < CPUS_MAX ? all : CPUS_MAX);
    at = put(at, (uint8_t[]){1, 12, (uint8_t)all, 0, 0, 0, IOAPIC >> 16 & 0xff, IOAPIC >> 24, 0, 0,
                             0, 0});
    at = put(at, (uint8_t[]){2, 10, 0, 0, 2, 0, 0, 0, 0, 0});       /* IRQ 0 */
    at = put(at, (uint8_t[]){2, 10, 0, SCI, SCI, 0, 0, 0, 0xd, 0}); /* level, active high */
    at = put(at, (uint8_t[]){4, 6, 0xff, 0, 0, 1});                 /* NMI at LINT1 */
    m->lapic = LAPIC;
    m->flags = 1; /* two 8259s */
    finish(&m->h, "APIC", (uint32_t)(at - (uint8_t *)m), 4);
}

static void fill_fadt(struct tables *t)
{
    struct fadt *f = &t->fadt;
    f->facs = (uint32_t)(uintptr_t)t->facs;
    f->dsdt = (uint32_t)(uintptr_t)&t->dsdt;
    f->x_dsdt = (uintptr_t)&t->dsdt;
    f->sci = SCI;
    f->pm1a_evt = PM_BASE;
    f->pm1a_cnt = PM_BASE + 4;
    f->pm_tmr = PM_BASE + 8;
    f->pm1_evt_len = 4;
    f->pm1_cnt_len = 2;
    f->pm_tmr_len = 4;
    f->c2_latency = f->c3_latency = 0xffff;
    f->boot_flags = 3;                       /* legacy devices, an 8042 */
    f->flags = 1 | 1 << 2 | 1 << 4 | 1 << 5; /* WBINVD, C1, no power or sleep button */
    finish(&f->h, "FACP", sizeof *f, 5);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st)
{
    EFI_GUID acpi2 = ACPI_20_TABLE_GUID;
    EFI_PHYSICAL_ADDRESS at = 0xffffffff;
    InitializeLib(image, st);
    if (BS->AllocatePages(AllocateMaxAddress, EfiACPIReclaimMemory,
                          (sizeof(struct tables) + 4095) / 4096, &at) != EFI_SUCCESS)
        return EFI_OUT_OF_RESOURCES;
    struct tables *t = (void *)at;
    SetMem(t, sizeof *t, 0);
    CopyMem(t->facs, (void *)"FACS", 4);
    t->facs[4] = sizeof t->facs;
    CopyMem(t->dsdt.aml, (void *)"\x08_S3_\x12\x06\x04\x01\x01\0\0", sizeof t->dsdt.aml);
    finish(&t->dsdt.head, "DSDT", sizeof t->dsdt, 2);
    fill_fadt(t);
    fill_madt(&t->madt);
    t->xsdt.table[0] = (uintptr_t)&t->fadt;
    t->xsdt.table[1] = (uintptr_t)&t->madt;
    finish(&t->xsdt.head, "XSDT", sizeof t->xsdt, 1);
    CopyMem(t->rsdp.signature, (void *)"RSD PTR ", 8);
    CopyMem(t->rsdp.oem, (void *)"NIDUS ", 6);
    t->rsdp.revision = 2;
    t->rsdp.length = sizeof t->rsdp;
    t->rsdp.xsdt = (uintptr_t)&t->xsdt;
    t->rsdp.checksum = checksum(&t->rsdp, 20);
    t->rsdp.extended_checksum = checksum(&t->rsdp, sizeof t->rsdp);
    return BS->InstallConfigurationTable(&acpi2, &t->rsdp);
}
