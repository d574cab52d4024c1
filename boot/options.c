/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The option parser. Contract in options.h. option_keys.c has the table of the keys. The command
 * line and the configuration differ only in how they are cut into words. Pure.
 */
#include "boot/options.h"

#include "boot/option_keys.h"

void options_default(struct options *o)
{
    const struct option_key *k;
    for (u32 i = 0; (k = option_key(i)); i++)
        if (k->kind != KIND_CHAIN && k->kind != KIND_PATH)
            *option_member(o, k) = k->initial;
    o->chain[0] = o->ucode[0] = 0;
}

/* Says which values the key takes, and returns false for the caller to return. */
static bool bad_value(const struct option_key *k, struct word value, struct line *why)
{
    line_add(why, k->name);
    line_add_char(why, '=');
    line_add_foreign(why, value.text, value.len);
    line_add(why, k->kind == KIND_SET ? ": not a list of " : ": not one of ");
    for (u32 i = 0; i < option_value_count(k); i++) {
        line_add(why, i ? ", " : "");
        line_add(why, k->value[i]);
        if (option_is_open(k, i))
            line_add(why, "0xNNNN");
    }
    return false;
}

/* One bad name makes the whole list bad. An empty name is bad, because "a," may be a slip. */
static bool set_list(struct options *o, const struct option_key *k, struct word list,
                     struct line *why)
{
    u32 set = 0;
    for (u32 from = 0, i = 0; i <= list.len; i++) {
        if (i < list.len && list.text[i] != ',')
            continue;
        u32 n = option_find_value(k, (struct word){list.text + from, i - from});
        if (n == option_value_count(k))
            return bad_value(k, list, why);
        set |= 1u << n;
        from = i + 1;
    }
    *option_member(o, k) = set;
    return true;
}

/* Says that the option is unknown, and which one it is but for its case. */
static bool unknown(struct word w, struct line *why)
{
    word_bad(w, "unknown option ", why);
    for (u32 i = 0; option_key(i); i++)
        if (word_resembles(w, option_key(i)->name))
            line_add(why, "; did you mean "), line_add(why, option_key(i)->name);
    return false;
}

/* Quotes may stand around the path. */
static bool set_path(struct options *o, const struct option_key *k, struct word w, struct line *why)
{
    u16 *path = (u16 *)option_member(o, k);
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
    const struct option_key *k = option_find_key(w, &value, &has_value);
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
        return word_decimal(value, option_member(o, k)) || bad_value(k, value, why);
    u32 n = k->kind == KIND_FLAG ? 1 : option_find_choice(k, value);
    if (n == OPTION_NOT_FOUND)
        return bad_value(k, value, why);
    *option_member(o, k) = n;
    return true;
}

/* True when the line begins with "chain=". */
static bool is_chain(struct word w)
{
    struct word value;
    bool has_value;
    const struct option_key *k = option_find_key(w, &value, &has_value);
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
    bool is_option = option_find_key(unquoted, &value, &has_value) != NULL;
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
    const struct option_key *k;
    for (u32 i = 0; (k = option_key(i)); i++) {
        if (k->kind == KIND_FLAG || k->kind == KIND_PATH || k->kind == KIND_CHAIN)
            continue;
        u32 v = option_value(o, k);
        if ((k->kind == KIND_SET || k->kind == KIND_NUMBER) && !v)
            continue;
        line_add(l, i ? " " : "");
        line_add(l, k->name);
        if (k->kind == KIND_NUMBER) {
            line_add_char(l, '=');
            line_add_decimal(l, v);
            continue;
        }
        for (u32 n = 0, sep = '='; n < option_value_count(k); n++) {
            if (k->kind == KIND_CHOICE ? n != (v & 0xff) : !(v >> n & 1))
                continue;
            line_add_char(l, (char)sep);
            line_add(l, k->value[n]);
            if (option_is_open(k, n))
                line_add_hex(l, v >> 8);
            sep = ',';
        }
    }
}
