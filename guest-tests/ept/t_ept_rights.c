/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an EPT violation tells of L2's own paging: bits 11:9 of the exit qualification, where the
 * processor has advanced VM-exit information (bit 22 of IA32_VMX_EPT_VPID_CAP). The entries of
 * every level give and take user, write and execute rights; pages of each kind in every paging
 * mode; CR0.WP clear, so that a write meets a page that is read-only.
 *
 * Right: Bit 9 tells a user page, bit 10 a page that can be written, bit 11 one that cannot be
 * executed, of all entries together; an access that L2's paging refuses is a page fault. Of an
 * access to one of L2's page tables nothing is told. SDM 3C 28.2.1 "Basic VM-Exit Information"
 */
#include "guest-tests/lib/vmx_ept.h"

#define GPTE_W   2ul
#define GPTE_U   4ul
#define GPTE_NX  (1ul << 63)
#define PRESENT  0x61ul /* accessed, dirty */
#define OPEN     (PRESENT | GPTE_W | GPTE_U)
#define PLACE    0x8000000000ul /* linear; its own entries from the PML4's down */
#define FINAL    0x180ul
#define ADVANCED 0xe00ul

enum { PG_CHAIN = PG_EPT_FREE, LEVELS = 4, KINDS = 8 };

static bool advanced;
static u64 *guest[LEVELS + 1]; /* by level */

static void judge(const char *name, u64 user, u64 write, u64 nx)
{
    u64 q = l2_seen[VI_EXIT_QUALIFICATION];
    u64 want = (user ? 1ul << 9 : 0) | (write ? 1ul << 10 : 0) | (nx ? 1ul << 11 : 0);

    gt_line("%s: %s", name, ept_result());
    if (advanced && (u32)l2_seen[VI_EXIT_REASON] == 48 && (q & FINAL) == FINAL)
        gt_check((q & ADVANCED) == want, "%s: q %lx, due %lx", name, q, want);
}

/* A chain of four tables of L2's leads to a page that EPT12 does not map. */
static void chain(enum l2_mode mode)
{
    u64 *table = arena(PG_L2_TABLES);

    ept_world(mode, 0);
    ept_split();
    gt_zero_pages(arena(PG_CHAIN), LEVELS);
    guest[4] = table + 1;
    for (unsigned level = LEVELS; level >= 1; level--) {
        *guest[level] = ARENA_AT(PG_CHAIN + LEVELS - level) | OPEN;
        if (level > 1)
            guest[level - 1] = arena(PG_CHAIN + LEVELS - level);
    }
    *ept_leaf_of(PG_CHAIN + LEVELS - 1) = 0;
}

static void levels(enum l2_mode mode, bool wp)
{
    char name[60];

    chain(mode);
    if (!wp)
        l2.f[VI_GUEST_CR0] &= ~(u64)CR0_WP;
    for (unsigned level = LEVELS; level >= 1; level--)
        for (unsigned kind = 0; kind < KINDS; kind++)
            for (unsigned access = 0; access < ACCESSES; access++) {
                u64 user = kind & 1 ? GPTE_U : 0, write = kind & 2 ? GPTE_W : 0,
                    nx = kind & 4 ? GPTE_NX : 0, kept = *guest[level];

                *guest[level] = (kept & ~(GPTE_U | GPTE_W)) | user | write | nx;
                ept_invept(INVEPT_ALL, 0);
                ept_touch(access, PLACE);
                gt_format(name, sizeof name, "%s%s.level%u.%s%s%s.%s", l2_mode_name[mode],
                          wp ? "" : ".wp0", level, user ? "u" : "-", write ? "w" : "-",
                          nx ? "-" : "x", ept_access_name[access]);
                judge(name, user, write, nx);
                *guest[level] = kept;
            }
}

/* A table of L2's own is what EPT12 does not map. */
static void tables(void)
{
    for (unsigned level = LEVELS - 1; level >= 1; level--) {
        chain(L2_64);
        *ept_leaf_of(PG_CHAIN + LEVELS - 1 - level) = 0;
        ept_invept(INVEPT_ALL, 0);
        ept_touch(ACCESS_READ, PLACE);
        gt_line("table%u: %s", level, ept_result());
    }
}

/* The pages that L2 has in every mode. */
static void pages(enum l2_mode mode)
{
    static const struct {
        const char *name;
        u8 page, user, write, nx;
    } page[] = {{"open", P_SPARE, 1, 1, 0},
                {"read_only", P_READ_ONLY, 1, 0, 0},
                {"supervisor", P_SUPERVISOR, 0, 1, 0},
                {"nx", P_NX, 1, 1, 1}};
    bool narrow = mode == L2_32 || mode == L2_32_R3;
    char name[60];

    for (unsigned i = 0; i < sizeof page / sizeof *page - narrow; i++) {
        ept_world(mode, 0);
        ept_split();
        for (unsigned k = 0; k < 4 && mode == L2_PAE; k++)
            l2.f[VI_GUEST_PDPTE0 + (int)k] = ((u64 *)l2.f[VI_GUEST_CR3])[k];
        *ept_leaf_of(PG_L2 + page[i].page) = 0;
        ept_invept(INVEPT_ALL, 0);
        for (unsigned access = 0; access < ACCESSES; access++) {
            ept_touch(access, L2_AT(page[i].page));
            gt_format(name, sizeof name, "%s.%s.%s", l2_mode_name[mode], page[i].name,
                      ept_access_name[access]);
            judge(name, page[i].user, page[i].write, page[i].nx);
        }
    }
}

TEST_MAIN(ept_rights)
{
    vmx_begin();
    if (ept_usable() && vmx_on()) {
        advanced = gt_rdmsr(MSR_EPT_VPID_CAP) >> 22 & 1;
        gt_line("advanced: %u", advanced);
        l2_init();
        levels(L2_64, true);
        levels(L2_64, false);
        levels(L2_64_R3, true);
        tables();
        for (unsigned mode = 0; mode <= L2_32_R3; mode++)
            pages((enum l2_mode)mode);
    }
    vmx_end();
}
