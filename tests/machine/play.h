/* SPDX-License-Identifier: BSD-2-Clause */
/* A hostile L1 and its L2s on the machine of machine.h. A stream of bytes decides what they do:
 * the same bytes give the same run. */
#ifndef TESTS_MACHINE_PLAY_H
#define TESTS_MACHINE_PLAY_H

#include "tests/machine/machine.h"

struct play_input {
    const u8 *at;
    size_t left;
};

/* Plays the bytes. The first bytes choose model, profile and options; the others are steps. Returns
 * machine.bug: "" or what L0 did wrong. */
const char *play(const u8 *bytes, size_t size);

/* play_l2.c: L2 runs, its state changes as it could on a CPU, and L2 exits. */
enum vmx_enter play_l2(struct machine *m);

/* The next byte, or the next `size` bytes, of the input; 0 behind the end of the input. */
u8 play_byte(void);
u64 play_number(unsigned size);
/* A number that rules care about: few bits, all ones, an edge, or anything. */
u64 play_edgy(void);
/* A number whose set bits are among those of `may`. */
u64 play_bits(u64 may);

/* L1 exits with an instruction whose memory operand of 8 bytes holds the value. */
enum vmx_enter play_memory_operand(u32 reason, u64 value);

/* L1 exits with VMWRITE of a register. */
enum vmx_enter play_vmwrite(u64 encoding, u64 value);

/* play_write.c: the VMCS that L1 reads and writes without an exit, or NULL; and whether the
 * bitmap of a set lets L1's VMREAD, or VMWRITE (`write`), pass. */
struct vmcs_image *play_shadow(void);
bool play_passes(u64 encoding, enum shadow_set set, bool write);
/* The same file: a VMWRITE of L1's, which may start a burst of more. They set up L2's state. */
extern u32 play_burst; /* those that are to come */
enum vmx_enter play_l1_vmwrite(bool starts_burst);
/* An event to inject; most are legal. */
u32 play_event(void);

/* Flips a bit of the field f in the image, or gives the field another number. */
void play_edit(struct vmcs_image *v, enum vmcs_field f);

#endif
