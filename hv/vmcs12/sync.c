/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An exit of L2 to L1: vmcs12's guest area and exit information, then the host state in which L1
 * goes on. Contract in sync.h; sync.def has the value of each computed field of vmcs12.
 */
#include "hv/vmcs12/sync.h"
#include "hv/arch/cpu.h"
#include "hv/arch/paging.h"
#include "hv/vmcs12/check_inputs.h"

/* Each SYNTH row has exactly one line in sync.def, as in merge.c. */
enum {
#define FIELD(enc, width, area, name, gate, to02, to12) TO12_OF_##name = TO12_##to12,
#include "hv/vmcs12/fields.def"
};
enum {
#define SYNTHED(name, value) SYNTHED_##name,
#include "hv/vmcs12/sync.def"
    SYNTHED_COUNT
};
#define FIELD(enc, width, area, name, gate, to02, to12) +(TO12_##to12 == TO12_SYNTH)
enum {
    ROWS_TO_SYNTH = 0
#include "hv/vmcs12/fields.def"
};
_Static_assert((int)SYNTHED_COUNT == (int)ROWS_TO_SYNTH, "sync.def misses a row");
#define SYNTHED(name, value) \
    _Static_assert((int)TO12_OF_##name == (int)TO12_SYNTH, #name " is not synthesised");
#include "hv/vmcs12/sync.def"

static bool saves(const struct vmcs_image *v12, u32 exit_bit)
{
    return any(v12->exit_ctl, exit_bit);
}

/* "VM exits store the value of IA32_EFER.LMA into the 'IA-32e mode guest' VM-entry control" on
 * processors whose IA32_VMX_MISC bit 5 says so. SDM 3D A.6 "Miscellaneous Data" */
static u32 entry_ctl_after(const struct sync_env *env, const struct vmcs_image *v12)
{
    u32 lma = any(env->v02->guest_efer, EFER_LMA) ? ENTRY_IA32E_MODE_GUEST : 0;

    if (!any(env->vcaps->misc, VMX_MISC_SAVES_LMA))
        return v12->entry_ctl;
    return (v12->entry_ctl & ~(u32)ENTRY_IA32E_MODE_GUEST) | lma;
}

/* True when an exit saves the PDPTEs: EPT12 is on and L2 uses PAE paging. Otherwise the saved
 * values are undefined, and this code leaves the fields as they are. */
static bool saves_pdptes(const struct vmcs_image *v12, const struct vmcs_image *v02)
{
    return any(vmcs12_cpu2(v12), CPU2_ENABLE_EPT) && any(v02->guest_cr0, CR0_PG) &&
           any(v02->guest_cr4, CR4_PAE) && !any(v02->guest_efer, EFER_LMA);
}

/* Most fields that a rule reads have not changed. */
#define PUT(name, value)                                             \
    do {                                                             \
        vmcs_type_##name to = (vmcs_type_##name)(value);             \
        if (!check_readers[F_##name] || UNLIKELY(v12->name != to)) { \
            changed |= check_changed(F_##name, v12->name, to);       \
            v12->name = to;                                          \
        }                                                            \
    } while (0);

u32 sync_exit12(const struct sync_env *env, struct vmcs_image *v12)
{
    const struct vmcs_image *v02 = env->v02;
    const struct vmexit *x = env->x;
    u32 changed = 0;

    /* A value in sync.def may read its own field of vmcs12, but no field that an earlier line of
     * sync.def writes. */
#define SYNTHED(name, value) PUT(name, value)
#include "hv/vmcs12/sync.def"

#define GET_SAVE(name)                                  PUT(name, v02->name)
#define GET_SYNTH(name)                                 /* above */
#define GET_KEEP(name)                                  /* L1's own */
#define FIELD(enc, width, area, name, gate, to02, to12) GET_##to12(name)
#include "hv/vmcs12/fields.def"
    return changed;
}

void sync_failed_entry12(struct vmcs_image *v12, u32 reason, u64 qualification)
{
    v12->exit_reason = reason | EXIT_REASON_ENTRY_FAIL;
    v12->exit_qualification = qualification;
}

/* ---- the state that L1 resumes with ------------------------------------------------------ */

#define DR7_INIT 0x400u

/* SDM 3C 28.5.2 "Loading Host Segment and Descriptor-Table Registers" */
#define HOST_CS_AR   (0xbu | AR_S | AR_P | AR_G)
#define HOST_DATA_AR (0x3u | AR_S | AR_P | AR_G | AR_DB)
#define HOST_TR_AR   (AR_TYPE_BUSY_TSS | AR_P)

static bool host_64bit(const struct vmcs_image *v12)
{
    return any(v12->exit_ctl, EXIT_HOST_ADDR_SPACE_SIZE);
}

bool host_needs_pdptes(const struct vmcs_image *v12)
{
    return any(v12->host_cr0, CR0_PG) && any(v12->host_cr4, CR4_PAE) && !host_64bit(v12);
}

static enum vmx_abort host_abort(const struct host_env *env)
{
    if (!host_64bit(env->v12) && any(env->left->guest_efer, EFER_LMA))
        return ABORT_HOST_NOT_64BIT;
    if (!host_needs_pdptes(env->v12))
        return ABORT_NONE;
    for (u32 i = 0; i < 4; i++)
        if (pdpte_reserved_set(env->pdpte[i], phys_reserved(env->maxphyaddr)))
            return ABORT_HOST_PDPTE;
    return ABORT_NONE;
}

/* The bits of CR0 that an exit does not load keep the values that they had while L2 ran
 * (env->left). The code reads env->left before it writes v01, because the two may be one image. */
static void load_control_registers(const struct host_env *env, struct vmcs_image *v01)
{
    const struct vmcs_image *v12 = env->v12;
    u64 cr0 = (v12->host_cr0 & ~CR0_NEVER_LOADED) | (env->left->guest_cr0 & CR0_NEVER_LOADED);
    u64 cr4 = host_64bit(v12) ? v12->host_cr4 | CR4_PAE : v12->host_cr4 & ~CR4_PCIDE;

    v01->guest_cr0 = v01->cr0_read_shadow = cr0;
    v01->guest_cr4 = v01->cr4_read_shadow = cr4;
    v01->guest_cr3 = v12->host_cr3;
    v01->guest_dr7 = DR7_INIT;
    if (!host_needs_pdptes(v12))
        return;
    v01->guest_pdptr0 = env->pdpte[0];
    v01->guest_pdptr1 = env->pdpte[1];
    v01->guest_pdptr2 = env->pdpte[2];
    v01->guest_pdptr3 = env->pdpte[3];
}

static void load_msrs(const struct host_env *env, struct vmcs_image *v01)
{
    const struct vmcs_image *v12 = env->v12, *left = env->left;
    u64 mode = host_64bit(v12) ? EFER_LMA | EFER_LME : 0;

    v01->guest_efer = saves(v12, EXIT_LOAD_EFER)
                          ? v12->host_efer
                          : (left->guest_efer & ~(EFER_LMA | EFER_LME)) | mode;
    v01->guest_pat = saves(v12, EXIT_LOAD_PAT) ? v12->host_pat : left->guest_pat;
    v01->guest_perf_global_ctrl = saves(v12, EXIT_LOAD_PERF_GLOBAL_CTRL)
                                      ? v12->host_perf_global_ctrl
                                      : left->guest_perf_global_ctrl;
    v01->guest_debugctl = 0;
    v01->guest_sysenter_cs = v12->host_sysenter_cs;
    v01->guest_sysenter_esp = v12->host_sysenter_esp;
    v01->guest_sysenter_eip = v12->host_sysenter_eip;
}

/* A data segment with a null selector is unusable, and its other access rights are undefined. DPL
 * is 0 here, because the next entry demands this of SS. */
static u16 data_ar(u16 selector)
{
    return ar_pack(selector ? (u32)HOST_DATA_AR : (u32)AR_UNUSABLE);
}

static void load_segments(const struct vmcs_image *v12, struct vmcs_image *v01)
{
#define DATA_SEGMENT(seg, base)                               \
    v01->guest_##seg##_selector = v12->host_##seg##_selector; \
    v01->guest_##seg##_base = (base);                         \
    v01->guest_##seg##_limit = 0xffffffff;                    \
    v01->guest_##seg##_ar = data_ar(v12->host_##seg##_selector);

    DATA_SEGMENT(es, 0)
    DATA_SEGMENT(ss, 0)
    DATA_SEGMENT(ds, 0)
    DATA_SEGMENT(fs, v12->host_fs_base)
    DATA_SEGMENT(gs, v12->host_gs_base)

    v01->guest_cs_selector = v12->host_cs_selector;
    v01->guest_cs_base = 0;
    v01->guest_cs_limit = 0xffffffff;
    v01->guest_cs_ar = ar_pack((u32)(HOST_CS_AR | (host_64bit(v12) ? AR_L : AR_DB)));
    v01->guest_tr_selector = v12->host_tr_selector;
    v01->guest_tr_base = v12->host_tr_base;
    v01->guest_tr_limit = 0x67;
    v01->guest_tr_ar = ar_pack((u32)HOST_TR_AR);
    v01->guest_ldtr_selector = 0;
    v01->guest_ldtr_base = 0;
    v01->guest_ldtr_limit = 0;
    v01->guest_ldtr_ar = ar_pack((u32)AR_UNUSABLE);
    v01->guest_gdtr_base = v12->host_gdtr_base;
    v01->guest_gdtr_limit = 0xffff;
    v01->guest_idtr_base = v12->host_idtr_base;
    v01->guest_idtr_limit = 0xffff;
}

/* An exit by an NMI blocks NMIs. A failed entry leaves the blocking as it was before the entry. Any
 * other exit leaves the blocking as it was in L2. Under virtual NMIs the flag in L2's state tells
 * of virtual blocking, and real NMIs were not blocked.
 * SDM 3C 28.5.5 "Updating Non-Register State" */
static u32 nmi_blocking(const struct host_env *env)
{
    u32 blocked = env->left->guest_interruptibility & BLOCKING_BY_NMI;

    if (env->failed_entry)
        return env->before & BLOCKING_BY_NMI;
    if (EXIT_REASON_BASIC(env->reason) == EXIT_REASON_EXCEPTION_NMI &&
        INTR_TYPE(env->intr_info) == INTR_NMI)
        return BLOCKING_BY_NMI;
    return any(env->v12->pin_ctl, PIN_VIRTUAL_NMIS) ? 0 : blocked;
}

enum vmx_abort sync_host12(const struct host_env *env, struct vmcs_image *v01)
{
    const struct vmcs_image *v12 = env->v12;
    enum vmx_abort abort = host_abort(env);
    u32 mode = host_64bit(v12) ? ENTRY_IA32E_MODE_GUEST : 0;

    if (abort != ABORT_NONE)
        return abort;

    load_control_registers(env, v01);
    load_msrs(env, v01);
    load_segments(v12, v01);
    v01->guest_rip = v12->host_rip;
    v01->guest_rsp = v12->host_rsp;
    v01->guest_rflags = RFLAGS_FIXED;
    v01->guest_interruptibility = nmi_blocking(env);
    v01->guest_activity_state = ACTIVITY_ACTIVE;
    v01->guest_pending_dbg_exceptions = 0;
    v01->entry_ctl = (v01->entry_ctl & ~(u32)ENTRY_IA32E_MODE_GUEST) | mode;
    return ABORT_NONE;
}

u32 preemption_timer_left(u32 value, u64 then, u64 now, unsigned shift)
{
    u64 gone = (now >> shift) - (then >> shift);
    return value > gone + 1 ? value - (u32)gone : 0; /* 1 may never exit: erratum ADL020 */
}
