/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command map of the tool vmcs12 draws a layout as SVG. A row of boxes is 16 or 32 bytes; a box
 * has the colour of its area. Bytes without an owner are hatched, and a long run of such rows is
 * one band.
 */
#include <stdlib.h>
#include <string.h>

#include "tools/vmcs12/vmcs12_tool.h"

/* An owner of bytes: a field, or hidden state. */
struct place {
    const char *name, *style;
    unsigned at, bytes;
    u16 encoding; /* 0xffff: hidden state */
};

struct map {
    FILE *out;
    enum vmcs_layout layout;
    unsigned size, per_row, cell, row; /* bytes: layout, row; pixels: byte's width, row's height */
    int owner[4096];                   /* of each byte: index into places, or -1 */
    struct place places[F_COUNT + 12];
    unsigned count;
};

enum { LEFT = 64, TOP = 112, RIGHT = 24, GAP = 2 };

static const char *const styles[] = {
    [AREA_CTL] = "c", [AREA_RO] = "r", [AREA_GUEST] = "g", [AREA_HOST] = "h"};

static void own(struct map *m, const char *name, const char *style, unsigned at, unsigned bytes,
                u16 encoding)
{
    m->places[m->count] = (struct place){name, style, at, bytes, encoding};
    for (unsigned b = at; b < at + bytes; b++)
        m->owner[b] = (int)m->count;
    m->count++;
}

/* State that no VMREAD reaches. Intel's table of later parts tells it for Broadwell. In KVM's
 * and in the computed layout this state is the header alone. */
static void own_hidden(struct map *m)
{
    own(m, "revision", "x", 0, 4, 0xffff);
    own(m, "abort", "x", 4, 4, 0xffff);
    own(m, "launch state", "x", layout_info(m->layout)->launch_state_at, 4, 0xffff);
    if (m->layout != LAYOUT_BROADWELL && m->layout != LAYOUT_EXTENDED)
        return;
    own(m, "caching pointer", "x", 0x008, 8, 0xffff);
    own(m, "dirty bits", "x", 0x010, 4, 0xffff);
    own(m, "core", "x", 0x014, 2, 0xffff);
    own(m, "hidden pending debug exceptions", "x", 0x0e0, 8, 0xffff);
    own(m, "hidden RFLAGS", "x", 0x0e8, 8, 0xffff);
    own(m, "parent VMCS pointer", "x", 0x188, 8, 0xffff);
}

static void own_fields(struct map *m)
{
    memset(m->owner, -1, sizeof m->owner);
    own_hidden(m);
    for (enum vmcs_field f = 0; f < F_COUNT; f++)
        if (layout_offset(m->layout, f) != LAYOUT_NONE)
            own(m, vmcs12_name(f), styles[vmcs12_desc(f)->area], layout_offset(m->layout, f),
                layout_width(m->layout, f), vmcs12_desc(f)->encoding);
}

static bool row_is_free(const struct map *m, unsigned row)
{
    for (unsigned b = 0; b < m->per_row; b++)
        if (m->owner[row * m->per_row + b] >= 0)
            return false;
    return true;
}

static unsigned free_rows_from(const struct map *m, unsigned row)
{
    unsigned n = 0;
    while (row + n < m->size / m->per_row && row_is_free(m, row + n))
        n++;
    return n;
}

enum { FOLD_ROWS = 3 }; /* a run of this many free rows becomes one band */

static unsigned picture_rows(const struct map *m)
{
    unsigned drawn = 0;
    for (unsigned row = 0; row < m->size / m->per_row; drawn++) {
        unsigned n = free_rows_from(m, row);
        row += n >= FOLD_ROWS ? n : 1;
    }
    return drawn;
}

/* The name without its area, for a small box: the colour tells the area. */
static const char *short_name(const char *name)
{
    static const char *const prefixes[] = {"guest_", "host_"};
    for (unsigned i = 0; i < ARRAY_LEN(prefixes); i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return name + strlen(prefixes[i]);
    return name;
}

/* Writes a label into a box, as large as fits. A character is about 0.6 of the font size wide. */
static void label(const struct map *m, const struct place *p, double x, double y, double w)
{
    double h = m->row - GAP;
    bool code = p->encoding != 0xffff && p->bytes == 8;
    double room = w - 10 - (code ? 44 : 0);
    const char *name = 0.6 * 9 * (double)strlen(p->name) > room ? short_name(p->name) : p->name;
    double size = room / (0.6 * (double)strlen(name));
    size = size > 11.5 ? 11.5 : size < 5 ? 5 : size;
    fprintf(m->out, "<text class=\"t%s\" x=\"%.1f\" y=\"%.1f\" font-size=\"%.1f\">%s</text>",
            p->style, x + 5, y + h / 2 + size * 0.35, size, name);
    if (code)
        fprintf(m->out,
                "<text class=\"t%s e\" x=\"%.1f\" y=\"%.1f\" font-size=\"9\" "
                "text-anchor=\"end\">%04x</text>",
                p->style, x + w - 6, y + h / 2 + 3.2, p->encoding);
}

static void box(const struct map *m, const struct place *p, double y)
{
    unsigned column = p->at % m->per_row;
    double x = LEFT + column * m->cell + GAP / 2.0, w = p->bytes * m->cell - GAP;
    fprintf(m->out, "<g><title>%s, 0x%03x, %u bytes", p->name, p->at, p->bytes);
    if (p->encoding != 0xffff)
        fprintf(m->out, ", encoding 0x%04x", p->encoding);
    fprintf(m->out,
            "</title><rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%u\" "
            "rx=\"3.5\"/>",
            p->style, x, y, w, m->row - GAP);
    label(m, p, x, y, w);
    fputs("</g>\n", m->out);
}

static void hatched(const struct map *m, unsigned column, unsigned bytes, double y)
{
    fprintf(m->out,
            "<rect class=\"n\" x=\"%.1f\" y=\"%.1f\" width=\"%u\" height=\"%u\" rx=\"3.5\"/>\n",
            LEFT + column * m->cell + GAP / 2.0, y, bytes * m->cell - GAP, m->row - GAP);
}

static void draw_row(const struct map *m, unsigned row, double y)
{
    fprintf(m->out, "<text class=\"o\" x=\"%d\" y=\"%.1f\">%03x</text>\n", LEFT - 10,
            y + m->row / 2.0 + 3, row * m->per_row);
    for (unsigned c = 0; c < m->per_row;) {
        unsigned at = row * m->per_row + c;
        if (m->owner[at] >= 0) {
            const struct place *p = &m->places[m->owner[at]];
            box(m, p, y);
            c += p->bytes;
            continue;
        }
        unsigned n = 1;
        while (c + n < m->per_row && m->owner[at + n] < 0)
            n++;
        hatched(m, c, n, y);
        c += n;
    }
}

static void draw_band(const struct map *m, unsigned row, unsigned rows, double y)
{
    unsigned from = row * m->per_row, bytes = rows * m->per_row;
    fprintf(m->out, "<text class=\"o\" x=\"%d\" y=\"%.1f\">%03x</text>\n", LEFT - 10,
            y + m->row / 2.0 + 3, from);
    hatched(m, 0, m->per_row, y);
    fprintf(m->out,
            "<text class=\"band\" x=\"%u\" y=\"%.1f\">0x%03x to 0x%03x: %u bytes without an "
            "owner</text>\n",
            LEFT + m->per_row * m->cell / 2, y + m->row / 2.0 + 3, from, from + bytes - 1, bytes);
}

static void draw_style(FILE *out)
{
    fputs(
        "<style>\n"
        "text{font-family:'DejaVu Sans Mono','Menlo','Consolas',monospace}\n"
        ".c{fill:#dbe7f7;stroke:#7ea3d4}.tc{fill:#1c3d6b}\n"
        ".g{fill:#dcf1e0;stroke:#7fbf8e}.tg{fill:#1b5230}\n"
        ".h{fill:#fde8d0;stroke:#e0a35c}.th{fill:#70420c}\n"
        ".r{fill:#ebe1f6;stroke:#ae90d2}.tr{fill:#472a72}\n"
        ".x{fill:#e5e8ed;stroke:#98a2b1}.tx{fill:#38414f}\n"
        ".n{fill:url(#hatch);stroke:#d3d8df}\n"
        "rect{stroke-width:1}.e{opacity:.55}\n"
        ".o{fill:#77808d;font-size:11px;text-anchor:end}.k{fill:#3a424e;font-size:12px}\n"
        ".band{fill:#68717e;font-size:12px;text-anchor:middle;paint-order:stroke;stroke:#fff;"
        "stroke-width:5px}\n"
        ".title{fill:#1d2430;font-size:22px;font-weight:bold}.sub{fill:#5b6472;font-size:12.5px}\n"
        ".b{fill:#a4acb8;font-size:10px;text-anchor:middle}\n"
        "</style>\n"
        "<defs><pattern id=\"hatch\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\""
        " patternTransform=\"rotate(45)\"><rect width=\"7\" height=\"7\" style=\"fill:#f8f9fb\"/>"
        "<path d=\"M0 0V7\" stroke=\"#e3e7ec\" stroke-width=\"2.4\"/></pattern></defs>\n",
        out);
}

static void draw_legend(const struct map *m)
{
    /* clang-format off */
    static const struct { const char *style, *text; } keys[] = {
        {"c", "control"}, {"g", "guest state"}, {"h", "host state"}, {"r", "exit information"},
        {"x", "hidden state"}, {"n", "no owner"},
    };
    /* clang-format on */
    double x = LEFT;
    for (unsigned i = 0; i < ARRAY_LEN(keys); i++) {
        fprintf(m->out,
                "<rect class=\"%s\" x=\"%.1f\" y=\"70\" width=\"16\" height=\"14\" rx=\"3\"/>"
                "<text class=\"k\" x=\"%.1f\" y=\"81\">%s</text>\n",
                keys[i].style, x, x + 22, keys[i].text);
        x += 22 + 7.3 * (double)strlen(keys[i].text) + 22;
    }
}

static void draw_head(const struct map *m, unsigned rows)
{
    const struct layout_info *info = layout_info(m->layout);
    unsigned width = LEFT + m->per_row * m->cell + RIGHT, height = TOP + rows * m->row + 24;
    fprintf(m->out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" viewBox=\"0 0 %u "
            "%u\">\n",
            width, height, width, height);
    draw_style(m->out);
    fprintf(m->out,
            "<rect width=\"%u\" height=\"%u\" style=\"fill:#fff\"/>\n"
            "<text class=\"title\" x=\"%d\" y=\"34\">VMCS layout: %s</text>\n"
            "<text class=\"sub\" x=\"%d\" y=\"54\">revision 0x%x, %u bytes, %u to a row</text>\n",
            width, height, LEFT, info->name, LEFT, info->revision, info->size, m->per_row);
    draw_legend(m);
    for (unsigned c = 0; c < m->per_row; c++)
        fprintf(m->out, "<text class=\"b\" x=\"%.1f\" y=\"%d\">%x</text>",
                LEFT + (c + 0.5) * m->cell, TOP - 8, c);
    fputc('\n', m->out);
}

static void draw(struct map *m)
{
    own_fields(m);
    draw_head(m, picture_rows(m));
    double y = TOP;
    for (unsigned row = 0; row < m->size / m->per_row; y += m->row) {
        unsigned n = free_rows_from(m, row);
        if (n >= FOLD_ROWS) {
            draw_band(m, row, n, y);
            row += n;
            continue;
        }
        draw_row(m, row++, y);
    }
    fputs("</svg>\n", m->out);
}

int tool_map(struct tool *t)
{
    struct map m = {.layout = LAYOUT_BROADWELL, .count = 0};
    if (t->args == 1 && !tool_find_layout(t, t->arg[0], &m.layout))
        return TOOL_FAILED;
    m.size = layout_info(m.layout)->size;
    m.per_row = m.size <= 1024 ? 16 : 32;
    m.cell = m.per_row == 16 ? 56 : 44;
    m.row = 26;
    char *text = NULL;
    size_t length = 0;
    m.out = open_memstream(&text, &length);
    if (m.out == NULL)
        return tool_fail(t, "out of memory");
    draw(&m);
    fclose(m.out);
    bool written = tool_write(t, t->output != NULL ? t->output : "-", (const u8 *)text, length);
    free(text);
    return written ? TOOL_OK : TOOL_FAILED;
}
