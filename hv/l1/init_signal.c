/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * INIT and SIPI while L1 runs. At an INIT the processor takes its INIT state; memory, MSRs, caches
 * and FPU state stay. The bootstrap processor then starts at the reset vector, and any other waits
 * for a SIPI. A SIPI that comes before L1 is entered in that state is lost, so the way there writes
 * no log line and touches no table.
 * SDM 3A 9.1.1 "Processor State After Reset", SDM 3A 9.4 "Multiple-Processor (MP) Initialization"
 */
#include "hv/l1/l1.h"
#include "hv/nested/nested.h"
#include "hv/vmx/insn.h"
#include "hv/core/privileged.h"
#include "hv/core/lib.h"

#define RESET_CS_SELECTOR 0xf000u
#define RESET_CS_BASE     0xffff0000u
#define RESET_IP          0xfff0u
#define RESET_LIMIT       0xffffu
#define RESET_DR6         0xffff0ff0u
#define RESET_DR7         0x400u
#define AR_RESET_DATA     0x93u
#define AR_RESET_LDT      0x82u
#define AR_RESET_TSS      0x8bu

static void init_segments(void)
{
    struct segment seg[SEG_COUNT];
    for (u32 i = 0; i < SEG_COUNT; i++)
        seg[i] = (struct segment){.limit = RESET_LIMIT, .ar = AR_RESET_DATA};
    seg[SEG_CS].selector = RESET_CS_SELECTOR;
    seg[SEG_CS].base = RESET_CS_BASE;
    seg[SEG_LDTR].ar = AR_RESET_LDT;
    seg[SEG_TR].ar = AR_RESET_TSS;
    for (enum seg_number i = 0; i < SEG_COUNT; i++)
        vmcs_segment_write(i, &seg[i]);
    vmcs_write(ENC_guest_gdtr_base, 0);
    vmcs_write(ENC_guest_gdtr_limit, RESET_LIMIT);
    vmcs_write(ENC_guest_idtr_base, 0);
    vmcs_write(ENC_guest_idtr_limit, RESET_LIMIT);
}

/* CAVEAT(bochs-init-state) */
static void init_control_registers(struct cpu *cpu)
{
    u64 kept = vmcs_read(ENC_guest_cr0) & (CR0_CD | CR0_NW);
    u64 entry = vmcs_read(ENC_entry_ctl);
    cpu->cr0_shadow = kept | CR0_ET;
    cpu->cr4_shadow = 0;
    vmcs_write(ENC_guest_cr0, kept | CR0_ET | CR0_NE);
    vmcs_write(ENC_cr0_read_shadow, cpu->cr0_shadow);
    vmcs_write(ENC_guest_cr3, 0);
    vmcs_write(ENC_guest_cr4, CR4_VMXE);
    vmcs_write(ENC_cr4_read_shadow, 0);
    vmcs_write(ENC_guest_efer, 0);
    vmcs_write(ENC_entry_ctl, entry & ~(u64)ENTRY_IA32E_MODE_GUEST);
    vmcs_write(ENC_guest_dr7, RESET_DR7);
    write_cr2(0);
    clear_breakpoints();
    write_dr6(RESET_DR6);
}

static bool is_bsp(void)
{
    return any(rdmsr(MSR_IA32_APIC_BASE), APIC_BASE_BSP);
}

/* While L1 is in VMX operation, it runs in root mode to itself. Root mode blocks an INIT, and
 * the INIT waits for VMXOFF or a VM entry. CAVEAT(bochs-init-pending) */
enum outcome emulate_init(struct cpu *cpu)
{
    if (cpu->nested && cpu->nested->vmxon) {
        cpu->nested->init_blocked = true;
        return RESUME;
    }
    nmi_forget(cpu);
    init_segments();
    init_control_registers(cpu);
    memset(cpu->regs.gpr, 0, sizeof cpu->regs.gpr);
    cpu->regs.gpr[REG_RDX] = cpuid(1, 0).eax;
    vmcs_write(ENC_guest_rsp, 0);
    vmcs_write(ENC_guest_rip, RESET_IP);
    vmcs_write(ENC_guest_rflags, RFLAGS_FIXED);
    vmcs_write(ENC_guest_interruptibility, 0);
    vmcs_write(ENC_guest_activity_state, is_bsp() ? ACTIVITY_ACTIVE : ACTIVITY_WAIT_SIPI);
    vmcs_write(ENC_guest_pending_dbg_exceptions, 0);
    vpid01_flush(cpu); /* INIT invalidates the TLB */
    return RESUME;
}

/* SDM 3C 26.2 "Other Causes of VM Exits" */
enum outcome emulate_sipi(struct cpu *cpu)
{
    u64 vector = cpu->exit.qual & 0xff;
    struct segment cs = {.selector = (u16)(vector << 8),
                         .base = vector << 12,
                         .limit = RESET_LIMIT,
                         .ar = AR_RESET_DATA};
    vmcs_segment_write(SEG_CS, &cs);
    vmcs_write(ENC_guest_rip, 0);
    vmcs_write(ENC_guest_activity_state, ACTIVITY_ACTIVE);
    vmcs_write(ENC_guest_interruptibility, 0); /* CAVEAT(bochs-sipi-smi) */
    return RESUME;
}
