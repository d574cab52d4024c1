/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Judging for processors that are known in part. A corner fills in what is open, and check_entry
 * judges by it as by any other processor. Contract in open.h.
 */
#include "tools/vmcs12/open_world.h"
#include "hv/arch/paging.h"

#define WORD(w)        (offsetof(struct vmx_caps, w) / sizeof(u64))
#define MAY_BE_1       0xffffffff00000000ull
#define CTL(may, must) ((u64)(may) << 32 | (must))
#define CR3_COUNT      (0x1ffull << 16)

/* A control word that has two MSRs, and its default-1 class.
 * SDM 3D A.2 "Reserved Controls and Default Settings" */
static const struct {
    u8 plain, true_word;
    u32 default1;
} twins[] = {
    {WORD(pin), WORD(true_pin), 0x00000016},
    {WORD(cpu1), WORD(true_cpu1), 0x0401e172},
    {WORD(exit), WORD(true_exit), 0x00036dff},
    {WORD(entry), WORD(true_entry), 0x000011ff},
};

/* The bits with which a processor permits more. In a control word these are the upper half; a 1 in
 * the lower half demands something. */
u64 open_lenient_bits(unsigned word)
{
    switch (word) {
    case WORD(pin):
    case WORD(cpu1):
    case WORD(cpu2):
    case WORD(exit):
    case WORD(entry):
        return MAY_BE_1;
    case WORD(cr0_fixed0):
    case WORD(cr4_fixed0):
        return 0;
    default:
        return ~0ull;
    }
}

/* Of the default-1 class every processor lets four controls be 0: CR3-load and CR3-store exiting,
 * and the saving and loading of debug controls. */
static u64 usual_bits(unsigned word)
{
    switch (word) {
    case WORD(pin):
        return CTL(0x000000ff, 0x00000016);
    case WORD(cpu1):
        return CTL(0xfffbfffe, 0x04006172);
    case WORD(cpu2):
        return CTL(0xdfffffff, 0);
    case WORD(exit):
        return CTL(0xffffffff, 0x00036dfb);
    case WORD(entry):
        return CTL(0x00ffffff, 0x000011fb);
    case WORD(misc):
        return 4ull << 16 | VMX_MISC_ACTIVITY_HLT | VMX_MISC_ACTIVITY_SHUTDOWN |
               VMX_MISC_ACTIVITY_SIPI;
    case WORD(ept_vpid):
        return ~(u64)EPT_CAP_WALK_5;
    case WORD(vmfunc):
        return VMFUNC_EPTP_SWITCHING;
    case WORD(cpu3):
        return 0x1ff;
    case WORD(exit2):
        return 0xf;
    default:
        return 0;
    }
}

static void learn_word(struct open_cpu *cpu, unsigned i, u64 value, u64 known)
{
    open_words(&cpu->value)[i] = value & known;
    open_words(&cpu->known)[i] = known;
}

/* The first processors with VMX had the features of CR4 up to bit 10. All demand the same of CR0
 * and CR4. SDM 3D A.7 "VMX-Fixed Bits in CR0", SDM 3D A.8 "VMX-Fixed Bits in CR4" */
void open_init(struct open_cpu *cpu)
{
    *cpu = (struct open_cpu){
        .phys = {32, 52}, .linear = {48, 57}, .likely_phys = 39, .likely_cr4 = CR4_NAMED};
    learn_word(cpu, WORD(cr0_fixed0), CR0_PG | CR0_NE | CR0_PE, ~0ull);
    learn_word(cpu, WORD(cr0_fixed1), 0xffffffff, ~0ull);
    learn_word(cpu, WORD(cr4_fixed0), CR4_VMXE, ~0ull);
    learn_word(cpu, WORD(cr4_fixed1), CR4_VMXE | 0x7ff, CR4_VMXE | 0x7ff);
    learn_word(cpu, WORD(cpu2), 0, 0xffffffff);
    for (unsigned i = 0; i < OPEN_FLAGS; i++)
        cpu->flag[i] = TRI_OPEN;
    cpu->reserved[OPEN_DEBUGCTL] = ~0xffc7ull;
    cpu->may_be_reserved[OPEN_DEBUGCTL] = 0xffc4;
    cpu->reserved[OPEN_PERF_GLOBAL] = ~0ull << 49;
    cpu->may_be_reserved[OPEN_PERF_GLOBAL] = BIT(49) - 1;
    cpu->reserved[OPEN_RTIT_CTL] = ~0x018fffff8f7bffffull;
    cpu->may_be_reserved[OPEN_RTIT_CTL] = 0x018fffff8f7bffffull;
    cpu->reserved[OPEN_LBR_CTL] = ~0x7f000full;
    cpu->may_be_reserved[OPEN_LBR_CTL] = 0x7f000f;
}

bool open_learn_msr(struct open_cpu *cpu, u32 msr, u64 value)
{
    if (msr < MSR_IA32_VMX_BASIC || msr >= MSR_IA32_VMX_BASIC + OPEN_WORDS)
        return false;
    learn_word(cpu, msr - MSR_IA32_VMX_BASIC, value, ~0ull);
    return true;
}

void open_learn_all(struct open_cpu *cpu, const struct vmx_caps *caps,
                    const struct check_cpuid *cpuid)
{
    for (unsigned i = 0; i < OPEN_WORDS; i++)
        learn_word(cpu, i, open_word(caps, i), ~0ull);
    cpu->phys = (struct open_range){cpuid->maxphyaddr, cpuid->maxphyaddr};
    cpu->linear = (struct open_range){cpuid->linear_width, cpuid->linear_width};
    cpu->flag[OPEN_RTM] = cpuid->rtm;
    cpu->flag[OPEN_SGX] = cpuid->sgx;
    cpu->flag[OPEN_LAM] = cpuid->lam;
    cpu->flag[OPEN_NMI_STI] = cpuid->nmi_needs_no_sti;
    cpu->reserved[OPEN_DEBUGCTL] = cpuid->debugctl_reserved;
    cpu->reserved[OPEN_PERF_GLOBAL] = cpuid->perf_global_reserved;
    cpu->may_be_reserved[OPEN_DEBUGCTL] = cpu->may_be_reserved[OPEN_PERF_GLOBAL] = 0;
}

enum tri open_bit(const struct open_cpu *cpu, u32 msr, unsigned bit)
{
    unsigned i = msr - MSR_IA32_VMX_BASIC;
    if (!any(open_word(&cpu->known, i), BIT(bit)))
        return TRI_OPEN;
    return any(open_word(&cpu->value, i), BIT(bit)) ? TRI_YES : TRI_NO;
}

/* Puts what is known of a control word into its plain word, for software that may use the TRUE
 * MSR. Where only the plain MSR is known, the TRUE one can still free controls of the default-1
 * class. */
static void settle_twin(struct open_cpu *cpu, unsigned plain, unsigned true_word, u32 default1)
{
    enum tri has_true = open_bit(cpu, MSR_IA32_VMX_BASIC, 55);

    if (open_word(&cpu->known, true_word) != 0 && has_true != TRI_NO)
        learn_word(cpu, plain, open_word(&cpu->value, true_word),
                   open_word(&cpu->known, true_word));
    else if (has_true != TRI_NO)
        learn_word(cpu, plain, open_word(&cpu->value, plain),
                   open_word(&cpu->known, plain) & ~(open_word(&cpu->value, plain) & default1));
}

static const u64 usual_reserved[OPEN_MSRS] = {
    [OPEN_DEBUGCTL] = ~0x5fc3ull,
    [OPEN_PERF_GLOBAL] = ~(0xffull | 0xfull << 32 | BIT(48)),
};

static u64 reserved_of(const struct open_cpu *cpu, enum open_corner corner, enum open_msr msr)
{
    u64 some = corner == OPEN_LENIENT ? 0 : corner == OPEN_USUAL ? usual_reserved[msr] : ~0ull;
    return cpu->reserved[msr] | (cpu->may_be_reserved[msr] & some);
}

/* fill: what the corner says of a flag that is open. */
static bool flag_of(const struct open_cpu *cpu, enum open_flag flag, bool fill)
{
    return cpu->flag[flag] == TRI_OPEN ? fill : cpu->flag[flag] == TRI_YES;
}

u64 open_usual_word(const struct open_cpu *settled, unsigned word)
{
    return word == WORD(cr4_fixed1) ? settled->likely_cr4 : usual_bits(word);
}

static u64 fill_of(const struct open_cpu *settled, enum open_corner corner, unsigned i)
{
    return corner == OPEN_LENIENT  ? open_lenient_bits(i)
           : corner == OPEN_STRICT ? ~open_lenient_bits(i)
                                   : open_usual_word(settled, i);
}

enum { VARIANT_RTM = 1, VARIANT_MTF = 2, VARIANT_CET = 4, VARIANT_IA32E = 8 };

static void fix(u64 *value, u64 known, u64 bit, bool set)
{
    if (!any(known, bit))
        *value = set ? *value | bit : *value & ~bit;
}

void open_world_init(struct open_world *w, const struct open_cpu *cpu, enum open_corner corner,
                     u32 variant)
{
    bool lenient = corner == OPEN_LENIENT, usual = corner == OPEN_USUAL;
    u8 phys = lenient ? cpu->phys.most : cpu->phys.least;

    for (unsigned i = 0; i < OPEN_WORDS; i++)
        open_words(&w->caps)[i] =
            open_word(&cpu->value, i) | (fill_of(cpu, corner, i) & ~open_word(&cpu->known, i));
    w->caps.basic &= ~VMX_BASIC_TRUE_CTLS;
    fix(&w->caps.cpu1, cpu->known.cpu1, (u64)CPU1_MONITOR_TRAP_FLAG << 32,
        any(variant, VARIANT_MTF));
    fix(&w->caps.cr4_fixed1, cpu->known.cr4_fixed1, CR4_CET, any(variant, VARIANT_CET));
    if (usual && cpu->likely_phys > phys)
        phys = cpu->likely_phys < cpu->phys.most ? cpu->likely_phys : cpu->phys.most;
    w->cpuid = (struct check_cpuid){
        .maxphyaddr = phys,
        .linear_width = lenient ? cpu->linear.most : cpu->linear.least,
        .rtm = any(variant, VARIANT_RTM),
        .sgx = flag_of(cpu, OPEN_SGX, lenient),
        .lam = flag_of(cpu, OPEN_LAM, lenient),
        .nmi_needs_no_sti = flag_of(cpu, OPEN_NMI_STI, !lenient),
        .efer_reserved = ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE),
        .debugctl_reserved = reserved_of(cpu, corner, OPEN_DEBUGCTL),
        .perf_global_reserved = reserved_of(cpu, corner, OPEN_PERF_GLOBAL),
        .rtit_reserved = reserved_of(cpu, corner, OPEN_RTIT_CTL),
        .lbr_reserved = reserved_of(cpu, corner, OPEN_LBR_CTL),
    };
    w->ia32e = any(variant, VARIANT_IA32E);
}

struct open_cpu open_settled(const struct open_cpu *cpu)
{
    struct open_cpu s = *cpu;
    for (unsigned i = 0; i < ARRAY_LEN(twins); i++)
        settle_twin(&s, twins[i].plain, twins[i].true_word, twins[i].default1);
    return s;
}

static bool fits(enum tri known, bool value)
{
    return known == TRI_OPEN || (known == TRI_YES) == value;
}

bool open_variant_fits(const struct open_cpu *settled, u32 variant)
{
    return fits(settled->flag[OPEN_RTM], any(variant, VARIANT_RTM)) &&
           fits(settled->flag[OPEN_IA32E], any(variant, VARIANT_IA32E)) &&
           fits(open_bit(settled, MSR_IA32_VMX_PROCBASED_CTLS, 32 + 27),
                any(variant, VARIANT_MTF)) &&
           fits(open_bit(settled, MSR_IA32_VMX_CR4_FIXED1, 23), any(variant, VARIANT_CET));
}

static bool is_usual(enum tri known, bool value, bool likely)
{
    return known != TRI_OPEN || value == likely;
}

/* Both a processor with RTM and one without it are usual. @pre the variant fits */
static bool variant_usual(const struct open_cpu *settled, u32 variant)
{
    return is_usual(settled->flag[OPEN_IA32E], any(variant, VARIANT_IA32E),
                    settled->likely_ia32e) &&
           is_usual(open_bit(settled, MSR_IA32_VMX_PROCBASED_CTLS, 32 + 27),
                    any(variant, VARIANT_MTF), true) &&
           is_usual(open_bit(settled, MSR_IA32_VMX_CR4_FIXED1, 23), any(variant, VARIANT_CET),
                    any(settled->likely_cr4, CR4_CET));
}

void open_worlds_init(struct open_worlds *worlds, const struct open_cpu *cpu)
{
    struct open_cpu s = open_settled(cpu);
    struct open_world w;

    worlds->variants = worlds->usual = 0;
    for (u32 variant = 0; variant < OPEN_VARIANTS; variant++) {
        if (!open_variant_fits(&s, variant))
            continue;
        worlds->variants |= 1u << variant;
        if (variant_usual(&s, variant))
            worlds->usual |= 1u << variant;
        for (unsigned corner = OPEN_LENIENT; corner <= OPEN_STRICT; corner++) {
            open_world_init(&w, &s, (enum open_corner)corner, variant);
            check_cpu_init(&worlds->cpu[corner][variant], &w.caps, &w.cpuid);
        }
    }
}

/* The variants that this image can tell apart: those in which a rule reads what differs. */
static u32 telling(const struct vmcs_image *v)
{
    u32 info = v->entry_intr_info, tell = VARIANT_IA32E;

    if (any(v->guest_pending_dbg_exceptions, PENDING_DBG_RTM))
        tell |= VARIANT_RTM;
    if (any(info, INTR_VALID) && INTR_TYPE(info) == INTR_OTHER_EVENT)
        tell |= VARIANT_MTF;
    if (any(info, INTR_VALID) && INTR_VECTOR(info) == VEC_CP)
        tell |= VARIANT_CET;
    if (any(v->guest_cr4 | v->host_cr4, CR4_CET))
        tell |= VARIANT_CET;
    if (any(v->cpu1_ctl, CPU1_MONITOR_TRAP_FLAG))
        tell |= VARIANT_MTF;
    return tell;
}

void check_open(const struct vmcs_image *v, const struct check_env *env,
                const struct open_worlds *worlds, enum open_corner corner, u32 groups,
                struct rule_set *broken)
{
    struct check_env e = *env;
    u32 tell = telling(v), done = 0;
    u32 fit = corner == OPEN_USUAL ? worlds->usual : worlds->variants;
    struct rule_set one;

    *broken = (struct rule_set){{0}};
    for (u32 variant = 0; variant < OPEN_VARIANTS; variant++) {
        u32 seen = variant & tell;
        if (!any(fit, 1u << variant) || any(done, 1u << seen))
            continue;
        e.cpu = &worlds->cpu[corner][variant];
        e.in_ia32e_mode = any(variant, VARIANT_IA32E);
        (void)!check_entry(v, &e, groups, &one).outcome;
        for (unsigned i = 0; i < RULE_WORDS; i++)
            broken->word[i] = done == 0                ? one.word[i]
                              : corner == OPEN_LENIENT ? broken->word[i] & one.word[i]
                                                       : broken->word[i] | one.word[i];
        done |= 1u << seen;
    }
}

u16 open_msr_of(const struct open_cpu *settled, unsigned word)
{
    for (unsigned t = 0; t < ARRAY_LEN(twins); t++)
        if (twins[t].plain == word && open_bit(settled, MSR_IA32_VMX_BASIC, 55) != TRI_NO)
            word = twins[t].true_word;
    return (u16)(MSR_IA32_VMX_BASIC + word);
}
