/* SPDX-License-Identifier: BSD-2-Clause */
/* The faults of plant=. Contract in plant.h. */
#include "hv/plant.h"
#include "hv/vmx/insn.h"

/* Each row breaks one rule of VM entry, and the CPU refuses it: CLEAR takes bits away and FLIP
 * changes others. */
/* clang-format off */
static const struct row {
    u64 field, clear, flip;
} rows[] = {
    {ENC_pin_ctl,                  ~0ull, 0},
    {ENC_cpu1_ctl,                 BIT(1), 0},
    {ENC_cpu2_ctl,                 CPU2_ENABLE_EPT, 0},
    {ENC_exit_ctl,                 EXIT_HOST_ADDR_SPACE_SIZE, 0},
    {ENC_entry_ctl,                0, ENTRY_TO_SMM},
    {ENC_ept_pointer,              7, 7},
    {ENC_vpid,                     ~0ull, 0},
    {ENC_msr_bitmap_addr,          0, 1},
    {ENC_entry_intr_info,          ~0ull, 0x80000100},
    {ENC_host_cr4,                 CR4_PAE, 0},
    {ENC_host_cs_selector,         ~0ull, 0},
    {ENC_host_tr_selector,         0, 3},
    {ENC_host_rip,                 ~0ull, BIT(47)},
    {ENC_host_efer,                EFER_LMA, 0},
    {ENC_guest_rflags,             BIT(1), 0},
    {ENC_guest_cr0,                CR0_PE, 0},
    {ENC_guest_cs_ar,              AR_P, 0},
    {ENC_guest_tr_ar,              AR_TYPE_BUSY_TSS, 0},
    {ENC_guest_activity_state,     0, 7},
    {ENC_vmcs_link_pointer,        ~0ull, 0x123},
};
/* clang-format on */

static const struct row *row_of(const struct cpu *cpu)
{
    u32 n = cpu->vm->plant, id = n / PLANT_SECOND_CPU, row = n % PLANT_UNJUDGED;
    bool mine = n < PLANT_OTHER && cpu->percpu.id == id && row && row <= ARRAY_LEN(rows);
    return mine ? &rows[row - 1] : NULL;
}

void plant_field(struct cpu *cpu)
{
    const struct row *r = row_of(cpu);
    plant_panic(cpu, PLANT_PANIC_EARLY);
    if (!r)
        return;
    cpu->planted = vmcs_read(r->field);
    vmcs_write(r->field, (cpu->planted & ~r->clear) ^ r->flip);
}

void plant_remove(struct cpu *cpu)
{
    const struct row *r = row_of(cpu);
    if (r && cpu->root != ROOT_NOT)
        vmcs_write(r->field, cpu->planted);
}

bool plant_unjudged(const struct cpu *cpu)
{
    return row_of(cpu) && cpu->vm->plant % PLANT_SECOND_CPU >= PLANT_UNJUDGED;
}

void plant_panic(const struct cpu *cpu, enum plant which)
{
    if (UNLIKELY(cpu->vm->plant == which) && cpu->percpu.id == 0)
        panic("bug: planted, as plant=%u asks", cpu->vm->plant);
}

bool plant_missing(const struct cpu *cpu, u64 encoding)
{
    u32 n = cpu->vm->plant;
    return (n == PLANT_NO_TIMER && encoding == ENC_preemption_timer_value) ||
           (n == PLANT_NO_RIP && encoding == ENC_guest_rip);
}

bool plant_uncached(const struct cpu *cpu)
{
    return cpu->vm->plant == PLANT_UNCACHED;
}
