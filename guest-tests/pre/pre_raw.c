/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starts \nidus.efi as a boot entry would: its load options are the bytes of the file that this
 * program's own load options name behind the first space, whatever they are. No test by itself.
 */
#include <efi.h>
#include <efilib.h>

enum { OPTIONS_MAX = 65536 };
static UINT8 options[OPTIONS_MAX];

static EFI_STATUS read_options(EFI_HANDLE device, CHAR16 *path, UINTN *size)
{
    EFI_FILE_HANDLE root = LibOpenRoot(device), file;
    if (!root)
        return EFI_NO_MEDIA;
    EFI_STATUS s = root->Open(root, &file, path, EFI_FILE_MODE_READ, 0);
    root->Close(root);
    if (EFI_ERROR(s))
        return s;
    s = file->Read(file, size, options);
    file->Close(file);
    return s;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st)
{
    EFI_LOADED_IMAGE *self, *loaded;
    EFI_HANDLE child;
    UINTN size = sizeof options;
    InitializeLib(image, st);
    EFI_STATUS s = BS->HandleProtocol(image, &LoadedImageProtocol, (VOID **)&self);
    CHAR16 *path = self->LoadOptions;
    while (!EFI_ERROR(s) && *path && *path++ != ' ')
        ;
    if (!EFI_ERROR(s))
        s = read_options(self->DeviceHandle, path, &size);
    if (!EFI_ERROR(s))
        s = BS->LoadImage(FALSE, image, FileDevicePath(self->DeviceHandle, L"\\nidus.efi"), NULL, 0,
                          &child);
    if (!EFI_ERROR(s))
        s = BS->HandleProtocol(child, &LoadedImageProtocol, (VOID **)&loaded);
    if (EFI_ERROR(s)) {
        Print(L"pre_raw: %r\r\n", s);
        return s;
    }
    loaded->LoadOptions = size ? options : NULL;
    loaded->LoadOptionsSize = (UINT32)size;
    return BS->StartImage(child, NULL, NULL);
}
