/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Second-level translation as values. ept_walk_from walks an EPT12 through the caller's fetch
 * function. ept_compose makes a leaf of EPT02 of a leaf of EPT12 and a leaf of EPT01. Nothing here
 * reads memory or owns a table.
 * SDM 3C 29.3 "The Extended Page Table Mechanism (EPT)"
 */
#ifndef HV_EPT_EPT_H
#define HV_EPT_EPT_H

#include "hv/arch/exit.h"
#include "hv/arch/paging.h"

/* Returns the 8 bytes at `at` in L1's memory, or all ones when L0 cannot read there. */
typedef u64 (*ept_fetch_fn)(void *ctx, gpa1_t at);

struct ept_env {
    u64 eptp;            /* EPTP12; the entry checks have accepted it, so it has 4 levels */
    u64 ept_vpid_cap;    /* IA32_EPT_VPID_CAP as shown to L1 */
    unsigned maxphyaddr; /* as shown to L1 */
    ept_fetch_fn fetch;
    void *ctx;
};

enum ept_result { EPT_OK, EPT_VIOLATION, EPT_MISCONFIG };

/* One entry that the walk used. next differs from entry when the access sets an accessed or dirty
 * flag. The caller then stores next with a locked compare-exchange, and walks again when the
 * exchange fails. */
struct ept_step {
    gpa1_t at;
    u64 entry, next;
};

struct ept12_leaf {
    gpa1_t base; /* of the page, aligned to size */
    u64 size;    /* 4 KiB, 2 MiB, 1 GiB */
    u64 entry;   /* with the flags that this walk sets */
    u8 perm;     /* EPT_R | EPT_W | EPT_X, ANDed over the levels */
};

struct ept_walk {
    enum ept_result result;
    u64 qual;               /* EPT_VIOLATION: the qualification L1 shall see */
    bool suppress_ve;       /* EPT_VIOLATION: bit 63 of the entry that decides about #VE */
    struct ept12_leaf leaf; /* EPT_OK */
    u8 steps;               /* the number of step[] that are filled, whatever the result */
    struct ept_step step[4];
};

/* Where a walk begins. A walk may begin below the root, as on a processor whose paging-structure
 * caches hold the entries above. SDM 3C 29.4.1 "Information That May Be Cached" */
struct ept_from {
    gpa1_t table;
    u8 level; /* of the table: 4 to 1 */
    u8 perm;  /* EPT_R | EPT_W | EPT_X, ANDed over the entries that led to the table */
};

/* The start of a whole walk: the table that the EPTP names. */
struct ept_from ept_from_root(u64 eptp);

/*
 * Translates gpa2 for an access and fills in *w.
 *
 * qual describes the access in the form of an EPT-violation qualification: bits 2:0 are the access,
 * bits 8:7 and 11:9 tell where the access came from, bit 12 tells of NMI unblocking. w->qual
 * contains these bits again, but bits 11:9 only when L1's processor has advanced exit information.
 * An access to a guest paging structure (bit 7 set, bit 8 clear) counts as a write while EPTP12 has
 * A/D flags on.
 *
 * A step has a flag to set only when the result is EPT_OK. A walk that begins below the root has
 * steps only for the tables that it reads. Its start may come from entries that L1 has changed
 * since, so a violation or a misconfiguration that it finds is certain only if a walk from the root
 * finds it, too. SDM 3C 29.3.2 "EPT Translation Mechanism", SDM 3C 29.3.3.2 "EPT Violations"
 */
void ept_walk_from(const struct ept_env *env, const struct ept_from *from, gpa2_t gpa2, u64 qual,
                   struct ept_walk *w);

/* The access that counts, EPT_R | EPT_W | EPT_X, of a qualification as ept_walk_from takes it.
 * While A/D flags are on, "processor accesses to guest paging-structure entries are treated as
 * writes", and the qualification of a violation by one tells both read and write.
 * SDM 3C 29.3.3.2 "EPT Violations" */
static inline u64 ept_access(u64 eptp, u64 qual)
{
    bool page_walk = (qual & (QUAL_EPT_GLA_VALID | QUAL_EPT_GLA_FINAL)) == QUAL_EPT_GLA_VALID;
    return (qual & EPT_RWX) | (page_walk && any(eptp, EPTP_AD) ? EPT_R | EPT_W : 0);
}

/* Types 2, 3 and 7 are reserved. */
static inline bool ept_memtype_legal(u64 entry)
{
    return any(0x73, BIT(bits(entry, 5, 3)));
}

/* The qualification of a violation that L1 shall see. perm: the entries' rights, ANDed; 0 when one
 * of them is not present. */
u64 ept_violation_qual(u64 eptp, u64 ept_vpid_cap, u64 qual, u64 perm);

/* EPT01's leaf for the gpa1 that a walk of EPT12 found. */
struct ept01_leaf {
    hpa_t base; /* of the page, aligned to size */
    u64 size;
    u8 perm;
};

struct ept02_leaf {
    u64 entry; /* ready to store: address, permissions, type, IPAT, PS, A, D, suppress-#VE */
    u64 size;
    gpa2_t base; /* gpa2 aligned to size: where the leaf belongs */
};

/* The value of an EPT02 entry that maps nothing. The CPU must not deliver a #VE to L2 for a gap of
 * L0's. */
#define EPT02_EMPTY EPT_SUPPRESS_VE

struct compose_env {
    bool ad;      /* EPTP12, and therefore EPTP02, has accessed and dirty flags on */
    u64 max_size; /* the largest leaf in bytes that the processor has: 4 KiB, 2 MiB or 1 GiB */
};

/* The leaf of EPT02 around gpa2. It has the largest size that both leaves and the processor allow,
 * and only the permissions that both leaves give. While A/D flags are on, a page that is not yet
 * dirty in EPT12 is not writable in EPT02, so that its first write exits to L0. Two legal leaves
 * never give a misconfigured one: write without read, or execute-only on a processor without it.
 * leaf12 is the leaf that the walk found for gpa2, and leaf01 the one for the gpa1 behind it.
 * SDM 3C 29.3.7.2 "Memory Type Used for Translated Guest-Physical Addresses" */
struct ept02_leaf ept_compose(const struct compose_env *env, gpa2_t gpa2,
                              const struct ept12_leaf *leaf12, const struct ept01_leaf *leaf01);

/* The entry alone, for a size that both leaves have: entry12 is EPT12's leaf, perm12 are the rights
 * of its walk, and gpa1 is what the entry leads to. EPT12 has the accessed and dirty flags already
 * that the entry has, so the processor need not set them. */
static inline u64 ept_compose_entry(bool ad, u64 entry12, u64 perm12, gpa1_t gpa1, u64 size,
                                    const struct ept01_leaf *leaf01)
{
    u64 perm = perm12 & leaf01->perm, kept = EPT_MT_MASK | EPT_IPAT | EPT_SUPPRESS_VE;
    if (ad && !any(entry12, EPT_D))
        perm &= ~(u64)EPT_W;
    if (perm == 0)
        return EPT02_EMPTY;
    u64 entry = leaf01->base.a | (gpa1.a & (leaf01->size - 1)) | perm | (entry12 & kept);
    /* The CPU may deliver a #VE only for a violation that EPT12 itself causes. Where EPT02 has
     * fewer rights than EPT12, a violation may be L0's. */
    if (perm != perm12)
        entry |= EPT_SUPPRESS_VE;
    if (ad)
        entry |= any(perm, EPT_W) ? EPT_A | EPT_D : EPT_A;
    return size > PAGE_SIZE ? entry | EPT_PS : entry;
}

/* True when two 4-KiB leaves of EPT12 differ only in their address and both lie in the page of
 * EPT01 that leaf01 maps. */
static inline bool ept_leaves_alike(u64 a12, u64 b12, const struct ept01_leaf *leaf01)
{
    return !any(a12 ^ b12, ~(EPT_ADDR & (leaf01->size - 1)));
}

/* The entry that ept_compose makes for the leaf other12, computed from leaf02, the entry that it
 * made for another leaf. @pre ept_leaves_alike says that the two leaves of EPT12 are alike */
static inline u64 ept_compose_alike(u64 leaf02, u64 other12, const struct ept01_leaf *leaf01)
{
    u64 within = EPT_ADDR & (leaf01->size - 1);
    return (leaf02 & ~within) | (other12 & within);
}

#endif
