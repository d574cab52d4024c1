/* SPDX-License-Identifier: BSD-2-Clause */
/* The models; power on, with RAM and the processor's registers; the handoff that boot/ would
 * make. */
#include "tests/machine/machine.h"
#include "tests/lib/valid.h"
#include "hv/vmcs12/profile.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define L0_CR3 (REGION + 0x1000)
#define POOL   (REGION + 0x10000)

u64 hv_entry(struct handoff *h);

/* clang-format off */
static const char *const names[MODEL_COUNT] = {"bochs", "i7-5600U", "e5-2683v4", "e5 without VPID",
                                               "e5 without PERF_GLOBAL_CTRL", "spartan",
                                               "e5 without TRUE words", "newer"};
/* clang-format on */

const char *machine_model_name(enum machine_model model)
{
    return names[model];
}

static void forbid(u64 *word, u64 *true_word, u32 bits_gone)
{
    *word &= ~((u64)bits_gone << 32);
    if (true_word)
        *true_word &= ~((u64)bits_gone << 32);
}

/* No activity states, no timer, no monitor trap flag, no shadowing, no zero-length injection. */
static void make_spartan(struct vmx_caps *c)
{
    c->misc &= ~(VMX_MISC_ACTIVITY_HLT | VMX_MISC_ACTIVITY_SHUTDOWN | VMX_MISC_ACTIVITY_SIPI |
                 VMX_MISC_ZERO_LEN_INJECT | VMX_MISC_WRITE_ANY_FIELD);
    forbid(&c->pin, &c->true_pin, PIN_PREEMPTION_TIMER | PIN_POSTED_INTERRUPTS);
    forbid(&c->cpu1, &c->true_cpu1, CPU1_MONITOR_TRAP_FLAG);
    forbid(&c->cpu2, NULL, CPU2_VMCS_SHADOWING | CPU2_ENABLE_VMFUNC | CPU2_EPT_VIOLATION_VE);
}

/* Every control, every bit of CR4 but CET, wider addresses, error codes with any vector. */
static void make_newer(struct vmx_caps *c)
{
    u64 all_may = ~0ull << 32;
    c->basic |= VMX_BASIC_ANY_ERRCODE;
    c->pin |= 0xffull << 32;
    c->true_pin |= 0xffull << 32;
    c->cpu1 |= all_may;
    c->true_cpu1 |= all_may;
    c->cpu2 |= 0x7fffffffull << 32;
    c->exit |= all_may;
    c->true_exit |= all_may;
    c->entry |= 0xffffffull << 32;
    c->true_entry |= 0xffffffull << 32;
    c->misc |= VMX_MISC_ZERO_LEN_INJECT;
    c->cr4_fixed1 = 0x3ff77ff & ~CR4_CET; /* CET's rules are not in the table */
    c->ept_vpid |= EPT_CAP_WALK_5 | EPT_CAP_ADV_EXIT_INFO | EPT_CAP_SSS;
}

static void adjust(enum machine_model model, struct vmx_caps *c, struct check_cpuid *f)
{
    switch (model) {
    case MODEL_NO_VPID:
        forbid(&c->cpu2, NULL, CPU2_ENABLE_VPID);
        break;
    case MODEL_NO_PERF:
        forbid(&c->exit, &c->true_exit, EXIT_LOAD_PERF_GLOBAL_CTRL);
        forbid(&c->entry, &c->true_entry, ENTRY_LOAD_PERF_GLOBAL_CTRL);
        break;
    case MODEL_SPARTAN:
        make_spartan(c);
        break;
    case MODEL_NO_TRUE:
        c->basic &= ~VMX_BASIC_TRUE_CTLS;
        c->true_pin = c->true_cpu1 = c->true_exit = c->true_entry = 0;
        break;
    case MODEL_NEWER:
        make_newer(c);
        f->linear_width = 57;
        f->maxphyaddr = 52;
        f->sgx = f->rtm = true;
        break;
    default:
        break;
    }
    vcaps_close(c);
}

/* L1's page tables: for long mode at 0x1000 (four pages of 1 GiB), for PAE at 0x2000 and 0x3000. */
static void fill_tables(u8 *ram)
{
    u64 *pml4 = (u64 *)(ram + 0x1000), *pdpt = (u64 *)(ram + 0x4000), *pd = (u64 *)(ram + 0x5000);
    pml4[0] = 0x4003;
    for (u64 i = 0; i < 4; i++) {
        pdpt[i] = i << 30 | 0x83;
        ((u64 *)(ram + 0x2000))[i] = ((u64 *)(ram + 0x3000))[i] = 0x5001;
    }
    for (u64 i = 0; i < 512; i++)
        pd[i] = i << 21 | 0x83;
}

static void power_on(struct machine *m)
{
    check_cpu_init(&m->rules, &m->caps, &m->facts);
    m->cr0 = CR0_PG | CR0_NE | CR0_ET | CR0_PE | CR0_WP;
    m->cr4 = CR4_PAE | CR4_VMXE;
    m->cr3 = L0_CR3;
    m->msr_efer = EFER_LME | EFER_LMA | EFER_NXE;
    m->msr_pat = 0x0007040600070406;
    fill_tables(m->ram);
}

/* A machine without a processor. */
static void clear(struct machine *m)
{
    u8 *ram = m->ram ? m->ram : aligned_alloc(PAGE_SIZE, RAM_SIZE);
    memset(m, 0, sizeof *m);
    m->ram = ram;
    memset(ram, 0, L1_RAM);
}

bool machine_reset_to(enum machine_model model)
{
    static const u8 base[MODEL_COUNT] = {CPU_BOCHS,      CPU_I7_5600U,   CPU_E5_2683_V4,
                                         CPU_E5_2683_V4, CPU_E5_2683_V4, CPU_E5_2683_V4,
                                         CPU_E5_2683_V4, CPU_E5_2683_V4};
    static struct valid t;
    struct machine *m = &machine;
    clear(m);
    valid_build(&t, BASE_LONG, (enum valid_cpu)base[model]);
    m->caps = t.caps;
    m->facts = t.cpuid;
    m->facts.debugctl_reserved = ~(0x7fc3ull | (model == MODEL_NEWER ? BIT(15) : 0));
    m->facts.perf_global_reserved = ~0x70000000full;
    adjust(model, &m->caps, &m->facts);
    power_on(m);
    return !vcaps_impossible(&m->caps);
}

static struct cpuid box_cpuid(const struct machine_box *box, u32 leaf)
{
    for (u32 i = 0; i < box->rows; i++)
        if (box->row[i].leaf == leaf)
            return box->row[i].r;
    return (struct cpuid){0};
}

bool machine_reset_to_box(const struct machine_box *box)
{
    struct machine *m = &machine;
    u32 sizes = box_cpuid(box, 0x80000008).eax, seven = box_cpuid(box, 7).ebx;
    bool fits = machine_reset_to_caps(&box->caps, box->rows ? (u8)sizes : 39);
    m->box = box;
    if (box->rows) {
        m->facts.linear_width = (u8)(sizes >> 8);
        m->facts.sgx = seven >> 2 & 1;
        m->facts.rtm = seven >> 11 & 1;
    }
    if (box->refused_debugctl)
        m->facts.debugctl_reserved = box->refused_debugctl;
    if (box->refused_perf_global)
        m->facts.perf_global_reserved = box->refused_perf_global;
    check_cpu_init(&m->rules, &m->caps, &m->facts);
    return fits;
}

bool machine_reset_to_caps(const struct vmx_caps *caps, u8 phys_bits)
{
    static struct valid t;
    struct machine *m = &machine;
    clear(m);
    valid_build(&t, BASE_LONG, CPU_E5_2683_V4);
    m->caps = *caps;
    m->facts = t.cpuid;
    m->facts.maxphyaddr = phys_bits;
    m->facts.debugctl_reserved = ~0x7fc3ull;
    m->facts.perf_global_reserved = ~0x70000000full;
    power_on(m);
    return !vcaps_impossible(&m->caps);
}

static struct segment segment(u16 selector, u32 ar)
{
    return (struct segment){.limit = 0xffffffff, .ar = ar, .selector = selector};
}

static void fill_handoff(struct handoff *h)
{
    *h = (struct handoff){.rip = 0x100000,
                          .rsp = 0x9000,
                          .rflags = 2,
                          .cr0 = machine.cr0,
                          .cr3 = 0x1000,
                          .cr4 = machine.cr4,
                          .efer = machine.msr_efer,
                          .dr7 = 0x400,
                          .feature_control = FEATURE_CONTROL_ALLOW_VMX};
    h->gdtr = (struct handoff_dtr){.limit = 0xff, .base = 0x8000};
    h->idtr = (struct handoff_dtr){.limit = 0xfff, .base = 0x9000};
    for (u32 i = SEG_ES; i <= SEG_GS; i++)
        h->seg[i] = segment(0x10, 0xc093);
    h->seg[SEG_CS] = segment(8, 0xa09b);
    h->seg[SEG_LDTR] = (struct segment){.ar = AR_UNUSABLE};
    h->seg[SEG_TR] = (struct segment){.limit = 0x67, .ar = 0x8b, .selector = 0x18};
}

/* One step of bring-up. False: L0 refused, and machine.bug says why. */
static bool step(struct handoff *h, enum handoff_op op)
{
    h->op = op;
    u64 status = hv_entry(h);
    if (status != HANDOFF_OK)
        snprintf(machine.bug, sizeof machine.bug, "L0 did not start: %llu %s",
                 (unsigned long long)status, h->why);
    return status == HANDOFF_OK;
}

bool machine_run(u32 profile, u32 shadow, u32 stress)
{
    static struct handoff h;
    static struct boot_info info;

    fill_handoff(&h);
    memset(machine.ram + REGION, 0, 0x10000);
    info = (struct boot_info){.region_hpa = REGION,
                              .region_size = RAM_SIZE - REGION,
                              .pool_hpa = POOL,
                              .pool_size = RAM_SIZE - POOL,
                              .cr3_hpa = L0_CR3,
                              .physmap_va = (u64)machine.ram,
                              .nested = 1,
                              .can_vmx = 1,
                              .profile = profile,
                              .shadow = shadow,
                              .fast = machine.fast,
                              .plant = machine.plant,
                              .hvbit = 1,
                              .stress = stress,
                              .cpu_count = 1,
                              .range_count = 2,
                              .range = {{0, L1_RAM}, {REGION, RAM_SIZE - REGION}}};
    h.info = &info;
    if (setjmp(machine.end))
        return true;
    if (!step(&h, HANDOFF_PREPARE) || !step(&h, HANDOFF_SETTLE) || !step(&h, HANDOFF_PROBE))
        return false;
    ((struct vm *)h.vm)->committed = 1; /* L1 here is no nidus.efi */
    (void)!step(&h, HANDOFF_LAUNCH);
    return false;
}
