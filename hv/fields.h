/* SPDX-License-Identifier: BSD-2-Clause */
/* Which VMCS fields the processor has: what the capabilities tell is tried once, in a VMCS that
 * nobody runs. */
#ifndef HV_FIELDS_H
#define HV_FIELDS_H

#include "hv/vmx/vmx.h"

/*
 * Tries VMREAD of each field that vm->facts tell of, and VMWRITE where the field may be written.
 * Where the processor refuses a field, logs one line, takes what the field is for out of vm->facts,
 * and sets *narrowed. Returns false when Nidus cannot do without the field of the last line. A
 * processor may let software reach fields that it does not have (Alder Lake's erratum ADL003), so
 * this adds nothing. @pre a cleared VMCS is current
 */
bool fields_probe(struct cpu *cpu, bool *narrowed) MUST_CHECK;

#endif
