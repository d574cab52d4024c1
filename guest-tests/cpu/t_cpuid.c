/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPUID, every leaf and subleaf, and the bits that follow CR4 and XCR0.
 * Bits that a hypervisor may own stand on lines of their own ("1.0.ecx.vmx"), masked out of
 * their register's line, so that a permitted difference hides nothing else.
 */
#include "guest-tests/lib/gt.h"
#include "hv/arch/cpu.h"

enum { ECX_VMX = 1 << 5, ECX_SMX = 1 << 6, ECX_OSXSAVE = 1 << 27 };
#define ECX_HYPERVISOR (1u << 31)
enum { ECX_DTES64 = 1 << 2, ECX_DS_CPL = 1 << 4, EDX_DS = 1 << 21 };
#define ECX_OWNED (ECX_VMX | ECX_SMX | ECX_HYPERVISOR | ECX_DTES64 | ECX_DS_CPL)
enum { LEAF7_EBX_PT = 1 << 25 };

static void print_leaf(u32 leaf, u32 sub, struct gt_cpuid r)
{
    gt_line("%x.%x: %08x %08x %08x %08x", leaf, sub, r.eax, r.ebx, r.ecx, r.edx);
}

static struct gt_cpuid unowned(u32 leaf, u32 sub)
{
    struct gt_cpuid r = gt_cpuid(leaf, sub);

    if (leaf == 1) {
        r.ecx &= ~ECX_OWNED;
        r.edx &= ~(u32)EDX_DS;
    }
    if (leaf == 7 && sub == 0)
        r.ebx &= ~(u32)LEAF7_EBX_PT;
    return r;
}

static void sweep_leaf(u32 leaf, u32 subleaves)
{
    for (u32 sub = 0; sub < subleaves; sub++) {
        print_leaf(leaf, sub, unowned(leaf, sub));
    }
}

static u32 subleaves_of(u32 leaf)
{
    switch (leaf) {
    case 0xd:
        return 64;
    case 4:
    case 7:
    case 0xb:
        return 8;
    default:
        return 3; /* a leaf without subleaves must ignore ECX */
    }
}

/* Each subleaf is the processor's own, but for the bits that stand alone. A leaf without subleaves
 * ignores ECX. SDM 2A 3.3 "Instructions (A-L)" */
static void sweep(void)
{
    u32 max_basic = gt_cpuid(0, 0).eax, max_extended = gt_cpuid(0x80000000, 0).eax;

    for (u32 leaf = 0; leaf <= max_basic; leaf++)
        sweep_leaf(leaf, subleaves_of(leaf));
    for (u32 leaf = 0x80000000; leaf <= max_extended; leaf++)
        sweep_leaf(leaf, 3);
}

/* SDM 2A 3.3 "Instructions (A-L)", CPUID: above the maximum, the data of the highest basic
 * leaf. */
static void out_of_range(void)
{
    static const u32 leaves[] = {0x100,      0x3fffffff, 0x40000100, 0x4fffffff,
                                 0x7fffffff, 0x8000ffff, 0xc0000000, 0xffffffff};

    sweep_leaf(gt_cpuid(0, 0).eax + 1, 2);
    sweep_leaf(gt_cpuid(0x80000000, 0).eax + 1, 2);
    for (size_t i = 0; i < ARRAY_LEN(leaves); i++)
        sweep_leaf(leaves[i], 2);
}

/* A subleaf that the leaf does not have, or an index that the leaf ignores. A line a leaf with a
 * hash of its answers. SDM 2A 3.3 "Instructions (A-L)" */
static void wild(u32 leaf)
{
    static const u32 subs[] = {0x1f,       0x20,       0x3e,       0x3f,       0x40,
                               0x41,       0xff,       0x100,      0xffff,     0x10000,
                               0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff};
    u64 hash = 0xcbf29ce484222325;

    for (size_t i = 0; i < ARRAY_LEN(subs) + 4; i++) {
        u32 sub = i < ARRAY_LEN(subs) ? subs[i] : (u32)gt_rand();
        struct gt_cpuid r = unowned(leaf, sub);

        hash = (hash ^ r.eax) * 0x100000001b3;
        hash = (hash ^ r.ebx) * 0x100000001b3;
        hash = (hash ^ r.ecx) * 0x100000001b3;
        hash = (hash ^ r.edx) * 0x100000001b3;
    }
    gt_line("wild.%x: %lx", leaf, hash);
}

static void all_wild(void)
{
    u32 last = gt_cpuid(0, 0).eax, last_extended = gt_cpuid(0x80000000, 0).eax;

    for (u32 leaf = 0; leaf < last + 0x20; leaf++)
        wild(leaf);
    for (u32 leaf = 0x80000000; leaf < last_extended + 0x20; leaf++)
        wild(leaf);
    for (unsigned i = 0; i < 32; i++) {
        u32 leaf = (u32)gt_rand();

        if (leaf >> 16 != 0x4000)
            wild(leaf);
    }
}

/* The processor shows VMX where it has VMX. No processor describes itself in the leaves from
 * 40000000H on. SDM 2A 3.3 "Instructions (A-L)" */
static void owned_bits(void)
{
    struct gt_cpuid one = gt_cpuid(1, 0), seven = gt_cpuid(7, 0);

    gt_line("1.0.ecx.vmx: %u", (one.ecx & ECX_VMX) != 0);
    gt_line("1.0.ecx.smx: %u", (one.ecx & ECX_SMX) != 0);
    gt_line("1.0.ecx.hypervisor: %u", (one.ecx & ECX_HYPERVISOR) != 0);
    gt_line("1.0.ds: %u %u %u", (one.ecx & ECX_DTES64) != 0, (one.ecx & ECX_DS_CPL) != 0,
            (one.edx & EDX_DS) != 0);
    gt_line("7.0.ebx.pt: %u", (seven.ebx & LEAF7_EBX_PT) != 0);
    /* CAVEAT(hypervisor-leaves-zero) */
    for (u32 leaf = 0x40000000; leaf < 0x40000010; leaf++) {
        struct gt_cpuid r = gt_cpuid(leaf, 0);
        gt_line("hv.%x: %08x %08x %08x %08x", leaf, r.eax, r.ebx, r.ecx, r.edx);
    }
}

/* What Nidus has no rules for is not shown, on any model: hv/arch/cpuid_policy.def. */
static void hidden(void)
{
    struct gt_cpuid one = gt_cpuid(1, 0), seven = gt_cpuid(7, 0), more = gt_cpuid(7, 1),
                    xs = gt_cpuid(0xd, 1);

    if (!gt_under_nidus())
        return;
    gt_check(!(one.ecx & (ECX_DTES64 | ECX_DS_CPL | ECX_SMX)) && !(one.edx & EDX_DS),
             "leaf 1: hidden");
    gt_check(!(seven.ebx & (1u << 2 | 1u << 14 | LEAF7_EBX_PT)), "leaf 7 ebx: hidden");
    gt_check(
        !(seven.ecx & (1u << 7 | 1u << 13 | 1u << 16 | 1u << 23 | 1u << 24 | 1u << 29 | 1u << 31)),
        "leaf 7 ecx: hidden");
    gt_check(!(seven.edx & (1u << 5 | 1u << 18 | 1u << 19 | 1u << 20 | 1u << 30)),
             "leaf 7 edx: hidden");
    gt_check(!(more.eax & (1u << 6 | 1u << 17 | 1u << 26)), "leaf 7.1 eax: hidden");
    gt_check(!xs.ecx && !xs.edx, "leaf d.1: hidden");
    gt_check((gt_cpuid(0x80000008, 0).eax & 0xff) <= 48, "address width: at most 48");
}

static void osxsave_line(const char *when)
{
    gt_line("osxsave %s: %u ebx %x", when, (gt_cpuid(1, 0).ecx & ECX_OSXSAVE) != 0,
            gt_cpuid(0xd, 0).ebx);
}

/* OSXSAVE mirrors CR4.OSXSAVE, and OSPKE mirrors CR4.PKE. Leaf 0xD subleaf 0 EBX and subleaf 1 EBX
 * follow XCR0. SDM 2A 3.3 "Instructions (A-L)" */
static void mirrors(void)
{
    u64 cr4 = gt_read_cr4(), xcr0;
    static const u32 settings[] = {1, 3, 7, 1, 3};

    gt_write_cr4(cr4 & ~CR4_OSXSAVE);
    osxsave_line("clear");
    gt_write_cr4(cr4 | CR4_OSXSAVE);
    osxsave_line("set");
    xcr0 = gt_xgetbv(0);
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        gt_xsetbv(0, settings[i]);
        gt_line("xcr0 %x: d.0 ebx %x ecx %x d.1 eax %x ebx %x ecx %x", settings[i],
                gt_cpuid(0xd, 0).ebx, gt_cpuid(0xd, 0).ecx, gt_cpuid(0xd, 1).eax,
                gt_cpuid(0xd, 1).ebx, gt_cpuid(0xd, 1).ecx);
    }
    gt_xsetbv(0, xcr0);
    for (unsigned bit = 0; bit < 24; bit++) {
        GT_TRY("mov %0, %%cr4", : : "r"(cr4 ^ 1ul << bit) : GT_CLOBBERS);
        if (gt_exc.vector == GT_NONE)
            gt_line("cr4 bit %u: 1.ecx %x 7.ecx %x", bit, gt_cpuid(1, 0).ecx & ~ECX_OWNED,
                    gt_cpuid(7, 0).ecx);
        gt_write_cr4(cr4);
    }
}

/* Only EAX and ECX count, the results are zero-extended, and nothing else changes. With LOCK it is
 * #UD. SDM 2A 3.3 "Instructions (A-L)" */
static void registers(void)
{
    u64 rax = 0xdeadbeef00000000ul, rbx = ~0ul, rcx = 0x1234567800000000ul, rdx = ~0ul;
    u64 before, after;

    __asm__ volatile("mov $0xaaaa, %%r8d\n\tstc\n\tpushfq\n\tpop %4\n\tcpuid\n\tpushfq\n\tpop %5"
                     : "+a"(rax), "=b"(rbx), "+c"(rcx), "+d"(rdx), "=&r"(before), "=&r"(after)
                     :
                     : "r8", "cc");
    gt_line("registers: %lx %lx %lx %lx flags %s", rax, rbx, rcx, rdx,
            before == after ? "kept" : "changed");
    GT_TRY(".byte 0xf0\n\tcpuid", : : "a"(0) : "rbx", "rcx", "rdx", GT_CLOBBERS);
    gt_line("lock: %s", gt_exc_text());
    GT_TRY(".byte 0x66, 0xf3, 0x48, 0x0f, 0xa2", : : "a"(0) : "rbx", "rcx", "rdx", GT_CLOBBERS);
    gt_line("prefixes: %s", gt_exc_text());
}

/* CPUID does its work in every ring, in 64-bit and in compatibility mode. SDM 2A 3.3 "Instructions
 * (A-L)" */
static void user_mode(void)
{
    static const u8 code[] = {0x0f, 0xa2, 0x0f, 0x0b}; /* cpuid; ud2 */
    struct gt_frame f;

    gt_map_load();
    gt_load_tr();
    for (unsigned mode = 0; mode < 4; mode++) {
        f = gt_context(code, mode & 1 ? 3 : 0, mode & 2);
        f.rcx = f.rax = 0;
        gt_enter(&f);
        gt_line("cpl %u compat %u: %s eax %lx ebx %lx", mode & 1 ? 3 : 0, mode >> 1, gt_exc_text(),
                gt_exc.frame.rax, gt_exc.frame.rbx);
    }
}

TEST_MAIN(cpuid)
{
    sweep();
    out_of_range();
    all_wild();
    owned_bits();
    hidden();
    mirrors();
    registers();
    user_mode();
}
