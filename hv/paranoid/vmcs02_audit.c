/* SPDX-License-Identifier: BSD-2-Clause */
/* stress=paranoid: an image is what the VMCS holds, and what L1 reads. */
#include "hv/paranoid/audits.h"
#include "hv/nested/images/pack.h"
#include "hv/vmx/insn.h"

void vmcs02_audit(const struct nested *n)
{
#define FIELD(enc, width, area, name, gate, to02, to12)            \
    if (AREA_##area != AREA_RO && HAS(n->hw_gates, GATE_##gate) && \
        vmcs_read(enc) != UNPACK_##width(n->now->image02.name))    \
        panic("bug: vmcs02 and its image differ in %s", #name);
#include "hv/vmcs12/fields.def"
}

void shadow01_audit(const struct nested *n)
{
    const u8 *bitmap = n->shadow_bitmap[n->shadow_set][0];
    for (u32 f = 0; f < F_COUNT; f++) {
        u32 encoding = vmcs12_desc((enum vmcs_field)f)->encoding;
        if (!any(bitmap[encoding / 8], 1u << encoding % 8) &&
            vmcs_read(encoding) != vmcs12_get(&n->now->vmcs12, (enum vmcs_field)f))
            panic("bug: the shadow VMCS and VMCS12 differ in field %x", encoding);
    }
}
