/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The walk of an EPT12. Contract in ept.h. The walk ends at a misconfigured entry. Permissions
 * count only after the walk has found the whole translation. Read next: ept_compose.c.
 */
#include "hv/ept/ept.h"
#include "hv/arch/msr.h"

#define ADVANCED   (QUAL_EPT_USER | QUAL_EPT_WRITE_PAGE | QUAL_EPT_NX_PAGE)
#define PERM_SHIFT 3 /* bits 5:3 of the qualification are the entries' bits 2:0 */

/* Levels count down: 4 is a PML4 entry, 1 a PTE. An entry of level n maps 2^(12 + 9(n-1)) bytes. */
static unsigned level_shift(unsigned level)
{
    return PAGE_SHIFT + 9 * (level - 1);
}

static bool ad_enabled(const struct ept_env *env)
{
    return any(env->eptp, EPTP_AD);
}

static bool is_leaf(u64 entry, unsigned level)
{
    return level == 1 || (level < 4 && any(entry, EPT_PS));
}

/* The bits that must be 0 in a present entry, the address bits above MAXPHYADDR included.
 * SDM 3C 29.3.2 "EPT Translation Mechanism", the formats of the entries */
static u64 reserved_bits(const struct ept_env *env, u64 entry, unsigned level)
{
    u64 high = EPT_ADDR & ~(BIT(env->maxphyaddr) - 1);

    if (level == 4)
        return high | 0xf8;
    if (!is_leaf(entry, level))
        return high | 0x78;
    if (level == 3)
        return high | (any(env->ept_vpid_cap, EPT_CAP_1G) ? SIZE_1G - PAGE_SIZE : EPT_PS);
    if (level == 2)
        return high | (any(env->ept_vpid_cap, EPT_CAP_2M) ? SIZE_2M - PAGE_SIZE : EPT_PS);
    return high;
}

/* SDM 3C 29.3.3.1 "EPT Misconfigurations" */
static bool misconfigured(const struct ept_env *env, u64 entry, unsigned level)
{
    u64 perm = entry & EPT_RWX;

    if (any(perm, EPT_W) && !any(perm, EPT_R))
        return true;
    if (perm == EPT_X && !any(env->ept_vpid_cap, EPT_CAP_EXECUTE_ONLY))
        return true;
    if (any(entry, reserved_bits(env, entry, level)))
        return true;
    return is_leaf(entry, level) && !ept_memtype_legal(entry);
}

u64 ept_violation_qual(u64 eptp, u64 ept_vpid_cap, u64 qual, u64 perm)
{
    u64 kept = QUAL_EPT_GLA_VALID | QUAL_EPT_NMI_UNBLOCKING;

    if (any(qual, QUAL_EPT_GLA_VALID))
        kept |= QUAL_EPT_GLA_FINAL;
    if (any(ept_vpid_cap, EPT_CAP_ADV_EXIT_INFO) &&
        all(qual, QUAL_EPT_GLA_VALID | QUAL_EPT_GLA_FINAL))
        kept |= ADVANCED;
    return ept_access(eptp, qual) | perm << PERM_SHIFT | (qual & kept);
}

static void violation(const struct ept_env *env, u64 qual, u64 perm, u64 entry, struct ept_walk *w)
{
    w->result = EPT_VIOLATION;
    w->qual = ept_violation_qual(env->eptp, env->ept_vpid_cap, qual, perm);
    w->suppress_ve = any(entry, EPT_SUPPRESS_VE);
}

/* Sets the accessed flag in every entry used, and the dirty flag in the leaf of a write.
 * CAVEAT(ept-accessed-on-fault) SDM 3C 29.3.5 "Accessed and Dirty Flags for EPT" */
static void mark_used(struct ept_walk *w, bool write)
{
    for (u8 i = 0; i < w->steps; i++)
        w->step[i].next |= EPT_A;
    if (write)
        w->step[w->steps - 1].next |= EPT_D;
}

static void found(const struct ept_env *env, unsigned level, u64 perm, bool write,
                  struct ept_walk *w)
{
    struct ept_step *last = &w->step[w->steps - 1];
    u64 size = BIT(level_shift(level));

    if (ad_enabled(env))
        mark_used(w, write);
    w->result = EPT_OK;
    w->leaf.base = GPA1(last->entry & EPT_ADDR & ~(size - 1));
    w->leaf.size = size;
    w->leaf.entry = last->next;
    w->leaf.perm = (u8)perm;
}

struct ept_from ept_from_root(u64 eptp)
{
    return (struct ept_from){GPA1(eptp & EPT_ADDR), 4, EPT_RWX};
}

void ept_walk_from(const struct ept_env *env, const struct ept_from *from, gpa2_t gpa2, u64 qual,
                   struct ept_walk *w)
{
    u64 table = from->table.a, perm = from->perm, entry;
    unsigned level = from->level;

    *w = (struct ept_walk){.result = EPT_MISCONFIG};
    for (;; level--) {
        gpa1_t at = GPA1(table + 8 * bits(gpa2.a, level_shift(level) + 8, level_shift(level)));

        entry = env->fetch(env->ctx, at);
        w->step[w->steps++] = (struct ept_step){at, entry, entry};
        perm &= entry;
        if (!any(entry, EPT_RWX)) {
            violation(env, qual, 0, entry, w);
            return;
        }
        if (misconfigured(env, entry, level))
            return;
        if (is_leaf(entry, level))
            break;
        table = entry & EPT_ADDR;
    }

    u64 access =
        ept_access(env->eptp, qual); /* bits 2:0 are in the order of the entries' bits 2:0 */
    if (any(access, ~perm)) {
        violation(env, qual, perm, entry, w);
        return;
    }
    found(env, level, perm, any(access, QUAL_EPT_WRITE), w);
}
