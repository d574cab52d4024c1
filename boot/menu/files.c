/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the stick's small files. Contract in files.h. */
#include "boot/menu/files.h"

#include <efilib.h>

#include "guest-tests/lib/gt_format.h"
#include "boot/menu/menu.h"

static EFI_FILE_HANDLE open_on(EFI_HANDLE volume, const CHAR16 *path)
{
    EFI_FILE_HANDLE root = LibOpenRoot(volume), file = NULL;

    if (!root)
        return NULL;
    if (EFI_ERROR(root->Open(root, &file, (CHAR16 *)path, EFI_FILE_MODE_READ, 0)))
        file = NULL;
    root->Close(root);
    return file;
}

bool file_there(EFI_HANDLE volume, const CHAR16 *path)
{
    EFI_FILE_HANDLE file = open_on(volume, path);

    if (file)
        file->Close(file);
    return file != NULL;
}

bool file_read(const char *name, char *text, size_t size)
{
    CHAR16 path[80];
    char narrow[80];
    UINTN n = size - 1, i = 0;
    EFI_FILE_HANDLE file;
    EFI_STATUS s;

    gt_format(narrow, sizeof narrow, "\\nidus\\%s", name);
    for (; narrow[i]; i++)
        path[i] = (CHAR16)narrow[i];
    path[i] = 0;
    text[0] = 0;
    file = open_on(child_device(), path);
    if (!file)
        return false;
    s = file->Read(file, &n, text);
    file->Close(file);
    text[EFI_ERROR(s) ? 0 : n] = 0;
    return !EFI_ERROR(s);
}

char *file_line(char **rest)
{
    while (**rest) {
        char *line = *rest, *end = line;

        while (*end && *end != '\n' && *end != '\r')
            end++;
        *rest = *end ? end + 1 : end;
        *end = 0;
        if (*line && *line != '#')
            return line;
    }
    return NULL;
}
