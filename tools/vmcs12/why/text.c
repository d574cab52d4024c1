/* SPDX-License-Identifier: BSD-2-Clause */
/* An answer in words. Contract in why.h. */
#include <string.h>

#include "tools/vmcs12/why/why.h"

struct paint {
    const char *bold, *red, *yellow, *green, *off;
};
static const struct paint plain = {"", "", "", "", ""};
static const struct paint coloured = {"\033[1m", "\033[1;31m", "\033[1;33m", "\033[1;32m",
                                      "\033[0m"};

void why_print_value(FILE *out, u64 number)
{
    fprintf(out, "0x%llx", (unsigned long long)number);
}

static void print_field(FILE *out, const struct answer *a, enum vmcs_field f)
{
    u64 number = a->dump->field[f].number;
    fprintf(out, "    %-28s ", vmcs12_name(f));
    why_print_value(out, number);
    decode_field(out, f, number, "  ");
    fputc('\n', out);
}

static void print_msr(FILE *out, const struct printed_msr *m)
{
    fprintf(out, "    entry %u of the list: MSR 0x%x, value 0x%llx", m->number, m->index,
            (unsigned long long)m->value);
    if (m->reserved != 0)
        fprintf(out, ", bits 63:32 of the index 0x%x", m->reserved);
    fputc('\n', out);
}

/* What a finding says that names a stage and no rule: an instruction error of one of the two. */
struct stage_words {
    const char *name, *text, *number, *title;
};

static struct stage_words words_of(const struct finding *f)
{
    static const struct stage_words controls = {"controls", "A rule of the VMX controls is broken.",
                                                "27.2.1", "Checks on VMX Controls"},
                                    host = {"host_state",
                                            "A rule of the host-state area is broken.", "27.2.2",
                                            "Checks on Host Control Registers, MSRs, and SSP"};
    return f->stage == STAGE_CONTROLS ? controls : host;
}

const char *finding_name(const struct finding *f)
{
    return f->rule != R_NONE ? rule_name(f->rule) : words_of(f).name;
}

const char *finding_text(const struct finding *f)
{
    return f->rule != R_NONE ? rule_text(f->rule) : words_of(f).text;
}

const char *finding_number(const struct finding *f)
{
    return f->rule != R_NONE ? rule_section_number(f->rule) : words_of(f).number;
}

const char *finding_title(const struct finding *f)
{
    return f->rule != R_NONE ? rule_section_title(f->rule) : words_of(f).title;
}

static void print_finding(FILE *out, const struct answer *a, const struct finding *f,
                          const char *condition)
{
    fprintf(out, "  %s\n  SDM 3C %s \"%s\"\n", finding_text(f), finding_number(f),
            finding_title(f));
    if (f->condition[0] != '\0')
        fprintf(out, "  %s%s\n", condition, f->condition);
    for (unsigned i = 0; i < f->fields; i++)
        print_field(out, a, (enum vmcs_field)f->field[i]);
    if (f->msr != NULL)
        print_msr(out, f->msr);
    if (f->mend[0] != '\0')
        fprintf(out, "  suggestion: %s\n", f->mend);
}

static void print_list(FILE *out, const struct answer *a, const struct finding *list,
                       unsigned count, const char *head, const char *condition, const char *colour,
                       const struct paint *p)
{
    for (unsigned i = 0; i < count; i++) {
        fprintf(out, "\n%s%s%s %s%s%s\n", colour, head, p->off, p->bold, finding_name(&list[i]),
                p->off);
        print_finding(out, a, &list[i], condition);
    }
}

static void print_lines(FILE *out, const char *lines, const char *lead)
{
    while (*lines != '\0') {
        size_t n = strcspn(lines, "\n");
        fprintf(out, "%s%.*s\n", lead, (int)n, lines);
        lines += n + (lines[n] == '\n');
    }
}

/* Words of a list, broken into lines. */
static void print_word(FILE *out, unsigned *column, const char *word)
{
    unsigned n = (unsigned)strlen(word) + 1;
    if (*column + n > 96) {
        fputs("\n     ", out);
        *column = 5;
    }
    fprintf(out, " %s", word);
    *column += n;
}

static void print_request(FILE *out, const struct undecided *u)
{
    unsigned column = 12;
    fprintf(out, "  %s\n", u->missing);
    bool lacks = false;
    for (enum vmcs_field f = 0; f < F_COUNT; f++) {
        if (!u->field[f])
            continue;
        fputs(lacks ? "" : "    fields:", out);
        lacks = true;
        print_word(out, &column, vmcs12_name(f));
    }
    fputs(lacks ? "\n    rules: " : "    rules: ", out);
    column = 11;
    for (enum rule_id r = 0; r < R_COUNT; r++)
        if (rule_set_has(&u->rules, r))
            print_word(out, &column, rule_name(r));
    fputc('\n', out);
}

static void print_undecided(FILE *out, const struct answer *a, const struct paint *p)
{
    if (a->undecideds == 0)
        return;
    if (a->brokens != 0 && !a->implausible) {
        fputs("\nother rules cannot be judged by this text (--json lists them)\n", out);
        return;
    }
    fprintf(out, "\n%scannot be judged%s without more:\n", p->yellow, p->off);
    for (unsigned i = 0; i < a->undecideds; i++)
        print_request(out, &a->undecided[i]);
}

static const char *title_of(enum why_format format)
{
    static const char *const titles[] = {
        [FORMAT_KVM] = "a dump of KVM",
        [FORMAT_XEN] = "a dump of Xen",
        [FORMAT_XMHF] = "a dump of XMHF",
        [FORMAT_HAXM] = "a dump of HAXM",
        [FORMAT_NOIRVISOR] = "a dump of NoirVisor",
        [FORMAT_VIRTUALBOX] = "an error of VirtualBox",
        [FORMAT_BHYVE] = "an exit of bhyve",
        [FORMAT_VMREAD] = "a list of fields",
        [FORMAT_NIDUS] = "a list of Nidus",
        [FORMAT_IMAGE] = "an image of a VMCS",
    };
    return titles[format];
}

static void print_head(FILE *out, const struct answer *a, const struct paint *p)
{
    fprintf(out, "%sline %u: %s%s, %u fields", p->bold, a->dump->line, title_of(a->dump->format),
            p->off, a->dump->values);
    if (a->dump->repeated != 0)
        fprintf(out, ", printed %u times", a->dump->repeated + 1);
    fputc('\n', out);
    if (a->entry_failed == TRI_NO)
        fprintf(out, "  %sthis entry did not fail%s\n", p->green, p->off);
    if (a->code[0] != '\0')
        fprintf(out, "  %s\n", a->code);
    if (a->implausible)
        fprintf(out, "  %simplausible dump%s\n", p->yellow, p->off);
}

void why_print_text(FILE *out, const struct answer *a, bool colour)
{
    const struct paint *p = colour ? &coloured : &plain;
    print_head(out, a, p);
    print_list(out, a, a->broken, a->brokens, "broken:", "", p->red, p);
    print_list(out, a, a->by_code, a->by_codes, "named by the exit code:", "", p->red, p);
    print_list(out, a, a->broken_if, a->broken_ifs, "broken only if the processor is so:", "if ",
               p->yellow, p);
    if (a->brokens == 0 && a->by_codes == 0)
        fprintf(out, "\n%snothing printed breaks a rule%s%s\n", p->green, p->off,
                a->broken_ifs != 0 ? " under every processor" : "");
    print_undecided(out, a, p);
    if (a->notes[0] != '\0' || a->dump->notes[0] != '\0')
        fputc('\n', out);
    print_lines(out, a->notes, "note: ");
    print_lines(out, a->dump->notes, "note: ");
}
