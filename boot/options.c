/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The option parser. Contract in options.h. One table has every key, its values and the member of
 * struct options for the value. The command line and the configuration differ only in how they are
 * cut into words. Pure.
 */
#include "boot/options.h"

#include "boot/spec.h"
#include "boot/words.h"

enum kind { KIND_CHOICE, KIND_SET, KIND_NUMBER, KIND_FLAG, KIND_PATH, KIND_CHAIN };

/* KIND_CHOICE stores the value's place in the row; behind a value that ends in ':' the word goes on
 * with 0x and a number of 16 bits, which is stored from bit 8 on. KIND_SET stores one bit for each
 * value named. KIND_NUMBER stores a decimal number below 1,000, KIND_PATH the word. The texts are
 * character arrays: nidus.efi is position independent, and pointers would need relocations. */
struct key {
    char name[8];
    u8 kind;
    u8 initial;
    u16 offset;
    char value[16][12];
};

#define AT(member) offsetof(struct options, member)
/* clang-format off */
static const struct key keys[] = {
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

/* The member for the row's value. Every member apart from ucode and chain is a u32. */
static u32 *member(struct options *o, const struct key *k)
{
    return (u32 *)((char *)o + k->offset);
}

static u32 value_of(const struct options *o, const struct key *k)
{
    return *(const u32 *)((const char *)o + k->offset);
}

void options_default(struct options *o)
{
    for (u32 i = 0; i < ARRAY_LEN(keys); i++)
        if (keys[i].kind != KIND_CHAIN && keys[i].kind != KIND_PATH)
            *member(o, &keys[i]) = keys[i].initial;
    o->chain[0] = o->ucode[0] = 0;
}

/* The number of a row's values. The row ends at its first empty value. */
static u32 value_count(const struct key *k)
{
    u32 n = 0;
    while (n < ARRAY_LEN(k->value) && k->value[n][0])
        n++;
    return n;
}

/* The place of the value w in the row, or value_count(k) when the row does not have it. */
static u32 find_value(const struct key *k, struct word w)
{
    u32 n = 0;
    while (n < value_count(k) && !word_is(w, k->value[n]))
        n++;
    return n;
}

#define NOT_FOUND (~0u)

/* True when a number belongs to value n of the row. */
static bool is_open(const struct key *k, u32 n)
{
    u32 at = 0;
    while (k->value[n][at])
        at++;
    return at && k->value[n][at - 1] == ':';
}

/* What KIND_CHOICE stores for the value, or NOT_FOUND. */
static u32 find_choice(const struct key *k, struct word w)
{
    for (u32 n = 0; n < value_count(k); n++) {
        u32 number = 0;
        if (is_open(k, n) ? word_hex(w, k->value[n], &number) : word_is(w, k->value[n]))
            return n | number << 8;
    }
    return NOT_FOUND;
}

/* Says which values the key takes, and returns false for the caller to return. */
static bool bad_value(const struct key *k, struct word value, struct line *why)
{
    line_add(why, k->name);
    line_add_char(why, '=');
    line_add_foreign(why, value.text, value.len);
    line_add(why, k->kind == KIND_SET ? ": not a list of " : ": not one of ");
    for (u32 i = 0; i < value_count(k); i++) {
        line_add(why, i ? ", " : "");
        line_add(why, k->value[i]);
        if (is_open(k, i))
            line_add(why, "0xNNNN");
    }
    return false;
}

/* One bad name makes the whole list bad. An empty name is bad, because "a," may be a slip. */
static bool set_list(struct options *o, const struct key *k, struct word list, struct line *why)
{
    u32 set = 0;
    for (u32 from = 0, i = 0; i <= list.len; i++) {
        if (i < list.len && list.text[i] != ',')
            continue;
        u32 n = find_value(k, (struct word){list.text + from, i - from});
        if (n == value_count(k))
            return bad_value(k, list, why);
        set |= 1u << n;
        from = i + 1;
    }
    *member(o, k) = set;
    return true;
}

/* Returns the key at the beginning of the word, or NULL. *value becomes the text behind '='. */
static const struct key *find_key(struct word w, struct word *value, bool *has_value)
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

/* Says that the option is unknown, and which one it is but for its case. */
static bool unknown(struct word w, struct line *why)
{
    word_bad(w, "unknown option ", why);
    for (u32 i = 0; i < ARRAY_LEN(keys); i++)
        if (word_resembles(w, keys[i].name))
            line_add(why, "; did you mean "), line_add(why, keys[i].name);
    return false;
}

/* Quotes may stand around the path. */
static bool set_path(struct options *o, const struct key *k, struct word w, struct line *why)
{
    u16 *path = (u16 *)member(o, k);
    if (!w.len || w.len >= OPTIONS_PATH_MAX)
        return bad_value(k, w, why);
    for (u32 i = 0; i < w.len; i++)
        path[i] = w.text[i];
    path[w.len] = 0;
    return true;
}

/* Sets one option from a word without its quotes. chain= with its '=' does not come here, because
 * it takes the whole rest of the line. */
static bool set_option(struct options *o, struct word w, struct line *why)
{
    struct word value;
    bool has_value;
    const struct key *k = find_key(w, &value, &has_value);
    if (!k)
        return unknown(w, why);
    if (k->kind == KIND_FLAG && has_value)
        return word_bad(w, "an option that takes no value: ", why);
    if (k->kind == KIND_CHAIN)
        return word_bad(w, "chain=PATH is wanted, not ", why);
    if (k->kind == KIND_SET)
        return set_list(o, k, value, why);
    if (k->kind == KIND_PATH)
        return set_path(o, k, value, why);
    if (k->kind == KIND_NUMBER)
        return word_decimal(value, member(o, k)) || bad_value(k, value, why);
    u32 n = k->kind == KIND_FLAG ? 1 : find_choice(k, value);
    if (n == NOT_FOUND)
        return bad_value(k, value, why);
    *member(o, k) = n;
    return true;
}

/* True when the line begins with "chain=". */
static bool is_chain(struct word w)
{
    struct word value;
    bool has_value;
    const struct key *k = find_key(w, &value, &has_value);
    return k && k->kind == KIND_CHAIN && has_value;
}

/*
 * chain= takes the rest of the line exactly as written, as the program's command line. opened: the
 * quote stood before the key, and the function puts the quote before the path. chain= with nothing
 * behind it takes back an earlier chain=.
 */
static bool set_chain(struct options *o, struct word rest, bool opened, struct line *why)
{
    u32 n = 0, key_length = (u32)sizeof "chain=" - 1;
    bool closed;
    if (opened)
        o->chain[n++] = '"';
    for (u32 i = key_length; i < rest.len; i++)
        o->chain[n++] = rest.text[i];
    o->chain[n] = 0;
    struct word command = {o->chain, n};
    u32 path_length = word_length(command, &closed);
    if (!closed)
        return word_bad(command, "chain=: a quote is not closed in ", why);
    bool empty = path_length == 0 || (path_length == 2 && o->chain[0] == '"');
    if (n && empty)
        return word_bad(command, "chain=: no path in ", why);
    return true;
}

/* Reads the words of one command line or of one line of a configuration.
 * @pre the line is shorter than OPTIONS_LINE_MAX */
static bool read_words(struct options *o, struct word rest, struct line *why)
{
    for (rest = word_trim(rest); rest.len;) {
        /* People type "chain=\a b.efi" and chain="\a b.efi". */
        bool opened = *rest.text == '"', closed;
        struct word unquoted = {rest.text + opened, rest.len - opened};
        if (is_chain(unquoted))
            return set_chain(o, unquoted, opened, why);
        u32 n = word_length(rest, &closed);
        struct word w = {rest.text, n};
        if (opened && closed && n >= 2 && rest.text[n - 1] == '"')
            w = (struct word){rest.text + 1, n - 2};
        if (!closed)
            return word_bad(w, "a quote is not closed in ", why);
        if (!set_option(o, w, why))
            return false;
        rest = word_trim((struct word){rest.text + n, rest.len - n});
    }
    return true;
}

/* True when the word ends in ".efi", in capitals or not: FAT makes no difference, and shells show
 * names in capitals. */
static bool ends_in_efi(struct word w)
{
    static const char suffix[] = ".efi";
    w.len -= w.len && w.text[w.len - 1] == '"';
    if (w.len < sizeof suffix - 1)
        return false;
    for (u32 i = 0; i < sizeof suffix - 1; i++)
        if ((w.text[w.len - (sizeof suffix - 1) + i] | (i ? 0x20 : 0)) != (u8)suffix[i])
            return false;
    return true;
}

/* The line without the program's own name. options.h says when the line begins with the name. */
static struct word drop_name(struct word rest, enum options_name name)
{
    bool closed, has_value;
    struct word value;
    rest = word_trim(rest);
    u32 n = word_length(rest, &closed);
    struct word first = {rest.text, n}, unquoted = first;
    if (n && *first.text == '"')
        unquoted = (struct word){first.text + 1, n - 1};
    bool is_option = find_key(unquoted, &value, &has_value) != NULL;
    if (name == OPTIONS_NAME_MAY_LEAD && (is_option || !ends_in_efi(first)))
        return rest;
    return (struct word){rest.text + n, rest.len - n};
}

/* Reads characters into line[OPTIONS_LINE_MAX] until `end` or the end of the text. *out becomes the
 * characters read. Returns false when the bytes are no text or the line is too long. */
static bool read_until(struct text *t, int end, u16 *line, struct word *out, struct line *why)
{
    u32 n = 0;
    for (;;) {
        int c = text_next(t);
        if (c == TEXT_BAD) {
            line_add(why, "byte ");
            line_add_hex(why, t->bytes[t->at]);
            line_add(why, " is not text");
            return false;
        }
        if (c == TEXT_END || c == end)
            break;
        if (n == OPTIONS_LINE_MAX - 2) { /* leaves room for a quote and the zero */
            line_add(why, "the line is longer than ");
            line_add_decimal(why, n);
            line_add(why, " characters");
            return false;
        }
        line[n++] = (u16)c;
    }
    *out = (struct word){line, n};
    return true;
}

bool options_read_command(struct options *o, struct text t, enum options_name name,
                          struct line *why)
{
    u16 line[OPTIONS_LINE_MAX];
    struct word rest;
    line_clear(why);
    /* A boot entry that was made from a file may have line ends. Here line ends separate words. */
    if (!read_until(&t, TEXT_END, line, &rest, why))
        return false;
    return read_words(o, drop_name(rest, name), why);
}

/* One line of a configuration has one option. A line of spaces, or one that begins with '#', has
 * none. */
static bool read_config_line(struct options *o, struct word w, struct line *why)
{
    bool closed;
    w = word_trim(w);
    if (!w.len || *w.text == '#')
        return true;
    struct word behind_quote = {w.text + (*w.text == '"'), w.len - (*w.text == '"')};
    if (!is_chain(behind_quote) && word_length(w, &closed) != w.len)
        return word_bad(w, "more than one option in ", why);
    return read_words(o, w, why);
}

bool options_read_config(struct options *o, struct text t, struct line *why)
{
    u16 line[OPTIONS_LINE_MAX];
    struct word w;
    for (u32 number = 1; t.at < t.size; number++) {
        line_clear(why);
        line_add(why, "line ");
        line_add_decimal(why, number);
        line_add(why, ": ");
        if (!read_until(&t, '\n', line, &w, why) || !read_config_line(o, w, why))
            return false;
    }
    return true;
}

void options_describe(const struct options *o, struct line *l)
{
    for (u32 i = 0; i < ARRAY_LEN(keys); i++) {
        const struct key *k = &keys[i];
        if (k->kind == KIND_FLAG || k->kind == KIND_PATH || k->kind == KIND_CHAIN)
            continue;
        u32 v = value_of(o, k);
        if ((k->kind == KIND_SET || k->kind == KIND_NUMBER) && !v)
            continue;
        line_add(l, i ? " " : "");
        line_add(l, k->name);
        if (k->kind == KIND_NUMBER) {
            line_add_char(l, '=');
            line_add_decimal(l, v);
            continue;
        }
        for (u32 n = 0, sep = '='; n < value_count(k); n++) {
            if (k->kind == KIND_CHOICE ? n != (v & 0xff) : !(v >> n & 1))
                continue;
            line_add_char(l, (char)sep);
            line_add(l, k->value[n]);
            if (is_open(k, n))
                line_add_hex(l, v >> 8);
            sep = ',';
        }
    }
}
