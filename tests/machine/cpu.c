/* SPDX-License-Identifier: BSD-2-Clause */
/* A processor made of memory. Contracts in machine.h, and in fake.h for the instructions. */
#include "tests/machine/machine.h"
#include "hv/nested/crossing/crossing.h"
#include "hv/nested/instructions/instructions.h"
#include "tests/lib/valid.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct machine machine;

/* ---- VMX ---------------------------------------------------------------------------------- */

static struct machine_vmcs *slot_of(u64 hpa)
{
    struct machine_vmcs *free_slot = NULL;
    for (u32 i = 0; i < VMCS_SLOTS; i++) {
        if (machine.vmcs[i].hpa == hpa)
            return &machine.vmcs[i];
        if (!machine.vmcs[i].hpa && !free_slot)
            free_slot = &machine.vmcs[i];
    }
    if (!free_slot)
        machine_bug("more VMCSs than L0 has");
    free_slot->hpa = hpa;
    return free_slot;
}

static bool revision_fits(hpa_t region)
{
    u32 revision;
    memcpy(&revision, machine.ram + region.a, sizeof revision);
    return (revision & ~VMCS_SHADOW_INDICATOR) == machine.rules.revision;
}

enum vmx_status vmxon(hpa_t region)
{
    return revision_fits(region) ? VMX_OK : VMX_FAIL_INVALID;
}

enum vmx_status vmxoff(void)
{
    return VMX_OK;
}

enum vmx_status vmclear(hpa_t region)
{
    struct machine_vmcs *s = slot_of(region.a);
    s->launched = false;
    if (machine.current == s)
        machine.current = NULL;
    return VMX_OK;
}

enum vmx_status vmptrld(hpa_t region)
{
    if (!revision_fits(region))
        return VMX_FAIL_VALID;
    machine.current = slot_of(region.a);
    return VMX_OK;
}

enum vmx_status vmread(u64 field, u64 *v)
{
    if (!machine.current)
        return VMX_FAIL_INVALID;
    return vmcs12_read(&machine.current->v, &machine.caps, field, v) ? VMX_FAIL_VALID : VMX_OK;
}

enum vmx_status vmwrite(u64 field, u64 v)
{
    if (!machine.current)
        return VMX_FAIL_INVALID;
    return vmcs12_write(&machine.current->v, &machine.caps, field, v) ? VMX_FAIL_VALID : VMX_OK;
}

u64 vmcs_read(u64 field)
{
    u64 v;
    if (vmread(field, &v) != VMX_OK)
        vmcs_read_refused(field);
    return v;
}

void vmcs_write(u64 field, u64 v)
{
    if (vmwrite(field, v) != VMX_OK)
        vmcs_write_refused(field, v);
}

enum vmx_status invept(enum invept_type type, u64 eptp)
{
    if (type == INVEPT_SINGLE && !check_eptp(eptp, &machine.rules))
        machine_bug("INVEPT of EPTP %llx", (unsigned long long)eptp);
    return VMX_OK;
}

enum vmx_status invvpid(enum invvpid_type type, u16 vpid, u64 gla)
{
    (void)gla;
    if (type != INVVPID_ALL && vpid == 0)
        machine_bug("INVVPID of tag 0");
    return VMX_OK;
}

/* ---- the entry: the processor's own checks, and L0's invariants ------------------------------ */

static bool ram_read(u64 a, void *to, size_t n)
{
    if (a > RAM_SIZE - n)
        return false;
    memcpy(to, machine.ram + a, n);
    return true;
}

static struct check_env env_of(const struct machine_vmcs *s)
{
    struct check_env env = {.cpu = &machine.rules, .in_ia32e_mode = true, .current_vmptr = s->hpa};
    u32 needs = check_needs(&s->v, &machine.rules);
    env.vtpr_valid = any(needs, NEED_VTPR) && ram_read(s->v.virtual_apic_addr + 0x80, &env.vtpr, 1);
    env.link_valid = any(needs, NEED_LINK);
    if (env.link_valid && !ram_read(s->v.vmcs_link_pointer, &env.link_header, 4))
        env.link_header = ~0u;
    return env;
}

enum rule_id machine_guest_rule(const struct vmcs_image *v)
{
    struct machine_vmcs s = {.hpa = 1, .v = *v};
    struct check_env env = env_of(&s);
    struct rule_set broken;
    return check_entry(v, &env, CHECK_GUEST, &broken).rule;
}

static const char *who(void)
{
    return machine.cpu->in_l2 ? "vmcs02" : "vmcs01";
}

/* Without PAE paging nothing reads the PDPTEs of a VMCS, without a TPR shadow not the threshold. */
static bool read_by_cpu(const struct vmcs_image *v, enum vmcs_field f)
{
    bool pae =
        any(v->guest_cr0, CR0_PG) && any(v->guest_cr4, CR4_PAE) && !any(v->guest_efer, EFER_LMA);
    if (f == F_tpr_threshold)
        return any(v->cpu1_ctl, CPU1_USE_TPR_SHADOW);
    return pae || f < F_guest_pdptr0 || f > F_guest_pdptr3;
}

/* What must be true of the VMCS that L0 enters, whatever L1 wrote. If VMCS12 has an entry
 * MSR-load area, vmcs02 may differ from the merged image. */
static void invariants(void)
{
    const struct nested *n = machine.cpu->nested;
    const struct vmcs_image *v = &machine.current->v;

    if (machine.current->hpa !=
        (machine.cpu->in_l2 ? n->now->vmcs02.hpa.a : machine.cpu->vmcs01.hpa.a))
        machine_bug("%s is not current", who());
    if (v->exit_msr_load_count || v->exit_msr_store_count || v->entry_msr_load_count)
        machine_bug("%s has MSR lists", who());
    if (v->ept_pointer < REGION || v->ept_pointer >= RAM_SIZE)
        machine_bug("%s: EPTP %llx", who(), (unsigned long long)v->ept_pointer);
    if (machine.cpu->in_l2 && !any(vmcs12_cpu2(&n->now->vmcs12), CPU2_ENABLE_EPT) &&
        v->ept_pointer != machine.cpu->ept01->eptp)
        machine_bug("vmcs02: EPTP %llx is not EPT01's", (unsigned long long)v->ept_pointer);
    /* L0 may inject an NMI of its own, or wait for its window: the merge knows nothing of that. */
    if (!machine.cpu->in_l2 || n->nmi_held ||
        v->entry_intr_info == (INTR_VALID | INTR_NMI << 8 | VEC_NMI))
        return;
    /* On the short path L0 merges nothing, unless it audits. VMCS12 may have come home from there;
     * behind an entry on the plain path L1's host state is not made yet. */
    bool plain = n->now->residence == AT_HOME && !n->now->path.host_made;
    bool merged = n->entering && (plain || any(machine.cpu->vm->stress, STRESS_PARANOID));
#define FIELD(enc, width, area, name, gate, to02, to12)                           \
    if (AREA_##area == AREA_HOST && any(n->hw_gates, BIT(GATE_##gate)) &&         \
        v->name != n->base02.name)                                                \
        machine_bug("vmcs02: %s is not L0's", #name);                             \
    if (AREA_##area != AREA_RO && merged && any(n->hw_gates, BIT(GATE_##gate)) && \
        !n->now->vmcs12.entry_msr_load_count && read_by_cpu(v, F_##name) &&       \
        v->name != n->want02.name)                                                \
        machine_bug("vmcs02: %s is not what was merged", #name);
#include "hv/vmcs12/fields.def"
}

/* VMCS12's field while L2 runs, when it has one value wherever VMCS12 resides. In the other fields
 * the working copy may be older than vmcs02, which L1 cannot see. */
static u64 of_vmcs12(const struct vmcs_image *v02, enum vmcs_field f)
{
    const struct nested *n = machine.cpu->nested;
    enum field_area area = (enum field_area)vmcs12_desc(f)->area;
    bool shadowed = f == F_entry_intr_info || f == F_entry_exception_error_code ||
                    f == F_entry_instruction_len || f == F_tpr_threshold ||
                    f == F_cr0_guest_host_mask || f == F_cr0_read_shadow || f == F_cr4_read_shadow;
    if (area == AREA_GUEST || (area == AREA_RO && f != F_vm_instruction_error))
        return 0;
    u64 value = vmcs12_get(n->now->residence == LENT && shadowed ? v02 : &n->now->vmcs12, f);
    return f == F_entry_intr_info ? value & ~(u64)INTR_VALID : value;
}

/* Mixes into machine.trace what the guest enters with. While L2 runs, VMCS12 is mixed in too; at
 * other times L1 may have written fields without an exit. The preemption timer is left out, because
 * L0's own work takes time from it, and the link pointer, which names L1's shadow VMCS. */
static void trace(const struct vmcs_image *v)
{
    u64 h = machine.trace + machine.cpu->in_l2;
#define MIX(x) h = (h ^ (u64)(x)) * 0x100000001b3ull
#define FIELD(enc, width, area, name, gate, to02, to12)                      \
    if (AREA_##area == AREA_GUEST && F_##name != F_preemption_timer_value && \
        F_##name != F_vmcs_link_pointer && read_by_cpu(v, F_##name))         \
        MIX(v->name);                                                        \
    if (machine.cpu->in_l2)                                                  \
        MIX(of_vmcs12(v, F_##name));
#include "hv/vmcs12/fields.def"
    MIX(any(v->entry_intr_info, INTR_VALID) ? v->entry_intr_info : 0);
    MIX(all(v->entry_intr_info, INTR_VALID | INTR_ERROR_VALID) ? v->entry_exception_error_code : 0);
    MIX(v->cr0_read_shadow);
    MIX(v->cr4_read_shadow);
    machine.trace = h ^ h >> 29;
}

static void refuse(const struct machine_vmcs *s, enum rule_id rule)
{
    const struct nested *n = machine.cpu->nested;
    machine_bug("%s is refused: %s (after exit %x of %u, vmcs12 %s): %s", who(), rule_name(rule),
                s->v.exit_reason, machine.cpu->exit.reason, n->entering ? "just merged" : "older",
                rule_text(rule));
}

static enum vmx_enter enter_once(u64 launched)
{
    struct machine_vmcs *s = machine.current;
    struct rule_set broken;

    if (!s)
        return VMX_ENTER_FAIL_INVALID;
    machine.cpu = cpu_of(percpu());
    if (percpu()->nmi_pending || percpu()->mc_pending)
        return VMX_ENTER_NMI;
    if (s->launched != (launched != 0))
        machine_bug("%s: launch state", who());
    if (!machine.cpu->in_l2 && s->v.guest_activity_state == ACTIVITY_SHUTDOWN)
        machine_end(); /* after a VMX abort L1 does nothing more */
    struct check_env env = env_of(s);
    struct verdict v = check_entry(&s->v, &env, CHECK_ALL, &broken);
    if (v.rule != R_NONE)
        refuse(s, v.rule);
    invariants();
    trace(&s->v);
    machine.launched = s->launched;
    s->launched = true;
    machine.entries[machine.cpu->in_l2 != 0]++;
    return machine.play(&machine);
}

/* What short.asm asks at an exit (hv/vmx/short.asm), CPUID left out. */
static u64 ask_at_the_door(void)
{
    struct cpu *cpu = machine.cpu;
    u32 reason = machine.current->v.exit_reason;

    if (!cpu->vm->fast || cpu->vm->stress)
        return SHORT_NOT;
    if (cpu->in_l2) {
        u64 way = nested_short_exit();
        if (way == SHORT_VIOLATION)
            return nested_short_violation(&cpu->percpu);
        if (way == SHORT_SAVE)
            way = nested_short_access(&cpu->percpu, reason, ~0ull);
        return way == SHORT_GIVE ? nested_short_give() : way;
    }
    switch (reason) {
    case EXIT_REASON_VMRESUME:
        return nested_short_entry();
    case EXIT_REASON_VMREAD:
    case EXIT_REASON_VMWRITE:
        return nested_short_access(&cpu->percpu, reason, ~0ull);
    case EXIT_REASON_VMPTRLD:
    case EXIT_REASON_VMCLEAR:
        return nested_short_pointer(&cpu->percpu, reason);
    default:
        return SHORT_NOT;
    }
}

enum vmx_enter vmx_enter(struct regs *regs, u64 launched)
{
    enum vmx_enter how = enter_once(launched);
    u64 way = SHORT_NOT;

    (void)regs;
    while (how == VMX_ENTER_EXIT && (way = ask_at_the_door()) != SHORT_NOT) {
        machine.short_ways[machine.cpu->in_l2 != 0]++;
        how = enter_once(way != SHORT_LAUNCH);
    }
    return how;
}

/* SDM 3C 28.2 "Recording VM-Exit Information and Updating VM-Entry Control Fields" */
enum vmx_enter machine_exit(u32 reason)
{
    struct vmcs_image *v = &machine.current->v;

    v->exit_reason = reason;
    if (any(reason, EXIT_REASON_ENTRY_FAIL)) { /* only the reason and the qualification change */
        machine.current->launched = machine.launched;
        return VMX_ENTER_EXIT;
    }
    v->entry_intr_info &= ~INTR_VALID;
    v->entry_ctl &= ~(u32)ENTRY_IA32E_MODE_GUEST;
    v->entry_ctl |= any(v->guest_efer, EFER_LMA) ? ENTRY_IA32E_MODE_GUEST : 0;
    machine.tsc += 1000;
    return VMX_ENTER_EXIT;
}

/* ---- the end ------------------------------------------------------------------------------- */

void machine_end(void)
{
    longjmp(machine.end, 1);
}

void machine_bug(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(machine.bug, sizeof machine.bug, format, args);
    va_end(args);
    machine_end();
}
