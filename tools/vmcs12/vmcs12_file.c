/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files of the tool vmcs12: reads a window of a file, writes a file whole or not at all, and turns
 * bytes into an image by layout. This file reports each error once, with the file's name.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/vmcs12/vmcs12_tool.h"

int tool_fail(struct tool *t, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    fputs("vmcs12: ", t->err);
    vfprintf(t->err, format, ap);
    fputc('\n', t->err);
    va_end(ap);
    return TOOL_FAILED;
}

/* Goes forward to the offset, by reading if the stream cannot seek. */
static bool skip(FILE *f, u64 offset)
{
    if (offset == 0 || (offset <= INT64_MAX && fseeko(f, (off_t)offset, SEEK_SET) == 0))
        return true;
    u8 waste[4096];
    while (offset > 0) {
        size_t n = offset < sizeof waste ? (size_t)offset : sizeof waste;
        if (fread(waste, 1, n, f) != n)
            return false;
        offset -= n;
    }
    return true;
}

FILE *tool_open(struct tool *t, const char *path)
{
    FILE *f = strcmp(path, "-") == 0 ? t->in : fopen(path, "rb");
    if (f == NULL)
        tool_fail(t, "%s: %s", path, strerror(errno));
    return f;
}

void tool_close(struct tool *t, FILE *f)
{
    if (f != t->in)
        fclose(f);
}

bool tool_colour(struct tool *t)
{
    if (t->color != NULL && strcmp(t->color, "auto") != 0)
        return strcmp(t->color, "always") == 0;
    return t->out == stdout && isatty(STDOUT_FILENO);
}

bool tool_read(struct tool *t, const char *path, u8 *bytes, size_t room, size_t *length)
{
    FILE *f = tool_open(t, path);
    if (f == NULL)
        return false;
    errno = 0;
    bool there = skip(f, t->offset);
    *length = there ? fread(bytes, 1, room, f) : 0;
    bool failed = ferror(f) != 0;
    int why = errno;
    tool_close(t, f);
    if (failed)
        return tool_fail(t, "%s: %s", path, strerror(why != 0 ? why : EIO)), false;
    if (!there || (*length == 0 && t->offset != 0))
        return tool_fail(t, "%s: ends before offset 0x%llx", path, (unsigned long long)t->offset),
               false;
    return true;
}

static bool write_all(int fd, const u8 *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, bytes, length);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            bytes += n;
            length -= (size_t)n;
        }
    }
    return true;
}

/* The mode that open would give a file; mkstemp makes files for the owner only. */
static mode_t usual_mode(void)
{
    mode_t mask = umask(0);
    umask(mask);
    return 0666 & ~mask;
}

/* Gives the new file what the old one had. A file system that has no owners to give is no fault. */
static bool take_over(int fd, const struct stat *old)
{
    if (old == NULL)
        return fchmod(fd, usual_mode()) == 0;
    if (fchown(fd, old->st_uid, old->st_gid) != 0 && errno != EPERM)
        return false;
    return fchmod(fd, old->st_mode & 07777) == 0;
}

/* Writes beside the file, then renames. old: what is there, or NULL. */
static bool replace(struct tool *t, const char *path, const u8 *bytes, size_t length,
                    const struct stat *old)
{
    char beside[4096 + 8];
    if (snprintf(beside, sizeof beside, "%s.XXXXXX", path) >= (int)sizeof beside)
        return tool_fail(t, "%s: the name is too long", path), false;
    int fd = mkstemp(beside);
    if (fd < 0)
        return tool_fail(t, "%s: %s", path, strerror(errno)), false;
    bool done = write_all(fd, bytes, length) && take_over(fd, old) && fsync(fd) == 0;
    int why = errno;
    if (close(fd) != 0 && done) {
        why = errno;
        done = false;
    }
    if (done && rename(beside, path) != 0) {
        why = errno;
        done = false;
    }
    if (done)
        return true;
    unlink(beside);
    return tool_fail(t, "%s: %s", path, strerror(why)), false;
}

/* Writes into what is there: a device, a pipe, a file that has other names, too; or into the file
 * that a link names and that is not there yet. */
static bool write_into(struct tool *t, const char *path, const u8 *bytes, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0)
        return tool_fail(t, "%s: %s", path, strerror(errno)), false;
    bool done = write_all(fd, bytes, length);
    int why = errno;
    if (close(fd) != 0 && done) {
        why = errno;
        done = false;
    }
    return done || (tool_fail(t, "%s: %s", path, strerror(why)), false);
}

bool tool_write(struct tool *t, const char *path, const u8 *bytes, size_t length)
{
    char real[PATH_MAX];
    struct stat old;
    if (strcmp(path, "-") == 0)
        return fwrite(bytes, 1, length, t->out) == length;
    if (realpath(path, real) == NULL || stat(real, &old) != 0)
        return lstat(path, &old) == 0 ? write_into(t, path, bytes, length)
                                      : replace(t, path, bytes, length, NULL);
    if (!S_ISREG(old.st_mode) || old.st_nlink > 1)
        return write_into(t, real, bytes, length);
    return replace(t, real, bytes, length, &old);
}

bool tool_find_layout(struct tool *t, const char *name, enum vmcs_layout *l)
{
    *l = layout_find(name);
    if (*l == LAYOUT_COUNT)
        return tool_fail(t, "%s: no such layout (broadwell, extended, kvm, computed)", name), false;
    return true;
}

bool tool_find_profile(struct tool *t, enum vmx_profile *p)
{
    *p = t->profile != NULL ? profile_find(t->profile) : PROFILE_BROADWELL;
    if (*p >= PROFILE_HOST) /* the tool does not read the CPU it runs on */
        return tool_fail(t, "%s: no such profile (broadwell, e5-2683v4, d-1540)", t->profile),
               false;
    return true;
}

bool tool_load(struct tool *t, const char *path, struct tool_image *image)
{
    u8 page[4096];
    size_t length;
    if (!tool_read(t, path, page, sizeof page, &length))
        return false;
    if (length < sizeof image->revision)
        return tool_fail(t, "%s: %zu bytes are no VMCS", path, length), false;
    memcpy(&image->revision, page, sizeof image->revision);
    if (t->layout != NULL && !tool_find_layout(t, t->layout, &image->layout))
        return false;
    if (t->layout == NULL)
        image->layout = layout_of_revision(image->revision);
    if (image->layout == LAYOUT_COUNT)
        return tool_fail(t, "%s: revision 0x%x is that of no known layout (--layout chooses one)%s",
                         path, image->revision,
                         length < layout_info(LAYOUT_BROADWELL)->size
                             ? "; and it is too short for any"
                             : ""),
               false;
    const struct layout_info *info = layout_info(image->layout);
    if (length < info->size)
        return tool_fail(t, "%s: cut short: %zu bytes, layout %s has %u", path, length, info->name,
                         info->size),
               false;
    layout_decode(image->layout, page, &image->v);
    return true;
}
