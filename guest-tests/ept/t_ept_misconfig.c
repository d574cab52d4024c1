/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an EPT12 entry may not hold: reserved memory types, reserved bits of every level,
 * address bits beyond the processor's; what it may: ignored bits. And accesses to L2's own
 * paging structures.
 *
 * Right: A reserved value is an EPT misconfiguration (exit reason 49), whatever the access, when
 * the entry is present and the walk reaches it; an ignored bit changes nothing. SDM 3C 29.3.3.1
 * "EPT Misconfigurations"
 */
#include "guest-tests/lib/vmx_ept.h"

enum { TOP_BIT = 64, PG_L2_PT = PG_L2_TABLES + 3 };

static void one(const struct ept_place *p, const char *what, unsigned n)
{
    ept_invept(INVEPT_ONE, l2.f[VI_EPT_POINTER]);
    ept_touch(ACCESS_READ, p->at);
    gt_line("%s.%s_%u: %s", p->name, what, n, ept_result());
}

/* Types 2, 3 and 7 are misconfigured, with bit 6 set or clear. Bit 6 alone changes nothing that
 * shows. SDM 3C 29.3.3.1 "EPT Misconfigurations" */
static void memory_types(const struct ept_place *p)
{
    u64 *leaf = ept_entry(p->at, p->level), kept = *leaf;

    for (unsigned type = 0; type < 8; type++) {
        *leaf = (kept & ~E_TYPE) | (u64)type << 3;
        one(p, "type", type);
        *leaf |= E_IPAT;
        one(p, "ipat_type", type);
    }
    *leaf = kept;
}

/* Each bit that is neither rights, type, nor address of RAM, alone on top of a good entry.
 * CAVEAT(bochs-ept-large-bit-12) */
static void bits_of(const struct ept_place *p, unsigned level)
{
    u64 *entry = ept_entry(p->at, level), kept = *entry;
    static const char *const what[5] = {"", "pte_bit", "pde_bit", "pdpte_bit", "pml4e_bit"};

    for (unsigned bit = level == p->level ? 6 : 3; bit < TOP_BIT; bit++) {
        bool in_leaf = level == p->level && bit >= 12 && bit < 12 + 9 * (level - 1);

        if (bit >= 12 && bit < 40 && !in_leaf)
            continue; /* the address itself; 40 is the emulator's MAXPHYADDR */
        if (bit == 7 && level > 1 && level < 4)
            continue; /* makes another kind of entry */
        *entry = kept ^ 1ul << bit;
        one(p, what[level], bit);
    }
    *entry = kept;
}

/* Misconfigured is only what is present. Execute-only is legal, and a read there is a violation.
 * SDM 3C 29.3.3.2 "EPT Violations" */
static void absent(const struct ept_place *p)
{
    u64 *entry = ept_entry(p->at, p->level), kept = *entry;

    *entry = ~(u64)E_RWX;
    one(p, "absent_all_ones", 0);
    *entry = E_X | E_WB | (kept & E_ADDR) | (kept & E_PS);
    one(p, "execute_only", 0);
    *entry = kept;
}

/* L2's page table, by EPT12's rights to its page: what a walk may do, the flags that it sets in the
 * entry of the table, and EPT12's own flags. Where the walk may not read the table, the violation
 * has bit 7 of its qualification 1 and bit 8 0. With EPT's flags on the walk counts as a write. SDM
 * 3C 29.3.3.2 "EPT Violations", SDM 3C 29.3.5 "Accessed and Dirty Flags for EPT" */
static void paging_structures(u64 eptp_flags, bool used)
{
    static const u64 rights[] = {0, E_R, E_R | E_W, E_X, E_R | E_X, E_RWX};
    u64 *window = (u64 *)arena(PG_L2_PT) + (L2_BASE >> 12), *gpte = window + P_DATA;

    for (unsigned table = 0; table < 4; table++)
        for (unsigned i = 0; i < sizeof rights / sizeof *rights; i++)
            for (unsigned write = 0; write < 2; write++) {
                u64 *leaf;

                ept_world(L2_64, eptp_flags);
                ept_split();
                for (unsigned page = 0; used && page < L2_PAGES; page++)
                    window[page] |= window[page] ? 0x60 : 0;
                for (unsigned t = 0; used && t < 3; t++)
                    *(u64 *)arena(PG_L2_TABLES + t) |= 0x20;
                leaf = ept_leaf_of(PG_L2_TABLES + table);
                *leaf = (*leaf & ~E_RWX) | rights[i];
                ept_invept(INVEPT_ALL, 0);
                ept_touch(write ? ACCESS_WRITE : ACCESS_READ, L2_AT(P_DATA));
                gt_line("walk%s%s.table%u.rights%lu.%s: %s gpte %lx ept %lx",
                        eptp_flags ? ".ad" : "", used ? ".used" : "", table, rights[i],
                        write ? "write" : "read", ept_result(), *gpte & 0xfff, *leaf >> 8 & 3);
            }
}

TEST_MAIN(ept_misconfig)
{
    vmx_begin();
    if (ept_usable() && vmx_on()) {
        l2_init();
        ept_world(L2_64, 0);
        for (unsigned i = 0; i < 3; i++) {
            memory_types(&ept_place[i]);
            absent(&ept_place[i]);
            for (unsigned level = ept_place[i].level; level <= 4; level++)
                bits_of(&ept_place[i], level);
        }
        paging_structures(0, false);
        paging_structures(0, true);
        paging_structures(EPTP_AD_ON, false);
        paging_structures(EPTP_AD_ON, true);
    }
    vmx_end();
}
