/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an operating system does to the firmware: GetMemoryMap, ExitBootServices, its own page
 * tables, SetVirtualAddressMap, then runtime services at their new addresses. Nidus's memory is
 * not a runtime type, so nothing of it may be remapped or called. The program cannot return: it
 * ends the emulator by its shutdown port, so it runs alone.
 *
 * Right: ExitBootServices, SetVirtualAddressMap, GetTime and QueryVariableInfo succeed, at either
 * address. The variable is volatile: behind ExitBootServices it cannot be set, and is absent.
 */
#include "guest-tests/lib/gt.h"
#include "hv/arch/cpu.h"

enum { MAP_PAGES = 16, PORT_SHUTDOWN = 0x8900 };
#define VIRTUAL_OFFSET 0xffff800000000000ul

static char *map;
static UINTN map_size, descriptor_size;
static UINT32 descriptor_version;

static EFI_MEMORY_DESCRIPTOR *descriptor(UINTN at)
{
    return (EFI_MEMORY_DESCRIPTOR *)(map + at);
}

static EFI_STATUS exit_boot_services(void)
{
    EFI_STATUS status;
    UINTN key;

    for (unsigned i = 0; i < 4; i++) {
        map_size = MAP_PAGES * PAGE_SIZE;
        status =
            BS->GetMemoryMap(&map_size, (void *)map, &key, &descriptor_size, &descriptor_version);
        if (status != EFI_SUCCESS)
            return status;
        status = BS->ExitBootServices(gt_image, key);
        if (status == EFI_SUCCESS)
            return status;
    }
    return status;
}

/* Runtime descriptors move to the upper half, where the test's tables map all 4 GiB once more.
 */
static unsigned assign_virtual(EFI_MEMORY_DESCRIPTOR *out)
{
    unsigned n = 0;

    for (UINTN at = 0; at < map_size; at += descriptor_size) {
        EFI_MEMORY_DESCRIPTOR *d = descriptor(at);

        if (!(d->Attribute & EFI_MEMORY_RUNTIME))
            continue;
        d->VirtualStart = d->PhysicalStart + VIRTUAL_OFFSET;
        CopyMem((char *)out + n * descriptor_size, d, descriptor_size);
        n++;
    }
    return n;
}

static void map_upper_half(void)
{
    u64 *pml4;

    gt_map_load();
    pml4 = (u64 *)gt_read_cr3();
    pml4[256] = pml4[0];
    gt_write_cr3(gt_read_cr3());
}

static void variables(EFI_RUNTIME_SERVICES *rt, const char *when)
{
    static EFI_GUID guid = {0x6e696475, 0x7331, 0x4c31, {1, 2, 3, 4, 5, 6, 7, 8}};
    char data[8] = "nidus-1", back[8] = {0};
    UINTN size = sizeof back;
    UINT32 attributes = 0;
    EFI_STATUS set, get, gone;

    set = rt->SetVariable(L"NidusTest", &guid,
                          EFI_VARIABLE_BOOTSERVICE_ACCESS | EFI_VARIABLE_RUNTIME_ACCESS,
                          sizeof data, data);
    get = rt->GetVariable(L"NidusTest", &guid, &attributes, &size, back);
    gone = rt->SetVariable(L"NidusTest", &guid, 0, 0, NULL);
    gt_line("%s variables: set %lx get %lx size %lu same %u gone %lx", when, set, get, size,
            CompareMem(data, back, sizeof data) == 0, gone);
    size = sizeof back;
    get = rt->GetVariable(L"Lang", &guid, &attributes, &size, back);
    gt_line("%s absent variable: %lx", when, get);
}

static void clock(EFI_RUNTIME_SERVICES *rt, const char *when)
{
    EFI_TIME time;
    EFI_TIME_CAPABILITIES caps;
    EFI_STATUS status = rt->GetTime(&time, &caps);

    gt_line("%s time: %lx year %s month %s resolution %u", when, status,
            time.Year >= 1998 && time.Year < 2100 ? "ok" : "wrong",
            time.Month >= 1 && time.Month <= 12 ? "ok" : "wrong", caps.Resolution);
}

static void names(EFI_RUNTIME_SERVICES *rt, const char *when)
{
    CHAR16 name[256] = {0};
    EFI_GUID guid;
    unsigned n = 0;
    UINTN size = sizeof name;

    while (n < 500 && rt->GetNextVariableName(&size, name, &guid) == EFI_SUCCESS) {
        size = sizeof name;
        n++;
    }
    gt_line("%s variable names: some %u", when, n > 3 && n < 500);
}

static void services(EFI_RUNTIME_SERVICES *rt, const char *when)
{
    UINT64 max, remaining, largest;
    EFI_STATUS status;

    variables(rt, when);
    clock(rt, when);
    names(rt, when);
    status = rt->QueryVariableInfo(EFI_VARIABLE_BOOTSERVICE_ACCESS | EFI_VARIABLE_RUNTIME_ACCESS,
                                   &max, &remaining, &largest);
    gt_line("%s variable space: %lx max %lx", when, status, max);
}

/* The reserved block must have kept its type: an operating system leaves it alone. */
static void reserved_line(void)
{
    bool found = false;

    for (UINTN at = 0; at < map_size; at += descriptor_size) {
        const EFI_MEMORY_DESCRIPTOR *d = descriptor(at);

        if (d->Type == EfiReservedMemoryType && !(d->PhysicalStart & (SIZE_2M - 1)) &&
            d->NumberOfPages * PAGE_SIZE >= SIZE_2M && !(d->Attribute & EFI_MEMORY_RUNTIME))
            found = true;
    }
    gt_line("reserved block as expected: %u", found == gt_under_nidus());
}

/* chain.efi cannot go on after ExitBootServices: its last words are said for it. */
static void shut_down(void)
{
    struct gt_cpuid r = gt_cpuid(0x40000001, 0);
    char alive[64] = "ALIVE none\n";

    gt_end();
    gt_raw("STATUS 0x0000000000000000\n");
    if (gt_under_nidus())
        gt_format(alive, sizeof alive, "ALIVE NidusNidus 0x%x 0x%x\n", r.eax, r.ebx);
    gt_raw(alive);
    for (const char *p = "Shutdown"; *p; p++)
        gt_outb(PORT_SHUTDOWN, (u8)*p);
    for (;;)
        __asm__ volatile("hlt");
}

TEST_MAIN(runtime)
{
    EFI_RUNTIME_SERVICES *rt = RT;
    EFI_MEMORY_DESCRIPTOR *virtual;
    EFI_STATUS status;
    unsigned count;

    map = gt_pages(MAP_PAGES);
    virtual = gt_pages(4);
    gt_firmware_enter();
    services(rt, "before");
    status = exit_boot_services();
    gt_firmware_leave();
    gt_line("exit boot services: %lx", status);
    reserved_line();
    map_upper_half();
    services(rt, "physical");
    count = assign_virtual(virtual);
    status = rt->SetVirtualAddressMap(count * descriptor_size, descriptor_size, descriptor_version,
                                      virtual);
    gt_line("set virtual address map: %lx", status);
    rt = (EFI_RUNTIME_SERVICES *)((u64)rt + VIRTUAL_OFFSET);
    services(rt, "virtual");
    gt_line("table signature: %lx", rt->Hdr.Signature);
    shut_down();
}
