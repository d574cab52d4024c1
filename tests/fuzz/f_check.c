/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the rules of VM entry: any image, on any processor of the profiles, judged. Either the
 * input is the image itself, or (most inputs of the first kind break a dozen rules at once) it is
 * a list of edits of a valid one. The verdict is a member of the set and the first of it; groups
 * judged alone add up to the whole; what passes has control words that the MSRs allow; nothing
 * but the set is written. Links with tests/lib/valid.c.
 */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/lib/image.h"
#include "tests/lib/valid.h"

static void choose_env(struct valid *t, const u8 *data)
{
    t->env.in_ia32e_mode ^= data[0] & 1;
    t->cpuid.rtm = data[0] & 2;
    t->cpuid.sgx = data[0] & 4;
    t->cpuid.nmi_needs_no_sti = data[0] & 8;
    t->cpuid.linear_width = data[0] & 16 ? 57 : 48;
    t->cpuid.maxphyaddr = (u8)(32 + data[1] % 21);
    t->env.vtpr = data[2];
    memcpy(&t->env.link_header, data + 3, 4);
    memcpy(&t->env.pdpte[2], data + 7, 8);
}

static void judge(struct valid *t)
{
    struct rule_set broken, joined = {{0}};
    struct verdict verdict = valid_judge(t, &broken);
    struct valid copy = *t;

    demand(verdict.rule == rule_set_first(&broken));
    demand((verdict.outcome == VERDICT_OK) == rule_set_empty(&broken));
    demand(verdict.rule == R_NONE || rule_set_has(&broken, verdict.rule));
    for (u32 group = 1; group <= CHECK_ALL; group <<= 1) {
        struct rule_set one;
        struct verdict alone = check_entry(&t->v, &t->env, group, &one);
        demand((alone.outcome == VERDICT_OK) == rule_set_empty(&one));
        for (unsigned i = 0; i < RULE_WORDS; i++)
            joined.word[i] |= one.word[i];
    }
    demand(memcmp(&joined, &broken, sizeof broken) == 0);
    demand(verdict.outcome != VERDICT_OK || valid_controls(t));
    (void)check_needs(&t->v, &t->cpu);
    demand(memcmp(&copy, t, sizeof copy) == 0);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static struct valid t;

    if (size < 18)
        return 0;
    valid_build(&t, (enum valid_base)(data[0] % BASE_COUNT), (enum valid_cpu)(data[1] % CPU_COUNT));
    choose_env(&t, data + 3);
    if (data[2] & 1)
        memcpy(t.v.bytes, data + 18, size - 18 < 4096 ? size - 18 : 4096);
    else
        image_edit(&t.v, data + 18, size - 18);
    judge(&t);
    return 0;
}
