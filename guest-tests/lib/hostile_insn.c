/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Steps of one VMX instruction in L1 that is not an access to a field and does not enter L2. What
 * each must do is typed from the operation sections of SDM 3C 31.3 "VMX Instructions".
 */
#include "guest-tests/lib/hostile.h"

enum {
    VEC_UD = 6,
    VEC_GP = 13,
    ERR_VMCLEAR_ADDRESS = 2,
    ERR_VMCLEAR_VMXON = 3,
    ERR_LAUNCH_NOT_CLEAR = 4,
    ERR_RESUME_NOT_LAUNCHED = 5,
    ERR_VMPTRLD_ADDRESS = 9,
    ERR_VMPTRLD_VMXON = 10,
    ERR_VMPTRLD_REVISION = 11,
    ERR_VMXON_IN_ROOT = 15,
    ERR_MOV_SS = 26,
    ERR_INVALID_OPERAND = 28,
};

/* What stands before every operation: mode, VMX operation, privilege. True when *e is
 * the answer already. */
static bool not_permitted(const struct h_code *c, bool vmxon, struct h_expect *e)
{
    bool compat =
        c->frame.cs == SEL_CODE32 || c->frame.cs == SEL_CODE32_R3 || c->frame.cs == SEL_CODE16;

    if (compat || (!h.in_vmx && !vmxon))
        *e = h_fault(VEC_UD, 0);
    else if (c->frame.cs & 3)
        *e = h_fault(VEC_GP, 0);
    else
        return false;
    return true;
}

static bool bad_address(u64 p)
{
    return p & 0xfff || p >> 40;
}

/* The revision that lies at an address: -1 = all ones or some other number. */
static int revision_at(u64 p)
{
    int i = h_region(p);

    if (p == ARENA_AT(PG_VMXON))
        return H_GOOD;
    return i == H_NONE ? H_BAD : (int)h.vmcs[i].revision;
}

/* An operand that is read: where it faults, else what the instruction makes of the pointer p. */
static struct h_expect operand_or(const struct h_operand *o, struct h_expect e)
{
    return o->vector ? h_fault(o->vector, o->error) : e;
}

static void put(const struct h_operand *o, u64 *p)
{
    if (o->at != NULL)
        *o->at = *p;
    else
        *p = ~0ul; /* no memory reads as all ones */
}

static bool went(const char *name, struct h_code *c, struct h_expect e)
{
    h_run(c, name, e);
    return l1_trap.vector == L1_DONE && !(l1_trap.rflags & (FLAG_CF | FLAG_ZF));
}

static void step_vmxon(void)
{
    struct h_operand o = h_operand_any();
    struct h_code c;
    struct h_expect e;
    u64 p = h_pointer();

    h_begin(&c);
    put(&o, &p);
    if (!not_permitted(&c, true, &e)) {
        if (h.in_vmx)
            e = h_fails(ERR_VMXON_IN_ROOT);
        else
            e = operand_or(&o, bad_address(p) || revision_at(p) != H_GOOD ? h_invalid() : h_ok());
    }
    h_memory_form(&c, "\xf3", "\x0f\xc7", 6, o.ea);
    h_note(" at %lx", h_plain(p));
    if (!went("vmxon", &c, e))
        return;
    h_operation(true);
    h.vmxon_at = p;
    if (h_region(p) != H_NONE) {
        h.vmcs[h_region(p)].tainted = true; /* the processor may use a VMXON region as it likes */
        h.vmcs[h_region(p)].launch = H_UNKNOWN;
    }
}

static void step_vmxoff(void)
{
    struct h_code c;
    struct h_expect e;

    h_begin(&c);
    if (!not_permitted(&c, false, &e))
        e = h_ok();
    h_append(&c, "\x0f\x01\xc4", 3);
    if (!went("vmxoff", &c, e))
        return;
    h_operation(false);
}

static void step_vmclear(void)
{
    struct h_operand o = h_operand_any();
    struct h_code c;
    struct h_expect e;
    u64 p = h_pointer();
    int i;

    h_begin(&c);
    put(&o, &p);
    if (!not_permitted(&c, false, &e))
        e = operand_or(&o, bad_address(p)    ? h_fails(ERR_VMCLEAR_ADDRESS)
                           : p == h.vmxon_at ? h_fails(ERR_VMCLEAR_VMXON)
                                             : h_ok());
    h_memory_form(&c, "\x66", "\x0f\xc7", 6, o.ea);
    h_note(" of %lx", h_plain(p));
    if (!went("vmclear", &c, e))
        return;
    i = h_region(p);
    if (i == H_NONE)
        return;
    h.vmcs[i].launch = H_CLEAR;
    if (h.current == i)
        h.current = H_NONE;
}

static void step_vmptrld(void)
{
    struct h_operand o = h_operand_any();
    struct h_code c;
    struct h_expect e;
    u64 p = h_pointer();

    h_begin(&c);
    put(&o, &p);
    if (!not_permitted(&c, false, &e))
        e = operand_or(&o, bad_address(p)            ? h_fails(ERR_VMPTRLD_ADDRESS)
                           : p == h.vmxon_at         ? h_fails(ERR_VMPTRLD_VMXON)
                           : revision_at(p) == H_BAD ? h_fails(ERR_VMPTRLD_REVISION)
                                                     : h_ok());
    h_memory_form(&c, "", "\x0f\xc7", 6, o.ea);
    h_note(" of %lx", h_plain(p));
    if (went("vmptrld", &c, e))
        h.current = h_region(p);
}

static void step_vmptrst(void)
{
    struct h_operand o = h_operand_any();
    struct h_vmcs *v = h_current();
    struct h_code c;
    struct h_expect e;
    u64 nothing = 0x1234;

    h_begin(&c);
    put(&o, &nothing);
    if (!not_permitted(&c, false, &e))
        e = o.write_vector ? h_fault(o.write_vector, o.write_error) : h_ok();
    h_memory_form(&c, "", "\x0f\xc7", 7, o.ea);
    if (went("vmptrst", &c, e) && o.at != NULL)
        h_check(*o.at == (v ? v->at : ~0ul), "vmptrst stored %lx", *o.at);
    if (o.at != NULL)
        h_see("stored", h_plain(*o.at));
}

void h_step_pointer(void)
{
    u64 dice = h_below(100);

    if (!h.in_vmx && h_chance(60))
        h_root();
    /* VMXON in root only fails; out of it VMXOFF does. A VMXON region that is a VMCS
     * is left soon. */
    if (dice < 12)
        step_vmxon();
    else if (dice < 18)
        step_vmxoff();
    else if (dice < 45)
        step_vmclear();
    else if (dice < 85)
        step_vmptrld();
    else
        step_vmptrst();
    h_model_check();
}

/* INVEPT and INVVPID. CAVEAT(bochs-invept-type): no type above 32 bits, and no type that is refused
 * with an operand that faults. */
void h_step_invalidate(void)
{
    bool vpid = h_chance(50), legal;
    u64 type = h_chance(85) ? h_below(vpid ? 4 : 2) + !vpid : vmx_random_edge() & 0xffffffff;
    struct h_operand o = h_operand_any();
    struct h_code c;
    struct h_expect e;
    u64 desc[2] = {0, 0};
    unsigned reg = RDX;

    legal = vpid ? type < 4 : type == 1 || type == 2;
    if (!legal || o.at == NULL || o.vector || (o.ea & 0xfff) > 0xff0)
        o = (struct h_operand){.ea = ARENA_AT(PG_SCRATCH) + 64,
                               .at = (u64 *)(ARENA_AT(PG_SCRATCH) + 64)};
    if (vpid) {
        desc[0] = h_chance(70) ? h_below(3) : h_chance(50) ? vmx_random_edge() : 0xffff;
        desc[1] = h_chance(60) ? L2_BASE : vmx_random_edge();
    } else {
        desc[0] = (ARENA_AT(PG_E_PML4) | EPTP_WALK4_WB) ^ (h_chance(60) ? 0 : 1ul << h_below(64));
        desc[0] &= ~H_EPTP_UNSEEN;
    }
    o.at[0] = desc[0];
    o.at[1] = desc[1];
    h_begin(&c);
    c.frame.gpr[reg] = type;
    if (!not_permitted(&c, false, &e)) {
        e.known = false;
        if (!legal)
            e = h_fails(ERR_INVALID_OPERAND);
    }
    h_memory_form(&c, "\x66", vpid ? "\x0f\x38\x81" : "\x0f\x38\x80", reg, o.ea);
    h_note(" type %lx %lx %lx", type, desc[0], desc[1]);
    h_run(&c, vpid ? "invvpid" : "invept", e);
}

/* Entries that fail before any field is looked at: no current VMCS, the wrong launch state,
 * blocking by MOV SS. */
void h_step_launch_bad(void)
{
    const struct h_vmcs *v = h_current();
    bool resume = h_chance(50), mov_ss = h_chance(30), sti = !mov_ss && h_chance(30);
    struct h_code c;
    struct h_expect e;

    h_begin(&c);
    if (!not_permitted(&c, false, &e)) {
        if (v != NULL && (v->launch == H_UNKNOWN || v->revision != H_GOOD))
            return; /* CAVEAT(bochs-launch-shadow) */
        if (v != NULL && !mov_ss)
            resume = v->launch == H_CLEAR; /* the one that fails */
        e = v == NULL ? h_invalid()
                      : h_fails(mov_ss   ? ERR_MOV_SS
                                : resume ? ERR_RESUME_NOT_LAUNCHED
                                         : ERR_LAUNCH_NOT_CLEAR);
    } else {
        mov_ss = sti = false;
    }
    c.frame.gpr[RDX] = SEL_DATA;
    if (mov_ss)
        h_append(&c, "\x8e\xd2", 2);
    if (sti)
        h_append(&c, "\xfb", 1);
    h_append(&c, resume ? "\x0f\x01\xc3" : "\x0f\x01\xc2", 3);
    h_run(&c, resume ? "vmresume" : "vmlaunch", e);
}
