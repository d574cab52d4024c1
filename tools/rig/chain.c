/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chain.efi: starts the programs that \chain.txt on its own disk names, one after the other, so
 * that one boot runs many tests. A line is a path and its arguments; '#' begins a comment.
 * To port 0xE9 it prints, around each program, what the rig needs to tell truth from hope:
 *   RUN PATH / START TSC (right before StartImage) / STATUS HEX / ALIVE SIGNATURE VERSION DEPTH
 * and after the last CHAIN END N, then it asks the emulator to shut down. It is no test itself.
 * Behind a line "@console" RUN and STATUS go to the console too, in order with what is said there.
 */
#include <efi.h>
#include <efilib.h>
#include <stdarg.h>
#include <stdint.h>

enum { PORT_E9 = 0xe9, PORT_SHUTDOWN = 0x8900, LINE_MAX = 1024 };
enum { COM1_LSR = 0x3fd, LSR_EMPTY = 0x40 };
enum { CPUID_HYPERVISOR_BIT = 31, LEAF_SIGNATURE = 0x40000000, LEAF_VERSION = 0x40000001 };

static void out_byte(uint16_t port, char c)
{
    __asm__ volatile("outb %0, %1" : : "a"((uint8_t)c), "Nd"(port));
}

static void out_text(uint16_t port, const char *s)
{
    while (*s)
        out_byte(port, *s++);
}

static void e9(const char *s)
{
    out_text(PORT_E9, s);
}

static void hex(uint64_t v, char text[19])
{
    text[0] = '0', text[1] = 'x', text[18] = 0;
    for (int i = 0; i < 16; i++)
        text[2 + i] = "0123456789abcdef"[v >> (60 - 4 * i) & 15];
}

static void e9_hex(uint64_t v)
{
    char text[19];
    hex(v, text);
    e9(text);
}

/* A line that whoever watches the run needs: "WORD TEXT". */
static void say(int console, const char *word, const char *text)
{
    e9(word);
    e9(" ");
    e9(text);
    e9("\n");
    if (console)
        Print(L"\r\n%a %a\r\n", word, text);
}

/* The last bytes of the console may still be in the UART. */
static void drain(void)
{
    uint8_t lsr = 0;
    for (int i = 0; i < 1000000 && !(lsr & LSR_EMPTY); i++)
        __asm__ volatile("inb %1, %0" : "=a"(lsr) : "Nd"((uint16_t)COM1_LSR));
}

static uint64_t rdtsc(void)
{
    uint32_t lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
}

static void cpuid(uint32_t leaf, uint32_t out[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                     : "a"(leaf), "c"(0));
}

/* One line that tells who answers CPUID: "none" on the bare CPU. */
static void say_alive(void)
{
    uint32_t r[4], version[4];
    char name[13] = {0};
    cpuid(1, r);
    if (!(r[2] >> CPUID_HYPERVISOR_BIT & 1)) {
        e9("ALIVE none\n");
        return;
    }
    cpuid(LEAF_SIGNATURE, r);
    cpuid(LEAF_VERSION, version);
    for (int i = 0; i < 12; i++)
        name[i] = (char)(r[1 + i / 4] >> (i % 4 * 8));
    e9("ALIVE ");
    e9(name);
    e9(" ");
    e9_hex(version[0]);
    e9(" ");
    e9_hex(version[1]);
    e9("\n");
}

/* Splits "path args" and starts the program with the whole line as its load options, as the
 * shell would. */
static EFI_STATUS run_line(EFI_HANDLE image, EFI_HANDLE device, const char *line)
{
    static CHAR16 path[LINE_MAX], options[LINE_MAX];
    UINTN n = 0, chars = 0;
    for (; line[chars]; chars++)
        options[chars] = (CHAR16)line[chars];
    options[chars] = 0;
    for (; line[n] && line[n] != ' '; n++)
        path[n] = (CHAR16)line[n];
    path[n] = 0;
    EFI_HANDLE child;
    EFI_LOADED_IMAGE *loaded;
    EFI_STATUS s = uefi_call_wrapper(BS->LoadImage, 6, FALSE, image, FileDevicePath(device, path),
                                     NULL, 0, &child);
    if (EFI_ERROR(s))
        return s;
    s = uefi_call_wrapper(BS->HandleProtocol, 3, child, &LoadedImageProtocol, (VOID **)&loaded);
    if (EFI_ERROR(s))
        return s;
    loaded->LoadOptions = options;
    loaded->LoadOptionsSize = (UINT32)((chars + 1) * sizeof(CHAR16));
    e9("START ");
    e9_hex(rdtsc());
    e9("\n");
    return uefi_call_wrapper(BS->StartImage, 3, child, NULL, NULL);
}

/* The whole list, zero-terminated, or NULL. It is read before the first program can disturb
 * anything. */
static char *read_list(EFI_HANDLE device)
{
    static char text[16384];
    EFI_FILE_HANDLE root = LibOpenRoot(device), file;
    UINTN size = sizeof text - 1;
    if (!root || EFI_ERROR(uefi_call_wrapper(root->Open, 5, root, &file, L"\\chain.txt",
                                             EFI_FILE_MODE_READ, 0)))
        return NULL;
    if (EFI_ERROR(uefi_call_wrapper(file->Read, 3, file, &size, text)))
        return NULL;
    text[size] = 0;
    return text;
}

static char *next_line(char **rest)
{
    char *line = *rest, *end = line;
    while (*end && *end != '\n' && *end != '\r')
        end++;
    *rest = *end ? end + 1 : end;
    *end = 0;
    return line;
}

static void run_list(EFI_HANDLE image, EFI_HANDLE device, char *rest)
{
    uint64_t count = 0;
    int console = 0;
    while (*rest) {
        char *line = next_line(&rest), status[19];
        console |= *line == '@';
        if (!*line || *line == '#' || *line == '@')
            continue;
        say(console, "RUN", line);
        hex(run_line(image, device, line), status);
        say(console, "STATUS", status);
        say_alive();
        count++;
    }
    e9("CHAIN END ");
    e9_hex(count);
    e9("\n");
    if (console)
        drain();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st)
{
    EFI_LOADED_IMAGE *self;
    InitializeLib(image, st);
    /* A boot entry is stopped by the firmware's watchdog after five minutes unless it says
     * otherwise. */
    uefi_call_wrapper(BS->SetWatchdogTimer, 4, 0, 0, 0, NULL);
    if (EFI_ERROR(
            uefi_call_wrapper(BS->HandleProtocol, 3, image, &LoadedImageProtocol, (VOID **)&self)))
        return EFI_UNSUPPORTED;
    char *list = read_list(self->DeviceHandle);
    if (!list) {
        e9("CHAIN: no \\chain.txt\n");
        return EFI_NOT_FOUND;
    }
    run_list(image, self->DeviceHandle, list);
    out_text(PORT_SHUTDOWN, "Shutdown");
    return EFI_SUCCESS;
}
