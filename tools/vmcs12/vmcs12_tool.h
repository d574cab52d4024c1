/*
 * The parts of the host program vmcs12: options, files, and one function per command. No part
 * ends the process or keeps state outside struct tool, so a fuzzer can run commands in place.
 */
#ifndef TOOLS_VMCS12_TOOL_H
#define TOOLS_VMCS12_TOOL_H

#include <stdio.h>

#include "hv/vmcs12/kvm_state.h"
#include "hv/vmcs12/layout.h"
#include "hv/vmcs12/profile.h"

#define TOOL_ARGS 4

/* What a command is asked for. Unset texts are NULL, unset addresses KVM_NO_ADDRESS. */
struct tool {
    FILE *in, *out, *err;
    const char *layout, *to, *profile, *output;
    u64 offset, vmxon, vmcs12;
    bool all, shadow, guest_mode;
    const char *arg[TOOL_ARGS];
    unsigned args;
};

/* Exit statuses. */
enum { TOOL_OK = 0, TOOL_FAILED = 1, TOOL_FOUND = 2 }; /* found: a difference, a broken rule */

/* The whole program. Streams are the caller's; "-" names `in` and `out`. */
int tool_run(int argc, char **argv, FILE *in, FILE *out, FILE *err);

/* Commands. */
int tool_dump(struct tool *t);
int tool_diff(struct tool *t);
int tool_convert(struct tool *t);
int tool_lint(struct tool *t);
int tool_layout(struct tool *t);
int tool_map(struct tool *t);
int tool_kvm_state(struct tool *t);
int tool_caps(struct tool *t);
int tool_doc(struct tool *t);

/* One line on err: "vmcs12: ...". Returns TOOL_FAILED. */
int tool_fail(struct tool *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Up to `room` bytes of a file from --offset on; false after saying why not. */
bool tool_read(struct tool *t, const char *path, u8 *bytes, size_t room, size_t *length);

/* The file appears whole, or not at all: written beside its place and renamed. */
bool tool_write(struct tool *t, const char *path, const u8 *bytes, size_t length);

/* A VMCS from a file: layout by --layout or by revision. */
struct tool_image {
    enum vmcs_layout layout;
    u32 revision; /* as it stands in the file */
    struct vmcs_image v;
};
bool tool_load(struct tool *t, const char *path, struct tool_image *image);

/* --layout, --to or --profile by name; false after naming the choices. */
bool tool_find_layout(struct tool *t, const char *name, enum vmcs_layout *l);
bool tool_find_profile(struct tool *t, enum vmx_profile *p);

/* Words whose bits have names, and their printing. */
enum bit_word {
    WORD_PIN, WORD_CPU1, WORD_CPU2, WORD_EXIT, WORD_ENTRY, WORD_VMFUNC, WORD_BLOCKING, WORD_PENDING,
    WORD_CR0, WORD_CR4, WORD_EFER, WORD_RFLAGS, WORD_BASIC, WORD_MISC, WORD_EPT_VPID, WORD_NONE
};
const char *bit_name(enum bit_word word, unsigned bit);

/* What a field's value means, as text after the value; prints nothing when there is nothing to
 * say. `lead` is printed once before the text. */
void decode_field(FILE *out, enum vmcs_field f, u64 value, const char *lead);
void decode_rights(FILE *out, u32 rights);
enum bit_word decode_word(enum vmcs_field f);

#endif
