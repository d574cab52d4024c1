/* SPDX-License-Identifier: BSD-2-Clause */
/* Contract in option_keys.h. */
#include "boot/option_keys.h"

#include "boot/spec.h"

#define AT(member) offsetof(struct options, member)
/* clang-format off */
static const struct option_key keys[] = {
    {"log",     KIND_CHOICE, BOOT_LOG_NONE,     AT(log),
        {"none", "e9", "com1", "com2", "port:"}},
    {"verbose", KIND_CHOICE, 0,                 AT(verbose),  {"0", "1", "2"}},
    {"nested",  KIND_CHOICE, 1,                 AT(nested),   {"off", "on"}},
    {"cpus",    KIND_CHOICE, 0,                 AT(bsp_only), {"all", "bsp"}},
    {"mp",      KIND_CHOICE, 0,                 AT(own_sipi), {"auto", "sipi"}},
    {"profile", KIND_CHOICE, BOOT_PROFILE_BROADWELL, AT(profile),
        {"broadwell", "e5-2683v4", "d-1540", "host"}},
    {"vtd",     KIND_CHOICE, OPTIONS_VTD_ON,    AT(vtd),      {"off", "on", "require"}},
    {"shadow",  KIND_CHOICE, 1,                 AT(shadow),   {"off", "on"}},
    {"fast",    KIND_CHOICE, 1,                 AT(fast),     {"off", "on"}},
    {"tlb",     KIND_CHOICE, BOOT_TLB_DEFAULT,  AT(tlb),      {"default", "strict", "eager"}},
    {"gdb",     KIND_CHOICE, BOOT_GDB_NONE,     AT(gdb),      {"none", "com2", "wait"}},
    {"trace",   KIND_SET,    0,                 AT(trace),
        {"exits", "routes", "events", "insns", "fills", "entries", "l1", "l2", "all", "com2",
         "cpu0", "cpu1", "cpu2", "cpu3"}},
    {"stress",  KIND_SET,    0,                 AT(stress),
        {"remerge", "restore", "paranoid", "flush", "evict", "odd-cpu", "last-cpu", "guard"}},
    {"spec",    KIND_SET,    SPEC_OPTION_AUTO,  AT(spec),
        {"auto", "full", "off", "l1d", "verw", "ibpb", "rsb", "specctrl"}},
    {"wait",    KIND_CHOICE, WAIT_AUTO,         AT(wait),     {"off", "on", "auto"}},
    {"screen",  KIND_CHOICE, SCREEN_ON,         AT(screen),   {"off", "on", "corner"}},
    {"cmos",    KIND_CHOICE, 0,                 AT(cmos),     {"off", "on"}},
    {"hvbit",   KIND_CHOICE, 1,                 AT(hvbit),    {"off", "on"}},
    {"s3",      KIND_CHOICE, OPTIONS_S3_REFUSE, AT(s3),       {"allow", "refuse"}},
    {"plant",   KIND_NUMBER, 0,                 AT(plant),    {"0 to 999"}},
    {"ucode",   KIND_PATH,   0,                 AT(ucode),    {"a path"}},
    {"chain",   KIND_CHAIN,  0,                 AT(chain),    {""}},
    {"check",   KIND_FLAG,   0,                 AT(check),    {""}},
    {"dry",     KIND_FLAG,   0,                 AT(dry),      {""}},
    {"blink",   KIND_FLAG,   0,                 AT(blink),    {""}},
    {"ring",    KIND_FLAG,   0,                 AT(ring),     {""}},
    {"help",    KIND_FLAG,   0,                 AT(help),     {""}},
    {"version", KIND_FLAG,   0,                 AT(version),  {""}},
};
/* clang-format on */

const struct option_key *option_key(u32 n)
{
    return n < ARRAY_LEN(keys) ? &keys[n] : NULL;
}

u32 *option_member(struct options *o, const struct option_key *k)
{
    return (u32 *)((char *)o + k->offset);
}

u32 option_value(const struct options *o, const struct option_key *k)
{
    return *(const u32 *)((const char *)o + k->offset);
}

u32 option_value_count(const struct option_key *k)
{
    u32 n = 0;
    while (n < ARRAY_LEN(k->value) && k->value[n][0])
        n++;
    return n;
}

u32 option_find_value(const struct option_key *k, struct word w)
{
    u32 n = 0;
    while (n < option_value_count(k) && !word_is(w, k->value[n]))
        n++;
    return n;
}

bool option_is_open(const struct option_key *k, u32 n)
{
    u32 at = 0;
    while (k->value[n][at])
        at++;
    return at && k->value[n][at - 1] == ':';
}

u32 option_find_choice(const struct option_key *k, struct word w)
{
    for (u32 n = 0; n < option_value_count(k); n++) {
        u32 number = 0;
        if (option_is_open(k, n) ? word_hex(w, k->value[n], &number) : word_is(w, k->value[n]))
            return n | number << 8;
    }
    return OPTION_NOT_FOUND;
}

const struct option_key *option_find_key(struct word w, struct word *value, bool *has_value)
{
    u32 n = 0;
    while (n < w.len && w.text[n] != '=')
        n++;
    *has_value = n < w.len;
    *value = (struct word){w.text + n + *has_value, w.len - n - *has_value};
    for (u32 i = 0; i < ARRAY_LEN(keys); i++)
        if (word_is((struct word){w.text, n}, keys[i].name))
            return &keys[i];
    return NULL;
}
