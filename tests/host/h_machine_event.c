/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events through all of L0, on a processor made of memory (tests/machine): what an exit cut short
 * is delivered again, an IRET that was cut short blocks NMIs again, faults met in a delivery
 * combine. h_event.c tries the pure functions that decide; here the product must have asked them.
 */
#include "tests/machine/machine.h"
#include "hv/l1/task_switch.h"
#include "hv/vmcs12/profile.h"
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

static void (*body)(struct machine *m, struct vmcs_image *v);

static enum vmx_enter at_first_entry(struct machine *m)
{
    body(m, &m->current->v);
    machine_end();
}

/* L0 is up, vmcs01 is current, L1 is about to run. */
static void on_machine(void (*what)(struct machine *m, struct vmcs_image *v))
{
    body = what;
    assert_true(machine_reset_to(MODEL_E5));
    machine.play = at_first_entry;
    assert_true(machine_run(PROFILE_HOST, 0, 0));
    assert_string_equal(machine.bug, "");
}

/* An NMI whose delivery was cut short was not taken: it must not find itself blocked. Nothing else
 * unblocks. What IDT-vectoring has no meaning for, bits 30:12, does not reach the entry, which
 * wants them clear. SDM 3C 28.2.4 "Information for VM Exits During Event Delivery" */
static void again_rows(struct machine *m, struct vmcs_image *v)
{
    static const u32 events[] = {INTR_VALID | 0x20, INTR_VALID | INTR_NMI << 8 | VEC_NMI,
                                 INTR_VALID | INTR_HW_EXCEPTION << 8 | VEC_UD,
                                 INTR_VALID | INTR_SW_INTERRUPT << 8 | 0x80, 0};
    for (u32 i = 0; i < 2 * ARRAY_LEN(events); i++) {
        u32 event = events[i / 2], meaningless = i & 1 ? 0x7ffff000u : 0;
        v->entry_intr_info = 0;
        v->idt_vectoring_info = event | meaningless;
        v->exit_instruction_len = 2;
        v->guest_interruptibility = BLOCKING_BY_NMI;
        v->exit_qualification = 0;
        exit_snapshot(m->cpu, SNAP_IDT | SNAP_QUAL);
        exit_retry(m->cpu);
        assert_int_equal(v->entry_intr_info, event);
        assert_int_equal(v->guest_interruptibility,
                         INTR_TYPE(event) == INTR_NMI && event ? 0 : BLOCKING_BY_NMI);
        if (INTR_TYPE(event) == INTR_SW_INTERRUPT)
            assert_int_equal(v->entry_instruction_len, 2);
    }
}

static void events_are_delivered_again(void **state)
{
    (void)state;
    on_machine(again_rows);
}

/* An error code is pushed in protected mode only, whatever the exit said. SDM 3C 27.2.1.3
 * "VM-Entry Control Fields" */
static void again_code_rows(struct machine *m, struct vmcs_image *v)
{
    u32 gp = INTR_VALID | INTR_HW_EXCEPTION << 8 | VEC_GP;
    for (u32 i = 0; i < 4; i++) {
        bool protected_mode = i & 1, exception_exits = i & 2;
        v->guest_cr0 = protected_mode ? CR0_PE | CR0_NE : CR0_NE;
        v->idt_vectoring_info = exception_exits ? 0 : gp | INTR_ERROR_VALID;
        v->exit_intr_info = exception_exits ? gp | INTR_ERROR_VALID | INTR_NMI_UNBLOCKING : 0;
        v->idt_vectoring_error_code = v->exit_intr_error_code = 0x18;
        exit_snapshot(m->cpu, SNAP_IDT | SNAP_INTR);
        if (exception_exits)
            assert_int_equal(exception_exit(m->cpu), RESUME);
        else
            exit_retry(m->cpu);
        assert_int_equal(v->entry_intr_info, protected_mode ? gp | INTR_ERROR_VALID : gp);
        if (protected_mode)
            assert_int_equal(v->entry_exception_error_code, 0x18);
    }
}

static void error_codes_of_events(void **state)
{
    (void)state;
    on_machine(again_code_rows);
}

/* Bit 12 of the qualification speaks of IRET for three reasons. In others it is a displacement, a
 * port, nothing; and nothing when an event was being delivered, or when IRET does not unblock NMIs.
 * SDM 3C 28.2.3 "Information About NMI Unblocking Due to IRET" */
static void iret_rows(struct machine *m, struct vmcs_image *v)
{
    static const u32 pins[] = {0, PIN_NMI_EXITING | PIN_VIRTUAL_NMIS, PIN_NMI_EXITING};
    u32 before = v->pin_ctl;
    for (u32 reason = 0; reason < EXIT_REASON_COUNT; reason++)
        for (u32 i = 0; i < 12; i++) {
            bool bit = i & 1, delivering = i & 2;
            bool tells = reason == EXIT_REASON_EPT_VIOLATION || reason == EXIT_REASON_PML_FULL ||
                         reason == EXIT_REASON_SPP_EVENT;
            v->pin_ctl = before | pins[i / 4];
            v->exit_qualification = bit ? 1u << 12 : 0;
            v->exit_intr_info = 0;
            v->idt_vectoring_info = delivering ? INTR_VALID | 0x20 : 0;
            v->guest_interruptibility = 0;
            m->cpu->exit.reason = reason;
            exit_snapshot(m->cpu, SNAP_IDT | SNAP_QUAL | SNAP_INTR);
            exit_retry(m->cpu);
            assert_int_equal(v->guest_interruptibility,
                             tells && bit && !delivering && i < 8 ? BLOCKING_BY_NMI : 0);
        }
    v->pin_ctl = before;
}

static void iret_is_undone(void **state)
{
    (void)state;
    on_machine(iret_rows);
}

/* A task switch that an event caused, and that faults: the fault, or a double fault; with EXT in
 * the error code but for INT n, INT3 and INTO. SDM 3A 6.15 "Exception and Interrupt Reference", SDM
 * 3A 6.13 "Error Code" */
static bool contributes(u32 vector)
{
    return vector == 0 || (vector >= 10 && vector <= 13) || vector == 21;
}

static bool of_pages(u32 vector)
{
    return vector == 14 || vector == 20;
}

static void task_fault_rows(struct machine *m, struct vmcs_image *v)
{
    (void)v;
    m->cpu->st.cr0 = CR0_PE;
    m->cpu->have |= SNAP_MODE | SNAP_IDT;
    for (u32 type = 0; type < 7; type++)
        for (u32 first = 0; first < 32; first++)
            for (u32 second = 10; second <= 14; second++) {
                bool exception = type == INTR_HW_EXCEPTION,
                     external = type != 1 && type != 4 && type != 6;
                bool doubles =
                    exception && ((contributes(first) && contributes(second)) || of_pages(first));
                m->cpu->exit.idt_info = INTR_VALID | type << 8 | first;
                if (type == 1 || (exception && first == VEC_DF))
                    continue;
                assert_false(task_fault(m->cpu, second, 0x20));
                assert_int_equal(m->cpu->fault.vector, doubles ? VEC_DF : second);
                assert_int_equal(m->cpu->fault.error, doubles                        ? 0
                                                      : second != VEC_PF && external ? 0x21
                                                                                     : 0x20);
            }
    m->cpu->exit.idt_info = 0;
    assert_false(task_fault(m->cpu, VEC_GP, 0x20));
    assert_int_equal(m->cpu->fault.vector, VEC_GP);
    assert_int_equal(m->cpu->fault.error, 0x20);
}

static void task_faults_combine(void **state)
{
    (void)state;
    on_machine(task_fault_rows);
}

/* Behind #DF there is the shutdown: the platform's reset, which ends the run. */
static void task_triple_rows(struct machine *m, struct vmcs_image *v)
{
    (void)v;
    m->cpu->st.cr0 = CR0_PE;
    m->cpu->exit.idt_info = INTR_VALID | INTR_HW_EXCEPTION << 8 | INTR_ERROR_VALID | VEC_DF;
    (void)task_fault(m->cpu, VEC_TS, 0x20);
    fail_msg("no shutdown");
}

static void task_fault_in_double_fault(void **state)
{
    (void)state;
    on_machine(task_triple_rows);
}

/* L0 finds a fault in L2's access while an event is being delivered to L2. Whether it is an exit
 * to L1 depends on the fault alone, and L1 is told the event; only what L1 does not take can
 * become a double fault, whose exit tells of no event. SDM 3C 28.2.4 "Information for VM Exits
 * During Event Delivery" */
static void l2_fault(struct machine *m, u32 bitmap12, u32 vectoring)
{
    struct nested *n = m->cpu->nested;
    n->now->vmcs12.exit_ctl = EXIT_HOST_ADDR_SPACE_SIZE;
    n->now->vmcs12.exception_bitmap = bitmap12;
    n->now->vmcs12.exit_reason = n->now->vmcs12.exit_intr_info = n->now->vmcs12.idt_vectoring_info =
        0;
    nested_run_l2(m->cpu);
    struct vmcs_image *v = &m->current->v;
    v->guest_cr0 = CR0_PE | CR0_PG | CR0_NE;
    v->exit_reason = m->cpu->exit.reason = EXIT_REASON_EPT_VIOLATION;
    v->guest_physical_address = 1ull << 48;
    v->exit_qualification = QUAL_EPT_GLA_VALID | QUAL_EPT_GLA_FINAL | QUAL_EPT_READ;
    v->idt_vectoring_info = vectoring;
    v->exit_instruction_len = 2;
    exit_snapshot(m->cpu, SNAP_QUAL | SNAP_INTR);
}

static void l2_fault_rows(struct machine *m, struct vmcs_image *v)
{
    const u32 pf = INTR_VALID | INTR_HW_EXCEPTION << 8 | INTR_ERROR_VALID | VEC_PF,
              df = pf - VEC_PF + VEC_DF;
    const u32 external = INTR_VALID | 0x20, soft = INTR_VALID | INTR_SW_INTERRUPT << 8 | 0x80;
    const struct {
        u32 bitmap, vectoring, exit, told; /* exit: 0, the fault is L2's own */
    } rows[] = {
        {BIT(VEC_PF), 0, pf, 0},
        {BIT(VEC_PF), external, pf, external},
        {BIT(VEC_PF), soft, pf, soft},
        {BIT(VEC_PF), pf, pf, pf},
        {BIT(VEC_DF), pf, df, 0},
        {0, external, 0, 0},
        {0, pf, 0, 0},
    };
    m->cpu->nested->now = &m->cpu->nested->active[1];
    const struct vmcs_image *v12 = &m->cpu->nested->now->vmcs12;
    (void)v;
    for (u32 i = 0; i < ARRAY_LEN(rows); i++) {
        l2_fault(m, rows[i].bitmap, rows[i].vectoring);
        enum outcome out = nested_l2_exit(m->cpu);
        assert_int_equal(v12->exit_intr_info, rows[i].exit);
        assert_int_equal(v12->idt_vectoring_info, rows[i].told);
        assert_int_equal(m->cpu->in_l2, rows[i].exit == 0);
        if (rows[i].told == soft)
            assert_int_equal(v12->exit_instruction_len, 2);
        if (rows[i].exit == 0) {
            assert_int_equal(out, INJECT);
            assert_int_equal(m->cpu->fault.vector, rows[i].vectoring == pf ? VEC_DF : VEC_PF);
        } else {
            assert_int_equal(out, RESUME); /* what L0 makes up is L1's already */
        }
    }
}

static void faults_of_l2_in_delivery(void **state)
{
    (void)state;
    on_machine(l2_fault_rows);
}

/* An exit of L2 that is L1's has changed nothing when its handler returns: the loop
 * gives it to L1. */
static void reflected_rows(struct machine *m, struct vmcs_image *v)
{
    const u32 reasons[] = {EXIT_REASON_VMCALL, EXIT_REASON_CPUID, EXIT_REASON_TRIPLE_FAULT,
                           EXIT_REASON_VMXON};
    m->cpu->nested->now = &m->cpu->nested->active[1];
    const struct vmcs_image *v12 = &m->cpu->nested->now->vmcs12;
    (void)v;
    for (u32 i = 0; i < ARRAY_LEN(reasons); i++) {
        l2_fault(m, 0, 0);
        m->current->v.exit_reason = m->cpu->exit.reason = reasons[i];
        assert_int_equal(nested_l2_exit(m->cpu), REFLECT);
        assert_true(m->cpu->in_l2);
        assert_int_equal(v12->exit_reason, 0);
        nested_reflect(m->cpu);
        assert_false(m->cpu->in_l2);
        assert_int_equal(v12->exit_reason, reasons[i]);
    }
}

static void exits_of_l1_are_reflected(void **state)
{
    (void)state;
    on_machine(reflected_rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_delivered_again),
        cmocka_unit_test(error_codes_of_events),
        cmocka_unit_test(iret_is_undone),
        cmocka_unit_test(faults_of_l2_in_delivery),
        cmocka_unit_test(exits_of_l1_are_reflected),
        cmocka_unit_test(task_faults_combine),
        cmocka_unit_test(task_fault_in_double_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
