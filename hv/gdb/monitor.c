/* SPDX-License-Identifier: BSD-2-Clause */
/* What "monitor WORDS" shows: VMCSs by field, exits, walks, and which entry rules VMCS12 breaks. */
#include "hv/gdb/private.h"
#include "hv/nested/images/images.h"
#include "hv/vmx/insn.h"
#include "hv/core/privileged.h"

void gdb_say(struct gdb_text *t)
{
    static const char digits[] = "0123456789abcdef";
    char pair[3] = {0};
    struct gdb_text *whole = &cpu_of(percpu())->gdb->all->reply;
    gdb_clear(whole);
    gdb_add(whole, "O");
    gdb_add(t, "\n");
    for (u32 i = 0; i < t->len; i++) {
        pair[0] = digits[(u8)t->text[i] >> 4];
        pair[1] = digits[(u8)t->text[i] & 15];
        gdb_add(whole, pair);
    }
    line_send(whole);
    gdb_clear(t);
}

void gdb_say_value(struct gdb_text *t, u64 v)
{
    gdb_add(t, " = ");
    gdb_add_hex(t, v);
    gdb_say(t);
}

static void say(struct gdb_text *t, const char *words)
{
    gdb_add(t, words);
    gdb_say(t);
}

static void say_field(struct gdb_text *t, enum vmcs_field f, u64 v)
{
    gdb_add(t, vmcs12_name(f));
    gdb_say_value(t, v);
}

static void say_vmcs(struct cpu *cpu, struct vmcs *v, struct gdb_text *t)
{
    struct vmcs *runs = cpu->current;
    vmcs_load(cpu, v);
    for (u32 f = 0; f < F_COUNT; f++) {
        u64 value;
        if (vmread(vmcs12_desc((enum vmcs_field)f)->encoding, &value) == VMX_OK)
            say_field(t, (enum vmcs_field)f, value);
    }
    vmcs_load(cpu, runs);
}

/* L1's current VMCS as L1 would read it now; NULL when there is none. What L1 has written to its
 * shadow VMCS is fetched. While L2 runs, its guest state is in vmcs02. */
static struct vmcs_image *current12(struct cpu *cpu, struct gdb_text *t)
{
    struct nested *n = cpu->nested;
    struct vmcs_image *image = &cpu->gdb->all->image;
    if (!n || n->now->at.a == NO_VMCS) {
        say(t, "L1 has no current VMCS");
        return NULL;
    }
    if (!cpu->in_l2)
        shadow01_pull(cpu);
    *image = n->now->vmcs12;
    gdb_add(t, "VMCS at L1's ");
    gdb_add_hex(t, n->now->at.a);
    gdb_add(t, cpu->in_l2 ? ", L2 runs: its guest state is vmcs02's" : "");
    gdb_say(t);
    return image;
}

static void say_vmcs12(struct cpu *cpu, const char *rest, struct gdb_text *t)
{
    (void)rest;
    const struct vmcs_image *v = current12(cpu, t);
    for (u32 f = 0; v && f < F_COUNT; f++)
        if (vcaps_gate(&cpu->nested->caps, vmcs12_desc((enum vmcs_field)f)->gate))
            say_field(t, (enum vmcs_field)f, vmcs12_get(v, (enum vmcs_field)f));
}

/* The rules about memory that VMCS12 names are not asked: the last VM entry has told them. */
static void say_why(struct cpu *cpu, const char *rest, struct gdb_text *t)
{
    (void)rest;
    const struct vmcs_image *v = current12(cpu, t);
    if (!v)
        return;
    struct rule_set set;
    struct check_env env = {.cpu = &cpu->nested->check_cpu,
                            .in_ia32e_mode = any(vmcs_read(ENC_guest_efer), EFER_LMA),
                            .current_vmptr = cpu->nested->now->at.a};
    struct verdict verdict = check_entry(v, &env, CHECK_ALL, &set);
    if (verdict.rule == R_NONE)
        say(t, "VMCS12 breaks no entry rule");
    for (u32 r = 0; r < R_COUNT; r++) {
        if (verdict.rule == R_NONE || !rule_set_has(&set, (enum rule_id)r))
            continue;
        gdb_add(t, rule_name((enum rule_id)r));
        gdb_add(t, ": section ");
        gdb_add(t, rule_section_number((enum rule_id)r));
        gdb_add(t, ": ");
        say(t, rule_text((enum rule_id)r));
    }
}

/* clang-format off */
static const char *const reasons[EXIT_REASON_COUNT] = {
#define EXIT(number, name, text) [number] = #name,
#include "hv/arch/vmx_exit.def"
#undef EXIT
};
/* clang-format on */

static void add_reason(struct gdb_text *t, const char *head, u32 reason)
{
    const char *name = reason < EXIT_REASON_COUNT ? reasons[reason] : NULL;
    gdb_add(t, head);
    gdb_add(t, name ? name : "unknown");
}

static void say_exits(struct cpu *cpu, const char *rest, struct gdb_text *t)
{
    (void)rest;
    for (u32 l2 = 0; l2 < 2; l2++)
        for (u32 r = 0; r < EXIT_REASON_COUNT; r++) {
            if (!cpu->exits[l2][r])
                continue;
            add_reason(t, l2 ? "exits L2 " : "exits L1 ", r);
            gdb_add(t, " ");
            gdb_add_number(t, cpu->exits[l2][r]);
            gdb_say(t);
        }
    gdb_add(t, "packets that were none: ");
    gdb_add_number(t, cpu->gdb->all->lost);
    gdb_say(t);
    for (u32 i = 0; i < RING_EXITS; i++) {
        u32 at = (cpu->last.at + i) % RING_EXITS;
        add_reason(t, "last ", EXIT_REASON_BASIC(cpu->last.exit[at].reason));
        gdb_add(t, " at ");
        gdb_add_hex(t, cpu->last.exit[at].rip);
        gdb_say(t);
    }
}

static void say_entry(void *t, const char *what, u64 at, u64 entry)
{
    gdb_add(t, what);
    gdb_add_hex(t, at);
    gdb_say_value(t, entry);
}

static void say_walk(struct cpu *cpu, const char *address, struct gdb_text *t)
{
    u64 gla;
    gpa1_t at;
    u32 level = gdb_level(cpu);
    address += address[0] == '0' && address[1] == 'x' ? 2 : 0;
    if (!gdb_number(&address, &gla) || *address) {
        say(t, "walk ADDRESS, in hexadecimal");
        return;
    }
    struct level_walk w = {cpu, level == 2, say_entry, t};
    bool there = level && level_place(&w, gla, &at);
    gdb_add(t, there ? "L1's physical " : "mapped nowhere");
    if (there)
        gdb_add_hex(t, at.a);
    gdb_say(t);
}

static void set_level(struct cpu *cpu, const char *word, struct gdb_text *t)
{
    u32 level = (u32)(*word - '0');
    if (!*word || word[1] || level > (cpu->in_l2 ? 2u : 1u)) {
        say(t, "level 1; level 2 while L2 runs; level 0 for the one that runs");
        return;
    }
    cpu->gdb->level = level;
    say(t, level == 1 && cpu->in_l2 ? "L1; its general registers are not known" : "as it runs");
}

/* True when the words begin with `word`; *rest is behind it and a space. */
static bool is(const char *words, const char *word, const char **rest)
{
    while (*word)
        if (*words++ != *word++)
            return false;
    *rest = *words == ' ' ? words + 1 : words;
    return *words == 0 || *words == ' ';
}

static void set_until(struct cpu *cpu, const char *word, struct gdb_text *t)
{
    const char *rest;
    enum gdb_until *until = &cpu->gdb->until;
    *until = is(word, "l2", &rest) ? UNTIL_L2 : is(word, "l1", &rest) ? UNTIL_L1 : UNTIL_NOTHING;
    if (is(word, "refused", &rest))
        *until = UNTIL_REFUSED;
    cpu->gdb->until_crossings = cpu->crossings;
    say(t, *until ? "continue stops there" : "until l2, until l1, or until refused");
}

static void monitor_vmcs01(struct cpu *cpu, const char *rest, struct gdb_text *t)
{
    (void)rest, say_vmcs(cpu, &cpu->vmcs01, t);
}

static void monitor_vmcs02(struct cpu *cpu, const char *rest, struct gdb_text *t)
{
    (void)rest;
    if (cpu->in_l2)
        say_vmcs(cpu, &cpu->nested->now->vmcs02, t);
    else
        say(t, "L2 does not run");
}

/* clang-format off */
static const struct {
    const char *word;
    void (*show)(struct cpu *cpu, const char *rest, struct gdb_text *t);
} commands[] = {
    {"vmcs01", monitor_vmcs01}, {"vmcs02", monitor_vmcs02}, {"vmcs12", say_vmcs12},
    {"why", say_why},
    {"exits", say_exits}, {"walk", say_walk}, {"level", set_level}, {"until", set_until},
};
/* clang-format on */

void gdb_monitor(struct cpu *cpu)
{
    struct gdb_text *t = &cpu->gdb->all->line;
    const char *rest;
    gdb_clear(t);
    for (u32 i = 0; i < ARRAY_LEN(commands); i++)
        if (is(cpu->gdb->all->command.words, commands[i].word, &rest)) {
            commands[i].show(cpu, rest, t);
            return;
        }
    say(t, "monitor vmcs01|vmcs12|vmcs02|why|exits|walk ADDRESS|level N|until l1,l2,refused");
}
