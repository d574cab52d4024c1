/* Events across levels. Contract in event.h. */
#include "hv/vmcs12/event.h"
#include "hv/arch/cpu.h"

/* What goes from IDT-vectoring to entry information; bit 12 is reserved in the latter. */
#define INFO_KEPT (INTR_VALID | INTR_ERROR_VALID | 0x7ffu)

static const struct event none = {0, 0, 0};

/* Types 4, 5 and 6 come from an instruction: the entry fields need its length. */
static bool is_software(u32 info)
{
    return INTR_TYPE(info) >= INTR_SW_INTERRUPT && INTR_TYPE(info) <= INTR_SW_EXCEPTION;
}

struct event event_interrupted(const struct vmexit *x)
{
    struct event ev = {.info = x->idt_info & INFO_KEPT};

    if (!any(x->idt_info, INTR_VALID))
        return none;
    if (any(ev.info, INTR_ERROR_VALID))
        ev.error = x->idt_error;
    if (is_software(ev.info))
        ev.len = x->insn_len;
    return ev;
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
    case EXIT_REASON_EXCEPTION_NMI: /* a double fault leaves it undefined too */
        return any(x->intr_info, INTR_NMI_UNBLOCKING) && INTR_VECTOR(x->intr_info) != VEC_DF;
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
    if (is_software(planned->info))
        x->insn_len = planned->len;
}

struct event event_of_vmcs12(const struct vmcs_image *v12)
{
    if (!any(v12->entry_intr_info, INTR_VALID))
        return none;
    return (struct event){v12->entry_intr_info, v12->entry_exception_error_code,
                          v12->entry_instruction_len};
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

bool event_exits_to_l1(const struct vmcs_image *v12, u8 vector, u32 error)
{
    bool bit = vector < 32 && any(v12->exception_bitmap, BIT(vector));

    if (vector != VEC_PF)
        return bit;
    /* With the bit clear the sense is inverted: an exit when mask and match disagree. */
    return ((error & v12->pf_error_code_mask) == v12->pf_error_code_match) == bit;
}

enum nmi_plan nmi_plan(const struct nmi_facts *f)
{
    bool exits = f->in_l2 && any(f->pin12, PIN_NMI_EXITING);
    bool virtual_nmis = exits && any(f->pin12, PIN_VIRTUAL_NMIS);
    bool blocked = any(f->interruptibility, BLOCKING_BY_NMI);
    /* One instruction, or one delivery, then it is open. */
    bool soon = f->event_planned || f->debug_pending ||
                any(f->interruptibility, BLOCKING_BY_STI | BLOCKING_BY_MOV_SS);

    if (f->activity == ACTIVITY_WAIT_SIPI)
        return NMI_HOLD;
    if (!exits)
        return blocked || soon ? NMI_WINDOW : NMI_INJECT;

    /* Under virtual NMIs the flag is L2's virtual blocking and stops no real NMI; a window
     * would wait for it, so then the exit overtakes what is planned. */
    if (blocked)
        return virtual_nmis ? NMI_REFLECT : NMI_HOLD;
    return soon ? NMI_WINDOW : NMI_REFLECT;
}
