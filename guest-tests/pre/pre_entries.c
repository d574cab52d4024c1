/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes boot entries that are broken in every way that a reader of them must see, and puts them
 * first in BootOrder: for the stick's menu in the emulator, whose firmware forgets them. */
#include <efi.h>
#include <efilib.h>

enum { FIRST = 0x0f00, ENTRIES = 9, ACTIVE = 1, ROOM = 64 };

static EFI_GUID global = EFI_GLOBAL_VARIABLE;

/* An entry: attributes, length of the path list, description "x", and these bytes of paths. */
struct entry {
    UINT16 list_length;
    UINT8 description[4];
    UINT8 size, paths[48];
};

static const struct entry entries[ENTRIES] = {
    {200, {'x', 0, 0, 0}, 4, {0x7f, 0xff, 4, 0}}, /* the list reaches beyond the variable */
    {8, {'x', 0, 0, 0}, 8, {4, 4, 0, 0, 0x7f, 0xff, 4, 0}},       /* a node of no length */
    {8, {'x', 0, 0, 0}, 8, {4, 4, 0xff, 0xff, 0x7f, 0xff, 4, 0}}, /* a node beyond the list */
    {8, {'x', 0, 0, 0}, 8, {4, 1, 4, 0, 0x7f, 0xff, 4, 0}}, /* a partition that says nothing */
    {4, {'x', 0, 0, 0}, 4, {4, 4, 4, 0}},                   /* no end */
    {0, {'x', 0, 0, 0}, 0, {0}},                            /* no path at all */
    {4, {'x', 0, 'y', 0}, 0, {0}},                          /* a description without an end */
    /* A partition that no disk has. */
    {46,
     {'x', 0, 0, 0},
     46,
     {4, 1, 42, 0, 1, [20] = 9, [40] = 2, [41] = 2, [42] = 0x7f, 0xff, 4, 0}},
    {9, {'x', 0, 0, 0}, 9, {5, 1, 5, 0, 0, 0x7f, 0xff, 4, 0}}, /* a BIOS's own boot entry */
};

static void name_of(CHAR16 *name, UINTN number)
{
    SPrint(name, 20, L"Boot%04x", number);
    for (UINTN i = 4; name[i]; i++)
        if (name[i] >= 'a' && name[i] <= 'f')
            name[i] = (CHAR16)(name[i] - 'a' + 'A');
}

static EFI_STATUS set(CHAR16 *name, void *data, UINTN size)
{
    return RT->SetVariable(name, &global,
                           EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS |
                               EFI_VARIABLE_RUNTIME_ACCESS,
                           size, data);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st)
{
    UINT16
        order[ENTRIES + 2 + ROOM]; /* those, one of two bytes, one that there is not; the others */
    UINTN rest = ROOM * sizeof *order;
    CHAR16 name[20];

    InitializeLib(image, st);
    for (UINT16 i = 0; i < ENTRIES; i++) {
        const struct entry *e = &entries[i];
        UINT8 bytes[6 + sizeof e->description + sizeof e->paths] = {ACTIVE};

        CopyMem(bytes + 4, (void *)&e->list_length, 2);
        CopyMem(bytes + 6, (void *)e->description, 4);
        CopyMem(bytes + 10, (void *)e->paths, e->size);
        name_of(name, FIRST + i);
        if (EFI_ERROR(set(name, bytes, 10u + e->size)))
            return EFI_ABORTED;
        order[i] = (UINT16)(FIRST + i);
    }
    order[ENTRIES] = FIRST + ENTRIES;
    order[ENTRIES + 1] = FIRST + ENTRIES + 1;
    name_of(name, FIRST + ENTRIES);
    if (EFI_ERROR(set(name, "\1", 2)) ||
        EFI_ERROR(RT->GetVariable(L"BootOrder", &global, NULL, &rest, order + ENTRIES + 2)))
        return EFI_ABORTED;
    return set(L"BootOrder", order, (ENTRIES + 2) * sizeof *order + rest);
}
