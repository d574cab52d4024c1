/* SPDX-License-Identifier: BSD-2-Clause */
/* An answer as JSON; docs/why.md describes it. Contract in why.h. */
#include <string.h>

#include "tools/vmcs12/why/why.h"

static void put_member(FILE *out, const char *name, const char *text)
{
    fprintf(out, ", \"%s\": ", name);
    tool_json_text(out, text);
}

static void put_section(FILE *out, const struct finding *f)
{
    fprintf(out, ", \"section\": \"SDM 3C %s ", finding_number(f));
    fprintf(out, "\\\"%s\\\"\"", finding_title(f));
}

static void put_fields(FILE *out, const struct answer *a, const struct finding *f)
{
    fputs(", \"fields\": {", out);
    for (unsigned i = 0; i < f->fields; i++) {
        fprintf(out, "%s\"%s\": \"", i != 0 ? ", " : "", vmcs12_name((enum vmcs_field)f->field[i]));
        why_print_value(out, a->dump->field[f->field[i]].number);
        fputc('"', out);
    }
    if (f->msr != NULL)
        fprintf(out, "\"entry\": \"%u\", \"msr\": \"0x%x\", \"value\": \"0x%llx\"", f->msr->number,
                f->msr->index, (unsigned long long)f->msr->value);
    fputc('}', out);
}

/* condition: the member that the finding's condition becomes. */
static void put_findings(FILE *out, const struct answer *a, const char *name,
                         const struct finding *list, unsigned count, const char *condition)
{
    fprintf(out, ",\n   \"%s\": [", name);
    for (unsigned i = 0; i < count; i++) {
        const struct finding *f = &list[i];
        fprintf(out, "%s\n    {\"rule\": \"%s\"", i != 0 ? "," : "", finding_name(f));
        if (f->condition[0] != '\0')
            put_member(out, condition, f->condition);
        put_section(out, f);
        put_member(out, "text", finding_text(f));
        put_fields(out, a, f);
        if (f->mend[0] != '\0')
            put_member(out, "mend", f->mend);
        fputc('}', out);
    }
    fputc(']', out);
}

static void put_undecided(FILE *out, const struct answer *a)
{
    fputs(",\n   \"undecided\": [", out);
    for (unsigned i = 0; i < a->undecideds; i++) {
        const char *between = "";
        fprintf(out, "%s\n    {\"rules\": [", i != 0 ? "," : "");
        for (enum rule_id r = 0; r < R_COUNT; r++)
            if (rule_set_has(&a->undecided[i].rules, r)) {
                fprintf(out, "%s\"%s\"", between, rule_name(r));
                between = ", ";
            }
        fputs("], \"missing\": [", out);
        tool_json_text(out, a->undecided[i].missing);
        for (enum vmcs_field f = 0; f < F_COUNT; f++)
            if (a->undecided[i].field[f])
                fprintf(out, ", \"%s\"", vmcs12_name(f));
        fputs("]}", out);
    }
    fputc(']', out);
}

static void put_lines(FILE *out, const char *lines, bool *first)
{
    while (*lines != '\0') {
        size_t n = strcspn(lines, "\n");
        fputs(*first ? "" : ", ", out);
        tool_json_string(out, lines, n);
        *first = false;
        lines += n + (lines[n] == '\n');
    }
}

void why_print_json(FILE *out, const struct answer *a)
{
    static const char *const failed[] = {
        [TRI_NO] = "false", [TRI_YES] = "true", [TRI_OPEN] = "null"};
    bool first = true;
    fprintf(out, "  {\"format\": \"%s\", \"line\": %u, \"entry_failed\": %s",
            why_format_name(a->dump->format), a->dump->line, failed[a->entry_failed]);
    if (a->dump->repeated != 0)
        fprintf(out, ", \"repeated\": %u", a->dump->repeated);
    put_member(out, "exit_code", a->code);
    put_findings(out, a, "broken", a->broken, a->brokens, "why");
    put_findings(out, a, "broken_if", a->broken_if, a->broken_ifs, "if");
    put_findings(out, a, "by_exit_code", a->by_code, a->by_codes, "code");
    put_undecided(out, a);
    fprintf(out, ",\n   \"implausible\": %s, \"notes\": [", a->implausible ? "true" : "false");
    put_lines(out, a->notes, &first);
    put_lines(out, a->dump->notes, &first);
    fputs("]}", out);
}
