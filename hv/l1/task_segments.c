/* SPDX-License-Identifier: BSD-2-Clause */
/* The segment registers of the task that L1 switches to. The checks are those of the table of
 * exception conditions in SDM 3A 7.3 "Task Switching". The table leaves the order open; L0 loads
 * LDTR, SS, the data segments, then CS. */
#include "hv/l1/task_switch.h"
#include "hv/vmx/gla.h"
#include "hv/vmx/insn.h"

#define TI            4u
#define SELECTOR_BITS 0xfffcu
#define DESC_ACCESSED BIT(40)
#define AR_CODE       8u
#define AR_CONFORMING 4u /* in a code segment; in a data segment: expand-down */
#define AR_RW         2u /* writable data, readable code */
#define AR_V86        0xf3u
#define AR_FLAT_CODE  0xc09bu
#define FLAT_LIMIT    0xffffffffu
#define V86_LIMIT     0xffffu

u64 descriptor_base(u64 d)
{
    return bits(d, 39, 16) | bits(d, 63, 56) << 24;
}

u32 descriptor_limit(u64 d)
{
    u32 limit = (u32)(bits(d, 15, 0) | bits(d, 51, 48) << 16);
    return any(d, BIT(55)) ? limit << 12 | 0xfff : limit;
}

u32 descriptor_ar(u64 d)
{
    return (u32)bits(d, 55, 40) & 0xf0ffu;
}

static void set(struct task_state *n, u32 seg, u16 selector, u64 base, u32 limit, u32 ar)
{
    n->seg[seg] = (struct segment){.selector = selector, .base = base, .limit = limit, .ar = ar};
}

/* The linear address of a selector's descriptor. False: it is outside its table, or there is no
 * LDT. */
static bool descriptor_at(const struct task_state *n, u16 selector, u64 *gla)
{
    const struct segment *ldtr = &n->seg[SEG_LDTR];
    bool ldt = any(selector, TI);
    if (ldt && any(ldtr->ar, AR_UNUSABLE))
        return false;
    u64 limit = ldt ? ldtr->limit : vmcs_read(ENC_guest_gdtr_limit);
    *gla = (ldt ? ldtr->base : vmcs_read(ENC_guest_gdtr_base)) + (selector & ~7u);
    return (selector | 7u) <= limit;
}

struct descriptor {
    u64 d;
    u32 ar;
    struct gla_span span;
};

static bool bad_task(struct cpu *cpu, u32 vector, u16 selector)
{
    return task_fault(cpu, vector, selector & SELECTOR_BITS);
}

static bool fetch(struct cpu *cpu, const struct task_state *n, u16 selector, struct descriptor *out)
{
    u64 gla;
    if (!descriptor_at(n, selector, &gla))
        return bad_task(cpu, VEC_TS, selector);
    if (!gla_translate(cpu, gla, sizeof out->d, WALK_SYSTEM, &out->span))
        return task_fault(cpu, VEC_PF, cpu->fault.error);
    span_read(cpu, &out->span, &out->d);
    out->ar = descriptor_ar(out->d);
    return true;
}

/* Sets the accessed flag in memory and loads the register. */
static bool take(struct cpu *cpu, struct task_state *n, u32 seg, u16 selector, struct descriptor *e)
{
    u64 gla;
    if (!any(e->d, DESC_ACCESSED) && descriptor_at(n, selector, &gla)) {
        if (!gla_translate(cpu, gla, sizeof e->d, WALK_SYSTEM | PF_W, &e->span))
            return task_fault(cpu, VEC_PF, cpu->fault.error);
        e->d |= DESC_ACCESSED;
        span_write(cpu, &e->span, &e->d);
    }
    set(n, seg, selector, descriptor_base(e->d), descriptor_limit(e->d), descriptor_ar(e->d));
    return true;
}

static bool load_ldtr(struct cpu *cpu, struct task_state *n, u16 selector)
{
    struct descriptor e;
    if (any(selector, TI))
        return bad_task(cpu, VEC_TS, selector);
    if (!any(selector, SELECTOR_BITS))
        return true;
    if (!fetch(cpu, n, selector, &e))
        return false;
    if ((e.ar & (AR_TYPE | AR_S)) != AR_TYPE_LDT || !any(e.ar, AR_P))
        return bad_task(cpu, VEC_TS, selector);
    set(n, SEG_LDTR, selector, descriptor_base(e.d), descriptor_limit(e.d), e.ar);
    return true;
}

static bool load_ss(struct cpu *cpu, struct task_state *n, u16 selector, u32 cpl)
{
    struct descriptor e;
    if (!any(selector, SELECTOR_BITS))
        return bad_task(cpu, VEC_TS, selector);
    if (!fetch(cpu, n, selector, &e))
        return false;
    if (!any(e.ar, AR_S) || (e.ar & (AR_CODE | AR_RW)) != AR_RW)
        return bad_task(cpu, VEC_TS, selector);
    if (!any(e.ar, AR_P))
        return bad_task(cpu, VEC_SS, selector);
    if (ar_dpl(e.ar) != cpl || (selector & 3u) != cpl)
        return bad_task(cpu, VEC_TS, selector);
    return take(cpu, n, SEG_SS, selector, &e);
}

static bool load_data(struct cpu *cpu, struct task_state *n, u32 seg, u16 selector, u32 cpl)
{
    struct descriptor e;
    if (!any(selector, SELECTOR_BITS))
        return true;
    if (!fetch(cpu, n, selector, &e))
        return false;
    bool code = any(e.ar, AR_CODE);
    if (!any(e.ar, AR_S) || (code && !any(e.ar, AR_RW)))
        return bad_task(cpu, VEC_TS, selector);
    if (!(code && any(e.ar, AR_CONFORMING)) &&
        (ar_dpl(e.ar) < cpl || ar_dpl(e.ar) < (selector & 3u)))
        return bad_task(cpu, VEC_TS, selector);
    if (!any(e.ar, AR_P))
        return bad_task(cpu, VEC_NP, selector);
    return take(cpu, n, seg, selector, &e);
}

static bool load_cs(struct cpu *cpu, struct task_state *n, u16 selector, u32 cpl)
{
    struct descriptor e;
    if (!any(selector, SELECTOR_BITS))
        return bad_task(cpu, VEC_TS, selector);
    if (!fetch(cpu, n, selector, &e))
        return false;
    if (!all(e.ar, AR_S | AR_CODE))
        return bad_task(cpu, VEC_TS, selector);
    bool conforming = any(e.ar, AR_CONFORMING);
    if (conforming ? ar_dpl(e.ar) > cpl : ar_dpl(e.ar) != cpl)
        return bad_task(cpu, VEC_TS, selector);
    if (!any(e.ar, AR_P))
        return bad_task(cpu, VEC_NP, selector);
    return take(cpu, n, SEG_CS, selector, &e);
}

/* In virtual-8086 mode the selectors give the segments. Outside it, the data segments and LDTR
 * are unusable, and CS is a flat code segment. The CPL is CS's RPL from now on: CS's selector is
 * saved by the next task switch, and the emulator wants DPL and RPL equal. A handler of the same
 * CPL then has no stack. CAVEAT(task-bad-ss) */
void task_forget_segments(struct cpu *cpu, const struct task *t, struct task_state *n)
{
    bool v86 = any(t->eflags, RFLAGS_VM);
    u32 dpl = (t->seg[SEG_CS] & 3u) << 5;
    for (u32 i = 0; i < SEG_OPERANDS; i++)
        if (v86)
            set(n, i, t->seg[i], (u64)t->seg[i] << 4, V86_LIMIT, AR_V86);
        else
            set(n, i, t->seg[i], 0, 0, (u32)AR_UNUSABLE | dpl);
    if (!v86)
        set(n, SEG_CS, t->seg[SEG_CS], 0, FLAT_LIMIT, AR_FLAT_CODE | dpl);
    set(n, SEG_LDTR, t->ldt, 0, 0, (u32)AR_UNUSABLE);
    cpu->st.ss_ar = n->seg[SEG_SS].ar;
    cpu->st.cs_ar = n->seg[SEG_CS].ar;
}

bool task_load_segments(struct cpu *cpu, const struct task *t, struct task_state *n)
{
    static const u8 data[] = {SEG_DS, SEG_ES, SEG_FS, SEG_GS};
    u32 cpl = t->seg[SEG_CS] & 3u;
    if (!load_ldtr(cpu, n, t->ldt))
        return false;
    if (any(t->eflags, RFLAGS_VM))
        return true;
    if (!load_ss(cpu, n, t->seg[SEG_SS], cpl))
        return false;
    cpu->st.ss_ar = n->seg[SEG_SS].ar;
    for (u32 i = 0; i < ARRAY_LEN(data); i++)
        if (!load_data(cpu, n, data[i], t->seg[data[i]], cpl))
            return false;
    if (!load_cs(cpu, n, t->seg[SEG_CS], cpl))
        return false;
    cpu->st.cs_ar = n->seg[SEG_CS].ar;
    return true;
}
