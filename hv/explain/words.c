/* SPDX-License-Identifier: BSD-2-Clause */
/* Fields in words: a value, its bits by name, and what L1's processor allows there. Contract in
 * private.h. */
#include "hv/explain/private.h"
#include "hv/explain/bit_names.h"

struct allowed explain_allowed(const struct check_cpu *c, enum vmcs_field f)
{
    switch (f) {
    case F_pin_ctl:
        return (struct allowed){c->pin.must_be_1, c->pin.may_be_1};
    case F_cpu1_ctl:
        return (struct allowed){c->cpu1.must_be_1, c->cpu1.may_be_1};
    case F_cpu2_ctl:
        return (struct allowed){c->cpu2.must_be_1, c->cpu2.may_be_1};
    case F_exit_ctl:
        return (struct allowed){c->exit.must_be_1, c->exit.may_be_1};
    case F_entry_ctl:
        return (struct allowed){c->entry.must_be_1, c->entry.may_be_1};
    case F_vmfunc_ctl:
        return (struct allowed){0, c->vmfunc};
    case F_guest_cr0:
    case F_host_cr0:
        return (struct allowed){c->cr0_must_be_1, c->cr0_may_be_1};
    case F_guest_cr4:
    case F_host_cr4:
        return (struct allowed){c->cr4_must_be_1, c->cr4_may_be_1};
    case F_guest_efer:
    case F_host_efer:
        return (struct allowed){0, ~c->efer_reserved};
    case F_guest_debugctl:
        return (struct allowed){0, ~c->debugctl_reserved};
    default:
        return (struct allowed){0, ~0ull};
    }
}

static void tell_bit(enum bit_word word, u32 bit)
{
    const char *name = bit_name(word, bit);
    if (name)
        log_part("%s", name);
    else
        log_part("bit %u", bit);
}

static void tell_bits(const char *before, enum bit_word word, u64 set)
{
    for (; set != 0; set &= set - 1) {
        log_part("%s", before);
        tell_bit(word, (u32)__builtin_ctzll(set));
        before = ", ";
    }
}

/* The bits that have a name. */
static u64 named(enum bit_word word)
{
    u64 set = 0;
    for (u32 bit = 0; bit < 64; bit++)
        if (bit_name(word, bit))
            set |= BIT(bit);
    return set;
}

void explain_field(const struct check_cpu *c, enum vmcs_field f, u64 value)
{
    enum bit_word word = bit_word_of(f);
    struct allowed a = explain_allowed(c, f);
    u64 must_be_0 = value & ~a.may_be_1, must_be_1 = a.must_be_1 & ~value;
    log_part("; %s=0x%lx", vmcs12_name(f), value);
    if (word != WORD_NONE && any(value, named(word))) {
        tell_bits(" (", word, value & named(word));
        log_part(")");
    }
    if (must_be_0 == 0 && must_be_1 == 0)
        return;
    tell_bits(" must be 0: ", word, must_be_0);
    tell_bits(" must be 1: ", word, must_be_1);
    log_part(" (allowed %lx, demanded %lx)", a.may_be_1, a.must_be_1);
}
