/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Facts of the processor that people paste beside a dump: rdmsr, /proc/cpuinfo, XMHF's list of
 * MSRs. Contract in scan.h.
 */
#include <stdlib.h>
#include <string.h>

#include "tools/vmcs12/why/scan.h"

/* In the order of their numbers, from IA32_VMX_BASIC on. */
static const char *const msr_names[] = {
    "BASIC",           "PINBASED_CTLS",      "PROCBASED_CTLS",
    "EXIT_CTLS",       "ENTRY_CTLS",         "MISC",
    "CR0_FIXED0",      "CR0_FIXED1",         "CR4_FIXED0",
    "CR4_FIXED1",      "VMCS_ENUM",          "PROCBASED_CTLS2",
    "EPT_VPID_CAP",    "TRUE_PINBASED_CTLS", "TRUE_PROCBASED_CTLS",
    "TRUE_EXIT_CTLS",  "TRUE_ENTRY_CTLS",    "VMFUNC",
    "PROCBASED_CTLS3", "EXIT_CTLS2",
};

static bool is_vmx_msr(u64 number)
{
    return number >= MSR_IA32_VMX_BASIC && number < MSR_IA32_VMX_BASIC + ARRAY_LEN(msr_names);
}

static bool is_name(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* An MSR named in the text, by its name or by its number: *msr, and the place behind it, or
 * NULL. */
static const char *find_msr(const char *text, u32 *msr)
{
    const char *p = strstr(text, "IA32_VMX_");
    if (p != NULL) {
        for (unsigned i = 0; i < ARRAY_LEN(msr_names); i++) {
            size_t n = strlen(msr_names[i]);
            if (strncmp(p + 9, msr_names[i], n) == 0 && !is_name(p[9 + n])) {
                *msr = MSR_IA32_VMX_BASIC + i;
                return p + 9 + n;
            }
        }
        return NULL;
    }
    for (p = strstr(text, "0x4"); p != NULL; p = strstr(p + 1, "0x4")) {
        struct number n = number_read(p);
        if (!n.wrong && n.digits <= 8 && is_vmx_msr(n.value)) {
            *msr = (u32)n.value;
            return p + n.at + n.digits;
        }
    }
    return NULL;
}

/* The first number behind the place that looks like a value: 0x, or more than four digits. */
static bool find_value(const char *text, u64 *value)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (p != text && is_name((char)(p[-1] & ~0x20)))
            continue;
        struct number n = number_read(p);
        if (n.wrong || n.digits == 0 || (n.at == 0 && n.digits < 5))
            continue;
        if (is_vmx_msr(n.value) && n.digits <= 4)
            continue; /* the number of the MSR beside its name */
        *value = n.value;
        return true;
    }
    return false;
}

static void learn(struct scan *s, u32 msr, u64 value)
{
    s->r->facts |= open_learn_msr(&s->r->cpu, msr, value);
}

/* "rdmsr 0x480" and a value alone on the next line; or both on one line. */
static void msr_line(struct scan *s, const char *t)
{
    u32 msr = 0, asked = s->last_msr;
    u64 value;
    s->last_msr = 0;
    if (asked != 0) {
        struct number n = number_read(t);
        if (!n.wrong && n.digits != 0 && n.last) {
            learn(s, asked, n.value);
            return;
        }
    }
    bool spoken = strstr(t, "msr") != NULL || strstr(t, "MSR") != NULL || strstr(t, "VMX_") != NULL;
    if (!spoken && strncmp(t, "0x4", 3) != 0)
        return;
    const char *behind = find_msr(t, &msr);
    if (behind == NULL)
        return;
    if (find_value(behind, &value))
        learn(s, msr, value);
    else if (strstr(t, "rdmsr") != NULL)
        s->last_msr = msr;
}

/* "address sizes : 46 bits physical, 48 bits virtual" */
static void sizes_line(struct scan *s, const char *t)
{
    const char *p = strchr(t, ':');
    if (p == NULL)
        return;
    unsigned long phys = strtoul(p + 1, NULL, 10);
    const char *comma = strchr(p, ',');
    unsigned long linear = comma != NULL ? strtoul(comma + 1, NULL, 10) : 0;
    if (phys >= 32 && phys <= 52) {
        s->r->cpu.phys = (struct open_range){(u8)phys, (u8)phys};
        s->r->facts = true;
    }
    if (linear == 48 || linear == 57)
        s->r->cpu.linear = (struct open_range){(u8)linear, (u8)linear};
}

static bool has_word(const char *text, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = strstr(text, word); p != NULL; p = strstr(p + 1, word))
        if (p != text && p[-1] == ' ' && (p[n] == ' ' || p[n] == '\0'))
            return true;
    return false;
}

/* A flag that is not there may only be hidden by the kernel. */
static void flags_line(struct scan *s, const char *t)
{
    static const struct {
        const char *word;
        enum open_flag flag;
    } flags[] = {{"rtm", OPEN_RTM}, {"sgx", OPEN_SGX}, {"lam", OPEN_LAM}};
    for (unsigned i = 0; i < ARRAY_LEN(flags); i++)
        if (has_word(t, flags[i].word))
            s->r->cpu.flag[flags[i].flag] = TRI_YES;
    if (has_word(t, "la57"))
        s->r->cpu.linear = (struct open_range){57, 57};
}

/* XMHF: "vcpu->vmx_msrs[0]=0x..." from IA32_VMX_BASIC on */
static void xmhf_line(struct scan *s, const char *t)
{
    const char *p = strstr(t, "vcpu->vmx_msrs[");
    char *end;
    if (p == NULL)
        return;
    unsigned long index = strtoul(p + 15, &end, 0);
    if (end[0] != ']' || end[1] != '=' || index >= ARRAY_LEN(msr_names))
        return;
    struct number n = number_read(end + 2);
    if (!n.wrong && n.digits != 0)
        learn(s, MSR_IA32_VMX_BASIC + (u32)index, n.value);
}

void fact_line(struct scan *s, const struct line *line)
{
    const char *t = line->text;
    if (strstr(t, "ddress sizes") != NULL)
        sizes_line(s, t);
    else if (strncmp(t, "flags", 5) == 0)
        flags_line(s, t);
    else if (strstr(t, "vmx_msrs[") != NULL)
        xmhf_line(s, t);
    else if (s->last_msr != 0 || strstr(t, "0x4") != NULL || strstr(t, "IA32_VMX_") != NULL)
        msr_line(s, t);
}
