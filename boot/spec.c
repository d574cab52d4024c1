/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The plan against attacks by speculation. Contract in spec.h. IA32_ARCH_CAPABILITIES tells which
 * attacks do not affect a processor. For a processor without this MSR, family and model tell it.
 * CAVEAT(speculation) SDM 2A 3.3 "Instructions (A-L)" (CPUID, leaf 7)
 */
#include "boot/spec.h"

/* CPUID.7.0:EDX */
#define HAS_MD_CLEAR  (1u << 10)
#define HAS_IBRS_IBPB (1u << 26)
#define HAS_L1D_FLUSH (1u << 28)
/* CPUID.7.0:EBX */
#define HAS_RTM (1u << 11)

/* IA32_ARCH_CAPABILITIES */
#define RDCL_NO            (1ull << 0)
#define SKIP_L1DFL_VMENTRY (1ull << 3)
#define MDS_NO             (1ull << 5)
#define TSX_CTRL           (1ull << 7)
#define TAA_NO             (1ull << 8)
#define STALE_DATA_NO      (7ull << 13) /* SBDR_SSDP_NO, FBSDP_NO, PSDP_NO */
#define FB_CLEAR           (1ull << 17)
#define RFDS_NO            (1ull << 27)
#define RFDS_CLEAR         (1ull << 28)

/* The models of family 6 on which an L1 terminal fault leaks no data: Atoms from Silvermont on, and
 * Xeon Phi. */
static const u8 no_l1tf[] = {0x37, 0x4a, 0x4c, 0x4d, 0x5a, 0x5d, 0x6e, 0x75,
                             0x5c, 0x5f, 0x7a, 0x86, 0x96, 0x9c, 0x57, 0x85};
/* The models among these that MDS does not affect either: Goldmont and Tremont. */
static const u8 no_mds[] = {0x5c, 0x5f, 0x7a, 0x86, 0x96, 0x9c};

static bool listed(const u8 *models, u32 n, const struct facts *f)
{
    u64 signature = f->value[FACT_CPUID_1_EAX];
    u32 family = (u32)(signature >> 8 & 0xf),
        model = (u32)(signature >> 4 & 0xf) | (u32)(signature >> 12 & 0xf0);
    for (u32 i = 0; i < n; i++)
        if (family == 6 && models[i] == model)
            return true;
    return false;
}

static bool needs_l1d(const struct facts *f)
{
    u64 caps = f->value[FACT_ARCH_CAPABILITIES];
    return !(caps & (RDCL_NO | SKIP_L1DFL_VMENTRY)) && !listed(no_l1tf, ARRAY_LEN(no_l1tf), f);
}

/* VERW is the measure against MDS, TAA, stale data of MMIO, and register-file data sampling. TSX
 * counts as on when IA32_TSX_CTRL exists, because L1 can turn TSX on again there. */
static bool needs_verw(const struct facts *f)
{
    u64 caps = f->value[FACT_ARCH_CAPABILITIES];
    bool mds = !(caps & MDS_NO) && !listed(no_mds, ARRAY_LEN(no_mds), f);
    bool tsx = (f->value[FACT_CPUID_7_EBX] & HAS_RTM) || (caps & TSX_CTRL),
         taa = tsx && !(caps & TAA_NO);
    bool mmio = (caps & FB_CLEAR) && (caps & STALE_DATA_NO) != STALE_DATA_NO;
    bool rfds = (caps & RFDS_CLEAR) && !(caps & RFDS_NO);
    return mds || taa || mmio || rfds;
}

/* Why each measure is needed:
 *  IBPB  L1 and L2 both run in VMX non-root operation and share predictors on every processor.
 *  CTRL  L1's IA32_SPEC_CTRL must not govern L0.
 *  RSB   Filling the return stack is never needed: no RET behind an exit uses an entry that a guest
 *        left there (hv/vmx/enter.asm).
 *  VERW  A flush of the L1 data cache clears the buffers, too, so VERW is not needed with L1D. VERW
 *        without MD_CLEAR does no harm, so `full` takes it on every processor. */
struct spec_plan spec_plan(const struct facts *f, u32 option)
{
    u64 edx = f->value[FACT_CPUID_7_EDX];
    bool full = (option & SPEC_OPTION_FULL) != 0;
    u32 named = full ? SPEC_ALL : option >> SPEC_OPTION_SHIFT;
    struct spec_plan p = {
        .needed =
            SPEC_IBPB | SPEC_CTRL | (needs_l1d(f) ? SPEC_L1D : 0) | (needs_verw(f) ? SPEC_VERW : 0),
        .can = SPEC_RSB | (edx & HAS_IBRS_IBPB ? SPEC_IBPB | SPEC_CTRL : 0) |
               (edx & HAS_L1D_FLUSH ? SPEC_L1D : 0) | (edx & HAS_MD_CLEAR || full ? SPEC_VERW : 0),
    };
    if (option & SPEC_OPTION_OFF)
        return p;
    p.done = (named | (option & SPEC_OPTION_AUTO ? p.needed : 0)) & p.can;
    if ((p.done & SPEC_L1D) && !(named & SPEC_VERW)) {
        p.needed &= ~SPEC_VERW;
        p.done &= ~SPEC_VERW;
    }
    return p;
}

void spec_describe(const struct spec_plan *p, struct line *l)
{
    static const char names[][12] = {"l1d=", " verw=", " ibpb=", " rsb=", " specctrl="};
    for (u32 i = 0; i < ARRAY_LEN(names); i++) {
        line_add(l, names[i]);
        if (p->done >> i & 1)
            line_add(l, "on");
        else if (!(p->needed >> i & 1))
            line_add(l, "needless");
        else
            line_add(l, p->can >> i & 1 ? "off" : "absent");
    }
}
