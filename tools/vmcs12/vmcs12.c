/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmcs12: reads, compares, converts, judges and draws VMCS images. This file owns the command line.
 * The commands are in vmcs12_*.c; what they know of VMCSs is in hv/vmcs12.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/vmcs12/vmcs12_tool.h"

#ifndef TOOL_VERSION
#define TOOL_VERSION "version unknown"
#endif

struct command {
    const char *name;
    int (*run)(struct tool *t);
    unsigned least, most; /* how many operands the command takes */
    const char *options;
    int failed; /* the exit status of wrong usage */
};

static const struct command commands[] = {
    {"why", tool_why, 0, 1, " json cpu msr maxphyaddr color ", 2},
    {"dump", tool_dump, 1, 1, " layout offset all as json ", TOOL_FAILED},
    {"diff", tool_diff, 2, 2, " layout offset json ", TOOL_FAILED},
    {"convert", tool_convert, 2, 2, " layout offset to profile ", TOOL_FAILED},
    {"lint", tool_lint, 1, 1, " layout offset profile json ", TOOL_FAILED},
    {"scan", tool_scan, 1, 1, " json ", TOOL_FAILED},
    {"layout", tool_layout, 0, 1, " output ", TOOL_FAILED},
    {"map", tool_map, 0, 1, " output ", TOOL_FAILED},
    {"kvm-state", tool_kvm_state, 1, 4, " shadow to vmxon vmcs12 guest-mode ", TOOL_FAILED},
    {"caps", tool_caps, 0, 0, " profile ", TOOL_FAILED},
    {"doc", tool_doc, 1, 1, "", TOOL_FAILED},
};

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
        {"vmcs12", NULL, &t->vmcs12}, {"as", &t->as, NULL},         {"cpu", &t->cpu, NULL},
        {"color", &t->color, NULL},   {"maxphyaddr", NULL, &t->maxphyaddr},
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
    if (strcmp(name, "msr") != 0)
        return tool_fail(t, "--%s: no such option", name), false;
    if (value == NULL || t->msrs == TOOL_MSRS)
        return tool_fail(t, "--msr needs a value, and there are %d at most", TOOL_MSRS), false;
    t->msr[t->msrs++] = value;
    return true;
}

static bool take_flag(struct tool *t, const char *name)
{
    bool *flag = strcmp(name, "all") == 0          ? &t->all
                 : strcmp(name, "shadow") == 0     ? &t->shadow
                 : strcmp(name, "guest-mode") == 0 ? &t->guest_mode
                 : strcmp(name, "json") == 0       ? &t->json
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

static bool wants(int argc, char **argv, const char *option, const char *short_option)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], option) == 0 || strcmp(argv[i], short_option) == 0)
            return true;
    return false;
}

/* How many letters differ, counting one that is missing or too many or swapped as few. */
static unsigned distance(const char *a, const char *b)
{
    unsigned d = 0;
    while (*a != '\0' && *b != '\0') {
        if (*a == *b) {
            a++, b++;
            continue;
        }
        d++;
        if (a[1] == b[0] && a[0] == b[1] && a[1] != '\0')
            a += 2, b += 2;
        else if (a[1] == *b)
            a++;
        else if (*a == b[1])
            b++;
        else
            a++, b++;
    }
    return d + (unsigned)strlen(a) + (unsigned)strlen(b);
}

static int no_command(struct tool *t, const char *name)
{
    const char *near = NULL;
    unsigned least = 3;
    for (unsigned i = 0; i < ARRAY_LEN(commands); i++)
        if (distance(name, commands[i].name) < least) {
            least = distance(name, commands[i].name);
            near = commands[i].name;
        }
    if (near != NULL)
        return tool_fail(t, "%s: no such command; did you mean %s? (vmcs12 --help)", name, near);
    return tool_fail(t, "%s: no such command (vmcs12 --help)", name);
}

int tool_run(int argc, char **argv, FILE *in, FILE *out, FILE *err)
{
    struct tool t = {
        .in = in, .out = out, .err = err, .vmxon = KVM_NO_ADDRESS, .vmcs12 = KVM_NO_ADDRESS};
    if (wants(argc, argv, "--help", "-h"))
        return fputs(tool_help(), out) < 0 ? TOOL_FAILED : TOOL_OK;
    if (wants(argc, argv, "--version", "--version"))
        return fprintf(out, "vmcs12 of Nidus, %s\n", TOOL_VERSION) < 0 ? TOOL_FAILED : TOOL_OK;
    if (argc < 2)
        return tool_fail(&t, "no command (vmcs12 --help)");
    for (unsigned i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        if (!take_arguments(&t, &commands[i], argc, argv))
            return commands[i].failed;
        int status = commands[i].run(&t);
        if (fflush(out) != 0 || ferror(out))
            return tool_fail(&t, "standard output: %s", strerror(errno));
        return status;
    }
    return no_command(&t, argv[1]);
}

#ifndef TOOL_NO_MAIN
int main(int argc, char **argv)
{
    return tool_run(argc, argv, stdin, stdout, stderr);
}
#endif
