/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of the host program vmcs12: options, files, and one function per command. No function
 * ends the process or keeps state outside struct tool, so a fuzzer can run commands in its own
 * process.
 */
#ifndef TOOLS_VMCS12_TOOL_H
#define TOOLS_VMCS12_TOOL_H

#include <stdio.h>

#include "hv/explain/bit_names.h"
#include "hv/vmcs12/check.h"
#include "hv/saved/kvm_state.h"
#include "hv/saved/layout.h"
#include "hv/vmcs12/profile.h"
#include "tools/vmcs12/caps.h"

#define TOOL_ARGS 4
#define TOOL_MSRS 24

/* The options and operands of a command. A text that is not given is NULL, an address
 * KVM_NO_ADDRESS. */
struct tool {
    FILE *in, *out, *err;
    const char *layout, *to, *profile, *output, *as, *cpu, *color;
    u64 offset, vmxon, vmcs12, maxphyaddr;
    bool all, shadow, guest_mode, json;
    const char *msr[TOOL_MSRS]; /* of --msr: "0x480=0x..." */
    unsigned msrs;
    const char *arg[TOOL_ARGS];
    unsigned args;
};

/* Exit statuses. TOOL_FOUND: a difference or a broken rule was found. */
enum { TOOL_OK = 0, TOOL_FAILED = 1, TOOL_FOUND = 2 };

/* Runs the whole program and returns its exit status. The operand "-" names the streams in and
 * out. */
int tool_run(int argc, char **argv, FILE *in, FILE *out, FILE *err);

/* The commands. Each returns an exit status. */
int tool_why(struct tool *t);
int tool_dump(struct tool *t);
int tool_scan(struct tool *t);
int tool_diff(struct tool *t);
int tool_convert(struct tool *t);
int tool_lint(struct tool *t);
int tool_layout(struct tool *t);
int tool_map(struct tool *t);
int tool_kvm_state(struct tool *t);
int tool_caps(struct tool *t);
int tool_doc(struct tool *t);

const char *tool_help(void);

/* dump --as: the image in the words of KVM or Xen (why/as.c). False: t->err says why. */
bool tool_dump_as(struct tool *t, const struct vmcs_image *v);

/* Prints a line that begins with "vmcs12: " on t->err. Returns TOOL_FAILED. */
int tool_fail(struct tool *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes text, or the first `length` bytes of it, as a string of JSON, with its quotes. */
void tool_json_string(FILE *out, const char *text, size_t length);
void tool_json_text(FILE *out, const char *text);

/* Opens a file to be read; "-" is t->in. NULL: t->err says why. */
FILE *tool_open(struct tool *t, const char *path);
void tool_close(struct tool *t, FILE *f);

/* True when output is to be coloured, by --color and by where it goes. */
bool tool_colour(struct tool *t);

/* Reads up to `room` bytes of a file from --offset on. False: t->err says why. */
bool tool_read(struct tool *t, const char *path, u8 *bytes, size_t room, size_t *length);

/* Writes a file whole or not at all: under another name first, then renames. Links to it, its owner
 * and its mode stay. What is no regular file, or has several names, is written to as it is. False:
 * t->err says why. */
bool tool_write(struct tool *t, const char *path, const u8 *bytes, size_t length);

/* A VMCS from a file. --layout chooses the layout; without it, the revision does. */
struct tool_image {
    enum vmcs_layout layout;
    u32 revision; /* as it stands in the file */
    struct vmcs_image v;
};
/* Reads the file into *image. False: t->err says why. */
bool tool_load(struct tool *t, const char *path, struct tool_image *image);

/* Find what --layout or --to, and what --profile names. False: t->err lists the choices. */
bool tool_find_layout(struct tool *t, const char *name, enum vmcs_layout *l);
bool tool_find_profile(struct tool *t, enum vmx_profile *p);

/* What CPUID and the MSRs of a profile's processor say, as far as a rule reads them. */
struct check_cpuid tool_cpuid(enum vmx_profile p);

/* Prints what a field's value means, with `lead` before it. Prints nothing when there is nothing
 * to say. */
void decode_field(FILE *out, enum vmcs_field f, u64 value, const char *lead);
void decode_rights(FILE *out, u32 rights);

#endif
