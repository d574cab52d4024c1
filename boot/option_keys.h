/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of the options: every key, its values and the member of struct options for the value;
 * and what is looked up in it. options.c reads and describes by it. Pure.
 */
#ifndef BOOT_OPTION_KEYS_H
#define BOOT_OPTION_KEYS_H

#include "boot/options.h"
#include "boot/words.h"

enum option_kind { KIND_CHOICE, KIND_SET, KIND_NUMBER, KIND_FLAG, KIND_PATH, KIND_CHAIN };

/* KIND_CHOICE stores the value's place in the row; behind a value that ends in ':' the word goes on
 * with 0x and a number of 16 bits, which is stored from bit 8 on. KIND_SET stores one bit for each
 * value named. KIND_NUMBER stores a decimal number below 1,000, KIND_PATH the word. The texts are
 * character arrays: nidus.efi is position independent, and pointers would need relocations. */
struct option_key {
    char name[8];
    u8 kind;
    u8 initial;
    u16 offset;
    char value[16][12];
};

/* Row n of the table; NULL behind its end. */
const struct option_key *option_key(u32 n);

/* The member for the row's value. Every member apart from ucode and chain is a u32. */
u32 *option_member(struct options *o, const struct option_key *k);
u32 option_value(const struct options *o, const struct option_key *k);

/* The number of a row's values. The row ends at its first empty value. */
u32 option_value_count(const struct option_key *k);

/* The place of the value w in the row, or option_value_count(k) when the row does not have it. */
u32 option_find_value(const struct option_key *k, struct word w);

/* True when a number belongs to value n of the row. */
bool option_is_open(const struct option_key *k, u32 n);

/* What KIND_CHOICE stores for the value, or OPTION_NOT_FOUND. */
#define OPTION_NOT_FOUND (~0u)
u32 option_find_choice(const struct option_key *k, struct word w);

/* Returns the key at the beginning of the word, or NULL. *value becomes the text behind '='. */
const struct option_key *option_find_key(struct word w, struct word *value, bool *has_value);

#endif
