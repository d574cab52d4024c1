/* SPDX-License-Identifier: BSD-2-Clause */
/* What a live Nidus tells by its CPUID leaves (hv/arch/cpuid_bits.h). Contract in menu.h. */
#include "boot/menu/menu.h"
#include "boot/menu/report.h"

enum { LEAF_NIDUS = 0x40000000, LEAF_EXITS = 0x40000002, LEAF_LOG = 0x40000004 };
enum { REASONS = 128, RING_TEXT = 65536, LOG_KEPT = 24 * 1024, WORD = 16 };

void menu_cpuid(uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                     : "a"(leaf), "c"(sub));
}

static bool launched;

/* The hypervisor bit is not asked. A processor without this leaf answers with another one's
 * words. */
static bool nidus_answers(void)
{
    uint32_t r[4];

    menu_cpuid(LEAF_NIDUS, 0, r);
    return CompareMem(&r[1], "NidusNidus\0\0", 12) == 0;
}

void nidus_was_launched(void)
{
    launched = true;
}

/* With hvbit=off a live Nidus does not answer. */
bool nidus_is_live(void)
{
    return launched || nidus_answers();
}

bool vmx_is_usable(void)
{
    enum { VMX = 1 << 5, MSR_FEATURE_CONTROL = 0x3a, LOCKED = 1, ALLOWED = 4 };
    uint32_t r[4], low, high;

    menu_cpuid(1, 0, r);
    if (!(r[2] & VMX))
        return false;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(MSR_FEATURE_CONTROL));
    (void)high;
    return !(low & LOCKED) || (low & ALLOWED);
}

/* Exits of L1 and of L2 by reason, so far. */
static void report_exits(void)
{
    static const uint32_t of[2] = {0, 1u << 31};
    uint32_t r[4];

    report_open("exits");
    for (unsigned level = 0; level < 2; level++) {
        for (uint32_t reason = 0; reason < REASONS; reason++) {
            menu_cpuid(LEAF_EXITS, of[level] | reason, r);
            if (r[0] | r[3])
                report_line("L%u reason %u: %lu", level + 1, reason, (uint64_t)r[3] << 32 | r[0]);
        }
    }
    menu_cpuid(LEAF_EXITS, 0, r);
    report_line("pages of L0's region touched: %u", r[1]);
    report_close();
}

/* The log from the last report on, its end if that is too much. Word 0 tells how it is kept. */
static void report_log(void)
{
    static uint64_t told;
    uint32_t r[4];
    uint64_t total, at = told;

    menu_cpuid(LEAF_LOG, 0, r);
    total = (uint64_t)r[3] << 32 | r[2];
    if (r[0] != RING_TEXT || total == told)
        return;
    if (total - at > LOG_KEPT || at > total)
        at = total > LOG_KEPT ? total - LOG_KEPT : 0;
    report_open("log");
    for (; at < total; at++) {
        menu_cpuid(LEAF_LOG, (uint32_t)(at % RING_TEXT / WORD) + 1, r);
        report_text((const char *)r + at % WORD, 1);
    }
    report_close();
    told = total;
}

void report_live(void)
{
    if (!nidus_answers())
        return;
    report_exits();
    report_log();
}
