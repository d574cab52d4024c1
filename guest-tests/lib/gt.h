/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest-test library: what every UEFI test program may use.
 * It owns the transcript (port 0xE9), the test's own GDT, IDT and exception capture, memory and
 * the bracket around a test. CPU instruction wrappers are in gt_cpu.h. Nothing here knows
 * Nidus: a program prints the same on the bare CPU and as L1.
 */
#ifndef GUEST_TESTS_LIB_GT_H
#define GUEST_TESTS_LIB_GT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <efi.h>
#include <efilib.h>
#include "guest-tests/lib/gt_cpu.h"
#include "guest-tests/lib/gt_format.h"

#define GT_HIDDEN __attribute__((visibility("hidden")))

/*
 * TEST_MAIN(name) { body }: the program. The body runs with IF=0 on the library's GDT and IDT,
 * on the firmware's stack and page tables; before it "BEGIN name" is printed, after it
 * "END name N" with N the number of lines. When it returns (or is stopped by an exception that
 * nobody expected), CR0, CR3, CR4, EFER, DR7, GDTR, IDTR, the segment registers and RFLAGS are
 * as they were. TR is not: gt_load_tr() leaves a busy TSS behind, in memory that is never
 * freed. Boot services may set IF: call them between gt_firmware_enter() and
 * gt_firmware_leave().
 */
#define TEST_MAIN(NAME)                                         \
    static void test_body(void);                                \
    EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st) \
    {                                                           \
        return gt_run(image, st, #NAME, test_body);             \
    }                                                           \
    static void test_body(void)

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st);
EFI_STATUS gt_run(EFI_HANDLE image, EFI_SYSTEM_TABLE *st, const char *name, void (*body)(void));
void gt_firmware_enter(void);
void gt_firmware_leave(void);
void gt_end(void);          /* the END line, for a program that cannot return */
extern EFI_HANDLE gt_image; /* this program's image handle */

/* The load options' text as ASCII, without the program's own name when the shell put it there.
 */
const char *gt_args(void);
/* True with the argument "count": a bench then runs its rows for the emulator's trace
 * (tools/rig/bench.py), between two gt_mark, at which the emulator's debugger stops. What is
 * counted is added to the row `name`, divided by `per` (taken away: sign '-'). Otherwise
 * gt_count_next does nothing. */
bool gt_counting(void);
void gt_count_next(char sign, u64 per, const char *name);
#define gt_mark() __asm__ volatile("xchgw %%bx, %%bx" ::: "memory")

/*
 * The transcript. gt_line prints "name.TEXT"; the convention for TEXT is "case: values".
 * gt_fail prints "FAIL name.TEXT" for a check that the program itself can decide; gt_check does
 * so when ok is false and prints nothing else. Formats: %s %c %d %u %x %% with width, 0, + and
 * l. Print nothing that may differ between two bare runs: no time, no addresses from the
 * firmware.
 */
void gt_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void gt_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void gt_check(bool ok, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* From now on gt_line gives its text to take instead of printing it; NULL ends that.
 * gt_fail prints. */
void gt_lines_to(void (*take)(const char *text));
void gt_raw(const char *text); /* text as it is, to port 0xE9 */

/* One stack layout for every vector: what gt_trap.asm pushes, then what the CPU pushed. */
struct gt_frame {
    u64 r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    u64 vector;
    u64 error; /* 0 when the vector has none */
    u64 rip, cs, rflags, rsp, ss;
};

/*
 * Exceptions. GT_TRY(instruction, : outputs : inputs : GT_CLOBBERS) runs the instruction; if an
 * exception (vector below 32) arises, execution goes on behind it. Then gt_exc tells what
 * happened: vector == GT_NONE, or the frame. R11 belongs to the macro. The instruction may
 * leave RSP or CS and SS anything the exception's delivery survives: the stack pointer is
 * restored. Not re-entrant.
 */
enum { GT_NONE = 0x100 };

struct gt_exc {
    u64 vector;
    u64 error;
    u64 cr2;   /* read after every #PF, else 0 */
    u64 delta; /* RIP in the frame minus the first byte of the instruction tried */
    struct gt_frame frame;
};

struct gt_armed {
    u64 start, resume, rsp;
};

extern volatile struct gt_exc gt_exc GT_HIDDEN;
extern volatile struct gt_armed gt_armed GT_HIDDEN;

#define GT_CLOBBERS "r11", "memory", "cc"
#define GT_TRY_HEAD                                              \
    "movq $0x100, gt_exc(%%rip)\n\t"                             \
    "lea 771f(%%rip), %%r11\n\tmov %%r11, gt_armed(%%rip)\n\t"   \
    "lea 772f(%%rip), %%r11\n\tmov %%r11, gt_armed+8(%%rip)\n\t" \
    "mov %%rsp, gt_armed+16(%%rip)\n771:\t"
#define GT_TRY_TAIL       "\n772:\tmovq $0, gt_armed(%%rip)"
#define GT_TRY(INSN, ...) __asm__ volatile(GT_TRY_HEAD INSN GT_TRY_TAIL __VA_ARGS__)

/* "ok", or "#GP(0) rip+0": name, error code where the vector has one, RIP delta. One static
 * buffer. */
const char *gt_exc_text(void);

/*
 * Runs the context in *f (all registers, RIP, CS, SS, RSP, RFLAGS; vector and error unused)
 * until its first exception that no hook takes; then gt_exc describes it, delta counting from
 * f->rip. Any mode that IRETQ reaches: ring 3, compatibility mode, TF set. DS and ES are
 * GT_DATA afterwards.
 */
void gt_enter(const struct gt_frame *f);
/* A context at code in ring 0 or 3, 64-bit or compatibility mode, on a stack of its own, IF=0.
 */
struct gt_frame gt_context(const void *code, unsigned cpl, bool compat);
const char *gt_vector_name(u64 vector);

/*
 * A hook takes every event of its vector first (interrupts too; the gate is made ours). It
 * returns true when the frame, perhaps changed, shall be returned to; false passes an exception
 * on to GT_TRY.
 */
typedef bool (*gt_hook_fn)(struct gt_frame *f);
void gt_hook(unsigned vector, gt_hook_fn hook); /* NULL gives the vector back */

/* Descriptors. The GDT starts as a copy of the firmware's; these selectors are added. */
enum gt_selector {
    GT_CODE64 = 0x80,  /* ring 0, flat, L=1 */
    GT_DATA = 0x88,    /* ring 0, flat 4 GiB, writable */
    GT_CODE32 = 0x90,  /* ring 0, flat, D=1 */
    GT_CODE16 = 0x98,  /* ring 0, base 0, limit 0xffff */
    GT_DATA16 = 0xa0,  /* ring 0, base 0, limit 0xffff */
    GT_UCODE32 = 0xa8, /* ring 3, in SYSRET's order */
    GT_UDATA = 0xb0,
    GT_UCODE64 = 0xb8,
    GT_TSS = 0xc0,       /* 16 bytes, 64-bit TSS of gt_load_tr() */
    GT_FREE = 0xd0,      /* first selector that tests may fill */
    GT_GDT_SIZE = 0x200, /* bytes */
};

struct gt_tss64 {
    u32 reserved0;
    u64 rsp[3];
    u64 reserved1;
    u64 ist[7];
    u64 reserved2;
    u16 reserved3, iopb;
} __attribute__((packed));

extern u64 *gt_gdt;             /* GT_GDT_SIZE bytes, indexed by selector / 8 */
extern struct gt_tss64 *gt_tss; /* RSP0 and IST1..IST3 have stacks */
extern u64 *gt_idt;             /* 256 gates of 16 bytes */

/* An eight-byte descriptor: access = type, S, DPL, P (8 bits); flags = AVL, L, D/B, G (4 bits).
 */
u64 gt_descriptor(u32 base, u32 limit, unsigned access, unsigned flags);
void gt_load_tr_limit(u32 limit); /* gt_load_tr() with another TSS limit, below 4096 */
void gt_load_tr(void); /* LTR of GT_TSS; again only after clearing its busy bit, which this does */
void gt_gate(unsigned vector, void *handler, u16 cs, unsigned access, unsigned ist);
void gt_gate_default(unsigned vector); /* the library's stub again; access 0x8e, IST 0 */

/*
 * Memory, zeroed, below 4 GiB, identity-mapped and writable and executable; freed at the end.
 * gt_low_pages: below 640 KiB, for real mode. Out of memory ends the program with a FAIL line.
 */
void *gt_pages(size_t count);
void *gt_pages_aligned(size_t count, u64 align);
void *gt_low_pages(size_t count);
void gt_zero_pages(void *at, size_t pages);

/*
 * Page tables of the test's own: the first 4 GiB identity-mapped with 2 MiB pages, user,
 * writable, executable. gt_map_load() makes them CR3 (gt_run gives the firmware's back at the
 * end). gt_map_page() splits as needed and returns the 4 KiB entry of that address.
 */
void gt_map_load(void);
u64 *gt_map_page(u64 gla);
u64 *gt_map_directory(u64 gla);

u64 gt_rand(void); /* xorshift64*, the same sequence in every run */
void gt_seed(u64 seed);
/* Started by the stick's menu: perhaps a real machine, which has caches. */
bool gt_on_stick(void);
bool gt_under_nidus(void); /* CPUID 0x40000000 says NidusNidus */

#endif
