/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What lines outside of a dump say of the failure: the words of QEMU, Xen, XMHF, NoirVisor,
 * VirtualBox and Nidus. Contract in scan.h.
 */
#include <string.h>

#include "tools/vmcs12/why/scan.h"

void failure_apply(struct dump *d, const struct failure *f)
{
    if (f->formatted)
        d->format = f->format;
    if (f->has_error) {
        d->has_error = true;
        d->error = f->error;
    }
    if (f->has_reason) {
        d->has_reason = true;
        d->reason = f->reason;
    }
    if (f->has_qualification) {
        d->has_qualification = true;
        d->qualification = f->qualification;
    }
    if (f->has_msr && d->msrs < DUMP_MSRS)
        d->msr[d->msrs++] = f->msr;
    if (f->named < R_COUNT)
        d->named = f->named;
}

/* The numbers of the pattern where it begins anywhere in the text; false: nowhere, or not all. */
static bool find(const char *text, const char *pattern, struct number *n)
{
    char word[24];
    size_t length = strcspn(pattern, " @"), end;
    bool more;
    if (length >= sizeof word)
        return false;
    memcpy(word, pattern, length);
    word[length] = '\0';
    unsigned wanted = 0;
    for (const char *p = pattern; *p != '\0'; p++)
        wanted += *p == '@';
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word)) {
        unsigned count = pattern_match(at, pattern, n, &end, &more);
        bool whole = count == wanted && count != 0;
        for (unsigned i = 0; i < count; i++)
            whole = whole && !n[i].wrong;
        if (whole)
            return true;
    }
    return false;
}

static void reason_event(struct failure *f, u64 reason)
{
    f->has_reason = true;
    f->reason = (u32)reason;
}

/* Of QEMU's number: an exit reason, an instruction error, or 0, which says nothing. */
static bool qemu_event(struct failure *f, const char *t)
{
    struct number n[LABEL_NUMBERS];
    if (!find(t, "entry failed, hardware error @r", n))
        return false;
    if (n[0].value >= 0x80000000)
        reason_event(f, n[0].value);
    f->has_error = n[0].value > 0 && n[0].value < 64;
    f->error = (u32)n[0].value;
    return true;
}

/* Other VMMs on KVM print the number of KVM_EXIT_FAIL_ENTRY in their own ways, often in decimal. */
static bool vmm_event(struct failure *f, const char *t)
{
    static const char *const words[] = {"hardware_entry_failure_reason", "FailEntry", "FAIL_ENTRY"};
    static const struct {
        const char *text;
        u32 reason;
    } numbers[] = {{"80000021", 0x80000021},
                   {"2147483681", 0x80000021},
                   {"80000022", 0x80000022},
                   {"2147483682", 0x80000022}};
    bool spoken = false;
    for (unsigned i = 0; i < ARRAY_LEN(words); i++)
        spoken |= strstr(t, words[i]) != NULL;
    for (unsigned i = 0; spoken && i < ARRAY_LEN(numbers); i++)
        if (strstr(t, numbers[i].text) != NULL) {
            reason_event(f, numbers[i].reason);
            return true;
        }
    return false;
}

/* Xen counts the entries of an MSR list from 0, the exit qualification from 1. */
static bool xen_event(struct failure *f, const char *t)
{
    struct number n[LABEL_NUMBERS];
    bool head =
        find(t, "vmentry failure (reason @r)", n) || find(t, "vm entry (exit reason @r)", n);
    if (head) {
        reason_event(f, n[0].value);
        if (find(t, "guest state (@r)", n)) {
            f->has_qualification = true;
            f->qualification = n[0].value;
        } else if (find(t, "loading (entry @r)", n) || find(t, "MSR entry @r loading", n)) {
            f->has_qualification = true;
            f->qualification = n[0].value + 1;
        }
    } else if (find(t, "VMLAUNCH error: @r", n) || find(t, "VMRESUME error: @r", n)) {
        f->has_error = head = true;
        f->error = (u32)n[0].value;
    }
    f->formatted = f->formatted || head;
    f->format = head ? FORMAT_XEN : f->format;
    return head;
}

static bool other_event(struct failure *f, const char *t)
{
    struct number n[LABEL_NUMBERS];
    if (find(t, "VM-ENTRY error: reason=@r, qualification=@r", n)) {
        reason_event(f, n[0].value);
        f->has_qualification = true;
        f->qualification = n[1].value;
        f->format = FORMAT_XMHF;
    } else if (find(t, "VMLAUNCH error; code=@r", n) || find(t, "VMLAUNCH error code=@r", n) ||
               find(t, "VMRESUME error; code=@r", n)) {
        f->has_error = true;
        f->error = (u32)n[0].value;
        f->format = FORMAT_XMHF;
    } else if (find(t, "Failed at VM-Entry, Code=@r", n) || find(t, "VM-Entry, Code: @r", n)) {
        f->has_error = n[0].value < 64;
        f->error = (u32)n[0].value;
        f->format = FORMAT_NOIRVISOR;
    } else {
        return false;
    }
    return f->formatted = true;
}

/* VirtualBox names the rule that its own checks found: VMX_IGS_*, from 500. */
static bool virtualbox_event(struct failure *f, const char *t)
{
    static const struct {
        u16 first, last;
        enum rule_id rule;
    } names[] = {
#define IGS(first, last, rule) {first, last, R_##rule},
#include "tools/vmcs12/why/virtualbox.def"
    };
    static const enum rule_id data[] = {R_data_accessed,    R_segment_p,       R_data_dpl,
                                        R_segment_reserved, R_segment_g_small, R_data_readable};
    static const enum rule_id v86[] = {R_v86_base, R_v86_limit, R_v86_access_rights};
    struct number n[LABEL_NUMBERS];
    if (!find(t, "HM error = @r", n) && !find(t, "HM error: @r", n))
        return false;
    u64 code = n[0].value;
    f->formatted = true;
    f->format = FORMAT_VIRTUALBOX;
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (code >= names[i].first && code <= names[i].last)
            f->named = (u8)names[i].rule;
    if (code >= 530 && code < 554)
        f->named = (u8)data[(code - 530) % 6];
    if (code >= 554 && code < 572)
        f->named = (u8)v86[(code - 554) % 3];
    if (code >= 572 && code < 576)
        f->named = R_segment_base_high;
    if (code >= 500 && code < 700)
        reason_event(f, EXIT_REASON_ENTRY_GUEST_STATE | EXIT_REASON_ENTRY_FAIL);
    return true;
}

/* Nidus: "VM entry refused (exit reason 33): rflags_if: SDM ..." */
static bool nidus_event(struct failure *f, const char *t)
{
    const char *p = strstr(t, "VM entry refused (");
    struct number n[LABEL_NUMBERS];
    if (p == NULL)
        return false;
    const char *name = strstr(p, "): ");
    for (enum rule_id r = 0; name != NULL && r < R_COUNT; r++) {
        size_t length = strlen(rule_name(r));
        if (strncmp(name + 3, rule_name(r), length) == 0 && name[3 + length] == ':')
            f->named = (u8)r;
    }
    if (find(p, "refused (error @r)", n)) {
        f->has_error = true;
        f->error = (u32)n[0].value;
    } else if (f->named != R_NONE) {
        reason_event(f, check_verdict((enum rule_id)f->named).number);
        f->has_qualification = rule_stage((enum rule_id)f->named) != STAGE_MSR_LIST;
        f->qualification = check_verdict((enum rule_id)f->named).qualification;
    }
    f->formatted = true;
    f->format = FORMAT_NIDUS;
    return true;
}

/* Xen prints the entry that failed on the line behind its head, and in the middle of one. */
static void xen_msr(struct scan *s, const char *t)
{
    struct number n[LABEL_NUMBERS];
    struct failure *f = &s->pending;
    if (f->line == 0 || !f->has_reason || !find(t, "msr @l val @q", n))
        return;
    if (n[0].digits != 8 || n[1].digits != 16)
        return;
    f->has_msr = true;
    f->msr = (struct printed_msr){MSR_AREA_ENTRY_LOAD, (u32)f->qualification, (u32)n[0].value, 0,
                                  n[1].value};
    if (find(t, "(mbz @r)", n))
        f->msr.reserved = (u32)n[0].value;
}

/* A failure belongs to the dump before it if that one is whole and does not yet say how it
 * failed. */
static bool belongs_before(const struct dump *d, const struct failure *f, const struct stream *st)
{
    if (d == NULL || f->formatted || st->quiet > 40 || d->has_error || d->has_reason ||
        !d->control_part)
        return false;
    if (!dump_knows(d, F_exit_reason) || !any(d->field[F_exit_reason].number, 1u << 31))
        return f->has_error || f->has_reason;
    return f->has_reason && f->reason == d->field[F_exit_reason].number;
}

static bool read_event(struct failure *f, const char *t)
{
    *f = (struct failure){.named = R_NONE};
    return qemu_event(f, t) || vmm_event(f, t) || xen_event(f, t) || other_event(f, t) ||
           virtualbox_event(f, t) || nidus_event(f, t);
}

static bool may_be_event(const char *t)
{
    return strstr(t, "error") != NULL || strstr(t, "entry") != NULL || strstr(t, "Entry") != NULL ||
           strstr(t, "ENTRY") != NULL;
}

/* The line alone, or the end of a message that the line before began. */
static bool find_event(struct scan *s, const char *t, struct failure *f)
{
    bool found = may_be_event(t) && read_event(f, t);
    if (s->before[0] != '\0' && !found && strlen(t) < 200) {
        strcat(s->before, " ");
        strcat(s->before, t);
        found = read_event(f, s->before);
    }
    s->before[0] = '\0';
    /* The head of Xen's or XMHF's message may be without its end so far. */
    bool half = !found || (f->formatted && f->has_reason && !f->has_qualification);
    if (may_be_event(t) && strlen(t) < 200 && half)
        strcpy(s->before, t);
    return found;
}

void event_line(struct scan *s, struct stream *stream, const struct line *line)
{
    struct failure f;
    if (find_event(s, line->text, &f)) {
        f.line = line->number;
        struct dump *d = stream_dump(s, stream);
        if (belongs_before(d, &f, stream))
            failure_apply(d, &f);
        else
            s->pending = f;
    }
    xen_msr(s, line->text);
}
