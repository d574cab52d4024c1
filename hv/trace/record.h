/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The records of trace=, as they lie in memory and in files. They are fixed and versioned: other
 * programs read them (tools/trace). All numbers are little-endian. A head is followed by records:
 * in memory by the whole ring, one page behind the head; elsewhere by those that are left of the
 * ring, the oldest first; in a stream by all that will ever be. Pure: no code.
 */
#ifndef HV_TRACE_RECORD_H
#define HV_TRACE_RECORD_H

#include "hv/arch/bits.h"

#define TRACE_MAGIC   0x656361725464694eull /* "NidTrace" */
#define TRACE_VERSION 1u
#define TRACE_RECORDS 16384u /* in the ring of a processor: 1 MiB */

enum trace_form { TRACE_RING = 0, TRACE_STREAM = 1, TRACE_FILE = 2 };

struct trace_head {
    u64 magic;
    u16 version, record_size;
    u32 form; /* enum trace_form */
    u32 cpu, cpus;
    u32 depth;    /* instances of Nidus below this one */
    u32 filter;   /* TRACE_* as the option gave them */
    u64 capacity; /* records in the ring */
    u64 written;  /* records so far; the next one's number */
    u64 began;    /* the TSC when the trace began */
    u64 reserved;
};

enum trace_kind {
    TRACE_EXIT = 1,    /* level `level` exited */
    TRACE_ROUTE = 2,   /* whose an exit of L2 is: code 0 L0's, 1 L1's */
    TRACE_REFLECT = 3, /* L1 got an exit of L2, as its VMCS12 tells it */
    TRACE_EVENT = 4,   /* the next entry injects an event into `level` */
    TRACE_INSN = 5,    /* a VMX instruction of L1 ended: code is an enum trace_end */
    TRACE_FILL = 6,    /* EPT02 got a leaf */
    TRACE_DROP = 7,    /* an INVEPT of L1's was carried out */
    TRACE_ENTRY = 8,   /* `level` is entered */
    TRACE_STALE = 9,   /* L2 used a translation that EPT12 no longer has */
};

enum trace_end {
    TRACE_OK = 0,
    TRACE_FAIL_INVALID = 1,
    TRACE_FAIL = 2,    /* extra: the VM-instruction error */
    TRACE_FAULT = 3,   /* extra: the vector */
    TRACE_ENTERED = 4, /* L2 runs */
    TRACE_REFUSED = 5, /* extra: the exit reason */
};

/*
 *         reason         extra               a                b               c            d
 * EXIT    exit reason    own ticks (5)       qualification    guest-physical  events (1)   RCX:RAX
 * ROUTE   exit reason    -                   -                -               -            -
 * REFLECT exit reason    -                   qualification    events (1)      L2's RIP     -
 * EVENT   -              error code          interruption information         -            -
 * INSN    basic reason   see enum trace_end  operand (2)      value           rule (3)     -
 * FILL    -              level of the leaf   guest-physical   EPT02's entry   EPT12's      -
 * DROP    -              -                   EPTP12           leaves before   after        -
 * ENTRY   1 VMLAUNCH     fields written (4)  encodings of the first 12, 16 bits each       own (5)
 * STALE   -              -                   guest-physical   -               -            -
 * (1) exit interruption information in bits 31:0, IDT-vectoring information in bits 63:32
 * (2) an encoding, a pointer, or a type; all ones: not known
 * (3) the number of the broken rule in rules.def, from 0, when an entry was refused; else all ones
 * (4) of vmcs02, when L1 enters L2
 * (5) ticks that the trace itself took: in EXIT since the TSC of the last ENTRY, before the guest
 *     ran; in ENTRY since the TSC of the last EXIT
 */
struct trace_record {
    u32 number; /* the low half of its number, from 0 */
    u8 kind;    /* enum trace_kind */
    u8 level;   /* 1 or 2: whom it is about */
    u8 cpu;
    u8 code;
    u64 tsc;
    u64 rip; /* of that level */
    u32 reason, extra;
    u64 a, b, c, d;
};

_Static_assert(sizeof(struct trace_head) == 64, "the format is fixed");
_Static_assert(sizeof(struct trace_record) == 64, "the format is fixed");

/* The option trace=, bit by bit: groups of kinds, levels, where to, processors. A group of which
 * no bit is set stands for all of it, but for the port. */
#define TRACE_WANT_EXITS   BIT(0)
#define TRACE_WANT_ROUTES  BIT(1) /* and REFLECT */
#define TRACE_WANT_EVENTS  BIT(2)
#define TRACE_WANT_INSNS   BIT(3)
#define TRACE_WANT_FILLS   BIT(4) /* and DROP and STALE */
#define TRACE_WANT_ENTRIES BIT(5)
#define TRACE_WANT_KINDS   0x3fu
#define TRACE_WANT_L1      BIT(6)
#define TRACE_WANT_L2      BIT(7)
#define TRACE_WANT_LEVELS  (TRACE_WANT_L1 | TRACE_WANT_L2)
#define TRACE_WANT_ALL     BIT(8)
#define TRACE_TO_COM2      BIT(9)
#define TRACE_CPU_SHIFT    10 /* cpu0 to cpu3 */
#define TRACE_WANT_CPUS    (15u << TRACE_CPU_SHIFT)

/* Subleaves of LEAF_NIDUS_TRACE, which only L1 reaches. With bit 31 set, bits 30:0 are a record's
 * place in the ring times 4, and which 16 bytes of it. Not recorded. */
enum trace_leaf {
    TRACE_LEAF_FACTS = 0, /* EAX: version, record size; EBX: capacity; EDX:ECX: written. 0: none */
    TRACE_LEAF_STOP = 1,  /* this processor records no more */
    TRACE_LEAF_GO = 2,
    TRACE_LEAF_HEAD = 4, /* to 7: 16 bytes of the head */
};
#define TRACE_LEAF_RECORD 0x80000000u

#endif
