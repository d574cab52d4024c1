/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hypervisor with more VMCSs than the one below it may keep at hand. Each has an L2 of its own,
 * which lives on over many entries: L1 goes from one to another, changes a few fields, pages and
 * EPT12 entries, enters, and reads back much or little. So a VM entry meets a VMCS12 that is the
 * last one's or an old one's, lent or at home, evicted, cleared, copied to another region.
 *
 * Guest state that was not read back is not in the model (h_vmcs.partly). What is read is recorded.
 */
#include "guest-tests/lib/hostile_crowd.h"

enum {
    CHANGES = 3,
    REASON_LAST_WITH_LENGTH = 32,
};

struct crowd_member crowd[H_REGIONS];
bool crowd_shadow_filled;
static u64 plain[VMX_FIELDS]; /* an image that nobody bent */

int vmx_door(const u64 *gpr, bool resume) GT_HIDDEN;
extern u64 vmx_door_out[18] GT_HIDDEN;

void h_crowd_reset(void)
{
    SetMem(crowd, sizeof crowd, 0);
    crowd_shadow_filled = false;
    l2_world(L2_64);
    CopyMem(plain, l2.f, sizeof plain);
}

static bool wide(enum l2_mode mode)
{
    return mode <= L2_COMPAT_R3;
}

void crowd_load(int k)
{
    struct h_vmcs *v = &h.vmcs[k];

    if (h.current == k && h_chance(90))
        return;
    h_check(vmx_vmptrld(v->at) == VMX_OK, "vmptrld of region %d", k);
    h.current = k;
}

void crowd_clear(int k)
{
    h_check(vmx_vmclear(h.vmcs[k].at) == VMX_OK, "vmclear of region %d", k);
    h.vmcs[k].launch = H_CLEAR;
    if (h.current == k)
        h.current = H_NONE;
}

/* All programs lie in one page, which every new world wipes. */
void crowd_lay_code(void)
{
    for (unsigned k = 0; k < H_REGIONS; k++)
        CopyMem((u8 *)arena(PG_L2 + P_CODE) + k * CROWD_CODE, crowd[k].code, CROWD_CODE);
}

static void make(int k)
{
    struct h_vmcs *v = &h.vmcs[k];
    struct crowd_member *m = &crowd[k];

    h_root();
    if (v->revision != H_GOOD || v->launch == H_UNKNOWN || h_chance(50)) {
        crowd_clear(k);
        *(u32 *)v->at = h.revision;
        v->revision = H_GOOD;
    }
    do
        h_image();
    while (h_l2_touches_vmcs());
    if (h_chance(80)) { /* a list keeps L0 off its short path */
        l2.f[VI_ENTRY_MSR_LOAD_COUNT] = l2.f[VI_EXIT_MSR_STORE_COUNT] = 0;
        l2.f[VI_EXIT_MSR_LOAD_COUNT] = 0;
    }
    CopyMem(m->code, arena(PG_L2 + P_CODE), CROWD_CODE);
    l2.f[VI_GUEST_RIP] += (u64)k * CROWD_CODE;
    h_agree();
    m->made = true;
    m->mode = l2.mode;
    CopyMem(m->base, l2.f, sizeof m->base);
    CopyMem(m->base_gpr, l2.gpr, sizeof m->base_gpr);
    CopyMem(m->gpr, l2.gpr, sizeof m->gpr);
    crowd_load(k);
    for (int i = 0; i < VMX_FIELDS; i++) {
        v->f[i] = l2_initial(i);
        if (l2_present[i])
            vmx_vmwrite(vmx_field[i].enc, v->f[i]);
    }
    v->tainted = v->unsure = v->partly = false;
    crowd_lay_code();
}

static bool read_only(int i)
{
    return VMX_KIND(vmx_field[i].enc) == KIND_READ_ONLY;
}

/* The guest state as it was made; controls and host state if they differ. */
static void back_to_base(int k)
{
    struct h_vmcs *v = &h.vmcs[k];
    struct crowd_member *m = &crowd[k];

    for (int i = 0; i < VMX_FIELDS; i++) {
        bool guest = VMX_KIND(vmx_field[i].enc) == KIND_GUEST;

        if (!l2_present[i] || read_only(i) || (!guest && v->f[i] == m->base[i]))
            continue;
        vmx_vmwrite(vmx_field[i].enc, m->base[i]);
        v->f[i] = m->base[i];
    }
    CopyMem(m->gpr, m->base_gpr, sizeof m->gpr);
}

static void set(struct h_vmcs *v, int i, u64 value)
{
    vmx_vmwrite(vmx_field[i].enc, value);
    v->f[i] = value;
}

/* How far L2 came until the timer is nobody's business: all L2s begin anew. */
static void unmake_all(void)
{
    for (unsigned k = 0; k < H_REGIONS; k++)
        crowd[k].made = false;
}

/* What L1 does about an exit. */
static void react(int k)
{
    struct h_vmcs *v = &h.vmcs[k];
    struct crowd_member *m = &crowd[k];
    u32 reason = (u32)l2_seen[VI_EXIT_REASON];
    u64 length = l2_seen[VI_EXIT_INSN_LEN], rip = l2_seen[VI_GUEST_RIP];
    u64 event = l2_seen[VI_EXIT_INTR_INFO];

    CopyMem(m->gpr, l2_seen_gpr, sizeof m->gpr);
    set(v, VI_GUEST_RFLAGS, l2_seen[VI_GUEST_RFLAGS] & ~FLAG_RF); /* CAVEAT(bochs-fault-exit-rf) */
    if (reason == REASON_VMCALL) {
        set(v, VI_GUEST_RIP, m->base[VI_GUEST_RIP]);
        if (h_chance(40))
            CopyMem(m->gpr, m->base_gpr, sizeof m->gpr);
    } else if ((reason >= REASON_CPUID && reason <= REASON_LAST_WITH_LENGTH) || reason == 36 ||
               reason == 39 || reason == 40 || reason == 46 || reason == 47 || reason == 54 ||
               reason == 55 || reason == 58) {
        set(v, VI_GUEST_RIP, rip + length);
        set(v, VI_GUEST_INTERRUPTIBILITY, l2_seen[VI_GUEST_INTERRUPTIBILITY] & ~3ul);
    } else if (reason == REASON_INTR_WINDOW || reason == REASON_NMI_WINDOW) {
        u32 window = reason == REASON_INTR_WINDOW ? PROC_INTR_WINDOW : PROC_NMI_WINDOW;

        set(v, VI_PROC_CTL, v->f[VI_PROC_CTL] & ~(u64)window);
    } else if (reason == REASON_EXCEPTION && h_chance(40)) {
        set(v, VI_ENTRY_INTR_INFO, event & 0x80000fff);
        set(v, VI_ENTRY_INTR_ERROR, l2_seen[VI_EXIT_INTR_ERROR] & 0x7fff);
        set(v, VI_ENTRY_INSN_LEN, length & 15);
    } else {
        back_to_base(k);
    }
}

/* The image that it was made with may be refused as well. */
static void refused(int k)
{
    if (h_chance(40))
        crowd[k].made = false;
    else
        back_to_base(k);
}

/* What h_agree() looks at, and the report. Left out unless it matters: what L0 may have to fetch
 * for L1 in another way than the rest. */
static const u8 always_read[] = {
    VI_EXIT_REASON,        VI_EXIT_QUALIFICATION,
    VI_EXIT_INTR_INFO,     VI_EXIT_INTR_ERROR,
    VI_IDT_VECTORING_INFO, VI_IDT_VECTORING_ERROR,
    VI_EXIT_INSN_LEN,      VI_EXIT_INSN_INFO,
    VI_GUEST_LINEAR_ADDR,  VI_GUEST_PHYSICAL_ADDR,
    VI_INSN_ERROR,         VI_GUEST_RIP,
    VI_GUEST_RFLAGS,       VI_GUEST_INTERRUPTIBILITY,
    VI_GUEST_ACTIVITY,     VI_GUEST_PENDING_DEBUG,
    VI_GUEST_CR0,          VI_GUEST_CS_AR,
    VI_GUEST_SS_AR,
};

static void read_some(struct h_vmcs *v)
{
    for (unsigned n = 0; n < sizeof always_read; n++) {
        int i = always_read[n];

        if (l2_present[i])
            vmx_vmread(vmx_field[i].enc, &l2_seen[i]);
    }
    if (v->f[VI_PROC2_CTL] & PROC2_UNRESTRICTED)
        vmx_vmread(V_ENTRY_CTL, &l2_seen[VI_ENTRY_CTL]);
    else
        l2_seen[VI_ENTRY_CTL] = v->f[VI_ENTRY_CTL];
}

/* A few other fields; most often none of which L0 would have to fetch all. */
static void see_more(struct h_vmcs *v)
{
    for (u64 n = h_below(4); n > 0; n--) {
        int i = h_any_field();

        if (!l2_present[i] || read_only(i) || i == VI_HOST_RIP || i == VI_PREEMPTION_TIMER ||
            i == VI_GUEST_RFLAGS)
            continue;
        vmx_vmread(vmx_field[i].enc, &l2_seen[i]);
        v->f[i] = l2_seen[i];
        h_note(" %s", vmx_field[i].name);
        h_see("is", h_plain(l2_seen[i]));
    }
}

static void light(int k)
{
    struct h_vmcs *v = &h.vmcs[k];
    u64 kept = h.hash;
    bool failed = vmx_door(l2.gpr, v->launch == H_LAUNCHED);
    u32 reason;

    __asm__ volatile("mov %%ss, %%eax\n\tpush %%rax\n\tlea 8(%%rsp), %%rax\n\tpush %%rax\n\t"
                     "pushfq\n\tmov %%cs, %%eax\n\tpush %%rax\n\tlea 1f(%%rip), %%rax\n\t"
                     "push %%rax\n\tiretq\n1:"
                     :
                     :
                     : "rax", "memory", "cc"); /* CAVEAT(bochs-nmi-blocking-stays) */
    l2_seen_rflags = vmx_door_out[16];
    for (unsigned i = 0; i < 16; i++)
        l2_seen_gpr[i] = vmx_door_out[i];
    read_some(v);
    reason = (u32)l2_seen[VI_EXIT_REASON];
    if (!failed && !(reason & REASON_ENTRY_FAILED))
        v->launch = H_LAUNCHED;
    l2.flags = NO_MEM | NO_FIELDS | (reason == REASON_TIMER ? NO_REGS : 0);
    h_unspecified(reason);
    l2_seen[VI_GUEST_PHYSICAL_ADDR] = h_plain(l2_seen[VI_GUEST_PHYSICAL_ADDR]);
    if (failed)
        h_words(l2_seen_rflags & FLAG_CF ? "VMfailInvalid" : "VMfailValid");
    else
        h_words(l2_text());
    if (failed)
        h_see("error", l2_seen[VI_INSN_ERROR]);
    for (unsigned n = 0; n < sizeof always_read; n++) {
        if (l2_present[always_read[n]])
            v->f[always_read[n]] = l2_seen[always_read[n]];
    }
    v->f[VI_ENTRY_CTL] = l2_seen[VI_ENTRY_CTL];
    v->partly = true;
    if (!failed && reason == REASON_TIMER) {
        h.hash = kept;
        unmake_all();
        return;
    }
    see_more(v);
    if (failed || reason & REASON_ENTRY_FAILED)
        refused(k);
    else {
        v->f[VI_ENTRY_INTR_INFO] &= ~(u64)INTR_VALID;
        react(k);
    }
}

static void full(int k)
{
    struct h_vmcs *v = &h.vmcs[k];
    bool wrong = h_chance(5), resume = (v->launch == H_LAUNCHED) != wrong;
    enum l2_outcome how = l2_enter(resume);
    bool failed;

    if (wrong)
        h_check(how == L2_VMFAIL, "launch state: entered");
    failed = how == L2_VMFAIL || l2_seen[VI_EXIT_REASON] & REASON_ENTRY_FAILED;
    if (!failed)
        v->launch = H_LAUNCHED;
    if (h_outcome(v, how)) {
        v->unsure = false;
        unmake_all();
    } else if (failed) {
        refused(k);
    } else {
        react(k);
    }
}

/* Host fields as L1 lives on them, so that nothing has to be put right behind an exit. */
static bool host_is_plain(int k)
{
    for (int i = 0; i < VMX_FIELDS; i++) {
        if (VMX_KIND(vmx_field[i].enc) == KIND_HOST && i != VI_HOST_RSP && l2_present[i] &&
            h.vmcs[k].f[i] != plain[i])
            return false;
    }
    return h.vmcs[k].f[VI_EXIT_MSR_LOAD_COUNT] == 0 &&
           (h.vmcs[k].f[VI_EXIT_CTL] & EXIT_LOAD_EFER) != 0 &&
           (h.vmcs[k].f[VI_EXIT_CTL] & EXIT_LOAD_PAT) != 0;
}

int crowd_any(void)
{
    u64 hot = h_group(40);

    if (h_chance(40) && h.current != H_NONE && h.current != CROWD_SHADOW)
        return h.current;
    for (;;) {
        u64 k = h_chance(60) ? (hot + h_below(3)) % H_REGIONS : h_below(H_REGIONS);

        if (k != CROWD_SHADOW && h.vmcs[k].at != h.vmxon_at)
            return (int)k;
    }
}

static void change(int k)
{
    struct h_vmcs *v = &h.vmcs[k];

    CopyMem(l2.f, v->f, sizeof l2.f);
    CopyMem(l2.gpr, crowd[k].gpr, sizeof l2.gpr);
    l2.mode = crowd[k].mode;
    if (h_chance(15))
        h_change();
    if (h_chance(20))
        l2.f[VI_HOST_RSP] += 16 * (h_below(3) - 1);
    if (h_chance(20))
        l2.f[VI_TSC_OFFSET] = gt_rand();
    if (h_chance(15))
        l2.f[VI_PROC_CTL] ^= h_chance(50) ? PROC_INTR_WINDOW : PROC_NMI_WINDOW;
    if (h_chance(10))
        l2.f[VI_VPID] = h_below(4);
    if (h_chance(8) && crowd_shadow_filled) {
        l2.f[VI_PROC2_CTL] |= PROC2_SHADOW;
        l2.f[VI_VMCS_LINK_PTR] = h.vmcs[CROWD_SHADOW].at;
    }
    h_agree();
    for (int i = 0; i < VMX_FIELDS; i++) {
        if (!l2_present[i] || read_only(i))
            continue;
        if (l2.f[i] != v->f[i] || i == VI_PREEMPTION_TIMER)
            set(v, i, l2.f[i]);
    }
}

void h_crowd_run(void)
{
    int k = crowd_any();
    struct h_vmcs *v = &h.vmcs[k];
    bool is_wide = !(h_group(h.group) & 1);
    void *hole = (void *)(h.hole.base + 4096);

    h_root();
    h_note(" region %d", k);
    if (!crowd[k].made || wide(crowd[k].mode) != is_wide || v->tainted || h_chance(3))
        make(k);
    crowd_load(k);
    if (v->launch == H_UNKNOWN || h_chance(2)) {
        crowd_clear(k);
        crowd_load(k);
    }
    change(k);
    h_announce();
    /* as in h_step_entry() */
    h_copy_page(arena(PG_H_KEPT), hole);
    gt_zero_pages(hole, 1);
    if (host_is_plain(k) && h_chance(80))
        light(k);
    else
        full(k);
    h_copy_page(hole, arena(PG_H_KEPT));
}
