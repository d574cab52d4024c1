/* SPDX-License-Identifier: BSD-2-Clause */
/* Contract in gt_attack.h. */
#include "guest-tests/lib/gt_attack.h"
#include "guest-tests/lib/gt_cpu.h"

enum { RWX = ATTACK_RWX, WB = ATTACK_WB, LIST = ATTACK_LIST, EPTP_FLAGS = ATTACK_EPTP };

static u64 dice(u64 *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1d;
}

/* The good entry, or a bent one. Whatever it maps is a page of the victim's own. */
static u64 ept_entry(u64 good, u64 r)
{
    static const u64 flip[] = {0,        1,      2,        4,         RWX,       WB,
                               1 << 3,   1 << 8, 1ul << 9, 1ul << 51, 1ul << 45, 1ul << 63,
                               3ul << 3, 6,      5,        1 << 11};

    return good ^ flip[r % 16];
}

u64 attack_leaf(const struct victim *v, u64 r)
{
    return (u64)v->frame[r & 1] | RWX | WB;
}

static void attack_ept(struct victim *v, u64 r)
{
    u64 how = r >> 8;

    switch (r & 3) {
    /* clang-format off */
    case 0: *(volatile u64 *)v->pt = ept_entry(attack_leaf(v, how), how >> 8); break;
    case 1: *(volatile u64 *)v->pd = ept_entry((u64)v->pt | RWX, how); break;
    case 2: *(volatile u64 *)v->pdpt = ept_entry((u64)v->pd | RWX, how); break;
    default: ((volatile u64 *)v->pml4[how & 1])[1] = ept_entry((u64)v->pdpt | RWX, how >> 8); break;
        /* clang-format on */
    }
}

/* An entry that cannot be loaded only refuses the VM entry. The lists of the exit stay good: what
 * they refuse is a VMX abort. */
static void attack_lists(struct victim *v, u64 r)
{
    static const u32 msrs[] = {0xc0000102, 0xc0000081, 0xc0000082, 0x174, 0x175, 0xc0000103,
                               0xc0000100, 0xc0000101, 0x808,      0x8ff, 0x480, 0xc0000102};
    volatile u64 *in = v->entry_load + 2 * (r >> 8 & (LIST - 1));

    switch (r & 3) {
    /* clang-format off */
    case 0: in[0] = msrs[(r >> 16) % 12]; break;
    case 1: in[0] = msrs[(r >> 16) % 12] | 1ul << (32 + (r >> 40 & 31)); break;
    case 2: in[1] = r; break;
    default: v->exit_load[1] = r >> 20; v->exit_store[1] = r; break;
        /* clang-format on */
    }
}

static void attack_bytes(struct victim *v, u64 r)
{
    u8 *const page[] = {v->msr_bitmap, v->io_bitmap, v->vmread_bitmap, v->vmwrite_bitmap,
                        v->vapic,      v->ve_area,   v->shadow,        v->shadow};
    volatile u64 *word = (volatile u64 *)page[r & 7] + (r >> 8 & 511);

    if ((r & 7) == 4 && r >> 61 == 0) /* what L1 and L0 read of it */
        word = (volatile u64 *)(v->vapic + 0x80);
    *word = r & 64 ? dice(&r) : 0;
}

static void attack_operands(struct victim *v, u64 r)
{
    u64 choice[] = {(u64)v->other_vmcs,
                    (u64)v->other_vmcs | 8,
                    1ul << 50,
                    (u64)v->pml4[0] | EPTP_FLAGS,
                    (u64)v->pml4[1] | EPTP_FLAGS,
                    (u64)v->pml4[0] | 7,
                    r,
                    0};

    if (r >> 62)
        ((volatile u64 *)v->operand)[r >> 8 & (ATTACK_OPERANDS - 1)] = choice[r & 7] & ~1ul;
    else
        ((volatile u64 *)v->eptp_list)[r >> 8 & 3] = choice[3 + (r & 3)];
}

static void attack_paging(struct victim *v, u64 r)
{
    static const u64 flip[] = {0, 1, 2, 4, 1 << 5, 1 << 6, 1ul << 51, 1ul << 63};

    *(volatile u64 *)v->page_pte = v->page_good ^ flip[r >> 8 & 7];
}

void attack_once(struct victim *v, u64 *state)
{
    u64 r = dice(state);

    switch (r >> 56 & 7) {
    /* clang-format off */
    case 0: case 1: attack_ept(v, dice(state)); break;
    case 2: attack_lists(v, dice(state)); break;
    case 3: case 4: attack_bytes(v, dice(state)); break;
    case 5: attack_operands(v, dice(state)); break;
    case 6: attack_paging(v, dice(state)); break;
    default:
        if (v->page_is_idle) /* elsewhere this is the VMCS, and its host state L1's */
            ((volatile u64 *)v->vmcs)[r & 511] = dice(state);
        break;
        /* clang-format on */
    }
}
