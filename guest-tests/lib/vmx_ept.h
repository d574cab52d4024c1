/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EPT12 for the nested guest tests: tables at fixed pages, an identity map of the arena, and three
 * test places (one 4 KiB, one 2 MiB, one 1 GiB leaf) that show one data page. The L2 world
 * (vmx_l2.h) runs on it unchanged; its linear addresses of the test places equal their
 * guest-physical ones. Entry bits are typed from SDM 3C 29.3.2 "EPT Translation Mechanism".
 */
#ifndef GUEST_TESTS_LIB_VMX_EPT_H
#define GUEST_TESTS_LIB_VMX_EPT_H

#include "guest-tests/lib/vmx.h"
#include "guest-tests/lib/vmx_l2.h"

#define E_R        1ul
#define E_W        2ul
#define E_X        4ul
#define E_RWX      7ul
#define E_WB       (6ul << 3)
#define E_TYPE     (7ul << 3)
#define E_IPAT     (1ul << 6)
#define E_PS       (1ul << 7)
#define E_A        (1ul << 8)
#define E_D        (1ul << 9)
#define E_IGNORED  (1ul << 11)
#define E_SUPPRESS (1ul << 63)
#define E_ADDR     0xffffffffff000ul

enum {
    REASON_VMFUNC = 59,
    MSR_EPT_VPID_CAP = 0x48c,
    EPTP_WALK4_WB = 3 << 3 | 6,
    EPTP_AD_ON = 1 << 6,
};

/* Pages of the arena. */
enum {
    PG_E_PML4 = PG_FREE,
    PG_E_PDPT,
    PG_E_PD0,    /* 0 to 1 GiB: the arena's 2 MiB */
    PG_E_PD1,    /* 1 to 2 GiB: the test places of 4 KiB and 2 MiB */
    PG_E_PT0,    /* the arena in 4 KiB leaves, when ept_split() was called */
    PG_E_PT1,    /* 4 KiB test place */
    PG_DATA_A,   /* what the test places show */
    PG_DATA_B,   /* another page, to be shown instead */
    PG_EPT_FREE, /* to ARENA_PAGES - 2: for the test itself */
};

/* Guest-physical (and linear) addresses of the first byte of the data page in each place. */
#define AT_4K    0x40000000ul
#define AT_2M    (0x40200000ul + PG_DATA_A * 4096ul)
#define AT_1G    (0x80000000ul + ARENA + PG_DATA_A * 4096ul)
#define WORD_A   0xa5a5a5a5000000aaul /* the first qword of each data page */
#define WORD_B   0x5b5b5b5b000000bbul
#define FETCH_AT 0x100 /* VMCALL stands there in both */

struct ept_place {
    const char *name;
    u64 at;         /* of the data page */
    unsigned level; /* of its leaf: 1, 2, 3 */
};
extern const struct ept_place ept_place[3];

bool ept_usable(void); /* EPT and unrestricted guest are offered; @pre vmx_begin() */
void ept_world(enum l2_mode mode, u64 eptp_flags); /* l2_world(), tables built anew, EPT on */
void ept_window(void);                             /* L2's own paging shows the test places */
void ept_split(void);                              /* the arena by 4 KiB leaves (PG_E_PT0) */
u64 *ept_entry(u64 gpa, unsigned level);           /* EPT12's entry of that level above gpa */
u64 *ept_leaf_of(unsigned page); /* the leaf of a page of the arena; @pre ept_split() */

/* INVEPT and INVVPID with a descriptor; the result as enum vmx_status. */
int ept_invept(u64 type, u64 eptp);
int ept_invvpid(u64 type, u64 vpid, u64 address);
enum { INVEPT_ONE = 1, INVEPT_ALL = 2 };
enum { INVVPID_ADDRESS, INVVPID_ONE, INVVPID_ALL, INVVPID_ONE_KEEP_GLOBALS };

enum ept_access { ACCESS_READ, ACCESS_WRITE, ACCESS_MODIFY, ACCESS_FETCH, ACCESSES };
extern const char *const ept_access_name[ACCESSES];
/* L2 accesses `at` in a fresh VMCS; l2_seen tells how it ended. A read's value is in RAX. */
void ept_touch(enum ept_access access, u64 at);
/* "exit 48 q 181 gla 40000000 gpa 40000000": what is defined of the last exit; a static buffer. */
const char *ept_result(void);

u64 ept_l2_exits(u32 reason); /* under Nidus: exits of L2 with this reason so far; else 0 */

#endif
