/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the host program vmcs12 in place: any bytes as standard input of every command, any
 * texts as option values. It ends with a status that it documents and, when that is 1,
 * with a line that says why. The program's parts are included here, as a fuzzer links pure
 * sources only.
 */
#define TOOL_NO_MAIN
#include "tests/fuzz/fuzz.h"
#include "tools/vmcs12/vmcs12.c"

#include "tools/vmcs12/vmcs12_caps.c"
#include "tools/vmcs12/vmcs12_convert.c"
#include "tools/vmcs12/vmcs12_decode.c"
#include "tools/vmcs12/vmcs12_file.c"
#include "tools/vmcs12/vmcs12_help.c"
#include "tools/vmcs12/vmcs12_layout.c"
#include "tools/vmcs12/vmcs12_lint.c"
#include "tools/vmcs12/vmcs12_map.c"
#include "tools/vmcs12/vmcs12_scan.c"
#include "tools/vmcs12/vmcs12_show.c"

/* "?" stands for a text of the input's choice; files are always standard input and output. */
static const char *const lines[][9] = {
    {"dump", "-"},
    {"dump", "--all", "--layout", "?", "-"},
    {"dump", "--offset", "?", "-"},
    {"diff", "-", "/dev/null"},
    {"convert", "--to", "?", "-", "-"},
    {"convert", "--layout", "?", "--to", "computed", "--profile", "?", "-", "-"},
    {"convert", "--to", "kvm", "-", "-"},
    {"lint", "-"},
    {"why", "--json", "--color", "?", "-"},
    {"why", "--msr", "?", "--maxphyaddr", "46"},
    {"dump", "--as", "?", "-"},
    {"dump", "--as", "xen", "-"},
    {"scan", "-"},
    {"lint", "--layout", "computed", "--profile", "?", "-"},
    {"layout", "?"},
    {"map", "?"},
    {"kvm-state", "show", "-"},
    {"kvm-state", "get", "--to", "broadwell", "-", "-"},
    {"kvm-state", "get", "--shadow", "-", "-"},
    {"kvm-state", "make", "--vmxon", "?", "--vmcs12", "0x2000", "-", "-"},
    {"caps", "--profile", "?"},
    {"doc", "?"},
    {"?", "?"},
};

static bool is_path(const char *text)
{
    return text[0] == '\0' || strchr(text, '/') != NULL || strchr(text, '.') != NULL;
}

/* The command line of this input; texts are NUL-ended runs at its start. */
static int build(char **argv, u8 choice, char *texts, size_t room)
{
    const char *const *line = lines[choice % ARRAY_LEN(lines)];
    int argc = 0;
    argv[argc++] = (char *)"vmcs12";
    for (unsigned i = 0; i < ARRAY_LEN(lines[0]) && line[i] != NULL; i++) {
        if (strcmp(line[i], "?") != 0) {
            argv[argc++] = (char *)line[i];
            continue;
        }
        argv[argc++] = texts;
        size_t used = strlen(texts) + 1;
        texts += used < room ? used : 0;
        room -= used < room ? used : 0;
    }
    argv[argc] = NULL;
    return argc;
}

/* What stands on standard input: the input's own bytes, or a page or blob with the right first
 * bytes and a few patches (place, eight bytes), so that small inputs reach past the header. */
static size_t content(const u8 *data, size_t size, u8 *bytes, size_t room)
{
    static const u64 header[] = {1 | (u64)(KVM_STATE_HEADER + KVM_STATE_PAGE) << 32, 0x1000,
                                 0x2000};
    if (size == 0 || data[0] % 8 > LAYOUT_COUNT) {
        size_t n = size < room ? size : room;
        memcpy(bytes, data, n);
        return n;
    }
    bool blob = data[0] % 8 == LAYOUT_COUNT;
    u32 revision = blob ? REVISION_KVM : layout_info((enum vmcs_layout)(data[0] % 8))->revision;
    u32 start = blob ? KVM_STATE_HEADER : 0;
    memset(bytes, 0, room);
    memcpy(bytes, header, blob ? sizeof header : 0);
    memcpy(bytes + start, &revision, sizeof revision);
    for (size_t at = 1; at + 10 <= size; at += 10) {
        u16 place;
        memcpy(&place, data + at, sizeof place);
        memcpy(bytes + place % (start + 4088), data + at + 2, 8);
    }
    return start + 4096u;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    enum { TEXTS = 24 };
    char texts[TEXTS + 1] = {0}, said[512] = {0};
    char *argv[12];
    if (size < 1 + TEXTS)
        return 0;
    memcpy(texts, data + 1, TEXTS);
    if (data[0] % ARRAY_LEN(lines) == ARRAY_LEN(lines) - 1 && is_path(texts))
        return 0;
    int argc = build(argv, data[0], texts, TEXTS);
    static u8 bytes[KVM_STATE_HEADER + 2 * KVM_STATE_PAGE];
    size_t length = content(data + 1 + TEXTS, size - 1 - TEXTS, bytes, sizeof bytes);
    FILE *in = length != 0 ? fmemopen(bytes, length, "rb") : fopen("/dev/null", "rb");
    FILE *err = fmemopen(said, sizeof said - 1, "w");
    demand(in != NULL && err != NULL);
    int status = tool_run(argc, argv, in, null_stream(), err);
    fclose(in);
    fclose(err);
    bool why = strcmp(argv[1], "why") == 0; /* it has its own statuses */
    demand(status >= TOOL_OK && status <= (why ? 3 : TOOL_FOUND));
    demand((status == (why ? 2 : TOOL_FAILED)) == (strncmp(said, "vmcs12: ", 8) == 0));
    return 0;
}
