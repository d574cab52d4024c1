/* A hostile L1 and its L2s on the machine of machine.h, from a stream of bytes: the same bytes, the same run. */
#ifndef TESTS_MACHINE_PLAY_H
#define TESTS_MACHINE_PLAY_H

#include "tests/machine/machine.h"

struct play_input {
    const u8 *at;
    size_t left;
};

/* The first bytes choose model, profile and options, the others are steps. Returns machine.bug: "" or what L0
 * did wrong. */
const char *play(const u8 *bytes, size_t size);

/* play_l2.c: L2 runs and exits, and what the CPU could have made of its state meanwhile. */
enum vmx_enter play_l2(struct machine *m);

/* The next bytes of the input, 0 behind its end. */
u8 play_byte(void);
u64 play_number(unsigned size);
/* A number that rules care about: few bits, all ones, an edge, or anything. */
u64 play_edgy(void);
/* Any bits of `may`. */
u64 play_bits(u64 may);

/* The exit of an instruction of L1 whose memory operand, 8 bytes, holds the value. */
enum vmx_enter play_memory_operand(u32 reason, u64 value);

/* One field of an image: a bit flipped, or another number. */
void play_edit(struct vmcs_image *v, enum vmcs_field f);

#endif
