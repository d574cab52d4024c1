/* SPDX-License-Identifier: BSD-2-Clause */
/* Loads and starts the program of chain=. Contract in efi_chain.h. After a launch this code runs as
 * L1. */
#include "boot/efi_chain.h"

#include <efi.h>
#include <efilib.h>

#include "boot/efi_console.h"
#include "boot/options.h"
#include "boot/status.h"
#include "boot/words.h"

static u32 length(const u16 *s)
{
    u32 n = 0;
    while (s[n])
        n++;
    return n;
}

/* Prints "chain=PATH: what: EFI_NAME (0x...)", and returns the status for the caller to return. */
static EFI_STATUS fail(const u16 *path, const char *what, EFI_STATUS s)
{
    struct line l;
    line_clear(&l);
    line_add(&l, "chain=");
    line_add_foreign(&l, path, length(path));
    line_add(&l, ": ");
    line_add(&l, what);
    line_add(&l, ": ");
    line_add_status(&l, s);
    console_say_line(&l);
    return s;
}

/* Stores nidus.efi's own folder with its last '\', or "" when the firmware does not tell it. size:
 * room in `folder`, in characters. */
static void own_folder(EFI_LOADED_IMAGE *self, u16 *folder, u32 size)
{
    u32 n = 0, end = 0;
    EFI_DEVICE_PATH *node = self->FilePath;
    for (; node && !IsDevicePathEnd(node); node = NextDevicePathNode(node)) {
        if (DevicePathType(node) != MEDIA_DEVICE_PATH ||
            DevicePathSubType(node) != MEDIA_FILEPATH_DP)
            continue;
        const CHAR16 *name = ((FILEPATH_DEVICE_PATH *)node)->PathName;
        /* One node may hold the whole path, or each node a part of the path. */
        if (n && folder[n - 1] != '\\' && *name != '\\' && n + 1 < size)
            folder[n++] = '\\';
        while (*name && n + 1 < size)
            folder[n++] = (u16)*name++;
    }
    /* nidus.efi's own name follows the last separator and is cut off. */
    for (u32 i = 0; i < n; i++)
        if (folder[i] == '\\')
            end = i + 1;
    folder[end] = 0;
}

bool chain_path(void *self, const u16 *command, u16 *path, u32 size)
{
    static u16 folder[OPTIONS_LINE_MAX];
    own_folder(self, folder, ARRAY_LEN(folder));
    return words_program_path(command, folder, path, size);
}

/* Checks that the path names a file. LoadImage alone would not tell what is wrong. */
static EFI_STATUS look_at(EFI_HANDLE device, const u16 *path)
{
    static u64 info[OPTIONS_LINE_MAX / 2]; /* EFI_FILE_INFO and the name */
    EFI_FILE_HANDLE root = LibOpenRoot(device), file;
    UINTN size = sizeof info;
    EFI_GUID guid = EFI_FILE_INFO_ID;
    if (!root)
        return fail(path, "nidus.efi's volume cannot be read", EFI_NO_MEDIA);
    EFI_STATUS s = root->Open(root, &file, (CHAR16 *)path, EFI_FILE_MODE_READ, 0);
    root->Close(root);
    if (EFI_ERROR(s))
        return fail(path,
                    s == EFI_NOT_FOUND ? "no such file on nidus.efi's volume" : "cannot be opened",
                    s);
    s = file->GetInfo(file, &guid, &size, info);
    file->Close(file);
    if (!EFI_ERROR(s) && (((EFI_FILE_INFO *)info)->Attribute & EFI_FILE_DIRECTORY))
        return fail(path, "is a directory", EFI_UNSUPPORTED);
    return EFI_SUCCESS;
}

/* Loads the image. On a failure it has printed a line. */
static EFI_STATUS load(EFI_HANDLE image, EFI_HANDLE device, const u16 *path, EFI_HANDLE *child)
{
    EFI_STATUS s = look_at(device, path);
    if (EFI_ERROR(s))
        return s;
    EFI_DEVICE_PATH *where = FileDevicePath(device, (CHAR16 *)path);
    s = BS->LoadImage(FALSE, image, where, NULL, 0, child);
    FreePool(where);
    if (!EFI_ERROR(s))
        return s;
    if (s == EFI_SECURITY_VIOLATION) { /* the image is loaded, but must not be started */
        BS->UnloadImage(*child);
        return fail(path, "refused by Secure Boot", s);
    }
    return fail(path, "not an EFI program", s);
}

u64 chain_run(void *image, const u16 *command)
{
    static u16 path[2 * OPTIONS_LINE_MAX];
    EFI_LOADED_IMAGE *self, *loaded;
    EFI_HANDLE child;
    EFI_STATUS s = BS->HandleProtocol(image, &LoadedImageProtocol, (VOID **)&self);
    if (EFI_ERROR(s))
        return fail(command, "nidus.efi's own image is unknown", s);
    if (!chain_path(self, command, path, ARRAY_LEN(path)))
        return fail(command, "the path is too long", EFI_INVALID_PARAMETER);
    s = load(image, self->DeviceHandle, path, &child);
    if (EFI_ERROR(s))
        return s;
    s = BS->HandleProtocol(child, &LoadedImageProtocol, (VOID **)&loaded);
    if (EFI_ERROR(s))
        return fail(path, "its image is unknown", s);
    /* The program may use our text: nidus.efi is not unloaded while the program runs. */
    loaded->LoadOptions = (VOID *)command;
    loaded->LoadOptionsSize = (length(command) + 1) * sizeof *command;
    s = BS->StartImage(child, NULL, NULL);
    return EFI_ERROR(s) ? fail(path, "returned", s) : s;
}
