/* SPDX-License-Identifier: BSD-2-Clause */
/* Starts programs of the stick and keeps what they print. Contract in menu.h. */
#include "boot/menu/menu.h"

#include "guest-tests/lib/gt_format.h"
#include "boot/menu/report.h"
#include "guest-tests/lib/gt_sink.h"

#define FOUR_GIB 0x100000000ull

enum { OPTIONS = 1100, WATCHDOG_CODE = 0x10000, X2APIC = 1 << 10, MSR_APIC_BASE = 0x1b };

static EFI_HANDLE self_, device;
static EFI_DEVICE_PATH *device_path;
static struct gt_sink *sink;
static struct child child;
static bool silent_;

EFI_HANDLE child_device(void)
{
    return device;
}

EFI_DEVICE_PATH *child_path(void)
{
    return device_path;
}

void child_silent(bool silent)
{
    silent_ = silent;
}

/* The sink's words and its text lie below 4 GiB: a test sees no more. */
bool child_begin(EFI_HANDLE self)
{
    EFI_GUID guid = GT_SINK_GUID;
    EFI_PHYSICAL_ADDRESS at = FOUR_GIB - 1;
    UINTN pages = (TRANSCRIPT_MAX + CONSOLE_MAX) / 4096 + 1;
    EFI_LOADED_IMAGE *li;
    EFI_HANDLE handle = NULL;

    if (EFI_ERROR(BS->HandleProtocol(self, &LoadedImageProtocol, (VOID **)&li)))
        return false;
    self_ = self;
    device = li->DeviceHandle;
    device_path = DevicePathFromHandle(device);
    if (device_path)
        device_path = DuplicateDevicePath(device_path);
    if (EFI_ERROR(BS->AllocatePages(AllocateMaxAddress, EfiLoaderData, pages, &at)))
        return false;
    sink = (void *)at;
    child.transcript = (char *)at + 4096;
    child.console = child.transcript + TRANSCRIPT_MAX - 4096;
    return !EFI_ERROR(BS->InstallProtocolInterface(&handle, &guid, EFI_NATIVE_INTERFACE, sink));
}

static void keep_console(const CHAR16 *text)
{
    for (; *text && child.console_length < CONSOLE_MAX - 1; text++) {
        bool plain = *text == '\n' || (*text >= ' ' && *text < 0x7f);

        if (plain)
            child.console[child.console_length++] = (char)*text;
    }
    child.console[child.console_length] = 0;
}

static void widen(CHAR16 *wide, const char *text)
{
    do {
        *wide++ = (CHAR16)*text;
    } while (*text++);
}

/* Why a program that brings page tables and interrupt tables of its own cannot run here.
 * CAVEAT(stick-tests-low) */
static const char *unsuitable(EFI_LOADED_IMAGE *li)
{
    uint64_t stack, cr4;
    uint32_t low, high;

    __asm__ volatile("mov %%rsp, %0\n\tmov %%cr4, %1" : "=r"(stack), "=r"(cr4));
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(MSR_APIC_BASE));
    if ((uint64_t)li->ImageBase + li->ImageSize > FOUR_GIB)
        return "the firmware loads programs above 4 GiB";
    if (stack > FOUR_GIB)
        return "the firmware's stack is above 4 GiB";
    if (cr4 >> 12 & 1)
        return "the firmware uses five levels of page tables";
    if (low & X2APIC)
        return "the firmware uses the x2APIC";
    return NULL;
}

static void begin(void)
{
    sink->at = child.transcript;
    sink->end = child.transcript + TRANSCRIPT_MAX - 4096 - 1;
    sink->lost = 0;
    child.console_length = 0;
    child.console[0] = 0;
    child.refused = NULL;
    child.status = EFI_SUCCESS;
}

static void end(void)
{
    child.transcript_length = (size_t)(sink->at - child.transcript);
    child.transcript[child.transcript_length] = 0;
    child.lost = sink->lost;
}

static const char *load(CHAR16 *path, EFI_HANDLE *image)
{
    EFI_DEVICE_PATH *where = FileDevicePath(device, path);

    child.status = BS->LoadImage(FALSE, self_, where, NULL, 0, image);
    FreePool(where);
    if (child.status == EFI_NOT_FOUND)
        return "it is not on the stick";
    if (child.status == EFI_ACCESS_DENIED || child.status == EFI_SECURITY_VIOLATION) {
        if (child.status == EFI_SECURITY_VIOLATION) /* loaded, but not to be started */
            BS->UnloadImage(*image);
        return "Secure Boot does not let it run: turn Secure Boot off in the BIOS setup";
    }
    return EFI_ERROR(child.status) ? "the firmware does not load it" : NULL;
}

static void start(EFI_HANDLE image, unsigned seconds)
{
    screen_copy_to(keep_console, silent_);
    BS->SetWatchdogTimer(seconds, WATCHDOG_CODE, 0, NULL);
    child.status = BS->StartImage(image, NULL, NULL);
    BS->SetWatchdogTimer(0, 0, 0, NULL);
    screen_copy_to(NULL, false);
}

struct child *child_run(const char *name, const char *arguments, bool low, unsigned seconds)
{
    static CHAR16 path[80], options[OPTIONS];
    char text[OPTIONS];
    EFI_HANDLE image;
    EFI_LOADED_IMAGE *li = NULL;

    begin();
    gt_format(text, 80, "\\nidus\\%s.efi", name);
    widen(path, text);
    gt_format(text, sizeof text, "%s.efi %s", name, arguments);
    widen(options, text);
    child.refused = load(path, &image);
    if (!child.refused) {
        BS->HandleProtocol(image, &LoadedImageProtocol, (VOID **)&li);
        li->LoadOptions = options;
        li->LoadOptionsSize = (UINT32)((StrLen(options) + 1) * sizeof(CHAR16));
        child.refused = low ? unsuitable(li) : NULL;
        if (child.refused)
            BS->UnloadImage(image);
        else
            start(image, seconds);
    }
    end();
    return &child;
}

EFI_STATUS child_start(EFI_DEVICE_PATH *path, void *options, UINTN size)
{
    EFI_HANDLE image;
    EFI_LOADED_IMAGE *li;
    EFI_STATUS s = BS->LoadImage(FALSE, self_, path, NULL, 0, &image);

    if (EFI_ERROR(s)) {
        if (s == EFI_SECURITY_VIOLATION)
            BS->UnloadImage(image);
        return s;
    }
    if (!EFI_ERROR(BS->HandleProtocol(image, &LoadedImageProtocol, (VOID **)&li)) && size) {
        li->LoadOptions = options;
        li->LoadOptionsSize = (UINT32)size;
    }
    return BS->StartImage(image, NULL, NULL);
}
