/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pre_vtd_unit.efi [dead | busy]: makes up a VT-d unit for an emulator that has VMX and no VT-d: a
 * page of reserved memory with a unit's registers, a DMAR that names it, and a timer that lets its
 * protected memory ranges answer. Its one fault record always has a fault. A dead unit does not
 * answer; of a busy one the firmware has translation switched on. No test by itself: t_vtd looks at
 * what Nidus makes of it. Nothing here keeps anything out of memory; tools/rig/vtd_test.py tests
 * that.
 */
#include <efi.h>
#include <efilib.h>

enum {
    CAP = 0x08, /* offsets of registers, as in hv/vtd/regs.h */
    GSTS = 0x1c,
    FSTS = 0x34,
    PMEN = 0x64,
    RECORD = 0x200,
    PERIOD = 10000, /* a millisecond */
    CODE_MAX = 256,
};

struct tables {
    struct {
        UINT8 signature[8], checksum, oem[6], revision;
        UINT32 rsdt, length;
        UINT64 xsdt;
        UINT8 extended_checksum, reserved[3];
    } __attribute__((packed)) rsdp;
    struct {
        UINT8 signature[4];
        UINT32 length;
        UINT8 revision, checksum, rest[26];
        UINT64 table;
    } __attribute__((packed)) xsdt;
    struct {
        UINT8 signature[4];
        UINT32 length;
        UINT8 revision, checksum, rest[26], width, flags, reserved[10];
        UINT16 type, unit_length;
        UINT8 include_all, pages;
        UINT16 segment;
        UINT64 base;
    } __attribute__((packed)) dmar;
};

/* The firmware calls this code, which is a copy, when this program has ended: it uses nothing
 * else. */
static VOID EFIAPI answer(EFI_EVENT event, VOID *page)
{
    volatile UINT32 *pmen = (volatile UINT32 *)((UINT8 *)page + PMEN);
    UINT32 on = *pmen >> 31;
    *pmen = on << 31 | on;
    (void)event;
}

static UINT8 checksum(const void *at, UINTN size)
{
    const UINT8 *byte = at;
    UINT8 sum = 0;
    while (size--)
        sum = (UINT8)(sum + *byte++);
    return (UINT8)-sum;
}

static void fill(struct tables *t, UINT64 unit)
{
    CopyMem(t->rsdp.signature, "RSD PTR ", 8);
    t->rsdp.revision = 2;
    t->rsdp.length = sizeof t->rsdp;
    t->rsdp.xsdt = (UINT64)&t->xsdt;
    t->rsdp.checksum = checksum(&t->rsdp, 20);
    t->rsdp.extended_checksum = checksum(&t->rsdp, sizeof t->rsdp);
    CopyMem(t->dmar.signature, "DMAR", 4);
    t->dmar.length = sizeof t->dmar;
    t->dmar.unit_length = 16;
    t->dmar.include_all = 1;
    t->dmar.base = unit;
    t->dmar.checksum = checksum(&t->dmar, sizeof t->dmar);
    CopyMem(t->xsdt.signature, "XSDT", 4);
    t->xsdt.length = sizeof t->xsdt;
    t->xsdt.table = (UINT64)&t->dmar;
    t->xsdt.checksum = checksum(&t->xsdt, sizeof t->xsdt);
}

static void *pages(EFI_MEMORY_TYPE type)
{
    EFI_PHYSICAL_ADDRESS at = 0xffffffff;
    if (EFI_ERROR(BS->AllocatePages(AllocateMaxAddress, type, 1, &at)))
        return NULL;
    SetMem((void *)at, 4096, 0);
    return (void *)at;
}

/* The first letter behind the program's own name, or 0. */
static CHAR16 asked(EFI_HANDLE image)
{
    EFI_LOADED_IMAGE *self;
    if (EFI_ERROR(BS->HandleProtocol(image, &LoadedImageProtocol, (VOID **)&self)))
        return 0;
    const CHAR16 *text = self->LoadOptions;
    for (UINTN i = 0; i + 1 < self->LoadOptionsSize / 2; i++)
        if (text[i] == L' ')
            return text[i + 1];
    return 0;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st)
{
    EFI_GUID acpi2 = ACPI_20_TABLE_GUID;
    EFI_EVENT event;
    InitializeLib(image, st);
    UINT8 *unit = pages(EfiReservedMemoryType), *code = pages(EfiBootServicesCode);
    struct tables *t = pages(EfiACPIReclaimMemory);
    if (!unit || !code || !t)
        return EFI_OUT_OF_RESOURCES;
    *(UINT64 *)(unit + CAP) = (UINT64)(RECORD / 16) << 24 | 3 << 5 | 1 << 9;
    *(UINT32 *)(unit + FSTS) = 2;
    *(UINT64 *)(unit + RECORD) = 0x1234000;
    *(UINT64 *)(unit + RECORD + 8) = 1ull << 63 | 6ull << 32 | 0x3a51;
    CopyMem(code, (void *)answer, CODE_MAX);
    CHAR16 kind = asked(image);
    if (kind == L'b')
        *(UINT32 *)(unit + GSTS) = 1u << 31;
    EFI_STATUS s =
        BS->CreateEvent(EVT_TIMER | EVT_NOTIFY_SIGNAL, TPL_NOTIFY, (void *)code, unit, &event);
    if (!EFI_ERROR(s) && kind != L'd')
        s = BS->SetTimer(event, TimerPeriodic, PERIOD);
    fill(t, (UINT64)unit);
    return EFI_ERROR(s) ? s : BS->InstallConfigurationTable(&acpi2, &t->rsdp);
}
