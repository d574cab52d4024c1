/* SPDX-License-Identifier: BSD-2-Clause */
/* The names of bits, for the tool and for L0's log. */
#ifndef HV_EXPLAIN_BIT_NAMES_H
#define HV_EXPLAIN_BIT_NAMES_H

#include "hv/vmcs12/vmcs12.h"

/* The words whose bits have names. */
/* clang-format off */
enum bit_word {
    WORD_PIN, WORD_CPU1, WORD_CPU2, WORD_EXIT, WORD_ENTRY, WORD_VMFUNC, WORD_BLOCKING, WORD_PENDING,
    WORD_CR0, WORD_CR4, WORD_EFER, WORD_RFLAGS, WORD_BASIC, WORD_MISC, WORD_EPT_VPID, WORD_NONE
};
/* clang-format on */

/* The word that a field is, or WORD_NONE. */
enum bit_word bit_word_of(enum vmcs_field f);
/* The SDM's words for a bit; NULL for a bit without a name. */
const char *bit_name(enum bit_word word, unsigned bit);

#endif
