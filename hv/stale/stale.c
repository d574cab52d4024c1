/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tlb=strict: tells when L2 uses a translation that EPT12 no longer has. The leaves and tables of
 * EPT02 whose source L1 has changed without an INVEPT are taken out of EPT02 while L2 runs, and put
 * back at each exit, so that everything else finds EPT02 as it is without this file. L2's use of
 * one is an EPT violation. It is told once, and L2 then goes on with the old translation, as it
 * would have. Contract in stale.h.
 */
#include "hv/stale/stale.h"
#include "hv/nested/ept02/tables.h"
#include "hv/core/lib.h"
#include "hv/core/privileged.h"
#include "hv/vmx/guestmem.h"
#include "hv/vmx/insn.h"

#define ARMED_MOST 64u
#define KNOWN_MOST 64u

/* An entry of EPT02 whose source is no longer what EPT12 holds. */
struct stale_entry {
    u64 *place;
    u64 entry; /* what belongs there */
    u64 was, now;
    gpa1_t at12; /* where EPT12 has `now` */
    gpa2_t base;
    u8 level;
};

/* One that an earlier look found. */
struct known {
    u64 *place;
    u64 was, now;
    u64 unchanged_at, changed_at; /* the TSC of the last look before, and of the first look */
    bool by_l1;                   /* L1 ran between the two */
};

/* One that was told, and is not taken out again. Only telling takes a row, so that an instruction
 * of L2's that uses several of them comes to its end, however many there are. */
struct told_entry {
    u64 *place;
    u64 was, now;
};

struct stale {
    u32 armed_count, known_next, told_next;
    u32 invepts, invepts_done; /* executed by L1; that succeeded, at the last look */
    u32 crossings;             /* cpu->crossings at the last look */
    u64 looked_at;             /* the TSC of the last look */
    u64 *spared;               /* is not taken out for one run: the use was no use of it */
    struct stale_entry armed[ARMED_MOST];
    struct known known[KNOWN_MOST];
    struct told_entry told[KNOWN_MOST];
};

bool ept02_stale_reserve(struct cpu *cpu)
{
    u64 pages = (sizeof(struct stale) + PAGE_SIZE - 1) / PAGE_SIZE;
    cpu->nested->ept02->stale = mem_pages(&cpu->vm->mem, pages);
    return cpu->nested->ept02->stale != NULL;
}

/* What must not be used any more. More rights, and flags that were set or cleared, need no
 * INVEPT. SDM 3C 29.4.3.2 "Operations that Need Not Invalidate Cached Mappings" */
static bool loses(u64 was, u64 now, u8 level)
{
    bool leaf = level == 1 || any(was, EPT_PS);
    u64 kept = EPT_ADDR | (level > 1 ? EPT_PS : 0) | (leaf ? EPT_MT_MASK | EPT_IPAT : 0);
    return any(was & ~now, EPT_RWX) || any(was ^ now, kept);
}

static struct known *find_known(struct stale *s, const struct stale_entry *e)
{
    for (u32 i = 0; i < KNOWN_MOST; i++)
        if (s->known[i].place == e->place && s->known[i].was == e->was && s->known[i].now == e->now)
            return &s->known[i];
    return NULL;
}

static bool was_told(const struct stale *s, const struct stale_entry *e)
{
    for (u32 i = 0; i < KNOWN_MOST; i++)
        if (s->told[i].place == e->place && s->told[i].was == e->was && s->told[i].now == e->now)
            return true;
    return false;
}

static struct known *remember(struct cpu *cpu, struct stale *s, const struct stale_entry *e)
{
    struct known *k = &s->known[s->known_next++ % KNOWN_MOST];
    *k = (struct known){.place = e->place,
                        .was = e->was,
                        .now = e->now,
                        .unchanged_at = s->looked_at,
                        .changed_at = rdtsc(),
                        .by_l1 = cpu->crossings != s->crossings};
    return k;
}

/* Takes one out, unless it was told already. */
static void arm(struct cpu *cpu, struct stale *s, const struct stale_entry *e)
{
    if (was_told(s, e) || e->place == s->spared || s->armed_count == ARMED_MOST)
        return;
    if (!find_known(s, e))
        (void)remember(cpu, s, e);
    s->armed[s->armed_count++] = *e;
    *e->place = EPT02_EMPTY;
}

static void look(struct cpu *cpu, struct stale *s, u16 table, u64 base);

static void look_at(struct cpu *cpu, struct stale *s, u16 table, unsigned i, u64 base)
{
    struct ept02 *e = cpu->nested->ept02;
    const struct table_record *r = &e->record[table];
    u64 *place = &entries_of(e, table)[i], source = made_from(e, table)[i];
    if (!any(*place, EPT_RWX))
        return;
    if (r->table12.a != NO_TABLE12 && source != MADE_FROM_SEVERAL) {
        gpa1_t at12 = GPA1(r->table12.a + i * sizeof(u64));
        const volatile u64 *entry12 = gpa1_map(cpu, at12);
        u64 now = entry12 ? *entry12 : ~0ull;
        if (source != now && loses(source, now, r->level)) {
            arm(cpu, s,
                &(struct stale_entry){place, *place, source, now, at12, GPA2(base), r->level});
            return;
        }
    }
    if (is_table(*place, r->level))
        look(cpu, s, ept02_child(cpu, *place), base);
}

/* At most four levels deep. */
static void look(struct cpu *cpu, struct stale *s, u16 table, u64 base)
{
    const struct table_record *r = &cpu->nested->ept02->record[table];
    for (u64 left = r->filled; left != 0; left &= left - 1) {
        unsigned line = (unsigned)__builtin_ctzll(left) * EPT02_LINE;
        for (unsigned i = line; i < line + EPT02_LINE; i++)
            look_at(cpu, s, table, i, base + i * level_size(r->level));
    }
}

/* What was found or told before an INVEPT is another one behind it. */
static void forget_told(const struct cpu *cpu, struct stale *s)
{
    u32 done = s->invepts - cpu->nested->told[TOLD_INVEPT];
    if (done != s->invepts_done) {
        memset(s->told, 0, sizeof s->told);
        memset(s->known, 0, sizeof s->known);
    }
    s->invepts_done = done;
}

void ept02_stale_enter(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    struct stale *s = n->ept02->stale;
    const struct ept02_context *c = n->ept02->last;
    if (!cpu->in_l2 || !any(vmcs12_cpu2(&n->now->vmcs12), CPU2_ENABLE_EPT) || !c ||
        c->root == NO_TABLE)
        return;
    forget_told(cpu, s);
    look(cpu, s, c->root, 0);
    s->spared = NULL;
    s->looked_at = rdtsc();
    s->crossings = cpu->crossings;
    if (s->armed_count)
        ept_flush(cpu->vm, c->eptp02);
}

static void tell(struct cpu *cpu, struct stale *s, const struct stale_entry *e, u64 gpa2)
{
    const struct known *k = find_known(s, e);
    cpu->nested->told[TOLD_STALE]++;
    if (!k)
        k = remember(cpu, s, e); /* its row was taken since */
    s->told[s->told_next++ % KNOWN_MOST] = (struct told_entry){e->place, e->was, e->now};
    exit_more(cpu, SNAP_STEP);
    log_rare(
        LOG_EXPLAIN,
        "stale: L2 at rip %lx uses guest-physical %lx by an EPT12 entry that is gone: level %u "
        "at %lx, it was %lx and is %lx, changed while L%u ran, between TSC %lu and %lu; no "
        "INVEPT of EPTP %lx came since",
        cpu->st.rip, gpa2, (u32)e->level, e->at12.a, e->was, e->now, k->by_l1 ? 1 : 2,
        k->unchanged_at, k->changed_at, cpu->nested->now->vmcs12.ept_pointer);
}

/* The access is one that the entry would have let pass, as far as its own rights go. */
static bool would_pass(const struct stale_entry *e, u64 qual)
{
    return (qual & EPT_RWX) != 0 && !any(qual & EPT_RWX, ~e->entry);
}

static bool covers(const struct stale_entry *e, u64 gpa2)
{
    return gpa2 - e->base.a < level_size(e->level);
}

bool ept02_stale_left(struct cpu *cpu, bool exited)
{
    struct stale *s = cpu->nested->ept02->stale;
    u32 count = s->armed_count;
    s->armed_count = 0;
    for (u32 i = 0; i < count; i++)
        *s->armed[i].place = s->armed[i].entry;
    u32 reason = exited ? (u32)vmcs_read(ENC_exit_reason) : 0;
    s->invepts += exited && !cpu->in_l2 && reason == EXIT_REASON_INVEPT;
    if (!count || !exited || reason != EXIT_REASON_EPT_VIOLATION)
        return false;
    exit_snapshot(cpu, SNAP_QUAL | SNAP_GPA | SNAP_IDT);
    for (u32 i = 0; i < count; i++) {
        const struct stale_entry *e = &s->armed[i];
        if (!covers(e, cpu->exit.gpa))
            continue;
        if (would_pass(e, cpu->exit.qual))
            tell(cpu, s, e, cpu->exit.gpa);
        else
            s->spared = e->place; /* the violation is another one: the CPU is to find it */
        cpu->nested->entering = false;
        exit_retry(cpu);
        return true;
    }
    return false;
}
