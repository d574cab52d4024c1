/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands dump and diff of the tool vmcs12 print fields by name, decoded. */
#include <string.h>

#include "tools/vmcs12/vmcs12_tool.h"

static const char *const area_titles[] = {
    [AREA_CTL] = "Control fields",
    [AREA_GUEST] = "Guest-state area",
    [AREA_HOST] = "Host-state area",
    [AREA_RO] = "VM-exit information",
};

static int digits(enum vmcs_field f)
{
    static const int hex[] = {[W16] = 4, [W32] = 8, [W64] = 16, [WNW] = 16, [WAR] = 8};
    return hex[vmcs12_desc(f)->width];
}

static void print_value(FILE *out, enum vmcs_field f, u64 value)
{
    fprintf(out, "  0x%04x  %-30s0x%0*llx", vmcs12_desc(f)->encoding, vmcs12_name(f), digits(f),
            (unsigned long long)value);
    decode_field(out, f, value, "  ");
    fputc('\n', out);
}

/* Prints the eight segments as a table: selector, base, limit and rights of one stand together. */
struct segment_fields {
    const char *name;
    enum vmcs_field selector, base, limit, rights;
};
/* clang-format off */
#define SEGMENT(s) \
    {#s, F_guest_##s##_selector, F_guest_##s##_base, F_guest_##s##_limit, F_guest_##s##_ar}
/* clang-format on */
static const struct segment_fields segments[] = {
    SEGMENT(es), SEGMENT(cs), SEGMENT(ss),   SEGMENT(ds),
    SEGMENT(fs), SEGMENT(gs), SEGMENT(ldtr), SEGMENT(tr),
};

static bool is_segment_field(enum vmcs_field f)
{
    for (unsigned i = 0; i < ARRAY_LEN(segments); i++)
        if (f == segments[i].selector || f == segments[i].base || f == segments[i].limit ||
            f == segments[i].rights)
            return true;
    return false;
}

static void print_segments(FILE *out, const struct vmcs_image *v)
{
    fputs("\nGuest segments\n  name  selector  base                limit       rights\n", out);
    for (unsigned i = 0; i < ARRAY_LEN(segments); i++) {
        const struct segment_fields *s = &segments[i];
        u32 rights = (u32)vmcs12_get(v, s->rights);
        fprintf(out, "  %-4s  0x%04llx    0x%016llx  0x%08llx  0x%05x  ", s->name,
                (unsigned long long)vmcs12_get(v, s->selector),
                (unsigned long long)vmcs12_get(v, s->base),
                (unsigned long long)vmcs12_get(v, s->limit), rights);
        decode_rights(out, rights);
        fputc('\n', out);
    }
}

static void print_area(struct tool *t, const struct tool_image *image, enum field_area area)
{
    unsigned skipped = 0;
    fprintf(t->out, "\n%s\n", area_titles[area]);
    for (enum vmcs_field f = 0; f < F_COUNT; f++) {
        if (vmcs12_desc(f)->area != area || is_segment_field(f) ||
            layout_offset(image->layout, f) == LAYOUT_NONE)
            continue;
        u64 value = vmcs12_get(&image->v, f);
        if (value != 0 || t->all)
            print_value(t->out, f, value);
        else
            skipped++;
    }
    if (skipped != 0)
        fprintf(t->out, "  %u fields are zero\n", skipped);
}

static const char *launch_text(u32 state)
{
    return state == LAUNCH_CLEAR      ? "clear"
           : state == LAUNCH_LAUNCHED ? "launched"
                                      : "of an unknown launch state";
}

/* Every field of the layout, as numbers in text. */
static int print_json(struct tool *t, const struct tool_image *image)
{
    const char *between = "";
    fprintf(t->out, "{\"revision\": \"0x%x\", \"layout\": \"%s\", \"fields\": {", image->revision,
            layout_info(image->layout)->name);
    for (enum vmcs_field f = 0; f < F_COUNT; f++) {
        if (layout_offset(image->layout, f) == LAYOUT_NONE)
            continue;
        fprintf(t->out, "%s\n  \"%s\": \"0x%llx\"", between, vmcs12_name(f),
                (unsigned long long)vmcs12_get(&image->v, f));
        between = ",";
    }
    fputs("\n}}\n", t->out);
    return TOOL_OK;
}

/* The CPU keeps the fields of a current VMCS for itself; its page may be old. */
static void warn_stale(struct tool *t, const struct vmcs_image *v)
{
    for (enum vmcs_field f = 0; f < F_COUNT; f++)
        if (vmcs12_get(v, f) != 0)
            return;
    fputs("all fields are zero: was it cleared? The page of a current VMCS is stale.\n", t->err);
}

int tool_dump(struct tool *t)
{
    static const enum field_area order[] = {AREA_CTL, AREA_GUEST, AREA_HOST, AREA_RO};
    struct tool_image image;
    if (!tool_load(t, t->arg[0], &image))
        return TOOL_FAILED;
    if (t->as != NULL && !tool_dump_as(t, &image.v))
        return TOOL_FAILED;
    warn_stale(t, &image.v);
    if (t->as != NULL)
        return TOOL_OK;
    if (t->json)
        return print_json(t, &image);
    fprintf(t->out, "%sVMCS, revision 0x%x, layout %s, %s\n",
            any(image.v.revision, VMCS_SHADOW_INDICATOR) ? "shadow " : "",
            image.revision & ~VMCS_SHADOW_INDICATOR, layout_info(image.layout)->name,
            launch_text(image.v.launch_state));
    if (image.v.abort != 0)
        fprintf(t->out, "VMX abort %u\n", image.v.abort);
    for (unsigned i = 0; i < ARRAY_LEN(order); i++) {
        print_area(t, &image, order[i]);
        if (order[i] == AREA_GUEST)
            print_segments(t->out, &image.v);
    }
    return TOOL_OK;
}

/* Prints the names of the bits that are set or cleared from a to b. */
static void print_bit_change(FILE *out, enum vmcs_field f, u64 a, u64 b)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        const char *name = bit_name(bit_word_of(f), bit);
        if (((a ^ b) >> bit & 1) != 0 && name != NULL)
            fprintf(out, "  %c%s", (b >> bit & 1) != 0 ? '+' : '-', name);
    }
}

static void print_difference(FILE *out, enum vmcs_field f, u64 a, u64 b)
{
    fprintf(out, "0x%04x  %-30s0x%0*llx  0x%0*llx", vmcs12_desc(f)->encoding, vmcs12_name(f),
            digits(f), (unsigned long long)a, digits(f), (unsigned long long)b);
    print_bit_change(out, f, a, b);
    fputc('\n', out);
}

/* Says that a field, or with F_COUNT what is called `name`, differs. Returns 1, or 0 if it does
 * not. before: how many differ before it. */
static unsigned differ(struct tool *t, enum vmcs_field f, const char *name, u64 a, u64 b,
                       unsigned before)
{
    if (a == b)
        return 0;
    if (t->json)
        fprintf(t->out, "%s\n  {\"field\": \"%s\", \"a\": \"0x%llx\", \"b\": \"0x%llx\"}",
                before != 0 ? "," : "", name, (unsigned long long)a, (unsigned long long)b);
    else if (f != F_COUNT)
        print_difference(t->out, f, a, b);
    else
        fprintf(t->out, "        %-30s0x%08x  0x%08x\n", name, (u32)a, (u32)b);
    return 1;
}

int tool_diff(struct tool *t)
{
    struct tool_image a, b;
    if (strcmp(t->arg[0], "-") == 0 && strcmp(t->arg[1], "-") == 0)
        return tool_fail(t, "diff: only one side can be standard input");
    if (!tool_load(t, t->arg[0], &a) || !tool_load(t, t->arg[1], &b))
        return TOOL_FAILED;
    fputs(t->json ? "{\"differences\": [" : "", t->out);
    unsigned n =
        differ(t, F_COUNT, "(shadow indicator)", a.v.revision >> 31, b.v.revision >> 31, 0);
    n += differ(t, F_COUNT, "(abort indicator)", a.v.abort, b.v.abort, n);
    n += differ(t, F_COUNT, "(launch state)", a.v.launch_state, b.v.launch_state, n);
    for (enum vmcs_field f = 0; f < F_COUNT; f++)
        n += differ(t, f, vmcs12_name(f), vmcs12_get(&a.v, f), vmcs12_get(&b.v, f), n);
    fputs(t->json ? "\n]}\n" : "", t->out);
    return n != 0 ? TOOL_FOUND : TOOL_OK;
}
