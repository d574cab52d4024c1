/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hv/vmx row by row, on a processor made of memory (tests/machine): how an instruction is
 * completed, where L1's MSR accesses exit, what WRMSR of EFER refuses, whose a VPID is. The rows
 * are the SDM's sentences; events are h_machine_event.c's, whole runs h_transition.c's.
 */
#include "hv/dispatch.h"
#include "hv/l1/l1.h"
#include "tests/machine/machine.h"
#include "hv/vmcs12/profile.h"
#include "hv/vmx/gla.h"
#include "hv/vmx/msr_l1.h"
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#define TABLES    0x100000ull /* one page for each level */
#define USER_PAGE 7u

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

/* SDM 3B 18.3.1.4 "Single-Step Exception Condition": BS becomes pending when TF is set and BTF is
 * not. RF is cleared, and what STI or MOV SS blocked is over. */
static void advance_rows(struct machine *m, struct vmcs_image *v)
{
    for (u32 i = 0; i < 64; i++) {
        bool tf = i & 1, btf = i & 2, rf = i & 4;
        v->guest_rflags = RFLAGS_FIXED | RFLAGS_IF | (tf ? RFLAGS_TF : 0) | (rf ? RFLAGS_RF : 0);
        v->guest_debugctl = (btf ? DEBUGCTL_BTF : 0) | (i & 32 ? DEBUGCTL_LBR : 0);
        v->guest_interruptibility = (i >> 3 & 3) | BLOCKING_BY_NMI;
        v->guest_pending_dbg_exceptions = 0;
        v->guest_rip = 0x1000;
        v->exit_instruction_len = 3;
        exit_snapshot(m->cpu, 0);
        exit_advance(m->cpu);
        assert_int_equal(v->guest_rip, 0x1003);
        assert_int_equal(v->guest_pending_dbg_exceptions, tf && !btf ? PENDING_DBG_BS : 0);
        assert_int_equal(v->guest_interruptibility, BLOCKING_BY_NMI);
        assert_int_equal(v->guest_rflags & RFLAGS_RF, 0);
        assert_int_equal(v->guest_rflags & RFLAGS_TF, tf ? RFLAGS_TF : 0);
    }
}

static void instructions_are_completed(void **state)
{
    (void)state;
    on_machine(advance_rows);
}

/* Four bitmaps of 1 KiB: reads of low and high MSRs, writes of low and high MSRs. SDM 3C 25.6.9
 * "MSR-Bitmap Address" */
static bool exits(const struct machine *m, u32 msr, bool write)
{
    const u8 *map = m->cpu->vm->msr_bitmap + (write ? 2048 : 0);
    return map[msr / 8] & 1u << (msr % 8);
}

static void map_rows(struct machine *m, struct vmcs_image *v)
{
    static const struct {
        u32 msr;
        bool read, write;
    } rows[] = {
        {MSR_IA32_APIC_BASE, false, true},      {MSR_IA32_FEATURE_CONTROL, true, true},
        {MSR_IA32_BIOS_UPDT_TRIG, false, true}, {MSR_IA32_SMM_MONITOR_CTL, true, true},
        {MSR_IA32_MTRR_PHYSBASE0, false, true}, {MSR_IA32_MTRR_DEF_TYPE, false, true},
        {MSR_IA32_PEBS_ENABLE, false, true},    {MSR_IA32_VMX_BASIC, true, true},
        {MSR_IA32_VMX_EXIT_CTLS2, true, true},  {MSR_IA32_RTIT_OUTPUT_BASE, true, true},
    };
    assert_int_equal(v->msr_bitmap_addr, m->cpu->vm->msr_bitmap_hpa.a);
    for (u32 i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].read)
            assert_true(exits(m, rows[i].msr, false));
        assert_true(exits(m, rows[i].msr, true) == rows[i].write);
    }
}

static void msr_accesses_exit(void **state)
{
    (void)state;
    on_machine(map_rows);
}

/* What VMX fixes and what is hidden is L0's, with L1's own value in the read shadow. SDM 3C 24.8
 * "Restrictions on VMX Operation" */
static void owned_rows(struct machine *m, struct vmcs_image *v)
{
    assert_int_equal(v->cr0_guest_host_mask, CR0_NE);
    assert_true(v->cr4_guest_host_mask == (CR4_VMXE | ~CR4_KNOWN));
    assert_int_equal(v->cr0_read_shadow, CR0_PG | CR0_NE | CR0_ET | CR0_PE | CR0_WP);
    assert_int_equal(v->cr4_read_shadow, CR4_PAE | CR4_VMXE);
    (void)m;
    assert_true(any(v->guest_cr0, CR0_NE) && any(v->guest_cr4, CR4_VMXE) &&
                !any(v->guest_cr4, CR4_SMXE));
}

static void owned_bits(void **state)
{
    (void)state;
    on_machine(owned_rows);
}

/* A write that is let pass runs again, beyond a breakpoint at it: the exit saved RF = 0. SDM 3C
 * 28.3.3 "Saving RIP, RSP, RFLAGS, and SSP" */
static void owned_write_rows(struct machine *m, struct vmcs_image *v)
{
    for (u32 i = 0; i < 4; i++) {
        bool cr4 = i & 1, breakpoint = i & 2;
        v->guest_dr7 = DR7_RESET | (breakpoint ? 1 : 0);
        v->guest_rflags = RFLAGS_FIXED;
        v->exit_qualification = cr4 ? 4 : 0;
        m->cpu->regs.gpr[REG_RAX] = cr4 ? v->guest_cr4 & ~CR4_VMXE : v->guest_cr0 & ~CR0_NE;
        exit_snapshot(m->cpu, SNAP_STEP | SNAP_QUAL | SNAP_MODE);
        assert_int_equal(emulate_cr_access(m->cpu), RESUME);
        assert_false(cr4 ? any(v->cr4_read_shadow, CR4_VMXE) : any(v->cr0_read_shadow, CR0_NE));
        assert_int_equal(any(v->guest_rflags, RFLAGS_RF), breakpoint);
    }
}

static void owned_write_runs_again(void **state)
{
    (void)state;
    on_machine(owned_write_rows);
}

/* SDM 3A 2.2.1 "Extended Feature Enable Register": LMA is read-only, LME cannot change
 * while paging is on. */
static void efer_rows(struct machine *m, struct vmcs_image *v)
{
    u64 long_mode = EFER_LME | EFER_LMA;
    v->guest_efer = long_mode;
    exit_snapshot(m->cpu, 0);
    assert_false(msr_l1_write(m->cpu, MSR_IA32_EFER, 0));
    assert_false(msr_l1_write(m->cpu, MSR_IA32_EFER, long_mode | BIT(1)));
    assert_int_equal(v->guest_efer, long_mode);
    assert_true(msr_l1_write(m->cpu, MSR_IA32_EFER, EFER_LME | EFER_SCE));
    assert_int_equal(v->guest_efer, long_mode | EFER_SCE);
    v->guest_cr0 &= ~CR0_PG;
    v->guest_efer = 0;
    exit_snapshot(m->cpu, 0);
    assert_true(msr_l1_write(m->cpu, MSR_IA32_EFER, EFER_LME | EFER_LMA));
    assert_int_equal(v->guest_efer, EFER_LME);
}

/* A register operand has 64 bits in 64-bit mode, else 32. SDM 3C 31.3 "VMX Instructions" */
static void operand_rows(struct machine *m, struct vmcs_image *v)
{
    m->cpu->regs.gpr[REG_RCX] = 0x1122334455667788;
    v->guest_efer = EFER_LME | EFER_LMA;
    v->guest_cs_ar |= AR_L;
    exit_snapshot(m->cpu, 0);
    assert_int_equal(reg_operand(m->cpu, REG_RCX), 0x1122334455667788);
    v->guest_cs_ar = (u16)(v->guest_cs_ar & ~AR_L); /* compatibility mode */
    exit_snapshot(m->cpu, 0);
    assert_int_equal(reg_operand(m->cpu, REG_RCX), 0x55667788);
    v->guest_efer = 0;
    v->guest_cs_ar |= AR_L; /* means nothing outside IA-32e mode */
    exit_snapshot(m->cpu, 0);
    assert_int_equal(reg_operand(m->cpu, REG_RCX), 0x55667788);
}

static void operands_have_the_modes_width(void **state)
{
    (void)state;
    on_machine(operand_rows);
}

static void efer_is_judged(void **state)
{
    (void)state;
    on_machine(efer_rows);
}

/* A VPID of L1's keeps its tag, no other has it, and neither L0's nor L1's own is among them. */
static void tag_rows(struct machine *m, struct vmcs_image *v)
{
    (void)v;
    u16 first = nested_vpid02(m->cpu, 5);
    for (u16 vpid = 6; vpid < 5 + VPID02_COUNT; vpid++) {
        u16 tag = nested_vpid02(m->cpu, vpid);
        assert_true(tag >= VPID02_FIRST && tag < VPID02_FIRST + VPID02_COUNT && tag != first);
        assert_int_equal(nested_vpid02(m->cpu, vpid), tag);
    }
    m->cpu->nested->active[1].path.ready = true;
    assert_int_equal(nested_vpid02(m->cpu, 5), first);
    assert_true(m->cpu->nested->active[1].path.ready);
    assert_int_equal(nested_vpid02(m->cpu, 100), first); /* taken from VPID 5, which one may use */
    assert_false(m->cpu->nested->active[1].path.ready);
}

static void vpids_have_tags(void **state)
{
    (void)state;
    on_machine(tag_rows);
}

/* Operands in memory obey the keys of user pages by L1's PKRU. SDM 3A 4.6.2 "Protection Keys" */
static void key_rows(struct machine *m, struct vmcs_image *v)
{
    struct gla_span span;
    for (u64 level = 0; level < 4; level++) /* all of key 1, at linear address 0 */
        *(u64 *)(m->ram + TABLES + level * PAGE_SIZE) =
            (TABLES + (level + 1) * PAGE_SIZE) | USER_PAGE | 1ull << 59;
    v->guest_cr3 = TABLES;
    v->guest_efer = EFER_LMA | EFER_LME;
    for (u32 i = 0; i < 8; i++) {
        bool pke = i & 1, write = i & 2, only_write = i & 4;
        m->pkru = only_write ? 2 << 2 : 1 << 2;
        v->guest_cr4 = CR4_PAE | CR4_VMXE | (pke ? CR4_PKE : 0);
        exit_snapshot(m->cpu, 0);
        bool ok = gla_translate(m->cpu, 0x18, 8, write ? PF_W : 0, &span);
        assert_int_equal(ok, !pke || (only_write && !write));
        if (!ok)
            assert_int_equal(m->cpu->fault.error, PF_P | PF_PK | (write ? PF_W : 0));
    }
}

static void keys_are_obeyed(void **state)
{
    (void)state;
    on_machine(key_rows);
}

/* What L1 may do to the processor's own mitigations: not what L0's VERW rests on.
 * CAVEAT(speculation) */
static void mitigation_rows(struct machine *m, struct vmcs_image *vmcs)
{
    const u64 doitm = 1 << 12, energy_filtering = 1 << 11, fb_clear_ctrl = 1 << 18,
              fb_clear_dis = 8;
    u64 v;
    (void)vmcs;
    m->msr_arch_caps = ~0ull;
    assert_true(msr_l1_read(m->cpu, MSR_IA32_ARCH_CAPABILITIES, &v));
    assert_int_equal(v & (doitm | energy_filtering | fb_clear_ctrl), doitm);
    assert_true(msr_l1_write(m->cpu, MSR_IA32_MCU_OPT_CTRL, 1));
    assert_false(msr_l1_write(m->cpu, MSR_IA32_MCU_OPT_CTRL, 1 | fb_clear_dis));
    assert_int_equal(m->msr_mcu_opt, 1);
}

static void mitigations_stay(void **state)
{
    (void)state;
    on_machine(mitigation_rows);
}

/* The page that takes writes to nowhere serves two purposes: TPR exits are L0's for the
 * sake of one of them. */
static void nowhere_rows(struct machine *m, struct vmcs_image *v)
{
    const u64 pdpte[4] = {0}, there = TABLES, nowhere = L1_RAM + PAGE_SIZE;
    struct nested *n = m->cpu->nested;
    (void)v;
    for (u32 i = 0; i < 4; i++) {
        n->now->vmcs12.cpu1_ctl = CPU1_USE_TPR_SHADOW;
        n->now->vmcs12.pin_ctl = PIN_POSTED_INTERRUPTS;
        n->now->vmcs12.virtual_apic_addr = i & 1 ? nowhere : there;
        n->now->vmcs12.posted_intr_desc_addr = i & 2 ? nowhere : there;
        nested_merge(m->cpu, pdpte);
        assert_int_equal(n->now->vapic_nowhere, i & 1);
    }
}

static void writes_to_nowhere(void **state)
{
    (void)state;
    on_machine(nowhere_rows);
}

/* ---- the short way of CPUID ------------------------------------------------------------------ */

static u32 short_ways;

/* One CPUID of L1 in a state of its own: what the short way did, the row would have
 * done as well. */
static void one_cpuid(struct machine *m, u32 state)
{
    static const u32 leaves[] = {0, 1, 2, 7, 0xb, 0xd, 0x14, 0x1f, 0x20, 0x40000000, 0x80000001};
    struct vmcs_image *v = &m->current->v, before, after;
    struct cpu *cpu = m->cpu;

    v->guest_rflags =
        RFLAGS_FIXED | RFLAGS_IF | (state & 1 ? RFLAGS_TF : 0) | (state & 2 ? RFLAGS_RF : 0);
    v->guest_debugctl = state & 4 ? DEBUGCTL_BTF : 0;
    v->guest_interruptibility = state >> 3 & 3;
    v->guest_pending_dbg_exceptions = 0;
    v->guest_rip = state & 32 ? 0xffffffff : 0x100000;
    v->guest_efer = state & 64 ? EFER_LMA | EFER_LME : 0;
    v->exit_instruction_len = 2;
    v->exit_reason = EXIT_REASON_CPUID;
    cpu->regs.gpr[REG_RAX] = leaves[state >> 8];
    cpu->regs.gpr[REG_RCX] = 0;
    struct regs regs = cpu->regs, regs_after;
    before = *v;
    if (!emulate_short(&cpu->percpu)) {
        assert_memory_equal(&before, v, sizeof before);
        return;
    }
    short_ways++;
    after = *v;
    regs_after = cpu->regs;
    *v = before;
    cpu->regs = regs;
    exit_snapshot(cpu, SNAP_STEP);
    assert_int_equal(emulate_cpuid(cpu), ADVANCE);
    exit_advance(cpu);
    assert_memory_equal(v, &after, sizeof after);
    assert_memory_equal(&cpu->regs, &regs_after, sizeof regs_after);
}

static void all_cpuids(struct machine *m, struct vmcs_image *v)
{
    (void)v;
    for (u32 state = 0; state < 11u << 8; state++)
        one_cpuid(m, state);
}

static void short_way_is_the_long_one(void **state)
{
    (void)state;
    on_machine(all_cpuids);
    assert_true(short_ways > 0);
}

/* No exit falls through: a reason without a row would be called at address 0. SDM 3D C "VMX
 * Basic Exit Reasons" */
static void every_reason_has_a_row(void **state)
{
    (void)state;
    for (u32 i = 0; i < EXIT_ROWS; i++)
        assert_non_null(exit_rows_l1[i].handle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instructions_are_completed),
        cmocka_unit_test(msr_accesses_exit),
        cmocka_unit_test(owned_bits),
        cmocka_unit_test(owned_write_runs_again),
        cmocka_unit_test(efer_is_judged),
        cmocka_unit_test(operands_have_the_modes_width),
        cmocka_unit_test(vpids_have_tags),
        cmocka_unit_test(keys_are_obeyed),
        cmocka_unit_test(mitigations_stay),
        cmocka_unit_test(writes_to_nowhere),
        cmocka_unit_test(short_way_is_the_long_one),
        cmocka_unit_test(every_reason_has_a_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
