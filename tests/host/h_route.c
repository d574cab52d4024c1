/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exit routing. One row per basic exit reason, typed from SDM 3C 26.1 "Instructions That Cause
 * VM Exits" and 26.2 "Other Causes of VM Exits", says which control of vmcs12 makes the exit
 * L1's. Each row is tried with every single control bit of every word; the reasons with more
 * to them have tests of their own below.
 */
#include "hv/vmcs12/route.h"
#include "hv/arch/cpu.h"
#include "hv/arch/vmx_ctl.h"
#include "hv/vmcs12/event.h"
#include "tests/lib/rng.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

enum kind { ABSENT, ALWAYS, NEVER, IF_ANY, IF_BOTH, OWN };

/* IF_ANY: one bit of the sets suffices. IF_BOTH: a bit of cpu1 and one of cpu2. OWN: a test
 * below. */
static const struct row {
    u8 kind;
    u32 pin, cpu1, cpu2;
} rows[EXIT_REASON_COUNT] = {
    [0] = {OWN, 0, 0, 0},                   /* exception or NMI */
    [1] = {IF_ANY, 1u << 0, 0, 0},          /* external interrupt: external-interrupt exiting */
    [2] = {ALWAYS, 0, 0, 0},                /* triple fault */
    [3] = {ALWAYS, 0, 0, 0},                /* INIT signal */
    [4] = {ALWAYS, 0, 0, 0},                /* start-up IPI */
    [5] = {NEVER, 0, 0, 0},                 /* I/O SMI */
    [6] = {NEVER, 0, 0, 0},                 /* other SMI */
    [7] = {IF_ANY, 0, 1u << 2, 0},          /* interrupt window: interrupt-window exiting */
    [8] = {IF_ANY, 0, 1u << 22, 0},         /* NMI window: NMI-window exiting */
    [9] = {ALWAYS, 0, 0, 0},                /* task switch */
    [10] = {ALWAYS, 0, 0, 0},               /* CPUID */
    [11] = {ALWAYS, 0, 0, 0},               /* GETSEC */
    [12] = {IF_ANY, 0, 1u << 7, 0},         /* HLT: HLT exiting */
    [13] = {ALWAYS, 0, 0, 0},               /* INVD */
    [14] = {IF_ANY, 0, 1u << 9, 0},         /* INVLPG: INVLPG exiting */
    [15] = {IF_ANY, 0, 1u << 11, 0},        /* RDPMC: RDPMC exiting */
    [16] = {IF_ANY, 0, 1u << 12, 0},        /* RDTSC: RDTSC exiting */
    [17] = {NEVER, 0, 0, 0},                /* RSM */
    [18] = {ALWAYS, 0, 0, 0},               /* VMCALL */
    [19] = {ALWAYS, 0, 0, 0},               /* VMCLEAR */
    [20] = {ALWAYS, 0, 0, 0},               /* VMLAUNCH */
    [21] = {ALWAYS, 0, 0, 0},               /* VMPTRLD */
    [22] = {ALWAYS, 0, 0, 0},               /* VMPTRST */
    [23] = {OWN, 0, 0, 0},                  /* VMREAD */
    [24] = {ALWAYS, 0, 0, 0},               /* VMRESUME */
    [25] = {OWN, 0, 0, 0},                  /* VMWRITE */
    [26] = {ALWAYS, 0, 0, 0},               /* VMXOFF */
    [27] = {ALWAYS, 0, 0, 0},               /* VMXON */
    [28] = {OWN, 0, 0, 0},                  /* control-register accesses */
    [29] = {IF_ANY, 0, 1u << 23, 0},        /* MOV DR: MOV-DR exiting */
    [30] = {OWN, 0, 0, 0},                  /* I/O instruction */
    [31] = {OWN, 0, 0, 0},                  /* RDMSR */
    [32] = {OWN, 0, 0, 0},                  /* WRMSR */
    [33] = {NEVER, 0, 0, 0},                /* VM-entry failure due to invalid guest state */
    [34] = {NEVER, 0, 0, 0},                /* VM-entry failure due to MSR loading */
    [36] = {IF_ANY, 0, 1u << 10, 0},        /* MWAIT: MWAIT exiting */
    [37] = {OWN, 0, 0, 0},                  /* monitor trap flag */
    [39] = {IF_ANY, 0, 1u << 29, 0},        /* MONITOR: MONITOR exiting */
    [40] = {IF_ANY, 0, 1u << 30, 1u << 10}, /* PAUSE: PAUSE exiting or PAUSE-loop exiting */
    [41] = {NEVER, 0, 0, 0},                /* VM-entry failure due to machine-check event */
    [43] = {IF_ANY, 0, 1u << 21, 0},        /* TPR below threshold: use TPR shadow */
    [44] = {IF_ANY, 0, 0, 1u << 0},         /* APIC access: virtualize APIC accesses */
    [45] = {IF_ANY, 0, 0, 1u << 9},         /* virtualized EOI: virtual-interrupt delivery */
    [46] = {IF_ANY, 0, 0, 1u << 2},         /* access to GDTR or IDTR: descriptor-table exiting */
    [47] = {IF_ANY, 0, 0, 1u << 2},         /* access to LDTR or TR: descriptor-table exiting */
    [48] = {OWN, 0, 0, 0},                  /* EPT violation */
    [49] = {OWN, 0, 0, 0},                  /* EPT misconfiguration */
    [50] = {ALWAYS, 0, 0, 0},               /* INVEPT */
    [51] = {IF_ANY, 0, 1u << 12, 0},        /* RDTSCP: RDTSC exiting */
    /* VMX-preemption timer expired: activate VMX-preemption timer */
    [52] = {IF_ANY, 1u << 6, 0, 0},
    [53] = {ALWAYS, 0, 0, 0},       /* INVVPID */
    [54] = {IF_ANY, 0, 0, 1u << 6}, /* WBINVD or WBNOINVD: WBINVD exiting */
    [55] = {ALWAYS, 0, 0, 0},       /* XSETBV */
    /* APIC write: APIC-register virtualization or virtual-interrupt delivery */
    [56] = {IF_ANY, 0, 0, 1u << 8 | 1u << 9},
    [57] = {IF_ANY, 0, 0, 1u << 11},        /* RDRAND: RDRAND exiting */
    [58] = {IF_BOTH, 0, 1u << 9, 1u << 12}, /* INVPCID: INVLPG exiting and enable INVPCID */
    [59] = {OWN, 0, 0, 0},                  /* VMFUNC */
    [60] = {IF_ANY, 0, 0, 1u << 15},        /* ENCLS: enable ENCLS exiting */
    [61] = {IF_ANY, 0, 0, 1u << 16},        /* RDSEED: RDSEED exiting */
    /* page-modification log full: L0's for now: L1's log is not kept by the processor */
    [62] = {IF_ANY, 0, 0, 0},
    [63] = {IF_ANY, 0, 0, 1u << 20}, /* XSAVES: enable XSAVES/XRSTORS */
    [64] = {IF_ANY, 0, 0, 1u << 20}, /* XRSTORS: enable XSAVES/XRSTORS */
    [65] = {IF_ANY, 0, 0, 1u << 27}, /* PCONFIG: enable PCONFIG */
    [66] = {NEVER, 0, 0, 0},         /* SPP-related event */
    /* UMWAIT: RDTSC exiting and enable user wait and pause */
    [67] = {IF_BOTH, 0, 1u << 12, 1u << 26},
    /* TPAUSE: RDTSC exiting and enable user wait and pause */
    [68] = {IF_BOTH, 0, 1u << 12, 1u << 26},
    [69] = {NEVER, 0, 0, 0},         /* LOADIWKEY */
    [70] = {IF_ANY, 0, 0, 1u << 28}, /* ENCLV: enable ENCLV exiting */
    [72] = {NEVER, 0, 0, 0},         /* ENQCMD PASID translation failure */
    [73] = {NEVER, 0, 0, 0},         /* ENQCMDS PASID translation failure */
    [74] = {NEVER, 0, 0, 0},         /* bus lock */
    [75] = {NEVER, 0, 0, 0},         /* instruction timeout */
    [76] = {NEVER, 0, 0, 0},         /* SEAMCALL */
    [77] = {NEVER, 0, 0, 0},         /* TDCALL */
};

static struct vmcs_image v12;
static struct vmexit x;
static struct route_env env = {.v12 = &v12, .x = &x};

static enum route with(u32 pin, u32 cpu1, u32 cpu2)
{
    v12.pin_ctl = pin;
    v12.cpu1_ctl = cpu1;
    v12.cpu2_ctl = cpu2;
    return route_exit(&env);
}

static void fresh(u32 reason)
{
    v12 = (struct vmcs_image){0};
    x = (struct vmexit){.reason = reason};
    env = (struct route_env){.v12 = &v12, .x = &x};
}

static void try_if_any(const struct row *r)
{
    const u32 on = CPU1_SECONDARY;

    for (u32 b = 0; b < 32; b++) {
        u32 bit = 1u << b;
        assert_int_equal(with(bit, 0, 0), r->pin & bit ? ROUTE_L1 : ROUTE_L0);
        assert_int_equal(with(0, bit, 0), r->cpu1 & bit ? ROUTE_L1 : ROUTE_L0);
        assert_int_equal(with(0, on, bit), r->cpu2 & bit ? ROUTE_L1 : ROUTE_L0);
    }
    assert_int_equal(with(~r->pin, ~r->cpu1, ~r->cpu2), ROUTE_L0);
    assert_int_equal(with(0, 0, ~0u), ROUTE_L0); /* secondary controls not activated */
}

static void try_if_both(const struct row *r)
{
    assert_int_equal(with(0, CPU1_SECONDARY | r->cpu1, r->cpu2), ROUTE_L1);
    assert_int_equal(with(~0u, ~r->cpu1, ~0u), ROUTE_L0);
    assert_int_equal(with(~0u, ~0u, ~r->cpu2), ROUTE_L0);
    assert_int_equal(with(~0u, ~CPU1_SECONDARY, ~0u), ROUTE_L0);
}

static void every_reason(void **state)
{
    (void)state;
    for (u32 reason = 0; reason < 0x10000; reason++) {
        struct row r = reason < EXIT_REASON_COUNT ? rows[reason] : (struct row){0};

        fresh(reason);
        if (r.kind == ABSENT || r.kind == NEVER) {
            assert_int_equal(with(0, 0, 0), ROUTE_UNEXPECTED);
            assert_int_equal(with(~0u, ~0u, ~0u), ROUTE_UNEXPECTED);
        } else if (r.kind == ALWAYS) {
            assert_int_equal(with(0, 0, 0), ROUTE_L1);
            assert_int_equal(with(~0u, ~0u, ~0u), ROUTE_L1);
        } else if (r.kind == IF_ANY) {
            try_if_any(&r);
        } else if (r.kind == IF_BOTH) {
            try_if_both(&r);
        }
        x.reason |= EXIT_REASON_ENTRY_FAIL;
        assert_int_equal(with(~0u, ~0u, ~0u), ROUTE_L0_FIRST);
    }
}

/* The rows name exactly the reasons of vmx_exit.def: a new one forces a decision here. */
static void rows_are_complete(void **state)
{
    (void)state;
    bool known[EXIT_REASON_COUNT] = {0};

#define EXIT(num, name, text) known[num] = true;
#include "hv/arch/vmx_exit.def"
    for (u32 i = 0; i < EXIT_REASON_COUNT; i++)
        assert_int_equal(rows[i].kind != ABSENT, known[i]);
}

static void nmi_and_exceptions(void **state)
{
    (void)state;
    fresh(0);
    x.intr_info = INTR_VALID | INTR_NMI << 8 | 2;
    v12.exception_bitmap = 1u << 2; /* bit 2 has no say over NMIs */
    assert_int_equal(with(0, 0, 0), ROUTE_L0);
    assert_int_equal(with(PIN_NMI_EXITING, 0, 0), ROUTE_L1);
    for (u32 type = INTR_HW_EXCEPTION; type <= INTR_SW_EXCEPTION; type++)
        for (u32 vector = 0; vector < 32; vector++)
            for (u32 bit = 0; bit < 32; bit++) {
                x.intr_info = INTR_VALID | type << 8 | vector;
                v12.exception_bitmap = 1u << bit;
                /* #PF with mask 0 and match 0 is L1's exactly when its bit is set */
                assert_int_equal(with(0, 0, 0), bit == vector ? ROUTE_L1 : ROUTE_L0);
            }
    x.intr_info = INTR_VALID | INTR_HW_EXCEPTION << 8 | 14;
    x.intr_error = PF_P | PF_W;
    v12.exception_bitmap = 1u << 14;
    v12.pf_error_code_mask = PF_P;
    assert_int_equal(with(0, 0, 0), ROUTE_L0);
    v12.pf_error_code_match = PF_P;
    assert_int_equal(with(0, 0, 0), ROUTE_L1);
}

static enum route mov_cr(u32 number, u64 value, u32 cpu1)
{
    x.qual = number | CR_MOV_TO << 4;
    env.operand = value;
    return with(0, cpu1, 0);
}

/* "MOV to CR0/CR4: unless the value of its source operand matches, for the position of each
 * bit set in the guest/host mask, the corresponding bit in the read shadow": per bit. */
static void mov_to_cr0_cr4(void **state)
{
    (void)state;
    fresh(28);
    for (u32 cr = 0; cr <= 4; cr += 4)
        for (u32 b = 0; b < 64; b++)
            for (u32 i = 0; i < 8; i++) {
                u64 mask = i & 1 ? BIT(b) : ~BIT(b), shadow = i & 2 ? BIT(b) : 0,
                    value = i & 4 ? BIT(b) : 0;
                bool exits = (i & 1) && (i >> 1 & 1) != (i >> 2 & 1);

                v12.cr0_guest_host_mask = cr ? 0 : mask;
                v12.cr0_read_shadow = cr ? ~0ull : shadow;
                v12.cr4_guest_host_mask = cr ? mask : 0;
                v12.cr4_read_shadow = cr ? shadow : ~0ull;
                assert_int_equal(mov_cr(cr, value, 0), exits ? ROUTE_L1 : ROUTE_L0);
            }
}

static void cr3_targets(void **state)
{
    (void)state;
    fresh(28);
    v12.cr3_target_value0 = 0x1000;
    v12.cr3_target_value1 = 0x2000;
    v12.cr3_target_value2 = 0x3000;
    v12.cr3_target_value3 = 0x4000;
    for (u32 count = 0; count <= 5; count++)
        for (u64 page = 0; page <= 5; page++) {
            bool match = count <= 4 && page >= 1 && page <= count;

            v12.cr3_target_count = count;
            assert_int_equal(mov_cr(3, page << 12, CPU1_CR3_LOAD_EXITING),
                             match ? ROUTE_L0 : ROUTE_L1);
            assert_int_equal(mov_cr(3, page << 12, ~(u32)CPU1_CR3_LOAD_EXITING), ROUTE_L0);
        }
}

static void cr8_and_stores(void **state)
{
    (void)state;
    fresh(28);
    assert_int_equal(mov_cr(8, 0, CPU1_CR8_LOAD_EXITING), ROUTE_L1);
    assert_int_equal(mov_cr(8, 0, ~(u32)CPU1_CR8_LOAD_EXITING), ROUTE_L0);
    assert_int_equal(mov_cr(2, 0, ~0u), ROUTE_L0); /* no exit of CR2 exists */
    x.qual = 8 | CR_MOV_FROM << 4;
    assert_int_equal(with(0, CPU1_CR8_STORE_EXITING, 0), ROUTE_L1);
    assert_int_equal(with(0, ~(u32)CPU1_CR8_STORE_EXITING, 0), ROUTE_L0);
    x.qual = 3 | CR_MOV_FROM << 4;
    assert_int_equal(with(0, CPU1_CR3_STORE_EXITING, 0), ROUTE_L1);
    assert_int_equal(with(0, ~(u32)CPU1_CR3_STORE_EXITING, 0), ROUTE_L0);
}

static void clts(void **state)
{
    (void)state;
    fresh(28);
    x.qual = CR_CLTS << 4;
    for (u32 i = 0; i < 4; i++) {
        v12.cr0_guest_host_mask = i & 1 ? CR0_TS : ~CR0_TS;
        v12.cr0_read_shadow = i & 2 ? CR0_TS : ~CR0_TS;
        assert_int_equal(with(0, 0, 0), i == 3 ? ROUTE_L1 : ROUTE_L0);
    }
}

/* All 4096 combinations of the low four bits of mask, shadow and source. */
static void lmsw(void **state)
{
    (void)state;
    fresh(28);
    for (u32 i = 0; i < 1u << 12; i++) {
        u32 mask = i & 15, shadow = i >> 4 & 15, source = i >> 8 & 15;
        bool exits = (mask & 1) && (source & 1) && !(shadow & 1);

        for (u32 b = 1; b < 4; b++)
            exits |= (mask >> b & 1) && (source >> b & 1) != (shadow >> b & 1);
        v12.cr0_guest_host_mask = mask | 0xfffffff0u; /* higher bits are not LMSW's */
        v12.cr0_read_shadow = shadow;
        x.qual = CR_LMSW << 4 | (u64)(source | 0xfff0) << 16;
        assert_int_equal(with(0, 0, 0), exits ? ROUTE_L1 : ROUTE_L0);
    }
}

/* Reasons that a bitmap of L1's decides, and when the bitmap has a say. */
static void bitmaps(void **state)
{
    (void)state;
    for (u32 hit = 0; hit < 2; hit++) {
        enum route if_hit = hit ? ROUTE_L1 : ROUTE_L0;

        fresh(30);
        env.bitmap_hit = hit;
        assert_int_equal(with(0, CPU1_USE_IO_BITMAPS, 0), if_hit);
        assert_true(route_needs_bitmap(&env));
        assert_int_equal(with(0, CPU1_USE_IO_BITMAPS | CPU1_UNCOND_IO_EXITING, 0), if_hit);
        assert_int_equal(with(0, CPU1_UNCOND_IO_EXITING, 0), ROUTE_L1);
        assert_false(route_needs_bitmap(&env));
        assert_int_equal(with(0, ~(u32)(CPU1_UNCOND_IO_EXITING | CPU1_USE_IO_BITMAPS), 0),
                         ROUTE_L0);
        for (u32 reason = 31; reason <= 32; reason++) {
            fresh(reason);
            env.bitmap_hit = hit;
            assert_int_equal(with(0, CPU1_USE_MSR_BITMAPS, 0), if_hit);
            assert_true(route_needs_bitmap(&env));
            assert_int_equal(with(0, ~(u32)CPU1_USE_MSR_BITMAPS, 0), ROUTE_L1);
            assert_false(route_needs_bitmap(&env));
        }
        for (u32 reason = 23; reason <= 25; reason += 2) {
            fresh(reason);
            env.bitmap_hit = hit;
            assert_int_equal(with(0, CPU1_SECONDARY, CPU2_VMCS_SHADOWING), if_hit);
            assert_true(route_needs_bitmap(&env));
            assert_int_equal(with(0, CPU1_SECONDARY, ~(u32)CPU2_VMCS_SHADOWING), ROUTE_L1);
            assert_int_equal(with(0, 0, ~0u), ROUTE_L1);
            assert_false(route_needs_bitmap(&env));
        }
        fresh(10);
        with(~0u, ~0u, ~0u);
        assert_false(route_needs_bitmap(&env));
    }
}

static void ept_is_walked_first(void **state)
{
    (void)state;
    for (u32 reason = 48; reason <= 49; reason++) {
        fresh(reason);
        assert_int_equal(with(0, CPU1_SECONDARY, CPU2_ENABLE_EPT), ROUTE_L0_FIRST);
        assert_int_equal(with(~0u, ~0u, ~(u32)CPU2_ENABLE_EPT), ROUTE_L0);
        assert_int_equal(with(0, 0, CPU2_ENABLE_EPT), ROUTE_L0);
    }
}

static void vmfunc(void **state)
{
    (void)state;
    fresh(59);
    for (u32 f = 0; f < 70; f++) {
        env.operand = f | 1ull << 32; /* EAX, not RAX */
        v12.vmfunc_ctl = f < 64 ? BIT(f) : ~0ull;
        assert_int_equal(route_exit(&env), f < 64 ? ROUTE_L0 : ROUTE_L1);
        v12.vmfunc_ctl = f < 64 ? ~BIT(f) : 0;
        assert_int_equal(route_exit(&env), ROUTE_L1);
    }
}

/* Also L1's when injected as a pending MTF exit without the control. */
static void monitor_trap_flag(void **state)
{
    (void)state;
    fresh(37);
    assert_int_equal(with(0, 0, 0), ROUTE_L1);
    assert_int_equal(with(0, CPU1_MONITOR_TRAP_FLAG, 0), ROUTE_L1);
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason),      cmocka_unit_test(rows_are_complete),
        cmocka_unit_test(nmi_and_exceptions), cmocka_unit_test(mov_to_cr0_cr4),
        cmocka_unit_test(cr3_targets),       cmocka_unit_test(cr8_and_stores),
        cmocka_unit_test(clts),              cmocka_unit_test(lmsw),
        cmocka_unit_test(bitmaps),           cmocka_unit_test(ept_is_walked_first),
        cmocka_unit_test(vmfunc),            cmocka_unit_test(monitor_trap_flag),
    };
    /* clang-format on */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
