/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command lint of the tool vmcs12 prints every VM-entry rule (hv/vmcs12/check.h) that an image
 * breaks under a profile, with a change that would mend it. The command finds the change by trying:
 * it looks for an edit of one field, small ones first, that repairs the rule and breaks no other.
 */
#include <string.h>

#include "hv/arch/cpu.h"
#include "hv/arch/vmx_error.h"
#include "hv/vmcs12/check.h"
#include "tools/vmcs12/vmcs12_tool.h"

struct check_cpuid tool_cpuid(enum vmx_profile p)
{
    return (struct check_cpuid){
        .maxphyaddr = p == PROFILE_BROADWELL ? 39 : 46,
        .linear_width = 48,
        .nmi_needs_no_sti = true,
        .efer_reserved = ~(u64)(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE),
        .debugctl_reserved = ~0x1fc3ull,
        .perf_global_reserved = ~0x70000000full,
    };
}

/* A file does not tell the state of the CPU that will enter it. The command assumes that L1 is
 * in the mode to which the host-state area returns, and that no VMCS address is the current one. */
static struct check_env env_of(const struct check_cpu *cpu, const struct vmcs_image *v)
{
    return (struct check_env){
        .cpu = cpu,
        .in_ia32e_mode = any(v->exit_ctl, EXIT_HOST_ADDR_SPACE_SIZE),
        .current_vmptr = ~1ull,
    };
}

static struct verdict judge(const struct vmcs_image *v, const struct check_cpu *cpu,
                            struct rule_set *broken)
{
    struct check_env env = env_of(cpu, v);
    return check_entry(v, &env, CHECK_ALL, broken);
}

/* True when the image keeps the rule and every rule that it kept before. */
static bool mends(const struct vmcs_image *v, const struct check_cpu *cpu, enum rule_id rule,
                  const struct rule_set *before)
{
    struct rule_set after;
    (void)judge(v, cpu, &after).outcome;
    if (rule_set_has(&after, rule))
        return false;
    for (unsigned w = 0; w < RULE_WORDS; w++)
        if (any(after.word[w], ~before->word[w]))
            return false;
    return true;
}

struct mend {
    enum vmcs_field field;
    u64 from, to;
};

/* Lists values to try for a field, the smallest changes first: one bit flipped; what a control or a
 * control register must and may have; usual access rights; the value aligned or cut; 0; all ones.
 * Returns how many. */
static unsigned candidates(const struct check_cpu *cpu, enum vmcs_field f, u64 value, u64 *list)
{
    static const enum vmcs_field words[] = {F_pin_ctl, F_cpu1_ctl, F_cpu2_ctl, F_exit_ctl,
                                            F_entry_ctl};
    const struct ctl_range ranges[] = {cpu->pin, cpu->cpu1, cpu->cpu2, cpu->exit, cpu->entry};
    /* data, code, TSS, LDT, unusable */
    static const u32 rights[] = {0x93, 0x9b, 0xa09b, 0x8b, 0x82, 0x10000};
    unsigned n = 0;
    for (unsigned bit = 0; bit < 64; bit++)
        list[n++] = value ^ 1ull << bit;
    for (unsigned i = 0; i < ARRAY_LEN(words); i++)
        if (words[i] == f)
            list[n++] = (value | ranges[i].must_be_1) & ranges[i].may_be_1;
    if (f == F_guest_cr0 || f == F_host_cr0)
        list[n++] = (value | cpu->cr0_must_be_1) & cpu->cr0_may_be_1;
    if (f == F_guest_cr4 || f == F_host_cr4)
        list[n++] = (value | cpu->cr4_must_be_1) & cpu->cr4_may_be_1;
    for (unsigned i = 0; vmcs12_desc(f)->width == WAR && i < ARRAY_LEN(rights); i++)
        list[n++] = rights[i];
    list[n++] = value & ~0xfffull;
    list[n++] = (value & ~cpu->phys_reserved) & ~0xfffull;
    list[n++] = value & 0xffff;
    list[n++] = 0;
    list[n++] = ~0ull;
    return n;
}
enum { CANDIDATES = 80 };

static bool mend_field(struct vmcs_image *v, const struct check_cpu *cpu, enum rule_id rule,
                       const struct rule_set *broken, struct mend *m)
{
    u64 list[CANDIDATES];
    m->from = vmcs12_get(v, m->field);
    unsigned n = candidates(cpu, m->field, m->from, list);
    for (unsigned i = 0; i < n; i++) {
        vmcs12_set(v, m->field, list[i]);
        m->to = vmcs12_get(v, m->field);
        bool mended = m->to != m->from && mends(v, cpu, rule, broken);
        vmcs12_set(v, m->field, m->from);
        if (mended)
            return true;
    }
    return false;
}

/* True when a word of the rule's name occurs in the field's name. Such fields are tried first. */
static bool akin(enum rule_id rule, enum vmcs_field f)
{
    char name[64];
    snprintf(name, sizeof name, "%s", rule_name(rule));
    for (char *word = strtok(name, "_"); word != NULL; word = strtok(NULL, "_"))
        if (strcmp(word, "guest") != 0 && strcmp(word, "ctl") != 0 &&
            strstr(vmcs12_name(f), word) != NULL)
            return true;
    return false;
}

/* True for a field that rules about other fields read. Trying every field for every rule would take
 * seconds. */
static bool decides_much(enum vmcs_field f)
{
    switch (f) {
    case F_pin_ctl:
    case F_cpu1_ctl:
    case F_cpu2_ctl:
    case F_exit_ctl:
    case F_entry_ctl:
    case F_guest_cr0:
    case F_guest_cr4:
    case F_guest_efer:
    case F_guest_rflags:
    case F_guest_interruptibility:
    case F_guest_activity_state:
    case F_entry_intr_info:
    case F_host_cr4:
    case F_guest_cs_ar:
    case F_guest_ss_ar:
        return true;
    default:
        return false;
    }
}

static bool find_mend(struct vmcs_image *v, const struct check_cpu *cpu, enum rule_id rule,
                      const struct rule_set *broken, struct mend *m)
{
    for (m->field = 0; m->field < F_COUNT; m->field++)
        if (akin(rule, m->field) && mend_field(v, cpu, rule, broken, m))
            return true;
    for (m->field = 0; m->field < F_COUNT; m->field++)
        if (decides_much(m->field) && !akin(rule, m->field) && mend_field(v, cpu, rule, broken, m))
            return true;
    return false;
}

static void print_rule(FILE *out, enum rule_id rule, struct vmcs_image *v,
                       const struct check_cpu *cpu, const struct rule_set *broken)
{
    struct mend m;
    fprintf(out, "%s\n    SDM 3C %s \"%s\"\n    %s\n", rule_name(rule), rule_section_number(rule),
            rule_section_title(rule), rule_text(rule));
    if (find_mend(v, cpu, rule, broken, &m))
        fprintf(out, "    change %s from 0x%llx to 0x%llx\n", vmcs12_name(m.field),
                (unsigned long long)m.from, (unsigned long long)m.to);
    else
        fputs("    it takes more than one field to mend it\n", out);
}

static void print_unjudged(FILE *out, u32 needs)
{
    if (any(needs, NEED_VTPR))
        fputs("not judged: the TPR threshold against the virtual-APIC page\n", out);
    if (any(needs, NEED_PDPTES))
        fputs("not judged: the PDPTEs at guest CR3\n", out);
    if (any(needs, NEED_LINK))
        fputs("not judged: the VMCS at the link pointer\n", out);
}

static void print_verdict(FILE *out, struct verdict verdict)
{
    if (verdict.outcome == VERDICT_OK)
        fputs("VM entry: no rule is broken\n", out);
    else if (verdict.outcome == VERDICT_VMFAIL)
        fprintf(out, "VM entry: VMfailValid %u, %s, by %s\n", verdict.number,
                vmx_error_text(verdict.number), rule_name(verdict.rule));
    else
        fprintf(out, "VM entry: exit with reason 0x%x, qualification %llu, by %s\n", verdict.number,
                (unsigned long long)verdict.qualification, rule_name(verdict.rule));
}

static void json_rule(FILE *out, enum rule_id rule, struct vmcs_image *v,
                      const struct check_cpu *cpu, const struct rule_set *broken)
{
    struct mend m;
    fprintf(out, "\n  {\"rule\": \"%s\", \"section\": \"SDM 3C %s\", \"title\": ", rule_name(rule),
            rule_section_number(rule));
    tool_json_text(out, rule_section_title(rule));
    fputs(", \"text\": ", out);
    tool_json_text(out, rule_text(rule));
    if (find_mend(v, cpu, rule, broken, &m))
        fprintf(out, ", \"mend\": {\"field\": \"%s\", \"from\": \"0x%llx\", \"to\": \"0x%llx\"}}",
                vmcs12_name(m.field), (unsigned long long)m.from, (unsigned long long)m.to);
    else
        fputs(", \"mend\": null}", out);
}

static void lint_json(FILE *out, struct vmcs_image *v, const struct check_cpu *cpu,
                      const struct rule_set *broken, const struct verdict *verdict)
{
    static const char outcomes[][8] = {
        [VERDICT_OK] = "ok", [VERDICT_VMFAIL] = "vmfail", [VERDICT_FAILED_ENTRY] = "exit"};
    u32 needs = check_needs(v, cpu);
    const char *between = "";
    fprintf(out, "{\"entry\": \"%s\", \"number\": %u, \"qualification\": %llu, \"rules\": [",
            outcomes[verdict->outcome], verdict->number,
            (unsigned long long)verdict->qualification);
    for (enum rule_id rule = 0; rule < R_COUNT; rule++) {
        if (!rule_set_has(broken, rule))
            continue;
        fputs(between, out);
        json_rule(out, rule, v, cpu, broken);
        between = ",";
    }
    fprintf(out, "\n], \"not_judged\": {\"vtpr\": %s, \"pdptes\": %s, \"link\": %s}}\n",
            any(needs, NEED_VTPR) ? "true" : "false", any(needs, NEED_PDPTES) ? "true" : "false",
            any(needs, NEED_LINK) ? "true" : "false");
}

int tool_lint(struct tool *t)
{
    struct tool_image image;
    enum vmx_profile p;
    struct check_cpu cpu;
    struct rule_set broken;
    if (!tool_find_profile(t, &p) || !tool_load(t, t->arg[0], &image))
        return TOOL_FAILED;
    struct check_cpuid cpuid = tool_cpuid(p);
    check_cpu_init(&cpu, profile_caps(p), &cpuid);
    struct verdict verdict = judge(&image.v, &cpu, &broken);
    if (t->json) {
        lint_json(t->out, &image.v, &cpu, &broken, &verdict);
        return verdict.outcome == VERDICT_OK ? TOOL_OK : TOOL_FOUND;
    }
    for (enum rule_id rule = 0; rule < R_COUNT; rule++)
        if (rule_set_has(&broken, rule))
            print_rule(t->out, rule, &image.v, &cpu, &broken);
    print_unjudged(t->out, check_needs(&image.v, &cpu));
    print_verdict(t->out, verdict);
    return verdict.outcome == VERDICT_OK ? TOOL_OK : TOOL_FOUND;
}
