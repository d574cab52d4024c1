/*
 * Entries: a valid image, bent or not, written over whatever the current VMCS holds; what is seen after the entry, and
 * after a few further ones, is recorded, and compared with what the SDM lets an entry and an exit change.
 */
#include "guest-tests/lib/hostile.h"

enum {
    TIMER_LIMIT = 200000,
    ROUNDS = 4,
    HASHED_PAGES = 4,
    CR0_LOADED = 0x8005002f, /* not ET, NW, CD and the reserved ones. SDM 3C 28.5.1 "Loading Host Control Registers, Debug Registers, MSRs" */
    ERR_LAUNCH_NOT_CLEAR = 4,
    ERR_RESUME_NOT_LAUNCHED = 5,
    REASON_GUEST_STATE = 33,
    REASON_APIC_ACCESS = 44,
};

#define AR_DPL 0x60ul

static bool open_end; /* nobody knows what L2 did: the timer ended it, or it read VMCS bytes, which are the processor's affair */

static u32 list_msr(bool legal)
{
    static const u32 good[] = {MSR_KERNEL_GS_BASE, MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_FMASK, MSR_SYSENTER_CS, MSR_SYSENTER_ESP,
                               MSR_SYSENTER_EIP, MSR_PAT};
    static const u32 bad[] = {MSR_FS_BASE, MSR_GS_BASE, 0x802, MSR_VMX_MISC, MSR_FEATURE_CONTROL, 0x8ff};

    return legal ? good[h_below(sizeof good / sizeof *good)] : bad[h_below(sizeof bad / sizeof *bad)];
}

/* An element that cannot be loaded is a refused entry in the entry's list, and the end of L1 in the exit's two. */
static void lists(void)
{
    for (unsigned page = PG_ENTRY_LOAD; page <= PG_EXIT_LOAD; page++) {
        u64 *list = arena(page);

        for (unsigned i = 0; i < 3; i++) {
            list[2 * i] = list_msr(page != PG_ENTRY_LOAD || h_chance(80));
            list[2 * i + 1] = list[2 * i] == MSR_PAT ? 0x0007040600070406 ^ h_below(2) << 24 : 0x1000 + h_below(0x7000);
        }
        if (page == PG_ENTRY_LOAD && h_chance(10))
            list[2 * h_below(3)] |= 1ul << (32 + h_below(32));
        if (page == PG_ENTRY_LOAD && h_chance(10))
            list[1] = 0x8000000000000000;
    }
    if (h_chance(60))
        return;
    l2.f[VI_ENTRY_MSR_LOAD_COUNT] = h_below(4);
    l2.f[VI_EXIT_MSR_STORE_COUNT] = h_below(4);
    l2.f[VI_EXIT_MSR_LOAD_COUNT] = h_below(4);
    if (h_chance(10))
        l2.f[VI_ENTRY_MSR_LOAD_ADDR] = h_chance(50) ? H_NOWHERE : H_GAP;
}

/* Pages that a VMCS names, where no memory is or where Nidus lies. */
static void pages_anywhere(void)
{
    static const struct {
        u8 field;
        u32 proc, proc2; /* what makes the processor use it */
    } fields[] = {
        {VI_MSR_BITMAP, PROC_MSR_BITMAPS, 0}, {VI_VIRTUAL_APIC_ADDR, PROC_TPR_SHADOW, 0}, {VI_APIC_ACCESS_ADDR, 0, PROC2_APIC_ACCESS},
        {VI_VIRT_EXCEPTION_INFO, 0, PROC2_EPT_VE}, {VI_EPTP_LIST_ADDR, 0, PROC2_VMFUNC}, {VI_VMREAD_BITMAP, 0, PROC2_SHADOW},
        {VI_VMWRITE_BITMAP, 0, PROC2_SHADOW}, {VI_VMCS_LINK_PTR, 0, 0}, {VI_IO_BITMAP_A, PROC_IO_BITMAPS, 0}, {VI_EPT_POINTER, 0, PROC2_EPT},
    };
    static const u64 places[] = {H_NOWHERE, H_TOP, H_GAP, 0x10000000000, ~0ul};
    unsigned k = (unsigned)h_below(sizeof fields / sizeof *fields);
    u8 i = fields[k].field;
    u64 at = places[h_below(sizeof places / sizeof *places)];

    l2.f[i] = h_chance(25) ? h.hole.base + 4096 : at;
    if (i == VI_EPT_POINTER)
        l2.f[i] |= EPTP_WALK4_WB;
    if (h_chance(70)) {
        l2.f[VI_PROC_CTL] |= fields[k].proc;
        l2.f[VI_PROC2_CTL] |= fields[k].proc2;
        l2.f[VI_VM_FUNCTION_CTL] = i == VI_EPTP_LIST_ADDR;
        if (i == VI_VIRTUAL_APIC_ADDR)
            l2.f[VI_PROC_CTL] &= ~(u64)(PROC_CR8_LOAD | PROC_CR8_STORE);
        if (i == VI_VIRTUAL_APIC_ADDR && l2.mode == L2_64) { /* CR8 written and read there */
            l2_code("\x44\x0f\x22\xc3\x44\x0f\x20\xc1", 8);
            l2.gpr[RBX] = h_below(16);
        }
        if (i == VI_IO_BITMAP_A)
            l2.f[VI_PROC_CTL] &= ~(u64)PROC_UNCOND_IO;
    }
    h_note(" %s=%lx", vmx_field[i].name, h_plain(l2.f[i]));
}

static void inject(void)
{
    static const u32 types[] = {INTR_EXTERNAL, INTR_NMI, INTR_HARD_EXC, INTR_HARD_EXC, INTR_SOFT_INT, INTR_PRIV_SOFT, INTR_SOFT_EXC, INTR_RESERVED};
    u32 type = types[h_below(8)], vector = (u32)(type == INTR_NMI && h_chance(80) ? 2 : type == INTR_HARD_EXC ? h_below(32) : h_below(256));

    if (h_chance(70))
        return;
    if (type == INTR_SOFT_EXC && h_chance(80))
        vector = 3 + (u32)h_below(2);
    l2.f[VI_ENTRY_INTR_INFO] = INTR_VALID | type | vector;
    if (type == INTR_HARD_EXC && (0x227d00 >> vector & 1) != h_chance(10))
        l2.f[VI_ENTRY_INTR_INFO] |= INTR_ERROR_CODE;
    l2.f[VI_ENTRY_INTR_ERROR] = h_chance(80) ? h_below(0x8000) : vmx_random_edge() & 0xffffffff;
    l2.f[VI_ENTRY_INSN_LEN] = h_chance(90) ? 1 + h_below(15) : h_below(20);
    h_note(" inject %lx", l2.f[VI_ENTRY_INTR_INFO]);
}

/* The random-VMCS generator's changes, and controls that make L2's own instructions take another way. */
static void bend(void)
{
    static const u32 proc[] = {PROC_TPR_SHADOW, PROC_MSR_BITMAPS, PROC_CR3_LOAD, PROC_CR3_STORE, PROC_CR8_LOAD, PROC_CR8_STORE, PROC_MOV_DR,
                               PROC_INVLPG, PROC_RDTSC, PROC_RDPMC, PROC_PAUSE, PROC_HLT, PROC_TSC_OFFSET, PROC_NMI_WINDOW, PROC_INTR_WINDOW};
    static const u32 proc2[] = {PROC2_APIC_ACCESS, PROC2_DESC_TABLE, PROC2_VPID, PROC2_WBINVD, PROC2_INVPCID, PROC2_RDRAND, PROC2_SHADOW,
                                PROC2_UNRESTRICTED, PROC2_EPT_VE, PROC2_VMFUNC};

    for (u64 k = h_below(3); k > 0; k--)
        l2.f[VI_PROC_CTL] ^= proc[h_below(sizeof proc / sizeof *proc)];
    for (u64 k = h_below(3); k > 0; k--)
        l2.f[VI_PROC2_CTL] ^= proc2[h_below(sizeof proc2 / sizeof *proc2)];
    if (h_chance(25))
        l2.f[VI_EXCEPTION_BITMAP] ^= 1ul << h_below(32);
    if (h_chance(10))
        l2.f[VI_CR0_MASK] = vmx_random_edge();
    if (h_chance(10))
        l2.f[VI_CR4_MASK] = vmx_random_edge() & ~(CR4_PAE | CR4_PSE);
    if (h_chance(20))
        l2.f[VI_EXIT_CTL] ^= h_chance(50) ? EXIT_LOAD_PAT : EXIT_LOAD_EFER;
    if (h_chance(20))
        l2.f[VI_EXIT_CTL] ^= h_chance(50) ? EXIT_SAVE_PAT : EXIT_SAVE_TIMER;
    for (u64 k = h_chance(45) ? 1 + h_below(2) : 0; k > 0; k--) {
        int i = vmx_random_field();

        l2.f[i] = vmx_random_value(i, l2.f[i]);
        h_note(" %s=%lx", vmx_field[i].name, l2.f[i]);
    }
}

/* Pages that a VMCS may name: not one whose bytes only the processor understands, nor the tables that it would write in. */
static void addresses(void)
{
    static const u8 fields[] = {VI_MSR_BITMAP, VI_VIRTUAL_APIC_ADDR, VI_APIC_ACCESS_ADDR, VI_VIRT_EXCEPTION_INFO, VI_EPTP_LIST_ADDR,
                                VI_VMREAD_BITMAP, VI_VMWRITE_BITMAP, VI_IO_BITMAP_A, VI_IO_BITMAP_B, VI_ENTRY_MSR_LOAD_ADDR};
    const int link = h_region(l2.f[VI_VMCS_LINK_PTR]);
    u64 eptp = l2.f[VI_EPT_POINTER];

    for (unsigned k = 0; k < sizeof fields; k++) {
        u64 *at = &l2.f[fields[k]], page = (*at - ARENA) >> 12;

        if (page < ARENA_PAGES && (page < PG_IO_A || (page > PG_SCRATCH && page != PG_H_EMPTY)))
            *at = ARENA_AT(PG_SCRATCH) | (*at & 0xfff);
    }
    if ((eptp & E_ADDR) - ARENA < ARENA_PAGES * 4096 && (eptp & E_ADDR) != ARENA_AT(PG_E_PML4))
        l2.f[VI_EPT_POINTER] = ARENA_AT(PG_H_EMPTY) | (eptp & 0xfff);
    if ((eptp & E_ADDR) != ARENA_AT(PG_E_PML4))
        l2.f[VI_EPT_POINTER] &= ~(u64)EPTP_AD_ON; /* CAVEAT(bochs-ept-walk-read) */
    if (l2.f[VI_PROC2_CTL] & PROC2_SHADOW && link != H_NONE && (h.vmcs[link].tainted || h.vmcs[link].unsure))
        l2.f[VI_VMCS_LINK_PTR] = ~0ul;
}

/* What would end the emulator, or L1: see vmx_random.c, which leaves the same out. */
static void agree(void)
{
    bool ept = l2.f[VI_PROC2_CTL] & PROC2_EPT;

    vmx_random_agree();
    l2.f[VI_EXIT_MSR_STORE_ADDR] = l2.f[VI_EXIT_MSR_STORE_COUNT] ? ARENA_AT(PG_EXIT_STORE) : l2.f[VI_EXIT_MSR_STORE_ADDR];
    l2.f[VI_EXIT_MSR_LOAD_ADDR] = l2.f[VI_EXIT_MSR_LOAD_COUNT] ? ARENA_AT(PG_EXIT_LOAD) : l2.f[VI_EXIT_MSR_LOAD_ADDR];
    l2.f[VI_PIN_CTL] |= PIN_TIMER;
    if (l2.f[VI_ENTRY_INTR_INFO] >> 8 == (INTR_VALID | INTR_OTHER) >> 8)
        l2.f[VI_ENTRY_INTR_INFO] ^= 0x100; /* CAVEAT(bochs-inject-other) */
    if (!ept)
        l2.f[VI_PROC2_CTL] &= ~(u64)(PROC2_UNRESTRICTED | PROC2_EPT_VE);
    if (l2.f[VI_PROC2_CTL] & PROC2_UNRESTRICTED && l2.f[VI_ENTRY_CTL] & ENTRY_IA32E)
        l2.f[VI_GUEST_CR0] |= CR0_PG; /* CAVEAT(bochs-ia32e-unpaged) */
    if (l2.f[VI_PROC2_CTL] & PROC2_UNRESTRICTED) /* CAVEAT(bochs-cs-ss-dpl) */
        l2.f[VI_GUEST_SS_AR] = (l2.f[VI_GUEST_SS_AR] & ~AR_DPL) | (l2.f[VI_GUEST_CS_AR] & AR_DPL);
    addresses();
    if (l2.f[VI_PREEMPTION_TIMER] == 0 || l2.f[VI_PREEMPTION_TIMER] > TIMER_LIMIT)
        l2.f[VI_PREEMPTION_TIMER] = TIMER_LIMIT;
}

static void image(void)
{
    static const u8 wide[] = {L2_64, L2_64, L2_64_R3, L2_COMPAT, L2_COMPAT_R3};
    static const u8 narrow[] = {L2_PAE, L2_32, L2_32_R3, L2_16, L2_V86};
    /* The window is built anew when the width changes, which takes long: not at every entry. */
    enum l2_mode mode = h_group(32) & 1 ? narrow[h_below(5)] : wide[h_below(5)];

    if (h_chance(35)) {
        h_ept_image(mode);
    } else {
        l2_world(mode);
        ((u64 *)arena(PG_L2_TABLES + 1))[1] = ((u64 *)arena(PG_L2_TABLES + 1))[2] = 0; /* what EPT's test places left */
        l2.f[VI_PROC_CTL] |= PROC_SECONDARY;
        l2.f[VI_EPT_POINTER] = ARENA_AT(PG_H_EMPTY) | EPTP_WALK4_WB;
    }
    l2.f[VI_PREEMPTION_TIMER] = TIMER_LIMIT;
    l2.f[VI_VPID] = h_below(3);
    l2.f[VI_EPTP_LIST_ADDR] = ARENA_AT(PG_H_EMPTY);
    l2.f[VI_VIRT_EXCEPTION_INFO] = ARENA_AT(PG_SCRATCH);
    h_note(" %s", l2_mode_name[mode]);
    bend();
    h_l2_program();
    lists();
    inject();
    if (h_chance(12))
        pages_anywhere();
    agree();
}

/* The image into the current VMCS: what is known to be there already is not written. */
static void store(struct h_vmcs *v)
{
    for (int i = 0; i < VMX_FIELDS; i++) {
        u64 want = l2_initial(i);

        if (!l2_present[i])
            continue;
        if (v->tainted || v->f[i] != want)
            vmx_vmwrite(vmx_field[i].enc, want);
        v->f[i] = want;
    }
    v->tainted = v->unsure = false;
}

/* A refused entry changes flags and the error field; one that fails later, exit reason and qualification as well. On the
 * emulator it changes more: CAVEAT(bochs-failed-entry-info). */
static void nothing_changed(const struct h_vmcs *v, bool vmfail)
{
    for (int i = 0; i < VMX_FIELDS; i++) {
        bool info = VMX_KIND(vmx_field[i].enc) == KIND_READ_ONLY;

        if (!l2_present[i] || i == VI_INSN_ERROR || (!vmfail && (i == VI_EXIT_REASON || i == VI_EXIT_QUALIFICATION)))
            continue;
        if (info && !vmfail && !h.nidus)
            continue;
        h_check(l2_seen[i] == v->f[i], "refused entry: %s was %lx, is %lx", vmx_field[i].name, v->f[i], l2_seen[i]);
    }
}

/* An exit writes guest state and exit information; of the rest, few bits. */
static void only_guest_state_changed(const struct h_vmcs *v)
{
    for (int i = 0; i < VMX_FIELDS; i++) {
        u32 kind = VMX_KIND(vmx_field[i].enc);
        u64 may = i == VI_ENTRY_INTR_INFO ? INTR_VALID : i == VI_ENTRY_CTL ? ENTRY_IA32E : 0;

        if (!l2_present[i] || kind == KIND_READ_ONLY || kind == KIND_GUEST || i == VI_EPTP_INDEX || i == VI_EPT_POINTER)
            continue;
        h_check(((l2_seen[i] ^ v->f[i]) & ~may) == 0, "exit: %s was %lx, is %lx", vmx_field[i].name, v->f[i], l2_seen[i]);
    }
}

static void host_loaded(void)
{
    const struct l1_state *s = &l2_seen_l1;
    const u64 *f = l2.f;
    bool list = f[VI_EXIT_MSR_LOAD_COUNT] != 0;

    h_check(s->cr3 == f[VI_HOST_CR3] && ((s->cr0 ^ f[VI_HOST_CR0]) & CR0_LOADED) == 0 && s->cr4 == f[VI_HOST_CR4],
            "host cr0 %lx cr3 %lx cr4 %lx", s->cr0, s->cr3, s->cr4);
    h_check(s->sel[6] == 0 && s->sel[7] == f[VI_HOST_TR_SEL], "host ldtr %lx tr %lx", s->sel[6], s->sel[7]);
    for (int i = 0; i < 6; i++)
        h_check(s->sel[i] == f[VI_HOST_ES_SEL + i], "host selector %d %lx", i, s->sel[i]);
    h_check(s->fs_base == f[VI_HOST_FS_BASE] && s->gs_base == f[VI_HOST_GS_BASE], "host fs %lx gs %lx", s->fs_base, s->gs_base);
    h_check(s->gdtr_base == f[VI_HOST_GDTR_BASE] && s->gdtr_limit == 0xffff, "host gdtr %lx %lx", s->gdtr_base, s->gdtr_limit);
    h_check(s->idtr_base == f[VI_HOST_IDTR_BASE] && s->idtr_limit == 0xffff, "host idtr %lx %lx", s->idtr_base, s->idtr_limit);
    h_check(s->dr7 == 0x400 && l2_seen_rflags == 2, "host dr7 %lx rflags %lx", s->dr7, l2_seen_rflags);
    h_check(l2_seen_gpr[RSP] == f[VI_HOST_RSP], "host rsp %lx", l2_seen_gpr[RSP]);
    h_check(!(f[VI_EXIT_CTL] & EXIT_LOAD_EFER) || s->efer == f[VI_HOST_EFER], "host efer %lx", s->efer);
    h_check(list || !(f[VI_EXIT_CTL] & EXIT_LOAD_PAT) || s->pat == f[VI_HOST_PAT], "host pat %lx", s->pat);
    /* CAVEAT(bochs-sysenter-cs) */
    h_check(list || ((s->sysenter_cs ^ f[VI_HOST_SYSENTER_CS]) & (h.nidus ? 0xffffffff : 0xffff)) == 0, "host sysenter_cs %lx", s->sysenter_cs);
    h_check(list || (s->sysenter_esp == f[VI_HOST_SYSENTER_ESP] && s->sysenter_eip == f[VI_HOST_SYSENTER_EIP]), "host sysenter_esp %lx", s->sysenter_esp);
    h_see("efer", s->efer);
    h_see("pat", s->pat);
    h_see("cr0", s->cr0);
}

/* What L2 wrote in its window, and what the store list got. */
static void see_memory(void)
{
    static const u8 pages[HASHED_PAGES] = {P_DATA, P_STACK, P_STACK3, P_GDT};
    const u64 *list = arena(PG_EXIT_STORE);
    u64 sum = 0;

    for (unsigned p = 0; p < HASHED_PAGES; p++) {
        const u64 *at = arena(PG_L2 + pages[p]);

        for (u64 i = 0; i < 512; i++)
            sum = (sum ^ at[i]) * 0x100000001b3;
    }
    h_see("window", sum);
    for (u64 i = 0; i < l2.f[VI_EXIT_MSR_STORE_COUNT] && i < 4; i++)
        h_see("list", list[2 * i + 1]);
}

/* MSRs and registers that L2 shares with L1 are put right. */
static void settle(struct h_vmcs *v)
{
    v->unsure = true;
    for (u32 msr = MSR_STAR; msr <= MSR_FMASK; msr++)
        gt_wrmsr(msr, 0);
    gt_wrmsr(MSR_KERNEL_GS_BASE, 0);
    gt_write_dr0(0);
    gt_write_dr6(0xffff0ff0);
    gt_write_cr8(0);
    gt_write_cr2(0);
    gt_zero_pages(arena(PG_VAPIC), 1);
    gt_zero_pages(arena(PG_SCRATCH), 2);
}

/* CAVEAT(bochs-fault-exit-rf); and which of two broken rules of the guest state the qualification names is open. */
static void unspecified(u32 reason)
{
    if (reason == REASON_EXCEPTION || reason == REASON_APIC_ACCESS || reason == REASON_EPT_VIOLATION || reason == REASON_EPT_MISCONFIG)
        l2_seen[VI_GUEST_RFLAGS] = (l2_seen[VI_GUEST_RFLAGS] & ~FLAG_RF) | (l2.f[VI_GUEST_RFLAGS] & FLAG_RF);
    if (reason == (REASON_ENTRY_FAILED | REASON_GUEST_STATE) && l2.f[VI_VMCS_LINK_PTR] != ~0ul)
        l2_seen[VI_EXIT_QUALIFICATION] = 0;
}

static void outcome(struct h_vmcs *v, enum l2_outcome how)
{
    u32 reason = (u32)l2_seen[VI_EXIT_REASON];
    bool failed = how == L2_EXIT && reason & REASON_ENTRY_FAILED;

    const u64 kept = h.hash;

    open_end = how == L2_EXIT && (reason == REASON_TIMER || h_l2_touches_vmcs());
    if (how == L2_VMFAIL || failed)
        nothing_changed(v, how == L2_VMFAIL);
    else
        only_guest_state_changed(v);
    for (int i = 0; i < VMX_FIELDS; i++) {
        if (l2_present[i])
            v->f[i] = l2_seen[i];
    }
    if (how == L2_EXIT)
        host_loaded();
    l2.flags = NO_MEM | (reason == REASON_TIMER ? NO_REGS | NO_FIELDS : 0);
    unspecified(reason);
    l2_seen[VI_GUEST_PHYSICAL_ADDR] = h_plain(l2_seen[VI_GUEST_PHYSICAL_ADDR]);
    h_words(l2_text());
    if (open_end) {
        settle(v);
        h.hash = kept;
    }
    if (how == L2_EXIT && !open_end)
        see_memory();
}

/* L1 resumes L2 behind the instruction that made it exit. False when there is no such thing. */
static bool go_on(struct h_vmcs *v)
{
    u32 reason = (u32)v->f[VI_EXIT_REASON];
    u64 rip = v->f[VI_GUEST_RIP] + v->f[VI_EXIT_INSN_LEN];

    if (reason < 10 || (reason > 32 && reason != 36 && reason != 39 && reason != 40 && reason != 54 && reason != 58))
        return false;
    if (v->f[VI_EXIT_INSN_LEN] == 0 || v->f[VI_EXIT_INSN_LEN] > 15 || rip >= L2_BASE + 0x1000)
        return false;
    for (int i = 0; i < VMX_FIELDS; i++)
        l2.f[i] = v->f[i];
    l2.f[VI_GUEST_RIP] = rip;
    l2.f[VI_GUEST_INTERRUPTIBILITY] &= ~3ul;
    l2.f[VI_PREEMPTION_TIMER] = TIMER_LIMIT;
    for (unsigned i = 0; i < 16; i++)
        l2.gpr[i] = l2_seen_gpr[i];
    return true;
}

static void rounds(struct h_vmcs *v)
{
    bool wrong = h_chance(6);

    for (unsigned round = 0; round < ROUNDS; round++) {
        bool resume = (v->launch == H_LAUNCHED) != (wrong && round == 0);
        enum l2_outcome how = l2_enter(resume);

        if (wrong && round == 0)
            h_check(how == L2_VMFAIL && l2_seen[VI_INSN_ERROR] == (resume ? ERR_RESUME_NOT_LAUNCHED : ERR_LAUNCH_NOT_CLEAR),
                    "launch state: error %lu", l2_seen[VI_INSN_ERROR]);
        if (how == L2_EXIT && !(l2_seen[VI_EXIT_REASON] & REASON_ENTRY_FAILED))
            v->launch = H_LAUNCHED;
        outcome(v, how);
        if (how == L2_VMFAIL || open_end || !go_on(v))
            break;
        store(v);
    }
}

/* A page of the hole that the VMCS names or L2 sees is empty for the time, as another one would be: a VMCS may be in it. */
void h_step_entry(void)
{
    void *hole = (void *)(h.hole.base + 4096);

    h_ordinary();
    image();
    h_announce();
    h_copy_page(arena(PG_H_KEPT), hole);
    gt_zero_pages(hole, 1);
    store(h_current());
    rounds(h_current());
    h_copy_page(hole, arena(PG_H_KEPT));
    if (h_l2_touches_vmcs())
        h_taint_all();
    if (h_region(l2.f[VI_VMCS_LINK_PTR]) != H_NONE && h_region(l2.f[VI_VMCS_LINK_PTR]) != h.current)
        h_taint(h_region(l2.f[VI_VMCS_LINK_PTR]));
}
