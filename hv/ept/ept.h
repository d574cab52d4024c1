/*
 * Second-level translation as values: walk an EPT12 through the caller's fetch, and put its leaf
 * over EPT01's to make a leaf of EPT02. Nothing here reads memory or owns a table.
 * SDM 3C 29.3 "The Extended Page Table Mechanism (EPT)"
 */
#ifndef HV_EPT_EPT_H
#define HV_EPT_EPT_H

#include "hv/arch/exit.h"
#include "hv/arch/paging.h"

/* The 8 bytes at a place of L1's memory; what L0 cannot read gives all ones. */
typedef u64 (*ept_fetch_fn)(void *ctx, gpa1_t at);

struct ept_env {
    u64 eptp;            /* EPTP12, accepted by the entry checks (4 levels) */
    u64 ept_vpid_cap;    /* IA32_EPT_VPID_CAP as shown to L1 */
    unsigned maxphyaddr; /* as shown to L1 */
    ept_fetch_fn fetch;
    void *ctx;
};

enum ept_result { EPT_OK, EPT_VIOLATION, EPT_MISCONFIG };

/* One entry that the walk used; next != entry when an accessed or dirty flag has to be set. The
 * caller stores next with a locked compare-exchange and walks again when that fails. */
struct ept_step {
    gpa1_t at;
    u64 entry, next;
};

struct ept12_leaf {
    gpa1_t base; /* of the page, aligned to size */
    u64 size;    /* 4 KiB, 2 MiB, 1 GiB */
    u8 perm;     /* EPT_R | EPT_W | EPT_X, ANDed over the levels */
    u8 memtype;
    bool ipat;
    bool dirty;       /* the D flag, this walk's own update included; true without A/D flags */
    bool suppress_ve; /* bit 63 of the leaf */
};

struct ept_walk {
    enum ept_result result;
    u64 qual;               /* EPT_VIOLATION: the qualification L1 shall see */
    bool suppress_ve;       /* EPT_VIOLATION: bit 63 of the entry that decides about #VE */
    struct ept12_leaf leaf; /* EPT_OK */
    u8 steps;               /* how many of step[] are filled, whatever the result */
    struct ept_step step[4];
};

/* Where a walk begins: what a processor remembers of the entries above, in its paging-structure
 * caches. SDM 3C 29.4.1 "Information That May Be Cached" */
struct ept_from {
    gpa1_t table;
    u8 level; /* of the table: 4 to 1 */
    u8 perm;  /* ANDed over the entries that led to it */
};

/* The whole way: from the table that the EPTP names. */
struct ept_from ept_from_root(u64 eptp);

/* Translate gpa2 for an access. qual is the access as an EPT-violation qualification tells it: bits
 * 2:0 the access, bits 8:7 and 11:9 where it came from, bit 12 NMI unblocking; they return in
 * w->qual, bits 11:9 only when L1's processor has advanced exit information. An access to a guest
 * paging structure (bit 7 without 8) counts as a write when EPTP12 has A/D flags on. No step has an
 * update unless the result is EPT_OK. A walk that begins below the root has only the steps of the
 * tables that it reads, and a violation or a misconfiguration found so may be one of old entries:
 * only the whole walk can tell. */
void ept_walk_from(const struct ept_env *env, const struct ept_from *from, gpa2_t gpa2, u64 qual,
                   struct ept_walk *w);

/* EPT01's leaf for the gpa1 that a walk gave. */
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

/* What an EPT02 entry that maps nothing holds: a #VE must not be delivered for L0's gaps. */
#define EPT02_EMPTY EPT_SUPPRESS_VE

struct compose_env {
    bool ad;      /* EPTP12 (and so EPTP02) has accessed and dirty flags on */
    u64 max_size; /* the largest leaf that the processor takes: 4 KiB, 2 MiB, 1 GiB */
};

/* The leaf of EPT02 around gpa2: the largest size that both levels and the processor allow,
 * permissions of both. While A/D flags are on, a page that is not yet dirty in EPT12 is left
 * read-only, so that the first write comes here. Write without read and, when the processor
 * lacks it, execute-only cannot come out of two legal leaves. */
struct ept02_leaf ept_compose(const struct compose_env *env, gpa2_t gpa2,
                              const struct ept12_leaf *leaf12, const struct ept01_leaf *leaf01);

/* Whether two 4-KiB leaves of EPT12 differ in nothing but their address, and lie in the same page
 * of EPT01. */
static inline bool ept_leaves_alike(u64 a12, u64 b12, const struct ept01_leaf *leaf01)
{
    return !any(a12 ^ b12, ~(EPT_ADDR & (leaf01->size - 1)));
}

/* What ept_compose gives for the one, made from what it gave for the other. */
static inline u64 ept_compose_alike(u64 leaf02, u64 other12, const struct ept01_leaf *leaf01)
{
    u64 within = EPT_ADDR & (leaf01->size - 1);
    return (leaf02 & ~within) | (other12 & within);
}

#endif
