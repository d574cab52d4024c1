/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of L0's VMCS regions: allocation, VMCLEAR, VMPTRLD, the host-state area that all of them
 * share, and the dump by field name. Nothing here knows what a guest-state field means. */
#include "hv/vmx/vmx.h"
#include "hv/arch/vmx_error.h"
#include "hv/vmx/insn.h"
#include "hv/vmx/stress.h"
#include "hv/core/privileged.h"
#include "hv/core/lib.h"

bool vmcs_alloc(struct vmcs *v, struct mem *mem)
{
    v->page = mem_pages(mem, 1);
    if (!v->page)
        return false;
    v->hpa = mem_hpa(mem, v->page);
    return true;
}

void vmcs_stamp(struct vmcs *v, u32 revision)
{
    memset(v->page, 0, PAGE_SIZE);
    *(u32 *)v->page = revision;
    v->launched = 0;
}

void vmcs_clear(struct cpu *cpu, struct vmcs *v)
{
    vmclear_ours(&v->hpa);
    v->launched = 0;
    if (cpu->current == v)
        cpu->current = NULL;
}

void vmcs_load(struct cpu *cpu, struct vmcs *v)
{
    cpu->have = 0;
    if (cpu->current == v)
        return;
    vmptrld_ours(&v->hpa);
    cpu->current = v;
}

u64 vmcs_host_rip(const struct cpu *cpu, bool of_vmcs01)
{
    bool spec = any(cpu->percpu.spec, SPEC_CTRL | SPEC_RSB);
    if (of_vmcs01 ? stressed(cpu, STRESS_TRACE) : !cpu->vm->fast || cpu->vm->stress)
        return spec ? (u64)vmx_exit_spec : (u64)vmx_exit;
    if (of_vmcs01)
        return spec ? (u64)vmx_exit_short_spec : (u64)vmx_exit_short;
    return spec ? (u64)vmx_exit_l2_spec : (u64)vmx_exit_l2;
}

/* SDM 3C 25.5 "Host-State Area" */
u32 vmcs_host_state(const struct cpu *cpu, struct vmcs_host_field f[VMCS_HOST_FIELDS])
{
    const struct vmcs_host_field all[] = {
        {ENC_host_cr0, read_cr0()},
        {ENC_host_cr3, read_cr3()},
        {ENC_host_cr4, read_cr4()},
        {ENC_host_cs_selector, SEL_CODE},
        {ENC_host_ss_selector, SEL_DATA},
        {ENC_host_ds_selector, SEL_DATA},
        {ENC_host_es_selector, SEL_DATA},
        {ENC_host_fs_selector, 0},
        {ENC_host_gs_selector, 0},
        {ENC_host_tr_selector, SEL_TSS},
        {ENC_host_fs_base, 0},
        {ENC_host_gs_base, (u64)&cpu->percpu},
        {ENC_host_tr_base, (u64)&cpu->desc.tss},
        {ENC_host_gdtr_base, (u64)cpu->desc.gdt},
        {ENC_host_idtr_base, (u64)cpu->desc.idt},
        {ENC_host_sysenter_cs, 0},
        {ENC_host_sysenter_esp, 0},
        {ENC_host_sysenter_eip, 0},
        {ENC_host_efer, HOST_EFER},
        {ENC_host_pat, HOST_PAT},
        {ENC_host_rsp, (u64)&cpu->regs},
        {ENC_host_perf_global_ctrl, 0}, /* no counter runs in root, so none writes a PEBS record */
    };
    _Static_assert(sizeof all == VMCS_HOST_FIELDS * sizeof *all, "VMCS_HOST_FIELDS counts them");
    memcpy(f, all, sizeof all);
    return cpu->vm->facts.perf_global ? VMCS_HOST_FIELDS : VMCS_HOST_FIELDS - 1;
}

void vmcs_write_host(const struct cpu *cpu)
{
    struct vmcs_host_field f[VMCS_HOST_FIELDS];
    u32 count = vmcs_host_state(cpu, f);
    for (u32 i = 0; i < count; i++)
        vmcs_write(f[i].encoding, f[i].value);
    vmcs_write(ENC_host_rip, vmcs_host_rip(cpu, false));
}

/* From one segment to the next, the encoding of each kind of field (base, limit, access rights,
 * selector) grows by 2. SDM 3D B "Field Encoding in VMCS" */
struct segment vmcs_hidden_part_read(enum seg_number i)
{
    return (struct segment){
        .base = vmcs_read(ENC_guest_es_base + 2 * i),
        .limit = (u32)vmcs_read(ENC_guest_es_limit + 2 * i),
        .ar = (u32)vmcs_read(ENC_guest_es_ar + 2 * i),
    };
}

u16 vmcs_selector_read(enum seg_number i)
{
    return (u16)vmcs_read(ENC_guest_es_selector + 2 * i);
}

void vmcs_segment_write(enum seg_number i, const struct segment *s)
{
    vmcs_write(ENC_guest_es_selector + 2 * i, s->selector);
    vmcs_write(ENC_guest_es_base + 2 * i, s->base);
    vmcs_write(ENC_guest_es_limit + 2 * i, s->limit);
    vmcs_write(ENC_guest_es_ar + 2 * i, s->ar);
}

const char *vmcs_field_name(u64 encoding)
{
    return vmcs12_name(vmcs12_find(encoding));
}

static u32 last_error(void)
{
    u64 error = 0;
    return vmread(ENC_vm_instruction_error, &error) == VMX_OK ? (u32)error : 0;
}

void vmcs_region_refused(u64 hpa)
{
    panic("bug: VMCLEAR, VMPTRLD or INVVPID of %lx was refused", hpa);
}

void vmcs_read_refused(u64 field)
{
    panic("bug: VMREAD of %s (%lx) was refused: %s", vmcs_field_name(field), field,
          vmx_error_text(last_error()));
}

void vmcs_write_refused(u64 field, u64 v)
{
    panic("bug: VMWRITE of %lx to %s (%lx) was refused: %s", v, vmcs_field_name(field), field,
          vmx_error_text(last_error()));
}

void vmcs_dump(void)
{
    for (u32 f = 0; f < F_COUNT; f++) {
        u64 v, encoding = vmcs12_desc((enum vmcs_field)f)->encoding;
        if (vmread(encoding, &v) == VMX_OK)
            log_line("  %s = %lx", vmcs12_name((enum vmcs_field)f), v);
    }
}
