/* SPDX-License-Identifier: BSD-2-Clause */
/* L1: its VMX instructions, its registers, its pages. Contract in play.h. */
#include "tests/machine/play.h"
#include "tests/lib/valid.h"
#include <string.h>

#define VMXON_PAGE 0x50000u
#define VMCS_PAGE  0x60000u /* the first of VMCS_PAGES */
#define OPERAND    0x6000u
#define VMCS_PAGES 4u

static struct play_input input;
static bool enter_next; /* L1 has just built a VMCS, and most often enters L2 with that VMCS */
static u32 cleared;     /* 1 + the page that L1 has just cleared, to build a VMCS there; or 0 */
static bool behind_l2;  /* L1 has not tried to go on with L2 since its last exit */

u8 play_byte(void)
{
    if (input.left == 0)
        return 0;
    input.left--;
    return *input.at++;
}

u64 play_number(unsigned size)
{
    u64 v = 0;
    while (size--)
        v = v << 8 | play_byte();
    return v;
}

u64 play_edgy(void)
{
    u8 how = play_byte();
    switch (how & 7) {
    case 0:
        return BIT(how >> 2 & 63);
    case 1:
        return ~0ull >> (how >> 2 & 63);
    case 2:
        return play_byte();
    case 3:
        return ~0ull << (how >> 2 & 63);
    case 4:
        return play_number(2) << 12;
    case 5:
        return play_number(4);
    default:
        return play_number(8);
    }
}

u64 play_bits(u64 may)
{
    return play_number(8) & may;
}

void play_edit(struct vmcs_image *v, enum vmcs_field f)
{
    u8 how = play_byte();
    u64 was = vmcs12_get(v, f);
    vmcs12_set(v, f, how & 0x80 ? play_edgy() : was ^ BIT(how & 63));
}

/* ---- instructions of L1: their exits --------------------------------------------------------- */

enum vmx_enter play_memory_operand(u32 reason, u64 value)
{
    struct vmcs_image *v = &machine.current->v;
    memcpy(machine.ram + OPERAND, &value, sizeof value);
    v->exit_qualification = OPERAND;
    bool mode64 = any(v->guest_efer, EFER_LMA);
    /* DS:[address] */
    v->exit_instruction_info = 3u << 15 | (mode64 ? 2u : 1u) << 7 | BIT(22) | BIT(27);
    v->exit_instruction_len = 4;
    return machine_exit(reason);
}

enum vmx_enter play_vmwrite(u64 encoding, u64 value)
{
    struct vmcs_image *v = &machine.current->v;
    machine.cpu->regs.gpr[REG_RAX] = value;
    machine.cpu->regs.gpr[REG_RCX] = encoding;
    v->exit_instruction_info = BIT(10) | (u32)REG_RAX << 3 | (u32)REG_RCX << 28;
    v->exit_instruction_len = 3;
    return machine_exit(EXIT_REASON_VMWRITE);
}

/* ---- what L1 does without an exit ------------------------------------------------------------ */

static u32 within(u32 word, struct ctl_range r)
{
    return (word | r.must_be_1) & r.may_be_1;
}

/* Makes the control words legal by the capabilities that L1 is shown. */
static void fit_controls(struct vmcs_image *v)
{
    const struct vmx_caps *c = &machine.cpu->nested->caps;
    v->pin_ctl = within(v->pin_ctl, vcaps_pin(c));
    v->cpu1_ctl = within(v->cpu1_ctl, vcaps_cpu1(c));
    v->cpu2_ctl = within(v->cpu2_ctl, vcaps_cpu2(c));
    v->exit_ctl = within(v->exit_ctl, vcaps_exit(c));
    v->entry_ctl = within(v->entry_ctl, vcaps_entry(c));
}

/* Changes fields together that rules tie together. An edit of one of them alone would always be
 * refused. */
static void tie(struct vmcs_image *v, u8 what)
{
    if (what & 1) {
        v->guest_rflags |= RFLAGS_TF | RFLAGS_IF;
        v->guest_interruptibility = what & 2 ? BLOCKING_BY_STI : BLOCKING_BY_MOV_SS;
        v->guest_debugctl = what & 4 ? DEBUGCTL_BTF : 0;
        v->guest_pending_dbg_exceptions = what & 4 ? 0 : PENDING_DBG_BS;
    }
    if (what & 8) {
        v->pin_ctl |= PIN_NMI_EXITING | PIN_VIRTUAL_NMIS;
        v->guest_interruptibility |= what & 16 ? BLOCKING_BY_NMI : 0;
    }
    if (what & 32)
        v->entry_intr_info = play_event();
    if (what & 128)
        v->guest_activity_state = 1;
}

/* Writes a valid VMCS of some mode, with a few edits, into a page of L1's memory, as L1 may. */
static void build(u32 page)
{
    static struct valid t;
    u8 head = play_byte(), edits = play_byte();
    valid_build(&t, (enum valid_base)(head % BASE_COUNT), CPU_E5_2683_V4);
    t.v.revision = VMCS12_REVISION;
    t.v.host_cr3 = head % BASE_COUNT == BASE_P32 ? 0x3000 : 0x1000;
    t.v.virtual_apic_addr = 0x90000;
    t.v.entry_instruction_len = 2;
    if (edits & 0x40) {
        t.v.exit_ctl |= EXIT_LOAD_PAT | EXIT_LOAD_EFER | EXIT_SAVE_PAT | EXIT_SAVE_EFER;
        t.v.entry_ctl |= ENTRY_LOAD_PAT | ENTRY_LOAD_EFER;
    }
    if (edits & 0x10) { /* some registers are loaded and not saved, or L1's */
        t.v.exit_ctl ^= (u32)play_bits(EXIT_SAVE_DEBUG_CONTROLS | EXIT_SAVE_PAT | EXIT_SAVE_EFER);
        t.v.entry_ctl ^=
            (u32)play_bits(ENTRY_LOAD_DEBUG_CONTROLS | ENTRY_LOAD_PAT | ENTRY_LOAD_EFER);
    }
    if (edits & 0x20)
        tie(&t.v, play_byte());
    for (u32 i = edits & 7; i > 0; i--)
        play_edit(&t.v, (enum vmcs_field)(play_byte() % F_COUNT));
    if (edits & 0x18)
        fit_controls(&t.v);
    t.v.launch_state = edits & 0x80 ? LAUNCH_LAUNCHED : LAUNCH_CLEAR;
    vmcs12_store_page(&t.v, machine.ram + VMCS_PAGE + page * PAGE_SIZE);
}

/* L1 changes registers without an exit. L1's mode stays, and no change is one that the processor
 * would refuse. */
static void l1_registers(void)
{
    struct vmcs_image *v = &machine.current->v;
    u8 what = play_byte();
    if (what & 1)
        v->guest_debugctl = play_bits(~machine.facts.debugctl_reserved);
    if (what & 2)
        v->guest_dr7 = 0x400 | play_bits(0xffff23ff);
    if (what & 4)
        v->guest_efer ^= play_bits(EFER_SCE | EFER_NXE);
    if (what & 8)
        v->guest_pat = 0x0606040404010000 ^ play_bits(0x0101010101010101);
    if (what & 16)
        v->guest_cr0 ^= play_bits(CR0_CD | CR0_TS | CR0_WP | CR0_AM | CR0_MP | CR0_EM);
    if (what & 32)
        v->guest_rflags ^= play_bits(RFLAGS_IF | RFLAGS_TF | RFLAGS_AC);
    if ((what & 64) && any(machine.cpu->vm->facts.vmx.exit, (u64)EXIT_LOAD_PERF_GLOBAL_CTRL << 32))
        v->guest_perf_global_ctrl = play_bits(~machine.facts.perf_global_reserved);
    if ((what & 128) && any(v->guest_rflags, RFLAGS_IF) && v->guest_interruptibility == 0 &&
        !any(v->guest_rflags, RFLAGS_TF))
        v->guest_interruptibility = BLOCKING_BY_STI;
}

/* L1 repairs its state as code of its own could: 64-bit mode, or 32-bit mode with PAE; flat
 * segments; its own page tables. */
static void l1_repairs(bool mode64)
{
    struct vmcs_image *v = &machine.current->v;
    v->guest_cr0 = CR0_PG | CR0_NE | CR0_ET | CR0_PE | CR0_WP;
    v->guest_cr3 = mode64 ? 0x1000 : 0x3000;
    v->guest_cr4 = CR4_PAE | CR4_VMXE;
    v->guest_efer = mode64 ? EFER_LME | EFER_LMA : 0;
    v->entry_ctl &= ~(u32)ENTRY_IA32E_MODE_GUEST;
    v->entry_ctl |= mode64 ? ENTRY_IA32E_MODE_GUEST : 0;
    v->guest_pdptr0 = v->guest_pdptr1 = v->guest_pdptr2 = v->guest_pdptr3 = 0x5001;
    v->guest_cs_selector = 8;
    v->guest_cs_ar = ar_pack(mode64 ? 0xa09b : 0xc09b);
    v->guest_rflags = 2;
    v->guest_rip = 0x100000;
    v->guest_ds_ar = ar_pack(0xc093);
    v->guest_ds_selector = 0x10;
    v->guest_ds_base = 0;
    v->guest_ds_limit = 0xffffffff;
    v->guest_interruptibility = 0;
}

/* EPT01 follows. */
static enum vmx_enter mtrrs_on_or_off(void)
{
    struct cpu *cpu = machine.cpu;
    cpu->regs.gpr[REG_RCX] = MSR_IA32_MTRR_DEF_TYPE;
    cpu->regs.gpr[REG_RAX] = cpu->mtrr.def_type ? 0 : 0x806;
    cpu->regs.gpr[REG_RDX] = 0;
    return machine_exit(EXIT_REASON_WRMSR);
}

static enum vmx_enter step_l1(struct machine *m)
{
    struct vmcs_image *v = &m->current->v;
    u8 op = play_byte();
    u32 page = op >> 4 & 3;
    v->exit_instruction_len = 3;
    if (behind_l2 && op & 0x40) /* as L1s do all day */
        return machine_exit(EXIT_REASON_VMRESUME);
    if (behind_l2 && op & 0x20)
        return play_l1_vmwrite((op & 15) == 15);
    if (cleared) {
        page = cleared - 1;
        cleared = 0;
        build(page);
        enter_next = true;
        return play_memory_operand(EXIT_REASON_VMPTRLD, VMCS_PAGE + page * PAGE_SIZE);
    }
    if (enter_next && op & 0x80) {
        enter_next = false;
        return machine_exit(m->cpu->nested->now->vmcs12.launch_state == LAUNCH_CLEAR
                                ? EXIT_REASON_VMLAUNCH
                                : EXIT_REASON_VMRESUME);
    }
    switch (op & 15) {
    case 0:
    case 1:
    case 2:
        cleared = page + 1; /* while a VMCS is active, L1 may not write its page */
        return play_memory_operand(EXIT_REASON_VMCLEAR, VMCS_PAGE + page * PAGE_SIZE);
    case 3:
    case 4:
        return machine_exit(EXIT_REASON_VMLAUNCH);
    case 5:
    case 6:
    case 7:
        return machine_exit(EXIT_REASON_VMRESUME);
    case 8:
    case 9:
        return play_l1_vmwrite(false);
    case 10:
        return play_memory_operand(EXIT_REASON_VMCLEAR, VMCS_PAGE + page * PAGE_SIZE);
    case 11:
        return play_memory_operand(EXIT_REASON_VMPTRLD, VMCS_PAGE + page * PAGE_SIZE);
    case 12:
        l1_registers();
        return machine_exit(EXIT_REASON_CPUID);
    case 13:
        l1_repairs(op & 0x30);
        return machine_exit(EXIT_REASON_CPUID);
    case 14:
        if (op & 0x10)
            return mtrrs_on_or_off();
        percpu()->nmi_pending = 1;
        return machine_exit(EXIT_REASON_CPUID);
    default:
        m->ram[0x2000 + (op >> 4 & 1) * 0x1000 + (play_byte() & 31)] ^= play_byte();
        return machine_exit(EXIT_REASON_INVD);
    }
}

/* True when an NMI window that L0 asked for is open. That exit comes before the guest does
 * anything. */
static bool window_open(const struct vmcs_image *v)
{
    return any(v->cpu1_ctl, CPU1_NMI_WINDOW_EXITING) && !any(v->entry_intr_info, INTR_VALID) &&
           !any(v->guest_interruptibility, BLOCKING_BY_NMI | BLOCKING_BY_MOV_SS | BLOCKING_BY_STI);
}

static enum vmx_enter play_l1(struct machine *m)
{
    struct vmcs_image *v = &m->current->v;
    /* L1 has executed an instruction: blocking has ended and pending traps have been delivered. */
    v->guest_interruptibility &= ~(u32)(BLOCKING_BY_STI | BLOCKING_BY_MOV_SS);
    v->guest_pending_dbg_exceptions = 0;
    v->guest_activity_state = ACTIVITY_ACTIVE;
    if (window_open(v))
        return machine_exit(EXIT_REASON_NMI_WINDOW);
    if (!m->cpu->nested->vmxon)
        return play_memory_operand(EXIT_REASON_VMXON, VMXON_PAGE);
    return play_burst ? play_l1_vmwrite(false) : step_l1(m);
}

static enum vmx_enter step(struct machine *m)
{
    if (input.left == 0)
        machine_end();
    if (m->cpu->in_l2) {
        behind_l2 = true;
        return play_l2(m);
    }
    enum vmx_enter how = play_l1(m);
    behind_l2 = behind_l2 && m->current->v.exit_reason != EXIT_REASON_VMRESUME;
    return how;
}

const char *play(const u8 *bytes, size_t size)
{
    static const u32 stress[4] = {0, STRESS_PARANOID, STRESS_RESTORE | STRESS_PARANOID,
                                  STRESS_REMERGE};
    const u32 revision = VMCS12_REVISION;

    input = (struct play_input){bytes, size};
    enter_next = behind_l2 = false;
    cleared = play_burst = 0;
    if (!machine_reset_to((enum machine_model)(play_byte() % MODEL_COUNT)))
        return "";
    machine.play = step;
    memcpy(machine.ram + VMXON_PAGE, &revision, sizeof revision);
    for (u32 i = 0; i < VMCS_PAGES; i++)
        memcpy(machine.ram + VMCS_PAGE + i * PAGE_SIZE, &revision, sizeof revision);
    u8 options = play_byte();
    machine.fast = options >> 5 & 1;
    if (!machine_run(options & 3, options >> 2 & 1, stress[options >> 3 & 3]))
        return machine.bug[0] && strstr(machine.bug, "not start") ? "" : machine.bug;
    return machine.bug;
}
