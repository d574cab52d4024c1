/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All of L0, on a processor made of memory. hv_entry brings L0 up. The caller decides what L1 and
 * L2 do between an entry and the next exit. At each entry the machine judges the VMCS as the CPU
 * would, by the entry rules (hv/vmcs12/check.h) and the capabilities of the *processor*, not those
 * that L1 is shown. Whatever L1 did, the processor must never refuse L0.
 */
#ifndef TESTS_MACHINE_MACHINE_H
#define TESTS_MACHINE_MACHINE_H

#include "tests/machine/fake.h"
#include "hv/core/privileged.h"
#include "hv/nested/crossing/crossing.h"
#include "hv/nested/instructions/instructions.h"
#include "hv/nested/state/state.h"
#include "hv/saved/saved.h"
#include <setjmp.h>
#include <stdarg.h>

#define RAM_SIZE   (32ull << 20)
#define L1_RAM     (8ull << 20)  /* from address 0 */
#define REGION     (16ull << 20) /* L0's, up to RAM_SIZE */
#define VMCS_SLOTS 32

/* Processors that Nidus accepts: those of the profiles, the emulator's, and some that are
 * invented. */
enum machine_model {
    MODEL_BOCHS,
    MODEL_I7,
    MODEL_E5,
    MODEL_NO_VPID,
    MODEL_NO_PERF,
    MODEL_SPARTAN,
    MODEL_NO_TRUE,
    MODEL_NEWER,
    MODEL_COUNT
};
const char *machine_model_name(enum machine_model model);

struct machine_vmcs {
    u64 hpa;
    bool launched;
    struct vmcs_image v;
};

/* Somebody's processor: its capability MSRs, and, as far as recorded, what CPUID answers and which
 * bits WRMSR refuses. */
#define BOX_CPUID 12
struct machine_box {
    char part[64];
    struct vmx_caps caps;
    u32 rows; /* 0: nothing is recorded, and CPUID is that of the other models */
    struct {
        u32 leaf, sub;
        struct cpuid r;
    } row[BOX_CPUID];
    u64 refused_debugctl, refused_perf_global, refused_efer; /* 0: not recorded */
};

struct machine {
    /* the processor */
    const struct machine_box *box; /* NULL: the model's */
    struct vmx_caps caps;
    struct check_cpuid facts;
    struct check_cpu rules;
    struct machine_vmcs vmcs[VMCS_SLOTS], *current;
    u64 short_ways[2]; /* exits that the door answered and that led to L1, to L2 */
    u64 cr0, cr2, cr3, cr4, tsc, msr_efer, msr_pat, msr_debugctl, msr_perf, msr_sysenter[3];
    u64 msr_arch_caps, msr_mcu_opt;
    u32 pkru;
    u8 *ram;
    /* the run */
    u32 fast, plant; /* the options; 0 after machine_reset_to */
    struct percpu *gs;
    struct cpu *cpu;
    enum vmx_enter (*play)(struct machine *m); /* at an accepted entry: runs the guest */
    bool launched; /* the launch state of the current VMCS before the last entry */
    u64 entries[2];
    u64 trace; /* a hash of all that guests could have seen at each entry, except times */
    jmp_buf end;
    char bug[512]; /* what L0 did wrong, or "" */
};
extern struct machine machine;

/* Powers on: the processor of the model, empty RAM. False when the model's capabilities
 * contradict each other. */
bool machine_reset_to(enum machine_model model) MUST_CHECK;

/* The same for a processor with these capabilities and this width of a physical address. */
bool machine_reset_to_caps(const struct vmx_caps *caps, u8 phys_bits) MUST_CHECK;

/* The same for somebody's processor, which answers CPUID as recorded. @pre *box stays */
bool machine_reset_to_box(const struct machine_box *box) MUST_CHECK;

/* Brings L0 up and lets it run until somebody calls machine_end. False when L0 refused the
 * processor. The parameters are those of boot_info.h. */
bool machine_run(u32 profile, u32 shadow, u32 stress) MUST_CHECK;

/* Ends machine_run. machine_bug also writes into machine.bug what L0 did wrong. */
void machine_end(void) NORETURN;
void machine_bug(const char *format, ...) __attribute__((format(printf, 1, 2))) NORETURN;

/* The first rule of guest state that the image v breaks as a VMCS of this processor, or R_NONE. */
enum rule_id machine_guest_rule(const struct vmcs_image *v);

/* Ends a guest's run with an exit: writes the reason and what every exit writes into the current
 * VMCS. The caller has written the other fields that the exit tells. Returns what the caller's
 * play returns. */
enum vmx_enter machine_exit(u32 reason);

#endif
