/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory operands of L2's VMREAD and VMWRITE of a shadow VMCS where L1 uses EPT: EPT12
 * decides about the operand and about the tables on the way to it, and what it forbids is
 * L1's exit or L2's #VE with all that tells where; accessed and dirty flags of EPT12; pages
 * that no one has touched yet.
 */
#include "guest-tests/lib/vmx_ept.h"
#include "guest-tests/lib/vmx_insn.h"
#include "guest-tests/lib/vmx_shadow.h"

enum {
    PG_DATA = PG_L2 + P_DATA,
    PG_STACK = PG_L2 + P_STACK,
    PG_INFO = PG_EPT_FREE, /* of #VE */
    PG_OWN_PDPT, /* tables that only the operand needs: one absent must not stop L2's fetch */
    PG_OWN_PD,
    PG_OWN_PT,
    HELD = 0x100, /* offset of the operand */
    SMALL = 0x67, /* present, writable, user, accessed, dirty */
};

struct shape {
    const char *name;
    u8 mode, page; /* whose leaf of EPT12 is changed */
    bool write;    /* VMWRITE, so the operand is read */
    u64 at, leaf;  /* the operand; the new leaf, without the address */
};
#define LEAF(RIGHTS) ((RIGHTS) | E_WB)
#define DATA         (L2_AT(P_DATA) + HELD)
#define EDGE         (L2_AT(P_STACK) - 4)
#define OWN64        (0x8000000000ul + HELD)
#define OWN32        (0x400000ul + HELD)
#define OWN_PAE      (0x200000ul + HELD)

/* A right that EPT12 lacks is exit reason 48, a bad entry is 49, and a page fault by L2's own
 * tables comes before both. Accessed and dirty flags are set only where EPTP enables them. SDM
 * 3C 29.3.3.1 "EPT Misconfigurations", SDM 3C 29.3.3.2 "EPT Violations", SDM 3C 29.3.5 "Accessed
 * and Dirty Flags for EPT" */
static const struct shape shapes[] = {
    {"read", L2_64, PG_DATA, false, DATA, LEAF(E_RWX)},
    {"write", L2_64, PG_DATA, true, DATA, LEAF(E_RWX)},
    {"read absent", L2_64, PG_DATA, false, DATA, 0},
    {"write absent", L2_64, PG_DATA, true, DATA, 0},
    {"read into r", L2_64, PG_DATA, false, DATA, LEAF(E_R)},
    {"write from r", L2_64, PG_DATA, true, DATA, LEAF(E_R)},
    {"read into rx", L2_64, PG_DATA, false, DATA, LEAF(E_R | E_X)},
    {"read into rw", L2_64, PG_DATA, false, DATA, LEAF(E_R | E_W)},
    {"write from x", L2_64, PG_DATA, true, DATA, LEAF(E_X)},
    {"misconfigured", L2_64, PG_DATA, false, DATA, LEAF(E_W)},
    {"reserved type", L2_64, PG_DATA, true, DATA, E_RWX | 2 << 3},
    {"across, first absent", L2_64, PG_DATA, false, EDGE, 0},
    {"across, second absent", L2_64, PG_STACK, false, EDGE, 0},
    {"across, second r", L2_64, PG_STACK, false, EDGE, LEAF(E_R)},
    {"write across, second absent", L2_64, PG_STACK, true, EDGE, 0},
    {"page fault first", L2_64, PG_L2 + P_READ_ONLY, false, L2_AT(P_READ_ONLY), 0},
    {"from read-only absent", L2_64, PG_L2 + P_READ_ONLY, true, L2_AT(P_READ_ONLY), 0},
    {"own", L2_64, PG_OWN_PT, false, OWN64, LEAF(E_RWX)},
    {"own pdpt absent", L2_64, PG_OWN_PDPT, false, OWN64, 0},
    {"own pd absent", L2_64, PG_OWN_PD, true, OWN64, 0},
    {"own pt absent", L2_64, PG_OWN_PT, false, OWN64, 0},
    {"own pt misconfigured", L2_64, PG_OWN_PT, true, OWN64, LEAF(E_W)},
    {"own pt r", L2_64, PG_OWN_PT, false, OWN64, LEAF(E_R)},
    {"read", L2_32, PG_DATA, false, DATA, LEAF(E_RWX)},
    {"read absent", L2_32, PG_DATA, false, DATA, 0},
    {"own", L2_32, PG_OWN_PT, true, OWN32, LEAF(E_RWX)},
    {"own pt absent", L2_32, PG_OWN_PT, true, OWN32, 0},
    {"own", L2_PAE, PG_OWN_PT, false, OWN_PAE, LEAF(E_RWX)},
    {"own pt absent", L2_PAE, PG_OWN_PT, false, OWN_PAE, 0},
    {"read into r", L2_PAE, PG_DATA, false, DATA, LEAF(E_R)},
};

static const char *flags_of(u64 leaf)
{
    static const char *const text[4] = {"-", "A", "D", "AD"};

    return text[leaf >> 8 & 3];
}

static void own_tables(enum l2_mode mode)
{
    u64 *pml4 = arena(PG_L2_TABLES), *pd = arena(PG_L2_TABLES + 2);
    u32 *pd32 = arena(PG_L2_TABLES + 5), *pt32 = arena(PG_OWN_PT);

    pml4[1] = ARENA_AT(PG_OWN_PDPT) | SMALL;
    *(u64 *)arena(PG_OWN_PDPT) = ARENA_AT(PG_OWN_PD) | SMALL;
    *(u64 *)arena(PG_OWN_PD) = pd[1] = ARENA_AT(PG_OWN_PT) | SMALL;
    pd32[1] = (u32)ARENA_AT(PG_OWN_PT) | SMALL;
    if (mode == L2_32)
        pt32[0] = (u32)ARENA_AT(PG_DATA) | SMALL;
    else
        *(u64 *)arena(PG_OWN_PT) = ARENA_AT(PG_DATA) | SMALL;
}

static void prepare(const struct shape *s, u64 eptp_flags)
{
    static const char code[2][4] = {"\x0f\x78\x08", "\x0f\x79\x08"};

    ept_world((enum l2_mode)s->mode, eptp_flags);
    ept_split();
    own_tables((enum l2_mode)s->mode);
    shadow_control();
    if (s->mode == L2_PAE) /* PDPTEs come from the VMCS when EPT is in use */
        l2.f[VI_GUEST_PDPTE0] = *(u64 *)arena(PG_L2_TABLES + 4);
    shadow_fill();
    l2_code(code[s->write], 3);
    l2.gpr[RAX] = s->at;
    l2.gpr[RCX] = V_GUEST_TR_BASE;
    *ept_leaf_of(s->page) = s->leaf ? ARENA_AT(s->page) | s->leaf : 0;
}

static void shape(const struct shape *s, u64 eptp_flags)
{
    char name[60];

    prepare(s, eptp_flags);
    gt_format(name, sizeof name, "%s%s", eptp_flags ? "ad " : "", s->name);
    l2_write();
    shadow_enter();
    shadow_resume_flag(name);
    l2_report(name);
    shadow_left(name);
    gt_line("%s.%s.flags: operand %s table %s", l2_mode_name[l2.mode], l2_one_word(name),
            flags_of(*ept_leaf_of(s->page)), flags_of(*ept_leaf_of(PG_OWN_PT)));
}

/* SDM 3C 26.5.7.1 "Convertible EPT Violations": what would be the exit is #VE in L2. */
static void converted(const char *name, const struct shape *s, u64 suppress)
{
    u64 *info = arena(PG_INFO);

    prepare(s, 0);
    SetMem(info, 4096, 0);
    l2.f[VI_PROC2_CTL] |= PROC2_EPT_VE;
    l2.f[VI_VIRT_EXCEPTION_INFO] = ARENA_AT(PG_INFO);
    l2.f[VI_EXCEPTION_BITMAP] = 0;
    *ept_leaf_of(s->page) |= suppress;
    l2_write();
    shadow_enter();
    shadow_resume_flag(name);
    l2_report(name);
    gt_line("%s.%s.info: %lx q %lx gla %lx gpa %lx", l2_mode_name[l2.mode], name, info[0], info[1],
            info[2], info[3]);
}

TEST_MAIN(vmx_shadow_ept)
{
    vmx_begin();
    if (vmx_has2(PROC2_SHADOW) && ept_usable() && vmx_on()) {
        l2_init();
        for (unsigned i = 0; i < sizeof shapes / sizeof *shapes;
             i += (unsigned)vmx_option("every", 1)) {
            shape(&shapes[i], 0);
            shape(&shapes[i], EPTP_AD_ON);
        }
        if (vmx_has2(PROC2_EPT_VE)) {
            static const struct shape absent[] = {{"", L2_64, PG_DATA, false, DATA, 0},
                                                  {"", L2_64, PG_OWN_PT, true, OWN64, 0}};

            converted("ve_operand", &absent[0], 0);
            converted("ve_suppressed", &absent[0], E_SUPPRESS);
            converted("ve_table", &absent[1], 0);
        }
    }
    vmx_end();
}
