/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whole transitions on a processor made of memory (tests/machine): random runs of an L1 with four
 * VMCSs and their L2s, entries, refusals, exits, NMIs, on every model, profile and stress option.
 * The processor refuses no entry, and vmcs02 is at each entry of L1's what a whole merge makes,
 * whatever happened before.
 */
#include "tests/machine/play.h"
#include "hv/vmcs12/profile.h"
#include "tests/lib/rng.h"
#include "tests/lib/valid.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define RUNS  1500
#define STEPS 600 /* bytes */

static void random_runs(void **state)
{
    (void)state;
    struct rng r = rng_start("h_transition");
    u64 entries[2] = {0}, short_ways[2] = {0};
    u8 bytes[STEPS];

    for (u32 n = 0; n < RUNS; n++) {
        for (u32 i = 0; i < STEPS; i++)
            bytes[i] = (u8)(rng_next(&r) >> 32);
        bytes[0] = (u8)n;
        bytes[1] = (u8)(n / MODEL_COUNT % 64);
        const char *bug = play(bytes, sizeof bytes);
        if (bug[0])
            fail_msg("run %u on %s: %s", n, machine_model_name(n % MODEL_COUNT), bug);
        entries[0] += machine.entries[0];
        entries[1] += machine.entries[1];
        short_ways[0] += machine.short_ways[0];
        short_ways[1] += machine.short_ways[1];
    }
    printf("h_transition: %llu entries of L1, %llu of L2\n", (unsigned long long)entries[0],
           (unsigned long long)entries[1]);
    assert_true(entries[0] > 10 * RUNS && entries[1] > RUNS);
    assert_true(short_ways[0] > 0 && short_ways[1] > 0);
}

/* Saving, wiping and restoring all nested state at every exit, writing every field at every entry,
 * or the short path, shows nowhere. */
static void stress_shows_nowhere(void **state)
{
    (void)state;
    struct rng r = rng_start("h_transition");
    u8 bytes[STEPS];

    for (u32 n = 0; n < RUNS / 4; n++) {
        u64 plain = 0;
        for (u32 i = 0; i < STEPS; i++)
            bytes[i] = (u8)(rng_next(&r) >> 32);
        bytes[0] = (u8)n;
        for (u32 stress = 0; stress < 8; stress++) {
            bytes[1] = (u8)(n / MODEL_COUNT % 8 | stress << 3); /* from 4 on: fast=on */
            const char *bug = play(bytes, sizeof bytes);
            if (bug[0])
                fail_msg("run %u: %s", n, bug);
            if (stress == 0)
                plain = machine.trace;
            else if (machine.trace != plain)
                fail_msg("run %u on %s: stress %u shows", n, machine_model_name(n % MODEL_COUNT),
                         stress);
        }
    }
}

/* ---- NMIs that arrive in root mode ----------------------------------------------------------- */

static struct {
    u32 blocking;
    u64 pending;
    bool inject;
} const nmi_rows[] = {
    {0, 0, true},
    {BLOCKING_BY_STI, 0, false},
    {BLOCKING_BY_MOV_SS, 0, false},
    {BLOCKING_BY_NMI, 0, false},
    /* the trap comes first, and an injected NMI would drop it */
    {0, PENDING_DBG_BP_ENABLED | 1, false},
    /* BS does not stay: MOV to CR0 is executed again */
    {0, PENDING_DBG_BS | PENDING_DBG_BP_ENABLED | 1, false},
};
static u32 nmi_at;

static enum vmx_enter one_nmi(struct machine *m)
{
    struct vmcs_image *v = &m->current->v;
    if (nmi_at % 2 == 0) { /* L1 exits, and the NMI finds L0 */
        v->guest_rflags |= RFLAGS_IF;
        v->guest_interruptibility = nmi_rows[nmi_at / 2].blocking;
        v->guest_pending_dbg_exceptions = nmi_rows[nmi_at / 2].pending;
        percpu()->nmi_pending = 1;
        nmi_at++;
        /* MOV to CR0 from RAX: only a read shadow changes, nothing is advanced */
        v->exit_qualification = 0;
        m->cpu->regs.gpr[REG_RAX] = (v->guest_cr0 & ~CR0_NE) | (nmi_at & 2 ? CR0_NE : 0);
        return machine_exit(EXIT_REASON_CR_ACCESS);
    }
    bool injects = any(v->entry_intr_info, INTR_VALID),
         waits = any(v->cpu1_ctl, CPU1_NMI_WINDOW_EXITING);
    assert_int_equal(injects, nmi_rows[nmi_at / 2].inject);
    assert_int_equal(waits, !injects);
    if (++nmi_at / 2 == ARRAY_LEN(nmi_rows))
        machine_end();
    if (!waits)
        return machine_exit(EXIT_REASON_INVD);
    v->guest_interruptibility = 0;
    v->guest_pending_dbg_exceptions = 0;
    return machine_exit(EXIT_REASON_NMI_WINDOW);
}

static void nmi_waits_its_turn(void **state)
{
    (void)state;
    assert_true(machine_reset_to(MODEL_E5));
    machine.play = one_nmi;
    assert_true(machine_run(PROFILE_HOST, 0, 0));
    assert_string_equal(machine.bug, "");
    assert_int_equal(nmi_at / 2, ARRAY_LEN(nmi_rows));
}

/* An NMI finds L0 at work for an L2 that cannot take it yet. When its window opens it is L2's, and
 * L1 gets none when L2 leaves; or an exit to L1 when VMCS12 exits on NMIs. */
static bool nmi_exits12, leaves_early, mtf12, timer12;
static u32 step;

static void write_vmcs12(struct machine *m, enum valid_base base)
{
    static struct valid t;
    valid_build(&t, base, CPU_E5_2683_V4);
    t.v.revision = VMCS12_REVISION;
    t.v.guest_cr3 = base == BASE_PAE_PLAIN ? 0x2020 : t.v.guest_cr3;
    t.v.guest_rflags |= RFLAGS_IF;
    t.v.pin_ctl |= nmi_exits12 ? PIN_NMI_EXITING : 0;
    t.v.pin_ctl |= timer12 ? PIN_PREEMPTION_TIMER : 0;
    t.v.preemption_timer_value = 1000;
    t.v.msr_bitmap_addr = 0x80000;
    t.v.cpu1_ctl |= CPU1_USE_MSR_BITMAPS | (mtf12 ? CPU1_MONITOR_TRAP_FLAG : 0);
    vmcs12_store_page(&t.v, m->ram + 0x60000);
    *(u32 *)(m->ram + 0x50000) = VMCS12_REVISION;
}

/* The three instructions that bring L1 to its L2; the VMCS12 in the page is the caller's. */
static enum vmx_enter up_to_launch(u32 at)
{
    static const u32 reasons[] = {EXIT_REASON_VMXON, EXIT_REASON_VMPTRLD};
    machine.current->v.exit_instruction_len = 3;
    if (at == 2)
        return machine_exit(EXIT_REASON_VMLAUNCH);
    return play_memory_operand(reasons[at], at == 0 ? 0x50000 : 0x60000);
}

static enum vmx_enter nmi_for_l2(struct machine *m)
{
    struct vmcs_image *v = &m->current->v;
    bool in_l2 = m->cpu->in_l2, injects = any(v->entry_intr_info, INTR_VALID);

    v->exit_instruction_len = 3;
    switch (step++) {
    case 0:
        write_vmcs12(m, BASE_PLAIN);
        return up_to_launch(0);
    case 1:
    case 2:
        return up_to_launch(step - 1);
    case 3: /* behind STI, L2 meets a gap of EPT01 */
        assert_true(in_l2);
        v->guest_interruptibility = BLOCKING_BY_STI;
        v->guest_physical_address = 0x1000;
        percpu()->nmi_pending = 1;
        return machine_exit(EXIT_REASON_EPT_VIOLATION);
    case 4:
        assert_true(in_l2 && !injects && any(v->cpu1_ctl, CPU1_NMI_WINDOW_EXITING));
        if (leaves_early)
            return machine_exit(EXIT_REASON_VMCALL);
        v->guest_interruptibility = 0;
        return machine_exit(EXIT_REASON_NMI_WINDOW);
    case 5:
        if (leaves_early) { /* it was the processor's NMI, and L1 runs */
            assert_true(!in_l2 && injects);
            machine_end();
        }
        assert_int_equal(in_l2, !nmi_exits12);
        assert_int_equal(injects, !nmi_exits12);
        if (nmi_exits12) {
            assert_int_equal(m->cpu->nested->now->vmcs12.exit_reason, EXIT_REASON_EXCEPTION_NMI);
            assert_int_equal(m->cpu->nested->now->vmcs12.exit_intr_info,
                             INTR_VALID | INTR_NMI << 8 | VEC_NMI);
            machine_end();
        }
        return machine_exit(EXIT_REASON_CPUID);
    default:
        assert_true(!in_l2 && !injects);
        machine_end();
    }
}

static void nmi_goes_to_one(void **state)
{
    (void)state;
    for (u32 i = 0; i < 3; i++) {
        nmi_exits12 = i == 1;
        leaves_early = i == 2;
        step = 0;
        assert_true(machine_reset_to(MODEL_E5));
        machine.play = nmi_for_l2;
        assert_true(machine_run(PROFILE_E5_2683_V4, 0, 0));
        assert_string_equal(machine.bug, "");
        assert_int_equal(step, i == 0 ? 7 : 6);
    }
}

/* An NMI that L1 has blocked when it executes VMLAUNCH: the entry sets blocking anew, so it is an
 * exit of L2's, or L2's. */
static enum vmx_enter nmi_across_entry(struct machine *m)
{
    struct vmcs_image *v = &m->current->v;
    bool injects = any(v->entry_intr_info, INTR_VALID);
    if (step == 0)
        write_vmcs12(m, BASE_PLAIN);
    if (step == 1) {
        v->guest_interruptibility = BLOCKING_BY_NMI;
        percpu()->nmi_pending = 1;
    }
    if (step == 2)
        assert_true(!injects && any(v->cpu1_ctl, CPU1_NMI_WINDOW_EXITING));
    if (step < 3)
        return up_to_launch(step++);
    step++;
    assert_int_equal(m->cpu->in_l2, !nmi_exits12);
    assert_int_equal(injects, !nmi_exits12);
    assert_false(any(v->cpu1_ctl, CPU1_NMI_WINDOW_EXITING));
    if (nmi_exits12)
        assert_int_equal(m->cpu->nested->now->vmcs12.exit_intr_info,
                         INTR_VALID | INTR_NMI << 8 | VEC_NMI);
    machine_end();
}

static void nmi_crosses_entry(void **state)
{
    (void)state;
    for (u32 i = 0; i < 2; i++) {
        nmi_exits12 = i;
        step = 0;
        assert_true(machine_reset_to(MODEL_E5));
        machine.play = nmi_across_entry;
        assert_true(machine_run(PROFILE_E5_2683_V4, 0, 0));
        assert_string_equal(machine.bug, "");
        assert_int_equal(step, 4);
    }
}

/* ---- an instruction that L0 carries out for L2 ----------------------------------------------- */

/* RDMSR of what only L0 intercepts. With the monitor trap flag of VMCS12 an exit to L1 follows it,
 * RIP behind it; the preemption timer runs on. SDM 3C 26.5.2 "Monitor Trap Flag", SDM 3C 26.5.1
 * "VMX-Preemption Timer" */
static enum vmx_enter rdmsr_of_l2(struct machine *m)
{
    struct vmcs_image *v = &m->current->v;
    const struct vmcs_image *v12 = &m->cpu->nested->now->vmcs12;
    if (step == 0)
        write_vmcs12(m, BASE_PLAIN);
    if (step < 3)
        return up_to_launch(step++);
    if (step++ == 3) {
        assert_true(m->cpu->in_l2);
        m->cpu->regs.gpr[REG_RCX] = MSR_IA32_VMX_BASIC;
        v->exit_instruction_len = 2;
        enum vmx_enter how = machine_exit(EXIT_REASON_RDMSR);
        m->tsc = (m->tsc | 31) - 7; /* the next reading is the last of its step of 32 */
        return how;
    }
    assert_int_equal(m->cpu->in_l2, !mtf12);
    assert_int_equal(mtf12 ? v12->guest_rip : v->guest_rip, 0x1236);
    assert_int_equal(m->cpu->regs.gpr[REG_RAX], (u32)m->cpu->nested->caps.basic);
    if (mtf12)
        assert_int_equal(v12->exit_reason, EXIT_REASON_MONITOR_TRAP_FLAG);
    else
        assert_int_equal(v->preemption_timer_value, 999);
    machine_end();
}

static void l0_carries_out(void **state)
{
    (void)state;
    nmi_exits12 = false;
    timer12 = true;
    for (u32 i = 0; i < 2; i++) {
        mtf12 = i;
        step = 0;
        assert_true(machine_reset_to(MODEL_E5));
        machine.play = rdmsr_of_l2;
        assert_true(machine_run(PROFILE_E5_2683_V4, 0, 0));
        assert_string_equal(machine.bug, "");
        assert_int_equal(step, 5);
    }
    mtf12 = timer12 = false;
}

/* ---- PDPTEs of an L2 without EPT ------------------------------------------------------------- */

/* They lie where CR3 says, at any multiple of 32 bytes. SDM 3A 4.4.1 "PDPTE Registers" */
static enum vmx_enter pae_l2(struct machine *m)
{
    u64 *table = (u64 *)(m->ram + 0x2000);
    if (step == 0) {
        nmi_exits12 = false;
        write_vmcs12(m, BASE_PAE_PLAIN);
        for (u64 i = 0; i < 4; i++) {
            table[i] = 0x5007; /* reserved bits */
            table[4 + i] = 0x5001 + (i << 12);
        }
    }
    if (step < 3)
        return up_to_launch(step++);
    assert_true(m->cpu->in_l2);
    assert_int_equal(m->current->v.guest_pdptr0, 0x5001);
    assert_int_equal(m->current->v.guest_pdptr3, 0x8001);
    machine_end();
}

static void pdptes_at_cr3(void **state)
{
    (void)state;
    step = 0;
    assert_true(machine_reset_to(MODEL_E5));
    machine.play = pae_l2;
    assert_true(machine_run(PROFILE_E5_2683_V4, 0, 0));
    assert_string_equal(machine.bug, "");
    assert_int_equal(step, 3);
}

/* ---- a machine check stops a VMLAUNCH -------------------------------------------------------- */

/* Neither VMCS12 nor vmcs02 is launched then, and L1's next VMLAUNCH is good.
 * SDM 3C 27.8 "VM-Entry Failures During or After Loading Guest State" */
static enum vmx_enter stopped_launch(struct machine *m)
{
    const struct nested *n = m->cpu->nested;
    if (step == 0)
        write_vmcs12(m, BASE_PLAIN);
    if (step < 3)
        return up_to_launch(step++);
    if (step++ == 3) {
        assert_true(m->cpu->in_l2 && !m->launched);
        return machine_exit(EXIT_REASON_ENTRY_FAIL | EXIT_REASON_ENTRY_MACHINE_CHECK);
    }
    if (step == 5) {
        assert_true(!m->cpu->in_l2);
        assert_int_equal(n->now->vmcs12.exit_reason,
                         EXIT_REASON_ENTRY_FAIL | EXIT_REASON_ENTRY_MACHINE_CHECK);
        assert_int_equal(n->now->vmcs12.launch_state, LAUNCH_CLEAR);
        return up_to_launch(2);
    }
    assert_true(m->cpu->in_l2);
    assert_int_equal(n->now->vmcs12.launch_state, LAUNCH_LAUNCHED);
    machine_end();
}

static void launch_stopped(void **state)
{
    (void)state;
    step = 0;
    assert_true(machine_reset_to(MODEL_E5));
    machine.play = stopped_launch;
    assert_true(machine_run(PROFILE_E5_2683_V4, 0, 0));
    assert_string_equal(machine.bug, "");
    assert_int_equal(step, 6);
}

int main(void)
{
    /* clang-format off */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_runs),
        cmocka_unit_test(stress_shows_nowhere),
        cmocka_unit_test(nmi_waits_its_turn),
        cmocka_unit_test(nmi_goes_to_one),
        cmocka_unit_test(nmi_crosses_entry),
        cmocka_unit_test(l0_carries_out),
        cmocka_unit_test(pdptes_at_cr3),
        cmocka_unit_test(launch_stopped),
    };
    /* clang-format on */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
