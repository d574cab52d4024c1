/* SPDX-License-Identifier: BSD-2-Clause */
/* pre_mp.efi NUMBER CALL STATUS OPTIONS: starts \pre_same.efi OPTIONS on a machine where each
 * CALLth call of MP services that would start processor NUMBER fails with EFI error STATUS instead.
 * No test by itself. */
#include <efi.h>
#include <efilib.h>

/* PI specification, volume 2, 13.4 "MP Services Protocol" */
struct mp_services {
    void *get_number, *get_info, *start_all;
    EFI_STATUS(EFIAPI *start_one)
    (struct mp_services *self, void *f, UINTN n, EFI_EVENT event, UINTN microseconds, VOID *arg,
     BOOLEAN *finished);
};

static struct mp_services before;
static UINTN number, call, status, calls;

static EFI_STATUS EFIAPI start_or_fail(struct mp_services *self, void *f, UINTN n, EFI_EVENT event,
                                       UINTN microseconds, VOID *arg, BOOLEAN *finished)
{
    if (n == number && ++calls == call) {
        calls = 0;
        return EFIERR(status);
    }
    return before.start_one(self, f, n, event, microseconds, arg, finished);
}

/* The next number of *text, or 0; *text goes on behind it. */
static UINTN next_number(CHAR16 **text)
{
    UINTN n = 0;
    while (**text == L' ')
        (*text)++;
    for (; **text >= L'0' && **text <= L'9'; (*text)++)
        n = 10 * n + (UINTN)(**text - L'0');
    return n;
}

/* As the shell would: the program's name stands before its options. */
static EFI_STATUS start_same(EFI_HANDLE image, EFI_HANDLE device, const CHAR16 *options)
{
    static CHAR16 line[256] = L"pre_same.efi";
    EFI_HANDLE child;
    EFI_LOADED_IMAGE *loaded;
    EFI_DEVICE_PATH *path = FileDevicePath(device, L"\\pre_same.efi");
    EFI_STATUS s = BS->LoadImage(FALSE, image, path, NULL, 0, &child);
    if (!EFI_ERROR(s))
        s = BS->HandleProtocol(child, &LoadedImageProtocol, (VOID **)&loaded);
    if (EFI_ERROR(s))
        return s;
    StrnCat(line, options, sizeof line / sizeof *line - StrLen(line) - 1);
    loaded->LoadOptions = line;
    loaded->LoadOptionsSize = (UINT32)((StrLen(line) + 1) * sizeof *line);
    return BS->StartImage(child, NULL, NULL);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st)
{
    EFI_GUID guid = {0x3fdda605, 0xa76e, 0x4f46, {0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08}};
    EFI_LOADED_IMAGE *self;
    struct mp_services *mp;
    InitializeLib(image, st);
    EFI_STATUS s = BS->HandleProtocol(image, &LoadedImageProtocol, (VOID **)&self);
    if (!EFI_ERROR(s))
        s = BS->LocateProtocol(&guid, NULL, (VOID **)&mp);
    if (EFI_ERROR(s))
        return s;
    CHAR16 *text = self->LoadOptions;
    while (*text && *text != L' ') /* this program's own name */
        text++;
    number = next_number(&text);
    call = next_number(&text);
    status = next_number(&text);
    before = *mp;
    mp->start_one = start_or_fail;
    s = start_same(image, self->DeviceHandle, text);
    mp->start_one = before.start_one;
    return s;
}
