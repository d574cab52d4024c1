/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Makes vmcs02 of vmcs12, L0's own image and the registers of L1 that a VM entry leaves alone.
 * Contract in merge.h; merge.def has the value of each merged field. Read next: sync.c, the way
 * back.
 */
#include "hv/vmcs12/merge.h"
#include "hv/arch/cpu.h"

/* Each MERGE and TRANSLATE row of fields.def has exactly one line in merge.def: a second one
 * repeats an enumerator, a missing one fails the count, a wrong one fails its own check. */
enum {
#define FIELD(enc, width, area, name, gate, to02, to12) TO02_OF_##name = TO02_##to02,
#include "hv/vmcs12/fields.def"
};
enum {
#define MERGED(name, value) MERGED_##name,
#include "hv/vmcs12/merge.def"
    MERGED_COUNT
};
#define FIELD(enc, width, area, name, gate, to02, to12) \
    +(TO02_##to02 == TO02_MERGE || TO02_##to02 == TO02_TRANSLATE)
enum {
    ROWS_TO_MERGE = 0
#include "hv/vmcs12/fields.def"
};
_Static_assert((int)MERGED_COUNT == (int)ROWS_TO_MERGE, "merge.def misses a row");
/* clang-format off */
#define MERGED(name, value)                                                                        \
    _Static_assert((int)TO02_OF_##name == (int)TO02_MERGE ||                                       \
                       (int)TO02_OF_##name == (int)TO02_TRANSLATE, #name " is not merged");
/* clang-format on */
#include "hv/vmcs12/merge.def"

/* The controls that merge itself relies on: an entry loads the values that merge computes, and an
 * exit saves L2's values and returns to L0 in 64-bit mode. */
#define ENTRY_OURS (ENTRY_LOAD_DEBUG_CONTROLS | ENTRY_LOAD_PAT | ENTRY_LOAD_EFER)
#define EXIT_OURS                                                                           \
    (EXIT_SAVE_DEBUG_CONTROLS | EXIT_HOST_ADDR_SPACE_SIZE | EXIT_SAVE_PAT | EXIT_LOAD_PAT | \
     EXIT_SAVE_EFER | EXIT_LOAD_EFER)

/* The secondary controls that vmcs02 does not take from vmcs12. L0 answers L2's VMREAD and VMWRITE
 * from L1's shadow VMCS. L0 delivers L1's #VE, because the CPU would raise a #VE for gaps that only
 * EPT02 has. L1 is shown no page-modification log. L0 chooses the VPID. */
#define CPU2_NOT_TAKEN \
    (CPU2_VMCS_SHADOWING | CPU2_ENABLE_PML | CPU2_ENABLE_VPID | CPU2_EPT_VIOLATION_VE)

#define TPR_THRESHOLD_MAX 15u

struct words {
    u32 pin, cpu1, cpu2, exit, entry;
};

/* Bits of a where mask is 1, of b elsewhere. */
static u64 pick(u64 mask, u64 a, u64 b)
{
    return (a & mask) | (b & ~mask);
}

static u32 within(u32 word, struct ctl_range hw)
{
    return (word | hw.must_be_1) & hw.may_be_1;
}

static bool loads(const struct vmcs_image *v12, u32 entry_bit)
{
    return any(v12->entry_ctl, entry_bit);
}

static u64 used(u32 word, u32 bit, hpa_t at)
{
    return any(word, bit) ? at.a : 0;
}

static u32 cpu1_02(const struct merge_env *env)
{
    u32 own = env->l0.cpu1, word = env->v12->cpu1_ctl;

    /* While vmcs12 uses no bitmap, every access exits, so L0 needs no bitmap either. A bitmap would
     * take intercepts away from L1. */
    own &= ~(u32)CPU1_USE_MSR_BITMAPS;
    if (any(word, CPU1_UNCOND_IO_EXITING) && !any(word, CPU1_USE_IO_BITMAPS))
        own &= ~(u32)CPU1_USE_IO_BITMAPS;
    return word | own | CPU1_SECONDARY;
}

static u32 cpu2_02(const struct merge_env *env)
{
    u32 word = (vmcs12_cpu2(env->v12) & ~(u32)CPU2_NOT_TAKEN) | env->l0.cpu2;

    return env->l0.vpid02 ? word | CPU2_ENABLE_VPID : word;
}

static struct words control_words(const struct merge_env *env)
{
    const struct vmcs_image *v12 = env->v12;
    struct words w;

    w.pin = within(v12->pin_ctl, vcaps_pin(env->hw));
    w.cpu1 = within(cpu1_02(env), vcaps_cpu1(env->hw));
    w.cpu2 = within(cpu2_02(env), vcaps_cpu2(env->hw));
    /* An exit of L2 goes to L0, so only that exit control of vmcs12 crosses which shapes the exit
     * information. L0 itself needs the remaining value of the preemption timer. */
    w.exit = (v12->exit_ctl & EXIT_ACK_INTR_ON_EXIT) | env->l0.exit | EXIT_OURS;
    if (any(w.pin, PIN_PREEMPTION_TIMER))
        w.exit |= EXIT_SAVE_PREEMPTION_TIMER;
    w.exit = within(w.exit, vcaps_exit(env->hw));
    w.entry = v12->entry_ctl & (ENTRY_IA32E_MODE_GUEST | ENTRY_LOAD_PERF_GLOBAL_CTRL);
    w.entry = within(w.entry | env->l0.entry | ENTRY_OURS, vcaps_entry(env->hw));
    return w;
}

/* When there is no memory behind L1's virtual-APIC page, a write to it must be lost. With the
 * highest threshold each write of a lower TPR exits to L0, which discards it.
 * SDM 3C 30.1.2 "TPR Virtualization" */
static u32 tpr_threshold02(const struct merge_env *env, u32 cpu1)
{
    if (!any(cpu1, CPU1_USE_TPR_SHADOW))
        return 0;
    return env->addr.virtual_apic_nowhere ? TPR_THRESHOLD_MAX : env->v12->tpr_threshold;
}

/* The value that a CPU would load into CR0 at L1's VM entry. */
static u64 l1_set_cr0(const struct merge_env *env)
{
    return pick(CR0_NEVER_LOADED, env->l1.cr0, env->v12->guest_cr0);
}

/* IA32_EFER of L2 after an entry without "load IA32_EFER". LMA is the setting of "IA-32e mode
 * guest", and so is LME when paging is on. All other bits are L1's. SDM 3C 27.3.2.1 "Loading Guest
 * Control Registers, Debug Registers, and MSRs" */
static u64 kept_efer(const struct merge_env *env)
{
    const struct vmcs_image *v12 = env->v12;
    u64 changed = EFER_LMA | (any(v12->guest_cr0, CR0_PG) ? EFER_LME : 0);
    u64 mode = any(v12->entry_ctl, ENTRY_IA32E_MODE_GUEST) ? EFER_LMA | EFER_LME : 0;

    return pick(changed, mode, env->l1.efer);
}

/* While STI, MOV SS or HLT holds a trap back, a VM entry demands that BS agrees with TF and BTF.
 * The BS in vmcs12 agrees with the BTF in vmcs12. If the entry does not load IA32_DEBUGCTL, L2 runs
 * with L1's BTF instead, so vmcs02 needs a BS that agrees with L1's BTF.
 * CAVEAT(pending-bs-btf-left) SDM 3C 27.3.1.5 "Checks on Guest Non-Register State" */
static u64 pending_debug(const struct merge_env *env)
{
    const struct vmcs_image *v12 = env->v12;
    bool held = any(v12->guest_interruptibility, BLOCKING_BY_STI | BLOCKING_BY_MOV_SS) ||
                v12->guest_activity_state == ACTIVITY_HLT;
    bool step = any(v12->guest_rflags, RFLAGS_TF) && !any(env->l1.debugctl, DEBUGCTL_BTF);

    if (!held || loads(v12, ENTRY_LOAD_DEBUG_CONTROLS))
        return v12->guest_pending_dbg_exceptions;
    return pick(PENDING_DBG_BS, step ? PENDING_DBG_BS : 0, v12->guest_pending_dbg_exceptions);
}

bool merge_needs_pdptes(const struct vmcs_image *v12)
{
    return any(v12->guest_cr0, CR0_PG) && any(v12->guest_cr4, CR4_PAE) &&
           !any(v12->entry_ctl, ENTRY_IA32E_MODE_GUEST) && !any(vmcs12_cpu2(v12), CPU2_ENABLE_EPT);
}

void merge_vmcs02(const struct merge_env *env, struct vmcs_image *v02)
{
    const struct vmcs_image *v12 = env->v12, *base = env->base;
    struct words w = control_words(env);

#define PUT_COPY(area, name)                            v02->name = v12->name;
#define PUT_HOSTOWN(area, name)                         v02->name = base->name;
#define PUT_NEVER(area, name)                           PUT_NEVER_##area(name)
#define PUT_NEVER_CTL(name)                             v02->name = base->name;
#define PUT_NEVER_GUEST(name)                           v02->name = base->name;
#define PUT_NEVER_RO(name)                              /* exit information: the processor's */
#define PUT_MERGE(area, name)                           /* below */
#define PUT_TRANSLATE(area, name)                       /* below */
#define FIELD(enc, width, area, name, gate, to02, to12) PUT_##to02(area, name)
#include "hv/vmcs12/fields.def"

#define MERGED(name, value) v02->name = (vmcs_type_##name)(value);
#include "hv/vmcs12/merge.def"
}
