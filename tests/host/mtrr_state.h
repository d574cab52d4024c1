/* SPDX-License-Identifier: BSD-2-Clause */
/* States of the MTRRs for tests, written short. */
#ifndef TESTS_HOST_MTRR_STATE_H
#define TESTS_HOST_MTRR_STATE_H

#include "hv/arch/mtrr.h"
#include "hv/arch/msr.h"
#include "hv/arch/paging.h"

#define CAP   (8 | MTRRCAP_FIX | MTRRCAP_WC)
#define ON    (MTRR_DEF_TYPE_EN)
#define FIX   (MTRR_DEF_TYPE_EN | MTRR_DEF_TYPE_FIX_EN)
#define V     MTRR_PHYSMASK_VALID
#define PA    40u
#define M(sz) (((1ull << PA) - (sz)) | V)

static struct mtrr_state blank(u64 def_type)
{
    return (struct mtrr_state){.cap = CAP, .def_type = def_type, .maxphyaddr = PA};
}

static void pair(struct mtrr_state *s, unsigned i, u64 base, u64 size, u64 type)
{
    s->base[i] = base | type;
    s->mask[i] = M(size);
}

#endif
