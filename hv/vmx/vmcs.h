/* SPDX-License-Identifier: BSD-2-Clause */
/* L0's VMCS regions: their life, and the host state that all of them hold. */
#ifndef HV_VMX_VMCS_H
#define HV_VMX_VMCS_H

#include "hv/arch/segment.h"
#include "hv/core/mem.h"
#include "hv/vmcs12/vmcs12.h"

struct cpu;

/* A VMCS or VMXON region of L0's, one page. */
struct vmcs {
    u8 *page;
    hpa_t hpa;
    u64 launched; /* not 0: VMRESUME enters; vmcs_clear makes it 0 */
};

/* Allocates a region. False: memory is short. */
bool vmcs_alloc(struct vmcs *v, struct mem *mem) MUST_CHECK;
/* Makes a region a VMCS or VMXON region that was never used. `revision` is the CPU's, with the
 * shadow-VMCS indicator for a shadow VMCS. */
void vmcs_stamp(struct vmcs *v, u32 revision);
/* VMCLEAR. The region is then not launched, and not current if it was. A VMCS must be cleared
 * before it is loaded for the first time. Panics when the CPU refuses. */
void vmcs_clear(struct cpu *cpu, struct vmcs *v);
/* Makes v the current VMCS: VMPTRLD, unless v is current already. No group of cpu->have is valid
 * afterwards. Panics when the CPU refuses. */
void vmcs_load(struct cpu *cpu, struct vmcs *v);
/* Fills f with the fields of the host-state area and the values that every VMCS must hold there,
 * all but HOST_RIP. Returns how many fields this CPU has. */
#define VMCS_HOST_FIELDS 22u
struct vmcs_host_field {
    u64 encoding, value;
};
u32 vmcs_host_state(const struct cpu *cpu, struct vmcs_host_field f[VMCS_HOST_FIELDS]);
/* HOST_RIP: an exit of vmcs01 may take the short way (regs.h), an exit of vmcs02 may not. */
u64 vmcs_host_rip(const struct cpu *cpu, bool of_vmcs01);
/* Writes the whole host-state area of the current VMCS, HOST_RIP as for vmcs02. */
void vmcs_write_host(const struct cpu *cpu);
/* A segment register of the guest, in the current VMCS. No reader wants all of one: the hidden part
 * is base, limit and access rights, and leaves selector 0. */
struct segment vmcs_hidden_part_read(enum seg_number i);
u16 vmcs_selector_read(enum seg_number i);
void vmcs_segment_write(enum seg_number i, const struct segment *s);
/* The encoding of the field that holds the guest's PDPTE i. */
static inline u64 vmcs_pdpte(u32 i)
{
    return ENC_guest_pdptr0 + 2 * i;
}

/* The name of the field with the encoding; never NULL. */
const char *vmcs_field_name(u64 encoding);
/* Logs every field of the current VMCS that can be read, one line each. */
void vmcs_dump(void);

#endif
