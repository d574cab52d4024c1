/* SPDX-License-Identifier: BSD-2-Clause */
/* Conditions and requests in words. Contract in judge.h. */
#include <stdarg.h>
#include <string.h>

#include "tools/vmcs12/why/judge.h"

static void append(char *text, size_t room, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void append(char *text, size_t room, const char *format, ...)
{
    size_t used = strlen(text);
    va_list ap;
    va_start(ap, format);
    vsnprintf(text + used, room - used, format, ap);
    va_end(ap);
}

static const char *msr_text(u16 msr)
{
    static const char *const names[] = {
        "IA32_VMX_BASIC",           "IA32_VMX_PINBASED_CTLS",      "IA32_VMX_PROCBASED_CTLS",
        "IA32_VMX_EXIT_CTLS",       "IA32_VMX_ENTRY_CTLS",         "IA32_VMX_MISC",
        "IA32_VMX_CR0_FIXED0",      "IA32_VMX_CR0_FIXED1",         "IA32_VMX_CR4_FIXED0",
        "IA32_VMX_CR4_FIXED1",      "IA32_VMX_VMCS_ENUM",          "IA32_VMX_PROCBASED_CTLS2",
        "IA32_VMX_EPT_VPID_CAP",    "IA32_VMX_TRUE_PINBASED_CTLS", "IA32_VMX_TRUE_PROCBASED_CTLS",
        "IA32_VMX_TRUE_EXIT_CTLS",  "IA32_VMX_TRUE_ENTRY_CTLS",    "IA32_VMX_VMFUNC",
        "IA32_VMX_PROCBASED_CTLS3", "IA32_VMX_EXIT_CTLS2",
    };
    unsigned i = msr - MSR_IA32_VMX_BASIC;
    return i < ARRAY_LEN(names) ? names[i] : "?";
}

static const char *flag_text(const struct open_fact *f)
{
    switch ((enum open_flag)f->index) {
    case OPEN_RTM:
        return f->value != 0 ? "the processor has RTM" : "the processor has no RTM";
    case OPEN_SGX:
        return "the processor has no SGX";
    case OPEN_LAM:
        return "the processor has no LAM";
    case OPEN_NMI_STI:
        return "the processor refuses an NMI under blocking by STI";
    default:
        return f->value != 0 ? "the processor was in IA-32e mode at the entry"
                             : "the processor was outside IA-32e mode at the entry";
    }
}

static const char *reserved_text(const struct open_fact *f)
{
    static const char *const names[] = {"IA32_DEBUGCTL", "IA32_PERF_GLOBAL_CTRL", "IA32_RTIT_CTL",
                                        "IA32_LBR_CTL"};
    return f->value < ARRAY_LEN(names) ? names[f->value] : "?";
}

static void fact_text(const struct open_fact *f, bool again, char *text, size_t room)
{
    switch ((enum open_kind)f->kind) {
    case FACT_BIT:
        if (again)
            append(text, room, "bit %u is %u", f->index, f->value);
        else
            append(text, room, "%s bit %u is %u", msr_text(f->msr), f->index, f->value);
        break;
    case FACT_CR3_COUNT:
        append(text, room, "bits 24:16 of IA32_VMX_MISC are less than the CR3-target count");
        break;
    case FACT_PHYS:
        append(text, room, "MAXPHYADDR is %u or less", f->value);
        break;
    case FACT_LINEAR:
        append(text, room, "the linear-address width is %u", f->value);
        break;
    case FACT_FLAG:
        append(text, room, "%s", flag_text(f));
        break;
    case FACT_RESERVED:
        append(text, room, "bit %u of %s is reserved on the processor", f->index, reserved_text(f));
        break;
    }
}

bool condition_text(struct judge *j, enum rule_id rule, char *text, size_t room)
{
    struct open_fact facts[6];
    unsigned n = open_facts(&j->a->v, &j->env, &j->cpu, rule, facts, ARRAY_LEN(facts));
    text[0] = '\0';
    for (unsigned i = 0; i < n; i++) {
        bool again = i != 0 && facts[i].kind == FACT_BIT && facts[i - 1].kind == FACT_BIT &&
                     facts[i].msr == facts[i - 1].msr;
        append(text, room, "%s", i != 0 ? " or " : "");
        fact_text(&facts[i], again, text, room);
    }
    return n != 0;
}

/* The memory that a rule speaks of. */
static const char *memory_text(enum rule_id rule)
{
    switch (rule) {
    case R_tpr_threshold_vtpr:
        return "byte 0x80 of the virtual-APIC page (VTPR)";
    case R_pdpte_reserved:
        return "the 32 bytes at guest CR3 & ~31 (the PDPTEs)";
    case R_link_revision:
    case R_link_shadow:
        return "the first 4 bytes at the VMCS link pointer";
    case R_link_current:
        return "the address of the current VMCS";
    default:
        return NULL;
    }
}

/* The capability MSRs and the rest that decide for the rule, when nothing single does. */
static const char *capability_text(enum rule_id rule)
{
    const char *name = rule_name(rule);
    size_t n = strlen(name);
    if (n > 6 && strcmp(name + n - 6, "_width") == 0)
        return "MAXPHYADDR (/proc/cpuinfo, 'address sizes')";
    switch (rule) {
    case R_host_cr3:
    case R_guest_cr3:
    case R_pdpte_reserved:
        return "MAXPHYADDR (/proc/cpuinfo, 'address sizes')";
    case R_guest_sysenter:
    case R_host_sysenter:
    case R_host_bases:
    case R_table_base:
    case R_segment_base_canonical:
    case R_rip_linear:
    case R_size_64_rip:
        return "the linear-address width (/proc/cpuinfo, 'address sizes')";
    case R_size_outside_ia32e:
    case R_size_inside_ia32e:
    case R_size_ia32e_guest:
        return "whether the processor was in IA-32e mode at the entry";
    case R_guest_perf_global:
    case R_host_perf_global:
    case R_guest_debugctl:
    case R_guest_rtit_ctl:
    case R_guest_lbr_ctl:
        return "the processor's model";
    default:
        return "the capability MSRs of that CPU, rdmsr 0x480 to 0x491: for m in $(seq 1152 1169); "
               "do "
               "printf '0x%x: %s\\n' $m $(rdmsr -c $m); done";
    }
}

/* The fields that KVM and Xen print on every processor. */
static bool is_printed(enum vmcs_field f)
{
    switch (f) {
    case F_pin_ctl:
    case F_cpu1_ctl:
    case F_cpu2_ctl:
    case F_exit_ctl:
    case F_entry_ctl:
    case F_entry_intr_info:
    case F_entry_exception_error_code:
    case F_entry_instruction_len:
        return true;
    default:
        return vmcs12_desc(f)->area != AREA_CTL && f != F_vmcs_link_pointer;
    }
}

void missing_of(struct judge *j, enum rule_id rule, struct undecided *u)
{
    static const char *const words[] = {
        [MISSING_GUEST] = "fields of the guest state",
        [MISSING_CONTROL] = "the control state of the dump",
        [MISSING_HOST] = "the host state of the dump",
        [MISSING_UNPRINTED] = "fields that such a dump does not print (a debug print of the VMM)",
    };
    bool lacks = false, unprinted = false, guest = false, control = false;
    for (const u8 *q = rule_fields(rule); *q != F_COUNT; q++) {
        enum vmcs_field f = (enum vmcs_field) * q;
        if (dump_knows(j->d, f))
            continue;
        lacks = true;
        unprinted |= !is_printed(f);
        guest |= vmcs12_desc(f)->area == AREA_GUEST;
        control |= vmcs12_desc(f)->area == AREA_CTL;
    }
    u->kind = (u8)(!lacks      ? MISSING_OTHER
                   : unprinted ? MISSING_UNPRINTED
                   : guest     ? MISSING_GUEST
                   : control   ? MISSING_CONTROL
                               : MISSING_HOST);
    const char *memory = memory_text(rule);
    const char *text = lacks ? words[u->kind] : memory != NULL ? memory : capability_text(rule);
    snprintf(u->missing, sizeof u->missing, "%s", text);
}
