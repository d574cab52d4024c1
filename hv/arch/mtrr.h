/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory types by the MTRRs, as values: the type of an address, whether a block has one type
 * only, and whether a WRMSR to an MTRR would be legal. SMRR is not looked at: it acts in SMM
 * and on accesses to SMRAM alone. SDM 3A 11.11 "Memory Type Range Registers (MTRRs)"
 */
#ifndef HV_ARCH_MTRR_H
#define HV_ARCH_MTRR_H

#include "hv/arch/bits.h"

/* The architecture allows 255 variable ranges; processors have at most about ten. A machine
 * with more than this must be refused at bring-up. */
#define MTRR_VARIABLE_MAX 32u
#define MTRR_FIXED_COUNT  11u

struct mtrr_state {
    u64 cap;                     /* IA32_MTRRCAP */
    u64 def_type;                /* IA32_MTRR_DEF_TYPE */
    u64 fixed[MTRR_FIXED_COUNT]; /* FIX64K_00000, FIX16K_80000, _A0000, FIX4K_C0000 .. _F8000 */
    u64 base[MTRR_VARIABLE_MAX];
    u64 mask[MTRR_VARIABLE_MAX];
    u32 maxphyaddr;
};

/* The number of variable ranges in use, never above MTRR_VARIABLE_MAX. */
u32 mtrr_variable_count(const struct mtrr_state *s);

/* True when both give every address the same memory type by the same registers. Ranges that are
 * switched off make no difference. Both are of processors with the same physical-address width. */
bool mtrr_alike(const struct mtrr_state *a, const struct mtrr_state *b) MUST_CHECK;

/* The memory type (enum memtype: UC, WC, WT, WP or WB) of the 4 KiB page around hpa, a physical
 * address of the machine. SDM 3A 11.11.4.1 "MTRR Precedences" */
u8 mtrr_type(const struct mtrr_state *s, u64 hpa);

/* True when every page of the block at hpa has one memory type. size: in bytes, a power of two of
 * at least 4 KiB; hpa is aligned to size. *type becomes the type of the first page, whatever the
 * answer. The answer may be false for a uniform block when the masks are so fragmented that a true
 * answer would take long. A 4 KiB block is always uniform. */
bool mtrr_uniform(const struct mtrr_state *s, u64 hpa, u64 size, u8 *type) MUST_CHECK;

/* The member of *s that holds the MSR, or NULL when this processor has no such MTRR: RDMSR and
 * WRMSR then cause #GP(0). The read-only IA32_MTRRCAP is found, too. */
u64 *mtrr_reg(struct mtrr_state *s, u32 msr);

/* False when WRMSR of the value causes #GP(0): this processor has no such MTRR, the MTRR is
 * read-only, or the value has a reserved bit or an undefined memory type. */
bool mtrr_write_legal(const struct mtrr_state *s, u32 msr, u64 value) MUST_CHECK;

#endif
