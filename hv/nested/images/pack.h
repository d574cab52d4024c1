/* SPDX-License-Identifier: BSD-2-Clause */
/* Converts the value of a VMREAD to a field of an image (PACK) and back for VMWRITE (UNPACK), for
 * inclusions of fields.def. Only access rights need code. */
#ifndef HV_NESTED_IMAGES_PACK_H
#define HV_NESTED_IMAGES_PACK_H

#include "hv/vmcs12/vmcs12.h"

/* True when `gates`, a set of BIT(enum vmcs_gate), has the gate. */
#define HAS(gates, gate) ((gate) == GATE_ALWAYS || any((gates), BIT(gate)))

#define PACK_W16(v)   ((u16)(v))
#define PACK_W32(v)   ((u32)(v))
#define PACK_W64(v)   (v)
#define PACK_WNW(v)   (v)
#define PACK_WAR(v)   ar_pack((u32)(v))
#define UNPACK_W16(v) (v)
#define UNPACK_W32(v) (v)
#define UNPACK_W64(v) (v)
#define UNPACK_WNW(v) (v)
#define UNPACK_WAR(v) ar_unpack(v)

#endif
