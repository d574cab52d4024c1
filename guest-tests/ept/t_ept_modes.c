/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EPT12 under guests of every paging mode: PDPTEs of a PAE guest in the VMCS, loaded by MOV CR3 and
 * MOV CR0 through EPT12, saved at exits; real mode with interrupts through its vector table. And
 * L1s without EPT for their guests (shadow paging), where PDPTEs come from memory at every entry.
 *
 * Right: With EPT the PDPTE fields are loaded at the entry and saved at the exit, and MOV to CR3
 * loads them through EPT12. Without EPT the entry loads them from memory at CR3, and a reserved
 * bit fails it (exit reason 33). SDM 3C 27.3.1.6 "Checks on Guest Page-Directory-Pointer-Table
 * Entries"
 */
#include "guest-tests/lib/vmx_ept.h"
#include "guest-tests/lib/vmx_insn.h"

enum {
    T_PD = PG_L2_TABLES + 2,
    T_PT = PG_L2_TABLES + 3,
    T_PAE = PG_L2_TABLES + 4,
    PG_PAE_ALT = PG_EPT_FREE,
    PG_PD_ALT,
    PG_PT_ALT,
    PG_LOW,
    GPTE = 7
};

#define MOV_CR3_READ      "\x0f\x22\xd8\x8b\x0b"         /* MOV CR3, EAX; MOV ECX, [EBX] */
#define MOV_CR3_EXIT_READ "\x0f\x22\xd8\x0f\xa2\x8b\x0b" /* and a CPUID between */

static void set_pdptes(void)
{
    u64 *pdpt = (u64 *)l2.f[VI_GUEST_CR3];

    for (unsigned i = 0; i < 4; i++)
        l2.f[VI_GUEST_PDPTE0 + i] = pdpt[i];
}

/* A second set of PAE tables that shows PG_DATA_B where the first shows the data page of L2. */
static void build_alternative(void)
{
    u64 *pdpt = arena(PG_PAE_ALT), *pd = arena(PG_PD_ALT), *pt = arena(PG_PT_ALT);

    SetMem(pdpt, 4096, 0);
    CopyMem(pd, arena(T_PD), 4096);
    CopyMem(pt, arena(T_PT), 4096);
    pdpt[0] = ARENA_AT(PG_PD_ALT) | 1;
    pdpt[3] = 0;
    pd[0] = ARENA_AT(PG_PT_ALT) | GPTE;
    pt[L2_AT(P_DATA) >> 12] = ARENA_AT(PG_DATA_B) | GPTE;
}

static void pae_world(bool ept)
{
    ept_world(L2_PAE, 0);
    ept_split();
    build_alternative();
    set_pdptes();
    if (!ept)
        l2.f[VI_PROC2_CTL] = 0;
    ept_invept(INVEPT_ALL, 0);
}

static void go(const char *name, const char *code, size_t len, u64 cr3)
{
    l2_code(code, len);
    l2.gpr[RAX] = cr3;
    l2.gpr[RBX] = L2_AT(P_DATA);
    l2_write();
    l2_enter(false);
    gt_line("%s: %s rip +%lx ecx %lx pdptes %lx %lx %lx %lx cr3 %lx", name, ept_result(),
            l2_seen[VI_GUEST_RIP] - l2.f[VI_GUEST_RIP], l2_seen_gpr[RCX], l2_seen[VI_GUEST_PDPTE0],
            l2_seen[VI_GUEST_PDPTE0 + 1], l2_seen[VI_GUEST_PDPTE0 + 2],
            l2_seen[VI_GUEST_PDPTE0 + 3], l2_seen[VI_GUEST_CR3]);
}
#define GO(NAME, CODE, CR3) go(NAME, CODE, sizeof(CODE) - 1, CR3)

/* MOV to CR3 reads the PDPTEs: an EPT violation is an exit, a reserved bit is #GP(0), and CR3 stays
 * as it was. SDM 3A 4.4.1 "PDPTE Registers" */
static void pae(bool ept)
{
    u64 *alt = arena(PG_PAE_ALT);
    const char *name[6] = {"pae.ept.cr3",
                           "pae.ept.cr3 absent",
                           "pae.ept.cr3 execute-only",
                           "pae.ept.pdpte reserved",
                           "pae.ept.pdpte of vmcs wins",
                           "pae.ept.across exit"};

    pae_world(ept);
    GO(ept ? name[0] : "pae.shadow.cr3", MOV_CR3_READ, ARENA_AT(PG_PAE_ALT));
    if (ept) {
        *ept_leaf_of(PG_PAE_ALT) = 0;
        ept_invept(INVEPT_ALL, 0);
        GO(name[1], MOV_CR3_READ, ARENA_AT(PG_PAE_ALT));
        *ept_leaf_of(PG_PAE_ALT) = ARENA_AT(PG_PAE_ALT) | E_X | E_WB;
        ept_invept(INVEPT_ALL, 0);
        GO(name[2], MOV_CR3_READ, ARENA_AT(PG_PAE_ALT));
    }
    pae_world(ept);
    alt[3] = 0x1e1; /* reserved bits: #GP, and CR3 as before */
    GO(ept ? name[3] : "pae.shadow.pdpte reserved", MOV_CR3_READ, ARENA_AT(PG_PAE_ALT));
    /* Memory and VMCS disagree: with EPT the VMCS decides, without it memory. */
    pae_world(ept);
    l2.f[VI_GUEST_PDPTE0] = ARENA_AT(PG_PD_ALT) | 1;
    GO(ept ? name[4] : "pae.shadow.memory wins", "\x90\x90\x90\x8b\x0b", 0);
    /* MOV CR3, an exit, the PDPT in memory changed: the loaded entries hold with EPT. */
    pae_world(ept);
    GO(ept ? name[5] : "pae.shadow.across exit", MOV_CR3_EXIT_READ, ARENA_AT(PG_PAE_ALT));
    alt[0] = ARENA_AT(T_PD) | 1;
    vmx_vmwrite(V_GUEST_RIP, l2_seen[VI_GUEST_RIP] + 2);
    l2_enter(true);
    gt_line("pae.%s.resumed: %s ecx %lx pdpte %lx", ept ? "ept" : "shadow", ept_result(),
            l2_seen_gpr[RCX], ept ? l2_seen[VI_GUEST_PDPTE0] : 0);
}

/* From flat protected mode to PAE paging by MOV CR0 in L2. */
static void pae_on(void)
{
    pae_world(true);
    l2.f[VI_PROC2_CTL] |= PROC2_UNRESTRICTED;
    l2.f[VI_GUEST_CR0] &= ~CR0_PG;
    l2.f[VI_GUEST_CR3] = ARENA_AT(PG_PAE_ALT);
    SetMem(&l2.f[VI_GUEST_PDPTE0], 32, 0);
    *(u64 *)arena(PG_E_PD0) = ARENA_AT(PG_LOW) | E_RWX; /* the window at its linear addresses */
    for (unsigned i = 0; i < L2_PAGES; i++)
        ((u64 *)arena(PG_LOW))[(L2_BASE >> 12) + i] = ARENA_AT(PG_L2 + i) | E_RWX | E_WB;
    ept_invept(INVEPT_ALL, 0);
    GO("pae.on", "\x0f\x22\xc0\x8b\x0b", CR0_PG | CR0_NE | CR0_WP | 0x11);
    *ept_leaf_of(PG_PAE_ALT) = 0;
    ept_invept(INVEPT_ALL, 0);
    GO("pae.on absent", "\x0f\x22\xc0\x8b\x0b", CR0_PG | CR0_NE | CR0_WP | 0x11);
}

/* Real mode: an interrupt through the vector table at linear 0, whose page is new to L0, then
 * absent. An absent table is a violation, with the event in the IDT-vectoring information. SDM 3C
 * 28.2.4 "Information for VM Exits During Event Delivery" */
static void real(bool present, u64 event)
{
    u64 *low = arena(PG_LOW);

    ept_world(L2_V86, 0);
    ept_split();
    SetMem(low, 4096, 0);
    *(u64 *)arena(PG_E_PD0) = ARENA_AT(PG_LOW) | E_RWX;
    for (unsigned i = 0; i < L2_PAGES; i++)
        low[(L2_BASE >> 12) + i] = ARENA_AT(PG_L2 + i) | E_RWX | E_WB;
    low[0] = present ? ARENA_AT(PG_DATA_B) | E_RWX | E_WB : 0;
    ((u32 *)arena(PG_DATA_B))[0x21] = (L2_BASE >> 4) << 16 | (P_HANDLERS * 4096 + 0x210);
    l2_code("\xcd\x21", 2);
    l2.f[VI_PROC2_CTL] |= PROC2_UNRESTRICTED;
    l2.f[VI_GUEST_CR0] = CR0_NE | 0x10;
    l2.f[VI_GUEST_RFLAGS] = 2 | FLAG_IF;
    l2.f[VI_GUEST_CS_AR] = 0x9b;
    l2.f[VI_GUEST_SS_AR] = l2.f[VI_GUEST_DS_AR] = l2.f[VI_GUEST_ES_AR] = l2.f[VI_GUEST_FS_AR] =
        l2.f[VI_GUEST_GS_AR] = 0x93;
    l2.f[VI_GUEST_IDTR_BASE] = 0;
    l2.f[VI_GUEST_IDTR_LIMIT] = 0x3ff;
    l2.f[VI_ENTRY_INTR_INFO] = event;
    l2.f[VI_ENTRY_INSN_LEN] = event ? 2 : 0;
    ept_invept(INVEPT_ALL, 0);
    l2_write();
    l2_enter(false);
    gt_line("real.%s.event %lx: %s idt %lx rip %lx sp %lx", present ? "present" : "absent", event,
            ept_result(), l2_seen[VI_IDT_VECTORING_INFO], l2_seen[VI_GUEST_RIP],
            l2_seen[VI_GUEST_RSP]);
}

/* Two sets of tables, one linear address: each EPTP in turn, for every paging mode. */
static void modes_in_turn(void)
{
    for (unsigned mode = 0; mode < L2_MODES; mode++)
        for (unsigned turn = 0; turn < 2; turn++) {
            ept_world((enum l2_mode)mode, turn ? EPTP_AD_ON : 0);
            ept_split();
            if (mode == L2_PAE)
                set_pdptes();
            ept_invept(INVEPT_ALL, 0);
            if (mode < L2_16) {
                ept_touch(ACCESS_READ, L2_AT(P_DATA));
            } else {
                l2_code("", 0);
                l2_write();
                l2_enter(false);
            }
            gt_line("mode.%s.turn %u: %s", l2_mode_name[mode], turn, ept_result());
        }
}

TEST_MAIN(ept_modes)
{
    vmx_begin();
    if (ept_usable() && vmx_on()) {
        l2_init();
        pae(true);
        pae(false);
        pae_on();
        for (unsigned present = 0; present < 2; present++) {
            real(present, 0);
            real(present, INTR_VALID | INTR_SOFT_INT | 0x21);
            real(present, INTR_VALID | INTR_EXTERNAL | 0x21);
        }
        modes_in_turn();
    }
    vmx_end();
}
