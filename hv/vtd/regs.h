/* SPDX-License-Identifier: BSD-2-Clause */
/* The registers of a VT-d unit (a DRHD), as far as Nidus uses them: offsets in bytes from the
 * unit's base, and bits. The names are those of Intel's "Virtualization Technology for Directed
 * I/O", chapter 11 (10 in older editions). */
#ifndef HV_VTD_REGS_H
#define HV_VTD_REGS_H

#include "hv/arch/types.h"

/* clang-format off */
enum vtd_register {
    VTD_VER = 0x00, VTD_CAP = 0x08, VTD_ECAP = 0x10, VTD_GCMD = 0x18, VTD_GSTS = 0x1c,
    VTD_RTADDR = 0x20, VTD_CCMD = 0x28, VTD_FSTS = 0x34, VTD_FECTL = 0x38, VTD_PMEN = 0x64,
    VTD_PLMBASE = 0x68, VTD_PLMLIMIT = 0x6c, VTD_PHMBASE = 0x70, VTD_PHMLIMIT = 0x78,
    VTD_IQH = 0x80, VTD_IQT = 0x88, VTD_IQA = 0x90,
};
/* clang-format on */

#define VTD_CAP_RWBF       (1ull << 4)
#define VTD_CAP_PLMR       (1ull << 5)
#define VTD_CAP_PHMR       (1ull << 6)
#define VTD_CAP_SAGAW_39   (1ull << 9)
#define VTD_CAP_SAGAW_48   (1ull << 10)
#define VTD_CAP_LEAF_2M    (1ull << 34)
#define VTD_CAP_LEAF_1G    (1ull << 35)
#define VTD_CAP_MGAW(cap)  ((u32)((cap) >> 16 & 0x3f) + 1)
#define VTD_CAP_FRO(cap)   ((u32)((cap) >> 24 & 0x3ff) * 16)
#define VTD_CAP_NFR(cap)   ((u32)((cap) >> 40 & 0xff) + 1)
#define VTD_ECAP_COHERENT  (1ull << 0)
#define VTD_ECAP_QI        (1ull << 1)
#define VTD_ECAP_IRO(ecap) ((u32)((ecap) >> 8 & 0x3ff) * 16)

/* GCMD and GSTS. A write of GCMD repeats what GSTS says of the bits that stay. */
#define VTD_TE         (1u << 31)
#define VTD_SRTP       (1u << 30)
#define VTD_WBF        (1u << 27)
#define VTD_QIE        (1u << 26)
#define VTD_IRE        (1u << 25)
#define VTD_GSTS_STAYS 0x96ffffffu

#define VTD_CCMD_GLOBAL  (1ull << 63 | 1ull << 61)
#define VTD_CCMD_BUSY    (1ull << 63)
#define VTD_IOTLB        8u                                     /* behind IRO */
#define VTD_IOTLB_GLOBAL (1ull << 63 | 1ull << 60 | 3ull << 48) /* with reads and writes drained */
#define VTD_IOTLB_BUSY   (1ull << 63)

#define VTD_FECTL_MASK (1u << 31)
#define VTD_PMEN_EPM   (1u << 31)
#define VTD_PMEN_PRS   (1u << 0)

/* Invalidation descriptors of 16 bytes: the low word; only that of a wait has a high one. */
#define VTD_INV_CONTEXT 0x11ull                /* global */
#define VTD_INV_IOTLB   0xd2ull                /* global, with reads and writes drained */
#define VTD_INV_WAIT    (1ull << 32 | 0x25ull) /* writes a 1 to the address in the high word */

/* FSTS, and a fault record of 16 bytes. */
#define VTD_FSTS_OVERFLOW  (1u << 0)
#define VTD_FSTS_PENDING   (1u << 1)
#define VTD_FSTS_FIRST(s)  ((s) >> 8 & 0xff)
#define VTD_RECORD_SIZE    16u
#define VTD_RECORD_VALID   (1ull << 63) /* these are of the high word */
#define VTD_RECORD_READ    (1ull << 62)
#define VTD_RECORD_ADDRESS (~0xfffull) /* and this of the low one */

#endif
