/* SPDX-License-Identifier: BSD-2-Clause */
/* The verdict of kvm-l2. Contract in verdict.h. A guest's lines begin with its name and a colon. */
#include "tests/linux/kvm/verdict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXPECTED "/etc/kvm-l2.expected"

enum { GUESTS_MAX = 64, NAME_MAX_ = 16, LINE_MAX_ = 512 };

/* A guest that has spoken: how far it has come in the expected text, and its first other line. */
struct guest {
    char name[NAME_MAX_];
    long at; /* behind its last expected line, as an offset in the file */
    unsigned lines;
    int differs;
    char said[LINE_MAX_], wanted[LINE_MAX_];
};

static struct guest guests[GUESTS_MAX];
static size_t count;

static int is_of(const char *line, const struct guest *g)
{
    size_t n = strlen(g->name);
    return strncmp(line, g->name, n) == 0 && line[n] == ':';
}

/* The guest that says this line, or NULL for a comment or the end. */
static struct guest *speaker(const char *line)
{
    const char *colon = strchr(line, ':');
    if (*line == '#' || !colon || colon - line >= NAME_MAX_ || !strncmp(line, "kvm-l2:", 7))
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (is_of(line, &guests[i]))
            return &guests[i];
    if (count == GUESTS_MAX)
        return NULL;
    memcpy(guests[count].name, line, (size_t)(colon - line));
    return &guests[count++];
}

/* The guest's next line of the expected text, or "" behind its last. */
static void next_expected(FILE *f, struct guest *g, char *line)
{
    fseek(f, g->at, SEEK_SET);
    while (fgets(line, LINE_MAX_, f))
        if (is_of(line, g)) {
            g->at = ftell(f);
            return;
        }
    *line = 0;
}

static void compare(FILE *f, const char *line)
{
    struct guest *g = speaker(line);
    char wanted[LINE_MAX_];
    if (!g || g->differs)
        return;
    next_expected(f, g, wanted);
    g->lines++;
    if (strcmp(line, wanted) == 0)
        return;
    g->differs = 1;
    snprintf(g->said, sizeof g->said, "%s", line);
    snprintf(g->wanted, sizeof g->wanted, "%s", *wanted ? wanted : "nothing more\n");
}

/* A guest that stopped early says nothing wrong, but too little. */
static void ends(FILE *f, struct guest *g)
{
    char wanted[LINE_MAX_];
    next_expected(f, g, wanted);
    if (g->differs || !*wanted)
        return;
    g->differs = 1;
    snprintf(g->said, sizeof g->said, "nothing more\n");
    snprintf(g->wanted, sizeof g->wanted, "%s", wanted);
}

static void judge(FILE *f)
{
    unsigned alike = 0, lines = 0;
    for (size_t i = 0; i < count; i++) {
        struct guest *g = &guests[i];
        ends(f, g);
        alike += !g->differs;
        lines += g->lines;
        if (g->differs)
            printf("# %s says:     %s#   on a bare CPU: %s", g->name, g->said, g->wanted);
    }
    if (alike == count)
        printf("# kvm-l2: %zu guests, %u lines, all as on a bare CPU\n", count, lines);
    else
        printf("# kvm-l2: %u of %zu guests as on a bare CPU\n", alike, count);
}

void verdict_begin(void)
{
    int ends_of[2], status = 0;
    char line[LINE_MAX_];
    FILE *f = fopen(EXPECTED, "r");
    if (!f)
        return;
    if (pipe(ends_of) < 0) {
        fclose(f);
        return;
    }
    pid_t child = fork();
    if (child <= 0) {
        fclose(f);
        close(ends_of[0]);
        if (child == 0)
            dup2(ends_of[1], STDOUT_FILENO);
        close(ends_of[1]);
        return;
    }
    close(ends_of[1]);
    FILE *from = fdopen(ends_of[0], "r");
    while (from && fgets(line, sizeof line, from)) {
        if (strcmp(line, "kvm-l2: end\n") == 0)
            judge(f);
        else
            compare(f, line);
        fputs(line, stdout);
        fflush(stdout);
    }
    waitpid(child, &status, 0);
    exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}
