/* SPDX-License-Identifier: BSD-2-Clause */
/* EPT01: its trees, their bounded pools, and the choice of each leaf's size. hv/arch/mtrr.h decides
 * memory types. */
#include "hv/vmx/vmx.h"
#include "hv/vmx/insn.h"
#include "hv/arch/paging.h"
#include "hv/core/lock.h"
#include "hv/core/privileged.h"
#include "hv/core/lib.h"

#define LEVEL_1G  3u
#define LEVEL_2M  2u
#define LEVEL_4K  1u
#define LEVEL_TOP 4u

static u64 level_size(u32 level)
{
    return PAGE_SIZE << (9 * (level - 1));
}

static u32 level_index(u64 a, u32 level)
{
    return (u32)bits(a, 11 + 9 * level, 3 + 9 * level);
}

static bool is_leaf(u64 entry, u32 level)
{
    return entry != 0 && (level == LEVEL_4K || any(entry, EPT_PS));
}

static u64 *table_at(const struct vm *vm, u64 entry)
{
    return mem_va(&vm->mem, HPA(entry & EPT_ADDR));
}

/* ---- one tree: filled by many processors at once, never rewritten -------------------------- */

/* Returns the table below *entry, and makes it if there is none. NULL when the tree's pool is
 * empty. Of two processors that make it at once one wins, and the other's page stays unused. */
static u64 *table_below(const struct vm *vm, struct ept01_tree *t, u64 *entry)
{
    u64 there = __atomic_load_n(entry, __ATOMIC_ACQUIRE);
    if (there)
        return table_at(vm, there);
    u32 page = __atomic_fetch_add(&t->pool_used, 1, __ATOMIC_RELAXED);
    if (page >= EPT01_POOL_PAGES) {
        __atomic_store_n(&t->pool_used, EPT01_POOL_PAGES, __ATOMIC_RELAXED);
        return NULL;
    }
    u64 *table = (u64 *)(t->pool + PAGE_SIZE * page);
    memset(table, 0, PAGE_SIZE);
    u64 made = mem_hpa(&vm->mem, table).a | EPT_RWX;
    if (__atomic_compare_exchange_n(entry, &there, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return table;
    return table_at(vm, there);
}

static bool overlaps_hole(const struct vm *vm, u64 base, u64 size)
{
    return base < vm->hole.a + vm->hole_size && vm->hole.a < base + size;
}

/* True when L1 must not see the block: a part of it is L0's region or a VT-d unit's registers. */
static bool is_hidden(const struct vm *vm, u64 base, u64 size)
{
    for (u32 i = 0; i < vm->unit_count; i++)
        if (base < vm->unit[i].base + vm->unit[i].size && vm->unit[i].base < base + size)
            return true;
    return overlaps_hole(vm, base, size);
}

/* True when one leaf of this level may map the whole block around a. *type gets its memory type. */
static bool leaf_fits(const struct vm *vm, const struct mtrr_state *mtrr, u64 a, u32 level,
                      u8 *type)
{
    u64 size = level_size(level), base = a & ~(size - 1);
    if ((level == LEVEL_1G && !vm->facts.ept_1g) || (level == LEVEL_2M && !vm->facts.ept_2m))
        return false;
    if (level > LEVEL_4K && is_hidden(vm, base, size))
        return false;
    return mtrr_uniform(mtrr, base, size, type);
}

static u64 leaf(const struct vm *vm, u64 a, u32 level, u8 type)
{
    u64 base = a & ~(level_size(level) - 1);
    if (is_hidden(vm, base, level_size(level)))
        return vm->sink.a | EPT_RWX | EPT_MT(MT_WB);
    return base | EPT_RWX | EPT_MT(type) | (level > LEVEL_4K ? EPT_PS : 0);
}

/* Maps the largest leaf around a, unless another processor has done so by now. Returns the size of
 * the leaf, or 0 when the pool is empty. */
static u64 map_one(const struct vm *vm, struct ept01_tree *t, u64 a)
{
    u64 *table = t->root;
    for (u32 level = LEVEL_TOP;; level--) {
        u64 *entry = &table[level_index(a, level)];
        u64 there = __atomic_load_n(entry, __ATOMIC_ACQUIRE);
        u8 type = MT_UC;
        if (!there && level <= LEVEL_1G && leaf_fits(vm, &t->mtrr, a, level, &type)) {
            u64 made = leaf(vm, a, level, type);
            if (__atomic_compare_exchange_n(entry, &there, made, false, __ATOMIC_ACQ_REL,
                                            __ATOMIC_ACQUIRE))
                there = made;
        }
        if (is_leaf(there, level))
            return level_size(level);
        table = table_below(vm, t, entry);
        if (!table)
            return 0;
    }
}

/* Maps [from, to) before L1 touches it. The hole is left out, so that L1's first touches of the
 * hole exit and are counted. */
static bool map_range(const struct vm *vm, struct ept01_tree *t, u64 from, u64 to)
{
    while (from < to) {
        if (overlaps_hole(vm, from, PAGE_SIZE)) {
            from = vm->hole.a + vm->hole_size;
            continue;
        }
        u64 size = map_one(vm, t, from);
        if (!size)
            return false;
        from = (from & ~(size - 1)) + size;
    }
    return true;
}

/* Maps all of RAM and the first 4 GiB, as far as the pool reaches. */
static void map_ahead(const struct vm *vm, struct ept01_tree *t)
{
    bool whole = map_range(vm, t, 0, 4 * SIZE_1G);
    for (u32 i = 0; whole && i < vm->range_count; i++)
        whole = map_range(vm, t, vm->range[i].base, vm->range[i].base + vm->range[i].size);
    if (!whole)
        log_rare(LOG_EPT01, "EPT01's pool is small; the rest is mapped on demand");
}

/* ---- the trees: which one a processor uses -------------------------------------------------- */

/* Takes a place among the users of a tree, which then stays what it is. False: it is being
 * built, or nobody uses it while another processor chooses one to build. */
static bool hold(struct ept01 *e, struct ept01_tree *t)
{
    u32 users = __atomic_load_n(&t->users, __ATOMIC_RELAXED);
    while (users != EPT01_BUILDING &&
           (users != 0 || !__atomic_load_n(&e->choosing, __ATOMIC_SEQ_CST)))
        if (__atomic_compare_exchange_n(&t->users, &users, users + 1, false, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            return true;
    return false;
}

static void let_go(struct ept01_tree *t)
{
    __atomic_fetch_sub(&t->users, 1, __ATOMIC_RELEASE);
}

/* Holds a tree for this state of MTRRs that still has room. NULL: there is none. */
static struct ept01_tree *find(struct ept01 *e, const struct mtrr_state *mtrr)
{
    for (u32 i = 0; i < e->count; i++) {
        struct ept01_tree *t = &e->tree[i];
        if (!hold(e, t))
            continue;
        if (t->generation != 0 && !__atomic_load_n(&t->closed, __ATOMIC_RELAXED) &&
            mtrr_alike(&t->mtrr, mtrr))
            return t;
        let_go(t);
    }
    return NULL;
}

/* Takes the tree that was built longest ago of those that nobody uses. There always is one: each
 * processor uses at most one tree, none while it builds, and there are more trees than
 * processors. */
static struct ept01_tree *take_unused(struct ept01 *e)
{
    struct ept01_tree *oldest = NULL;
    for (u32 i = 0; i < e->count; i++) {
        struct ept01_tree *t = &e->tree[i];
        if (__atomic_load_n(&t->users, __ATOMIC_RELAXED) == 0 &&
            (!oldest || t->generation < oldest->generation))
            oldest = t;
    }
    u32 nobody = 0;
    if (oldest && __atomic_compare_exchange_n(&oldest->users, &nobody, EPT01_BUILDING, false,
                                              __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return oldest;
    return NULL;
}

static struct ept01_tree *build(struct vm *vm, const struct mtrr_state *mtrr, bool ahead)
{
    struct ept01_tree *t = NULL;
    /* Another processor may hold an unused tree for a moment, to look at its state. Each other
     * processor spoils one try at most: the next time, it sees that a tree is being chosen. */
    __atomic_store_n(&vm->ept01.choosing, 1, __ATOMIC_SEQ_CST);
    for (u32 i = 0; i < vm->ept01.count && !t; i++)
        t = take_unused(&vm->ept01);
    __atomic_store_n(&vm->ept01.choosing, 0, __ATOMIC_RELEASE);
    if (!t) {
        lock_give(&vm->ept01.lock); /* the others go on */
        panic("bug: every tree of EPT01 is in use");
    }
    memset(t->root, 0, PAGE_SIZE);
    t->pool_used = 0;
    t->closed = false;
    t->mtrr = *mtrr;
    t->generation = ++vm->ept01.generation;
    if (ahead)
        map_ahead(vm, t);
    __atomic_store_n(&t->users, 1, __ATOMIC_RELEASE);
    return t;
}

/* Holds a tree for this state of MTRRs, and builds one if there is none. Whoever waits for the
 * lock finds what the other processor has built. */
static struct ept01_tree *find_or_build(struct vm *vm, const struct mtrr_state *mtrr, bool ahead)
{
    struct ept01_tree *t = find(&vm->ept01, mtrr);
    if (t)
        return t;
    lock_take(&vm->ept01.lock);
    t = find(&vm->ept01, mtrr);
    if (!t)
        t = build(vm, mtrr, ahead);
    lock_give(&vm->ept01.lock);
    return t;
}

/* Gives the current VMCS, and vmcs01, this processor's EPT01. vmcs02 has it only while L2 runs
 * without EPT12. */
static void tell_vmcs(struct cpu *cpu, u64 old)
{
    struct vmcs *current = cpu->current;
    u32 have = cpu->have;
    if (!current)
        return;
    if (vmcs_read(ENC_ept_pointer) == old)
        vmcs_write(ENC_ept_pointer, cpu->ept01->eptp);
    if (current != &cpu->vmcs01) {
        vmcs_load(cpu, &cpu->vmcs01);
        vmcs_write(ENC_ept_pointer, cpu->ept01->eptp);
        vmcs_load(cpu, current);
        cpu->have = have;
    }
}

/* Changes to the tree that fits this processor's MTRRs. The CPU may still know an earlier tree in
 * the same pages. */
static void change_tree(struct cpu *cpu)
{
    u64 old = cpu->ept01->eptp;
    let_go(cpu->ept01);
    cpu->ept01 = find_or_build(cpu->vm, &cpu->mtrr, false);
    tell_vmcs(cpu, old);
    ept01_invalidate(cpu);
}

void ept01_follow(struct cpu *cpu)
{
    if (mtrr_alike(&cpu->ept01->mtrr, &cpu->mtrr))
        return;
    change_tree(cpu);
    if (cpu->vm->log.verbose)
        log_rare(LOG_EPT01, "EPT01 follows the MTRRs: eptp %lx", cpu->ept01->eptp);
}

void ept01_start_over(struct cpu *cpu)
{
    __atomic_store_n(&cpu->ept01->closed, true, __ATOMIC_RELAXED);
    change_tree(cpu);
}

/* ---- bring-up ------------------------------------------------------------------------------- */

/* Reads the MTRRs as L1 is shown them: IA32_MTRRCAP without SMM's ranges, and addresses and
 * masks no wider than L1's physical addresses. */
static void read_mtrrs(struct mtrr_state *s, u32 phys_bits)
{
    u64 shown = (BIT(phys_bits) - PAGE_SIZE) | MTRR_PHYSMASK_VALID | MTRR_PHYSBASE_TYPE;
    s->maxphyaddr = phys_bits;
    s->cap = rdmsr(MSR_IA32_MTRRCAP) & (MTRRCAP_VCNT | MTRRCAP_FIX | MTRRCAP_WC);
    for (u32 msr = MSR_IA32_MTRR_PHYSBASE0; msr <= MSR_IA32_MTRR_DEF_TYPE; msr++) {
        u64 *reg = mtrr_reg(s, msr);
        if (reg)
            *reg = rdmsr(msr);
    }
    for (u32 i = 0; i < mtrr_variable_count(s); i++) {
        s->base[i] &= shown;
        s->mask[i] &= shown;
    }
}

bool ept01_reserve(struct vm *vm, u32 cpus)
{
    struct ept01 *e = &vm->ept01;
    u32 count = cpus + EPT01_SPARE_TREES;
    u8 *sink = mem_pages(&vm->mem, 1);
    e->tree = mem_pages(&vm->mem, (count * sizeof *e->tree + PAGE_SIZE - 1) / PAGE_SIZE);
    if (!sink || !e->tree)
        return false;
    vm->sink = mem_hpa(&vm->mem, sink);
    for (; e->count < count; e->count++) {
        struct ept01_tree *t = &e->tree[e->count];
        t->root = mem_pages(&vm->mem, 1 + EPT01_POOL_PAGES);
        if (!t->root)
            return false;
        t->pool = (u8 *)t->root + PAGE_SIZE;
        t->eptp = mem_hpa(&vm->mem, t->root).a | EPTP_WALK_4 | MT_WB;
    }
    return true;
}

/* An operating system switches the MTRRs off and on again on each processor, so a tree for "off"
 * stands ready, too. */
void ept01_init(struct cpu *cpu)
{
    struct mtrr_state off;
    read_mtrrs(&cpu->mtrr, cpu->vm->facts.phys_bits);
    off = cpu->mtrr;
    off.def_type = 0;
    let_go(find_or_build(cpu->vm, &off, true));
    cpu->ept01 = find_or_build(cpu->vm, &cpu->mtrr, true);
}

void ept_flush(const struct vm *vm, u64 eptp)
{
    bool single = any(vm->facts.vmx.ept_vpid, EPT_CAP_INVEPT_SINGLE);
    percpu()->ept_flushes++;
    if (invept(single ? INVEPT_SINGLE : INVEPT_ALL, eptp) != VMX_OK)
        panic("bug: INVEPT of EPTP %lx was refused", eptp);
}

void ept01_invalidate(const struct cpu *cpu)
{
    ept_flush(cpu->vm, cpu->ept01->eptp);
}

bool ept01_fill(struct cpu *cpu, gpa1_t gpa1)
{
    const struct vm *vm = cpu->vm;
    if (!fits_phys(gpa1.a, vm->facts.phys_bits))
        return false;
    if (overlaps_hole(vm, gpa1.a & ~(PAGE_SIZE - 1), PAGE_SIZE))
        cpu->first_touches++;
    if (map_one(vm, cpu->ept01, gpa1.a))
        return true;
    /* The pool is empty. A new tree maps nothing ahead, so its pool has room. */
    ept01_start_over(cpu);
    return map_one(vm, cpu->ept01, gpa1.a) != 0;
}

u64 ept01_leaf(const struct cpu *cpu, gpa1_t gpa1, u64 *size)
{
    const u64 *table = cpu->ept01->root;
    for (u32 level = LEVEL_TOP;; level--) {
        u64 entry = __atomic_load_n(&table[level_index(gpa1.a, level)], __ATOMIC_ACQUIRE);
        if (!entry)
            return 0;
        if (is_leaf(entry, level)) {
            *size = level_size(level);
            return entry;
        }
        table = table_at(cpu->vm, entry);
    }
}

bool ept_leaf_harmless(const struct vm *vm, u64 entry, u64 size)
{
    u64 base = entry & EPT_ADDR & ~(size - 1);
    return !any(entry, EPT_RWX) || !is_hidden(vm, base, size) ||
           (size == PAGE_SIZE && base == vm->sink.a);
}
