/* SPDX-License-Identifier: BSD-2-Clause */
/* The probe of VMCS fields. Contract in fields.h. */
#include "hv/fields.h"
#include "hv/plant.h"
#include "hv/vmx/insn.h"

/* Exit-information fields have type 1, in bits 11:10 of the encoding. SDM 3D B "Field Encoding in
 * VMCS" */
static bool is_read_only(u64 encoding)
{
    return (encoding >> 10 & 3) == 1;
}

static bool works(const struct cpu *cpu, u64 encoding)
{
    u64 v;
    if (plant_missing(cpu, encoding) || vmread(encoding, &v) != VMX_OK)
        return false;
    return is_read_only(encoding) || vmwrite(encoding, 0) == VMX_OK;
}

#define WORDS   (sizeof(struct vmx_caps) / sizeof(u64))
#define WORD(w) (offsetof(struct vmx_caps, w) / sizeof(u64))

/* Takes every bit that opens the gate by itself. The TRUE words tell of the same controls. */
static void shut(struct vmx_caps *caps, enum vmcs_gate gate)
{
    static const u8 twin[WORDS] = {[WORD(pin)] = WORD(true_pin),
                                   [WORD(cpu1)] = WORD(true_cpu1),
                                   [WORD(exit)] = WORD(true_exit),
                                   [WORD(entry)] = WORD(true_entry)};
    u64 *words = &caps->basic;
    for (u32 i = 0; i < WORDS * 64; i++) {
        struct vmx_caps one = {0};
        (&one.basic)[i / 64] = BIT(i % 64);
        if (!vcaps_gate(&one, gate))
            continue;
        words[i / 64] &= ~BIT(i % 64);
        if (twin[i / 64])
            words[twin[i / 64]] &= ~BIT(i % 64);
    }
    vcaps_close(caps);
}

/* What the facts say that follows from control words. False when L0 cannot do without. */
static bool follow(struct cpu_facts *f)
{
    const struct vmx_caps *c = &f->vmx;
    u32 cpu2 = vcaps_cpu2(c).may_be_1, exit = vcaps_exit(c).may_be_1;
    u32 entry = vcaps_entry(c).may_be_1;
    f->vpid &= any(cpu2, CPU2_ENABLE_VPID);
    f->perf_global &=
        any(exit, EXIT_LOAD_PERF_GLOBAL_CTRL) && any(entry, ENTRY_LOAD_PERF_GLOBAL_CTRL);
    return all(vcaps_cpu1(c).may_be_1, L0_CPU1_CTL) && all(exit, L0_EXIT_CTL) &&
           all(entry, L0_ENTRY_CTL) && all(cpu2, CPU2_ENABLE_EPT | CPU2_UNRESTRICTED_GUEST);
}

bool fields_probe(struct cpu *cpu, bool *narrowed)
{
    struct cpu_facts *f = &cpu->vm->facts;
    for (u32 i = 0; i < F_COUNT; i++) {
        const struct vmcs_field_desc *d = vmcs12_desc((enum vmcs_field)i);
        if (!vcaps_gate(&f->vmx, d->gate) || works(cpu, d->encoding))
            continue;
        log_line("the processor lacks the VMCS field %s, which its capabilities tell of",
                 vmcs12_name((enum vmcs_field)i));
        shut(&f->vmx, d->gate);
        if (!follow(f))
            return false;
        *narrowed = true;
    }
    return true;
}
