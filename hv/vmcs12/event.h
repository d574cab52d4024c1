/* SPDX-License-Identifier: BSD-2-Clause */
/* Which exceptions of L2 are exits to L1. hv/arch/event.h has what holds for events of every
 * guest. */
#ifndef HV_VMCS12_EVENT_H
#define HV_VMCS12_EVENT_H

#include "hv/vmcs12/vmcs12.h"

/* True when vmcs12 makes this exception of L2 an exit to L1. The exception bitmap decides, and for
 * #PF also the error-code mask and match. error: the error code, looked at for #PF only.
 * SDM 3C 25.6.3 "Exception Bitmap" */
bool event_exits_to_l1(const struct vmcs_image *v12, u8 vector, u32 error);

#endif
