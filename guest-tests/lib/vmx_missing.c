/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stale-translation suite, second half: L1 changes EPT12 and forgets the INVEPT. Each kind of
 * change that SDM 3C 29.4.3.4 "Guidelines for Use of the INVEPT Instruction" names is made after L2
 * used the entry. A machine that keeps what it may shows the old translation; after the INVEPT
 * every machine shows the new one. What stands between the change and L2's next access (nothing, or
 * an operation that leaves guest-physical mappings alone) makes no difference.
 */
#include "guest-tests/lib/vmx_ept.h"
#include "guest-tests/lib/vmx_stale.h"

enum { PG_ALT_PT = PG_EPT_FREE, PG_ALT_PD, PG_ALT_PDPT, PG_OTHER_ROOT, TAG = 5, FAR = 64 };

static u64 shows(unsigned page)
{
    return ARENA_AT(page) | E_RWX | E_WB;
}

/* Tables of the same shape that show the other page everywhere. */
static void build_other(void)
{
    u64 *pt = arena(PG_ALT_PT), *pd = arena(PG_ALT_PD), *pdpt = arena(PG_ALT_PDPT);

    CopyMem(pdpt, arena(PG_E_PDPT), 4096);
    CopyMem(pd, arena(PG_E_PD1), 4096);
    for (unsigned i = 0; i < 512; i++)
        pt[i] = shows(PG_DATA_B);
    pd[0] = ARENA_AT(PG_ALT_PT) | E_RWX;
    pdpt[1] = ARENA_AT(PG_ALT_PD) | E_RWX;
}

/* ---- the changes ------------------------------------------------------------------------ */

/* clang-format off */
static void frame_changed(void) { *ept_entry(AT_4K, 1) = shows(PG_DATA_B); }
static void leaf_absent(void) { *ept_entry(AT_4K, 1) &= ~E_RWX; }
static void type_illegal(void) { *ept_entry(AT_4K, 1) = (shows(PG_DATA_A) & ~E_TYPE) | 2ul << 3; }
static void write_withdrawn(void) { *ept_entry(AT_4K, 1) &= ~E_W; }
static void fetch_withdrawn(void) { *ept_entry(AT_4K, 1) &= ~E_X; }
static void read_withdrawn(void) { *ept_entry(AT_4K, 1) &= ~(E_R | E_W); }
static void table_changed(void) { *ept_entry(AT_4K, 2) = ARENA_AT(PG_ALT_PT) | E_RWX; }
static void directory_changed(void) { *ept_entry(AT_4K, 3) = ARENA_AT(PG_ALT_PD) | E_RWX; }
static void root_entry_changed(void) { *ept_entry(AT_4K, 4) = ARENA_AT(PG_ALT_PDPT) | E_RWX; }
static void table_absent(void) { *ept_entry(AT_4K, 2) = 0; }
static void directory_no_write(void) { *ept_entry(AT_4K, 3) &= ~E_W; }
static void large_split(void) { *ept_entry(AT_2M, 2) = ARENA_AT(PG_ALT_PT) | E_RWX; }
static void large_moved(void) { *ept_entry(AT_2M, 2) += 0x200000; }
static void large_absent(void) { *ept_entry(AT_2M, 2) = 0; }
static void huge_absent(void) { *ept_entry(AT_1G, 3) = 0; }
static void to_large(void) { *ept_entry(AT_4K, 2) = ARENA | E_RWX | E_WB | E_PS; }
static void dirty_cleared(void) { *ept_entry(AT_4K, 1) &= ~E_D; }
static void accessed_cleared(void) { *ept_entry(AT_4K, 1) &= ~E_A; }
static void upper_accessed_cleared(void) { *ept_entry(AT_4K, 2) &= ~E_A; }
static void flags_on(void) { l2.f[VI_EPT_POINTER] |= EPTP_AD_ON; }
/* clang-format on */

/* What tells the old from the new after the access. */
enum sign { BY_ANSWER, BY_ACCESSED, BY_DIRTY, BY_UPPER_ACCESSED };

static const struct change {
    const char *name;
    void (*make)(void);
    u64 at;    /* what is accessed before the change, */
    u64 after; /* and after it: 0 for the same, else a page beside it */
    enum ept_access access;
    u64 eptp_flags;
    enum sign sign;
} changes[] = {
    {"frame", frame_changed, AT_4K, 0, ACCESS_READ, 0, BY_ANSWER},
    {"absent", leaf_absent, AT_4K, 0, ACCESS_READ, 0, BY_ANSWER},
    {"memory type", type_illegal, AT_4K, 0, ACCESS_READ, 0, BY_ANSWER},
    {"no write", write_withdrawn, AT_4K, 0, ACCESS_WRITE, 0, BY_ANSWER},
    {"no fetch", fetch_withdrawn, AT_4K, 0, ACCESS_FETCH, 0, BY_ANSWER},
    {"no read", read_withdrawn, AT_4K, 0, ACCESS_READ, 0, BY_ANSWER},
    {"table", table_changed, AT_4K, 0, ACCESS_READ, 0, BY_ANSWER},
    {"directory", directory_changed, AT_4K, 0, ACCESS_READ, 0, BY_ANSWER},
    {"root entry", root_entry_changed, AT_4K, 0, ACCESS_READ, 0, BY_ANSWER},
    {"table absent", table_absent, AT_4K, 0, ACCESS_READ, 0, BY_ANSWER},
    {"directory no write", directory_no_write, AT_4K, 0, ACCESS_WRITE, 0, BY_ANSWER},
    {"to large", to_large, AT_4K, 0, ACCESS_READ, 0, BY_ANSWER},
    {"large split", large_split, AT_2M, 0, ACCESS_READ, 0, BY_ANSWER},
    {"large moved", large_moved, AT_2M, 0, ACCESS_READ, 0, BY_ANSWER},
    {"large absent", large_absent, AT_2M, 0, ACCESS_READ, 0, BY_ANSWER},
    {"huge absent", huge_absent, AT_1G, 0, ACCESS_READ, 0, BY_ANSWER},
    {"table, page beside", table_changed, AT_4K, FAR, ACCESS_READ, 0, BY_ANSWER},
    {"directory, page beside", directory_changed, AT_4K, FAR, ACCESS_READ, 0, BY_ANSWER},
    {"dirty", dirty_cleared, AT_4K, 0, ACCESS_WRITE, EPTP_AD_ON, BY_DIRTY},
    {"accessed", accessed_cleared, AT_4K, 0, ACCESS_READ, EPTP_AD_ON, BY_ACCESSED},
    {"upper accessed", upper_accessed_cleared, AT_4K, 0, ACCESS_READ, EPTP_AD_ON,
     BY_UPPER_ACCESSED},
    {"flags on, write", flags_on, AT_4K, 0, ACCESS_WRITE, 0, BY_DIRTY},
    {"flags on, read", flags_on, AT_4K, 0, ACCESS_READ, 0, BY_ACCESSED},
};

/* ---- what stands between ---------------------------------------------------------------- */

static void nothing(void) {}

static void invvpid_all(void)
{
    ept_invvpid(INVVPID_ALL, 0, 0);
}

static void invept_of_another(void)
{
    ept_invept(INVEPT_ONE, ARENA_AT(PG_OTHER_ROOT) | EPTP_WALK4_WB);
}

/* An exit, an entry without VPID, MOV CR3 and INVLPG in L2: none of them is about EPT. */
static void another_entry(void)
{
    /* CR3 to itself, INVLPG [RAX] */
    static const char flushes[] = "\x0f\x20\xd8\x0f\x22\xd8\x0f\x01\x38";
    u64 kept = l2.f[VI_PROC2_CTL];

    l2.f[VI_PROC2_CTL] &= ~PROC2_VPID;
    l2_code(flushes, sizeof flushes - 1);
    l2_write();
    l2_enter(false);
    l2.f[VI_PROC2_CTL] = kept;
}

/* SDM 3C 29.4.3.2 "Operations that Need Not Invalidate Cached Mappings" */
static void vmx_off_and_on(void)
{
    vmx_off();
    gt_check(vmx_on(), "VMXON again");
}

static const struct between {
    const char *name;
    void (*run)(void);
} betweens[] = {
    {"nothing", nothing},
    {"invvpid", invvpid_all},
    {"invept of another", invept_of_another},
    {"another entry", another_entry},
    {"vmxoff", vmx_off_and_on},
};

/* ---- one case --------------------------------------------------------------------------- */

static const char *seen(const struct change *c, u64 at)
{
    static const char *const flag[2] = {"clear", "set"};
    u64 word;

    ept_touch(c->access, at);
    if (c->sign == BY_ACCESSED)
        return flag[*ept_entry(AT_4K, 1) >> 8 & 1];
    if (c->sign == BY_DIRTY)
        return flag[*ept_entry(AT_4K, 1) >> 9 & 1];
    if (c->sign == BY_UPPER_ACCESSED)
        return flag[*ept_entry(AT_4K, 2) >> 8 & 1];
    if ((u32)l2_seen[VI_EXIT_REASON] != REASON_VMCALL || c->access != ACCESS_READ)
        return ept_result();
    word = l2_seen_gpr[RAX];
    return word == WORD_A ? "A" : word == WORD_B ? "B" : "other";
}

/* The old answer is one letter or word, the new one begins otherwise: 'A' against 'B' or "exit",
 * "done" against "exit", "clear" against "set". */
static void one(const struct change *c, const struct between *b, enum stale_machine machine)
{
    static const char *const was[] = {
        [BY_ANSWER] = "Ad", [BY_ACCESSED] = "c", [BY_DIRTY] = "c", [BY_UPPER_ACCESSED] = "c"};
    u64 at = c->at + c->after * 4096;
    const char *got;
    bool old;

    ept_world(L2_64, c->eptp_flags);
    l2.f[VI_PROC2_CTL] |= vmx_has2(PROC2_VPID) ? PROC2_VPID : 0;
    l2.f[VI_VPID] = TAG;
    ((u64 *)arena(PG_E_PT1))[FAR] = shows(PG_DATA_A);
    build_other();
    ept_invvpid(INVVPID_ALL, 0, 0);
    ept_touch(c->access, c->at);
    c->make();
    b->run();
    got = seen(c, at);
    old = got[0] == was[c->sign][0] || got[0] == was[c->sign][c->sign == BY_ANSWER];
    if (gt_under_nidus() && machine != STALE_MAY)
        gt_check(old == (machine == STALE_KEEPS), "missing.%s.%s: %s: %s", b->name, c->name,
                 old ? "kept" : "dropped", got);
    ept_invept(INVEPT_ONE, l2.f[VI_EPT_POINTER]);
    gt_line("missing.%s.%s: then %s", b->name, c->name, seen(c, at));
    *(u64 *)arena(PG_DATA_A) = WORD_A;
    *(u64 *)arena(PG_DATA_B) = WORD_B;
}

/* A violation drops what would be used for its own address, an upper entry included, and nothing
 * else: L1 puts another table (or a large page) into that upper entry, and the page that L2 used
 * before may stay as it was. SDM 3C 29.4.3.1 "Operations that Invalidate Cached Mappings" */
static void beside_a_violation(bool large, enum stale_machine machine)
{
    const char *name = large ? "large" : "table";
    u64 far = AT_4K + FAR * 4096ul, first;

    ept_world(L2_64, 0);
    build_other();
    ept_touch(ACCESS_READ, AT_4K);
    ept_touch(ACCESS_READ, far);
    gt_line("missing.beside.%s: %s", name, ept_result());
    if (large)
        to_large();
    else
        table_changed();
    ept_touch(ACCESS_READ, far);
    gt_line("missing.beside.%s.there: %s %s", name, ept_result(),
            l2_seen_gpr[RAX] == WORD_B ? "B" : "other");
    ept_touch(ACCESS_READ, AT_4K);
    first = l2_seen_gpr[RAX];
    if (gt_under_nidus() && machine != STALE_MAY)
        gt_check((first == WORD_A) == (machine == STALE_KEEPS), "missing.beside.%s: %lx", name,
                 first);
    ept_invept(INVEPT_ONE, l2.f[VI_EPT_POINTER]);
    ept_touch(ACCESS_READ, AT_4K);
    gt_line("missing.beside.%s.then: %s", name,
            l2_seen_gpr[RAX] == WORD_A   ? "A"
            : l2_seen_gpr[RAX] == WORD_B ? "B"
                                         : "other");
}

void stale_missing(enum stale_machine machine)
{
    beside_a_violation(false, machine);
    beside_a_violation(true, machine);
    for (unsigned b = 0; b < sizeof betweens / sizeof *betweens; b++)
        for (unsigned i = 0; i < sizeof changes / sizeof *changes; i++)
            one(&changes[i], &betweens[b], machine);
}
