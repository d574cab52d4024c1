/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The steps of bring-up that enter VMX operation, and the way back from each of them. Until the CPU
 * has entered L1 again behind L1's first exit, everything can be undone: a broken rule, a refused
 * field, a refused entry and a panic all end in a reason (handoff.why) and the firmware's context.
 */
#ifndef HV_LAUNCH_H
#define HV_LAUNCH_H

#include "hv/run.h"

/* HANDOFF_PROBE: enters VMX operation, looks for the VMCS fields that the capabilities tell of
 * (hv/fields.h), and leaves. Narrows vm->facts, and settles anew, when a field is missing. */
enum handoff_status launch_probe(struct cpu *cpu, struct handoff *h) MUST_CHECK;
/* HANDOFF_REHEARSE: all that a launch does but VMLAUNCH, and back. */
enum handoff_status launch_rehearse(struct cpu *cpu, struct handoff *h) MUST_CHECK;
/* HANDOFF_LAUNCH. Returns when the processor could not be launched, or left Nidus again. */
enum handoff_status launch_for_good(struct cpu *cpu, struct handoff *h) MUST_CHECK;

/* Makes `why` the reason of a refusal, and returns HANDOFF_REFUSED for the caller to return. */
enum handoff_status launch_refuse(struct handoff *h, const char *why);
/* percpu.escape: the log's last line is the reason. Leaves VMX operation and L0. Returns only when
 * bring-up is over on this processor. */
void launch_escape(struct percpu *p);

/* bringup.c: HANDOFF_SETTLE, what L1 is shown by vm->facts. May be called again. */
enum handoff_status bringup_settle(struct cpu *cpu, struct handoff *h) MUST_CHECK;

#endif
