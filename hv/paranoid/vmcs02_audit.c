/* SPDX-License-Identifier: BSD-2-Clause */
/* stress=paranoid: an image is what the VMCS holds. */
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
