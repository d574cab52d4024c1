/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands layout and doc of the tool vmcs12 print tables of fields and their places. */
#include <string.h>

#include "hv/vmcs12/check.h"
#include "tools/vmcs12/vmcs12_tool.h"

/* The columns of fields.def as they are written there. */
struct row_text {
    const char *width, *area, *gate, *to02, *to12;
};
static const struct row_text rows[F_COUNT] = {
#define FIELD(enc, width, area, name, gate, to02, to12) \
    [F_##name] = {#width, #area, #gate, #to02, #to12},
#include "hv/vmcs12/fields.def"
};

/* 16, 32 or 64 bits, or "natural"; access rights have 32 architectural bits. */
static const char *width_text(enum vmcs_field f)
{
    static const char *const texts[] = {
        [W16] = "16", [W32] = "32", [W64] = "64", [WNW] = "natural", [WAR] = "32"};
    return texts[vmcs12_desc(f)->width];
}

int tool_layout(struct tool *t)
{
    enum vmcs_layout l = LAYOUT_BROADWELL;
    if (t->args == 1 && !tool_find_layout(t, t->arg[0], &l))
        return TOOL_FAILED;
    fputs("encoding,name,width,offset\n", t->out);
    for (enum vmcs_field f = 0; f < F_COUNT; f++)
        if (layout_offset(l, f) != LAYOUT_NONE)
            fprintf(t->out, "0x%04x,%s,%s,0x%03x\n", vmcs12_desc(f)->encoding, vmcs12_name(f),
                    width_text(f), layout_offset(l, f));
    return TOOL_OK;
}

static void doc_fields(FILE *out)
{
    fprintf(out,
            "# The fields of a VMCS\n\n"
            "Generated from hv/vmcs12/fields.def by `vmcs12 doc fields`; the columns are explained "
            "there. %u fields.\n\n"
            "| encoding | field | width | area | exists with | to vmcs02 | back to vmcs12 |\n"
            "|---|---|---|---|---|---|---|\n",
            (unsigned)F_COUNT);
    for (enum vmcs_field f = 0; f < F_COUNT; f++)
        fprintf(out, "| 0x%04x | %s | %s%s | %s | %s | %s | %s |\n", vmcs12_desc(f)->encoding,
                vmcs12_name(f), width_text(f), vmcs12_desc(f)->width == WAR ? ", rights" : "",
                rows[f].area, rows[f].gate, rows[f].to02, rows[f].to12);
}

static void doc_place(FILE *out, enum vmcs_layout l, enum vmcs_field f)
{
    if (layout_offset(l, f) == LAYOUT_NONE)
        fputs(" |", out);
    else
        fprintf(out, " 0x%03x |", layout_offset(l, f));
}

static void doc_layouts(FILE *out)
{
    fputs("## Places\n\n| layout | revision | bytes | launch state at |\n|---|---|---|---|\n", out);
    for (enum vmcs_layout l = 0; l < LAYOUT_COUNT; l++) {
        const struct layout_info *i = layout_info(l);
        fprintf(out, "| %s | 0x%x | %u | 0x%03x |\n", i->name, i->revision, i->size,
                i->launch_state_at);
    }
    fputs(
        "\nThe revision identifier is at 0 (bit 31: shadow VMCS) and the VMX-abort indicator at 4 "
        "in all of them.\n\n"
        "| encoding | field | broadwell | extended | kvm | computed |\n|---|---|---|---|---|---|\n",
        out);
    for (enum vmcs_field f = 0; f < F_COUNT; f++) {
        fprintf(out, "| 0x%04x | %s |", vmcs12_desc(f)->encoding, vmcs12_name(f));
        for (enum vmcs_layout l = 0; l < LAYOUT_COUNT; l++)
            doc_place(out, l, f);
        fputc('\n', out);
    }
}

static void doc_rules(FILE *out)
{
    static const char *const stages[] = {
        [STAGE_CONTROLS] = "VMfailValid 7",  [STAGE_HOST] = "VMfailValid 8",
        [STAGE_GUEST] = "exit 33",           [STAGE_GUEST_PDPTE] = "exit 33, 2",
        [STAGE_GUEST_NMI] = "exit 33, 3",    [STAGE_GUEST_LINK] = "exit 33, 4",
        [STAGE_MSR_LIST] = "exit 34, entry",
    };
    const char *section = "";
    fprintf(out,
            "# The rules of VM entry\n\n"
            "Generated from hv/vmcs12/rules.def by `vmcs12 doc rules`: %u rules, in the order in "
            "which one of several\n"
            "broken ones is reported. The last column is what a broken rule does: VMfailValid with "
            "an error number, or a\n"
            "failed VM entry with exit reason and qualification (none said: 0; of an MSR list: the "
            "entry's number from 1).\n",
            (unsigned)R_COUNT);
    for (enum rule_id r = 0; r < R_COUNT; r++) {
        if (strcmp(section, rule_section_number(r)) != 0)
            fprintf(out, "\n## SDM 3C %s \"%s\"\n\n| rule | what holds | broken |\n|---|---|---|\n",
                    rule_section_number(r), rule_section_title(r));
        section = rule_section_number(r);
        fprintf(out, "| %s | %s | %s |\n", rule_name(r), rule_text(r), stages[rule_stage(r)]);
    }
}

int tool_doc(struct tool *t)
{
    if (strcmp(t->arg[0], "fields") == 0)
        doc_fields(t->out);
    else if (strcmp(t->arg[0], "layouts") == 0)
        doc_layouts(t->out);
    else if (strcmp(t->arg[0], "rules") == 0)
        doc_rules(t->out);
    else
        return tool_fail(t, "doc %s: no such table (fields, layouts, rules)", t->arg[0]);
    return TOOL_OK;
}
