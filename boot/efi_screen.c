/* SPDX-License-Identifier: BSD-2-Clause */
/* Contract in efi_screen.h. UEFI 2.10 12.9 "Graphics Output Protocol" */
#include "boot/efi_screen.h"

#include "boot/tables.h"

#include <efi.h>
#include <efilib.h>

#define PIXELS_MAX (16384ull * 16384) /* more is no mode, but garbage */

static bool fill(struct screen *s, EFI_HANDLE handle)
{
    EFI_GRAPHICS_OUTPUT_PROTOCOL *gop;
    EFI_GUID guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;
    if (EFI_ERROR(BS->HandleProtocol(handle, &guid, (VOID **)&gop)) || !gop->Mode ||
        !gop->Mode->Info)
        return false;
    const EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *mode = gop->Mode->Info;
    u64 base = gop->Mode->FrameBufferBase,
        pixels = (u64)mode->PixelsPerScanLine * mode->VerticalResolution;
    if ((mode->PixelFormat != PixelRedGreenBlueReserved8BitPerColor &&
         mode->PixelFormat != PixelBlueGreenRedReserved8BitPerColor) ||
        mode->HorizontalResolution > mode->PixelsPerScanLine || !base || base % 4 || !pixels ||
        pixels > PIXELS_MAX || pixels * 4 > gop->Mode->FrameBufferSize)
        return false;
    *s = (struct screen){.hpa = base,
                         .pixels = (u32 *)(SCREEN_VA + base % SIZE_4K),
                         .width = mode->HorizontalResolution,
                         .height = mode->VerticalResolution,
                         .stride = mode->PixelsPerScanLine};
    return true;
}

void screen_find(struct screen *s)
{
    EFI_GUID guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;
    EFI_HANDLE *handles;
    UINTN count;
    *s = (struct screen){0};
    if (ST->ConsoleOutHandle && fill(s, ST->ConsoleOutHandle))
        return;
    if (EFI_ERROR(BS->LocateHandleBuffer(ByProtocol, &guid, NULL, &count, &handles)))
        return;
    for (UINTN i = 0; i < count && !s->pixels; i++)
        (void)!fill(s, handles[i]);
    BS->FreePool(handles);
}
