/*
 * Events of a guest: what an exit interrupted, what is injected in its place, two faults that
 * become one, and where an NMI that L0 holds goes. Values in, values out. SDM 3C 28.2.4
 * "Information for VM Exits During Event Delivery"
 */
#ifndef HV_ARCH_EVENT_H
#define HV_ARCH_EVENT_H

#include "hv/arch/exit.h"
#include "hv/arch/vmx_ctl.h"

/* An event as the VM-entry fields hold it; info without INTR_VALID: none. */
struct event {
    u32 info;
    u32 error;
    u32 len; /* instruction length, for software types */
};

/* The event whose delivery the exit interrupted, in the form that delivers it again, or none.
 * The caller puts it in the entry fields of the same VMCS before it resumes, unless an exit to
 * L1 overtakes it (event_overtaken). A re-injected NMI must not find itself blocked: clear
 * BLOCKING_BY_NMI in the guest's interruptibility when INTR_TYPE is INTR_NMI. cr0: the guest's. */
struct event event_interrupted(const struct vmexit *x, u64 cr0);

/* The exception or NMI that the exit itself reports, in the form that delivers it. */
struct event event_caught(const struct vmexit *x, u64 cr0);

/* True when the exit undid an IRET's unblocking of NMIs: before that guest resumes,
 * BLOCKING_BY_NMI must be set again. pin: the pin-based controls that were in effect.
 * SDM 3C 28.2.3 "Information About NMI Unblocking Due to IRET" */
bool event_iret_undone(const struct vmexit *x, u32 pin);

/* A planned event that an exit to L1 overtakes: recorded in x as IDT-vectoring, so that L1
 * delivers it. x->insn_len takes the event's length when the event has one. */
void event_overtaken(const struct event *planned, struct vmexit *x);

/* A hardware exception of the vector. The error code goes with it when the vector has one and
 * the guest's CR0.PE is set (real mode pushes none). */
struct event event_exception(u8 vector, u32 error, u64 cr0);

/* The vector pushes an error code in protected mode. */
bool event_has_error(u8 vector);

/* The event comes from an instruction: INT n, INT1, INT3, INTO. It returns behind that,
 * and an entry that delivers it is told the length. info: as in the VM-entry fields or
 * in IDT-vectoring. */
bool event_by_instruction(u32 info);

/* What EXT in an error code says of a fault in the event's delivery: the program did not ask for
 * the event by INT n, INT3 or INTO. SDM 3A 6.13 "Error Code" */
bool event_external(u32 info);

/* An exception raised while `first` was being delivered: the second alone, or a double fault.
 * *triple: neither, the guest shuts down (the returned event is none).
 * SDM 3A 6.15 "Exception and Interrupt Reference", interrupt 8 */
struct event event_combine(const struct event *first, const struct event *second, u64 cr0,
                           bool *triple);

/* An NMI that arrived in root mode and that L0 holds for L1: what the next entry does. */
enum nmi_plan {
    NMI_INJECT,  /* inject into the level that runs */
    NMI_WINDOW,  /* blocked for now: virtual NMIs and NMI-window exiting until it is not */
    NMI_REFLECT, /* L2 runs and vmcs12 exits on NMIs: a true exit to L1, reason 0 */
    NMI_HOLD,    /* no entry can open it (wait-for-SIPI; L2's NMIs blocked for real while vmcs12
                    exits on NMIs, so that IRET unblocks nothing): ask again at the next exit */
};

struct nmi_facts {
    bool in_l2;
    u32 pin12;            /* vmcs12's pin-based controls, meaningful when in_l2 */
    u32 interruptibility; /* of the level that runs */
    u32 activity;         /* of the level that runs */
    bool event_planned;   /* the entry fields already hold an event */
    /* the pending-debug-exceptions field holds one: it is delivered first, and an entry
     * that injects an NMI would drop it. SDM 3C 27.7.3 "Delivery of Pending Debug
     * Exceptions after VM Entry" */
    bool debug_pending;
};

enum nmi_plan nmi_plan(const struct nmi_facts *f);

#endif
