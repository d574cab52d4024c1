/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of hv/trace share. */
#ifndef HV_TRACE_PRIVATE_H
#define HV_TRACE_PRIVATE_H

#include "hv/nested/nested.h"
#include "hv/trace/trace.h"

/* What was so when the exit happened that is being handled. */
struct trace_before {
    u64 tsc;
    u32 level, reason;
    u64 rip, gpa, operand;
    u8 value_reg; /* of a VMREAD or VMWRITE; REG_COUNT: memory */
    u64 current;  /* L1's current-VMCS pointer */
    u32 stale;    /* n->told[TOLD_STALE] */
};

/* COM2, which all processors share. */
struct trace_port {
    u32 owner;  /* a processor's number plus 1, or 0 */
    u32 sent;   /* bytes, so that who waits sees that the owner lives */
    bool stuck; /* the last record did not get away whole. The owner's */
};

struct trace {
    struct trace_head *head;
    struct trace_record *ring;
    struct trace_port *port;
    bool stopped;
    u64 own;       /* ticks that the trace took since the last exit */
    u32 own_enter; /* the same, of the last record of an entry */
    bool invept;   /* L1 executed INVEPT since L2 last ran */
    struct trace_before before;
    struct vmcs_image image02; /* n->image02 before a VM entry of L1 */
    u64 awaited;               /* where a violation went to L1 since L2 last ran; all ones: none */
    u64 leaves;                /* of EPT02, before that INVEPT */
};

/* ring.c: writes a record. Fills in its number, processor and TSC (when it is 0). */
void trace_put(struct cpu *cpu, const struct trace_record *r);
/* True when the filter wants records of this group and level. */
bool trace_wants(const struct cpu *cpu, u64 group, u32 level);
/* leaf.c: answers L1's CPUID of LEAF_NIDUS_TRACE. */
void trace_leaf(struct cpu *cpu);

/* ---- ept02_seen.c: EPT02 as the trace sees it ---- */

/* EPT02's leaf over an address of L2's, and the EPT12 entry that it was made from. */
struct ept02_seen {
    u8 level;
    u64 entry, source;
};
/* The leaf that the context used last has there. False: it has none, or L2 has no EPT12. */
bool ept02_look(const struct cpu *cpu, gpa2_t gpa2, struct ept02_seen *seen);
/* How many leaves all contexts have. */
u64 ept02_count_leaves(const struct cpu *cpu);

#endif
