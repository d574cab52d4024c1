/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds the processors by the firmware's MP services protocol and runs functions on them. The
 * protocol wakes a processor, which runs the function and goes back into the firmware's own loop.
 * A processor that only a table knows cannot be reached. Firmware without the protocol leaves it to
 * Nidus to wake them (efi_sipi.c).
 * Contract in efi_cpus.h.
 */
#include "boot/efi_cpus.h"

#include <efi.h>
#include <efilib.h>

#include "boot/efi_sipi.h"
#include "boot/efi_tables.h"
#include "boot/insn.h"

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

static u32 this_apic_id(void)
{
    return cpuid(1).ebx >> 24;
}

static void set_source(struct cpus *cpus, const char *source)
{
    CopyMem(cpus->source, source, strlena((const CHAR8 *)source) + 1);
}

/* Without the protocol, Nidus wakes the processors that the firmware's tables name itself. */
static void list_by_tables(struct cpus *cpus, const u32 *ids, u32 count)
{
    u32 me = this_apic_id(), others = 1;
    cpus->by_sipi = count > 1;
    add_processor(cpus, 0, me, 0);
    for (u32 i = 0; i < count && i < BOOT_MAX_CPUS; i++)
        if (ids[i] != me)
            add_processor(cpus, others++, ids[i], 0);
    cpus->count = count > BOOT_MAX_CPUS ? count : others;
}

void cpus_find(struct cpus *cpus, bool use_services)
{
    static u32 ids[BOOT_MAX_CPUS];
    const char *table;
    line_clear(&cpus->refusal);
    cpus->count = 0;
    cpus->by_sipi = false;
    set_source(cpus, "MP services protocol");
    if (use_services)
        list_by_mp_services(cpus);
    u32 reached = cpus->count, listed = tables_processors(ids, BOOT_MAX_CPUS, &table);
    if (!reached) {
        list_by_tables(cpus, ids, listed);
        set_source(cpus, listed ? table : "the firmware is silent");
        return;
    }
    if (listed <= reached)
        return;
    set_source(cpus, table);
    line_add_decimal(&cpus->refusal, listed);
    line_add(&cpus->refusal, " processors (");
    line_add(&cpus->refusal, table);
    line_add(&cpus->refusal, "), but the firmware starts ");
    line_add_decimal(&cpus->refusal, reached);
    line_add(&cpus->refusal, " of them");
    cpus->count = listed;
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
    if (cpus->by_sipi)
        return sipi_call(cpus->cpu[i].apic_id, f, arg);
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
