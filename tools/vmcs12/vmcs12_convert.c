/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands convert and kvm-state of the tool vmcs12. */
#include <stdlib.h>
#include <string.h>

#include "tools/vmcs12/vmcs12_tool.h"

static bool encode(struct tool *t, const char *path, enum vmcs_layout to,
                   const struct vmcs_image *v, u8 *page)
{
    enum vmcs_field f = layout_encode(to, v, page);
    if (f == F_COUNT)
        return true;
    tool_fail(t, "%s: layout %s has no place for %s, which is 0x%llx", path, layout_info(to)->name,
              vmcs12_name(f), (unsigned long long)vmcs12_get(v, f));
    return false;
}

static bool fits_profile(struct tool *t, const struct vmcs_image *v)
{
    enum vmx_profile p;
    if (t->profile == NULL)
        return true;
    if (!tool_find_profile(t, &p))
        return false;
    enum vmcs_field f = layout_misfit(v, profile_caps(p));
    if (f == F_COUNT)
        return true;
    tool_fail(t, "%s: profile %s cannot hold %s, which is 0x%llx", t->arg[0], profile_name(p),
              vmcs12_name(f), (unsigned long long)vmcs12_get(v, f));
    return false;
}

int tool_convert(struct tool *t)
{
    struct tool_image image;
    enum vmcs_layout to;
    u8 page[4096];
    if (t->to == NULL)
        return tool_fail(t, "convert: --to LAYOUT is missing");
    if (!tool_find_layout(t, t->to, &to) || !tool_load(t, t->arg[0], &image) ||
        !fits_profile(t, &image.v))
        return TOOL_FAILED;
    if (!encode(t, t->arg[0], to, &image.v, page))
        return TOOL_FAILED;
    return tool_write(t, t->arg[1], page, layout_info(to)->size) ? TOOL_OK : TOOL_FAILED;
}

/* The longest blob that the command reads: the header, two pages, and a tail of 1 MiB. */
#define BLOB_ROOM (KVM_STATE_HEADER + 2 * KVM_STATE_PAGE + (1u << 20))

static bool load_blob(struct tool *t, const char *path, u8 *blob, struct kvm_state *s)
{
    size_t length;
    if (!tool_read(t, path, blob, BLOB_ROOM, &length))
        return false;
    const char *why = kvm_state_parse(blob, length, s);
    if (why != NULL)
        tool_fail(t, "%s: %s", path, why);
    return why == NULL;
}

static void print_address(FILE *out, const char *name, u64 address)
{
    if (address == KVM_NO_ADDRESS)
        fprintf(out, "%-26snone\n", name);
    else
        fprintf(out, "%-26s0x%llx\n", name, (unsigned long long)address);
}

static void print_state(FILE *out, const struct kvm_state *s)
{
    fprintf(out, "%-26s0x%x%s%s%s\n", "flags", s->flags,
            any(s->flags, KVM_GUEST_MODE) ? ", guest mode" : "",
            any(s->flags, KVM_RUN_PENDING) ? ", entry pending" : "",
            any(s->flags, KVM_MTF_PENDING) ? ", MTF pending" : "");
    print_address(out, "VMXON region", s->vmxon_pa);
    print_address(out, "current VMCS", s->vmcs12_pa);
    fprintf(out, "%-26s0x%x%s%s\n", "SMM flags", s->smm_flags,
            any(s->smm_flags, KVM_SMM_GUEST_MODE) ? ", guest mode" : "",
            any(s->smm_flags, KVM_SMM_VMXON) ? ", in VMX operation" : "");
    if (any(s->vmx_flags, KVM_DEADLINE_VALID))
        fprintf(out, "%-26s0x%llx\n", "preemption-timer deadline",
                (unsigned long long)s->preemption_timer_deadline);
    fprintf(out, "%-26s%s\n", "pages",
            !s->has_vmcs12    ? "none"
            : s->has_shadow12 ? "vmcs12, shadow vmcs12"
                              : "vmcs12");
    if (s->tail_length != 0)
        fprintf(out, "%-26sversion %u, %u bytes\n", "tail", s->tail_version, s->tail_length);
}

static int state_get(struct tool *t, const struct kvm_state *s)
{
    enum vmcs_layout to = LAYOUT_KVM;
    u8 page[4096];
    if (t->to != NULL && !tool_find_layout(t, t->to, &to))
        return TOOL_FAILED;
    if (!(t->shadow ? s->has_shadow12 : s->has_vmcs12))
        return tool_fail(t, "%s: holds no %svmcs12", t->arg[1], t->shadow ? "shadow " : "");
    const struct vmcs_image *v = t->shadow ? &s->shadow12 : &s->vmcs12;
    if (!encode(t, t->arg[1], to, v, page))
        return TOOL_FAILED;
    return tool_write(t, t->arg[2], page, layout_info(to)->size) ? TOOL_OK : TOOL_FAILED;
}

/* Makes a blob of images, addresses and flags. Refuses what KVM would refuse. */
static int state_make(struct tool *t, struct kvm_state *s, u8 *blob)
{
    struct tool_image image;
    const char *to = t->arg[t->args - 1];
    memset(s, 0, sizeof *s);
    if (!tool_load(t, t->arg[1], &image))
        return TOOL_FAILED;
    s->vmxon_pa = t->vmxon;
    s->vmcs12_pa = t->vmcs12;
    s->flags = t->guest_mode ? KVM_GUEST_MODE : 0;
    s->has_vmcs12 = true;
    s->vmcs12 = image.v;
    s->has_shadow12 = t->args == 4;
    if (s->has_shadow12 && !tool_load(t, t->arg[2], &image))
        return TOOL_FAILED;
    s->shadow12 = image.v;
    enum vmcs_field f = kvm_state_produce(s, blob);
    if (f != F_COUNT)
        return tool_fail(t, "%s: KVM's layout has no place for %s", t->arg[1], vmcs12_name(f));
    size_t length = kvm_state_length(s);
    const char *why = kvm_state_parse(blob, length, s);
    if (why != NULL)
        return tool_fail(t, "%s: KVM would refuse the state: %s", t->arg[1], why);
    return tool_write(t, to, blob, length) ? TOOL_OK : TOOL_FAILED;
}

static int state_command(struct tool *t, struct kvm_state *s, u8 *blob)
{
    const char *what = t->arg[0];
    bool show = strcmp(what, "show") == 0, make = strcmp(what, "make") == 0;
    if (!show && !make && strcmp(what, "get") != 0)
        return tool_fail(t, "kvm-state %s: no such command (show, get, make)", what);
    if (t->args < (show ? 2u : 3u))
        return tool_fail(t, "kvm-state %s: an operand is missing (vmcs12 --help)", what);
    if (t->args == 4 && !make)
        return tool_fail(t, "kvm-state %s: one operand too many: %s", what, t->arg[3]);
    if (make)
        return state_make(t, s, blob);
    if (!load_blob(t, t->arg[1], blob, s))
        return TOOL_FAILED;
    if (strcmp(what, "get") == 0)
        return state_get(t, s);
    print_state(t->out, s);
    return TOOL_OK;
}

int tool_kvm_state(struct tool *t)
{
    u8 *blob = malloc(BLOB_ROOM);
    struct kvm_state *s = malloc(sizeof *s);
    int status =
        blob != NULL && s != NULL ? state_command(t, s, blob) : tool_fail(t, "out of memory");
    free(s);
    free(blob);
    return status;
}
