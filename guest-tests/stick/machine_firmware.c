/* SPDX-License-Identifier: BSD-2-Clause */
/* The firmware, its memory map, SMBIOS names, ACPI tables and VT-d units. Contract in machine.h. */
#include "guest-tests/lib/gt.h"
#include "guest-tests/stick/machine.h"

/* ---- processor state that the firmware runs with ---- */

static void say_state(void)
{
    struct gt_table_register gdt = gt_sgdt(), idt = gt_sidt();
    u16 tr, ldt;

    __asm__ volatile("str %0\n\tsldt %1" : "=r"(tr), "=r"(ldt));
    gt_line("state: cr0 %lx cr4 %lx rflags %lx", gt_read_cr0(), gt_read_cr4(), gt_read_rflags());
    if (gt_read_cr4() >> 18 & 1)
        gt_line("state: xcr0 %lx", gt_xgetbv(0));
    gt_line("state: gdt limit %x idt limit %x tr %x ldt %x cs %x ss %x", gdt.limit, idt.limit, tr,
            ldt, gt_read_cs(), gt_read_ss());
    for (u32 at = 8; at + 7 <= gdt.limit && at < 0x100; at += 8)
        gt_line("gdt: %02x %016lx", at, *(u64 *)(gdt.base + at));
}

/* ---- what the firmware says of itself ---- */

/* Printable ASCII, at most `room` bytes; quotes and control characters become '?'. */
static void plain(char *out, size_t room, const CHAR16 *wide, const char *narrow)
{
    size_t n = 0;

    for (; n + 1 < room; n++) {
        u16 c = wide ? wide[n] : (u8)narrow[n];

        if (c == 0)
            break;
        out[n] = c >= 0x20 && c < 0x7f && c != '"' ? (char)c : '?';
    }
    out[n] = 0;
}

static int variable(CHAR16 *name)
{
    EFI_GUID global = EFI_GLOBAL_VARIABLE;
    UINT8 v = 0;
    UINTN size = 1;

    return RT->GetVariable(name, &global, NULL, &size, &v) == EFI_SUCCESS ? v : -1;
}

static bool has_protocol(EFI_GUID guid)
{
    void *p = NULL;

    return BS->LocateProtocol(&guid, NULL, &p) == EFI_SUCCESS;
}

static void say_modes(EFI_GRAPHICS_OUTPUT_PROTOCOL *gop)
{
    enum { MODES = 40 };
    EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *info;
    UINTN size;

    for (UINT32 n = 0; n < gop->Mode->MaxMode && n < MODES; n++) {
        if (gop->QueryMode(gop, n, &size, &info) != EFI_SUCCESS)
            continue;
        gt_line("gop: mode %u %ux%u format %u pitch %u", n, info->HorizontalResolution,
                info->VerticalResolution, info->PixelFormat, info->PixelsPerScanLine);
        FreePool(info);
    }
}

static void say_screen(void)
{
    EFI_GUID guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;
    EFI_GRAPHICS_OUTPUT_PROTOCOL *gop = NULL;

    if (BS->LocateProtocol(&guid, NULL, (void **)&gop) != EFI_SUCCESS || !gop->Mode ||
        !gop->Mode->Info) {
        gt_line("gop: none");
        return;
    }
    gt_line("gop: modes %u now %u %ux%u format %u pitch %u", gop->Mode->MaxMode, gop->Mode->Mode,
            gop->Mode->Info->HorizontalResolution, gop->Mode->Info->VerticalResolution,
            gop->Mode->Info->PixelFormat, gop->Mode->Info->PixelsPerScanLine);
    say_modes(gop);
}

static void say_map(void)
{
    UINTN count = 0, key, size;
    UINT32 version;
    char *map = (char *)LibMemoryMap(&count, &key, &size, &version);

    for (UINTN i = 0; map != NULL && i < count && i < 400; i++) {
        EFI_MEMORY_DESCRIPTOR *d = (void *)(map + i * size);
        gt_line("map: %u %lx %lx %lx", d->Type, d->PhysicalStart, d->NumberOfPages, d->Attribute);
    }
    gt_line("map: entries %u", (unsigned)count);
    if (map != NULL)
        FreePool(map);
}

/* ---- SMBIOS: names and versions of types 0, 1 and 2 ---- */

static const char *string_of(const u8 *s, const u8 *end, unsigned number)
{
    const char *at = (const char *)s + s[1];

    while (number > 1 && (const u8 *)at < end && *at) {
        while ((const u8 *)at < end && *at)
            at++;
        at++;
        number--;
    }
    return number && (const u8 *)at < end ? at : "";
}

/* Of type 1 the first three strings: manufacturer, product, version. The fourth is the serial
 * number, behind it is the UUID. */
static void say_structure(const u8 *s, const u8 *end)
{
    static const u8 strings[3][3] = {{4, 5, 8}, {4, 5, 6}, {4, 5, 6}};
    char text[3][64];

    for (unsigned i = 0; i < 3; i++)
        plain(text[i], sizeof text[i], NULL,
              s[1] > strings[s[0]][i] ? string_of(s, end, s[strings[s[0]][i]]) : "");
    gt_line("smbios: %u \"%s\" \"%s\" \"%s\"", s[0], text[0], text[1], text[2]);
}

static void walk_smbios(const u8 *s, size_t length)
{
    const u8 *end = s + length;

    while (s + 4 <= end && s[1] >= 4 && s + s[1] <= end && s[0] != 127) {
        const u8 *next = s + s[1];

        if (s[0] <= 2)
            say_structure(s, end);
        while (next + 1 < end && (next[0] || next[1]))
            next++;
        s = next + 2;
    }
}

static const u8 *configuration(EFI_GUID guid)
{
    for (UINTN i = 0; i < ST->NumberOfTableEntries; i++)
        if (CompareGuid(&ST->ConfigurationTable[i].VendorGuid, &guid) == 0)
            return ST->ConfigurationTable[i].VendorTable;
    return NULL;
}

void machine_say_smbios(void)
{
    EFI_GUID two = {0xeb9d2d31, 0x2d88, 0x11d3, {0x9a, 0x16, 0, 0x90, 0x27, 0x3f, 0xc1, 0x4d}};
    EFI_GUID three = {0xf2fd1544, 0x9794, 0x4a2c, {0x99, 0x2e, 0xe5, 0xbb, 0xcf, 0x20, 0xe3, 0x94}};
    const u8 *at = configuration(three);

    if (at != NULL) {
        walk_smbios(*(u8 **)(at + 16), *(u32 *)(at + 12));
        return;
    }
    at = configuration(two);
    if (at != NULL)
        walk_smbios((u8 *)(u64) * (u32 *)(at + 0x18), *(u16 *)(at + 0x16));
}

void machine_say_firmware(void)
{
    EFI_GUID attributes = {
        0xf4560cf6, 0x40ec, 0x4b4a, {0xa1, 0x92, 0xbf, 0x1d, 0x57, 0xd0, 0xb1, 0x89}};
    char vendor[64];

    plain(vendor, sizeof vendor, ST->FirmwareVendor, NULL);
    gt_line("firmware: \"%s\" revision %x uefi %u.%u", vendor, ST->FirmwareRevision,
            ST->Hdr.Revision >> 16, ST->Hdr.Revision & 0xffff);
    gt_line("firmware: SecureBoot %d SetupMode %d memory attributes protocol %u",
            variable(L"SecureBoot"), variable(L"SetupMode"), has_protocol(attributes));
    say_state();
    say_screen();
    say_map();
}
