/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtualization exceptions and VM functions: which EPT violations become #VE, what the information
 * area then holds, when an exit comes instead; EPTP switching by L2, legal and not.
 *
 * Right: A violation becomes #VE when the control is on, the last entry does not suppress it,
 * CR0.PE is 1, no event is being delivered and the area is not busy; else it is an exit. SDM 3C
 * 26.5.7.1 "Convertible EPT Violations". A switch takes a legal EPTP of the list; else VMFUNC is
 * an exit. SDM 3C 26.5.6.3 "EPTP Switching"
 */
#include "guest-tests/lib/vmx_ept.h"
#include "guest-tests/lib/vmx_insn.h"

enum {
    PG_INFO = PG_EPT_FREE,
    PG_PML4_ALT,
    PG_PDPT_ALT,
    PG_PD_ALT,
    PG_PT_ALT,
    PG_LIST,
    PG_BEHIND,
    VEC_VE = 20,
    INFO_BUSY = 4
};

struct info {
    u32 reason, busy;
    u64 qualification, gla, gpa;
    u16 index;
} __attribute__((packed));

static struct info *info(void)
{
    return arena(PG_INFO);
}

static void world(enum l2_mode mode, u64 flags)
{
    ept_world(mode, flags);
    l2.f[VI_PROC2_CTL] |= PROC2_EPT_VE;
    l2.f[VI_VIRT_EXCEPTION_INFO] = ARENA_AT(PG_INFO);
    l2.f[VI_EXCEPTION_BITMAP] &= ~(1ul << VEC_VE);
    SetMem(arena(PG_INFO), 4096, 0x55);
    info()->busy = 0;
}

static void say(const char *name)
{
    const struct info *i = info();

    gt_line("%s: %s rip %lx area %x %x q %lx gla %lx gpa %lx index %x behind %lx",
            l2_one_word(name), ept_result(), l2_seen[VI_GUEST_RIP], i->reason, i->busy,
            i->qualification, i->gla, i->gpa, i->index, *(u64 *)((u8 *)i + 40));
}

static void touch(const char *name, enum ept_access access, u64 entry)
{
    *ept_entry(AT_4K, 1) = entry;
    ept_invept(INVEPT_ALL, 0);
    ept_touch(access, AT_4K);
    say(name);
}

/* A violation whose entry does not suppress it is vector 20 in L2, with the area filled and busy.
 * One that is suppressed is exit reason 48, and a misconfiguration 49: both leave the area alone.
 * SDM 3C 26.5.7.1 "Convertible EPT Violations", SDM 3C 26.5.7.2 "Virtualization-Exception
 * Information" */
static void rights(u64 flags)
{
    static const char *const names[ACCESSES][2] = {{"read", "read_suppressed"},
                                                   {"write", "write_suppressed"},
                                                   {"modify", "modify_suppressed"},
                                                   {"fetch", "fetch_suppressed"}};

    for (u64 r = 0; r < 8; r++)
        for (unsigned access = 0; access < ACCESSES; access++)
            for (unsigned suppress = 0; suppress < 2; suppress++) {
                char name[60];

                gt_format(name, sizeof name, "ve%s.rights%lu.%s", flags ? ".ad" : "", r,
                          names[access][suppress]);
                world(L2_64, flags);
                touch(name, access, ARENA_AT(PG_DATA_A) | E_WB | r | (suppress ? E_SUPPRESS : 0));
                *(u64 *)arena(PG_DATA_A) = WORD_A;
            }
}

/* An area that is busy, the control at 0, an event in delivery, and suppression by the entry at
 * which the walk ends keep the exit an exit. So does misconfiguration. The exception bitmap is
 * asked later: the area is filled and the exit has reason 0. Ring, index and entries further up do
 * not matter. SDM 3C 26.5.7.1 "Convertible EPT Violations" */
static void not_delivered(void)
{
    static const u32 busy[] = {1, 0x80000000, 0xffffffff};

    for (unsigned i = 0; i < 3; i++) {
        world(L2_64, 0);
        info()->busy = busy[i];
        touch("ve.busy", ACCESS_READ, 0);
    }
    world(L2_64, 0);
    l2.f[VI_EXCEPTION_BITMAP] |= 1ul << VEC_VE;
    touch("ve.intercepted", ACCESS_READ, 0);
    world(L2_64, 0);
    l2.f[VI_PROC2_CTL] &= ~(u64)PROC2_EPT_VE;
    touch("ve.control off", ACCESS_READ, 0);
    world(L2_64, 0);
    touch("ve.misconfigured", ACCESS_READ, ARENA_AT(PG_DATA_A) | E_W);
    world(L2_64, 0);
    l2.f[VI_GUEST_RSP] = AT_4K + 0x800; /* the stack of an injected event */
    l2.f[VI_ENTRY_INTR_INFO] = INTR_VALID | INTR_HARD_EXC | 6;
    touch("ve.while delivering", ACCESS_READ, 0);
    world(L2_64, 0);
    *ept_entry(AT_4K, 2) = E_SUPPRESS;
    ept_invept(INVEPT_ALL, 0);
    ept_touch(ACCESS_READ, AT_4K);
    say("ve.directory suppresses");
    *ept_entry(AT_4K, 2) = 0;
    ept_invept(INVEPT_ALL, 0);
    ept_touch(ACCESS_READ, AT_4K);
    say("ve.directory absent");
    world(L2_64, 0);
    *ept_entry(AT_4K, 2) = ARENA_AT(PG_E_PT1) | E_RWX | E_SUPPRESS;
    touch("ve.directory suppresses, leaf does not", ACCESS_WRITE, ARENA_AT(PG_DATA_A) | E_R | E_WB);
    world(L2_64_R3, 0);
    touch("ve.ring 3", ACCESS_READ, 0);
    /* CAVEAT(bochs-eptp-index) */
    world(L2_64, 0);
    l2.f[VI_EPTP_INDEX] = 0x1234;
    touch("ve.index given", ACCESS_READ, 0);
}

/* Twice: the first leaves the area busy, the second is an exit until L2 frees it. */
static void twice(void)
{
    world(L2_64, 0);
    touch("ve.first", ACCESS_READ, 0);
    ept_touch(ACCESS_READ, AT_4K);
    say("ve.second");
    info()->busy = 0;
    ept_touch(ACCESS_READ, AT_4K);
    say("ve.third");
}

/* First touches of L2 are L0's affair: no #VE of its gaps. */
static void gaps(void)
{
    world(L2_64, 0);
    ept_split();
    ept_invept(INVEPT_ALL, 0);
    ept_touch(ACCESS_READ, AT_4K);
    say("ve.no gap is told");
    ept_touch(ACCESS_WRITE, AT_2M);
    say("ve.no gap is told either");
    *(u64 *)arena(PG_DATA_A) = WORD_A;
}

/* ---- EPTP switching --------------------------------------------------------------------- */

static u64 pointer(unsigned which)
{
    return ARENA_AT(which ? PG_PML4_ALT : PG_E_PML4) | EPTP_WALK4_WB;
}

/* The second tables show the other data page at the 4 KiB place. */
static void switch_world(enum l2_mode mode)
{
    u64 *pml4 = arena(PG_PML4_ALT), *pdpt = arena(PG_PDPT_ALT), *pd = arena(PG_PD_ALT),
        *list = arena(PG_LIST);

    ept_world(mode, 0);
    CopyMem(pml4, arena(PG_E_PML4), 4096);
    CopyMem(pdpt, arena(PG_E_PDPT), 4096);
    CopyMem(pd, arena(PG_E_PD1), 4096);
    SetMem(arena(PG_PT_ALT), 4096, 0);
    *(u64 *)arena(PG_PT_ALT) = ARENA_AT(PG_DATA_B) | E_RWX | E_WB;
    pml4[0] = ARENA_AT(PG_PDPT_ALT) | E_RWX;
    pdpt[1] = ARENA_AT(PG_PD_ALT) | E_RWX;
    pd[0] = ARENA_AT(PG_PT_ALT) | E_RWX;
    SetMem(list, 4096, 0);
    list[0] = pointer(0);
    list[1] = list[511] = pointer(1);
    list[2] = pointer(1) | 1ul << 11;  /* a reserved bit */
    list[3] = pointer(1) & ~7ul;       /* uncacheable: legal */
    list[4] = (pointer(1) & ~7ul) | 2; /* a reserved type */
    list[5] = pointer(1) ^ 1 << 3;     /* another walk length */
    list[6] = pointer(1) | 1ul << 45;  /* beyond MAXPHYADDR */
    list[7] = pointer(1) | EPTP_AD_ON;
    *(u64 *)arena(PG_BEHIND) = pointer(1); /* would be the list's 513th */
    l2.f[VI_PROC2_CTL] |= PROC2_VMFUNC;
    l2.f[VI_VM_FUNCTION_CTL] = 1;
    l2.f[VI_EPTP_LIST_ADDR] = ARENA_AT(PG_LIST);
    ept_invept(INVEPT_ALL, 0);
}

/* Reads the test place, VMFUNC, reads again. */
static void vmfunc(const char *name, u64 rax, u64 rcx)
{
    static const char code[] = "\x48\x8b\x13\x0f\x01\xd4\x48\x8b\x33"; /* RDX, VMFUNC, RSI */

    l2_code(code, sizeof code - 1);
    l2.gpr[RBX] = AT_4K;
    l2.gpr[RAX] = rax;
    l2.gpr[RCX] = rcx;
    l2_write();
    l2_enter(false);
    bool exited = (u32)l2_seen[VI_EXIT_REASON] == REASON_VMFUNC;
    gt_line("vmfunc.%s.%s: %s%s rip +%lx before %lx after %lx eptp %lx", l2_mode_name[l2.mode],
            l2_one_word(name), ept_result(),
            exited && l2_seen[VI_EXIT_INSN_LEN] != 3 ? " bad length" : "",
            l2_seen[VI_GUEST_RIP] - l2.f[VI_GUEST_RIP], l2_seen_gpr[RDX] & 0xff,
            l2_seen_gpr[RSI] & 0xff, l2_seen[VI_EPT_POINTER]);
    gt_line("vmfunc.index.%s: %lx", l2_one_word(name), l2_seen[VI_EPTP_INDEX]);
}

/* An index from 512 on, a list entry that is no legal EPTP, and a function that is off are exit
 * reason 59. EAX from 64 on is #UD, and so is VMFUNC without its control. Only EAX and ECX
 * count. SDM 3C 26.5.6.2 "General Operation of the VMFUNC Instruction", SDM 3C 26.5.6.3 "EPTP
 * Switching" */
static void switching(void)
{
    static const struct {
        const char *name;
        u64 rax, rcx;
    } c[] = {{"same", 0, 0},
             {"other", 0, 1},
             {"last", 0, 511},
             {"index 512", 0, 512},
             {"index huge", 0, 0xffffffff},
             {"index high half", 0, 0x100000001},
             {"reserved bit", 0, 2},
             {"uncacheable", 0, 3},
             {"reserved type", 0, 4},
             {"walk length", 0, 5},
             {"beyond", 0, 6},
             {"accessed flags", 0, 7},
             {"absent", 0, 8},
             {"function 1", 1, 0},
             {"function 63", 63, 0},
             {"function 64", 64, 0},
             {"function high half", 0x100000000, 1}};

    for (unsigned i = 0; i < sizeof c / sizeof *c; i++) {
        switch_world(L2_64);
        vmfunc(c[i].name, c[i].rax, c[i].rcx);
    }
    switch_world(L2_64_R3);
    vmfunc("ring 3", 0, 1);
    switch_world(L2_64);
    l2.f[VI_VM_FUNCTION_CTL] = 0;
    vmfunc("function off", 0, 1);
    switch_world(L2_64);
    l2.f[VI_PROC2_CTL] &= ~(u64)PROC2_VMFUNC;
    vmfunc("control off", 0, 1);
    switch_world(L2_64);
    l2.f[VI_PROC2_CTL] |= PROC2_EPT_VE;
    l2.f[VI_VIRT_EXCEPTION_INFO] = ARENA_AT(PG_INFO);
    info()->busy = 0;
    vmfunc("index told", 0, 511);
    switch_world(L2_64);
    *(u64 *)arena(PG_PT_ALT) = 0;
    ept_invept(INVEPT_ALL, 0);
    vmfunc("into a gap", 0, 1);
    /* L1 resumes in the EPTP that L2 left. */
    switch_world(L2_64);
    vmfunc("there", 0, 1);
    vmx_vmwrite(V_GUEST_RIP, L2_AT(P_CODE));
    l2_enter(true);
    gt_line("vmfunc.resumed: %s before %lx after %lx eptp %lx", ept_result(),
            l2_seen_gpr[RDX] & 0xff, l2_seen_gpr[RSI] & 0xff, l2_seen[VI_EPT_POINTER]);
}

TEST_MAIN(ept_ve)
{
    vmx_begin();
    if (ept_usable() && vmx_on()) {
        l2_init();
        if (vmx_has2(PROC2_EPT_VE)) {
            rights(0);
            rights(EPTP_AD_ON);
            not_delivered();
            twice();
            gaps();
        }
        if (vmx_has2(PROC2_VMFUNC))
            switching();
    }
    vmx_end();
}
