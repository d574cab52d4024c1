/* SPDX-License-Identifier: BSD-2-Clause */
/* Contract in stale_linear.h. */
#include "hv/stale_linear/stale_linear.h"
#include "hv/arch/event.h"
#include "hv/level/level.h"
#include "hv/core/privileged.h"
#include "hv/vmx/guestmem.h"
#include "hv/vmx/insn.h"

#define PAGES_MOST   16u
#define ENTRIES_MOST 5u /* CR3 counts as one */

/* A translation as memory has it. */
struct way {
    u32 count;
    u64 at[ENTRIES_MOST], entry[ENTRIES_MOST];
    bool cacheable; /* every entry is accessed */
    struct walk_result result;
};

/* A page in which L2 ran, or the one that its next PUSH writes. */
struct known {
    bool used, changed;
    u16 vpid, pcid;
    u64 page;
    struct way was, now; /* now: when it was seen changed */
    u64 same_at,
        changed_at; /* the TSC of the last look that found `was`, of the first that did not */
};

struct stale_linear {
    u32 next, invvpids, invvpids_done; /* executed by L1; that succeeded, at the last look */
    u32 crossings;                     /* cpu->crossings at the last look */
    struct known known[PAGES_MOST];
};

bool stale_linear_reserve(struct cpu *cpu)
{
    cpu->stale_linear =
        mem_pages(&cpu->vm->mem, (sizeof(struct stale_linear) + PAGE_SIZE - 1) / PAGE_SIZE);
    return cpu->stale_linear != NULL;
}

static void forget(struct stale_linear *s)
{
    for (u32 i = 0; i < PAGES_MOST; i++)
        s->known[i].used = false;
}

/* ---- when nothing is hidden ------------------------------------------------------------------ */

#define CR4_FLUSHES (CR4_PGE | CR4_PAE | CR4_PSE | CR4_PCIDE | CR4_SMEP)

static bool watches(const struct cpu *cpu)
{
    const struct vmcs_image *v = &cpu->nested->now->vmcs12;
    u32 cpu1 = CPU1_CR3_LOAD_EXITING | CPU1_INVLPG_EXITING, cpu2 = vmcs12_cpu2(v);
    bool faults = any(v->exception_bitmap, BIT(VEC_PF)) && v->pf_error_code_mask == 0 &&
                  v->pf_error_code_match == 0;
    return cpu->vm->cpu_count == 1 && any(cpu2, CPU2_ENABLE_VPID) && !any(cpu2, CPU2_ENABLE_EPT) &&
           all(v->cpu1_ctl, cpu1) && v->cr3_target_count == 0 && faults &&
           any(v->cr0_guest_host_mask, CR0_PG) && all(v->cr4_guest_host_mask, CR4_FLUSHES) &&
           any(vmcs_read(ENC_guest_cr0), CR0_PG);
}

static u16 pcid(void)
{
    return any(vmcs_read(ENC_guest_cr4), CR4_PCIDE) ? vmcs_read(ENC_guest_cr3) & 0xfff : 0;
}

/* It is a translation of the VPID and the PCID that L2 has now. */
static bool is_current(const struct cpu *cpu, const struct known *k)
{
    return k->vpid == cpu->nested->now->vmcs12.vpid && k->pcid == pcid();
}

/* ---- walks ------------------------------------------------------------------------------------*/

struct walk_for {
    struct cpu *cpu;
    struct way *way;
};

static void add(struct way *w, u64 at, u64 entry)
{
    if (w->count == ENTRIES_MOST)
        return;
    w->at[w->count] = at;
    w->entry[w->count++] = entry;
}

/* L2 has no EPT12, so what it takes for physical, L1 does. */
static u64 read_entry(void *ctx, u64 gpa, unsigned size)
{
    const struct walk_for *f = ctx;
    u64 entry = 0;
    if (!gpa1_read(f->cpu, GPA1(gpa), &entry, size))
        return 0;
    add(f->way, gpa, entry);
    return entry;
}

/* A flag that is to be set is clear. It is left alone. */
static bool leave_flags(void *ctx, u64 gpa, unsigned size, u64 old, u64 new)
{
    const struct walk_for *f = ctx;
    (void)gpa, (void)size, (void)old, (void)new;
    f->way->cacheable = false;
    return true;
}

static void walk(struct cpu *cpu, u64 page, struct way *w)
{
    struct walk_for f = {cpu, w};
    struct walk_memory m = {&f, read_entry, leave_flags};
    struct paging_state p = level_paging(cpu);
    *w = (struct way){.cacheable = true};
    add(w, ~0ull, p.cr3 & ~0xfffull);
    w->result = pagewalk(&p, &m, page, 0);
}

/* More rights, and flags, need no flush. */
static bool loses(const struct walk_result *was, const struct walk_result *now)
{
    return !now->ok || was->gpa != now->gpa || (was->write && !now->write) ||
           (was->fetch && !now->fetch) || (was->user && !now->user);
}

/* ---- entries ----------------------------------------------------------------------------------*/

/* Only what changed while L1 ran is L1's: L2 may change its own tables, and flush later. */
static void look(struct cpu *cpu, struct known *k, bool l1_ran)
{
    struct way now;
    walk(cpu, k->page, &now);
    if (!loses(&k->was.result, &now.result)) {
        k->was = now;
        k->changed = false;
        k->same_at = rdtsc();
    } else if (!k->changed) {
        k->used = l1_ran;
        k->changed = true;
        k->now = now;
        k->changed_at = rdtsc();
    }
}

void stale_linear_enter(struct cpu *cpu)
{
    struct stale_linear *s = cpu->stale_linear;
    bool l1_ran = cpu->crossings != s->crossings;
    if (!cpu->in_l2)
        return;
    u32 done = s->invvpids - cpu->nested->told[TOLD_INVVPID];
    if (done != s->invvpids_done || !watches(cpu))
        forget(s);
    s->invvpids_done = done;
    s->crossings = cpu->crossings;
    for (u32 i = 0; i < PAGES_MOST; i++) {
        struct known *k = &s->known[i];
        if (k->used && is_current(cpu, k))
            look(cpu, k, l1_ran);
    }
}

/* ---- exits ------------------------------------------------------------------------------------*/

static void tell(struct cpu *cpu, const struct known *k)
{
    u32 i = 0;
    while (i + 1 < k->was.count && i + 1 < k->now.count && k->was.entry[i] == k->now.entry[i])
        i++;
    cpu->nested->told[TOLD_STALE]++;
    if (!log_rare_begin(LOG_EXPLAIN))
        return;
    log_part(
        "stale: L2 at rip %lx runs on in linear page %lx (VPID %x), whose translation is gone: ",
        vmcs_read(ENC_guest_rip), k->page, k->vpid);
    if (i == 0)
        log_part("CR3");
    else
        log_part("the entry at %lx", k->was.at[i]);
    log_part(" was %lx and is %lx, changed while L1 ran, between TSC %lu and %lu; no INVVPID came "
             "since",
             k->was.entry[i], k->now.entry[i], k->same_at, k->changed_at);
    log_end();
}

/* Exits by an instruction: the page that it is in has been used. */
static bool by_instruction(u32 reason)
{
    return reason >= EXIT_REASON_CPUID && reason <= EXIT_REASON_WRMSR;
}

static void remember(struct cpu *cpu, struct stale_linear *s, u64 page)
{
    for (u32 i = 0; i < PAGES_MOST; i++)
        if (s->known[i].used && s->known[i].page == page && is_current(cpu, &s->known[i]))
            return;
    if (page == ~0ull)
        return;
    struct known *k = &s->known[s->next++ % PAGES_MOST];
    *k = (struct known){
        .vpid = cpu->nested->now->vmcs12.vpid, .pcid = pcid(), .page = page, .same_at = rdtsc()};
    walk(cpu, page, &k->was);
    k->used = k->was.result.ok && k->was.cacheable;
}

/* The page of an address in a segment. All ones: the address is not canonical. */
static u64 page_of(u64 base, u64 offset)
{
    bool wide = any(vmcs_read(ENC_guest_cs_ar), BIT(13)) && /* CS.L */
                any(vmcs_read(ENC_guest_efer), EFER_LMA);
    u64 at = wide ? offset : (u32)(base + offset);
    return (u64)((long long)(at << 16) >> 16) == at ? at & ~(PAGE_SIZE - 1ull) : ~0ull;
}

static void l2_left(struct cpu *cpu, u32 reason)
{
    struct stale_linear *s = cpu->stale_linear;
    u64 code = page_of(vmcs_read(ENC_guest_cs_base), vmcs_read(ENC_guest_rip));
    u64 stack = page_of(vmcs_read(ENC_guest_ss_base), vmcs_read(ENC_guest_rsp) - 1);
    bool fault = reason == EXIT_REASON_EXCEPTION_NMI;
    u64 at = fault ? vmcs_read(ENC_exit_qualification) : 0;
    for (u32 i = 0; i < PAGES_MOST; i++) {
        struct known *k = &s->known[i];
        if (!k->used || !is_current(cpu, k))
            continue;
        if (fault && (at ^ k->page) >> 30 == 0)
            k->used = false; /* the fault dropped what was cached for its address */
        else if (k->changed && by_instruction(reason) && (k->page == code || k->page == stack)) {
            tell(cpu, k);
            k->used = false;
        } else if (!k->changed) {
            look(cpu, k, false);
        }
    }
    if (!by_instruction(reason))
        return;
    remember(cpu, s, code);
    remember(cpu, s, stack);
}

void stale_linear_left(struct cpu *cpu)
{
    struct stale_linear *s = cpu->stale_linear;
    u32 reason = (u32)vmcs_read(ENC_exit_reason);
    if (cpu->in_l2 && !any(reason, EXIT_REASON_ENTRY_FAIL) && watches(cpu))
        l2_left(cpu, reason);
    else if (cpu->in_l2 || reason == EXIT_REASON_VMXON || reason == EXIT_REASON_VMXOFF)
        forget(s);
    s->invvpids += !cpu->in_l2 && reason == EXIT_REASON_INVVPID;
}
