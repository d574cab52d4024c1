/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starts \nidus.efi twice with this program's own arguments, and says what the second, refused run
 * changed: control registers, descriptor tables, selectors, MSRs, the memory map. The first run is
 * for what firmware itself allocates once and keeps. No test by itself; returns nidus.efi's status.
 */
#include <efi.h>
#include <efilib.h>

/* MSRs that exist on every machine the refusals run on, and that a launch could touch. */
static const struct {
    UINT32 msr;
    const CHAR16 name[16];
} msrs[] = {
    {0x1b, L"APIC_BASE"},      {0x3a, L"FEATURE_CONTROL"},
    {0x174, L"SYSENTER_CS"},   {0x175, L"SYSENTER_ESP"},
    {0x176, L"SYSENTER_EIP"},  {0x1a0, L"MISC_ENABLE"},
    {0x1d9, L"DEBUGCTL"},      {0x277, L"PAT"},
    {0x2ff, L"MTRR_DEF_TYPE"}, {0xc0000080, L"EFER"},
    {0xc0000081, L"STAR"},     {0xc0000082, L"LSTAR"},
    {0xc0000084, L"FMASK"},    {0xc0000100, L"FS_BASE"},
    {0xc0000101, L"GS_BASE"},  {0xc0000102, L"KERNEL_GS_BASE"},
};
enum {
    MSRS = sizeof msrs / sizeof *msrs,
    MTRR_FIRST = 0x200,
    MTRRS = 16,
    MAP_MAX = 512,
    SELECTORS = 8
};

static const CHAR16 selectors[SELECTORS][5] = {L"ES", L"CS", L"SS",   L"DS",
                                               L"FS", L"GS", L"LDTR", L"TR"};

struct range {
    UINT64 type, base, pages;
};

struct state {
    UINT64 cr0, cr3, cr4, dr7, msr[MSRS], mtrr[MTRRS];
    struct {
        UINT16 limit;
        UINT64 base;
    } __attribute__((packed)) gdtr, idtr;
    UINT16 selector[SELECTORS];
    UINTN ranges;
    struct range map[MAP_MAX];
};

static UINT64 rdmsr(UINT32 msr)
{
    UINT32 lo, hi;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return (UINT64)hi << 32 | lo;
}

static void read_map(struct state *s)
{
    static UINT8 map[65536];
    UINTN bytes = sizeof map, key, size;
    UINT32 version;
    s->ranges = 0;
    if (EFI_ERROR(BS->GetMemoryMap(&bytes, (EFI_MEMORY_DESCRIPTOR *)map, &key, &size, &version)))
        return;
    for (UINTN at = 0; at < bytes && s->ranges < MAP_MAX; at += size) {
        EFI_MEMORY_DESCRIPTOR *d = (EFI_MEMORY_DESCRIPTOR *)(map + at);
        s->map[s->ranges++] = (struct range){d->Type, d->PhysicalStart, d->NumberOfPages};
    }
}

static void read_registers(struct state *s)
{
    __asm__ volatile("mov %%cr0, %0" : "=r"(s->cr0));
    __asm__ volatile("mov %%cr3, %0" : "=r"(s->cr3));
    __asm__ volatile("mov %%cr4, %0" : "=r"(s->cr4));
    __asm__ volatile("mov %%dr7, %0" : "=r"(s->dr7));
    __asm__ volatile("sgdt %0\n sidt %1" : "=m"(s->gdtr), "=m"(s->idtr));
    __asm__ volatile("mov %%es, %0\n mov %%cs, %1\n mov %%ss, %2\n mov %%ds, %3\n mov %%fs, %4\n"
                     "mov %%gs, %5\n sldt %6\n str %7"
                     : "=m"(s->selector[0]), "=m"(s->selector[1]), "=m"(s->selector[2]),
                       "=m"(s->selector[3]), "=m"(s->selector[4]), "=m"(s->selector[5]),
                       "=m"(s->selector[6]), "=m"(s->selector[7]));
    for (UINTN i = 0; i < MSRS; i++)
        s->msr[i] = rdmsr(msrs[i].msr);
    for (UINTN i = 0; i < MTRRS; i++)
        s->mtrr[i] = rdmsr(MTRR_FIRST + (UINT32)i);
}

static UINTN differs(const CHAR16 *name, UINT64 before, UINT64 after)
{
    if (before == after)
        return 0;
    Print(L"same: %s was 0x%lx, is 0x%lx\r\n", name, before, after);
    return 1;
}

static UINTN compare(const struct state *a, const struct state *b)
{
    UINTN n = differs(L"CR0", a->cr0, b->cr0) + differs(L"CR3", a->cr3, b->cr3) +
              differs(L"CR4", a->cr4, b->cr4) + differs(L"DR7", a->dr7, b->dr7) +
              differs(L"GDTR", a->gdtr.base ^ a->gdtr.limit, b->gdtr.base ^ b->gdtr.limit) +
              differs(L"IDTR", a->idtr.base ^ a->idtr.limit, b->idtr.base ^ b->idtr.limit) +
              differs(L"ranges", a->ranges, b->ranges);
    for (UINTN i = 0; i < SELECTORS; i++)
        n += differs(selectors[i], a->selector[i], b->selector[i]);
    for (UINTN i = 0; i < MSRS; i++)
        n += differs(msrs[i].name, a->msr[i], b->msr[i]);
    for (UINTN i = 0; i < MTRRS; i++)
        n += differs(L"an MTRR", a->mtrr[i], b->mtrr[i]);
    for (UINTN i = 0; i < a->ranges && i < b->ranges; i++)
        n += differs(L"a range's type", a->map[i].type, b->map[i].type) +
             differs(L"a range's base", a->map[i].base, b->map[i].base) +
             differs(L"a range's pages", a->map[i].pages, b->map[i].pages);
    return n;
}

/* As the shell would: the whole line, the program's name first. */
static EFI_STATUS run(EFI_HANDLE image, EFI_LOADED_IMAGE *self)
{
    EFI_HANDLE child;
    EFI_LOADED_IMAGE *loaded;
    EFI_DEVICE_PATH *path = FileDevicePath(self->DeviceHandle, L"\\nidus.efi");
    EFI_STATUS s = BS->LoadImage(FALSE, image, path, NULL, 0, &child);
    FreePool(path);
    if (EFI_ERROR(s))
        return s;
    s = BS->HandleProtocol(child, &LoadedImageProtocol, (VOID **)&loaded);
    if (EFI_ERROR(s))
        return s;
    loaded->LoadOptions = self->LoadOptions;
    loaded->LoadOptionsSize = self->LoadOptionsSize;
    return BS->StartImage(child, NULL, NULL);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st)
{
    static struct state before, after;
    EFI_LOADED_IMAGE *self;
    InitializeLib(image, st);
    EFI_STATUS s = BS->HandleProtocol(image, &LoadedImageProtocol, (VOID **)&self);
    if (EFI_ERROR(s))
        return s;
    read_registers(&before);
    run(image, self);
    read_map(&before);
    s = run(image, self);
    read_registers(&after);
    read_map(&after);
    if (!compare(&before, &after))
        Print(L"same: everything, in %s memory\r\n", after.ranges > 4 ? L"mapped" : L"unmapped");
    return s;
}
