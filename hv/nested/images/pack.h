/* A field of an image as VMREAD and VMWRITE have it, for inclusions of fields.def: what is known at build time, as
 * nearly everything is, costs nothing. */
#ifndef HV_NESTED_IMAGES_PACK_H
#define HV_NESTED_IMAGES_PACK_H

#include "hv/vmcs12/vmcs12.h"

/* The gate is open by a set of BIT(enum vmcs_gate). */
#define HAS(gates, gate) ((gate) == GATE_ALWAYS || any((gates), BIT(gate)))

#define PACK_W16(v) ((u16)(v))
#define PACK_W32(v) ((u32)(v))
#define PACK_W64(v) (v)
#define PACK_WNW(v) (v)
#define PACK_WAR(v) ar_pack((u32)(v))
#define UNPACK_W16(v) (v)
#define UNPACK_W32(v) (v)
#define UNPACK_W64(v) (v)
#define UNPACK_WNW(v) (v)
#define UNPACK_WAR(v) ar_unpack(v)

#endif
