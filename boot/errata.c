/* SPDX-License-Identifier: BSD-2-Clause */
/* Contract in errata.h. CAVEAT(hidden-by-erratum) */
#include "boot/errata.h"

#define ANY_STEPPING 0xff

/* The facts of both tables are public in systems that step around the same errata, and have been
 * compared with those row by row: deadline_match of Linux's and of Xen's APIC code, and
 * vmx_preemption_cpu_tfms of KVM (Xen has none for that timer). As in the present versions of all
 * three, a stepping of 0x3f, 0x56 or 0x55 that has no row counts as one without the erratum. */

/* The first microcode revision that mends the TSC-deadline timer, by model and stepping. */
/* clang-format off */
static const struct {
    u8 model, stepping;
    u32 revision;
} deadline[] = {
    {0x3c, ANY_STEPPING, 0x22},       /* Haswell */
    {0x45, ANY_STEPPING, 0x20},
    {0x46, ANY_STEPPING, 0x17},
    {0x3f, 2,            0x3a},
    {0x3f, 4,            0x0f},
    {0x3d, ANY_STEPPING, 0x25},       /* Broadwell */
    {0x47, ANY_STEPPING, 0x17},
    {0x4f, ANY_STEPPING, 0x0b000020},
    {0x56, 2,            0x11},
    {0x56, 3,            0x0700000e},
    {0x56, 4,            0x0f00000c},
    {0x56, 5,            0x0e000003},
    {0x4e, ANY_STEPPING, 0xb2},       /* Skylake */
    {0x5e, ANY_STEPPING, 0xb2},
    {0x55, 3,            0x01000136},
    {0x55, 4,            0x02000014},
    {0x8e, ANY_STEPPING, 0x52},       /* Kaby Lake and its successors of the same model */
    {0x9e, ANY_STEPPING, 0x52},
};
/* Errata AAM126, AAJ124, AAK139; AAN92, AAO95, AAP86; AAT59, AAU65, AAX65; BA86; the last, a Xeon
 * E3-1220 v2, without one. */
static const u32 broken_timer[] = {
    0x106a0, 0x106a1, 0x106a4, 0x106a5, 0x106e5, 0x20652, 0x20655, 0x206e6, 0x306a8,
};
/* clang-format on */

static bool is_family_6(u32 signature)
{
    return (signature >> 8 & 0xf) == 6;
}

bool errata_tsc_deadline(const struct facts *f)
{
    u32 signature = (u32)f->value[FACT_CPUID_1_EAX], stepping = signature & 0xf;
    u32 model = (signature >> 4 & 0xf) | (signature >> 12 & 0xf0);
    u64 revision = f->value[FACT_MICROCODE];
    if (!is_family_6(signature) || !revision)
        return false;
    for (u32 i = 0; i < ARRAY_LEN(deadline); i++)
        if (deadline[i].model == model &&
            (deadline[i].stepping == stepping || deadline[i].stepping == ANY_STEPPING))
            return revision < deadline[i].revision;
    return false;
}

bool errata_preemption_timer(const struct facts *f)
{
    u32 signature = (u32)f->value[FACT_CPUID_1_EAX] & 0x0fff3fff;
    for (u32 i = 0; i < ARRAY_LEN(broken_timer); i++)
        if (broken_timer[i] == signature)
            return true;
    return false;
}
