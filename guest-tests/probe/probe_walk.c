/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which fields there are, and where they go: writes a field, lets VMCLEAR put it into memory, and
 * looks for what changed. Pass A writes needles, pass C one bit at a time. Contract in probe.h.
 */
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/probe/probe.h"

struct probe_field probe_field[PROBE_MAX];
unsigned probe_fields;
struct probe_oddities probe_odd;

/* Every byte differs from every other and from its complement. */
#define NEEDLE 0xe1d2c3b4a5968778ull

void probe_copy(unsigned to, unsigned from)
{
    void *dst = arena(to), *src = arena(from);
    u64 words = PROBE_PAGE / 8;

    __asm__ volatile("rep movsq" : "+D"(dst), "+S"(src), "+c"(words) : : "memory");
}

void probe_load(void)
{
    probe_copy(PG_PROBE, PG_PROBE_BASE);
    vmx_vmptrld(ARENA_AT(PG_PROBE));
}

void probe_store(void)
{
    vmx_vmclear(ARENA_AT(PG_PROBE));
}

/* The page after VMCLEAR, VMPTRLD and VMCLEAR with no field written. */
static void make_base(void)
{
    gt_zero_pages(arena(PG_PROBE), 1);
    *(u32 *)arena(PG_PROBE) = (u32)gt_rdmsr(MSR_VMX_BASIC) & 0x7fffffff;
    probe_store();
    vmx_vmptrld(ARENA_AT(PG_PROBE));
    probe_store();
    probe_copy(PG_PROBE_BASE, PG_PROBE);
}

static u8 size_of(u16 enc)
{
    static const u8 size[4] = {2, 8, 4, 8};

    return size[enc >> 13 & 3];
}

/* Bit 12 of an encoding is reserved; bit 0 asks for a high half. */
static void note(u16 enc)
{
    enum { HIGH = 1, RESERVED = 0x1000, WIDTH_64 = 1 };
    struct probe_field *f = &probe_field[probe_fields];

    if (enc & RESERVED) {
        if (probe_odd.reserved++ == 0)
            probe_odd.first_reserved = enc;
        return;
    }
    if (enc & HIGH) {
        probe_odd.narrow_high += (enc >> 13 & 3) != WIDTH_64;
        return;
    }
    if (probe_fields == PROBE_MAX)
        return;
    *f = (struct probe_field){
        .enc = enc, .size = size_of(enc), .needle = NO_PLACE, .walk = NO_PLACE, .fill = NO_PLACE};
    probe_fields++;
}

void probe_list(void)
{
    make_base();
    probe_load();
    for (u32 enc = 0; enc < 0x8000; enc++) {
        u64 v = 0;

        if (vmx_vmread(enc, &v) == VMX_OK)
            note((u16)enc);
    }
    for (unsigned i = 0; i < probe_fields; i++)
        probe_field[i].writable = vmx_vmwrite(probe_field[i].enc, 0) == VMX_OK;
    probe_store();
}

/* Writes the value and stores the page; what VMREAD gave back before that. */
static u64 write_one(u64 enc, u64 v)
{
    u64 back = 0;

    probe_load();
    vmx_vmwrite(enc, v);
    vmx_vmread(enc, &back);
    probe_store();
    return back;
}

/* The first 64-bit word from `word` on that is not the base's; PROBE_PAGE / 8 when there is
 * none. */
static unsigned next_change(unsigned word)
{
    const u64 *now = arena(PG_PROBE), *base = arena(PG_PROBE_BASE);

    while (word < PROBE_PAGE / 8 && now[word] == base[word])
        word++;
    return word;
}

/* The first changed byte of the page, or NO_PLACE. */
static int first_change(void)
{
    const u8 *now = arena(PG_PROBE), *base = arena(PG_PROBE_BASE);
    unsigned at = next_change(0) * 8;

    while (at < PROBE_PAGE && now[at] == base[at])
        at++;
    return at < PROBE_PAGE ? (int)at : NO_PLACE;
}

/* Pass A: the place where both the needle and its complement stand, but for bits not stored. */
static void needles(struct probe_field *f)
{
    u64 mask = f->size == 8 ? ~0ull : (1ull << 8 * f->size) - 1;
    u64 first = write_one(f->enc, NEEDLE & mask) & f->stored, second, got = 0;
    int at = f->walk;

    if (at == NO_PLACE || at + f->size > PROBE_PAGE || !f->straight)
        return;
    CopyMem(&got, probe_page(PG_PROBE) + at, f->size);
    if ((got & f->stored) != first || first != (NEEDLE & f->stored))
        return;
    second = write_one(f->enc, ~NEEDLE & mask) & f->stored;
    got = 0;
    CopyMem(&got, probe_page(PG_PROBE) + at, f->size);
    if ((got & f->stored) == second && second == (~NEEDLE & f->stored))
        f->needle = at;
}

/* The only memory bit that differs from the base; NO_BIT when there is none or more than one. */
static u16 one_bit(void)
{
    const u64 *now = arena(PG_PROBE), *base = arena(PG_PROBE_BASE);
    unsigned word = next_change(0);
    u64 diff;

    if (word == PROBE_PAGE / 8 || next_change(word + 1) < PROBE_PAGE / 8)
        return NO_BIT;
    diff = now[word] ^ base[word];
    if (diff & (diff - 1))
        return NO_BIT;
    return (u16)(word * 64 + (unsigned)__builtin_ctzll(diff));
}

/* Pass C, field to memory. */
static void walk_bits(struct probe_field *f)
{
    for (unsigned bit = 0; bit < 8u * f->size; bit++) {
        int at;

        f->kept |= write_one(f->enc, 1ull << bit) & 1ull << bit;
        f->where[bit] = one_bit();
        at = first_change();
        if (at == NO_PLACE)
            continue;
        f->stored |= 1ull << bit;
        if (f->walk == NO_PLACE || at < f->walk)
            f->walk = at;
    }
    f->straight = f->walk != NO_PLACE;
    for (unsigned bit = 0; bit < 8u * f->size; bit++)
        if (f->stored >> bit & 1 && f->where[bit] != 8 * f->walk + (int)bit)
            f->straight = false;
    /* The lowest bits of a field may not be stored: its place is then before the first change. */
    if (!f->straight && f->stored && f->where[__builtin_ctzll(f->stored)] != NO_BIT) {
        int start = f->where[__builtin_ctzll(f->stored)] - __builtin_ctzll(f->stored);
        bool all = start >= 0 && start % 8 == 0;

        for (unsigned bit = 0; bit < 8u * f->size; bit++)
            if (f->stored >> bit & 1 && f->where[bit] != start + (int)bit)
                all = false;
        if (all) {
            f->straight = true;
            f->walk = start / 8;
        }
    }
}

/* Pass C, memory to field: each bit that the walk found, set in the page, reads as that bit. */
static void walk_back(struct probe_field *f)
{
    f->walk_back = f->stored != 0;
    for (unsigned bit = 0; bit < 8u * f->size; bit++) {
        u64 v = 0;

        if (!(f->stored >> bit & 1))
            continue;
        if (f->where[bit] == NO_BIT) {
            f->walk_back = false;
            continue;
        }
        probe_copy(PG_PROBE, PG_PROBE_BASE);
        probe_page(PG_PROBE)[f->where[bit] / 8] ^= (u8)(1 << f->where[bit] % 8);
        vmx_vmptrld(ARENA_AT(PG_PROBE));
        vmx_vmread(f->enc, &v);
        probe_store();
        if (v != 1ull << bit)
            f->walk_back = false;
    }
}

/* A 64-bit field's high half is a field of its own, four bytes behind. */
static void high_half(const struct probe_field *f)
{
    u64 v = 0;

    probe_load();
    vmx_vmwrite(f->enc, 1ull << 32 | 2);
    if (vmx_vmread(f->enc | 1u, &v) == VMX_OK) {
        probe_odd.high_there++;
        probe_odd.high_right += (v & f->kept >> 32) == (1 & f->kept >> 32);
    }
    probe_store();
}

void probe_walk(void)
{
    for (unsigned i = 0; i < probe_fields; i++) {
        struct probe_field *f = &probe_field[i];

        if (!f->writable)
            continue;
        walk_bits(f);
        walk_back(f);
        needles(f);
        if (f->enc >> 13 == 1)
            high_half(f);
    }
}
