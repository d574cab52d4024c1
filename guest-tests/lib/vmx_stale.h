/* What may and may not be cached of EPT12 and of L2's linear addresses: see vmx_stale.c. */
#ifndef GUEST_TESTS_LIB_VMX_STALE_H
#define GUEST_TESTS_LIB_VMX_STALE_H

#include "hv/arch/types.h"

/* The whole suite. `strict`: the machine keeps stale entries as long as the SDM lets it, so an
 * INVEPT left out must show; elsewhere it may or may not. */
void stale_suite(bool strict);

#endif
