/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exit routing. One switch in the order of SDM 3D C "VMX Basic Exit Reasons". A case that needs
 * more than a control bit has a function above the switch. Contract in route.h. Read next: event.c
 * for exceptions, then hv/nested/crossing/l2exit.c, which acts on the route.
 */
#include "hv/vmcs12/route.h"
#include "hv/arch/cpu.h"
#include "hv/arch/vmx_ctl.h"
#include "hv/vmcs12/event.h"

static enum route l1_if(bool wants)
{
    return wants ? ROUTE_L1 : ROUTE_L0;
}

/* Whether vmcs12 has this primary, or secondary, control on. The secondary controls count only when
 * they are activated. */
static bool cpu1(const struct route_env *e, u32 bit)
{
    return any(e->v12->cpu1_ctl, bit);
}

static bool cpu2(const struct route_env *e, u32 bit)
{
    return any(vmcs12_cpu2(e->v12), bit);
}

/* The pin-based controls decide about NMIs, the exception bitmap about exceptions.
 * SDM 3C 26.2 "Other Causes of VM Exits" */
static enum route exception_or_nmi(const struct route_env *e)
{
    u32 info = e->x->intr_info;

    if (INTR_TYPE(info) == INTR_NMI)
        return l1_if(any(e->v12->pin_ctl, PIN_NMI_EXITING));
    return l1_if(event_exits_to_l1(e->v12, INTR_VECTOR(info), e->x->intr_error));
}

/* "LMSW never clears bit 0 of CR0 (PE)". So a masked PE makes LMSW exit only when the source sets
 * PE and the shadow shows 0. */
static bool lmsw_exits(const struct route_env *e)
{
    u64 mask = e->v12->cr0_guest_host_mask, shadow = e->v12->cr0_read_shadow;
    u64 source = qual_cr_lmsw(e->x->qual);

    if (any(mask & source & ~shadow, CR0_PE))
        return true;
    return any(mask & (source ^ shadow), CR0_MP | CR0_EM | CR0_TS);
}

static bool cr3_load_exits(const struct route_env *e)
{
    const struct vmcs_image *v = e->v12;

    if (!cpu1(e, CPU1_CR3_LOAD_EXITING))
        return false;
    switch (v->cr3_target_count) {
    default: /* no profile allows more than four, so such an entry was refused */
        return true;
    case 4:
        if (e->operand == v->cr3_target_value3)
            return false;
        /* fall through */
    case 3:
        if (e->operand == v->cr3_target_value2)
            return false;
        /* fall through */
    case 2:
        if (e->operand == v->cr3_target_value1)
            return false;
        /* fall through */
    case 1:
        return e->operand != v->cr3_target_value0;
    case 0:
        return true;
    }
}

/* MOV to CR0 or CR4 exits when the source differs from the read shadow in a bit that L1 masks. */
static bool mov_to_cr_exits(const struct route_env *e)
{
    const struct vmcs_image *v = e->v12;

    switch (qual_cr_number(e->x->qual)) {
    case 0:
        return any(v->cr0_guest_host_mask, e->operand ^ v->cr0_read_shadow);
    case 3:
        return cr3_load_exits(e);
    case 4:
        return any(v->cr4_guest_host_mask, e->operand ^ v->cr4_read_shadow);
    case 8:
        return cpu1(e, CPU1_CR8_LOAD_EXITING);
    default:
        return false;
    }
}

/* SDM 3C 26.1.3 "Instructions That Cause VM Exits Conditionally": CLTS, LMSW, MOV CR */
static bool cr_access_exits(const struct route_env *e)
{
    const struct vmcs_image *v = e->v12;

    switch (qual_cr_type(e->x->qual)) {
    case CR_MOV_TO:
        return mov_to_cr_exits(e);
    case CR_MOV_FROM:
        return qual_cr_number(e->x->qual) == 8 ? cpu1(e, CPU1_CR8_STORE_EXITING)
                                               : cpu1(e, CPU1_CR3_STORE_EXITING);
    case CR_CLTS:
        return any(v->cr0_guest_host_mask & v->cr0_read_shadow, CR0_TS);
    default:
        return lmsw_exits(e);
    }
}

/* "Unconditional I/O exiting" is ignored while I/O bitmaps are used. */
static bool io_exits(const struct route_env *e)
{
    return cpu1(e, CPU1_USE_IO_BITMAPS) ? e->bitmap_hit : cpu1(e, CPU1_UNCOND_IO_EXITING);
}

/* L0 emulates the function that vmcs12 enables, which is EPTP switching. VMFUNC with any other
 * function is an exit to L1. SDM 3C 26.5.6.2 "General Operation of the VMFUNC Instruction" */
static bool vmfunc_exits(const struct route_env *e)
{
    u64 function = (u32)e->operand;
    return function > 63 || !any(e->v12->vmfunc_ctl, BIT(function));
}

bool route_needs_bitmap(const struct route_env *e)
{
    switch (EXIT_REASON_BASIC(e->x->reason)) {
    case EXIT_REASON_IO_INSTRUCTION:
        return cpu1(e, CPU1_USE_IO_BITMAPS);
    case EXIT_REASON_RDMSR:
    case EXIT_REASON_WRMSR:
        return cpu1(e, CPU1_USE_MSR_BITMAPS);
    case EXIT_REASON_VMREAD:
    case EXIT_REASON_VMWRITE:
        return cpu2(e, CPU2_VMCS_SHADOWING);
    default:
        return false;
    }
}

enum route route_exit(const struct route_env *e)
{
    /* The processor refused vmcs02 although our rules had passed vmcs12. L2 did not cause this. */
    if (any(e->x->reason, EXIT_REASON_ENTRY_FAIL))
        return ROUTE_L0_FIRST;

    switch (EXIT_REASON_BASIC(e->x->reason)) {
    case EXIT_REASON_EXCEPTION_NMI:
        return exception_or_nmi(e);
    case EXIT_REASON_EXTERNAL_INTERRUPT:
        return l1_if(any(e->v12->pin_ctl, PIN_EXT_INTR_EXITING));
    case EXIT_REASON_TRIPLE_FAULT:
    case EXIT_REASON_INIT:
    case EXIT_REASON_SIPI:
        return ROUTE_L1;
    case EXIT_REASON_IO_SMI: /* exists only in the dual-monitor treatment, which L0 never enters */
    case EXIT_REASON_OTHER_SMI:
        return ROUTE_UNEXPECTED;
    case EXIT_REASON_INTERRUPT_WINDOW:
        return l1_if(cpu1(e, CPU1_INTR_WINDOW_EXITING));
    case EXIT_REASON_NMI_WINDOW:
        return l1_if(cpu1(e, CPU1_NMI_WINDOW_EXITING));
    case EXIT_REASON_TASK_SWITCH:
    case EXIT_REASON_CPUID:
    case EXIT_REASON_GETSEC:
        return ROUTE_L1;
    case EXIT_REASON_HLT:
        return l1_if(cpu1(e, CPU1_HLT_EXITING));
    case EXIT_REASON_INVD:
        return ROUTE_L1;
    case EXIT_REASON_INVLPG:
        return l1_if(cpu1(e, CPU1_INVLPG_EXITING));
    case EXIT_REASON_RDPMC:
        return l1_if(cpu1(e, CPU1_RDPMC_EXITING));
    case EXIT_REASON_RDTSC:
        return l1_if(cpu1(e, CPU1_RDTSC_EXITING));
    case EXIT_REASON_RSM: /* outside SMM RSM causes #UD */
        return ROUTE_UNEXPECTED;
    case EXIT_REASON_VMCALL:
    case EXIT_REASON_VMCLEAR:
    case EXIT_REASON_VMLAUNCH:
    case EXIT_REASON_VMPTRLD:
    case EXIT_REASON_VMPTRST:
        return ROUTE_L1;
    case EXIT_REASON_VMREAD:
    case EXIT_REASON_VMWRITE: /* L0 answers from the shadow VMCS when L1's bitmaps permit */
        return l1_if(!cpu2(e, CPU2_VMCS_SHADOWING) || e->bitmap_hit);
    case EXIT_REASON_VMRESUME:
    case EXIT_REASON_VMXOFF:
    case EXIT_REASON_VMXON:
        return ROUTE_L1;
    case EXIT_REASON_CR_ACCESS:
        return l1_if(cr_access_exits(e));
    case EXIT_REASON_MOV_DR:
        return l1_if(cpu1(e, CPU1_MOV_DR_EXITING));
    case EXIT_REASON_IO_INSTRUCTION:
        return l1_if(io_exits(e));
    case EXIT_REASON_RDMSR:
    case EXIT_REASON_WRMSR:
        return l1_if(!cpu1(e, CPU1_USE_MSR_BITMAPS) || e->bitmap_hit);
    case EXIT_REASON_ENTRY_GUEST_STATE: /* without bit 31 these three do not exist */
    case EXIT_REASON_ENTRY_MSR_LOADING:
        return ROUTE_UNEXPECTED;
    case EXIT_REASON_MWAIT:
        return l1_if(cpu1(e, CPU1_MWAIT_EXITING));
    case EXIT_REASON_MONITOR_TRAP_FLAG:
        /* L1 can inject a pending MTF exit (type 7), so this exit needs no control. */
        return ROUTE_L1;
    case EXIT_REASON_MONITOR:
        return l1_if(cpu1(e, CPU1_MONITOR_EXITING));
    case EXIT_REASON_PAUSE:
        return l1_if(cpu1(e, CPU1_PAUSE_EXITING) || cpu2(e, CPU2_PAUSE_LOOP_EXITING));
    case EXIT_REASON_ENTRY_MACHINE_CHECK:
        return ROUTE_UNEXPECTED;
    case EXIT_REASON_TPR_BELOW_THRESHOLD:
        return l1_if(cpu1(e, CPU1_USE_TPR_SHADOW));
    case EXIT_REASON_APIC_ACCESS:
        return l1_if(cpu2(e, CPU2_VIRTUALIZE_APIC_ACCESSES));
    case EXIT_REASON_VIRTUALIZED_EOI:
        return l1_if(cpu2(e, CPU2_VIRTUAL_INTR_DELIVERY));
    case EXIT_REASON_GDTR_IDTR_ACCESS:
    case EXIT_REASON_LDTR_TR_ACCESS:
        return l1_if(cpu2(e, CPU2_DESCRIPTOR_TABLE_EXITING));
    case EXIT_REASON_EPT_VIOLATION:
    case EXIT_REASON_EPT_MISCONFIG: /* with EPT12 the walk decides; without EPT12 L0's */
        return cpu2(e, CPU2_ENABLE_EPT) ? ROUTE_L0_FIRST : ROUTE_L0;
    case EXIT_REASON_INVEPT:
        return ROUTE_L1;
    case EXIT_REASON_RDTSCP:
        return l1_if(cpu1(e, CPU1_RDTSC_EXITING));
    case EXIT_REASON_PREEMPTION_TIMER:
        return l1_if(any(e->v12->pin_ctl, PIN_PREEMPTION_TIMER));
    case EXIT_REASON_INVVPID:
        return ROUTE_L1;
    case EXIT_REASON_WBINVD:
        return l1_if(cpu2(e, CPU2_WBINVD_EXITING));
    case EXIT_REASON_XSETBV:
        return ROUTE_L1;
    case EXIT_REASON_APIC_WRITE:
        return l1_if(cpu2(e, CPU2_APIC_REGISTER_VIRT | CPU2_VIRTUAL_INTR_DELIVERY));
    case EXIT_REASON_RDRAND:
        return l1_if(cpu2(e, CPU2_RDRAND_EXITING));
    case EXIT_REASON_INVPCID:
        return l1_if(cpu1(e, CPU1_INVLPG_EXITING) && cpu2(e, CPU2_ENABLE_INVPCID));
    case EXIT_REASON_VMFUNC:
        return l1_if(vmfunc_exits(e));
    case EXIT_REASON_ENCLS:
        return l1_if(cpu2(e, CPU2_ENCLS_EXITING));
    case EXIT_REASON_RDSEED:
        return l1_if(cpu2(e, CPU2_RDSEED_EXITING));
    case EXIT_REASON_PML_FULL: /* L1 is shown no page-modification log, and vmcs02 has none */
        return ROUTE_L0;
    case EXIT_REASON_XSAVES:
    case EXIT_REASON_XRSTORS:
        return l1_if(cpu2(e, CPU2_ENABLE_XSAVES));
    case EXIT_REASON_PCONFIG:
        return l1_if(cpu2(e, CPU2_ENABLE_PCONFIG));
    case EXIT_REASON_SPP_EVENT:
        return ROUTE_UNEXPECTED;
    case EXIT_REASON_UMWAIT:
    case EXIT_REASON_TPAUSE:
        return l1_if(cpu1(e, CPU1_RDTSC_EXITING) && cpu2(e, CPU2_USER_WAIT_PAUSE));
    case EXIT_REASON_ENCLV:
        return l1_if(cpu2(e, CPU2_ENCLV_EXITING));
    case EXIT_REASON_LOADIWKEY: /* vmcs02 never has the controls of these five on */
    case EXIT_REASON_ENQCMD_PASID:
    case EXIT_REASON_ENQCMDS_PASID:
    case EXIT_REASON_BUS_LOCK:
    case EXIT_REASON_INSTRUCTION_TIMEOUT:
    case EXIT_REASON_SEAMCALL: /* unconditional exits of instructions that L1 is not shown */
    case EXIT_REASON_TDCALL:
        return ROUTE_UNEXPECTED;
    }
    return ROUTE_UNEXPECTED;
}
