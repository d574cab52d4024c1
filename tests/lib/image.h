/* SPDX-License-Identifier: BSD-2-Clause */
/* Whole VMCS images for the tests of merge and sync: random contents, comparison by area. */
#ifndef TESTS_IMAGE_H
#define TESTS_IMAGE_H

#include "hv/vmcs12/vmcs12.h"
#include "tests/lib/rng.h"

/* The capabilities of the emulated processor, and of one that allows everything. */
extern const struct vmx_caps caps_emulator, caps_all;

/* Give every field a boundary-biased value; header and launch state are random too. */
void image_random(struct rng *r, struct vmcs_image *v);

/* Set every field to the byte pattern, header included. */
void image_fill(struct vmcs_image *v, u8 byte);

/* Fail the test, naming the field, when the values differ. */
void assert_same_field(const struct vmcs_image *a, const struct vmcs_image *b, enum vmcs_field f);

/* Edits of 10 bytes each: a field by its number, and a value to XOR into it. */
void image_edit(struct vmcs_image *v, const u8 *data, size_t size);

#endif
