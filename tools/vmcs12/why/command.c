/* SPDX-License-Identifier: BSD-2-Clause */
/* The command why of the tool vmcs12. The man page is docs/vmcs12.1, the story docs/why.md. */
#include <stdlib.h>
#include <string.h>

#include "hv/vmcs12/profile.h"
#include "tools/vmcs12/why/why.h"

#define INPUT_MOST ((size_t)1 << 30)

/* Facts of the command line count more than those of the input. */
static bool take_facts(struct tool *t, struct open_cpu *cpu)
{
    enum vmx_profile p;
    if (t->cpu != NULL) {
        t->profile = t->cpu;
        if (!tool_find_profile(t, &p))
            return false;
        struct check_cpuid cpuid = tool_cpuid(p);
        open_learn_all(cpu, profile_caps(p), &cpuid);
    }
    for (unsigned i = 0; i < t->msrs; i++) {
        char *end;
        u64 msr = strtoull(t->msr[i], &end, 0);
        u64 value = *end == '=' ? strtoull(end + 1, &end, 0) : 0;
        if (*end != '\0' || !open_learn_msr(cpu, msr <= 0xffff ? (u32)msr : 0, value))
            return tool_fail(t, "--msr: '%s' is no capability MSR and value (0x480=0x...)",
                             t->msr[i]),
                   false;
    }
    if (t->maxphyaddr == 0)
        return true;
    if (t->maxphyaddr < 32 || t->maxphyaddr > 52)
        return tool_fail(t, "--maxphyaddr: 32 to 52"), false;
    cpu->phys = (struct open_range){(u8)t->maxphyaddr, (u8)t->maxphyaddr};
    return true;
}

static int worse(int a, int b)
{
    return a == 1 || b == 1 ? 1 : a > b ? a : b;
}

static int answer_all(struct tool *t, const struct reading *r)
{
    struct answer *a = malloc(sizeof *a);
    bool colour = tool_colour(t);
    int status = 0;
    if (a == NULL)
        return tool_fail(t, "out of memory"), 2;
    fputs(t->json ? "{\"dumps\": [" : "", t->out);
    for (unsigned i = 0; i < r->dumps; i++) {
        why_judge(&r->dump[i], &r->cpu, a);
        if (t->json) {
            fputs(i != 0 ? ",\n" : "\n", t->out);
            why_print_json(t->out, a);
        } else {
            fputs(i != 0 ? "\n" : "", t->out);
            why_print_text(t->out, a, colour);
        }
        status = worse(status, why_status(a));
    }
    fputs(t->json ? "\n]}\n" : "", t->out);
    if (r->more)
        fputs("vmcs12: why: there are more dumps than it reads at once\n", t->err);
    free(a);
    return status;
}

static int answer_bytes(struct tool *t, const char *path, const char *bytes, size_t length)
{
    struct reading r;
    int status = 2;
    if (!why_read(bytes, length, &r))
        tool_fail(t, "out of memory");
    else if (r.dumps == 0)
        tool_fail(t, "%s: no dump of a VMCS in it that this tool knows (docs/why.md)", path);
    else if (take_facts(t, &r.cpu))
        status = answer_all(t, &r);
    free(r.dump);
    return status;
}

/* The whole of a stream. NULL: t->err says why. */
static char *read_all(struct tool *t, const char *path, FILE *f, size_t *length)
{
    size_t room = 1 << 16, got;
    char *bytes = malloc(room);
    *length = 0;
    while (bytes != NULL && (got = fread(bytes + *length, 1, room - *length, f)) != 0) {
        *length += got;
        if (*length < room)
            continue;
        char *more = room < INPUT_MOST ? realloc(bytes, room *= 2) : NULL;
        if (more == NULL)
            free(bytes);
        bytes = more;
    }
    if (bytes == NULL)
        tool_fail(t, "%s: too long for the memory", path);
    else if (ferror(f)) {
        tool_fail(t, "%s: cannot be read", path);
        free(bytes);
        bytes = NULL;
    }
    return bytes;
}

int tool_why(struct tool *t)
{
    const char *path = t->args != 0 ? t->arg[0] : "-";
    size_t length;
    FILE *f = tool_open(t, path);
    if (f == NULL)
        return 2;
    char *bytes = read_all(t, path, f, &length);
    tool_close(t, f);
    int status = bytes != NULL ? answer_bytes(t, path, bytes, length) : 2;
    free(bytes);
    return status;
}
