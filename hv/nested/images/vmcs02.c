/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMCS images to and from the hardware. Functions include fields.def, so that no field is listed
 * twice. The compiler turns each inclusion into straight code over constant offsets.
 */
#include "hv/nested/images/images.h"
#include "hv/paranoid/audits.h"
#include "hv/nested/images/pack.h"
#include "hv/core/lib.h"
#include "hv/core/privileged.h"
#include "hv/vmcs12/sync.h"
#include "hv/vmx/insn.h"
#include "hv/vmx/stress.h"

/* Exit information is never written: only the CPU fills it in. */
void vmcs02_store(struct cpu *cpu, const struct vmcs_image *want)
{
    struct nested *n = cpu->nested;
    struct vmcs_image *have = &n->now->image02;
    bool every = stressed(cpu, STRESS_REMERGE);
#define FIELD(enc, width, area, name, gate, to02, to12)                  \
    if (AREA_##area != AREA_RO && (every || have->name != want->name) && \
        HAS(n->hw_gates, GATE_##gate)) {                                 \
        vmcs_write(enc, UNPACK_##width(want->name));                     \
        have->name = want->name;                                         \
    }
#include "hv/vmcs12/fields.def"
    if (stressed(cpu, STRESS_PARANOID))
        vmcs02_audit(n);
}

/* Access rights without the reserved bits that L1 wrote without an exit (shadow01.def). */
static NOINLINE void drop_reserved(const struct vmcs_image *v)
{
#define FIELD(enc, width, area, name, gate, to02, to12) \
    if (width == WAR)                                   \
        vmcs_write(enc, UNPACK_##width(v->name));
#include "hv/vmcs12/fields.def"
}

/* Reads the guest area of the current VMCS, and the entry controls, because an exit changes "IA-32e
 * mode guest" among them. The VMCS holds what the image says. */
static void fetch_guest(const struct nested *n, struct vmcs_image *v)
{
    u64 rights = 0;
#define FIELD(enc, width, area, name, gate, to02, to12)               \
    if (AREA_##area == AREA_GUEST && HAS(n->hw_gates, GATE_##gate)) { \
        u64 is = vmcs_read(enc);                                      \
        v->name = PACK_##width(is);                                   \
        rights |= width == WAR ? is : 0;                              \
    }
#include "hv/vmcs12/fields.def"
    if (UNLIKELY(any(rights, ~(u64)ar_unpack(0xffff))))
        drop_reserved(v);
    v->entry_ctl = (u32)vmcs_read(ENC_entry_ctl);
}

void vmcs01_fetch_guest(struct cpu *cpu)
{
    fetch_guest(cpu->nested, &cpu->nested->image01);
}

void vmcs02_fetch_guest(struct cpu *cpu)
{
    struct vmcs_image *v = &cpu->nested->now->image02;
    fetch_guest(cpu->nested, v);
    /* An exit clears the valid bit, and L0 may have put an event for L2 here.
     * SDM 3C 28.2 "Recording VM-Exit Information and Updating VM-Entry Control Fields" */
    v->entry_intr_info = (u32)vmcs_read(ENC_entry_intr_info);
    v->entry_exception_error_code = (u32)vmcs_read(ENC_entry_exception_error_code);
    v->entry_instruction_len = (u32)vmcs_read(ENC_entry_instruction_len);
}

/* L0's own time counts for L2's preemption timer, because L1 measures the timer by the TSC.
 * SDM 3C 26.5.1 "VMX-Preemption Timer" */
void nested_charge_timer(struct cpu *cpu, u64 then)
{
    if (!cpu->in_l2 || !any(cpu->nested->now->image02.pin_ctl, PIN_PREEMPTION_TIMER))
        return;
    u32 value = (u32)vmcs_read(ENC_preemption_timer_value);
    u32 shift = VMX_MISC_PREEMPTION_SHIFT(cpu->vm->facts.vmx.misc);
    vmcs_write(ENC_preemption_timer_value, preemption_timer_left(value, then, rdtsc(), shift));
}

/* In CR0 and CR4 the bits that L0 needs stay set. L1 sees its own values in the read shadows. */
void vmcs01_store_guest(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    struct vmcs_image *v = &n->image01;
    cpu->cr0_shadow = v->guest_cr0;
    cpu->cr4_shadow = v->guest_cr4;
    v->guest_cr0 |= CR0_NE;
    v->guest_cr4 = (v->guest_cr4 | CR4_VMXE) & CR4_KNOWN;
    v->vmcs_link_pointer = vmcs_read(ENC_vmcs_link_pointer);
#define FIELD(enc, width, area, name, gate, to02, to12)             \
    if (AREA_##area == AREA_GUEST && HAS(n->hw_gates, GATE_##gate)) \
        vmcs_write(enc, UNPACK_##width(v->name));
#include "hv/vmcs12/fields.def"
    vmcs_write(ENC_entry_ctl, v->entry_ctl);
    vmcs_write(ENC_entry_intr_info, 0);
    vmcs_write(ENC_cr0_read_shadow, cpu->cr0_shadow);
    vmcs_write(ENC_cr4_read_shadow, cpu->cr4_shadow);
}

/* The SDM leaves the first value of a field open, so every field is written once.
 * SDM 3C 25.11.3 "Initializing a VMCS" */
void vmcs02_reset(struct cpu *cpu)
{
    struct nested *n = cpu->nested;
    vmcs_clear(cpu, &n->now->vmcs02);
    vmcs_load(cpu, &n->now->vmcs02);
    for (u32 f = 0; f < F_COUNT; f++) {
        const struct vmcs_field_desc *d = vmcs12_desc((enum vmcs_field)f);
        if (d->area != AREA_RO && any(n->hw_gates, BIT(d->gate)))
            vmcs_write(d->encoding, 0);
    }
    memset(&n->now->image02, 0, sizeof n->now->image02);
    vmcs_load(cpu, &cpu->vmcs01);
}
