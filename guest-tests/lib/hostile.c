/* SPDX-License-Identifier: BSD-2-Clause */
/* The hostile generator's frame: options, seeds, the choice of steps, records.
 * Contract in hostile.h. */
#include <stdarg.h>
#include "guest-tests/lib/gt_mode.h"
#include "guest-tests/lib/gt_private.h"
#include "guest-tests/lib/gt_task.h"
#include "guest-tests/lib/hostile.h"

enum { NOTE_ROOM = 640, EVERY = 100, MAX_FAILS = 12, CANARY_WORDS = H_CANARIES * 512, RANGES = 96 };

struct hostile h;
static char note[NOTE_ROOM];
static size_t noted;
static unsigned fails;
static struct range {
    u64 first, last;
} ranges[RANGES];
static unsigned range_count;

/* clang-format off */
static const struct kind {
    const char *name;
    unsigned weight;
    void (*run)(void);
} lone[] = {
    {"pointer", 190, h_step_pointer}, {"access", 200, h_step_access},
    {"invalidate", 50, h_step_invalidate},
    {"launch", 60, h_step_launch_bad}, {"entry", 250, h_step_entry},      {"poke", 40, h_step_poke},
    {"register", 60, h_step_register}, {"msr", 60, h_step_msr},
    {"tables", 30, h_step_tables},
    {"nmi", 20, h_step_nmi},           {"hole", 10, h_step_hole},         {"mode", 10, h_step_mode},
    {"pae", 5, h_step_pae},            {"wild", 15, h_step_wild},
};
static const struct kind crowd[] = {
    {"run", 200, h_crowd_run},         {"pointer", 30, h_crowd_pointer},
    {"memory", 20, h_crowd_memory},    {"shadow", 10, h_crowd_shadow},
    {"invalidate", 10, h_step_invalidate},
};
/* clang-format on */
static const struct kind *kinds = lone;
static unsigned kind_count = sizeof lone / sizeof *lone;

u64 h_below(u64 n)
{
    return gt_rand() % n;
}

bool h_chance(unsigned percent)
{
    return h_below(100) < percent;
}

static u64 mixed(u64 a, u64 b)
{
    u64 v = a * 0x9e3779b97f4a7c15 ^ (b + 1) * 0xbf58476d1ce4e5b9;

    v ^= v >> 31;
    return v * 0x94d049bb133111eb ^ v >> 29;
}

u64 h_group(u64 steps)
{
    return mixed(h.seed + 0x5eed, h.step / steps) >> 8;
}

void h_see(const char *what, u64 v)
{
    h.hash = (h.hash ^ v) * 0x100000001b3;
    h.hash ^= h.hash >> 29;
    h_note(" %s %lx", what, v);
}

void h_words(const char *text)
{
    h_note(" [%s]", text);
    for (; *text; text++)
        h.hash = (h.hash ^ (u8)*text) * 0x100000001b3;
}

void h_note(const char *fmt, ...)
{
    va_list ap;

    if (!h.trace || noted > NOTE_ROOM - 2)
        return;
    va_start(ap, fmt);
    noted += gt_format_v(note + noted, NOTE_ROOM - noted, fmt, ap);
    va_end(ap);
}

void h_announce(void)
{
    if (h.trace)
        gt_line("s%lu.step%lu.tries:%s", h.seed, h.step, note);
}

void h_check(bool ok, const char *fmt, ...)
{
    char text[200];
    va_list ap;

    if (ok || ++fails > MAX_FAILS)
        return;
    va_start(ap, fmt);
    gt_format_v(text, sizeof text, fmt, ap);
    va_end(ap);
    gt_lines_to(NULL);
    gt_fail("s%lu.step%lu: %s", h.seed, h.step, text);
}

u64 h_plain(u64 address)
{
    const u64 physical = 0xffffffffff;
    u64 off = (address & physical) - h.hole.base;

    return off < 2 * 4096 ? (address & ~physical) ^ (0x7401e00000000000 + off) : address;
}

/* only=3-9+12: the steps to run. */
static void read_ranges(void)
{
    const char *at = gt_args();
    u64 v[2];

    range_count = 0;
    while (*at && strncmpa((const CHAR8 *)at, (const CHAR8 *)"only=", 5) != 0)
        at++;
    if (*at == 0)
        return;
    for (at += 5; *at >= '0' && *at <= '9' && range_count < RANGES;) {
        unsigned n = 0;

        for (v[0] = v[1] = 0; n < 2 && *at && *at != '+' && *at != ' '; at++) {
            n += *at == '-';
            if (*at >= '0' && *at <= '9')
                v[n] = v[n] * 10 + (u64)(*at - '0');
        }
        ranges[range_count++] = (struct range){v[0], n ? v[1] : v[0]};
        at += *at == '+';
    }
}

static bool chosen(u64 step)
{
    for (unsigned i = 0; i < range_count; i++) {
        if (step >= ranges[i].first && step <= ranges[i].last)
            return true;
    }
    return range_count == 0;
}

static void canary(bool build)
{
    u64 *at = arena(PG_H_CANARY);
    unsigned changed = 0;

    for (u64 i = 0; i < CANARY_WORDS; i++) {
        if (build)
            at[i] = i * 0x9e3779b97f4a7c15 + h.seed;
        changed += at[i] != i * 0x9e3779b97f4a7c15 + h.seed;
    }
    h_check(changed == 0, "canary: %u words of L1's memory changed", changed);
}

/* Who answers CPUID, and how deep: the same as at the start. */
static void alive(void)
{
    static struct gt_cpuid first[2];
    static bool known;
    struct gt_cpuid now[2] = {gt_cpuid(0x40000000, 0), gt_cpuid(0x40000001, 0)};

    if (!known)
        CopyMem(first, now, sizeof now);
    known = true;
    h_check(!h.nidus || CompareMem(first, now, sizeof now) == 0,
            "cpuid: signature, version or depth changed");
}

static void step(u64 number)
{
    unsigned total = 0, i = 0;
    u64 dice;

    h.step = number;
    noted = 0;
    note[0] = 0;
    gt_seed(mixed(h.seed, number));
    for (unsigned k = 0; k < kind_count; k++)
        total += kinds[k].weight;
    for (dice = h_below(total); dice >= kinds[i].weight; i++)
        dice -= kinds[i].weight;
    /* the machine may not survive it */
    if (h.trace)
        gt_line("s%lu.step%lu.begins: %s", h.seed, number, kinds[i].name);
    kinds[i].run();
    gt_lines_to(NULL);
    if (h.trace)
        gt_line("s%lu.step%lu: %s%s = %lx", h.seed, number, kinds[i].name, note, h.hash);
}

static void checkpoint(u64 done)
{
    if (done % EVERY)
        return;
    canary(false);
    alive();
    gt_line("s%lu.after_%lu: %lx", h.seed, done, h.hash);
    /* a difference shows in its own line only, as long as it changes nothing for good */
    h.hash = done;
}

static void one_seed(u64 seed, u64 steps)
{
    h.seed = seed;
    h.hash = seed;
    fails = 0;
    h_model_reset();
    h_crowd_reset();
    canary(true);
    for (u64 n = 0; n < steps; n++) {
        if (chosen(n))
            step(n);
        checkpoint(n + 1);
    }
    h_leave_vmx();
}

void hostile(u64 seed, u64 seeds, u64 steps)
{
    h.regions = h.crowd ? H_REGIONS : 5;
    h.group = h.crowd ? 400 : 32;
    seed = vmx_option("seed", seed);
    seeds = vmx_option("seeds", seeds);
    steps = vmx_option("steps", steps);
    h.trace = vmx_option("trace", 0) != 0;
    read_ranges();
    gt_map_load();
    gt_load_tr();
    gt_mode_prepare();
    gt_task_prepare();
    gt_hole_find(&h.hole);
    h.nidus = gt_under_nidus();
    vmx_begin();
    h.revision = (u32)gt_rdmsr(MSR_VMX_BASIC) & 0x7fffffff;
    if (vmx_on()) {
        l2_init();
        vmx_off();
        gt_line("seeds: %lu from %lu, %lu steps each", seeds, seed, steps);
        for (u64 s = seed; s < seed + seeds; s++)
            one_seed(s, steps);
    }
    vmx_end();
}

void hostile_crowd(u64 seed, u64 seeds, u64 steps)
{
    h.crowd = true;
    kinds = crowd;
    kind_count = sizeof crowd / sizeof *crowd;
    hostile(seed, seeds, steps);
}
