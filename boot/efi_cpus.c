/*
 * Finds the processors by the firmware's MP services protocol and runs functions on them. The
 * protocol wakes a processor, which runs the function and goes back into the firmware's own loop.
 * The ACPI MADT is asked, too: a processor that only the MADT knows cannot be reached.
 * Contract in efi_cpus.h.
 */
#include "boot/efi_cpus.h"

#include <efi.h>
#include <efilib.h>

#include "boot/madt.h"

#define CALL_MICROSECONDS 5000000u

/* PI specification, volume 2, 13.4 "MP Services Protocol" */
struct processor_info {
    UINT64 id;
    UINT32 flags;
    UINT8 more[64]; /* the location, of which later firmware tells more */
};
#define PROCESSOR_IS_BSP     1u
#define PROCESSOR_IS_ENABLED 2u

struct mp_services {
    EFI_STATUS(EFIAPI *get_number)(struct mp_services *self, UINTN *all, UINTN *enabled);
    EFI_STATUS(EFIAPI *get_info)(struct mp_services *self, UINTN n, struct processor_info *info);
    EFI_STATUS(EFIAPI *start_all)(void);
    EFI_STATUS(EFIAPI *start_one)
    (struct mp_services *self, VOID(EFIAPI *f)(VOID *arg), UINTN n, EFI_EVENT event,
     UINTN microseconds, VOID *arg, BOOLEAN *finished);
};

static struct mp_services *mp_services(void)
{
    EFI_GUID guid = {0x3fdda605, 0xa76e, 0x4f46, {0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08}};
    struct mp_services *mp;
    return EFI_ERROR(BS->LocateProtocol(&guid, NULL, (VOID **)&mp)) ? NULL : mp;
}

static void add_processor(struct cpus *cpus, u32 at, u64 id, u64 number)
{
    if (at < BOOT_MAX_CPUS)
        cpus->cpu[at] = (struct processor){(u32)id, number};
}

/* Lists the enabled processors, the bootstrap processor first. Without the protocol the list stays
 * empty. */
static void list_by_mp_services(struct cpus *cpus)
{
    struct mp_services *mp = mp_services();
    UINTN all, enabled;
    if (!mp || EFI_ERROR(mp->get_number(mp, &all, &enabled)))
        return;
    u32 others = 1;
    for (UINTN n = 0; n < all; n++) {
        struct processor_info info = {0};
        if (EFI_ERROR(mp->get_info(mp, n, &info)) || !(info.flags & PROCESSOR_IS_ENABLED))
            continue;
        add_processor(cpus, info.flags & PROCESSOR_IS_BSP ? 0 : others++, info.id, n);
    }
    cpus->count = others;
}

/* ACPI 5.2.5.3 "Root System Description Pointer (RSDP) Structure" */
struct PACKED rsdp {
    char signature[8];
    u8 checksum;
    char oem[6];
    u8 revision;
    u32 rsdt;
    u32 length;
    u64 xsdt;
};

struct PACKED acpi_header {
    char signature[4];
    u32 length;
    u8 rest[28];
};

/* The number of processors in the ACPI table at this physical address, or 0 when it is no MADT. */
static u32 count_in_table(u64 address)
{
    const struct acpi_header *table = (const void *)(uintptr_t)address;
    return table ? madt_count_enabled((const u8 *)table, table->length) : 0;
}

/* The largest number of processors in a table of the root table. The root table holds unaligned
 * physical addresses of `width` bytes: 4 in an RSDT, 8 in an XSDT. */
static u32 count_under_root(u64 address, u32 width)
{
    const struct acpi_header *root = (const void *)(uintptr_t)address;
    u32 best = 0;
    for (u32 at = sizeof *root; root && at + width <= root->length; at += width) {
        u64 table = 0;
        CopyMem(&table, (const u8 *)root + at, width);
        u32 n = count_in_table(table);
        best = n > best ? n : best;
    }
    return best;
}

/* A firmware may have root pointers of ACPI 1 and of ACPI 2. The larger count holds. */
static u32 count_by_acpi(void)
{
    EFI_GUID acpi2 = ACPI_20_TABLE_GUID, acpi1 = ACPI_TABLE_GUID;
    u32 best = 0;
    for (UINTN i = 0; i < ST->NumberOfTableEntries; i++) {
        const EFI_CONFIGURATION_TABLE *entry = &ST->ConfigurationTable[i];
        const struct rsdp *rsdp = entry->VendorTable;
        bool is2 = !CompareGuid((EFI_GUID *)&entry->VendorGuid, &acpi2);
        if (!is2 && CompareGuid((EFI_GUID *)&entry->VendorGuid, &acpi1))
            continue;
        bool has_xsdt = is2 && rsdp->revision >= 2 && rsdp->xsdt;
        u32 n = has_xsdt ? count_under_root(rsdp->xsdt, 8) : count_under_root(rsdp->rsdt, 4);
        best = n > best ? n : best;
    }
    return best;
}

static u32 this_apic_id(void)
{
    u32 eax = 1, ebx, ecx = 0, edx;
    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    return ebx >> 24;
}

void cpus_find(struct cpus *cpus)
{
    static const char by_mp[] = "MP services protocol", by_acpi[] = "ACPI MADT",
                      by_none[] = "the firmware is silent";
    line_clear(&cpus->refusal);
    cpus->count = 0;
    list_by_mp_services(cpus);
    u32 reached = cpus->count, acpi = count_by_acpi();
    const char *source = acpi > reached ? by_acpi : reached ? by_mp : by_none;
    CopyMem(cpus->source, source, strlena((const CHAR8 *)source) + 1);
    if (!reached) {
        cpus->count = 1;
        cpus->cpu[0] = (struct processor){this_apic_id(), 0};
    }
    if (acpi <= cpus->count)
        return;
    line_add_decimal(&cpus->refusal, acpi);
    line_add(&cpus->refusal, " processors (ACPI MADT), but the firmware starts ");
    line_add_decimal(&cpus->refusal, cpus->count);
    line_add(&cpus->refusal, reached ? " of them" : " (no MP services protocol)");
    cpus->count = acpi;
}

/* The firmware calls by the calling convention of UEFI, and passes one pointer. */
struct call {
    void (*f)(void *arg);
    void *arg;
};

static VOID EFIAPI run_call(VOID *arg)
{
    struct call *c = arg;
    c->f(c->arg);
}

const char *cpus_call(const struct cpus *cpus, u32 i, void (*f)(void *arg), void *arg)
{
    struct mp_services *mp = i ? mp_services() : NULL;
    struct call call = {f, arg};
    BOOLEAN finished = FALSE;
    if (!i) {
        f(arg);
        return NULL;
    }
    if (!mp)
        return "the firmware has no MP services protocol";
    EFI_STATUS status = mp->start_one(mp, run_call, (UINTN)cpus->cpu[i].number, NULL,
                                      CALL_MICROSECONDS, &call, &finished);
    if (status == EFI_TIMEOUT)
        return "it did not answer in time";
    if (status == EFI_NOT_READY)
        return "it is busy with other work of the firmware";
    return EFI_ERROR(status) ? "the firmware could not start it" : NULL;
}

void cpus_name(const struct cpus *cpus, u32 i, struct line *l)
{
    line_add(l, "processor ");
    line_add_decimal(l, i);
    line_add(l, " (APIC id ");
    line_add_decimal(l, cpus->cpu[i].apic_id);
    line_add(l, "): ");
}
