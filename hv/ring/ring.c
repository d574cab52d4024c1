/* SPDX-License-Identifier: BSD-2-Clause */
/* Contract in ring.h. */
#include "hv/ring/ring.h"

#define FACTOR 0x9e3779b97f4a7c15ull

/* A character's share of the sum depends on its place, so two that change places show. */
static u64 share(u64 at, char c)
{
    return (u8)c * (at * FACTOR | 1);
}

static u64 head_check(const struct ring *r)
{
    u64 h = FACTOR;
    h = (h ^ r->magic) * FACTOR;
    h = (h ^ r->self) * FACTOR;
    h = (h ^ r->total) * FACTOR;
    h = (h ^ r->sum) * FACTOR;
    return h ^ h >> 32;
}

void ring_init(struct ring *r, u64 self)
{
    r->magic = RING_MAGIC;
    r->self = self;
    r->check = head_check(r);
}

void ring_put(struct ring *r, const char *text, u32 n)
{
    for (u32 i = 0; i < n; i++) {
        u64 at = r->total++ % RING_TEXT;
        r->sum += share(at, text[i]) - share(at, r->text[at]);
        r->text[at] = text[i];
    }
    r->check = head_check(r);
}

bool ring_is(const struct ring *r, u64 at)
{
    return r->magic == RING_MAGIC && r->self == at && r->check == head_check(r) &&
           r->cpus <= RING_CPUS;
}

bool ring_whole(const struct ring *r)
{
    u64 sum = 0;
    for (u32 i = 0; i < RING_TEXT; i++)
        sum += share(i, r->text[i]);
    return sum == r->sum;
}

u32 ring_length(const struct ring *r)
{
    return r->total < RING_TEXT ? (u32)r->total : RING_TEXT;
}

char ring_char(const struct ring *r, u32 i)
{
    char c = r->text[(r->total - ring_length(r) + i) % RING_TEXT];
    return c == '\n' || (c >= ' ' && c <= '~') ? c : '?';
}

struct ring_words ring_words(const struct ring *r, u32 subleaf)
{
    u64 at = (subleaf - 1ull) * 16;
    if (!subleaf)
        return (struct ring_words){{RING_TEXT, 0, (u32)r->total, (u32)(r->total >> 32)}};
    struct ring_words w = {{0}};
    if (at >= RING_TEXT)
        return w;
    at &= RING_TEXT - 16; /* also where speculation runs past the test */
    for (u32 i = 0; i < 16; i++)
        w.word[i / 4] |= (u32)(u8)r->text[at + i] << (i % 4 * 8);
    return w;
}
