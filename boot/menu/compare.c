/* SPDX-License-Identifier: BSD-2-Clause */
/* Compares transcripts. Contract in compare.h. Pure. */
#include "boot/menu/compare.h"

enum { AHEAD = 64 /* lines in which a case is looked for */ };

static bool begins(const char *at, const char *with)
{
    while (*with && *at == *with) {
        at++;
        with++;
    }
    return *with == 0;
}

size_t line_length(const char *at)
{
    size_t n = 0;

    while (at[n] && at[n] != '\n')
        n++;
    return n;
}

const char *line_after(const char *at)
{
    at += line_length(at);
    return *at ? at + 1 : at;
}

static bool same_line(const char *a, const char *b)
{
    size_t n = line_length(a);

    if (n != line_length(b))
        return false;
    while (n && a[n - 1] == b[n - 1])
        n--;
    return n == 0;
}

/* Lines of one case: equal up to the colon. */
static bool same_case(const char *a, const char *b)
{
    for (; *a == *b && *a && *a != '\n'; a++, b++)
        if (*a == ':')
            return true;
    return false;
}

/* What stands between BEGIN and END; the rest is not compared. END is cut off. */
static const char *body(char *text)
{
    char *at = text;

    while (*at && !begins(at, "BEGIN "))
        at = (char *)line_after(at);
    text = (char *)line_after(at);
    for (at = text; *at; at = (char *)line_after(at)) {
        if (begins(at, "END "))
            *at = 0;
    }
    return text;
}

/* From here on what is compared: who answers CPUID is told by a line that must differ. */
static const char *compared(const char *at)
{
    while (begins(at, "ALIVE "))
        at = line_after(at);
    return at;
}

/* How many lines of b lie before the case of a; AHEAD: not near. */
static unsigned distance(const char *a, const char *b)
{
    unsigned n = 0;

    for (; *b && n < AHEAD && !same_case(a, b); b = line_after(b))
        n++;
    return *b ? n : AHEAD;
}

/* ---- differences that docs/CAVEATS.md permits ---- */

/* One character of `text` against the first element of a glob: a letter, '?', or a class. *next:
 * behind the element. */
static bool one_fits(const char *glob, char c, const char **next)
{
    bool found = false;

    if (*glob != '[') {
        *next = glob + 1;
        return *glob == '?' || *glob == c;
    }
    for (glob++; *glob && *glob != ']'; glob++) {
        if (glob[1] == '-' && glob[2] && glob[2] != ']') {
            found |= glob[0] <= c && c <= glob[2];
            glob += 2;
        } else {
            found |= *glob == c;
        }
    }
    *next = *glob ? glob + 1 : glob;
    return found;
}

static bool ends(char c)
{
    return c == 0 || c == '\n' || c == '~';
}

/* The case of a line (up to its colon) against a glob (up to its end). The last '*' is tried again
 * one character further when what follows does not fit. */
static bool fits(const char *glob, const char *at, const char *end)
{
    const char *star = NULL, *from = at, *next;

    for (;;) {
        if (*glob == '*') {
            star = ++glob;
            from = at;
        } else if (at == end && ends(*glob)) {
            return true;
        } else if (at < end && !ends(*glob) && one_fits(glob, *at, &next)) {
            glob = next;
            at++;
        } else if (star && from < end) {
            glob = star;
            at = ++from;
        } else {
            return false;
        }
    }
}

static bool is_permitted(const char *line, const char *permits)
{
    const char *end = line, *glob = permits;

    while (*end && *end != ':' && *end != '\n')
        end++;
    for (; *glob; glob = line_after(glob))
        if (!ends(*glob) && fits(glob, line, end))
            return true;
    return false;
}

/* One step: the two lines, which of them there are, and which are of one case. */
struct pair {
    bool bare, nidus;
};

static struct pair next_pair(const char *bare, const char *nidus)
{
    bool both = *bare && *nidus, pair = both && same_case(bare, nidus);
    bool is_bare = *bare && (!*nidus || pair || distance(bare, nidus) == AHEAD);

    if (both && same_line(bare, nidus))
        return (struct pair){true, true};
    return (struct pair){is_bare, !is_bare || pair};
}

struct comparison compare_transcripts(char *bare_text, char *nidus_text, const char *permits,
                                      void (*show)(char sign, const char *line))
{
    const char *bare = body(bare_text), *nidus = body(nidus_text);
    struct comparison c = {0, 0};

    for (;;) {
        bare = compared(bare);
        nidus = compared(nidus);
        if (!*bare && !*nidus)
            return c;
        struct pair p = next_pair(bare, nidus);

        if (!p.bare || !p.nidus || !same_line(bare, nidus)) {
            bool allowed = is_permitted(p.bare ? bare : nidus, permits);

            c.differ += !allowed;
            c.permitted += allowed;
            if (p.bare && !allowed)
                show('-', bare);
            if (p.nidus && !allowed)
                show('+', nidus);
        }
        if (p.bare)
            bare = line_after(bare);
        if (p.nidus)
            nidus = line_after(nidus);
    }
}
