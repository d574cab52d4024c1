/*
 * L0 whole, on a processor made of memory: hv_entry brings it up, and what L1 and L2 do between two entries is the
 * caller's. At each entry the VMCS is judged by the rules of the *processor* (hv/vmcs12/check.h, with what the
 * hardware has), as the CPU would: whatever L1 did, L0 must never be refused.
 */
#ifndef TESTS_MACHINE_MACHINE_H
#define TESTS_MACHINE_MACHINE_H

#include "tests/machine/fake.h"
#include "hv/core/privileged.h"
#include "hv/nested/crossing/crossing.h"
#include "hv/nested/instructions/instructions.h"
#include "hv/nested/state/state.h"
#include <setjmp.h>
#include <stdarg.h>

#define RAM_SIZE   (32ull << 20)
#define L1_RAM     (8ull << 20) /* below; L0's region is the upper half */
#define REGION     (16ull << 20)
#define VMCS_SLOTS 8

/* A processor that Nidus accepts: the profiles' and the emulator's, and such as exist nowhere here. */
enum machine_model {
    MODEL_BOCHS, MODEL_I7, MODEL_E5, MODEL_NO_VPID, MODEL_NO_PERF, MODEL_SPARTAN, MODEL_NO_TRUE, MODEL_NEWER,
    MODEL_COUNT
};
const char *machine_model_name(enum machine_model model);

struct machine_vmcs {
    u64 hpa;
    bool launched;
    struct vmcs_image v;
};

struct machine {
    /* the processor */
    struct vmx_caps caps;
    struct check_cpuid facts;
    struct check_cpu rules;
    struct machine_vmcs vmcs[VMCS_SLOTS], *current;
    u64 cr0, cr2, cr3, cr4, tsc, msr_efer, msr_pat, msr_debugctl, msr_perf, msr_sysenter[3];
    u64 msr_arch_caps, msr_mcu_opt;
    u32 pkru;
    u8 *ram;
    /* the run */
    struct percpu *gs;
    struct cpu *cpu;
    enum vmx_enter (*play)(struct machine *m); /* at each entry that the processor accepts: run the guest */
    bool launched; /* of the VMCS, before the entry under way */
    u64 entries[2];
    u64 trace; /* of all that guests could have seen at each entry, times apart */
    jmp_buf end;
    char bug[512]; /* what L0 did wrong, or "" */
};
extern struct machine machine;

/* Power on: the processor of the model, empty RAM. False when its capabilities hang not together. */
bool machine_reset_to(enum machine_model model) MUST_CHECK;

/* Bring L0 up and let it run until somebody calls machine_end. False when it refused the processor. */
bool machine_run(u32 profile, u32 shadow, u32 stress) MUST_CHECK;

void machine_end(void) NORETURN;
void machine_bug(const char *format, ...) __attribute__((format(printf, 1, 2))) NORETURN;

/* What the rules of guest state say of the current VMCS, on this processor: R_NONE or the first broken. */
enum rule_id machine_guest_rule(const struct vmcs_image *v);

/* How an exit leaves the current VMCS, once the reason and the rest of it stand there. */
enum vmx_enter machine_exit(u32 reason);

#endif
