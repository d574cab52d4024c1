/* VMCS regions of L0's: which one is current, and what every one of them holds of L0. */
#ifndef HV_VMX_VMCS_H
#define HV_VMX_VMCS_H

#include "hv/arch/segment.h"
#include "hv/core/mem.h"
#include "hv/vmcs12/vmcs12.h"

struct cpu;

/* A VMCS or VMXON region of ours, one page. */
struct vmcs {
    u8 *page;
    hpa_t hpa;
    u64 launched; /* VMRESUME from now on; cleared by vmcs_clear */
};

/* Allocates a region with the CPU's revision. False when memory is short. */
bool vmcs_alloc(struct vmcs *v, struct mem *mem, u32 revision) MUST_CHECK;
/* VMCLEAR: initialises, or writes back. The region is then not launched. */
void vmcs_clear(struct cpu *cpu, struct vmcs *v);
/* VMPTRLD, skipped when it is current already. Drops cpu->have. */
void vmcs_load(struct cpu *cpu, struct vmcs *v);
/* What the host-state area of each VMCS is to hold, HOST_RIP apart. Returns how many fields. */
#define VMCS_HOST_FIELDS 22u
struct vmcs_host_field {
    u64 encoding, value;
};
u32 vmcs_host_state(const struct cpu *cpu, struct vmcs_host_field f[VMCS_HOST_FIELDS]);
/* HOST_RIP: vmcs01's exits may take the short way; L2's take their row. */
u64 vmcs_host_rip(const struct cpu *cpu, bool of_vmcs01);
/* Writes all of it to the current VMCS, HOST_RIP as for L2. */
void vmcs_write_host(const struct cpu *cpu);
/* A segment register of the guest, in the current VMCS. */
struct segment vmcs_segment_read(enum seg_number i);
void vmcs_segment_write(enum seg_number i, const struct segment *s);
/* The field of the guest's PDPTE i. */
static inline u64 vmcs_pdpte(u32 i)
{
    return ENC_guest_pdptr0 + 2 * i;
}

/* A field's name; never NULL. */
const char *vmcs_field_name(u64 encoding);
/* Every field of the current VMCS that can be read, one line each. */
void vmcs_dump(void);

#endif
