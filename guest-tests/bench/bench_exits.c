/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an exit of L2 that L1 handles costs, and what L2's accesses of MSRs do that L1 lets
 * pass: ticks, and exits that L0 took (by the counters of CPUID 0x40000002; none on the bare
 * machine). One row per line, "case: TICKS EXITS" for 1000 operations. `make bench` prints both
 * machines side by side.
 */
#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_ept.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_l2.h"

u64 vmx_bench_two(u64 exits, u64 reason, u64 vmcs[2]) GT_HIDDEN;
u64 vmx_bench(u64 exits, u64 reason, u8 *edit, u64 loops) GT_HIDDEN;
u64 vmx_bench_write(u64 exits, u64 reason, u64 encoding, u64 bits) GT_HIDDEN;

enum {
    OPERATIONS = 1000,
    FEW = 50,
    VECTOR = 0x40,
    CR4_PGE = 0x80,
    COUNTED = 4,
    REASON_RDMSR = 31,
    REASONS = 70,
    OF_L2 = 1u << 31,
    NIDUS_EXITS = 0x40000002
};

#define ECX(N)    "\xb9" N
#define RDMSR     "\x0f\x32"
#define WRMSR     "\x0f\x30"
#define CPUID     "\x31\xc0\x0f\xa2" /* of leaf 0 */
#define VMCALL    "\x0f\x01\xc1"
#define FS        "\x00\x01\x00\xc0"
#define KERNEL_GS "\x02\x01\x00\xc0"
#define EFER      "\x80\x00\x00\xc0"
#define LSTAR     "\x82\x00\x00\xc0"
#define ESP       "\x75\x01\x00\x00"
#define TSC       "\x10\x00\x00\x00"
/* clang-format off */
#define SIX \
    ECX(FS) RDMSR WRMSR ECX(KERNEL_GS) RDMSR WRMSR ECX(EFER) RDMSR ECX(LSTAR) RDMSR ECX(ESP) \
    RDMSR WRMSR ECX(TSC) RDMSR
/* clang-format on */

/* A row repeats `code` in L2: endlessly, each round being one exit with `reason`; or, without a
 * reason, by counting down, so that there is one exit in all. */
struct row {
    const char *name;
    const char *code;
    u8 len;
    u8 reason;
    bool bare;         /* neither bitmaps nor EPT nor VPID */
    bool no_memory;    /* no EPT and no VPID */
    bool least;        /* neither, and no EFER, PAT or debug state saved or loaded */
    bool intercept_fs; /* RDMSR of FS_BASE exits to L1 */
    bool edit;         /* L1 changes its MSR bitmap before each entry */
    bool all;          /* a TPR shadow as well, and L2 takes interrupt VECTOR at each entry */
    u16 writes;        /* and these bits of this field; 0: none */
    u16 bits;
};
/* clang-format off */
#define ROW(NAME, REASON, CODE, ...) \
    {.name = NAME, .code = CODE, .len = sizeof(CODE) - 1, .reason = REASON, __VA_ARGS__}
/* clang-format on */

static const struct row rows[] = {
    ROW("cpuid", REASON_CPUID, CPUID),
    ROW("cpuid.no ept or vpid", REASON_CPUID, CPUID, .no_memory = true),
    ROW("cpuid.no bitmaps either", REASON_CPUID, CPUID, .bare = true),
    ROW("cpuid.nothing saved either", REASON_CPUID, CPUID, .bare = true, .least = true),
    ROW("cpuid.bitmap edited", REASON_CPUID, CPUID, .edit = true),
    ROW("cpuid.host rsp written", REASON_CPUID, CPUID, .writes = V_HOST_RSP, .bits = 64),
    ROW("cpuid.tsc offset written", REASON_CPUID, CPUID, .writes = V_TSC_OFFSET, .bits = 1),
    ROW("cpuid.host gs base written", REASON_CPUID, CPUID, .writes = V_HOST_GS_BASE, .bits = 16),
    ROW("cpuid.guest gs base written", REASON_CPUID, CPUID, .writes = V_GUEST_GS_BASE, .bits = 16),
    ROW("cpuid.guest cr4 written", REASON_CPUID, CPUID, .writes = V_GUEST_CR4, .bits = CR4_PGE),
    ROW("cpuid.pin controls written", REASON_CPUID, CPUID, .writes = V_PIN_CTL, .bits = PIN_NMI),
    ROW("cpuid.six msrs pass", REASON_CPUID, SIX CPUID),
    ROW("cpuid.six msrs, tpr, interrupt", REASON_CPUID, CPUID, .all = true,
        .writes = V_ENTRY_INTR_INFO),
    ROW("vmcall", REASON_VMCALL, VMCALL),
    ROW("rdmsr.reflected", REASON_RDMSR, ECX(FS) RDMSR, .intercept_fs = true),
    ROW("rdmsr.passes", 0, ECX(FS) RDMSR),
    ROW("wrmsr.passes", 0, ECX(FS) RDMSR WRMSR),
    ROW("six msrs pass", 0, SIX),
};

static u64 exits_so_far(void)
{
    u64 sum = 0;

    if (!gt_under_nidus())
        return 0;
    for (u32 i = 0; i < REASONS; i++) {
        struct gt_cpuid l1 = gt_cpuid(NIDUS_EXITS, i), l2_ = gt_cpuid(NIDUS_EXITS, i | OF_L2);
        sum += l1.eax + l2_.eax;
    }
    return sum;
}

/* The code, and a jump back to it: always, or while R15 counts down. */
static void put_code(const struct row *r)
{
    u8 code[100];
    size_t n = r->len;

    CopyMem(code, (void *)r->code, n);
    if (!r->reason) {
        CopyMem(code + n, (void *)"\x49\xff\xcf\x0f\x85", 5); /* DEC R15; JNZ */
        n += 5;
    } else {
        code[n++] = 0xe9;
    }
    *(u32 *)(code + n) = (u32) - (n + 4);
    l2_code((char *)code, n + 4);
}

static void world(const struct row *r)
{
    if (r->bare || r->no_memory)
        l2_world(L2_64);
    else
        ept_world(L2_64, 0);
    if (!r->bare)
        l2.f[VI_PROC_CTL] |= PROC_MSR_BITMAPS;
    if (!r->bare && !r->no_memory) {
        l2.f[VI_PROC2_CTL] |= PROC2_VPID;
        l2.f[VI_VPID] = 1;
    }
    if (r->least) {
        l2.f[VI_EXIT_CTL] &= ~(u64)(EXIT_SAVE_DEBUG | EXIT_SAVE_EFER | EXIT_LOAD_EFER |
                                    EXIT_SAVE_PAT | EXIT_LOAD_PAT);
        l2.f[VI_ENTRY_CTL] &= ~(u64)(ENTRY_LOAD_DEBUG | ENTRY_LOAD_EFER | ENTRY_LOAD_PAT);
    }
    l2.f[VI_PREEMPTION_TIMER] = 0x7fffffff;
    SetMem(arena(PG_MSR_BITMAP), 4096, 0);
    if (r->intercept_fs)
        ((u8 *)arena(PG_MSR_BITMAP))[1024 + 0x100 / 8] = 1;
    put_code(r);
    if (!r->all)
        return;
    l2.f[VI_PROC_CTL] |= PROC_TPR_SHADOW;
    l2.f[VI_VIRTUAL_APIC_ADDR] = ARENA_AT(PG_VAPIC);
    l2.f[VI_GUEST_RFLAGS] |= FLAG_IF;
    l2.f[VI_ENTRY_INTR_INFO] = INTR_VALID | INTR_EXTERNAL | VECTOR;
    CopyMem((u8 *)arena(PG_L2 + P_HANDLERS) + VECTOR * 16, (void *)"\x48\xcf", 2); /* IRETQ */
}

static u64 ticks(const struct row *r, u64 operations)
{
    u8 *edit = r->edit ? (u8 *)arena(PG_MSR_BITMAP) + 4095 : (u8 *)arena(PG_SCRATCH);
    u64 t;

    world(r);
    l2_write();
    if (r->writes)
        t = vmx_bench_write(operations, r->reason, r->writes, r->bits);
    else
        t = vmx_bench(r->reason ? operations : 1, r->reason ? r->reason : REASON_VMCALL, edit,
                      operations);
    l1_state_restore();
    gt_check(t != 0, "%s: exit %lx q %lx", r->name, vmx_get(V_EXIT_REASON),
             vmx_get(V_EXIT_QUALIFICATION));
    return t;
}

/* Two runs of different length, so that what happens once falls out. */
static void run(const char *name, u64 (*of)(const struct row *, u64), const struct row *r)
{
    u64 before, few, many, t;

    if (gt_counting()) {
        of(r, 2);
        gt_count_next('-', COUNTED, name);
        of(r, 2);
        gt_count_next('+', COUNTED, name);
        of(r, 2 + COUNTED);
        return;
    }
    of(r, FEW);
    before = exits_so_far();
    t = of(r, FEW);
    few = exits_so_far() - before;
    t = of(r, FEW + OPERATIONS) - t;
    many = exits_so_far() - before - few;
    gt_line("%s: %lu %lu", name, t, many - few);
}

/* Two VMCSs, each launched and with an exit behind it. The second is made of the bytes of the
 * first. */
static u64 ticks_of_two(const struct row *r, u64 operations)
{
    u64 vmcs[2] = {ARENA_AT(PG_VMCS_A), ARENA_AT(PG_VMCS_B)}, t;

    for (int i = 1; i >= 0; i--) {
        world(r);
        l2_write();
        if (i == 1) {
            vmx_vmclear(vmcs[0]);
            vmx_vmclear(vmcs[1]);
            CopyMem((void *)vmcs[1], (void *)vmcs[0], 4096);
            gt_check(vmx_vmptrld(vmcs[1]) == VMX_OK, "no second VMCS");
        }
        l2_enter(false);
        gt_check((u32)l2_seen[VI_EXIT_REASON] == REASON_CPUID, "first exit of %u", i);
    }
    t = vmx_bench_two(operations, REASON_CPUID, vmcs);
    l1_state_restore();
    gt_check(t != 0, "two: exit %lx", vmx_get(V_EXIT_REASON));
    return t;
}

TEST_MAIN(bench_exits)
{
    vmx_begin();
    if (ept_usable() && vmx_on()) {
        l2_init();
        run("cpuid.two vmcss in turn", ticks_of_two, &rows[0]);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
            run(rows[i].name, ticks, &rows[i]);
    }
    vmx_end();
}
