/*
 * vmcs12 + L0's own + what L1 leaves alone -> vmcs02. Contract in merge.h; the value of each
 * merged field in merge.def. Read next: sync.c, the way back.
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

/* What merge itself relies on: the values that it computes must be loaded, L2's own must be
 * saved, and L0 is 64-bit. */
#define ENTRY_OURS (ENTRY_LOAD_DEBUG_CONTROLS | ENTRY_LOAD_PAT | ENTRY_LOAD_EFER)
#define EXIT_OURS                                                                           \
    (EXIT_SAVE_DEBUG_CONTROLS | EXIT_HOST_ADDR_SPACE_SIZE | EXIT_SAVE_PAT | EXIT_LOAD_PAT | \
     EXIT_SAVE_EFER | EXIT_LOAD_EFER)

/* vmcs12's own secondary controls that vmcs02 must not have: L0 answers L2's VMREAD and VMWRITE
 * from L1's shadow VMCS, keeps L1's page-modification log and delivers its #VE, which the CPU
 * would raise for EPT02's own gaps. VPID is L0's choice. */
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

    /* Without a bitmap everything exits: L0 loses nothing, and turning one on would drop
     * L1's intercepts. */
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
    /* An exit from L2 goes to L0, so of vmcs12's exit controls only the one that shapes the
     * exit information crosses; the timer's rest is saved for L0's sake too. */
    w.exit = (v12->exit_ctl & EXIT_ACK_INTR_ON_EXIT) | env->l0.exit | EXIT_OURS;
    if (any(w.pin, PIN_PREEMPTION_TIMER))
        w.exit |= EXIT_SAVE_PREEMPTION_TIMER;
    w.exit = within(w.exit, vcaps_exit(env->hw));
    w.entry = v12->entry_ctl & (ENTRY_IA32E_MODE_GUEST | ENTRY_LOAD_PERF_GLOBAL_CTRL);
    w.entry = within(w.entry | env->l0.entry | ENTRY_OURS, vcaps_entry(env->hw));
    return w;
}

/* Where no memory is behind the virtual-APIC page, whatever is written to it must be
 * gone: with the highest threshold each write of a TPR below it exits, to L0. SDM 3C
 * 30.1.2 "TPR Virtualization" */
static u32 tpr_threshold02(const struct merge_env *env, u32 cpu1)
{
    if (!any(cpu1, CPU1_USE_TPR_SHADOW))
        return 0;
    return env->addr.virtual_apic_nowhere ? TPR_THRESHOLD_MAX : env->v12->tpr_threshold;
}

/* The value that the CPU would put in CR0 for L1. */
static u64 l1_set_cr0(const struct merge_env *env)
{
    return pick(CR0_NEVER_LOADED, env->l1.cr0, env->v12->guest_cr0);
}

/* Without "load IA32_EFER": LMA follows "IA-32e mode guest", LME too when paging is on; the
 * rest is L1's. The same section as above. */
static u64 kept_efer(const struct merge_env *env)
{
    const struct vmcs_image *v12 = env->v12;
    u64 changed = EFER_LMA | (any(v12->guest_cr0, CR0_PG) ? EFER_LME : 0);
    u64 mode = any(v12->entry_ctl, ENTRY_IA32E_MODE_GUEST) ? EFER_LMA | EFER_LME : 0;

    return pick(changed, mode, env->l1.efer);
}

/* While STI, MOV SS or HLT holds a trap back, VM entry wants BS to follow TF and BTF. L1's field
 * agrees with the BTF of VMCS12, which is not what L2 runs with when the entry leaves IA32_DEBUGCTL
 * alone. CAVEAT(pending-bs-btf-left) SDM 3C 27.3.1.5 "Checks on Guest Non-Register State" */
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
