/* EPT01: its tables, their bounded pool, and the choice of each leaf's size. hv/arch/mtrr.h decides
 * memory types. */
#include "hv/vmx/vmx.h"
#include "hv/vmx/insn.h"
#include "hv/arch/paging.h"
#include "hv/core/privileged.h"
#include "hv/core/lib.h"

#define EPT01_POOL_PAGES 96u
#define LEVEL_1G         3u
#define LEVEL_2M         2u
#define LEVEL_4K         1u
#define LEVEL_TOP        4u

static u64 level_size(u32 level)
{
    return PAGE_SIZE << (9 * (level - 1));
}

static u32 level_index(u64 a, u32 level)
{
    return (u32)bits(a, 11 + 9 * level, 3 + 9 * level);
}

static u64 *table_at(const struct vm *vm, u64 entry)
{
    return mem_va(&vm->mem, HPA(entry & EPT_ADDR));
}

static void reset(struct vm *vm)
{
    memset(vm->ept01.root, 0, PAGE_SIZE);
    vm->ept01.pool_used = 0;
    vm->ept01.generation++;
}

/* Returns the table below *entry, and makes it if there is none. NULL when the pool is empty. */
static u64 *table_below(struct vm *vm, u64 *entry)
{
    struct ept01 *e = &vm->ept01;
    if (*entry)
        return table_at(vm, *entry);
    if (e->pool_used == e->pool_pages)
        return NULL;
    u64 *table = (u64 *)(e->pool + PAGE_SIZE * e->pool_used++);
    memset(table, 0, PAGE_SIZE);
    *entry = mem_hpa(&vm->mem, table).a | EPT_RWX;
    return table;
}

static bool overlaps_hole(const struct vm *vm, u64 base, u64 size)
{
    return base < vm->hole.a + vm->hole_size && vm->hole.a < base + size;
}

/* True when one leaf of this level may map the whole block around a. *type gets its memory type. */
static bool leaf_fits(const struct vm *vm, u64 a, u32 level, u8 *type)
{
    u64 size = level_size(level), base = a & ~(size - 1);
    if (level == LEVEL_1G && !vm->facts.ept_1g)
        return false;
    if (level == LEVEL_2M && !vm->facts.ept_2m)
        return false;
    if (level > LEVEL_4K && overlaps_hole(vm, base, size))
        return false;
    return mtrr_uniform(&vm->mtrr, base, size, type);
}

static u64 leaf(const struct vm *vm, u64 a, u32 level, u8 type)
{
    u64 base = a & ~(level_size(level) - 1);
    if (overlaps_hole(vm, base, level_size(level)))
        return vm->ept01.sink.a | EPT_RWX | EPT_MT(MT_WB);
    return base | EPT_RWX | EPT_MT(type) | (level > LEVEL_4K ? EPT_PS : 0);
}

/* Maps the largest leaf around a. Returns its size, or 0 when the pool is empty. */
static u64 map_one(struct vm *vm, u64 a)
{
    u64 *table = vm->ept01.root;
    for (u32 level = LEVEL_TOP;; level--) {
        u64 *entry = &table[level_index(a, level)];
        u8 type = MT_UC;
        bool may_be_leaf =
            level <= LEVEL_1G && (!*entry || any(*entry, EPT_PS) || level == LEVEL_4K);
        if (may_be_leaf && leaf_fits(vm, a, level, &type)) {
            *entry = leaf(vm, a, level, type);
            return level_size(level);
        }
        table = table_below(vm, entry);
        if (!table)
            return 0;
    }
}

/* Maps [from, to) before L1 touches it. The hole is left out, so that L1's first touches of the
 * hole exit and are counted. */
static bool map_range(struct vm *vm, u64 from, u64 to)
{
    while (from < to) {
        if (overlaps_hole(vm, from, PAGE_SIZE)) {
            from = vm->hole.a + vm->hole_size;
            continue;
        }
        u64 size = map_one(vm, from);
        if (!size)
            return false;
        from = (from & ~(size - 1)) + size;
    }
    return true;
}

static bool map_ahead(struct vm *vm)
{
    if (!map_range(vm, 0, 4 * SIZE_1G))
        return false;
    for (u32 i = 0; i < vm->range_count; i++)
        if (!map_range(vm, vm->range[i].base, vm->range[i].base + vm->range[i].size))
            return false;
    return true;
}

void ept01_rebuild(struct vm *vm)
{
    reset(vm);
    if (!map_ahead(vm))
        log_rare(LOG_EPT01, "EPT01's pool is small; the rest is mapped on demand");
}

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

bool ept01_init(struct vm *vm)
{
    struct ept01 *e = &vm->ept01;
    u8 *sink = mem_pages(&vm->mem, 1);
    e->root = mem_pages(&vm->mem, 1);
    e->pool = mem_pages(&vm->mem, EPT01_POOL_PAGES);
    if (!sink || !e->root || !e->pool)
        return false;
    e->sink = mem_hpa(&vm->mem, sink);
    e->pool_pages = EPT01_POOL_PAGES;
    e->eptp = mem_hpa(&vm->mem, e->root).a | EPTP_WALK_4 | MT_WB;
    read_mtrrs(&vm->mtrr, vm->facts.phys_bits);
    ept01_rebuild(vm);
    return true;
}

void ept_flush(const struct vm *vm, u64 eptp)
{
    bool single = any(vm->facts.vmx.ept_vpid, EPT_CAP_INVEPT_SINGLE);
    percpu()->ept_flushes++;
    if (invept(single ? INVEPT_SINGLE : INVEPT_ALL, eptp) != VMX_OK)
        panic("bug: INVEPT of EPTP %lx was refused", eptp);
}

void ept01_invalidate(const struct vm *vm)
{
    ept_flush(vm, vm->ept01.eptp);
}

bool ept01_fill(struct vm *vm, gpa1_t gpa1)
{
    if (!fits_phys(gpa1.a, vm->facts.phys_bits))
        return false;
    if (overlaps_hole(vm, gpa1.a & ~(PAGE_SIZE - 1), PAGE_SIZE))
        vm->first_touches++;
    if (map_one(vm, gpa1.a))
        return true;
    /* The pool is empty: EPT01 starts over and maps nothing ahead, so that the pool has room. */
    reset(vm);
    ept01_invalidate(vm);
    return map_one(vm, gpa1.a) != 0;
}

u64 ept01_leaf(const struct vm *vm, gpa1_t gpa1, u64 *size)
{
    const u64 *table = vm->ept01.root;
    for (u32 level = LEVEL_TOP;; level--) {
        u64 entry = table[level_index(gpa1.a, level)];
        if (!entry)
            return 0;
        if (level == LEVEL_4K || any(entry, EPT_PS)) {
            *size = level_size(level);
            return entry;
        }
        table = table_at(vm, entry);
    }
}

bool ept_leaf_harmless(const struct vm *vm, u64 entry, u64 size)
{
    u64 base = entry & EPT_ADDR & ~(size - 1);
    bool hole = base < vm->hole.a + vm->hole_size && vm->hole.a < base + size;
    return !any(entry, EPT_RWX) || !hole || (size == PAGE_SIZE && base == vm->ept01.sink.a);
}
