/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command scan of the tool vmcs12 finds pages in a dump of memory that may be VMCSs: those that
 * begin with a known revision and hold fields as a VMCS does.
 */
#include <string.h>

#include "hv/arch/cpu.h"
#include "tools/vmcs12/vmcs12_tool.h"

/* A page of anything else hardly ever has a host that could run and a link pointer as VMCSs
 * have. */
static bool plausible(const struct vmcs_image *v)
{
    bool link = v->vmcs_link_pointer == NO_VMCS || (v->vmcs_link_pointer & 0xfff) == 0;
    bool host = all(v->host_cr0, CR0_PE | CR0_PG) && any(v->host_cr4, CR4_VMXE);
    return link && (host || v->guest_rip != 0 || v->entry_ctl != 0);
}

static void print_page(struct tool *t, u64 at, enum vmcs_layout layout, const struct vmcs_image *v,
                       bool first)
{
    if (t->json)
        fprintf(t->out,
                "%s\n  {\"offset\": \"0x%llx\", \"layout\": \"%s\", \"guest_rip\": \"0x%llx\"}",
                first ? "" : ",", (unsigned long long)at, layout_info(layout)->name,
                (unsigned long long)v->guest_rip);
    else
        fprintf(t->out, "0x%09llx  %-9s  guest_rip 0x%llx  exit_reason %u%s\n",
                (unsigned long long)at, layout_info(layout)->name, (unsigned long long)v->guest_rip,
                v->exit_reason & 0xffff, any(v->revision, VMCS_SHADOW_INDICATOR) ? "  shadow" : "");
}

int tool_scan(struct tool *t)
{
    u8 page[4096];
    u64 at = 0;
    unsigned found = 0;
    FILE *f = tool_open(t, t->arg[0]);
    if (f == NULL)
        return TOOL_FAILED;
    fputs(t->json ? "{\"pages\": [" : "", t->out);
    for (size_t n; (n = fread(page, 1, sizeof page, f)) >= VMCS12_SIZE; at += sizeof page) {
        u32 revision;
        struct vmcs_image v;
        memset(page + n, 0, sizeof page - n);
        memcpy(&revision, page, sizeof revision);
        enum vmcs_layout layout = layout_of_revision(revision & ~VMCS_SHADOW_INDICATOR);
        if (layout == LAYOUT_COUNT)
            continue;
        layout_decode(layout, page, &v);
        if (plausible(&v))
            print_page(t, at, layout, &v, found++ == 0);
    }
    fputs(t->json ? "\n]}\n" : "", t->out);
    tool_close(t, f);
    if (found == 0 && !t->json)
        fputs("no page in it looks like a VMCS\n", t->out);
    return found != 0 ? TOOL_OK : TOOL_FOUND;
}
