/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The L1-hypervisor library of the nested guest tests: an L1 environment with everything at fixed
 * addresses (so that transcripts are equal from run to run), an engine that runs instruction bytes
 * in L1 in any mode, a small L2 world in each mode, and a case engine that launches it and prints
 * what changed. vmx_insn.h has the instructions, vmx_ctl.h the bits.
 * A test calls vmx_begin() first; vmx_end() gives the machine back to the common library.
 */
#ifndef GUEST_TESTS_LIB_VMX_H
#define GUEST_TESTS_LIB_VMX_H

#include "guest-tests/lib/gt.h"
#include "guest-tests/lib/vmx_ctl.h"

/* Fields: V_name is the encoding, VI_name the row in vmx_field[]. */
enum vmx_encoding {
#define V(ENC, NAME, GATE) V_##NAME = ENC,
#include "guest-tests/lib/vmx_fields.def"
#undef V
};
enum vmx_index {
#define V(ENC, NAME, GATE) VI_##NAME,
#include "guest-tests/lib/vmx_fields.def"
#undef V
    VMX_FIELDS
};
struct vmx_field {
    const char *name;
    u16 enc;
    char gate;
};
extern const struct vmx_field vmx_field[VMX_FIELDS];
int vmx_find(u32 enc); /* row, or -1 */
/* The kinds that bits 11:10 of an encoding tell apart. */
enum { KIND_CONTROL, KIND_READ_ONLY, KIND_GUEST, KIND_HOST };
#define VMX_KIND(ENC) ((ENC) >> 10 & 3)

/*
 * The arena: fixed physical pages, zeroed at vmx_begin(), identity-mapped in L1.
 */
enum {
    ARENA = 0x2000000,
    ARENA_PAGES = 192,
    PG_VMXON = 0,
    PG_VMCS_A = 1,
    PG_VMCS_B = 2,
    PG_VMCS_C = 3,
    PG_IO_A = 4,
    PG_IO_B = 5,
    PG_MSR_BITMAP = 6,
    PG_ENTRY_LOAD = 7,
    PG_EXIT_STORE = 8,
    PG_EXIT_LOAD = 9,
    PG_VAPIC = 10,
    PG_APIC_ACCESS = 11,
    PG_VMREAD_BITMAP = 12,
    PG_VMWRITE_BITMAP = 13,
    PG_SCRATCH = 14,   /* two pages, for operands */
    PG_L1_TABLES = 16, /* PML4, PDPT, 4 PDs, PT */
    PG_L1_CODE = 24,   /* where l1_run puts its bytes */
    PG_L1_STACK = 25,  /* ring 3 and compatibility mode; grows down from the page's end */
    PG_L1_DESC = 26,   /* GDT, IDT, TSS: three pages */
    PG_L1_IST = 32,    /* to 39 */
    PG_L2_TABLES = 40, /* see vmx_l2.c */
    PG_L2 = 64,        /* the L2 window, its expected contents, its pristine contents */
    PG_FREE = 128,     /* for the test itself */
};
/* clang-format off */
#define ARENA_AT(page) ((u64)ARENA + (u64)(page) * 4096)
/* clang-format on */
static inline void *arena(unsigned page)
{
    return (void *)ARENA_AT(page);
}

/* L1's selectors; the L2 world's GDT has the same ones. */
enum {
    SEL_CODE64 = 0x08,
    SEL_DATA = 0x10,
    SEL_CODE32 = 0x18,
    SEL_CODE64_R3 = 0x23,
    SEL_DATA_R3 = 0x2b,
    SEL_CODE32_R3 = 0x33,
    SEL_SMALL = 0x38, /* data, base ARENA + PG_SCRATCH pages, limit 0xff */
    SEL_CODE16 = 0x40,
    SEL_TSS = 0x48,     /* 16 bytes */
    SEL_RO = 0x58,      /* read-only data */
    SEL_XO = 0x60,      /* execute-only code */
    SEL_ABSENT = 0x68,  /* data, not present */
    SEL_TSS_ALT = 0x70, /* a second TSS, 16 bytes, for host-state and task-switch tests */
    SEL_DOWN = 0x80,    /* expand-down data, limit 0xfff */
    SEL_GATE = 0x88,    /* task gate to SEL_TSS_ALT in the L2 GDT */
    SEL_DATA16 = 0x90,
    SEL_LDT = 0x98,
    L1_GDT_SIZE = 0x200,
};

/* Linear addresses with special rights in L1, one page each: 4 KiB pages at L1_SPECIAL. */
enum { L1_SPECIAL = 0xf0000000u };
enum special_page {
    SP_RW,
    SP_READ_ONLY,
    SP_SUPERVISOR,
    SP_ABSENT,
    SP_RESERVED,
    SP_NX,
    SP_RW2,
    SP_ABSENT2
};
/* clang-format off */
#define SPECIAL_AT(p) ((u64)L1_SPECIAL + (u64)(p) * 4096)
/* clang-format on */

/* Register numbers in encoding order. */
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

/* What l1_go loads (vmx_traps.asm knows the order) and what a trap leaves. */
struct l1_frame {
    u64 gpr[16];
    u64 rip, cs, rflags, rsp, ss, ds, es, fs, gs;
};
struct l1_trap {
    u64 gpr[16];
    u64 rip, cs, rflags, rsp, ss;
    u64 vector, error, cr2, dr6;
};
enum { L1_DONE = 0x81 }; /* the vector of the INT that ends every run */

extern struct l1_trap l1_trap GT_HIDDEN;
extern u64 l1_back_rsp GT_HIDDEN;
extern u64 l1_nmis GT_HIDDEN; /* NMIs taken outside l1_go */
extern u8 l1_stubs[] GT_HIDDEN;
void l1_go(const struct l1_frame *f) GT_HIDDEN;
void l1_unexpected(const struct l1_trap *t) GT_HIDDEN;

/* CR4.VMXE on, FEATURE_CONTROL locked with VMX on, not yet in VMX operation */
void vmx_begin(void);
void vmx_end(void);
/* The common library's processor state for a while, outside VMX operation;
 * l1_state_restore() ends that. */
void vmx_leave(void);
bool vmx_on(void);             /* VMXON with the region of PG_VMXON; prints FAIL when refused */
void vmx_off(void);            /* VMXOFF if vmx_on() was done */
void vmx_is_on(bool on);       /* for a program that executes VMXON and VMXOFF itself */
bool vmx_has2(u32 proc2_bits); /* all of them allowed in the secondary controls */
u64 vmx_option(const char *key, u64 dflt); /* key=NUMBER in the load options */

/* Runs code in L1 at PG_L1_CODE with an INT 0x81 behind it; result in l1_trap. */
void l1_frame_init(struct l1_frame *f); /* ring 0, 64-bit, registers with recognizable values */
void l1_run(struct l1_frame *f, const char *code, size_t len);
#define L1_CODE_AT ARENA_AT(PG_L1_CODE)
/* "ok cf=0 zf=1", or "#GP(0) rip+0"; one static buffer. */
const char *l1_result(void);

/* L1's own state as an exit must leave it: everything but the general registers. */
struct l1_state {
    u64 cr0, cr3, cr4, dr7, rflags;
    u64 sel[8]; /* ES CS SS DS FS GS LDTR TR */
    u64 fs_base, gs_base, gdtr_base, gdtr_limit, idtr_base, idtr_limit;
    u64 efer, pat, sysenter_cs, sysenter_esp, sysenter_eip;
};
void l1_state_get(struct l1_state *s);
void l1_state_restore(void); /* back to the environment's own, from whatever an exit loaded */

#endif
