/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entries: the image of hostile_image.c written over whatever the current VMCS holds; what is seen
 * after the entry, and after a few further ones, is recorded, and compared with what the SDM lets
 * an entry and an exit change.
 */
#include "guest-tests/lib/hostile.h"

enum {
    ROUNDS = 4,
    HASHED_PAGES = 4,
    /* not ET, NW, CD and the reserved ones. SDM 3C 28.5.1 "Loading Host Control Registers, Debug
     * Registers, MSRs" */
    CR0_LOADED = 0x8005002f,
    ERR_LAUNCH_NOT_CLEAR = 4,
    ERR_RESUME_NOT_LAUNCHED = 5,
    REASON_GUEST_STATE = 33,
    REASON_APIC_ACCESS = 44,
};

/* nobody knows what L2 did: the timer ended it, or it read VMCS bytes, which are the
 * processor's affair */
static bool open_end;

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

/* A refused entry changes flags and the error field; one that fails later, exit reason and
 * qualification as well. On the emulator it changes more: CAVEAT(bochs-failed-entry-info). */
static void nothing_changed(const struct h_vmcs *v, bool vmfail)
{
    for (int i = 0; i < VMX_FIELDS; i++) {
        bool info = VMX_KIND(vmx_field[i].enc) == KIND_READ_ONLY;

        if (!l2_present[i] || i == VI_INSN_ERROR ||
            (!vmfail && (i == VI_EXIT_REASON || i == VI_EXIT_QUALIFICATION)))
            continue;
        if (v->partly && (info || VMX_KIND(vmx_field[i].enc) == KIND_GUEST))
            continue;
        if (info && !vmfail && !h.nidus)
            continue;
        h_check(l2_seen[i] == v->f[i], "refused entry: %s was %lx, is %lx", vmx_field[i].name,
                v->f[i], l2_seen[i]);
    }
}

/* An exit writes guest state and exit information; of the rest, few bits. */
static void only_guest_state_changed(const struct h_vmcs *v)
{
    for (int i = 0; i < VMX_FIELDS; i++) {
        u32 kind = VMX_KIND(vmx_field[i].enc);
        u64 may = i == VI_ENTRY_INTR_INFO ? INTR_VALID : i == VI_ENTRY_CTL ? ENTRY_IA32E : 0;

        if (!l2_present[i] || kind == KIND_READ_ONLY || kind == KIND_GUEST || i == VI_EPTP_INDEX ||
            i == VI_EPT_POINTER)
            continue;
        h_check(((l2_seen[i] ^ v->f[i]) & ~may) == 0, "exit: %s was %lx, is %lx", vmx_field[i].name,
                v->f[i], l2_seen[i]);
    }
}

static void host_loaded(void)
{
    const struct l1_state *s = &l2_seen_l1;
    const u64 *f = l2.f;
    bool list = f[VI_EXIT_MSR_LOAD_COUNT] != 0;

    h_check(s->cr3 == f[VI_HOST_CR3] && ((s->cr0 ^ f[VI_HOST_CR0]) & CR0_LOADED) == 0 &&
                s->cr4 == f[VI_HOST_CR4],
            "host cr0 %lx cr3 %lx cr4 %lx", s->cr0, s->cr3, s->cr4);
    h_check(s->sel[6] == 0 && s->sel[7] == f[VI_HOST_TR_SEL], "host ldtr %lx tr %lx", s->sel[6],
            s->sel[7]);
    for (int i = 0; i < 6; i++)
        h_check(s->sel[i] == f[VI_HOST_ES_SEL + i], "host selector %d %lx", i, s->sel[i]);
    h_check(s->fs_base == f[VI_HOST_FS_BASE] && s->gs_base == f[VI_HOST_GS_BASE],
            "host fs %lx gs %lx", s->fs_base, s->gs_base);
    h_check(s->gdtr_base == f[VI_HOST_GDTR_BASE] && s->gdtr_limit == 0xffff, "host gdtr %lx %lx",
            s->gdtr_base, s->gdtr_limit);
    h_check(s->idtr_base == f[VI_HOST_IDTR_BASE] && s->idtr_limit == 0xffff, "host idtr %lx %lx",
            s->idtr_base, s->idtr_limit);
    h_check(s->dr7 == 0x400 && l2_seen_rflags == 2, "host dr7 %lx rflags %lx", s->dr7,
            l2_seen_rflags);
    h_check(l2_seen_gpr[RSP] == f[VI_HOST_RSP], "host rsp %lx", l2_seen_gpr[RSP]);
    h_check(!(f[VI_EXIT_CTL] & EXIT_LOAD_EFER) || s->efer == f[VI_HOST_EFER], "host efer %lx",
            s->efer);
    h_check(list || !(f[VI_EXIT_CTL] & EXIT_LOAD_PAT) || s->pat == f[VI_HOST_PAT], "host pat %lx",
            s->pat);
    /* CAVEAT(bochs-sysenter-cs) */
    h_check(list ||
                ((s->sysenter_cs ^ f[VI_HOST_SYSENTER_CS]) & (h.nidus ? 0xffffffff : 0xffff)) == 0,
            "host sysenter_cs %lx", s->sysenter_cs);
    h_check(list || (s->sysenter_esp == f[VI_HOST_SYSENTER_ESP] &&
                     s->sysenter_eip == f[VI_HOST_SYSENTER_EIP]),
            "host sysenter_esp %lx", s->sysenter_esp);
    h_see("efer", s->efer);
    h_see("pat", s->pat);
    h_see("cr0", s->cr0);
}

/* What L2 wrote in its window, and what the store list got. The frame of an event may have another
 * RF where an EPT violation met its delivery: CAVEAT(bochs-delivery-rf). */
static void see_memory(void)
{
    static const u64 rf = 0x0001000000010000; /* of a frame of qwords or doublewords */
    static const u8 pages[HASHED_PAGES] = {P_DATA, P_STACK, P_STACK3, P_GDT};
    const u64 *list = arena(PG_EXIT_STORE);
    u64 sum = 0;

    for (unsigned p = 0; p < HASHED_PAGES; p++) {
        const u64 *at = arena(PG_L2 + pages[p]);

        for (u64 i = 0; i < 512; i++)
            sum = (sum ^ (p == 1 || p == 2 ? at[i] & ~rf : at[i])) * 0x100000001b3;
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

/* CAVEAT(bochs-fault-exit-rf); and which of two broken rules of the guest state the
 * qualification names is open. */
void h_unspecified(u32 reason)
{
    if (reason == REASON_EXCEPTION || reason == REASON_APIC_ACCESS ||
        reason == REASON_EPT_VIOLATION || reason == REASON_EPT_MISCONFIG)
        l2_seen[VI_GUEST_RFLAGS] =
            (l2_seen[VI_GUEST_RFLAGS] & ~FLAG_RF) | (l2.f[VI_GUEST_RFLAGS] & FLAG_RF);
    if (reason == (REASON_ENTRY_FAILED | REASON_GUEST_STATE) && l2.f[VI_VMCS_LINK_PTR] != ~0ul)
        l2_seen[VI_EXIT_QUALIFICATION] = 0;
}

bool h_outcome(struct h_vmcs *v, enum l2_outcome how)
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
    h_unspecified(reason);
    l2_seen[VI_GUEST_PHYSICAL_ADDR] = h_plain(l2_seen[VI_GUEST_PHYSICAL_ADDR]);
    for (int i = 0; h.crowd && i < VMX_FIELDS; i++) { /* what an older exit left undefined */
        if (VMX_KIND(vmx_field[i].enc) == KIND_READ_ONLY && i != VI_INSN_ERROR && how == L2_VMFAIL)
            l2_seen[i] = SENTINEL;
    }
    h_words(l2_text());
    if (open_end) {
        settle(v);
        h.hash = kept;
    }
    if (how == L2_EXIT && !open_end)
        see_memory();
    v->partly = false;
    return open_end;
}

/* L1 resumes L2 behind the instruction that made it exit. False when there is no such thing. */
static bool go_on(struct h_vmcs *v)
{
    u32 reason = (u32)v->f[VI_EXIT_REASON];
    u64 rip = v->f[VI_GUEST_RIP] + v->f[VI_EXIT_INSN_LEN];

    if (reason < 10 || (reason > 32 && reason != 36 && reason != 39 && reason != 40 &&
                        reason != 54 && reason != 58))
        return false;
    if (v->f[VI_EXIT_INSN_LEN] == 0 || v->f[VI_EXIT_INSN_LEN] > 15 || rip >= L2_BASE + 0x1000)
        return false;
    for (int i = 0; i < VMX_FIELDS; i++)
        l2.f[i] = v->f[i];
    l2.f[VI_GUEST_RIP] = rip;
    l2.f[VI_GUEST_INTERRUPTIBILITY] &= ~3ul;
    l2.f[VI_PREEMPTION_TIMER] = H_TIMER;
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
            h_check(how == L2_VMFAIL && l2_seen[VI_INSN_ERROR] == (resume ? ERR_RESUME_NOT_LAUNCHED
                                                                          : ERR_LAUNCH_NOT_CLEAR),
                    "launch state: error %lu", l2_seen[VI_INSN_ERROR]);
        if (how == L2_EXIT && !(l2_seen[VI_EXIT_REASON] & REASON_ENTRY_FAILED))
            v->launch = H_LAUNCHED;
        h_outcome(v, how);
        if (how == L2_VMFAIL || open_end || !go_on(v))
            break;
        store(v);
    }
}

/* A page of the hole that the VMCS names or L2 sees is empty for the time, as another one would be:
 * a VMCS may be in it. */
void h_step_entry(void)
{
    void *hole = (void *)(h.hole.base + 4096);

    h_ordinary();
    h_image();
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
