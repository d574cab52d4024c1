/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What EPT12 permits: every combination of rights at every level and leaf size, against
 * every access; the exit that each refusal gives, and the accessed and dirty flags that
 * each access leaves.
 *
 * Right: An access that the entries of the walk do not all permit is an EPT violation (exit reason
 * 48), whose qualification tells the access and the rights together. An access that is permitted
 * sets the flags and no more. SDM 3C 29.3.3.2 "EPT Violations", SDM 3C 29.3.5 "Accessed and Dirty
 * Flags for EPT"
 */
#include "guest-tests/lib/vmx_ept.h"

enum { RIGHTS = 8 };
static const char *const rights_name[RIGHTS] = {"---", "r--", "-w-", "rw-",
                                                "--x", "r-x", "-wx", "rwx"};

/* A and D of the entries from the PML4's down to the leaf, one digit each. */
static const char *flags_of(const struct ept_place *p)
{
    static char text[8];
    size_t n = 0;

    for (unsigned level = 4; level >= p->level; level--)
        text[n++] = (char)('0' + (*ept_entry(p->at, level) >> 8 & 3));
    text[n] = 0;
    return text;
}

static void forget_flags(const struct ept_place *p)
{
    for (unsigned level = 4; level >= p->level; level--)
        *ept_entry(p->at, level) &= ~(E_A | E_D);
}

/* One access with the given rights in the entry of one level, all others open. */
static void one(const struct ept_place *p, unsigned level, u64 rights, enum ept_access access,
                const char *ad)
{
    u64 *entry = ept_entry(p->at, level);
    u64 kept = *entry;

    *entry = (kept & ~E_RWX) | rights;
    ept_invept(INVEPT_ONE, l2.f[VI_EPT_POINTER]);
    ept_touch(access, p->at);
    /* The PML4 entry serves L2's own code as well: only the leaf is told then. */
    *entry |= E_RWX;
    gt_line("%s.level%u.%s.%s%s: %s flags %s", p->name, level, rights_name[rights],
            ept_access_name[access], ad, ept_result(), flags_of(p));
    *entry = kept;
    forget_flags(p);
    *(u64 *)arena(PG_DATA_A) = WORD_A;
}

static void matrix(u64 eptp_flags)
{
    const char *ad = eptp_flags ? ".ad" : "";

    ept_world(L2_64, eptp_flags);
    for (unsigned i = 0; i < 3; i++) {
        const struct ept_place *p = &ept_place[i];

        for (unsigned level = p->level; level < 4; level++)
            for (u64 rights = 0; rights < RIGHTS; rights++)
                for (unsigned access = 0; access < ACCESSES; access++)
                    one(p, level, rights, access, ad);
    }
}

/* The rights of the PML4 entry decide about L2's first walk. CAVEAT(bochs-ept-walk-read) */
static void root(u64 eptp_flags)
{
    const char *ad = eptp_flags ? ".ad" : "";

    ept_world(L2_64, eptp_flags);
    for (u64 rights = 0; rights < RIGHTS; rights++)
        one(&ept_place[0], 4, rights, ACCESS_READ, ad);
}

/* Rights are ANDed over the levels; the qualification tells the result. */
static void levels_and(void)
{
    ept_world(L2_64, 0);
    for (u64 upper = 1; upper < RIGHTS; upper += 2)
        for (u64 leaf = 1; leaf < RIGHTS; leaf += 2) {
            *ept_entry(AT_4K, 2) = (*ept_entry(AT_4K, 2) & ~E_RWX) | upper;
            *ept_entry(AT_4K, 1) = (*ept_entry(AT_4K, 1) & ~E_RWX) | leaf;
            for (unsigned access = 0; access < ACCESSES; access++) {
                ept_invept(INVEPT_ALL, 0);
                ept_touch(access, AT_4K);
                gt_line("and.%s.%s.%s: %s", rights_name[upper], rights_name[leaf],
                        ept_access_name[access], ept_result());
            }
        }
}

/* An access over the border of two pages, the second absent or read-only. The violation names the
 * second page. SDM 3C 28.2.1 "Basic VM-Exit Information" */
static void across(void)
{
    u64 *pt1 = arena(PG_E_PT1);

    ept_world(L2_64, 0);
    for (u64 rights = 0; rights < RIGHTS; rights++) {
        if ((rights & E_RWX) == E_W || (rights & E_RWX) == (E_W | E_X))
            continue;
        pt1[1] = ARENA_AT(PG_DATA_B) | rights | E_WB;
        for (unsigned access = 0; access < ACCESS_FETCH; access++) {
            ept_invept(INVEPT_ALL, 0);
            ept_touch(access, AT_4K + 0xffc);
            gt_line("across.%s.%s: %s rax %lx", rights_name[rights], ept_access_name[access],
                    ept_result(), l2_seen_gpr[RAX]);
        }
    }
}

TEST_MAIN(ept_perm)
{
    vmx_begin();
    if (ept_usable() && vmx_on()) {
        l2_init();
        matrix(0);
        matrix(EPTP_AD_ON);
        root(0);
        root(EPTP_AD_ON);
        levels_and();
        across();
    }
    vmx_end();
}
