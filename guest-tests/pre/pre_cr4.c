/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A firmware that leaves on in CR4 what the processor has, whether it uses it or not; SMEP and SMAP
 * apart, as the tests' own pages are user pages. No test by itself.
 */
#include <efi.h>
#include <efilib.h>

/* A bit of CR4, and the bit of CPUID that allows it: register 0 EDX of leaf 1, then of
 * leaf 7 1 EBX, 2 ECX. */
/* clang-format off */
static const struct {
    UINT8 cr4, reg, bit;
} bits[] = {
    {0, 0, 1}, {2, 0, 4},  {3, 0, 2},  {4, 0, 3},  {8, 0, 0},  {10, 0, 25}, {16, 1, 0},
    {11, 2, 2}, {22, 2, 3}, {23, 2, 7}, {24, 2, 31},
};
/* clang-format on */

static void cpuid(UINT32 leaf, UINT32 out[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                     : "a"(leaf), "c"(0));
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st)
{
    UINT32 one[4], seven[4];
    UINT64 cr0, cr4;
    InitializeLib(image, st);
    cpuid(1, one);
    cpuid(7, seven);
    UINT32 words[3] = {one[3], seven[1], seven[2]};
    __asm__ volatile("mov %%cr4, %0\n\tmov %%cr0, %1" : "=r"(cr4), "=r"(cr0));
    for (UINTN i = 0; i < sizeof bits / sizeof *bits; i++)
        if (words[bits[i].reg] >> bits[i].bit & 1)
            cr4 |= 1ull << bits[i].cr4;
    __asm__ volatile("mov %0, %%cr0" : : "r"(cr0 | 1u << 16)); /* CET wants write protection */
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4));
    return EFI_SUCCESS;
}
