/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starts a system of this machine's as L1: a boot entry of the firmware, or the boot program of
 * another volume. Nothing is written to the firmware's variables.
 */
#include "boot/menu/entry.h"
#include "boot/menu/files.h"
#include "guest-tests/lib/gt_format.h"
#include "boot/menu/menu.h"
#include "boot/menu/report.h"

enum { SYSTEMS = 16, DESCRIPTION = 100, LABEL = 24, ORDER_MAX = 512, ENTRY_MAX = 2048 };

static struct installed {
    EFI_DEVICE_PATH *path; /* whole, as LoadImage wants it */
    void *options;
    UINTN options_size;
    char text[DESCRIPTION]; /* for the screen; a description may hold a serial number */
    char kind[16];          /* for the report */
} installed[SYSTEMS];
static unsigned count, left_out; /* systems; boot entries that are none */

static void narrow(char *out, size_t room, const CHAR16 *wide)
{
    size_t n = 0;

    for (; n < room - 1 && wide[n]; n++)
        out[n] = wide[n] >= ' ' && wide[n] < 0x7f ? (char)wide[n] : '?';
    out[n] = 0;
}

static bool is_partition(const EFI_DEVICE_PATH *node)
{
    return DevicePathType(node) == MEDIA_DEVICE_PATH &&
           DevicePathSubType(node) == MEDIA_HARDDRIVE_DP &&
           DevicePathNodeLength(node) >= (int)sizeof(HARDDRIVE_DEVICE_PATH);
}

/* True for the stick itself, for its whole disk and for what lies on it. It may have been taken out
 * since it started us, and may be back under another handle: its path is the same. */
static bool is_the_stick(const EFI_DEVICE_PATH *path)
{
    return child_path() && path_is_on((const uint8_t *)path, (const uint8_t *)child_path());
}

/* A boot entry may begin with the partition alone: what leads to it is found here. NULL: no such
 * partition is there, or it is this stick's. */
static EFI_DEVICE_PATH *whole_path(EFI_DEVICE_PATH *path)
{
    EFI_HANDLE *volumes = NULL;
    UINTN n = 0;
    EFI_DEVICE_PATH *found = NULL, *rest = NextDevicePathNode(path);

    if (!is_partition(path))
        return DuplicateDevicePath(path);
    if (EFI_ERROR(BS->LocateHandleBuffer(ByProtocol, &FileSystemProtocol, NULL, &n, &volumes)))
        return NULL;
    for (UINTN i = 0; i < n && !found; i++) {
        EFI_DEVICE_PATH *leads = DevicePathFromHandle(volumes[i]);

        if (!leads || is_the_stick(leads) ||
            !path_is_on((const uint8_t *)path, (const uint8_t *)leads))
            continue;
        found = IsDevicePathEnd(rest) ? FileDevicePath(volumes[i], L"\\EFI\\BOOT\\BOOTX64.EFI")
                                      : AppendDevicePath(leads, rest);
    }
    FreePool(volumes);
    return found;
}

/* False: it is broken, starts no operating system, or is the stick's own. */
static bool add_entry(unsigned number, uint8_t *entry, UINTN size)
{
    struct installed *s = &installed[count];
    struct entry_parts parts;

    if (!entry_parse(entry, size, &parts))
        return false;
    s->path = whole_path((EFI_DEVICE_PATH *)(entry + parts.paths));
    if (!s->path || is_the_stick(s->path))
        return false;
    narrow(s->text, DESCRIPTION / 2, (const CHAR16 *)(entry + parts.text));
    gt_format(s->kind, sizeof s->kind, "Boot%04x", number);
    s->options = entry + parts.options;
    s->options_size = parts.options_size;
    count++;
    return true;
}

static void hex4(CHAR16 *out, unsigned v)
{
    for (int i = 0; i < 4; i++)
        out[i] = L"0123456789ABCDEF"[v >> (12 - 4 * i) & 15];
    out[4] = 0;
}

static void find_entries(void)
{
    EFI_GUID global = EFI_GLOBAL_VARIABLE;
    static uint16_t order[ORDER_MAX];
    UINTN size = sizeof order;

    if (EFI_ERROR(RT->GetVariable(L"BootOrder", &global, NULL, &size, order)))
        return;
    for (unsigned i = 0; i < size / 2 && count < SYSTEMS / 2; i++) {
        CHAR16 name[9] = L"Boot"; /* and the number */
        VOID *entry;
        UINTN room = ENTRY_MAX;

        hex4(name + 4, order[i]);
        if (EFI_ERROR(BS->AllocatePool(EfiLoaderData, ENTRY_MAX, &entry)))
            return;
        if (EFI_ERROR(RT->GetVariable(name, &global, NULL, &room, entry)) ||
            !add_entry(order[i], entry, room))
            left_out++;
    }
}

/* Where a program lies, so that two volumes with the same path can be told apart. */
static void name_file(char *out, EFI_HANDLE volume, unsigned number, const CHAR16 *path)
{
    EFI_FILE_HANDLE root = LibOpenRoot(volume);
    EFI_FILE_SYSTEM_INFO *info = root ? LibFileSystemInfo(root) : NULL;
    char name[DESCRIPTION / 2], label[LABEL] = "";

    narrow(name, sizeof name, path);
    if (info)
        narrow(label, sizeof label, info->VolumeLabel);
    gt_format(out, DESCRIPTION, "%s on volume %u, %lu MiB %s", name, number,
              info ? (uint64_t)info->VolumeSize >> 20 : 0ul, label);
    if (info)
        FreePool(info);
    if (root)
        root->Close(root);
}

static void find_files(void)
{
    static const CHAR16 *const known[] = {
        L"\\EFI\\Microsoft\\Boot\\bootmgfw.efi", L"\\EFI\\debian\\shimx64.efi",
        L"\\EFI\\ubuntu\\shimx64.efi", L"\\EFI\\fedora\\shimx64.efi", L"\\EFI\\BOOT\\BOOTX64.EFI"};
    EFI_HANDLE *volumes = NULL;
    UINTN n = 0;

    if (EFI_ERROR(BS->LocateHandleBuffer(ByProtocol, &FileSystemProtocol, NULL, &n, &volumes)))
        return;
    for (UINTN i = 0; i < n; i++) {
        EFI_DEVICE_PATH *leads = DevicePathFromHandle(volumes[i]);

        if (!leads || is_the_stick(leads))
            continue;
        for (unsigned k = 0; k < sizeof known / sizeof *known && count < SYSTEMS; k++) {
            if (!file_there(volumes[i], known[k]))
                continue;
            installed[count].path = FileDevicePath(volumes[i], (CHAR16 *)known[k]);
            name_file(installed[count].text, volumes[i], (unsigned)i, known[k]);
            gt_format(installed[count].kind, sizeof installed[count].kind, "file");
            installed[count].options_size = 0;
            count++;
        }
    }
    FreePool(volumes);
}

static void start(const struct installed *s)
{
    char text[160];
    EFI_STATUS status;

    report_mark("installed begins", s->kind);
    status = child_start(s->path, s->options, s->options_size);
    gt_format(text, sizeof text, "%s came back: status %lx", s->kind, (uint64_t)status);
    verdict('7', false, text);
}

void installed_run(void)
{
    char text[160], key;

    count = left_out = 0;
    find_entries();
    find_files();
    if (left_out) {
        gt_format(text, sizeof text, "Boot entries left out, as they start no system here: %u",
                  left_out);
        say(text);
    }
    if (!count) {
        say("No other system was found: no boot entry of the firmware, and no volume that boots.");
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        gt_format(text, sizeof text, "  %c  %s: %s", 'a' + (char)i, installed[i].kind,
                  installed[i].text);
        say(text);
    }
    say("Which? Any other key goes back to the menu.");
    key = key_wait(0);
    if (key < 'a' || key >= 'a' + (char)count)
        return;
    if (nidus_make_live("nested=on log=none"))
        start(&installed[key - 'a']);
}
