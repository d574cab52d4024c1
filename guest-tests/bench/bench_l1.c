/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What L1's own instructions cost in VMX operation: ticks, and exits that L0 took, for 1000 of
 * each, in the form of bench_exits.c.
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"

enum { OPERATIONS = 1000, COUNTED = 4, REASONS = 70, NIDUS_EXITS = 0x40000002 };
enum { HOST_RIP = 0x6c16, GUEST_IDTR_BASE = 0x6818, EXIT_REASON_FIELD = 0x4402 };

static u64 exits_of_l1(void)
{
    u64 sum = 0;

    for (u32 i = 0; gt_under_nidus() && i < REASONS; i++)
        sum += gt_cpuid(NIDUS_EXITS, i).eax;
    return sum;
}

static void op_nothing(void) {}

static void op_cpuid(void)
{
    u32 a = 0, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
}

static void op_vmread_control(void)
{
    u64 v;
    __asm__ volatile("vmread %1, %0" : "=r"(v) : "r"((u64)HOST_RIP) : "cc");
}

static void op_vmread_guest(void)
{
    u64 v;
    __asm__ volatile("vmread %1, %0" : "=r"(v) : "r"((u64)GUEST_IDTR_BASE) : "cc");
}

static void op_vmread_shadowed(void)
{
    u64 v;
    __asm__ volatile("vmread %1, %0" : "=r"(v) : "r"((u64)EXIT_REASON_FIELD) : "cc");
}

static void op_vmwrite(void)
{
    static u64 v;
    __asm__ volatile("vmwrite %0, %1" : : "r"(++v), "r"((u64)HOST_RIP) : "cc");
}

static void op_vmptrld_same(void)
{
    u64 at = ARENA_AT(PG_VMCS_A);
    __asm__ volatile("vmptrld %0" : : "m"(at) : "cc", "memory");
}

static void op_vmptrld_other(void)
{
    static u32 n;
    u64 at = ARENA_AT(++n & 1 ? PG_VMCS_B : PG_VMCS_A);
    __asm__ volatile("vmptrld %0" : : "m"(at) : "cc", "memory");
}

static const struct {
    const char *name;
    void (*op)(void);
} rows[] = {
    {"l1.cpuid", op_cpuid},
    {"l1.vmread, shadowed", op_vmread_shadowed},
    {"l1.vmread of a control", op_vmread_control},
    {"l1.vmread of guest state", op_vmread_guest},
    {"l1.vmwrite", op_vmwrite},
    {"l1.vmptrld, same", op_vmptrld_same},
    {"l1.vmptrld, other", op_vmptrld_other},
};

static u64 ticks(void (*op)(void), u32 times)
{
    u64 start;

    gt_mark();
    start = gt_rdtsc();
    for (u32 i = 0; i < times; i++)
        op();
    start = gt_rdtsc() - start;
    gt_mark();
    return start;
}

static void count(const char *name, void (*op)(void))
{
    ticks(op, 2);
    gt_count_next('-', COUNTED, name);
    ticks(op_nothing, COUNTED);
    gt_count_next('+', COUNTED, name);
    ticks(op, COUNTED);
}

TEST_MAIN(bench_l1)
{
    vmx_begin();
    if (vmx_on()) {
        u64 empty = ticks(op_nothing, OPERATIONS);

        l2_init();
        *(u32 *)arena(PG_VMCS_B) = *(u32 *)arena(PG_VMCS_A);
        gt_check(vmx_vmclear(ARENA_AT(PG_VMCS_B)) == VMX_OK, "no second VMCS");
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            u64 before = exits_of_l1(), asking = exits_of_l1() - before, t;

            if (gt_counting()) {
                count(rows[i].name, rows[i].op);
                continue;
            }
            t = ticks(rows[i].op, OPERATIONS);
            gt_line("%s: %lu %lu", rows[i].name, t - empty, exits_of_l1() - before - 2 * asking);
        }
    }
    vmx_end();
}
