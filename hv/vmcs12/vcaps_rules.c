/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which sets of capabilities are possible. VM entry demands of some controls that another control
 * is 1, too. On a processor without the other control, no valid VMCS could have the first one set.
 * So no processor reports such a control. Contract in vcaps.h.
 */
#include "hv/vmcs12/vcaps.h"

#define WORD(w) ((u8)(offsetof(struct vmx_caps, w) / sizeof(u64)))

/* A control and its prerequisite. Each is a bit of a control word, whose MSR has "may be 1" in bits
 * 63:32. */
struct dependency {
    u8 word, needs_word;
    u32 bit, needs_bit;
    const char text[64]; /* an array, because a pointer would need a relocation */
};

/* SDM 3C 27.2.1.1 "VM-Execution Control Fields" and SDM 3C 27.2.1.2 "VM-Exit Control Fields" */
/* clang-format off */
#define NEEDS(w, b, nw, nb, t) \
    {.word = WORD(w), .bit = (b), .needs_word = WORD(nw), .needs_bit = (nb), .text = (t)}
static const struct dependency deps[] = {
    NEEDS(pin, PIN_VIRTUAL_NMIS, pin, PIN_NMI_EXITING, "virtual NMIs without NMI exiting"),
    NEEDS(cpu1, CPU1_NMI_WINDOW_EXITING, pin, PIN_VIRTUAL_NMIS,
          "NMI-window exiting without virtual NMIs"),
    NEEDS(pin, PIN_POSTED_INTERRUPTS, cpu2, CPU2_VIRTUAL_INTR_DELIVERY,
          "posted interrupts without virtual-interrupt delivery"),
    NEEDS(pin, PIN_POSTED_INTERRUPTS, exit, EXIT_ACK_INTR_ON_EXIT,
          "posted interrupts without acknowledge on exit"),
    NEEDS(cpu2, CPU2_VIRTUAL_INTR_DELIVERY, pin, PIN_EXT_INTR_EXITING,
          "virtual-interrupt delivery without interrupt exiting"),
    NEEDS(cpu2, CPU2_VIRTUALIZE_X2APIC, cpu1, CPU1_USE_TPR_SHADOW,
          "x2APIC virtualization without TPR shadow"),
    NEEDS(cpu2, CPU2_APIC_REGISTER_VIRT, cpu1, CPU1_USE_TPR_SHADOW,
          "APIC-register virtualization without TPR shadow"),
    NEEDS(cpu2, CPU2_VIRTUAL_INTR_DELIVERY, cpu1, CPU1_USE_TPR_SHADOW,
          "virtual-interrupt delivery without TPR shadow"),
    NEEDS(cpu2, CPU2_UNRESTRICTED_GUEST, cpu2, CPU2_ENABLE_EPT, "unrestricted guest without EPT"),
    NEEDS(cpu2, CPU2_ENABLE_PML, cpu2, CPU2_ENABLE_EPT, "page-modification logging without EPT"),
    NEEDS(cpu2, CPU2_MODE_BASED_EXECUTE, cpu2, CPU2_ENABLE_EPT,
          "mode-based execute control without EPT"),
    NEEDS(cpu2, CPU2_SPP, cpu2, CPU2_ENABLE_EPT, "sub-page permissions without EPT"),
    NEEDS(cpu2, CPU2_PT_USES_GPA, cpu2, CPU2_ENABLE_EPT, "PT in guest addresses without EPT"),
    NEEDS(cpu2, CPU2_EPT_VIOLATION_VE, cpu2, CPU2_ENABLE_EPT, "EPT-violation #VE without EPT"),
    NEEDS(exit, EXIT_SAVE_PREEMPTION_TIMER, pin, PIN_PREEMPTION_TIMER,
          "saving the preemption timer without the timer"),
};
/* clang-format on */

/* The words of struct vmx_caps as an array, in MSR order. */
static u64 *words_of(struct vmx_caps *caps)
{
    return &caps->basic;
}

static u64 word(const struct vmx_caps *caps, unsigned i)
{
    return (&caps->basic)[i];
}

static bool may(const struct vmx_caps *caps, unsigned w, u32 bit)
{
    return any(word(caps, w), (u64)bit << 32);
}

/* True when the control may be 1 but its prerequisite may not. */
static bool broken(const struct vmx_caps *caps, const struct dependency *d)
{
    return may(caps, d->word, d->bit) && !may(caps, d->needs_word, d->needs_bit);
}

/* A control word that has two MSRs, the plain one and the TRUE one. default1: the controls of the
 * default-1 class, which must be 1 in every plain word.
 * SDM 3D A.2 "Reserved Controls and Default Settings" */
struct twin {
    u8 plain, true_word;
    u32 default1;
};
static const struct twin twins[] = {
    {WORD(pin), WORD(true_pin), 0x00000016},
    {WORD(cpu1), WORD(true_cpu1), 0x0401e172},
    {WORD(exit), WORD(true_exit), 0x00036dff},
    {WORD(entry), WORD(true_entry), 0x000011ff},
};

/* Takes the 1-setting of some controls away from word w, and from its TRUE word if there is one. */
static void withdraw(struct vmx_caps *caps, unsigned w, u32 bits_gone)
{
    u64 keep = ~((u64)bits_gone << 32);
    words_of(caps)[w] &= keep;
    for (unsigned i = 0; i < ARRAY_LEN(twins); i++)
        if (twins[i].plain == w)
            words_of(caps)[twins[i].true_word] &= keep;
}

/* EPT and VPID share one capability MSR. Each has one half. */
#define EPT_CAPS  0x00000000ffffffffull
#define VPID_CAPS 0xffffffff00000000ull

/* Clears the words, or parts of words, that exist only when some control may be 1.
 * SDM 3D A "VMX Capability Reporting Facility" */
static void close_words(struct vmx_caps *c)
{
    if (!may(c, WORD(cpu1), CPU1_SECONDARY))
        c->cpu2 = 0;
    if (!may(c, WORD(cpu1), CPU1_TERTIARY))
        c->cpu3 = 0;
    if (!may(c, WORD(exit), EXIT_SECONDARY))
        c->exit2 = 0;
    if (!may(c, WORD(cpu2), CPU2_ENABLE_EPT)) {
        c->ept_vpid &= ~EPT_CAPS;
        c->vmfunc &= ~VMFUNC_EPTP_SWITCHING;
    }
    if (!may(c, WORD(cpu2), CPU2_ENABLE_VPID))
        c->ept_vpid &= ~VPID_CAPS;
    if (!may(c, WORD(cpu2), CPU2_ENABLE_VMFUNC))
        c->vmfunc = 0;
}

void vcaps_close(struct vmx_caps *caps)
{
    bool again = true; /* the next round withdraws what needed a control that this one withdrew */
    while (again) {
        again = false;
        close_words(caps);
        if (caps->vmfunc == 0) /* there is no VM function that the control could enable */
            withdraw(caps, WORD(cpu2), CPU2_ENABLE_VMFUNC);
        for (unsigned i = 0; i < ARRAY_LEN(deps); i++) {
            if (!broken(caps, &deps[i]))
                continue;
            withdraw(caps, deps[i].word, deps[i].bit);
            again = true;
        }
    }
}

/* A TRUE word differs from its plain word in one way only: it reports which controls of the
 * default-1 class software may clear. SDM 3D A.2 "Reserved Controls and Default Settings" */
static const char *twin_impossible(const struct vmx_caps *c, const struct twin *t)
{
    u64 plain = word(c, t->plain);
    if (any((u32)plain, ~(plain >> 32)))
        return "a control that must be 1 and may not be";
    if (!any(c->basic, VMX_BASIC_TRUE_CTLS))
        return NULL;
    u64 true_word = word(c, t->true_word);
    if (plain >> 32 != true_word >> 32)
        return "TRUE and plain control words allow different 1-settings";
    if (any((u32)true_word, ~plain))
        return "a TRUE control word demands what the plain one does not";
    if (any((u32)plain & ~t->default1, ~true_word))
        return "TRUE frees a control that is not of the default-1 class";
    return NULL;
}

/* Rules that speak of whole words, and three that EPT and unrestricted guest bring along.
 * SDM 3D A.6 "Miscellaneous Data", SDM 3D A.10 "VPID and EPT Capabilities" */
static const char *words_impossible(const struct vmx_caps *c)
{
    if (any(c->cr0_fixed0, ~c->cr0_fixed1))
        return "a CR0 bit fixed to both 0 and 1";
    if (any(c->cr4_fixed0, ~c->cr4_fixed1))
        return "a CR4 bit fixed to both 0 and 1";
    if ((u32)c->cpu2 != 0)
        return "a secondary control that must be 1";
    struct vmx_caps closed = *c;
    close_words(&closed);
    if (closed.cpu2 != c->cpu2 || closed.cpu3 != c->cpu3 || closed.exit2 != c->exit2)
        return "secondary or tertiary controls without the control that activates them";
    if (closed.vmfunc != c->vmfunc)
        return "VM functions without the controls that they need";
    if (may(c, WORD(cpu2), CPU2_ENABLE_EPT) && !any(c->ept_vpid, EPT_CAP_WALK_4 | EPT_CAP_WALK_5))
        return "EPT without a page-walk length";
    if (may(c, WORD(cpu2), CPU2_ENABLE_EPT) && !any(c->ept_vpid, EPT_CAP_UC | EPT_CAP_WB))
        return "EPT without a memory type for its tables";
    if (may(c, WORD(cpu2), CPU2_UNRESTRICTED_GUEST) && !any(c->misc, VMX_MISC_SAVES_LMA))
        return "unrestricted guest without saving EFER.LMA";
    return NULL;
}

const char *vcaps_impossible(const struct vmx_caps *caps)
{
    for (unsigned i = 0; i < ARRAY_LEN(twins); i++) {
        const char *why = twin_impossible(caps, &twins[i]);
        if (why != NULL)
            return why;
    }
    for (unsigned i = 0; i < ARRAY_LEN(deps); i++)
        if (broken(caps, &deps[i]))
            return deps[i].text;
    return words_impossible(caps);
}
