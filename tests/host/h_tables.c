/* SPDX-License-Identifier: BSD-2-Clause */
/* L0's page tables (boot/tables.c), built in plain memory and walked here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "boot/tables.h"

#define SIZE_2M_ (2ull << 20)
#define REGION   (8ull << 20)
#define PTE_USER 4ull
#define CORE_VA  0xffffffff80000000ull
#define CPUS     3u

/* RAM of 16 MiB and a bit, the region in its middle, as the firmware's memory map would show it. */
static u8 *ram;
static struct region region;
static struct boot_info info; /* what the region's copy, *listed, says */
static struct boot_info *listed;
static const struct core_header core = {
    .base_va = CORE_VA,
    .text_end = 0x5000,
    .rodata_end = 0x8000,
    .end = 0xa000,
};
static struct shared_code code;

static bool build(u64 size, u32 top)
{
    region = (struct region){
        .base = (u64)ram + 4 * SIZE_2M_, .size = size, .next = (u64)ram + 4 * SIZE_2M_};
    memset(&info, 0, sizeof info);
    info.core_hpa = region_take(&region, core.end);
    info.core_size = core.end;
    region.handoff = (struct handoff *)region_take(&region, CPUS * sizeof *region.handoff);
    listed = (struct boot_info *)region_take(&region, sizeof *listed);
    info.stacks_hpa = region_take(&region, CPUS * BOOT_STACKS_SIZE);
    info.cr3_hpa = region_take(&region, CPUS * SIZE_4K);
    info.cpu_count = CPUS;
    info.range_count = 2;
    info.range[0] = (struct boot_range){(u64)ram, SIZE_4K};
    info.range[1] = (struct boot_range){(u64)ram + 2 * SIZE_4K, 8 * SIZE_2M_ + 5 * SIZE_4K};
    code = (struct shared_code){(u64)ram + 0x10000, (u64)ram + 0x12000};
    *listed = info;
    region.handoff->info = listed;
    return tables_build(&region, listed, &core, code, top);
}

static int set_up(void **state)
{
    (void)state;
    ram = aligned_alloc(SIZE_2M_, 10 * SIZE_2M_);
    return ram == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    free(ram);
    return 0;
}

/* The leaf that maps va by the root that all are tested by, or 0; *pa is where va leads. */
static u32 root_of_cpu;

static u64 leaf(u64 va, u64 *pa)
{
    u64 table = info.cr3_hpa + root_of_cpu * SIZE_4K;
    for (u32 level = 4;; level--) {
        u64 entry = ((u64 *)table)[va >> (3 + 9 * level) & 511], size = SIZE_4K << 9 * (level - 1);
        if (!(entry & PTE_PRESENT))
            return 0;
        assert_false(entry & PTE_USER);
        if (level == 1 || entry & PTE_LARGE) {
            *pa = (entry & PTE_ADDRESS & ~(size - 1)) | (va & (size - 1));
            return entry;
        }
        table = entry & PTE_ADDRESS;
    }
}

static void assert_mapped(u64 va, u64 to, u64 rights)
{
    u64 pa = 0, entry = leaf(va, &pa);
    assert_int_equal(entry & (PTE_PRESENT | PTE_WRITABLE | PTE_NO_EXEC), PTE_PRESENT | rights);
    assert_int_equal(pa, to);
}

static void assert_absent(u64 va)
{
    u64 pa;
    assert_int_equal(leaf(va, &pa), 0);
}

static bool is_guard(u64 hpa)
{
    u64 at = hpa - info.stacks_hpa;
    if (at >= CPUS * BOOT_STACKS_SIZE)
        return false;
    at %= BOOT_STACKS_SIZE;
    return at <= BOOT_IST_STACKS * BOOT_IST_STRIDE && at % BOOT_IST_STRIDE == 0;
}

/* Every page of RAM stands in the physmap as data, but for the image and the guards;
 * nothing else does. */
static void test_physmap(void **state)
{
    (void)state;
    for (u32 top = 2; top <= 3; top++) {
        u32 guards = 0;
        assert_true(build(REGION, top));
        for (u64 at = info.range[1].base; at < info.range[1].base + info.range[1].size;
             at += SIZE_4K) {
            guards += is_guard(at);
            if (is_guard(at) || at - info.core_hpa < info.core_size)
                assert_absent(PHYSMAP_VA + at);
            else
                assert_mapped(PHYSMAP_VA + at, at, PTE_WRITABLE | PTE_NO_EXEC);
        }
        assert_int_equal(guards, CPUS * (BOOT_IST_STACKS + 1));
        assert_mapped(PHYSMAP_VA + (u64)ram, (u64)ram, PTE_WRITABLE | PTE_NO_EXEC);
        assert_absent(PHYSMAP_VA + (u64)ram + SIZE_4K);
        assert_absent(PHYSMAP_VA + info.range[1].base + info.range[1].size);
    }
}

static void test_core(void **state)
{
    (void)state;
    assert_true(build(REGION, 3));
    for (u64 at = 0; at < core.end; at += SIZE_4K) {
        u64 rights = at < core.text_end     ? 0
                     : at < core.rodata_end ? PTE_NO_EXEC
                                            : PTE_NO_EXEC | PTE_WRITABLE;
        assert_mapped(CORE_VA + at, info.core_hpa + at, rights);
    }
    assert_absent(CORE_VA + core.end);
    assert_absent(CORE_VA - SIZE_4K);
}

static void test_handoff(void **state)
{
    u64 data = (u64)region.handoff;
    (void)state;
    assert_true(build(REGION, 3));
    assert_mapped(code.base, code.base, 0);
    assert_mapped(code.end - SIZE_4K, code.end - SIZE_4K, 0);
    assert_absent(code.end);
    assert_mapped(data, data, PTE_WRITABLE | PTE_NO_EXEC);
    assert_mapped((u64)listed, (u64)listed, PTE_NO_EXEC);
    for (u64 at = data; at < data + CPUS * sizeof *region.handoff; at += SIZE_4K)
        assert_mapped(at & ~(SIZE_4K - 1), at & ~(SIZE_4K - 1), PTE_WRITABLE | PTE_NO_EXEC);
}

/* The registers of VT-d's units are data that is not cached, and nothing beside them is mapped. */
static void test_units(void **state)
{
    (void)state;
    assert_true(build(REGION, 3));
    assert_absent(PHYSMAP_VA + 0xfed90000);
    listed->unit_count = 2;
    listed->unit[0] = (struct boot_range){0xfed90000, SIZE_4K};
    listed->unit[1] = (struct boot_range){0xfed94000, 2 * SIZE_4K};
    assert_true(tables_build(&region, listed, &core, code, 3));
    assert_mapped(PHYSMAP_VA + 0xfed90000, 0xfed90000, PTE_WRITABLE | PTE_NO_EXEC);
    assert_mapped(PHYSMAP_VA + 0xfed95000, 0xfed95000, PTE_WRITABLE | PTE_NO_EXEC);
    assert_absent(PHYSMAP_VA + 0xfed91000);
    assert_absent(PHYSMAP_VA + 0xfed96000);
    u64 pa, entry = leaf(PHYSMAP_VA + 0xfed94000, &pa);
    assert_int_equal(entry & PTE_UNCACHED, PTE_UNCACHED);
    entry = leaf(PHYSMAP_VA + (u64)ram, &pa);
    assert_int_equal(entry & PTE_UNCACHED, 0);
}

/* Every processor sees the same by a root of its own. */
static void test_roots(void **state)
{
    (void)state;
    assert_true(build(REGION, 3));
    for (root_of_cpu = 0; root_of_cpu < CPUS; root_of_cpu++) {
        assert_mapped(CORE_VA, info.core_hpa, 0);
        assert_mapped(PHYSMAP_VA + (u64)ram, (u64)ram, PTE_WRITABLE | PTE_NO_EXEC);
        assert_mapped(code.base, code.base, 0);
    }
    root_of_cpu = 0;
}

/* Too small a region is refused, wherever it ends, and nothing is written behind it. */
static void test_small(void **state)
{
    u64 needed;
    (void)state;
    assert_true(build(REGION, 3));
    needed = region.next - region.base;
    for (u64 size = info.cr3_hpa + CPUS * SIZE_4K - region.base; size < needed; size += SIZE_4K) {
        u8 *behind = (u8 *)region.base + size;
        memset(behind, 0x5a, SIZE_4K);
        assert_false(build(size, 3));
        for (u32 i = 0; i < SIZE_4K; i++)
            assert_int_equal(behind[i], 0x5a);
    }
    assert_true(build(needed, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_physmap), cmocka_unit_test(test_core),
        cmocka_unit_test(test_handoff), cmocka_unit_test(test_roots),
        cmocka_unit_test(test_small),   cmocka_unit_test(test_units),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
