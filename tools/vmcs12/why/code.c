/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the exit code says: whether the entry failed, which rules held, and sometimes which rule was
 * broken. SDM 3C 27.8 "VM-Entry Failures During or After Loading Guest State"
 */
#include <stdarg.h>
#include <string.h>

#include "hv/arch/vmx_error.h"
#include "tools/vmcs12/why/judge.h"

void answer_note(struct answer *a, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    notes_add(a->notes, 400, format, ap);
    va_end(ap);
}

struct finding *add_finding(struct finding *list, unsigned *count, enum rule_id rule)
{
    if (*count == ANSWER_FINDINGS)
        return NULL;
    struct finding *f = &list[(*count)++];
    memset(f, 0, sizeof *f);
    f->rule = rule;
    return f;
}

static void name_rule(struct judge *j, enum rule_id rule, const char *code)
{
    struct finding *f = add_finding(j->a->by_code, &j->a->by_codes, rule);
    if (f != NULL)
        snprintf(f->condition, sizeof f->condition, "%s", code);
}

static void name_stage(struct judge *j, enum rule_stage stage, const char *code)
{
    for (enum rule_id r = 0; r < R_COUNT; r++)
        if (rule_stage(r) == stage)
            name_rule(j, r, code);
}

/* A rule that the product itself named. VirtualBox has one number for both rules of a G bit. */
static void name_named(struct judge *j)
{
    enum rule_id rule = (enum rule_id)j->d->named;
    char code[64];
    snprintf(code, sizeof code, "named by %s itself", why_format_name(j->d->format));
    name_rule(j, rule, code);
    if (j->d->format == FORMAT_VIRTUALBOX && rule == R_segment_g_small)
        name_rule(j, R_segment_g_large, code);
    if (j->d->format == FORMAT_VIRTUALBOX && rule == R_tr_g_small)
        name_rule(j, R_tr_g_large, code);
}

static void hold(struct judge *j, struct outcome *o, enum rule_stage first, enum rule_stage last)
{
    for (enum rule_id r = 0; r < R_COUNT; r++)
        if (rule_stage(r) >= first && rule_stage(r) <= last)
            rule_set_add(&j->a->held, r);
    for (unsigned s = first; s <= last; s++)
        o->stage_held[s] = true;
}

static void error_code(struct judge *j, struct outcome *o)
{
    struct answer *a = j->a;
    u32 error = j->d->error;
    a->entry_failed = TRI_YES;
    o->decided = true;
    o->stage_possible[STAGE_CONTROLS] = error == ERR_ENTRY_CONTROLS;
    o->stage_possible[STAGE_HOST] = error == ERR_ENTRY_HOST_STATE;
    snprintf(a->code, sizeof a->code, "VM-instruction error %u: %s", error, vmx_error_text(error));
    if (any(j->d->reason, EXIT_REASON_ENTRY_FAIL) || j->d->has_reason)
        answer_note(a,
                    "the exit information in the dump is left over from an exit before this entry");
    if (error != ERR_ENTRY_CONTROLS && error != ERR_ENTRY_HOST_STATE)
        answer_note(a,
                    "this error is none of the VMCS's fields: the instruction itself was refused");
}

/* Exit reason 33 */
static void guest_state(struct judge *j, struct outcome *o)
{
    u64 qualification = j->d->has_qualification ? j->d->qualification : 0;
    char code[80];
    hold(j, o, STAGE_CONTROLS, STAGE_HOST);
    o->stage_possible[STAGE_GUEST] = qualification == 0;
    snprintf(code, sizeof code, "exit reason 33 with qualification %llu",
             (unsigned long long)qualification);
    for (unsigned s = STAGE_GUEST_PDPTE; s <= STAGE_GUEST_LINK; s++)
        o->stage_possible[s] = qualification == s - STAGE_GUEST_PDPTE + 2;
    if (qualification >= 2 && qualification <= 4)
        name_stage(j, (enum rule_stage)(STAGE_GUEST_PDPTE + qualification - 2), code);
    else if (qualification != 0)
        o->stage_possible[STAGE_GUEST] = true;
    snprintf(
        j->a->code, sizeof j->a->code,
        "VM-entry failure due to invalid guest state (%s): the rules of the controls and of the "
        "host state held",
        code);
}

/* Exit reason 34 */
static void msr_loading(struct judge *j, struct outcome *o)
{
    hold(j, o, STAGE_CONTROLS, STAGE_GUEST_LINK);
    o->stage_possible[STAGE_MSR_LIST] = true;
    char entry[32] = "";
    if (j->d->has_qualification)
        snprintf(entry, sizeof entry, ", entry %llu", (unsigned long long)j->d->qualification);
    snprintf(j->a->code, sizeof j->a->code,
             "VM-entry failure due to MSR loading (exit reason 34%s): all rules of controls, host "
             "state and guest state held",
             entry);
}

static void entry_failure(struct judge *j, struct outcome *o)
{
    struct answer *a = j->a;
    a->entry_failed = TRI_YES;
    o->decided = true;
    switch (EXIT_REASON_BASIC(j->d->reason)) {
    case EXIT_REASON_ENTRY_GUEST_STATE:
        guest_state(j, o);
        return;
    case EXIT_REASON_ENTRY_MSR_LOADING:
        msr_loading(j, o);
        return;
    case EXIT_REASON_ENTRY_MACHINE_CHECK:
        hold(j, o, STAGE_CONTROLS, STAGE_HOST);
        snprintf(a->code, sizeof a->code, "VM-entry failure due to a machine-check event");
        answer_note(a, "a machine check broke off the entry: look at the machine, not at the VMCS");
        return;
    default:
        o->decided = false;
        snprintf(a->code, sizeof a->code, "exit reason 0x%x", j->d->reason);
        answer_note(a,
                    "no VM entry fails with exit reason %u: the number is not as the CPU wrote it",
                    EXIT_REASON_BASIC(j->d->reason));
    }
}

/* Products whose dump is made right after the exit that it tells of. In an image or in a list of
 * fields the exit information may be of any age. */
static bool tells_its_exit(const struct dump *d)
{
    return d->format == FORMAT_KVM || d->format == FORMAT_XEN || d->format == FORMAT_XMHF ||
           d->format == FORMAT_BHYVE;
}

void judge_code(struct judge *j, struct outcome *o)
{
    const struct dump *d = j->d;
    struct answer *a = j->a;
    *o = (struct outcome){.decided = false};
    a->entry_failed = TRI_OPEN;
    if (d->has_error) {
        error_code(j, o);
    } else if (d->has_reason && any(d->reason, EXIT_REASON_ENTRY_FAIL)) {
        entry_failure(j, o);
    } else if (d->has_reason && tells_its_exit(d)) {
        a->entry_failed = TRI_NO;
        hold(j, o, STAGE_CONTROLS, STAGE_MSR_LIST);
        snprintf(a->code, sizeof a->code,
                 "exit reason %u has no bit 31: this exit came after an entry that succeeded",
                 EXIT_REASON_BASIC(d->reason));
    }
    if (d->named < R_COUNT)
        name_named(j);
}
