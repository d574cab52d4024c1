/* SPDX-License-Identifier: BSD-2-Clause */
/* Events of a guest. Contract in event.h. */
#include "hv/arch/event.h"
#include "hv/arch/cpu.h"

/* The bits that exit information and entry information share. Bits 30:12 are reserved in entry
 * information. */
#define INFO_KEPT (INTR_VALID | INTR_ERROR_VALID | 0x7ffu)

static const struct event none = {0, 0, 0};

bool event_by_instruction(u32 info)
{
    return INTR_TYPE(info) >= INTR_SW_INTERRUPT && INTR_TYPE(info) <= INTR_SW_EXCEPTION;
}

bool event_external(u32 info)
{
    return any(info, INTR_VALID) && INTR_TYPE(info) != INTR_SW_INTERRUPT &&
           INTR_TYPE(info) != INTR_SW_EXCEPTION;
}

/* Real mode pushes no error code, and a VM entry into real mode must not ask for one. A CPU may
 * report an error code all the same, so this drops it. SDM 3C 27.2.1.3 "VM-Entry Control Fields" */
static struct event to_deliver(u32 info, u32 error, u32 len, u64 cr0)
{
    struct event ev = {.info = info & INFO_KEPT};

    if (!any(info, INTR_VALID))
        return none;
    if (!any(cr0, CR0_PE))
        ev.info &= ~INTR_ERROR_VALID;
    if (any(ev.info, INTR_ERROR_VALID))
        ev.error = error;
    if (event_by_instruction(info))
        ev.len = len;
    return ev;
}

struct event event_interrupted(const struct vmexit *x, u64 cr0)
{
    return to_deliver(x->idt_info, x->idt_error, x->insn_len, cr0);
}

struct event event_caught(const struct vmexit *x, u64 cr0)
{
    return to_deliver(x->intr_info, x->intr_error, x->insn_len, cr0);
}

/* True when the exit is by a hardware exception for which NMI unblocking is reported: any but a
 * double fault, for which the bit is undefined. */
static bool tells_of_iret(u32 intr_info)
{
    return INTR_TYPE(intr_info) == INTR_HW_EXCEPTION && INTR_VECTOR(intr_info) != VEC_DF;
}

bool event_iret_undone(const struct vmexit *x, u32 pin)
{
    /* The bit is undefined while an event was being delivered, and where IRET does not
     * unblock NMIs at all. */
    if (any(x->idt_info, INTR_VALID))
        return false;
    if (any(pin, PIN_NMI_EXITING) && !any(pin, PIN_VIRTUAL_NMIS))
        return false;

    switch (EXIT_REASON_BASIC(x->reason)) {
    case EXIT_REASON_EXCEPTION_NMI:
        return any(x->intr_info, INTR_NMI_UNBLOCKING) && tells_of_iret(x->intr_info);
    case EXIT_REASON_EPT_VIOLATION:
    case EXIT_REASON_PML_FULL:
    case EXIT_REASON_SPP_EVENT:
        return any(x->qual, QUAL_EPT_NMI_UNBLOCKING);
    default:
        return false;
    }
}

void event_overtaken(const struct event *planned, struct vmexit *x)
{
    if (!any(planned->info, INTR_VALID))
        return;
    x->idt_info = planned->info;
    x->idt_error = planned->error;
    if (event_by_instruction(planned->info))
        x->insn_len = planned->len;
}

bool event_has_error(u8 vector)
{
    const u32 with_error = 1u << VEC_DF | 1u << VEC_TS | 1u << VEC_NP | 1u << VEC_SS |
                           1u << VEC_GP | 1u << VEC_PF | 1u << VEC_AC | 1u << VEC_CP;
    return vector < 32 && any(with_error, BIT(vector));
}

struct event event_exception(u8 vector, u32 error, u64 cr0)
{
    struct event ev = {.info = INTR_VALID | INTR_HW_EXCEPTION << 8 | vector};

    if (event_has_error(vector) && any(cr0, CR0_PE)) {
        ev.info |= INTR_ERROR_VALID;
        ev.error = error;
    }
    return ev;
}

enum fault_class { BENIGN, CONTRIBUTORY, PAGE_FAULT, DOUBLE_FAULT };

/* Everything but a hardware exception is benign: interrupts, NMIs, INT n. */
static enum fault_class classify(u32 info)
{
    if (!any(info, INTR_VALID) || INTR_TYPE(info) != INTR_HW_EXCEPTION)
        return BENIGN;

    switch (INTR_VECTOR(info)) {
    case VEC_DE:
    case VEC_TS:
    case VEC_NP:
    case VEC_SS:
    case VEC_GP:
    case VEC_CP:
        return CONTRIBUTORY;
    case VEC_PF:
    case VEC_VE:
        return PAGE_FAULT;
    case VEC_DF:
        return DOUBLE_FAULT;
    default:
        return BENIGN;
    }
}

struct event event_combine(const struct event *first, const struct event *second, u64 cr0,
                           bool *triple)
{
    enum fault_class one = classify(first->info), two = classify(second->info);

    *triple = one == DOUBLE_FAULT && (two == CONTRIBUTORY || two == PAGE_FAULT);
    if (*triple)
        return none;
    if ((one == CONTRIBUTORY && two == CONTRIBUTORY) ||
        (one == PAGE_FAULT && (two == CONTRIBUTORY || two == PAGE_FAULT)))
        return event_exception(VEC_DF, 0, cr0);
    return *second;
}

enum nmi_plan nmi_plan(const struct nmi_facts *f)
{
    bool exits = f->in_l2 && any(f->pin12, PIN_NMI_EXITING);
    bool virtual_nmis = exits && any(f->pin12, PIN_VIRTUAL_NMIS);
    bool blocked = any(f->interruptibility, BLOCKING_BY_NMI);
    /* The window opens after one instruction or one delivery of an event. */
    bool soon = f->event_planned || f->debug_pending ||
                any(f->interruptibility, BLOCKING_BY_STI | BLOCKING_BY_MOV_SS);

    if (f->activity == ACTIVITY_WAIT_SIPI)
        return NMI_HOLD;
    if (!exits)
        return blocked || soon ? NMI_WINDOW : NMI_INJECT;

    /* Under virtual NMIs the flag is L2's virtual blocking, which stops no real NMI. A window would
     * wait for the flag, so the exit to L1 comes at once and overtakes a planned event. */
    if (blocked)
        return virtual_nmis ? NMI_REFLECT : NMI_HOLD;
    return soon ? NMI_WINDOW : NMI_REFLECT;
}
