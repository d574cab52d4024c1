/* SPDX-License-Identifier: BSD-2-Clause */
/* The smallest change of one field that would let a VM entry keep a rule, found by trying. Contract
 * in private.h. */
#include "hv/explain/private.h"

#define FIELDS(rule, ...) static const u8 fields_##rule[] = {__VA_ARGS__, F_COUNT};
#include "hv/vmcs12/rule_fields.def"
#undef FIELDS

const u8 *explain_fields(enum rule_id rule)
{
    static const u8 none[] = {F_COUNT};
    static const u8 *const lists[R_COUNT] = {
#define FIELDS(rule, ...) [R_##rule] = fields_##rule,
#include "hv/vmcs12/rule_fields.def"
    };
    return lists[rule] ? lists[rule] : none;
}

static bool judge(const struct vmcs_image *v, const struct check_env *env, struct rule_set *broken)
{
    return check_entry(v, env, CHECK_ALL, broken).rule != R_NONE;
}

bool explain_breaks(const struct vmcs_image *v, const struct check_env *env, enum rule_id rule)
{
    struct rule_set set;
    return judge(v, env, &set) && rule_set_has(&set, rule);
}

/* True when the image keeps the rule, and every rule that it kept before. */
static bool mends(const struct vmcs_image *v, const struct check_env *env, enum rule_id rule,
                  const struct rule_set *before)
{
    struct rule_set after;
    bool worse = false;
    if (!judge(v, env, &after))
        return true;
    for (u32 i = 0; i < RULE_WORDS; i++)
        worse |= any(after.word[i], ~before->word[i]);
    return !worse && !rule_set_has(&after, rule);
}

#define FLIPS 64u

/* What a processor allows, aligned, cut, usual access rights, 0 and all ones come behind the flips
 * of one bit; but no bit is flipped of an address. False: there is no such candidate. */
static bool candidate(const struct check_cpu *c, enum vmcs_field f, u64 value, u32 i, u64 *to)
{
    /* data, code of 64 and of 32 bits, TSS, LDT, unusable */
    static const u32 rights[] = {0x93, 0xa09b, 0xc09b, 0x8b, 0x82, 0x10000};
    struct allowed a = explain_allowed(c, f);
    const struct vmcs_field_desc *d = vmcs12_desc(f);
    const u64 others[] = {(value | a.must_be_1) & a.may_be_1,
                          f == F_vmcs_link_pointer ? ~0ull : value,
                          value & ~7ull,
                          value & ~(u64)(PAGE_SIZE - 1),
                          value & ~c->phys_reserved,
                          value & ~c->phys_reserved & ~(u64)(PAGE_SIZE - 1),
                          value & 0xffff,
                          0,
                          ~0ull};
    if (i == 0) {
        *to = others[0];
        return true;
    }
    if (--i < FLIPS) {
        *to = value ^ BIT(i);
        return d->width != W64 || f == F_guest_efer || f == F_host_efer;
    }
    i -= FLIPS;
    if (i < ARRAY_LEN(rights)) {
        *to = rights[i];
        return d->width == WAR;
    }
    i -= (u32)ARRAY_LEN(rights);
    if (i < ARRAY_LEN(others))
        *to = others[i];
    return i < ARRAY_LEN(others);
}
#define CANDIDATES (1 + FLIPS + 6 + 9)

static bool mend_field(struct vmcs_image *v, const struct check_env *env, enum rule_id rule,
                       const struct rule_set *before, enum vmcs_field f, u64 *value)
{
    u64 from = vmcs12_get(v, f), to;
    bool found = false;
    for (u32 i = 0; i < CANDIDATES && !found; i++) {
        if (!candidate(env->cpu, f, from, i, &to))
            continue;
        vmcs12_set(v, f, to);
        to = vmcs12_get(v, f);
        found = to != from && mends(v, env, rule, before);
        vmcs12_set(v, f, from);
    }
    *value = to;
    return found;
}

enum vmcs_field explain_mend(struct vmcs_image *v, const struct check_env *env, enum rule_id rule,
                             u64 *value)
{
    struct rule_set before;
    const u8 *f = explain_fields(rule);
    (void)judge(v, env, &before);
    while (*f != F_COUNT && !mend_field(v, env, rule, &before, (enum vmcs_field) * f, value))
        f++;
    return (enum vmcs_field) * f;
}
