/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EPT01's trees under many processors at once (hv/vmx/ept_l1.c): threads that fill the tree they
 * share, change their MTRRs, and use up the pool. Whatever the others do, a processor's own tree
 * shows each address once, at itself or at the sink page, with the type of *its* MTRRs.
 */
#include "tests/machine/machine.h"
#include "hv/arch/msr.h"
#include "hv/arch/paging.h"
#include "hv/core/lock.h"
#include "tests/lib/rng.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define CPUS      4u
#define HOLE      (64ull << 20)
#define HOLE_SIZE (4ull << 20)
#define POOL_SIZE (16ull << 20)
#define POOL_HPA  (512ull << 20)
#define TURNS     6000u
#define PA        40u

static struct vm vm;
static struct cpu cpu[CPUS];
static u8 *pool;

static void start(bool large_leaves)
{
    memset(&vm, 0, sizeof vm);
    memset(cpu, 0, sizeof cpu);
    memset(pool, 0xa5, POOL_SIZE);
    vm.mem = (struct mem){(u64)pool - POOL_HPA, POOL_HPA, POOL_HPA + POOL_SIZE};
    vm.facts.phys_bits = PA;
    vm.facts.ept_2m = true;
    vm.facts.ept_1g = large_leaves;
    vm.facts.vmx.ept_vpid = EPT_CAP_INVEPT_SINGLE;
    vm.hole = HPA(HOLE);
    vm.hole_size = HOLE_SIZE;
    vm.range_count = 1;
    vm.range[0] = (struct boot_range){0, 256ull << 20};
    machine.gs = &cpu[0].percpu;
    assert_true(ept01_reserve(&vm, CPUS));
    for (u32 i = 0; i < CPUS; i++) {
        cpu[i].vm = &vm;
        cpu[i].percpu.self = &cpu[i].percpu;
        cpu[i].percpu.log = &vm.log;
        ept01_init(&cpu[i]);
    }
    assert_ptr_equal(cpu[0].ept01, cpu[CPUS - 1].ept01); /* alike: they share it */
}

/* One of eight states; the first two are those of a rendezvous, off and on. */
static void set_mtrrs(struct cpu *c, u64 pick)
{
    struct mtrr_state *m = &c->mtrr;
    *m = (struct mtrr_state){.cap = 4 | MTRRCAP_FIX, .maxphyaddr = PA};
    m->def_type = pick ? MTRR_DEF_TYPE_EN | MT_WB : 0;
    m->base[0] = (pick << 28) | MT_UC;
    m->mask[0] = (BIT(PA) - SIZE_2M) | MTRR_PHYSMASK_VALID;
}

static u64 address(struct rng *r)
{
    switch (rng_next(r) & 3) {
    case 0:
        return HOLE + rng_next(r) % HOLE_SIZE;
    case 1:
        return rng_next(r) % (256ull << 20);
    case 2:
        return (rng_next(r) % 9) << 28; /* around the ranges of set_mtrrs */
    default:
        return rng_next(r) & (BIT(PA) - 1);
    }
}

static const char *judge(struct cpu *c, u64 a)
{
    u64 size = 0, entry = ept01_leaf(c, GPA1(a), &size);
    if (!entry)
        return "an address that was filled is not mapped";
    u64 to = (entry & EPT_ADDR & ~(size - 1)) | (a & (size - 1));
    bool hole = a - HOLE < HOLE_SIZE;
    if (hole ? (entry & EPT_ADDR) != vm.sink.a || size != PAGE_SIZE : to != a)
        return "an address leads elsewhere";
    if (!hole && (entry >> 3 & 7) != mtrr_type(&c->mtrr, a))
        return "a memory type is not that of this processor's MTRRs";
    return ept_leaf_harmless(&vm, entry, size) ? NULL : "L0's memory is mapped";
}

struct worker {
    struct cpu *cpu;
    u32 number, states;
    const char *bug;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    char name[16];
    snprintf(name, sizeof name, "ept01 %u", w->number);
    struct rng r = rng_start(name);
    for (u32 turn = 0; turn < TURNS && !w->bug; turn++) {
        if (rng_next(&r) % 16 == 0) {
            set_mtrrs(w->cpu, rng_next(&r) % w->states);
            ept01_follow(w->cpu);
        }
        u64 a = address(&r);
        if (!ept01_fill(w->cpu, GPA1(a)))
            w->bug = "a legal address was not filled";
        else
            w->bug = judge(w->cpu, a);
    }
    return NULL;
}

/* After all threads: who uses which tree is counted right, and no tree is in building. */
static void count_users(void)
{
    for (u32 t = 0; t < vm.ept01.count; t++) {
        u32 users = 0;
        for (u32 i = 0; i < CPUS; i++)
            users += cpu[i].ept01 == &vm.ept01.tree[t];
        assert_int_equal(vm.ept01.tree[t].users, users);
    }
    assert_int_equal(vm.ept01.lock, 0);
}

static void run(u32 states)
{
    struct worker w[CPUS];
    pthread_t thread[CPUS];
    for (u32 i = 0; i < CPUS; i++) {
        w[i] = (struct worker){&cpu[i], i, states, NULL};
        assert_int_equal(pthread_create(&thread[i], NULL, work, &w[i]), 0);
    }
    for (u32 i = 0; i < CPUS; i++)
        pthread_join(thread[i], NULL);
    for (u32 i = 0; i < CPUS; i++)
        if (w[i].bug)
            fail_msg("processor %u: %s", i, w[i].bug);
    count_users();
}

static void many_fill_one(void **state)
{
    (void)state;
    start(true);
    run(1);
}

static void many_change(void **state)
{
    (void)state;
    start(true);
    run(2);
    start(true);
    run(8);
}

/* Without leaves of 1 GiB, the addresses of a 40-bit space need more tables than a pool has. */
static void pools_run_out(void **state)
{
    (void)state;
    start(false);
    run(1);
    start(false);
    run(8);
}

/* The registers of VT-d's units show the sink page, as the region does; beside them is what was. */
static void units_are_hidden(void **state)
{
    static const u64 at[] = {0xfed90000, 0xfed90ff8, 0xfed91000, 0xfed92000};
    (void)state;
    for (u32 turn = 0; turn < 2; turn++) {
        start(true);
        vm.unit_count = 2;
        vm.unit[0] = (struct boot_range){0xfed90000, PAGE_SIZE};
        vm.unit[1] = (struct boot_range){0xfed91000, 2 * PAGE_SIZE};
        set_mtrrs(&cpu[0], turn);
        for (u32 i = 0; i < vm.ept01.count; i++)
            vm.ept01.tree[i].closed = true; /* made before there were units */
        ept01_start_over(&cpu[0]);
        for (u32 i = 0; i < ARRAY_LEN(at); i++) {
            u64 size = 0;
            assert_true(ept01_fill(&cpu[0], GPA1(at[i])));
            u64 entry = ept01_leaf(&cpu[0], GPA1(at[i]), &size);
            assert_int_equal(entry & EPT_ADDR, vm.sink.a);
            assert_int_equal(size, PAGE_SIZE);
        }
        assert_null(ept01_fill(&cpu[0], GPA1(0xfed8f000)) ? judge(&cpu[0], 0xfed8f000) : "no");
        assert_null(ept01_fill(&cpu[0], GPA1(0xfed93000)) ? judge(&cpu[0], 0xfed93000) : "no");
        assert_int_equal(cpu[0].first_touches, 0);
        assert_false(ept_leaf_harmless(&vm, 0xfec00000 | EPT_RWX, SIZE_1G));
        assert_false(ept_leaf_harmless(&vm, 0xfed92000 | EPT_RWX, PAGE_SIZE));
    }
}

/* A rendezvous: off and on again builds nothing, and ends where it began. */
static void rendezvous(void **state)
{
    (void)state;
    start(true);
    for (u32 i = 0; i < CPUS; i++) {
        set_mtrrs(&cpu[i], 1);
        ept01_follow(&cpu[i]);
    }
    u64 built = vm.ept01.generation;
    struct ept01_tree *on = cpu[0].ept01;
    for (u32 i = 0; i < CPUS; i++) {
        set_mtrrs(&cpu[i], 0);
        ept01_follow(&cpu[i]);
        assert_ptr_not_equal(cpu[i].ept01, on);
    }
    for (u32 i = 0; i < CPUS; i++) {
        set_mtrrs(&cpu[i], 1);
        ept01_follow(&cpu[i]);
        assert_ptr_equal(cpu[i].ept01, on);
    }
    assert_int_equal(vm.ept01.generation, built);
    count_users();
}

static void change_to(struct cpu *c, u64 pick)
{
    set_mtrrs(c, pick);
    ept01_follow(c);
}

static u32 changing; /* 1: the thread below is at work. Atomic */

static void *change_to_one(void *arg)
{
    __atomic_store_n(&changing, 1, __ATOMIC_SEQ_CST);
    change_to(arg, 1);
    return NULL;
}

/* While one processor chooses a tree to build, others join trees that are in use, at once, and wait
 * with those that nobody uses: so the choice has an end. */
static void nobody_begins_while_one_chooses(void **state)
{
    pthread_t thread;
    (void)state;
    start(true);
    change_to(&cpu[0], 1);
    struct ept01_tree *unused = cpu[0].ept01;
    change_to(&cpu[0], 2);
    lock_take(&vm.ept01.lock);
    __atomic_store_n(&vm.ept01.choosing, 1, __ATOMIC_SEQ_CST);
    change_to(&cpu[1], 2);
    assert_ptr_equal(cpu[1].ept01, cpu[0].ept01);
    assert_int_equal(pthread_create(&thread, NULL, change_to_one, &cpu[2]), 0);
    while (!__atomic_load_n(&changing, __ATOMIC_SEQ_CST))
        ;
    for (u32 i = 0; i < 100; i++) {
        usleep(1000);
        assert_int_equal(__atomic_load_n(&unused->users, __ATOMIC_SEQ_CST), 0);
    }
    u64 built = vm.ept01.generation;
    __atomic_store_n(&vm.ept01.choosing, 0, __ATOMIC_SEQ_CST);
    lock_give(&vm.ept01.lock);
    pthread_join(thread, NULL);
    assert_ptr_equal(cpu[2].ept01, unused);
    assert_int_equal(vm.ept01.generation, built);
    count_users();
}

/* All change to states that no tree has, again and again: each is given one. */
static void all_build(void **state)
{
    (void)state;
    start(true);
    run(64);
    assert_int_equal(vm.ept01.choosing, 0);
}

static int set_up(void **state)
{
    (void)state;
    pool = aligned_alloc(PAGE_SIZE, POOL_SIZE);
    return pool == NULL || !machine_reset_to(MODEL_E5);
}

static int tear_down(void **state)
{
    (void)state;
    free(pool);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_fill_one), cmocka_unit_test(many_change),
        cmocka_unit_test(pools_run_out), cmocka_unit_test(units_are_hidden),
        cmocka_unit_test(rendezvous),    cmocka_unit_test(nobody_begins_while_one_chooses),
        cmocka_unit_test(all_build),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
