/* SPDX-License-Identifier: BSD-2-Clause */
/* Contract in bit_names.h; bits.def has the names. */
#include "hv/explain/bit_names.h"

struct named_bit {
    u8 word, bit;
    const char *name;
};
static const struct named_bit named_bits[] = {
#define NAMED(word, bit, name) {WORD_##word, bit, name},
#include "hv/vmcs12/bits.def"
};

const char *bit_name(enum bit_word word, unsigned bit)
{
    for (unsigned i = 0; i < ARRAY_LEN(named_bits); i++)
        if (named_bits[i].word == word && named_bits[i].bit == bit)
            return named_bits[i].name;
    return NULL;
}

enum bit_word bit_word_of(enum vmcs_field f)
{
    switch (f) {
    case F_pin_ctl:
        return WORD_PIN;
    case F_cpu1_ctl:
        return WORD_CPU1;
    case F_cpu2_ctl:
        return WORD_CPU2;
    case F_exit_ctl:
        return WORD_EXIT;
    case F_entry_ctl:
        return WORD_ENTRY;
    case F_vmfunc_ctl:
        return WORD_VMFUNC;
    case F_guest_interruptibility:
        return WORD_BLOCKING;
    case F_guest_pending_dbg_exceptions:
        return WORD_PENDING;
    case F_guest_cr0:
    case F_host_cr0:
    case F_cr0_guest_host_mask:
    case F_cr0_read_shadow:
        return WORD_CR0;
    case F_guest_cr4:
    case F_host_cr4:
    case F_cr4_guest_host_mask:
    case F_cr4_read_shadow:
        return WORD_CR4;
    case F_guest_efer:
    case F_host_efer:
        return WORD_EFER;
    case F_guest_rflags:
        return WORD_RFLAGS;
    default:
        return WORD_NONE;
    }
}
