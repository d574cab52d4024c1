/* SPDX-License-Identifier: BSD-2-Clause */
/* Contract in efi_ucode.h. ucode.c reads the file.
 * SDM 3A 9.11 "Microcode Update Facilities" */
#include "boot/efi_ucode.h"

#include <efi.h>
#include <efilib.h>

#include "boot/efi_chain.h"
#include "boot/insn.h"
#include "boot/options.h"
#include "boot/ucode.h"

#define FILE_MAX        (16u << 20)
#define UPDATE_MSR      0x79u
#define PLATFORM_ID_MSR 0x17u

/* The file's bytes, in whole pages: an update's data must begin at a multiple of 16. */
struct file {
    EFI_PHYSICAL_ADDRESS at;
    u32 size;
};

/* ---- on each processor ----------------------------------------------------------------------- */

struct visit {
    u64 data; /* of the update to load; 0: none */
    u32 platform, revision;
};

/* Some updates want the caches clean. */
static void visit(void *arg)
{
    struct visit *v = arg;
    if (v->data) {
        __asm__ volatile("wbinvd" : : : "memory");
        wrmsr(UPDATE_MSR, v->data);
    }
    v->platform = rdmsr(PLATFORM_ID_MSR) >> 50 & 7;
    v->revision = (u32)facts_microcode();
}

/* ---- the file -------------------------------------------------------------------------------- */

static const char *read_whole(EFI_FILE_HANDLE from, struct file *f)
{
    static u64 info[OPTIONS_LINE_MAX / 2]; /* EFI_FILE_INFO and the name */
    const EFI_FILE_INFO *told = (const void *)info;
    UINTN size = sizeof info;
    EFI_GUID guid = EFI_FILE_INFO_ID;
    if (EFI_ERROR(from->GetInfo(from, &guid, &size, info)))
        return "cannot be read";
    if (told->Attribute & EFI_FILE_DIRECTORY)
        return "is a directory";
    if (told->FileSize > FILE_MAX)
        return "is longer than 16 MiB";
    f->size = (u32)told->FileSize;
    if (EFI_ERROR(
            BS->AllocatePages(AllocateAnyPages, EfiLoaderData, f->size / SIZE_4K + 1, &f->at)))
        return "no memory to read it";
    size = f->size;
    if (!EFI_ERROR(from->Read(from, &size, (void *)f->at)) && size == f->size)
        return NULL;
    BS->FreePages(f->at, f->size / SIZE_4K + 1);
    return "cannot be read";
}

static const char *open_and_read(EFI_HANDLE image, const u16 *name, struct file *f)
{
    static u16 path[2 * OPTIONS_LINE_MAX];
    EFI_LOADED_IMAGE *self;
    EFI_FILE_HANDLE file;
    if (EFI_ERROR(BS->HandleProtocol(image, &LoadedImageProtocol, (VOID **)&self)))
        return "nidus.efi's own image is unknown";
    if (!chain_path(self, name, path, ARRAY_LEN(path)))
        return "the path is too long";
    EFI_FILE_HANDLE root = LibOpenRoot(self->DeviceHandle);
    if (!root)
        return "nidus.efi's volume cannot be read";
    EFI_STATUS s = root->Open(root, &file, (CHAR16 *)path, EFI_FILE_MODE_READ, 0);
    root->Close(root);
    if (EFI_ERROR(s))
        return s == EFI_NOT_FOUND ? "no such file on nidus.efi's volume" : "cannot be opened";
    const char *why = read_whole(file, f);
    file->Close(file);
    return why;
}

/* ---- all processors -------------------------------------------------------------------------- */

/* What one processor runs, and the update for it. */
struct plan {
    struct ucode update;
    u32 before, after;
};

static const char *make_plan(const struct machine *m, u32 i, const struct file *f, struct plan *p)
{
    struct visit v = {0};
    const char *no = cpus_call(&m->cpus, i, visit, &v);
    if (no)
        return no;
    struct ucode_cpu cpu = {(u32)m->facts[i].value[FACT_CPUID_1_EAX], v.platform};
    p->before = p->after = v.revision;
    return ucode_find((const u8 *)f->at, f->size, cpu, &p->update);
}

/* A processor may have been updated with the other thread of its core. */
static const char *carry_out(const struct machine *m, u32 i, const struct file *f, struct plan *p)
{
    struct visit v = {.data = f->at + p->update.at + UCODE_HEADER_SIZE};
    if (!ucode_is_newer(p->update.revision, p->before))
        return NULL;
    const char *no = cpus_call(&m->cpus, i, visit, &v);
    p->after = v.revision;
    if (no)
        return no;
    return v.revision == p->update.revision ? NULL : "it did not take the update";
}

/* Tells of the first processor; those with one update are alike on every known machine. */
static void tell(const struct plan *p, u32 count, bool load, struct line *l)
{
    u32 newer = 0;
    for (u32 i = 0; i < count; i++)
        newer += ucode_is_newer(p[i].update.revision, p[i].before);
    line_add(l, "revision ");
    line_add_hex(l, p->update.revision);
    if (!newer) {
        line_add(l, " is not newer than what runs: ");
        line_add_hex(l, p->before);
        return;
    }
    line_add(l, load ? " is loaded, in place of " : " would be loaded, in place of ");
    line_add_hex(l, p->before);
    line_add(l, ", on ");
    line_add_decimal(l, newer);
    line_add(l, newer == 1 ? " processor" : " processors");
}

static bool for_all(const struct machine *m, u32 count, const struct file *f, bool load,
                    struct line *l)
{
    static struct plan plan[BOOT_MAX_CPUS];
    const char *why = NULL;
    u32 i = 0;
    if (!FACT_IS_KNOWN(m->facts, FACT_MICROCODE))
        why = "this is no Intel processor";
    for (; i < count && !why; i++)
        why = make_plan(m, i, f, &plan[i]);
    if (load && !why)
        for (i = 0; i < count && !why; i++)
            why = carry_out(m, i, f, &plan[i]);
    if (!why) {
        tell(plan, count, load, l);
        return true;
    }
    if (count > 1 && i)
        cpus_name(&m->cpus, i - 1, l);
    line_add(l, why);
    return false;
}

bool ucode_apply(void *image, const u16 *name, const struct machine *m, u32 count, bool load,
                 struct line *l)
{
    struct file f;
    u32 length = 0;
    line_clear(l);
    if (!name[0])
        return true;
    while (name[length])
        length++;
    line_add(l, "ucode=");
    line_add_foreign(l, name, length);
    line_add(l, ": ");
    const char *why = open_and_read(image, name, &f);
    if (why) {
        line_add(l, why);
        return false;
    }
    bool good = for_all(m, count, &f, load, l);
    BS->FreePages(f.at, f.size / SIZE_4K + 1);
    return good;
}
