/* SPDX-License-Identifier: BSD-2-Clause */
/* L1's VMWRITEs, with an exit or without. Contract in play.h. */
#include "tests/machine/play.h"

u32 play_burst;

/* An event that some state accepts: an interrupt, an NMI, exceptions with and without error
 * code, INT n, an MTF exit. Or any number that is marked valid. */
u32 play_event(void)
{
    static const u32 events[] = {0x80000020, 0x80000202, 0x80000306, 0x80000b0d,
                                 0x80000303, 0x80000700, 0x80000480, 0x80000030};
    u8 choice = play_byte();
    return choice > 0xe0 ? INTR_VALID | (u32)play_number(2) : events[choice % ARRAY_LEN(events)];
}

struct vmcs_image *play_shadow(void)
{
    for (u32 i = 0; i < VMCS_SLOTS; i++)
        if (machine.cpu->nested->reached &&
            machine.vmcs[i].hpa == machine.current->v.vmcs_link_pointer)
            return &machine.vmcs[i].v;
    return NULL;
}

bool play_passes(u64 encoding, enum shadow_set set, bool write)
{
    const u8 *bitmap = machine.cpu->nested->shadow_bitmap[set][write];
    return !any(bitmap[encoding / 8], 1u << (encoding % 8));
}

/* Half of the fields are those that L1's exit handlers write. In a burst L1 sets up L2's state. */
static enum vmcs_field field_to_write(void)
{
    /* clang-format off */
    static const u8 state[] = {
        F_guest_fs_base, F_guest_gs_base, F_guest_gdtr_base, F_guest_idtr_base, F_guest_tr_base,
        F_guest_sysenter_cs, F_guest_sysenter_esp, F_guest_sysenter_eip, F_guest_fs_base,
        F_guest_gs_base, F_guest_ldtr_base, F_guest_cs_base, F_guest_es_selector,
        F_guest_ss_selector, F_guest_gdtr_limit, F_guest_tr_limit,
    };
    /* clang-format on */
    if (play_burst)
        return (enum vmcs_field)state[play_byte() % ARRAY_LEN(state)];
    /* clang-format off */
    static const u8 hot[] = {
        F_guest_rip, F_guest_rflags, F_guest_cr0, F_guest_cr3, F_guest_cr4, F_cpu1_ctl,
        F_cpu1_ctl, F_guest_interruptibility, F_entry_intr_info, F_entry_intr_info,
        F_entry_intr_info, F_tpr_threshold, F_exception_bitmap, F_guest_pending_dbg_exceptions,
        F_cr0_read_shadow, F_guest_dr7, F_guest_efer, F_cr4_read_shadow, F_guest_fs_base,
        F_host_rip, F_host_rsp, F_guest_cs_selector, F_preemption_timer_value, F_tsc_offset,
        F_host_cr3, F_host_gs_base, F_host_fs_selector, F_guest_gs_base, F_guest_ds_limit,
        F_guest_fs_ar,
    };
    /* clang-format on */
    u8 n = play_byte();
    return (enum vmcs_field)(n & 1 ? hot[n / 2 % ARRAY_LEN(hot)] : play_byte() % F_COUNT);
}

/* A VMWRITE that the VMWRITE bitmap lets pass goes to the shadow VMCS without an exit. Most values
 * differ from the old one in a bit. */
enum vmx_enter play_l1_vmwrite(bool starts_burst)
{
    const struct nested *n = machine.cpu->nested;
    enum vmcs_field f = field_to_write();
    struct vmcs_image *v = play_shadow();
    u64 encoding = vmcs12_desc(f)->encoding, old = 0;
    enum shadow_set other = n->shadow_set == SET_WIDE ? SET_PLAIN : n->shadow_set;
    bool always = v && play_passes(encoding, other, true); /* whatever L1 has done before */
    bool exits = !v || !play_passes(encoding, n->shadow_set, true);
    if (always)
        old = vmcs12_get(v, f);
    else if (vmcs12_desc(f)->area == AREA_CTL || vmcs12_desc(f)->area == AREA_HOST)
        old = vmcs12_get(&n->now->vmcs12, f); /* else it may be vmcs02 that knows */
    play_burst = starts_burst ? 12 : play_burst - (play_burst != 0);
    u8 how = play_byte();
    u64 value = how & 0x40 ? play_edgy() : old ^ BIT(how & 31);
    if (f == F_entry_intr_info && how & 0x80)
        value = play_event();
    if (exits)
        return play_vmwrite(encoding, value);
    vmcs12_set(v, f, value);
    if (!always) /* and a VMWRITE that changes nothing: it leaves L1 as the other would */
        return play_vmwrite(ENC_host_rsp, vmcs12_get(&n->now->vmcs12, F_host_rsp));
    machine.current->v.exit_instruction_len = 2;
    return machine_exit(EXIT_REASON_CPUID);
}
