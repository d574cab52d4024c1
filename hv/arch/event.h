/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events of a guest: what an exit interrupted, what is injected in its place, two faults that
 * become one, and where an NMI that L0 holds goes. Values in, values out.
 * SDM 3C 28.2.4 "Information for VM Exits During Event Delivery"
 */
#ifndef HV_ARCH_EVENT_H
#define HV_ARCH_EVENT_H

#include "hv/arch/exit.h"
#include "hv/arch/vmx_ctl.h"

/* An event in the form of the VM-entry fields. info without INTR_VALID means that there is none. */
struct event {
    u32 info;
    u32 error;
    u32 len; /* instruction length, for software types */
};

/* The event whose delivery the exit interrupted, in the form that delivers it again, or none.
 * The caller puts it in the entry fields of the same VMCS before it resumes, unless an exit to
 * L1 overtakes the event (event_overtaken). When INTR_TYPE is INTR_NMI the caller also clears
 * BLOCKING_BY_NMI in the guest's interruptibility, or the re-injected NMI would be blocked by
 * itself. cr0: the guest's CR0. */
struct event event_interrupted(const struct vmexit *x, u64 cr0);

/* The exception or NMI that the exit itself reports, in the form that delivers it to the guest.
 * cr0: the guest's CR0. */
struct event event_caught(const struct vmexit *x, u64 cr0);

/* True when the exit undid an IRET's unblocking of NMIs. The caller then sets BLOCKING_BY_NMI again
 * before the guest resumes. pin: the pin-based controls that were in effect.
 * SDM 3C 28.2.3 "Information About NMI Unblocking Due to IRET" */
bool event_iret_undone(const struct vmexit *x, u32 pin);

/* Records in x an event that L0 had planned to inject and that an exit to L1 overtakes.
 * IDT-vectoring information holds the event, so that L1 delivers it. x->insn_len becomes the
 * event's length when the event comes from an instruction. Without an event x stays as it is. */
void event_overtaken(const struct event *planned, struct vmexit *x);

/* A hardware exception of this vector. The event has the error code only when the vector has one
 * and the guest's CR0.PE is set: real mode pushes no error code. */
struct event event_exception(u8 vector, u32 error, u64 cr0);

/* True when the vector pushes an error code in protected mode. */
bool event_has_error(u8 vector);

/* True when the event comes from an instruction: INT n, INT1, INT3 or INTO. Its handler returns
 * behind the instruction, so a VM entry that delivers the event needs the instruction's length.
 * info: VM-entry interruption information or IDT-vectoring information. */
bool event_by_instruction(u32 info);

/* The value of EXT in the error code of a fault that happens while this event is delivered. True
 * when the program did not ask for the event by INT n, INT3 or INTO. info: as for
 * event_by_instruction. SDM 3A 6.13 "Error Code" */
bool event_external(u32 info);

/* What to deliver when `second` is raised while `first` is being delivered: the second exception
 * alone, or a double fault. *triple becomes true when the guest shuts down instead; the returned
 * event is then none.
 * SDM 3A 6.15 "Exception and Interrupt Reference", interrupt 8 */
struct event event_combine(const struct event *first, const struct event *second, u64 cr0,
                           bool *triple);

/* What the next VM entry does with an NMI that arrived in root mode and that L0 holds for L1. */
enum nmi_plan {
    NMI_INJECT,  /* inject the NMI into the level that runs */
    NMI_WINDOW,  /* NMIs are blocked: use virtual NMIs and NMI-window exiting until they are not */
    NMI_REFLECT, /* L2 runs and vmcs12 exits on NMIs: a true exit to L1, reason 0 */
    NMI_HOLD,    /* no window can open: ask again at the next exit. The guest waits for a SIPI, or
                    NMIs are really blocked in L2 while vmcs12 exits on NMIs, so that no IRET of
                    L2's unblocks them */
};

struct nmi_facts {
    bool in_l2;
    u32 pin12;            /* vmcs12's pin-based controls, meaningful when in_l2 */
    u32 interruptibility; /* of the level that runs */
    u32 activity;         /* of the level that runs */
    bool event_planned;   /* the entry fields already hold an event */
    /* The pending-debug-exceptions field holds a debug exception. The CPU must deliver it before
     * the NMI: an entry that injects an NMI drops it. SDM 3C 27.7.3 "Delivery of Pending Debug
     * Exceptions after VM Entry" */
    bool debug_pending;
};

/* The plan for one held NMI. SDM 3A 6.7.1 "Handling Multiple NMIs" */
enum nmi_plan nmi_plan(const struct nmi_facts *f);

#endif
