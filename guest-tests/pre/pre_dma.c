/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Has QEMU's device `edu` do DMA to L0's memory and beside it, and says what came of it. Started by
 * nidus.efi with `dry stress=guard chain=\pre_dma.efi [write]`, which leaves VT-d's guard in force:
 * QEMU has VT-d but no VMX here. With `write` the first thing that is refused is a write, else a
 * read; the unit keeps one fault of a device at a time. No test by itself: tools/rig/vtd_test.py.
 */
#include <efi.h>
#include <efilib.h>

enum {
    EDU_ID = 0x11e81234,
    EDU_SOURCE = 0x80, /* these are registers of 8 bytes in its BAR */
    EDU_TO = 0x88,
    EDU_COUNT = 0x90,
    EDU_COMMAND = 0x98,
    EDU_START = 1,
    EDU_TO_MEMORY = 2,
    EDU_BUFFER = 0x40000, /* its own 4 KiB, as its DMA engine names them */
    PAGE = 4096,
    PIECE = 2048, /* QEMU ends itself at a transfer of the whole buffer */
    TRIES = 300,
};

#define HEAD_PAGES 64u
/* The first bytes of the core: CORE_MAGIC of hv/core/boot_info.h. */
#define CORE_MAGIC 0x65726f43756469ull

static UINT64 edu;
static UINT8 *mine; /* two pages */

static void out32(UINT16 port, UINT32 v)
{
    __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}

static UINT32 in32(UINT16 port)
{
    UINT32 v;
    __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

static UINT32 config_read(UINT32 device, UINT32 reg)
{
    out32(0xcf8, 0x80000000u | device << 11 | reg);
    return in32(0xcfc);
}

static void find_edu(void)
{
    for (UINT32 device = 0; device < 32; device++) {
        if (config_read(device, 0) != EDU_ID)
            continue;
        edu = config_read(device, 0x10) & ~0xfull;
        UINT32 command = config_read(device, 4);
        out32(0xcf8, 0x80000000u | device << 11 | 4);
        out32(0xcfc, command | 6); /* memory space, bus master */
    }
}

static void edu_write(UINT32 reg, UINT64 v)
{
    *(volatile UINT64 *)(edu + reg) = v;
}

/* 2 KiB between memory and the device's buffer. */
static void transfer(UINT64 memory, BOOLEAN to_memory)
{
    edu_write(EDU_SOURCE, to_memory ? EDU_BUFFER : memory);
    edu_write(EDU_TO, to_memory ? memory : EDU_BUFFER);
    edu_write(EDU_COUNT, PIECE);
    edu_write(EDU_COMMAND, EDU_START | (to_memory ? EDU_TO_MEMORY : 0));
    for (UINTN i = 0; i < TRIES && *(volatile UINT64 *)(edu + EDU_COMMAND) & EDU_START; i++)
        BS->Stall(10000);
}

static BOOLEAN same(const UINT8 *a, const UINT8 *b)
{
    return CompareMem(a, b, PIECE) == 0;
}

/* True when the device reads at `at` what the processor reads there. */
static BOOLEAN device_reads(UINT64 at)
{
    SetMem(mine, 2 * PAGE, 0x5a);
    transfer((UINT64)mine, FALSE); /* so that nothing of before stands in the buffer */
    transfer(at, FALSE);
    transfer((UINT64)mine + PAGE, TRUE);
    return same(mine + PAGE, (const UINT8 *)at);
}

/* True when the device can change the page at `at`, which then is as it was. */
static BOOLEAN device_writes(UINT64 at)
{
    CopyMem(mine + PAGE, (void *)at, PIECE);
    for (UINTN i = 0; i < PIECE; i++)
        mine[i] = mine[PAGE + i] ^ 0xff;
    transfer((UINT64)mine, FALSE);
    transfer(at, TRUE);
    if (same(mine + PAGE, (const UINT8 *)at))
        return FALSE;
    CopyMem((void *)at, mine + PAGE, PIECE);
    return TRUE;
}

static void say(const CHAR16 *what, BOOLEAN done)
{
    Print(L"dma: %s: %s\r\n", what, done ? L"done" : L"kept out");
}

static UINT64 core; /* where the core's image lies; its pages are not empty */

/* True when it is at the head of this memory; the log's ring stands before it. */
static BOOLEAN holds_core(const EFI_MEMORY_DESCRIPTOR *d)
{
    UINTN pages = d->NumberOfPages < HEAD_PAGES ? (UINTN)d->NumberOfPages : HEAD_PAGES;
    for (core = d->PhysicalStart; pages > 0; pages--, core += PAGE)
        if (*(UINT64 *)core == CORE_MAGIC)
            return TRUE;
    return FALSE;
}

/* L0's memory is reserved. */
static BOOLEAN find_region(UINT64 *base, UINT64 *end)
{
    UINTN count, key, size;
    UINT32 version;
    EFI_MEMORY_DESCRIPTOR *map = LibMemoryMap(&count, &key, &size, &version);
    for (UINTN i = 0; i < count; i++) {
        EFI_MEMORY_DESCRIPTOR *d = (void *)((UINT8 *)map + i * size);
        if (d->Type != EfiReservedMemoryType || !holds_core(d))
            continue;
        *base = d->PhysicalStart;
        *end = *base + d->NumberOfPages * PAGE;
        return TRUE;
    }
    return FALSE;
}

/* A read that is refused brings zeroes, so the last page, which nothing uses, gets other bytes. */
static void refused_read(UINT64 at, UINT64 end)
{
    SetMem((void *)(end - PAGE), PAGE, 0xc3);
    say(L"read of the first page of L0's memory", device_reads(at));
    say(L"read of a page in its middle", device_reads(core + 7 * PAGE));
    say(L"read of its last page", device_reads(end - PAGE));
}

static void refused_write(UINT64 at, UINT64 end)
{
    say(L"write of the first page of L0's memory", device_writes(at));
    say(L"write of its last page", device_writes(end - PAGE));
}

/* True when a root table of ACPI names a DMAR. */
static BOOLEAN sees_dmar(void)
{
    EFI_GUID acpi2 = ACPI_20_TABLE_GUID;
    UINT8 *rsdp;
    if (EFI_ERROR(LibGetSystemConfigurationTable(&acpi2, (VOID **)&rsdp)))
        return FALSE;
    UINT8 *xsdt = (UINT8 *)*(UINT64 *)(rsdp + 24);
    for (UINT32 at = 36; at + 8 <= *(UINT32 *)(xsdt + 4); at += 8)
        if (CompareMem((void *)*(UINT64 *)(xsdt + at), "DMAR", 4) == 0)
            return TRUE;
    return FALSE;
}

static BOOLEAN asks_for_write(EFI_HANDLE image)
{
    EFI_LOADED_IMAGE *self;
    if (EFI_ERROR(BS->HandleProtocol(image, &LoadedImageProtocol, (VOID **)&self)))
        return FALSE;
    const CHAR16 *text = self->LoadOptions;
    for (UINTN i = 0; i + 1 < self->LoadOptionsSize / 2; i++)
        if (text[i] == L' ' && text[i + 1] == L'w')
            return TRUE;
    return FALSE;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st)
{
    EFI_PHYSICAL_ADDRESS at;
    UINT64 base, end;
    InitializeLib(image, st);
    find_edu();
    if (!edu || !find_region(&base, &end) ||
        EFI_ERROR(BS->AllocatePages(AllocateAnyPages, EfiLoaderData, 3, &at))) {
        Print(L"dma: no edu, or no region\r\n");
        return EFI_NOT_FOUND;
    }
    mine = (UINT8 *)at;
    Print(L"dma: DMAR: %s\r\n", sees_dmar() ? L"shown" : L"hidden");
    say(L"read of own memory", device_reads(at + 2 * PAGE));
    say(L"write of own memory", device_writes(at + 2 * PAGE));
    say(L"read of the page below L0's memory", device_reads(base - PAGE));
    say(L"read of the page above it", device_reads(end));
    if (asks_for_write(image))
        refused_write(base, end);
    refused_read(base, end);
    refused_write(base, end);
    say(L"read of own memory after all that", device_reads(at + 2 * PAGE));
    return EFI_SUCCESS;
}
