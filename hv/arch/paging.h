/* SPDX-License-Identifier: BSD-2-Clause */
/* Paging-structure and EPT entry bits, memory types. */
#ifndef HV_ARCH_PAGING_H
#define HV_ARCH_PAGING_H

#include "hv/arch/bits.h"

/* SDM 3A 4.5 "4-Level Paging and 5-Level Paging" */
#define PTE_P    BIT(0)
#define PTE_W    BIT(1)
#define PTE_U    BIT(2)
#define PTE_PWT  BIT(3)
#define PTE_PCD  BIT(4)
#define PTE_A    BIT(5)
#define PTE_D    BIT(6)
#define PTE_PS   BIT(7)
#define PTE_G    BIT(8)
#define PTE_NX   BIT(63)
#define PTE_ADDR 0x000ffffffffff000ull

/* PAE paging. SDM 3A 4.4.1 "PDPTE Registers" */
#define CR3_PDPT       0xffffffe0u /* the bits of CR3 that hold the address of the PDPTEs */
#define PDPTE_RESERVED 0x1e6ull    /* the bits at and above MAXPHYADDR are reserved, too */

/* The bits that no physical address has: those at and above MAXPHYADDR. */
static inline u64 phys_reserved(unsigned maxphyaddr)
{
    return ~0ull << maxphyaddr;
}

/* True when the PDPTE is present and has a reserved bit set. phys_reserved: what the function of
 * that name returns. */
static inline bool pdpte_reserved_set(u64 pdpte, u64 phys_reserved)
{
    return any(pdpte, PTE_P) && any(pdpte, PDPTE_RESERVED | phys_reserved);
}

/* SDM 3C 29.3.2 "EPT Translation Mechanism" */
#define EPT_R           BIT(0)
#define EPT_W           BIT(1)
#define EPT_X           BIT(2)
#define EPT_RWX         (EPT_R | EPT_W | EPT_X)
#define EPT_MT(t)       ((u64)(t) << 3)
#define EPT_MT_MASK     (7ull << 3)
#define EPT_IPAT        BIT(6)
#define EPT_PS          BIT(7)
#define EPT_A           BIT(8)
#define EPT_D           BIT(9)
#define EPT_XU          BIT(10)
#define EPT_SUPPRESS_VE BIT(63)
#define EPT_ADDR        0x000ffffffffff000ull

/* SDM 3C 25.6.11 "Extended-Page-Table Pointer (EPTP)" */
#define EPTP_MT_MASK   7ull
#define EPTP_WALK_4    (3ull << 3)
#define EPTP_WALK_5    (4ull << 3)
#define EPTP_WALK_MASK (7ull << 3)
#define EPTP_AD        BIT(6)
#define EPTP_SSS       BIT(7)

/* Memory types as MTRRs, PAT and EPT encode them. SDM 3A 11.3 "Methods of Caching Available" */
/* clang-format off */
enum memtype {
    MT_UC = 0, MT_WC = 1, MT_WT = 4, MT_WP = 5, MT_WB = 6, MT_UC_MINUS = 7,
};
/* clang-format on */

#endif
