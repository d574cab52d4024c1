/* Which exceptions of L2 are exits to L1. What is true of any guest's events is
 * hv/arch/event.h's. */
#ifndef HV_VMCS12_EVENT_H
#define HV_VMCS12_EVENT_H

#include "hv/vmcs12/vmcs12.h"

/* True when vmcs12 has L1 see this exception of L2, by the exception bitmap and for #PF the
 * error-code mask and match. SDM 3C 25.6.3 "Exception Bitmap" */
bool event_exits_to_l1(const struct vmcs_image *v12, u8 vector, u32 error);

#endif
