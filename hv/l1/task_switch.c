/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Task switches. In VMX non-root operation the CPU does none: it checks gate, selector, descriptor
 * type and new limit, then exits, and L0 does the rest. L0 tries everything that can fault in the
 * old task before it changes the first byte. Later faults are raised in the new task. L0 works out
 * the new task's registers in cpu->st, struct task and struct task_state, then writes all of them
 * to vmcs01. So no fault leaves half a task in vmcs01. L0 reads only once what L1 could change
 * meanwhile.
 * SDM 3A 7.3 "Task Switching", SDM 3C 26.4.2 "Treatment of Task Switches"
 */
#include "hv/l1/task_switch.h"
#include "hv/arch/event.h"
#include "hv/arch/paging.h"
#include "hv/vmx/gla.h"
#include "hv/vmx/insn.h"
#include "hv/core/privileged.h"
#include "hv/core/lib.h"

enum source { BY_CALL = 0, BY_IRET = 1, BY_JMP = 2, BY_GATE = 3 };

#define AR_TSS_32BIT     8u /* type bit: 32-bit TSS */
#define AR_TSS_AVAILABLE 1u
#define AR_TSS_BUSY      3u
#define DESC_TYPE_BYTE   5u
#define DESC_BUSY        2u     /* in the type byte */
#define DR7_LOCAL        0x155u /* LE, L0 to L3 */
#define EFLAGS_LOADED    0x3f7fd5u
#define EXTERNAL_EVENT   1u          /* EXT in error codes */
#define HIGH_OF_16BIT    0xffff0000u /* of general registers. CAVEAT(task-switch-16-bit) */
#define TSS_MAX          104u
#define T_FLAG           1u

/* Where a TSS keeps its fields. SDM 3A 7.2.1 "Task-State Segment (TSS)", SDM 3A 7.6 "16-Bit
 * Task-State Segment (TSS)" */
struct tss_layout {
    u8 size, min_limit; /* bytes that L0 reads; limit that the old TSS needs */
    u8 width;           /* bytes of EIP, EFLAGS and each general register */
    u8 eip, eflags, gpr, seg, segs, ldt, cr3, trap;
};
static const struct tss_layout layout16 = {44, 0x29, 2, 14, 16, 18, 34, 4, 42, 0, 0};
static const struct tss_layout layout32 = {104,  0x5f, 4,    0x20, 0x24, 0x28,
                                           0x48, 6,    0x60, 0x1c, 0x64};

struct task_switch {
    enum source source;
    u16 selector, old_selector;
    const struct tss_layout *from, *to;
    u64 descriptor, descriptor_gla, old_descriptor_gla;
    u64 base, old_base;
    struct gla_span tss, old_tss, link, busy, old_busy;
};

static u32 get(const u8 *tss, u32 at, u32 width)
{
    u32 v = 0;
    memcpy(&v, tss + at, width);
    return v;
}

/* ---- faults ------------------------------------------------------------------------------ */

/* The fault may interrupt an exception that is delivered through a task gate: the two may be a
 * double fault. */
bool task_fault(struct cpu *cpu, u32 vector, u32 error)
{
    bool triple;
    u64 cr0 = cpu->st.cr0;
    if (vector != VEC_PF && event_external(cpu->exit.idt_info))
        error |= EXTERNAL_EVENT;
    struct event first = event_interrupted(&cpu->exit, cr0),
                 second = event_exception((u8)vector, error, cr0);
    struct event e = event_combine(&first, &second, cr0, &triple);
    if (triple)
        machine_reset(cpu, "L1 triple fault in a task switch");
    cpu->fault.vector = INTR_VECTOR(e.info);
    cpu->fault.error = e.error;
    return false;
}

/* ---- what may fault in the old task -------------------------------------------------------- */

static bool translate(struct cpu *cpu, u64 gla, u32 size, u64 access, struct gla_span *span)
{
    return gla_translate(cpu, (u32)gla, size, access | WALK_SYSTEM, span) ||
           task_fault(cpu, VEC_PF, cpu->fault.error);
}

/* Judges the new TSS's descriptor again. The CPU found an available TSS (for IRET: a busy one)
 * that is present and long enough. L0 may read another descriptor, because memory can change,
 * and what is not RAM reads as all ones. Then L0 raises the fault that the CPU would have
 * raised. CAVEAT(task-descriptor-rom) */
static bool descriptor_fits(struct cpu *cpu, const struct task_switch *s)
{
    u32 ar = descriptor_ar(s->descriptor),
        wanted = s->source == BY_IRET ? AR_TSS_BUSY : AR_TSS_AVAILABLE;
    u32 error = s->selector & ~3u;
    if ((ar & (AR_TYPE | AR_S) & ~AR_TSS_32BIT) != wanted)
        return task_fault(cpu, s->source == BY_IRET ? VEC_TS : VEC_GP, error);
    if (!any(ar, AR_P))
        return task_fault(cpu, VEC_NP, error);
    return descriptor_limit(s->descriptor) >= s->to->size - 1u || task_fault(cpu, VEC_TS, error);
}

static bool find_tsses(struct cpu *cpu, struct task_switch *s)
{
    struct gla_span span;
    u64 gdt = vmcs_read(ENC_guest_gdtr_base);
    s->descriptor_gla = gdt + (s->selector & ~7u);
    s->old_descriptor_gla = gdt + (s->old_selector & ~7u);
    if (!translate(cpu, s->descriptor_gla, sizeof s->descriptor, 0, &span))
        return false;
    span_read(cpu, &span, &s->descriptor);
    s->to = any(descriptor_ar(s->descriptor), AR_TSS_32BIT) ? &layout32 : &layout16;
    if (!descriptor_fits(cpu, s))
        return false;
    s->base = descriptor_base(s->descriptor);
    s->old_base = vmcs_read(ENC_guest_tr_base);
    s->from = any(vmcs_read(ENC_guest_tr_ar), AR_TSS_32BIT) ? &layout32 : &layout16;
    if (vmcs_read(ENC_guest_tr_limit) < s->from->min_limit)
        return task_fault(cpu, VEC_TS, s->old_selector & ~3u);
    return true;
}

/* Translates all that the switch reads or writes: both TSSs, the link field for CALL and gates,
 * and the descriptors whose busy flag changes. */
static bool page_in(struct cpu *cpu, struct task_switch *s)
{
    bool links = s->source == BY_CALL || s->source == BY_GATE;
    bool leaves = s->source == BY_JMP || s->source == BY_IRET;
    return translate(cpu, s->base, s->to->size, 0, &s->tss) &&
           (!links || translate(cpu, s->base, 2, PF_W, &s->link)) &&
           translate(cpu, s->old_base, s->from->min_limit + 1u, PF_W, &s->old_tss) &&
           (!leaves || translate(cpu, s->old_descriptor_gla, 8, PF_W, &s->old_busy)) &&
           (s->source == BY_IRET || translate(cpu, s->descriptor_gla, 8, PF_W, &s->busy));
}

/* ---- the switch ---------------------------------------------------------------------------- */

/* Writes nothing but the busy flag, because L1 may change the rest of the descriptor meanwhile. */
static void set_busy(struct cpu *cpu, const struct gla_span *span, bool busy)
{
    u32 first = span->size[0];
    gpa1_t at = DESC_TYPE_BYTE < first ? GPA1(span->at[0].a + DESC_TYPE_BYTE)
                                       : GPA1(span->at[1].a + DESC_TYPE_BYTE - first);
    u8 *byte = gpa1_map(cpu, at);
    if (byte && busy)
        __atomic_or_fetch(byte, DESC_BUSY, __ATOMIC_SEQ_CST);
    else if (byte)
        __atomic_and_fetch(byte, (u8)~DESC_BUSY, __ATOMIC_SEQ_CST);
}

/* The EIP where the old task resumes: behind the instruction that switched, or at the
 * instruction that an event interrupted. */
static u32 return_eip(const struct cpu *cpu, enum source source)
{
    bool event = source == BY_GATE && !event_by_instruction(cpu->exit.idt_info);
    return (u32)cpu->st.rip + (event ? 0 : cpu->exit.insn_len);
}

static void save_old(struct cpu *cpu, const struct task_switch *s)
{
    const struct tss_layout *l = s->from;
    u8 tss[TSS_MAX];
    u32 eip = return_eip(cpu, s->source), eflags = (u32)cpu->st.rflags;
    if (s->source == BY_IRET)
        eflags &= ~(u32)RFLAGS_NT;
    span_read(cpu, &s->old_tss, tss);
    memcpy(tss + l->eip, &eip, l->width);
    memcpy(tss + l->eflags, &eflags, l->width);
    for (u32 i = 0; i < 8; i++) {
        u64 v = reg_read(cpu, (enum reg)i);
        memcpy(tss + l->gpr + i * l->width, &v, l->width);
    }
    for (u32 i = 0; i < l->segs; i++) {
        u16 selector = vmcs_selector_read(i);
        memcpy(tss + l->seg + i * l->width, &selector, sizeof selector);
    }
    span_write(cpu, &s->old_tss, tss);
}

static void read_new(struct cpu *cpu, const struct task_switch *s, struct task *t)
{
    const struct tss_layout *l = s->to;
    u8 tss[TSS_MAX];
    u32 high = l->width == 2 ? HIGH_OF_16BIT : 0;
    span_read(cpu, &s->tss, tss);
    memset(t, 0, sizeof *t);
    t->eip = get(tss, l->eip, l->width);
    t->eflags = (get(tss, l->eflags, l->width) & EFLAGS_LOADED) | (u32)RFLAGS_FIXED;
    for (u32 i = 0; i < 8; i++)
        t->gpr[i] = get(tss, l->gpr + i * l->width, l->width) | high;
    for (u32 i = 0; i < l->segs; i++)
        t->seg[i] = (u16)get(tss, l->seg + i * l->width, 2);
    t->ldt = (u16)get(tss, l->ldt, 2);
    if (l->cr3) {
        t->cr3 = get(tss, l->cr3, 4);
        t->debug = any(get(tss, l->trap, 2), T_FLAG);
    }
    if (s->source == BY_CALL || s->source == BY_GATE)
        t->eflags |= (u32)RFLAGS_NT;
}

/* Makes the part of the new task's state that cannot fault. */
static void begin_state(struct cpu *cpu, const struct task_switch *s, const struct task *t,
                        struct task_state *n)
{
    u32 ar = descriptor_ar(s->descriptor) | AR_TSS_BUSY;
    n->seg[SEG_TR] = (struct segment){.selector = s->selector,
                                      .base = s->base,
                                      .limit = descriptor_limit(s->descriptor),
                                      .ar = ar};
    n->loads_cr3 = false;
    cpu->st.rip = t->eip;
    cpu->st.rflags = t->eflags;
    cpu->st.cr0 |= CR0_TS;
    cpu->st.rsp = t->gpr[REG_RSP];
    /* IRET ends the blocking of NMIs. An NMI through a task gate begins the blocking. */
    u32 blocking = cpu->st.interruptibility & ~(BLOCKING_BY_STI | BLOCKING_BY_MOV_SS);
    if (s->source == BY_IRET)
        blocking &= ~BLOCKING_BY_NMI;
    if (s->source == BY_GATE && INTR_TYPE(cpu->exit.idt_info) == INTR_NMI)
        blocking |= BLOCKING_BY_NMI;
    cpu->st.interruptibility = blocking;
    task_forget_segments(cpu, t, n);
}

/* In PAE paging the new CR3 loads the four PDPTE registers from memory. A reserved bit in one is
 * #GP. CAVEAT(bochs-task-pdptes) SDM 3A 4.4.1 "PDPTE Registers" */
static bool load_pdptes(struct cpu *cpu, u32 cr3)
{
    u64 pdpte[4];
    gpa1_read_pdptes(cpu, cr3, pdpte);
    for (u32 i = 0; i < 4; i++)
        if (pdpte_reserved_set(pdpte[i], phys_reserved(cpu->vm->facts.phys_bits)))
            return task_fault(cpu, VEC_GP, 0);
    memcpy(cpu->st.pdpte, pdpte, sizeof pdpte);
    cpu->have |= SNAP_PDPTE;
    return true;
}

/* A 16-bit TSS has no CR3. Without paging the CPU does not load the CR3 of a 32-bit one. */
static bool load_cr3(struct cpu *cpu, const struct task_switch *s, u32 cr3, struct task_state *n)
{
    if (!s->to->cr3 || !any(cpu->st.cr0, CR0_PG) || cr3 == cpu->st.cr3)
        return true;
    if (any(cpu->st.cr4, CR4_PAE) && !load_pdptes(cpu, cr3))
        return false;
    cpu->st.cr3 = cr3;
    n->loads_cr3 = true;
    return true;
}

/* ---- after the new task's segments are good ------------------------------------------------- */

/* Pushes an exception's error code onto the new task's stack. Its width is that of the new TSS. */
static bool push_error(struct cpu *cpu, const struct task_switch *s, const struct task_state *n)
{
    if (s->source != BY_GATE || !any(cpu->exit.idt_info, INTR_ERROR_VALID))
        return true;
    const struct segment *ss = &n->seg[SEG_SS];
    u32 ar = ss->ar, limit = ss->limit;
    u32 mask = any(ar, AR_DB) ? 0xffffffffu : 0xffffu, width = s->to->width;
    u64 rsp = cpu->st.rsp;
    u32 at = ((u32)rsp - width) & mask, end = at + width - 1;
    bool down = any(ar, 4u); /* expand-down */
    struct gla_span span;
    if (end < at || end > mask || (down ? at <= limit : end > limit))
        return task_fault(cpu, VEC_SS, 0);
    u64 access = any(cpu->st.rflags, RFLAGS_VM) || ar_dpl(ar) == 3 ? PF_W : PF_W | WALK_SYSTEM;
    if (!gla_translate(cpu, (u32)(ss->base + at), width, access, &span))
        return task_fault(cpu, VEC_PF, cpu->fault.error);
    span_write(cpu, &span, &cpu->exit.idt_error);
    cpu->st.rsp = (rsp & ~(u64)mask) | at;
    return true;
}

/* The T flag asks for a debug trap before the first instruction. An injected #DB changes neither
 * DR6 nor DR7, so L0 does. SDM 3B 18.3.1.5 "Task-Switch Exception Condition" */
static enum outcome debug_trap(struct cpu *cpu)
{
    write_dr6(read_dr6() | DR6_BT);
    vmcs_write(ENC_guest_dr7, vmcs_read(ENC_guest_dr7) & ~DR7_GD);
    return fault(cpu, VEC_DB, 0);
}

/* Makes the part that can fault. False: there is a fault for the new task in cpu->fault. */
static bool finish_state(struct cpu *cpu, const struct task_switch *s, const struct task *t,
                         struct task_state *n)
{
    if (!load_cr3(cpu, s, t->cr3, n) || !task_load_segments(cpu, t, n) || !push_error(cpu, s, n))
        return false;
    return t->eip <= n->seg[SEG_CS].limit || task_fault(cpu, VEC_GP, 0);
}

static void write_cr3_state(struct cpu *cpu)
{
    vmcs_write(ENC_guest_cr3, cpu->st.cr3);
    for (u32 i = 0; any(cpu->st.cr4, CR4_PAE) && i < 4; i++)
        vmcs_write(vmcs_pdpte(i), cpu->st.pdpte[i]);
    vpid01_flush(cpu);
}

/* Writes the whole new task to vmcs01. */
static void commit(struct cpu *cpu, const struct task *t, const struct task_state *n)
{
    for (enum seg_number i = 0; i < SEG_COUNT; i++)
        vmcs_segment_write(i, &n->seg[i]);
    for (u32 i = 0; i < 8; i++)
        if (i != REG_RSP)
            cpu->regs.gpr[i] = t->gpr[i];
    vmcs_write(ENC_guest_rsp, cpu->st.rsp);
    vmcs_write(ENC_guest_rip, cpu->st.rip);
    vmcs_write(ENC_guest_rflags, cpu->st.rflags);
    vmcs_write(ENC_guest_cr0, cpu->st.cr0);
    vmcs_write(ENC_guest_dr7, vmcs_read(ENC_guest_dr7) & ~(u64)DR7_LOCAL);
    vmcs_write(ENC_guest_pending_dbg_exceptions, 0);
    vmcs_write(ENC_guest_interruptibility, cpu->st.interruptibility);
    if (n->loads_cr3)
        write_cr3_state(cpu);
}

enum outcome emulate_task_switch(struct cpu *cpu)
{
    struct task_switch s = {
        .source = (enum source)bits(cpu->exit.qual, 31, 30),
        .selector = (u16)cpu->exit.qual,
        .old_selector = (u16)vmcs_read(ENC_guest_tr_selector),
    };
    struct task t;
    struct task_state n;
    if (!find_tsses(cpu, &s) || !page_in(cpu, &s))
        return INJECT;

    if (s.source == BY_JMP || s.source == BY_IRET)
        set_busy(cpu, &s.old_busy, false);
    save_old(cpu, &s);
    if (s.source == BY_CALL || s.source == BY_GATE)
        span_write(cpu, &s.link, &s.old_selector);
    read_new(cpu, &s, &t);
    if (s.source != BY_IRET)
        set_busy(cpu, &s.busy, true);
    begin_state(cpu, &s, &t, &n);
    bool fits = finish_state(cpu, &s, &t, &n);
    commit(cpu, &t, &n);
    if (!fits)
        return INJECT;
    return t.debug ? debug_trap(cpu) : RESUME;
}
