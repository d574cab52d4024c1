/* SPDX-License-Identifier: BSD-2-Clause */
/* VMREAD and VMWRITE with every kind of encoding and operand, and VMCS bytes that L1
 * writes in memory. */
#include "guest-tests/lib/hostile.h"

enum { VEC_UD = 6, VEC_GP = 13, ERR_UNSUPPORTED = 12, HIGH = 1, ENCODING_RESERVED = 0x1000 };

struct access {
    u64 enc;
    int field;   /* row, or H_NONE */
    bool high;   /* the upper half of a 64-bit field */
    bool absent; /* surely none */
};

static struct access choose(void)
{
    struct access a = {.field = h_any_field()};

    a.enc = vmx_field[a.field].enc;
    switch (h_below(16)) {
    /* clang-format off */
    case 0: a.enc |= 1ul << (15 + h_below(17)); break;
    case 1: a.enc |= ENCODING_RESERVED; break;
    case 2: a.enc = h_below(0x10000); break;
    /* clang-format on */
    case 3:
    case 4:
        a.enc |= a.enc >> 13 == 1 ? HIGH : 0;
        break;
    default:
        break;
    }
    a.high = a.enc >> 13 == 1 && a.enc & HIGH;
    a.field = vmx_find((u32)a.enc - a.high);
    if (a.field < 0) /* a later processor might have it */
        a.enc |= ENCODING_RESERVED;
    if (a.field < 0 || !l2_present[a.field])
        a.field = H_NONE;
    a.absent = a.enc >> 15 || a.enc & ENCODING_RESERVED;
    return a;
}

static bool denied(const struct h_code *c, struct h_expect *e)
{
    if (!h.in_vmx || (c->frame.cs != SEL_CODE64 && c->frame.cs != SEL_CODE64_R3))
        *e = h_fault(VEC_UD, 0);
    else if (c->frame.cs & 3)
        *e = h_fault(VEC_GP, 0);
    else if (h_current() == NULL)
        *e = h_invalid();
    else
        return false;
    return true;
}

/* Nothing that may differ between the runs: the program's address, the timer, fields after a
 * timer's exit, exit information that the last exit did not define; RF,
 * CAVEAT(bochs-fault-exit-rf). */
static bool comparable(const struct h_vmcs *v, const struct access *a)
{
    return a->field != H_NONE && v != NULL && !v->tainted && !v->unsure &&
           a->field != VI_HOST_RIP && a->field != VI_PREEMPTION_TIMER &&
           a->field != VI_GUEST_RFLAGS &&
           (VMX_KIND(vmx_field[a->field].enc) != KIND_READ_ONLY || a->field == VI_INSN_ERROR ||
            a->field == VI_EXIT_REASON);
}

static u64 in_model(const struct h_vmcs *v, const struct access *a)
{
    return a->high ? v->f[a->field] >> 32 : v->f[a->field];
}

static void read(const struct access *a)
{
    struct h_vmcs *v = h_current();
    struct h_operand o = h_operand_any();
    bool memory = h_chance(40);
    struct h_code c;
    struct h_expect e;
    u64 got;

    h_begin(&c);
    c.frame.gpr[RDX] = a->enc;
    if (!denied(&c, &e)) {
        e.known = a->field != H_NONE || a->absent;
        if (e.known)
            e = a->absent                  ? h_fails(ERR_UNSUPPORTED)
                : memory && o.write_vector ? h_fault(o.write_vector, o.write_error)
                                           : h_ok();
    }
    if (memory)
        h_memory_form(&c, "", "\x0f\x78", RDX, o.ea);
    else
        h_append(&c, "\x0f\x78\xd5", 3); /* RBP */
    h_note(" %lx%s", a->enc, memory ? " to memory" : "");
    if (memory && o.at != NULL)
        *o.at = 0x77;
    c.frame.gpr[RBP] = 0x77;
    h_run(&c, "vmread", e);
    if (!e.known || e.vector != L1_DONE || e.status != VMX_OK)
        return;
    got = memory ? o.at ? *o.at : 0 : l1_trap.gpr[RBP];
    if (memory && o.at == NULL)
        return;
    h_check(v->tainted || got == in_model(v, a), "vmread %lx: %lx, due %lx", a->enc, got,
            in_model(v, a));
    if (memory && comparable(v, a))
        h_see("memory", h_plain(got));
}

static void wrote(struct h_vmcs *v, const struct access *a, u64 value)
{
    u64 now = 0;

    if (a->high)
        v->f[a->field] = (v->f[a->field] & 0xffffffff) | value << 32;
    else
        v->f[a->field] = value & h_field_mask(a->field);
    h_check(vmx_vmread(a->enc, &now) == VMX_OK, "vmread of what was written: %lx", a->enc);
    h_check(v->tainted || now == in_model(v, a), "vmwrite %lx: reads %lx, due %lx", a->enc, now,
            in_model(v, a));
    now = vmx_get(vmx_field[a->field].enc);
    h_check(v->tainted || now == v->f[a->field], "vmwrite %lx: the field is %lx, due %lx", a->enc,
            now, v->f[a->field]);
}

static void write(const struct access *a)
{
    struct h_vmcs *v = h_current();
    struct h_operand o = h_operand_any();
    bool memory = h_chance(40) && !a->absent && a->field != H_NONE;
    struct h_code c;
    struct h_expect e;
    u64 value = h_chance(50) ? vmx_random_edge() : gt_rand();

    if (a->field != H_NONE && !a->high)
        value &= h_chance(50) ? ~0ul : h_field_mask(a->field);
    if (a->field >= VI_GUEST_ES_AR && a->field <= VI_GUEST_TR_AR)
        value &= h_field_mask(a->field);
    h_begin(&c);
    c.frame.gpr[RDX] = a->enc;
    c.frame.gpr[RBP] = value;
    if (!denied(&c, &e)) {
        e.known = a->field != H_NONE || a->absent;
        if (e.known)
            e = memory && o.vector ? h_fault(o.vector, o.error)
                : a->absent        ? h_fails(ERR_UNSUPPORTED)
                                   : h_ok();
    }
    if (memory && o.at != NULL)
        *o.at = value;
    if (memory)
        h_memory_form(&c, "", "\x0f\x79", RDX, o.ea);
    else
        h_append(&c, "\x0f\x79\xd5", 3);
    if (memory && o.at == NULL && a->field >= VI_GUEST_ES_AR && a->field <= VI_GUEST_TR_AR)
        return; /* CAVEAT(vmwrite-ar-reserved): all ones from no memory */
    h_note(" %lx = %lx%s", a->enc, value, memory ? " from memory" : "");
    h_run(&c, "vmwrite", e);
    if (e.known && e.vector == L1_DONE && e.status == VMX_OK)
        wrote(v, a, memory && o.at == NULL ? ~0ul : value);
}

/* A register result may be one that differs between the runs: such an access is made by the C
 * functions and only checked. */
static void quiet_read(const struct access *a)
{
    const struct h_vmcs *v = h_current();
    u64 got = 0;
    enum vmx_status s = vmx_vmread(a->enc, &got);

    h_note(" quietly %lx", a->enc);
    h_check(s == VMX_OK, "vmread %lx: %d", a->enc, s);
    h_check(v->tainted || got == in_model(v, a), "vmread %lx: %lx, due %lx", a->enc, got,
            in_model(v, a));
}

void h_step_access(void)
{
    struct access a = choose();

    if (h_chance(70))
        h_root();
    if (h.in_vmx && h_current() == NULL && h_chance(80))
        h_ordinary();
    if (h_chance(50))
        write(&a);
    else if (h_current() != NULL && a.field == H_NONE && !a.absent &&
             (h_current()->tainted || h_current()->unsure))
        h_note(" skipped"); /* a field that no list names, perhaps */
    else if (h_current() != NULL && a.field != H_NONE && !comparable(h_current(), &a))
        quiet_read(&a);
    else
        read(&a);
}

/* What the bytes mean is the processor's affair; the revision is not. */
void h_step_poke(void)
{
    int i = (int)h_below((u64)h.regions);
    struct h_vmcs *v = &h.vmcs[i];
    u32 *word = (u32 *)v->at;
    u64 dice = h_below(100);

    if (v->at == h.vmxon_at && h.in_vmx)
        return;
    /* Bytes of the current VMCS: what the processor keeps of it elsewhere may win, so it is
     * given up behind this. */
    if (h.current == i) {
        for (unsigned k = 0; k < 8; k++)
            word[2 + h_below(1022)] = (u32)vmx_random_edge();
        h_check(vmx_vmclear(v->at) == VMX_OK, "vmclear of a poked region %d", i);
        h.current = H_NONE;
        dice = 0;
    }
    if (dice < 60) {
        v->revision = h_chance(70) ? H_GOOD : h_chance(50) ? H_SHADOW : H_BAD;
        *word = v->revision == H_GOOD     ? h.revision
                : v->revision == H_SHADOW ? h.revision | 1u << 31
                                          : h.revision ^ 1u << h_below(31);
        v->launch = H_UNKNOWN;
    }
    if (dice < 20)
        word[1] = (u32)gt_rand();
    if (dice >= 50) {
        for (unsigned k = 0; k < 16; k++)
            word[2 + h_below(1022)] = (u32)gt_rand();
        v->launch = H_UNKNOWN;
    }
    v->tainted = true;
    v->launch = H_UNKNOWN;
    h_note(" region %d revision %d", i, (int)v->revision);
}
