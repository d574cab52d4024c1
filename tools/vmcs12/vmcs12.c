/*
 * vmcs12: reads, compares, converts, judges and draws VMCS images. This file owns the command line.
 * The commands are in vmcs12_*.c; what they know of VMCSs is in hv/vmcs12.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tools/vmcs12/vmcs12_tool.h"

static const char help[] =
    "NAME\n"
    "    vmcs12 - read, compare, convert, judge and draw VMCS images\n"
    "\n"
    "SYNOPSIS\n"
    "    vmcs12 dump [--layout L] [--offset N] [--all] FILE\n"
    "    vmcs12 diff [--layout L] [--offset N] A B\n"
    "    vmcs12 convert --to L [--layout L] [--offset N] [--profile P] A B\n"
    "    vmcs12 lint [--profile P] [--layout L] [--offset N] FILE\n"
    "    vmcs12 layout [L]\n"
    "    vmcs12 map [--output SVG] [L]\n"
    "    vmcs12 kvm-state show FILE\n"
    "    vmcs12 kvm-state get [--shadow] [--to L] FILE IMAGE\n"
    "    vmcs12 kvm-state make --vmxon ADDR --vmcs12 ADDR [--guest-mode] IMAGE [SHADOW] BLOB\n"
    "    vmcs12 caps [--profile P]\n"
    "    vmcs12 doc fields|layouts|rules\n"
    "\n"
    "DESCRIPTION\n"
    "    A VMCS image is the memory of one VMCS. Its layout is told by the revision identifier in\n"
    "    its first four bytes. FILE may be a page, a dump of physical memory with --offset, or -\n"
    "    for standard input.\n"
    "\n"
    "COMMANDS\n"
    "    dump       every field with a value, by name, decoded; --all prints zero fields too\n"
    "    diff       the fields in which two images differ, whatever their layouts\n"
    "    convert    write image A as B in another layout; refused, by the field's name, when\n"
    "               the target (or with --profile such a processor) cannot hold a value in use\n"
    "    lint       every VM-entry rule that the image breaks, with the SDM's section\n"
    "    layout     the layout as CSV: encoding,name,width,offset\n"
    "    map        the layout as a picture, SVG\n"
    "    kvm-state  the blob of KVM_GET_NESTED_STATE: show it, get an image out, make one\n"
    "    caps       the capability MSRs of a profile, decoded\n"
    "    doc        the generated tables of docs/\n"
    "\n"
    "OPTIONS\n"
    "    --layout L     broadwell (revision 0x12), extended, kvm or computed, whatever the "
    "revision says\n"
    "    --to L         the layout to write\n"
    "    --offset N     where the image begins in its file, 0x for hexadecimal\n"
    "    --profile P    broadwell (the default), e5-2683v4 or d-1540\n"
    "    --output FILE  where to write instead of standard output\n"
    "    --help         this text\n"
    "\n"
    "EXIT STATUS\n"
    "    0  done, and for diff and lint: nothing found\n"
    "    1  wrong usage or input; one line on standard error says what, nothing is written\n"
    "    2  diff found a difference, lint a broken rule\n"
    "\n"
    "EXAMPLES\n"
    "    vmcs12 dump --offset 0x1ffe3000 memory.img\n"
    "    vmcs12 convert --to kvm page.bin kvm.bin\n"
    "    vmcs12 map --output map.svg broadwell\n";

struct command {
    const char *name;
    int (*run)(struct tool *t);
    unsigned least, most; /* how many operands the command takes */
    const char *options;
};

static const struct command commands[] = {
    {"dump", tool_dump, 1, 1, " layout offset all "},
    {"diff", tool_diff, 2, 2, " layout offset "},
    {"convert", tool_convert, 2, 2, " layout offset to profile "},
    {"lint", tool_lint, 1, 1, " layout offset profile "},
    {"layout", tool_layout, 0, 1, " output "},
    {"map", tool_map, 0, 1, " output "},
    {"kvm-state", tool_kvm_state, 2, 4, " shadow to vmxon vmcs12 guest-mode "},
    {"caps", tool_caps, 0, 0, " profile "},
    {"doc", tool_doc, 1, 1, ""},
};

int tool_fail(struct tool *t, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    fputs("vmcs12: ", t->err);
    vfprintf(t->err, format, ap);
    fputc('\n', t->err);
    va_end(ap);
    return TOOL_FAILED;
}

static bool number(const char *text, u64 *value)
{
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 0);
    return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0';
}

/* Stores the value of an option that takes one, as text or as a number. */
static bool take_value(struct tool *t, const char *name, const char *value)
{
    /* clang-format off */
    struct { const char *name; const char **text; u64 *number; } const places[] = {
        {"layout", &t->layout, NULL}, {"to", &t->to, NULL},         {"profile", &t->profile, NULL},
        {"output", &t->output, NULL}, {"offset", NULL, &t->offset}, {"vmxon", NULL, &t->vmxon},
        {"vmcs12", NULL, &t->vmcs12},
    };
    /* clang-format on */
    for (unsigned i = 0; i < ARRAY_LEN(places); i++) {
        if (strcmp(name, places[i].name) != 0)
            continue;
        if (value == NULL)
            return tool_fail(t, "--%s needs a value", name), false;
        if (places[i].text != NULL)
            *places[i].text = value;
        else if (!number(value, places[i].number))
            return tool_fail(t, "--%s: '%s' is no number", name, value), false;
        return true;
    }
    return tool_fail(t, "--%s: no such option", name), false;
}

static bool take_flag(struct tool *t, const char *name)
{
    bool *flag = strcmp(name, "all") == 0          ? &t->all
                 : strcmp(name, "shadow") == 0     ? &t->shadow
                 : strcmp(name, "guest-mode") == 0 ? &t->guest_mode
                                                   : NULL;
    if (flag != NULL)
        *flag = true;
    return flag != NULL;
}

static bool take_option(struct tool *t, const struct command *c, char **argv, int *i)
{
    const char *name = argv[*i] + 2;
    char spaced[32];
    if (snprintf(spaced, sizeof spaced, " %s ", name) >= (int)sizeof spaced ||
        strstr(c->options, spaced) == NULL)
        return tool_fail(t, "%s: no option %s (vmcs12 --help)", c->name, argv[*i]), false;
    return take_flag(t, name) || take_value(t, name, argv[++*i]);
}

static bool take_arguments(struct tool *t, const struct command *c, int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) == 0) {
            if (!take_option(t, c, argv, &i))
                return false;
            continue;
        }
        if (t->args == c->most)
            return tool_fail(t, "%s: one operand too many: %s", c->name, argv[i]), false;
        t->arg[t->args++] = argv[i];
    }
    if (t->args < c->least)
        return tool_fail(t, "%s: an operand is missing (vmcs12 --help)", c->name), false;
    return true;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0)
            return true;
    return false;
}

int tool_run(int argc, char **argv, FILE *in, FILE *out, FILE *err)
{
    struct tool t = {
        .in = in, .out = out, .err = err, .vmxon = KVM_NO_ADDRESS, .vmcs12 = KVM_NO_ADDRESS};
    if (wants_help(argc, argv))
        return fputs(help, out) < 0 ? TOOL_FAILED : TOOL_OK;
    if (argc < 2)
        return tool_fail(&t, "no command (vmcs12 --help)");
    for (unsigned i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        if (!take_arguments(&t, &commands[i], argc, argv))
            return TOOL_FAILED;
        int status = commands[i].run(&t);
        if (fflush(out) != 0 || ferror(out))
            return tool_fail(&t, "standard output: %s", strerror(errno));
        return status;
    }
    return tool_fail(&t, "%s: no such command (vmcs12 --help)", argv[1]);
}

#ifndef TOOL_NO_MAIN
int main(int argc, char **argv)
{
    return tool_run(argc, argv, stdin, stdout, stderr);
}
#endif
