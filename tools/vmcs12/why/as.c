/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmcs12 dump --as kvm|xen: an image in the words in which KVM (since 2022) or Xen (since 4.12)
 * would print it. What these print under a condition is printed under that condition.
 */
#include <string.h>

#include "hv/arch/cpu.h"
#include "tools/vmcs12/why/why.h"

typedef unsigned long long ull;

struct writer {
    FILE *out;
    const struct vmcs_image *v;
    bool xen;
};

static ull get(const struct writer *w, enum vmcs_field f)
{
    return (ull)vmcs12_get(w->v, f);
}

static void begin(const struct writer *w)
{
    fputs(w->xen ? "(XEN) " : "", w->out);
}

/* "LABEL0x0123456789abcdef" or without 0x, then `end`. */
static void quad(const struct writer *w, const char *label, enum vmcs_field f, const char *end)
{
    fprintf(w->out, "%s%016llx%s", label, get(w, f), end);
}

static void word32(const struct writer *w, const char *label, enum vmcs_field f, const char *end)
{
    fprintf(w->out, "%s%08llx%s", label, get(w, f), end);
}

static void failure(const struct writer *w)
{
    ull reason = get(w, F_exit_reason), error = get(w, F_vm_instruction_error);
    bool failed = any(reason, EXIT_REASON_ENTRY_FAIL);
    if (!failed && (error == 7 || error == 8))
        fprintf(w->out,
                w->xen ? "(XEN) d1v0 VMLAUNCH error: 0x%llx\n"
                       : "KVM: entry failed, hardware error 0x%llx\n",
                error);
    if (failed && w->xen && EXIT_REASON_BASIC(reason) == EXIT_REASON_ENTRY_GUEST_STATE)
        fprintf(w->out, "(XEN) d1v0 vmentry failure (reason 0x%llx): Invalid guest state (%llu)\n",
                reason, get(w, F_exit_qualification));
    if (failed && w->xen && EXIT_REASON_BASIC(reason) == EXIT_REASON_ENTRY_MSR_LOADING)
        fprintf(w->out, "(XEN) d1v0 vmentry failure (reason 0x%llx): MSR loading (entry %llu)\n",
                reason, get(w, F_exit_qualification) - 1);
}

static void guest_registers(const struct writer *w)
{
    const char *pdpt = w->xen ? "PDPTE" : "PDPTR";
    bool pae = any(w->v->guest_cr4, CR4_PAE) && any(vmcs12_cpu2(w->v), CPU2_ENABLE_EPT) &&
               !any(w->v->entry_ctl, ENTRY_IA32E_MODE_GUEST);
    begin(w);
    fputs("*** Guest State ***\n", w->out);
    begin(w);
    quad(w, "CR0: actual=0x", F_guest_cr0, "");
    quad(w, ", shadow=0x", F_cr0_read_shadow, "");
    quad(w, ", gh_mask=", F_cr0_guest_host_mask, "\n");
    begin(w);
    quad(w, "CR4: actual=0x", F_guest_cr4, "");
    quad(w, ", shadow=0x", F_cr4_read_shadow, "");
    quad(w, ", gh_mask=", F_cr4_guest_host_mask, "\n");
    begin(w);
    quad(w, "CR3 = 0x", F_guest_cr3, "\n");
    for (unsigned i = 0; i < 4 && (pae || !w->xen); i++) {
        if (i % 2 == 0)
            begin(w);
        fprintf(w->out, "%s%u = 0x%016llx%s", pdpt, i,
                get(w, (enum vmcs_field)((unsigned)F_guest_pdptr0 + i)), i % 2 == 0 ? "  " : "\n");
    }
    begin(w);
    quad(w, "RSP = 0x", F_guest_rsp, "");
    if (w->xen)
        quad(w, " (0x", F_guest_rsp, ")");
    quad(w, "  RIP = 0x", F_guest_rip, "");
    if (w->xen)
        quad(w, " (0x", F_guest_rip, ")");
    fputc('\n', w->out);
    begin(w);
    word32(w, "RFLAGS=0x", F_guest_rflags, "");
    if (w->xen)
        word32(w, " (0x", F_guest_rflags, ")");
    quad(w, w->xen ? "  DR7 = 0x" : "         DR7 = 0x", F_guest_dr7, "\n");
    begin(w);
    quad(w, "Sysenter RSP=", F_guest_sysenter_esp, "");
    fprintf(w->out, " CS:RIP=%04llx:%016llx\n", get(w, F_guest_sysenter_cs),
            get(w, F_guest_sysenter_eip));
}

static void segments(const struct writer *w)
{
    static const struct {
        const char *kvm, *xen;
        u8 selector, ar, limit, base; /* F_COUNT: the register has none */
    } rows[] = {
#define ROW(kvm, xen, s) \
    {kvm, xen, F_guest_##s##_selector, F_guest_##s##_ar, F_guest_##s##_limit, F_guest_##s##_base}
        ROW("CS:  ", "  CS", cs),
        ROW("DS:  ", "  DS", ds),
        ROW("SS:  ", "  SS", ss),
        ROW("ES:  ", "  ES", es),
        ROW("FS:  ", "  FS", fs),
        ROW("GS:  ", "  GS", gs),
        {"GDTR:", "GDTR", F_COUNT, F_COUNT, F_guest_gdtr_limit, F_guest_gdtr_base},
        ROW("LDTR:", "LDTR", ldtr),
        {"IDTR:", "IDTR", F_COUNT, F_COUNT, F_guest_idtr_limit, F_guest_idtr_base},
        ROW("TR:  ", "  TR", tr),
    };
    if (w->xen)
        fputs("(XEN)        sel  attr  limit   base\n", w->out);
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        ull limit = get(w, (enum vmcs_field)rows[i].limit);
        ull base = get(w, (enum vmcs_field)rows[i].base);
        bool whole = rows[i].selector != F_COUNT;
        ull selector = whole ? get(w, (enum vmcs_field)rows[i].selector) : 0;
        ull ar = whole ? get(w, (enum vmcs_field)rows[i].ar) : 0;
        if (w->xen && whole)
            fprintf(w->out, "(XEN) %s: %04llx %05llx %08llx %016llx\n", rows[i].xen, selector, ar,
                    limit, base);
        else if (w->xen)
            fprintf(w->out, "(XEN) %s:            %08llx %016llx\n", rows[i].xen, limit, base);
        else if (whole)
            fprintf(w->out, "%s sel=0x%04llx, attr=0x%05llx, limit=0x%08llx, base=0x%016llx\n",
                    rows[i].kvm, selector, ar, limit, base);
        else
            fprintf(w->out, "%s                           limit=0x%08llx, base=0x%016llx\n",
                    rows[i].kvm, limit, base);
    }
}

/* One line for a field that is printed under a condition. */
static void if_line(const struct writer *w, bool condition, const char *label, enum vmcs_field f)
{
    if (!condition)
        return;
    begin(w);
    quad(w, label, f, "\n");
}

static void cet(const struct writer *w, bool condition, bool host)
{
    if (!condition || w->xen)
        return;
    quad(w, "S_CET = 0x", host ? F_host_s_cet : F_guest_s_cet, "");
    quad(w, ", SSP = 0x", host ? F_host_ssp : F_guest_ssp, "");
    quad(w, ", SSP TABLE = 0x", host ? F_host_intr_ssp_table : F_guest_intr_ssp_table, "\n");
}

static void guest_rest(const struct writer *w)
{
    u32 entry = w->v->entry_ctl;
    if (w->xen) {
        quad(w, "(XEN) EFER(VMCS) = 0x", F_guest_efer, "");
        quad(w, "  PAT = 0x", F_guest_pat, "\n");
        word32(w, "(XEN) PreemptionTimer = 0x", F_preemption_timer_value, "");
        word32(w, "  SM Base = 0x", F_guest_smbase, "\n");
    } else {
        if_line(w, any(entry, ENTRY_LOAD_EFER), "EFER= 0x", F_guest_efer);
        if_line(w, any(entry, ENTRY_LOAD_PAT), "PAT = 0x", F_guest_pat);
    }
    begin(w);
    quad(w, "DebugCtl = 0x", F_guest_debugctl, "");
    quad(w, "  DebugExceptions = 0x", F_guest_pending_dbg_exceptions, "\n");
    if_line(w, any(entry, ENTRY_LOAD_PERF_GLOBAL_CTRL), "PerfGlobCtl = 0x",
            F_guest_perf_global_ctrl);
    if_line(w, any(entry, ENTRY_LOAD_BNDCFGS), "BndCfgS = 0x", F_guest_bndcfgs);
    begin(w);
    word32(w, "Interruptibility = ", F_guest_interruptibility, "");
    word32(w, "  ActivityState = ", F_guest_activity_state, "\n");
    cet(w, any(entry, ENTRY_LOAD_CET), false);
}

static void host(const struct writer *w)
{
    u32 ctl = w->v->exit_ctl;
    begin(w);
    fputs("*** Host State ***\n", w->out);
    begin(w);
    quad(w, "RIP = 0x", F_host_rip, w->xen ? " (vmx_asm_vmexit_handler)" : "");
    quad(w, "  RSP = 0x", F_host_rsp, "\n");
    begin(w);
    fprintf(w->out, "CS=%04llx SS=%04llx DS=%04llx ES=%04llx FS=%04llx GS=%04llx TR=%04llx\n",
            get(w, F_host_cs_selector), get(w, F_host_ss_selector), get(w, F_host_ds_selector),
            get(w, F_host_es_selector), get(w, F_host_fs_selector), get(w, F_host_gs_selector),
            get(w, F_host_tr_selector));
    begin(w);
    quad(w, "FSBase=", F_host_fs_base, "");
    quad(w, " GSBase=", F_host_gs_base, "");
    quad(w, " TRBase=", F_host_tr_base, "\n");
    begin(w);
    quad(w, "GDTBase=", F_host_gdtr_base, "");
    quad(w, " IDTBase=", F_host_idtr_base, "\n");
    begin(w);
    quad(w, "CR0=", F_host_cr0, "");
    quad(w, " CR3=", F_host_cr3, "");
    quad(w, " CR4=", F_host_cr4, "\n");
    begin(w);
    quad(w, "Sysenter RSP=", F_host_sysenter_esp, "");
    fprintf(w->out, " CS:RIP=%04llx:%016llx\n", get(w, F_host_sysenter_cs),
            get(w, F_host_sysenter_eip));
    if (w->xen && any(ctl, EXIT_LOAD_PAT | EXIT_LOAD_EFER)) {
        quad(w, "(XEN) EFER = 0x", F_host_efer, "");
        quad(w, "  PAT = 0x", F_host_pat, "\n");
    } else {
        if_line(w, any(ctl, EXIT_LOAD_EFER), "EFER= 0x", F_host_efer);
        if_line(w, any(ctl, EXIT_LOAD_PAT), "PAT = 0x", F_host_pat);
    }
    if_line(w, any(ctl, EXIT_LOAD_PERF_GLOBAL_CTRL), "PerfGlobCtl = 0x", F_host_perf_global_ctrl);
    cet(w, any(ctl, EXIT_LOAD_CET), true);
}

static void control_words(const struct writer *w)
{
    begin(w);
    fputs("*** Control State ***\n", w->out);
    if (w->xen) {
        word32(w, "(XEN) PinBased=", F_pin_ctl, "");
        word32(w, " CPUBased=", F_cpu1_ctl, "\n");
        word32(w, "(XEN) SecondaryExec=", F_cpu2_ctl, "");
        quad(w, " TertiaryExec=", F_cpu3_ctl, "\n");
        word32(w, "(XEN) EntryControls=", F_entry_ctl, "");
        word32(w, " ExitControls=", F_exit_ctl, "\n");
    } else {
        word32(w, "CPUBased=0x", F_cpu1_ctl, "");
        word32(w, " SecondaryExec=0x", F_cpu2_ctl, "");
        quad(w, " TertiaryExec=0x", F_cpu3_ctl, "\n");
        word32(w, "PinBased=0x", F_pin_ctl, "");
        word32(w, " EntryControls=", F_entry_ctl, "");
        word32(w, " ExitControls=", F_exit_ctl, "\n");
    }
    begin(w);
    word32(w, "ExceptionBitmap=", F_exception_bitmap, "");
    word32(w, " PFECmask=", F_pf_error_code_mask, "");
    word32(w, " PFECmatch=", F_pf_error_code_match, "\n");
    begin(w);
    word32(w, "VMEntry: intr_info=", F_entry_intr_info, "");
    word32(w, " errcode=", F_entry_exception_error_code, "");
    word32(w, " ilen=", F_entry_instruction_len, "\n");
    begin(w);
    word32(w, "VMExit: intr_info=", F_exit_intr_info, "");
    word32(w, " errcode=", F_exit_intr_error_code, "");
    word32(w, " ilen=", F_exit_instruction_len, "\n");
    begin(w);
    word32(w, "        reason=", F_exit_reason, "");
    quad(w, " qualification=", F_exit_qualification, "\n");
    begin(w);
    word32(w, "IDTVectoring: info=", F_idt_vectoring_info, "");
    word32(w, " errcode=", F_idt_vectoring_error_code, "\n");
}

static void controls_rest(const struct writer *w)
{
    u32 cpu2 = vmcs12_cpu2(w->v);
    bool tpr = any(w->v->cpu1_ctl, CPU1_USE_TPR_SHADOW);
    bool posted = any(w->v->pin_ctl, PIN_POSTED_INTERRUPTS);
    begin(w);
    quad(w, "TSC Offset = 0x", F_tsc_offset, "\n");
    if (tpr || (w->xen && posted)) {
        begin(w);
        fprintf(w->out, "TPR Threshold = 0x%02llx", get(w, F_tpr_threshold));
        if (w->xen)
            fprintf(w->out, "  PostedIntrVec = 0x%02llx", get(w, F_posted_intr_vector));
        fputc('\n', w->out);
    }
    if (tpr && !w->xen) {
        if (any(cpu2, CPU2_VIRTUALIZE_APIC_ACCESSES))
            quad(w, "APIC-access addr = 0x", F_apic_access_addr, " ");
        quad(w, "virt-APIC addr = 0x", F_virtual_apic_addr, "\n");
    }
    if (posted && !w->xen)
        fprintf(w->out, "PostedIntrVec = 0x%02llx\n", get(w, F_posted_intr_vector));
    if (any(cpu2, CPU2_ENABLE_EPT)) {
        begin(w);
        quad(w, "EPT pointer = 0x", F_ept_pointer, "");
        if (w->xen)
            fprintf(w->out, "  EPTP index = 0x%04llx", get(w, F_eptp_index));
        fputc('\n', w->out);
    }
    if (any(cpu2, CPU2_PAUSE_LOOP_EXITING)) {
        begin(w);
        word32(w, "PLE Gap=", F_ple_gap, "");
        word32(w, " Window=", F_ple_window, "\n");
    }
    if (any(cpu2, CPU2_ENABLE_VPID | (w->xen ? CPU2_ENABLE_VMFUNC : 0u))) {
        begin(w);
        fprintf(w->out, "Virtual processor ID = 0x%04llx", get(w, F_vpid));
        if (w->xen)
            quad(w, " VMfunc controls = ", F_vmfunc_ctl, "");
        fputc('\n', w->out);
    }
    if (!w->xen && any(cpu2, CPU2_EPT_VIOLATION_VE))
        quad(w, "VE info address = 0x", F_ve_info_addr, "\n");
}

bool tool_dump_as(struct tool *t, const struct vmcs_image *v)
{
    struct writer w = {t->out, v, strcmp(t->as, "xen") == 0};
    if (!w.xen && strcmp(t->as, "kvm") != 0)
        return tool_fail(t, "--as %s: no such layout of text (kvm, xen)", t->as), false;
    failure(&w);
    if (w.xen)
        fputs("(XEN) ************* VMCS Area **************\n", w.out);
    guest_registers(&w);
    segments(&w);
    guest_rest(&w);
    host(&w);
    control_words(&w);
    controls_rest(&w);
    return true;
}
