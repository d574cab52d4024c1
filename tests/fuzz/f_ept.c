/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the EPT walk and composition: every fetched entry comes from the input. The walk ends
 * within four fetches, and a composed leaf never grants what EPT12 or EPT01 denies, is never
 * misconfigured, and maps the page where both tables together put it.
 */
#include "tests/fuzz/fuzz.h"
#include "hv/arch/msr.h"
#include "hv/ept/ept.h"
#include <string.h>

struct source {
    const u8 *data;
    size_t size;
    u32 fetches;
};

static u64 take(struct source *s)
{
    u64 v = 0;
    size_t n = s->size < 8 ? s->size : 8;

    memcpy(&v, s->data, n);
    s->data += n;
    s->size -= n;
    return v;
}

/* Half of the entries are made plausible, so that walks get deep. */
static u64 fetch(void *ctx, gpa1_t at)
{
    struct source *s = ctx;
    u64 v = take(s);

    s->fetches++;
    demand(is_aligned(at.a, 8));
    return v & BIT(11) ? v & ~(0x000fff0000000000ull | 0x78) : v;
}

static void compose(const struct ept_walk *w, gpa2_t gpa2, u64 access, struct source *s, bool ad)
{
    static const u64 sizes[4] = {PAGE_SIZE, SIZE_2M, SIZE_1G, SIZE_1G};
    static const u8 perms[4] = {EPT_RWX, EPT_R, EPT_R | EPT_W, EPT_R | EPT_X};
    u64 pick = take(s);
    struct ept01_leaf leaf01 = {HPA((pick & 0xfffffff000) & ~(sizes[pick & 3] - 1)),
                                sizes[pick & 3], perms[pick >> 2 & 3]};
    struct compose_env c = {ad, sizes[pick >> 5 & 3]};
    struct ept02_leaf leaf02 = ept_compose(&c, gpa2, &w->leaf, &leaf01);
    u64 perm = leaf02.entry & EPT_RWX;

    demand(!any(perm, ~(u64)(w->leaf.perm & leaf01.perm)));
    demand(leaf02.size <= w->leaf.size && leaf02.size <= leaf01.size && leaf02.size <= c.max_size);
    demand(gpa2.a - leaf02.base.a < leaf02.size && is_aligned(leaf02.base.a, leaf02.size));
    if (perm == 0) {
        demand(leaf02.entry == EPT02_EMPTY);
        return;
    }
    u64 gpa1 = w->leaf.base.a + gpa2.a % w->leaf.size;
    u64 hpa = leaf01.base.a + gpa1 % leaf01.size;
    demand((leaf02.entry & EPT_ADDR) + gpa2.a % leaf02.size == hpa);
    demand(!any(perm, EPT_W) || any(perm, EPT_R));
    demand(!any(perm, EPT_W) || !ad || any(w->leaf.entry, EPT_D));
    /* what both levels allow, this access will find */
    demand(!any(access, ~perm) || any(access, ~(u64)leaf01.perm));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct source s = {data, size, 0};
    struct ept_walk w;
    u64 shape = take(&s), qual = take(&s) & 0x1fff;
    gpa2_t gpa2 = GPA2(take(&s) & 0xffffffffffff);
    struct ept_env env = {.eptp = shape & EPTP_AD,
                          .ept_vpid_cap = shape >> 8,
                          .maxphyaddr = 36 + (shape & 15),
                          .fetch = fetch,
                          .ctx = &s};

    env.eptp |= 0x1000 | EPTP_WALK_4 | MT_WB;
    struct ept_from root = ept_from_root(env.eptp);
    ept_walk_from(&env, &root, gpa2, qual, &w);
    demand(s.fetches >= 1 && s.fetches <= 4 && w.steps == s.fetches);
    for (u32 i = 0; i < w.steps; i++)
        demand((w.step[i].next & ~w.step[i].entry & ~(EPT_A | EPT_D)) == 0 &&
               (w.result == EPT_OK || w.step[i].next == w.step[i].entry));
    if (w.result == EPT_VIOLATION)
        demand(any(qual & 7, ~(w.qual >> 3)) || (w.qual & 3) == 3 || (w.qual >> 3 & 7) == 0);
    if (w.result == EPT_OK)
        compose(&w, gpa2, qual & 7, &s, any(env.eptp, EPTP_AD));
    return 0;
}
