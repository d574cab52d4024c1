/* SPDX-License-Identifier: BSD-2-Clause */
/* The command caps of the tool vmcs12 prints a profile's capability MSRs, decoded. */
#include "tools/vmcs12/vmcs12_tool.h"

struct msr_text {
    u32 msr;
    const char *name;
    enum bit_word word; /* WORD_NONE: printed as a number only */
    bool settings;      /* bits 31:0: controls that must be 1; bits 63:32: may be 1 */
};

static const struct msr_text msrs[] = {
    {MSR_IA32_VMX_BASIC, "IA32_VMX_BASIC", WORD_BASIC, false},
    {MSR_IA32_VMX_PINBASED_CTLS, "IA32_VMX_PINBASED_CTLS", WORD_PIN, true},
    {MSR_IA32_VMX_PROCBASED_CTLS, "IA32_VMX_PROCBASED_CTLS", WORD_CPU1, true},
    {MSR_IA32_VMX_EXIT_CTLS, "IA32_VMX_EXIT_CTLS", WORD_EXIT, true},
    {MSR_IA32_VMX_ENTRY_CTLS, "IA32_VMX_ENTRY_CTLS", WORD_ENTRY, true},
    {MSR_IA32_VMX_MISC, "IA32_VMX_MISC", WORD_MISC, false},
    {MSR_IA32_VMX_CR0_FIXED0, "IA32_VMX_CR0_FIXED0", WORD_CR0, false},
    {MSR_IA32_VMX_CR0_FIXED1, "IA32_VMX_CR0_FIXED1", WORD_NONE, false},
    {MSR_IA32_VMX_CR4_FIXED0, "IA32_VMX_CR4_FIXED0", WORD_CR4, false},
    {MSR_IA32_VMX_CR4_FIXED1, "IA32_VMX_CR4_FIXED1", WORD_CR4, false},
    {MSR_IA32_VMX_VMCS_ENUM, "IA32_VMX_VMCS_ENUM", WORD_NONE, false},
    {MSR_IA32_VMX_PROCBASED_CTLS2, "IA32_VMX_PROCBASED_CTLS2", WORD_CPU2, true},
    {MSR_IA32_VMX_EPT_VPID_CAP, "IA32_VMX_EPT_VPID_CAP", WORD_EPT_VPID, false},
    {MSR_IA32_VMX_TRUE_PINBASED_CTLS, "IA32_VMX_TRUE_PINBASED_CTLS", WORD_PIN, true},
    {MSR_IA32_VMX_TRUE_PROCBASED_CTLS, "IA32_VMX_TRUE_PROCBASED_CTLS", WORD_CPU1, true},
    {MSR_IA32_VMX_TRUE_EXIT_CTLS, "IA32_VMX_TRUE_EXIT_CTLS", WORD_EXIT, true},
    {MSR_IA32_VMX_TRUE_ENTRY_CTLS, "IA32_VMX_TRUE_ENTRY_CTLS", WORD_ENTRY, true},
    {MSR_IA32_VMX_VMFUNC, "IA32_VMX_VMFUNC", WORD_VMFUNC, false},
};

/* Prints each control that is free or fixed to 1. Controls fixed to 0 are left out. */
static void print_controls(FILE *out, enum bit_word word, u64 value)
{
    for (unsigned bit = 0; bit < 32; bit++) {
        const char *name = bit_name(word, bit);
        bool must = (value >> bit & 1) != 0, may = (value >> (bit + 32) & 1) != 0;
        if (name != NULL && may)
            fprintf(out, "    %2u  %-11s%s\n", bit, must ? "must be 1" : "0 or 1", name);
    }
}

static void print_set_bits(FILE *out, enum bit_word word, u64 value)
{
    for (unsigned bit = 0; bit < 64; bit++)
        if ((value >> bit & 1) != 0 && bit_name(word, bit) != NULL)
            fprintf(out, "    %2u  %s\n", bit, bit_name(word, bit));
}

static void print_numbers(FILE *out, u32 msr, u64 value)
{
    switch (msr) {
    case MSR_IA32_VMX_BASIC:
        fprintf(out, "        revision 0x%x, region of %u bytes, memory type %u\n",
                VMX_BASIC_REVISION(value), VMX_BASIC_REGION_SIZE(value), VMX_BASIC_MEMTYPE(value));
        break;
    case MSR_IA32_VMX_MISC:
        fprintf(out, "        preemption timer: TSC >> %u; %u CR3 targets; MSR lists up to %u\n",
                VMX_MISC_PREEMPTION_SHIFT(value), VMX_MISC_CR3_TARGETS(value),
                VMX_MISC_MSR_LIST_MAX(value));
        break;
    case MSR_IA32_VMX_VMCS_ENUM:
        fprintf(out, "        highest index %u\n", (unsigned)bits(value, 9, 1));
        break;
    default:
        break;
    }
}

int tool_caps(struct tool *t)
{
    enum vmx_profile p;
    if (!tool_find_profile(t, &p))
        return TOOL_FAILED;
    for (unsigned i = 0; i < ARRAY_LEN(msrs); i++) {
        u64 value;
        if (!vcaps_msr(profile_caps(p), msrs[i].msr, &value))
            continue;
        fprintf(t->out, "%s0x%03x  %-34s0x%016llx\n", i != 0 ? "\n" : "", msrs[i].msr, msrs[i].name,
                (unsigned long long)value);
        print_numbers(t->out, msrs[i].msr, value);
        if (msrs[i].settings)
            print_controls(t->out, msrs[i].word, value);
        else
            print_set_bits(t->out, msrs[i].word, value);
    }
    return TOOL_OK;
}
