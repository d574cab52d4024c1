/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The L2 side of the VMX tests: a small world per mode (all at the same linear addresses, below 1
 * MiB so that virtual-8086 mode has them too), an image of every VMCS field, and cases: code bytes
 * plus changes to a valid image, one transcript line each.
 */
#ifndef GUEST_TESTS_LIB_VMX_L2_H
#define GUEST_TESTS_LIB_VMX_L2_H

#include "guest-tests/lib/vmx.h"

enum l2_mode {
    L2_64,
    L2_64_R3,
    L2_COMPAT,
    L2_COMPAT_R3,
    L2_PAE,
    L2_32,
    L2_32_R3,
    L2_16, /* 16-bit protected, segment bases at the window */
    L2_V86,
    L2_MODES
};
extern const char *const l2_mode_name[L2_MODES];

/* Pages of the window; linear address L2_AT(page). */
enum l2_page {
    P_CODE,
    P_DATA,
    P_STACK, /* ring 0, and virtual-8086 */
    P_STACK3,
    P_GDT,
    P_IDT64,
    P_IDT32,
    P_TSS64,
    P_TSS32,         /* and its I/O bitmap: three pages */
    P_HANDLERS = 11, /* NOP, VMCALL at vector * 16 */
    P_LDT,
    P_TSS_ALT,
    P_READ_ONLY,
    P_ABSENT,
    P_APIC, /* maps PG_APIC_ACCESS */
    P_SUPERVISOR,
    P_NX,
    P_SPARE,
    L2_PAGES
};
enum {
    L2_BASE = 0x10000,
    PG_L2_TEMPLATE = PG_L2 + L2_PAGES,
    PG_L2_PRISTINE = PG_L2_TEMPLATE + L2_PAGES
};
/* clang-format off */
#define L2_AT(page) ((u64)L2_BASE + (u64)(page) * 4096)
/* clang-format on */
#define L2_STACK_TOP L2_AT(P_STACK + 1)

/* One change to the image; op is '=', '|', '&' or '^'. */
struct vmx_set {
    u32 what;
    char op;
    u64 v;
};
enum { WHAT_GPR = 0x10000, WHAT_L2 = 0x20000, WHAT_ARENA = 0x1000000 };
/* clang-format off */
#define SET(FIELD, VALUE) {V_##FIELD, '=', VALUE}
#define OR(FIELD, VALUE) {V_##FIELD, '|', VALUE}
#define AND(FIELD, VALUE) {V_##FIELD, '&', VALUE}
#define CLEAR(FIELD, VALUE) {V_##FIELD, '&', ~(u64)(VALUE)}
#define FLIP(FIELD, VALUE) {V_##FIELD, '^', VALUE}
#define REG(NAME, VALUE) {WHAT_GPR + (NAME), '=', VALUE}
/* a qword of L2 */
#define MEM(PAGE, OFFSET, VALUE) {WHAT_L2 + (PAGE) * 4096u + (OFFSET), '=', VALUE}
#define MEM_OR(PAGE, OFFSET, VALUE) {WHAT_L2 + (PAGE) * 4096u + (OFFSET), '|', VALUE}
#define PHYS(PAGE, OFFSET, VALUE) {WHAT_ARENA + (PAGE) * 4096u + (OFFSET), '=', VALUE}
/* clang-format on */
/* Secondary controls, switched on with their activation bit. */
#define PROC2(BITS) OR(PROC_CTL, PROC_SECONDARY), OR(PROC2_CTL, BITS)
/* An event to inject; the type's bits come from enum vmx_intr_type. */
#define INJECT(VECTOR_AND_TYPE) SET(ENTRY_INTR_INFO, INTR_VALID | (VECTOR_AND_TYPE))

enum { L2_SETS = 10 };
struct l2_case {
    const char *name;
    const char *code; /* VMCALL follows it */
    u8 len;
    u8 mode;
    u8 flags; /* enum l2_case_flags */
    struct vmx_set set[L2_SETS];
};
enum l2_case_flags {
    NO_REGS = 1,
    NO_MEM = 2,
    NO_RIP = 4,
    NO_FIELDS = 8,
    TOUCHED = 16, /* exit information of a failed entry */
};
/* clang-format off */
#define CASE(NAME, MODE, CODE, ...) {NAME, CODE, sizeof(CODE) - 1, MODE, 0, {__VA_ARGS__}}
#define CASE_F(NAME, MODE, FLAGS, CODE, ...) \
    {NAME, CODE, sizeof(CODE) - 1, MODE, FLAGS, {__VA_ARGS__}}
/* clang-format on */

/* What the next entry uses; after it, seen[] and seen_gpr[] hold what was read back. */
struct l2_image {
    u64 f[VMX_FIELDS];
    u64 gpr[16];
    enum l2_mode mode;
    u8 flags;
};
extern struct l2_image l2;
/* In read-only fields before an entry: what an exit does not write keeps it. */
enum { SENTINEL = 0x5a5a5a5a };
extern u64 l2_seen[VMX_FIELDS];
extern u64 l2_seen_gpr[16];
extern u64 l2_seen_rflags;         /* of L1 after the entry instruction or the exit */
extern struct l1_state l2_seen_l1; /* L1's state after an exit, before it was put right */
extern bool l2_present[VMX_FIELDS];

/* @pre vmx_on(). Finds out which fields exist, makes PG_VMCS_A current. */
void l2_init(void);
void l2_world(enum l2_mode mode); /* window, tables and image for the mode: a valid VMCS */
void l2_code(const char *code, size_t len);
void l2_apply(const struct vmx_set *set, size_t n);
/* What a field is written with: the image, and a sentinel for exit information that a failed entry
 * must leave alone. */
u64 l2_initial(int i);
void l2_write(void);        /* VMCLEAR, VMPTRLD and every field of the image */
void l2_write_fields(void); /* the image into whatever VMCS is current */
enum l2_outcome { L2_EXIT, L2_VMFAIL } l2_enter(bool resume); /* enters, reads everything back */
/* For many short runs of a VMCS that was entered before: VMRESUME at another RIP. Only the reason,
 * the qualification and the two addresses are read back, and L1's state is left as the exit loaded
 * it: l1_state_restore() when done. */
void l2_again(u64 rip);
/* the last entry's outcome in words, as l2_report() prints it; a static buffer */
const char *l2_text(void);
void l2_report(const char *name);
const char *l2_one_word(const char *name); /* spaces as underscores; one static buffer */
void l2_case_run(const struct l2_case *c);
void l2_cases(const struct l2_case *c, size_t n);

#endif
