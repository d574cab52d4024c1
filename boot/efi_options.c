/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the load options and the configuration. Contract in efi_options.h. This code closes
 * everything that it opens and frees everything that it allocates, so after a refusal the memory
 * map is as it was.
 */
#include "boot/efi_options.h"

#include <efi.h>
#include <efilib.h>

#include "boot/efi_console.h"

#define CONFIG_PATH "\\EFI\\nidus\\nidus.cfg"
enum { CONFIG_MAX = 65536 }; /* in bytes */

/* Reads the command line. When the shell has started us, our handle has a protocol of the shell's,
 * and the command line begins with our name. */
static bool read_command(EFI_HANDLE image, EFI_LOADED_IMAGE *self, struct options *o,
                         struct line *why)
{
    VOID *shell;
    struct text t = text_of_load_options(self->LoadOptions, self->LoadOptionsSize);
    if (t.form == TEXT_BINARY)
        return true;
    bool by_shell = !EFI_ERROR(BS->HandleProtocol(image, &ShellParametersProtocolGuid, &shell));
    return options_read_command(o, t, by_shell ? OPTIONS_NAME_LEADS : OPTIONS_NAME_MAY_LEAD, why);
}

/* Prints a line when the load options are no text. Such options are no reason to refuse: firmware
 * puts marks of its own into the boot entries that it makes. */
static void say_if_binary(EFI_LOADED_IMAGE *self)
{
    struct line l;
    if (text_of_load_options(self->LoadOptions, self->LoadOptionsSize).form != TEXT_BINARY)
        return;
    line_clear(&l);
    line_add(&l, "the load options are ");
    line_add_decimal(&l, self->LoadOptionsSize);
    line_add(&l, " bytes that are no text: ignored");
    console_say_line(&l);
}

/* Replaces *why by "\EFI\nidus\nidus.cfg: what", and returns false for the caller to return. */
static bool complain(struct line *why, const char *what)
{
    line_clear(why);
    line_add(why, CONFIG_PATH ": ");
    line_add(why, what);
    return false;
}

/* A FAT directory can be opened and read like a file, so only its information tells. */
static bool is_directory(EFI_FILE_HANDLE file)
{
    static u64 info[64]; /* EFI_FILE_INFO and a name */
    UINTN size = sizeof info;
    EFI_GUID guid = EFI_FILE_INFO_ID;
    return !EFI_ERROR(file->GetInfo(file, &guid, &size, info)) &&
           (((EFI_FILE_INFO *)info)->Attribute & EFI_FILE_DIRECTORY);
}

/* If a file is too long and also has a fault within the limit, the fault is what the user should
 * learn. */
static bool parse_config(struct options *o, const u8 *bytes, UINTN size, struct line *why)
{
    struct line reason;
    bool too_big = size > CONFIG_MAX;
    struct text t = text_of_file(bytes, (u32)(too_big ? CONFIG_MAX : size));
    if (!options_read_config(o, t, &reason))
        return complain(why, reason.text);
    return !too_big || complain(why, "longer than 65536 bytes");
}

/* Asks for one byte more than the limit, so that a file beyond the limit is noticed. */
static bool read_config_file(EFI_FILE_HANDLE file, struct options *o, struct line *why)
{
    VOID *bytes;
    UINTN size = CONFIG_MAX + 1;
    if (is_directory(file))
        return complain(why, "is a directory");
    if (EFI_ERROR(BS->AllocatePool(EfiLoaderData, size, &bytes)))
        return complain(why, "no memory to read it");
    bool good = EFI_ERROR(file->Read(file, &size, bytes)) ? complain(why, "cannot be read")
                                                          : parse_config(o, bytes, size, why);
    BS->FreePool(bytes);
    return good;
}

/* A missing configuration is no fault. The volume may not have the file, and the image may have
 * come from no volume. */
static bool read_config(EFI_LOADED_IMAGE *self, struct options *o, struct line *why)
{
    EFI_FILE_IO_INTERFACE *volume;
    EFI_FILE_HANDLE root, file;
    if (!self->DeviceHandle ||
        EFI_ERROR(BS->HandleProtocol(self->DeviceHandle, &FileSystemProtocol, (VOID **)&volume)) ||
        EFI_ERROR(volume->OpenVolume(volume, &root)))
        return true;
    EFI_STATUS s = root->Open(root, &file, (CHAR16 *)L"" CONFIG_PATH, EFI_FILE_MODE_READ, 0);
    bool good = s == EFI_NOT_FOUND || !EFI_ERROR(s) || complain(why, "cannot be opened");
    if (!EFI_ERROR(s)) {
        good = read_config_file(file, o, why);
        file->Close(file);
    }
    root->Close(root);
    return good;
}

/* The command line is read twice. The first time shows its faults and `help`, for which no file is
 * needed. The second time comes after the file, because the command line wins. */
bool options_gather(void *image, struct options *o, struct line *why)
{
    EFI_LOADED_IMAGE *self;
    options_default(o);
    if (EFI_ERROR(BS->HandleProtocol(image, &LoadedImageProtocol, (VOID **)&self)))
        return true;
    say_if_binary(self);
    if (!read_command(image, self, o, why))
        return false;
    if (o->help)
        return true;
    options_default(o);
    return read_config(self, o, why) && read_command(image, self, o, why);
}
