/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * L1 changes its MSR and I/O bitmaps between two entries without a VMWRITE, in every way that
 * memory can be written: the next entry follows the page as it is then. One page is all of L1's
 * bitmaps and lies in L2's window, so that L2 can write it too. What must happen is computed here
 * from the page; the transcript has the pattern.
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_ept.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"

int vmx_door(const u64 *gpr, bool resume) GT_HIDDEN;

enum {
    PG_MAP = PG_L2 + P_SPARE, /* the page that is watched */
    PG_MAP_2 = ARENA_PAGES - 2,
    REASON_IO = 30,
    REASON_RDMSR = 31,
    REASON_WRMSR = 32,
    QUARTER = 1024,
};
#define NOWHERE 0xd0000000ul
#define HIGH(N) (0xc0000000u + (N))

/* L2's code: each is followed by VMCALL and begins at a multiple of 8. */
enum access { A_READ, A_WRITE, A_IN, A_STORE };
static const char code[] = "\x0f\x32\x0f\x01\xc1\x90\x90\x90"  /* RDMSR */
                           "\x0f\x30\x0f\x01\xc1\x90\x90\x90"  /* WRMSR */
                           "\xec\x0f\x01\xc1\x90\x90\x90\x90"  /* IN AL, DX */
                           "\x40\x88\x37\x0f\x01\xc1\x90\x90"; /* MOV [RDI], SIL */

/* the page behind all addresses of the current VMCS; NULL: no memory there */
static u8 *map_in_use;
static bool launched, use_msr_map, use_io_map;
static char pattern[80];
static unsigned shown;

/* ---- what must happen ----------------------------------------------------------------------- */

/* SDM 3C 25.6.9 "MSR-Bitmap Address", SDM 3C 25.6.4 "I/O-Bitmap Addresses" */
static unsigned bit_of(enum access a, u32 n)
{
    if (a == A_IN)
        return n & 0x7fff;
    return ((a == A_WRITE ? 2 * QUARTER : 0) + (n >= HIGH(0) ? QUARTER : 0)) * 8 + (n & 0x1fff);
}

static bool must_exit(enum access a, u32 n)
{
    bool in_range = a == A_IN || (n & ~0xc0001fffu) == 0, both = n < 0x2000 || n >= HIGH(0);
    unsigned bit = bit_of(a, n);

    if (a == A_IN ? !use_io_map : !use_msr_map)
        return a != A_IN;
    if (!in_range || (a != A_IN && !both))
        return true;
    return !map_in_use || map_in_use[bit / 8] >> bit % 8 & 1;
}

/* ---- one entry ------------------------------------------------------------------------------- */

static u32 enter(enum access a)
{
    bool failed;

    vmx_vmwrite(V_GUEST_RIP, L2_AT(P_CODE) + 8 * a);
    failed = vmx_door(l2.gpr, launched);
    gt_check(!failed, "refused: %lu", vmx_get(V_INSN_ERROR));
    l1_state_restore();
    launched = true;
    return (u32)vmx_get(V_EXIT_REASON);
}

/* 'x': exited to L1; '-': done; 'g': neither, but #GP. */
static void probe(enum access a, u32 n)
{
    static const u32 reason_of[] = {REASON_RDMSR, REASON_WRMSR, REASON_IO};
    u32 reason;
    bool want = must_exit(a, n);

    l2.gpr[RCX] = n;
    l2.gpr[RDX] = a == A_IN ? n : 0x12;
    l2.gpr[RAX] = 0x10;
    reason = enter(a);
    gt_check((reason == reason_of[a]) == want, "%s %x: exit %u after %s, expected %s",
             a == A_READ    ? "read"
             : a == A_WRITE ? "write"
                            : "in",
             n, reason, pattern, want ? "an exit" : "none");
    if (shown < sizeof pattern - 1)
        pattern[shown++] = reason == reason_of[a] ? 'x' : reason == REASON_VMCALL ? '-' : 'g';
    pattern[shown] = 0;
}

static void say(const char *fmt, const char *where, enum access a, u32 n)
{
    static const char *const names[] = {"rdmsr", "wrmsr", "in"};
    char name[60];

    gt_format(name, sizeof name, fmt, where, names[a], n);
    gt_line("%s: %s", name, pattern);
    shown = 0;
    pattern[0] = 0;
}

/* ---- ways to write the page ---------------------------------------------------------------- */

static void by_store(unsigned at, u8 v)
{
    *(volatile u8 *)(ARENA_AT(PG_MAP) + at) = v;
}

static void by_locked_swap(unsigned at, u8 v)
{
    __asm__ volatile("xchg %0, %1" : "+q"(v), "+m"(*(u8 *)(ARENA_AT(PG_MAP) + at)) : : "memory");
}

static void by_string(unsigned at, u8 v)
{
    void *to = (u8 *)arena(PG_MAP) + (at & ~15u);
    u64 count = 16;

    __asm__ volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(v) : "memory");
}

/* The whole page at once, the byte's neighbours unchanged. */
static void by_copy(unsigned at, u8 v)
{
    u8 *copy = arena(PG_MAP_2);
    void *to = arena(PG_MAP), *from = copy;
    u64 count = 512;

    CopyMem(copy, to, 4096);
    copy[at] = v;
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

/* L1's page tables show the page a second time, at SPECIAL_AT(SP_RW2). */
static void by_other_mapping(unsigned at, u8 v)
{
    volatile u8 *page = (u8 *)SPECIAL_AT(SP_RW2);

    page[at] = v;
}

/* The hypervisor below L1 writes it: VMREAD of an unshadowed field to memory. */
static void by_vmread(unsigned at, u8 v)
{
    u64 *word = (u64 *)(ARENA_AT(PG_MAP) + (at & ~7u)), next = *word;

    ((u8 *)&next)[at % 8] = v;
    vmx_vmwrite(V_CR3_TARGET3, next);
    __asm__ volatile("vmread %1, %0" : "=m"(*word) : "r"((u64)V_CR3_TARGET3) : "memory", "cc");
}

/* L2 writes it, at its own address of it. */
static u64 seen_by_l2 = L2_AT(P_SPARE);
static void by_l2(unsigned at, u8 v)
{
    l2.gpr[RDI] = seen_by_l2 + at;
    l2.gpr[RSI] = v;
    gt_check(enter(A_STORE) == REASON_VMCALL, "L2's store: exit %lu", vmx_get(V_EXIT_REASON));
}

static void (*const ways[])(unsigned at, u8 v) = {
    by_store, by_locked_swap, by_string, by_copy, by_other_mapping, by_vmread, by_l2,
};

/* ---- worlds ---------------------------------------------------------------------------------- */

static void start(bool ept, bool io)
{
    if (ept)
        ept_world(L2_64, 0);
    else
        l2_world(L2_64);
    use_io_map = io;
    use_msr_map = !io;
    l2.f[VI_PROC_CTL] &= ~(u64)PROC_UNCOND_IO;
    l2.f[VI_PROC_CTL] |= io ? PROC_IO_BITMAPS : PROC_MSR_BITMAPS;
    l2.f[VI_IO_BITMAP_A] = l2.f[VI_IO_BITMAP_B] = l2.f[VI_MSR_BITMAP] = ARENA_AT(PG_MAP);
    l2.f[VI_PREEMPTION_TIMER] = 0x7fffffff;
    map_in_use = arena(PG_MAP);
    SetMem(map_in_use, 4096, 0);
    l2_code(code, sizeof code - 1);
    l2_write();
    launched = false;
}

/* Pass, then set and cleared by each way; the bits around it and those of the other
 * maps do not count. */
static void edits(const char *where, enum access a, u32 n)
{
    unsigned bit = bit_of(a, n);
    u8 *at = map_in_use + bit / 8, mask = (u8)(1 << bit % 8);

    probe(a, n);
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
        ways[i](bit / 8, *at | mask);
        probe(a, n);
        ways[i](bit / 8, *at & (u8)~mask);
        probe(a, n);
    }
    SetMem(map_in_use, 4096, 0xff);
    *at = (u8)~mask;
    probe(a, n);
    SetMem(map_in_use, 4096, 0);
    probe(a, n);
    say("%s.%s.%x", where, a, n);
}

/* clang-format off */
static const u32 msrs[] = {
    0,       1,          0x43f,        0x440,        0x174,       0x176,       0x277,       0x485,
    0x1fff,        0x2000,
    HIGH(0), HIGH(0x80), HIGH(0x81), HIGH(0x100), HIGH(0x101), HIGH(0x102), HIGH(0x1fff),
    HIGH(0x2000), 0xbfffffff,
};
/* clang-format on */
static const u32 ports[] = {0, 7, 8, 0x80, 0x7fff, 0x8000, 0x8080, 0xffff};

static void all_edits(const char *where, bool ept)
{
    start(ept, false);
    for (unsigned i = 0; i < sizeof msrs / sizeof *msrs; i++) {
        edits(where, A_READ, msrs[i]);
        edits(where, A_WRITE, msrs[i]);
    }
    start(ept, true);
    for (unsigned i = 0; i < sizeof ports / sizeof *ports; i++)
        edits(where, A_IN, ports[i]);
}

/* ---- more MSRs at once than anybody remembers ----------------------------------------------- */

/* One of each 64-bit word of the map, and none that L0 keeps from everybody. */
static const u32 spread[] = {
    0x10,  HIGH(0x81), 0x48,  HIGH(0x102), 0x8b,  0xe7,  0x10b, 0x140, 0x19c,  0x1c9,
    0x280, 0x309,      0x38e, 0x3f8,       0x400, 0x440, 0x4c1, 0x606, 0x640,  0x680,
    0x6c0, 0x770,      0xc80, 0xcc0,       0xd00, 0xd40, 0xdb0, 0xdc0, 0x1b01,
};
enum { PROBES = 128 };
static u32 in_word(unsigned i)
{
    return spread[i % (sizeof spread / sizeof *spread)];
}

static void many(const char *where)
{
    start(false, false);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < PROBES; i++) {
            u32 n = in_word(i);
            unsigned bit = bit_of(A_READ, n);

            if (round == 1 && i % 3 == 0)
                map_in_use[bit / 8] ^= (u8)(1 << bit % 8);
            probe(A_READ, n);
            if (shown == 64)
                say("%s.%s.%x", where, A_READ, n);
        }
    }
}

/* ---- another page, no page, no bitmaps ---------------------------------------------------- */

static void move_to(void *page, u64 address)
{
    vmx_vmwrite(V_MSR_BITMAP, address);
    map_in_use = page;
}

/* The access follows the page that the field names now. SDM 3C 25.6.9 "MSR-Bitmap Address" */
static void moved(void)
{
    u8 *other = arena(PG_MAP_2), *first = arena(PG_MAP);

    start(false, false);
    SetMem(other, 4096, 0xff);
    for (unsigned i = 0; i < 4; i++) {
        move_to(i % 2 ? other : first, ARENA_AT(i % 2 ? (unsigned)PG_MAP_2 : (unsigned)PG_MAP));
        probe(A_READ, MSR_SYSENTER_CS);
        probe(A_WRITE, MSR_FS_BASE);
        map_in_use[MSR_SYSENTER_CS / 8] ^= 1 << MSR_SYSENTER_CS % 8;
        probe(A_READ, MSR_SYSENTER_CS);
    }
    move_to(NULL, NOWHERE);
    probe(A_READ, MSR_SYSENTER_CS);
    probe(A_WRITE, MSR_FS_BASE);
    move_to(first, ARENA_AT(PG_MAP));
    probe(A_WRITE, MSR_FS_BASE);
    say("%s.%s.%x", "moved", A_READ, MSR_SYSENTER_CS);
}

/* Without MSR bitmaps every RDMSR and WRMSR exits. SDM 3C 26.1.3 "Instructions That Cause VM
 * Exits Conditionally" */
static void turned_off(void)
{
    start(false, false);
    for (unsigned i = 0; i < 4; i++) {
        use_msr_map = i % 2 == 0;
        vmx_vmwrite(V_PROC_CTL,
                    use_msr_map ? l2.f[VI_PROC_CTL] : l2.f[VI_PROC_CTL] & ~(u64)PROC_MSR_BITMAPS);
        probe(A_READ, MSR_SYSENTER_CS);
        probe(A_WRITE, MSR_FS_BASE);
    }
    say("%s.%s.%x", "off", A_READ, MSR_SYSENTER_CS);
}

/* Two VMCSs in turn, with opposite maps. Each VMCS follows its own map. SDM 3C 25.6.9
 * "MSR-Bitmap Address" */
static void in_turn(void)
{
    start(false, false);
    SetMem(arena(PG_MAP_2), 4096, 0xff);
    *(u32 *)arena(PG_VMCS_B) = *(u32 *)arena(PG_VMCS_A);
    vmx_vmclear(ARENA_AT(PG_VMCS_B));
    probe(A_READ, MSR_SYSENTER_CS);
    vmx_vmptrld(ARENA_AT(PG_VMCS_B));
    l2.f[VI_MSR_BITMAP] = ARENA_AT(PG_MAP_2);
    l2_write_fields();
    launched = false;
    for (unsigned i = 0; i < 6; i++) {
        map_in_use = arena(i % 2 ? (unsigned)PG_MAP : (unsigned)PG_MAP_2);
        vmx_vmptrld(ARENA_AT(i % 2 ? (unsigned)PG_VMCS_A : (unsigned)PG_VMCS_B));
        probe(A_READ, MSR_SYSENTER_CS);
        launched = true;
        if (i == 3)
            map_in_use[MSR_SYSENTER_CS / 8] = 0xff;
    }
    vmx_vmclear(ARENA_AT(PG_VMCS_B));
    say("%s.%s.%x", "in turn", A_READ, MSR_SYSENTER_CS);
}

/* An exit stores MSRs over the map: SYSENTER_EIP's upper half is the bits from 0x160 on. The
 * next entry follows what the exit stored. SDM 3C 28.4 "Saving MSRs" */
static void stored_over(void)
{
    start(false, false);
    vmx_vmwrite(V_EXIT_MSR_STORE_ADDR, ARENA_AT(PG_MAP) + MSR_SYSENTER_CS / 64 * 8 - 8);
    for (unsigned i = 0; i < 6; i++) {
        *(u32 *)(map_in_use + MSR_SYSENTER_CS / 64 * 8 - 8) = MSR_SYSENTER_EIP;
        vmx_vmwrite(V_GUEST_SYSENTER_EIP, i % 2 ? 0xffff800000000000 : 0x1000);
        vmx_vmwrite(V_EXIT_MSR_STORE_COUNT, i % 3 != 2);
        probe(A_READ, MSR_SYSENTER_CS);
        probe(A_READ, MSR_SYSENTER_CS);
    }
    say("%s.%s.%x", "stored", A_READ, MSR_SYSENTER_CS);
}

static void alias_in_l1(void)
{
    u64 *pt = arena(PG_L1_TABLES + 6);

    pt[SP_RW2] = ARENA_AT(PG_MAP) | (pt[SP_RW2] & 0xfff);
    gt_invlpg((void *)SPECIAL_AT(SP_RW2));
}

/* L2 writes at a guest-physical address that EPT12 alone leads to the page. */
static void other_address_in_ept(void)
{
    start(true, false);
    *(u64 *)arena(PG_E_PT1) = ARENA_AT(PG_MAP) | E_RWX | E_WB;
    ept_invept(INVEPT_ALL, 0);
    seen_by_l2 = AT_4K;
    edits("ept alias", A_READ, MSR_SYSENTER_CS);
    edits("ept alias", A_WRITE, MSR_KERNEL_GS_BASE);
    seen_by_l2 = L2_AT(P_SPARE);
}

TEST_MAIN(vmx_bitmap)
{
    vmx_begin();
    if (vmx_on()) {
        u64 star = gt_rdmsr(MSR_STAR), gs = gt_rdmsr(MSR_KERNEL_GS_BASE);

        l2_init();
        alias_in_l1();
        all_edits("plain", false);
        many("many");
        moved();
        turned_off();
        in_turn();
        stored_over();
        if (ept_usable()) {
            all_edits("ept", true);
            other_address_in_ept();
        }
        gt_wrmsr(MSR_STAR, star);
        gt_wrmsr(MSR_KERNEL_GS_BASE, gs);
    }
    vmx_end();
}
